/*
 * The personality: Linux x86-64 system calls in terms of Lux9's.  What its files share.
 *
 * A call's function is named lx_ and Linux's name; it takes the program's arguments as they are
 * and returns 0 or more, or -errno.  A fault on memory that the program gave ends the call with
 * -EFAULT wherever it happens (signal.c), so the functions use such pointers without asking, but
 * never while they hold a lock.  -EAGAIN_CALL and -EAGAIN_ALWAYS ask for the call to be made again.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <asm/errno.h>
#include <asm/fcntl.h>
#include <asm/signal.h>
#include <lux9/calls.h>
#include <lux9/sys.h>

/* All is in one file at one address: no table of addresses is needed. */
#pragma GCC visibility push(hidden)

#define PATH_SIZE	SYS_PATH_MAX
#define PAGE		4096ul
#define THREAD_BLOCK	(64 * 1024ul)	/* record and stack of one thread */
#define THREADS_MAX	1024
#define SIGNALS		64
#define NSEC		1000000000ll

/* After -EINTR of a Lux9 call: again, unless a handler without SA_RESTART ran; always again. */
#define EAGAIN_CALL	512
#define EAGAIN_ALWAYS	513

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

struct lock {
	uint32_t v;		/* 0 free, 1 held, 2 held and waited for */
};

struct thread {
	/* layout.h */
	struct thread *self;
	uint64_t ksp, usp, resume_sp;
	uint32_t work;		/* a signal may have to be delivered; atomic */
	uint32_t live;		/* the record is in use; the kernel clears it */
	uint64_t stack_low;
	struct sys_regs regs;	/* the program's, when pers_resume is to be used */

	int32_t tid;		/* Lux9's; the first thread's Linux one is the pid */
	bool hidden;		/* the timer's */
	bool delivering;	/* a fault now is the program's stack: SIGSEGV */
	bool restore_mask;	/* saved_mask is the one to go back to */
	uint64_t mask, saved_mask;
	uint64_t pending;	/* for this thread; atomic */
	uint64_t wanted;	/* rt_sigtimedwait: these count although blocked */
	uint64_t alt_base, alt_size;
	uint32_t alt_flags;
	uint64_t fs;
	uint32_t *clear_tid;
	uint32_t *set_tid_self;	/* where thread_begin stores the tid */
	struct lock tell_lock;	/* told, and set_tid_parent, which the maker or the thread stores */
	uint32_t *set_tid_parent;
	bool told;
	uint32_t held;		/* by its maker: not to be reused yet; atomic */
	uint64_t unmap_addr, unmap_length;	/* its stack, to be unmapped at its end */
	uint8_t fpu[512] __attribute__((aligned(16)));
	struct sys_note note;	/* the one that is handled */
};

/* What a program has inherited or set; fork copies it. */
struct process {
	int32_t pid;
	uint32_t umask;
	uint64_t pending;	/* signals for any thread; atomic */
	struct sigaction action[SIGNALS + 1];
	char **envp;
	uint64_t entry;
	uint64_t brk_low, brk_now, brk_mapped;
	char comm[16];
	char exe[PATH_SIZE];
};

extern struct process proc;

static inline struct thread *
thread_self(void)
{
	struct thread *t;

	__asm__("mov %%gs:0, %0" : "=r"(t));
	return t;
}

/* entry.S */
void pers_upcall(void), pers_note(void), pers_exit(void), pers_exit_ret(void);
void pers_resume(void), pers_resume_pop(void), pers_resume_ret(void), pers_die(void);
void pers_fault(void), pers_thread(void), pers_timer(void);
void pers_sigreturn(void);
void blocking_check(void), blocking_call(void), blocking_abort(void);
long lux_blocking(long number, long a, long b, long c, long d, long e, long f);
void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);

/* text.c */
size_t text_length(const char *s);
bool text_is(const char *s, const char *other);
/* The rest of s after prefix, or NULL. */
const char *text_after(const char *s, const char *prefix);
/* Cuts at n - 1 bytes and always ends dst; returns the length there. */
size_t text_copy(char *dst, const char *src, size_t n);
/* Appends, or cuts; at is the length so far and the new one is returned. */
size_t text_add(char *dst, size_t at, size_t n, const char *src);
size_t text_add_number(char *dst, size_t at, size_t n, int64_t v);
/* Reads a decimal number, perhaps negative, at *s and moves past it; 0 if there is none. */
int64_t text_number(const char **s);
/* The value of the line `name value` of a text of such lines, or -1. */
int64_t text_line_value(const char *text, const char *name);
/* Reads a whole small file; the length without its end, or an error. */
long text_read_file(const char *path, char *buf, size_t n);
long text_write_file(const char *path, const char *text);

/* path.c */
/* path itself, or, in buf, what stands for it here: /proc/self and the terminal's names. */
const char *path_map(const char *path, char buf[PATH_SIZE]);
/* The descriptor that a path names (/dev/fd/N and the like), or -1. */
int path_fd(const char *path);

/* proctext.c: a descriptor, or -ENOENT if the path is none of Linux's /proc that is known. */
long proctext_open(const char *path, uint32_t flags);

/* signal.c: state; deliver.c: frames, entry from notes and calls. */
extern const char pers_text_start[] __asm__("__executable_start");
extern const char pers_text_end[] __asm__("etext");
struct signal_info {
	int32_t signo, code, pid;
	uint32_t uid;
	uint64_t value;		/* sigval, or the address of a fault */
	int32_t error;
};
enum signal_fate { FATE_IGNORE, FATE_DIE, FATE_STOP, FATE_HANDLE };
enum signal_fate signal_fate(int sig);
static inline uint64_t
signal_bit(int sig)
{
	return 1ull << (sig - 1);
}
/* Records a signal, of the process (t NULL) or a thread, and interrupts whom it concerns. */
void signal_post(struct thread *t, const struct signal_info *info);
/* For the process, from a note, which may come in a fork's child before it knows itself. */
void signal_from_note(const struct signal_info *info);
/* In a fork's child: nothing is pending but what came for it. */
void signal_fork_child(int pid);
/* Claims one of `set` that waits for this thread: its number, or 0. */
int signal_claim(struct thread *t, uint64_t set, struct signal_info *info);
/* True if a signal that does something waits for the thread; sets t->work by that. */
bool signal_waits(struct thread *t);
void signal_set_mask(struct thread *t, uint64_t mask);
/* Until the call returns and any handler is done; then the old mask comes back. */
void signal_mask_once(struct thread *t, uint64_t mask);
void signal_parse(const struct sys_note *note, struct signal_info *info);
int signal_of_text(const char *text);
/* text: the note that the process ends with; NULL: the signal's. */
_Noreturn void signal_die(int sig, const char *text);
void signal_stop(void);
/* 0 after `span` ns, or -EINTR; SYS_FOREVER. */
long signal_sleep(int64_t span);
/* To a process elsewhere. */
long signal_send(int pid, const struct signal_info *info);
/* The result of a call that gave r: -EINTR becomes a wish to make it again. */
static inline long
again(long r)
{
	if (__builtin_expect(r == -EINTR, 0)) {
		thread_self()->work = 1;
		return -EAGAIN_ALWAYS;
	}
	return r;
}
static inline long
again_unless_handled(long r)
{
	if (__builtin_expect(r == -EINTR, 0)) {
		thread_self()->work = 1;
		return -EAGAIN_CALL;
	}
	return r;
}
void signal_exit(long number);
/* Returns what to go back to. */
struct sys_note *signal_note(const struct sys_note *note);
void signal_prepare_resume(struct thread *t);

/* thread.c */
extern struct thread *threads[THREADS_MAX];	/* records are never freed, only reused */
extern uint32_t thread_count;			/* of records; grows only */
void lock_get(struct lock *l);
void lock_put(struct lock *l);
struct thread *thread_new(void);		/* NULL if memory is short */
void thread_init(struct thread *t, uint64_t top, uint64_t low);
struct thread *thread_find(int linux_tid);
void thread_save_frame(void);
void thread_begin(struct thread *t);
/* fork: the child has one thread; the locks are held meanwhile. */
void thread_fork_begin(void);
void thread_fork_end(bool child);

/* time.c */
struct lx_timespec {
	int64_t sec, nsec;
};
/* Nanoseconds; SYS_FOREVER for NULL; -EINVAL is put in *error. */
int64_t time_span(const struct lx_timespec *ts, long *error);
int64_t time_now(int which);		/* as SYS_TIME */
/* What is left of a time that ends at `deadline`, at least 0; SYS_FOREVER stays. */
int64_t time_left(int64_t deadline);
int64_t time_deadline(int64_t span);
void timer_run(void);
void timer_fork_child(void);

/* ids.c */
/* The group of a process, 0 for the caller; 0 if it cannot be told. */
int process_group(int pid);

/* mem.c */
void mem_init(uint64_t program_end);
void mem_fork_begin(void);
void mem_fork_end(void);
