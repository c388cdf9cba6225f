"""A client of a driver whose device lies: asks for many things, takes any answer and any error, but
each within a bound.  Exits with 1 when an answer did not come.

usage: hosted_use.py SOCKET DISK SECONDS SEED BOUND    DISK -: the files in the top directory"""
import random, sys, threading, time
import p9

sock, disk, seconds, seed, bound = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), \
    int(sys.argv[5])
late, counts = [], {"answers": 0, "errors": 0}
end = time.monotonic() + seconds


def step(rnd, client):
    if disk == "-":
        name, text = rnd.choice([("dma", None), ("factorial", "%d" % rnd.randrange(100)),
                                 ("id", None), ("ctl", "raise 0x%x" % rnd.randrange(1, 256)),
                                 ("0.4.0", rnd.choice(["on", "off"]))])
        f = client.open(name)
        try:
            if name == "dma" and rnd.randrange(2):
                f.write(rnd.randbytes(rnd.randrange(1, 200)), rnd.randrange(3000))
            elif text and rnd.randrange(2):
                f.write(text)
            else:
                f.read(rnd.randrange(1, 1000))
        finally:
            f.close()
        return
    kind = rnd.randrange(8)
    f = client.open("%s/%s" % (disk, rnd.choice(["data"] * 6 + ["ctl", "stats"])), 0 if kind < 4 else 2)
    try:
        n, at = rnd.choice([512, 4096, 5000, 100000]), rnd.randrange(60 << 20)
        if kind < 4:
            f.read(n, at)
        elif kind < 7:
            f.write(rnd.randbytes(n), at)
        else:
            f.fsync()
    finally:
        f.close()


def use(i):
    rnd, began = random.Random(seed * 100 + i), 0
    try:
        client = p9.Client(sock, bound=bound)
        while time.monotonic() < end:
            try:
                began = time.monotonic()
                step(rnd, client)
                counts["answers"] += 1
            except p9.Error:
                counts["errors"] += 1
                time.sleep(0.001)
    except TimeoutError as e:
        late.append(str(e))
    except ConnectionError as e:
        late.append("%r after %.1f s" % (e, time.monotonic() - began))


threads = [threading.Thread(target=use, args=(i,)) for i in range(6)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("answers %(answers)d errors %(errors)d" % counts)
for text in late:
    print(text)
sys.exit(bool(late))
