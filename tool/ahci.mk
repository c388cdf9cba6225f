# The AHCI driver's tests have a model of the controller, which the driver itself has not; some of their
# commands do not come from lib/blk.
AHCI_TESTS := $(patsubst %.c,$B/test/%,$(wildcard drv/ahci/*_test.c))
$(AHCI_TESTS): $(patsubst %,$B/test/%.o,$(wildcard drv/ahci/model/*.c))
$(AHCI_TESTS): TEST_LD := -Wl,--wrap=blk_done
