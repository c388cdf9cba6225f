/*
 * 9p: files of a 9P server from the command line; see man/1/9p.
 *
 * It speaks over a stream and needs no mount, so it is the way to look at a server from Linux.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <os.h>
#include <p9_client.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <lux9/sys.h>

#define CHUNK (1024 * 1024)
#define DEPTH_MAX 64		/* of directories in get -r */
#define TIMEOUT_MS 30000

static const char usage[] =
	"usage: 9p -a ADDRESS [-A ANAME] [-u USER] [-v 9P2000|9P2000.L] COMMAND ...\n"
	"  ADDRESS is unix!PATH or tcp!HOST!PORT\n"
	"  ls [-l] PATH...         the files in a directory\n"
	"  cat PATH...             their bytes, to standard output\n"
	"  get [-r] PATH [LOCAL]   copies a file, or with -r a tree, to here\n"
	"  stat PATH...            what the server tells of a file\n"
	"  write PATH              standard input, to a file, made if it is not there\n"
	"  mkdir PATH...           new directories\n"
	"  rm PATH...              removes files and empty directories\n"
	"  -h                      this text\n";

struct flags {
	const char *address, *aname, *user;
	enum p9_dialect dialect;
	bool recursive, lengthy;
};

static int
complain(const char *what, int rc)
{
	char text[OS_ERRSTR_MAX] = "";

	os_errstr(text, sizeof text);
	fprintf(stderr, "9p: %s: %s\n", what, text[0] ? text : strerror(-rc));
	return 1;
}

static int
open_at(struct p9c_file *root, const char *path, uint32_t flags, struct p9c_file **f)
{
	int rc = p9c_walk(root, path, f);

	if (rc)
		return rc;
	rc = p9c_file_open(*f, flags);
	if (rc)
		p9c_clunk(*f);
	return rc;
}

/* --- ls, stat ----------------------------------------------------------------------------- */

struct list {
	struct p9c_entry *e;
	size_t n, room;
};

static int
add(void *arg, const struct p9c_entry *e)
{
	struct list *l = arg;

	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct p9c_entry *more = realloc(l->e, room * sizeof *more);

		if (!more)
			return -ENOMEM;
		l->e = more;
		l->room = room;
	}
	l->e[l->n++] = *e;
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct p9c_entry *)a)->name, ((const struct p9c_entry *)b)->name);
}

/* The entries of a directory, sorted; the caller frees l->e. */
static int
list_dir(struct p9c_file *root, const char *path, struct list *l)
{
	struct p9c_file *f;
	int rc = open_at(root, path, O_RDONLY, &f);

	*l = (struct list){ 0 };
	if (rc)
		return rc;
	rc = p9c_list(f, add, l);
	p9c_clunk(f);
	if (rc == 0 && l->n)
		qsort(l->e, l->n, sizeof *l->e, by_name);
	return rc;
}

static void
print_line(const struct ipc_attr *a, const char *name)
{
	static const char bits[] = "rwxrwxrwx";
	char mode[11] = "-", when[32] = "";
	time_t t = (time_t)a->mtime_sec;
	struct tm tm;

	mode[0] = S_ISDIR(a->mode) ? 'd' : S_ISLNK(a->mode) ? 'l' : S_ISCHR(a->mode) ? 'c' :
		S_ISBLK(a->mode) ? 'b' : S_ISFIFO(a->mode) ? 'p' : S_ISSOCK(a->mode) ? 's' : '-';
	for (int i = 0; i < 9; i++)
		mode[i + 1] = a->mode & (0400u >> i) ? bits[i] : '-';
	if (localtime_r(&t, &tm))
		strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm);
	printf("%s %3llu %5u %5u %10llu %s %s\n", mode, (unsigned long long)a->nlink, a->uid,
		a->gid, (unsigned long long)a->size, when, name);
}

/* dir/name, allocated. */
static char *
join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

static int
ls_entry(struct p9c_file *root, const char *dir, const struct p9c_entry *e, bool lengthy)
{
	struct p9c_file *f;
	struct ipc_attr a;
	char *path;
	int rc;

	if (!lengthy) {
		printf("%s%s\n", e->name, e->qid.type & P9_QTDIR ? "/" : "");
		return 0;
	}
	path = join(dir, e->name);
	rc = path ? p9c_walk(root, path, &f) : -ENOMEM;
	if (rc == 0) {
		rc = p9c_getattr(f, &a);
		p9c_clunk(f);
	}
	if (rc == 0)
		print_line(&a, e->name);
	else
		complain(path ? path : dir, rc);
	free(path);
	return rc;
}

static int
do_ls(struct p9c_file *root, const char *path, const struct flags *fl)
{
	struct p9c_entry self = { 0 };
	struct p9c_file *f;
	struct list l;
	int rc = p9c_walk(root, path, &f), bad = 0;

	if (rc)
		return complain(path, rc);
	self.qid = f->qid;
	p9c_clunk(f);
	if (!(self.qid.type & P9_QTDIR)) {
		snprintf(self.name, sizeof self.name, "%s", strrchr(path, '/') ?
			strrchr(path, '/') + 1 : path);
		return ls_entry(root, strrchr(path, '/') ? path : "", &self, false) != 0;
	}
	rc = list_dir(root, path, &l);
	for (size_t i = 0; i < l.n; i++)
		bad |= ls_entry(root, path, &l.e[i], fl->lengthy) != 0;
	free(l.e);
	return rc ? complain(path, rc) : bad;
}

static int
do_stat(struct p9c_file *root, const char *path, const struct flags *fl)
{
	struct p9c_file *f;
	struct ipc_attr a;
	int rc = p9c_walk(root, path, &f);

	(void)fl;
	if (rc)
		return complain(path, rc);
	rc = p9c_getattr(f, &a);
	p9c_clunk(f);
	if (rc)
		return complain(path, rc);
	printf("name %s\nqid 0x%02x %u 0x%llx\nmode 0%o\nuid %u\ngid %u\nnlink %llu\n", path,
		a.qid.type, a.qid.version, (unsigned long long)a.qid.path, a.mode, a.uid, a.gid,
		(unsigned long long)a.nlink);
	printf("size %llu\natime %lld\nmtime %lld\nctime %lld\n", (unsigned long long)a.size,
		(long long)a.atime_sec, (long long)a.mtime_sec, (long long)a.ctime_sec);
	return 0;
}

/* --- cat, get, write ---------------------------------------------------------------------- */

static int
put_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static int
copy_out(struct p9c_file *root, const char *path, int fd)
{
	char *buf = malloc(CHUNK);
	struct p9c_file *f;
	uint64_t offset = 0;
	int64_t n = 0;
	int rc = buf ? open_at(root, path, O_RDONLY, &f) : -ENOMEM;

	if (rc) {
		free(buf);
		return rc;
	}
	while (rc == 0 && (n = p9c_read(f, buf, CHUNK, offset)) > 0) {
		offset += (uint64_t)n;
		rc = put_all(fd, buf, (size_t)n);
	}
	p9c_clunk(f);
	free(buf);
	return rc ? rc : (int)n;
}

static int
do_cat(struct p9c_file *root, const char *path, const struct flags *fl)
{
	int rc = copy_out(root, path, STDOUT_FILENO);

	(void)fl;
	return rc ? complain(path, rc) : 0;
}

static int
get_file(struct p9c_file *root, const char *path, const char *local)
{
	int fd = open(local, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), rc;

	if (fd < 0) {
		os_set_errstr("%s", strerror(errno));
		return complain(local, -EIO);
	}
	os_set_errstr("%s", "");
	rc = copy_out(root, path, fd);
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc ? complain(path, rc) : 0;
}

static int get_tree(struct p9c_file *, const char *, const char *, int);

/* Names come from the server: one that is no plain name must not lead elsewhere. */
static int
get_entry(struct p9c_file *root, const char *path, const char *local,
	const struct p9c_entry *e, int depth)
{
	char *from = join(path, e->name), *to = join(local, e->name);
	int bad = 1;

	if (strchr(e->name, '/') || !e->name[0] || strcmp(e->name, ".") == 0 ||
	    strcmp(e->name, "..") == 0) {
		os_set_errstr("the server gave a name that is none");
		complain(path, -EPROTO);
	} else if (!from || !to) {
		complain(path, -ENOMEM);
	} else if (e->qid.type & P9_QTDIR) {
		bad = get_tree(root, from, to, depth + 1);
	} else if (e->qid.type & P9_QTSYMLINK) {
		fprintf(stderr, "9p: %s: symbolic link, not copied\n", from);
		bad = 0;
	} else {
		bad = get_file(root, from, to);
	}
	free(from);
	free(to);
	return bad;
}

static int
get_tree(struct p9c_file *root, const char *path, const char *local, int depth)
{
	struct list l;
	int bad = 0, rc;

	if (depth > DEPTH_MAX) {
		os_set_errstr("more than %d directories deep", DEPTH_MAX);
		return complain(path, -ELOOP);
	}
	if (mkdir(local, 0777) < 0 && errno != EEXIST) {
		os_set_errstr("%s", strerror(errno));
		return complain(local, -EIO);
	}
	rc = list_dir(root, path, &l);
	for (size_t i = 0; i < l.n; i++)
		bad |= get_entry(root, path, local, &l.e[i], depth);
	free(l.e);
	return rc ? complain(path, rc) : bad;
}

static int
do_get(struct p9c_file *root, const char *path, const char *local, const struct flags *fl)
{
	const char *slash = strrchr(path, '/');
	struct p9c_file *f;
	bool dir;
	int rc;

	if (!local)
		local = slash && slash[1] ? slash + 1 : slash ? "." : path;
	rc = p9c_walk(root, path, &f);
	if (rc)
		return complain(path, rc);
	dir = f->qid.type & P9_QTDIR;
	p9c_clunk(f);
	if (dir && !fl->recursive) {
		os_set_errstr("is a directory; -r copies it");
		return complain(path, -EISDIR);
	}
	return dir ? get_tree(root, path, local, 0) : get_file(root, path, local);
}

/* The directory that holds the path's last name, which goes to *name. */
static int
parent_of(struct p9c_file *root, const char *path, struct p9c_file **dir, const char **name)
{
	const char *slash = strrchr(path, '/');
	char *up = slash ? strndup(path, (size_t)(slash - path)) : strdup("");
	int rc = up ? p9c_walk(root, up, dir) : -ENOMEM;

	*name = slash ? slash + 1 : path;
	free(up);
	return rc;
}

static int
open_to_write(struct p9c_file *root, const char *path, struct p9c_file **f)
{
	struct p9c_file *dir;
	const char *name;
	int rc = open_at(root, path, O_WRONLY | O_TRUNC, f);

	if (rc == 0 || p9c_walk(root, path, &dir) == 0) {
		if (rc)
			p9c_clunk(dir);	/* it is there, but cannot be written */
		return rc;
	}
	rc = parent_of(root, path, &dir, &name);
	if (rc)
		return rc;
	rc = p9c_create(dir, name, O_WRONLY | O_TRUNC, 0644, f);
	p9c_clunk(dir);
	return rc;
}

static int
do_write(struct p9c_file *root, const char *path, const struct flags *fl)
{
	char *buf = malloc(CHUNK);
	uint64_t offset = 0;
	struct p9c_file *f;
	int64_t put = 0;
	ssize_t n;
	int rc = buf ? open_to_write(root, path, &f) : -ENOMEM;

	(void)fl;
	if (rc) {
		free(buf);
		return complain(path, rc);
	}
	while ((n = read(STDIN_FILENO, buf, CHUNK)) > 0) {
		put = p9c_write(f, buf, (size_t)n, offset);
		if (put != n)
			break;
		offset += (uint64_t)n;
	}
	if (n < 0)
		rc = -errno;
	else if (n > 0)
		rc = put < 0 ? (int)put : -EIO;
	put = p9c_clunk(f);
	free(buf);
	return rc || put ? complain(path, rc ? rc : (int)put) : 0;
}

/* --- mkdir, rm ---------------------------------------------------------------------------- */

static int
do_mkdir(struct p9c_file *root, const char *path, const struct flags *fl)
{
	struct p9c_file *dir;
	const char *name;
	int rc = parent_of(root, path, &dir, &name);

	(void)fl;
	if (rc)
		return complain(path, rc);
	rc = p9c_mkdir(dir, name, 0755);
	p9c_clunk(dir);
	return rc ? complain(path, rc) : 0;
}

static int
do_rm(struct p9c_file *root, const char *path, const struct flags *fl)
{
	struct p9c_file *dir, *f;
	const char *name;
	int rc = p9c_walk(root, path, &f);
	bool is_dir;

	(void)fl;
	if (rc)
		return complain(path, rc);
	is_dir = f->qid.type & P9_QTDIR;
	p9c_clunk(f);
	rc = parent_of(root, path, &dir, &name);
	if (rc)
		return complain(path, rc);
	rc = p9c_unlink(dir, name, is_dir);
	p9c_clunk(dir);
	return rc ? complain(path, rc) : 0;
}

/* --- the command line --------------------------------------------------------------------- */

static int
wrong(const char *what, const char *which)
{
	fprintf(stderr, "9p: %s%s (9p -h for help)\n", what, which);
	return 2;
}

static const struct command {
	const char *name;
	int (*each)(struct p9c_file *, const char *path, const struct flags *);
} commands[] = {
	{ "ls", do_ls }, { "cat", do_cat }, { "stat", do_stat }, { "write", do_write },
	{ "mkdir", do_mkdir }, { "rm", do_rm }, { "get", NULL },
};

/* The server may know a name better than we do. */
static uint32_t
uid_of(const char *user)
{
	char *end;
	unsigned long uid = strtoul(user, &end, 10);

	if (strcmp(user, "root") == 0)
		return 0;
	return end == user || *end || uid >= P9_NOUID ? P9_NOUID : (uint32_t)uid;
}

static int
run(const struct flags *fl, const struct command *cmd, char **paths)
{
	struct p9_client *c;
	struct p9c_file *root;
	int bad = 0, rc = os_service_open(fl->address);

	if (rc < 0)
		return complain(fl->address, rc);
	rc = p9c_open(&c, rc, fl->dialect, 0, TIMEOUT_MS);
	if (rc)
		return complain(fl->address, rc);
	rc = p9c_attach(c, fl->user, uid_of(fl->user), fl->aname, &root);
	if (rc) {
		p9c_close(c);
		return complain(fl->address, rc);
	}
	if (!cmd->each)
		bad = do_get(root, paths[0], paths[1], fl);
	for (int i = 0; cmd->each && paths[i]; i++) {
		os_set_errstr("%s", "");
		bad |= cmd->each(root, paths[i], fl);
	}
	p9c_clunk(root);
	p9c_close(c);
	return bad;
}

/* The options of a command, of which ls has -l and get -r. */
static char **
command_options(const struct command *cmd, char **args, struct flags *fl)
{
	for (; *args && (*args)[0] == '-' && (*args)[1]; args++) {
		if (strcmp(*args, "--") == 0)
			return args + 1;
		if (strcmp(*args, "-r") == 0 && strcmp(cmd->name, "get") == 0)
			fl->recursive = true;
		else if (strcmp(*args, "-l") == 0 && strcmp(cmd->name, "ls") == 0)
			fl->lengthy = true;
		else
			return NULL;
	}
	return args;
}

static int
chosen(char **args, struct flags *fl)
{
	static char *const here[] = { "", NULL };
	const struct command *cmd = NULL;
	char **paths;
	int n = 0;

	if (!args[0])
		return wrong("no command", "");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(args[0], commands[i].name) == 0)
			cmd = &commands[i];
	if (!cmd)
		return wrong("unknown command ", args[0]);
	paths = command_options(cmd, args + 1, fl);
	if (!paths)
		return wrong("unknown option of ", args[0]);
	while (paths[n])
		n++;
	if (n == 0 && cmd->each == do_ls)
		paths = (char **)here;
	else if (n == 0)
		return wrong(args[0], ": no path");
	if (n > 1 && cmd->each == do_write)
		return wrong(args[0], ": one path only");
	if (n > 2 && !cmd->each)
		return wrong(args[0], ": more than a path and a local name");
	return run(fl, cmd, paths);
}

int
main(int argc, char **argv)
{
	struct flags fl = { .aname = "", .user = "root", .dialect = P9_2000L };
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "+:a:A:u:v:h")) != -1) {
		if (c == 'a')
			fl.address = optarg;
		else if (c == 'A')
			fl.aname = optarg;
		else if (c == 'u')
			fl.user = optarg;
		else if (c == 'h')
			return fputs(usage, stdout) < 0;
		else if (c == 'v' && strcmp(optarg, "9P2000") == 0)
			fl.dialect = P9_2000;
		else if (c == 'v' && strcmp(optarg, "9P2000.L") == 0)
			fl.dialect = P9_2000L;
		else if (c == 'v')
			return wrong("unknown version ", optarg);
		else
			return wrong(c == ':' ? "missing argument of -" : "unknown option -",
				(char[]){ (char)optopt, 0 });
	}
	if (!fl.address)
		return wrong("no address: -a is needed", "");
	return chosen(argv + optind, &fl);
}
