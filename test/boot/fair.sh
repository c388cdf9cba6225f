# One client with 32 requests of 1 MiB outstanding does not keep another waiting that reads 4 KiB at a
# time: that one waits for a few of them, and not for all.
# bound: 600
. test/boot/lib.sh

with_prog fair
truncate -s 64M "$dir/disk"
truncate -s 64M "$dir/second"
export MEM=512M TIMEOUT=120 CACHE=unsafe DISKS=$dir/disk
for what in 'q35 ahci sdC0' 'q35 nvme sdN0' 'q35 virtioblk sdV0' 'pc ide sdD0'; do
	read -r machine driver disk <<< "$what"
	case $driver in
	nvme)	extra="-device nvme,serial=X,drive=x -drive file=$dir/second,if=none,id=x,format=raw,cache=unsafe" ;;
	virtioblk) extra="-device virtio-blk-pci,drive=x -drive file=$dir/second,if=none,id=x,format=raw,cache=unsafe" ;;
	*)	extra= ;;
	esac
	init <<-END
	$driver &
	await -t 30 /dev/sd/$disk/data
	fair $disk read
	fair $disk write
	fair $disk bytes
	END
	MACHINE=$machine CPUS=2 EXTRA=$extra boot
	console | grep '^fair: .*median'
done
