# 1, 2, 4 and 8 processors: all are there, and processes that run at once get right results,
# and threads the lock (os_lock.h) one at a time.
# bound: 600
. test/boot/lib.sh

head -c 1000000 /dev/urandom > "$dir/blob"
sum=$(sha256sum < "$dir/blob" | cut -d' ' -f1)
mkdir -p "$dir/extra"
with_prog locks
cp "$dir/blob" "$dir/extra/blob"
init <<'END'
for i in 1 2 3 4 5 6 7 8; do
	(for k in 1 2 3 4 5; do cat /boot/blob | cat | sha256sum > /env/sum$i$k; done) &
done
wait
cat /env/sum*
/boot/bin/locks
cat /dev/sysstat
END
for n in 1 2 4 8; do
	CPUS=$n THREAD=multi boot
	[ "$(console | grep -c "^$sum")" = 40 ] ||
		fail "$n processors: $(console | grep -c "^$sum") of 40 sums are right"
	expect 'locks: one at a time'
	cpus=$(console | grep -ciE '^cpu *[0-9]+')
	[ "$cpus" = "$n" ] || fail "$n processors: /dev/sysstat tells of $cpus"
done
