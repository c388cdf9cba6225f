# ramfs judged by Linux: its own 9P client (user-mode-linux), in both dialects, with people's own
# programs at work on the mount: cp and diff, tar, git, sqlite, sparse and renamed files, links,
# owners, times; the last line of each block must come out.
# bound: 200
. "$(dirname "$0")/lib.sh"
need git sqlite3
uml_enter "$0" "$@"
cd "$dir" || exit 1

"$bin/ramfs" -size 64M -listen 'tcp!10.9.0.1!5640' > ramfs.log 2>&1 &
server=$!
trap 'kill $server 2>/dev/null' EXIT

{
	uml_programs
	cat <<'END'
over() {
	cd / && umount /mnt/fs
}
export HOME=/mnt/fs
use 9p2000.L 5640 /mnt/fs && cd /mnt/fs
work L
commit L
owners L
truncate -s 10M sparse && echo end >> sparse
[ "$(stat -c %b sparse)" -lt 1000 ] && rm sparse && echo "L holes"
mkdir -p g/x && setpriv --reuid 7 --regid 8 --clear-groups rm -rf g 2> /dev/null || echo "L protected"
dd if=/dev/zero of=big bs=1M count=100; [ "$(stat -c %s big)" -gt 60000000 ] && rm big &&
	echo "L full"
rm -rf g && [ -z "$(ls)" ] && echo "L removed all"
df . | tail -n 1
over
use 9p2000 5640 /mnt/fs && cd /mnt/fs
work plain
over
END
} | uml work 180 || bad=1
uml_told work 'L copied' 'L tar' 'L renamed' 'L sparse' 'L replaced' 'L removed' 'L git' 'L sqlite' \
	'L links' 'L attributes' 'L nodes' 'L owner' 'L holes' 'L protected' 'L full' 'L removed all' \
	'plain copied' 'plain tar' 'plain renamed' 'plain sparse' 'plain replaced' 'plain removed'
kill -0 $server || { echo "the server died"; bad=1; }
[ $bad = 0 ] || { cat trace.work ramfs.log; tail -3 console.work; }
exit $bad
