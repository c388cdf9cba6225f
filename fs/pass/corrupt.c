/*
 * Corruption of an answer that is about to go: one bit of what the client gets to see.
 *
 * Where an answer is a record, the bits that no dialect carries (padding) are left out.  The
 * library has kept what is true: only the client is told something else.
 */
#include "pass.h"

#include <stddef.h>

struct hole {
	size_t at, n;			/* bytes */
};

#define HOLES		3
#define HOLE(type, member) \
	{ offsetof(type, member), sizeof(((type *)0)->member) }
#define QID_HOLE	HOLE(struct ipc_qid, pad)

struct record {
	size_t size;
	struct hole hole[HOLES];	/* ascending; the first without length ends them */
};

static const struct record qid = { sizeof(struct ipc_qid), { QID_HOLE } };
static const struct record attr = { sizeof(struct ipc_attr), {
	{ offsetof(struct ipc_attr, qid) + offsetof(struct ipc_qid, pad),
	  sizeof(((struct ipc_qid *)0)->pad) }, HOLE(struct ipc_attr, pad),
} };
static const struct record fs = { sizeof(struct ipc_statfs), { HOLE(struct ipc_statfs, pad) } };
/* Of its type one byte; its flags are no answer's; of client as much as it has is told. */
static const struct record held_lock = { sizeof(struct ipc_lock), {
	{ 1, offsetof(struct ipc_lock, start) - 1 }, HOLE(struct ipc_lock, pad),
	HOLE(struct ipc_lock, client),
} };

void
pass_flip(void *data, size_t n, uint64_t bit)
{
	if (n > 0)
		((uint8_t *)data)[bit / 8 % n] ^= (uint8_t)(1u << bit % 8);
}

static void
flip_record(const struct record *rec, void *data, uint64_t bit)
{
	size_t n = rec->size, at;

	for (unsigned i = 0; i < HOLES; i++)
		n -= rec->hole[i].n;
	at = bit / 8 % n;
	for (unsigned i = 0; i < HOLES && rec->hole[i].n; i++)
		if (at >= rec->hole[i].at)
			at += rec->hole[i].n;
	((uint8_t *)data)[at] ^= (uint8_t)(1u << bit % 8);
}

void
pass_corrupt(struct p9_req *r, uint64_t bit)
{
	void *data = (void *)r->out.data;	/* the request's own room, as all of passfs's */

	switch (r->wire_type) {
	case IPC_TATTACH:
	case IPC_TLOPEN:
	case P9_TOPEN:
	case IPC_TLCREATE:
	case P9_TCREATE:
	case IPC_TMKDIR:
	case IPC_TSYMLINK:
	case IPC_TMKNOD:
		flip_record(&qid, &r->out.qid, bit);
		break;
	case IPC_TWALK:
		if (r->out.count > 0)
			flip_record(&qid, (struct ipc_qid *)data + bit / 128 % r->out.count, bit);
		break;
	case IPC_TGETATTR:
		flip_record(&attr, data, bit);
		break;
	case IPC_TSTATFS:
		flip_record(&fs, data, bit);
		break;
	case IPC_TLOCK:
		r->out.count ^= 1u << bit % 8;
		break;
	case IPC_TGETLOCK:
		flip_record(&held_lock, data, bit);
		break;
	case IPC_TREADDIR:
	case IPC_TREAD:			/* plain 9P2000: a directory's */
	case P9_TSTAT:
		pass_flip(data, r->out.length, bit);
		break;
	default:			/* nothing in it */
		break;
	}
}
