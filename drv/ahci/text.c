/*
 * What a disk says of itself: what lib/blk must know, the driver's lines of ctl and stats, SMART;
 * and the driver's own commands of ctl.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ahci.h"
#include "os.h"

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

/* The ranges of a discard are written into its own buffer. */
static unsigned
trim_ranges(const struct ata_identity *id)
{
	unsigned room = BLK_BUF_SMALL / ATA_PAGE_SIZE;

	return (id->trim_blocks < room ? id->trim_blocks : room) * ATA_TRIM_RANGES;
}

void
ahci_disk_info(const struct ahci_port *p, struct drive_disk *d)
{
	const struct ata_identity *id = &p->id;
	struct blk_info *info = &d->info;

	snprintf(info->name, sizeof info->name, "sdC%u",
		 HBA_MAX_PORTS * p->hba->ctlr.number + p->index);
	snprintf(info->model, sizeof info->model, "%s", id->model);
	snprintf(info->serial, sizeof info->serial, "%s", id->serial);
	snprintf(info->firmware, sizeof info->firmware, "%s", id->firmware);
	if (id->packet) {
		snprintf(info->features, sizeof info->features, "%s",
			 p->transfers.dma ? "dma" : "pio");
		return;
	}
	put_features(p, info->features, sizeof info->features);
	info->nsectors = id->nsectors;
	info->secsize = id->secsize;
	info->physsecsize = id->physsecsize;
	info->max_sectors = ata_max_sectors(id);
	info->queue_depth = p->queue.depth;
	info->cylinders = id->cylinders;
	info->heads = id->heads;
	info->sectors_per_track = id->sectors_per_track;
	info->max_segs = AHCI_SEGS;
	info->align = 2; /* [AHCI 1.3.1, 4.2.3.3] */
	info->direct = true;
	info->dma32 = p->hba->ctlr.dma_max;
	d->flushes = id->flush || id->flush_ext;
	d->fua = id->fua && id->lba48;
	d->trims = id->trim;
	d->ranges = trim_ranges(id);
	d->range_sectors = ATA_TRIM_RANGE_MAX;
	info->discard_sectors = d->ranges * ATA_TRIM_RANGE_MAX;
}

/* --- SMART ----------------------------------------------------------------------------------- */

static int
smart(struct drive_disk *d, enum ata_smart what, struct ata_result *r, void *page)
{
	struct drive_command c = { .bytes = page ? ATA_PAGE_SIZE : 0 };
	struct ata_command ata;
	int err;

	ata_cmd_smart(what, &ata);
	memcpy(c.block, &ata, sizeof ata);
	err = drive_command_within(d, &c, page, AHCI_SMART_MS);
	return err < 0 || !r ? err : ata_fis_decode(c.result, ATA_FIS_D2H_SIZE, r);
}

static void
ask_smart(struct drive_disk *d, struct ahci_smart *s)
{
	uint8_t page[ATA_PAGE_SIZE], limits[ATA_PAGE_SIZE];
	struct ata_result r;
	bool limited;

	if (smart(d, ATA_SMART_STATUS, &r, NULL) == 0)
		atomic_store(&s->health, ata_smart_health(&r));
	if (smart(d, ATA_SMART_DATA, NULL, page) < 0)
		return;
	atomic_store(&s->temperature, ata_smart_temperature(page));
	limited = smart(d, ATA_SMART_THRESHOLDS, NULL, limits) == 0; /* of old, but usual */
	pthread_mutex_lock(&s->lock);
	s->nattributes = ata_smart_attributes(page, limited ? limits : NULL, s->attribute);
	pthread_mutex_unlock(&s->lock);
}

/* One line each, as far as there is room for whole ones. */
static int
attributes_text(struct ahci_smart *s, char *buf, size_t n)
{
	char name[32], line[128];
	size_t len = 0;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->nattributes; i++) {
		const struct ata_attribute *a = &s->attribute[i];
		const char *usual = ata_smart_name(a->id);
		int more;

		snprintf(name, sizeof name, "attribute-%u", a->id);
		more = snprintf(line, sizeof line, "smart-attribute %u %s %llu %u %u %u %s\n",
				a->id, usual ? usual : name, (unsigned long long)a->raw, a->value,
				a->worst, a->threshold, ata_smart_state(a));
		if (more < 0 || len + (size_t)more >= n)
			break;
		memcpy(buf + len, line, (size_t)more + 1);
		len += (size_t)more;
	}
	pthread_mutex_unlock(&s->lock);
	return (int)len;
}

/*
 * The disk is not asked at every look, since commands wait for it meanwhile; and whoever looks does
 * not wait for a disk that hangs: then he sees what was known.
 */
static int
smart_text(struct drive_disk *d, char *buf, size_t n)
{
	struct ahci_port *p = (struct ahci_port *)d->port;
	struct ahci_smart *s = d->priv;
	uint64_t now = os_time_ns(), asked = atomic_load(&s->asked_ns);
	int health, degrees, len;

	if (p->id.packet)
		return 0;
	if (!p->id.smart || !p->id.smart_on)
		return snprintf(buf, n, "smart %s\n", p->id.smart ? "off" : "none");
	if ((!asked || now - asked > AHCI_SMART_AGE_MS * 1000000ull) &&
	    atomic_compare_exchange_strong(&s->asked_ns, &asked, now))
		ask_smart(d, s);
	health = atomic_load(&s->health);
	degrees = atomic_load(&s->temperature);
	len = snprintf(buf, n, "smart %s\n",
		       health == 1   ? "passed"
		       : health == 0 ? "failed a value is at or below its threshold"
				     : "unknown");
	if (degrees > 0 && len > 0 && (size_t)len < n)
		len += snprintf(buf + len, n - (size_t)len, "temperature %d\n", degrees);
	if (len > 0 && (size_t)len < n)
		len += attributes_text(s, buf + len, n - (size_t)len);
	return len;
}

/* --- ctl and stats --------------------------------------------------------------------------- */

static size_t
length(int printed, size_t n)
{
	return printed < 0 ? 0 : (size_t)printed < n ? (size_t)printed : n - 1;
}

size_t
ahci_describe(struct drive_disk *d, char *buf, size_t n)
{
	struct ahci_port *p = (struct ahci_port *)d->port;
	size_t len = length(snprintf(buf, n, "link sata-%u\nrotation %u\nwwn %016llx\n",
				     SSTS_SPD_get(port_read(p, PORT_SSTS)), p->id.rotation,
				     (unsigned long long)p->id.wwn),
			    n);

	return len + length(smart_text(d, buf + len, n - len), n - len);
}

size_t
ahci_statistics(struct drive_disk *d, char *buf, size_t n)
{
	struct ahci_port *p = (struct ahci_port *)d->port;

	return length(snprintf(buf, n,
			       "soft-resets %llu\nlink-resets %llu\nerror-logs %llu\n"
			       "link-errors %llu\n",
			       (unsigned long long)atomic_load(&p->soft_resets),
			       (unsigned long long)atomic_load(&p->link_resets),
			       (unsigned long long)atomic_load(&p->logs),
			       (unsigned long long)atomic_load(&p->link_errors)),
		      n);
}

/* A command without data, in its turn among the others. */
static int
simple(struct drive_disk *d, uint8_t opcode)
{
	struct drive_command c = { 0 };
	struct ata_command ata;

	ata_cmd_simple(opcode, &ata);
	memcpy(c.block, &ata, sizeof ata);
	return drive_command(d, &c, NULL);
}

int
ahci_command(struct drive_disk *d, const char *text)
{
	if (strcmp(text, "standby") == 0)
		return simple(d, ATA_STANDBY_IMMEDIATE);
	return -EINVAL;
}
