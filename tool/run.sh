#!/bin/sh
# `make run`: Lux9 in QEMU with the demonstration disk, on four processors.  At a terminal it gives
# a shell; Ctrl-A X ends QEMU.  Otherwise it runs boot/demo.conf, powers off, and exits with 0 only
# if every step of the demonstration succeeded.
set -eu
b=${B:-build}
export CPUS=${CPUS:-4} DISKS="${DISKS:-$b/demo.img}"
if [ -t 0 ] && [ -t 1 ]; then
	TIMEOUT=${TIMEOUT:-0} exec sh tool/qemu.sh
fi
ENDS=exit APPEND="init.conf=/boot/demo.conf init.end=exit ${APPEND:-}" TIMEOUT=${TIMEOUT:-120} \
	exec sh tool/qemu.sh < /dev/null
