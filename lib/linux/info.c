/*
 * What the system and a process are and may: uname, limits, memory, processors, random bytes.
 */
#include "calls.h"

#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

#define OPEN_MAX	1024
#define STACK_LIMIT	(8ull << 20)
#define TEXT_SIZE	2048
#define CPUS_MAX	64
#define HOSTNAME	"/dev/hostname"

long
lx_uname(struct new_utsname *out)
{
	memset(out, 0, sizeof(*out));
	text_copy(out->sysname, "Linux", sizeof(out->sysname));
	if (text_read_file(HOSTNAME, out->nodename, sizeof(out->nodename)) <= 0)
		text_copy(out->nodename, "lux9", sizeof(out->nodename));
	text_copy(out->release, "6.1.0-lux9", sizeof(out->release));
	text_copy(out->version, "#1 Lux9", sizeof(out->version));
	text_copy(out->machine, "x86_64", sizeof(out->machine));
	text_copy(out->domainname, "(none)", sizeof(out->domainname));
	return 0;
}

long
lx_sethostname(const char *name, size_t n)
{
	char text[65];

	if (n >= sizeof(text))
		return -EINVAL;
	memcpy(text, name, n);
	text[n] = '\0';
	return text_write_file(HOSTNAME, text);
}

long
lx_prlimit64(int pid, unsigned which, const struct rlimit64 *new, struct rlimit64 *old)
{
	struct rlimit64 l = { RLIM64_INFINITY, RLIM64_INFINITY };

	if (which >= RLIM_NLIMITS)
		return -EINVAL;
	if (pid != 0 && pid != proc.pid)
		return -EPERM;
	if (which == RLIMIT_NOFILE)
		l = (struct rlimit64){ OPEN_MAX, OPEN_MAX };
	else if (which == RLIMIT_STACK)
		l.rlim_cur = STACK_LIMIT;
	else if (which == RLIMIT_CORE)
		l.rlim_cur = 0;
	if (new && new->rlim_cur > new->rlim_max)
		return -EINVAL;
	if (old)
		*old = l;
	return 0;
}

long
lx_getrlimit(unsigned which, struct rlimit64 *out)
{
	return lx_prlimit64(0, which, NULL, out);
}

long
lx_setrlimit(unsigned which, const struct rlimit64 *in)
{
	return lx_prlimit64(0, which, in, NULL);
}

long
lx_sysinfo(struct sysinfo *out)
{
	char text[TEXT_SIZE];
	int64_t total, left;

	memset(out, 0, sizeof(*out));
	out->uptime = time_now(0) / NSEC;
	out->mem_unit = PAGE;
	if (text_read_file("/dev/swap", text, sizeof(text)) > 0) {
		total = text_line_value(text, "pages total");
		left = text_line_value(text, "pages free");
		out->totalram = total > 0 ? (uint64_t)total : 0;
		out->freeram = left > 0 ? (uint64_t)left : 0;
	}
	return 0;
}

/* /dev/sysstat has a line for each processor. */
static unsigned
cpu_count(void)
{
	char text[TEXT_SIZE];
	unsigned n = 0;

	if (text_read_file("/dev/sysstat", text, sizeof(text)) <= 0)
		return 1;
	for (const char *p = text; *p; p++)
		if (*p == '\n')
			n++;
	return n == 0 ? 1 : n > CPUS_MAX ? CPUS_MAX : n;
}

long
lx_sched_getaffinity(int pid, size_t n, uint64_t *mask)
{
	unsigned cpus;

	(void)pid;
	if (n < sizeof(*mask))
		return -EINVAL;
	cpus = cpu_count();
	*mask = cpus == CPUS_MAX ? ~0ull : (1ull << cpus) - 1;
	return sizeof(*mask);
}

long
lx_getcpu(uint32_t *cpu, uint32_t *node)
{
	if (cpu)
		*cpu = 0;
	if (node)
		*node = 0;
	return 0;
}

long
lx_getrandom(char *buf, size_t n)
{
	long fd = lux_call4(SYS_OPEN, SYS_CWD, LUX_ARG("/dev/random"),
			    SYS_O_RDONLY | SYS_O_CLOEXEC, 0);
	size_t done = 0;
	long r = 0;

	if (fd < 0)
		return fd;
	while (done < n) {
		r = lux_call4(SYS_PREAD, fd, LUX_ARG(buf + done), LUX_ARG(n - done), -1);
		if (r <= 0)
			break;
		done += (size_t)r;
	}
	lux_call1(SYS_CLOSE, fd);
	return done ? (long)done : r;
}

long
lx_prctl(int option, uint64_t arg)
{
	switch (option) {
	case PR_SET_NAME:
		text_copy(proc.comm, (const char *)arg, sizeof(proc.comm));
		return 0;
	case PR_GET_NAME:
		memcpy((char *)arg, proc.comm, sizeof(proc.comm));
		return 0;
	case PR_SET_PDEATHSIG:
	case PR_SET_DUMPABLE:
	case PR_SET_NO_NEW_PRIVS:
		return 0;
	case PR_GET_DUMPABLE:
		return 1;
	}
	return -EINVAL;
}

/* Linux answers 20 - nice. */
long
lx_getpriority(void)
{
	return 20;
}

long
lx_sched_getparam(int pid, int *priority)
{
	(void)pid;
	*priority = 0;
	return 0;
}

/* For calls that have nothing to do here and succeed. */
long
lx_nothing(void)
{
	return 0;
}

long
lx_not_permitted(void)
{
	return -EPERM;
}

long
lx_no_sockets(void)
{
	return -EAFNOSUPPORT;
}
