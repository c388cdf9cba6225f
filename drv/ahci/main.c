/*
 * AHCI: SATA disks [AHCI 1.3.1; SATA 3.3; ACS-4].
 *
 * It serves /dev/sd (lib/blk) for the disks of its controllers.  Queued commands (NCQ) where disk
 * and controller can, up to 32 at once, else DMA EXT, one at a time.  Not here: ATAPI, port
 * multipliers, enclosures, link power management, FIS-based switching.
 *
 *	hba.c		a controller: reset, memory, interrupts, the keeper thread
 *	start.c		all its ports at once, when the driver starts
 *	port.c		a port's engine and link, polled commands
 *	queue.c		commands in flight: the fast path
 *	recover.c	what the keeper does: bring up, error recovery, hot plug, lost interrupts
 *	text.c		ctl and stats
 *
 * The states of a port:
 *
 *	state	event				what is done			next
 *	EMPTY	the driver's start		see start.c			READY, or EMPTY
 *	EMPTY	link is up (PRCS, PCS)		reset, IDENTIFY, add disk	READY, or EMPTY
 *	READY	request				into a slot, or the queue	READY
 *	READY	SACT (or CI) bit gone		blk_done, next of the queue	READY
 *	READY	error bits in PxIS, deadline	interrupts off, wake keeper	BROKEN
 *	READY	link lost			commands end with ENODEV	EMPTY
 *	BROKEN	request				into the queue			BROKEN
 *	BROKEN	keeper				COMRESET, IDENTIFY, all again	READY
 *	BROKEN	another disk, or no link	commands end with ENODEV	EMPTY
 *	BROKEN	reset fails AHCI_RESETS times	commands end with ENODEV	EMPTY
 *
 * When several commands were in flight at an error, none is known to be the cause: they are sent
 * again one at a time (`serial`), and the one that fails alone is the bad one.  That one is
 * tried AHCI_TRIES times.  Whoever waits gets an answer within AHCI_TRIES deadlines.
 *
 * Locks: ahci_port.lock is held for a few register accesses and never while lib/blk is called;
 * ahci_hba.keeper_lock is never held with it.  Recovery belongs to the keeper's thread alone; the
 * partition table of a new disk is read in a thread of its own, as it may need the keeper.
 * Buffers are made by more_buffers, of which lib/blk runs one at a time.
 */
#include "ahci.h"

#include "p9_srv.h"

int
main(int argc, char **argv)
{
	static const struct sip_server_ops server_ops = {
		.initialize = ahci_initialize,
		.start = ahci_start,
		.stop = ahci_stop,
	};
	static const struct sip_type type = {
		.name = "ahci",
		.about = "serves the disks of AHCI controllers",
		.mount = "/dev/sd",
		.server = &server_ops,
		.driver = &ahci_driver_ops,
		.p9 = &blk_p9_ops,
		.nthreads = 8,
	};

	return sip_main(argc, argv, &type);
}
