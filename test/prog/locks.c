/*
 * locks: include/os_lock.h as it is on Lux9.  Threads that run at once count under a lock, and some
 * hold it for so long that the others fall asleep; then one waits for a lock that is taken.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <os_lock.h>

enum { THREADS = 4, ROUNDS = 20000, LONG = 16 };

static struct os_lock lock;
static unsigned n, both;
static bool inside;

static void
pause_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000l }, NULL);
}

static void *
count(void *arg)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		os_lock_take(&lock);
		both += inside;
		inside = true;
		n++;
		if (i % (ROUNDS / LONG) == 0)
			pause_ms(1);
		inside = false;
		os_lock_give(&lock);
	}
	return arg;
}

static void *
take_once(void *arg)
{
	os_lock_take(&lock);
	n++;
	os_lock_give(&lock);
	return arg;
}

/* How often it was taken while it was held: 0. */
static unsigned
waits(void)
{
	unsigned early;
	pthread_t t;

	n = 0;
	os_lock_take(&lock);
	if (pthread_create(&t, NULL, take_once, NULL))
		return 1;
	while (atomic_load(&lock.state) != 2)
		pause_ms(1);
	pause_ms(20);
	early = n;
	os_lock_give(&lock);
	pthread_join(t, NULL);
	return early + (n != 1);
}

int
main(void)
{
	pthread_t t[THREADS];
	unsigned early;

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, count, NULL)) {
			perror("locks: thread");
			return 1;
		}
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	if (n != THREADS * ROUNDS || both || atomic_load(&lock.state)) {
		printf("locks: %u counted, %u times by two\n", n, both);
		return 1;
	}
	early = waits();
	if (early) {
		printf("locks: taken while it was held\n");
		return 1;
	}
	printf("locks: one at a time\n");
	return 0;
}
