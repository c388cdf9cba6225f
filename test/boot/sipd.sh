# The manager: it starts what the manifests tell of, in order, and starts again what dies; the example
# driver works under it, with interrupts and with DMA in both directions; /dev/sip tells the truth.
. test/boot/lib.sh

mkdir -p "$dir/extra/sip"
cat > "$dir/extra/sip/tmp" <<'END'
name tmp
program /boot/bin/ramfs
args -size 4M
mount /tmp
capability file-system
restart always
after edu
END
cat > "$dir/extra/sip/broken" <<'END'
name broken
program relative
END
cat > "$dir/extra/sip/missing" <<'END'
name missing
program /boot/bin/nothing
END
cat > "$dir/extra/sip/waits" <<'END'
name waits
program /boot/bin/ramfs
after nobody
END
init <<'END'
sipd -n
sipd -1 || echo "not all of them"
cat /dev/edu/id
echo 10 > /dev/edu/factorial
echo "ten factorial" $(cat /dev/edu/factorial)
echo "hello from dma" > /dev/edu/dma
head -n 1 /dev/edu/dma
echo raise 0x40 > /dev/edu/ctl
cat /dev/edu/ctl
/boot/bin/echo x > /dev/edu/factorial || echo refused
echo kept > /tmp/file && cat /tmp/file
df /tmp
sleep 1.5
sipstat -1
cat /dev/sip/types
cat /dev/sip/servers/edu/caps
cat /dev/sip/servers/edu/devices
cat /dev/sip/servers/edu/health
cat /dev/sip/servers/edu/log
cat /dev/sip/servers/ahci/log
exec 4< /dev/edu/id
echo kill > /dev/sip/servers/edu/ctl
head -n 1 <&4
exec 4<&-
cd /dev/sip/servers/edu
until grep -q "generation 2" status && grep -q "status healthy" status; do sleep 0.1; done
echo 5 > /dev/edu/factorial
echo "again $(cat /dev/edu/factorial)"
ls /dev/edu
cat health
for g in 3 4 5 6 7 8 9 10 11 12 13 14; do
	echo kill > ctl
	echo 4 > /dev/edu/factorial
	until grep -q "generation $g" status && grep -q "status healthy" status; do sleep 0.02; done
done
grep -c "lux9: start" log
cat /tmp/file
echo stop > /dev/sip/servers/tmp/ctl
sleep 1
cat /dev/sip/servers/tmp/status
cat /tmp/file || echo "tmp has been stopped"
echo start > /dev/sip/servers/tmp/ctl
until echo new > /tmp/new; do sleep 0.1; done
cat /tmp/new
echo restart > ctl
until grep -q "generation 15" status && grep -q "status healthy" status; do sleep 0.1; done
ps
cat /dev/irq/ctl
END
boot
expect 'broken:2: program' 'waits: after nobody: no such type' 'missing: failing: start failed: /boot/bin/nothing: no such file'
expect_re '^not all of them$' '^device 0\.1\.0$' '^ten factorial 3628800$' '^hello from dma$' \
	'^interrupts 4$' '^refused$' '^kept$' '^sipd: edu: failing: killed by hand$' \
	'^ahci /boot/bin/ahci$' '^restart [0-9]+ took [1-9][0-9]* cause killed by hand$' '^again 120$' '^14$' \
	'^status stopped$' '^cause asked to stop$' '^version 1.0$' '^tmp has been stopped$' '^new$' '^sipd: tmp: healthy after ' \
	'^edu  *healthy  *[0-9]'
refuse_re '^sipd: edu: failed'
# Those that have ended are collected.
test "$(console | grep -c ' ended .* edu$')" -le 1 || fail "dead processes stay"
