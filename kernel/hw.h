/*
 * The hardware files' calls on each other, and what process exit needs of them.
 */
#pragma once
#include <lux9/sys.h>

#include "chan.h"
#include "kernel.h"

struct pci_func;
struct proc;

/*
 * Called first when a process ends, in its last thread or on its behalf, with no spinlock held:
 * takes the hardware from it.  May sleep.  fence.c.
 */
void hw_proc_exit(struct proc *p);
/* Called when a process that a server slot started ends.  dev/sip.c. */
void sip_proc_exit(struct proc *p, const struct sys_wait *end);

/* Modes of the files, as in sys_stat.mode. */
enum { HW_DIR = 0040555, HW_READ = 0100444, HW_RW = 0100666, HW_WRITE = 0100222 };

/* dev/irq.c: files for messages.  Numbers are IRQ_MESSAGE_BASE + handle. */
#define IRQ_MESSAGE_BASE 256
#define IRQ_MESSAGES_MAX 32
/* n vectors for p, each a file; a block is for MSI: n is a power of two. */
int irqdev_messages(struct proc *p, const char *name, unsigned n, bool block, int *handles);
/* The message is off at its device; readers get an error. */
void irqdev_message_free(int handle);
/* Gives up all lines of p: masked, if nobody else has them. */
void irqdev_proc_exit(struct proc *p);

#define MUTEX_STATIC(m, n) { SPINLOCK(n), false, { LIST_INIT((m).queue.waiters) } }

/* dev/pci.c, of a process that is ending: nobody else changes what it owns */
/* The function that comes after `after` (NULL: the first); NULL: there is none. */
struct pci_func *pcidev_owned(const struct proc *p, const struct pci_func *after);
void pcidev_disown(struct pci_func *f);	/* vectors and ownership */

/* dev/mem.c */
/* The end of a map of /dev/mem that overlaps the range, or 0. */
uint64_t memdev_map_over(paddr_t pa, uint64_t n);

/* dev/dma.c */
#define DMA_ANY_DEVICE 0xffffffffu
/*
 * Releases p's buffers: at once if `quiet`, otherwise when dma_quiet() is called for the function
 * (DMA_ANY_DEVICE: for none), or a bounded time later.
 */
void dma_proc_exit(struct proc *p, bool quiet, unsigned bdf);
void dma_quiet(unsigned bdf);
/*
 * n bytes of private memory of as, for a request to the current process, which drives a device:
 * access as for as_pin.  NULL: the data is to be copied.
 */
struct buffer;
struct buffer *dma_pin(struct as *as, uint64_t addr, size_t n, unsigned access);
const struct dma_seg *dma_pinned(const struct buffer *b, size_t *bytes);	/* the list */
/* The request is over: by an answer; or without one, and the pages wait for the device. */
void dma_unpin(struct buffer *b);
void dma_buffer_put(struct buffer *b);		/* takes no lock */

/* A text that a channel's next reads give, whatever their offset, until it has been read. */
struct answer {
	size_t length, done;
	char text[128];
};

/* Such a channel's `close`: its aux is an answer. */
static inline void
answer_close(struct chan *c)
{
	kfree(c->aux);
	c->aux = NULL;
}

static inline int64_t
answer_read(struct answer *a, struct uio *u)
{
	size_t n = MIN(u->left, a->length - a->done);
	int r = uio_put(u, a->text + a->done, n);

	if (r < 0)
		return r;
	a->done += n;
	return (int64_t)n;
}
