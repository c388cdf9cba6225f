/*
 * The shell's grammar, by recursive descent, a subset of POSIX's:
 *
 *	list:     andor { (; | & | newline) andor } [; | &]
 *	andor:    pipe { (&& | ||) newlines pipe }
 *	pipe:     [!] command { | newlines command }
 *	command:  ( list ) redirs | { list } redirs | if | while | until | for | words and redirs
 *
 * No functions, no case, no here-documents.
 */
#include <ctype.h>

#include "sh.h"

enum token { T_END, T_NEWLINE, T_WORD, T_SEMI, T_AMP, T_AND, T_OR, T_PIPE, T_OPEN, T_CLOSE,
	T_REDIR };

struct parser {
	struct shell *sh;
	const char *p;			/* after the token */
	enum token token;
	const char *text;		/* of a word */
	size_t length;
	int fd;				/* of a redirection */
	enum redir_kind redir;
	enum parse_result result;	/* the first that is not PARSE_OK stays */
	int depth;
};

static struct node *parse_list(struct parser *, const char *const *ends);

static void
stop(struct parser *ps, enum parse_result why, const char *what)
{
	if (ps->result != PARSE_OK)
		return;
	ps->result = why;
	if (why == PARSE_ERROR)
		sh_warn(ps->sh, what, "not expected here");
}

const char *
sh_skip_bracket(const char *p, char open, char close)
{
	int depth = 1;

	while (*p) {
		if (*p == '\\' && p[1]) {
			p += 2;
		} else if (*p == '\'') {
			p = strchr(p + 1, '\'');
			if (!p)
				return NULL;
			p++;
		} else if (*p == '"') {
			for (p++; *p && *p != '"'; p++)
				if (*p == '\\' && p[1])
					p++;
			if (!*p++)
				return NULL;
		} else {
			depth += *p == open;
			depth -= *p == close;
			p++;
			if (depth == 0)
				return p;
		}
	}
	return NULL;
}

static const char *
skip_quoted(const char *p)
{
	for (p++; *p != '"'; p++) {
		if (*p == 0)
			return NULL;
		if (*p == '\\' && p[1])
			p++;
		else if (*p == '$' && p[1] == '(') {
			p = sh_skip_bracket(p + 2, '(', ')');
			if (!p)
				return NULL;
			p--;
		}
	}
	return p + 1;
}

const char *
sh_skip_word(const char *p)
{
	while (p && *p && !strchr(" \t\n;&|()<>", *p)) {
		if (*p == '\\') {
			p += p[1] ? 2 : 1;
		} else if (*p == '\'') {
			p = strchr(p + 1, '\'');
			p = p ? p + 1 : NULL;
		} else if (*p == '"') {
			p = skip_quoted(p);
		} else if (*p == '$' && (p[1] == '(' || p[1] == '{')) {
			p = sh_skip_bracket(p + 2, p[1], p[1] == '(' ? ')' : '}');
		} else {
			p++;
		}
	}
	return p;
}

/* At < or >. */
static void
lex_redir(struct parser *ps, int fd)
{
	const char *p = ps->p;

	ps->token = T_REDIR;
	ps->fd = fd >= 0 ? fd : *p == '>';
	if (p[1] == '&')
		ps->redir = REDIR_DUP;
	else if (p[0] == '<')
		ps->redir = p[1] == '>' ? REDIR_RDWR : REDIR_IN;
	else
		ps->redir = p[1] == '>' ? REDIR_APPEND : REDIR_OUT;
	ps->p += ps->redir == REDIR_IN || ps->redir == REDIR_OUT ? 1 : 2;
	if (p[0] == '<' && p[1] == '<')
		stop(ps, PARSE_ERROR, "<<");
}

static bool
lex_operator(struct parser *ps)
{
	static const struct {
		char text[3];
		enum token token;
	} ops[] = { { "&&", T_AND }, { "||", T_OR }, { "&", T_AMP },  { "|", T_PIPE },
		    { ";", T_SEMI }, { "(", T_OPEN }, { ")", T_CLOSE }, { "\n", T_NEWLINE } };

	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		size_t n = strlen(ops[i].text);

		if (strncmp(ps->p, ops[i].text, n) == 0) {
			ps->token = ops[i].token;
			ps->p += n;
			return true;
		}
	}
	return false;
}

static void
next(struct parser *ps)
{
	const char *end;

	for (;;) {
		if (*ps->p == ' ' || *ps->p == '\t' || *ps->p == '\r')
			ps->p++;
		else if (*ps->p == '\\' && ps->p[1] == '\n')
			ps->p += 2;
		else
			break;
	}
	if (*ps->p == '#')
		ps->p += strcspn(ps->p, "\n");
	ps->text = ps->p;
	ps->length = 0;
	ps->token = T_END;
	if (*ps->p == 0 || lex_operator(ps))
		return;
	if (*ps->p == '<' || *ps->p == '>') {
		lex_redir(ps, -1);
		return;
	}
	if (isdigit((unsigned char)*ps->p) && (ps->p[1] == '<' || ps->p[1] == '>')) {
		ps->p++;
		lex_redir(ps, ps->p[-1] - '0');
		return;
	}
	end = sh_skip_word(ps->p);
	if (!end) {
		stop(ps, PARSE_MORE, NULL);
		return;
	}
	ps->token = T_WORD;
	ps->length = (size_t)(end - ps->p);
	ps->p = end;
}

static bool
is_word(const struct parser *ps, const char *word)
{
	return ps->token == T_WORD && ps->length == strlen(word) &&
	       memcmp(ps->text, word, ps->length) == 0;
}

static bool
is_end(const struct parser *ps, const char *const *ends)
{
	for (; ends && *ends; ends++)
		if (is_word(ps, *ends))
			return true;
	return ps->token == T_CLOSE || ps->token == T_END;
}

static struct node *
new_node(struct parser *ps, enum node_kind kind, struct node *a, struct node *b)
{
	struct node *n = arena_get(&ps->sh->arena, sizeof(*n));

	*n = (struct node){ .kind = kind, .a = a, .b = b };
	return n;
}

static void
skip_newlines(struct parser *ps)
{
	while (ps->token == T_NEWLINE && ps->result == PARSE_OK)
		next(ps);
}

static void
unexpected(struct parser *ps)
{
	char text[40];

	if (ps->token == T_END) {
		stop(ps, PARSE_MORE, NULL);
		return;
	}
	snprintf(text, sizeof(text), "%.*s", ps->length ? (int)ps->length : 1, ps->text);
	stop(ps, PARSE_ERROR, ps->token == T_NEWLINE ? "end of line" : text);
}

static void
want(struct parser *ps, const char *word)
{
	if (is_word(ps, word))
		next(ps);
	else
		unexpected(ps);
}

/* Appends redirections to *at while there are any. */
static struct redir **
parse_redirs(struct parser *ps, struct redir **at)
{
	while (ps->token == T_REDIR && ps->result == PARSE_OK) {
		struct redir *r = arena_get(&ps->sh->arena, sizeof(*r));

		r->fd = ps->fd;
		r->kind = ps->redir;
		next(ps);
		if (ps->token != T_WORD) {
			unexpected(ps);
			break;
		}
		r->target = arena_copy(&ps->sh->arena, ps->text, ps->length);
		*at = r;
		at = &r->next;
		next(ps);
	}
	return at;
}

static struct word **
take_word(struct parser *ps, struct word **at)
{
	struct word *w = arena_get(&ps->sh->arena, sizeof(*w));

	w->text = arena_copy(&ps->sh->arena, ps->text, ps->length);
	*at = w;
	next(ps);
	return &w->next;
}

static struct node *
parse_simple(struct parser *ps)
{
	struct node *n = new_node(ps, NODE_COMMAND, NULL, NULL);
	struct word **words = &n->words;
	struct redir **redirs = &n->redirs;

	while (ps->result == PARSE_OK && (ps->token == T_WORD || ps->token == T_REDIR)) {
		if (ps->token == T_WORD)
			words = take_word(ps, words);
		else
			redirs = parse_redirs(ps, redirs);
	}
	if (!n->words && !n->redirs)
		unexpected(ps);
	return n;
}

/* After if or elif. */
static struct node *
parse_if(struct parser *ps)
{
	static const char *const then[] = { "then", NULL };
	static const char *const ends[] = { "elif", "else", "fi", NULL };
	static const char *const fi[] = { "fi", NULL };
	struct node *n = new_node(ps, NODE_IF, NULL, NULL);

	n->a = parse_list(ps, then);
	want(ps, "then");
	n->b = parse_list(ps, ends);
	if (is_word(ps, "elif")) {
		next(ps);
		n->c = parse_if(ps);
		return n;
	}
	if (is_word(ps, "else")) {
		next(ps);
		n->c = parse_list(ps, fi);
	}
	want(ps, "fi");
	return n;
}

static struct node *
parse_body(struct parser *ps)
{
	static const char *const done[] = { "done", NULL };
	struct node *body;

	want(ps, "do");
	body = parse_list(ps, done);
	want(ps, "done");
	return body;
}

static struct node *
parse_while(struct parser *ps, enum node_kind kind)
{
	static const char *const start[] = { "do", NULL };
	struct node *n = new_node(ps, kind, NULL, NULL);

	n->a = parse_list(ps, start);
	n->b = parse_body(ps);
	return n;
}

static struct node *
parse_for(struct parser *ps)
{
	struct node *n = new_node(ps, NODE_FOR, NULL, NULL);
	struct word **words = &n->words;

	if (ps->token != T_WORD || !sh_is_name(ps->text, ps->length)) {
		unexpected(ps);
		return n;
	}
	n->name = arena_copy(&ps->sh->arena, ps->text, ps->length);
	next(ps);
	want(ps, "in");
	while (ps->token == T_WORD && ps->result == PARSE_OK)
		words = take_word(ps, words);
	if (ps->token == T_SEMI)
		next(ps);
	skip_newlines(ps);
	n->b = parse_body(ps);
	return n;
}

static struct node *
parse_compound(struct parser *ps)
{
	static const char *const brace[] = { "}", NULL };
	struct node *n;

	if (ps->token == T_OPEN) {
		next(ps);
		n = new_node(ps, NODE_SUBSHELL, parse_list(ps, NULL), NULL);
		if (ps->token == T_CLOSE)
			next(ps);
		else
			unexpected(ps);
	} else if (is_word(ps, "{")) {
		next(ps);
		n = new_node(ps, NODE_GROUP, parse_list(ps, brace), NULL);
		want(ps, "}");
	} else if (is_word(ps, "if")) {
		next(ps);
		n = parse_if(ps);
	} else if (is_word(ps, "while")) {
		next(ps);
		n = parse_while(ps, NODE_WHILE);
	} else if (is_word(ps, "until")) {
		next(ps);
		n = parse_while(ps, NODE_UNTIL);
	} else if (is_word(ps, "for")) {
		next(ps);
		n = parse_for(ps);
	} else {
		return NULL;
	}
	parse_redirs(ps, &n->redirs);
	return n;
}

static struct node *
parse_command(struct parser *ps)
{
	static const char *const reserved[] = { "then", "else", "elif", "fi", "do", "done", "}",
						NULL };
	struct node *n;

	if (ps->depth >= SH_DEPTH_MAX) {
		stop(ps, PARSE_ERROR, "so deep a command");
		return NULL;
	}
	ps->depth++;
	n = parse_compound(ps);
	if (!n && is_end(ps, reserved))
		unexpected(ps);
	else if (!n)
		n = parse_simple(ps);
	ps->depth--;
	return n;
}

static struct node *
parse_pipe(struct parser *ps)
{
	bool invert = is_word(ps, "!");
	struct node *n;

	if (invert)
		next(ps);
	n = parse_command(ps);
	if (ps->token == T_PIPE && ps->result == PARSE_OK) {
		next(ps);
		skip_newlines(ps);
		n = new_node(ps, NODE_PIPE, n, parse_pipe(ps));
	}
	return invert ? new_node(ps, NODE_NOT, n, NULL) : n;
}

static struct node *
parse_and_or(struct parser *ps)
{
	struct node *n = parse_pipe(ps);

	while ((ps->token == T_AND || ps->token == T_OR) && ps->result == PARSE_OK) {
		enum node_kind kind = ps->token == T_AND ? NODE_AND : NODE_OR;

		next(ps);
		skip_newlines(ps);
		n = new_node(ps, kind, n, parse_pipe(ps));
	}
	return n;
}

/* One andor with its end, ; or &. */
static struct node *
parse_item(struct parser *ps)
{
	struct node *n = parse_and_or(ps);

	if (ps->token == T_AMP && ps->result == PARSE_OK) {
		next(ps);
		return new_node(ps, NODE_BACKGROUND, n, NULL);
	}
	if (ps->token == T_SEMI)
		next(ps);
	else if (ps->token == T_WORD || ps->token == T_OPEN)
		unexpected(ps);
	return n;
}

/* Commands up to one of the words, `)` or the end of the text; at least one. */
static struct node *
parse_list(struct parser *ps, const char *const *ends)
{
	struct node *first = NULL, **at = &first;

	skip_newlines(ps);
	if (is_end(ps, ends)) {
		unexpected(ps);
		return NULL;
	}
	while (ps->result == PARSE_OK && !is_end(ps, ends)) {
		if (first) {
			*at = new_node(ps, NODE_SEQ, *at, parse_item(ps));
			at = &(*at)->b;
		} else {
			first = parse_item(ps);
		}
		skip_newlines(ps);
	}
	if (ps->token == T_END)
		stop(ps, PARSE_MORE, NULL);
	return first;
}

enum parse_result
sh_parse(struct shell *sh, const char *text, size_t *at, struct node **out)
{
	struct parser ps = { .sh = sh, .p = text + *at };
	struct node *first = NULL, **end = &first;

	*out = NULL;
	next(&ps);
	while (ps.result == PARSE_OK && ps.token != T_NEWLINE && ps.token != T_END) {
		if (ps.token == T_CLOSE) {
			unexpected(&ps);
			break;
		}
		if (first) {
			*end = new_node(&ps, NODE_SEQ, *end, parse_item(&ps));
			end = &(*end)->b;
		} else {
			first = parse_item(&ps);
		}
	}
	*at = (size_t)(ps.p - text);
	if (ps.result == PARSE_OK)
		*out = first;
	return ps.result;
}
