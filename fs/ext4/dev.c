/*
 * Where the bytes come from: a file or device descriptor, narrowed to a partition when asked, or
 * memory (tests and fuzzing).  Partition tables are lib/blk's business.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "blk.h"
#include "ext4.h"
#include "os.h"

enum { SECTOR = 512, MAX_EINTR = 1000 };

static int
fd_read(void *ctx, void *buf, size_t n, uint64_t off)
{
	const struct ext4_dev_fd *d = ctx;
	uint8_t *p = buf;
	int interrupted = 0;

	while (n > 0) {
		unsigned long long at = d->start + off;
		int64_t got = os_pread(d->fd, p, n, (int64_t)at);

		if (got == -EINTR && ++interrupted < MAX_EINTR)
			continue;
		if (got < 0)
			return ext4_error(EIO, "ext4: device: read of %zu bytes at %llu: %s", n,
			    at, strerror((int)-got));
		if (got == 0)
			return ext4_error(EIO, "ext4: device: ends at %llu", at);
		p += got;
		off += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static int
mem_read(void *ctx, void *buf, size_t n, uint64_t off)
{
	const struct ext4_dev_mem *m = ctx;

	if (off > m->n || n > m->n - off)
		return ext4_error(EIO, "ext4: device: read past its end at %llu",
		    (unsigned long long)off);
	memcpy(buf, m->data + off, n);
	return 0;
}

int
ext4_dev_open(struct ext4_dev *dev, struct ext4_dev_fd *ctx, const char *path)
{
	int64_t size;

	ctx->start = 0;
	ctx->fd = os_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (ctx->fd < 0)
		return ext4_error(-ctx->fd, "%s: %s", path, strerror(-ctx->fd));
	size = os_size(ctx->fd);
	if (size < 0) {
		os_close(ctx->fd);
		return ext4_error((int)-size, "%s: no size: %s", path, strerror((int)-size));
	}
	*dev = (struct ext4_dev){.read = fd_read, .ctx = ctx, .size = (uint64_t)size};
	return 0;
}

static int
sector_read(void *ctx, uint64_t sector, uint32_t nsectors, void *buf)
{
	return fd_read(ctx, buf, (size_t)nsectors * SECTOR, sector * SECTOR);
}

int
ext4_dev_part(struct ext4_dev *dev, struct ext4_dev_fd *ctx, uint32_t number)
{
	struct blk_table *t = malloc(sizeof(*t));
	const struct blk_part *p;
	int r;

	if (t == NULL)
		return ext4_error(ENOMEM, "no memory for a partition table");
	r = blk_scan_partitions(sector_read, ctx, dev->size / SECTOR, SECTOR, t);
	p = r < 0 ? NULL : blk_find_part(t, number);
	if (p != NULL) {
		ctx->start = p->start * SECTOR;
		dev->size = p->nsectors * SECTOR;
	} else if (r >= 0) {
		r = ext4_error(ENXIO, "no partition %u", number);
	}
	free(t);
	return r < 0 ? r : 0;
}

void
ext4_dev_close(struct ext4_dev_fd *ctx)
{
	os_close(ctx->fd);
}

void
ext4_dev_memory(struct ext4_dev *dev, struct ext4_dev_mem *ctx)
{
	*dev = (struct ext4_dev){.read = mem_read, .ctx = ctx, .size = ctx->n};
}
