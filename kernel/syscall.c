/* The table of system calls; amd64/trap.S calls through it. */
#include "syscall.h"

#include <lux9/sys.h>

#define AT(n) [(n) - SYS_FIRST]

static int64_t
sys_none(const uint64_t[6])
{
	return -ENOSYS;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
syscall_handler *const syscall_table[] = {
	[0 ... SYS_LAST - SYS_FIRST - 1] = sys_none,
	AT(SYS_OPEN) = sys_open, AT(SYS_CLOSE) = sys_close, AT(SYS_PREAD) = sys_pread,
	AT(SYS_PWRITE) = sys_pwrite, AT(SYS_SEEK) = sys_seek, AT(SYS_READDIR) = sys_readdir,
	AT(SYS_STAT) = sys_stat, AT(SYS_SETATTR) = sys_setattr, AT(SYS_MKDIR) = sys_mkdir,
	AT(SYS_UNLINK) = sys_unlink, AT(SYS_RENAME) = sys_rename, AT(SYS_LINK) = sys_link,
	AT(SYS_SYMLINK) = sys_symlink, AT(SYS_READLINK) = sys_readlink, AT(SYS_MKNOD) = sys_mknod,
	AT(SYS_FSYNC) = sys_fsync, AT(SYS_STATFS) = sys_statfs, AT(SYS_GETXATTR) = sys_getxattr,
	AT(SYS_SETXATTR) = sys_setxattr, AT(SYS_LOCK) = sys_lock, AT(SYS_DUP) = sys_dup,
	AT(SYS_FDCTL) = sys_fdctl, AT(SYS_PIPE) = sys_pipe, AT(SYS_CHDIR) = sys_chdir,
	AT(SYS_POLL) = sys_poll, AT(SYS_SERVE) = sys_serve,
	AT(SYS_BIND) = sys_bind, AT(SYS_MOUNT) = sys_mount, AT(SYS_UNMOUNT) = sys_unmount,
	AT(SYS_GETPID) = sys_getpid, AT(SYS_GETTID) = sys_gettid, AT(SYS_FORK) = sys_fork,
	AT(SYS_THREAD) = sys_thread, AT(SYS_EXIT) = sys_exit, AT(SYS_THREAD_EXIT) = sys_thread_exit,
	AT(SYS_EXEC) = sys_exec, AT(SYS_WAIT) = sys_wait, AT(SYS_NOTIFY) = sys_notify,
	AT(SYS_NOTED) = sys_noted, AT(SYS_NOTE) = sys_note, AT(SYS_UPCALL) = sys_upcall,
	AT(SYS_SETBASE) = sys_setbase, AT(SYS_SLEEP) = sys_sleep, AT(SYS_FUTEX) = sys_futex,
	AT(SYS_MAP) = sys_map, AT(SYS_UNMAP) = sys_unmap, AT(SYS_PROTECT) = sys_protect,
	AT(SYS_TIME) = sys_time, AT(SYS_YIELD) = sys_yield, AT(SYS_ERRSTR) = sys_errstr,
	AT(SYS_SETERRSTR) = sys_seterrstr, AT(SYS_PROCINFO) = sys_procinfo,
	AT(SYS_SETID) = sys_setid,
};
#pragma GCC diagnostic pop

const uint64_t syscall_count = sizeof syscall_table / sizeof syscall_table[0];
