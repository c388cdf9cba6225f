/*
 * A driver for QEMU's `edu` device: the example to copy from.
 *
 * What a driver does, in the order in which it happens:
 *	attach		enable the function, map its registers, check who it is, get memory for
 *			DMA, ask for interrupts
 *	interrupt	in a thread of its own: read the cause, acknowledge it, wake who waits
 *	requests	one function for each file of its directory; man/4/edu
 *	health		once a second: is the device still there?
 *	detach		quiet the device first, then give everything back
 *
 * One lock: `one` is held for a whole command, which sleeps until the interrupt thread sets its
 * event, or until EDU_TIMEOUT_MS have gone by.
 */
#include "edu.h"
#include "os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t edu_reach = 28;
static const struct sip_option options[] = {
	{ "reach", "BITS", "address bits of its DMA (28)", SIP_OPT_NUMBER, &edu_reach }, {},
};
static const struct sip_pci_match match[] = {
	{ .vendor = 0x1234, .device = 0x11e8 },
	{ 0 },
};

/* It answers with the complement of what is written, when it lives. */
static bool
alive(const struct edu *e)
{
	sip_write32(&e->regs, EDU_LIVE, 0x12345678);
	return sip_read32(&e->regs, EDU_LIVE) == ~0x12345678u;
}

static void
release(struct edu *e)
{
	sip_dma_free(e->dev, &e->dma);
	sip_dev_unmap(e->dev, &e->regs);
	free(e);
}

/* Everything that can fail; what was done is undone by the caller. */
static int
bring_up(struct edu *e)
{
	int err = sip_dev_enable(e->dev);
	if (err == 0)
		err = sip_dev_map(e->dev, 0, &e->regs);
	if (err < 0)
		return err;
	if ((sip_read32(&e->regs, EDU_ID) & 0xff) != EDU_ID_MAGIC || !alive(e))
		return -ENODEV;
	/* It has no reset: a transfer that a dead driver began ends by itself, in nothing. */
	if (!sip_wait32(&e->regs, EDU_DMA_CMD, EDU_DMA_START, 0, EDU_TIMEOUT_MS))
		return sip_fail(e->dev->server, -ETIMEDOUT, "its last transfer does not end");
	err = sip_dev_forget(e->dev);
	e->dev->dma32 = edu_reach <= 32;
	if (err == 0)
		err = sip_dma_alloc(e->dev, EDU_BUFFER_SIZE, EDU_BUFFER_SIZE, &e->dma);
	if (err < 0)
		return err;
	if (edu_reach < 64 && (e->dma.paddr + EDU_BUFFER_SIZE - 1) >> edu_reach)
		return sip_fail(e->dev->server, -ERANGE, "memory at 0x%llx is out of its reach",
			(unsigned long long)e->dma.paddr);
	sip_write32(&e->regs, EDU_IRQ_ACK, sip_read32(&e->regs, EDU_IRQ_STATUS));
	err = sip_dev_msi(e->dev, 1);
	if (err >= 0)
		err = sip_dev_interrupts(e->dev, err);
	return err < 0 ? err : sip_dev_busmaster(e->dev, true);
}

static int
attach(struct sip_server *s, struct sip_dev *d)
{
	struct edu *e = calloc(1, sizeof *e);
	if (!e)
		return -ENOMEM;
	e->dev = d;
	e->timeout_ms = EDU_TIMEOUT_MS;
	pthread_mutex_init(&e->one, NULL);
	sip_event_init(&e->event);
	s->priv = d->priv = e;		/* the interrupt thread needs it from the first moment */
	int err = bring_up(e);
	if (err < 0) {
		sip_dev_quiet(d);
		s->priv = d->priv = NULL;
		release(e);
	}
	return err;
}

static void
detach(struct sip_server *s, struct sip_dev *d)
{
	struct edu *e = d->priv;
	sip_dev_busmaster(d, false);	/* before the memory it may write to goes */
	s->priv = d->priv = NULL;
	release(e);
}

/* The acknowledgement comes before the wake-up: the next command may raise the line again. */
static void
interrupt(struct sip_server *, struct sip_dev *d, uint64_t count, uint64_t)
{
	struct edu *e = d->priv;
	uint32_t cause = sip_read32(&e->regs, EDU_IRQ_STATUS);
	if (!cause)
		return;		/* a shared line; another device's */
	sip_write32(&e->regs, EDU_IRQ_ACK, cause);
	e->interrupts += count;
	sip_event_set(&e->event, cause);
}

static int
health(struct sip_server *s)
{
	struct edu *e = s->priv;
	if (pthread_mutex_trylock(&e->one) != 0)
		return 0;		/* busy: its deadline watches it */
	bool ok = alive(e);
	pthread_mutex_unlock(&e->one);
	return ok ? 0 : -EIO;
}

/* The directory: a text is asked for whole; a command comes without its newline. */
static int
wait_for(struct edu *e, uint32_t bits)
{
	int err = sip_event_wait(&e->event, bits, e->timeout_ms);
	if (err < 0)
		os_set_errstr("no interrupt in %u ms", e->timeout_ms);
	return err;
}

static int
read_id(struct sip_server *s, char *buf, size_t n)
{
	struct edu *e = s->priv;
	uint32_t id = sip_read32(&e->regs, EDU_ID);
	return snprintf(buf, n, "version %u.%u\ndevice %s\n", id >> 24, id >> 16 & 0xff,
		e->dev->info.addr);
}

static int
read_factorial(struct sip_server *s, char *buf, size_t n)
{
	struct edu *e = s->priv;
	pthread_mutex_lock(&e->one);	/* while it computes, the register has the argument */
	uint32_t result = sip_read32(&e->regs, EDU_FACTORIAL);
	pthread_mutex_unlock(&e->one);
	return snprintf(buf, n, "%u\n", result);
}

static int
compute(struct sip_server *s, char *text)
{
	struct edu *e = s->priv;
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	if (end == text || *end || value > 1000000) {
		os_set_errstr("'%.20s' is not a number from 0 to 1000000", text);
		return -EINVAL;
	}
	pthread_mutex_lock(&e->one);
	sip_event_clear(&e->event, EDU_IRQ_FACTORIAL);
	sip_write32(&e->regs, EDU_STATUS, EDU_STATUS_IRQ);
	sip_write32(&e->regs, EDU_FACTORIAL, (uint32_t)value);
	int err = sip_fault(s, e, NULL) ? 0 : wait_for(e, EDU_IRQ_FACTORIAL);
	pthread_mutex_unlock(&e->one);
	return err;
}

/* The device moves n bytes at `off` of its memory, to or from the start of ours.  `one` is held. */
static int
transfer(struct edu *e, bool to_memory, size_t n, uint64_t off)
{
	uint64_t device = EDU_BUFFER + off;
	sip_event_clear(&e->event, EDU_IRQ_DMA);
	sip_write64(&e->regs, EDU_DMA_SRC, to_memory ? device : e->dma.paddr);
	sip_write64(&e->regs, EDU_DMA_DST, to_memory ? e->dma.paddr : device);
	sip_write64(&e->regs, EDU_DMA_COUNT, n);
	sip_write64(&e->regs, EDU_DMA_CMD,
		EDU_DMA_START | EDU_DMA_IRQ | (to_memory ? EDU_DMA_TO_MEMORY : 0));
	return sip_fault(e->dev->server, e, NULL) ? 0 : wait_for(e, EDU_IRQ_DMA);
}

static int64_t
read_dma(struct sip_server *s, void *buf, size_t n, uint64_t off)
{
	struct edu *e = s->priv;
	if (off >= EDU_BUFFER_SIZE)
		return 0;
	if (n > EDU_BUFFER_SIZE - off)
		n = EDU_BUFFER_SIZE - (size_t)off;
	pthread_mutex_lock(&e->one);
	int err = transfer(e, true, n, off);
	if (err == 0)
		memcpy(buf, e->dma.vaddr, n);
	pthread_mutex_unlock(&e->one);
	return err < 0 ? err : (int64_t)n;
}

static int64_t
write_dma(struct sip_server *s, const void *buf, size_t n, uint64_t off)
{
	struct edu *e = s->priv;
	if (off >= EDU_BUFFER_SIZE || n > EDU_BUFFER_SIZE - off) {
		os_set_errstr("beyond the device's %u bytes", EDU_BUFFER_SIZE);
		return -ENOSPC;
	}
	pthread_mutex_lock(&e->one);
	memcpy(e->dma.vaddr, buf, n);
	int err = transfer(e, false, n, off);
	pthread_mutex_unlock(&e->one);
	return err < 0 ? err : (int64_t)n;
}

static int
read_ctl(struct sip_server *s, char *buf, size_t n)
{
	struct edu *e = s->priv;
	return snprintf(buf, n, "interrupts %llu\n", (unsigned long long)e->interrupts);
}

static int
control(struct sip_server *s, char *text)
{
	struct edu *e = s->priv;
	unsigned bits;
	char after;
	int err = sip_fault_command(s, text);
	if (err != -ENOENT)
		return err;
	if (sscanf(text, "raise %i%c", (int *)&bits, &after) != 1 || !bits) {
		os_set_errstr("'%.20s' is not a command: raise BITS", text);
		return -EINVAL;
	}
	pthread_mutex_lock(&e->one);
	sip_event_clear(&e->event, bits);
	sip_write32(&e->regs, EDU_IRQ_RAISE, bits);
	err = wait_for(e, bits);
	pthread_mutex_unlock(&e->one);
	return err;
}

static const struct sip_file files[] = {
	{ .name = "ctl", .text = read_ctl, .command = control },
	{ .name = "factorial", .text = read_factorial, .command = compute },
	{ .name = "dma", .read = read_dma, .write = write_dma, .size = EDU_BUFFER_SIZE },
	{ .name = "id", .text = read_id },
	{ 0 },
};

static const struct sip_server_ops server_ops = { .health = health };
static const struct sip_driver_ops driver_ops = {
	.match = match, .attach = attach, .detach = detach, .interrupt = interrupt,
};

const struct sip_type edu_type = {
	.name = "edu", .about = "Serves QEMU's educational PCI device.", .mount = "/dev/edu",
	.server = &server_ops, .driver = &driver_ops,
	.p9 = &sip_tree_ops, .files = files, .options = options, .nthreads = 4,
};
