# A machine with most of its memory above 4 GiB, and controllers that do not reach that: IDE, whose
# addresses have 32 bits, and AHCI with -dma32.  Every byte is right, also in requests whose memory is
# above; those below go directly, where the driver can.
# bound: 200
. test/boot/lib.sh

with_prog dma32
make_disk()
{
	python3 -c 'import struct, sys
for at in range(0, 1 << 21, 1 << 17):
	sys.stdout.buffer.write(struct.pack("<131072Q", *range(at, at + (1 << 17))))' > "$dir/disk"
	truncate -s 32M "$dir/disk"
}

# Bytes that went directly, of those that went at all, as numbers.
went()
{
	find_re 'dma32: sd[A-Z]0: [0-9]+ of [0-9]+ bytes directly' | sed 's/.*: \([0-9]*\) of \([0-9]*\).*/\1 \2/'
}

export MEM=512M TIMEOUT=100 CPUS=2 CACHE=unsafe DISKS=$dir/disk
for what in 'pc sdD0 ide' 'q35 sdC0 ahci' 'q35 sdC0 ahci -dma32'; do
	read -r machine disk driver option <<< "$what"
	make_disk
	init <<-END
	$driver ${option:-} &
	await -t 30 /dev/sd/$disk/data
	dma32 $disk 360
	END
	MACHINE=$machine,max-ram-below-4g=256M boot
	expect 'dma32: all right'
	cmp -n 16777216 "$dir/disk" "$dir/disk" 0 16777216 || fail "the disk's second half is not its first"
	read -r direct all <<< "$(went)"
	echo "$what: $direct of $all bytes directly"
	case $what in
	*ide)	[ "$direct" = 0 ] || fail 'IDE has no direct requests' ;;
	*-dma32) [ "$direct" -gt 0 ] && [ "$direct" -lt "$all" ] || fail 'not some of them' ;;
	*)	[ "$direct" = "$all" ] || fail 'all are within reach' ;;
	esac
done
