# A server's whole life by echo and cat alone: made, set up, started, watched, killed, started, stopped,
# given up, deleted.  What is not allowed is an error that says why.
. test/boot/lib.sh

init <<'END'
exec 3<>/dev/sip/clone
cat /dev/sip/servers/*/ctl
echo name mine >&3
echo exec /boot/bin/ramfs -size 1M -mount /tmp >&3
echo capability file-system >&3
echo memory 8M >&3
echo deadline 5000 >&3
cd /dev/sip/servers/mine
cat caps
echo nonsense > ctl || echo "refused: nonsense"
echo stop now > ctl || echo "refused: stop now"
echo start > ctl
until grep -q "status healthy" status; do sleep 0.1; done
echo start > ctl || echo "refused: start"
echo delete > ctl || echo "refused: delete"
echo fail > ctl || echo "refused: fail"
echo hello > /tmp/a && cat /tmp/a
echo "first" $(grep generation status) $(grep "status h" status)
echo kill > ctl
echo "killed" $(grep "status f" status) $(grep cause status)
echo start > ctl
until grep -q "status healthy" status; do sleep 0.1; done
echo "second" $(grep generation status) $(grep "restart " health)
echo restart > ctl
until grep -q "status healthy" status; do sleep 0.1; done
echo "third" $(grep generation status)
echo stop > ctl
echo "stopped" $(grep "status s" status) $(grep cause status)
echo fail no longer wanted > ctl
echo "failed" $(grep "status f" status)
grep -n "" log
cd /
echo delete >&3
cat /dev/sip/servers/mine/status || echo "deleted"
END
boot
expect_re '^capability file-system$' '^refused: nonsense$' '^refused: stop now$' '^refused: start$' \
	'^refused: delete$' '^refused: fail$' '^hello$' '^first generation 1 status healthy$' \
	'^killed status failing cause killed by hand$' \
	'^second generation 2 restart [1-9][0-9]* took [1-9][0-9]* cause killed by hand$' \
	'^third generation 3$' '^stopped status stopped cause asked to stop$' '^failed status failed$' \
	'^deleted$' '^[0-9]+:.* lux9: start, generation 3$' \
	'^[0-9]+:.* lux9: end of generation 2 after [0-9]+ us: asked to stop$' \
	'^[0-9]+:.* lux9: failed: no longer wanted$'
