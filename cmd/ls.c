/* ls: what is in a directory.  Sorted by name; in columns when standard output is a console. */
#include <dirent.h>
#include <sys/stat.h>
#include <time.h>

#include "cmd.h"

static const char help[] =
	"ls [-adil1] [PATH...]: lists directories and files\n"
	"  -a  also names that begin with a dot    -d  a directory itself, not its contents\n"
	"  -i  with the file's number              -l  with type, mode, links, owner, size, time\n"
	"  -1  one name a line\n";

static bool all, itself, number, details, one;

struct entry {
	char *name;
	struct stat st;
	bool known;		/* st holds something */
};

struct list {
	struct entry *e;
	size_t n, cap;
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static struct entry *
add(struct list *l, const char *name)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->e = realloc(l->e, l->cap * sizeof(*l->e));
		if (!l->e)
			cmd_die("memory");
	}
	l->e[l->n] = (struct entry){ .name = strdup(name) };
	if (!l->e[l->n].name)
		cmd_die("memory");
	return &l->e[l->n++];
}

static void
mode_text(mode_t m, char out[11])
{
	static const struct {
		mode_t type;
		char c;
	} types[] = { { S_IFDIR, 'd' }, { S_IFLNK, 'l' }, { S_IFCHR, 'c' },
		      { S_IFBLK, 'b' }, { S_IFIFO, 'p' }, { S_IFSOCK, 's' } };
	const char *bits = "rwxrwxrwx";

	out[0] = '-';
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if ((m & S_IFMT) == types[i].type)
			out[0] = types[i].c;
	for (int i = 0; i < 9; i++)
		out[i + 1] = m & (0400u >> i) ? bits[i] : '-';
	if (m & S_ISUID)
		out[3] = m & S_IXUSR ? 's' : 'S';
	if (m & S_ISGID)
		out[6] = m & S_IXGRP ? 's' : 'S';
	if (m & S_ISVTX)
		out[9] = m & S_IXOTH ? 't' : 'T';
	out[10] = 0;
}

static void
print_details(const char *dir, const struct entry *e)
{
	char mode[11], when[32] = "?", path[4096], target[4096];
	struct tm tm;
	ssize_t n;

	if (number)
		printf("%8llu ", (unsigned long long)e->st.st_ino);
	mode_text(e->st.st_mode, mode);
	if (gmtime_r(&e->st.st_mtime, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	printf("%s %2u %4u %4u %10lld %s %s", mode, (unsigned)e->st.st_nlink, e->st.st_uid,
		e->st.st_gid, (long long)e->st.st_size, when, e->name);
	if (S_ISLNK(e->st.st_mode)) {
		snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", e->name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n >= 0)
			printf(" -> %.*s", (int)n, target);
	}
	putchar('\n');
}

static void
print_columns(const struct list *l)
{
	size_t width = 0, ncols, nrows, i;

	for (size_t k = 0; k < l->n; k++)
		if (strlen(l->e[k].name) > width)
			width = strlen(l->e[k].name);
	width += 2;
	ncols = width < 80 ? 80 / width : 1;
	nrows = (l->n + ncols - 1) / ncols;
	for (size_t row = 0; row < nrows; row++) {
		for (size_t col = 0; col < ncols && (i = col * nrows + row) < l->n; col++)
			printf("%-*s", i + nrows < l->n ? (int)width : 0, l->e[i].name);
		putchar('\n');
	}
}

static void
print(const char *dir, struct list *l)
{
	if (l->n)
		qsort(l->e, l->n, sizeof(*l->e), by_name);
	if (!details && !number && !one) {
		print_columns(l);
		return;
	}
	for (size_t i = 0; i < l->n; i++) {
		if (details && l->e[i].known) {
			print_details(dir, &l->e[i]);
			continue;
		}
		if (number)
			printf("%8llu ", (unsigned long long)l->e[i].st.st_ino);
		puts(l->e[i].name);
	}
}

static void
drop(struct list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->e[i].name);
	free(l->e);
}

static int
list_directory(const char *path)
{
	struct list l = { 0 };
	struct dirent *d;
	struct entry *e;
	char full[4096];
	DIR *dir = opendir(path);
	int rc = 0;

	if (!dir)
		return cmd_warn(path);
	while (errno = 0, (d = readdir(dir))) {
		if (d->d_name[0] == '.' && !all)
			continue;
		e = add(&l, d->d_name);
		e->st.st_ino = d->d_ino;
		if (!details)
			continue;
		snprintf(full, sizeof(full), "%s/%s", path, d->d_name);
		e->known = lstat(full, &e->st) == 0;
		if (!e->known)
			rc = cmd_warn(full);
	}
	if (errno)
		rc = cmd_warn(path);
	closedir(dir);
	print(path, &l);
	drop(&l);
	return rc;
}

/* Files first, together; then each directory under its name. */
static int
list_paths(int n, char **paths)
{
	struct list files = { 0 };
	struct entry *e;
	struct stat st;
	bool *isdir = calloc((size_t)n, sizeof(*isdir));
	int rc = 0;

	if (!isdir)
		cmd_die("memory");
	for (int i = 0; i < n; i++) {
		if ((details ? lstat : stat)(paths[i], &st) < 0 && lstat(paths[i], &st) < 0) {
			rc = cmd_warn(paths[i]);
		} else if (S_ISDIR(st.st_mode) && !itself) {
			isdir[i] = true;
		} else {
			e = add(&files, paths[i]);
			e->st = st;
			e->known = true;
		}
	}
	if (files.n)
		print("", &files);
	for (int i = 0; i < n; i++) {
		if (!isdir[i])
			continue;
		if (n > 1)
			printf("%s%s:\n", i || files.n ? "\n" : "", paths[i]);
		rc |= list_directory(paths[i]);
	}
	drop(&files);
	free(isdir);
	return rc;
}

int
main(int argc, char **argv)
{
	char *here[] = { "." };
	int c;

	one = !isatty(1);
	while ((c = cmd_option(argc, argv, "adil1", help)) != -1) {
		switch (c) {
		case 'a': all = true; break;
		case 'd': itself = true; break;
		case 'i': number = true; break;
		case 'l': details = true; break;
		case '1': one = true; break;
		}
	}
	if (optind == argc)
		cmd_end(list_paths(1, here));
	cmd_end(list_paths(argc - optind, argv + optind));
}
