# The kernel with UBSan and lock checks runs the same work without a complaint.
# bound: 400
. test/boot/lib.sh

export KERNEL=$b/kernel-debug/lux9.elf TIMEOUT=300 CPUS=2 THREAD=multi
sh tool/mkdisk.sh "$dir/disk" || fail mkdisk
init <<'END'
ls -l /boot/bin
ps | cat | wc -l
for i in 1 2 3 4; do (sha256sum /boot/bin/sh | cat) & done
wait
sipd &
await -t 60 /dev/sd/sdC0/part/2
ext4fs -device /dev/sd/sdC0/part/2 -mount /root &
await -t 60 /root/hello.txt
cat /root/hello.txt
ramfs -mount /tmp &
until cp /root/doc/numbers /tmp/copy; do sleep 0.1; done
sha256sum /tmp/copy
kill -KILL 99999 || echo "no such process"
cat /dev/kmsg | wc -l
sums=
for i in 1 2 3 4 5 6 7 8; do sha256sum /root/doc/numbers & sums="$sums $!"; done
wait $sums
END
DISKS=$dir/disk boot
expect 'Hello from an ext4' "$(seq 1 20000 | sha256sum | cut -d' ' -f1)" 'no such process'
refuse 'undefined behaviour' 'ubsan' 'UBSan' 'assertion' 'lock order'
