/*
 * An image without its zeros, so that small seeds can hold large file systems, for tests and fuzz
 * targets; tool/mkext4.sh -pack makes one.
 *
 *	1 byte		flags, the reader's own
 *	4 bytes, le	the size of the image in KiB
 *	then records	4 bytes, le: which 256 bytes; the 256 bytes; the last one of several counts
 */
#pragma once
#include "blk_source.h"

enum {
	BLK_SPARSE_HEAD = 5,
	BLK_SPARSE_CHUNK = 256,
	BLK_SPARSE_RECORD = 4 + BLK_SPARSE_CHUNK,
	BLK_SPARSE_RECORDS = 2048, /* more are passed over */
	BLK_SPARSE_BUCKETS = 4096,
};

struct blk_sparse {
	uint8_t flags;
	const uint8_t *records;
	uint16_t bucket[BLK_SPARSE_BUCKETS], next[BLK_SPARSE_RECORDS + 1]; /* a record, plus one */
};

/* The image in `data`, which must stay: 0; -EINVAL when there is not even one record. */
int blk_sparse_open(struct blk_source *s, struct blk_sparse *ctx, const uint8_t *data, size_t n);
