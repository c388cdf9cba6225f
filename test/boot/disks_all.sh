# Every disk of a made set appears, with its name, size, sectors, serial number and partitions, as
# sfdisk, fdisk and sgdisk say of the images: 1 MiB to 3 TiB, GPT and MBR of every kind, damaged ones
# too.  Two machines: q35 with AHCI, two NVMe, virtio and a CD at once; pc with IDE and a CD.  And lsdisk,
# smart and lspci say of each what QEMU has been told, or tells.
#
# A machine has a table.  A line: the name that the disk must have under /dev/sd, its size, its
# sectors' bytes, a function below that makes what is on it, and QEMU's device, in which %s stands for
# the drive and its serial number.  `controllers` is what the devices are plugged into.
# bound: 400
. test/boot/lib.sh
PATH=$PATH:/usr/sbin:/sbin
for p in sgdisk sfdisk fdisk python3; do
	command -v $p > /dev/null || skip "needs $p"
done

q35_drivers='ahci nvme virtioblk virtioscsi'
q35_controllers='-device ich9-ahci,id=first,addr=9 -device ich9-ahci,id=second,addr=a
-device virtio-scsi-pci,disable-legacy=on,id=scsi,addr=b'
q35_disks='
sdC0	1M	512	gpt_small	ide-hd,bus=first.0,%s
sdC1	3T	512	gpt_large	ide-hd,bus=first.1,%s
sdC2	2049G	512	gpt_large	ide-hd,bus=first.2,%s
sdC3	64M	512	gpt_hybrid	ide-hd,bus=first.3,%s
sdC4	64M	512	gpt_no_primary	ide-hd,bus=first.4,%s
sdC5	1G	512	gpt_no_backup	ide-hd,bus=first.5,%s
sdC32	1M	2048	disc	ide-cd,bus=second.0,%s
sdC64	64M	512	gpt_full	ide-hd,bus=ide.0,%s
sdC65	1M	512	mbr_small	ide-hd,bus=ide.1,%s
sdC66	3T	512	mbr_large	ide-hd,bus=ide.2,%s
sdC67	512M	512	mbr_chain	ide-hd,bus=ide.3,%s
sdC68	2M	512	fat	ide-hd,bus=ide.4,%s
sdC69	7M	512	nothing	ide-hd,bus=ide.5,%s
sdN0	3T	512	gpt_large	nvme,addr=c,%s
sdN32	64M	4096	gpt_4k	nvme,addr=d,logical_block_size=4096,physical_block_size=4096,%s
sdV0	64M	512	gpt_three	virtio-blk-pci,disable-legacy=on,addr=e,%s
sdV1	3T	4096	mbr_4k	virtio-blk-pci,disable-legacy=on,addr=f,logical_block_size=4096,physical_block_size=4096,%s
sdS0	3T	512	gpt_large	scsi-hd,bus=scsi.0,scsi-id=0,%s
sdS64	64M	4096	gpt_4k	scsi-hd,bus=scsi.0,scsi-id=1,logical_block_size=4096,physical_block_size=4096,%s
'

pc_drivers='ide'
pc_controllers=
pc_disks='
sdD0	3T	512	gpt_large	ide-hd,bus=ide.0,unit=0,%s
sdD1	1M	512	mbr_small	ide-hd,bus=ide.0,unit=1,%s
sdD2	1M	2048	disc	ide-cd,bus=ide.1,unit=0,%s
sdD3	512M	512	mbr_chain	ide-hd,bus=ide.1,unit=1,%s
'

# --- what is on them: FILE SECTOR-SIZE.  fdisk makes tables of other sectors than 512, sgdisk cannot
gpt_small()	{ sgdisk -o -a 1 -n 1:0:+100K -c 1:first -n 2:0:0 -t 2:ef00 "$1"; }
gpt_large()	{ sgdisk -o -n 1:0:+1M -n 7:-1G:0 -c '7:the end' -t 7:8200 -n 3:0:-2G "$1"; }
gpt_three()	{ sgdisk -o -n 1:0:+1M -c 1:ümlaut -n 2:0:+3M -t 2:8200 -n 128:0:0 "$1"; }
gpt_hybrid()	{ gpt_three "$1" && sgdisk -h 1:2 "$1"; }
gpt_no_primary() { gpt_three "$1"; }
gpt_no_backup()	{ gpt_three "$1"; }
gpt_4k()	{ printf 'g\nn\n1\n\n+1M\nn\n2\n\n\nw\n' | fdisk -b "$2" "$1"; }
mbr_4k()	{ printf 'o\nn\np\n1\n\n+1M\nn\ne\n2\n\n\nn\nl\n\n+1M\nn\nl\n\n\nw\n' | fdisk -b "$2" "$1"; }
gpt_full()
{
	local args=() i
	for i in $(seq 128); do args+=(-n "$i:0:+200K" -c "$i:number $i"); done
	sgdisk -a 8 -o "${args[@]}" "$1"
}
mbr_small()	{ printf 'label: dos\nstart=1,size=900,type=5\nstart=3,size=10\nstart=14,size=100\n' | sfdisk "$1"; }
mbr_large()	{ printf 'label: dos\nsize=1M\nsize=1T,type=7\nsize=500G,type=85\nsize=1G\nsize=1G\n' | sfdisk "$1"; }
mbr_chain()
{
	local i
	{
		printf 'label: dos\nsize=1M,type=c,bootable\nsize=500M,type=f\n'
		for i in $(seq 56); do echo "size=${i}K"; done
	} | sfdisk "$1"
}
fat()		{ mkfs.fat "$1"; }
nothing()	{ :; }
disc()		{ genisoimage -quiet -R -J -o "$1" test/host; }

# Damage comes after the judge has looked: nothing must be lost by it.
damage()
{
	case $1 in
	gpt_no_primary)	dd if=/dev/urandom of="$2" bs=512 seek=1 count=3 conv=notrunc ;;
	gpt_no_backup)	dd if=/dev/urandom of="$2" bs=512 seek=$(($(stat -c %s "$2") / 512 - 1)) conv=notrunc count=1 ;;
	esac
}

cat > "$dir/judge.py" <<'END'
import json, os, re, subprocess, sys
folder, listed = sys.argv[1], sys.argv[2]
bad = 0
def complain(*what):
    global bad
    bad = 1
    print(*what)
def by_sfdisk(name):
    text = open(f"{folder}/{name}.json").read()
    if not text.strip():
        return "none", None
    t = json.loads(text)["partitiontable"]
    parts = {}
    for p in t.get("partitions", []):
        if t["label"] == "dos" and p["type"] in ("5", "f", "85"):
            continue
        n = int(re.search(r"(\d+)$", p["node"]).group(1))
        label, uuid = p.get("name", ""), p.get("uuid", "").lower()
        if t["label"] == "dos":
            uuid = "%s-%02x" % (t["id"][2:], n)
        parts[n] = (p["start"], p["size"], label, uuid)
    return {"gpt": "gpt", "dos": "mbr"}[t["label"]], parts
def by_sgdisk(name):
    return {int(m[0]): (int(m[1]), int(m[2]) - int(m[1]) + 1) for m in
            re.findall(r"^ *(\d+) +(\d+) +(\d+) ", open(f"{folder}/{name}.sgdisk").read(), re.M)}
def by_fdisk(name):
    text = open(f"{folder}/{name}.fdisk").read()
    kind = re.search(r"Disklabel type: (\w+)", text).group(1).replace("dos", "mbr")
    parts = {int(m[0]): (int(m[1]), int(m[2])) for m in
             re.findall(r"^\S+[.]img(\d+) +(\d+) +(\d+)", text, re.M)}
    if kind == "mbr":
        parts.pop(2, None)  # the extended one
    return kind, parts
lines = [l.rstrip("\n").split("\t") for l in open(listed) if "\t" in l]
seen = {}
for f in lines:
    if "/" not in f[0]:
        seen[f[0]] = (f, {})
    else:
        disk, n = f[0].split("/")
        seen[disk][1][int(n)] = f
want = [l.split() for l in open(f"{folder}/set")]
if sorted(seen) != sorted(w[0] for w in want):
    complain("disks", sorted(seen))
for name, size, secsize, kind, serial, _ in want:
    if name not in seen:
        continue
    f, parts = seen[name]
    secsize, dash = int(secsize), lambda s: s or "-"
    if int(f[1]) != os.path.getsize(f"{folder}/{name}.img") or int(f[2]) != secsize:
        complain(name, "size", f[1], f[2])
    if f[9] != serial or f[10] != ("ro" if kind == "disc" else "rw"):
        complain(name, "serial, mode", f)
    got = {n: (int(p[3]), int(p[1]) // secsize, p[6], p[7]) for n, p in parts.items()}
    if secsize == 512:
        table, sure = by_sfdisk(name)
        if kind == "fat": # to sfdisk its boot sector is a table without partitions
            table = "none"
        sure = sure and {n: p[:2] + (dash(p[2]), p[3]) for n, p in sure.items()}
        if table == "gpt" and by_sgdisk(name) != {n: p[:2] for n, p in got.items()}:
            complain(name, "not what sgdisk says", got)
    elif kind == "disc":
        table, sure = "none", None
    else:
        table, sure = by_fdisk(name)
        got = {n: p[:2] for n, p in got.items()}
    if f[4] != table:
        complain(name, "table", f[4], "not", table)
    if got != (sure or {}):
        complain(name, kind, "partitions", got, "not", sure)
models = {"ide-hd": "QEMU HARDDISK", "ide-cd": "QEMU DVD-ROM", "nvme": "QEMU NVMe Ctrl",
          "virtio-blk-pci": "virtio block device", "scsi-hd": "QEMU QEMU HARDDISK"}
# What QEMU's models say of their health: disks of ATA are 31 degrees warm, NVMe's 323 K.
health = {"ide-hd": "passed, 31 C", "nvme": "passed, 50 C"}
smart = dict(l.rstrip("\n").split(" ", 1) for l in open(listed + ".smart") if l.startswith("sd"))
for name, _, _, _, _, device in (w + [""] * (6 - len(w)) for w in want):
    if seen[name][0][8] != models[device]:
        complain(name, "model", seen[name][0][8], "not", models[device])
    if smart.get(name) != health.get(device, "none"):
        complain(name, "health", smart.get(name))
# Functions: QEMU's "info pci", Bus B, device D, function F: CLASS: PCI device V:D.
text = open(listed + ".monitor").read()
is_there = {"%d.%d.%d" % tuple(map(int, m[:3])): m[3] for m in re.findall(
    r"Bus +(\d+), device +(\d+), function (\d+):\s+[^\n]*: PCI device ([0-9a-f]{4}:[0-9a-f]{4})", text)}
told = {l.split()[0]: l.split()[1] for l in open(listed + ".pci") if re.match(r"\d+[.]\d+[.]\d+ ", l)}
if told != is_there or len(told) < 3:
    complain("functions", sorted(set(told.items()) ^ set(is_there.items())))
print("%d disks, %d partitions" % (len(seen), sum(len(s[1]) for s in seen.values())))
sys.exit(bad)
END

appear()
{
	local machine=$1 drivers=$2 extra=$3 disks=$4 n=0
	rm -f "$dir"/sd* "$dir/set"
	while read -r name size secsize kind device; do
		[ -n "$name" ] || continue
		truncate -s "$size" "$dir/$name.img" || fail "no image of $size"
		"$kind" "$dir/$name.img" "$secsize" > "$dir/log" 2>&1 || fail "$kind: $(cat "$dir/log")"
		if [ "$kind" = disc ]; then
			:
		elif [ "$secsize" = 512 ]; then
			sfdisk --json "$dir/$name.img" > "$dir/$name.json" 2> "$dir/log"
			sgdisk -p "$dir/$name.img" > "$dir/$name.sgdisk" 2> "$dir/log"
		else
			fdisk -b "$secsize" -l -o Device,Start,Sectors "$dir/$name.img" > "$dir/$name.fdisk" 2> "$dir/log"
		fi
		damage "$kind" "$dir/$name.img" 2> "$dir/log"
		extra="$extra -drive file=$dir/$name.img,if=none,id=disk$n,format=raw"
		# shellcheck disable=SC2059
		extra="$extra -device $(printf "$device" "drive=disk$n,serial=SET-$n")"
		echo "$name $size $secsize $kind SET-$n ${device%%,*}" >> "$dir/set"
		n=$((n + 1))
	done <<< "$disks"
	{
		for d in $drivers; do echo "$d &"; done
		while read -r name _; do echo "await -t 60 /dev/sd/$name/part/0"; done < "$dir/set"
		echo "monitor 'info pci'"	# its answer comes when it comes
		echo 'echo BEGIN'
		echo 'lsdisk -1'
		echo 'echo END SMART'
		# Health is asked for when somebody looks; the first look may be before the answer.
		echo 'smart -s > /dev/null || true'
		echo 'smart -s'
		echo 'echo PCI'
		echo 'lspci'
		echo 'echo LAST'
		while read -r name _; do echo "part print $name"; done < "$dir/set"
		# A damaged table was read; it was not written.
		echo 'for d in /dev/sd/sd*/stats; do cat $d; done'
	} | init
	with_prog monitor
	with_monitor "$dir/listed.monitor"
	MACHINE=$machine CPUS=2 EXTRA="$extra $monitor" boot
	wait $!
	refuse_re 'write-requests [1-9]'

	console | sed -n '/^BEGIN/,/^END/p' > "$dir/listed"
	console | sed -n '/^END SMART/,/^PCI/p' > "$dir/listed.smart"
	console | sed -n '/^PCI/,/^LAST/p' > "$dir/listed.pci"
	python3 "$dir/judge.py" "$dir" "$dir/listed" || fail "not the disks that were made"
}

appear q35 "$q35_drivers" "$(echo $q35_controllers)" "$q35_disks"
expect 'note gpt: primary: no signature' 'note gpt: backup: no signature'
expect 'note hybrid mbr: 2 entries beside the gpt are not used'
# The judge: a partition that is one sector longer is not the same.
for f in smart pci monitor; do cp "$dir/listed.$f" "$dir/other.$f"; done
sed '/sdC6.\/2/s/\([0-9]*\)\t512/1\1\t512/' "$dir/listed" > "$dir/other"
cmp -s "$dir/listed" "$dir/other" && fail "no other list"
python3 "$dir/judge.py" "$dir" "$dir/other" > /dev/null && fail "the judge sees no difference"
cp "$dir/listed" "$dir/other"
sed 's/31 C/32 C/' "$dir/listed.smart" > "$dir/other.smart"
python3 "$dir/judge.py" "$dir" "$dir/other" > /dev/null && fail "the judge sees no other health"
appear pc "$pc_drivers" "$pc_controllers" "$pc_disks"
