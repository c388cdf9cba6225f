# The test of virtio SCSI has a model of the host, which the driver itself has not.
$B/test/drv/virtioscsi/virtioscsi_test: $B/test/drv/virtioscsi/model/host.c.o
