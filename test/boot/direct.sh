# Direct requests: a device moves data to and from a client's own pages, whatever happens meanwhile to
# the client, its memory, and the server; on one processor and on four, and with the debug kernel.
# bound: 200
. test/boot/lib.sh

with_prog direct
init <<'END'
direct 1000
END
export MEM=64M
for CPUS in 1 4; do
	export CPUS
	boot
	expect 'direct: all right'
	console | grep '^direct: '
done
sed -i 's/1000/100/' "$dir/extra/init.conf"
KERNEL=$b/kernel-debug/lux9.elf CPUS=3 boot
expect 'direct: all right'
