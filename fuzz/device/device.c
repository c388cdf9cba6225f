/*
 * See device.h.  The functions with __wrap_ in their names take the place of those that the linker
 * was told of.
 */
#include <errno.h>
#include <pthread.h>
#include "ata.h"
#include "device.h"

enum {
	COMMANDS = 12,
	DATA_BYTES = 64 << 10,
	STEP_MS = 1000,
	LOOK_NS = 10000,
	SLEEP_NS = 1000000, /* at least, so that a long wait is few looks */
	STEPS = 24,
	STEPS_MAX = 3000, /* until every command has ended: more than all its tries take */
	WAIT_MAX_S = 400, /* of one function of the driver's */
	FIRST_PADDR = 0x100000,
};

static struct device *device;
static struct sip_server server;
static unsigned waits; /* steps in which one command was waited for */
static struct drive_ctlr *ctlr;
static struct command {
	struct blk_io io;
	struct dma_seg seg;
	struct drive_disk *disk; /* that it is under way to: held, as by lib/blk; NULL: none */
} commands[COMMANDS];

void __wrap_blk_done(struct blk_io *io, int err);
uint64_t __wrap_os_time_ns(void);
int __wrap_os_sleep_ns(uint64_t ns);
void __wrap_sip_log(struct sip_server *s, const char *fmt, ...);
void __wrap_sip_error(struct sip_server *s, const char *fmt, ...);
int __wrap_sip_fail(struct sip_server *s, int err, const char *fmt, ...);
int __wrap_sip_irq_start(struct sip_irq *i, struct sip_dev *d, int irq,
			 void (*handler)(void *arg, uint64_t count, uint64_t ns), void *arg);
void __wrap_sip_irq_stop(struct sip_irq *i);
int __wrap_sip_dev_interrupts(struct sip_dev *d, int irq);
int __wrap_drive_ctlr_start(struct drive_ctlr *c);
void __wrap_drive_disk_show(struct drive_disk *d);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int
__wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until);

/* --- the input ------------------------------------------------------------------------------- */

uint64_t
device_lie(struct device *d, uint64_t value, unsigned width)
{
	uint64_t mask = width == 8 ? UINT64_MAX : (1ull << 8 * width) - 1, other = 0;

	if (d->truths) {
		d->truths--;
		return value;
	}
	if (!device_has_more(d))
		return value;
	switch (d->truths = device_byte(d)) {
	case 0xff: other = UINT64_MAX; break;
	case 0xfe: other = 0; break;
	case 0xfd: other = value ^ 1ull << device_byte(d) % (8 * width); break;
	case 0xfc:
		for (unsigned i = 0; i < width; i++)
			other |= (uint64_t)device_byte(d) << 8 * i;
		break;
	case 0xfb: other = value + 1; break;
	default: return value;
	}
	d->truths = 0;
	return other & mask;
}

/* --- the bus --------------------------------------------------------------------------------- */

static int
bus_info(struct sip_dev *dev, struct sip_pci_info *info)
{
	char addr[sizeof info->addr];

	(void)dev;
	memcpy(addr, info->addr, sizeof addr);
	*info = device->info;
	memcpy(info->addr, addr, sizeof addr);
	info->nvectors = device->vectors;
	info->vector = device->vectors ? 0 : -1;
	for (unsigned i = 0; i < device->vectors; i++)
		info->vectors[i] = (int)i;
	return 0;
}

/* "msix N", "msi N": so many; the rest needs nothing. */
static int
bus_command(struct sip_dev *dev, const char *text)
{
	(void)dev;
	if (strncmp(text, "msi", 3) == 0)
		device->vectors = (unsigned)atoi(text + (text[3] == 'x' ? 5 : 4));
	return 0;
}

static int
bus_map(struct sip_dev *dev, unsigned bar, struct sip_bar *out)
{
	(void)dev, (void)bar, (void)out;
	return 0; /* each access comes here */
}

static void
bus_unmap(struct sip_dev *dev, struct sip_bar *bar)
{
	(void)dev, (void)bar;
}

static uint8_t *
bar_at(unsigned bar, uint64_t off, unsigned width)
{
	device_check(bar < DEVICE_BARS && device->bar[bar] && off % width == 0 &&
		     off <= device->info.bar[bar].size &&
		     width <= device->info.bar[bar].size - off);
	return device->bar[bar] + off;
}

static uint64_t
bus_read(struct sip_dev *dev, unsigned bar, uint64_t off, unsigned width)
{
	uint64_t value = 0;

	(void)dev;
	memcpy(&value, bar_at(bar, off, width), width);
	return device->read ? device->read(device, bar, off, width)
			    : device_lie(device, value, width);
}

static void
bus_write(struct sip_dev *dev, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
	(void)dev;
	memcpy(bar_at(bar, off, width), &value, width);
	if (device->written)
		device->written(device, bar, off, width);
}

static int
bus_ports(struct sip_dev *dev)
{
	(void)dev;
	return 0;
}

static uint32_t
bus_in(struct sip_dev *dev, uint16_t port, unsigned width)
{
	(void)dev;
	return device->in(device, port, width);
}

static void
bus_out(struct sip_dev *dev, uint16_t port, unsigned width, uint32_t value)
{
	(void)dev;
	device->out(device, port, width, value);
}

/* Blocks of their own, so that what is behind one belongs to nobody. */
static int
bus_dma_alloc(struct sip_dev *dev, size_t size, size_t align, struct sip_dma *out)
{
	struct device_dma *m = device->dma;
	void *p;

	(void)dev;
	while (m < device->dma + DEVICE_DMAS && m->p)
		m++;
	if (m == device->dma + DEVICE_DMAS || size > 1 << 22)
		return -ENOMEM;
	device_check(posix_memalign(&p, align < 4096 ? 4096 : align, size) == 0);
	memset(p, 0, size);
	device->next_paddr = (device->next_paddr + align + 8191) & ~(uint64_t)(align - 1);
	device->next_paddr = (device->next_paddr + 4095) & ~4095ull;
	*m = (struct device_dma){ p, device->next_paddr, size };
	if (align > 4096)
		m->paddr = (m->paddr + align - 1) & ~(uint64_t)(align - 1);
	device->next_paddr = m->paddr + size;
	*out = (struct sip_dma){ p, m->paddr, size, (int)(m - device->dma) };
	return 0;
}

static void
bus_dma_free(struct sip_dev *dev, struct sip_dma *dma)
{
	struct device_dma *m = &device->dma[dma->handle];

	(void)dev;
	device_check(dma->handle >= 0 && dma->handle < DEVICE_DMAS && m->p == dma->vaddr && m->p);
	free(m->p);
	m->p = NULL;
}

static int
bus_config(struct sip_dev *dev, void *buf, size_t n)
{
	(void)dev;
	device_check(n <= DEVICE_CONFIG);
	memcpy(buf, device->config, n);
	return 0;
}

static const struct sip_bus bus = {
	.info = bus_info,
	.command = bus_command,
	.map = bus_map,
	.unmap = bus_unmap,
	.read = bus_read,
	.write = bus_write,
	.dma_alloc = bus_dma_alloc,
	.dma_free = bus_dma_free,
	.config = bus_config,
	.ports = bus_ports,
	.in = bus_in,
	.out = bus_out,
};

void *
device_memory(struct device *d, uint64_t paddr, size_t n)
{
	for (struct device_dma *m = d->dma; m < d->dma + DEVICE_DMAS; m++)
		if (m->p && paddr >= m->paddr && paddr - m->paddr <= m->size &&
		    n <= m->size - (paddr - m->paddr))
			return m->p + (paddr - m->paddr);
	return NULL;
}

/* --- time, and what runs in it --------------------------------------------------------------- */

static void
turn(void)
{
	if (device->turn)
		device->turn(device);
}

uint64_t
__wrap_os_time_ns(void)
{
	return device->now_ns += LOOK_NS;
}

int
__wrap_os_sleep_ns(uint64_t ns)
{
	device->now_ns += ns < SLEEP_NS ? SLEEP_NS : ns;
	turn();
	return 0;
}

static void
interrupts(void)
{
	for (unsigned i = 0; i < DEVICE_VECTORS; i++)
		if (device->irq[i].handler)
			device->irq[i].handler(device->irq[i].arg, 1, device->now_ns);
}

/* What the keeper's thread does in a second. */
static void
step(void)
{
	uint64_t began;

	turn();
	interrupts();
	if (!ctlr)
		return;
	atomic_fetch_add(&ctlr->now_ms, STEP_MS);
	for (struct drive_port *p = ctlr->ports; p; p = p->next) {
		began = device->now_ns;
		drive_port_keep(p, true);
		device_check(device->now_ns - began < WAIT_MAX_S * 1000000000ull);
	}
}

int
__wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	(void)c;
	device_check(++waits < STEPS_MAX);
	pthread_mutex_unlock(m);
	step();
	pthread_mutex_lock(m);
	return 0;
}

int
__wrap_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *until)
{
	(void)until;
	__wrap_pthread_cond_wait(c, m);
	return ETIMEDOUT;
}

int
__wrap_sip_irq_start(struct sip_irq *i, struct sip_dev *d, int irq,
		     void (*handler)(void *arg, uint64_t count, uint64_t ns), void *arg)
{
	unsigned n = 0;

	(void)irq;
	while (n < DEVICE_VECTORS && device->irq[n].handler)
		n++;
	if (n == DEVICE_VECTORS)
		return -ENOSPC;
	*i = (struct sip_irq){ .dev = d, .fd = (int)n, .running = true };
	device->irq[n] = (struct device_interrupt){ handler, arg };
	return 0;
}

void
__wrap_sip_irq_stop(struct sip_irq *i)
{
	if (i->running)
		device->irq[i->fd].handler = NULL;
	i->running = false;
}

static void
driver_interrupt(void *arg, uint64_t count, uint64_t ns)
{
	device->driver->interrupt(&server, arg, count, ns);
}

int
__wrap_sip_dev_interrupts(struct sip_dev *d, int irq)
{
	return __wrap_sip_irq_start(&d->irq, d, irq, driver_interrupt, d);
}

int
__wrap_drive_ctlr_start(struct drive_ctlr *c)
{
	(void)c;
	return 0;
}

/* Its partitions are lib/blk's. */
void
__wrap_drive_disk_show(struct drive_disk *d)
{
	(void)d;
}

void
__wrap_sip_log(struct sip_server *s, const char *fmt, ...)
{
	(void)s, (void)fmt;
}

void
__wrap_sip_error(struct sip_server *s, const char *fmt, ...)
{
	(void)s, (void)fmt;
}

int
__wrap_sip_fail(struct sip_server *s, int err, const char *fmt, ...)
{
	(void)s, (void)fmt;
	return err;
}

/* --- commands -------------------------------------------------------------------------------- */

void
__wrap_blk_done(struct blk_io *io, int err)
{
	struct command *c = (struct command *)io;

	device_check(c >= commands && c < commands + COMMANDS && c->disk && err <= 0);
	drive_disk_put(c->disk);
	c->disk = NULL;
}

static struct drive_disk *
some_disk(void)
{
	unsigned n = device_byte(device);
	struct drive_disk *found = NULL;

	for (struct drive_port *p = ctlr->ports; p; p = p->next)
		for (struct drive_disk *d = p->state == DRIVE_READY ? p->disks : NULL; d;
		     d = d->next)
			if (!found || n-- % 4 == 0)
				found = d;
	return found;
}

/* A read of what an optical drive would be asked, by PACKET: it is waited for. */
static void
send_packet(struct drive_disk *d)
{
	struct drive_command c = { .bytes = 2u * (device_byte(device) % 64) };
	struct ata_packet packet = { .command = { .opcode = ATA_PACKET } };
	static uint8_t buf[128];

	packet.command.features = device_byte(device) & 1;
	packet.cdb[0] = (uint8_t)device_byte(device);
	memcpy(c.block, &packet, sizeof packet);
	atomic_fetch_add(&d->refs, 1);
	waits = 0;
	drive_command(d, &c, buf);
	drive_disk_put(d);
}

static bool
fill(struct command *c, struct drive_disk *d, const struct sip_dma *data)
{
	static const enum blk_kind kinds[] = { BLK_READ, BLK_WRITE, BLK_READ, BLK_FLUSH,
					       BLK_DISCARD };
	enum blk_kind kind = kinds[device_byte(device) % 5];
	uint32_t most = DATA_BYTES / d->info.secsize, n = device_byte(device) % 32 + 1;

	if ((kind == BLK_FLUSH && !d->flushes) || (kind == BLK_DISCARD && !d->trims))
		return false;
	if (n > most || n > d->info.max_sectors || n > d->info.nsectors)
		return false;
	*c = (struct command){ .io = { .kind = kind, .client = c }, .disk = d };
	atomic_fetch_add(&d->refs, 1);
	if (kind == BLK_FLUSH)
		return true;
	c->io.nsectors = n;
	c->io.sector = device_byte(device) % (d->info.nsectors - n + 1);
	c->seg = (struct dma_seg){ data->paddr, kind == BLK_DISCARD
							? DATA_BYTES
							: (uint64_t)n * d->info.secsize };
	c->io.seg = &c->seg;
	c->io.nsegs = 1;
	c->io.data = data->vaddr;
	c->io.fua = kind == BLK_WRITE && device_byte(device) & 1;
	return true;
}

static void
send(const struct sip_dma *data)
{
	struct drive_disk *d = some_disk();

	if (!d)
		return;
	if (d->packet) {
		send_packet(d);
		return;
	}
	for (struct command *c = commands; c < commands + COMMANDS; c++)
		if (!c->disk) {
			if (fill(c, d, data))
				drive_send(d, &c->io);
			return;
		}
}

static bool
any_under_way(void)
{
	for (unsigned i = 0; i < COMMANDS; i++)
		if (commands[i].disk)
			return true;
	return false;
}

/* --- the whole ------------------------------------------------------------------------------- */

static void
use(struct sip_dev *dev)
{
	struct sip_dma data;

	device_check(bus_dma_alloc(dev, DATA_BYTES, 4096, &data) == 0);
	for (unsigned i = 0; i < STEPS && (i < 3 || device_has_more(device)); i++) {
		step();
		for (unsigned n = device_byte(device) % 4; n; n--)
			send(&data);
	}
	for (unsigned i = 0; any_under_way(); i++) {
		device_check(i < STEPS_MAX);
		step();
	}
	device->driver->detach(&server, dev);
	device_check(!any_under_way());
	bus_dma_free(dev, &data);
}

void
device_run(struct device *d)
{
	struct sip_type type = { .name = "fuzzed", .driver = d->driver };
	struct drive_program *program;
	struct sip_dev *dev;

	device = d;
	d->now_ns = 1000000000;
	d->next_paddr = FIRST_PADDR;
	ctlr = NULL;
	memset(commands, 0, sizeof commands);
	memset(&server, 0, sizeof server);
	device_check(sip_init(&server, &type) == 0);
	device_check(drive_server_ops.initialize(&server) == 0);
	program = server.priv;
	device_check(sip_dev_open_bus("0.1.0", &bus, d, &dev) == 0);
	dev->server = &server;
	if (d->driver->attach(&server, dev) == 0) {
		ctlr = program->ctlr[0];
		use(dev);
	}
	ctlr = NULL;
	for (struct device_dma *m = d->dma; m < d->dma + DEVICE_DMAS; m++)
		device_check(!m->p);
	for (unsigned i = 0; i < DEVICE_VECTORS; i++)
		device_check(!d->irq[i].handler);
	drive_server_ops.stop(&server);
	sip_dev_close(dev);
	pthread_mutex_destroy(&server.health.lock);
}
