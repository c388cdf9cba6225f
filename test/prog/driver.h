/* What the programs that act as drivers share: the text of a kernel file, and commands to one. */
#pragma once
#include <fcntl.h>
#include <unistd.h>
#include "check.h"

/* The text of a small file; valid until the next call. */
static inline char *
text_of(const char *path)
{
	static char text[8192];
	int fd = open(path, O_RDONLY);
	ssize_t n;

	CHECK(fd >= 0);
	n = read(fd, text, sizeof text - 1);
	CHECK(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static inline void
command(int fd, const char *text)
{
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}
