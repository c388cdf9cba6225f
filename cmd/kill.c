/* kill: sends a signal to processes. */
#include <signal.h>
#include <strings.h>

#include "cmd.h"

static const char help[] =
	"kill [-SIGNAL] PID...: sends a signal (TERM)\n"
	"  SIGNAL: HUP INT QUIT KILL TERM STOP CONT USR1 USR2, or a number\n";

static const struct {
	const char *name;
	int number;
} signals[] = {
	{ "HUP", SIGHUP },   { "INT", SIGINT },   { "QUIT", SIGQUIT }, { "KILL", SIGKILL },
	{ "TERM", SIGTERM }, { "STOP", SIGSTOP }, { "CONT", SIGCONT }, { "USR1", SIGUSR1 },
	{ "USR2", SIGUSR2 },
};

static int
signal_number(const char *name)
{
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (strcasecmp(name, signals[i].name) == 0)
			return signals[i].number;
	if (*name < '0' || *name > '9' || cmd_number(name) > 64)
		cmd_usage(name, "no such signal");
	return (int)cmd_number(name);
}

int
main(int argc, char **argv)
{
	int sig = SIGTERM, i = 1, rc = 0;
	uint64_t pid;

	cmd_start(argv);
	if (argc > 1 && strcmp(argv[1], "-h") == 0) {
		fputs(help, stdout);
		return 0;
	}
	if (argc > 1 && argv[1][0] == '-')
		sig = signal_number(argv[i++] + 1);
	if (i >= argc)
		cmd_usage("arguments", "no process");
	for (; i < argc; i++) {
		pid = cmd_number(argv[i]);
		if (pid == 0 || pid > INT32_MAX)
			cmd_usage(argv[i], "not a process id");
		if (kill((pid_t)pid, sig) < 0)
			rc = cmd_warn(argv[i]);
	}
	return rc;
}
