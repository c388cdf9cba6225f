/*
 * See device.h.  The functions with __wrap_ in their names take the place of those that the linker
 * was told of.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include "ata.h"
#include "device.h"

enum {
	COMMANDS = 12,
	DATA_BYTES = 16 << 10, /* of each command */
	TEXT_BYTES = 4096,
	STEP_MS = 1000,
	LOOK_NS = 10000,
	SLEEP_NS = 1000000, /* at least, so that a long wait is few looks */
	STEPS = 24,
	STEPS_MAX = 3000, /* until every command has ended: more than all its tries take */
	WAIT_MAX_S = 400, /* of one function of the driver's */
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
static struct sip_dma data; /* theirs, DATA_BYTES each */

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
void __wrap_sip_dev_quiet(struct sip_dev *d);
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

void
device_init(struct device *d, const struct sip_driver_ops *driver, const struct sip_model_ops *ops,
	    const uint8_t *input, size_t n)
{
	memset(d, 0, sizeof *d);
	sip_model_init(&d->bus, ops, d);
	d->bus.by_hand = true;
	d->bus.was_reset = true; /* a liar may say so before it was */
	d->driver = driver;
	d->p = input;
	d->end = input + n;
}

static void
check_driver(const char *what)
{
	if (what)
		fprintf(stderr, "the driver: %s\n", what);
	device_check(!what);
}

uint8_t *
device_memory(struct device *d, uint64_t paddr, size_t n)
{
	uint8_t *p = sip_model_memory(&d->bus, paddr, n);

	check_driver(d->bus.lint ? d->bus.lint_what : NULL);
	return p;
}

uint64_t
device_get(const struct device *d, unsigned bar, uint64_t off, unsigned width)
{
	uint64_t value = 0;

	memcpy(&value, d->bar[bar] + off, width);
	return value;
}

void
device_put(struct device *d, unsigned bar, uint64_t off, unsigned width, uint64_t value)
{
	memcpy(d->bar[bar] + off, &value, width);
}

uint8_t *
device_data(struct device *d, uint64_t paddr, size_t n)
{
	uint8_t *p = device_memory(d, paddr, n);

	device_check(paddr < data.paddr || paddr >= data.paddr + data.size ||
		     commands[(paddr - data.paddr) / DATA_BYTES].disk);
	return p;
}

/* --- time, and what runs in it --------------------------------------------------------------- */

uint64_t
__wrap_os_time_ns(void)
{
	return device->now_ns += LOOK_NS;
}

int
__wrap_os_sleep_ns(uint64_t ns)
{
	device->now_ns += ns < SLEEP_NS ? SLEEP_NS : ns;
	sip_model_step(&device->bus);
	return 0;
}

static void
interrupts(void)
{
	for (unsigned i = 0; i < DEVICE_VECTORS; i++)
		if (device->irq[i])
			device->irq[i]->handler(device->irq[i]->arg, 1, device->now_ns);
}

/* What the keeper's thread does in a second. */
static void
step(void)
{
	uint64_t began;

	sip_model_step(&device->bus);
	interrupts();
	check_driver(device->bus.lint ? device->bus.lint_what : NULL);
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

/* It has the vector, or the line, but no thread: `interrupts` calls it. */
int
__wrap_sip_irq_start(struct sip_irq *i, struct sip_dev *d, int irq,
		     void (*handler)(void *arg, uint64_t count, uint64_t ns), void *arg)
{
	unsigned n = 0;
	int fd = d->bus->irq_open(d, irq);

	if (fd < 0)
		return fd;
	while (n < DEVICE_VECTORS && device->irq[n])
		n++;
	if (n == DEVICE_VECTORS)
		abort();
	*i = (struct sip_irq){
		.dev = d, .fd = fd, .handler = handler, .arg = arg, .running = true
	};
	device->irq[n] = i;
	return 0;
}

void
__wrap_sip_irq_stop(struct sip_irq *i)
{
	if (!i->running)
		return;
	for (unsigned n = 0; n < DEVICE_VECTORS; n++)
		if (device->irq[n] == i)
			device->irq[n] = NULL;
	i->dev->bus->irq_close(i->dev, i->fd);
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

void
__wrap_sip_dev_quiet(struct sip_dev *d)
{
	__wrap_sip_irq_stop(&d->irq);
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

/* What it says in ctl and stats are lines of text, whatever the disk has answered; and orders. */
static void
look_at(struct drive_disk *d)
{
	static const char *const orders[] = { "trace off", "reset", "standby", "trace off" };
	static char text[TEXT_BYTES];
	size_t n;

	atomic_fetch_add(&d->refs, 1);
	waits = 0;
	n = drive_blk_ops.describe(d, text, sizeof text);
	for (unsigned i = 0; i < 2; i++) {
		device_check(n < sizeof text);
		for (const char *c = text; c < text + n; c++)
			device_check(*c == '\n' || (*c >= ' ' && *c <= '~'));
		n = drive_blk_ops.statistics(d, text, sizeof text);
	}
	waits = 0;
	drive_blk_ops.command(d, orders[device_byte(device) % 4]);
	drive_disk_put(d);
}

static bool
fill(struct command *c, struct drive_disk *d)
{
	size_t at = (size_t)(c - commands) * DATA_BYTES;
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
	c->seg = (struct dma_seg){ data.paddr + at, kind == BLK_DISCARD
							    ? DATA_BYTES
							    : (uint64_t)n * d->info.secsize };
	c->io.seg = &c->seg;
	c->io.nsegs = 1;
	c->io.data = (uint8_t *)data.vaddr + at;
	c->io.fua = kind == BLK_WRITE && device_byte(device) & 1;
	return true;
}

static void
send(void)
{
	struct drive_disk *d = some_disk();

	if (!d)
		return;
	if (device_byte(device) % 8 == 1) {
		look_at(d);
		return;
	}
	if (d->packet) {
		send_packet(d);
		return;
	}
	for (struct command *c = commands; c < commands + COMMANDS; c++)
		if (!c->disk) {
			if (fill(c, d))
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
	dev->dma32 = device->bus.wants_low;
	device_check(sip_dma_alloc(dev, COMMANDS * DATA_BYTES, 4096, &data) == 0);
	for (unsigned i = 0; i < STEPS && (i < 3 || device_has_more(device)); i++) {
		step();
		for (unsigned n = device_byte(device) % 4; n; n--)
			send();
	}
	for (unsigned i = 0; any_under_way(); i++) {
		device_check(i < STEPS_MAX);
		step();
	}
	__wrap_sip_dev_quiet(dev); /* as sip_finish has it */
	device->driver->detach(&server, dev);
	device_check(!any_under_way());
	sip_dma_free(dev, &data);
}

void
device_run(struct device *d)
{
	struct sip_type type = { .name = "fuzzed", .driver = d->driver };
	struct drive_program *program;
	struct sip_dev *dev;

	device = d;
	d->now_ns = 1000000000;
	ctlr = NULL;
	memset(commands, 0, sizeof commands);
	memset(&server, 0, sizeof server);
	device_check(sip_init(&server, &type) == 0);
	device_check(drive_server_ops.initialize(&server) == 0);
	program = server.priv;
	device_check(sip_model_open(&d->bus, "0.1.0", &dev) == 0);
	dev->server = &server;
	if (d->driver->attach(&server, dev) == 0) {
		ctlr = program->ctlr[0];
		use(dev);
	}
	ctlr = NULL;
	drive_server_ops.stop(&server);
	sip_dev_close(dev);
	check_driver(sip_model_verdict(&d->bus));
	pthread_mutex_destroy(&server.health.lock);
	sip_model_fini(&d->bus);
}
