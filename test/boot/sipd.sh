# The manager: it starts what the manifests tell of, in order, and tells of what dies; the example
# driver works under it, with interrupts and with DMA in both directions; /dev/sip tells the truth.
. test/boot/lib.sh

mkdir -p "$dir/extra/sip"
cat > "$dir/extra/sip/tmp" <<'END'
name tmp
program /boot/bin/ramfs
args -size 4M
mount /tmp
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
echo kill > /dev/sip/servers/edu/ctl
sleep 0.5
cat /dev/sip/servers/edu/status
cat /dev/edu/id || echo "edu is dead"
cat /tmp/file
echo start > /dev/sip/servers/edu/ctl
sleep 1
echo 5 > /dev/edu/factorial
echo "again $(cat /dev/edu/factorial)"
ls /dev/edu
cat /dev/sip/servers/edu/status
echo stop > /dev/sip/servers/tmp/ctl
cat /dev/sip/servers/tmp/status
cat /dev/irq/ctl
END
boot
expect 'broken:2: program' 'waits: after nobody: no such type' 'missing: start: '
expect_re '^not all of them$' '^device 0\.1\.0$' '^ten factorial 3628800$' '^hello from dma$' \
	'^interrupts 4$' '^refused$' '^kept$' '^edu is dead$' '^sipd: edu: failing: sip: killed$' \
	'^ahci /boot/bin/ahci$' '^status failing$' '^generation 2$' '^again 120$' '^status stopped$' '^sipd: tmp: healthy after ' \
	'^edu  *edu  *healthy  *[0-9]'
