/*
 * Clients outlive their server: doc/recovery.md; kernel/held.c, kernel/dev/mnt_*.c.  Comments name
 * the functions that are not called so here; doc/model.md tells what is left out.
 *
 * One service, one directory with the names A and B, files with qids.  The server keeps names (they
 * are durable before it answers) and loses its fids when it dies.  Client 0 opens, reads and closes
 * a file; clients 1 and 2 make, unlink or rename a name each; with PASSING, client 1 has that many
 * fids for one operation each instead.  `world` is the server, in all its generations, with death
 * at any step, and everything else that may happen at any time: kills, a wait that is over, `fail`.
 * Held requests are sent again in any order.
 *
 * Mutants, each of which must be found:
 * mutant NO_DOUBT 1	the paths of a rename in doubt are forgotten with its client
 * mutant NOT_ENTERED 2	where recovery found a fid is forgotten
 * mutant ONE_PATH 1	a fid is walked to by its old path only, whatever rename is under way
 * mutant NO_ASK 1	an operation on names is sent again without a question
 * mutant NOTE_ENDS 1	a note ends the question what became of an operation
 * mutant RELEASE_EARLY 3	`names` goes with a killed client, though its operation goes on
 * mutant NO_COUNT 1	a walk is entered though a rename has ended since it was sent
 * mutant NO_GENERATION 1	a walk is entered though its generation has gone
 * mutant TAKE_OLD 1	a dead generation's answer is taken
 * mutant FORGET_CLOSE 4	a fid closed during recovery is forgotten, and its number free
 * mutant HELD_LATE 1	a copy that outlasts recovery leaves its request held
 * mutant VOLATILE 1	the server answers before a change is durable
 * mutant WRONG_QID 4	a name that is there again is taken for the file
 * mutant LATE_MOUNT 6	a recovery that is over enters its generation in its mount
 * mutant STRAY 6	what a recovery that is over asks for goes to a later server
 *
 * run -DDEATHS=1 -DKILLS=1 -DEXPIRES=0 -DREADS=1 -DNAMERS=1
 * run -DDEATHS=2 -DKILLS=1 -DEXPIRES=0 -DREADS=1 -DNAMERS=1
 * run -DDEATHS=2 -DKILLS=1 -DEXPIRES=1 -DREADS=0 -DNAMERS=2
 * run -DDEATHS=1 -DKILLS=0 -DEXPIRES=0 -DREADS=2 -DNAMERS=2
 * run -DDEATHS=1 -DKILLS=1 -DEXPIRES=1 -DFAILS=1 -DREADS=2 -DNAMERS=1
 * run -DDEATHS=2 -DKILLS=0 -DEXPIRES=0 -DREADS=1 -DNAMERS=1 -DPASSING=2
 */
#ifndef FAILS
#define FAILS	0
#endif
#ifndef PASSING
#define PASSING	0
#endif
#define NR	6	/* requests: a client's own, 3 the clunk that nobody waits for, 4 and 5 recovery's */
#define IS_RECOVERY(r)	(r >= 4)
#define A	0
#define B	1
#define NOBODY	7

/* The service; the first two have a server. */
#define ALIVE		0
#define RECOVERING	1
#define DOWN		2
#define FAILED		3
#define SERVED		(service <= RECOVERING)
/* A request */
#define IDLE	0
#define QUEUED	1
#define COPYING	2
#define ACTIVE	3
#define HELD	4
#define OVER	5
#define REPLYING 6	/* COPYING its reply, which counts whatever becomes of the server */
/* What it asks for */
#define ASK	1	/* the qids of both names */
#define WALK	2
#define READ	3
#define CLUNK	4
#define MAKE	5
#define UNLINK	6
#define RENAME	7	/* A to B */
#define OPEN_X	8	/* a fid for one operation */
#define CLUNK_X	9
#define ATTACH	10
#define IS_ONCE(r)	(req[r].kind >= MAKE && req[r].kind <= RENAME)
/* Its result */
#define OK		0
#define ENOENT		1
#define EEXIST		2
#define EHOSTDOWN	3
#define EBADF		4
#define ERESTART	5
#define EINTR		6

byte service = ALIVE, generation = 1;
chan queue = [NR] of { byte };

typedef request { byte state, kind, name, result, qid, qid_b, by; bool sent, left, done };
request req[NR];

/* Operations on names */
byte names = NOBODY;			/* the lock: whose operation has it */
byte renames;				/* how many were done */
bool renaming;				/* one is under way; or was, and its client never knew */

/* The only fid: its number, and its struct fidrec */
bool fid_taken, fid_known, fid_stale, fid_busy, fid_closing;
byte fid_name, fid_qid, fid_by;		/* by: the generation that has it */

/* Another number, of fids for one operation, and the generation that knows the mount's fids */
bool number_taken;
byte mount_generation = 1;

/* The server: what lasts and what does not */
byte disk[2], server_fid;
bool server_passing;
/* For the claims */
bool removed[5];
byte carried_out[3];
bool killed[3], gone[3];
byte deaths = DEATHS, kills = KILLS, expires = EXPIRES, fails = FAILS;
#ifdef VOLATILE
byte before[2], last_by = NOBODY;
#endif
#ifdef TAKE_OLD
bool old[NR];
#endif
#ifdef NOTE_ENDS
bool noted;
#endif

#define FILE_OF(c)	(c + 1)		/* the qid that client c's MAKE gives; 1 is A's at first */

inline clear(r)
{
	req[r].state = IDLE; req[r].kind = 0; req[r].name = 0; req[r].result = 0; req[r].qid = 0;
	req[r].qid_b = 0; req[r].by = 0; req[r].sent = false; req[r].left = false;
	req[r].done = false
}

/* service_call: a client's request. */
inline post(r, what, which)
{
	req[r].kind = what; req[r].name = which; req[r].sent = false; req[r].done = false;
	if
	:: service == ALIVE -> req[r].state = QUEUED; queue!r
	:: service == DOWN || service == RECOVERING -> req[r].state = HELD
	:: service == FAILED -> req[r].state = OVER; req[r].result = EHOSTDOWN
	fi
}

/* service_clunk, of a fid that generation g made */
inline send_clunk(g)
{
	if
	:: SERVED && g == generation ->
		req[3].kind = CLUNK; req[3].sent = false; req[3].done = false;
		req[3].state = QUEUED; queue!3
	:: else -> fid_taken = false
	fi
}

/* rename_over */
inline rename_over(was_done)
{
	renaming = false;
	if
	:: was_done && fid_known && fid_name == A -> fid_name = B
	:: else
	fi;
	if
	:: was_done -> renames++
	:: else
	fi
}

inline fid_forget()
{
	fid_known = false; fid_stale = false; fid_closing = false; fid_name = 0; fid_qid = 0;
	fid_by = 0
}

/* --- clients ---------------------------------------------------------------------------------- */

/* Waits for its request; a killed client leaves it where it is. */
inline await(r)
{
	if
	:: atomic { req[r].state == OVER -> skip }
	:: atomic {
		killed[r] && req[r].state == QUEUED ->
		queue??eval(r); req[r].state = IDLE; goto leave_it
	   }
	:: atomic { killed[r] && req[r].state == HELD -> req[r].state = IDLE; goto leave_it }
	:: atomic {
		killed[r] && req[r].state == ACTIVE ->
		req[r].left = true; behind = true; goto leave_it
	   }
	fi
}

proctype reader()
{
	byte qid = 0, since = 0, times = 0, n = A;
	bool behind = false;

open:
	atomic { !fid_taken || killed[0] ->
		if
		:: killed[0] -> goto leave
		:: else -> fid_taken = true
		fi;
		if
		:: n = A
		:: n = B
		fi
	};
again:
	atomic { since = renames; post(0, WALK, n) };
	await(0);
	atomic {		/* fidrec_enter */
		if
		:: req[0].result != OK -> clear(0); fid_taken = false; goto leave
#ifndef NO_GENERATION
		:: req[0].result == OK && (req[0].by != generation || !SERVED) ->
			clear(0); goto again
#endif
#ifndef NO_COUNT
		:: req[0].result == OK && req[0].by == generation && SERVED && since != renames ->
			send_clunk(req[0].by); clear(0); goto open
#endif
		:: else ->
			fid_known = true; fid_name = n; fid_qid = req[0].qid; fid_by = req[0].by;
			qid = req[0].qid;
			clear(0)
		fi
	};
	atomic { post(0, READ, A) };
	await(0);
	atomic {
		assert(req[0].result == OK || req[0].result == EHOSTDOWN || req[0].result == EBADF);
		assert(req[0].result != OK || req[0].qid == qid);	/* its file */
		assert(req[0].result != EBADF || fid_stale);
		assert(req[0].result != EBADF || removed[qid]);	/* ESTALE only if it is gone */
		clear(0)
	};
close:
	atomic {		/* fidrec_close */
		times++;
#ifdef FORGET_CLOSE
		fid_busy = false;
#endif
		if
		:: fid_busy -> fid_closing = true
		:: !fid_busy && fid_stale -> fid_taken = false; fid_forget()
		:: !fid_busy && !fid_stale -> send_clunk(fid_by); fid_forget()
		fi;
		qid = 0;
		if
		:: times < READS && !killed[0] -> goto open
		:: else -> goto leave
		fi
	};
leave_it:
	/* a walk's fid ends with the request, if that is left behind; an open file is closed */
	atomic {
		if
		:: fid_known && !behind -> clear(0); goto close
		:: fid_known && behind -> goto close
		:: !fid_known && !behind -> clear(0); fid_taken = false
		:: !fid_known && behind
		fi
	};
leave:
	atomic { gone[0] = true; killed[0] = false; qid = 0; since = 0; times = 0; n = 0;
		behind = false }
}

/* mnt_transient, mnt_close: fids for one operation, which have no record. */
proctype passer()
{
	byte times = 0;

	do
	:: atomic { times < PASSING && !number_taken ->
		times++; number_taken = true; post(1, OPEN_X, A) };
	   atomic { req[1].state == OVER ->
		if
		:: req[1].result == OK && SERVED && mount_generation == generation ->
			clear(1);
			req[2].kind = CLUNK_X; req[2].left = true; req[2].state = QUEUED; queue!2
		:: else -> clear(1); number_taken = false
		fi }
	:: atomic { times == PASSING -> break }
	od;
	atomic { gone[1] = true; times = 0 }
}

#define FIRST	0	/* it asks what there is */
#define SEND	1
#define JUDGE	2	/* the server went while it had it: it asks again */

/* change, mnt_rename, change_once, judge */
proctype namer(byte me)
{
	byte op = 0, n = 0, phase = FIRST, was[2], is[2];
	bool judged = false, was_done = false, behind = false;

	atomic {
		if
#ifndef NOT_ENTERED		/* is found with this alone */
		:: op = MAKE; n = B
		:: op = MAKE; n = A
		:: op = UNLINK; n = A
		:: op = UNLINK; n = B
#endif
		:: op = RENAME
		fi
	};
	atomic { names == NOBODY || killed[me] ->
		if
		:: killed[me] -> goto leave
		:: else -> names = me; post(me, ASK, A)
		fi
	};
	await(me);
	atomic {
		if
		:: req[me].result != OK -> goto leave_it
		:: else
		fi;
		was[A] = req[me].qid; was[B] = req[me].qid_b;
		renaming = renaming || op == RENAME	/* rename_begin */
	};
send:
	atomic { phase = SEND; clear(me); post(me, op, n) };
	await(me);
	if
	:: atomic { req[me].result == ERESTART -> judged = true; phase = JUDGE;
#ifdef NO_ASK
		goto send;
#endif
		clear(me); post(me, ASK, A) }
	:: atomic { req[me].result != ERESTART ->
		assert(req[me].result != OK || carried_out[me] == 1);
		assert((req[me].result != ENOENT && req[me].result != EEXIST) ||
		       carried_out[me] == 0);
		assert(req[me].result != EHOSTDOWN || req[me].sent || judged || carried_out[me] == 0);
		if
		:: req[me].result == EHOSTDOWN -> goto leave_it
		:: else
		fi;
		was_done = (req[me].result == OK && op == RENAME);
		goto over }
	fi;
#ifdef NOTE_ENDS
	if
	:: noted -> assert(carried_out[me] == 0)	/* as if it had not been done: EINTR */
	:: !noted
	fi;
#endif
	await(me);
	atomic {
		if
		:: req[me].result != OK -> goto leave_it
		:: else
		fi;
		is[A] = req[me].qid; is[B] = req[me].qid_b;
		if
		:: (op == MAKE && was[n] == 0 && is[n] != 0) ||
		   (op == UNLINK && was[n] != 0 && is[n] != was[n]) ||
		   (op == RENAME && was[A] != 0 && is[B] == was[A]) ->
			assert(carried_out[me] == 1);
			was_done = (op == RENAME)
		:: else -> is[A] = 0; is[B] = 0; goto send
		fi
	};
over:
	atomic {
		if
		:: op == RENAME -> rename_over(was_done)
		:: else
		fi;
		clear(me); names = NOBODY;
		goto leave
	};
leave_it:
	/* rename_ends: it is not known what became of the operation, or it was never sent */
	atomic {
		if
		:: behind ->
#ifdef RELEASE_EARLY
			names = NOBODY
#else
			skip		/* `names`, and the rename, are the request's now */
#endif
		:: else ->
			if
#ifdef NO_DOUBT
			:: op == RENAME && phase >= SEND -> renaming = false
#else
			:: op == RENAME && phase >= SEND && service == ALIVE -> renaming = false
#endif
			:: else
			fi;
			names = NOBODY; clear(me)
		fi
	};
leave:
	atomic {
		gone[me] = true; killed[me] = false; op = 0; n = 0; phase = 0; judged = false; behind = false;
		was_done = false; was[A] = 0; was[B] = 0; is[A] = 0; is[B] = 0
	}
}

/* --- recovery: one thread for each take-over (mnt_recover.c) ----------------------------------- */

#define RELEASED(r)	(req[r].state == HELD && !(req[r].sent && IS_ONCE(r)))
#define RESTARTED(r)	(req[r].state == HELD && req[r].sent && IS_ONCE(r))

#define MINE	(generation == g && service == RECOVERING)
#ifdef STRAY
#define STRAYS	(service == ALIVE)
#else
#define STRAYS	false
#endif

#ifdef NOT_ENTERED
#define FOUND_AT(n)	skip
#else
#define FOUND_AT(n)	fid_name = n
#endif

/* send, with `recovers` */
inline call(what, which)
{
	atomic {
		if
		:: !MINE -> goto record_over
		:: else -> req[r].kind = what; req[r].name = which; req[r].state = QUEUED; queue!r
		fi
	};
	atomic { req[r].state == OVER ->
		result = req[r].result; qid = req[r].qid; clear(r);
		if
		:: result == EHOSTDOWN -> goto record_over
		:: else
		fi
	}
}

proctype recovery(byte g)
{
	byte r = 4 + (g & 1), result = EHOSTDOWN, qid = 0, try = 0, since = 0, n = 0;
	bool gone_again = false;

#if PASSING > 0
next_mount:
	atomic {
		if
		:: mount_generation == g -> goto release
		:: mount_generation != g && (MINE || STRAYS) ->
			req[r].kind = ATTACH; req[r].state = QUEUED; queue!r
		:: mount_generation != g && !(MINE || STRAYS) -> goto mount_over
		fi
	};
	atomic { req[r].state == OVER -> result = req[r].result; clear(r);
		if
		:: result == EHOSTDOWN -> goto mount_over
		:: else -> result = EHOSTDOWN
		fi
	};
#endif
	/* next_record */
	atomic { !fid_busy || !MINE ->
		if
		:: MINE && fid_known && fid_by != g -> fid_busy = true
		:: else -> goto mount_over
		fi
	};
	/* make_again: the path, then where a rename may have brought it, and both again */
next_try:
	atomic {
		since = renames;
		if
		:: try == 4 -> result = ENOENT; goto record_over
		:: try < 4 && (try & 1) == 0 -> n = fid_name
#ifdef ONE_PATH
		:: try < 4 && (try & 1) == 1 -> try++; goto next_try
#else
		:: try < 4 && (try & 1) == 1 && !(renaming && fid_name == A) ->
			try++; goto next_try
		:: try < 4 && (try & 1) == 1 && renaming && fid_name == A -> n = B
#endif
		fi;
		try++
	};
	call(WALK, n);
	atomic {
		if
#ifdef WRONG_QID
		:: result == OK -> goto record_over
#else
		:: result == OK && qid == fid_qid -> goto record_over
		:: result == OK && qid != fid_qid -> goto wrong
#endif
		:: result != OK -> goto not_there
		fi
	};
wrong:
	call(CLUNK, A);
not_there:
	atomic {
		result = ENOENT;
		if
		:: (try & 1) == 0 && since == renames -> goto record_over
		:: else -> goto next_try
		fi
	};
record_over:
	atomic {
		if
		:: !fid_busy -> goto mount_over	/* only with a mutant */
		:: else
		fi;
		fid_busy = false;
		if
		:: fid_closing && result == OK -> fid_forget(); send_clunk(g)
		:: fid_closing && result != OK -> fid_forget(); fid_taken = false
		:: !fid_closing && result != EHOSTDOWN ->
			fid_by = g; fid_stale = (result != OK);
			if
			:: result == OK -> FOUND_AT(n)	/* nobody else may ever enter it */
			:: else
			fi
		:: else
		fi
	};
mount_over:
#if PASSING > 0
	atomic {
		gone_again = !MINE;
		if
#ifdef LATE_MOUNT
		:: true -> mount_generation = g
#else
		:: MINE -> mount_generation = g
		:: !MINE
#endif
		fi;
		if
		:: gone_again
		:: !gone_again -> goto next_mount
		fi
	};
#endif
release:
	atomic {		/* service_release */
		if
		:: !MINE -> goto leave
		:: else
		fi;
		service = ALIVE;
		do		/* in any order */
		:: req[0].state == HELD -> req[0].state = QUEUED; queue!0
		:: RELEASED(1) -> req[1].state = QUEUED; queue!1
		:: RELEASED(2) -> req[2].state = QUEUED; queue!2
		:: RESTARTED(1) -> req[1].state = OVER; req[1].result = ERESTART
		:: RESTARTED(2) -> req[2].state = OVER; req[2].result = ERESTART
		:: req[0].state != HELD && req[1].state != HELD && req[2].state != HELD -> break
		od
	};
leave:
	skip
}

/* --- the server, and all else ------------------------------------------------------------------ */

inline carry_out(r)
{
	req[r].result = OK;
	if
	:: req[r].kind == ASK -> req[r].qid = disk[A]; req[r].qid_b = disk[B]
	:: req[r].kind == WALK && disk[req[r].name] == 0 -> req[r].result = ENOENT
	:: req[r].kind == WALK && disk[req[r].name] != 0 ->
		assert(server_fid == 0);	/* the number is not in use */
		server_fid = disk[req[r].name]; req[r].qid = server_fid
	:: req[r].kind == READ && server_fid == 0 -> req[r].result = EBADF
	:: req[r].kind == READ && server_fid != 0 -> req[r].qid = server_fid
	:: req[r].kind == CLUNK -> assert(server_fid != 0); server_fid = 0
	:: req[r].kind == OPEN_X -> assert(!server_passing); server_passing = true
	:: req[r].kind == CLUNK_X -> server_passing = false
	:: req[r].kind == ATTACH
	:: req[r].kind == MAKE && disk[req[r].name] != 0 -> req[r].result = EEXIST
	:: req[r].kind == UNLINK && disk[req[r].name] == 0 -> req[r].result = ENOENT
	:: req[r].kind == RENAME && disk[A] == 0 -> req[r].result = ENOENT
	:: else ->
#ifdef VOLATILE
		before[A] = disk[A]; before[B] = disk[B]; last_by = r;
#endif
		carried_out[r]++;
		assert(carried_out[r] == 1);
		if
		:: req[r].kind == MAKE -> disk[req[r].name] = FILE_OF(r)
		:: req[r].kind == UNLINK -> removed[disk[req[r].name]] = true; disk[req[r].name] = 0
		:: req[r].kind == RENAME ->
			if
			:: disk[B] != 0 -> removed[disk[B]] = true
			:: else
			fi;
			disk[B] = disk[A]; disk[A] = 0
		fi
	fi;
	req[r].done = true
}

/* orphan_ends: a request whose client has gone has its answer. */
inline left_ends(r)
{
	if
	:: req[r].kind == CLUNK -> clear(r); fid_taken = false
	:: req[r].kind == CLUNK_X -> clear(r); number_taken = false
	:: req[r].kind == WALK && req[r].result == OK ->
		by = req[r].by; clear(r); send_clunk(by); by = 0
	:: req[r].kind == WALK && req[r].result != OK -> clear(r); fid_taken = false
	:: else ->
		if
		:: names == r ->
			if
			:: req[r].kind == RENAME -> rename_over((req[r].result == OK))
			:: else
			fi;
			names = NOBODY
		:: else
		fi;
		clear(r)
	fi
}

inline reply_over(r)
{
	req[r].done = false;
	if
	:: req[r].left || r == 3 -> left_ends(r)
	:: else -> req[r].state = OVER
	fi
}

inline reply(r)
{
	req[r].by = generation;
	reply_over(r)
}

/* lose: its server has gone. */
inline lose(r)
{
	req[r].done = false;
	if
	:: IS_RECOVERY(r) -> req[r].state = OVER; req[r].result = EHOSTDOWN
	:: r < 3 && !req[r].left ->
		req[r].sent = req[r].sent || req[r].state == ACTIVE;
#ifdef TAKE_OLD
		old[r] = req[r].state == ACTIVE;
#endif
		req[r].state = HELD
	:: r == 3 || (req[r].left && req[r].kind == WALK) -> clear(r); fid_taken = false
	:: r < 3 && req[r].left && req[r].kind == CLUNK_X -> clear(r); number_taken = false
	:: else ->			/* a rename stays in doubt */
		if
		:: names == r -> names = NOBODY
		:: else
		fi;
		clear(r)
	fi
}

#define ANY(GUARD)	(GUARD(0) || GUARD(1) || GUARD(2) || GUARD(3) || GUARD(4) || GUARD(5))
#define WITH_SERVER(r)	(req[r].state == QUEUED || req[r].state == ACTIVE)

#define CAN_REPLY(r)	(req[r].state == ACTIVE && req[r].done)

inline die()
{
	service = DOWN;
	deaths--;
	server_fid = 0;
	server_passing = false;
	do			/* which replies are under way is left open */
	:: CAN_REPLY(0) -> req[0].state = REPLYING; req[0].by = generation
	:: CAN_REPLY(1) -> req[1].state = REPLYING; req[1].by = generation
	:: CAN_REPLY(2) -> req[2].state = REPLYING; req[2].by = generation
	:: CAN_REPLY(3) -> req[3].state = REPLYING; req[3].by = generation
	:: CAN_REPLY(4) -> req[4].state = REPLYING; req[4].by = generation
	:: CAN_REPLY(5) -> req[5].state = REPLYING; req[5].by = generation
	:: break
	od;
	do
	:: queue?_
	:: empty(queue) -> break
	od;
	do
	:: WITH_SERVER(0) -> lose(0)
	:: WITH_SERVER(1) -> lose(1)
	:: WITH_SERVER(2) -> lose(2)
	:: WITH_SERVER(3) -> lose(3)
	:: WITH_SERVER(4) -> lose(4)
	:: WITH_SERVER(5) -> lose(5)
	:: !ANY(WITH_SERVER) -> break
	od;
#ifdef VOLATILE
	if
	:: last_by != NOBODY ->
		disk[A] = before[A]; disk[B] = before[B]; carried_out[last_by]--; last_by = NOBODY
	:: true
	fi
#endif
}

#define FOR_EACH(GUARD)	:: GUARD(0) -> x = 0 :: GUARD(1) -> x = 1 :: GUARD(2) -> x = 2 \
			:: GUARD(3) -> x = 3 :: GUARD(4) -> x = 4 :: GUARD(5) -> x = 5
#define CAN_CARRY(r)	(req[r].state == ACTIVE && !req[r].done)
#define CAN_LAND(r)	(req[r].state == COPYING)
#define CAN_END(r)	(req[r].state == REPLYING)

/* deliver: a copy to a server ends, and with deliver_late it may be too late. */
inline land(r)
{
	req[r].state = ACTIVE;
	if
	:: SERVED && req[r].by == generation
	:: else ->
		lose(r);
		if
#ifndef HELD_LATE
		:: req[r].state == HELD && service == ALIVE && IS_ONCE(r) ->
			req[r].state = OVER; req[r].result = ERESTART
		:: req[r].state == HELD && service == ALIVE && !IS_ONCE(r) ->
			req[r].state = QUEUED; queue!r
#endif
		:: req[r].state == HELD && service == FAILED ->
			req[r].state = OVER; req[r].result = EHOSTDOWN
		:: else
		fi
	fi
}

/* service_hold_wait: refuse */
inline expire(r)
{
	if
	:: req[r].state == HELD -> req[r].state = OVER; req[r].result = EHOSTDOWN
	:: else
	fi
}

active proctype world()
{
	byte x = 0, by = 0;

	atomic {
		disk[A] = 1;
		if
		:: READS > 0 -> run reader()
		:: else -> gone[0] = true
		fi;
		if
		:: PASSING > 0 -> run passer()
		:: else -> run namer(1)
		fi;
		if
		:: NAMERS > 1 -> run namer(2)
		:: else -> gone[2] = true
		fi
	};
end:	do
	:: atomic { SERVED && nempty(queue) ->
		queue?x; req[x].state = COPYING; req[x].by = generation;
		assert(!IS_RECOVERY(x) || (x & 1) == (generation & 1));	/* its own server */
		x = 0 }
	:: atomic { ANY(CAN_LAND) -> if FOR_EACH(CAN_LAND) fi; land(x); x = 0 }
	:: atomic { SERVED && ANY(CAN_CARRY) -> if FOR_EACH(CAN_CARRY) fi; carry_out(x); x = 0 }
	:: atomic { SERVED && ANY(CAN_REPLY) -> if FOR_EACH(CAN_REPLY) fi; reply(x); x = 0 }
	:: atomic { ANY(CAN_END) -> if FOR_EACH(CAN_END) fi; reply_over(x); x = 0 }
#ifdef TAKE_OLD
	:: atomic { old[0] && req[0].state == ACTIVE -> old[0] = false; req[0].result = OK;
		req[0].by = generation; req[0].done = false; req[0].state = OVER }
#endif
#ifdef NOTE_ENDS
	:: atomic { kills > 0 && !noted -> kills--; noted = true }
#endif
	:: atomic { SERVED && deaths > 0 -> die() }
	:: atomic { service == DOWN || service == FAILED ->	/* service_take_over */
		generation++; service = RECOVERING; run recovery(generation) }
	:: atomic { service == DOWN && fails > 0 ->		/* service_slot_fail */
		fails--; service = FAILED; expire(0); expire(1); expire(2) }
	:: atomic { (service == DOWN || service == RECOVERING) && expires > 0 ->
		expires--;
		if
		:: true -> expire(0)
		:: true -> expire(1)
		fi }
	:: atomic { kills > 0 && !gone[0] && !killed[0] -> kills--; killed[0] = true }
	:: atomic { kills > 0 && !gone[1] && !killed[1] -> kills--; killed[1] = true }
	od
}

active proctype last()
{
	timeout ->
	atomic {
		assert(gone[0] && gone[1] && gone[2]);
		assert(service == ALIVE && empty(queue));
		assert(names == NOBODY);
		assert(!fid_known && !fid_taken && server_fid == 0);
		assert(!number_taken && !server_passing);
		assert(req[0].state == IDLE && req[1].state == IDLE && req[2].state == IDLE &&
		       req[3].state == IDLE)
	}
}
