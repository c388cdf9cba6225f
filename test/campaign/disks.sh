# Which device of QEMU a driver's disk is on, and what Lux9 calls it.  Sourced after test/boot/lib.sh.
#
#	disk_device DRIVER NODE		the options that put a block node on a controller of its own
#	disk_name DRIVER		the name of that disk in /dev/sd
#	disk_machine DRIVER		the machine that can have one

disk_device()
{
	case $1 in
	ahci)	echo "-device ich9-ahci,id=ctlr-$2 -device ide-hd,drive=$2,bus=ctlr-$2.0,serial=$2" ;;
	nvme)	echo "-device nvme,drive=$2,serial=$2" ;;
	virtioblk) echo "-device virtio-blk-pci,disable-legacy=on,drive=$2,serial=$2" ;;
	virtioscsi) echo "-device virtio-scsi-pci,disable-legacy=on,id=ctlr-$2" \
			"-device scsi-hd,drive=$2,bus=ctlr-$2.0,serial=$2" ;;
	ide)	echo "-device ide-hd,drive=$2,bus=ide.0,unit=1,serial=$2" ;;
	*)	fail "no device for the driver $1" ;;
	esac
}

# The machine has an AHCI controller of its own, with 32 numbers; the one that is added comes before it.
disk_name()
{
	case $1 in
	ahci)	echo sdC0 ;;
	nvme)	echo sdN0 ;;
	virtioblk) echo sdV0 ;;
	virtioscsi) echo sdS0 ;;
	ide)	echo sdD1 ;;
	esac
}

disk_machine()
{
	case $1 in
	ide)	echo pc ;;
	*)	echo q35 ;;
	esac
}
disk_drivers="ahci nvme virtioblk virtioscsi ide"
