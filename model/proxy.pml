/*
 * A server that asks another one is killed: kernel/service.c:may_leave, doc/recovery.md.
 *
 * client - proxy - server.  Both services have successors, and the client's mount is recoverable;
 * the proxy's too, with RECOVERABLE.  There are the names A and B, and a file's content; the server
 * has threads enough to work on all requests at once, in any order.  The client renames A to B and
 * makes A again, or writes 1, then 2, and reads.  `world` is the server, in all its generations, and
 * everything else that may happen at any time: kills of the proxy, deaths of the server, waits that
 * end, a request that is stuck.  With MUTUAL the server asks the proxy in turn before it changes
 * anything, and both may be killed.
 *
 * There is no time.  What has a bound (30 s for what a killed server has asked for, a deadline for a
 * server that is stuck) comes when nothing else can: all else is taken to be faster.  A request that
 * is left behind because of its bound may be carried out later than its client is told otherwise:
 * that is the bound's price, and from then on (`late`) the claim is only that nobody waits for ever.
 * How a service comes back is in recover.pml, how a request passes in ipc.pml.
 *
 * Mutants, each of which must be found:
 * mutant LEAVE 2	a killed server leaves behind whatever it has asked others for
 * mutant LEAVE_NAMES 1	a change of names is left behind
 * mutant LEAVE_WRITE 1	a write is left behind
 * mutant EARLY_START 1	a successor takes over before the process of the last one has ended
 * mutant NO_BOUND 4	two servers that are killed wait for each other
 * mutant FREE_BOUND 3	a request that is left behind at its bound is held to all claims
 *
 * run -DRECOVERABLE=0 -DKILLS=2 -DDEATHS=0
 * run -DRECOVERABLE=1 -DKILLS=2 -DDEATHS=1 -DEXPIRES=1
 * run -DRECOVERABLE=1 -DKILLS=2 -DDEATHS=1 -DHANGS=1
 * run -DRECOVERABLE=1 -DKILLS=1 -DDEATHS=1 -DMUTUAL
 * run -DRECOVERABLE=0 -DKILLS=1 -DDEATHS=1 -DMUTUAL -DEXPIRES=1
 */
#ifndef EXPIRES
#define EXPIRES	0
#endif
#ifndef HANGS
#define HANGS	0
#endif
#define NR	4	/* requests: 0 the client's, the others of the proxy's generations */
#define NOBODY	7

/* A request's state */
#define IDLE	0
#define QUEUED	1
#define ACTIVE	2
#define HELD	3
#define OVER	4
/* What it asks for */
#define ASK	1	/* the qids of both names */
#define READ	2
#define WRITE	3
#define RENAME	4	/* A to B */
#define MAKE	5	/* A */
#define IS_ONCE(r)	(req[r].kind >= RENAME)
#define IS_CHANGE(r)	(req[r].kind >= WRITE)
/* Its result */
#define OK		0
#define ENOENT		1
#define EEXIST		2
#define EHOSTDOWN	3
#define ERESTART	4
#define EINTR		5

typedef request {
	byte state, kind, value, result, a, b;
	bool sent, flushed, left, done, stuck, asked
};
request req[NR];

/* The proxy */
bool proxy_up;				/* the service: alive, or down */
byte generation;
bool killed[NR], ended[NR];
/* The server: its service, its process, what lasts, and its question to the proxy */
bool server_up = true, server_killed;
byte name_a = 1, name_b, content, question = IDLE, asker;
byte names = NOBODY;			/* the lock of its service, if mounts are recoverable */

byte kills = KILLS, deaths = DEATHS, expires = EXPIRES, hangs = HANGS;
/* For the claims */
byte carried_out[6];			/* by kind */
bool late, unknown, client_gone;

#define MAY_WAIT(r)	(r == 0 || RECOVERABLE)

inline forget(r)
{
	req[r].state = IDLE; req[r].kind = 0; req[r].value = 0; req[r].result = 0; req[r].a = 0;
	req[r].b = 0; req[r].sent = false; req[r].flushed = false; req[r].left = false;
	req[r].done = false; req[r].stuck = false; req[r].asked = false
}

/* service_call */
inline post(r, what, data)
{
	forget(r);
	req[r].kind = what; req[r].value = data;
	if
	:: (r == 0 && proxy_up) || (r != 0 && server_up) -> req[r].state = QUEUED
	:: else ->
		if
		:: MAY_WAIT(r) -> req[r].state = HELD
		:: else -> req[r].state = OVER; req[r].result = EHOSTDOWN; unknown = true
		fi
	fi
}

/* lose: its server has gone. */
inline lose(r)
{
	if
	:: (req[r].state == QUEUED || req[r].state == ACTIVE) && req[r].left ->
		if
		:: names == r -> names = NOBODY
		:: else
		fi;
		forget(r)
	:: (req[r].state == QUEUED || req[r].state == ACTIVE) && !req[r].left ->
		req[r].sent = req[r].sent || req[r].state == ACTIVE;
		req[r].done = false; req[r].stuck = false; req[r].asked = false;
		req[r].flushed = false;
		if
		:: MAY_WAIT(r) -> req[r].state = HELD
		:: else -> req[r].state = OVER; req[r].result = EHOSTDOWN; unknown = true
		fi
	:: else
	fi
}

/* service_release: it has a successor. */
inline release(r)
{
	if
	:: req[r].state == HELD && req[r].sent && IS_ONCE(r) ->
		req[r].state = OVER; req[r].result = ERESTART
	:: req[r].state == HELD && !(req[r].sent && IS_ONCE(r)) -> req[r].state = QUEUED
	:: else
	fi
}

/* --- the client: kernel/dev/mnt_name.c -------------------------------------------------------- */

#define CLAIM(what)	assert(late || (what))

inline await_client()
{
	atomic { req[0].state == OVER -> result = req[0].result; a = req[0].a; b = req[0].b;
		forget(0) }
}

proctype client()
{
	byte op = 0, value = 0, result = 0, a = 0, b = 0, was_a = 0, was_b = 0;

	if
	:: op = RENAME
	:: op = WRITE; value = 1
	fi;
next:
	if
	:: op < RENAME -> goto send
	:: else
	fi;
	atomic { post(0, ASK, 0) };
	await_client();
	atomic {
		if
		:: result == EHOSTDOWN -> goto judged
		:: else -> was_a = a; was_b = b
		fi
	};
send:
	atomic { post(0, op, value) };
	await_client();
	if
	:: result == ERESTART -> atomic { post(0, ASK, 0) }
	:: else -> goto judged
	fi;
	await_client();
	atomic {
		if
		:: result == EHOSTDOWN -> goto judged
		:: else
		fi;
		if
		:: op == RENAME && was_a != 0 && b == was_a -> result = OK
		:: op == MAKE && was_a == 0 && a != 0 -> result = OK
		:: else -> goto send
		fi
	};
judged:
	atomic {
		CLAIM(result == OK || (result == EHOSTDOWN && unknown));
		CLAIM(result != OK || op < RENAME || carried_out[op] == 1);
		CLAIM(result != OK || op > WRITE || content == value);
		CLAIM(result != OK || op != READ || a == value);
		was_a = 0; was_b = 0; a = 0; b = 0;
		if
		:: result != OK -> goto leave
		:: result == OK && op == RENAME -> op = MAKE; goto next
		:: result == OK && op == WRITE && value == 1 -> value = 2; goto next
		:: result == OK && op == WRITE && value == 2 -> op = READ; goto next
		:: else -> goto leave
		fi
	};
leave:
	atomic { client_gone = true; op = 0; value = 0; result = 0 }
}

/* --- the proxy: a thread of it, and as its last one its process ------------------------------- */

/* may_leave; at the bound, `world` marks what waits as left. */
#ifdef LEAVE
#define MAY_LEAVE	true
#else
#define MAY_LEAVE	(req[me].kind == READ || req[me].left)
#endif
#ifdef LEAVE_NAMES
#undef MAY_LEAVE
#define MAY_LEAVE	(req[me].kind == READ || IS_ONCE(me))
#endif
#ifdef LEAVE_WRITE
#undef MAY_LEAVE
#define MAY_LEAVE	(req[me].kind == READ || req[me].kind == WRITE)
#endif

/* call_slow */
inline await_server()
{
	do
	:: atomic { req[me].state == OVER && !killed[me] ->
		result = req[me].result; a = req[me].a; b = req[me].b; forget(me); break }
	:: atomic { killed[me] && req[me].state != ACTIVE -> forget(me); goto leave }
	:: atomic { killed[me] && req[me].state == ACTIVE && !req[me].flushed ->
		req[me].flushed = true }
	:: atomic { killed[me] && req[me].state == ACTIVE && MAY_LEAVE ->
		req[me].left = true; goto leave_behind }
	od
}

/* service_hang_up; the server's mount of the proxy is not recoverable. */
inline proxy_ends()
{
	proxy_up = false;
	lose(0);
	if
	:: question == QUEUED || question == ACTIVE -> question = IDLE; req[asker].asked = true;
		asker = 0
	:: else
	fi
}

proctype proxy(byte me)
{
	byte kind = 0, value = 0, result = 0, a = 0, b = 0, was_a = 0, was_b = 0;

end_idle:
	atomic {
		killed[me] || (req[0].state == QUEUED && generation == me && proxy_up) ->
		if
		:: killed[me] -> goto leave
		:: else -> req[0].state = ACTIVE; kind = req[0].kind; value = req[0].value
		fi;
		if
		:: kind < RENAME || !RECOVERABLE -> goto send
		:: else
		fi
	};
	/* change, create_once: the proxy is a client as others are */
	atomic { names == NOBODY || killed[me] ->
		if
		:: killed[me] -> goto leave
		:: else -> names = me; post(me, ASK, 0)
		fi
	};
	await_server();
	atomic {
		if
		:: result != OK -> goto reply
		:: else -> was_a = a; was_b = b
		fi
	};
send:
	atomic {
		if
		:: killed[me] -> goto leave
		:: else -> post(me, kind, value)
		fi
	};
	await_server();
	if
	:: atomic { result == ERESTART && killed[me] -> goto leave }
	:: atomic { result == ERESTART && !killed[me] -> post(me, ASK, 0) }
	:: else -> goto reply
	fi;
	await_server();
	atomic {
		if
		:: result != OK -> goto reply
		:: else
		fi;
		if
		:: kind == RENAME && was_a != 0 && b == was_a
		:: kind == MAKE && was_a == 0 && a != 0
		:: else -> goto send
		fi
	};
reply:
	atomic {
		if
		:: names == me -> names = NOBODY
		:: else
		fi;
		was_a = 0; was_b = 0;
		if
		:: killed[me] -> goto leave
		:: generation == me && req[0].state == ACTIVE ->	/* killed or not */
			req[0].state = OVER; req[0].result = result; req[0].a = a; req[0].b = b
		:: generation != me || req[0].state != ACTIVE	/* its end is over: EHOSTDOWN */
		fi;
		kind = 0; value = 0; result = 0; a = 0; b = 0;
		goto end_idle
	};
leave_behind:
	atomic { skip; goto ends };	/* `names` stays with the request */
leave:
	atomic {
		if
		:: names == me -> names = NOBODY
		:: else
		fi
	};
ends:
	atomic {
		if
		:: proxy_up && generation == me -> proxy_ends()
		:: else
		fi;
		ended[me] = true; kind = 0; value = 0; result = 0; a = 0; b = 0; was_a = 0; was_b = 0
	}
}

/* --- the server, and all else ------------------------------------------------------------------ */

inline carry_out(r)
{
	req[r].done = true; req[r].result = OK;
	if
	:: req[r].kind == ASK -> req[r].a = name_a; req[r].b = name_b
	:: req[r].kind == READ -> req[r].a = content
	:: req[r].kind == WRITE -> content = req[r].value
	:: req[r].kind == RENAME && name_a == 0 -> req[r].result = ENOENT
	:: req[r].kind == MAKE && name_a != 0 -> req[r].result = EEXIST
	:: else ->
		carried_out[req[r].kind]++;
		CLAIM(carried_out[req[r].kind] == 1);
		if
		:: req[r].kind == RENAME -> name_b = name_a; name_a = 0
		:: req[r].kind == MAKE -> name_a = 2
		fi
	fi
}

inline reply_to(r)
{
	if
	:: req[r].left ->			/* orphan_ends */
		if
		:: names == r -> names = NOBODY
		:: else
		fi;
		forget(r)
	:: else -> req[r].state = OVER; req[r].done = false
	fi
}

inline server_ends()
{
	server_up = false; server_killed = false; question = IDLE; asker = 0;
	lose(1); lose(2); lose(3)
}

#ifdef MUTUAL
#define MUST_ASK(r)	(IS_CHANGE(r) && !req[r].asked)
#else
#define MUST_ASK(r)	false
#endif
#define ANY(GUARD)	(GUARD(1) || GUARD(2) || GUARD(3))
#define FOR_EACH(GUARD)	:: GUARD(1) -> x = 1 :: GUARD(2) -> x = 2 :: GUARD(3) -> x = 3
#define CAN_TAKE(r)	(req[r].state == QUEUED)
#define CAN_WORK(r)	(req[r].state == ACTIVE && !req[r].done && !req[r].stuck)
#define CAN_CARRY(r)	(CAN_WORK(r) && !MUST_ASK(r))
#define CAN_ASK(r)	(CAN_WORK(r) && MUST_ASK(r) && question == IDLE)
#define CAN_REFUSE(r)	(CAN_WORK(r) && req[r].flushed && asker != r)
#define CAN_REPLY(r)	(req[r].state == ACTIVE && req[r].done)
#define CAN_FREE(r)	(req[r].stuck && req[r].left)
/* At the bounds */
#define WAITS(r)	(killed[r] && !ended[r] && req[r].state == ACTIVE && !req[r].left)
#define IS_STUCK(r)	(req[r].stuck && !killed[r])

#ifdef EARLY_START
#define IS_OVER		true
#else
#define IS_OVER		(generation == 0 || ended[generation])
#endif

active proctype world()
{
	byte x = 0;

	run client();
end:	do
	/* the proxy */
	:: atomic { proxy_up && kills > 0 && !killed[generation] ->
		kills--; killed[generation] = true }
#ifdef EARLY_START
	:: atomic { proxy_up && killed[generation] -> proxy_ends() }
#endif
	:: atomic { !proxy_up && IS_OVER && generation < NR - 1 && !client_gone ->
		generation++; proxy_up = true; release(0); run proxy(generation) }
	/* the server */
	:: atomic { server_up && !server_killed && ANY(CAN_TAKE) -> if FOR_EACH(CAN_TAKE) fi;
		req[x].state = ACTIVE; x = 0 }
	:: atomic { server_up && ANY(CAN_CARRY) -> if FOR_EACH(CAN_CARRY) fi; carry_out(x); x = 0 }
	:: atomic { server_up && ANY(CAN_REFUSE) -> if FOR_EACH(CAN_REFUSE) fi;
		req[x].result = EINTR; reply_to(x); x = 0 }
	:: atomic { server_up && ANY(CAN_REPLY) -> if FOR_EACH(CAN_REPLY) fi; reply_to(x); x = 0 }
	:: atomic { server_up && deaths > 0 && !server_killed -> deaths--; server_killed = true }
	:: atomic { server_up && server_killed && question != ACTIVE -> server_ends() }
	:: atomic { !server_up -> server_up = true; release(1); release(2); release(3) }
	/* its question: a request of its own, which another thread of the proxy answers */
	:: atomic { server_up && !server_killed && ANY(CAN_ASK) -> if FOR_EACH(CAN_ASK) fi;
		if
		:: proxy_up -> question = QUEUED; asker = x
		:: else -> req[x].asked = true
		fi;
		x = 0 }
	:: atomic { question == QUEUED && !killed[generation] -> question = ACTIVE }
	:: atomic { question == ACTIVE && !killed[generation] ->
		question = IDLE; req[asker].asked = true; asker = 0 }
	/* waits that end */
	:: atomic { expires > 0 && req[0].state == HELD ->
		expires--; unknown = true; req[0].state = OVER; req[0].result = EHOSTDOWN }
	:: atomic { expires > 0 && req[generation].state == HELD && generation != 0 ->
		expires--; unknown = true;
		req[generation].state = OVER; req[generation].result = EHOSTDOWN }
	/* what is stuck, and bounds */
	:: atomic { hangs > 0 && ANY(CAN_WORK) -> hangs--; if FOR_EACH(CAN_WORK) fi;
		req[x].stuck = true; x = 0 }
	:: atomic { ANY(CAN_FREE) -> if FOR_EACH(CAN_FREE) fi; req[x].stuck = false; x = 0 }
	:: atomic { timeout && ANY(IS_STUCK) -> if FOR_EACH(IS_STUCK) fi;
		if
		:: req[x].stuck = false
		:: server_killed = true
		fi;
		x = 0 }
#ifndef NO_BOUND
	:: atomic { timeout && ANY(WAITS) -> if FOR_EACH(WAITS) fi;
		req[x].left = true;
#ifndef FREE_BOUND
		late = late || !server_killed;	/* else it ends with the server */
#endif
		x = 0 }
	:: atomic { timeout && server_killed && question == ACTIVE -> question = IDLE; asker = 0 }
#endif
	od
}

#ifndef NO_BOUND
#define BOUND_LEFT	(ANY(WAITS) || (server_killed && question == ACTIVE))
#else
#define BOUND_LEFT	false
#endif

active proctype last()
{
	timeout && !ANY(IS_STUCK) && !BOUND_LEFT ->
	atomic {
		assert(client_gone);
		assert(names == NOBODY && question == IDLE);
		assert(req[1].state == IDLE && req[2].state == IDLE && req[3].state == IDLE);
		assert(!killed[generation] || ended[generation]);
		CLAIM(unknown || (carried_out[RENAME] == 1 && name_b == 1 && name_a == 2) ||
		      (carried_out[RENAME] == 0 && content == 2))
	}
}
