/*
 * The terminal: ioctl.  [tty_ioctl(4)]  /dev/cons is the only one; /dev/consctl takes `rawon` and
 * `rawoff`, and its text tells the state.  What termios has beyond that is remembered here only.
 */
#include "calls.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <asm/termios.h>

#define ROWS		25
#define COLUMNS		80
#define CONSCTL		"/dev/consctl"
#define CONSCTL_TEXT	64

static struct {
	struct termios termios;
	struct winsize size;
	bool known;		/* termios is set */
} tty;

static void
set_defaults(void)
{
	static const uint8_t keys[] = {
		[VINTR] = 3, [VQUIT] = 28, [VERASE] = 127, [VKILL] = 21, [VEOF] = 4, [VMIN] = 1,
		[VSTART] = 17, [VSTOP] = 19, [VSUSP] = 26, [VREPRINT] = 18, [VDISCARD] = 15,
		[VWERASE] = 23, [VLNEXT] = 22,
	};

	if (tty.known)
		return;
	tty.known = true;
	tty.termios.c_iflag = ICRNL | IXON;
	tty.termios.c_oflag = OPOST | ONLCR;
	tty.termios.c_cflag = B38400 | CS8 | CREAD | HUPCL;
	tty.termios.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	memcpy(tty.termios.c_cc, keys, sizeof(keys));
	tty.size = (struct winsize){ .ws_row = ROWS, .ws_col = COLUMNS };
}

static bool
is_tty(int fd)
{
	return lux_call3(SYS_FDCTL, fd, SYS_FD_KIND, 0) == SYS_KIND_CONS;
}

/* Another process may have changed the mode. */
static void
learn_mode(void)
{
	char text[CONSCTL_TEXT];
	const tcflag_t cooked = ICANON | ECHO | ISIG;

	if (text_read_file(CONSCTL, text, sizeof(text)) < 0)
		return;
	if (text_after(text, "rawon"))
		tty.termios.c_lflag &= ~cooked;
	else if (text_after(text, "rawoff") && !(tty.termios.c_lflag & ICANON))
		tty.termios.c_lflag |= cooked;
}

static long
get_termios(struct termios *out)
{
	set_defaults();
	learn_mode();
	*out = tty.termios;
	return 0;
}

static long
set_termios(const struct termios *in)
{
	struct termios t = *in;
	bool raw = !(t.c_lflag & ICANON);
	long r;

	set_defaults();
	learn_mode();
	if (raw != !(tty.termios.c_lflag & ICANON)) {
		r = text_write_file(CONSCTL, raw ? "rawon" : "rawoff");
		if (r < 0)
			return r;
	}
	tty.termios = t;
	return 0;
}

/* What can be read now: of a stream only whether there is something. */
static long
readable(int fd, int *out)
{
	struct sys_poll p = { .fd = fd, .events = 1 };
	struct sys_stat st;
	long at, r;

	if (lux_call3(SYS_FDCTL, fd, SYS_FD_KIND, 0) == SYS_KIND_FILE) {
		r = lux_call4(SYS_STAT, fd, LUX_ARG(""), LUX_ARG(&st), SYS_AT_EMPTY_PATH);
		at = lux_call3(SYS_SEEK, fd, 0, 1);
		if (r < 0 || at < 0)
			return r < 0 ? r : at;
		*out = (int64_t)st.size > at ? (int)(st.size - (uint64_t)at) : 0;
		return 0;
	}
	r = lux_call3(SYS_POLL, LUX_ARG(&p), 1, 0);
	if (r < 0)
		return r;
	*out = p.revents & 1;
	return 0;
}

static long
set_flag(int fd, uint32_t flag, bool on)
{
	long flags = lux_call3(SYS_FDCTL, fd, SYS_FD_GETFLAGS, 0);

	if (flags < 0)
		return flags;
	flags = on ? flags | flag : flags & ~(long)flag;
	return lux_call3(SYS_FDCTL, fd, SYS_FD_SETFLAGS, flags);
}

static long
tty_ioctl(uint32_t request, uint64_t arg)
{
	int group;

	switch (request) {
	case TCGETS:
		return get_termios((struct termios *)arg);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_termios((const struct termios *)arg);
	case TIOCGWINSZ:
		set_defaults();
		*(struct winsize *)arg = tty.size;
		return 0;
	case TIOCSWINSZ:
		set_defaults();
		tty.size = *(const struct winsize *)arg;
		return 0;
	case TIOCGPGRP:
		group = process_group(0);
		*(int *)arg = group;
		return 0;
	case TIOCGSID:
		*(int *)arg = (int)lx_getsid(0);
		return 0;
	case TIOCSPGRP:
	case TIOCSCTTY:
	case TIOCNOTTY:
	case TCFLSH:
	case TCSBRK:
	case TCXONC:
		return 0;
	}
	return -ENOTTY;
}

long
lx_ioctl(int fd, uint32_t request, uint64_t arg)
{
	long r;

	switch (request) {
	case FIONREAD:
		return readable(fd, (int *)arg);
	case FIONBIO:
		return set_flag(fd, O_NONBLOCK, *(const int *)arg != 0);
	case FIOCLEX:
	case FIONCLEX:
		return lux_call3(SYS_FDCTL, fd, SYS_FD_SETCLOEXEC, request == FIOCLEX);
	}
	if (is_tty(fd))
		return tty_ioctl(request, arg);
	r = lux_call3(SYS_FDCTL, fd, SYS_FD_GETFLAGS, 0);
	return r < 0 ? r : -ENOTTY;
}
