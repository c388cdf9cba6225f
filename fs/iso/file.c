/*
 * A file's bytes: its extents, one after the other.
 */
#include <errno.h>
#include "iso.h"

int
iso_file_check(const struct iso_node *n)
{
	return n->refused ? iso_error(n->refused, "iso: file at byte %llu: %s",
				      (unsigned long long)n->id, n->why)
			  : 0;
}

int64_t
iso_file_read(struct iso_node *f, uint64_t off, size_t n, uint8_t *dst)
{
	size_t done = 0;
	int err = iso_file_check(f);

	if (err < 0)
		return err;
	if (off >= f->size)
		return 0;
	if (n > f->size - off)
		n = (size_t)(f->size - off);
	for (unsigned i = 0; i < f->nextents && done < n; i++) {
		const struct iso_extent *x = &f->extent[i];
		size_t part = n - done;

		if (off >= x->bytes) {
			off -= x->bytes;
			continue;
		}
		if (part > x->bytes - off)
			part = (size_t)(x->bytes - off);
		err = iso_read(f->fs, x->off + off, dst + done, part);
		if (err < 0)
			return err;
		done += part;
		off = 0;
	}
	return (int64_t)done;
}
