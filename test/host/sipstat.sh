# sipstat: a server that comes after many others have gone has its rate, too.
. "$(dirname "$0")/lib.sh"

python3 - "$bin/sipstat" "$dir/root" <<'END2' > "$dir/screen" || complain "sipstat does not run in a terminal"
import fcntl, os, pty, select, shutil, struct, sys, termios, time
program, root = sys.argv[1:]

def server(name, requests):
    folder = "%s/sip/servers/%s" % (root, name)
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/new", "w") as f:
        f.write("name %s\nstatus healthy\npid 5\ngeneration 1\nrequests %d\n" % (name, requests))
    os.rename(folder + "/new", folder + "/status")

for i in range(63):
    server("old%d" % i, 1)
pid, fd = pty.fork()
if pid == 0:
    os.execv(program, ["sipstat", "-r", root])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 100, 120, 0, 0))
screen = b""

def until(good, seconds=20):
    global screen
    end = time.time() + seconds
    while not good(screen.split(b"\x1b[H")[-2:][0]):
        if time.time() > end or not select.select([fd], [], [], 5)[0]:
            sys.exit("%r" % screen[-600:])
        screen += os.read(fd, 65536)

until(lambda s: b"old62" in s and b"old0" in s)
for i in range(63):
    shutil.rmtree("%s/sip/servers/old%d" % (root, i))
n = 100
for i in range(5):
    server("new%d" % i, n)
until(lambda s: b"new4" in s and b"old" not in s)

def rates(s):
    lines = [l.split() for l in s.split(b"\n") if l.startswith(b"new")]
    return sorted(l[0] for l in lines if int(l[4]) > 0)

end = time.time() + 15
while time.time() < end and len(rates(screen.split(b"\x1b[H")[-2:][0])) < 5:
    n += 1000
    for i in range(5):
        server("new%d" % i, n)
    if select.select([fd], [], [], 0.3)[0]:
        screen += os.read(fd, 65536)
os.write(fd, b"q")
print(*(r.decode() for r in rates(screen.split(b"\x1b[H")[-2:][0])))
END2
[ "$(cat "$dir/screen")" = "new0 new1 new2 new3 new4" ] || complain "those with a rate: $(cat "$dir/screen")"
exit $bad
