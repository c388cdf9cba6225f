# Errors that an NVMe disk gives (blkdebug): passing ones are mended, lasting ones are told, once, and
# nobody else notices.
. test/boot/lib.sh

truncate -s 64M "$dir/disk"
python3 - "$dir/disk" <<'END'
import random, sys
with open(sys.argv[1], "r+b") as f:
    f.write(random.Random(5).randbytes(8 << 20))
END
{
	rule()
	{
		printf '[inject-error]\nevent = "%s"\nerrno = "5"\nsector = "%s"\nonce = "%s"\n\n' "$@"
	}
	rule read_aio 1000 off
	rule read_aio 2000 on
	rule read_aio 3000 on
	rule write_aio 20000 off
	rule write_aio 21000 on
	printf '[inject-error]\nevent = "flush_to_disk"\nerrno = "5"\nonce = "on"\n'
} > "$dir/rules"
init <<'END'
nvme &
await -t 30 /dev/sd/sdN0/part/0
d=/dev/sd/sdN0/data
dd if=$d of=/dev/null bs=512 skip=2000 count=1 && echo "a passing read error is mended"
dd if=$d of=/dev/null bs=512 skip=1000 count=1 || echo "a lasting read error is told"
dd if=$d bs=512 skip=1001 count=1000 | sha256sum
dd if=$d bs=65536 skip=20 count=10 | sha256sum
dd if=/dev/zero of=$d bs=512 seek=21000 count=4 conv=notrunc,fsync && echo "a passing write error is mended"
dd if=/dev/zero of=$d bs=512 seek=20000 count=1 conv=notrunc,fsync || echo "a lasting write error is told"
dd if=/dev/zero of=$d bs=512 seek=20001 count=1 conv=notrunc,fsync && echo "its neighbour is well"
cat /dev/sd/sdN0/ctl
cat /dev/sd/sdN0/stats
END
EXTRA="-drive file=blkdebug:$dir/rules:$dir/disk,if=none,id=e0,format=raw,rerror=report,werror=report \
-device nvme,drive=e0,serial=ERRORS" boot 125 # QEMU tells of every error as of one of its own
expect 'a passing read error is mended' 'a lasting read error is told' \
	'a passing write error is mended' 'a lasting write error is told' 'its neighbour is well' \
	'status 0x2' 'write-errors 1' 'read-errors 1' 'flush-errors 0' 'resets 0'
expect "$(dd if="$dir/disk" bs=512 skip=1001 count=1000 status=none | sha256sum)" \
	"$(dd if="$dir/disk" bs=65536 skip=20 count=10 status=none | sha256sum)"
