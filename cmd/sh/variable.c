/* Variables.  An exported one lives in the environment, any other in the shell's own list. */
#include <ctype.h>

#include "sh.h"

bool
sh_is_name(const char *s, size_t n)
{
	if (n == 0 || isdigit((unsigned char)*s))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '_')
			return false;
	return true;
}

static struct variable **
find(const struct shell *sh, const char *name)
{
	struct variable **v = (struct variable **)&sh->variables;

	while (*v && strcmp((*v)->name, name) != 0)
		v = &(*v)->next;
	return v;
}

const char *
sh_get(const struct shell *sh, const char *name)
{
	struct variable *v = *find(sh, name);

	return v ? v->value : getenv(name);
}

void
sh_set(struct shell *sh, const char *name, const char *value)
{
	struct variable **v = find(sh, name);
	char *copy;

	if (!*v && getenv(name)) {
		if (setenv(name, value, 1) < 0)
			sh_warn(sh, name, "no memory");
		return;
	}
	copy = strdup(value);
	if (!*v && copy)
		*v = calloc(1, sizeof(**v));
	if (!*v || !copy) {
		free(copy);
		sh_warn(sh, name, "no memory");
		return;
	}
	if (!(*v)->name)
		(*v)->name = strdup(name);
	free((*v)->value);
	(*v)->value = copy;
}

static void
drop(struct variable **v)
{
	struct variable *old = *v;

	*v = old->next;
	free(old->name);
	free(old->value);
	free(old);
}

void
sh_export(struct shell *sh, const char *name)
{
	struct variable **v = find(sh, name);

	if (setenv(name, *v ? (*v)->value : "", *v != NULL) < 0)
		sh_warn(sh, name, "no memory");
	else if (*v)
		drop(v);
}

void
sh_unset(struct shell *sh, const char *name)
{
	struct variable **v = find(sh, name);

	if (*v)
		drop(v);
	else
		unsetenv(name);
}
