/* Checks signals. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

#include "linux_test.h"

static volatile sig_atomic_t count, last;
static siginfo_t info;

static void
on(int sig)
{
	count++;
	last = sig;
}

static void
on_info(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	on(sig);
	info = *si;
}

static void
handle(int sig, void (*f)(int), int flags)
{
	struct sigaction sa = { .sa_handler = f, .sa_flags = flags };

	sigaction(sig, &sa, NULL);
}

static void
handle_info(int sig, void (*f)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = f, .sa_flags = flags | SA_SIGINFO };

	sigaction(sig, &sa, NULL);
}

static void
to_itself(void)
{
	struct sigaction old;

	count = 0;
	handle_info(SIGUSR1, on_info, 0);
	CHECK(raise(SIGUSR1) == 0 && count == 1 && last == SIGUSR1);
	CHECK(info.si_signo == SIGUSR1 && info.si_pid == getpid());
	CHECK(kill(getpid(), SIGUSR1) == 0 && count == 2 && info.si_code == SI_USER);
	CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 77 }) == 0 && count == 3);
	CHECK(info.si_code == SI_QUEUE && info.si_value.sival_int == 77);
	CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_sigaction == on_info);
	signal(SIGUSR1, SIG_IGN);
	CHECK(raise(SIGUSR1) == 0 && count == 3);
	handle(SIGUSR1, on, SA_RESETHAND);
	CHECK(raise(SIGUSR1) == 0 && count == 4);
	CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
	CHECK_ERR(kill(getpid(), 100), EINVAL);
	CHECK_ERR(sigaction(SIGKILL, &old, NULL), EINVAL);
}

static void
masks(void)
{
	sigset_t set, old, pending;
	struct timespec ts = { 0, 10000000 };
	siginfo_t si;

	count = 0;
	handle(SIGUSR1, on, 0);
	handle(SIGUSR2, on, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
	raise(SIGUSR1);
	CHECK(count == 0 && sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
	CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && count == 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	CHECK_ERR(sigsuspend(&old), EINTR);
	CHECK(count == 2);
	raise(SIGUSR1);
	CHECK(sigwaitinfo(&set, &si) == SIGUSR1 && si.si_signo == SIGUSR1 && count == 2);
	CHECK_ERR(sigtimedwait(&set, &si, &ts), EAGAIN);
	if (fork() == 0) {
		usleep(20000);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	CHECK(sigwaitinfo(&set, &si) == SIGUSR1 && si.si_pid > 0);
	wait(NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	CHECK(count == 2);
}

static void
on_nested(int sig)
{
	count = count * 10 + (sig == SIGUSR1 ? 1 : 2);
	if (sig == SIGUSR1)
		raise(SIGUSR2);
	count = count * 10 + (sig == SIGUSR1 ? 1 : 2);
}

static void
nesting(void)
{
	struct sigaction sa = { .sa_handler = on_nested };

	count = 0;
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR1);
	CHECK(count == 1221);
	count = 0;
	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	CHECK(count == 1122);
}

/*
 * A child that signals its parent again and again: the parent may not yet be where it is to be
 * interrupted.  After `times` (0: never) it writes a byte to fd instead.
 */
static pid_t
disturb(int sig, int times, int fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 1; times == 0 || i <= times; i++) {
			usleep(30000);
			kill(getppid(), sig);
		}
		usleep(30000);
		_exit(write(fd, "x", 1) != 1);
	}
	return pid;
}

/* Ends it; its last signal may come only now. */
static bool
ends(pid_t pid)
{
	pid_t ended = kill(pid, SIGKILL);

	while (ended != pid && (ended == 0 || errno == EINTR))
		ended = waitpid(pid, NULL, 0);
	return ended == pid;
}

static void
interruption(void)
{
	struct timespec ts = { 100, 0 }, left = { 0 };
	int fd[2], status, before;
	char c = 0;
	pid_t pid;

	NEED(pipe(fd) == 0);
	signal(SIGCHLD, SIG_DFL);
	count = 0;
	handle(SIGUSR1, on, 0);
	pid = disturb(SIGUSR1, 0, -1);
	CHECK_ERR((int)read(fd[0], &c, 1), EINTR);
	CHECK(ends(pid) && count > 0);
	handle(SIGUSR1, on, SA_RESTART);
	before = count;
	disturb(SIGUSR1, 3, fd[1]);
	CHECK(read(fd[0], &c, 1) == 1 && c == 'x' && count > before);
	CHECK(wait(&status) > 0 && status == 0);
	before = count;
	pid = disturb(SIGUSR1, 0, -1);
	CHECK_ERR(nanosleep(&ts, &left), EINTR);
	CHECK(ends(pid) && count > before && left.tv_sec >= 50 && left.tv_sec < 100);
	/* A child's end, ignored, interrupts nothing. */
	if (fork() == 0)
		_exit(0);
	ts = (struct timespec){ 0, 60000000 };
	CHECK(nanosleep(&ts, NULL) == 0);
	wait(&status);
	close(fd[0]);
	close(fd[1]);
}

static void
children(void)
{
	int status;

	count = 0;
	handle_info(SIGCHLD, on_info, SA_RESTART);
	if (fork() == 0)
		_exit(5);
	CHECK(wait(&status) > 0 && WEXITSTATUS(status) == 5);
	for (int i = 0; i < 10000 && count == 0; i++)
		usleep(1000);
	CHECK(count == 1 && last == SIGCHLD);
	signal(SIGCHLD, SIG_DFL);
}

static void
broken_pipe(void)
{
	int fd[2], status;

	NEED(pipe(fd) == 0);
	close(fd[0]);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERR((int)write(fd[1], "x", 1), EPIPE);
	count = 0;
	handle(SIGPIPE, on, 0);
	CHECK_ERR((int)write(fd[1], "x", 1), EPIPE);
	CHECK(count == 1);
	signal(SIGPIPE, SIG_DFL);
	fflush(stdout);
	if (fork() == 0)
		_exit(write(fd[1], "x", 1) == 1);
	CHECK(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
	close(fd[1]);
}

static sigjmp_buf jump;
static void *volatile fault_address;
static char alt[65536];
static volatile int on_alt;

static void
on_fault(int sig, siginfo_t *si, void *uc)
{
	char here;

	(void)uc;
	count++;
	last = sig;
	fault_address = si->si_addr;
	on_alt = &here > alt && &here < alt + sizeof(alt);
	siglongjmp(jump, 1);
}

static void
faults(void)
{
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) }, old;
	char *volatile p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *volatile low = (char *)8;
	volatile int zero = 0;

	count = 0;
	handle_info(SIGSEGV, on_fault, 0);
	handle_info(SIGFPE, on_fault, SA_ONSTACK);
	handle_info(SIGILL, on_fault, 0);
	CHECK(sigaltstack(&ss, NULL) == 0 && sigaltstack(NULL, &old) == 0 && old.ss_sp == alt);
	if (sigsetjmp(jump, 1) == 0)
		*p = 1;
	CHECK(count == 1 && last == SIGSEGV && fault_address == p && !on_alt);
	if (sigsetjmp(jump, 1) == 0)
		*low = 1;
	CHECK(count == 2 && fault_address == low);
	if (sigsetjmp(jump, 1) == 0)
		zero = 10 / zero;
	CHECK(count == 3 && last == SIGFPE && on_alt);
	if (sigsetjmp(jump, 1) == 0)
		__asm__ volatile("ud2");
	CHECK(count == 4 && last == SIGILL);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGFPE, SIG_DFL);
	signal(SIGILL, SIG_DFL);
	ss.ss_flags = SS_DISABLE;
	CHECK(sigaltstack(&ss, NULL) == 0);
	munmap(p, 4096);
}

static void
on_skip(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;

	(void)si;
	last = sig;
	uc->uc_mcontext.gregs[REG_RIP] += 2;	/* past ud2 */
	uc->uc_mcontext.gregs[REG_RBX] = 42;
}

static void
contexts(void)
{
	long v;

	handle_info(SIGILL, on_skip, 0);
	__asm__ volatile("mov $7, %%rbx\n\tud2\n\tmov %%rbx, %0" : "=r"(v) :: "rbx");
	CHECK(v == 42 && last == SIGILL);
	signal(SIGILL, SIG_DFL);
}

static void
on_alarm(int sig)
{
	volatile double x = 1.5;

	for (int i = 0; i < 50; i++)
		x = x * 1.01 + i;
	/* All of the vector registers. */
	__asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm5, %%xmm5\n\tpxor %%xmm15, %%xmm15\n\t"
			 "xor %%r8d, %%r8d\n\tstc" ::: "xmm0", "xmm5", "xmm15", "r8", "cc");
	on(sig);
}

/* Signals at any instruction, in and out of calls, must disturb nothing. */
static void
storm(void)
{
	struct itimerval it = { { 0, 1000 }, { 0, 1000 } }, off = { 0 };
	double sum = 0;
	long calls = 0, wrong = 0;
	int fd = open("/dev/null", O_WRONLY);

	count = 0;
	handle(SIGALRM, on_alarm, SA_RESTART);
	NEED(setitimer(ITIMER_REAL, &it, NULL) == 0);
	for (long i = 0; count < 200 && i < 2000000000; i++) {
		double a = (double)(i % 100), b = a * 0.5;

		sum += a - 2 * b;
		if (i % 50 == 0) {
			calls++;
			wrong += write(fd, "xyz", 3) != 3;
		}
		wrong += a + b != a * 1.5;
	}
	CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
	CHECK(count >= 200 && sum == 0 && wrong == 0 && calls > 0);
	close(fd);
}

static void
alarms(void)
{
	struct itimerval it = { { 0, 0 }, { 0, 20000 } }, got;
	time_t before = time(NULL);
	sigset_t set, none;

	count = 0;
	handle(SIGALRM, on, 0);
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 1; i <= 20; i++) {
		it.it_value.tv_usec = i * 500;
		CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
		CHECK(getitimer(ITIMER_REAL, &got) == 0 && got.it_value.tv_usec <= 20000);
		CHECK_ERR(sigsuspend(&none), EINTR);
		CHECK(count == i);
	}
	CHECK(alarm(100) == 0);
	CHECK(alarm(1) >= 50);
	CHECK_ERR(sigsuspend(&none), EINTR);
	CHECK(count == 21);
	CHECK(time(NULL) - before <= 50);
	CHECK(alarm(0) == 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGALRM, SIG_DFL);
}

int
main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(to_itself), TEST(masks), TEST(nesting), TEST(interruption), TEST(children),
		TEST(broken_pipe), TEST(faults), TEST(contexts), TEST(alarms), TEST(storm),
	};

	RUN_TESTS(tests);
}
