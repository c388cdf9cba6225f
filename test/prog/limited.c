/*
 * A client at its memory limit, whose own pages a disk's driver is to use: limited DISK...; started
 * in a slot with a limit of a few MiB.  Word i of each disk is i.
 *
 *	read into memory that was never touched, until there may be no more of it
 *	write from such memory
 *	read into memory that a child shares with its parent, so that each page needs a copy
 *
 * Each call does what it was asked, with the right bytes, or fails with an error; what it did not
 * do has changed nothing.  When there is memory again, it works again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "check.h"

enum { PIECE = 64 << 10, WORDS = PIECE / 8, PIECES = 256, SHARED = 8 };
enum { UNTOUCHED = PIECES * PIECE };

static uint64_t want[WORDS];
static int refusal;

static bool
is_refused(ssize_t n)
{
	if (n >= 0)
		return false;
	CHECK(errno == EFAULT || errno == ENOMEM);
	refusal = errno;
	return true;
}

static void
compare(const uint64_t *mem, off_t at)
{
	for (unsigned i = 0; i < WORDS; i++)
		CHECK(mem[i] == (uint64_t)at / 8 + i);
}

static uint64_t *
untouched(void)
{
	void *p = mmap(NULL, UNTOUCHED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* How many pieces were read. */
static unsigned
read_untouched(int fd, uint64_t *mem)
{
	unsigned i = 0;

	for (; i < PIECES; i++) {
		if (is_refused(pread(fd, mem + i * WORDS, PIECE, (off_t)i * PIECE)))
			break;
		compare(mem + i * WORDS, (off_t)i * PIECE);
	}
	CHECK(i > 0 && i < PIECES); /* or there was no limit */
	return i;
}

/* With no page left: nothing may be written of memory that cannot be. */
static void
write_untouched(int fd, const uint64_t *mem)
{
	static const off_t at = (off_t)PIECES * PIECE;

	CHECK(is_refused(pwrite(fd, mem + (PIECES - 1) * WORDS, PIECE, at)));
	CHECK(pread(fd, want, PIECE, at) == PIECE);
	compare(want, at);
}

/* In a child, with its parent's pages: each needs a copy, for which there is no page at first. */
static void
read_shared(int fd, uint64_t *mem, uint64_t *more)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		refusal = errno = 0; /* pages of its own, while it can have some */
		CHECK(read_untouched(fd, more) > 0);
		for (unsigned i = 0; i < SHARED; i++)
			CHECK(is_refused(pread(fd, mem + i * WORDS, PIECE, PIECE)));
		CHECK(munmap(more, PIECE) == 0);
		for (unsigned i = 0; i < SHARED; i++) {
			off_t at = (off_t)(i + 1) * PIECE;

			CHECK(pread(fd, mem + i * WORDS, PIECE, at) == PIECE);
			compare(mem + i * WORDS, at);
		}
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == 0);
	for (unsigned i = 0; i < SHARED; i++) /* the parent's are what they were */
		compare(mem + i * WORDS, (off_t)i * PIECE);
}

static void
one_disk(const char *disk)
{
	unsigned first, again;
	uint64_t *mem, *more;
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/dev/sd/%s/data", disk);
	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	mem = untouched();
	first = read_untouched(fd, mem);
	write_untouched(fd, mem);
	CHECK(munmap(mem, UNTOUCHED) == 0);
	mem = untouched();
	for (unsigned i = 0; i < SHARED; i++)
		CHECK(pread(fd, mem + i * WORDS, PIECE, (off_t)i * PIECE) == PIECE);
	more = untouched();
	read_shared(fd, mem, more);
	CHECK(munmap(mem, UNTOUCHED) == 0);
	again = read_untouched(fd, more);
	CHECK(munmap(more, UNTOUCHED) == 0);
	close(fd);
	printf("limited: %s: %u pieces into new memory, then: %s; %u later\n", disk, first,
	       strerror(refusal), again);
	CHECK(again >= first - 1);
}

int
main(int argc, char **argv)
{
	CHECK(argc > 1);
	memset(want, 1, sizeof want);
	for (int i = 1; i < argc; i++)
		one_disk(argv[i]);
	return all_right("limited");
}
