/*
 * What a map of /dev/mem reaches: the registers that were asked for and nothing behind them,
 * however long a map is asked for; never RAM, never the interrupt controllers.  Needs a function
 * with an MSI-X table (QEMU's qemu-xhci).
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "driver.h"

#define LONG_MAP	(64ul << 20)
#define LAPIC		0xfee00000ul
#define RAM		0x200000ul

/* The address of the BAR that holds some function's MSI-X table; 0 if there is none. */
static uint64_t
find_bar(void)
{
	char addr[16];
	const char *text = find_function("msixtable ", addr);
	uint64_t base;

	if (text == NULL)
		return 0;
	base = bar_of(text, (unsigned)strtoul(strstr(text, "msixtable ") + 10, NULL, 10));
	CHECK(base != 0);
	return base;
}

/* True if a read of the word ends the process that reads it. */
static int
out_of_reach(const volatile uint32_t *word)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		int fd = open("/dev/mem", O_RDWR);

		/* A child has no device's registers: it maps them anew. */
		CHECK(fd >= 0);
		CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, (off_t)LAPIC) == MAP_FAILED);
		_exit((int)(*word & 1));
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static volatile uint32_t *probe;

static void
on_fault(int sig)
{
	(void)sig;
	_exit(42);
}

int
main(void)
{
	uint64_t base = find_bar();
	int fd = open("/dev/mem", O_RDWR), status;
	uint8_t *p;
	pid_t pid;

	CHECK(fd >= 0 && base != 0 && base < LAPIC);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, (off_t)RAM) == MAP_FAILED);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, (off_t)LAPIC) == MAP_FAILED);
	p = mmap(NULL, LONG_MAP, PROT_READ, MAP_SHARED, fd, (off_t)base);
	if (p != MAP_FAILED) {
		CHECK(*(volatile uint32_t *)p != 0);	/* the controller's capabilities */
		CHECK(out_of_reach((volatile uint32_t *)p));
		if (LAPIC - base < LONG_MAP) {
			probe = (volatile uint32_t *)(p + (LAPIC - base));
			CHECK(signal(SIGSEGV, on_fault) != SIG_ERR);
			pid = fork();
			if (pid == 0) {
				p = mmap(NULL, LONG_MAP, PROT_READ, MAP_SHARED, fd, (off_t)base);
				CHECK(p != MAP_FAILED);
				probe = (volatile uint32_t *)(p + (LAPIC - base));
				_exit((int)(probe[8] & 1));
			}
			CHECK(waitpid(pid, &status, 0) == pid);
			CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
		}
	}
	return all_right("grants");
}
