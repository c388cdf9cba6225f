/*
 * A port as a server: its configuration space and the list of functions through the kernel's files,
 * its interrupt, one thread that acts on what happens, and the file that tells of it.
 *
 * `one` makes the slot one thread's at a time: the port's own thread, and a request.  The interrupt
 * only sets an event.  That the thread looks without one every LOOK_MS makes a lost interrupt, or a
 * port without, a delay and no more.
 */
#include "pciehp.h"
#include "os.h"
#include "pci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS		1000u
#define EVENT_BIT	1u
#define SECONDARY_BUS	0x19u
#define TEXT_MAX	4096

static const struct sip_pci_match match[] = {
	{ .class = 0x060400, .class_mask = 0xffff00 },
	{ 0 },
};

/* --- what is around the slot --- */

static uint32_t
port_read(void *arg, unsigned offset, unsigned width)
{
	struct port *p = arg;
	uint32_t v = 0;
	if (os_pread(p->raw, &v, width, offset) != width)
		return width == 4 ? 0xffffffff : 0xffff;
	return v;
}

static int
port_write(void *arg, unsigned offset, uint16_t value)
{
	struct port *p = arg;
	int64_t n = os_pwrite(p->raw, &value, sizeof value, offset);
	return n < 0 ? (int)n : 0;
}

struct found {
	char (*addr)[16];
	unsigned n, bus;
};

static int
keep(void *arg, const struct sip_pci_info *info)
{
	struct found *f = arg;
	if (strtoul(info->addr, NULL, 10) == f->bus && f->n < SLOT_FUNCS)
		snprintf(f->addr[f->n++], sizeof *f->addr, "%s", info->addr);
	return 0;
}

/* The order is that of the addresses, as the kernel finds them. */
static unsigned
port_functions(void *arg, unsigned bus, char addr[SLOT_FUNCS][16])
{
	struct port *p = arg;
	struct found f = { .addr = addr, .bus = bus };
	sip_dev_scan(p->dev->root, keep, &f);
	return f.n;
}

/* True if the function's ctl has this line with another value than 0. */
static bool
function_says(const struct port *p, const char *addr, const char *name)
{
	char path[SIP_PATH_MAX], text[TEXT_MAX], value[16];
	snprintf(path, sizeof path, "%s/pci/%sctl", p->dev->root, addr);
	int fd = os_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	int64_t n = os_pread(fd, text, sizeof text - 1, 0);
	os_close(fd);
	if (n < 0)
		return false;
	text[n] = '\0';
	return sip_field(text, name, value, sizeof value) > 0 && strcmp(value, "0") != 0;
}

static bool
port_owned(void *arg, const char *addr)
{
	return function_says(arg, addr, "owner");
}

static bool
port_leaving(void *arg, const char *addr)
{
	return function_says(arg, addr, "leaving");
}

static int
port_tell(void *arg, const char *word, const char *what)
{
	struct port *p = arg;
	char text[64];
	int n = snprintf(text, sizeof text, "%s %s", word, what);
	int64_t r = os_pwrite(p->list, text, (size_t)n, 0);
	return r < 0 ? (int)r : 0;
}

static void
port_sleep(void *arg, unsigned ms)
{
	(void)arg;
	uint64_t end = os_time_ns() + ms * 1000000ull;
	for (uint64_t now; (now = os_time_ns()) < end; )	/* a signal may end it early */
		os_sleep_ns(end - now);
}

static void
port_log(void *arg, const char *text)
{
	struct port *p = arg;
	sip_log(p->dev->server, "slot %u: %s", p->slot.number, text);
}

const struct slot_ops port_ops = {
	.read = port_read, .write = port_write, .functions = port_functions,
	.owned = port_owned, .leaving = port_leaving, .tell = port_tell,
	.sleep_ms = port_sleep, .log = port_log,
};

/* --- the driver --- */

static void *
watch(void *arg)
{
	struct port *p = arg;
	while (!p->ending) {
		sip_event_wait(&p->event, EVENT_BIT, LOOK_MS);
		sip_event_clear(&p->event, EVENT_BIT);
		if (p->ending)
			break;
		enum slot_state before = p->slot.state;
		pthread_mutex_lock(&p->one);
		int e = slot_events(&p->slot);
		enum slot_state now = p->slot.state;
		pthread_mutex_unlock(&p->one);
		if (e < 0 && p->error == 0)
			sip_error(p->dev->server, "the port does not answer");
		p->error = e;
		if (now != before)
			port_log(p, slot_state_name(now));
	}
	return NULL;
}

static void
interrupt(struct sip_server *, struct sip_dev *d, uint64_t count, uint64_t)
{
	struct port *p = d->priv;
	p->interrupts += count;
	sip_event_set(&p->event, EVENT_BIT);
}

static int
open_in(const struct sip_dev *d, const char *name, const char *after)
{
	char path[SIP_PATH_MAX];
	snprintf(path, sizeof path, "%s/pci/%s%s", d->root, name, after);
	int fd = os_open(path, O_RDWR | O_CLOEXEC, 0);
	return fd < 0 ? sip_refused(d->server, fd, "%s", path) : fd;
}

/* The message that the port uses for its slot is the first, or there are none [7.5.3.2]. */
static void
ask_for_interrupts(struct port *p)
{
	if (p->slot.state == SLOT_NONE)
		return;
	int irq = sip_dev_msi(p->dev, 1);
	uint32_t flags = port_read(p, p->slot.express + EXP_FLAGS, 2);
	if (irq >= 0 && flags & FLAGS_MESSAGE)
		irq = -EOPNOTSUPP;
	if (irq >= 0)
		irq = sip_dev_interrupts(p->dev, irq);
	if (irq < 0)
		sip_log(p->dev->server, "no interrupts: looking every %u ms", LOOK_MS);
}

static int
bring_up(struct port *p)
{
	uint8_t config[PCI_CONFIG_SIZE];
	struct pci_config c;
	p->raw = open_in(p->dev, p->dev->info.addr, "raw");
	p->list = open_in(p->dev, "ctl", "");
	if (p->raw < 0 || p->list < 0)
		return p->raw < 0 ? p->raw : p->list;
	int64_t n = os_pread(p->raw, config, sizeof config, 0);
	int e = n < 0 ? (int)n : pci_decode(config, (size_t)n, &c);
	if (e < 0 && e != -ELOOP)
		return e;
	slot_init(&p->slot, &port_ops, p, pci_find_cap(&c, PCI_CAP_PCIE), config[SECONDARY_BUS]);
	ask_for_interrupts(p);
	return slot_begin(&p->slot);
}

static void
release(struct port *p)
{
	int fds[] = { p->raw, p->list };
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			os_close(fds[i]);
	sip_event_free(&p->event);
	pthread_mutex_destroy(&p->one);
	free(p);
}

static int
attach(struct sip_server *s, struct sip_dev *d)
{
	if (s->priv)
		return -ENOSPC;		/* one port for each process */
	struct port *p = calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	p->dev = d;
	p->raw = p->list = -1;
	pthread_mutex_init(&p->one, NULL);
	sip_event_init(&p->event);
	s->priv = d->priv = p;
	int e = bring_up(p);
	if (e < 0) {
		sip_dev_quiet(d);
		s->priv = d->priv = NULL;
		release(p);
	}
	return e;
}

static int
start(struct sip_server *s)
{
	struct port *p = s->priv;
	if (p->slot.state == SLOT_NONE)
		return 0;
	int e = pthread_create(&p->thread, NULL, watch, p);
	p->running = e == 0;
	return -e;
}

/* A change that is under way is brought to its end first; each of its waits has a bound. */
static void
stop(struct sip_server *s)
{
	struct port *p = s->priv;
	if (!p)
		return;
	p->ending = true;
	sip_event_set(&p->event, EVENT_BIT);
	if (p->running)
		pthread_join(p->thread, NULL);
	p->running = false;
}

static void
detach(struct sip_server *s, struct sip_dev *d)
{
	struct port *p = d->priv;
	slot_end(&p->slot);
	s->priv = d->priv = NULL;
	release(p);
}

static int
health(struct sip_server *s)
{
	struct port *p = s->priv;
	return p->error;
}

/* --- the file --- */

static int
read_slot(struct sip_server *s, char *buf, size_t n)
{
	struct port *p = s->priv;
	const struct slot *slot = &p->slot;
	return snprintf(buf, n, "port %s\nslot %u\nbus %u\nstate %s\nplugged %llu\nunplugged %llu\n"
		"pulled %llu\nfaults %llu\ninterrupts %llu\n", p->dev->info.addr, slot->number,
		slot->bus, slot_state_name(slot->state), (unsigned long long)slot->plugged,
		(unsigned long long)slot->unplugged, (unsigned long long)slot->pulled,
		(unsigned long long)slot->faults, (unsigned long long)p->interrupts);
}

static int
command(struct sip_server *s, char *text)
{
	struct port *p = s->priv;
	bool on = strcmp(text, "on") == 0;
	if (!on && strcmp(text, "off") != 0) {
		os_set_errstr("'%.20s' is not a command: on, off", text);
		return -EINVAL;
	}
	pthread_mutex_lock(&p->one);
	int e = slot_power(&p->slot, on);
	pthread_mutex_unlock(&p->one);
	if (e == -ENODEV)
		os_set_errstr("no device is in the slot");
	if (e == -EIO)
		os_set_errstr("the device did not start");
	return e;
}

/* One port a process, so that the file can have the port's name: all are in one directory. */
static char file_name[16];
static struct sip_file files[] = {
	{ .name = file_name, .text = read_slot, .command = command }, { 0 },
};

static int
attach_named(struct sip_server *s, struct sip_dev *d)
{
	int e = attach(s, d);
	if (e == 0)
		snprintf(file_name, sizeof file_name, "%s", d->info.addr);
	return e;
}

static const struct sip_server_ops server_ops = { .start = start, .stop = stop, .health = health };
static const struct sip_driver_ops driver_ops = {
	.match = match, .attach = attach_named, .detach = detach, .interrupt = interrupt,
};

const struct sip_type pciehp_type = {
	.name = "pciehp", .about = "Watches the slot of a PCI Express port: hot plug.",
	.mount = "/dev/slot", .server = &server_ops, .driver = &driver_ops,
	.p9 = &sip_tree_ops, .files = files, .nthreads = 2,
};
