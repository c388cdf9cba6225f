/* Files of 9P services that this process has mounted: mount.c, for os.c and tree.c. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Above any number that Linux gives to a descriptor. */
#define SERVED_FD	(1 << 30)

static inline bool
is_served(int fd)
{
	return fd >= SERVED_FD;
}

/* As the calls of os.h without `served_`.  Open: -ENXIO when the path is below no mount, or the
 * service has no such file and what is under it may have. */
int served_open(const char *path, int flags);
int served_close(int fd);
int64_t served_pread(int fd, void *buf, size_t n, int64_t offset);
int64_t served_pwrite(int fd, const void *buf, size_t n, int64_t offset);
int served_fsync(int fd, bool data_only);
int64_t served_size(int fd);
/* NULL and errno ENODEV: the file has no pages. */
void *served_map(int fd, uint64_t offset, size_t len, int prot);
/* False: the mapping is none of served_map's. */
bool served_unmap(void *at);
/* The entries after `offset` as struct sys_dirent. */
int64_t served_readdir(int fd, uint64_t offset, void *buf, size_t n);
int served_mount(int service_fd, const char *path, int flags, const char *aname);
