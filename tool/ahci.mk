# The AHCI driver's test has a model of the controller, which the driver itself has not.
$B/test/drv/ahci/ahci_test: $(patsubst %,$B/test/%.o,$(wildcard drv/ahci/model/*.c))
