# Errors that disks give (blkdebug), at every driver of disks at once: passing ones of reads and writes are
# mended, lasting ones are told, once, and what is beside them is well. A flush that failed is told, though
# the next one would go well: that one's success says nothing of what the disk has dropped.
# bound: 200
. test/boot/lib.sh

disks='sdC0 sdD0 sdN0 sdV0 sdS0'

rule()
{
	printf '[inject-error]\nevent = "%s"\nerrno = "5"\nsector = "%s"\nonce = "%s"\n\n' "$@"
}

python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(5).randbytes(8 << 20))' > "$dir/image"
truncate -s 64M "$dir/image"
# The commands for one disk.
commands()
{
	cat <<END
await -t 30 /dev/sd/$1/part/0
d=/dev/sd/$1/data
echo "== $1"
dd if=\$d of=/dev/null bs=512 skip=2000 count=1 && echo "a passing read error is mended"
dd if=\$d of=/dev/null bs=512 skip=1000 count=1 || echo "a lasting read error is told"
dd if=\$d bs=512 skip=1001 count=1000 | sha256sum
dd if=\$d bs=65536 skip=20 count=10 | sha256sum
dd if=/dev/zero of=\$d bs=512 seek=21000 count=4 conv=notrunc && echo "a passing write error is mended"
dd if=/dev/zero of=\$d bs=512 seek=20000 count=1 conv=notrunc || echo "a lasting write error is told"
dd if=/dev/zero of=\$d bs=512 seek=20001 count=1 conv=notrunc && echo "its neighbour is well"
echo flush > /dev/sd/$1/ctl || echo "a flush error is told"
echo flush > /dev/sd/$1/ctl && echo "the next flush is well"
cat /dev/sd/$1/ctl
cat /dev/sd/$1/stats
END
}

echo 'sipd -1' > "$dir/commands"
for n in $disks; do
	cp "$dir/image" "$dir/$n"
	{
		rule read_aio 1000 off
		rule read_aio 2000 on
		rule read_aio 3000 on
		rule write_aio 20000 off
		rule write_aio 21000 on
		printf '[inject-error]\nevent = "flush_to_disk"\nerrno = "5"\nonce = "on"\n'
	} > "$dir/$n.rules"
	commands "$n" >> "$dir/commands"
done
echo 'echo "== end"' >> "$dir/commands"
init < "$dir/commands"
drive()
{
	echo "-drive file=blkdebug:$dir/$1.rules:$dir/$1,if=none,id=$1,format=raw,rerror=report,werror=report"
}
MACHINE=pc CPUS=2 EXTRA="-d guest_errors -D $dir/guest \
$(drive sdC0) -device ich9-ahci,id=ahci -device ide-hd,drive=sdC0,bus=ahci.0 \
$(drive sdD0) -device ide-hd,drive=sdD0,bus=ide.0 \
$(drive sdN0) -device nvme,drive=sdN0,serial=ERRORS \
$(drive sdV0) -device virtio-blk-pci,disable-legacy=on,drive=sdV0 \
$(drive sdS0) -device virtio-scsi-pci,disable-legacy=on,id=host -device scsi-hd,drive=sdS0,bus=host.0" \
	boot 125 # QEMU tells of every error of an NVMe disk as of one of its own
grep -v nvme "$dir/guest" && fail 'what QEMU does not like'

# What is said of one disk.
says()
{
	local n=$1 t
	shift
	console | sed -n "/^== $n\$/,/^== /p" > "$dir/said"
	for t; do
		grep -qxE -- "$t" "$dir/said" || fail "$n: it does not say $t: $(cat "$dir/said")"
	done
}
near=$(dd if="$dir/image" bs=512 skip=1001 count=1000 status=none | sha256sum)
far=$(dd if="$dir/image" bs=65536 skip=20 count=10 status=none | sha256sum)
for n in $disks; do
	says "$n" 'a passing read error is mended' 'a lasting read error is told' \
		'a passing write error is mended' 'a lasting write error is told' \
		'its neighbour is well' 'read-errors 1' 'write-errors 1' "$near" "$far" \
		'a flush error is told' 'the next flush is well' 'flush-requests 2' 'flush-errors 1'
done
# Whose fault it was is told by all but AHCI, whose disk has no log here, by the command itself.
for n in sdN0 sdV0 sdS0; do says $n 'resets 0'; done
says sdC0 'resets [1-9][0-9]*'
expect 'error 0x' 'status 0x2'
