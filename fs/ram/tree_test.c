/*
 * The whole server over a socket, against the host's own file system: the same random operations
 * on both, and after each the same answer (errno too); at the end the same tree, byte for byte,
 * with modes, link counts and sizes.  Then what a host cannot show: limits, listings while names
 * change, several clients at once.
 */
#include "ram.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lux9/sys.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MSIZE	(64 * 1024 + P9_IOHDR)

struct client {
	int fd;
	uint16_t tag;
	uint8_t in[MSIZE], out[MSIZE];
	struct p9_msg r;
};

static struct ram_fs fs;
static struct p9_srv srv;
static struct client c;
static char dir[] = "/tmp/ramfs" "XX" "XX" "XX";

static struct ram_fs *
the_fs(struct p9_srv *s)
{
	(void)s;
	return &fs;
}

static void
read_all(int fd, uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t got = read(fd, p, n);
		assert_true(got > 0);
		p += got;
		n -= (size_t)got;
	}
}

/* One request and its answer, in k->r: 0, or the negative errno that the server gave. */
static int
rpc(struct client *k, struct p9_msg m)
{
	m.tag = ++k->tag;
	int n = p9_pack(k->out, sizeof k->out, P9_2000L, &m);
	assert_true(n > 0);
	assert_int_equal(n, write(k->fd, k->out, (size_t)n));
	read_all(k->fd, k->in, 4);
	uint32_t size = k->in[0] | (uint32_t)k->in[1] << 8 | (uint32_t)k->in[2] << 16;
	assert_in_range(size, P9_HEADER, sizeof k->in);
	read_all(k->fd, k->in + 4, size - 4);
	assert_int_equal(0, p9_unpack(k->in, size, P9_2000L, &k->r));
	assert_int_equal(m.tag, k->r.tag);
	if (k->r.type == IPC_RLERROR)
		return -(int)k->r.error;
	assert_int_equal(m.type + 1, k->r.type);
	return 0;
}

static struct p9_msg
msg(unsigned type, uint32_t fid)
{
	return (struct p9_msg){ .type = (uint8_t)type, .fid = fid };
}

static void
begin(struct client *k)
{
	struct p9_msg m = { .type = P9_TVERSION, .msize = MSIZE, .version = p9_str("9P2000.L") };
	int s[2];
	assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	if (srv.state) {
		assert_int_equal(0, p9_srv_add_fd(&srv, s[1]));
	} else {
		char where[16];
		snprintf(where, sizeof where, "fd!%d", s[1]);
		assert_int_equal(0, p9_srv_start(&srv, where, 2));
	}
	k->fd = s[0];
	assert_int_equal(0, rpc(k, m));
	m = msg(IPC_TATTACH, 0);
	m.newfid = P9_NOFID;
	m.uname = p9_str("root");
	m.uid = 0;
	assert_int_equal(0, rpc(k, m));
}

static int
setup(void **state)
{
	(void)state;
	ram_of = the_fs;
	memset(&srv, 0, sizeof srv);
	srv.ops = &ram_ops;
	assert_int_equal(0, ram_fs_init(&fs, 8 << 20));
	fs.root->mode = S_IFDIR | 0700;			/* as mkdtemp's */
	strcpy(dir, "/tmp/ramfs" "XX" "XX" "XX");
	assert_non_null(mkdtemp(dir));
	begin(&c);
	return 0;
}

static int
teardown(void **state)
{
	char command[64];
	(void)state;
	close(c.fd);
	p9_srv_stop(&srv);
	p9_srv_wait(&srv);
	ram_fs_free(&fs);
	assert_int_equal(0, fs.used);			/* nothing was lost */
	assert_int_equal(0, fs.ninodes);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static void
clunk(struct client *k, uint32_t fid)
{
	assert_int_equal(0, rpc(k, msg(IPC_TCLUNK, fid)));
}

/* A new fid for a path of names with '/' between; as many walks as it takes. */
static int
walk(struct client *k, const char *path, uint32_t fid)
{
	struct p9_msg m = msg(IPC_TWALK, 0);
	m.newfid = fid;
	do {
		for (m.nwname = 0; *path && m.nwname < P9_NAMES_MAX; ) {
			size_t n = strcspn(path, "/");
			m.wname[m.nwname++] = (struct p9_str){ path, (uint16_t)n };
			path += n + (path[n] == '/');
		}
		int e = rpc(k, m);
		bool in_dir = e || !k->r.nwqid || k->r.wqid[k->r.nwqid - 1].type & P9_QTDIR;
		bool part = !e && k->r.nwqid < m.nwname;
		if ((e || part) && m.fid == fid)
			clunk(k, fid);
		if (e || part)
			return e ? e : in_dir ? -ENOENT : -ENOTDIR;
		m.fid = fid;
	} while (*path);
	return 0;
}

/* The directory of a path as a fid, its last name in *name. */
static int
parent(const char *path, uint32_t fid, struct p9_str *name)
{
	char up[256];
	const char *slash = strrchr(path, '/');
	snprintf(up, sizeof up, "%.*s", slash ? (int)(slash - path) : 0, path);
	*name = p9_str(slash ? slash + 1 : path);
	int e = walk(&c, up, fid);
	if (e || !*up || c.r.wqid[c.r.nwqid - 1].type & P9_QTDIR)
		return e;
	clunk(&c, fid);
	return -ENOTDIR;
}

static int
in_parent(const char *path, struct p9_msg m)
{
	int e = parent(path, 1, &m.name);
	if (e)
		return e;
	m.fid = 1;
	e = rpc(&c, m);
	clunk(&c, 1);
	return e;
}

static int
our_write(const char *path, uint64_t off, const void *data, uint32_t n, uint32_t flags)
{
	int e = walk(&c, path, 2);
	if (e == -ENOENT) {
		struct p9_msg m = { .type = IPC_TLCREATE, .flags = O_WRONLY, .mode = 0644 };
		e = parent(path, 1, &m.name);
		if (e)
			return e;
		m.fid = 1;
		e = rpc(&c, m);
		clunk(&c, 1);
		if (!e)
			e = walk(&c, path, 2);
	}
	if (e)
		return e;
	struct p9_msg m = msg(IPC_TLOPEN, 2);
	m.flags = O_WRONLY | flags;
	e = rpc(&c, m);
	if (!e) {
		m = msg(IPC_TWRITE, 2);
		m.offset = off;
		m.data = data;
		m.count = n;
		e = rpc(&c, m);
		assert_true(e || c.r.count == n);
	}
	clunk(&c, 2);
	return e;
}

static int
our_setattr(const char *path, struct ipc_setattr a)
{
	struct p9_msg m = msg(IPC_TSETATTR, 2);
	int e = walk(&c, path, 2);
	if (e)
		return e;
	m.setattr = a;
	e = rpc(&c, m);
	clunk(&c, 2);
	return e;
}

static int
our_rename(const char *from, const char *to)
{
	struct p9_msg m = { .type = IPC_TRENAMEAT };
	int e = parent(from, 1, &m.name);
	if (e)
		return e;
	e = parent(to, 2, &m.name2);
	if (!e) {
		m.fid = 1;
		m.newfid = 2;
		e = rpc(&c, m);
		clunk(&c, 2);
	}
	clunk(&c, 1);
	return e;
}

static int
our_link(const char *from, const char *to)
{
	struct p9_msg m = { .type = IPC_TLINK, .newfid = 2 };
	int e = walk(&c, from, 2);
	if (e)
		return e;
	e = in_parent(to, m);
	clunk(&c, 2);
	return e;
}

static int
host(int result)
{
	return result < 0 ? -errno : 0;
}

static int
host_write(const char *path, uint64_t off, const void *data, uint32_t n, uint32_t flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | (int)flags, 0644);
	if (fd < 0)
		return -errno;
	int e = pwrite(fd, data, n, (off_t)off) == (ssize_t)n ? 0 : -errno;
	close(fd);
	return e;
}

static uint32_t seed;

static uint32_t
rnd(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % n;
}

/* Directories a..c on up to three levels, files d..g; few, so that names meet. */
static void
random_path(char *path)
{
	static const char *const files[] = { "a", "b", "c", "d", "e", "f", "g" };
	unsigned depth = rnd(3);
	*path = '\0';
	for (unsigned i = 0; i < depth; i++)
		sprintf(path + strlen(path), "%s/", files[rnd(3)]);
	strcat(path, files[rnd(7)]);
}

static void
same(const char *what, const char *path, const char *path2, int ours, int hosts)
{
	if (ours != hosts)
		fail_msg("%s %s %s: %d, the host says %d", what, path, path2, ours, hosts);
}

static void
one_op(const char *p, const char *q)
{
	static char data[20000];
	char hp[300], hq[300];
	uint32_t n = rnd(sizeof data), off = rnd(3) ? rnd(9000) : rnd(200000);
	snprintf(hp, sizeof hp, "%s/%s", dir, p);
	snprintf(hq, sizeof hq, "%s/%s", dir, q);
	memset(data, 'a' + (int)rnd(26), n);
	switch (rnd(10)) {
	case 0:
	case 1:
		same("mkdir", p, "", in_parent(p, (struct p9_msg){ .type = IPC_TMKDIR,
			.mode = 0755 }), host(mkdir(hp, 0755)));
		break;
	case 2:
	case 3:
		same("write", p, "", our_write(p, off, data, n, 0),
			host_write(hp, off, data, n, 0));
		break;
	case 4:
		same("append", p, "", our_write(p, 0, data, n, O_APPEND),
			host_write(hp, 0, data, n, O_APPEND));
		break;
	case 5:
		same("unlink", p, "", in_parent(p, (struct p9_msg){ .type = IPC_TUNLINKAT }),
			host(unlink(hp)));
		break;
	case 6:
		same("rmdir", p, "", in_parent(p, (struct p9_msg){ .type = IPC_TUNLINKAT,
			.flags = SYS_AT_REMOVEDIR }), host(rmdir(hp)));
		break;
	case 7:
		same("rename", p, q, our_rename(p, q), host(rename(hp, hq)));
		break;
	case 8:
		same("link", p, q, our_link(p, q), host(link(hp, hq)));
		break;
	case 9:
		if (rnd(2))
			same("truncate", p, "", our_setattr(p, (struct ipc_setattr){
				.valid = SYS_ATTR_SIZE, .size = off }), host(truncate(hp, off)));
		else
			same("chmod", p, "", our_setattr(p, (struct ipc_setattr){
				.valid = SYS_ATTR_MODE, .mode = n & 0777 }),
				host(chmod(hp, n & 0777)));
		break;
	}
}

/* The names under a path, sorted, one a line. */
static void
our_names(const char *path, char *out)
{
	char *names[256];
	int n = 0;
	uint64_t offset = 0;
	assert_int_equal(0, walk(&c, path, 3));
	assert_int_equal(0, rpc(&c, msg(IPC_TLOPEN, 3)));
	for (;;) {
		struct p9_msg m = msg(IPC_TREADDIR, 3);
		m.offset = offset;
		m.count = 200;				/* several reads for a directory */
		assert_int_equal(0, rpc(&c, m));
		if (!c.r.count)
			break;
		const uint8_t *p = c.r.data;
		for (uint32_t at = 0; at < c.r.count; ) {
			struct p9_dirent e;
			int len = p9_dirent_unpack(p + at, c.r.count - at, &e);
			assert_true(len > 0);
			at += (uint32_t)len;
			offset = e.offset;
			if (!p9_str_eq(e.name, ".") && !p9_str_eq(e.name, ".."))
				names[n++] = strndup(e.name.s, e.name.n);
		}
	}
	clunk(&c, 3);
	for (int i = 1; i < n; i++)
		for (int j = i; j > 0 && strcmp(names[j - 1], names[j]) > 0; j--) {
			char *t = names[j];
			names[j] = names[j - 1];
			names[j - 1] = t;
		}
	*out = '\0';
	for (int i = 0; i < n; i++) {
		strcat(strcat(out, names[i]), "\n");
		free(names[i]);
	}
}

static void
compare_content(const char *path, const char *hp, uint64_t size)
{
	static uint8_t ours[MSIZE], hosts[MSIZE];
	int fd = open(hp, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(0, walk(&c, path, 3));
	assert_int_equal(0, rpc(&c, msg(IPC_TLOPEN, 3)));
	for (uint64_t at = 0; at <= size; ) {
		struct p9_msg m = msg(IPC_TREAD, 3);
		m.offset = at;
		m.count = 1 + rnd(MSIZE - P9_IOHDR - 1);
		assert_int_equal(0, rpc(&c, m));
		memcpy(ours, c.r.data, c.r.count);
		ssize_t n = pread(fd, hosts, m.count, (off_t)at);
		assert_int_equal(n, c.r.count);
		assert_memory_equal(hosts, ours, (size_t)n);
		if (!n)
			break;
		at += (uint64_t)n;
	}
	clunk(&c, 3);
	close(fd);
}

static void
compare_tree(const char *path)
{
	char ours[2048], hosts[2048] = "", hp[300];
	struct dirent **list;
	struct stat st;
	snprintf(hp, sizeof hp, "%s/%s", dir, path);
	assert_int_equal(0, lstat(hp, &st));
	assert_int_equal(0, walk(&c, path, 3));
	struct p9_msg m = msg(IPC_TGETATTR, 3);
	m.mask = P9_GETATTR_BASIC;
	assert_int_equal(0, rpc(&c, m));
	struct ipc_attr a = c.r.attr;
	clunk(&c, 3);
	assert_int_equal(st.st_mode, a.mode);
	if (!S_ISDIR(st.st_mode)) {
		assert_int_equal(st.st_nlink, a.nlink);
		assert_int_equal(st.st_size, a.size);
		compare_content(path, hp, a.size);
		return;
	}
	our_names(path, ours);
	int n = scandir(hp, &list, NULL, alphasort);
	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		if (list[i]->d_name[0] != '.')
			strcat(strcat(hosts, list[i]->d_name), "\n");
		free(list[i]);
	}
	free(list);
	assert_string_equal(hosts, ours);
	if (strlen(path) > 200)			/* renames can make it deep */
		return;
	for (char *line = ours, *nl; (nl = strchr(line, '\n')) != NULL; line = nl + 1) {
		char below[256];
		snprintf(below, sizeof below, "%s%s%.*s", path, *path ? "/" : "",
			(int)(nl - line), line);
		compare_tree(below);
	}
}

static void
against_the_host(void **state)
{
	char p[256], q[256];
	(void)state;
	for (uint32_t round = 1; round <= 4; round++) {
		seed = round * 7919;
		for (int i = 0; i < 600; i++) {
			random_path(p);
			random_path(q);
			one_op(p, q);
		}
		compare_tree("");
	}
}

/* A file that is open keeps its bytes when its name is gone. */
static void
unlinked_while_open(void **state)
{
	(void)state;
	assert_int_equal(0, our_write("x", 0, "hello", 5, 0));
	assert_int_equal(0, walk(&c, "x", 5));
	assert_int_equal(0, rpc(&c, msg(IPC_TLOPEN, 5)));
	assert_int_equal(0, in_parent("x", (struct p9_msg){ .type = IPC_TUNLINKAT }));
	assert_int_equal(-ENOENT, walk(&c, "x", 6));
	assert_int_equal(0, our_write("x", 0, "other", 5, 0));
	struct p9_msg m = msg(IPC_TREAD, 5);
	m.count = 100;
	assert_int_equal(0, rpc(&c, m));
	assert_int_equal(5, c.r.count);
	assert_memory_equal("hello", c.r.data, 5);
	clunk(&c, 5);
	/* A directory that is gone takes no names. */
	assert_int_equal(0, in_parent("d", (struct p9_msg){ .type = IPC_TMKDIR, .mode = 0755 }));
	assert_int_equal(0, walk(&c, "d", 5));
	assert_int_equal(0, in_parent("d", (struct p9_msg){ .type = IPC_TUNLINKAT,
		.flags = SYS_AT_REMOVEDIR }));
	m = msg(IPC_TMKDIR, 5);
	m.name = p9_str("e");
	assert_int_equal(-ENOENT, rpc(&c, m));
	clunk(&c, 5);
}

static void
symlinks_and_xattrs(void **state)
{
	(void)state;
	struct p9_msg m = { .type = IPC_TSYMLINK, .name2 = p9_str("../to/somewhere") };
	assert_int_equal(0, in_parent("l", m));
	assert_int_equal(-EEXIST, in_parent("l", m));
	assert_int_equal(0, walk(&c, "l", 5));
	assert_int_equal(0, rpc(&c, msg(IPC_TREADLINK, 5)));
	assert_true(p9_str_eq(c.r.name2, "../to/somewhere"));
	clunk(&c, 5);
	assert_int_equal(-ENOTDIR, walk(&c, "l/x", 5));
	assert_int_equal(0, our_write("f", 0, "1", 1, 0));
	assert_int_equal(0, walk(&c, "f", 5));
	m = msg(IPC_TXATTRCREATE, 5);
	m.name = p9_str("user.colour");
	m.size = 4;
	assert_int_equal(0, rpc(&c, m));
	m = msg(IPC_TWRITE, 5);
	m.data = "blue";
	m.count = 4;
	assert_int_equal(0, rpc(&c, m));
	clunk(&c, 5);
	assert_int_equal(0, walk(&c, "f", 5));
	m = msg(IPC_TXATTRWALK, 5);
	m.newfid = 6;
	m.name = p9_str("user.colour");
	assert_int_equal(0, rpc(&c, m));
	assert_int_equal(4, c.r.size);
	m = msg(IPC_TREAD, 6);
	m.count = 100;
	assert_int_equal(0, rpc(&c, m));
	assert_memory_equal("blue", c.r.data, 4);
	clunk(&c, 6);
	m = msg(IPC_TXATTRWALK, 5);
	m.newfid = 6;
	m.name = p9_str("user.none");
	assert_int_equal(-ENODATA, rpc(&c, m));
	clunk(&c, 5);
}

static void
full(void **state)
{
	static char data[32768];
	uint64_t off = 0;
	int e;
	(void)state;
	while ((e = our_write("big", off, data, sizeof data, 0)) == 0)
		off += sizeof data;
	assert_int_equal(-ENOSPC, e);
	assert_true(off > 7 << 20);
	struct p9_msg m = msg(IPC_TSTATFS, 0);
	assert_int_equal(0, rpc(&c, m));
	assert_true(c.r.statfs.bfree < 32);
	assert_int_equal(4096, c.r.statfs.bsize);
	assert_int_equal(2048, c.r.statfs.blocks);
	char name[16];
	for (int i = 0; !e || i == 0; i++) {		/* until names do not fit either */
		snprintf(name, sizeof name, "n%d", i);
		e = in_parent(name, (struct p9_msg){ .type = IPC_TMKDIR, .mode = 0755 });
	}
	assert_int_equal(-ENOSPC, e);
	assert_int_equal(0, in_parent("big", (struct p9_msg){ .type = IPC_TUNLINKAT }));
	assert_int_equal(0, our_write("small", 0, data, 4096, 0));
}

static void *
worker(void *arg)
{
	struct client *k = calloc(1, sizeof *k);
	int id = (int)(intptr_t)arg;
	char name[32];
	begin(k);
	for (int i = 0; i < 300; i++) {
		struct p9_msg m = { .type = IPC_TLCREATE, .flags = O_RDWR, .mode = 0600 };
		snprintf(name, sizeof name, "w%d-%d", id, i % 10);
		m.fid = 1;
		m.name = p9_str(name);
		assert_int_equal(0, walk(k, "", 1));
		assert_int_equal(0, rpc(k, m));
		m = msg(IPC_TWRITE, 1);
		m.data = name;
		m.count = (uint32_t)strlen(name);
		m.offset = (uint64_t)i * 7000;
		assert_int_equal(0, rpc(k, m));
		clunk(k, 1);
		m = msg(IPC_TRENAMEAT, 0);
		m.name = p9_str(name);
		m.newfid = 0;
		m.name2 = p9_str("shared");		/* all of them take each other's place */
		assert_int_equal(0, rpc(k, m));
		if (walk(k, "shared", 1) == 0) {
			assert_int_equal(0, rpc(k, msg(IPC_TLOPEN, 1)));
			m = msg(IPC_TREAD, 1);
			m.count = 60000;
			assert_int_equal(0, rpc(k, m));
			clunk(k, 1);
		}
	}
	close(k->fd);
	free(k);
	return NULL;
}

static void
many_clients(void **state)
{
	pthread_t t[4];
	char names[256];
	(void)state;
	for (intptr_t i = 0; i < 4; i++)
		assert_int_equal(0, pthread_create(&t[i], NULL, worker, (void *)i));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	our_names("", names);
	assert_string_equal("shared\n", names);
}

int
main(void)
{
	umask(0);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(against_the_host, setup, teardown),
		cmocka_unit_test_setup_teardown(unlinked_while_open, setup, teardown),
		cmocka_unit_test_setup_teardown(symlinks_and_xattrs, setup, teardown),
		cmocka_unit_test_setup_teardown(full, setup, teardown),
		cmocka_unit_test_setup_teardown(many_clients, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
