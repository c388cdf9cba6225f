# ext4fs read by the 9p command, in both dialects: trees in images of many kinds, a directory of
# 10,000 names, and damage, which must be told with its place.
# bound: 300
. "$(dirname "$0")/lib.sh"
pid=
need mke2fs
cd "$dir" || exit 1

stop()
{
	[ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	pid=
}
trap stop EXIT

start()
{
	stop
	rm -f sock
	"$bin/ext4fs" "$@" -listen unix!sock > log 2>&1 &
	pid=$!
	local i=0
	while [ ! -S sock ] && [ $i -lt 600 ]; do
		sleep 0.1
		i=$((i + 1))
	done
	[ -S sock ] || complain "$*: not served: $(cat log)"
}

nine()
{
	timeout 60 "$bin/9p" -a unix!sock "$@"
}

# Regular files only: links and fifos are compared by ext4_v9fs.sh.
check()	# name of the image, dialect
{
	start -device "$1.img" -cache 1M
	rm -rf got
	nine -v "$2" get -r / got > get.log 2>&1
	(cd got && find . -path ./lost+found -prune -o -type f ! -name fifo $skip -print0 | LC_ALL=C sort -z |
		xargs -0 sha256sum) > got.sum
	cmp -s want.sum got.sum || complain "$1 $2: $(diff want.sum got.sum | head -3)"
}

one()
{
	local name=$1
	shift
	"$top/tool/mkext4.sh" tree "$name.img" "$@" || { complain "$name: no image"; return; }
	check "$name" 9P2000.L
	if [ "$name" = ext4 ]; then	# 9P2000 has no links: they are files that cannot be read
		skip="! -name fast ! -name link59 ! -name link60 ! -name slow"
		check "$name" 9P2000
		skip=
	fi
	rm -f "$name.img"
}

"$top/tool/mkext4.sh" -tree "$dir/tree" || exit 1
skip=
(cd tree && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) > want.sum
one ext4 80M -D -t ext4 -b 4096
one nosum 80M -t ext4 -b 1024 -O '^64bit,^metadata_csum,uninit_bg'
one ext2 80M -D -t ext2 -b 1024
one noextents 80M -t ext4 -b 4096 -O '^extents,^64bit'
one huge_clusters 80M -t ext4 -b 4096 -C 16384 -O 'bigalloc,meta_bg,^resize_inode' -N 4000
one 32k 200M -t ext4 -b 32768
one oldgroups 80M -t ext4 -b 1024 -O '^flex_bg,^sparse_super,^resize_inode'
one everything 80M -D -t ext4 -b 2048 -O \
	'casefold,encrypt,verity,quota,project,mmp,orphan_file,metadata_csum_seed,large_dir,ea_inode'
# mke2fs -d does not write sparse files rightly with inline data
grep -v a/sparse want.sum > want.inline
mv want.inline want.sum
skip="! -name sparse"
one inline 80M -D -t ext4 -b 1024 -I 1024 -O inline_data

# 10,000 names in an indexed directory
mkdir -p names/d
(cd names/d && seq -f 'a name with number %05g' 10000 | xargs -d '\n' touch && echo here > 'a name with number 04711')
"$top/tool/mkext4.sh" names names.img 40M -D -t ext4 -b 1024 -N 12000 || complain "names: no image"
debugfs -R 'htree_dump /d' names.img 2>/dev/null | grep -q 'Indirect levels: 1' || complain "names: the index is not deep"
start -device names.img
[ "$(nine ls d | LC_ALL=C sort | sha256sum)" = "$(ls names/d | LC_ALL=C sort | sha256sum)" ] || complain "names: not the same"
[ "$(nine cat 'd/a name with number 04711')" = here ] || complain "names: 04711"
nine cat 'd/a name with number 4711' 2>/dev/null && complain "names: one that is not there"

# damage
# damage: a byte of a block is changed, and the file that needs it is read
"$top/tool/mkext4.sh" tree bad.img 80M -t ext4 -b 1024
damage()	# block, command, path, text
{
	cp bad.img hurt.img
	[ -n "$1" ] || complain "$2: no block to damage"
	printf 'X' | dd of=hurt.img bs=1 seek=$((${1:-0} * 1024 + 600)) conv=notrunc status=none
	start -device hurt.img
	nine -v 9P2000 "$2" "$3" > out 2> err && complain "$3 was read though block $1 is damaged"
	[ "$2" = ls ] || grep -q "$4" err || complain "$3: $(cat err), and not: $4"
	grep -q "$4" log || complain "the log says $(cat log), and not: $4"
	nine cat a/hello | grep -q hello || complain "after damage to $3 the rest is not served"
}
block=$(debugfs -R 'bmap /names 0' bad.img 2>/dev/null | tail -1)
damage "$block" ls names 'ext4: inode [0-9]*: directory block 0: bad checksum'
block=$(debugfs -R 'dump_extents -n /a/pieces' bad.img 2>/dev/null | awk '$1 == "0/" { print $8; exit }')
damage "$block" cat a/pieces "ext4: inode [0-9]*: extent block $block: bad checksum"
[ $bad = 0 ] && echo "trees of nine kinds, 10,000 names and damage: as they should be"
exit $bad
