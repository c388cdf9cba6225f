# `make run` without a terminal, on a disk of its own.
. test/boot/lib.sh

sh tool/mkdisk.sh "$dir/disk" || fail mkdisk
cp "$dir/disk" "$dir/before"
B=$b DISKS=$dir/disk SERIAL=$dir/console sh tool/run.sh < /dev/null || fail "make run ends with $?"
expect 'Hello from an ext4 file system' 'written by Lux9' \
	"$(seq 1 20000 | sha256sum | cut -d' ' -f1)"
expect 'restarts 3' 'cause killed by hand'
refuse 'panic:'
cmp "$dir/disk" "$dir/before" || fail "reading changed the disk"
