#!/bin/sh
# Prints assembly for the kernel's table of function symbols: sorted addresses, then names.
# Usage: symtab.sh KERNEL.elf   (or /dev/null, for an empty table of the same shape)
set -eu
printf '\t.section .symtab_lux9,"a"\n\t.globl ksyms, ksyms_count, ksym_names\n\t.balign 8\n'
if [ "$1" = /dev/null ]; then
	printf 'ksyms_count: .quad 0\nksyms:\nksym_names:\n'
	exit
fi
nm -n "$1" | awk '
$2 ~ /^[tT]$/ && $3 !~ /^\./ { addr[n] = $1; name[n++] = $3 }
END {
	printf "ksyms_count: .quad %d\nksyms:\n", n
	for (i = 0; i < n; i++) {
		printf "\t.quad 0x%s, %d\n", addr[i], off
		off += length(name[i]) + 1
	}
	print "ksym_names:"
	for (i = 0; i < n; i++)
		printf "\t.asciz \"%s\"\n", name[i]
}'
