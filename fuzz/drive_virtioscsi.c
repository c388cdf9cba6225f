/*
 * The driver of virtio SCSI hosts on a host, and a unit behind it, that say anything:
 * fuzz/device/virtio_device.h.  Target 0 is a disk, or, if the input's third byte is odd,
 * an optical drive.
 */
#include "device/virtio_device.h"
#include "drv/virtioscsi/virtioscsi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIES = 64, SENSE_AT = 12, STATUS_AT = 10, RESPONSE_AT = 11, ANSWER = 108, COMMAND = 51 };

static bool optical;

static void
answer_capacity(uint8_t *data, bool long_one)
{
	data[long_one ? 6 : 2] = 0x10;             /* the last block */
	data[long_one ? 10 : 6] = optical ? 8 : 2; /* bytes of one, in 256 */
}

/* A page of LOG SENSE, from its head on [SPC-4, 7.3]. */
static void
answer_log(uint8_t page, uint8_t *data)
{
	static const uint8_t pages[] = { 0, 0x0d, 0x2f };

	data[0] = page;
	data[3] = page ? 8 : sizeof pages;
	if (page)
		data[7] = 4, data[9] = 30;
	else
		memcpy(data + 4, pages, sizeof pages);
}

/* What a well made unit says, in `n` bytes that are 0 [SPC-4, SBC-3]. */
static void
answer(const uint8_t *cdb, uint8_t *data, uint32_t n)
{
	uint8_t all[LIES] = { 0 };

	switch (cdb[0]) {
	case SCSI_INQUIRY:
		all[0] = optical ? SCSI_TYPE_CD : SCSI_TYPE_DISK;
		if (cdb[1] & 1) {
			static const uint8_t pages[] = { 0x80, 0x83, 0xb0, 0xb2 };

			all[1] = cdb[2];
			all[3] = cdb[2] ? 0x3c : sizeof pages;
			memcpy(all + 4, pages, cdb[2] ? 0 : sizeof pages);
			all[5] |= cdb[2] == SCSI_VPD_PROVISIONING ? 0x80 : 0;
			break;
		}
		all[2] = 5, all[3] = 2, all[4] = 31;
		memset(all + 8, 'x', 28);
		break;
	case SCSI_REPORT_LUNS: all[3] = 8; break;
	case SCSI_READ_CAPACITY_10: answer_capacity(all, false); break;
	case SCSI_SERVICE_ACTION_IN_16: answer_capacity(all, true); break;
	case SCSI_LOG_SENSE: answer_log(cdb[2] & 0x3f, all); break;
	case SCSI_MODE_SENSE_6: all[0] = 23, all[4] = 8, all[5] = 18, all[6] = 4; break;
	default: break;
	}
	memcpy(data, all, n < LIES ? n : LIES);
}

static uint32_t
request(struct virtio_fuzz *v, const struct piece *piece, unsigned n)
{
	uint8_t *end = NULL;
	uint32_t len = ANSWER;

	device_check(piece[0].n == COMMAND && !piece[0].written);
	for (unsigned i = 1; i < n; i++) {
		if (!piece[i].written)
			continue;
		if (!end) {
			device_check(piece[i].n == ANSWER);
			end = piece[i].p;
			memset(end, 0, ANSWER);
			continue;
		}
		len += piece[i].n;
		answer(piece[0].p + 19, piece[i].p, piece[i].n);
		for (unsigned at = 0; at < piece[i].n && at < LIES; at++)
			piece[i].p[at] = (uint8_t)device_lie(&v->d, piece[i].p[at], 1);
	}
	device_check(end);
	if (piece[0].p[1]) /* target */
		end[RESPONSE_AT] = VIRTIO_SCSI_BAD_TARGET;
	for (unsigned at = 0; at < SENSE_AT + 18; at++)
		end[at] = (uint8_t)device_lie(&v->d, end[at], 1);
	return len;
}

/* Events come when the input wants. */
static uint32_t
event(struct virtio_fuzz *v, const struct piece *piece)
{
	device_check(piece->n == VIRTIO_SCSI_EVENT_SIZE && piece->written);
	if (device_byte(&v->d) % 8 != 1)
		return UINT32_MAX;
	for (unsigned at = 0; at < VIRTIO_SCSI_EVENT_SIZE; at++)
		piece->p[at] = (uint8_t)device_lie(&v->d, at == 0 || at == 4, 1);
	return VIRTIO_SCSI_EVENT_SIZE;
}

static uint32_t
command(struct virtio_fuzz *v, unsigned queue, const struct piece *piece, unsigned n)
{
	if (queue == VIRTIO_SCSI_EVENT_QUEUE)
		return event(v, piece);
	if (queue != VIRTIO_SCSI_CONTROL_QUEUE)
		return request(v, piece, n);
	device_check(n == 2 && piece[1].written && piece[1].n == 1);
	*piece[1].p = (uint8_t)device_lie(&v->d, VIRTIO_SCSI_FUNCTION_SUCCEEDED, 1);
	return 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtio_fuzz v = { .command = command };
	uint32_t words[9] = { 4, 126, 0xffff, 16, 16, 96, 32, 0, 63 };

	if (size < 3)
		return 0;
	optical = data[2] & 1;
	words[7] = 255u << 16; /* max_channel 0, max_target */
	memcpy(v.config, words, sizeof words);
	v.features = VIRTIO_F(VIRTIO_SCSI_HOTPLUG) | VIRTIO_F(VIRTIO_SCSI_CHANGE);
	virtio_fuzz_run(&v, &vscsi_driver_ops, data, size);
	return 0;
}
