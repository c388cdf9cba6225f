/*
 * The start of a program: the stack that exec made, the first thread's record, the handlers.
 *
 * What Linux keeps across exec and Lux9 does not know (umask, ignored and blocked signals) comes
 * as the last string of the environment, STATE_NAME, which is taken out before the program looks.
 */
#include "linux.h"

#include <elf.h>

#include "layout.h"
#include "state.h"

#define AUX_MAX		64

/* entry.S */
extern uint8_t first_stack[];
extern struct thread first_thread;
_Static_assert(sizeof(struct thread) <= FIRST_THREAD, "layout.h");

struct aux {
	uint64_t type, value;
};

static uint64_t
program_end(const struct aux *aux)
{
	const Elf64_Phdr *ph = NULL;
	uint64_t n = 0, base = 0, end = 0;

	for (int i = 0; i < AUX_MAX && aux[i].type != AT_NULL; i++) {
		if (aux[i].type == AT_PHDR)
			ph = (const Elf64_Phdr *)aux[i].value;
		else if (aux[i].type == AT_PHNUM)
			n = aux[i].value;
	}
	for (uint64_t i = 0; ph && i < n; i++)
		if (ph[i].p_type == PT_PHDR)
			base = (uint64_t)ph - ph[i].p_vaddr;
	for (uint64_t i = 0; ph && i < n; i++)
		if (ph[i].p_type == PT_LOAD && base + ph[i].p_vaddr + ph[i].p_memsz > end)
			end = base + ph[i].p_vaddr + ph[i].p_memsz;
	return end;
}

static void
set_exe(const char *path)
{
	long n = 0;

	if (path[0] != '/') {
		n = lux_call3(SYS_FDCTL, SYS_CWD, SYS_FD_PATH, LUX_ARG(proc.exe));
		if (n < 0 || n >= (long)sizeof(proc.exe) - 1)
			n = 0;
		if (n > 0 && proc.exe[n - 1] != '/')
			proc.exe[n++] = '/';
	}
	text_add(proc.exe, (size_t)n, sizeof(proc.exe), path);
	for (const char *p = path; *p; p++)
		if (*p == '/')
			path = p + 1;
	text_copy(proc.comm, path, sizeof(proc.comm));
}

/* Closes the gap that the last environment string leaves before the auxiliary vector. */
static void
drop_last(char **last)
{
	uint64_t *to = (uint64_t *)last, *from = to + 1;
	int i = 0;

	*to++ = *from++;
	do {
		to[0] = from[0];
		to[1] = from[1];
		to += 2;
		from += 2;
	} while (to[-2] != AT_NULL && ++i < AUX_MAX);
}

uint64_t start_process(uint64_t *stack);

/* Returns the address to go to. */
uint64_t
start_process(uint64_t *stack)
{
	char **envp = (char **)(stack + 1 + stack[0] + 1), **end = envp;
	struct thread *t = &first_thread;
	const struct aux *aux;
	uint64_t entry = 0;

	thread_init(t, (uint64_t)t, (uint64_t)first_stack);
	lux_call2(SYS_SETBASE, 1, LUX_ARG(t));
	t->tid = (int32_t)lux_call0(SYS_GETTID);
	proc.pid = (int32_t)lux_call0(SYS_GETPID);
	while (*end)
		end++;
	if (end > envp && state_parse(end[-1], t))
		drop_last(--end);
	aux = (const struct aux *)(end + 1);
	for (int i = 0; i < AUX_MAX && aux[i].type != AT_NULL; i++) {
		if (aux[i].type == AT_ENTRY)
			entry = aux[i].value;
		else if (aux[i].type == AT_EXECFN)
			set_exe((const char *)aux[i].value);
	}
	mem_init(program_end(aux));
	lux_call1(SYS_UPCALL, LUX_ARG(pers_upcall));
	lux_call1(SYS_NOTIFY, LUX_ARG(pers_note));
	return entry;
}
