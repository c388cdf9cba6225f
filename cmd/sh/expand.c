/*
 * From a word as it was written to the arguments that it stands for: quotes, $VARIABLES,
 * $(commands), splitting at white space, and patterns.  While a field grows, a character that was
 * quoted and means something in a pattern has a backslash before it.
 */
#include <ctype.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/wait.h>

#include "sh.h"

struct expansion {
	struct shell *sh;
	struct fields *out;
	struct text field;
	bool present;		/* there is a field, though perhaps an empty one */
	bool pattern;		/* with an unquoted * ? or [ */
	bool whole;		/* one string is wanted: no splitting, no patterns */
};

static void
add_field(struct fields *f, char *s)
{
	if (f->n + 1 >= f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 16;
		char **v = arena_get(f->arena, cap * sizeof(*v));

		if (f->n)
			memcpy(v, f->v, f->n * sizeof(*v));
		f->v = v;
		f->cap = cap;
	}
	f->v[f->n++] = s;
	f->v[f->n] = NULL;
}

static char *
without_backslashes(struct arena *a, const char *s)
{
	char *out = arena_get(a, strlen(s) + 1), *w = out;

	for (; *s; s++) {
		if (*s == '\\' && s[1])
			s++;
		*w++ = *s;
	}
	return out;
}

static void
add_matches(struct expansion *x, const char *pattern)
{
	struct arena *a = x->out->arena;
	glob_t g;

	if (glob(pattern, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++)
			add_field(x->out, arena_copy(a, g.gl_pathv[i], strlen(g.gl_pathv[i])));
		globfree(&g);
	} else {
		add_field(x->out, without_backslashes(a, pattern));
	}
}

static void
end_field(struct expansion *x)
{
	const char *s;

	if (!x->present)
		return;
	s = text_end(&x->field);
	if (x->pattern && !x->whole)
		add_matches(x, s);
	else
		add_field(x->out, without_backslashes(x->out->arena, s));
	x->field = (struct text){ .arena = x->out->arena };
	x->present = x->pattern = false;
}

static void
put(struct expansion *x, char c, bool quoted)
{
	if (c == '\\' || (quoted && strchr("*?[]", c)))
		text_char(&x->field, '\\');
	else if (strchr("*?[", c))
		x->pattern = true;
	text_char(&x->field, c);
	x->present = true;
}

static void
put_value(struct expansion *x, const char *s, bool quoted)
{
	for (; *s; s++) {
		if (!quoted && !x->whole && strchr(" \t\n", *s))
			end_field(x);
		else
			put(x, *s, quoted);
	}
}

/* What the child writes, without newlines at its end. */
static const char *
read_all(struct shell *sh, int fd)
{
	struct text t = { .arena = &sh->arena };
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || t.n + (size_t)n > SH_TEXT_MAX) {
			sh_warn(sh, "$( )", n < 0 ? strerror(errno) : "too much output");
			break;
		}
		text_add(&t, buf, (size_t)n);
	}
	while (t.n && t.s[t.n - 1] == '\n')
		t.s[--t.n] = 0;
	return text_end(&t);
}

static const char *
command_output(struct shell *sh, const char *command)
{
	const char *output;
	int fd[2];
	pid_t pid;

	if (sh->depth >= SH_DEPTH_MAX || pipe2(fd, O_CLOEXEC) < 0) {
		sh_warn(sh, "$( )", sh->depth >= SH_DEPTH_MAX ? "too deep" : strerror(errno));
		return "";
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		sh_child_begin(sh, false);
		sh->depth++;
		dup2(fd[1], 1);
		exit(sh_run_text(sh, command));
	}
	close(fd[1]);
	if (pid < 0)
		sh_warn(sh, "fork", strerror(errno));
	output = read_all(sh, fd[0]);
	close(fd[0]);
	if (pid > 0)
		sh->status = sh_wait(sh, pid);
	return output;
}

/* The value of a variable or of ? # ! 0..9; NULL if it has none. */
static const char *
value_of(struct shell *sh, const char *name)
{
	char *text = arena_get(&sh->arena, 24);
	size_t i;

	if (name[0] == '?' || name[0] == '#' || name[0] == '!') {
		snprintf(text, 24, "%d", name[0] == '?' ? sh->status :
			name[0] == '#' ? sh->nargs : (int)sh->last_background);
		return text;
	}
	if (!isdigit((unsigned char)name[0]))
		return sh_get(sh, name);
	i = strtoul(name, NULL, 10);
	if (i == 0)
		return sh->name;
	return i <= (size_t)sh->nargs ? sh->args[i - 1] : NULL;
}

static void
put_arguments(struct expansion *x, bool quoted, bool apart)
{
	for (int i = 0; i < x->sh->nargs; i++) {
		if (i && apart)
			end_field(x);
		else if (i)
			put_value(x, " ", quoted);
		put_value(x, x->sh->args[i], quoted);
		x->present |= quoted;
	}
}

static void
put_variable(struct expansion *x, const char *name, bool quoted)
{
	const char *value;

	if (name[0] == '@' || name[0] == '*') {
		put_arguments(x, quoted, !x->whole && (name[0] == '@' || !quoted));
		return;
	}
	value = value_of(x->sh, name);
	if (value)
		put_value(x, value, quoted);
}

static void put_word(struct expansion *, const char *);

/* ${NAME} or ${NAME:-WORD}; inside is without the braces. */
static void
put_braced(struct expansion *x, const char *inside, bool quoted)
{
	const char *dash = strstr(inside, ":-"), *value;
	struct arena *a = &x->sh->arena;
	char *name = arena_copy(a, inside, dash ? (size_t)(dash - inside) : strlen(inside));

	if (!sh_is_name(name, strlen(name)) && !strchr("?#!@*", name[0]) &&
	    strspn(name, "0123456789") != strlen(name)) {
		sh_warn(x->sh, name, "not a variable's name");
		return;
	}
	value = dash ? value_of(x->sh, name) : NULL;
	if (dash && (!value || !*value) && quoted)
		put_value(x, sh_expand_one(x->sh, dash + 2), true);
	else if (dash && (!value || !*value))
		put_word(x, dash + 2);
	else
		put_variable(x, name, quoted);
}

/* At the $; returns what follows the expansion. */
static const char *
put_dollar(struct expansion *x, const char *p, bool quoted)
{
	struct arena *a = &x->sh->arena;
	const char *end;
	size_t n = 0;

	if (p[1] == '(' || p[1] == '{') {
		end = sh_skip_bracket(p + 2, p[1], p[1] == '(' ? ')' : '}');
		if (!end)
			end = p + strlen(p) + 1;
		char *inside = arena_copy(a, p + 2, (size_t)(end - p - 3));

		if (p[1] == '{')
			put_braced(x, inside, quoted);
		else
			put_value(x, command_output(x->sh, inside), quoted);
		return end;
	}
	if (p[1] && strchr("?#!@*0123456789", p[1]))
		n = 1;
	else
		while (sh_is_name(p + 1, n + 1))
			n++;
	if (n == 0) {
		put(x, '$', quoted);
		return p + 1;
	}
	put_variable(x, arena_copy(a, p + 1, n), quoted);
	return p + 1 + n;
}

/* At the first "; returns what follows the last. */
static const char *
put_double_quoted(struct expansion *x, const char *p)
{
	if (strncmp(p, "\"$@\"", 4) == 0 && x->sh->nargs == 0)
		return p + 4;
	x->present = true;
	for (p++; *p && *p != '"';) {
		if (*p == '\\' && p[1] == '\n') {
			p += 2;
		} else if (*p == '\\' && p[1] && strchr("$\"\\`", p[1])) {
			put(x, p[1], true);
			p += 2;
		} else if (*p == '$') {
			p = put_dollar(x, p, true);
		} else {
			put(x, *p++, true);
		}
	}
	return *p ? p + 1 : p;
}

static void
put_word(struct expansion *x, const char *p)
{
	while (*p) {
		if (*p == '\\') {
			if (p[1] && p[1] != '\n')
				put(x, p[1], true);
			p += p[1] ? 2 : 1;
		} else if (*p == '\'') {
			x->present = true;
			for (p++; *p && *p != '\''; p++)
				put(x, *p, true);
			p += *p != 0;
		} else if (*p == '"') {
			p = put_double_quoted(x, p);
		} else if (*p == '$') {
			p = put_dollar(x, p, false);
		} else {
			put(x, *p++, false);
		}
	}
}

void
sh_expand(struct shell *sh, const char *word, struct fields *out)
{
	struct expansion x = { .sh = sh, .out = out, .field = { .arena = out->arena } };

	put_word(&x, word);
	end_field(&x);
}

const char *
sh_expand_one(struct shell *sh, const char *word)
{
	struct fields f = { .arena = &sh->arena };
	struct expansion x = { .sh = sh, .out = &f, .field = { .arena = &sh->arena },
			       .whole = true };

	put_word(&x, word);
	end_field(&x);
	return f.n ? f.v[0] : "";
}
