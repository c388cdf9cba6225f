# part on a disk of the AHCI driver: a table is made and the driver shows it at once; what is open is
# not taken away, and when it is (-f) its file gives errors and never another's sectors; sgdisk and
# sfdisk find no fault afterwards.  Zeros and discards that are for a partition stay in it.  Beside it: what lspci -v and smart say of the controller and disk.
. test/boot/lib.sh
PATH=$PATH:/usr/sbin:/sbin
command -v sgdisk > /dev/null && command -v sfdisk > /dev/null || skip "needs sgdisk and sfdisk"

truncate -s 64M "$dir/gpt"
truncate -s 64M "$dir/mbr"
init <<'END'
ahci &
await -t 30 /dev/sd/sdC0/part/0
await -t 30 /dev/sd/sdC1/part/0
part create gpt sdC0
part add -l 8M -c first sdC0
part add -l 8M -t swap -c second /dev/sd/sdC0/data
ls /dev/sd/sdC0/part /dev/sd/sdC0/part/by-label
dd if=/boot/bin/part of=/dev/sd/sdC0/part/1 bs=65536 conv=notrunc
echo two > /dev/sd/sdC0/part/2
echo 'zero 0 16385 1' > /dev/sd/sdC0/ctl || echo "zeros beyond a partition"
echo 'discard 1 16384 1' > /dev/sd/sdC0/ctl || echo "a discard beyond a partition"
echo 'zero 0 16384 1' > /dev/sd/sdC0/ctl && echo "all of it is zero"
dd if=/dev/sd/sdC0/part/1 bs=1048576 | sha256sum
head -c 4 /dev/sd/sdC0/part/2
echo one > /dev/sd/sdC0/part/by-label/first
echo two > /dev/sd/sdC0/part/2
exec 3<>/dev/sd/sdC0/part/2
grep open /dev/sd/sdC0/ctl
echo 'zero 18431 2' > /dev/sd/sdC0/ctl || echo "no zeros where somebody has it open"
echo 'discard 0 70000' > /dev/sd/sdC0/ctl || echo "nor a discard"
echo 'zero 16383 1 2' > /dev/sd/sdC0/ctl && echo "but in what is named"
part delete sdC0 2 || echo "kept while it is open"
part label sdC0 2 renamed
part delete sdC0 1
head -c 4 <&3
part delete -f sdC0 2
part add -l 4M -c third sdC0
part add -l 16M -c fourth sdC0
head -c 4 <&3 || echo "gone for reads"
echo x >&3 || echo "gone for writes"
exec 3<&-
head -c 4 /dev/sd/sdC0/part/by-label/third
part add -n 1 sdC0 || echo "refused: 1"
part create mbr sdC1
part add -l 1M sdC1
part add -t extended sdC1
for i in 5 6 7; do part add -x -l 1M sdC1; done
part delete sdC1 6
lsdisk -1
lsdisk -j sdC1
lspci -v
smart
echo finished
END
DISKS="$dir/gpt $dir/mbr" boot
expect "$(head -c 8M /dev/zero | sha256sum)" 'zeros beyond a partition' 'a discard beyond a partition' \
	'these sectors are not in the partition' 'all of it is zero' 'no zeros where somebody has it open' \
	'nor a discard' 'but in what is named' 'sdC0: partition 2 is open'
expect finished 'kept while it is open' 'part: /dev/sd/sdC0/data: partition 2 is open' \
	'sdC0 passed, 31 C' 'gone for reads' 'gone for writes' 'open 2 1' 'refused: 1' 'partition 2 is no longer in the table'
expect_re 'first +second' '^two$' '^one$' 'driver ahci pid [0-9]+' \
	' 190 airflow-temperature +[0-9]+ .* ok$' ' 5 reallocated-sectors +0 .* ok$' 'capability 0x12 at 0xa8: SATA'
for d in gpt mbr; do
	[ $d = mbr ] || sgdisk -v "$dir/$d" | grep -q '^No problems found' ||
		fail "$(sgdisk -v "$dir/$d")"
	LC_ALL=C sfdisk --verify "$dir/$d" 2>&1 | grep -q 'No errors detected' || fail "sfdisk --verify $d"
done
sfdisk -d "$dir/gpt" > "$dir/dump"
grep -qE 'start= *2048, size= *8192, .*name="third"' "$dir/dump" || fail "$(cat "$dir/dump")"
grep -qE 'start= *10240, size= *32768, .*name="fourth"' "$dir/dump" || fail "$(cat "$dir/dump")"
sfdisk -d "$dir/mbr" > "$dir/dump"
[ "$(grep -c 'type=' "$dir/dump")" = 4 ] || fail "$(cat "$dir/dump")"
