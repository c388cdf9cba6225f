# isofs read by the 9p command, in both dialects: a tree in images that genisoimage and xorriso made,
# with Rock Ridge, Joliet, both and neither, one and several sessions; every file's sum is that of the
# source.  And what is not read, with the reason that is given.
# bound: 300
. "$(dirname "$0")/lib.sh"
pid=
need genisoimage xorriso
cd "$dir" || exit 1
trap 'kill $pid 2>/dev/null' EXIT

geniso()	# IMAGE, arguments
{
	local out=$1
	shift
	genisoimage -quiet -input-charset utf-8 -o "$out" "$@" > log 2>&1 || complain "genisoimage $*: $(cat log)"
}

xor()	# IMAGE, arguments
{
	local out=$1
	shift
	xorriso -outdev "$out" "$@" > log 2>&1 || complain "xorriso $*: $(tail -3 log)"
}

serve()	# arguments
{
	local i=0
	rm -f sock
	"$bin/isofs" "$@" -listen unix!sock > log 2>&1 &
	pid=$!
	while [ ! -S sock ] && [ $i -lt 600 ] && kill -0 $pid 2>/dev/null; do
		sleep 0.1
		i=$((i + 1))
	done
	[ -S sock ] || complain "$*: not served: $(cat log)"
}

leave()
{
	kill $pid 2>/dev/null
	wait $pid 2>/dev/null
}

sums()	# DIR
{
	(cd "$1" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
}

# What is served is, in names and bytes, the directory.
same()	# DIR, text in the log, arguments
{
	local want=$1 text=$2 v
	shift 2
	serve "$@"
	grep -qF -- "$text" log || complain "$*: says $(cat log) and not: $text"
	for v in 9P2000.L 9P2000; do
		rm -rf got
		mkdir got
		(cd got && "$bin/9p" -v $v -a unix!../sock get -r / . > ../get.log 2>&1)
		sums got > got.sums
		cmp -s "$want.sums" got.sums || complain "$*, $v: $(diff "$want.sums" got.sums | head -3)"
	done
	leave
}

refused()	# text, arguments
{
	refuses isofs "$@"
}

# A tree for Rock Ridge; one whose names Joliet can have; one for plain names; one for a session more.
mkdir -p rock/1/2/3/4/5/6/7/8/9/10 rock/many rock/empty joliet/1/2/3 joliet/many plain/sub/more new
for t in rock joliet; do
	for i in $(seq 0 999); do echo "$t $i" > "$t/many/a name with $i in it.text"; done
	echo "$t" > "$t/été 日本語.txt"
	echo x > $t/.dot
	echo y > "$t/UPPER.and.lower"
	for n in 1 2047 2048 2049 65535 65536 65537 3000000; do
		head -c $n /dev/urandom > $t/size$n
	done
	: > $t/none
done
echo deep > rock/1/2/3/4/5/6/7/8/9/10/deep
echo deep > rock/1/2/3/4/5/6/7/8/9/beside
echo deep > joliet/1/2/3/deep
echo long > "rock/$(printf 'n%.0s' $(seq 240))"
echo long > "joliet/$(printf 'n%.0s' $(seq 64))"
cp rock/size65537 plain/readme.txt
cp rock/size2049 plain/sub/more/a.b
echo n > plain/noext
echo more > new/more
echo other > new/other.txt
for t in rock joliet plain new; do sums $t > $t.sums; done

geniso r.iso -R rock
same rock 'Rock Ridge, session at sector 0' -device r.iso
geniso j.iso -J -joliet-long joliet
same joliet Joliet -device j.iso
geniso rj.iso -R -J -joliet-long joliet
same joliet 'Rock Ridge' -device rj.iso
same joliet Joliet -device rj.iso -o norock
geniso p.iso plain
same plain 'plain names' -device p.iso
geniso pr.iso -R -J plain
same plain 'plain names' -device pr.iso -o norock,nojoliet
geniso D.iso -R -D rock
same rock 'Rock Ridge' -device D.iso
xor x.iso -map rock /
same rock 'Rock Ridge' -device x.iso -cache 256K
xor xj.iso -joliet on -map joliet /
same joliet Joliet -device xj.iso -o norock

# Two sessions: genisoimage's appended as a burner would, xorriso's in one file that grows.
geniso s1.iso -R -J plain
n=$(($(stat -c %s s1.iso) / 2048 + 100))
genisoimage -quiet -R -J -o s2.part -M s1.iso -C "0,$n" new > log 2>&1 || complain "genisoimage -M: $(cat log)"
cp s1.iso s2.iso
truncate -s $((n * 2048)) s2.iso
cat s2.part >> s2.iso
rm -rf both && cp -a plain both && cp -a new/. both && sums both > both.sums
same both "session at sector $n" -device s2.iso
same plain 'session at sector 0' -device s2.iso -session 0
xor g.iso -map plain /
xorriso -dev g.iso -map new / > log 2>&1 || complain "xorriso -dev: $(tail -3 log)"
xorriso -indev g.iso -toc 2>/dev/null | grep -q 'Media content:.*2' || :
same both 'Rock Ridge' -device g.iso

# An image that lies inside another is not a session of it.
cp p.iso new/inner.iso && geniso in.iso new && rm new/inner.iso
serve -device in.iso
grep -q 'session at sector 0' log || complain "an inner image: $(cat log)"
"$bin/9p" -a unix!sock get /inner.iso inner > /dev/null 2>&1
cmp -s inner p.iso || complain 'the inner image differs'
leave

# Where its files are to be was not said.
"$bin/isofs" -device r.iso > log 2>&1
[ $? = 2 ] && grep -q 'needs -mount or -listen' log || complain "without a place: $(cat log)"

# zisofs is refused file by file.
mkdir z && head -c 100000 /dev/zero > z/squeezed && echo plain > z/not
xor z.iso -map z / -set_filter_r --zisofs / --
serve -device z.iso
"$bin/9p" -v 9P2000 -a unix!sock cat /squeezed > out 2>&1 && complain 'a zisofs file was read'
grep -q 'zisofs' out log || complain "zisofs: says $(cat out log)"
[ "$("$bin/9p" -a unix!sock cat /not)" = plain ] || complain 'a file beside a zisofs one'
"$bin/9p" -a unix!sock write /not < /dev/null > out 2>&1 && complain 'was written to'
leave

"$bin/isofs" -device r.iso -o bogus -listen unix!sock > log 2>&1
[ $? = 2 ] || complain 'a wrong option does not exit with 2'
"$bin/isofs" -device r.iso -session x -listen unix!sock > log 2>&1
[ $? = 2 ] || complain 'a wrong session does not exit with 2'
refused 'no -device'
refused 'No such file or directory' -device none.iso
: > e.iso
refused 'too small' -device e.iso
truncate -s 1M e.iso
refused 'no volume descriptor at sector 16' -device e.iso
refused 'are not in the device' -device r.iso -session 9999999
cp r.iso cut.iso && truncate -s 40K cut.iso
refused 'no root directory' -device cut.iso
cp r.iso cut.iso && truncate -s -3M cut.iso
serve -device cut.iso
"$bin/9p" -v 9P2000 -a unix!sock get -r / cut > out 2>&1 && complain 'a cut image is read as if it were whole'
grep -q 'not in the device' out log || complain "a cut image: says $(cat out log)"
leave
[ $bad = 0 ] && echo "every file's sum is equal; what cannot be read is refused by name"
exit $bad
