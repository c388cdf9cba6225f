/*
 * Signals reach the program: frames on its stack, and the two ways there, from a note and from
 * the end of a call.  The frame is Linux's.  [sigreturn(2), System V ABI AMD64 3.2.2]
 *
 * A note's handler is done, with SYS_NOTED, before the program's own handler starts, so notes do
 * not wait for it.  A note that comes while the thread is in here leaves only a mark (T_WORK);
 * entry.S names the stretches where the thread is also sent back to look at it.
 */
#include "calls.h"

#include <asm/siginfo.h>
#include <linux/signal.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>

#include "layout.h"

#define USER_CS		0x33
#define USER_SS		0x2b
#define FLAGS_USER	0xcd5ul		/* CF PF AF ZF SF DF OF and TF are the program's */
#define FLAGS_FIXED	0x202ul
#define FLAGS_TF_DF	0x500ul
#define FPU_SW_RESERVED	464
#define SYSCALL_LENGTH	2
#define TRAP_PAGE_FAULT	14
#define FAULT_PRESENT	1

struct frame {
	uint64_t restorer;
	struct ucontext uc;
	siginfo_t info;
};
_Static_assert(offsetof(struct ucontext, uc_sigmask) == 296, "Linux's layout");
_Static_assert(sizeof(siginfo_t) == 128, "Linux's layout");

static void
context_from_regs(struct sigcontext *c, const struct sys_regs *r)
{
	c->r8 = r->r8, c->r9 = r->r9, c->r10 = r->r10, c->r11 = r->r11;
	c->r12 = r->r12, c->r13 = r->r13, c->r14 = r->r14, c->r15 = r->r15;
	c->rdi = r->rdi, c->rsi = r->rsi, c->rbp = r->rbp, c->rbx = r->rbx;
	c->rdx = r->rdx, c->rax = r->rax, c->rcx = r->rcx, c->rsp = r->rsp;
	c->rip = r->rip, c->eflags = r->rflags;
	c->cs = USER_CS;
	c->ss = USER_SS;
}

static void
regs_from_context(struct sys_regs *r, const struct sigcontext *c)
{
	r->r8 = c->r8, r->r9 = c->r9, r->r10 = c->r10, r->r11 = c->r11;
	r->r12 = c->r12, r->r13 = c->r13, r->r14 = c->r14, r->r15 = c->r15;
	r->rdi = c->rdi, r->rsi = c->rsi, r->rbp = c->rbp, r->rbx = c->rbx;
	r->rdx = c->rdx, r->rax = c->rax, r->rcx = c->rcx, r->rsp = c->rsp;
	r->rip = c->rip;
	r->rflags = (c->eflags & FLAGS_USER) | FLAGS_FIXED;
}

static void
fill_info(siginfo_t *to, const struct signal_info *from)
{
	memset(to, 0, sizeof(*to));
	to->si_signo = from->signo;
	to->si_errno = from->error;
	to->si_code = from->code;
	if (from->code > 0 && from->signo != SIGCHLD) {
		to->si_addr = (void *)from->value;
		return;
	}
	to->si_pid = from->pid;
	to->si_uid = from->uid;
	to->si_value.sival_ptr = (void *)from->value;
}

static bool
on_alt_stack(const struct thread *t, uint64_t sp)
{
	return sp > t->alt_base && sp - t->alt_base <= t->alt_size;
}

/* Makes `regs` those of the handler's first instruction. */
static void
push_frame(struct thread *t, struct sys_regs *regs, const uint8_t *fpu,
	   const struct signal_info *info)
{
	struct sigaction act = proc.action[info->signo];
	uint64_t sp = regs->rsp - SYS_UPCALL_REDZONE;
	uint8_t *area;
	struct frame *f;

	if ((act.sa_flags & SA_ONSTACK) && t->alt_size && !on_alt_stack(t, regs->rsp))
		sp = t->alt_base + t->alt_size;
	area = (uint8_t *)((sp - sizeof(t->fpu)) & ~63ul);
	f = (struct frame *)((((uint64_t)area - sizeof(*f)) & ~15ul) - 8);

	t->delivering = true;
	memcpy(area, fpu, sizeof(t->fpu));
	memset(area + FPU_SW_RESERVED, 0, sizeof(t->fpu) - FPU_SW_RESERVED);
	memset(&f->uc, 0, sizeof(f->uc));
	f->restorer = (uint64_t)act.sa_restorer;
	context_from_regs(&f->uc.uc_mcontext, regs);
	f->uc.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	f->uc.uc_mcontext.fpstate = (struct _fpstate *)area;
	f->uc.uc_mcontext.cr2 = info->code > 0 ? info->value : 0;
	f->uc.uc_mcontext.trapno = info->signo == SIGSEGV ? TRAP_PAGE_FAULT : 0;
	f->uc.uc_stack.ss_sp = (void *)t->alt_base;
	f->uc.uc_stack.ss_size = t->alt_size;
	f->uc.uc_stack.ss_flags = t->alt_size ? 0 : SS_DISABLE;
	f->uc.uc_sigmask = t->restore_mask ? t->saved_mask : t->mask;
	fill_info(&f->info, info);
	t->delivering = false;

	t->restore_mask = false;
	t->mask |= act.sa_mask & ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
	if (!(act.sa_flags & SA_NODEFER))
		t->mask |= signal_bit(info->signo);
	if (act.sa_flags & SA_RESETHAND)
		proc.action[info->signo].sa_handler = SIG_DFL;
	regs->rip = (uint64_t)act.sa_handler;
	regs->rsp = (uint64_t)f;
	regs->rdi = (uint64_t)info->signo;
	regs->rsi = (uint64_t)&f->info;
	regs->rdx = (uint64_t)&f->uc;
	regs->rax = 0;
	regs->rflags &= ~FLAGS_TF_DF;
}

static bool
asks_again(const struct sys_regs *regs, long number)
{
	return number >= 0 && (regs->rax == (uint64_t)-EAGAIN_CALL ||
			       regs->rax == (uint64_t)-EAGAIN_ALWAYS);
}

static void
call_again(struct sys_regs *regs, long number)
{
	regs->rip -= SYSCALL_LENGTH;
	regs->rax = (uint64_t)number;
}

/*
 * Delivers all that may be delivered; `number` is the call that ends, or -1.  Returns the signal
 * that the process dies of, or 0.
 */
static int
deliver(struct thread *t, struct sys_regs *regs, const uint8_t *fpu, long number)
{
	struct signal_info info;
	int sig;

	do {
		while ((sig = signal_claim(t, ~t->mask, &info))) {
			enum signal_fate fate = signal_fate(sig);

			if (fate == FATE_DIE)
				return sig;
			if (fate == FATE_STOP)
				signal_stop();
			if (fate != FATE_HANDLE)
				continue;
			if (asks_again(regs, number)) {
				if (regs->rax == (uint64_t)-EAGAIN_ALWAYS ||
				    (proc.action[sig].sa_flags & SA_RESTART))
					call_again(regs, number);
				else
					regs->rax = (uint64_t)-EINTR;
			}
			number = -1;
			push_frame(t, regs, fpu, &info);
		}
		if (t->restore_mask) {
			t->restore_mask = false;
			t->mask = t->saved_mask;
		}
	} while (signal_waits(t));
	if (asks_again(regs, number))
		call_again(regs, number);
	return 0;
}

void
signal_prepare_resume(struct thread *t)
{
	uint64_t *at = (uint64_t *)(t->regs.rsp - RESUME_LOWERS);

	t->delivering = true;
	at[0] = t->regs.rflags;
	at[1] = t->regs.rip;
	t->delivering = false;
	t->resume_sp = (uint64_t)at;
}

void
signal_exit(long number)
{
	struct thread *t = thread_self();
	int sig;

	__asm__ volatile("fxsave64 %0" : "=m"(t->fpu));
	sig = deliver(t, &t->regs, t->fpu, number);
	if (sig)
		signal_die(sig, NULL);
	signal_prepare_resume(t);
}

void
lx_sigreturn(void)
{
	struct thread *t = thread_self();
	const struct ucontext *uc = (const struct ucontext *)(t->usp + UPCALL_LOWERS);

	t->delivering = true;
	regs_from_context(&t->regs, &uc->uc_mcontext);
	if (uc->uc_mcontext.fpstate) {
		memcpy(t->fpu, uc->uc_mcontext.fpstate, sizeof(t->fpu));
		__asm__ volatile("fxrstor64 %0" :: "m"(t->fpu));
	}
	t->delivering = false;
	signal_set_mask(t, uc->uc_sigmask);
	signal_prepare_resume(t);
}

static bool
within(uint64_t rip, void (*from)(void), void (*to)(void))
{
	return rip >= (uint64_t)from && rip < (uint64_t)to;
}

static bool
in_personality(uint64_t rip)
{
	return rip >= (uint64_t)pers_text_start && rip < (uint64_t)pers_text_end;
}

/*
 * True if the registers are the program's, or can be made so: the last instructions of the way
 * out.  Elsewhere in here the thread is sent to where it looks at T_WORK, if there is a place.
 */
static bool
is_program(struct sys_regs *r)
{
	const uint64_t *sp = (const uint64_t *)r->rsp;

	if (!in_personality(r->rip))
		return true;
	if (r->rip == (uint64_t)pers_resume_pop) {
		r->rflags = sp[0];
		r->rip = sp[1];
		r->rsp += RESUME_LOWERS;
		return true;
	}
	if (r->rip == (uint64_t)pers_exit_ret || r->rip == (uint64_t)pers_resume_ret) {
		r->rip = sp[0];
		r->rsp += UPCALL_LOWERS;
		return true;
	}
	if (within(r->rip, pers_exit, pers_exit_ret))
		r->rip = (uint64_t)pers_exit;
	else if (within(r->rip, pers_resume, pers_resume_pop))
		r->rip = (uint64_t)pers_resume;
	else if (within(r->rip, blocking_check, blocking_call) ||
		 r->rip == (uint64_t)blocking_call)
		r->rip = (uint64_t)blocking_abort;
	return false;
}

static void
die_after_note(struct sys_regs *regs, int sig, const char *text)
{
	regs->rip = (uint64_t)pers_die;
	regs->rdi = (uint64_t)sig;
	regs->rsi = (uint64_t)text;
}

static void
trap(struct thread *t, struct sys_note *note, struct signal_info *info)
{
	struct sys_regs *regs = &note->regs;
	int sig = info->signo;

	info->value = note->address;
	info->code = SI_KERNEL;
	if (sig == SIGSEGV && note->address)
		info->code = note->code & FAULT_PRESENT ? SEGV_ACCERR : SEGV_MAPERR;
	else if (sig == SIGFPE)
		info->code = FPE_INTDIV;
	else if (sig == SIGILL)
		info->code = ILL_ILLOPN;
	if (info->code != SI_KERNEL && sig != SIGSEGV)
		info->value = regs->rip;
	if (in_personality(regs->rip)) {
		bool own = regs->rsp >= t->stack_low && regs->rsp <= t->ksp;

		if (own && sig == SIGSEGV && !t->delivering && !t->hidden)
			regs->rip = (uint64_t)pers_fault;
		else
			die_after_note(regs, sig, note->text);
		return;
	}
	if ((t->mask & signal_bit(sig)) || signal_fate(sig) != FATE_HANDLE)
		die_after_note(regs, sig, note->text);
	else
		push_frame(t, regs, note->fpu, info);
}

/* The program's stack is where frames go, so the note is taken from there first. */
struct sys_note *
signal_note(const struct sys_note *from)
{
	struct thread *t = thread_self();
	struct sys_note *note = &t->note;
	struct signal_info info;
	struct sys_wait w;
	int sig;

	memcpy(note, from, sizeof(*note));
	signal_parse(note, &info);
	if (text_after(note->text, "sys: trap")) {
		trap(t, note, &info);
		return note;
	}
	if (info.signo == SIGCHLD && proc.action[SIGCHLD].sa_handler == SIG_IGN)
		while (lux_call3(SYS_WAIT, -1, LUX_ARG(&w), SYS_WNOHANG) > 0)
			;
	if (info.signo)
		signal_from_note(&info);
	if (!t->work || t->hidden || !is_program(&note->regs))
		return note;
	sig = deliver(t, &note->regs, note->fpu, -1);
	if (sig)
		die_after_note(&note->regs, sig, NULL);
	return note;
}
