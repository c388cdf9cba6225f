# The disk's driver is killed forty times under writers and readers of the raw disk, a file system
# under its readers, an interposer under makers of names: nobody sees an error, nothing that was
# acknowledged is lost, every operation happened once, and nothing is left behind.
# bound: 600
. test/boot/lib.sh
. test/campaign/lib.sh

export CACHE=unsafe CPUS=2
mixed_causes disk
campaign disk 40 1 "${mixed[@]}"
mixed_causes tree
campaign tree 40 2 "${mixed[@]}"
mixed_causes names
campaign names 40 3 "${mixed[@]}"
