/*
 * The members of every message of 9P2000 (Plan 9 manual, section 5) and 9P2000.L (as Linux's
 * net/9p and diod's protocol.md have it).
 */
#include <stddef.h>
#include "table.h"

#define WIDTH(m)	sizeof(((struct p9_msg *)0)->m)
#define INT(m, wire)	{ #m, offsetof(struct p9_msg, m), P9_KINT, wire, WIDTH(m) }
#define REC(m, k)	{ #m, offsetof(struct p9_msg, m), k, 0, 0 }
#define STR(m)		REC(m, P9_KSTR)
#define DATA		{ "count", offsetof(struct p9_msg, count), P9_KDATA, 4, 4 }
#define END		{ 0 }
#define LIST(name, ...)	static const struct p9_field name[] = { __VA_ARGS__ __VA_OPT__(,) END }

LIST(none);
LIST(version, INT(msize, 4), STR(version));
LIST(tauth, INT(fid, 4), STR(uname), STR(aname));
LIST(tauth_l, INT(fid, 4), STR(uname), STR(aname), INT(uid, 4));
LIST(tattach, INT(fid, 4), INT(newfid, 4), STR(uname), STR(aname));
LIST(tattach_l, INT(fid, 4), INT(newfid, 4), STR(uname), STR(aname), INT(uid, 4));
LIST(just_qid, REC(qid, P9_KQID));
LIST(just_fid, INT(fid, 4));
LIST(just_count, INT(count, 4));
LIST(rerror, STR(ename));
LIST(rlerror, INT(error, 4));
LIST(tflush, INT(oldtag, 2));
LIST(twalk, INT(fid, 4), INT(newfid, 4), REC(nwname, P9_KNAMES));
LIST(rwalk, REC(nwqid, P9_KQIDS));
LIST(topen, INT(fid, 4), INT(omode, 1));
LIST(ropen, REC(qid, P9_KQID), INT(iounit, 4));
LIST(tcreate, INT(fid, 4), STR(name), INT(mode, 4), INT(omode, 1));
LIST(tread, INT(fid, 4), INT(offset, 8), INT(count, 4));
LIST(twrite, INT(fid, 4), INT(offset, 8), DATA);
LIST(just_data, DATA);
LIST(rstat, REC(stat, P9_KSTAT));
LIST(twstat, INT(fid, 4), REC(stat, P9_KSTAT));
LIST(rstatfs, INT(statfs.type, 4), INT(statfs.bsize, 4), INT(statfs.blocks, 8),
	INT(statfs.bfree, 8), INT(statfs.bavail, 8), INT(statfs.files, 8), INT(statfs.ffree, 8),
	INT(statfs.fsid, 8), INT(statfs.namelen, 4));
LIST(tlopen, INT(fid, 4), INT(flags, 4));
LIST(tlcreate, INT(fid, 4), STR(name), INT(flags, 4), INT(mode, 4), INT(gid, 4));
LIST(tsymlink, INT(fid, 4), STR(name), STR(name2), INT(gid, 4));
LIST(tmknod, INT(fid, 4), STR(name), INT(mode, 4), INT(major, 4), INT(minor, 4), INT(gid, 4));
LIST(trename, INT(fid, 4), INT(newfid, 4), STR(name));
LIST(rreadlink, STR(name2));
LIST(tgetattr, INT(fid, 4), INT(mask, 8));
LIST(rgetattr, INT(attr.valid, 8), REC(attr.qid, P9_KQID), INT(attr.mode, 4), INT(attr.uid, 4),
	INT(attr.gid, 4), INT(attr.nlink, 8), INT(attr.rdev, 8), INT(attr.size, 8),
	INT(attr.blksize, 8), INT(attr.blocks, 8), INT(attr.atime_sec, 8),
	INT(attr.atime_nsec, 8), INT(attr.mtime_sec, 8), INT(attr.mtime_nsec, 8),
	INT(attr.ctime_sec, 8), INT(attr.ctime_nsec, 8), INT(attr.btime_sec, 8),
	INT(attr.btime_nsec, 8), INT(gen, 8), INT(data_version, 8));
LIST(tsetattr, INT(fid, 4), INT(setattr.valid, 4), INT(setattr.mode, 4), INT(setattr.uid, 4),
	INT(setattr.gid, 4), INT(setattr.size, 8), INT(setattr.atime_sec, 8),
	INT(setattr.atime_nsec, 8), INT(setattr.mtime_sec, 8), INT(setattr.mtime_nsec, 8));
LIST(txattrwalk, INT(fid, 4), INT(newfid, 4), STR(name));
LIST(rxattrwalk, INT(size, 8));
LIST(txattrcreate, INT(fid, 4), STR(name), INT(size, 8), INT(flags, 4));
LIST(tfsync, INT(fid, 4), { "flags", offsetof(struct p9_msg, flags), P9_KINT_OPT, 4, 4 });
LIST(tlock, INT(fid, 4), INT(lock.type, 1), INT(lock.flags, 4), INT(lock.start, 8),
	INT(lock.length, 8), INT(lock.pid, 4), STR(client));
LIST(rlock, INT(status, 1));
LIST(tgetlock, INT(fid, 4), INT(lock.type, 1), INT(lock.start, 8), INT(lock.length, 8),
	INT(lock.pid, 4), STR(client));
LIST(rgetlock, INT(lock.type, 1), INT(lock.start, 8), INT(lock.length, 8), INT(lock.pid, 4),
	STR(client));
LIST(tlink, INT(fid, 4), INT(newfid, 4), STR(name));
LIST(tmkdir, INT(fid, 4), STR(name), INT(mode, 4), INT(gid, 4));
LIST(trenameat, INT(fid, 4), STR(name), INT(newfid, 4), STR(name2));
LIST(tunlinkat, INT(fid, 4), STR(name), INT(flags, 4));

#define REPLY(t)	(t + 1)

const struct p9_desc p9_table[P9_NTYPES] = {
	[IPC_RLERROR] = { "Rlerror", { NULL, rlerror } },
	[IPC_TSTATFS] = { "Tstatfs", { NULL, just_fid } },
	[REPLY(IPC_TSTATFS)] = { "Rstatfs", { NULL, rstatfs } },
	[IPC_TLOPEN] = { "Tlopen", { NULL, tlopen } },
	[REPLY(IPC_TLOPEN)] = { "Rlopen", { NULL, ropen } },
	[IPC_TLCREATE] = { "Tlcreate", { NULL, tlcreate } },
	[REPLY(IPC_TLCREATE)] = { "Rlcreate", { NULL, ropen } },
	[IPC_TSYMLINK] = { "Tsymlink", { NULL, tsymlink } },
	[REPLY(IPC_TSYMLINK)] = { "Rsymlink", { NULL, just_qid } },
	[IPC_TMKNOD] = { "Tmknod", { NULL, tmknod } },
	[REPLY(IPC_TMKNOD)] = { "Rmknod", { NULL, just_qid } },
	[IPC_TRENAME] = { "Trename", { NULL, trename } },
	[REPLY(IPC_TRENAME)] = { "Rrename", { NULL, none } },
	[IPC_TREADLINK] = { "Treadlink", { NULL, just_fid } },
	[REPLY(IPC_TREADLINK)] = { "Rreadlink", { NULL, rreadlink } },
	[IPC_TGETATTR] = { "Tgetattr", { NULL, tgetattr } },
	[REPLY(IPC_TGETATTR)] = { "Rgetattr", { NULL, rgetattr } },
	[IPC_TSETATTR] = { "Tsetattr", { NULL, tsetattr } },
	[REPLY(IPC_TSETATTR)] = { "Rsetattr", { NULL, none } },
	[IPC_TXATTRWALK] = { "Txattrwalk", { NULL, txattrwalk } },
	[REPLY(IPC_TXATTRWALK)] = { "Rxattrwalk", { NULL, rxattrwalk } },
	[IPC_TXATTRCREATE] = { "Txattrcreate", { NULL, txattrcreate } },
	[REPLY(IPC_TXATTRCREATE)] = { "Rxattrcreate", { NULL, none } },
	[IPC_TREADDIR] = { "Treaddir", { NULL, tread } },
	[REPLY(IPC_TREADDIR)] = { "Rreaddir", { NULL, just_data } },
	[IPC_TFSYNC] = { "Tfsync", { NULL, tfsync } },
	[REPLY(IPC_TFSYNC)] = { "Rfsync", { NULL, none } },
	[IPC_TLOCK] = { "Tlock", { NULL, tlock } },
	[REPLY(IPC_TLOCK)] = { "Rlock", { NULL, rlock } },
	[IPC_TGETLOCK] = { "Tgetlock", { NULL, tgetlock } },
	[REPLY(IPC_TGETLOCK)] = { "Rgetlock", { NULL, rgetlock } },
	[IPC_TLINK] = { "Tlink", { NULL, tlink } },
	[REPLY(IPC_TLINK)] = { "Rlink", { NULL, none } },
	[IPC_TMKDIR] = { "Tmkdir", { NULL, tmkdir } },
	[REPLY(IPC_TMKDIR)] = { "Rmkdir", { NULL, just_qid } },
	[IPC_TRENAMEAT] = { "Trenameat", { NULL, trenameat } },
	[REPLY(IPC_TRENAMEAT)] = { "Rrenameat", { NULL, none } },
	[IPC_TUNLINKAT] = { "Tunlinkat", { NULL, tunlinkat } },
	[REPLY(IPC_TUNLINKAT)] = { "Runlinkat", { NULL, none } },
	[P9_TVERSION] = { "Tversion", { version, version } },
	[P9_RVERSION] = { "Rversion", { version, version } },
	[P9_TAUTH] = { "Tauth", { tauth, tauth_l } },
	[P9_RAUTH] = { "Rauth", { just_qid, just_qid } },
	[P9_TATTACH] = { "Tattach", { tattach, tattach_l } },
	[P9_RATTACH] = { "Rattach", { just_qid, just_qid } },
	[P9_RERROR] = { "Rerror", { rerror, NULL } },
	[P9_TFLUSH] = { "Tflush", { tflush, tflush } },
	[P9_RFLUSH] = { "Rflush", { none, none } },
	[P9_TWALK] = { "Twalk", { twalk, twalk } },
	[P9_RWALK] = { "Rwalk", { rwalk, rwalk } },
	[P9_TOPEN] = { "Topen", { topen, NULL } },
	[P9_ROPEN] = { "Ropen", { ropen, NULL } },
	[P9_TCREATE] = { "Tcreate", { tcreate, NULL } },
	[P9_RCREATE] = { "Rcreate", { ropen, NULL } },
	[P9_TREAD] = { "Tread", { tread, tread } },
	[P9_RREAD] = { "Rread", { just_data, just_data } },
	[P9_TWRITE] = { "Twrite", { twrite, twrite } },
	[P9_RWRITE] = { "Rwrite", { just_count, just_count } },
	[P9_TCLUNK] = { "Tclunk", { just_fid, just_fid } },
	[P9_RCLUNK] = { "Rclunk", { none, none } },
	[P9_TREMOVE] = { "Tremove", { just_fid, just_fid } },
	[P9_RREMOVE] = { "Rremove", { none, none } },
	[P9_TSTAT] = { "Tstat", { just_fid, NULL } },
	[P9_RSTAT] = { "Rstat", { rstat, NULL } },
	[P9_TWSTAT] = { "Twstat", { twstat, NULL } },
	[P9_RWSTAT] = { "Rwstat", { none, NULL } },
};
