# Every byte of 3,000 files, 150 MiB, read through ahci and ext4fs, is what the host put there.
# bound: 600
. test/boot/lib.sh

export TIMEOUT=400 CPUS=2
make_tree "$dir/tree" 3000 150
sh tool/mkdisk.sh "$dir/disk" "$dir/tree" 256 || fail mkdisk
(cd "$dir/tree" && find . -type f | LC_ALL=C sort | xargs -d '\n' sha256sum) > "$dir/extra/list"
init <<'END'
sipd &
await -t 30 /dev/sd/sdC0/part/2
ext4fs -device /dev/sd/sdC0/part/2 -mount /root -r &
await -t 30 /root/d00
cd /root
time sha256sum -c -q /boot/list
find . -type f | wc -l
find . -type d | wc -l
ls -l link
time find . -type f -name 'f*0' | wc -l
END
DISKS=$dir/disk boot
expect "$(wc -l < "$dir/extra/list") files the same, 0 not" 'link -> d00/sub0'
expect_re "^$(find "$dir/tree" -type f | wc -l)\$" \
	"^$(($(find "$dir/tree" -type d | wc -l) + 1))\$"
