# bound: 600
# The manager dies as well.  While a disk is read, it is killed and its disk's driver at once after it, twenty
# times: the readers notice a pause.  init starts it again; it takes over what is there, in whatever state, and
# leaves alone what is not its own.  Killed again and again while it starts servers, in the end it has started
# each of them once.
. test/boot/lib.sh

sh tool/mkdisk.sh "$dir/disk" || fail mkdisk
with_prog restart kill_manager causes
mkdir -p "$dir/extra/sip"
for name in one two three four five; do
	printf 'name %s\nprogram /boot/bin/causes\nargs good\nrestart always\ndeadline 5000\n' $name > "$dir/extra/sip/$name"
done
echo 'after two' >> "$dir/extra/sip/one"
printf 'name stopped\nprogram /boot/bin/causes\nargs good\nrestart always\n' > "$dir/extra/sip/stopped"
printf 'name loop\nprogram /boot/bin/causes\nargs loop\nrestart always\nlimit 3\n' > "$dir/extra/sip/loop"
printf 'name late\nprogram /boot/bin/causes\nargs heavy\nrestart always\ndeadline 10000\n' > "$dir/extra/sip/late"
printf 'name theirs\nprogram /boot/bin/causes\nargs good\nrestart always\n' > "$dir/extra/sip/theirs"
cat > "$dir/extra/count.sh" <<'END2'
ls /dev/sip/servers /srv /dev/dma
ps > /env/ps
grep -c "" /env/ps /dev/irq/ctl
END2
init <<'END2'
exec 3<>/dev/sip/clone
for c in "name theirs" "type another" "exec /boot/bin/causes good" start; do echo $c >&3; done
exec 3>&-
sipd
cd /dev/sip/servers
until grep -q "status starting" late/status; do sleep 0.01; done
kill_manager sipd 0
for s in one two three four five late ahci stopped theirs; do
	until grep -q "status healthy" $s/status; do sleep 0.1; done
done
until grep -q "status failed" loop/status; do sleep 0.1; done
echo stop > stopped/ctl
sipd -1 || echo "= refused"
sh /boot/count.sh > /env/before
free
restart ahci /dev/sd/sdC0/part/2 20 3000000 sipd
sleep 2
sh /boot/count.sh > /env/after
free
cat /env/after
cmp /env/before /env/after && echo "= the same is there"
for s in one two three four five late ahci stopped theirs loop; do
	echo "= $s" $(grep status $s/status) $(grep generation $s/status)
done
ps > /env/ps
echo "= sipds:" $(grep -c sipd /env/ps)
cat /env/ps
echo kill > two/ctl
until grep -q "generation 2" two/status && grep -q "status healthy" two/status; do sleep 0.1; done
echo kill > theirs/ctl
kill $(grep sipd /env/ps | while read pid rest; do echo $pid; done)
sleep 2
ps > /env/ps
ls /srv > /env/srv
echo "= asked to end:" $(grep -c sipd /env/ps) $(grep -c sipd /env/srv)
sipd -1 || echo "= not all"
echo "= at last" $(grep status theirs/status) $(grep status two/status) $(grep generation two/status)
END2
CPUS=2 TIMEOUT=280 DISKS=$dir/disk boot
console | grep '^restart: '
expect 'restart: all right' '= the same is there' 'sipd: another sipd manages the servers (/srv/sipd is its)' \
	'init: sipd: ended by signal 9; started again' \
	'sipd: theirs: there is a server of that name with another type than its manifest'
expect_re '^= (one|two|three|four|five|late|theirs) status healthy generation 1$' '^= ahci status healthy generation 21$' \
	'^= stopped status stopped generation 1$' '^= loop status failed generation 3$' '^= refused$' '^= sipds: 1$' \
	'^sipd: late: taken over, generation 1, starting$' '^sipd: late: healthy after [0-9]+ ms$' \
	'^sipd: stopped: taken over, generation 1, stopped$' '^sipd: loop: taken over, generation 3, failed$' \
	'^sipd: ahci: taken over, generation [0-9]+, failing$' '^= asked to end: 0 0$' '^= not all$' \
	'^= at last status failing status healthy generation 2$'
[ "$(console | grep -cE '^= (one|two|three|four|five|late|theirs) status healthy generation 1$')" = 7 ] ||
	fail "a server that was well was started again"
refuse_re '^sipd: .*(File exists|there is a server [a-z]+$)'

# While it boots.
rm "$dir"/extra/sip/{stopped,loop,late,theirs}
more=$(echo n{10..25})
for name in $more; do
	printf 'name %s\nprogram /boot/bin/causes\nargs good\nrestart always\ndeadline 5000\n' $name > "$dir/extra/sip/$name"
done
init <<END2
all="one two three four five ahci edu $more"
END2
cat >> "$dir/extra/init.conf" <<'END2'
sipd
kill_manager sipd 0 1000 2000 3000 4000 5000 6000 7000 8000 10000 12000 15000
cd /dev/sip/servers
for s in $all; do
	until grep -q "status healthy" $s/status; do sleep 0.1; done
done
until ls /srv/sipd 2> /env/no; do sleep 0.1; done	# it comes later each time
sleep 1.5
echo "= slots:" $(ls .)
for s in $all; do
	echo "= $s" $(grep status $s/status)
done
ps > /env/ps
echo "= sipds:" $(grep -c sipd /env/ps)
echo "= causes:" $(grep -c causes /env/ps)
head -c 8192 /dev/sd/sdC0/raw | wc -c
free
END2
CPUS=2 DISKS=$dir/disk boot
expect 'kill_manager: all right' "= slots: ahci edu five four $more one sdctlfs three two"
expect_re '^= sipds: 1$' '^= causes: 21$' 'ended by signal 9; started again after [0-9]+ ms$'
[ "$(console | grep -cE '^= (one|two|three|four|five|ahci|edu|n[0-9]+) status healthy$')" = 23 ] || fail "not all are healthy"

# A device that goes while there is no sipd: the next one ends its driver, and keeps what is there.
rm "$dir"/extra/sip/{two,three,four,five} "$dir"/extra/sip/n??
sed -i '/^after/d' "$dir/extra/sip/one"
with_prog monitor
init <<'END2'
sipd -1
cat /dev/sip/servers/ahci1/devices
ps > /env/ps
kill $(grep sipd /env/ps | while read pid rest; do echo $pid; done)
monitor 'device_del controller'
until ! ls /dev/pci/1.0.0ctl 2> /env/no; do sleep 0.2; done
echo "= left behind:" $(ls /dev/sip/servers)
sipd -1 && echo "= all are well"
while ls /dev/sip/servers/ahci1 2> /env/no; do sleep 0.2; done
sleep 1.5
echo "= slots:" $(ls /dev/sip/servers)
head -c 8192 /dev/sd/sdC0/raw | wc -c
END2
with_monitor
DISKS=$dir/disk TIMEOUT=120 EXTRA="-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off $monitor \
-device pcie-root-port,id=first,chassis=1,slot=1,addr=5 -device ich9-ahci,id=controller,bus=first" boot
expect '= left behind: ahci ahci1 edu one pciehp' '= all are well' 'sipd: ahci1: 1.0.0 has gone' \
	'= slots: ahci edu one pciehp sdctlfs'
expect_re '^sipd: ahci: taken over, generation 1, healthy$' '^8192$'
refuse_re '^sipd: ahci1: (taken over|there is)'
