# Tests of what drives virtio devices have a model of one.
VIRTIO_MODEL := $(patsubst %,$B/test/%.o,$(wildcard lib/virtio/model/*.c))
$B/test/lib/virtio/virtio_test: $(VIRTIO_MODEL)
$B/test/drv/virtioblk/virtioblk_test: $(VIRTIO_MODEL)
$B/test/drv/virtioscsi/virtioscsi_test: $(VIRTIO_MODEL) $B/test/drv/virtioscsi/model/host.c.o
