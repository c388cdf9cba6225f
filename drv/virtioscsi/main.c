/*
 * Virtio SCSI hosts: many disks behind one device [VIRTIO 1.2, 5.6; SPC-4; SBC-3].
 *
 * It serves /dev/sd (lib/blk) as sdS*.  Commands, recovery, disks that come and go: lib/drive.
 * Queues, vectors, resets: lib/virtio.  Optical drives: lib/atapi.  Not here: other devices (each
 * is told of in the log), protection data, bidirectional commands, channels.
 *
 *	host.c		the device: configuration, its control and event queues, resets
 *	units.c		who is there: REPORT LUNS, INQUIRY and the rest, hot plug
 *	command.c	commands and what they answer: the fast path, and the driver's own
 *	packet.c	commands of clients' own (the packet file)
 *	task.c		a command that is over its time: ABORT TASK, LOGICAL UNIT RESET
 *	text.c		names, ctl
 *
 * Locks: news_lock is taken by itself, in the thread of the configuration's interrupt and in the
 * keeper's.  The control queue is the keeper's alone.
 */
#include "p9_srv.h"
#include "virtioscsi.h"

int
main(int argc, char **argv)
{
	static const struct sip_type type = {
		.name = "virtioscsi",
		.about = "serves the disks of virtio SCSI hosts",
		.mount = "/dev/sd",
		.server = &drive_server_ops,
		.driver = &vscsi_driver_ops,
		.p9 = &blk_p9_ops,
		.nthreads = 8,
	};

	return sip_main(argc, argv, &type);
}
