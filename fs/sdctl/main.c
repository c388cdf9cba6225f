/* sdctlfs: one sdctl for all drivers of disks in a union.  See man/4/sdctlfs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "sdctl.h"

static struct sdctl sdctl = { .ns = "/proc/self/ns", .place = "/dev/sd", .wait_ms = SDCTL_WAIT_MS };
static char own[SIP_PATH_MAX];

static int
initialize(struct sip_server *s)
{
	if (sdctl.wait_ms < 1 || sdctl.wait_ms > 60000)
		return sip_fail(s, -EINVAL, "-patience: 1 to 60000");
	snprintf(own, sizeof own, "/srv/%s", s->config.name);
	sdctl.own = own;
	return 0;
}

/* Who did not answer, or not well, is named in the log, too. */
static void
log_failures(struct sip_server *s, const struct sdctl_member *m, int n)
{
	for (int i = 0; i < n; i++)
		if (m[i].err < 0 && m[i].err != -ENOENT)
			sip_log(s, "%s: %s", m[i].service, m[i].why);
}

static int
text(struct sip_server *s, char *buf, size_t size)
{
	struct sdctl_member *m = NULL;
	int n = sdctl_find(&sdctl, &m);

	if (n < 0)
		return n;
	sdctl_ask(&sdctl, m, (unsigned)n, NULL);
	log_failures(s, m, n);
	n = (int)sdctl_lines(m, (unsigned)n, buf, size);
	free(m);
	return n;
}

static int
command(struct sip_server *s, char *word)
{
	struct sdctl_member *m = NULL;
	int err = sdctl_check(word), n;

	if (err < 0)
		return err;
	n = sdctl_find(&sdctl, &m);
	if (n < 0)
		return n;
	sdctl_ask(&sdctl, m, (unsigned)n, word);
	log_failures(s, m, n);
	err = sdctl_result(m, (unsigned)n, word);
	free(m);
	return err;
}

static const struct sip_option options[] = {
	{ "of", "PATH", "the union of drivers (/dev/sd)", SIP_OPT_STRING, &sdctl.place },
	{ "ns", "FILE", "the text of the name space it is in (/proc/self/ns)", SIP_OPT_STRING,
	  &sdctl.ns },
	{ "patience", "MS", "how long a driver may take to answer (3000)", SIP_OPT_NUMBER,
	  &sdctl.wait_ms },
	{ 0 },
};

static const struct sip_file files[] = {
	{ .name = "sdctl", .text = text, .command = command },
	{ 0 },
};

static const struct sip_server_ops server_ops = { .initialize = initialize };
static const struct sip_fs_ops fs_ops = { 0 };

int
main(int argc, char **argv)
{
	static const struct sip_type type = {
		.name = "sdctlfs",
		.about = "One sdctl for all drivers of disks.",
		.mount = "/dev/sd",
		.before = true,
		.server = &server_ops,
		.fs = &fs_ops,
		.p9 = &sip_tree_ops,
		.files = files,
		.options = options,
		.nthreads = 4,
	};
	return sip_main(argc, argv, &type);
}
