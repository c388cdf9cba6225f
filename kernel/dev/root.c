/*
 * dev_root: the root of every name space: empty directories to mount on.  root(3)
 */
#include "name.h"

enum { QROOT = 0, DIR_MODE = 0040555 };

static const char *const dirs[] = {
	"dev", "boot", "srv", "env", "proc", "root", "net", "tmp", "bin", "mnt", "n",
};

static int
root_gen(struct chan *c, int i, struct dirtab *e, char buf[SYS_NAME_MAX + 1])
{
	(void)buf;
	if (c->qid.path != QROOT || i >= (int)ARRAY_LEN(dirs))
		return -1;
	*e = (struct dirtab){ dirs[i], (uint64_t)i + 1, DIR_MODE, 0 };
	return 1;
}

static int
root_attach(const struct dev *d, struct chan **out)
{
	int err = devtab_attach(d, out);

	if (err == 0)
		(*out)->path = path_new("/", 1);
	return err;
}

static int
root_open(struct chan **c, uint32_t flags)
{
	(void)c;
	(void)flags;
	return 0;
}

static int
root_stat(struct chan *c, struct sys_stat *st)
{
	return devtab_stat(c, st, &(struct dirtab){ "", c->qid.path, DIR_MODE, 0 });
}

const struct dev dev_root = {
	.gen = root_gen,
	.name = "root", .attach = root_attach, .walk = devtab_walk, .open = root_open,
	.readdir = devtab_readdir, .stat = root_stat,
};
