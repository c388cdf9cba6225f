# edu as a process of Linux, under address and undefined sanitizers, on QEMU's device: each of its files,
# by message and many at once; its end by SIGKILL in the middle of a transfer, and a new one that
# takes over the device; its end by SIGTERM leaves nothing behind.
# bound: 60
set -u
cd "$(dirname "$0")/../.." || exit 1
. tool/hosted_lib.sh
hosted_test
h=$dir

use()
{
	python3 - "$h/sd" <<'EOF'
import sys, threading
sys.path.insert(0, "test/host")
import p9
c = p9.Client(sys.argv[1])
wrong = []

def factorial(n, want):
    f = c.open("factorial")
    f.write("%d\n" % n)
    if n == 12 and f.read(100).decode() != want:
        wrong.append("factorial")

assert p9.text(c, "id").startswith("version 1.0\ndevice 0.1.0\n"), p9.text(c, "id")
threads = [threading.Thread(target=factorial, args=(12, "479001600\n")) for i in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
d = c.open("dma")
for at, n in (0, 4000), (1, 7), (4000, 95):
    data = bytes((i * 7 + at) & 255 for i in range(n))
    assert d.write(data, at) == n
    assert d.read(n, at) == data, (at, n)
assert d.read(7, 1) == bytes((i * 7 + 1) & 255 for i in range(7))
c.open("ctl").write("raise 0x30")
assert int(p9.values(c, "ctl")["interrupts"]) >= 16
for text, file in ("x", "factorial"), ("raise 0", "ctl"):
    try:
        c.open(file).write(text)
        wrong.append(text)
    except p9.Error as e:
        assert e.errno == 22, e
assert not wrong, wrong
EOF
}

hosted_machine edu && hosted_driver || hosted_fail "no start"
use || hosted_fail "its files"
hosted_judge use
# A transfer takes 100 ms; on a busy machine it may be over before the signal comes.
cut=no
for _ in $(seq 10); do
	python3 - "$h/sd" "$h/dev" $driver <<'EOF' && cut=yes
import os, signal, sys, threading
sys.path.insert(0, "test/host")
import p9
dev, f = p9.Client(sys.argv[2]), p9.Client(sys.argv[1]).open("dma")
writes = lambda: int(p9.values(dev, "qtest/ctl")["writes"])
ends = []

def write():
    try:
        ends.append(f.write(bytes(3000)))
    except ConnectionError:
        ends.append("cut off")

before, t = writes(), threading.Thread(target=write)
t.start()
while writes() < before + 4 and t.is_alive():
    pass
os.kill(int(sys.argv[3]), signal.SIGKILL)
t.join()
sys.exit(ends != ["cut off"])
EOF
	hosted_stop KILL
	[ $cut = no ] || break
	hosted_driver || hosted_fail "no start"
done
[ $cut = yes ] || hosted_fail "no transfer was cut off"
[ "$(hosted_value "$h/dev" qtest/ctl held)" = 1 ] || hosted_fail "the dead driver's buffer is not held"
hosted_driver || hosted_fail "no second start"
use || hosted_fail "its files after a restart"
hosted_judge restart
[ "$(hosted_value "$h/dev" qtest/ctl held)" = 0 ] || hosted_fail "the dead driver's buffer is still held"
hosted_stop TERM || hosted_fail "it ends with $?"
[ "$(hosted_value "$h/dev" qtest/ctl buffers)" = 0 ] || hosted_fail "it has left its buffer"
hosted_judge end
