/* time: runs a program and tells how long it took. */
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "cmd.h"

static const char help[] =
	"time PROGRAM [ARGUMENT...]: runs it and prints the seconds it took, and its processor's\n";

static double
seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int
main(int argc, char **argv)
{
	struct timespec a, b;
	struct rusage u = { 0 };
	int status;
	pid_t pid;

	while (cmd_option(argc, argv, "", help) != -1)
		;
	if (optind == argc)
		cmd_usage("arguments", "no program");
	clock_gettime(CLOCK_MONOTONIC, &a);
	pid = fork();
	if (pid < 0)
		cmd_die("fork");
	if (pid == 0) {
		execvp(argv[optind], argv + optind);
		_exit(cmd_warn(argv[optind]) + 126);
	}
	while (wait4(pid, &status, 0, &u) < 0)
		if (errno != EINTR)
			cmd_die("wait");
	clock_gettime(CLOCK_MONOTONIC, &b);
	fprintf(stderr, "real %.3f cpu %.3f\n",
		(double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9,
		seconds(u.ru_utime) + seconds(u.ru_stime));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
