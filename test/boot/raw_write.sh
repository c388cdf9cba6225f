# Raw writes to a partition reach the image, just where they should, and nothing else.
. test/boot/lib.sh

sh tool/mkdisk.sh "$dir/disk" || fail mkdisk
cp "$dir/disk" "$dir/before"
head -c 3000000 /dev/urandom > "$dir/extra/blob"
init <<'END'
sipd &
await -t 30 /dev/sd/sdC0/part/3
cat /dev/sd/sdC0/geometry
p=/dev/sd/sdC0/part/3
dd if=/boot/blob of=$p bs=65536 count=8 conv=notrunc,fsync
dd if=/boot/blob of=$p bs=1 skip=7 seek=1000001 count=1537 conv=notrunc,fsync
dd if=/boot/blob of=$p bs=4096 skip=3 seek=700 count=1 conv=notrunc,fsync
dd if=/boot/blob of=$p bs=1048576 seek=1 count=1 conv=notrunc,fsync
dd if=$p bs=65536 count=8 | sha256sum
dd if=$p bs=1048576 skip=1 count=1 | sha256sum
grep direct-bytes /dev/sd/sdC0/stats
dd if=$p bs=1 skip=1000001 count=1537 | sha256sum
dd if=/boot/blob of=$p bs=512 seek=8192 count=1 conv=notrunc || echo "beyond the end: refused"
dd if=$p bs=512 skip=8192 count=1 | wc -c
dd if=$p bs=512 skip=8191 count=9 | wc -c
END
DISKS=$dir/disk boot
python3 - "$dir" <<'END' || fail "the image is not what it should be"
import sys
d = sys.argv[1]
want = bytearray(open(d + "/before", "rb").read())
got = open(d + "/disk", "rb").read()
blob = open(d + "/extra/blob", "rb").read()
part = (2048 + 16 * 2048 + 64 * 2048) * 512
want[part:part + 8 * 65536] = blob[:8 * 65536]
want[part + 1000001:part + 1000001 + 1537] = blob[7:7 + 1537]
want[part + 700 * 4096:part + 701 * 4096] = blob[3 * 4096:4 * 4096]
want[part + (1 << 20):part + (2 << 20)] = blob[:1 << 20]
if bytes(want) != got:
    bad = [i for i in range(0, len(got), 512) if want[i:i + 512] != got[i:i + 512]]
    print("%d sectors differ, the first at sector %d" % (len(bad), bad[0] // 512 if bad else -1))
    sys.exit(1)
END
expect "$(head -c 524288 "$dir/extra/blob" | sha256sum)"
expect "$(head -c 1048576 "$dir/extra/blob" | sha256sum)"
expect "$(dd if="$dir/extra/blob" bs=1 skip=7 count=1537 status=none | sha256sum)"
expect 'beyond the end: refused' 'direct-bytes 3145728'
expect_re '^0$' '^512$'
