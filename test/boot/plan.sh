# What a manifest says is what happens: a server starts when what it comes after is healthy or has
# failed, and not when that has only said that it fails; sipd -1 comes back no sooner.  Ports and lines
# of devices that are not PCI are granted.  What the kernel refuses is told in its own words.
. test/boot/lib.sh

mkdir -p "$dir/extra/sip"
# It reports that it fails, as there is nothing to mount on, four times.
cat > "$dir/extra/sip/bad" <<'END2'
name bad
program /boot/bin/ramfs
args -size 1M
mount /boot/nowhere
capability file-system
restart always
limit 4
END2
cat > "$dir/extra/sip/dep" <<'END2'
name dep
program /boot/bin/ramfs
args -size 1M
mount /tmp
capability file-system
after bad
END2
cat > "$dir/extra/sip/clock" <<'END2'
name clock
program /boot/bin/sh
args /boot/clock
capability device-access
capability interrupt
port 0x70-0x71
line 8
END2
cat > "$dir/extra/clock" <<'END2'
exec 3<>/dev/io
echo outb 0x70 0 >&3 && echo "its port"
echo outb 0x72 0 >&3 || echo "no other port"
echo register 8 clock > /dev/irq/ctl && echo "its line"
echo register 12 clock > /dev/irq/ctl || echo "no other line"
END2
# Its program may not make a service; and a file that is no manifest, as it is too large.
cat > "$dir/extra/sip/nocap" <<'END2'
name nocap
program /boot/bin/ramfs
args -size 1M
mount /tmp
END2
head -c 17000 /dev/zero | tr '\0' x > "$dir/extra/sip/toobig"
init <<'END2'
sipd -1 || echo "not all of them"
grep status /dev/sip/servers/bad/status
cat /dev/sip/servers/clock/caps /dev/sip/servers/clock/log
grep -n "" /dev/sip/servers/bad/log
grep -n "" /dev/sip/servers/nocap/log
grep -n "" /dev/sip/servers/dep/log
grep message /dev/sip/servers/nocap/health
sipd -1 || echo "it is there"
END2
boot
expect_re '^not all of them$' '^status failed$' '^port 0x70-0x71$' '^line 8$' '^its port$' '^no other port$' \
	'^its line$' '^no other line$' '^it is there$'
expect 'sipd: another sipd manages the servers (/srv/sipd is its)' 'toobig: longer than 16383 bytes'
expect_re '^[0-9]+:nocap: /srv/nocap: permission denied: needs file-system$' \
	'^message /srv/nocap: permission denied: needs file-system$'
# When, in us since boot, the numbered logs have the line.
when()
{
	console | sed -nE "s/^[0-9]+:([0-9]+)\.([0-9]+) lux9: $1\$/\1\2/p" | tail -n 1
}
failed=$(when 'failed: 4 deaths in a row') started=$(when 'start, generation 1')
[ "$started" -gt "$failed" ] || fail "dep was started at $started us, bad had failed at $failed us"
