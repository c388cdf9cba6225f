/* Processes: fork, exec, wait, pipes, what is inherited and what is not. */
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int
finish(pid_t pid)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
fork_copies(void)
{
	static int value = 1;
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *big = malloc(1 << 22);
	pid_t pid;

	CHECK(shared != MAP_FAILED && big);
	memset(big, 7, 1 << 22);
	pid = fork();
	if (pid == 0) {
		value = 2;
		*shared = 42;
		memset(big, 8, 1 << 22);
		_exit(getppid() > 0 && getpid() != getppid() ? 33 : 1);
	}
	CHECK(finish(pid) == 33 && value == 1 && *shared == 42);
	for (int i = 0; i < 1 << 22; i += 4096)
		CHECK(big[i] == 7);
	free(big);
}

static void
exec_replaces(char *self)
{
	char *argv[] = { self, "child", "a b", "", NULL };
	char *envp[] = { "ONE=1", NULL };
	int kept = open("/dev/null", O_RDONLY), closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
	char *none[] = { "/none/such", NULL };
	pid_t pid;

	CHECK(kept >= 0 && closed >= 0);
	CHECK(dup2(kept, 20) == 20 && fcntl(closed, F_DUPFD_CLOEXEC, 21) == 21);
	pid = fork();
	if (pid == 0) {
		execve(self, argv, envp);
		_exit(99);
	}
	CHECK(finish(pid) == 44);
	CHECK(execv(none[0], none) == -1 && errno == ENOENT);
	CHECK(execv("/", none) == -1 && (errno == EACCES || errno == EISDIR));
	CHECK(posix_spawn(&pid, self, NULL, NULL, argv, envp) == 0 && finish(pid) == 44);
}

static int
child(int argc, char **argv, char **envp)
{
	if (argc != 4 || strcmp(argv[2], "a b") != 0 || argv[3][0] || strcmp(envp[0], "ONE=1") != 0)
		return 1;
	return fcntl(20, F_GETFD) >= 0 && fcntl(21, F_GETFD) == -1 ? 44 : 2;
}

static void
pipes(void)
{
	static char buf[300000];
	size_t got = 0;
	ssize_t n;
	int fd[2];
	pid_t pid;

	CHECK(pipe(fd) == 0);
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		memset(buf, 'p', sizeof(buf));
		_exit(write(fd[1], buf, sizeof(buf)) == sizeof(buf) ? 5 : 1);
	}
	close(fd[1]);
	while ((n = read(fd[0], buf, 7001)) > 0)
		got += (size_t)n;
	CHECK(n == 0 && got == sizeof(buf) && finish(pid) == 5 && close(fd[0]) == 0);
}

static void
readiness(void)
{
	struct timeval tv = { .tv_usec = 20000 };
	struct pollfd p[2];
	fd_set set;
	int fd[2];
	char c;

	CHECK(pipe(fd) == 0);
	p[0] = (struct pollfd){ .fd = fd[0], .events = POLLIN };
	p[1] = (struct pollfd){ .fd = fd[1], .events = POLLOUT };
	CHECK(poll(p, 1, 20) == 0);
	CHECK(poll(p, 2, 1000) == 1 && p[1].revents == POLLOUT && p[0].revents == 0);
	FD_ZERO(&set);
	FD_SET(fd[0], &set);
	CHECK(select(fd[0] + 1, &set, NULL, NULL, &tv) == 0);
	CHECK(write(fd[1], "z", 1) == 1 && poll(p, 1, 1000) == 1 && p[0].revents == POLLIN);
	CHECK(read(fd[0], &c, 1) == 1 && c == 'z');
	CHECK(fcntl(fd[0], F_SETFL, O_NONBLOCK) == 0);
	CHECK(read(fd[0], &c, 1) == -1 && errno == EAGAIN);
	CHECK(close(fd[1]) == 0 && poll(p, 1, 1000) == 1 && (p[0].revents & POLLHUP));
	CHECK(read(fd[0], &c, 1) == 0 && close(fd[0]) == 0);
}

static void
many(void)
{
	pid_t pid[30];

	for (int i = 0; i < 30; i++) {
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i] == 0)
			_exit(i);
	}
	for (int i = 0; i < 30; i++)
		CHECK(finish(pid[i]) == i);
	CHECK(wait(NULL) == -1 && errno == ECHILD);
}

int
main(int argc, char **argv, char **envp)
{
	char self[256];

	if (argc > 1)
		return child(argc, argv, envp);
	snprintf(self, sizeof(self), "%s%s", strchr(argv[0], '/') ? "" : "/boot/bin/", argv[0]);
	fork_copies();
	exec_replaces(self);
	pipes();
	readiness();
	many();
	return all_right("posix_process");
}
