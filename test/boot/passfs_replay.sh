# A server dies before and after each operation on a name is carried out: on a recoverable mount its
# client is told what it would have been, and the operation was done once.  passfs is the server that
# dies, at the very request, and is started again; the files are ramfs's, which lives on.
. test/boot/lib.sh

cat > "$dir/extra/deaths" <<'END'
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do
	passfs -dir /mnt -mount /tmp -name front -ctl front -wait 60000
done
END
cat > "$dir/extra/reader" <<'END'
read a
touch /mnt/reads
until ls /mnt/go1 2> /dev/null; do sleep 0.1; done
read b
echo "open: $a $b"
touch /mnt/seen
until ls /mnt/go2 2> /dev/null; do sleep 0.1; done
read c
echo "open: $c"
END
{
	cat <<'END'
ramfs -mount /mnt &
until mkdir /mnt/ready 2> /dev/null; do sleep 0.1; done
sh /boot/deaths &
await -t 30 /tmp/ready /dev/pass/frontctl
END
	for when in before after; do
		cat <<END
echo 'crash mkdir #1 $when' > /dev/pass/frontctl
mkdir /tmp/$when && echo "mkdir $when"
echo 'crash create #1 $when' > /dev/pass/frontctl
echo text > /tmp/$when/f && cat /mnt/$when/f && echo "create $when"
echo 'crash symlink #1 $when' > /dev/pass/frontctl
ln -s f /tmp/$when/s && cat /tmp/$when/s && echo "symlink $when"
echo 'crash link #1 $when' > /dev/pass/frontctl
ln /tmp/$when/f /tmp/$when/g && stat /mnt/$when/g | grep 'links 2' && echo "link $when"
echo 'crash rename #1 $when' > /dev/pass/frontctl
mv /tmp/$when/g /tmp/$when/h && ls /mnt/$when && echo "rename $when"
echo 'crash unlink #1 $when' > /dev/pass/frontctl
rm /tmp/$when/h && ls /mnt/$when && echo "unlink $when"
mkdir /tmp/$when || echo "exists $when"
END
	done
	# The other half: a mount that cannot wait is told at once.
	cat <<'END'
passfs -dir /mnt -mount /n -name other -ctl other &
await -t 30 /n/ready /dev/pass/otherctl
echo 'crash mkdir #1 after' > /dev/pass/otherctl
mkdir /n/x || echo "not waited for"
ls -d /mnt/x
rm -r /mnt/before /mnt/after

# A killed client's rename goes on: the next change waits for it.
passfs -dir /mnt -mount /net -name last -ctl last -wait 60000 &
await -t 30 /net/ready /dev/pass/lastctl
mkdir /net/d
echo 1 > /net/d/a
echo 'hang rename #1' > /dev/pass/lastctl
mv /net/d/a /net/d/b &
mover=$!
until grep 'hang 1' /dev/pass/laststats; do sleep 0.1; done
kill -KILL $mover
before=$(grep walk /dev/pass/laststats)
mv /net/d/b /net/d/c &
second=$!
# It has walked to what its names are in, and sleeps: nothing of its own goes on.
ran=
until grep 'state sleeping' /proc/$second/status && test "$ran" = "$(grep cpu_ns /proc/$second/status)" &&
	test "$before" != "$(grep walk /dev/pass/laststats)"; do
	ran=$(grep cpu_ns /proc/$second/status)
	sleep 0.2
done
ls /mnt/d
echo "asked for: $(grep walk /dev/pass/laststats), $(grep rename /dev/pass/laststats), after $before"
echo clear > /dev/pass/lastctl
wait $second && ls /mnt/d && echo "one after the other"

# Its server goes, and it is killed before it knows what became of the rename: recovery finds out.
(echo first; echo second; echo third) > /net/d/f
sh /boot/reader < /net/d/f > /mnt/reader &
reader=$!
until ls /mnt/reads 2> /dev/null; do sleep 0.1; done
echo 'crash rename #1 after' > /dev/pass/lastctl
mv /net/d /net/e &
mover=$!
until ls /mnt/e 2> /dev/null; do sleep 0.1; done
kill -KILL $mover
wait $mover || echo "it was killed"
passfs -dir /mnt -mount /net -name last -ctl last -wait 60000 &
server=$!
touch /mnt/go1
until ls /mnt/seen 2> /dev/null; do sleep 0.1; done
kill -KILL $server
passfs -dir /mnt -mount /net -name last -ctl last -wait 60000 &
touch /mnt/go2
wait $reader
cat /mnt/reader

# A server is killed while another works for it: that is over before it ends, so that its successor,
# asked what became of it, knows.
(passfs -dir /net -mount /root -name top -ctl top -wait 60000 || touch /mnt/ended) &
await -t 30 /root/reader /dev/pass/topctl
echo 1 > /mnt/old
echo 'hang rename #1' > /dev/pass/lastctl
mv /root/old /root/new &
mover=$!
until grep 'hang 1' /dev/pass/laststats; do sleep 0.1; done
echo 'crash statfs #1 before' > /dev/pass/topctl
df /root &
other=$!
for i in 1 2 3 4 5 6 7 8 9 10; do ls /mnt/ended 2> /dev/null && echo "ended too early"; sleep 0.1; done
echo clear > /dev/pass/lastctl
until ls /mnt/ended 2> /dev/null; do sleep 0.1; done
rm /mnt/ended
(passfs -dir /net -mount /root -name top -ctl top -wait 60000 || touch /mnt/ended) &
wait $other
wait $mover && ls /mnt/new && echo "moved once: $(grep rename /dev/pass/laststats)"
ls /mnt/old 2> /dev/null || echo "not twice"

# But not for ever: one that is stuck is left behind after 30 s.
echo 'hang rename #1' > /dev/pass/lastctl
mv /root/new /root/old &
until grep 'hang 2' /dev/pass/laststats; do sleep 0.1; done
echo 'crash statfs #1 before' > /dev/pass/topctl
df /root &
until ls /mnt/ended 2> /dev/null; do sleep 1; done
echo "all done"
END
} | init
CPUS=2 boot
for when in before after; do
	for what in mkdir create symlink link rename unlink exists; do
		expect_re "^$what $when$"
	done
done
expect_re '^not waited for$' '^all done$' '^asked for: walk requests [0-9]+, rename requests 1 hang 1, after walk requests' '^one after the other$' \
	'^open: first second$' '^open: third$' '^moved once: rename requests 1 hang 1' '^not twice$'
refuse_re '^ended too early'
