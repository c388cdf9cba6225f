# 9P in place from both sides: every shape of request, servers that die, hang up and lie, clients that
# are killed or noted in the middle; on one processor and on four, and with the debug kernel.
. test/boot/lib.sh

with_prog service
init <<'EOF'
service
EOF
export THREAD=multi
for CPUS in 1 4; do
	export CPUS
	boot
	expect 'service: all right'
done
KERNEL=$b/kernel-debug/lux9.elf CPUS=3 boot
expect 'service: all right'
