/*
 * See sparse.h.
 */
#include "sparse.h"

#include <errno.h>
#include <string.h>

static uint32_t
word(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static const uint8_t *
find(const struct blk_sparse *d, uint64_t chunk)
{
	for (unsigned i = d->bucket[chunk % BLK_SPARSE_BUCKETS]; i > 0; i = d->next[i]) {
		const uint8_t *record = d->records + (size_t)(i - 1) * BLK_SPARSE_RECORD;

		if (word(record) == chunk)
			return record + 4;
	}
	return NULL;
}

static int
sparse_read(void *ctx, void *buf, size_t n, uint64_t off)
{
	uint8_t *dst = buf;

	while (n > 0) {
		size_t at = off % BLK_SPARSE_CHUNK, part = BLK_SPARSE_CHUNK - at;
		const uint8_t *p = find(ctx, off / BLK_SPARSE_CHUNK);

		if (part > n)
			part = n;
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

int
blk_sparse_open(struct blk_source *s, struct blk_sparse *ctx, const uint8_t *data, size_t n)
{
	size_t nrecords;

	if (n < BLK_SPARSE_HEAD + BLK_SPARSE_RECORD)
		return -EINVAL;
	nrecords = (n - BLK_SPARSE_HEAD) / BLK_SPARSE_RECORD;
	if (nrecords > BLK_SPARSE_RECORDS)
		nrecords = BLK_SPARSE_RECORDS;
	ctx->flags = data[0];
	ctx->records = data + BLK_SPARSE_HEAD;
	memset(ctx->bucket, 0, sizeof ctx->bucket);
	for (unsigned i = 0; i < nrecords; i++) {
		uint32_t chunk = word(ctx->records + (size_t)i * BLK_SPARSE_RECORD);
		uint16_t *b = &ctx->bucket[chunk % BLK_SPARSE_BUCKETS];

		ctx->next[i + 1] = *b;
		*b = (uint16_t)(i + 1);
	}
	*s = (struct blk_source){ .read = sparse_read,
				  .ctx = ctx,
				  .size = (uint64_t)word(data + 1) * 1024 };
	return 0;
}
