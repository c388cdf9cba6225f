/* Lies, from a generator of random numbers (splitmix64), so that a seed gives the same ones in the
 * same order of accesses. */
#include "liar.h"

#include <errno.h>
#include <string.h>

enum { WORD_LOOKS = 64 };	/* for a word that is not zero */

static const char *const names[] = { "registers", "memory", "interrupts" };

void
liar_seed(struct liar *l, uint64_t seed)
{
	l->state = seed;
}

uint64_t
liar_random(struct liar *l)
{
	uint64_t z = l->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

bool
liar_now(struct liar *l, enum liar_kind kind)
{
	if (!l->one_in || !(l->kinds & kind) || liar_random(l) % l->one_in)
		return false;
	l->told[__builtin_ctz(kind)]++;
	return true;
}

static uint64_t
other(struct liar *l, uint64_t value, unsigned bits)
{
	switch (liar_random(l) % 6) {
	case 0:
		return UINT64_MAX;
	case 1:
		return 0;
	case 2:
		return liar_random(l);
	case 3:
		return l->last;
	case 4:
		return value + 1;
	default:
		return value ^ 1ull << liar_random(l) % bits;
	}
}

uint64_t
liar_register(struct liar *l, uint64_t value, unsigned width)
{
	unsigned bits = 8 * width;
	uint64_t mask = bits == 64 ? UINT64_MAX : (1ull << bits) - 1;

	return other(l, value, bits) & mask;
}

void
liar_memory(struct liar *l, uint8_t *at, size_t n)
{
	size_t words = n / 4, word = 0;
	uint32_t value = 0;

	if (!words)
		return;
	for (unsigned i = 0; i < WORD_LOOKS && !value; i++) {
		word = liar_random(l) % words;
		memcpy(&value, at + 4 * word, 4);
	}
	value = (uint32_t)other(l, value, 32);
	memcpy(at + 4 * word, &value, 4);
}

int
liar_kinds(const char *text)
{
	unsigned kinds = 0;

	while (*text) {
		size_t n = strcspn(text, ","), i = 0;

		while (i < 3 && (strlen(names[i]) != n || strncmp(text, names[i], n) != 0))
			i++;
		if (i == 3)
			return -EINVAL;
		kinds |= 1u << i;
		text += n + (text[n] == ',');
	}
	return kinds ? (int)kinds : -EINVAL;
}
