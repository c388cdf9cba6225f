/*
 * init: the first process.  Opens the console, sets the clock, runs the commands in
 * /boot/init.conf (or in the file that init.conf=PATH on the kernel's command line names) with the
 * shell, and gives a shell on the console whenever there is none.  Every process whose parent has
 * ended becomes its child; it collects them.  A sipd that was killed it starts again.
 *
 * With init.end=exit on the command line there is no shell after the commands: the machine ends,
 * with their status as QEMU's (shutdown -s).  That is how demonstrations and tests run.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "cmd.h"
#include "init/init.h"
#include "init/keep.h"

#define CMDLINE_MAX	1024
#define SHELL		"/boot/bin/sh"
#define FAST_ENDS_MAX	5	/* a shell that ends at once, so often, is not started at once */

static char cmdline[CMDLINE_MAX];

/* The value of NAME=VALUE on the kernel's command line, or `otherwise`. */
static void
option(const char *name, const char *otherwise, char *out, size_t size)
{
	size_t n = strlen(name);

	snprintf(out, size, "%s", otherwise);
	for (const char *p = cmdline; *p; p += strcspn(p, " \n")) {
		p += strspn(p, " \n");
		if (strncmp(p, name, n) == 0 && p[n] == '=') {
			p += n + 1;
			snprintf(out, size, "%.*s", (int)strcspn(p, " \n"), p);
		}
	}
}

static void
open_console(void)
{
	int fd = open("/dev/cons", O_RDWR);

	if (fd < 0)
		_exit(1);
	for (int i = 0; i < 3; i++)
		if (fd != i)
			dup2(fd, i);
	if (fd > 2)
		close(fd);
}

static void
read_cmdline(void)
{
	int fd = open("/dev/cmdline", O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, cmdline, sizeof(cmdline) - 1);
	cmdline[n > 0 ? n : 0] = 0;
	close(fd);
}

static pid_t
start(char *const argv[])
{
	pid_t pid = fork();

	if (pid < 0) {
		cmd_warn(argv[0]);
	} else if (pid == 0) {
		setsid();
		execv(argv[0], argv);
		_exit(cmd_warn(argv[0]) + 126);
	}
	return pid;
}

/* Collects children until this one ends: its status as a shell has it. */
static int
wait_for(pid_t pid)
{
	int status;
	pid_t ended;

	for (;;) {
		ended = waitpid(-1, &status, 0);
		if (ended < 0 && errno != EINTR)
			return 127;
		if (ended > 0)
			keep_ended(ended, status);
		if (ended == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

static int
run_commands(char *file)
{
	char *argv[] = { SHELL, "-v", file, NULL };
	pid_t pid = start(argv);
	int status = pid < 0 ? 127 : wait_for(pid);

	if (status)
		printf("init: %s: ended with %d\n", file, status);
	fflush(stdout);
	return status;
}

static void __attribute__((noreturn))
end_machine(int status)
{
	char number[8], *end[] = { "/boot/bin/shutdown", "-s", number, NULL };
	pid_t pid;

	snprintf(number, sizeof(number), "%d", status);
	pid = start(end);
	if (pid > 0)
		wait_for(pid);
	for (;;)
		pause();
}

static void __attribute__((noreturn))
keep_shell(void)
{
	char *argv[] = { SHELL, "-i", NULL };
	int fast = 0;
	time_t begun;
	pid_t pid;

	for (;;) {
		begun = time(NULL);
		pid = start(argv);
		if (pid > 0)
			wait_for(pid);
		fast = time(NULL) - begun < 2 ? fast + 1 : 0;
		if (fast > FAST_ENDS_MAX)
			sleep(2);
	}
}

int
main(int argc, char **argv)
{
	char file[256], end[16];
	int status;

	(void)argc;
	cmd_start(argv);
	open_console();
	read_cmdline();
	rtc_set_clock();
	setenv("PATH", "/bin:/boot/bin", 1);
	setenv("HOME", "/", 1);
	setenv("TERM", "vt100", 1);
	signal(SIGINT, SIG_IGN);
	keep_begin();
	option("init.conf", "/boot/init.conf", file, sizeof(file));
	option("init.end", "shell", end, sizeof(end));
	status = run_commands(file);
	if (strcmp(end, "exit") == 0)
		end_machine(status);
	keep_shell();
}
