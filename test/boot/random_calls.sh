# A million system calls with random arguments, by a server without capabilities, on the debug kernel
# and on the other: the kernel stays up, and the machine is whole afterwards.
. test/boot/lib.sh

with_prog random_calls
for k in kernel kernel-debug; do
	n=800000
	[ $k = kernel ] || n=200000
	init <<EOF
exec 3<>/dev/sip/clone
echo name calls >&3
echo memory 64M >&3
echo exec /boot/bin/random_calls ${SEED:-1} $n >&3
echo start >&3
exec 3>&-
i=0
until grep -q 'cause exited' /dev/sip/servers/calls/status; do sleep 1; done
cat /dev/sip/servers/calls/status
ls -l /boot/bin/ls
cat /dev/swap
EOF
	KERNEL=$b/$k/lux9.elf CPUS=2 THREAD=multi TIMEOUT=600 boot
	expect 'cause exited with status 0'
done
