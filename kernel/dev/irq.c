/*
 * /dev/irq: interrupts as files.
 *
 *	ctl	what is registered, for whom; `register LINE [name]`, `unregister LINE`
 *	N	for its owner: a read waits for the interrupt and gives 32 bytes: how many came
 *		since the last read, when the latest came (ns since boot), 0, 0
 *
 * N below IRQ_MESSAGE_BASE is a line; above, IRQ_MESSAGE_BASE + handle, a message that /dev/pci
 * made.  Several processes may share a level line: an interrupt masks it until each of them has
 * come back for the next.  An edge line is never masked.
 *
 * More interrupts in a window than the process may have (proc->interrupts) are a storm: the line is
 * masked, a message does nothing more, and the process is killed, which turns its device off.
 *
 * table_lock, a mutex: who is registered, what is routed.  users_lock: the list of users and the
 * lines' masks, against the interrupt of a line.  A user's own lock: its counts; a message's
 * interrupt takes only that one.  Order: as told.  A user is counted by its registration and by
 * each open file.
 */
#include "../irq.h"

#include "../cap.h"
#include "../hw.h"
#include "../poll.h"
#include "../proc.h"

enum { FILE_ROOT, FILE_CTL, FILE_FIRST };	/* FILE_FIRST + number: an interrupt */
enum { TEXT_MAX = 8192, RECORD_WORDS = 4 };
enum { STORM_DEFAULT = 100000, WINDOWS = 10, WINDOW_NS = 1000000000 / WINDOWS };

struct user {
	struct list all;
	uint32_t refs;
	unsigned number;
	int handle;
	bool level, gone;
	bool held;			/* the line waits for it; under users_lock */
	bool storm;
	struct spinlock lock;
	struct proc *owner;
	int32_t pid;
	char name[32];
	uint64_t count, total, time;
	uint64_t window_start;
	uint32_t in_window, window_max;	/* above that it is a storm */
	struct waitq queue;
};

static struct mutex table_lock = MUTEX_STATIC(table_lock, "irq table");
static struct spinlock users_lock = SPINLOCK("irq users");
static struct list users = LIST_INIT(users);

static void
user_put(struct user *us)
{
	if (ref_put(&us->refs))
		kfree(us);
}

/* False in a storm, of which the process is told once. */
static bool
user_interrupt(struct user *us)
{
	spin_lock(&us->lock);
	us->count++;
	us->total++;
	us->time = time_now();
	if (us->time - us->window_start >= WINDOW_NS) {
		us->window_start = us->time;
		us->in_window = 0;
	}
	bool storm = unlikely(us->in_window >= us->window_max), fresh = !us->storm && storm;

	us->in_window++;
	us->storm |= storm;
	if (likely(!us->storm))
		wake_all(&us->queue);
	spin_unlock(&us->lock);
	if (fresh)
		proc_kill(us->owner, "interrupt storm");
	return !us->storm;
}

/* Readers get an error from now on. */
static void
user_gone(struct user *us)
{
	spin_lock(&us->lock);
	us->gone = true;
	us->count++;
	wake_all(&us->queue);
	spin_unlock(&us->lock);
	poll_notify(us->number);
}

static void
message_interrupt(void *arg)
{
	struct user *us = arg;

	if (likely(user_interrupt(us)))
		poll_notify(us->number);
}

static void
line_interrupt(void *arg)
{
	unsigned line = (unsigned)(uintptr_t)arg;

	spin_lock(&users_lock);
	list_for_each(p, &users) {
		struct user *us = list_entry(p, struct user, all);

		if (us->number != line)
			continue;
		if (us->level) {
			irq_line_mask(line, true);
			us->held = true;
		}
		if (unlikely(!user_interrupt(us)))
			irq_line_mask(line, true);
	}
	spin_unlock(&users_lock);
	poll_notify(line);
}

/* The user of a number: p's, or anybody's if p is NULL; if `held`, one the line waits for. */
static struct user *
user_find(unsigned number, const struct proc *p, bool held)
{
	list_for_each(e, &users) {
		struct user *us = list_entry(e, struct user, all);

		if (us->number == number && (p == NULL || us->owner == p) && (!held || us->held))
			return us;
	}
	return NULL;
}

/* The user has come back: after the last one the line is let through again. */
static void
user_ready(struct user *us)
{
	if (!us->level)
		return;
	spin_lock(&users_lock);
	if (us->held && !us->storm) {
		us->held = false;
		if (user_find(us->number, NULL, true) == NULL)
			irq_line_mask(us->number, false);
	}
	spin_unlock(&users_lock);
}

static struct user *
user_new(struct proc *p, unsigned number, const char *name)
{
	struct user *us = kzalloc(sizeof *us);

	if (us == NULL)
		return NULL;
	list_init(&us->all);
	waitq_init(&us->queue);
	spin_init(&us->lock, "irq user");
	us->refs = 1;
	us->number = number;
	us->owner = p;
	us->pid = p->pid;
	us->window_max = MAX((p->interrupts != 0 ? p->interrupts : STORM_DEFAULT) / WINDOWS, 1u);
	strlcpy(us->name, name, sizeof us->name);
	return us;
}

static void
user_link(struct user *us)
{
	spin_lock(&users_lock);
	list_append(&users, &us->all);
	spin_unlock(&users_lock);
}

/* table_lock is held.  Readers get an error; a line without users is masked. */
static void
user_unlink(struct user *us)
{
	bool last;

	spin_lock(&users_lock);
	list_remove(&us->all);
	last = user_find(us->number, NULL, false) == NULL;
	if (us->level)
		irq_line_mask(us->number, last || user_find(us->number, NULL, true) != NULL);
	spin_unlock(&users_lock);
	if (last && us->number < IRQ_MESSAGE_BASE)
		irq_unroute_line(us->number);
	if (last)
		irq_free(us->handle);
	user_gone(us);
	user_put(us);
}

/* A vector for the line, masked: the handle. */
static int
line_route(unsigned line, bool level, bool active_low)
{
	int handle = irq_alloc(line_interrupt, (void *)(uintptr_t)line), r;

	if (handle < 0)
		return error(-handle, "irq: no vector is free");
	r = irq_route_line(handle, line, level, active_low);
	if (r == 0)
		return handle;
	irq_free(handle);
	return r == -EBUSY ? error(EBUSY, "irq: line %u is the kernel's", line) :
	       error(-r, "irq: there is no line %u", line);
}

/* table_lock is held. */
static int
line_register(unsigned line, const char *name)
{
	struct user *us, *other = user_find(line, NULL, false);
	bool level, low;
	int handle;

	irq_line_kind(line, &level, &low);
	if (user_find(line, proc_current(), false) != NULL)
		return error(EEXIST, "irq: line %u is registered already", line);
	if (other != NULL && !level)
		return error(EBUSY, "irq: line %u is in use", line);
	us = user_new(proc_current(), line, name);
	if (us == NULL)
		return -ENOMEM;
	handle = other != NULL ? other->handle : line_route(line, level, low);
	if (handle < 0) {
		user_put(us);
		return handle;
	}
	us->handle = handle;
	us->level = level;
	us->held = level && other == NULL;	/* let through by the first read */
	user_link(us);
	if (!level)
		irq_line_mask(line, false);
	return 0;
}

int
irqdev_messages(struct proc *p, const char *name, unsigned n, bool block, int *handles)
{
	unsigned made = 0, routed = 0, step = block ? n : 1;
	void *us[IRQ_MESSAGES_MAX];
	int r = 0;

	KASSERT(n <= IRQ_MESSAGES_MAX);
	while (made < n && (us[made] = user_new(p, 0, name)) != NULL)
		made++;
	if (made < n)
		r = -ENOMEM;
	for (; r == 0 && routed < n; routed += r == 0 ? step : 0)
		r = irq_alloc_block(step, message_interrupt, us + routed, handles + routed);
	for (unsigned i = 0; r < 0 && i < routed; i++)
		irq_free(handles[i]);
	mutex_lock(&table_lock);
	for (unsigned i = 0; i < made; i++) {
		struct user *u = us[i];

		u->handle = r == 0 ? handles[i] : 0;
		u->number = IRQ_MESSAGE_BASE + (unsigned)u->handle;
		if (r == 0)
			user_link(u);
		else
			user_put(u);
	}
	mutex_unlock(&table_lock);
	return r == 0 ? 0 : error(-r, "irq: no %u vectors are free", n);
}

void
irqdev_message_free(int handle)
{
	struct user *us;

	mutex_lock(&table_lock);
	us = user_find(IRQ_MESSAGE_BASE + (unsigned)handle, NULL, false);
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

		if (us->owner == p && us->number < IRQ_MESSAGE_BASE)
			user_unlink(us);
	}
	mutex_unlock(&table_lock);
}

/* --- the files --- */

static int
irq_gen(struct chan *, int i, struct dirtab *e, char buf[SYS_NAME_MAX + 1])
{
	struct user *us = NULL;
	int r = -1;

	if (i == 0) {
		*e = (struct dirtab){ "ctl", FILE_CTL, HW_RW, 0 };
		return 1;
	}
	mutex_lock(&table_lock);
	list_for_each(p, &users)
		if (--i == 0)
			us = list_entry(p, struct user, all);
	if (us != NULL) {
		r = user_find(us->number, NULL, false) == us;	/* sharers are shown once */
		ksnprintf(buf, SYS_NAME_MAX + 1, "%u", us->number);
		*e = (struct dirtab){ buf, FILE_FIRST + us->number, HW_READ, 0 };
	}
	mutex_unlock(&table_lock);
	return r;
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
	us = user_find((unsigned)(c->qid.path - FILE_FIRST), proc_current(), false);
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
				       us->number, us->name, us->pid,
				       us->number >= IRQ_MESSAGE_BASE ? "message" :
				       us->level ? "level" : "edge", us->total);
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
	int r = 0;

	if (us == NULL)
		return c->qid.path == FILE_CTL ? ctl_read(u, off) : -EISDIR;
	if (us->owner != proc_current())
		return error(EACCES, "irq: another process registered this");
	if (u->left < sizeof record)
		return error(EINVAL, "irq: a read takes %zu bytes", sizeof record);
	if (us->count == 0)
		user_ready(us);
	spin_lock(&us->lock);
	while (us->count == 0 && r == 0)
		r = c->flags & SYS_O_NONBLOCK ? -EAGAIN : wait_on(&us->queue, &us->lock, FOREVER);
	if (us->count > 0)
		r = us->gone ? -EIO : 0;
	if (r == 0) {
		record[0] = us->count;
		record[1] = us->time;
		us->count = 0;
	}
	spin_unlock(&us->lock);
	if (r == -EIO)
		return error(EIO, "irq: the interrupt was given up");
	if (r == 0)
		r = uio_put(u, record, sizeof record);
	return r < 0 ? r : (int64_t)sizeof record;
}

static int64_t
irq_write(struct chan *c, struct uio *u, uint64_t)
{
	char text[80], *w[3];
	int64_t n;
	uint64_t line;
	int words, r;

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
		struct user *us = user_find((unsigned)line, proc_current(), false);

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
irq_poll(struct chan *c, struct poller *p)
{
	struct user *us = c->aux;

	if (us == NULL)
		return POLLIN | POLLOUT;
	poll_on(p, us->number);
	if (us->count == 0 && us->owner == proc_current())
		user_ready(us);
	return us->count > 0 ? POLLIN : 0;
}

const struct dev dev_irq = {
	.name = "irq", .attach = devtab_attach, .walk = devtab_walk, .open = irq_open,
	.close = irq_close, .read = irq_read, .write = irq_write, .readdir = devtab_readdir,
	.gen = irq_gen, .stat = devtab_plain_stat, .poll = irq_poll,
};
