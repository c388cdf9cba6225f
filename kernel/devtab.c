/*
 * What kernel devices with fixed or generated trees share: walk, directory read, stat.
 *
 * A device's tree is told by a function that gives entry i of a directory.  A channel made here
 * has its parent's id, and no aux: that is an open file's own.
 */
#include "name.h"

#define ENTRIES_MAX (1 << 20)	/* of a directory; bounds a generator that never ends */

uint8_t
dirent_type(uint32_t mode)
{
	return (uint8_t)(mode >> 12 & 15);	/* DT_* are S_IF* shifted */
}

static uint8_t
qid_type(uint32_t mode)
{
	switch (mode >> 12 & 15) {
	case 4:
		return QT_DIR;
	case 10:
		return QT_SYMLINK;
	default:
		return QT_FILE;
	}
}

size_t
dirent_pack(void *buf, size_t n, uint64_t path, int64_t off, uint8_t type, const char *name)
{
	size_t k = strlen(name) + 1;
	size_t length = ROUND_UP(offsetof(struct sys_dirent, name) + k, 8ul);
	struct sys_dirent *d = buf;

	if (length > n)
		return 0;
	memset(buf, 0, length);
	d->qid_path = path;
	d->offset = off;
	d->reclen = (uint16_t)length;
	d->type = type;
	memcpy(d->name, name, k);
	return length;
}

static int
find(struct chan *c, const char *name, struct dirtab *e, char *buf)
{
	if (c->dev->find && c->qid.path == 0)
		return c->dev->find(name, e);
	for (int i = 0; i < ENTRIES_MAX; i++) {
		int r = c->dev->gen(c, i, e, buf);

		if (r < 0)
			break;
		if (r > 0 && e->name[0] == name[0] && strcmp(e->name, name) == 0)
			return 0;
	}
	return -ENOENT;
}

int
devtab_walk(struct chan *c, int n, const char *const *names, int *done, struct qid *qids,
	    struct chan **out)
{
	struct chan at = { .dev = c->dev, .qid = c->qid, .id = c->id };
	char buf[SYS_NAME_MAX + 1];
	struct dirtab e;

	*out = NULL;
	for (*done = 0; *done < n; ++*done) {
		int err = at.qid.type & QT_DIR ? find(&at, names[*done], &e, buf) : -ENOTDIR;

		if (err < 0)
			return *done == 0 ? err : 0;
		at.qid = (struct qid){ .path = e.path, .type = qid_type(e.mode) };
		qids[*done] = at.qid;
	}
	*out = chan_new(c->dev);
	if (*out == NULL)
		return -ENOMEM;
	(*out)->qid = at.qid;
	(*out)->id = c->id;
	return 0;
}

int
devtab_attach(const struct dev *d, struct chan **out)
{
	*out = chan_new(d);
	if (*out == NULL)
		return -ENOMEM;
	(*out)->qid.type = d->readdir ? QT_DIR : QT_FILE;
	return 0;
}

int64_t
devtab_readdir(struct chan *c, void *buf, size_t n, uint64_t off)
{
	char name[SYS_NAME_MAX + 1];
	struct dirtab e;
	size_t done = 0;
	int r, i = (int)MIN(off, (uint64_t)INT32_MAX);

	for (; (r = c->dev->gen(c, i, &e, name)) >= 0; i = MAX(r, i + 1)) {
		size_t k;

		if (r == 0)
			continue;
		k = dirent_pack((char *)buf + done, n - done, e.path, MAX(r, i + 1),
				dirent_type(e.mode), e.name);
		if (k == 0)
			return done > 0 ? (int64_t)done : -EINVAL;
		done += k;
	}
	return (int64_t)done;
}

int
devtab_check(const struct dirtab *e, uint32_t flags)
{
	if ((flags & SYS_O_ACCMODE) == SYS_O_RDONLY || e->mode & 0222)
		return 0;
	return error(EACCES, "%s: cannot be written", e->name);
}

int
devtab_stat(struct chan *c, struct sys_stat *st, const struct dirtab *e)
{
	memset(st, 0, sizeof(*st));
	st->dev = c->id;
	st->qid_path = c->qid.path;
	st->qid_version = c->qid.version;
	st->qid_type = c->qid.type;
	st->mode = e->mode;
	st->nlink = 1;
	st->size = e->size;
	st->blksize = PAGE_SIZE;
	st->blocks = (e->size + 511) / 512;
	return 0;
}

int
devtab_plain_stat(struct chan *c, struct sys_stat *st)
{
	uint32_t mode = c->qid.type & QT_DIR ? 0040555 : 0100666;

	return devtab_stat(c, st, &(struct dirtab){ c->dev->name, c->qid.path, mode, 0 });
}
