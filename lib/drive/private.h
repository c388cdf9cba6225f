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

/* port.c */
void drive_event(struct drive_port *p, unsigned event);
void drive_port_keep(struct drive_port *p, bool tick);
void drive_port_drop(struct drive_port *p, const char *why);
void drive_error(struct drive_port *p, const struct blk_io *io);

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
