/*
 * Reading a line from a terminal in raw mode: insertion anywhere, history, and a window that moves
 * when the line is longer than the screen is wide.
 *
 * Keys: arrows, Home, End, Delete, Backspace; Ctrl-A, E, B, F, P, N as in Emacs; Ctrl-U and Ctrl-K
 * erase to the beginning and to the end, Ctrl-W a word; Ctrl-L redraws on a new line; Ctrl-C gives
 * the line up; Ctrl-D at its beginning ends the input.
 */
#include <termios.h>

#include "sh.h"

#define HISTORY_MAX	64
#define COLUMNS		80

#define CONTROL(c)		((c) & 31)
#define KEY_DELETE	0x100
#define KEY_NONE	0x101
#define KEY_END		0x102

struct edit {
	const char *prompt;
	char *line;
	size_t cap, n, at;	/* bytes there may be, are, before the cursor */
	size_t from;		/* the first that is shown */
	int recalled;		/* how far back in the history; 0: the line being typed */
	char typed[SH_LINE_MAX];
};

static char *history[HISTORY_MAX];	/* the latest first */
static struct termios cooked;
static bool is_raw;

static bool
raw_begin(void)
{
	struct termios t;

	if (tcgetattr(0, &cooked) < 0)
		return false;
	t = cooked;
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
	t.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	is_raw = tcsetattr(0, TCSANOW, &t) == 0;
	return is_raw;
}

void
sh_edit_end(void)
{
	if (is_raw)
		tcsetattr(0, TCSANOW, &cooked);
	is_raw = false;
}

static void
out(const char *s, size_t n)
{
	while (n > 0) {
		ssize_t w = write(1, s, n);

		if (w <= 0)
			return;
		s += w;
		n -= (size_t)w;
	}
}

static size_t
room_for_text(const struct edit *e)
{
	return COLUMNS - 1 - strlen(e->prompt);
}

static void
redraw(struct edit *e)
{
	size_t room = room_for_text(e), shown, back;
	char move[24];

	if (e->at < e->from)
		e->from = e->at;
	if (e->at > e->from + room)
		e->from = e->at - room;
	shown = e->n - e->from < room ? e->n - e->from : room;
	out("\r", 1);
	out(e->prompt, strlen(e->prompt));
	out(e->line + e->from, shown);
	out("\033[K", 3);
	back = e->from + shown - e->at;
	if (back) {
		int n = snprintf(move, sizeof(move), "\033[%zuD", back);

		out(move, (size_t)n);
	}
}

static int
read_byte(void)
{
	unsigned char c;
	ssize_t n;

	do
		n = read(0, &c, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? c : KEY_END;
}

/* After Escape: the sequences that terminals send for keys. */
static int
read_escape(void)
{
	static const struct {
		char last;
		int key;
	} keys[] = { { 'A', CONTROL('P') }, { 'B', CONTROL('N') }, { 'C', CONTROL('F') },
		     { 'D', CONTROL('B') }, { 'H', CONTROL('A') }, { 'F', CONTROL('E') } };
	int c = read_byte(), digit = 0;

	if (c != '[' && c != 'O')
		return KEY_NONE;
	c = read_byte();
	for (int i = 0; c >= '0' && c <= ';' && i < 8; i++) {
		digit = c;
		c = read_byte();
	}
	if (c == '~')
		return digit == '3' ? KEY_DELETE : digit == '1' ? CONTROL('A') :
		       digit == '4' ? CONTROL('E') : KEY_NONE;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (c == keys[i].last)
			return keys[i].key;
	return KEY_NONE;
}

static void
cut(struct edit *e, size_t from, size_t to)
{
	memmove(e->line + from, e->line + to, e->n - to);
	e->n -= to - from;
	e->at = from;
}

/* True if the screen needs no more than the character that was shown. */
static bool
insert(struct edit *e, char c)
{
	if (e->n + 1 >= e->cap) {
		out("\a", 1);
		return true;
	}
	memmove(e->line + e->at + 1, e->line + e->at, e->n - e->at);
	e->line[e->at++] = c;
	e->n++;
	if (e->at < e->n || e->n - e->from > room_for_text(e))
		return false;
	out(&c, 1);
	return true;
}

static void
recall(struct edit *e, int step)
{
	int to = e->recalled + step;
	const char *text;

	if (to < 0 || to > HISTORY_MAX || (to > 0 && !history[to - 1]))
		return;
	if (e->recalled == 0) {
		memcpy(e->typed, e->line, e->n);
		e->typed[e->n] = 0;
	}
	text = to ? history[to - 1] : e->typed;
	e->n = strnlen(text, e->cap - 1);
	memcpy(e->line, text, e->n);
	e->at = e->n;
	e->from = 0;
	e->recalled = to;
}

static void
remember(const char *line)
{
	if (!*line || (history[0] && strcmp(history[0], line) == 0))
		return;
	free(history[HISTORY_MAX - 1]);
	memmove(history + 1, history, (HISTORY_MAX - 1) * sizeof(history[0]));
	history[0] = strdup(line);
}

static size_t
word_start(const struct edit *e)
{
	size_t i = e->at;

	while (i > 0 && e->line[i - 1] == ' ')
		i--;
	while (i > 0 && e->line[i - 1] != ' ')
		i--;
	return i;
}

/* A flat switch over keys. */
static void
edit_key(struct edit *e, int key)
{
	switch (key) {
	case CONTROL('A'): e->at = 0; break;
	case CONTROL('E'): e->at = e->n; break;
	case CONTROL('B'): e->at -= e->at > 0; break;
	case CONTROL('F'): e->at += e->at < e->n; break;
	case CONTROL('P'): recall(e, 1); break;
	case CONTROL('N'): recall(e, -1); break;
	case CONTROL('U'): cut(e, 0, e->at); break;
	case CONTROL('K'): e->n = e->at; break;
	case CONTROL('W'): cut(e, word_start(e), e->at); break;
	case CONTROL('L'): out("\r\n", 2); break;
	case CONTROL('H'):
	case 127:
		if (e->at > 0)
			cut(e, e->at - 1, e->at);
		break;
	case CONTROL('D'):
	case KEY_DELETE:
		if (e->at < e->n)
			cut(e, e->at, e->at + 1);
		break;
	default:
		if (key < ' ' || key >= 256 || insert(e, (char)key))
			return;
	}
	redraw(e);
}

static int
edit_loop(struct edit *e)
{
	int key;

	redraw(e);
	for (;;) {
		key = read_byte();
		if (key == '\033')
			key = read_escape();
		if (key == KEY_END || (key == CONTROL('D') && e->n == 0))
			return -1;
		if (key == CONTROL('C')) {
			out("^C\r\n", 4);
			return -EINTR;
		}
		if (key == '\r' || key == '\n')
			break;
		edit_key(e, key);
	}
	if (e->at < e->n) {
		e->at = e->n;
		redraw(e);
	}
	out("\r\n", 2);
	e->line[e->n] = 0;
	remember(e->line);
	return (int)e->n;
}

/* A terminal that has no raw mode edits by itself. */
static int
read_cooked(const char *prompt, char *line, size_t n)
{
	size_t have = 0;
	int c = 0;

	out(prompt, strlen(prompt));
	while (have < n - 1 && (c = read_byte()) != '\n' && c != KEY_END)
		line[have++] = (char)c;
	line[have] = 0;
	return c == KEY_END && have == 0 ? -1 : (int)have;
}

int
sh_edit_line(const char *prompt, char *line, size_t n)
{
	struct edit e = { .prompt = prompt, .line = line,
			  .cap = n < SH_LINE_MAX ? n : SH_LINE_MAX };
	int result;

	fflush(stdout);
	if (!raw_begin())
		return read_cooked(prompt, line, n);
	result = edit_loop(&e);
	sh_edit_end();
	return result;
}
