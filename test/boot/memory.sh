# Little memory and much; a program that wants more than there is fails, and the rest goes on.
# bound: 400
. test/boot/lib.sh

init <<'END'
free
cat /boot/init.conf | sha256sum
ps
END
for m in 24M 1G 16G; do
	MEM=$m boot
	expect "$(sha256sum < "$dir/extra/init.conf")"
done

with_prog memory_hog
init <<'END'
free
memory_hog || echo "the hog ended"
free
echo still here
END
MEM=64M boot
expect 'the hog ended' 'still here'
refuse 'all of it'
