/*
 * /dev/pci: PCI functions as files, B.D.Fctl and B.D.Fraw.
 *
 * Anybody may read a ctl file.  Commands need CAP_DEVICE and the grant of the function; the first
 * one makes the caller its owner, until `disable` or its end, and nobody else's commands are taken.
 * Vectors made by `msi` and `msix` are files of /dev/irq.  Raw reads need the grant; raw writes
 * reach the few bits that can harm nobody else (pci_write_mask).
 *
 * owner_lock protects owners and vectors.  It is not held while a function is reset: `owner`
 * stays, and keeps others out.
 */
#include "../amd64/pci.h"

#include "../cap.h"
#include "../hw.h"
#include "../irq.h"
#include "../proc.h"

enum { FILE_ROOT, FILE_CTL = 0, FILE_RAW = 1, TEXT_MAX = 2048 };

static struct mutex owner_lock = MUTEX_STATIC(owner_lock, "pci owner");

static struct pci_func *
func_of(const struct chan *c)
{
	return pci_find((unsigned)(c->qid.path - 1) / 2);
}

static bool
is_raw(const struct chan *c)
{
	return (c->qid.path - 1) % 2 == FILE_RAW;
}

static int
pci_attach(const struct dev *d, struct chan **out)
{
	mutex_lock(&owner_lock);
	if (pci_count() == 0)
		pci_init();
	mutex_unlock(&owner_lock);
	return devtab_attach(d, out);
}

static int
pci_gen(struct chan *c, int i, struct dirtab *e, char buf[SYS_NAME_MAX + 1])
{
	const struct pci_func *f = pci_at((unsigned)i / 2);
	bool raw = i % 2 == FILE_RAW;

	(void)c;
	if (f == NULL)
		return -1;
	ksnprintf(buf, SYS_NAME_MAX + 1, "%u.%u.%u%s", f->bdf >> 8, f->bdf >> 3 & 31, f->bdf & 7,
		  raw ? "raw" : "ctl");
	*e = (struct dirtab){ buf, 1 + 2u * f->bdf + raw, HW_RW, raw ? PCI_CONFIG_SIZE : 0 };
	return 1;
}

static int
check(const struct pci_func *f)
{
	int r = cap_check(CAP_DEVICE);

	return r < 0 ? r : cap_check_pci(f->bdf);
}

static int
pci_open(struct chan **cp, uint32_t flags)
{
	struct chan *c = *cp;

	if (c->qid.path == FILE_ROOT)
		return 0;
	if (!is_raw(c) && (flags & SYS_O_ACCMODE) == SYS_O_RDONLY)
		return 0;
	return check(func_of(c));
}

#define LINE(...) (n += (size_t)ksnprintf(text + n, TEXT_MAX - n, __VA_ARGS__))

static size_t
bars_text(const struct pci_func *f, char *text, size_t n)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *b = &f->bar[i];

		if (b->size != 0)
			LINE("bar %u %s 0x%lx 0x%lx%s%s\n", i, b->io ? "io" : "mem", b->base,
			     b->size, b->is64 ? " 64" : "", b->prefetch ? " prefetch" : "");
	}
	return n;
}

/* At most 24 lines and 32 vectors of at most 60 bytes. */
static size_t
ctl_text(const struct pci_func *f, char *text)
{
	uint32_t command = pci_read(f, PCI_COMMAND, 2);
	size_t n = 0;

	LINE("class 0x%06x\nvendor 0x%04x\ndevice 0x%04x\n", f->class, f->vendor, f->device);
	LINE("subsystem 0x%04x 0x%04x\nrevision 0x%02x\n", f->subvendor, f->subdevice, f->revision);
	n = bars_text(f, text, n);
	LINE("irq %u\nmsi %u\nmsix %u\n", f->pin != 0 ? f->line : 0, f->msi_vectors,
	     f->msix_vectors);
	if (f->cap_msix != 0)
		LINE("msixtable %u 0x%x 0x%x\n", f->msix_bar, f->msix_offset,
		     f->msix_vectors * 16u);
	LINE("enabled %d\n", (command & (PCI_COMMAND_MEM | PCI_COMMAND_IO)) != 0);
	LINE("busmaster %d\n", (command & PCI_COMMAND_MASTER) != 0);
	mutex_lock(&owner_lock);
	LINE("owner %d\n", f->owner != NULL ? f->owner_pid : 0);
	for (unsigned i = 0; i < f->nhandles; i++)
		LINE("vector %d\n", IRQ_MESSAGE_BASE + f->handles[i]);
	mutex_unlock(&owner_lock);
	return n;
}

static int64_t
raw_read(const struct pci_func *f, struct uio *u, uint64_t off)
{
	size_t n = off >= PCI_CONFIG_SIZE ? 0 : MIN(u->left, PCI_CONFIG_SIZE - off), done = 0;
	int r;

	while (done < n) {
		unsigned at = (unsigned)(off + done), width = 4;
		uint32_t v;

		while (at % width != 0 || width > n - done)
			width /= 2;
		v = pci_read(f, at, width);
		if ((r = uio_put(u, &v, width)) < 0)
			return r;
		done += width;
	}
	return (int64_t)done;
}

static int64_t
pci_file_read(struct chan *c, struct uio *u, uint64_t off)
{
	const struct pci_func *f = func_of(c);
	char *text;
	int64_t r;

	if (is_raw(c)) {
		r = check(f);
		return r < 0 ? r : raw_read(f, u, off);
	}
	text = kmalloc(TEXT_MAX);
	if (text == NULL)
		return -ENOMEM;
	r = uio_put_text(u, off, text, ctl_text(f, text));
	kfree(text);
	return r;
}

/* owner_lock is held: the caller owns f from now on, if nobody else does. */
static int
claim(struct pci_func *f)
{
	if (f->owner != NULL && f->owner != proc_current())
		return error(EBUSY, "pci: %u.%u.%u is in use by process %d", f->bdf >> 8,
			     f->bdf >> 3 & 31, f->bdf & 7, f->owner_pid);
	f->owner = proc_current();
	f->owner_pid = f->owner->pid;
	return 0;
}

/* By the owner, or for it. */
static void
messages_free(struct pci_func *f)
{
	pci_messages_off(f);
	for (unsigned i = 0; i < f->nhandles; i++)
		irqdev_message_free(f->handles[i]);
	f->nhandles = 0;
}

static int
messages(struct pci_func *f, bool msix, uint64_t n)
{
	unsigned have = msix ? f->msix_vectors : f->msi_vectors;
	int r = cap_check(CAP_INTERRUPT);

	if (r < 0)
		return r;
	if (have == 0)
		return error(ENODEV, "pci: the function has no %s", msix ? "msi-x" : "msi");
	if (n == 0 || n > MIN(have, (unsigned)IRQ_MESSAGES_MAX) || (!msix && (n & (n - 1)) != 0))
		return error(EINVAL, "pci: it can have at most %u vectors",
			     MIN(have, (unsigned)IRQ_MESSAGES_MAX));
	messages_free(f);
	r = irqdev_messages(f->owner, f->owner->name, (unsigned)n, !msix, f->handles);
	if (r < 0)
		return r;
	f->nhandles = (unsigned)n;
	return msix ? pci_msix_on(f, f->handles, f->nhandles) :
		      pci_msi_on(f, f->handles, f->nhandles);
}

static int
busmaster(struct pci_func *f, const char *value)
{
	int r;

	if (strcmp(value, "off") == 0) {
		pci_command(f, PCI_COMMAND_MASTER, 0);
		return 0;
	}
	if (strcmp(value, "on") != 0)
		return error(EINVAL, "pci: busmaster is on or off");
	if ((r = cap_check(CAP_DMA)) < 0)
		return r;
	if (f->unquiet)
		return error(EBUSY, "pci: its last driver died: stop the device and say quiet");
	pci_command(f, 0, PCI_COMMAND_MASTER);
	return 0;
}

static void
enable(struct pci_func *f)
{
	uint16_t set = 0;

	for (unsigned i = 0; i < PCI_BARS; i++)
		if (f->bar[i].size != 0)
			set |= f->bar[i].io ? PCI_COMMAND_IO : PCI_COMMAND_MEM;
	if (f->class >> 8 == 0x0101)		/* its ISA ports are in no BAR */
		set |= PCI_COMMAND_IO;
	pci_command(f, f->nhandles == 0 ? PCI_COMMAND_NO_INTX : 0, set);
}

static void
disable(struct pci_func *f)
{
	pci_command(f, PCI_COMMAND_MASTER, 0);
	messages_free(f);
	pci_command(f, PCI_COMMAND_IO | PCI_COMMAND_MEM, 0);
	f->owner = NULL;
}

/* owner_lock is held, and f is the caller's. */
static int
command(struct pci_func *f, char **w, int n)
{
	uint64_t count;

	if (n == 1 && strcmp(w[0], "enable") == 0) {
		enable(f);
		return 0;
	}
	if (n == 1 && strcmp(w[0], "disable") == 0) {
		disable(f);
		return 0;
	}
	if (n == 1 && strcmp(w[0], "quiet") == 0) {
		f->unquiet = false;
		dma_quiet(f->bdf);
		return 0;
	}
	if (n == 2 && strcmp(w[0], "busmaster") == 0)
		return busmaster(f, w[1]);
	if (n == 2 && (strcmp(w[0], "msi") == 0 || strcmp(w[0], "msix") == 0) &&
	    text_number(w[1], 2048, &count) == 0)
		return messages(f, w[0][3] == 'x', count);
	return error(EINVAL,
		     "pci: commands: enable disable busmaster on|off msi N msix N reset quiet");
}

static int
reset(struct pci_func *f)
{
	int r;

	messages_free(f);
	r = pci_reset(f);
	if (r == 0) {
		f->unquiet = false;
		dma_quiet(f->bdf);
	}
	return r == -EOPNOTSUPP ? error(EOPNOTSUPP, "pci: the function has no reset of its own") :
	       r < 0 ? error(-r, "pci: the function did not come back") : 0;
}

static int64_t
ctl_write(struct pci_func *f, struct uio *u)
{
	char text[64], *w[3];
	int64_t length = uio_get_command(u, text, sizeof text);
	bool fresh;
	int n, r;

	if (length < 0)
		return length;
	n = text_words(text, w, 3);
	mutex_lock(&owner_lock);
	fresh = f->owner == NULL;
	r = claim(f);
	if (r == 0 && n == 1 && strcmp(w[0], "reset") == 0) {
		mutex_unlock(&owner_lock);
		r = reset(f);
		return r < 0 ? r : length;
	}
	if (r == 0)
		r = command(f, w, n);
	if (r < 0 && fresh)
		f->owner = NULL;
	mutex_unlock(&owner_lock);
	return r < 0 ? r : length;
}

static int64_t
raw_write(struct pci_func *f, struct uio *u, uint64_t off)
{
	unsigned width = (unsigned)MIN(u->left, 8ul);
	uint32_t v = 0, old, mask = 0;
	int r;

	if ((width != 1 && width != 2 && width != 4) || off % width != 0 || off >= PCI_CONFIG_SIZE)
		return error(EINVAL, "pci: write 1, 2 or 4 aligned bytes below 0x100");
	if ((r = uio_get(u, &v, width)) < 0)
		return r;
	for (unsigned i = 0; i < width; i++)
		mask |= (uint32_t)pci_write_mask((unsigned)off + i) << (8 * i);
	mutex_lock(&owner_lock);
	r = claim(f);
	if (r == 0) {
		old = pci_read(f, (unsigned)off, width);
		if ((v ^ old) & ~mask)
			r = error(EACCES, "pci: 0x%x is not writable so", (unsigned)off);
		else
			pci_write(f, (unsigned)off, width, v);
	}
	mutex_unlock(&owner_lock);
	return r < 0 ? r : (int64_t)width;
}

static int64_t
pci_file_write(struct chan *c, struct uio *u, uint64_t off)
{
	struct pci_func *f = func_of(c);
	int r = check(f);

	if (r < 0)
		return r;
	return is_raw(c) ? raw_write(f, u, off) : ctl_write(f, u);
}

struct pci_func *
pcidev_owned(const struct proc *p, const struct pci_func *after)
{
	struct pci_func *f;
	bool seen = after == NULL;

	for (unsigned i = 0; (f = pci_at(i)) != NULL; seen |= f == after, i++)
		if (seen && f->owner == p)
			return f;
	return NULL;
}

void
pcidev_disown(struct pci_func *f)
{
	mutex_lock(&owner_lock);
	messages_free(f);
	f->owner = NULL;
	mutex_unlock(&owner_lock);
}

const struct dev dev_pci = {
	.name = "pci", .attach = pci_attach, .walk = devtab_walk, .open = pci_open,
	.read = pci_file_read, .write = pci_file_write, .readdir = devtab_readdir, .gen = pci_gen,
	.stat = devtab_plain_stat,
};
