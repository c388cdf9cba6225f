"""What virtioblk.sh and virtioscsi.sh must leave behind: virtio_images.py DIRECTORY.

"small" and "large" have what dd wrote and nothing else, the parts of "small" that were discarded or made zero
take no room, and QEMU has counted two flushes of it.
"""
import os
import sys


def check(d, name, want):
    with open(d + "/" + name, "rb") as f:
        got = f.read()
    if bytes(want) != got:
        bad = [i for i in range(0, len(want), 512) if want[i:i + 512] != got[i:i + 512]]
        sys.exit("%s: %d sectors differ, the first at %s" % (name, len(bad), bad[:1]))


def main():
    d = sys.argv[1]
    with open(d + "/extra/blob", "rb") as f:
        blob = f.read()
    want = bytearray(64 << 20)
    for at in 777 * 3, 65536 * 200, 20000100:
        want[at:at + len(blob)] = blob
    if os.path.exists(d + "/extra/bin/packet"):
        want[9 * 4096:10 * 4096] = b"P" * 4096
    check(d, "large", want)
    with open(d + "/before", "rb") as f:
        want = bytearray(f.read())
    want[17000:17000 + len(blob)] = blob
    want[8 << 20:16 << 20] = bytes(8 << 20)
    want[4 << 20:6 << 20] = bytes(2 << 20)
    check(d, "small", want + bytes(16 << 20))
    if os.stat(d + "/small").st_blocks * 512 > 7 << 20:
        sys.exit("the discarded or zeroed sectors still take room: %d" % os.stat(d + "/small").st_blocks)
    with open(d + "/monitor") as f:
        flushes = [int(line.split("flush_operations=")[1].split()[0])
                   for line in f if "flush_operations=" in line and "small" in line]
    if flushes[-1:] != [2]:    # two by ctl; a dd without fsync asks for none
        sys.exit("flushes that QEMU has counted: %s" % flushes)


main()
