/*
 * The system calls' handlers.  syscall.c has the table; the numbers and arguments are in
 * include/lux9/sys.h.
 */
#pragma once
#include "kernel.h"

typedef int64_t syscall_handler(const uint64_t a[6]);

/* sysfile.c, sysdir.c, poll.c */
syscall_handler sys_open, sys_close, sys_pread, sys_pwrite, sys_seek, sys_readdir, sys_stat,
	sys_setattr, sys_mkdir, sys_unlink, sys_rename, sys_link, sys_symlink, sys_readlink,
	sys_mknod, sys_fsync, sys_statfs, sys_getxattr, sys_setxattr, sys_lock, sys_dup, sys_fdctl,
	sys_pipe, sys_chdir, sys_poll;

/* sysname.c */
syscall_handler sys_bind, sys_mount, sys_unmount;
