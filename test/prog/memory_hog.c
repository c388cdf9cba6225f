/* Takes and touches memory until there is none left; that must not come to 4 GiB. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int
main(void)
{
	size_t mib = 0;

	for (; mib < 4096; mib++) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (p == MAP_FAILED)
			break;
		memset(p, 1, 1 << 20);
	}
	printf("%zu MiB%s\n", mib, mib == 4096 ? ", all of it" : "");
	return 1;
}
