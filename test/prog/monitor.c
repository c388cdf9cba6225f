/*
 * Asks QEMU's monitor for something, by the port of its debug console (test/boot/monitor.py):
 * monitor COMMAND.  It does not wait for the answer.
 */
#include <fcntl.h>
#include <unistd.h>
#include "check.h"

#define DEBUG_PORT	0xe9		/* -debugcon */

int
main(int argc, char **argv)
{
	int fd = open("/dev/io", O_RDWR);

	CHECK(fd >= 0 && argc == 2);
	for (const char *p = argv[1];; p++) {
		CHECK(pwrite(fd, *p ? p : "\n", 1, DEBUG_PORT) == 1);
		if (!*p)
			return 0;
	}
}
