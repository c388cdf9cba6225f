# Two controllers with several disks at once, on four processors: every byte in its place.
. test/boot/lib.sh

for d in a b c; do truncate -s 32M "$dir/$d"; done
head -c 400000 /dev/urandom > "$dir/extra/blob"
{
cat <<'END'
ahci &
await -t 30 /dev/sd/sdC34/part/0
await -t 30 /dev/sd/sdC33/part/0
await -t 30 /dev/sd/sdC2/part/0
cat /dev/sd/sdctl
END
blob_writers 'sdC33 1000 77' 'sdC34 777 3' 'sdC2 4096 9' 'sdC2 100 200001'
cat <<'END'
for d in sdC33 sdC34 sdC2; do cat /dev/sd/$d/stats; done
END
} | init
CPUS=4 EXTRA="-device ich9-ahci,id=first,addr=9 -drive file=$dir/c,if=none,id=fc,format=raw \
-device ide-hd,drive=fc,bus=first.2 -drive file=$dir/a,if=none,id=fa,format=raw \
-device ide-hd,drive=fa,bus=ide.1 -drive file=$dir/b,if=none,id=fb,format=raw \
-device ide-hd,drive=fb,bus=ide.2" boot
expect 'done a' 'done b' 'done c' 'done d' "sdC2 'QEMU HARDDISK' 33554432" 'errors 0'
refuse 'resets 1'
images_with_blob 32 a:77000 b:2331 c:36864,20000100
