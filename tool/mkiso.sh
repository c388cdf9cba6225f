#!/bin/sh
# Makes a CD image that GRUB boots, on BIOS and on UEFI, by Multiboot2.
# Usage: mkiso.sh KERNEL BOOT-ARCHIVE OUTPUT [KERNEL-COMMAND-LINE]
set -eu
kernel=$1 archive=$2 out=$3 append=${4:-}
tmp=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/root/boot/grub"
strip -o "$tmp/root/boot/lux9.elf" "$kernel"
cp "$archive" "$tmp/root/boot/boot.tar"
sed "s|@APPEND@|$append|" boot/grub.cfg > "$tmp/root/boot/grub/grub.cfg"
grub-mkrescue -o "$tmp/iso" "$tmp/root" > "$tmp/log" 2>&1 || {
	cat "$tmp/log" >&2
	exit 1
}
mv "$tmp/iso" "$out"
