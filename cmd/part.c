/*
 * part -p IMAGE: prints the partition table of a disk or an image, as lib/blk reads it.
 *
 *	part [-s SECTOR-SIZE] -p FILE
 *
 * A line for the table and one for each partition: number, first sector, sectors, type, UUID,
 * attributes, what it is (boot, container or -), label; then what
 * was refused.  Exit status 1 if something was, 2 for a wrong use.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "blk.h"
#include "os.h"

struct image {
	int fd;
	uint32_t secsize;
};

static int
read_image(void *ctx, uint64_t sector, uint32_t nsectors, void *buf)
{
	const struct image *im = ctx;
	size_t n = (size_t)nsectors * im->secsize;
	int64_t got = os_pread(im->fd, buf, n, (int64_t)(sector * im->secsize));

	return got < 0 ? (int)got : (size_t)got == n ? 0 : -EIO;
}

static void
print_part(const struct blk_part *p)
{
	char type[40];

	if (p->type_uuid[0])
		snprintf(type, sizeof type, "%s", p->type_uuid);
	else
		snprintf(type, sizeof type, "0x%02x", p->mbr_type);
	printf("part %u %llu %llu %s %s 0x%llx %s%s%s\n", p->number, (unsigned long long)p->start,
	       (unsigned long long)p->nsectors, type, p->uuid, (unsigned long long)p->attributes,
	       p->container  ? "container"
	       : p->bootable ? "boot"
			     : "-",
	       p->label[0] ? " " : "", p->label);
}

static int
print_table(const char *path, uint32_t secsize)
{
	static const char *const kinds[] = { "none", "mbr", "gpt" };
	static struct blk_table t;
	struct image im = { os_open(path, O_RDONLY, 0), secsize };
	int64_t size;
	int err;

	if (im.fd < 0) {
		fprintf(stderr, "part: %s: %s\n", path, strerror(-im.fd));
		return 1;
	}
	size = os_size(im.fd);
	err = size < 0
		      ? (int)size
		      : blk_scan_partitions(read_image, &im, (uint64_t)size / secsize, secsize, &t);
	os_close(im.fd);
	if (err < 0) {
		fprintf(stderr, "part: %s: %s\n", path, strerror(-err));
		return 1;
	}
	printf("table %s%s%s\n", kinds[t.kind], t.uuid[0] ? " " : "", t.uuid);
	for (unsigned i = 0; i < t.nparts; i++)
		print_part(&t.part[i]);
	for (const char *line = t.notes; *line;) {
		size_t len = strcspn(line, "\n");

		printf("note %.*s\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
	return t.nrefused ? 1 : 0;
}

int
main(int argc, char **argv)
{
	static const char usage[] = "usage: part [-s SECTOR-SIZE] -p FILE\n"
				    "  prints the partition table of a disk or an image\n";
	const char *path = NULL;
	uint32_t secsize = 512;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-h") == 0) {
			fputs(usage, stdout);
			return 0;
		}
		if (strcmp(argv[i], "-p") == 0 && i + 1 < argc)
			path = argv[++i];
		else if (strcmp(argv[i], "-s") == 0 && i + 1 < argc)
			secsize = (uint32_t)strtoul(argv[++i], NULL, 0);
		else {
			fprintf(stderr, "part: %s: unknown option\n%s", argv[i], usage);
			return 2;
		}
	}
	if (!path || secsize < BLK_MIN_SECTOR || secsize > BLK_MAX_SECTOR ||
	    (secsize & (secsize - 1))) {
		fputs(usage, stderr);
		return 2;
	}
	return print_table(path, secsize);
}
