/*
 * CRC-32C, eight bytes at a time through eight tables, and CRC-16 by the bit.
 * The tables are made once, on first use; they are constants after that.
 */
#include <pthread.h>
#include <string.h>
#include "ext4.h"

enum { CRC32C_POLY = 0x82f63b78u, CRC16_POLY = 0xa001 };

static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
make_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? CRC32C_POLY : 0);
		table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
}

static uint32_t
eight(uint32_t crc, const uint8_t *p)
{
	le32 a, b;
	uint32_t lo, hi;

	memcpy(&a, p, 4);
	memcpy(&b, p + 4, 4);
	lo = crc ^ get32(a);
	hi = get32(b);
	return table[7][lo & 255] ^ table[6][lo >> 8 & 255] ^ table[5][lo >> 16 & 255] ^
	       table[4][lo >> 24] ^ table[3][hi & 255] ^ table[2][hi >> 8 & 255] ^
	       table[1][hi >> 16 & 255] ^ table[0][hi >> 24];
}

uint32_t
ext4_crc32c(uint32_t crc, const void *data, size_t n)
{
	const uint8_t *p = data;

	pthread_once(&once, make_tables);
	for (; n >= 8; n -= 8, p += 8)
		crc = eight(crc, p);
	for (; n > 0; n--, p++)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 255];
	return crc;
}

uint16_t
ext4_crc16(uint16_t crc, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (; n > 0; n--, p++) {
		crc = (uint16_t)(crc ^ *p);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc >> 1 ^ (crc & 1 ? CRC16_POLY : 0));
	}
	return crc;
}
