# hosted_lies.sh must fail when a driver does: each driver that has faults on demand (man/4/fault) is
# told to crash, to end, to forget a request and to write wildly, on a device that does not lie.
# bound: 400
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v qemu-system-x86_64 > /dev/null || { echo "needs qemu-system-x86_64"; exit 77; }
b=${B:-build}
dir=${TEST_DIR:-$(mktemp -d)}
export HOSTED_BIN=$b/test/fault HOSTED_QTESTFS=$b/test/bin/qtestfs
export LIES_RUNS=1 LIES_RATE=0 LIES_BOUND=4

# judge DRIVER FAULT TEXT: what it is to say
judge()
{
	local d=$dir/$1-${2%% *} rc=0
	mkdir -p "$d"
	TEST_DIR=$d LIES_ONLY=$1 LIES_FAULT=$2 bash test/host/hosted_lies.sh > "$d/out" 2>&1 || rc=$?
	[ $rc = 1 ] && grep -q "^FAIL: $1, .*$3" "$d/out" && return
	echo "FAIL: $1 with the fault $2: status $rc, and not '$3':"
	tail -n 30 "$d/out"
	exit 1
}

found=0
for program in "$HOSTED_BIN"/*; do
	name=${program##*/}
	[ -x "$program" ] || continue
	found=$((found + 1))
	judge "$name" 'crash #5' 'a request hangs, or the driver is gone'
	judge "$name" 'exit #5' 'a request hangs, or the driver is gone'
	judge "$name" 'hang #5' 'a request hangs, or the driver is gone'
	judge "$name" 'wildptr #5' 'a request hangs, or the driver is gone'
	# Nobody asks for as much: the fault does not come, and nothing is wrong.
	d=$dir/$name-none
	mkdir -p "$d"
	TEST_DIR=$d LIES_ONLY=$name LIES_FAULT='crash #100000000' bash test/host/hosted_lies.sh > "$d/out" 2>&1 || {
		cat "$d/out"
		exit 1
	}
done
[ $found -gt 0 ] || { echo "no driver with faults is built"; exit 1; }
