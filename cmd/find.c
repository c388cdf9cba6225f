/*
 * find: the paths in a tree, by name and type; -printf tells what is known of each, with those of
 * GNU find's directives that help to compare trees.
 */
#include <fnmatch.h>
#include <ftw.h>

#include "cmd.h"

static const char help[] =
	"find [PATH...] [-type T] [-name PATTERN] [-printf FORMAT]: the paths in the trees (of .)\n"
	"  -type   f file, d directory, l link, c b p s    -name  last name, with * ? and [ ]\n"
	"  -printf %p path, %P without the tree's own, %f last name, %y type, %m mode, %n links,\n"
	"          %U owner, %G group, %s size, %b blocks, %i number, %T@ when changed,\n"
	"          %l target, %%, \\n \\t \\\\\n";

#define TARGET_MAX	4096

static char type_wanted;
static const char *pattern, *format;
static size_t top_len;
static int status;

static char
type_letter(mode_t m)
{
	return S_ISDIR(m) ? 'd' : S_ISLNK(m) ? 'l' : S_ISREG(m) ? 'f' : S_ISCHR(m) ? 'c' :
	       S_ISBLK(m) ? 'b' : S_ISFIFO(m) ? 'p' : S_ISSOCK(m) ? 's' : '?';
}

static void
print_target(const char *path, mode_t m)
{
	char target[TARGET_MAX];
	ssize_t n;

	if (!S_ISLNK(m))
		return;
	n = readlink(path, target, sizeof(target));
	if (n < 0)
		status = cmd_warn(path);
	else
		fwrite(target, 1, (size_t)n, stdout);
}

static const char *
below_top(const char *path)
{
	path += top_len;
	return *path == '/' ? path + 1 : path;
}

/* The directive at *f, which is moved past it. */
static void
print_directive(const char **f, const char *path, const char *name, const struct stat *st)
{
	switch (*(*f)++) {
	case 'p': fputs(path, stdout); break;
	case 'P': fputs(below_top(path), stdout); break;
	case 'f': fputs(name, stdout); break;
	case 'y': putchar(type_letter(st->st_mode)); break;
	case 'm': printf("%o", st->st_mode & 07777); break;
	case 'n': printf("%llu", (unsigned long long)st->st_nlink); break;
	case 'U': printf("%u", st->st_uid); break;
	case 'G': printf("%u", st->st_gid); break;
	case 's': printf("%lld", (long long)st->st_size); break;
	case 'b': printf("%lld", (long long)st->st_blocks); break;
	case 'i': printf("%llu", (unsigned long long)st->st_ino); break;
	case 'l': print_target(path, st->st_mode); break;
	case '%': putchar('%'); break;
	case 'T':
		/* GNU find writes ten digits. */
		if (*(*f)++ == '@') {
			printf("%lld.%09ld0", (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
			break;
		}
		/* fallthrough */
	default:
		cmd_usage(format, "no such directive");
	}
}

static void
print(const char *path, const char *name, const struct stat *st)
{
	const char *f = format;

	while (*f) {
		if (*f == '%' && f[1]) {
			f++;
			print_directive(&f, path, name, st);
		} else if (*f == '\\' && f[1] && strchr("nt\\", f[1])) {
			putchar(f[1] == 'n' ? '\n' : f[1] == 't' ? '\t' : '\\');
			f += 2;
		} else {
			putchar(*f++);
		}
	}
}

static int
visit(const char *path, const struct stat *st, int type, struct FTW *where)
{
	const char *name = path + where->base;

	if (type == FTW_NS || type == FTW_DNR)
		status = cmd_warn(path);
	if (type_wanted && type_letter(st->st_mode) != type_wanted)
		return 0;
	if (pattern && fnmatch(pattern, name, 0) != 0)
		return 0;
	if (format)
		print(path, name, st);
	else
		puts(path);
	return 0;
}

static void
search(const char *top)
{
	top_len = strlen(top);
	if (nftw(top, visit, CMD_TREE_FDS, FTW_PHYS) < 0)
		status = cmd_warn(top);
}

static void
set_option(const char *option, const char *value)
{
	if (!value)
		cmd_usage(option, "needs a value");
	if (strcmp(option, "-name") == 0)
		pattern = value;
	else if (strcmp(option, "-printf") == 0)
		format = value;
	else if (strlen(value) == 1 && strchr("fdlcbps", *value))
		type_wanted = *value;
	else
		cmd_usage(value, "no such type");
}

int
main(int argc, char **argv)
{
	int first = 1, npaths = 0, i;

	cmd_start(argv);
	if (argc == 2 && strcmp(argv[1], "-h") == 0) {
		fputs(help, stdout);
		return 0;
	}
	while (first + npaths < argc && argv[first + npaths][0] != '-')
		npaths++;
	for (i = first + npaths; i < argc; i += 2) {
		if (strcmp(argv[i], "-type") != 0 && strcmp(argv[i], "-name") != 0 &&
		    strcmp(argv[i], "-printf") != 0)
			cmd_usage(argv[i], "no such option");
		set_option(argv[i], argv[i + 1]);
	}
	if (npaths == 0)
		search(".");
	for (i = 0; i < npaths; i++)
		search(argv[first + i]);
	cmd_end(status);
}
