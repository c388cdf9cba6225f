/*
 * The disks of a server: adding, removing, and reading their partition tables again.
 *
 * A disk lives while the server shows it or a fid refers to it; a partition while the table has it
 * or a fid does.  A rescan keeps every partition whose number, sectors and UUID are the same, so
 * that it stays open; any other is marked gone, and its fids get errors.  When a rescan is over, so
 * is every request to the sectors of those that are gone.  Locks: see disk.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "disk.h"
#include "os.h"

struct blk_server *
blk_server_new(void (*rescan)(void *arg), void *arg)
{
	struct blk_server *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	s->rescan = rescan;
	s->rescan_arg = arg;
	s->began_cycles = blk_cycles();
	s->began_ns = os_time_ns();
	s->range_ns = BLK_RANGE_NS;
	return s;
}

void
blk_server_commands(struct blk_server *s, int (*command)(void *arg, const char *text), void *arg)
{
	s->command = command;
	s->command_arg = arg;
}

void
blk_server_unlist(struct blk_server *s, bool unlisted)
{
	s->unlisted = unlisted;
}

void
blk_server_free(struct blk_server *s)
{
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The counter's rate is what it was on average since the server began. */
uint64_t
blk_cycles_to_ns(const struct blk_server *s, uint64_t cycles)
{
	uint64_t c = blk_cycles() - s->began_cycles, ns = os_time_ns() - s->began_ns;

	return c ? (uint64_t)((double)cycles * (double)ns / (double)c) : 0;
}

/*
 * qid.path, from which a client knows after the driver's death whether a file is still the same;
 * kind < 16, the two may be NULL:
 *
 *	bits 0-3	the kind of file
 *	4-17		the partition's number
 *	18-31		the number in the disk's name; with these three no two files are the same
 *	32-63		a sum over what it is: model, serial number, size of the disk; first
 *			sector, size, UUID of the partition
 */
uint64_t
blk_path(unsigned kind, const struct blk_disk *d, const struct blk_file *f)
{
	uint64_t path = kind;

	if (d)
		path |= (uint64_t)d->number << (BLK_KIND_BITS + BLK_NUMBER_BITS);
	if (f)
		path |= (uint64_t)f->number << BLK_KIND_BITS;
	if (d)
		path |= (uint64_t)(f ? f->identity : d->identity) << 32;
	return path;
}

_Static_assert(BLK_KIND_BITS + 2 * BLK_NUMBER_BITS == 32, "the fields of a path");

void
blk_file_put(struct blk_file *f)
{
	if (atomic_fetch_sub(&f->refs, 1) == 1)
		free(f);
}

void
blk_file_idle(struct blk_disk *d, struct blk_file *f)
{
	if (atomic_fetch_sub(&f->busy, 1) > 1 || !atomic_load(&f->gone))
		return;
	pthread_mutex_lock(&d->idle_lock);
	pthread_cond_broadcast(&d->idle);
	pthread_mutex_unlock(&d->idle_lock);
}

bool
blk_file_busy(struct blk_disk *d, struct blk_file *f)
{
	atomic_fetch_add(&f->busy, 1);
	if (!atomic_load_explicit(&d->gone, memory_order_relaxed) &&
	    !atomic_load_explicit(&f->gone, memory_order_acquire))
		return true;
	blk_file_idle(d, f);
	return false;
}

void
blk_disk_get(struct blk_disk *d)
{
	atomic_fetch_add(&d->refs, 1);
}

void
blk_disk_put(struct blk_disk *d)
{
	if (atomic_fetch_sub(&d->refs, 1) != 1)
		return;
	for (unsigned i = 0; i < d->nfiles; i++)
		blk_file_put(d->file[i]);
	pthread_mutex_destroy(&d->idle_lock);
	pthread_cond_destroy(&d->idle);
	pthread_mutex_destroy(&d->scan_lock);
	if (d->ops->release)
		d->ops->release(d->drive);
	free(d);
}

static struct blk_file *
make_file(const struct blk_disk *d, const struct blk_part *p)
{
	struct blk_file *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->refs = 1;
	f->nsectors = d->nsectors;
	f->medium = d->medium;
	if (p) {
		f->number = p->number;
		f->start = p->start;
		f->nsectors = p->nsectors;
		memcpy(f->uuid, p->uuid, sizeof f->uuid);
		if (p->type_uuid[0])
			memcpy(f->type, p->type_uuid, sizeof f->type);
		else
			snprintf(f->type, sizeof f->type, "0x%02x", p->mbr_type);
		memcpy(f->label, p->label, sizeof f->label);
	}
	/* Of what same_file compares, or a rescan and a restart would not agree. */
	f->identity = blk_crc32(d->identity, &f->start, sizeof f->start);
	f->identity = blk_crc32(f->identity, &f->nsectors, sizeof f->nsectors);
	f->identity = blk_crc32(f->identity, f->uuid, strlen(f->uuid));
	if (d->info.removable)
		f->identity = blk_crc32(f->identity, &f->medium, sizeof f->medium);
	return f;
}

static bool
same_file(const struct blk_file *a, const struct blk_file *b)
{
	return a->number == b->number && a->start == b->start && a->nsectors == b->nsectors &&
	       a->medium == b->medium && strcmp(a->uuid, b->uuid) == 0;
}

static bool
keep_file(struct blk_file *old, struct blk_file **file, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (same_file(old, file[i])) {
			memcpy(old->type, file[i]->type, sizeof old->type);
			memcpy(old->label, file[i]->label, sizeof old->label);
			blk_file_put(file[i]);
			file[i] = old;
			return true;
		}
	return false;
}

/*
 * The old file where it is the same, else the new one.  Those that are gone are in `gone`, with the
 * old table's references; how many.
 */
static unsigned
replace_files(struct blk_disk *d, struct blk_file **file, unsigned n, struct blk_file **gone)
{
	unsigned ngone = 0;

	for (unsigned i = 0; i < d->nfiles; i++)
		if (!keep_file(d->file[i], file, n)) {
			atomic_store(&d->file[i]->gone, true);
			gone[ngone++] = d->file[i];
		}
	for (d->nfiles = 0; d->nfiles < n; d->nfiles++)
		d->file[d->nfiles] = file[d->nfiles];
	return ngone;
}

/* Commands end in bounded time, so this does. */
static void
wait_idle(struct blk_disk *d, struct blk_file *f)
{
	pthread_mutex_lock(&d->idle_lock);
	while (atomic_load(&f->busy))
		pthread_cond_wait(&d->idle, &d->idle_lock);
	pthread_mutex_unlock(&d->idle_lock);
	blk_file_put(f);
}

static int
read_sectors(void *ctx, uint64_t sector, uint32_t nsectors, void *buf)
{
	return blk_sync(ctx, BLK_READ, sector, nsectors, buf);
}

static int
scan(struct blk_disk *d)
{
	struct blk_file *file[BLK_MAX_PARTS + 1], *gone[BLK_MAX_PARTS + 1];
	struct blk_table *t = malloc(sizeof *t);
	unsigned n = 0, ngone;
	int err = 0;

	if (!t)
		return -ENOMEM;
	if (d->info.whole)
		memset(t, 0, sizeof *t);
	else if ((err = blk_scan_partitions(read_sectors, d, d->nsectors, d->info.secsize, t)) < 0)
		snprintf(t->notes, sizeof t->notes, "sector 0 cannot be read\n");
	if (d->nsectors)
		file[n++] = make_file(d, NULL);
	for (unsigned i = 0; i < t->nparts && n && file[n - 1]; i++)
		if (!t->part[i].container)
			file[n++] = make_file(d, &t->part[i]);
	if (n && !file[n - 1]) {
		while (--n)
			free(file[n - 1]);
		err = -ENOMEM;
	} else {
		pthread_mutex_lock(&d->server->lock);
		ngone = replace_files(d, file, n, gone);
		blk_text_table(t, d->table_text, sizeof d->table_text);
		pthread_mutex_unlock(&d->server->lock);
		while (ngone)
			wait_idle(d, gone[--ngone]);
	}
	free(t);
	return err;
}

int
blk_rescan(struct blk_disk *d)
{
	int err;

	pthread_mutex_lock(&d->scan_lock);
	err = scan(d);
	pthread_mutex_unlock(&d->scan_lock);
	return err;
}

static void
forget_medium(struct blk_disk *d)
{
	static const struct blk_table none;
	struct blk_file *gone[BLK_MAX_PARTS + 1];
	unsigned ngone;

	pthread_mutex_lock(&d->server->lock);
	d->nsectors = 0;
	ngone = replace_files(d, NULL, 0, gone);
	blk_text_table(&none, d->table_text, sizeof d->table_text);
	pthread_mutex_unlock(&d->server->lock);
	while (ngone)
		wait_idle(d, gone[--ngone]);
}

int
blk_set_medium(struct blk_disk *d, uint64_t nsectors, uint32_t medium)
{
	int err = nsectors > (uint64_t)INT64_MAX >> d->shift ? -EINVAL : 0;

	pthread_mutex_lock(&d->scan_lock);
	if (err || d->nsectors != nsectors || d->medium != medium) {
		forget_medium(d);
		d->medium = medium;
		d->nsectors = err ? 0 : nsectors;
		if (!err && scan(d) == -ENOMEM) {
			forget_medium(d);
			err = -ENOMEM;
		}
	}
	pthread_mutex_unlock(&d->scan_lock);
	return err;
}

/* The digits at the end of a name. */
static unsigned long
name_number(const char *name)
{
	const char *p = name + strlen(name);

	while (p > name && p[-1] >= '0' && p[-1] <= '9')
		p--;
	return strtoul(p, NULL, 10);
}

static uint32_t
disk_identity(const struct blk_info *i)
{
	uint32_t sum = blk_crc32(0, i->model, sizeof i->model);

	sum = blk_crc32(sum, i->serial, sizeof i->serial);
	if (!i->removable)
		sum = blk_crc32(sum, &i->nsectors, sizeof i->nsectors);
	return blk_crc32(sum, &i->secsize, sizeof i->secsize);
}

static int
check_info(const struct blk_info *i)
{
	if (i->secsize < BLK_MIN_SECTOR || i->secsize > BLK_MAX_SECTOR ||
	    (i->secsize & (i->secsize - 1)))
		return -EINVAL;
	if (!i->nsectors && !i->removable)
		return -EINVAL;
	if (i->nsectors > INT64_MAX / i->secsize || i->max_sectors < 8 || !i->name[0] ||
	    name_number(i->name) >> BLK_NUMBER_BITS || !i->memory)
		return -EINVAL;
	return 0;
}

static int
show(struct blk_server *s, struct blk_disk *d)
{
	int err = 0;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->ndisks; i++)
		if (s->disk[i]->number == d->number)
			err = -EEXIST;
	if (!err && s->ndisks == BLK_MAX_DISKS)
		err = -ENOSPC;
	if (!err) {
		unsigned at = s->ndisks++;

		/* In the order of their names, which have at most two digits. */
		for (; at && strverscmp(s->disk[at - 1]->info.name, d->info.name) > 0; at--)
			s->disk[at] = s->disk[at - 1];
		s->disk[at] = d;
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

int
blk_add_disk(struct blk_server *s, const struct blk_info *info, const struct blk_ops *ops,
	     void *drive, struct blk_disk **out)
{
	struct blk_disk *d = NULL;
	int err = check_info(info);

	if (err == 0 && !(d = calloc(1, sizeof *d)))
		err = -ENOMEM;
	if (!d) {
		if (ops->release)
			ops->release(drive);
		return err;
	}
	d->refs = 1;
	d->info = *info;
	d->ops = ops;
	d->drive = drive;
	d->server = s;
	d->shift = (uint32_t)__builtin_ctz(info->secsize);
	d->number = (uint32_t)name_number(info->name);
	d->nsectors = info->nsectors;
	d->medium = info->medium;
	d->identity = disk_identity(info);
	pthread_mutex_init(&d->idle_lock, NULL);
	pthread_cond_init(&d->idle, NULL);
	pthread_mutex_init(&d->scan_lock, NULL);
	if (!d->info.discard_sectors)
		d->info.discard_sectors = UINT32_MAX;
	if (!d->info.zero_sectors)
		d->info.zero_sectors = UINT32_MAX;
	if (!d->info.align || d->info.align > BLK_MIN_SECTOR)
		d->info.align = BLK_MIN_SECTOR;
	d->info.direct &= info->max_segs >= 2; /* a sector may lie in two pages */
	err = blk_memory_join(d);
	if (err == 0 && (err = blk_rescan(d)) != -ENOMEM)
		err = show(s, d);
	if (err < 0) {
		if (d->share)
			blk_memory_leave(d);
		blk_disk_put(d);
		return err;
	}
	*out = d;
	return 0;
}

void
blk_remove_disk(struct blk_disk *d)
{
	struct blk_server *s = d->server;
	unsigned kept = 0;

	atomic_store(&d->gone, true);
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->ndisks; i++)
		if (s->disk[i] != d)
			s->disk[kept++] = s->disk[i];
	s->ndisks = kept;
	pthread_mutex_unlock(&s->lock);
	blk_memory_leave(d);
	blk_disk_put(d);
}
