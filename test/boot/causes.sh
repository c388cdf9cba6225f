# Every way in which a server can die, under the manager: the cause is recorded with its time, the log
# outlives it, and the next generation is healthy.  A deadline is what the slot says at that moment, also of a
# server that was made by hand.  One that always crashes is given up while the
# others work.
#
# In time counted in instructions: a host that is slow makes nobody late who is not.
. test/boot/lib.sh

with_prog causes
mkdir -p "$dir/extra/sip"

# server NAME LINE...: a manifest whose program dies as its name says.
server()
{
	local name=$1
	shift
	{ printf 'name %s\nprogram /boot/bin/causes\nargs %s\n' "$name" "$name"
	  printf '%s\n' "$@"; } > "$dir/extra/sip/$name"
}
for name in exit crash illegal abort hand; do
	server $name 'restart always'
done
sed -i 's/^args.*/args good/' "$dir/extra/sip/hand"
server memory 'restart always' 'memory 16M'
server child 'restart always' 'memory 16M'
server deaf 'restart always' 'deadline 1000'
server slow 'restart always' 'deadline 1000'
server heavy 'restart always' 'deadline 1000'
server spin 'restart always' 'deadline 1000' 'priority 25'
server hang 'restart always' 'deadline 1000' 'capability file-system'
server told 'restart always' 'capability file-system'
sed -i 's/^args.*/args hang/' "$dir/extra/sip/told"
server loop 'restart always' 'limit 4'
server well 'restart on-failure'
server good
server storm 'restart always' 'interrupts 1000' 'pci 0x1234:0x11e8' 'capability device-access' \
	'capability interrupt' 'capability dma'
printf 'name gone\nprogram /boot/bin/nothing\nrestart always\nlimit 3\n' > "$dir/extra/sip/gone"
mv "$dir/extra/sip/storm" "$dir/extra/sip/edu"	# in the place of the real driver
printf 'name tmp\nprogram /boot/bin/ramfs\nargs -size 4M\nmount /tmp\ncapability file-system\n' \
	> "$dir/extra/sip/tmp"
init <<'END2'
sipd -1 || echo "not all of them"
cd /dev/sip/servers
mount /srv/hang /env &
exec 3<>/dev/sip/clone
for c in "name own" "exec /boot/bin/causes hang" "capability file-system" start; do echo $c >&3; done
exec 3>&-
until grep -q "status healthy" own/status && grep -q "status healthy" told/status; do sleep 0.1; done
mount /srv/told /env &
mount /srv/own /env &
sleep 2
echo "= no deadline" $(grep generation told/status) $(grep generation own/status) $(grep pid own/status)
echo deadline 300 > told/ctl
echo deadline 400 > own/ctl
until grep -q "generation 2" told/status && grep -q "status healthy" told/status; do sleep 0.1; done
until grep -q "status failing" own/status; do sleep 0.1; done
for s in exit crash illegal abort memory child deaf slow spin hang; do
	until grep -q "generation 2" $s/status && grep -q "status healthy" $s/status; do sleep 0.1; done
done
until grep -q "generation 3" storm/status && grep -q "status healthy" storm/status; do sleep 0.1; done
until grep -q "status healthy" heavy/status; do sleep 0.1; done
for s in loop gone; do
	until grep -q "status failed" $s/status; do sleep 0.1; done
done
echo kept > /tmp/file && cat /tmp/file
echo kill > hand/ctl
until grep -q "generation 2" hand/status && grep -q "status healthy" hand/status; do sleep 0.1; done
echo "= own" $(grep "status" own/status) $(grep generation own/status) $(grep cause own/status)
for s in exit crash illegal abort memory child deaf slow spin storm hang told hand; do
	echo "= $s" $(grep "restart " $s/health | head -n 1)
	echo "= $s is" $(grep "status" $s/status)
	grep -n end $s/log
done
echo "= heavy" $(grep -c "not healthy within the deadline" heavy/health)
echo "= well" $(grep "status f" well/status) $(grep cause well/status)
echo "= loop" $(grep status loop/status) $(grep generation loop/status) $(grep cause loop/status)
echo "= gone" $(grep status gone/status) $(grep generation gone/status) $(grep cause gone/status)
echo "= good" $(grep status good/status) $(grep generation good/status)
grep -n "" loop/log
grep -n causes: child/log
echo exec /boot/bin/causes good > loop/ctl
echo start > loop/ctl
until grep -q "status healthy" loop/status; do sleep 0.1; done
echo "= loop now" $(grep status loop/status) $(grep generation loop/status)
echo "= own stays so" $(grep "status" own/status) $(grep generation own/status)
echo "= told stays well" $(grep "status" told/status) $(grep generation told/status) $(grep deadline told/status)
cat /dev/irq/ctl
END2
CPUS=1 EXTRA="-icount shift=2,sleep=off" boot
# cause TEXT of a server that lived again, with its time and how long the repair took; and its log.
cause()
{
	expect_re "^= $1 restart [1-9][0-9]* took [1-9][0-9]* cause $2\$" "^= $1 is status healthy\$" \
		"^[0-9]+:[0-9]+\.[0-9]{6} lux9: end of generation 1 after [0-9]+ us: $2\$"
}
cause exit 'exited with status 3'
cause crash 'fault: page fault at 0x8, ip 0x[0-9a-f]+'
cause illegal 'fault: invalid opcode, ip 0x[0-9a-f]+'
cause abort 'signal 6'
cause memory 'memory limit'
cause child 'memory limit'
cause deaf 'missed health deadline'
cause spin 'missed health deadline'
cause slow 'not healthy within the deadline'
# It takes 3 s to start, and has 1, then 2, then 4.
expect_re '^= heavy ([2-9]|[1-9][0-9])$'
cause storm 'interrupt storm'
expect_re '^[0-9]+:.* lux9: end of generation 2 after [0-9]+ us: interrupt storm$'	# of a line
cause hang 'a request is older than the deadline'
cause told 'a request is older than the deadline'
expect_re '^= no deadline generation 1 generation 1 pid [1-9][0-9]*$' \
	'^= own status failing generation 1 cause a request is older than the deadline$' \
	'^= own stays so status failing generation 1$' '^= told stays well status healthy generation 2 deadline 300$' \
	'^sipd: own: killed: a request is older than the deadline$'
cause hand 'killed by hand'
expect_re '^= well status failing cause exited with status 0$' '^mount: .*server has gone' '^= good status healthy generation 1$' \
	'^= loop status failed generation 4 cause fault: page fault at 0x8, ip 0x[0-9a-f]+$' \
	'^= gone status failed generation 3 cause start failed: .*nothing' \
	'^= loop now status healthy generation 5$' '^kept$' '^not all of them$' \
	'^[0-9]+:causes: the child got [45][0-9]{3} KiB and was killed$' \
	'^[0-9]+:causes: no room for a child$' '^[0-9]+:.* lux9: failed: 4 deaths in a row$'
