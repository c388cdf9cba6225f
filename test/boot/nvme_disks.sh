# Two NVMe controllers with several name spaces on two processors: every byte in its place, flush,
# discard and zeros where they belong, PRPs and SGLs, no word of QEMU's lint.  A name space with metadata is refused by name.
. test/boot/lib.sh

for d in a b c d; do truncate -s 32M "$dir/$d"; done
head -c 400000 /dev/urandom > "$dir/extra/blob"
head -c 16M /dev/urandom > "$dir/c"
truncate -s 32M "$dir/c"
with_prog monitor
{
cat <<'END'
nvme &
driver=$!
await -t 30 /dev/sd/sdN0/part/0
await -t 30 /dev/sd/sdN1/part/0
await -t 30 /dev/sd/sdN34/part/0
cat /dev/sd/sdctl
END
blob_writers 'sdN0 1000 77' 'sdN1 777 3' 'sdN34 4096 5000' 'sdN0 100 200001'
cat <<'END'
echo 'discard 0 16384' > /dev/sd/sdN34/ctl && echo discarded
echo 'zero 16384 16384' > /dev/sd/sdN34/ctl && echo zeroed
echo 'zero 16384 100' > /dev/sd/sdN1/ctl || echo beyond the end
dd if=/dev/sd/sdN34/data of=/dev/null bs=1000000 count=30 && echo read
for d in sdN0 sdN1 sdN34; do cat /dev/sd/$d/ctl /dev/sd/$d/stats; done

# An event: the disk is asked for its health at once, not after the 30 seconds that it is else believed.
grep -q 'smart passed' /dev/sd/sdN0/ctl && echo passed so far
monitor 'qom-set /machine/peripheral/n0 smart_critical_warning 4'
until grep -q 'smart failed the medium is not reliable' /dev/sd/sdN0/ctl; do sleep 0.1; done
echo an event was heard
smart || true
kill $driver
wait $driver
END
} | init
with_monitor
before=$(du -k "$dir/c" | cut -f1)
drive()
{
	echo "-drive file=$dir/$1,if=none,id=f$1,format=raw,discard=unmap"
}
CPUS=2 THREAD=multi EXTRA="-d guest_errors -D $dir/lint -trace pci_nvme_ub_* -trace pci_nvme_err_* \
-trace pci_nvme_flush_ns -trace pci_nvme_map_sgl -trace pci_nvme_map_prp -trace pci_nvme_io_cmd -trace pci_nvme_irq_msix -trace pci_nvme_mmio_shutdown_set -trace pci_nvme_enqueue_event \
$monitor \
-device nvme,id=n0,serial=FIRST,max_ioqpairs=8 $(drive a) $(drive b) $(drive c) $(drive d) \
-device nvme-ns,drive=fa,bus=n0,nsid=1,logical_block_size=512,physical_block_size=512 \
-device nvme-ns,drive=fb,bus=n0,nsid=2,logical_block_size=4096,physical_block_size=4096 \
-device nvme,id=n1,serial=SECOND,mdts=5 \
-device nvme-ns,drive=fd,bus=n1,nsid=1,ms=8 \
-device nvme-ns,drive=fc,bus=n1,nsid=3" boot
grep -E 'ub_|err_|guest' "$dir/lint" && fail 'what QEMU does not like'
expect 'done a' 'done b' 'done c' 'done d' "sdN1 'QEMU NVMe Ctrl' 33554432" 'discarded' 'zeroed' \
	'name space 1 is left alone: its format has sectors of 512 bytes and 8 of metadata' \
	'errors 0' 'smart passed' 'temperature 50' 'resets 0' 'zero-requests 1' 'passed so far' 'an event was heard' 'health: the medium is not reliable' 'beyond the end' ' sgl '
expect_re '^read$'
refuse 'sdN32' 'resets 1'
[ "$(grep -c pci_nvme_flush_ns "$dir/lint")" -ge 4 ] || fail 'no flush came to the device'
[ "$(grep -c pci_nvme_mmio_shutdown_set "$dir/lint")" = 2 ] || fail 'no shutdown of both'
[ "$(grep -c NVME_NVM_CMD_WRITE_ZEROES "$dir/lint")" = 1 ] || fail 'not one command for zeros'
# Large buffers are one descriptor; what fits two pages, and a client's scattered pages, are PRPs.
[ "$(grep -c 'pci_nvme_map_sgl type 0x0 ' "$dir/lint")" -ge 100 ] || fail 'no SGLs'
[ "$(grep -c pci_nvme_map_prp "$dir/lint")" -ge 100 ] || fail 'no PRPs'
[ "$(grep -o 'vector [0-9]*' "$dir/lint" | sort -u | wc -l)" = 3 ] || fail 'not three vectors'
[ "$(du -k "$dir/c" | cut -f1)" -lt $((before - 8000)) ] || fail 'the image has not shrunk'
images_with_blob 32 a:77000,20000100 b:2331 c:20480000
