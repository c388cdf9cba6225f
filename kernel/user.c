/* Copies to and from the current thread's memory: ranges are checked here, faults in trap.S. */
#include "mem.h"

int user_copy(void *dst, const void *src, size_t n);
int64_t user_copy_str(char *dst, const char *src, size_t n);

bool
user_range(const void *p, size_t n)
{
	return (uint64_t)p < USER_TOP && n <= USER_TOP - (uint64_t)p;
}

int
copy_from_user(void *dst, const void *usrc, size_t n)
{
	return user_range(usrc, n) ? user_copy(dst, usrc, n) : -EFAULT;
}

int
copy_to_user(void *udst, const void *src, size_t n)
{
	return user_range(udst, n) ? user_copy(udst, src, n) : -EFAULT;
}

int64_t
copy_str_from_user(char *dst, const char *usrc, size_t n)
{
	if ((uint64_t)usrc >= USER_TOP)
		return -EFAULT;
	return user_copy_str(dst, usrc, n);
}
