"""Judges a kill campaign from outside.

judge.py image IMAGE LEDGER     every sector of the image is whole and no older than what the ledger
                                of test/prog/stamp.c says was acknowledged
judge.py table CONSOLE...       the samples that test/prog/reaper.c printed, as a table
"""
import collections
import re
import struct
import sys

SECTOR = 512
MASK = (1 << 64) - 1
STAMP, LEDGER = 0x504D5453, 0x5247444C


def check_sector(data, number, seed, acknowledged, begun):
    """What is wrong with it, or None."""
    words = struct.unpack("<64Q", data)
    total = 0xCBF29CE484222325
    for w in words[:63]:
        total = (total ^ w) * 0x100000001B3 & MASK
    if words[0] != STAMP or words[1] != number or words[3] != seed or words[63] != total:
        return "wrong: magic 0x%x, number %d, version %d" % words[:3]
    if words[2] > begun:
        return "wrong: version %d, and only %d was begun" % (words[2], begun)
    if words[2] < acknowledged:
        return "lost: version %d, and %d was acknowledged" % (words[2], acknowledged)
    return None


def image(path, ledger_path):
    with open(ledger_path, "rb") as f:
        magic, seed, n = struct.unpack("<3Q", f.read(SECTOR)[:24])
        if magic != LEDGER:
            sys.exit("%s has no ledger" % ledger_path)
        ledger = f.read(n * 16)
    bad = versions = 0
    with open(path, "rb") as f:
        for i in range(n):
            acknowledged, begun = struct.unpack_from("<2Q", ledger, i * 16)
            versions += acknowledged
            why = check_sector(f.read(SECTOR), i, seed, acknowledged, begun)
            if why:
                bad += 1
                if bad <= 10:
                    print("sector %d is %s" % (i, why))
    print("image: %d sectors, %d versions, %d bad" % (n, versions, bad))
    if n == 0 or versions <= n:
        sys.exit("the ledger has no work")
    return bad != 0


def rank(values, permille):
    return values[(len(values) * permille + 999) // 1000 - 1]


def row(name, samples):
    cells = ["`%s`" % name, "%d" % len(samples),
             "%d %%" % (100 * sum(s[0] for s in samples) // len(samples))]
    for which in 1, 2, 3:
        values = sorted(s[which] for s in samples)
        cells += ["%.1f" % (rank(values, p) / 1e6) for p in (500, 990, 1000)]
    return "| " + " | ".join(cells) + " |"


def table(paths):
    samples = collections.defaultdict(list)
    for path in paths:
        with open(path, errors="replace") as f:
            text = f.read()
        for m in re.finditer(r"^sample\t([^\t\n]+)\t([01])\t(\d+)\t(\d+)\t(\d+)\r?$", text, re.M):
            samples[m[1]].append(tuple(int(v) for v in m.groups()[1:]))
    if not samples:
        sys.exit("no samples")
    print("| cause | deaths | busy | started p50 | p99 | max "
          "| healthy p50 | p99 | max | answered p50 | p99 | max |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name in sorted(samples):
        print(row(name, samples[name]))
    print(row("all", [s for v in samples.values() for s in v]))
    return False


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "image":
        return image(sys.argv[2], sys.argv[3])
    if len(sys.argv) > 2 and sys.argv[1] == "table":
        return table(sys.argv[2:])
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main())
