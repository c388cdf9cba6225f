# The kill campaigns: a server is killed at random instants, hundreds of times, under programs that
# know what every answer must be.  Sourced after test/boot/lib.sh, by its scenarios (short) and by
# tool/campaign.sh (long).
#
#	campaign VARIANT DEATHS SEED [CAUSE...]
#
# boots a machine, kills DEATHS times, and judges.  The causes are those of test/prog/reaper.c.
#
#	disk	the disk's driver dies under writers and readers of the raw disk
#	nvme	the same with an NVMe disk
#	ide	the same with an IDE controller, whose disks share a channel
#	virtioblk, virtioscsi	the same with those
#	deep	the disk's driver dies under ext4fs, which others read
#	tree	ext4fs dies under those who read it
#	iso	isofs dies under those who read a disc's image
#	both	ext4fs and the disk's driver die, each when it likes
#	names	an interposer dies under makers of names, before and after what it was asked to do
#	lossy	the disk's driver dies; between it and its clients messages are late, twice, or lost
#
# BUILD_FAULTS=1: the driver is a test build, which knows causes from inside.  AGAIN: percent of
# deaths after which the successor dies too, before it is healthy.

. test/campaign/manifests.sh

# What is printed for the table, and who must have said that all is right.
campaign_judge()
{
	local p
	for p; do
		expect "$p: all right"
	done
	refuse 'stuck in'
}

campaign_image()
{
	python3 test/campaign/judge.py image "$dir/disk" "$dir/ledger" || fail "the image is not right"
}

# The arguments of reaper for the causes, quoted for the shell of the machine.
causes()
{
	local c
	for c; do
		printf " -cause '%s'" "$c"
	done
}

# reaper SERVER DEATHS SEED FAULTS-FILE PROBE CAUSE...
reaper()
{
	local server=$1 deaths=$2 seed=$3 faults=$4 probe=$5
	shift 5
	echo "reaper -server $server -deaths $deaths -seed $seed -faults $faults -probe $probe" \
		"-again ${AGAIN:-10} -samples$(causes "$@")"
}

# The commands of the machine: a load in the background, deaths, the load's end and verdict.
load_and_deaths()
{
	local load=$1 deaths=$2
	cat <<END
$load -ready /tmp/ready &
load=\$!
await -t 60 /tmp/ready
$deaths
kill \$load
wait \$load
cat /dev/sip/servers/*/health /dev/sip/servers/*/log
END
}

blank_disks()
{
	truncate -s 16M "$dir/disk"
	truncate -s 1M "$dir/ledger"
	DISKS="$dir/disk $dir/ledger"
}

tree_disk()
{
	make_tree "$dir/tree/all" 150 3
	seq 1 1000 > "$dir/tree/probe"
	sh tool/mkdisk.sh "$dir/disk" "$dir/tree" 16 || fail mkdisk
	DISKS=$dir/disk
}

# The commands that make a driver's own sdctl, which takes faults, appear as /n/sdctl.
own_sdctl()
{
	echo "mount -w 60000 /srv/$1 /n"
}

# raw_campaign DRIVER DISK LEDGER DEATHS SEED CAUSE...
raw_campaign()
{
	local driver=$1 disk=/dev/sd/$2/raw ledger=/dev/sd/$3/raw deaths=$4 seed=$5
	shift 5
	manifest_disk "$driver"
	manifest_tmp
	{
		echo 'sipd &'
		echo "await -t 30 $disk $ledger"
		own_sdctl "$driver"
		load_and_deaths "stamp -server $driver -seed $seed -ledger $ledger $disk" \
			"$(reaper "$driver" "$deaths" "$seed" /n/sdctl "$disk" "$@")"
		echo "stamp -check -ledger $ledger $disk"
	} | init
	boot
	campaign_judge stamp reaper
	expect "reaper: leaked nothing"
	campaign_image
}

campaign_disk()
{
	blank_disks
	DISKS=$DISKS raw_campaign ahci sdC0 sdC1 "$@"
}

# The machine's own AHCI controller is left alone.
without_ahci()
{
	mkdir -p "$dir/extra/sip"
	printf 'name ahci\nprogram /boot/bin/ahci\npci 0xffffff\n' > "$dir/extra/sip/ahci"
}

# Two name spaces of one controller.
campaign_nvme()
{
	local n extra="-device nvme,id=nvme,serial=CAMPAIGN"

	blank_disks
	without_ahci
	for n in disk ledger; do
		extra="$extra -drive file=$dir/$n,if=none,id=$n,format=raw,cache=${CACHE:-writeback} \
-device nvme-ns,bus=nvme,drive=$n"
	done
	DISKS= EXTRA="$extra ${EXTRA:-}" raw_campaign nvme sdN0 sdN1 "$@"
}

virtio_drives()
{
	local d
	for d in disk ledger; do
		echo "-drive file=$dir/$d,if=none,id=$d,format=raw,cache=${CACHE:-writeback}"
	done
}

# The ledger is another device, whose driver lives.
campaign_virtioblk()
{
	local device="-device virtio-blk-pci,disable-legacy=on"

	blank_disks
	DISKS= EXTRA="$(virtio_drives) $device,drive=disk,serial=D $device,drive=ledger,serial=L ${EXTRA:-}" \
		raw_campaign virtioblk sdV0 sdV1 "$@"
}

# Two units of one host.
campaign_virtioscsi()
{
	local unit="-device scsi-hd,bus=host.0"

	blank_disks
	without_ahci
	DISKS= EXTRA="$(virtio_drives) -device virtio-scsi-pci,disable-legacy=on,id=host \
$unit,drive=disk,scsi-id=0,serial=D $unit,drive=ledger,scsi-id=1,serial=L ${EXTRA:-}" \
		raw_campaign virtioscsi sdS0 sdS64 "$@"
}

# Both disks are at one channel.
campaign_ide()
{
	blank_disks
	DISKS=$DISKS MACHINE=pc raw_campaign ide sdD0 sdD1 "$@"
}

iso_disk()
{
	make_tree "$dir/tree/all" 150 3
	seq 1 1000 > "$dir/tree/probe"
	genisoimage -quiet -R -o "$dir/disk" "$dir/tree" > "$dir/log" 2>&1 || fail "genisoimage: $(cat "$dir/log")"
	DISKS=$dir/disk
}

# tree_campaign SEED SERVER DEATHS-COMMANDS [KIND]
tree_campaign()
{
	local seed=$1 server=$2 deaths=$3 kind=${4:-tree}
	"${kind}_disk"
	manifest_ahci
	"manifest_root_$kind"
	manifest_tmp
	{
		echo 'sipd &'
		echo 'await -t 30 /root/probe'
		own_sdctl ahci
		load_and_deaths "readers -server $server -seed $seed /root/all" "$deaths"
		echo 'cd /root; sha256sum -r . '
	} | init
	sha256sum "$dir/disk" > "$dir/before"
	DISKS=$DISKS boot
	campaign_judge readers reaper
	sha256sum --quiet -c "$dir/before" || fail "the disk was changed"
	(cd "$dir/tree" && find . -type f -exec sha256sum {} +) | sort > "$dir/want"
	console | grep -E '^[0-9a-f]{64}  ' | sed 's:  \(\./\)*:  ./:' | sort > "$dir/got"
	cmp "$dir/want" "$dir/got" || fail "the tree is not what it was"
}

campaign_deep()
{
	local deaths=$1 seed=$2
	shift 2
	tree_campaign "$seed" ahci \
		"$(reaper ahci "$deaths" "$seed" /n/sdctl /dev/sd/sdC0/raw "$@")"
}

campaign_tree()
{
	local deaths=$1 seed=$2
	shift 2
	tree_campaign "$seed" root "$(reaper root "$deaths" "$seed" none /root/probe "$@")"
}

campaign_iso()
{
	local deaths=$1 seed=$2
	shift 2
	tree_campaign "$seed" root "$(reaper root "$deaths" "$seed" none /root/probe "$@")" iso
}

campaign_both()
{
	local deaths=$1 seed=$2
	shift 2
	tree_campaign "$seed" root "$(reaper ahci "$deaths" "$seed" /n/sdctl /dev/sd/sdC0/raw "$@") -others &
other=\$!
$(reaper root "$deaths" "$seed" none /root/probe kill note) -others
wait \$other"
}

campaign_names()
{
	local deaths=$1 seed=$2
	shift 2
	manifest_pass names /tmp tmp 5000
	manifest_tmp
	{
		echo 'sipd &'
		echo 'await -t 30 /dev/pass/namesctl'
		echo 'dd if=/dev/zero of=/tmp/probe bs=512 count=1'
		load_and_deaths "names -server names -seed $seed /mnt" \
			"$(reaper names "$deaths" "$seed" /dev/pass/namesctl /mnt/probe "$@")"
	} | init
	boot
	campaign_judge names reaper
}

# Rules are gone when the interposer has died, as it does of every message that is lost.
lossy_rules()
{
	cat <<END
( while sleep 0.1; do grep -q delay /dev/pass/lossyctl || {
	echo 'seed $1' > /dev/pass/lossyctl
	echo 'delay all 1% 20' > /dev/pass/lossyctl
	echo 'duplicate all 1%' > /dev/pass/lossyctl
	echo 'drop all 0.5%' > /dev/pass/lossyctl
	echo 'drop all 0.5% reply' > /dev/pass/lossyctl
}; done ) &
rules=\$!
END
}

campaign_lossy()
{
	local deaths=$1 seed=$2
	shift 2
	blank_disks
	manifest_ahci
	manifest_tmp
	# sipd looks how old its requests are only while the driver is well: it must be late
	# sooner than a driver that hangs.
	manifest_pass lossy /dev/sd ahci $((${DEADLINE:-1000} / 2))
	{
		echo 'sipd &'
		echo 'await -t 30 /dev/pass/lossyctl /mnt/sdC0/raw'
		own_sdctl ahci
		lossy_rules "$seed"
		load_and_deaths \
			"stamp -server ahci -seed $seed -ledger /dev/sd/sdC1/raw /mnt/sdC0/raw" \
			"$(reaper ahci "$deaths" "$seed" /n/sdctl /dev/sd/sdC0/raw "$@") -others"
		echo 'kill $rules'
		echo 'stamp -check -ledger /dev/sd/sdC1/raw /dev/sd/sdC0/raw'
	} | init
	DISKS=$DISKS boot
	campaign_judge stamp reaper
	expect 'a request is older than the deadline'
	campaign_image
}

# Sets `mixed`: all causes that the variant has.
mixed_causes()
{
	local m
	mixed=(kill note)
	case $1 in
	names)	for m in create mkdir unlink rename link symlink setattr write; do
			mixed+=("crash $m # before" "crash $m # after")
		done ;;
	tree|iso) ;;
	*)	[ "${BUILD_FAULTS:-0}" = 0 ] || mixed=(mixed) ;;
	esac
}

campaign()
{
	local variant=$1
	shift
	rm -rf "$dir/extra" "$dir/tree" "$dir/disk" "$dir/ledger"
	with_prog stamp reaper readers names
	[ "${BUILD_FAULTS:-0}" = 0 ] || with_fault_prog ahci nvme ide virtioblk virtioscsi
	"campaign_$variant" "$@"
}
