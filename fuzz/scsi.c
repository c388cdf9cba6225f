/*
 * What SCSI devices and optical drives may answer: any bytes as INQUIRY data, capacities, tables of
 * contents, events, mode pages, sense data; and any course of a medium's state.
 *
 * The first byte chooses how many of the others came; what did not come is behind the end
 * of a block of memory.
 */
#include <stdlib.h>
#include <string.h>
#include "atapi.h"
#include "scsi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LUNS = 16, TEXT = 40 };

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static bool
is_text(const char *s, size_t room)
{
	size_t n = strnlen(s, room);

	for (size_t i = 0; i < n; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return n < room && (!n || s[n - 1] != ' ');
}

static void
capacities(const uint8_t *b, size_t n)
{
	struct scsi_capacity c;
	uint64_t sectors;

	if (scsi_capacity_10(b, n, &c) == 0 && c.nsectors)
		check(c.secsize >= 512 && c.secsize <= 4096 && !(c.secsize & (c.secsize - 1)));
	if (scsi_capacity_16(b, n, &c) == 0) {
		check(c.secsize >= 512 && c.secsize <= 4096 && !(c.secsize & (c.secsize - 1)));
		check(c.physsecsize >= c.secsize && !(c.physsecsize & (c.physsecsize - 1)));
		check(c.nsectors && c.nsectors <= INT64_MAX / c.secsize);
	}
	if (atapi_capacity(b, n, &sectors) == 0)
		check(sectors && sectors <= 1ull << 32);
}

static void
disk(const uint8_t *b, size_t n)
{
	struct scsi_inquiry q;
	struct scsi_limits limits;
	struct scsi_mode mode;
	uint16_t lun[LUNS];
	char serial[TEXT];
	uint64_t wwn;
	struct scsi_provisioning provisioning;

	if (scsi_inquiry(b, n, &q) == 0)
		check(is_text(q.vendor, sizeof q.vendor) && is_text(q.product, sizeof q.product) &&
		      is_text(q.revision, sizeof q.revision));
	check(scsi_luns(b, n, lun, LUNS) <= LUNS);
	for (unsigned page = 0; page < 256; page += 16)
		scsi_vpd_has(b, n, (uint8_t)page);
	if (scsi_vpd_serial(b, n, serial, sizeof serial) == 0)
		check(is_text(serial, sizeof serial));
	scsi_vpd_id(b, n, &wwn);
	scsi_vpd_limits(b, n, &limits);
	scsi_vpd_provisioning(b, n, &provisioning);
	scsi_mode(b, n, &mode);
}

/* Health is lines of printable text, and said only of what came. */
static void
health(const uint8_t *b, size_t n)
{
	struct scsi_health h = { .pages = n % (SCSI_TOLD + 1),
				 .temperature = n / 8 % (SCSI_TOLD + 1),
				 .exceptions = n / 64 % (SCSI_TOLD + 1) };
	char text[TEXT * 12];
	int degrees, len;

	scsi_log_has(b, n, SCSI_LOG_TEMPERATURE);
	if (scsi_log_temperature(b, n, &degrees) == 0) {
		check(n >= 10 && degrees >= 0 && degrees < 255);
		h.temperature = SCSI_TOLD;
		h.degrees = degrees;
	}
	if (scsi_log_exceptions(b, n, &h.exception) == 0) {
		check(n >= 10 && h.exception.degrees < 255);
		h.exceptions = SCSI_TOLD;
	}
	len = scsi_health_text(&h, text, sizeof text);
	check(len > 0 && text[len - 1] == '\n' && !text[len]);
	for (int i = 0; i < len; i++)
		check(text[i] == '\n' || (text[i] >= ' ' && text[i] <= '~'));
}

static void
drive(const uint8_t *b, size_t n)
{
	struct atapi_inquiry q;
	struct atapi_toc toc;
	struct atapi_events events;
	struct atapi_caps caps;
	struct atapi_sense sense;
	char text[TEXT];
	uint32_t lba;

	if (atapi_inquiry(b, n, &q) == 0)
		check(is_text(q.vendor, sizeof q.vendor) && is_text(q.product, sizeof q.product) &&
		      is_text(q.revision, sizeof q.revision));
	if (atapi_toc(b, n, &toc) == 0)
		check(toc.ntracks <= ATAPI_TRACKS_MAX);
	atapi_last_session(b, n, &lba);
	atapi_events(b, n, &events);
	atapi_capabilities(b, n, &caps);
	if (atapi_sense(b, n, &sense) < 0)
		return;
	check(atapi_errno(&sense) <= 0 && atapi_retry(&sense) <= ATAPI_WAIT);
	for (size_t room = 1; room < sizeof text; room += 13) {
		memset(text, 1, sizeof text);
		check(atapi_sense_text(&sense, text, room) < (int)room);
		check(strlen(text) < room && text[room] == 1);
	}
}

/* One step for each byte: READY is only what was read after the last news. */
static void
medium(const uint8_t *b, size_t n)
{
	struct atapi_medium m = { 0 };
	struct atapi_events e;
	struct atapi_sense s;

	for (size_t i = 0; i + 3 < n; i += 4) {
		enum atapi_state before = m.state;

		switch (b[i] % 5) {
		case 0: atapi_medium_begin(&m); break;
		case 1:
			if (atapi_medium_ready(&m))
				check(before == ATAPI_WAITING && m.state == ATAPI_READY);
			break;
		case 2:
			s = (struct atapi_sense){
				b[i + 1] & 15, b[i + 2], b[i + 3], false, false, 0
			};
			check(atapi_medium_sense(&m, b[i + 1] & 16 ? NULL : &s) ==
			      (m.state != before));
			break;
		case 3:
			e = (struct atapi_events){ b[i + 1] % 5, b[i + 2] & 1, b[i + 2] & 2 };
			check(atapi_medium_events(&m, &e) == (m.state != before));
			break;
		default: atapi_medium_forget(&m); break;
		}
		if (before != ATAPI_READY && m.state == ATAPI_READY)
			check(b[i] % 5 == 1);
		check(atapi_state_name(m.state) != NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n;
	uint8_t *b;

	if (size < 2)
		return 0;
	n = data[0] < size ? data[0] : size - 1;
	b = malloc(n ? n : 1);
	if (!b)
		return 0;
	memcpy(b, data + 1, n);
	disk(b, n);
	health(b, n);
	drive(b, n);
	capacities(b, n);
	medium(data + 1, size - 1);
	free(b);
	return 0;
}
