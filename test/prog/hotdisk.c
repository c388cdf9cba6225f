/*
 * Controllers with a disk come and go behind a port, under load: hotdisk DRIVER CYCLES PORT OTHER.
 * DRIVER is ahci, nvme, virtioblk or virtioscsi; its controller and disk (the node `hot` of QEMU)
 * are plugged into PORT's slot, CYCLES times, and taken away while they are read and written: by
 * the button, and every other time before that without a word to the driver.  OTHER is another
 * controller of the same kind, with a disk: `stamp` writes and verifies that one all the time, its
 * driver is killed now and then, and it must notice nothing.  Both keep their disks' names.
 *
 * What is written to the disk that goes is verified too: what was acknowledged before is there
 * when it comes again.  A word of sector s is its place in the disk, and above it the version.
 *
 * QEMU plugs no disk into an IDE bus, unless that is given somebody who handles it: the machine
 * itself, which does nothing more.  It stands still meanwhile, or a driver would find half.
 */
#include <sys/mman.h>
#include "hotplug.h"

enum { WORKERS = 4, BLOCK = 4096, SECTOR_WORDS = 64, BLOCK_WORDS = BLOCK / 8 };
enum { REGION_BLOCKS = 512, RUN_MAX = 256, OPS_READY = 8, KILL_EVERY = 8, KILL_AT = 3 };
enum { ERROR_MS = 20000, TIMES_MAX = 2048 };

struct entry {
	uint64_t acknowledged, begun;
};

/* Shared by the workers, which are processes. */
static struct shared {
	struct entry entry[WORKERS * REGION_BLOCKS];
	_Atomic uint64_t ops[WORKERS]; /* since the disk came */
	int error[WORKERS];	       /* how the last call of each ended */
	int64_t at_ms[WORKERS];	       /* and when */
	uint64_t reads, writes;	       /* by all before */
} *shared;

static uint64_t buf[RUN_MAX * BLOCK_WORDS];
static bool was_short; /* the last call did a part */

static const struct kind {
	const char *driver, *add;
} kinds[] = {
	{ "ahci", "stop;device_add ich9-ahci,id=hot,bus=first;"
		  "qom-set /machine/peripheral/hot/hot.0 hotplug-handler /machine;"
		  "device_add ide-hd,drive=hot,bus=hot.0,serial=HOT,share-rw=on;cont" },
	{ "nvme", "device_add nvme,id=hot,bus=first,serial=HOT,drive=hot,share-rw=on" },
	{ "virtioblk", "device_add virtio-blk-pci,id=hot,bus=first,drive=hot,share-rw=on" },
	{ "virtioscsi", "stop;device_add virtio-scsi-pci,id=hot,bus=first;"
			"device_add scsi-hd,drive=hot,bus=hot.0,share-rw=on;cont" },
};

/* --- workers ---------------------------------------------------------------------------------- */

static void
fill(uint64_t first, unsigned n)
{
	for (unsigned b = 0; b < n; b++) {
		uint64_t version = ++shared->entry[first + b].begun;

		for (unsigned i = 0; i < BLOCK_WORDS; i++)
			buf[b * BLOCK_WORDS + i] = version << 32 | ((first + b) * BLOCK_WORDS + i);
	}
}

/* A sector is of one version, from the last that was acknowledged to the last that was begun. */
static bool
right(uint64_t first, unsigned n)
{
	for (unsigned b = 0; b < n; b++) {
		const struct entry *e = &shared->entry[first + b];

		for (unsigned i = 0; i < BLOCK_WORDS; i++) {
			const uint64_t *word = &buf[b * BLOCK_WORDS + i];
			uint64_t version = word[-(int)(i % SECTOR_WORDS)] >> 32;

			if (*word == (version << 32 | ((first + b) * BLOCK_WORDS + i)) &&
			    version >= e->acknowledged && version <= e->begun)
				continue;
			say("block %lu word %u is %lx; version %lu to %lu\n", first + b, i, *word,
			    e->acknowledged, e->begun);
			return false;
		}
	}
	return true;
}

/* One call of 1, 16 or 256 blocks in its own region: false if that was an error. */
static bool
step(int fd, unsigned id, unsigned *seed)
{
	static const unsigned runs[] = { 1, 1, 16, RUN_MAX };
	unsigned n = runs[rand_r(seed) % 4];
	uint64_t first = id * REGION_BLOCKS + (unsigned)rand_r(seed) % (REGION_BLOCKS - n + 1);
	ssize_t bytes = (ssize_t)n * BLOCK, did;
	bool writes = rand_r(seed) % 2;

	if (writes)
		fill(first, n);
	did = writes ? pwrite(fd, buf, (size_t)bytes, (off_t)(first * BLOCK))
		     : pread(fd, buf, (size_t)bytes, (off_t)(first * BLOCK));
	if (did < 0)
		return false;
	CHECK(!was_short); /* then there is an error, and the next call says which */
	if (did != bytes) {
		was_short = true;
		return true;
	}
	CHECK(writes || right(first, n));
	for (unsigned b = 0; writes && b < n; b++)
		shared->entry[first + b].acknowledged = shared->entry[first + b].begun;
	__atomic_fetch_add(writes ? &shared->writes : &shared->reads, 1, __ATOMIC_RELAXED);
	shared->ops[id]++;
	return true;
}

/* Until an error comes: 0; 1 if something else was not right. */
static void __attribute__((noreturn))
worker(const char *path, unsigned id, unsigned seed)
{
	int fd = open(path, O_RDWR);

	CHECK(fd >= 0);
	while (step(fd, id, &seed))
		;
	shared->error[id] = errno;
	shared->at_ms[id] = now_ms();
	_exit(0);
}

/* --- one disk that comes and goes ------------------------------------------------------------- */

static int64_t times[TIMES_MAX];
static unsigned ntimes;

/* The workers' errors: each says that the device or its server has gone, and comes at once. */
static void
see_errors(const pid_t pid[WORKERS], int64_t start)
{
	int64_t longest = 0;
	int status;

	for (unsigned i = 0; i < WORKERS; i++) {
		CHECK(waitpid(pid[i], &status, 0) == pid[i]);
		CHECK(status == 0);
		say("worker %u: %s after %ld ms\n", i, strerror(shared->error[i]),
		    (long)(shared->at_ms[i] - start));
		CHECK(shared->error[i] == ENODEV || shared->error[i] == EHOSTDOWN);
		if (shared->at_ms[i] - start > longest)
			longest = shared->at_ms[i] - start;
	}
	CHECK(longest < ERROR_MS);
	if (ntimes < TIMES_MAX)
		times[ntimes++] = longest;
}

/* Takes the disk away by the command, to the monitor or to the kernel, under load. */
static void
take_away(const char *device, const char *path, const char *how, const char *what)
{
	static unsigned seed;
	pid_t pid[WORKERS];
	char name[64];
	int64_t start;

	for (unsigned i = 0; i < WORKERS; i++) {
		shared->ops[i] = 0;
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i] == 0)
			worker(path, i, ++seed * WORKERS + i);
		seed++;
	}
	start = now_ms();
	for (unsigned i = 0; i < WORKERS; i++)
		while (shared->ops[i] < OPS_READY) {
			CHECK(now_ms() - start < COME_MS);
			nap();
		}
	start = now_ms();
	if (how[0] == '/')
		write_to(how, what);
	else
		monitor(how, what);
	see_errors(pid, start);
	start = now_ms();
	while (server_of(device, name) || access(path, F_OK) == 0) {
		CHECK(now_ms() - start < GO_MS);
		nap();
	}
}

/* It has the disk that the device had the first time. */
static void
wait_disk(const char *device, char path[96])
{
	char name[64], now[96];

	wait_server(device, name);
	disk_of(device, now);
	if (path[0] == '\0')
		memcpy(path, now, sizeof now);
	if (strcmp(path, now) != 0)
		say("%s is now %s\n", path, now);
	CHECK(strcmp(path, now) == 0);
}

/* The kernel is told that it has gone; it is there, and is found again. */
static void
pull(const char *device, char path[96])
{
	char text[40];

	snprintf(text, sizeof text, "remove %s", device);
	take_away(device, path, "/dev/pci/ctl", text);
	snprintf(text, sizeof text, "rescan %ld", strtol(device, NULL, 10));
	write_to("/dev/pci/ctl", text);
	wait_disk(device, path);
}

static void
kill_server(const char *device)
{
	char name[64], path[128];

	wait_server(device, name);
	snprintf(path, sizeof path, "/dev/sip/servers/%s/ctl", name);
	write_to(path, "kill a test");
	wait_server(device, name);
}

/* The other controller's driver dies while this one is there, and while it is not. */
static void
cycle(const struct kind *k, const char *port, const char *other, int i)
{
	static char path[96], there[96];
	char device[16];

	device_behind(port, device);
	monitor("%s", k->add);
	wait_disk(device, path);
	if (i % KILL_EVERY == KILL_AT) {
		kill_server(other);
		wait_disk(other, there);
	}
	if (i % 2 == 0)
		pull(device, path);
	take_away(device, path, "device_del %s", "hot");
	wait_empty(port, device);
	if (i % KILL_EVERY == KILL_AT)
		kill_server(other);
	wait_disk(other, there);
}

/* --- the other disk --------------------------------------------------------------------------- */

static int stamp_says;

/* What it says goes to the console at once; true when it has said that. */
static bool
stamp_said(const char *what)
{
	char text[512];
	ssize_t n = read(stamp_says, text, sizeof text - 1);

	CHECK(n >= 0);
	text[n] = '\0';
	say("%.250s", text);
	return n == 0 || strstr(text, what) != NULL;
}

static pid_t
start_stamp(const char *other)
{
	char path[96] = "";
	int out[2];
	pid_t pid;

	wait_disk(other, path);
	CHECK(pipe(out) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		CHECK(dup2(out[1], 1) == 1);
		close(out[0]);
		close(out[1]);
		execl("/boot/bin/stamp", "stamp", "-threads", "1", "-readers", "1", "-region",
		      "1048576", path, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	stamp_says = out[0];
	CHECK(stamp_said("sectors in"));
	return pid;
}

/* It counts errors of every kind itself. */
static void
end_stamp(pid_t pid)
{
	int status;

	CHECK(kill(pid, SIGTERM) == 0);
	while (!stamp_said("all right"))
		;
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == 0);
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	const struct kind *k = NULL;
	int cycles = argc == 5 ? atoi(argv[2]) : 0;
	struct left before;
	pid_t stamp;

	for (unsigned i = 0; cycles > 0 && i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i].driver, argv[1]) == 0)
			k = &kinds[i];
	CHECK(k != NULL);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	CHECK(shared != MAP_FAILED);
	memset(shared, 0, sizeof *shared);
	memset(buf, 1, sizeof buf); /* all that is counted below is there */
	stamp = start_stamp(argv[4]);
	cycle(k, argv[3], argv[4], KILL_AT); /* what stays for good is made now */
	cycle(k, argv[3], argv[4], 0);
	run("/boot/bin/sleep", "1", NULL); /* so does who ends the last server */
	before = count();
	for (int i = 0; i < cycles; i++)
		cycle(k, argv[3], argv[4], i);
	nothing_left(&before);
	end_stamp(stamp);
	qsort(times, ntimes, sizeof times[0], compare);
	say("hotdisk: %s, %d cycles: %u times taken away, errors within %ld ms (median), %ld ms "
	    "(longest); %lu reads, %lu writes\n", k->driver, cycles, ntimes,
	    (long)times[ntimes / 2], (long)times[ntimes - 1], shared->reads, shared->writes);
	return all_right("hotdisk");
}
