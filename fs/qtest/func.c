/*
 * Functions as /dev/pci shows them: man/3/pci says what each command does and who may give it.
 *
 * Messages are writes to words of one page of the machine's memory, each vector its own, where
 * irq.c finds them [PCI 3.0, 6.8].  With MSI a function's messages differ only in what is written,
 * and one would hide another: so it has one.
 */
#include "machine.h"
#include "os.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	COMMAND_IO = 1, COMMAND_MEM = 2, COMMAND_MASTER = 4, COMMAND_NO_INTX = 1 << 10,
	AT_COMMAND = 0x04, AT_STATUS = 0x06, AT_CACHE_LINE = 0x0c, AT_BAR = 0x10, AT_LINE = 0x3c,
	MSI_ENABLE = 1, MSI_64 = 1 << 7, MSI_COUNT = 7 << 4,
	MSIX_ENABLE = 1 << 15, MSIX_MASK = 1 << 14,
	EXP_DEVICE_CONTROL = 8, EXP_FLR = 1 << 15, EXP_LINK_CONTROL = 0x10,
	EXP_SLOT_CONTROL = 0x18,
	/* Of the command register: parity, system errors, write and invalidate, no INTx. */
	COMMAND_MAY = 1 << 6 | 1 << 8 | 1 << 4 | COMMAND_NO_INTX,
	MESSAGE = 1,
};

#define LINE(...) (n += (size_t)snprintf(buf + n, n < max ? max - n : 0, __VA_ARGS__))

static int
fail(int err, const char *fmt, ...) SIP_PRINTF(2, 3);

static int
fail(int err, const char *fmt, ...)
{
	char text[OS_ERRSTR_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	os_set_errstr("%s", text);
	return -err;
}

struct func *
func_find(struct machine *m, unsigned bdf)
{
	for (unsigned i = 0; i < m->nfuncs; i++)
		if (m->func[i].bdf == bdf)
			return &m->func[i];
	return NULL;
}

bool
func_granted(const struct process *p, const struct func *f)
{
	return p->bdf == BDF_ALL || p->bdf == (int)f->bdf;
}

/* --- ctl ------------------------------------------------------------------------------------ */

size_t
func_text(struct machine *m, const struct func *f, char *buf, size_t max)
{
	uint32_t command = config_read(m, f->bdf, AT_COMMAND, 2);
	uint32_t line = f->config.interrupt_pin ? config_read(m, f->bdf, AT_LINE, 1) : 0;
	size_t n = 0;

	LINE("class 0x%06x\nvendor 0x%04x\ndevice 0x%04x\nserial %u\n", f->config.class,
		f->config.vendor, f->config.device, f->serial);
	LINE("subsystem 0x%04x 0x%04x\nrevision 0x%02x\n", f->config.subsystem_vendor,
		f->config.subsystem, f->config.revision);
	for (unsigned i = 0; i < PCI_NBARS; i++)
		if (f->bar[i].size)
			LINE("bar %u %s 0x%llx 0x%llx%s%s\n", i, f->bar[i].io ? "io" : "mem",
				(unsigned long long)f->bar[i].base,
				(unsigned long long)f->bar[i].size, f->bar[i].is64 ? " 64" : "",
				f->bar[i].prefetch ? " prefetch" : "");
	LINE("irq %u\nmsi %u\nmsix %u\n", line, f->msi_at != 0, f->nmsix);
	if (f->msix_at)
		LINE("msixtable %u 0x%x 0x%x\n", f->table_bar, f->table_offset, f->nmsix * 16);
	LINE("enabled %d\nbusmaster %d\n", (command & (COMMAND_IO | COMMAND_MEM)) != 0,
		(command & COMMAND_MASTER) != 0);
	LINE("%sowner %d\n", f->leaving ? "leaving 1\n" : "", f->owner ? f->owner->pid : 0);
	for (unsigned i = 0; i < f->nvectors; i++)
		LINE("vector %u\n", MESSAGE_BASE + f->vector[i]);
	return n < max ? n : max;
}

void
func_messages_off(struct machine *m, struct func *f)
{
	if (f->msi_at) {
		uint32_t c = config_read(m, f->bdf, f->msi_at + 2, 2);

		config_write(m, f->bdf, f->msi_at + 2, 2, c & ~(uint32_t)MSI_ENABLE);
	}
	if (f->msix_at) {
		uint32_t c = config_read(m, f->bdf, f->msix_at + 2, 2);

		config_write(m, f->bdf, f->msix_at + 2, 2, c & ~(uint32_t)MSIX_ENABLE);
	}
	for (unsigned i = 0; i < f->nvectors; i++)
		irq_message_free(m, f->vector[i]);
	f->nvectors = 0;
}

/* [PCI 3.0, 6.8.1] */
static void
msi_on(struct machine *m, const struct func *f, uint64_t paddr)
{
	unsigned at = f->msi_at;
	uint32_t c = config_read(m, f->bdf, at + 2, 2);

	config_write(m, f->bdf, at + 4, 4, (uint32_t)paddr);
	if (c & MSI_64)
		config_write(m, f->bdf, at + 8, 4, (uint32_t)(paddr >> 32));
	config_write(m, f->bdf, at + (c & MSI_64 ? 12 : 8), 2, MESSAGE);
	config_write(m, f->bdf, at + 2, 2, (c & ~(uint32_t)MSI_COUNT) | MSI_ENABLE);
}

/* An entry of the table [PCI 3.0, 6.8.2.6]: address, what is written, not masked. */
static void
msix_entry(struct machine *m, const struct func *f, unsigned i, uint64_t paddr)
{
	uint64_t at = f->bar[f->table_bar].base + f->table_offset + 16ull * i;

	qtest_write(m->q, at, 4, (uint32_t)paddr);
	qtest_write(m->q, at + 4, 4, (uint32_t)(paddr >> 32));
	qtest_write(m->q, at + 8, 4, MESSAGE);
	qtest_write(m->q, at + 12, 4, 0);
}

static int
messages(struct machine *m, struct func *f, bool msix, unsigned n)
{
	unsigned have = msix ? f->nmsix : f->msi_at != 0;
	uint64_t paddr;
	uint32_t c;

	have = have < FUNC_VECTORS_MAX ? have : FUNC_VECTORS_MAX;
	if (!have)
		return fail(ENODEV, "pci: the function has no %s", msix ? "msi-x" : "msi");
	if (!n || n > have)
		return fail(EINVAL, "pci: it can have at most %u vectors", have);
	func_messages_off(m, f);
	for (unsigned i = 0; i < n; i++) {
		int v = irq_message_new(m, f->owner, "message", &paddr);

		if (v < 0) {
			func_messages_off(m, f);
			return v;
		}
		f->vector[f->nvectors++] = (unsigned)v;
		if (msix)
			msix_entry(m, f, i, paddr);
		else
			msi_on(m, f, paddr);
	}
	if (msix) {
		c = config_read(m, f->bdf, f->msix_at + 2, 2);
		config_write(m, f->bdf, f->msix_at + 2, 2, (c & ~(uint32_t)MSIX_MASK) |
			MSIX_ENABLE);
	}
	config_change(m, f->bdf, AT_COMMAND, 0, COMMAND_NO_INTX);
	return 0;
}

/* [PCIe 4.0, 6.6.2]; a device model resets at once, so there is nothing to wait for. */
int
func_reset(struct machine *m, struct func *f)
{
	if (!f->flr_at)
		return -EOPNOTSUPP;
	config_change(m, f->bdf, f->flr_at + EXP_DEVICE_CONTROL, 0, EXP_FLR);
	for (unsigned i = 0; i < PCI_NBARS; i++) {
		if (!f->bar[i].size)
			continue;
		config_write(m, f->bdf, AT_BAR + 4 * i, 4, (uint32_t)f->bar[i].base);
		if (f->bar[i].is64)
			config_write(m, f->bdf, AT_BAR + 4 * i + 4, 4,
				(uint32_t)(f->bar[i].base >> 32));
	}
	config_write(m, f->bdf, AT_LINE, 1, f->config.interrupt_pin ? PCI_LINE : 0);
	f->unquiet = false;
	dma_quiet(m, f->bdf);
	return 0;
}

static int
busmaster(struct machine *m, struct func *f, const char *value)
{
	bool on = strcmp(value, "on") == 0;

	if (!on && strcmp(value, "off") != 0)
		return fail(EINVAL, "pci: busmaster is on or off");
	if (on && f->unquiet)
		return fail(EBUSY, "pci: its last driver died: stop the device and say quiet");
	config_change(m, f->bdf, AT_COMMAND, on ? 0 : COMMAND_MASTER, on ? COMMAND_MASTER : 0);
	return 0;
}

static void
enable(struct machine *m, struct func *f)
{
	uint16_t set = f->compat ? COMMAND_IO : 0;

	for (unsigned i = 0; i < PCI_NBARS; i++)
		if (f->bar[i].size)
			set |= f->bar[i].io ? COMMAND_IO : COMMAND_MEM;
	config_change(m, f->bdf, AT_COMMAND, f->nvectors ? 0 : COMMAND_NO_INTX, set);
}

static int
command(struct machine *m, struct func *f, const char *word, const char *arg)
{
	unsigned count;
	char after;
	int rc;

	if (!arg && strcmp(word, "enable") == 0) {
		enable(m, f);
		return 0;
	}
	if (!arg && strcmp(word, "disable") == 0) {
		config_change(m, f->bdf, AT_COMMAND, COMMAND_MASTER, 0);
		func_messages_off(m, f);
		config_change(m, f->bdf, AT_COMMAND, COMMAND_IO | COMMAND_MEM, 0);
		f->owner = NULL;
		m->changes += f->leaving;
		return 0;
	}
	if (!arg && strcmp(word, "quiet") == 0) {
		f->unquiet = false;
		dma_quiet(m, f->bdf);
		return 0;
	}
	if (!arg && strcmp(word, "reset") == 0) {
		func_messages_off(m, f);
		rc = func_reset(m, f);
		return rc == 0 ? 0 : fail(EOPNOTSUPP, "pci: the function has no reset of its own");
	}
	if (arg && strcmp(word, "busmaster") == 0)
		return busmaster(m, f, arg);
	if (arg && (strcmp(word, "msi") == 0 || strcmp(word, "msix") == 0) &&
	    sscanf(arg, "%u%c", &count, &after) == 1)
		return messages(m, f, word[3] == 'x', count);
	return fail(EINVAL,
		"pci: commands: enable disable busmaster on|off msi N msix N reset quiet");
}

int
func_command(struct machine *m, struct process *p, struct func *f, char *text)
{
	char *rest = NULL, *word = strtok_r(text, " \t\n", &rest);
	char *arg = strtok_r(NULL, " \t\n", &rest), *more = strtok_r(NULL, " \t\n", &rest);
	unsigned b = f->bdf >> 8, d = f->bdf >> 3 & 31, fn = f->bdf & 7;
	bool fresh = !f->owner;
	int rc;

	if (!func_granted(p, f))
		return machine_refuse(m, "pci: %u.%u.%u is not granted", b, d, fn);
	if (!fresh && f->owner != p)
		return fail(EBUSY, "pci: %u.%u.%u is in use by process %d", b, d, fn,
			f->owner->pid);
	if (fresh && f->leaving)
		return fail(ENODEV, "pci: %u.%u.%u is leaving", b, d, fn);
	f->owner = p;
	rc = command(m, f, word && !more ? word : "", arg);
	if (rc < 0 && fresh)
		f->owner = NULL;
	return rc;
}

/* --- the list ------------------------------------------------------------------------------- */

static struct func *
bridge_of(struct machine *m, unsigned bus)
{
	for (unsigned i = 0; bus && i < m->nfuncs; i++)
		if (m->func[i].behind == bus)
			return &m->func[i];
	return NULL;
}

static int
rescan(struct machine *m, const struct func *bridge)
{
	char why[SIP_TEXT_MAX];
	unsigned before = m->nfuncs;
	int err = firmware_rescan(m, bridge, why);

	m->changes += m->nfuncs != before;
	return err < 0 ? fail(-err, "pci: %s", why) : 0;
}

/* As the kernel has it: whether the device is still there or not. */
static void
take_away(struct machine *m, struct func *f)
{
	struct func *last = &m->func[--m->nfuncs];

	func_messages_off(m, f);
	config_change(m, f->bdf, AT_COMMAND, COMMAND_MASTER | COMMAND_IO | COMMAND_MEM, 0);
	memmove(f, f + 1, (size_t)((char *)(last + 1) - (char *)(f + 1)));
}

int
func_list_command(struct machine *m, struct process *p, char *text)
{
	unsigned b, d = 0, fn = 0;
	char word[8], after;
	int n = sscanf(text, "%7s %u.%u.%u%c", word, &b, &d, &fn, &after);
	struct func *bridge = n >= 2 && b < 256 ? bridge_of(m, b) : NULL, *f;
	bool scans = n == 2 && strcmp(word, "rescan") == 0;

	if (!scans && (n != 4 || (strcmp(word, "leave") != 0 && strcmp(word, "remove") != 0)))
		return fail(EINVAL, "pci: commands: rescan BUS, leave B.D.F, remove B.D.F");
	if (!bridge)
		return fail(EINVAL, "pci: %s: nothing there is behind a bridge", text);
	if (!func_granted(p, bridge))
		return machine_refuse(m, "pci: the bridge of bus %u is not granted", b);
	if (scans)
		return rescan(m, bridge);
	f = d < 32 && fn < 8 ? func_find(m, b << 8 | d << 3 | fn) : NULL;
	if (!f)
		return fail(ENOENT, "pci: there is no %u.%u.%u", b, d, fn);
	f->leaving = true;
	m->changes++;
	if (word[0] == 'r')
		take_away(m, f);
	return 0;
}

/* --- raw ------------------------------------------------------------------------------------ */

/* Of a port's registers only its slot's, and its link's, are lied about: what else there is says
 * where they are. */
static bool
may_lie(const struct func *f, unsigned at)
{
	return f->behind && f->express_at && at >= f->express_at + EXP_LINK_CONTROL &&
		at < f->express_at + EXP_SLOT_CONTROL + 4;
}

int64_t
func_raw_read(struct machine *m, struct process *p, struct func *f, uint8_t *buf, size_t n,
	uint64_t off)
{
	size_t done = 0;

	if (!func_granted(p, f))
		return machine_refuse(m, "pci: %u.%u.%u is not granted", f->bdf >> 8,
			f->bdf >> 3 & 31, f->bdf & 7);
	n = off >= PCI_CONFIG_SIZE ? 0 : n < PCI_CONFIG_SIZE - off ? n : PCI_CONFIG_SIZE - off;
	while (done < n) {
		unsigned at = (unsigned)(off + done), width = 4;
		uint32_t v;

		while (at % width || width > n - done)
			width /= 2;
		v = config_read(m, f->bdf, at, width);
		if (may_lie(f, at) && liar_now(&m->liar, LIAR_REGISTERS))
			v = (uint32_t)liar_register(&m->liar, v, width);
		memcpy(buf + done, &v, width);
		done += width;
	}
	return (int64_t)done;
}

static uint32_t
may_write(const struct func *f, unsigned at)
{
	/* A port's slot: control, and status, where what is written is cleared. */
	if (f->config.bridge && f->express_at && (at & ~3u) == f->express_at + EXP_SLOT_CONTROL)
		return UINT32_MAX;
	switch (at & ~3u) {
	case AT_COMMAND:
		return COMMAND_MAY | 0xffffu << 16;
	case AT_CACHE_LINE:
		return 0xffff;
	default:
		return 0;
	}
}

int64_t
func_raw_write(struct machine *m, struct process *p, struct func *f, const void *buf, size_t n,
	uint64_t off)
{
	unsigned at = (unsigned)off;
	uint32_t v = 0, old, may;

	if (!func_granted(p, f))
		return machine_refuse(m, "pci: %u.%u.%u is not granted", f->bdf >> 8,
			f->bdf >> 3 & 31, f->bdf & 7);
	if ((n != 1 && n != 2 && n != 4) || off % n || off >= PCI_CONFIG_SIZE)
		return fail(EINVAL, "pci: 1, 2 or 4 aligned bytes");
	memcpy(&v, buf, n);
	old = at >= AT_STATUS && at < AT_STATUS + 2 ? v : config_read(m, f->bdf, at, (unsigned)n);
	may = may_write(f, at) >> 8 * (at & 3);
	if ((v ^ old) & ~may)
		return machine_refuse(m, "pci: 0x%x is not writable so", at);
	config_write(m, f->bdf, at, (unsigned)n, v);
	return (int64_t)n;
}
