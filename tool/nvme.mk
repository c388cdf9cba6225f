# The NVMe driver's tests have a model of the controller, which the driver itself has not; some of their
# commands do not come from lib/blk.
NVME_TESTS := $(patsubst %.c,$B/test/%,$(wildcard drv/nvme/*_test.c))
$(NVME_TESTS): $(patsubst %,$B/test/%.o,$(wildcard drv/nvme/model/*.c))
$(NVME_TESTS): TEST_LD := -Wl,--wrap=blk_done
