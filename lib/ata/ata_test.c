/*
 * IDENTIFY pages, commands, FISes and AHCI's structures against bytes written out by hand from the
 * standards.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "testing/page.h"

struct page {
	uint8_t b[512];
};

static void
word(struct page *p, unsigned i, uint16_t v)
{
	ata_page_put(p->b, i, v);
}

static void
checksum(struct page *p)
{
	p->b[510] = 0xa5;
	ata_page_seal(p->b);
}

/* A 480 GB solid-state disk: 512e, NCQ, TRIM. */
static struct page
ssd(void)
{
	struct page p = { { 0 } };

	word(&p, 0, 0x0040);
	word(&p, 1, 16383);
	word(&p, 3, 16);
	word(&p, 6, 63);
	memcpy(p.b + 20, "  4S5G1N01S60812 K  ", 20);
	memcpy(p.b + 46, "RV0T1BQ6", 8);
	memcpy(p.b + 54, "aSsmnu gSS D68 0VE O05G0 B              ", 40);
	word(&p, 49, 0x2f00);
	word(&p, 60, 0xffff);
	word(&p, 61, 0x0fff);
	word(&p, 69, 0x4020);
	word(&p, 75, 31);
	word(&p, 76, 0x850e);
	word(&p, 82, 0x746b);
	word(&p, 83, 0x7d01);
	word(&p, 84, 0x4163);
	word(&p, 85, 0x7469);
	word(&p, 87, 0x4163);
	word(&p, 100, 0x12b0);
	word(&p, 101, 0x37e4);
	word(&p, 105, 8);
	word(&p, 106, 0x6003);
	word(&p, 108, 0x5002);
	word(&p, 109, 0x538e);
	word(&p, 110, 0x4070);
	word(&p, 111, 0x1234);
	word(&p, 169, 1);
	word(&p, 209, 0x4000);
	word(&p, 217, 1);
	checksum(&p);
	return p;
}

static void
identify_ssd(void **state)
{
	struct page p = ssd();
	struct ata_identity id;

	(void)state;
	assert_int_equal(ata_identify(p.b, &id), 0);
	assert_string_equal(id.model, "Samsung SSD 860 EVO 500GB");
	assert_string_equal(id.serial, "S4G5N1106S8021K");
	assert_string_equal(id.firmware, "VRT0B16Q");
	assert_true(id.nsectors == 0x37e412b0ull);
	assert_int_equal(id.secsize, 512);
	assert_int_equal(id.physsecsize, 4096);
	assert_int_equal(id.queue_depth, 32);
	assert_true(id.lba48 && id.ncq && id.dma && id.fua && id.flush && id.flush_ext);
	assert_true(id.smart && id.smart_on && id.write_cache && id.write_cache_on);
	assert_true(id.trim && id.trim_zeroes);
	assert_int_equal(id.trim_blocks, 8);
	assert_int_equal(id.rotation, 1);
	assert_int_equal(id.sata_gen, 3);
	assert_true(id.wwn == 0x5002538e40701234ull);
	p.b[100]++;
	assert_int_equal(ata_identify(p.b, &id), -EINVAL);
	p.b[510] = 0; /* a device without a checksum */
	assert_int_equal(ata_identify(p.b, &id), 0);
}

/* The trap: words 117-118 count words, not bytes. */
static void
identify_sector_sizes(void **state)
{
	static const struct {
		uint16_t w106;
		uint32_t words;
		uint32_t logical, physical;
	} t[] = {
		{ 0x5000, 2048, 4096, 4096 }, { 0x4000, 2048, 512, 512 },
		{ 0x1000, 2048, 512, 512 },   { 0xd000, 2048, 512, 512 },
		{ 0x7001, 1024, 2048, 4096 }, { 0x6003, 0, 512, 4096 },
		{ 0x5000, 256, 512, 512 },    { 0x5000, 260, 0, 0 },
		{ 0x5000, 0, 0, 0 },          { 0x5000, 4096, 0, 0 },
		{ 0x5000, 0x80000000, 0, 0 }, { 0x600f, 0, 0, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct page p = ssd();
		struct ata_identity id;
		int err;

		word(&p, 106, t[i].w106);
		word(&p, 117, (uint16_t)t[i].words);
		word(&p, 118, (uint16_t)(t[i].words >> 16));
		checksum(&p);
		err = ata_identify(p.b, &id);
		if (!t[i].logical) {
			assert_int_equal(err, -ENOTSUP);
			continue;
		}
		assert_int_equal(err, 0);
		assert_int_equal(id.secsize, t[i].logical);
		assert_int_equal(id.physsecsize, t[i].physical);
	}
}

static void
identify_others(void **state)
{
	struct page p = ssd();
	struct ata_identity id;

	(void)state;
	word(&p, 83, 0x4000); /* 28 bits, no flush */
	word(&p, 76, 0xffff);
	word(&p, 217, 7200);
	checksum(&p);
	assert_int_equal(ata_identify(p.b, &id), 0);
	assert_int_equal(id.nsectors, 0x0fffffff);
	assert_false(id.lba48 || id.ncq || id.flush || id.flush_ext);
	assert_int_equal(id.queue_depth, 1);
	assert_int_equal(id.rotation, 7200);
	word(&p, 83, 0xc400); /* bits 15:14 say that the word is nothing */
	checksum(&p);
	assert_int_equal(ata_identify(p.b, &id), 0);
	assert_false(id.lba48);
	word(&p, 60, 0);
	word(&p, 61, 0);
	checksum(&p);
	assert_int_equal(ata_identify(p.b, &id), -ENOTSUP);
	word(&p, 0, 0x8580); /* ATAPI */
	checksum(&p);
	assert_int_equal(ata_identify(p.b, &id), 0);
	assert_true(id.packet);
	p = ssd();
	word(&p, 69, 0x4028); /* the extended number of sectors */
	word(&p, 230, 0x1234);
	word(&p, 232, 1);
	word(&p, 106, 0);
	checksum(&p);
	assert_int_equal(ata_identify(p.b, &id), 0);
	assert_true(id.nsectors == 0x100001234ull);
	word(&p, 233, 0xffff);
	checksum(&p);
	assert_int_equal(ata_identify(p.b, &id), -ENOTSUP);
	memset(&p, 0xff, sizeof p);
	p.b[510] = 0;
	assert_int_equal(ata_identify(p.b, &id), -ENOTSUP);
}

static void
commands(void **state)
{
	struct ata_identity id = {
		.lba48 = true, .ncq = true, .fua = true, .flush_ext = true, .nsectors = 1ull << 40
	};
	struct ata_rw rw = {
		.lba = 0x123456789a, .n = 0x0201, .write = true, .queued = true, .tag = 31
	};
	static const uint8_t fpdma[20] = { 0x27, 0x80, 0x61, 0x01, 0x9a, 0x78, 0x56,
					   0x40, 0x34, 0x12, 0x00, 0x02, 0xf8 };
	static const uint8_t ext[20] = { 0x27, 0x80, 0x25, 0, 0x9a, 0x78, 0x56,
					 0x40, 0x34, 0x12, 0, 0,    0x01, 0x02 };
	static const uint8_t dma28[20] = { 0x27, 0x80, 0xca, 0, 0x56, 0x34, 0x12,
					   0x4f, 0,    0,    0, 0,    0 };
	struct ata_command c;
	uint8_t fis[20];

	(void)state;
	assert_int_equal(ata_cmd_rw(&id, &rw, &c), 0);
	ata_fis_h2d(fis, &c);
	assert_memory_equal(fis, fpdma, sizeof fis);
	rw.tag = 32;
	assert_int_equal(ata_cmd_rw(&id, &rw, &c), -EINVAL);
	rw.queued = rw.write = false;
	assert_int_equal(ata_cmd_rw(&id, &rw, &c), 0);
	ata_fis_h2d(fis, &c);
	assert_memory_equal(fis, ext, sizeof fis);
	rw.n = 65536;
	assert_int_equal(ata_cmd_rw(&id, &rw, &c), 0);
	assert_int_equal(c.count, 0);
	rw.n = 65537;
	assert_int_equal(ata_cmd_rw(&id, &rw, &c), -EINVAL);
	rw.n = 0;
	assert_int_equal(ata_cmd_rw(&id, &rw, &c), -EINVAL);
	rw = (struct ata_rw){ .lba = id.nsectors - 1, .n = 2 };
	assert_int_equal(ata_cmd_rw(&id, &rw, &c), -EINVAL);
	rw = (struct ata_rw){ .n = 8, .write = true, .fua = true };
	assert_int_equal(ata_cmd_rw(&id, &rw, &c), 0);
	assert_int_equal(c.opcode, 0x3d);
	rw.queued = true;
	assert_int_equal(ata_cmd_rw(&id, &rw, &c), 0);
	assert_int_equal(c.device, 0xc0);
	id = (struct ata_identity){ .nsectors = 1 << 28 };
	rw = (struct ata_rw){ .lba = 0xf123456, .n = 256, .write = true };
	assert_int_equal(ata_cmd_rw(&id, &rw, &c), 0);
	ata_fis_h2d(fis, &c);
	assert_memory_equal(fis, dma28, sizeof fis);
	rw.n = 257;
	assert_int_equal(ata_cmd_rw(&id, &rw, &c), -EINVAL);
	rw.n = 1;
	rw.fua = true;
	assert_int_equal(ata_cmd_rw(&id, &rw, &c), -ENOTSUP);
	ata_cmd_flush(&id, &c);
	assert_int_equal(c.opcode, 0xe7);
}

static void
trim_ranges(void **state)
{
	static const uint8_t want[24] = { 0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0xff, 0xff,
					  0x99, 0x78, 0x57, 0x34, 0x12, 0, 0x02, 0x00 };
	static const uint8_t joined[24] = { 100, 0, 0, 0, 0,   0, 0xff, 0xff, 0x63, 0, 1, 0,
					    0,   0, 2, 0, 200, 0, 0,    0,    0,    0, 1, 0 };
	uint8_t buf[1024];
	struct ata_command c;

	(void)state;
	memset(buf, 0xaa, sizeof buf);
	assert_int_equal(ata_trim_add(buf, 0, 64, 0x123456789a, 65537), 2);
	assert_int_equal(ata_trim_end(buf, 2), 1);
	assert_memory_equal(buf, want, sizeof want);
	assert_int_equal(buf[512], 0xaa);
	assert_int_equal(ata_trim_add(buf, 0, 64, 0, 65535ull * 64), 64);
	assert_int_equal(ata_trim_add(buf, 64, 64, 1, 1), -E2BIG);
	assert_int_equal(ata_trim_add(buf, 0, 64, 0, 65535ull * 64 + 1), -E2BIG);
	assert_int_equal(ata_trim_add(buf, 0, 128, 0, 65535ull * 64 + 1), 65);
	assert_int_equal(ata_trim_end(buf, 65), 2);
	/* What follows the last range is joined to it, as far as that has room. */
	assert_int_equal(ata_trim_add(buf, 0, 64, 100, 65000), 1);
	assert_int_equal(ata_trim_add(buf, 1, 64, 65100, 500), 1);
	assert_int_equal(ata_trim_add(buf, 1, 64, 65600, 37), 2);
	assert_int_equal(ata_trim_add(buf, 2, 64, 200, 1), 3);
	assert_int_equal(ata_trim_end(buf, 3), 1);
	assert_memory_equal(buf, joined, sizeof joined);
	ata_cmd_trim(1, &c);
	assert_int_equal(c.opcode, 6);
	assert_int_equal(c.features, 1);
	assert_int_equal(c.count, 1);
}

static void
error_log(void **state)
{
	uint8_t page[512] = { 0x13, 0, 0x41, 0x40, 0x56, 0x34, 0x12, 0x40, 0xbc, 0x9a, 0x78 };
	struct ata_ncq_error e;
	struct ata_command c;

	(void)state;
	ata_cmd_ncq_log(&c);
	assert_int_equal(c.opcode, 0x2f);
	assert_int_equal(c.count, 1);
	assert_int_equal(c.lba, 0x10);
	assert_int_equal(ata_ncq_error(page, &e), -EINVAL);
	ata_page_seal(page);
	assert_int_equal(ata_ncq_error(page, &e), 0);
	assert_true(e.queued);
	assert_int_equal(e.tag, 19);
	assert_int_equal(e.error, 0x40);
	assert_int_equal(e.lba, 0x789abc123456);
	page[0] = 0x80;
	ata_page_seal(page);
	assert_int_equal(ata_ncq_error(page, &e), 0);
	assert_false(e.queued);
	page[2] = 0x40;
	ata_page_seal(page);
	assert_int_equal(ata_ncq_error(page, &e), -EINVAL);
}

static void
smart(void **state)
{
	uint8_t page[512] = { 0 };
	struct ata_result r = { .lba = 0xc24f00 };
	struct ata_command c;

	(void)state;
	ata_cmd_smart(ATA_SMART_STATUS, &c);
	assert_int_equal(c.opcode, 0xb0);
	assert_int_equal(c.features, 0xda);
	assert_int_equal(c.lba, 0xc24f00);
	assert_int_equal(ata_smart_health(&r), 1);
	r.lba = 0x2cf401;
	assert_int_equal(ata_smart_health(&r), 0);
	r.lba = 0;
	assert_int_equal(ata_smart_health(&r), -EINVAL);
	assert_int_equal(ata_smart_temperature(page), -ENOENT);
	page[2] = 190;
	page[2 + 5] = 33;
	assert_int_equal(ata_smart_temperature(page), -EINVAL);
	ata_page_seal(page);
	assert_int_equal(ata_smart_temperature(page), 33);
	page[2 + 12 * 29] = 194;
	page[2 + 12 * 29 + 5] = 37;
	ata_page_seal(page);
	assert_int_equal(ata_smart_temperature(page), 37);
	page[2 + 12 * 29 + 5] = 200;
	ata_page_seal(page);
	assert_int_equal(ata_smart_temperature(page), 33);
}

static void
smart_attributes(void **state)
{
	static const uint8_t five[12] = { 5, 0, 0, 99, 30, 1, 2, 3, 4, 5, 6, 0 };
	uint8_t page[512] = { 0 }, limits[512] = { 0 };
	struct ata_attribute a[ATA_SMART_COUNT];

	(void)state;
	memcpy(page + 2 + 12 * 3, five, 12);
	page[2 + 12 * 29] = 250;
	assert_int_equal(ata_smart_attributes(page, NULL, a), 0);
	ata_page_seal(page);
	assert_int_equal(ata_smart_attributes(page, NULL, a), 2);
	assert_true(a[0].id == 5 && a[0].value == 99 && a[0].worst == 30 && a[0].threshold == 0);
	assert_true(a[0].raw == 0x060504030201 && a[1].id == 250);
	assert_string_equal(ata_smart_state(&a[0]), "ok");
	limits[2 + 12 * 7] = 5;
	limits[2 + 12 * 7 + 1] = 36;
	assert_int_equal(ata_smart_attributes(page, limits, a), 2);
	assert_int_equal(a[0].threshold, 0); /* a wrong sum */
	ata_page_seal(limits);
	assert_int_equal(ata_smart_attributes(page, limits, a), 2);
	assert_int_equal(a[0].threshold, 36);
	assert_string_equal(ata_smart_state(&a[0]), "failed");
	a[0].value = 36;
	assert_string_equal(ata_smart_state(&a[0]), "failing");
	a[0].value = a[0].worst = 37;
	assert_string_equal(ata_smart_state(&a[0]), "ok");
	assert_string_equal(ata_smart_name(5), "reallocated-sectors");
	assert_null(ata_smart_name(250));
}

static void
fis_decoding(void **state)
{
	static const uint8_t d2h[20] = { 0x34, 0x40, 0x51, 0x40, 1, 2, 3, 0xe0, 4, 5, 6, 0, 7, 8 };
	static const uint8_t pio[20] = { 0x5f, 0x60, 0x58, 0, 1, 2, 3,    0xe0, 4,
					 5,    6,    0,    1, 0, 0, 0x50, 0x00, 0x02 };
	static const uint8_t bits[8] = { 0xa1, 0x40, 0x50, 0x00, 0x01, 0x00, 0x00, 0x80 };
	struct ata_result r;

	(void)state;
	assert_int_equal(ata_fis_decode(d2h, 20, &r), 0);
	assert_true(r.interrupt && r.lba == 0x060504030201ull);
	assert_int_equal(r.status, 0x51);
	assert_int_equal(r.error, 0x40);
	assert_int_equal(r.count, 0x807);
	assert_int_equal(ata_fis_decode(pio, 20, &r), 0);
	assert_int_equal(r.end_status, 0x50);
	assert_int_equal(r.count, 512);
	assert_int_equal(ata_fis_decode(bits, 8, &r), 0);
	assert_true(r.active == 0x80000001);
	assert_int_equal(ata_fis_decode(bits, 7, &r), -EINVAL);
	assert_int_equal(ata_fis_decode(d2h, 19, &r), -EINVAL);
	assert_int_equal(ata_fis_decode((const uint8_t[20]){ 0x27 }, 20, &r), -EINVAL);
}

static void
errors(void **state)
{
	char text[100], small[12];

	(void)state;
	ata_error_text(0x51, 0x40, text, sizeof text);
	assert_string_equal(text, "status 0x51 DRDY DSC ERR, error 0x40 UNC");
	ata_error_text(0xff, 0x84, text, sizeof text);
	assert_non_null(strstr(text, "BSY DRDY DF"));
	assert_non_null(strstr(text, "ICRC ABRT"));
	for (size_t n = 1; n <= sizeof small; n++) {
		int len = ata_error_text(0xff, 0xff, small, n);

		assert_true(len >= 0 && (size_t)len < n && strlen(small) < n);
	}
	assert_int_equal(ata_errno(0x50, 0), 0);
	assert_int_equal(ata_errno(0x51, 0x40), -EIO);
	assert_int_equal(ata_errno(0x51, 0x02), -ENOMEDIUM);
	assert_int_equal(ata_errno(0x20, 0), -EIO);
	assert_string_equal(ata_opcode_name(0x60), "READ FPDMA QUEUED");
	assert_string_equal(ata_opcode_name(0xff), "unknown command");
}

static void
ahci_memory(void **state)
{
	struct dma_seg pieces[3] = { { 0x123456000, 4096 },
				     { 0x10000000, (4 << 20) + 512 },
				     { 0x2000, 2 } };
	uint32_t prd[8][4], header[8];

	(void)state;
	assert_int_equal(ahci_prdt(prd, 8, pieces, 3), 4);
	assert_int_equal(prd[0][0], 0x23456000);
	assert_int_equal(prd[0][1], 1);
	assert_int_equal(prd[0][3], 4095);
	assert_int_equal(prd[1][3], (4 << 20) - 1);
	assert_int_equal(prd[2][0], 0x10400000);
	assert_int_equal(prd[2][3], 511);
	assert_int_equal(prd[3][3], 1);
	assert_int_equal(ahci_prdt(prd, 3, pieces, 3), -E2BIG);
	assert_int_equal(ahci_prdt(prd, 8, pieces, 0), -EINVAL);
	pieces[2].bytes = 3;
	assert_int_equal(ahci_prdt(prd, 8, pieces, 3), -EINVAL);
	pieces[2] = (struct dma_seg){ 0x2001, 2 };
	assert_int_equal(ahci_prdt(prd, 8, pieces, 3), -EINVAL);
	pieces[2] = (struct dma_seg){ 0x2000, 0 };
	assert_int_equal(ahci_prdt(prd, 8, pieces, 3), -EINVAL);
	ahci_header(header, AHCI_HEADER_WRITE, 3, 0x123456780);
	assert_int_equal(header[0], 3 << 16 | 0x45);
	assert_int_equal(header[2], 0x23456780);
	assert_int_equal(header[3], 1);
	assert_int_equal(ahci_header_moved(header), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identify_ssd),    cmocka_unit_test(identify_sector_sizes),
		cmocka_unit_test(identify_others), cmocka_unit_test(commands),
		cmocka_unit_test(trim_ranges),     cmocka_unit_test(error_log),
		cmocka_unit_test(smart),           cmocka_unit_test(smart_attributes),
		cmocka_unit_test(fis_decoding),    cmocka_unit_test(errors),
		cmocka_unit_test(ahci_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
