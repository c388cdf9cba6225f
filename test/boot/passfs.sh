# passfs over a RAM file system and over disks: what is seen through it is what is there, a block
# device's files take what they take without it, each kind of fault happens when it is told to, to
# clunks and flushes too, and the kernel takes a corrupted answer for what it says, or refuses it.
# bound: 200
. test/boot/lib.sh

for d in a b; do truncate -s 16M "$dir/$d"; done
make_tree "$dir/extra/tree" 80 3
rm -rf "$dir"/extra/tree/*/*/*nnnn*
(cd "$dir/extra/tree" && find . -type f | LC_ALL=C sort | xargs -d '\n' sha256sum) > "$dir/extra/list"
head -c 3000000 /dev/urandom > "$dir/extra/blob"
init <<'END'
ramfs -mount /mnt &
until mkdir /mnt/ready 2> /dev/null; do sleep 0.1; done
passfs -dir /mnt -mount /tmp -name front -ctl front &
await -t 30 /dev/pass/frontctl /tmp/ready

cp -r /boot/tree /tmp/copy
cd /tmp/copy
sha256sum -c -q /boot/list
cd /mnt/copy
sha256sum -c -q /boot/list && echo "the same below"
cd /
echo one > /tmp/f; echo two >> /tmp/f; cat /mnt/f
mv /tmp/copy/d00 /tmp/moved && ls /mnt/moved
ln -s f /tmp/link; cat /tmp/link
ln /tmp/f /tmp/hard; stat /mnt/hard | grep links
rm -r /tmp/copy /tmp/moved && ls /mnt
(cd /tmp; ls -i f hard) > /tmp/q1; (cd /mnt; ls -i f hard) > /mnt/q2; cmp /mnt/q1 /tmp/q2 && echo "qids kept"
ln -s /boot /tmp/out; cat /tmp/out/init.conf | head -n 1
mkdir /tmp/ready || echo "exists"
df /tmp

echo 'fail mkdir #2 ENOSPC' > /dev/pass/frontctl
mkdir /tmp/m1 && echo "first made"
mkdir /tmp/m2 || echo "second failed"
ls /mnt/m2 || echo "nothing was made"
echo 'corrupt read #1' > /dev/pass/frontctl
cat /tmp/f | cmp - /mnt/f || echo "corrupted once"
cmp /tmp/f /mnt/f && echo "and not again"
echo 'duplicate mkdir #1' > /dev/pass/frontctl
mkdir /tmp/twice && echo "duplicate shows nothing"
echo 'delay read #1 1500' > /dev/pass/frontctl
time cat /tmp/f
echo 'drop read #1' > /dev/pass/frontctl
cat /tmp/f > /mnt/dropped &
until grep -q 'drop 1' /dev/pass/frontstats; do sleep 0.1; done
cat /tmp/f
kill $! && echo "killed what was dropped"
echo 'hang read #1' > /dev/pass/frontctl
cat /tmp/f > /mnt/hung &
until grep -q 'hang 1' /dev/pass/frontstats; do sleep 0.1; done
stat -h > /dev/null; wc -c < /mnt/hung
echo clear > /dev/pass/frontctl
until cmp -s /mnt/hung /mnt/f; do sleep 0.1; done
echo 'reorder getattr every 1' > /dev/pass/frontctl
stat /tmp/f | grep links
echo clear > /dev/pass/frontctl
echo bogus > /dev/pass/frontctl || echo "refused"
echo 'drop read #1' > /dev/pass/frontctl
echo 'drop flush #1' > /dev/pass/frontctl
cat /tmp/f > /mnt/dropped &
until grep -q 'drop 2' /dev/pass/frontstats; do sleep 0.1; done
kill $!
until grep -q 'drop 1' /dev/pass/frontstats; do sleep 0.1; done
kill -9 $! && echo "it waited, its flush was lost"
wait $! || echo "and was killed"
echo 'fail clunk #1 EIO' > /dev/pass/frontctl
echo 'drop clunk #2' > /dev/pass/frontctl
echo 'drop clunk #3 reply' > /dev/pass/frontctl
echo 'delay clunk every 4 50' > /dev/pass/frontctl
for i in 1 2 3 4 5 6 7 8; do cat /tmp/f | cmp - /mnt/f; done && echo "clunks hold up nobody"
echo clear > /dev/pass/frontctl
echo 'fail flush #1 EIO' > /dev/pass/frontctl || echo "that cannot be"

mkdir /mnt/many
for i in 1 2 3 4 5 6 7 8; do echo $i > /mnt/many/file$i; ln -s file$i /mnt/many/link$i; done
echo 'corrupt all 100%' > /dev/pass/frontctl
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	echo "seed $i" > /dev/pass/frontctl
	ls -l /tmp/many > /mnt/ls 2>&1 || true
	stat /tmp/many/file1 > /mnt/stat 2>&1 || true
	cat /tmp/many/link2 > /mnt/cat 2>&1 || true
	df /tmp > /mnt/df 2>&1 || true
	cat /mnt/ls
done
echo clear > /dev/pass/frontctl
echo 'corrupt readdir 100%' > /dev/pass/frontctl
for i in 1 2 3 4 5 6 7 8 9; do for j in 0 1 2 3 4 5 6 7 8 9; do
	echo "seed $i$j" > /dev/pass/frontctl
	ls /tmp/many > /dev/null || true
done; done
echo clear > /dev/pass/frontctl
ls -i /tmp/many > /mnt/ls1; ls -i /mnt/many > /mnt/ls2; cmp /mnt/ls1 /mnt/ls2 && echo "as before"
cat /tmp/many/file8
cat /dev/pass/frontctl /dev/pass/frontstats

ahci &
await -t 30 /dev/sd/sdC1/data
await -t 30 /dev/sd/sdC2/data
passfs -dir /dev/sd -mount /n -name disks -ctl disks &
await -t 30 /n/sdC1/data /n/sdC2/data
ls /n
cat /n/sdctl
dd if=/boot/blob of=/n/sdC1/data bs=777 seek=3 count=2000 conv=notrunc,fsync && echo "unaligned"
dd if=/boot/blob of=/n/sdC2/data bs=1M conv=notrunc,fsync && echo "large"
dd if=/n/sdC2/data bs=3000000 count=1 | cmp - /boot/blob && echo "read back"
dd if=/dev/sd/sdC2/data bs=3000000 count=1 | cmp - /boot/blob && echo "and directly"
echo flush > /n/sdC1/ctl && echo "command taken"
echo bogus > /n/sdC1/ctl || echo "command refused"
cat /n/sdC1/stats
cat /dev/pass/disksstats

# A directory of two mounts is both, through a third.
passfs -dir /dev/pass -mount /net -name both &
await -t 30 /net/frontctl /net/disksctl
ls /net
cat /net/disksstats

echo 'crash mkdir #1 after' > /dev/pass/frontctl
mkdir /tmp/last || echo "the server died"
ls -d /mnt/last && echo "after it was done"
passfs -dir /mnt -mount /tmp -name front -ctl front &
await -t 30 /tmp/last
until echo 'crash rename #1 before' > /dev/pass/frontctl; do sleep 0.1; done
mv /tmp/last /tmp/other || echo "died again"
ls -d /mnt/last && echo "before it was done"
echo "all done"
END
EXTRA="-drive file=$dir/a,if=none,id=fa,format=raw -device ide-hd,drive=fa,bus=ide.1 \
-drive file=$dir/b,if=none,id=fb,format=raw -device ide-hd,drive=fb,bus=ide.2" CPUS=2 boot
expect 'the same below' 'qids kept' 'links 2' exists 'first made' 'second failed' 'nothing was made' \
	'corrupted once' 'and not again' 'duplicate shows nothing' 'killed what was dropped' refused
expect_re '^set -e$' '^0 ?' 'real (1\.[5-9]|[2-9]|[1-9][0-9])'
expect_re '^read requests [0-9]+ drop 2 delay 1 corrupt [1-9][0-9]* hang 1$' \
	'^mkdir requests .* duplicate 1 fail 1$' \
	'^getattr requests .* reorder 1 corrupt [0-9]+$' \
	'^flush requests [0-9]+ drop 1$' '^readdir requests [0-9]+ corrupt [1-9]' \
	'^clunk requests [0-9]+ drop 2 delay [1-9][0-9]* fail 1$'
expect 'it waited, its flush was lost' 'and was killed' 'clunks hold up nobody' 'that cannot be' 'as before' \
	'fail flush: a flush has no error to answer with' "the server's directory entry is malformed"
expect unaligned large 'read back' 'and directly' 'command taken' 'command refused' 'write-errors 0'
expect_re 'disksctl +disksstats +frontctl +frontstats|frontctl +frontstats +disksctl +disksstats'
expect 'the server died' 'after it was done' 'died again' 'before it was done' 'all done'
python3 - "$dir" <<'END' || fail "a disk is not what it should be"
import sys
d = sys.argv[1]
blob = open(d + "/extra/blob", "rb").read()
want = bytearray(16 << 20)
want[2331:2331 + 777 * 2000] = blob[:777 * 2000]
ok = open(d + "/a", "rb").read() == bytes(want)
want = blob + bytes((16 << 20) - len(blob))
sys.exit(not (ok and open(d + "/b", "rb").read() == want))
END
