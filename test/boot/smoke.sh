# Boots to the shell and runs commands; a failing command's status comes out of the machine.
. test/boot/lib.sh

init <<'END'
uname -a
echo one two | cat | wc -w
ls -1 /boot /boot/bin
cat /boot/init.conf | head -n 1
x=works; echo "variable $x" $(echo substitution)
false || echo "status $?"
(exit 9) || echo "subshell $?"
nosuchprogram || echo "not found $?"
cat /none || echo "missing file $?"
for i in 1 2 3; do echo "loop $i"; done
sleep 0.1
date
date '+seconds %s'
env | grep PATH
sleep 500 &
kill -KILL $!
wait $! || echo "killed $?"
time true
ps
free
ns
head -c 16 /dev/random | wc -c
head -c 100 /dev/zero | sha256sum
cat /boot/init.conf | sha256sum
echo to nowhere > /dev/null
cat /dev/sysstat
END
now=$(date +%s)
boot
then=$(find_re '^seconds [0-9]+$' | cut -d' ' -f2)
[ $((then - now)) -ge -2 ] && [ $((then - now)) -le "$TIMEOUT" ] ||
	fail "the clock is $((then - now)) s wrong"
expect 'status 1' 'subshell 9' 'not found 127' 'missing file 1' 'loop 3' 'killed 137' \
	'variable works substitution' 'cat: /none: '
expect "$(head -c 100 /dev/zero | sha256sum)" "$(sha256sum < "$dir/extra/init.conf")"
expect_re '^ *2$' '^16$' '^sh$' '^init\.conf$'

init <<'END'
exit 5
END
boot 5
