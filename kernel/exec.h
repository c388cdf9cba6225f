/* Programs: from a file to an address space.  exec.c. */
#pragma once
#include "as.h"
#include "proc.h"

#define EXEC_ARGS_MAX	131072u		/* bytes of arguments and environment */
#define STACK_SIZE	(8ul << 20)
#define STACK_TOP	(USER_HIGH - 16 * PAGE_SIZE)

/* Strings, each ended by NUL, one after the other: argc of arguments, then envc of environment. */
struct exec_args {
	char *text;
	size_t used;
	unsigned argc, envc;
};

struct exec_program {
	struct as *as;
	uint64_t rip, rsp;
	char name[32], args[128];
};

int exec_args_new(struct exec_args *a);
void exec_args_free(struct exec_args *a);
int exec_args_add(struct exec_args *a, const char *s, bool environment);
/* Loads a program of the current process's name space; *out has an address space of its own. */
int exec_load(struct chan *from, const char *path, const struct exec_args *a,
	      struct exec_program *out);
/* The current thread, alone in its process, becomes that program on its way to user mode. */
void exec_commit(struct exec_program *prog);
