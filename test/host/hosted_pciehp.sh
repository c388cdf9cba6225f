# pciehp as a process of Linux, under address and undefined sanitizers, on QEMU's root port: a device that
# comes (device_add) gets power and addresses, and its driver runs; one that is to go (device_del: the button)
# waits for its driver's end; power off by hand; the port's driver is killed, and its successor ends what
# was begun. No more is written to the port than its slot.
# bound: 120
set -u
cd "$(dirname "$0")/../.." || exit 1
. tool/hosted_lib.sh
hosted_test
h=$dir
edu=
trap '[ -z "$edu" ] || kill -9 $edu; hosted_end' EXIT

# scenario NAME: one of test/host/hosted_pciehp.py
scenario()
{
	python3 test/host/hosted_pciehp.py "$h" "$1" "$driver" "$edu" || hosted_fail "$1"
}

# The driver of the device that has come.
start_edu()
{
	rm -f "$h/edu"
	"$hosted_bin/edu" -device 1.0.0 -dev "unix!$h/dev" -listen "unix!$h/edu" >> "$h/edu.log" 2>&1 &
	edu=$!
	hosted_wait "$h/edu" 100 $edu || hosted_fail "no driver for what has come"
}

end_edu()
{
	wait $edu || hosted_fail "edu ends with $?"
	edu=
}

HOSTED_EXTRA="-qmp unix:$h/qmp,server=on,wait=off"
hosted_machine pciehp && hosted_driver || hosted_fail "no start"
scenario comes
start_edu
scenario goes
end_edu
scenario by_hand
hosted_stop KILL
scenario comes_unseen
hosted_driver || hosted_fail "no second start"
scenario was_taken_over
start_edu
scenario begins_to_go
hosted_stop KILL
kill -TERM $edu
end_edu
hosted_driver || hosted_fail "no third start"
scenario has_gone
hosted_judge "all of it"
! grep -E 'Sanitizer|runtime error' "$h/edu.log" || hosted_fail "edu: a sanitizer"
hosted_stop TERM || hosted_fail "it ends with $?"
hosted_judge end
