/*
 * Memory: mmap and its kin, brk.  [mmap(2), mremap(2), madvise(2), brk(2)]
 *
 * A private mapping of a file is a copy made at once.  A shared one is what the file's own device
 * maps (/dev/mem); of an ordinary file only to be read, as a copy.  brk_lock guards proc.brk_*.
 */
#include "calls.h"

#include <linux/mman.h>

#define PROT_ALL	(SYS_PROT_READ | SYS_PROT_WRITE | SYS_PROT_EXEC)
#define LENGTH_MAX	(1ull << 47)
#define RW		(SYS_PROT_READ | SYS_PROT_WRITE)
#define BRK_STEP	(64 * 1024ul)	/* brk memory is mapped in such steps */
#define ZERO_BY_HAND	(16 * PAGE)

static struct lock brk_lock;

static uint64_t
round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) & ~(to - 1);
}

static long
map(uint64_t addr, uint64_t length, unsigned prot, unsigned flags)
{
	return lux_call6(SYS_MAP, LUX_ARG(addr), LUX_ARG(length), prot, flags, -1, 0);
}

static long
unmap(uint64_t addr, uint64_t length)
{
	return lux_call2(SYS_UNMAP, LUX_ARG(addr), LUX_ARG(length));
}

void
mem_init(uint64_t program_end)
{
	proc.brk_low = proc.brk_now = proc.brk_mapped = round_up(program_end, PAGE);
}

void
mem_fork_begin(void)
{
	lock_get(&brk_lock);
}

void
mem_fork_end(void)
{
	lock_put(&brk_lock);
}

long
lx_brk(uint64_t to)
{
	long r;

	/* What is given back reads as zeros when it is taken again. */
	if (to >= proc.brk_low && to < proc.brk_now)
		memset((void *)to, 0, proc.brk_now - to);
	lock_get(&brk_lock);
	if (to >= proc.brk_low && to < (uint64_t)pers_text_start) {
		uint64_t need = round_up(to, BRK_STEP);

		if (need > proc.brk_mapped) {
			r = map(proc.brk_mapped, need - proc.brk_mapped, RW, SYS_MAP_PRIVATE);
			if (r == (long)proc.brk_mapped) {
				proc.brk_mapped = need;
				proc.brk_now = to;
			} else if (r > 0) {
				unmap((uint64_t)r, need - proc.brk_mapped);
			}
		} else {
			proc.brk_now = to;
		}
	}
	r = (long)proc.brk_now;
	lock_put(&brk_lock);
	return r;
}

/* Fills fresh memory from a file; what the file lacks stays zero. */
static long
fill(uint64_t addr, uint64_t length, int fd, uint64_t offset)
{
	uint64_t done = 0;

	while (done < length) {
		long r = lux_call4(SYS_PREAD, fd, LUX_ARG(addr + done), LUX_ARG(length - done),
				   LUX_ARG(offset + done));

		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		if (r == 0)
			break;
		done += (uint64_t)r;
	}
	return 0;
}

static long
map_copy(uint64_t addr, uint64_t length, unsigned prot, unsigned flags, int fd, uint64_t offset)
{
	long at = map(addr, length, RW, flags | SYS_MAP_PRIVATE), r;

	if (at < 0)
		return at;
	r = fill((uint64_t)at, length, fd, offset);
	if (r == 0 && prot != RW)
		r = lux_call3(SYS_PROTECT, at, LUX_ARG(length), prot);
	if (r < 0) {
		unmap((uint64_t)at, length);
		return r == -EISDIR ? -ENODEV : r;
	}
	return at;
}

long
lx_mmap(uint64_t addr, uint64_t length, unsigned prot, unsigned flags, int fd, uint64_t offset)
{
	unsigned how = flags & MAP_FIXED ? SYS_MAP_FIXED : 0;
	bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;
	long r;

	if (length >= LENGTH_MAX)
		return -ENOMEM;
	length = round_up(length, PAGE);
	if (length == 0 || (offset & (PAGE - 1)) || (how && (addr & (PAGE - 1))))
		return -EINVAL;
	prot &= PROT_ALL;
	addr &= ~(PAGE - 1);
	if (!how && !(flags & MAP_FIXED_NOREPLACE) && addr < PAGE * 16)
		addr = 0;
	if (flags & MAP_ANONYMOUS) {
		r = map(addr, length, prot, how | (shared ? SYS_MAP_SHARED : SYS_MAP_PRIVATE));
		if (r < 0 && addr && !how)
			r = map(0, length, prot, shared ? SYS_MAP_SHARED : SYS_MAP_PRIVATE);
	} else if (shared) {
		r = lux_call6(SYS_MAP, LUX_ARG(addr), LUX_ARG(length), prot, how | SYS_MAP_SHARED,
			      fd, LUX_ARG(offset));
		if ((r == -EPERM || r == -ENODEV) && !(prot & SYS_PROT_WRITE))
			r = map_copy(addr, length, prot, how, fd, offset);
		else if (r == -EPERM)
			r = -ENODEV;
	} else {
		r = map_copy(addr, length, prot, how, fd, offset);
	}
	if (r > 0 && (flags & MAP_FIXED_NOREPLACE) && (uint64_t)r != addr) {
		unmap((uint64_t)r, length);
		return -EEXIST;
	}
	return r;
}

long
lx_munmap(uint64_t addr, uint64_t length)
{
	struct thread *t = thread_self();

	length = round_up(length, PAGE);
	if (length == 0 || (addr & (PAGE - 1)))
		return -EINVAL;
	if (t->usp >= addr && t->usp - addr < length) {
		t->unmap_addr = addr;
		t->unmap_length = length;
		return 0;
	}
	return unmap(addr, length);
}

long
lx_mprotect(uint64_t addr, uint64_t length, unsigned prot)
{
	if (addr & (PAGE - 1))
		return -EINVAL;
	length = round_up(length, PAGE);
	return length ? lux_call3(SYS_PROTECT, LUX_ARG(addr), LUX_ARG(length), prot & PROT_ALL) : 0;
}

static long
grow(uint64_t addr, uint64_t old, uint64_t new, unsigned flags, uint64_t to)
{
	long r;

	if (!(flags & MREMAP_FIXED)) {
		r = map(addr + old, new - old, RW, SYS_MAP_PRIVATE);
		if (r == (long)(addr + old))
			return (long)addr;
		if (r > 0)
			unmap((uint64_t)r, new - old);
		if (!(flags & MREMAP_MAYMOVE))
			return -ENOMEM;
		to = 0;
	}
	r = map(to, new, RW, SYS_MAP_PRIVATE | (flags & MREMAP_FIXED ? SYS_MAP_FIXED : 0));
	if (r < 0)
		return r;
	memcpy((void *)r, (const void *)addr, old < new ? old : new);
	unmap(addr, old);
	return r;
}

long
lx_mremap(uint64_t addr, uint64_t old, uint64_t new, unsigned flags, uint64_t to)
{
	if (new >= LENGTH_MAX)
		return -ENOMEM;
	old = round_up(old, PAGE);
	new = round_up(new, PAGE);
	if ((addr & (PAGE - 1)) || new == 0 || old == 0)
		return -EINVAL;
	if (flags & ~(unsigned)(MREMAP_MAYMOVE | MREMAP_FIXED))
		return -EINVAL;
	if ((flags & MREMAP_FIXED) && (!(flags & MREMAP_MAYMOVE) || (to & (PAGE - 1))))
		return -EINVAL;
	if (new > old || (flags & MREMAP_FIXED))
		return grow(addr, old, new, flags, to);
	if (new < old)
		unmap(addr + new, old - new);
	return (long)addr;
}

long
lx_madvise(uint64_t addr, uint64_t length, int advice)
{
	long r;

	if (addr & (PAGE - 1))
		return -EINVAL;
	length = round_up(length, PAGE);
	if (advice != MADV_DONTNEED || length == 0)
		return 0;
	if (length <= ZERO_BY_HAND) {
		memset((void *)addr, 0, length);
		return 0;
	}
	r = map(addr, length, RW, SYS_MAP_PRIVATE | SYS_MAP_FIXED);
	return r < 0 ? r : 0;
}
