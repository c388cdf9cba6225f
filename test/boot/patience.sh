# A request that hangs each life of its server: sipd's patience is no life of it, so that the server
# fails in the end, and who waits is told, instead of for ever.  In time counted in instructions, as after.sh.
. test/boot/lib.sh

mkdir -p "$dir/extra/sip"
# Its console says nothing: who reads it through this waits, and so does this.
cat > "$dir/extra/sip/names" <<'END'
name names
program /boot/bin/passfs
args -dir /dev -ctl names
mount /mnt
capability file-system
deadline 1500
restart always
limit 4
wait 60000
END
init <<'END'
sipd &
await -t 30 /dev/pass/namesctl
cat /mnt/null && echo "it works"
cat /mnt/cons || echo "who waited is told"
cat /dev/sip/servers/names/status
cat /dev/sip/servers/names/health
END
CPUS=1 EXTRA="-icount shift=2,sleep=off" boot
expect 'it works' 'who waited is told'
expect_re '^status failed$' '^generation 4$'
[ "$(console | grep -c '^sipd: names: failing: a request is older than the deadline')" = 4 ] || fail "not four deaths"
