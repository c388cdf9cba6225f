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

uml work 180 <<'END' || bad=1
use() {
	mount -t 9p -o "trans=tcp,port=5640,version=$1,msize=65536,cache=none,access=user,aname=/" \
		10.9.0.1 /mnt/fs && cd /mnt/fs && export HOME=/mnt/fs
}
over() {
	cd / && umount /mnt/fs
}
work() {
	cp -r /etc/init.d a && diff -r /etc/init.d a && echo "$1 copied"
	tar cf a.tar a && mkdir b && tar xf a.tar -C b && diff -r a b/a && echo "$1 tar"
	mv b c && mv c/a d && rmdir c && diff -r a d && echo "$1 renamed"
	truncate -s 10M sparse && echo end >> sparse && [ "$(tail -c 4 sparse)" = end ] &&
		[ "$(stat -c %s sparse)" = 10485764 ] && echo "$1 sparse"
	[ "$1" = plain ] || [ "$(stat -c %b sparse)" -lt 1000 ] || echo "not sparse"
	echo old > f && exec 5< f && rm f && echo new > f && [ "$(cat f)" = new ] && echo "$1 replaced"
	exec 5<&-
	rm -r a d a.tar sparse f && [ -z "$(ls)" ] && echo "$1 removed"
}
use 9p2000.L
work L
mkdir g && cd g && git init -q . && cp -r /etc/init.d x &&
	git -c user.name=a -c user.email=b add . && git -c user.name=a -c user.email=b commit -qm one &&
	git gc -q && git fsck --full && echo "L git"
cd ..
sqlite3 t.db 'create table a(x); insert into a values(1); insert into a select x+1 from a;
	pragma integrity_check;' && sqlite3 t.db 'select count(*) from a;' && echo "L sqlite"
ln t.db hard && ln -s t.db soft && [ "$(stat -c %h t.db)" = 2 ] && cmp hard soft && echo "L links"
mkdir own && chown 5:6 own && chmod 2751 own && touch -d '2001-02-03 04:05:06Z' own &&
	[ "$(stat -c '%u %g %a' own)" = '5 6 2751' ] &&
	[ "$(TZ=UTC stat -c %y own)" = '2001-02-03 04:05:06.000000000 +0000' ] && echo "L attributes"
mkfifo p && mknod z c 1 5 && [ "$(stat -c '%F %t %T' z)" = 'character special file 1 5' ] && echo "L nodes"
chmod 1777 . && setpriv --reuid 7 --regid 8 --clear-groups touch mine &&
	[ "$(stat -c '%u %g' mine)" = '7 8' ] && echo "L owner"
setpriv --reuid 7 --regid 8 --clear-groups rm -rf g 2> /dev/null || echo "L protected"
dd if=/dev/zero of=big bs=1M count=100; [ "$(stat -c %s big)" -gt 60000000 ] && rm big &&
	echo "L full"
rm -rf g t.db hard soft own p z mine && [ -z "$(ls)" ] && echo "L removed all"
df . | tail -n 1
over
use 9p2000
work plain
over
END
for line in 'L copied' 'L tar' 'L renamed' 'L sparse' 'L replaced' 'L removed' 'L git' 'L sqlite' \
	'L links' 'L attributes' 'L nodes' 'L owner' 'L protected' 'L full' 'L removed all' \
	'plain copied' 'plain tar' 'plain renamed' 'plain sparse' 'plain replaced' 'plain removed'; do
	grep -qx "$line" trace.work || { echo "missing: $line"; bad=1; }
done
! grep -x 'not sparse' trace.work || bad=1
kill -0 $server || { echo "the server died"; bad=1; }
[ $bad = 0 ] || { cat trace.work ramfs.log; tail -3 console.work; }
exit $bad
