/* Nothing is done wrong on demand: what every build but that for tests has; see fault.c. */
#include "sip.h"

#include <errno.h>

int
sip_fault_command(struct sip_server *, const char *)
{
	return -ENOENT;
}

int
sip_irq_wait(struct sip_dev *d, int fd, uint64_t *count, uint64_t *ns)
{
	return d->bus->irq_wait(d, fd, count, ns);
}

bool
sip_fault(struct sip_server *, void *, void *)
{
	return false;
}
