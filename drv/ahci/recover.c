/*
 * What the keeper does for a port: bringing it up, error recovery, hot plug, lost interrupts.
 *
 * Recovery [AHCI 1.3.1, 6.2.2] always goes by COMRESET, which also ends a disk's NCQ error state,
 * and asks the disk who it is before anything is sent again.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "ahci.h"
#include "os.h"

enum { DEBOUNCE_MS = 100 };

void
ahci_port_listen(struct ahci_port *p)
{
	port_write(p, PORT_SERR, UINT32_MAX);
	port_write(p, PORT_IS, UINT32_MAX);
	port_write(p, PORT_IE, IS_LINK);
}

static void tell(struct ahci_port *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
tell(struct ahci_port *p, const char *fmt, ...)
{
	char text[sizeof p->last_error];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&p->lock);
	memcpy(p->last_error, text, sizeof text);
	pthread_mutex_unlock(&p->lock);
	sip_error(p->hba->server, "%s port %u: %s", p->hba->dev->info.addr, p->index, text);
}

static void
end_all(struct blk_io *list, int err, const char *why)
{
	struct blk_io *next;

	for (; list; list = next) {
		next = list->next;
		snprintf(list->why, sizeof list->why, "%s", why);
		ahci_io_done(list, err);
	}
}

static int
start_disk(struct ahci_port *p, struct ata_identity *id)
{
	int err = -ETIMEDOUT;

	for (unsigned i = 0; i < AHCI_RESETS; i++) {
		err = ahci_port_reset(p);
		if (err == 0 && port_read(p, PORT_SIG) != SIGNATURE_ATA)
			return -ENOTSUP;
		if (err == 0)
			err = ahci_port_identify(p, id);
		if (err == 0 || err == -ENODEV || err == -ENOTSUP)
			break;
	}
	return err;
}

static void
make_ready(struct ahci_port *p)
{
	port_write(p, PORT_IS, UINT32_MAX);
	pthread_mutex_lock(&p->lock);
	p->state = AHCI_READY;
	port_write(p, PORT_IE, IS_WANTED);
	ahci_port_pump(p);
	pthread_mutex_unlock(&p->lock);
}

void
ahci_port_refuse(struct ahci_port *p, int err)
{
	if (err == -ENOTSUP)
		sip_log(p->hba->server, "%s port %u: signature 0x%x: not a disk that it drives",
			p->hba->dev->info.addr, p->index, port_read(p, PORT_SIG));
	else
		tell(p, "cannot be started: %s", strerror(-err));
	ahci_engine_stop(p);
	ahci_port_listen(p);
}

void
ahci_port_accept(struct ahci_port *p, const struct ata_identity *id)
{
	unsigned depth;

	p->id = *id;
	p->ncq = id->ncq && id->lba48 && CAP_SNCQ_get(p->hba->cap);
	depth = p->ncq ? id->queue_depth : 1;
	if (depth > p->hba->nslots)
		depth = p->hba->nslots;
	p->slots = depth == 32 ? UINT32_MAX : (1u << depth) - 1;
	p->serial = 0;
	make_ready(p);
}

bool
ahci_port_bring_up(struct ahci_port *p)
{
	struct ata_identity id = { 0 };
	int err;

	if (!ahci_port_link(p))
		ahci_port_listen(p);
	if (!ahci_port_link(p)) /* still: what comes from here on interrupts */
		return false;
	err = ahci_port_memory(p);
	if (err == 0)
		err = start_disk(p, &id);
	if (err < 0)
		ahci_port_refuse(p, err);
	else
		ahci_port_accept(p, &id);
	return err == 0;
}

static void
add(struct ahci_port *p)
{
	struct blk_info info = { 0 };
	struct blk_disk *disk = NULL;
	unsigned generation;
	bool stale;
	int err;

	pthread_mutex_lock(&p->lock);
	generation = p->generation;
	p->adding = true;
	ahci_disk_info(p, &info);
	pthread_mutex_unlock(&p->lock);
	err = blk_add_disk(p->hba->blk, &info, &ahci_blk_ops, p, &disk);
	pthread_mutex_lock(&p->lock);
	p->adding = false;
	stale = p->generation != generation;
	if (err == 0 && !stale)
		p->disk = disk;
	if (stale) /* gone meanwhile; there may be another by now */
		p->events |= AHCI_EVENT_LINK;
	pthread_mutex_unlock(&p->lock);
	if (err < 0)
		tell(p, "%s cannot be added: %s", info.name, strerror(-err));
	else if (stale)
		blk_remove_disk(disk);
	if (stale)
		ahci_wake_keeper(p->hba);
	else
		ahci_start_over(p);
}

static void *
adder(void *arg)
{
	add(arg);
	return NULL;
}

void
ahci_port_show(struct ahci_port *p)
{
	pthread_mutex_lock(&p->lock);
	p->adding = true;
	pthread_mutex_unlock(&p->lock);
	if (pthread_create(&p->adder, NULL, adder, p) == 0) {
		p->adder_started = true;
		return;
	}
	pthread_mutex_lock(&p->lock);
	p->adding = false;
	pthread_mutex_unlock(&p->lock);
	ahci_port_drop(p, "no thread for a new disk");
	ahci_start_over(p);
}

static void
plug(struct ahci_port *p)
{
	bool adding;

	pthread_mutex_lock(&p->lock);
	adding = p->adding;
	pthread_mutex_unlock(&p->lock);
	if (adding)
		return; /* its end raises the event again */
	if (p->adder_started)
		pthread_join(p->adder, NULL);
	p->adder_started = false;
	if (ahci_port_bring_up(p))
		ahci_port_show(p);
	else
		ahci_start_over(p);
}

void
ahci_port_drop(struct ahci_port *p, const char *why)
{
	struct blk_disk *disk;
	struct blk_io *list;

	pthread_mutex_lock(&p->lock);
	p->state = AHCI_EMPTY;
	p->generation++;
	list = ahci_port_take_all(p);
	disk = p->disk;
	p->disk = NULL;
	port_write(p, PORT_IE, 0);
	pthread_mutex_unlock(&p->lock);
	if (disk)
		blk_remove_disk(disk);
	ahci_engine_stop(p); /* the device must not know the buffers that are given back */
	end_all(list, -ENODEV, why);
	ahci_port_listen(p);
}

/* --- errors ---------------------------------------------------------------------------------- */

static void
describe_error(const struct ahci_port *p, const struct blk_io *io, char *why, size_t n)
{
	static const char *const kinds[] = { "read", "write", "flush", "discard" };
	int used = snprintf(why, n, "%s of %u at %llu: ", kinds[io->kind], io->nsectors,
			    (unsigned long long)io->sector);

	if (used < 0 || (size_t)used >= n)
		return;
	if (p->seen_is & IS_TFES)
		ata_error_text((uint8_t)TFD_STATUS_get(p->seen_tfd),
			       (uint8_t)TFD_ERROR_get(p->seen_tfd), why + used, n - (size_t)used);
	else if (p->seen_is)
		snprintf(why + used, n - (size_t)used, "PxIS 0x%x PxSERR 0x%x", p->seen_is,
			 p->seen_serr);
	else
		snprintf(why + used, n - (size_t)used, "no answer in time");
}

static int
error_number(const struct ahci_port *p)
{
	int err;

	if (!p->seen_is)
		return -ETIMEDOUT;
	err = ata_errno((uint8_t)TFD_STATUS_get(p->seen_tfd), (uint8_t)TFD_ERROR_get(p->seen_tfd));
	return p->seen_is & IS_TFES && err ? err : -EIO;
}

/*
 * The one command that was running is to blame; of several, each is a suspect.  With the lock
 * held.  Returns the command if it has had all its tries, off the port.
 */
static struct blk_io *
blame(struct ahci_port *p)
{
	unsigned n = (unsigned)__builtin_popcount(p->busy), slot;
	struct blk_io *io;

	p->errors++;
	if (n > 1)
		p->serial = n;
	if (n != 1)
		return NULL;
	slot = (unsigned)__builtin_ctz(p->busy);
	io = p->slot[slot];
	describe_error(p, io, io->why, sizeof io->why);
	memcpy(p->last_error, io->why, sizeof io->why);
	if (++io->tries < AHCI_TRIES)
		return NULL;
	p->busy = 0;
	p->plain = false;
	p->slot[slot] = NULL;
	if (p->serial)
		p->serial--;
	return io;
}

/* Commands that had ended well when the error came.  SACT is lost when ST is cleared [3.3.13]. */
static unsigned
take_done(struct ahci_port *p, struct blk_io *done[AHCI_SLOTS])
{
	uint32_t over = p->plain || !p->busy ? 0 : p->busy & ~port_read(p, PORT_SACT);
	unsigned n = 0;

	p->busy &= ~over;
	for (; over; over &= over - 1) {
		unsigned slot = (unsigned)__builtin_ctz(over);

		done[n++] = p->slot[slot];
		p->slot[slot] = NULL;
	}
	p->completions += n;
	return n;
}

static bool
same_disk(const struct ata_identity *a, const struct ata_identity *b)
{
	return a->nsectors == b->nsectors && a->secsize == b->secsize && a->ncq == b->ncq &&
	       a->lba48 == b->lba48 && strcmp(a->serial, b->serial) == 0 &&
	       strcmp(a->model, b->model) == 0;
}

static void
restart(struct ahci_port *p)
{
	struct ata_identity id = { 0 };
	int err;

	p->resets++;
	err = start_disk(p, &id);
	if (err < 0) {
		tell(p, "given up: reset: %s", strerror(-err));
		ahci_port_drop(p, "the disk does not come back after a reset");
	} else if (!same_disk(&p->id, &id)) {
		tell(p, "another disk is there");
		ahci_port_drop(p, "another disk is there");
		plug(p);
	} else {
		make_ready(p);
		if (!ahci_port_link(p)) /* lost while its interrupt was off */
			ahci_port_drop(p, "the disk is gone");
	}
}

static void
recover(struct ahci_port *p, bool failed)
{
	struct blk_io *done[AHCI_SLOTS], *bad = NULL, *list;
	unsigned n;
	int err;

	pthread_mutex_lock(&p->lock);
	p->state = AHCI_BROKEN;
	port_write(p, PORT_IE, 0);
	n = take_done(p, done);
	err = error_number(p);
	if (failed)
		bad = blame(p);
	p->retries += (unsigned)__builtin_popcount(p->busy);
	list = ahci_port_take_all(p);
	p->head = list;
	for (p->tail = list; p->tail && p->tail->next;)
		p->tail = p->tail->next;
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < n; i++)
		ahci_io_done(done[i], 0);
	restart(p);
	/* Only now: until the reset the device still knew the buffer. */
	if (bad) {
		sip_log(p->hba->server, "%s port %u: %s", p->hba->dev->info.addr, p->index,
			bad->why);
		ahci_io_done(bad, err);
	}
}

static bool
link_settles(const struct ahci_port *p)
{
	for (unsigned ms = 0; ms < DEBOUNCE_MS; ms += 10) {
		if (ahci_port_link(p))
			return true;
		os_sleep_ns(10000000);
	}
	return ahci_port_link(p);
}

/* True if the oldest command is over its time. */
static bool
overdue(struct ahci_port *p, bool tick)
{
	bool stuck, late;

	pthread_mutex_lock(&p->lock);
	stuck = tick && p->state == AHCI_READY && p->was_busy && p->busy &&
		p->completions == p->ticked;
	if (tick) {
		p->ticked = p->completions;
		p->was_busy = p->busy;
	}
	pthread_mutex_unlock(&p->lock);
	if (!stuck)
		return false;
	if (ahci_port_reap(p)) { /* done, but no interrupt came */
		pthread_mutex_lock(&p->lock);
		p->lost++;
		pthread_mutex_unlock(&p->lock);
	}
	pthread_mutex_lock(&p->lock);
	late = p->state == AHCI_READY && p->busy &&
	       ahci_port_deadline(p) < atomic_load(&p->hba->now_ms);
	if (late) {
		p->state = AHCI_BROKEN;
		p->seen_is = 0;
	}
	pthread_mutex_unlock(&p->lock);
	return late;
}

void
ahci_port_keep(struct ahci_port *p, bool tick)
{
	unsigned events;
	enum ahci_state state;
	bool late = overdue(p, tick);

	pthread_mutex_lock(&p->lock);
	events = p->events;
	p->events = 0;
	state = p->state;
	pthread_mutex_unlock(&p->lock);
	if (events & AHCI_EVENT_LINK && state != AHCI_EMPTY && !link_settles(p)) {
		tell(p, "the disk is gone");
		ahci_port_drop(p, "the disk is gone");
		return;
	}
	if (state == AHCI_EMPTY) {
		if (events)
			plug(p);
	} else if (late || events)
		recover(p, late || events & AHCI_EVENT_ERROR);
}
