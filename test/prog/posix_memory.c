/* Memory: malloc, mmap and its relatives, protection, files mapped privately. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

#define PAGES(n) ((size_t)(n) * 4096)

static sigjmp_buf back;

static void
fault(int sig)
{
	siglongjmp(back, sig);
}

static int
faults(char *p, int writing)
{
	if (sigsetjmp(back, 1))
		return 1;
	if (writing)
		*(volatile char *)p = 1;
	else
		(void)*(volatile char *)p;	/* cppcheck-suppress nullPointer */
	return 0;
}

static void
mapping(void)
{
	char *p = mmap(NULL, PAGES(16), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *q;

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < PAGES(16); i++)
		CHECK(p[i] == 0);
	memset(p, 'm', PAGES(16));
	CHECK(mprotect(p + PAGES(4), PAGES(2), PROT_READ) == 0);
	CHECK(!faults(p + PAGES(4), 0) && faults(p + PAGES(4), 1) && !faults(p + PAGES(6), 1));
	CHECK(mprotect(p + PAGES(4), PAGES(1), PROT_NONE) == 0 && faults(p + PAGES(4), 0));
	CHECK(mprotect(p, PAGES(16), PROT_READ | PROT_WRITE) == 0 && p[PAGES(4)] == 'm');
	CHECK(munmap(p + PAGES(8), PAGES(1)) == 0 && faults(p + PAGES(8), 0));
	CHECK(p[PAGES(7)] == 'm' && p[PAGES(9)] == 'm');
	q = mmap(p + PAGES(8), PAGES(1), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(q == p + PAGES(8) && *q == 0);
	CHECK(munmap(p, PAGES(16)) == 0);
	CHECK(faults(p, 0) && faults(NULL, 0));
}

static void
remapping(void)
{
	char *p = mmap(NULL, PAGES(4), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	memset(p, 'r', PAGES(4));
	p = mremap(p, PAGES(4), PAGES(64), MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED && p[PAGES(4) - 1] == 'r' && p[PAGES(4)] == 0);
	p[PAGES(64) - 1] = 1;
	p = mremap(p, PAGES(64), PAGES(1), 0);
	CHECK(p != MAP_FAILED && *p == 'r' && munmap(p, PAGES(1)) == 0);
}

static void
files(void)
{
	int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *p, c;

	CHECK(fd >= 0 && ftruncate(fd, 10000) == 0 && pwrite(fd, "file", 4, 4096) == 4);
	p = mmap(NULL, 10000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED && memcmp(p + 4096, "file", 4) == 0 && p[9999] == 0);
	p[4096] = 'F';
	CHECK(pread(fd, &c, 1, 4096) == 1 && c == 'f');
	CHECK(munmap(p, 10000) == 0 && close(fd) == 0 && unlink("mapped") == 0);
}

static void
heap(void)
{
	char *p[100];

	for (size_t i = 0; i < 100; i++) {
		p[i] = malloc(i * i * 40 + 1);
		CHECK(p[i]);
		memset(p[i], (int)i, i * i * 40 + 1);
	}
	for (size_t i = 0; i < 100; i += 2)
		free(p[i]);
	for (size_t i = 1; i < 100; i += 2) {
		CHECK(p[i][i * i * 40] == (char)i && p[i][0] == (char)i);
		free(p[i]);
	}
	void *huge = malloc((size_t)1 << 47);

	CHECK(huge == NULL && errno == ENOMEM);
}

static int
deep(int n)
{
	volatile char frame[1024];

	frame[0] = (char)n;
	return n ? deep(n - 1) + frame[0] - (char)n : 0;
}

static void
code(void)
{
	static const unsigned char ret42[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int (*f)(void) = (int (*)(void))p;

	memcpy(p, ret42, sizeof(ret42));
	if (sigsetjmp(back, 1) == 0) {
		f();
		CHECK(p == NULL);	/* data was executed */
	}
	CHECK(mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0 && f() == 42);
}

int
main(void)
{
	signal(SIGSEGV, fault);
	signal(SIGBUS, fault);
	mapping();
	remapping();
	files();
	heap();
	CHECK(deep(4000) == 0);
	code();
	return all_right("posix_memory");
}
