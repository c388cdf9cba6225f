#!/bin/sh
# Makes a disk image: a GPT with three partitions.  Needs neither root nor a loop device.
#   1  LUX9BOOT  FAT, 16 MiB, with one file
#   2  LUX9ROOT  ext4, with a tree
#   3  LUX9RAW   4 MiB of zeros, for raw writes
# Usage: mkdisk.sh OUTPUT [TREE [MIB]]     MIB: the size of the ext4 file system (64)
set -eu
out=$1 tree=${2:-} mib=${3:-64}
PATH=$PATH:/usr/sbin:/sbin
tmp=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

if [ -z "$tree" ]; then
	tree=$tmp/tree
	mkdir -p "$tree/doc" "$tree/etc"
	echo 'Hello from an ext4 file system, read by a process.' > "$tree/hello.txt"
	echo 'lux9' > "$tree/etc/hostname"
	cp README.md STYLE.md "$tree/doc/" 2>/dev/null || :
	seq 1 20000 > "$tree/doc/numbers"
	ln -s doc/numbers "$tree/numbers"
fi

fat_start=2048 fat_n=$((16 * 2048))
ext_start=$((fat_start + fat_n)) ext_n=$((mib * 2048))
raw_start=$((ext_start + ext_n)) raw_n=$((4 * 2048))
rm -f "$tmp/disk"
truncate -s $(((raw_start + raw_n + 2048) * 512)) "$tmp/disk"
sgdisk -a 1 -o \
	-n 1:$fat_start:$((fat_start + fat_n - 1)) -t 1:ef00 -c 1:LUX9BOOT \
	-n 2:$ext_start:$((ext_start + ext_n - 1)) -t 2:8300 -c 2:LUX9ROOT \
	-n 3:$raw_start:$((raw_start + raw_n - 1)) -t 3:8300 -c 3:LUX9RAW \
	"$tmp/disk" > /dev/null
mkfs.fat -n LUX9BOOT --offset $fat_start "$tmp/disk" $((fat_n / 2)) > /dev/null 2>&1
echo 'Hello from a FAT file system.' > "$tmp/hello"
mcopy -i "$tmp/disk@@$((fat_start * 512))" "$tmp/hello" ::HELLO.TXT
mkfs.ext4 -q -F -b 4096 -L LUX9ROOT -E "offset=$((ext_start * 512)),root_owner=0:0" -d "$tree" \
	"$tmp/disk" $((ext_n / 2))k 2>&1 | grep -v '^$' || :
mv "$tmp/disk" "$out"
