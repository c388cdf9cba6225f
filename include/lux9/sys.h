/*
 * The system calls of Lux9: numbers, flags and structures shared by the kernel and programs.
 *
 * A call is the `syscall` instruction with its number in rax and up to six arguments in rdi, rsi,
 * rdx, r10, r8, r9; rcx and r11 are lost.  The result is 0 or more, or a negative errno with
 * Linux's number; SYS_ERRSTR gives the text of this thread's last error.  A number below
 * SYS_FIRST is not the kernel's: it is handed back to the process (see SYS_UPCALL).
 *
 * Every call is one of three kinds: a file call, which is one 9P request on an open file; a
 * name-space call; or a process or memory call.  None is particular to a device or a server.
 *
 * Times are in nanoseconds.  A `timeout` of SYS_FOREVER never ends.  `dirfd` is an open directory
 * or SYS_CWD; it is ignored when the path begins with '/'.  Paths are NUL-terminated, at most
 * SYS_PATH_MAX bytes with the NUL.
 */
#pragma once
#include <stdint.h>

#define SYS_FIRST	0x1000

enum sys_number {
	/* File calls. */
	SYS_OPEN = SYS_FIRST,	/* dirfd, path, flags (O_*), mode -> fd */
	SYS_CLOSE,		/* fd */
	SYS_PREAD,		/* fd, buf, n, offset (-1: at and past the fd's own) -> bytes */
	SYS_PWRITE,		/* fd, buf, n, offset (-1: at and past the fd's own) -> bytes */
	SYS_SEEK,		/* fd, offset, whence (0 set, 1 cur, 2 end) -> offset */
	SYS_READDIR,		/* fd, struct sys_dirent buf, n -> bytes; 0 at the end */
	SYS_STAT,		/* dirfd, path, struct sys_stat *, SYS_AT_* */
	SYS_SETATTR,		/* dirfd, path, const struct sys_attr *, SYS_AT_* */
	SYS_MKDIR,		/* dirfd, path, mode */
	SYS_UNLINK,		/* dirfd, path, SYS_AT_REMOVEDIR or 0 */
	SYS_RENAME,		/* dirfd, path, dirfd, path */
	SYS_LINK,		/* dirfd, path, dirfd, path, SYS_AT_* */
	SYS_SYMLINK,		/* target, dirfd, path */
	SYS_READLINK,		/* dirfd, path, buf, n -> bytes */
	SYS_MKNOD,		/* dirfd, path, mode, major, minor */
	SYS_FSYNC,		/* fd, data-only */
	SYS_STATFS,		/* fd, struct sys_statfs * */
	SYS_GETXATTR,		/* fd, name ("" lists names), buf, n -> bytes */
	SYS_SETXATTR,		/* fd, name, buf, n, flags */
	SYS_LOCK,		/* fd, struct sys_lock *, 0 set | 1 wait | 2 get */
	SYS_DUP,		/* fd, newfd or -1, flags (O_CLOEXEC), least fd if newfd -1 -> fd */
	SYS_FDCTL,		/* fd, SYS_FD_*, argument -> value */
	SYS_PIPE,		/* int fd[2], flags (O_CLOEXEC, O_NONBLOCK) */
	SYS_CHDIR,		/* dirfd, path */
	SYS_POLL,		/* struct sys_poll *, n, timeout -> number ready */
	SYS_SERVE,		/* fd, const struct ipc_rep *, struct ipc_req *, buf, n, timeout */

	/* Name-space calls. */
	SYS_BIND = SYS_FIRST + 0x40,	/* new, old, SYS_M* */
	SYS_MOUNT,		/* fd of a service, old, SYS_M*, aname, wait: see below */
	SYS_UNMOUNT,		/* new or NULL, old */

	/* Process and memory calls. */
	SYS_GETPID = SYS_FIRST + 0x60,	/* -> pid; the null call */
	SYS_GETTID,		/* -> thread id, unique in the system */
	SYS_FORK,		/* SYS_F* -> pid, 0 in the child */
	SYS_THREAD,		/* entry, stack pointer, argument (rdi), fs base, gs base -> tid */
	SYS_EXIT,		/* status (0..255): ends the process */
	SYS_THREAD_EXIT,	/* uint32_t * or NULL: made 0 and its futex woken */
	SYS_EXEC,		/* dirfd, path, argv, envp, SYS_AT_* */
	SYS_WAIT,		/* pid or -1, struct sys_wait *, SYS_WNOHANG -> pid, 0 if none */
	SYS_NOTIFY,		/* handler of notes or NULL; entered with rdi = sys_note * */
	SYS_NOTED,		/* struct sys_note *: resume the registers in it */
	SYS_NOTE,		/* pid, tid or 0, text: post a note */
	SYS_UPCALL,		/* handler: where calls below SYS_FIRST go; see below */
	SYS_SETBASE,		/* 0 fs | 1 gs, address */
	SYS_SLEEP,		/* ns -> 0, or -EINTR */
	SYS_FUTEX,		/* uint32_t *, SYS_FUTEX_*, value, timeout, uint32_t * */
	SYS_MAP,		/* addr or 0, length, SYS_P*, SYS_MAP_*, fd or -1, offset -> addr */
	SYS_UNMAP,		/* address, length */
	SYS_PROTECT,		/* address, length, SYS_P* */
	SYS_TIME,		/* 0 since boot | 1 since 1970 | 2 this process's CPU time -> ns */
	SYS_YIELD,
	SYS_ERRSTR,		/* buf, n -> length: the text of this thread's last error */
	SYS_SETERRSTR,		/* buf, n: replaces that text */
	SYS_PROCINFO,		/* struct sys_procinfo *: ids of the caller */
	SYS_SETID,		/* SYS_ID_*, value */
	SYS_LAST
};

#define SYS_CWD		(-100)
#define SYS_FOREVER	(-1LL)
#define SYS_PATH_MAX	4096
#define SYS_NAME_MAX	255
#define SYS_ERRSTR_MAX	128

/* SYS_AT_*: the same values as Linux's AT_*. */
#define SYS_AT_NOFOLLOW		0x100
#define SYS_AT_REMOVEDIR	0x200
#define SYS_AT_FOLLOW		0x400	/* SYS_LINK */
#define SYS_AT_EMPTY_PATH	0x1000

/* Open flags: the same values as Linux's O_* on x86-64. */
#define SYS_O_ACCMODE	3
#define SYS_O_RDONLY	0
#define SYS_O_WRONLY	1
#define SYS_O_RDWR	2
#define SYS_O_CREAT	0100
#define SYS_O_EXCL	0200
#define SYS_O_TRUNC	01000
#define SYS_O_APPEND	02000
#define SYS_O_NONBLOCK	04000
#define SYS_O_DIRECT	040000
#define SYS_O_DIRECTORY	0200000
#define SYS_O_NOFOLLOW	0400000
#define SYS_O_CLOEXEC	02000000
#define SYS_O_PATH	010000000

enum sys_fdctl {
	SYS_FD_GETFLAGS,	/* -> the O_* flags of the open file */
	SYS_FD_SETFLAGS,	/* argument: O_APPEND and O_NONBLOCK */
	SYS_FD_GETCLOEXEC,	/* -> 0 or 1 */
	SYS_FD_SETCLOEXEC,
	SYS_FD_PATH,		/* char buf[SYS_PATH_MAX] -> length; fd SYS_CWD: the directory */
	SYS_FD_KIND,		/* -> SYS_KIND_*: what a stat cannot tell */
};

enum sys_kind { SYS_KIND_FILE, SYS_KIND_PIPE, SYS_KIND_CONS, SYS_KIND_SERVICE };

#define SYS_MREPL	0	/* bind, mount: replace what was there */
#define SYS_MBEFORE	1	/* union: searched first */
#define SYS_MAFTER	2	/* union: searched last */
#define SYS_MCREATE	4	/* files made in the union are made in this member */

/*
 * A mount whose `wait` (ns, at most a day) is not 0 is recoverable: when the server goes, calls on
 * its files wait so long for a successor, for which the kernel opens the files again.  Made
 * again in the same place it is the same mount.
 */

#define SYS_FNEWNS	1	/* fork: a copy of the name space; without: the same one */
#define SYS_FCLEANNS	2	/* fork: an empty name space */
#define SYS_FNEWENV	4	/* fork: a copy of /env */
#define SYS_FNOMNT	8	/* fork: the child may not mount or open new devices */

#define SYS_PROT_READ	1	/* map, protect */
#define SYS_PROT_WRITE	2
#define SYS_PROT_EXEC	4
#define SYS_MAP_SHARED	1	/* anonymous memory that fork shares */
#define SYS_MAP_PRIVATE	2
#define SYS_MAP_FIXED	0x10
#define SYS_MAP_UNCACHED 0x100	/* device memory: the default for /dev/mem */
#define SYS_MAP_WC	0x200	/* device memory, write-combining */

#define SYS_WNOHANG	1

#define SYS_FUTEX_WAIT	0	/* sleeps while *address == value */
#define SYS_FUTEX_WAKE	1	/* wakes at most `value` threads -> how many */
#define SYS_FUTEX_REQUEUE 3	/* wakes `value`, moves the others to the second address */

enum sys_id { SYS_ID_UID, SYS_ID_GID, SYS_ID_PGRP, SYS_ID_SESSION };

struct sys_time {
	int64_t sec;
	uint32_t nsec, pad;
};

struct sys_stat {
	uint64_t dev;		/* which mount; 0 and up, unique while it lasts */
	uint64_t qid_path;
	uint32_t qid_version;
	uint8_t qid_type, pad[3];
	uint32_t mode, uid, gid, pad2;	/* mode with the S_IF* bits of POSIX */
	uint64_t nlink, rdev, size, blksize, blocks;	/* blocks of 512 bytes */
	struct sys_time atime, mtime, ctime, btime;
};

/* Which fields of a sys_attr count: the same values as 9P2000.L's Tsetattr. */
#define SYS_ATTR_MODE	1
#define SYS_ATTR_UID	2
#define SYS_ATTR_GID	4
#define SYS_ATTR_SIZE	8
#define SYS_ATTR_ATIME	0x10	/* now, unless ATIME_SET */
#define SYS_ATTR_MTIME	0x20
#define SYS_ATTR_CTIME	0x40
#define SYS_ATTR_ATIME_SET 0x80
#define SYS_ATTR_MTIME_SET 0x100

struct sys_attr {
	uint32_t valid, mode, uid, gid;
	uint64_t size;
	struct sys_time atime, mtime;
};

struct sys_dirent {		/* as Linux's getdents64 */
	uint64_t qid_path;
	int64_t offset;		/* to seek to for the entry after this */
	uint16_t reclen;	/* of this record, a multiple of 8 */
	uint8_t type;		/* DT_* */
	char name[];		/* NUL-terminated */
};

struct sys_statfs {
	uint32_t type, bsize;
	uint64_t blocks, bfree, bavail, files, ffree, fsid;
	uint32_t namelen, pad;
};

struct sys_lock {
	uint32_t type;		/* 0 read, 1 write, 2 unlock */
	uint32_t pid;
	uint64_t start, length;	/* length 0: to the end */
};

struct sys_poll {
	int32_t fd;
	int16_t events, revents;	/* POLLIN 1, POLLOUT 4, POLLERR 8, POLLHUP 16, NVAL 32 */
};

struct sys_wait {
	int32_t pid;
	int32_t status;		/* 0..255 from SYS_EXIT; 256 and up: ended by a note */
	uint64_t cpu_ns;
	char note[64];		/* what ended it, or "" */
};

struct sys_procinfo {
	int32_t pid, ppid, tid, pgrp, session;
	uint32_t uid, gid, nthreads;
};

struct sys_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rip, rflags;
};

/*
 * A note on the user's stack.  The handler may change `regs` and go back with SYS_NOTED, or leave
 * by its own means.  Notes wait while a handler has not come back with SYS_NOTED.  Without a
 * handler, or with the text "kill", the process ends.  Text of the kernel's own begins "sys: ":
 * "sys: trap: page fault", "sys: trap: divide error", "sys: trap: invalid opcode",
 * "sys: trap: general protection", "sys: trap: alignment", "sys: trap: breakpoint",
 * "sys: trap: floating point", "sys: pipe", "sys: child", "sys: memory".
 * `address` is the faulting address, where there is one.
 */
struct sys_note {
	struct sys_regs regs;
	uint64_t address, code;
	char text[64];
	uint8_t fpu[512] __attribute__((aligned(16)));	/* FXSAVE image */
};

/*
 * Upcall: a number below SYS_FIRST lowers the user's stack pointer by 128 (the red zone) and then
 * by 8, stores the address after the `syscall` instruction there, and goes on at the handler with
 * every other register as it was (rcx and r11 excepted).  The handler returns with rax set, by
 * `ret $128`.
 */
#define SYS_UPCALL_REDZONE 128
