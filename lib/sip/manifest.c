/*
 * Manifests: the short text file that says what a type of server is (man/5/manifest).
 *
 * One `name value` per line; `#` begins a comment line.  A wrong line is an error that names the
 * file and the line and what was expected, and the manifest is refused as a whole.  Which values
 * make sense together is checked at the end.  Pure but for sip_manifest_load.
 */
#include "sip.h"
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define TIME_MAX_MS	3600000
#define LIMIT_MAX	1000000
#define INTERRUPTS_MAX	100000000
#define PORT_MAX	0xffff
#define IRQ_LINE_MAX	255
#define WAIT_DEFAULT_MS	30000
#define WAIT_UNSET	UINT_MAX

struct place {			/* where an error is, and where its text goes */
	const char *file;
	unsigned line;
	char *err;
};

static int SIP_PRINTF(2, 3)
bad(const struct place *at, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(at->err, SIP_TEXT_MAX, "%.48s:%u: ", at->file, at->line);
	va_start(ap, fmt);
	vsnprintf(at->err + n, (size_t)(SIP_TEXT_MAX - n), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool
name_ok(const char *s)
{
	size_t n = strlen(s);
	if (n == 0 || n >= SIP_NAME_MAX || s[0] == '.')
		return false;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		      (*s >= '0' && *s <= '9') || *s == '-' || *s == '_' || *s == '.'))
			return false;
	return true;
}

static int
take_name(struct sip_manifest *m, char *v, const struct place *at)
{
	if (!name_ok(v))
		return bad(at, "name '%.40s' is not 1 to 31 letters, digits, '-', '_' or '.'", v);
	strcpy(m->name, v);
	return 0;
}

static int
take_path(char out[SIP_PATH_MAX], const char *v, const char *what, const struct place *at)
{
	if (v[0] != '/' || strpbrk(v, " \t"))
		return bad(at, "%s '%.40s' is not an absolute path without blanks", what, v);
	if (strlen(v) >= SIP_PATH_MAX)
		return bad(at, "%s is longer than %d bytes", what, SIP_PATH_MAX - 1);
	strcpy(out, v);
	return 0;
}

static int
take_program(struct sip_manifest *m, char *v, const struct place *at)
{
	return take_path(m->program, v, "program", at);
}

static int
take_mount(struct sip_manifest *m, char *v, const struct place *at)
{
	return take_path(m->mount, v, "mount", at);
}

static int
take_args(struct sip_manifest *m, char *v, const struct place *at)
{
	if (strlen(v) >= SIP_PATH_MAX)
		return bad(at, "args are longer than %d bytes", SIP_PATH_MAX - 1);
	strcpy(m->args, v);
	return 0;
}

static int
take_capability(struct sip_manifest *m, char *v, const struct place *at)
{
	static const char *const known[] = {
		"file-system", "device-access", "interrupt", "dma", "page-exchange", "networking",
	};
	bool found = false;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		found |= strcmp(v, known[i]) == 0;
	if (!found)
		return bad(at, "capability '%.40s' is not known", v);
	if (m->ncaps == SIP_CAPS_MAX)
		return bad(at, "more than %d capabilities", SIP_CAPS_MAX);
	strcpy(m->capability[m->ncaps++], v);
	return 0;
}

/* A grant as the slot's command, or NULL if there are too many. */
static char *
grant(struct sip_manifest *m)
{
	return m->ngrants < SIP_GRANTS_MAX ? m->grant[m->ngrants++] : NULL;
}

static int
take_port(struct sip_manifest *m, char *v, const struct place *at)
{
	uint64_t low, high;
	char ports[24], *dash;
	snprintf(ports, sizeof ports, "%s", v);
	dash = strchr(ports, '-');
	if (dash)
		*dash = '\0';
	if (strlen(v) >= sizeof ports || !text_number(ports, PORT_MAX, &low) ||
	    !text_number(dash ? dash + 1 : ports, PORT_MAX, &high) || high < low)
		return bad(at, "port '%.40s' is not LOW-HIGH, up to 0xffff", v);
	char *command = grant(m);
	if (!command)
		return bad(at, "more than %d ports and lines", SIP_GRANTS_MAX);
	snprintf(command, sizeof m->grant[0], "port 0x%x-0x%x", (unsigned)low, (unsigned)high);
	return 0;
}

static int
take_irq(struct sip_manifest *m, char *v, const struct place *at)
{
	uint64_t line;
	if (!text_number(v, IRQ_LINE_MAX, &line))
		return bad(at, "line '%.40s' is not 0 to %d", v, IRQ_LINE_MAX);
	char *command = grant(m);
	if (!command)
		return bad(at, "more than %d ports and lines", SIP_GRANTS_MAX);
	snprintf(command, sizeof m->grant[0], "line %u", (unsigned)line);
	return 0;
}

/* 0x010601 is a class with its interface; 0x0106 any interface; 0x01 any subclass. */
static bool
pci_class(const char *v, struct sip_pci_match *out)
{
	uint64_t n;
	size_t digits = strlen(v);
	if (digits < 2 || v[0] != '0' || (v[1] | 0x20) != 'x' || !text_number(v, 0xffffff, &n))
		return false;
	digits -= 2;
	if (digits != 2 && digits != 4 && digits != 6)
		return false;
	unsigned shift = (unsigned)(6 - digits) * 4;
	*out = (struct sip_pci_match){
		.class = (uint32_t)n << shift, .class_mask = 0xffffffu << shift & 0xffffffu,
	};
	return true;
}

static int
take_pci(struct sip_manifest *m, char *v, const struct place *at)
{
	struct sip_pci_match match = { 0 };
	char *colon = strchr(v, ':');
	if (m->nmatch == SIP_MATCH_MAX)
		return bad(at, "more than %d pci lines", SIP_MATCH_MAX);
	if (colon) {
		uint64_t vendor, device;
		*colon = '\0';
		if (!text_number(v, 0xfffe, &vendor) || !vendor ||
		    !text_number(colon + 1, 0xffff, &device))
			return bad(at, "pci '%.20s:%.20s' is not VENDOR:DEVICE", v, colon + 1);
		match.vendor = (uint16_t)vendor;
		match.device = (uint16_t)device;
	} else if (!pci_class(v, &match)) {
		return bad(at, "pci '%.40s' is not a class of 2, 4 or 6 hexadecimal digits", v);
	}
	m->match[m->nmatch++] = match;
	return 0;
}

static int
take_memory(struct sip_manifest *m, char *v, const struct place *at)
{
	if (!text_size(v, &m->memory) || m->memory < 65536)
		return bad(at, "memory '%.40s' is not a size of at least 64K", v);
	return 0;
}

struct range {
	const char *what;
	unsigned min, max;
};

static int
take_number(unsigned *out, const struct range *r, const char *v, const struct place *at)
{
	uint64_t n;
	if (!text_number(v, r->max, &n) || n < r->min)
		return bad(at, "%s '%.40s' is not %u to %u", r->what, v, r->min, r->max);
	*out = (unsigned)n;
	return 0;
}

static int
take_priority(struct sip_manifest *m, char *v, const struct place *at)
{
	static const struct range r = { "priority", 0, 30 };
	return take_number(&m->priority, &r, v, at);
}

static int
take_deadline(struct sip_manifest *m, char *v, const struct place *at)
{
	static const struct range r = { "deadline in ms", 0, TIME_MAX_MS };
	return take_number(&m->deadline_ms, &r, v, at);
}

static int
take_wait(struct sip_manifest *m, char *v, const struct place *at)
{
	static const struct range r = { "wait in ms", 0, TIME_MAX_MS };
	return take_number(&m->wait_ms, &r, v, at);
}

static int
take_stable(struct sip_manifest *m, char *v, const struct place *at)
{
	static const struct range r = { "stable in ms", 0, TIME_MAX_MS };
	return take_number(&m->stable_ms, &r, v, at);
}

static int
take_limit(struct sip_manifest *m, char *v, const struct place *at)
{
	static const struct range r = { "limit", 1, LIMIT_MAX };
	return take_number(&m->limit, &r, v, at);
}

static int
take_interrupts(struct sip_manifest *m, char *v, const struct place *at)
{
	static const struct range r = { "interrupts", 10, INTERRUPTS_MAX };
	return take_number(&m->interrupts, &r, v, at);
}

static int
take_restart(struct sip_manifest *m, char *v, const struct place *at)
{
	static const char *const policy[] = { "never", "on-failure", "always" };
	for (unsigned i = 0; i < 3; i++)
		if (strcmp(v, policy[i]) == 0) {
			m->restart = (enum sip_restart)i;
			return 0;
		}
	return bad(at, "restart '%.40s' is not never, on-failure or always", v);
}

static int
take_after(struct sip_manifest *m, char *v, const struct place *at)
{
	if (!name_ok(v))
		return bad(at, "after '%.40s' is not a server's name", v);
	if (m->nafter == SIP_AFTER_MAX)
		return bad(at, "more than %d after lines", SIP_AFTER_MAX);
	strcpy(m->after[m->nafter++], v);
	return 0;
}

static const struct field {
	const char *name;
	int (*take)(struct sip_manifest *m, char *value, const struct place *at);
	bool repeated;
} fields[] = {
	{ "name", take_name, false },
	{ "program", take_program, false },
	{ "args", take_args, false },
	{ "capability", take_capability, true },
	{ "port", take_port, true },
	{ "line", take_irq, true },
	{ "pci", take_pci, true },
	{ "mount", take_mount, false },
	{ "memory", take_memory, false },
	{ "priority", take_priority, false },
	{ "deadline", take_deadline, false },
	{ "restart", take_restart, false },
	{ "after", take_after, true },
	{ "wait", take_wait, false },
	{ "stable", take_stable, false },
	{ "limit", take_limit, false },
	{ "interrupts", take_interrupts, false },
};
#define NFIELDS (sizeof fields / sizeof *fields)

static int
take_line(struct sip_manifest *m, char *line, unsigned *seen, const struct place *at)
{
	char *value = line, *name = text_word(&value);
	for (size_t i = 0; i < NFIELDS; i++) {
		if (strcmp(name, fields[i].name) != 0)
			continue;
		if (!*value)
			return bad(at, "%s has no value", name);
		if (*seen & 1u << i && !fields[i].repeated)
			return bad(at, "%s is given twice", name);
		*seen |= 1u << i;
		return fields[i].take(m, value, at);
	}
	return bad(at, "'%.40s' is not a field of a manifest", name);
}

int
sip_manifest_parse(struct sip_manifest *m, const char *file, const char *text, size_t n,
	char err[SIP_TEXT_MAX])
{
	struct place at = { file, 0, err };
	const char *p = text, *end = text + n;
	char line[TEXT_LINE_MAX];
	bool toolong;
	unsigned seen = 0;
	memset(m, 0, sizeof *m);
	m->priority = 10;
	m->wait_ms = WAIT_UNSET;
	m->stable_ms = 1000;
	m->limit = 8;
	m->interrupts = 100000;
	if (n >= TEXT_FILE_MAX) {
		bad(&at, "longer than %d bytes", TEXT_FILE_MAX - 1);
		return -E2BIG;
	}
	if (memchr(text, '\0', n))
		return bad(&at, "not a text file");
	while (text_line(&p, end, line, &toolong)) {
		at.line++;
		if (toolong)
			return bad(&at, "a line longer than %d bytes", TEXT_LINE_MAX - 1);
		if (!line[0] || line[0] == '#')
			continue;
		int e = take_line(m, line, &seen, &at);
		if (e)
			return e;
	}
	if (!m->name[0])
		return bad(&at, "no name line");
	if (!m->program[0])
		return bad(&at, "no program line");
	if (m->wait_ms == WAIT_UNSET)
		m->wait_ms = m->restart == SIP_RESTART_NEVER ? 0 : WAIT_DEFAULT_MS;
	return 0;
}

int
sip_manifest_load(struct sip_manifest *m, const char *path, char err[SIP_TEXT_MAX])
{
	char text[TEXT_FILE_MAX];
	long n = text_read_file(path, text, sizeof text);
	if (n == -E2BIG)
		snprintf(err, SIP_TEXT_MAX, "%.80s: longer than %d bytes", path, TEXT_FILE_MAX - 1);
	else if (n < 0)
		snprintf(err, SIP_TEXT_MAX, "%.80s: %s", path, strerror((int)-n));
	if (n < 0)
		return (int)n;
	return sip_manifest_parse(m, path, text, (size_t)n, err);
}
