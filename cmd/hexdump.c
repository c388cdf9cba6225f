/* hexdump: bytes in hexadecimal and as text, sixteen a line; repeated lines are shown once. */
#include <ctype.h>

#include "cmd.h"

static const char help[] =
	"hexdump [-v] [-s OFFSET] [-n BYTES] [FILE]: shows bytes\n"
	"  -s  from this offset    -n  at most so many    -v  repeated lines too\n";

static void
print_line(uint64_t at, const unsigned char *p, size_t n)
{
	printf("%08llx ", (unsigned long long)at);
	for (size_t i = 0; i < 16; i++) {
		if (i < n)
			printf("%s%02x", i == 8 ? "  " : " ", p[i]);
		else
			printf("%s  ", i == 8 ? "  " : " ");
	}
	printf("  |");
	for (size_t i = 0; i < n; i++)
		putchar(isprint(p[i]) ? p[i] : '.');
	puts("|");
}

static int
dump(FILE *f, uint64_t at, uint64_t left, bool every)
{
	unsigned char line[16], last[16];
	bool have_last = false, starred = false;
	size_t n;

	while (left > 0) {
		n = fread(line, 1, left < 16 ? (size_t)left : 16, f);
		if (n == 0)
			break;
		left -= n;
		if (!every && n == 16 && have_last && memcmp(line, last, 16) == 0) {
			if (!starred)
				puts("*");
			starred = true;
		} else {
			print_line(at, line, n);
			starred = false;
		}
		memcpy(last, line, 16);
		have_last = n == 16;
		at += n;
	}
	printf("%08llx\n", (unsigned long long)at);
	return ferror(f);
}

int
main(int argc, char **argv)
{
	uint64_t start = 0, count = UINT64_MAX;
	const char *name = "standard input";
	bool every = false;
	FILE *f = stdin;
	int c;

	while ((c = cmd_option(argc, argv, "vs:n:", help)) != -1) {
		if (c == 's')
			start = cmd_number(optarg);
		else if (c == 'n')
			count = cmd_number(optarg);
		else
			every = true;
	}
	if (argc - optind > 1)
		cmd_usage(argv[optind + 1], "one file at a time");
	if (optind < argc) {
		name = argv[optind];
		f = fopen(name, "r");
		if (!f)
			cmd_die(name);
	}
	if (start > INT64_MAX || (start && fseeko(f, (off_t)start, SEEK_SET) < 0))
		cmd_die(name);
	if (dump(f, start, count, every))
		cmd_die(name);
	cmd_end(0);
}
