/*
 * Files of Linux's /proc that Lux9's does not have, made when they are opened: mounts, meminfo,
 * uptime, loadavg, version, filesystems, stat and cmdline of a process.  [proc(5)]
 *
 * The text goes through a pipe, whose reading end is the file: it can be read once, not sought.
 * Figures that Lux9 does not count are 0.
 */
#include "calls.h"

#define TEXT_MAX	4096
#define NS_MAX		8192
#define TICKS		100	/* a second, as AT_CLKTCK says */
#define KIB		1024

struct text {
	char s[TEXT_MAX];
	size_t n;
};

static void
put(struct text *t, const char *s)
{
	t->n = text_add(t->s, t->n, sizeof(t->s), s);
}

static void
put_number(struct text *t, const char *before, int64_t v, const char *after)
{
	put(t, before);
	t->n = text_add_number(t->s, t->n, sizeof(t->s), v);
	put(t, after);
}

/* /proc/PID/name of Lux9. */
static long
read_own(int pid, const char *name, char *buf, size_t size)
{
	char path[48];
	size_t n = text_copy(path, "/proc/", sizeof(path));

	n = text_add_number(path, n, sizeof(path), pid);
	n = text_add(path, n, sizeof(path), "/");
	text_add(path, n, sizeof(path), name);
	return text_read_file(path, buf, size);
}

static void
cut_word(const char **s, char *word, size_t size)
{
	size_t n = 0;

	while (**s == ' ')
		++*s;
	for (; **s && **s != ' ' && **s != '\n'; ++*s)
		if (n + 1 < size)
			word[n++] = **s;
	word[n] = '\0';
}

static void
mounts(struct text *t)
{
	char ns[NS_MAX], word[64], from[128], to[128];

	if (read_own(proc.pid, "ns", ns, sizeof(ns)) < 0)
		return;
	for (const char *p = ns; *p;) {
		bool mount;

		cut_word(&p, word, sizeof(word));
		mount = text_is(word, "mount");
		do
			cut_word(&p, from, sizeof(from));
		while (from[0] == '-');
		cut_word(&p, to, sizeof(to));
		while (*p && *p++ != '\n')
			;
		if (!mount || !to[0])
			continue;
		put(t, from);
		put(t, " ");
		put(t, to);
		put(t, " 9p rw 0 0\n");
	}
}

static void
meminfo(struct text *t)
{
	char swap[512];
	int64_t total = 0, left = 0;

	if (text_read_file("/dev/swap", swap, sizeof(swap)) > 0) {
		total = text_line_value(swap, "pages total") * (int64_t)(PAGE / KIB);
		left = text_line_value(swap, "pages free") * (int64_t)(PAGE / KIB);
	}
	put_number(t, "MemTotal: ", total, " kB\n");
	put_number(t, "MemFree: ", left, " kB\n");
	put_number(t, "MemAvailable: ", left, " kB\n");
	put(t, "Buffers: 0 kB\nCached: 0 kB\nShmem: 0 kB\nSReclaimable: 0 kB\n"
	       "SwapTotal: 0 kB\nSwapFree: 0 kB\n");
}

static void
uptime(struct text *t)
{
	put_number(t, "", time_now(0) / NSEC, ".00 0.00\n");
}

static void
loadavg(struct text *t)
{
	put_number(t, "0.00 0.00 0.00 1/1 ", proc.pid, "\n");
}

static void
version(struct text *t)
{
	put(t, "Linux version 6.1.0-lux9 (Lux9)\n");
}

static void
filesystems(struct text *t)
{
	put(t, "nodev\t9p\n");
}

static const struct {
	const char *path;
	void (*make)(struct text *);
} general[] = {
	{ "/proc/mounts", mounts }, { "/etc/mtab", mounts },
	{ "/proc/meminfo", meminfo }, { "/proc/uptime", uptime }, { "/proc/loadavg", loadavg },
	{ "/proc/version", version }, { "/proc/filesystems", filesystems },
};

/* The text after `name ` on its line. */
static void
line_text(const char *status, const char *name, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	while (*status) {
		const char *v = text_after(status, name);

		if (v && *v == ' ') {
			for (v++; *v && *v != '\n' && n + 1 < size; v++)
				out[n++] = *v;
			out[n] = '\0';
			return;
		}
		while (*status && *status++ != '\n')
			;
	}
}

static long
process_stat(struct text *t, int pid)
{
	char status[TEXT_MAX], name[32], state[16];
	long r = read_own(pid, "status", status, sizeof(status));
	int64_t ticks, start, memory;

	if (r < 0)
		return r;
	line_text(status, "name", name, sizeof(name));
	line_text(status, "state", state, sizeof(state));
	ticks = text_line_value(status, "cpu_ns") / (NSEC / TICKS);
	start = text_line_value(status, "start_ns") / (NSEC / TICKS);
	memory = text_line_value(status, "memory");
	put_number(t, "", pid, " (");
	put(t, name);
	put(t, text_after(state, "run") ? ") R" : text_after(state, "zombie") ? ") Z" :
	       text_after(state, "stop") ? ") T" : ") S");
	put_number(t, " ", text_line_value(status, "ppid"), "");
	put_number(t, " ", text_line_value(status, "pgrp"), "");
	put_number(t, " ", text_line_value(status, "session"), " 0 -1 0 0 0 0 0");
	put_number(t, " ", ticks, " 0 0 0 20 0");
	put_number(t, " ", text_line_value(status, "threads"), " 0");
	put_number(t, " ", start, "");
	put_number(t, " ", memory, "");
	put_number(t, " ", memory / (int64_t)PAGE, " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	return 0;
}

/* Its words end with NUL. */
static long
process_cmdline(struct text *t, int pid)
{
	long n = read_own(pid, "args", t->s, sizeof(t->s));

	if (n < 0)
		return n;
	for (long i = 0; i < n; i++)
		if (t->s[i] == ' ' || t->s[i] == '\n')
			t->s[i] = '\0';
	t->n = (size_t)n;
	return 0;
}

static long
make(struct text *t, const char *path)
{
	const char *rest = text_after(path, "/proc/");
	int pid;

	for (size_t i = 0; i < ARRAY_LEN(general); i++)
		if (text_is(path, general[i].path)) {
			general[i].make(t);
			return 0;
		}
	if (!rest)
		return -ENOENT;
	pid = (int)text_number(&rest);
	if (text_is(rest, "/stat"))
		return process_stat(t, pid);
	return text_is(rest, "/cmdline") ? process_cmdline(t, pid) : -ENOENT;
}

long
proctext_open(const char *path, uint32_t flags)
{
	struct text t = { .n = 0 };
	int fd[2];
	long r = make(&t, path);

	if (r < 0)
		return r;
	r = lux_call2(SYS_PIPE, LUX_ARG(fd), flags & O_CLOEXEC);
	if (r < 0)
		return r;
	r = lux_call4(SYS_PWRITE, fd[1], LUX_ARG(t.s), LUX_ARG(t.n), -1);
	lux_call1(SYS_CLOSE, fd[1]);
	if (r < 0)
		lux_call1(SYS_CLOSE, fd[0]);
	return r < 0 ? r : fd[0];
}
