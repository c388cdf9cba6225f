# The IDE driver's test has a model of the controller, which the driver itself has not.
$B/test/drv/ide/ide_test: $(patsubst %,$B/test/%.o,$(wildcard drv/ide/model/*.c))
