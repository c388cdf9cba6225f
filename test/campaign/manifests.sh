# Manifests of the campaigns, laid over those of the boot archive: servers that come back at once and
# for ever.  `stable 5`: one that lived 5 ms did not fail repeatedly.

manifest()
{
	mkdir -p "$dir/extra/sip"
	{
		echo "name $1"
		cat
		echo "restart always"
		echo "wait ${WAIT:-60000}"
		echo "stable 5"
		echo "limit 100"
	} > "$dir/extra/sip/$1"
}

# manifest_disk DRIVER.  A storm of interrupts must be far above what the load makes, and no more than a
# busy host still does.
manifest_disk()
{
	local storm=
	[ "${BUILD_FAULTS:-0}" = 0 ] || storm="interrupts ${STORM:-10000}"
	grep -vE '^(#|name|deadline|restart|capability file-system)' "boot/sip/$1" |
		cat - <(printf 'capability file-system\ndeadline %s\nafter tmp\n%s\n' \
			"${DEADLINE:-1000}" "$storm") | manifest "$1"
}

manifest_ahci()
{
	manifest_disk ahci
}

manifest_root_tree()
{
	manifest root <<'END'
program /boot/bin/ext4fs
args -device /dev/sd/sdC0/part/2
mount /root
capability file-system
after ahci
deadline 5000
END
}

manifest_root_iso()
{
	manifest root <<'END'
program /boot/bin/isofs
args -device /dev/sd/sdC0/data
mount /root
capability file-system
after ahci
deadline 5000
END
}

# A file system in memory, which lives.
manifest_tmp()
{
	manifest tmp <<'END'
program /boot/bin/ramfs
mount /tmp
capability file-system
END
}

# manifest_pass NAME DIRECTORY AFTER DEADLINE: an interposer, at /mnt.
manifest_pass()
{
	manifest "$1" <<END
program /boot/bin/passfs
args -dir $2 -ctl $1
mount /mnt
capability file-system
after $3
deadline $4
END
}
