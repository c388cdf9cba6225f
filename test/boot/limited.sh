# A client at its memory limit asks for direct reads and writes: it has its data, or an error, and never
# wrong bytes; the drivers live, serve others meanwhile, and no page is lost.
# bound: 200
. test/boot/lib.sh

with_prog limited stamp
for d in a b c d; do
	python3 -c 'import struct, sys
for at in range(0, 1 << 22, 1 << 17):
	sys.stdout.buffer.write(struct.pack("<131072Q", *range(at, at + (1 << 17))))' > "$dir/$d"
done
cp "$dir/a" "$dir/orig"
truncate -s 8M "$dir/other"
init <<'END'
sipd -1
stamp -threads 1 -readers 1 -region 1048576 -seconds 0 /dev/sd/sdC1/data &
load=$!
log=/dev/sip/servers/limited/log
for n in 1 2 3 4 5 6 7 8; do
	exec 3<>/dev/sip/clone
	echo name limited >&3
	echo exec /boot/bin/limited sdC0 sdN0 sdV0 sdS0 >&3
	echo memory 4M >&3
	echo start >&3
	until grep -q 'end of generation' $log; do sleep 0.1; done
	cat $log
	until echo delete >&3; do sleep 0.1; done
	exec 3>&-
	grep 'pages free' /dev/swap
done
kill $load
wait $load
for s in ahci nvme virtioblk virtioscsi; do echo $s $(grep generation /dev/sip/servers/$s/status); done
grep direct-bytes /dev/sd/sdC0/stats
END
CPUS=2 CACHE=unsafe DISKS="$dir/a $dir/other" EXTRA="\
-device nvme,serial=B,drive=b -drive file=$dir/b,if=none,id=b,format=raw,cache=unsafe \
-device virtio-blk-pci,drive=c -drive file=$dir/c,if=none,id=c,format=raw,cache=unsafe \
-device virtio-scsi-pci,id=host -device scsi-hd,drive=d,bus=host.0 \
-drive file=$dir/d,if=none,id=d,format=raw,cache=unsafe" boot
[ "$(console | grep -c '^[0-9.]* lux9: end of generation 1 .* status 0')" = 8 ] ||
	fail 'not eight times'
refuse 'limited.c:'
expect 'stamp: all right'
for s in ahci nvme virtioblk virtioscsi; do expect "$s generation 1"; done
console | grep -E '^limited: sd|^pages free|^stamp'
for d in a b c d; do cmp "$dir/orig" "$dir/$d" || fail "disk $d was written"; done
set -- $(console | sed -n 's/^pages free //p')
# The drivers take what they need for good in the first rounds.
[ $(($4 - $8)) -lt 64 ] || fail "pages: $*"
