/*
 * The bytes of a file or device, or of memory: see blk_source.h.
 */
#include "blk_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "os.h"

enum { MAX_EINTR = 1000 };

static int
file_read(void *ctx, void *buf, size_t n, uint64_t off)
{
	const struct blk_source_file *f = ctx;
	uint8_t *p = buf;
	int interrupted = 0;

	while (n > 0) {
		unsigned long long at = f->start + off;
		int64_t got = os_pread(f->fd, p, n, (int64_t)at);

		if (got == -EINTR && ++interrupted < MAX_EINTR)
			continue;
		if (got < 0) {
			f->why("device: read of %zu bytes at %llu: %s", n, at, strerror((int)-got));
			return -EIO;
		}
		if (got == 0) {
			f->why("device: ends at %llu", at);
			return -EIO;
		}
		p += got;
		off += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static int
memory_read(void *ctx, void *buf, size_t n, uint64_t off)
{
	const struct blk_source_memory *m = ctx;

	if (off > m->n || n > m->n - off) {
		m->why("device: read past its end at %llu", (unsigned long long)off);
		return -EIO;
	}
	memcpy(buf, m->data + off, n);
	return 0;
}

int
blk_source_open(struct blk_source *s, struct blk_source_file *f, const char *path)
{
	int64_t size;

	f->start = 0;
	f->fd = os_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (f->fd < 0) {
		f->why("%s: %s", path, strerror(-f->fd));
		return f->fd;
	}
	size = os_size(f->fd);
	if (size < 0) {
		os_close(f->fd);
		f->why("%s: no size: %s", path, strerror((int)-size));
		return (int)size;
	}
	*s = (struct blk_source){ .read = file_read, .ctx = f, .size = (uint64_t)size };
	return 0;
}

void
blk_source_close(struct blk_source_file *f)
{
	os_close(f->fd);
	f->fd = -1;
}

void
blk_source_memory(struct blk_source *s, struct blk_source_memory *m)
{
	*s = (struct blk_source){ .read = memory_read, .ctx = m, .size = m->n };
}
