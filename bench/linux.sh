#!/bin/bash
# Makes the Linux that is measured, in DIR: vmlinux, Debian's kernel, and initramfs, with the one
# program WORK and the modules that it loads.  Debian's package is unpacked, not installed.
# Usage: linux.sh WORK DIR
set -eu
work=$1 dir=$2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$dir"

if ! ls "$dir"/package/boot/vmlinuz-* > /dev/null 2>&1; then
	name=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: *//p' | head -n 1)
	[ -n "$name" ] || { echo "linux.sh: apt knows no linux-image-amd64" >&2; exit 1; }
	echo "fetching $name"
	(cd "$dir" && apt-get download -qq "$name" 2> /dev/null)
	dpkg-deb -x "$dir/$name"_*.deb "$dir/package"
	rm "$dir/$name"_*.deb
fi
image=$(echo "$dir"/package/boot/vmlinuz-*)
modules=$dir/package/lib/modules/${image##*/vmlinuz-}
[ "$dir/vmlinux" -nt "$image" ] || sh "$here/vmlinux.sh" "$image" "$dir/vmlinux"

# The modules that $1 needs, then $1, into the list, each once.
add_module()
{
	local name=$1 file needs
	file=$(find "$modules" -name "$(echo "$name" | tr _ '?').ko" | head -n 1)
	[ -n "$file" ] || return 0	# part of the kernel
	! grep -qxF "/${file##*/}" "$root/modules" || return 0
	for needs in $(strings -a "$file" | sed -n 's/^depends=//p' | tr , ' '); do
		add_module "$needs"
	done
	cp "$file" "$root/"
	echo "/${file##*/}" >> "$root/modules"
}

root=$(mktemp -d "$dir/root.XXXXXX")
trap 'rm -rf "$root"' EXIT
: > "$root/modules"
for m in ahci sd_mod nvme virtio_pci virtio_blk virtio_scsi crc32c_generic ext4; do
	add_module "$m"
done
# Without these two in the archive there is no console for the first process.
mkdir "$root/dev" "$root/root"
cp "$work" "$root/work"
(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc --quiet) > "$dir/initramfs"
# For the boot alone: nothing but the program.
(cd "$root" && echo work | cpio -o -H newc --quiet) > "$dir/initramfs-boot"
