# passfs judged by Linux: its own 9P client (user-mode-linux) in both dialects, and diod's tools, on a
# directory of this machine: people's own programs at work on the mount, random reads and writes, the
# same tree seen from below; and with faults that clients must not notice.
# bound: 260
. "$(dirname "$0")/lib.sh"
need git sqlite3 python3
uml_enter "$0" "$@"
cd "$dir" || exit 1

mkdir below
"$bin/passfs" -dir below -listen 'tcp!10.9.0.1!5640' -ctl 'tcp!10.9.0.1!5641' > passfs.log 2>&1 &
server=$!
trap 'kill -9 $server 2>/dev/null' EXIT

cat > fsx.py <<'END'
# Random writes, cuts and reads of one file against an array, through several descriptors.
import os, random, sys
path, seed, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rnd = random.Random(seed)
fds = [os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(3)]
model = bytearray()
for i in range(n):
    fd, what, at = rnd.choice(fds), rnd.randrange(10), rnd.randrange(300000)
    if what < 4:
        data = rnd.randbytes(rnd.choice([1, 100, 4096, 70000]))
        assert os.pwrite(fd, data, at) == len(data)
        if len(model) < at:
            model.extend(bytes(at - len(model)))
        model[at:at + len(data)] = data
    elif what == 4:
        os.ftruncate(fd, at)
        model = model[:at] + bytes(max(0, at - len(model)))
    elif what == 5:
        os.close(fds.pop(fds.index(fd)))
        fds.append(os.open(path, os.O_RDWR))
    elif what == 6:
        os.rename(path, path + ".x")
        os.rename(path + ".x", path)
    else:
        k = rnd.choice([1, 5000, 100000])
        got = b""
        while len(got) < k:
            part = os.pread(fd, k - len(got), at + len(got))
            if not part:
                break
            got += part
        assert got == bytes(model[at:at + k]), "read %d at %d in step %d" % (k, at, i)
assert os.fstat(fds[0]).st_size == len(model)
os.unlink(path)
assert os.fstat(fds[1]).st_nlink == 0 or sys.argv[4:] == ["plain"]
END
uml work 220 <<'END' || bad=1
use() {
	mount -t 9p -o "trans=tcp,port=$2,version=$1,msize=65536,cache=none,access=user,aname=/" \
		10.9.0.1 $3
}
work() {
	cp -r /etc/init.d a && diff -r /etc/init.d a && echo "$1 copied"
	tar cf a.tar a && mkdir b && tar xf a.tar -C b && diff -r a b/a && echo "$1 tar"
	mv b c && mv c/a d && rmdir c && diff -r a d && echo "$1 renamed"
	truncate -s 10M sparse && echo end >> sparse && [ "$(tail -c 4 sparse)" = end ] &&
		[ "$(stat -c %s sparse)" = 10485764 ] && echo "$1 sparse"
	echo old > f && exec 5< f && rm f && echo new > f && [ "$(cat f)" = new ] &&
		[ "$(cat <&5)" = old ] && echo "$1 replaced"
	exec 5<&-
	python3 /mnt/out/fsx.py x 1 400 $1 && echo "$1 random"
	rm -r a d a.tar sparse f && [ -z "$(ls)" ] && echo "$1 removed"
}
commit() {
	mkdir g && cd g && git init -q . && cp -r /etc/init.d x &&
		git -c user.name=a -c user.email=b add . &&
		git -c user.name=a -c user.email=b commit -qm one && git gc -q && git fsck --full &&
		echo "$1 git"
	cd ..
	sqlite3 t.db 'create table a(x); insert into a values(1); insert into a select x+1 from a;
		pragma integrity_check;' && sqlite3 t.db 'select count(*) from a;' && echo "$1 sqlite"
	rm -rf g t.db
}
export HOME=/mnt/fs
use 9p2000.L 5641 /mnt/ctl
use 9p2000.L 5640 /mnt/fs && cd /mnt/fs
work L
commit L
touch t && ln t hard && ln -s t soft && [ "$(stat -c %h t)" = 2 ] && cmp hard soft && echo "L links"
mkdir own && chown 5:6 own && chmod 2751 own && touch -d '2001-02-03 04:05:06Z' own &&
	[ "$(stat -c '%u %g %a' own)" = '5 6 2751' ] &&
	[ "$(TZ=UTC stat -c %y own)" = '2001-02-03 04:05:06.000000000 +0000' ] && echo "L attributes"
mkfifo p && mknod z c 1 5 && [ "$(stat -c '%F %t %T' z)" = 'character special file 1 5' ] && echo "L nodes"
chmod 1777 . && setpriv --reuid 7 --regid 8 --clear-groups touch mine &&
	[ "$(stat -c '%u %g' mine)" = '7 8' ] && echo "L owner"
rm -rf t hard soft own p z mine
for i in 1 2 3 4 5 6; do python3 /mnt/out/fsx.py y$i $i 200 & done
wait $(jobs -p) && [ -z "$(ls)" ] && echo "L together"

echo 'seed 9' > /mnt/ctl/ctl
echo 'delay all 2% 10' > /mnt/ctl/ctl
echo 'reorder all 5%' > /mnt/ctl/ctl
echo 'duplicate read 10%' > /mnt/ctl/ctl
echo 'duplicate write 10%' > /mnt/ctl/ctl
echo 'duplicate walk 10%' > /mnt/ctl/ctl
work faults
commit faults
cat /mnt/ctl/ctl /mnt/ctl/stats
echo clear > /mnt/ctl/ctl

echo hello > f
echo 'drop read #1' > /mnt/ctl/ctl
timeout -s INT 1 cat f; [ $? = 124 ] && [ "$(cat f)" = hello ] && echo "dropped and flushed"
echo 'fail mkdir #1 EDQUOT' > /mnt/ctl/ctl
mkdir q; mkdir q && echo "failed once"
echo bogus > /mnt/ctl/ctl || echo "bad command refused"
rm -r f q
cp -r /etc/init.d stays; ln -s /etc out; echo x > "odd name"; python3 -c 'import os
os.setxattr("stays", "user.a", b"value")
print("L", os.getxattr("stays", "user.a").decode())'
cd / && umount /mnt/fs
use 9p2000 5640 /mnt/fs && cd /mnt/fs && mkdir sub && cd sub
work plain
cd / && umount /mnt/fs
END
for line in 'L copied' 'L tar' 'L renamed' 'L sparse' 'L replaced' 'L random' 'L removed' 'L git' \
	'L sqlite' 'L links' 'L attributes' 'L nodes' 'L owner' 'L together' 'L value' \
	'faults copied' 'faults tar' 'faults renamed' 'faults sparse' 'faults replaced' \
	'faults random' 'faults removed' 'faults git' 'faults sqlite' \
	'dropped and flushed' 'failed once' 'bad command refused' \
	'plain copied' 'plain tar' 'plain renamed' 'plain sparse' 'plain random' 'plain removed'; do
	grep -qx "$line" trace.work || { echo "missing: $line"; bad=1; }
done
for kind in 'read .* delay' 'write .* duplicate' 'read .* duplicate' 'reorder'; do
	grep -q "$kind [1-9]" trace.work || { echo "no $kind"; bad=1; }
done
# What the client has left is below.
diff -r /etc/init.d below/stays || bad=1
[ "$(readlink below/out)" = /etc ] && [ "$(cat 'below/odd name')" = x ] || { echo "not below"; bad=1; }
kill -0 $server || { echo "the server died"; bad=1; }
if command -v diodcat > /dev/null; then
	[ "$(diodcat -s 10.9.0.1:5640 -a / 'odd name')" = x ] || { echo "diodcat"; bad=1; }
	diodls -s 10.9.0.1:5640 -a / | grep -qx stays || { echo "diodls"; bad=1; }
fi
[ $bad = 0 ] || { cat trace.work passfs.log; tail -3 console.work; }
exit $bad
