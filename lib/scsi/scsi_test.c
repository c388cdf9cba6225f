/*
 * Commands of SCSI disks, and their answers: whole ones, cut ones, and nonsense.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "scsi.h"

static void
commands(void **state)
{
	uint8_t c[SCSI_CDB_MAX], list[SCSI_UNMAP_HEADER + 2 * SCSI_UNMAP_RANGE];

	(void)state;
	assert_int_equal(scsi_cmd_test_ready(c), 6);
	assert_memory_equal(c, "\0\0\0\0\0\0", 6);
	assert_int_equal(scsi_cmd_inquiry(c, SCSI_VPD_NONE, 96), 6);
	assert_memory_equal(c, "\x12\0\0\0\x60\0", 6);
	assert_int_equal(scsi_cmd_inquiry(c, SCSI_VPD_ID, 0x1ff), 6);
	assert_memory_equal(c, "\x12\x01\x83\x01\xff\0", 6);
	assert_int_equal(scsi_cmd_report_luns(c, 1024), 12);
	assert_memory_equal(c, "\xa0\0\0\0\0\0\0\0\x04\0\0\0", 12);
	assert_int_equal(scsi_cmd_capacity_10(c), 10);
	assert_int_equal(scsi_cmd_capacity_16(c), 16);
	assert_memory_equal(c, "\x9e\x10\0\0\0\0\0\0\0\0\0\0\0\x20\0\0", 16);
	assert_int_equal(scsi_cmd_mode_sense(c, SCSI_MODE_CACHING, 64), 6);
	assert_memory_equal(c, "\x1a\x08\x08\0\x40\0", 6);
	assert_int_equal(scsi_cmd_log_sense(c, SCSI_LOG_EXCEPTIONS, 0x200), 10);
	assert_memory_equal(c, "\x4d\0\x6f\0\0\0\0\x02\0\0", 10);
	assert_int_equal(scsi_cmd_rw(c, &(struct scsi_rw){ 0x12345678, 0x9abc, false, false }), 10);
	assert_memory_equal(c, "\x28\0\x12\x34\x56\x78\0\x9a\xbc\0", 10);
	assert_int_equal(scsi_cmd_rw(c, &(struct scsi_rw){ UINT32_MAX, 1, true, true }), 16);
	assert_memory_equal(c, "\x8a\x08\0\0\0\0\xff\xff\xff\xff\0\0\0\x01\0\0", 16);
	assert_int_equal(scsi_cmd_rw(c, &(struct scsi_rw){ 0, 65536, false, false }), 16);
	assert_int_equal(c[0], SCSI_READ_16);
	assert_int_equal(scsi_cmd_flush(c), 10);
	assert_memory_equal(c, "\x35\0\0\0\0\0\0\0\0\0", 10);
	assert_int_equal(scsi_cmd_unmap(c, 2), 10);
	assert_memory_equal(c, "\x42\0\0\0\0\0\0\0\x28\0", 10);
	scsi_unmap_header(list, 2);
	scsi_unmap_range(list, 0, 1, 2);
	scsi_unmap_range(list, 1, 0x100000000, 3);
	assert_memory_equal(list, "\0\x26\0\x20\0\0\0\0", 8);
	assert_memory_equal(list + 8, "\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0\0\0", 16);
	assert_memory_equal(list + 24, "\0\0\0\x01\0\0\0\0\0\0\0\x03\0\0\0\0", 16);
	assert_int_equal(scsi_cmd_write_same(c, 0x123456789, 0x10000, true), 16);
	assert_memory_equal(c, "\x93\x08\0\0\0\x01\x23\x45\x67\x89\0\x01\0\0\0\0", 16);
}

static void
who_is_there(void **state)
{
	static const uint8_t qemu[36] =
		"\x00\x00\x05\x02\x1f\x00\x10\x02QEMU    QEMU HARDDISK   2.5+";
	uint8_t b[36];
	struct scsi_inquiry i;

	(void)state;
	assert_int_equal(scsi_inquiry(qemu, sizeof qemu, &i), 0);
	assert_true(i.there && i.type == SCSI_TYPE_DISK);
	assert_string_equal(i.vendor, "QEMU");
	assert_string_equal(i.product, "QEMU HARDDISK");
	assert_string_equal(i.revision, "2.5+");
	assert_int_equal(scsi_inquiry(qemu, 35, &i), -EPROTO);
	memset(b, 0x1b, sizeof b);
	b[0] = 0x7f;
	assert_int_equal(scsi_inquiry(b, sizeof b, &i), 0);
	assert_false(i.there);
	assert_string_equal(i.revision, "____");
}

static void
units(void **state)
{
	uint8_t b[8 + 5 * 8] = { 0, 0, 0, 40 };
	uint16_t lun[8];

	(void)state;
	b[8 + 8 + 1] = 7; /* simple */
	b[8 + 16] = 0x41; /* flat: 0x0102 */
	b[8 + 17] = 2;
	b[8 + 24 + 2] = 1; /* of more levels */
	b[8 + 32] = 0xc1;  /* a well-known one */
	assert_int_equal(scsi_luns(b, sizeof b, lun, 8), 3);
	assert_true(lun[0] == 0 && lun[1] == 7 && lun[2] == 0x102);
	assert_int_equal(scsi_luns(b, sizeof b, lun, 2), 2);
	assert_int_equal(scsi_luns(b, 8 + 12, lun, 8), 1); /* cut in a unit */
	assert_int_equal(scsi_luns(b, 7, lun, 8), -EPROTO);
	memset(b, 0xff, 4); /* more than there is */
	assert_int_equal(scsi_luns(b, sizeof b, lun, 8), 3);
}

static void
capacities(void **state)
{
	uint8_t b[32] = { 0 };
	struct scsi_capacity c;

	(void)state;
	memcpy(b, "\0\0\x1f\xff\0\0\x02\0", 8);
	assert_int_equal(scsi_capacity_10(b, 8, &c), 0);
	assert_true(c.nsectors == 8192 && c.secsize == 512 && c.physsecsize == 512);
	memset(b, 0xff, 4);
	assert_int_equal(scsi_capacity_10(b, 8, &c), 0);
	assert_true(c.nsectors == 0);
	assert_int_equal(scsi_capacity_10(b, 7, &c), -EPROTO);
	b[6] = 3;
	assert_int_equal(scsi_capacity_10(b, 8, &c), -ENOTSUP);
	memcpy(b, "\0\0\0\x01\0\0\0\0\0\0\x10\0\0\x01\x80\0", 16);
	assert_int_equal(scsi_capacity_16(b, 32, &c), 0);
	assert_true(c.nsectors == 0x100000001 && c.secsize == 4096 && c.physsecsize == 8192 &&
		    c.thin);
	b[13] = 15;
	assert_int_equal(scsi_capacity_16(b, 32, &c), 0);
	assert_int_equal(c.physsecsize, 4096);
	b[12] = 1;
	assert_int_equal(scsi_capacity_16(b, 32, &c), -ENOTSUP);
	b[12] = 0;
	memset(b, 0xff, 8);
	assert_int_equal(scsi_capacity_16(b, 32, &c), -ENOTSUP);
	b[0] = 0x7f; /* more bytes than can be counted */
	assert_int_equal(scsi_capacity_16(b, 32, &c), -ENOTSUP);
	assert_int_equal(scsi_capacity_16(b, 12, &c), -EPROTO);
}

static void
product_data(void **state)
{
	static const uint8_t pages[] = "\0\0\0\x03\0\x80\xb0";
	static const uint8_t serial[] = "\0\x80\0\x08  ab\x01"
					"d  ";
	static const uint8_t id[] =
		"\0\x83\0\x14\x02\x01\0\x04TEXT\x01\x03\0\x08\x50\x01\x02\x03\x04\x05\x06\x07";
	static const uint8_t cut[] = "\0\x83\xff\xff\x02\x01\0\xffTEXT1234";
	uint8_t b[64] = { 0, 0xb0, 0, 60 };
	struct scsi_limits l;
	char text[24];
	uint64_t wwn;
	struct scsi_provisioning can;

	(void)state;
	assert_true(scsi_vpd_has(pages, 7, 0xb0));
	assert_false(scsi_vpd_has(pages, 6, 0xb0));
	assert_false(scsi_vpd_has(pages, 7, 0xb2));
	assert_int_equal(scsi_vpd_serial(serial, 12, text, sizeof text), 0);
	assert_string_equal(text, "ab_d");
	assert_int_equal(scsi_vpd_serial(serial, 12, text, 3), 0);
	assert_string_equal(text, "ab");
	assert_int_equal(scsi_vpd_serial(id, 12, text, sizeof text), -EPROTO);
	assert_int_equal(scsi_vpd_id(id, 24, &wwn), 0);
	assert_true(wwn == 0x5001020304050607);
	assert_int_equal(scsi_vpd_id(id, 23, &wwn), -ENOENT);
	assert_int_equal(scsi_vpd_id(cut, sizeof cut - 1, &wwn), -ENOENT);
	memcpy(b + 8, "\0\0\x02\0", 4);
	memcpy(b + 20, "\0\x01\0\0\0\0\0\xff", 8);
	memcpy(b + 36, "\0\0\0\x01\0\0\0\x02", 8);
	assert_int_equal(scsi_vpd_limits(b, 64, &l), 0);
	assert_true(l.max_transfer == 512 && l.unmap_sectors == 65536 && l.unmap_ranges == 255);
	assert_true(l.same_sectors == 0x100000002);
	b[3] = 12; /* an old device */
	assert_int_equal(scsi_vpd_limits(b, 64, &l), 0);
	assert_true(l.max_transfer == 512 && !l.unmap_sectors && !l.same_sectors);
	assert_int_equal(scsi_vpd_limits(b, 15, &l), -EPROTO);
	memcpy(b, "\0\xb2\0\x04\x01\xe0\0\0", 8);
	assert_int_equal(scsi_vpd_provisioning(b, 8, &can), 0);
	assert_true(can.unmap && can.same);
	b[5] = 0x80;
	assert_int_equal(scsi_vpd_provisioning(b, 8, &can), 0);
	assert_true(can.unmap && !can.same);
	assert_int_equal(scsi_vpd_provisioning(b, 7, &can), -EPROTO);
	assert_false(can.unmap);
}

static void
modes(void **state)
{
	uint8_t b[16] = { 15, 0, 0x80, 0, 0x08, 0x12, 0x04 };
	struct scsi_mode m;

	(void)state;
	assert_int_equal(scsi_mode(b, 16, &m), 0);
	assert_true(m.readonly && m.writeback && !m.fua);
	b[2] = 0x10;
	assert_int_equal(scsi_mode(b, 16, &m), 0);
	assert_true(!m.readonly && m.fua);
	b[3] = 8; /* a block descriptor before the page, beyond what came */
	b[2] = 0;
	assert_int_equal(scsi_mode(b, 14, &m), 0);
	assert_true(!m.readonly && !m.writeback);
	b[3] = 255;
	assert_int_equal(scsi_mode(b, 16, &m), 0);
	assert_int_equal(scsi_mode(b, 3, &m), -EPROTO);
}

/* Whatever bytes come, of whatever length: the sanitizers watch. */
static void
nonsense(void **state)
{
	unsigned random = 1;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		unsigned n = round % 65;
		uint8_t *b = malloc(n ? n : 1);
		struct scsi_inquiry i;
		struct scsi_capacity c;
		struct scsi_limits l;
		struct scsi_mode m;
		uint16_t lun[4];
		char text[8];
		uint64_t wwn;
		struct scsi_provisioning can;

		for (unsigned k = 0; k < n; k++) {
			random = random * 1664525 + 1013904223;
			b[k] = (uint8_t)(random >> 24);
		}
		if (n > 1 && round % 2)
			b[1] = (uint8_t[]){ 0, 0x80, 0x83, 0xb0, 0xb2 }[round % 5];
		scsi_inquiry(b, n, &i);
		scsi_luns(b, n, lun, 4);
		scsi_capacity_10(b, n, &c);
		scsi_capacity_16(b, n, &c);
		scsi_vpd_has(b, n, 0xb0);
		scsi_vpd_serial(b, n, text, sizeof text);
		scsi_vpd_id(b, n, &wwn);
		scsi_vpd_limits(b, n, &l);
		scsi_vpd_provisioning(b, n, &can);
		scsi_mode(b, n, &m);
		free(b);
	}
}

/* As disks have answered: a list, a temperature with its reference, exceptions. */
static const uint8_t log_list[] = { 0, 0, 0, 5, 0x00, 0x02, 0x0d, 0x2f, 0x30 };
static const uint8_t log_degrees[] = { 0x0d, 0, 0, 12, 0, 1, 3, 2, 0, 60, 0, 0, 3, 2, 0, 31 };
static const uint8_t log_well[] = { 0x2f, 0, 0, 8, 0, 0, 3, 4, 0, 0, 33, 0 };

static void
logs(void **state)
{
	uint8_t b[16];
	struct scsi_exceptions e;
	int degrees;

	(void)state;
	assert_int_equal(scsi_log_has(log_list, sizeof log_list, SCSI_LOG_TEMPERATURE), 1);
	assert_int_equal(scsi_log_has(log_list, sizeof log_list, 0x03), 0);
	for (size_t n = 0; n < sizeof log_list; n++) /* what did not come may be the page */
		assert_int_equal(scsi_log_has(log_list, n, 0x2f), -EPROTO);
	assert_int_equal(scsi_log_has(log_well, sizeof log_well, 0x2f), -EPROTO);
	assert_int_equal(scsi_log_temperature(log_degrees, sizeof log_degrees, &degrees), 0);
	assert_int_equal(degrees, 31);
	for (size_t n = 0; n < sizeof log_degrees; n++)
		assert_int_equal(scsi_log_temperature(log_degrees, n, &degrees), -EPROTO);
	memcpy(b, log_degrees, sizeof b);
	b[15] = 0xff;
	assert_int_equal(scsi_log_temperature(b, sizeof b, &degrees), -ENOENT);
	b[13] = 1; /* too short a value */
	assert_int_equal(scsi_log_temperature(b, sizeof b, &degrees), -EPROTO);
	b[13] = 3; /* beyond the page */
	assert_int_equal(scsi_log_temperature(b, sizeof b, &degrees), -EPROTO);
	memcpy(b, log_degrees, sizeof b);
	b[11] = 2; /* there is no parameter 0 */
	assert_int_equal(scsi_log_temperature(b, sizeof b, &degrees), -EPROTO);
	b[1] = 1; /* of a subpage */
	assert_int_equal(scsi_log_temperature(b, sizeof b, &degrees), -EPROTO);
	assert_int_equal(scsi_log_exceptions(log_well, sizeof log_well, &e), 0);
	assert_true(!e.asc && !e.ascq && e.degrees == 33);
	assert_int_equal(scsi_log_exceptions(log_well, 11, &e), -EPROTO);
	memcpy(b, log_well, sizeof log_well);
	b[8] = 0x5d, b[9] = 0x10, b[10] = 0xff;
	assert_int_equal(scsi_log_exceptions(b, sizeof log_well, &e), 0);
	assert_true(e.asc == 0x5d && e.ascq == 0x10 && e.degrees < 0);
}

static void
has_text(const struct scsi_health *h, const char *want)
{
	char text[512], cut[16];

	assert_int_equal(scsi_health_text(h, text, sizeof text), (int)strlen(want));
	assert_string_equal(text, want);
	assert_true(scsi_health_text(h, cut, sizeof cut) < (int)sizeof cut);
	assert_memory_equal(cut, want, strlen(cut));
}

static void
health(void **state)
{
	struct scsi_health h = { 0 };

	(void)state;
	has_text(&h, "smart unknown\n");
	h.pages = SCSI_REFUSED;
	has_text(&h, "smart none\n");
	h.pages = SCSI_NO_ANSWER;
	has_text(&h, "smart unknown\nsmart-note the list of log pages was not answered\n");
	h.pages = SCSI_MALFORMED;
	has_text(&h, "smart unknown\nsmart-note the list of log pages is malformed\n");
	h = (struct scsi_health){ .pages = SCSI_TOLD,
				  .temperature = SCSI_TOLD,
				  .exceptions = SCSI_NO_PAGE,
				  .degrees = 0 };
	has_text(&h, "smart none\ntemperature 0\n");
	h.degrees = -1;
	h.exceptions = SCSI_TOLD;
	h.exception.degrees = 44; /* the temperature page is asked for it, and does not know */
	has_text(&h, "smart passed\n");
	h.temperature = SCSI_MALFORMED;
	has_text(&h, "smart passed\ntemperature 44\n"
		     "smart-note the temperature page (0x0d) is malformed\n");
	h.temperature = SCSI_NO_PAGE;
	h.exception = (struct scsi_exceptions){ 0x5d, 0x10, -1 };
	has_text(&h, "smart failed a failure is predicted (0x5d/0x10)\n");
	h.exception = (struct scsi_exceptions){ 0x0b, 0x01, -1 };
	has_text(&h, "smart failed the temperature is out of range\n");
	h.exception = (struct scsi_exceptions){ 0x0b, 0x02, -1 };
	has_text(&h, "smart failed an exception (0x0b/0x02)\n");
	h.exceptions = SCSI_REFUSED;
	has_text(&h, "smart unknown\nsmart-note the informational exceptions page (0x2f) was "
		     "refused, though the disk lists it\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands),     cmocka_unit_test(who_is_there),
		cmocka_unit_test(units),        cmocka_unit_test(capacities),
		cmocka_unit_test(product_data), cmocka_unit_test(modes),
		cmocka_unit_test(nonsense),     cmocka_unit_test(logs),
		cmocka_unit_test(health),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
