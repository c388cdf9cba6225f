/*
 * SMART of ATA disks, as lines of ctl (man/3/sd): for drivers whose own commands are ATA's.
 *
 * A driver keeps a struct drive_smart as long as the disk.  Its DRIVE_OWN takes a struct
 * ata_command as block, and leaves as result the registers after it: a FIS, device to host.
 */
#pragma once
#include "ata.h"
#include "drive.h"

enum {
	DRIVE_SMART_MS = 1000,      /* that ctl waits for an answer */
	DRIVE_SMART_AGE_MS = 30000, /* the answer is good for so long */
};

struct drive_smart {
	_Atomic uint64_t asked_ns; /* 0: never */
	_Atomic int health;        /* 1 good, 0 failing, else not known */
	_Atomic int temperature;   /* degrees Celsius; negative: not known */
	pthread_mutex_t lock;      /* of what follows */
	struct ata_attribute attribute[ATA_SMART_COUNT];
	unsigned nattributes;
};

/* Nothing is known. */
void drive_smart_init(struct drive_smart *s);
/*
 * What is known; if that is old the disk is asked, for DRIVE_SMART_MS at most.  Not for a packet
 * device.  The length, less than n.
 */
size_t drive_smart_text(struct drive_disk *d, struct drive_smart *s, const struct ata_identity *id,
			char *buf, size_t n);
