/*
 * direct ROUNDS: direct requests, from both sides (direct.h): which requests are direct, what may
 * happen to the client, its memory and the server in the middle of one, and that nothing is left.
 */
#include "direct.h"

enum { SPARE_PAGES = 300, SLACK_PAGES = 64, SLACK_HEAP = 32768 };
enum { KILLS = 10, DEATHS = 5, MIDDLE_TRIES = 50 };

/* --- tests ----------------------------------------------------------------------------------- */

static void
test_data(void)
{
	pid_t pid = begin(MOVE);
	int fd = open_data(), status;
	uint8_t *p = memory(SIZE + PAGE, MAP_PRIVATE);

	put_pattern(fd, 1);
	CHECK(shared->copied == 0);
	for (unsigned skip = 0; skip <= 4; skip += 4) {
		memset(p, FILL, SIZE + PAGE);
		CHECK(pread(fd, p + skip, SIZE, 0) == SIZE);
		CHECK(is_pattern(p + skip, 1) && all_are(p, skip, FILL));
		CHECK(all_are(p + skip + DMA_BYTES, SIZE + PAGE - skip - DMA_BYTES, FILL));
	}
	/* Not there yet, and shared since a fork: the device writes to the caller's own. */
	CHECK(munmap(p, SIZE) == 0);
	p = mmap(NULL, SMALL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED && pread(fd, p, SMALL, 0) == SMALL && is_pattern(p, 1));
	CHECK(all_are(p + DMA_BYTES, SMALL - DMA_BYTES, 0));
	memset(p, FILL, SMALL);
	if (fork() == 0) {
		CHECK(pread(fd, p, SMALL, 0) == SMALL && is_pattern(p, 1));
		_exit(0);
	}
	CHECK(wait(&status) > 0 && status == 0);
	CHECK(all_are(p, SMALL, FILL) && shared->copied == 0);
	close(fd);
	end(pid);
}

/* What is not large, in line or private comes with data, and is right all the same. */
static void
test_copied(void)
{
	pid_t pid = begin(MOVE);
	int fd = open_data();
	uint8_t *p = memory(2 * SMALL, MAP_PRIVATE), *s = memory(SMALL, MAP_SHARED);
	const struct {
		uint8_t *to;
		unsigned n, offset;
	} reads[] = {
		{ p, SMALL - SECTOR, 0 }, { p + 1, SMALL, 0 }, { p, SMALL, 256 },
		{ p, SMALL + 1, 0 }, { s, SMALL, SECTOR },
	};
	unsigned direct = shared->direct, copied = shared->copied;

	for (unsigned i = 0; i < sizeof reads / sizeof reads[0]; i++) {
		CHECK(pread(fd, reads[i].to, reads[i].n, reads[i].offset) == (ssize_t)reads[i].n);
		for (unsigned k = 0; k < reads[i].n; k++)
			CHECK(reads[i].to[k] == (uint8_t)((reads[i].offset + k) * 7));
		CHECK(pwrite(fd, reads[i].to, reads[i].n, reads[i].offset) == (ssize_t)reads[i].n);
	}
	CHECK(shared->direct == direct && shared->copied == copied + 2 * 5);
	CHECK(munmap(p, (size_t)2 * SMALL) == 0 && munmap(s, SMALL) == 0);
	close(fd);
	end(pid);
}

static void
test_bad_memory(void)
{
	pid_t pid = begin(MOVE);
	int fd = open_data();
	uint8_t *p = memory(2 * SMALL, MAP_PRIVATE);
	unsigned direct = shared->direct;

	CHECK(mprotect(p + SMALL, SMALL, PROT_READ) == 0);
	CHECK(pread(fd, p + SMALL, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(pread(fd, p + SMALL / 2, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(mprotect(p + SMALL, SMALL, PROT_NONE) == 0);
	CHECK(pread(fd, p + SMALL, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(pwrite(fd, p + SMALL, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(munmap(p + SMALL, SMALL) == 0);
	CHECK(pread(fd, p + SMALL / 2, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(pwrite(fd, p + SMALL / 2, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(pread(fd, (void *)0xffff800000100000ul, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(pread(fd, (void *)0x7ffffffff000ul, SMALL, 0) < 0 && errno == EFAULT);
	CHECK(shared->direct == direct);
	CHECK(mprotect(p, SMALL, PROT_READ) == 0);	/* to be read is enough for a write */
	CHECK(pwrite(fd, p, SMALL, 0) == SMALL && shared->direct == direct + 1);
	close(fd);
	end(pid);
}

static bool
test_fork(void)
{
	pid_t pid = begin(MOVE), child;
	int fd = open_data(), status;
	uint8_t *p = memory(SMALL, MAP_PRIVATE);
	struct reading r;
	unsigned before;
	bool in_time;

	put_pattern(fd, 2);
	before = shared->done;
	start_reading(&r, fd, p, SMALL);
	child = fork();
	if (child == 0) {
		wait_for(&shared->done, before);
		CHECK(all_are(p, SMALL, FILL));
		_exit(0);
	}
	p[PAGE - 1] = 1;		/* with copy-on-write the device would lose its page */
	p[SMALL - 1] = 2;
	in_time = shared->done == before;
	end_reading(&r);
	CHECK(r.got == SMALL && is_pattern(p, 2));
	CHECK(p[PAGE - 1] == 1 && p[SMALL - 1] == 2);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(munmap(p, SMALL) == 0);
	close(fd);
	end(pid);
	return in_time;
}

static bool
test_unmap(void)
{
	pid_t pid = begin(MOVE);
	int fd = open_data();
	uint8_t *p = memory(SMALL, MAP_PRIVATE), *q;
	unsigned before = shared->done;
	struct reading r;
	bool in_time;

	start_reading(&r, fd, p, SMALL);
	CHECK(munmap(p, SMALL) == 0);
	q = mmap(p, SMALL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(q == p);
	memset(q, 0x77, SMALL);
	in_time = shared->done == before;
	end_reading(&r);
	CHECK(r.got == SMALL && all_are(q, SMALL, 0x77));
	CHECK(munmap(q, SMALL) == 0);
	close(fd);
	end(pid);
	return in_time;
}

/* The client dies, and all memory is used while its read goes on. */
static bool
test_client_killed(void)
{
	pid_t pid = begin(MOVE);
	size_t most = (number_in("/dev/swap", "pages free ") - 4 * SPARE_PAGES) * PAGE, rest;
	uint8_t *p = memory(most, MAP_PRIVATE), *q;
	unsigned before = shared->done;
	bool in_time;

	kill_child(start_client(SIZE, 0));
	rest = (number_in("/dev/swap", "pages free ") - SPARE_PAGES) * PAGE;
	q = memory(rest, MAP_PRIVATE);
	in_time = shared->done == before;
	wait_for(&shared->done, before);
	CHECK(all_are(q, rest, FILL));
	CHECK(munmap(p, most) == 0 && munmap(q, rest) == 0);
	end(pid);
	return in_time;
}

/* Both die; the pages wait until somebody says that the device is quiet. */
static void
test_server_killed(void)
{
	pid_t pid = begin(MOVE), client = start_client(SIZE, EHOSTDOWN);
	uint64_t pinned;
	int status;

	kill_child(pid);
	CHECK(waitpid(client, &status, 0) == client && status == 0);
	CHECK(lux_call2(SYS_UNMOUNT, 0, LUX_ARG("/mnt")) == 0);
	pinned = number_in("/dev/swap", "pages free ");
	say_quiet();
	CHECK(number_in("/dev/swap", "pages free ") >= pinned + BIG_PAGES - SLACK_PAGES / 2);
}

/* The service ends, its process and the transfer do not: the client's memory is its own again. */
static bool
test_hang_up(void)
{
	pid_t pid = begin(HANG_UP);
	uint8_t *p = memory(SMALL, MAP_PRIVATE);
	unsigned before = shared->done;
	struct reading r;
	bool in_time;

	start_reading(&r, open_data(), p, SMALL);
	end_reading(&r);
	CHECK(r.got < 0 && r.error == EHOSTDOWN);
	p[DMA_BYTES / 2] = 0x55;
	in_time = shared->done == before;
	wait_for(&shared->done, before);
	CHECK(p[DMA_BYTES / 2] == 0x55);
	CHECK(munmap(p, SMALL) == 0);
	close(r.fd);
	end(pid);
	return in_time;
}

static void
test_recovery(void)
{
	pid_t pid = start_server(O_CREAT | O_EXCL), next;
	uint8_t *p = memory(SMALL, MAP_PRIVATE);
	unsigned before;
	struct reading r;
	int fd;

	shared->mode = MOVE;
	mount_it(WAIT_NS);
	fd = open_data();
	put_pattern(fd, 3);
	before = shared->direct;
	start_reading(&r, fd, p, SMALL);
	kill_child(pid);
	next = start_server(O_TRUNC);
	end_reading(&r);
	CHECK(r.got == SMALL && is_pattern(p, 3) && shared->direct == before + 2);
	CHECK(all_are(p + DMA_BYTES, SMALL - DMA_BYTES, FILL));
	close(fd);
	end(next);
}

static void
test_lies(void)
{
	pid_t pid = begin(LIE);
	int fd = open_data();
	uint8_t *p = memory(2 * SMALL, MAP_PRIVATE);

	CHECK(pread(fd, p, SMALL, 0) == SMALL && all_are(p, (size_t)2 * SMALL, FILL));
	CHECK(pwrite(fd, p, SMALL, 0) == SMALL);
	shared->mode = DATA;
	CHECK(pread(fd, p, SMALL, SECTOR) == SMALL);
	for (unsigned i = 0; i < SMALL; i++)
		CHECK(p[i] == (uint8_t)((SECTOR + i) * 7));
	CHECK(all_are(p + SMALL, SMALL, FILL));
	close(fd);
	end(pid);
}

/* A process that drives nothing has data, whatever it says. */
static void
test_no_driver(void)
{
	unsigned direct = shared->direct;
	uint8_t *p = memory(SMALL, MAP_PRIVATE);
	pid_t pid;
	int fd;

	drives = false;
	pid = begin(MOVE);
	fd = open_data();
	CHECK(pwrite(fd, p, SMALL, 0) == SMALL);
	CHECK(pread(fd, p, SMALL, SMALL) == SMALL && p[1] == (uint8_t)((SMALL + 1) * 7));
	CHECK(shared->direct == direct);
	close(fd);
	end(pid);
	drives = true;
}

/* Until what is to happen in the middle has; elsewhere it must do no harm either. */
static void
in_the_middle(bool (*test)(void))
{
	int tries = MIDDLE_TRIES;

	while (!test() && --tries > 0)
		;
	CHECK(tries > 0);
}

/* --- nothing is left behind ------------------------------------------------------------------ */

static void
rounds(unsigned n)
{
	pid_t pid = begin(ANSWER);
	int fd = open_data();
	uint8_t *p = memory(SIZE, MAP_PRIVATE);

	for (unsigned i = 0; i < n; i++) {
		size_t bytes = SMALL + (i * SECTOR) % (SIZE - SMALL);

		CHECK(pread(fd, p, bytes, 0) == (ssize_t)bytes);
		CHECK(pwrite(fd, p, bytes, 0) == (ssize_t)bytes);
		CHECK(mprotect(p + 3 * PAGE, PAGE, PROT_READ) == 0);
		CHECK(pread(fd, p, SMALL, 0) < 0 && errno == EFAULT);
		CHECK(mprotect(p + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
	}
	shared->mode = HOLD;
	for (unsigned i = 0; i < KILLS; i++)
		kill_child(start_client(SIZE, 0));
	CHECK(munmap(p, SIZE) == 0);
	close(fd);
	end(pid);
	for (unsigned i = 0; i < DEATHS; i++) {
		pid_t client;
		int status;

		pid = begin(HOLD);
		client = start_client(SIZE, EHOSTDOWN);
		end(pid);
		CHECK(waitpid(client, &status, 0) == client && status == 0);
	}
	say_quiet();
}

static void
test_leaks(unsigned n)
{
	uint64_t pages, heap;
	unsigned dma;

	rounds(10);
	pages = number_in("/dev/swap", "pages free ");
	heap = number_in("/dev/swap", "heap ");
	dma = entries_of("/dev/dma");
	rounds(n);
	printf("direct: %u rounds: pages free %lu, then %lu; heap %lu, then %lu\n", n, pages,
	       number_in("/dev/swap", "pages free "), heap, number_in("/dev/swap", "heap "));
	CHECK(number_in("/dev/swap", "pages free ") + SLACK_PAGES >= pages);
	CHECK(number_in("/dev/swap", "heap ") <= heap + SLACK_HEAP);
	CHECK(entries_of("/dev/dma") == dma);
}

int
main(int argc, char **argv)
{
	find_edu();
	drives = true;
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	test_data();
	test_copied();
	test_bad_memory();
	in_the_middle(test_fork);
	in_the_middle(test_unmap);
	in_the_middle(test_client_killed);
	test_server_killed();
	in_the_middle(test_hang_up);
	test_recovery();
	test_lies();
	test_no_driver();
	test_leaks(argc > 1 ? (unsigned)atoi(argv[1]) : 1000);
	return all_right("direct");
}
