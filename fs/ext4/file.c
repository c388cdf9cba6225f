/*
 * Reading an open file.  Small reads are answered from the block cache without a copy; a file read
 * in order is read ahead by a window that doubles; a large read of blocks that are not in the
 * cache goes to the caller's memory and leaves the cache alone.
 *
 * The last mapping is kept in the open file, so that the common read does not search the tree.
 */
#include <errno.h>
#include <string.h>
#include "ext4.h"

enum { BULK_BYTES = 128 << 10, WINDOW_MIN = 4, WINDOW_MAX = 128 };

/* An encrypted file's bytes mean nothing without its key. */
int
ext4_check_readable(const struct ext4_inode *ip)
{
	if (ip->flags & FL_ENCRYPT)
		return ext4_error(ENOKEY, "ext4: inode %u: encrypted, and there is no key",
		    ip->ino);
	return 0;
}

void
ext4_file_open(struct ext4_file *f, struct ext4_inode *ip)
{
	memset(f, 0, sizeof(*f));
	ext4_ihold(ip);
	f->ip = ip;
}

void
ext4_file_close(struct ext4_file *f)
{
	ext4_iput(f->ip);
	f->ip = NULL;
}

/* The run that lblk is in, by the file's memory or by the tree. */
static int
run_at(struct ext4_file *f, uint64_t lblk, struct ext4_run *run)
{
	int r;

	os_lock_take(&f->lock);
	*run = f->run;
	os_lock_give(&f->lock);
	if (lblk >= run->lblk && lblk - run->lblk < run->len)
		return 0;
	r = ext4_map(f->ip, lblk, run);
	if (r < 0)
		return r;
	os_lock_take(&f->lock);
	f->run = *run;
	os_lock_give(&f->lock);
	return 0;
}

/* How many blocks to read at a miss, given that `blocks` are wanted at off. */
static uint32_t
window(struct ext4_file *f, uint64_t off, uint32_t blocks)
{
	uint32_t w;

	os_lock_take(&f->lock);
	if (off != f->next)
		f->window = 0;
	else if (f->window < WINDOW_MAX)
		f->window = f->window ? f->window * 2 : WINDOW_MIN;
	w = f->window;
	os_lock_give(&f->lock);
	return w > blocks ? w : blocks;
}

static void
remember(struct ext4_file *f, uint64_t next)
{
	os_lock_take(&f->lock);
	f->next = next;
	os_lock_give(&f->lock);
}

/* Holds block lblk of the file, which is in the run; `wanted` bytes from off on are to come. */
static int
hold(struct ext4_file *f, const struct ext4_run *run, uint64_t off, size_t wanted,
	struct ext4_buf **out)
{
	struct ext4_fs *fs = f->ip->fs;
	uint64_t within = (off >> fs->block_bits) - run->lblk, left = run->len - within;
	uint64_t blocks;

	*out = ext4_bpeek(fs, run->pblk + within);
	if (*out != NULL)
		return 0;
	blocks = ((off & (fs->block_size - 1)) + wanted + fs->block_size - 1) >> fs->block_bits;
	blocks = window(f, off, blocks < WINDOW_MAX ? (uint32_t)blocks : WINDOW_MAX);
	if (blocks > left)
		blocks = left;
	if (blocks > 1)
		ext4_bahead(fs, run->pblk + within, (uint32_t)blocks);
	return ext4_bread(fs, run->pblk + within, out);
}

/* What ext4_file_span does, for a part of a read of `wanted` bytes. */
static int64_t
span(struct ext4_file *f, uint64_t off, size_t n, size_t wanted, struct ext4_span *s)
{
	struct ext4_fs *fs = f->ip->fs;
	uint32_t within = (uint32_t)off & (fs->block_size - 1);
	struct ext4_run run;
	int r;

	*s = (struct ext4_span){0};
	if (off >= f->ip->size)
		return 0;
	if (n > f->ip->size - off)
		n = (size_t)(f->ip->size - off);
	if (f->ip->flags & FL_INLINE_DATA)
		return ext4_inline_span(f->ip, off, n, &s->data);
	if (n > fs->block_size - within)
		n = fs->block_size - within;
	r = run_at(f, off >> fs->block_bits, &run);
	if (r < 0)
		return r;
	s->data = fs->zeros + within;
	if (run.pblk != 0) {
		r = hold(f, &run, off, wanted, &s->buf);
		if (r < 0)
			return r;
		s->data = s->buf->data + within;
	}
	return (int64_t)n;
}

int64_t
ext4_file_span(struct ext4_file *f, uint64_t off, size_t n, struct ext4_span *s)
{
	int64_t got = span(f, off, n, n, s);

	if (got > 0)
		remember(f, off + (uint64_t)got);
	return got;
}

/* Whole blocks straight to dst: bytes done, 0 if off and n do not call for it. */
static int64_t
bulk(struct ext4_file *f, uint64_t off, size_t n, uint8_t *dst)
{
	struct ext4_fs *fs = f->ip->fs;
	struct ext4_run run;
	uint64_t left, within;
	uint32_t blocks;
	int r;

	if (off >= f->ip->size || (f->ip->flags & FL_INLINE_DATA))
		return 0;
	if (n > f->ip->size - off)
		n = (size_t)(f->ip->size - off);
	if (n < BULK_BYTES || (off & (fs->block_size - 1)) != 0)
		return 0;
	r = run_at(f, off >> fs->block_bits, &run);
	if (r < 0)
		return r;
	within = (off >> fs->block_bits) - run.lblk;
	left = run.len - within;
	blocks = (uint32_t)((n < EXT4_RUN_BYTES ? n : EXT4_RUN_BYTES) >> fs->block_bits);
	if (blocks > left)
		blocks = (uint32_t)left;
	if (run.pblk == 0)
		memset(dst, 0, (size_t)blocks << fs->block_bits);
	else
		r = ext4_bcopy(fs, run.pblk + within, blocks, dst);
	return r < 0 ? r : (int64_t)blocks << fs->block_bits;
}

int64_t
ext4_file_read(struct ext4_file *f, uint64_t off, size_t n, uint8_t *dst)
{
	size_t done = 0;

	if (off >= f->ip->size)
		return 0;
	if (n > f->ip->size - off)
		n = (size_t)(f->ip->size - off);
	while (done < n) {
		struct ext4_span s = {0};
		int64_t got = bulk(f, off + done, n - done, dst + done);

		if (got == 0) {
			got = span(f, off + done, n - done, n - done, &s);
			if (got > 0)
				memcpy(dst + done, s.data, (size_t)got);
			ext4_brelse(s.buf);
			/* what a window was read for is not counted against the next one */
			remember(f, off + done + (uint64_t)(got > 0 ? got : 0));
		}
		if (got < 0 && done == 0)
			return got;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	remember(f, off + done);
	return (int64_t)done;
}

int
ext4_file_block(struct ext4_inode *ip, uint64_t lblk, struct ext4_buf **out)
{
	struct ext4_run run;
	int r = ext4_map(ip, lblk, &run);

	*out = NULL;
	if (r < 0 || run.pblk == 0)
		return r;
	return ext4_bread(ip->fs, run.pblk + (lblk - run.lblk), out);
}

/* Up to 59 bytes are in the inode itself, unless a block or inline data holds them. */
static bool
is_fast_link(const struct ext4_inode *ip)
{
	uint64_t acl = ip->file_acl ? (ip->fs->block_size >> 9) * ip->fs->cluster_ratio : 0;

	return ip->size < I_BLOCK_SIZE && !(ip->flags & (FL_EXTENTS | FL_INLINE_DATA)) &&
	       ip->sectors <= acl;
}

int64_t
ext4_readlink(struct ext4_inode *ip, size_t n, uint8_t *dst)
{
	struct ext4_file f;
	int64_t r;

	if (!ext4_inode_is_link(ip))
		return ext4_error(EINVAL, "ext4: inode %u: not a symbolic link", ip->ino);
	r = ext4_check_readable(ip);
	if (r < 0)
		return r;
	if (n > ip->size)
		n = (size_t)ip->size;
	if (is_fast_link(ip)) {
		memcpy(dst, ext4_inode_iblock(ip), n);
		r = (int64_t)n;
	} else {
		ext4_file_open(&f, ip);
		r = ext4_file_read(&f, 0, n, dst);
		ext4_file_close(&f);
	}
	if (r == 0 || (r > 0 && dst[0] == 0))
		return ext4_error(EUCLEAN, "ext4: inode %u: empty symbolic link", ip->ino);
	return r < 0 ? r : (int64_t)strnlen((const char *)dst, (size_t)r);
}
