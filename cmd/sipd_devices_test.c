/* What sipd makes of a changed list of functions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "sipd/devices.c"

static struct sip_pci_info
function(const char *addr, uint32_t serial)
{
	struct sip_pci_info info = { .serial = serial, .vendor = 0x1234, .device = 0x11e8 };
	snprintf(info.addr, sizeof info.addr, "%s", addr);
	return info;
}

static void
compare(void **state)
{
	struct sip_pci_info old[] = { function("0.1.0", 1), function("1.0.0", 2),
				      function("2.0.0", 3) };
	struct sip_pci_info new[] = { function("2.0.0", 4), function("0.1.0", 1),
				      function("3.0.0", 5) };
	static struct devices_change c;
	(void)state;
	devices_compare(old, 3, new, 3, &c);
	assert_int_equal(2, c.ngone);
	assert_string_equal("1.0.0", c.gone[0].addr);
	assert_string_equal("2.0.0", c.gone[1].addr);	/* another one has its place */
	assert_false(c.gone[1].leaving);
	assert_int_equal(2, c.ncome);
	assert_string_equal("2.0.0", c.come[0].addr);
	assert_int_equal(4, c.come[0].serial);
	assert_string_equal("3.0.0", c.come[1].addr);
	devices_compare(new, 3, new, 3, &c);
	assert_int_equal(0, c.ngone + c.ncome);
	devices_compare(old, 3, new, 0, &c);
	assert_int_equal(3, c.ngone);
	assert_int_equal(0, c.ncome);
}

static void
put(const char *dir, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/pci/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* The kernel's files, as files. */
static void
follow(void **state)
{
	char dir[64], path[256];
	static struct devices d;
	static struct devices_change c;
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/lux9-devices.%d", (int)getpid());
	assert_int_equal(0, mkdir(dir, 0700));
	assert_true(devices_open(&d, dir) < 0);
	snprintf(path, sizeof path, "%s/pci", dir);
	assert_int_equal(0, mkdir(path, 0700));
	put(dir, "ctl", "changes 1\n");
	put(dir, "0.1.0ctl", "class 0x010601\nvendor 0x8086\ndevice 0x2922\nserial 1\n");
	assert_int_equal(0, devices_open(&d, dir));
	assert_int_equal(1, d.n);
	assert_int_equal(1, d.now[0].serial);
	put(dir, "1.0.0ctl", "class 0x010601\nvendor 0x8086\ndevice 0x2922\nserial 2\n");
	assert_int_equal(0, devices_update(&d, &c));
	assert_int_equal(1, c.ncome);
	assert_string_equal("1.0.0", c.come[0].addr);
	put(dir, "1.0.0ctl", "class 0x010601\nvendor 0x8086\ndevice 0x2922\nserial 2\nleaving 1\n");
	assert_int_equal(0, devices_update(&d, &c));
	assert_int_equal(0, c.ncome);
	assert_int_equal(1, c.ngone);
	assert_string_equal("1.0.0", c.gone[0].addr);
	assert_true(c.gone[0].leaving);
	assert_int_equal(0, devices_update(&d, &c));
	assert_int_equal(0, c.ncome + c.ngone);
	assert_int_equal(0, unlink(strcat(path, "/1.0.0ctl")));
	assert_int_equal(0, devices_update(&d, &c));	/* it was told of already */
	assert_int_equal(0, c.ncome + c.ngone);
	/* The list cannot be read: nothing is known to have gone. */
	d.root = "/tmp/lux9-devices/nowhere";
	assert_true(devices_update(&d, &c) < 0);
	assert_int_equal(0, c.ncome + c.ngone);
	assert_int_equal(1, d.n);
	snprintf(path, sizeof path, "rm -r %s", dir);
	assert_int_equal(0, system(path));
}

static bool
taken(void *arg, const char *name)
{
	const char *const *names = arg;
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static void
plan(void **state)
{
	static const char text[] = "name edu\nprogram /boot/bin/edu\npci 0x1234:0x11e8\n";
	const char *const names[] = { "edu", "edu1", "ahci", NULL };
	struct sip_pci_info info = function("1.0.0", 7);
	char err[SIP_TEXT_MAX];
	struct sip_factory f;
	struct sip_manifest m;
	static struct places places;
	struct sip_plan p;
	(void)state;
	sip_factory_init(&f);
	assert_false(devices_plan(&f, &info, &places, taken, (void *)names, &p));
	assert_int_equal(0, sip_manifest_parse(&m, "edu", text, sizeof text - 1, err));
	assert_int_equal(0, sip_factory_register(&f, &m));
	assert_true(devices_plan(&f, &info, &places, taken, (void *)names, &p));
	assert_string_equal("edu2", p.name);
	assert_int_equal(2, p.number);
	assert_string_equal("1.0.0", p.device);
	/* Its name stays with its place, also while its predecessor has it, and is no other's. */
	info = function("0.3.0", 8);
	assert_true(devices_plan(&f, &info, &places, taken, (void *)(names + 3), &p));
	assert_string_equal("edu", p.name);
	info = function("0.2.0", 9);
	assert_true(devices_plan(&f, &info, &places, taken, (void *)(names + 3), &p));
	assert_string_equal("edu1", p.name);
	info = function("0.4.0", 10);
	assert_true(devices_plan(&f, &info, &places, taken, (void *)(names + 3), &p));
	assert_string_equal("edu3", p.name);
	info = function("1.0.0", 11);
	assert_true(devices_plan(&f, &info, &places, taken, (void *)names, &p));
	assert_string_equal("edu2", p.name);
	/* When many have gone, a number is given again; not one of a server that is there. */
	for (unsigned i = 10; i < 20; i++) {
		char addr[16];
		snprintf(addr, sizeof addr, "0.%u.0", i);
		info = function(addr, i);
		assert_true(devices_plan(&f, &info, &places, taken, (void *)names, &p));
		assert_in_range(p.number, 2, 7);
	}
	places.n = 0;
	/* A place that was there at the start has its number. */
	p = (struct sip_plan){ .type = p.type, .device = "0.9.0", .number = 4 };
	places_add(&places, &p);
	info = function("0.9.0", 12);
	assert_true(devices_plan(&f, &info, &places, taken, (void *)names, &p));
	assert_string_equal("edu4", p.name);
	sip_factory_free(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compare), cmocka_unit_test(follow), cmocka_unit_test(plan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
