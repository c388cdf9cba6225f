/* Signals: handlers, masks, faults, interrupted calls, the alternate stack. */
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static volatile sig_atomic_t count, last, on_alt;
static void *volatile fault_address;
static sigjmp_buf back;
static char alt[65536];

static void
note(int sig)
{
	count++;
	last = sig;
}

static void
fault(int sig, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	last = sig;
	fault_address = info->si_addr;
	on_alt = &here >= alt && &here < alt + sizeof(alt);
	siglongjmp(back, 1);
}

static void
handle(int sig, void (*f)(int), int flags)
{
	struct sigaction sa = { .sa_handler = f, .sa_flags = flags };

	CHECK(sigaction(sig, &sa, NULL) == 0);
}

static void
masks(void)
{
	sigset_t set, old, pending;

	handle(SIGUSR1, note, SA_RESTART);
	count = 0;
	CHECK(raise(SIGUSR1) == 0 && count == 1 && last == SIGUSR1);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
	CHECK(kill(getpid(), SIGUSR1) == 0 && count == 1);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 1);
	CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && count == 2);
	handle(SIGUSR1, SIG_IGN, 0);
	CHECK(raise(SIGUSR1) == 0 && count == 2);
}

static void
faults(void)
{
	struct sigaction sa = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack = { .ss_sp = alt, .ss_size = sizeof(alt) };
	char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile int zero = 0;

	CHECK(p != MAP_FAILED && sigaltstack(&stack, NULL) == 0);
	CHECK(sigaction(SIGSEGV, &sa, NULL) == 0 && sigaction(SIGFPE, &sa, NULL) == 0);
	CHECK(sigaction(SIGILL, &sa, NULL) == 0);
	for (int i = 0; i < 3; i++) {
		last = 0;
		if (sigsetjmp(back, 1) == 0)
			*(volatile char *)(p + 5) = 1;
		CHECK(last == SIGSEGV && fault_address == p + 5 && on_alt);
	}
	last = 0;
	if (sigsetjmp(back, 1) == 0)
		zero = 1000 / zero;
	CHECK(last == SIGFPE);
	last = 0;
	if (sigsetjmp(back, 1) == 0)
		__asm__ volatile("ud2");
	CHECK(last == SIGILL);
}

static void
interruption(void)
{
	/* Again and again: it may not be where it is to be interrupted yet. */
	struct itimerval every = { { .tv_sec = 1 }, { .tv_sec = 1 } }, off = { 0 };
	struct timespec t = { .tv_sec = 100 };
	sigset_t set, old;
	char c;
	int fd[2], before;

	handle(SIGALRM, note, 0);
	count = 0;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
	alarm(1);
	CHECK(sigsuspend(&old) == -1 && errno == EINTR && count == 1);
	CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
	CHECK(nanosleep(&t, &t) == -1 && errno == EINTR && count > 1);
	CHECK(t.tv_sec >= 50 && t.tv_sec < 100);
	CHECK(pipe(fd) == 0);
	before = count;
	CHECK(read(fd[0], &c, 1) == -1 && errno == EINTR && count > before);
	CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
	before = count;
	handle(SIGPIPE, note, 0);
	CHECK(close(fd[0]) == 0 && write(fd[1], "x", 1) == -1 && errno == EPIPE);
	CHECK(count > before && last == SIGPIPE && close(fd[1]) == 0);
}

static void
children(void)
{
	double x = 1.5;
	int status;
	pid_t pid;

	handle(SIGCHLD, note, SA_RESTART);
	count = 0;
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		signal(SIGTERM, SIG_DFL);
		for (;;)
			pause();
	}
	CHECK(kill(pid, 0) == 0 && kill(pid, SIGTERM) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	for (int i = 0; i < 3000 && count == 0; i++)
		usleep(10000);
	CHECK(count == 1 && last == SIGCHLD && x * 2 > 2.9 && x * 2 < 3.1);
	CHECK(kill(pid, 0) == -1 && errno == ESRCH);
	pid = fork();
	if (pid == 0)
		abort();
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	CHECK(WTERMSIG(status) == SIGABRT);
}

int
main(void)
{
	masks();
	faults();
	interruption();
	children();
	return all_right("posix_signals");
}
