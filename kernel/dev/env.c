/*
 * dev_env: /env, the environment: named values, shared by a group of processes.  env(3)
 *
 * A channel has a variable's id (qid.path), which is never used again; the environment is the
 * current process's at each call, as in Plan 9.  `lock` is a sleeping lock, because values go to
 * and from user memory.  Bounds: VARS_MAX variables of VALUE_MAX bytes.
 */
#include "env.h"

#include "proc.h"

#define VARS_MAX	1024
#define VALUE_MAX	(64 * 1024ul)

enum { DIR_MODE = 0040777, FILE_MODE = 0100666, QROOT = 0 };

struct var {
	struct list node;
	uint64_t id;
	char *value;
	size_t length;
	char name[];
};

struct env {
	uint32_t refs;
	struct mutex lock;
	struct list vars;
	uint64_t last_id;
	int nvars;
};

struct env *
env_new(void)
{
	struct env *e = kzalloc(sizeof(*e));

	if (e) {
		e->refs = 1;
		mutex_init(&e->lock, "environment");
		list_init(&e->vars);
		e->last_id = QROOT;
	}
	return e;
}

void
env_get(struct env *e)
{
	ref_get(&e->refs);
}

static void
var_free(struct env *e, struct var *v)
{
	list_remove(&v->node);
	e->nvars--;
	kfree(v->value);
	kfree(v);
}

void
env_put(struct env *e)
{
	if (e == NULL || !ref_put(&e->refs))
		return;
	list_for_each_safe(p, n, &e->vars)
		var_free(e, list_entry(p, struct var, node));
	kfree(e);
}

static struct var *
var_new(struct env *e, const char *name)
{
	size_t n = strlen(name) + 1;
	struct var *v = kzalloc(sizeof(*v) + n);

	if (v == NULL)
		return NULL;
	memcpy(v->name, name, n);
	v->id = ++e->last_id;
	list_append(&e->vars, &v->node);
	e->nvars++;
	return v;
}

/* The value is n bytes long, the new ones zero: 0 or -ENOMEM. */
static int
var_resize(struct var *v, size_t n)
{
	char *value = n > 0 ? kzalloc(n) : NULL;
	size_t keep = MIN(n, v->length);

	if (n > 0 && value == NULL)
		return -ENOMEM;
	if (keep > 0)
		memcpy(value, v->value, keep);
	kfree(v->value);
	v->value = value;
	v->length = n;
	return 0;
}

struct env *
env_copy(struct env *e)
{
	struct env *n = env_new();
	bool failed = n == NULL;

	if (failed)
		return NULL;
	mutex_lock(&e->lock);
	list_for_each(p, &e->vars) {
		struct var *v = list_entry(p, struct var, node), *w = var_new(n, v->name);

		if (w == NULL || var_resize(w, v->length) < 0) {
			failed = true;
			break;
		}
		w->id = v->id;
		if (v->length > 0)
			memcpy(w->value, v->value, v->length);
	}
	n->last_id = e->last_id;
	mutex_unlock(&e->lock);
	if (failed) {
		env_put(n);
		return NULL;
	}
	return n;
}

/* The current process's environment, locked. */
static struct env *
env_lock(void)
{
	struct env *e = proc_current()->env;

	mutex_lock(&e->lock);
	return e;
}

/* The variable with that name or, if it is NULL, that id. */
static struct var *
find(struct env *e, const char *name, uint64_t id)
{
	list_for_each(p, &e->vars) {
		struct var *v = list_entry(p, struct var, node);

		if (name ? strcmp(v->name, name) == 0 : v->id == id)
			return v;
	}
	return NULL;
}

static int
env_gen(struct chan *c, int i, struct dirtab *d, char buf[SYS_NAME_MAX + 1])
{
	struct env *e;
	int r = -1;

	if (c->qid.path != QROOT)
		return -1;
	e = env_lock();
	list_for_each(p, &e->vars) {
		struct var *v = list_entry(p, struct var, node);

		if (i-- > 0)
			continue;
		strlcpy(buf, v->name, SYS_NAME_MAX + 1);
		*d = (struct dirtab){ buf, v->id, FILE_MODE, v->length };
		r = 1;
		break;
	}
	mutex_unlock(&e->lock);
	return r;
}

static int
env_open(struct chan **c, uint32_t flags)
{
	struct env *e = env_lock();
	struct var *v = find(e, NULL, (*c)->qid.path);

	if (v && flags & SYS_O_TRUNC)
		var_resize(v, 0);
	mutex_unlock(&e->lock);
	return v || (*c)->qid.path == QROOT ? 0 : -ENOENT;
}

static int
env_create(struct chan *c, const char *name, uint32_t, uint32_t)
{
	struct env *e = env_lock();
	int err = 0;

	if (find(e, name, 0))
		err = -EEXIST;
	else if (e->nvars >= VARS_MAX)
		err = error(ENOSPC, "env: more than %d variables", VARS_MAX);
	else if (var_new(e, name) == NULL)
		err = -ENOMEM;
	else
		c->qid = (struct qid){ .path = e->last_id };
	mutex_unlock(&e->lock);
	return err;
}

static int64_t
env_read(struct chan *c, struct uio *u, uint64_t off)
{
	struct env *e = env_lock();
	struct var *v = find(e, NULL, c->qid.path);
	int64_t n = v ? uio_put_text(u, off, v->value, v->length) : -ENOENT;

	mutex_unlock(&e->lock);
	return n;
}

static int64_t
env_write(struct chan *c, struct uio *u, uint64_t off)
{
	size_t n = u->left, old;
	struct env *e;
	struct var *v;
	int err = -ENOENT;

	if (n == 0)
		return 0;
	if (off > VALUE_MAX || n > VALUE_MAX - off)
		return error(EFBIG, "env: a value of more than %lu bytes", VALUE_MAX);
	e = env_lock();
	v = find(e, NULL, c->qid.path);
	if (v) {
		old = v->length;
		err = off + n > old ? var_resize(v, off + n) : 0;
		if (err == 0)
			err = uio_get(u, v->value + off, n);
		if (err < 0)
			v->length = old;
	}
	mutex_unlock(&e->lock);
	return err < 0 ? err : (int64_t)n;
}

static int
env_stat(struct chan *c, struct sys_stat *st)
{
	bool root = c->qid.path == QROOT;
	struct env *e = env_lock();
	struct var *v = find(e, NULL, c->qid.path);
	size_t length = v ? v->length : 0;

	mutex_unlock(&e->lock);
	if (v == NULL && !root)
		return -ENOENT;
	return devtab_stat(c, st, &(struct dirtab){ "", 0, root ? DIR_MODE : FILE_MODE, length });
}

static int
env_setattr(struct chan *c, const struct sys_attr *a)
{
	if (!(a->valid & SYS_ATTR_SIZE))
		return 0;
	return a->size == 0 ? env_open(&c, SYS_O_TRUNC) : -EINVAL;
}

static int
env_unlink(struct chan *, const char *name, uint32_t flags)
{
	struct env *e;
	struct var *v;

	if (flags & SYS_AT_REMOVEDIR)
		return -ENOTDIR;
	e = env_lock();
	v = find(e, name, 0);
	if (v)
		var_free(e, v);
	mutex_unlock(&e->lock);
	return v ? 0 : -ENOENT;
}

const struct dev dev_env = {
	.gen = env_gen,
	.name = "env", .attach = devtab_attach, .walk = devtab_walk, .open = env_open,
	.create = env_create, .read = env_read, .write = env_write, .readdir = devtab_readdir,
	.stat = env_stat, .setattr = env_setattr, .unlink = env_unlink,
};
