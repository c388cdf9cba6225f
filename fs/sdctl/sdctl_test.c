/*
 * Who is found in a name space, what is made of answers; and real servers that are asked: one that
 * answers, one that refuses, one without the file, one that has gone, and one that hangs.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "sdctl.h"

enum { TEXT = 4096, START_MS = 10000, PATIENCE_MS = 1500 };

static void
found(void **state)
{
	static struct sdctl_member m[SDCTL_MEMBERS];
	static const char text[] = "bind '#root' /\n"
				   "mount -b /srv/sdctlfs /dev/sd\n"
				   "mount -a /srv/ahci /dev/sd\n"
				   "mount -ac /srv/nvme /dev/sd # dead\n"
				   "mount /srv/other /dev/sdx\n"
				   "mount /srv/deep /dev/sd/sdC0\n"
				   "bind -a /n/disks /dev/sd\n"
				   "mount -a /srv/ahci /dev/sd\n"
				   "mount\nmount -a\nmount /srv/x\n\n"
				   "mount /srv/last /dev/sd";

	(void)state;
	assert_int_equal(sdctl_members(text, "/dev/sd", "/srv/sdctlfs", m, SDCTL_MEMBERS), 3);
	assert_string_equal(m[0].service, "/srv/ahci");
	assert_string_equal(m[1].service, "/srv/nvme");
	assert_string_equal(m[2].service, "/srv/last");
	assert_int_equal(sdctl_members(text, "/dev/sd", "/srv/sdctlfs", m, 2), 2);
	assert_int_equal(sdctl_members("", "/dev/sd", "/srv/sdctlfs", m, 2), 0);
}

/* Names and lines that are too long are nobody's. */
static void
long_names(void **state)
{
	static struct sdctl_member m[SDCTL_MEMBERS];
	char name[2 * TEXT], text[3 * TEXT];

	(void)state;
	memset(name, 'x', sizeof name);
	name[SDCTL_NAME_MAX] = '\0';
	snprintf(text, sizeof text, "mount %s /dev/sd\nmount /srv/a /dev/sd\n", name);
	assert_int_equal(sdctl_members(text, "/dev/sd", "", m, SDCTL_MEMBERS), 1);
	assert_string_equal(m[0].service, "/srv/a");
	name[SDCTL_NAME_MAX] = 'x';
	name[sizeof name - 1] = '\0';
	snprintf(text, sizeof text, "mount %s /dev/sd\nmount /srv/a /dev/sd\n", name);
	assert_int_equal(sdctl_members(text, "/dev/sd", "", m, SDCTL_MEMBERS), 1);
}

static void
answers(struct sdctl_member *m, const char *service, int err, const char *text)
{
	memset(m, 0, sizeof *m);
	snprintf(m->service, sizeof m->service, "%s", service);
	m->err = err;
	snprintf(err ? m->why : m->answer, err ? sizeof m->why : sizeof m->answer, "%s", text);
	m->length = err ? 0 : strlen(text);
}

static void
texts(void **state)
{
	static struct sdctl_member m[4];
	char buf[TEXT];
	size_t length;

	(void)state;
	answers(&m[0], "/srv/ahci", 0, "sdC0 'a' 1\nsdC1 'b' 2");
	answers(&m[1], "/srv/nvme", -ETIMEDOUT, "no answer");
	answers(&m[2], "/srv/none", -ENOENT, "no such file");
	answers(&m[3], "/srv/ide", 0, "sdD0 'c' 3\n");
	length = sdctl_lines(m, 4, buf, sizeof buf);
	assert_int_equal(length, strlen(buf));
	assert_string_equal(buf, "sdC0 'a' 1\nsdC1 'b' 2\n# nvme: no answer\nsdD0 'c' 3\n");
	/* A list that has no room is not cut, but named. */
	assert_int_equal(sdctl_lines(m + 3, 1, buf, 11), 0);
	assert_int_equal(sdctl_lines(m + 3, 1, buf, 12), 11);
	for (size_t n = 1; n < 60; n++) {
		length = sdctl_lines(m, 4, buf, n);
		assert_true(length < n && strlen(buf) == length);
	}
	assert_int_equal(sdctl_result(m, 4, "rescan"), -ETIMEDOUT);
	os_errstr(buf, sizeof buf);
	assert_string_equal(buf, "rescan: nvme: no answer");
	answers(&m[0], "/srv/ahci", -EIO, "bad");
	assert_int_equal(sdctl_result(m, 4, "rescan"), -EIO);
	os_errstr(buf, sizeof buf);
	assert_string_equal(buf, "rescan: ahci: bad, nvme: no answer");
	assert_int_equal(sdctl_result(m + 2, 2, "rescan"), 0);
	assert_int_equal(sdctl_check("rescan"), 0);
	assert_int_equal(sdctl_check("rescan me"), -EINVAL);
	assert_int_equal(sdctl_check("fault crash #3"), -EINVAL);
	os_errstr(buf, sizeof buf);
	assert_non_null(strstr(buf, "one driver's"));
}

/* --- servers --------------------------------------------------------------------------------- */

static int
say(struct sip_server *s, char *buf, size_t n)
{
	return snprintf(buf, n, "%s 'model' 512\n", s->config.name);
}

static int
obey(struct sip_server *s, char *text)
{
	if (strcmp(s->config.name, "bad") == 0) {
		os_set_errstr("not now");
		return -EBUSY;
	}
	return strcmp(text, "rescan") == 0 ? 0 : -EINVAL;
}

static int
fail_to_say(struct sip_server *s, char *buf, size_t n)
{
	(void)s, (void)buf, (void)n;
	os_set_errstr("no words");
	return -EPERM;
}

static const struct sip_file good_files[] = { { .name = "sdctl", .text = say, .command = obey },
					      { 0 } };
static const struct sip_file bad_files[] = {
	{ .name = "sdctl", .text = fail_to_say, .command = obey }, { 0 }
};
static const struct sip_file no_files[] = { { .name = "other", .text = say }, { 0 } };

static char folder[] = "/tmp/sdctl"
		       "XX"
		       "XX"
		       "XX";

static int
serve(const char *name, const struct sip_file *files)
{
	const struct sip_type type = {
		.name = name, .p9 = &sip_tree_ops, .files = files, .nthreads = 1
	};
	char listen_at[128];
	char *argv[] = { (char *)name, "-listen", listen_at, NULL };
	int pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* when a test fails */
	snprintf(listen_at, sizeof listen_at, "unix!%s/%s", folder, name);
	_exit(sip_main(3, argv, &type));
}

static void
await(const char *name)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	for (unsigned ms = 0; ms < START_MS && access(path, F_OK) < 0; ms++)
		os_sleep_ns(1000000);
	assert_int_equal(access(path, F_OK), 0);
}

/* Takes connections, and nothing more. */
static int
hang(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/hung", folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void
write_ns(const char *path)
{
	static const char *const names[] = { "good", "bad", "none", "gone", "hung", "more" };
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		fprintf(f, "mount -a unix!%s/%s /dev/sd\n", folder, names[i]);
	fclose(f);
}

static const struct sdctl_member *
member(const struct sdctl_member *m, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(strrchr(m[i].service, '/') + 1, name) == 0)
			return &m[i];
	fail_msg("no %s", name);
	return NULL;
}

static void
asked(void **state)
{
	char ns[128], command[] = "rescan";
	struct sdctl c = { ns, "/dev/sd", "unix!own", PATIENCE_MS };
	struct sdctl_member *m;
	int pid[4], fd, n;
	uint64_t began;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(ns, sizeof ns, "%s/ns", folder);
	write_ns(ns);
	pid[0] = serve("good", good_files);
	pid[1] = serve("bad", bad_files);
	pid[2] = serve("none", no_files);
	pid[3] = serve("more", good_files);
	fd = hang();
	await("good"), await("bad"), await("none"), await("more");
	for (unsigned round = 0; round < 3; round++) {
		const char *what = round == 1 ? command : NULL;

		n = sdctl_find(&c, &m);
		assert_int_equal(n, 6);
		began = os_time_ns();
		sdctl_ask(&c, m, 6, what);
		assert_true(os_time_ns() - began >= PATIENCE_MS * 1000000ull);
		assert_int_equal(member(m, n, "good")->err, 0);
		assert_string_equal(member(m, n, "good")->answer, what ? "" : "good 'model' 512\n");
		assert_string_equal(member(m, n, "more")->answer, what ? "" : "more 'model' 512\n");
		assert_int_equal(member(m, n, "bad")->err, what ? -EBUSY : -EPERM);
		/* 9P2000.L has no texts. */
		assert_string_equal(member(m, n, "bad")->why, strerror(what ? EBUSY : EPERM));
		assert_int_equal(member(m, n, "none")->err, -ENOENT);
		assert_int_equal(member(m, n, "gone")->err, -ENOENT);
		assert_int_equal(member(m, n, "hung")->err, -ETIMEDOUT);
		assert_string_equal(member(m, n, "hung")->why, "no answer in 1500 ms");
		free(m);
	}
	for (unsigned i = 0; i < 4; i++) {
		kill(pid[i], SIGTERM);
		assert_int_equal(waitpid(pid[i], NULL, 0), pid[i]);
	}
	close(fd);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
	snprintf(ns, sizeof ns, "rm -rf %s", folder);
	assert_int_equal(system(ns), 0);
}

static void
no_name_space(void **state)
{
	struct sdctl c = { "/nowhere/ns", "/dev/sd", "own", PATIENCE_MS };
	struct sdctl_member *m;

	(void)state;
	assert_int_equal(sdctl_find(&c, &m), -ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found), cmocka_unit_test(long_names),    cmocka_unit_test(texts),
		cmocka_unit_test(asked), cmocka_unit_test(no_name_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
