/*
 * ext4 under libFuzzer: mounts a disk made of the input, walks the tree, reads everything, with
 * bounds on how much of it.
 *
 * The input is a disk without its zeros (lib/blk/testing/sparse.h), with flags: 1 believe bad
 * checksums, 2 ignore the journal.
 */
#include <stdlib.h>
#include <string.h>
#include "fs/ext4/ext4.h"
#include "lib/blk/testing/sparse.h"

enum {
	MAX_ENTRIES = 400, MAX_DEPTH = 12, MAX_READS = 24, READ_BYTES = 20000,
};
enum { FLAG_NOCHECK = 1, FLAG_NOLOAD = 2 };

struct walk {
	struct ext4_fs *fs;
	unsigned entries, depth;
};

static void
read_file(struct ext4_inode *ip)
{
	static uint8_t buf[READ_BYTES];
	struct ext4_file f;
	uint64_t off = 0;

	ext4_file_open(&f, ip);
	for (int i = 0; i < MAX_READS; i++) {
		int64_t got = ext4_file_read(&f, off, i & 1 ? READ_BYTES : 100, buf);

		if (got <= 0)
			break;
		off += (uint64_t)got;
		if (i > MAX_READS / 2)
			off += ip->size / 5;
	}
	ext4_file_read(&f, ip->size - 50, 100, buf);
	ext4_file_read(&f, ip->size / 2, 5000, buf);
	ext4_file_close(&f);
}

static void
read_attributes(struct ext4_inode *ip)
{
	static uint8_t list[EXT4_XATTR_MAX], value[EXT4_XATTR_MAX];
	int64_t n = ext4_xattr_list(ip, list, sizeof(list));

	for (int64_t at = 0; at < n; at += (int64_t)strlen((char *)list + at) + 1)
		ext4_xattr_get(ip, (char *)list + at, value, sizeof(value));
	ext4_xattr_get(ip, "user.none", value, 1);
}

static void visit(struct walk *w, uint32_t ino);

static int
each(void *ctx, const struct ext4_dirent *de)
{
	struct walk *w = ctx;

	if (++w->entries > MAX_ENTRIES)
		return 1;
	if (de->name[0] != '.')
		visit(w, de->ino);
	return 0;
}

static int
look_up(void *ctx, const struct ext4_dirent *de)
{
	struct ext4_inode *dir = ctx;
	uint32_t ino;

	ext4_dir_lookup(dir, de->name, de->name_len, &ino);
	return de->ino % 8 == 0;
}

static void
visit(struct walk *w, uint32_t ino)
{
	static uint8_t link[65536];
	struct ext4_inode *ip;
	uint32_t found;

	if (w->depth >= MAX_DEPTH || ext4_iget(w->fs, ino, &ip) < 0)
		return;
	w->depth++;
	read_attributes(ip);
	if (ext4_inode_is_reg(ip) && ext4_check_readable(ip) == 0)
		read_file(ip);
	ext4_readlink(ip, sizeof(link), link);
	if (ext4_inode_is_dir(ip)) {
		ext4_dir_lookup(ip, "file_17", 7, &found);
		ext4_dir_read(ip, 0, look_up, ip);
		ext4_dir_read(ip, 0, each, w);
	}
	w->depth--;
	ext4_iput(ip);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct blk_sparse sparse;
	static struct ext4_fs fs;
	struct blk_source dev;
	struct ext4_options opt = {.cache_bytes = EXT4_CACHE_MIN, .quiet = true};
	struct ext4_statfs st;
	struct walk w = {.fs = &fs};

	if (blk_sparse_open(&dev, &sparse, data, n) < 0)
		return 0;
	opt.nocheck = (sparse.flags & FLAG_NOCHECK) != 0;
	opt.noload = (sparse.flags & FLAG_NOLOAD) != 0;
	if (ext4_mount(&fs, &dev, &opt) < 0)
		return 0;
	visit(&w, ROOT_INO);
	if (fs.groups_count < 1000)
		ext4_statfs(&fs, &st);
	ext4_unmount(&fs);
	return 0;
}
