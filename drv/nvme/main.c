/*
 * NVMe: disks behind PCI Express [NVM Express 1.4].
 *
 * It serves /dev/sd (lib/blk, lib/drive) for the name spaces of its controllers.  A pair of queues
 * for each processor, with its own interrupt, where the controller gives so many; PRPs; a page of
 * the size that is the controller's least.  Not here: metadata and protection, SGLs, streams,
 * reservations, power states, controller memory buffers, zones.
 *
 *	ctlr.c		a controller: registers, interrupts, attach, detach
 *	admin.c		the admin queue, asynchronous events
 *	queue.c		commands in flight: the fast path
 *	recover.c	what the keeper does: probe, abort, reset, events
 *	namespace.c	name spaces as disks
 *	text.c		ctl and stats
 *
 * The controller is lib/drive's port, its name spaces are the port's disks, its I/O queues the
 * port's queues.  The admin queue is none of them: its commands are one at a time, each waits for
 * its end by itself, and only requests for events stay there.
 *
 * A command that fails fails alone; the status says whether it may be tried again.  One that is
 * over its time is aborted; where that does not end it, or the controller has stopped (CSTS.CFS),
 * the controller is reset and everything is sent again.
 *
 * Locks: lib/drive's (see drive.h); nvme_ctlr.turn, then admin_lock, with neither of lib/drive's
 * held.  lib/drive's port and keeper locks may be taken with admin_lock held.
 */
#include "ctlr.h"

#include "p9_srv.h"

int
main(int argc, char **argv)
{
	static const struct sip_type type = {
		.name = "nvme",
		.about = "serves the disks of NVMe controllers",
		.mount = "/dev/sd",
		.server = &drive_server_ops,
		.driver = &nvme_driver_ops,
		.p9 = &blk_p9_ops,
		.nthreads = 8,
	};

	return sip_main(argc, argv, &type);
}
