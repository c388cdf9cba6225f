#!/bin/sh
# `make trace`: boots with tracing of 9P messages and of the disk controller's registers, by name.
# The guest's side comes from `trace=1` on the kernel's command line and from `trace on` in the
# disk's ctl file; QEMU's side, its device models' events, goes to build/trace.log.
set -eu
b=${B:-build}
: > "$b/trace.log"
export CPUS=${CPUS:-1} DISKS="${DISKS:-$b/demo.img}" TIMEOUT=${TIMEOUT:-120}
export APPEND="trace=1 init.conf=/boot/demo.conf init.end=exit ${APPEND:-}"
export ENDS=exit EXTRA="-d guest_errors,unimp,trace:ahci_*,trace:ide_*,trace:handle_*,trace:process_ncq_* \
-D $b/trace.log ${EXTRA:-}"
rc=0
sh tool/qemu.sh < /dev/null || rc=$?
[ "${DRY:-0}" = 1 ] || echo "device events: $(wc -l < "$b/trace.log") lines in $b/trace.log"
exit $rc
