/*
 * Lux9's system calls from C, without a C library: lux_callN(number, N arguments).  The numbers
 * and what they take are in lux9/sys.h.
 */
#pragma once
#include <stdint.h>
#include <lux9/sys.h>

#define LUX_ARG(x) ((long)(x))

static inline long
lux_call6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
		: "=a"(result)
		: "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		: "rcx", "r11", "memory");
	return result;
}

static inline long
lux_call5(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall"
		: "=a"(result)
		: "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
		: "rcx", "r11", "memory");
	return result;
}

static inline long
lux_call4(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long result;

	__asm__ volatile("syscall"
		: "=a"(result)
		: "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
		: "rcx", "r11", "memory");
	return result;
}

static inline long
lux_call3(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
		: "=a"(result)
		: "a"(number), "D"(a), "S"(b), "d"(c)
		: "rcx", "r11", "memory");
	return result;
}

static inline long
lux_call2(long number, long a, long b)
{
	long result;

	__asm__ volatile("syscall"
		: "=a"(result)
		: "a"(number), "D"(a), "S"(b)
		: "rcx", "r11", "memory");
	return result;
}

static inline long
lux_call1(long number, long a)
{
	long result;

	__asm__ volatile("syscall"
		: "=a"(result)
		: "a"(number), "D"(a)
		: "rcx", "r11", "memory");
	return result;
}

static inline long
lux_call0(long number)
{
	long result;

	__asm__ volatile("syscall"
		: "=a"(result)
		: "a"(number)
		: "rcx", "r11", "memory");
	return result;
}
