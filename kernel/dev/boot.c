/*
 * dev_boot: the boot archive, read-only.  boot(3); POSIX.1-2017 pax, "ustar Interchange Format".
 *
 * The archive is hostile: sizes, checksums and names are checked, its end is its end.  Files and
 * directories count; links and special files are passed over.  Directories that are only implied
 * by names are made.  Later entries replace earlier ones of the same name.  The index is made
 * once, before there are readers, and needs no lock; qid.path is an index into it.
 */
#include "archive.h"

#include "chan.h"

#define BLOCK		512
#define NODES_MAX	4096
#define DEPTH_MAX	32

enum {					/* [ustar] */
	U_NAME = 0, U_NAME_LEN = 100, U_MODE = 100, U_SIZE = 124, U_MTIME = 136, U_CHKSUM = 148,
	U_TYPE = 156, U_MAGIC = 257, U_PREFIX = 345, U_PREFIX_LEN = 155,
};

struct node {
	char *name;
	uint32_t parent, first, last, next;	/* indexes; 0: none (the root is nobody's child) */
	uint32_t mode;
	int64_t mtime;
	const uint8_t *data;
	size_t size;
};

static struct node *nodes;
static uint32_t nnodes;

/* An octal field, ended by NUL or a space; false if it is not one. */
static bool
octal(const uint8_t *p, size_t n, uint64_t *out)
{
	uint64_t v = 0;
	size_t i = 0;

	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(p[i] - '0');
	*out = v;
	return i == n || p[i] == '\0' || p[i] == ' ';
}

static bool
header_valid(const uint8_t *h)
{
	uint64_t sum = 0, want;

	if (memcmp(h + U_MAGIC, "ustar", 5) != 0 || !octal(h + U_CHKSUM, 8, &want))
		return false;
	for (int i = 0; i < BLOCK; i++)
		sum += i >= U_CHKSUM && i < U_CHKSUM + 8 ? ' ' : h[i];
	return sum == want;
}

static uint32_t
child(uint32_t dir, const char *name, size_t n)
{
	uint32_t i = nodes[dir].first;

	while (i && (strncmp(nodes[i].name, name, n) != 0 || nodes[i].name[n] != '\0'))
		i = nodes[i].next;
	return i;
}

/* The child of that name, made as a directory if it is new; 0 if there is no room. */
static uint32_t
child_make(uint32_t dir, const char *name, size_t n)
{
	uint32_t i = child(dir, name, n);

	if (i || nnodes == NODES_MAX)
		return i;
	nodes[nnodes].name = kzalloc(n + 1);
	if (nodes[nnodes].name == NULL)
		return 0;
	i = nnodes++;
	memcpy(nodes[i].name, name, n);
	nodes[i].mode = 0040555;
	nodes[i].parent = dir;
	if (nodes[dir].last)
		nodes[nodes[dir].last].next = i;
	else
		nodes[dir].first = i;
	nodes[dir].last = i;
	return i;
}

/* The node of a path with its directories, made as needed; 0 for one that is refused. */
static uint32_t
node_make(const char *path)
{
	uint32_t at = 0;

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		const char *end;
		size_t n;

		while (*path == '/')
			path++;
		for (end = path; *end && *end != '/'; end++)
			;
		n = (size_t)(end - path);
		if (n == 0)
			return at;
		if (n == 2 && path[0] == '.' && path[1] == '.')
			return 0;
		if (n != 1 || path[0] != '.') {
			if ((nodes[at].mode >> 12) != 4)
				return 0;
			at = child_make(at, path, n);
			if (at == 0)
				return 0;
		}
		path = end;
	}
	return 0;
}

static void
entry_add(const uint8_t *h, uint64_t size)
{
	char path[U_PREFIX_LEN + 1 + U_NAME_LEN + 1];
	size_t n = strnlen((const char *)h + U_PREFIX, U_PREFIX_LEN);
	size_t k = strnlen((const char *)h + U_NAME, U_NAME_LEN);
	bool dir = h[U_TYPE] == '5';
	uint64_t mode, mtime;
	uint32_t i;

	if (!dir && h[U_TYPE] != '0' && h[U_TYPE] != '\0')
		return;
	memcpy(path, h + U_PREFIX, n);
	if (n > 0)
		path[n++] = '/';
	memcpy(path + n, h + U_NAME, k);
	path[n + k] = '\0';
	i = node_make(path);
	if (i == 0 || (nodes[i].first && !dir))
		return;
	if (!octal(h + U_MODE, 8, &mode))
		mode = 0444;
	if (!octal(h + U_MTIME, 12, &mtime))
		mtime = 0;
	nodes[i].mode = (uint32_t)(mode & 0555) | (dir ? 0040000 : 0100000);
	nodes[i].mtime = (int64_t)mtime;
	nodes[i].data = dir ? NULL : h + BLOCK;
	nodes[i].size = dir ? 0 : size;
}

void
boot_archive_set(const void *p, size_t n)
{
	const uint8_t *h = p;
	uint64_t size;

	nodes = kzalloc(NODES_MAX * sizeof(*nodes));
	if (nodes == NULL)
		return;
	nodes[0].mode = 0040555;
	nnodes = 1;
	while (n >= BLOCK && h[0] != '\0') {
		if (!header_valid(h) || !octal(h + U_SIZE, 12, &size) || size > n - BLOCK) {
			kprint("boot: the archive is damaged at byte %lu\n",
			       (size_t)(h - (const uint8_t *)p));
			return;
		}
		entry_add(h, size);
		size = MIN(ROUND_UP(size, (uint64_t)BLOCK), n - BLOCK);
		h += BLOCK + size;
		n -= BLOCK + size;
	}
}

static int
boot_gen(struct chan *c, int i, struct dirtab *e, char[SYS_NAME_MAX + 1])
{
	uint32_t k = nodes ? nodes[c->qid.path].first : 0;

	while (k && i-- > 0)
		k = nodes[k].next;
	if (k == 0)
		return -1;
	*e = (struct dirtab){ nodes[k].name, k, nodes[k].mode, nodes[k].size };
	return 1;
}

static int
boot_open(struct chan **, uint32_t flags)
{
	return (flags & SYS_O_ACCMODE) == SYS_O_RDONLY ? 0
		: error(EROFS, "boot: the boot archive cannot be written");
}

static int64_t
boot_read(struct chan *c, struct uio *u, uint64_t off)
{
	const struct node *f = &nodes[c->qid.path];

	return uio_put_text(u, off, (const char *)f->data, f->size);
}

static int
boot_stat(struct chan *c, struct sys_stat *st)
{
	static const struct node empty = { .mode = 0040555 };
	const struct node *f = nodes ? &nodes[c->qid.path] : &empty;

	devtab_stat(c, st, &(struct dirtab){ "", c->qid.path, f->mode, f->size });
	st->mtime.sec = st->atime.sec = st->ctime.sec = f->mtime;
	return 0;
}

const struct dev dev_boot = {
	.gen = boot_gen,
	.name = "boot", .attach = devtab_attach, .walk = devtab_walk, .open = boot_open,
	.read = boot_read, .readdir = devtab_readdir, .stat = boot_stat,
};
