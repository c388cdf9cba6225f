/*
 * What every kernel file uses: types, lists, messages, panic.
 *
 * The kernel runs with interrupts disabled, on one stack a thread, and is never preempted: an
 * interrupt comes from user mode, from idle, or in irq_window(), which long loops call with no
 * spinlock held.  So a spinlock needs no saved flags and an interrupt handler may take any.
 */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "errno.h"

typedef uint64_t paddr_t;

#define PAGE_SIZE	4096ul
#define PAGE_SHIFT	12
#define PAGE_MASK	(PAGE_SIZE - 1)

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))
#define CHOOSE_(a, b, op, x, y) \
	({ __typeof__(a) x = (a); __typeof__(b) y = (b); x op y ? x : y; })
#define CHOOSE(a, b, op, n)	CHOOSE_NAMED(a, b, op, n)
#define CHOOSE_NAMED(a, b, op, n) CHOOSE_(a, b, op, a_##n, b_##n)
#define MIN(a, b)	CHOOSE(a, b, <, __COUNTER__)
#define MAX(a, b)	CHOOSE(a, b, >, __COUNTER__)
#define ROUND_UP(x, n)	(((x) + (n) - 1) & ~((__typeof__(x))(n) - 1))
#define ROUND_DOWN(x, n) ((x) & ~((__typeof__(x))(n) - 1))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/* a * b / c, whose result must fit. */
static inline uint64_t
mul_div(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t high;

	__asm__("mulq %3\n\tdivq %4" : "=&a"(a), "=&d"(high) : "0"(a), "r"(b), "r"(c) : "cc");
	return a;
}

/* A doubly linked list with a head; an unlinked node points at itself. */
struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)	{ &(name), &(name) }
#define list_entry(p, type, member) container_of(p, type, member)
#define list_for_each(p, head) for (struct list *p = (head)->next; p != (head); p = p->next)
#define list_for_each_safe(p, n, head) \
	for (struct list *p = (head)->next, *n = p->next; p != (head); p = n, n = p->next)

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_add_after(struct list *at, struct list *n)
{
	n->next = at->next;
	n->prev = at;
	at->next->prev = n;
	at->next = n;
}

static inline void
list_push(struct list *head, struct list *n)
{
	list_add_after(head, n);
}

static inline void
list_append(struct list *head, struct list *n)
{
	list_add_after(head->prev, n);
}

static inline void
list_remove(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* NULL if the list is empty. */
static inline struct list *
list_pop(struct list *head)
{
	struct list *n = head->next;

	if (n == head)
		return NULL;
	list_remove(n);
	return n;
}

/* log.c: messages go to /dev/kmsg and the early console.  Formats: d u x p s c ld lu lx zu %. */
void kprint(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void panic(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Like C's; they return the length that was needed. */
int ksnprintf(char *buf, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int kvsnprintf(char *buf, size_t n, const char *fmt, va_list ap);

#define KASSERT(x) ((x) ? (void)0 : panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #x))

/* string.c */
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
/* Copies at most n - 1 bytes and always ends dst; returns strlen(src). */
size_t strlcpy(char *dst, const char *src, size_t n);

/* text.c.  A text being made: what does not fit in n bytes with their NUL is left out. */
struct text {
	char *buf;
	size_t n, at;
};
void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Splits in place at blanks: how many words, at most max; -1 if there are more. */
int text_words(char *s, char **words, int max);
/* Decimal or 0x hex, the whole of s, at most max: 0 or -EINVAL. */
int text_number(const char *s, uint64_t max, uint64_t *out);
/* As text_number, with a suffix K, M or G. */
int text_size(const char *s, uint64_t max, uint64_t *out);

/*
 * log.c: records the text of the current thread's last error and returns -err.  The text is a
 * lower-case sentence: which thing, and why.
 */
int error(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
