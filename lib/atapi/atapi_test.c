/* Packet commands, answers, sense data and the medium's states against bytes from the standards. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "atapi.h"

static void
commands(void **state)
{
	static const uint8_t read10[16] = { 0x28, 0, 0x12, 0x34, 0x56, 0x78, 0, 0xff, 0xff, 0 };
	static const uint8_t read12[16] = { 0xa8, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0 };
	static const uint8_t toc[16] = { 0x43, 0, 1, 0, 0, 0, 0, 0, 12 };
	static const uint8_t events[16] = { 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8 };
	static const uint8_t eject[16] = { 0x1b, 0, 0, 0, 2 }, load[16] = { 0x1b, 0, 0, 0, 3 };
	static const uint8_t mode[16] = { 0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 64 };
	struct atapi_packet p;

	(void)state;
	assert_int_equal(atapi_cmd_read(0x12345678, 65535, &p), 0);
	assert_memory_equal(p.cdb, read10, 16);
	assert_int_equal(p.bytes, 65535 * 2048);
	assert_int_equal(p.direction, ATAPI_IN);
	assert_int_equal(atapi_cmd_read(1, 65536, &p), 0);
	assert_memory_equal(p.cdb, read12, 16);
	assert_int_equal(atapi_cmd_read(UINT32_MAX, 1, &p), 0);
	assert_int_equal(atapi_cmd_read(UINT32_MAX, 2, &p), -EINVAL);
	assert_int_equal(atapi_cmd_read(1ull << 32, 1, &p), -EINVAL);
	assert_int_equal(atapi_cmd_read(0, 0, &p), -EINVAL);
	assert_int_equal(atapi_cmd_read(0, 1 << 21, &p), -EINVAL); /* 4 GiB */
	atapi_cmd_toc(ATAPI_TOC_SESSIONS, &p);
	assert_memory_equal(p.cdb, toc, 16);
	atapi_cmd_events(&p);
	assert_memory_equal(p.cdb, events, 16);
	atapi_cmd_tray(ATAPI_EJECT, &p);
	assert_memory_equal(p.cdb, eject, 16);
	assert_int_equal(p.direction, ATAPI_NODATA);
	atapi_cmd_tray(ATAPI_LOAD, &p);
	assert_memory_equal(p.cdb, load, 16);
	atapi_cmd_capabilities(&p);
	assert_memory_equal(p.cdb, mode, 16);
	atapi_cmd_prevent(true, &p);
	assert_int_equal(p.cdb[4], 1);
	assert_string_equal(atapi_opcode_name(0x28), "READ(10)");
	assert_null(atapi_opcode_name(0xff));
}

static void
inquiry(void **state)
{
	static const uint8_t b[36] = "\x05\x80\x05\x32\x1f\0\0\0QEMU    QEMU DVD-ROM\x01   2.5+";
	struct atapi_inquiry i;

	(void)state;
	assert_int_equal(atapi_inquiry(b, 36, &i), 0);
	assert_true(i.type == 5 && i.removable);
	assert_string_equal(i.vendor, "QEMU");
	assert_string_equal(i.product, "QEMU DVD-ROM");
	assert_string_equal(i.revision, "2.5+");
	assert_int_equal(atapi_inquiry(b, 35, &i), -EPROTO);
	assert_int_equal(atapi_inquiry((const uint8_t[36]){ 0x7f }, 36, &i), -EPROTO);
}

static void
capacity(void **state)
{
	uint8_t b[8] = { 0, 0x05, 0x7e, 0x3f, 0, 0, 8, 0 };
	static const struct {
		uint32_t size;
		int err;
	} sizes[] = { { 0, 0 },
		      { 2048, 0 },
		      { 2336, 0 },
		      { 2340, 0 },
		      { 2352, 0 },
		      { 512, -EMEDIUMTYPE },
		      { 4096, -EMEDIUMTYPE },
		      { UINT32_MAX, -EMEDIUMTYPE } };
	uint64_t n;

	(void)state;
	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		for (unsigned k = 0; k < 4; k++)
			b[4 + k] = (uint8_t)(sizes[i].size >> (24 - 8 * k));
		assert_int_equal(atapi_capacity(b, 8, &n), sizes[i].err);
	}
	memset(b + 4, 0, 4);
	assert_int_equal(atapi_capacity(b, 7, &n), -EPROTO);
	assert_int_equal(atapi_capacity(b, 8, &n), 0);
	assert_int_equal(n, 360000);
	memset(b, 0xff, 4);
	assert_int_equal(atapi_capacity(b, 8, &n), 0);
	assert_true(n == 1ull << 32);
}

static void
tracks(void **state)
{
	uint8_t b[28] = { 0, 26, 1, 2, 0, 0x14, 1, 0,    0,    0, 0, 0, 0, 0x10,
			  2, 0,  0, 0, 4, 0,    0, 0x14, 0xaa, 0, 0, 0, 8, 0 };
	static uint8_t many[4 + 8 * 101] = { 3, 0x2a, 1, 99 };
	struct atapi_toc t;
	uint32_t lba;

	(void)state;
	assert_int_equal(atapi_toc(b, sizeof b, &t), 0);
	assert_int_equal(t.ntracks, 3);
	assert_true(t.track[0].data && !t.track[1].data && t.track[1].lba == 1024);
	assert_int_equal(t.track[2].number, 0xaa);
	assert_int_equal(atapi_toc(b, 13, &t), 0);
	assert_int_equal(t.ntracks, 1);
	assert_int_equal(atapi_toc(b, 4, &t), -EPROTO);
	assert_int_equal(atapi_toc(b, 3, &t), -EPROTO);
	b[0] = 0xff; /* says more than came */
	assert_int_equal(atapi_toc(b, sizeof b, &t), 0);
	b[26] = 1; /* the lead-out before a track */
	assert_int_equal(atapi_toc(b, sizeof b, &t), -EPROTO);
	b[2] = 0;
	assert_int_equal(atapi_toc(b, sizeof b, &t), -EPROTO);
	many[0] = 3;
	many[1] = 0x2a;
	assert_int_equal(atapi_toc(many, sizeof many, &t), -EPROTO);
	assert_int_equal(
		atapi_last_session((const uint8_t[12]){ 0, 10, 1, 2, 0, 0x14, 3, 0, 0, 1, 0, 2 },
				   12, &lba),
		0);
	assert_int_equal(lba, 0x10002);
	assert_int_equal(atapi_last_session((const uint8_t[12]){ 0, 10, 1, 2 }, 11, &lba), -EPROTO);
	assert_int_equal(atapi_last_session((const uint8_t[12]){ 0, 2, 1, 2 }, 12, &lba), -EPROTO);
}

static void
event_status(void **state)
{
	uint8_t b[8] = { 0, 6, 4, 0x10, 2, 2, 0, 0 };
	struct atapi_events e;

	(void)state;
	assert_int_equal(atapi_events(b, 8, &e), 0);
	assert_true(e.event == ATAPI_EVENT_NEW && e.present && !e.tray_open);
	b[4] = 0xff; /* an event of a later standard */
	assert_int_equal(atapi_events(b, 8, &e), 0);
	assert_int_equal(e.event, ATAPI_EVENT_NONE);
	assert_int_equal(atapi_events(b, 7, &e), -EPROTO);
	assert_int_equal(atapi_events(b, 3, &e), -EPROTO);
	b[1] = 4; /* as QEMU counts */
	b[5] = 1;
	assert_int_equal(atapi_events(b, 8, &e), 0);
	assert_true(!e.present && e.tray_open);
	b[1] = 3;
	assert_int_equal(atapi_events(b, 8, &e), -EPROTO);
	b[1] = 6;
	b[2] = 0x84;
	assert_int_equal(atapi_events(b, 8, &e), -EOPNOTSUPP);
	b[2] = 6;
	assert_int_equal(atapi_events(b, 8, &e), -EOPNOTSUPP);
}

static void
capabilities(void **state)
{
	uint8_t b[64] = { 0, 30, 0, 0, 0, 0, 0, 0, 0x2a, 18, 0, 0, 0, 0, 0x2b };
	struct atapi_caps c;

	(void)state;
	assert_int_equal(atapi_capabilities(b, 28, &c), 0);
	assert_true(c.eject && c.lock && c.locked && c.mechanism == 1);
	assert_int_equal(atapi_capabilities(b, 14, &c), -EPROTO);
	b[6] = 0xff; /* block descriptors as long as nothing can be */
	assert_int_equal(atapi_capabilities(b, 64, &c), -EPROTO);
	b[6] = 0;
	b[8] = 0x2b;
	assert_int_equal(atapi_capabilities(b, 64, &c), -EPROTO);
}

static void
sense(void **state)
{
	static const uint8_t fixed[18] = { 0xf0, 0, 3, 0, 0, 1, 2, 10, 0, 0, 0, 0, 0x11, 5 };
	static const uint8_t descriptor[8] = { 0x73, 6, 0x28, 0 };
	struct atapi_sense s;
	char text[96], small[5];

	(void)state;
	assert_int_equal(atapi_sense(fixed, 18, &s), 0);
	assert_true(s.key == 3 && s.asc == 0x11 && s.ascq == 5 && s.has_lba && s.lba == 0x102);
	assert_int_equal(atapi_errno(&s), -EIO);
	assert_int_equal(atapi_retry(&s), ATAPI_AGAIN);
	atapi_sense_text(&s, text, sizeof text);
	assert_string_equal(text, "medium error: unrecovered read error (3/11/05)");
	assert_int_equal(atapi_sense_text(&s, small, sizeof small), 4);
	assert_int_equal(atapi_sense(fixed, 13, &s), 0); /* cut short: what is missing is 0 */
	assert_true(s.asc == 0x11 && s.ascq == 0);
	assert_int_equal(atapi_sense(fixed, 3, &s), 0);
	assert_true(s.key == 3 && s.asc == 0 && !s.has_lba);
	assert_int_equal(atapi_sense(fixed, 2, &s), -EPROTO);
	assert_int_equal(atapi_sense(descriptor, 8, &s), 0);
	assert_true(s.key == 6 && s.asc == 0x28 && s.deferred);
	assert_int_equal(atapi_errno(&s), -ENOMEDIUM);
	assert_int_equal(atapi_sense(descriptor, 3, &s), -EPROTO);
	assert_int_equal(atapi_sense((const uint8_t[18]){ 0x7f, 0, 3 }, 18, &s), -EPROTO);
	assert_int_equal(atapi_sense(NULL, 0, &s), -EPROTO);
	for (unsigned key = 0; key < 16; key++) {
		s = (struct atapi_sense){ .key = (uint8_t)key, .asc = 0x99 };
		assert_true((atapi_errno(&s) == 0) == (key < 2));
		assert_true(atapi_sense_text(&s, text, sizeof text) > 0);
	}
	s = (struct atapi_sense){ .key = 5, .asc = 0x53, .ascq = 2 };
	assert_int_equal(atapi_errno(&s), -EBUSY);
	s = (struct atapi_sense){ .key = 2, .asc = 4, .ascq = 1 };
	assert_int_equal(atapi_retry(&s), ATAPI_WAIT);
}

static void
medium(void **state)
{
	static const struct atapi_sense changed = { .key = 6, .asc = 0x28 },
					none = { .key = 2, .asc = 0x3a, .ascq = 2 },
					coming = { .key = 2, .asc = 4, .ascq = 1 },
					reset = { .key = 6, .asc = 0x29 };
	struct atapi_events e = { .event = ATAPI_EVENT_NONE, .present = true };
	struct atapi_medium m = { 0 };

	(void)state;
	assert_false(atapi_medium_ready(&m)); /* nobody has begun */
	atapi_medium_begin(&m);
	assert_true(atapi_medium_ready(&m));
	assert_false(atapi_medium_sense(&m, NULL) || atapi_medium_sense(&m, &reset));
	assert_false(atapi_medium_events(&m, &e));
	assert_true(atapi_medium_sense(&m, &changed));
	assert_true(m.state == ATAPI_UNKNOWN && m.changes == 1);
	atapi_medium_begin(&m);
	assert_true(atapi_medium_sense(&m, &changed)); /* while its size is asked for */
	assert_false(atapi_medium_ready(&m));
	assert_true(atapi_medium_sense(&m, &none));
	assert_true(m.state == ATAPI_NONE && m.tray_open);
	assert_true(atapi_medium_sense(&m, &coming));
	assert_int_equal(m.state, ATAPI_WAITING);
	assert_true(atapi_medium_ready(&m));
	e.present = false;
	assert_true(atapi_medium_events(&m, &e));
	assert_int_equal(m.state, ATAPI_NONE);
	e.present = true;
	assert_true(atapi_medium_events(&m, &e)); /* one is there: look at it */
	assert_int_equal(m.state, ATAPI_UNKNOWN);
	atapi_medium_begin(&m);
	assert_true(atapi_medium_ready(&m));
	e.event = ATAPI_EVENT_CHANGED;
	assert_true(atapi_medium_events(&m, &e));
	assert_int_equal(m.changes, 3);
	atapi_medium_forget(&m);
	assert_int_equal(m.state, ATAPI_UNKNOWN);
	assert_string_equal(atapi_state_name(ATAPI_NONE), "none");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands),     cmocka_unit_test(inquiry),
		cmocka_unit_test(capacity),     cmocka_unit_test(tracks),
		cmocka_unit_test(event_status), cmocka_unit_test(capabilities),
		cmocka_unit_test(sense),        cmocka_unit_test(medium),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
