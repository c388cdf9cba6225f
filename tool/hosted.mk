# Drivers as processes of Linux, with sanitizers, and what stands for the machine's hardware beside
# them: make hosted; then sh tool/hosted.sh NAME.  See doc/hosted.md.

HOSTED := $(filter-out $(LUX_ONLY),$(DRVS)) qtestfs

define hosted_prog
$B/test/bin/$(1): $$(call TEST_OBJ,$$(call prog_src,$(1))) $(TEST_LIB)
	@mkdir -p $$(@D)
	@echo "TESTLD $(1)"
	$V$(CC) -pthread $(SAN) -o $$@ $$^
endef
$(foreach p,$(HOSTED),$(eval $(call hosted_prog,$(p))))

# Those with faults on demand, to see that the tests' judges notice.
define hosted_fault_prog
$B/test/fault/$(1): $$(call TEST_OBJ,$$(call prog_src,$(1)) drv/$(1)/fault.c lib/sip/fault.c) $(TEST_LIB)
	@mkdir -p $$(@D)
	@echo "TESTLD $(1), with faults"
	$V$(CC) -pthread $(SAN) -o $$@ $$^
endef
$(foreach p,$(FAULT_PROGS),$(eval $(call hosted_fault_prog,$(p))))

.PHONY: hosted
hosted: $(HOSTED:%=$B/test/bin/%) $(FAULT_PROGS:%=$B/test/fault/%) $B/host/bin/9p
test-build: hosted
