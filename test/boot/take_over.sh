# A successor takes over when its predecessor has ended, not when that has only hung up: a proxy is asked to
# stop while another server still works on a rename for it.  The rename is done once, and who asked for it
# is told so.
. test/boot/lib.sh

init <<'END'
ramfs -mount /mnt &
until mkdir /mnt/ready 2> /dev/null; do sleep 0.1; done
passfs -dir /mnt -mount /net -name below -ctl below -wait 60000 &
await -t 30 /net/ready /dev/pass/belowctl
passfs -dir /net -mount /root -name top -ctl top -wait 60000 &
first=$!
await -t 30 /root/ready /dev/pass/topctl
echo 1 > /mnt/old
echo 'hang rename #1' > /dev/pass/belowctl
mv /root/old /root/new &
mover=$!
until grep -q 'hang 1' /dev/pass/belowstats; do sleep 0.1; done
kill $first
passfs -dir /net -mount /root -name top -ctl later -wait 60000 &
# For a successor that does not wait.
sleep 2
grep -q state /proc/$first/status && echo "the first is still there"
echo clear > /dev/pass/belowctl
wait $mover && echo "told that it was done"
await -t 30 /root/new
ls /root
echo "all is over"
END
CPUS=2 boot
expect 'the first is still there' 'told that it was done' 'all is over'
expect_re '^new +ready'
refuse_re '^old' '^mv:'
