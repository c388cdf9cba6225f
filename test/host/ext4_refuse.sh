# ext4fs: what it must not serve, with the reason that it gives; and partitions of an image.
# bound: 60
. "$(dirname "$0")/lib.sh"
need mke2fs sfdisk
ext4fs=$bin/ext4fs
cd "$dir" || exit 1

fresh()
{
	rm -f x.img
	mke2fs -q -F "$@" x.img 8M > mke2fs.log 2>&1 || complain "mke2fs $*"
}

poke()	# offset, byte
{
	printf "\\x$2" | dd of=x.img bs=1 seek="$1" conv=notrunc status=none
}

refused()
{
	refuses ext4fs "$@"
}

# Must be served: the socket appears.
served()
{
	rm -f sock
	"$ext4fs" "$@" -listen unix!sock > log 2>&1 &
	local pid=$! i=0
	while [ ! -S sock ] && [ $i -lt 600 ] && kill -0 $pid 2>/dev/null; do
		sleep 0.1
		i=$((i + 1))
	done
	[ -S sock ] || complain "$*: not served: $(cat log)"
	kill $pid 2>/dev/null
	wait $pid 2>/dev/null
}

"$ext4fs" -device none -o bogus -listen unix!sock > log 2>&1
[ $? = 2 ] || complain 'a wrong option does not exit with 2'
"$ext4fs" -bogus > log 2>&1
[ $? = 2 ] || complain '-bogus does not exit with 2'
fresh -t ext4
served -device x.img
served -device x.img -o ro,noload,nocheck -cache 2M
sum=$(sha256sum x.img)
served -device x.img
[ "$sum" = "$(sha256sum x.img)" ] || complain "the image was written to"
refused 'no -device'
refused 'No such file or directory' -device none.img
refused '-o bogus: no such option' -device x.img -o ro,bogus
refused 'no partition 3' -device x.img -part 3
poke 1120 c3		# incompat: compression
poke 1123 80
refused 'features not supported: compression incompat-0x80000000' -device x.img -o nocheck
fresh -t ext4
poke 1024 77
refused 'superblock: bad checksum' -device x.img
fresh -t ext2
truncate -s 4M x.img
refused 'but the device has' -device x.img
: > x.img
refused 'too small' -device x.img
truncate -s 8M x.img
refused 'bad magic number' -device x.img
fresh -O journal_dev -b 4096
refused 'journal device' -device x.img
fresh -t ext4
poke 1120 c6		# needs recovery; its log has nothing: fine
served -device x.img -o nocheck
rm -f j.img && mke2fs -q -F -t ext2 -b 1024 x.img 8M > mke2fs.log 2>&1
poke 1116 04		# has a journal
poke 1120 06		# which needs recovery
poke 1252 09		# and is on another device
refused 'it is on another device' -device x.img

# A disk with an MBR and one with a GPT: the file system is in the second partition.
for label in dos gpt; do
	rm -f disk.img
	truncate -s 24M disk.img
	printf 'label: %s\nsize=4M\nsize=8M\n' $label | sfdisk -q disk.img > sfdisk.log 2>&1 || complain "sfdisk $label"
	start=$(sfdisk -d disk.img | sed -n 's/^disk.img2 : start= *\([0-9]*\),.*/\1/p')
	fresh -t ext4
	dd if=x.img of=disk.img bs=512 seek="$start" conv=notrunc status=none
	served -device disk.img -part 2
	refused 'bad magic number' -device disk.img -part 1
	refused 'no partition 9' -device disk.img -part 9
done
[ $bad = 0 ] && echo "what cannot be read is refused by name"
exit $bad
