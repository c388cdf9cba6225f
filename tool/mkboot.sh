#!/bin/sh
# Makes the boot archive (ustar): programs in bin/, manifests in sip/, init and its commands on top.
# Usage: mkboot.sh BUILD OUTPUT [EXTRA-DIR]   (files of EXTRA-DIR are laid over the rest)
set -eu
b=$1 out=$2
dir=$(mktemp -d "$b/boot.XXXXXX")
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/bin" "$dir/sip"
for p in "$b"/lux9/bin/*; do
	strip -o "$dir/bin/$(basename "$p")" "$p"
done
strip -o "$dir/personality" "$b/lux9/personality"
[ ! -f "$dir/bin/init" ] || mv "$dir/bin/init" "$dir/init"
cp boot/*.conf "$dir/" 2>/dev/null || :
cp boot/sip/* "$dir/sip/" 2>/dev/null || :
[ $# -lt 3 ] || cp -a "$3/." "$dir/"
(cd "$dir" && tar --format=ustar --owner=0 --group=0 --mtime=@0 --sort=name -cf - *) > "$out.tmp"
mv "$out.tmp" "$out"
