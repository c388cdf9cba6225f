/*
 * A disk's health: LOG SENSE, which it need not have [SPC-4, 6].  It is asked when somebody reads
 * its ctl, in that one's thread, for which pages it has, and then for those two that tell of
 * health.
 */
#include <errno.h>
#include <string.h>
#include "os.h"
#include "virtioscsi.h"

enum { LOG_BYTES = 512, TRIES = 3 /* a unit attention goes to whoever comes first */ };

void
vscsi_health_init(struct vscsi_health *h)
{
	pthread_mutex_init(&h->lock, NULL);
}

static bool
is_attention(const struct blk_packet *p, struct atapi_sense *sense)
{
	if (p->status != SCSI_CHECK_CONDITION || atapi_sense(p->sense, p->sense_len, sense) < 0)
		*sense = (struct atapi_sense){ 0 };
	return sense->key == ATAPI_UNIT_ATTENTION;
}

/* SCSI_TOLD: *n bytes of the page. */
static enum scsi_told
ask(struct drive_disk *d, uint8_t page, uint8_t buf[LOG_BYTES], size_t *n)
{
	struct atapi_sense sense = { 0 };
	struct blk_packet p = { .status = SCSI_BUSY };

	for (unsigned i = 0; i < TRIES; i++) {
		p = (struct blk_packet){ .bytes = LOG_BYTES,
					 .timeout_ms = VSCSI_ASK_MS,
					 .data = buf };
		p.cdb_len = (uint8_t)scsi_cmd_log_sense(p.cdb, page, LOG_BYTES);
		if (vscsi_packet_within(d, &p, DRIVE_SMART_MS) < 0)
			return SCSI_NO_ANSWER;
		if (!is_attention(&p, &sense))
			break;
	}
	*n = p.moved;
	if (p.status == SCSI_GOOD)
		return SCSI_TOLD;
	return sense.key == ATAPI_ILLEGAL_REQUEST ? SCSI_REFUSED : SCSI_NO_ANSWER;
}

/* By what its decoder says of a page. */
static enum scsi_told
verdict(int err)
{
	return err < 0 && err != -ENOENT ? SCSI_MALFORMED : SCSI_TOLD;
}

static void
ask_temperature(struct drive_disk *d, struct scsi_health *h)
{
	uint8_t buf[LOG_BYTES];
	size_t n;
	int err;

	h->temperature = ask(d, SCSI_LOG_TEMPERATURE, buf, &n);
	if (h->temperature != SCSI_TOLD)
		return;
	err = scsi_log_temperature(buf, n, &h->degrees);
	h->temperature = verdict(err);
	if (err < 0)
		h->degrees = -1;
}

static void
ask_exceptions(struct drive_disk *d, struct scsi_health *h)
{
	uint8_t buf[LOG_BYTES];
	size_t n;

	h->exceptions = ask(d, SCSI_LOG_EXCEPTIONS, buf, &n);
	if (h->exceptions == SCSI_TOLD)
		h->exceptions = verdict(scsi_log_exceptions(buf, n, &h->exception));
}

static void
ask_all(struct drive_disk *d, struct scsi_health *h)
{
	uint8_t buf[LOG_BYTES];
	size_t n;
	int temperature, exceptions;

	*h = (struct scsi_health){ .pages = ask(d, SCSI_LOG_PAGES, buf, &n) };
	if (h->pages != SCSI_TOLD)
		return;
	temperature = scsi_log_has(buf, n, SCSI_LOG_TEMPERATURE);
	exceptions = scsi_log_has(buf, n, SCSI_LOG_EXCEPTIONS);
	if (temperature < 0 || exceptions < 0) {
		h->pages = SCSI_MALFORMED;
		return;
	}
	h->temperature = h->exceptions = SCSI_NO_PAGE;
	if (temperature)
		ask_temperature(d, h);
	if (exceptions)
		ask_exceptions(d, h);
}

size_t
vscsi_health_text(struct drive_disk *d, char *buf, size_t n)
{
	struct vscsi_health *h = &((struct vscsi_unit *)d->priv)->health;
	uint64_t now = os_time_ns(), asked = atomic_load(&h->asked_ns);
	struct scsi_health told;

	if ((!asked || now - asked > DRIVE_SMART_AGE_MS * 1000000ull) &&
	    atomic_compare_exchange_strong(&h->asked_ns, &asked, now)) {
		ask_all(d, &told);
		pthread_mutex_lock(&h->lock);
		h->told = told;
		pthread_mutex_unlock(&h->lock);
	}
	pthread_mutex_lock(&h->lock);
	told = h->told;
	pthread_mutex_unlock(&h->lock);
	return (size_t)scsi_health_text(&told, buf, n);
}
