# An IDE controller with a disk as master, one as slave, an optical drive and a third disk: every byte
# in its place, flushes where they were asked for; a disc whose files are those of the host, that is
# ejected and loaded by the driver, and changed by the machine's monitor.
# bound: 150
. test/boot/lib.sh
for p in genisoimage python3; do
	command -v $p > /dev/null || skip "needs $p"
done

export TIMEOUT=120 CPUS=2 MACHINE=pc
for d in a b c; do truncate -s 24M "$dir/$d"; done
head -c 400000 /dev/urandom > "$dir/extra/blob"
make_tree "$dir/tree" 60 4
genisoimage -quiet -R -V FIRST -o "$dir/first.iso" "$dir/tree" || fail genisoimage
mkdir "$dir/other" && seq 1 1000 > "$dir/other/second"
genisoimage -quiet -J -V SECOND -o "$dir/second.iso" "$dir/other" || fail genisoimage
# INQUIRY for 36 bytes, and that none are wanted, as it is written to the packet file.
printf '\0\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\22\0\0\0\44\0\0\0\0\0\0\0\0\0\0\0' > "$dir/extra/undirected"
size=$(stat -c %s "$dir/second.iso")
init <<END
ramfs -mount /n &
ramfs -mount /tmp &
sipd &
await -t 30 /dev/sd/sdD0/data /dev/sd/sdD1/data /dev/sd/sdD2/data /dev/sd/sdD3/data
cat /dev/sd/sdctl
dd if=/boot/blob of=/dev/sd/sdD0/data bs=1000 seek=77 conv=notrunc,fsync && echo done > /tmp/a &
dd if=/boot/blob of=/dev/sd/sdD1/data bs=777 seek=3 conv=notrunc,fsync && echo done > /tmp/b &
dd if=/boot/blob of=/dev/sd/sdD3/data bs=4096 seek=9 conv=notrunc,fsync && echo done > /tmp/c &
until mkdir /n/cd 2> /dev/null; do sleep 0.1; done
mkdir /n/two
isofs -device /dev/sd/sdD2/data -mount /n/cd &
await -t 30 /n/cd/link
cd /n/cd
sha256sum -r . > /tmp/sums
cd /
await -t 60 /tmp/a /tmp/b /tmp/c
echo == sums
cat /tmp/sums
echo == end
cat /dev/sd/sdD*/stats
{ cat /boot/undirected >&3; echo unwanted \$(cat <&3 | hexdump | head -n 1); } 3<>/dev/sd/sdD2/packet
grep resets /dev/sd/sdD2/stats
echo eject > /dev/sd/sdD2/ctl
grep medium /dev/sd/sdD2/ctl
cat /dev/sd/sdD2/data || echo nothing is in it
echo load > /dev/sd/sdD2/ctl
cat /dev/sd/sdD2/ctl
echo lock > /dev/sd/sdD2/ctl
echo eject > /dev/sd/sdD2/ctl || echo it is locked
echo unlock > /dev/sd/sdD2/ctl
echo please change the disc
until grep 'size $size' /dev/sd/sdD2/ctl > /dev/null; do sleep 0.2; done
isofs -name second -device /dev/sd/sdD2/data -mount /n/two &
await -t 30 /n/two/second
sha256sum /n/two/second
echo over
END
(
	for i in $(seq 600); do
		grep -q '^please change' "$dir/console" 2>/dev/null && break
		[ -e "$dir/ended" ] && exit
		sleep 0.2
	done
	echo "change d3 $dir/second.iso raw" > "$dir/asked"
) &
python3 test/boot/monitor.py "$dir/qmp" "$dir/asked" > "$dir/monitor" &
trap 'touch "$dir/ended"; kill $! 2>/dev/null' EXIT
# The third disk is the secondary slave: DISKS come before CDS.
export EXTRA="-qmp unix:$dir/qmp,server=on,wait=off -drive file=$dir/c,if=none,id=dc,format=raw \
-device ide-hd,drive=dc,bus=ide.1,unit=1 -drive file=$dir/first.iso,if=none,id=d3,format=raw,media=cdrom,readonly=on \
-device ide-cd,drive=d3,bus=ide.1,unit=0"
DISKS="$dir/a $dir/b" boot
cat "$dir/monitor"
expect "sdD2 'QEMU DVD-ROM'" 'nothing is in it' 'it is locked' 'medium none' 'medium ready' 'over' \
	'"FIRST", Rock Ridge' '"SECOND", Joliet' "$(sha256sum < "$dir/other/second" | cut -d' ' -f1)"
expect_re '^unwanted 00000000 00 00 00 00 00 00 00 00'
refuse_re '^(errors|resets|lost-interrupts) [1-9]'
[ "$(console | grep -c 'flush-requests [1-9]')" = 3 ] || fail "not three disks were flushed"
(cd "$dir/tree" && find . -type f -print0 | xargs -0 sha256sum) | sort > "$dir/want"
console | sed -n '/^== sums/,/^== end/p' | grep -E '^[0-9a-f]{64}' | sort > "$dir/got"
[ "$(wc -l < "$dir/want")" -ge 60 ] && cmp "$dir/want" "$dir/got" || fail "a file on the disc differs"
images_with_blob 24 a:77000 b:2331 c:36864
