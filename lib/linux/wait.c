/*
 * Waiting for children.  [wait4(2), waitid(2)]  Children that stop or go on are not told.
 */
#include "calls.h"

#include <asm/siginfo.h>
#include <linux/resource.h>
#include <linux/wait.h>

#define NOTED_STATUS	256	/* sys_wait.status: ended by a note */
#define NSEC_PER_USEC	1000

/* Linux's status word. */
static int
status_word(const struct sys_wait *w)
{
	int sig;

	if (w->status < NOTED_STATUS)
		return (w->status & 0xff) << 8;
	sig = signal_of_text(w->note);
	return sig ? sig : SIGKILL;
}

static long
wait_for(int pid, struct sys_wait *w, int options)
{
	int how = options & WNOHANG ? SYS_WNOHANG : 0;

	memset(w, 0, sizeof(*w));
	return lux_blocking(SYS_WAIT, pid, LUX_ARG(w), how, 0, 0, 0);
}

static void
fill_usage(struct rusage *ru, uint64_t cpu_ns)
{
	memset(ru, 0, sizeof(*ru));
	ru->ru_utime.tv_sec = (long)(cpu_ns / NSEC);
	ru->ru_utime.tv_usec = (long)(cpu_ns % NSEC / NSEC_PER_USEC);
}

long
lx_wait4(int pid, int *status, int options, struct rusage *ru)
{
	struct sys_wait w;
	long r;

	if (options & ~(int)(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	r = wait_for(pid, &w, options);
	if (r <= 0)
		return again_unless_handled(r);
	if (status)
		*status = status_word(&w);
	if (ru)
		fill_usage(ru, w.cpu_ns);
	return r;
}

long
lx_waitid(int which, int pid, siginfo_t *out, int options, struct rusage *ru)
{
	struct sys_wait w;
	long r;

	if (!(options & WEXITED) || (options & WNOWAIT) || which > P_PGID)
		return -EINVAL;
	r = wait_for(which == P_PID ? pid : which == P_PGID ? -pid : -1, &w, options);
	if (r < 0)
		return again_unless_handled(r);
	if (out) {
		memset(out, 0, sizeof(*out));
		if (r > 0) {
			out->si_signo = SIGCHLD;
			out->si_pid = (int)r;
			out->si_code = w.status < NOTED_STATUS ? CLD_EXITED : CLD_KILLED;
			out->si_status = w.status < NOTED_STATUS ? w.status : status_word(&w);
		}
	}
	if (ru)
		fill_usage(ru, w.cpu_ns);
	return 0;
}

long
lx_getrusage(int who, struct rusage *ru)
{
	fill_usage(ru, who == RUSAGE_CHILDREN ? 0 : (uint64_t)time_now(2));
	return 0;
}
