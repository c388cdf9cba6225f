# Errors that virtio disks give (blkdebug): passing ones are mended, lasting ones are told, and nobody
# else notices.
. test/boot/lib.sh

rule()
{
	printf '[inject-error]\nevent = "%s"\nerrno = "5"\nsector = "%s"\nonce = "%s"\n\n' "$@"
}

{
	rule read_aio 1000 off
	rule read_aio 2000 on
	rule read_aio 3000 on
	rule write_aio 20000 off
	rule write_aio 21000 on
	printf '[inject-error]\nevent = "flush_to_disk"\nerrno = "5"\nonce = "off"\n'
} > "$dir/rules"
python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(5).randbytes(8 << 20))' > "$dir/blk"
truncate -s 64M "$dir/blk"
cp "$dir/blk" "$dir/scsi"
init <<'END'
sipd -1
for n in sdV0 sdS0; do
	await -t 30 /dev/sd/$n/part/0
	d=/dev/sd/$n/data
	dd if=$d of=/dev/null bs=512 skip=2000 count=1 && echo "$n a passing read error is mended"
	dd if=$d of=/dev/null bs=512 skip=1000 count=1 || echo "$n a lasting read error is told"
	dd if=$d bs=512 skip=1001 count=1000 | sha256sum
	dd if=$d bs=65536 skip=20 count=10 | sha256sum
	dd if=/dev/zero of=$d bs=512 seek=21000 count=4 conv=notrunc && echo "$n a passing write error is mended"
	dd if=/dev/zero of=$d bs=512 seek=20000 count=1 conv=notrunc || echo "$n a lasting write error is told"
	dd if=/dev/zero of=$d bs=512 seek=20001 count=1 conv=notrunc && echo "$n its neighbour is well"
	echo flush > /dev/sd/$n/ctl || echo "$n a flush that fails is told"
	cat /dev/sd/$n/ctl
	cat /dev/sd/$n/stats
done
END
drive()
{
	echo "-drive file=blkdebug:$dir/rules:$dir/$1,if=none,id=$1,format=raw,rerror=report,werror=report"
}
EXTRA="-d guest_errors -D $dir/guest $(drive blk) -device virtio-blk-pci,disable-legacy=on,drive=blk \
$(drive scsi) -device virtio-scsi-pci,disable-legacy=on,id=host -device scsi-hd,drive=scsi,bus=host.0" boot
[ ! -s "$dir/guest" ] || fail "QEMU complains: $(head -5 "$dir/guest")"
for n in sdV0 sdS0; do
	expect "$n a passing read error is mended" "$n a lasting read error is told" \
		"$n a passing write error is mended" "$n a lasting write error is told" \
		"$n its neighbour is well" "$n a flush that fails is told"
done
for word in read write flush; do
	[ "$(console | grep -c "^$word-errors 1$")" = 2 ] || fail "$word errors are not counted once for each"
done
for sum in "$(dd if="$dir/blk" bs=512 skip=1001 count=1000 status=none | sha256sum)" \
	"$(dd if="$dir/blk" bs=65536 skip=20 count=10 status=none | sha256sum)"; do
	[ "$(console | grep -c "$sum")" = 2 ] || fail "what is read beside an error is wrong"
done
refuse_re '^resets [1-9]'
