/* Extended attributes: a short list on each inode, which the inode's lock protects. */
#include "ram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { XATTR_CREATE = 1, XATTR_REPLACE = 2 };	/* Linux's, and so 9P2000.L's */

static struct ram_xattr **
place(struct ram_xattr **p, const char *name)
{
	while (*p && strcmp((*p)->name, name) != 0)
		p = &(*p)->next;
	return p;
}

const struct ram_xattr *
ram_xattr_find(const struct ram_inode *i, const char *name)
{
	const struct ram_xattr *x = i->xattrs;
	while (x && strcmp(x->name, name) != 0)
		x = x->next;
	return x;
}

static uint64_t
cost(const struct ram_xattr *x)
{
	return sizeof *x + strlen(x->name) + 1 + x->size;
}

static void
drop(struct ram_inode *i, struct ram_xattr **p)
{
	struct ram_xattr *x = *p;
	*p = x->next;
	ram_credit(i->fs, cost(x));
	free(x->value);
	free(x);
}

static struct ram_xattr *
make(struct ram_inode *i, const char *name, const void *value, uint32_t n)
{
	size_t len = strlen(name) + 1;
	if (ram_charge(i->fs, sizeof(struct ram_xattr) + len + n) < 0)
		return NULL;
	struct ram_xattr *x = malloc(sizeof *x + len);
	uint8_t *copy = malloc(n);
	if (!x || !copy) {
		free(x);
		free(copy);
		ram_credit(i->fs, sizeof *x + len + n);
		return NULL;
	}
	*x = (struct ram_xattr){ .size = n, .value = copy };
	memcpy(x->name, name, len);
	memcpy(copy, value, n);
	return x;
}

int
ram_xattr_set(struct ram_inode *i, const char *name, const void *value, uint32_t n, uint32_t flags)
{
	struct ram_xattr **old = place(&i->xattrs, name);
	unsigned count = 0;
	if (strncmp(name, "system.", 7) == 0)
		return -EOPNOTSUPP;
	if (*old && flags & XATTR_CREATE && n)
		return -EEXIST;
	if (!*old && (flags & XATTR_REPLACE || !n))
		return -ENODATA;
	for (const struct ram_xattr *x = i->xattrs; x; x = x->next)
		count++;
	if (!*old && count >= RAM_XATTRS_MAX)
		return -ENOSPC;
	struct ram_xattr *x = n ? make(i, name, value, n) : NULL;
	if (n && !x)
		return -ENOSPC;
	if (*old)
		drop(i, old);
	if (x) {
		x->next = i->xattrs;
		i->xattrs = x;
	}
	ram_touch(i, false);
	return 0;
}

size_t
ram_xattr_list(const struct ram_inode *i, char *buf, size_t n)
{
	size_t at = 0;
	for (const struct ram_xattr *x = i->xattrs; x; x = x->next) {
		size_t len = strlen(x->name) + 1;
		if (at + len <= n)
			memcpy(buf + at, x->name, len);
		at += len;
	}
	return at;
}

void
ram_xattr_free(struct ram_inode *i)
{
	while (i->xattrs)
		drop(i, &i->xattrs);
}
