"""Random reads and writes of a disk that a driver serves, several clients with several requests in
flight each; every read is judged by a copy, and the host's image at the end.

usage: hosted_load.py SOCKET DISK IMAGE OPERATIONS CLIENTS DEPTH SEED

The disk is cut into one piece for each request in flight, at places that are no sector's beginning:
so neighbours read and write parts of the same sectors, and must not undo each other."""
import random, sys, threading
import p9

sock, disk, image, operations, nclients, depth, seed = sys.argv[1:4] + [int(x) for x in sys.argv[4:]]
sys.setswitchinterval(0.0005)
truth = bytearray(open(image, "rb").read())
workers = nclients * depth
cuts = [0] + [i * len(truth) // workers | 3 for i in range(1, workers)] + [len(truth)]
errors = []


def size(rnd, most):
    kind = rnd.randrange(10)
    n = rnd.choice([512, 4096]) if kind < 4 else rnd.randrange(1, 5000) if kind < 7 else \
        rnd.randrange(1, 70000) if kind < 9 else rnd.randrange(1, 1 << 20)
    return min(n, most)


def work(f, lo, hi, rnd, n):
    try:
        for _ in range(n):
            at = rnd.randrange(lo, hi)
            if rnd.randrange(3) == 0:
                at = min(max(lo, at & ~511), hi - 1)
            k = size(rnd, hi - at)
            if rnd.randrange(2):
                data = rnd.randbytes(k)
                f.put(data, at)
                truth[at:at + k] = data
            else:
                got = f.all(k, at)
                if got != truth[at:at + k]:
                    raise ValueError("%d bytes at %d are not what was written" % (k, at))
    except Exception as e:
        errors.append("%s: %r" % (threading.current_thread().name, e))


threads = []
clients = [p9.Client(sock) for _ in range(nclients)]
for i in range(workers):
    f = clients[i % nclients].open(disk + "/data")
    threads.append(threading.Thread(target=work, args=(
        f, cuts[i], cuts[i + 1], random.Random(seed * 1000 + i), operations // workers)))
for t in threads:
    t.start()
for t in threads:
    t.join()
for e in errors:
    print(e)
f = clients[0].open(disk + "/data")
f.fsync()
with open(image, "rb") as g:
    there = g.read()
for i in range(0, len(truth), 4096):
    if truth[i:i + 4096] != there[i:i + 4096]:
        print("the image differs in the page at %d" % i)
        errors.append(i)
        break
stats = p9.values(clients[0], disk + "/stats")
print("requests", int(stats["read-requests"]) + int(stats["write-requests"]),
      "errors", stats["read-errors"], stats["write-errors"])
sys.exit(bool(errors))
