/*
 * Messages: formatting, the kernel's log (a ring that /dev/kmsg reads) and the text of errors.
 */
#include "dev/cons.h"
#include "log.h"
#include "proc.h"

#define LOG_SIZE 65536u

static char ring[LOG_SIZE];
static uint64_t log_end;		/* bytes ever written */
static struct spinlock log_lock = SPINLOCK("log");

struct out {
	char *buf;
	size_t n, at;
};

static void
put(struct out *o, char c)
{
	if (o->at + 1 < o->n)
		o->buf[o->at] = c;
	o->at++;
}

static void
put_number(struct out *o, uint64_t v, unsigned base, int width, char pad)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v != 0);
	while (n < width && n < (int)sizeof digits)
		digits[n++] = pad;
	while (n > 0)
		put(o, digits[--n]);
}

static void
put_string(struct out *o, const char *s, int width)
{
	int n = 0;

	for (s = s != NULL ? s : "(null)"; *s != '\0'; s++, n++)
		put(o, *s);
	for (; n < width; n++)
		put(o, ' ');
}

int
kvsnprintf(char *buf, size_t n, const char *f, va_list ap)
{
	struct out o = { buf, n, 0 };

	for (; *f != '\0'; f++) {
		char pad = ' ';
		int width = 0, longs = 0;
		uint64_t v;

		if (*f != '%') {
			put(&o, *f);
			continue;
		}
		f++;
		while (*f == '-' || *f == '0')
			pad = *f++ == '0' ? '0' : ' ';
		while (*f >= '0' && *f <= '9')
			width = width * 10 + *f++ - '0';
		while (*f == 'l' || *f == 'z') {
			longs++;
			f++;
		}
		switch (*f) {
		case 'd':
		case 'u':
		case 'x':
			v = longs ? va_arg(ap, uint64_t) : va_arg(ap, unsigned);
			if (*f == 'd' && !longs)
				v = (uint64_t)(int)v;
			if (*f == 'd' && (int64_t)v < 0) {
				put(&o, '-');
				v = -v;
			}
			put_number(&o, v, *f == 'x' ? 16 : 10, width, pad);
			break;
		case 'p':
			put_string(&o, "0x", 0);
			put_number(&o, va_arg(ap, uint64_t), 16, 0, ' ');
			break;
		case 's':
			put_string(&o, va_arg(ap, const char *), width);
			break;
		case 'c':
			put(&o, (char)va_arg(ap, int));
			break;
		case '%':
			put(&o, '%');
			break;
		default:
			put(&o, '?');
			break;
		}
	}
	if (n > 0)
		buf[MIN(o.at, n - 1)] = '\0';
	return (int)o.at;
}

int
ksnprintf(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int r = kvsnprintf(buf, n, fmt, ap);

	va_end(ap);
	return r;
}

static void
log_write(const char *s, size_t n)
{
	spin_lock(&log_lock);
	for (size_t i = 0; i < n; i++)
		ring[log_end++ % LOG_SIZE] = s[i];
	cons_write(s, n);
	spin_unlock(&log_lock);
}

size_t
log_read(char *buf, size_t n, uint64_t off)
{
	size_t got = 0;

	spin_lock(&log_lock);
	uint64_t first = log_end > LOG_SIZE ? log_end - LOG_SIZE : 0;

	for (off = MAX(off, first); got < n && off < log_end; off++)
		buf[got++] = ring[off % LOG_SIZE];
	spin_unlock(&log_lock);
	return got;
}

void
kprint(const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	int n = kvsnprintf(line, sizeof line, fmt, ap);

	va_end(ap);
	log_write(line, MIN((size_t)n, sizeof line - 1));
}

/* A panic takes no lock: its holder may be the one that panics. */
void
log_panic(void)
{
	log_lock.held = 0;
}

int
error(int err, const char *fmt, ...)
{
	struct thread *t = thread_current();
	va_list ap;

	va_start(ap, fmt);
	if (t != NULL) {
		kvsnprintf(t->errstr, sizeof t->errstr, fmt, ap);
		t->errstr_of = err;
	}
	va_end(ap);
	return -err;
}
