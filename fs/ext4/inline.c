/*
 * Inline data: small files and directories inside their inode, the first 60 bytes in i_block, the
 * rest in the value of the attribute system.data.  Spec: Linux ext4 ondisk/inlinedata.rst.
 *
 * A directory has the number of its parent in the first four bytes, then entries in what is left
 * of i_block, then entries in the attribute.  Positions for readdir: 1 is past ".", 2 past "..",
 * and from 4 on they count bytes.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "ext4.h"

enum { PARENT = 4, POS_DOT = 1, POS_DOTDOT = 2, TYPE_DIR = 2 };

int64_t
ext4_inline_span(struct ext4_inode *ip, uint64_t off, size_t n, const uint8_t **data)
{
	const uint8_t *more;
	size_t nmore;
	int r;

	if (off < I_BLOCK_SIZE) {
		*data = ext4_inode_iblock(ip) + off;
		return (int64_t)(n < I_BLOCK_SIZE - off ? n : I_BLOCK_SIZE - off);
	}
	r = ext4_xattr_inline(ip, &more, &nmore);
	off -= I_BLOCK_SIZE;
	if (r < 0)
		return ext4_error(EUCLEAN, "ext4: inode %u: inline data without its attribute",
		    ip->ino);
	if (off >= nmore) {		/* a file that was made longer: a hole, as for Linux */
		*data = ip->fs->zeros;
		return (int64_t)(n < ip->fs->block_size ? n : ip->fs->block_size);
	}
	*data = more + off;
	return (int64_t)(n < nmore - off ? n : nmore - off);
}

struct part {				/* one of the two places that hold entries */
	const uint8_t *data;
	size_t n;
	uint64_t pos;			/* of its first byte */
};

/* Both parts.  The second is empty when there is none. */
static int
parts(struct ext4_inode *dir, struct part p[2])
{
	int r;

	p[0] = (struct part){ext4_inode_iblock(dir) + PARENT, I_BLOCK_SIZE - PARENT, PARENT};
	p[1] = (struct part){NULL, 0, I_BLOCK_SIZE};
	r = ext4_xattr_inline(dir, &p[1].data, &p[1].n);
	return r == -ENODATA ? 0 : r;
}

/* Entries of one part, from `from` on.  1: fn said stop. */
static int
read_part(struct ext4_inode *dir, const struct part *p, uint64_t from, ext4_dir_fn fn, void *ctx)
{
	size_t at = 0;

	while (at + DIRENT_HEAD <= p->n) {
		struct ext4_dirent de;
		int len = ext4_dirent_decode(dir, p->data + at, p->n - at, &de);

		if (len < 0)
			return len;
		de.next = p->pos + at + (uint32_t)len;
		if (de.ino != 0 && p->pos + at >= from && fn(ctx, &de) != 0)
			return 1;
		at += (uint32_t)len;
	}
	return 0;
}

static uint32_t
parent_of(const struct ext4_inode *dir)
{
	le32 ino;

	memcpy(&ino, ext4_inode_iblock(dir), sizeof(ino));
	return get32(ino);
}

int
ext4_inline_dir_read(struct ext4_inode *dir, uint64_t from, ext4_dir_fn fn, void *ctx)
{
	struct ext4_dirent dot = {dir->ino, TYPE_DIR, 1, ".", POS_DOT};
	struct ext4_dirent dotdot = {parent_of(dir), TYPE_DIR, 2, "..", POS_DOTDOT};
	struct part p[2];
	int r = parts(dir, p);

	if (r < 0)
		return r;
	if (from < POS_DOT && fn(ctx, &dot) != 0)
		return 0;
	if (from < POS_DOTDOT && fn(ctx, &dotdot) != 0)
		return 0;
	for (int i = 0; i < 2 && r == 0; i++)
		r = read_part(dir, &p[i], from, fn, ctx);
	return r < 0 ? r : 0;
}

struct want {
	const char *name;
	size_t n;
	uint32_t ino;
};

static int
is_it(void *ctx, const struct ext4_dirent *de)
{
	struct want *w = ctx;

	if (de->name_len != w->n || memcmp(de->name, w->name, w->n) != 0)
		return 0;
	w->ino = de->ino;
	return 1;
}

int
ext4_inline_lookup(struct ext4_inode *dir, const char *name, size_t n, uint32_t *ino)
{
	struct want w = {.name = name, .n = n};
	int r = ext4_inline_dir_read(dir, 0, is_it, &w);

	if (r < 0)
		return r;
	*ino = w.ino;
	return w.ino ? 0 : -ENOENT;
}
