/*
 * A server that ends in the way that its last argument says: causes [-device B.D.F] HOW.  In every
 * generation but the first it is good, unless HOW is `loop`; or `heavy`, which takes HEAVY_MS to
 * start; or `storm`, which needs QEMU's edu device: messages in the first, the device's line in the
 * second.  It answers nothing: what is watched is its slot.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <lux9/calls.h>
#include <lux9/ipc.h>
#include "driver.h"

#define REPORT_MS	50
#define HEAVY_MS	3000
#define MIB		(1ul << 20)
#define MAPS_MAX	256
#define STORM_MAX	50000000
#define EDU_RAISE	0x60
#define EDU_ACK		0x64

static const char *device = "";

static void
sleep_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void
report(const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "/dev/sip/servers/%s/health", getenv("SIP_NAME"));
	fd = open(path, O_WRONLY);
	CHECK(fd >= 0);
	command(fd, text);
	close(fd);
}

static void
good(void)
{
	for (;;) {
		report("state healthy\nrequests 1\n");
		sleep_ms(REPORT_MS);
	}
}

static void
ends(void)
{
	_exit(3);
}

static void
ends_well(void)
{
	_exit(0);
}

static void
crashes(void)
{
	__asm__ volatile("movl $1, 8");
}

static void
illegal(void)
{
	__asm__ volatile("ud2");
}

static void
sleeps(void)
{
	for (;;)
		pause();
}

static void
starts_late(void)
{
	sleep_ms(HEAVY_MS);
	good();
}

static void
spins(void)
{
	for (;;)
		;
}

/* n bytes more, all of them touched; how many are there is counted where others see it. */
static void
eat(size_t n, volatile size_t *eaten)
{
	for (size_t done = 0; done < n; done += 4096) {
		char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		CHECK(p != MAP_FAILED);
		*p = 1;
		*eaten += 4096;
	}
}

static volatile size_t *
counter(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static void
eats(void)
{
	eat(64 * MIB, counter());
}

/*
 * Its limit is 16 MiB.  With 5 of its own, a child that has them as well may have less than 6 more;
 * with 9 of its own there is no room for a child.
 */
static void
child_eats(void)
{
	volatile size_t *eaten = counter(), *own = counter();
	int status;
	pid_t pid;

	eat(5 * MIB, own);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		eat(64 * MIB, eaten);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	printf("causes: the child got %zu KiB and %s\n", *eaten >> 10,
	       WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? "was killed" : "lived");
	CHECK(*eaten > 4 * MIB && *eaten < 6 * MIB);
	eat(4 * MIB, own);
	CHECK(fork() == -1 && errno == ENOMEM);
	printf("causes: no room for a child\n");
	fflush(stdout);
	eat(64 * MIB, own);
}

static void *
take_one(void *fd)
{
	static char buf[4096];
	struct ipc_req req;

	lux_call6(SYS_SERVE, *(int *)fd, 0, LUX_ARG(&req), LUX_ARG(buf), sizeof buf, SYS_FOREVER);
	sleeps();
	return NULL;
}

/* Takes one request and never answers, but tells that all is well. */
static void
hangs(void)
{
	static int fd;
	char name[64];
	pthread_t t;

	snprintf(name, sizeof name, "/srv/%s", getenv("SIP_NAME"));
	fd = open(name, O_CREAT | O_RDWR | O_EXCL, 0600);
	CHECK(fd >= 0);
	CHECK(pthread_create(&t, NULL, take_one, &fd) == 0);
	good();
}

/* The registers of the device, which is enabled. */
static volatile uint32_t *
edu_registers(int ctl, const char *path)
{
	volatile uint32_t *reg;
	const char *t;
	int mem;

	command(ctl, "enable");
	t = strstr(text_of(path), "bar 0 mem ");
	CHECK(t != NULL);
	mem = open("/dev/mem", O_RDWR);
	CHECK(mem >= 0);
	reg = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mem,
		   (off_t)strtoull(t + 10, NULL, 16));
	CHECK(reg != MAP_FAILED);
	return reg;
}

/* Its driver asks for the next message as soon as there was one. */
static void
messages(int ctl, const char *path)
{
	volatile uint32_t *reg = edu_registers(ctl, path);

	command(ctl, "msi 1");
	command(ctl, "busmaster on");	/* a message is a write of the device's */
	for (int i = 0; i < STORM_MAX; i++) {
		reg[EDU_RAISE / 4] = 1;
		reg[EDU_ACK / 4] = 1;
	}
}

/* Its driver takes the line's interrupts, and never serves the device. */
static void
line(int ctl, const char *path)
{
	const char *t = strstr(text_of(path), "\nirq ");
	unsigned number = t != NULL ? (unsigned)strtoul(t + 5, NULL, 10) : 0;
	uint64_t event[4];
	char name[32];
	int fd;

	CHECK(number != 0);
	fd = open("/dev/irq/ctl", O_WRONLY);
	CHECK(fd >= 0);
	snprintf(name, sizeof name, "register %u", number);
	command(fd, name);
	snprintf(name, sizeof name, "/dev/irq/%u", number);
	fd = open(name, O_RDONLY);
	CHECK(fd >= 0);
	command(ctl, "line");
	edu_registers(ctl, path)[EDU_RAISE / 4] = 1;
	for (int i = 0; i < STORM_MAX; i++)
		CHECK(read(fd, event, sizeof event) == sizeof event);
}

static void
storms(void)
{
	char path[96];
	int ctl;

	snprintf(path, sizeof path, "/dev/pci/%sctl", device);
	ctl = open(path, O_RDWR);
	CHECK(ctl >= 0);
	if (strcmp(getenv("SIP_GENERATION"), "1") == 0)
		messages(ctl, path);
	else
		line(ctl, path);
}

static const struct {
	const char *how;
	void (*act)(void);
	int first;		/* it does not come to report its health */
} ways[] = {
	{ "good", good, 0 }, { "exit", ends, 0 }, { "well", ends_well, 0 }, { "crash", crashes, 0 },
	{ "illegal", illegal, 0 }, { "abort", abort, 0 }, { "deaf", sleeps, 0 },
	{ "slow", sleeps, 1 }, { "memory", eats, 0 }, { "child", child_eats, 0 },
	{ "hang", hangs, 0 }, { "storm", storms, 0 }, { "loop", crashes, 1 },
	{ "heavy", starts_late, 1 }, { "spin", spins, 0 },
};

int
main(int argc, char **argv)
{
	const char *how = argv[argc - 1], *generation = getenv("SIP_GENERATION");

	CHECK(generation != NULL);
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "-device") == 0)
			device = argv[i + 1];
	if (strcmp(how, "loop") != 0 && strcmp(how, "heavy") != 0 &&
	    atoi(generation) > (strcmp(how, "storm") == 0 ? 2 : 1))
		good();
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		if (strcmp(ways[i].how, how) != 0)
			continue;
		if (!ways[i].first)
			report("state starting\nstate healthy\n");
		ways[i].act();
	}
	return 9;
}
