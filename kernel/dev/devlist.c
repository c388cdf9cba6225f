/*
 * The kernel's devices by name: for names that begin '#', and for stat's device numbers.
 */
#include "name.h"

static const struct dev *const devices[] = {
	&dev_root, &dev_boot, &dev_cons, &dev_env, &dev_pipe, &dev_proc, &dev_srv, &dev_mem,
	&dev_io, &dev_irq, &dev_dma, &dev_pci, &dev_sip,
};

const struct dev *
dev_at(unsigned i)
{
	return i < ARRAY_LEN(devices) ? devices[i] : NULL;
}

const struct dev *
dev_find(const char *name, size_t n)
{
	for (unsigned i = 0; i < ARRAY_LEN(devices); i++)
		if (strncmp(devices[i]->name, name, n) == 0 && devices[i]->name[n] == '\0')
			return devices[i];
	return NULL;
}

unsigned
dev_number(const struct dev *d)
{
	for (unsigned i = 0; i < ARRAY_LEN(devices); i++)
		if (devices[i] == d)
			return i + 1;
	return 0;
}
