/* PACKET, the words of IDENTIFY about transfers, commands for programmed I/O: against ACS-4. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "ata.h"

static void
packets(void **state)
{
	static const uint8_t cdb[16] = { 0x28, 1, 2, 3 };
	struct ata_packet p;

	(void)state;
	ata_cmd_packet(cdb, 36, false, &p);
	assert_true(p.command.opcode == 0xa0 && p.command.features == 0 &&
		    p.command.lba == 36 << 8);
	assert_memory_equal(p.cdb, cdb, 16);
	ata_cmd_packet(cdb, 1 << 20, false, &p);
	assert_int_equal(p.command.lba, 0xfffe00);
	ata_cmd_packet(cdb, 1 << 20, true, &p);
	assert_true(p.command.features == 1 && p.command.lba == 0);
	ata_cmd_packet(cdb, 0, false, &p); /* what is not wanted must have a way out, too */
	assert_int_equal(p.command.lba, 0xfffe00);
}

static void
words(void **state)
{
	uint8_t page[512] = { 0xa1, 0x85 };
	struct ata_transfers t;

	(void)state;
	ata_transfers(page, &t);
	assert_true(t.cdb_size == 16 && t.cdb_interrupts && !t.dma && !t.multiple);
	page[0] = 0xc0;
	page[2 * 47] = 16;
	page[2 * 49 + 1] = 1;
	page[2 * 62 + 1] = 0x80;
	ata_transfers(page, &t);
	assert_true(t.cdb_size == 12 && !t.cdb_interrupts && t.dma && t.dma_direction);
	assert_int_equal(t.multiple, 16);
	page[2 * 47] = 12; /* no power of 2 */
	ata_transfers(page, &t);
	assert_int_equal(t.multiple, 0);
	memset(page, 0xff, sizeof page);
	ata_transfers(page, &t);
	assert_true(t.multiple == 0 && t.cdb_size == 12);
}

static void
programmed(void **state)
{
	struct ata_identity id = { .nsectors = 1 << 20 };
	struct ata_rw rw = { .lba = 0x12345, .n = 8 };
	struct ata_command c;

	(void)state;
	assert_int_equal(ata_cmd_rw_pio(&id, &rw, false, &c), 0);
	assert_true(c.opcode == 0x20 && c.count == 8 && c.lba == 0x12345 && c.device == 0x40);
	assert_int_equal(ata_cmd_rw_pio(&id, &rw, true, &c), 0);
	assert_int_equal(c.opcode, 0xc4);
	rw.write = true;
	id.lba48 = true;
	assert_int_equal(ata_cmd_rw_pio(&id, &rw, false, &c), 0);
	assert_int_equal(c.opcode, 0x34);
	assert_int_equal(ata_cmd_rw_pio(&id, &rw, true, &c), 0);
	assert_int_equal(c.opcode, 0x39);
	rw.lba = 1 << 20;
	assert_int_equal(ata_cmd_rw_pio(&id, &rw, true, &c), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets),
		cmocka_unit_test(words),
		cmocka_unit_test(programmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
