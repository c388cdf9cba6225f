# ext4fs judged by Linux: images of every kind of ext2, ext3 and ext4, served by ext4fs, are mounted
# by Linux's own 9P client (user-mode-linux), and every name, mode, owner, size, time, link and
# byte is compared with the tree that the image was made from.  More images are left dirty by
# Linux's own ext4, cut off in the middle, and must read as they do after e2fsck.
# bound: 400
. "$(dirname "$0")/lib.sh"
need mke2fs debugfs e2fsck getfattr
uml_enter "$0" "$@"
ext4fs=$bin/ext4fs
cd "$dir" || exit 1

make()
{
	name=$1
	shift
	"$top/tool/mkext4.sh" "$dir/tree" "$dir/$name.img" "$@" || complain "$name: no image"
	names="$names $name"
}

# What `find` and sha256sum say about a tree, in one form for both sides.
list()
{
	find . -path ./lost+found -prune -o -printf '%P|%y|%m|%U|%G|%n|%s|%Ts|%l\n' |
		awk -F'|' -v OFS='|' '$2 == "d" { $6 = $7 = 0 } $2 !~ /[fdl]/ { $7 = 0 } $1 != ""' | LC_ALL=C sort
	find . -path ./lost+found -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
}

names=
"$top/tool/mkext4.sh" -tree "$dir/tree" || exit 1
make ext2 80M -t ext2
make ext3_1k 80M -D -t ext3 -b 1024
make ext4 80M -D -t ext4 -b 4096
make 1k 80M -D -t ext4 -b 1024
make 2k_plain 80M -t ext4 -b 2048 -O '^64bit,^metadata_csum,uninit_bg'
make 64k 400M -t ext4 -b 65536
make 16k 100M -t ext4 -b 16384
make inline 80M -t ext4 -b 1024 -I 512 -O inline_data
make bigalloc 80M -t ext4 -b 1024 -C 8192 -O bigalloc
make meta_bg 80M -t ext4 -b 1024 -O 'meta_bg,^resize_inode,^flex_bg'
make sparse2 80M -t ext4 -b 1024 -g 2048 -O 'sparse_super2,large_dir,ea_inode,metadata_csum_seed'
make noextents 80M -t ext4 -b 1024 -I 128 -O '^extents,^64bit,^filetype'
# mke2fs -d does not write sparse files rightly with inline data, as e2fsprogs' own tools show too
# Images that Linux's ext4 leaves dirty: name, options of its mount, options of mke2fs.
dirty=
dirty()
{
	truncate -s 80M "$1.img"
	local name=$1 how=$2
	shift 2
	mke2fs -q -F "$@" "$name.img" > mke2fs.log 2>&1 || complain "$name: no image"
	dirty="$dirty $name"
	echo "work $name $how" >> works
}

dirty dirty data=journal -t ext4 -b 1024
dirty ordered data=ordered -t ext4 -b 4096
dirty async journal_async_commit,data=writeback -t ext4 -O '^metadata_csum,^64bit'
dirty dirty3 data=journal -t ext3 -b 1024
dirty wrapped data=journal -t ext4 -b 1024 -J size=4
dirty fast data=ordered -t ext4 -O fast_commit -b 4096

{
	cat <<END
set -x
busybox insmod \$modules/drivers/block/loop.ko
work() {
	mkdir /mnt/\$1
	mount -o loop,\$2 /mnt/out/\$1.img /mnt/\$1
	cd /mnt/\$1
	mkdir d
	for i in \$(seq 300); do echo file \$i > d/file_\$i; done
	cp -r /etc/init.d d/copy
	dd if=/bin/bash of=big bs=100k
	ln d/file_7 hard
	ln -s big link
	sync -f .
	rm d/file_1*
	rm -r d/copy
	for i in \$(seq 8); do
		dd if=/bin/bash of=more_\$i bs=100k count=3
		sync -f .
		[ \$1 = wrapped ] || [ \$i -lt 3 ] || break
	done
	rm more_1
	sync -f .
	[ \$1 = fast ] || return
	for i in 1 2 3 4 5; do
		echo fast \$i > fast_\$i
		sync fast_\$i
	done
}
END
	cat works
} | uml dirty 100 || bad=1
for name in $dirty; do
	debugfs -R features "$name.img" 2>/dev/null | grep -q needs_recovery || complain "$name.img is not dirty"
	[ "$name" = fast ] && continue
	cp "$name.img" "$name.clean.img"
	e2fsck -fy "$name.clean.img" > e2fsck.log 2>&1
	[ $? -le 1 ] || complain "$name: e2fsck"
	recovered="${recovered:-} $name $name.clean"
done
timeout 5 "$ext4fs" -device fast.img -listen unix!fast.sock > fast.log 2>&1 && complain "fast: served"
grep -q 'fast commits that must be replayed' fast.log || complain "fast: $(cat fast.log)"

port=5600
pids=
for name in $names $recovered; do
	port=$((port + 1))
	"$ext4fs" -device "$dir/$name.img" -listen "tcp!10.9.0.1!$port" > "$dir/$name.log" 2>&1 &
	pids="$pids $!"
	echo "one $name $port" >> calls
done
trap 'kill $pids 2>/dev/null' EXIT

{
	declare -f list
	cat <<END
set -x
one() {
	mount -t 9p -o trans=tcp,port=\$2,version=9p2000.L,msize=65536,cache=none,posixacl,aname=/ 10.9.0.1 /mnt/fs || return
	cd /mnt/fs
	list > /mnt/out/\$1.got
	stat -c '%t %T %b' a/fifo >> /mnt/out/\$1.got.more
	getfattr -d -m - a/hello a/b/seq a/k150 > /mnt/out/\$1.xattr
	touch no 2> /mnt/out/\$1.write
	df -P . > /mnt/out/\$1.df
	exec 9< a/hello
	flock -x 9 && (flock -n -x 8 || echo excluded) 8< a/hello > /mnt/out/\$1.lock
	exec 9<&-
	cd /
	umount /mnt/fs
}
END
	cat calls
} | uml read 240 || bad=1

(cd tree && list > ../want && getfattr -d -m - a/hello a/b/seq a/k150 > ../want.xattr)
[ "$(grep -c . want)" -gt 1000 ] || complain "the tree lists nothing"
for name in $names; do
	[ -s "$name.got" ] || { complain "$name: nothing came: $(cat "$name.log")"; continue; }
	if [ "$name" = inline ]; then
		grep -v a/sparse want > want.now
		grep -v a/sparse "$name.got" > got.now
	else
		cp want want.now
		cp "$name.got" got.now
	fi
	diff want.now got.now > diff.now || complain "$name: $(wc -l < diff.now) lines differ: $(head -4 diff.now)"
	cmp -s want.xattr "$name.xattr" || complain "$name: attributes: $(diff want.xattr "$name.xattr" | head -3)"
	grep -q 'Read-only file system' "$name.write" || complain "$name: write: $(cat "$name.write")"
	grep -q excluded "$name.lock" || complain "$name: a lock does not exclude"
	[ "$(awk 'NR == 2 { print ($2 > 30000) }' "$name.df")" = 1 ] || complain "$name: $(tail -1 "$name.df")"
done
for name in $dirty; do
	[ "$name" = fast ] && continue
	diff "$name.clean.got" "$name.got" > diff.now || complain "$name: $(head -4 diff.now)"
	grep -q '^d/file_300|f' "$name.got" && grep -q '^more_2|f' "$name.got" || complain "$name: files are missing"
	grep -q '^d/file_17|' "$name.got" && complain "$name: a removed file is there"
	grep -q 'blocks are read from its journal' "$name.log" || complain "$name: $(cat "$name.log")"
done
[ $bad = 0 ] && echo "$(echo $names | wc -w) images, $(echo $dirty | wc -w) dirty journals: the same through Linux's 9P client"
exit $bad
