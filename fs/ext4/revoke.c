/*
 * Revoke records: blocks that a later transaction freed, whose older copies in the log must not be
 * replayed over what the block is now.  Spec: journal.rst, "Revocation Block".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "journal.h"

enum { FIRST_ROOM = 64 };

static int
append(struct ext4_revokes *v, uint64_t blk, uint32_t sequence)
{
	if (v->n == v->room) {
		size_t room = v->room ? v->room * 2 : FIRST_ROOM;
		struct ext4_revoked *p = realloc(v->entry, room * sizeof(*p));

		if (p == NULL)
			return ext4_error(ENOMEM, "ext4: no memory for the journal");
		v->entry = p;
		v->room = room;
	}
	v->entry[v->n++] = (struct ext4_revoked){blk, sequence};
	return 0;
}

int
ext4_revokes_add(struct ext4_log *log, struct ext4_revokes *v, const uint8_t *block,
	uint32_t sequence)
{
	size_t each = (log->incompat & JBD_INCOMPAT_64BIT) ? 8 : 4;
	size_t most = log->ip->fs->block_size - (log->csum ? 4 : 0);
	struct disk_jbd_revoke h;
	size_t end;
	int r = 0;

	memcpy(&h, block, sizeof(h));
	end = getbe32(h.r_count);
	if (end > most)
		return ext4_error(EUCLEAN, "ext4: journal: bad revoke count %zu", end);
	for (size_t at = sizeof(h); at + each <= end && r == 0; at += each) {
		uint64_t blk = 0;

		for (size_t i = 0; i < each; i++)
			blk = blk << 8 | block[at + i];
		r = append(v, blk, sequence);
	}
	return r;
}

/* Later transactions first; numbers wrap. */
static int
compare(const void *x, const void *y)
{
	const struct ext4_revoked *a = x, *b = y;
	int32_t later = (int32_t)(b->sequence - a->sequence);

	if (a->blk != b->blk)
		return a->blk < b->blk ? -1 : 1;
	return later > 0 ? 1 : later < 0 ? -1 : 0;
}

void
ext4_revokes_sort(struct ext4_revokes *v)
{
	size_t kept = 0;

	if (v->n == 0)
		return;
	qsort(v->entry, v->n, sizeof(*v->entry), compare);
	for (size_t i = 1; i < v->n; i++)
		if (v->entry[i].blk != v->entry[kept].blk)
			v->entry[++kept] = v->entry[i];
	v->n = kept + 1;
}

bool
ext4_revokes_has(const struct ext4_revokes *v, uint64_t blk, uint32_t sequence)
{
	size_t lo = 0, hi = v->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (v->entry[mid].blk < blk)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < v->n && v->entry[lo].blk == blk &&
	       (int32_t)(v->entry[lo].sequence - sequence) >= 0;
}
