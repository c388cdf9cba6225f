/*
 * A driver built with faults (man/4/fault) does wrong in the middle of its work, under readers:
 * faults SERVER READERS FILE BYTES CTL KIND=CAUSE...  FILE's first BYTES are read by READERS; each
 * KIND is written to CTL as a command.  With a CAUSE the server must die of it, its successor must
 * be healthy, and no reader may get an error or other data than before.  With an empty CAUSE the
 * server lives on, and its readers may be told wrong; so they may with `iommu fault`, since the
 * device may say that all went well.  A bystander's memory is never written.
 * Readers rest between reads, so that their interrupts are far from being a storm.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "slot.h"

enum { READERS_MAX = 8, READ_SIZE = 512, BLOCKS_MAX = 4096, AFTER = 3, BYSTANDER_BYTES = 4 << 20 };
enum { KIND_MAX = 32, TOLD = 10, REST = 5 };

static const char *server, *file, *ctl;
static unsigned nreaders;
static size_t nblocks;
static uint8_t (*data)[READ_SIZE];	/* what the file has */

static struct shared {
	_Atomic unsigned failed, other, reads, written;
} *shared;

static void
reader(unsigned seed)
{
	static uint8_t buf[READ_SIZE];
	int fd = open(file, O_RDONLY);

	for (;;) {
		size_t at = (seed >> 8) % nblocks;

		seed = seed * 1103515245 + 12345;
		if (pread(fd, buf, sizeof buf, (off_t)(at * READ_SIZE)) != READ_SIZE) {
			if (shared->failed++ < TOLD)
				printf("faults: a reader: %s\n", strerror(errno));
			fflush(stdout);
			pause_a_little();
		} else if (memcmp(buf, data[at], READ_SIZE) != 0) {
			shared->other++;
		}
		shared->reads++;
		for (int i = 0; i < REST; i++)
			pause_a_little();
	}
}

static void
bystander(void)
{
	uint64_t *p = mmap(NULL, BYSTANDER_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < BYSTANDER_BYTES / 8; i++)
		p[i] = ~i;
	for (;; pause_a_little())
		for (size_t i = 0; i < BYSTANDER_BYTES / 8; i++)
			if (p[i] != ~i) {
				p[i] = ~i;
				shared->written++;
			}
}

static void
read_all(void)
{
	int fd = open(file, O_RDONLY);

	CHECK(fd >= 0);
	data = malloc(nblocks * READ_SIZE);
	CHECK(data != NULL);
	for (size_t i = 0; i < nblocks; i++)
		CHECK(pread(fd, data[i], READ_SIZE, (off_t)(i * READ_SIZE)) == READ_SIZE);
	close(fd);
}

static void
ask_for(const char *kind)
{
	char text[64];
	int fd = open(ctl, O_WRONLY);

	CHECK(fd >= 0);
	snprintf(text, sizeof text, "fault %s #%d", kind, AFTER);
	command(fd, text);
	close(fd);
}

/* The cause of the latest end. */
static const char *
last_cause(void)
{
	static char cause[256];
	char path[256], *text, *at;

	snprintf(path, sizeof path, "/dev/sip/servers/%s/health", server);
	text = text_of(path);
	cause[0] = '\0';
	for (at = text; (at = strstr(at, " cause ")) != NULL; at += 7)
		snprintf(cause, sizeof cause, "%.*s", (int)strcspn(at + 7, "\n"), at + 7);
	return cause;
}

static void
wait_reads(unsigned n)
{
	uint64_t end = now() + SLOT_WAIT_MS * 1000000ull;
	unsigned first = shared->reads;

	while (shared->reads < first + n) {
		CHECK(now() < end);
		pause_a_little();
	}
}

static void
one(int status, char *kind)
{
	char *cause = strchr(kind, '=');
	unsigned generation = slot_wait_healthy(status, 0);
	uint64_t began;

	CHECK(cause != NULL && cause - kind < KIND_MAX);
	*cause++ = '\0';
	wait_reads(nreaders);
	began = now();
	ask_for(kind);
	if (*cause == '\0') {
		wait_reads(nreaders * AFTER);
		printf("faults: %s: %s lives on; %u reads of other data, %u failed\n", kind, server,
		       shared->other, shared->failed);
		CHECK(slot_wait_healthy(status, 0) == generation);
		shared->other = shared->failed = 0;
	} else {
		slot_wait_healthy(status, generation);
		printf("faults: %s: %s: healthy after %lu us\n", kind, last_cause(),
		       (now() - began) / 1000);
		CHECK(strncmp(last_cause(), cause, strlen(cause)) == 0);
		wait_reads(nreaders);
		if (strncmp(cause, "iommu fault", 11) == 0)
			shared->other = 0;
	}
	fflush(stdout);
	CHECK(shared->failed == 0 && shared->other == 0);
	CHECK(shared->written == 0);
}

int
main(int argc, char **argv)
{
	pid_t pid[READERS_MAX + 1];
	int status;

	CHECK(argc > 6);
	server = argv[1], file = argv[3], ctl = argv[5];
	nreaders = (unsigned)atoi(argv[2]);
	CHECK(nreaders > 0 && nreaders <= READERS_MAX);
	nblocks = (size_t)atoi(argv[4]) / READ_SIZE;
	CHECK(nblocks > 0 && nblocks <= BLOCKS_MAX);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	status = slot_status(server);
	read_all();
	for (unsigned i = 0; i <= nreaders; i++) {
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i] != 0)
			continue;
		if (i < nreaders)
			reader(i);
		bystander();
	}
	for (int i = 6; i < argc; i++)
		one(status, argv[i]);
	for (unsigned i = 0; i <= nreaders; i++) {
		CHECK(kill(pid[i], SIGKILL) == 0);
		CHECK(waitpid(pid[i], NULL, 0) == pid[i]);
	}
	return all_right("faults");
}
