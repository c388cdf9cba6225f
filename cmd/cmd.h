/*
 * What every command shares: its options, its errors, its end.
 *
 * A wrong option is named, with exit status 2; an error is one line on standard error: program,
 * what, why; the reason is the text that the failing server gave, where there is one.
 */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os.h"

/* For nftw.  That of musl passes over what is deeper than this without a word, so it is as deep as
 * a path can be; a tree that needs more descriptors than there are is an error. */
#define CMD_TREE_FDS	2048

static const char *cmd_name;

/* Remembers the program's name for messages. */
static inline void
cmd_start(char **argv)
{
	const char *slash = argv[0] ? strrchr(argv[0], '/') : NULL;

	cmd_name = slash ? slash + 1 : argv[0] ? argv[0] : "?";
}

/* One line about `what`, with the reason of the last failed call; returns 1, an exit status. */
static inline int
cmd_warn(const char *what)
{
	char why[OS_ERRSTR_MAX];
	int err = errno;

	if (os_errstr(why, sizeof(why)) <= 0)
		snprintf(why, sizeof(why), "%s", strerror(err));
	fflush(stdout);
	fprintf(stderr, "%s: %s: %s\n", cmd_name, what, why);
	return 1;
}

static inline void __attribute__((noreturn))
cmd_die(const char *what)
{
	exit(cmd_warn(what));
}

/* For a mistake in the arguments. */
static inline void __attribute__((noreturn))
cmd_usage(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s: %s; %s -h helps\n", cmd_name, what, why, cmd_name);
	exit(2);
}

/* getopt with the answers to -h (prints `help`) and to an unknown option. */
static inline int
cmd_option(int argc, char **argv, const char *letters, const char *help)
{
	char all[64], name[3] = { '-', 0, 0 };
	int c;

	cmd_start(argv);
	snprintf(all, sizeof(all), "+:h%s", letters);
	c = getopt(argc, argv, all);
	if (c == 'h') {
		fputs(help, stdout);
		exit(0);
	}
	name[1] = (char)optopt;
	if (c == '?')
		cmd_usage(name, "no such option");
	if (c == ':')
		cmd_usage(name, "needs a value");
	return c;
}

/* A whole decimal or 0x number, with an optional suffix K, M or G; else the program ends. */
static inline uint64_t
cmd_number(const char *text)
{
	char *end;
	unsigned shift;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 0);
	shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
	if (shift)
		end++;
	if (errno || end == text || *end || *text == '-' || n > UINT64_MAX >> shift)
		cmd_usage(text, "not a number");
	return n << shift;
}

/* Ends the program, after what it printed has gone out. */
static inline void __attribute__((noreturn))
cmd_end(int status)
{
	if (fflush(stdout) || ferror(stdout))
		cmd_die("standard output");
	exit(status);
}
