/* Threads: mutexes, conditions, thread-local storage, joining, many at once. */
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define NTHREADS	8
#define ROUNDS		20000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static long counter;
static int whose, once_count;
static _Thread_local long own;

static void
count_once(void)
{
	once_count++;
}

static void *
add(void *arg)
{
	pthread_once(&once, count_once);
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
		own++;
	}
	return (void *)(own == ROUNDS ? (intptr_t)arg : -1);
}

static void *
take_turns(void *arg)
{
	int me = (int)(intptr_t)arg;

	for (int i = 0; i < 300; i++) {
		pthread_mutex_lock(&lock);
		while (whose != me)
			pthread_cond_wait(&turn, &lock);
		whose = !me;
		pthread_cond_broadcast(&turn);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void *
sleepy(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void
counting(void)
{
	pthread_t t[NTHREADS];
	void *result;

	for (intptr_t i = 0; i < NTHREADS; i++)
		CHECK(pthread_create(&t[i], NULL, add, (void *)i) == 0);
	for (intptr_t i = 0; i < NTHREADS; i++)
		CHECK(pthread_join(t[i], &result) == 0 && (intptr_t)result == i);
	CHECK(counter == (long)NTHREADS * ROUNDS && once_count == 1 && own == 0);
}

static void
many(void)
{
	pthread_t t;
	void *result;

	for (int i = 0; i < 200; i++) {
		CHECK(pthread_create(&t, NULL, sleepy, NULL) == 0);
		CHECK(pthread_cancel(t) == 0);
		CHECK(pthread_join(t, &result) == 0 && result == PTHREAD_CANCELED);
	}
}

static void
waiting(void)
{
	struct timespec until;
	pthread_t a, b;
	sem_t sem;

	CHECK(pthread_create(&a, NULL, take_turns, (void *)0) == 0);
	CHECK(pthread_create(&b, NULL, take_turns, (void *)1) == 0);
	CHECK(pthread_join(a, NULL) == 0 && pthread_join(b, NULL) == 0);
	CHECK(sem_init(&sem, 0, 0) == 0);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 50000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	CHECK(sem_timedwait(&sem, &until) == -1 && errno == ETIMEDOUT);
	CHECK(sem_post(&sem) == 0 && sem_wait(&sem) == 0);
}

int
main(void)
{
	pthread_t t;

	counting();
	waiting();
	many();
	/* The process ends although a thread is asleep. */
	CHECK(pthread_create(&t, NULL, sleepy, NULL) == 0);
	return all_right("posix_threads");
}
