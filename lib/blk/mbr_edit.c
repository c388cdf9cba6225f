/*
 * Changes of an MBR and its extended partition; see mbr.c for the format, blk_edit.h for the order.
 *
 * Only sector 0 and the sectors of the chain are written.  A logical partition gets a sector of its
 * own in front of it, and is the last of the chain; the first one uses the sector with which the
 * extended partition begins.  CHS fields say "beyond what CHS can say"; nobody reads them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "edit.h"
#include "mbr.h"

struct mbr_link {
	uint64_t lba;
	uint8_t sector[BLK_MAX_SECTOR];
	int slot; /* of the link that leads on; -1: it is the last */
};

static void
put_entry(uint8_t *sector, unsigned slot, uint8_t type, uint64_t start, uint64_t nsectors)
{
	uint8_t *e = sector + MBR_TABLE + slot * MBR_ENTRY_SIZE;

	memset(e, 0, MBR_ENTRY_SIZE);
	memcpy(e + 1, "\xfe\xff\xff", 3);
	e[4] = type;
	memcpy(e + 5, "\xfe\xff\xff", 3);
	blk_put32(e + 8, (uint32_t)start);
	blk_put32(e + 12, (uint32_t)nsectors);
	sector[MBR_MAGIC] = 0x55;
	sector[MBR_MAGIC + 1] = 0xaa;
}

static void
clear_entry(uint8_t *sector, unsigned slot)
{
	memset(sector + MBR_TABLE + slot * MBR_ENTRY_SIZE, 0, MBR_ENTRY_SIZE);
}

static int
read_sector(struct blk_plan *p, uint64_t lba, uint8_t *sector)
{
	if (p->m.read(p->m.ctx, lba, 1, sector) < 0)
		return plan_fail(p, -EIO, "sector %llu cannot be read", (unsigned long long)lba);
	return 0;
}

static const struct blk_part *
find_part(const struct blk_plan *p, uint32_t number)
{
	for (unsigned i = 0; i < p->old.nparts; i++)
		if (p->old.part[i].number == number)
			return &p->old.part[i];
	return NULL;
}

static const struct blk_part *
find_container(const struct blk_plan *p)
{
	for (unsigned i = 0; i < p->old.nparts; i++)
		if (p->old.part[i].container)
			return &p->old.part[i];
	return NULL;
}

/* --- the chain -------------------------------------------------------------------------------- */

static int
read_link(struct blk_plan *p, uint64_t lba, struct mbr_link *l)
{
	int err = read_sector(p, lba, l->sector);

	l->lba = lba;
	l->slot = -1;
	if (err < 0 || !mbr_has_magic(l->sector))
		return err;
	for (unsigned i = 0; i < MBR_NENTRIES && l->slot < 0; i++) {
		struct mbr_entry e = mbr_get_entry(l->sector, i);

		if (!mbr_is_empty(&e) && mbr_is_extended(&e))
			l->slot = (int)i;
	}
	return 0;
}

/* The link that leads to lba; UINT64_MAX: the last.  The chain has no faults, or the scan's notes
 * would have said so. */
static int
find_link(struct blk_plan *p, const struct blk_part *c, uint64_t lba, struct mbr_link *l)
{
	int err = read_link(p, c->start, l);

	for (unsigned i = 0; i < MBR_MAX_CHAIN && err >= 0; i++) {
		uint64_t next;

		if (l->slot < 0)
			return lba == UINT64_MAX ? 0 : plan_fail(p, -EIO, "the chain changed");
		next = c->start + mbr_get_entry(l->sector, (unsigned)l->slot).start;
		if (next == lba)
			return 0;
		err = read_link(p, next, l);
	}
	return err < 0 ? err : plan_fail(p, -ENOSPC, "the chain has no room for another");
}

static int
no_faults(struct blk_plan *p)
{
	if (p->old.notes[0])
		return plan_fail(p, -EINVAL, "the chain of the extended partition has faults");
	return 0;
}

/* --- types ------------------------------------------------------------------------------------ */

static int
parse_type(struct blk_plan *p, const char *text, uint8_t *out)
{
	const struct blk_type *t = blk_type_find(text);
	char *end;
	unsigned long n = t ? t->mbr : strtoul(text, &end, 16);

	if (t && !n)
		return plan_fail(p, -EINVAL, "an mbr has no type %.20s", text);
	if (!t && (strncmp(text, "0x", 2) != 0 || !text[2] || *end || !n || n > 0xff))
		return plan_fail(p, -EINVAL, "%.40s: neither a type's name nor a number as 0x83",
				 text);
	if (n == MBR_TYPE_GPT)
		return plan_fail(p, -EINVAL, "type 0xee would make it a gpt");
	*out = (uint8_t)n;
	return 0;
}

static bool
is_extended_type(uint8_t type)
{
	return mbr_is_extended(&(struct mbr_entry){ .type = type });
}

/* --- adding ----------------------------------------------------------------------------------- */

/* What an MBR can say. */
static struct plan_gap
whole_disk(const struct blk_plan *p)
{
	return (struct plan_gap){ 1, p->m.nsectors > UINT32_MAX ? UINT32_MAX : p->m.nsectors };
}

static int
add_primary(struct blk_plan *p, struct blk_new_part *n, uint8_t type)
{
	struct plan_gap used[MBR_NENTRIES];
	struct plan_used list = { used, 0 };
	uint8_t sector[BLK_MAX_SECTOR];
	int err;

	for (uint32_t i = 1; !n->number && i <= MBR_NENTRIES; i++)
		if (!find_part(p, i))
			n->number = i;
	if (!n->number)
		return plan_fail(p, -ENOSPC, "all %d entries are used", MBR_NENTRIES);
	if (find_part(p, n->number))
		return plan_fail(p, -EEXIST, "there is a partition %u", n->number);
	if (is_extended_type(type) && find_container(p))
		return plan_fail(p, -EEXIST, "there is an extended partition");
	for (unsigned i = 0; i < p->old.nparts; i++) {
		const struct blk_part *q = &p->old.part[i];

		if (q->number <= MBR_NENTRIES)
			used[list.n++] = (struct plan_gap){ q->start, q->start + q->nsectors };
	}
	if ((err = plan_place(p, whole_disk(p), list, n, 0)) < 0 ||
	    (err = read_sector(p, 0, sector)) < 0)
		return err;
	/* Sectors of an older chain are not to become one again. */
	if (is_extended_type(type)) {
		uint8_t empty[BLK_MAX_SECTOR] = { 0 };

		err = plan_step(p, n->start, 1, empty, true);
		if (err < 0)
			return err;
	}
	put_entry(sector, n->number - 1, type, n->start, n->nsectors);
	return plan_step(p, 0, 1, sector, true);
}

/* Partitions and sectors of the chain. */
static unsigned
used_by_logicals(const struct blk_plan *p, const struct blk_part *c, struct plan_gap *used)
{
	unsigned n = 0;

	used[n++] = (struct plan_gap){ c->start, c->start + 1 };
	for (unsigned i = 0; i < p->old.nparts; i++) {
		const struct blk_part *q = &p->old.part[i];

		if (q->number <= MBR_NENTRIES)
			continue;
		used[n++] = (struct plan_gap){ q->start, q->start + q->nsectors };
		used[n++] = (struct plan_gap){ q->entry_sector, q->entry_sector + 1 };
	}
	return n;
}

static int
place_logical(struct blk_plan *p, const struct blk_part *c, struct blk_new_part *n, bool own)
{
	struct plan_gap in = { c->start, c->start + c->nsectors };
	struct plan_gap *used = calloc(2 * BLK_MAX_PARTS + 1, sizeof *used);
	int err;

	if (!used)
		return plan_fail(p, -ENOMEM, "no memory");
	err = plan_place(p, in, (struct plan_used){ used, used_by_logicals(p, c, used) }, n,
			 own ? 1 : 0);
	free(used);
	return err;
}

static int
add_logical(struct blk_plan *p, struct blk_new_part *n, uint8_t type)
{
	const struct blk_part *c = find_container(p);
	struct mbr_link last;
	uint8_t sector[BLK_MAX_SECTOR] = { 0 };
	uint32_t number = MBR_FIRST_LOGICAL;
	uint64_t lba;
	int err;

	if (!c)
		return plan_fail(p, -ENOENT, "there is no extended partition");
	if (is_extended_type(type))
		return plan_fail(p, -EINVAL, "an extended partition is a primary one");
	while (find_part(p, number))
		number++;
	if (n->number && n->number != number)
		return plan_fail(p, -EINVAL, "the next logical partition is %u", number);
	n->number = number;
	if ((err = no_faults(p)) < 0 || (err = find_link(p, c, UINT64_MAX, &last)) < 0)
		return err;
	if (number == MBR_FIRST_LOGICAL && last.lba == c->start) {
		err = place_logical(p, c, n, false);
		put_entry(sector, 0, type, n->start - c->start, n->nsectors);
		return err < 0 ? err : plan_step(p, c->start, 1, sector, true);
	}
	if ((err = place_logical(p, c, n, true)) < 0)
		return err;
	lba = n->start - 1;
	put_entry(sector, 0, type, 1, n->nsectors);
	err = plan_step(p, lba, 1, sector, true);
	for (unsigned i = 0; i < MBR_NENTRIES && last.slot < 0; i++) {
		struct mbr_entry e = mbr_get_entry(last.sector, i);

		if (i && mbr_is_empty(&e)) /* the first is for data */
			last.slot = (int)i;
	}
	if (err >= 0 && last.slot < 0)
		err = plan_fail(p, -ENOSPC, "the chain has no room for another");
	if (err < 0)
		return err;
	put_entry(last.sector, (unsigned)last.slot, MBR_TYPE_EXTENDED, lba - c->start,
		  n->nsectors + 1);
	return plan_step(p, last.lba, 1, last.sector, true);
}

int
mbr_add(struct blk_plan *p, struct blk_new_part *n, uint32_t *out)
{
	uint8_t type = 0;
	int err = parse_type(p, n->type, &type);

	if (err < 0)
		return err;
	if (n->label)
		return plan_fail(p, -EINVAL, "partitions of an mbr have no labels");
	if (n->logical || n->number > MBR_NENTRIES)
		err = add_logical(p, n, type);
	else
		err = add_primary(p, n, type);
	*out = n->number;
	return err;
}

/* --- the others ------------------------------------------------------------------------------- */

static int
delete_primary(struct blk_plan *p, uint32_t number)
{
	uint8_t sector[BLK_MAX_SECTOR];
	struct mbr_entry e;
	int err = read_sector(p, 0, sector);

	if (err < 0)
		return err;
	e = mbr_get_entry(sector, number - 1);
	if (mbr_is_empty(&e))
		return plan_fail(p, -ENOENT, "there is no partition %u", number);
	for (unsigned i = 0; mbr_is_extended(&e) && i < p->old.nparts; i++)
		if (p->old.part[i].number > MBR_NENTRIES)
			return plan_fail(p, -EBUSY, "the extended partition is not empty");
	clear_entry(sector, number - 1);
	return plan_step(p, 0, 1, sector, true);
}

static void
copy_link(struct mbr_link *to, const struct mbr_link *from)
{
	uint8_t *at = to->sector + MBR_TABLE + to->slot * MBR_ENTRY_SIZE;

	if (from->slot < 0)
		memset(at, 0, MBR_ENTRY_SIZE);
	else
		memcpy(at, from->sector + MBR_TABLE + from->slot * MBR_ENTRY_SIZE, MBR_ENTRY_SIZE);
}

/*
 * The sector with which the extended partition begins must stay: it takes over what the next one
 * says, as a first one without a partition is not to everybody's taste.
 */
static int
delete_first(struct blk_plan *p, const struct blk_part *c, struct mbr_link *first, unsigned slot)
{
	struct mbr_link next;
	struct mbr_entry data = { 0 };
	int err;

	clear_entry(first->sector, slot);
	if (first->slot < 0)
		return plan_step(p, c->start, 1, first->sector, true);
	err = read_link(p, c->start + mbr_get_entry(first->sector, (unsigned)first->slot).start,
			&next);
	if (err < 0)
		return err;
	for (unsigned i = 0; i < MBR_NENTRIES; i++) {
		struct mbr_entry e = mbr_get_entry(next.sector, i);

		if (!mbr_is_empty(&e) && (int)i != next.slot)
			data = e; /* if there is a second, the plan will be one partition short */
	}
	if (!mbr_is_empty(&data)) {
		put_entry(first->sector, slot, data.type, next.lba - c->start + data.start,
			  data.nsectors);
		first->sector[MBR_TABLE + slot * MBR_ENTRY_SIZE] = data.status;
	}
	copy_link(first, &next);
	return plan_step(p, c->start, 1, first->sector, true);
}

int
mbr_delete(struct blk_plan *p, uint32_t number)
{
	const struct blk_part *c = find_container(p), *q = find_part(p, number);
	struct mbr_link own, before;
	int err;

	if (number && number <= MBR_NENTRIES)
		return delete_primary(p, number);
	if (!q || !c)
		return plan_fail(p, -ENOENT, "there is no partition %u", number);
	if ((err = no_faults(p)) < 0 || (err = read_link(p, q->entry_sector, &own)) < 0)
		return err;
	if (own.lba == c->start)
		return delete_first(p, c, &own, q->entry_slot);
	if ((err = find_link(p, c, own.lba, &before)) < 0)
		return err;
	copy_link(&before, &own);
	return plan_step(p, before.lba, 1, before.sector, true);
}

int
mbr_change(struct blk_plan *p, uint32_t number, const char *type, const char *label)
{
	const struct blk_part *q = find_part(p, number);
	uint8_t sector[BLK_MAX_SECTOR], to = 0;
	int err;

	if (label)
		return plan_fail(p, -EINVAL, "partitions of an mbr have no labels");
	if ((err = parse_type(p, type, &to)) < 0 ||
	    (err = read_sector(p, q->entry_sector, sector)) < 0)
		return err;
	if (q->container != is_extended_type(to))
		return plan_fail(p, -EINVAL, "an extended partition stays one, and no other is");
	sector[MBR_TABLE + q->entry_slot * MBR_ENTRY_SIZE + 4] = to;
	return plan_step(p, q->entry_sector, 1, sector, true);
}

/* What is left of a GPT would be found by a program that does not ask for a protective MBR. */
static int
erase_gpt(struct blk_plan *p, uint64_t lba)
{
	uint8_t sector[BLK_MAX_SECTOR];

	if (!lba || lba >= p->m.nsectors || p->m.read(p->m.ctx, lba, 1, sector) < 0 ||
	    memcmp(sector, "EFI PART", 8) != 0)
		return 0;
	memset(sector, 0, sizeof sector);
	return plan_step(p, lba, 1, sector, true);
}

int
mbr_create(struct blk_plan *p, const uint8_t random[16])
{
	uint8_t sector[BLK_MAX_SECTOR];
	int err = read_sector(p, 0, sector);

	if (err < 0)
		return err;
	if (p->old.kind == BLK_TABLE_NONE)
		memset(sector, 0, sizeof sector);
	memset(sector + MBR_SIGNATURE, 0, MBR_MAGIC - MBR_SIGNATURE);
	memcpy(sector + MBR_SIGNATURE, random, 4);
	sector[MBR_SIGNATURE] |= 1; /* 0 is none */
	sector[MBR_MAGIC] = 0x55;
	sector[MBR_MAGIC + 1] = 0xaa;
	if ((err = plan_step(p, 0, 1, sector, true)) < 0 || (err = erase_gpt(p, 1)) < 0)
		return err;
	return erase_gpt(p, p->m.nsectors - 1);
}
