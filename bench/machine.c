/*
 * What the first process does: on Linux, what an initramfs must do before there is a disk; on both,
 * to say a line and to end the machine.
 */
#include "work.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#define DISK_WAIT_MAX	300	/* tenths of a second */

/* The mark is where the console has taken the line. */
void
machine_first_line(void)
{
	static const char line[] = "first line\n";
	int fd = open("/dev/cons", O_WRONLY);

	if (write(fd < 0 ? STDOUT_FILENO : fd, line, sizeof(line) - 1) < 0)
		machine_end();
	MARK(MARK_USER);
	if (fd >= 0)
		close(fd);
}

static void
load_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	bench_check(fd >= 0, path);
	bench_check(syscall(SYS_finit_module, fd, "", 0) == 0, path);
	close(fd);
}

static void
wait_for(const char *path)
{
	struct stat st;

	for (unsigned i = 0; i < DISK_WAIT_MAX; i++) {
		if (stat(path, &st) == 0)
			return;
		usleep(100000);
	}
	bench_fail(path);
}

/*
 * /modules: their paths, one a line, in the order in which they need each other.  Which disk is
 * sda is decided by who is found first: the one with a file system is /root, the other is /raw.
 */
void
machine_linux(void)
{
	char line[256];
	FILE *f = fopen("/modules", "r");

	bench_check(f != NULL, "/modules");
	mkdir("/dev", 0755);
	mkdir("/root", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, "");
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		load_module(line);
	}
	fclose(f);
	wait_for("/dev/sda");
	wait_for("/dev/sdb");
	if (mount("/dev/sdb", "/root", "ext4", MS_RDONLY, "") == 0)
		bench_check(symlink("/dev/sda", "/raw") == 0, "/raw");
	else if (mount("/dev/sda", "/root", "ext4", MS_RDONLY, "") == 0)
		bench_check(symlink("/dev/sdb", "/raw") == 0, "/raw");
	else
		bench_fail("/root");
}

/* On Lux9 by the kernel's file, on Linux by a reset, which ends QEMU too. */
void
machine_end(void)
{
	int fd = open("/dev/sysctl", O_WRONLY);

	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	if (fd >= 0) {
		dprintf(fd, "exit 0");
		close(fd);
	}
	sync();
	reboot(RB_AUTOBOOT);
	_exit(0);
}
