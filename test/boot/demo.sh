# `make run` without a terminal, on a disk of its own.
. test/boot/lib.sh

sh tool/mkdisk.sh "$dir/disk" || fail mkdisk
B=$b DISKS=$dir/disk SERIAL=$dir/console sh tool/run.sh < /dev/null || fail "make run ends with $?"
expect 'Hello from an ext4 file system' 'written by Lux9' \
	"$(seq 1 20000 | sha256sum | cut -d' ' -f1)"
refuse 'panic:'
dd if="$dir/disk" of="$dir/fs" bs=1M skip=17 count=64 status=none
/usr/sbin/e2fsck -fn "$dir/fs" || fail "the file system is not sound"
[ "$(/usr/sbin/debugfs -R 'cat /new.txt' "$dir/fs" 2>/dev/null)" = 'written by Lux9' ] ||
	fail "what was written is not on the disk"
