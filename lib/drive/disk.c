/*
 * Disks: as lib/blk sees them, shown in a thread of their own, and a driver's own commands.
 *
 * A disk's partition table is read in a thread, since a bad sector there needs the keeper.  A disk
 * is held by its port, by that thread, and by lib/blk until the last of its files is closed; it
 * holds the controller.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "os.h"
#include "private.h"

/* --- lib/blk's functions --------------------------------------------------------------------- */

static void
submit(void *drive, struct blk_io *io)
{
	struct drive_disk *d = drive;

	if (!sip_fault(d->port->ctlr->server, d, io))
		drive_send(d, io);
}

/* A disk without a cache has nothing to lose. */
static void
submit_flush(void *drive, struct blk_io *io)
{
	const struct drive_disk *d = drive;

	if (d->flushes)
		submit(drive, io);
	else
		blk_done(io, 0);
}

static void
submit_discard(void *drive, struct blk_io *io)
{
	const struct drive_disk *d = drive;

	if (d->trims)
		submit(drive, io);
	else {
		snprintf(io->why, sizeof io->why, "discard: the disk cannot");
		blk_done(io, -EOPNOTSUPP);
	}
}

/* Then lib/blk writes zeros. */
static void
submit_zero(void *drive, struct blk_io *io)
{
	const struct drive_disk *d = drive;

	if (d->zeroes)
		submit(drive, io);
	else
		blk_done(io, -EOPNOTSUPP);
}

void
drive_features(const struct drive_feature *list, size_t n, struct blk_info *info)
{
	size_t used = 0, size = sizeof info->features;

	info->features[0] = '\0';
	for (size_t i = 0; i < n; i++)
		if (list[i].has && used < size) {
			int len = snprintf(info->features + used, size - used, "%s%s",
					   used ? " " : "", list[i].name);

			used += len > 0 ? (size_t)len : 0;
		}
}

static int
command(void *drive, const char *text)
{
	struct drive_disk *d = drive;
	const struct drive_ops *ops = d->port->ops;

	if (strcmp(text, "reset") == 0)
		drive_event(d->port, DRIVE_EVENT_RESET);
	else if (strcmp(text, "trace on") == 0 || strcmp(text, "trace off") == 0)
		atomic_store(&d->trace, strcmp(text, "trace on") == 0);
	else
		return ops->command ? ops->command(d, text) : -EINVAL;
	return 0;
}

static size_t
describe(void *drive, char *buf, size_t n)
{
	static const char *const states[] = { "empty", "ready", "recovering" };
	struct drive_disk *d = drive;
	struct drive_port *p = d->port;
	char last[sizeof p->last_error];
	enum drive_state state;
	bool polled;
	size_t len;

	pthread_mutex_lock(&p->lock);
	state = p->state;
	polled = p->npolled;
	memcpy(last, p->last_error, sizeof last);
	pthread_mutex_unlock(&p->lock);
	len = blk_printed(snprintf(buf, n, "controller %s%s%s\nport-state %s\n", p->ctlr->addr,
				   p->name[0] ? " " : "", p->name,
				   polled && state == DRIVE_READY ? "polled" : states[state]),
			  n);
	if (p->ops->describe && !atomic_load(&d->gone) && len + 1 < n)
		len += p->ops->describe(d, buf + len, n - len);
	return len +
	       blk_printed(snprintf(buf + len, n - len, "last-error %s\n", last[0] ? last : "none"),
			   n - len);
}

static size_t
statistics(void *drive, char *buf, size_t n)
{
	struct drive_disk *d = drive;
	struct drive_port *p = d->port;
	unsigned long long commands = 0, found = 0, stray = 0;
	size_t len;

	for (unsigned i = 0; i < p->nqueues; i++) {
		os_lock_take(&p->queue[i]->lock);
		commands += p->queue[i]->completions;
		found += p->queue[i]->found;
		stray += p->queue[i]->stray;
		os_lock_give(&p->queue[i]->lock);
	}
	pthread_mutex_lock(&p->lock);
	len = blk_printed(snprintf(buf, n,
				   "commands %llu\nerrors %llu\nretries %llu\nresets %llu\n"
				   "lost-interrupts %llu\npolled-ends %llu\nlink-changes %llu\n"
				   "stray-ends %llu\n",
				   commands, (unsigned long long)p->errors,
				   (unsigned long long)p->retries, (unsigned long long)p->resets,
				   (unsigned long long)p->lost, found,
				   (unsigned long long)p->changes, stray),
			  n);
	pthread_mutex_unlock(&p->lock);
	if (p->ops->statistics && !atomic_load(&d->gone) && len + 1 < n)
		len += p->ops->statistics(d, buf + len, n - len);
	return len;
}

static int
pass_through(void *drive, struct blk_packet *p)
{
	struct drive_disk *d = drive;

	return d->port->ops->packet(d, p);
}

static void
release(void *drive)
{
	drive_disk_put(drive);
}

#define COMMON_OPS                                                                               \
	.read = submit, .write = submit, .flush = submit_flush, .discard = submit_discard,       \
	.zero = submit_zero, .command = command, .describe = describe, .statistics = statistics, \
	.release = release

const struct blk_ops drive_blk_ops = { COMMON_OPS };
static const struct blk_ops packet_ops = { COMMON_OPS, .packet = pass_through };

/* --- coming and going ------------------------------------------------------------------------ */

struct drive_disk *
drive_disk_new(struct drive_port *p, size_t priv)
{
	struct drive_disk *d = calloc(1, sizeof *d), **at;

	if (d && priv && !(d->priv = calloc(1, priv))) {
		free(d);
		d = NULL;
	}
	if (!d)
		return NULL;
	d->port = p;
	atomic_store(&d->refs, 1);
	drive_ctlr_get(p->ctlr);
	pthread_mutex_lock(&p->lock);
	for (at = &p->disks; *at; at = &(*at)->next)
		;
	*at = d;
	p->ndisks++;
	pthread_mutex_unlock(&p->lock);
	return d;
}

void
drive_disk_put(struct drive_disk *d)
{
	struct drive_ctlr *c = d->port->ctlr;

	if (atomic_fetch_sub(&d->refs, 1) != 1)
		return;
	drive_packet_free(d);
	free(d->priv);
	free(d);
	drive_ctlr_put(c);
}

/* The last thread of the port is over: what had to wait for it goes on. */
static void
end_adding(struct drive_port *p)
{
	bool last, replug;

	pthread_mutex_lock(&p->lock);
	last = !--p->adding;
	replug = last && p->replug;
	if (last)
		p->replug = false;
	pthread_mutex_unlock(&p->lock);
	if (replug)
		drive_event(p, DRIVE_EVENT_CHANGE);
	else if (last)
		drive_port_none(p);
}

static void
add(struct drive_disk *d)
{
	struct drive_port *p = d->port;
	struct blk_disk *blk = NULL;
	bool gone = false;
	int err;

	d->info.memory = p->ctlr->memory;
	atomic_fetch_add(&d->refs, 1); /* lib/blk's */
	err = blk_add_disk(p->ctlr->blk, &d->info, p->ops->packet ? &packet_ops : &drive_blk_ops, d,
			   &blk);
	pthread_mutex_lock(&p->lock);
	gone = atomic_load(&d->gone);
	if (err == 0 && !gone)
		d->blk = blk;
	pthread_mutex_unlock(&p->lock);
	if (err < 0 && !gone)
		drive_tell(p, "%s cannot be added: %s", d->info.name, strerror(-err));
	else if (err == 0 && gone)
		blk_remove_disk(blk);
}

static void *
adder(void *arg)
{
	struct drive_disk *d = arg;
	struct drive_port *p = d->port;
	struct drive_ctlr *c = p->ctlr;

	if (d->packet)
		drive_packet_show(d);
	else
		add(d);
	end_adding(p);
	if (d->packet)
		drive_packet_serve(d);
	drive_disk_put(d);
	pthread_mutex_lock(&c->keeper_lock);
	c->adders--;
	pthread_cond_broadcast(&c->settled);
	pthread_mutex_unlock(&c->keeper_lock);
	return NULL;
}

void
drive_disk_show(struct drive_disk *d)
{
	struct drive_port *p = d->port;
	struct drive_ctlr *c = p->ctlr;
	pthread_attr_t attr;
	pthread_t t;
	int err;

	atomic_fetch_add(&d->refs, 1); /* the thread's */
	pthread_mutex_lock(&p->lock);
	p->adding++;
	pthread_mutex_unlock(&p->lock);
	pthread_mutex_lock(&c->keeper_lock);
	c->adders++;
	pthread_mutex_unlock(&c->keeper_lock);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&t, &attr, adder, d);
	pthread_attr_destroy(&attr);
	if (!err)
		return;
	pthread_mutex_lock(&c->keeper_lock);
	c->adders--;
	pthread_mutex_unlock(&c->keeper_lock);
	drive_tell(p, "%s: no thread for a new disk", d->info.name);
	drive_disk_drop(d, "no thread for a new disk");
	end_adding(p);
	drive_disk_put(d);
}

/* --- a driver's own commands ----------------------------------------------------------------- */

static void
put_command(struct drive_command *c)
{
	struct drive_disk *d = c->io.drive;

	if (atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->over);
	free(c->buf);
	free(c);
	drive_disk_put(d);
}

/* The device's memory is given back here: the controller may be gone before the caller wakes. */
void
drive_command_over(struct drive_command *c, int err)
{
	struct sip_dev *dev = ((struct drive_disk *)c->io.drive)->port->ctlr->dev;

	if (c->dma.vaddr && err == 0 && !c->write)
		memcpy(c->buf, c->dma.vaddr, c->bytes);
	if (c->dma.vaddr)
		sip_dma_free(dev, &c->dma);
	pthread_mutex_lock(&c->lock);
	c->io.error = err;
	c->done = true;
	pthread_cond_signal(&c->over);
	pthread_mutex_unlock(&c->lock);
	put_command(c);
}

static int
command_memory(struct drive_disk *d, struct drive_command *c, const void *buf)
{
	int err;

	c->buf = malloc(c->bytes);
	if (!c->buf)
		return -ENOMEM;
	err = drive_dma_alloc(d->port->ctlr, c->bytes, 4096, &c->dma);
	if (err < 0) {
		free(c->buf);
		return err;
	}
	if (c->write)
		memcpy(c->dma.vaddr, buf, c->bytes);
	c->seg = (struct dma_seg){ c->dma.paddr, c->bytes };
	c->io.seg = &c->seg;
	c->io.nsegs = 1;
	c->io.data = c->dma.vaddr;
	return 0;
}

/* A copy of the caller's, who may be gone when the device has done it. */
static int
copy_command(struct drive_disk *d, const struct drive_command *from, const void *buf,
	     struct drive_command **out)
{
	struct drive_command *c;
	pthread_condattr_t attr;
	int err;

	if (from->bytes > DRIVE_DATA_MAX)
		return -EINVAL;
	c = malloc(sizeof *c);
	if (!c)
		return -ENOMEM;
	memcpy(c, from, sizeof *c);
	err = c->bytes ? command_memory(d, c, buf) : 0;
	if (err < 0) {
		free(c);
		return err;
	}
	c->io.kind = DRIVE_OWN;
	c->io.client = c;
	c->io.drive = d;
	atomic_store(&c->refs, 2);
	atomic_fetch_add(&d->refs, 1);
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->over, &attr);
	pthread_condattr_destroy(&attr);
	*out = c;
	return 0;
}

/* wait_ms 0: as long as it takes, which its deadline limits. */
static int
wait_for(struct drive_command *c, unsigned wait_ms)
{
	uint64_t until = os_time_ns() + wait_ms * 1000000ull;
	struct timespec t = { .tv_sec = (time_t)(until / 1000000000),
			      .tv_nsec = (long)(until % 1000000000) };
	int err = -EAGAIN;

	pthread_mutex_lock(&c->lock);
	while (!c->done)
		if (!wait_ms)
			pthread_cond_wait(&c->over, &c->lock);
		else if (pthread_cond_timedwait(&c->over, &c->lock, &t) == ETIMEDOUT)
			break;
	if (c->done)
		err = c->io.error;
	pthread_mutex_unlock(&c->lock);
	return err;
}

int
drive_command_within(struct drive_disk *d, struct drive_command *c, void *buf, unsigned wait_ms)
{
	struct drive_command *own;
	int err = copy_command(d, c, buf, &own);

	if (err < 0)
		return err;
	drive_send(d, &own->io);
	err = wait_for(own, wait_ms);
	if (err == 0 && own->buf && !own->write)
		memcpy(buf, own->buf, own->bytes);
	if (err != -EAGAIN) {
		memcpy(c->result, own->result, sizeof c->result);
		memcpy(c->io.why, own->io.why, sizeof c->io.why);
	}
	put_command(own);
	return err;
}

int
drive_command(struct drive_disk *d, struct drive_command *c, void *buf)
{
	return drive_command_within(d, c, buf, 0);
}
