/*
 * Block devices: partition tables, and the /dev/sd tree over a driver's four functions.
 *
 * The first half is pure: it reads sectors through a callback and decodes MBR (with extended
 * partitions) and GPT.  The second half serves disks.  A driver makes one blk_server, gives it
 * DMA memory, and adds a blk_disk for every disk that it finds; the tree, the partitions,
 * unaligned access and the statistics are done here.
 */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dma_seg.h"

/* --- lib/blk/{scan,mbr,gpt}.c: partition tables ---------------------------------------------- */

enum {
	BLK_MAX_PARTS = 256, /* of one disk; the rest are refused with a note */
	BLK_MIN_SECTOR = 512,
	BLK_MAX_SECTOR = 4096,
	BLK_NOTES_MAX = 4096,
};

enum blk_table_kind { BLK_TABLE_NONE, BLK_TABLE_MBR, BLK_TABLE_GPT };

struct blk_part {
	uint64_t start, nsectors; /* logical sectors; wholly inside the disk */
	uint32_t number;          /* 1 and up, as Linux numbers them */
	bool container;           /* an extended partition: holds others, is no file itself */
	bool bootable;
	uint8_t mbr_type; /* MBR only, as the next two: the sector and slot of its entry */
	uint8_t entry_slot;
	uint64_t entry_sector;
	uint64_t attributes; /* GPT only, as the next two */
	char type_uuid[37];
	char uuid[37];          /* MBR: signature-NN, as Linux's PARTUUID */
	char label[36 * 3 + 1]; /* UTF-8; control characters and '/' become '_' */
};

struct blk_table {
	enum blk_table_kind kind;
	char uuid[37]; /* of the disk: GPT's GUID or MBR's signature */
	unsigned nparts;
	struct blk_part part[BLK_MAX_PARTS]; /* none overlaps another but for containers */
	unsigned nrefused;
	unsigned nlost; /* links of an extended partition that were refused */
	/* What was refused, or must be repaired, and why, one a line; at the end, how many more. */
	char notes[BLK_NOTES_MAX];
	unsigned nhidden; /* notes that had no room */
};

/* Reads whole sectors: 0, or a negative errno. */
typedef int (*blk_read_fn)(void *ctx, uint64_t sector, uint32_t nsectors, void *buf);

/*
 * Reads the partition table of a disk of nsectors sectors of secsize bytes (512..4096, a power
 * of two).  Returns 0 (also for a disk without a table), -EINVAL for a bad secsize, or what
 * `read` failed with for sector 0.  Damage elsewhere costs partitions, never the call: it is told
 * in out->notes.  At most 1 MiB of heap for the time of the call; -ENOMEM without.
 */
int blk_scan_partitions(blk_read_fn read, void *ctx, uint64_t nsectors, uint32_t secsize,
			struct blk_table *out);
/* The partition with that number that is not a container, or NULL. */
const struct blk_part *blk_find_part(const struct blk_table *t, uint32_t number);
/* IEEE 802.3, as GPT uses it: start with 0; a result may be passed on as the next start. */
uint32_t blk_crc32(uint32_t crc, const void *data, size_t n);

/* --- lib/blk/{server,request,tree,text}.c: the /dev/sd tree ---------------------------------- */

enum {
	BLK_IO_MAX = 1 << 20, /* bytes of one read or write; longer ones are cut short */
	BLK_BUF_SLACK = 2 * BLK_MAX_SECTOR, /* for the sectors at both ends of unaligned data */
	BLK_BUF_SMALL = (64 << 10) + BLK_BUF_SLACK,
	BLK_BUF_BIG = BLK_IO_MAX + BLK_BUF_SLACK,
	BLK_MAX_DISKS = 64,
	BLK_NUMBER_BITS = 14, /* of the number in a disk's name, and of a partition's */
	BLK_WHY_MAX = 96,
};

/* Of the packet file: what one command can move, and what a device can say of an error. */
enum { BLK_PACKET_MAX = 64 << 10, BLK_CDB_MAX = 16, BLK_SENSE_MAX = 32 };

enum blk_kind { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_ZERO, BLK_NKINDS };

/*
 * One command for the driver: a run of whole sectors inside the disk, at most what blk_info
 * allows.  The device finds the data in `seg`, the processor in `data`; together the segments are
 * as long as the sectors.  They are virtually contiguous memory: all but the first begin, and all
 * but the last end, at a page's edge (4 KiB).  Their addresses are multiples of blk_info.align.
 */
struct blk_io {
	enum blk_kind kind;
	uint32_t nsectors; /* 0 for a flush */
	uint64_t sector;
	const struct dma_seg *seg; /* discard, zero: one of BLK_BUF_SMALL bytes for the driver */
	unsigned nsegs;            /* at most blk_info.max_segs; 0 for a flush */
	void *data;                /* NULL: somebody else's memory, if blk_info.direct */
	char why[BLK_WHY_MAX];     /* set by the driver before blk_done with an error */
	const void *client;        /* who asks: only to tell one from another */
	bool fua;                  /* a write is not over before it is on the medium */

	/* The driver's own (lib/drive). */
	struct blk_io *next, *chain; /* chain: further discards of the same command */
	void *drive;
	uint32_t tries, tag;
	uint32_t flow, big_kib;
	uint64_t deadline, since_ms; /* since: when the request came here first; 0: it has not */
	int error;
};

/* A command that is passed through to a device that takes SCSI's. */
struct blk_packet {
	uint8_t cdb[BLK_CDB_MAX];
	uint8_t cdb_len; /* 6, 10, 12 or 16 */
	bool out;        /* the data goes to the device */
	uint32_t bytes;  /* of data; at most BLK_PACKET_MAX */
	uint32_t timeout_ms;
	uint8_t *data;

	/* The answer. */
	uint8_t status; /* SCSI's: 0 good, 2 check condition */
	uint8_t sense_len, sense[BLK_SENSE_MAX];
	uint32_t moved; /* of `bytes` */
};

/*
 * The driver's functions.  Each of the first five starts a command and returns; blk_done must be
 * called once for it, from any thread (also before it returns), in bounded time.  No lock is held
 * while they run.  They may still be called for a while after blk_remove_disk.
 */
struct blk_ops {
	void (*read)(void *drive, struct blk_io *io);
	void (*write)(void *drive, struct blk_io *io);
	void (*flush)(void *drive,
		      struct blk_io *io); /* all that was done before is on the medium */
	void (*discard)(void *drive, struct blk_io *io); /* NULL: cannot */
	/* They read as zeros; their room may be given up.  NULL, or an end with -EOPNOTSUPP: it
	 * cannot, and lib/blk writes zeros. */
	void (*zero)(void *drive, struct blk_io *io);
	/* Optional.  A ctl command that is not blk's own: 0, -EINVAL for an unknown one; for other
	 * errors a text may be set with os_set_errstr. */
	int (*command)(void *drive, const char *text);
	/* Optional: further lines of ctl, or of stats; the length. */
	size_t (*describe)(void *drive, char *buf, size_t n);
	size_t (*statistics)(void *drive, char *buf, size_t n);
	/* Optional.  None of them will be called with `drive` again; also if blk_add_disk fails. */
	void (*release)(void *drive);
	/* Optional: the disk has a packet file.  Waits for the end: 0 if the device answered. */
	int (*packet)(void *drive, struct blk_packet *p);
};

/* How much of what snprintf(buf, n, ...) has printed is in buf: for describe and statistics. */
static inline size_t
blk_printed(int printed, size_t n)
{
	return printed < 0 || !n ? 0 : (size_t)printed < n ? (size_t)printed : n - 1;
}

struct blk_memory;

struct blk_info {
	char name[16]; /* "sdC0"; no two disks of a server have the same number */
	char model[48], serial[24], firmware[16], features[128];
	uint64_t nsectors;
	uint32_t secsize, physsecsize;
	uint32_t max_sectors;     /* of a read or write; at least 8 */
	uint32_t discard_sectors; /* of a discard; 0: no limit, as the next */
	uint32_t zero_sectors;
	uint32_t queue_depth;
	uint32_t max_segs; /* of a read or write; 0 is taken as 1 */
	uint32_t align;    /* of a segment's address: a power of 2 up to 512; 0 is taken as 512 */
	bool direct;       /* the driver never looks at `data` of a read or write; max_segs >= 2 */
	bool dma32;        /* then: only segments below 4 GiB */
	uint32_t cylinders, heads, sectors_per_track;
	bool readonly;
	bool removable;  /* media come and go, see blk_set_medium; nsectors may be 0: none is in */
	bool whole;      /* no partition table is looked for */
	uint32_t medium; /* removable: as for blk_set_medium */
	struct blk_memory *memory;
};

struct blk_server;
struct blk_disk;
struct p9_srv_ops;

/* The tree: p9_srv.aux must be the blk_server. */
extern const struct p9_srv_ops blk_p9_ops;

/* NULL: out of memory.  rescan: the driver's part of `rescan` in sdctl; may be NULL. */
struct blk_server *blk_server_new(void (*rescan)(void *arg), void *arg);
/* Further commands of sdctl: 0, -ENOENT for an unknown one, or an error with a text (os_errstr). */
void
blk_server_commands(struct blk_server *s, int (*command)(void *arg, const char *text), void *arg);
/* sdctl is there, but not listed in its directory: another server's is, which stands for all. */
void blk_server_unlist(struct blk_server *s, bool unlisted);
/* When no request is running and every disk is removed. */
void blk_server_free(struct blk_server *s);
/*
 * Memory for the requests of one controller's disks.  It is cut into buffers of BLK_BUF_SMALL or
 * BLK_BUF_BIG, which the driver owns and keeps until blk_memory_free, after the last disk's end.
 * There must be a small one, or blk_memory_grows, before a disk is added.  add: the number of
 * buffers, or -ENOMEM.
 */
struct blk_memory *blk_memory_new(void);
void blk_memory_free(struct blk_memory *m);
int blk_memory_add(struct blk_memory *m, void *vaddr, uint64_t paddr, size_t bytes, size_t bufsize);
/*
 * more: called when a buffer of that size is wanted and none is free, one call at a time, in the
 * thread that wants it.  It adds some, or says with a negative errno that there will be no more.
 */
void blk_memory_grows(struct blk_memory *m, int (*more)(void *arg, size_t bufsize), void *arg);

/*
 * Adds a disk, reads its partition table and shows it.  Sleeps: not for the thread that finishes
 * commands.  -EINVAL for sizes that cannot be, -EEXIST for a number that another has, -ENOSPC,
 * -ENOMEM.
 */
int blk_add_disk(struct blk_server *s, const struct blk_info *info, const struct blk_ops *ops,
		 void *drive, struct blk_disk **out);
/* It is gone for everybody at once.  The driver then ends its commands with -ENODEV. */
void blk_remove_disk(struct blk_disk *d);
/* A disk that is used after it may have been removed must be kept: its last reference frees it. */
void blk_disk_get(struct blk_disk *d);
void blk_disk_put(struct blk_disk *d);
/*
 * Another medium is in a removable disk: so many sectors, and a sum over what is known of it.  0
 * sectors: none.  Files of the one before get errors, unless it is the same, and their requests
 * are over when it returns.  Sleeps.  -EINVAL for a size that cannot be, -ENOMEM: then no medium
 * is in.
 */
int blk_set_medium(struct blk_disk *d, uint64_t nsectors, uint32_t medium);
/* Reads the table again; partitions that are the same stay open.  Sleeps. */
int blk_rescan(struct blk_disk *d);
/* The end of a command: 0 or a negative errno. */
void blk_done(struct blk_io *io, int error);
/* Reads or writes whole sectors (or flushes, discards, zeroes) and waits for the end. */
int blk_sync(struct blk_disk *d, enum blk_kind kind, uint64_t sector, uint32_t nsectors, void *buf);
