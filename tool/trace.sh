#!/bin/sh
# `make trace`: boots boot/trace.conf, which reads a file with the disk driver's trace on: its
# commands, on the console.  QEMU's side, its device models' events with registers by name, goes to
# build/trace.log.
set -eu
b=${B:-build}
: > "$b/trace.log"
export CPUS=${CPUS:-1} DISKS="${DISKS:-$b/demo.img}" TIMEOUT=${TIMEOUT:-120}
export APPEND="init.conf=/boot/trace.conf init.end=exit ${APPEND:-}"
export ENDS=exit EXTRA="-d guest_errors,unimp,trace:ahci_*,trace:ide_*,trace:handle_*,trace:process_ncq_* \
-D $b/trace.log ${EXTRA:-}"
rc=0
sh tool/qemu.sh < /dev/null || rc=$?
[ "${DRY:-0}" = 1 ] || echo "device events: $(wc -l < "$b/trace.log") lines in $b/trace.log"
exit $rc
