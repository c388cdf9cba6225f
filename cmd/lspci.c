/*
 * lspci [-v] [-r ROOT]: the PCI functions that the kernel shows under /dev/pci.
 *
 * A line for each: address, vendor and device, class.  -v adds its BARs, its interrupts and, from
 * configuration space, its capabilities.  -r takes another directory than /dev.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "os.h"
#include "pci.h"
#include "sip.h"

struct options {
	const char *root;
	bool verbose;
};

static void
print_caps(const struct options *o, const char *addr)
{
	uint8_t raw[PCI_CONFIG_SIZE];
	struct pci_config c;
	char path[256];
	int64_t n;
	int fd, err;

	snprintf(path, sizeof path, "%.200s/pci/%.15sraw", o->root, addr);
	fd = os_open(path, O_RDONLY, 0);
	if (fd < 0)
		return;
	n = os_pread(fd, raw, sizeof raw, 0);
	os_close(fd);
	if (n < 0)
		return;
	err = pci_decode(raw, (size_t)n, &c);
	for (unsigned i = 0; i < c.ncaps; i++)
		printf("\tcapability 0x%02x at 0x%02x: %s\n", c.cap[i].id, c.cap[i].offset,
		       pci_cap_name(c.cap[i].id));
	if (err == -ELOOP)
		printf("\tcapability list is broken\n");
}

static int
print_one(void *arg, const struct sip_pci_info *info)
{
	const struct options *o = arg;

	printf("%s %04x:%04x %06x %s\n", info->addr, info->vendor, info->device, info->class,
	       pci_class_name(info->class));
	if (!o->verbose)
		return 0;
	for (unsigned i = 0; i < PCI_NBARS; i++)
		if (info->bar[i].kind != SIP_BAR_NONE)
			printf("\tbar %u %s 0x%llx size 0x%llx\n", i,
			       info->bar[i].kind == SIP_BAR_IO ? "io" : "mem",
			       (unsigned long long)info->bar[i].base,
			       (unsigned long long)info->bar[i].size);
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
	static const char usage[] = "usage: lspci [-v] [-r ROOT]\n"
				    "  lists the PCI functions under /dev/pci (ROOT/pci)\n";
	struct options o = { "/dev", false };
	int err;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-h") == 0) {
			fputs(usage, stdout);
			return 0;
		}
		if (strcmp(argv[i], "-v") == 0)
			o.verbose = true;
		else if (strcmp(argv[i], "-r") == 0 && i + 1 < argc)
			o.root = argv[++i];
		else {
			fprintf(stderr, "lspci: %s: unknown option\n%s", argv[i], usage);
			return 2;
		}
	}
	err = sip_dev_scan(o.root, print_one, &o);
	if (err < 0) {
		fprintf(stderr, "lspci: %s/pci: %s\n", o.root, strerror(-err));
		return 1;
	}
	return 0;
}
