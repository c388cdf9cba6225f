# The shell on Linux: each script gives the output and the status that dash gives.
set -u
sh=$(cd "${B:-build}/host/bin" && pwd)/sh || exit 1
cd "${TEST_DIR:-$(mktemp -d)}" || exit 1
bad=0 n=0
mkdir -p d && touch d/a.c d/b.c 'd/with space' d/.dot
printf 'one two three\nfour\n' > lines

check()
{
	local want got
	want=$(dash -c "$1" name A 'B C' 2>/dev/null < lines; echo "status $?")
	got=$(timeout 10 "$sh" -c "$1" name A 'B C' 2>/dev/null < lines; echo "status $?")
	n=$((n + 1))
	if [ "$want" != "$got" ]; then
		bad=1
		printf 'FAIL: %s\nwanted:\n%s\ngot:\n%s\n' "$1" "$want" "$got"
	fi
}

# Each line is a script.
while IFS= read -r script; do
	check "$script"
done <<'END'
echo hello world
echo 'single $HOME' "double $0" back\ slash "a\"b" 'a'"b"c
echo a; echo b
true && echo yes || echo no
false && echo yes || echo no
false || false || echo third
! true; echo $?
! false; echo $?
exit 7
(exit 3); echo $?
x=1; echo $x ${x}2 "$x" '$x'
x='a   b'; echo $x; echo "$x"
x=; echo "[$x]" [$x] ${x:-default} ${none:-"de  fault"}
echo ${none:-$1} "${none:-$2}"
echo $# "$1" "$2"; for i in "$@"; do echo "<$i>"; done
for i in $@; do echo "<$i>"; done
for i in "$*"; do echo "<$i>"; done
shift; echo $# "$1"
for i in 1 2 3; do echo $i; done
for i in; do echo never; done; echo done
for i in 1 2 3; do if [ $i = 2 ]; then continue; fi; echo $i; done
for i in 1 2 3; do for j in a b; do [ $j = b ] && break 2; echo $i$j; done; done; echo end
for i in 1 2 3; do for j in a b; do [ $j = b ] && continue 2; echo $i$j; done; done; echo end
while read a b; do echo "$b-$a"; done
read a b; cat; echo $a/$b
if true; then echo t; else echo f; fi
if false; then echo t; elif true; then echo e; else echo f; fi
if false; then echo t; fi; echo $?
until true; do echo x; done; echo $?
x=a; while [ $x != aaaa ]; do x=a$x; echo $x; done
echo a b c | wc -w | tr -d ' '
echo x | cat | cat | cat
false | true; echo $?
true | false; echo $?
echo $(echo inner $(echo nested))
echo "$(printf 'two\nlines\n\n')"
x=$(exit 4); echo $?
echo a$(true)b "$(echo 'x)y')"
echo d/*.c
echo 'd/*.c' d/'*'.c "d/*.c"
echo d/* d/nothing*
x='d/*.c'; echo $x "$x"
ls d | cat > out; cat out; echo more >> out; wc -l < out | tr -d ' '
echo err >&2; echo out
sh -c 'echo e >&2' 2>&1 | cat
cat < nothing || echo failed
echo no > d || echo failed
echo no > /dev/full || echo failed; echo yes
{ echo a; echo b; } | wc -l | tr -d ' '
{ echo a; echo b; } > out; cat out
(cd d; ls a.c); ls d/a.c
cd d; ls a.c
(x=2; echo $x); echo "[$x]"
x=5 sh -c 'echo $x'; echo "[$x]"
export y=6; sh -c 'echo $y'
y=7; export y; y=8; sh -c 'echo $y'
export y=6; unset y; sh -c 'echo "[$y]"'
nosuchprogram; echo $?
./lines; echo $?
exec echo replaced; echo not
exec > out; echo into; cat out >&2; cat < out | cat >&2
exec 3> out; echo three >&3; exec 3>&-; cat out
# comment only
echo a # comment
echo a#b
set -e; true; false; echo not
set -e; false || true; echo reached
set -e; if false; then :; fi; echo reached
set -e; ! true; echo reached
set -e; false && true; echo reached
set -e; (false); echo not
set -e; for i in 1 2; do false; done; echo not
set -e; { false; }; echo not
set -e; x=$(false); echo not
set -e; while false; do :; done; echo reached
[ a = a ] && [ a != b ] && [ ! a = b ] && [ 1 -lt 2 ] && [ 2 -ge 2 ] && [ -z "" ] && [ -n x ]
[ -e lines ] && [ -f lines ] && [ -d d ] && [ -s lines ] && [ ! -e none ]; echo $?
[ a ]; echo $?; [ "" ]; echo $?; [ ]; echo $?; test; echo $?
[ a -foo b ] 2>/dev/null; [ $? = 2 ] && echo two
sleep 0.1 & wait; echo $?
(exit 5) & wait $!; echo $?
true &
echo a && echo b & wait
echo "a
b"
  echo a
:; echo $?
false; echo $? $?
echo $
echo "$" a$ '$'
echo \$x \\ \* \"
printf '%s\n' "\a\$\\"
echo -n a; echo b
printf '%s\n' "" a ""
echo ''; x=''; printf '[%s]' $x "$x" a; echo
if true; then
then
fi
echo )
if true; then echo
'unclosed
a && && b
END

check 'if true
then
	echo multi   # with a comment

	echo lines
else echo no
fi
for i in a \
b
do
	echo $i
done
echo a &&
echo b ||
echo c
echo x |
cat'
check "$(yes 'echo line' | head -n 500)"
check "x=$(head -c 20000 /dev/zero | tr '\0' x); echo \$x | wc -c | tr -d ' '"

# What dash cannot tell: own limits and messages.
deep=$(printf '(%.0s' $(seq 200))
timeout 10 "$sh" -c "$deep" > out 2>&1; [ $? = 2 ] || { echo "FAIL: depth"; bad=1; }
"$sh" -@ > out 2>&1; [ $? = 2 ] || { echo "FAIL: a wrong option"; bad=1; }
[ "$("$sh" -v -c 'echo a')" = "$(printf '%% echo a\na')" ] || { echo "FAIL: -v"; bad=1; }
[ "$(echo 'echo a; cat
rest' | "$sh")" = "$(printf 'a\nrest')" ] || { echo "FAIL: commands from a pipe"; bad=1; }

# At a terminal: editing, history, Ctrl-C.
python3 - "$sh" <<'END' || bad=1
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.environ["PATH"] = "/bin:/usr/bin"
    os.execv(sys.argv[1], ["sh"])
got = b""
def until(text, seconds=60):
    global got
    end = time.time() + seconds
    while text not in got:
        left = end - time.time()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            print("FAIL: at the terminal: no %r in %r" % (text, got))
            os.kill(pid, 9)
            sys.exit(1)
        got += os.read(fd, 4096)
    got = got[got.index(text) + len(text):]
def say(text):
    os.write(fd, text)
until(b"lux9% ")
say(b"echX\x7fo one-two\r"); until(b"\r\none-two"); until(b"lux9% ")
say(b"\x1b[A\x1b[D\x1b[D\x1b[Dx\r"); until(b"\r\none-xtwo"); until(b"lux9% ")
say(b"garbage\x15echo \x01\x05ok\r"); until(b"\r\nok"); until(b"lux9% ")
say(b"half\x03"); until(b"lux9% ")
say(b"echo no > /dev/full\r"); until(b"echo: No space"); until(b"lux9% ")
say(b"echo is $?\r"); until(b"\nis 1"); until(b"lux9% ")
say(b"sh -c 'echo go; exec sleep 100'\r"); until(b"\ngo\r\n"); say(b"\x03"); until(b"lux9% ")
say(b"echo $?\r"); until(b"\r\n130"); until(b"lux9% ")
say(b"while echo round; do sleep 100; done\r"); until(b"\nround\r\n"); say(b"\x03"); until(b"lux9% ")
say(b"if true\r"); until(b"> "); say(b"then echo inside; fi\r"); until(b"\r\ninside")
until(b"lux9% ")
say(b"\x04")
for _ in range(600):
    if os.waitpid(pid, os.WNOHANG)[0]:
        break
    time.sleep(0.1)
else:
    print("FAIL: Ctrl-D does not end it")
    os.kill(pid, 9)
    sys.exit(1)
END
echo "$n scripts"
exit $bad
