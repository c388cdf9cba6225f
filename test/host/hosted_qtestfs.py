"""qtestfs's files, used as a driver would and as it should not: man/3 says what each must answer.
The device is QEMU's edu at 0.1.0 [QEMU docs/specs/edu]."""
import struct, sys, threading, time
import p9

WAIT_S = 60  # for what must come
sock = sys.argv[1]
failures = 0


def check(what, ok):
    global failures
    if not ok:
        failures += 1
        print("FAIL:", what)


def error(fn, *args):
    try:
        fn(*args)
        return 0
    except p9.Error as e:
        return e.errno


def put(client, path, data):
    f = client.open(path, 1)
    try:
        return f.write(data)
    finally:
        f.close()


class Waiter(threading.Thread):
    """A read of an interrupt."""
    def __init__(self, file):
        super().__init__(daemon=True)
        self.file, self.record = file, None
        self.start()

    def run(self):
        try:
            self.record = struct.unpack("<4Q", self.file.read(32))
        except (OSError, ConnectionError) as e:
            self.record = e

    def over(self, seconds):
        self.join(seconds)
        return not self.is_alive()


class Edu:
    def __init__(self, client):
        self.c, self.mem = client, client.open("mem")
        self.base = int(p9.values(client, "pci/0.1.0ctl")["bar"].split()[2], 0)

    def read(self, reg):
        return struct.unpack("<I", self.mem.read(4, self.base + reg))[0]

    def write(self, reg, v, width=4):
        self.mem.write(struct.pack("<I" if width == 4 else "<Q", v), self.base + reg)

    def dma(self, paddr, n, to_memory):
        self.write(0x80, 0x40000 if to_memory else paddr, 8)
        self.write(0x88, paddr if to_memory else 0x40000, 8)
        self.write(0x90, n, 8)
        self.write(0x98, 3 if to_memory else 1, 8)
        for _ in range(2000):
            if not self.read(0x98) & 1:
                return True
            time.sleep(0.001)
        return False


def status(name):
    return p9.values(root, "qtest/ctl")[name]


def buffer(client, size):
    f = client.open("dma/alloc")
    f.write("size %d align 4096 device 0.1.0" % size)
    words = dict(w.split(":") for w in f.read(100).decode().split())
    check("an answer is given once", f.read(100) == b"")
    return int(words["paddr"], 0), words["handle"]


root = p9.Client(sock)
a = p9.Client(sock, "0.1.0")
b = p9.Client(sock, "0.1.0")
edu = Edu(a)

# What a function is, and whose.
v = p9.values(a, "pci/0.1.0ctl")
check("the device", (v["vendor"], v["device"], v["msi"], v["owner"]) == ("0x1234", "0x11e8", "1", "0"))
check("no such function", error(p9.Client, sock, "0.9.0") == 2)
put(a, "pci/0.1.0ctl", "enable")
check("an owner", error(put, b, "pci/0.1.0ctl", "enable") == 16)
check("narrowed", error(put, a, "pci/0.31.2ctl", "enable") == 13)
check("an unknown command", error(put, a, "pci/0.1.0ctl", "dance") == 22)
check("raw", a.open("pci/0.1.0raw", 0).read(4) == b"\x34\x12\xe8\x11")
raw = a.open("pci/0.1.0raw")
check("a BAR cannot be written", error(raw.write, struct.pack("<I", 0x1000), 0x10) == 13)
check("nor bus mastering", error(raw.write, struct.pack("<H", 7), 4) == 13)
raw.write(struct.pack("<H", 0x403), 4)
raw.write(struct.pack("<H", 0x003), 4)

# Registers, to the byte.
check("the id", edu.read(0) == 0x010000ed)
edu.write(4, 5)
check("live", edu.read(4) == 0xfffffffa)
before = int(status("refused"))
check("memory", error(edu.mem.read, 4, 0x2000) == 13)
check("before the BAR", error(edu.mem.read, 4, edu.base - 4) == 13)
check("across its end", error(edu.mem.read, 8, edu.base + (1 << 20) - 4) == 13)
check("another's ports", error(lambda: a.open("io").read(1, 0x3f8)) == 13)
check("the refusals are counted", int(status("refused")) == before + 4)
check("and told", "mem: 0x2000 is memory" in p9.text(root, "qtest/refused"))

# Memory for DMA is the machine's own.
put(a, "pci/0.1.0ctl", "busmaster on")
paddr, handle = buffer(a, 5000)
data = a.open("dma/%s/data" % handle)
data.write(b"from the driver", 0)
check("DMA out", edu.dma(paddr, 100, False))
data.write(bytes(100), 0)
check("DMA in", edu.dma(paddr, 100, True))
check("what came back", data.read(15, 0) == b"from the driver")
check("nobody else's buffer", error(b.open, "dma/%s/data" % handle) == 2)
check("nothing wild yet", status("wild") == "0")
check("DMA elsewhere", edu.dma(0x300000, 100, True))
check("it is found", status("wild") == "1 0x300000")
other, number = buffer(a, 4096)
edu.dma(other, 100, True)
put(a, "dma/%s/ctl" % number, "free")
check("freed", status("wild") == "1 0x300000")
edu.dma(other, 100, True)
check("DMA after the buffer was freed", status("wild").split()[0] == "2")

# A level line that two share: it comes again when both have come back.
put(a, "irq/ctl", "register 10 a")
put(b, "irq/ctl", "register 10 b")
check("not granted", error(put, a, "irq/ctl", "register 11 a") == 13)
fa, fb = a.open("irq/10", 0), b.open("irq/10", 0)
ra, rb = Waiter(fa), Waiter(fb)
check("no interrupt", not ra.over(0.1) and not rb.over(0.1))
edu.write(0x60, 1)
check("both have it", ra.over(WAIT_S) and rb.over(WAIT_S) and ra.record[0] == 1)
ra = Waiter(fa)
check("masked until the other is back", not ra.over(0.1))
rb = Waiter(fb)
check("still high", ra.over(WAIT_S) and rb.over(WAIT_S))
edu.write(0x64, 1)
ra, rb = Waiter(fa), Waiter(fb)
check("acknowledged", not ra.over(0.1) and not rb.over(0.1))

# A message.
put(a, "pci/0.1.0ctl", "msi 1")
v = p9.values(a, "pci/0.1.0ctl")
check("a vector", v["vector"] == "256")
fm = a.open("irq/256", 0)
check("not another's", error(b.open, "irq/256", 0) == 2)
rm = Waiter(fm)
check("none yet", not rm.over(0.05))
edu.write(0x60, 4)
check("the message", rm.over(WAIT_S) and rm.record[0] == 1)
check("the line is quiet", not ra.over(0.05))
check("too many", error(put, a, "pci/0.1.0ctl", "msi 2") == 22)
rm = Waiter(fm)
put(a, "pci/0.1.0ctl", "disable")
check("given up", rm.over(WAIT_S) and isinstance(rm.record, p9.Error) and rm.record.errno == 5)

# The end of a process.
put(a, "pci/0.1.0ctl", "enable")
put(a, "pci/0.1.0ctl", "busmaster on")
a.close()
for _ in range(WAIT_S * 100):
    if p9.values(root, "pci/0.1.0ctl")["owner"] == "0":
        break
    time.sleep(0.01)
check("bus mastering is off", p9.values(root, "pci/0.1.0ctl")["busmaster"] == "0")
check("its memory is held", status("held") == "1")
put(b, "pci/0.1.0ctl", "enable")
check("not before quiet", error(put, b, "pci/0.1.0ctl", "busmaster on") == 16)
put(b, "pci/0.1.0ctl", "quiet")
check("quiet", status("held") == "0" and not error(put, b, "pci/0.1.0ctl", "busmaster on"))
check("no reset of its own", error(put, b, "pci/0.1.0ctl", "reset") == 95)

# Lies, as many as were asked for and as they were asked for.
edu = Edu(b)
check("a bad command", error(put, root, "qtest/ctl", "lie 5 1 dreams") == 22)
put(root, "qtest/ctl", "lie 1 7 registers")
first = [edu.read(0) for _ in range(40)]
put(root, "qtest/ctl", "lie 1 7 registers")
check("one in one", len(set(first)) > 5 and status("lies-registers") == "40")
check("a seed gives the same again", [edu.read(0) for _ in range(40)] == first)
put(root, "qtest/ctl", "lie 4 7 registers")
some = [edu.read(0) for _ in range(400)].count(0x010000ed)
check("one in four, not %d of 400" % (400 - some), 270 < some < 330)
put(root, "qtest/ctl", "lie 0")
check("none", {edu.read(0) for _ in range(100)} == {0x010000ed})
sys.exit(failures > 0)
