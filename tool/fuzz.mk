# Fuzz targets that run a driver: fuzz/device/ is its device, its time, and the threads beside it.
FUZZ_DRIVES := $(patsubst %,$B/fuzz/bin/%,$(filter drive_%,$(FUZZ)))
FUZZ_WRAPS := os_time_ns os_sleep_ns sip_log sip_error sip_fail sip_irq_start sip_irq_stop \
	      sip_dev_interrupts sip_dev_quiet drive_ctlr_start drive_disk_show blk_done pthread_cond_wait \
	      pthread_cond_timedwait
$(FUZZ_DRIVES): $B/fuzz/fuzz/device/device.c.o
$B/fuzz/bin/drive_virtioblk $B/fuzz/bin/drive_virtioscsi: $B/fuzz/fuzz/device/virtio_device.c.o
$(FUZZ_DRIVES): FUZZ_LD := $(FUZZ_WRAPS:%=-Wl,--wrap=%)
