/* What exec hands on in the environment.  start.c, exec.c */
#pragma once
#include "linux.h"

#define STATE_NAME	"LUX9_LINUX_STATE="
#define STATE_SIZE	96

/* False if the string is not one; otherwise it is taken over. */
bool state_parse(const char *s, struct thread *t);
/* False if there is nothing to say. */
bool state_format(char buf[STATE_SIZE], const struct thread *t);
