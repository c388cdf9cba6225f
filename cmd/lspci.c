/*
 * lspci [-v] [-r ROOT]: the PCI functions that the kernel shows under /dev/pci.
 *
 * A line for each: address, vendor and device, class.  -v adds what its ctl file says, its driver,
 * and from configuration space its capabilities.  -r takes another directory than /dev.
 */
#include <fcntl.h>
#include "cmd.h"
#include "pci.h"
#include "sip.h"

static const char help[] = "usage: lspci [-v] [-r ROOT]\n"
			   "  lists the PCI functions under /dev/pci (ROOT/pci)\n"
			   "  -v: subsystem, BARs, interrupts, capabilities and driver\n";

enum { PATH_SIZE = 256, TEXT_SIZE = 4096 };

struct options {
	const char *root;
	bool verbose;
};

/* A small file, with a NUL; its length, or a negative errno. */
static int64_t
read_file(const char *path, void *buf, size_t n)
{
	int fd = os_open(path, O_RDONLY, 0);
	int64_t got;

	if (fd < 0)
		return fd;
	got = os_pread(fd, buf, n - 1, 0);
	os_close(fd);
	if (got >= 0)
		((char *)buf)[got] = '\0';
	return got;
}

static void
print_caps(const struct options *o, const char *addr)
{
	uint8_t raw[PCI_CONFIG_SIZE + 1];
	char path[PATH_SIZE], text[128];
	struct pci_config c;
	int64_t n;
	int err;

	snprintf(path, sizeof path, "%.200s/pci/%.15sraw", o->root, addr);
	n = read_file(path, raw, sizeof raw);
	if (n < 0)
		return;
	err = pci_decode(raw, (size_t)n, &c);
	for (unsigned i = 0; i < c.ncaps; i++) {
		pci_cap_text(raw, (size_t)n, &c.cap[i], text, sizeof text);
		printf("\tcapability 0x%02x at 0x%02x: %s%s%s\n", c.cap[i].id, c.cap[i].offset,
		       pci_cap_name(c.cap[i].id), text[0] ? ": " : "", text);
	}
	if (err == -ELOOP)
		printf("\tcapability list is broken\n");
}

/* The owner's name, if it can be known: processes of another system than this one are not asked. */
static void
print_driver(const struct options *o, const char *pid)
{
	char path[PATH_SIZE], text[TEXT_SIZE], name[64] = "";

	snprintf(path, sizeof path, "/proc/%.15s/status", pid);
	if (strcmp(o->root, "/dev") == 0 && read_file(path, text, sizeof text) > 0)
		sscanf(text, "name %63s", name);
	printf("\tdriver%s%s pid %.15s\n", name[0] ? " " : "", name, pid);
}

/* Lines of the ctl file that sip_pci_parse has no use for. */
static void
print_ctl(const struct options *o, const char *addr)
{
	char path[PATH_SIZE], text[TEXT_SIZE], *at, *line, word[16];
	unsigned a, b;

	snprintf(path, sizeof path, "%.200s/pci/%.15sctl", o->root, addr);
	if (read_file(path, text, sizeof text) < 0)
		return;
	for (line = strtok_r(text, "\n", &at); line; line = strtok_r(NULL, "\n", &at)) {
		if (sscanf(line, "subsystem %x %x", &a, &b) == 2)
			printf("\tsubsystem %04x:%04x\n", a, b);
		else if (strncmp(line, "bar ", 4) == 0 || strncmp(line, "revision ", 9) == 0)
			printf("\t%s\n", line);
		else if (strcmp(line, "enabled 1") == 0 || strcmp(line, "busmaster 1") == 0 ||
			 strcmp(line, "leaving 1") == 0)
			printf("\t%.*s\n", (int)strlen(line) - 2, line);
		else if (sscanf(line, "owner %15s", word) == 1 && strcmp(word, "0") != 0)
			print_driver(o, word);
	}
}

static int
print_one(void *arg, const struct sip_pci_info *info)
{
	const struct options *o = arg;

	printf("%s %04x:%04x %06x %s\n", info->addr, info->vendor, info->device, info->class,
	       pci_class_name(info->class));
	if (!o->verbose)
		return 0;
	print_ctl(o, info->addr);
	if (info->irq >= 0)
		printf("\tirq %d\n", info->irq);
	if (info->msi || info->msix)
		printf("\tmsi %u msix %u\n", info->msi, info->msix);
	print_caps(o, info->addr);
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o = { "/dev", false };
	char what[PATH_SIZE];
	int c, err;

	while ((c = cmd_option(argc, argv, "vr:", help)) != -1) {
		if (c == 'v')
			o.verbose = true;
		else
			o.root = optarg;
	}
	if (optind < argc)
		cmd_usage(argv[optind], "one argument too many");
	err = sip_dev_scan(o.root, print_one, &o);
	if (err < 0) {
		snprintf(what, sizeof what, "%.200s/pci", o.root);
		errno = -err;
		cmd_die(what);
	}
	cmd_end(0);
}
