/*
 * AHCI: SATA disks [AHCI 1.3.1; SATA 3.3; ACS-4].
 *
 * It serves /dev/sd (lib/blk) for the disks of its controllers.  Queued commands (NCQ) where disk
 * and controller can, up to 32 at once, else DMA EXT, one at a time; ATAPI devices through
 * lib/atapi.  Not here: port multipliers, enclosures, link power management, FIS-based switching.
 *
 *	hba.c		a controller: reset, memory, interrupts
 *	start.c		all its ports at once, when the driver starts
 *	port.c		a port's engine and link, polled commands
 *	queue.c		commands in a port's slots: the fast path
 *	recover.c	what lib/drive's keeper asks of a port
 *	text.c		ctl
 *
 * Waiting commands, the keeper, recovery, and the states of a port are lib/drive's (see
 * include/drive.h and lib/drive/port.c).
 *
 * Locks: ahci_port.seen_lock guards what an error left; it may be taken with no other.
 */
#include "ahci.h"

#include "p9_srv.h"

int
main(int argc, char **argv)
{
	static const struct sip_option options[] = {
		{ "dma32", NULL, "use no memory above 4 GiB, whatever the controller says",
		  SIP_OPT_FLAG, &ahci_dma32 },
		{ NULL, NULL, NULL, SIP_OPT_FLAG, NULL },
	};
	static const struct sip_type type = {
		.name = "ahci",
		.about = "serves the disks of AHCI controllers",
		.mount = "/dev/sd",
		.server = &drive_server_ops,
		.driver = &ahci_driver_ops,
		.p9 = &blk_p9_ops,
		.nthreads = 8,
		.options = options,
	};

	return sip_main(argc, argv, &type);
}
