/*
 * The debug build's check of lock order.
 *
 * Locks are told apart by class, which is their name.  Whenever one is taken while others are
 * held, "held before taken" is remembered for the classes; a lock that is to be taken before one
 * that was, directly or through others, taken before it is a panic, at the first time the order is
 * wrong, not at the first deadlock.  Two locks of one class may not be held together.
 */
#include "../amd64/cpu.h"

#define CLASSES_MAX 64

static const char *class_name[CLASSES_MAX];
static unsigned nclasses;
static uint64_t before[CLASSES_MAX];	/* bit j of i: i was held when j was taken */
static uint32_t busy;

/* The checker's own lock is none that it checks. */
static void
enter(void)
{
	while (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
		cpu_pause();
}

static void
leave(void)
{
	__atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
}

static unsigned
class_of(const struct spinlock *l)
{
	const char *name = l->name != NULL ? l->name : "unnamed";

	for (unsigned i = 0; i < nclasses; i++)
		if (class_name[i] == name || strcmp(class_name[i], name) == 0)
			return i;
	if (nclasses == CLASSES_MAX) {
		leave();
		panic("lock order: more than %d classes", CLASSES_MAX);
	}
	class_name[nclasses] = name;
	return nclasses++;
}

/* True if a chain of "before" leads from a to b. */
static bool
leads(unsigned a, unsigned b)
{
	uint64_t seen = 1ul << a, todo = before[a];

	while (todo != 0) {
		unsigned i = (unsigned)__builtin_ctzl(todo);

		if (i == b)
			return true;
		seen |= 1ul << i;
		todo = (todo | before[i]) & ~seen;
	}
	return false;
}

void
lock_debug_acquire(struct spinlock *l)
{
	struct cpu *c = cpu_self();

	if (c == NULL || c->nlocks_held == 0)
		return;
	enter();
	unsigned taken = class_of(l);

	for (unsigned i = 0; i < c->nlocks_held; i++) {
		unsigned held = class_of(c->locks_held[i]);
		bool wrong = held == taken || leads(taken, held);

		if (wrong) {
			leave();
			c->nlocks_held = 0;
			panic("lock order: \"%s\" is taken under \"%s\"", l->name,
			      class_name[held]);
		}
		before[held] |= 1ul << taken;
	}
	leave();
}

void
lock_debug_acquired(struct spinlock *l)
{
	struct cpu *c = cpu_self();

	if (c == NULL)
		return;
	if (c->nlocks_held == ARRAY_LEN(c->locks_held)) {
		c->nlocks_held = 0;
		panic("lock order: %zu locks are held", ARRAY_LEN(c->locks_held));
	}
	c->locks_held[c->nlocks_held++] = l;
}

void
lock_debug_release(struct spinlock *l)
{
	struct cpu *c = cpu_self();

	if (c == NULL)
		return;
	for (unsigned i = c->nlocks_held; i-- > 0;) {
		if (c->locks_held[i] != l)
			continue;
		c->locks_held[i] = c->locks_held[--c->nlocks_held];
		return;
	}
	panic("lock order: \"%s\" is released and was not taken here", l->name);
}

void
lock_debug_none(const char *what)
{
	struct cpu *c = cpu_self();

	if (c->nlocks_held == 0)
		return;
	const char *name = c->locks_held[0]->name;

	c->nlocks_held = 0;
	panic("%s with lock \"%s\" held", what, name);
}
