/* head: the beginning of files. */
#include "cmd.h"

static const char help[] =
	"head [-n LINES] [-c BYTES] [FILE...]: the first 10 lines of each\n"
	"  -n  so many lines    -c  so many bytes\n";

static uint64_t limit = 10;
static bool bytes;

static int
head(FILE *f, const char *name)
{
	uint64_t left = limit;
	int c;

	while (left > 0 && (c = getc(f)) != EOF) {
		putchar(c);
		if (bytes || c == '\n')
			left--;
	}
	return ferror(f) ? cmd_warn(name) : 0;
}

int
main(int argc, char **argv)
{
	int c, rc = 0;
	FILE *f;

	while ((c = cmd_option(argc, argv, "n:c:", help)) != -1) {
		limit = cmd_number(optarg);
		bytes = c == 'c';
	}
	if (optind == argc)
		cmd_end(head(stdin, "standard input"));
	for (; optind < argc; optind++) {
		f = fopen(argv[optind], "r");
		if (!f) {
			rc = cmd_warn(argv[optind]);
			continue;
		}
		rc |= head(f, argv[optind]);
		fclose(f);
	}
	cmd_end(rc);
}
