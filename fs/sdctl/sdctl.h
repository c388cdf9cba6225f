/*
 * sdctlfs: the one file sdctl of all disk drivers that are mounted in a union; man/4/sdctlfs.
 */
#pragma once
#include <stddef.h>
#include "os.h"
#include "sip.h"

enum {
	SDCTL_MEMBERS = 32,   /* of a union: kernel/name.h */
	SDCTL_NAME_MAX = 128, /* of a service, with its NUL */
	SDCTL_ANSWER = 8192,  /* bytes of one driver's answer */
	SDCTL_WAIT_MS = 3000, /* for all of them, which are asked at once */
	SDCTL_END_MS = 200,   /* for a process that was killed; then it is waited for later */
	SDCTL_LEFT_MAX = 64,  /* of those at once; as long as there are so many, nobody is asked */
	SDCTL_NS_MAX = 65536, /* bytes of a name space's text: kernel/ns.c */
};

struct sdctl_member {
	char service[SDCTL_NAME_MAX]; /* "/srv/ahci" */

	/* What came of the question. */
	int err;                   /* 0 or a negative errno */
	char why[OS_ERRSTR_MAX];   /* its text */
	char answer[SDCTL_ANSWER]; /* what its sdctl reads as; NUL-terminated */
	size_t length;

	/* ask.c's own. */
	int pid, fd;
	size_t got;
	char raw[sizeof(int) + SDCTL_ANSWER];
};

struct sdctl {
	const char *ns, *place; /* the text of the name space; the union */
	const char *own;        /* this server's service, which is not asked */
	uint64_t wait_ms;
};

/* members.c: the services mounted at a place, from a name space's text but `own`: how many. */
unsigned sdctl_members(const char *text, const char *place, const char *own, struct sdctl_member *m,
		       unsigned max);

/* ask.c: asks all at once; the command, or NULL: what their sdctl says.  Comes back in time. */
void sdctl_ask(const struct sdctl *c, struct sdctl_member *m, unsigned n, const char *command);
/* The members now, to be freed; how many, or a negative errno. */
int sdctl_find(const struct sdctl *c, struct sdctl_member **out);

/* answer.c: the lines of all; the length, at most n - 1. */
size_t sdctl_lines(const struct sdctl_member *m, unsigned n, char *buf, size_t size);
/* 0, or the first one's error, with all their names in os_errstr. */
int sdctl_result(const struct sdctl_member *m, unsigned n, const char *command);
/* A command written to sdctl: 0 if it is one for all, or an error with a text. */
int sdctl_check(const char *command);
