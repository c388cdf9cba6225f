#!/bin/sh
# Checks what the documentation refers to: pages, files, functions in them.  Every page stands in
# man/INDEX, in order, and every program has one.  Prints what is wrong, one line each; exits with 1
# if anything is.  Usage: pages.sh, in the top folder.
set -u
bad=$(mktemp) && trap 'rm -f "$bad"' EXIT

wrong()
{
	echo "$*" | tee -a "$bad"
}

is_page()
{
	[ -f "man/$2/$1" ] && return
	# Of the C library and of Linux.
	case "$1($2)" in
	'strftime(3)'|'flock(2)'|'fcntl(2)'|'termios(3)') ;;
	*)	return 1 ;;
	esac
}

index()
{
	pages=$(git ls-files 'man/*/*' | sed 's,man/\(.*\)/\(.*\),\2(\1),')
	listed=$(sed -n '/^Section/,$s/^  \([a-z0-9_]*([0-9])\) .*/\1/p' man/INDEX)
	for p in $pages; do
		echo "$listed" | grep -qxF "$p" || wrong "man/INDEX: no $p"
	done
	for p in $listed; do
		echo "$pages" | grep -qxF "$p" || wrong "man/INDEX: $p is no page"
	done
	for s in 1 2 3 4 5 7 8; do
		echo "$listed" | grep -F "($s)" | LC_ALL=C sort -t'(' -k1,1 -c 2> /dev/null ||
			wrong "man/INDEX: section $s is not in order"
	done
}

programs()
{
	for p in $(git ls-files 'cmd/*.c' 'drv/*/main.c' 'fs/*/main.c' 'net/*/main.c' |
		sed -n -e '/_test\.c$/d' -e 's,^cmd/\([^/]*\)\.c$,\1,p' -e 's,^fs/\(.*\)/main\.c,\1fs,p' \
			-e 's,^[a-z]*/\([^/]*\)/main\.c,\1,p'); do
		set -- man/*/"$p"
		[ -f "$1" ] || wrong "$p: no page"
	done
}

# NAME SECTION of each page that a page refers to.
references()
{
	for f in $(git ls-files 'man/*/*'); do
		sed -n -e 's/^\.[IB]R \([a-z0-9_]*\) (\([0-9]\)).*/\1 \2/p' -e 's/^\.Xr \([a-z0-9_]*\) \([0-9]\).*/\1 \2/p' "$f" |
			while read -r name section; do
				is_page "$name" "$section" || wrong "$f: $name($section) is no page"
			done
	done
}

# FILE:FUNCTION and `FILE` in the text, FILE without its first folders where that is enough.
places()
{
	files=$(git ls-files)
	for f in $(git ls-files '*.md' 'man/*/*'); do
		grep -oE '([a-z0-9_]+/)*[a-z0-9_]+\.(c|h|S|sh|py):[a-z_][a-z0-9_]*|`([a-z0-9_]+/)*[a-z0-9_]+\.(c|h|S|sh|py|md|mk|pml)`' "$f" |
			tr -d '`' | sort -u | while IFS=: read -r path name; do
				there=$(echo "$files" | grep -E "(^|/)$path\$")
				if [ -z "$there" ]; then
					wrong "$f: there is no $path"
				elif [ -n "$name" ] && ! grep -qw "$name" $there; then
					wrong "$f: there is no $name in $path"
				fi
			done
		grep -oE '\]\([^)#:]+\)' "$f" | tr -d '])(' | while read -r link; do
			[ -e "$(dirname "$f")/$link" ] || wrong "$f: there is no $link"
		done
	done
}

index
programs
references
places
[ ! -s "$bad" ]
