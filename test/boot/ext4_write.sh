# What Lux9 writes into an ext4 file system, e2fsck calls sound and debugfs reads back.
# bound: 400
. test/boot/lib.sh

make_tree "$dir/tree" 300 10
sh tool/mkdisk.sh "$dir/disk" "$dir/tree" 96 || fail mkdisk
(cd "$dir/tree" && find . -type f | LC_ALL=C sort | xargs -d '\n' sha256sum) > "$dir/extra/list"
init <<'END'
sipd &
await -t 30 /dev/sd/sdC0/part/2
ext4fs -device /dev/sd/sdC0/part/2 -mount /root &
await -t 30 /root/d00
mkdir -p /root/copy/deep/er
cp -r /root/d00 /root/d01 /root/d02 /root/copy
echo first > /root/copy/deep/er/file
echo second >> /root/copy/deep/er/file
ln -s er/file /root/copy/deep/link
ln /root/copy/deep/er/file /root/copy/deep/hard
mv /root/copy/deep/er/file /root/copy/deep/moved
rm -r /root/d03
cd /root/copy
sha256sum -r d00 > /root/copy/sums
sync
unmount /root
END
DISKS=$dir/disk boot
dd if="$dir/disk" of="$dir/fs" bs=1M skip=17 count=96 status=none
/usr/sbin/e2fsck -fn "$dir/fs" || fail "the file system is not sound"
mkdir "$dir/back"
/usr/sbin/debugfs -R "rdump / $dir/back" "$dir/fs" > /dev/null 2>&1
[ ! -e "$dir/back/d03" ] || fail "d03 was removed and is there"
for d in d00 d01 d02; do
	diff -r "$dir/tree/$d" "$dir/back/copy/$d" || fail "the copy of $d differs"
done
[ "$(cat "$dir/back/copy/deep/moved")" = "$(printf 'first\nsecond')" ] || fail "moved"
[ "$(cat "$dir/back/copy/deep/hard")" = "$(printf 'first\nsecond')" ] || fail "hard"
[ "$(readlink "$dir/back/copy/deep/link")" = er/file ] || fail "link"
(cd "$dir/back/copy" && sha256sum --quiet -c sums) || fail "sums"
rm -rf "$dir/tree/d03"
for d in "$dir"/tree/d*; do
	diff -r "$d" "$dir/back/$(basename "$d")" > /dev/null || fail "$d has changed"
done
