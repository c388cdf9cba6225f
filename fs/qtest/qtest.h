/*
 * QEMU's qtest protocol [QEMU docs/devel/qtest]: one line asks, one line answers, and lines of
 * interrupts come between.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define QTEST_TIMEOUT_MS	10000	/* for one answer; then the machine counts as gone */

struct qtest;

/* Takes a connected stream.  `irq` is called from a thread of its own, with no lock held. */
int qtest_open(struct qtest **out, int fd, void (*irq)(void *arg, unsigned line, bool level),
	void *arg);
void qtest_close(struct qtest *q);

/* Widths 1, 2, 4, and for memory 8.  0; -EIO: refused by QEMU; -ENODEV: QEMU has gone. */
int qtest_in(struct qtest *q, unsigned port, unsigned width, uint64_t *value);
int qtest_out(struct qtest *q, unsigned port, unsigned width, uint64_t value);
int qtest_read(struct qtest *q, uint64_t addr, unsigned width, uint64_t *value);
int qtest_write(struct qtest *q, uint64_t addr, unsigned width, uint64_t value);
/* From now on the levels of the device's inputs are told; they reach it as before. */
int qtest_intercept(struct qtest *q, const char *device);
