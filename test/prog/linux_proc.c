/* Checks the calls on processes; it runs itself as the programs that it starts. */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "linux_test.h"

extern char **environ;
static char self[4096];

static int
status_of(pid_t pid)
{
	int status = -1;

	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static void
ids(void)
{
	pid_t pid = getpid(), child;

	CHECK(pid > 0 && getppid() > 0 && gettid() == pid);
	CHECK(getuid() == geteuid() && getgid() == getegid());
	fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(getppid() != pid || getpid() == pid || gettid() != getpid());
	CHECK(status_of(child) == 0);
	child = fork();
	if (child == 0)
		_exit(setsid() != getpid() || getsid(0) != getpid() || getpgrp() != getpid());
	CHECK(status_of(child) == 0);
	child = fork();
	if (child == 0)
		_exit(setpgid(0, 0) != 0 || getpgid(0) != getpid());
	CHECK(status_of(child) == 0);
}

static void
waiting(void)
{
	struct rusage ru;
	siginfo_t info;
	pid_t a, b;
	int status, fd[2];
	char c;

	NEED(pipe(fd) == 0);
	CHECK_ERR(waitpid(-1, &status, 0), ECHILD);
	a = fork();
	if (a == 0)
		_exit(7);
	b = fork();
	if (b == 0) {
		_exit(read(fd[0], &c, 1) == 1 ? 9 : 1);
	}
	CHECK(waitpid(b, &status, WNOHANG) == 0);
	CHECK(write(fd[1], "x", 1) == 1 && close(fd[0]) == 0 && close(fd[1]) == 0);
	CHECK(wait4(b, &status, 0, &ru) == b && WIFEXITED(status) && WEXITSTATUS(status) == 9);
	CHECK(waitid(P_PID, (id_t)a, &info, WEXITED) == 0);
	CHECK(info.si_pid == a && info.si_status == 7 && info.si_code == CLD_EXITED);
	CHECK_ERR(waitpid(a, &status, 0), ECHILD);
	a = fork();
	if (a == 0)
		for (;;)
			pause();
	CHECK(kill(a, 0) == 0 && kill(a, SIGTERM) == 0);
	status = status_of(a);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	CHECK_ERR(kill(a, 0), ESRCH);
	a = fork();
	if (a == 0)
		for (;;)
			;
	CHECK(kill(a, SIGKILL) == 0);
	status = status_of(a);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	a = fork();
	if (a == 0)
		abort();
	status = status_of(a);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static int
run(char *const argv[], char *const envp[])
{
	pid_t pid = fork();

	if (pid == 0) {
		execve(argv[0], argv, envp);
		_exit(100 + errno);
	}
	return status_of(pid);
}

static void
programs(void)
{
	char *good[] = { self, "--args", "two words", "", "x", NULL };
	char *env[] = { "A=1", "LINUX_TEST=yes", NULL };
	char *none[] = { "/no/such/program", NULL };
	char *dir[] = { "/", NULL };
	char *text[] = { "./linux_proc.txt", NULL };
	int fd;

	CHECK(run(good, env) == 0);
	CHECK(WEXITSTATUS(run(none, env)) == 100 + ENOENT);
	CHECK(WEXITSTATUS(run(dir, env)) == 100 + EACCES);
	fd = open(text[0], O_CREAT | O_WRONLY | O_TRUNC, 0755);
	NEED(fd >= 0 && write(fd, "just text\n", 10) == 10);
	close(fd);
	CHECK(WEXITSTATUS(run(text, env)) == 100 + ENOEXEC);
	unlink(text[0]);
}

static void
scripts(void)
{
	char *argv[] = { "./linux_proc.script", "more", NULL };
	char *env[] = { NULL };
	int fd = open(argv[0], O_CREAT | O_WRONLY | O_TRUNC, 0755);

	NEED(fd >= 0);
	dprintf(fd, "#! %s  --script one\nnot read\n", self);
	close(fd);
	CHECK(run(argv, env) == 0);
	fd = open(argv[0], O_WRONLY | O_TRUNC);
	dprintf(fd, "#!/no/such/interpreter\n");
	close(fd);
	CHECK(WEXITSTATUS(run(argv, env)) == 100 + ENOENT);
	unlink(argv[0]);
}

static void
kept_by_exec(void)
{
	char *argv[] = { self, "--kept", NULL };
	int keep = open("/dev/null", O_RDONLY), drop = open("/dev/null", O_RDONLY | O_CLOEXEC);
	mode_t old = umask(035);
	char text[32];
	sigset_t set;

	NEED(dup2(keep, 40) == 40 && dup3(drop, 41, O_CLOEXEC) == 41);
	snprintf(text, sizeof(text), "%d", getpid());
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK(run(argv, environ) == 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGUSR1, SIG_DFL);
	umask(old);
	close(40);
	close(41);
	close(keep);
	close(drop);
}

static void
spawning(void)
{
	char *argv[] = { self, "--args", "two words", "", "x", NULL };
	char *env[] = { "LINUX_TEST=yes", NULL };
	char *none[] = { "/no/such/program", NULL };
	posix_spawn_file_actions_t actions;
	char buf[64] = "";
	int fd[2], r;
	pid_t pid;

	CHECK(posix_spawn(&pid, self, NULL, NULL, argv, env) == 0 && status_of(pid) == 0);
	r = posix_spawn(&pid, none[0], NULL, NULL, none, env);
	CHECK(r == ENOENT || (r == 0 && WEXITSTATUS(status_of(pid)) == 127));
	NEED(pipe(fd) == 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd[1], 1);
	argv[1] = "--print";
	CHECK(posix_spawn(&pid, self, &actions, NULL, argv, env) == 0);
	close(fd[1]);
	CHECK(read(fd[0], buf, sizeof(buf)) == 8 && strcmp(buf, "printed\n") == 0);
	CHECK(status_of(pid) == 0);
	close(fd[0]);
	posix_spawn_file_actions_destroy(&actions);
	pid = vfork();
	if (pid == 0) {
		execl(self, self, "--print-not", (char *)NULL);
		_exit(127);
	}
	CHECK(status_of(pid) == 0);
}

static void
many(void)
{
	pid_t pid[20];
	int sum = 0;

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 20; i++) {
			pid[i] = fork();
			if (pid[i] == 0)
				_exit(i);
		}
		for (int i = 0; i < 20; i++)
			sum += WEXITSTATUS(status_of(pid[i]));
	}
	CHECK(sum == 5 * 190);
}

static void
names(void)
{
	struct utsname u;
	struct rlimit l;
	char name[17] = "", exe[4096] = "";

	CHECK(uname(&u) == 0 && strcmp(u.machine, "x86_64") == 0 && *u.release);
	CHECK(getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur >= 256);
	CHECK(prctl(PR_SET_NAME, "a name that is too long") == 0);
	CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "a name that is ") == 0);
	CHECK(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0 && strcmp(exe, self) == 0);
	CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1 && sysconf(_SC_PAGESIZE) == 4096);
}

/* The programs. */
static int
be(int argc, char **argv)
{
	sigset_t set;

	if (strcmp(argv[1], "--args") == 0)
		return argc != 5 || strcmp(argv[2], "two words") || *argv[3] ||
		       strcmp(argv[4], "x") || !getenv("LINUX_TEST") || getenv("LUX9_LINUX_STATE");
	if (strcmp(argv[1], "--script one") == 0)
		return argc != 4 || strcmp(argv[2], "./linux_proc.script") ||
		       strcmp(argv[3], "more");
	if (strcmp(argv[1], "--print") == 0)
		return puts("printed") < 0;
	if (strcmp(argv[1], "--print-not") == 0)
		return 0;
	if (strcmp(argv[1], "--kept") != 0)
		return -1;
	sigprocmask(SIG_BLOCK, NULL, &set);
	return (fcntl(40, F_GETFD) != 0) | (fcntl(41, F_GETFD) != -1) << 1 |
	       (umask(0) != 035) << 2 | (signal(SIGUSR1, SIG_DFL) != SIG_IGN) << 3 |
	       (signal(SIGUSR2, SIG_DFL) != SIG_DFL) << 4 | (!sigismember(&set, SIGHUP)) << 5 |
	       (getenv("LUX9_LINUX_STATE") != NULL) << 6;
}

int
main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(ids), TEST(waiting), TEST(programs), TEST(scripts), TEST(kept_by_exec),
		TEST(spawning), TEST(many), TEST(names),
	};
	int r;

	if (argc > 1 && (r = be(argc, argv)) >= 0)
		return r;
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0) {
		perror("/proc/self/exe");
		return 1;
	}
	RUN_TESTS(tests);
}
