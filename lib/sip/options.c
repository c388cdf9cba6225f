/*
 * Command lines: the options that every server has and those of its type.  Each is `-name value`,
 * or `-name` for a flag.  The program's own options go where its table says.
 */
#include "sip.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COMMON_MAX 13

/* The common options, as a table like a type's own. */
static void
common(struct sip_server *s, struct sip_option out[COMMON_MAX])
{
	struct sip_config *c = &s->config;
	const struct sip_option all[] = {
		{ "mount", "PATH", "where its files appear", SIP_OPT_STRING, &c->mount },
		{ "wait", "MS", "how long its clients wait when it ends", SIP_OPT_NUMBER,
		  &c->wait_ms },
		{ "listen", "ADDRESS", "serve at unix!PATH, tcp!HOST!PORT or fd!N", SIP_OPT_STRING,
		  &c->listen },
		{ "device", s->type->driver ? "B.D.F" : "FILE", s->type->driver ?
		  "the PCI function to drive; else all that match" : "the disk or image to serve",
		  SIP_OPT_STRING, &c->device },
		{ "number", "N", "its number among those of its kind, for names; else by address",
		  SIP_OPT_NUMBER, &c->number },
		{ "dev", "SERVICE", "a service to mount before /dev, with its device's files",
		  SIP_OPT_STRING, &c->dev },
		{ "name", "NAME", "the service's name", SIP_OPT_STRING, &c->name },
		{ "log", "FILE", "also write messages there", SIP_OPT_STRING, &c->log },
		{ "r", NULL, "read-only", SIP_OPT_FLAG, &c->readonly },
		{ "d", NULL, "tell what is done", SIP_OPT_FLAG, &c->debug },
		{ "h", NULL, "this help", SIP_OPT_FLAG, NULL },
		{ NULL, NULL, NULL, SIP_OPT_FLAG, NULL },
	};
	_Static_assert(sizeof all / sizeof *all <= COMMON_MAX, "room for the common options");
	unsigned n = 0;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		const char *name = all[i].name;
		bool driver = s->type->driver, fs = s->type->fs && s->type->fs->mount;
		if (name && strcmp(name, "r") == 0 && !fs)
			continue;
		if (name && strcmp(name, "device") == 0 && !driver && !fs)
			continue;
		if (name && (strcmp(name, "dev") == 0 || strcmp(name, "number") == 0) && !driver)
			continue;
		out[n++] = all[i];
	}
}

static const struct sip_option *
find(const struct sip_option *list, const char *name)
{
	for (; list && list->name; list++)
		if (strcmp(list->name, name) == 0)
			return list;
	return NULL;
}

static void
help_list(int fd, const struct sip_option *o)
{
	char line[SIP_TEXT_MAX + SIP_NAME_MAX];
	for (; o && o->name; o++) {
		char left[64];
		snprintf(left, sizeof left, "-%s%s%s", o->name, o->arg ? " " : "",
			o->arg ? o->arg : "");
		int n = snprintf(line, sizeof line, "  %-20s %s\n", left, o->help);
		text_write_fd(fd, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
	}
}

void
sip_help(const struct sip_type *type, int fd)
{
	struct sip_server s = { .type = type };
	struct sip_option list[COMMON_MAX];
	char line[2 * SIP_TEXT_MAX];
	int n = snprintf(line, sizeof line, "usage: %s [options]\n%s\n", type->name, type->about);
	text_write_fd(fd, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
	help_list(fd, type->options);
	common(&s, list);
	help_list(fd, list);
	if (type->mount) {
		n = snprintf(line, sizeof line, "Without -mount or -listen: -mount %s\n",
			type->mount);
		text_write_fd(fd, line, (size_t)n);
	}
}

static int
store_words(struct sip_server *s, const struct sip_option *o, const char *value)
{
	for (const char *p = value ? value : ""; *p; p += *p == ',') {
		int n = (int)strcspn(p, ",");
		const struct sip_word *w = o->to;
		while (w->name && !((int)strlen(w->name) == n && memcmp(w->name, p, n) == 0))
			w++;
		if (n && !w->name) {
			sip_log(s, "-%s %.*s: no such option", o->name, n < 32 ? n : 32, p);
			return -EINVAL;
		}
		if (n && w->to)
			*w->to = true;
		p += n;
	}
	return 0;
}

static const char *
what(enum sip_opt_kind kind)
{
	switch (kind) {
	case SIP_OPT_SIZE: return "size";
	case SIP_OPT_NUMBER32: return "number below 4294967296";
	default: return "number";
	}
}

static int
store(struct sip_server *s, const struct sip_option *o, const char *value)
{
	uint64_t n;
	bool ok = true;
	switch (o->kind) {
	case SIP_OPT_FLAG:
		*(bool *)o->to = true;
		break;
	case SIP_OPT_STRING:
		*(const char **)o->to = value;
		break;
	case SIP_OPT_WORDS:
		return store_words(s, o, value);
	case SIP_OPT_NUMBER:
	case SIP_OPT_NUMBER32:
	case SIP_OPT_SIZE:
		ok = o->kind == SIP_OPT_SIZE ? text_size(value, &n) : text_number(value,
			o->kind == SIP_OPT_NUMBER ? UINT64_MAX : UINT32_MAX, &n);
		if (ok)
			*(uint64_t *)o->to = n;
		break;
	}
	if (!ok)
		sip_log(s, "-%s: '%s' is not a %s", o->name, value, what(o->kind));
	return ok ? 0 : -EINVAL;
}

int
sip_parse(struct sip_server *s, int argc, char **argv)
{
	struct sip_option list[COMMON_MAX];
	common(s, list);
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		if (a[0] != '-' || !a[1]) {
			sip_log(s, "'%s' is not an option (-h lists them)", a);
			return -EINVAL;
		}
		if (strcmp(a, "-h") == 0 || strcmp(a, "--help") == 0) {
			sip_help(s->type, STDOUT_FILENO);
			return 1;
		}
		const struct sip_option *o = find(s->type->options, a + 1);
		if (!o)
			o = find(list, a + 1);
		if (!o) {
			sip_log(s, "%s: unknown option (-h lists them)", a);
			return -EINVAL;
		}
		if (o->arg && ++i == argc) {
			sip_log(s, "%s needs a value: %s", a, o->arg);
			return -EINVAL;
		}
		int e = store(s, o, o->arg ? argv[i] : NULL);
		if (e)
			return e;
	}
	if (s->config.number != SIP_NUMBER_NONE && s->config.number > SIP_NUMBER_MAX) {
		sip_log(s, "-number: at most %d", SIP_NUMBER_MAX);
		return -EINVAL;
	}
	if (!s->config.name[0] || s->config.name[0] == '.' || strchr(s->config.name, '/') ||
	    strlen(s->config.name) >= SIP_NAME_MAX) {
		s->config.name = s->type->name;
		sip_log(s, "-name: not a name");
		return -EINVAL;
	}
	if (s->type->fs && s->type->fs->needs_device && !s->config.device) {
		sip_log(s, "no -device");
		return -EINVAL;
	}
	return 0;
}
