/* The factory: which driver gets a device, in which order all start, and what a slot is told. */
#include "sip.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char warnings[4096];

static void
warn(const char *text)
{
	strcat(warnings, text);
	strcat(warnings, "\n");
}

static void
add(struct sip_factory *f, const char *text)
{
	struct sip_manifest m;
	char err[SIP_TEXT_MAX];
	assert_int_equal(0, sip_manifest_parse(&m, "t", text, strlen(text), err));
	assert_int_equal(0, sip_factory_register(f, &m));
}

static const struct sip_pci_info devs[] = {
	{ .addr = "0.2.0", .class = 0x010601, .vendor = 0x8086, .device = 0x2922 },
	{ .addr = "0.3.0", .class = 0x010601, .vendor = 0x8086, .device = 0x2829 },
	{ .addr = "0.4.0", .class = 0x010802, .vendor = 0x1b36, .device = 0x0010 },
	{ .addr = "0.5.0", .class = 0x010601, .vendor = 0x1234, .device = 0x0001 },
};

static void
matching(void **state)
{
	struct sip_factory f;
	(void)state;
	sip_factory_init(&f);
	add(&f, "name any\nprogram /a\npci 0x01\n");
	add(&f, "name ahci\nprogram /a\npci 0x010601\n");
	add(&f, "name odd\nprogram /a\npci 0x1234:1\n");
	add(&f, "name none\nprogram /a\n");
	assert_string_equal("ahci", sip_factory_match(&f, &devs[0])->name);
	assert_string_equal("any", sip_factory_match(&f, &devs[2])->name);
	assert_string_equal("odd", sip_factory_match(&f, &devs[3])->name);
	struct sip_pci_info vga = { .class = 0x030000 };
	assert_null(sip_factory_match(&f, &vga));
	assert_string_equal("none", sip_factory_find(&f, "none")->name);
	assert_null(sip_factory_find(&f, "non"));
	sip_factory_free(&f);
}

static void
registering(void **state)
{
	struct sip_factory f;
	struct sip_manifest m = { .name = "x", .program = "/x" };
	(void)state;
	sip_factory_init(&f);
	assert_int_equal(0, sip_factory_register(&f, &m));
	assert_int_equal(-EEXIST, sip_factory_register(&f, &m));
	for (unsigned i = 1; i < SIP_TYPES_MAX; i++) {
		snprintf(m.name, sizeof m.name, "y%u", i);
		assert_int_equal(0, sip_factory_register(&f, &m));
	}
	strcpy(m.name, "z");
	assert_int_equal(-ENOSPC, sip_factory_register(&f, &m));
	sip_factory_free(&f);
}

static void
order(void **state)
{
	struct sip_factory f;
	struct sip_plan plan[16];
	(void)state;
	sip_factory_init(&f);
	add(&f, "name a-root\nprogram /a\nafter ahci\nafter log\n");
	add(&f, "name ahci\nprogram /a\npci 0x010601\nafter log\n");
	add(&f, "name log\nprogram /a\n");
	add(&f, "name nvme\nprogram /a\npci 0x010802\n");
	warnings[0] = '\0';
	size_t n = sip_factory_plan(&f, devs, 4, plan, 16, warn);
	assert_int_equal(6, n);
	static const char *const names[] = { "log", "nvme", "ahci", "ahci1", "ahci2", "a-root" };
	static const char *const at[] = { "", "0.4.0", "0.2.0", "0.3.0", "0.5.0", "" };
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(names[i], plan[i].name);
		assert_string_equal(at[i], plan[i].device);
	}
	assert_string_equal("", warnings);
	assert_int_equal(2, sip_factory_plan(&f, devs, 4, plan, 2, warn));
	/* A driver without a device holds nobody up. */
	assert_int_equal(2, sip_factory_plan(&f, NULL, 0, plan, 16, warn));
	sip_factory_free(&f);
}

static void
bad_order(void **state)
{
	struct sip_factory f;
	struct sip_plan plan[16];
	(void)state;
	sip_factory_init(&f);
	add(&f, "name a\nprogram /a\nafter b\n");
	add(&f, "name b\nprogram /a\nafter a\n");
	add(&f, "name c\nprogram /a\nafter nobody\n");
	add(&f, "name d\nprogram /a\nafter d\n");
	add(&f, "name good\nprogram /a\n");
	warnings[0] = '\0';
	assert_int_equal(1, sip_factory_plan(&f, devs, 4, plan, 16, warn));
	assert_string_equal("good", plan[0].name);
	assert_non_null(strstr(warnings, "a: after b: it can never start\n"));
	assert_non_null(strstr(warnings, "c: after nobody: no such type\n"));
	assert_non_null(strstr(warnings, "d: after d: it can never start\n"));
	sip_factory_free(&f);
}

static void
spill(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* A clone file that is an ordinary file shows every command, run together. */
static void
making(void **state)
{
	char root[] = "/tmp/sip" "XX" "XX" "XX", path[64], text[1024] = "", err[SIP_TEXT_MAX] = "";
	struct sip_factory f;
	struct sip_plan plan[4];
	(void)state;
	assert_non_null(mkdtemp(root));
	sip_factory_init(&f);
	f.root = root;
	add(&f, "name ahci\nprogram /boot/bin/ahci\nargs -q\npci 0x010601\nmount /dev/sd\n"
		"capability dma\ncapability interrupt\nport 0x70-0x71\nline 8\n"
		"memory 16M\ndeadline 5\nrestart always\n");
	assert_int_equal(1, sip_factory_plan(&f, devs, 1, plan, 4, warn));
	assert_int_equal(-ENOENT, sip_factory_make(&f, plan, err));
	assert_non_null(strstr(err, "/sip/clone"));
	snprintf(path, sizeof path, "%s/sip", root);
	mkdir(path, 0755);
	snprintf(path, sizeof path, "%s/sip/clone", root);
	spill(path, "");
	int fd = sip_factory_make(&f, plan, err);
	assert_true(fd >= 0);
	assert_true(pread(fd, text, sizeof text - 1, 0) > 0);
	assert_string_equal("name ahci" "type ahci" "capability dma" "capability interrupt"
		"device 0.2.0" "port 0x70-0x71" "line 8"
		"mount /dev/sd" "memory 16777216" "priority 10" "deadline 5"
		"interrupts 100000"
		"exec /boot/bin/ahci -device 0.2.0 -number 0 -mount /dev/sd -wait 30000 -q", text);
	assert_int_equal(0, sip_factory_tell(fd, err, "st%s", "art"));
	assert_true(pread(fd, text, sizeof text - 1, 0) > 5);
	assert_string_equal("-qstart", strstr(text, "-q"));
	close(fd);
	unlink(path);
	assert_int_equal(-ENOENT, sip_factory_publish(&f));
	snprintf(path, sizeof path, "%s/sip/types", root);
	spill(path, "");
	assert_int_equal(0, sip_factory_publish(&f));
	struct stat st;
	assert_int_equal(0, stat(path, &st));
	assert_int_equal(strlen("ahci /boot/bin/ahci"), st.st_size);
	unlink(path);
	snprintf(path, sizeof path, "%s/sip", root);
	rmdir(path);
	rmdir(root);
	sip_factory_free(&f);
}

static void
loading(void **state)
{
	char dir[] = "/tmp/sip" "XX" "XX" "XX", path[64];
	struct sip_factory f;
	(void)state;
	assert_non_null(mkdtemp(dir));
	static const char *const files[][2] = {
		{ "good", "name good\nprogram /x\n" }, { "bad", "name bad\nprogram x\n" },
		{ "twin", "name good\nprogram /x\n" }, { ".hidden", "nonsense" },
	};
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, files[i][0]);
		spill(path, files[i][1]);
	}
	sip_factory_init(&f);
	warnings[0] = '\0';
	assert_int_equal(1, sip_factory_load(&f, dir, warn));
	assert_non_null(strstr(warnings, "/bad:2: program 'x'"));
	assert_non_null(strstr(warnings, "a type of that name exists"));
	assert_null(strstr(warnings, "hidden"));
	assert_int_equal(-ENOENT, sip_factory_load(&f, "/nowhere", warn));
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, files[i][0]);
		unlink(path);
	}
	rmdir(dir);
	sip_factory_free(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matching), cmocka_unit_test(registering), cmocka_unit_test(order),
		cmocka_unit_test(bad_order), cmocka_unit_test(making), cmocka_unit_test(loading),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
