/*
 * The block cache: file system blocks, a bounded number of them, replaced by the clock rule.
 *
 * A block is in one of these states, under its shard's lock:
 *
 *	free -> loading -> valid -> (refs 0, clock) -> free
 *	           \-> failed: out of its bucket; who waited for it tries for himself
 *
 * Blocks are spread over shards by a hash; a shard has a lock, its buffers and its buckets.  A
 * reference is taken under the lock and dropped without it; only a buffer with no references is
 * reused.  When all are held, one is made for the occasion (`extra`) and freed with its last
 * reference, so that no thread waits for another's release.
 *
 * Who loads a block has its `loader` lock until it is there or has failed; who finds it loading
 * takes a reference and waits for that lock, without the shard's.  Under the shard's lock it is
 * only taken of a buffer without references, when it is free.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "ext4.h"

enum { AHEAD_BYTES = 128 << 10 };

static uint32_t
hash(uint64_t blk)
{
	return (uint32_t)(blk * 0x9e3779b97f4a7c15u >> 32);
}

static struct ext4_shard *
shard_of(struct ext4_cache *c, uint64_t blk)
{
	return &c->shard[hash(blk) & (c->nshards - 1)];
}

static struct ext4_buf **
bucket_of(struct ext4_shard *s, uint64_t blk)
{
	return &s->bucket[hash(blk) / EXT4_MAX_SHARDS & s->mask];
}

static struct ext4_buf *
find(struct ext4_shard *s, uint64_t blk)
{
	struct ext4_buf *b;

	for (b = *bucket_of(s, blk); b != NULL; b = b->next)
		if (b->blk == blk)
			return b;
	return NULL;
}

static void
insert(struct ext4_shard *s, struct ext4_buf *b)
{
	struct ext4_buf **p = bucket_of(s, b->blk);

	b->next = *p;
	*p = b;
}

static void
take_out(struct ext4_shard *s, struct ext4_buf *b)
{
	struct ext4_buf **p;

	for (p = bucket_of(s, b->blk); *p != NULL; p = &(*p)->next)
		if (*p == b) {
			*p = b->next;
			return;
		}
}

/* A buffer that nobody holds, out of its bucket; NULL if all are held. */
static struct ext4_buf *
victim(struct ext4_shard *s)
{
	for (uint32_t i = 0; i < 2 * s->nbufs; i++) {
		struct ext4_buf *b = &s->bufs[s->hand];

		s->hand = (s->hand + 1) % s->nbufs;
		if (b->loading || atomic_load_explicit(&b->refs, memory_order_acquire) > 0)
			continue;
		if (b->recent) {
			b->recent = false;
			continue;
		}
		if (b->valid)
			take_out(s, b);
		b->valid = false;
		return b;
	}
	return NULL;
}

static struct ext4_buf *
extra(const struct ext4_fs *fs)
{
	struct ext4_buf *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->data = malloc(fs->block_size);
	if (b->data == NULL) {
		free(b);
		return NULL;
	}
	b->extra = true;
	return b;
}

/* Makes b the buffer of blk, to be loaded, held once. */
static void
begin_load(struct ext4_shard *s, struct ext4_buf *b, uint64_t blk)
{
	b->blk = blk;
	b->shard = s;
	b->loading = true;
	b->recent = false;
	atomic_store(&b->checked, 0);
	atomic_store(&b->refs, 1);
	os_lock_take(&b->loader);
	insert(s, b);
}

static void
end_load(struct ext4_shard *s, struct ext4_buf *b, bool good)
{
	os_lock_take(&s->lock);
	b->loading = false;
	b->valid = good;
	if (!good)
		take_out(s, b);
	os_lock_give(&s->lock);
	os_lock_give(&b->loader);
}

/* Until b, which is held, is loaded or has failed. */
static void
await_load(struct ext4_shard *s, struct ext4_buf *b)
{
	if (!b->loading)
		return;
	os_lock_give(&s->lock);
	os_lock_take(&b->loader);
	os_lock_give(&b->loader);
	os_lock_take(&s->lock);
}

static void
free_extra(struct ext4_buf *b)
{
	free(b->data);
	free(b);
}

void
ext4_brelse(struct ext4_buf *b)
{
	struct ext4_shard *s;
	bool last;

	if (b == NULL)
		return;
	if (!b->extra) {
		atomic_fetch_sub_explicit(&b->refs, 1, memory_order_release);
		return;
	}
	s = b->shard;
	os_lock_take(&s->lock);
	last = atomic_fetch_sub(&b->refs, 1) == 1;
	if (last && b->valid)
		take_out(s, b);
	os_lock_give(&s->lock);
	if (last)
		free_extra(b);
}

static int
load(struct ext4_fs *fs, struct ext4_shard *s, struct ext4_buf *b)
{
	int r = ext4_blocks_read(fs, b->blk, 1, b->data);

	end_load(s, b, r == 0);
	if (r < 0)
		ext4_brelse(b);
	return r;
}

int
ext4_bread(struct ext4_fs *fs, uint64_t blk, struct ext4_buf **out)
{
	struct ext4_cache *c = &fs->cache;
	struct ext4_shard *s = shard_of(c, blk);
	struct ext4_buf *b;
	int r;

	*out = NULL;
	if (blk >= fs->blocks_count)
		return ext4_error(EUCLEAN, "ext4: block %llu: past the end of the file system",
		    (unsigned long long)blk);
	for (;;) {
		os_lock_take(&s->lock);
		b = find(s, blk);
		if (b == NULL)
			break;
		atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
		b->recent = true;
		await_load(s, b);
		*out = b->valid ? b : NULL;
		os_lock_give(&s->lock);
		if (*out != NULL)
			return 0;
		ext4_brelse(b);
	}
	b = victim(s);
	if (b == NULL)
		b = extra(fs);
	if (b != NULL)
		begin_load(s, b, blk);
	os_lock_give(&s->lock);
	if (b == NULL)
		return ext4_error(ENOMEM, "ext4: no memory for a block");
	atomic_fetch_add_explicit(&c->misses, 1, memory_order_relaxed);
	r = load(fs, s, b);
	*out = r == 0 ? b : NULL;
	return r;
}

/* A buffer for blk, to be loaded by the caller; NULL if it is there already or none is free. */
static struct ext4_buf *
reserve(struct ext4_cache *c, uint64_t blk)
{
	struct ext4_shard *s = shard_of(c, blk);
	struct ext4_buf *b = NULL;

	os_lock_take(&s->lock);
	if (find(s, blk) == NULL && (b = victim(s)) != NULL)
		begin_load(s, b, blk);
	os_lock_give(&s->lock);
	return b;
}

void
ext4_bahead(struct ext4_fs *fs, uint64_t blk, uint32_t n)
{
	struct ext4_cache *c = &fs->cache;
	struct ext4_buf *held[AHEAD_BYTES / 1024];
	uint8_t *bytes;
	uint32_t got;
	int r = -ENOMEM;

	if (n > c->ahead_max)
		n = c->ahead_max;
	for (got = 0; got < n && blk + got < fs->blocks_count; got++)
		if ((held[got] = reserve(c, blk + got)) == NULL)
			break;
	if (got == 0)
		return;
	bytes = malloc((size_t)got << fs->block_bits);
	if (bytes != NULL)
		r = ext4_blocks_read(fs, blk, got, bytes);
	for (uint32_t i = 0; i < got; i++) {
		if (r == 0)
			memcpy(held[i]->data, bytes + ((size_t)i << fs->block_bits),
			    fs->block_size);
		end_load(shard_of(c, blk + i), held[i], r == 0);
		ext4_brelse(held[i]);
	}
	free(bytes);
}

struct ext4_buf *
ext4_bpeek(struct ext4_fs *fs, uint64_t blk)
{
	struct ext4_shard *s = shard_of(&fs->cache, blk);
	struct ext4_buf *b;

	os_lock_take(&s->lock);
	b = find(s, blk);
	if (b != NULL && b->valid) {
		atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
		b->recent = true;
	} else {
		b = NULL;
	}
	os_lock_give(&s->lock);
	return b;
}

int
ext4_bcopy(struct ext4_fs *fs, uint64_t blk, uint32_t n, uint8_t *dst)
{
	uint32_t most = (uint32_t)EXT4_RUN_BYTES >> fs->block_bits, absent = 0;

	for (uint32_t i = 0; i <= n; i++) {
		struct ext4_buf *b = i < n ? ext4_bpeek(fs, blk + i) : NULL;
		uint8_t *here = dst + ((size_t)i << fs->block_bits);

		if (absent > 0 && (b != NULL || i == n || absent == most)) {
			int r = ext4_blocks_read(fs, blk + i - absent, absent,
			    here - ((size_t)absent << fs->block_bits));

			if (r < 0) {
				ext4_brelse(b);
				return r;
			}
			absent = 0;
		}
		if (b != NULL)
			memcpy(here, b->data, fs->block_size);
		else
			absent++;
		ext4_brelse(b);
	}
	return 0;
}

static int
read_replaced(struct ext4_fs *fs, const struct ext4_overlay_entry *e, uint8_t *dst)
{
	static const uint8_t magic[4] = {0xc0, 0x3b, 0x39, 0x98};
	int r = fs->dev.read(fs->dev.ctx, dst, fs->block_size, e->at << fs->block_bits);

	if (r == 0 && e->escaped)
		memcpy(dst, magic, sizeof(magic));
	return r;
}

int
ext4_blocks_read(struct ext4_fs *fs, uint64_t blk, uint32_t n, uint8_t *dst)
{
	const struct ext4_overlay *o = &fs->overlay;
	size_t next = o->n > 0 ? ext4_overlay_find(o, blk) : 0;
	int r = 0;

	while (n > 0 && r == 0) {
		uint32_t part = n;

		atomic_fetch_add_explicit(&fs->cache.reads, 1, memory_order_relaxed);
		if (next < o->n && o->entry[next].blk == blk) {
			part = 1;
			r = read_replaced(fs, &o->entry[next++], dst);
		} else {
			if (next < o->n && o->entry[next].blk - blk < n)
				part = (uint32_t)(o->entry[next].blk - blk);
			r = fs->dev.read(fs->dev.ctx, dst, (size_t)part << fs->block_bits,
			    blk << fs->block_bits);
		}
		blk += part;
		dst += (size_t)part << fs->block_bits;
		n -= part;
	}
	return r;
}

static int
shard_init(struct ext4_fs *fs, struct ext4_shard *s, uint32_t nbufs, uint8_t *memory)
{
	uint32_t nbuckets = 16;

	while (nbuckets < nbufs)
		nbuckets *= 2;
	s->bufs = calloc(nbufs, sizeof(*s->bufs));
	s->bucket = calloc(nbuckets, sizeof(struct ext4_buf *));
	if (s->bufs == NULL || s->bucket == NULL)
		return -ENOMEM;
	s->nbufs = nbufs;
	s->mask = nbuckets - 1;
	for (uint32_t i = 0; i < nbufs; i++)
		s->bufs[i].data = memory + ((size_t)i << fs->block_bits);
	return 0;
}

int
ext4_cache_init(struct ext4_fs *fs, size_t bytes)
{
	struct ext4_cache *c = &fs->cache;
	uint32_t nbufs, each;
	int r = 0;

	if (bytes < EXT4_CACHE_MIN)
		bytes = EXT4_CACHE_MIN;
	nbufs = (uint32_t)(bytes >> fs->block_bits);
	c->nshards = nbufs >= 64 * EXT4_MAX_SHARDS ? EXT4_MAX_SHARDS : 1;
	each = nbufs / c->nshards;
	c->ahead_max = (uint32_t)AHEAD_BYTES >> fs->block_bits;
	if (c->ahead_max > nbufs / 8)
		c->ahead_max = nbufs / 8;
	if (bytes >> fs->block_bits <= UINT32_MAX)
		c->memory = malloc((size_t)each * c->nshards << fs->block_bits);
	if (c->memory == NULL)
		return ext4_error(ENOMEM, "ext4: no memory for a cache of %zu bytes", bytes);
	for (uint32_t i = 0; i < c->nshards && r == 0; i++)
		r = shard_init(fs, &c->shard[i], each,
		    c->memory + ((size_t)i * each << fs->block_bits));
	if (r < 0)
		ext4_cache_free(fs);
	return r;
}

void
ext4_cache_drop(struct ext4_fs *fs)
{
	struct ext4_cache *c = &fs->cache;

	for (uint32_t i = 0; i < c->nshards; i++) {
		struct ext4_shard *s = &c->shard[i];

		os_lock_take(&s->lock);
		for (uint32_t k = 0; k < s->nbufs; k++)
			s->bufs[k].valid = s->bufs[k].recent = false;
		memset(s->bucket, 0, (size_t)(s->mask + 1) * sizeof(struct ext4_buf *));
		os_lock_give(&s->lock);
	}
}

void
ext4_cache_free(struct ext4_fs *fs)
{
	struct ext4_cache *c = &fs->cache;

	for (uint32_t i = 0; i < c->nshards; i++) {
		free(c->shard[i].bufs);
		free(c->shard[i].bucket);
	}
	free(c->memory);
	memset(c, 0, sizeof(*c));
}
