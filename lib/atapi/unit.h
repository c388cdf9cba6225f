/*
 * What the parts of a unit share.  Private to lib/atapi.
 *
 * Locks, in this order: look_lock (one look at the medium at a time), lock (queue, medium, texts).
 * None is held while the transport or lib/blk is called, but look_lock: while a look goes on.
 */
#pragma once
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include "atapi.h"

/* A command that is not a read: of the keeper, of ctl, of the packet file. */
struct atapi_job {
	struct atapi_packet p;
	uint8_t *data; /* in: where to; out: where from */
	struct atapi_job *next;
	bool done;
	bool own;                 /* the keeper's, which needs not be told of its news */
	int result;               /* 0 went well, 1 see sense, or a negative errno */
	struct atapi_sense sense; /* all 0 if result is not 1 */
	uint8_t raw[ATAPI_SENSE_SIZE];
	unsigned raw_len;
};

enum { ATAPI_UNIT_TEXT = 4096 };

struct atapi_unit {
	_Atomic unsigned refs; /* its owner's, and one for each disk that lib/blk still has */
	struct atapi_config c;
	struct blk_disk *disk;
	pthread_t worker, keeper;
	bool has_keeper;
	bool events; /* it has GET EVENT STATUS NOTIFICATION; the keeper's */
	pthread_mutex_t look_lock;
	uint64_t nsectors; /* of the medium that was shown; under look_lock */
	uint32_t sum;

	pthread_mutex_t lock;
	pthread_cond_t work, over, news; /* for the worker; jobs' ends; for the keeper */
	bool running, stopping, look;
	struct blk_io *head, *tail;
	struct atapi_job *job, *job_tail;
	struct atapi_medium medium;
	bool locked;
	uint64_t commands, checks, retries, failures;
	char last_error[BLK_WHY_MAX];
	char about[ATAPI_UNIT_TEXT]; /* the medium: lines of ctl */
};

/* unit.c */
/* Queues the job and waits for its end: its result. */
int atapi_unit_run(struct atapi_unit *u, struct atapi_job *j);
void
atapi_unit_log(struct atapi_unit *u, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* keep.c */
/* Looks at the medium, and shows what is found.  True if it is still coming. */
bool atapi_unit_look(struct atapi_unit *u);
/* The capacity and what is on it, for a disk that is not yet added. */
int atapi_unit_first_look(struct atapi_unit *u);
void *atapi_unit_keep(void *unit);

/* text.c */
size_t atapi_unit_describe(void *unit, char *buf, size_t n);
size_t atapi_unit_statistics(void *unit, char *buf, size_t n);
int atapi_unit_command(void *unit, const char *text);
