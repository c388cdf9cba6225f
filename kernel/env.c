/*
 * The environment of a group of processes: named values.  /env shows it (dev/env.c).
 *
 * `lock` is a sleeping lock, because values go to and from user memory.  Bounds: VARS_MAX
 * variables of VALUE_MAX bytes.
 */
#include "env.h"

#define VARS_MAX	1024
#define VALUE_MAX	(64 * 1024)

struct var {
	struct list node;
	uint64_t id;
	char *value;
	size_t length, room;
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
		e->last_id = 1;
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
	while (!list_empty(&e->vars))
		var_free(e, list_entry(e->vars.next, struct var, node));
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

/* At least n bytes of room, the new ones zero: 0, -EFBIG, -ENOMEM. */
static int
var_room(struct var *v, size_t n)
{
	size_t room = MAX(ROUND_UP(n, 64ul), v->room * 2);
	char *value;

	if (n > VALUE_MAX)
		return -EFBIG;
	if (n <= v->room)
		return 0;
	value = kzalloc(room);
	if (value == NULL)
		return -ENOMEM;
	if (v->length > 0)
		memcpy(value, v->value, v->length);
	kfree(v->value);
	v->value = value;
	v->room = room;
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

		if (w == NULL || var_room(w, v->length) < 0) {
			failed = true;
			break;
		}
		w->id = v->id;
		w->length = v->length;
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

static struct var *
by_name(struct env *e, const char *name)
{
	list_for_each(p, &e->vars) {
		struct var *v = list_entry(p, struct var, node);

		if (strcmp(v->name, name) == 0)
			return v;
	}
	return NULL;
}

static struct var *
by_id(struct env *e, uint64_t id)
{
	list_for_each(p, &e->vars) {
		struct var *v = list_entry(p, struct var, node);

		if (v->id == id)
			return v;
	}
	return NULL;
}

int
env_make(struct env *e, const char *name, uint64_t *id)
{
	struct var *v;
	int err = 0;

	mutex_lock(&e->lock);
	v = by_name(e, name);
	if (v)
		err = -EEXIST;
	else if (e->nvars >= VARS_MAX)
		err = error(ENOSPC, "env: more than %d variables", VARS_MAX);
	else if ((v = var_new(e, name)) == NULL)
		err = -ENOMEM;
	if (v)
		*id = v->id;
	mutex_unlock(&e->lock);
	return err;
}

int
env_find(struct env *e, const char *name, uint64_t *id)
{
	struct var *v;

	mutex_lock(&e->lock);
	v = by_name(e, name);
	if (v)
		*id = v->id;
	mutex_unlock(&e->lock);
	return v ? 0 : -ENOENT;
}

static void
tell(const struct var *v, char name[SYS_NAME_MAX + 1], size_t *length)
{
	strlcpy(name, v->name, SYS_NAME_MAX + 1);
	*length = v->length;
}

int
env_at(struct env *e, int i, uint64_t *id, char name[SYS_NAME_MAX + 1], size_t *length)
{
	int err = -ENOENT;

	mutex_lock(&e->lock);
	list_for_each(p, &e->vars) {
		struct var *v = list_entry(p, struct var, node);

		if (i-- > 0)
			continue;
		tell(v, name, length);
		*id = v->id;
		err = 0;
		break;
	}
	mutex_unlock(&e->lock);
	return err;
}

int
env_info(struct env *e, uint64_t id, char name[SYS_NAME_MAX + 1], size_t *length)
{
	struct var *v;

	mutex_lock(&e->lock);
	v = by_id(e, id);
	if (v)
		tell(v, name, length);
	mutex_unlock(&e->lock);
	return v ? 0 : -ENOENT;
}

int
env_remove(struct env *e, const char *name)
{
	struct var *v;

	mutex_lock(&e->lock);
	v = by_name(e, name);
	if (v)
		var_free(e, v);
	mutex_unlock(&e->lock);
	return v ? 0 : -ENOENT;
}

int
env_truncate(struct env *e, uint64_t id)
{
	struct var *v;

	mutex_lock(&e->lock);
	v = by_id(e, id);
	if (v) {
		kfree(v->value);
		v->value = NULL;
		v->length = v->room = 0;
	}
	mutex_unlock(&e->lock);
	return v ? 0 : -ENOENT;
}

int64_t
env_read(struct env *e, uint64_t id, struct uio *u, uint64_t off)
{
	struct var *v;
	int64_t n = -ENOENT;

	mutex_lock(&e->lock);
	v = by_id(e, id);
	if (v)
		n = uio_put_text(u, off, v->value, v->length);
	mutex_unlock(&e->lock);
	return n;
}

int64_t
env_write(struct env *e, uint64_t id, struct uio *u, uint64_t off)
{
	size_t n = u->left;
	struct var *v;
	int err = -ENOENT;

	if (n == 0)
		return 0;
	if (off > VALUE_MAX || n > VALUE_MAX - off)
		return error(EFBIG, "env: a value of more than %d bytes", VALUE_MAX);
	mutex_lock(&e->lock);
	v = by_id(e, id);
	if (v)
		err = var_room(v, off + n);
	if (err == 0)
		err = uio_get(u, v->value + off, n);
	if (err == 0 && off + n > v->length)
		v->length = off + n;
	mutex_unlock(&e->lock);
	return err < 0 ? err : (int64_t)n;
}
