/* Bits that an interrupt sets and a request waits for, with a bound. */
#include "sip.h"

#include <errno.h>
#include <time.h>

void
sip_event_init(struct sip_event *e)
{
	pthread_condattr_t attr;
	e->bits = 0;
	pthread_mutex_init(&e->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&e->came, &attr);
	pthread_condattr_destroy(&attr);
}

void
sip_event_free(struct sip_event *e)
{
	pthread_cond_destroy(&e->came);
	pthread_mutex_destroy(&e->lock);
}

void
sip_event_clear(struct sip_event *e, uint32_t bits)
{
	pthread_mutex_lock(&e->lock);
	e->bits &= ~bits;
	pthread_mutex_unlock(&e->lock);
}

void
sip_event_set(struct sip_event *e, uint32_t bits)
{
	pthread_mutex_lock(&e->lock);
	e->bits |= bits;
	pthread_cond_broadcast(&e->came);
	pthread_mutex_unlock(&e->lock);
}

int
sip_event_wait(struct sip_event *e, uint32_t bits, unsigned timeout_ms)
{
	struct timespec until;
	int err = 0;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&e->lock);
	while (!(e->bits & bits) && err == 0)
		err = pthread_cond_timedwait(&e->came, &e->lock, &until);
	if (e->bits & bits)
		err = 0;
	pthread_mutex_unlock(&e->lock);
	return err ? -ETIMEDOUT : 0;
}
