/*
 * Signals: what is pending, for whom, and what it does; their texts as notes; the calls.
 * [signal(7); POSIX.1-2017 2.4]  Frames and the entry from notes are in deliver.c.
 *
 * A signal between processes is a note "linux: signal N CODE PID UID VALUE"; within the process
 * it is a bit, and the note "linux: wake" when another thread must look.  A signal is pending at
 * most once, real-time ones too.  Nothing here takes a lock, since notes come anywhere: the sets
 * are changed by atomic operations, and a thread that finds a bit gone has lost it to another.
 */
#include "linux.h"

#include <asm/siginfo.h>

#define UNBLOCKABLE	(1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1))
#define NOTE_TRIES	1000
#define SLEEP_MAX	(1ll << 61)

struct process proc = { .umask = 022 };
static struct signal_info infos[SIGNALS + 1];
static uint64_t early;		/* for a fork's child that has not cleared its copy yet; atomic */

static const struct {
	const char *text;
	int sig;
} kernel_texts[] = {
	{ "sys: trap: page fault", SIGSEGV },
	{ "sys: trap: divide error", SIGFPE },
	{ "sys: trap: floating point", SIGFPE },
	{ "sys: trap: invalid opcode", SIGILL },
	{ "sys: trap: alignment", SIGBUS },
	{ "sys: trap: breakpoint", SIGTRAP },
	{ "sys: trap", SIGSEGV },
	{ "sys: pipe", SIGPIPE },
	{ "sys: child", SIGCHLD },
	{ "sys: memory", SIGKILL },
	{ "kill", SIGKILL },
	{ "interrupt", SIGINT },
	{ "quit", SIGQUIT },
	{ "hangup", SIGHUP },
	{ "alarm", SIGALRM },
};

int
signal_of_text(const char *text)
{
	const char *number = text_after(text, "linux: signal ");

	if (number) {
		int64_t sig = text_number(&number);

		return sig >= 1 && sig <= SIGNALS ? (int)sig : SIGTERM;
	}
	for (size_t i = 0; i < ARRAY_LEN(kernel_texts); i++)
		if (text_after(text, kernel_texts[i].text))
			return kernel_texts[i].sig;
	return 0;
}

/* signo 0: not a signal. */
void
signal_parse(const struct sys_note *note, struct signal_info *info)
{
	const char *s = text_after(note->text, "linux: signal ");

	memset(info, 0, sizeof(*info));
	info->signo = signal_of_text(note->text);
	info->code = SI_KERNEL;
	if (s) {
		text_number(&s);
		info->code = (int32_t)text_number(&s);
		info->pid = (int32_t)text_number(&s);
		info->uid = (uint32_t)text_number(&s);
		info->value = (uint64_t)text_number(&s);
	} else if (info->signo == SIGCHLD) {
		info->code = CLD_EXITED;
	}
}

enum signal_fate
signal_fate(int sig)
{
	__sighandler_t h = proc.action[sig].sa_handler;

	if (sig == SIGKILL)
		return FATE_DIE;
	if (sig == SIGSTOP)
		return FATE_STOP;
	if (h == SIG_IGN)
		return FATE_IGNORE;
	if (h != SIG_DFL)
		return FATE_HANDLE;
	switch (sig) {
	case SIGCHLD:
	case SIGCONT:
	case SIGURG:
	case SIGWINCH:
		return FATE_IGNORE;
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return FATE_STOP;
	}
	return FATE_DIE;
}

static bool
concerns(const struct thread *t, uint64_t bit)
{
	return !t->hidden && (bit & (~t->mask | t->wanted));
}

static void
wake(struct thread *t)
{
	__atomic_store_n(&t->work, 1, __ATOMIC_SEQ_CST);
	if (t == thread_self())
		return;
	for (int i = 0; i < NOTE_TRIES; i++) {
		if (lux_call3(SYS_NOTE, proc.pid, t->tid, LUX_ARG("linux: wake")) != -EAGAIN)
			return;
		lux_call0(SYS_YIELD);
	}
}

void
signal_post(struct thread *t, const struct signal_info *info)
{
	uint64_t bit = signal_bit(info->signo);
	struct thread *self = thread_self();

	infos[info->signo] = *info;
	if (t) {
		__atomic_or_fetch(&t->pending, bit, __ATOMIC_SEQ_CST);
		if (concerns(t, bit))
			wake(t);
		return;
	}
	__atomic_or_fetch(&proc.pending, bit, __ATOMIC_SEQ_CST);
	if (concerns(self, bit)) {
		wake(self);
		return;
	}
	for (uint32_t i = 0; i < thread_count; i++) {
		t = threads[i];
		if (t->live && t->tid && t != self && concerns(t, bit)) {
			wake(t);
			return;
		}
	}
}

void
signal_from_note(const struct signal_info *info)
{
	if (lux_call0(SYS_GETPID) == proc.pid) {
		signal_post(NULL, info);
		return;
	}
	infos[info->signo] = *info;
	__atomic_or_fetch(&early, signal_bit(info->signo), __ATOMIC_SEQ_CST);
}

/* The order matters: until proc.pid is right, notes set only `early`. */
void
signal_fork_child(int pid)
{
	struct thread *t = thread_self();

	__atomic_store_n(&t->pending, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&proc.pending, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&proc.pid, pid, __ATOMIC_SEQ_CST);
	__atomic_or_fetch(&proc.pending, __atomic_exchange_n(&early, 0, __ATOMIC_SEQ_CST),
			  __ATOMIC_SEQ_CST);
	signal_waits(t);
}

static bool
take(uint64_t *set, uint64_t bit)
{
	return __atomic_fetch_and(set, ~bit, __ATOMIC_SEQ_CST) & bit;
}

int
signal_claim(struct thread *t, uint64_t set, struct signal_info *info)
{
	uint64_t found;

	while ((found = (t->pending | proc.pending) & set)) {
		int sig = __builtin_ctzll(found) + 1;

		if (take(&t->pending, signal_bit(sig)) || take(&proc.pending, signal_bit(sig))) {
			*info = infos[sig];
			return sig;
		}
	}
	return 0;
}

bool
signal_waits(struct thread *t)
{
	uint64_t found;
	bool waits = false;

	if (t->hidden)
		return false;
	__atomic_store_n(&t->work, 0, __ATOMIC_SEQ_CST);
	found = (__atomic_load_n(&t->pending, __ATOMIC_SEQ_CST) |
		 __atomic_load_n(&proc.pending, __ATOMIC_SEQ_CST)) & (~t->mask | t->wanted);
	for (; found; found &= found - 1) {
		int sig = __builtin_ctzll(found) + 1;

		if (signal_fate(sig) != FATE_IGNORE || (t->wanted & signal_bit(sig))) {
			waits = true;
			continue;
		}
		take(&t->pending, signal_bit(sig));
		take(&proc.pending, signal_bit(sig));
	}
	if (waits)
		__atomic_store_n(&t->work, 1, __ATOMIC_SEQ_CST);
	return waits;
}

void
signal_set_mask(struct thread *t, uint64_t mask)
{
	t->mask = mask & ~UNBLOCKABLE;
	signal_waits(t);
}

void
signal_mask_once(struct thread *t, uint64_t mask)
{
	if (!t->restore_mask) {
		t->saved_mask = t->mask;
		t->restore_mask = true;
	}
	signal_set_mask(t, mask);
	t->work = 1;	/* the way out restores */
}

void
signal_die(int sig, const char *text)
{
	char made[SYS_ERRSTR_MAX];
	size_t n = text_copy(made, "linux: signal ", sizeof(made));

	text_add_number(made, n, sizeof(made), sig);
	if (!text)
		text = sig == SIGKILL ? "kill" : made;
	lux_call1(SYS_NOTIFY, 0);
	/* To this thread: another may not come to take it before the loop ends. */
	lux_call3(SYS_NOTE, proc.pid, lux_call0(SYS_GETTID), LUX_ARG(text));
	for (int i = 0; i < NOTE_TRIES; i++)
		lux_call0(SYS_YIELD);
	lux_call1(SYS_EXIT, 128 + sig);
	__builtin_trap();
}

static long
proc_ctl(int pid, const char *command)
{
	char path[32];
	size_t n = text_copy(path, "/proc/", sizeof(path));

	n = text_add_number(path, n, sizeof(path), pid);
	text_add(path, n, sizeof(path), "/ctl");
	return text_write_file(path, command);
}

void
signal_stop(void)
{
	proc_ctl(proc.pid, "stop");
}

long
signal_send(int pid, const struct signal_info *info)
{
	char text[64];
	size_t n = text_copy(text, "linux: signal", sizeof(text));
	const int64_t numbers[] = { info->signo, info->code, info->pid, info->uid,
				    (int64_t)info->value };

	if (pid == proc.pid) {
		signal_post(NULL, info);
		return 0;
	}
	if (info->signo == SIGKILL)
		return lux_call3(SYS_NOTE, pid, 0, LUX_ARG("kill"));
	if (info->signo == SIGSTOP)
		return proc_ctl(pid, "stop");
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		n = text_add(text, n, sizeof(text), " ");
		n = text_add_number(text, n, sizeof(text), numbers[i]);
	}
	if (info->signo == SIGCONT)
		proc_ctl(pid, "start");
	return lux_call3(SYS_NOTE, pid, 0, LUX_ARG(text));
}

long
signal_sleep(int64_t span)
{
	if (span < 0 || span > SLEEP_MAX)
		span = SLEEP_MAX;
	return lux_blocking(SYS_SLEEP, span, 0, 0, 0, 0, 0);
}
