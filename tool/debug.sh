#!/bin/bash
# `make debug`: QEMU stopped at its first instruction, gdb attached, with the symbols of the kernel.
# The console goes to build/debug.log.  In gdb, `user NAME` adds the symbols of a program.
set -eu
b=${B:-build}
sock=$(mktemp -u /tmp/lux9-gdb.XXXXXX)
log=$b/debug.log
: > "$log"
GDB=$sock TIMEOUT=0 SERIAL=$log CPUS=${CPUS:-1} DISKS="${DISKS:-$b/demo.img}" sh tool/qemu.sh &
qemu=$!
trap 'kill $qemu 2>/dev/null || :; rm -f "$sock"' EXIT
for _ in $(seq 50); do
	[ ! -S "$sock" ] || break
	sleep 0.1
done
cat > "$b/debug.gdb" <<END
set confirm off
set pagination off
file $b/kernel/lux9.elf
target remote $sock
define user
add-symbol-file $b/lux9/bin/\$arg0
end
document user
user NAME: adds the symbols of the program NAME (a server or a command).
end
END
echo "the console is in $log"
gdb -q -x "$b/debug.gdb" "$@"
