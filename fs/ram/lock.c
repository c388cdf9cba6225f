/*
 * Advisory record locks, as POSIX has them: of a process (client and pid), over ranges that split
 * and join as they are set and cleared.  A client that must wait asks again; one whose fid goes
 * loses the locks that it set through it.  The inode's lock is held by the caller.
 */
#include "ram.h"

#include <stdlib.h>
#include <string.h>

enum { READ_LOCK, WRITE_LOCK, UNLOCK };

static uint64_t
last_of(const struct ipc_lock *l)
{
	uint64_t end;
	if (!l->length || __builtin_add_overflow(l->start, l->length - 1, &end))
		return UINT64_MAX;
	return end;
}

static bool
same_owner(const struct ram_lock *x, const struct ipc_lock *l)
{
	return x->pid == l->pid && strncmp(x->client, l->client, sizeof x->client) == 0;
}

static const struct ram_lock *
conflict(const struct ram_inode *i, const struct ipc_lock *l)
{
	uint64_t end = last_of(l);
	for (const struct ram_lock *x = i->locks; x; x = x->next)
		if (!same_owner(x, l) && x->start <= end && l->start <= x->end &&
		    (x->exclusive || l->type == WRITE_LOCK))
			return x;
	return NULL;
}

/*
 * Takes the owner's locks out of [start, end].  `spare` serves where one lock becomes two, which
 * can happen once: locks of one owner do not overlap.  What is not used of it is given back.
 */
static struct ram_lock *
clear(struct ram_inode *i, const struct ipc_lock *l, struct ram_lock *spare)
{
	uint64_t start = l->start, end = last_of(l);
	for (struct ram_lock **p = &i->locks; *p; ) {
		struct ram_lock *x = *p;
		if (!same_owner(x, l) || x->start > end || x->end < start) {
			p = &x->next;
		} else if (x->start < start && x->end > end) {
			*spare = *x;
			spare->start = end + 1;
			x->end = start - 1;
			x->next = spare;
			return NULL;
		} else if (x->start < start) {
			x->end = start - 1;
			p = &x->next;
		} else if (x->end > end) {
			x->start = end + 1;
			p = &x->next;
		} else {
			*p = x->next;
			free(x);
			ram_credit(i->fs, sizeof *x);
		}
	}
	return spare;
}

static struct ram_lock *
lock_new(struct ram_fs *fs)
{
	if (ram_charge(fs, sizeof(struct ram_lock)) < 0)
		return NULL;
	struct ram_lock *x = calloc(1, sizeof *x);
	if (!x)
		ram_credit(fs, sizeof *x);
	return x;
}

static void
lock_free(struct ram_fs *fs, struct ram_lock *x)
{
	if (!x)
		return;
	free(x);
	ram_credit(fs, sizeof *x);
}

uint32_t
ram_lock(struct ram_inode *i, const struct p9_fid *fid, const struct ipc_lock *l)
{
	unsigned count = 0;
	if (l->type > UNLOCK)
		return RAM_LOCK_ERROR;
	if (l->type != UNLOCK && conflict(i, l))
		return RAM_LOCK_BLOCKED;
	for (const struct ram_lock *x = i->locks; x; x = x->next)
		count++;
	if (l->type != UNLOCK && count >= RAM_LOCKS_MAX)
		return RAM_LOCK_ERROR;
	struct ram_lock *spare = lock_new(i->fs);
	struct ram_lock *new = l->type == UNLOCK ? NULL : lock_new(i->fs);
	if (!spare || (l->type != UNLOCK && !new)) {
		lock_free(i->fs, spare);
		lock_free(i->fs, new);
		return RAM_LOCK_ERROR;
	}
	lock_free(i->fs, clear(i, l, spare));
	if (new) {
		*new = (struct ram_lock){
			.next = i->locks, .start = l->start, .end = last_of(l), .pid = l->pid,
			.exclusive = l->type == WRITE_LOCK, .fid = fid,
		};
		memcpy(new->client, l->client, sizeof new->client);
		i->locks = new;
		i->locked = true;
	}
	return RAM_LOCK_DONE;
}

void
ram_getlock(const struct ram_inode *i, const struct ipc_lock *l, struct ipc_lock *out)
{
	const struct ram_lock *x = conflict(i, l);
	*out = *l;
	out->type = UNLOCK;
	if (!x)
		return;
	out->type = x->exclusive ? WRITE_LOCK : READ_LOCK;
	out->start = x->start;
	out->length = x->end == UINT64_MAX ? 0 : x->end - x->start + 1;
	out->pid = x->pid;
	memcpy(out->client, x->client, sizeof out->client);
}

/* fid NULL: all locks. */
void
ram_unlock_fid(struct ram_inode *i, const struct p9_fid *fid)
{
	for (struct ram_lock **p = &i->locks; *p; ) {
		struct ram_lock *x = *p;
		if (fid && x->fid != fid) {
			p = &x->next;
			continue;
		}
		*p = x->next;
		lock_free(i->fs, x);
	}
}
