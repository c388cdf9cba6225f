# What virtioblk.sh and virtioscsi.sh share: images, the commands of init on the disks that they are, and
# what must have come of them.  A scenario sources it after lib.sh.
#
# The disks: "small" has sectors of 512, "large" of 4096, "fixed" is read-only, "hot" is plugged.

virtio_images()
{
	truncate -s 32M "$dir/small" "$dir/fixed" "$dir/hot"
	truncate -s 64M "$dir/large"
	python3 - "$dir" <<-'END'
	import random, sys
	for name, seed in ("small", 1), ("fixed", 2), ("hot", 3):
	    with open(sys.argv[1] + "/" + name, "r+b") as f:
	        f.write(random.Random(seed).randbytes(16 << 20))
	END
	cp "$dir/small" "$dir/before"
	head -c 2000000 /dev/urandom > "$dir/extra/blob"
}

# SMALL LARGE FIXED: what they are, writes to several places at once, and one that is refused.
virtio_writes()
{
	cat <<-END
	sipd -1
	for d in $1 $2 $3; do await -t 30 /dev/sd/\$d/part/0; done
	cat /dev/sd/$1/ctl /dev/sd/$2/ctl /dev/sd/$2/geometry
	dd if=/dev/sd/$1/data bs=65536 | sha256sum
	END
	blob_writers "$1 1000 17 notrunc" "$2 777 3" "$2 65536 200" "$2 100 200001"
	cat <<-END
	dd if=/boot/blob of=/dev/sd/$3/data bs=512 count=1 conv=notrunc || echo "a write is refused"
	dd if=/dev/sd/$3/data bs=65536 count=10 | sha256sum
	END
}

# SMALL: flushes, sectors that are discarded and made zero.
virtio_regions()
{
	cat <<-END
	echo flush > /dev/sd/$1/ctl
	echo flush > /dev/sd/$1/ctl
	echo discard 16384 16384 > /dev/sd/$1/ctl
	echo zero 8192 4096 > /dev/sd/$1/ctl
	cat /dev/sd/$1/stats
	dd if=/dev/sd/$1/data bs=1048576 skip=8 count=8 | sha256sum
	END
}

# SMALL: it grows.
virtio_grows()
{
	cat <<-END
	monitor 'info blockstats'
	monitor 'block_resize small 48M'
	until grep -q 'size 50331648' /dev/sd/$1/ctl; do sleep 0.1; done
	echo it has grown
	dd if=/dev/sd/$1/data bs=1048576 skip=47 | wc -c
	END
}

# How often the console has the SHA-256 of standard input.
times_summed()
{
	local sum
	sum=$(sha256sum)
	console | grep -c "$sum"
}

# Of SERIAL, the small one's, and of what all disks had written and read.
virtio_judge()
{
	[ ! -s "$dir/guest" ] || fail "QEMU complains: $(head -5 "$dir/guest")"
	expect 'done a' 'done b' 'done c' 'done d' 'a write is refused' 'it has gone' 'it has grown' \
		'size 33554432' 'size 67108864' "serial $1" 'queues 2' 'secsize 4096' 'discard-requests 1' \
		'zero-requests 1' 'zero-bytes 2097152'
	expect_re '^1048576$'
	expect "$(sha256sum < "$dir/before")" "$(head -c 640K "$dir/fixed" | sha256sum)" \
		"$(head -c 8M /dev/zero | sha256sum)"
	[ "$(times_summed < "$dir/hot")" = 2 ] || fail "what was plugged is another"
	python3 test/boot/virtio_images.py "$dir" || fail "an image is not what it should be"
}
