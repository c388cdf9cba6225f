# A tree copied into a RAM file system is the same tree; it takes what file systems must take.
. test/boot/lib.sh

make_tree "$dir/extra/tree" 150 4
rm -rf "$dir"/extra/tree/*/*/*nnnn*
(cd "$dir/extra/tree" && find . -type f | LC_ALL=C sort | xargs -d '\n' sha256sum) > "$dir/extra/list"
init <<'END'
ramfs -mount /tmp &
until mkdir /tmp/ready; do sleep 0.1; done
cp -r /boot/tree /tmp/copy
cd /tmp/copy
sha256sum -c -q /boot/list
find . -type f | wc -l
mv d00 moved && ls moved
echo appended >> empty/file; echo more >> empty/file; cat empty/file
ln -s empty/file link; cat link
ln empty/file hard; stat hard | grep links
cd /
rm -r /tmp/copy
ls /tmp/copy || echo "gone"
mkdir /tmp/ready || echo "exists"
rmdir /tmp/none || echo "is not there"
df /tmp
END
boot
expect "$(wc -l < "$dir/extra/list") files the same, 0 not" 'links 2' gone exists 'is not there' \
	appended more
