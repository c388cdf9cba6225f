/*
 * The file server's 9P operations, and its record locks.  r->srv->aux is a sip_server whose priv
 * is a struct ext4_served.
 */
#pragma once
#include "ext4.h"
#include "sip.h"

enum { EXT4_LOCK_DONE, EXT4_LOCK_BLOCKED, EXT4_LOCK_ERROR };	/* as Rlock has them */

struct ext4_locks {
	struct os_lock lock;
	struct ext4_lock *list;
	uint32_t n;
};

struct ext4_served {
	struct ext4_fs fs;
	struct ext4_locks locks;
};

/* --- serve.c --- */
extern const struct p9_srv_ops ext4_ops;

/* --- lock.c --- */
uint32_t ext4_lock(struct ext4_locks *t, uint32_t ino, const void *fid, const struct ipc_lock *l);
/* *out: the lock that is in the way of l, or l as an unlock. */
void ext4_getlock(struct ext4_locks *t, uint32_t ino, const struct ipc_lock *l,
	struct ipc_lock *out);
/* Those that were set through fid; NULL: all. */
void ext4_unlock_all(struct ext4_locks *t, const void *fid);
