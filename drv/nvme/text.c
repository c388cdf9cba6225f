/*
 * What a controller says of its health, and the driver's lines of ctl.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ctlr.h"
#include "os.h"

/* In the keeper's thread.  What is critical is told of when it becomes so. */
void
nvme_ask_health(struct nvme_ctlr *c)
{
	uint8_t page[NVME_SMART_SIZE], was = c->smart.critical;
	char why[NVME_CRITICAL_MAX];
	struct nvme_smart s;

	atomic_store(&c->asked_ns, os_time_ns());
	if (nvme_admin(c, nvme_cmd_log(NVME_LOG_SMART, sizeof page, 0), page, sizeof page, NULL) <
	    0)
		return;
	nvme_smart(page, &s);
	pthread_mutex_lock(&c->admin_lock);
	c->smart = s;
	c->smart_known = true;
	pthread_mutex_unlock(&c->admin_lock);
	nvme_critical_text(s.critical, why, sizeof why);
	if (s.critical & ~was)
		drive_tell(&c->port, "health: %s", why);
}

/* What is known; the keeper asks again if that is old. */
static int
health_text(struct nvme_ctlr *c, char *buf, size_t n)
{
	struct nvme_smart s;
	bool known;

	if (os_time_ns() - atomic_load(&c->asked_ns) > NVME_HEALTH_MS * 1000000ull)
		nvme_log_wanted(c, NVME_LOG_SMART);
	pthread_mutex_lock(&c->admin_lock);
	s = c->smart;
	known = c->smart_known;
	pthread_mutex_unlock(&c->admin_lock);
	return known ? nvme_smart_text(&s, buf, n) : snprintf(buf, n, "smart unknown\n");
}

size_t
nvme_describe(struct drive_disk *d, char *buf, size_t n)
{
	struct nvme_ctlr *c = nvme_of(d->port);
	const struct nvme_disk *disk = d->priv;
	char id[2 * sizeof disk->ns.id + 1];
	size_t len;

	for (size_t i = 0; i < sizeof disk->ns.id; i++)
		snprintf(id + 2 * i, 3, "%02x", disk->ns.id[i]);
	len = blk_printed(snprintf(buf, n, "namespace %u\nid %s\nqueues %u\n", disk->nsid, id,
				   atomic_load(&c->active)),
			  n);
	return len + blk_printed(health_text(c, buf + len, n - len), n - len);
}
