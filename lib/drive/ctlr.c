/*
 * A controller: its memory for requests, and the keeper, a thread that does for each port what may
 * take long.  And the program around the controllers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "os.h"
#include "p9_srv.h"
#include "private.h"

/* --- the program ----------------------------------------------------------------------------- */

static void
rescan(void *arg)
{
	struct drive_program *a = arg;

	if (a->nctlrs)
		sip_log(a->ctlr[0]->server, "rescan");
	for (unsigned i = 0; i < a->nctlrs; i++)
		for (struct drive_port *p = a->ctlr[i]->ports; p; p = p->next) {
			bool empty;

			pthread_mutex_lock(&p->lock);
			empty = p->state == DRIVE_EMPTY;
			pthread_mutex_unlock(&p->lock);
			if (empty || p->ops->changed)
				drive_event(p, DRIVE_EVENT_CHANGE);
		}
}

static int
command(void *arg, const char *text)
{
	return sip_fault_command(arg, text);
}

static int
initialize(struct sip_server *s)
{
	struct drive_program *a = calloc(1, sizeof *a);

	if (!a)
		return -ENOMEM;
	a->blk = blk_server_new(rescan, a);
	if (!a->blk) {
		free(a);
		return -ENOMEM;
	}
	blk_server_commands(a->blk, command, s);
	if (getenv("SIP_NAME")) /* in a slot, beside sdctlfs: man/4/sdctlfs */
		blk_server_unlist(a->blk, true);
	s->priv = a;
	s->p9.aux = a->blk;
	s->p9.msize = P9_MSIZE_MAX;
	return 0;
}

static void
wait_started(struct drive_ctlr *c, uint64_t until_ns)
{
	struct timespec t = { .tv_sec = (time_t)(until_ns / 1000000000),
			      .tv_nsec = (long)(until_ns % 1000000000) };
	bool late;

	pthread_mutex_lock(&c->keeper_lock);
	while (c->starting)
		if (pthread_cond_timedwait(&c->settled, &c->keeper_lock, &t) == ETIMEDOUT)
			break;
	late = c->starting;
	pthread_mutex_unlock(&c->keeper_lock);
	for (struct drive_port *p = c->ports; late && p; p = p->next) {
		bool starting;

		pthread_mutex_lock(&p->lock);
		starting = p->starting;
		pthread_mutex_unlock(&p->lock);
		if (starting)
			sip_log(c->server, "%s %s: its disk takes long; not waited for", c->addr,
				p->name);
	}
}

/* Not before the disks are there: what was open on them is looked up again at once. */
static int
start(struct sip_server *s)
{
	struct drive_program *a = s->priv;
	uint64_t until = os_time_ns() + DRIVE_START_MS * 1000000ull;

	for (unsigned i = 0; i < a->nctlrs; i++)
		wait_started(a->ctlr[i], until);
	return 0;
}

static void
free_program(struct sip_server *s)
{
	struct drive_program *a = s->priv;

	blk_server_free(a->blk);
	free(a);
	s->priv = NULL;
}

/* The devices are detached after this. */
static void
stop(struct sip_server *s)
{
	struct drive_program *a = s->priv;

	if (!a)
		return;
	a->stopped = true;
	if (!a->nctlrs)
		free_program(s);
}

const struct sip_server_ops drive_server_ops = {
	.initialize = initialize,
	.start = start,
	.stop = stop,
	.health = drive_health,
};

/* --- memory ---------------------------------------------------------------------------------- */

int
drive_dma_alloc(struct drive_ctlr *c, size_t bytes, size_t align, struct sip_dma *out)
{
	int err;

	c->dev->dma32 = c->dma_max && c->dma_max <= 1ull << 32;
	err = sip_dma_alloc(c->dev, bytes, align, out);
	if (err < 0)
		return err;
	if (!c->dma_max || (out->paddr < c->dma_max && bytes <= c->dma_max - out->paddr))
		return 0;
	sip_log(c->server, "%s: memory at 0x%llx is out of its reach", c->addr,
		(unsigned long long)out->paddr);
	sip_dma_free(c->dev, out);
	*out = (struct sip_dma){ 0 };
	return -ENOTSUP;
}

static int
add_buffers(struct drive_ctlr *c, size_t bytes, size_t bufsize)
{
	struct sip_dma *dma = &c->dma[c->ndma];
	int err = drive_dma_alloc(c, bytes, 4096, dma);

	if (err < 0)
		return err;
	c->ndma++;
	err = blk_memory_add(c->memory, dma->vaddr, dma->paddr, bytes, bufsize);
	return err < 0 ? err : 0;
}

/* Fewer than wanted will do, but for the first.  lib/blk runs one of it at a time. */
static int
more_buffers(void *arg, size_t bufsize)
{
	struct drive_ctlr *c = arg;
	bool big = bufsize == BLK_BUF_BIG;
	unsigned *n = big ? &c->nbig : &c->nsmall;
	int err;

	if (*n == (big ? DRIVE_NBIG : DRIVE_NSMALL))
		return -ENOSPC;
	err = add_buffers(c, big ? BLK_BUF_BIG : DRIVE_CHUNK * BLK_BUF_SMALL, bufsize);
	if (err == 0)
		*n += big ? 1 : DRIVE_CHUNK;
	else
		sip_log(c->server, "%s: fewer buffers than wanted: %s", c->addr, strerror(-err));
	return err;
}

static int
make_buffers(struct drive_ctlr *c)
{
	c->memory = blk_memory_new();
	if (!c->memory)
		return -ENOMEM;
	blk_memory_grows(c->memory, more_buffers, c);
	return more_buffers(c, BLK_BUF_SMALL);
}

/* --- the keeper ------------------------------------------------------------------------------ */

void
drive_wake(struct drive_ctlr *c)
{
	pthread_mutex_lock(&c->keeper_lock);
	c->wake = true;
	pthread_cond_signal(&c->keeper_wake);
	pthread_mutex_unlock(&c->keeper_lock);
}

/* Until the next tick or something to do; false when it is to end. */
static bool
keeper_sleep(struct drive_ctlr *c, uint64_t until_ms)
{
	struct timespec t = { .tv_sec = (time_t)(until_ms / 1000),
			      .tv_nsec = (long)(until_ms % 1000) * 1000000 };
	bool go_on;

	pthread_mutex_lock(&c->keeper_lock);
	while (!c->wake && !c->closing)
		if (pthread_cond_timedwait(&c->keeper_wake, &c->keeper_lock, &t) == ETIMEDOUT)
			break;
	c->wake = false;
	go_on = !c->closing;
	pthread_mutex_unlock(&c->keeper_lock);
	return go_on;
}

uint64_t
drive_clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/*
 * The clock of deadlines does not go on while the keeper was busy with one port, or the machine
 * stood still: a command of another port would be over its time without having been looked at.
 */
static void
pass_time(struct drive_ctlr *c, uint64_t ms)
{
	if (ms > 2 * DRIVE_TICK_MS)
		ms = 2 * DRIVE_TICK_MS;
	atomic_fetch_add(&c->now_ms, ms + atomic_exchange(&c->ahead_ms, 0));
}

static void *
keeper(void *arg)
{
	struct drive_ctlr *c = arg;
	uint64_t last = drive_clock_ms(), next = last + DRIVE_TICK_MS, poll = UINT64_MAX;

	while (keeper_sleep(c, poll < next ? poll : next)) {
		uint64_t now = drive_clock_ms();
		bool tick = now >= next;

		pass_time(c, now - last);
		last = now;
		atomic_store(&c->round_ms, now);
		if (tick)
			next = now + DRIVE_TICK_MS;
		poll = UINT64_MAX;
		for (struct drive_port *p = c->ports; p; p = p->next) {
			uint64_t at;

			atomic_store(&c->kept, p);
			drive_port_keep(p, tick);
			at = drive_lost_poll(p);
			poll = at < poll ? at : poll;
		}
		atomic_store(&c->kept, NULL);
	}
	return NULL;
}

static void
stop_keeper(struct drive_ctlr *c)
{
	if (!c->keeper_runs)
		return;
	pthread_mutex_lock(&c->keeper_lock);
	c->closing = true;
	pthread_cond_signal(&c->keeper_wake);
	pthread_mutex_unlock(&c->keeper_lock);
	pthread_join(c->keeper, NULL);
	c->keeper_runs = false;
}

/* --- its life -------------------------------------------------------------------------------- */

static unsigned
address(const char *text)
{
	unsigned bus = 0, dev = 0, fn = 0;

	sscanf(text, "%u.%u.%u", &bus, &dev, &fn);
	return bus << 8 | dev << 3 | fn;
}

struct count_before {
	const struct sip_pci_match *match;
	unsigned address, n;
};

static int
count_before(void *arg, const struct sip_pci_info *info)
{
	struct count_before *c = arg;

	c->n += address(info->addr) < c->address && sip_pci_matches(c->match, info);
	return 0;
}

/*
 * As the process was told, which is how a name stays when controllers come and go; by hand, the
 * controllers of one kind are numbered by PCI address, whichever process drives them.
 */
static unsigned
ctlr_number(const struct sip_server *s, const struct sip_dev *d)
{
	const struct drive_program *a = s->priv;
	struct count_before c = { s->type->driver->match, address(d->info.addr), 0 };

	if (s->config.number != SIP_NUMBER_NONE)
		return (unsigned)s->config.number + a->nctlrs;
	if (sip_dev_scan(d->root, count_before, &c) < 0 || c.n < a->nctlrs)
		return a->nctlrs;
	return c.n;
}

void
drive_ctlr_init(struct drive_ctlr *c, struct sip_server *s, struct sip_dev *d)
{
	struct drive_program *a = s->priv;
	pthread_condattr_t attr;

	c->server = s;
	c->dev = d;
	snprintf(c->addr, sizeof c->addr, "%s", d->info.addr);
	c->blk = a->blk;
	c->number = ctlr_number(s, d);
	atomic_store(&c->refs, 1);
	pthread_mutex_init(&c->keeper_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->keeper_wake, &attr);
	pthread_cond_init(&c->settled, &attr);
	pthread_condattr_destroy(&attr);
	a->ctlr[a->nctlrs++] = c;
}

int
drive_ctlr_start(struct drive_ctlr *c)
{
	int err = make_buffers(c);

	if (err < 0)
		return err;
	err = pthread_create(&c->keeper, NULL, keeper, c);
	c->keeper_runs = !err;
	return -err;
}

void
drive_ctlr_stop(struct drive_ctlr *c)
{
	stop_keeper(c);
	for (struct drive_port *p = c->ports; p; p = p->next)
		drive_port_drop(p, "the driver ends");
	pthread_mutex_lock(&c->keeper_lock);
	while (c->adders)
		pthread_cond_wait(&c->settled, &c->keeper_lock);
	pthread_mutex_unlock(&c->keeper_lock);
}

void
drive_ctlr_fini(struct drive_ctlr *c)
{
	struct sip_server *s = c->server;
	struct drive_program *a = s->priv;

	for (unsigned i = 0; i < c->ndma; i++)
		sip_dma_free(c->dev, &c->dma[i]);
	if (c->memory)
		blk_memory_free(c->memory);
	c->memory = NULL;
	for (unsigned i = 0; i < a->nctlrs; i++)
		if (a->ctlr[i] == c)
			a->ctlr[i] = a->ctlr[--a->nctlrs];
	drive_ctlr_put(c);
	if (a->stopped && !a->nctlrs)
		free_program(s);
}

void
drive_ctlr_get(struct drive_ctlr *c)
{
	atomic_fetch_add(&c->refs, 1);
}

/* Files that are still open on its disks get errors, and for that they need the queues. */
void
drive_ctlr_put(struct drive_ctlr *c)
{
	if (atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	for (struct drive_port *p = c->ports; p; p = p->next) {
		for (unsigned i = 0; i < p->nqueues; i++)
			free(p->queue[i]->slot);
		pthread_mutex_destroy(&p->lock);
	}
	pthread_mutex_destroy(&c->keeper_lock);
	pthread_cond_destroy(&c->keeper_wake);
	pthread_cond_destroy(&c->settled);
	c->free(c);
}
