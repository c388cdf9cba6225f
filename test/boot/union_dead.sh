# Servers that nobody starts again leave members of unions that never answer.  They are passed over in
# walks, listings and creation, shown as dead, and taken away by the name they were mounted by; alone at
# its place, or when all have died, the dead one's error shows.
. test/boot/lib.sh

{
for n in one two three; do
	cat <<EOF
ramfs -name $n -mount /n &
$n=\$!
until mkdir /n/ready 2> /dev/null; do sleep 0.1; done
echo $n > /n/$n
echo $n > /n/same
unmount /n
EOF
done
cat <<'EOF'
mount /srv/one /mnt
mount -a /srv/two /mnt
mount -ac /srv/three /mnt
echo "same is of" $(cat /mnt/same)
cd /mnt
kill -KILL $one
until ! ls /srv/one 2> /dev/null; do sleep 0.1; done
echo "same is of" $(cat same)
echo "in it:" $(ls)
cat one || echo "one has gone"
echo new > new && ls -l new && cat three new
stat . > /dev/null && echo "it is there"
ns | grep /mnt
mount -b /srv/one /mnt || echo "cannot be mounted"
kill -KILL $two $three
until ! ls /srv/two /srv/three 2> /dev/null; do sleep 0.1; done
ls /mnt/same || echo "none is left"
echo x > /mnt/x || echo "nor for new files"
cd /
ramfs -name four -mount /n &
until mkdir /n/ready 2> /dev/null; do sleep 0.1; done
echo four > /n/four
mount -ac /srv/four /mnt
cat /mnt/same || echo "same is nowhere"
echo more > /mnt/more && cat /n/more
for n in one two three; do
	unmount /srv/$n /mnt && echo "unmounted $n"
done
unmount /srv/one /mnt || echo "once"
ns | grep /mnt
cat /mnt/four
EOF
} | init
boot
expect_re '^same is of one$' '^same is of two$' '^in it: ready ready same same three two$' '^one has gone$' '^it is there$' '^new$' \
	'^mount /srv/one /mnt # dead$' '^mount -a /srv/two /mnt$' '^mount -ac /srv/three /mnt$' \
	'^cannot be mounted$' '^none is left$' '^nor for new files$' '^same is nowhere$' '^more$' \
	'^unmounted one$' '^unmounted two$' '^unmounted three$' '^once$' '^mount -c /srv/four /mnt$' '^four$'
refuse_re '^in it:.* one '
