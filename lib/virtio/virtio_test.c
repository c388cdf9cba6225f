/*
 * Virtio without hardware: where registers are, queues beside a model of the device that does as
 * it should and as it should not, the transport on a model.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "model/model.h"
#include "os.h"

enum { SLOTS = 8, ROUNDS = 3000, WAIT_MS = 20000 };

/* --- layout ---------------------------------------------------------------------------------- */

static const uint64_t barsize[6] = { [1] = 0x800, [4] = 0x4000 };

static void
layout_of_a_model(void **state)
{
	struct virtio_layout l;
	struct vmodel m;

	(void)state;
	vmodel_init(&m);
	assert_int_equal(virtio_layout(m.bus.pci, sizeof m.bus.pci, barsize, &l), 0);
	assert_int_equal(l.common.bar, 4);
	assert_int_equal(l.common.offset, 0);
	assert_int_equal(l.isr.offset, 0x1000);
	assert_int_equal(l.config.offset, 0x2000);
	assert_int_equal(l.notify.offset, 0x3000);
	assert_int_equal(l.notify_multiplier, 4);
	assert_true(virtio_notify_at(&l, 3) == 0x300c);
	assert_true(virtio_notify_at(&l, 0x3ff) == 0x3ffc);
	assert_int_equal(virtio_notify_at(&l, 0x400), -EINVAL);
	l.notify_multiplier = 0;
	assert_true(virtio_notify_at(&l, 0xffff) == 0x3000);
	l.notify_multiplier = 3;
	assert_int_equal(virtio_notify_at(&l, 1), -EINVAL);
	l.notify_multiplier = UINT32_MAX;
	assert_int_equal(virtio_notify_at(&l, 0xffff), -EINVAL);
}

/* What lies outside of its BAR, or in none, is passed over. */
static void
layout_of_liars(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} lies[] = {
		{ 0x40 + 4, 6 },     /* the common registers: a BAR that cannot be */
		{ 0x40 + 4, 1 },     /* one that is too small */
		{ 0x40 + 4, 0 },     /* none there */
		{ 0x40 + 2, 15 },    /* a capability that is too short */
		{ 0x40 + 9, 0x40 },  /* beyond the end */
		{ 0x40 + 11, 0xff }, /* far beyond */
		{ 0x40 + 13, 0 },    /* no length */
		{ 0x40 + 8, 2 },     /* not aligned */
		{ 0x54 + 3, 9 },     /* ISR of another kind */
		{ 0x7c + 2, 16 },    /* a notify capability without multiplier */
		{ 0x7c + 15, 0xff }, /* too long */
		{ 0x06, 0 },         /* no list at all */
		{ 0x41, 0x40 },      /* a list that loops before the others */
		{ 0, 0xff },
	};
	struct virtio_layout l;

	(void)state;
	for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		struct vmodel m;

		vmodel_init(&m);
		m.bus.pci[lies[i].at] = lies[i].value;
		if (lies[i].at == 0) {
			memset(m.bus.pci, 0xff, sizeof m.bus.pci);
			assert_int_equal(virtio_layout(m.bus.pci, 256, barsize, &l), -ENODEV);
		} else
			assert_int_equal(virtio_layout(m.bus.pci, 256, barsize, &l), -ENOTSUP);
	}
}

/* The first of two that can be is taken, and a function may end in a capability. */
static void
layout_of_several(void **state)
{
	struct virtio_layout l;
	struct vmodel m;

	(void)state;
	vmodel_init(&m);
	memcpy(m.bus.pci + 0x90, m.bus.pci + 0x40,
	       16); /* a common structure before the others, of BAR 5 */
	m.bus.pci[0x90 + 1] = 0x40;
	m.bus.pci[0x90 + 4] = 5;
	m.bus.pci[0x34] = 0x90;
	m.bus.pci[0x7d] = 0xf4; /* and one that is cut off at the end */
	memcpy(m.bus.pci + 0xf4, "\x09\x00\x10\x01\x04", 5);
	assert_int_equal(virtio_layout(m.bus.pci, 256, barsize, &l), 0);
	assert_int_equal(l.common.bar, 4);
}

/* --- the plan of a queue --------------------------------------------------------------------- */

static void
plans(void **state)
{
	struct virtq_shape s = { 0 };

	(void)state;
	assert_int_equal(virtq_plan(&s, 256, 64, 4, true), 4);
	assert_true(s.size == 256 && s.slots == 64 && s.direct == 4 && s.indirect == 0);
	assert_int_equal(virtq_plan(&s, 256, 64, 130, true), 130);
	assert_true(s.slots == 64 && s.direct == 4 && s.indirect == 130);
	assert_int_equal(virtq_plan(&s, 256, 64, 1000, true), 256);
	assert_int_equal(virtq_plan(&s, 128, 64, 10, false), 10);
	assert_true(s.slots == 12 && s.direct == 10 && s.indirect == 0);
	assert_int_equal(virtq_plan(&s, 256, 64, 100, false), 32);
	assert_true(s.slots == 8 && s.direct == 32);
	assert_int_equal(virtq_plan(&s, 4, 64, 10, false), 3);
	assert_true(s.slots == 1 && s.direct == 3);
	assert_int_equal(virtq_plan(&s, 2, 64, 10, true), 2);
	assert_true(s.slots == 2 && s.direct == 1 && s.indirect == 2);
	assert_int_equal(virtq_plan(&s, 32768, 1000, 3, true), 3);
	assert_true(s.size == VIRTQ_MAX_SIZE && s.slots == VIRTQ_MAX_SLOTS && s.direct == 3);
	assert_true(virtq_bytes(&s) >= VIRTQ_MAX_SIZE * (16 + 2 + 8));
}

/* --- a queue and its device ------------------------------------------------------------------ */

static const struct sip_driver_ops no_ops = { 0 };
static const struct sip_type type = { .name = "virtio", .driver = &no_ops };

struct world {
	struct vmodel m;
	struct sip_server server;
	struct sip_dev *dev;
	struct virtio_device v;
	struct virtio_queue q;
	struct sip_dma data;
	unsigned chain;
};

/* The device turns what it reads around and writes it back. */
static uint32_t
turn(void *arg, const struct vmodel_request *r)
{
	uint8_t buf[4096];
	size_t n = vmodel_get(r, 0, buf, sizeof buf);

	(void)arg;
	for (size_t i = 0; i < n / 2; i++) {
		uint8_t c = buf[i];

		buf[i] = buf[n - 1 - i];
		buf[n - 1 - i] = c;
	}
	return (uint32_t)vmodel_put(r, 0, buf, n);
}

static struct world *
make(void)
{
	struct world *w = calloc(1, sizeof *w);

	vmodel_init(&w->m);
	w->m.serve = turn;
	return w;
}

static void
open_device(struct world *w)
{
	assert_int_equal(sip_init(&w->server, &type), 0);
	assert_int_equal(sip_model_open(&w->m.bus, "0.4.0", &w->dev), 0);
	w->dev->server = &w->server;
	assert_int_equal(sip_dev_enable(w->dev), 0);
	assert_int_equal(virtio_open(&w->v, w->dev), 0);
	assert_int_equal(virtio_reset(&w->v), 0);
	assert_int_equal(sip_dev_forget(w->dev), 0);
	assert_int_equal(sip_dev_busmaster(w->dev, true), 0);
	assert_int_equal(sip_dma_alloc(w->dev, 65536, 4096, &w->data), 0);
}

static void
start_queue(struct world *w, unsigned chain, uint64_t features)
{
	struct virtq_shape shape = { 0 };

	assert_int_equal(virtio_negotiate(&w->v, features), 0);
	w->chain = virtq_plan(&shape, virtio_queue_size(&w->v, 0), SLOTS, chain,
			      virtio_has(&w->v, VIRTIO_INDIRECT_DESC));
	shape.event_idx = virtio_has(&w->v, VIRTIO_EVENT_IDX);
	shape.extra = 32;
	if (!w->m.bus.nvectors)
		assert_true(sip_dev_msi(w->dev, 2) >= 0);
	assert_int_equal(virtio_config_vector(&w->v, 0), 0);
	assert_int_equal(virtio_queue_start(&w->v, &w->q, 0, &shape, 1), 0);
	virtio_driver_ok(&w->v);
}

static void
close_device(struct world *w)
{
	const char *wrong;

	virtio_reset(&w->v);
	sip_dev_busmaster(w->dev, false);
	virtio_queue_free(&w->v, &w->q);
	sip_dma_free(w->dev, &w->data);
	virtio_close(&w->v);
	sip_dev_close(w->dev);
	wrong = sip_model_verdict(&w->m.bus);
	if (wrong)
		fail_msg("%s", wrong);
	vmodel_fini(&w->m);
	sip_finish(&w->server);
	free(w);
}

/* One request of `pieces` parts for each direction, 64 bytes each, in its slot's own 4 KiB. */
static void
send_request(struct world *w, unsigned slot, unsigned pieces, unsigned seed)
{
	uint8_t *p = (uint8_t *)w->data.vaddr + slot * 4096;
	uint64_t paddr = w->data.paddr + slot * 4096;
	struct virtq_chain c;

	for (unsigned i = 0; i < pieces * 64; i++)
		p[i] = (uint8_t)(seed * 7 + i);
	memset(p + 2048, 0, 2048);
	virtq_begin(&w->q.ring, slot, 2 * pieces, &c);
	for (unsigned i = 0; i < pieces; i++)
		virtq_piece(&c, paddr + i * 64, 64, false);
	for (unsigned i = 0; i < pieces; i++)
		virtq_piece(&c, paddr + 2048 + i * 64, 64, true);
	virtq_end(&c);
}

static void
check_answer(struct world *w, unsigned slot, unsigned pieces)
{
	const uint8_t *p = (const uint8_t *)w->data.vaddr + slot * 4096;
	unsigned n = pieces * 64;

	for (unsigned i = 0; i < n; i++)
		assert_int_equal(p[2048 + i], p[n - 1 - i]);
}

static int
take(struct world *w, uint32_t *written)
{
	int slot;

	for (unsigned i = 0; i < WAIT_MS * 10; i++) {
		slot = virtq_take(&w->q.ring, written);
		if (slot != -EAGAIN)
			return slot;
		os_sleep_ns(100000);
	}
	return -ETIMEDOUT;
}

/* Waits as a driver does: for an interrupt, and only after it has asked for one. */
static void
wait_interrupt(struct world *w)
{
	uint64_t count, ns;

	if (virtq_listen(&w->q.ring))
		return;
	for (unsigned i = 0; i < WAIT_MS / 5; i++)
		if (w->dev->bus->irq_wait(w->dev, SIP_MODEL_VECTOR + 1, &count, &ns) == 0)
			return;
	fail_msg("an interrupt was lost");
}

static void
run(struct world *w, unsigned pieces)
{
	unsigned ended = 0, sent = 0;

	while (ended < ROUNDS) {
		int slot;
		uint32_t written;
		bool any = false;

		while (sent < ROUNDS && (slot = virtq_free_slot(&w->q.ring)) >= 0) {
			send_request(w, (unsigned)slot, 1 + sent % pieces, sent);
			sent++;
		}
		if (virtq_publish(&w->q.ring))
			virtio_ring_bell(&w->v, &w->q);
		while ((slot = virtq_take(&w->q.ring, &written)) >= 0) {
			assert_int_equal(written % 64, 0);
			check_answer(w, (unsigned)slot, written / 64);
			ended++;
			any = true;
		}
		assert_int_equal(slot, -EAGAIN);
		if (!any && ended < ROUNDS)
			wait_interrupt(w);
	}
	assert_int_equal(w->q.ring.busy, 0);
	assert_true(w->m.queue[0].most_in_flight <= SLOTS);
}

static const uint64_t all_features = VIRTIO_F(VIRTIO_EVENT_IDX) | VIRTIO_F(VIRTIO_INDIRECT_DESC);

static void
requests_go_both_ways(void **state)
{
	static const uint64_t features[] = { 0, VIRTIO_F(VIRTIO_EVENT_IDX),
					     VIRTIO_F(VIRTIO_INDIRECT_DESC),
					     VIRTIO_F(VIRTIO_EVENT_IDX) |
						     VIRTIO_F(VIRTIO_INDIRECT_DESC) };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct world *w = make();

		w->m.queue[0].max = w->m.queue[0].size = 64;
		open_device(w);
		start_queue(w, 24, features[i]);
		assert_int_equal(w->v.features, features[i] | VIRTIO_F(VIRTIO_VERSION_1));
		run(w, w->chain / 2);
		close_device(w);
	}
}

/* 2^16 requests and more: the indices go round. */
static void
indices_wrap(void **state)
{
	struct world *w = make();
	uint32_t written;

	(void)state;
	w->m.queue[0].max = w->m.queue[0].size = 16;
	open_device(w);
	start_queue(w, 2, all_features);
	for (unsigned i = 0; i < 66000; i++) {
		send_request(w, i % SLOTS, 1, i);
		if (i % SLOTS != SLOTS - 1)
			continue;
		if (virtq_publish(&w->q.ring))
			virtio_ring_bell(&w->v, &w->q);
		for (unsigned k = 0; k < SLOTS; k++) {
			int slot = take(w, &written);

			assert_true(slot >= 0 && slot < SLOTS);
			check_answer(w, (unsigned)slot, 1);
		}
	}
	close_device(w);
}

/* With EVENT_IDX neither side is told of what it would find anyway. */
static void
few_bells(void **state)
{
	struct world *w = make();

	(void)state;
	open_device(w);
	start_queue(w, 4, all_features);
	run(w, 2);
	assert_true(w->m.queue[0].notified < ROUNDS);
	assert_true(w->m.queue[0].interrupts <= ROUNDS);
	assert_true(w->m.queue[0].notified > 0 && w->m.queue[0].interrupts > 0);
	close_device(w);
}

/* Whatever a device says: an error, nothing touched, and after a reset all is well. */
static void
lies(void **state)
{
	static const enum vmodel_fault_kind kinds[] = { VMODEL_BAD_ID, VMODEL_TWICE, VMODEL_JUMP,
							VMODEL_LONG };

	(void)state;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct world *w = make();
		uint32_t written = 0;
		int slot;

		open_device(w);
		start_queue(w, 4, all_features);
		sip_model_add_fault(&w->m.bus,
				    (struct sip_model_fault){ .kind = kinds[i], .times = 1 });
		send_request(w, 0, 1, 1);
		send_request(w, 3, 1, 2);
		if (virtq_publish(&w->q.ring))
			virtio_ring_bell(&w->v, &w->q);
		for (unsigned n = 0; (slot = take(w, &written)) >= 0 && n < 3; n++)
			;
		assert_int_equal(slot, -EPROTO);
		assert_true(w->q.ring.broken);
		assert_false(virtq_listen(&w->q.ring));
		assert_int_equal(virtq_take(&w->q.ring, &written), -EPROTO);
		start_queue(w, 4, all_features);
		run(w, 2);
		close_device(w);
	}
}

/* A head that is no slot's first descriptor, and one of a slot that is not in flight. */
static void
ids_between_slots(void **state)
{
	static uint8_t mem[65536] __attribute__((aligned(4096)));
	static struct virtq q;
	struct virtq_shape s = { 0 };
	struct virtq_chain c;
	uint32_t written;

	(void)state;
	virtq_plan(&s, 64, 8, 4, false);
	for (unsigned i = 0; i < 3; i++) {
		static const uint32_t ids[] = { 1, 8, UINT32_MAX };
		uint16_t one = 1;

		virtq_init(&q, &s, mem, 0x10000);
		virtq_begin(&q, 0, 1, &c);
		virtq_piece(&c, 0x20000, 16, true);
		virtq_end(&c);
		virtq_publish(&q);
		memcpy(mem + q.used + 4, &ids[i], 4);
		memcpy(mem + q.used + 2, &one, 2);
		assert_int_equal(virtq_take(&q, &written), -EPROTO);
	}
	virtq_init(&q, &s, mem, 0x10000);
	memset(mem + q.used, 0xff, 600); /* something is done, with nothing in flight */
	assert_int_equal(virtq_take(&q, &written), -EPROTO);
	assert_int_equal(virtq_free_slot(&q), 0);
}

/* --- the transport --------------------------------------------------------------------------- */

static void
old_devices(void **state)
{
	struct world *w = make();

	(void)state;
	w->m.offered = VIRTIO_F(VIRTIO_EVENT_IDX);
	open_device(w);
	assert_int_equal(virtio_negotiate(&w->v, 0), -ENOTSUP);
	assert_true(virtio_get_status(&w->v) & VIRTIO_FAILED);
	w->m.offered |= VIRTIO_F(VIRTIO_VERSION_1);
	w->m.keeps_features = true;
	assert_int_equal(virtio_negotiate(&w->v, 0), -ENOTSUP);
	assert_true(virtio_get_status(&w->v) & VIRTIO_FAILED);
	w->m.keeps_features = false;
	assert_int_equal(virtio_negotiate(&w->v, all_features), 0);
	assert_int_equal(w->v.features, VIRTIO_F(VIRTIO_VERSION_1) | VIRTIO_F(VIRTIO_EVENT_IDX));
	assert_int_equal(virtio_queue_size(&w->v, 1), 0);
	assert_int_equal(virtio_queue_size(&w->v, 0), 256);
	close_device(w);
}

static void
devices_that_go(void **state)
{
	struct world *w = make();

	(void)state;
	open_device(w);
	start_queue(w, 4, all_features);
	w->m.bus.gone = true;
	assert_int_equal(virtio_reset(&w->v), -ENODEV);
	assert_int_equal(virtio_negotiate(&w->v, 0), -ENODEV);
	close_device(w);
}

static void
a_reset_that_never_ends(void **state)
{
	struct world *w = make();
	uint64_t began;

	(void)state;
	open_device(w);
	assert_int_equal(virtio_negotiate(&w->v, 0), 0);
	w->m.never_resets = true;
	began = os_time_ns();
	assert_int_equal(virtio_reset(&w->v), -ETIMEDOUT);
	assert_true(os_time_ns() - began < 10 * VIRTIO_RESET_MS * 1000000ull);
	w->m.never_resets = false;
	close_device(w);
}

static void
configuration_of_one_moment(void **state)
{
	struct world *w = make();
	uint8_t config[100];

	(void)state;
	w->m.config_bytes = 64;
	for (unsigned i = 0; i < 64; i++)
		w->m.config[i] = (uint8_t)(i + 1);
	open_device(w);
	w->v.config_size = 61; /* as if the structure ended in a word */
	assert_int_equal(virtio_negotiate(&w->v, 0), 0);
	w->m.generations_to_come = 3;
	assert_int_equal(virtio_config(&w->v, config, sizeof config), 0);
	assert_memory_equal(config, w->m.config, 61);
	for (unsigned i = 61; i < sizeof config; i++)
		assert_int_equal(config[i], 0);
	w->m.generations_to_come = 1000;
	assert_int_equal(virtio_config(&w->v, config, sizeof config), -EAGAIN);
	virtio_config_set8(&w->v, 32, 77);
	virtio_config_set8(&w->v, 61, 77);
	assert_int_equal(w->m.config[32], 77);
	assert_int_equal(w->m.config[61], 62);
	close_device(w);
}

static void
vectors_and_bells_that_cannot_be(void **state)
{
	struct world *w = make();
	struct virtq_shape shape = { 0 };

	(void)state;
	open_device(w);
	assert_int_equal(virtio_negotiate(&w->v, 0), 0);
	assert_true(sip_dev_msi(w->dev, 2) >= 0);
	assert_int_equal(virtio_config_vector(&w->v, 5), -EBUSY);
	virtq_plan(&shape, 256, 8, 4, false);
	assert_int_equal(virtio_queue_start(&w->v, &w->q, 0, &shape, 9), -EBUSY);
	w->v.layout.notify.length = 0x1000;
	w->v.layout.notify_multiplier = 1 << 20;
	w->v.nqueues = 2;
	assert_int_equal(virtio_queue_start(&w->v, &w->q, 0, &shape, 1), 0); /* 0 times anything */
	w->m.nqueues = 2;
	assert_int_equal(virtio_queue_start(&w->v, &w->q, 1, &shape, 1), -EINVAL);
	shape.size = 512;
	w->v.layout.notify_multiplier = 4;
	assert_int_equal(virtio_queue_start(&w->v, &w->q, 1, &shape, 1), -EINVAL);
	close_device(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_of_a_model),
		cmocka_unit_test(layout_of_liars),
		cmocka_unit_test(layout_of_several),
		cmocka_unit_test(plans),
		cmocka_unit_test(requests_go_both_ways),
		cmocka_unit_test(indices_wrap),
		cmocka_unit_test(few_bells),
		cmocka_unit_test(lies),
		cmocka_unit_test(ids_between_slots),
		cmocka_unit_test(old_devices),
		cmocka_unit_test(devices_that_go),
		cmocka_unit_test(a_reset_that_never_ends),
		cmocka_unit_test(configuration_of_one_moment),
		cmocka_unit_test(vectors_and_bells_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
