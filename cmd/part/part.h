/*
 * What the parts of `part` share: a disk, which is an image, a device, or a folder of /dev/sd.
 */
#pragma once
#include "../sd.h"
#include "blk_edit.h"

enum { PART_MAX_OPENS = 300 };

struct part_disk {
	int fd;
	char data[SD_PATH_MAX];
	char ctl[SD_PATH_MAX];       /* "" where there is none */
	char what[SD_PATH_MAX + 16]; /* that failed */
	uint64_t nsectors;
	uint32_t secsize;
	/* What others had open before this program opened it; 0: the whole disk. */
	uint32_t opened[PART_MAX_OPENS];
	unsigned nopened;
};

/*
 * Opens what is called `name`: a path, or a disk under /dev/sd; secsize 0: not told.  A negative
 * errno: d->what says which file.
 */
int part_open(struct part_disk *d, const char *name, uint32_t secsize, bool write);
/* The disk for the library; it lives as long as d. */
struct blk_medium part_medium(struct part_disk *d);
/* The driver, or Linux, reads the table again; nothing for an image.  As part_open. */
int part_rescan(struct part_disk *d);

/* print.c */
void part_print(const struct blk_table *t);
void part_print_types(void);
