/*
 * readers DIR: reads a tree that does not change, in every way, and knows what must come.
 *
 * It goes into DIR first and all names are relative to that: the current directory is inside the
 * file system.  A first walk takes everything into memory: what lstat says, what files contain
 * (at most CONTENT_MAX in all), where links lead, what directories list.  Then the workers
 * (-threads) read again and compare: through files and directories that they opened at the
 * start and keep, by offset, by position, entry by entry; by opening; by lstat and readlink; and
 * by names that are not there.
 */
#include <dirent.h>
#include <sys/stat.h>
#include "campaign.h"

#define ENTRIES_MAX 4096u
#define CONTENT_MAX (64u << 20)
#define KEPT        6u /* open files of a worker */
#define PIECE_MAX   32768u

struct entry {
	char *path, *data; /* data: a file's content, a link's target */
	struct stat st;
	unsigned parent;
};

struct readers {
	struct run run;
	const char *dir;
	char cwd[4096];
	unsigned threads, n;
	size_t content;
	struct entry entry[ENTRIES_MAX];
	struct stat up;
	_Atomic uint64_t compared, wrong;
};

struct kept {
	const struct entry *e;
	int fd;
	off_t position;
};

/* A directory that is being listed: an entry a step. */
struct listing {
	DIR *dir;
	unsigned of, seen;
};

static struct readers *
readers_of(const struct worker *w)
{
	return (struct readers *)w->run; /* its first member */
}

#define DIFFERS(w, e, what)                                             \
	do {                                                            \
		readers_of(w)->wrong++;                                 \
		WRONG(w, "%s: %s is not what it was", (e)->path, what); \
	} while (0)

/* --- the first walk --------------------------------------------------------------------------- */

static void
take_data(struct readers *t, struct entry *e, size_t n)
{
	size_t done = 0;
	ssize_t r = 1;
	int fd;

	t->content += n;
	CHECK(t->content <= CONTENT_MAX);
	e->data = malloc(n + 1);
	CHECK(e->data != NULL);
	e->data[n] = '\0';
	if (S_ISLNK(e->st.st_mode)) {
		CHECK(readlink(e->path, e->data, n + 1) == (ssize_t)n);
		return;
	}
	fd = open(e->path, O_RDONLY);
	CHECK(fd >= 0);
	for (; done < n && r > 0; done += r > 0 ? (size_t)r : 0)
		r = read(fd, e->data + done, n - done);
	CHECK(done == n);
	close(fd);
}

static void walk(struct readers *t, unsigned parent);

static void
take(struct readers *t, const char *path, unsigned parent)
{
	unsigned i = t->n++;
	struct entry *e = &t->entry[i];

	CHECK(i < ENTRIES_MAX);
	*e = (struct entry){ .path = strdup(path), .parent = parent };
	CHECK(e->path != NULL && lstat(path, &e->st) == 0);
	if (S_ISREG(e->st.st_mode) || S_ISLNK(e->st.st_mode))
		take_data(t, e, (size_t)e->st.st_size);
	else if (S_ISDIR(e->st.st_mode))
		walk(t, i);
}

static bool
is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static void
walk(struct readers *t, unsigned parent)
{
	DIR *d = opendir(t->entry[parent].path);
	char path[4096];
	struct dirent *e;

	CHECK(d != NULL);
	while ((e = readdir(d)) != NULL) {
		if (is_dots(e->d_name))
			continue;
		snprintf(path, sizeof path, "%s/%s", t->entry[parent].path, e->d_name);
		take(t, path, parent);
	}
	closedir(d);
}

/* --- workers ---------------------------------------------------------------------------------- */

static const struct entry *
choose(struct worker *w, mode_t kind)
{
	struct readers *t = readers_of(w);

	for (;;) {
		const struct entry *e = &t->entry[random_below(&w->chance, t->n)];

		if (kind == 0 || (e->st.st_mode & S_IFMT) == kind)
			return e;
	}
}

static void
compare_data(struct worker *w, const struct entry *e, const char *got, off_t at, size_t n)
{
	readers_of(w)->compared += n;
	if (memcmp(got, e->data + at, n) != 0)
		DIFFERS(w, e, "its content");
}

static size_t
left_of(const struct entry *e, off_t at, size_t want)
{
	size_t left = at < e->st.st_size ? (size_t)(e->st.st_size - at) : 0;

	return want < left ? want : left;
}

static void
read_at(struct worker *w, int fd, const struct entry *e, char *buf)
{
	off_t at = (off_t)random_below(&w->chance, (uint64_t)e->st.st_size + 10);
	size_t want = 1 + random_below(&w->chance, PIECE_MAX), n = left_of(e, at, want);

	call_begin(w, "pread");
	if (call_done(w, pread(fd, buf, want, at), n))
		compare_data(w, e, buf, at, n);
}

/* On from where it was; from the beginning after the end. */
static void
read_on(struct worker *w, struct kept *k, char *buf)
{
	size_t want = 1 + random_below(&w->chance, PIECE_MAX);
	size_t n = left_of(k->e, k->position, want);

	call_begin(w, "read");
	if (!call_done(w, read(k->fd, buf, want), n)) {
		k->position = lseek(k->fd, 0, SEEK_CUR);
		return;
	}
	compare_data(w, k->e, buf, k->position, n);
	k->position += (off_t)n;
	if (n != 0)
		return;
	call_begin(w, "lseek");
	call_done(w, lseek(k->fd, 0, SEEK_SET), 0);
	k->position = 0;
}

static void
read_anew(struct worker *w, char *buf)
{
	const struct entry *e = choose(w, S_IFREG);
	int fd;

	call_begin(w, "open");
	fd = open(e->path, O_RDONLY);
	if (!call_done(w, fd < 0 ? -1 : 0, 0))
		return;
	read_at(w, fd, e, buf);
	call_begin(w, "close");
	call_done(w, close(fd), 0);
}

static void
compare_stat(struct worker *w, const struct entry *e)
{
	const struct stat *a = &e->st;
	struct stat b;

	call_begin(w, "lstat");
	if (!call_done(w, lstat(e->path, &b), 0))
		return;
	readers_of(w)->compared++;
	if (a->st_ino != b.st_ino || a->st_mode != b.st_mode || a->st_nlink != b.st_nlink ||
	    a->st_uid != b.st_uid || a->st_gid != b.st_gid || a->st_size != b.st_size ||
	    a->st_mtim.tv_sec != b.st_mtim.tv_sec || a->st_mtim.tv_nsec != b.st_mtim.tv_nsec)
		DIFFERS(w, e, "what lstat says");
	if (!S_ISLNK(a->st_mode))
		return;
	char target[4096];

	call_begin(w, "readlink");
	if (call_done(w, readlink(e->path, target, sizeof target), (uint64_t)a->st_size))
		compare_data(w, e, target, 0, (size_t)a->st_size);
}

static void
absent(struct worker *w)
{
	char path[5000];
	int fd;

	snprintf(path, sizeof path, "%s/not here %lu", choose(w, S_IFDIR)->path,
		 random_below(&w->chance, 100));
	call_begin(w, "open");
	errno = 0;
	fd = open(path, O_RDONLY);
	call_end(w);
	if (fd >= 0)
		WRONG(w, "%s: it is there", path);
	readers_of(w)->wrong += fd >= 0;
	if (fd < 0 && errno != ENOENT)
		call_failed(w, errno);
	if (fd >= 0)
		close(fd);
}

static void
compare_here(struct worker *w)
{
	struct readers *t = readers_of(w);
	char cwd[sizeof t->cwd];
	struct stat st;

	call_begin(w, "getcwd");
	if (call_done(w, getcwd(cwd, sizeof cwd) != NULL ? 0 : -1, 0) && strcmp(cwd, t->cwd) != 0)
		DIFFERS(w, &t->entry[0], "its path");
	call_begin(w, "stat");
	if (call_done(w, stat("..", &st), 0) && st.st_ino != t->up.st_ino)
		DIFFERS(w, &t->entry[0], "its parent");
}

/* The directory's next entry, which must be known; at the end as many as there are. */
static void
list_on(struct worker *w, struct listing *l)
{
	struct readers *t = readers_of(w);
	const struct entry *of = &t->entry[l->of];
	struct dirent *d;
	char path[4096];
	unsigned n = 0;
	bool known = false;

	call_begin(w, "readdir");
	errno = 0;
	d = readdir(l->dir);
	if (!call_done(w, d == NULL && errno != 0 ? -1 : 0, 0))
		return;
	if (d != NULL && is_dots(d->d_name))
		return;
	snprintf(path, sizeof path, "%s/%s", of->path, d != NULL ? d->d_name : "");
	for (unsigned i = 1; i < t->n; i++) {
		n += t->entry[i].parent == l->of;
		known |= t->entry[i].parent == l->of && strcmp(t->entry[i].path, path) == 0 &&
			 d != NULL && t->entry[i].st.st_ino == d->d_ino;
	}
	t->compared++;
	l->seen++;
	if (d != NULL && !known)
		DIFFERS(w, of, d->d_name);
	if (d != NULL)
		return;
	if (l->seen - 1 != n)
		DIFFERS(w, of, "the number of names");
	l->seen = 0;
	rewinddir(l->dir);
}

static void
open_kept(struct worker *w, struct kept *kept, struct listing *list)
{
	struct readers *t = readers_of(w);

	for (unsigned i = 0; i < KEPT; i++) {
		kept[i] = (struct kept){ .e = choose(w, S_IFREG) };
		kept[i].fd = open(kept[i].e->path, O_RDONLY);
		CHECK(kept[i].fd >= 0);
	}
	*list = (struct listing){ .of = (unsigned)(choose(w, S_IFDIR) - t->entry) };
	list->dir = opendir(t->entry[list->of].path);
	CHECK(list->dir != NULL);
}

static void
step(struct worker *w, struct kept *kept, struct listing *list, char *buf)
{
	struct kept *k = &kept[random_below(&w->chance, KEPT)];

	switch (random_below(&w->chance, 9)) {
	case 0:
	case 1: read_at(w, k->fd, k->e, buf); break;
	case 2:
	case 3: read_on(w, k, buf); break;
	case 4: read_anew(w, buf); break;
	case 5: compare_stat(w, choose(w, 0)); break;
	case 6: absent(w); break;
	case 7: compare_here(w); break;
	default: list_on(w, list); break;
	}
}

static void *
reader(void *arg)
{
	struct worker *w = arg;
	struct kept kept[KEPT];
	struct listing list;
	char *buf = malloc(PIECE_MAX);

	CHECK(buf != NULL);
	open_kept(w, kept, &list);
	for (uint64_t i = 0; run_goes_on(w, i); i++)
		step(w, kept, &list, buf);
	for (unsigned i = 0; i < KEPT; i++)
		close(kept[i].fd);
	closedir(list.dir);
	free(buf);
	return run_ends(w);
}

/* --- all of it -------------------------------------------------------------------------------- */

int
main(int argc, char **argv)
{
	static struct readers t = { .run = { .program = "readers", .seed = 1 }, .threads = 4 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	t.dir = run_directory(&t.run, &t.threads, argc, argv);
	CHECK(chdir(t.dir) == 0 && getcwd(t.cwd, sizeof t.cwd) != NULL && stat("..", &t.up) == 0);
	take(&t, ".", ENTRIES_MAX);
	printf("readers: %u files, %zu bytes in %s\n", t.n, t.content, t.cwd);
	run_start(&t.run, t.threads, reader);
	run_is_ready(&t.run);
	supervise(&t.run);
	printf("readers: compared %lu, wrong %lu", t.compared, t.wrong);
	print_run(&t.run);
	return run_result(&t.run, t.wrong != 0);
}
