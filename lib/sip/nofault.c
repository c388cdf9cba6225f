/* Nothing is done wrong on demand: what every build but that for tests has; see fault.c. */
#include "sip.h"

#include <errno.h>

int
sip_fault_command(struct sip_server *, const char *)
{
	return -ENOENT;
}

bool
sip_fault(struct sip_server *, void *, void *)
{
	return false;
}
