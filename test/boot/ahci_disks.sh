# Two controllers with several disks at once, on four processors: every byte in its place.
. test/boot/lib.sh

for d in a b c; do truncate -s 32M "$dir/$d"; done
head -c 400000 /dev/urandom > "$dir/extra/blob"
init <<'END'
ahci &
await -t 30 /dev/sd/sdC34/part/0
await -t 30 /dev/sd/sdC33/part/0
await -t 30 /dev/sd/sdC2/part/0
cat /dev/sd/sdctl
dd if=/boot/blob of=/dev/sd/sdC33/data bs=1000 seek=77 conv=notrunc,fsync && echo done a &
w1=$!
dd if=/boot/blob of=/dev/sd/sdC34/data bs=777 seek=3 conv=notrunc,fsync && echo done b &
w2=$!
dd if=/boot/blob of=/dev/sd/sdC2/data bs=4096 seek=9 conv=notrunc,fsync && echo done c &
w3=$!
dd if=/boot/blob of=/dev/sd/sdC2/data bs=100 seek=200001 conv=notrunc,fsync && echo done d &
w4=$!
wait $w1; wait $w2; wait $w3; wait $w4
for d in sdC33 sdC34 sdC2; do cat /dev/sd/$d/stats; done
END
CPUS=4 EXTRA="-device ich9-ahci,id=first,addr=9 -drive file=$dir/c,if=none,id=fc,format=raw \
-device ide-hd,drive=fc,bus=first.2 -drive file=$dir/a,if=none,id=fa,format=raw \
-device ide-hd,drive=fa,bus=ide.1 -drive file=$dir/b,if=none,id=fb,format=raw \
-device ide-hd,drive=fb,bus=ide.2" boot
expect 'done a' 'done b' 'done c' 'done d' "sdC2 'QEMU HARDDISK' 33554432" 'errors 0'
refuse 'resets 1'
python3 - "$dir" <<'END' || fail "an image is not what it should be"
import sys
d = sys.argv[1]
blob = open(d + "/extra/blob", "rb").read()
wrote = {"a": [77000], "b": [2331], "c": [36864, 20000100]}
for name, places in wrote.items():
    want = bytearray(32 << 20)
    for at in places:
        want[at:at + len(blob)] = blob
    if open(d + "/" + name, "rb").read() != bytes(want):
        print("disk", name)
        sys.exit(1)
END
