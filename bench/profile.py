#!/usr/bin/env python3
"""Names what a stretch of the plugin's profile executed.

profile.py PROFILE CONSOLE ELF...     the rows' names and counts are from the console's lines
  -n N   symbols per row (25);  -r NAME  this row only;  -b  by block, not by symbol

A block belongs to the file that has its code at its address.
"""
import argparse
import bisect
import os
import struct
import subprocess


class Elf:
    def __init__(self, path):
        self.name = os.path.basename(path)
        self.data = open(path, "rb").read()
        self.segments = []
        phoff, = struct.unpack_from("<Q", self.data, 32)
        size, count = struct.unpack_from("<HH", self.data, 54)
        for i in range(count):
            kind, _, offset, vaddr, _, filesz = struct.unpack_from(
                "<IIQQQQ", self.data, phoff + i * size)
            if kind == 1:
                self.segments.append((vaddr, filesz, offset))
        text = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
        symbols = []
        for line in text.splitlines():
            words = line.split()
            if len(words) == 3 and words[1] in "tTwW":
                symbols.append((int(words[0], 16), words[2]))
        symbols.sort()
        self.starts = [s[0] for s in symbols]
        self.names = [s[1] for s in symbols]

    def has(self, address, code):
        for vaddr, size, offset in self.segments:
            if vaddr <= address and address + len(code) <= vaddr + size:
                at = offset + address - vaddr
                return self.data[at:at + len(code)] == code
        return False

    def symbol(self, address):
        i = bisect.bisect_right(self.starts, address) - 1
        return self.names[i] if i >= 0 else "?"


def rows(console):
    for line in open(console, errors="replace"):
        words = line.split()
        if len(words) == 4 and words[0] == "row":
            yield words[1], int(words[2])


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-n", type=int, default=25)
    p.add_argument("-r", default="")
    p.add_argument("-b", action="store_true")
    p.add_argument("profile")
    p.add_argument("console")
    p.add_argument("elf", nargs="+")
    args = p.parse_args()
    elfs = [Elf(path) for path in args.elf]
    sums, order = {}, list(rows(args.console))
    row, seen = None, {}
    with open(args.profile) as f:
        for line in f:
            words = line.split()
            if words[0] == "stretch":
                row = order[int(words[1])] if int(words[1]) < len(order) else None
                if row:
                    table = sums.setdefault(row[0], [0, {}])
                    table[0] += row[1]
                continue
            if not row or (args.r and row[0] != args.r):
                continue
            key = (words[0], words[3] if len(words) > 3 else "")
            if key not in seen:
                address, code = int(key[0], 16), bytes.fromhex(key[1])
                elf = next((e for e in elfs if e.has(address, code)), None)
                where = elf.name + "`" + elf.symbol(address) if elf else "?"
                if args.b or not elf:
                    where += " " + key[0]
                seen[key] = where
            n = int(words[1]) * int(words[2])
            table[1][seen[key]] = table[1].get(seen[key], 0) + n
    for name, (count, symbols) in sums.items():
        if not symbols:
            continue
        total = sum(symbols.values())
        print(f"{name}: {total / count:.0f} instructions each")
        parts = {}
        for where, n in symbols.items():
            part = where.split("`")[0]
            parts[part] = parts.get(part, 0) + n
        print("   ", ", ".join(f"{part} {n / count:.0f}" for part, n in
                               sorted(parts.items(), key=lambda x: -x[1])[:6]))
        for where, n in sorted(symbols.items(), key=lambda x: -x[1])[:args.n]:
            print(f"{n / count:10.1f} {100 * n / total:5.1f} %  {where}")


main()
