/*
 * /dev/sip: server slots.
 *
 *	clone				opening it makes a slot and gives its ctl
 *	types				`NAME PATH`, one a line; writing one adds or replaces it
 *	servers/NAME/ctl		commands: sip(3)
 *	servers/NAME/{status,health,caps,ns,log,devices}
 *
 * A slot is what a server is to be (program, capabilities, limits) and what became of it (process,
 * state, counts, log, restarts).  Policy is a process's business (sipd).  Changing needs CAP_ADMIN;
 * a server writes its own health; reading is free.
 *
 * A slot is named by an id that is never used again: channels and processes hold the id, and look
 * the slot up at each use.  sip_lock protects all slots.  The files are here; what the commands do
 * is in sip_slot.c.
 */
#include "sip.h"

#include "../cap.h"
#include "../hw.h"
#include "../name.h"
#include "../poll.h"

enum { FILE_ROOT, FILE_CLONE, FILE_TYPES, FILE_SERVERS };

/* Files of a slot: path is id << 8 | one of these. */
enum slot_file { SLOT_CTL = 1, SLOT_STATUS, SLOT_HEALTH, SLOT_CAPS, SLOT_NS, SLOT_LOG,
		 SLOT_DEVICES, SLOT_DIR, SLOT_OUTPUT };

/* By path. */
static const struct dirtab root_files[] = {
	{ "sip", FILE_ROOT, HW_DIR, 0 }, { "clone", FILE_CLONE, HW_RW, 0 },
	{ "types", FILE_TYPES, HW_RW, 0 }, { "servers", FILE_SERVERS, HW_DIR, 0 },
}, slot_files[] = {
	{ "", 0, 0, 0 }, { "ctl", SLOT_CTL, HW_RW, 0 }, { "status", SLOT_STATUS, HW_READ, 0 },
	{ "health", SLOT_HEALTH, HW_RW, 0 }, { "caps", SLOT_CAPS, HW_READ, 0 },
	{ "ns", SLOT_NS, HW_READ, 0 }, { "log", SLOT_LOG, HW_READ, 0 },
	{ "devices", SLOT_DEVICES, HW_READ, 0 }, { "", SLOT_DIR, HW_DIR, 0 },
	{ "log", SLOT_OUTPUT, HW_WRITE, 0 },
};

static uint64_t
path_id(const struct chan *c)
{
	return c->qid.path >> 8;
}

static enum slot_file
path_file(const struct chan *c)
{
	return (enum slot_file)(c->qid.path & 0xff);
}

static const struct dirtab *
entry_of(const struct chan *c)
{
	return path_id(c) != 0 ? &slot_files[path_file(c)] : &root_files[c->qid.path];
}

static int
servers_gen(int i, struct dirtab *e, char buf[SYS_NAME_MAX + 1])
{
	struct slot *s;
	int r = 0;

	if (i >= SIP_SLOTS)
		return -1;
	spin_lock(&sip_lock);
	s = slot_at((unsigned)i);
	if (s != NULL) {
		strlcpy(buf, s->name, SYS_NAME_MAX + 1);
		*e = (struct dirtab){ buf, s->id << 8 | SLOT_DIR, HW_DIR, 0 };
		r = 1;
	}
	spin_unlock(&sip_lock);
	return r;
}

static int
sip_gen(struct chan *c, int i, struct dirtab *e, char buf[SYS_NAME_MAX + 1])
{
	if (c->qid.path == FILE_SERVERS)
		return servers_gen(i, e, buf);
	if (i + 1 >= (path_id(c) != 0 ? SLOT_DIR : (int)ARRAY_LEN(root_files)))
		return -1;
	*e = path_id(c) != 0 ? slot_files[i + 1] : root_files[i + 1];
	e->path |= path_id(c) << 8;
	return 1;
}

static int
sip_stat(struct chan *c, struct sys_stat *st)
{
	return devtab_stat(c, st, entry_of(c));
}

/* True for the server of the slot itself. */
static bool
is_own(uint64_t id)
{
	return (uint64_t)proc_current()->sip == id;
}

static int
clone_open(struct chan **cp, uint32_t flags)
{
	struct chan *c = chan_new(&dev_sip);
	uint64_t id;
	int r;

	if (c == NULL)
		return -ENOMEM;
	r = slot_new(&id);
	if (r < 0) {
		chan_put(c);
		return r;
	}
	c->qid = (struct qid){ .path = id << 8 | SLOT_CTL, .type = QT_FILE };
	c->flags = flags;
	chan_put(*cp);
	*cp = c;
	return 0;
}

static int
sip_open(struct chan **cp, uint32_t flags)
{
	struct chan *c = *cp;
	bool write = (flags & SYS_O_ACCMODE) != SYS_O_RDONLY;
	int r = 0;

	if (c->qid.type & QT_DIR)
		return 0;
	if ((r = devtab_check(entry_of(c), flags)) < 0)
		return r;
	if (c->qid.path == FILE_CLONE)
		r = cap_check(CAP_ADMIN);
	else if (write && !(path_id(c) != 0 && path_file(c) == SLOT_HEALTH && is_own(path_id(c))))
		r = cap_check(CAP_ADMIN);
	if (r < 0)
		return r;
	return c->qid.path == FILE_CLONE ? clone_open(cp, flags) : 0;
}

/* The name space of the running server. */
static int64_t
ns_read(uint64_t id, struct uio *u, uint64_t off)
{
	struct proc *p = slot_proc(id);
	int64_t n = p != NULL ? proc_ns_read(p, u, off) : 0;

	if (p != NULL)
		proc_put(p);
	return n;
}

static void
devices_text(const struct slot *s, struct text *t)
{
	for (unsigned i = 0; i < s->caps.ngrants; i++) {
		const struct grant *g = &s->caps.grants[i];

		if (g->kind == GRANT_PCI)
			text_add(t, "%u.%u.%u\n", g->lo >> 8, g->lo >> 3 & 31, g->lo & 7);
	}
}

/* sip_lock is held. */
static void
slot_text(struct slot *s, enum slot_file file, struct text *t, const struct slot_facts *facts)
{
	switch (file) {
	case SLOT_CTL: text_add(t, "%lu\n", s->id); break;
	case SLOT_STATUS: slot_status(s, t, facts); break;
	case SLOT_HEALTH: slot_health(s, t); break;
	case SLOT_CAPS: cap_spec_text(&s->caps, t); break;
	case SLOT_LOG: slot_log_copy(s, t); break;
	case SLOT_DEVICES: devices_text(s, t); break;
	default: break;
	}
}

static void
slot_ask(uint64_t id, struct slot_facts *facts)
{
	struct proc *p = slot_proc(id);

	service_slot_stats(id, &facts->stats);
	if (p == NULL)
		return;
	facts->memory = proc_memory(p);
	proc_put(p);
}

static int64_t
slot_read(struct chan *c, struct uio *u, uint64_t off)
{
	struct text t = { .buf = kmalloc(SIP_LOG_SIZE), .n = SIP_LOG_SIZE };
	struct slot_facts facts = { 0 };
	struct slot *s;
	int64_t r;

	if (t.buf == NULL)
		return -ENOMEM;
	if (path_file(c) == SLOT_STATUS)
		slot_ask(path_id(c), &facts);
	spin_lock(&sip_lock);
	s = slot_find(path_id(c));
	if (s != NULL)
		slot_text(s, path_file(c), &t, &facts);
	if (s != NULL && off == 0)
		c->aux2 = s->changes;
	spin_unlock(&sip_lock);
	if (s == NULL)
		r = error(ENOENT, "sip: the server's slot was deleted");
	else
		r = uio_put_text(u, off, t.buf, t.at);
	kfree(t.buf);
	return r;
}

static int64_t
sip_read(struct chan *c, struct uio *u, uint64_t off)
{
	if (c->qid.path == FILE_TYPES)
		return uio_put_made(u, off, types_text, NULL);
	if (path_id(c) == 0 || (c->qid.type & QT_DIR))
		return -EISDIR;
	if (path_file(c) == SLOT_NS)
		return ns_read(path_id(c), u, off);
	return path_file(c) == SLOT_OUTPUT ? 0 : slot_read(c, u, off);
}

/* What a server writes to its descriptors 1 and 2. */
static int64_t
output_write(uint64_t id, struct uio *u)
{
	char part[256];
	int64_t done = 0;

	while (u->left > 0) {
		size_t n = MIN(u->left, sizeof part);
		int r = uio_get(u, part, n);

		if (r < 0)
			return r;
		slot_log(id, part, n);
		done += (int64_t)n;
		irq_window();
	}
	return done;
}

static int64_t
sip_write(struct chan *c, struct uio *u, uint64_t)
{
	char *text;
	int64_t n;
	int r = 0;

	if (path_id(c) != 0 && path_file(c) == SLOT_OUTPUT)
		return output_write(path_id(c), u);
	if (!(path_file(c) == SLOT_HEALTH && is_own(path_id(c))))
		r = cap_check(CAP_ADMIN);
	if (r < 0)
		return r;
	text = kmalloc(SIP_COMMAND_MAX);
	if (text == NULL)
		return -ENOMEM;
	n = (path_file(c) == SLOT_HEALTH ? uio_get_lines : uio_get_command)(u, text,
									    SIP_COMMAND_MAX);
	if (n >= 0) {
		if (c->qid.path == FILE_TYPES)
			r = type_add(text);
		else if (path_file(c) == SLOT_CTL)
			r = slot_command(path_id(c), text);
		else if (path_file(c) == SLOT_HEALTH)
			r = slot_report(path_id(c), text);
		else
			r = -EPERM;
	}
	kfree(text);
	return n < 0 ? n : r < 0 ? r : n;
}

/* Readable when the slot has changed since this channel's last read of it. */
static int
sip_poll(struct chan *c, struct poller *p)
{
	struct slot *s;
	int ready = POLLIN | POLLOUT;

	if (path_id(c) == 0 || (path_file(c) != SLOT_STATUS && path_file(c) != SLOT_HEALTH))
		return ready;
	poll_on(p, path_id(c));
	spin_lock(&sip_lock);
	s = slot_find(path_id(c));
	if (s != NULL && s->changes == c->aux2)
		ready = POLLOUT;
	spin_unlock(&sip_lock);
	return s != NULL ? ready : POLLIN | POLLHUP;
}

struct chan *
sip_output_new(uint64_t id, const char *name)
{
	struct chan *c = chan_new(&dev_sip);
	char text[SIP_NAME + 32];
	int n = ksnprintf(text, sizeof text, "/dev/sip/servers/%s/log", name);

	if (c == NULL)
		return NULL;
	c->qid = (struct qid){ .path = id << 8 | SLOT_OUTPUT, .type = QT_FILE };
	c->flags = SYS_O_RDWR;
	c->open = true;
	c->path = path_new(text, (size_t)n);
	return c;
}

const struct dev dev_sip = {
	.name = "sip", .attach = devtab_attach, .walk = devtab_walk, .open = sip_open,
	.read = sip_read, .write = sip_write, .readdir = devtab_readdir,
	.gen = sip_gen, .stat = sip_stat, .poll = sip_poll,
};
