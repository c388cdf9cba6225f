/*
 * Faults by command and figures as text: two files of a service of their own, which no fault
 * reaches.  At an address they are `ctl` and `stats`; by a name they are `NAMEctl` and `NAMEstats`,
 * so that several share a directory, and the service is called `NAMEctl`.
 */
#include "pass.h"

#include <errno.h>
#include <os.h>
#include <stdio.h>
#include <string.h>

#define FILE_NAME_MAX	(SIP_NAME_MAX + 8)

static struct sip_server server;
static char ctl_name[FILE_NAME_MAX], stats_name[FILE_NAME_MAX];

int
pass_command(struct pass *p, const char *text)
{
	int rc = pass_rules_command(&p->rules, text);

	if (rc == 0 && strcmp(text, "clear") == 0)
		pass_clear_hung(p);
	return rc;
}

static size_t
stats_line(struct pass *p, unsigned message, char *buf, size_t n)
{
	size_t at = (size_t)snprintf(buf, n, "%s requests %llu", pass_message_name(message),
		(unsigned long long)p->requests[message]);

	for (unsigned k = 0; k < PASS_KINDS && at < n; k++)
		if (p->faults[k][message])
			at += (size_t)snprintf(buf + at, n - at, " %s %llu", pass_kind_name(k),
				(unsigned long long)p->faults[k][message]);
	if (at < n)
		at += (size_t)snprintf(buf + at, n - at, "\n");
	return at;
}

size_t
pass_stats_text(struct pass *p, char *buf, size_t n)
{
	size_t at = 0;

	for (unsigned m = 0; m < PASS_MESSAGES && at < n; m++)
		if (p->requests[m])
			at += stats_line(p, m, buf + at, n - at);
	return at < n ? at : n - 1;
}

static int
ctl_text(struct sip_server *s, char *buf, size_t n)
{
	return (int)pass_rules_text(&((struct pass *)s->priv)->rules, buf, n);
}

static int
ctl_command(struct sip_server *s, char *text)
{
	return pass_command(s->priv, text);
}

static int
stats_text(struct sip_server *s, char *buf, size_t n)
{
	return (int)pass_stats_text(s->priv, buf, n);
}

static const struct sip_file files[] = {
	{ .name = ctl_name, .text = ctl_text, .command = ctl_command },
	{ .name = stats_name, .text = stats_text },
	{ 0 },
};

static const struct sip_type type = {
	.name = "passfs", .about = "Faults of passfs.", .p9 = &sip_tree_ops, .files = files,
};

int
pass_ctl_start(struct sip_server *s, struct pass *p, const char *where, const char *mount)
{
	bool address = strchr(where, '!') != NULL;
	const char *prefix = address ? "" : where;

	if (strlen(prefix) >= SIP_NAME_MAX)
		return sip_fail(s, -ENAMETOOLONG, "-ctl %s", where);
	snprintf(ctl_name, sizeof ctl_name, "%.*sctl", SIP_NAME_MAX, prefix);
	snprintf(stats_name, sizeof stats_name, "%.*sstats", SIP_NAME_MAX, prefix);
	sip_init(&server, &type);
	server.priv = p;
	const char *service = address ? where : ctl_name;
	os_set_errstr("%s", "");
	int rc = p9_srv_start(&server.p9, service, 1);
	if (rc < 0)
		return sip_refused(s, rc, "-ctl %s", where);
	rc = address ? 0 : os_mount(service, mount, OS_MAFTER, "",
		(unsigned)s->config.wait_ms);
	if (rc < 0) {
		sip_refused(s, rc, "-ctl %s: mount on %s", where, mount);
		pass_ctl_end();
	}
	return rc;
}

void
pass_ctl_end(void)
{
	if (!server.p9.state)
		return;
	p9_srv_stop(&server.p9);
	p9_srv_wait(&server.p9);
}
