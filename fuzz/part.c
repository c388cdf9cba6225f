/*
 * Partition tables: any bytes as a disk.  The first byte chooses the sector size; whatever the
 * table says, partitions lie in the disk, do not overlap, and the work is bounded.  Then it chooses
 * a change: if that may be done, no sector of a partition is written but of one that goes.
 */
#include <stdlib.h>
#include <string.h>
#include "blk_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_READS = 1000, EXTRA_SECTORS = 64 };

struct input {
	const uint8_t *data;
	size_t size;
	uint64_t nsectors;
	uint32_t secsize;
	unsigned reads;
	const struct blk_table *kept; /* partitions that may not be written */
};

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static int
read_input(void *ctx, uint64_t sector, uint32_t n, void *buf)
{
	struct input *in = ctx;
	size_t at = (size_t)sector * in->secsize, len = (size_t)n * in->secsize, have;

	check(n && sector < in->nsectors && n <= in->nsectors - sector);
	check(++in->reads < MAX_READS);
	memset(buf, 0, len);
	have = at < in->size ? in->size - at : 0;
	memcpy(buf, in->data + (have ? at : 0), have < len ? have : len);
	return 0;
}

/* So that the fuzzer gets past the sums: they are made right, by the table's own numbers. */
static void
repair(uint8_t *disk, size_t size, uint32_t secsize)
{
	uint8_t *h = disk + secsize;
	uint64_t entries;
	uint32_t n, entry_size, crc, zero = 0;

	if (size < 2 * (size_t)secsize || memcmp(h, "EFI PART", 8) != 0)
		return;
	memcpy(&entries, h + 72, 8);
	memcpy(&n, h + 80, 4);
	memcpy(&entry_size, h + 84, 4);
	if (entries < size / secsize && n <= 256 && entry_size <= 512 &&
	    entries * secsize + (uint64_t)n * entry_size <= size) {
		crc = blk_crc32(0, disk + entries * secsize, (size_t)n * entry_size);
		memcpy(h + 88, &crc, 4);
	}
	memcpy(h + 16, &zero, 4);
	crc = blk_crc32(0, h, 92);
	memcpy(h + 16, &crc, 4);
}

static void
check_table(const struct blk_table *t, uint64_t nsectors)
{
	check(t->nparts <= BLK_MAX_PARTS);
	check(memchr(t->notes, '\0', sizeof t->notes));
	for (unsigned i = 0; i < t->nparts; i++) {
		const struct blk_part *p = &t->part[i];

		check(p->nsectors && p->start < nsectors && p->nsectors <= nsectors - p->start);
		check(memchr(p->label, '\0', sizeof p->label) &&
		      memchr(p->uuid, '\0', sizeof p->uuid));
		check(!strchr(p->label, '/'));
		for (unsigned j = 0; j < i; j++) {
			const struct blk_part *q = &t->part[j];

			check(p->number != q->number || p->container != q->container);
			if (!p->container && !q->container)
				check(p->start >= q->start + q->nsectors ||
				      q->start >= p->start + p->nsectors);
		}
	}
}

static int
write_input(void *ctx, uint64_t sector, uint32_t n, const void *buf)
{
	struct input *in = ctx;

	(void)buf;
	check(n && sector < in->nsectors && n <= in->nsectors - sector);
	for (unsigned i = 0; in->kept && i < in->kept->nparts; i++) {
		const struct blk_part *p = &in->kept->part[i];

		check(p->container || sector >= p->start + p->nsectors || p->start >= sector + n);
	}
	return 0;
}

static int
flush_input(void *ctx)
{
	(void)ctx;
	return 0;
}

static void
try_change(struct input *in, uint8_t choice)
{
	struct blk_medium m = {
		read_input, write_input, flush_input, in, in->nsectors, in->secsize
	};
	struct blk_new_part n = { .align = 1, .type = "linux", .logical = choice & 1 };
	static const uint8_t random[16] = { 1 };
	uint32_t number = choice >> 5;
	struct blk_plan *p;
	int err;

	in->reads = 0;
	check(blk_plan_new(&m, &p) == 0);
	switch (choice >> 3 & 3) {
	case 0: err = blk_plan_delete(p, number); break;
	case 1: err = blk_plan_add(p, &n, &number); break;
	case 2: err = blk_plan_change(p, number, "swap", NULL); break;
	default:
		err = blk_plan_create(p, number & 1 ? BLK_TABLE_GPT : BLK_TABLE_MBR, random);
		break;
	}
	in->kept = blk_plan_new_table(p);
	check_table(in->kept, in->nsectors);
	if (err >= 0)
		check(blk_plan_write(p) == 0);
	else
		check(blk_plan_why(p)[0]);
	blk_plan_free(p);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct blk_table t;
	uint8_t *disk;
	struct input in;
	uint32_t secsize;

	if (!size)
		return 0;
	secsize = 512u << (data[0] & 3);
	disk = malloc(size);
	if (!disk)
		return 0;
	memcpy(disk, data + 1, size - 1);
	if (data[0] & 4)
		repair(disk, size - 1, secsize);
	in = (struct input){
		disk, size - 1, (size - 1) / secsize + EXTRA_SECTORS, secsize, 0, NULL
	};
	check(blk_scan_partitions(read_input, &in, in.nsectors, secsize, &t) == 0);
	check_table(&t, in.nsectors);
	try_change(&in, data[0]);
	free(disk);
	return 0;
}
