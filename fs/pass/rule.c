/*
 * Rules: which faults are to happen to which requests.
 *
 *	drop|delay|duplicate|reorder|corrupt|fail|crash|hang MESSAGE RATE [WORD]
 *	seed N
 *	clear
 *
 * A rule by chance draws its k-th number from the seed, its own number and k, so what it does
 * depends on nothing but the order of the requests that it is about.  See passfs(4).
 */
#include "pass.h"

#include <errno.h>
#include <os.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILLION		1000000u
#define COMMAND_MAX	256
#define WORDS_MAX	4
#define ERRNO_MAX	4095

static const char *const messages[PASS_MESSAGES + 1] = {
	"attach", "walk", "open", "create", "read", "write", "readdir", "fsync", "getattr",
	"setattr", "statfs", "mkdir", "symlink", "mknod", "readlink", "link", "rename", "unlink",
	"getxattr", "setxattr", "lock", "getlock", "clone", "xattrcreate", "clunk", "remove",
	"flush", "all",
};

/* Messages of 9P that rules know by another name, or not at all. */
static const struct {
	const char *name, *why;
} unknown[] = {
	{ "version", "begins a session, before there are requests; Lux9 has none" },
	{ "auth", "no authentication is asked for" },
	{ "stat", "of plain 9P2000: it is getattr here" },
	{ "wstat", "of plain 9P2000: it is setattr, rename and fsync here" },
	{ "xattrwalk", "is getxattr here" },
	{ "error", "is an answer; the message that gets it has the name" },
};

static const char *const kinds[PASS_KINDS] = {
	"drop", "delay", "duplicate", "reorder", "corrupt", "fail", "crash", "hang",
};

static const struct {
	const char *name;
	int value;
} errors[] = {
	{ "EPERM", EPERM }, { "ENOENT", ENOENT }, { "EINTR", EINTR }, { "EIO", EIO },
	{ "ENXIO", ENXIO }, { "EBADF", EBADF }, { "EAGAIN", EAGAIN }, { "ENOMEM", ENOMEM },
	{ "EACCES", EACCES }, { "EBUSY", EBUSY }, { "EEXIST", EEXIST }, { "EXDEV", EXDEV },
	{ "ENODEV", ENODEV }, { "ENOTDIR", ENOTDIR }, { "EISDIR", EISDIR }, { "EINVAL", EINVAL },
	{ "ENFILE", ENFILE }, { "EMFILE", EMFILE }, { "EFBIG", EFBIG }, { "ENOSPC", ENOSPC },
	{ "EROFS", EROFS }, { "EMLINK", EMLINK }, { "ENAMETOOLONG", ENAMETOOLONG },
	{ "ENOTEMPTY", ENOTEMPTY }, { "ENODATA", ENODATA }, { "EPROTO", EPROTO },
	{ "EOPNOTSUPP", EOPNOTSUPP }, { "EHOSTDOWN", EHOSTDOWN }, { "ETIMEDOUT", ETIMEDOUT },
	{ "ESTALE", ESTALE }, { "EDQUOT", EDQUOT },
};

const char *
pass_message_name(unsigned message)
{
	return messages[message];
}

const char *
pass_kind_name(unsigned kind)
{
	return kinds[kind];
}

const char *
pass_no_meaning(unsigned kind, unsigned message)
{
	static const char *const once[] = {
		[PASS_CLONE] = "a fid is made once: the second finds it there",
		[PASS_XATTRCREATE] = "a fid is made once: the second finds it there",
		[PASS_CLUNK] = "a fid is given up once: the second finds none",
		[PASS_REMOVE] = "a fid is given up once: the second finds none",
		[PASS_FLUSH] = "a second flush finds nothing to end",
	};

	if (kind == PASS_FAIL && message == PASS_FLUSH)
		return "a flush has no error to answer with";
	if (kind == PASS_DUPLICATE && message >= PASS_CLONE && message < PASS_MESSAGES)
		return once[message];
	if (kind != PASS_CORRUPT)
		return NULL;
	switch (message) {
	case PASS_FSYNC:
	case PASS_SETATTR:
	case PASS_LINK:
	case PASS_RENAME:
	case PASS_UNLINK:
	case PASS_CLONE:
	case PASS_XATTRCREATE:
	case PASS_CLUNK:
	case PASS_REMOVE:
	case PASS_FLUSH:
		return "its answer has nothing in it to corrupt";
	default:
		return NULL;
	}
}

void
pass_rules_init(struct pass_rules *rules)
{
	memset(rules, 0, sizeof *rules);
	pthread_mutex_init(&rules->lock, NULL);
}

static int
wrong(const char *text, const char *why)
{
	os_set_errstr("%s: %s", text, why);
	return -EINVAL;
}

static int
find(const char *const *names, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

/* Decimal digits and nothing else. */
static bool
number(const char *s, uint64_t max, uint64_t *out)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	*out = strtoull(s, &end, 10);
	return errno == 0 && *end == '\0' && *out <= max;
}

/* "12%", "0.25%": in a million. */
static bool
percent(const char *s, uint64_t *out)
{
	char whole[8], part[8];
	uint64_t n, fraction = 0;
	size_t len = strlen(s), dot = strcspn(s, ".");

	if (len < 2 || len > 9 || s[len - 1] != '%')
		return false;
	if (dot == len)
		dot = len - 1;
	else if (len - 1 - dot - 1 < 1 || len - 1 - dot - 1 > 4)
		return false;
	if (dot == 0 || dot > 3)
		return false;
	snprintf(whole, sizeof whole, "%.*s", (int)dot, s);
	if (!number(whole, 100, &n))
		return false;
	if (dot < len - 1) {
		snprintf(part, sizeof part, "%.*s000", (int)(len - 1 - dot - 1), s + dot + 1);
		part[4] = '\0';
		if (!number(part, 9999, &fraction))
			return false;
	}
	*out = n * (MILLION / 100) + fraction;
	return *out > 0 && *out <= MILLION;
}

static int
parse_errno(const char *name)
{
	uint64_t n;

	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (strcmp(errors[i].name, name) == 0)
			return errors[i].value;
	return number(name, ERRNO_MAX, &n) ? (int)n : 0;
}

/* The rate, in one word or (`every N`) two: how many words, or -EINVAL. */
static int
parse_rate(struct pass_rule *rule, char **word, int nwords)
{
	if (nwords > 1 && strcmp(word[0], "every") == 0) {
		rule->when = PASS_EVERY;
		if (!number(word[1], INT64_MAX, &rule->rate) || !rule->rate)
			return wrong(word[1], "not a number above 0");
		return 2;
	}
	if (nwords > 0 && word[0][0] == '#') {
		rule->when = PASS_NTH;
		if (!number(word[0] + 1, INT64_MAX, &rule->rate) || !rule->rate)
			return wrong(word[0], "not # and a number above 0");
		return 1;
	}
	rule->when = PASS_CHANCE;
	if (nwords < 1 || !percent(word[0], &rule->rate))
		return wrong(nwords < 1 ? "rate" : word[0],
			"needs a rate: 1%, 0.1%, #N or every N");
	return 1;
}

/* What follows the rate; NULL when nothing does. */
static int
parse_word(struct pass_rule *rule, const char *word)
{
	uint64_t n;

	switch (rule->kind) {
	case PASS_DELAY:
		if (!word || !number(word, PASS_DELAY_MAX, &n))
			return wrong("delay", "needs milliseconds, at most 60000");
		rule->ms = (unsigned)n;
		return 0;
	case PASS_FAIL:
		rule->error = word ? parse_errno(word) : 0;
		return rule->error ? 0 : wrong("fail", "needs an error, such as EIO");
	case PASS_CRASH:
		if (!word || (strcmp(word, "before") != 0 && strcmp(word, "after") != 0))
			return wrong("crash", "needs before or after");
		rule->after = word[0] == 'a';
		return 0;
	case PASS_DROP:
		if (word && strcmp(word, "reply") != 0)
			return wrong(word, "only reply can follow");
		rule->after = word != NULL;
		return 0;
	default:
		return word ? wrong(word, "nothing can follow the rate") : 0;
	}
}

static int
no_message(const char *name)
{
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
		if (strcmp(unknown[i].name, name) == 0)
			return wrong(name, unknown[i].why);
	return wrong(name, "needs a message's name or all");
}

static int
parse_rule(struct pass_rule *rule, char **word, int nwords)
{
	int kind = find(kinds, PASS_KINDS, word[0]);
	int message = nwords > 1 ? find(messages, PASS_MESSAGES + 1, word[1]) : -1;

	if (kind < 0)
		return wrong(word[0], "not a command");
	if (message < 0)
		return no_message(nwords > 1 ? word[1] : word[0]);
	*rule = (struct pass_rule){ .kind = (enum pass_kind)kind, .message = (unsigned)message };
	const char *why = pass_no_meaning(rule->kind, rule->message);
	if (why) {
		os_set_errstr("%s %s: %s", word[0], word[1], why);
		return -EINVAL;
	}
	int used = parse_rate(rule, word + 2, nwords - 2);
	if (used < 0)
		return used;
	if (nwords > 2 + used + 1)
		return wrong(word[2 + used + 1], "too many words");
	return parse_word(rule, nwords > 2 + used ? word[2 + used] : NULL);
}

static int
add(struct pass_rules *rules, const struct pass_rule *rule)
{
	int rc = 0;

	pthread_mutex_lock(&rules->lock);
	if (rules->n == PASS_RULES_MAX) {
		rc = -ENOSPC;
	} else {
		rules->rule[rules->n] = *rule;
		rules->rule[rules->n].id = rules->next_id++;
		rules->n++;
	}
	pthread_mutex_unlock(&rules->lock);
	if (rc < 0)
		os_set_errstr("no more than %d rules", PASS_RULES_MAX);
	return rc;
}

/* A new seed begins every sequence of numbers again. */
static int
set_seed(struct pass_rules *rules, const char *word)
{
	uint64_t seed;

	if (!word || !number(word, UINT64_MAX, &seed))
		return wrong("seed", "needs a number");
	pthread_mutex_lock(&rules->lock);
	rules->seed = seed;
	rules->next_id = rules->n;
	for (unsigned i = 0; i < rules->n; i++) {
		rules->rule[i].id = i;
		rules->rule[i].count = 0;
	}
	pthread_mutex_unlock(&rules->lock);
	return 0;
}

int
pass_rules_command(struct pass_rules *rules, const char *text)
{
	char copy[COMMAND_MAX], *word[WORDS_MAX + 3], *at = copy;
	struct pass_rule rule;
	int n = 0;

	if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
		return wrong("command", "too long");
	for (char *w; n < WORDS_MAX + 2 && (w = strsep(&at, " \t\n")) != NULL; )
		if (*w)
			word[n++] = w;
	if (n == 0)
		return wrong("command", "is empty");
	if (strcmp(word[0], "seed") == 0 && n <= 2)
		return set_seed(rules, n == 2 ? word[1] : NULL);
	if (strcmp(word[0], "clear") == 0 && n == 1) {
		pthread_mutex_lock(&rules->lock);
		rules->n = 0;
		rules->next_id = 0;
		pthread_mutex_unlock(&rules->lock);
		return 0;
	}
	int rc = parse_rule(&rule, word, n);
	return rc < 0 ? rc : add(rules, &rule);
}

static int
rate_text(const struct pass_rule *rule, char *buf, size_t n)
{
	unsigned part = (unsigned)(rule->rate % (MILLION / 100));

	if (rule->when == PASS_NTH)
		return snprintf(buf, n, "#%llu", (unsigned long long)rule->rate);
	if (rule->when == PASS_EVERY)
		return snprintf(buf, n, "every %llu", (unsigned long long)rule->rate);
	int at = snprintf(buf, n, "%llu.%04u", (unsigned long long)rule->rate / (MILLION / 100),
		part);
	while (buf[at - 1] == '0')
		at--;
	if (buf[at - 1] == '.')
		at--;
	return snprintf(buf + at, n - (size_t)at, "%%");
}

static const char *
error_name(int error, char *buf, size_t n)
{
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
		if (errors[i].value == error)
			return errors[i].name;
	snprintf(buf, n, "%d", error);
	return buf;
}

static int
rule_text(const struct pass_rule *rule, char *buf, size_t n)
{
	char rate[48], word[24] = "";
	const char *after = word;

	rate_text(rule, rate, sizeof rate);
	if (rule->kind == PASS_DELAY)
		snprintf(word, sizeof word, "%u", rule->ms);
	else if (rule->kind == PASS_FAIL)
		after = error_name(rule->error, word, sizeof word);
	else if (rule->kind == PASS_CRASH)
		after = rule->after ? "after" : "before";
	else if (rule->kind == PASS_DROP && rule->after)
		after = "reply";
	return snprintf(buf, n, "%s %s %s%s%s\n", kinds[rule->kind], messages[rule->message], rate,
		*after ? " " : "", after);
}

size_t
pass_rules_text(struct pass_rules *rules, char *buf, size_t n)
{
	size_t at;

	pthread_mutex_lock(&rules->lock);
	at = (size_t)snprintf(buf, n, "seed %llu\n", (unsigned long long)rules->seed);
	for (unsigned i = 0; i < rules->n && at < n; i++)
		at += (size_t)rule_text(&rules->rule[i], buf + at, n - at);
	pthread_mutex_unlock(&rules->lock);
	return at < n ? at : n - 1;
}

/* The k-th number of a rule [splitmix64]. */
static uint64_t
draw(uint64_t seed, uint64_t id, uint64_t k)
{
	uint64_t z = seed + (id << 40) + k * 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static bool
strikes(struct pass_rule *rule, uint64_t random)
{
	rule->count++;
	if (rule->when == PASS_NTH)
		return --rule->rate == 0;
	if (rule->when == PASS_EVERY)
		return rule->count % rule->rate == 0;
	return random % MILLION < rule->rate;
}

static void
note(struct pass_faults *out, const struct pass_rule *rule, uint64_t random)
{
	out->kinds |= 1u << rule->kind;
	if (rule->kind == PASS_DELAY)
		out->ms += rule->ms;
	else if (rule->kind == PASS_FAIL)
		out->error = rule->error;
	else if (rule->kind == PASS_CORRUPT)
		out->bit = random >> 20;
	else if (rule->kind == PASS_CRASH)
		out->crash_after = rule->after;
	else if (rule->kind == PASS_DROP)
		out->drop_after = rule->after;
}

static bool
is_about(const struct pass_rule *rule, unsigned message)
{
	return rule->message == message ||
		(rule->message == PASS_ALL && !pass_no_meaning(rule->kind, message));
}

bool
pass_rules_pick(struct pass_rules *rules, unsigned message, struct pass_faults *out)
{
	unsigned left = 0;

	*out = (struct pass_faults){ 0 };
	pthread_mutex_lock(&rules->lock);
	for (unsigned i = 0; i < rules->n; i++) {
		struct pass_rule *rule = &rules->rule[i];

		if (is_about(rule, message)) {
			uint64_t random = draw(rules->seed, rule->id, rule->count);

			if (strikes(rule, random))
				note(out, rule, random);
		}
		if (rule->when != PASS_NTH || rule->rate > 0)	/* else it is spent */
			rules->rule[left++] = *rule;
	}
	rules->n = left;
	pthread_mutex_unlock(&rules->lock);
	return out->kinds != 0;
}
