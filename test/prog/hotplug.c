/*
 * Devices come and go behind ports: hotplug CYCLES PORT PORT...  The monitor is asked by the debug
 * port (test/boot/monitor.py).  Into the first port, whose slot is empty, QEMU's edu and an AHCI
 * controller are plugged, CYCLES times each, and a few times more while the port's own driver is
 * killed.  The others have a controller with a disk, which is taken away while it is read: CYCLES
 * times without a word to its driver, and found again; then by the button.  Nothing is left in the
 * end.
 *
 * With one PORT, an NVMe controller with a disk (the node `blank` of QEMU) is plugged into its
 * slot, and taken away while it is read: by the button, every other time without a word before.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "driver.h"

#define COME_MS		30000		/* from the plug to a healthy driver, on a slow machine */
#define GO_MS		30000		/* from the button to an empty slot */
#define ERROR_MS	20000		/* until a reader has its error */
#define BUFFERS_S	31		/* dma(3): when nobody says that the device is quiet */
#define READERS		3
#define DEBUG_PORT	0xe9		/* -debugcon */
#define DISK_BYTES	(8 << 20)
#define PAGES_SLACK	64
#define HEAP_SLACK	32768

static int64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

static void __attribute__((format(printf, 1, 2)))
say(const char *fmt, ...)
{
	char text[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	CHECK(write(1, text, (size_t)n) == n);
}

/* By the port of QEMU's debug console: the machine's own console is everybody's. */
static void
monitor(const char *fmt, const char *what)
{
	char text[128];
	int fd = open("/dev/io", O_RDWR), n = snprintf(text, sizeof text, fmt, what);

	CHECK(fd >= 0);
	say("monitor: %s\n", text);
	text[n] = '\n';
	for (int i = 0; i <= n; i++)
		CHECK(pwrite(fd, &text[i], 1, DEBUG_PORT) == 1);
	close(fd);
}

static int
run(const char *program, const char *a, const char *b)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		execl(program, program, a, b, (char *)NULL);
		_exit(127);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

/* As text_of, of a file that may not be there: then "". */
static const char *
maybe(const char *fmt, const char *name)
{
	char path[300];

	snprintf(path, sizeof path, fmt, name);
	return access(path, R_OK) == 0 ? text_of(path) : "";
}

static bool
says(const char *fmt, const char *name, const char *what)
{
	static char text[8192];
	char path[300];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, fmt, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return strstr(text, what) != NULL;
}

/* The server whose device this is, into name. */
static bool
server_of(const char *device, char name[64])
{
	char line[32];
	DIR *d = opendir("/dev/sip/servers");
	struct dirent *e;
	bool found = false;

	CHECK(d != NULL);
	snprintf(line, sizeof line, "%s\n", device);
	while (!found && (e = readdir(d)) != NULL) {
		found = says("/dev/sip/servers/%s/devices", e->d_name, line);
		snprintf(name, 64, "%.63s", e->d_name);
	}
	closedir(d);
	return found;
}

/* Until it is healthy. */
static void
wait_server(const char *device, char name[64])
{
	int64_t start = now_ms();

	while (!server_of(device, name) ||
	       !says("/dev/sip/servers/%s/status", name, "status healthy")) {
		if (now_ms() - start > COME_MS) {
			say("no healthy server for %s\n%s", device,
			    maybe("/dev/pci/%sctl", device));
			exit(1);
		}
		nap();
	}
	say("%s: %s after %ld ms\n", device, name, (long)(now_ms() - start));
}

static void
wait_empty(const char *port, const char *device)
{
	int64_t start = now_ms();
	char name[64];

	while (server_of(device, name) || !says("/dev/slot/%s", port, "state empty")) {
		if (now_ms() - start > GO_MS) {
			say("%s is still there\n%s", device, maybe("/dev/slot/%s", port));
			exit(1);
		}
		nap();
	}
	CHECK(maybe("/dev/pci/%sctl", device)[0] == '\0');
	say("%s: gone after %ld ms\n", device, (long)(now_ms() - start));
}

static void
device_behind(const char *port, char device[16])
{
	const char *bus = strstr(maybe("/dev/slot/%s", port), "\nbus ");

	CHECK(bus != NULL);
	snprintf(device, 16, "%ld.0.0", strtol(bus + 5, NULL, 10));
}

/* Registers, an interrupt, and memory in both directions. */
static void
use_edu(const char *name)
{
	char service[80], back[16];
	int fd;

	snprintf(service, sizeof service, "/srv/%s", name);
	CHECK(run("/boot/bin/mount", service, "/mnt") == 0);
	fd = open("/mnt/factorial", O_RDWR);
	CHECK(fd >= 0);
	command(fd, "10");
	CHECK(strcmp(text_of("/mnt/factorial"), "3628800\n") == 0);
	close(fd);
	fd = open("/mnt/dma", O_RDWR);
	CHECK(fd >= 0);
	command(fd, "through the slot");
	/* Not the whole buffer at once: QEMU 7.2 takes that for one byte too much, and ends. */
	CHECK(pread(fd, back, sizeof back, 0) == sizeof back);
	CHECK(memcmp(back, "through the slot", sizeof back) == 0);
	close(fd);
	CHECK(run("/boot/bin/unmount", service, "/mnt") == 0);
}

static void
write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0);
	command(fd, text);
	close(fd);
}

/* The port's driver dies, at any moment of what it has just been asked for. */
static void
kill_driver(const char *port, int delay_ms)
{
	char name[64], path[128];

	while (delay_ms-- > 0)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	CHECK(server_of(port, name));
	snprintf(path, sizeof path, "/dev/sip/servers/%s/ctl", name);
	write_to(path, "kill a test");
}

/* kill_ms: how long after each change is asked for the port's driver is killed; < 0: it is not. */
static void
cycle(const char *port, const char *device, const char *what, int kill_ms)
{
	char name[64];

	monitor("device_add %s,id=hot,bus=first", what);
	if (kill_ms >= 0)
		kill_driver(port, kill_ms);
	wait_server(device, name);
	if (what[0] == 'e')
		use_edu(name);
	if (kill_ms >= 0)
		wait_server(port, name);
	monitor("device_del %s", "hot");
	if (kill_ms >= 0)
		kill_driver(port, kill_ms);
	wait_empty(port, device);
}

/* --- disks --- */

/* The disk of a controller, as /dev/sd/NAME/data. */
static void
disk_of(const char *device, char path[96])
{
	int64_t start = now_ms();
	char line[40], name[64] = "";

	snprintf(line, sizeof line, "controller %s", device);
	while (name[0] == '\0') {
		DIR *d = opendir("/dev/sd");
		struct dirent *e;

		while (d != NULL && (e = readdir(d)) != NULL)
			if (says("/dev/sd/%s/ctl", e->d_name, line))
				snprintf(name, sizeof name, "%.63s", e->d_name);
		if (d != NULL)
			closedir(d);
		CHECK(now_ms() - start < COME_MS);
		nap();
	}
	snprintf(path, 96, "/dev/sd/%s/data", name);
}

/* Each 8 bytes of the disk are their own place. */
static bool
read_right(int fd, uint64_t off, bool *right)
{
	uint64_t buf[512];

	if (pread(fd, buf, sizeof buf, (off_t)off) != (ssize_t)sizeof buf)
		return false;
	for (unsigned i = 0; i < 512; i++)
		*right &= buf[i] == off + 8 * i;
	return true;
}

/* Reads until an error comes: 0; 1 if it read what is not there. */
static void __attribute__((noreturn))
reader(const char *path, unsigned seed, int ready)
{
	int fd = open(path, O_RDONLY);
	bool right = fd >= 0, told = false;

	while (right && read_right(fd, rand_r(&seed) % (DISK_BYTES / 4096) * 4096ull, &right))
		if (!told)
			told = write(ready, "x", 1) == 1;
	_exit(right && told ? 0 : 1);
}

/* Takes the disk away by the command, to the monitor or to the kernel, under load. */
static void
take_disk(const char *device, const char *how, const char *what)
{
	char name[64], path[96], c;
	pid_t pid[READERS];
	int ready[2], status;
	int64_t start;

	wait_server(device, name);
	disk_of(device, path);
	CHECK(pipe(ready) == 0);
	for (unsigned i = 0; i < READERS; i++) {
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i] == 0)
			reader(path, i + 1, ready[1]);
	}
	for (unsigned i = 0; i < READERS; i++)
		CHECK(read(ready[0], &c, 1) == 1);
	start = now_ms();
	if (how[0] == '/')
		write_to(how, what);
	else
		monitor(how, what);
	for (unsigned i = 0; i < READERS; i++) {
		CHECK(waitpid(pid[i], &status, 0) == pid[i]);
		CHECK(status == 0);
	}
	say("%s: readers have their error after %ld ms\n", path, (long)(now_ms() - start));
	CHECK(now_ms() - start < ERROR_MS);
	close(ready[0]);
	close(ready[1]);
	start = now_ms();
	while (server_of(device, name) || access(path, F_OK) == 0) {
		CHECK(now_ms() - start < GO_MS);
		nap();
	}
}

/* The kernel is told that it has gone; it is there, and is found again. */
static void
pull_disk(const char *device)
{
	char command_[40];

	snprintf(command_, sizeof command_, "remove %s", device);
	take_disk(device, "/dev/pci/ctl", command_);
	snprintf(command_, sizeof command_, "rescan %ld", strtol(device, NULL, 10));
	write_to("/dev/pci/ctl", command_);
}

/* --- what is left --- */

static unsigned
entries(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	CHECK(d != NULL);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

struct left {
	unsigned dma, irq, srv, pci, servers;
	uint64_t pages, heap;
};

static uint64_t
value(const char *path, const char *name)
{
	const char *v = strstr(text_of(path), name);

	CHECK(v != NULL);
	return strtoull(v + strlen(name), NULL, 0);
}

static struct left
count(void)
{
	return (struct left){
		.dma = entries("/dev/dma"), .irq = entries("/dev/irq"), .srv = entries("/srv"),
		.pci = entries("/dev/pci"), .servers = entries("/dev/sip/servers"),
		.pages = value("/dev/swap", "pages free "), .heap = value("/dev/swap", "heap "),
	};
}

/* Buffers of drivers that could not quiet their device come back later; an exit looks for them. */
static void
nothing_left(const struct left *before)
{
	struct left now = count();

	for (int i = 0; i < BUFFERS_S && now.dma != before->dma; i++) {
		run("/boot/bin/sleep", "1", NULL);
		now = count();
	}
	say("left: dma %u %u irq %u %u srv %u %u pci %u %u servers %u %u\n", before->dma, now.dma,
	    before->irq, now.irq, before->srv, now.srv, before->pci, now.pci, before->servers,
	    now.servers);
	say("left: pages %lu %lu heap %lu %lu\n", before->pages, now.pages, before->heap,
	    now.heap);
	CHECK(now.dma == before->dma && now.irq == before->irq && now.srv == before->srv);
	CHECK(now.pci == before->pci && now.servers == before->servers);
	CHECK(now.pages + PAGES_SLACK >= before->pages && now.heap <= before->heap + HEAP_SLACK);
}

static void
disks(int nports, char **port, int cycles)
{
	char device[16], what[16];

	for (int i = 0; i < nports; i++) {
		device_behind(port[i], device);
		for (int k = 0; k < cycles && i == 0; k++)
			pull_disk(device);
		snprintf(what, sizeof what, "disk%d", i + 1);
		take_disk(device, "device_del %s", what);
		wait_empty(port[i], device);
	}
}

static void
nvme(const char *port, int cycles)
{
	struct left before;
	char device[16], name[64];

	device_behind(port, device);
	for (int i = 0; i <= cycles; i++) {
		if (i == 1)
			before = count();
		monitor("device_add %s,id=hot,bus=first",
			"nvme,serial=HOT,drive=blank,share-rw=on");
		wait_server(device, name);
		if (i % 2 == 0)
			pull_disk(device);
		take_disk(device, "device_del %s", "hot");
		wait_empty(port, device);
	}
	nothing_left(&before);
}

int
main(int argc, char **argv)
{
	static const char edu[] = "edu,dma_mask=0xffffffff", ahci[] = "ich9-ahci";
	static const int kill_ms[] = { 0, 30, 150 };
	int cycles = argc > 2 ? atoi(argv[1]) : 0;
	struct left before;
	char device[16];

	CHECK(cycles > 0);
	if (argc == 3) {
		nvme(argv[2], cycles);
		return all_right("hotplug");
	}
	disks(argc - 3, argv + 3, cycles);
	for (int i = 0; i < BUFFERS_S; i++)
		run("/boot/bin/sleep", "1", NULL);
	device_behind(argv[2], device);
	cycle(argv[2], device, edu, -1);
	cycle(argv[2], device, ahci, -1);
	before = count();
	for (int i = 1; i < cycles; i++)
		cycle(argv[2], device, edu, -1);
	for (int i = 1; i < cycles; i++)
		cycle(argv[2], device, ahci, -1);
	for (unsigned i = 0; i < sizeof kill_ms / sizeof kill_ms[0]; i++)
		cycle(argv[2], device, edu, kill_ms[i]);
	nothing_left(&before);
	return all_right("hotplug");
}
