/*
 * The packet file of disks: a client's own command [SPC-4; SBC-3], in its turn among the others.
 *
 * It is not tried again after a reset or a unit attention: who gave it knows what it means.  One
 * after which the disk may be another than the driver knows has the keeper look at it.  And
 * `standby` of ctl, which is such a command of the driver's own.
 */
#include <errno.h>
#include <string.h>
#include "os.h"
#include "virtioscsi.h"

struct block { /* of drive_command */
	uint8_t cdb[SCSI_CDB_MAX];
	uint32_t cdb_bytes;
};

struct result {
	uint32_t moved;
	uint8_t status, sense_bytes, sense[BLK_SENSE_MAX];
};

_Static_assert(sizeof(struct block) <= DRIVE_BLOCK_MAX, "the block of a command");
_Static_assert(sizeof(struct result) <= DRIVE_BLOCK_MAX, "its result");

unsigned
vscsi_packet_build(const struct blk_io *io, uint8_t cdb[SCSI_CDB_MAX])
{
	struct block b;

	memcpy(&b, ((const struct drive_command *)io)->block, sizeof b);
	memcpy(cdb, b.cdb, sizeof b.cdb);
	return b.cdb_bytes;
}

static bool
changes_the_disk(uint8_t opcode)
{
	static const uint8_t list[] = { SCSI_FORMAT_UNIT, SCSI_MODE_SELECT_6, SCSI_START_STOP,
					SCSI_SANITIZE, SCSI_MODE_SELECT_10 };

	return memchr(list, opcode, sizeof list) != NULL;
}

bool
vscsi_packet_ended(struct blk_io *io, const struct virtio_scsi_answer *a)
{
	struct drive_command *c = (struct drive_command *)io;
	struct result r = { .status = a->status };
	struct block b;

	memcpy(&b, c->block, sizeof b);
	r.moved = a->residual < c->bytes ? c->bytes - a->residual : 0;
	if (a->status != SCSI_GOOD) {
		r.sense_bytes = a->sense_bytes < sizeof r.sense ? a->sense_bytes : sizeof r.sense;
		memcpy(r.sense, a->sense, r.sense_bytes);
	}
	memcpy(c->result, &r, sizeof r);
	return a->status == SCSI_GOOD && changes_the_disk(b.cdb[0]);
}

int
vscsi_packet_within(struct drive_disk *d, struct blk_packet *p, unsigned wait_ms)
{
	struct drive_command c = { .io.tries = DRIVE_TRIES - 1,
				   .bytes = p->bytes,
				   .write = p->out,
				   .timeout_ms = p->timeout_ms };
	struct block b = { .cdb_bytes = p->cdb_len };
	struct result r;
	int err;

	memcpy(b.cdb, p->cdb, sizeof b.cdb);
	memcpy(c.block, &b, sizeof b);
	err = drive_command_within(d, &c, p->data, wait_ms);
	if (err < 0)
		return err;
	memcpy(&r, c.result, sizeof r);
	p->status = r.status;
	p->moved = r.moved;
	p->sense_len = r.sense_bytes;
	memcpy(p->sense, r.sense, r.sense_bytes);
	return 0;
}

int
vscsi_packet(struct drive_disk *d, struct blk_packet *p)
{
	return vscsi_packet_within(d, p, 0);
}

/*
 * START STOP UNIT's power condition: from this one the next command on the medium brings the unit
 * back, from a stop only another START STOP UNIT [SBC-3, 5.25].
 */
enum { STANDBY = 3 << 4 };

int
vscsi_command(struct drive_disk *d, const char *text)
{
	struct blk_packet p = { .cdb = { SCSI_START_STOP, [4] = STANDBY },
				.cdb_len = 6,
				.timeout_ms = VSCSI_ASK_MS };
	int err;

	if (strcmp(text, "standby") != 0)
		return -EINVAL;
	err = vscsi_packet(d, &p);
	if (err < 0 || p.status == SCSI_GOOD)
		return err;
	os_set_errstr("%s: the unit refuses standby", d->info.name);
	return -EOPNOTSUPP;
}
