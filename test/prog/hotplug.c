/*
 * Devices come and go behind ports: hotplug CYCLES PORT PORT...  The monitor is asked by the debug
 * port (test/boot/monitor.py).  Into the first port, whose slot is empty, QEMU's edu and an AHCI
 * controller are plugged, CYCLES times each, and a few times more while the port's own driver is
 * killed.  The others have a controller with a disk, which is taken away while it is read: CYCLES
 * times without a word to its driver, and found again; then by the button.  Nothing is left in the
 * end.
 */
#include "hotplug.h"

#define ERROR_MS	20000		/* until a reader has its error */
#define READERS		3
#define DISK_BYTES	(8 << 20)

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

/* Each 8 bytes of the disk are their own place. */
static bool
read_right(int fd, uint64_t off, bool *right)
{
	uint64_t buf[512];

	if (pread(fd, buf, sizeof buf, (off_t)off) != (ssize_t)sizeof buf)
		return false;
	for (unsigned i = 0; i < 512 && *right; i++) {
		*right = buf[i] == off + 8 * i;
		if (!*right)
			say("wrong: %llx at %llx\n", (unsigned long long)buf[i],
			    (unsigned long long)off + 8 * i);
	}
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
		if (status != 0)
			say("reader %u: status 0x%x\n", i, status);
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

int
main(int argc, char **argv)
{
	static const char edu[] = "edu,dma_mask=0xffffffff", ahci[] = "ich9-ahci";
	static const int kill_ms[] = { 0, 30, 150 };
	int cycles = argc > 3 ? atoi(argv[1]) : 0;
	struct left before;
	char device[16];

	CHECK(cycles > 0);
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
