# As faults.sh, the other drivers of disks.  And interrupts that get lost, and who notices what no kernel can: a device that is sent to
# memory which a client has back, and commands that are said to have been done.
# bound: 500
. test/boot/lib.sh
. test/campaign/disks.sh

with_prog faults stale stamp
with_fault_prog nvme virtioblk virtioscsi ide
mkdir -p "$dir/extra/sip"
head -c 8M /dev/urandom > "$dir/faulty"

# The machine's own AHCI controller is left alone.
printf 'name tmp\nprogram /boot/bin/ramfs\nargs -size 4M\nmount /tmp\ncapability file-system\n' \
	> "$dir/extra/sip/tmp"
printf 'name ahci\nprogram /boot/bin/ahci\npci 0xffffff\n' > "$dir/extra/sip/ahci"

# in_machine DRIVER STORM: boots with its disk; STORM: interrupts a second, 0: as usual.  For a storm one
# processor, as in faults.sh.
in_machine()
{
	{
		sed '/^deadline/d; /^restart/d' "boot/sip/$1"
		printf 'deadline 3000\nrestart always\nlimit 100\n'
		[ "$2" = 0 ] || echo "interrupts $2"
	} > "$dir/extra/sip/$1"
	CPUS=$(($2 > 0 ? 1 : 2)) TIMEOUT=100 MACHINE=$(disk_machine "$1") EXTRA="-drive file=$dir/faulty,if=none,id=d,format=raw \
$(disk_device "$1" d)" boot
}

# What is a storm: well above what the readers cause, well below what a busy machine still makes.
faults_of()
{
	local driver=$1 name readers=4 storm=10000
	# An access to a port is a call of the kernel: its storm is not as fierce.
	[ "$driver" != ide ] || readers=1 storm=8000
	name=$(disk_name "$driver")
	init <<END
sipd -1
await -t 30 /dev/sd/$name/data
mount -w 60000 /srv/$driver /mnt
echo 'fault dance' > /mnt/sdctl || echo "no such fault"
faults $driver $readers /dev/sd/$name/data 2097152 /mnt/sdctl \\
	'crash=fault: page fault at 0x8' 'exit=exited with status 3' 'wildptr=fault: ' \\
	'hang=a request is older than the deadline' 'deaf=missed health deadline' \\
	'memory=memory limit' 'storm=interrupt storm' 'wrong=' 'wilddma=' 'crash=fault: '
cat /dev/sip/servers/$driver/health
END
	in_machine "$driver" "$storm"
	expect_re '^no such fault$' "^faults: wrong: $driver lives on; [1-9]" \
		"^faults: wilddma: $driver lives on; " '^faults: all right'
	console | grep '^faults: '
}

noticed_of()
{
	local driver=$1 name
	name=$(disk_name "$driver")
	init <<END
sipd -1
await -t 30 /dev/sd/$name/data
mount -w 60000 /srv/$driver /mnt
$(lose_interrupts "$driver" "$name")
$([ "$driver" = ide ] || echo "stale /dev/sd/$name/raw /mnt/sdctl")
stamp -seconds 60 -region 1048576 -ready /tmp/stamping /dev/sd/$name/raw &
load=\$!
await -t 30 /tmp/stamping
for i in 1 2 3 4 5 6 7 8 9 10; do echo 'fault wrong #20' > /mnt/sdctl; sleep 0.1; done
kill \$load
wait \$load || echo "wrong completions were seen"
END
	cp "$dir/faulty" "$dir/faulty.before"
	in_machine "$driver" 0
	expect_lost_interrupts "$driver" "$dir/faulty.before"
	expect_re '^wrong completions were seen$' '(wrong [1-9][0-9]*, lost [0-9]+|wrong 0, lost [1-9][0-9]*), errors 0'
	[ "$driver" = ide ] || expect_re '^stale: all right$'
}

for driver in ${FAULTS_ONLY:-nvme virtioblk virtioscsi ide}; do
	faults_of "$driver"
	noticed_of "$driver"
done
