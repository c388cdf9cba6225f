/*
 * One request between two processes: kernel/service.c (the client's side), kernel/serve.c (the
 * server's).  Comments name the functions that are not called so here.
 *
 * Two clients make CALLS0 and CALLS1 calls; with WALKS, client 0's make a fid, which it clunks; with
 * SERVES it is a server itself, and leaves nothing behind (may_leave; proxy.pml tells why).  It is
 * woken when its request is over: that it looks at the time each second is left out, and would hide
 * that it is not.  Two threads of one server answer.  `world` sends up to EVENTS notes and kills to
 * any of them, at any step.  What the kernel does under service->lock is one atomic step, but where
 * another processor can look between: after a thread has said that it sleeps, and before it has
 * looked at its work.
 *
 * Mutants, each of which must be found:
 * mutant EARLY_TAG 3	a tag is free when its request is over, though a flush names it still
 * mutant NO_RECHECK 1	who goes to sleep does not look at its work again
 * mutant NO_DEAD_CHECK 1	a request is handed over without a look whether the service has ended
 * mutant LOST_FID 4	a walk that was left behind is over, and its fid is forgotten
 * mutant KEEP_CLIENT 3	a killed client leaves a request behind that still names it
 * mutant LOSE_COPYING 2	a request that a server's thread copies is ended when the service is
 * mutant MAY_LEAVE 5	a killed server leaves its request behind
 *
 * run -DEVENTS=1 -DCALLS0=1 -DCALLS1=1
 * run -DEVENTS=2 -DCALLS0=1 -DCALLS1=0
 * run -DEVENTS=1 -DCALLS0=2 -DCALLS1=0
 * run -DEVENTS=1 -DCALLS0=2 -DCALLS1=0 -DWALKS
 * run -DEVENTS=2 -DCALLS0=1 -DCALLS1=0 -DSERVES
 */
#ifndef CALLS0
#define CALLS0	1
#define CALLS1	1
#endif
#define CALLS(c) (c == 0 -> CALLS0 : CALLS1)
#ifdef WALKS
#define KIND(c)	(c == 0 -> WALK : READ)
#else
#define KIND(c)	READ
#endif
#ifndef EVENTS
#define EVENTS	2
#endif
#ifdef NO_DEAD_CHECK		/* takes one more: the server hangs up, and is killed */
#undef EVENTS
#define EVENTS	2
#endif
#ifdef SERVES
#define IS_SERVER(c)	(c == 0)
#else
#define IS_SERVER(c)	false
#endif
#ifdef MAY_LEAVE
#define STAYS(c)	false
#else
#define STAYS(c)	IS_SERVER(c)
#endif
#define NT	4		/* threads: clients 0 and 1, the server's 2 and 3 */
#define NR	6		/* records, and tags */
#define NONE	7

/* A thread, as in sched.c: who takes it from SLEEPING owns its waking. */
#define RUNNING		0
#define SLEEPING	1
#define WAKING		2
/* A request's state */
#define QUEUED		1
#define COPYING		2
#define ACTIVE		3
#define DONE		4
/* What it is */
#define READ		0
#define WALK		1
#define FLUSH		2
#define CLUNK		3
/* Errors */
#define EINTR		1
#define EHOSTDOWN	2
#define EIO		3

byte tstate[NT], reason[NT];
bool on_cpu[NT], note[NT], kill[NT], interruptible[NT], killable[NT], gone[NT];

typedef record {
	bool used, waiting;
	byte state, kind, client, tag;
	byte flushed, flusher;		/* of a flush: the request meant; of that: its flush */
	byte about;			/* of a flush: the tag that it names */
	byte error, serial, answer
};
record req[NR];
byte own[2] = NONE;			/* a client's thread->request */

bool locked, dead;
byte tag_of[NR] = NONE;			/* service->tag */
bool tag_busy[NR];
chan queue = [NR] of { byte };
bool idle[2];
byte given[2] = NONE;			/* server_wait.request */
byte servers = 2;			/* threads that have not ended */
byte events = EVENTS;

bool fid_taken, server_has;		/* the one fid: its number in the kernel; in the server */
bool carried[5];			/* by serial: the server has done it */

#define lock_free	!locked
#define has_work(t)	(note[t] || kill[t])

/* --- sched.c ---------------------------------------------------------------------------------- */

/* sched_run_claimed, sched_handoff: not before it has left its processor. */
inline run_claimed(t)
{
	if
	:: t == NONE
	:: t != NONE -> atomic { !on_cpu[t] -> assert(tstate[t] == WAKING); tstate[t] = RUNNING }
	fi
}

/* schedule(): until somebody runs me. */
#define LEAVE_CPU	on_cpu[me] = false
#define BACK_ON_CPU(then) atomic { tstate[me] == RUNNING -> on_cpu[me] = true; \
				   interruptible[me] = false; killable[me] = false; then }

/* thread_set_work, after the work itself is noted */
inline set_work(t, is_kill)
{
	if
	:: interruptible[t] || (is_kill && killable[t]) ->
		atomic {
			if
			:: tstate[t] == SLEEPING -> tstate[t] = WAKING; reason[t] = EINTR; woken = t
			:: else -> woken = NONE
			fi;
			run_claimed(woken); woken = NONE
		}
	:: else
	fi
}

/* --- service.c -------------------------------------------------------------------------------- */

inline record_new(r)
{
	if
	:: !req[0].used -> r = 0
	:: else -> if
		:: !req[1].used -> r = 1
		:: else -> if
			:: !req[2].used -> r = 2
			:: else -> if
				:: !req[3].used -> r = 3
				:: else -> if
					:: !req[4].used -> r = 4
					:: else -> r = 5
					fi
				fi
			fi
		fi
	fi;
	assert(!req[r].used);
	req[r].used = true;
	req[r].client = NONE;
	req[r].flushed = NONE;
	req[r].flusher = NONE;
	req[r].about = NONE;
	req[r].waiting = false;
	req[r].state = 0;
	req[r].error = 0;
	req[r].serial = 0;
	req[r].answer = 0
}

inline dispose(r)
{
	assert(req[r].used && req[r].flusher == NONE);
	req[r].used = false;
	req[r].state = 0; req[r].kind = 0; req[r].tag = 0; req[r].error = 0;
	req[r].serial = 0; req[r].answer = 0; req[r].about = 0; req[r].flushed = 0;
	req[r].flusher = 0; req[r].client = 0; req[r].waiting = false
}

inline tag_take(r)
{
	if
	:: !tag_busy[0] -> req[r].tag = 0
	:: else -> if
		:: !tag_busy[1] -> req[r].tag = 1
		:: else -> if
			:: !tag_busy[2] -> req[r].tag = 2
			:: else -> if
				:: !tag_busy[3] -> req[r].tag = 3
				:: else -> if
					:: !tag_busy[4] -> req[r].tag = 4
					:: else -> req[r].tag = 5
					fi
				fi
			fi
		fi
	fi;
	assert(!tag_busy[req[r].tag]);
	tag_busy[req[r].tag] = true;
	tag_of[req[r].tag] = r
}

#define uses_tag(x, n)	(req[x].used && ((req[x].state >= QUEUED && req[x].state <= ACTIVE && \
			 req[x].tag == n) || (req[x].kind == FLUSH && req[x].state != DONE && \
			 req[x].about == n)))

/* The claim: nobody that is under way has the number, as its own or as what its flush names. */
inline number_give(n)
{
	assert(tag_busy[n]);
	tag_busy[n] = false;
	assert(!uses_tag(0, n) && !uses_tag(1, n) && !uses_tag(2, n) && !uses_tag(3, n) &&
	       !uses_tag(4, n) && !uses_tag(5, n))
}

inline fid_give()
{
	assert(dead || (fid_taken && !server_has));
	fid_taken = false
}

/* request_done: `wake` its client, claimed; `left` the record, if it has no client. */
inline request_done(r, wake, left)
{
	assert(req[r].used && req[r].state != DONE);
	wake = NONE;
	left = NONE;
	req[r].state = DONE;
	if
	:: req[r].kind == FLUSH && req[r].flushed != NONE -> req[req[r].flushed].flusher = NONE
	:: req[r].kind == FLUSH && req[r].flushed == NONE ->
#ifndef EARLY_TAG
		number_give(req[r].about)
#else
		skip
#endif
	:: else
	fi;
	tag_of[req[r].tag] = NONE;
	if
	:: req[r].flusher != NONE ->
		req[req[r].flusher].flushed = NONE;
		req[r].flusher = NONE;
#ifdef EARLY_TAG
		number_give(req[r].tag)
#endif
	:: else -> number_give(req[r].tag)
	fi;
	if
	:: req[r].client == NONE -> left = r; assert(req[r].kind != READ || !IS_SERVER(0))
	:: req[r].client != NONE && tstate[req[r].client] == SLEEPING ->
		wake = req[r].client; tstate[wake] = WAKING; reason[wake] = 0
	:: else
	fi
}

/* request_post: which idle thread is taken is left open (the code takes the latest). */
inline request_post(r, st)
{
	st = NONE;
	do
	:: idle[0] -> idle[0] = false;
		if
		:: tstate[2] == SLEEPING -> st = 2; break
		:: else
		fi
	:: idle[1] -> idle[1] = false;
		if
		:: tstate[3] == SLEEPING -> st = 3; break
		:: else
		fi
	:: !idle[0] && !idle[1] -> break
	od;
	if
	:: st != NONE ->
		tstate[st] = WAKING; reason[st] = 0; given[st - 2] = r; req[r].state = COPYING
	:: else -> req[r].state = QUEUED; queue!r
	fi
}

#ifdef LOSE_COPYING
#define LOSES_COPYING	true
#else
#define LOSES_COPYING	false
#endif
#define WITH_SERVER(n, flushes) (tag_of[n] != NONE && \
	(req[tag_of[n]].state == QUEUED || req[tag_of[n]].state == ACTIVE || \
	 (LOSES_COPYING && req[tag_of[n]].state == COPYING)) && \
	(req[tag_of[n]].kind == FLUSH) == flushes)

/* service_lose: with the lock held, flushes last; the lock is dropped. */
inline lose_all()
{
	do
	:: atomic {
		if
		:: WITH_SERVER(0, false) -> r = tag_of[0]
		:: WITH_SERVER(1, false) -> r = tag_of[1]
		:: WITH_SERVER(2, false) -> r = tag_of[2]
		:: WITH_SERVER(3, false) -> r = tag_of[3]
		:: WITH_SERVER(4, false) -> r = tag_of[4]
		:: WITH_SERVER(5, false) -> r = tag_of[5]
		:: else -> if
			:: WITH_SERVER(0, true) -> r = tag_of[0]
			:: WITH_SERVER(1, true) -> r = tag_of[1]
			:: WITH_SERVER(2, true) -> r = tag_of[2]
			:: WITH_SERVER(3, true) -> r = tag_of[3]
			:: WITH_SERVER(4, true) -> r = tag_of[4]
			:: WITH_SERVER(5, true) -> r = tag_of[5]
			:: else -> r = NONE; break
			fi
		fi;
		if
		:: req[r].state == QUEUED -> queue??eval(r)
		:: else
		fi;
		req[r].error = EHOSTDOWN;
		request_done(r, t, left);
		run_claimed(t);
		if
		:: left != NONE -> orphan_ends(left); dispose(left)
		:: else
		fi;
		r = NONE; t = NONE; left = NONE
	   }
	od;
	locked = false
}

/* service_hang_up, by whoever says so; again, and it does nothing. */
inline hang_up()
{
	atomic { lock_free -> first = !dead; locked = first; dead = true };
	do
	:: !first -> break
	:: atomic { first && idle[0] -> idle[0] = false;
		if
		:: tstate[2] == SLEEPING -> tstate[2] = WAKING; reason[2] = EHOSTDOWN; t = 2
		:: else -> t = NONE
		fi;
		run_claimed(t); t = NONE }
	:: atomic { first && idle[1] -> idle[1] = false;
		if
		:: tstate[3] == SLEEPING -> tstate[3] = WAKING; reason[3] = EHOSTDOWN; t = 3
		:: else -> t = NONE
		fi;
		run_claimed(t); t = NONE }
	:: first && !idle[0] && !idle[1] -> break
	od;
	if
	:: first -> lose_all()
	:: !first
	fi
}

/* service_clunk, without memory running out */
inline send_clunk()
{
	atomic {
		lock_free ->
		if
		:: dead -> fid_give(); st = NONE
		:: else ->
			record_new(r);
			req[r].kind = CLUNK;
			tag_take(r);
			request_post(r, st);
			r = NONE
		fi;
		run_claimed(st); st = NONE
	}
}

/* service_sleep_begin is in two steps: SLEEP_SAY under the lock, then a look at the work. */
#define SLEEP_SAY(by_note, by_kill) interruptible[me] = by_note; killable[me] = by_kill; \
	tstate[me] = SLEEPING; locked = true
#ifdef NO_RECHECK
#define MUST_STOP(work)	false
#else
#define MUST_STOP(work)	((work) && tstate[me] == SLEEPING)
#endif

proctype client_thread(byte me)
{
	byte n = 0, r = NONE, f = NONE, st = NONE, err = 0;
	bool flushed = false;

next_call:
	atomic {
		note[me] = false;
		if
		:: n == CALLS(me) || kill[me] -> goto leave
		:: else -> n++
		fi;
		/* request_get */
		if
		:: own[me] == NONE -> record_new(r); own[me] = r
		:: else -> r = own[me]
		fi;
		assert(req[r].used && req[r].flusher == NONE && req[r].client == NONE);
		req[r].kind = KIND(me);
		req[r].serial = me * 2 + n;
		if
		:: KIND(me) == WALK -> !fid_taken || dead; fid_taken = true	/* its clunk is over */
		:: else
		fi;
		/* service_call */
		if
		:: has_work(me) -> err = EINTR; goto call_ends
		:: else
		fi;
		lock_free;
		if
		:: dead -> err = EHOSTDOWN; goto call_ends
		:: else
		fi;
		req[r].client = me;
		tag_take(r);
		reason[me] = 0;
		request_post(r, st);
		SLEEP_SAY(true, true)
	};
	atomic {
		if
		:: MUST_STOP(has_work(me)) -> tstate[me] = RUNNING; locked = false; goto stopped
		:: else -> locked = false
		fi;
		run_claimed(st); st = NONE;
		LEAVE_CPU
	};
	BACK_ON_CPU(if
		    :: reason[me] == 0 -> err = req[r].error; goto call_ends
		    :: else -> reason[me] = 0; goto interrupted
		    fi);
stopped:
	run_claimed(st); st = NONE;
interrupted:
	flushed = false;
again:
	atomic {
		lock_free ->
		req[r].waiting = false;
		if
		:: req[r].state == DONE ->
			err = req[r].error; interruptible[me] = false; killable[me] = false;
			goto call_ends
		:: req[r].state == QUEUED ->
			queue??eval(r);
			tag_of[req[r].tag] = NONE;
			req[r].state = DONE;
			number_give(req[r].tag);
			err = EINTR;
			interruptible[me] = false; killable[me] = false;
			goto call_ends
		:: req[r].state == ACTIVE && !flushed ->
			flushed = true;
			if
			:: record_new(f);
				req[f].kind = FLUSH;
				req[f].about = req[r].tag;
				tag_take(f);
				req[f].flushed = r;
				req[r].flusher = f;
				request_post(f, st);
				f = NONE;
				run_claimed(st); st = NONE
			:: skip			/* no memory */
			fi;
			goto again
		:: req[r].state == ACTIVE && flushed && kill[me] && STAYS(me) ->
			SLEEP_SAY(false, false)		/* wait_on_hard */
		:: req[r].state == ACTIVE && flushed && kill[me] && !STAYS(me) ->
#ifndef KEEP_CLIENT
			req[r].client = NONE;
#endif
			own[me] = NONE;
			r = NONE;
			goto leave
		:: else -> req[r].waiting = true; SLEEP_SAY(false, req[r].state == ACTIVE)
		fi
	};
	atomic {
		if
		:: MUST_STOP(killable[me] && kill[me]) ->
			tstate[me] = RUNNING; locked = false; goto again
		:: else -> locked = false
		fi;
		LEAVE_CPU
	};
	BACK_ON_CPU(reason[me] = 0; goto again);
call_ends:
	/* call_ends, then what mnt_walk does with the fid */
	atomic {
		req[r].client = NONE;
		assert(err != EHOSTDOWN || dead);
		assert(err != 0 || req[r].answer == req[r].serial);
		assert(err != 0 || carried[req[r].serial]);
		assert(err != EINTR || !carried[req[r].serial]);	/* it was not done */
		req[r].state = 0; req[r].tag = 0; req[r].answer = 0; req[r].serial = 0;
		req[r].error = 0; reason[me] = 0
	};
	if
	:: KIND(me) == WALK && err == 0 -> r = NONE; send_clunk()
	:: KIND(me) == WALK && err != 0 -> atomic { lock_free -> fid_give() }
	:: else
	fi;
	atomic { r = NONE; err = 0; flushed = false; goto next_call };
leave:
	/* request_free; the thread ends */
	atomic {
		if
		:: own[me] != NONE -> dispose(own[me]); own[me] = NONE
		:: else
		fi;
		gone[me] = true; n = 0; err = 0; flushed = false; r = NONE;
		kill[me] = false; tstate[me] = RUNNING; on_cpu[me] = false
	}
}

/* --- serve.c ---------------------------------------------------------------------------------- */

/* orphan_ends: true in `clunk` if the fid is still to be clunked. */
inline orphan_ends(x)
{
	if
	:: req[x].kind == WALK && req[x].error == 0 ->
#ifndef LOST_FID
		clunk = true
#else
		skip
#endif
	:: (req[x].kind == WALK && req[x].error != 0) || req[x].kind == CLUNK -> fid_give()
	:: else
	fi
}

inline request_fail()
{
	atomic {
		lock_free ->
		req[r].error = EIO;
		request_done(r, t, left);
		if
		:: left != NONE -> clunk = false; orphan_ends(left); assert(!clunk)
		:: else
		fi;
		run_claimed(t);
		if
		:: left != NONE -> dispose(left)
		:: else
		fi;
		r = NONE; t = NONE; left = NONE
	}
}

proctype server_thread(byte me)
{
	byte r = NONE, t = NONE, st = NONE, wake = NONE, left = NONE;
	byte tag = NONE, kind = 0, serial = 0, result = 0;
	bool clunk = false, first = false;

receive:
	/* receive(), with `wake` to be run */
	atomic {
		lock_free ->
		if
		:: dead -> goto wake_to_user
		:: !dead && nempty(queue) -> queue?r; req[r].state = COPYING
		:: !dead && empty(queue) ->
			idle[me - 2] = true; given[me - 2] = NONE; reason[me] = 0;
			SLEEP_SAY(true, true);
			goto sleep
		fi;
		run_claimed(wake); wake = NONE;
		goto deliver
	};
sleep:
	atomic {
		if
		:: MUST_STOP(has_work(me)) ->
			tstate[me] = RUNNING; idle[me - 2] = false; locked = false;
			goto wake_to_user
		:: else -> locked = false
		fi;
		assert(empty(queue));		/* nobody is idle while a request waits */
		run_claimed(wake); wake = NONE;
		LEAVE_CPU
	};
end_idle:
	BACK_ON_CPU(r = given[me - 2]; given[me - 2] = NONE; reason[me] = 0;
		    lock_free;
		    if
		    :: r != NONE
		    :: r == NONE -> idle[me - 2] = false; goto user
		    fi;
		    goto copied);
deliver:
	/* the copy to the server: without the lock, and it can fail */
	atomic {
		lock_free ->
copied:
		assert(req[r].used && req[r].state == COPYING);
		if
		:: req[r].kind == WALK -> request_fail(); goto receive
		:: true
		fi;
		tag = req[r].tag; kind = req[r].kind; serial = req[r].serial;
		req[r].state = ACTIVE;
#ifndef NO_DEAD_CHECK
		if
		:: dead -> tag = NONE; serial = 0; kind = 0; r = NONE; locked = true; goto late
		:: else
		fi;
#endif
		if
		:: req[r].waiting && req[r].client != NONE && tstate[req[r].client] == SLEEPING ->
			t = req[r].client; tstate[t] = WAKING; reason[t] = 0
		:: else
		fi;
		r = NONE;
		run_claimed(t); t = NONE;
		goto user
	};
late:
	lose_all();		/* deliver_late */
	goto receive;
wake_to_user:
	run_claimed(wake); wake = NONE;
user:
	atomic {
		note[me] = false;
		if
		:: kill[me] -> goto leave
		:: !kill[me] && tag == NONE && dead -> goto leave	/* EHOSTDOWN: the loop ends */
		:: !kill[me] && tag == NONE && !dead -> goto receive
		:: !kill[me] && tag != NONE
		fi
	};
	if
	:: atomic { kill[me] -> goto leave }
	:: atomic { events > 0 -> events-- }; hang_up(); goto leave	/* a reply of type 0 */
	:: atomic {
		lock_free ->
		/* the operation is carried out, or refused, and answered: reply() */
		if
		:: kind == WALK ->
			if
			:: assert(dead || !server_has); server_has = true; result = 0;
				carried[serial] = true
			:: result = EINTR
			fi
		:: kind == CLUNK -> server_has = false; result = 0
		:: kind == READ -> result = 0; carried[serial] = true
		:: kind == FLUSH -> result = 0
		fi;
		r = tag_of[tag];
		if
		:: r == NONE -> goto einval
		:: r != NONE && req[r].state != ACTIVE -> goto einval
		:: r != NONE && req[r].state == ACTIVE -> req[r].state = COPYING
		fi;
		assert(req[r].used && req[r].kind == kind && req[r].serial == serial);
		req[r].error = result; req[r].answer = serial
	   }
	fi;
	atomic {
		lock_free ->
		request_done(r, wake, left);
		clunk = false;
		if
		:: left != NONE -> orphan_ends(left); dispose(left)
		:: else
		fi;
		r = NONE; left = NONE; tag = NONE; serial = 0; kind = 0; result = 0
	};
	if
	:: clunk -> clunk = false; send_clunk()
	:: else
	fi;
	goto receive;
einval:
	atomic { r = NONE; tag = NONE; serial = 0; kind = 0; result = 0; goto user };
leave:
	/* the thread ends; the process's last one closes the server's end */
	atomic {
		r = NONE; tag = NONE; serial = 0; kind = 0; result = 0;
		gone[me] = true; servers--;
		if
		:: servers == 0 && !dead
		:: else -> goto ended
		fi
	};
	hang_up();
ended:
	atomic { tstate[me] = RUNNING; on_cpu[me] = false }
}

#define EVENT(what)	atomic { events > 0 -> events--; what }

active proctype world()
{
	byte woken = NONE;

	atomic {
		on_cpu[0] = true; on_cpu[1] = true; on_cpu[2] = true; on_cpu[3] = true;
		run client_thread(0); run client_thread(1); run server_thread(2); run server_thread(3)
	};
end:	do
	:: EVENT(note[0] = true); set_work(0, false)
	:: EVENT(kill[0] = true); set_work(0, true)
#ifndef SERVES		/* they are in other runs */
	:: EVENT(note[1] = true); set_work(1, false)
	:: EVENT(note[2] = true); set_work(2, false)
	:: EVENT(kill[1] = true); set_work(1, true)
#endif
	:: EVENT(kill[2] = true); set_work(2, true);	/* proc_kill: all its threads */
		kill[3] = true; set_work(3, true)
	od
}

/* Nothing moves any more: nobody is forgotten. */
active proctype last()
{
	timeout ->
	atomic {
		assert(gone[0] && gone[1]);
		assert((!kill[2] || gone[2]) && (!kill[3] || gone[3]));
		assert(!locked && empty(queue));
		assert(!req[0].used && !req[1].used && !req[2].used && !req[3].used &&
		       !req[4].used && !req[5].used);
		assert(!tag_busy[0] && !tag_busy[1] && !tag_busy[2] && !tag_busy[3] &&
		       !tag_busy[4] && !tag_busy[5]);
		assert(dead || (!fid_taken && !server_has))
	}
}
