#!/bin/bash
# Runs the tests, two at a time: unit tests, host scripts, boot scenarios, models, bounded fuzz runs.
# `make test` calls it with B, T, UNITS and FUZZERS.  Each test's output goes to
# build/test-logs/KIND-NAME.log, and is shown when it fails.  A script that exits with 77 was
# skipped.  The last line is `N passed, N failed, N skipped`; exits 0 only if none failed.
#
# T selects by name: `T=elf_test`, `T=smoke`, `T=boot/` (a kind), or any part of KIND/NAME.
set -u
cd "$(dirname "$0")/.." || exit 1
export B=${B:-build}
logs=$B/test-logs
fuzz_s=${FUZZ_SECONDS:-15}

# bound of a script: its own line `# bound: SECONDS`, or a default
script_bound()
{
	local n
	n=$(sed -n 's/^# bound: *\([0-9]*\).*/\1/p' "$1" | head -1)
	echo "${n:-${2}}"
}

run_fuzz()
{
	local name=$1 dir
	dir=$(mktemp -d)
	mkdir -p "$dir/new"
	local seeds=() d
	for d in "fuzz/corpus/$name" "fuzz/$name" "$B/fuzz/corpus/$name"; do
		[ -d "$d" ] && seeds+=("$d")
	done
	timeout -k 5 $((fuzz_s * 4 + 30)) "$B/fuzz/bin/$name" -max_total_time="$fuzz_s" -timeout=10 \
		-rss_limit_mb=2048 -error_exitcode=1 -print_final_stats=1 -artifact_prefix="$dir/" \
		"$dir/new" "${seeds[@]}"
	local rc=$?
	if [ $rc != 0 ]; then
		mkdir -p "$logs/artifacts"
		cp "$dir"/crash-* "$dir"/leak-* "$dir"/timeout-* "$dir"/oom-* "$logs/artifacts" 2>/dev/null
	fi
	rm -rf "$dir"
	return $rc
}

run_script()
{
	local dir rc
	dir=$(mktemp -d "/tmp/lux9-test.XXXXXX")
	TEST_DIR=$dir timeout -k 10 "$(script_bound "$1" "$2")" bash "$1" ${3:+"$3"}
	rc=$?
	[ $rc = 124 ] && echo "the time was up"
	rm -rf "$dir"
	return $rc
}

# One test: writes its log, then `PASSED FAILED SKIPPED` to the result file, and prints a line.
run_one()
{
	local kind=${1%%/*} name=${1#*/} rc=0 log result t0=$SECONDS p=1 f=0 s=0
	log=$logs/$kind-$name.log
	result=$logs/$kind-$name.result
	case $kind in
	build)	[ "$(cat "$logs/build.rc")" = 0 ]; rc=$?
		grep -vE '^[A-Z]+ +[^ ]+$' "$logs/build.log" > "$log" ;;
	unit)	timeout -k 5 300 "$(unit_path "$name")" > "$log" 2>&1 || rc=$?
		p=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s).*/\1/p' "$log" | tail -1)
		f=$(grep -c '^\[  FAILED  \] [a-zA-Z_]' "$log")
		s=$(sed -n 's/^\[  SKIPPED \] \([0-9]*\) test(s).*/\1/p' "$log" | tail -1)
		[ "${p:-0}" != 0 ] || rc=${rc/#0/1}
		p=${p:-0} s=${s:-0} ;;
	fuzz)	run_fuzz "$name" > "$log" 2>&1 || rc=$? ;;
	host)	run_script "test/host/$name.sh" 600 > "$log" 2>&1 || rc=$? ;;
	boot)	run_script "test/boot/$name.sh" 600 > "$log" 2>&1 || rc=$? ;;
	model)	run_script model/check.sh 600 "$name" > "$log" 2>&1 || rc=$? ;;
	esac
	case $rc in
	0)	;;
	77)	p=0 s=1 ;;
	*)	[ "$kind" = unit ] || p=0
		[ "$f" != 0 ] || f=1 ;;
	esac
	echo "$p $f $s" > "$result"
	local word=ok
	[ "$s" = 0 ] || word=skip
	[ "$f" = 0 ] || word=FAIL
	printf '%-4s %s (%d s)\n' "$word" "$1" $((SECONDS - t0))
	if [ "$f" != 0 ]; then
		grep -E '^FAIL|\[  FAILED|: error|undefined reference|\*\*\*' "$log" | head -n 15
		echo "--- $log, its last lines:"
		tail -n 40 "$log" | sed 's/^/    /'
	elif [ "$word" = skip ]; then
		tail -n 1 "$log" | sed 's/^/     /'
	fi
}

unit_path()
{
	local u
	for u in $UNITS; do
		[ "${u#"$B"/test/}" = "${1//:/\/}" ] && echo "$u"
	done
}

if [ "${1:-}" = --one ]; then
	run_one "$2"
	exit 0
fi

list_tests()
{
	local x
	echo build/all
	for x in $UNITS; do
		x=${x#"$B"/test/}
		echo "unit/${x//\//:}"
	done
	for x in test/host/*.sh; do
		case $x in */lib.sh|*'*'*) ;; *) x=${x##*/}; echo "host/${x%.sh}" ;; esac
	done
	for x in test/boot/*.sh; do
		case $x in */lib.sh|*_lib.sh|*'*'*) ;; *) x=${x##*/}; echo "boot/${x%.sh}" ;; esac
	done
	for x in model/*.pml; do
		x=${x##*/}
		echo "model/${x%.pml}"
	done
	for x in $FUZZERS; do
		echo "fuzz/$x"
	done
}

mkdir -p "$logs"
rm -f "$logs"/*.result
export UNITS=${UNITS:-} FUZZERS=${FUZZERS:-}
all=$(list_tests)
if [ -n "${T:-}" ]; then
	exact=$(printf '%s\n' "$all" | grep -E "/(.*:)?$T\$")
	all=$({ echo build/all; printf '%s\n' "${exact:-$(printf '%s\n' "$all" | grep -F -- "$T")}"; } |
		awk 'NF && !seen[$0]++')
	if [ "$all" = build/all ] && [ "$T" != build ]; then
		echo "no test is called $T" >&2
		exit 1
	fi
fi
printf '%s\n' "$all" | xargs -P 2 -I '{}' bash test/run.sh --one '{}'
cat "$logs"/*.result | awk '{ p += $1; f += $2; s += $3 }
	END {
		printf "%d passed, %d failed", p, f
		if (s)
			printf ", %d skipped", s
		print ""
		exit f > 0
	}'
