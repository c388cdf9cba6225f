# The disk driver is killed fifty times under readers: its successor is soon healthy and has its
# disk.  First in time counted in instructions, where the bound is tight: a driver's start takes
# 1.4 ms; then on two processors.
. test/boot/lib.sh

sh tool/mkdisk.sh "$dir/disk" || fail mkdisk
with_prog restart
init <<'EOF'
sipd -1
restart ahci /dev/sd/sdC0/part/2 50 15000 /dev/sd
free
EOF
CPUS=1 EXTRA="-icount shift=0,sleep=off" TIMEOUT=200 DISKS=$dir/disk boot
expect 'restart: all right'
console | grep '^restart: '
init <<'EOF'
sipd -1
restart ahci /dev/sd/sdC0/part/2 50 1000000 /dev/sd
EOF
CPUS=2 TIMEOUT=200 DISKS=$dir/disk boot
expect 'restart: all right'
console | grep '^restart: '
