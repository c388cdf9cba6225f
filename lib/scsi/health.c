/*
 * What SCSI disks tell of their health: pages of LOG SENSE [SPC-4, 7.3, by the pages' names].
 *
 * A page is a head and parameters, each with a head of its own; what is wanted of both pages is in
 * their parameter 0. A page that does not fit together is malformed, and nothing of it is believed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "scsi.h"

enum {
	PAGE_HEAD = 4,
	PARAMETER_HEAD = 4,
	PAGE_MASK = 0x3f,
	WITH_SUBPAGE = 0x40,
	TEMPERATURE_BYTES = 2,
	EXCEPTION_BYTES = 2,
	NO_DEGREES = 0xff,
	ASC_WARNING = 0x0b, /* as sense data has it */
	ASCQ_TEMPERATURE = 0x01,
	ASC_PREDICTED = 0x5d,
};

/* Bytes after the head of a page, or -EPROTO. */
static int
page_bytes(const uint8_t *b, size_t n, uint8_t page)
{
	size_t length;

	if (n < PAGE_HEAD || (b[0] & PAGE_MASK) != page || b[0] & WITH_SUBPAGE || b[1])
		return -EPROTO;
	length = (size_t)b[2] << 8 | b[3];
	return length <= n - PAGE_HEAD ? (int)length : -EPROTO;
}

int
scsi_log_has(const uint8_t *b, size_t n, uint8_t page)
{
	int length = page_bytes(b, n, SCSI_LOG_PAGES);

	if (length < 0)
		return length;
	return memchr(b + PAGE_HEAD, page, (size_t)length) != NULL;
}

/* The value of parameter 0, of at least `least` bytes; *size: how many it has. */
static const uint8_t *
parameter_0(const uint8_t *b, size_t n, uint8_t page, int least, int *size)
{
	int length = page_bytes(b, n, page);

	for (int at = PAGE_HEAD; length >= 0 && at + PARAMETER_HEAD <= PAGE_HEAD + length;
	     at += PARAMETER_HEAD + *size) {
		*size = b[at + 3];
		if (*size > PAGE_HEAD + length - at - PARAMETER_HEAD)
			return NULL;
		if (!b[at] && !b[at + 1])
			return *size >= least ? b + at + PARAMETER_HEAD : NULL;
	}
	return NULL;
}

/* The temperature page, its parameter 0. */
int
scsi_log_temperature(const uint8_t *b, size_t n, int *degrees)
{
	int size = 0;
	const uint8_t *p = parameter_0(b, n, SCSI_LOG_TEMPERATURE, TEMPERATURE_BYTES, &size);

	if (!p)
		return -EPROTO;
	*degrees = p[1];
	return p[1] == NO_DEGREES ? -ENOENT : 0;
}

/* The informational exceptions page, its parameter 0. */
int
scsi_log_exceptions(const uint8_t *b, size_t n, struct scsi_exceptions *out)
{
	int size = 0;
	const uint8_t *p = parameter_0(b, n, SCSI_LOG_EXCEPTIONS, EXCEPTION_BYTES, &size);

	if (!p)
		return -EPROTO;
	*out = (struct scsi_exceptions){ .asc = p[0], .ascq = p[1], .degrees = -1 };
	if (size > EXCEPTION_BYTES && p[2] && p[2] != NO_DEGREES) /* many write 0 for none */
		out->degrees = p[2];
	return 0;
}

/* --- as text --------------------------------------------------------------------------------- */

static void
state_text(const struct scsi_health *h, char *buf, size_t size)
{
	const struct scsi_exceptions *e = &h->exception;

	if (h->pages == SCSI_REFUSED || (h->pages == SCSI_TOLD && h->exceptions == SCSI_NO_PAGE))
		snprintf(buf, size, "none");
	else if (h->exceptions != SCSI_TOLD)
		snprintf(buf, size, "unknown");
	else if (!e->asc)
		snprintf(buf, size, "passed");
	else if (e->asc == ASC_PREDICTED)
		snprintf(buf, size, "failed a failure is predicted (0x5d/0x%02x)", e->ascq);
	else if (e->asc == ASC_WARNING && e->ascq == ASCQ_TEMPERATURE)
		snprintf(buf, size, "failed the temperature is out of range");
	else
		snprintf(buf, size, "failed an exception (0x%02x/0x%02x)", e->asc, e->ascq);
}

static const char *
what_was_wrong(enum scsi_told told)
{
	switch (told) {
	case SCSI_NO_ANSWER: return "was not answered";
	case SCSI_REFUSED: return "was refused, though the disk lists it";
	case SCSI_MALFORMED: return "is malformed";
	default: return NULL;
	}
}

struct text {
	char *buf;
	size_t size, used;
};

static void
add(struct text *t, const char *line)
{
	int n = snprintf(t->buf + t->used, t->size - t->used, "%s", line);

	t->used += (size_t)n < t->size - t->used ? (size_t)n : t->size - t->used - 1;
}

static void
add_note(struct text *t, const char *page, enum scsi_told told)
{
	char line[96];
	const char *wrong = what_was_wrong(told);

	snprintf(line, sizeof line, "smart-note the %s %s\n", page, wrong ? wrong : "");
	if (wrong)
		add(t, line);
}

int
scsi_health_text(const struct scsi_health *h, char *buf, size_t size)
{
	struct text t = { buf, size, 0 };
	char state[64], line[96];
	int degrees = -1;

	state_text(h, state, sizeof state);
	snprintf(line, sizeof line, "smart %s\n", state);
	add(&t, line);
	if (h->temperature == SCSI_TOLD)
		degrees = h->degrees;
	else if (h->exceptions == SCSI_TOLD)
		degrees = h->exception.degrees;
	snprintf(line, sizeof line, "temperature %d\n", degrees);
	if (degrees >= 0)
		add(&t, line);
	/* One without logs refuses the list: that is no fault. */
	add_note(&t, "list of log pages", h->pages == SCSI_REFUSED ? SCSI_NO_PAGE : h->pages);
	add_note(&t, "temperature page (0x0d)", h->temperature);
	add_note(&t, "informational exceptions page (0x2f)", h->exceptions);
	return (int)t.used;
}
