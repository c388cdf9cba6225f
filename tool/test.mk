# make test: everything that is checked by running it.  T=name runs one.

PROG_SRC := $(wildcard test/prog/*.c)
TEST_PROGS := $(patsubst test/prog/%.c,$B/prog/%,$(PROG_SRC))

# Programs that know nothing of Lux9: ordinary static Linux binaries, put into a scenario's archive.
$B/prog/%: test/prog/%.c $(wildcard test/prog/*.h)
	@mkdir -p $(@D)
	@echo "PROG  $*"
	$V$(LUXCC) $(CSTD) $(WARN) -O2 -D_GNU_SOURCE -Iinclude -static -no-pie -pthread -o $@.new $(filter %.c,$^) && mv $@.new $@
$B/prog/locks: lib/os/lux9/lock.c

.PHONY: test test-build
test-build: all kernel-debug unit fuzzers $(TEST_PROGS) $(FAULT_PROGS:%=$B/lux9/fault/%) $B/lux9.iso

# A part that does not build is a failed test; the others still run.
test:
	@sh tool/install.sh
	@mkdir -p $B/test-logs
	@$(MAKE) --no-print-directory -k -j2 test-build > $B/test-logs/build.log 2>&1; \
	    echo $$? > $B/test-logs/build.rc
	@B=$B T="$(T)" UNITS="$(UNIT_BIN)" FUZZERS="$(FUZZ)" bash test/run.sh

# make fuzz T=name: one fuzz target until it is stopped; what it finds new stays in build/fuzz/new/.
.PHONY: fuzz
fuzz:
	$(if $(filter $(T),$(FUZZ)),,$(error T=name: one of $(FUZZ)))
	@$(MAKE) --no-print-directory $B/fuzz/bin/$(T)
	@mkdir -p $B/fuzz/new/$(T)
	$B/fuzz/bin/$(T) -timeout=10 -artifact_prefix=$B/fuzz/ $B/fuzz/new/$(T) $(wildcard fuzz/corpus/$(T)) $(FUZZ_ARGS)
