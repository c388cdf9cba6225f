/*
 * Server slots: configuration, start and stop, what became of them.  See sip.c for the files.
 *
 *	unknown --start--> starting --report--> healthy <--report--> degraded
 *	any --its process ends--> failing, or stopped when `stop` or `restart` asked for it
 *	failing --fail--> failed: given up, until `start`
 *
 * sip_lock protects everything here.  It is not held while a process is started, noted or waited
 * for; a slot is looked up again afterwards.  All waiters wait on one queue, `changed`.
 */
#include "sip.h"

#include "../amd64/pci.h"
#include "../hw.h"
#include "../poll.h"

enum { STOP_MS = 3000, KILL_MS = 5000, PRIORITY_MAX = 30, MS = 1000000, DAY_MS = 86400000 };

#define KILLED	"sip: killed"	/* the note of an end whose cause the slot has */
#define BY_HAND	"killed by hand"

struct spinlock sip_lock = SPINLOCK("sip");
static struct waitq changed = { LIST_INIT(changed.waiters) };
static struct slot *slots[SIP_SLOTS];
static uint64_t serial;
static struct { char name[SIP_NAME], path[SIP_PATH]; } types[SIP_TYPES];
static unsigned ntypes;

struct slot *
slot_at(unsigned index)
{
	return slots[index];
}

struct slot *
slot_find(uint64_t id)
{
	struct slot *s = slots[id % SIP_SLOTS];

	return s != NULL && s->id == id ? s : NULL;
}

static struct slot *
slot_named(const char *name)
{
	for (unsigned i = 0; i < SIP_SLOTS; i++)
		if (slots[i] != NULL && strcmp(slots[i]->name, name) == 0)
			return slots[i];
	return NULL;
}

static int
slot_gone(void)
{
	return error(ENOENT, "sip: the server's slot was deleted");
}

void
slot_changed(struct slot *s)
{
	s->changes++;
	wake_all(&changed);
	poll_notify(s->id);
}

int
slot_new(uint64_t *id)
{
	struct slot *s = kzalloc(sizeof *s);
	unsigned i = 0;

	if (s != NULL)
		s->log = kzalloc(SIP_LOG_SIZE);
	if (s == NULL || s->log == NULL) {
		kfree(s);
		return -ENOMEM;
	}
	spin_lock(&sip_lock);
	while (i < SIP_SLOTS && slots[i] != NULL)
		i++;
	if (i < SIP_SLOTS) {
		*id = s->id = ++serial * SIP_SLOTS + i;
		s->changes = 1;
		ksnprintf(s->name, sizeof s->name, "%lu", s->id);
		slots[i] = s;
	}
	spin_unlock(&sip_lock);
	if (i < SIP_SLOTS)
		return 0;
	kfree(s->log);
	kfree(s);
	return error(ENOSPC, "sip: all %d slots are in use", SIP_SLOTS);
}

static int
slot_delete(uint64_t id, const char *)
{
	struct slot *s;
	bool running;

	spin_lock(&sip_lock);
	s = slot_find(id);
	running = s != NULL && s->pid != 0;
	if (s != NULL && !running) {
		slots[id % SIP_SLOTS] = NULL;
		slot_changed(s);
	}
	spin_unlock(&sip_lock);
	if (running)
		return error(EBUSY, "sip: the server is running");
	if (s == NULL)
		return slot_gone();
	kfree(s->log);
	kfree(s);
	service_slot_fail(id);
	return 0;
}

/* --- types --- */

int
type_add(char *text)
{
	char *w[2];
	unsigned i = 0;

	if (text_words(text, w, 2) != 2 || strlen(w[0]) >= SIP_NAME || strlen(w[1]) >= SIP_PATH)
		return error(EINVAL, "sip: write `NAME PATH`");
	spin_lock(&sip_lock);
	while (i < ntypes && strcmp(types[i].name, w[0]) != 0)
		i++;
	if (i < SIP_TYPES) {
		strlcpy(types[i].name, w[0], SIP_NAME);
		strlcpy(types[i].path, w[1], SIP_PATH);
		ntypes = MAX(ntypes, i + 1);
	}
	spin_unlock(&sip_lock);
	return i < SIP_TYPES ? 0 : error(ENOSPC, "sip: all %d types are in use", SIP_TYPES);
}

void
types_text(struct text *t, void *)
{
	spin_lock(&sip_lock);
	for (unsigned i = 0; i < ntypes; i++)
		text_add(t, "%s %s\n", types[i].name, types[i].path);
	spin_unlock(&sip_lock);
}

/* --- configuration: each with sip_lock held, `rest` what follows the command's word --- */

static int
set_text(char *to, size_t n, const char *what, const char *rest)
{
	if (strlen(rest) >= n)
		return error(EINVAL, "sip: %s: a text of at most %zu bytes", what, n - 1);
	strlcpy(to, rest, n);
	return 0;
}

static int
set_name(struct slot *s, char *rest)
{
	uint64_t id;	/* may be one of a slot to come, which is its name until it has another */

	if (strlen(rest) >= SIP_NAME || *rest == '.' || strchr(rest, '/') != NULL ||
	    strchr(rest, ' ') != NULL || text_number(rest, UINT64_MAX, &id) == 0)
		return error(EINVAL, "sip: %s is not a name", rest);
	if (slot_named(rest) != NULL && slot_named(rest) != s)
		return error(EEXIST, "sip: there is a server %s", rest);
	strlcpy(s->name, rest, SIP_NAME);
	return 0;
}

/* A type that is known brings its program, until exec tells another. */
static int
set_type(struct slot *s, char *rest)
{
	bool told = s->exec[0] != '\0' && !s->typed;
	int r = set_text(s->type, SIP_NAME, "type", rest);

	if (r < 0 || told)
		return r;
	s->exec[0] = '\0';
	s->typed = true;
	for (unsigned i = 0; i < ntypes; i++)
		if (strcmp(types[i].name, rest) == 0)
			strlcpy(s->exec, types[i].path, SIP_EXEC);
	return 0;
}

static int
set_exec(struct slot *s, char *rest)
{
	s->typed = false;
	return set_text(s->exec, SIP_EXEC, "exec", rest);
}

static int
add_capability(struct slot *s, char *rest)
{
	uint32_t mask = cap_parse(rest);

	if (mask == 0)
		return error(EINVAL, "sip: there is no capability %s", rest);
	s->caps.mask |= mask;
	return 0;
}

static int
add_grant(struct slot *s, struct grant g)
{
	for (unsigned i = 0; i < s->caps.ngrants; i++)
		if (memcmp(&s->caps.grants[i], &g, sizeof g) == 0)
			return 0;
	if (s->caps.ngrants == CAP_GRANTS_MAX)
		return error(ENOSPC, "sip: a server can have %d grants", CAP_GRANTS_MAX);
	s->caps.grants[s->caps.ngrants++] = g;
	return 0;
}

static int
add_device(struct slot *s, char *rest)
{
	struct pci_func *f;
	struct grant g;
	unsigned bdf;
	int r;

	if (strcmp(rest, "all") == 0) {
		s->caps.unlimited = true;
		return 0;
	}
	if (cap_parse_pci(rest, &bdf) < 0)
		return error(EINVAL, "sip: %s is not B.D.F", rest);
	if ((r = cap_check_pci(bdf)) < 0)
		return r;
	f = pci_find(bdf, 0);
	if (f == NULL)
		return error(ENODEV, "sip: there is no function %s", rest);
	g = (struct grant){ GRANT_PCI, bdf, f->serial };
	pci_put(f);
	return add_grant(s, g);
}

static int
add_port(struct slot *s, char *rest)
{
	char *hi = strchr(rest, '-');
	uint64_t lo, last;

	if (hi != NULL)
		*hi++ = '\0';
	if (text_number(rest, 0xffff, &lo) < 0 ||
	    text_number(hi != NULL ? hi : rest, 0xffff, &last) < 0 || last < lo)
		return error(EINVAL, "sip: write `port LOW-HIGH`");
	return add_grant(s, (struct grant){ GRANT_PORT, (uint32_t)lo, (uint32_t)last });
}

static int
add_line(struct slot *s, char *rest)
{
	uint64_t line;

	if (text_number(rest, IRQ_MESSAGE_BASE - 1, &line) < 0)
		return error(EINVAL, "sip: %s is not a line", rest);
	return add_grant(s, (struct grant){ GRANT_LINE, (uint32_t)line, (uint32_t)line });
}

static int
add_mount(struct slot *s, char *rest)
{
	int r;

	if (s->nmounts == SIP_MOUNTS)
		return error(ENOSPC, "sip: a server can have %d mounts", SIP_MOUNTS);
	r = set_text(s->mounts[s->nmounts], SIP_TEXT, "mount", rest);
	s->nmounts += r == 0;
	return r;
}

static int
set_number(uint64_t *to, const char *rest, uint64_t max)
{
	return text_size(rest, max, to) == 0 ? 0 :
	       error(EINVAL, "sip: %s is not a number up to %lu", rest, max);
}

/* sip_lock is held; the cause is known. */
static void
slot_ended(struct slot *s, enum sip_status status)
{
	s->end_ns = time_now();
	s->status = status;
	slot_event(s, "end of generation %u after %lu us: %s", s->generation,
		   (s->end_ns - s->start_ns) / 1000, s->cause);
}

/* --- start --- */

struct start {
	char exec[SIP_EXEC], name[SIP_NAME], env[SIP_ENV][SIP_TEXT + 16];
	char *argv[SIP_ARGS + 1];
	const char *envp[SIP_ENV + 1];
	struct cap_spec caps;
	struct spawn spawn;
};

/* sip_lock is held: what to start, and the slot marked as being started. */
static int
start_prepare(struct slot *s, struct start *st)
{
	int n;

	if (s->pid != 0)
		return error(EBUSY, "sip: %s is running", s->name);
	strlcpy(st->exec, s->exec, SIP_EXEC);
	n = text_words(st->exec, st->argv, SIP_ARGS);
	if (n <= 0)
		return error(EINVAL, "sip: %s has no program, or too many words", s->name);
	strlcpy(st->name, s->name, SIP_NAME);
	st->caps = s->caps;
	if (s->generation > 0) {
		struct restart *r = &s->restarts[s->nrestarts++ % SIP_RESTARTS];

		r->end_ns = s->end_ns;
		r->took_ns = 0;
		strlcpy(r->cause, s->cause, sizeof r->cause);
	}
	s->generation++;
	s->pid = SIP_SPAWNING;
	s->early_pid = 0;
	s->stopping = false;
	s->status = SIP_STARTING;
	s->message[0] = s->why[0] = '\0';
	s->requests = s->errors = 0;
	s->start_ns = s->report_ns = time_now();
	s->healthy_ns = 0;
	ksnprintf(st->env[0], sizeof st->env[0], "SIP_NAME=%s", s->name);
	ksnprintf(st->env[1], sizeof st->env[1], "SIP_GENERATION=%u", s->generation);
	ksnprintf(st->env[2], sizeof st->env[2], "SIP_DEADLINE=%lu", s->deadline_ms);
	ksnprintf(st->env[3], sizeof st->env[3], "SIP_MOUNT=%s", s->mounts[0]);
	for (int i = 0; i < SIP_ENV; i++)
		st->envp[i] = st->env[i];
	st->spawn = (struct spawn){ .path = st->argv[0], .argv = (const char *const *)st->argv,
				    .envp = st->envp, .sip = (void *)s->id,
				    .memory_limit = s->memory, .prio = (uint32_t)s->priority,
				    .interrupts = (uint32_t)s->interrupts };
	slot_event(s, "start, generation %u", s->generation);
	slot_changed(s);
	return 0;
}

/* Its pid, or an error. */
static int
start_process(uint64_t id, struct start *st)
{
	int r = cap_new(&st->caps, &st->spawn.caps);

	if (r < 0)
		return r;
	for (int i = 0; i < 3; i++) {
		st->spawn.fd[i] = sip_output_new(id, st->name);
		if (st->spawn.fd[i] == NULL)
			r = -ENOMEM;
	}
	if (r == 0)
		return proc_spawn(&st->spawn, NULL);
	for (int i = 0; i < 3; i++)
		if (st->spawn.fd[i] != NULL)
			chan_put(st->spawn.fd[i]);
	cap_put(st->spawn.caps);
	return r;
}

/* sip_lock is held. */
static int
start_failed(struct slot *s, const struct start *st, int err)
{
	const struct thread *t = thread_current();
	const char *why = t->errstr_of == -err ? t->errstr :
			  err == -ENOENT ? "no such file" : "out of memory";

	ksnprintf(s->cause, sizeof s->cause, "start failed: %s: %s", st->argv[0], why);
	slot_ended(s, SIP_FAILING);
	return error(-err, "sip: %s", s->cause);
}

static int
slot_start(uint64_t id, const char *)
{
	struct start *st = kzalloc(sizeof *st);
	struct slot *s;
	int r;

	if (st == NULL)
		return -ENOMEM;
	thread_current()->errstr_of = 0;
	spin_lock(&sip_lock);
	s = slot_find(id);
	r = s != NULL ? start_prepare(s, st) : slot_gone();
	spin_unlock(&sip_lock);
	if (r == 0) {
		r = start_process(id, st);
		spin_lock(&sip_lock);
		s = slot_find(id);	/* it is there: a slot that is starting is not deleted */
		s->pid = r < 0 || s->early_pid == r ? 0 : r;
		if (r < 0)
			r = start_failed(s, st, r);
		slot_changed(s);
		spin_unlock(&sip_lock);
	}
	kfree(st);
	return r < 0 ? r : 0;
}

/* --- stop --- */

/* Posts the note, or kills with NULL: its pid, 0 if it is not running. */
static int
slot_signal(uint64_t id, const char *note, const char *why, bool stopping)
{
	struct slot *s;
	struct proc *p;
	int pid = 0;

	spin_lock(&sip_lock);
	s = slot_find(id);
	if (s != NULL && s->pid > 0) {
		pid = s->pid;
		s->stopping = stopping;
		strlcpy(s->why, why, sizeof s->why);
	} else if (s != NULL && s->pid == 0 && stopping) {
		s->status = SIP_STOPPED;
		slot_changed(s);
	}
	spin_unlock(&sip_lock);
	p = pid != 0 ? proc_find(pid) : NULL;
	if (p != NULL && (uint64_t)p->sip == id) {
		if (note != NULL)
			proc_note(p, 0, note);
		else
			proc_kill(p, KILLED);
	}
	if (p != NULL)
		proc_put(p);
	return pid;
}

/* Until the slot's process is another than pid: 0, -ETIMEDOUT, -EINTR. */
static int
wait_end(uint64_t id, int pid, uint64_t ms)
{
	uint64_t until = time_now() + ms * MS;
	struct slot *s;
	int r = 0;

	spin_lock(&sip_lock);
	while (r == 0 && (s = slot_find(id)) != NULL && s->pid == pid)
		r = wait_on(&changed, &sip_lock, until);
	s = slot_find(id);
	if (s == NULL || s->pid != pid)
		r = 0;
	spin_unlock(&sip_lock);
	return r == -ETIMEDOUT ? error(ETIMEDOUT, "sip: process %d has not ended", pid) : r;
}

/* Notes or kills (NULL) the process and waits for its end. */
static int
slot_end(uint64_t id, const char *note, bool stopping, uint64_t ms)
{
	int pid = slot_signal(id, note, BY_HAND, stopping);

	return pid != 0 ? wait_end(id, pid, ms) : 0;
}

/* A manager, which gives a cause, sees the end by itself and has others to look after. */
static int
slot_kill(uint64_t id, const char *cause)
{
	if (*cause == '\0')
		return slot_end(id, NULL, false, KILL_MS);
	slot_signal(id, NULL, cause, false);
	return 0;
}

/* "interrupt" is SIGINT to a program of the C library. */
static int
slot_halt(uint64_t id)
{
	int r = slot_end(id, "interrupt", true, STOP_MS);

	return r == -ETIMEDOUT ? slot_end(id, NULL, true, KILL_MS) : r;
}

static int
slot_stop(uint64_t id, const char *)
{
	int r = slot_halt(id);

	if (r == 0)
		service_slot_fail(id);
	return r;
}

static int
slot_restart(uint64_t id, const char *none)
{
	int r = slot_halt(id);

	return r < 0 ? r : slot_start(id, none);
}

/* It is given up; not while it runs. */
static int
slot_fail(uint64_t id, const char *why)
{
	struct slot *s;
	int r = 0;

	spin_lock(&sip_lock);
	s = slot_find(id);
	if (s == NULL)
		r = slot_gone();
	else if (s->pid != 0)
		r = error(EBUSY, "sip: %s is running", s->name);
	if (r == 0) {
		s->status = SIP_FAILED;
		strlcpy(s->message, why, sizeof s->message);
		slot_event(s, "failed%s%s", *why != '\0' ? ": " : "", why);
		slot_changed(s);
	}
	spin_unlock(&sip_lock);
	if (r == 0)
		service_slot_fail(id);
	return r;
}

/* The cause of an end, from the note that ended it: the kernel's own words, or a program's. */
static void
end_cause(struct slot *s, const struct sys_wait *end)
{
	static const struct {
		const char *note, *cause;
	} words[] = {
		{ "sys: trap: ", "fault: " }, { "sys: ", "" }, { "linux: ", "" },
	};
	const char *note = end->note, *said = "";

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		size_t n = strlen(words[i].note);

		if (strncmp(end->note, words[i].note, n) != 0)
			continue;
		note = end->note + n;
		said = words[i].cause;
		break;
	}
	if (s->stopping)
		strlcpy(s->cause, "asked to stop", sizeof s->cause);
	else if (strcmp(note, KILLED) == 0)
		strlcpy(s->cause, s->why, sizeof s->cause);
	else if (strcmp(note, "kill") == 0)
		strlcpy(s->cause, BY_HAND, sizeof s->cause);
	else if (note[0] != '\0')
		ksnprintf(s->cause, sizeof s->cause, "%s%s", said, note);
	else
		ksnprintf(s->cause, sizeof s->cause, "exited with status %d", end->status);
}

void
sip_proc_exit(struct proc *p, const struct sys_wait *end)
{
	struct slot *s;

	spin_lock(&sip_lock);
	s = slot_find((uint64_t)p->sip);
	if (s != NULL && s->pid == SIP_SPAWNING)
		s->early_pid = p->pid;
	else if (s != NULL && s->pid == p->pid)
		s->pid = 0;
	else
		s = NULL;
	if (s != NULL) {
		end_cause(s, end);
		slot_ended(s, s->stopping ? SIP_STOPPED : SIP_FAILING);
		slot_changed(s);
	}
	spin_unlock(&sip_lock);
}

/* --- commands --- */

#define NUMBER(field, most) .number = offsetof(struct slot, field), .max = (most)

static const struct command {
	const char *name;
	int (*set)(struct slot *s, char *rest);	/* with sip_lock held */
	int (*act)(uint64_t id, const char *rest);
	bool bare;			/* act takes no text */
	size_t number;			/* without set and act: where it goes in a slot */
	uint64_t max;
} commands[] = {
	{ "name", .set = set_name }, { "type", .set = set_type }, { "exec", .set = set_exec },
	{ "capability", .set = add_capability }, { "device", .set = add_device },
	{ "port", .set = add_port }, { "line", .set = add_line }, { "mount", .set = add_mount },
	{ "memory", NUMBER(memory, 1ull << 46) }, { "priority", NUMBER(priority, PRIORITY_MAX) },
	{ "deadline", NUMBER(deadline_ms, DAY_MS) },
	{ "interrupts", NUMBER(interrupts, UINT32_MAX) },
	{ "start", .act = slot_start, .bare = true }, { "stop", .act = slot_stop, .bare = true },
	{ "restart", .act = slot_restart, .bare = true }, { "kill", .act = slot_kill },
	{ "fail", .act = slot_fail }, { "delete", .act = slot_delete, .bare = true },
};

int
slot_command(uint64_t id, char *text)
{
	char *rest = sip_split(text);
	const struct command *c = commands;
	struct slot *s;
	int r;

	while (c < commands + ARRAY_LEN(commands) && strcmp(text, c->name) != 0)
		c++;
	if (c == commands + ARRAY_LEN(commands))
		return error(EINVAL, "sip: there is no command %s", text);
	if (*rest != '\0' && c->bare)
		return error(EINVAL, "sip: %s takes no argument", text);
	if (*rest == '\0' && c->act == NULL)
		return error(EINVAL, "sip: %s needs an argument", text);
	if (c->act != NULL && strlen(rest) >= SIP_TEXT)
		return error(EINVAL, "sip: %s: a text of at most %d bytes", text, SIP_TEXT - 1);
	if (c->act != NULL)
		return c->act(id, rest);
	spin_lock(&sip_lock);
	s = slot_find(id);
	if (s == NULL)
		r = slot_gone();
	else if (c->set != NULL)
		r = c->set(s, rest);
	else
		r = set_number((uint64_t *)((char *)s + c->number), rest, c->max);
	spin_unlock(&sip_lock);
	return r;
}

struct proc *
slot_proc(uint64_t id)
{
	struct slot *s;
	int pid;

	spin_lock(&sip_lock);
	s = slot_find(id);
	pid = s != NULL ? s->pid : 0;
	spin_unlock(&sip_lock);
	return pid > 0 ? proc_find(pid) : NULL;
}
