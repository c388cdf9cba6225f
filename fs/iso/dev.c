/*
 * Where the bytes come from: a file, or memory (tests and fuzzing).
 *
 * A drive tells in the ctl file of its disk where the last session begins (sd(3)).  That file is
 * beside the data file, or one folder higher for those in part/.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "iso.h"
#include "os.h"

enum { MAX_EINTR = 1000, PATH_ROOM = 512, CTL_ROOM = 8192 };

static int
fd_read(void *ctx, void *buf, size_t n, uint64_t off)
{
	const struct iso_dev_fd *d = ctx;
	uint8_t *p = buf;
	int interrupted = 0;

	while (n > 0) {
		unsigned long long at = off;
		int64_t got = os_pread(d->fd, p, n, (int64_t)off);

		if (got == -EINTR && ++interrupted < MAX_EINTR)
			continue;
		if (got < 0)
			return iso_error(EIO, "iso: device: read of %zu bytes at %llu: %s", n, at,
					 strerror((int)-got));
		if (got == 0)
			return iso_error(EIO, "iso: device: ends at %llu", at);
		p += got;
		off += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static int
mem_read(void *ctx, void *buf, size_t n, uint64_t off)
{
	const struct iso_dev_mem *m = ctx;

	if (off > m->n || n > m->n - off)
		return iso_error(EIO, "iso: device: read past its end at %llu",
				 (unsigned long long)off);
	memcpy(buf, m->data + off, n);
	return 0;
}

/* The number in a line "session N" of the ctl file in that folder; 0 without. */
static uint32_t
session_in(const char *folder)
{
	char path[PATH_ROOM + 8], text[CTL_ROOM];
	const char *line;
	int64_t n;
	int fd;

	snprintf(path, sizeof path, "%s/ctl", folder);
	fd = os_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	n = os_pread(fd, text, sizeof text - 1, 0);
	os_close(fd);
	text[n > 0 ? n : 0] = '\0';
	line = strncmp(text, "device ", 7) == 0 ? strstr(text, "\nsession ") : NULL;
	return line ? (uint32_t)strtoul(line + 9, NULL, 10) : 0;
}

static uint32_t
find_session(const char *path)
{
	char folder[PATH_ROOM];
	uint32_t session = 0;

	if (strncmp(path, "/dev/", 5) != 0 || strlen(path) >= sizeof folder)
		return 0;
	strcpy(folder, path);
	for (int up = 0; up < 2 && !session; up++) {
		char *slash = strrchr(folder, '/');

		if (!slash || slash == folder)
			return 0;
		*slash = '\0';
		session = session_in(folder);
	}
	return session;
}

int
iso_dev_open(struct iso_dev *dev, struct iso_dev_fd *ctx, const char *path)
{
	int64_t size;

	ctx->fd = os_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (ctx->fd < 0)
		return iso_error(-ctx->fd, "%s: %s", path, strerror(-ctx->fd));
	size = os_size(ctx->fd);
	if (size < 0) {
		os_close(ctx->fd);
		return iso_error((int)-size, "%s: no size: %s", path, strerror((int)-size));
	}
	*dev = (struct iso_dev){ .read = fd_read, .ctx = ctx, .size = (uint64_t)size };
	dev->session = find_session(path);
	return 0;
}

void
iso_dev_close(struct iso_dev_fd *ctx)
{
	os_close(ctx->fd);
}

void
iso_dev_memory(struct iso_dev *dev, struct iso_dev_mem *ctx)
{
	*dev = (struct iso_dev){ .read = mem_read, .ctx = ctx, .size = ctx->n };
}
