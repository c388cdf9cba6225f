/* Server slots: what dev/sip.c (files) and dev/sip_slot.c (slots) share. */
#pragma once
#include "../cap.h"
#include "../chan.h"
#include "../proc.h"
#include "../service.h"

enum {
	SIP_SLOTS = 64, SIP_NAME = 32, SIP_PATH = 128, SIP_TEXT = 128, SIP_EXEC = 512,
	SIP_ARGS = 24, SIP_MOUNTS = 4, SIP_RESTARTS = 8, SIP_LOG_SIZE = 8192, SIP_LINE = 200,
	SIP_TYPES = 32, SIP_ENV = 4, SIP_COMMAND_MAX = 1024
};

enum sip_status {
	SIP_UNKNOWN, SIP_STARTING, SIP_HEALTHY, SIP_DEGRADED, SIP_FAILING, SIP_STOPPED, SIP_FAILED
};

struct restart {
	uint64_t end_ns, took_ns;	/* since boot; 0: not healthy again yet */
	char cause[SIP_TEXT];
};

struct slot {
	uint64_t id;			/* serial * SIP_SLOTS + index */
	char name[SIP_NAME], type[SIP_NAME];
	char exec[SIP_EXEC];		/* the command's words, with blanks between */
	bool typed;			/* they are the type's */
	char mounts[SIP_MOUNTS][SIP_TEXT];
	unsigned nmounts;
	struct cap_spec caps;
	uint64_t memory, deadline_ms, priority, interrupts;

	enum sip_status status;
	char message[SIP_TEXT], last[SIP_TEXT], cause[SIP_TEXT];
	char why[SIP_TEXT];		/* the cause, if it ends because it is killed now */
	int32_t pid;			/* 0: not running; SIP_SPAWNING */
	int32_t early_pid;		/* ended while it was being started */
	bool stopping;
	uint64_t start_ns, end_ns, last_ns, report_ns;
	uint64_t healthy_ns;		/* when it was so first; 0: not yet */
	uint32_t generation;
	uint64_t requests, errors;
	struct restart restarts[SIP_RESTARTS];	/* the latest, at nrestarts % SIP_RESTARTS */
	uint64_t nrestarts;
	uint64_t changes;		/* of status */

	char *log;			/* a ring of SIP_LOG_SIZE */
	uint64_t log_end;		/* bytes ever */
	char line[SIP_LINE];		/* for the kernel's log, until it ends */
	unsigned line_length;
};

#define SIP_SPAWNING (-1)

/* What a slot's status tells that is known elsewhere; asked before sip_lock is taken. */
struct slot_facts {
	uint64_t memory;
	struct service_stats stats;
};

extern struct spinlock sip_lock;

/* Ends the first word of text and gives what follows it. */
char *sip_split(char *text);

/* sip_slot.c, sip_report.c.  These need sip_lock held. */
struct slot *slot_at(unsigned index);	/* or NULL */
struct slot *slot_find(uint64_t id);	/* or NULL */
void slot_changed(struct slot *s);	/* wakes who waits */
void slot_status(const struct slot *s, struct text *t, const struct slot_facts *facts);
void slot_health(const struct slot *s, struct text *t);
void slot_log_copy(const struct slot *s, struct text *t);	/* of SIP_LOG_SIZE */
/* Adds a line of the kernel's own to the log, with the time. */
void slot_event(struct slot *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* These take it. */
int slot_new(uint64_t *id);
/* The slot's process with a reference, or NULL. */
struct proc *slot_proc(uint64_t id);
void slot_log(uint64_t id, const char *s, size_t n);
int slot_command(uint64_t id, char *text);
/* Lines `state S`, `message T`, `requests N`, `errors N`, `last T` of the server itself. */
int slot_report(uint64_t id, char *text);
int type_add(char *text);
void types_text(struct text *t, void *none);

/* sip.c: an open channel to a slot's log; reading it gives nothing. */
struct chan *sip_output_new(uint64_t id, const char *name);
