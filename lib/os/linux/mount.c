/*
 * 9P services mounted in this process: os_open and what follows it reach their files, the system
 * and the C library do not know of them.  So a driver that asks for /dev/pci gets it from a server
 * that stands for the machine (qtestfs).
 *
 * A descriptor of such a file is a number from SERVED_FD on.  A read at offset -1, which is how the
 * files are read that wait for something, ends with EINTR when a signal comes.
 *
 * Memory: a file that has pages of its own says in its attribute `user.map` which file of this
 * machine they are in: PATH OFFSET LENGTH.  The pages before and after a mapping are left
 * unreadable, so that whoever runs over its end is seen.
 *
 * Not here: unions of directories, unmounting, making files.  A mount before what is there is
 * asked first, and what it does not have is looked for under it.
 *
 * `lock` guards the list of mounts, the table of descriptors and the list of mappings.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <os.h>
#include <p9_client.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <lux9/sys.h>
#include "mount.h"

enum { PATH_LENGTH = 256, FILES_MAX = 1024, PAGE = 4096, MAP_TEXT = 512 };

struct mounted {
	struct mounted *next;
	char path[PATH_LENGTH];	/* without a '/' at its end */
	int flags;
	struct p9_client *client;
	struct p9c_file *root;
};

struct served {
	struct p9c_file *file;
	uint64_t position;
	int uses;		/* one of the table, and one of each call that is on */
};

struct mapping {
	struct mapping *next;
	uint8_t *at, *all;	/* what was given; with the pages around it */
	size_t all_size;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mounted *mounts;
static struct served *files[FILES_MAX];
static struct mapping *mappings;

/* --- descriptors ---------------------------------------------------------------------------- */

static int
new_fd(struct p9c_file *file)
{
	struct served *s = calloc(1, sizeof *s);
	int i = 0;

	if (!s)
		return -ENOMEM;
	*s = (struct served){ .file = file, .uses = 1 };
	pthread_mutex_lock(&lock);
	while (i < FILES_MAX && files[i])
		i++;
	if (i < FILES_MAX)
		files[i] = s;
	pthread_mutex_unlock(&lock);
	if (i < FILES_MAX)
		return SERVED_FD + i;
	free(s);
	return -EMFILE;
}

static struct served *
get(int fd)
{
	int i = fd - SERVED_FD;
	struct served *s;

	pthread_mutex_lock(&lock);
	s = i < FILES_MAX ? files[i] : NULL;
	if (s)
		s->uses++;
	pthread_mutex_unlock(&lock);
	return s;
}

static void
put(struct served *s)
{
	bool last;

	pthread_mutex_lock(&lock);
	last = --s->uses == 0;
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	p9c_clunk(s->file);
	free(s);
}

int
served_close(int fd)
{
	int i = fd - SERVED_FD;
	struct served *s;

	pthread_mutex_lock(&lock);
	s = i < FILES_MAX ? files[i] : NULL;
	if (s)
		files[i] = NULL;
	pthread_mutex_unlock(&lock);
	if (!s)
		return -EBADF;
	put(s);
	return 0;
}

/* --- mounting, opening ---------------------------------------------------------------------- */

/* What follows the mount's path, if the path is below it. */
static const char *
below(const struct mounted *m, const char *path)
{
	size_t n = strlen(m->path);

	if (strncmp(path, m->path, n) != 0 || (path[n] && path[n] != '/'))
		return NULL;
	return path + n;
}

/* Later mounts first; none is ever taken away. */
static struct mounted *
find(const char *path, const char **rest)
{
	struct mounted *m;

	pthread_mutex_lock(&lock);
	for (m = mounts; m; m = m->next)
		if ((*rest = below(m, path)) != NULL)
			break;
	pthread_mutex_unlock(&lock);
	return m;
}

int
served_open(const char *path, int flags)
{
	const char *rest;
	struct mounted *m = find(path, &rest);
	struct p9c_file *f;
	int rc;

	if (!m)
		return -ENXIO;
	rc = p9c_walk(m->root, rest, &f);
	if (rc)
		return rc == -ENOENT && m->flags != OS_MREPL ? -ENXIO : rc;
	rc = p9c_file_open(f, (uint32_t)flags & ~(uint32_t)O_CLOEXEC);
	if (rc == 0)
		rc = new_fd(f);
	if (rc < 0)
		p9c_clunk(f);
	return rc;
}

int
served_mount(int service_fd, const char *path, int flags, const char *aname)
{
	size_t n = strlen(path);
	struct mounted *m;
	int rc;

	while (n && path[n - 1] == '/')
		n--;
	m = n < PATH_LENGTH ? calloc(1, sizeof *m) : NULL;
	if (!m) {
		close(service_fd);
		return n < PATH_LENGTH ? -ENOMEM : -ENAMETOOLONG;
	}
	memcpy(m->path, path, n);
	m->flags = flags & (OS_MBEFORE | OS_MAFTER);
	rc = p9c_open(&m->client, service_fd, P9_2000L, 0, 0);
	if (rc == 0 && (rc = p9c_attach(m->client, "none", (uint32_t)getuid(), aname, &m->root)))
		p9c_close(m->client);
	if (rc) {
		free(m);
		return rc;
	}
	pthread_mutex_lock(&lock);
	m->next = mounts;
	mounts = m;
	pthread_mutex_unlock(&lock);
	return 0;
}

/* --- reading, writing ----------------------------------------------------------------------- */

/* One request, as a system call is: the server sees it as it was made. */
static int64_t
read_once(struct p9c_file *f, void *buf, size_t n, uint64_t offset)
{
	struct p9_msg t = { .type = P9_TREAD, .fid = f->num, .offset = offset }, r;
	void *keep;
	int rc;

	t.count = n < 65536 ? (uint32_t)n : 65536;
	rc = p9c_rpc(f->client, &t, &r, &keep);
	if (rc == 0 && r.count > t.count)
		rc = -EPROTO;
	if (rc == 0)
		memcpy(buf, r.data, r.count);
	free(keep);
	return rc ? rc : (int64_t)r.count;
}

int64_t
served_pread(int fd, void *buf, size_t n, int64_t offset)
{
	struct served *s = get(fd);
	int64_t got;

	if (!s)
		return -EBADF;
	if (offset >= 0) {
		got = read_once(s->file, buf, n, (uint64_t)offset);
	} else {
		p9c_interruptible(true);
		got = read_once(s->file, buf, n, s->position);
		p9c_interruptible(false);
		s->position += got > 0 ? (uint64_t)got : 0;
	}
	put(s);
	return got;
}

int64_t
served_pwrite(int fd, const void *buf, size_t n, int64_t offset)
{
	struct served *s = get(fd);
	int64_t done;

	if (!s)
		return -EBADF;
	done = p9c_write(s->file, buf, n, offset < 0 ? s->position : (uint64_t)offset);
	if (offset < 0 && done > 0)
		s->position += (uint64_t)done;
	put(s);
	return done;
}

int
served_fsync(int fd, bool data_only)
{
	struct served *s = get(fd);
	int rc = s ? p9c_fsync(s->file, data_only) : -EBADF;

	if (s)
		put(s);
	return rc;
}

int64_t
served_size(int fd)
{
	struct served *s = get(fd);
	struct ipc_attr a = { 0 };
	int rc = s ? p9c_getattr(s->file, &a) : -EBADF;

	if (s)
		put(s);
	return rc ? rc : (int64_t)a.size;
}

/* --- directories: an entry's offset is its place in the list, from 1 ------------------------- */

struct listing {
	uint64_t at, from;
	uint8_t *buf;
	size_t n, used;
};

static int
list_one(void *arg, const struct p9c_entry *e)
{
	struct listing *l = arg;
	size_t name = strlen(e->name) + 1;
	size_t size = (offsetof(struct sys_dirent, name) + name + 7) & ~(size_t)7;
	struct sys_dirent *d = (void *)(l->buf + l->used);

	if (l->at++ < l->from)
		return 0;
	if (size > l->n - l->used)
		return l->used ? 1 : -EINVAL;
	*d = (struct sys_dirent){ .qid_path = e->qid.path, .offset = (int64_t)l->at,
		.reclen = (uint16_t)size, .type = e->type };
	memcpy(d->name, e->name, name);
	l->used += size;
	return 0;
}

int64_t
served_readdir(int fd, uint64_t offset, void *buf, size_t n)
{
	struct listing l = { .from = offset, .buf = buf, .n = n };
	struct served *s = get(fd);
	int rc = s ? p9c_list(s->file, list_one, &l) : -EBADF;

	if (s)
		put(s);
	return rc < 0 ? rc : (int64_t)l.used;
}

/* --- memory --------------------------------------------------------------------------------- */

/* Where the file's pages are: an open descriptor; -ENODEV if it has none. */
static int
pages_of(struct p9c_file *f, uint64_t *offset, uint64_t *length)
{
	char text[MAP_TEXT], path[PATH_LENGTH];
	int64_t n = p9c_xattr_get(f, "user.map", text, sizeof text - 1);
	unsigned long long from, size;
	int fd;

	if (n < 0 || n >= (int64_t)sizeof text)
		return -ENODEV;
	text[n] = 0;
	if (sscanf(text, "%255s %llu %llu", path, &from, &size) != 3 || from % PAGE)
		return -EPROTO;
	*offset = from;
	*length = size;
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* len whole pages of fd, with an unreadable one on either side. */
static struct mapping *
map_guarded(int fd, uint64_t offset, size_t len, int prot)
{
	struct mapping *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	m->all_size = len + (size_t)2 * PAGE;
	m->all = mmap(NULL, m->all_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->all == MAP_FAILED) {
		free(m);
		return NULL;
	}
	m->at = mmap(m->all + PAGE, len, prot, MAP_SHARED | MAP_FIXED, fd, (off_t)offset);
	if (m->at == MAP_FAILED) {
		munmap(m->all, m->all_size);
		free(m);
		return NULL;
	}
	return m;
}

static struct mapping *
map_file(struct p9c_file *f, uint64_t offset, size_t len, int prot)
{
	uint64_t from = 0, size = 0;
	int fd = pages_of(f, &from, &size);
	struct mapping *m = NULL;

	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	if (offset > size || len > ((size - offset + PAGE - 1) & ~(uint64_t)(PAGE - 1)))
		errno = ENXIO;
	else
		m = map_guarded(fd, from + offset, len, prot);
	close(fd);
	return m;
}

void *
served_map(int fd, uint64_t offset, size_t len, int prot)
{
	struct served *s = get(fd);
	size_t into = offset % PAGE, whole = (len + into + PAGE - 1) & ~(size_t)(PAGE - 1);
	struct mapping *m;

	if (!s) {
		errno = EBADF;
		return NULL;
	}
	m = map_file(s->file, offset - into, whole, prot);
	put(s);
	if (!m)
		return NULL;
	m->at += into;
	pthread_mutex_lock(&lock);
	m->next = mappings;
	mappings = m;
	pthread_mutex_unlock(&lock);
	return m->at;
}

bool
served_unmap(void *at)
{
	struct mapping **p, *m;

	pthread_mutex_lock(&lock);
	for (p = &mappings; *p && (*p)->at != at; )
		p = &(*p)->next;
	m = *p;
	if (m)
		*p = m->next;
	pthread_mutex_unlock(&lock);
	if (!m)
		return false;
	munmap(m->all, m->all_size);
	free(m);
	return true;
}
