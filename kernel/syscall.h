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

/* dev/mnt.c */
syscall_handler sys_serve;

/* proc.c, exec.c, note.c, futex.c, sysproc.c, sysmem.c */
syscall_handler sys_fork, sys_thread, sys_exit, sys_thread_exit, sys_exec, sys_wait, sys_notify,
	sys_noted, sys_note, sys_upcall, sys_setbase, sys_sleep, sys_futex, sys_map, sys_unmap,
	sys_protect, sys_time, sys_yield, sys_errstr, sys_seterrstr, sys_procinfo, sys_setid,
	sys_getpid, sys_gettid;
void futex_init(void);
