/* The kernel's log.  log.c. */
#pragma once
#include "kernel.h"

/* Copies the log's bytes from absolute position off, or from its oldest; returns how many. */
size_t log_read(char *buf, size_t n, uint64_t off);
void log_panic(void);
