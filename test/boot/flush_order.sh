# A flush reaches the medium where the client asked for it: on each driver's disk, eight writes with an
# fsync after each are, in QEMU's log of writes and flushes, eight writes with a flush after each.
. test/boot/lib.sh
. test/campaign/disks.sh

cat > "$dir/judge.py" <<'END'
import struct, sys
MAGIC, FLUSH, FUA, DISCARD = 0x6a736677736872, 1, 2, 4
with open(sys.argv[1], "rb") as f:
    magic, version, count, size = struct.unpack("<QQQI", f.read(28))
    assert magic == MAGIC, "not a log"
    seen, at = [], size
    for _ in range(count):
        f.seek(at)
        sector, n, flags, _ = struct.unpack("<4Q", f.read(32))
        at += size + (0 if flags & DISCARD else n * size)
        if n and not flags & DISCARD:
            seen.append(sector * size // 512)
        if flags & (FLUSH | FUA):
            seen.append("flush")
print(*seen)
while seen and seen[0] == "flush":
    seen.pop(0)
for i in range(8):
    if seen[:2] != [i * 8 + 64, "flush"]:
        sys.exit("write %d is not followed by its flush" % i)
    while seen and seen[0] in (i * 8 + 64, "flush"):
        seen.pop(0)
if seen:
    sys.exit("more than was asked for")
END
for driver in $disk_drivers; do
	name=$(disk_name "$driver")
	truncate -s 4M "$dir/disk"
	rm -f "$dir/log" && truncate -s 1M "$dir/log"
	{
		echo 'sipd &'
		echo "await -t 30 /dev/sd/$name/raw"
		for i in 0 1 2 3 4 5 6 7; do
			echo "dd if=/boot/init.conf of=/dev/sd/$name/raw bs=512 seek=$((i * 8 + 64)) count=1" \
				"conv=notrunc,fsync"
		done
	} | init
	MACHINE=$(disk_machine "$driver") EXTRA="-blockdev driver=file,filename=$dir/disk,node-name=file,cache.no-flush=off \
-blockdev driver=file,filename=$dir/log,node-name=log -blockdev driver=blklogwrites,file=file,log=log,node-name=logged \
$(disk_device "$driver" logged)" boot
	python3 "$dir/judge.py" "$dir/log" || fail "$driver: the order is not that of the requests"
done
