/*
 * A function on a bus that is no hardware: what the model of a device stands on, for tests of its
 * driver (doc/sip.md).  The model is registers and a table; what every function has is here: what
 * it says of itself, memory that it may reach, interrupts, a thread, and a count of what a driver
 * must not do (`lint`).  No program is linked with it.
 */
#pragma once
#include <pthread.h>
#include "sip.h"

enum {
	SIP_MODEL_DMAS = 256,
	SIP_MODEL_DMA_SHIFT = 22, /* each piece of memory has 4 MiB of the device's addresses */
	SIP_MODEL_VECTOR = 32,    /* the number of its first vector; lines are below */
	SIP_MODEL_IRQS = SIP_MODEL_VECTOR + SIP_VECTORS_MAX,
	SIP_MODEL_LOG = 256,
	SIP_MODEL_FAULTS = 8,
};

/* Addresses of memory begin there; 32 bits are too few, unless the driver asks for it (dma32). */
static const uint64_t SIP_MODEL_DMA_HIGH = 0x1200000000, SIP_MODEL_DMA_LOW = 0x1000000;

/*
 * What makes a device of it.  All are called with the lock, and with what sip_model_init was given;
 * those that a device does not need are NULL.
 */
struct sip_model_ops {
	/* The access lies in a BAR of memory, is aligned, and the function is there and enabled. */
	uint64_t (*read)(void *device, unsigned bar, uint64_t off, unsigned width);
	void (*write)(void *device, unsigned bar, uint64_t off, unsigned width, uint64_t value);
	uint32_t (*in)(void *device, uint16_t port, unsigned width);
	void (*out)(void *device, uint16_t port, unsigned width, uint32_t value);
	/*
	 * One step of what it does by itself; false: nothing to do until sip_model_wake.  In a
	 * thread, or by sip_model_step, and only while it may master the bus: what a dead driver
	 * has left stays as it is.
	 */
	bool (*step)(void *device);
};

/* A fault on demand: of which command, how often.  A model looks at those fields that it has. */
struct sip_model_fault {
	unsigned kind;  /* what happens: the model's */
	unsigned times; /* 0: the entry is free */
	unsigned skip;  /* commands that go well before it */
	uint64_t lba;   /* of a command that touches it; UINT64_MAX: any */
	uint8_t opcode;
	bool admin;      /* of the queue for administration */
	uint16_t status; /* that the command ends with */
};

/* Data on its way between a device and the pieces of memory that a command has. */
struct sip_model_data {
	uint8_t *at; /* the device's end of what is left */
	size_t left;
	bool to_memory; /* else from there */
};

struct sip_model {
	const struct sip_model_ops *ops;
	void *device;
	pthread_mutex_t lock; /* for all of the device's state */
	pthread_cond_t work, irq;
	pthread_t thread;
	bool running, closing;

	/* Made by the model, or by a test before it opens: what the function says of itself. */
	struct sip_pci_info info; /* msi, msix: vectors that it can have */
	uint8_t pci[256];         /* configuration space */
	uint64_t dma_base;        /* another beginning, whatever is asked for; 0: none */
	bool wants_low;           /* the driver has to ask for memory below 4 GiB, or must not */
	bool by_hand;             /* no thread: who has opened it calls sip_model_step */
	unsigned delay_us;        /* of each step; a test may change it at any time */
	bool gone;                /* pulled out: reads give ones; also at any time, with the lock */
	bool mute;                /* its interrupts get lost; so, too */
	bool was_reset; /* set by the model; memory before that is a fault of the driver's */

	/* What the driver did. */
	bool bus_master, enabled;
	unsigned nvectors;                    /* that it has been given */
	unsigned forgets;                     /* that it said `quiet` */
	unsigned maps, irqs, frees_too_early; /* too early: the device could still write there */
	uint64_t accesses;                    /* of registers and ports */
	char log[SIP_MODEL_LOG]; /* its commands, each with a semicolon, as many as fit */
	unsigned lint, wild;     /* wild: DMA outside of its memory, counted in lint too */
	const char *lint_what;

	struct sip_model_fault fault[SIP_MODEL_FAULTS];
	uint64_t pending[SIP_MODEL_IRQS]; /* interrupts not yet read */
	struct {
		uint8_t *p; /* NULL: free */
		size_t n;
		uint64_t paddr;
	} dma[SIP_MODEL_DMAS];
	uint32_t random;
	char verdict[SIP_TEXT_MAX];
};

/* The model then fills in what it is: b->info, and b->pci if its driver reads that. */
void sip_model_init(struct sip_model *b, const struct sip_model_ops *ops, void *device);
/* Ends its thread; memory that the driver has not given back is freed. */
void sip_model_fini(struct sip_model *b);
/* The driver's end of it: as sip_dev_open_bus; from here on the device's thread runs. */
int sip_model_open(struct sip_model *b, const char *addr, struct sip_dev **out);
/* One step of a device that works by hand; false: it has nothing to do, or may not. */
bool sip_model_step(struct sip_model *b);
/* One more; dropped if there are too many. */
void sip_model_add_fault(struct sip_model *b, struct sip_model_fault f);
/* After the driver has ended: what it did wrong or has not given back; NULL: nothing. */
const char *sip_model_verdict(struct sip_model *b);

/* For the model, with the lock: */

/* Something that a driver must not do: a text that stays. */
void sip_model_lint(struct sip_model *b, const char *what);
/* n bytes of the driver's memory at an address of the device's, or NULL if they are not its. */
uint8_t *sip_model_memory(struct sip_model *b, uint64_t paddr, size_t n);
/* As much of the data as the n bytes there take; false: they are not the driver's. */
bool sip_model_move(struct sip_model *b, struct sip_model_data *data, uint64_t paddr, size_t n);
/* Those that are not over, one by one: the first behind f, or (NULL) of all; NULL: no more. */
struct sip_model_fault *sip_model_next_fault(struct sip_model *b, struct sip_model_fault *f);
/* The device's i-th interrupt: a message if it has been given vectors, else its line. */
void sip_model_interrupt(struct sip_model *b, unsigned i);
/* A line that is not in b->info, as those of an IDE controller. */
void sip_model_raise(struct sip_model *b, unsigned irq);
/* There is something to do. */
void sip_model_wake(struct sip_model *b);
/* 16 bits of chance, the same in each run. */
unsigned sip_model_random(struct sip_model *b);
