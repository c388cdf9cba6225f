/*
 * The kernel's heap: slabs of objects of a few sizes, and whole blocks of pages above those.
 *
 * A slab is a block of pages with a header and objects behind it; a free object holds the link to
 * the next.  A slab with a free object is on its class's list; an empty one goes back to the page
 * allocator, except the last.  One lock a class.
 */
#include "page.h"

struct slab {
	struct list link;
	void *free;
	uint32_t used, class_index;
};

struct class {
	uint32_t size, order;
	struct spinlock lock;
	struct list partial;
	uint32_t nempty;
};

#define CLASS(s, o) { .size = (s), .order = (o), .lock = SPINLOCK("heap") }
static struct class classes[] = {
	CLASS(32, 0), CLASS(64, 0), CLASS(96, 0), CLASS(128, 0), CLASS(192, 0), CLASS(256, 0),
	CLASS(384, 0), CLASS(512, 0), CLASS(768, 1), CLASS(1024, 1), CLASS(2048, 2), CLASS(4096, 3),
};
static uint64_t heap_bytes;

static struct class *
class_for(size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (n <= classes[i].size)
			return &classes[i];
	return NULL;
}

static struct slab *
slab_new(struct class *c)
{
	paddr_t pa = page_alloc(c->order, 0);

	if (pa == 0)
		return NULL;
	struct slab *s = phys_to_virt(pa);
	size_t bytes = PAGE_SIZE << c->order;

	s->free = NULL;
	s->used = 0;
	s->class_index = (uint32_t)(c - classes);
	for (size_t off = ROUND_UP(sizeof *s, 32ul); off + c->size <= bytes; off += c->size) {
		void **object = (void **)((char *)s + off);

		*object = s->free;
		s->free = object;
	}
	for (unsigned i = 0; i < 1u << c->order; i++) {
		page_of(pa + i * PAGE_SIZE)->use = PAGE_SLAB;
		page_of(pa + i * PAGE_SIZE)->head = (uint16_t)i;
	}
	return s;
}

static void
slab_free(struct slab *s, unsigned order)
{
	paddr_t pa = virt_to_phys(s);

	for (unsigned i = 1; i < 1u << order; i++)
		page_of(pa + i * PAGE_SIZE)->use = PAGE_RESERVED;
	page_put(pa, order);
}

static void *
big_alloc(size_t n)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < n && order <= PAGE_ORDER_MAX)
		order++;
	paddr_t pa = page_alloc(order, 0);

	if (pa == 0)
		return NULL;
	page_of(pa)->use = PAGE_BIG;
	__atomic_add_fetch(&heap_bytes, PAGE_SIZE << order, __ATOMIC_RELAXED);
	return phys_to_virt(pa);
}

void *
kmalloc(size_t n)
{
	struct class *c = class_for(n);

	if (alloc_debug_fails())
		return NULL;
	if (c == NULL)
		return big_alloc(n);
	spin_lock(&c->lock);
	if (c->partial.next == NULL)
		list_init(&c->partial);
	if (list_empty(&c->partial)) {
		struct slab *fresh = slab_new(c);

		if (fresh == NULL) {
			spin_unlock(&c->lock);
			return NULL;
		}
		list_push(&c->partial, &fresh->link);
		c->nempty++;
	}
	struct slab *s = list_entry(c->partial.next, struct slab, link);
	void **object = s->free;

	s->free = *object;	/* NOLINT: a partial slab has one free */
	if (s->used++ == 0)
		c->nempty--;
	if (s->free == NULL)
		list_remove(&s->link);
	spin_unlock(&c->lock);
	__atomic_add_fetch(&heap_bytes, c->size, __ATOMIC_RELAXED);
	return object;
}

void *
kzalloc(size_t n)
{
	void *p = kmalloc(n);

	if (p != NULL)
		memset(p, 0, n);
	return p;
}

void
kfree(void *p)
{
	if (p == NULL)
		return;
	struct page *pg = page_of(virt_to_phys(p));

	if (pg->use == PAGE_BIG) {
		__atomic_sub_fetch(&heap_bytes, PAGE_SIZE << pg->order, __ATOMIC_RELAXED);
		page_put(virt_to_phys(p), pg->order);
		return;
	}
	KASSERT(pg->use == PAGE_SLAB);
	struct slab *s = phys_to_virt(ROUND_DOWN(virt_to_phys(p), PAGE_SIZE) -
				      pg->head * PAGE_SIZE);
	struct class *c = &classes[s->class_index];
	struct slab *empty = NULL;

	__atomic_sub_fetch(&heap_bytes, c->size, __ATOMIC_RELAXED);
	spin_lock(&c->lock);
	if (s->free == NULL)
		list_push(&c->partial, &s->link);
	*(void **)p = s->free;
	s->free = p;
	if (--s->used == 0) {
		if (c->nempty > 0) {
			list_remove(&s->link);
			empty = s;
		} else {
			c->nempty++;
		}
	}
	spin_unlock(&c->lock);
	if (empty != NULL)
		slab_free(empty, c->order);
}

size_t
heap_used(void)
{
	return heap_bytes;
}
