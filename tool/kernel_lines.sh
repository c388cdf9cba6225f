#!/bin/sh
# Counts the kernel's lines of code: no blank lines, no comments, no tests, no checks of the debug
# build.  Fails when there are more than doc/kernel.md allows.  Usage: kernel_lines.sh [FILE...]
set -eu
limit=$(sed -n 's/^\*\*The limit is \([0-9]*\),\([0-9]*\) lines\.\*\*.*/\1\2/p' doc/kernel.md)
[ $# -gt 0 ] || set -- $(git ls-files 'kernel/*.[chS]' | grep -vE '_test\.c$|^kernel/(testing|debug)/')
awk -v limit="$limit" '
{
	rest = $0
	code = ""
	while (rest != "") {
		if (inside) {
			i = index(rest, "*/")
			if (i == 0)
				break
			rest = substr(rest, i + 2)
			inside = 0
		} else {
			i = index(rest, "/*")
			if (i == 0) {
				code = code rest
				break
			}
			code = code substr(rest, 1, i - 1)
			rest = substr(rest, i + 2)
			inside = 1
		}
	}
	if (code ~ /[^ \t]/)
		n++
}
END {
	print n
	if (limit == "" || n > limit) {
		print "kernel: more lines than doc/kernel.md allows (" limit ")" > "/dev/stderr"
		exit 1
	}
}' "$@"
