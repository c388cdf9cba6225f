/*
 * dev_cons: the tree of /dev: the console's files, the small files, and the places where the
 * devices with files of their own are mounted.  cons(3), null(3), time(3), sysstat(3), sysctl(3)
 */
#include "amd64/acpi.h"
#include "amd64/cpu.h"
#include "boot.h"
#include "cap.h"
#include "cons.h"
#include "log.h"
#include "name.h"
#include "poll.h"
#include "proc.h"

#define TEXT_MAX	8192
#define CHUNK		256
#define EXIT_PORT	0xf4	/* QEMU's isa-debug-exit, where it is configured */

enum {
	QROOT, QCONS, QTTY, QCONSCTL, QKMSG, QTIME, QRANDOM, QURANDOM, QNULL, QZERO, QFULL,
	QSYSSTAT, QSWAP, QCMDLINE, QDRIVERS, QSYSCTL, QUSER, QHOSTNAME, QMEM, QIO, QIRQ, QDMA,
	QPCI, QSIP, QSD, QEDU, QPASS,
};
enum { DIRECTORY = 0040555, DEVICE = 0020666, READ = 0100444, BOTH = 0100666 };

static const struct dirtab files[] = {
	{ "cons", QCONS, DEVICE, 0 }, { "tty", QTTY, DEVICE, 0 },
	{ "consctl", QCONSCTL, BOTH, 0 }, { "kmsg", QKMSG, BOTH, 0 },
	{ "time", QTIME, BOTH, 0 }, { "random", QRANDOM, DEVICE, 0 },
	{ "urandom", QURANDOM, DEVICE, 0 }, { "null", QNULL, DEVICE, 0 },
	{ "zero", QZERO, DEVICE, 0 }, { "full", QFULL, DEVICE, 0 },
	{ "sysstat", QSYSSTAT, READ, 0 }, { "swap", QSWAP, READ, 0 },
	{ "cmdline", QCMDLINE, READ, 0 }, { "drivers", QDRIVERS, READ, 0 },
	{ "sysctl", QSYSCTL, BOTH, 0 }, { "user", QUSER, READ, 0 },
	{ "hostname", QHOSTNAME, BOTH, 0 }, { "mem", QMEM, BOTH, 0 }, { "io", QIO, BOTH, 0 },
	{ "irq", QIRQ, DIRECTORY, 0 }, { "dma", QDMA, DIRECTORY, 0 },
	{ "pci", QPCI, DIRECTORY, 0 }, { "sip", QSIP, DIRECTORY, 0 },
	{ "sd", QSD, DIRECTORY, 0 }, { "edu", QEDU, DIRECTORY, 0 },
	{ "pass", QPASS, DIRECTORY, 0 },
};

static struct spinlock name_lock = SPINLOCK("hostname");
static char hostname[65] = "lux9";

bool
cons_is_terminal(const struct chan *c)
{
	return c->dev == &dev_cons && (c->qid.path == QCONS || c->qid.path == QTTY);
}

static int
files_gen(struct chan *c, int i, struct dirtab *e, char buf[SYS_NAME_MAX + 1])
{
	(void)buf;
	if (c->qid.path != QROOT || i >= (int)ARRAY_LEN(files))
		return -1;
	*e = files[i];
	return 1;
}

static int
files_open(struct chan **c, uint32_t flags)
{
	const struct dirtab *e;

	if ((*c)->qid.type & QT_DIR)
		return 0;
	e = &files[(*c)->qid.path - 1];
	if (e->path == QMEM || e->path == QIO)
		return error(ENXIO, "%s: its device is not mounted", e->name);
	if ((flags & SYS_O_ACCMODE) != SYS_O_RDONLY && !(e->mode & 0222))
		return error(EACCES, "%s: cannot be written", e->name);
	return 0;
}

static void
files_close(struct chan *c)
{
	if (c->qid.path == QCONSCTL)
		consctl_close(c);
}

static int
sysstat_text(char *buf, size_t n)
{
	int at = 0;

	for (unsigned i = 0; i < cpu_count() && (size_t)at < n; i++) {
		struct sched_stats s;

		sched_stats(i, &s);
		at += ksnprintf(buf + at, n - (size_t)at,
				"cpu %u switches %lu syscalls %lu interrupts %lu ipis %lu "
				"faults %lu idle_ns %lu\n", i, s.switches, s.syscalls, s.interrupts,
				s.ipis, s.faults, s.idle_ns);
	}
	return at;
}

static int
drivers_text(char *buf, size_t n)
{
	const struct dev *d;
	int at = 0;

	for (unsigned i = 0; (d = dev_at(i)) != NULL && (size_t)at < n; i++)
		at += ksnprintf(buf + at, n - (size_t)at, "#%s\n", d->name);
	return at;
}

static int
time_text(char *buf, size_t n)
{
	uint64_t wall = time_wall();

	return ksnprintf(buf, n, "%lu %lu %lu 1000000000\n", wall / 1000000000, wall, time_now());
}

static int
hostname_text(char *buf, size_t n)
{
	int r;

	spin_lock(&name_lock);
	r = ksnprintf(buf, n, "%s", hostname);
	spin_unlock(&name_lock);
	return r;
}

static int
text_of(uint64_t file, char *buf, size_t n)
{
	switch (file) {
	case QCONSCTL:
		return (int)consctl_text(buf, n);
	case QTIME:
		return time_text(buf, n);
	case QSYSSTAT:
		return sysstat_text(buf, n);
	case QSWAP:
		return ksnprintf(buf, n,
				 "pages total %lu\npages free %lu\npage size %lu\nheap %lu\n",
				 page_total(), page_free_count(), PAGE_SIZE, heap_used());
	case QCMDLINE:
		return ksnprintf(buf, n, "%s\n", boot.cmdline);
	case QDRIVERS:
		return drivers_text(buf, n);
	case QSYSCTL:
		return ksnprintf(buf, n, "version lux9\ncpus %u\nloader %s\n", cpu_count(),
				 boot.loader);
	case QUSER:
		return ksnprintf(buf, n, "%u", proc_current()->uid);
	case QHOSTNAME:
		return hostname_text(buf, n);
	default:
		return -EPERM;
	}
}

static int64_t
read_text(struct chan *c, struct uio *u, uint64_t off)
{
	char *buf = kmalloc(TEXT_MAX);
	int64_t n;

	if (buf == NULL)
		return -ENOMEM;
	n = text_of(c->qid.path, buf, TEXT_MAX);
	if (n >= 0)
		n = uio_put_text(u, off, buf, MIN((size_t)n, TEXT_MAX - 1ul));
	kfree(buf);
	return n;
}

/* Zeros, random bytes or the log, piece by piece. */
static int64_t
read_bytes(uint64_t file, struct uio *u, uint64_t off)
{
	static const char zeros[PAGE_SIZE];
	char buf[CHUNK];
	size_t done = 0;

	while (u->left > 0) {
		bool zero = file == QZERO || file == QFULL;
		size_t n = MIN(u->left, zero ? sizeof(zeros) : sizeof(buf));
		const char *from = buf;

		if (file == QKMSG)
			n = log_read(buf, n, off + done);
		else if (file == QRANDOM || file == QURANDOM)
			random_bytes(buf, n);
		else
			from = zeros;
		if (n == 0)
			break;
		if (uio_put(u, from, n) < 0)
			return -EFAULT;
		done += n;
		if (u->left > 0)
			irq_window();
	}
	return (int64_t)done;
}

static int64_t
files_read(struct chan *c, struct uio *u, uint64_t off)
{
	switch (c->qid.path) {
	case QCONS:
	case QTTY:
		return cons_read(c, u);
	case QNULL:
		return 0;
	case QZERO:
	case QFULL:
	case QRANDOM:
	case QURANDOM:
	case QKMSG:
		return read_bytes(c->qid.path, u, off);
	default:
		return read_text(c, u, off);
	}
}

static int
time_command(char *text)
{
	uint64_t sec, nsec = 0;
	char *w[2];
	int n = text_words(text, w, 2);

	if (n < 1 || text_number(w[0], UINT64_MAX / 1000000000 - 1, &sec) < 0 ||
	    (n == 2 && text_number(w[1], 999999999, &nsec) < 0))
		return error(EINVAL, "time: want seconds since 1970, and nanoseconds");
	if (cap_check(CAP_ADMIN) < 0)
		return -EACCES;
	time_set_wall(sec * 1000000000 + nsec);
	return 0;
}

static int
power_off(void)
{
	/* Where ACPI's tables do not say: QEMU's q35 and i440fx, [PIIX4 and ICH9 PM1a_CNT]. */
	if (!acpi_poweroff()) {
		outw(0x604, 0x2000);
		outw(0xb004, 0x2000);
	}
	return error(EIO, "sysctl: this machine cannot be switched off");
}

static int
system_command(char *text)
{
	uint64_t code;
	char *w[2];
	int n = text_words(text, w, 2);
	bool leave = n == 2 && strcmp(w[0], "exit") == 0 && text_number(w[1], 255, &code) == 0;

	if (!leave && !(n == 1 && (strcmp(w[0], "poweroff") == 0 || strcmp(w[0], "reboot") == 0)))
		return error(EINVAL, "sysctl: want poweroff, reboot, exit N");
	if (cap_check(CAP_ADMIN) < 0)
		return -EACCES;
	if (!leave && w[0][0] == 'r')
		machine_reset();
	if (!leave)
		return power_off();
	outb(EXIT_PORT, (uint8_t)code);
	return error(ENODEV, "sysctl: there is no exit device");
}

static int
hostname_command(const char *text)
{
	if (cap_check(CAP_ADMIN) < 0)
		return -EACCES;
	if (text[0] == '\0' || strlen(text) >= sizeof(hostname))
		return error(EINVAL, "hostname: want 1 to %lu bytes", sizeof(hostname) - 1);
	spin_lock(&name_lock);
	strlcpy(hostname, text, sizeof(hostname));
	spin_unlock(&name_lock);
	return 0;
}

static int
command(struct chan *c, char *text)
{
	switch (c->qid.path) {
	case QCONSCTL:
		return consctl_command(c, text);
	case QKMSG:
		kprint("%s\n", text);
		return 0;
	case QTIME:
		return time_command(text);
	case QSYSCTL:
		return system_command(text);
	case QHOSTNAME:
		return hostname_command(text);
	default:
		return -EPERM;
	}
}

static int64_t
random_write(struct uio *u)
{
	size_t total = u->left;
	char buf[CHUNK];

	while (u->left > 0) {
		size_t n = MIN(u->left, sizeof(buf));

		if (uio_get(u, buf, n) < 0)
			return -EFAULT;
		random_mix(buf, n);
		irq_window();
	}
	return (int64_t)total;
}

static int64_t
files_write(struct chan *c, struct uio *u, uint64_t off)
{
	char text[CHUNK];
	int64_t n;
	int err;

	(void)off;
	switch (c->qid.path) {
	case QCONS:
	case QTTY:
		return cons_put(u);
	case QNULL:
	case QZERO:
		return (int64_t)u->left;
	case QFULL:
		return -ENOSPC;
	case QRANDOM:
	case QURANDOM:
		return random_write(u);
	default:
		n = uio_get_command(u, text, sizeof(text));
		err = n < 0 ? 0 : command(c, text);
		return err < 0 ? err : n;
	}
}

static int
files_stat(struct chan *c, struct sys_stat *st)
{
	static const struct dirtab root = { "", QROOT, DIRECTORY, 0 };
	const struct dirtab *e = c->qid.path == QROOT ? &root : &files[c->qid.path - 1];

	devtab_stat(c, st, e);
	if (e->mode == DEVICE)
		st->rdev = 1u << 8 | c->qid.path;
	return 0;
}

static int
files_setattr(struct chan *c, const struct sys_attr *a)
{
	(void)c;
	/* A shell's `>` cuts a file to nothing: no more than that. */
	return a->valid & ~(uint32_t)SYS_ATTR_SIZE ? -EPERM : 0;
}

static int
files_poll(struct chan *c)
{
	return cons_is_terminal(c) ? cons_poll() : POLLIN | POLLOUT;
}

const struct dev dev_cons = {
	.gen = files_gen,
	.name = "cons", .attach = devtab_attach, .walk = devtab_walk, .open = files_open,
	.close = files_close, .read = files_read, .write = files_write,
	.readdir = devtab_readdir, .stat = files_stat, .setattr = files_setattr,
	.poll = files_poll, .kind = SYS_KIND_CONS,
};
