/*
 * Who notices a device that is sent to a wrong place?  stale FILE CTL [iommu]: FILE is of a driver
 * built with faults (man/4/fault), CTL its file for them.
 *
 * A client reads straight into its memory; later another client's read is sent there too.  The
 * device does as it is told: the first one's memory changes, though it asked for nothing, and the
 * other one's does not, though its read went well.  Nothing around them is touched.  Only who knows
 * what must be there can tell.  With an IOMMU the first one's memory stays as it is, and the
 * driver dies of it; the other one's read is carried out by its successor, unless the device said
 * that all went well and the driver has answered before it died.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include "driver.h"

enum { BYTES = 64 << 10, ROOM = 16 << 10, FIRST = 0, SECOND = 1 << 20, MARK = 0x5a };

struct memory {
	uint8_t before[ROOM], data[BYTES], after[ROOM];
};

static struct memory *
new_memory(void)
{
	void *p = mmap(NULL, sizeof(struct memory), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return memset(p, MARK, sizeof(struct memory));
}

static bool
is_marked(const uint8_t *p, size_t n)
{
	while (n && *p == MARK)
		p++, n--;
	return n == 0;
}

static bool
is_bounded(const struct memory *m)
{
	return is_marked(m->before, ROOM) && is_marked(m->after, ROOM);
}

static void
ask_for(const char *ctl, const char *fault)
{
	int fd = open(ctl, O_WRONLY);

	CHECK(fd >= 0);
	command(fd, fault);
	close(fd);
}

static int
contained(const struct memory *first, const struct memory *second, uint8_t disk[2][BYTES])
{
	CHECK(memcmp(first->data, disk[0], BYTES) == 0);
	CHECK(memcmp(second->data, disk[1], BYTES) == 0 || is_marked(second->data, BYTES));
	CHECK(is_bounded(first) && is_bounded(second));
	printf("stale: nobody's memory was written but the one's who asked\n");
	return all_right("stale");
}

int
main(int argc, char **argv)
{
	struct memory *first = new_memory(), *second = new_memory();
	static uint8_t disk[2][BYTES];
	int fd;

	CHECK(argc == 3 || argc == 4);
	fd = open(argv[1], O_RDONLY);
	CHECK(fd >= 0);
	CHECK(pread(fd, disk[0], BYTES, FIRST) == BYTES &&
	      pread(fd, disk[1], BYTES, SECOND) == BYTES);
	CHECK(!is_marked(disk[0], BYTES) && !is_marked(disk[1], BYTES));

	ask_for(argv[2], "fault staledma #1");
	CHECK(pread(fd, first->data, BYTES, FIRST) == BYTES);
	CHECK(memcmp(first->data, disk[0], BYTES) == 0);
	ask_for(argv[2], "fault staledma #1");
	CHECK(pread(fd, second->data, BYTES, SECOND) == BYTES);
	if (argc == 4)
		return contained(first, second, disk);
	CHECK(memcmp(first->data, disk[1], BYTES) == 0);
	printf("stale: the memory of a client that asked for nothing was written\n");
	CHECK(is_marked(second->data, BYTES));
	printf("stale: the memory of one whose read went well was not\n");
	CHECK(is_bounded(first) && is_bounded(second));

	CHECK(pread(fd, second->data, BYTES, SECOND) == BYTES);
	CHECK(memcmp(second->data, disk[1], BYTES) == 0);
	return all_right("stale");
}
