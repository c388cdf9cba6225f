#!/bin/bash
# Searches a model completely, then for each of its mutants the bug that it has in it.
# Usage: check.sh MODEL.  In the model's first comment:
#
#	 * run FLAG...			one search: what is defined
#	 * mutant NAME RUN what it is	with NAME defined too, run RUN (from 1) must fail
#
# A search is bounded in memory, depth and time, and one that meets a bound fails.
# bound: 900
set -u
cd "$(dirname "$0")" || exit 1
model=$1
dir=${TEST_DIR:-$(mktemp -d)}
memory_mb=4000 depth=100000 seconds=200

# Compiles with -O$1 and searches with FLAG...: the report is in $dir/report.  The generated program
# takes the compiler longer than most searches take, and -O1 twice as long as -Og for nothing.
search()
{
	local level=$1
	shift
	rm -rf "$dir/pan" && mkdir "$dir/pan" && cp "$model.pml" "$dir/pan/" || return 1
	(
		cd "$dir/pan" &&
		spin -a "$@" "$model.pml" &&
		gcc -O$level -DSAFETY -DCOLLAPSE -DMEMLIM=$memory_mb -o pan pan.c &&
		timeout -k 5 $seconds ./pan -m$depth
	) > "$dir/report" 2>&1
}

complete()
{
	grep -q 'errors: 0$' "$dir/report" &&
	! grep -qiE 'too small|not completed|out of memory|reached -DMEMLIM|aborting|^error' "$dir/report"
}

found()
{
	grep -q 'errors: 1$' "$dir/report" &&
	grep -qE '^pan:1: (assertion violated|invalid end state)' "$dir/report"
}

figures()
{
	sed -nE 's/^ *([0-9]+) states, stored.*/\1 states/p
		s/.*depth reached ([0-9]+),.*/depth \1/p
		s/^pan: elapsed time ([0-9.e+]+) seconds/\1 s/p' "$dir/report" | paste -sd ' '
}

fail()
{
	echo "FAIL: $1"
	tail -n 30 "$dir/report"
	exit 1
}

command -v spin > /dev/null || { echo "FAIL: spin is not installed: tool/install.sh"; exit 1; }
mapfile -t runs < <(sed -n 's/^ \* run[ \t]//p' "$model.pml")
mapfile -t mutants < <(sed -nE 's/^ \* mutant[ \t]+([A-Z_]+)[ \t]+([0-9]+)[ \t].*/\1 \2/p' "$model.pml")
[ ${#runs[@]} != 0 ] && [ ${#mutants[@]} != 0 ] || { echo "FAIL: $model has no runs or no mutants"; exit 1; }
[ ${#mutants[@]} = "$(grep -c '^ \* mutant ' "$model.pml")" ] || { echo "FAIL: a mutant without its run"; exit 1; }
for flags in "${runs[@]}"; do
	# shellcheck disable=SC2086
	search g $flags
	complete || fail "$model $flags"
	echo "$model $flags: $(figures)"
done
for m in "${mutants[@]}"; do
	read -r name run <<< "$m"
	grep -qE "^#if.*\b$name\b" "$model.pml" || fail "$model has no mutant $name"
	# shellcheck disable=SC2086
	search 0 -D$name ${runs[run - 1]}
	found || fail "$model: mutant $name was not found"
	echo "$model $name: found, $(figures)"
done
