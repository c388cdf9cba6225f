"""The scenarios of hosted_pciehp.sh: hosted_pciehp.py DIRECTORY SCENARIO PID-OF-PCIEHP PID-OF-EDU.

The machine's monitor, qtestfs and the driver are in the directory, at qmp, dev and sd; edu at edu."""
import json, os, signal, socket, sys, time
import p9

WAIT_S = 60
where, scenario = sys.argv[1], sys.argv[2]
dev = p9.Client(where + "/dev")
sd = p9.Client(where + "/sd") if scenario != "comes_unseen" else None


class Monitor:
    def __init__(self, path):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(WAIT_S)
        s.connect(path)
        self.f = s.makefile("rw")
        self.f.readline()
        self.ask("qmp_capabilities")

    def answer(self, what):
        """The next line that has it, or says of an error."""
        while True:
            said = json.loads(self.f.readline())
            if "error" in said:
                raise OSError(said["error"]["desc"])
            if what(said):
                return said

    def ask(self, command, **arguments):
        self.f.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.f.flush()
        self.answer(lambda said: "return" in said)

    def gone(self):
        self.answer(lambda said: said.get("event") == "DEVICE_DELETED")


def slot():
    return p9.values(sd, "0.4.0")


def until(true, what):
    end = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def state(want):
    until(lambda: slot()["state"] == want, "the slot is %s, not %s" % (slot(), want))


def function():
    """What /dev/pci says of the device behind the port; None if there is none."""
    try:
        return p9.values(dev, "pci/1.0.0ctl")
    except p9.Error:
        return None


def check_addresses():
    f, port = function(), dev.open("pci/0.4.0raw").all(64, 0)
    base, size = (int(v, 0) for v in f["bar"].split()[2:4])
    first = (port[0x20] | port[0x21] << 8) << 16 & 0xfff00000
    last = (port[0x22] | port[0x23] << 8) << 16 | 0xfffff
    assert first <= base and base + size - 1 <= last, (hex(base), hex(first), hex(last))
    assert f["enabled"] == "0" and f["busmaster"] == "0" and f["owner"] == "0", f


def comes():
    assert slot()["state"] == "empty" and slot()["slot"] == "9" and function() is None, slot()
    began = time.monotonic()
    Monitor(where + "/qmp").ask("device_add", driver="edu", id="d", bus="first")
    state("on")
    assert slot()["plugged"] == "1" and int(slot()["interrupts"]) > 0, slot()
    assert time.monotonic() - began < WAIT_S / 2
    check_addresses()


def edu_works():
    f = p9.Client(where + "/edu").open("factorial")
    f.write("12\n")
    assert f.read(100) == b"479001600\n"


def goes():
    edu_works()
    monitor = Monitor(where + "/qmp")
    monitor.ask("device_del", id="d")
    until(lambda: function().get("leaving") == "1", "it is not told to leave")
    assert slot()["state"] == "ending"
    edu_works()
    for word in "leave 1.0.0", "rescan 77", "remove 0.31.2", "leave":
        try:
            dev.open("pci/ctl").write(word)
            assert word == "leave 1.0.0", word
        except p9.Error as e:
            assert e.errno == 22 and word != "leave 1.0.0", word
    os.kill(int(sys.argv[4]), signal.SIGTERM)
    monitor.gone()
    state("empty")
    assert function() is None and slot()["unplugged"] == "1" and slot()["pulled"] == "0", slot()


def by_hand():
    monitor = Monitor(where + "/qmp")
    monitor.ask("device_add", driver="edu", id="e", bus="first")
    state("on")
    check_addresses()
    serial = int(function()["serial"])
    sd.open("0.4.0").write("off")
    monitor.gone()  # QEMU takes out what has no power
    state("empty")
    monitor.ask("device_add", driver="edu", id="f", bus="first")
    state("on")
    check_addresses()
    assert int(function()["serial"]) > serial
    monitor.ask("device_del", id="f")
    monitor.gone()
    state("empty")
    assert slot()["plugged"] == slot()["unplugged"] == "3" and slot()["faults"] == "0", slot()


def comes_unseen():
    Monitor(where + "/qmp").ask("device_add", driver="edu", id="g", bus="first")
    assert function() is None


def was_taken_over():
    state("on")
    check_addresses()


def begins_to_go():
    Monitor(where + "/qmp").ask("device_del", id="g")
    until(lambda: function().get("leaving") == "1", "it is not told to leave")


def has_gone():
    state("empty")
    assert function() is None


globals()[scenario]()
