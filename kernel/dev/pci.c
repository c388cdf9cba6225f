/*
 * /dev/pci: PCI functions as files, B.D.Fctl and B.D.Fraw; ctl, through which they come and go.
 *
 * Anybody may read a ctl file.  Commands need CAP_DEVICE and the grant of the function; the first
 * one makes the caller its owner, until `disable` or its end, and nobody else's commands are taken.
 * Vectors made by `msi` and `msix` are files of /dev/irq.  Raw reads need the grant; raw writes
 * reach the few bits that can harm nobody else (pci_write_mask).
 *
 * A file is of one function (its serial is in the path): when another has its place, the old file
 * gives ENODEV.  Removal takes messages and bus mastering first, then the function out of the
 * table. One that has an owner stays in `owned` until the owner ends, since its buffers have to
 * wait for a device that could not be reset.
 *
 * owner_lock protects owners, vectors and the list, and makes scans and removals one at a time.  It
 * is not held while a function is reset: `owner` stays, and keeps others out.
 */
#include "../amd64/pci.h"

#include "../amd64/vtd.h"
#include "../cap.h"
#include "../hw.h"
#include "../irq.h"
#include "../poll.h"
#include "../proc.h"

/* A function's path is serial << 32 | bdf << 1 | raw; serials begin with 1. */
enum { FILE_ROOT, FILE_CTL, TEXT_MAX = 2048 };

static struct mutex owner_lock = MUTEX_STATIC(owner_lock, "pci owner");
static struct list owned = LIST_INIT(owned);	/* functions with an owner, each with a reference */
static uint64_t changes = 1;			/* of the list of functions */

/* The function of a file, with a reference; NULL, and a text, if it has gone. */
static struct pci_func *
func_of(const struct chan *c)
{
	unsigned bdf = (uint32_t)c->qid.path >> 1;
	struct pci_func *f = pci_find(bdf, (uint32_t)(c->qid.path >> 32));

	if (f == NULL)
		error(ENODEV, "pci: %u.%u.%u has gone", bdf >> 8, bdf >> 3 & 31, bdf & 7);
	return f;
}

static bool
is_raw(const struct chan *c)
{
	return c->qid.path & 1;
}

static void
changed(void)
{
	__atomic_add_fetch(&changes, 1, __ATOMIC_SEQ_CST);
	poll_notify((uint64_t)&changes);
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
pci_gen(struct chan *, int i, struct dirtab *e, char buf[SYS_NAME_MAX + 1])
{
	unsigned place = ((unsigned)i - 1) / 2;
	bool raw = i % 2 == 0;
	struct pci_func *f;

	if (i == 0) {
		*e = (struct dirtab){ "ctl", FILE_CTL, HW_RW, 0 };
		return 1;
	}
	if (place >= pci_count())
		return -1;
	f = pci_at(place);
	if (f == NULL)
		return 0;
	ksnprintf(buf, SYS_NAME_MAX + 1, "%u.%u.%u%s", f->bdf >> 8, f->bdf >> 3 & 31, f->bdf & 7,
		  raw ? "raw" : "ctl");
	*e = (struct dirtab){ buf, (uint64_t)f->serial << 32 | f->bdf << 1 | raw, HW_RW,
			      raw ? PCI_CONFIG_SIZE : 0 };
	pci_put(f);
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
	struct pci_func *f;
	int r;

	if (c->qid.path == FILE_ROOT)
		return 0;
	if (!is_raw(c) && (flags & SYS_O_ACCMODE) == SYS_O_RDONLY)
		return 0;
	if (c->qid.path == FILE_CTL)
		return cap_check(CAP_DEVICE);
	f = func_of(c);
	r = f != NULL ? check(f) : -ENODEV;
	pci_put(f);
	return r;
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
	LINE("serial %u\n", f->serial);
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
	if (f->leaving)
		LINE("leaving 1\n");
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
func_read(const struct chan *c, const struct pci_func *f, struct uio *u, uint64_t off)
{
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

/* The count is taken first: what changes while it is read is told of again. */
static int64_t
changes_read(struct chan *c, struct uio *u, uint64_t off)
{
	uint64_t seen = __atomic_load_n(&changes, __ATOMIC_SEQ_CST);
	char text[32];

	if (off == 0)
		c->aux2 = seen;
	return uio_put_text(u, off, text, (size_t)ksnprintf(text, sizeof text, "changes %lu\n",
							    seen));
}

static int64_t
pci_file_read(struct chan *c, struct uio *u, uint64_t off)
{
	struct pci_func *f;
	int64_t r;

	if (c->qid.path == FILE_CTL)
		return changes_read(c, u, off);
	f = func_of(c);
	r = f != NULL ? func_read(c, f, u, off) : -ENODEV;
	pci_put(f);
	return r;
}

/* Readable when the list has changed since this channel's last read of the file. */
static int
pci_poll(struct chan *c, struct poller *p)
{
	poll_on(p, (uint64_t)&changes);
	if (c->qid.path != FILE_CTL || c->aux2 != __atomic_load_n(&changes, __ATOMIC_SEQ_CST))
		return POLLIN | POLLOUT;
	return POLLOUT;
}

/* owner_lock is held: the caller owns f from now on, if nobody else does. */
static int
claim(struct pci_func *f)
{
	unsigned b = f->bdf >> 8, d = f->bdf >> 3 & 31, fn = f->bdf & 7;

	if (f->gone)
		return error(ENODEV, "pci: %u.%u.%u has gone", b, d, fn);
	if (f->owner == proc_current())
		return 0;
	if (f->owner != NULL)
		return error(EBUSY, "pci: %u.%u.%u is in use by process %d", b, d, fn,
			     f->owner_pid);
	if (f->leaving)
		return error(ENODEV, "pci: %u.%u.%u is leaving", b, d, fn);
	f->owner = proc_current();
	f->owner_pid = f->owner->pid;
	ref_get(&f->refs);
	list_append(&owned, &f->owned);
	return 0;
}

/* owner_lock is held.  The caller has a reference of its own. */
static void
disown(struct pci_func *f)
{
	if (f->owner == NULL)
		return;
	f->owner = NULL;
	list_remove(&f->owned);
	if (f->leaving)
		changed();
	pci_put(f);
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
line(struct pci_func *f)
{
	int r = cap_check(CAP_INTERRUPT);

	if (r == 0) {
		messages_free(f);
		pci_command(f, PCI_COMMAND_NO_INTX, 0);
	}
	return r;
}

static void
master_off(struct pci_func *f)
{
	pci_command(f, PCI_COMMAND_MASTER, 0);
	vtd_detach(f);
}

static int
busmaster(struct pci_func *f, const char *value)
{
	int r;

	if (strcmp(value, "off") == 0) {
		master_off(f);
		return 0;
	}
	if (strcmp(value, "on") != 0)
		return error(EINVAL, "pci: busmaster is on or off");
	if ((r = cap_check(CAP_DMA)) < 0)
		return r;
	if (f->unquiet)
		return error(EBUSY, "pci: its last driver died: stop the device and say quiet");
	r = vtd_attach(f->owner, f);
	if (r == 0)
		pci_command(f, 0, PCI_COMMAND_MASTER);
	return r;
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
	master_off(f);
	messages_free(f);
	pci_command(f, PCI_COMMAND_IO | PCI_COMMAND_MEM, 0);
	disown(f);
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
	if (n == 1 && strcmp(w[0], "line") == 0)
		return line(f);
	if (n == 2 && (strcmp(w[0], "msi") == 0 || strcmp(w[0], "msix") == 0) &&
	    text_number(w[1], 2048, &count) == 0)
		return messages(f, w[0][3] == 'x', count);
	return error(EINVAL,
		     "pci: commands: enable disable busmaster on|off line msi N msix N reset "
		     "quiet");
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
	if (r < 0 && fresh && f->owner == proc_current())
		disown(f);
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
		mask |= (uint32_t)pci_write_mask(f, (unsigned)off + i) << (8 * i);
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

/* --- functions come and go --- */

/* Whoever was granted a port decides over what is behind it. */
static int
check_port(const struct pci_func *bridge, const char *word, const char *what)
{
	if (bridge == NULL)
		return error(EINVAL, "pci: %s %s: nothing there is behind a bridge", word, what);
	return cap_has(proc_current()->caps, CAP_ADMIN) ? 0 : check(bridge);
}

static int
rescan(const char *text)
{
	struct pci_func *bridge = NULL;
	unsigned added = 0;
	uint64_t bus;
	int r;

	if (text_number(text, 255, &bus) == 0)
		bridge = pci_bridge_of((unsigned)bus);
	r = check_port(bridge, "rescan", text);
	if (r == 0) {
		mutex_lock(&owner_lock);
		added = pci_scan((unsigned)bus, bridge);
		mutex_unlock(&owner_lock);
	}
	if (added != 0)
		changed();
	pci_put(bridge);
	return r;
}

/*
 * owner_lock is held.  The device may be there or not.  The table's reference passes to the caller.
 */
static void
remove(struct pci_func *f)
{
	messages_free(f);
	pci_command(f, PCI_COMMAND_MASTER | PCI_COMMAND_IO | PCI_COMMAND_MEM, PCI_COMMAND_NO_INTX);
	vtd_detach(f);
	pci_take(f);
}

/* `leave` and `remove`, of a function behind a port. */
static int
depart(const char *word, const char *text)
{
	struct pci_func *f, *bridge;
	unsigned bdf;
	bool gone;
	int r;

	if (cap_parse_pci(text, &bdf) < 0)
		return error(EINVAL, "pci: %s is not B.D.F", text);
	bridge = pci_bridge_of(bdf >> 8);
	r = check_port(bridge, word, text);
	pci_put(bridge);
	f = r == 0 ? pci_find(bdf, 0) : NULL;
	if (f == NULL)
		return r < 0 ? r : error(ENOENT, "pci: there is no %s", text);
	mutex_lock(&owner_lock);
	gone = f->gone;
	f->leaving = true;
	if (!gone && word[0] == 'r')
		remove(f);
	mutex_unlock(&owner_lock);
	if (!gone)
		changed();
	if (!gone && word[0] == 'r')
		pci_put(f);
	pci_put(f);
	return 0;
}

static int64_t
list_write(struct uio *u)
{
	char text[64], *w[3];
	int64_t length = uio_get_command(u, text, sizeof text);
	int n, r;

	if (length < 0)
		return length;
	n = text_words(text, w, 3);
	if (n == 2 && strcmp(w[0], "rescan") == 0)
		r = rescan(w[1]);
	else if (n == 2 && (strcmp(w[0], "leave") == 0 || strcmp(w[0], "remove") == 0))
		r = depart(w[0], w[1]);
	else
		r = error(EINVAL, "pci: commands: rescan BUS, leave B.D.F, remove B.D.F");
	return r < 0 ? r : length;
}

static int64_t
pci_file_write(struct chan *c, struct uio *u, uint64_t off)
{
	struct pci_func *f;
	int64_t r;

	if (c->qid.path == FILE_CTL)
		return list_write(u);
	f = func_of(c);
	r = f != NULL ? check(f) : -ENODEV;
	if (r == 0)
		r = is_raw(c) ? raw_write(f, u, off) : ctl_write(f, u);
	pci_put(f);
	return r;
}

/* p is ending: nobody else takes what it owns out of the list, or frees it. */
struct pci_func *
pcidev_owned(const struct proc *p, const struct pci_func *after)
{
	struct pci_func *f = NULL;
	const struct list *at;

	if (list_empty(&owned))
		return NULL;
	mutex_lock(&owner_lock);
	at = after != NULL ? after->owned.next : owned.next;
	for (; at != &owned && f == NULL; at = at->next)
		if (list_entry(at, struct pci_func, owned)->owner == p)
			f = list_entry(at, struct pci_func, owned);
	mutex_unlock(&owner_lock);
	return f;
}

void
pcidev_disown(struct pci_func *f)
{
	mutex_lock(&owner_lock);
	messages_free(f);
	disown(f);
	mutex_unlock(&owner_lock);
}

const struct dev dev_pci = {
	.name = "pci", .attach = pci_attach, .walk = devtab_walk, .open = pci_open,
	.read = pci_file_read, .write = pci_file_write, .readdir = devtab_readdir, .gen = pci_gen,
	.stat = devtab_plain_stat, .poll = pci_poll,
};
