/* A device that lies: some of the registers' answers, of the words in its driver's memory and of
 * its interrupts are not what the device model made them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum liar_kind { LIAR_REGISTERS = 1, LIAR_MEMORY = 2, LIAR_INTERRUPTS = 4, LIAR_ALL = 7 };

struct liar {			/* the caller locks */
	uint64_t one_in;	/* one answer in so many is a lie; 0: none is */
	unsigned kinds;
	uint64_t state;		/* of the generator */
	uint64_t last;		/* a value that another register gave */
	uint64_t told[3];	/* lies of each kind */
};

void liar_seed(struct liar *l, uint64_t seed);
uint64_t liar_random(struct liar *l);
/* Whether it is time for a lie of that kind; then it is counted. */
bool liar_now(struct liar *l, enum liar_kind kind);
/* What a register of so many bytes gives in place of value. */
uint64_t liar_register(struct liar *l, uint64_t value, unsigned width);
/* Changes one 32-bit word of n bytes of memory, rather one that is not zero. */
void liar_memory(struct liar *l, uint8_t *at, size_t n);
/* "registers,memory,interrupts": a set of kinds; -EINVAL. */
int liar_kinds(const char *text);
