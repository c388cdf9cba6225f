# qtestfs: what it grants and refuses, what it notices of a device's own accesses, lines, messages,
# the end of a process, and lies; by hand, without a driver.
# bound: 60
set -u
cd "$(dirname "$0")/../.." || exit 1
. tool/hosted_lib.sh
hosted_test
h=$dir
hosted_machine edu || exit 1
python3 test/host/hosted_qtestfs.py "$h/dev" || { cat "$h"/*.log; exit 1; }
kill -TERM $qtestfs_pid
wait $qtestfs_pid || { echo "qtestfs ends with $?"; cat "$h/qtestfs.log"; exit 1; }
! grep -E 'Sanitizer|runtime error' "$h/qtestfs.log"
