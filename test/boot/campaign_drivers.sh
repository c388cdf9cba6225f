# As campaign.sh, thirty times each: the other drivers of disks, and the file system of a CD.
# bound: 400
. test/boot/lib.sh
. test/campaign/lib.sh

export CACHE=unsafe CPUS=2
for variant in nvme ide virtioblk virtioscsi iso; do
	mixed_causes $variant
	campaign $variant 30 4 "${mixed[@]}"
done
