# A server without a capability cannot open what needs it, and is told why; one with it reaches only
# what it was granted.  Serving files needs one as well.
. test/boot/lib.sh

mkdir -p "$dir/extra"
cat > "$dir/extra/probe.sh" <<'END'
for f in /dev/mem /dev/io /dev/irq/ctl /dev/dma/alloc; do
	if (exec 3<>$f); then echo "opened $f"; else echo "refused $f"; fi
done
echo poweroff > /dev/sysctl && echo "switched off" || echo "refused poweroff"
(exec 3<>/dev/sip/clone) && echo "made a server" || echo "refused clone"
(exec 3<>/srv/$1) && echo "made a service" || echo "refused srv"
bind /boot /tmp && echo "bound" || echo "refused bind"
if dd if=/dev/mem bs=4096 skip=256 count=1 of=/dev/null; then echo "read RAM"; fi
echo "probe $1 done"
END
# The first command reads the VGA and BIOS area: more pages than the kernel keeps mapped.
init <<'END'
dd if=/dev/mem bs=4096 skip=160 count=96 of=/dev/null
exec 3<>/dev/sip/clone
echo name bare >&3
echo exec /boot/bin/sh /boot/probe.sh bare >&3
echo start >&3
exec 3>&-
exec 3<>/dev/sip/clone
echo name device >&3
echo exec /boot/bin/sh /boot/probe.sh device >&3
echo capability device-access >&3
echo device 0.31.2 >&3
echo start >&3
exec 3>&-
exec 3<>/dev/sip/clone
echo name server >&3
echo exec /boot/bin/sh /boot/probe.sh server >&3
echo capability file-system >&3
echo capability networking >&3
echo start >&3
exec 3>&-
for s in bare server device; do
	until grep -q "probe $s done" /dev/sip/servers/$s/log; do sleep 0.1; done
done
cat /dev/sip/servers/bare/caps
grep -n "" /dev/sip/servers/bare/log
cat /dev/sip/servers/server/caps
echo ====
cat /dev/sip/servers/device/caps
cat /dev/sip/servers/device/log
END
boot
# The kernel's log shows the servers' lines too, so the files' are numbered, and follow ====.
console | grep -E '^[0-9]+:' > "$dir/bare"
console | sed '1,/^====/d' > "$dir/device"
! grep 'opened' "$dir/bare" || fail "a server without capabilities opened a device"
for f in /dev/mem /dev/io /dev/irq/ctl /dev/dma/alloc poweroff clone; do
	grep -q "refused $f" "$dir/bare" || fail "no word of $f"
done
expect 'probe bare done' 'probe device done' 'bare: refused srv' 'bare: refused bind' \
	'device: refused srv' 'device: refused bind' 'server: made a service' 'server: bound'
expect_re '/srv/bare: .*file-system' '^capability networking$'
console | grep -q '^server: refused /dev/mem' || fail "file-system opens /dev/mem"
expect_re '/dev/mem: .*device-access' '/dev/irq/ctl: .*interrupt' '/dev/dma/alloc: .*dma'
grep -q 'opened /dev/mem' "$dir/device" || fail "device-access does not open /dev/mem"
refuse 'switched off' 'made a server' 'read RAM' 'opened /dev/irq' 'opened /dev/dma'
