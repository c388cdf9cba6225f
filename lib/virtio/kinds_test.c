/*
 * The structures of block devices and of SCSI hosts.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "virtio.h"

/* --- blocks ---------------------------------------------------------------------------------- */

static void
put(uint8_t *config, unsigned at, uint64_t v, unsigned bytes)
{
	memcpy(config + at, &v, bytes);
}

static void
block_limits(void **state)
{
	uint8_t c[VIRTIO_BLK_CONFIG_SIZE] = { 0 };
	struct virtio_blk_limits l;
	uint64_t all = VIRTIO_F(VIRTIO_BLK_SIZE_MAX) | VIRTIO_F(VIRTIO_BLK_SEG_MAX) |
		       VIRTIO_F(VIRTIO_BLK_GEOMETRY) | VIRTIO_F(VIRTIO_BLK_RO) |
		       VIRTIO_F(VIRTIO_BLK_BLK_SIZE) | VIRTIO_F(VIRTIO_BLK_FLUSH) |
		       VIRTIO_F(VIRTIO_BLK_TOPOLOGY) | VIRTIO_F(VIRTIO_BLK_MQ) |
		       VIRTIO_F(VIRTIO_BLK_DISCARD) | VIRTIO_F(VIRTIO_BLK_WRITE_ZEROES);

	(void)state;
	put(c, 0, 8000, 8);
	put(c, 8, 65536, 4);
	put(c, 12, 254, 4);
	put(c, 16, 31, 2);
	put(c, 18, 16, 1);
	put(c, 19, 63, 1);
	put(c, 20, 4096, 4);
	put(c, 24, 1, 1);
	put(c, 34, 4, 2);
	put(c, 36, 1 << 20, 4);
	put(c, 40, 32, 4);
	put(c, 44, 64, 4);
	put(c, 48, 4096, 4);
	put(c, 56, 1, 1);
	assert_int_equal(virtio_blk_decode(c, all, &l), 0);
	assert_true(l.nsectors == 1000 && l.secsize == 4096 && l.physsecsize == 8192);
	assert_true(l.size_max == 65536 && l.seg_max == 254 && l.nqueues == 4);
	assert_true(l.cylinders == 31 && l.heads == 16 && l.sectors_per_track == 63);
	assert_true(l.discard_sectors == (1 << 20) / 8 && l.discard_align == 8);
	assert_int_equal(l.discard_ranges, 32);
	assert_true(l.zeroes_sectors == 512 && l.zeroes_unmap);
	assert_true(l.flush && l.writeback && l.readonly);
	c[VIRTIO_BLK_CONFIG_WRITEBACK] = 0;
	assert_int_equal(virtio_blk_decode(c, all | VIRTIO_F(VIRTIO_BLK_CONFIG_WCE), &l), 0);
	assert_false(l.writeback);
	/* What was not negotiated is not looked at. */
	assert_int_equal(virtio_blk_decode(c, 0, &l), 0);
	assert_true(l.nsectors == 8000 && l.secsize == 512 && l.physsecsize == 512);
	assert_true(!l.size_max && !l.seg_max && l.nqueues == 1 && !l.discard_sectors);
	assert_true(!l.zeroes_sectors && !l.flush && !l.readonly && l.discard_align == 1);
}

static void
block_sizes_that_cannot_be(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 256, 513, 3 * 512, 8192, UINT32_MAX };
	uint8_t c[VIRTIO_BLK_CONFIG_SIZE] = { 0 };
	struct virtio_blk_limits l;

	(void)state;
	put(c, 0, 8000, 8);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		put(c, 20, sizes[i], 4);
		assert_int_equal(virtio_blk_decode(c, VIRTIO_F(VIRTIO_BLK_BLK_SIZE), &l), -ENOTSUP);
	}
	put(c, 0, 0, 8);
	assert_int_equal(virtio_blk_decode(c, 0, &l), -ENOTSUP);
	put(c, 0, UINT64_MAX, 8);
	assert_int_equal(virtio_blk_decode(c, 0, &l), -ENOTSUP);
	put(c, 0, 8000, 8);
	c[24] = 200; /* a physical sector of 2^200 */
	assert_int_equal(virtio_blk_decode(c, VIRTIO_F(VIRTIO_BLK_TOPOLOGY), &l), 0);
	assert_int_equal(l.physsecsize, 512);
}

static void
block_requests(void **state)
{
	uint8_t b[16];

	(void)state;
	virtio_blk_header(b, VIRTIO_BLK_T_OUT, 0x123456789a);
	assert_memory_equal(b, "\x01\0\0\0\0\0\0\0\x9a\x78\x56\x34\x12\0\0\0", 16);
	virtio_blk_range(b, 0x11, 0x22, VIRTIO_BLK_RANGE_UNMAP);
	assert_memory_equal(b, "\x11\0\0\0\0\0\0\0\x22\0\0\0\x01\0\0\0", 16);
	assert_int_equal(virtio_blk_errno(0), 0);
	assert_int_equal(virtio_blk_errno(1), -EIO);
	assert_int_equal(virtio_blk_errno(2), -EOPNOTSUPP);
	assert_int_equal(virtio_blk_errno(3), -EPROTO);
	assert_int_equal(virtio_blk_errno(VIRTIO_BLK_S_NONE), -EPROTO);
}

/* --- SCSI ------------------------------------------------------------------------------------ */

static void
scsi_limits(void **state)
{
	uint8_t c[VIRTIO_SCSI_CONFIG_SIZE] = { 0 };
	struct virtio_scsi_limits l;

	(void)state;
	put(c, 0, 4, 4);
	put(c, 4, 254, 4);
	put(c, 8, 65535, 4);
	put(c, 12, 128, 4);
	put(c, 16, 16, 4);
	put(c, 20, 96, 4);
	put(c, 24, 32, 4);
	put(c, 30, 255, 2);
	put(c, 32, 16383, 4);
	assert_int_equal(virtio_scsi_decode(c, &l), 0);
	assert_true(l.nqueues == 4 && l.seg_max == 254 && l.max_sectors == 65535);
	assert_true(l.cmd_per_lun == 128 && l.ntargets == 256 && l.nluns == 16384);
	put(c, 30, 65535, 2);
	put(c, 32, UINT32_MAX, 4);
	put(c, 0, 0, 4);
	put(c, 4, 0, 4);
	assert_int_equal(virtio_scsi_decode(c, &l), 0);
	assert_true(l.ntargets == 256 && l.nluns == 16384 && l.nqueues == 1 && l.seg_max == 1);
	put(c, 20, 252, 4);
	assert_int_equal(virtio_scsi_decode(c, &l), -ENOTSUP);
	put(c, 20, 96, 4);
	put(c, 24, 16, 4);
	assert_int_equal(virtio_scsi_decode(c, &l), -ENOTSUP);
	put(c, 24, 32, 4);
	put(c, 16, 17, 4);
	assert_int_equal(virtio_scsi_decode(c, &l), -ENOTSUP);
}

static void
scsi_requests(void **state)
{
	uint8_t b[VIRTIO_SCSI_COMMAND_SIZE], answer[VIRTIO_SCSI_ANSWER_SIZE] = { 0 };
	struct virtio_scsi_address at = { 7, 0x1234 };
	struct virtio_scsi_answer a;

	(void)state;
	virtio_scsi_command(b, at, 0x55, (const uint8_t *)"\x12\x01\x80\x00\xff\x00", 6);
	assert_memory_equal(b, "\x01\x07\x52\x34\0\0\0\0\x55\0\0\0\0\0\0\0\0\0\0\x12\x01\x80", 22);
	virtio_scsi_task(b, VIRTIO_SCSI_ABORT_TASK, at, 0x55);
	assert_memory_equal(b, "\0\0\0\0\0\0\0\0\x01\x07\x52\x34\0\0\0\0\x55\0\0\0\0\0\0\0", 24);
	virtio_scsi_task(b, VIRTIO_SCSI_LUN_RESET, at, 0);
	assert_int_equal(b[4], 5);
	put(answer, 0, UINT32_MAX, 4); /* more sense data than there is room for */
	put(answer, 4, 77, 4);
	answer[10] = 2;
	answer[11] = VIRTIO_SCSI_BUSY;
	answer[12] = 0x70;
	virtio_scsi_answer(answer, &a);
	assert_true(a.sense_bytes == 96 && a.residual == 77 && a.status == 2);
	assert_true(a.response == VIRTIO_SCSI_BUSY && a.sense[0] == 0x70);
	assert_int_equal(virtio_scsi_errno(VIRTIO_SCSI_OK), 0);
	assert_int_equal(virtio_scsi_errno(VIRTIO_SCSI_BAD_TARGET), -ENODEV);
	assert_int_equal(virtio_scsi_errno((enum virtio_scsi_response)99), -EPROTO);
	assert_string_equal(virtio_scsi_response_name(VIRTIO_SCSI_INCORRECT_LUN), "incorrect unit");
	assert_string_equal(virtio_scsi_response_name((enum virtio_scsi_response)99), "no answer");
}

static void
scsi_events(void **state)
{
	uint8_t b[VIRTIO_SCSI_EVENT_SIZE] = { 1, 0, 0, 0, 1, 3, 0x40, 5 };
	struct virtio_scsi_event e;

	(void)state;
	virtio_scsi_event(b, &e);
	assert_true(e.kind == VIRTIO_SCSI_EVENT_CAME && !e.missed);
	assert_true(e.at.target == 3 && e.at.lun == 5);
	b[12] = 2;
	virtio_scsi_event(b, &e);
	assert_int_equal(e.kind, VIRTIO_SCSI_EVENT_GONE);
	b[0] = 3;
	b[12] = 0x2a;
	b[13] = 9;
	virtio_scsi_event(b, &e);
	assert_true(e.kind == VIRTIO_SCSI_EVENT_CHANGED && e.asc == 0x2a && e.ascq == 9);
	b[4] = 2; /* no address that can be */
	virtio_scsi_event(b, &e);
	assert_int_equal(e.kind, VIRTIO_SCSI_EVENT_NONE);
	memset(b, 0, sizeof b);
	b[3] = 0x80;
	virtio_scsi_event(b, &e);
	assert_true(e.kind == VIRTIO_SCSI_EVENT_NONE && e.missed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(block_limits),   cmocka_unit_test(block_sizes_that_cannot_be),
		cmocka_unit_test(block_requests), cmocka_unit_test(scsi_limits),
		cmocka_unit_test(scsi_requests),  cmocka_unit_test(scsi_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
