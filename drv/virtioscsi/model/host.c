/*
 * The model's units and what they do with commands; see host.h.
 */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CDB_AT = 19 };

static void
put(uint8_t *at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		at[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
}

static uint64_t
get(const uint8_t *at, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | at[i];
	return v;
}

struct answer {
	uint8_t response, status, key, asc, ascq;
	uint32_t moved;
	bool keep;
};

static struct unit *
find_unit(struct host *h, const uint8_t *lun, bool *target)
{
	struct unit *found = NULL;

	*target = false;
	for (unsigned i = 0; i < UNITS; i++) {
		struct unit *u = &h->unit[i];

		if (!u->present || u->target != lun[1])
			continue;
		*target = true;
		if (lun[0] == 1 && u->lun == ((lun[2] & 0x3f) << 8 | lun[3]))
			found = u;
	}
	return found;
}

static void
sense(struct answer *a, uint8_t key, uint8_t asc, uint8_t ascq)
{
	a->status = SCSI_CHECK_CONDITION;
	a->key = key;
	a->asc = asc;
	a->ascq = ascq;
}

static void
answer_with(const struct vmodel_request *r, const uint8_t *b, size_t n, size_t most,
	    struct answer *a)
{
	a->moved = (uint32_t)vmodel_put(r, VIRTIO_SCSI_ANSWER_SIZE, b, n < most ? n : most);
}

static void
report_luns(struct host *h, uint8_t target, const uint8_t *cdb, const struct vmodel_request *r,
	    struct answer *a)
{
	uint8_t b[8 + 8 * UNITS] = { 0 };
	unsigned n = 0;

	for (unsigned i = 0; i < UNITS; i++)
		if (h->unit[i].present && h->unit[i].target == target)
			b[8 + 8 * n++ + 1] = (uint8_t)h->unit[i].lun;
	put(b, 8 * n, 4);
	answer_with(r, b, 8 + 8 * n, get(cdb + 6, 4), a);
}

static void
inquiry(const struct unit *u, const uint8_t *cdb, const struct vmodel_request *r, struct answer *a)
{
	uint8_t b[96] = { 0 };

	if (!(cdb[1] & 1)) {
		b[0] = u->type;
		memcpy(b + 8, "MODEL   DISK            1   ", 28);
		answer_with(r, b, 36, get(cdb + 3, 2), a);
		return;
	}
	if (u->old) {
		sense(a, ATAPI_ILLEGAL_REQUEST, 0x24, 0);
		return;
	}
	b[1] = cdb[2];
	switch (cdb[2]) {
	case SCSI_VPD_PAGES:
		memcpy(b + 4, "\x00\x80\x83\xb0\xb2", 5);
		b[3] = 5;
		break;
	case SCSI_VPD_SERIAL:
		b[3] = (uint8_t)strlen(u->serial);
		memcpy(b + 4, u->serial, b[3]);
		break;
	case SCSI_VPD_ID:
		memcpy(b + 3, "\x0c\x01\x03\x00\x08\x50\x00\x00\x00\x00\x00\x00", 12);
		b[15] = (uint8_t)(u->target + u->lun);
		break;
	case SCSI_VPD_LIMITS:
		b[3] = 60;
		put(b + 8, 512, 4);
		put(b + 20, 100, 4);
		put(b + 24, 3, 4);
		put(b + 36, u->same_max, 8);
		break;
	default: b[3] = 4; b[5] = u->same_unmaps ? 0xc0 : 0x80;
	}
	answer_with(r, b, 4u + b[3], get(cdb + 3, 2), a);
}

static void
capacity(const struct unit *u, bool wide, const struct vmodel_request *r, struct answer *a)
{
	uint8_t b[32] = { 0 };

	if (wide && u->old) {
		sense(a, ATAPI_ILLEGAL_REQUEST, 0x20, 0);
		return;
	}
	put(b,
	    wide                       ? u->nsectors - 1
	    : u->nsectors > UINT32_MAX ? UINT32_MAX
				       : u->nsectors - 1,
	    wide ? 8 : 4);
	put(b + (wide ? 8 : 4), u->secsize, 4);
	b[14] = wide && u->thin ? 0x80 : 0;
	answer_with(r, b, wide ? 32 : 8, 32, a);
}

static void
mode_sense(const struct unit *u, const struct vmodel_request *r, struct answer *a)
{
	uint8_t b[24] = { 23, 0, u->readonly ? 0x80 : 0, 0, 0x08, 0x12, u->writethrough ? 0 : 4 };

	answer_with(r, b, sizeof b, 64, a);
}

/* [SPC-4, 7.3]: the list, the temperature with its reference, informational exceptions. */
static void
log_sense(struct unit *u, const uint8_t *cdb, const struct vmodel_request *r, struct answer *a)
{
	uint8_t list[] = { 0, 0, 0, 3, SCSI_LOG_PAGES, SCSI_LOG_TEMPERATURE, SCSI_LOG_EXCEPTIONS };
	uint8_t temperature[] = {
		SCSI_LOG_TEMPERATURE, 0, 0, 12, 0, 1, 3, 2, 0, 60, 0, 0, 3, 2, 0, u->degrees
	};
	uint8_t exceptions[] = { SCSI_LOG_EXCEPTIONS, 0, 0, 8, 0, 0, 3, 4, u->asc, u->ascq,
				 u->degrees,          0 };
	uint8_t page = cdb[2] & 0x3f;

	u->log_reads++;
	a->keep = u->log_hangs;
	if (!u->logs)
		sense(a, ATAPI_ILLEGAL_REQUEST, 0x20, 0);
	else if (cdb[2] >> 6 != 1 || (u->refused && page == u->refused))
		sense(a, ATAPI_ILLEGAL_REQUEST, 0x24, 0);
	else if (page == SCSI_LOG_PAGES)
		answer_with(r, list, sizeof list, get(cdb + 7, 2), a);
	else if (page == SCSI_LOG_TEMPERATURE)
		answer_with(r, temperature, sizeof temperature - (page == u->cut), get(cdb + 7, 2),
			    a);
	else if (page == SCSI_LOG_EXCEPTIONS)
		answer_with(r, exceptions, sizeof exceptions - (page == u->cut), get(cdb + 7, 2),
			    a);
	else
		sense(a, ATAPI_ILLEGAL_REQUEST, 0x24, 0);
}

static void
transfer(struct host *h, struct unit *u, const uint8_t *cdb, const struct vmodel_request *r,
	 struct answer *a)
{
	bool wide = cdb[0] >= 0x80, write = cdb[0] == SCSI_WRITE_10 || cdb[0] == SCSI_WRITE_16;
	uint64_t lba = wide ? get(cdb + 2, 8) : get(cdb + 2, 4);
	uint64_t n = wide ? get(cdb + 10, 4) : get(cdb + 7, 2);
	size_t bytes = n * u->secsize;
	uint8_t *at = u->data + lba % SECTORS * u->secsize;

	if (lba + n > u->nsectors || !n || n > 512 || lba % SECTORS + n > SECTORS) {
		sip_model_lint(&h->m.bus, "a command outside of the unit, or too long");
		sense(a, ATAPI_ILLEGAL_REQUEST, 0x21, 0);
	} else if (u->bad_lba >= 0 && (uint64_t)u->bad_lba >= lba && (uint64_t)u->bad_lba < lba + n)
		sense(a, ATAPI_MEDIUM_ERROR, 0x11, 0);
	else if (h->hang) {
		h->hang--;
		a->keep = true;
	} else if (write)
		a->moved = (uint32_t)vmodel_get(r, VIRTIO_SCSI_COMMAND_SIZE, at, bytes);
	else
		a->moved = (uint32_t)vmodel_put(r, VIRTIO_SCSI_ANSWER_SIZE, at, bytes);
	u->reads += !write;
	u->writes += write;
	u->long_ones += wide;
}

static void
unmap_list(struct host *h, struct unit *u, const uint8_t *cdb, const struct vmodel_request *r,
	   struct answer *a)
{
	uint8_t list[8 + 16 * 8];
	size_t n = vmodel_get(r, VIRTIO_SCSI_COMMAND_SIZE, list, sizeof list);

	if (n != get(cdb + 7, 2) || get(list, 2) != n - 2 || get(list + 2, 2) != n - 8 ||
	    (n - 8) / 16 > 3)
		sip_model_lint(&h->m.bus, "a list that is no list");
	for (size_t at = 8; at + 16 <= n; at += 16) {
		uint64_t lba = get(list + at, 8), count = get(list + at + 8, 4);

		if (lba + count > u->nsectors || count > 100 || !count)
			sip_model_lint(&h->m.bus, "a range outside of the unit, or too long");
		else
			memset(u->data + lba * u->secsize, 0, count * u->secsize);
		u->ranges++;
	}
	u->unmaps++;
	a->moved = (uint32_t)n;
}

/* Of the caching page only, as the tests give it. */
static void
mode_select(struct unit *u, const struct vmodel_request *r, struct answer *a)
{
	uint8_t b[24] = { 0 };

	a->moved = (uint32_t)vmodel_get(r, VIRTIO_SCSI_COMMAND_SIZE, b, sizeof b);
	if (a->moved != sizeof b || (b[4] & 0x3f) != SCSI_MODE_CACHING)
		sense(a, ATAPI_ILLEGAL_REQUEST, 0x26, 0);
	else
		u->writethrough = !(b[6] & 4);
}

static void
write_same(struct host *h, struct unit *u, const uint8_t *cdb, const struct vmodel_request *r,
	   struct answer *a)
{
	uint64_t lba = get(cdb + 2, 8), n = get(cdb + 10, 4);
	uint8_t sector[4096];

	a->moved = (uint32_t)vmodel_get(r, VIRTIO_SCSI_COMMAND_SIZE, sector, u->secsize);
	u->sames++;
	if (!u->same) {
		sense(a, ATAPI_ILLEGAL_REQUEST, 0x20, 0);
		return;
	}
	if (lba + n > u->nsectors || !n || (u->same_max && n > u->same_max) ||
	    cdb[1] != (u->thin && u->same_unmaps ? 8 : 0) || a->moved != u->secsize) {
		sip_model_lint(&h->m.bus,
			       "WRITE SAME outside of the unit, too long, or with odd flags");
		return;
	}
	for (uint64_t i = 0; i < n; i++)
		memcpy(u->data + (lba + i) * u->secsize, sector, u->secsize);
}

static void
flush(struct unit *u, struct answer *a)
{
	if (!u->bad_flushes) {
		u->flushes++;
		return;
	}
	u->bad_flushes--;
	sense(a, ATAPI_MEDIUM_ERROR, 0x0c, 0);
}

static void
unit_command(struct host *h, struct unit *u, const uint8_t *cdb, const struct vmodel_request *r,
	     struct answer *a)
{
	bool polite = cdb[0] == SCSI_INQUIRY || cdb[0] == SCSI_REPORT_LUNS;

	if (!polite && u->attentions) {
		u->attentions--;
		sense(a, ATAPI_UNIT_ATTENTION, 0x29, 0);
		return;
	}
	if (!polite && u->busy) {
		u->busy--;
		a->status = SCSI_BUSY;
		return;
	}
	switch (cdb[0]) {
	case SCSI_TEST_UNIT_READY: break;
	case SCSI_INQUIRY: inquiry(u, cdb, r, a); break;
	case SCSI_REPORT_LUNS: report_luns(h, u->target, cdb, r, a); break;
	case SCSI_READ_CAPACITY_10: capacity(u, false, r, a); break;
	case SCSI_SERVICE_ACTION_IN_16: capacity(u, true, r, a); break;
	case SCSI_MODE_SENSE_6: mode_sense(u, r, a); break;
	case SCSI_SYNCHRONIZE_CACHE_10: flush(u, a); break;
	case SCSI_UNMAP: unmap_list(h, u, cdb, r, a); break;
	case SCSI_WRITE_SAME_16: write_same(h, u, cdb, r, a); break;
	case SCSI_LOG_SENSE: log_sense(u, cdb, r, a); break;
	case SCSI_MODE_SELECT_6: mode_select(u, r, a); break;
	case SCSI_START_STOP:
		if (u->no_standby || cdb[4] != 3 << 4)
			sense(a, ATAPI_ILLEGAL_REQUEST, 0x24, 0);
		else
			u->standbys++;
		break;
	case SCSI_READ_10:
	case SCSI_READ_16:
	case SCSI_WRITE_10:
	case SCSI_WRITE_16: transfer(h, u, cdb, r, a); break;
	default:
		sip_model_lint(&h->m.bus, "a command that is not known");
		sense(a, ATAPI_ILLEGAL_REQUEST, 0x20, 0);
	}
}

/* QEMU says that it wrote as much as the data is long, whichever way it went: so does this. */
static uint32_t
finish(struct host *h, const struct vmodel_request *r, const struct answer *a)
{
	uint8_t b[VIRTIO_SCSI_ANSWER_SIZE] = { 0 };
	size_t in = vmodel_room(r, true) - sizeof b;
	size_t out = vmodel_room(r, false) - VIRTIO_SCSI_COMMAND_SIZE;
	uint32_t residual = (uint32_t)(in + out > a->moved ? in + out - a->moved : 0), len = 18;

	if (a->status == SCSI_CHECK_CONDITION) {
		memcpy(b, &len, 4);
		b[12] = 0x70;
		b[14] = a->key;
		b[19] = 10;
		b[24] = a->asc;
		b[25] = a->ascq;
	}
	memcpy(b + 4, &residual, 4);
	b[10] = a->status;
	b[11] = a->response;
	if (h->nonsense)
		for (unsigned i = 0; i < sizeof b; i++) {
			h->random = h->random * 1664525 + 1013904223;
			if (h->random >> 30 == 0)
				b[i] = (uint8_t)(h->random >> 16);
		}
	vmodel_put(r, 0, b, sizeof b);
	return (uint32_t)(sizeof b + in + out);
}

static uint32_t
command(struct host *h, const struct vmodel_request *r)
{
	uint8_t head[VIRTIO_SCSI_COMMAND_SIZE];
	struct answer a = { 0 };
	struct unit *u;
	bool target;

	if (vmodel_get(r, 0, head, sizeof head) != sizeof head ||
	    vmodel_room(r, true) < VIRTIO_SCSI_ANSWER_SIZE) {
		sip_model_lint(&h->m.bus, "no command, or no room for an answer");
		return 0;
	}
	u = find_unit(h, head, &target);
	if (u)
		unit_command(h, u, head + CDB_AT, r, &a);
	else if (!target)
		a.response = VIRTIO_SCSI_BAD_TARGET;
	else if (head[CDB_AT] == SCSI_REPORT_LUNS)
		report_luns(h, head[1], head + CDB_AT, r, &a);
	else
		sense(&a, ATAPI_ILLEGAL_REQUEST, 0x25, 0);
	if (a.keep) {
		h->hung = *r;
		h->hangs = true;
		memcpy(&h->hung_id, head + 8, 8);
		return VMODEL_KEEP;
	}
	return finish(h, r, &a);
}

static void
end_hung(struct host *h)
{
	struct answer a = { .response = VIRTIO_SCSI_ABORTED };

	if (h->hangs)
		vmodel_end(&h->m, &h->hung, finish(h, &h->hung, &a));
	h->hangs = false;
}

static uint32_t
task(struct host *h, const struct vmodel_request *r)
{
	uint8_t b[VIRTIO_SCSI_TASK_SIZE], answer = VIRTIO_SCSI_FUNCTION_SUCCEEDED;
	uint64_t id;

	if (vmodel_get(r, 0, b, sizeof b) != sizeof b || vmodel_room(r, true) != 1)
		sip_model_lint(&h->m.bus, "no task");
	memcpy(&id, b + 16, 8);
	if (b[4] == VIRTIO_SCSI_ABORT_TASK) {
		h->aborts++;
		if (h->no_abort || (h->hangs && id != h->hung_id))
			answer = VIRTIO_SCSI_FUNCTION_REJECTED;
	} else {
		h->unit_resets++;
		if (h->no_reset)
			answer = VIRTIO_SCSI_FUNCTION_REJECTED;
	}
	if (answer == VIRTIO_SCSI_FUNCTION_SUCCEEDED)
		end_hung(h);
	vmodel_put(r, 0, &answer, 1);
	return 1;
}

uint32_t
host_serve(void *arg, const struct vmodel_request *r)
{
	struct host *h = arg;

	return r->queue == VIRTIO_SCSI_CONTROL_QUEUE ? task(h, r) : command(h, r);
}

struct unit *
host_add(struct host *h, unsigned i, uint8_t target, uint16_t lun, uint32_t secsize)
{
	struct unit *u = &h->unit[i];

	*u = (struct unit){ .present = true,
			    .thin = true,
			    .target = target,
			    .lun = lun,
			    .nsectors = SECTORS,
			    .secsize = secsize,
			    .bad_lba = NO_LBA,
			    .attentions = 1 };
	snprintf(u->serial, sizeof u->serial, "SN%u", i);
	u->data = calloc(SECTORS, secsize);
	return u;
}

void
host_event(struct host *h, uint32_t event, uint8_t target, uint16_t lun, uint32_t reason)
{
	uint8_t b[VIRTIO_SCSI_EVENT_SIZE] = { 0 };
	struct vmodel_request *r = calloc(1, sizeof *r);

	memcpy(b, &event, 4);
	b[4] = 1;
	b[5] = target;
	b[6] = (uint8_t)(0x40 | lun >> 8);
	b[7] = (uint8_t)lun;
	memcpy(b + 12, &reason, 4);
	if (vmodel_take(&h->m, VIRTIO_SCSI_EVENT_QUEUE, r)) {
		vmodel_put(r, 0, b, sizeof b);
		vmodel_end(&h->m, r, sizeof b);
	} else
		sip_model_lint(&h->m.bus, "no buffer for an event");
	free(r);
}
