/* passfs: serves a directory as it is, with faults on demand.  See man/4/passfs. */
#include "pass.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct pass pass;
static const char *dir, *ctl, *ctl_mount = "/dev/pass";

/* Each file that a client knows is a descriptor; where there is no more, opening fails. */
static void
allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int
initialize(struct sip_server *s)
{
	if (!dir)
		return sip_fail(s, -EINVAL, "needs -dir");
	allow_descriptors();
	umask(0);
	s->priv = &pass;
	int rc = pass_init(&pass, dir);
	return rc < 0 ? sip_refused(s, rc, "%s", dir) : 0;
}

static int
start(struct sip_server *s)
{
	return ctl ? pass_ctl_start(s, &pass, ctl, ctl_mount) : 0;
}

static void
stop(struct sip_server *s)
{
	(void)s;
	pass_ctl_end();
	pass_end(&pass);
}

static const struct sip_option options[] = {
	{ "dir", "DIR", "the directory to serve", SIP_OPT_STRING, &dir },
	{ "ctl", "NAME", "serve NAMEctl and NAMEstats, or ctl and stats at an address",
	  SIP_OPT_STRING, &ctl },
	{ "ctlmount", "PATH", "where NAMEctl appears (/dev/pass)", SIP_OPT_STRING, &ctl_mount },
	{ 0 },
};

static const struct sip_server_ops server_ops = {
	.initialize = initialize, .start = start, .stop = stop,
};
static const struct sip_fs_ops fs_ops = { 0 };

int
main(int argc, char **argv)
{
	static const struct sip_type type = {
		.name = "passfs", .about = "A directory as it is, with faults on demand.",
		.server = &server_ops, .fs = &fs_ops, .p9 = &pass_ops, .options = options,
		.nthreads = PASS_THREADS,
	};
	return sip_main(argc, argv, &type);
}
