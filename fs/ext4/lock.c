/*
 * Advisory record locks, as POSIX has them, for all files of one file system in one list.
 *
 * A lock belongs to a process of a client (pid and client's name) and covers first..last of an
 * inode.  An owner's locks on a file never overlap: setting or clearing a range first cuts it out
 * of them.  A client that finds a lock in its way asks again.  What was set through a fid ends
 * with it.  The list has its own lock, taken last.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "serve.h"

enum { LOCKS_MAX = 4096, TYPE_READ = 0, TYPE_WRITE = 1, TYPE_UNLOCK = 2 };

struct ext4_lock {
	struct ext4_lock *next;
	uint32_t ino, type, pid;
	uint64_t first, last;
	const void *fid;
	char client[sizeof(((struct ipc_lock *)0)->client)];
};

static uint64_t
last_byte(const struct ipc_lock *l)
{
	if (l->length == 0 || l->length - 1 > UINT64_MAX - l->start)
		return UINT64_MAX;
	return l->start + l->length - 1;
}

static bool
is_owner(const struct ext4_lock *x, const struct ipc_lock *l)
{
	return x->pid == l->pid && memcmp(x->client, l->client, sizeof(x->client)) == 0;
}

static bool
overlaps(const struct ext4_lock *x, uint32_t ino, const struct ipc_lock *l)
{
	return x->ino == ino && x->first <= last_byte(l) && x->last >= l->start;
}

/* A lock of another owner that excludes l. */
static const struct ext4_lock *
in_the_way(const struct ext4_locks *t, uint32_t ino, const struct ipc_lock *l)
{
	const struct ext4_lock *x;

	for (x = t->list; x != NULL; x = x->next)
		if (overlaps(x, ino, l) && !is_owner(x, l) &&
		    (x->type == TYPE_WRITE || l->type == TYPE_WRITE))
			return x;
	return NULL;
}

static void
drop(struct ext4_locks *t, struct ext4_lock **p)
{
	struct ext4_lock *x = *p;

	*p = x->next;
	free(x);
	t->n--;
}

static void
add(struct ext4_locks *t, struct ext4_lock *x)
{
	x->next = t->list;
	t->list = x;
	t->n++;
}

/* Cuts l's range out of its owner's locks.  `spare` becomes the second half of one that is split;
 * NULL is returned when it was used. */
static struct ext4_lock *
cut(struct ext4_locks *t, uint32_t ino, const struct ipc_lock *l, struct ext4_lock *spare)
{
	uint64_t first = l->start, last = last_byte(l);

	for (struct ext4_lock **p = &t->list; *p != NULL;) {
		struct ext4_lock *x = *p;

		if (!overlaps(x, ino, l) || !is_owner(x, l)) {
			p = &x->next;
			continue;
		}
		if (x->first < first && x->last > last && spare != NULL) {
			*spare = *x;
			spare->first = last + 1;
			add(t, spare);
			spare = NULL;
		}
		if (x->first < first) {
			x->last = first - 1;
			p = &x->next;
		} else if (x->last > last) {
			x->first = last + 1;
			p = &x->next;
		} else {
			drop(t, p);
		}
	}
	return spare;
}

static struct ext4_lock *
make(uint32_t ino, const void *fid, const struct ipc_lock *l)
{
	struct ext4_lock *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	x->ino = ino;
	x->type = l->type;
	x->pid = l->pid;
	x->first = l->start;
	x->last = last_byte(l);
	x->fid = fid;
	memcpy(x->client, l->client, sizeof(x->client));
	return x;
}

uint32_t
ext4_lock(struct ext4_locks *t, uint32_t ino, const void *fid, const struct ipc_lock *l)
{
	struct ext4_lock *new, *spare;
	uint32_t status = EXT4_LOCK_ERROR;

	if (l->type > TYPE_UNLOCK)
		return status;
	new = make(ino, fid, l);
	spare = make(ino, fid, l);
	os_lock_take(&t->lock);
	if (l->type != TYPE_UNLOCK && in_the_way(t, ino, l) != NULL) {
		status = EXT4_LOCK_BLOCKED;
	} else if (new != NULL && spare != NULL &&
	    (l->type == TYPE_UNLOCK || t->n + 2 <= LOCKS_MAX)) {
		status = EXT4_LOCK_DONE;
		spare = cut(t, ino, l, spare);
		if (l->type != TYPE_UNLOCK) {
			add(t, new);
			new = NULL;
		}
	}
	os_lock_give(&t->lock);
	free(new);
	free(spare);
	return status;
}

void
ext4_getlock(struct ext4_locks *t, uint32_t ino, const struct ipc_lock *l, struct ipc_lock *out)
{
	const struct ext4_lock *x;

	*out = *l;
	out->type = TYPE_UNLOCK;
	os_lock_take(&t->lock);
	x = in_the_way(t, ino, l);
	if (x != NULL) {
		out->type = x->type;
		out->start = x->first;
		out->length = x->last == UINT64_MAX ? 0 : x->last - x->first + 1;
		out->pid = x->pid;
		memcpy(out->client, x->client, sizeof(out->client));
	}
	os_lock_give(&t->lock);
}

void
ext4_unlock_all(struct ext4_locks *t, const void *fid)
{
	os_lock_take(&t->lock);
	for (struct ext4_lock **p = &t->list; *p != NULL;) {
		if (fid == NULL || (*p)->fid == fid)
			drop(t, p);
		else
			p = &(*p)->next;
	}
	os_lock_give(&t->lock);
}
