/*
 * The terminal: ioctl.  [tty_ioctl(4)]  /dev/cons is the only one; /dev/consctl takes `rawon`,
 * `echooff` and so on, and its text tells the state.  What termios has beyond that is remembered
 * here only.
 */
#include "calls.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <asm/termios.h>

#define CONSCTL		"/dev/consctl"
#define CONSCTL_TEXT	256
#define CONSCTL_FD	1000	/* where the descriptor that holds a mode is kept */

static struct {
	struct termios termios;
	bool known;		/* termios is set */
	long holder;		/* the open consctl that keeps the mode, 0: none */
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
}

static bool
is_tty(int fd)
{
	return lux_call3(SYS_FDCTL, fd, SYS_FD_KIND, 0) == SYS_KIND_CONS;
}

static int64_t
consctl_value(const char *name)
{
	char text[CONSCTL_TEXT];

	return text_read_file(CONSCTL, text, sizeof(text)) < 0 ? -1 : text_line_value(text, name);
}

/* Another process may have changed the mode. */
static void
learn_mode(void)
{
	const tcflag_t cooked = ICANON | ISIG;
	char text[CONSCTL_TEXT];

	if (text_read_file(CONSCTL, text, sizeof(text)) < 0)
		return;
	if (text_line_value(text, "raw") == 1)
		tty.termios.c_lflag &= ~(cooked | ECHO);
	else if (!(tty.termios.c_lflag & ICANON))
		tty.termios.c_lflag |= cooked;
	if (text_line_value(text, "raw") == 0 && text_line_value(text, "echo") == 1)
		tty.termios.c_lflag |= ECHO;
	else
		tty.termios.c_lflag &= ~(tcflag_t)ECHO;
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
holder_write(const char *command)
{
	return lux_call4(SYS_PWRITE, tty.holder, LUX_ARG(command), LUX_ARG(text_length(command)),
			 -1);
}

/* The mode lasts as long as a descriptor that asked for it, which is closed by exec. */
static long
hold_mode(bool raw, bool echo)
{
	long fd, r;

	if (tty.holder && lux_call3(SYS_FDCTL, tty.holder, SYS_FD_KIND, 0) >= 0)
		lux_call1(SYS_CLOSE, tty.holder);
	tty.holder = 0;
	if (!raw && echo)
		return 0;
	fd = lux_call4(SYS_OPEN, SYS_CWD, LUX_ARG(CONSCTL), SYS_O_RDWR | SYS_O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	tty.holder = lux_call4(SYS_DUP, fd, -1, SYS_O_CLOEXEC, CONSCTL_FD);
	lux_call1(SYS_CLOSE, fd);
	if (tty.holder < 0) {
		r = tty.holder;
		tty.holder = 0;
		return r;
	}
	r = holder_write(raw ? "rawon" : "echooff");
	return r < 0 ? r : 0;
}

static long
set_termios(const struct termios *in)
{
	struct termios t = *in;
	bool raw = !(t.c_lflag & ICANON), echo = t.c_lflag & ECHO;
	long r;

	set_defaults();
	learn_mode();
	if (raw)
		echo = false;
	if (raw != !(tty.termios.c_lflag & ICANON) || echo != !!(tty.termios.c_lflag & ECHO)) {
		r = hold_mode(raw, echo);
		if (r < 0)
			return r;
	}
	tty.termios = t;
	return 0;
}

static long
get_size(struct winsize *out)
{
	int64_t rows = consctl_value("rows"), columns = consctl_value("columns");

	*out = (struct winsize){ .ws_row = rows > 0 ? (uint16_t)rows : 0,
				 .ws_col = columns > 0 ? (uint16_t)columns : 0 };
	return 0;
}

static long
write_numbers(const char *word, int64_t a, int64_t b)
{
	char text[64];
	size_t n = text_copy(text, word, sizeof(text));

	n = text_add_number(text, n, sizeof(text), a);
	if (b >= 0) {
		n = text_add(text, n, sizeof(text), " ");
		text_add_number(text, n, sizeof(text), b);
	}
	return text_write_file(CONSCTL, text);
}

/* Who gets the interrupt key. */
static long
get_group(int *out)
{
	int64_t group = consctl_value("pgrp");

	*out = group > 0 ? (int)group : process_group(0);
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
	const struct winsize *size = (const struct winsize *)arg;

	switch (request) {
	case TCGETS:
		return get_termios((struct termios *)arg);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_termios((const struct termios *)arg);
	case TIOCGWINSZ:
		return get_size((struct winsize *)arg);
	case TIOCSWINSZ:
		return write_numbers("size ", size->ws_row, size->ws_col);
	case TIOCGPGRP:
		return get_group((int *)arg);
	case TIOCSPGRP:
		return write_numbers("pgrp ", *(const int *)arg, -1);
	case TIOCGSID:
		*(int *)arg = (int)lx_getsid(0);
		return 0;
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
