/*
 * What Lux9 has and POSIX has not, and file calls that skip the C library.  lib/os/lux9 makes
 * Lux9's system calls; lib/os/linux does the same on Linux as far as Linux can, so that servers
 * are tested there.  Functions return 0 or more, or a negative errno.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OS_ERRSTR_MAX	128

/* The text of this thread's last error, NUL-terminated; its length. */
int os_errstr(char *buf, size_t n);
void os_set_errstr(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Since an arbitrary moment, never going back; and since 1970. */
uint64_t os_time_ns(void);
uint64_t os_wall_ns(void);
/* 0, or -EINTR. */
int os_sleep_ns(uint64_t ns);

/* --- files: flags are O_* of fcntl.h; offset -1 is at and past the descriptor's own ------- */

int os_open(const char *path, int flags, uint32_t mode);
int os_close(int fd);
int64_t os_pread(int fd, void *buf, size_t n, int64_t offset);
int64_t os_pwrite(int fd, const void *buf, size_t n, int64_t offset);
int os_fsync(int fd, bool data_only);
/* Bytes in the file or block device, by its attributes. */
int64_t os_size(int fd);
/* Of a block device of Linux: bytes of a logical sector; and it reads the partition table again.
 * -ENOTTY: it is none, or has no partitions. */
int os_block_size(int fd);
int os_block_rescan(int fd);

/* --- memory ------------------------------------------------------------------------------- */

enum os_prot { OS_READ = 1, OS_WRITE = 2 };
enum os_cache { OS_CACHED, OS_UNCACHED, OS_WRITE_COMBINING };

/* Maps part of a file that has pages of its own: device registers (/dev/mem), a DMA buffer
 * (/dev/dma/N/data).  offset and len need not be aligned to pages; the result is offset's place.
 * NULL: os_errstr says why; errno ENODEV: it has none, and is to be read and written. */
void *os_map(int fd, uint64_t offset, size_t len, int prot, enum os_cache);
int os_unmap(void *, size_t len);

/*
 * --- name space ---------------------------------------------------------------------------
 * On Linux a mount is this process's alone, and only the calls above and os_readdir know of it;
 * service is as for os_service_open.  Binding and unmounting give -EOPNOTSUPP there.
 */

enum os_mflags { OS_MREPL = 0, OS_MBEFORE = 1, OS_MAFTER = 2, OS_MCREATE = 4 };

/* The service "/srv/NAME" (or any path that opens as one), or an open descriptor of one.  When
 * the server goes, calls on its files wait wait_ms for a successor; 0: they fail. */
int os_mount(const char *service, const char *path, int flags, const char *aname,
	unsigned wait_ms);
int os_mount_fd(int fd, const char *path, int flags, const char *aname, unsigned wait_ms);
int os_bind(const char *what, const char *path, int flags);
/* what NULL: everything that is mounted at the path. */
int os_unmount(const char *what, const char *path);

/*
 * A process with a copy of this one's name space (and, on Linux, of its mounts), which calls the
 * function and ends with what that gives.  It has the calling thread only, and uses the functions
 * of this header and no others: a lock of the C library may be another thread's.  Its pid.
 */
int os_fork_ns(int (*child)(void *arg), void *arg);

/* A client's end of a 9P service.  Lux9: a name under /srv, or a path; it is to be mounted.
 * Linux: unix!PATH and tcp!HOST!PORT give a connected stream, for p9_client.h. */
int os_service_open(const char *name);
