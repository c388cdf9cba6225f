# Each driver of tool/hosted.tab as usually compiled, under valgrind, doing a little of everything: no
# read of what was never written, nothing lost at the end.
# bound: 240
set -u
cd "$(dirname "$0")/../.." || exit 1
export HOSTED_BIN=${B:-build}/host/bin
. tool/hosted_lib.sh
command -v valgrind > /dev/null || { echo "needs valgrind"; exit 77; }
hosted_test

fail()
{
	echo "FAIL: $name: $*"
	tail -n 60 "$h"/*.log
	exit 1
}

[ -n "$(hosted_names)" ] || { echo "no driver is built"; exit 1; }
for name in $(hosted_names); do
	h=$dir/$name
	mkdir -p "$h"
	hosted_machine "$name" || fail "no machine"
	HOSTED_UNDER='valgrind -q --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=99' \
		hosted_driver || fail "no start"
	if [ "$disk_name" = - ] || hosted_is_cd "$name"; then
		python3 test/host/hosted_use.py "$h/sd" "$disk_name" 1 1 60 || fail "its files"
	else
		python3 test/host/hosted_load.py "$h/sd" "$disk_name" "$h/disk" 64 2 4 1 || fail "the data"
	fi
	hosted_stop TERM || fail "it ends with $?"
	hosted_end
	echo "$name: well"
done
