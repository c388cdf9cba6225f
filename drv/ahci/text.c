/*
 * What a port says of itself: what lib/blk must know, the driver's lines of ctl and stats, and its
 * ctl commands (standby, reset).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ahci.h"

static void
put_features(const struct ahci_port *p, char *out, size_t size)
{
	const struct ata_identity *id = &p->id;
	const struct {
		bool has;
		const char *name;
	} list[] = {
		{ id->lba48, "lba48" },
		{ p->ncq, "ncq" },
		{ id->trim, "trim" },
		{ id->trim_zeroes, "trim-zeroes" },
		{ id->write_cache_on, "write-cache" },
		{ id->flush || id->flush_ext, "flush" },
		{ id->fua, "fua" },
		{ id->smart, "smart" },
		{ id->rotation == 1, "solid-state" },
		{ id->removable, "removable" },
	};
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
		if (list[i].has && used < size) {
			int n = snprintf(out + used, size - used, "%s%s", used ? " " : "",
					 list[i].name);

			used += n > 0 ? (size_t)n : 0;
		}
}

void
ahci_disk_info(const struct ahci_port *p, struct blk_info *info)
{
	const struct ata_identity *id = &p->id;

	snprintf(info->name, sizeof info->name, "sdC%u", p->hba->base + p->index);
	snprintf(info->model, sizeof info->model, "%s", id->model);
	snprintf(info->serial, sizeof info->serial, "%s", id->serial);
	snprintf(info->firmware, sizeof info->firmware, "%s", id->firmware);
	put_features(p, info->features, sizeof info->features);
	info->nsectors = id->nsectors;
	info->secsize = id->secsize;
	info->physsecsize = id->physsecsize;
	info->max_sectors = ata_max_sectors(id);
	info->discard_sectors = 64 * 65535; /* one block of ranges */
	info->queue_depth = (uint32_t)__builtin_popcount(p->slots);
	info->cylinders = id->cylinders;
	info->heads = id->heads;
	info->sectors_per_track = id->sectors_per_track;
	info->memory = p->hba->memory;
}

size_t
ahci_describe(void *drive, char *buf, size_t n)
{
	static const char *const states[] = { "empty", "ready", "recovering" };
	struct ahci_port *p = drive;
	int len;

	pthread_mutex_lock(&p->lock);
	len = snprintf(buf, n,
		       "controller %s port %u\nport-state %s\nlink sata-%u\n"
		       "rotation %u\nwwn %016llx\nlast-error %s\n",
		       p->hba->dev->info.addr, p->index, states[p->state],
		       SSTS_SPD_get(port_read(p, PORT_SSTS)), p->id.rotation,
		       (unsigned long long)p->id.wwn, p->last_error[0] ? p->last_error : "none");
	pthread_mutex_unlock(&p->lock);
	return len < 0 ? 0 : (size_t)len < n ? (size_t)len : n - 1;
}

size_t
ahci_statistics(void *drive, char *buf, size_t n)
{
	struct ahci_port *p = drive;
	int len;

	pthread_mutex_lock(&p->lock);
	len = snprintf(buf, n,
		       "commands %llu\nerrors %llu\nretries %llu\nresets %llu\n"
		       "lost-interrupts %llu\nlink-changes %llu\n",
		       (unsigned long long)p->completions, (unsigned long long)p->errors,
		       (unsigned long long)p->retries, (unsigned long long)p->resets,
		       (unsigned long long)p->lost, (unsigned long long)p->link_changes);
	pthread_mutex_unlock(&p->lock);
	return len < 0 ? 0 : (size_t)len < n ? (size_t)len : n - 1;
}

/* A command without data, in its turn among the others. */
static int
control(struct ahci_port *p, uint8_t opcode)
{
	struct ahci_control c = { .io = { .kind = BLK_FLUSH, .tag = opcode },
				  .lock = PTHREAD_MUTEX_INITIALIZER,
				  .over = PTHREAD_COND_INITIALIZER };

	ahci_submit(p, &c.io);
	pthread_mutex_lock(&c.lock);
	while (!c.done)
		pthread_cond_wait(&c.over, &c.lock);
	pthread_mutex_unlock(&c.lock);
	pthread_mutex_destroy(&c.lock);
	pthread_cond_destroy(&c.over);
	return c.err;
}

int
ahci_command(void *drive, const char *text)
{
	struct ahci_port *p = drive;

	if (strcmp(text, "standby") == 0)
		return control(p, ATA_STANDBY_IMMEDIATE);
	if (strcmp(text, "reset") == 0) {
		pthread_mutex_lock(&p->lock);
		p->events |= AHCI_EVENT_RESET;
		pthread_mutex_unlock(&p->lock);
		ahci_wake_keeper(p->hba);
	} else if (strcmp(text, "trace on") == 0 || strcmp(text, "trace off") == 0)
		atomic_store(&p->trace, strcmp(text, "trace on") == 0);
	else
		return -EINVAL;
	return 0;
}
