/*
 * A model of a virtio device on PCI, at the level of registers and memory, for tests (see
 * sip_model.h).  What a request means is the test's; faults are made on demand, and what a driver
 * must not do is counted.
 */
#pragma once
#include "sip_model.h"
#include "virtio.h"

enum {
	VMODEL_QUEUES = 8,
	VMODEL_VECTORS = 16,
	VMODEL_PIECES = 512,
	VMODEL_PENDING = 1024,
	VMODEL_CONFIG = 256,
};

static const uint32_t VMODEL_KEEP = UINT32_MAX; /* serve's answer: the request never ends */

/* Kinds of sip_model_fault, of which it has only times and skip: of any queue. */
enum vmodel_fault_kind {
	VMODEL_HANG,         /* the request never ends */
	VMODEL_NO_INTERRUPT, /* it ends, and nobody is told */
	VMODEL_BAD_ID,       /* ended with an id that no request has */
	VMODEL_TWICE,        /* the same id a second time */
	VMODEL_JUMP,         /* the used index runs away */
	VMODEL_LONG,         /* more was written than there is room for */
	VMODEL_SHORT,        /* nothing was written */
	VMODEL_NEEDS_RESET,  /* the device gives up instead */
};

struct vmodel_piece {
	uint8_t *p;
	uint32_t n;
	bool write;
};

struct vmodel_request {
	unsigned queue, npieces;
	uint16_t head;
	struct vmodel_piece piece[VMODEL_PIECES];
};

struct vmodel_queue {
	uint16_t size, max, vector, enable;
	uint64_t desc, driver, device;
	uint16_t seen, used; /* indices */
	bool in_flight[VIRTQ_MAX_SIZE];
	uint64_t notified, interrupts, requests;
	unsigned most_in_flight, now;
};

struct vmodel {
	struct sip_model bus;
	/* Before it is attached a test may change these, and bus.info and bus.pci: */
	uint64_t offered;
	unsigned nqueues;
	unsigned kept;       /* queues, as bits, whose requests vmodel_take takes */
	bool keeps_features; /* refuses FEATURES_OK */
	bool never_resets;
	uint8_t config[VMODEL_CONFIG];
	size_t config_bytes;
	/* Handles a request; the bytes written, or VMODEL_KEEP.  The lock is held. */
	uint32_t (*serve)(void *arg, const struct vmodel_request *r);
	void *arg;

	uint64_t taken; /* features */
	uint32_t feature_select, driver_select;
	uint16_t queue_select, config_vector;
	uint8_t status, generation, isr;
	unsigned generations_to_come; /* the generation moves at this many reads of it */
	struct vmodel_queue queue[VMODEL_QUEUES];
	struct {
		uint8_t queue;
		uint16_t head;
	} pending[VMODEL_PENDING];
	unsigned npending;
	unsigned resets;
};

void vmodel_init(struct vmodel *m);
void vmodel_fini(struct vmodel *m);
void vmodel_config_changed(struct vmodel *m); /* the test has changed `config`, with the lock */
/* Takes a request of a queue for the device to use later (events): false if there is none. */
bool vmodel_take(struct vmodel *m, unsigned queue, struct vmodel_request *r);
void vmodel_end(struct vmodel *m, const struct vmodel_request *r, uint32_t written);
/* Moves bytes between buf and what the device may read, or write, from `skip` on; how many. */
size_t vmodel_get(const struct vmodel_request *r, size_t skip, void *buf, size_t n);
size_t vmodel_put(const struct vmodel_request *r, size_t skip, const void *buf, size_t n);
size_t vmodel_room(const struct vmodel_request *r, bool write);
