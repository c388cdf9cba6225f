/*
 * ISO 9660 under libFuzzer: mounts a disc made of the input, walks the tree, reads everything, with
 * bounds on how much of it.
 *
 * The input is as that of fuzz/ext4.c, a disc without its zeros:
 *
 *	1 byte		flags: 1 no check of byte orders, 2 no Rock Ridge, 4 no Joliet, 8 hide
 *	4 bytes, le	the size of the disc in KiB
 *	then records	4 bytes, le: which 256 bytes; the 256 bytes
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "fs/iso/iso.h"

enum {
	HEAD = 5,
	CHUNK = 256,
	RECORD = 4 + CHUNK,
	NBUCKETS = 4096,
	MAX_RECORDS = 2048,
	MAX_ENTRIES = 400,
	MAX_DEPTH = 12,
	READ_BYTES = 20000,
};

struct disc {
	const uint8_t *records;
	uint16_t bucket[NBUCKETS], next[MAX_RECORDS + 1]; /* record number plus one */
};

struct walk {
	unsigned entries, depth;
};

static uint32_t
word(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static const uint8_t *
find(const struct disc *d, uint64_t chunk)
{
	for (unsigned i = d->bucket[chunk % NBUCKETS]; i > 0; i = d->next[i])
		if (word(d->records + (size_t)(i - 1) * RECORD) == chunk)
			return d->records + (size_t)(i - 1) * RECORD + 4;
	return NULL;
}

static int
disc_read(void *ctx, void *buf, size_t n, uint64_t off)
{
	uint8_t *dst = buf;

	while (n > 0) {
		size_t at = off % CHUNK, part = CHUNK - at < n ? CHUNK - at : n;
		const uint8_t *p = find(ctx, off / CHUNK);

		if (p)
			memcpy(dst, p + at, part);
		else
			memset(dst, 0, part);
		dst += part;
		off += part;
		n -= part;
	}
	return 0;
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
	static struct disc d;
	static struct iso_fs fs;
	struct blk_source dev = { .read = disc_read, .ctx = &d };
	struct iso_options opt = { .cache_bytes = ISO_CACHE_MIN };
	struct walk w = { 0, 0 };
	struct iso_node *root;

	if (n < HEAD + RECORD)
		return 0;
	memset(d.bucket, 0, sizeof d.bucket);
	d.records = data + HEAD;
	for (unsigned i = 0; i < MAX_RECORDS && HEAD + (i + 1) * (size_t)RECORD <= n; i++) {
		uint16_t *b = &d.bucket[word(d.records + i * (size_t)RECORD) % NBUCKETS];

		d.next[i + 1] = *b;
		*b = (uint16_t)(i + 1);
	}
	opt.nocheck = data[0] & 1;
	opt.norock = data[0] & 2;
	opt.nojoliet = data[0] & 4;
	opt.hide = data[0] & 8;
	dev.size = (uint64_t)word(data + 1) * 1024;
	if (iso_mount(&fs, &dev, &opt) < 0)
		return 0;
	if (iso_node_dir(&fs, fs.root, &root) == 0)
		visit(&w, root);
	iso_node_put(root);
	iso_unmount(&fs);
	return 0;
}
