/*
 * What the parts of the /dev/sd server share.  Private to lib/blk.
 *
 * Locks, in this order: server->lock (the disks, their tables, references), disk->idle_lock,
 * disk->writes_lock, memory->lock (free requests).  None is held while the driver or the 9P
 * library is called.
 */
#pragma once
#include <semaphore.h>
#include <stdatomic.h>
#include "blk.h"
#include "lux9/ipc.h"
#include "os_lock.h"

struct blk_file {               /* a partition; 0 is the whole disk */
	_Atomic uint32_t refs;  /* the table's and every fid's */
	atomic_bool gone;       /* no longer in the table: for fids that are still there */
	_Atomic uint32_t opens; /* fids that are open */
	_Atomic uint32_t busy;  /* requests that found it in the table and are not over */
	uint32_t number;
	uint32_t identity; /* a sum over the disk's, the sectors, the UUID, the medium */
	uint32_t medium;
	uint64_t start, nsectors;
	char uuid[37];
	char type[37], label[36 * 3 + 1]; /* under server->lock: a rescan may change them */
};

struct blk_req {
	struct blk_io io; /* first: what the driver gives back */
	struct blk_req *next, *prev;
	struct blk_memory *memory;
	struct blk_disk *disk;
	uint8_t *mem;
	uint64_t paddr;
	struct dma_seg seg;
	/* Instead of mem: a client's memory, and room for the part that one command moves. */
	const struct dma_seg *direct;
	struct dma_seg *part;
	uint32_t ndirect;
	uint32_t size; /* bytes of mem that may be asked for; the slack is not counted */
	enum blk_kind kind;
	bool partial;      /* a write that must first read sectors at its ends */
	bool by_writes;    /* zero: the driver cannot, and mem has zeros */
	unsigned *counted; /* pool.c: as one that is in use, of its disk or of what all share */
	uint8_t step;
	uint64_t first; /* the sectors that hold the bytes */
	uint64_t nsectors;
	uint64_t moved;       /* sectors done */
	uint32_t head, count; /* bytes before the data in the first sector; of data */
	const void *source;
	uint64_t began;
	/* Called once; a read's data is at mem + head.  It gives the request back. */
	void (*finish)(struct blk_req *, int error);
	void *aux;
};

struct blk_list {
	struct blk_req *head, *tail;
};

/* A request that is wanted: see blk_req_want. */
struct blk_want {
	struct blk_disk *disk;
	uint32_t bytes;            /* room for so many, or for as many as the largest has */
	const struct dma_seg *seg; /* not NULL: without a buffer, for these segments */
	uint32_t nsegs;
	const void *client;
	uint32_t held; /* bytes of data in memory until it goes */
	void (*go)(void *arg, struct blk_req *q);
	void *arg;
};

struct blk_waiter { /* pool.c's own */
	struct blk_want want;
	struct blk_waiter *next;
	uint64_t round;
	struct blk_req *got;
	sem_t *turn; /* of a thread that waits, instead of `go` */
};

enum blk_pool_kind { BLK_SMALL, BLK_BIG, BLK_BARE, BLK_NPOOLS };

struct blk_pool { /* buffers of one size */
	enum blk_pool_kind kind;
	struct blk_req *free;
	unsigned shared;            /* in use beyond the shares of their disks, */
	unsigned common;            /* at most; */
	unsigned share;             /* and what each disk has for itself */
	struct blk_waiter *waiting; /* in the order of their turns */
	uint64_t round;             /* of the one that had the last turn */
	unsigned total;
	bool full; /* asked for more in vain */
};

struct blk_share { /* of a disk: what it uses that no other may have */
	struct blk_share *next;
	bool taken;
	unsigned used[BLK_NPOOLS];
};

struct blk_memory {
	struct os_lock lock;
	struct blk_pool small, big, bare;       /* bare: for direct requests */
	int (*more)(void *arg, size_t bufsize); /* set before the first request */
	void *more_arg;
	bool growing;             /* more is running */
	bool telling;             /* one thread does it */
	struct blk_waiter *ready; /* whose turn it is, and who is to be told */
	unsigned nwaiting;        /* of those that no thread waits with */
	uint32_t held;            /* bytes of data that they hold */
	unsigned ndisks;          /* that use it */
	struct blk_share *shares;
	struct blk_chunk {
		struct blk_chunk *next;
		struct blk_req *req;
	} * chunks;
};

struct blk_kind_stats {
	_Atomic uint64_t requests, bytes, errors, cycles;
};

struct blk_disk {
	_Atomic uint32_t refs;
	atomic_bool gone;
	atomic_bool no_zero; /* the driver has a `zero`, and the device has not */
	struct blk_info info;
	const struct blk_ops *ops;
	void *drive;
	struct blk_server *server;
	uint32_t number;           /* in its name */
	uint32_t identity;         /* a sum over what it is: model, serial, size */
	_Atomic uint64_t nsectors; /* those of info; of a removable one, of its medium */
	_Atomic uint32_t medium;
	uint32_t shift; /* log2 of secsize */

	struct blk_share *share; /* of info.memory, which has it longer than the disk */

	/* Under server->lock. */
	struct blk_file *file[BLK_MAX_PARTS + 1];
	unsigned nfiles, nwaiters; /* nwaiters: threads that wait with a command */
	char table_text[2 * BLK_NOTES_MAX];

	pthread_mutex_t scan_lock; /* one rescan at a time; taken before all others */
	pthread_mutex_t idle_lock;
	pthread_cond_t idle; /* a file that is gone is no longer busy */

	struct os_lock writes_lock;      /* the next four */
	struct blk_list active, waiting; /* writes */
	unsigned npartial;               /* of both lists */
	uint64_t waits;                  /* writes that had to wait for another */

	_Atomic uint32_t inflight;
	struct blk_kind_stats stats[BLK_NKINDS];
	_Atomic uint64_t direct_bytes; /* that went without a copy */
};

struct blk_server {
	pthread_mutex_t lock;
	struct blk_disk *disk[BLK_MAX_DISKS];
	unsigned ndisks, nwaiters; /* nwaiters: as in all disks */
	void (*rescan)(void *arg);
	void *rescan_arg;
	int (*command)(void *arg, const char *text);
	void *command_arg;
	bool unlisted; /* sdctl: in no listing */
	uint64_t began_cycles, began_ns;
	uint64_t range_ns; /* BLK_RANGE_NS */
};

static inline uint64_t
blk_cycles(void)
{
	return __builtin_ia32_rdtsc();
}

/* Without a medium. */
static inline bool
blk_is_empty(const struct blk_disk *d)
{
	return d->info.removable && !d->nfiles;
}

/* What the open of its data promises: 0, or IPC_DIRECT_FILE. */
static inline uint64_t
blk_direct(const struct blk_disk *d)
{
	return d->info.direct
		       ? IPC_DIRECT_FILE(d->shift, __builtin_ctz(d->info.align), d->info.dma32)
		       : 0;
}

enum {
	BLK_KIND_BITS = 4,
	BLK_PART_SEGS = BLK_IO_MAX / 4096 + 1, /* a piece has no more: see struct blk_io */
	BLK_BARE_MAX = 64,                     /* direct requests at once */
	BLK_WAITERS_MAX = 3,                   /* threads that wait with commands of one disk, */
	BLK_WAITERS_ALL = 6,                   /* of all: drivers have eight threads */
	BLK_WAITING_MAX = 512,                 /* requests that wait for one without a thread, */
	BLK_HELD_MAX = 8 << 20,                /* with so many bytes to be written */
};

/* Of a range in ctl: bytes of its pieces, and after which time no further one is begun. */
#define BLK_ZERO_PIECE    (256ull << 20)
#define BLK_DISCARD_PIECE (64ull << 30)
#define BLK_RANGE_NS      (3ull * 1000000000)

/* server.c */
uint64_t blk_path(unsigned kind, const struct blk_disk *d, const struct blk_file *f);
void blk_file_put(struct blk_file *f);
/*
 * The file is busy from before it is seen to be in the table until blk_file_idle: a rescan waits
 * for that.  False, and it is not busy: it is no longer what was opened.
 */
bool blk_file_busy(struct blk_disk *d, struct blk_file *f);
void blk_file_idle(struct blk_disk *d, struct blk_file *f);
uint64_t blk_cycles_to_ns(const struct blk_server *s, uint64_t cycles);

/* pool.c */
/*
 * *w's first part is set, the rest zero.  `go` is called with such a request, at once or when it
 * is the client's turn, in any thread; with NULL when there is no memory for one without a buffer.
 */
void blk_req_want(const struct blk_want *w);
/* One with a buffer; waits for it. */
struct blk_req *blk_req_get(struct blk_disk *d, uint32_t bytes);
void blk_req_put(struct blk_req *q);
/* A disk begins, or ends, to use its memory. */
int blk_memory_join(struct blk_disk *d); /* -ENOMEM */
void blk_memory_leave(struct blk_disk *d);

/* request.c */
/*
 * The part of a list that begins `skip` bytes after its start and has at most `bytes` bytes and max
 * segments: how many bytes that are.  *n: its segments, in `to`.
 */
uint64_t blk_part_of(const struct blk_req *q, uint64_t skip, uint64_t bytes, unsigned *n);
/* kind, finish, aux and, for a write, source are set: does `count` bytes at byte `offset`. */
void blk_req_bytes(struct blk_req *q, uint64_t offset, uint32_t count);
void blk_req_sectors(struct blk_req *q, uint64_t first, uint64_t nsectors);

/* packet.c: what an open packet file keeps; the last answers a read or a write */
struct p9_req;
struct blk_answer *blk_answer_new(void);
void blk_answer_free(struct blk_answer *a);
void blk_answer_serve(struct blk_answer *a, struct blk_disk *d, struct p9_req *r);

/*
 * range.c: a command of ctl that is for a range of sectors, `discard` or `zero`, without that word.
 * 0, or a negative errno with the text in why, if there is more to say.
 */
int
blk_range_command(struct blk_disk *d, enum blk_kind kind, const char *args, char why[BLK_WHY_MAX]);

/* text.c: each returns the length, less than n */
size_t blk_text_sdctl(struct blk_server *s, char *buf, size_t n);
size_t blk_text_ctl(struct blk_disk *d, char *buf, size_t n);
size_t blk_text_geometry(const struct blk_disk *d, char *buf, size_t n);
size_t blk_text_stats(struct blk_disk *d, char *buf, size_t n);
size_t blk_text_table(const struct blk_table *t, char *buf, size_t n);
/* Of a command that waits in its thread for the disk; false: it was answered with EBUSY. */
bool blk_may_wait(struct p9_req *r, struct blk_disk *d);
void blk_has_waited(struct blk_disk *d);
/* One command written to ctl: 0, or a negative errno with the text in why. */
int blk_ctl_command(struct blk_disk *d, const char *text, char why[BLK_WHY_MAX]);
int blk_sdctl_command(struct blk_server *s, const char *text, char why[BLK_WHY_MAX]);
