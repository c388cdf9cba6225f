/*
 * The environment: the variables that /env shows, shared by a group of processes.  env.c.
 */
#pragma once
#include "chan.h"

struct env;
struct env *env_new(void);		/* NULL if memory is short */
struct env *env_copy(struct env *e);
void env_get(struct env *e);
void env_put(struct env *e);

/* What dev/env.c needs.  A variable is named by its id, which is never used again. */
int env_make(struct env *e, const char *name, uint64_t *id);	/* -EEXIST: *id is the old one's */
int env_find(struct env *e, const char *name, uint64_t *id);
/* The variable at position i: its id, name and length; -ENOENT at the end. */
int env_at(struct env *e, int i, uint64_t *id, char name[SYS_NAME_MAX + 1], size_t *length);
/* The variable's name and length. */
int env_info(struct env *e, uint64_t id, char name[SYS_NAME_MAX + 1], size_t *length);
int env_remove(struct env *e, const char *name);
int env_truncate(struct env *e, uint64_t id);
int64_t env_read(struct env *e, uint64_t id, struct uio *u, uint64_t off);
int64_t env_write(struct env *e, uint64_t id, struct uio *u, uint64_t off);
