/*
 * The hash of a name in an indexed directory.  Spec: Linux ext4 ondisk/directory.rst; the values
 * are defined by what Linux computes.  Half MD4 is three short rounds of MD4 (RFC 1320) on eight
 * words; TEA is sixteen rounds of the Tiny Encryption Algorithm.  Each comes with bytes taken as
 * signed or unsigned, an accident of the machines it was first run on.
 */
#include <errno.h>
#include <string.h>
#include "ext4.h"

enum { MD4_WORDS = 8, TEA_WORDS = 4, TEA_ROUNDS = 16 };
#define HASH_EOF 0xfffffffeu		/* means the end of the directory: never a name's */

static uint32_t
rotate(uint32_t v, uint32_t n)
{
	return v << n | v >> (32 - n);
}

static uint32_t
mix(int round, uint32_t x, uint32_t y, uint32_t z)
{
	switch (round) {
	case 0: return z ^ (x & (y ^ z));
	case 1: return (x & y) + ((x ^ y) & z);
	default: return x ^ y ^ z;
	}
}

static void
half_md4(uint32_t state[4], const uint32_t in[MD4_WORDS])
{
	static const uint32_t constant[3] = {0, 0x5a827999, 0x6ed9eba1};
	static const uint8_t order[3][MD4_WORDS] = {
		{0, 1, 2, 3, 4, 5, 6, 7}, {1, 3, 5, 7, 0, 2, 4, 6}, {3, 7, 2, 6, 1, 5, 0, 4},
	};
	static const uint8_t shift[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
	uint32_t v[4] = {state[0], state[1], state[2], state[3]};

	for (int round = 0; round < 3; round++)
		for (int i = 0; i < MD4_WORDS; i++) {
			uint32_t *a = &v[-i & 3];

			*a += mix(round, v[(1 - i) & 3], v[(2 - i) & 3], v[(3 - i) & 3]);
			*a += in[order[round][i]] + constant[round];
			*a = rotate(*a, shift[round][i & 3]);
		}
	for (int i = 0; i < 4; i++)
		state[i] += v[i];
}

static void
tea(uint32_t state[4], const uint32_t in[TEA_WORDS])
{
	uint32_t sum = 0, x = state[0], y = state[1];

	for (int i = 0; i < TEA_ROUNDS; i++) {
		sum += 0x9e3779b9;
		x += ((y << 4) + in[0]) ^ (y + sum) ^ ((y >> 5) + in[1]);
		y += ((x << 4) + in[2]) ^ (x + sum) ^ ((x >> 5) + in[3]);
	}
	state[0] += x;
	state[1] += y;
}

static uint32_t
byte(char c, bool is_signed)
{
	return is_signed ? (uint32_t)(int32_t)(signed char)c : (uint32_t)(unsigned char)c;
}

static uint32_t
legacy(const char *name, size_t n, bool is_signed)
{
	uint32_t h0 = 0x12a3fe2d, h1 = 0x37abe8f9;

	for (size_t i = 0; i < n; i++) {
		uint32_t h = h1 + (h0 ^ byte(name[i], is_signed) * 7152373u);

		if (h & 0x80000000u)
			h -= 0x7fffffff;
		h1 = h0;
		h0 = h;
	}
	return h0 << 1;
}

/* The next words of a name with `left` bytes, padded with the number of bytes left. */
static void
words(const char *name, size_t left, uint32_t *out, uint32_t nwords, bool is_signed)
{
	uint32_t pad = (uint32_t)left & 0xff, v;
	size_t n = left < 4 * nwords ? left : 4 * nwords;

	pad |= pad << 8;
	pad |= pad << 16;
	for (uint32_t w = 0; w < nwords; w++) {
		v = pad;
		for (size_t i = 4 * w; i < 4 * w + 4 && i < n; i++)
			v = byte(name[i], is_signed) + (v << 8);
		out[w] = v;
	}
}

int
ext4_hash(uint32_t version, const uint32_t seed[4], const char *name, size_t n, uint32_t *hash)
{
	uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}, in[MD4_WORDS];
	bool is_signed = version < HASH_LEGACY_U;
	uint32_t kind = version % 3, nwords = kind == HASH_HALF_MD4 ? MD4_WORDS : TEA_WORDS;

	if (version > HASH_TEA_U || n > NAME_LEN)
		return -EINVAL;
	if (seed[0] | seed[1] | seed[2] | seed[3])
		memcpy(state, seed, sizeof(state));
	for (size_t at = 0; kind != HASH_LEGACY && at < n; at += 4 * nwords) {
		words(name + at, n - at, in, nwords, is_signed);
		if (kind == HASH_HALF_MD4)
			half_md4(state, in);
		else
			tea(state, in);
	}
	if (kind == HASH_LEGACY)
		*hash = legacy(name, n, is_signed);
	else
		*hash = kind == HASH_HALF_MD4 ? state[1] : state[0];
	*hash &= ~1u;
	if (*hash == HASH_EOF)
		*hash -= 2;
	return 0;
}
