#!/bin/sh
# Makes ext2, ext3 and ext4 images for tests.  Needs e2fsprogs (and perl for -pack).
#
#	mkext4.sh TREE IMAGE SIZE [-D] [mke2fs options]
#		the tree's files in an image, checked by e2fsck; -D makes indexes of its directories
#	mkext4.sh -tree DIR
#		a tree with every kind of file that a reader must know
#	mkext4.sh -pack IMAGE FLAGS OUT
#		a seed for fuzz/ext4.c: the image without its zeros
set -e

die()
{
	echo "mkext4: $*" >&2
	exit 1
}

repeat()
{
	printf "%${2}s" '' | tr ' ' "$1"
}

tree()
{
	[ -e "$1" ] && die "$1 is there already"
	mkdir -p "$1/a/b/c" "$1/empty" "$1/names"
	cd "$1"
	echo hello > a/hello
	: > a/none
	repeat i 60 > a/i60
	repeat j 61 > a/j61
	repeat k 150 > a/k150
	seq 1 1200 > a/b/seq
	seq 1 400000 > a/b/c/long
	truncate -s 50M a/sparse
	printf mark | dd of=a/sparse bs=1 seek=10000000 conv=notrunc status=none
	printf end | dd of=a/sparse bs=1 seek=52428797 conv=notrunc status=none
	i=0
	while [ $i -lt 400 ]; do		# too many pieces for the inode: a tree of extents
		printf 'piece %d' $i | dd of=a/pieces bs=1 seek=$((i * 8192)) conv=notrunc status=none
		i=$((i + 1))
	done
	ln -s hello a/fast
	ln -s "$(repeat s 59)" a/link59
	ln -s "$(repeat s 60)" a/link60
	ln -s "$(repeat t 1000)" a/slow
	ln a/hello a/b/hard
	mkfifo a/fifo
	: > "names/$(repeat n 255)"
	: > 'names/with space and "quotes"'
	: > 'names/naïve-ñ-日本'
	mkdir many
	i=0
	while [ $i -lt 600 ]; do
		echo $i > many/file_$i
		i=$((i + 1))
	done
	chmod 4751 a/hello
	chmod 1777 empty
	setfattr -n user.short -v value a/hello 2>/dev/null || :
	setfattr -n user.long -v "$(repeat v 700)" a/b/seq 2>/dev/null || :
	setfattr -n user.short -v v a/b/seq 2>/dev/null || :
	# user::rw- user:1000:rw- group::r-- group:5:r-- mask::rw- other::r--
	setfattr -n system.posix_acl_access -v 0x0200000001000600ffffffff02000600e803000004000400ffffffff080004000500000010000600ffffffff20000400ffffffff a/k150 2>/dev/null || :
	touch -d '2037-12-31 23:59:58 UTC' a/b/seq
	touch -d '1970-01-01 00:00:01 UTC' a/b/c/long
}

image()
{
	from=$1 img=$2 size=$3
	shift 3
	index=
	if [ "$1" = -D ]; then
		index=-D
		shift
	fi
	rm -f "$img"
	mke2fs -q -F -d "$from" "$@" "$img" "$size" >"$img.log" 2>&1 </dev/null ||
		die "$(tail -1 "$img.log")"
	# mke2fs -d leaves small mistakes with some features; e2fsck must be content at the end
	e2fsck -fy $index "$img" >"$img.log" 2>&1 || [ $? -le 1 ] || die "$img: e2fsck: $?"
	e2fsck -fn "$img" >"$img.log" 2>&1 || die "$img: not clean: see $img.log"
	rm -f "$img.log"
}

pack()
{
	perl -e '
		binmode STDIN; binmode STDOUT; local $/; my $d = <STDIN>;
		print pack("CV", $ARGV[0], length($d) / 1024);
		for (my $i = 0; $i * 256 < length $d; $i++) {
			my $c = substr $d, $i * 256, 256;
			print pack("V", $i), $c if $c =~ /[^\0]/;
		}' "$2" < "$1" > "$3"
}

case $1 in
-tree) [ $# -eq 2 ] || die "-tree DIR"; tree "$2" ;;
-pack) [ $# -eq 4 ] || die "-pack IMAGE FLAGS OUT"; pack "$2" "$3" "$4" ;;
-*|'') sed -n 's/^#	//p' "$0"; exit 2 ;;
*) [ $# -ge 3 ] || die "TREE IMAGE SIZE"; image "$@" ;;
esac
