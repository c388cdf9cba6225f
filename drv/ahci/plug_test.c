/*
 * The driver on a model whose disks come and go, slowly or at the wrong moment.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "model/world.h"
#include "os.h"

static void
pull(void *arg)
{
	struct world *w = arg;
	os_sleep_ns(3000000);
	model_unplug(&w->m, 0);
}

static void
hot_plug(void **state)
{
	struct world *w = world_start(true);
	uint8_t buf[512];
	struct blk_info info;

	(void)state;
	w->m.bus.delay_us = 100;
	world_run_load(w, UINT64_MAX, -ENODEV, pull);
	assert_null(world_disk(w, 0));
	w->m.bus.delay_us = 0;
	model_plug(&w->m, 0, "OTHER");
	assert_true(world_becomes(w, 0, true));
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 0, 1, buf), 0);
	info = world_told(w, 0).info;
	assert_string_equal(info.serial, "OTHER");
	model_unplug(&w->m, 0);
	assert_true(world_becomes(w, 0, false));
	model_plug(&w->m, 0, "THIRD");
	assert_true(world_becomes(w, 0, true));
	world_stop(w);
}

/* A disk comes in the moment between the end of the one before and the driver's listening. */
static void
plug_once(struct model *m, unsigned port)
{
	struct model_disk *d = &m->port[port].disk;

	if (d->present)
		return;
	m->before_write = NULL;
	snprintf(d->serial, sizeof d->serial, "QUICK");
	model_plug_locked(m, port);
}

static void
plug_before_listening(struct model *m, unsigned port, unsigned off, uint32_t v)
{
	(void)v;
	if (off == PORT_SERR && !m->port[port].ie)
		plug_once(m, port);
}

static void
plug_before_looking(struct model *m, unsigned port, unsigned off, uint32_t v)
{
	(void)v;
	if (off == PORT_CMD && !m->port[port].ie)
		plug_once(m, port);
}

static void
plug_after_listening(struct model *m, unsigned port, unsigned off, uint32_t v)
{
	if (off == PORT_IE && v == IS_LINK)
		plug_once(m, port);
}

static void
quick_plug(void **state)
{
	static void (*const when[])(struct model *, unsigned, unsigned,
				    uint32_t) = { plug_before_looking, plug_before_listening,
						  plug_after_listening };

	(void)state;
	for (unsigned i = 0; i < sizeof when / sizeof when[0]; i++) {
		struct world *w = world_start(true);
		struct blk_info info = { 0 };

		w->m.before_write = when[i];
		model_unplug(&w->m, 0);
		for (unsigned ms = 0; ms < WAIT_MS && strcmp(info.serial, "QUICK") != 0; ms += 2) {
			os_sleep_ns(2000000);
			if (world_disk(w, 0))
				info = world_told(w, 0).info;
		}
		assert_string_equal(info.serial, "QUICK");
		world_stop(w);
	}
}

/* The disk's last error is noticed when it has gone and the port listens: it goes on listening. */
static void
late_error(void **state)
{
	struct world *w = world_start(true);
	struct model_port *port = &w->m.port[0];
	uint32_t ie = 0;

	(void)state;
	model_unplug(&w->m, 0);
	assert_true(world_becomes(w, 0, false));
	for (unsigned ms = 0; ms < WAIT_MS && ie != IS_LINK; ms += 2) {
		os_sleep_ns(2000000);
		pthread_mutex_lock(&w->m.bus.lock);
		ie = port->ie;
		pthread_mutex_unlock(&w->m.bus.lock);
	}
	pthread_mutex_lock(&w->m.bus.lock);
	port->is |= IS_IFS;
	pthread_mutex_unlock(&w->m.bus.lock);
	ahci_port_interrupt(&w->hba->port[0]);
	for (unsigned ms = 0, deaf = 1; ms < WAIT_MS && deaf; ms += 2) {
		os_sleep_ns(2000000);
		pthread_mutex_lock(&w->m.bus.lock);
		deaf = port->ie != IS_LINK;
		pthread_mutex_unlock(&w->m.bus.lock);
	}
	model_plug(&w->m, 0, "NEXT");
	assert_true(world_becomes(w, 0, true));
	world_stop(w);
}

/* A disk is pulled between its reset and the moment when interrupts are on again. */
static void
pull_before_ready(struct model *m, unsigned port, unsigned off, uint32_t v)
{
	if (off == PORT_IE && v == IS_WANTED) {
		m->before_write = NULL;
		m->port[port].disk.present = false;
		model_pull_locked(m, port);
	}
}

static void
pulled_in_recovery(void **state)
{
	struct world *w = world_start(true);

	(void)state;
	w->m.before_write = pull_before_ready;
	assert_int_equal(world_command(w, "reset"), 0);
	assert_true(world_becomes(w, 0, false));
	model_plug(&w->m, 0, "AGAIN");
	assert_true(world_becomes(w, 0, true));
	world_stop(w);
}

/* A disk is exchanged so fast that only its identity tells. */
static void
exchanged_disk(void **state)
{
	struct world *w = world_start(true);
	struct blk_disk *old = world_disk(w, 0);
	struct blk_info info = { 0 };

	(void)state;
	model_plug(&w->m, 0, "NEW");
	for (unsigned ms = 0; ms < WAIT_MS && strcmp(info.serial, "NEW") != 0; ms += 2) {
		os_sleep_ns(2000000);
		if (world_disk(w, 0) && world_disk(w, 0) != old)
			info = world_told(w, 0).info;
	}
	assert_string_equal(info.serial, "NEW");
	world_stop(w);
}

static void
not_disks(void **state)
{
	static const struct {
		uint32_t signature;
		const char *text;
	} list[] = {
		{ (uint32_t)SIGNATURE_MULTIPLIER,
		  "a port multiplier is not driven (signature 0x96690101)" },
		{ (uint32_t)SIGNATURE_ENCLOSURE,
		  "an enclosure is not driven (signature 0xc33c0101)" },
		{ 0x12345678, "an unknown device is not driven (signature 0x12345678)" },
	};
	struct world *w = world_make(3);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		model_disk_make(&w->m, i, SECTORS, 512, true);
		w->m.port[i].disk.signature = list[i].signature;
	}
	world_attach(w);
	for (unsigned i = 0; i < 3; i++) {
		assert_null(world_disk(w, i));
		assert_string_equal(w->hba->port[i].port.last_error, list[i].text);
	}
	model_unplug(&w->m, 1);
	w->m.port[1].disk.signature = 0;
	model_plug(&w->m, 1, "DISK");
	assert_true(world_becomes(w, 1, true));
	world_stop(w);
}

/* One disk draws its current at a time, also those that come too late for the start. */
static void
staggered_spin_up(void **state)
{
	struct world *w = world_make(3);

	(void)state;
	w->m.cap |= CAP_SSS_MASK;
	for (unsigned i = 0; i < 3; i++) {
		model_disk_make(&w->m, i, SECTORS, 512, true);
		w->m.port[i].disk.spin_ms = i == 1 ? 300 : 100;
	}
	world_attach(w);
	for (unsigned i = 0; i < 3; i++)
		assert_non_null(world_disk(w, i));
	assert_int_equal(w->m.most_spinning, 1);
	world_stop(w);
}

/* What a driver that died leaves: commands in flight, ports that it knew to be empty. */
static void
successor(void **state)
{
	struct world *w = world_make(3);
	struct model_port *port = w->m.port;
	uint8_t buf[512];

	(void)state;
	model_disk_make(&w->m, 0, SECTORS, 512, true);
	port[0].cmd = CMD_ST_MASK | CMD_CR_MASK | CMD_FRE_MASK | CMD_FR_MASK | CMD_SUD_MASK;
	port[0].ssts = DET_PRESENT;
	port[0].clb = 0x1000;
	port[0].ci = port[0].sact = 0xff00ff;
	port[1].cmd = CMD_SUD_MASK;
	port[2].cmd = CMD_SUD_MASK;
	port[2].serr = SERR_N_MASK; /* it was being reset */
	world_attach(w);
	assert_int_equal(w->m.bus.forgets, 1);
	assert_non_null(world_disk(w, 0));
	assert_int_equal(blk_sync(world_disk(w, 0), BLK_READ, 0, 1, buf), 0);
	assert_true(w->hba->port[0].expected && !w->hba->port[0].vacant);
	assert_true(w->hba->port[1].vacant && !w->hba->port[1].mem);
	assert_true(!w->hba->port[2].expected && !w->hba->port[2].vacant);
	model_disk_make(&w->m, 1, SECTORS, 512, true);
	model_plug(&w->m, 1, "LATE");
	assert_true(world_becomes(w, 1, true));
	world_stop(w);
}

static bool away; /* with the bus's lock */
static struct sip_model_ops ops;
static uint64_t (*registers)(void *device, unsigned bar, uint64_t off, unsigned width);

static uint64_t
read_zeros(void *device, unsigned bar, uint64_t off, unsigned width)
{
	uint64_t v = registers(device, bar, off, width);

	return away ? 0 : v;
}

static void
set_away(struct world *w, bool now)
{
	pthread_mutex_lock(&w->m.bus.lock);
	away = now;
	pthread_mutex_unlock(&w->m.bus.lock);
}

static void
take_away(void *w)
{
	os_sleep_ns(3000000);
	set_away(w, true);
}

/* The controller goes, and zeros are read where it was: nothing has ended well by that. */
static void
controller_taken_away(void **state)
{
	(void)state;
	for (int ncq = 0; ncq < 2; ncq++) {
		struct world *w = world_make(1);

		ops = *w->m.bus.ops;
		registers = ops.read;
		ops.read = read_zeros;
		w->m.bus.ops = &ops;
		model_disk_make(&w->m, 0, SECTORS, 512, ncq);
		world_attach(w);
		model_freeze(&w->m, true);
		world_run_load(w, UINT64_MAX, -ENODEV, take_away);
		assert_null(world_disk(w, 0));
		set_away(w, false);
		world_stop(w);
	}
}

/* Changes while attach still has the port: the keeper takes them up afterwards. */
static void
change_in_attach(void **state)
{
	struct world *w = world_start(true);
	struct ahci_port *p = &w->hba->port[0];
	struct drive_disk *d = p->port.disks;
	uint64_t resets = world_counter(p, &p->port.resets);

	(void)state;
	pthread_mutex_lock(&p->port.lock);
	p->port.attaching = true;
	p->port.state = DRIVE_EMPTY;
	pthread_mutex_unlock(&p->port.lock);
	drive_change(&p->port);
	os_sleep_ns(3 * DRIVE_TICK_MS * 1000000ull);
	assert_ptr_equal(p->port.disks, d);
	assert_null(d->next);
	assert_int_equal(world_counter(p, &p->port.resets), resets);
	pthread_mutex_lock(&p->port.lock);
	p->port.attaching = false;
	p->port.state = DRIVE_READY;
	pthread_mutex_unlock(&p->port.lock);
	drive_wake(&w->hba->ctlr);
	for (unsigned ms = 0; ms < WAIT_MS && world_counter(p, &p->port.resets) == resets; ms += 2)
		os_sleep_ns(2000000);
	assert_int_equal(world_counter(p, &p->port.resets), resets + 1);
	assert_ptr_equal(p->port.disks, d);
	world_stop(w);
}

/* One disk that keeps silent does not keep another from being shown, and has its own chance. */
static void
slow_disk(void **state)
{
	struct world *w = world_make(2);
	uint64_t began = os_time_ns();

	(void)state;
	model_disk_make(&w->m, 0, SECTORS, 512, true);
	model_disk_make(&w->m, 1, SECTORS, 512, true);
	sip_model_add_fault(&w->m.bus, (struct sip_model_fault){ .kind = MODEL_HANG,
								 .times = 1,
								 .lba = UINT64_MAX,
								 .opcode = ATA_IDENTIFY });
	world_attach(w);
	assert_in_range(os_time_ns() - began, DRIVE_START_MS * 1000000ull,
			2 * DRIVE_START_MS * 1000000ull);
	assert_true(world_disk(w, 0) && world_disk(w, 1));
	assert_int_equal(w->m.port[0].disk.resets + w->m.port[1].disk.resets, 3);
	world_stop(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hot_plug),
		cmocka_unit_test(quick_plug),
		cmocka_unit_test(late_error),
		cmocka_unit_test(exchanged_disk),
		cmocka_unit_test(pulled_in_recovery),
		cmocka_unit_test(not_disks),
		cmocka_unit_test(staggered_spin_up),
		cmocka_unit_test(successor),
		cmocka_unit_test(controller_taken_away),
		cmocka_unit_test(change_in_attach),
		cmocka_unit_test(slow_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
