/*
 * Where a file system's bytes come from: an image file, a disk, a partition of one, or memory
 * (tests and fuzzing).  Read-only.  Several threads may read at once.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct blk_source {
	/* All n bytes at off: 0, or a negative errno. */
	int (*read)(void *ctx, void *buf, size_t n, uint64_t off);
	void *ctx;
	uint64_t size; /* bytes */
};

/* Is told why in words, in the thread that gets the error. */
typedef void blk_source_why(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

struct blk_source_file { /* the ctx of one that was opened; `why` is the caller's */
	int fd;
	uint64_t start; /* where the partition begins */
	blk_source_why *why;
};

struct blk_source_memory {
	const uint8_t *data;
	size_t n;
	blk_source_why *why;
};

/* Opens path for reading; *f must stay until blk_source_close.  0, or a negative errno. */
int blk_source_open(struct blk_source *s, struct blk_source_file *f, const char *path);
void blk_source_close(struct blk_source_file *f);
/* Narrows an open one to partition `number` (1 and up): 0, or a negative errno.  source_part.c */
int blk_source_part(struct blk_source *s, struct blk_source_file *f, uint32_t number);
void blk_source_memory(struct blk_source *s, struct blk_source_memory *m);
