# Targets that boot: run, debug, trace, iso.

DEMO_DISK := $B/demo.img

$(DEMO_DISK): tool/mkdisk.sh
	@mkdir -p $(@D)
	@echo "DISK  $@"
	$Vsh tool/mkdisk.sh $@

.PHONY: run debug trace iso
run debug trace iso: export B := $B

# At a terminal: a shell in Lux9.  Without one: a demonstration that ends by itself, and tells.
run:
	@sh tool/install.sh
	@$(MAKE) --no-print-directory all $(DEMO_DISK)
	@sh tool/run.sh

debug: all $(DEMO_DISK)
	@bash tool/debug.sh

trace: all $(DEMO_DISK)
	@sh tool/trace.sh

$B/lux9.iso: $B/kernel/lux9.elf $B/boot.tar tool/mkiso.sh
	@echo "ISO   $@"
	$Vsh tool/mkiso.sh $B/kernel/lux9.elf $B/boot.tar $@

iso: $B/lux9.iso
