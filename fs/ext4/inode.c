/*
 * Inodes: decoding, their checksum, and the table of those in memory.
 * Spec: Linux ext4 ondisk/inodes.rst.
 *
 * An inode in memory is found by number.  With its last reference it goes to the idle list, from
 * which the oldest is freed when there are more than idle_max.  The lock of ext4_icache is for the
 * buckets, the list and the step of a count from and to zero; loading happens outside it, and the
 * later of two that loaded the same inode throws its own away.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "ext4.h"

enum { NBUCKETS = 256, IDLE_MAX = 512, IDLE_BYTES = 256 << 10 };

bool
ext4_inode_is_dir(const struct ext4_inode *ip)
{
	return S_ISDIR(ip->mode);
}

bool
ext4_inode_is_reg(const struct ext4_inode *ip)
{
	return S_ISREG(ip->mode);
}

bool
ext4_inode_is_link(const struct ext4_inode *ip)
{
	return S_ISLNK(ip->mode);
}

const uint8_t *
ext4_inode_iblock(const struct ext4_inode *ip)
{
	return ip->raw + offsetof(struct disk_inode, i_block);
}

/* Whether the field that ends at `end` is within i_extra_isize. */
static bool
has_field(const struct ext4_inode *ip, size_t end)
{
	return end <= (size_t)GOOD_OLD_INODE_SIZE + ip->extra;
}

static uint32_t
checksum(const struct ext4_inode *ip, bool has_hi)
{
	static const uint8_t none[2];
	enum { LO = offsetof(struct disk_inode, i_checksum_lo) };
	enum { HI = offsetof(struct disk_inode, i_checksum_hi) };
	uint32_t c = ext4_crc32c(ip->csum_seed, ip->raw, LO);

	c = ext4_crc32c(c, none, 2);
	c = ext4_crc32c(c, ip->raw + LO + 2, GOOD_OLD_INODE_SIZE - LO - 2);
	if (ip->fs->inode_size == GOOD_OLD_INODE_SIZE)
		return c;
	c = ext4_crc32c(c, ip->raw + GOOD_OLD_INODE_SIZE, HI - GOOD_OLD_INODE_SIZE);
	c = ext4_crc32c(c, has_hi ? none : ip->raw + HI, 2);
	return ext4_crc32c(c, ip->raw + HI + 2, ip->fs->inode_size - HI - 2);
}

static int
check(struct ext4_inode *ip, const struct disk_inode *d)
{
	bool has_hi = has_field(ip, offsetof(struct disk_inode, i_checksum_hi) + 2);
	le32 ino = put32(ip->ino);
	uint32_t want = get16(d->i_checksum_lo), got;

	ip->csum_seed = ext4_crc32c(ip->fs->csum_seed, &ino, sizeof(ino));
	ip->csum_seed = ext4_crc32c(ip->csum_seed, &d->i_generation, sizeof(d->i_generation));
	if (ip->fs->csum_kind != EXT4_CSUM_METADATA || ip->fs->opt.nocheck)
		return 0;
	got = checksum(ip, has_hi);
	if (has_hi)
		want |= (uint32_t)get16(d->i_checksum_hi) << 16;
	else
		got &= 0xffff;
	if (got != want)
		return ext4_error(EUCLEAN, "ext4: inode %u: bad checksum", ip->ino);
	return 0;
}

static struct ext4_time
decode_time(const struct ext4_inode *ip, le32 sec, le32 extra, size_t extra_end)
{
	struct ext4_time t = {.sec = (int32_t)get32(sec)};
	uint32_t e = get32(extra);

	if (has_field(ip, extra_end)) {
		t.sec += (int64_t)(e & 3) << 32;
		t.nsec = e >> 2 < 1000000000 ? e >> 2 : 0;
	}
	return t;
}

#define END_OF(field) (offsetof(struct disk_inode, field) + sizeof(((struct disk_inode *)0)->field))

static void
decode_times(struct ext4_inode *ip, const struct disk_inode *d)
{
	ip->atime = decode_time(ip, d->i_atime, d->i_atime_extra, END_OF(i_atime_extra));
	ip->mtime = decode_time(ip, d->i_mtime, d->i_mtime_extra, END_OF(i_mtime_extra));
	ip->ctime = decode_time(ip, d->i_ctime, d->i_ctime_extra, END_OF(i_ctime_extra));
	ip->has_crtime = has_field(ip, END_OF(i_crtime));
	if (ip->has_crtime)
		ip->crtime = decode_time(ip, d->i_crtime, d->i_crtime_extra,
		    END_OF(i_crtime_extra));
}

/* Old numbers have 8 bits each, in the first word; new ones 12 and 20, in the second. */
static void
decode_device(struct ext4_inode *ip, const struct disk_inode *d)
{
	le32 old, new;
	uint32_t v;

	memcpy(&old, d->i_block, 4);
	memcpy(&new, d->i_block + 4, 4);
	v = get32(old);
	if (v != 0) {
		ip->rdev_major = v >> 8 & 0xff;
		ip->rdev_minor = v & 0xff;
	} else {
		v = get32(new);
		ip->rdev_major = v >> 8 & 0xfff;
		ip->rdev_minor = (v & 0xff) | (v >> 12 & 0xfff00);
	}
}

static void
decode_sizes(struct ext4_inode *ip, const struct disk_inode *d)
{
	bool high = S_ISREG(ip->mode) || (ip->fs->incompat & INCOMPAT_LARGEDIR);

	ip->size = get48(d->i_size_lo, high ? get32(d->i_size_high) : 0);
	ip->sectors = get32(d->i_blocks_lo);
	if (ip->fs->ro_compat & RO_HUGE_FILE) {
		ip->sectors |= (uint64_t)get16(d->i_blocks_high) << 32;
		if (ip->flags & FL_HUGE_FILE)
			ip->sectors <<= ip->fs->block_bits - 9;
	}
	ip->file_acl = get32(d->i_file_acl_lo);
	if (ip->fs->incompat & INCOMPAT_64BIT)
		ip->file_acl |= (uint64_t)get16(d->i_file_acl_high) << 32;
	ip->version = get32(d->i_version);
	if (has_field(ip, END_OF(i_version_hi)))
		ip->version |= (uint64_t)get32(d->i_version_hi) << 32;
}

/* What the fields say together: a size that no file of that kind can have. */
static int
check_sizes(const struct ext4_inode *ip)
{
	uint64_t most = (uint64_t)1 << 63;

	if (S_ISDIR(ip->mode))
		most = ip->fs->blocks_count << ip->fs->block_bits;
	if (S_ISLNK(ip->mode))
		most = ip->fs->block_size;
	if (ip->size > most || (S_ISREG(ip->mode) && ip->size == most))
		return ext4_error(EUCLEAN, "ext4: inode %u: bad size %llu", ip->ino,
		    (unsigned long long)ip->size);
	return 0;
}

int
ext4_inode_decode(struct ext4_inode *ip)
{
	struct disk_inode d = {0};
	size_t whole = ip->fs->inode_size < sizeof(d) ? ip->fs->inode_size : sizeof(d);
	int r;

	memcpy(&d, ip->raw, whole);
	ip->extra = whole > GOOD_OLD_INODE_SIZE ? get16(d.i_extra_isize) : 0;
	if (ip->extra % 4 != 0 || ip->extra > ip->fs->inode_size - GOOD_OLD_INODE_SIZE)
		return ext4_error(EUCLEAN, "ext4: inode %u: bad extra size %u", ip->ino, ip->extra);
	r = check(ip, &d);
	if (r < 0)
		return r;
	ip->mode = get16(d.i_mode);
	ip->nlink = get16(d.i_links_count);
	if (ip->mode == 0 || (ip->nlink == 0 && ip->ino != ROOT_INO && get32(d.i_dtime) != 0))
		return ext4_error(ESTALE, "ext4: inode %u: not in use", ip->ino);
	ip->uid = get16(d.i_uid) | (uint32_t)get16(d.i_uid_high) << 16;
	ip->gid = get16(d.i_gid) | (uint32_t)get16(d.i_gid_high) << 16;
	ip->flags = get32(d.i_flags);
	ip->generation = get32(d.i_generation);
	decode_sizes(ip, &d);
	decode_times(ip, &d);
	if (S_ISCHR(ip->mode) || S_ISBLK(ip->mode))
		decode_device(ip, &d);
	return check_sizes(ip);
}

static int
load(struct ext4_fs *fs, uint32_t ino, struct ext4_inode **out)
{
	uint32_t group = (ino - 1) / fs->inodes_per_group;
	uint64_t at = (uint64_t)((ino - 1) % fs->inodes_per_group) * fs->inode_size;
	struct ext4_inode *ip;
	struct ext4_group g;
	struct ext4_buf *b = NULL;
	int r = ext4_group_read(fs, group, &g);

	if (r == 0)
		r = ext4_bread(fs, g.inode_table + (at >> fs->block_bits), &b);
	if (b == NULL)
		return r;
	ip = calloc(1, sizeof(*ip) + fs->inode_size);
	if (ip != NULL)
		memcpy(ip->raw, b->data + (at & (fs->block_size - 1)), fs->inode_size);
	ext4_brelse(b);
	if (ip == NULL)
		return ext4_error(ENOMEM, "ext4: no memory for an inode");
	ip->fs = fs;
	ip->ino = ino;
	atomic_store(&ip->refs, 1);
	r = ext4_inode_decode(ip);
	if (r < 0)
		free(ip);
	else
		*out = ip;
	return r;
}

static void
idle_remove(struct ext4_icache *c, struct ext4_inode *ip)
{
	*(ip->idle_prev ? &ip->idle_prev->idle_next : &c->idle_first) = ip->idle_next;
	*(ip->idle_next ? &ip->idle_next->idle_prev : &c->idle_last) = ip->idle_prev;
	ip->idle_next = ip->idle_prev = NULL;
	ip->idle = false;
	c->nidle--;
}

static void
idle_append(struct ext4_icache *c, struct ext4_inode *ip)
{
	ip->idle_prev = c->idle_last;
	ip->idle_next = NULL;
	*(c->idle_last ? &c->idle_last->idle_next : &c->idle_first) = ip;
	c->idle_last = ip;
	ip->idle = true;
	c->nidle++;
}

static void
bucket_remove(struct ext4_icache *c, struct ext4_inode *ip)
{
	struct ext4_inode **p;

	for (p = &c->bucket[ip->ino & c->mask]; *p != NULL; p = &(*p)->next)
		if (*p == ip) {
			*p = ip->next;
			return;
		}
}

/* Under the lock: the inode in memory, with a reference more. */
static struct ext4_inode *
lookup(struct ext4_icache *c, uint32_t ino)
{
	struct ext4_inode *ip;

	for (ip = c->bucket[ino & c->mask]; ip != NULL; ip = ip->next)
		if (ip->ino == ino)
			break;
	if (ip == NULL)
		return NULL;
	if (ip->idle)
		idle_remove(c, ip);
	atomic_fetch_add(&ip->refs, 1);
	return ip;
}

int
ext4_iget(struct ext4_fs *fs, uint32_t ino, struct ext4_inode **out)
{
	struct ext4_icache *c = &fs->icache;
	struct ext4_inode *mine = NULL;
	int r;

	*out = NULL;
	if (ino == 0 || ino > fs->inodes_count)
		return ext4_error(EUCLEAN, "ext4: inode %u: there are only %u", ino,
		    fs->inodes_count);
	os_lock_take(&c->lock);
	*out = lookup(c, ino);
	os_lock_give(&c->lock);
	if (*out != NULL)
		return 0;
	r = load(fs, ino, &mine);
	if (mine == NULL)
		return r;
	os_lock_take(&c->lock);
	*out = lookup(c, ino);
	if (*out == NULL) {
		mine->next = c->bucket[ino & c->mask];
		c->bucket[ino & c->mask] = mine;
		*out = mine;
	}
	os_lock_give(&c->lock);
	if (*out != mine)
		free(mine);
	return 0;
}

void
ext4_ihold(struct ext4_inode *ip)
{
	atomic_fetch_add(&ip->refs, 1);
}

void
ext4_iput(struct ext4_inode *ip)
{
	struct ext4_icache *c;
	struct ext4_inode *old = NULL;

	if (ip == NULL)
		return;
	c = &ip->fs->icache;
	os_lock_take(&c->lock);
	if (atomic_fetch_sub(&ip->refs, 1) == 1) {
		idle_append(c, ip);
		if (c->nidle > c->idle_max) {
			old = c->idle_first;
			idle_remove(c, old);
			bucket_remove(c, old);
		}
	}
	os_lock_give(&c->lock);
	free(old);
}

int
ext4_icache_init(struct ext4_fs *fs)
{
	struct ext4_icache *c = &fs->icache;

	c->mask = NBUCKETS - 1;
	c->idle_max = IDLE_BYTES / fs->inode_size;
	if (c->idle_max > IDLE_MAX)
		c->idle_max = IDLE_MAX;
	c->bucket = calloc(NBUCKETS, sizeof(struct ext4_inode *));
	return c->bucket == NULL ? ext4_error(ENOMEM, "ext4: no memory") : 0;
}

void
ext4_icache_free(struct ext4_fs *fs)
{
	struct ext4_icache *c = &fs->icache;

	for (struct ext4_inode *ip = c->idle_first, *next; ip != NULL; ip = next) {
		next = ip->idle_next;
		free(ip);
	}
	free(c->bucket);
	memset(c, 0, sizeof(*c));
}
