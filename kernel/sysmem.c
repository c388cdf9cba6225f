/* System calls on memory: map, unmap, protect. */
#include "as.h"
#include "proc.h"
#include "syscall.h"

#define PROT_ALL (SYS_PROT_READ | SYS_PROT_WRITE | SYS_PROT_EXEC)

static int
backing_of(const uint64_t a[6], size_t length, struct region *like)
{
	unsigned prot = (unsigned)a[2], flags = (unsigned)a[3];
	struct chan *c;
	int err;

	if ((int)a[4] < 0) {
		if (!(flags & SYS_MAP_SHARED)) {
			like->kind = REGION_ANON;
			return 0;
		}
		like->kind = REGION_SHARED;
		like->shared = shared_new(length >> PAGE_SHIFT);
		return like->shared != NULL ? 0 : -ENOMEM;
	}
	if ((a[5] & PAGE_MASK) != 0)
		return error(EINVAL, "map: offset 0x%lx is not a page's", a[5]);
	c = fd_get((int)a[4]);
	if (c == NULL)
		return -EBADF;
	if (c->dev->map == NULL)
		err = error(ENODEV, "map: the file has no memory");
	else
		err = c->dev->map(c, a[5], length, prot, flags, &like->phys);
	chan_put(c);
	like->kind = REGION_PHYS;
	like->prot &= (uint8_t)~SYS_PROT_EXEC;
	return err;
}

int64_t
sys_map(const uint64_t a[6])
{
	struct region like = { .prot = (uint8_t)(a[2] & PROT_ALL) };
	uint64_t addr = a[0];
	size_t length = ROUND_UP(a[1], PAGE_SIZE);
	bool fixed = (a[3] & SYS_MAP_FIXED) != 0;
	int err;

	if (a[1] == 0 || a[1] > USER_HIGH || (a[2] & ~(uint64_t)PROT_ALL) != 0 ||
	    (addr & PAGE_MASK) != 0)
		return error(EINVAL, "map: bad address, length or protection");
	if ((like.prot & SYS_PROT_WRITE) && (like.prot & SYS_PROT_EXEC))
		return error(EACCES, "map: memory is writable or executable, not both");
	if (fixed && (addr < USER_LOW || addr > USER_HIGH - length))
		return error(ENOMEM, "map: 0x%lx is out of range", addr);
	err = backing_of(a, length, &like);
	if (err != 0)
		return err;
	if (like.phys != NULL)		/* no more than the file's device has granted */
		length = MIN(length, like.phys->length);
	err = as_map(as_current(), &addr, length, &like, fixed ? MAP_REPLACE : MAP_HINT);
	return err == 0 ? (int64_t)addr : err;
}

int64_t
sys_unmap(const uint64_t a[6])
{
	return as_unmap(as_current(), a[0], a[1]);
}

int64_t
sys_protect(const uint64_t a[6])
{
	if ((a[2] & ~(uint64_t)PROT_ALL) != 0)
		return error(EINVAL, "protect: bad protection 0x%lx", a[2]);
	if ((a[2] & SYS_PROT_WRITE) && (a[2] & SYS_PROT_EXEC))
		return error(EACCES, "protect: memory is writable or executable, not both");
	return as_protect(as_current(), a[0], a[1], (unsigned)a[2]);
}
