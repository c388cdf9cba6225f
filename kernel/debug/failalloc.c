/* Allocations that fail on purpose, to run the ways out: fail=N on the command line. */
#include "../boot.h"
#include "../proc.h"

bool
alloc_debug_fails(void)
{
	static uint64_t every = UINT64_MAX, count;
	const struct thread *t = thread_current();
	const char *option;

	if (t == NULL || t->proc == NULL || t->proc->ppid == 0)
		return false;
	if (every == UINT64_MAX) {
		option = boot_option("fail");
		every = 0;
		for (; option != NULL && *option >= '0' && *option <= '9'; option++)
			every = every * 10 + (uint64_t)(*option - '0');
	}
	return every != 0 && __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED) % every == 0;
}
