/*
 * The admin queue: one command at a time, which is polled for, and the requests for asynchronous
 * events, which stay until there is one [NVMe 1.4, 5.2].
 *
 * A command's id is another each time, so that a late answer is no answer to the next; those from
 * EVENT_CID on are requests for events.  A command that is not answered leaves its page to the
 * device: the queue is dead until the controller has been reset.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ctlr.h"
#include "os.h"

enum { EVENT_CID = 0xf000, POLL_NS = 20000, SPIN_LOOKS = 50, LOGS = 32 };

void
nvme_admin_init(struct nvme_ctlr *c)
{
	uint64_t sq = c->admin_dma.paddr, cq = sq + c->page;
	uint32_t aqa = NVME_AQA_ASQS_set(0, NVME_ADMIN_ENTRIES - 1);

	pthread_mutex_lock(&c->admin_lock);
	c->admin.entries = NVME_ADMIN_ENTRIES;
	c->admin.sq = c->admin_dma.vaddr;
	c->admin.cq = c->admin.sq + c->page;
	nvme_ring_init(&c->admin);
	c->nevents = c->events_seen = 0;
	c->logs = 0;
	pthread_mutex_unlock(&c->admin_lock);
	sip_write32(&c->bar, NVME_AQA, NVME_AQA_ACQS_set(aqa, NVME_ADMIN_ENTRIES - 1));
	sip_write32(&c->bar, NVME_ASQ, (uint32_t)sq);
	sip_write32(&c->bar, NVME_ASQ + 4, (uint32_t)(sq >> 32));
	sip_write32(&c->bar, NVME_ACQ, (uint32_t)cq);
	sip_write32(&c->bar, NVME_ACQ + 4, (uint32_t)(cq >> 32));
}

void
nvme_admin_works(struct nvme_ctlr *c, bool works)
{
	pthread_mutex_lock(&c->admin_lock);
	c->dead = !works;
	c->life++;
	pthread_mutex_unlock(&c->admin_lock);
}

/* With admin_lock. */
static void
send(struct nvme_ctlr *c, const struct nvme_command *cmd)
{
	nvme_ring_put(&c->admin, cmd);
	atomic_thread_fence(memory_order_release);
	nvme_tell(c, 0, false, c->admin.tail);
}

/* With admin_lock: true if an event came. */
static bool
reap(struct nvme_ctlr *c)
{
	struct nvme_completion a;
	bool event = false;
	unsigned n = 0, log;

	while (n < c->admin.entries && nvme_ring_take(&c->admin, &a)) {
		n++;
		if (a.cid >= EVENT_CID && c->nevents) {
			c->nevents--;
			c->events_seen++;
			log = nvme_event(a.result).log;
			if (!(a.status & NVME_STATUS_CODE) && log < LOGS)
				c->logs |= 1u << log; /* others are the vendor's */
			event = true;
		} else if (a.cid == c->cid) {
			c->answer = a;
			c->answered = true;
		}
	}
	if (n)
		nvme_tell(c, 0, true, c->admin.head);
	return event;
}

/* With admin_lock, which is given up now and then. */
static int
wait(struct nvme_ctlr *c)
{
	struct sip_patience p = sip_patience(NVME_ADMIN_MS);
	unsigned life = c->life;

	for (unsigned looks = 0; !c->answered; looks++) {
		if (reap(c))
			drive_change(&c->port);
		if (c->answered)
			break;
		if (sip_patience_over(&p))
			return -ETIMEDOUT;
		if (looks < SPIN_LOOKS)
			continue;
		pthread_mutex_unlock(&c->admin_lock);
		os_sleep_ns(POLL_NS);
		pthread_mutex_lock(&c->admin_lock);
		if (c->life != life)
			return -EIO;
	}
	return 0;
}

int
nvme_admin(struct nvme_ctlr *c, struct nvme_command cmd, void *buf, size_t n, uint32_t *result)
{
	size_t page = 2ul * c->page; /* behind the queues */
	int err = -EIO;

	pthread_mutex_lock(&c->turn);
	pthread_mutex_lock(&c->admin_lock);
	if (!c->dead) {
		c->cid = (uint16_t)((c->cid + 1) % EVENT_CID);
		c->answered = false;
		cmd.cid = c->cid;
		if (buf)
			cmd.prp1 = c->admin_dma.paddr + page;
		send(c, &cmd);
		err = wait(c);
		c->dead |= err == -ETIMEDOUT;
	}
	if (err == 0)
		err = nvme_errno(c->answer.status);
	if (err == 0 && buf)
		memcpy(buf, c->admin.sq + page, n);
	if (err == 0 && result)
		*result = c->answer.result;
	pthread_mutex_unlock(&c->admin_lock);
	pthread_mutex_unlock(&c->turn);
	if (err == -ETIMEDOUT)
		drive_break(&c->port);
	return err;
}

void
nvme_admin_interrupt(struct nvme_ctlr *c)
{
	bool event;

	pthread_mutex_lock(&c->admin_lock);
	event = reap(c);
	pthread_mutex_unlock(&c->admin_lock);
	if (event)
		drive_change(&c->port);
}

void
nvme_log_wanted(struct nvme_ctlr *c, unsigned log)
{
	pthread_mutex_lock(&c->admin_lock);
	c->logs |= 1u << log;
	pthread_mutex_unlock(&c->admin_lock);
	drive_change(&c->port);
}

uint32_t
nvme_take_events(struct nvme_ctlr *c)
{
	uint32_t logs;

	pthread_mutex_lock(&c->admin_lock);
	logs = c->logs;
	c->logs = 0;
	pthread_mutex_unlock(&c->admin_lock);
	return logs;
}

/* A controller that tells of events without an end is listened to only for so long. */
void
nvme_want_events(struct nvme_ctlr *c)
{
	unsigned want = c->id.nevents < NVME_EVENTS ? c->id.nevents : NVME_EVENTS;

	pthread_mutex_lock(&c->admin_lock);
	while (!c->dead && c->nevents < want && c->events_seen < NVME_EVENTS_LIMIT) {
		unsigned nth = c->events_seen + c->nevents++;
		struct nvme_command cmd = { .opcode = NVME_ASYNC_EVENT,
					    .cid = (uint16_t)(EVENT_CID + nth) };

		send(c, &cmd);
	}
	pthread_mutex_unlock(&c->admin_lock);
}
