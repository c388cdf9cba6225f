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
 * masks its interrupts, stops bus mastering of its functions, resets them if they can be, and
 * then releases its DMA buffers and vectors.  May sleep.  dev/pci.c.
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

/* dev/dma.c */
#define DMA_ANY_DEVICE 0xffffffffu
/*
 * Releases p's buffers: at once if `quiet`, otherwise when dma_quiet() is called for the
 * function, or a bounded time later.
 */
void dma_proc_exit(struct proc *p, unsigned bdf, bool quiet);
void dma_quiet(unsigned bdf);

/* A text that a channel's next reads give, whatever their offset, until it has been read. */
struct answer {
	size_t length, done;
	char text[128];
};

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

/*
 * hw.c.  For devices whose tree is dev->gen, or that are one file: path 0 is a directory.  A new
 * channel has no aux.
 */
int hw_attach(const struct dev *d, uint64_t path, struct chan **out);
int hw_walk(struct chan *c, int n, const char *const *names, int *done, struct qid *qids,
	    struct chan **out);
int64_t hw_readdir(struct chan *c, void *buf, size_t n, uint64_t off);
int hw_stat(struct chan *c, struct sys_stat *st);
/* Splits in place at blanks: how many, at most max; -1 if there are more. */
int text_words(char *s, char **words, int max);
/* Decimal or 0x hex, whole word, at most max: 0 or -EINVAL. */
int text_number(const char *s, uint64_t max, uint64_t *out);
/* As text_number, with a suffix K, M or G. */
int text_size(const char *s, uint64_t max, uint64_t *out);
