/*
 * What the keeper does: bringing a controller up, aborts and resets, events.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ctlr.h"

static int
create_queue(struct nvme_ctlr *c, struct nvme_queue *q)
{
	unsigned entries = q->ring.entries, qid = q->q.index + 1;
	int err;

	os_lock_take(&q->q.lock);
	nvme_ring_init(&q->ring);
	os_lock_give(&q->q.lock);
	err = nvme_admin(c, nvme_cmd_create_cq(qid, entries, q->vector, q->cq_paddr), NULL, 0,
			 NULL);
	if (err < 0)
		return err;
	return nvme_admin(c, nvme_cmd_create_sq(qid, entries, q->sq_paddr), NULL, 0, NULL);
}

/* As many as it gives, but at least one [5.21.1.7]. */
static int
create_queues(struct nvme_ctlr *c)
{
	uint32_t want = (c->nqueues - 1) << 16 | (c->nqueues - 1), given = 0;
	unsigned n;
	int err;

	err = nvme_admin(c, nvme_cmd_set_feature(NVME_FEATURE_QUEUES, want), NULL, 0, &given);
	if (err < 0)
		return err;
	n = (given & 0xffff) < given >> 16 ? given & 0xffff : given >> 16;
	n = n + 1 < c->nqueues ? n + 1 : c->nqueues;
	for (unsigned i = 0; i < n && err == 0; i++)
		err = create_queue(c, &c->queue[i]);
	if (err == 0)
		atomic_store(&c->active, n);
	return err;
}

static int
identify(struct nvme_ctlr *c, struct nvme_identity *id)
{
	uint8_t page[NVME_IDENTIFY_SIZE];
	int err = nvme_admin(c, nvme_cmd_identify(NVME_CNS_CONTROLLER, 0, 0), page, sizeof page,
			     NULL);

	return err < 0 ? err : nvme_identity(page, c->page, id);
}

static void
configure_events(struct nvme_ctlr *c)
{
	uint32_t events = NVME_EVENT_SPARE | NVME_EVENT_TEMPERATURE | NVME_EVENT_RELIABILITY |
			  NVME_EVENT_READ_ONLY;

	if (c->id.namespace_events)
		events |= NVME_EVENT_NAMESPACES;
	nvme_admin(c, nvme_cmd_set_feature(NVME_FEATURE_EVENTS, events), NULL, 0, NULL);
	nvme_want_events(c);
}

static int
probe(struct drive_port *p)
{
	struct nvme_ctlr *c = nvme_of(p);
	const char *step = "reset";
	int err;

	/* `quiet` may have had to turn bus mastering off. */
	if ((err = nvme_disable(c)) == 0 && (err = sip_dev_busmaster(c->d.dev, true)) == 0 &&
	    (err = nvme_enable(c)) == 0) {
		step = "identify";
		err = identify(c, &c->id);
	}
	if (err == 0) {
		step = "queues";
		err = create_queues(c);
	}
	if (err == 0) {
		step = "name spaces";
		err = nvme_scan(c, false);
	}
	if (err == 0) {
		nvme_ask_health(c);
		configure_events(c);
	} else if (err != -ENODEV)
		drive_tell(p, "cannot be started: %s: %s", step, strerror(-err));
	return err;
}

/* What is sent again is sent to the same name spaces, or to none. */
static int
restart(struct drive_port *p, unsigned attempt)
{
	struct nvme_ctlr *c = nvme_of(p);
	struct nvme_identity id = { 0 };
	unsigned active = atomic_load(&c->active);
	int err;

	(void)attempt;
	c->aborted = NULL;
	if ((err = nvme_disable(c)) < 0 || (err = nvme_enable(c)) < 0 ||
	    (err = identify(c, &id)) < 0)
		return err;
	if (strcmp(id.serial, c->id.serial) != 0 || strcmp(id.model, c->id.model) != 0)
		return -ESTALE;
	if ((err = create_queues(c)) < 0 || (err = nvme_scan(c, true)) < 0)
		return err;
	if (atomic_load(&c->active) < active) /* some are to be sent by queues that are not there */
		return -EIO;
	configure_events(c);
	return 0;
}

/* True: it ends by itself, as aborted.  A second time is not waited for. */
static bool
abort_command(struct nvme_ctlr *c, const struct drive_blame *b)
{
	uint32_t result = 1;

	if (!b->late || !b->queue || (c->aborted == b->queue && c->aborted_tag == b->tag))
		return false;
	c->aborted = b->queue;
	c->aborted_tag = b->tag;
	return nvme_admin(c, nvme_cmd_abort(b->queue->index + 1, (uint16_t)b->tag), NULL, 0,
			  &result) == 0 &&
	       !(result & 1);
}

static enum drive_verdict
diagnose(struct drive_port *p, struct drive_blame *b)
{
	struct nvme_ctlr *c = nvme_of(p);
	uint32_t csts = sip_read32(&c->bar, NVME_CSTS);

	b->whole = !b->late; /* a command's own error is in its completion */
	if (csts == UINT32_MAX)
		snprintf(b->why, sizeof b->why, "the controller is gone");
	else if (NVME_CSTS_CFS_get(csts))
		snprintf(b->why, sizeof b->why, "the controller has stopped, CSTS 0x%x", csts);
	else if (abort_command(c, b)) {
		b->queue = NULL;
		return DRIVE_CONTINUE;
	}
	return DRIVE_RESET;
}

/* Each log is read, whatever is done with it: until then there is no further event of its kind. */
static void
changed(struct drive_port *p)
{
	struct nvme_ctlr *c = nvme_of(p);
	uint32_t logs = nvme_take_events(c);
	uint8_t page[NVME_PAGE];

	if (logs >> NVME_LOG_SMART & 1)
		nvme_ask_health(c);
	for (unsigned log = 1; log < 32; log++)
		if (logs >> log & 1 && log != NVME_LOG_SMART)
			nvme_admin(c, nvme_cmd_log(log, sizeof page, 0), page, sizeof page, NULL);
	nvme_scan(c, true);
	nvme_want_events(c);
}

/* Of the admin queue's too. */
static void
look(struct drive_port *p)
{
	nvme_admin_interrupt(nvme_of(p));
}

static void
quiet(struct drive_port *p)
{
	struct nvme_ctlr *c = nvme_of(p);
	int err;

	memset(c->disk, 0, sizeof c->disk);
	nvme_shutdown(c);
	err = nvme_disable(c);
	if (err < 0 && err != -ENODEV) { /* nothing else keeps it from memory then */
		sip_dev_busmaster(c->d.dev, false);
		drive_tell(p, "the controller does not stop: %s", strerror(-err));
	}
}

const struct drive_ops nvme_ops = {
	.build = nvme_build,
	.ring = nvme_ring_bell,
	.reap = nvme_reap,
	.look = look,
	.probe = probe,
	.present = nvme_present,
	.changed = changed,
	.diagnose = diagnose,
	.restart = restart,
	.quiet = quiet,
	.pick = nvme_pick,
	.describe = nvme_describe,
};
