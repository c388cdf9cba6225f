# Discards reach the host, which gets its blocks back; a write to a file with O_DSYNC is followed by a
# flush, since QEMU's disk has no FUA; a flush that fails is told, once, and fails the write that it is behind.
. test/boot/lib.sh

head -c 32M /dev/urandom > "$dir/a"
cp "$dir/a" "$dir/was"
truncate -s 32M "$dir/b"
# The second flush fails, and the fourth.
{
	printf '[set-state]\nevent = "flush_to_disk"\nstate = "%s"\nnew_state = "%s"\n\n' 1 2 2 3 3 4
	printf '[inject-error]\nevent = "flush_to_disk"\niotype = "flush"\nerrno = "5"\nonce = "on"\nstate = "%s"\n\n' 2 4
} > "$dir/rules"
init <<'END'
ahci &
await -t 30 /dev/sd/sdC1/part/0
await -t 30 /dev/sd/sdC2/part/0
echo discard 2048 32768 > /dev/sd/sdC1/ctl && echo discarded
echo discard 63488 2048 > /dev/sd/sdC1/ctl && echo discarded the end
echo discard 65000 2048 > /dev/sd/sdC1/ctl || echo refused beyond the end
echo zero 50000 1000 > /dev/sd/sdC1/ctl && echo zeroed by writes
dd if=/dev/zero of=/dev/sd/sdC1/data bs=4096 seek=10 count=5 conv=notrunc oflag=dsync
cat /dev/sd/sdC1/stats
f="dd if=/dev/zero of=/dev/sd/sdC2/data count=1 conv=notrunc,fsync"
$f && echo first flush
$f || echo a flush is told to fail
$f && echo third flush
dd if=/dev/zero of=/dev/sd/sdC2/data count=1 conv=notrunc oflag=dsync || echo a write fails with its flush
cat /dev/sd/sdC2/stats
END
EXTRA="-trace ide_exec_cmd -D $dir/trace -drive file=$dir/a,if=none,id=fa,format=raw,discard=unmap \
-device ide-hd,drive=fa,bus=ide.1 \
-drive file=blkdebug:$dir/rules:$dir/b,if=none,id=fb,format=raw,rerror=report,werror=report \
-device ide-hd,drive=fb,bus=ide.2" boot
expect discarded 'discarded the end' 'zeroed by writes' 'refused beyond the end' 'write-requests 5' \
	'first flush' 'third flush' 'a flush is told to fail' 'flush-errors 1' 'flush: status 0x' \
	'a write fails with its flush' 'write-errors 1'
blocks=$(stat -c %b "$dir/a")
[ "$blocks" -le $((65536 - 32768 - 2048 + 64)) ] || fail "the image still has $blocks blocks"
python3 - "$dir" <<'END' || fail "the image is not what it should be"
import sys
d = sys.argv[1]
was, now = (bytearray(open(d + "/" + n, "rb").read()) for n in ("was", "a"))
for first, count in ((2048, 32768), (63488, 2048), (50000, 1000), (80, 40)):
    was[first * 512:(first + count) * 512] = bytes(count * 512)
sys.exit(was != now)
END
# FLUSH CACHE EXT: five for the writes of sdC1, and four of sdC2: none is sent twice.
n=$(grep -c 'cmd 0xea' "$dir/trace")
[ "$n" = 9 ] || fail "$n flushes"
