/* What init.c and rtc.c share. */
#pragma once
#include <stdbool.h>

/* Sets the system's clock from the machine's; false with a message on standard error. */
bool rtc_set_clock(void);
