/*
 * 9P in place: how a request travels between a client and a server process on this machine.
 *
 * A server makes a service by opening /srv/NAME with O_CREAT|O_RDWR; the descriptor that it gets
 * is the server's end, and it answers requests with SYS_SERVE on it, from as many threads as it
 * likes.  Every other open of /srv/NAME gives a client's end, to be mounted.  When the server's end
 * closes, everything outstanding fails with EHOSTDOWN and the name goes; but if the service has a
 * recoverable mount, the name stays, and a successor gets the server's end by opening it with
 * O_TRUNC|O_RDWR: it sees attaches, walks and opens of the fids that clients hold, then what they
 * wait for.  See doc/recovery.md.
 *
 * The messages are 9P2000.L's, with its numbers, in a fixed record instead of a byte string, and
 * with the bulk of a message (names, data) beside it.  Fids and tags are chosen by the kernel and
 * are small, dense and unique within the service.  There is no Tversion.  An error carries the
 * errno and a text.
 *
 * SYS_SERVE(fd, rep, req, buf, n, timeout): sends `rep` if it is not NULL, then, if `req` is not
 * NULL, waits for a request, which it stores in *req with its bulk in buf.  A write's data that
 * exceeds n arrives as several requests.  A rep of type 0 ends the service: what is outstanding
 * fails, and whoever waits in SYS_SERVE gets -EHOSTDOWN.  Returns 0; -ETIMEDOUT; -EINVAL for a
 * reply to no request (the reply is dropped, nothing is received); -EINTR; -EFAULT for memory that
 * is not the caller's.
 *
 * A flush asks the server to answer the old request soon.  Its own reply says nothing about that
 * one, may come before it, and does not end it: a request that was given to a server always gets
 * an answer of its own, and its tag is in use until then.
 *
 * Data of a reply that is large and page-aligned on both sides is not copied: client and server get
 * the same pages, copy-on-write, if the server has the capability page-exchange.  It is meant for
 * memory that a server keeps; one that will soon write there again does better not to align it.
 *
 * A large read or write may come *direct*, with IPC_DIRECT in flags: the bulk, of `length` bytes,
 * is not data but a list of struct dma_seg, the client's own pages as a device sees them, `count`
 * bytes in all.  They are virtually contiguous: all but the first begin, and all but the last
 * end, at a page's edge.  The answer to a read with data is as ever; one without says that a
 * device has put `count` bytes there.  With the answer the server, and its device, have done with
 * the pages. Such a request comes only to a process with the capability dma that drives a
 * function, in a SYS_SERVE with IPC_SERVE_DIRECT added to n, for a file whose open was answered
 * with IPC_DIRECT_FILE in `offset`: there offset and count of direct requests are multiples of
 * 2^unit bytes, the first address is one of 2^align, and all is below 4 GiB if `low`.  It may be
 * copied data all the same.
 *
 * Strings in the bulk are as on the wire: length in 2 bytes, little-endian, then the bytes.
 */
#pragma once
#include <stdint.h>

#define IPC_DIRECT		1u
#define IPC_SERVE_DIRECT	(1ul << 63)
#define IPC_DIRECT_FILE(unit, align, low) \
	((uint64_t)(unit) | (uint64_t)(align) << 5 | (uint64_t)(low) << 10)

enum ipc_type {			/* 9P2000.L; a reply's type is its request's plus one */
	IPC_TLERROR = 6, IPC_RLERROR = 7,
	IPC_TSTATFS = 8,	/* fid -> bulk: struct ipc_statfs */
	IPC_TLOPEN = 12,	/* fid, flags (Linux O_*) -> qid, count = iounit, offset: direct */
	IPC_TLCREATE = 14,	/* fid, flags, mode, gid, bulk: name -> as IPC_TLOPEN */
	IPC_TSYMLINK = 16,	/* fid, gid, bulk: name target -> qid */
	IPC_TMKNOD = 18,	/* fid, mode, gid, offset = major<<32 | minor, bulk: name -> qid */
	IPC_TRENAME = 20,	/* fid, newfid = directory, bulk: name */
	IPC_TREADLINK = 22,	/* fid -> bulk: the target's bytes */
	IPC_TGETATTR = 24,	/* fid, offset = request mask -> bulk: struct ipc_attr */
	IPC_TSETATTR = 26,	/* fid, bulk: struct ipc_setattr */
	IPC_TXATTRWALK = 30,	/* fid, newfid, bulk: name ("" lists) -> offset = size */
	IPC_TXATTRCREATE = 32,	/* fid, flags, offset = size, bulk: name */
	IPC_TREADDIR = 40,	/* fid, offset, count -> bulk: entries as on the wire */
	IPC_TFSYNC = 50,	/* fid, flags = data only */
	IPC_TLOCK = 52,		/* fid, bulk: struct ipc_lock -> count = status */
	IPC_TGETLOCK = 54,	/* fid, bulk: struct ipc_lock -> bulk: struct ipc_lock */
	IPC_TLINK = 70,		/* fid = directory, newfid = file, bulk: name */
	IPC_TMKDIR = 72,	/* fid, mode, gid, bulk: name -> qid */
	IPC_TRENAMEAT = 74,	/* fid = old directory, newfid = new directory, bulk: old new */
	IPC_TUNLINKAT = 76,	/* fid, flags (AT_REMOVEDIR), bulk: name */
	IPC_TATTACH = 104,	/* fid, newfid = afid or ~0, uid, bulk: uname aname -> qid */
	IPC_TFLUSH = 108,	/* newfid = the old tag */
	IPC_TWALK = 110,	/* fid, newfid, count, bulk: names -> count, bulk: ipc_qid[] */
	IPC_TREAD = 116,	/* fid, offset, count -> bulk: data */
	IPC_TWRITE = 118,	/* fid, offset, bulk: data -> count */
	IPC_TCLUNK = 120,	/* fid */
	IPC_TREMOVE = 122,	/* fid */
};

struct ipc_qid {
	uint64_t path;
	uint32_t version;
	uint8_t type, pad[3];
};

struct ipc_req {
	uint32_t type, tag, fid, newfid;
	uint64_t offset;
	uint32_t count;		/* bytes wanted, or names */
	uint32_t flags, mode, uid, gid;
	uint32_t length;	/* bytes of bulk in the buffer */
	uint64_t conn;		/* which mount; the pid of the caller is not told */
};

struct ipc_rep {
	uint32_t type, tag;
	uint32_t error;		/* RLERROR: an errno, 1..4095 */
	uint32_t count;
	uint64_t offset;
	const void *data;	/* bulk; RLERROR: the text */
	uint64_t length;
	struct ipc_qid qid;
};

struct ipc_attr {		/* valid: 9P2000.L's Rgetattr mask */
	uint64_t valid;
	struct ipc_qid qid;
	uint32_t mode, uid, gid, pad;
	uint64_t nlink, rdev, size, blksize, blocks;
	int64_t atime_sec, atime_nsec, mtime_sec, mtime_nsec;
	int64_t ctime_sec, ctime_nsec, btime_sec, btime_nsec;
};

struct ipc_setattr {
	uint32_t valid, mode, uid, gid;
	uint64_t size;
	int64_t atime_sec, atime_nsec, mtime_sec, mtime_nsec;
};

struct ipc_statfs {
	uint32_t type, bsize;
	uint64_t blocks, bfree, bavail, files, ffree, fsid;
	uint32_t namelen, pad;
};

struct ipc_lock {		/* type 0 read, 1 write, 2 unlock; 0 done, 1 blocked, 2 error */
	uint32_t type, flags;
	uint64_t start, length;
	uint32_t pid, pad;
	char client[32];
};
