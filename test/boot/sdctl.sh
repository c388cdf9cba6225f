# /dev/sd/sdctl is one file of all drivers' disks: what it says is what lsdisk finds, whatever controllers the
# disks are at; `rescan` reaches each driver; a driver that starts again is waited for, one that hangs is
# named and hides no other, and one that is started by hand has its own, as one that stands alone has.
# bound: 150
. test/boot/lib.sh

for n in a n v; do truncate -s 8M "$dir/$n"; done
truncate -s 9M "$dir/by_hand"
# Without deadlines, or the hung one would be started again.
mkdir -p "$dir/extra/sip"
for d in ahci nvme virtioblk; do
	sed '/^deadline/d' "boot/sip/$d" > "$dir/extra/sip/$d"
done
printf 'name virtioscsi\nprogram /boot/bin/virtioscsi\npci 0xffffff\n' > "$dir/extra/sip/virtioscsi"
init <<'END'
sipd -1
echo "== all"
cat /dev/sd/sdctl
lsdisk -1
ls /dev/sd
echo "== rescan"
echo rescan > /dev/sd/sdctl && echo "all were told"
echo "== wrong"
echo dance > /dev/sd/sdctl || echo "no such command"
echo fault crash > /dev/sd/sdctl || echo "no fault of all"
echo "== killed"
for i in 1 2 3; do
	echo kill > /dev/sip/servers/nvme/ctl
	cat /dev/sd/sdctl
done
echo kill > /dev/sip/servers/sdctlfs/ctl
cat /dev/sd/sdctl
echo "== hung"
for pid in $(grep 'pid ' /dev/sip/servers/virtioblk/status); do true; done
echo stop > /proc/$pid/ctl
cat /dev/sd/sdctl
echo rescan > /dev/sd/sdctl || echo "one was not told"
cat /dev/sd/sdctl
echo start > /proc/$pid/ctl
echo "== goes on"
cat /dev/sd/sdctl
echo "== by hand"
virtioscsi &
await -t 30 /dev/sd/sdS0/ctl
cat /dev/sd/sdctl
echo "== alone"
echo stop > /dev/sip/servers/sdctlfs/ctl
unmount /srv/sdctlfs /dev/sd
cat /dev/sd/sdctl
cat /dev/sip/servers/sdctlfs/log
echo "== left"
ps
END
CPUS=2 EXTRA="-drive file=$dir/a,if=none,id=a,format=raw -device ide-hd,drive=a,bus=ide.0,model=FIRST \
-drive file=$dir/n,if=none,id=n,format=raw -device nvme,drive=n,serial=1 \
-drive file=$dir/v,if=none,id=v,format=raw -device virtio-blk-pci,disable-legacy=on,drive=v \
-drive file=$dir/by_hand,if=none,id=s,format=raw -device virtio-scsi-pci,disable-legacy=on,id=host \
-device scsi-hd,drive=s,bus=host.0" boot

part()
{
	console | sed -n "/^== $1\$/,/^== /p" | grep -v '^=='
}
# The disks in a part, as NAME SIZE: as sdctl has them, and as lsdisk has.
disks()
{
	part "$1" | sed -n "s/^\(sd[A-Z][0-9]*\) '.*' \([0-9]*\)\$/\1 \2/p" | sort
}
listed()
{
	part "$1" | sed -n "s/^\(sd[A-Z][0-9]*\)\t\([0-9]*\)\t.*/\1 \2/p" | sort
}
# are PART NAME...: these disks and no others; each has its size.
are()
{
	local p=$1 got
	shift
	got=$(disks "$p" | tr '\n' ' ')
	[ "$got" = "$(for n; do echo "$n $([ "$n" = sdS0 ] && echo 9437184 || echo 8388608)"; done | tr '\n' ' ')" ] ||
		fail "$p: sdctl has $got"
}
are all sdC0 sdN0 sdV0
[ "$(disks all)" = "$(listed all)" ] || fail "lsdisk has $(listed all)"
[ "$(part all | grep -v '^%' | grep -ow sdctl | wc -l)" = 1 ] || fail "sdctl is not listed once"
[ "$(part killed | grep -c '^sdN0 ')" = 4 ] || fail "a driver that starts again is not waited for"
part hung | grep -qx '# virtioblk: no answer in 3000 ms' || fail "the hung driver is not named"
part hung | grep -q 'rescan: virtioblk: no answer in 3000 ms' || fail "nor by rescan"
[ "$(part hung | grep -c "^sd[CN]0 '")" = 4 ] || fail "the hung driver hides others"
are "goes on" sdC0 sdN0 sdV0
are "by hand" sdC0 sdN0 sdS0 sdV0
[ "$(disks alone | wc -l)" = 1 ] || fail "a driver does not serve its own sdctl"
expect 'all were told' 'no such command' 'sdctl: unknown command: dance' 'no fault of all' 'one was not told'
for d in ahci nvme virtioblk; do
	part rescan | grep -qx "$d: rescan" || fail "$d was not told"
done
for d in ahci nvme; do
	part hung | grep -qx "$d: rescan" || fail "$d was not told beside the hung one"
done
part alone | grep -q 'virtioblk: no answer' || fail "it is not in the log"
part left | grep sdctlfs && fail "a process was left"
part left | grep -q sipd || fail "no processes are shown"
