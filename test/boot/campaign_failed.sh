# A server that dies at once whenever it is started is given up within its limit; its clients are told
# so, and everything else works.  When a good one is started, what they have open works again.
# bound: 600
. test/boot/lib.sh
. test/campaign/lib.sh

export CPUS=2
manifest_tmp
manifest_pass names /tmp tmp 5000
sed -i 's/^limit .*/limit 6/' "$dir/extra/sip/names"
init <<'END'
sipd &
await -t 30 /dev/pass/namesctl
mkdir /tmp/dir
echo kept > /tmp/dir/file
cd /mnt/dir
cat file
slot=/dev/sip/servers/names
echo "exec /boot/bin/false" > $slot/ctl
echo kill > $slot/ctl
cat file || echo "one who waited is told"
grep status $slot/status
cat file || echo "one who comes later is told"
cat /tmp/dir/file
echo "exec /boot/bin/passfs -dir /tmp -ctl names -mount /mnt -wait 60000" > $slot/ctl
echo start > $slot/ctl
until grep -q healthy $slot/status; do sleep 0.05; done
cat file && pwd
echo new > new && cat /tmp/dir/new
cat $slot/health
cat $slot/log
END
boot
expect_re '^one who waited is told$' '^status failed$' '^one who comes later is told$' '^/mnt/dir$' \
	'^new$' '^state healthy$' 'exited with status 1' '^restarts 7$'
[ "$(console | grep -c '^kept$')" = 3 ] || fail "the file was not read three times"
