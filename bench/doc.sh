#!/bin/sh
# Puts the table of the last `make bench` into doc/measured.md.
set -eu
b=${B:-build}
awk -v table="$b/bench/table" '
/^<!-- table/ { print; while ((getline line < table) > 0) print line; skipping = 1; next }
/^<!-- end/ { skipping = 0 }
!skipping { print }' doc/measured.md > "$b/bench/measured.md"
cp "$b/bench/measured.md" doc/measured.md
