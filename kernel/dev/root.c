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

const struct dev dev_root = {
	.gen = root_gen,
	.name = "root", .attach = root_attach, .walk = devtab_walk,
	.readdir = devtab_readdir, .stat = devtab_plain_stat,
};
