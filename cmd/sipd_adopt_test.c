/* Which slots a sipd that starts takes for its own, and which names its servers get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "sipd/adopt.c"
#include "sipd/devices.c"

static struct manager m;
static char root[64], told[SIP_TEXT_MAX];
static unsigned opened, gone;
static struct facts adopted;

/* What server.c and follow.c do with it is not looked at here. */
int
server_add(struct manager *to, const struct sip_plan *plan)
{
	to->server[to->nservers++] = (struct server){ .plan = *plan, .ctl = -1, .status = -1 };
	return 0;
}

int
server_open(const struct manager *of, struct server *s, const char *slot)
{
	(void)of, (void)s, (void)slot;
	opened++;
	return 0;
}

void
server_facts(const char *text, struct facts *f)
{
	char value[32];
	*f = (struct facts){ 0 };
	if (sip_field(text, "generation", value, sizeof value) > 0)
		f->generation = (unsigned)atoi(value);
	if (sip_field(text, "status", value, sizeof value) > 0)
		f->state = (enum sip_state)sip_state_parse(value);
}

void
server_adopt(struct server *s, const struct facts *f, const struct sip_past *past, uint64_t now)
{
	(void)now;
	s->made = true;
	s->deaths = past->deaths;
	adopted = *f;
}

void
server_tell(const struct server *s, const char *fmt, ...)
{
	va_list ap;
	(void)s;
	va_start(ap, fmt);
	vsnprintf(told, sizeof told, fmt, ap);
	va_end(ap);
}

void
follow_gone(struct manager *of, struct server *s, bool leaving)
{
	(void)of, (void)s, (void)leaving;
	gone++;
}

static void
put(const char *slot, const char *file, const char *text)
{
	char path[SIP_PATH_MAX];
	snprintf(path, sizeof path, "%s/sip/servers/%s", root, slot);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/sip/servers/%s/%s", root, slot, file);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
slot(const char *name, const char *status, const char *devices, const char *caps)
{
	put(name, "status", status);
	put(name, "devices", devices);
	put(name, "caps", caps);
	put(name, "health", "restart 1000000 took 0 cause fault: x\n");
}

static int
setup(void **state)
{
	static const char nvme[] = "name nvme\nprogram /b\npci 0x010802\nmount /dev/sd\n"
		"capability dma\nrestart always\n";
	static const char ram[] = "name ram\nprogram /b\nrestart always\n";
	static struct sip_manifest manifest;
	char path[SIP_PATH_MAX], err[SIP_TEXT_MAX];
	(void)state;
	m = (struct manager){ .lock = -1, .ready = -1 };
	nseen = opened = gone = 0;
	adopted = (struct facts){ 0 };
	told[0] = '\0';
	strcpy(root, "/tmp/adopt" "XX" "XX" "XX");
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof path, "%s/sip", root);
	mkdir(path, 0700);
	snprintf(path, sizeof path, "%s/sip/servers", root);
	mkdir(path, 0700);
	sip_factory_init(&m.factory);
	m.factory.root = root;
	assert_int_equal(0, sip_manifest_parse(&manifest, "t", nvme, strlen(nvme), err));
	assert_int_equal(0, sip_factory_register(&m.factory, &manifest));
	assert_int_equal(0, sip_manifest_parse(&manifest, "t", ram, strlen(ram), err));
	assert_int_equal(0, sip_factory_register(&m.factory, &manifest));
	return 0;
}

static int
teardown(void **state)
{
	char command[SIP_PATH_MAX];
	(void)state;
	sip_factory_free(&m.factory);
	snprintf(command, sizeof command, "rm -rf %s", root);
	return system(command);
}

/* Three functions, as they stand in the list, and the plan of them and of `ram`. */
static size_t
plan_of(struct sip_plan *plan, size_t max)
{
	static const char *const addr[] = { "1.0.0", "2.0.0", "3.0.0" };
	for (size_t i = 0; i < 3; i++) {
		m.devices.now[i] = (struct sip_pci_info){ .class = 0x010802, .serial = 1 };
		strcpy(m.devices.now[i].addr, addr[i]);
	}
	m.devices.n = 3;
	size_t n = sip_factory_plan(&m.factory, m.devices.now, 3, plan, max, NULL);
	assert_int_equal(4, n);
	return n;
}

static void
names_stay(void **state)
{
	struct sip_plan plan[8];
	(void)state;
	/* The third function came first, and another has gone. */
	slot("nvme", "type nvme\nmount /dev/sd\nstatus healthy\ngeneration 1\n", "3.0.0\n",
		"capability dma\ndevice 3.0.0\n");
	slot("nvme2", "type nvme\nmount /dev/sd\nstatus healthy\ngeneration 1\n", "9.0.0\n",
		"capability dma\ndevice 9.0.0\n");
	slot("mine", "type nvme\nmount /dev/sd\nstatus healthy\ngeneration 1\n", "2.0.0\n",
		"capability dma\ndevice 2.0.0\n");
	size_t n = plan_of(plan, 8);
	adopt_names(&m, plan, n);
	for (size_t i = 0; i < n; i++)
		server_add(&m, &plan[i]);
	assert_string_equal("nvme", m.server[2].plan.name);
	assert_string_equal("3.0.0", m.server[2].plan.device);
	assert_string_equal("nvme1", m.server[1].plan.name);
	assert_string_not_equal("nvme", m.server[0].plan.name);
	assert_string_not_equal("nvme1", m.server[0].plan.name);
	adopt_all(&m);
	assert_true(m.server[2].made);
	assert_int_equal(1, m.server[2].deaths);
	assert_false(m.server[0].made);
	assert_false(m.server[1].made);
}

/* Told of, and not made; the slot is what `ram` is but for one thing. */
static void
left(const char *what, const char *status, const char *devices, const char *caps)
{
	char want[64];
	struct sip_plan p = { .type = sip_factory_find(&m.factory, "ram"), .name = "ram" };
	slot("ram", status, devices, caps);
	m.nservers = nseen = opened = 0;
	adopt_names(&m, &p, 1);
	server_add(&m, &p);
	adopt_all(&m);
	assert_true(m.server[0].made);
	snprintf(want, sizeof want, "there is a server of that name with another %s", what);
	assert_memory_equal(want, told, strlen(want));
	assert_int_equal(0, opened);
}

static void
others_stay(void **state)
{
	static const char good[] = "type ram\nstatus healthy\ngeneration 1\n";
	(void)state;
	left("type", "type rum\nstatus healthy\ngeneration 1\n", "", "");
	left("type", "type \nstatus healthy\ngeneration 1\n", "", "");
	left("type", "type rum\nstatus unknown\ngeneration 0\n", "", "");
	left("device", good, "1.0.0\n", "");
	left("device", good, "1.0.0\n2.0.0\n", "");
	left("mount", "type ram\nstatus healthy\ngeneration 1\nmount /tmp\n", "", "");
	left("capabilities", good, "", "capability dma\n");
	struct sip_plan p = { .type = sip_factory_find(&m.factory, "ram"), .name = "ram" };
	slot("ram", "type ram\nstatus failed\ngeneration 7\n", "", "");
	m.nservers = nseen = 0;
	adopt_names(&m, &p, 1);
	server_add(&m, &p);
	adopt_all(&m);
	assert_int_equal(1, opened);
	assert_int_equal(7, adopted.generation);
	assert_int_equal(SIP_FAILED, adopted.state);
	/* Never started: deleted, and to be made. */
	slot("ram", "type ram\nstatus unknown\ngeneration 0\n", "", "");
	m.nservers = nseen = 0;
	adopt_names(&m, &p, 1);
	server_add(&m, &p);
	adopt_all(&m);
	assert_false(m.server[0].made);
}

static void
gone_meanwhile(void **state)
{
	struct sip_plan plan[8];
	(void)state;
	slot("nvme", "type nvme\nmount /dev/sd\nstatus healthy\ngeneration 1\n", "9.0.0\n",
		"capability dma\ndevice 9.0.0\n");
	slot("nvme7", "type nvme\nmount /elsewhere\nstatus healthy\ngeneration 1\n", "8.0.0\n",
		"capability dma\ndevice 8.0.0\n");
	size_t n = plan_of(plan, 8);
	/* It keeps its name until it has gone; none of the plan's may be called so. */
	adopt_names(&m, plan, n);
	for (size_t i = 0; i < n; i++)
		server_add(&m, &plan[i]);
	adopt_all(&m);
	assert_int_equal(1, gone);
	assert_string_equal("9.0.0", m.server[m.nservers - 1].plan.device);
	for (size_t i = 0; i < n; i++)
		assert_string_not_equal("nvme", m.server[i].plan.name);
}

static void
numbers(void **state)
{
	(void)state;
	assert_int_equal(0, number_of("nvme", "nvme"));
	assert_int_equal(12, number_of("nvme12", "nvme"));
	assert_int_equal(-1, number_of("nvme0", "nvme"));
	assert_int_equal(-1, number_of("nvme01", "nvme"));
	assert_int_equal(-1, number_of("nvme1x", "nvme"));
	assert_int_equal(-1, number_of("nvme512", "nvme"));
	assert_int_equal(-1, number_of("nvm", "nvme"));
	assert_int_equal(-1, number_of("nvme1111", "nvme"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(others_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(gone_meanwhile, setup, teardown),
		cmocka_unit_test(numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
