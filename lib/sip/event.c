/*
 * Bits that an interrupt sets and a request waits for, with a bound.  Who wakes long after its time
 * was up was in a pause of the machine, and its device as well: it waits once more.
 */
#include "os.h"
#include "sip.h"

#include <errno.h>
#include <time.h>

#define NS_PER_S	1000000000u
#define PAUSE_NS	100000000u	/* longer than a turn of others takes */
#define PAUSES_MAX	10

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
	uint64_t ns = timeout_ms * 1000000ull, end = os_time_ns() + ns;
	unsigned pauses = 0;
	pthread_mutex_lock(&e->lock);
	while (!(e->bits & bits)) {
		struct timespec until = { (time_t)(end / NS_PER_S), (long)(end % NS_PER_S) };
		if (pthread_cond_timedwait(&e->came, &e->lock, &until) != ETIMEDOUT)
			continue;
		uint64_t now = os_time_ns();
		if (now < end + PAUSE_NS || pauses++ == PAUSES_MAX)
			break;
		end = now + ns;
	}
	bool came = e->bits & bits;
	pthread_mutex_unlock(&e->lock);
	return came ? 0 : -ETIMEDOUT;
}
