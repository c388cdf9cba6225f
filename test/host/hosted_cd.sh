# Each driver of tool/hosted.tab with an optical drive, as a process of Linux, under address and undefined
# sanitizers: what it reads is the image, for four clients at once and out of line; nothing can be written;
# the tray opens and closes, and another disc is another one to whoever reads; and the driver's end by
# SIGKILL while it reads.
# bound: 200
set -u
cd "$(dirname "$0")/../.." || exit 1
. tool/hosted_lib.sh
hosted_test

# reads IMAGE N: N reads of each of eight in flight, judged by the image
reads()
{
	python3 - "$h/sd" "$disk_name" "$1" "$2" <<'END'
import random, sys, threading
sys.path.insert(0, "test/host")
import p9
truth = open(sys.argv[3], "rb").read()
wrong = []

def work(f, rnd):
    try:
        for _ in range(int(sys.argv[4])):
            n = rnd.choice([1, 2048, 5000, 65536, 200000])
            at = rnd.randrange(len(truth) - n)
            at &= rnd.choice([-1, -2048])
            if f.all(n, at) != truth[at:at + n]:
                wrong.append("%d bytes at %d" % (n, at))
    except Exception as e:
        wrong.append(repr(e))

clients = [p9.Client(sys.argv[1]) for _ in range(4)]
threads = [threading.Thread(target=work, args=(clients[i % 4].open(sys.argv[2] + "/data", 0), random.Random(i)))
           for i in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
f = clients[0].open(sys.argv[2] + "/data", 0)
if len(f.all(100, len(truth) - 7)) != 7:
    wrong.append("its end")
print(*wrong[:4], sep="\n")
sys.exit(bool(wrong))
END
}

refuses_writes()
{
	! head -c 2048 /dev/zero | "$p9" -a "unix!$h/sd" write "$disk_name/data" 2> "$h/refused" ||
		hosted_fail "it was written to"
}

# wait_for NAME VALUE: a line of the disk's ctl
wait_for()
{
	local i
	for i in $(seq 600); do
		[ "$(hosted_value "$h/sd" "$disk_name/ctl" "$1")" != "$2" ] || return 0
		sleep 0.1
	done
	"$p9" -a "unix!$h/sd" cat "$disk_name/ctl"
	hosted_fail "$1 does not become $2"
}

tray()
{
	echo "$1" | "$p9" -a "unix!$h/sd" write "$disk_name/ctl" || hosted_fail "$1"
}

# What the machine's owner does with the drive.
monitor()
{
	python3 - "$h/monitor" "$1" <<'END'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(sys.argv[1])

def prompt():
    got = b""
    while not got.endswith(b"(qemu) "):
        got += s.recv(4096)
    return got

prompt()
s.sendall(sys.argv[2].encode() + b"\n")
said = prompt().decode(errors="replace")
if "Error" in said:
    sys.exit("the monitor refuses: " + said)
END
}

check_tray()
{
	tray eject
	wait_for medium none
	wait_for tray open
	monitor "change d0 $h/other raw" || hosted_fail "no other disc"
	tray load
	wait_for medium ready
	wait_for tray closed
	reads "$h/other" 10 || hosted_fail "another disc is not read"
	hosted_judge tray
}

check_kill()
{
	local reader
	reads "$h/other" 100000 > "$h/killed" 2>&1 &
	reader=$!
	sleep 0.5
	hosted_stop KILL
	! wait $reader || hosted_fail "the clients of a killed driver noticed nothing"
	hosted_driver || hosted_fail "no second start"
	wait_for medium ready
	reads "$h/other" 10 || hosted_fail "the data is not right after a restart"
	hosted_judge restart
	hosted_stop TERM || hosted_fail "it ends with $?"
	[ "$(hosted_value "$h/dev" qtest/ctl buffers)" = 0 ] || hosted_fail "it has left buffers"
	hosted_judge end
}

[ -n "$(hosted_cds)" ] || { echo "no driver is built"; exit 1; }
for name in $(hosted_cds); do
	h=$dir/$name
	mkdir -p "$h"
	head -c $((6 << 20)) /dev/urandom > "$h/disk"
	head -c $((4 << 20)) /dev/urandom > "$h/other"
	hosted_machine "$name" && hosted_driver || hosted_fail "no start"
	wait_for medium ready
	reads "$h/disk" 30 || hosted_fail "the data is not right"
	refuses_writes
	hosted_judge reads
	check_tray
	check_kill
	hosted_end
	echo "$name: well"
done
