/*
 * Who waits for one of several files is told when one changes: kernel/poll.c.
 *
 * Two files, each with a device that makes it ready, sees somebody else take that, and makes it
 * ready again, for good.  Poller 0 waits for file 0, poller 1 for both.  Each must end.  With SAME
 * both files have one hash.  What is one step here is one access to memory there; what a lock
 * guards is between taking it and giving it.  Barriers are what keeps the order of the steps, which
 * two of the mutants change.
 *
 * mutant LOOK_FIRST 1		a poller looks before it is counted
 * mutant COUNT_FIRST 1		a device looks at the count before the change is seen
 * mutant CLEAR_LATE 1		`changed` is taken back when the poller goes to sleep
 * mutant LIST_LATE 1		a poller is counted before it is in the list
 * mutant ALL_GONE 1		who leaves takes the count of others along
 * mutant FORGET 2		who leaves is counted for ever
 *
 * run -DDIFFERENT
 * run -DSAME
 */
#define FILES	2
#define POLLERS	2

#ifdef SAME
#define HASH(f)	0
#else
#define HASH(f)	(f)
#endif
#define WAITS_FOR(p, f)	((f) == 0 || (p) == 1)

bool ready[FILES];
byte waiting[FILES];			/* by hash */
bool lock;
bool listed[POLLERS], hashes[POLLERS * FILES], changed[POLLERS], asleep[POLLERS];
byte ended;

inline take()
{
	atomic { !lock -> lock = true }
}

inline give()
{
	lock = false
}

/* poll_notify */
inline notify(h)
{
	if
	:: waiting[h] == 0
	:: waiting[h] != 0 ->
		take();
		k = 0;
		do
		:: k < POLLERS ->
			if
			:: listed[k] && hashes[k * FILES + h] -> changed[k] = true; asleep[k] = false
			:: else
			fi;
			k++
		:: else -> break
		od;
		give()
	fi
}

proctype device(byte f)
{
	byte k;

#ifdef COUNT_FIRST
	byte seen = waiting[HASH(f)];
	ready[f] = true;
	ready[f] = false;
	ready[f] = true;
	if
	:: seen == 0
	:: seen != 0 -> notify(HASH(f))
	fi
#else
	ready[f] = true;
	notify(HASH(f));
	ready[f] = false;		/* taken */
	ready[f] = true;
	notify(HASH(f))
#endif
}

/* poll_on */
inline count(p, f)
{
	if
	:: hashes[p * FILES + HASH(f)]
	:: else ->
		take();
		hashes[p * FILES + HASH(f)] = true;
		waiting[HASH(f)]++;
		give()
	fi
}

inline look(p)
{
	f = 0;
	do
	:: f < FILES && WAITS_FOR(p, f) ->
#ifdef LOOK_FIRST
		if
		:: ready[f] -> found = true
		:: else
		fi;
		count(p, f);
#else
		count(p, f);
		if
		:: ready[f] -> found = true
		:: else
		fi;
#endif
		f++
	:: f < FILES && !WAITS_FOR(p, f) -> f++
	:: else -> break
	od
}

inline list()
{
	take();
	listed[p] = true;
	give()
}

proctype poller(byte p)
{
	byte f;
	bool found;

#ifndef LIST_LATE
	list();
#endif
	do
	:: look(p);
#ifdef LIST_LATE
		if
		:: listed[p]
		:: else -> list()
		fi;
#endif
		if
		:: found -> break
		:: else
		fi;
		take();
#ifdef CLEAR_LATE
		changed[p] = false;
#endif
		do
		:: changed[p] -> break
		:: else ->
			asleep[p] = true;
			give();
			!asleep[p];
			take()
		od;
		changed[p] = false;
		give()
	od;
	take();
	listed[p] = false;
	f = 0;
	do
	:: f < FILES ->
		if
		:: hashes[p * FILES + f] ->
			hashes[p * FILES + f] = false;
#if !defined(ALL_GONE) && !defined(FORGET)
			waiting[f]--
#elif !defined(FORGET)
			waiting[f] = 0
#endif
		:: else
		fi;
		f++
	:: else -> break
	od;
	give();
	ended++
}

init {
	atomic { run device(0); run device(1); run poller(0); run poller(1) }
}

/* Nobody sleeps for ever, and nobody who has gone is paid for. */
active proctype last()
{
	timeout ->
	assert(ended == POLLERS);
	assert(waiting[0] == 0 && waiting[1] == 0 && !lock)
}
