#!/usr/bin/env python3
"""Helper of the ext4 scenarios: trees, what e2fsprogs knows of an image, comparison.

	ext4.py tree DIR small|large    makes a tree with every kind of file that a tree can hold
	ext4.py nsec IMAGE              gives some inodes of an image odd fractions of a second
	ext4.py list IMAGE              what debugfs says of every file, in the form of FORMAT
	ext4.py sums IMAGE|DIR          digests of the regular files, in an image as debugfs reads them
	ext4.py dirty IMAGE             the same files, but read right only with the journal
	ext4.py compare OUT NAME WANT   section `== NAME` of what Lux9 wrote, against a list

A list's order does not matter.  FORMAT, for find: %i|%y|%m|%U|%G|%n|%s|%b|%T@|%P|%l
"""
import hashlib, os, random, re, stat, subprocess, sys, tempfile

CHUNK = 1 << 20


def write(path, data=b"", at=0, size=None):
	with open(path, "wb") as f:
		f.seek(at)
		f.write(data)
		if size is not None:
			f.truncate(size)


def sizes_tree(top, rnd, count, mib):
	"""Files of all sizes in folders; the sum is about so many MiB."""
	blob = rnd.randbytes(CHUNK)
	edges = [0, 1, 59, 60, 61, 150, 160, 161, 511, 512, 513, 1023, 1024, 1025, 2048, 4095, 4096,
		 4097, 12288, 12289, 65535, 65536, 65537, 274432, 274433]
	mean = (mib << 20) // count
	for i in range(count):
		folder = b"%s/data/d%02d/sub%d" % (top, i % 37, i % 5)
		os.makedirs(folder, exist_ok=True)
		name = (b"f%d", b"a file %d", "\u00e9t\u00e9-%d".encode(), b"%d-" + b"n" * 200)[i % 4] % i
		n = edges[i] if i < len(edges) else rnd.randrange(2 * mean)
		start = rnd.randrange(4096)
		write(folder + b"/" + name, (blob[start:] + blob)[:n])


def big_file(path, rnd, size):
	blob = rnd.randbytes(CHUNK)
	with open(path, "wb") as f:
		for i in range(0, size, CHUNK):
			f.write(b"%08x" % i + blob[:min(CHUNK, size - i) - 8])


def sparse_tree(top, rnd, mib):
	d = top + b"/sparse"
	os.mkdir(d)
	size = mib << 20
	write(d + b"/only-hole", size=size)
	write(d + b"/hole-first", b"end", size - 3)
	write(d + b"/hole-last", b"begin", size=size + 1)
	write(d + b"/middle", rnd.randbytes(10000), size // 2 + 77, size)
	with open(d + b"/pieces", "wb") as f:		# a tree of extents; indirect blocks
		for i in range(400):
			f.seek(i * 8192 + i)
			f.write(b"piece %d" % i)
	with open(d + b"/far-apart", "wb") as f:	# doubly and, with small blocks, triply indirect
		for at in (0, 12 << 10, 268 << 10, size - 1):
			f.seek(at)
			f.write(b"here")


def names_tree(top, rnd, entries):
	d = top + b"/names"
	os.mkdir(d)
	for i, name in enumerate([b"n" * 255, "\u65e5".encode() * 85, b"-rf", b" ", b"...", b"a\\nb",
			b'with "quotes" and $(echo x)', b"*", b"\xff\xfe\x80", b"\x01\x7f", b"#x", b"%s|"]):
		write(d + b"/" + name, b"%d\n" % i)
	deep = d + b"/deep" + b"".join(b"/%d" % i for i in range(40))
	os.makedirs(deep)
	write(deep + b"/bottom", b"bottom\n")
	os.mkdir(top + b"/many")
	for i in range(entries):
		name = b"%s/many/entry_%d%s" % (top, i, b"x" * (200 if i % 50 == 0 else i % 7))
		write(name, b"%d\n" % i if i % 3 == 0 else b"")
	os.mkdir(top + b"/dirs")
	for i in range(entries // 30):
		os.mkdir(b"%s/dirs/%d" % (top, i))


def kinds_tree(top):
	d = top + b"/kinds"
	os.makedirs(d + b"/empty")
	for n in (1, 59, 60, 61, 150, 1000):
		os.symlink((b"../names/" * n)[:n], b"%s/link%d" % (d, n))
	os.symlink(b"one", d + b"/good")
	write(d + b"/one", b"linked\n")
	for name in (b"/two", b"/empty/three", b"/../many/four"):
		os.link(d + b"/one", d + name)
	os.mkfifo(d + b"/fifo")
	for i, mode in enumerate((0, 0o4755, 0o2711, 0o6777, 0o1644, 0o400, 0o777)):
		write(b"%s/mode%o" % (d, mode), b"mode\n")
		if os.geteuid() == 0:
			os.chown(b"%s/mode%o" % (d, mode), (0, 1, 1000, 65535, 65536, 4000000000, 7)[i], i * 30000)
		os.chmod(b"%s/mode%o" % (d, mode), mode)
	os.chmod(d + b"/empty", 0o3777)
	if os.geteuid() == 0:
		os.mknod(d + b"/char", 0o600 | stat.S_IFCHR, os.makedev(5, 1))
		os.mknod(d + b"/block", 0o660 | stat.S_IFBLK, os.makedev(259, 70000))
	for t in (0, 1, -1, -2**31, 2**31 - 1, 2**31, 2**32 + 5, 15032385535):
		write(b"%s/time%d" % (d, t))
		os.utime(b"%s/time%d" % (d, t), (t, t))


def make_tree(top, size):
	rnd = random.Random(9)
	top = os.fsencode(top)
	os.makedirs(top)
	large = size == "large"
	sizes_tree(top, rnd, 3000 if large else 150, 36 if large else 3)
	sparse_tree(top, rnd, 12 if large else 3)
	names_tree(top, rnd, 10000 if large else 500)
	kinds_tree(top)
	if large:
		big_file(top + b"/data/big", rnd, (70 << 20) + 4097)
		big_file(top + b"/data/big2", rnd, 45 << 20)
		os.mkdir(top + b"/far")		# past 4 GiB: not read as a whole
		write(top + b"/far/5g", b"\npast 4 GiB\n", 5 << 30)


def debugfs(image, commands, more=()):
	"""What each command printed."""
	with tempfile.NamedTemporaryFile() as f:
		f.write(b"".join(c + b"\n" for c in commands))
		f.flush()
		out = subprocess.run(["debugfs", *more, "-f", f.name, image], check=True,
			stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
	parts = re.split(rb"^debugfs: .*\n", out, flags=re.M)
	assert len(parts) == len(commands) + 1, (image, len(parts), len(commands))
	return parts[1:]


def walk(image):
	"""(path, inode number, mode) of everything but the names . and .. of directories."""
	level, all_files = [(b"", 2)], [(b"", 2, stat.S_IFDIR | 0)]
	while level:
		below = []
		for (path, _), text in zip(level, debugfs(image, [b"ls -p <%d>" % n for _, n in level])):
			for line in text.split(b"\n"):
				m = re.fullmatch(rb"/(\d+)/(\d+)/-?\d+/-?\d+/(.*)/\d*/", line, re.S)
				if not m or m[1] == b"0" or m[3] in (b".", b".."):
					continue
				name = path + b"/" * (path != b"") + m[3]
				all_files.append((name, int(m[1]), int(m[2], 8)))
				if stat.S_ISDIR(int(m[2], 8)):
					below.append((name, int(m[1])))
		level = below
	return all_files


def decode_time(text):
	"""debugfs' seconds and, where the inode has it, the word with nanoseconds and high bits."""
	m = re.search(rb"^ *mtime: 0x([0-9a-f]+)(?::([0-9a-f]+))?", text, re.M)
	sec, extra = int(m[1], 16), int(m[2] or b"0", 16)
	sec -= (sec >> 31) << 32
	return b"%d.%09d0" % (sec + ((extra & 3) << 32), extra >> 2)


def dump(image, numbers):
	"""(number, bytes) of files."""
	with tempfile.TemporaryDirectory() as d:
		d = os.fsencode(d)
		debugfs(image, [b"dump <%d> %s/%d" % (n, d, n) for n in numbers])
		for n in numbers:
			with open(b"%s/%d" % (d, n), "rb") as f:
				yield n, f.read()


def list_image(image):
	files = walk(image)
	texts = debugfs(image, [b"stat <%d>" % n for _, n, _ in files])
	types = {stat.S_IFDIR: b"d", stat.S_IFREG: b"f", stat.S_IFLNK: b"l", stat.S_IFCHR: b"c",
		 stat.S_IFBLK: b"b", stat.S_IFIFO: b"p", stat.S_IFSOCK: b"s"}
	slow = [n for (_, n, mode), text in zip(files, texts)
		if stat.S_ISLNK(mode) and b"Fast link dest" not in text]
	targets = dict(dump(image, slow))
	for (path, n, mode), text in zip(files, texts):
		def field(name):
			return re.search(rb"\b" + name + rb": *(-?\d+)", text)[1]
		def owner(name):	# which debugfs takes for signed
			return b"%d" % (int(field(name)) & 0xffffffff)
		target = b""
		if stat.S_ISLNK(mode):
			target = targets.get(n) or re.search(rb'Fast link dest: "(.*)"', text)[1]
		sys.stdout.buffer.write(b"|".join([b"%d" % n, types[stat.S_IFMT(mode)],
			b"%o" % int(field(b"Mode"), 8), owner(b"User"), owner(b"Group"), field(b"Links"),
			field(b"Size"), field(b"Blockcount"), decode_time(text), path, target]) + b"\n")


def sum_directory(top):
	for folder, _, names in os.walk(os.fsencode(top)):
		for path in (folder + b"/" + name for name in names):
			if not stat.S_ISREG(os.lstat(path).st_mode):
				continue
			with open(path, "rb") as f:
				sha = hashlib.file_digest(f, "sha256").hexdigest().encode()
			sys.stdout.buffer.write(b"%s  .%s\n" % (sha, path[len(top):]))


def sum_image(image):
	if os.path.isdir(image):
		sum_directory(image)
		return
	files = [(p, n) for p, n, mode in walk(image) if stat.S_ISREG(mode)]
	sums = {n: hashlib.sha256(data).hexdigest().encode()
		for n, data in dump(image, sorted({n for _, n in files}))}
	for path, n in files:
		sys.stdout.buffer.write(b"%s  ./%s\n" % (sums[n], path))


def set_nsec(image):
	numbers = [n for p, n, mode in walk(image) if stat.S_ISREG(mode) and p.startswith(b"data/")][:40]
	debugfs(image, [b"sif <%d> mtime_extra %d" % (n, (i * 24999999 % 1000000000) << 2 | i % 4)
		for i, n in enumerate(numbers)], ["-w"])


def dirty(image):
	"""Leaves a journal: blocks written twice, of which the file system has neither version, and
	a block that was written and then revoked, of which it has the right version."""
	head = subprocess.run(["dumpe2fs", "-h", image], check=True, stdout=subprocess.PIPE,
		stderr=subprocess.DEVNULL).stdout
	size = int(re.search(rb"^Block size: *(\d+)", head, re.M)[1])
	some = [n for p, n, mode in walk(image) if stat.S_ISREG(mode) and p.startswith(b"data/")]
	out = debugfs(image, [b"blocks <2>", b"blocks /many", b"blocks /sparse/pieces", b"imap /kinds/one",
		b"blocks <%d>" % some[5], b"blocks <%d>" % some[60]])
	numbers = lambda text: [int(n) for n in text.split()]
	logged = numbers(b" ".join(out[i] for i in (0, 1, 2, 4)))
	logged.append(int(re.search(rb"located at block (\d+)", out[3])[1]))
	revoked = numbers(out[5])[:1]
	assert len(logged) > 20 and revoked
	rnd = random.Random(1)
	with open(image, "r+b") as f, tempfile.TemporaryDirectory() as d:
		commands = [b"jo -c" if b" metadata_csum" in head else b"jo"]
		def transactions(blocks, read):
			# debugfs loses the commit of one with more than one descriptor block
			for i in range(0, len(blocks), 40):
				name = b"%s/%d" % (os.fsencode(d), len(commands))
				write(name, b"".join(read(n) for n in blocks[i:i + 40]))
				commands.append(b"jw -b %s %s" % (b",".join(b"%d" % n for n in blocks[i:i + 40]), name))
		def current(n):
			f.seek(n * size)
			return f.read(size)
		transactions(logged + revoked, lambda n: rnd.randbytes(size))
		transactions(logged, current)
		commands.append(b"jw -r %d" % revoked[0])
		debugfs(image, commands + [b"jc"], ["-w"])
		for n in logged:
			f.seek(n * size)
			f.write(bytes(size))


def compare(out, name, want):
	with open(out, "rb") as f:
		text = f.read()
	m = re.search(rb"^== " + re.escape(name.encode()) + rb"\n(.*?)^== ", text, re.M | re.S)
	if not m:
		sys.exit(f"{name}: not in what Lux9 wrote")
	got = sorted(m[1].split(b"\n"))
	with open(want, "rb") as f:
		wanted = sorted(f.read().split(b"\n"))
	if len(wanted) < 100:
		sys.exit(f"{want}: nothing to compare with")
	if got == wanted:
		return
	for sign, a, b in (("wanted", set(wanted), set(got)), ("got", set(got), set(wanted))):
		for line in sorted(a - b)[:4]:
			print(f"{name}: {sign} {line!r}")
	sys.exit(f"{name}: {len(got)} lines, of which {len(set(got) - set(wanted))} are wrong; "
		f"wanted {len(wanted)}")


if __name__ == "__main__":
	{"tree": make_tree, "list": list_image, "sums": sum_image, "nsec": set_nsec, "dirty": dirty,
	 "compare": compare}[sys.argv[1]](*sys.argv[2:])
