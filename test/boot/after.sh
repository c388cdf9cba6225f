# A server is not late for what it waits for.  `upper` has a deadline of a second and takes its files from
# `lower`, `top` from `upper`; when `lower` dies and needs longer than that to come back, their requests
# are old, and neither is killed.  While `lower` is well, `upper` is killed for a request that it hangs on,
# and so it is when its manifest does not say that it comes after `lower`.
#
# In time counted in instructions, which a busy host does not shorten.
. test/boot/lib.sh

mkdir -p "$dir/extra/sip"
# manifest NAME FROM TO LINE...: passfs shows directory FROM as TO.
manifest()
{
	local name=$1 from=$2 to=$3
	shift 3
	{
		printf 'name %s\nprogram /boot/bin/passfs\nargs -dir %s -ctl %s\nmount %s\n' \
			"$name" "$from" "$name" "$to"
		printf 'capability file-system\nrestart always\n'
		printf '%s\n' "$@"
	} > "$dir/extra/sip/$name"
}
manifest lower /n /mnt 'wait 60000'
sed -i 's|^program.*|program /boot/bin/sh|; s|^args .*|args /boot/lower|; s|^mount.*||' "$dir/extra/sip/lower"
cat > "$dir/extra/lower" <<'END'
test $SIP_GENERATION = 1 || sleep 4
exec /boot/bin/passfs -dir /n -mount /mnt -wait 60000
END
manifest upper /mnt /tmp 'after lower' 'deadline 1000' 'wait 60000'
manifest top /tmp /root 'after upper' 'deadline 1000' 'wait 60000'
manifest blamed /mnt /net 'deadline 1000' 'wait 60000'
init <<'END'
ramfs -mount /n &
until mkdir /n/ready 2> /dev/null; do sleep 0.1; done
echo text > /n/file
sipd -1
cat /root/file /net/file
cd /dev/sip/servers
echo kill > lower/ctl
cat /root/file && echo "top waited"
until grep -q "status healthy" lower/status; do sleep 0.1; done
for s in lower top upper; do
	echo "$s:" $(grep generation $s/status) $(grep "restart " $s/health)
done

# Nobody said what it comes after.
echo kill > lower/ctl
cat /net/file && echo "blamed waited"
echo "blamed:" $(grep "restart " blamed/health)

echo 'hang read #1' > /dev/pass/upperctl
cat /tmp/file && echo "upper waited"
until grep -q "status healthy" upper/status; do sleep 0.1; done
echo "hung:" $(grep "restart " upper/health)
for s in lower top; do
	echo "then $s:" $(grep generation $s/status)
done
grep -n "" upper/log
END
CPUS=1 EXTRA="-icount shift=0,sleep=off" boot
expect_re '^top waited$' '^lower: generation 2 restart [0-9]+ took [4-9][0-9]{9} cause killed by hand$' \
	'^top: generation 1$' '^upper: generation 1$' '^blamed waited$' \
	'^blamed: restart [0-9]+ took [0-9]+ cause a request is older than the deadline' \
	'^upper waited$' '^hung: restart [0-9]+ took [1-9][0-9]* cause a request is older than the deadline$' \
	'^then lower: generation 3$' '^then top: generation 1$'
