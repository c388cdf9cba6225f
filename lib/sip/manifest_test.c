/* Manifests: what is taken, and that each mistake is told with its line. */
#include "sip.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct sip_manifest m;
static char err[SIP_TEXT_MAX];

static int
parse(const char *text)
{
	return sip_manifest_parse(&m, "t", text, strlen(text), err);
}

static void
whole(void **state)
{
	(void)state;
	assert_int_equal(0, parse("# a comment\n\n name\tahci \r\nprogram /boot/bin/ahci\n"
		"args -q 4  x\ncapability device-access\ncapability dma\n"
		"port 0x70-0x71\nport 96\nline 8\n"
		"pci 0x0106\npci 0x8086:0x2922\nmount /dev/sd\nmemory 16M\npriority 20\n"
		"deadline 500\nrestart on-failure\nafter pci\nafter log-1.2\n"
		"wait 1\nstable 20\nlimit 3\ninterrupts 4000"));
	assert_string_equal("ahci", m.name);
	assert_string_equal("/boot/bin/ahci", m.program);
	assert_string_equal("-q 4  x", m.args);
	assert_int_equal(2, m.ncaps);
	assert_string_equal("dma", m.capability[1]);
	assert_int_equal(3, m.ngrants);
	assert_string_equal("port 0x70-0x71", m.grant[0]);
	assert_string_equal("port 0x60-0x60", m.grant[1]);
	assert_string_equal("line 8", m.grant[2]);
	assert_int_equal(2, m.nmatch);
	assert_int_equal(0x010600, m.match[0].class);
	assert_int_equal(0xffff00, m.match[0].class_mask);
	assert_int_equal(0x8086, m.match[1].vendor);
	assert_int_equal(0x2922, m.match[1].device);
	assert_int_equal(0, m.match[1].class_mask);
	assert_int_equal(16 << 20, m.memory);
	assert_int_equal(20, m.priority);
	assert_int_equal(500, m.deadline_ms);
	assert_int_equal(SIP_RESTART_ON_FAILURE, m.restart);
	assert_int_equal(2, m.nafter);
	assert_string_equal("log-1.2", m.after[1]);
	assert_int_equal(1, m.wait_ms);
	assert_int_equal(20, m.stable_ms);
	assert_int_equal(3, m.limit);
	assert_int_equal(4000, m.interrupts);
}

static void
least(void **state)
{
	(void)state;
	assert_int_equal(0, parse("program /x\nname n"));
	assert_int_equal(10, m.priority);
	assert_int_equal(0, m.memory);
	assert_int_equal(0, m.nmatch);
	assert_int_equal(SIP_RESTART_NEVER, m.restart);
	assert_int_equal(0, m.wait_ms);
	assert_int_equal(1000, m.stable_ms);
	assert_int_equal(8, m.limit);
	assert_int_equal(100000, m.interrupts);
	assert_int_equal(0, parse("program /x\nrestart always\nname n"));
	assert_int_equal(30000, m.wait_ms);
	assert_int_equal(0, parse("wait 0\nprogram /x\nrestart on-failure\nname n"));
	assert_int_equal(0, m.wait_ms);
}

static void
mistakes(void **state)
{
	static const struct { const char *text, *says; } bad[] = {
		{ "", "t:0: no name" },
		{ "name a", "t:1: no program" },
		{ "name a\nname b\n", "t:2: name is given twice" },
		{ "name\n", "t:1: name has no value" },
		{ "name a/b\n", "t:1: name 'a/b'" },
		{ "name ..\n", "t:1: name '..'" },
		{ "name 01234567890123456789012345678901\n", "t:1: name" },
		{ "\n\nnom a\n", "t:3: 'nom' is not a field" },
		{ "program ahci\n", "t:1: program 'ahci' is not an absolute path" },
		{ "program /a b\n", "t:1: program" },
		{ "mount dev\n", "t:1: mount 'dev'" },
		{ "capability all\n", "t:1: capability 'all' is not known" },
		{ "capability dmax\n", "t:1: capability 'dmax'" },
		{ "capability dma 0.31.2\n", "t:1: capability 'dma 0.31.2' is not known" },
		{ "port 2-1\n", "t:1: port '2-1' is not LOW-HIGH" },
		{ "port 0x10000\n", "t:1: port" },
		{ "port 1-\n", "t:1: port" },
		{ "port 1-2-3\n", "t:1: port" },
		{ "port 00000000000000000000000000000001\n", "t:1: port" },
		{ "line 256\n", "t:1: line '256' is not 0 to 255" },
		{ "line -1\n", "t:1: line" },
		{ "pci 0106\n", "t:1: pci '0106'" },
		{ "pci 0x106\n", "t:1: pci" },
		{ "pci 0x01060100\n", "t:1: pci" },
		{ "pci 0x8086\n:\n", "t:2: ':'" },
		{ "pci 0x8086:\n", "t:1: pci '0x8086:'" },
		{ "pci 0:0x2922\n", "t:1: pci" },
		{ "pci 0x10000:1\n", "t:1: pci" },
		{ "memory 1\n", "t:1: memory '1'" },
		{ "memory 16X\n", "t:1: memory" },
		{ "memory 99999999999T\n", "t:1: memory" },
		{ "priority 31\n", "t:1: priority" },
		{ "priority -1\n", "t:1: priority" },
		{ "priority 3 4\n", "t:1: priority" },
		{ "deadline 1.5\n", "t:1: deadline" },
		{ "restart sometimes\n", "t:1: restart" },
		{ "wait -1\n", "t:1: wait in ms '-1' is not 0 to 3600000" },
		{ "stable 1s\n", "t:1: stable" },
		{ "limit 0\n", "t:1: limit '0' is not 1 to 1000000" },
		{ "limit 1\nlimit 1\n", "t:2: limit is given twice" },
		{ "interrupts 9\n", "t:1: interrupts '9' is not 10" },
		{ "after /x\n", "t:1: after" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(-EINVAL, parse(bad[i].text));
		if (strncmp(err, bad[i].says, strlen(bad[i].says)) != 0)
			fail_msg("'%s' says '%s'", bad[i].text, err);
	}
}

static void
limits(void **state)
{
	char text[20000];
	(void)state;
	memset(text, 'a', sizeof text);
	assert_int_equal(-E2BIG, sip_manifest_parse(&m, "t", text, sizeof text, err));
	for (int i = 0; i < 5; i++)
		text[i] = "name "[i];
	assert_int_equal(-EINVAL, sip_manifest_parse(&m, "t", text, 600, err));
	assert_non_null(strstr(err, "t:1: a line longer"));
	assert_int_equal(-EINVAL, sip_manifest_parse(&m, "t", "name a\0b\n", 9, err));
	assert_non_null(strstr(err, "not a text file"));
	size_t n = 0;
	for (int i = 0; i < SIP_CAPS_MAX + 1; i++)
		n += (size_t)sprintf(text + n, "capability dma\n");
	assert_int_equal(-EINVAL, sip_manifest_parse(&m, "t", text, n, err));
	assert_non_null(strstr(err, "t:17: more than 16"));
	n = 0;
	for (int i = 0; i < SIP_GRANTS_MAX + 1; i++)
		n += (size_t)sprintf(text + n, i % 2 ? "port %d\n" : "line %d\n", i);
	assert_int_equal(-EINVAL, sip_manifest_parse(&m, "t", text, n, err));
	assert_non_null(strstr(err, "t:17: more than 16 ports and lines"));
	assert_int_equal(-ENOENT, sip_manifest_load(&m, "/nowhere/x", err));
	assert_non_null(strstr(err, "/nowhere/x: "));
	char path[] = "/tmp/sip" "XX" "XX" "XX";
	int fd = mkstemp(path);
	assert_int_equal(sizeof text, write(fd, text, sizeof text));
	close(fd);
	assert_int_equal(-E2BIG, sip_manifest_load(&m, path, err));
	unlink(path);
	assert_non_null(strstr(err, ": longer than 16383 bytes"));
}

/* Every prefix and every single changed byte of a good one: an answer, never a crash. */
static void
damaged(void **state)
{
	static const char good[] = "name ahci\nprogram /boot/bin/ahci\npci 0x010601\n"
		"pci 0x8086:0x2922\nmemory 16M\ncapability dma\nrestart always\nafter x\n";
	char text[sizeof good];
	(void)state;
	for (size_t n = 0; n < sizeof good; n++)
		sip_manifest_parse(&m, "t", good, n, err);
	for (size_t at = 0; at < sizeof good - 1; at++)
		for (int byte = 0; byte < 256; byte++) {
			memcpy(text, good, sizeof good);
			text[at] = (char)byte;
			int e = sip_manifest_parse(&m, "t", text, sizeof good - 1, err);
			assert_true(e == 0 || e == -EINVAL);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole), cmocka_unit_test(least), cmocka_unit_test(mistakes),
		cmocka_unit_test(limits), cmocka_unit_test(damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
