/*
 * Commands of ctl for a range of sectors: `discard START COUNT [PART]`, `zero START COUNT [PART]`.
 *
 * With a partition's number the sectors are counted from its start, and must be in it; it may be
 * open, since whoever names it means it.  Without, or with 0, they are the disk's, and a partition
 * that somebody has open must not have any of them.  Either way what is named is busy meanwhile, so
 * that a rescan which takes it away waits.
 *
 * A range may be as long as the disk.  It is done in pieces of at most BLK_ZERO_PIECE or
 * BLK_DISCARD_PIECE bytes, and no request may take longer than the server's deadline: when
 * server->range_ns have gone by no further piece is begun, and the error says how far it came.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "disk.h"
#include "os.h"

struct range {
	uint64_t first, count;
	unsigned part;
};

static const char *
word(enum blk_kind kind)
{
	return kind == BLK_ZERO ? "zero" : "discard";
}

/* A number and what ends it, a blank or the end of the text: what is behind that, or NULL. */
static const char *
number(const char *at, uint64_t *out)
{
	char *end;

	if (*at < '0' || *at > '9')
		return NULL;
	errno = 0;
	*out = strtoull(at, &end, 0);
	if (errno || (*end && *end != ' '))
		return NULL;
	return *end ? end + 1 : end;
}

static bool
parse(const char *args, struct range *r)
{
	uint64_t part = 0;

	if (!(args = number(args, &r->first)) || !(args = number(args, &r->count)))
		return false;
	if (*args && (!(args = number(args, &part)) || *args))
		return false;
	r->part = part < UINT32_MAX ? (unsigned)part : UINT32_MAX;
	return r->count;
}

/* Under server->lock. */
static struct blk_file *
find(struct blk_disk *d, unsigned part)
{
	for (unsigned i = 0; i < d->nfiles; i++)
		if (d->file[i]->number == part)
			return d->file[i];
	return NULL;
}

/* Under server->lock: a partition that is open and has one of these sectors; 0: none. */
static unsigned
open_part(const struct blk_disk *d, const struct range *r)
{
	for (unsigned i = 0; i < d->nfiles; i++) {
		const struct blk_file *f = d->file[i];

		if (f->number && atomic_load(&f->opens) && r->first < f->start + f->nsectors &&
		    f->start < r->first + r->count)
			return f->number;
	}
	return 0;
}

/* Under server->lock.  The file is busy, if it is in *out, and has a reference more. */
static int
take(struct blk_disk *d, const struct range *r, struct blk_file **out, char *why)
{
	struct blk_file *f = find(d, r->part);
	unsigned open;

	if (!f) {
		if (!r->part)
			return d->info.removable ? -ENOMEDIUM : -ENODEV;
		snprintf(why, BLK_WHY_MAX, "%s: there is no partition %u", d->info.name, r->part);
		return -ENXIO;
	}
	if (r->first > f->nsectors || r->count > f->nsectors - r->first) {
		snprintf(why, BLK_WHY_MAX, "%s: these sectors are not in %s", d->info.name,
			 r->part ? "the partition" : "the disk");
		return -EINVAL;
	}
	open = r->part ? 0 : open_part(d, r);
	if (open) {
		snprintf(why, BLK_WHY_MAX, "%s: partition %u is open", d->info.name, open);
		return -EBUSY;
	}
	if (!blk_file_busy(d, f))
		return -ENODEV;
	atomic_fetch_add(&f->refs, 1);
	*out = f;
	return 0;
}

/* The range in pieces; f is busy. */
static int
do_range(struct blk_disk *d, enum blk_kind kind, const struct range *r, uint64_t start, char *why)
{
	uint64_t piece = (kind == BLK_ZERO ? BLK_ZERO_PIECE : BLK_DISCARD_PIECE) >> d->shift;
	uint64_t until = os_time_ns() + d->server->range_ns, done = 0;
	int err = 0;

	while (done < r->count && !err) {
		uint64_t left = r->count - done, n = left < piece ? left : piece;

		if (done && os_time_ns() >= until)
			err = -ETIMEDOUT;
		else if (!(err = blk_sync(d, kind, start + done, (uint32_t)n, NULL)))
			done += n;
	}
	if (err == -ETIMEDOUT && done)
		snprintf(why, BLK_WHY_MAX, "%s: %llu sectors done in the time: go on at %llu",
			 word(kind), (unsigned long long)done,
			 (unsigned long long)(r->first + done));
	else if (err && done)
		snprintf(why, BLK_WHY_MAX, "%s: %.30s, after %llu sectors", word(kind),
			 strerror(-err), (unsigned long long)done);
	return err;
}

int
blk_range_command(struct blk_disk *d, enum blk_kind kind, const char *args, char why[BLK_WHY_MAX])
{
	struct blk_file *f = NULL;
	struct range r;
	int err;

	if (!parse(args, &r)) {
		snprintf(why, BLK_WHY_MAX, "%s: usage: %s START COUNT [PART]", word(kind),
			 word(kind));
		return -EINVAL;
	}
	if (d->info.readonly) {
		snprintf(why, BLK_WHY_MAX, "%s: disk is read-only", d->info.name);
		return -EROFS;
	}
	pthread_mutex_lock(&d->server->lock);
	err = take(d, &r, &f, why);
	pthread_mutex_unlock(&d->server->lock);
	if (err < 0)
		return err;
	err = do_range(d, kind, &r, f->start + r.first, why);
	blk_file_idle(d, f);
	blk_file_put(f);
	return err;
}
