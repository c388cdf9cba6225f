/*
 * What the name-space files share: paths, mount tables, resolution.  path.c, ns.c, name.c.
 */
#pragma once
#include "chan.h"

/* path.c.  A path's text is absolute and clean, or begins with '#' and a device's name. */
struct path *path_new(const char *text, size_t n);	/* NULL if memory is short */
static inline struct path *
path_get(struct path *p)
{
	if (p)
		ref_get(&p->refs);
	return p;
}
void path_put(struct path *p);
/* p with n names added: 0, -ENOMEM, -ENAMETOOLONG. */
int path_join(struct path *p, const char *const *names, int n, struct path **out);
/* The length of what is left of the clean text when its last name goes. */
size_t path_parent(const char *text, size_t n);
const char *chan_path(const struct chan *c);		/* "" if it has none */

/*
 * ns.c.  A mount_head says what is mounted on one place.  It never changes: a mount or unmount
 * replaces it; so it may be used without a lock by whoever has a reference.
 */
#define UNION_MAX	32

struct mount_member {
	struct chan *to;
	uint32_t flags;			/* SYS_MCREATE, MOUNT_SERVER */
};
#define MOUNT_SERVER	0x100		/* made by SYS_MOUNT */

struct mount_head {
	uint32_t refs;
	int n;
	uint64_t seq;			/* age, for the listing */
	struct chan *from;
	struct mount_member member[];
};

/* What is mounted on (dev, id, path), with a reference, or NULL. */
struct mount_head *ns_find(struct ns *ns, const struct dev *dev, uint32_t id, uint64_t path);
static inline void
mount_head_get(struct mount_head *h)
{
	ref_get(&h->refs);
}
void mount_head_put(struct mount_head *h);	/* NULL is valid */
/* The first member that is not dead, if there is one. */
struct chan *mount_head_first(const struct mount_head *h);
bool same_place(const struct chan *a, const struct chan *b);
/* True if something is mounted on the place with this name. */
bool ns_busy(struct ns *ns, const char *dir, const char *name);
/* The table as commands, in kmalloc'd text: its length, or -ENOMEM. */
int64_t ns_text(struct ns *ns, char **out);
struct ns *ns_current(void);

/* name.c: where a resolution is.  Each pointer has a reference. */
struct place {
	struct chan *c;
	struct path *path;
	struct mount_head *head;	/* the mount that c is the first member of, or NULL */
	bool mounted;			/* c is beyond the mount point */
	bool fresh;			/* c was made by this resolution and is nobody else's */
};

void place_put(struct place *p);
/* As name_lookup for NAME_WALK and NAME_NOFOLLOW, but c may be shared with the mount table. */
int name_place(struct chan *from, const char *path, enum name_what what, struct place *out);
/*
 * The directory and the last name of a path; of a union the member to create in or, with
 * `existing`, that has the name.  *dir may be shared: it must not be opened.
 */
int name_parent_place(struct chan *from, const char *path, bool existing, struct place *dir,
		      char name[SYS_NAME_MAX + 1]);

/* dev/devlist.c: the kernel device of that name, or NULL; its number (0: the mount driver). */
const struct dev *dev_find(const char *name, size_t n);
const struct dev *dev_at(unsigned i);		/* in order, NULL at the end */
unsigned dev_number(const struct dev *d);
