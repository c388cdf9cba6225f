#!/bin/sh
# Checks the form of C files: line length, tabs, functions and files that are too long, #ifdef,
# words left for later.  Prints what is wrong, one line each; exits with 1 if anything is.
# A function that must be longer has `long: WHY` in the comment above it; a file, at its head.
# Usage: form.sh FILE...
set -eu
[ $# -gt 0 ] || exit 0
awk '
function wrong(text)
{
	printf "%s:%d: %s\n", FILENAME, FNR, text
	bad = 1
}
function width(line,   i, w)
{
	w = 0
	for (i = 1; i <= length(line); i++)
		w += substr(line, i, 1) == "\t" ? 8 - w % 8 : 1
	return w
}
function end_file()
{
	if (file && lines > 700 && !excused_file) {
		printf "%s: %d lines\n", file, lines
		bad = 1
	}
}
FNR == 1 {
	end_file()
	file = FILENAME
	excused_file = excused = name = ""
	if ($0 !~ /^\/\*/)
		wrong("no comment at the head")
}
{ lines = FNR }
FNR <= 30 && /long: / { excused_file = 1 }
/^[ \t]*\/?\*.*long: / { excused = FNR }
width($0) > 100 { wrong("longer than 100 columns") }
/[ \t]+$/ { wrong("white space at the end") }
/^ +[a-z}]/ { wrong("indented with spaces") }
/TO''DO|FIX''ME|XX''X/ { wrong("left for later") }
FILENAME ~ /\.c$/ && /^#[ \t]*if/ { wrong("conditional compilation") }
FILENAME ~ /\.h$/ && FNR == 1 { guarded = 0 }
/^[a-z_][a-z0-9_]*\(/ { name = $0; sub(/\(.*/, "", name); start = FNR }
/^}/ && name {
	if (FNR - start > 61 && !(excused && start - excused < 15 && start >= excused)) {
		printf "%s:%d: %s has %d lines\n", FILENAME, start, name, FNR - start - 1
		bad = 1
	}
	name = ""
}
END {
	end_file()
	exit bad
}' "$@"
