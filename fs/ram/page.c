/*
 * Contiguous pages by the buddy method, in slabs of 1 MiB from the system.
 *
 * A block is 2^order pages, order 0 to 4.  Each slab has one byte for each of its pages: for the
 * first page of a block its order, with FREE when the block is free; NONE for the other pages.
 * Free blocks are linked through their own first bytes.  A slab that is wholly free goes back to
 * the system, but for one that is kept.  pages.lock protects all of it.
 */
#include "ram.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SLAB_PAGES	(RAM_SLAB / RAM_PAGE)
#define TOP		(RAM_ORDERS - 1)
#define FREE		0x80
#define NONE		0x7f

struct ram_slab {
	uint8_t *base;
	unsigned used;			/* blocks */
	uint8_t state[SLAB_PAGES];
};

struct ram_block {			/* at the start of a free block */
	struct ram_block *next, *prev;
	struct ram_slab *slab;
};

void
ram_pages_init(struct ram_pages *p)
{
	memset(p, 0, sizeof *p);
	pthread_mutex_init(&p->lock, NULL);
}

static unsigned
order_of(uint32_t size)
{
	unsigned order = 0;
	while (order < TOP && (RAM_PAGE << order) < size)
		order++;
	return order;
}

static unsigned
page_of(const struct ram_slab *s, const void *block)
{
	return (unsigned)((const uint8_t *)block - s->base) / RAM_PAGE;
}

static void
push(struct ram_pages *p, struct ram_slab *s, unsigned page, unsigned order)
{
	struct ram_block *b = (void *)(s->base + page * RAM_PAGE);
	s->state[page] = (uint8_t)(order | FREE);
	*b = (struct ram_block){ .next = p->free[order], .slab = s };
	if (b->next)
		b->next->prev = b;
	p->free[order] = b;
}

static void
unlink_block(struct ram_pages *p, struct ram_block *b, unsigned order)
{
	if (b->next)
		b->next->prev = b->prev;
	if (b->prev)
		b->prev->next = b->next;
	else
		p->free[order] = b->next;
	b->slab->state[page_of(b->slab, b)] = NONE;
}

static bool
slab_new(struct ram_pages *p)
{
	struct ram_slab *s = malloc(sizeof *s);
	if (!s)
		return false;
	s->base = mmap(NULL, RAM_SLAB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->base == MAP_FAILED) {
		free(s);
		return false;
	}
	s->used = 0;
	memset(s->state, NONE, sizeof s->state);
	/* From the end, so that the lowest addresses are used first. */
	for (unsigned page = SLAB_PAGES; page > 0; page -= 1u << TOP)
		push(p, s, page - (1u << TOP), TOP);
	p->nslabs++;
	p->nempty++;
	return true;
}

static void
slab_free(struct ram_pages *p, struct ram_slab *s)
{
	for (unsigned page = 0; page < SLAB_PAGES; page += 1u << TOP)
		unlink_block(p, (void *)(s->base + page * RAM_PAGE), TOP);
	munmap(s->base, RAM_SLAB);
	free(s);
	p->nslabs--;
	p->nempty--;
}

uint8_t *
ram_page_alloc(struct ram_pages *p, uint32_t size, struct ram_slab **slab)
{
	unsigned want = order_of(size), order = want;
	pthread_mutex_lock(&p->lock);
	while (order < RAM_ORDERS && !p->free[order])
		order++;
	if (order == RAM_ORDERS) {
		order = TOP;
		if (!slab_new(p)) {
			pthread_mutex_unlock(&p->lock);
			return NULL;
		}
	}
	struct ram_block *b = p->free[order];
	struct ram_slab *s = b->slab;
	unsigned page = page_of(s, b);
	unlink_block(p, b, order);
	while (order > want) {
		order--;
		push(p, s, page + (1u << order), order);
	}
	s->state[page] = (uint8_t)want;
	if (s->used++ == 0)
		p->nempty--;
	pthread_mutex_unlock(&p->lock);
	*slab = s;
	return (uint8_t *)b;
}

void
ram_page_free(struct ram_pages *p, struct ram_slab *s, uint8_t *data, uint32_t size)
{
	unsigned order = order_of(size), page = page_of(s, data);
	pthread_mutex_lock(&p->lock);
	assert(s->state[page] == order);
	s->state[page] = NONE;
	while (order < TOP) {
		unsigned buddy = page ^ 1u << order;
		if (s->state[buddy] != (order | FREE))
			break;
		unlink_block(p, (void *)(s->base + buddy * RAM_PAGE), order);
		page &= ~(1u << order);
		order++;
	}
	push(p, s, page, order);
	if (--s->used == 0 && ++p->nempty > 1)
		slab_free(p, s);
	pthread_mutex_unlock(&p->lock);
}

void
ram_pages_free(struct ram_pages *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->free[TOP] && p->nempty > 0)
		slab_free(p, p->free[TOP]->slab);
	assert(p->nslabs == 0);
	pthread_mutex_unlock(&p->lock);
	pthread_mutex_destroy(&p->lock);
}
