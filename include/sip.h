/*
 * SIP: the framework under every driver and file server (see doc/sip.md and man/2/sip).
 *
 * A server is a `struct sip_type` (its tables and options) and a main of one line:
 *
 *	int main(int argc, char **argv) { return sip_main(argc, argv, &edu_type); }
 *
 * sip_main parses the options, walks the life cycle, finds and opens the devices of a driver,
 * runs their interrupt threads, serves 9P from the table in the type, and reports health.
 * Errors are negative errnos; a text for people goes through sip_fail, sip_log or sip_error.
 */
#pragma once
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <p9_srv.h>

struct sip_server;
struct sip_dev;

#define SIP_TEXT_MAX	128	/* a message, with its NUL */
#define SIP_NAME_MAX	32	/* a server's name, with its NUL */
#define SIP_PATH_MAX	256
#define SIP_DEVS_MAX	16	/* devices one process can drive */
#define SIP_VECTORS_MAX	32	/* of one device */
#define SIP_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* --- what a server fills in --------------------------------------------------------------- */

/* Any may be NULL.  0 or a negative errno; the framework logs it and gives up. */
struct sip_server_ops {
	int (*initialize)(struct sip_server *s);	/* options are known; no device yet */
	int (*start)(struct sip_server *s);	/* all attached; before the first request */
	void (*stop)(struct sip_server *s);	/* if initialize went well; before detach */
	/* Each second, in a thread of its own: < 0 is degraded, and os_set_errstr may say why. */
	int (*health)(struct sip_server *s);
};

/* A list of these ends with an entry of zeros. */
struct sip_pci_match {
	uint16_t vendor, device;	/* vendor 0: any; device is compared when vendor is */
	uint32_t class, class_mask;	/* mask 0: any; 0xffffff: class, subclass and interface */
};

struct sip_driver_ops {
	const struct sip_pci_match *match;
	int (*probe)(struct sip_server *s, struct sip_dev *d);	/* optional; -ENODEV: not ours */
	int (*attach)(struct sip_server *s, struct sip_dev *d);
	void (*detach)(struct sip_server *s, struct sip_dev *d);	/* quiet the device, free */
	/* In the device's own thread.  count: since the last call; ns: time of the last. */
	void (*interrupt)(struct sip_server *s, struct sip_dev *d, uint64_t count, uint64_t ns);
};

struct sip_fs_ops {
	int (*mount)(struct sip_server *s, const char *device);	/* device: -device or NULL */
	int (*unmount)(struct sip_server *s);			/* everything written and flushed */
	bool needs_device;	/* without -device there is nothing to serve */
};

enum sip_opt_kind {
	SIP_OPT_FLAG, SIP_OPT_STRING, SIP_OPT_NUMBER, SIP_OPT_SIZE,
	SIP_OPT_NUMBER32,	/* less than 2^32 */
	SIP_OPT_WORDS		/* several, with commas between them */
};

struct sip_word {		/* one of SIP_OPT_WORDS; a list ends with an entry without a name */
	const char *name;
	bool *to;		/* set to true; NULL: it is known, and does nothing */
};

struct sip_option {		/* ended by an entry without a name */
	const char *name;	/* without the dash */
	const char *arg;	/* NULL for a flag; else what the help calls the argument */
	const char *help;
	enum sip_opt_kind kind;
	/* bool; const char *; uint64_t; uint64_t (K, M, G, T); uint64_t; const struct sip_word[] */
	void *to;
};

/*
 * A flat directory of a few files, for a server that needs no more: `files` in its type, with
 * sip_tree_ops as its p9.  Errors: a negative errno, and a text by os_set_errstr.  Several threads
 * may be in the functions at once.
 */
struct sip_file {		/* ended by an entry without a name */
	const char *name;
	/* The whole text of the file, asked at each read from offset 0: its length. */
	int (*text)(struct sip_server *s, char *buf, size_t n);
	/* Or the bytes at an offset, of a file of `size` bytes: how many. */
	int64_t (*read)(struct sip_server *s, void *buf, size_t n, uint64_t off);
	int64_t (*write)(struct sip_server *s, const void *buf, size_t n, uint64_t off);
	/* A write that is a command, NUL-terminated, without its newline: 0. */
	int (*command)(struct sip_server *s, char *text);
	uint64_t size;
};
extern const struct p9_srv_ops sip_tree_ops;
#define SIP_TREE_TEXT	32768	/* the longest text of a file */

struct sip_type {
	const char *name, *about;		/* the program; one line for -h */
	const char *mount;		/* where it mounts when no option says; or NULL */
	/* Before what is there, as a union; else drivers after it, others in its place. */
	bool before;
	const struct sip_server_ops *server;	/* may be NULL */
	const struct sip_driver_ops *driver;	/* NULL: not a driver */
	const struct sip_fs_ops *fs;		/* NULL: not a file server */
	const struct p9_srv_ops *p9;		/* its 9P tree; see p9_srv.h */
	const struct sip_file *files;		/* when p9 is &sip_tree_ops */
	const struct sip_option *options;	/* its own, beside the common ones; may be NULL */
	unsigned nthreads;			/* threads that serve requests; 0 is 1 */
};

/* --- the base ------------------------------------------------------------------------------ */

enum sip_state {
	SIP_UNKNOWN, SIP_STARTING, SIP_HEALTHY, SIP_DEGRADED, SIP_FAILING, SIP_STOPPED,
	SIP_FAILED	/* given up by its manager; no server says it of itself */
};

enum { SIP_NUMBER_MAX = 511 };
#define SIP_NUMBER_NONE	UINT64_MAX

struct sip_config {
	const char *name;	/* SIP_NAME from the environment, or -name, or the type's */
	const char *mount, *listen, *device, *log;
	const char *dev;	/* a service that is mounted at /dev first; NULL: none */
	uint64_t wait_ms;	/* how long the mount's callers wait for a successor; 0: not */
	uint64_t number;	/* of the device among those of its type; SIP_NUMBER_NONE */
	bool debug, readonly;
};

struct sip_health {
	_Atomic enum sip_state state;
	_Atomic uint64_t requests;	/* beside those that the 9P server counts */
	_Atomic uint64_t errors;
	uint64_t start_ns;		/* since boot */
	/* Under lock: */
	pthread_mutex_t lock;
	char message[SIP_TEXT_MAX], last_error[SIP_TEXT_MAX];
	uint64_t last_error_ns;
	/* The thread that reports, under the same lock: */
	pthread_cond_t wake;
	pthread_t thread;
	bool running, ending, fresh;	/* fresh: an error that is not reported yet */
};

struct sip_server {
	const struct sip_type *type;
	struct sip_config config;
	struct sip_health health;
	struct p9_srv p9;	/* its aux, r->srv->aux in an operation, is this */
	void *priv;			/* the server's own */
	struct sip_dev *dev[SIP_DEVS_MAX];
	unsigned ndevs;
	unsigned nmessages;		/* logged so far */
	char failure[SIP_TEXT_MAX];	/* the last that sip_fail or sip_refused told */
	char numbered[SIP_NAME_MAX];	/* its name, when the type's own was taken */
	unsigned report_ms;		/* how often health is asked and reported */
	int log_fd;			/* -1: standard error only */
	int health_fd;			/* -1: not under sipd */
	bool initialized, mounted;	/* what sip_finish has to undo */
	atomic_bool stopping;
};

/* How often health is asked and reported: a quarter of the deadline (0: none), within these. */
#define SIP_REPORT_MS		1000
#define SIP_REPORT_MIN_MS	50
unsigned sip_report_ms(unsigned deadline_ms);

/* The whole life of a server; the exit status.  2: wrong option. */
int sip_main(int argc, char **argv, const struct sip_type *type);

/* The parts of it, for tests and for programs that are more than one server. */
int sip_parse(struct sip_server *s, int argc, char **argv);	/* 0, 1 after -h, -EINVAL */
void sip_help(const struct sip_type *type, int fd);
int sip_init(struct sip_server *s, const struct sip_type *type);
int sip_start(struct sip_server *s);	/* initialize, attach, mount, start */
int sip_serve(struct sip_server *s);	/* until sip_stop; -mount or -listen */
void sip_stop(struct sip_server *s);	/* from any thread: sip_serve returns */
void sip_finish(struct sip_server *s);	/* stop, unmount, detach */
/* Probes and attaches a device, which then is the server's; on an error it is closed. */
int sip_attach(struct sip_server *s, struct sip_dev *d);

/* Life cycle and health: health.c. */
const char *sip_state_name(enum sip_state state);
int sip_state_parse(const char *name);	/* -EINVAL */
bool sip_state_may(enum sip_state from, enum sip_state to);
int sip_set_state(struct sip_server *s, enum sip_state state, const char *fmt, ...)
	SIP_PRINTF(3, 4);
/* Health as /dev/sip/servers/NAME/health takes it, one `name value` a line; the length. */
size_t sip_health_text(struct sip_server *s, char *buf, size_t n);
int sip_health_start(struct sip_server *s);	/* the thread that asks and reports */
void sip_health_end(struct sip_server *s);
void sip_health_report(struct sip_server *s);	/* now; nothing when not under sipd */

/* One piece of work that was not a 9P request, which are counted already. */
static inline void
sip_count(struct sip_server *s)
{
	atomic_fetch_add_explicit(&s->health.requests, 1, memory_order_relaxed);
}
/* A failure of ours or the device's beside those that are answers; keeps and logs the text. */
void sip_error(struct sip_server *s, const char *fmt, ...) SIP_PRINTF(2, 3);

/* A line "NAME: text" on standard error and in the log: log.c. */
void sip_log(struct sip_server *s, const char *fmt, ...) SIP_PRINTF(2, 3);
void sip_debug(struct sip_server *s, const char *fmt, ...) SIP_PRINTF(2, 3);	/* with -d */
/* Logs, and gives err back. */
int sip_fail(struct sip_server *s, int err, const char *fmt, ...) SIP_PRINTF(3, 4);
/* The same for what this thread's last call to the system that failed gave: in its own words. */
int sip_refused(struct sip_server *s, int err, const char *fmt, ...) SIP_PRINTF(3, 4);

/* --- devices: dev.c (what is the same for all), dev_files.c (through /dev) ----------------- */

enum sip_bar_kind { SIP_BAR_NONE, SIP_BAR_MEM, SIP_BAR_IO };

struct sip_pci_info {		/* what /dev/pci/B.D.Fctl says */
	char addr[16];		/* "0.31.2" */
	uint32_t class;		/* class << 16 | subclass << 8 | interface */
	uint16_t vendor, device;
	struct {
		enum sip_bar_kind kind;
		uint64_t base, size;
	} bar[6];
	int irq;		/* a line; -1: none */
	unsigned msi, msix;	/* how many vectors it can have */
	int msix_bar;		/* where its MSI-X table is, which nobody may map; -1: nowhere */
	uint64_t msix_offset;
	bool enabled;
	uint32_t serial;	/* of no other function since boot; 0: not told */
	bool leaving;		/* its driver is to end */
	int vector;		/* the first given by msi or msix: /dev/irq/vector; -1: none */
	int vectors[SIP_VECTORS_MAX];	/* all of them, in the device's order */
	unsigned nvectors;
};

/* Registers.  Only the accessors below touch them. */
struct sip_bar {
	volatile uint8_t *regs;		/* NULL: the bus reads and writes */
	uint64_t base, size;
	struct sip_dev *dev;
	unsigned index;
};

struct sip_dma {
	void *vaddr;
	uint64_t paddr;		/* what the device must use */
	size_t size;
	int handle;		/* /dev/dma/handle */
};

/* How a device is reached: the files under /dev, or a model in a test. */
struct sip_bus {
	int (*info)(struct sip_dev *d, struct sip_pci_info *info);
	int (*command)(struct sip_dev *d, const char *text);
	int (*map)(struct sip_dev *d, unsigned bar, struct sip_bar *out);
	void (*unmap)(struct sip_dev *d, struct sip_bar *bar);
	uint64_t (*read)(struct sip_dev *d, unsigned bar, uint64_t off, unsigned width);
	void (*write)(struct sip_dev *d, unsigned bar, uint64_t off, unsigned width,
		uint64_t value);
	int (*dma_alloc)(struct sip_dev *d, size_t size, size_t align, struct sip_dma *out);
	void (*dma_free)(struct sip_dev *d, struct sip_dma *dma);
	int (*irq_open)(struct sip_dev *d, int irq);		/* a descriptor-like number */
	int (*irq_wait)(struct sip_dev *d, int fd, uint64_t *count, uint64_t *ns); /* blocks */
	void (*irq_close)(struct sip_dev *d, int fd);
	void (*close)(struct sip_dev *d);			/* may be NULL */
	/* Port instructions of 1, 2 or 4 bytes, after one call of `ports`; may be NULL. */
	int (*ports)(struct sip_dev *d);
	uint32_t (*in)(struct sip_dev *d, uint16_t port, unsigned width);
	void (*out)(struct sip_dev *d, uint16_t port, unsigned width, uint32_t value);
	/* The first n bytes of configuration space; may be NULL. */
	int (*config)(struct sip_dev *d, void *buf, size_t n);
};
extern const struct sip_bus sip_bus_files;

/* A vector and the thread that waits for its interrupts; must not move while it runs. */
struct sip_irq {
	struct sip_dev *dev;
	void (*handler)(void *arg, uint64_t count, uint64_t ns);
	void *arg;
	int fd;
	bool running;
	pthread_t thread;
	atomic_bool closing, ended;
};

struct sip_dev {
	struct sip_pci_info info;
	struct sip_server *server;	/* may be NULL: then nothing is logged */
	const struct sip_bus *bus;
	void *bus_priv;
	const char *root;		/* "/dev" */
	void *priv;			/* the driver's own */
	bool dma32;			/* its DMA memory is to lie below 4 GiB; the driver's */
	int ctl_fd, mem_fd, io_fd;
	atomic_bool maps_dma;		/* the other end cannot: we map buffers ourselves */
	struct sip_irq irq;		/* of sip_dev_interrupts */
};

/* Opens a function ("0.31.2") through the files under /dev; the caller frees with sip_dev_close. */
int sip_dev_open(const char *addr, struct sip_dev **out);
/* The same over another bus: a model. */
int sip_dev_open_bus(const char *addr, const struct sip_bus *bus, void *bus_priv,
	struct sip_dev **out);
void sip_dev_close(struct sip_dev *d);
void sip_dev_quiet(struct sip_dev *d);	/* its interrupt thread is over when this returns */
/* Calls each for every function under ROOT/pci ("/dev" for root) until it gives non-zero. */
int sip_dev_scan(const char *root, int (*each)(void *arg, const struct sip_pci_info *info),
	void *arg);
bool sip_pci_matches(const struct sip_pci_match *list, const struct sip_pci_info *info);
int sip_pci_parse(const char *text, struct sip_pci_info *info);	/* the text of a ctl file */
bool sip_pci_addr_ok(const char *addr);

int sip_dev_command(struct sip_dev *d, const char *fmt, ...) SIP_PRINTF(2, 3);	/* to its ctl */
int sip_dev_enable(struct sip_dev *d);			/* memory and port decoding on */
int sip_dev_busmaster(struct sip_dev *d, bool on);
/* The device was reset: nothing reaches the memory of drivers before this one any more. */
int sip_dev_forget(struct sip_dev *d);
int sip_dev_reset(struct sip_dev *d);			/* function level */
/* The first n bytes of configuration space, at most 256: 0. */
int sip_dev_config(struct sip_dev *d, void *buf, size_t n);
/* MSI-X or MSI where the device has it, else its line: the number N of /dev/irq/N. */
int sip_dev_msi(struct sip_dev *d, unsigned nvectors);
/* A memory BAR, uncached; up to the page of the MSI-X table if that is in it: out->size. */
int sip_dev_map(struct sip_dev *d, unsigned bar, struct sip_bar *out);
void sip_dev_unmap(struct sip_dev *d, struct sip_bar *bar);
/* Zeroed, physically contiguous, below 4 GiB if d->dma32; align is a power of 2. */
int sip_dma_alloc(struct sip_dev *d, size_t size, size_t align, struct sip_dma *out);
void sip_dma_free(struct sip_dev *d, struct sip_dma *dma);
/*
 * A thread that calls handler(arg, count, ns) for the interrupts of /dev/irq/N; count: since the
 * last call, ns: time of the last.  For a driver with several vectors, each with its own.
 */
int sip_irq_start(struct sip_irq *i, struct sip_dev *d, int irq,
	void (*handler)(void *arg, uint64_t count, uint64_t ns), void *arg);
/* Its thread is over when this returns; nothing, if it was not started. */
void sip_irq_stop(struct sip_irq *i);
/* The common case: one vector; the driver's interrupt is called. */
int sip_dev_interrupts(struct sip_dev *d, int irq);

static inline uint8_t
sip_read8(const struct sip_bar *b, uint64_t off)
{
	if (!b->regs)
		return (uint8_t)b->dev->bus->read(b->dev, b->index, off, 1);
	return b->regs[off];
}

static inline void
sip_write8(const struct sip_bar *b, uint64_t off, uint8_t value)
{
	if (!b->regs)
		b->dev->bus->write(b->dev, b->index, off, 1, value);
	else
		b->regs[off] = value;
}

static inline uint16_t
sip_read16(const struct sip_bar *b, uint64_t off)
{
	if (!b->regs)
		return (uint16_t)b->dev->bus->read(b->dev, b->index, off, 2);
	return *(volatile uint16_t *)(b->regs + off);
}

static inline void
sip_write16(const struct sip_bar *b, uint64_t off, uint16_t value)
{
	if (!b->regs)
		b->dev->bus->write(b->dev, b->index, off, 2, value);
	else
		*(volatile uint16_t *)(b->regs + off) = value;
}

static inline uint32_t
sip_read32(const struct sip_bar *b, uint64_t off)
{
	if (!b->regs)
		return (uint32_t)b->dev->bus->read(b->dev, b->index, off, 4);
	return *(volatile uint32_t *)(b->regs + off);
}

static inline void
sip_write32(const struct sip_bar *b, uint64_t off, uint32_t value)
{
	if (!b->regs)
		b->dev->bus->write(b->dev, b->index, off, 4, value);
	else
		*(volatile uint32_t *)(b->regs + off) = value;
}

static inline uint64_t
sip_read64(const struct sip_bar *b, uint64_t off)
{
	if (!b->regs)
		return b->dev->bus->read(b->dev, b->index, off, 8);
	return *(volatile uint64_t *)(b->regs + off);
}

static inline void
sip_write64(const struct sip_bar *b, uint64_t off, uint64_t value)
{
	if (!b->regs)
		b->dev->bus->write(b->dev, b->index, off, 8, value);
	else
		*(volatile uint64_t *)(b->regs + off) = value;
}

/* Ports of the function: `size` of them from `base` on. */
struct sip_ports {
	struct sip_dev *dev;
	uint16_t base, size;
};
/* -ENODEV for what are no ports.  That they are the function's, the kernel checks at each use. */
int sip_dev_ports(struct sip_dev *d, uint64_t base, uint64_t size, struct sip_ports *out);

static inline uint8_t
sip_in8(const struct sip_ports *p, unsigned off)
{
	return (uint8_t)p->dev->bus->in(p->dev, (uint16_t)(p->base + off), 1);
}

static inline uint16_t
sip_in16(const struct sip_ports *p, unsigned off)
{
	return (uint16_t)p->dev->bus->in(p->dev, (uint16_t)(p->base + off), 2);
}

static inline uint32_t
sip_in32(const struct sip_ports *p, unsigned off)
{
	return p->dev->bus->in(p->dev, (uint16_t)(p->base + off), 4);
}

static inline void
sip_out8(const struct sip_ports *p, unsigned off, uint8_t value)
{
	p->dev->bus->out(p->dev, (uint16_t)(p->base + off), 1, value);
}

static inline void
sip_out16(const struct sip_ports *p, unsigned off, uint16_t value)
{
	p->dev->bus->out(p->dev, (uint16_t)(p->base + off), 2, value);
}

static inline void
sip_out32(const struct sip_ports *p, unsigned off, uint32_t value)
{
	p->dev->bus->out(p->dev, (uint16_t)(p->base + off), 4, value);
}

/*
 * A wait by looks, with a bound.  Of the time between two looks no more counts than a SIP_LOOKS-th
 * of the bound: the rest is a pause of the process or of the whole machine, in which its device has
 * not worked either.  After each look that found nothing sip_patience_over is asked once.
 */
enum { SIP_LOOKS = 20 };
struct sip_patience {
	uint64_t last_ns, left_ns, most_ns;
};
struct sip_patience sip_patience(unsigned timeout_ms);
bool sip_patience_over(struct sip_patience *p);
/* Waits until (register & mask) == want: true; false after timeout_ms, by sip_patience. */
bool sip_wait32(const struct sip_bar *b, uint64_t off, uint32_t mask, uint32_t want,
	unsigned timeout_ms);

/* Bits that an interrupt sets and a request waits for: event.c. */
struct sip_event {
	pthread_mutex_t lock;
	pthread_cond_t came;
	uint32_t bits;
};
void sip_event_init(struct sip_event *e);
void sip_event_free(struct sip_event *e);
void sip_event_clear(struct sip_event *e, uint32_t bits);	/* before what will set them */
void sip_event_set(struct sip_event *e, uint32_t bits);
/* Until one of the bits is set: 0; -ETIMEDOUT. */
int sip_event_wait(struct sip_event *e, uint32_t bits, unsigned timeout_ms);

/* --- faults on demand: fault.c in builds for tests; in others nofault.c, which knows none ---- */

/*
 * What a driver's fault.c, which only such a build has, can do with a request.  Any may be NULL:
 * then there is no such fault (but for `interrupt`); without `start` a request that hangs keeps its
 * thread.
 */
struct sip_faults {
	void (*start)(void *where, void *request);	/* as if nothing were to happen */
	void (*wrong)(void *where, void *request);	/* answered, but not done */
	bool (*wild_dma)(void *where, void *request);	/* with an address that is not its own */
	bool (*stale_dma)(void *where, void *request);	/* with those of a request before it */
	/* Lets the device interrupt, once.  NULL: its line does it, as nobody acknowledges. */
	void (*interrupt)(void *where);
};
extern const struct sip_faults sip_driver_faults;

/*
 * `fault KIND [#N]` (man/4/fault): 0; -ENOENT if it is no such command, and always without
 * fault.c; -EINVAL with a text by os_set_errstr.
 */
int sip_fault_command(struct sip_server *s, const char *text);
/* Once for each request, before it is begun.  True: the fault has taken it; forget it. */
bool sip_fault(struct sip_server *s, void *where, void *request);
/* d's irq_wait; -EINTR, after a while, if the fault is that interrupts are lost. */
int sip_irq_wait(struct sip_dev *d, int fd, uint64_t *count, uint64_t *ns);

/* --- manifests: manifest.c; see man/5/manifest --------------------------------------------- */

#define SIP_CAPS_MAX	16
#define SIP_GRANTS_MAX	16
#define SIP_MATCH_MAX	16
#define SIP_AFTER_MAX	8

enum sip_restart { SIP_RESTART_NEVER, SIP_RESTART_ON_FAILURE, SIP_RESTART_ALWAYS };

struct sip_manifest {
	char name[SIP_NAME_MAX];	/* the type */
	char program[SIP_PATH_MAX], args[SIP_PATH_MAX], mount[SIP_PATH_MAX];
	char capability[SIP_CAPS_MAX][16];
	char grant[SIP_GRANTS_MAX][24];	/* commands of a slot: "port 0x70-0x71", "line 8" */
	char after[SIP_AFTER_MAX][SIP_NAME_MAX];
	struct sip_pci_match match[SIP_MATCH_MAX + 1];
	unsigned ncaps, ngrants, nafter, nmatch;
	uint64_t memory;		/* bytes; 0: no limit */
	unsigned priority;		/* 0..30; 10 when not given */
	unsigned deadline_ms;		/* 0: none */
	enum sip_restart restart;
	unsigned wait_ms;		/* how long clients wait for a successor */
	unsigned stable_ms, limit;	/* see sip_policy */
	unsigned interrupts;		/* a second, above which they are a storm */
};

/* `file` names it in errors: "FILE:LINE: text" in err.  0, -EINVAL, -E2BIG. */
int sip_manifest_parse(struct sip_manifest *m, const char *file, const char *text, size_t n,
	char err[SIP_TEXT_MAX]);
int sip_manifest_load(struct sip_manifest *m, const char *path, char err[SIP_TEXT_MAX]);

/* --- policy: policy.c; what is done about a death -------------------------------------------- */

#define SIP_BACKOFF_FIRST_MS	10
#define SIP_BACKOFF_MAX_MS	5000

enum sip_action { SIP_LEAVE, SIP_START, SIP_GIVE_UP };

/* What the kernel says of an end (man/3/sip), and the manager if it was by its verdict. */
struct sip_end {
	bool stopped, by_hand, exit0;
	uint64_t lived_ms;		/* after it was healthy */
	uint64_t waited_ms;		/* the last part of that: the manager waited */
};

/*
 * What is to be done, and after how many ms.  *deaths counts those in a row that were the server's
 * own failure without having been stable before; a manager keeps it for each server, and makes it 0
 * when somebody starts the server by hand.
 */
enum sip_action sip_policy(const struct sip_manifest *m, unsigned *deaths,
	const struct sip_end *end, unsigned *delay_ms);
/* How long the server is to blame for a request of that age: while what it waits for is well. */
uint64_t sip_blame_ns(uint64_t age_ns, uint64_t now, uint64_t others_well_since);
/*
 * How much of an age is left without the time in which the machine stood still, as a virtual one
 * does when its host pauses: from `still_from` until `still_until`, which is not after now.
 */
uint64_t sip_running_ns(uint64_t age_ns, uint64_t now, uint64_t still_from, uint64_t still_until);
/*
 * How long a start may take, in ns, after `missed` in a row that did not end in time: twice as long
 * each time, at most 16 deadlines.  A machine that is too slow for the deadline just now would
 * otherwise start and kill its servers until somebody helps.
 */
uint64_t sip_start_ns(unsigned deadline_ms, unsigned missed);

/* What the files of a slot tell of its former lives, as far back as eight of them. */
struct sip_past {
	unsigned deaths;	/* what sip_policy counted up to the present life */
	unsigned missed;	/* starts in a row, up to it, that did not end in time */
};
/* From the text of a slot's health (man/3/sip), for a manager that has not seen them. */
void sip_history(const struct sip_manifest *m, const char *health, struct sip_past *out);
/* What a manager waited, in ms, before it killed a server for that cause; 0 for any other. */
uint64_t sip_verdict_ms(unsigned deadline_ms, const char *cause);

/* So many deadlines has a request while its server, or one that it waits for, says degraded. */
#define SIP_DEGRADED_DEADLINES	64

struct sip_late {
	uint64_t report_ns;	/* age of the last report of health */
	uint64_t request_ns;	/* of the oldest request: sip_blame_ns */
	uint64_t healthy_ns;	/* since it and what it waits for are healthy; 0: not */
};
/* The cause of the death of one that does not start; sip_overdue has the others. */
#define SIP_CAUSE_START		"not healthy within the deadline"
/* A text for a death by its deadline, or NULL.  0 for a deadline is none. */
const char *sip_overdue(unsigned deadline_ms, const struct sip_late *late);

/* --- factory: factory.c; the types known, and how to make a server of one -------------------- */

#define SIP_TYPES_MAX	64

struct sip_factory {
	struct sip_manifest *type[SIP_TYPES_MAX];
	unsigned ntypes;
	const char *root;		/* "/dev": where pci and sip are */
};

/* One server to be made: a type and, for a driver, its device. */
struct sip_plan {
	const struct sip_manifest *type;
	char name[SIP_NAME_MAX];	/* the type's; the second and later get a number */
	char device[16];		/* "" for a server without one */
	unsigned number;		/* of the device among those of the type */
};

void sip_factory_init(struct sip_factory *f);
void sip_factory_free(struct sip_factory *f);
/* -EEXIST, -ENOSPC */
int sip_factory_register(struct sip_factory *f, const struct sip_manifest *m);
/* Every file in dir; each bad one is told to `warn` and left out.  The number of types. */
int sip_factory_load(struct sip_factory *f, const char *dir, void (*warn)(const char *text));
const struct sip_manifest *sip_factory_find(const struct sip_factory *f, const char *name);
/* The type whose match is the most exact, or NULL. */
const struct sip_manifest *sip_factory_match(const struct sip_factory *f,
	const struct sip_pci_info *info);
/*
 * What to start, dependencies first: each type without a match once, each driver once for every
 * device of its.  A type whose `after` is unknown, or that waits for itself, is told to `warn` and
 * left out with those that wait for it.  The number of entries made, at most nplan.
 */
size_t sip_factory_plan(const struct sip_factory *f, const struct sip_pci_info *devs, size_t ndevs,
	struct sip_plan *plan, size_t nplan, void (*warn)(const char *text));
/* Fills in the plan's name from its type and number. */
void sip_factory_name(struct sip_plan *p);
/* Tells ROOT/sip/types of every type, so that a slot can be made of one by hand. */
int sip_factory_publish(const struct sip_factory *f);
/* Makes a slot at ROOT/sip/clone and sets it up: the open ctl, to be kept open. */
int sip_factory_make(const struct sip_factory *f, const struct sip_plan *p,
	char err[SIP_TEXT_MAX]);
/* Writes a command to a slot's ctl: 0 or a negative errno, with a text in err. */
int sip_factory_tell(int ctl, char err[SIP_TEXT_MAX], const char *fmt, ...) SIP_PRINTF(3, 4);
/* The value of a `name value` line in a text, copied to out; its length or -ENOENT. */
int sip_field(const char *text, const char *name, char *out, size_t n);
