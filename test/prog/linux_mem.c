/* Checks the memory calls. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "linux_test.h"

#define PAGE	4096
#define MB	(1 << 20)

static void
allocation(void)
{
	enum { N = 2000 };
	static unsigned char *p[N];
	unsigned seed = 1;
	int bad = 0;

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < N; i++) {
			size_t n = (seed = seed * 1103515245 + 12345) >> 16 & 0x3fff;

			p[i] = realloc(p[i], n + 1);
			NEED(p[i]);
			p[i][0] = (unsigned char)i;
			p[i][n] = (unsigned char)i;
		}
		for (int i = 0; i < N; i++)
			bad += p[i][0] != (unsigned char)i;
	}
	CHECK(bad == 0);
	for (int i = 0; i < N; i++)
		free(p[i]);
	unsigned char *big = calloc(1, 40 * MB);
	NEED(big);
	for (size_t i = 0; i < 40 * MB; i += PAGE)
		bad += big[i];
	CHECK(bad == 0);
	unsigned char *bigger = realloc(big, 60 * MB);
	CHECK(bigger);
	free(bigger ? bigger : big);
}

static void
mappings(void)
{
	char *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *q;

	NEED(p != MAP_FAILED);
	memset(p, 'a', 16 * PAGE);
	CHECK(munmap(p + 4 * PAGE, 4 * PAGE) == 0);
	q = mmap(p + 4 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(q == p + 4 * PAGE && q[0] == 0 && p[4 * PAGE - 1] == 'a' && p[8 * PAGE] == 'a');
	q = mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(q == p && p[0] == 0);
	CHECK(munmap(p, 16 * PAGE) == 0);
	q = mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(q == MAP_FAILED && errno == EINVAL);
	CHECK_ERR(munmap(p + 1, PAGE), EINVAL);
}

/* A guard area, as thread libraries make it. */
static void
reservation(void)
{
	char *p = mmap(NULL, 64 * MB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		       0);
	int status;

	NEED(p != MAP_FAILED);
	CHECK(mprotect(p + MB, MB, PROT_READ | PROT_WRITE) == 0);
	memset(p + MB, 1, MB);
	CHECK(p[2 * MB - 1] == 1);
	CHECK(mprotect(p + MB, MB, PROT_READ) == 0 && p[MB] == 1);
	fflush(stdout);
	if (fork() == 0) {
		*(volatile char *)p = 1;
		_exit(0);
	}
	CHECK(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == 11);
	if (fork() == 0) {
		*(volatile char *)(p + MB) = 1;
		_exit(0);
	}
	CHECK(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == 11);
	CHECK(munmap(p, 64 * MB) == 0);
}

static void
moving(void)
{
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	memset(p, 'm', 4 * PAGE);
	p = mremap(p, 4 * PAGE, 300 * PAGE, MREMAP_MAYMOVE);
	NEED(p != MAP_FAILED);
	CHECK(p[0] == 'm' && p[4 * PAGE - 1] == 'm' && p[4 * PAGE] == 0 && p[300 * PAGE - 1] == 0);
	p = mremap(p, 300 * PAGE, 2 * PAGE, 0);
	CHECK(p != MAP_FAILED && p[2 * PAGE - 1] == 'm');
	CHECK(munmap(p, 2 * PAGE) == 0);
}

static void
file_copy(void)
{
	int fd = open("linux_mem.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *p, c;

	NEED(fd >= 0);
	for (int i = 0; i < 3 * PAGE / 8; i++)
		CHECK(dprintf(fd, "%07d\n", i) == 8);
	p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE);
	NEED(p != MAP_FAILED);
	CHECK(memcmp(p, "0000512\n", 8) == 0 && memcmp(p + PAGE, "0001024\n", 8) == 0);
	p[0] = 'X';
	CHECK(pread(fd, &c, 1, PAGE) == 1 && c == '0');
	CHECK(munmap(p, 3 * PAGE) == 0);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && memcmp(p, "0000000\n", 8) == 0);
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 99, 0) == MAP_FAILED && errno == EBADF);
	munmap(p, PAGE);
	close(fd);
	unlink("linux_mem.tmp");
}

static void
sharing(void)
{
	int *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status, *own = malloc(sizeof(int));

	NEED(p != MAP_FAILED && own);
	*p = *own = 1;
	if (fork() == 0) {
		*p = *own = 2;
		_exit(0);
	}
	CHECK(wait(&status) > 0 && status == 0);
	CHECK(*p == 2 && *own == 1);
	free(own);
	munmap(p, PAGE);
}

static void
data_end(void)
{
	long low = syscall(SYS_brk, 0), now = syscall(SYS_brk, low + 5 * MB);
	volatile char *p = (volatile char *)low;

	NEED(now == low + 5 * MB);
	p[0] = p[5 * MB - 1] = 1;
	CHECK(syscall(SYS_brk, low + 100) == low + 100);
	CHECK(syscall(SYS_brk, low + 5 * MB) == low + 5 * MB);
	CHECK(p[0] == 1 && p[5 * MB - 1] == 0);
	CHECK(syscall(SYS_brk, low) == low);
}

static void
giving_back(void)
{
	char *p = mmap(NULL, 2 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p != MAP_FAILED);
	memset(p, 1, 2 * MB);
	CHECK(madvise(p + PAGE, PAGE, MADV_DONTNEED) == 0);
	CHECK(p[0] == 1 && p[PAGE] == 0 && p[2 * PAGE - 1] == 0 && p[2 * PAGE] == 1);
	CHECK(madvise(p + MB, MB, MADV_DONTNEED) == 0 && p[MB] == 0 && p[MB - 1] == 1);
	munmap(p, 2 * MB);
}

int
main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(allocation), TEST(mappings), TEST(reservation), TEST(moving), TEST(file_copy),
		TEST(sharing), TEST(data_end), TEST(giving_back),
	};

	RUN_TESTS(tests);
}
