/*
 * dev_env: /env, the environment of whoever looks.  env(3)
 *
 * A channel has a variable's id (qid.path; the root's is 0); the environment is the current
 * process's at each call, as in Plan 9.
 */
#include "env.h"

#include "proc.h"

enum { DIR_MODE = 0040777, FILE_MODE = 0100666, QROOT = 0 };

static struct env *
current_env(void)
{
	return proc_current()->env;
}

static int
env_gen(struct chan *c, int i, struct dirtab *e, char buf[SYS_NAME_MAX + 1])
{
	size_t length;
	uint64_t id;

	if (c->qid.path != QROOT || env_at(current_env(), i, &id, buf, &length) < 0)
		return -1;
	*e = (struct dirtab){ buf, id, FILE_MODE, length };
	return 1;
}

static int
dev_env_attach(const char *spec, struct chan **out)
{
	(void)spec;
	*out = chan_new(&dev_env);
	if (*out == NULL)
		return -ENOMEM;
	(*out)->qid = (struct qid){ .path = QROOT, .type = QT_DIR };
	return 0;
}

static int
dev_env_walk(struct chan *c, int n, const char *const *names, int *done, struct qid *qids,
	     struct chan **out)
{
	return devtab_walk(c, n, names, done, qids, out, env_gen);
}

static int
dev_env_open(struct chan **c, uint32_t flags)
{
	return flags & SYS_O_TRUNC ? env_truncate(current_env(), (*c)->qid.path) : 0;
}

static int
dev_env_create(struct chan *c, const char *name, uint32_t flags, uint32_t mode)
{
	uint64_t id;
	int err = env_make(current_env(), name, &id);

	(void)mode;
	if (err == -EEXIST && !(flags & SYS_O_EXCL))
		err = flags & SYS_O_TRUNC ? env_truncate(current_env(), id) : 0;
	if (err == 0)
		c->qid = (struct qid){ .path = id };
	return err;
}

static int64_t
dev_env_read(struct chan *c, struct uio *u, uint64_t off)
{
	return env_read(current_env(), c->qid.path, u, off);
}

static int64_t
dev_env_write(struct chan *c, struct uio *u, uint64_t off)
{
	return env_write(current_env(), c->qid.path, u, off);
}

static int64_t
dev_env_readdir(struct chan *c, void *buf, size_t n, uint64_t off)
{
	return devtab_readdir(c, buf, n, off, env_gen);
}

static int
dev_env_stat(struct chan *c, struct sys_stat *st)
{
	struct dirtab e = { "", QROOT, DIR_MODE, 0 };
	char name[SYS_NAME_MAX + 1];
	int err;

	if (c->qid.path != QROOT) {
		e.mode = FILE_MODE;
		err = env_info(current_env(), c->qid.path, name, &e.size);
		if (err < 0)
			return err;
	}
	return devtab_stat(c, st, &e);
}

static int
dev_env_setattr(struct chan *c, const struct sys_attr *a)
{
	if (a->valid & SYS_ATTR_SIZE)
		return a->size == 0 ? env_truncate(current_env(), c->qid.path) : -EINVAL;
	return 0;
}

static int
dev_env_unlink(struct chan *dir, const char *name, uint32_t flags)
{
	(void)dir;
	return flags & SYS_AT_REMOVEDIR ? -ENOTDIR : env_remove(current_env(), name);
}

const struct dev dev_env = {
	.name = "env", .attach = dev_env_attach, .walk = dev_env_walk, .open = dev_env_open,
	.create = dev_env_create, .read = dev_env_read, .write = dev_env_write,
	.readdir = dev_env_readdir, .stat = dev_env_stat, .setattr = dev_env_setattr,
	.unlink = dev_env_unlink,
};
