#!/bin/bash
# Runs a driver as a process of Linux on QEMU's model of its device (doc/hosted.md), in the foreground,
# until it ends or is interrupted; tells how to reach its files and the device's.
#
# Usage: hosted.sh [-g | -v] [-i IMAGE] [-l RATE [-s SEED] [-k KINDS]] NAME [DRIVER-OPTION...]
#   NAME        a line of tool/hosted.tab
#   -g, -v      under gdb, under valgrind (then without sanitizers)
#   -i IMAGE    the disk (without it: an empty one of 64 MiB, which is thrown away)
#   -l RATE     one answer of the device in RATE is a lie; -s, -k: see man/4/qtestfs
set -u
cd "$(dirname "$0")/.." || exit 1
. tool/hosted_lib.sh

usage()
{
	sed -n '5,9s/^# \{0,1\}//p' tool/hosted.sh >&2
	exit 2
}

under= image= lies=()
while getopts gvi:l:s:k: o; do
	case $o in
	g)	under='gdb -q --args' hosted_bin=${B:-build}/host/bin ;;
	v)	under='valgrind -q --leak-check=full' hosted_bin=${B:-build}/host/bin ;;
	i)	image=$(realpath "$OPTARG") || exit 2 ;;
	l)	lies+=(-lie "$OPTARG") ;;
	s)	lies+=(-seed "$OPTARG") ;;
	k)	lies+=(-kinds "$OPTARG") ;;
	*)	usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || usage
name=$1
shift
make --no-print-directory "${B:-build}/host/bin/9p" "$hosted_bin/qtestfs" \
	"$hosted_bin/$(hosted_program "$name")" > /dev/null || exit 1
h=$(mktemp -d /tmp/lux9-hosted.XXXXXX)
trap 'hosted_end; rm -rf "$h"' EXIT
[ -z "$image" ] || ln -s "$image" "$h/disk"
hosted_machine "$name" "${lies[@]}" || exit 1
p9=${B:-build}/host/bin/9p
echo "the driver's files:  $p9 -a 'unix!$h/sd' ls"
echo "the device's files:  $p9 -a 'unix!$h/dev' cat qtest/ctl"
echo "QEMU's monitor:      socat - unix:$h/monitor"
trap : INT	# gdb's, and the driver's
# shellcheck disable=SC2086
$under "$hosted_bin/$program" -dev "unix!$h/dev" -listen "unix!$h/sd" "$@"
