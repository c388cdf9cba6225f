/*
 * Fields of device registers, each declared once: REG_FIELD(PORT_STATUS_DET, 0, 4) gives the mask
 * PORT_STATUS_DET_MASK and the functions PORT_STATUS_DET_get(word) and _set(word, value).
 * The registers themselves are read and written with the accessors of sip.h.
 */
#pragma once
#include <stdint.h>

#define REG_FIELD(name, low, width)                                                              \
	enum { name##_SHIFT = (low) };                                                           \
	static const uint32_t name##_MASK                                                        \
		__attribute__((unused)) = (uint32_t)(((1ull << (width)) - 1) << (low));          \
	static inline __attribute__((unused)) uint32_t name##_get(uint32_t word)                 \
	{                                                                                        \
		return (word & name##_MASK) >> (low);                                            \
	}                                                                                        \
	static inline __attribute__((unused)) uint32_t name##_set(uint32_t word, uint32_t value) \
	{                                                                                        \
		return (word & ~name##_MASK) | (value << (low)&name##_MASK);                     \
	}                                                                                        \
	_Static_assert((low) + (width) <= 32, #name " does not fit")
