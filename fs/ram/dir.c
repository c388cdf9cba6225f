/*
 * Directories: a list in order of making, each entry with a cookie that only grows, so that a
 * listing can go on after any change; and a hash table once there are more than a few entries.
 * The tree's lock is held by the caller, for writing where names change.
 */
#include "ram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALL		8	/* entries that are looked through without a table */
#define FIRST_COOKIE	3	/* 1 and 2 are "." and ".." */

static uint32_t
hash_of(const char *name, size_t *len)
{
	uint32_t h = 2166136261u;
	const char *s = name;
	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	*len = (size_t)(s - name);
	return h;
}

struct ram_entry *
ram_dir_find(const struct ram_inode *dir, const char *name)
{
	const struct ram_dir *d = &dir->dir;
	size_t len;
	uint32_t h = hash_of(name, &len);
	struct ram_entry *e = d->table ? d->table[h & (d->nbuckets - 1)] : d->first;
	while (e && (e->hash != h || e->len != len || memcmp(e->name, name, len) != 0))
		e = d->table ? e->chain : e->next;
	return e;
}

/* A failure to grow only makes the chains longer. */
static void
rehash(struct ram_fs *fs, struct ram_dir *d)
{
	uint32_t n = d->nbuckets ? d->nbuckets * 2 : SMALL * 4;
	if (ram_charge(fs, n * sizeof(void *)) < 0)
		return;
	struct ram_entry **table = calloc(n, sizeof(void *));
	if (!table) {
		ram_credit(fs, n * sizeof(void *));
		return;
	}
	for (struct ram_entry *e = d->first; e; e = e->next) {
		e->chain = table[e->hash & (n - 1)];
		table[e->hash & (n - 1)] = e;
	}
	free(d->table);
	ram_credit(fs, d->nbuckets * sizeof(void *));
	d->table = table;
	d->nbuckets = n;
}

int
ram_dir_add(struct ram_inode *dir, const char *name, struct ram_inode *i)
{
	struct ram_dir *d = &dir->dir;
	size_t len;
	uint32_t h = hash_of(name, &len);
	if (len == 0 || len > RAM_NAME_MAX)
		return len ? -ENAMETOOLONG : -EINVAL;
	size_t size = sizeof(struct ram_entry) + len + 1;
	if (ram_charge(dir->fs, size) < 0)
		return -ENOSPC;
	struct ram_entry *e = malloc(size);
	if (!e) {
		ram_credit(dir->fs, size);
		return -ENOSPC;
	}
	if (d->next_cookie < FIRST_COOKIE)
		d->next_cookie = FIRST_COOKIE;
	*e = (struct ram_entry){
		.prev = d->last, .inode = i, .hash = h, .len = (uint8_t)len,
		.cookie = d->next_cookie++,
	};
	memcpy(e->name, name, len + 1);
	*(d->last ? &d->last->next : &d->first) = e;
	d->last = e;
	if (d->table) {
		e->chain = d->table[h & (d->nbuckets - 1)];
		d->table[h & (d->nbuckets - 1)] = e;
	}
	if (++d->count > (d->nbuckets ? d->nbuckets : SMALL))
		rehash(dir->fs, d);
	return 0;
}

void
ram_dir_remove(struct ram_inode *dir, struct ram_entry *e)
{
	struct ram_dir *d = &dir->dir;
	if (d->table) {
		struct ram_entry **p = &d->table[e->hash & (d->nbuckets - 1)];
		while (*p != e)
			p = &(*p)->chain;
		*p = e->chain;
	}
	*(e->prev ? &e->prev->next : &d->first) = e->next;
	*(e->next ? &e->next->prev : &d->last) = e->prev;
	if (d->hint == e)
		d->hint = e->prev;
	ram_credit(dir->fs, sizeof *e + e->len + 1u);
	free(e);
	if (--d->count == 0) {
		free(d->table);
		ram_credit(dir->fs, d->nbuckets * sizeof(void *));
		d->table = NULL;
		d->nbuckets = 0;
	}
}

struct ram_entry *
ram_dir_from(struct ram_inode *dir, uint64_t cookie)
{
	struct ram_dir *d = &dir->dir;
	struct ram_entry *hint = d->hint;
	struct ram_entry *e = hint && hint->cookie <= cookie ? hint : d->first;
	while (e && e->cookie <= cookie)
		e = e->next;
	return e;
}

bool
ram_dir_inside(const struct ram_inode *dir, const struct ram_inode *of)
{
	while (dir != of && dir->dir.parent != dir && dir->dir.parent)
		dir = dir->dir.parent;
	return dir == of;
}
