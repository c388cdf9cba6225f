/*
 * A model of a SCSI host behind virtio, with its units, for tests: what its requests mean; the
 * queues are lib/virtio/model's.  All is under the model's lock.
 */
#pragma once
#include "../../../lib/virtio/model/model.h"
#include "../virtioscsi.h"

enum { SECTORS = 4096, UNITS = 8, NO_LBA = -1 };

struct unit {
	bool present, readonly, thin, old; /* old: no READ CAPACITY(16), no pages */
	bool writethrough;
	bool same, same_unmaps; /* WRITE SAME: it has it; it tells that it unmaps with it */
	/* LOG SENSE: it has it, and does not end it; a page that it refuses, or cuts (0: none). */
	bool logs, log_hangs;
	uint8_t refused, cut, degrees, asc, ascq;
	unsigned log_reads;
	uint32_t same_max; /* sectors of one, as it tells; 0: it does not */
	uint8_t target, type;
	uint16_t lun;
	uint64_t nsectors;
	uint32_t secsize;
	char serial[21];
	uint8_t *data;
	int64_t bad_lba;
	unsigned attentions, busy, bad_flushes; /* so many commands end so */
	unsigned reads, writes, long_ones, flushes, unmaps, ranges, sames, standbys;
	bool no_standby;
};

struct host {
	struct vmodel m; /* m.arg is the host */
	struct unit unit[UNITS];
	unsigned hang;              /* commands that move data and do not end */
	bool no_abort, no_reset;    /* of a task, of a unit */
	struct vmodel_request hung; /* the last of those */
	uint64_t hung_id;
	bool hangs, nonsense; /* nonsense: answers with random bits */
	unsigned aborts, unit_resets, random;
};

/* For m.serve. */
uint32_t host_serve(void *arg, const struct vmodel_request *r);
/* The i-th unit, which is there from now on; its data is the caller's to free. */
struct unit *host_add(struct host *h, unsigned i, uint8_t target, uint16_t lun, uint32_t secsize);
void host_event(struct host *h, uint32_t event, uint8_t target, uint16_t lun, uint32_t reason);
