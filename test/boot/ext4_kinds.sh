# Fifteen kinds of ext2, ext3 and ext4 on five disks, each served by its own ext4fs, all read at the
# same time on two processors: every byte, mode, owner, size, time, link and name is what e2fsprogs
# says of the image, and no image is changed.
# bound: 600
. test/boot/lib.sh
PATH=$PATH:/usr/sbin:/sbin
for p in sgdisk mke2fs debugfs python3; do
	command -v $p > /dev/null || skip "needs $p"
done

export TIMEOUT=400 CPUS=2 THREAD=multi MEM=1G
mib=40
ext4()
{
	python3 test/boot/ext4.py "$@"
}

kinds=
# NAME, then the arguments of mkext4.sh
make()
{
	local name=$1
	shift
	kinds="$kinds $name"
	sh tool/mkext4.sh "$dir/${tree:-tree}" "$dir/$name.img" ${mib}M "$@" || fail "$name: no image"
}

# What Lux9 must say of NAME.  debugfs copies small files with inline data as if they had 60 bytes.
want()
{
	ext4 list "$dir/$1.img" > "$dir/$1.list" && ext4 sums "$dir/$1.img" > "$dir/$1.sums" ||
		fail "$1: debugfs"
	if [ "$1" = inline ]; then
		ext4 sums "$dir/dense" > "$dir/inline.sums"
	else
		sort "$dir/$1.sums" | cmp -s - "$dir/tree.sums" ||
			fail "$1: debugfs reads other files than mke2fs was given"
	fi
}

ext4 tree "$dir/tree" small || fail tree
ext4 sums "$dir/tree" | sort > "$dir/tree.sums"
make ext2 -t ext2 -b 1024 -I 128 -O '^filetype'
make ext3 -D -t ext3 -b 4096
make 1k -D -t ext4 -b 1024
make 2k -D -t ext4 -b 2048
make 4k -D -t ext4 -b 4096
make nosum -D -t ext4 -b 1024 -O '^64bit,^metadata_csum,uninit_bg'
# mke2fs does not write sparse files rightly with inline data, but for those without any data
cp -a "$dir/tree" "$dir/dense" && find "$dir/dense/sparse" -type f ! -name only-hole -delete || fail cp
tree=dense make inline -t ext4 -b 1024 -I 512 -O inline_data
make bigalloc -t ext4 -b 1024 -C 8192 -O bigalloc
make meta_bg -t ext4 -b 1024 -O 'meta_bg,^resize_inode'
make noextents -D -t ext4 -b 1024 -O '^extents,^64bit'
make noflex -t ext4 -b 2048 -O '^flex_bg,^sparse_super,^resize_inode'
make everything -D -t ext4 -b 2048 -O \
	'casefold,encrypt,verity,quota,project,mmp,orphan_file,metadata_csum_seed,large_dir,ea_inode'
make rev0 -t ext2 -r 0 -b 1024
make dirty -D -t ext4 -b 1024
make dirty3 -D -t ext3 -b 1024
ext4 nsec "$dir/4k.img" && ext4 nsec "$dir/inline.img" || fail nsec
for k in $kinds; do
	want "$k"
done
for k in dirty dirty3; do
	ext4 dirty "$dir/$k.img" || fail "$k: no journal"
	cp "$dir/$k.img" "$dir/$k.recovered"
	e2fsck -fy "$dir/$k.recovered" > "$dir/log" 2>&1
	[ $? -le 1 ] && grep -q 'recovering journal' "$dir/log" || fail "$k: $(cat "$dir/log")"
	ext4 sums "$dir/$k.recovered" | cmp -s - "$dir/$k.sums" || fail "$k: e2fsck recovers other files"
done

# Three to a disk.  init gets one line for each: its place and its name.
n=0
disks=
for k in $kinds; do
	d=$((n / 3)) p=$((n % 3 + 1)) start=$((1 + n % 3 * mib))
	if [ $p = 1 ]; then
		truncate -s $((3 * mib + 2))M "$dir/disk$d"
		sgdisk -o "$dir/disk$d" > /dev/null || fail sgdisk
		disks="$disks $dir/disk$d"
	fi
	sgdisk -a 1 -n "$p:$((start * 2048)):$(((start + mib) * 2048 - 1))" "$dir/disk$d" > /dev/null || fail sgdisk
	dd if="$dir/$k.img" of="$dir/disk$d" bs=1M seek=$start conv=notrunc,sparse status=none || fail dd
	echo "mkdir /n/$k; ext4fs -device /dev/sd/sdC$d/part/$p -mount /n/$k -r &" >> "$dir/servers"
	n=$((n + 1))
done
sha256sum $disks > "$dir/before"
truncate -s 16M "$dir/out"

cat > "$dir/extra/read" <<'END'
set -e
cd /n/$1
{
	echo "== $1.list"
	find . -printf '%i|%y|%m|%U|%G|%n|%s|%b|%T@|%P|%l\n'
	echo "== $1.sums"
	sha256sum -r .
	echo "== end"
} > /tmp/$1
echo done > /tmp/done.$1
END
{
	cat <<'END'
sipd &
ramfs -mount /n &
ramfs -mount /tmp &
await -t 30 /dev/sd/sdC0/part/3 /dev/sd/sdC1/part/3 /dev/sd/sdC2/part/3 /dev/sd/sdC3/part/3
await -t 30 /dev/sd/sdC4/part/3 /dev/sd/sdC5/data
until mkdir /n/x 2> /dev/null; do sleep 0.1; done
until mkdir /tmp/x 2> /dev/null; do sleep 0.1; done
rmdir /tmp/x
ls /srv
ramfs -name ramfs -mount /net || echo a name that is taken is refused
END
	cat "$dir/servers"
	echo "for k in$kinds; do await -t 30 /n/\$k/kinds; done"
	echo "for k in$kinds; do sh /boot/read \$k & done"
	echo "for k in$kinds; do await -t 120 /tmp/done.\$k; done"
	cat <<'END'
cat /tmp/* | dd of=/dev/sd/sdC5/data bs=64K conv=notrunc,fsync
END
} | init
DISKS="$disks $dir/out" boot
expect 'a name that is taken is refused'
for p in 2 3; do expect_re "sdC4/part/$p: needs recovery: [0-9]+ blocks are read from its journal"; done
for k in $kinds; do
	ext4 compare "$dir/out" "$k.list" "$dir/$k.list" &&
		ext4 compare "$dir/out" "$k.sums" "$dir/$k.sums" || fail "$k differs"
done
sha256sum --quiet -c "$dir/before" || fail "an image was changed"
for k in $kinds; do
	case $k in
	dirty*)	;;
	*)	e2fsck -fn "$dir/$k.img" > "$dir/log" 2>&1 || fail "$k: $(cat "$dir/log")" ;;
	esac
done
echo "$n kinds: the same as e2fsprogs says"
