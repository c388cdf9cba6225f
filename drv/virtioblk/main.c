/*
 * Virtio block devices: the disks of virtual machines [VIRTIO 1.2, 5.2].
 *
 * It serves /dev/sd (lib/blk) as sdV*, the number being the device's.
 * Commands, recovery, hot plug: lib/drive.  Queues, vectors, resets: lib/virtio.  Here is what a
 * request looks like and what the configuration means.  Not here: legacy devices, zoned ones,
 * secure erase, lifetime.
 *
 * A device has no way to abort one request, so what is over its time ends with a reset of all.
 */
#include "p9_srv.h"
#include "virtioblk.h"

int
main(int argc, char **argv)
{
	static const struct sip_type type = {
		.name = "virtioblk",
		.about = "serves the disks of virtio block devices",
		.mount = "/dev/sd",
		.server = &drive_server_ops,
		.driver = &vblk_driver_ops,
		.p9 = &blk_p9_ops,
		.nthreads = 8,
	};

	return sip_main(argc, argv, &type);
}
