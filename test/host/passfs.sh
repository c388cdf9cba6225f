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
{
	uml_programs
	cat <<'END'
random() {
	python3 /mnt/out/fsx.py x 1 400 $1 && echo "$1 random"
}
export HOME=/mnt/fs
use 9p2000.L 5641 /mnt/ctl
use 9p2000.L 5640 /mnt/fs && cd /mnt/fs
work L
random L
commit L
owners L
for i in 1 2 3 4 5 6; do python3 /mnt/out/fsx.py y$i $i 200 & done
wait $(jobs -p) && [ -z "$(ls)" ] && echo "L together"

echo 'seed 9' > /mnt/ctl/ctl
echo 'delay all 2% 10' > /mnt/ctl/ctl
echo 'reorder all 5%' > /mnt/ctl/ctl
echo 'duplicate read 10%' > /mnt/ctl/ctl
echo 'duplicate write 10%' > /mnt/ctl/ctl
echo 'duplicate walk 10%' > /mnt/ctl/ctl
work faults
random faults
commit faults
cat /mnt/ctl/ctl /mnt/ctl/stats
echo clear > /mnt/ctl/ctl

echo hello > f
echo 'drop read #1' > /mnt/ctl/ctl
timeout -s INT 1 cat f; [ $? = 124 ] && [ "$(cat f)" = hello ] && echo "dropped and flushed"
echo 'fail mkdir #1 EDQUOT' > /mnt/ctl/ctl
mkdir q; mkdir q && echo "failed once"
echo 'fail clunk every 2 EIO' > /mnt/ctl/ctl
for i in 1 2 3 4; do cat f > copy; [ "$(cat copy)" = hello ] || exit 1; done && echo "clunks failed"
echo clear > /mnt/ctl/ctl
cat /mnt/ctl/stats
rm copy
echo bogus > /mnt/ctl/ctl || echo "bad command refused"
rm -r f q
cp -r /etc/init.d stays; ln -s /etc out; echo x > "odd name"; python3 -c 'import os
os.setxattr("stays", "user.a", b"value")
print("L", os.getxattr("stays", "user.a").decode())'
cd / && umount /mnt/fs
use 9p2000 5640 /mnt/fs && cd /mnt/fs && mkdir sub && cd sub
work plain
random plain
cd / && umount /mnt/fs
END
} | uml work 220 || bad=1
uml_told work 'L copied' 'L tar' 'L renamed' 'L sparse' 'L replaced' 'L random' 'L removed' 'L git' \
	'L sqlite' 'L links' 'L attributes' 'L nodes' 'L owner' 'L together' 'L value' \
	'faults copied' 'faults tar' 'faults renamed' 'faults sparse' 'faults replaced' \
	'faults random' 'faults removed' 'faults git' 'faults sqlite' \
	'dropped and flushed' 'failed once' 'clunks failed' 'bad command refused' \
	'plain copied' 'plain tar' 'plain renamed' 'plain sparse' 'plain random' 'plain removed'
for kind in 'clunk .* delay' 'clunk .* fail' 'flush requests' 'read .* delay' 'write .* duplicate' \
	'read .* duplicate' 'reorder'; do
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
