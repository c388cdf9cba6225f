#!/bin/sh
# Installs the Debian packages that building, running and testing need, if any is missing.
# Usage: install.sh [MORE-PACKAGE...]
set -eu
packages="gcc make musl-tools clang lld llvm clang-format clang-tidy cppcheck binutils gdb \
libcmocka-dev libc6-dev qemu-system-x86 qemu-utils ovmf xorriso mtools grub-common grub-pc-bin \
grub-efi-amd64-bin e2fsprogs dosfstools gdisk fdisk genisoimage diod busybox-static \
user-mode-linux tshark socat procps file libclang-rt-dev bsdextrautils iproute2 \
sqlite3 git spin attr valgrind $*"
missing=
for p in $packages; do
	case $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) in
	installed) ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
$sudo apt-get install -qq -y --no-install-recommends $missing > /dev/null 2>&1 || {
	$sudo apt-get update -qq
	$sudo apt-get install -qq -y --no-install-recommends $missing > /dev/null
}
