# An IOMMU: disks work under it, a device that is sent elsewhere writes nothing, and its driver dies of
# it and comes again.  QEMU's own count of blocked requests is the judge.
# bound: 400
. test/boot/lib.sh

head -c 2M /dev/urandom > "$dir/extra/blob"
with_prog iommu faults stale restart direct
with_fault_prog ahci edu
mkdir -p "$dir/extra/sip"
for name in ahci edu; do
	{ sed '/^deadline/d; /^restart/d' "boot/sip/$name"
	  printf 'deadline 3000\nrestart always\nlimit 100\n'; } > "$dir/extra/sip/$name"
done

# machine OPTIONS: boots with the unit that has them, a SATA disk and an NVMe one.
machine()
{
	head -c 8M /dev/zero > "$dir/a"
	head -c 8M /dev/zero > "$dir/n"
	CPUS=2 TIMEOUT=150 DISKS=$dir/a EXTRA="-device intel-iommu,$1 \
-drive file=$dir/n,if=none,id=n,format=raw -device nvme,drive=n,serial=n \
-d guest_errors -trace vtd_dmar_fault -trace vtd_inv_desc_wait_write_fail -trace vtd_warn_* -D $dir/trace" boot
	expect "a device reaches its driver's memory only"
	images_with_blob 8 a:1048576,5242621 n:1048576,5242621
}

# How many requests QEMU blocked, of a function if it is given.  Nothing else may be in its log, but what
# edu tried without bus mastering.
blocked()
{
	grep -vE '^vtd_dmar_fault|^Invalid (write|read) at .* reason: rejected' "$dir/trace" >&2 &&
		fail "QEMU has something to say" >&2
	grep -c "^vtd_dmar_fault ${1:-}" "$dir/trace"
}

# Requests of both kinds, direct and through the driver's buffer, and back.
copies='sipd -1
for d in sdC0 sdN0; do
	await -t 30 /dev/sd/$d/data
	dd if=/boot/blob of=/dev/sd/$d/data bs=65536 seek=16 conv=notrunc,fsync
	dd if=/boot/blob of=/dev/sd/$d/data bs=4099 seek=1279 conv=notrunc,fsync
	echo "= $d" $(dd if=/dev/sd/$d/data bs=65536 skip=16 count=32 | sha256sum)
	echo "= $d" $(grep direct-bytes /dev/sd/$d/stats)
done'
copied()
{
	local d
	for d in sdC0 sdN0; do
		expect "= $d $(sha256sum < "$dir/extra/blob" | cut -d' ' -f1)"
		expect_re "^= $d direct-bytes [1-9][0-9]{6}"
	done
}

# Nothing is blocked of drivers that do right, also when they die in the middle of it.
init <<END
$copies
restart ahci /dev/sd/sdC0/data 20 5000000
echo kill > /dev/sip/servers/edu/ctl
echo stop > /dev/sip/servers/edu/ctl || true
direct 200
END
machine aw-bits=48
copied
expect 'vtd: 1 unit, 4 levels' 'restart: all right' 'direct: all right'
refuse 'iommu fault'
test "$(blocked)" = 0 || fail "requests of good drivers were blocked"

# Those that do wrong.
init <<END
$copies
mount -w 60000 /srv/ahci /mnt
faults ahci 4 /dev/sd/sdC0/data 2097152 /mnt/sdctl 'wilddma=iommu fault: write at 0x2' 'wilddma=iommu fault: '
faults edu 1 /dev/edu/dma 2048 /dev/edu/ctl 'wilddma=iommu fault: write at 0xfffff000 by '
stale /dev/sd/sdC0/raw /mnt/sdctl iommu
cat /dev/sip/servers/ahci/health /dev/sip/servers/edu/health
echo stop > /dev/sip/servers/edu/ctl
iommu
END
machine aw-bits=48
copied
expect_re '^faults: wilddma: iommu fault: write' '^stale: all right' '^iommu: all right' \
	'^restart [0-9]+ took [1-9][0-9]* cause iommu fault: write at 0xfffff000 by 0\.[0-9]+\.0, reason 0x5$' \
	'^vtd: iommu fault: read at 0x'
test "$(console | grep -c '^faults: all right')" = 2 || fail "not both drivers"
# Four transfers astray and five that outlived their driver, 4088 bytes each, and one of edu's driver, of
# 2048: edu moves four bytes at a time, and each of them was blocked.  The disk's: no less than a sector.
test "$(blocked "sid 0x8 ")" = $((9 * 4088 / 4 + 2048 / 4)) || fail "edu: not all, or more, was blocked"
test "$(blocked "sid 0xfa ")" -ge 128 || fail "ahci: it was not blocked"
test "$(console | grep -c '^vtd: iommu fault')" -ge 13 || fail "not every death is told of"
refuse 'which nobody drives'

# Three levels, a unit that keeps what is absent, and the kernel that checks itself.
init <<END
$copies
echo stop > /dev/sip/servers/edu/ctl
iommu
END
KERNEL=$b/kernel-debug/lux9.elf machine aw-bits=39,caching-mode=on
copied
expect 'vtd: 1 unit, 3 levels' 'iommu: all right'
