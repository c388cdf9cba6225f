# Four images on four disks, by genisoimage and xorriso: Rock Ridge, Joliet, two sessions, a deep tree
# with odd names; each served by its own isofs: every byte, mode, owner, time, link and name is what
# the host put there.
# bound: 150
. test/boot/lib.sh
for p in genisoimage xorriso python3; do
	command -v $p > /dev/null || skip "needs $p"
done

export TIMEOUT=100 CPUS=2

# Rock Ridge has seconds.
make_tree "$dir/tree" 300 12
deep=$dir/tree/1/2/3/4/5/6/7/8/9/10
mkdir -p "$deep" "$dir/tree/many"
echo deep > "$deep/file"
ln -s ../../../file "$deep/link"
ln -s "/an/absolute/$(printf 'x%.0s' $(seq 150))/name" "$dir/tree/long"
ln -s "$(printf 'part/%.0s' $(seq 20))end" "$dir/tree/parts"
ln -s .. "$dir/tree/1/up"
ln -s ./. "$dir/tree/1/here"
mkfifo "$dir/tree/pipe"
for i in $(seq 1000); do echo "$i" > "$dir/tree/many/file number $i"; done
chmod 4751 "$deep/file"
chmod 1770 "$dir/tree/many"
find "$dir/tree" -exec touch -h -d '2001-02-03 04:05:06 UTC' {} +
touch -d '1999-12-31 23:59:59 UTC' "$deep/file"
mkdir "$dir/new" && for i in $(seq 150) more; do echo "new $i" > "$dir/new/$i"; done

geniso()
{
	genisoimage -quiet -input-charset utf-8 -D "$@" > "$dir/log" 2>&1 || fail "genisoimage: $(cat "$dir/log")"
}
xorriso -outdev "$dir/x.iso" -joliet on -map "$dir/tree" / > "$dir/log" 2>&1 || fail "xorriso: $(tail -3 "$dir/log")"
genisoimage -quiet -R -o "$dir/r.iso" "$dir/tree" > "$dir/log" 2>&1 || fail "genisoimage: $(cat "$dir/log")"
mkdir "$dir/short" && cp -a "$dir/tree/d00/." "$dir/tree/many" "$dir/short" || fail cp
find "$dir/short" -name '*nnnn*' -delete # Joliet has no such names
geniso -J -joliet-long -o "$dir/j.iso" "$dir/short"
geniso -R -o "$dir/s.iso" "$dir/tree/d01"
n=$(($(stat -c %s "$dir/s.iso") / 2048 + 100))
geniso -R -M "$dir/s.iso" -C "0,$n" -o "$dir/s2" "$dir/new"
truncate -s $((n * 2048)) "$dir/s.iso"
cat "$dir/s2" >> "$dir/s.iso"

# What the host has: the lines that find gives in Lux9.
list()	# DIR...
{
	local d
	for d; do
		(cd "$d" && find . -mindepth 1 -type d -printf '%y|%m|%U|%G|%P|%T@\n' \
			-o -mindepth 1 -type l -printf '%y|%m|%U|%G|%P|%T@|%s|%l\n' \
			-o -mindepth 1 -printf '%y|%m|%U|%G|%P|%T@|%s\n')
	done
}
sums()
{
	local d
	for d; do
		(cd "$d" && find . -type f -print0 | xargs -0 sha256sum)
	done
}
list "$dir/tree" > "$dir/x.list"
sums "$dir/tree" > "$dir/x.sums"
sums "$dir/short" > "$dir/j.sums"
cp -a "$dir/tree/d01" "$dir/both" && cp -a "$dir/new/." "$dir/both/" || fail cp
sums "$dir/both" > "$dir/s.sums"
truncate -s 16M "$dir/out"
for i in x r j s; do sha256sum "$dir/$i.iso"; done > "$dir/before"

cat > "$dir/extra/read" <<'END'
set -e
cd /n/$1
{
	echo "== $1.list"
	find . -type d -printf '%y|%m|%U|%G|%P|%T@\n'
	find . -type l -printf '%y|%m|%U|%G|%P|%T@|%s|%l\n'
	find . -type f -printf '%y|%m|%U|%G|%P|%T@|%s\n'
	find . -type p -printf '%y|%m|%U|%G|%P|%T@|%s\n'
	echo "== $1.sums"
	sha256sum -r .
	echo "== end"
} > /tmp/$1
END
init <<'END'
sipd &
ramfs -mount /n &
ramfs -mount /tmp &
await -t 30 /dev/sd/sdC0/data /dev/sd/sdC1/data /dev/sd/sdC2/data /dev/sd/sdC3/data /dev/sd/sdC4/data
until mkdir /n/x 2> /dev/null; do sleep 0.1; done
mkdir /n/r /n/j /n/s
until mkdir /tmp/x 2> /dev/null; do sleep 0.1; done
rmdir /tmp/x
isofs -device /dev/sd/sdC0/data -mount /n/x &
await -t 30 /n/x/many
isofs -name iso1 -device /dev/sd/sdC1/data -mount /n/r -cache 1M &
await -t 30 /n/r/many
isofs -name iso2 -device /dev/sd/sdC2/data -mount /n/j &
await -t 30 /n/j/sub0
isofs -name iso3 -device /dev/sd/sdC3/data -mount /n/s &
await -t 30 /n/s/more
time sh /boot/read x
for k in r j s; do sh /boot/read $k; done
cat /tmp/* | dd of=/dev/sd/sdC4/data bs=64K conv=notrunc,fsync
echo x > /n/x/none || echo read-only
df /n/x
END
DISKS="$dir/x.iso $dir/r.iso $dir/j.iso $dir/s.iso $dir/out" boot
expect 'Rock Ridge, session at sector 0' 'Joliet, session at sector 0' "session at sector $n" 'read-only'
compare()
{
	python3 test/boot/ext4.py compare "$dir/out" "$@" || fail "$1 differs"
}
# The root is not in the lists; genisoimage has a directory for those that were too deep.
top='d|755|0|0||981173106.0000000000'
echo "$top" >> "$dir/x.list"
compare x.list "$dir/x.list"
compare x.sums "$dir/x.sums"
compare r.sums "$dir/x.sums"
compare j.sums "$dir/j.sums"
compare s.sums "$dir/s.sums"
sha256sum --quiet -c "$dir/before" || fail "an image was changed"
