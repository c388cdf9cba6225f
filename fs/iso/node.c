/*
 * Nodes: a file or directory, with what its records say of it.
 *
 * A directory is known by the place where it begins, and has its attributes in its own first
 * record; its second tells its parent (or PL does, for one that was moved because the tree was too
 * deep).  A directory is entered only from the parent that it names, or if it names itself, as
 * those do that libisofs writes for Joliet; and never from itself or from below itself.  So a tree
 * has no loop, whatever its records say.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "iso.h"

enum { PERMISSIONS = 07777, DEFAULT_DIR = 0555, DEFAULT_FILE = 0444 };

static struct iso_node *
make(struct iso_fs *fs, const struct iso_entry *e, uint32_t type)
{
	const struct iso_rock *r = &e->rock;
	struct iso_node *n = calloc(1, sizeof *n + e->nextents * sizeof *e->extent);
	int64_t t = e->time;

	if (!n)
		return NULL;
	n->fs = fs;
	n->refs = 1;
	n->id = e->id;
	n->mode = type | (S_ISDIR(type) ? DEFAULT_DIR : DEFAULT_FILE);
	n->nlink = 1;
	if (r->has_mode) {
		n->mode = type | (r->mode & PERMISSIONS);
		n->nlink = r->nlink ? r->nlink : 1;
		n->uid = r->uid;
		n->gid = r->gid;
	}
	if (r->has_device && (S_ISCHR(type) || S_ISBLK(type)))
		n->rdev = r->rdev;
	n->mtime = r->has_times >> ISO_TIME_MODIFY & 1 ? r->time[ISO_TIME_MODIFY] : t;
	n->atime = r->has_times >> ISO_TIME_ACCESS & 1 ? r->time[ISO_TIME_ACCESS] : n->mtime;
	n->ctime = r->has_times >> ISO_TIME_ATTRIBUTES & 1 ? r->time[ISO_TIME_ATTRIBUTES] : t;
	n->has_btime = r->has_times >> ISO_TIME_CREATION & 1;
	n->btime = r->time[ISO_TIME_CREATION];
	return n;
}

void
iso_node_hold(struct iso_node *n)
{
	atomic_fetch_add(&n->refs, 1);
}

void
iso_node_put(struct iso_node *n)
{
	while (n && atomic_fetch_sub(&n->refs, 1) == 1) {
		struct iso_node *up = n->up;

		free(n->link);
		free(n);
		n = up;
	}
}

/* --- directories ----------------------------------------------------------------------------- */

static bool
in_device(const struct iso_fs *fs, const struct iso_extent *x)
{
	return x->off <= fs->dev.size && x->bytes <= fs->dev.size - x->off;
}

/* The first two records, of a directory that is only a place: what reads them needs no more. */
static int
read_dots(struct iso_fs *fs, uint64_t off, struct iso_entry *dot, struct iso_entry *up)
{
	struct iso_node place = { .fs = fs, .id = off, .size = ISO_SECTOR };
	int got = iso_dir_next(&place, 0, dot);

	if (got < 0)
		return got;
	if (got && dot->damage)
		return iso_error(dot->damage, "iso: directory at byte %llu: %s",
				 (unsigned long long)off, dot->why);
	if (!got || !dot->dot || !dot->is_dir || dot->extent[0].off != off)
		return iso_error(EUCLEAN, "iso: no directory at byte %llu",
				 (unsigned long long)off);
	got = iso_dir_next(&place, dot->next, up);
	if (got < 0)
		return got;
	if (got && up->damage)
		return iso_error(up->damage, "iso: directory at byte %llu: its parent: %s",
				 (unsigned long long)off, up->why);
	if (!got || !up->dotdot || !up->is_dir)
		return iso_error(EUCLEAN, "iso: directory at byte %llu: no parent in it",
				 (unsigned long long)off);
	if (!dot->size || !in_device(fs, &dot->extent[0]))
		return iso_error(EUCLEAN, "iso: directory at byte %llu: %llu bytes do not fit",
				 (unsigned long long)off, (unsigned long long)dot->size);
	return 0;
}

int
iso_node_dir(struct iso_fs *fs, uint64_t off, struct iso_node **out)
{
	struct iso_entry *e = malloc(2 * sizeof *e);
	struct iso_node *n;
	int err;

	*out = NULL;
	if (!e)
		return -ENOMEM;
	err = read_dots(fs, off, &e[0], &e[1]);
	if (err == 0) {
		n = *out = make(fs, &e[0], S_IFDIR);
		if (n) {
			n->size = e[0].size;
			n->parent = e[1].rock.has_parent
					    ? (uint64_t)e[1].rock.parent * fs->volume.block_size
					    : e[1].dir;
		} else
			err = -ENOMEM;
	}
	free(e);
	return err;
}

/* --- files ----------------------------------------------------------------------------------- */

static void
refuse(struct iso_node *n, int error, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void
refuse(struct iso_node *n, int error, const char *fmt, ...)
{
	va_list ap;

	if (n->refused)
		return;
	n->refused = error;
	va_start(ap, fmt);
	vsnprintf(n->why, sizeof n->why, fmt, ap);
	va_end(ap);
}

static void
judge(struct iso_node *n, const struct iso_entry *e)
{
	if (e->damage)
		refuse(n, e->damage, "%s", e->why);
	if (e->rock.compressed)
		refuse(n, EOPNOTSUPP, "compressed (zisofs, %s), which is not read",
		       e->rock.algorithm);
	if (e->rock.sparse)
		refuse(n, EOPNOTSUPP, "a sparse file (SF), which is not read");
	if (e->interleaved)
		refuse(n, EOPNOTSUPP, "interleaved, which is not read");
	for (unsigned i = 0; i < e->nextents; i++)
		if (e->extent[i].bytes && !in_device(n->fs, &e->extent[i]))
			refuse(n, EUCLEAN, "%llu bytes at %llu are not in the device",
			       (unsigned long long)e->extent[i].bytes,
			       (unsigned long long)e->extent[i].off);
}

static int
make_file(struct iso_fs *fs, const struct iso_entry *e, struct iso_node **out)
{
	uint32_t type = (uint32_t)iso_entry_type(e) << 12;
	struct iso_node *n = make(fs, e, type);

	if (!n)
		return -ENOMEM;
	if (S_ISREG(type)) {
		n->size = e->size;
		n->nextents = e->nextents;
		memcpy(n->extent, e->extent, e->nextents * sizeof *e->extent);
	} else if (S_ISLNK(type)) {
		n->link = strdup(e->rock.link);
		n->link_len = n->size = e->rock.link_len;
		if (!n->link) {
			free(n);
			return -ENOMEM;
		}
	}
	judge(n, e);
	*out = n;
	return 0;
}

/* May the directory n be entered from dir, as what e names? */
static int
check_place(struct iso_node *dir, const struct iso_entry *e, const struct iso_node *n)
{
	unsigned depth = 0;

	for (const struct iso_node *a = dir; a; a = a->up)
		if (a->id == n->id || ++depth > ISO_DEPTH_MAX)
			return iso_error(EUCLEAN, "iso: \"%s\": the directory at byte %llu is %s",
					 e->name, (unsigned long long)e->dir,
					 depth > ISO_DEPTH_MAX ? "too deep" : "in itself");
	if (n->parent == dir->id || n->parent == n->id)
		return 0;
	return iso_error(EUCLEAN,
			 "iso: \"%s\": the directory at byte %llu is another one's: %llu's",
			 e->name, (unsigned long long)e->dir, (unsigned long long)n->parent);
}

int
iso_node_entry(struct iso_node *dir, const struct iso_entry *e, struct iso_node **out)
{
	int err;

	*out = NULL;
	if (!e->is_dir)
		return make_file(dir->fs, e, out);
	err = iso_node_dir(dir->fs, e->dir, out);
	if (!*out)
		return err;
	err = check_place(dir, e, *out);
	if (err == 0) {
		iso_node_hold(dir);
		(*out)->up = dir;
		return 0;
	}
	iso_node_put(*out);
	*out = NULL;
	return err;
}
