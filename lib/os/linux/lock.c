/*
 * os_lock.h on Linux: waits by futex(2).
 */
#include <errno.h>
#include <linux/futex.h>
#include <os_lock.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* It is left as 2, since others may wait too. */
void
os_lock_wait(struct os_lock *l)
{
	int error = errno;

	while (atomic_exchange_explicit(&l->state, 2, memory_order_acquire))
		syscall(SYS_futex, &l->state, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
	errno = error;
}

/* The lock may be gone by now; then the word's address wakes nobody, or one who looks again. */
void
os_lock_wake(struct os_lock *l)
{
	int error = errno;

	syscall(SYS_futex, &l->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	errno = error;
}
