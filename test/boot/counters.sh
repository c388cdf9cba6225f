# A slot's numbers are true: how many requests wait, how many of them for a successor, how old the oldest is,
# how long answers took, what was counted as an error, and the last one with its time.
#
# In time counted in instructions, which a busy host does not shorten.
. test/boot/lib.sh

mkdir -p "$dir/extra/sip"
cat > "$dir/extra/sip/front" <<'END2'
name front
program /boot/bin/sh
args /boot/front
capability file-system
restart always
wait 60000
END2
# Its successors take 3 s to come.
cat > "$dir/extra/front" <<'END2'
test $SIP_GENERATION = 1 || sleep 3
exec /boot/bin/passfs -dir /n -mount /mnt -ctl front -wait 60000
END2
# After LINE=NAME: the line `NAME name value ...` of what counts.
cat > "$dir/extra/numbers" <<'END2'
echo $LINE $(grep "depth " status) $(grep "held " status) $(grep "oldest " status) $(grep "p50 " status) $(grep "p99 " status)
END2
init <<'END2'
ramfs -mount /n &
until mkdir /n/ready 2> /dev/null; do sleep 0.1; done
echo text > /n/file
sipd -1
await -t 30 /dev/pass/frontctl
cd /dev/sip/servers/front
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do cat /mnt/file > /dev/null; done
LINE=quick; . /boot/numbers
echo 'delay read every 1 400' > /dev/pass/frontctl
cat /mnt/file /mnt/file /mnt/file > /dev/null
LINE=slow; . /boot/numbers
echo clear > /dev/pass/frontctl
echo 'hang read every 1' > /dev/pass/frontctl
cats=
for i in 1 2 3 4 5; do cat /mnt/file & cats="$cats $!"; done
sleep 2
LINE=waiting; . /boot/numbers
echo kill > ctl
sleep 1
LINE=down; . /boot/numbers
for c in $cats; do wait $c; done
LINE=over; . /boot/numbers
await -t 30 /dev/pass/frontctl
echo 'fail read every 1 EIO' > /dev/pass/frontctl
for i in 1 2 3; do cat /mnt/file || true; done
echo 'fail read every 1 ENOENT' > /dev/pass/frontctl
cat /mnt/absent || true
until grep -q "errors 3" status; do sleep 0.1; done
sleep 3
echo "errors" $(grep "errors " health) $(grep "last " health) $(grep "errors " status)
END2
CPUS=1 EXTRA="-icount shift=0,sleep=off" boot
console | grep -E '^(quick|slow|waiting|down|over|errors) '
# value LINE NAME: of the numbers of a line.
value()
{
	find_re "^$1 .*" | grep -oE " $2 [0-9]+" | cut -d' ' -f3
}
# between LINE NAME LOW HIGH
between()
{
	local v
	v=$(value "$1" "$2")
	[ -n "$v" ] && [ "$v" -ge "$3" ] && [ "$v" -le "$4" ] || fail "$1: $2 is $v, not $3 to $4"
}
ms=1000000
between quick p99 1 $((10 * ms))
# A bucket is twice as long as the one before it.
between slow p99 $((400 * ms)) $((820 * ms))
between slow p50 1 $((10 * ms))
between waiting depth 5 5
between waiting held 0 0
between waiting oldest $((1500 * ms)) $((2500 * ms))
between down depth 5 5
between down held 5 5
for n in depth held oldest; do between over $n 0 0; done
expect_re '^errors errors 3 last [1-9][0-9]* I/O error errors 3$'
