/* cmp: where two files differ first. */
#include "cmd.h"

static const char help[] =
	"cmp [-s] FILE1 FILE2: tells where they differ first; - is standard input\n"
	"  -s  says nothing\n"
	"Exits with 0 if they are the same, 1 if they differ, 2 after an error.\n";

static FILE *
open_file(const char *name)
{
	FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");

	if (!f) {
		cmd_warn(name);
		exit(2);
	}
	return f;
}

int
main(int argc, char **argv)
{
	uint64_t at = 1, line = 1;
	bool silent = false;
	FILE *a, *b;
	int x, y;

	while (cmd_option(argc, argv, "s", help) != -1)
		silent = true;
	if (argc - optind != 2)
		cmd_usage("arguments", "two files are needed");
	a = open_file(argv[optind]);
	b = open_file(argv[optind + 1]);
	while ((x = getc_unlocked(a)), (y = getc_unlocked(b)), x == y && x != EOF) {
		at++;
		line += x == '\n';
	}
	if (ferror(a) || ferror(b)) {
		cmd_warn(argv[optind + (ferror(a) ? 0 : 1)]);
		return 2;
	}
	if (x == y)
		return 0;
	if (!silent && (x == EOF || y == EOF))
		printf("%s ends after byte %llu\n", argv[optind + (x == EOF ? 0 : 1)],
			(unsigned long long)(at - 1));
	else if (!silent)
		printf("%s %s differ: byte %llu, line %llu\n", argv[optind], argv[optind + 1],
			(unsigned long long)at, (unsigned long long)line);
	cmd_end(1);
}
