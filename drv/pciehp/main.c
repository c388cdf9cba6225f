/* pciehp: watches the slot of a PCI Express port; see slot.c and port.c. */
#include "pciehp.h"

int
main(int argc, char **argv)
{
	return sip_main(argc, argv, &pciehp_type);
}
