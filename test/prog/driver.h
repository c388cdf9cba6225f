/*
 * What the programs that act as drivers share: the text of a kernel file, commands to one,
 * functions, vectors, and what is counted before and after.
 */
#pragma once
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
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

/* The number behind the first `name` in the text of a file, which must be there. */
static inline uint64_t
number_in(const char *path, const char *name)
{
	const char *v = strstr(text_of(path), name);

	CHECK(v != NULL);
	return strtoull(v + strlen(name), NULL, 0);
}

static inline unsigned
entries_of(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	CHECK(d != NULL);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/*
 * The first PCI function whose ctl file has these words: that text, valid until the next of a file,
 * and its address; NULL if there is none.
 */
static inline const char *
find_function(const char *words, char addr[16])
{
	DIR *d = opendir("/dev/pci");
	const struct dirent *e;
	const char *text = NULL;

	CHECK(d != NULL);
	while (text == NULL && (e = readdir(d)) != NULL) {
		char path[300];
		size_t n = strlen(e->d_name);

		if (n < 4 || n >= 16 + 3 || strcmp(e->d_name + n - 3, "ctl") != 0)
			continue;
		snprintf(path, sizeof path, "/dev/pci/%s", e->d_name);
		text = text_of(path);
		if (strstr(text, words) == NULL)
			text = NULL;
		snprintf(addr, 16, "%.*s", (int)n - 3, e->d_name);
	}
	closedir(d);
	return text;
}

/* Where BAR i begins, by the text of a ctl file; 0: it is none of memory. */
static inline uint64_t
bar_of(const char *text, unsigned i)
{
	char name[16];
	const char *bar;

	snprintf(name, sizeof name, "bar %u mem ", i);
	bar = strstr(text, name);
	return bar == NULL ? 0 : strtoull(bar + strlen(name), NULL, 16);
}

/* The first vector of a function, which it has been given. */
static inline int
open_vector(const char *ctl)
{
	char path[96];
	int fd;

	snprintf(path, sizeof path, "/dev/irq/%u", (unsigned)number_in(ctl, "\nvector "));
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	return fd;
}

/* Ends a child that must still live. */
static inline void
kill_child(pid_t pid)
{
	int status;

	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
}
