/*
 * Extended attributes: in the inode's spare room, in one block more, and, with ea_inode, large
 * values in inodes of their own.  Spec: Linux ext4 ondisk/attributes.rst.
 *
 * Access control lists are kept on the disk in a shorter form than getxattr gives them; they are
 * turned into that form here (Linux include/uapi/linux/posix_acl_xattr.h).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ext4.h"

enum {
	ENTRY = sizeof(struct disk_xattr_entry),
	INDEX_ACL_ACCESS = 2,
	INDEX_ACL_DEFAULT = 3,
	ACL_VERSION = 2,
	ACL_USER = 0x02,
	ACL_GROUP = 0x08,
	VALUE_DISK_MAX = 65536,
};

struct region {				/* entries from `at` on; values count from `base` */
	const uint8_t *base, *end;
	const uint8_t *at;
};

struct entry {
	const char *prefix, *name;
	uint8_t index, name_len;
	const uint8_t *value;		/* NULL: in inode `inum` */
	uint32_t size, inum;
};

/* Non-zero ends the walk and is its result. */
typedef int (*visit_fn)(struct ext4_inode *ip, const struct entry *e, void *ctx);

static const char *
prefix_of(uint8_t index)
{
	switch (index) {
	case 1: return "user.";
	case INDEX_ACL_ACCESS: return "system.posix_acl_access";
	case INDEX_ACL_DEFAULT: return "system.posix_acl_default";
	case 4: return "trusted.";
	case 6: return "security.";
	case EXT4_XATTR_DATA_INDEX: return "system.";
	case 8: return "system.richacl";
	case 10: return "gnu.";
	default: return NULL;
	}
}

static int
damaged(const struct ext4_inode *ip, const char *what)
{
	return ext4_error(EUCLEAN, "ext4: inode %u: extended attributes: %s", ip->ino, what);
}

/* Decodes the entry at r->at and steps over it: 1, 0 at the end, or an error. */
static int
next_entry(const struct ext4_inode *ip, struct region *r, struct entry *e)
{
	struct disk_xattr_entry d;
	size_t left = (size_t)(r->end - r->at), room = (size_t)(r->end - r->base), whole;
	uint32_t offs;
	le32 first;

	if (left < sizeof(first))
		return 0;
	memcpy(&first, r->at, sizeof(first));
	if (get32(first) == 0)
		return 0;
	if (left < ENTRY)
		return damaged(ip, "an entry passes the end");
	memcpy(&d, r->at, sizeof(d));
	whole = ((size_t)ENTRY + d.e_name_len + 3) & ~(size_t)3;
	if (left < whole)
		return damaged(ip, "a name passes the end");
	offs = get16(d.e_value_offs);
	*e = (struct entry){.prefix = prefix_of(d.e_name_index),
	    .name = (const char *)r->at + ENTRY,
	    .index = d.e_name_index, .name_len = d.e_name_len, .size = get32(d.e_value_size),
	    .inum = get32(d.e_value_inum)};
	if (e->size > VALUE_DISK_MAX)
		return damaged(ip, "a value is too large");
	if (e->inum == 0 && e->size > 0 && (offs > room || e->size > room - offs))
		return damaged(ip, "a value passes the end");
	if (e->inum == 0)
		e->value = e->size > 0 ? r->base + offs : r->base;
	r->at += whole;
	return 1;
}

static int
walk_region(struct ext4_inode *ip, struct region *r, visit_fn visit, void *ctx)
{
	struct entry e;
	int got;

	while ((got = next_entry(ip, r, &e)) > 0) {
		got = e.prefix != NULL ? visit(ip, &e, ctx) : 0;
		if (got != 0)
			return got;
	}
	return got;
}

/* The region inside the inode; false if it has none. */
static bool
inode_region(const struct ext4_inode *ip, struct region *r)
{
	size_t start = (size_t)GOOD_OLD_INODE_SIZE + ip->extra;
	le32 magic;

	if (ip->extra == 0 || start + sizeof(magic) > ip->fs->inode_size)
		return false;
	memcpy(&magic, ip->raw + start, sizeof(magic));
	r->base = r->at = ip->raw + start + sizeof(magic);
	r->end = ip->raw + ip->fs->inode_size;
	return get32(magic) == XATTR_MAGIC;
}

static int
check_block(struct ext4_inode *ip, struct ext4_buf *b)
{
	enum { SUM = offsetof(struct disk_xattr_header, h_checksum) };
	static const uint8_t none[4];
	const struct ext4_fs *fs = ip->fs;
	struct disk_xattr_header h;
	le32 blk[2] = {put32((uint32_t)b->blk), put32((uint32_t)(b->blk >> 32))};
	uint32_t c;

	memcpy(&h, b->data, sizeof(h));
	if (get32(h.h_magic) != XATTR_MAGIC || get32(h.h_blocks) != 1)
		return damaged(ip, "bad header");
	if (fs->csum_kind != EXT4_CSUM_METADATA || fs->opt.nocheck ||
	    ext4_is_checked(b, ip->ino, EXT4_CHECKED_XATTR))
		return 0;
	c = ext4_crc32c(fs->csum_seed, blk, sizeof(blk));
	c = ext4_crc32c(c, b->data, SUM);
	c = ext4_crc32c(c, none, sizeof(none));
	c = ext4_crc32c(c, b->data + SUM + 4, fs->block_size - SUM - 4);
	if (c != get32(h.h_checksum))
		return ext4_error(EUCLEAN, "ext4: inode %u: attribute block %llu: bad checksum",
		    ip->ino, (unsigned long long)b->blk);
	ext4_set_checked(b, ip->ino, EXT4_CHECKED_XATTR);
	return 0;
}

static int
walk(struct ext4_inode *ip, visit_fn visit, void *ctx)
{
	struct region r;
	struct ext4_buf *b;
	int got = inode_region(ip, &r) ? walk_region(ip, &r, visit, ctx) : 0;

	if (got != 0 || ip->file_acl == 0)
		return got;
	if (!ext4_valid_blocks(ip->fs, ip->file_acl, 1))
		return damaged(ip, "their block is outside");
	got = ext4_bread(ip->fs, ip->file_acl, &b);
	if (got < 0)
		return got;
	got = check_block(ip, b);
	r = (struct region){b->data, b->data + ip->fs->block_size,
	    b->data + sizeof(struct disk_xattr_header)};
	if (got == 0)
		got = walk_region(ip, &r, visit, ctx);
	ext4_brelse(b);
	return got;
}

struct listing {
	uint8_t *dst;
	size_t n, used;
};

static int
list_one(struct ext4_inode *ip, const struct entry *e, void *ctx)
{
	struct listing *l = ctx;
	size_t prefix = strlen(e->prefix), whole = prefix + e->name_len + 1;

	(void)ip;
	if (e->index == EXT4_XATTR_DATA_INDEX && e->name_len == 4 && !memcmp(e->name, "data", 4))
		return 0;
	if (memchr(e->name, 0, e->name_len) != NULL)
		return 0;
	if (l->n >= l->used + whole) {
		memcpy(l->dst + l->used, e->prefix, prefix);
		memcpy(l->dst + l->used + prefix, e->name, e->name_len);
		l->dst[l->used + whole - 1] = 0;
	}
	l->used += whole;
	return 0;
}

int64_t
ext4_xattr_list(struct ext4_inode *ip, uint8_t *dst, size_t n)
{
	struct listing l = {.dst = dst, .n = n};
	int r = walk(ip, list_one, &l);

	if (r < 0)
		return r;
	return n > 0 && l.used > n ? -ERANGE : (int64_t)l.used;
}

struct wanted {
	const char *name;
	uint8_t *dst;
	size_t n;
	int64_t result;
};

/* The value's bytes as they are on the disk, from an inode of their own. */
static int64_t
read_value_inode(struct ext4_inode *ip, const struct entry *e, uint8_t *dst)
{
	struct ext4_inode *holder;
	struct ext4_file f;
	int64_t r = ext4_iget(ip->fs, e->inum, &holder);

	if (r < 0)
		return r;
	if (!(holder->flags & FL_EA_INODE) || holder->size != e->size)
		r = damaged(ip, "a value's inode is none");
	if (r == 0) {
		ext4_file_open(&f, holder);
		r = ext4_file_read(&f, 0, e->size, dst);
		ext4_file_close(&f);
	}
	ext4_iput(holder);
	if (r >= 0 && r != e->size)
		r = damaged(ip, "a value ends early");
	return r;
}

/* An entry of a list on the disk has 4 bytes, with a user or group 8; outside always 8. */
static int64_t
expand_acl(const struct ext4_inode *ip, const uint8_t *p, size_t n, uint8_t *dst, size_t room)
{
	le32 version = put32(ACL_VERSION), nobody = put32(~0u);
	size_t at = 4, out = 4;

	if (n < 4)
		return damaged(ip, "a short access control list");
	if (room >= 4)
		memcpy(dst, &version, 4);
	while (n - at >= 4) {
		bool has_id = p[at] == ACL_USER || p[at] == ACL_GROUP;

		if (has_id && n - at < 8)
			break;
		if (room >= out + 8) {
			memcpy(dst + out, p + at, 4);
			memcpy(dst + out + 4, has_id ? p + at + 4 : nobody.b, 4);
		}
		at += has_id ? 8 : 4;
		out += 8;
	}
	if (at != n)
		return damaged(ip, "an odd access control list");
	return room > 0 && out > room ? -ERANGE : (int64_t)out;
}

static int64_t
give(struct ext4_inode *ip, const struct entry *e, const uint8_t *value, struct wanted *w)
{
	if (e->index == INDEX_ACL_ACCESS || e->index == INDEX_ACL_DEFAULT)
		return expand_acl(ip, value, e->size, w->dst, w->n);
	if (w->n == 0)
		return e->size;
	if (w->n < e->size)
		return -ERANGE;
	if (e->size > 0)
		memcpy(w->dst, value, e->size);
	return e->size;
}

static int
get_one(struct ext4_inode *ip, const struct entry *e, void *ctx)
{
	struct wanted *w = ctx;
	size_t prefix = strlen(e->prefix);
	uint8_t *bytes;

	if (strncmp(w->name, e->prefix, prefix) != 0 ||
	    strlen(w->name) != prefix + e->name_len ||
	    memcmp(w->name + prefix, e->name, e->name_len) != 0)
		return 0;
	if (e->value != NULL) {
		w->result = give(ip, e, e->value, w);
		return 1;
	}
	bytes = malloc(e->size + 1);
	if (bytes == NULL)
		return ext4_error(ENOMEM, "ext4: no memory for an attribute");
	w->result = read_value_inode(ip, e, bytes);
	if (w->result >= 0)
		w->result = give(ip, e, bytes, w);
	free(bytes);
	return 1;
}

int64_t
ext4_xattr_get(struct ext4_inode *ip, const char *name, uint8_t *dst, size_t n)
{
	struct wanted w = {.name = name, .dst = dst, .n = n};
	int r = strcmp(name, "system.data") == 0 ? 0 : walk(ip, get_one, &w);

	if (r < 0)
		return r;
	return r == 0 ? ext4_error(ENODATA, "no such attribute") : w.result;
}

int
ext4_xattr_inline(struct ext4_inode *ip, const uint8_t **data, size_t *n)
{
	struct region r;
	struct entry e;
	int got = inode_region(ip, &r) ? 1 : 0;

	while (got > 0 && (got = next_entry(ip, &r, &e)) > 0) {
		if (e.index != EXT4_XATTR_DATA_INDEX || e.name_len != 4 || e.inum != 0 ||
		    memcmp(e.name, "data", 4) != 0)
			continue;
		*data = e.value;
		*n = e.size;
		return 0;
	}
	return got < 0 ? got : -ENODATA;
}
