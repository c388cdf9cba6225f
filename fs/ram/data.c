/*
 * A file's bytes: chunks of up to 64 KiB under a radix tree of 64 ways.
 *
 *	height 0	root is the chunk of key 0
 *	height h	root is a node; keys below 64^h
 *
 * The first chunk is as large as it must be, by powers of 2 from 4 KiB, so that a small file costs
 * little; the others have 64 KiB at once.  Bytes of a chunk past the file's end are zero, always:
 * growing a file need not look at them.
 *
 * The inode's lock is held by the caller, for writing where the file changes.
 */
#include "ram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WAYS_BITS	6
#define WAYS		(1u << WAYS_BITS)
#define HEIGHT_MAX	8	/* 64^8 chunks of 2^16: past INT64_MAX bytes */

struct node {
	void *slot[WAYS];
};

struct ram_chunk *
ram_chunk_at(const struct ram_data *d, uint64_t key)
{
	void *p = d->root;
	unsigned shift = d->height * WAYS_BITS;
	if (key >> shift)
		return NULL;
	while (shift > 0 && p) {
		shift -= WAYS_BITS;
		p = ((struct node *)p)->slot[key >> shift & (WAYS - 1)];
	}
	return p;
}

void
ram_chunk_put(struct ram_chunk *c)
{
	if (atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	ram_page_free(&c->fs->pages, c->slab, c->data, c->size);
	ram_credit(c->fs, c->size + sizeof *c);
	free(c);
}

static struct ram_chunk *
chunk_new(struct ram_fs *fs, uint32_t size)
{
	if (ram_charge(fs, size + sizeof(struct ram_chunk)) < 0)
		return NULL;
	struct ram_chunk *c = malloc(sizeof *c);
	if (c) {
		*c = (struct ram_chunk){ .refs = 1, .size = size, .fs = fs };
		c->data = ram_page_alloc(&fs->pages, size, &c->slab);
		if (c->data)
			return c;
		free(c);
	}
	ram_credit(fs, size + sizeof *c);
	return NULL;
}

static struct node *
node_new(struct ram_fs *fs)
{
	if (ram_charge(fs, sizeof(struct node)) < 0)
		return NULL;
	struct node *n = calloc(1, sizeof *n);
	if (!n)
		ram_credit(fs, sizeof *n);
	return n;
}

static void
node_free(struct ram_fs *fs, struct node *n)
{
	ram_credit(fs, sizeof *n);
	free(n);
}

/* Where the chunk of `key` is noted, with the nodes above it made; NULL: no memory. */
static void **
place(struct ram_fs *fs, struct ram_data *d, uint64_t key)
{
	while (key >> (d->height * WAYS_BITS)) {
		if (d->root) {
			struct node *n = node_new(fs);
			if (!n)
				return NULL;
			n->slot[0] = d->root;
			d->root = n;
		}
		d->height++;
	}
	void **p = &d->root;
	for (unsigned shift = d->height * WAYS_BITS; shift > 0; ) {
		if (!*p && !(*p = node_new(fs)))
			return NULL;
		shift -= WAYS_BITS;
		p = &((struct node *)*p)->slot[key >> shift & (WAYS - 1)];
	}
	return p;
}

void
ram_read(const struct ram_inode *i, uint64_t off, void *buf, size_t n)
{
	uint8_t *to = buf;
	while (n > 0) {
		uint32_t at = (uint32_t)off & (RAM_CHUNK - 1);
		size_t len = RAM_CHUNK - at < n ? RAM_CHUNK - at : n;
		const struct ram_chunk *c = ram_chunk_at(&i->data, off / RAM_CHUNK);
		size_t have = c && at < c->size ? c->size - at : 0;
		if (have > len)
			have = len;
		if (have)
			memcpy(to, c->data + at, have);
		memset(to + have, 0, len - have);
		to += len;
		off += len;
		n -= len;
	}
}

static uint32_t
chunk_size(uint64_t key, uint32_t end)
{
	uint32_t size = key ? RAM_CHUNK : RAM_PAGE;
	while (size < end)
		size *= 2;
	return size;
}

/* The chunk of `key`, with room to `end`; of a new one, bytes at..end are left as they are. */
static struct ram_chunk *
chunk_for(struct ram_inode *i, uint64_t key, uint32_t at, uint32_t end)
{
	struct ram_chunk *old = ram_chunk_at(&i->data, key);
	if (old && old->size >= end)
		return old;
	struct ram_chunk *c = chunk_new(i->fs, chunk_size(key, end));
	if (!c)
		return NULL;
	uint32_t have = old ? old->size : 0;
	void **p = place(i->fs, &i->data, key);
	if (!p) {
		ram_chunk_put(c);
		return NULL;
	}
	if (old)
		memcpy(c->data, old->data, have);
	if (at > have)
		memset(c->data + have, 0, at - have);
	memset(c->data + end, 0, c->size - end);
	*p = c;
	i->data.bytes += c->size - have;
	if (old)
		ram_chunk_put(old);
	return c;
}

int64_t
ram_write(struct ram_inode *i, uint64_t off, const void *buf, size_t n)
{
	const uint8_t *from = buf;
	size_t done = 0;
	if (off > INT64_MAX || n > INT64_MAX - off)
		return -EFBIG;
	while (done < n) {
		uint32_t at = (uint32_t)off & (RAM_CHUNK - 1);
		size_t len = RAM_CHUNK - at < n - done ? RAM_CHUNK - at : n - done;
		struct ram_chunk *c = chunk_for(i, off / RAM_CHUNK, at, at + (uint32_t)len);
		if (!c)
			break;
		memcpy(c->data + at, from + done, len);
		done += len;
		off += len;
		if (off > i->size)
			i->size = off;
	}
	return done || !n ? (int64_t)done : -ENOSPC;
}

static void
cut_chunk(struct ram_inode *i, void **p)
{
	struct ram_chunk *c = *p;
	i->data.bytes -= c->size;
	*p = NULL;
	ram_chunk_put(c);
}

/* Frees the chunks from `key` on below *p; the node too when nothing is left in it. */
static void
cut(struct ram_inode *i, void **p, unsigned height, uint64_t key)
{
	if (!*p)
		return;
	if (height == 0) {
		cut_chunk(i, p);
		return;
	}
	struct node *n = *p;
	unsigned shift = (height - 1) * WAYS_BITS;
	uint64_t first = key >> shift;
	bool left = false;
	for (unsigned w = 0; w < WAYS; w++) {
		if (w == first)		/* at most HEIGHT_MAX deep */
			cut(i, &n->slot[w], height - 1, key & ((1ull << shift) - 1));
		else if (w > first)
			cut(i, &n->slot[w], height - 1, 0);
		left |= n->slot[w] != NULL;
	}
	if (!left) {
		node_free(i->fs, n);
		*p = NULL;
	}
}

static void
cut_from(struct ram_inode *i, uint64_t key)
{
	_Static_assert(HEIGHT_MAX * WAYS_BITS < 64, "a key's bits can be shifted");
	if (!(key >> (i->data.height * WAYS_BITS)))
		cut(i, &i->data.root, i->data.height, key);
	if (!i->data.root)
		i->data.height = 0;
}

int
ram_truncate(struct ram_inode *i, uint64_t size)
{
	if (size > INT64_MAX)
		return -EFBIG;
	if (size < i->size) {
		uint32_t at = (uint32_t)size & (RAM_CHUNK - 1);
		cut_from(i, size / RAM_CHUNK + (at != 0));
		struct ram_chunk *c = at ? ram_chunk_at(&i->data, size / RAM_CHUNK) : NULL;
		if (c && c->size > at)
			memset(c->data + at, 0, c->size - at);
	}
	i->size = size;
	return 0;
}

void
ram_data_free(struct ram_inode *i)
{
	cut_from(i, 0);
}
