/*
 * 9P messages: 9P2000 (intro(5) of Plan 9) and 9P2000.L (the Linux protocol of v9fs and diod).
 *
 * `struct p9_msg` is any message of either dialect, decoded.  One table in lib/9p/table.c says
 * which members a message type has, in wire order; packing, unpacking, printing and the fuzzer
 * walk it.  Strings and bulk in a decoded message point into the buffer it was decoded from and
 * are not NUL-terminated.  Records that are not messages (qid, attributes, ...) are the ones of
 * lux9/ipc.h, so that the wire and the in-place form share one set of types.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <lux9/ipc.h>

#define P9_NOTAG	0xffffu
#define P9_NOFID	0xffffffffu
#define P9_NOUID	0xffffffffu
#define P9_NAMES_MAX	16	/* names in one walk */
#define P9_HEADER	7	/* size[4] type[1] tag[2] */
#define P9_IOHDR	24	/* msize less this is the most a read or write carries */
#define P9_MSIZE_MIN	4096
#define P9_MSIZE_MAX	(1024 * 1024 + P9_IOHDR)
#define P9_NAME_MAX	255
#define P9_ERRMAX	128

enum p9_dialect { P9_2000, P9_2000L };

enum p9_type {			/* those of 9P2000.L are in enum ipc_type; these are the others */
	P9_TVERSION = 100, P9_RVERSION,
	P9_TAUTH = 102, P9_RAUTH,
	P9_TATTACH = 104, P9_RATTACH,
	P9_RERROR = 107,
	P9_TFLUSH = 108, P9_RFLUSH,
	P9_TWALK = 110, P9_RWALK,
	P9_TOPEN = 112, P9_ROPEN,
	P9_TCREATE = 114, P9_RCREATE,
	P9_TREAD = 116, P9_RREAD,
	P9_TWRITE = 118, P9_RWRITE,
	P9_TCLUNK = 120, P9_RCLUNK,
	P9_TREMOVE = 122, P9_RREMOVE,
	P9_TSTAT = 124, P9_RSTAT,
	P9_TWSTAT = 126, P9_RWSTAT,
};

enum p9_qtype {			/* ipc_qid.type */
	P9_QTDIR = 0x80, P9_QTAPPEND = 0x40, P9_QTEXCL = 0x20,
	P9_QTAUTH = 0x08, P9_QTTMP = 0x04, P9_QTSYMLINK = 0x02, P9_QTFILE = 0,
};

#define P9_DMDIR	0x80000000u	/* p9_stat.mode */
#define P9_DMAPPEND	0x40000000u
#define P9_DMEXCL	0x20000000u
#define P9_DMTMP	0x04000000u

enum p9_omode {			/* 9P2000's Topen and Tcreate */
	P9_OREAD, P9_OWRITE, P9_ORDWR, P9_OEXEC,
	P9_OTRUNC = 0x10, P9_ORCLOSE = 0x40,
};

/* 9P2000.L: masks of Tgetattr and Rgetattr; Tsetattr's are SYS_ATTR_* of lux9/sys.h. */
#define P9_GETATTR_BASIC	0x7ffu
#define P9_GETATTR_BTIME	0x800u
#define P9_GETATTR_GEN		0x1000u
#define P9_GETATTR_DATA_VERSION	0x2000u

struct p9_str {
	const char *s;		/* not NUL-terminated; NULL when n is 0 in a message to pack */
	uint16_t n;
};

struct p9_stat {		/* 9P2000's stat record */
	uint16_t type;
	uint32_t dev;
	struct ipc_qid qid;
	uint32_t mode, atime, mtime;
	uint64_t length;
	struct p9_str name, uid, gid, muid;
};

struct p9_msg {
	uint8_t type;
	uint16_t tag;
	uint16_t oldtag;	/* flush */
	uint32_t fid, newfid;	/* newfid: also afid, dfid, and newdirfid */
	uint32_t msize;
	uint32_t count;		/* read, write, readdir; bytes of `data` when there is data */
	uint64_t offset;
	uint32_t flags;		/* .L open, create, unlinkat, xattrcreate, fsync */
	uint32_t mode, uid, gid;	/* uid: attach's n_uname */
	uint32_t major, minor;
	uint8_t omode;		/* 9P2000 open and create */
	uint32_t error, iounit;
	uint64_t size;		/* xattr */
	uint64_t mask;		/* getattr's request */
	uint64_t gen, data_version;
	uint8_t status;		/* Rlock */
	struct ipc_qid qid;
	struct p9_str name, name2;	/* name2: a link's target, renameat's new name */
	struct p9_str uname, aname;
	struct p9_str version, ename;
	struct p9_str client;	/* lock's client_id */
	uint16_t nwname, nwqid;
	struct p9_str wname[P9_NAMES_MAX];
	struct ipc_qid wqid[P9_NAMES_MAX];
	struct ipc_attr attr;
	struct ipc_setattr setattr;
	struct ipc_statfs statfs;
	struct ipc_lock lock;	/* its `client` is not used; see above */
	const void *data;	/* read, write, readdir: `count` bytes */
	struct p9_str stat;	/* Rstat, Twstat: one packed record, see p9_stat_unpack */
};

/*
 * A bounded cursor.  An access past the end sets `overrun`, moves nothing and gives zeros, and so
 * does every access after it: check once, at the end.
 */
struct p9_cur {
	uint8_t *p, *end;
	bool overrun;
};

uint64_t p9_get(struct p9_cur *, unsigned nbytes);
void p9_put(struct p9_cur *, unsigned nbytes, uint64_t value);
struct p9_str p9_get_str(struct p9_cur *);
void p9_put_str(struct p9_cur *, struct p9_str);
struct ipc_qid p9_get_qid(struct p9_cur *);
void p9_put_qid(struct p9_cur *, const struct ipc_qid *);

/*
 * Decodes one whole message of `n` bytes, size field included, which must say n.  0, or -EPROTO
 * for anything malformed: unknown type, a member beyond the end, bytes left over, more than
 * P9_NAMES_MAX names.
 */
int p9_unpack(const void *buf, size_t n, enum p9_dialect, struct p9_msg *);

/* Encodes at most n bytes and returns how many; -EMSGSIZE if they do not fit, -EINVAL if the
 * type is unknown in the dialect or a record lies. */
int p9_pack(void *buf, size_t n, enum p9_dialect, const struct p9_msg *);

/* As p9_pack without the `count` bytes at `data`, which the caller sends after what is written
 * here; the size field covers them.  For messages without data, the same as p9_pack. */
int p9_pack_head(void *buf, size_t n, enum p9_dialect, const struct p9_msg *);

/* A readable line, always NUL-terminated within n; returns its length, at most n - 1. */
int p9_print(char *buf, size_t n, enum p9_dialect, const struct p9_msg *);

/* The name ("Twalk") or NULL if the dialect has no such type. */
const char *p9_type_name(enum p9_dialect, unsigned type);

/* 9P2000 stat records.  pack: bytes written, or -EMSGSIZE.  unpack: bytes used (a record's own
 * size and two), or -EPROTO; `n` may hold more records after it. */
int p9_stat_pack(void *buf, size_t n, const struct p9_stat *);
int p9_stat_unpack(const void *buf, size_t n, struct p9_stat *);

/* One entry of 9P2000.L's Rreaddir.  put: bytes or -EMSGSIZE; get: bytes used or -EPROTO. */
struct p9_dirent {
	struct ipc_qid qid;
	uint64_t offset;	/* asks for the entry after this */
	uint8_t type;		/* DT_* */
	struct p9_str name;
};
int p9_dirent_pack(void *buf, size_t n, const struct p9_dirent *);
int p9_dirent_unpack(const void *buf, size_t n, struct p9_dirent *);

/* The string as p9_str; at most 65535 bytes count. */
struct p9_str p9_str(const char *);
bool p9_str_eq(struct p9_str, const char *);
