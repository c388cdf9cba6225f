/*
 * What the parts of lib/drive share.
 */
#pragma once
#include "drive.h"

enum drive_event {
	DRIVE_EVENT_ERROR = 1,
	DRIVE_EVENT_CHANGE = 2,
	DRIVE_EVENT_RESET = 4,
	DRIVE_EVENT_OPEN = 8, /* the last suspect is over */
};

/* queue.c; those without "q's lock" in their comment take it. */
void drive_send(struct drive_disk *d, struct blk_io *io);
void drive_io_done(struct blk_io *io, int err);
/* Of a blk_kind, or DRIVE_OWN. */
const char *drive_kind_name(unsigned kind);
/* "read of 8 at 100: WHY", in io->why. */
void drive_describe(struct blk_io *io, const char *why);
void drive_queue_open(struct drive_queue *q);
void drive_queue_close(struct drive_queue *q);
/* `reap` of a queue that is closed: what had ended before the port broke. */
void drive_queue_last(struct drive_queue *q);
void drive_list_append(struct drive_list *l, struct blk_io *io);
/* With q's lock: the command, or the first of a chain, off its tag. */
struct blk_io *drive_untag(struct drive_queue *q, unsigned tag);
/* With q's lock: what is in flight goes to the head of `again` of `to`; how many commands. */
unsigned drive_resend(struct drive_queue *q, struct drive_queue *to);
/* Of a disk, or of all (NULL), and those in flight too if asked, to the end of a list. */
void
drive_take(struct drive_queue *q, const struct drive_disk *d, bool flying, struct drive_list *out);
void drive_end_list(struct blk_io *list, int err, const char *why);
/* The command with the earliest deadline, if it is over at that time: its tag; -1. */
int drive_overdue(struct drive_queue *q, uint64_t now, unsigned *noverdue);

/* turns.c; all with q's lock */
/* The client's flow. */
unsigned drive_flow_of(struct drive_queue *q, const struct blk_io *io);
/* It waits there. */
void drive_to_flow(struct drive_queue *q, struct blk_io *io);
/* So many tags are in use that not every disk may have one. */
static inline bool
drive_is_scarce(const struct drive_queue *q)
{
	return q->nbusy >= q->depth - q->depth / DRIVE_LAST;
}

/* When they are scarce: its disk has others in flight, and leaves the tag to another's. */
bool drive_has_enough(const struct drive_queue *q, const struct blk_io *io);
/* Flows whose first command may be sent if there is a tag, as bits. */
uint32_t drive_flows_ready(const struct drive_queue *q);
/* That of them which has the next turn; there is one. */
struct drive_list *drive_flow_next(struct drive_queue *q, uint32_t may);
/* A large command, big_kib, is sent; is over. */
void drive_flow_enter(struct drive_queue *q, struct blk_io *io);
void drive_flow_left(struct drive_queue *q, const struct blk_io *io);

/* 0: not large. */
static inline uint32_t
drive_big_kib(const struct blk_io *io)
{
	const struct drive_disk *d = io->drive;
	uint64_t kib = io->kind <= BLK_WRITE ? (uint64_t)io->nsectors * d->info.secsize >> 10 : 0;

	return kib >= DRIVE_BIG_KIB ? (uint32_t)kib : 0;
}

/* port.c */
void drive_event(struct drive_port *p, unsigned event);
void drive_port_keep(struct drive_port *p, bool tick);
void drive_port_drop(struct drive_port *p, const char *why);
void drive_error(struct drive_port *p, const struct blk_io *io);
/* "0.31.2 port 3" */
void drive_label(const struct drive_port *p, char *out, size_t n);

/* lost.c: in the keeper's thread */
/* Once in DRIVE_TICK_MS.  False: something is in flight, and nothing has ended since the last. */
bool drive_lost_tick(struct drive_port *p);
/* Polls, if it is time; when the next time will be, in drive_clock_ms, or UINT64_MAX. */
uint64_t drive_lost_poll(struct drive_port *p);
void drive_lost_forget(struct drive_port *p); /* its disks have gone */

/* health.c: sip_server_ops.health */
int drive_health(struct sip_server *s);

/* packet.c */
void drive_packet_show(struct drive_disk *d);
/* Until the disk is gone; nothing if it was not shown. */
void drive_packet_serve(struct drive_disk *d);
void drive_packet_gone(struct drive_disk *d);
void drive_packet_free(struct drive_disk *d); /* nothing, if it has no packets */

/* disk.c */
void drive_command_over(struct drive_command *c, int err);
void drive_disk_put(struct drive_disk *d);
/* False: no thread for it. */
bool drive_disk_start_adder(struct drive_disk *d);

/* ctlr.c */
void drive_ctlr_get(struct drive_ctlr *c);
void drive_ctlr_put(struct drive_ctlr *c);
uint64_t drive_clock_ms(void);
