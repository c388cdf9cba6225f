/*
 * names DIR: makes, links, renames and removes names, and knows what each must say.
 *
 * The workers (-threads) share the directories a and b of DIR; each has NAMES names of its own in
 * both, and a model of what is there: files with what was written to them, directories, symbolic
 * links, hard links.  Every operation is predicted by the model: its success, or the error that it
 * must give.  What was done twice or not at all shows at once (EEXIST for one's own file, ENOENT),
 * or when a name is looked at, or when its directory is listed.  Each worker also appends to a log
 * that stays open, and has a file open in a directory that it renames.
 */
#include <dirent.h>
#include <sys/stat.h>
#include "campaign.h"

#define NAMES       8u
#define PATH_SIZE   64
#define RECORD      16u /* of a log */
#define RECORDS_MAX 65536u
#define BOXES       4u

enum kind { ABSENT, FILE_KIND, DIR_KIND, LINK_KIND };

/* What a name leads to.  Two names may share one: a hard link. */
struct object {
	enum kind kind;
	unsigned links;
	uint64_t id, ino, records; /* a file: its id, once for each record */
	mode_t mode;
};

struct name {
	char path[PATH_SIZE];
	struct object *is; /* NULL: absent */
};

struct client {
	struct worker *w;
	struct name name[2 * NAMES];
	uint64_t next_id;
	int log, held; /* open files */
	uint64_t logged, held_value;
	unsigned box; /* where the held file is now */
	bool lost;    /* the model and the truth differ: it goes on with nothing */
};

struct names {
	struct run run;
	const char *dir;
	unsigned threads;
	_Atomic uint64_t done, refused, looked, untrue;
};

static struct names *
names_of(const struct worker *w)
{
	return (struct names *)w->run; /* its first member */
}

static void
untrue(struct client *c, const char *path, const char *what)
{
	names_of(c->w)->untrue++;
	c->lost = true;
	WRONG(c->w, "%s %s: %s", c->w->call, path, what);
}

/* The end of an operation that must give `want` (0: success).  True if it did, and did succeed. */
static bool
ended(struct client *c, int result, int want, const char *path)
{
	int got = result < 0 ? errno : 0;
	char text[128];

	call_end(c->w);
	if (got == want) {
		names_of(c->w)->done += got == 0;
		names_of(c->w)->refused += got != 0;
		return got == 0;
	}
	if (want == 0 && got != EEXIST && got != ENOENT) {
		c->lost = true;
		call_failed(c->w, got);
		return false;
	}
	snprintf(text, sizeof text, "says %d (%s), and should say %d", got, strerror(got), want);
	untrue(c, path, text);
	return false;
}

static struct object *
object_new(struct client *c, enum kind kind)
{
	struct object *o = calloc(1, sizeof *o);

	CHECK(o != NULL);
	*o = (struct object){ .kind = kind, .links = 1, .id = c->next_id++, .mode = 0600 };
	return o;
}

static void
object_put(struct name *n)
{
	if (n->is != NULL && --n->is->links == 0)
		free(n->is);
	n->is = NULL;
}

static enum kind
kind_of(const struct name *n)
{
	return n->is != NULL ? n->is->kind : ABSENT;
}

/* --- looking ---------------------------------------------------------------------------------- */

/* A file's content: its id, as often as it was written. */
static void
look_inside(struct client *c, const struct name *n, int fd)
{
	uint64_t value[64];
	ssize_t r;

	call_begin(c->w, "pread");
	r = pread(fd, value, sizeof value, 0);
	call_end(c->w);
	if (r < 0) {
		c->lost = true;
		call_failed(c->w, errno);
		return;
	}
	if ((uint64_t)r != (n->is->records < 64 ? n->is->records : 64) * 8)
		untrue(c, n->path, "not as long as it was written");
	for (ssize_t i = 0; i < r / 8; i++)
		if (value[i] != n->is->id) {
			untrue(c, n->path, "not what was written");
			return;
		}
}

static void
look_file(struct client *c, const struct name *n)
{
	int fd;

	call_begin(c->w, "open");
	fd = open(n->path, O_RDONLY);
	if (!ended(c, fd, 0, n->path))
		return;
	look_inside(c, n, fd);
	close(fd);
}

static void
look_link(struct client *c, const struct name *n)
{
	char text[64], want[64];
	ssize_t r;

	snprintf(want, sizeof want, "%lu", n->is->id);
	call_begin(c->w, "readlink");
	r = readlink(n->path, text, sizeof text - 1);
	if (!ended(c, r < 0 ? -1 : 0, 0, n->path))
		return;
	text[r] = '\0';
	if (strcmp(text, want) != 0)
		untrue(c, n->path, "leads to somewhere else");
}

static void
look(struct client *c, const struct name *n)
{
	static const mode_t types[] = { 0, S_IFREG, S_IFDIR, S_IFLNK };
	struct stat st;

	call_begin(c->w, "lstat");
	names_of(c->w)->looked++;
	if (!ended(c, lstat(n->path, &st), n->is != NULL ? 0 : ENOENT, n->path))
		return;
	if ((st.st_mode & S_IFMT) != types[n->is->kind])
		untrue(c, n->path, "another kind of file");
	else if (n->is->ino != 0 && n->is->ino != st.st_ino)
		untrue(c, n->path, "another file");
	else if (n->is->kind != DIR_KIND && st.st_nlink != n->is->links)
		untrue(c, n->path, "another number of links");
	else if (n->is->kind == FILE_KIND && (st.st_mode & 07777) != n->is->mode)
		untrue(c, n->path, "another mode");
	n->is->ino = st.st_ino;
	if (n->is->kind == FILE_KIND && !c->lost)
		look_file(c, n);
	if (n->is->kind == LINK_KIND && !c->lost)
		look_link(c, n);
}

/* The worker's names in a directory: all that are there, and no others. */
static void
list(struct client *c, unsigned dir)
{
	char path[2] = { (char)('a' + dir), '\0' }, full[300], own[16];
	unsigned found = 0, there = 0;
	struct dirent *e;
	DIR *d;

	call_begin(c->w, "readdir");
	names_of(c->w)->looked++;
	d = opendir(path);
	if (!ended(c, d != NULL ? 0 : -1, 0, path))
		return;
	snprintf(own, sizeof own, "w%u-", c->w->id);
	call_begin(c->w, "readdir");
	while ((errno = 0, e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, own, strlen(own)) != 0)
			continue;
		found++;
		snprintf(full, sizeof full, "%s/%s", path, e->d_name);
		for (unsigned i = dir * NAMES; i < (dir + 1) * NAMES; i++)
			there += c->name[i].is != NULL && strcmp(c->name[i].path, full) == 0;
	}
	if (ended(c, errno != 0 ? -1 : 0, 0, path)) {
		for (unsigned i = dir * NAMES; i < (dir + 1) * NAMES; i++)
			found -= c->name[i].is != NULL;
		for (unsigned i = dir * NAMES; i < (dir + 1) * NAMES; i++)
			there -= c->name[i].is != NULL;
		if (found != 0 || there != 0)
			untrue(c, path, "its list has other names");
	}
	closedir(d);
}

/* --- operations on names ---------------------------------------------------------------------- */

/* Writes its id once more, at the end. */
static void
add_record(struct client *c, struct name *n, int fd)
{
	call_begin(c->w, "write");
	if (call_done(c->w, write(fd, &n->is->id, 8), 8))
		n->is->records++;
	else
		c->lost = true;
}

static void
make_file(struct client *c, struct name *n)
{
	int fd;

	call_begin(c->w, "create");
	fd = open(n->path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (!ended(c, fd, n->is != NULL ? EEXIST : 0, n->path))
		return;
	n->is = object_new(c, FILE_KIND);
	add_record(c, n, fd);
	close(fd);
}

/* Without O_EXCL: a file that is there is opened, and emptied or added to. */
static void
open_file(struct client *c, struct name *n)
{
	static const int want[] = { 0, 0, EISDIR, ELOOP };
	bool empty = random_below(&c->w->chance, 2) == 0;
	int fd;

	call_begin(c->w, "open to write");
	fd = open(n->path, O_CREAT | O_NOFOLLOW | O_WRONLY | (empty ? O_TRUNC : O_APPEND), 0600);
	if (!ended(c, fd, want[kind_of(n)], n->path))
		return;
	if (n->is == NULL)
		n->is = object_new(c, FILE_KIND);
	if (empty)
		n->is->records = 0;
	add_record(c, n, fd);
	close(fd);
}

static void
make_dir(struct client *c, struct name *n)
{
	call_begin(c->w, "mkdir");
	if (ended(c, mkdir(n->path, 0700), n->is != NULL ? EEXIST : 0, n->path))
		n->is = object_new(c, DIR_KIND);
}

static void
make_symlink(struct client *c, struct name *n)
{
	char target[32];

	snprintf(target, sizeof target, "%lu", c->next_id);
	call_begin(c->w, "symlink");
	if (ended(c, symlink(target, n->path), n->is != NULL ? EEXIST : 0, n->path))
		n->is = object_new(c, LINK_KIND);
}

/* Links to files only: what a link to a symbolic link is differs between systems. */
static void
make_link(struct client *c, struct name *from, struct name *to)
{
	int want = from->is == NULL ? ENOENT : to->is != NULL ? EEXIST : 0;

	if (kind_of(from) == DIR_KIND || kind_of(from) == LINK_KIND)
		return;
	call_begin(c->w, "link");
	if (!ended(c, link(from->path, to->path), want, to->path))
		return;
	to->is = from->is;
	to->is->links++;
}

static void
remove_name(struct client *c, struct name *n)
{
	static const int want[] = { ENOENT, 0, EISDIR, 0 };

	call_begin(c->w, "unlink");
	if (ended(c, unlink(n->path), want[kind_of(n)], n->path))
		object_put(n);
}

static void
remove_dir(struct client *c, struct name *n)
{
	static const int want[] = { ENOENT, ENOTDIR, 0, ENOTDIR };

	call_begin(c->w, "rmdir");
	if (ended(c, rmdir(n->path), want[kind_of(n)], n->path))
		object_put(n);
}

static int
rename_error(const struct name *from, const struct name *to)
{
	if (from->is == NULL)
		return ENOENT;
	if (to->is == NULL || from == to)
		return 0;
	if (kind_of(from) == DIR_KIND)
		return kind_of(to) == DIR_KIND ? 0 : ENOTDIR;
	return kind_of(to) == DIR_KIND ? EISDIR : 0;
}

static void
move_name(struct client *c, struct name *from, struct name *to)
{
	call_begin(c->w, "rename");
	if (!ended(c, rename(from->path, to->path), rename_error(from, to), from->path))
		return;
	if (from->is == to->is) /* two links of one file: nothing happens */
		return;
	object_put(to);
	to->is = from->is;
	from->is = NULL;
}

static void
change_mode(struct client *c, struct name *n)
{
	mode_t mode = 0400 | (mode_t)random_below(&c->w->chance, 64) | 0200;

	if (kind_of(n) != FILE_KIND && n->is != NULL)
		return;
	call_begin(c->w, "chmod");
	if (ended(c, chmod(n->path, mode), n->is != NULL ? 0 : ENOENT, n->path))
		n->is->mode = mode;
}

/* --- what stays open -------------------------------------------------------------------------- */

static void
make_record(const struct client *c, uint64_t i, char record[RECORD + 1])
{
	CHECK(snprintf(record, RECORD + 1, "%03u %11u\n", c->w->id, (unsigned)i) == RECORD);
}

static void
append_log(struct client *c)
{
	char record[RECORD + 1];

	if (c->logged == RECORDS_MAX)
		return;
	make_record(c, c->logged, record);
	call_begin(c->w, "append");
	if (call_done(c->w, write(c->log, record, RECORD), RECORD))
		c->logged++;
	else
		c->lost = true;
}

static void
check_log(struct client *c)
{
	char record[RECORD + 1], want[RECORD + 1];
	struct stat st;

	call_begin(c->w, "fstat");
	if (!ended(c, fstat(c->log, &st), 0, "its log"))
		return;
	if ((uint64_t)st.st_size != c->logged * RECORD)
		untrue(c, "its log", "not as long as what was appended");
	for (uint64_t i = 0; i < c->logged && !c->lost; i++) {
		make_record(c, i, want);
		record[RECORD] = '\0';
		call_begin(c->w, "pread");
		if (!call_done(c->w, pread(c->log, record, RECORD, (off_t)(i * RECORD)), RECORD))
			return;
		if (strcmp(record, want) != 0)
			untrue(c, "its log", "not what was appended");
	}
}

static void
box_path(const struct client *c, unsigned box, char path[PATH_SIZE])
{
	snprintf(path, PATH_SIZE, "box%u-%u", c->w->id, box);
}

static void
move_box(struct client *c)
{
	unsigned to = (c->box + 1 + (unsigned)random_below(&c->w->chance, BOXES - 1)) % BOXES;
	char from_path[PATH_SIZE], to_path[PATH_SIZE];

	box_path(c, c->box, from_path);
	box_path(c, to, to_path);
	call_begin(c->w, "rename");
	if (ended(c, rename(from_path, to_path), 0, from_path))
		c->box = to;
}

static void
use_held(struct client *c)
{
	uint64_t value = 0;

	call_begin(c->w, "pread");
	if (!call_done(c->w, pread(c->held, &value, 8, 0), 8)) {
		c->lost = true;
		return;
	}
	if (value != c->held_value)
		untrue(c, "held file", "not what was written");
	value++;
	call_begin(c->w, "pwrite");
	if (call_done(c->w, pwrite(c->held, &value, 8, 0), 8))
		c->held_value = value;
	else
		c->lost = true;
}

/* --- all of it -------------------------------------------------------------------------------- */

static void
step(struct client *c)
{
	struct name *n = &c->name[random_below(&c->w->chance, 2 * NAMES)];
	struct name *to = &c->name[random_below(&c->w->chance, 2 * NAMES)];

	switch (random_below(&c->w->chance, 20)) {
	case 0:
	case 1: make_file(c, n); break;
	case 2: open_file(c, n); break;
	case 3:
	case 4: make_dir(c, n); break;
	case 5: make_symlink(c, n); break;
	case 6: make_link(c, n, to); break;
	case 7:
	case 8: remove_name(c, n); break;
	case 9:
	case 10: remove_dir(c, n); break;
	case 11:
	case 12:
	case 13: move_name(c, n, to); break;
	case 14: change_mode(c, n); break;
	case 15: append_log(c); break;
	case 16: move_box(c); break;
	case 17: use_held(c); break;
	case 18: list(c, (unsigned)random_below(&c->w->chance, 2)); break;
	default: look(c, n); break;
	}
}

static void
begin(struct client *c, struct worker *w)
{
	char path[PATH_SIZE], file[PATH_SIZE + 8];

	*c = (struct client){ .w = w, .next_id = (uint64_t)w->id << 32 | 1 };
	for (unsigned i = 0; i < 2 * NAMES; i++)
		snprintf(c->name[i].path, PATH_SIZE, "%c/w%u-%u", 'a' + (int)(i / NAMES), w->id,
			 i % NAMES);
	snprintf(path, sizeof path, "log%u", w->id);
	c->log = open(path, O_CREAT | O_EXCL | O_RDWR | O_APPEND, 0600);
	CHECK(c->log >= 0);
	box_path(c, 0, path);
	CHECK(mkdir(path, 0700) == 0);
	snprintf(file, sizeof file, "%s/held", path);
	c->held = open(file, O_CREAT | O_EXCL | O_RDWR, 0600);
	CHECK(c->held >= 0 && write(c->held, &c->held_value, 8) == 8);
}

static void *
client(void *arg)
{
	struct client c;

	begin(&c, arg);
	for (uint64_t i = 0; run_goes_on(c.w, i); i++) {
		if (c.lost) /* what it would say from here on means nothing */
			usleep(LOOK_US);
		else
			step(&c);
	}
	for (unsigned i = 0; i < 2 * NAMES && !c.lost; i++)
		look(&c, &c.name[i]);
	for (unsigned i = 0; i < 2 && !c.lost; i++)
		list(&c, i);
	if (!c.lost)
		check_log(&c);
	close(c.log);
	close(c.held);
	return run_ends(c.w);
}

int
main(int argc, char **argv)
{
	static struct names t = { .run = { .program = "names", .seed = 1 }, .threads = 4 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	umask(0);
	t.dir = run_directory(&t.run, &t.threads, argc, argv);
	CHECK(chdir(t.dir) == 0 && mkdir("a", 0700) == 0 && mkdir("b", 0700) == 0);
	printf("names: in %s\n", t.dir);
	run_start(&t.run, t.threads, client);
	run_is_ready(&t.run);
	supervise(&t.run);
	printf("names: done %lu, refused %lu, looked %lu, untrue %lu", t.done, t.refused, t.looked,
	       t.untrue);
	print_run(&t.run);
	return run_result(&t.run, t.untrue != 0);
}
