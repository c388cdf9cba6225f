/*
 * /dev/irq: interrupts as files.
 *
 *	ctl	what is registered, for whom; `register LINE [name]`, `unregister LINE`
 *	N	for its owner: a read waits for the interrupt and gives 32 bytes: how many came since
 *		the last read, when the latest came (ns since boot), 0, 0
 *
 * N below IRQ_MESSAGE_BASE is a line; above, IRQ_MESSAGE_BASE + handle, a message that /dev/pci
 * made.  Several processes may share a level line: an interrupt masks it until each of them has
 * come back for the next.  An edge line is never masked.
 *
 * table_lock protects which sources and users exist and what is routed.  A source's lock protects
 * its users' counts and its mask; the interrupt handler takes only that one.  A user is counted by
 * its registration and by each open file, a source by its users.
 */
#include "../irq.h"

#include "../cap.h"
#include "../hw.h"
#include "../poll.h"
#include "../proc.h"

enum { FILE_ROOT, FILE_CTL, FILE_FIRST };	/* FILE_FIRST + number: an interrupt */
enum { TEXT_MAX = 8192, RECORD_WORDS = 4 };

struct source {
	struct list all, users;
	struct spinlock lock;
	uint32_t refs;
	unsigned number;
	int handle;
	bool level;
	unsigned held;			/* users that have not come back since the interrupt */
};

struct user {
	struct list all, of;		/* in every user; in its source's */
	uint32_t refs;
	struct source *source;
	struct proc *owner;
	int32_t pid;
	char name[32];
	bool gone, held;
	uint64_t count, total, time;
	struct waitq queue;
};

static struct mutex table_lock = MUTEX_STATIC(table_lock, "irq table");
static struct list sources = LIST_INIT(sources), users = LIST_INIT(users);

static void
source_put(struct source *s)
{
	if (ref_put(&s->refs))
		kfree(s);
}

static void
user_put(struct user *us)
{
	if (ref_put(&us->refs)) {
		source_put(us->source);
		kfree(us);
	}
}

/* Runs in the interrupt. */
static void
source_interrupt(void *arg)
{
	struct source *s = arg;
	uint64_t now = time_now();

	spin_lock(&s->lock);
	if (s->level)
		irq_line_mask(s->number, true);
	list_for_each(p, &s->users) {
		struct user *us = list_entry(p, struct user, of);

		us->count++;
		us->total++;
		us->time = now;
		if (s->level && !us->held) {
			us->held = true;
			s->held++;
		}
		wake_one(&us->queue);
	}
	spin_unlock(&s->lock);
	poll_notify();
}

/* The user has come back: with the last one the line is let through again. */
static void
user_ready(struct user *us)
{
	struct source *s = us->source;

	if (!us->held)
		return;
	us->held = false;
	if (--s->held == 0 && s->handle != 0)
		irq_line_mask(s->number, false);
}

static struct source *
source_new(unsigned number, bool level)
{
	struct source *s = kzalloc(sizeof *s);

	if (s == NULL)
		return NULL;
	list_init(&s->all);
	list_init(&s->users);
	spin_init(&s->lock, "irq source");
	s->refs = 1;
	s->number = number;
	s->level = level;
	return s;
}

/* A registration of p for s, which it counts; in no list yet. */
static struct user *
user_new(struct source *s, struct proc *p, const char *name)
{
	struct user *us = kzalloc(sizeof *us);

	if (us == NULL)
		return NULL;
	list_init(&us->all);
	list_init(&us->of);
	waitq_init(&us->queue);
	us->refs = 1;
	us->owner = p;
	us->pid = p->pid;
	strlcpy(us->name, name, sizeof us->name);
	ref_get(&s->refs);
	us->source = s;
	return us;
}

/* table_lock is held. */
static void
user_link(struct user *us)
{
	struct source *s = us->source;

	list_append(&users, &us->all);
	spin_lock(&s->lock);
	list_append(&s->users, &us->of);
	spin_unlock(&s->lock);
}

/* table_lock is held.  Readers get an error; the last user's source ends. */
static void
user_unlink(struct user *us)
{
	struct source *s = us->source;
	bool last;

	spin_lock(&s->lock);
	list_remove(&us->of);
	us->gone = true;
	last = list_empty(&s->users);
	if (last && s->number < IRQ_MESSAGE_BASE)
		irq_line_mask(s->number, true);
	else
		user_ready(us);
	wake_all(&us->queue);
	spin_unlock(&s->lock);
	poll_notify();
	list_remove(&us->all);
	if (last) {
		if (s->number < IRQ_MESSAGE_BASE)
			irq_unroute_line(s->number);
		irq_free(s->handle);
		s->handle = 0;
		list_remove(&s->all);
	}
	user_put(us);
}

static struct source *
source_find(unsigned number)
{
	list_for_each(p, &sources) {
		struct source *s = list_entry(p, struct source, all);

		if (s->number == number)
			return s;
	}
	return NULL;
}

/* p's registration, or anybody's if p is NULL. */
static struct user *
user_find(unsigned number, const struct proc *p)
{
	list_for_each(e, &users) {
		struct user *us = list_entry(e, struct user, all);

		if (us->source->number == number && (p == NULL || us->owner == p))
			return us;
	}
	return NULL;
}

static int
line_route(struct source *s, bool active_low)
{
	int r = irq_alloc(source_interrupt, s);

	if (r < 0)
		return error(-r, "irq: no vector is free");
	s->handle = r;
	r = irq_route_line(s->handle, s->number, s->level, active_low);
	if (r == 0)
		return 0;
	irq_free(s->handle);
	s->handle = 0;
	return error(-r, r == -EBUSY ? "irq: line %u is the kernel's" : "irq: there is no line %u",
		     s->number);
}

/* table_lock is held. */
static int
line_register(unsigned line, const char *name)
{
	struct source *s = source_find(line);
	bool fresh = s == NULL, level, low;
	struct user *us;
	int r = 0;

	if (user_find(line, proc_current()) != NULL)
		return error(EEXIST, "irq: line %u is registered already", line);
	if (!fresh && !s->level)
		return error(EBUSY, "irq: line %u is in use", line);
	irq_line_kind(line, &level, &low);
	if (fresh)
		s = source_new(line, level);
	us = s == NULL ? NULL : user_new(s, proc_current(), name);
	if (us == NULL)
		r = -ENOMEM;
	else if (fresh && (r = line_route(s, low)) < 0)
		user_put(us);
	if (r == 0) {
		user_link(us);
		if (fresh)
			list_append(&sources, &s->all);
		if (fresh && level) {		/* let through by the first read */
			us->held = true;
			s->held = 1;
		} else if (fresh) {
			irq_line_mask(line, false);
		}
	}
	if (fresh && s != NULL)
		source_put(s);
	return r;
}

/* One message's source and user, not routed and in no list. */
static struct user *
message_new(struct proc *p, const char *name)
{
	struct source *s = source_new(0, false);
	struct user *us = s == NULL ? NULL : user_new(s, p, name);

	if (s != NULL)
		source_put(s);		/* the user keeps it, or it goes */
	return us;
}

int
irqdev_messages(struct proc *p, const char *name, unsigned n, bool block, int *handles)
{
	struct user *us[IRQ_MESSAGES_MAX];
	void *args[IRQ_MESSAGES_MAX];
	unsigned made = 0, routed = 0;
	int r = 0;

	KASSERT(n <= IRQ_MESSAGES_MAX);
	for (; made < n && (us[made] = message_new(p, name)) != NULL; made++)
		args[made] = us[made]->source;
	mutex_lock(&table_lock);
	if (made < n)
		r = -ENOMEM;
	else if (block && (r = irq_alloc_block(n, source_interrupt, args, handles)) == 0)
		routed = n;
	for (; !block && r == 0 && routed < n; routed += r == 0)
		r = irq_alloc_block(1, source_interrupt, &args[routed], &handles[routed]);
	for (unsigned i = 0; r < 0 && i < routed; i++)
		irq_free(handles[i]);
	for (unsigned i = 0; i < made; i++) {
		struct source *s = us[i]->source;

		if (r < 0) {
			user_put(us[i]);
			continue;
		}
		s->handle = handles[i];
		s->number = IRQ_MESSAGE_BASE + (unsigned)handles[i];
		list_append(&sources, &s->all);
		user_link(us[i]);
	}
	mutex_unlock(&table_lock);
	return r == 0 ? 0 : error(-r, "irq: no %u vectors are free", n);
}

void
irqdev_message_free(int handle)
{
	struct user *us;

	mutex_lock(&table_lock);
	us = user_find(IRQ_MESSAGE_BASE + (unsigned)handle, NULL);
	if (us != NULL)
		user_unlink(us);
	mutex_unlock(&table_lock);
}

void
irqdev_proc_exit(struct proc *p)
{
	if (list_empty(&users))
		return;
	mutex_lock(&table_lock);
	list_for_each_safe(e, next, &users) {
		struct user *us = list_entry(e, struct user, all);

		if (us->owner == p && us->source->number < IRQ_MESSAGE_BASE)
			user_unlink(us);
	}
	mutex_unlock(&table_lock);
}

/* --- the files --- */

static int
irq_attach(const char *spec, struct chan **out)
{
	(void)spec;
	*out = chan_new(&dev_irq);
	if (*out == NULL)
		return -ENOMEM;
	(*out)->qid = (struct qid){ .path = FILE_ROOT, .type = QT_DIR };
	return 0;
}

static int
irq_gen(struct chan *c, int i, struct dirtab *e, char buf[SYS_NAME_MAX + 1])
{
	struct user *us = NULL;
	int r = -1;

	(void)c;
	if (i == 0) {
		*e = (struct dirtab){ "ctl", FILE_CTL, HW_RW, 0 };
		return 1;
	}
	mutex_lock(&table_lock);
	list_for_each(p, &users)
		if (--i == 0)
			us = list_entry(p, struct user, all);
	if (us != NULL) {
		r = user_find(us->source->number, NULL) == us;	/* sharers are shown once */
		ksnprintf(buf, SYS_NAME_MAX + 1, "%u", us->source->number);
		*e = (struct dirtab){ buf, FILE_FIRST + us->source->number, HW_READ, 0 };
	}
	mutex_unlock(&table_lock);
	return r;
}

static int
irq_walk(struct chan *c, int n, const char *const *names, int *done, struct qid *qids,
	 struct chan **out)
{
	int r = devtab_walk(c, n, names, done, qids, out, irq_gen);

	if (*out != NULL)
		(*out)->aux = NULL;	/* an open file's own */
	return r;
}

static int64_t
irq_readdir(struct chan *c, void *buf, size_t n, uint64_t off)
{
	return devtab_readdir(c, buf, n, off, irq_gen);
}

static int
irq_stat(struct chan *c, struct sys_stat *st)
{
	struct dirtab e = { "irq", c->qid.path, HW_DIR, 0 };

	if (c->qid.path != FILE_ROOT)
		e.mode = c->qid.path == FILE_CTL ? HW_RW : HW_READ;
	return devtab_stat(c, st, &e);
}

static int
irq_open(struct chan **cp, uint32_t flags)
{
	struct chan *c = *cp;
	struct user *us;
	int r;

	if (c->qid.path == FILE_ROOT)
		return 0;
	if (c->qid.path == FILE_CTL && (flags & SYS_O_ACCMODE) == SYS_O_RDONLY)
		return 0;
	if ((r = cap_check(CAP_INTERRUPT)) < 0)
		return r;
	if (c->qid.path == FILE_CTL)
		return 0;
	mutex_lock(&table_lock);
	us = user_find((unsigned)(c->qid.path - FILE_FIRST), proc_current());
	if (us != NULL)
		ref_get(&us->refs);
	mutex_unlock(&table_lock);
	if (us == NULL)
		return error(EACCES, "irq: %u is not registered by this process",
			     (unsigned)(c->qid.path - FILE_FIRST));
	c->aux = us;
	return 0;
}

static void
irq_close(struct chan *c)
{
	if (c->aux != NULL)
		user_put(c->aux);
	c->aux = NULL;
}

static int64_t
ctl_read(struct uio *u, uint64_t off)
{
	char *text = kmalloc(TEXT_MAX);
	size_t n = 0;
	int64_t r;

	if (text == NULL)
		return -ENOMEM;
	mutex_lock(&table_lock);
	list_for_each(p, &users) {
		struct user *us = list_entry(p, struct user, all);

		if (n >= TEXT_MAX - 128)
			break;
		n += (size_t)ksnprintf(text + n, TEXT_MAX - n, "%u %s pid %d %s count %lu\n",
				       us->source->number, us->name, us->pid,
				       us->source->number >= IRQ_MESSAGE_BASE ? "message" :
				       us->source->level ? "level" : "edge", us->total);
	}
	mutex_unlock(&table_lock);
	r = uio_put_text(u, off, text, n);
	kfree(text);
	return r;
}

static int64_t
irq_read(struct chan *c, struct uio *u, uint64_t off)
{
	struct user *us = c->aux;
	uint64_t record[RECORD_WORDS] = { 0 };
	struct source *s;
	int r = 0;

	if (us == NULL)
		return c->qid.path == FILE_CTL ? ctl_read(u, off) : -EISDIR;
	if (us->owner != proc_current())
		return error(EACCES, "irq: another process registered this");
	if (u->left < sizeof record)
		return error(EINVAL, "irq: a read takes %zu bytes", sizeof record);
	s = us->source;
	spin_lock(&s->lock);
	while (us->count == 0 && !us->gone && r == 0) {
		user_ready(us);
		if (c->flags & SYS_O_NONBLOCK)
			r = -EAGAIN;
		else
			r = wait_on(&us->queue, &s->lock, FOREVER);
	}
	if (us->count > 0 && !us->gone)
		r = 0;
	else if (us->gone)
		r = -EIO;
	if (r == 0) {
		record[0] = us->count;
		record[1] = us->time;
		us->count = 0;
	}
	spin_unlock(&s->lock);
	if (r == -EIO)
		return error(EIO, "irq: the interrupt was given up");
	if (r == 0)
		r = uio_put(u, record, sizeof record);
	return r < 0 ? r : (int64_t)sizeof record;
}

static int64_t
irq_write(struct chan *c, struct uio *u, uint64_t off)
{
	char text[80], *w[3];
	int64_t n;
	uint64_t line;
	int words, r;

	(void)off;
	if (c->qid.path != FILE_CTL)
		return -EPERM;
	if ((r = cap_check(CAP_INTERRUPT)) < 0)
		return r;
	if ((n = uio_get_command(u, text, sizeof text)) < 0)
		return n;
	words = text_words(text, w, 3);
	if (words < 2 || text_number(w[1], IRQ_MESSAGE_BASE - 1, &line) < 0 ||
	    (strcmp(w[0], "register") != 0 && (strcmp(w[0], "unregister") != 0 || words != 2)))
		return error(EINVAL, "irq: write `register LINE name` or `unregister LINE`");
	if ((r = cap_check_line((unsigned)line)) < 0)
		return r;
	mutex_lock(&table_lock);
	if (w[0][0] == 'r') {
		r = line_register((unsigned)line, words == 3 ? w[2] : proc_current()->name);
	} else {
		struct user *us = user_find((unsigned)line, proc_current());

		if (us != NULL)
			user_unlink(us);
		else
			r = error(ENOENT, "irq: line %u is not registered", (unsigned)line);
	}
	mutex_unlock(&table_lock);
	return r < 0 ? r : n;
}

/* To wait is to come back, as a read does. */
static int
irq_poll(struct chan *c, struct waitq **q, struct spinlock **l)
{
	struct user *us = c->aux;
	bool ready;

	(void)q;
	(void)l;
	if (us == NULL)
		return POLLIN | POLLOUT;
	spin_lock(&us->source->lock);
	ready = us->count > 0 || us->gone;
	if (!ready && us->owner == proc_current())
		user_ready(us);
	spin_unlock(&us->source->lock);
	return ready ? POLLIN : 0;
}

const struct dev dev_irq = {
	.name = "irq", .attach = irq_attach, .walk = irq_walk, .open = irq_open,
	.close = irq_close, .read = irq_read, .write = irq_write, .readdir = irq_readdir,
	.stat = irq_stat, .poll = irq_poll,
};
