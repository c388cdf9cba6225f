/*
 * The disk that `part` works on.  Under /dev/sd its sizes are in its file geometry and its ctl
 * tells what is open (see man/3/sd); an image has only its length.  A device of Linux has sectors
 * of its own too, and Linux says whether it is in use.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../sd.h"
#include "part.h"

enum { DEFAULT_SECSIZE = 512 };

static int
fail(struct part_disk *d, const char *what, int err)
{
	snprintf(d->what, sizeof d->what, "%s", what);
	return err;
}

static int
read_geometry(struct part_disk *d, const char *folder)
{
	char path[SD_PATH_MAX + 16], *text, *at, *value;

	snprintf(path, sizeof path, "%s/geometry", folder);
	text = sd_text(path);
	if (!text)
		return fail(d, path, -errno);
	for (const char *name = sd_line(text, &at, &value); name;
	     name = sd_line(NULL, &at, &value)) {
		if (strcmp(name, "sectors") == 0)
			d->nsectors = strtoull(value, NULL, 10);
		else if (strcmp(name, "secsize") == 0)
			d->secsize = (uint32_t)strtoul(value, NULL, 10);
	}
	free(text);
	return 0;
}

static int
read_opens(struct part_disk *d)
{
	char *text = sd_text(d->ctl), *at, *value;

	if (!text)
		return fail(d, d->ctl, -errno);
	for (const char *name = sd_line(text, &at, &value); name; name = sd_line(NULL, &at, &value))
		if (d->nopened < PART_MAX_OPENS && strcmp(name, "open") == 0)
			d->opened[d->nopened++] = (uint32_t)strtoul(value, NULL, 10);
	free(text);
	return 0;
}

static int
open_folder(struct part_disk *d, const char *folder, uint32_t secsize)
{
	int err;

	snprintf(d->data, sizeof d->data, "%.200s/data", folder);
	snprintf(d->ctl, sizeof d->ctl, "%.200s/ctl", folder);
	err = read_geometry(d, folder);
	if (err < 0)
		return err;
	if (secsize && secsize != d->secsize) {
		os_set_errstr("its sectors have %u bytes", d->secsize);
		return fail(d, folder, -EINVAL);
	}
	return read_opens(d);
}

static int
open_image(struct part_disk *d, uint32_t secsize)
{
	int64_t size = os_size(d->fd);
	int own = os_block_size(d->fd);

	if (size < 0)
		return fail(d, d->data, (int)size);
	if (own > 0 && secsize && secsize != (uint32_t)own) {
		os_set_errstr("its sectors have %d bytes", own);
		return fail(d, d->data, -EINVAL);
	}
	d->secsize = own > 0 ? (uint32_t)own : secsize ? secsize : DEFAULT_SECSIZE;
	d->nsectors = (uint64_t)size / d->secsize;
	if (!d->nsectors) {
		os_set_errstr("its %lld bytes are not even one sector of %u", (long long)size,
			      d->secsize);
		return fail(d, d->data, -EINVAL);
	}
	return 0;
}

int
part_open(struct part_disk *d, const char *name, uint32_t secsize, bool write)
{
	char folder[SD_PATH_MAX];
	struct stat st;
	int flags = write ? O_RDWR : O_RDONLY, err = 0;

	memset(d, 0, sizeof *d);
	if (strlen(name) >= SD_PATH_MAX - 16)
		return fail(d, name, -ENAMETOOLONG);
	snprintf(d->data, sizeof d->data, "%s", name);
	sd_folder(name, folder);
	if (folder[0])
		err = open_folder(d, folder, secsize);
	/* Linux: a device with a partition that is mounted is busy. */
	else if (write && stat(name, &st) == 0 && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	if (err < 0)
		return err;
	d->fd = os_open(d->data, flags, 0);
	if (d->fd < 0)
		return fail(d, d->data, d->fd);
	return folder[0] ? 0 : open_image(d, secsize);
}

static int
read_disk(void *ctx, uint64_t sector, uint32_t nsectors, void *buf)
{
	const struct part_disk *d = ctx;
	size_t n = (size_t)nsectors * d->secsize, done = 0;

	while (done < n) {
		int64_t got = os_pread(d->fd, (char *)buf + done, n - done,
				       (int64_t)(sector * d->secsize + done));

		if (got <= 0)
			return got < 0 ? (int)got : -EIO;
		done += (size_t)got;
	}
	return 0;
}

static int
write_disk(void *ctx, uint64_t sector, uint32_t nsectors, const void *buf)
{
	const struct part_disk *d = ctx;
	size_t n = (size_t)nsectors * d->secsize, done = 0;

	while (done < n) {
		int64_t put = os_pwrite(d->fd, (const char *)buf + done, n - done,
					(int64_t)(sector * d->secsize + done));

		if (put <= 0)
			return put < 0 ? (int)put : -EIO;
		done += (size_t)put;
	}
	return 0;
}

static int
flush_disk(void *ctx)
{
	return os_fsync(((const struct part_disk *)ctx)->fd, false);
}

struct blk_medium
part_medium(struct part_disk *d)
{
	return (struct blk_medium){ read_disk, write_disk, flush_disk, d, d->nsectors, d->secsize };
}

int
part_rescan(struct part_disk *d)
{
	int fd;
	int64_t n = 0;

	if (!d->ctl[0]) {
		int err = os_block_rescan(d->fd);

		return err < 0 && err != -ENOTTY ? fail(d, d->data, err) : 0;
	}
	fd = os_open(d->ctl, O_WRONLY, 0);
	if (fd >= 0) {
		n = os_pwrite(fd, "rescan", 6, 0);
		os_close(fd);
	}
	if (fd >= 0 && n >= 0)
		return 0;
	return fail(d, d->ctl, fd < 0 ? fd : (int)n);
}
