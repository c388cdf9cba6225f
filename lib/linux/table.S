/*
 * The table of calls: Linux's numbers [asm/unistd_64.h] and what carries them out.  entry.S calls
 * through it with the program's six arguments; a number without an entry is -ENOSYS.
 *
 * Some calls have nothing to do: memory is never swapped, there is one scheduling class, and sync
 * is each file server's own when it replies.
 */
#include <asm/unistd.h>

	.macro	call number, function
	.org	call_table + \number * 8
	.quad	\function
	.endm

	.section .rodata
	.balign	64
	.globl	call_table
call_table:
	call	__NR_read, lx_read
	call	__NR_write, lx_write
	call	__NR_open, lx_open
	call	__NR_close, lx_close
	call	__NR_stat, lx_stat
	call	__NR_fstat, lx_fstat
	call	__NR_lstat, lx_lstat
	call	__NR_poll, lx_poll
	call	__NR_lseek, lx_lseek
	call	__NR_mmap, lx_mmap
	call	__NR_mprotect, lx_mprotect
	call	__NR_munmap, lx_munmap
	call	__NR_brk, lx_brk
	call	__NR_rt_sigaction, lx_rt_sigaction
	call	__NR_rt_sigprocmask, lx_rt_sigprocmask
	call	__NR_rt_sigreturn, pers_sigreturn
	call	__NR_ioctl, lx_ioctl
	call	__NR_pread64, lx_pread64
	call	__NR_pwrite64, lx_pwrite64
	call	__NR_readv, lx_readv
	call	__NR_writev, lx_writev
	call	__NR_access, lx_access
	call	__NR_pipe, lx_pipe
	call	__NR_select, lx_select
	call	__NR_sched_yield, lx_sched_yield
	call	__NR_mremap, lx_mremap
	call	__NR_msync, lx_nothing
	call	__NR_madvise, lx_madvise
	call	__NR_dup, lx_dup
	call	__NR_dup2, lx_dup2
	call	__NR_pause, lx_pause
	call	__NR_nanosleep, lx_nanosleep
	call	__NR_getitimer, lx_getitimer
	call	__NR_alarm, lx_alarm
	call	__NR_setitimer, lx_setitimer
	call	__NR_getpid, lx_getpid
	call	__NR_sendfile, lx_sendfile
	call	__NR_socket, lx_no_sockets
	call	__NR_socketpair, lx_no_sockets
	call	__NR_clone, lx_clone
	call	__NR_fork, lx_fork
	call	__NR_vfork, lx_fork
	call	__NR_execve, lx_execve
	call	__NR_exit, lx_exit
	call	__NR_wait4, lx_wait4
	call	__NR_kill, lx_kill
	call	__NR_uname, lx_uname
	call	__NR_fcntl, lx_fcntl
	call	__NR_flock, lx_flock
	call	__NR_fsync, lx_fsync
	call	__NR_fdatasync, lx_fdatasync
	call	__NR_truncate, lx_truncate
	call	__NR_ftruncate, lx_ftruncate
	call	__NR_getcwd, lx_getcwd
	call	__NR_chdir, lx_chdir
	call	__NR_fchdir, lx_fchdir
	call	__NR_rename, lx_rename
	call	__NR_mkdir, lx_mkdir
	call	__NR_rmdir, lx_rmdir
	call	__NR_creat, lx_creat
	call	__NR_link, lx_link
	call	__NR_unlink, lx_unlink
	call	__NR_symlink, lx_symlink
	call	__NR_readlink, lx_readlink
	call	__NR_chmod, lx_chmod
	call	__NR_fchmod, lx_fchmod
	call	__NR_chown, lx_chown
	call	__NR_fchown, lx_fchown
	call	__NR_lchown, lx_lchown
	call	__NR_umask, lx_umask
	call	__NR_gettimeofday, lx_gettimeofday
	call	__NR_getrlimit, lx_getrlimit
	call	__NR_getrusage, lx_getrusage
	call	__NR_sysinfo, lx_sysinfo
	call	__NR_times, lx_times
	call	__NR_getuid, lx_getuid
	call	__NR_getgid, lx_getgid
	call	__NR_setuid, lx_setuid
	call	__NR_setgid, lx_setgid
	call	__NR_geteuid, lx_getuid
	call	__NR_getegid, lx_getgid
	call	__NR_setpgid, lx_setpgid
	call	__NR_getppid, lx_getppid
	call	__NR_getpgrp, lx_getpgrp
	call	__NR_setsid, lx_setsid
	call	__NR_setreuid, lx_setresuid
	call	__NR_setregid, lx_setresgid
	call	__NR_getgroups, lx_getgroups
	call	__NR_setgroups, lx_setgroups
	call	__NR_setresuid, lx_setresuid
	call	__NR_getresuid, lx_getresuid
	call	__NR_setresgid, lx_setresgid
	call	__NR_getresgid, lx_getresgid
	call	__NR_getpgid, lx_getpgid
	call	__NR_setfsuid, lx_setfsuid
	call	__NR_setfsgid, lx_setfsgid
	call	__NR_getsid, lx_getsid
	call	__NR_rt_sigpending, lx_rt_sigpending
	call	__NR_rt_sigtimedwait, lx_rt_sigtimedwait
	call	__NR_rt_sigqueueinfo, lx_rt_sigqueueinfo
	call	__NR_rt_sigsuspend, lx_rt_sigsuspend
	call	__NR_sigaltstack, lx_sigaltstack
	call	__NR_utime, lx_utime
	call	__NR_mknod, lx_mknod
	call	__NR_personality, lx_nothing
	call	__NR_statfs, lx_statfs
	call	__NR_fstatfs, lx_fstatfs
	call	__NR_getpriority, lx_getpriority
	call	__NR_setpriority, lx_nothing
	call	__NR_sched_setparam, lx_nothing
	call	__NR_sched_getparam, lx_sched_getparam
	call	__NR_sched_setscheduler, lx_nothing
	call	__NR_sched_getscheduler, lx_nothing
	call	__NR_sched_get_priority_max, lx_nothing
	call	__NR_sched_get_priority_min, lx_nothing
	call	__NR_mlock, lx_nothing
	call	__NR_munlock, lx_nothing
	call	__NR_mlockall, lx_nothing
	call	__NR_munlockall, lx_nothing
	call	__NR_prctl, lx_prctl
	call	__NR_arch_prctl, lx_arch_prctl
	call	__NR_adjtimex, lx_not_permitted
	call	__NR_setrlimit, lx_setrlimit
	call	__NR_chroot, lx_not_permitted
	call	__NR_sync, lx_nothing
	call	__NR_settimeofday, lx_not_permitted
	call	__NR_mount, lx_not_permitted
	call	__NR_umount2, lx_not_permitted
	call	__NR_swapon, lx_not_permitted
	call	__NR_swapoff, lx_not_permitted
	call	__NR_reboot, lx_not_permitted
	call	__NR_sethostname, lx_sethostname
	call	__NR_setdomainname, lx_not_permitted
	call	__NR_iopl, lx_not_permitted
	call	__NR_ioperm, lx_not_permitted
	call	__NR_gettid, lx_gettid
	call	__NR_readahead, lx_nothing
	call	__NR_setxattr, lx_setxattr
	call	__NR_lsetxattr, lx_lsetxattr
	call	__NR_fsetxattr, lx_fsetxattr
	call	__NR_getxattr, lx_getxattr
	call	__NR_lgetxattr, lx_lgetxattr
	call	__NR_fgetxattr, lx_fgetxattr
	call	__NR_listxattr, lx_listxattr
	call	__NR_llistxattr, lx_llistxattr
	call	__NR_flistxattr, lx_flistxattr
	call	__NR_removexattr, lx_removexattr
	call	__NR_lremovexattr, lx_lremovexattr
	call	__NR_fremovexattr, lx_fremovexattr
	call	__NR_tkill, lx_tkill
	call	__NR_time, lx_time
	call	__NR_futex, lx_futex
	call	__NR_sched_setaffinity, lx_nothing
	call	__NR_sched_getaffinity, lx_sched_getaffinity
	call	__NR_getdents64, lx_getdents64
	call	__NR_set_tid_address, lx_set_tid_address
	call	__NR_fadvise64, lx_nothing
	call	__NR_clock_settime, lx_not_permitted
	call	__NR_clock_gettime, lx_clock_gettime
	call	__NR_clock_getres, lx_clock_getres
	call	__NR_clock_nanosleep, lx_clock_nanosleep
	call	__NR_exit_group, lx_exit_group
	call	__NR_tgkill, lx_tgkill
	call	__NR_utimes, lx_utimes
	call	__NR_waitid, lx_waitid
	call	__NR_openat, lx_openat
	call	__NR_mkdirat, lx_mkdirat
	call	__NR_mknodat, lx_mknodat
	call	__NR_fchownat, lx_fchownat
	call	__NR_futimesat, lx_futimesat
	call	__NR_newfstatat, lx_newfstatat
	call	__NR_unlinkat, lx_unlinkat
	call	__NR_renameat, lx_renameat
	call	__NR_linkat, lx_linkat
	call	__NR_symlinkat, lx_symlinkat
	call	__NR_readlinkat, lx_readlinkat
	call	__NR_fchmodat, lx_fchmodat
	call	__NR_faccessat, lx_faccessat
	call	__NR_pselect6, lx_pselect6
	call	__NR_ppoll, lx_ppoll
	call	__NR_set_robust_list, lx_nothing
	call	__NR_utimensat, lx_utimensat
	call	__NR_fallocate, lx_fallocate
	call	__NR_dup3, lx_dup3
	call	__NR_pipe2, lx_pipe2
	call	__NR_preadv, lx_preadv
	call	__NR_pwritev, lx_pwritev
	call	__NR_prlimit64, lx_prlimit64
	call	__NR_syncfs, lx_nothing
	call	__NR_getcpu, lx_getcpu
	call	__NR_renameat2, lx_renameat2
	call	__NR_getrandom, lx_getrandom
	call	__NR_execveat, lx_execveat
	call	__NR_copy_file_range, lx_copy_file_range
	call	__NR_statx, lx_statx
	call	__NR_faccessat2, lx_faccessat2
	.balign	8
call_table_end:
	.globl	call_count
call_count:
	.quad	(call_table_end - call_table) / 8

	.section .note.GNU-stack, "", @progbits
