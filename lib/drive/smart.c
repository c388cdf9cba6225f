/*
 * SMART of ATA disks; see drive_smart.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "drive_smart.h"
#include "os.h"

void
drive_smart_init(struct drive_smart *s)
{
	atomic_store(&s->asked_ns, 0);
	atomic_store(&s->health, -ENOENT);
	atomic_store(&s->temperature, -ENOENT);
	pthread_mutex_init(&s->lock, NULL);
	s->nattributes = 0;
}

static int
smart(struct drive_disk *d, enum ata_smart what, struct ata_result *r, void *page)
{
	struct drive_command c = { .bytes = page ? ATA_PAGE_SIZE : 0 };
	struct ata_command ata;
	int err;

	ata_cmd_smart(what, &ata);
	memcpy(c.block, &ata, sizeof ata);
	err = drive_command_within(d, &c, page, DRIVE_SMART_MS);
	return err < 0 || !r ? err : ata_fis_decode(c.result, ATA_FIS_D2H_SIZE, r);
}

static void
ask_smart(struct drive_disk *d, struct drive_smart *s)
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
static size_t
attributes_text(struct drive_smart *s, char *buf, size_t n)
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
	return len;
}

/*
 * The disk is not asked at every look, since commands wait for it meanwhile; and whoever looks does
 * not wait for a disk that hangs: then he sees what was known.
 */
size_t
drive_smart_text(struct drive_disk *d, struct drive_smart *s, const struct ata_identity *id,
		 char *buf, size_t n)
{
	uint64_t now = os_time_ns(), asked = atomic_load(&s->asked_ns);
	int health, degrees;
	size_t len;

	if (!id->smart || !id->smart_on)
		return blk_printed(snprintf(buf, n, "smart %s\n", id->smart ? "off" : "none"), n);
	if ((!asked || now - asked > DRIVE_SMART_AGE_MS * 1000000ull) &&
	    atomic_compare_exchange_strong(&s->asked_ns, &asked, now))
		ask_smart(d, s);
	health = atomic_load(&s->health);
	degrees = atomic_load(&s->temperature);
	len = blk_printed(snprintf(buf, n, "smart %s\n",
				   health == 1   ? "passed"
				   : health == 0 ? "failed a value is at or below its threshold"
						 : "unknown"),
			  n);
	if (degrees > 0)
		len += blk_printed(snprintf(buf + len, n - len, "temperature %d\n", degrees),
				   n - len);
	return len + attributes_text(s, buf + len, n - len);
}
