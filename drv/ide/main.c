/*
 * IDE: parallel ATA disks and optical drives [PCI IDE 1.0; BM IDE 1.0; ATA8-APT; ACS-4].
 *
 * It serves /dev/sd (lib/blk) for the drives of its controllers, such as Intel's PIIX and ICH:
 * both channels, in compatibility and native mode, master and slave; bus-master DMA, and
 * programmed I/O where there is none or it fails; packet devices through lib/atapi.  Not here:
 * transfer modes, which are as the firmware set them.
 *
 *	ctlr.c		a controller: ports, lines
 *	channel.c	a channel's registers and reset; who is there
 *	queue.c		the command that runs
 *	recover.c	what lib/drive's keeper asks of a channel
 *	text.c		ctl
 *
 * A channel is a port of lib/drive with a queue of depth 1, which its two drives share.  There is
 * no lock but lib/drive's: see include/drive.h.
 */
#include "ide.h"

#include "p9_srv.h"

int
main(int argc, char **argv)
{
	static const struct sip_type type = {
		.name = "ide",
		.about = "serves the disks of IDE controllers",
		.mount = "/dev/sd",
		.server = &drive_server_ops,
		.driver = &ide_driver_ops,
		.p9 = &blk_p9_ops,
		.nthreads = 8,
	};

	return sip_main(argc, argv, &type);
}
