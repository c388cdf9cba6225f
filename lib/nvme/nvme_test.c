/*
 * Commands, PRP lists, completions, IDENTIFY pages and logs against bytes written out by hand from
 * the standard.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "nvme.h"

enum { PAGE = 4096, LIST_MAX = 256 };

static void
put(uint8_t *p, size_t at, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[at + i] = (uint8_t)(v >> 8 * i);
}

static void
registers(void **state)
{
	uint32_t cc = 0, low = 0x0f0107ff, high = 0x00000120; /* as QEMU's, but for the stride */

	(void)state;
	assert_int_equal(NVME_CAP_MQES_get(low), 2047);
	assert_true(NVME_CAP_CQR_get(low));
	assert_int_equal(NVME_CAP_TO_get(low), 15);
	assert_int_equal(NVME_CAPH_DSTRD_get(high), 0);
	assert_int_equal(NVME_CAPH_CSS_get(high), 9);
	cc = NVME_CC_IOSQES_set(NVME_CC_IOCQES_set(cc, 4), 6);
	assert_int_equal(NVME_CC_EN_set(cc, 1), 0x00460001);
	assert_int_equal(NVME_CC_SHN_set(cc, NVME_SHN_NORMAL), 0x00464000);
	assert_int_equal(nvme_doorbell(0, false, 0), 0x1000);
	assert_int_equal(nvme_doorbell(0, true, 0), 0x1004);
	assert_int_equal(nvme_doorbell(3, true, 0), 0x101c);
	assert_int_equal(nvme_doorbell(3, false, 2), 0x1000 + 6 * 16);
}

static void
commands(void **state)
{
	struct nvme_command c = nvme_cmd_rw(NVME_WRITE, 3, 0x123456789aull, 8, true);
	uint8_t b[NVME_SQE_SIZE];

	(void)state;
	memcpy(b, &c, sizeof b);
	assert_int_equal(b[0], 1);
	assert_int_equal(b[4], 3);
	assert_memory_equal(b + 40, "\x9a\x78\x56\x34\x12\0\0\0\x07\0\0\x40", 12);
	c = nvme_cmd_rw(NVME_READ, 1, 0, NVME_BLOCKS_MAX, false);
	assert_int_equal(c.opcode, 2);
	assert_int_equal(c.cdw12, 0xffff);
	c = nvme_cmd_zeroes(1, 5, 2);
	assert_int_equal(c.opcode, 8);
	assert_int_equal(c.cdw10, 5);
	assert_int_equal(c.cdw12, 0x02000001);
	c = nvme_cmd_flush(9);
	assert_int_equal(c.opcode, 0);
	assert_int_equal(c.nsid, 9);
	c = nvme_cmd_deallocate(1, 256, 0x1000);
	assert_int_equal(c.opcode, 9);
	assert_int_equal(c.cdw10, 255);
	assert_int_equal(c.cdw11, 4);
	assert_int_equal(c.prp1, 0x1000);
}

static void
admin_commands(void **state)
{
	struct nvme_command c = nvme_cmd_create_cq(2, 64, 5, 0x3000);

	(void)state;
	assert_int_equal(c.opcode, 5);
	assert_int_equal(c.cdw10, 63 << 16 | 2);
	assert_int_equal(c.cdw11, 5 << 16 | 3);
	assert_int_equal(c.prp1, 0x3000);
	c = nvme_cmd_create_sq(2, 64, 0x4000);
	assert_int_equal(c.opcode, 1);
	assert_int_equal(c.cdw10, 63 << 16 | 2);
	assert_int_equal(c.cdw11, 2 << 16 | 1);
	c = nvme_cmd_identify(NVME_CNS_LIST, 7, 0x5000);
	assert_int_equal(c.opcode, 6);
	assert_int_equal(c.nsid, 7);
	assert_int_equal(c.cdw10, 2);
	c = nvme_cmd_abort(3, 0x1234);
	assert_int_equal(c.opcode, 8);
	assert_int_equal(c.cdw10, 0x12340003);
	c = nvme_cmd_set_feature(NVME_FEATURE_QUEUES, 0x00030003);
	assert_int_equal(c.opcode, 9);
	assert_int_equal(c.cdw10, 7);
	assert_int_equal(c.cdw11, 0x00030003);
	c = nvme_cmd_log(NVME_LOG_SMART, NVME_SMART_SIZE, 0x6000);
	assert_int_equal(c.opcode, 2);
	assert_int_equal(c.nsid, UINT32_MAX);
	assert_int_equal(c.cdw10, 127 << 16 | 2);
}

static void
ranges(void **state)
{
	static uint8_t buf[NVME_RANGES_MAX * NVME_RANGE_SIZE];
	int n = 0;

	(void)state;
	n = nvme_range_add(buf, (unsigned)n, 100, 8);
	n = nvme_range_add(buf, (unsigned)n, 108, 4); /* goes on */
	n = nvme_range_add(buf, (unsigned)n, 90, 10);
	assert_int_equal(n, 2);
	assert_memory_equal(buf, "\0\0\0\0\x0c\0\0\0\x64\0\0\0\0\0\0\0", 16);
	assert_memory_equal(buf + 16, "\0\0\0\0\x0a\0\0\0\x5a\0\0\0\0\0\0\0", 16);
	n = nvme_range_add(buf, (unsigned)n, 100, UINT32_MAX - 9); /* too long for one */
	assert_int_equal(n, 3);
	while (n < NVME_RANGES_MAX)
		n = nvme_range_add(buf, (unsigned)n, 1000 + 2ull * (unsigned)n, 1);
	assert_int_equal(nvme_range_add(buf, (unsigned)n, 0, 1), -ENOSPC);
}

static void
rings(void **state)
{
	uint8_t sq[3 * NVME_SQE_SIZE] = { 1 }, cq[3 * NVME_CQE_SIZE] = { 1 };
	struct nvme_ring r = { .sq = sq, .cq = cq, .entries = 3 };
	struct nvme_command cmd = { .opcode = 7 };
	struct nvme_completion c;

	(void)state;
	nvme_ring_init(&r);
	for (unsigned i = 0; i < 7; i++) {
		uint32_t phase = i / 3 % 2 ? 0 : 1;

		assert_int_equal(r.tail, i % 3);
		cmd.cid = (uint16_t)i;
		nvme_ring_put(&r, &cmd);
		assert_int_equal(sq[i % 3 * NVME_SQE_SIZE], 7);
		assert_int_equal(sq[i % 3 * NVME_SQE_SIZE + 2], i);
		assert_false(nvme_ring_take(&r, &c));
		put(cq, i % 3 * NVME_CQE_SIZE + 12, phase << 16 | i, 4);
		assert_true(nvme_ring_take(&r, &c));
		assert_int_equal(c.cid, i);
		assert_int_equal(r.head, (i + 1) % 3);
		assert_false(nvme_ring_take(&r, &c));
	}
}

static void
prps(void **state)
{
	uint64_t entry[LIST_MAX + 1] = { 0 };
	struct nvme_prp_list list = { entry, 0x800, LIST_MAX };
	struct dma_seg one = { 0x10200, 0xe00 }, two[] = { { 0x10200, 0xe00 }, { 0x77000, 4 } };
	struct dma_seg three[] = { { 0x10ffc, 4 }, { 0x77000, 0x1000 }, { 0x20000, 0x1800 } };
	struct dma_seg most = { 0x100004, 1 << 20 };
	struct nvme_command c = { 0 };

	(void)state;
	assert_int_equal(nvme_prps(&c, &one, 1, PAGE, &list), 0);
	assert_int_equal(c.prp1, 0x10200);
	assert_int_equal(c.prp2, 0);
	assert_int_equal(nvme_prps(&c, two, 2, PAGE, &list), 0);
	assert_int_equal(c.prp2, 0x77000);
	assert_int_equal(nvme_prps(&c, three, 3, PAGE, &list), 0);
	assert_int_equal(c.prp1, 0x10ffc);
	assert_int_equal(c.prp2, 0x800);
	assert_int_equal(entry[0], 0x77000);
	assert_int_equal(entry[1], 0x20000);
	assert_int_equal(entry[2], 0x21000);
	assert_int_equal(entry[3], 0);
	assert_int_equal(nvme_prps(&c, &most, 1, PAGE, &list), 0);
	assert_int_equal(entry[255], 0x200000);
	assert_int_equal(entry[256], 0);
	/* Larger pages: fewer entries for the same. */
	assert_int_equal(nvme_prps(&c, &most, 1, 64 << 10, &list), 0);
	assert_int_equal(entry[0], 0x110000);
	assert_int_equal(entry[15], 0x200000);
}

static void
prps_that_are_refused(void **state)
{
	uint64_t entry[LIST_MAX + 1] = { 0 };
	struct nvme_prp_list list = { entry, 0x800, LIST_MAX };
	struct dma_seg odd = { 0x10002, 16 }, none = { 0x1000, 0 }, wraps = { UINT64_MAX - 3, 8 };
	struct dma_seg hole[] = { { 0x10000, 0x800 }, { 0x20000, 0x1000 } };
	struct dma_seg late[] = { { 0x10000, 0x1000 }, { 0x20800, 0x800 } };
	struct dma_seg most = { 0x100004, (1 << 20) + PAGE };
	struct nvme_command c = { 0 };

	(void)state;
	assert_int_equal(nvme_prps(&c, &odd, 1, PAGE, &list), -EINVAL);
	assert_int_equal(nvme_prps(&c, &none, 1, PAGE, &list), -EINVAL);
	assert_int_equal(nvme_prps(&c, &wraps, 1, PAGE, &list), -EINVAL);
	assert_int_equal(nvme_prps(&c, hole, 2, PAGE, &list), -EINVAL);
	assert_int_equal(nvme_prps(&c, late, 2, PAGE, &list), -EINVAL);
	assert_int_equal(nvme_prps(&c, hole, 0, PAGE, &list), -EINVAL);
	assert_int_equal(nvme_prps(&c, &most, 1, PAGE, &list), -E2BIG);
	assert_int_equal(entry[LIST_MAX], 0);
}

/* What the controller must read beside the command is what counts. */
static void
sgl_or_prps(void **state)
{
	struct dma_seg one = { 0x10200, 0xe00 }, two = { 0x10000, 0x2000 };
	struct dma_seg three = { 0x10000, 0x3000 }, inside = { 0x10ffc, 0x1008 };
	struct dma_seg seg[9];

	(void)state;
	assert_false(nvme_sgl_is_shorter(&one, 1, PAGE));
	assert_false(nvme_sgl_is_shorter(&two, 1, PAGE));
	assert_true(nvme_sgl_is_shorter(&three, 1, PAGE));
	assert_true(nvme_sgl_is_shorter(&inside, 1, PAGE)); /* it touches three */
	assert_false(nvme_sgl_is_shorter(&three, 1, 64 << 10));
	for (unsigned i = 0; i < 9; i++)
		seg[i] = (struct dma_seg){ 0x100000 + 0x2000ull * i, PAGE };
	assert_false(nvme_sgl_is_shorter(seg, 9, PAGE));
	for (unsigned i = 1; i < 9; i++) /* in pairs: 5 descriptors of 16 against 8 of 8 */
		if (i % 2)
			seg[i].paddr = seg[i - 1].paddr + PAGE;
	assert_false(nvme_sgl_is_shorter(seg, 9, PAGE));
	for (unsigned i = 3; i < 8; i++) /* 3 of 16 */
		seg[i].paddr = seg[i - 1].paddr + PAGE;
	assert_true(nvme_sgl_is_shorter(seg, 9, PAGE));
}

static void
sgls(void **state)
{
	uint8_t room[3 * NVME_SGL_SIZE];
	struct nvme_sgl_list list = { room, 0x123456780, 2 };
	struct dma_seg one[] = { { 0x10200, 0xe00 }, { 0x11000, 0x1000 }, { 0x12000, 0x201 } };
	struct dma_seg two[] = { { 0x5000, 0x1000 }, { 0x9003, 7 }, { 0x900a, 0x10 } };
	struct nvme_command c = { 0 };

	(void)state;
	memset(room, 0xee, sizeof room);
	assert_int_equal(nvme_sgl(&c, one, 3, 1, &list), 0);
	assert_int_equal(c.flags, 0x40);
	assert_memory_equal(&c.prp1, "\x00\x02\x01\0\0\0\0\0\x01\x20\0\0\0\0\0\0", 16);
	assert_int_equal(nvme_sgl(&c, two, 3, 1, &list), 0);
	assert_memory_equal(&c.prp1, "\x80\x67\x45\x23\x01\0\0\0\x20\0\0\0\0\0\0\x30", 16);
	assert_memory_equal(room, "\0\x50\0\0\0\0\0\0\0\x10\0\0\0\0\0\0", 16);
	assert_memory_equal(room + 16, "\x03\x90\0\0\0\0\0\0\x17\0\0\0\0\0\0\0", 16);
	two[2].paddr++;
	assert_int_equal(nvme_sgl(&c, two, 3, 1, &list), -E2BIG);
	assert_int_equal(room[32], 0xee);
	assert_int_equal(nvme_sgl(&c, one, 3, 4, &list), -EINVAL);
	one[2].bytes = 0x200;
	assert_int_equal(nvme_sgl(&c, one, 3, 4, &list), 0);
	assert_int_equal(nvme_sgl(&c, one, 0, 4, &list), -EINVAL);
	one[0] = (struct dma_seg){ 0x1000, 0 };
	assert_int_equal(nvme_sgl(&c, one, 1, 4, &list), -EINVAL);
	one[0] = (struct dma_seg){ UINT64_MAX - 3, 8 };
	assert_int_equal(nvme_sgl(&c, one, 1, 4, &list), -EINVAL);
	one[0] = (struct dma_seg){ 0x1000, 1ull << 32 };
	assert_int_equal(nvme_sgl(&c, one, 1, 4, &list), -EINVAL);
}

static void
completions(void **state)
{
	/* Phase 1, do not retry, media error 0x81. */
	uint32_t word[4] = { 0x11, 0, 3u << 16 | 7, 0xc5030000 | 0x1234 };
	struct nvme_completion c = nvme_completion(word);
	char text[64];

	(void)state;
	assert_int_equal(c.result, 0x11);
	assert_int_equal(c.head, 7);
	assert_int_equal(c.qid, 3);
	assert_int_equal(c.cid, 0x1234);
	assert_true(c.phase);
	assert_int_equal(c.status, NVME_READ_ERROR | NVME_DO_NOT_RETRY | NVME_MORE);
	assert_int_equal(nvme_errno(c.status), -EIO);
	assert_true(nvme_status_text(c.status, text, sizeof text) > 0);
	assert_string_equal(text, "status 0x281 unrecovered read error");
	assert_int_equal(nvme_errno(0), 0);
	assert_int_equal(nvme_errno(NVME_DO_NOT_RETRY | NVME_CAPACITY), -ENOSPC);
	assert_int_equal(nvme_errno(0x7ff), -EIO);
	nvme_status_text(0x2c3, text, sizeof text);
	assert_string_equal(text, "status 0x2c3 media error");
	assert_int_equal(nvme_status_text(0x2c3, text, 8), 7);
	assert_string_equal(text, "status ");
}

static void
controller_page(uint8_t *p)
{
	memset(p, 0, NVME_IDENTIFY_SIZE);
	memcpy(p + 4, "  S4EVNF0M\x01 23456      ", 20);
	memcpy(p + 24, "Solid State Disk 970                    ", 40);
	memcpy(p + 64, "2B2QEXM7", 8);
	p[77] = 9;
	put(p, 80, 0x00010400, 4);
	put(p, 88, 8000000, 4);
	put(p, 92, 0x100, 4);
	p[258] = 7;
	p[259] = 3;
	put(p, 266, 358, 2);
	put(p, 268, 358, 2);
	p[512] = 0x66;
	p[513] = 0x44;
	put(p, 516, 256, 4);
	put(p, 520, 0x5e, 2);
	p[525] = 1;
}

static void
controller(void **state)
{
	uint8_t p[NVME_IDENTIFY_SIZE];
	struct nvme_identity id;

	(void)state;
	controller_page(p);
	assert_int_equal(nvme_identity(p, PAGE, &id), 0);
	assert_string_equal(id.serial, "S4EVNF0M_ 23456");
	assert_string_equal(id.model, "Solid State Disk 970");
	assert_string_equal(id.firmware, "2B2QEXM7");
	assert_int_equal(id.max_bytes, 2 << 20);
	assert_int_equal(id.version, 0x10400);
	assert_int_equal(id.shutdown_ms, 8000);
	assert_int_equal(id.naborts, 8);
	assert_int_equal(id.nevents, 4);
	assert_int_equal(id.nnamespaces, 256);
	assert_int_equal(id.warning_kelvin, 358);
	assert_true(id.deallocate && id.write_zeroes && id.volatile_cache && id.namespace_events);
	p[77] = 0;
	assert_int_equal(nvme_identity(p, PAGE, &id), 0);
	assert_int_equal(id.max_bytes, 0);
	p[77] = 255;
	assert_int_equal(nvme_identity(p, PAGE, &id), 0);
	assert_int_equal(id.max_bytes, 0);
	put(p, 520, 0, 2);
	p[525] = 0;
	assert_int_equal(nvme_identity(p, PAGE, &id), 0);
	assert_false(id.deallocate || id.write_zeroes || id.volatile_cache);
	p[512] = 0x67; /* entries of 128 bytes at least */
	assert_int_equal(nvme_identity(p, PAGE, &id), -ENOTSUP);
	memset(p, 0xff, sizeof p);
	assert_int_equal(nvme_identity(p, PAGE, &id), -ENOTSUP);
}

static void
namespaces(void **state)
{
	uint8_t p[NVME_IDENTIFY_SIZE] = { 0 };
	struct nvme_namespace ns;

	(void)state;
	assert_int_equal(nvme_namespace(p, &ns), -ENODEV);
	put(p, 0, 0x100000, 8);
	p[25] = 2;
	put(p, 128, 0x00090000, 4);
	put(p, 132, 0x000c0000, 4);
	put(p, 136, 0x00090008, 4);
	memcpy(p + 120, "\1\2\3\4\5\6\7\x8", 8);
	p[24] = 0x11;
	put(p, 64, 7, 2);
	p[33] = 9;
	assert_int_equal(nvme_namespace(p, &ns), 0);
	assert_int_equal(ns.nsectors, 0x100000);
	assert_int_equal(ns.secsize, 512);
	assert_int_equal(ns.physsecsize, 4096);
	assert_true(ns.thin && ns.deallocated_zero);
	assert_memory_equal(ns.id, "\1\2\3\4\5\6\7\x8\0\0\0\0\0\0\0\0", 16);
	p[26] = 1;
	p[24] = 0;
	assert_int_equal(nvme_namespace(p, &ns), 0);
	assert_int_equal(ns.secsize, 4096);
	assert_int_equal(ns.physsecsize, 4096);
	p[26] = 2; /* with metadata */
	assert_int_equal(nvme_namespace(p, &ns), -ENOTSUP);
	assert_int_equal(ns.metadata, 8);
	assert_int_equal(ns.secsize, 512);
	p[26] = 3; /* a format that it has not */
	assert_int_equal(nvme_namespace(p, &ns), -ENOTSUP);
	p[26] = 0;
	p[29] = 1; /* protection */
	assert_int_equal(nvme_namespace(p, &ns), -ENOTSUP);
	p[29] = 0;
	put(p, 128, 0x000d0000, 4);
	assert_int_equal(nvme_namespace(p, &ns), -ENOTSUP);
	assert_int_equal(ns.secsize, 8192);
	put(p, 128, 0x00ff0000, 4);
	assert_int_equal(nvme_namespace(p, &ns), -ENOTSUP);
	memset(p, 0xff, sizeof p);
	assert_int_equal(nvme_namespace(p, &ns), -ENOTSUP);
}

static void
lists(void **state)
{
	uint8_t p[NVME_IDENTIFY_SIZE] = { 0 };
	uint32_t ns[NVME_LIST_MAX];

	(void)state;
	assert_int_equal(nvme_namespace_list(p, ns, NVME_LIST_MAX), 0);
	put(p, 0, 1, 4);
	put(p, 4, 5, 4);
	put(p, 8, 5, 4); /* again: no list goes on so */
	assert_int_equal(nvme_namespace_list(p, ns, NVME_LIST_MAX), 2);
	assert_int_equal(ns[1], 5);
	assert_int_equal(nvme_namespace_list(p, ns, 1), 1);
	memset(p, 0xff, sizeof p);
	assert_int_equal(nvme_namespace_list(p, ns, NVME_LIST_MAX), 0);
	for (unsigned i = 0; i < NVME_LIST_MAX; i++)
		put(p, 4ul * i, i + 1, 4);
	assert_int_equal(nvme_namespace_list(p, ns, NVME_LIST_MAX), NVME_LIST_MAX);
}

static void
smart(void **state)
{
	uint8_t p[NVME_SMART_SIZE] = { 0x06 };
	struct nvme_smart s;
	struct nvme_event e;
	char text[512];

	(void)state;
	put(p, 1, 323, 2);
	p[3] = 100;
	p[4] = 10;
	p[5] = 130;
	put(p, 32, 77, 8);
	put(p, 56, 1, 8); /* more than 64 bits */
	put(p, 160, 3, 8);
	nvme_smart(p, &s);
	assert_int_equal(s.kelvin, 323);
	assert_int_equal(s.spare, 100);
	assert_int_equal(s.used, 130);
	assert_int_equal(s.units_read, 77);
	assert_true(s.units_written == UINT64_MAX);
	assert_int_equal(s.media_errors, 3);
	nvme_smart_text(&s, text, sizeof text);
	assert_string_equal(
		text, "smart failed the temperature is out of range, the medium is not reliable\n"
		      "temperature 50\nsmart-value available-spare 100\n"
		      "smart-value spare-threshold 10\nsmart-value percentage-used 130\n"
		      "smart-value data-units-read 77\n"
		      "smart-value data-units-written 18446744073709551615\n"
		      "smart-value power-cycles 0\nsmart-value power-on-hours 0\n"
		      "smart-value unsafe-shutdowns 0\nsmart-value media-errors 3\n"
		      "smart-value error-log-entries 0\n");
	s.critical = 0;
	s.kelvin = 0;
	assert_int_equal(nvme_smart_text(&s, text, 15), 14);
	assert_string_equal(text, "smart passed\ns");
	assert_true(nvme_critical_text(0xff, text, NVME_CRITICAL_MAX) < NVME_CRITICAL_MAX - 1);
	assert_int_equal(nvme_critical_text(0xff, text, 10), 9);
	assert_string_equal(text, "the spare");
	e = nvme_event(0x00040002);
	assert_int_equal(e.type, NVME_EVENT_TYPE_NOTICE);
	assert_int_equal(e.info, 0);
	assert_int_equal(e.log, NVME_LOG_NAMESPACES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers),
		cmocka_unit_test(commands),
		cmocka_unit_test(admin_commands),
		cmocka_unit_test(ranges),
		cmocka_unit_test(rings),
		cmocka_unit_test(prps),
		cmocka_unit_test(prps_that_are_refused),
		cmocka_unit_test(sgl_or_prps),
		cmocka_unit_test(sgls),
		cmocka_unit_test(completions),
		cmocka_unit_test(controller),
		cmocka_unit_test(namespaces),
		cmocka_unit_test(lists),
		cmocka_unit_test(smart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
