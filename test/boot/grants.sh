# A map of device memory ends where the device's registers end, however long it is asked for; RAM and
# the interrupt controllers are never in it; a child does not inherit it.
. test/boot/lib.sh

with_prog grants
init <<'EOF'
cat /dev/pci/*ctl
grants
EOF
EXTRA="-device qemu-xhci" boot
expect 'grants: all right'
