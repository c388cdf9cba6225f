/*
 * ISO 9660 under libFuzzer: mounts a disc made of the input, walks the tree, reads everything, with
 * bounds on how much of it.
 *
 * The input is a disc without its zeros (lib/blk/testing/sparse.h), with flags: 1 no check of byte
 * orders, 2 no Rock Ridge, 4 no Joliet, 8 hide.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "fs/iso/iso.h"
#include "lib/blk/testing/sparse.h"

enum {
	MAX_ENTRIES = 400,
	MAX_DEPTH = 12,
	READ_BYTES = 20000,
};

struct walk {
	unsigned entries, depth;
};

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
read_file(struct iso_node *n)
{
	static uint8_t buf[READ_BYTES];
	static const uint64_t places[] = { 0, 100, 2047, 65535 };

	for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
		int64_t got = iso_file_read(n, places[i], i & 1 ? READ_BYTES : 100, buf);

		check(got <= READ_BYTES);
	}
	iso_file_read(n, n->size - 50, 100, buf);
	check(iso_file_read(n, n->size, 100, buf) <= 0);
}

static void visit(struct walk *w, struct iso_node *n);

static void
visit_entries(struct walk *w, struct iso_node *dir)
{
	struct iso_entry *e = malloc(sizeof *e), *found = malloc(sizeof *found);
	struct iso_node *n;
	uint64_t at = 0;

	while (w->entries++ < MAX_ENTRIES && iso_dir_next(dir, at, e) > 0) {
		check(e->next > at && e->name_len <= ISO_NAME_MAX);
		check(e->name_len == strlen(e->name) && e->nextents <= ISO_EXTENTS_MAX);
		at = e->next;
		if (e->dot || e->dotdot)
			continue;
		if (!e->hidden) {
			check(iso_name_ok(e->name, e->name_len));
			if (w->entries % 8 == 0)
				check(iso_dir_find(dir, e->name, found) != -ENOENT);
		}
		if (iso_node_entry(dir, e, &n) == 0)
			visit(w, n);
		iso_node_put(n);
	}
	free(e);
	free(found);
}

/* A tree has no loop: a directory is never below itself. */
static void
visit(struct walk *w, struct iso_node *n)
{
	static uint64_t above[MAX_DEPTH];

	if (w->depth >= MAX_DEPTH)
		return;
	if (S_ISREG(n->mode))
		read_file(n);
	if (n->link)
		check(strlen(n->link) == n->link_len || n->refused);
	if (!S_ISDIR(n->mode))
		return;
	for (unsigned i = 0; i < w->depth; i++)
		check(above[i] != n->id);
	above[w->depth++] = n->id;
	visit_entries(w, n);
	w->depth--;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct blk_sparse sparse;
	static struct iso_fs fs;
	struct blk_source dev;
	struct iso_options opt = { .cache_bytes = ISO_CACHE_MIN };
	struct walk w = { 0, 0 };
	struct iso_node *root;

	if (blk_sparse_open(&dev, &sparse, data, n) < 0)
		return 0;
	opt.nocheck = sparse.flags & 1;
	opt.norock = sparse.flags & 2;
	opt.nojoliet = sparse.flags & 4;
	opt.hide = sparse.flags & 8;
	if (iso_mount(&fs, &dev, &opt) < 0)
		return 0;
	if (iso_node_dir(&fs, fs.root, &root) == 0)
		visit(&w, root);
	iso_node_put(root);
	iso_unmount(&fs);
	return 0;
}
