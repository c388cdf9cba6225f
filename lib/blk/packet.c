/*
 * The packet file: one write is one command for the device, the next reads are its answer.
 *
 * What is written, little-endian, at any offset:
 *
 *	0	1	direction: 0 no data, 1 from the device, 2 to it
 *	1	1	bytes of the command: 6, 10, 12 or 16
 *	2	2	0
 *	4	4	bytes of data
 *	8	4	milliseconds that the device has: 0 is 10000, at most 600000
 *	12	4	0
 *	16	16	the command; what it does not use is 0
 *	32		the data, to the device only
 *
 * What is read:
 *
 *	0	1	SCSI's status: 0 good, 2 check condition
 *	1	1	bytes of sense data
 *	2	2	0
 *	4	4	bytes of data that were moved
 *	8	32	sense data
 *	40		the data, from the device only
 *
 * A read goes on where the last one ended, whatever its offset, and the first after a command
 * begins at the answer's beginning: a descriptor that was written stands behind the command.  A
 * read at offset 0 always begins there.
 *
 * The answer belongs to the open file, and is kept until its next command.  A command that is sent
 * again after a driver's death is carried out again; the answer of one before is gone.
 *
 * Lock: answer->lock, for what it has; held while the command runs, so that an open file has one
 * at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "disk.h"
#include "p9_srv.h"

enum {
	REQUEST_HEAD = 32,
	ANSWER_HEAD = 40,
	DEFAULT_MS = 10000,
	LONGEST_MS = 600000,
	DIRECTION_NONE = 0,
	DIRECTION_IN,
	DIRECTION_OUT,
};

struct blk_answer {
	pthread_mutex_t lock;
	uint8_t *bytes; /* NULL: none */
	size_t n, at;   /* at: where the next read begins */
};

struct blk_answer *
blk_answer_new(void)
{
	struct blk_answer *a = calloc(1, sizeof *a);

	if (a)
		pthread_mutex_init(&a->lock, NULL);
	return a;
}

void
blk_answer_free(struct blk_answer *a)
{
	pthread_mutex_destroy(&a->lock);
	free(a->bytes);
	free(a);
}

static uint32_t
le32(const uint8_t *b)
{
	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void
put_le32(uint8_t *b, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		b[i] = (uint8_t)(v >> 8 * i);
}

/* NULL, or what is wrong. */
static const char *
decode(const uint8_t *b, size_t n, struct blk_packet *p)
{
	uint32_t data;

	if (n < REQUEST_HEAD)
		return "a command has 32 bytes";
	data = le32(b + 4);
	*p = (struct blk_packet){ .cdb_len = b[1], .out = b[0] == DIRECTION_OUT, .bytes = data };
	memcpy(p->cdb, b + 16, sizeof p->cdb);
	p->timeout_ms = le32(b + 8) ? le32(b + 8) : DEFAULT_MS;
	if (b[0] > DIRECTION_OUT || b[2] || b[3] || le32(b + 12))
		return "neither a direction nor zeros";
	if (b[1] != 6 && b[1] != 10 && b[1] != 12 && b[1] != 16)
		return "a command's length is 6, 10, 12 or 16";
	for (unsigned i = b[1]; i < BLK_CDB_MAX; i++)
		if (p->cdb[i])
			return "the command is longer than it says";
	if (p->timeout_ms > LONGEST_MS)
		return "at most 600000 ms";
	if (data > BLK_PACKET_MAX)
		return "at most 65536 bytes of data";
	if ((b[0] == DIRECTION_NONE) != (data == 0))
		return "data without a direction, or the reverse";
	if (n != REQUEST_HEAD + (p->out ? data : 0))
		return "more or fewer bytes than the command says";
	return NULL;
}

/* With the lock. */
static int
run(struct blk_answer *a, struct blk_disk *d, struct blk_packet *p, const uint8_t *data)
{
	uint8_t *bytes = calloc(1, ANSWER_HEAD + (size_t)p->bytes);
	int err;

	if (!bytes)
		return -ENOMEM;
	p->data = bytes + ANSWER_HEAD;
	if (p->out)
		memcpy(p->data, data, p->bytes);
	err = d->ops->packet(d->drive, p);
	if (err < 0) {
		free(bytes);
		return err;
	}
	if (p->moved > p->bytes)
		p->moved = p->bytes;
	if (p->sense_len > BLK_SENSE_MAX)
		p->sense_len = BLK_SENSE_MAX;
	bytes[0] = p->status;
	bytes[1] = p->sense_len;
	put_le32(bytes + 4, p->moved);
	memcpy(bytes + 8, p->sense, p->sense_len);
	a->bytes = bytes;
	a->n = ANSWER_HEAD + (p->out ? 0 : p->moved);
	a->at = 0;
	return 0;
}

static void
do_command(struct blk_answer *a, struct blk_disk *d, struct p9_req *r)
{
	struct blk_packet p;
	const char *wrong = decode(r->data, r->in.count, &p);
	int err;

	if (wrong) {
		p9_fail(r, EINVAL, "%s: packet: %s", d->info.name, wrong);
		return;
	}
	if (atomic_load(&d->gone)) {
		p9_fail(r, ENODEV, "%s: disk is gone", d->info.name);
		return;
	}
	pthread_mutex_lock(&a->lock);
	free(a->bytes);
	a->bytes = NULL;
	err = run(a, d, &p, (const uint8_t *)r->data + REQUEST_HEAD);
	pthread_mutex_unlock(&a->lock);
	if (err < 0)
		p9_fail(r, err, NULL);
	else
		p9_reply_count(r, r->in.count);
}

static void
read_answer(struct blk_answer *a, struct p9_req *r)
{
	pthread_mutex_lock(&a->lock);
	if (a->bytes) {
		size_t at = r->in.offset ? a->at : 0, left = a->n - at;

		a->at = at + (left < r->in.count ? left : r->in.count);
		p9_reply_data(r, a->bytes + at, left);
	} else
		p9_fail(r, ENODATA, "packet: no command was given");
	pthread_mutex_unlock(&a->lock);
}

void
blk_answer_serve(struct blk_answer *a, struct blk_disk *d, struct p9_req *r)
{
	if (r->in.type == IPC_TWRITE)
		do_command(a, d, r);
	else
		read_answer(a, r);
}
