/*
 * ISO 9660 with Rock Ridge or Joliet, read-only: what the parts of this file server offer each
 * other.
 *
 * Layers, each calling only those above it: err, drive; cache; record (bytes), name, time; rock;
 * volume; dir; node; file.  serve.c turns them into 9P.  No call trusts the disc: -EUCLEAN names
 * what is damaged, -EIO is a device's refusal.  The text for people is iso_error_text(), per
 * thread.
 *
 * Sections are those of ECMA-119 (ISO 9660), SUSP 1.12 (IEEE P1281) and RRIP 1.12 (IEEE P1282).
 *
 * Locks: iso_cache.lock alone; it is not held over device input.  Nodes do not change once made.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "blk_source.h"

struct iso_fs;

enum {
	ISO_SECTOR = 2048,
	ISO_NAME_MAX = 255,
	ISO_LINK_MAX = 4095,
	ISO_EXTENTS_MAX = 256, /* of one file: 1 TiB */
	ISO_DEPTH_MAX = 256,   /* of directories */
};

/* --- err.c ------------------------------------------------------------------------------------ */

/* Keeps the text for this thread; its value is -error. */
#define iso_error(error, ...) (iso_set_error(__VA_ARGS__), -(error))
void iso_set_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *iso_error_text(void);

/* --- drive.c --------------------------------------------------------------------------------- */

/* Of a drive's disk under /dev/sd: the sector where the last session of its disc begins; or 0. */
uint32_t iso_drive_session(const char *path);

/* --- cache.c ---------------------------------------------------------------------------------- */

enum { ISO_LINE = 64 << 10, ISO_CACHE_DEFAULT = 4 << 20, ISO_CACHE_MIN = 4 * ISO_LINE };

struct iso_line {
	uint64_t at; /* a multiple of ISO_LINE */
	uint32_t n;  /* fewer at the device's end */
	uint32_t refs;
	bool valid, loading, recent;
	uint8_t *data;
};

struct iso_cache {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a line was loaded, or let go */
	struct iso_line *line;
	uint32_t nlines, hand, last; /* last: the line that was found last */
	uint8_t *memory;
};

int iso_cache_init(struct iso_fs *fs, size_t bytes);
void iso_cache_free(struct iso_fs *fs);
/* n bytes of the device at off.  -EUCLEAN past its end. */
int iso_read(struct iso_fs *fs, uint64_t off, void *buf, size_t n);

/* --- record.c: directory records and dates [ECMA-119, 9.1] ----------------------------------- */

enum { /* flags of a record [9.1.6] */
       ISO_FLAG_HIDDEN = 1,
       ISO_FLAG_DIR = 2,
       ISO_FLAG_ASSOCIATED = 4,
       ISO_FLAG_MORE = 0x80, /* not the last extent of its file */
};

enum { ISO_RECORD_MIN = 34, ISO_RECORD_MAX = 255, ISO_DATE = 7, ISO_DATE_LONG = 17 };

struct iso_record {
	uint8_t len, flags, ear, unit, gap, name_len;
	uint32_t block, bytes;
	const uint8_t *name, *system; /* into the bytes that were decoded */
	uint8_t system_len;
	int64_t time; /* seconds since 1970 */
};

/*
 * One record at p, of at most `left` bytes, whose length is not 0.  -EUCLEAN, with text.  check:
 * fields in both byte orders must be equal.
 */
int iso_record_decode(const uint8_t *p, size_t left, bool check, struct iso_record *out);
/* A field of 4 bytes in both orders.  False if they differ; *v is the little-endian one. */
bool iso_both32(const uint8_t *p, uint32_t *v);
bool iso_both16(const uint8_t *p, uint32_t *v);
/* [9.1.5] and [8.4.26.1]; 0 for none, or one that cannot be. */
int64_t iso_date(const uint8_t b[ISO_DATE]);
int64_t iso_date_long(const uint8_t b[ISO_DATE_LONG]);

/* --- name.c ---------------------------------------------------------------------------------- */

/* Each gives the length; out is NUL-terminated.  0: not a name that a file can have. */

/* "README.TXT;1" is readme.txt [7.5.1]; other versions keep their number. */
size_t iso_name_plain(const uint8_t *p, size_t n, char out[ISO_NAME_MAX + 1]);
/*
 * UTF-16, big-endian.  What cannot be in a name, and half of a pair, becomes '_'.  A name longer
 * than ISO_NAME_MAX is cut, and ends with `~` and `at` in hexadecimal digits.
 */
size_t iso_name_joliet(const uint8_t *p, size_t n, uint64_t at, char out[ISO_NAME_MAX + 1]);
/* Not empty, neither "." nor "..", without '/' and 0. */
bool iso_name_ok(const char *name, size_t n);

/* --- rock.c: system use areas ---------------------------------------------------------------- */

enum iso_zone {
	ISO_TIME_CREATION,
	ISO_TIME_MODIFY,
	ISO_TIME_ACCESS,
	ISO_TIME_ATTRIBUTES,
	ISO_NTIMES
};

struct iso_rock {
	bool has_mode;   /* PX */
	bool has_device; /* PN */
	bool is_child;   /* CL: a directory that stands elsewhere */
	bool is_moved;   /* RE: stands here only because it had to stand somewhere */
	bool has_parent; /* PL */
	bool compressed; /* ZF */
	bool sparse;     /* SF */
	uint32_t mode, nlink, uid, gid;
	uint64_t rdev;
	uint32_t child, parent; /* blocks */
	unsigned has_times;     /* bits of iso_zone */
	int64_t time[ISO_NTIMES];
	char algorithm[3]; /* of ZF */

	/* While it is read: */
	bool name_over, link_joins, link_over, stopped;
	uint32_t ce_block, ce_offset, ce_bytes;

	/* Last, since of these only the first byte is made 0. */
	size_t name_len; /* 0: none */
	size_t link_len;
	char name[ISO_NAME_MAX + 1];
	char link[ISO_LINK_MAX + 1];
};

/* The system use area of a record, and where it goes on.  -EUCLEAN, with text. */
int iso_rock_read(struct iso_fs *fs, const uint8_t *system, size_t n, struct iso_rock *out);
void iso_rock_clear(struct iso_rock *r);
/* An SP entry at the begin of the root's area: how many bytes each area has before it; or -1. */
int iso_rock_skip(const uint8_t *system, size_t n);

/* --- volume.c -------------------------------------------------------------------------------- */

enum iso_kind { ISO_PLAIN, ISO_ROCK, ISO_JOLIET };

struct iso_options {
	size_t cache_bytes; /* 0: the default */
	bool norock, nojoliet;
	bool hide;    /* files with the hidden flag are not shown */
	bool nocheck; /* fields in both byte orders may differ */
	bool has_session;
	uint32_t session;       /* a sector; with has_session */
	uint32_t drive_session; /* else: where the drive says that the last one begins; 0 */
};

struct iso_volume { /* one descriptor [8.4, 8.5] */
	bool joliet;
	uint32_t block_size, nblocks;
	uint32_t root_block, root_bytes;
	char label[3 * 16 + 33];
};

/* Decodes a sector.  0; -ENOENT: neither a primary nor a Joliet one; -EUCLEAN, -ENOTSUP. */
int iso_volume_decode(const uint8_t sector[ISO_SECTOR], bool check, struct iso_volume *out);

/*
 * Where to begin looking for a name: a directory's block << 32 | position.  Names are mostly looked
 * up in the order in which they stand.
 */
enum { ISO_HINTS = 64 };

struct iso_fs {
	struct blk_source dev;
	struct iso_options opt;
	struct iso_cache cache;
	struct iso_volume volume; /* the one whose tree is served */
	enum iso_kind kind;
	uint32_t session; /* the sector where it begins */
	uint64_t root;    /* bytes */
	unsigned skip;    /* of each system use area */
	atomic_uint_fast64_t hint[ISO_HINTS];
};

/* On error nothing stays allocated.  Frees with iso_unmount. */
int iso_mount(struct iso_fs *fs, const struct blk_source *dev, const struct iso_options *opt);
void iso_unmount(struct iso_fs *fs);
const char *iso_kind_name(enum iso_kind kind);

/* --- node.c ---------------------------------------------------------------------------------- */

struct iso_extent {
	uint64_t off, bytes; /* of the device */
};

struct iso_node {
	struct iso_fs *fs;
	atomic_uint refs;
	uint64_t id; /* where its record is; of a directory, where that begins */
	uint32_t mode, nlink, uid, gid;
	uint64_t rdev, size;
	int64_t mtime, atime, ctime, btime;
	bool has_btime;
	uint64_t parent;     /* of a directory: the id of its parent, as it says itself */
	struct iso_node *up; /* of a directory: where it was found, with a reference; or NULL */
	int refused;         /* why its contents cannot be read: an errno, or 0 */
	char why[96];
	char *link; /* of a symbolic link */
	size_t link_len;
	unsigned nextents;
	struct iso_extent extent[];
};

struct iso_entry;

/* The directory that begins there: held until iso_node_put.  *out NULL on errors. */
int iso_node_dir(struct iso_fs *fs, uint64_t off, struct iso_node **out);
/* What an entry of `dir` names. */
int iso_node_entry(struct iso_node *dir, const struct iso_entry *e, struct iso_node **out);
void iso_node_hold(struct iso_node *n);
void iso_node_put(struct iso_node *n);

/* --- dir.c ----------------------------------------------------------------------------------- */

struct iso_entry {     /* a file in a directory: one record, or several with an extent each */
	uint64_t id;   /* as iso_node.id */
	uint64_t next; /* position after it */
	size_t name_len;
	char name[ISO_NAME_MAX + 1];
	bool dot, dotdot; /* the two that every directory has */
	bool hidden;      /* not to be shown nor found */
	bool is_dir;
	uint64_t dir; /* where the directory begins */
	uint8_t flags;
	bool interleaved;
	int64_t time;
	struct iso_rock rock; /* all 0 without Rock Ridge */
	int damage;           /* of that: an errno; what was read before it counts */
	char why[96];
	uint64_t size;
	unsigned nextents;
	struct iso_extent extent[ISO_EXTENTS_MAX];
};

/* The entry at position `at` of a directory: 1, 0 at the end, or a negative errno. */
int iso_dir_next(struct iso_node *dir, uint64_t at, struct iso_entry *e);
/* The entry of that name: 0, or -ENOENT.  Neither "." nor "..". */
int iso_dir_find(struct iso_node *dir, const char *name, struct iso_entry *e);
/* The type as in dirent.h. */
uint8_t iso_entry_type(const struct iso_entry *e);

/* --- file.c ---------------------------------------------------------------------------------- */

/* 0, or why a file's bytes cannot be read. */
int iso_file_check(const struct iso_node *n);
/* Up to n bytes at off; short only at the end.  Bytes, or a negative errno. */
int64_t iso_file_read(struct iso_node *f, uint64_t off, size_t n, uint8_t *dst);
