# The CD image boots with GRUB, on BIOS and on UEFI.
# bound: 400
. test/boot/lib.sh

init <<'END'
echo "booted by GRUB"
cat /dev/cmdline
ps
END
archive
sh tool/mkiso.sh "$b/kernel/lux9.elf" "$dir/boot.tar" "$dir/iso" init.end=exit || fail mkiso
for uefi in 0 1; do
	[ $uefi = 0 ] || [ -f /usr/share/OVMF/OVMF_CODE_4M.fd ] || fail "no OVMF"
	rm -f "$dir/console"
	ENDS=exit ISO=$dir/iso UEFI=$uefi SERIAL=$dir/console TIMEOUT=180 sh tool/qemu.sh < /dev/null ||
		fail "UEFI=$uefi: ended with $?"
	expect 'booted by GRUB' 'init.end=exit'
	refuse 'panic:'
done
