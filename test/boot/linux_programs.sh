# Programs that were made for Linux run unmodified: our own that try calls, and Debian's busybox.
# bound: 400
. test/boot/lib.sh

export CPUS=2 THREAD=multi TIMEOUT=200
progs=
for f in test/prog/linux_*.c test/prog/posix_*.c; do
	p=$(basename "$f" .c)
	progs="$progs $p"
done
# shellcheck disable=SC2086
with_prog $progs
[ -x /bin/busybox ] || skip "no busybox"
cp /bin/busybox "$dir/extra/bin/busybox"
cat > "$dir/extra/script" <<'END'
sum() { echo $(($1 + $2)); }
case $(sum 19 23) in 42) echo ash-function-works;; *) echo broken;; esac
cat <<EOT | sed s/here/HERE/
ash document here
EOT
seq 1 100 | awk '{ s += $1 } END { print "awk", s }'
printf 'b\na\nc\n' | sort | tr '\n' ' '; echo
trap 'echo trapped' EXIT
END
{
	cat <<'END'
ramfs -mount /tmp &
until mkdir /tmp/x; do sleep 0.1; done
cd /tmp/x
END
	for p in $progs; do
		echo "$p || echo \"FAIL $p: \$?\""
	done
	cat <<'END'
busybox echo busybox runs
busybox ash /boot/script
busybox tar xf /boot/tree.tar
busybox find . -type f | busybox sort | busybox xargs busybox sha256sum > /tmp/sums
busybox cmp /tmp/sums /boot/sums && echo the same sums
busybox gzip -k tree/numbers && busybox gunzip -c tree/numbers.gz | busybox md5sum
busybox vi --help || busybox true
END
} | init
mkdir -p "$dir/tree/sub"
seq 1 5000 > "$dir/tree/numbers"
cp tool/*.sh "$dir/tree/sub/"
tar -C "$dir" -cf "$dir/extra/tree.tar" tree
(cd "$dir" && find ./tree -type f | LC_ALL=C sort | xargs sha256sum) > "$dir/extra/sums"
boot
for p in $progs; do
	case $p in
	posix_*) expect "$p: all right" ;;
	esac
done
refuse_re '^FAIL '
expect 'busybox runs' ash-function-works 'ash document HERE' 'awk 5050' 'a b c' trapped \
	'the same sums' "$(seq 1 5000 | md5sum | cut -d' ' -f1)"
