"""A 9P2000.L client for the tests, written from the protocol and not from this system's own code:
many calls in flight on a connection, each with a bound."""
import socket, struct, threading

TVERSION, TATTACH, TWALK, TREAD, TWRITE, TCLUNK, TLOPEN, TFSYNC = 100, 104, 110, 116, 118, 120, 12, 50
RLERROR, NOFID, NOTAG = 7, 0xffffffff, 0xffff
MSIZE = 1 << 20


class Error(OSError):
    pass


def string(s):
    b = s.encode()
    return struct.pack("<H", len(b)) + b


class Client:
    def __init__(self, path, aname="", bound=60):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.bound, self.lock, self.pending, self.fids = bound, threading.Lock(), {}, 1
        self.tags = list(range(200))
        self.dead = None
        threading.Thread(target=self.reader, daemon=True).start()
        r = self.call(TVERSION, struct.pack("<I", MSIZE) + string("9P2000.L"), NOTAG)
        self.msize = struct.unpack_from("<I", r)[0]
        self.call(TATTACH, struct.pack("<II", 0, NOFID) + string("test") + string(aname) +
                  struct.pack("<I", 0))

    def close(self):
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def exactly(self, n):
        parts = []
        while n:
            b = self.sock.recv(n)
            if not b:
                raise EOFError
            parts.append(b)
            n -= len(b)
        return b"".join(parts)

    def reader(self):
        try:
            while True:
                size, kind, tag = struct.unpack("<IBH", self.exactly(7))
                body = self.exactly(size - 7)
                with self.lock:
                    slot = self.pending.pop(tag)
                slot[1:] = [kind, body]
                slot[0].set()
        except (OSError, EOFError, KeyError) as e:
            with self.lock:
                self.dead = e or "closed"
                for slot in self.pending.values():
                    slot[0].set()

    def call(self, kind, body, tag=None):
        slot = [threading.Event(), None, None]
        with self.lock:
            if self.dead:
                raise ConnectionError("the service has gone")
            own = tag is None
            if own:
                tag = self.tags.pop()
            self.pending[tag] = slot
            self.sock.sendall(struct.pack("<IBH", 7 + len(body), kind, tag) + body)
        if not slot[0].wait(self.bound):
            raise TimeoutError("no answer in %d s to type %d" % (self.bound, kind))
        if slot[1] is None:
            raise ConnectionError("the service has gone")
        if own:
            with self.lock:
                self.tags.append(tag)
        if slot[1] == RLERROR:
            raise Error(struct.unpack("<I", slot[2])[0], "from the server")
        assert slot[1] == kind + 1, "type %d answers %d" % (slot[1], kind)
        return slot[2]

    def open(self, path, flags=2):
        with self.lock:
            self.fids += 1
            fid = self.fids
        names = [n for n in path.split("/") if n]
        r = self.call(TWALK, struct.pack("<IIH", 0, fid, len(names)) +
                      b"".join(string(n) for n in names))
        if struct.unpack_from("<H", r)[0] < len(names):
            raise Error(2, path)
        self.call(TLOPEN, struct.pack("<II", fid, flags))
        return File(self, fid)


class File:
    def __init__(self, client, fid):
        self.c, self.fid = client, fid

    def read(self, n, offset=0):
        r = self.c.call(TREAD, struct.pack("<IQI", self.fid, offset, n))
        return r[4:4 + struct.unpack_from("<I", r)[0]]

    def write(self, data, offset=0):
        if isinstance(data, str):
            data = data.encode()
        r = self.c.call(TWRITE, struct.pack("<IQI", self.fid, offset, len(data)) + data)
        return struct.unpack("<I", r)[0]

    def all(self, n, offset):
        """n bytes, in as many requests as it takes."""
        out = bytearray()
        while len(out) < n:
            b = self.read(min(n - len(out), self.c.msize - 24), offset + len(out))
            if not b:
                break
            out += b
        return bytes(out)

    def put(self, data, offset):
        done = 0
        while done < len(data):
            done += self.write(data[done:done + self.c.msize - 24], offset + done)

    def fsync(self):
        self.c.call(TFSYNC, struct.pack("<II", self.fid, 0))

    def close(self):
        self.c.call(TCLUNK, struct.pack("<I", self.fid))


def text(client, path):
    f = client.open(path, 0)
    try:
        return f.all(1 << 16, 0).decode()
    finally:
        f.close()


def values(client, path):
    """A text of `name value` lines as a dictionary."""
    return dict(line.split(" ", 1) for line in text(client, path).splitlines() if " " in line)
