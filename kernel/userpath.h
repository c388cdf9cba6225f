/*
 * A path that a system call got: copied from the caller, short ones without the heap.  sysdir.c.
 */
#pragma once
#include "chan.h"

struct user_path {
	char *text;
	char small[256];
};

/* 0, -EFAULT, -ENAMETOOLONG, -ENOMEM; after 0, user_path_put. */
int user_path_get(struct user_path *p, uint64_t user);
void user_path_put(struct user_path *p);
/*
 * Where a relative path begins: *from with a reference, or NULL for the current directory or if
 * the path is absolute.  -EBADF.
 */
int user_path_from(const struct user_path *p, uint64_t dirfd, struct chan **from);
