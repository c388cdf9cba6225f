# bound: 600
# Four clients, 29 requests at a time, on each driver's disk: every byte is what was written last, in the
# machine and on the image.
. test/boot/lib.sh
. test/campaign/disks.sh
. test/campaign/soak.sh

export TIMEOUT=300
for driver in $disk_drivers; do
	soak "$driver" 6000 1
	console | grep '^stamp: writes'
done
