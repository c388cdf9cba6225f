/*
 * The table of 9P messages: for each type its name and, for each dialect, its members in wire
 * order.  Whatever must know the members of a message walks this table.
 */
#pragma once
#include <p9.h>

enum p9_kind {
	P9_KEND,	/* ends a list of members */
	P9_KINT,	/* an unsigned number */
	P9_KINT_OPT,	/* the same; older clients leave it out at the end: then 0 */
	P9_KSTR,
	P9_KSTAT,	/* as a string: one packed stat record */
	P9_KQID,
	P9_KNAMES,	/* nwname[2], strings */
	P9_KQIDS,	/* nwqid[2], qids */
	P9_KDATA,	/* count[4], bytes */
};

struct p9_field {
	const char *name;
	uint16_t offset;	/* in struct p9_msg */
	uint8_t kind, wire, member;	/* numbers: bytes on the wire, bytes in the struct */
};

struct p9_desc {
	const char *name;	/* NULL: no such type */
	const struct p9_field *fields[2];	/* by dialect; NULL: not in it */
};

#define P9_NTYPES 128

extern const struct p9_desc p9_table[P9_NTYPES];

/* The members, or NULL. */
static inline const struct p9_field *
p9_fields(enum p9_dialect d, unsigned type)
{
	return type < P9_NTYPES ? p9_table[type].fields[d == P9_2000L] : NULL;
}

/* A number of a message, by its member. */
uint64_t p9_field_get(const struct p9_msg *, const struct p9_field *);
void p9_field_set(struct p9_msg *, const struct p9_field *, uint64_t);
