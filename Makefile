# Lux9: one makefile.  `make help` lists what it does.
#
# A folder under drv/, fs/, net/ or a file under cmd/ (with the folder of its name) is one program.  Every program is built twice
# from the same sources: for Lux9 (musl, lib/os/lux9) and for Linux (lib/os/linux).  A file
# NAME_test.c beside the code is a unit test (cmocka, sanitizers on); fuzz/NAME.c is a fuzz target.

B	:= build
CC	:= gcc
CLANG	:= clang
LUXCC	:= musl-gcc
V	:= @

WARN	:= -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wvla \
	   -Wno-sign-conversion -Werror
CSTD	:= -std=gnu2x -g
DEPS	= -MMD -MP

LIB_SRC	:= $(filter-out %_test.c lib/sip/fault.c,$(wildcard lib/9p/*.c lib/sip/*.c lib/blk/*.c lib/drive/*.c lib/ata/*.c lib/atapi/*.c lib/nvme/*.c lib/pci/*.c lib/virtio/*.c lib/scsi/*.c))
OS_LUX	:= $(wildcard lib/os/lux9/*.c lib/os/lux9/*.S)
OS_HOST	:= $(filter-out %_test.c,$(wildcard lib/os/linux/*.c))
PERS_SRC := $(wildcard lib/linux/*.c lib/linux/*.S)
KERN_SRC := $(filter-out %_test.c,$(wildcard kernel/*.c kernel/dev/*.c kernel/amd64/*.c)) $(wildcard kernel/amd64/*.S)
TESTS	:= $(wildcard lib/*/*_test.c lib/*/*/*_test.c drv/*/*_test.c fs/*/*_test.c net/*/*_test.c cmd/*_test.c kernel/*_test.c)
FUZZ	:= $(basename $(notdir $(wildcard fuzz/*.c)))

# Program name: its folder's, and for a file system the folder's with fs.
DRV_DIRS := $(wildcard drv/*/main.c)
FS_DIRS	:= $(wildcard fs/*/main.c)
NET_DIRS := $(wildcard net/*/main.c)
CMDS	:= $(basename $(notdir $(filter-out %_test.c,$(wildcard cmd/*.c))))
DRVS	:= $(patsubst drv/%/main.c,%,$(DRV_DIRS))
FSS	:= $(patsubst fs/%/main.c,%fs,$(FS_DIRS))
NETS	:= $(patsubst net/%/main.c,%,$(NET_DIRS))
# What is run appears whole (.new, then mv): tests may be taking it (test/boot/lib.sh).
# Programs of one world only: those that are nothing without Lux9's calls, or without QEMU beside them.
LUX_ONLY := $(shell cat cmd/lux9-only 2>/dev/null)
LINUX_ONLY := $(shell cat cmd/linux-only 2>/dev/null)
ALL_PROGS := $(DRVS) $(FSS) $(NETS) $(CMDS)
PROGS	:= $(filter-out $(LINUX_ONLY),$(ALL_PROGS))
HOST_PROGS := $(filter-out $(LUX_ONLY),$(ALL_PROGS))

prog_dir = $(if $(filter $(1),$(DRVS)),drv/$(1),$(if $(filter $(1),$(FSS)),fs/$(1:%fs=%),$(if $(filter $(1),$(NETS)),net/$(1))))
prog_src = $(if $(filter $(1),$(CMDS)),cmd/$(1).c $(filter-out %_test.c,$(wildcard cmd/$(1)/*.c)),$(filter-out %_test.c drv/%/fault.c,$(wildcard $(call prog_dir,$(1))/*.c)))

.PHONY: all help kernel kernel-debug lux host clean
all: kernel lux host boot

help:
	@sed -n 's/^#: //p' Makefile

#: make            build the kernel, the programs for Lux9 and for Linux, and the boot archive
#: make run        install what is missing, build, boot in QEMU with disks
#: make test       all tests; T=name runs one;  make lint, make fmt: the code's form
#: make bench      figures beside Linux;  make fuzz T=name: one fuzz target, unbounded
#: make campaign   servers are killed under load, by all causes: N=10000 VARIANT=disk CAUSE=mixed
#: make debug      boots stopped, with gdb attached;  make iso: a GRUB image, BIOS and UEFI
#: make hosted     drivers for Linux, with sanitizers: then sh tool/hosted.sh NAME (doc/hosted.md)
#: make clean      removes build/

# --- programs and libraries for Lux9 ---------------------------------------------------------
LUXFLAGS := $(CSTD) $(WARN) -O2 -Iinclude -fno-stack-protector -fno-pie -fno-asynchronous-unwind-tables -D_GNU_SOURCE
LUX_LIB	:= $B/lux9/liblux9.a
LUX_OBJ	= $(patsubst %,$B/lux9/%.o,$(1))

$B/lux9/%.c.o: %.c
	@mkdir -p $(@D)
	@echo "LUXCC $<"
	$V$(LUXCC) $(LUXFLAGS) $(DEPS) -c $< -o $@
$B/lux9/%.S.o: %.S
	@mkdir -p $(@D)
	$V$(LUXCC) $(LUXFLAGS) $(DEPS) -c $< -o $@
$(LUX_LIB): $(call LUX_OBJ,$(LIB_SRC) $(OS_LUX))
	@mkdir -p $(@D)
	$Vrm -f $@ && ar rcs $@ $^
define lux_prog
$B/lux9/bin/$(1): $$(call LUX_OBJ,$$(call prog_src,$(1))) $(LUX_LIB)
	@mkdir -p $$(@D)
	@echo "LUXLD $(1)"
	$V$(LUXCC) -static -no-pie -Wl,-z,noseparate-code,-z,max-page-size=4096 -o $$@.new $$^ && mv $$@.new $$@
endef
$(foreach p,$(PROGS),$(eval $(call lux_prog,$(p))))
lux: $(PROGS:%=$B/lux9/bin/%) $B/lux9/personality

# Drivers with faults on demand, for tests: their fault.c, and lib/sip/fault.c in place of nofault.c.
FAULT_PROGS := $(patsubst drv/%/fault.c,%,$(wildcard drv/*/fault.c))
define fault_prog
$B/lux9/fault/$(1): $$(call LUX_OBJ,$$(call prog_src,$(1)) drv/$(1)/fault.c lib/sip/fault.c) $(LUX_LIB)
	@mkdir -p $$(@D)
	@echo "LUXLD $(1), with faults"
	$V$(LUXCC) -static -no-pie -Wl,-z,noseparate-code,-z,max-page-size=4096 -o $$@.new $$^ && mv $$@.new $$@
endef
$(foreach p,$(FAULT_PROGS),$(eval $(call fault_prog,$(p))))

# The personality: freestanding, at a fixed address, mapped by exec beside every program.
PERS_BASE := 0x7f0000000000
PERSFLAGS := $(CSTD) $(WARN) -O2 -Iinclude -ffreestanding -fno-stack-protector -fpie -mgeneral-regs-only \
	     -mno-red-zone -fno-asynchronous-unwind-tables -fno-builtin-memset -fno-builtin-memcpy
$B/pers/%.o: %
	@mkdir -p $(@D)
	@echo "PERS  $<"
	$V$(CC) $(PERSFLAGS) $(DEPS) -c $< -o $@
$B/lux9/personality: $(patsubst %,$B/pers/%.o,$(PERS_SRC))
	@mkdir -p $(@D)
	$V$(CC) -static -nostdlib -no-pie -Wl,-z,max-page-size=4096 -Wl,-Ttext-segment=$(PERS_BASE) -Wl,-e,pers_start -Wl,--build-id=none -o $@.new $^ && mv $@.new $@

# --- the same programs for Linux -------------------------------------------------------------
HOSTFLAGS := $(CSTD) $(WARN) -O2 -Iinclude -pthread -D_GNU_SOURCE
HOST_LIB := $B/host/liblux9.a
HOST_OBJ = $(patsubst %,$B/host/%.o,$(1))
$B/host/%.c.o: %.c
	@mkdir -p $(@D)
	@echo "CC    $<"
	$V$(CC) $(HOSTFLAGS) $(DEPS) -c $< -o $@
$(HOST_LIB): $(call HOST_OBJ,$(LIB_SRC) $(OS_HOST))
	@mkdir -p $(@D)
	$Vrm -f $@ && ar rcs $@ $^
define host_prog
$B/host/bin/$(1): $$(call HOST_OBJ,$$(call prog_src,$(1))) $(HOST_LIB)
	@mkdir -p $$(@D)
	@echo "LD    $(1)"
	$V$(CC) -pthread -o $$@ $$^
endef
$(foreach p,$(HOST_PROGS),$(eval $(call host_prog,$(p))))
host: $(HOST_PROGS:%=$B/host/bin/%)

# --- unit tests: all of a program's files but main.c, sanitizers on -----------------------------
SAN	:= -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
TEST_OBJ = $(patsubst %,$B/test/%.o,$(1))
TEST_LIB := $B/test/liblux9.a
$B/test/%.c.o: %.c
	@mkdir -p $(@D)
	@echo "TESTCC $<"
	$V$(CC) $(HOSTFLAGS) -O1 $(SAN) $(DEPS) -c $< -o $@
# What tests have in common: models of devices (doc/sip.md), and what they do.  No program has it.
TESTING := $(filter-out %_test.c,$(wildcard lib/*/model/*.c lib/*/testing/*.c))
$(TEST_LIB): $(call TEST_OBJ,$(LIB_SRC) $(OS_HOST) $(TESTING))
	@mkdir -p $(@D)
	$Vrm -f $@ && ar rcs $@ $^
test_extra = $(if $(filter drv/% fs/% net/%,$(1)),$(filter-out %_test.c %/main.c,$(wildcard $(dir $(1))*.c)))
# The kernel's portable parts, over kernel/testing/.
KTEST_SRC := $(patsubst %,kernel/%.c,chan uio path text devtab ns walk name fd poll sysfile sysdir sysname elf dev/root dev/boot \
	     dev/env dev/pipe dev/srv dev/cons)
$B/test/kernel/%.o: HOSTFLAGS += -iquote kernel
$B/test/libkernel.a: $(call TEST_OBJ,$(KTEST_SRC))
	$Vrm -f $@ && ar rcs $@ $^
define unit_test
$B/test/$(1:.c=): $$(call TEST_OBJ,$(1) $$(call test_extra,$(1))) $(TEST_LIB) $(if $(filter kernel/%,$(1)),$B/test/libkernel.a)
	@mkdir -p $$(@D)
	$V$(CC) -pthread $(SAN) $$(TEST_LD) -o $$@ $$(filter-out %.a,$$^) $$(filter %.a,$$^) -lcmocka
endef
$(foreach t,$(TESTS),$(eval $(call unit_test,$(t))))
UNIT_BIN := $(patsubst %.c,$B/test/%,$(TESTS))
.PHONY: unit
unit: $(UNIT_BIN)

# --- fuzz targets: clang, libFuzzer; a target may use any library and any file system's code -----
FUZZFLAGS := $(CSTD) -O1 -Iinclude -I. -D_GNU_SOURCE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
FUZZ_OBJ = $(patsubst %,$B/fuzz/%.o,$(1))
FUZZ_CODE := $(LIB_SRC) $(OS_HOST) $(TESTING) $(filter-out %_test.c %/main.c,$(wildcard fs/*/*.c drv/*/*.c)) $(wildcard kernel/elf.c)
$B/fuzz/%.c.o: %.c
	@mkdir -p $(@D)
	@echo "FUZZCC $<"
	$V$(CLANG) $(FUZZFLAGS) $(DEPS) -c $< -o $@
$B/fuzz/libfuzzed.a: $(call FUZZ_OBJ,$(FUZZ_CODE))
	@mkdir -p $(@D)
	$Vrm -f $@ && ar rcs $@ $^
define fuzz_target
$B/fuzz/bin/$(1): $$(call FUZZ_OBJ,fuzz/$(1).c) $B/fuzz/libfuzzed.a
	@mkdir -p $$(@D)
	$V$(CLANG) -pthread -fsanitize=fuzzer,address,undefined $$(FUZZ_LD) -o $$@ $$(filter-out %.a,$$^) $$(filter %.a,$$^)
endef
$(foreach f,$(FUZZ),$(eval $(call fuzz_target,$(f))))
.PHONY: fuzzers
fuzzers: $(FUZZ:%=$B/fuzz/bin/%)

# --- kernel: twice, the second time with UBSan and lock checks ------------------------------------
KFLAGS	:= $(CSTD) $(WARN) -O2 -Iinclude -Ikernel -ffreestanding -fno-stack-protector -fno-pie -mcmodel=kernel \
	   -mgeneral-regs-only -mno-red-zone -fno-asynchronous-unwind-tables -fno-omit-frame-pointer
KDEBUG	:= -DLOCK_DEBUG -fsanitize=undefined -fno-sanitize=alignment
# Optimized as a whole; what the compiler itself calls (memcpy...) must stay apart.
KLTO	:= -flto=2
KNOLTO	:= kernel/string.c
KLD	= -static -nostdlib -no-pie -Wl,-T,kernel/amd64/kernel.ld -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments

# Linked twice: the second link carries the table of symbols of the first.
define kernel_variant
$B/$(1)/%.o: %
	@mkdir -p $$(@D)
	@echo "KCC   $$<"
	$V$(CC) $(KFLAGS) $(2) $$(if $$(filter $(KNOLTO),$$<),-fno-lto) $(DEPS) -c $$< -o $$@
$B/$(1)/kernel.o: $(patsubst %,$B/$(1)/%.o,$(KERN_SRC) $(3))
	@echo "KLTO  $$@"
	$V$(CC) $(KFLAGS) -Wno-maybe-uninitialized $(2) -r -nostdlib -flinker-output=nolto-rel -o $$@ $$^
$B/$(1)/lux9.elf: $B/$(1)/kernel.o kernel/amd64/kernel.ld tool/symtab.sh
	@mkdir -p $$(@D)
	$Vsh tool/symtab.sh /dev/null > $B/$(1)/symtab0.S && $(CC) -c $B/$(1)/symtab0.S -o $B/$(1)/symtab0.o
	$V$(CC) $(KLD) -o $B/$(1)/pass1.elf $B/$(1)/kernel.o $B/$(1)/symtab0.o
	$Vsh tool/symtab.sh $B/$(1)/pass1.elf > $B/$(1)/symtab.S && $(CC) -c $B/$(1)/symtab.S -o $B/$(1)/symtab.o
	@echo "KLD   $$@"
	$V$(CC) $(KLD) -o $$@.new $B/$(1)/kernel.o $B/$(1)/symtab.o && mv $$@.new $$@
endef
$(eval $(call kernel_variant,kernel,$(KLTO)))
$(eval $(call kernel_variant,kernel-debug,$(KDEBUG),$(wildcard kernel/debug/*.c)))
kernel: $B/kernel/lux9.elf
kernel-debug: $B/kernel-debug/lux9.elf

# --- the boot archive: ustar ----------------------------------------------------------------------
BOOT_FILES := $(wildcard boot/*.conf boot/sip/*) $(PROGS:%=$B/lux9/bin/%) $B/lux9/personality
$B/boot.tar: $(BOOT_FILES) tool/mkboot.sh
	@echo "BOOT  $@"
	$Vsh tool/mkboot.sh $B $@
.PHONY: boot
boot: $B/boot.tar

clean:
	rm -rf $B

include $(wildcard tool/*.mk)
-include $(shell find $B -name '*.d' 2>/dev/null)
