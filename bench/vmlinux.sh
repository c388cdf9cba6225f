#!/bin/sh
# Takes the ELF kernel out of a Linux bzImage.  Usage: vmlinux.sh BZIMAGE OUTPUT
# [Linux, Documentation/x86/boot.rst: setup_sects, payload_offset, payload_length]
set -eu
in=$1 out=$2

# The number of $2 bytes at offset $1, little-endian.
number()
{
	od -An -v -tu"$2" -j "$1" -N "$2" "$in" | tr -d ' '
}

setup=$(number 497 1)
offset=$((($([ "$setup" = 0 ] && echo 4 || echo "$setup") + 1) * 512 + $(number 584 4)))
length=$(number 588 4)
tail -c +$((offset + 1)) "$in" | head -c "$length" > "$out.packed"
case $(od -An -v -tx1 -N 4 "$out.packed" | tr -d ' ') in
fd377a58) unpack='xz -dc --single-stream' ;;
28b52ffd) unpack='zstd -dc' ;;
1f8b*)	unpack='gzip -dc' ;;
*)	echo "vmlinux.sh: $in: an unknown compression" >&2; exit 1 ;;
esac
# Behind the compressed data is its length, which the tools complain about.
$unpack < "$out.packed" > "$out.tmp" 2> /dev/null || :
rm "$out.packed"
[ "$(head -c 4 "$out.tmp" | tail -c 3)" = ELF ] || { echo "vmlinux.sh: $in: no ELF" >&2; exit 1; }
mv "$out.tmp" "$out"
