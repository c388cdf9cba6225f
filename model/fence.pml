/*
 * A driver dies while its device writes to memory: kernel/fence.c, kernel/dev/dma.c, dev/irq.c.
 * doc/model.md tells what is modelled.
 *
 * One process drives two functions and has one page that both may write to.  It is killed at any
 * step.  Function 1 can be reset by the kernel, function 0 only with RESETS.  A successor for each
 * resets its controller, says `quiet` and goes on.  A page that is free belongs to others at once.
 *
 * What is assumed of the device stands in three places:
 *	with bus mastering off, a real device writes no more, once that was read back;
 *	a reset, the function's or the controller's, ends whatever the device had to do;
 *	an emulated one (EMULATED) may finish what it had begun, but does so within QUIET_NS.
 *
 * mutant MASTER_STAYS 1	bus mastering is not turned off
 * mutant FREE_FIRST 2		pages are free when the process has gone
 * mutant WRONG_FUNCTION 2	a page waits for another function than the one that was not reset
 * mutant MASTER_FIRST 1	a successor gets bus mastering before its function is quiet
 * mutant QUIET_FIRST 2		it says `quiet` before it has reset its controller
 * mutant NO_BOUND 2		an emulator may take longer than QUIET_NS
 * mutant SHARE 2		pages are released early because too many wait, under an emulator
 * mutant IRQ_FREE_NO_WAIT 1	an interrupt's user is freed while its handler runs
 *
 * run -DSHARE
 * run -DEMULATED
 * run -DEMULATED -DRESETS
 */
#define ANY	2

/* Who has the page */
#define DRIVER	0
#define WAITS	1		/* nobody: until its function is quiet */
#define OTHERS	2
byte page = DRIVER, page_of = ANY;

bool master[2], armed[2];	/* bus mastering; the device has commands that name the page */
bool begun[2];			/* an emulator has mapped the page, and will write */
bool unquiet[2];
bool message[2], routed[2];	/* the device may send messages; they have a handler */
bool sent[2], running[2];	/* one is on its way; its handler runs */
bool owned[2], killed, driver_gone;

#define MAY_WRITE(f)	((armed[f] && master[f]) || begun[f])

proctype device(byte f)
{
end:	do
	:: atomic { MAY_WRITE(f) && page == OTHERS -> assert(false) }	/* another's page */
#ifdef EMULATED
	:: atomic { armed[f] && master[f] && !begun[f] -> begun[f] = true }
	:: atomic { begun[f] -> begun[f] = false }
#endif
	:: atomic { message[f] && !sent[f] -> sent[f] = true }
	od
}

/* irq_dispatch, message_interrupt */
proctype interrupt(byte f)
{
end:	do
	:: atomic { sent[f] -> sent[f] = false;
		if
		:: routed[f] -> running[f] = true
		:: !routed[f]
		fi }
	:: atomic { running[f] -> assert(!driver_gone); running[f] = false }
	od
}

inline reset(f)
{
	atomic { armed[f] = false; begun[f] = false; unquiet[f] = false }
}

inline give_up(f)
{
	routed[f] = false;
#ifndef IRQ_FREE_NO_WAIT
	!running[f];
#endif
	owned[f] = false
}

/* It gives commands at any time until it is killed. */
proctype driver()
{
end:	do
	:: atomic { !killed && !armed[0] -> armed[0] = true }
	:: atomic { !killed && !armed[1] -> armed[1] = true }
	:: atomic { !killed -> killed = true; break }
	od;
	/* hw_proc_exit, in the last thread */
	message[0] = false; message[1] = false;
#ifndef MASTER_STAYS
	master[0] = false;
	master[1] = false;
#endif
#ifdef FREE_FIRST
	page = OTHERS;
#endif
#ifdef RESETS
	reset(0);
#else
	unquiet[0] = true;
#endif
	reset(1);
	/* dma_proc_exit */
	atomic {
		if
		:: page == DRIVER && !unquiet[0] && !unquiet[1] -> page = OTHERS
		:: page == DRIVER && (unquiet[0] || unquiet[1]) ->
			page = WAITS;
			page_of = (unquiet[0] && unquiet[1] -> ANY : (unquiet[0] -> 0 : 1));
#ifdef WRONG_FUNCTION
			page_of = 1
#endif
		:: else
		fi
	};
	/* pcidev_disown: irq_free, and another may come */
	give_up(0);
	give_up(1);
	driver_gone = true
}

/* dma_quiet */
inline quiet(f)
{
	atomic {
		unquiet[f] = false;
		if
		:: page == WAITS && page_of == f -> page = OTHERS
		:: else
		fi
	}
}

/* busmaster: refused while the function is not quiet */
inline master_on(f)
{
	atomic {
#ifndef MASTER_FIRST
		!unquiet[f];
#endif
		master[f] = true
	}
}

proctype successor(byte f)
{
	atomic { killed && !owned[f] -> owned[f] = true };
#ifdef MASTER_FIRST
	master_on(f);
#endif
#ifdef QUIET_FIRST
	quiet(f);
#endif
	atomic { armed[f] = false; begun[f] = false };	/* its controller's own reset */
#ifndef QUIET_FIRST
	quiet(f);
#endif
	master_on(f)
}

/* release_quiet: QUIET_NS are over; or, with SHARE, too many pages wait. */
proctype clock()
{
end:	atomic {
#if defined(EMULATED) && !defined(NO_BOUND) && !defined(SHARE)
		page == WAITS && !begun[0] && !begun[1]		/* the assumption */
#else
		page == WAITS
#endif
		-> page = OTHERS
	}
}

init {
	atomic {
		master[0] = true; master[1] = true; owned[0] = true; owned[1] = true;
		message[0] = true; message[1] = true; routed[0] = true; routed[1] = true;
		run device(0); run device(1); run interrupt(0); run interrupt(1);
		run driver(); run successor(0); run successor(1); run clock()
	}
}

active proctype last()
{
	timeout ->
	atomic {
		assert(driver_gone && page == OTHERS);		/* nothing is lost */
		assert(master[0] && master[1] && !unquiet[0] && !unquiet[1])
	}
}
