/*
 * The cache: lines of 64 KiB of the device, replaced by the clock rule.  Such a line is read in
 * about the time of a sector, so it is the read-ahead as well; reads of a line or more go past it.
 *
 * A line is in one of these states, under the cache's lock:
 *
 *	free -> loading -> valid -> (no references, clock) -> free
 *	           \-> free: the load failed; who waited for it tries for himself
 *
 * When a line cannot be read, what is wanted of it is read by itself: so a bad sector costs only
 * itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "iso.h"

int
iso_cache_init(struct iso_fs *fs, size_t bytes)
{
	struct iso_cache *c = &fs->cache;

	if (bytes < ISO_CACHE_MIN)
		bytes = ISO_CACHE_MIN;
	c->nlines = (uint32_t)(bytes / ISO_LINE);
	c->hand = 0;
	c->line = calloc(c->nlines, sizeof *c->line);
	c->memory = malloc((size_t)c->nlines * ISO_LINE);
	if (bytes / ISO_LINE > UINT32_MAX || !c->line || !c->memory) {
		free(c->line);
		free(c->memory);
		return iso_error(ENOMEM, "no memory for a cache of %zu bytes", bytes);
	}
	for (uint32_t i = 0; i < c->nlines; i++)
		c->line[i].data = c->memory + (size_t)i * ISO_LINE;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	return 0;
}

void
iso_cache_free(struct iso_fs *fs)
{
	struct iso_cache *c = &fs->cache;

	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->changed);
	free(c->line);
	free(c->memory);
}

/* With the lock, in these three. */
static struct iso_line *
find(struct iso_cache *c, uint64_t at)
{
	const struct iso_line *l = &c->line[c->last];

	for (uint32_t i = 0; i < c->nlines && !((l->valid || l->loading) && l->at == at); i++) {
		c->last = i;
		l = &c->line[i];
	}
	return (l->valid || l->loading) && l->at == at ? &c->line[c->last] : NULL;
}

static struct iso_line *
victim(struct iso_cache *c)
{
	for (uint32_t i = 0; i < 2 * c->nlines; i++) {
		struct iso_line *l = &c->line[c->hand];

		c->hand = (c->hand + 1) % c->nlines;
		if (l->loading || l->refs)
			continue;
		if (!l->recent) {
			l->valid = false;
			return l;
		}
		l->recent = false;
	}
	return NULL;
}

static int
load(struct iso_fs *fs, struct iso_line *l, uint64_t at)
{
	struct iso_cache *c = &fs->cache;
	uint64_t left = fs->dev.size - at;
	int err;

	l->at = at;
	l->n = left < ISO_LINE ? (uint32_t)left : ISO_LINE;
	l->loading = true;
	pthread_mutex_unlock(&c->lock);
	err = fs->dev.read(fs->dev.ctx, l->data, l->n, at);
	pthread_mutex_lock(&c->lock);
	l->loading = false;
	l->valid = err == 0;
	pthread_cond_broadcast(&c->changed);
	return err;
}

/* The line, with a reference; NULL if it cannot be had, and what is wanted is to be read alone. */
static struct iso_line *
get(struct iso_fs *fs, uint64_t at)
{
	struct iso_cache *c = &fs->cache;
	struct iso_line *l;

	pthread_mutex_lock(&c->lock);
	while ((l = find(c, at)) && l->loading)
		pthread_cond_wait(&c->changed, &c->lock);
	if (!l && (l = victim(c)) && load(fs, l, at) < 0)
		l = NULL;
	if (l) {
		l->refs++;
		l->recent = true;
	}
	pthread_mutex_unlock(&c->lock);
	return l;
}

static void
put(struct iso_fs *fs, struct iso_line *l)
{
	pthread_mutex_lock(&fs->cache.lock);
	l->refs--;
	pthread_mutex_unlock(&fs->cache.lock);
}

int
iso_read(struct iso_fs *fs, uint64_t off, void *buf, size_t n)
{
	uint8_t *p = buf;

	if (off > fs->dev.size || n > fs->dev.size - off)
		return iso_error(EUCLEAN, "iso: %zu bytes at %llu are not in the device's %llu", n,
				 (unsigned long long)off, (unsigned long long)fs->dev.size);
	if (n >= ISO_LINE)
		return fs->dev.read(fs->dev.ctx, buf, n, off);
	while (n > 0) {
		uint64_t skip = off % ISO_LINE;
		size_t part = ISO_LINE - skip < n ? ISO_LINE - skip : n;
		struct iso_line *l = get(fs, off - skip);
		int err = 0;

		if (l) {
			memcpy(p, l->data + skip, part);
			put(fs, l);
		} else
			err = fs->dev.read(fs->dev.ctx, p, part, off);
		if (err < 0)
			return err;
		p += part;
		off += part;
		n -= part;
	}
	return 0;
}
