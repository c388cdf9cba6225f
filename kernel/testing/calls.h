/* System calls as a unit test makes them: CALL(sys_close, fd), and common ones by short names. */
#pragma once
#include "syscall.h"

#define CALL(f, ...) f((const uint64_t[6]){ __VA_ARGS__ })

/* An address as a call takes it. */
static inline uint64_t
u(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static inline int64_t
open_at(int64_t dir, const char *path, uint32_t flags)
{
	return CALL(sys_open, (uint64_t)dir, u(path), flags, 0666);
}

static inline int
open_(const char *path, uint32_t flags)
{
	return (int)open_at(SYS_CWD, path, flags);
}

static inline int64_t
rd(int fd, void *buf, size_t n)
{
	return CALL(sys_pread, (uint64_t)fd, u(buf), n, UINT64_MAX);
}

static inline int64_t
wr(int fd, const void *buf, size_t n)
{
	return CALL(sys_pwrite, (uint64_t)fd, u(buf), n, UINT64_MAX);
}

static inline void
cl(int64_t fd)
{
	assert_int_equal(CALL(sys_close, (uint64_t)fd), 0);
}

static inline void
pipe_(int fd[2], uint32_t flags)
{
	int32_t f[2];

	assert_int_equal(CALL(sys_pipe, u(f), flags), 0);
	fd[0] = f[0];
	fd[1] = f[1];
}
