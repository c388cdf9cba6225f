/*
 * Programs: reading a file into an image, keeping images of files for the next time, building
 * the first stack.
 *
 * An image is the pages of a program's segments, read whole; address spaces map them, copying on
 * write.  Images are found again by the file's device, qid and version, and unused ones are kept
 * until they exceed an eighth of memory or memory is short.  The personality (/boot/personality)
 * is mapped beside every program, which then starts there.
 */
#include "exec.h"

#include "amd64/cpu.h"
#include "amd64/mmu.h"
#include "chan.h"
#include "dev/cons.h"
#include "elf.h"
#include "fd.h"
#include "note.h"
#include "page.h"
#include "procs.h"
#include "syscall.h"
#include "userpath.h"

#define PERSONALITY	"/boot/personality"
#define READ_ORDER	4u		/* files are read in runs of 2^4 pages */
#define AUX_MAX		20

enum {
	AT_NULL = 0, AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7,
	AT_ENTRY = 9, AT_UID = 11, AT_EUID = 12, AT_GID = 13, AT_EGID = 14, AT_HWCAP = 16,
	AT_CLKTCK = 17, AT_SECURE = 23, AT_RANDOM = 25, AT_EXECFN = 31
};

struct segment_pages {
	uint64_t npages;
	paddr_t *page;
};

struct image {
	struct list link;
	uint32_t refs;			/* address spaces' regions, and loads under way */
	const struct dev *dev;
	uint32_t id;
	struct qid qid;
	uint64_t npages;
	struct elf_image elf;
	struct segment_pages segment[ELF_SEGMENTS_MAX];
};

static struct spinlock image_lock = SPINLOCK("image");
static struct list images = LIST_INIT(images);	/* most recently used first */
static uint64_t unused_pages;

static void
image_free(struct image *im)
{
	for (unsigned s = 0; s < im->elf.nsegments; s++) {
		struct segment_pages *sp = &im->segment[s];

		for (uint64_t i = 0; sp->page != NULL && i < sp->npages; i++)
			if (sp->page[i] != 0)
				page_put(sp->page[i], 0);
		kfree(sp->page);
	}
	kfree(im);
}

void
image_get(struct image *im)
{
	ref_get(&im->refs);
}

/* Called with image_lock held: takes the least recently used unused image off the list. */
static struct image *
image_oldest_unused(void)
{
	for (struct list *l = images.prev; l != &images; l = l->prev) {
		struct image *im = list_entry(l, struct image, link);

		if (im->refs == 0) {
			list_remove(&im->link);
			unused_pages -= im->npages;
			return im;
		}
	}
	return NULL;
}

void
image_put(struct image *im)
{
	struct image *old = NULL;

	spin_lock(&image_lock);
	if (ref_put(&im->refs)) {
		unused_pages += im->npages;
		if (unused_pages > page_total() / 8)
			old = image_oldest_unused();
	}
	spin_unlock(&image_lock);
	if (old != NULL)
		image_free(old);
}

bool
image_shrink(void)
{
	spin_lock(&image_lock);
	struct image *im = image_oldest_unused();

	spin_unlock(&image_lock);
	if (im == NULL)
		return false;
	image_free(im);
	return true;
}

paddr_t
image_page(struct image *im, unsigned segment, uint64_t i)
{
	const struct segment_pages *sp = &im->segment[segment];

	return i < sp->npages ? sp->page[i] : 0;
}

static struct image *
image_find(const struct chan *c)
{
	spin_lock(&image_lock);
	list_for_each(l, &images) {
		struct image *im = list_entry(l, struct image, link);

		if (im->dev != c->dev || im->id != c->id || im->qid.path != c->qid.path ||
		    im->qid.version != c->qid.version)
			continue;
		if (__atomic_fetch_add(&im->refs, 1, __ATOMIC_RELAXED) == 0)
			unused_pages -= im->npages;
		list_remove(&im->link);
		list_push(&images, &im->link);
		spin_unlock(&image_lock);
		return im;
	}
	spin_unlock(&image_lock);
	return NULL;
}

/* Reads file pages [first, first + n) of a segment into one block; n <= 2^READ_ORDER. */
static int
read_run(struct chan *c, struct segment_pages *sp, const struct elf_segment *es, uint64_t first)
{
	uint64_t n = MIN(sp->npages - first, 1ul << READ_ORDER);
	uint64_t start = ROUND_DOWN(es->offset, PAGE_SIZE) + first * PAGE_SIZE;
	uint64_t want = MIN(es->offset + es->filesz - start, n * PAGE_SIZE);
	paddr_t pa = page_alloc_run(n, 0, 0);

	if (pa == 0)
		return error(ENOMEM, "exec: no memory for the program");
	char *va = phys_to_virt(pa);
	int err = chan_read_all(c, va, want, start);

	if (err != 0) {
		page_put_run(pa, n);
		return err;
	}
	memset(va + want, 0, n * PAGE_SIZE - want);
	for (uint64_t i = 0; i < n; i++)
		sp->page[first + i] = pa + i * PAGE_SIZE;
	return 0;
}

static int
read_segments(struct chan *c, struct image *im)
{
	for (unsigned s = 0; s < im->elf.nsegments; s++) {
		const struct elf_segment *es = &im->elf.segment[s];
		struct segment_pages *sp = &im->segment[s];

		if (es->filesz == 0)
			continue;
		sp->npages = ROUND_UP((es->offset & PAGE_MASK) + es->filesz, PAGE_SIZE) >>
			     PAGE_SHIFT;
		if (sp->npages > page_total())
			return error(ENOMEM, "exec: the program is larger than memory");
		sp->page = kzalloc(sp->npages * sizeof sp->page[0]);
		if (sp->page == NULL)
			return error(ENOMEM, "exec: no memory for the program");
		im->npages += sp->npages;
		for (uint64_t i = 0; i < sp->npages; i += 1ul << READ_ORDER) {
			int err = read_run(c, sp, es, i);

			if (err != 0)
				return err;
			irq_window();
		}
	}
	return 0;
}

static int
image_read(struct chan *c, uint64_t size, struct image **out)
{
	size_t n = MIN(size, (uint64_t)ELF_HEAD_MAX);
	char *head = kmalloc(ELF_HEAD_MAX);
	struct image *im = kzalloc(sizeof *im);
	int err = head && im ? chan_read_all(c, head, n, 0) : -ENOMEM;
	const char *why;

	if (err == 0 && elf_parse(head, n, size, &im->elf, &why) != 0)
		err = error(ENOEXEC, "exec: %s", why);
	if (err == 0)
		err = read_segments(c, im);
	kfree(head);
	if (err != 0) {
		if (im != NULL)
			image_free(im);
		return err;
	}
	im->dev = c->dev;
	im->id = c->id;
	im->qid = c->qid;
	im->refs = 1;
	spin_lock(&image_lock);
	list_push(&images, &im->link);
	spin_unlock(&image_lock);
	*out = im;
	return 0;
}

static int
image_open(struct chan *from, const char *path, struct image **out)
{
	struct chan *c;
	struct sys_stat st = { 0 };
	int err = name_lookup(from, path, NAME_OPEN, SYS_O_RDONLY, 0, &c);

	if (err != 0)
		return err;
	if (c->dev->stat == NULL || c->dev->stat(c, &st) != 0 || (st.mode & 0170000) != 0100000 ||
	    !(st.mode & 0111))
		err = error(EACCES, "exec: %s is not a program", path);
	else if ((*out = image_find(c)) == NULL)
		err = image_read(c, st.size, out);
	chan_put(c);
	return err;
}

static int
map_image(struct as *as, struct image *im)
{
	for (unsigned s = 0; s < im->elf.nsegments; s++) {
		const struct elf_segment *es = &im->elf.segment[s];
		uint64_t start = ROUND_DOWN(es->vaddr, PAGE_SIZE);
		struct region like = {
			.prot = (uint8_t)es->prot, .kind = REGION_IMAGE, .image = im, .segment = s,
		};

		image_get(im);
		int err = as_map(as, &start, es->vaddr + es->memsz - start, &like, MAP_FREE);

		if (err != 0)
			return error(ENOEXEC, "exec: segment at 0x%lx cannot be mapped", es->vaddr);
	}
	return 0;
}

int
exec_args_new(struct exec_args *a)
{
	memset(a, 0, sizeof *a);
	a->text = kmalloc(EXEC_ARGS_MAX);
	return a->text != NULL ? 0 : -ENOMEM;
}

void
exec_args_free(struct exec_args *a)
{
	kfree(a->text);
}

int
exec_args_add(struct exec_args *a, const char *s, bool environment)
{
	size_t n = strlen(s) + 1;

	if (n > EXEC_ARGS_MAX - a->used)
		return error(E2BIG, "exec: arguments exceed %u bytes", EXEC_ARGS_MAX);
	memcpy(a->text + a->used, s, n);
	a->used += n;
	if (environment)
		a->envc++;
	else
		a->argc++;
	return 0;
}

/* The vector: argc, argv, NULL, envp, NULL, auxv.  `strings` is where the text is for the user. */
static size_t
build_vector(uint64_t *v, const struct exec_args *a, const uint64_t (*aux)[2], uint64_t strings)
{
	size_t n = 0;
	const char *s = a->text;

	v[n++] = a->argc;
	for (unsigned i = 0; i < a->argc + a->envc; i++) {
		if (i == a->argc)
			v[n++] = 0;
		v[n++] = strings + (uint64_t)(s - a->text);
		s += strlen(s) + 1;
	}
	if (a->envc == 0)
		v[n++] = 0;
	v[n++] = 0;
	for (;; aux++) {
		v[n++] = (*aux)[0];
		v[n++] = (*aux)[1];
		if ((*aux)[0] == AT_NULL)
			return n;
	}
}

/* The stack, from its end downward: the strings and the path, 16 random bytes, the vector. */
static int
build_stack(struct exec_program *prog, const char *path, const struct exec_args *a,
	    const struct image *im)
{
	const struct proc *p = proc_current();
	size_t npath = strlen(path) + 1;
	uint64_t strings = STACK_TOP - 16 - ROUND_UP(a->used + npath, 16ul), random = strings - 16;
	uint64_t bytes[2];
	const uint64_t aux[AUX_MAX][2] = {
		{ AT_PHDR, im->elf.phdr }, { AT_PHENT, 56 }, { AT_PHNUM, im->elf.phnum },
		{ AT_PAGESZ, PAGE_SIZE }, { AT_BASE, 0 }, { AT_ENTRY, im->elf.entry },
		{ AT_UID, p->uid }, { AT_EUID, p->uid }, { AT_GID, p->gid }, { AT_EGID, p->gid },
		{ AT_HWCAP, 0 }, { AT_CLKTCK, 100 }, { AT_SECURE, 0 }, { AT_RANDOM, random },
		{ AT_EXECFN, strings + a->used }, { AT_NULL, 0 },
	};
	size_t max = a->argc + a->envc + 3 + 2 * AUX_MAX;
	uint64_t *v = kmalloc(max * sizeof *v);
	int err;

	if (v == NULL)
		return -ENOMEM;
	random_bytes(bytes, sizeof bytes);
	size_t n = build_vector(v, a, aux, strings);

	prog->rsp = ROUND_DOWN(random - n * sizeof *v, 16ul);
	err = as_copy_out(prog->as, strings, a->text, a->used);
	if (err == 0)
		err = as_copy_out(prog->as, strings + a->used, path, npath);
	if (err == 0)
		err = as_copy_out(prog->as, random, bytes, sizeof bytes);
	if (err == 0)
		err = as_copy_out(prog->as, prog->rsp, v, n * sizeof *v);
	kfree(v);
	return err == 0 ? 0 : error(ENOMEM, "exec: no memory for the stack");
}

static void
program_names(struct exec_program *prog, const char *path, const struct exec_args *a)
{
	const char *base = path;
	size_t n = 0, used = 0;

	for (const char *s = path; *s != '\0'; s++)
		if (*s == '/')
			base = s + 1;
	strlcpy(prog->name, base, sizeof prog->name);
	for (unsigned i = 0; i < a->argc; i++) {
		if (n + 1 < sizeof prog->args && i > 0)
			prog->args[n++] = ' ';
		n += strlcpy(prog->args + n, a->text + used, sizeof prog->args - n);
		n = MIN(n, sizeof prog->args - 1);
		used += strlen(a->text + used) + 1;
	}
	prog->args[n] = '\0';
}

int
exec_load(struct chan *from, const char *path, const struct exec_args *a, struct exec_program *out)
{
	struct region stack = { .prot = SYS_PROT_READ | SYS_PROT_WRITE, .kind = REGION_ANON };
	uint64_t low = STACK_TOP - STACK_SIZE;
	struct image *im, *pers = NULL;
	int err = image_open(from, path, &im);

	if (err != 0)
		return err;
	out->as = as_new();
	err = out->as != NULL ? image_open(NULL, PERSONALITY, &pers) : -ENOMEM;
	if (err == -ENOENT)
		err = 0;		/* programs of Lux9's calls alone need none */
	if (err == 0)
		err = map_image(out->as, im);
	if (err == 0 && pers != NULL)
		err = map_image(out->as, pers);
	if (err == 0)
		err = as_map(out->as, &low, STACK_SIZE, &stack, MAP_FREE);
	if (err == 0)
		err = build_stack(out, path, a, im);
	out->rip = pers != NULL ? pers->elf.entry : im->elf.entry;
	program_names(out, path, a);
	image_put(im);
	if (pers != NULL)
		image_put(pers);
	if (err != 0 && out->as != NULL)
		as_put(out->as);
	return err;
}

void
exec_commit(struct exec_program *prog)
{
	struct thread *t = thread_current();
	struct proc *p = t->proc;
	struct as *old = p->as;
	struct sys_regs *r = thread_regs(t);

	if (old != NULL)
		as_take_budget(prog->as, old);
	spin_lock(&p->lock);
	p->as = prog->as;
	strlcpy(p->name, prog->name, sizeof p->name);
	strlcpy(p->args, prog->args, sizeof p->args);
	p->notify = p->upcall = 0;
	spin_unlock(&p->lock);
	mmu_switch(p->as);
	if (old != NULL)
		as_put(old);
	fdtable_exec(p->fds);
	memset(r, 0, sizeof *r);
	r->rip = prog->rip;
	r->rsp = prog->rsp;
	r->rflags = RFLAGS_IF | 2;
	t->fs_base = t->gs_base = 0;
	t->in_note = false;
	fpu_init(t->fpu);
	__asm__ volatile("fxrstor64 (%0)" : : "r"(t->fpu) : "memory");
	cpu_set_thread(t);
	__atomic_fetch_or(&t->work, WORK_FRAME, __ATOMIC_RELAXED);
}

/* Adds the strings of a user's vector and counts them. */
static int
user_vector(struct exec_args *a, uint64_t vector, unsigned *count)
{
	for (size_t i = 0; vector != 0; i++) {
		uint64_t s;

		if (copy_from_user(&s, (const uint64_t *)vector + i, sizeof s) != 0)
			return -EFAULT;
		if (s == 0)
			break;
		int64_t n = copy_str_from_user(a->text + a->used, (const char *)s,
					       EXEC_ARGS_MAX - a->used);

		if (n == -ENAMETOOLONG)
			return error(E2BIG, "exec: arguments exceed %u bytes", EXEC_ARGS_MAX);
		if (n < 0)
			return (int)n;
		a->used += (size_t)n + 1;
		++*count;
	}
	return 0;
}

int64_t
sys_exec(const uint64_t a[6])
{
	struct exec_args args;
	struct exec_program prog;
	struct user_path path;
	struct chan *from = NULL;
	int64_t err = user_path_get(&path, a[1]);

	if (err < 0)
		return err;
	err = exec_args_new(&args);
	if (err == 0)
		err = user_vector(&args, a[2], &args.argc);
	if (err == 0)
		err = user_vector(&args, a[3], &args.envc);
	if (err == 0)
		err = user_path_from(&path, a[0], &from);
	if (err == 0)
		err = exec_load(from, path.text, &args, &prog);
	chan_put(from);
	user_path_put(&path);
	exec_args_free(&args);
	if (err != 0)
		return err;
	err = proc_single_thread();
	if (err < 0) {
		as_put(prog.as);
		return err;
	}
	exec_commit(&prog);
	return 0;
}
