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

#define CHUNK		256
#define EXIT_PORT	0xf4	/* QEMU's isa-debug-exit, where it is configured */

enum { DIRECTORY = 0040555, DEVICE = 0020666, READ = 0100444, BOTH = 0100666 };

enum {
	QROOT, QCONS, QTTY, QCONSCTL, QKMSG, QTIME, QRANDOM, QURANDOM, QNULL, QZERO, QFULL,
	QSYSSTAT, QSWAP, QCMDLINE, QDRIVERS, QSYSCTL, QUSER, QHOSTNAME, QMEM, QIO, QIRQ, QDMA,
	QPCI, QSIP, QSD, QEDU, QPASS, QSLOT, NFILES
};

static const struct {
	const char *name;
	uint32_t mode;
} files[NFILES] = {
	[QROOT] = { "", DIRECTORY }, [QCONS] = { "cons", DEVICE }, [QTTY] = { "tty", DEVICE },
	[QCONSCTL] = { "consctl", BOTH }, [QKMSG] = { "kmsg", BOTH }, [QTIME] = { "time", BOTH },
	[QRANDOM] = { "random", DEVICE }, [QURANDOM] = { "urandom", DEVICE },
	[QNULL] = { "null", DEVICE }, [QZERO] = { "zero", DEVICE }, [QFULL] = { "full", DEVICE },
	[QSYSSTAT] = { "sysstat", READ }, [QSWAP] = { "swap", READ },
	[QCMDLINE] = { "cmdline", READ }, [QDRIVERS] = { "drivers", READ },
	[QSYSCTL] = { "sysctl", BOTH }, [QUSER] = { "user", READ },
	[QHOSTNAME] = { "hostname", BOTH }, [QMEM] = { "mem", BOTH }, [QIO] = { "io", BOTH },
	[QIRQ] = { "irq", DIRECTORY }, [QDMA] = { "dma", DIRECTORY }, [QPCI] = { "pci", DIRECTORY },
	[QSIP] = { "sip", DIRECTORY }, [QSD] = { "sd", DIRECTORY }, [QEDU] = { "edu", DIRECTORY },
	[QPASS] = { "pass", DIRECTORY }, [QSLOT] = { "slot", DIRECTORY },
};

static struct spinlock name_lock = SPINLOCK("hostname");
static char hostname[65] = "lux9";

static void
sysstat_text(struct text *t)
{
	for (unsigned i = 0; i < cpu_count(); i++) {
		struct sched_stats s;

		sched_stats(i, &s);
		text_add(t, "cpu %u switches %lu syscalls %lu interrupts %lu ipis %lu faults %lu "
			 "idle_ns %lu\n", i, s.switches, s.syscalls, s.interrupts, s.ipis,
			 s.faults, s.idle_ns);
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
hostname_command(char *text)
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

bool
cons_is_terminal(const struct chan *c)
{
	return c->dev == &dev_cons && (c->qid.path == QCONS || c->qid.path == QTTY);
}

static struct dirtab
entry_of(uint64_t file)
{
	return (struct dirtab){ files[file].name, file, files[file].mode, 0 };
}

static int
files_gen(struct chan *c, int i, struct dirtab *e, char[SYS_NAME_MAX + 1])
{
	if (c->qid.path != QROOT || i >= NFILES - 1)
		return -1;
	*e = entry_of((uint64_t)i + 1);
	return 1;
}

static int
files_open(struct chan **c, uint32_t flags)
{
	struct dirtab e = entry_of((*c)->qid.path);

	if (e.path == QMEM || e.path == QIO)
		return error(ENXIO, "%s: its device is not mounted", e.name);
	return devtab_check(&e, flags);
}

static void
files_close(struct chan *c)
{
	if (c->qid.path == QCONSCTL)
		consctl_close(c);
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

static void
file_text(struct text *t, void *arg)
{
	const struct chan *c = arg;
	uint64_t wall = time_wall();
	const struct dev *d;

	switch (c->qid.path) {
	case QCONSCTL:
		consctl_text(t);
		break;
	case QTIME:
		text_add(t, "%lu %lu %lu 1000000000\n", wall / 1000000000, wall, time_now());
		break;
	case QSYSSTAT:
		sysstat_text(t);
		break;
	case QSWAP:
		text_add(t, "pages total %lu\npages free %lu\npage size %lu\nheap %lu\n",
			 page_total(), page_free_count(), PAGE_SIZE, heap_used());
		break;
	case QCMDLINE:
		text_add(t, "%s\n", boot.cmdline);
		break;
	case QDRIVERS:
		for (unsigned i = 0; (d = dev_at(i)) != NULL; i++)
			text_add(t, "#%s\n", d->name);
		break;
	case QSYSCTL:
		text_add(t, "version lux9\ncpus %u\nloader %s\n", cpu_count(), boot.loader);
		break;
	case QUSER:
		text_add(t, "%u", proc_current()->uid);
		break;
	case QHOSTNAME:
		spin_lock(&name_lock);
		text_add(t, "%s", hostname);
		spin_unlock(&name_lock);
		break;
	}
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
	}
	return uio_put_made(u, off, file_text, c);
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
files_write(struct chan *c, struct uio *u, uint64_t)
{
	char text[CHUNK];
	int64_t n;
	int err;

	switch (c->qid.path) {
	case QCONS:
	case QTTY:
		return uio_get_all(u, cons_write);
	case QNULL:
	case QZERO:
		return (int64_t)u->left;
	case QFULL:
		return -ENOSPC;
	case QRANDOM:
	case QURANDOM:
		return uio_get_all(u, random_mix);
	}
	n = uio_get_command(u, text, sizeof(text));
	err = n < 0 ? 0 : command(c, text);
	return err < 0 ? err : n;
}

static int
files_stat(struct chan *c, struct sys_stat *st)
{
	struct dirtab e = entry_of(c->qid.path);

	devtab_stat(c, st, &e);
	if (e.mode == DEVICE)
		st->rdev = 1u << 8 | c->qid.path;
	return 0;
}

static int
files_setattr(struct chan *, const struct sys_attr *a)
{
	/* A shell's `>` cuts a file to nothing: no more than that. */
	return a->valid & ~(uint32_t)SYS_ATTR_SIZE ? -EPERM : 0;
}

static int
files_poll(struct chan *c, struct poller *p)
{
	return cons_is_terminal(c) ? cons_poll(p) : POLLIN | POLLOUT;
}

const struct dev dev_cons = {
	.gen = files_gen,
	.name = "cons", .attach = devtab_attach, .walk = devtab_walk, .open = files_open,
	.close = files_close, .read = files_read, .write = files_write,
	.readdir = devtab_readdir, .stat = files_stat, .setattr = files_setattr,
	.poll = files_poll, .kind = SYS_KIND_CONS,
};
