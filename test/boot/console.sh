# A person at the console: the shell's prompt, editing, Ctrl-C, and a new shell after `exit`.
. test/boot/lib.sh

init <<'END'
echo booted
END
archive
cat > "$dir/person.py" <<'END'
import os, select, subprocess, sys, time
out = open(sys.argv[1], "wb")
p = subprocess.Popen(["sh", "tool/qemu.sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
got = b""

def until(text, seconds=60):
    global got
    end = time.time() + seconds
    while text not in got:
        left = end - time.time()
        if left <= 0 or not select.select([p.stdout], [], [], left)[0]:
            sys.exit("no %r in %r" % (text, got[-300:]))
        part = os.read(p.stdout.fileno(), 4096)
        if not part:
            sys.exit("the machine ended while %r was awaited" % text)
        out.write(part)
        out.flush()
        got += part
    got = got[got.index(text) + len(text):]

def say(text):
    os.write(p.stdin.fileno(), text)

PROMPT = b"lux9% "
until(b"booted")
until(PROMPT)
say(b"echX\x7fo one-two\r")
until(b"\r\none-two")
until(PROMPT)
say(b"\x1b[A\x1b[D\x1b[D\x1b[Dx\r")
until(b"\r\none-xtwo")
until(PROMPT)
say(b"sh -c 'echo go; exec sleep 100'\r")
until(b"\ngo\r\n")	# what is to be interrupted is there
say(b"\x03")
until(PROMPT)
say(b"echo status $?\r")
until(b"\r\nstatus 130")
until(PROMPT)
say(b"while echo round; do sleep 100; done\r")
until(b"\nround\r\n")
say(b"\x03")
until(PROMPT)
say(b"sh -c 'echo reads >&2; exec cat' | head -n 1\r")
until(b"\nreads\r\n")
say(b"typed li\x7fine\r")
until(b"ine\r\ntyped line")
say(b"\x04")
until(PROMPT)
say(b"sipd -1\r")
until(PROMPT)
say(b"sipstat\r")
until(b"REQ/S")
until(b"edu")
until(b"REQ/S")		# drawn again
say(b"q")
until(PROMPT)
say(b"sipstat < /boot/init.conf | cat; echo piped\r")
until(b"no terminal")
until(b"\r\npiped")
until(PROMPT)
say(b"sleep 100 &\r")
until(b"[")
until(PROMPT)
say(b"exit\r")
until(PROMPT)
say(b"echo again; shutdown\r")
until(b"\r\nagain")
p.stdin.close()
sys.exit(p.wait())
END
INITRD=$dir/boot.tar timeout 280 python3 "$dir/person.py" "$dir/console" || fail "the conversation"
refuse 'panic:'
