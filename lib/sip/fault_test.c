/* Faults on demand: commands, counting, and what each kind does to a server. */
#include "fault.c"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

static unsigned started, wronged, wild;
static bool wild_taken;

static void
start(void *where, void *request)
{
	assert_ptr_equal(where, &started);
	assert_ptr_equal(request, &wild);
	started++;
}

static void
wrong(void *, void *)
{
	wronged++;
}

static bool
wild_dma(void *, void *)
{
	wild++;
	return wild_taken;
}

const struct sip_faults sip_driver_faults = {
	.start = start, .wrong = wrong, .wild_dma = wild_dma,
};

static struct sip_server s = { .log_fd = -1, .health_fd = -1 };

static int
setup(void **)
{
	static const struct sip_type type = { .name = "test" };
	started = wronged = wild = 0;
	waiting = 0;
	return sip_init(&s, &type);
}

static bool
request(void)
{
	return sip_fault(&s, &started, &wild);
}

static void
words(void **)
{
	static const char *const unknown[] = { "", "rescan", "faults crash", "crash" };
	static const char *const bad[] = {
		"fault", "fault dance", "fault storm", "fault crash 3", "fault crash #0",
		"fault crash #", "fault crash #-1", "fault crash #x", "fault crash #1 #2",
		"fault crash #1000000001",
	};
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
		assert_int_equal(-ENOENT, sip_fault_command(&s, unknown[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(-EINVAL, sip_fault_command(&s, bad[i]));
	assert_int_equal(0, waiting);
	assert_false(request());
}

static void
the_nth(void **)
{
	assert_int_equal(0, sip_fault_command(&s, "fault wrong #3"));
	assert_false(request());
	assert_false(request());
	assert_true(request());
	assert_int_equal(1, wronged);
	assert_false(request());
	assert_int_equal(0, sip_fault_command(&s, "fault wrong"));
	assert_true(request());
	assert_int_equal(2, wronged);
	assert_int_equal(0, started);
}

static void
hang_and_deaf(void **)
{
	assert_int_equal(0, sip_fault_command(&s, "fault hang"));
	assert_true(request());			/* forgotten: nobody starts it */
	assert_int_equal(0, started);
	s.health_fd = 5;
	assert_int_equal(0, sip_fault_command(&s, "fault deaf"));
	assert_true(request());
	assert_int_equal(1, started);
	assert_int_equal(-1, s.health_fd);
}

static void
drivers_own(void **)
{
	assert_int_equal(0, sip_fault_command(&s, "fault wilddma"));
	wild_taken = false;
	assert_false(request());		/* could not: it is done as usual */
	assert_int_equal(0, sip_fault_command(&s, "fault wilddma"));
	wild_taken = true;
	assert_true(request());
	assert_int_equal(2, wild);
}

static unsigned waits;
static int waited;		/* what irq_wait gives */
static bool lost_meanwhile;	/* the fault comes while it waits */

static int
irq_wait(struct sip_dev *, int fd, uint64_t *count, uint64_t *ns)
{
	assert_int_equal(7, fd);
	waits++;
	*count = *ns = 1;
	if (lost_meanwhile)
		losing = true;
	return waited;
}

static void
lost_interrupts(void **)
{
	static const struct sip_bus bus = { .irq_wait = irq_wait };
	struct sip_dev d = { .bus = &bus };
	uint64_t count, ns;
	waits = 0;
	assert_int_equal(0, sip_irq_wait(&d, 7, &count, &ns));
	waited = -EIO;
	assert_int_equal(-EIO, sip_irq_wait(&d, 7, &count, &ns));
	waited = 0;
	lost_meanwhile = true;
	assert_int_equal(-EINTR, sip_irq_wait(&d, 7, &count, &ns));
	assert_int_equal(3, waits);
	lost_meanwhile = false;
	losing = false;
	assert_int_equal(0, sip_fault_command(&s, "fault lostirq #2"));
	assert_false(request());
	assert_int_equal(0, sip_irq_wait(&d, 7, &count, &ns));
	assert_true(request());
	assert_int_equal(1, started);		/* the request itself is done as usual */
	assert_int_equal(-EINTR, sip_irq_wait(&d, 7, &count, &ns));
	assert_int_equal(4, waits);		/* nobody waits for what would be let through */
	assert_int_equal(0, sip_fault_command(&s, "fault irqback"));
	assert_true(request());
	assert_int_equal(0, sip_irq_wait(&d, 7, &count, &ns));
	assert_int_equal(5, waits);
}

/* The status of a process that does it. */
static int
end_of(const char *command)
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		close(2);
		sip_fault_command(&s, command);
		request();
		_exit(started == 1 ? 77 : 78);
	}
	assert_int_equal(pid, waitpid(pid, &status, 0));
	return status;
}

static bool
by_fault(int status)
{
	return WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
}

static void
deaths(void **)
{
	assert_true(by_fault(end_of("fault crash")));
	assert_true(by_fault(end_of("fault wildptr")));
	int status = end_of("fault exit");
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	status = end_of("fault deaf #2");	/* not yet */
	assert_int_equal(78, WEXITSTATUS(status));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(words, setup), cmocka_unit_test_setup(the_nth, setup),
		cmocka_unit_test_setup(hang_and_deaf, setup),
		cmocka_unit_test_setup(lost_interrupts, setup),
		cmocka_unit_test_setup(drivers_own, setup), cmocka_unit_test_setup(deaths, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
