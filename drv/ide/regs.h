/*
 * Registers of an IDE controller: the command and control blocks of a channel [ATA8-APT, 4; ACS-4]
 * and the bus master's [Programming Interface for Bus Master IDE Controller 1.0, 2].
 */
#pragma once
#include "reg.h"

enum ide_reg { /* of the command block */
	       IDE_DATA = 0,
	       IDE_ERROR = 1, /* features when written */
	       IDE_COUNT = 2, /* of a packet: the interrupt's reason */
	       IDE_LBA_LOW = 3,
	       IDE_LBA_MID = 4, /* of a packet: bytes of this block, low; high follows */
	       IDE_LBA_HIGH = 5,
	       IDE_DEVICE = 6,
	       IDE_STATUS = 7, /* the command when written; reading it ends the interrupt */
	       IDE_COMMAND_PORTS = 8,
};

enum { /* of a control block with four ports, as a native BAR has; the legacy one begins at it */
       IDE_NATIVE_CONTROL = 2,
       IDE_CONTROL = 0, /* reads as the status, and leaves the interrupt as it is */
       IDE_CONTROL_PORTS = 1,
       IDE_CONTROL_NO_INTERRUPTS = 2,
       IDE_CONTROL_RESET = 4,
};

enum ide_master_reg { /* of a channel: 8 ports of BAR 4 */
		      IDE_BM_COMMAND = 0,
		      IDE_BM_STATUS = 2,
		      IDE_BM_TABLE = 4,
		      IDE_BM_PORTS = 8,
};

enum {
	IDE_BM_START = 1,
	IDE_BM_TO_MEMORY = 8,
	IDE_BM_ACTIVE = 1,
	IDE_BM_ERROR = 2,     /* written 1 to be cleared */
	IDE_BM_INTERRUPT = 4, /* the same */
	IDE_BM_SIMPLEX = 0x80,

	IDE_PRD_SIZE = 8,
	IDE_PRD_BOUNDARY = 64 << 10, /* no entry crosses one */
	IDE_PRD_LAST = 1 << 15,      /* in the entry's last 16 bits */

	IDE_DEVICE_FIXED = 0xa0, /* bits that were once obsolete, and still are set */
	IDE_DEVICE_SLAVE = 0x10,

	IDE_REASON_COMMAND = 1, /* CoD: a packet, or its end; else data */
	IDE_REASON_IN = 2,      /* IO: to the host */

	IDE_LEGACY_COMMAND_0 = 0x1f0,
	IDE_LEGACY_CONTROL_0 = 0x3f6,
	IDE_LEGACY_LINE_0 = 14,
	IDE_LEGACY_COMMAND_1 = 0x170,
	IDE_LEGACY_CONTROL_1 = 0x376,
	IDE_LEGACY_LINE_1 = 15,
};
