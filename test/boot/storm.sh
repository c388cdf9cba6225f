# Threads, exec, exit, kill, signals, memory and busy processors all at once: nothing hangs or is lost.
. test/boot/lib.sh

with_prog storm
init <<'END'
storm 8
END
CPUS=4 THREAD=multi TIMEOUT=240 boot
expect 'storm: all right'
KERNEL=$b/kernel-debug/lux9.elf CPUS=2 THREAD=multi TIMEOUT=240 boot
expect 'storm: all right'
