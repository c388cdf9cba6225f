/*
 * Changes of partition tables, cut off after any of their writes: the disk has the old or the new
 * table.  test/host/part.sh has other people's tools judge what comes out.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "blk_edit.h"

enum { MAX_BYTES = 4 << 20, MAX_WRITES = 200, TRIES = 25, TEXT = 64 << 10 };

struct sector_write {
	uint64_t sector;
	unsigned epoch; /* flushes before it */
	uint8_t data[BLK_MAX_SECTOR];
};

struct disk {
	uint8_t *bytes;
	uint64_t nsectors;
	uint32_t secsize;
	struct sector_write *write;
	unsigned nwrites, epoch;
	unsigned fail_at; /* the write that fails; 0: none */
};

static int
read_disk(void *ctx, uint64_t sector, uint32_t n, void *buf)
{
	struct disk *d = ctx;

	assert_true(sector < d->nsectors && n <= d->nsectors - sector);
	memcpy(buf, d->bytes + sector * d->secsize, (size_t)n * d->secsize);
	return 0;
}

static int
write_disk(void *ctx, uint64_t sector, uint32_t n, const void *buf)
{
	struct disk *d = ctx;

	assert_true(sector < d->nsectors && n <= d->nsectors - sector);
	if (d->fail_at && ++d->nwrites == d->fail_at)
		return -EIO;
	for (uint32_t i = 0; i < n && !d->fail_at; i++) {
		struct sector_write *w = &d->write[d->nwrites++];

		assert_true(d->nwrites < MAX_WRITES);
		w->sector = sector + i;
		w->epoch = d->epoch;
		memcpy(w->data, (const uint8_t *)buf + (size_t)i * d->secsize, d->secsize);
	}
	memcpy(d->bytes + sector * d->secsize, buf, (size_t)n * d->secsize);
	return 0;
}

static int
flush_disk(void *ctx)
{
	((struct disk *)ctx)->epoch++;
	return 0;
}

static struct disk
make_disk(uint32_t secsize)
{
	return (struct disk){ .bytes = calloc(1, MAX_BYTES),
			      .nsectors = MAX_BYTES / secsize,
			      .secsize = secsize,
			      .write = calloc(MAX_WRITES, sizeof(struct sector_write)) };
}

static void
free_disk(struct disk *d)
{
	free(d->bytes);
	free(d->write);
}

static struct blk_plan *
plan(struct disk *d)
{
	struct blk_medium m = { read_disk, write_disk, flush_disk, d, d->nsectors, d->secsize };
	struct blk_plan *p;

	assert_int_equal(blk_plan_new(&m, &p), 0);
	return p;
}

static const uint8_t *
any_bytes(void)
{
	static uint8_t bytes[16];

	for (unsigned i = 0; i < 16; i++)
		bytes[i] = (uint8_t)rand();
	return bytes;
}

/* --- what is on the disk ---------------------------------------------------------------------- */

static void
table_text(const struct blk_table *t, char *text)
{
	int n = snprintf(text, TEXT, "%d %s\n", t->kind, t->uuid);

	for (unsigned i = 0; i < t->nparts; i++) {
		const struct blk_part *p = &t->part[i];

		n += snprintf(text + n, (size_t)(TEXT - n), "%u %llu %llu %02x %s %s %s %d\n",
			      p->number, (unsigned long long)p->start,
			      (unsigned long long)p->nsectors, p->mbr_type, p->type_uuid, p->uuid,
			      p->label, p->container);
	}
}

static void
disk_text(struct disk *d, char *text)
{
	static struct blk_table t;

	assert_int_equal(blk_scan_partitions(read_disk, d, d->nsectors, d->secsize, &t), 0);
	table_text(&t, text);
}

/* Some of the writes of one epoch, all of those before, none of those behind. */
static void
cut_at(struct disk *d, const uint8_t *before, const char *old, const char *new)
{
	static char now[TEXT];
	unsigned epoch = (unsigned)rand() % (d->epoch + 1);
	unsigned some = (unsigned)rand() % 4;

	memcpy(d->bytes, before, MAX_BYTES);
	for (unsigned i = 0; i < d->nwrites; i++) {
		const struct sector_write *w = &d->write[i];

		if (w->epoch < epoch || (w->epoch == epoch && (unsigned)rand() % 4 < some))
			memcpy(d->bytes + w->sector * d->secsize, w->data, d->secsize);
	}
	disk_text(d, now);
	if (strcmp(now, old) != 0 && strcmp(now, new) != 0)
		fail_msg("after a part of flush %u:\n%snot\n%snor\n%s", epoch, now, old, new);
}

/* Writes the plan, and looks at what it would have left at any moment. */
static void
commit(struct disk *d, struct blk_plan *p)
{
	static char old[TEXT], new[TEXT], now[TEXT];
	uint8_t *before = malloc(MAX_BYTES), *after = malloc(MAX_BYTES);

	memcpy(before, d->bytes, MAX_BYTES);
	table_text(blk_plan_old(p), old);
	table_text(blk_plan_new_table(p), new);
	d->nwrites = d->epoch = 0;
	assert_int_equal(blk_plan_write(p), 0);
	assert_true(d->epoch > 0 && d->write[d->nwrites - 1].epoch < d->epoch); /* all flushed */
	memcpy(after, d->bytes, MAX_BYTES);
	for (unsigned i = 0; i < TRIES; i++)
		cut_at(d, before, old, new);
	memcpy(d->bytes, after, MAX_BYTES);
	disk_text(d, now);
	assert_string_equal(now, new);
	free(before);
	free(after);
	blk_plan_free(p);
}

static void
create(struct disk *d, enum blk_table_kind kind)
{
	struct blk_plan *p = plan(d);

	assert_int_equal(blk_plan_create(p, kind, any_bytes()), 0);
	commit(d, p);
}

static struct blk_new_part
new_part(uint64_t start, uint64_t nsectors, const char *type)
{
	struct blk_new_part n = { .start = start, .nsectors = nsectors, .align = 8, .type = type };

	memcpy(n.random, any_bytes(), sizeof n.random);
	return n;
}

static uint32_t
add(struct disk *d, struct blk_new_part n)
{
	struct blk_plan *p = plan(d);
	uint32_t number = 0;
	int err = blk_plan_add(p, &n, &number);

	if (err < 0)
		fail_msg("%s", blk_plan_why(p));
	commit(d, p);
	return number;
}

static void
not_added(struct disk *d, struct blk_new_part n, const char *why)
{
	struct blk_plan *p = plan(d);
	uint32_t number;

	assert_true(blk_plan_add(p, &n, &number) < 0);
	if (!strstr(blk_plan_why(p), why))
		fail_msg("\"%s\", not \"%s\"", blk_plan_why(p), why);
	blk_plan_free(p);
}

static void
remove_part(struct disk *d, uint32_t number)
{
	struct blk_plan *p = plan(d);

	if (blk_plan_delete(p, number) < 0)
		fail_msg("%s", blk_plan_why(p));
	commit(d, p);
}

static void
change(struct disk *d, uint32_t number, const char *type, const char *label)
{
	struct blk_plan *p = plan(d);

	if (blk_plan_change(p, number, type, label) < 0)
		fail_msg("%s", blk_plan_why(p));
	assert_false(blk_plan_moves(p, number));
	commit(d, p);
}

static void
not_changed(struct disk *d, uint32_t number, const char *type, const char *label, const char *why)
{
	struct blk_plan *p = plan(d);

	assert_true(blk_plan_change(p, number, type, label) < 0);
	if (!strstr(blk_plan_why(p), why))
		fail_msg("\"%s\", not \"%s\"", blk_plan_why(p), why);
	blk_plan_free(p);
}

static const struct blk_part *
part_of(struct disk *d, uint32_t number)
{
	static struct blk_table t;

	assert_int_equal(blk_scan_partitions(read_disk, d, d->nsectors, d->secsize, &t), 0);
	assert_string_equal(t.notes, "");
	return blk_find_part(&t, number);
}

/* --- the tests -------------------------------------------------------------------------------- */

static void
gpt_changes(void **state)
{
	static const uint32_t sizes[] = { 512, 1024, 2048, 4096 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct disk d = make_disk(sizes[i]);
		struct blk_new_part n = new_part(0, 100, "linux");

		create(&d, BLK_TABLE_GPT);
		n.label = "r\xc3\xb6\xc3\xb6t \xf0\x9f\x98\x80";
		assert_int_equal(add(&d, n), 1);
		assert_string_equal(part_of(&d, 1)->label, n.label);
		assert_int_equal(part_of(&d, 1)->start % 8, 0);
		n = new_part(0, 0, "efi");
		n.number = 128;
		n.align = 1;
		assert_int_equal(add(&d, n), 128);
		assert_int_equal(part_of(&d, 128)->start + part_of(&d, 128)->nsectors,
				 d.nsectors - 1 - 128 * 128 / sizes[i]);
		change(&d, 128, "4F68BCE3-e8cd-4db1-96e7-fbcaf984b709", NULL);
		change(&d, 128, NULL, "");
		change(&d, 1, "swap", "36 units: abcdefghijklmnopqrstuvwxyz");
		remove_part(&d, 1);
		assert_null(part_of(&d, 1));
		assert_int_equal(add(&d, new_part(0, 0, "data")), 1);
		create(&d, BLK_TABLE_GPT);
		assert_null(part_of(&d, 1));
		free_disk(&d);
	}
}

static void
gpt_damaged(void **state)
{
	struct disk d = make_disk(512), whole;
	static char want[TEXT], now[TEXT];

	(void)state;
	create(&d, BLK_TABLE_GPT);
	add(&d, new_part(100, 100, "linux"));
	whole = make_disk(512);
	memcpy(whole.bytes, d.bytes, MAX_BYTES);
	remove_part(&whole, 1);
	disk_text(&whole, want);
	for (unsigned i = 0; i < 2; i++) { /* either copy is bad: a change mends it */
		struct disk bad = make_disk(512);

		memcpy(bad.bytes, d.bytes, MAX_BYTES);
		bad.bytes[i ? 512 : MAX_BYTES - 512]++;
		remove_part(&bad, 1);
		part_of(&bad, 1); /* there are no notes */
		disk_text(&bad, now);
		assert_string_equal(now, want);
		free_disk(&bad);
	}
	free_disk(&whole);
	free_disk(&d);
}

/* The image of a disk was made larger. */
static void
gpt_grown(void **state)
{
	struct disk d = make_disk(512);
	struct blk_plan *p;
	uint32_t number;
	struct blk_new_part n;

	(void)state;
	d.nsectors /= 2;
	create(&d, BLK_TABLE_GPT);
	add(&d, new_part(0, 0, "linux"));
	d.nsectors *= 2;
	n = new_part(0, 0, "linux");
	n.align = 1;
	p = plan(&d);
	assert_non_null(strstr(blk_plan_old(p)->notes, "it is not in the last sector"));
	assert_int_equal(blk_plan_add(p, &n, &number), 0);
	commit(&d, p);
	p = plan(&d);
	assert_int_equal(blk_plan_old(p)->part[1].start + blk_plan_old(p)->part[1].nsectors,
			 d.nsectors - 33);
	assert_null(strstr(blk_plan_old(p)->notes, "backup"));
	blk_plan_free(p);
	free_disk(&d);
}

static void
gpt_refusals(void **state)
{
	struct disk d = make_disk(512);
	struct blk_new_part n = new_part(0, 0, "linux");
	struct blk_plan *p = plan(&d);

	(void)state;
	assert_int_equal(blk_plan_delete(p, 1), -ENOENT);
	assert_string_equal(blk_plan_why(p), "there is no partition table");
	blk_plan_free(p);
	create(&d, BLK_TABLE_GPT);
	add(&d, new_part(100, 100, "linux"));
	not_added(&d, new_part(199, 1, "linux"), "no room for it at that place");
	not_added(&d, new_part(50, 51, "linux"), "no room for it at that place");
	not_added(&d, new_part(33, 1, "linux"), "no room");
	not_added(&d, new_part(8192 - 33, 1, "linux"), "no room");
	not_added(&d, new_part(0, 8192 - 33 - 200 + 1, "linux"), "no room for it");
	not_added(&d, new_part(0, UINT64_MAX, "linux"), "no room for it");
	not_added(&d, new_part(UINT64_MAX, 1, "linux"), "no room for it");
	not_added(&d, new_part(0, 0, "extended"), "a gpt has no type extended");
	not_added(&d, new_part(0, 0, "0x83"), "neither a type's name nor a uuid");
	not_added(&d, new_part(0, 0, "00000000-0000-0000-0000-000000000000"), "neither");
	not_added(&d, new_part(0, 0, "0fc63daf-8483-4772-8e79-3d69d8477de"), "neither");
	not_added(&d, new_part(0, 0, "0fc63daf-8483-4772-8e79-3d69d8477de45"), "neither");
	not_added(&d, new_part(0, 0, "0fc63daf-84834-772-8e79-3d69d8477de4"), "neither");
	n.number = 1;
	not_added(&d, n, "there is a partition 1");
	n.number = 129;
	not_added(&d, n, "the table has 128 entries");
	n.number = 0;
	n.logical = true;
	not_added(&d, n, "no logical partitions");
	not_changed(&d, 2, "linux", NULL, "there is no partition 2");
	not_changed(&d, 1, NULL, "a/b", "without / and controls");
	not_changed(&d, 1, NULL, "\xff", "a label is UTF-8");
	not_changed(&d, 1, NULL, "\xc0\xaf", "a label is UTF-8");
	not_changed(&d, 1, NULL, "cut \xf0\x9f\x98", "a label is UTF-8");
	not_changed(&d, 1, NULL, "37 units: 0123456789012345678901234567", "at most 36");
	d.nsectors = 67;
	p = plan(&d);
	assert_int_equal(blk_plan_create(p, BLK_TABLE_GPT, any_bytes()), -ENOSPC);
	blk_plan_free(p);
	free_disk(&d);
}

static void
mbr_changes(void **state)
{
	static const uint32_t sizes[] = { 512, 4096 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct disk d = make_disk(sizes[i]);
		struct blk_new_part n;

		create(&d, BLK_TABLE_MBR);
		assert_int_equal(add(&d, new_part(0, 100, "linux")), 1);
		assert_int_equal(add(&d, new_part(0, 500, "extended")), 2);
		assert_int_equal(add(&d, new_part(0, 0, "0xa5")), 3);
		n = new_part(0, 90, "linux");
		n.logical = true;
		for (uint32_t l = 5; l < 9; l++)
			assert_int_equal(add(&d, n), l);
		n.nsectors = 0;
		assert_int_equal(add(&d, n), 9);
		change(&d, 7, "swap", NULL);
		change(&d, 3, "fat", NULL);
		change(&d, 2, "extended-chs", NULL);
		remove_part(&d, 6); /* in the middle, the last, the first */
		assert_int_equal(part_of(&d, 6)->mbr_type, 0x82);
		n.start = part_of(&d, 8)->start; /* where a link was that is no longer one */
		n.nsectors = 20;
		remove_part(&d, 8);
		assert_int_equal(add(&d, n), 8);
		remove_part(&d, 8);
		n.start = 0;
		n.nsectors = 0;
		remove_part(&d, 5);
		assert_null(part_of(&d, 7));
		assert_int_equal(add(&d, n), 7);
		for (uint32_t l = 0; l < 3; l++)
			remove_part(&d, 5);
		assert_null(part_of(&d, 5));
		n.nsectors = 10;
		assert_int_equal(add(&d, n), 5);
		remove_part(&d, 5);
		remove_part(&d, 2);
		n.number = 4;
		n.logical = false;
		assert_int_equal(add(&d, n), 4);
		create(&d, BLK_TABLE_GPT);
		add(&d, new_part(0, 0, "linux"));
		create(&d, BLK_TABLE_MBR);
		for (uint64_t b = 1; b < d.nsectors; b += d.nsectors - 2)
			assert_memory_not_equal(d.bytes + b * sizes[i], "EFI PART", 8);
		free_disk(&d);
	}
}

static void
mbr_refusals(void **state)
{
	struct disk d = make_disk(512);
	struct blk_new_part n = new_part(0, 100, "linux");
	struct blk_plan *p;

	(void)state;
	create(&d, BLK_TABLE_MBR);
	n.logical = true;
	not_added(&d, n, "there is no extended partition");
	add(&d, new_part(1000, 300, "extended"));
	not_added(&d, new_part(0, 0, "extended"), "there is an extended partition");
	not_added(&d, new_part(1299, 1, "linux"), "no room for it at that place");
	not_added(&d, new_part(0, 0, "bios"), "an mbr has no type bios");
	not_added(&d, new_part(0, 0, "0xee"), "would make it a gpt");
	not_added(&d, new_part(0, 0, "0x00"), "neither");
	not_added(&d, new_part(0, 0, "0x100"), "neither");
	not_added(&d, new_part(0, 0, "83"), "neither");
	n.nsectors = 300;
	not_added(&d, n, "no room");
	n.nsectors = 100;
	n.type = "extended";
	not_added(&d, n, "an extended partition is a primary one");
	n.type = "linux";
	add(&d, n);
	n.number = 7;
	not_added(&d, n, "the next logical partition is 6");
	n = new_part(0, 10, "linux");
	n.label = "label";
	not_added(&d, n, "no labels");
	not_changed(&d, 5, NULL, "label", "no labels");
	not_changed(&d, 5, "extended", NULL, "stays one");
	not_changed(&d, 1, "linux", NULL, "stays one");
	p = plan(&d);
	assert_int_equal(blk_plan_delete(p, 1), -EBUSY);
	blk_plan_free(p);
	p = plan(&d);
	assert_int_equal(blk_plan_delete(p, 4), -ENOENT);
	blk_plan_free(p);
	/* A second entry in the link's sector is not lost with the first. */
	memcpy(d.bytes + 1000 * 512 + 446 + 32, "\0\0\0\0\x83\0\0\0\xc8\0\0\0\x0a\0\0\0", 16);
	remove_part(&d, 5);
	assert_int_equal(part_of(&d, 5)->start, 1200);
	/* Nor is a chain with faults touched. */
	memcpy(d.bytes + 1000 * 512 + 446 + 48, "\0\0\0\0\x05\0\0\0\0\0\0\0\x0a\0\0\0", 16);
	p = plan(&d);
	assert_int_equal(blk_plan_delete(p, 5), -EINVAL);
	assert_string_equal(blk_plan_why(p), "the chain of the extended partition has faults");
	blk_plan_free(p);
	free_disk(&d);
}

/* Entries that are refused can be removed, and nothing else is done before. */
static void
refused_entries(void **state)
{
	struct disk d = make_disk(512);

	(void)state;
	create(&d, BLK_TABLE_MBR);
	add(&d, new_part(1000, 300, "linux"));
	add(&d, new_part(2000, 300, "linux"));
	d.bytes[446 + 16 + 8] = 0xe9; /* the second begins at 1001 */
	d.bytes[446 + 16 + 9] = 0x03;
	not_added(&d, new_part(0, 0, "linux"), "1 entries that are refused");
	not_changed(&d, 1, "swap", NULL, "1 entries that are refused");
	remove_part(&d, 2);
	assert_int_equal(add(&d, new_part(1500, 300, "linux")), 2);
	free_disk(&d);
}

static void
what_moves(void **state)
{
	struct disk d = make_disk(512);
	struct blk_new_part n = new_part(0, 90, "linux");
	struct blk_plan *p;

	(void)state;
	create(&d, BLK_TABLE_MBR);
	add(&d, new_part(0, 1000, "extended"));
	n.logical = true;
	for (unsigned i = 0; i < 3; i++)
		add(&d, n);
	p = plan(&d);
	assert_int_equal(blk_plan_delete(p, 6), 0);
	assert_false(blk_plan_moves(p, 1) || blk_plan_moves(p, 5));
	assert_true(blk_plan_moves(p, 6) && blk_plan_moves(p, 7));
	assert_false(blk_plan_moves(p, 8));
	assert_int_equal(blk_plan_delete(p, 5), -EINVAL); /* one change */
	blk_plan_free(p);
	p = plan(&d);
	assert_int_equal(blk_plan_create(p, BLK_TABLE_GPT, any_bytes()), 0);
	assert_true(blk_plan_moves(p, 1) && blk_plan_moves(p, 5));
	d.fail_at = 2;
	d.nwrites = 0;
	assert_int_equal(blk_plan_write(p), -EIO);
	assert_non_null(strstr(blk_plan_why(p), "cannot be written"));
	blk_plan_free(p);
	free_disk(&d);
}

static void
names_of_types(void **state)
{
	(void)state;
	assert_string_equal(blk_type_name("0x83"), "linux");
	assert_string_equal(blk_type_name("C12A7328-F81F-11D2-BA4B-00A0C93EC93B"), "efi");
	assert_null(blk_type_name("0x00"));
	assert_null(blk_type_find("windows"));
	for (unsigned i = 0; blk_type_at(i); i++)
		assert_ptr_equal(blk_type_find(blk_type_at(i)->name), blk_type_at(i));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gpt_changes),     cmocka_unit_test(gpt_damaged),
		cmocka_unit_test(gpt_grown),       cmocka_unit_test(gpt_refusals),
		cmocka_unit_test(mbr_changes),     cmocka_unit_test(mbr_refusals),
		cmocka_unit_test(refused_entries), cmocka_unit_test(what_moves),
		cmocka_unit_test(names_of_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
