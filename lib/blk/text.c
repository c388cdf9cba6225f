/*
 * The text files of /dev/sd and the commands of ctl; see man/3/sd.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "disk.h"
#include "os.h"
#include "p9_srv.h"

struct out {
	char *buf;
	size_t n, used;
};

static void put(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
put(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (o->used + 1 >= o->n)
		return;
	va_start(ap, fmt);
	n = vsnprintf(o->buf + o->used, o->n - o->used, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->used += (size_t)n < o->n - o->used ? (size_t)n : o->n - o->used - 1;
}

static unsigned long long
ull(uint64_t v)
{
	return v;
}

size_t
blk_text_sdctl(struct blk_server *s, char *buf, size_t n)
{
	struct out o = { buf, n, 0 };

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->ndisks; i++) {
		struct blk_disk *d = s->disk[i];

		put(&o, "%s '%s' %llu\n", d->info.name, d->info.model,
		    ull(d->nsectors << d->shift));
	}
	pthread_mutex_unlock(&s->lock);
	return o.used;
}

size_t
blk_text_table(const struct blk_table *t, char *buf, size_t n)
{
	static const char *const kind[] = { "none", "mbr", "gpt" };
	struct out o = { buf, n, 0 };
	const char *line = t->notes;

	put(&o, "table %s%s%s\n", kind[t->kind], t->uuid[0] ? " " : "", t->uuid);
	while (*line) {
		size_t len = strcspn(line, "\n");

		put(&o, "note %.*s\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
	return o.used;
}

static const char *
state_name(struct blk_disk *d)
{
	return atomic_load(&d->gone) ? "gone" : d->nsectors ? "ready" : "empty";
}

size_t
blk_text_ctl(struct blk_disk *d, char *buf, size_t n)
{
	struct out o = { buf, n, 0 };
	const struct blk_info *i = &d->info;

	put(&o, "device %s\nmodel %s\nserial %s\nfirmware %s\nsize %llu\nstate %s\n", i->name,
	    i->model, i->serial, i->firmware, ull(d->nsectors * i->secsize), state_name(d));
	put(&o, "features %s\nqueue-depth %u\n", i->features, i->queue_depth);
	pthread_mutex_lock(&d->server->lock);
	put(&o, "%s", d->table_text);
	for (unsigned f = 1; f < d->nfiles; f++) {
		const struct blk_file *p = d->file[f];

		put(&o, "part %u %llu %llu %s %s%s%s\n", p->number, ull(p->start), ull(p->nsectors),
		    p->uuid, p->type, p->label[0] ? " " : "", p->label);
	}
	for (unsigned f = 0; f < d->nfiles; f++) {
		uint32_t opens = atomic_load(&d->file[f]->opens);

		if (opens)
			put(&o, "open %u %u\n", d->file[f]->number, opens);
	}
	pthread_mutex_unlock(&d->server->lock);
	if (d->ops->describe && o.used + 1 < n)
		o.used += d->ops->describe(d->drive, buf + o.used, n - o.used);
	return o.used;
}

size_t
blk_text_geometry(const struct blk_disk *d, char *buf, size_t n)
{
	struct out o = { buf, n, 0 };
	const struct blk_info *i = &d->info;

	put(&o, "sectors %llu\nsecsize %u\nphyssecsize %u\n", ull(d->nsectors), i->secsize,
	    i->physsecsize);
	put(&o, "cylinders %u\nheads %u\nsectors-per-track %u\n", i->cylinders, i->heads,
	    i->sectors_per_track);
	return o.used;
}

size_t
blk_text_stats(struct blk_disk *d, char *buf, size_t n)
{
	static const char *const name[BLK_NKINDS] = { "read", "write", "flush", "discard", "zero" };
	const struct blk_kind_stats *st = d->stats;
	struct out o = { buf, n, 0 };
	uint64_t waits;

	os_lock_take(&d->writes_lock);
	waits = d->waits;
	os_lock_give(&d->writes_lock);
	for (unsigned k = 0; k < BLK_NKINDS; k++, st++)
		put(&o, "%s-requests %llu\n%s-bytes %llu\n%s-errors %llu\n%s-ns %llu\n", name[k],
		    ull(st->requests), name[k], ull(st->bytes), name[k], ull(st->errors), name[k],
		    ull(blk_cycles_to_ns(d->server, st->cycles)));
	put(&o, "in-flight %u\nunaligned-waits %llu\ndirect-bytes %llu\n", d->inflight, ull(waits),
	    ull(d->direct_bytes));
	if (d->ops->statistics && o.used + 1 < n)
		o.used += d->ops->statistics(d->drive, buf + o.used, n - o.used);
	return o.used;
}

/* Commands wait in their thread, so not too many do: who serves the other files? */
bool
blk_may_wait(struct p9_req *r, struct blk_disk *d)
{
	struct blk_server *s = d->server;
	bool may;

	pthread_mutex_lock(&s->lock);
	may = d->nwaiters < BLK_WAITERS_MAX && s->nwaiters < BLK_WAITERS_ALL;
	d->nwaiters += may;
	s->nwaiters += may;
	pthread_mutex_unlock(&s->lock);
	if (may)
		blk_disk_get(d);
	else
		p9_fail(r, EBUSY, "%s: other commands wait already", d->info.name);
	return may;
}

void
blk_has_waited(struct blk_disk *d)
{
	struct blk_server *s = d->server;

	pthread_mutex_lock(&s->lock);
	d->nwaiters--;
	s->nwaiters--;
	pthread_mutex_unlock(&s->lock);
	blk_disk_put(d);
}

int
blk_ctl_command(struct blk_disk *d, const char *text, char why[BLK_WHY_MAX])
{
	char said[OS_ERRSTR_MAX];
	int err;

	why[0] = '\0';
	if (strcmp(text, "flush") == 0)
		return blk_sync(d, BLK_FLUSH, 0, 0, NULL);
	if (strcmp(text, "rescan") == 0)
		return blk_rescan(d);
	if (strncmp(text, "discard ", 8) == 0)
		return blk_range_command(d, BLK_DISCARD, text + 8, why);
	if (strncmp(text, "zero ", 5) == 0)
		return blk_range_command(d, BLK_ZERO, text + 5, why);
	os_set_errstr("%s", "");
	err = d->ops->command ? d->ops->command(d->drive, text) : -EINVAL;
	if (err == -EINVAL && strcmp(text, "standby") == 0) {
		snprintf(why, BLK_WHY_MAX, "%s: this kind of disk has no standby", d->info.name);
		return -EOPNOTSUPP;
	}
	if (err == -EINVAL)
		snprintf(why, BLK_WHY_MAX, "%s: unknown command: %.40s", d->info.name, text);
	else if (err < 0 && os_errstr(said, sizeof said) > 0)
		snprintf(why, BLK_WHY_MAX, "%.*s", BLK_WHY_MAX - 1, said);
	return err;
}

int
blk_sdctl_command(struct blk_server *s, const char *text, char why[BLK_WHY_MAX])
{
	char said[OS_ERRSTR_MAX];
	int err = -ENOENT;

	if (strcmp(text, "rescan") == 0) {
		if (s->rescan)
			s->rescan(s->rescan_arg);
		return 0;
	}
	os_set_errstr("%s", "");
	if (s->command)
		err = s->command(s->command_arg, text);
	if (err == -ENOENT) {
		snprintf(why, BLK_WHY_MAX, "sdctl: unknown command: %.40s", text);
		return -EINVAL;
	}
	if (err < 0 && os_errstr(said, sizeof said) > 0)
		snprintf(why, BLK_WHY_MAX, "%.*s", BLK_WHY_MAX - 1, said);
	return err;
}
