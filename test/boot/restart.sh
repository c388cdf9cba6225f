# The disk driver is killed fifty times under readers: they notice a pause and nothing else.  First
# in time counted in instructions, where the bound is what a repair may take; then on two processors,
# with other work on the machine that this runs on.  The bound is for nine deaths of ten: while the
# machine is idle its time is the host's, which may stand still for a while.
. test/boot/lib.sh

sh tool/mkdisk.sh "$dir/disk" || fail mkdisk
with_prog restart
init <<'END'
sipd -1
restart ahci /dev/sd/sdC0/part/2 50 50000
free
END
CPUS=1 EXTRA="-icount shift=0" TIMEOUT=200 DISKS=$dir/disk boot
expect 'restart: all right'
console | grep '^restart: '
init <<'END'
sipd -1
restart ahci /dev/sd/sdC0/part/2 50 2000000
END
CPUS=2 TIMEOUT=200 DISKS=$dir/disk boot
expect 'restart: all right'
console | grep '^restart: '
