/* pciehp: the slot of a PCI Express port; its registers, and what drives them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sip.h"

enum {				/* [PCIe 5.0, 7.5.3], from the capability */
	EXP_FLAGS = 0x02, EXP_LINK_CAP = 0x0c, EXP_LINK_STATUS = 0x12, EXP_SLOT_CAP = 0x14,
	EXP_SLOT_CONTROL = 0x18, EXP_SLOT_STATUS = 0x1a
};

enum { FLAGS_SLOT = 1 << 8, FLAGS_MESSAGE = 0x1f << 9 };
enum { LINK_CAP_REPORTING = 1 << 20, LINK_ACTIVE = 1 << 13 };
enum {				/* [7.5.3.9] */
	CAP_BUTTON = 1 << 0, CAP_POWER = 1 << 1, CAP_ATTENTION_LAMP = 1 << 3,
	CAP_POWER_LAMP = 1 << 4, CAP_HOT_PLUG = 1 << 6, CAP_NUMBER_SHIFT = 19,
	CAP_NO_COMPLETION = 1 << 18
};
enum {				/* [7.5.3.10] */
	CTL_BUTTON = 1 << 0, CTL_FAULT = 1 << 1, CTL_PRESENCE = 1 << 3, CTL_COMPLETED = 1 << 4,
	CTL_INTERRUPT = 1 << 5, CTL_ATTENTION = 3 << 6, CTL_POWER_LAMP = 3 << 8,
	CTL_POWER_OFF = 1 << 10, CTL_LINK = 1 << 12
};
enum { LAMP_ON = 1, LAMP_BLINK = 2, LAMP_OFF = 3, ATTENTION_SHIFT = 6, POWER_LAMP_SHIFT = 8 };
enum {				/* [7.5.3.11] */
	STA_BUTTON = 1 << 0, STA_FAULT = 1 << 1, STA_PRESENCE = 1 << 3, STA_COMPLETED = 1 << 4,
	STA_PRESENT = 1 << 6, STA_LINK = 1 << 8,
	STA_EVENTS = STA_BUTTON | STA_FAULT | STA_PRESENCE | STA_LINK
};

#define SLOT_COMMAND_MS	1000u	/* [6.7.3.2] */
#define SLOT_LINK_MS	1000u	/* for the link to come up after power */
#define SLOT_READY_MS	100u	/* [6.6.1]: from the link to the first configuration request */
#define SLOT_FOUND_TRIES 10u	/* of SLOT_READY_MS: until a function answers */
#define SLOT_LEAVE_MS	10000u	/* for the drivers behind the port to end */
#define SLOT_OFF_MS	1000u	/* [6.7.1.8]: until power is surely off */
#define SLOT_ROUNDS	8u	/* of events, in one call */
#define SLOT_FUNCS	8u	/* of one device */

enum slot_state {
	SLOT_NONE, SLOT_EMPTY, SLOT_OFF, SLOT_STARTING, SLOT_ON, SLOT_ENDING, SLOT_FAULT
};

/*
 * What is around a slot: the port's configuration space, the kernel's list of functions, time.  A
 * negative errno is an error, and the read of a port that has gone gives ones.
 */
struct slot_ops {
	uint32_t (*read)(void *arg, unsigned offset, unsigned width);
	int (*write)(void *arg, unsigned offset, uint16_t value);
	/* The functions on the bus, as "B.D.F": how many. */
	unsigned (*functions)(void *arg, unsigned bus, char addr[SLOT_FUNCS][16]);
	bool (*owned)(void *arg, const char *addr);	/* has a driver */
	bool (*leaving)(void *arg, const char *addr);
	int (*tell)(void *arg, const char *word, const char *what);	/* rescan, leave, remove */
	void (*sleep_ms)(void *arg, unsigned ms);
	void (*log)(void *arg, const char *text);
};

struct slot {
	const struct slot_ops *ops;
	void *arg;
	unsigned express, bus;		/* where the capability is; what is behind the port */
	uint32_t cap;
	bool link_reporting;
	enum slot_state state;
	unsigned number;
	/* Since the start: */
	uint64_t plugged, unplugged, pulled, faults;
};

/* Reads what the port has.  State SLOT_NONE: no slot, or not one for hot plugging. */
void slot_init(struct slot *s, const struct slot_ops *ops, void *arg, unsigned express,
	unsigned bus);
/* Events on; then what is there is brought to where it should be. */
int slot_begin(struct slot *s);
void slot_end(struct slot *s);		/* no more interrupts */
/* What has happened is acted upon.  0; -EIO: the port does not answer. */
int slot_events(struct slot *s);
int slot_power(struct slot *s, bool on);	/* as the button would */
const char *slot_state_name(enum slot_state state);

/* The port of a server, and the kernel's files: port.c. */
struct port {
	struct sip_dev *dev;
	struct slot slot;
	int raw, list;			/* /dev/pci/B.D.Fraw, /dev/pci/ctl */
	pthread_mutex_t one;		/* the slot is one thread's at a time */
	struct sip_event event;
	pthread_t thread;
	bool running;
	atomic_bool ending;
	_Atomic int error;		/* of the last look */
	_Atomic uint64_t interrupts;
};

extern const struct slot_ops port_ops;
extern const struct sip_type pciehp_type;
