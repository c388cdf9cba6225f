# The programs that judge the kill campaigns see what they are there to see: a disk with an older sector
# and one with a wrong bit, servers whose clients are told of their death, a tree that changes, names
# that somebody else makes.
# bound: 600
. test/boot/lib.sh
. test/campaign/lib.sh

export CACHE=unsafe CPUS=2
with_prog stamp readers names
blank_disks
WAIT=0 manifest_ahci
manifest_tmp
mkdir -p "$dir/extra/tree/some"
echo one > "$dir/extra/tree/some/file"
init <<'END'
sipd &
await -t 30 /dev/sd/sdC0/raw /dev/sd/sdC1/raw
disk=/dev/sd/sdC0/raw
ledger=/dev/sd/sdC1/raw
stamp -seconds 30 -ready /tmp/stamping -server ahci -deaths 1 $disk &
load=$!
await /tmp/stamping
echo kill > /dev/sip/servers/ahci/ctl
wait $load || echo "a death was seen"
until grep -q healthy /dev/sip/servers/ahci/status; do sleep 0.1; done
stamp -ops 1 $disk
dd if=$disk of=/tmp/old bs=512 skip=2000 count=8
stamp -ops 3000 -ledger $ledger $disk
stamp -check -ledger $ledger $disk && echo "the disk is as it was left"
dd if=/tmp/old of=$disk bs=512 seek=2000 count=8 conv=notrunc
stamp -check -ledger $ledger $disk || echo "older sectors were seen"
dd if=/boot/init.conf of=$disk bs=1 seek=1000000 count=1 conv=notrunc
stamp -check -ledger $ledger $disk || echo "a wrong byte was seen"
cp -r /boot/tree /tmp/tree
readers -seconds 90 -ready /tmp/ready /tmp/tree > /tmp/said &
load=$!
await /tmp/ready
echo two > /tmp/tree/some/file
until grep -q 'is not what it was' /tmp/said; do sleep 0.1; done
kill $load
wait $load || echo "another content was seen"
cat /tmp/said
mkdir /tmp/names
names -seconds 90 -ready /tmp/named /tmp/names > /tmp/told &
load=$!
await /tmp/named
for i in 0 1 2 3 4 5 6 7; do mkdir /tmp/names/a/w0-$i || rm -rf /tmp/names/a/w0-$i || true; done
until grep -q 'names: worker' /tmp/told; do sleep 0.1; done
kill $load
wait $load || echo "another's names were seen"
cat /tmp/told
END
DISKS=$DISKS boot
expect_re '^the disk is as it was left$' '^older sectors were seen$' '^a wrong byte was seen$' \
	'^a death was seen$' '^another content was seen$' "^another's names were seen\$" \
	'lost [1-8], errors 0' 'wrong 1, lost [1-8], errors 0' 'Host is down'
python3 test/campaign/judge.py image "$dir/disk" "$dir/ledger" > "$dir/said" &&
	fail "judge.py sees nothing"
grep -q 'is lost: ' "$dir/said" && grep -q 'is wrong: ' "$dir/said" || fail "$(cat "$dir/said")"
