/*
 * The client in plain 9P2000: what is said with stat records there.  Users and groups are numbers
 * when their names are decimal, and P9_NOUID otherwise.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <lux9/sys.h>
#include "client.h"

#define STAT_MAX 2048	/* bytes of a record that this client sends */

uint8_t
p9c_plain_omode(uint32_t flags)
{
	static const uint8_t access[4] = { P9_OREAD, P9_OWRITE, P9_ORDWR, P9_OREAD };

	return (uint8_t)(access[flags & O_ACCMODE] | (flags & O_TRUNC ? P9_OTRUNC : 0));
}

static uint32_t
number(struct p9_str s)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < s.n; i++) {
		if (s.s[i] < '0' || s.s[i] > '9' || v > UINT32_MAX)
			return P9_NOUID;
		v = v * 10 + (uint64_t)(s.s[i] - '0');
	}
	return s.n && v < UINT32_MAX ? (uint32_t)v : P9_NOUID;
}

int
p9c_plain_getattr(struct p9c_file *f, struct ipc_attr *a)
{
	struct p9_msg t = { .type = P9_TSTAT, .fid = f->num }, r;
	struct p9_stat s;
	void *keep;
	int rc = p9c_rpc(f->client, &t, &r, &keep);

	if (rc == 0 && p9_stat_unpack(r.stat.s, r.stat.n, &s) != r.stat.n)
		rc = -EPROTO;
	if (rc == 0) {
		*a = (struct ipc_attr){ .valid = P9_GETATTR_BASIC, .qid = s.qid, .nlink = 1 };
		a->mode = (s.mode & 0777) | (s.mode & P9_DMDIR ? S_IFDIR : S_IFREG);
		a->uid = number(s.uid);
		a->gid = number(s.gid);
		a->size = s.length;
		a->blksize = 4096;
		a->blocks = s.length / 512 + (s.length % 512 != 0);
		a->atime_sec = s.atime;
		a->mtime_sec = a->ctime_sec = s.mtime;
	}
	free(keep);
	return rc;
}

static int
wstat(struct p9c_file *f, const struct p9_stat *s)
{
	struct p9_msg t = { .type = P9_TWSTAT, .fid = f->num }, r;
	uint8_t buf[STAT_MAX];
	int n = p9_stat_pack(buf, sizeof buf, s);

	if (n < 0)
		return n;
	t.stat = (struct p9_str){ (const char *)buf, (uint16_t)n };
	return p9c_simple(f->client, &t, &r);
}

/* A record that changes nothing: Twstat of it is a sync. */
static struct p9_stat
nothing(void)
{
	return (struct p9_stat){ .type = 0xffff, .dev = ~0u, .qid = { ~0ull, ~0u, 0xff, { 0 } },
		.mode = ~0u, .atime = ~0u, .mtime = ~0u, .length = ~0ull };
}

int
p9c_plain_fsync(struct p9c_file *f)
{
	struct p9_stat s = nothing();

	return wstat(f, &s);
}

int
p9c_plain_setattr(struct p9c_file *f, const struct ipc_setattr *a)
{
	struct p9_stat s = nothing();
	char uid[16], gid[16];

	if (a->valid & SYS_ATTR_MODE)
		s.mode = (a->mode & 0777) | (f->qid.type & P9_QTDIR ? P9_DMDIR : 0);
	if (a->valid & SYS_ATTR_SIZE)
		s.length = a->size;
	if (a->valid & SYS_ATTR_ATIME_SET)
		s.atime = (uint32_t)a->atime_sec;
	if (a->valid & SYS_ATTR_MTIME_SET)
		s.mtime = (uint32_t)a->mtime_sec;
	if (a->valid & SYS_ATTR_UID) {
		snprintf(uid, sizeof uid, "%u", a->uid);
		s.uid = p9_str(uid);
	}
	if (a->valid & SYS_ATTR_GID) {
		snprintf(gid, sizeof gid, "%u", a->gid);
		s.gid = p9_str(gid);
	}
	return wstat(f, &s);
}

int
p9c_plain_mkdir(struct p9c_file *dir, const char *name, uint32_t mode)
{
	struct p9_msg t = { .type = P9_TCREATE, .omode = P9_OREAD }, r;
	struct p9c_file *f;
	int rc = p9c_walk(dir, "", &f);

	if (rc)
		return rc;
	t.fid = f->num;
	t.name = p9_str(name);
	t.mode = (mode & 0777) | P9_DMDIR;
	rc = p9c_simple(f->client, &t, &r);
	p9c_clunk(f);
	return rc;
}

int
p9c_plain_unlink(struct p9c_file *dir, const char *name)
{
	struct p9_msg t = { .type = P9_TREMOVE }, r;
	struct p9c_file *f;
	int rc = p9c_walk(dir, name, &f);

	if (rc)
		return rc;
	t.fid = f->num;
	rc = p9c_simple(f->client, &t, &r);
	p9c_file_free(f);	/* it is gone whether that succeeded or not */
	return rc;
}

int
p9c_plain_rename(struct p9c_file *dir, const char *name, struct p9c_file *newdir,
	const char *newname)
{
	struct p9_stat s = nothing();
	struct p9c_file *f;
	int rc;

	if (dir->qid.path != newdir->qid.path)
		return -EOPNOTSUPP;
	rc = p9c_walk(dir, name, &f);
	if (rc)
		return rc;
	s.name = p9_str(newname);
	rc = wstat(f, &s);
	p9c_clunk(f);
	return rc;
}

static int
entry(const struct p9_stat *s, int (*fn)(void *, const struct p9c_entry *), void *arg)
{
	struct p9c_entry e;

	if (s->name.n > P9_NAME_MAX)
		return -EPROTO;
	e.qid = s->qid;
	e.type = s->qid.type & P9_QTDIR ? DT_DIR : DT_REG;
	memcpy(e.name, s->name.s, s->name.n);
	e.name[s->name.n] = 0;
	return fn(arg, &e);
}

static int
entries(const struct p9_msg *r, int (*fn)(void *, const struct p9c_entry *), void *arg)
{
	const uint8_t *p = r->data, *end = p + r->count;
	struct p9_stat s;
	int rc = 0;

	while (rc == 0 && p < end) {
		int n = p9_stat_unpack(p, (size_t)(end - p), &s);

		if (n < 0)
			return -EPROTO;
		p += n;
		rc = entry(&s, fn, arg);
	}
	return rc;
}

int
p9c_plain_list(struct p9c_file *f, int (*fn)(void *, const struct p9c_entry *), void *arg)
{
	struct p9_msg t = { .type = P9_TREAD, .fid = f->num }, r = { 0 };
	void *keep;
	int rc;

	t.count = f->client->msize - P9_IOHDR;
	for (int i = 0; i < P9C_LIST_MAX; i++) {
		rc = p9c_rpc(f->client, &t, &r, &keep);
		if (rc == 0 && r.count > t.count)
			rc = -EPROTO;
		if (rc == 0)
			rc = entries(&r, fn, arg);
		free(keep);
		if (rc || r.count == 0)
			return rc;
		t.offset += r.count;
	}
	return -EPROTO;
}
