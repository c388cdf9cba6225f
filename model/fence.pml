/*
 * A driver dies while its device writes to memory: kernel/fence.c, kernel/dev/dma.c, dev/irq.c.
 * doc/model.md tells what is modelled.
 *
 * One process drives two functions and has one page that both may write to.  It is killed at any
 * step.  Function 1 can be reset by the kernel, function 0 only with RESETS; neither is when it says
 * that nothing is outstanding.  A successor for each resets its controller, says `quiet` and goes
 * on.  A page that is free belongs to others at once.
 *
 * With DIRECT the page is a client's, which a request has pinned: the client may unmap it or die at any
 * time; the driver may answer when its devices are done, or end its service and live on.  A client that
 * is told of the end has the page no more if it is still pinned.
 *
 * What is assumed of the device stands in three places:
 *	with bus mastering off, a real device writes no more, once that was read back, and has nothing
 *	outstanding sooner or later; an emulated one may say so (pci_drained) while it has not ended;
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
 * mutant NO_PIN 4		a page is free when the client has it no more
 * mutant HANG_UP_UNPINS 4	the end of the service ends the pin
 * mutant NO_DETACH 4		a client keeps the page after it was told
 * mutant ANSWER_FIRST 4		the driver answers before its devices are done
 *
 * run -DSHARE
 * run -DEMULATED
 * run -DEMULATED -DRESETS
 * run -DDIRECT
 * run -DDIRECT -DEMULATED
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

/* Of a client's page: it has it mapped; its request has no server any more; it knows. */
bool mapped, lost, told;

/* The page is another's, or its owner's who counts on that nobody else writes there. */
#define ANOTHERS	((page == OTHERS && !mapped) || (told && mapped))

proctype device(byte f)
{
end:	do
	:: atomic { MAY_WRITE(f) && ANOTHERS -> assert(false) }
#ifdef DIRECT
	:: atomic { armed[f] && master[f] && !begun[f] -> armed[f] = false }	/* done */
#endif
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

/* pci_drained, or pci_reset */
inline fence(f)
{
	if
	:: unquiet[f] = true
	:: reset(f)
	fi
}

inline give_up(f)
{
	routed[f] = false;
#ifndef IRQ_FREE_NO_WAIT
	!running[f];
#endif
	owned[f] = false
}

#ifdef ANSWER_FIRST
#define DONE	true
#else
#define DONE	(!armed[0] && !armed[1] && !begun[0] && !begun[1])
#endif

/* It gives commands at any time until it is killed. */
proctype driver()
{
end:	do
	:: atomic { !killed && page == DRIVER && !armed[0] -> armed[0] = true }
	:: atomic { !killed && page == DRIVER && !armed[1] -> armed[1] = true }
#ifdef DIRECT
	:: atomic { !killed && page == DRIVER && !lost && DONE -> page = OTHERS }	/* reply */
#ifdef HANG_UP_UNPINS
	:: atomic { !killed && page == DRIVER && !lost -> lost = true; page = OTHERS }
#else
	:: atomic { !killed && page == DRIVER && !lost -> lost = true }
#endif
#endif
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
	fence(0);
#else
	unquiet[0] = true;
#endif
	fence(1);
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
	lost = true;		/* its services end */
	driver_gone = true
}

#ifdef DIRECT
proctype client()
{
end:	do
	/* munmap, or it dies; then EHOSTDOWN: as_detach */
#ifdef NO_PIN
	:: atomic { mapped -> mapped = false; page = OTHERS }
#else
	:: atomic { mapped -> mapped = false }
#endif
#ifdef NO_DETACH
	:: atomic { lost && !told -> told = true }
#else
	:: atomic { lost && !told -> told = true; mapped = (mapped && page == OTHERS) }
#endif
	od
}
#endif

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
		run driver(); run successor(0); run successor(1); run clock();
#ifdef DIRECT
		run client();
		mapped = true
#endif
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
