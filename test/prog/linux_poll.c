/* Checks poll and select, and what a program asks of its terminal. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include "linux_test.h"

static void
polling(void)
{
	struct pollfd p[3];
	int fd[2];
	char c;

	NEED(pipe(fd) == 0);
	p[0] = (struct pollfd){ fd[0], POLLIN, 0 };
	p[1] = (struct pollfd){ fd[1], POLLOUT, 0 };
	p[2] = (struct pollfd){ -1, POLLIN, 99 };
	CHECK(poll(p, 1, 0) == 0);
	CHECK(poll(p, 1, 30) == 0);
	CHECK(poll(p, 3, -1) == 1 && p[1].revents == POLLOUT && p[0].revents == 0);
	CHECK(p[2].revents == 0);
	CHECK(write(fd[1], "x", 1) == 1);
	CHECK(poll(p, 2, 1000) == 2 && p[0].revents == POLLIN);
	CHECK(read(fd[0], &c, 1) == 1);
	if (fork() == 0) {
		usleep(30000);
		_exit(write(fd[1], "y", 1) != 1);
	}
	CHECK(poll(p, 1, 60000) == 1 && p[0].revents == POLLIN && read(fd[0], &c, 1) == 1);
	wait(NULL);
	close(fd[1]);
	CHECK(poll(p, 1, 1000) == 1 && (p[0].revents & POLLHUP));
	close(fd[0]);
	CHECK(poll(p, 1, 1000) == 1 && p[0].revents == POLLNVAL);
}

static void
selecting(void)
{
	struct timeval tv = { 0, 30000 };
	fd_set in, out;
	int fd[2];

	NEED(pipe(fd) == 0);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(fd[0], &in);
	CHECK(select(fd[1] + 1, &in, NULL, NULL, &tv) == 0 && !FD_ISSET(fd[0], &in));
	FD_SET(fd[0], &in);
	FD_SET(fd[1], &out);
	CHECK(select(fd[1] + 1, &in, &out, NULL, NULL) == 1);
	CHECK(!FD_ISSET(fd[0], &in) && FD_ISSET(fd[1], &out));
	CHECK(write(fd[1], "x", 1) == 1);
	FD_SET(fd[0], &in);
	CHECK(select(fd[1] + 1, &in, NULL, NULL, NULL) == 1 && FD_ISSET(fd[0], &in));
	close(fd[0]);
	close(fd[1]);
	FD_SET(fd[0], &in);
	CHECK_ERR(select(fd[1] + 1, &in, NULL, NULL, NULL), EBADF);
	CHECK(select(0, NULL, NULL, NULL, &(struct timeval){ 0, 1000 }) == 0);
}

static volatile int count;

static void
on(int sig)
{
	(void)sig;
	count++;
}

static void
with_signals(void)
{
	struct timespec ts = { 60, 0 };
	pid_t pid;
	struct pollfd p = { -1, 0, 0 };
	sigset_t set, none;

	signal(SIGUSR1, on);
	count = 0;
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	CHECK(poll(&p, 1, 10) == 0 && count == 0);
	CHECK_ERR(ppoll(&p, 1, &ts, &none), EINTR);
	CHECK(count == 1);
	raise(SIGUSR1);
	CHECK_ERR(pselect(0, NULL, NULL, NULL, &ts, &none), EINTR);
	CHECK(count == 2);
	raise(SIGUSR1);
	CHECK(count == 2);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	CHECK(count == 3);
	pid = fork();
	if (pid == 0)
		for (;;) { /* again and again: it may not be in poll yet */
			usleep(30000);
			kill(getppid(), SIGUSR1);
		}
	CHECK_ERR(poll(&p, 1, 60000), EINTR);
	CHECK(count >= 4);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	signal(SIGUSR1, SIG_DFL);
}

static void
terminal(void)
{
	struct winsize ws;
	struct termios t;
	int file = open("linux_poll.tmp", O_RDWR | O_CREAT, 0600);
	int fd = open("/dev/tty", O_RDWR);

	CHECK_ERR(ioctl(file, TIOCGWINSZ, &ws), ENOTTY);
	CHECK(!isatty(file));
	CHECK_ERR(tcgetattr(99, &t), EBADF);
	close(file);
	unlink("linux_poll.tmp");
	if (fd < 0)
		return;
	CHECK(isatty(fd) && tcgetattr(fd, &t) == 0 && ioctl(fd, TIOCGWINSZ, &ws) == 0);
	CHECK((t.c_lflag & ICANON) && (t.c_lflag & ECHO));
	cfmakeraw(&t);
	CHECK(tcsetattr(fd, TCSANOW, &t) == 0 && tcgetattr(fd, &t) == 0 && !(t.c_lflag & ICANON));
	t.c_lflag |= ICANON | ECHO | ISIG;
	t.c_oflag |= OPOST;
	t.c_iflag |= ICRNL;
	CHECK(tcsetattr(fd, TCSANOW, &t) == 0 && tcgetattr(fd, &t) == 0 && (t.c_lflag & ICANON));
	close(fd);
}

int
main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(polling), TEST(selecting), TEST(with_signals), TEST(terminal),
	};

	RUN_TESTS(tests);
}
