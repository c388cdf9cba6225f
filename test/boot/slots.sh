# A server's whole life by echo and cat alone: made, set up, started, watched, killed, started, stopped,
# given up, deleted.  What is not allowed is an error that says why.  By its type alone a server is told
# where to mount; a driver gets its device.
. test/boot/lib.sh

sh tool/mkdisk.sh "$dir/disk" || fail mkdisk
# An error is one line of this, the command before it; then the slot must be as it was.
long=$(printf '%0128d' 0)
printf 'start\0x' > "$dir/extra/zero"
printf 'name two\nstart\n' > "$dir/extra/two"
wrong='nonsense
stop now
name
name a/b
name .hidden
name 517
name twelve-times-three-is-thirty-six-and-so
type
exec
capability
capability nothing
device 1
device 0.32.0
device 9.9.7
port 5-1
line x
memory x
memory 70368744177665
priority 31
deadline x
interrupts 4294967296
mount
'
init <<END
cat /dev/sip/types
exec 3<>/dev/sip/clone
echo "the id is \$(cat <&3) or \$(cat /dev/sip/servers/*/ctl)"
echo name mine >&3
echo exec /boot/bin/ramfs -size 1M -mount /tmp >&3
echo capability file-system >&3
echo memory 8M >&3
echo priority 12 >&3
echo deadline 5000 >&3
cd /dev/sip/servers/mine
ls -l .
cat caps
cat status > /env/before
$(printf '%s' "$wrong" | sed "s/.*/echo '&' > ctl || echo 'refused: &'/")
cat /boot/two > ctl || echo "refused: two lines"
cat /boot/zero > ctl || echo "refused: zero"
echo kill $long > ctl || echo "refused: long"
echo a > status || echo "refused: status"
echo a > log || echo "refused: log"
echo one two three > /dev/sip/types || echo "refused: types"
echo "before: \$(cat /env/before | sha256sum)"
echo "after:  \$(cat status | sha256sum)"
echo start > ctl
until grep -q "status healthy" status; do sleep 0.1; done
echo start > ctl || echo "refused: start"
echo state well > health || echo "refused: health"
echo delete > ctl || echo "refused: delete"
echo fail > ctl || echo "refused: fail"
echo hello > /tmp/a && cat /tmp/a
until ! grep -q "requests 0" health; do sleep 0.1; done
echo "first" \$(grep generation status) \$(grep "status h" status)
echo "numbers" \$(cat status)
echo "ns" \$(grep /srv/mine ns)
echo kill > ctl
echo "killed" \$(grep "status f" status) \$(grep cause status)
echo start > ctl
until grep -q "status healthy" status; do sleep 0.1; done
echo "second" \$(grep generation status) \$(grep "restart " health)
echo restart > ctl
until grep -q "status healthy" status; do sleep 0.1; done
echo "third" \$(grep generation status)
mount /srv/mine /tmp
echo hello > /tmp/a && cat /tmp/a
echo stop > ctl
echo "stopped" \$(grep "status s" status) \$(grep cause status) \$(grep requests health) \$(grep ended health)
echo fail no longer wanted > ctl
echo "failed" \$(grep "status f" status) \$(grep message health)
grep -n "" log
cd /
echo delete >&3
cat /dev/sip/servers/mine/status || echo "deleted"
cat <&3 || echo "deleted for who has it"
exec 3>&-

echo ramfs /boot/bin/ramfs > /dev/sip/types
echo ahci /boot/bin/nothing > /dev/sip/types
echo ahci /boot/bin/ahci > /dev/sip/types
cat /dev/sip/types
exec 3<>/dev/sip/clone
for c in "name typed" "type ahci" "type ramfs" "mount /tmp" "capability file-system" start; do echo \$c >&3; done
until grep -q "status healthy" /dev/sip/servers/typed/status; do sleep 0.1; done
echo typed > /tmp/typed && cat /tmp/typed
echo stop >&3
echo exec /boot/bin/nothing >&3
echo start >&3 || echo "refused: no program"
echo delete >&3
exec 3>&-
exec 3<>/dev/sip/clone
for c in "name disk" "type ahci" "mount /n" "capability file-system" "capability device-access" \\
	"capability interrupt" "capability dma" "device 0.31.2" "memory 32M" start; do echo \$c >&3; done
until grep -q "status healthy" /dev/sip/servers/disk/status; do sleep 0.1; done
head -c 8192 /n/sdC0/raw | wc -c
echo "drives" \$(cat /dev/sip/servers/disk/devices)
echo stop >&3
echo delete >&3
ls /dev/sip/servers
echo "all is over"
END
DISKS=$dir/disk boot
expect_re '^capability file-system$' '^hello$' '^first generation 1 status healthy$' \
	'^killed status failing cause killed by hand$' \
	'^second generation 2 restart [1-9][0-9]* took [1-9][0-9]* cause killed by hand$' \
	'^third generation 3$' '^failed status failed message no longer wanted$' '^deleted$' \
	'^stopped status stopped cause asked to stop requests [1-9][0-9]* ended [1-9][0-9]* cause asked to stop$' \
	'^[0-9]+:.* lux9: start, generation 3$' \
	'^[0-9]+:.* lux9: end of generation 2 after [0-9]+ us: asked to stop$' \
	'^[0-9]+:.* lux9: failed: no longer wanted$' '^the id is ([0-9]+) or \1$' \
	'^ns mount -c /srv/mine /tmp$' '^deleted for who has it$' '^typed$' '^drives 0\.31\.2$' \
	'^ahci /boot/bin/ahci$' '^ramfs /boot/bin/ramfs$' '^all is over$' \
	'^numbers name mine type pid [1-9][0-9]* status healthy uptime [1-9][0-9]* generation 1 requests [1-9][0-9]* errors 0 memory [1-9][0-9]* deadline 5000 report [1-9][0-9]* restarts 0 oldest 0 depth 0 held 0 p50 [1-9][0-9]* p99 [1-9][0-9]*$' \
	'^-rw-rw-rw- .* ctl$' '^-r--r--r-- .* status$' '^-rw-rw-rw- .* health$' '^-r--r--r-- .* caps$' \
	'^-r--r--r-- .* ns$' '^-r--r--r-- .* log$' '^-r--r--r-- .* devices$'
refuse_re '^ahci /boot/bin/nothing'
printf '%s' "$wrong" | while read -r line; do
	expect_re "^refused: $line\$"
done || exit 1
expect_re '^refused: two lines$' '^refused: zero$' '^refused: long$' '^refused: no program$' '^refused: start$' '^refused: delete$' '^refused: fail$' '^refused: status$' '^refused: log$' \
	'^refused: health$' '^refused: types$'
# Each says which thing and why.
expect 'sip: there is no command nonsense' 'sip: stop takes no argument' 'sip: name needs an argument' \
	'sip: a/b is not a name' 'sip: there is no capability nothing' 'sip: 1 is not B.D.F' \
	'sip: there is no function 9.9.7' 'sip: write `port LOW-HIGH`' 'sip: x is not a line' \
	'sip: 31 is not a number up to 30' 'sip: mine is running' 'sip: the server is running' \
	'status: cannot be written' 'log: cannot be written' 'sip: state: not a line of a report, or not its value' \
	'sip: write `NAME PATH`' 'one command at a time' 'byte 5 is a control character' 'sip: 517 is not a name' \
	'sip: kill: a text of at most 127 bytes' 'sip: start failed: /boot/bin/nothing: no such file' "sip: the server's slot was deleted"
refuse_re 'Operation not permitted|Invalid argument'
[ "$(console | grep -E '^(before|after): ' | grep -oE '[0-9a-f]{64}' | uniq -c | tr -s ' ' | cut -d' ' -f2)" = 2 ] ||
	fail "a wrong command has changed something"
