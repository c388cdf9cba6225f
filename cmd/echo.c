/* echo: its arguments, separated by spaces, and a newline. */
#include "cmd.h"

static const char help[] =
	"echo [-n] [WORD...]: prints the words\n"
	"  -n  without a newline at the end\n";

int
main(int argc, char **argv)
{
	bool newline = true;
	int i = 1;

	cmd_start(argv);
	if (argc == 2 && strcmp(argv[1], "-h") == 0) {
		fputs(help, stdout);
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "-n") == 0) {
		newline = false;
		i++;
	}
	for (; i < argc; i++)
		printf("%s%s", argv[i], i + 1 < argc ? " " : "");
	if (newline)
		putchar('\n');
	cmd_end(0);
}
