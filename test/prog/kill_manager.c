/*
 * Kills the process of a name whose parent is init, each time that many microseconds after it was
 * there: kill_manager NAME US...
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include "slot.h"

int
main(int argc, char **argv)
{
	CHECK(argc > 2);
	for (int i = 2; i < argc; i++)
		wait_gone(kill_manager(argv[1], atol(argv[i])));
	return all_right("kill_manager");
}
