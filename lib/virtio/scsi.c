/*
 * SCSI hosts: what the configuration says, commands and their answers, task management, events
 * [VIRTIO 1.2, 5.6].
 */
#include <errno.h>
#include <string.h>
#include "virtio.h"

enum { /* offsets in the configuration [5.6.4] */
       CONFIG_NUM_QUEUES = 0,
       CONFIG_SEG_MAX = 4,
       CONFIG_MAX_SECTORS = 8,
       CONFIG_CMD_PER_LUN = 12,
       CONFIG_EVENT_INFO_SIZE = 16,
       CONFIG_MAX_TARGET = 30,
       CONFIG_MAX_LUN = 32,
       /* of a command and its answer [5.6.6.1] */
       COMMAND_ID = 8,
       COMMAND_CDB = 19,
       ANSWER_RESIDUAL = 4,
       ANSWER_STATUS = 10,
       ANSWER_RESPONSE = 11,
       ANSWER_SENSE = 12,
       /* of task management [5.6.6.2] */
       TASK_SUBTYPE = 4,
       TASK_LUN = 8,
       TASK_ID = 16,
       /* of an event [5.6.6.3] */
       EVENT_LUN = 4,
       EVENT_REASON = 12,
       EVENT_TRANSPORT_RESET = 1,
       EVENT_PARAM_CHANGE = 3,
       RESET_REMOVED = 2,
       LUN_SINGLE = 1, /* the first byte of all addresses */
       LUN_FLAT = 0x40,
};

static const uint32_t EVENTS_MISSED = 1u << 31;

static uint64_t
get(const uint8_t *p, unsigned at, unsigned bytes)
{
	uint64_t v = 0;

	memcpy(&v, p + at, bytes);
	return v;
}

int
virtio_scsi_decode(const uint8_t config[VIRTIO_SCSI_CONFIG_SIZE], struct virtio_scsi_limits *out)
{
	uint64_t nqueues = get(config, CONFIG_NUM_QUEUES, 4), luns = get(config, CONFIG_MAX_LUN, 4);
	uint64_t targets = get(config, CONFIG_MAX_TARGET, 2);

	memset(out, 0, sizeof *out);
	if (get(config, VIRTIO_SCSI_SENSE_OFFSET, 4) != VIRTIO_SCSI_SENSE_MAX ||
	    get(config, VIRTIO_SCSI_CDB_OFFSET, 4) != VIRTIO_SCSI_CDB_MAX ||
	    get(config, CONFIG_EVENT_INFO_SIZE, 4) > VIRTIO_SCSI_EVENT_SIZE)
		return -ENOTSUP;
	out->nqueues = (uint16_t)(nqueues < 1 ? 1 : nqueues > UINT16_MAX ? UINT16_MAX : nqueues);
	out->seg_max = (uint32_t)get(config, CONFIG_SEG_MAX, 4);
	if (!out->seg_max)
		out->seg_max = 1;
	out->max_sectors = (uint32_t)get(config, CONFIG_MAX_SECTORS, 4);
	out->cmd_per_lun = (uint32_t)get(config, CONFIG_CMD_PER_LUN, 4);
	out->ntargets = (uint16_t)(targets < VIRTIO_SCSI_TARGETS ? targets + 1
								 : VIRTIO_SCSI_TARGETS);
	out->nluns = (uint32_t)(luns < VIRTIO_SCSI_LUNS ? luns + 1 : VIRTIO_SCSI_LUNS);
	return 0;
}

static void
put_address(uint8_t *out, struct virtio_scsi_address at)
{
	out[0] = LUN_SINGLE;
	out[1] = at.target;
	out[2] = (uint8_t)(LUN_FLAT | (at.lun >> 8 & 0x3f));
	out[3] = (uint8_t)at.lun;
}

void
virtio_scsi_command(void *out, struct virtio_scsi_address at, uint64_t id, const uint8_t *cdb,
		    unsigned n)
{
	uint8_t *p = out;

	memset(p, 0, VIRTIO_SCSI_COMMAND_SIZE);
	put_address(p, at);
	memcpy(p + COMMAND_ID, &id, sizeof id);
	memcpy(p + COMMAND_CDB, cdb, n < VIRTIO_SCSI_CDB_MAX ? n : VIRTIO_SCSI_CDB_MAX);
}

void
virtio_scsi_answer(const void *in, struct virtio_scsi_answer *out)
{
	uint8_t p[VIRTIO_SCSI_ANSWER_SIZE];
	uint64_t sense;

	memcpy(p, in, sizeof p); /* the device may still write there */
	sense = get(p, 0, 4);
	out->residual = (uint32_t)get(p, ANSWER_RESIDUAL, 4);
	out->status = p[ANSWER_STATUS];
	out->response = p[ANSWER_RESPONSE];
	out->sense_bytes = (uint8_t)(sense < sizeof out->sense ? sense : sizeof out->sense);
	memcpy(out->sense, p + ANSWER_SENSE, sizeof out->sense);
}

void
virtio_scsi_task(void *out, enum virtio_scsi_task task, struct virtio_scsi_address at, uint64_t id)
{
	uint8_t *p = out;
	uint32_t subtype = task;

	memset(p, 0, VIRTIO_SCSI_TASK_SIZE); /* type 0: task management */
	memcpy(p + TASK_SUBTYPE, &subtype, sizeof subtype);
	put_address(p + TASK_LUN, at);
	memcpy(p + TASK_ID, &id, sizeof id);
}

void
virtio_scsi_event(const void *in, struct virtio_scsi_event *out)
{
	uint8_t p[VIRTIO_SCSI_EVENT_SIZE];
	uint32_t event, reason;

	memcpy(p, in, sizeof p);
	event = (uint32_t)get(p, 0, 4);
	reason = (uint32_t)get(p, EVENT_REASON, 4);
	memset(out, 0, sizeof *out);
	out->missed = event & EVENTS_MISSED;
	event &= ~EVENTS_MISSED;
	out->at.target = p[EVENT_LUN + 1];
	out->at.lun = (uint16_t)((p[EVENT_LUN + 2] & 0x3f) << 8 | p[EVENT_LUN + 3]);
	if (p[EVENT_LUN] != LUN_SINGLE)
		return;
	if (event == EVENT_TRANSPORT_RESET)
		out->kind = reason == RESET_REMOVED ? VIRTIO_SCSI_EVENT_GONE
						    : VIRTIO_SCSI_EVENT_CAME;
	else if (event == EVENT_PARAM_CHANGE) {
		out->kind = VIRTIO_SCSI_EVENT_CHANGED;
		out->asc = (uint8_t)reason;
		out->ascq = (uint8_t)(reason >> 8);
	}
}

static const struct {
	const char *name;
	int err;
} responses[] = {
	[VIRTIO_SCSI_OK] = { "ok", 0 },
	[VIRTIO_SCSI_OVERRUN] = { "overrun", -EIO },
	[VIRTIO_SCSI_ABORTED] = { "aborted", -EIO },
	[VIRTIO_SCSI_BAD_TARGET] = { "no such target", -ENODEV },
	[VIRTIO_SCSI_RESET] = { "reset", -EIO },
	[VIRTIO_SCSI_BUSY] = { "busy", -EBUSY },
	[VIRTIO_SCSI_TRANSPORT_FAILURE] = { "transport failure", -EIO },
	[VIRTIO_SCSI_TARGET_FAILURE] = { "target failure", -EIO },
	[VIRTIO_SCSI_NEXUS_FAILURE] = { "nexus failure", -EIO },
	[VIRTIO_SCSI_FAILURE] = { "failure", -EIO },
	[VIRTIO_SCSI_FUNCTION_SUCCEEDED] = { "function succeeded", -EPROTO },
	[VIRTIO_SCSI_FUNCTION_REJECTED] = { "function rejected", -EPROTO },
	[VIRTIO_SCSI_INCORRECT_LUN] = { "incorrect unit", -EPROTO },
};

int
virtio_scsi_errno(enum virtio_scsi_response r)
{
	return (size_t)r < sizeof responses / sizeof responses[0] ? responses[r].err : -EPROTO;
}

const char *
virtio_scsi_response_name(enum virtio_scsi_response r)
{
	return (size_t)r < sizeof responses / sizeof responses[0] ? responses[r].name : "no answer";
}
