/*
 * The environment that /env shows, shared by a group of processes.  dev/env.c.
 */
#pragma once
#include "chan.h"

struct env;
struct env *env_new(void);		/* NULL if memory is short */
struct env *env_copy(struct env *e);
void env_get(struct env *e);
void env_put(struct env *e);
