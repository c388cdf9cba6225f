/*
 * What this driver can do wrong with a command, in builds for tests (lib/sip/fault.c).
 */
#include "virtioscsi.h"

const struct sip_faults sip_driver_faults = {
	.start = drive_fault_start,
	.wrong = drive_fault_wrong,
	.wild_dma = drive_fault_wild,
};
