/*
 * Changes of a GUID partition table [UEFI 2.10, 5.3]; see blk_edit.h for the order of writing.
 *
 * Both copies are written anew at every change, the one in use last, so that damage to the other
 * is repaired by the way.  A backup that is not in the last sector of a disk that grew is moved
 * there, and the sectors behind its old place become usable.  What is not understood (attributes,
 * a larger header or entry) stays as it was.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "edit.h"
#include "gpt.h"
#include "mbr.h"

enum { NEW_ENTRIES = 128, NEW_ENTRY_SIZE = 128, REVISION = 0x00010000, PRIMARY_LBA = 1 };

struct gpt_edit {
	struct blk_plan *p;
	struct blk_gpt h;               /* of the copy in use */
	bool primary;                   /* it is the primary */
	uint64_t backup_entries;        /* where those of the backup are to be */
	uint8_t header[BLK_MAX_SECTOR]; /* its sector */
	uint8_t *array;                 /* GPT_MAX_ARRAY and a sector */
};

static struct blk_scan
scan_of(struct blk_plan *p)
{
	return (struct blk_scan){ p->m.read, p->m.ctx, p->m.nsectors, p->m.secsize, &p->new };
}

static int
start(struct gpt_edit *e, struct blk_plan *p)
{
	memset(e, 0, sizeof *e);
	e->p = p;
	e->array = calloc(1, GPT_MAX_ARRAY + BLK_MAX_SECTOR);
	return e->array ? 0 : plan_fail(p, -ENOMEM, "no memory");
}

/* Where the backup is to be, and that there is room for both between the usable sectors. */
static int
place_copies(struct gpt_edit *e, const struct blk_gpt *backup)
{
	struct blk_plan *p = e->p;
	uint64_t last = p->m.nsectors - 1;
	uint32_t n = gpt_array_sectors(&e->h, p->m.secsize);

	if (backup && backup->lba == last && gpt_array_sectors(backup, p->m.secsize) == n &&
	    backup->entries_lba > e->h.last_usable)
		e->backup_entries = backup->entries_lba;
	else if (last <= n || last - n <= e->h.last_usable)
		return plan_fail(p, -ENOSPC, "there is no room for the backup of the table");
	else {
		e->backup_entries = last - n;
		e->h.last_usable = last - n - 1;
	}
	if (!e->primary)
		e->h.entries_lba = 2;
	if (e->h.entries_lba + n > e->h.first_usable)
		return plan_fail(p, -ENOSPC, "there is no room for the table");
	return 0;
}

static int
load(struct gpt_edit *e, struct blk_plan *p)
{
	struct blk_scan s = scan_of(p);
	struct blk_gpt backup;
	bool has_backup;
	int err = start(e, p);

	if (err < 0)
		return err;
	has_backup = !blk_gpt_read(&s, p->m.nsectors - 1, &backup, e->array);
	e->primary = !blk_gpt_read(&s, PRIMARY_LBA, &e->h, e->array);
	if (!e->primary) {
		has_backup = !blk_gpt_read(&s, p->m.nsectors - 1, &backup, e->array);
		e->h = backup;
	}
	if (!e->primary && !has_backup)
		return plan_fail(p, -EIO, "the table cannot be read");
	err = p->m.read(p->m.ctx, e->h.lba, 1, e->header);
	if (err < 0)
		return plan_fail(p, err, "the table cannot be read");
	return place_copies(e, has_backup ? &backup : NULL);
}

/* A header of the sector lba, over its entries, as two steps. */
static int
put_copy(struct gpt_edit *e, uint64_t lba, uint64_t alternate, uint64_t entries)
{
	uint8_t *h = e->header;
	uint32_t size = blk_get32(h + GPT_H_SIZE);
	int err;

	blk_put64(h + GPT_H_MY_LBA, lba);
	blk_put64(h + GPT_H_ALTERNATE_LBA, alternate);
	blk_put64(h + GPT_H_LAST_USABLE, e->h.last_usable);
	blk_put64(h + GPT_H_ENTRIES_LBA, entries);
	blk_put32(h + GPT_H_ENTRIES_CRC,
		  blk_crc32(0, e->array, (size_t)e->h.nentries * e->h.entry_size));
	blk_put32(h + GPT_H_CRC, 0);
	blk_put32(h + GPT_H_CRC, blk_crc32(0, h, size));
	err = plan_step(e->p, entries, gpt_array_sectors(&e->h, e->p->m.secsize), e->array, false);
	return err < 0 ? err : plan_step(e->p, lba, 1, h, true);
}

/* Both copies, first the one that is not in use.  Frees the array, whatever went before. */
static int
finish(struct gpt_edit *e, int err)
{
	uint64_t last = e->p->m.nsectors - 1;

	for (unsigned i = 0; i < GPT_NCOPIES && err >= 0; i++) {
		bool primary = (i == 0) != e->primary;

		if (primary)
			err = put_copy(e, PRIMARY_LBA, last, e->h.entries_lba);
		else
			err = put_copy(e, last, PRIMARY_LBA, e->backup_entries);
	}
	free(e->array);
	return err;
}

static uint8_t *
entry(const struct gpt_edit *e, uint32_t number)
{
	return e->array + (size_t)(number - 1) * e->h.entry_size;
}

static bool
is_used(const struct gpt_edit *e, uint32_t number)
{
	return number && number <= e->h.nentries &&
	       !gpt_is_zero(entry(e, number) + GPT_E_TYPE, GPT_GUID_SIZE);
}

/* --- fields ----------------------------------------------------------------------------------- */

/* 36 characters as blk_uuid_text makes them. */
static bool
parse_uuid(const char *text, uint8_t guid[GPT_GUID_SIZE])
{
	static const uint8_t order[GPT_GUID_SIZE] = { 3, 2, 1,  0,  5,  4,  7,  6,
						      8, 9, 10, 11, 12, 13, 14, 15 };
	char again[BLK_UUID_TEXT];
	unsigned n = 0;

	for (const char *p = text; *p && n < 2 * GPT_GUID_SIZE; p++) {
		static const char digits[] = "0123456789abcdef";
		const char *d = *p == '-' ? NULL : strchr(digits, *p | 0x20);
		uint8_t *byte = &guid[order[n / 2]];

		if (*p == '-')
			continue;
		if (!d)
			return false;
		*byte = (uint8_t)(n & 1 ? *byte << 4 | (d - digits) : d - digits);
		n++;
	}
	if (n < 2 * GPT_GUID_SIZE)
		return false;
	blk_uuid_text(again, guid);
	return strcasecmp(again, text) == 0;
}

static int
put_type(struct gpt_edit *e, uint8_t *at, const char *text)
{
	const struct blk_type *t = blk_type_find(text);

	if (t && !t->uuid)
		return plan_fail(e->p, -EINVAL, "a gpt has no type %.20s", text);
	if (!parse_uuid(t ? t->uuid : text, at + GPT_E_TYPE) ||
	    gpt_is_zero(at + GPT_E_TYPE, GPT_GUID_SIZE))
		return plan_fail(e->p, -EINVAL, "%.40s: neither a type's name nor a uuid", text);
	return 0;
}

/* One character of UTF-8, shortest form; 0 if it is not one. */
static uint32_t
get_utf8(const uint8_t **text)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	const uint8_t *p = *text;
	unsigned more = p[0] < 0x80 ? 0 : p[0] < 0xc0 ? 4 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
	uint32_t c;

	if (more == 4 || p[0] >= 0xf8)
		return 0;
	c = more ? p[0] & (0x3fu >> more) : p[0];
	for (unsigned i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	*text = p + more + 1;
	return c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : c;
}

static int
put_label(struct gpt_edit *e, uint8_t *at, const char *label)
{
	uint8_t *name = at + GPT_E_NAME;
	const uint8_t *p = (const uint8_t *)label;
	unsigned n = 0;

	memset(name, 0, 2 * GPT_NAME_UNITS);
	while (*p) {
		uint32_t c = get_utf8(&p);
		unsigned units = c >= 0x10000 ? 2 : 1;

		if (c < 0x20 || c == 0x7f || c == '/')
			return plan_fail(e->p, -EINVAL, "a label is UTF-8 without / and controls");
		if (n + units > GPT_NAME_UNITS)
			return plan_fail(e->p, -EINVAL, "a label has at most %d UTF-16 units",
					 GPT_NAME_UNITS);
		if (units == 2) {
			blk_put16(name + 2 * n++, 0xd800 + ((c - 0x10000) >> 10));
			c = 0xdc00 + ((c - 0x10000) & 0x3ff);
		}
		blk_put16(name + 2 * n++, c);
	}
	return 0;
}

/* A random one [RFC 9562, 5.4]. */
static void
put_uuid(uint8_t *at, const uint8_t random[GPT_GUID_SIZE])
{
	memcpy(at, random, GPT_GUID_SIZE);
	at[7] = (at[7] & 0x0f) | 0x40;
	at[8] = (at[8] & 0x3f) | 0x80;
}

/* --- the changes ------------------------------------------------------------------------------ */

static int
choose_number(struct gpt_edit *e, uint32_t *number)
{
	if (*number > e->h.nentries)
		return plan_fail(e->p, -EINVAL, "the table has %u entries", e->h.nentries);
	if (is_used(e, *number))
		return plan_fail(e->p, -EEXIST, "there is a partition %u", *number);
	for (uint32_t i = 1; !*number && i <= e->h.nentries; i++)
		if (!is_used(e, i))
			*number = i;
	return *number ? 0 : plan_fail(e->p, -ENOSPC, "all %u entries are used", e->h.nentries);
}

static int
choose_place(struct gpt_edit *e, struct blk_new_part *n)
{
	struct plan_gap *used = calloc(BLK_MAX_PARTS, sizeof *used);
	const struct blk_table *t = &e->p->old;
	int err;

	if (!used)
		return plan_fail(e->p, -ENOMEM, "no memory");
	for (unsigned i = 0; i < t->nparts; i++)
		used[i] = (struct plan_gap){ t->part[i].start,
					     t->part[i].start + t->part[i].nsectors };
	err = plan_place(e->p, (struct plan_gap){ e->h.first_usable, e->h.last_usable + 1 },
			 (struct plan_used){ used, t->nparts }, n, 0);
	free(used);
	return err;
}

static int
put_new(struct gpt_edit *e, struct blk_new_part *n)
{
	uint8_t *at;
	int err = choose_number(e, &n->number);

	if (err < 0 || (err = choose_place(e, n)) < 0)
		return err;
	at = entry(e, n->number);
	memset(at, 0, e->h.entry_size);
	put_uuid(at + GPT_E_GUID, n->random);
	blk_put64(at + GPT_E_FIRST, n->start);
	blk_put64(at + GPT_E_LAST, n->start + n->nsectors - 1);
	err = put_type(e, at, n->type);
	return err < 0 || !n->label ? err : put_label(e, at, n->label);
}

int
gpt_add(struct blk_plan *p, struct blk_new_part *n, uint32_t *out)
{
	struct gpt_edit e;
	int err = load(&e, p);

	if (err >= 0 && n->logical)
		err = plan_fail(p, -EINVAL, "a gpt has no logical partitions");
	if (err >= 0)
		err = put_new(&e, n);
	*out = n->number;
	return finish(&e, err);
}

int
gpt_delete(struct blk_plan *p, uint32_t number)
{
	struct gpt_edit e;
	int err = load(&e, p);

	if (err >= 0 && !is_used(&e, number))
		err = plan_fail(p, -ENOENT, "there is no partition %u", number);
	if (err >= 0)
		memset(entry(&e, number), 0, e.h.entry_size);
	return finish(&e, err);
}

int
gpt_change(struct blk_plan *p, uint32_t number, const char *type, const char *label)
{
	struct gpt_edit e;
	int err = load(&e, p);

	if (err >= 0 && type)
		err = put_type(&e, entry(&e, number), type);
	if (err >= 0 && label)
		err = put_label(&e, entry(&e, number), label);
	return finish(&e, err);
}

/* --- a new table ------------------------------------------------------------------------------ */

static int
put_protective(struct blk_plan *p)
{
	uint64_t all = p->m.nsectors - 1;
	uint8_t sector[BLK_MAX_SECTOR], *entry0 = sector + MBR_TABLE;
	int err = p->m.read(p->m.ctx, 0, 1, sector);

	if (err < 0)
		return plan_fail(p, err, "sector 0 cannot be read");
	/* Code of a boot loader stays; what is no table is no boot loader. */
	if (p->old.kind == BLK_TABLE_NONE)
		memset(sector, 0, sizeof sector);
	memset(sector + MBR_SIGNATURE, 0, MBR_MAGIC - MBR_SIGNATURE);
	/* [UEFI 2.10, 5.2.3] */
	memcpy(entry0, "\x00\x00\x02\x00\xee\xff\xff\xff", 8);
	blk_put32(entry0 + 8, 1);
	blk_put32(entry0 + 12, all > UINT32_MAX ? UINT32_MAX : (uint32_t)all);
	sector[MBR_MAGIC] = 0x55;
	sector[MBR_MAGIC + 1] = 0xaa;
	return plan_step(p, 0, 1, sector, true);
}

int
gpt_create(struct blk_plan *p, const uint8_t random[16])
{
	struct blk_scan s = scan_of(p);
	struct gpt_edit e;
	struct blk_gpt old;
	uint32_t n = NEW_ENTRIES * NEW_ENTRY_SIZE / p->m.secsize;
	uint8_t *h = e.header;
	int err = start(&e, p);

	if (err < 0)
		return err;
	if (p->m.nsectors < 2 * (uint64_t)n + 4) {
		free(e.array);
		return plan_fail(p, -ENOSPC, "the disk is too small for a gpt");
	}
	e.primary = !blk_gpt_read(&s, PRIMARY_LBA, &old, e.array);
	memset(e.array, 0, GPT_MAX_ARRAY + BLK_MAX_SECTOR);
	e.h = (struct blk_gpt){ .entries_lba = 2,
				.nentries = NEW_ENTRIES,
				.entry_size = NEW_ENTRY_SIZE,
				.first_usable = 2 + n,
				.last_usable = p->m.nsectors - n - 2 };
	e.backup_entries = p->m.nsectors - 1 - n;
	memcpy(h + GPT_H_SIGNATURE, "EFI PART", 8);
	blk_put32(h + GPT_H_REVISION, REVISION);
	blk_put32(h + GPT_H_SIZE, GPT_HEADER_MIN);
	blk_put64(h + GPT_H_FIRST_USABLE, e.h.first_usable);
	put_uuid(h + GPT_H_GUID, random);
	blk_put32(h + GPT_H_NENTRIES, NEW_ENTRIES);
	blk_put32(h + GPT_H_ENTRY_SIZE, NEW_ENTRY_SIZE);
	err = finish(&e, 0);
	return err < 0 ? err : put_protective(p);
}
