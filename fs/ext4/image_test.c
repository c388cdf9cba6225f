/*
 * Whole small images, the seeds of fuzz/ext4.c (tool/mkext4.sh made them; their form is told
 * there): what is in them, and that each kind of damage is refused and named.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../lib/blk/testing/sparse.h"
#include "ext4.h"

enum { SEED_MAX = 65536 };

struct image {
	struct blk_source_memory mem;
	struct blk_source dev;
	struct ext4_fs fs;
	uint8_t *data;
};

static void
load(struct image *im, const char *name)
{
	static uint8_t seed[SEED_MAX];
	static struct blk_sparse sparse;
	struct blk_source packed;
	char path[100];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "fuzz/corpus/ext4/%s", name);
	f = fopen(path, "r");
	if (f == NULL)
		fail_msg("%s: is the test run in the source tree?", path);
	n = fread(seed, 1, sizeof(seed), f);
	fclose(f);
	assert_int_equal(0, blk_sparse_open(&packed, &sparse, seed, n));
	memset(im, 0, sizeof(*im));
	im->mem.n = packed.size;
	im->data = malloc(im->mem.n);
	assert_non_null(im->data);
	assert_int_equal(0, packed.read(packed.ctx, im->data, im->mem.n, 0));
	im->mem.data = im->data;
	im->mem.why = ext4_set_error;
	blk_source_memory(&im->dev, &im->mem);
}

static int
mount(struct image *im, struct ext4_options opt)
{
	opt.cache_bytes = EXT4_CACHE_MIN;
	opt.quiet = true;
	return ext4_mount(&im->fs, &im->dev, &opt);
}

static void
open_image(struct image *im, const char *name)
{
	load(im, name);
	if (mount(im, (struct ext4_options){0}) < 0)
		fail_msg("%s: %s", name, ext4_error_text());
}

static void
close_image(struct image *im)
{
	ext4_unmount(&im->fs);
	free(im->data);
}

/* The inode at a path, held, or NULL and *error. */
static struct ext4_inode *
find(struct image *im, const char *path, int *error)
{
	struct ext4_inode *ip;
	uint32_t ino;

	*error = ext4_iget(&im->fs, ROOT_INO, &ip);
	while (*error == 0 && *path) {
		size_t n = strcspn(path, "/");

		*error = ext4_dir_lookup(ip, path, n, &ino);
		ext4_iput(ip);
		ip = NULL;
		if (*error == 0)
			*error = ext4_iget(&im->fs, ino, &ip);
		path += n + (path[n] == '/');
	}
	return *error < 0 ? NULL : ip;
}

/* Reads up to n bytes of a file. */
static int64_t
slurp(struct image *im, const char *path, uint64_t off, void *buf, size_t n)
{
	struct ext4_inode *ip;
	struct ext4_file f;
	int64_t got;
	int e;

	ip = find(im, path, &e);
	if (ip == NULL)
		return e;
	ext4_file_open(&f, ip);
	ext4_iput(ip);
	got = ext4_file_read(&f, off, n, buf);
	ext4_file_close(&f);
	return got;
}

static void
check_contents(struct image *im, const char *name)
{
	char buf[4096], want[4096];
	struct ext4_inode *ip;
	int e;
	size_t n = 0;

	assert_int_equal(3, slurp(im, "f", 0, buf, sizeof(buf)));
	assert_memory_equal("hi\n", buf, 3);
	assert_int_equal(150, slurp(im, "i150", 0, buf, sizeof(buf)));
	assert_memory_equal("0007", buf + 146, 4);
	assert_int_equal(50, slurp(im, "i150", 100, buf, sizeof(buf)));
	for (int i = 1; i <= 700; i++)
		n += (size_t)snprintf(want + n, sizeof(want) - n, "%d\n", i);
	assert_int_equal(n, slurp(im, "d/seq", 0, buf, sizeof(buf)));
	assert_memory_equal(want, buf, n);
	assert_int_equal(0, slurp(im, "d/seq", n, buf, sizeof(buf)));
	ip = find(im, "l", &e);
	assert_int_equal(1, ext4_readlink(ip, sizeof(buf), (uint8_t *)buf));
	assert_int_equal('f', buf[0]);
	ext4_iput(ip);
	ip = find(im, "sl", &e);
	assert_int_equal(100, ext4_readlink(ip, sizeof(buf), (uint8_t *)buf));
	assert_int_equal(7, ext4_readlink(ip, 7, (uint8_t *)buf));
	assert_int_equal('y', buf[6]);
	ext4_iput(ip);
	assert_null(find(im, "nothing", &e));
	assert_int_equal(-ENOENT, e);
	assert_null(find(im, "f/under", &e));
	assert_int_equal(-ENOTDIR, e);
	if (strncmp(name, "inline", 6) == 0 || strcmp(name, "ext4sum") == 0)
		return;		/* mke2fs 1.47.0 writes sparse files wrongly with inline data */
	assert_int_equal(2, slurp(im, "d/sp", 307200, buf, sizeof(buf)));
	assert_memory_equal("z\n", buf, 2);
	assert_int_equal(4096, slurp(im, "d/sp", 100000, buf, sizeof(buf)));
	memset(want, 0, sizeof(want));
	assert_memory_equal(want, buf, 4096);
}

static void
contents(void **state)
{
	static const char *const names[] = {"ext2", "ext2hash", "ext4", "ext4sum", "inline", "big",
	    "bigalloc"};
	struct image im;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		open_image(&im, names[i]);
		check_contents(&im, names[i]);
		close_image(&im);
	}
}

static void
attributes(void **state)
{
	uint8_t buf[1024];
	struct image im;
	struct ext4_inode *ip;
	int64_t n;
	int e;

	(void)state;
	open_image(&im, "ext4");
	ip = find(&im, "f", &e);
	n = ext4_xattr_list(ip, NULL, 0);
	assert_int_equal(sizeof("user.a") + sizeof("user.b"), n);
	assert_int_equal(-ERANGE, ext4_xattr_list(ip, buf, (size_t)n - 1));
	assert_int_equal(n, ext4_xattr_list(ip, buf, sizeof(buf)));
	assert_int_equal(1, ext4_xattr_get(ip, "user.a", buf, sizeof(buf)));
	assert_int_equal('b', buf[0]);
	assert_int_equal(300, ext4_xattr_get(ip, "user.b", NULL, 0));
	assert_int_equal(-ERANGE, ext4_xattr_get(ip, "user.b", buf, 299));
	assert_int_equal(-ENODATA, ext4_xattr_get(ip, "user.c", buf, sizeof(buf)));
	assert_int_equal(-ENODATA, ext4_xattr_get(ip, "a", buf, sizeof(buf)));
	assert_int_equal(-ENODATA, ext4_xattr_get(ip, "user.", buf, sizeof(buf)));
	ext4_iput(ip);
	close_image(&im);
}

static int
count_entry(void *ctx, const struct ext4_dirent *de)
{
	uint64_t *c = ctx;

	c[0]++;
	c[1] = de->next;
	return c[0] == c[2];
}

static void
indexed_directory(void **state)
{
	struct image im;
	struct ext4_inode *root = NULL;
	uint64_t count[3] = {0}, total;
	char name[80];
	uint32_t ino;

	(void)state;
	open_image(&im, "htree");
	assert_int_equal(0, ext4_iget(&im.fs, ROOT_INO, &root));
	assert_true(ext4_dir_is_indexed(root));
	memset(name, 'y', sizeof(name));
	for (int i = 1; i <= 40; i++) {
		int n = snprintf(name, sizeof(name), "file_%d", i);

		name[n] = 'y';
		assert_int_equal(0, ext4_htree_lookup(root, name, (size_t)n + 60, &ino));
		assert_int_equal(-ENOENT, ext4_htree_lookup(root, name, (size_t)n + 59, &ino));
	}
	assert_int_equal(0, ext4_dir_lookup(root, "..", 2, &ino));
	assert_int_equal(ROOT_INO, ino);
	assert_int_equal(0, ext4_dir_read(root, 0, count_entry, count));
	total = count[0];
	assert_int_equal(43, total);		/* with lost+found */
	/* one at a time, each going on where the last one ended */
	for (count[0] = count[1] = 0, total = 0; total < 100; total += count[0]) {
		count[0] = 0;
		count[2] = 1;
		assert_int_equal(0, ext4_dir_read(root, count[1], count_entry, count));
		if (count[0] == 0)
			break;
	}
	assert_int_equal(43, total);
	ext4_iput(root);
	close_image(&im);
}

static void
journal(void **state)
{
	struct image im;
	uint8_t buf[2048] = {0};
	static const char magic[] = "1\n2\n3";

	(void)state;
	open_image(&im, "journal");
	assert_true(im.fs.replayed);
	assert_int_equal(1, im.fs.overlay.n);	/* two were logged, one of them revoked */
	assert_int_equal(2048, slurp(&im, "d/seq", 0, buf, sizeof(buf)));
	assert_memory_equal("\xc0\x3b\x39\x98JJJJ", buf, 8);	/* was escaped in the log */
	assert_int_not_equal('K', buf[1024]);
	close_image(&im);
	load(&im, "journal");
	assert_int_equal(0, mount(&im, (struct ext4_options){.noload = true}));
	assert_int_equal(2048, slurp(&im, "d/seq", 0, buf, sizeof(buf)));
	assert_memory_equal(magic, buf, 5);
	close_image(&im);
	open_image(&im, "journal1");		/* ext3, without checksums */
	assert_int_equal(1, im.fs.overlay.n);
	assert_int_equal(2048, slurp(&im, "d/seq", 0, buf, sizeof(buf)));
	assert_memory_equal("\xc0\x3b\x39\x98JJJJ", buf, 8);
	close_image(&im);
}

/* Where block n of an image's log is: its superblock is known by its magic number, and a bitmap of
 * the file system lies behind its second block. */
static size_t
log_at(const struct image *im, size_t n)
{
	for (size_t at = 0; at + 1024 <= im->mem.n; at += 1024)
		if (memcmp(im->data + at, "\xc0\x3b\x39\x98\0\0\0\4", 8) == 0)
			return at + (n < 2 ? n : n + 1) * 1024;
	fail_msg("no log");
	return 0;
}

static void
refused(struct image *im, int error, const char *text)
{
	assert_int_equal(error, mount(im, (struct ext4_options){0}));
	assert_string_equal(text, ext4_error_text());
	free(im->data);
}

static void
damaged_journal(void **state)
{
	struct image im;

	(void)state;
	load(&im, "journal");
	im.data[log_at(&im, 0) + 0x300] ^= 1;
	refused(&im, -EUCLEAN, "ext4: journal superblock: bad checksum");
	load(&im, "journal");
	im.data[log_at(&im, 2) + 100] ^= 1;	/* a logged block */
	refused(&im, -EUCLEAN, "ext4: journal: transaction 1: block 1049: bad checksum");
	load(&im, "journal");
	im.data[log_at(&im, 4) + 100] ^= 1;	/* the first commit: nothing was promised */
	assert_int_equal(0, mount(&im, (struct ext4_options){0}));
	assert_int_equal(0, im.fs.overlay.n);
	close_image(&im);
	load(&im, "journal");
	im.data[log_at(&im, 6)] ^= 1;	/* no second commit: its revoke does not count */
	assert_int_equal(0, mount(&im, (struct ext4_options){0}));
	assert_int_equal(2, im.fs.overlay.n);
	close_image(&im);
	load(&im, "journal1");
	im.data[log_at(&im, 0) + 0x28 + 1] |= 0x10;	/* s_feature_incompat */
	refused(&im, -ENOTSUP, "ext4: journal: unknown features 0x100000");
	load(&im, "journal1");
	memset(im.data + SUPER_OFFSET + 0xe0, 0, 4);
	im.data[SUPER_OFFSET + 0xe4] = 9;
	refused(&im, -ENOTSUP, "ext4: journal: it is on another device and must be replayed first: "
	    "run e2fsck");
}

static void
features(void **state)
{
	struct image im;

	(void)state;
	load(&im, "ext2");
	im.data[SUPER_OFFSET + 0x60] |= 0x1;
	im.data[SUPER_OFFSET + 0x63] |= 0x40;
	refused(&im, -ENOTSUP, "ext4: features not supported: compression incompat-0x40000000");
	load(&im, "ext2");
	im.data[SUPER_OFFSET + 0x60] |= 0x8;
	refused(&im, -ENOTSUP, "ext4: this is a journal device, not a file system");
	load(&im, "ext2");
	im.data[SUPER_OFFSET + 0x67] |= 0x80;	/* ro_compat: no matter to a reader */
	assert_int_equal(0, mount(&im, (struct ext4_options){0}));
	close_image(&im);
	load(&im, "ext2");
	im.data[SUPER_OFFSET + 0x38] = 0;
	refused(&im, -EINVAL, "ext4: superblock: bad magic number 0xef00: not ext2, ext3 or ext4");
	load(&im, "ext2");
	im.dev.size -= 1024;
	refused(&im, -EUCLEAN, "ext4: superblock: 200 blocks of 1024, but the device has 199");
	load(&im, "ext4sum");
	im.data[SUPER_OFFSET + 0x100] ^= 1;
	refused(&im, -EUCLEAN, "ext4: superblock: bad checksum");
	load(&im, "ext4sum");
	im.data[2 * 1024 + 8] ^= 1;
	refused(&im, -EUCLEAN, "ext4: group 0: bad checksum");
}

/* Flips a bit at `at`; what `path` gives then, and with checksums ignored. */
static void
flip(const char *image, size_t at, const char *path, const char *text)
{
	char buf[16];
	struct image im;

	load(&im, image);
	im.data[at] ^= 0x10;
	assert_int_equal(0, mount(&im, (struct ext4_options){0}));
	assert_int_equal(-EUCLEAN, slurp(&im, path, 0, buf, sizeof(buf)));
	assert_string_equal(text, ext4_error_text());
	ext4_unmount(&im.fs);
	assert_int_equal(0, mount(&im, (struct ext4_options){.nocheck = true}));
	assert_true(slurp(&im, path, 0, buf, sizeof(buf)) > 0);
	close_image(&im);
}

/* Where on the image a block of a file, or its inode, is. */
static size_t
place(const char *image, const char *path, bool of_inode)
{
	struct image im;
	struct ext4_inode *ip;
	struct ext4_group g;
	struct ext4_run run;
	size_t at;
	int e;

	open_image(&im, image);
	ip = find(&im, path, &e);
	assert_non_null(ip);
	assert_int_equal(0, ext4_group_read(&im.fs, 0, &g));
	assert_int_equal(0, ext4_map(ip, 0, &run));
	at = of_inode ? g.inode_table * im.fs.block_size + (ip->ino - 1) * im.fs.inode_size :
	    run.pblk * im.fs.block_size;
	ext4_iput(ip);
	close_image(&im);
	return at;
}

static void
damage(void **state)
{
	size_t root = place("ext4", "", false), inode = place("ext4", "d/seq", true);
	size_t index = place("htree", "", false);
	char text[80];
	struct image im;
	struct ext4_inode *ip;
	int e;

	(void)state;
	flip("ext4", root + 1000, "f", "ext4: inode 2: directory block 0: bad checksum");
	open_image(&im, "ext4");
	ip = find(&im, "d/seq", &e);
	snprintf(text, sizeof(text), "ext4: inode %u: bad checksum", ip->ino);
	ext4_iput(ip);
	close_image(&im);
	flip("ext4", inode + 8, "d/seq", text);
	/* a damaged index: the names are searched in order, and its block is refused there */
	load(&im, "htree");
	im.data[index + 40] ^= 0x10;
	assert_int_equal(0, mount(&im, (struct ext4_options){0}));
	assert_null(find(&im, "lost+found", &e));
	assert_int_equal(-EUCLEAN, e);
	assert_string_equal("ext4: inode 2: directory index block 0: bad checksum",
	    ext4_error_text());
	close_image(&im);
	load(&im, "ext2");			/* no checksums: a bad pointer is told */
	inode = place("ext2", "d/seq", true);
	memset(im.data + inode + 40, 0xff, 4);
	assert_int_equal(0, mount(&im, (struct ext4_options){0}));
	assert_int_equal(-EUCLEAN, slurp(&im, "d/seq", 0, text, 10));
	assert_non_null(strstr(ext4_error_text(), "block 4294967295 is outside"));
	close_image(&im);
}

static void
encrypted(void **state)
{
	size_t inode = place("ext2", "d", true);
	struct image im;
	int e;

	(void)state;
	load(&im, "ext2");
	im.data[inode + 33] |= 0x08;
	assert_int_equal(0, mount(&im, (struct ext4_options){0}));
	assert_null(find(&im, "d/seq", &e));
	assert_int_equal(-ENOKEY, e);
	close_image(&im);
}

static size_t broken_from;

static int
failing_read(void *ctx, void *buf, size_t n, uint64_t off)
{
	struct image *im = ctx;

	if (off + n > broken_from)
		return ext4_error(EIO, "ext4: device: broken");
	memcpy(buf, im->data + off, n);
	return 0;
}

/* A device that refuses: the error arrives, nothing is kept from the read that failed. */
static void
device_errors(void **state)
{
	struct image im;
	char buf[100];

	(void)state;
	broken_from = place("ext4", "d/seq", false);
	open_image(&im, "ext4");
	im.fs.dev = (struct blk_source){.read = failing_read, .ctx = &im, .size = im.dev.size};
	ext4_cache_drop(&im.fs);
	assert_int_equal(-EIO, slurp(&im, "d/seq", 0, buf, sizeof(buf)));
	assert_string_equal("ext4: device: broken", ext4_error_text());
	im.fs.dev = im.dev;
	if (slurp(&im, "d/seq", 0, buf, sizeof(buf)) != 100)
		fail_msg("%s", ext4_error_text());
	close_image(&im);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contents), cmocka_unit_test(attributes),
		cmocka_unit_test(indexed_directory), cmocka_unit_test(journal),
		cmocka_unit_test(damaged_journal), cmocka_unit_test(features),
		cmocka_unit_test(damage), cmocka_unit_test(encrypted),
		cmocka_unit_test(device_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
