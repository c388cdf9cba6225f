/*
 * ext4 under libFuzzer: mounts a disk made of the input, walks the tree, reads everything, with
 * bounds on how much of it.
 *
 * The input is a disk without its zeros, so that small seeds can hold large file systems:
 *
 *	1 byte		flags: 1 believe bad checksums, 2 ignore the journal
 *	4 bytes, le	the size of the disk in KiB
 *	then records	4 bytes, le: which 256 bytes; the 256 bytes
 *
 * tool/mkext4.sh -pack makes one from an image.
 */
#include <stdlib.h>
#include <string.h>
#include "fs/ext4/ext4.h"

enum {
	HEAD = 5, CHUNK = 256, RECORD = 4 + CHUNK, NBUCKETS = 4096,
	MAX_RECORDS = 2048, MAX_ENTRIES = 400, MAX_DEPTH = 12, MAX_READS = 24, READ_BYTES = 20000,
};
enum { FLAG_NOCHECK = 1, FLAG_NOLOAD = 2 };

struct disk {
	const uint8_t *records;
	uint16_t bucket[NBUCKETS], next[MAX_RECORDS + 1];	/* record number plus one */
};

struct walk {
	struct ext4_fs *fs;
	unsigned entries, depth;
};

static uint32_t
word(const uint8_t *p)
{
	le32 v;

	memcpy(&v, p, sizeof(v));
	return get32(v);
}

static const uint8_t *
find(const struct disk *d, uint64_t chunk)
{
	for (unsigned i = d->bucket[chunk % NBUCKETS]; i > 0; i = d->next[i])
		if (word(d->records + (size_t)(i - 1) * RECORD) == chunk)
			return d->records + (size_t)(i - 1) * RECORD + 4;
	return NULL;
}

static int
disk_read(void *ctx, void *buf, size_t n, uint64_t off)
{
	uint8_t *dst = buf;

	while (n > 0) {
		size_t at = off % CHUNK, part = CHUNK - at < n ? CHUNK - at : n;
		const uint8_t *p = find(ctx, off / CHUNK);

		if (p != NULL)
			memcpy(dst, p + at, part);
		else
			memset(dst, 0, part);
		dst += part;
		off += part;
		n -= part;
	}
	return 0;
}

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
	static struct disk d;
	static struct ext4_fs fs;
	struct blk_source dev = {.read = disk_read, .ctx = &d};
	struct ext4_options opt = {.cache_bytes = EXT4_CACHE_MIN, .quiet = true};
	struct ext4_statfs st;
	struct walk w = {.fs = &fs};

	if (n < HEAD + RECORD)
		return 0;
	memset(d.bucket, 0, sizeof(d.bucket));
	d.records = data + HEAD;
	for (unsigned i = 0; i < MAX_RECORDS && HEAD + (i + 1) * RECORD <= n; i++) {
		uint16_t *b = &d.bucket[word(d.records + i * RECORD) % NBUCKETS];

		d.next[i + 1] = *b;
		*b = (uint16_t)(i + 1);
	}
	opt.nocheck = (data[0] & FLAG_NOCHECK) != 0;
	opt.noload = (data[0] & FLAG_NOLOAD) != 0;
	dev.size = (uint64_t)word(data + 1) * 1024;
	if (ext4_mount(&fs, &dev, &opt) < 0)
		return 0;
	visit(&w, ROOT_INO);
	if (fs.groups_count < 1000)
		ext4_statfs(&fs, &st);
	ext4_unmount(&fs);
	return 0;
}
