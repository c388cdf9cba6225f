/*
 * The calls: each has Linux's name and takes its arguments.  entry.S calls them through the table.
 */
#pragma once
#include <asm/siginfo.h>

#include "linux.h"

struct iovec;
struct new_utsname;
struct rlimit64;
struct rusage;
struct stat;
struct statfs;
struct statx;
struct sysinfo;
struct tms;

/* exec.c */
long lx_execveat(int dirfd, const char *path, char *const *argv, char *const *envp, int flags);
long lx_execve(const char *path, char *const *argv, char *const *envp);

/* ids.c */
long lx_getpid(void);
long lx_getppid(void);
long lx_getuid(void);
long lx_getgid(void);
long lx_getpgid(int pid);
long lx_getpgrp(void);
long lx_setpgid(int pid, int group);
long lx_getsid(int pid);
long lx_setsid(void);
long lx_setuid(uint32_t uid);
long lx_setgid(uint32_t gid);
long lx_setresuid(uint32_t real, uint32_t effective);
long lx_setresgid(uint32_t real, uint32_t effective);
long lx_getresuid(uint32_t *real, uint32_t *effective, uint32_t *saved);
long lx_getresgid(uint32_t *real, uint32_t *effective, uint32_t *saved);
long lx_setfsuid(uint32_t uid);
long lx_setfsgid(uint32_t gid);
long lx_getgroups(int n);
long lx_setgroups(void);

/* info.c */
long lx_uname(struct new_utsname *out);
long lx_sethostname(const char *name, size_t n);
long lx_prlimit64(int pid, unsigned which, const struct rlimit64 *new, struct rlimit64 *old);
long lx_getrlimit(unsigned which, struct rlimit64 *out);
long lx_setrlimit(unsigned which, const struct rlimit64 *in);
long lx_sysinfo(struct sysinfo *out);
long lx_sched_getaffinity(int pid, size_t n, uint64_t *mask);
long lx_getcpu(uint32_t *cpu, uint32_t *node);
long lx_getrandom(char *buf, size_t n);
long lx_prctl(int option, uint64_t arg);
long lx_getpriority(void);
long lx_sched_getparam(int pid, int *priority);
long lx_nothing(void);
long lx_not_permitted(void);
long lx_no_sockets(void);

/* mem.c */
long lx_brk(uint64_t to);
long lx_mmap(uint64_t addr, uint64_t length, unsigned prot, unsigned flags, int fd,
	uint64_t offset);
long lx_munmap(uint64_t addr, uint64_t length);
long lx_mprotect(uint64_t addr, uint64_t length, unsigned prot);
long lx_mremap(uint64_t addr, uint64_t old, uint64_t new, unsigned flags, uint64_t to);
long lx_madvise(uint64_t addr, uint64_t length, int advice);

/* file.c */
long lx_read(int fd, char *buf, size_t n);
long lx_write(int fd, const char *buf, size_t n);
long lx_pread64(int fd, char *buf, size_t n, int64_t offset);
long lx_pwrite64(int fd, const char *buf, size_t n, int64_t offset);
long lx_readv(int fd, const struct iovec *iov, int n);
long lx_writev(int fd, const struct iovec *iov, int n);
long lx_preadv(int fd, const struct iovec *iov, int n, int64_t offset);
long lx_pwritev(int fd, const struct iovec *iov, int n, int64_t offset);
long lx_openat(int dirfd, const char *path, uint32_t flags, uint32_t mode);
long lx_open(const char *path, uint32_t flags, uint32_t mode);
long lx_creat(const char *path, uint32_t mode);
long lx_close(int fd);
long lx_lseek(int fd, int64_t offset, int whence);
long lx_dup(int fd);
long lx_dup3(int fd, int to, uint32_t flags);
long lx_dup2(int fd, int to);
long lx_pipe2(int fds[2], uint32_t flags);
long lx_pipe(int fds[2]);
long lx_fcntl(int fd, int command, uint64_t arg);
long lx_flock(int fd, int op);
long lx_fsync(int fd);
long lx_fdatasync(int fd);
long lx_fallocate(int fd, int mode, int64_t offset, int64_t n);
long lx_sendfile(int to, int from, int64_t *offset, size_t n);
long lx_copy_file_range(int from, int64_t *from_at, int to, int64_t *to_at, size_t n,
	unsigned flags);

/* dir.c */
long lx_getdents64(int fd, void *buf, uint32_t n);
long lx_mkdirat(int dirfd, const char *path, uint32_t mode);
long lx_mkdir(const char *path, uint32_t mode);
long lx_mknodat(int dirfd, const char *path, uint32_t mode, uint64_t dev);
long lx_mknod(const char *path, uint32_t mode, uint64_t dev);
long lx_unlinkat(int dirfd, const char *path, unsigned flags);
long lx_unlink(const char *path);
long lx_rmdir(const char *path);
long lx_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
long lx_renameat(int from_dir, const char *from, int to_dir, const char *to);
long lx_rename(const char *from, const char *to);
long lx_linkat(int from_dir, const char *from, int to_dir, const char *to, unsigned flags);
long lx_link(const char *from, const char *to);
long lx_symlinkat(const char *target, int dirfd, const char *path);
long lx_symlink(const char *target, const char *path);
long lx_umask(uint32_t mask);

/* path.c */
long lx_getcwd(char *buf, size_t n);
long lx_chdir(const char *path);
long lx_fchdir(int fd);
long lx_readlinkat(int dirfd, const char *path, char *buf, long n);
long lx_readlink(const char *path, char *buf, long n);

/* attr.c */
long lx_newfstatat(int dirfd, const char *path, struct stat *out, unsigned flags);
long lx_stat(const char *path, struct stat *out);
long lx_lstat(const char *path, struct stat *out);
long lx_fstat(int fd, struct stat *out);
long lx_statx(int dirfd, const char *path, unsigned flags, unsigned mask, struct statx *out);
long lx_faccessat2(int dirfd, const char *path, unsigned mode, unsigned flags);
long lx_faccessat(int dirfd, const char *path, unsigned mode);
long lx_access(const char *path, unsigned mode);
long lx_fchmodat(int dirfd, const char *path, uint32_t mode);
long lx_chmod(const char *path, uint32_t mode);
long lx_fchmod(int fd, uint32_t mode);
long lx_fchownat(int dirfd, const char *path, uint32_t uid, uint32_t gid, unsigned flags);
long lx_chown(const char *path, uint32_t uid, uint32_t gid);
long lx_lchown(const char *path, uint32_t uid, uint32_t gid);
long lx_fchown(int fd, uint32_t uid, uint32_t gid);
long lx_ftruncate(int fd, int64_t size);
long lx_truncate(const char *path, int64_t size);
long lx_utimensat(int dirfd, const char *path, const struct lx_timespec ts[2], unsigned flags);
long lx_futimesat(int dirfd, const char *path, const int64_t tv[4]);
long lx_utimes(const char *path, const int64_t tv[4]);
long lx_utime(const char *path, const int64_t t[2]);
long lx_fstatfs(int fd, struct statfs *out);
long lx_statfs(const char *path, struct statfs *out);
long lx_fgetxattr(int fd, const char *name, void *buf, size_t n);
long lx_flistxattr(int fd, void *buf, size_t n);
long lx_fsetxattr(int fd, const char *name, const void *buf, size_t n, unsigned flags);
long lx_fremovexattr(int fd, const char *name);
long lx_getxattr(const char *path, const char *name, void *buf, size_t n);
long lx_lgetxattr(const char *path, const char *name, void *buf, size_t n);
long lx_listxattr(const char *path, void *buf, size_t n);
long lx_llistxattr(const char *path, void *buf, size_t n);
long lx_setxattr(const char *path, const char *name, const void *buf, size_t n, unsigned flags);
long lx_lsetxattr(const char *path, const char *name, const void *buf, size_t n, unsigned flags);
long lx_removexattr(const char *path, const char *name);
long lx_lremovexattr(const char *path, const char *name);

/* poll.c */
long lx_poll(struct sys_poll *fds, uint32_t n, int timeout_ms);
long lx_ppoll(struct sys_poll *fds, uint32_t n, const struct lx_timespec *ts, const uint64_t *mask);
long lx_select(int n, uint64_t *in, uint64_t *out, uint64_t *except, int64_t tv[2]);
long lx_pselect6(int n, uint64_t *in, uint64_t *out, uint64_t *except,
	const struct lx_timespec *ts, const uint64_t *const *mask);

/* sigcall.c */
long lx_rt_sigaction(int sig, const struct sigaction *new, struct sigaction *old, size_t size);
long lx_rt_sigprocmask(int how, const uint64_t *set, uint64_t *old, size_t size);
long lx_rt_sigpending(uint64_t *set, size_t size);
long lx_rt_sigsuspend(const uint64_t *set, size_t size);
long lx_pause(void);
long lx_rt_sigtimedwait(const uint64_t *set, siginfo_t *out, const struct lx_timespec *ts,
	size_t size);
long lx_sigaltstack(const stack_t *new, stack_t *old);
long lx_kill(int pid, int sig);
long lx_rt_sigqueueinfo(int pid, int sig, const siginfo_t *from);
long lx_tgkill(int tgid, int tid, int sig);
long lx_tkill(int tid, int sig);

/* deliver.c */
void lx_sigreturn(void);

/* thread.c */
long lx_fork(void);
long lx_clone(uint64_t flags, uint64_t stack, uint32_t *ptid, uint32_t *ctid, uint64_t tls);
_Noreturn void lx_exit_group(int status);
_Noreturn void lx_exit(int status);
long lx_gettid(void);
long lx_set_tid_address(uint32_t *p);
long lx_arch_prctl(int op, uint64_t addr);
long lx_sched_yield(void);
long lx_futex(uint32_t *addr, int op, uint32_t value, uint64_t timeout, uint32_t *addr2,
	uint32_t value3);

/* time.c */
long lx_clock_gettime(int clock, struct lx_timespec *ts);
long lx_clock_getres(int clock, struct lx_timespec *ts);
long lx_gettimeofday(int64_t tv[2], void *zone);
long lx_time(int64_t *out);
long lx_times(struct tms *out);
long lx_nanosleep(const struct lx_timespec *ts, struct lx_timespec *left);
long lx_clock_nanosleep(int clock, int flags, const struct lx_timespec *ts,
	struct lx_timespec *left);
long lx_getitimer(int which, int64_t out[4]);
long lx_setitimer(int which, const int64_t in[4], int64_t out[4]);
long lx_alarm(uint32_t seconds);

/* tty.c */
long lx_ioctl(int fd, uint32_t request, uint64_t arg);

/* wait.c */
long lx_wait4(int pid, int *status, int options, struct rusage *ru);
long lx_waitid(int which, int pid, siginfo_t *out, int options, struct rusage *ru);
long lx_getrusage(int who, struct rusage *ru);
