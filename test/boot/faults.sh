# Drivers that do wrong in each way that their test builds know, in the middle of their commands: they
# die of it, with the cause told, and nobody notices more than a pause.  Usual builds know no faults.
# bound: 600
. test/boot/lib.sh

head -c 8M /dev/urandom > "$dir/disk"
with_prog faults
init <<'END'
sipd -1
mount -w 60000 /srv/ahci /mnt
echo fault crash > /mnt/sdctl || echo "ahci: refused"
echo fault crash > /dev/sd/sdctl || echo "all: refused"
echo fault crash > /dev/edu/ctl || echo "edu: refused"
END
DISKS=$dir/disk boot
expect 'sdctl: unknown command: fault crash' "sdctl: a fault is one driver's"
expect_re '^ahci: refused$' '^all: refused$' '^edu: refused$'

with_fault_prog ahci edu
with_prog faults stale stamp
mkdir -p "$dir/extra/sip"
# What is a storm: well above what the readers cause, well below what a busy machine still makes.  One
# processor: with two that take turns (THREAD), an interrupt comes when it is the other's turn.
manifest()
{
	sed '/^deadline/d; /^restart/d' "boot/sip/$1"
	printf 'deadline 3000\nrestart always\nlimit 100\ninterrupts %d\n' "$2"
}
printf 'name tmp\nprogram /boot/bin/ramfs\nargs -size 4M\nmount /tmp\ncapability file-system\n' \
	> "$dir/extra/sip/tmp"
manifest ahci 10000 > "$dir/extra/sip/ahci"
manifest edu 1000 > "$dir/extra/sip/edu"
init <<'END'
sipd -1
mount -w 60000 /srv/ahci /mnt
echo fault dance > /mnt/sdctl || echo "no such fault"
echo 'fault crash #0' > /mnt/sdctl || echo "no such number"
faults ahci 4 /dev/sd/sdC0/data 2097152 /mnt/sdctl \
	'crash=fault: page fault at 0x8' 'exit=exited with status 3' 'wildptr=fault: ' \
	'hang=a request is older than the deadline' 'deaf=missed health deadline' \
	'memory=memory limit' 'storm=interrupt storm' 'wrong=' 'wilddma=' 'crash=fault: '
faults edu 1 /dev/edu/dma 2048 /dev/edu/ctl \
	'crash=fault: page fault at 0x8' 'exit=exited with status 3' 'wildptr=fault: ' \
	'hang=a request is older than the deadline' 'deaf=missed health deadline' \
	'memory=memory limit' 'storm=interrupt storm' 'wrong=' 'wilddma=' 'crash=fault: '
cat /dev/sip/servers/ahci/health
END
CPUS=1 TIMEOUT=200 DISKS=$dir/disk boot
expect_re '^no such fault$' '^no such number$'
expect_re '^faults: wrong: ahci lives on; [1-9]' '^faults: wilddma: ahci lives on; [1-9]'
test "$(console | grep -c '^faults: all right')" = 2 || fail "not both drivers"
console | grep '^faults: '

# Interrupts that get lost.  And who notices what no kernel can.  More interrupts than the readers' are no storm here.
rm "$dir/extra/sip/ahci"
cp "$dir/disk" "$dir/disk.before"
init <<END
sipd -1
mount -w 60000 /srv/ahci /mnt
$(lose_interrupts ahci sdC0)
stale /dev/sd/sdC0/raw /mnt/sdctl
stamp -seconds 60 -region 1048576 -ready /tmp/stamping /dev/sd/sdC0/raw &
load=\$!
await -t 30 /tmp/stamping
for i in 1 2 3 4 5 6 7 8 9 10; do echo 'fault wrong #20' > /mnt/sdctl; sleep 0.1; done
kill \$load
wait \$load || echo "wrong completions were seen"
END
CPUS=2 DISKS=$dir/disk boot
expect_lost_interrupts ahci "$dir/disk.before"
expect_re '^stale: all right$' '^wrong completions were seen$' '(wrong [1-9][0-9]*, lost [0-9]+|wrong 0, lost [1-9][0-9]*), errors 0'
