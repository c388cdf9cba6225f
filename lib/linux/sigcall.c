/*
 * The calls that set, send and wait for signals.  [rt_sigaction(2) and its kin]
 */
#include "calls.h"

#include <asm/siginfo.h>
#include <linux/signal.h>

#include "layout.h"

#define SIGSET_SIZE	8

long
lx_rt_sigaction(int sig, const struct sigaction *new, struct sigaction *old, size_t size)
{
	struct sigaction was, now;

	if (size != SIGSET_SIZE || sig < 1 || sig > SIGNALS)
		return -EINVAL;
	if (new && (sig == SIGKILL || sig == SIGSTOP))
		return -EINVAL;
	was = proc.action[sig];
	if (new) {
		now = *new;
		proc.action[sig] = now;
		signal_waits(thread_self());
	}
	if (old)
		*old = was;
	return 0;
}

long
lx_rt_sigprocmask(int how, const uint64_t *set, uint64_t *old, size_t size)
{
	struct thread *t = thread_self();
	uint64_t was = t->mask, now = was;

	if (size != SIGSET_SIZE)
		return -EINVAL;
	if (set) {
		uint64_t v = *set;

		if (how == SIG_BLOCK)
			now = was | v;
		else if (how == SIG_UNBLOCK)
			now = was & ~v;
		else if (how == SIG_SETMASK)
			now = v;
		else
			return -EINVAL;
	}
	if (old)
		*old = was;
	if (now != was)
		signal_set_mask(t, now);
	return 0;
}

long
lx_rt_sigpending(uint64_t *set, size_t size)
{
	struct thread *t = thread_self();

	if (size > SIGSET_SIZE)
		return -EINVAL;
	*set = (t->pending | proc.pending) & t->mask;
	return 0;
}

long
lx_rt_sigsuspend(const uint64_t *set, size_t size)
{
	struct thread *t = thread_self();

	if (size != SIGSET_SIZE)
		return -EINVAL;
	signal_mask_once(t, *set);
	while (!signal_waits(t))
		signal_sleep(SYS_FOREVER);
	return -EINTR;
}

long
lx_pause(void)
{
	struct thread *t = thread_self();

	while (!signal_waits(t))
		signal_sleep(SYS_FOREVER);
	return -EINTR;
}

static void
fill_info(siginfo_t *to, const struct signal_info *from)
{
	memset(to, 0, sizeof(*to));
	to->si_signo = from->signo;
	to->si_code = from->code;
	to->si_pid = from->pid;
	to->si_uid = from->uid;
	to->si_value.sival_ptr = (void *)from->value;
}

long
lx_rt_sigtimedwait(const uint64_t *set, siginfo_t *out, const struct lx_timespec *ts, size_t size)
{
	struct thread *t = thread_self();
	struct signal_info info;
	uint64_t wanted = *set;
	long error = 0;
	int64_t deadline = time_deadline(time_span(ts, &error));
	long r = 0;
	int sig;

	if (size != SIGSET_SIZE || error)
		return -EINVAL;
	t->wanted = wanted;
	for (;;) {
		bool waits = signal_waits(t);

		sig = signal_claim(t, wanted, &info);
		if (sig || waits || r == -ETIMEDOUT)
			break;
		r = signal_sleep(time_left(deadline));
		if (r == 0)
			r = -ETIMEDOUT;
	}
	t->wanted = 0;
	signal_waits(t);
	if (!sig)
		return r == -ETIMEDOUT ? -EAGAIN : -EINTR;
	if (out)
		fill_info(out, &info);
	return sig;
}

long
lx_sigaltstack(const stack_t *new, stack_t *old)
{
	struct thread *t = thread_self();
	uint64_t sp = t->usp + UPCALL_LOWERS;
	bool on = sp > t->alt_base && sp - t->alt_base <= t->alt_size;
	stack_t now, was = {
		.ss_sp = (void *)t->alt_base,
		.ss_flags = t->alt_size == 0 ? SS_DISABLE : on ? SS_ONSTACK : 0,
		.ss_size = t->alt_size,
	};

	if (new) {
		now = *new;
		if (on)
			return -EPERM;
		if (now.ss_flags & ~(SS_DISABLE | SS_ONSTACK))
			return -EINVAL;
		if (!(now.ss_flags & SS_DISABLE) && now.ss_size < MINSIGSTKSZ)
			return -ENOMEM;
		t->alt_base = now.ss_flags & SS_DISABLE ? 0 : (uint64_t)now.ss_sp;
		t->alt_size = now.ss_flags & SS_DISABLE ? 0 : now.ss_size;
	}
	if (old)
		*old = was;
	return 0;
}

static void
info_of_caller(struct signal_info *info, int sig, int code)
{
	struct sys_procinfo pi = { 0 };

	lux_call1(SYS_PROCINFO, LUX_ARG(&pi));
	memset(info, 0, sizeof(*info));
	info->signo = sig;
	info->code = code;
	info->pid = proc.pid;
	info->uid = pi.uid;
}

static long
send_one(int pid, const struct signal_info *info)
{
	char path[32];
	struct sys_stat st;
	size_t n = text_copy(path, "/proc/", sizeof(path));
	long r;

	if (info->signo != 0)
		return signal_send(pid, info);
	if (pid == proc.pid)
		return 0;
	text_add_number(path, n, sizeof(path), pid);
	r = lux_call4(SYS_STAT, SYS_CWD, LUX_ARG(path), LUX_ARG(&st), 0);
	return r == -ENOENT ? -ESRCH : r;
}

/* group 0: every process but init and the caller. */
static long
send_group(int group, const struct signal_info *info)
{
	char buf[2048] __attribute__((aligned(8)));
	long fd = lux_call4(SYS_OPEN, SYS_CWD, LUX_ARG("/proc"), SYS_O_DIRECTORY, 0);
	long n, sent = 0;
	bool self = false;

	if (fd < 0)
		return fd;
	while ((n = lux_call3(SYS_READDIR, fd, LUX_ARG(buf), sizeof(buf))) > 0) {
		for (long at = 0; at < n;) {
			const struct sys_dirent *e = (const struct sys_dirent *)(buf + at);
			const char *name = e->name;
			int pid = (int)text_number(&name);

			at += e->reclen;
			if (*name || pid <= 1 || (group && process_group(pid) != group))
				continue;
			if (pid == proc.pid)
				self = group != 0;
			else if (send_one(pid, info) == 0)
				sent++;
		}
	}
	lux_call1(SYS_CLOSE, fd);
	if (self && send_one(proc.pid, info) == 0)
		sent++;
	return sent ? 0 : -ESRCH;
}

long
lx_kill(int pid, int sig)
{
	struct signal_info info;

	if (sig < 0 || sig > SIGNALS)
		return -EINVAL;
	info_of_caller(&info, sig, SI_USER);
	if (pid > 0)
		return send_one(pid, &info);
	if (pid == -1)
		return send_group(0, &info);
	return send_group(pid == 0 ? process_group(0) : -pid, &info);
}

long
lx_rt_sigqueueinfo(int pid, int sig, const siginfo_t *from)
{
	struct signal_info info;

	if (sig < 0 || sig > SIGNALS)
		return -EINVAL;
	info_of_caller(&info, sig, from->si_code);
	info.value = (uint64_t)from->si_value.sival_ptr;
	return send_one(pid, &info);
}

long
lx_tgkill(int tgid, int tid, int sig)
{
	struct thread *t = thread_find(tid);
	struct signal_info info;

	if (sig < 0 || sig > SIGNALS || tid <= 0)
		return -EINVAL;
	info_of_caller(&info, sig, SI_TKILL);
	if (!t)
		return tgid == proc.pid ? -ESRCH : send_one(tid, &info);
	if (sig != 0)
		signal_post(t, &info);
	return 0;
}

long
lx_tkill(int tid, int sig)
{
	return lx_tgkill(thread_find(tid) ? proc.pid : 0, tid, sig);
}
