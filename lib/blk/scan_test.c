/*
 * Partition tables made here, byte by byte; test/host/part.sh has those of other people's tools.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "blk.h"

enum { MAX_BYTES = 4 << 20 };

struct disk {
	uint8_t *bytes;
	uint64_t nsectors, bad; /* bad: a sector that cannot be read */
	uint32_t secsize;
	unsigned reads;
};

static struct disk
make_disk(uint32_t secsize)
{
	return (struct disk){ .bytes = calloc(1, MAX_BYTES),
			      .nsectors = MAX_BYTES / secsize,
			      .bad = UINT64_MAX,
			      .secsize = secsize };
}

static int
read_disk(void *ctx, uint64_t sector, uint32_t n, void *buf)
{
	struct disk *d = ctx;

	d->reads++;
	assert_true(sector < d->nsectors && n <= d->nsectors - sector);
	if (d->bad >= sector && d->bad < sector + n)
		return -EIO;
	memcpy(buf, d->bytes + sector * d->secsize, (size_t)n * d->secsize);
	return 0;
}

static void
put_bytes(uint8_t *at, const char *bytes, size_t n)
{
	memcpy(at, bytes, n);
}

static void
put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static void
put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, 8);
}

static void
mbr_entry(struct disk *d, uint64_t lba, unsigned i, uint8_t type, const uint32_t run[2])
{
	uint8_t *s = d->bytes + lba * d->secsize;

	s[446 + 16 * i + 4] = type;
	put32(s + 446 + 16 * i + 8, run[0]);
	put32(s + 446 + 16 * i + 12, run[1]);
	s[510] = 0x55;
	s[511] = 0xaa;
}
#define RUN(start, n) ((const uint32_t[2]){ start, n })

static void
gpt_sums(struct disk *d, uint64_t lba)
{
	uint8_t *h = d->bytes + lba * d->secsize;
	uint64_t entries;
	uint32_t n, size;

	memcpy(&entries, h + 72, 8);
	memcpy(&n, h + 80, 4);
	memcpy(&size, h + 84, 4);
	put32(h + 88, blk_crc32(0, d->bytes + entries * d->secsize, (size_t)n * size));
	put32(h + 16, 0);
	put32(h + 16, blk_crc32(0, h, 92));
}

static void
gpt_copy(struct disk *d, uint64_t lba, uint64_t other, uint64_t entries, uint32_t entry_size)
{
	uint8_t *h = d->bytes + lba * d->secsize, *e = d->bytes + entries * d->secsize;

	put_bytes(h, "EFI PART\0\0\1\0\x5c\0\0\0", 16);
	put64(h + 24, lba);
	put64(h + 32, other);
	put64(h + 40, 40);
	put64(h + 48, d->nsectors - 41);
	memset(h + 56, 0x11, 16);
	put64(h + 72, entries);
	put32(h + 80, 8);
	put32(h + 84, entry_size);
	for (unsigned i = 0; i < 2; i++, e += entry_size) {
		memset(e, 0xa0, 16);
		memset(e + 16, 0xb0 + (int)i, 16);
		put64(e + 32, 40 + 10 * i);
		put64(e + 40, 49 + 10 * i);
		e[56] = (uint8_t)('A' + i);
	}
	gpt_sums(d, lba);
}

static struct disk
make_gpt(uint32_t secsize, uint32_t entry_size)
{
	struct disk d = make_disk(secsize);

	mbr_entry(&d, 0, 0, 0xee, RUN(1, 0xffffffff));
	gpt_copy(&d, 1, d.nsectors - 1, 2, entry_size);
	gpt_copy(&d, d.nsectors - 1, 1, d.nsectors - 33, entry_size);
	return d;
}

static struct blk_table t;

static int
scan(struct disk *d)
{
	int err = blk_scan_partitions(read_disk, d, d->nsectors, d->secsize, &t);

	for (unsigned i = 0; i < t.nparts; i++)
		assert_true(t.part[i].start < d->nsectors &&
			    t.part[i].nsectors <= d->nsectors - t.part[i].start);
	return err;
}

static void
crc_of_the_usual_text(void **state)
{
	(void)state;
	assert_int_equal(blk_crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(blk_crc32(blk_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
}

static void
no_table(void **state)
{
	struct disk d = make_disk(512);

	(void)state;
	assert_int_equal(scan(&d), 0);
	assert_int_equal(t.kind, BLK_TABLE_NONE);
	assert_int_equal(blk_scan_partitions(read_disk, &d, 0, 512, &t), 0);
	assert_int_equal(blk_scan_partitions(read_disk, &d, 100, 520, &t), -EINVAL);
	assert_int_equal(blk_scan_partitions(read_disk, &d, 100, 8192, &t), -EINVAL);
	d.bad = 0;
	assert_int_equal(scan(&d), -EIO);
	free(d.bytes);
}

/* The magic with code where the status bytes are: no table. */
static void
boot_sector_is_no_table(void **state)
{
	struct disk d = make_disk(512);

	(void)state;
	mbr_entry(&d, 0, 0, 0x83, RUN(100, 100));
	d.bytes[446] = 0x7a;
	assert_int_equal(scan(&d), 0);
	assert_int_equal(t.kind, BLK_TABLE_NONE);
	assert_int_equal(t.nparts, 0);
	free(d.bytes);
}

static void
mbr_primaries(void **state)
{
	struct disk d = make_disk(512);

	(void)state;
	put32(d.bytes + 440, 0xdeadbeef);
	mbr_entry(&d, 0, 0, 0x83, RUN(100, 100));
	mbr_entry(&d, 0, 1, 0x0c, RUN(200, 7992));
	mbr_entry(&d, 0, 2, 0x82, RUN(199, 2)); /* overlaps both */
	mbr_entry(&d, 0, 3, 0x82, RUN(0, 2));   /* the table itself */
	d.bytes[446 + 16] = 0x80;
	assert_int_equal(scan(&d), 0);
	assert_int_equal(t.kind, BLK_TABLE_MBR);
	assert_int_equal(t.nparts, 2);
	assert_int_equal(t.nrefused, 2);
	assert_non_null(strstr(t.notes, "partition 3: overlaps partition 1\n"));
	assert_string_equal(t.uuid, "deadbeef");
	assert_string_equal(blk_find_part(&t, 2)->uuid, "deadbeef-02");
	assert_true(blk_find_part(&t, 2)->bootable);
	assert_null(blk_find_part(&t, 3));
	mbr_entry(&d, 0, 1, 0x0c, RUN(200, 7993)); /* one sector too long */
	scan(&d);
	assert_null(blk_find_part(&t, 2));
	assert_non_null(strstr(t.notes, "do not fit"));
	free(d.bytes);
}

static struct disk
make_extended(void)
{
	struct disk d = make_disk(512);

	mbr_entry(&d, 0, 0, 0x05, RUN(1000, 1000));
	mbr_entry(&d, 1000, 0, 0x83, RUN(10, 90));
	mbr_entry(&d, 1000, 1, 0x05, RUN(100, 100));
	mbr_entry(&d, 1100, 0, 0x83, RUN(10, 90));
	return d;
}

static void
mbr_extended(void **state)
{
	struct disk d = make_extended();

	(void)state;
	scan(&d);
	assert_int_equal(t.nparts, 3);
	assert_true(t.part[0].container);
	assert_null(blk_find_part(&t, 1));
	assert_int_equal(blk_find_part(&t, 5)->start, 1010);
	assert_int_equal(blk_find_part(&t, 6)->start, 1110);
	assert_int_equal(t.nrefused, 0);
	mbr_entry(&d, 1100, 0, 0x83, RUN(10, 891)); /* beyond the container, not the disk */
	scan(&d);
	assert_null(blk_find_part(&t, 6));
	assert_non_null(strstr(t.notes, "outside of its extended partition"));
	mbr_entry(&d, 1100, 0, 0x83, RUN(10, 890));
	scan(&d);
	assert_non_null(blk_find_part(&t, 6));
	free(d.bytes);
}

/* Entries with a flag that is none are refused beside a good one; a boot sector has no entries. */
static void
mbr_boot_flags(void **state)
{
	struct disk d = make_disk(512);

	(void)state;
	mbr_entry(&d, 0, 0, 0x83, RUN(100, 50));
	mbr_entry(&d, 0, 1, 0x83, RUN(200, 50));
	d.bytes[446] = 0x33;
	scan(&d);
	assert_int_equal(t.kind, BLK_TABLE_MBR);
	assert_int_equal(t.nparts, 1);
	assert_int_equal(t.nrefused, 1);
	assert_non_null(blk_find_part(&t, 2));
	assert_string_equal(t.notes, "partition 1: boot flag 0x33, neither 0 nor 0x80\n");
	d.bytes[446 + 16] = 0x01;
	scan(&d);
	assert_int_equal(t.kind, BLK_TABLE_NONE);
	assert_string_equal(t.notes, "mbr: the boot flags of its 2 entries are none: not used\n");
	mbr_entry(&d, 0, 1, 0x83,
		  RUN(8000, 500)); /* code: a good flag, by chance, and no sectors */
	d.bytes[446 + 16] = 0x80;
	mbr_entry(&d, 0, 0, 0x83, RUN(0, 50));
	scan(&d);
	assert_int_equal(t.kind, BLK_TABLE_NONE);
	assert_string_equal(t.notes, "");
	mbr_entry(&d, 0, 1, 0x83, RUN(200, 50)); /* the same as at first, and FAT's block */
	put_bytes(d.bytes, "\xeb\x3c\x90mkfs.fat\0\2\4\1\0\2\0\2\0\x20\xf8", 22);
	scan(&d);
	assert_int_equal(t.kind, BLK_TABLE_NONE);
	assert_string_equal(t.notes, "");
	memset(d.bytes, 0, 22);
	put_bytes(d.bytes + 3, "NTFS    ", 8);
	scan(&d);
	assert_int_equal(t.kind, BLK_TABLE_NONE);
	d.bytes[446] = 0; /* flags that are ones: a table, whatever else there is */
	scan(&d);
	assert_int_equal(t.kind, BLK_TABLE_MBR);
	free(d.bytes);
}

static void
mbr_chain_is_bounded(void **state)
{
	struct disk d = make_extended();

	(void)state;
	mbr_entry(&d, 1100, 1, 0x05, RUN(0, 100)); /* back to the first */
	scan(&d);
	assert_non_null(strstr(t.notes, "loops at 1000"));
	assert_int_equal(t.nlost, 1);
	mbr_entry(&d, 1100, 1, 0x05, RUN(1000, 100)); /* just outside */
	scan(&d);
	assert_non_null(strstr(t.notes, "link to 2000, outside"));
	assert_int_equal(t.nlost, 1);
	mbr_entry(&d, 1100, 1, 0x0f, RUN(500, 100)); /* nothing there */
	scan(&d);
	assert_non_null(strstr(t.notes, "no table at 1500"));
	d.bad = 1500;
	scan(&d);
	assert_non_null(strstr(t.notes, "sector 1500 cannot be read"));
	d.bad = UINT64_MAX;
	for (uint32_t i = 0; i < 900; i++) { /* a chain through every sector */
		memset(d.bytes + (1000 + i) * 512, 0, 512);
		mbr_entry(&d, 1000 + i, 1, 0x05, RUN(i + 1, 1));
	}
	d.reads = 0;
	scan(&d);
	assert_non_null(strstr(t.notes, "more than 128 links"));
	assert_true(d.reads < 140);
	free(d.bytes);
}

/* All three types of extended partitions, as first and as further links; one after the other. */
static void
mbr_extended_types(void **state)
{
	static const uint8_t types[] = { 0x05, 0x0f, 0x85 };

	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		struct disk d = make_extended();

		d.bytes[446 + 4] = types[i / 3];
		d.bytes[1000 * 512 + 446 + 16 + 4] = types[i % 3];
		mbr_entry(&d, 0, 1, types[i % 3], RUN(2000, 1000));
		mbr_entry(&d, 2000, 0, 0x83, RUN(63, 90));
		scan(&d);
		assert_int_equal(t.nparts, 5);
		assert_int_equal(t.nrefused, 0);
		assert_int_equal(blk_find_part(&t, 6)->start, 1110);
		assert_int_equal(blk_find_part(&t, 7)->start, 2063);
		free(d.bytes);
	}
}

/* No partition may hold a sector of its table, nor the table lie in a partition. */
static void
mbr_chain_and_data_are_apart(void **state)
{
	struct disk d = make_extended();

	(void)state;
	mbr_entry(&d, 1100, 0, 0x83, RUN(0, 90));
	scan(&d);
	assert_non_null(strstr(t.notes, "partition 6: holds the table at 1100\n"));
	assert_int_equal(t.nrefused, 1);
	assert_null(blk_find_part(&t, 6));
	mbr_entry(&d, 1100, 0, 0x83, RUN(10, 90));
	mbr_entry(&d, 1000, 0, 0x83, RUN(10, 91)); /* up to the next table */
	scan(&d);
	assert_non_null(strstr(t.notes, "link to 1100, inside partition 5\n"));
	assert_null(blk_find_part(&t, 6));
	mbr_entry(&d, 1000, 0, 0x83, RUN(200, 10));
	mbr_entry(&d, 1100, 0, 0x83, RUN(10, 95)); /* over partition 5 */
	scan(&d);
	assert_non_null(strstr(t.notes, "partition 6: overlaps partition 5\n"));
	mbr_entry(&d, 1000, 2, 0x05, RUN(300, 10));
	scan(&d);
	assert_non_null(strstr(t.notes, "a second link at 1000\n"));
	d.bytes[1000 * 512 + 510] = 0; /* a new extended partition has none */
	scan(&d);
	assert_int_equal(t.nparts, 1);
	assert_string_equal(t.notes, "");
	free(d.bytes);
}

static void
mbr_sixty_logicals(void **state)
{
	struct disk d = make_disk(512);

	(void)state;
	mbr_entry(&d, 0, 3, 0x0f, RUN(100, 7000));
	for (uint32_t i = 0; i < 60; i++) {
		mbr_entry(&d, 100 + 100 * i, 0, 0x83, RUN(1, 99));
		if (i < 59)
			mbr_entry(&d, 100 + 100 * i, 1, 0x05, RUN(100 * (i + 1), 100));
	}
	scan(&d);
	assert_int_equal(t.nparts, 61);
	assert_string_equal(t.notes, "");
	assert_int_equal(blk_find_part(&t, 64)->start, 100 + 100 * 59 + 1);
	free(d.bytes);
}

static void
gpt_sizes(void **state)
{
	static const uint32_t secsizes[] = { 512, 1024, 4096 }, sizes[] = { 128, 256, 1024 };

	(void)state;
	for (unsigned s = 0; s < 3; s++)
		for (unsigned e = 0; e < 3; e++) {
			struct disk d = make_gpt(secsizes[s], sizes[e]);

			scan(&d);
			assert_int_equal(t.kind, BLK_TABLE_GPT);
			assert_string_equal(t.notes, "");
			assert_int_equal(t.nparts, 2);
			assert_int_equal(t.part[1].start, 50);
			assert_int_equal(t.part[1].nsectors, 10);
			assert_string_equal(t.part[1].label, "B");
			assert_string_equal(t.part[1].uuid, "b1b1b1b1-b1b1-b1b1-b1b1-b1b1b1b1b1b1");
			free(d.bytes);
		}
}

static void
gpt_backup(void **state)
{
	struct disk d = make_gpt(512, 128);

	(void)state;
	d.bytes[512 + 40]++; /* the header's sum is wrong now */
	scan(&d);
	assert_int_equal(t.nparts, 2);
	assert_non_null(strstr(t.notes, "primary: header checksum is wrong"));
	d.bytes[512 + 40]--;
	d.bytes[2 * 512 + 32]++; /* and the entries' */
	scan(&d);
	assert_int_equal(t.nparts, 2);
	assert_non_null(strstr(t.notes, "primary: checksum of the entries is wrong"));
	d.bad = d.nsectors - 1;
	scan(&d);
	assert_int_equal(t.kind, BLK_TABLE_NONE);
	assert_int_equal(t.nparts, 0);
	d.bytes[2 * 512 + 32]--;
	scan(&d);
	assert_int_equal(t.nparts, 2);
	assert_non_null(strstr(t.notes, "backup: it cannot be read"));
	free(d.bytes);
}

static void
gpt_copies_differ(void **state)
{
	struct disk d = make_gpt(512, 128);

	(void)state;
	d.bytes[(d.nsectors - 33) * 512 + 56] = 'Z'; /* a name in the backup */
	gpt_sums(&d, d.nsectors - 1);
	scan(&d);
	assert_string_equal(t.notes, "gpt: backup: it differs from the primary\n");
	assert_string_equal(t.part[0].label, "A");
	d.bytes[512]++;
	scan(&d);
	assert_string_equal(t.part[0].label, "Z");
	free(d.bytes);
}

/* The one in sector 0 that guards it: of any size, alone or beside others, or none. */
static void
gpt_protective(void **state)
{
	struct disk d = make_gpt(512, 128);

	(void)state;
	mbr_entry(&d, 0, 0, 0xee, RUN(1, MAX_BYTES / 512 - 1));
	scan(&d);
	assert_int_equal(t.nparts, 2);
	assert_string_equal(t.notes, "");
	mbr_entry(&d, 0, 0, 0xee, RUN(1, 1000));
	scan(&d);
	assert_int_equal(t.nparts, 2);
	assert_string_equal(t.notes, "protective mbr: 1000 sectors, in a disk of 8192\n");
	mbr_entry(&d, 0, 0, 0xee, RUN(0, 0));
	scan(&d);
	assert_int_equal(t.nparts, 2);
	mbr_entry(&d, 0, 0, 0x0c, RUN(40, 10));
	mbr_entry(&d, 0, 3, 0xee, RUN(1, 39));
	scan(&d);
	assert_int_equal(t.kind, BLK_TABLE_GPT);
	assert_int_equal(t.nparts, 2);
	assert_string_equal(t.notes, "hybrid mbr: 1 entries beside the gpt are not used\n");
	memset(d.bytes, 0, 512);
	scan(&d);
	assert_int_equal(t.kind, BLK_TABLE_NONE);
	assert_string_equal(t.notes,
			    "gpt: there is one without a protective mbr: it is not used\n");
	mbr_entry(&d, 0, 0, 0x0c, RUN(40, 10)); /* what is left of a GPT under a later MBR */
	scan(&d);
	assert_int_equal(t.kind, BLK_TABLE_MBR);
	assert_string_equal(t.notes, "");
	free(d.bytes);
}

static void
gpt_of_other_sectors(void **state)
{
	struct disk d = make_gpt(512, 128);

	(void)state;
	d.secsize = 4096;
	d.nsectors /= 8;
	scan(&d);
	assert_int_equal(t.kind, BLK_TABLE_NONE);
	assert_non_null(strstr(t.notes, "one for sectors of 512 bytes; these have 4096\n"));
	free(d.bytes);
	d = make_gpt(4096, 128);
	d.secsize = 512;
	d.nsectors *= 8;
	scan(&d);
	assert_int_equal(t.kind, BLK_TABLE_NONE);
	assert_non_null(strstr(t.notes, "one for sectors of 4096 bytes; these have 512\n"));
	free(d.bytes);
}

/* More entries than there may be partitions, and more notes than there is room. */
static void
gpt_many_entries(void **state)
{
	enum { N = 300, ENTRIES = 2, FIRST = 400 };
	struct disk d = make_gpt(512, 128);
	uint8_t *h = d.bytes + 512, *e = d.bytes + ENTRIES * 512;

	(void)state;
	put32(h + 80, N);
	for (unsigned i = 0; i < N; i++, e += 128) {
		memset(e, 0xa0, 32);
		put64(e + 32, FIRST + i);
		put64(e + 40, FIRST + i);
	}
	gpt_sums(&d, 1);
	scan(&d);
	assert_int_equal(t.nparts, BLK_MAX_PARTS);
	assert_int_equal(t.nrefused, N - BLK_MAX_PARTS);
	assert_non_null(strstr(t.notes, "partition 257: more than 256 partitions\n"));
	for (unsigned i = 0; i < N; i++) { /* all the same: the first is taken */
		e = d.bytes + ENTRIES * 512 + i * 128;
		put64(e + 32, FIRST);
		put64(e + 40, FIRST);
	}
	gpt_sums(&d, 1);
	scan(&d);
	assert_int_equal(t.nparts, 1);
	assert_int_equal(t.nrefused, N - 1);
	assert_true(t.nhidden > 0 && strlen(t.notes) < sizeof t.notes);
	assert_non_null(strstr(t.notes, "partition 2: overlaps partition 1\n"));
	assert_non_null(strstr(t.notes, "\nand "));
	free(d.bytes);
}

/* The sums are right and the contents are not. */
static void
gpt_lies(void **state)
{
	static const struct {
		unsigned at, width;
		uint64_t value;
		const char *why;
	} lies[] = {
		{ 12, 4, 91, "bad header size" },
		{ 12, 4, 513, "bad header size" },
		{ 24, 8, 2, "belongs to another sector" },
		{ 40, 8, 1, "usable sectors" },
		{ 48, 8, MAX_BYTES / 512, "usable sectors" },
		{ 72, 8, 0, "entries are not in the disk" },
		{ 72, 8, UINT64_MAX, "entries are not in the disk" },
		{ 72, 8, MAX_BYTES / 512 - 1, "entries are not in the disk" },
		{ 80, 4, 0, "bad number" },
		{ 80, 4, UINT32_MAX, "bad number" },
		{ 84, 4, 64, "bad entry size" },
		{ 84, 4, 192, "bad entry size" },
		{ 84, 4, 1u << 31, "bad entry size" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		struct disk d = make_gpt(512, 128);
		uint8_t *h = d.bytes + 512;
		uint32_t size;

		memcpy(h + lies[i].at, &lies[i].value, lies[i].width);
		memcpy(&size, h + 12, 4);
		put32(h + 16, 0);
		put32(h + 16, blk_crc32(0, h, size <= 512 ? size : 92));
		scan(&d);
		if (!strstr(t.notes, lies[i].why))
			fail_msg("lie %u: %s", i, t.notes);
		assert_int_equal(t.nparts, 2); /* of the backup */
		free(d.bytes);
	}
}

static void
gpt_entries(void **state)
{
	struct disk d = make_gpt(512, 128);
	uint8_t *e = d.bytes + 2 * 512;

	(void)state;
	memcpy(e + 256, e, 128); /* entry 3: the same sectors as 1 */
	memcpy(e + 384, e, 128); /* entry 4: ends before it begins */
	put64(e + 384 + 40, 38);
	memcpy(e + 512, e, 128); /* entry 5: before the first usable */
	put64(e + 512 + 32, 39);
	memcpy(e + 640, e, 128); /* entry 6: beyond the last */
	put64(e + 640 + 40, UINT64_MAX);
	memcpy(e + 768, e, 128); /* entry 7: the last usable one, a strange name */
	put64(e + 768 + 32, d.nsectors - 41);
	put64(e + 768 + 40, d.nsectors - 41);
	put_bytes(e + 768 + 56, "/\0\n\0\x3d\xd8\x00\xde\x00\xdc\xe9\0", 12);
	gpt_sums(&d, 1);
	scan(&d);
	assert_int_equal(t.nparts, 3);
	assert_int_equal(t.nrefused, 4);
	assert_non_null(strstr(t.notes, "partition 3: overlaps partition 1\n"));
	assert_non_null(strstr(t.notes, "partition 4: ends at 38, before its first sector 40\n"));
	assert_non_null(strstr(t.notes, "partition 5: sectors 39 to 49 are outside of the usable"));
	assert_non_null(strstr(t.notes, "partition 6: sectors 40 to 18446744073709551615 are"));
	assert_int_equal(blk_find_part(&t, 7)->nsectors, 1);
	assert_string_equal(blk_find_part(&t, 7)->label, "__\xf0\x9f\x98\x80\xef\xbf\xbd\xc3\xa9");
	free(d.bytes);
}

/* A header whose usable sectors are those of the tables too. */
static void
gpt_table_in_a_partition(void **state)
{
	struct disk d = make_gpt(512, 128);
	uint8_t *h = d.bytes + 512, *e = d.bytes + 2 * 512;

	(void)state;
	put64(h + 40, 2);
	put64(h + 48, d.nsectors - 1);
	put64(e + 32, 3); /* the second sector of the array */
	put64(e + 40, 3);
	put64(e + 128 + 32, d.nsectors - 1); /* the backup's header */
	put64(e + 128 + 40, d.nsectors - 1);
	memcpy(e + 256, e, 128);
	put64(e + 256 + 32, d.nsectors - 40); /* into the backup's array */
	put64(e + 256 + 40, d.nsectors - 33);
	memcpy(e + 384, e, 128);
	put64(e + 384 + 32, 4); /* what is between */
	put64(e + 384 + 40, d.nsectors - 34);
	gpt_sums(&d, 1);
	scan(&d);
	for (unsigned i = 1; i < 4; i++)
		assert_null(blk_find_part(&t, i));
	assert_non_null(blk_find_part(&t, 4));
	assert_int_equal(t.nrefused, 3);
	assert_non_null(strstr(t.notes, "partition 3: holds sectors of the table\n"));
	free(d.bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_of_the_usual_text),
		cmocka_unit_test(no_table),
		cmocka_unit_test(boot_sector_is_no_table),
		cmocka_unit_test(mbr_primaries),
		cmocka_unit_test(mbr_extended),
		cmocka_unit_test(mbr_chain_is_bounded),
		cmocka_unit_test(mbr_boot_flags),
		cmocka_unit_test(mbr_extended_types),
		cmocka_unit_test(mbr_chain_and_data_are_apart),
		cmocka_unit_test(mbr_sixty_logicals),
		cmocka_unit_test(gpt_sizes),
		cmocka_unit_test(gpt_backup),
		cmocka_unit_test(gpt_copies_differ),
		cmocka_unit_test(gpt_protective),
		cmocka_unit_test(gpt_of_other_sectors),
		cmocka_unit_test(gpt_many_entries),
		cmocka_unit_test(gpt_lies),
		cmocka_unit_test(gpt_entries),
		cmocka_unit_test(gpt_table_in_a_partition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
