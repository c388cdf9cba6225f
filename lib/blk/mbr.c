/*
 * The MBR partition table, with extended partitions.
 *
 * Four 16-byte entries at 446 of sector 0, then 0x55 0xaa.  An entry: status, CHS start, type, CHS
 * end, first sector (4 bytes), sectors (4 bytes).  CHS is not looked at.  An extended partition
 * holds a chain of such sectors: in each, a data entry relative to that sector, and a link relative
 * to the extended partition's start.  Sectors are the disk's logical ones; the table is in the
 * first 512 bytes of its sector.
 *
 * The chain is bounded three ways: its sectors lie in the extended partition, none is visited
 * twice, and there are at most MBR_MAX_CHAIN of them.  No partition holds a sector of the chain, or
 * who may write the partition could write the table.
 *
 * A boot sector of a file system on a disk without a table has the magic too, and code or text
 * where the entries would be.  So what begins as FAT or NTFS do is no table if one of its boot
 * flags is none; and of others with such a flag, entries are only believed beside one that is
 * whole: its flag good, its sectors in the disk.  Then each entry with a bad flag is refused.  If
 * all that look like partitions have bad flags it cannot be told from code, and is noted and not
 * used.
 *
 * An entry of type 0xee says that there is a GPT [UEFI 2.10, 5.2.3]; further entries, of a hybrid
 * table, are then other names of what is in it, and are not used.
 */
#include <stdio.h>
#include <string.h>
#include "mbr.h"

struct mbr_chain {
	uint64_t start, end; /* the extended partition's sectors */
	uint64_t visited[MBR_MAX_CHAIN];
	unsigned nvisited;
};

static struct blk_part
make_part(const struct blk_scan *s, const struct mbr_entry *e, uint64_t base, uint32_t number)
{
	struct blk_part p = {
		.start = base + e->start,
		.nsectors = e->nsectors,
		.number = number,
		.mbr_type = e->type,
		.bootable = e->status == MBR_STATUS_ACTIVE,
	};

	snprintf(p.uuid, sizeof p.uuid, "%.8s-%02x", s->table->uuid, number);
	return p;
}

/* It, and what would be behind it, is not there.  False, for those who go on with it or do not. */
static bool __attribute__((format(printf, 2, 0)))
refuse_link(struct blk_scan *s, const char *fmt, uint64_t lba)
{
	blk_note(s, fmt, (unsigned long long)lba);
	s->table->nlost++;
	return false;
}

static bool
visit(struct blk_scan *s, struct mbr_chain *c, uint64_t lba)
{
	if (lba < c->start || lba >= c->end)
		return refuse_link(s, "extended partition: link to %llu, outside of it", lba);
	for (unsigned i = 0; i < c->nvisited; i++)
		if (c->visited[i] == lba)
			return refuse_link(s, "extended partition: the chain loops at %llu", lba);
	for (unsigned i = 0; i < s->table->nparts; i++) {
		const struct blk_part *p = &s->table->part[i];

		if (!p->container && blk_overlap(p, lba, 1)) {
			blk_note(s, "extended partition: link to %llu, inside partition %u",
				 (unsigned long long)lba, p->number);
			s->table->nlost++;
			return false;
		}
	}
	if (c->nvisited == MBR_MAX_CHAIN) {
		blk_note(s, "extended partition: more than %d links", MBR_MAX_CHAIN);
		s->table->nlost++;
		return false;
	}
	c->visited[c->nvisited++] = lba;
	return true;
}

static void
take_logical(struct blk_scan *s, const struct mbr_chain *c, const struct blk_part *p)
{
	if (p->start < c->start || p->start >= c->end || p->nsectors > c->end - p->start) {
		blk_refuse(s, p, "outside of its extended partition");
		return;
	}
	for (unsigned i = 0; i < c->nvisited; i++)
		if (blk_overlap(p, c->visited[i], 1)) {
			blk_refuse(s, p, "holds the table at %llu",
				   (unsigned long long)c->visited[i]);
			return;
		}
	blk_take(s, p);
}

/* The data entries of one sector of the chain; returns the link, or one with no sectors. */
static struct mbr_entry
scan_link(struct blk_scan *s, const struct mbr_chain *c, uint64_t lba, const uint8_t *sector,
	  uint32_t *number)
{
	struct mbr_entry link = { 0 };

	for (unsigned i = 0; i < MBR_NENTRIES; i++) {
		struct mbr_entry e = mbr_get_entry(sector, i);
		struct blk_part p;

		if (mbr_is_empty(&e))
			continue;
		if (mbr_is_extended(&e)) {
			if (mbr_is_empty(&link))
				link = e;
			else
				refuse_link(s, "extended partition: a second link at %llu", lba);
			continue;
		}
		p = make_part(s, &e, lba, (*number)++);
		p.entry_sector = lba;
		p.entry_slot = (uint8_t)i;
		take_logical(s, c, &p);
	}
	return link;
}

static void
scan_chain(struct blk_scan *s, const struct blk_part *container, uint32_t *number)
{
	struct mbr_chain c = { .start = container->start,
			       .end = container->start + container->nsectors };
	uint8_t sector[BLK_MAX_SECTOR];
	uint64_t lba = c.start;

	while (visit(s, &c, lba)) {
		struct mbr_entry link;

		if (s->read(s->ctx, lba, 1, sector) < 0) {
			refuse_link(s, "extended partition: sector %llu cannot be read", lba);
			return;
		}
		if (!mbr_has_magic(sector)) {
			if (lba != c.start)
				refuse_link(s, "extended partition: no table at %llu", lba);
			return;
		}
		link = scan_link(s, &c, lba, sector, number);
		if (mbr_is_empty(&link))
			return;
		lba = c.start + link.start;
	}
}

static bool
has_bad_flag(const struct mbr_entry *e)
{
	return e->status & ~MBR_STATUS_ACTIVE;
}

/* A BIOS parameter block: FAT's, of which NTFS and exFAT have the name, or zeros, at its place. */
static bool
is_boot_sector(const uint8_t *sector)
{
	unsigned secsize = sector[BPB_SECSIZE] | (unsigned)sector[BPB_SECSIZE + 1] << 8;
	unsigned cluster = sector[BPB_CLUSTER];

	if (memcmp(sector + BPB_NAME, "NTFS    ", 8) == 0 ||
	    memcmp(sector + BPB_NAME, "EXFAT   ", 8) == 0)
		return true;
	return secsize >= BLK_MIN_SECTOR && secsize <= BLK_MAX_SECTOR &&
	       !(secsize & (secsize - 1)) && cluster && !(cluster & (cluster - 1)) &&
	       sector[BPB_NFATS] && sector[BPB_MEDIA] >= BPB_MEDIA_MIN;
}

/* An entry as a partition of this disk has it, but for its flag. */
static bool
is_whole(const struct blk_scan *s, const struct mbr_entry *e)
{
	if (e->type == MBR_TYPE_GPT)
		return e->start == 1 && e->nsectors;
	return !mbr_is_empty(e) && e->start && e->start < s->nsectors &&
	       e->nsectors <= s->nsectors - e->start;
}

static bool
is_table(struct blk_scan *s, const uint8_t *sector)
{
	unsigned nbad = 0, whole = 0, whole_but_flag = 0;
	bool any = false;

	if (!mbr_has_magic(sector))
		return false;
	for (unsigned i = 0; i < MBR_NENTRIES; i++) {
		struct mbr_entry e = mbr_get_entry(sector, i);

		nbad += has_bad_flag(&e);
		whole += !has_bad_flag(&e) && is_whole(s, &e);
		whole_but_flag += has_bad_flag(&e) && is_whole(s, &e);
		any |= !mbr_is_empty(&e) || e.type == MBR_TYPE_GPT;
	}
	if (!nbad)
		return any || blk_get32(sector + MBR_SIGNATURE);
	if (is_boot_sector(sector))
		return false;
	if (!whole && whole_but_flag)
		blk_note(s, "mbr: the boot flags of its %u entries are none: not used",
			 whole_but_flag);
	return whole;
}

/* [UEFI 2.10, 5.2.3]: of all sectors but the first, or of as many as it can say. */
static void
check_protective(struct blk_scan *s, const uint8_t *sector)
{
	uint64_t all = s->nsectors - 1;
	struct mbr_entry guard = { 0 };
	unsigned others = 0;

	for (unsigned i = 0; i < MBR_NENTRIES; i++) {
		struct mbr_entry e = mbr_get_entry(sector, i);

		if (e.type != MBR_TYPE_GPT)
			others += !mbr_is_empty(&e);
		else if (!guard.type)
			guard = e;
	}
	if (others) /* it protects what they leave */
		blk_note(s, "hybrid mbr: %u entries beside the gpt are not used", others);
	else if (guard.nsectors != UINT32_MAX && guard.nsectors != all)
		blk_note(s, "protective mbr: %u sectors, in a disk of %llu", guard.nsectors,
			 (unsigned long long)s->nsectors);
}

bool
blk_mbr_scan(struct blk_scan *s, const uint8_t *sector, bool *protective)
{
	struct blk_part container[MBR_NENTRIES];
	uint32_t number = MBR_FIRST_LOGICAL;
	unsigned n = 0;

	*protective = false;
	if (!is_table(s, sector))
		return false;
	snprintf(s->table->uuid, sizeof s->table->uuid, "%08x", blk_get32(sector + MBR_SIGNATURE));
	for (unsigned i = 0; i < MBR_NENTRIES; i++)
		if (mbr_get_entry(sector, i).type == MBR_TYPE_GPT)
			*protective = true;
	if (*protective) {
		check_protective(s, sector);
		return true;
	}
	for (unsigned i = 0; i < MBR_NENTRIES; i++) {
		struct mbr_entry e = mbr_get_entry(sector, i);
		struct blk_part p;

		if (mbr_is_empty(&e))
			continue;
		p = make_part(s, &e, 0, i + 1);
		p.entry_slot = (uint8_t)i;
		if (has_bad_flag(&e)) {
			blk_refuse(s, &p, "boot flag 0x%02x, neither 0 nor 0x80", e.status);
			continue;
		}
		if (!p.start) {
			blk_refuse(s, &p, "begins at the table itself");
			continue;
		}
		p.container = mbr_is_extended(&e);
		if (blk_take(s, &p) && p.container)
			container[n++] = p;
	}
	for (unsigned i = 0; i < n; i++)
		scan_chain(s, &container[i], &number);
	return true;
}
