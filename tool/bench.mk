# make bench: instructions per operation, beside Linux's (doc/measured.md).  T=quick: without the
# search for the least memory; T=lux9: without Linux; T=nvme, virtioblk, virtioscsi: that disk
# alone; PROFILE=1: where they are spent.

BENCH_WORK := bench/work.c bench/calls.c bench/io.c bench/machine.c

$B/bench/count.so: bench/count.c bench/qemu_plugin.h bench/mark.h
	@mkdir -p $(@D)
	@echo "PLUGIN $@"
	$V$(CC) $(CSTD) $(WARN) -O2 -fPIC -shared -fvisibility=hidden -o $@ $<

$B/bench/work: $(BENCH_WORK) bench/work.h bench/mark.h include/lux9/sys.h include/lux9/calls.h
	@mkdir -p $(@D)
	@echo "PROG  $@"
	$V$(LUXCC) $(CSTD) $(WARN) -O2 -D_GNU_SOURCE -Iinclude -static -no-pie -pthread -o $@ \
		$(BENCH_WORK)

.PHONY: bench
bench:
	@sh tool/install.sh cpio xz-utils zstd python3
	@$(MAKE) --no-print-directory kernel lux boot $B/bench/count.so $B/bench/work
	@B=$B T="$(T)" PROFILE="$(PROFILE)" bash bench/run.sh
