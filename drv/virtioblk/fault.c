/*
 * What this driver can do wrong with a command, in builds for tests (lib/sip/fault.c).
 */
#include "drive.h"

const struct sip_faults sip_driver_faults = { DRIVE_FAULTS };
