# MSI-X: one interrupt for each command of an NVMe controller, reached through the kernel's files alone.
. test/boot/lib.sh

with_prog msix
truncate -s 1M "$dir/nvme.img"
init <<'EOF'
msix LUX9-NVME-7
EOF
for CPUS in 1 2; do
	export CPUS
	EXTRA="-drive file=$dir/nvme.img,if=none,id=n0,format=raw -device nvme,drive=n0,serial=LUX9-NVME-7" boot
	expect 'msix: all right'
done
