/* The parts of ext4 that need no disk: checksums, hashes, times, tags, revoke records. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "journal.h"

static void
checksums(void **state)
{
	uint8_t zeros[32] = {0};

	(void)state;
	/* RFC 3720, B.4: without the inversion at the end */
	assert_int_equal(~0xe3069283u, ext4_crc32c(~0u, "123456789", 9));
	assert_int_equal(~0x8a9136aau, ext4_crc32c(~0u, zeros, 32));
	assert_int_equal(~0u, ext4_crc32c(~0u, zeros, 0));
	for (size_t cut = 0; cut <= 9; cut++) {
		uint32_t c = ext4_crc32c(~0u, "123456789", cut);

		assert_int_equal(~0xe3069283u, ext4_crc32c(c, &"123456789"[cut], 9 - cut));
	}
	assert_int_equal(0x4b37, ext4_crc16(0xffff, "123456789", 9));
}

static void
numbers(void **state)
{
	le64 q = {{1, 2, 3, 4, 5, 6, 7, 0x88}};
	be32 b = {{0xc0, 0x3b, 0x39, 0x98}};

	(void)state;
	assert_int_equal(0x8807060504030201u, get64(q));
	assert_int_equal(JBD_MAGIC, getbe32(b));
	assert_int_equal(0xfffe, get16((le16){{0xfe, 0xff}}));
	assert_int_equal(0x12345678, get32(put32(0x12345678)));
}

struct vector {
	uint32_t version;
	bool seeded;
	const char *name;
	uint32_t hash;
};

/* As debugfs's dx_hash says. */
static const struct vector vectors[] = {
	{HASH_LEGACY, false, "a", 0xe74b53e2},
	{HASH_LEGACY, true, "naïve-ñ-日本", 0x30acc69c},
	{HASH_LEGACY_U, false, "naïve-ñ-日本", 0xdff54926},
	{HASH_HALF_MD4, false, "a", 0xd5fa7d7a},
	{HASH_HALF_MD4, false, "hello", 0x1746da32},
	{HASH_HALF_MD4, true, "hello", 0xe2ddf968},
	{HASH_HALF_MD4, true, "naïve-ñ-日本", 0x79f3ed32},
	{HASH_HALF_MD4_U, true, "naïve-ñ-日本", 0xba146fc0},
	{HASH_HALF_MD4, true, "a_name_that_is_longer_than_thirty-two_bytes_in_all_it_is",
	    0xa612dcfc},
	{HASH_TEA, false, "hello", 0x6f5bb1a8},
	{HASH_TEA, true, "naïve-ñ-日本", 0xd65a0076},
	{HASH_TEA_U, true, "naïve-ñ-日本", 0x050252f6},
	{HASH_TEA, true, "a_name_that_is_longer_than_thirty-two_bytes_in_all_it_is", 0x037ed1bc},
};

static void
hashes(void **state)
{
	static const uint32_t none[4], seed[4] = {0x04030201, 0x08070605, 0x0c0b0a09, 0x100f0e0d};
	uint32_t h;

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];

		assert_int_equal(0, ext4_hash(v->version, v->seeded ? seed : none, v->name,
		    strlen(v->name), &h));
		assert_int_equal(v->hash, h);
	}
	assert_int_equal(-EINVAL, ext4_hash(6, none, "a", 1, &h));
	assert_int_equal(-EINVAL, ext4_hash(0, none, "a", 256, &h));
}

static void
record_lengths(void **state)
{
	struct ext4_fs fs = {.block_size = 4096};

	(void)state;
	assert_int_equal(4096, ext4_rec_len(&fs, (le16){{0x00, 0x10}}));
	fs.block_size = 65536;
	assert_int_equal(65536, ext4_rec_len(&fs, (le16){{0, 0}}));
	assert_int_equal(65536, ext4_rec_len(&fs, (le16){{0xff, 0xff}}));
	assert_int_equal(12, ext4_rec_len(&fs, (le16){{12, 0}}));
	assert_int_equal(65536 + 4, ext4_rec_len(&fs, (le16){{5, 0}}));
}

static void
superblock_groups(void **state)
{
	struct ext4_fs fs = {.ro_compat = RO_SPARSE_SUPER};
	static const uint32_t with[] = {0, 1, 3, 5, 7, 9, 25, 27, 49, 125, 343, 2187};
	static const uint32_t without[] = {2, 4, 6, 15, 21, 35, 45, 2188};

	(void)state;
	for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++)
		assert_true(ext4_group_has_super(&fs, with[i]));
	for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++)
		assert_false(ext4_group_has_super(&fs, without[i]));
	fs.ro_compat = 0;
	assert_true(ext4_group_has_super(&fs, 6));
	fs.compat = COMPAT_SPARSE_SUPER2;
	fs.sb.s_backup_bgs[1] = put32(6);
	assert_true(ext4_group_has_super(&fs, 6));
	assert_false(ext4_group_has_super(&fs, 1));
}

/* An inode of 256 bytes to be decoded. */
static struct ext4_inode *
inode(struct ext4_fs *fs, const struct disk_inode *d)
{
	struct ext4_inode *ip = calloc(1, sizeof(*ip) + 256);

	assert_non_null(ip);
	fs->inode_size = 256;
	fs->block_size = 4096;
	fs->block_bits = 12;
	fs->blocks_count = 1000;
	ip->fs = fs;
	ip->ino = 12;
	memcpy(ip->raw, d, sizeof(*d));
	return ip;
}

static void
inode_times(void **state)
{
	struct ext4_fs fs = {0};
	struct disk_inode d = {.i_mode = {{0xa4, 0x81}}, .i_links_count = {{1, 0}},
	    .i_extra_isize = {{32, 0}}};
	struct ext4_inode *ip;

	(void)state;
	d.i_mtime = put32(0x80000000u);		/* 1901, or with an epoch of 1: 2038 */
	d.i_mtime_extra = put32(999999999u << 2 | 1);
	d.i_ctime = put32(0xffffffffu);
	d.i_atime = put32(5);
	d.i_atime_extra = put32(3);
	ip = inode(&fs, &d);
	assert_int_equal(0, ext4_inode_decode(ip));
	assert_int_equal(0x80000000, ip->mtime.sec);
	assert_int_equal(999999999, ip->mtime.nsec);
	assert_int_equal(-1, ip->ctime.sec);
	assert_int_equal(3 * (1ll << 32) + 5, ip->atime.sec);
	assert_true(ip->has_crtime);
	free(ip);
	d.i_extra_isize = (le16){{8, 0}};	/* only as far as i_ctime_extra */
	ip = inode(&fs, &d);
	assert_int_equal(0, ext4_inode_decode(ip));
	assert_int_equal(-0x80000000ll, ip->mtime.sec);
	assert_int_equal(0, ip->mtime.nsec);
	assert_false(ip->has_crtime);
	free(ip);
}

static void
inode_refused(void **state)
{
	struct ext4_fs fs = {0};
	struct disk_inode d = {.i_mode = {{0xed, 0x41}}, .i_links_count = {{1, 0}}};
	struct ext4_inode *ip;

	(void)state;
	d.i_size_lo = put32(1001 * 4096);	/* a directory larger than the file system */
	ip = inode(&fs, &d);
	assert_int_equal(-EUCLEAN, ext4_inode_decode(ip));
	assert_string_equal("ext4: inode 12: bad size 4100096", ext4_error_text());
	free(ip);
	d.i_size_lo = put32(4096);
	d.i_extra_isize = (le16){{132, 0}};
	ip = inode(&fs, &d);
	assert_int_equal(-EUCLEAN, ext4_inode_decode(ip));
	free(ip);
	d.i_extra_isize = (le16){{32, 0}};
	fs.csum_kind = EXT4_CSUM_METADATA;
	ip = inode(&fs, &d);
	assert_int_equal(-EUCLEAN, ext4_inode_decode(ip));
	assert_string_equal("ext4: inode 12: bad checksum", ext4_error_text());
	fs.opt.nocheck = true;
	assert_int_equal(0, ext4_inode_decode(ip));
	free(ip);
	d.i_mode = (le16){{0, 0}};
	ip = inode(&fs, &d);
	assert_int_equal(-ESTALE, ext4_inode_decode(ip));
	free(ip);
}

static void
inode_devices(void **state)
{
	struct ext4_fs fs = {0};
	struct disk_inode d = {.i_mode = {{0xb6, 0x21}}, .i_links_count = {{1, 0}}};
	struct ext4_inode *ip;

	(void)state;
	d.i_block[0] = 3, d.i_block[1] = 1;
	ip = inode(&fs, &d);
	assert_int_equal(0, ext4_inode_decode(ip));
	assert_int_equal(1, ip->rdev_major);
	assert_int_equal(3, ip->rdev_minor);
	free(ip);
	memset(d.i_block, 0, sizeof(d.i_block));
	/* major 259, minor 70000: as new_encode_dev has it */
	memcpy(d.i_block + 4, &(le32){{0x70, 0x03, 0x11, 0x11}}, 4);
	ip = inode(&fs, &d);
	assert_int_equal(0, ext4_inode_decode(ip));
	assert_int_equal(0x103, ip->rdev_major);
	assert_int_equal(70000, ip->rdev_minor);
	free(ip);
}

static void
revokes(void **state)
{
	struct ext4_fs fs = {.block_size = 1024};
	struct ext4_inode ip = {.fs = &fs};
	struct ext4_log log = {.ip = &ip};
	struct ext4_revokes v = {0};
	uint8_t block[1024] = {0};

	(void)state;
	block[15] = 16 + 8;		/* two records */
	block[16 + 3] = 77;
	block[20 + 3] = 78;
	assert_int_equal(0, ext4_revokes_add(&log, &v, block, 0xffffffff));
	block[15] = 16 + 4;
	assert_int_equal(0, ext4_revokes_add(&log, &v, block, 1));	/* later: numbers wrap */
	ext4_revokes_sort(&v);
	assert_int_equal(2, v.n);
	assert_true(ext4_revokes_has(&v, 77, 1));
	assert_false(ext4_revokes_has(&v, 77, 2));
	assert_true(ext4_revokes_has(&v, 78, 0xffffffff));
	assert_false(ext4_revokes_has(&v, 78, 0));
	assert_false(ext4_revokes_has(&v, 79, 0));
	block[14] = 0xff;		/* more than the block holds */
	assert_int_equal(-EUCLEAN, ext4_revokes_add(&log, &v, block, 1));
	free(v.entry);
}

/* How many tags of each form a block of 64 bytes holds. */
static size_t
count_tags(uint32_t incompat, uint8_t flags, bool csum)
{
	struct ext4_fs fs = {.block_size = 64};
	struct ext4_inode ip = {.fs = &fs};
	struct ext4_log log = {.ip = &ip, .incompat = incompat, .csum = csum};
	uint8_t block[64];
	struct ext4_tags tags;
	struct ext4_tag tag;
	size_t n = 0;

	memset(block, 0, sizeof(block));
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = flags;
	ext4_tags_open(&log, block, &tags);
	while (ext4_tags_next(&log, &tags, &tag))
		n++;
	return n;
}

static void
tag_forms(void **state)
{
	enum { SAME = JBD_TAG_SAME_UUID, LAST = JBD_TAG_LAST };

	(void)state;
	assert_int_equal(52 / 8, count_tags(0, SAME, false));
	assert_int_equal(52 / 12, count_tags(JBD_INCOMPAT_64BIT, SAME, false));
	assert_int_equal(48 / 10, count_tags(JBD_INCOMPAT_CSUM_V2, SAME, true));
	assert_int_equal(48 / 14, count_tags(JBD_INCOMPAT_CSUM_V2 | JBD_INCOMPAT_64BIT, SAME,
	    true));
	assert_int_equal(48 / 16, count_tags(JBD_INCOMPAT_CSUM_V3, SAME, true));
	assert_int_equal(2, count_tags(0, 0, false));	/* each with a UUID */
	assert_int_equal(1, count_tags(0, SAME | LAST, false));
}

static void
overlay_search(void **state)
{
	struct ext4_overlay_entry e[3] = {{.blk = 5}, {.blk = 9}, {.blk = 10}};
	struct ext4_overlay o = {e, 3};

	(void)state;
	assert_int_equal(0, ext4_overlay_find(&o, 0));
	assert_int_equal(0, ext4_overlay_find(&o, 5));
	assert_int_equal(1, ext4_overlay_find(&o, 6));
	assert_int_equal(2, ext4_overlay_find(&o, 10));
	assert_int_equal(3, ext4_overlay_find(&o, 11));
}

static void
ring(void **state)
{
	struct ext4_log log = {.first = 1, .last = 11};

	(void)state;
	assert_int_equal(10, ext4_log_next(&log, 9, 1));
	assert_int_equal(1, ext4_log_next(&log, 10, 1));
	assert_int_equal(5, ext4_log_next(&log, 5, 10));
	assert_int_equal(4, ext4_log_next(&log, 10, 4));
}

/* A tag of a fast commit, its length after it; returns where the next one goes. */
static uint8_t *
tag_at(uint8_t *p, uint16_t tag, uint16_t len)
{
	p[0] = (uint8_t)tag;
	p[2] = (uint8_t)len;
	return p + 4 + len;
}

/* Whether a log of 4 blocks with a ring of 1 has a fast commit for transaction 7. */
static int
fast_commit_in(const uint8_t disk[5 * 1024], uint32_t incompat)
{
	struct blk_source_memory mem = {disk, 5 * 1024, ext4_set_error};
	struct ext4_fs fs = {.block_size = 1024, .block_bits = 10};
	struct ext4_inode ip = {.fs = &fs};
	struct ext4_log log = {.ip = &ip, .incompat = incompat, .first = 1, .last = 2, .end = 5,
	    .run = {0, 1, 5}};
	uint8_t block[1024];

	blk_source_memory(&fs.dev, &mem);
	return ext4_log_has_fast_commit(&log, 7, block);
}

static void
fast_commits(void **state)
{
	enum { TAIL = 8, HEAD = 9, PAD = 7, INODE = 6 };
	static uint8_t disk[5 * 1024];
	uint8_t *p = disk + 4 * 1024;		/* the log's block 3: its first of fast commits */
	le32 sum;

	(void)state;
	assert_int_equal(0, fast_commit_in(disk, JBD_INCOMPAT_FAST_COMMIT));
	disk[4 * 1024 + 4 + 4] = 7;
	p = tag_at(p, HEAD, 8);
	p = tag_at(p, INODE, 100);
	sum = put32(ext4_crc32c(ext4_crc32c(0, disk + 4096, 12 + 104), "\10\0\10\0\7\0\0\0", 8));
	p[4] = 7;
	memcpy(p + 8, &sum, 4);
	assert_int_equal(0, fast_commit_in(disk, JBD_INCOMPAT_FAST_COMMIT));	/* no tail */
	tag_at(p, TAIL, 8);
	assert_int_equal(1, fast_commit_in(disk, JBD_INCOMPAT_FAST_COMMIT));
	assert_int_equal(0, fast_commit_in(disk, 0));
	disk[4 * 1024 + 30] ^= 1;		/* its checksum is wrong: it was not finished */
	assert_int_equal(0, fast_commit_in(disk, JBD_INCOMPAT_FAST_COMMIT));
	disk[4 * 1024 + 30] ^= 1;
	disk[4 * 1024 + 8] = 6;			/* of an older transaction */
	assert_int_equal(0, fast_commit_in(disk, JBD_INCOMPAT_FAST_COMMIT));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksums), cmocka_unit_test(numbers), cmocka_unit_test(hashes),
		cmocka_unit_test(record_lengths), cmocka_unit_test(superblock_groups),
		cmocka_unit_test(inode_times), cmocka_unit_test(inode_refused),
		cmocka_unit_test(inode_devices), cmocka_unit_test(revokes),
		cmocka_unit_test(tag_forms), cmocka_unit_test(overlay_search),
		cmocka_unit_test(ring), cmocka_unit_test(fast_commits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
