/* What sipd asks init for: to be started again, with its options, when a signal has ended it. */
#pragma once
#include <sys/types.h>

#define KEEP_ENV	"INIT_KEEP"	/* the descriptor where requests are written */
#define KEEP_PATH_MAX	256

struct keep_request {			/* less than PIPE_BUF: one write is one read */
	pid_t pid;
	char dir[KEEP_PATH_MAX], root[KEEP_PATH_MAX];	/* its -m and -r, absolute */
};

/* keep.c, in init.  Before the first process: makes the pipe. */
void keep_begin(void);
/* A child, or one whose parent has ended, has ended. */
void keep_ended(pid_t pid, int status);
