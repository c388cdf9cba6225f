/*
 * dev_root: the root of every name space: empty directories to mount on.  root(3)
 */
#include "name.h"

enum { QROOT = 0, DIR_MODE = 0040555 };

static const char *const dirs[] = {
	"dev", "boot", "srv", "env", "proc", "root", "net", "tmp", "bin", "mnt", "n",
};

static int
root_gen(struct chan *c, int i, struct dirtab *e, char[SYS_NAME_MAX + 1])
{
	if (c->qid.path != QROOT || i >= (int)ARRAY_LEN(dirs))
		return -1;
	*e = (struct dirtab){ dirs[i], (uint64_t)i + 1, DIR_MODE, 0 };
	return 1;
}

static int
root_attach(const struct dev *d, struct chan **out)
{
	struct chan *c;
	int err = devtab_attach(d, &c);

	if (err < 0)
		return err;
	c->path = path_new("/", 1);
	if (c->path == NULL) {
		chan_put(c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

const struct dev dev_root = {
	.gen = root_gen,
	.name = "root", .attach = root_attach, .walk = devtab_walk,
	.readdir = devtab_readdir, .stat = devtab_plain_stat,
};
