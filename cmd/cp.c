/*
 * cp: copies files, and trees with -r.  A copy has the mode of its source, and with -p its times;
 * a symbolic link in a tree is copied as a link.  Does not keep hard links together.
 */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "cmd.h"

static const char help[] =
	"cp [-rp] FROM... TO: copies files; TO is a directory when there are several\n"
	"  -r  directories with all that is in them\n"
	"  -p  keeps the times\n";

#define COPY_BYTES	(256 * 1024)

static bool recursive, keep_times;
static const char *tree_to;
static size_t tree_from_length;
static int status;

static int
copy_bytes(int from, int to, const char *from_name, const char *to_name)
{
	static char buf[COPY_BYTES];
	ssize_t n, done, w;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		for (done = 0; done < n; done += w)
			if ((w = write(to, buf + done, (size_t)(n - done))) < 0)
				return cmd_warn(to_name);
	return n < 0 ? cmd_warn(from_name) : 0;
}

static void
copy_times(const char *to, const struct stat *st)
{
	struct timespec ts[2] = { st->st_atim, st->st_mtim };

	if (keep_times && utimensat(AT_FDCWD, to, ts, AT_SYMLINK_NOFOLLOW) < 0)
		status = cmd_warn(to);
}

static int
copy_file(const char *from, const char *to, const struct stat *st)
{
	struct stat old;
	int in, out, rc;

	if (stat(to, &old) == 0 && old.st_dev == st->st_dev && old.st_ino == st->st_ino) {
		fprintf(stderr, "%s: %s: the same file as %s\n", cmd_name, to, from);
		return 1;
	}
	in = open(from, O_RDONLY);
	if (in < 0)
		return cmd_warn(from);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC, st->st_mode & 0777);
	if (out < 0) {
		rc = cmd_warn(to);
	} else {
		rc = copy_bytes(in, out, from, to);
		if (close(out) < 0 && !rc)
			rc = cmd_warn(to);
	}
	close(in);
	if (!rc)
		copy_times(to, st);
	return rc;
}

static int
copy_link(const char *from, const char *to)
{
	char target[4096];
	ssize_t n = readlink(from, target, sizeof(target) - 1);

	if (n < 0)
		return cmd_warn(from);
	target[n] = 0;
	return symlink(target, to) < 0 ? cmd_warn(to) : 0;
}

static int
copy_directory(const char *to, const struct stat *st)
{
	if (mkdir(to, (st->st_mode & 0777) | 0700) == 0 || errno == EEXIST)
		return 0;
	return cmd_warn(to);
}

/* A directory that cannot be made is an error that ends the walk: nothing could follow it. */
static int
visit(const char *path, const struct stat *st, int type, struct FTW *where)
{
	char to[4096];
	int n = snprintf(to, sizeof(to), "%s%s", tree_to, path + tree_from_length);

	(void)where;
	if (n >= (int)sizeof(to)) {
		errno = ENAMETOOLONG;
		status = cmd_warn(path);
		return 0;
	}
	switch (type) {
	case FTW_D:
		return copy_directory(to, st);
	case FTW_SL:
	case FTW_SLN:
		status |= copy_link(path, to);
		return 0;
	case FTW_F:
		if (S_ISREG(st->st_mode)) {
			status |= copy_file(path, to, st);
			return 0;
		}
		fprintf(stderr, "%s: %s: neither a file, a directory nor a link\n", cmd_name, path);
		status = 1;
		return 0;
	default:
		status = cmd_warn(path);
		return 0;
	}
}

static void
copy_tree(const char *from, const char *to)
{
	tree_to = to;
	tree_from_length = strlen(from);
	if (nftw(from, visit, CMD_TREE_FDS, FTW_PHYS) != 0) {
		if (!status)
			status = cmd_warn(from);
	}
	tree_to = NULL;
}

static const char *
last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void
copy_one(char *from, const char *to, bool into)
{
	struct stat st;
	char path[4096];
	size_t n = strlen(from);

	while (n > 1 && from[n - 1] == '/')
		from[--n] = 0;
	if (into) {
		if (snprintf(path, sizeof(path), "%s/%s", to, last_name(from)) >= (int)sizeof(path))
			cmd_usage(from, "name too long");
		to = path;
	}
	if ((recursive ? lstat : stat)(from, &st) < 0) {
		status = cmd_warn(from);
	} else if (!S_ISDIR(st.st_mode)) {
		status |= S_ISLNK(st.st_mode) ? copy_link(from, to) : copy_file(from, to, &st);
	} else if (recursive) {
		copy_tree(from, to);
	} else {
		fprintf(stderr, "%s: %s: a directory; -r copies it\n", cmd_name, from);
		status = 1;
	}
}

int
main(int argc, char **argv)
{
	struct stat st;
	bool into;
	int c;

	while ((c = cmd_option(argc, argv, "rp", help)) != -1) {
		if (c == 'r')
			recursive = true;
		else
			keep_times = true;
	}
	if (argc - optind < 2)
		cmd_usage("arguments", "from and to are needed");
	into = stat(argv[argc - 1], &st) == 0 && S_ISDIR(st.st_mode);
	if (!into && argc - optind > 2)
		cmd_usage(argv[argc - 1], "not a directory");
	for (; optind < argc - 1; optind++)
		copy_one(argv[optind], argv[argc - 1], into);
	cmd_end(status);
}
