/* Checks threads: the C library's, over clone and futex. */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "linux_test.h"

#define N 8

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int counter;
static atomic_int atomics;
static __thread int own;

static void *
count(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
		own++;
	}
	return (void *)((long)arg + own);
}

static void
mutexes(void)
{
	pthread_t t[N];
	void *r;

	counter = own = 0;
	for (long i = 0; i < N; i++)
		NEED(pthread_create(&t[i], NULL, count, (void *)i) == 0);
	for (long i = 0; i < N; i++)
		CHECK(pthread_join(t[i], &r) == 0 && (long)r == i + 20000);
	CHECK(counter == N * 20000 && own == 0);
}

static int turn;

static void *
take_turns(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % N != me)
			pthread_cond_wait(&cond, &mutex);
		turn++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void
conditions(void)
{
	struct timespec ts;
	pthread_t t[N];

	turn = 0;
	for (long i = 0; i < N; i++)
		NEED(pthread_create(&t[i], NULL, take_turns, (void *)i) == 0);
	for (int i = 0; i < N; i++)
		pthread_join(t[i], NULL);
	CHECK(turn == N * 500);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 30000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&mutex);
	CHECK(pthread_cond_timedwait(&cond, &mutex, &ts) == ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
}

static void *
short_life(void *arg)
{
	(void)arg;
	atomics++;
	return NULL;
}

static void
detached(void)
{
	pthread_attr_t attr;
	pthread_t t;

	atomics = 0;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 16384);
	for (int i = 0; i < 200; i++)
		NEED(pthread_create(&t, &attr, short_life, NULL) == 0);
	for (int i = 0; i < 500 && atomics < 200; i++)
		usleep(10000);
	CHECK(atomics == 200);
	pthread_attr_destroy(&attr);
}

static sem_t sem;
static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void *
meet(void *arg)
{
	(void)arg;
	sem_wait(&sem);
	for (int i = 0; i < 50; i++) {
		pthread_rwlock_rdlock(&rwlock);
		pthread_rwlock_unlock(&rwlock);
		pthread_rwlock_wrlock(&rwlock);
		counter++;
		pthread_rwlock_unlock(&rwlock);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void
others(void)
{
	pthread_t t[N];

	counter = 0;
	sem_init(&sem, 0, 0);
	pthread_barrier_init(&barrier, NULL, N);
	for (int i = 0; i < N; i++)
		NEED(pthread_create(&t[i], NULL, meet, NULL) == 0);
	for (int i = 0; i < N; i++)
		sem_post(&sem);
	for (int i = 0; i < N; i++)
		pthread_join(t[i], NULL);
	CHECK(counter == N * 50);
}

static atomic_int cleaned, handled;

static void
cleanup(void *arg)
{
	(void)arg;
	cleaned++;
}

static void *
sleep_long(void *arg)
{
	pthread_cleanup_push(cleanup, NULL);
	atomics = 1;
	sleep(100);
	pthread_cleanup_pop(0);
	return arg;
}

static void
cancelling(void)
{
	pthread_t t;
	void *r = NULL;

	cleaned = atomics = 0;
	NEED(pthread_create(&t, NULL, sleep_long, NULL) == 0);
	while (!atomics)
		usleep(1000);
	usleep(10000);
	CHECK(pthread_cancel(t) == 0 && pthread_join(t, &r) == 0);
	CHECK(r == PTHREAD_CANCELED && cleaned == 1);
}

static pthread_t handled_in;

static void
on_signal(int sig)
{
	(void)sig;
	handled_in = pthread_self();
	handled++;
}

static void *
wait_for_signal(void *arg)
{
	atomics = 1;
	while (handled < (int)(long)arg)
		usleep(1000);
	return NULL;
}

static void *
spin_for_signal(void *arg)
{
	atomics = 1;
	while (handled < (int)(long)arg)
		;
	return NULL;
}

static void
signals(void)
{
	sigset_t set;
	pthread_t t;

	handled = 0;
	signal(SIGUSR1, on_signal);
	atomics = 0;
	NEED(pthread_create(&t, NULL, wait_for_signal, (void *)1) == 0);
	while (!atomics)
		usleep(1000);
	CHECK(pthread_kill(t, SIGUSR1) == 0 && pthread_join(t, NULL) == 0);
	CHECK(pthread_equal(handled_in, t));
	atomics = 0;
	NEED(pthread_create(&t, NULL, spin_for_signal, (void *)2) == 0);
	while (!atomics)
		usleep(1000);
	CHECK(pthread_kill(t, SIGUSR1) == 0 && pthread_join(t, NULL) == 0);
	CHECK(pthread_equal(handled_in, t));
	/* One for the process, which only the other thread takes. */
	atomics = 0;
	NEED(pthread_create(&t, NULL, spin_for_signal, (void *)3) == 0);
	while (!atomics)
		usleep(1000);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	CHECK(kill(getpid(), SIGUSR1) == 0 && pthread_join(t, NULL) == 0);
	CHECK(pthread_equal(handled_in, t));
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	CHECK(handled == 3);
	signal(SIGUSR1, SIG_DFL);
}

static void *
fork_here(void *arg)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		pthread_t t;

		_exit(gettid() != getpid() || pthread_create(&t, NULL, short_life, NULL) != 0 ||
		      pthread_join(t, NULL) != 0);
	}
	waitpid(pid, &status, 0);
	*(int *)arg = status;
	return NULL;
}

static void
forking(void)
{
	int status = -1;
	pthread_t t;

	NEED(pthread_create(&t, NULL, fork_here, &status) == 0);
	CHECK(pthread_join(t, NULL) == 0 && status == 0);
	fflush(stdout);
	if (fork() == 0) {
		pthread_create(&t, NULL, sleep_long, NULL);
		usleep(10000);
		exit(3);
	}
	CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static atomic_int finished;

/* Sends numbers to itself through a pipe, a mutex and a sleep now and then. */
static void *
pass_on(void *arg)
{
	long wrong = 0;
	int fd[2];

	(void)arg;
	if (pipe(fd) < 0)
		return (void *)-1l;
	for (int i = 0, got; i < 3000; i++) {
		wrong += write(fd[1], &i, sizeof(i)) != sizeof(i);
		wrong += read(fd[0], &got, sizeof(got)) != sizeof(got) || got != i;
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
		if (i % 500 == 0)
			usleep(100);
	}
	close(fd[0]);
	close(fd[1]);
	finished++;
	return (void *)wrong;
}

static void
interrupted(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pthread_t t[4];
	long sent = 0;
	void *r;

	counter = 0;
	finished = 0;
	handled = 0;
	sigaction(SIGUSR1, &sa, NULL);
	for (int i = 0; i < 4; i++)
		NEED(pthread_create(&t[i], NULL, pass_on, NULL) == 0);
	while (finished < 4) {
		if (finished == 0)
			CHECK(pthread_kill(t[sent++ % 4], SIGUSR1) == 0);
		usleep(200);
	}
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(t[i], &r) == 0 && r == NULL);
	CHECK(counter == 4 * 3000);
	CHECK(handled > 0 || sent == 0);
	CHECK(handled <= sent);
	signal(SIGUSR1, SIG_DFL);
}

int
main(int argc, char **argv)
{
	static const struct test tests[] = {
		TEST(mutexes), TEST(conditions), TEST(detached), TEST(others), TEST(cancelling),
		TEST(signals), TEST(forking), TEST(interrupted),
	};

	RUN_TESTS(tests);
}
