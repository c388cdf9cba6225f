/* What the programs here share: a check that tells its place and ends the program. */
#pragma once
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x)                                                                          \
	do {                                                                              \
		if (!(x)) {                                                               \
			printf("%s:%d: %s (%s)\n", __FILE__, __LINE__, #x, strerror(errno)); \
			fflush(stdout);                                                   \
			_Exit(1);                                                         \
		}                                                                         \
	} while (0)

static inline int
all_right(const char *name)
{
	printf("%s: all right\n", name);
	return fflush(stdout) != 0;
}
