/*
 * Files by place: a descriptor of a file that is not open (Linux's O_PATH), from which one name at
 * a time is walked.  A symbolic link is never followed, so no name leads out of a tree, and a place
 * stays its file's when that is renamed.  For servers that serve a tree of their own name space.
 *
 * Names are one name without '/'.  Where `fd` stands, a place or an open descriptor will do.
 * Functions return 0 or more, or a negative errno; os_errstr has the text.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <lux9/ipc.h>

/* The place of a path, whose links are followed; of a name in a place; both to be closed. */
int os_place(const char *path);
int os_place_in(int place, const char *name);
/* Opens a place's file, or what name is in it; flags are O_*.  The descriptor. */
int os_open_place(int place, int flags);
int os_open_in(int place, const char *name, int flags, uint32_t mode);

/* dev: which file system or mount; the same as long as that is there. */
int os_getattr(int fd, struct ipc_attr *a, uint64_t *dev);
int os_setattr(int fd, const struct ipc_setattr *a);
int os_statfs(int fd, struct ipc_statfs *s);

int os_mkdir_in(int place, const char *name, uint32_t mode);
/* rdev is major << 32 | minor. */
int os_mknod_in(int place, const char *name, uint32_t mode, uint64_t rdev);
int os_symlink_in(int place, const char *name, const char *target);
int os_link_in(int place, const char *name, int file);
int os_unlink_in(int place, const char *name, uint32_t flags);	/* AT_REMOVEDIR or 0 */
int os_rename_in(int from, const char *name, int to, const char *name2);
int64_t os_readlink(int place, char *buf, size_t n);

/* Entries of an open directory after `offset` as struct sys_dirent; 0 at the end.  It moves the
 * descriptor's position: one caller at a time. */
int64_t os_readdir(int fd, uint64_t offset, void *buf, size_t n);

/* name "": the names, each with its NUL.  n 0 asks for the size. */
int64_t os_getxattr(int fd, const char *name, void *buf, size_t n);
/* flags 1 create, 2 replace; n 0 removes. */
int os_setxattr(int fd, const char *name, const void *buf, size_t n, uint32_t flags);

/* Record locks of the open descriptor.  -EAGAIN: somebody else's is in the way. */
int os_lock(int fd, const struct ipc_lock *l);
int os_getlock(int fd, struct ipc_lock *l);	/* type 2: none in the way */
