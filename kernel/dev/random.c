/*
 * Random bytes: ChaCha20 (RFC 8439, 2.3) as a generator that forgets: the first half of each
 * block becomes the next key, so that past output cannot be found from the state.
 *
 * The key is stirred with the processor's random numbers, where it has them, and with the time
 * stamp counter, at the start and at every request, and with what is written to /dev/random.
 * `pool.lock` (class "random") guards the key.
 */
#include "amd64/cpu.h"
#include "cons.h"

#define SEED_ROUNDS 1024	/* time stamps taken at first use */

static struct {
	struct spinlock lock;
	bool seeded;
	uint64_t nblocks;
	uint32_t key[8];
} pool = { .lock = SPINLOCK("random") };

static inline uint32_t
rotate(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static inline void
quarter(uint32_t x[16], int a, int b, int c, int d)
{
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 7);
}

static void
chacha20(const uint32_t key[8], uint64_t counter, uint32_t out[16])
{
	uint32_t x[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
	uint32_t start[16];

	memcpy(x + 4, key, 32);
	x[12] = (uint32_t)counter;
	x[13] = (uint32_t)(counter >> 32);
	memcpy(start, x, sizeof(start));
	for (int i = 0; i < 10; i++) {
		quarter(x, 0, 4, 8, 12);
		quarter(x, 1, 5, 9, 13);
		quarter(x, 2, 6, 10, 14);
		quarter(x, 3, 7, 11, 15);
		quarter(x, 0, 5, 10, 15);
		quarter(x, 1, 6, 11, 12);
		quarter(x, 2, 7, 8, 13);
		quarter(x, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		out[i] = x[i] + start[i];
}

/* Called with the lock held: 32 bytes to out, and a new key. */
static void
next_block(uint8_t out[32])
{
	uint32_t block[16];

	chacha20(pool.key, ++pool.nblocks, block);
	memcpy(pool.key, block, 32);
	memcpy(out, block + 8, 32);
}

static bool
hardware(uint64_t *v)
{
	unsigned char ok = 0;

	if (!cpu_has_rdrand())
		return false;
	for (int i = 0; i < 10 && !ok; i++)
		__asm__ volatile("rdrand %0; setc %1" : "=r"(*v), "=qm"(ok));
	return ok;
}

static void
stir(uint64_t v)
{
	uint8_t discard[32];

	pool.key[0] ^= (uint32_t)v;
	pool.key[1] ^= (uint32_t)(v >> 32);
	next_block(discard);
}

static void
stir_all(void)
{
	uint64_t v;

	for (int i = 0; !pool.seeded && i < SEED_ROUNDS; i++)
		stir(rdtsc());
	for (int i = 0; i < (pool.seeded ? 1 : 4); i++)
		if (hardware(&v))
			stir(v);
	stir(rdtsc());
	pool.seeded = true;
}

void
random_bytes(void *buf, size_t n)
{
	uint8_t block[32], *p = buf;

	spin_lock(&pool.lock);
	stir_all();
	for (size_t i = 0; i < n; i += sizeof(block)) {
		next_block(block);
		memcpy(p + i, block, MIN(n - i, sizeof(block)));
	}
	spin_unlock(&pool.lock);
	memset(block, 0, sizeof(block));
}

void
random_mix(const char *buf, size_t n)
{
	spin_lock(&pool.lock);
	for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
		uint64_t v = 0;

		memcpy(&v, buf + i, MIN(n - i, sizeof(v)));
		stir(v);
	}
	spin_unlock(&pool.lock);
}
