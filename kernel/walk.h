/*
 * A resolution under way.  walk.c has it, name.c uses it.
 */
#pragma once
#include "name.h"

#define TEXT_SMALL	256

enum how { FOLLOW = 1, THROUGH = 2 };	/* the last link; the last mount */

struct walker {
	struct ns *ns;
	struct place at;
	unsigned how;
	int links;
	char *text, *pos, *end;		/* [pos, end): still to walk; '/' and NUL both separate */
	char *heap;			/* text, if it is long */
	const char *missing;		/* with -ENOENT: the last name, which is not in `at` */
	bool missing_dir;		/* something follows that name: it must be a directory */
	char small[TEXT_SMALL];
};

/*
 * Resolves the first n bytes of path; on -ENOENT w->at and w->missing are still valid.  However it
 * ends, walker_done.
 */
int walk_text(struct walker *w, struct chan *from, const char *path, size_t n, unsigned how);
void walker_done(struct walker *w);
/* From a mount point to what is mounted on it. */
void walk_through(struct walker *w);
