/* grep: the lines that have a fixed string.  No regular expressions. */
#include <ctype.h>

#include "cmd.h"

static const char help[] =
	"grep [-cilnqv] STRING [FILE...]: prints the lines that have STRING, as it is\n"
	"  -c  only how many     -i  letters of both cases are alike   -l  only the files' names\n"
	"  -n  with line numbers -q  nothing, only the exit status     -v  the lines without it\n"
	"Exits with 0 if there was one, 1 if none, 2 after an error.\n";

static bool only_count, fold, only_names, numbers, quiet, invert;

static bool
found(const char *line, size_t n, const char *what)
{
	size_t m = strlen(what);

	if (!fold)
		return memmem(line, n, what, m);
	for (size_t i = 0; i + m <= n; i++) {
		size_t k = 0;

		while (k < m && tolower((unsigned char)line[i + k]) ==
				tolower((unsigned char)what[k]))
			k++;
		if (k == m)
			return true;
	}
	return false;
}

/* Returns how many lines were selected. */
static uint64_t
search(FILE *f, const char *what, const char *name, bool tell)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	uint64_t hits = 0, at = 0;

	while ((n = getline(&line, &cap, f)) > 0) {
		size_t len = (size_t)n - (line[n - 1] == '\n');

		at++;
		if (found(line, len, what) == invert)
			continue;
		hits++;
		if (quiet || only_names)
			break;
		if (only_count)
			continue;
		if (tell)
			printf("%s:", name);
		if (numbers)
			printf("%llu:", (unsigned long long)at);
		fwrite(line, 1, len, stdout);
		putchar('\n');
	}
	free(line);
	if (only_names && hits)
		puts(name);
	if (only_count && tell)
		printf("%s:", name);
	if (only_count)
		printf("%llu\n", (unsigned long long)hits);
	return hits;
}

int
main(int argc, char **argv)
{
	uint64_t hits = 0;
	bool failed = false, tell;
	const char *what;
	FILE *f;
	int c;

	while ((c = cmd_option(argc, argv, "cFilnqv", help)) != -1) {
		only_count |= c == 'c';
		fold |= c == 'i';
		only_names |= c == 'l';
		numbers |= c == 'n';
		quiet |= c == 'q';
		invert |= c == 'v';
	}
	if (optind == argc)
		cmd_usage("arguments", "no string");
	what = argv[optind++];
	tell = argc - optind > 1;
	if (optind == argc)
		hits = search(stdin, what, "standard input", false);
	for (; optind < argc; optind++) {
		f = fopen(argv[optind], "r");
		if (f)
			hits += search(f, what, argv[optind], tell);
		if (!f || ferror(f)) {
			cmd_warn(argv[optind]);
			failed = true;
		}
		if (f)
			fclose(f);
	}
	cmd_end(failed ? 2 : hits ? 0 : 1);
}
