/*
 * shutdown: ends the machine, through /dev/sysctl.  What is written but not on its medium is
 * brought there first; a server that does not answer does not hold it up for ever.
 */
#include <fcntl.h>
#include <signal.h>

#include "cmd.h"

static const char help[] =
	"shutdown [-r] [-s STATUS] [-n]: brings files to their medium, then switches off\n"
	"  -r  starts again instead    -n  at once, without that\n"
	"  -s  under QEMU: ends it with this status\n";

#define SYNC_SECONDS	20

static void
too_late(int sig)
{
	(void)sig;
}

static void
bring_files_home(void)
{
	struct sigaction sa = { .sa_handler = too_late };

	sigaction(SIGALRM, &sa, NULL);
	alarm(SYNC_SECONDS);
	sync();
	alarm(0);
}

int
main(int argc, char **argv)
{
	char command[32] = "poweroff";
	bool now = false;
	int c, fd;

	while ((c = cmd_option(argc, argv, "rns:", help)) != -1) {
		if (c == 'r')
			snprintf(command, sizeof(command), "reboot");
		else if (c == 'n')
			now = true;
		else
			snprintf(command, sizeof(command), "exit %u",
				(unsigned)cmd_number(optarg) & 255);
	}
	if (optind < argc)
		cmd_usage(argv[optind], "not understood");
	if (!now)
		bring_files_home();
	fd = open("/dev/sysctl", O_WRONLY);
	if (fd < 0 || write(fd, command, strlen(command)) < 0)
		cmd_die("/dev/sysctl");
	return 0;
}
