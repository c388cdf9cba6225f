# Drivers are killed while their device writes to their memory: nobody else's memory is written, and
# what the kernel does to the device is seen from outside, in its order.
# bound: 400
. test/boot/lib.sh

deaths=300
with_prog fencing
init <<EOF
fencing $deaths
EOF
CPUS=2 MEM=32M TIMEOUT=200 EXTRA="-trace pci_cfg_write -D $dir/trace" boot
expect 'fencing: all right'
console | grep '^fencing: '
python3 - "$dir/trace" $deaths <<'END' || fail "the device was not told so"
import re, sys
deaths, on, master, steps = 0, False, False, []
for line in open(sys.argv[1]):
    m = re.match(r"pci_cfg_write edu .* @0x([0-9a-f]+) <- 0x([0-9a-f]+)", line)
    if not m:
        continue
    at, v = int(m[1], 16), int(m[2], 16)
    if at == 0x42 and not v & 1:
        steps.append("messages off")
    elif at == 0x04 and not v & 4:
        steps.append("bus mastering off")
        master = False
    elif at == 0x04 and master:
        steps.append("line off" if v & 0x400 else "line on")
    elif at == 0x04:
        master = True
        if on:
            if steps[:3] != ["messages off", "line off", "bus mastering off"]:
                print("after death", deaths, steps)
                sys.exit(1)
            deaths += 1
        on, steps = True, []
print(deaths, "deaths seen from outside")
sys.exit(deaths < int(sys.argv[2]))
END
