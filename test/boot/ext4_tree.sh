# A disk of sgdisk's and mkfs.ext4's, with 13,000 files, 170 MiB, a directory of 10,000 names and every
# kind of file, read through ahci and ext4fs: every byte, mode, owner, size, time, link and name is
# what the host put there and debugfs finds there.  The disk is not changed.
# bound: 240
. test/boot/lib.sh
PATH=$PATH:/usr/sbin:/sbin
for p in sgdisk mkfs.ext4 debugfs e2fsck python3; do
	command -v $p > /dev/null || skip "needs $p"
done

export TIMEOUT=180 CPUS=2
ext4()
{
	python3 test/boot/ext4.py "$@"
}

ext4 tree "$dir/tree" large || fail tree
mib=320 start=17		# where mkdisk.sh puts the file system, in MiB
sh tool/mkdisk.sh "$dir/disk" "$dir/tree" $mib || fail mkdisk
part()
{
	dd if="$dir/disk" of="$dir/part" bs=1M skip=$start count=$mib conv=sparse status=none || fail dd
}
part
e2fsck -fyD "$dir/part" > "$dir/log" 2>&1
[ $? -le 1 ] || fail "e2fsck: $(cat "$dir/log")"
ext4 nsec "$dir/part" || fail nsec
dd if="$dir/part" of="$dir/disk" bs=1M seek=$start conv=notrunc status=none || fail dd
debugfs -R 'htree_dump /many' "$dir/part" 2>/dev/null | grep -q 'Number of entries (count)' ||
	fail "the directory has no index"
ext4 list "$dir/part" > "$dir/list" && mv "$dir/tree/far" "$dir/far" &&
	ext4 sums "$dir/tree" > "$dir/sums" || fail "no lists"
[ "$(grep -c . "$dir/sums")" -gt 13000 ] || fail "a small tree"
sha256sum "$dir/disk" > "$dir/before"
truncate -s 16M "$dir/out"
init <<'END'
sipd &
ramfs -mount /tmp &
await -t 30 /dev/sd/sdC0/part/2 /dev/sd/sdC1/data
ext4fs -device /dev/sd/sdC0/part/2 -mount /root -r &
await -t 30 /root/kinds
until mkdir /tmp/x 2> /dev/null; do sleep 0.1; done
cd /root
echo '== list' > /tmp/out
time find . -printf '%i|%y|%m|%U|%G|%n|%s|%b|%T@|%P|%l\n' >> /tmp/out
echo '== sums' >> /tmp/out
time sha256sum -r data dirs kinds many names sparse > /tmp/sums
cat /tmp/sums >> /tmp/out
echo '== end' >> /tmp/out
dd if=/tmp/out of=/dev/sd/sdC1/data bs=64K conv=notrunc,fsync
dd if=far/5g bs=1M skip=5119 2> /dev/null | wc -c
dd if=far/5g bs=1M skip=5120 2> /dev/null
ls -l kinds/good kinds/two
ls many | wc -l
ls many/none || echo none of that name
df .
END
DISKS="$dir/disk $dir/out" boot
sed -i 's:  \./:  :' "$dir/sums"
ext4 compare "$dir/out" list "$dir/list" && ext4 compare "$dir/out" sums "$dir/sums" || fail "not the same"
expect 'past 4 GiB' 'good -> one' 'none of that name'
expect_re '^1048588$' '^10001$'
sha256sum --quiet -c "$dir/before" || fail "the disk was changed"
part
e2fsck -fn "$dir/part" > "$dir/log" 2>&1 || fail "$(cat "$dir/log")"
