/*
 * Memory for DMA: pieces of the machine's memory, which is a file.  Its driver maps the file, the
 * device models reach the same pages: nothing is copied, and nothing is pretended.
 *
 * The file's pages come into being when somebody touches them.  Nobody but a driver and its device
 * does, so a page that is there and in no buffer is one that a device was sent to by mistake: that
 * is how such accesses are found (dma_wild).  Between two buffers is a page that is nobody's, and
 * the pages of one that is freed are taken out of the file.
 */
#include "machine.h"
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wish {
	uint64_t size, align;
	int bdf;
};

static int
parse_size(const char *text, uint64_t *out)
{
	char *end;

	*out = strtoull(text, &end, 0);
	if (*end == 'K')
		*out <<= 10;
	if (*end == 'M')
		*out <<= 20;
	end += *end == 'K' || *end == 'M';
	return text != end && !*end && *out <= DMA_MAX ? 0 : -EINVAL;
}

static int
parse(struct machine *m, struct process *p, char *text, struct wish *w)
{
	char *rest = NULL, *word, *value = NULL;
	unsigned b, d, fn;
	struct func *f;

	*w = (struct wish){ .align = PAGE, .bdf = BDF_ALL };
	for (word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
		if (strcmp(word, "dma32") == 0)
			continue;
		value = strtok_r(NULL, " \n", &rest);
		if (value && strcmp(word, "size") == 0 && parse_size(value, &w->size) == 0)
			continue;
		if (value && strcmp(word, "align") == 0 && parse_size(value, &w->align) == 0)
			continue;
		if (!value || strcmp(word, "device") != 0 || !sip_pci_addr_ok(value))
			return -EINVAL;
		sscanf(value, "%u.%u.%u", &b, &d, &fn);
		f = func_find(m, b << 8 | d << 3 | fn);
		if (!f || !func_granted(p, f))
			return machine_refuse(m, "dma: %s is not granted", value);
		w->bdf = (int)f->bdf;
	}
	return w->size && w->align && !(w->align & (w->align - 1)) ? 0 : -EINVAL;
}

/* The end of a buffer that overlaps [at, at + size) with a page around it; 0: none does. */
static uint64_t
in_the_way(const struct machine *m, uint64_t at, uint64_t size)
{
	for (unsigned i = 0; i < BUFFERS_MAX; i++) {
		const struct buffer *b = &m->buffer[i];

		if (b->size && at < b->paddr + b->size + PAGE && at + size + PAGE > b->paddr)
			return b->paddr + b->size + PAGE;
	}
	return 0;
}

static uint64_t
find_room(const struct machine *m, uint64_t size, uint64_t align)
{
	uint64_t at = DMA_BASE, next;

	for (;;) {
		at = (at + align - 1) & ~(align - 1);
		if (at + size + PAGE > m->vectors_paddr)
			return 0;
		next = in_the_way(m, at, size);
		if (!next)
			return at;
		at = next;
	}
}

int
dma_alloc(struct machine *m, struct process *p, char *text)
{
	unsigned i = 0;
	struct wish w;
	uint64_t at, size;
	int rc = parse(m, p, text, &w);

	if (rc == -EINVAL)
		os_set_errstr("dma: write `size BYTES [align BYTES] [device B.D.F]`");
	if (rc < 0)
		return rc;
	size = (w.size + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	while (i < BUFFERS_MAX && m->buffer[i].size)
		i++;
	at = i < BUFFERS_MAX ? find_room(m, size, w.align < PAGE ? PAGE : w.align) : 0;
	if (!at) {
		os_set_errstr("dma: no %llu bytes in a row are free", (unsigned long long)size);
		return -ENOMEM;
	}
	m->buffer[i] = (struct buffer){ .paddr = at, .size = size, .asked = w.size, .owner = p,
		.bdf = w.bdf };
	return (int)i;
}

struct buffer *
dma_find(struct machine *m, struct process *p, unsigned handle)
{
	struct buffer *b = handle < BUFFERS_MAX ? &m->buffer[handle] : NULL;

	if (b && b->size && b->owner == p)
		return b;
	os_set_errstr("dma: this process has no buffer %u", handle);
	return NULL;
}

void
dma_free(struct machine *m, struct buffer *b)
{
	fallocate(m->memory_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)b->paddr,
		(off_t)b->size);
	b->size = 0;
}

void
dma_process_exit(struct machine *m, struct process *p)
{
	for (unsigned i = 0; i < BUFFERS_MAX; i++) {
		struct buffer *b = &m->buffer[i];
		const struct func *f;

		if (!b->size || b->owner != p)
			continue;
		f = b->bdf == BDF_ALL ? NULL : func_find(m, (unsigned)b->bdf);
		b->owner = NULL;
		if (!f || !f->unquiet)
			dma_free(m, b);
	}
}

void
dma_quiet(struct machine *m, unsigned bdf)
{
	for (unsigned i = 0; i < BUFFERS_MAX; i++) {
		struct buffer *b = &m->buffer[i];

		if (b->size && !b->owner && b->bdf == (int)bdf)
			dma_free(m, b);
	}
}

static bool
in_buffer(const struct machine *m, uint64_t at)
{
	if (at >= m->vectors_paddr)
		return true;
	for (unsigned i = 0; i < BUFFERS_MAX; i++)
		if (m->buffer[i].size && at >= m->buffer[i].paddr &&
		    at < m->buffer[i].paddr + m->buffer[i].size)
			return true;
	return false;
}

unsigned
dma_wild(struct machine *m, uint64_t *first)
{
	unsigned n = 0;
	off_t at = 0, end;

	while ((at = lseek(m->memory_fd, at, SEEK_DATA)) >= 0) {
		end = lseek(m->memory_fd, at, SEEK_HOLE);
		for (at &= ~(off_t)(PAGE - 1); at < end; at += PAGE)
			if (!in_buffer(m, (uint64_t)at) && !n++)
				*first = (uint64_t)at;
	}
	return n;
}

void
dma_lie(struct machine *m, const struct process *p)
{
	const struct buffer *of_process[BUFFERS_MAX], *b;
	unsigned n = 0;
	size_t at;

	if (!p || !liar_now(&m->liar, LIAR_MEMORY))
		return;
	for (unsigned i = 0; i < BUFFERS_MAX; i++)
		if (m->buffer[i].size && m->buffer[i].owner == p)
			of_process[n++] = &m->buffer[i];
	if (!n)
		return;
	b = of_process[liar_random(&m->liar) % n];
	at = liar_random(&m->liar) % (b->size / PAGE) * PAGE;
	liar_memory(&m->liar, m->ram + b->paddr + at, PAGE);
}
