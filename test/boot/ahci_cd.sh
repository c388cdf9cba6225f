# An optical drive at an AHCI port, beside a disk: every byte of its medium; reads while the disk is
# busy; the tray opens and closes; and the packet file.
. test/boot/lib.sh
command -v genisoimage > /dev/null || skip "needs genisoimage"

mkdir "$dir/tree"
head -c 3000000 /dev/urandom > "$dir/tree/data"
echo 'a small file' > "$dir/tree/hello"
genisoimage -quiet -R -o "$dir/cd.iso" "$dir/tree" || fail genisoimage
truncate -s 16M "$dir/disk"
with_prog packet
# INQUIRY for 36 bytes, as it is written to the packet file.
printf '\1\6\0\0\44\0\0\0\0\0\0\0\0\0\0\0\22\0\0\0\44\0\0\0\0\0\0\0\0\0\0\0' > "$dir/extra/inquiry"
init <<'END'
ramfs -mount /n &
ahci &
await -t 30 /dev/sd/sdC1/part/0
await -t 30 /dev/sd/sdC2/part/0
cat /dev/sd/sdctl
dd if=/dev/zero of=/dev/sd/sdC1/data bs=4096 count=2000 conv=notrunc,fsync && echo disk written &
writer=$!
dd if=/dev/sd/sdC2/data bs=65536 | sha256sum
dd if=/dev/sd/sdC2/data bs=2048 skip=100 count=1 | sha256sum
until mkdir /n/cd 2> /dev/null; do sleep 0.1; done
isofs -device /dev/sd/sdC2/data -mount /n/cd &
await -t 20 /n/cd/hello
cat /n/cd/hello
dd if=/n/cd/data bs=100000 | sha256sum
packet sdC2
{ cat /boot/inquiry >&3; echo answer of $(cat <&3 | wc -c); } 3<>/dev/sd/sdC2/packet
{ cat /boot/inquiry >&3; grep -c 'QEMU DVD-ROM' <&3; } 3<>/dev/sd/sdC2/packet && echo it is a drive
echo eject > /dev/sd/sdC2/ctl && echo ejected
cat /dev/sd/sdC2/ctl
for f in data raw part/0; do
	cat /dev/sd/sdC2/$f && echo data without a medium
done
ls /dev/sd/sdC2/part
echo load > /dev/sd/sdC2/ctl && echo loaded
dd if=/dev/sd/sdC2/data bs=2048 skip=100 count=1 | sha256sum
cat /dev/sd/sdC2/stats
wait $writer
END
EXTRA="-drive file=$dir/disk,if=none,id=d,format=raw -device ide-hd,drive=d,bus=ide.1 \
-drive file=$dir/cd.iso,if=none,id=c,format=raw,media=cdrom,readonly=on -device ide-cd,drive=c,bus=ide.2" boot
block=$(dd if="$dir/cd.iso" bs=2048 skip=100 count=1 status=none | sha256sum)
expect 'answer of 76' 'it is a drive' "$(sha256sum < "$dir/cd.iso")" "$block" "$(sha256sum < "$dir/tree/data")" 'a small file' \
	'disk written' ejected 'medium none' loaded 'resets 0' 'packet: sdC2: type 5' 'packet: sdC2: all right'
[ "$(tr -d '\r' < "$dir/console" | grep -c "^$block")" = 2 ] || fail "not the same block after load"
[ "$(console | grep -c 'sdC2/.*: sdC2: no medium')" = 3 ] || fail 'data without a medium: no such error'
refuse_re '^data without a medium'
