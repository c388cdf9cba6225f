/* uname: the name and the version of the system. */
#include <sys/utsname.h>

#include "cmd.h"

static const char help[] =
	"uname [-amnrsv]: the system's name\n"
	"  -m machine   -n node   -r release   -s system   -v version   -a all\n";

int
main(int argc, char **argv)
{
	static const char letters[] = "snrvm";
	bool want[5] = { false }, any = false;
	struct utsname u;
	const char *gap = "";
	int c;

	while ((c = cmd_option(argc, argv, "amnrsv", help)) != -1) {
		for (int i = 0; i < 5; i++)
			want[i] |= c == 'a' || c == letters[i];
		any = true;
	}
	if (!any)
		want[0] = true;
	if (uname(&u) < 0)
		cmd_die("uname");
	const char *text[5] = { u.sysname, u.nodename, u.release, u.version, u.machine };
	for (int i = 0; i < 5; i++) {
		if (!want[i])
			continue;
		printf("%s%s", gap, text[i]);
		gap = " ";
	}
	putchar('\n');
	cmd_end(0);
}
