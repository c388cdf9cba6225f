/*
 * PCI functions as the kernel describes them: the text of /dev/pci/B.D.Fctl, addresses, matching.
 * Pure functions, and the scan of the directory.  The text is foreign data: each number is
 * range-checked, unknown lines are passed over (a later kernel may have more of them).
 */
#include "os.h"
#include "os_tree.h"
#include "sip.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <lux9/sys.h>
#include <stdio.h>
#include <string.h>

#define PCI_FUNCTIONS_MAX 4096	/* entries looked at in a scan */

static const char *
addr_part(const char *s, unsigned max, unsigned *out)
{
	if (*s < '0' || *s > '9')
		return NULL;
	unsigned v = 0;
	while (*s >= '0' && *s <= '9' && v <= max)
		v = v * 10 + (unsigned)(*s++ - '0');
	*out = v;
	return v <= max ? s : NULL;
}

bool
sip_pci_addr_ok(const char *addr)
{
	unsigned v;
	const char *s = addr_part(addr, 255, &v);
	if (!s || *s++ != '.')
		return false;
	s = addr_part(s, 31, &v);
	if (!s || *s++ != '.')
		return false;
	s = addr_part(s, 7, &v);
	return s && !*s;
}

static int
parse_bar(struct sip_pci_info *info, char *rest)
{
	char *index = text_word(&rest), *kind = text_word(&rest);
	char *base = text_word(&rest), *size = text_word(&rest);
	uint64_t i;
	if (!size || !text_number(index, 5, &i))
		return -EINVAL;
	if (!text_number(base, UINT64_MAX, &info->bar[i].base) ||
	    !text_number(size, UINT64_MAX, &info->bar[i].size))
		return -EINVAL;
	info->bar[i].kind = strcmp(kind, "io") == 0 ? SIP_BAR_IO : SIP_BAR_MEM;
	return 0;
}

static int
parse_table(struct sip_pci_info *info, char *rest)
{
	char *bar = text_word(&rest), *offset = text_word(&rest);
	uint64_t i;
	if (!offset || !text_number(bar, 5, &i) ||
	    !text_number(offset, UINT32_MAX, &info->msix_offset))
		return -EINVAL;
	info->msix_bar = (int)i;
	return 0;
}

static void
add_vector(struct sip_pci_info *info, int vector)
{
	if (info->nvectors == SIP_VECTORS_MAX)
		return;
	info->vectors[info->nvectors++] = vector;
	info->vector = info->vectors[0];
}

static int
parse_line(struct sip_pci_info *info, const char *name, char *rest)
{
	uint64_t v = 0;
	if (strcmp(name, "bar") == 0)
		return parse_bar(info, rest);
	if (strcmp(name, "msixtable") == 0)
		return parse_table(info, rest);
	char *word = text_word(&rest);
	bool number = word && text_number(word, UINT32_MAX, &v);
	if (strcmp(name, "class") == 0 && number && v <= 0xffffff)
		info->class = (uint32_t)v;
	else if (strcmp(name, "vendor") == 0 && number && v <= 0xffff)
		info->vendor = (uint16_t)v;
	else if (strcmp(name, "device") == 0 && number && v <= 0xffff)
		info->device = (uint16_t)v;
	else if (strcmp(name, "irq") == 0)
		info->irq = number && v > 0 && v < 255 ? (int)v : -1;	/* 0 is the timer's */
	else if (strcmp(name, "msi") == 0 && number && v <= 32)
		info->msi = (unsigned)v;
	else if (strcmp(name, "msix") == 0 && number && v <= 2048)
		info->msix = (unsigned)v;
	else if (strcmp(name, "enabled") == 0 && number)
		info->enabled = v != 0;
	else if (strcmp(name, "serial") == 0 && number)
		info->serial = (uint32_t)v;
	else if (strcmp(name, "leaving") == 0 && number)
		info->leaving = v != 0;
	else if (strcmp(name, "vector") == 0 && number && v <= INT32_MAX)
		add_vector(info, (int)v);
	else if (strcmp(name, "class") == 0 || strcmp(name, "vendor") == 0 ||
	    strcmp(name, "device") == 0)
		return -EINVAL;
	return 0;
}

int
sip_pci_parse(const char *text, struct sip_pci_info *info)
{
	char addr[sizeof info->addr];
	memcpy(addr, info->addr, sizeof addr);
	memset(info, 0, sizeof *info);
	memcpy(info->addr, addr, sizeof addr);
	info->irq = info->vector = info->msix_bar = -1;
	const char *p = text, *end = text + strlen(text);
	char line[TEXT_LINE_MAX];
	bool toolong, vendor = false;
	while (text_line(&p, end, line, &toolong)) {
		char *rest = line, *name = text_word(&rest);
		if (!name)
			continue;
		int err = parse_line(info, name, rest);
		if (err)
			return err;
		vendor |= strcmp(name, "vendor") == 0;
	}
	return vendor ? 0 : -EINVAL;
}

bool
sip_pci_matches(const struct sip_pci_match *m, const struct sip_pci_info *info)
{
	for (; m->vendor || m->class_mask; m++) {
		if (m->vendor && (m->vendor != info->vendor || m->device != info->device))
			continue;
		if ((m->class ^ info->class) & m->class_mask)
			continue;
		return true;
	}
	return false;
}

/* The function of a file B.D.Fctl; false: no such file's name, or it is not to be had. */
static bool
scan_one(const char *root, const char *name, struct sip_pci_info *info)
{
	char path[SIP_PATH_MAX], text[4096];
	size_t n = strlen(name);
	memset(info, 0, sizeof *info);
	if (n < 4 || n - 3 >= sizeof info->addr || strcmp(name + n - 3, "ctl") != 0)
		return false;
	memcpy(info->addr, name, n - 3);
	if (!sip_pci_addr_ok(info->addr))
		return false;
	snprintf(path, sizeof path, "%s/pci/%sctl", root, info->addr);
	/* Not granted to us, or gone since: others may still be ours. */
	int fd = os_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return false;
	int64_t got = os_pread(fd, text, sizeof text - 1, 0);
	os_close(fd);
	if (got < 0)
		return false;
	text[got] = '\0';
	return sip_pci_parse(text, info) == 0;
}

int
sip_dev_scan(const char *root, int (*each)(void *arg, const struct sip_pci_info *info), void *arg)
{
	_Alignas(8) char buf[4096];
	char path[SIP_PATH_MAX];
	struct sip_pci_info info;
	uint64_t offset = 0;
	int64_t n = 0;
	int result = 0;
	snprintf(path, sizeof path, "%s/pci", root);
	int fd = os_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	for (unsigned i = 0; i < PCI_FUNCTIONS_MAX && !result; ) {
		n = os_readdir(fd, offset, buf, sizeof buf);
		if (n <= 0)
			break;
		for (int64_t at = 0; at < n && !result; i++) {
			const struct sys_dirent *d = (const void *)(buf + at);
			if (scan_one(root, d->name, &info))
				result = each(arg, &info);
			at += d->reclen;
			offset = (uint64_t)d->offset;
		}
	}
	os_close(fd);
	return n < 0 ? (int)n : result;
}
