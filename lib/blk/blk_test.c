/*
 * The /dev/sd tree over a disk in memory, seen by a 9P client.  The disk's thread answers in any
 * order, and late.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>
#include "os.h"
#include "testing/testing.h"

enum { NSECTORS = 4096, NSMALL = 6, NBIG = 2, MAX_SECTORS = 16, THREADS = 4 };

struct ram {
	uint8_t *data;
	uint32_t secsize;
	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_t thread;
	struct blk_io *list;
	bool closing;
	unsigned flushes, discards, longest;
	uint64_t bad; /* a sector that fails */
	unsigned random;
};

struct world {
	struct ram ram;
	struct blk_server *blk;
	struct blk_memory *memory;
	struct blk_disk *disk;
	uint8_t *buffers[2];
	struct blk_test t;
};

static void
ram_do(struct ram *r, struct blk_io *io)
{
	size_t n = (size_t)io->nsectors * r->secsize;
	uint8_t *at = r->data + io->sector * r->secsize;

	assert_true(io->sector + io->nsectors <= NSECTORS);
	if (io->nsectors > r->longest && io->kind != BLK_DISCARD)
		r->longest = io->nsectors;
	if (r->bad >= io->sector && r->bad < io->sector + io->nsectors) {
		snprintf(io->why, sizeof io->why, "bad sector %llu", (unsigned long long)r->bad);
		blk_done(io, -EIO);
		return;
	}
	if (io->kind == BLK_READ)
		memcpy(io->data, at, n);
	else if (io->kind == BLK_WRITE)
		memcpy(at, io->data, n);
	else if (io->kind == BLK_DISCARD) {
		memset(at, 0, n);
		r->discards++;
	} else
		r->flushes++;
	blk_done(io, 0);
}

static void *
ram_thread(void *arg)
{
	struct ram *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!r->closing || r->list) {
		struct blk_io **at = &r->list, *io;

		if (!r->list) {
			pthread_cond_wait(&r->more, &r->lock);
			continue;
		}
		r->random = r->random * 1664525 + 1013904223;
		if ((*at)->next && r->random >> 31)
			at = &(*at)->next;
		io = *at;
		*at = io->next;
		pthread_mutex_unlock(&r->lock);
		ram_do(r, io);
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static void
ram_submit(void *drive, struct blk_io *io)
{
	struct ram *r = drive;

	pthread_mutex_lock(&r->lock);
	io->next = r->list;
	r->list = io;
	pthread_cond_signal(&r->more);
	pthread_mutex_unlock(&r->lock);
}

static int
ram_command(void *drive, const char *text)
{
	(void)drive;
	return strcmp(text, "fly") == 0 ? 0 : -EINVAL;
}

static const struct blk_ops ram_ops = {
	.read = ram_submit,
	.write = ram_submit,
	.flush = ram_submit,
	.discard = ram_submit,
	.command = ram_command,
};

static void
mbr_entry(struct ram *r, unsigned i, uint32_t start, uint32_t n)
{
	uint8_t *e = r->data + 446 + 16 * i;

	e[4] = 0x83;
	memcpy(e + 8, &start, 4);
	memcpy(e + 12, &n, 4);
	memcpy(r->data + 440, "\x78\x56\x34\x12", 4);
	r->data[510] = 0x55;
	r->data[511] = 0xaa;
}

static void
add_disk(struct world *w)
{
	struct blk_info info = { .name = "sdT0",
				 .model = "RAM disk",
				 .serial = "1",
				 .firmware = "f",
				 .features = "none",
				 .nsectors = NSECTORS,
				 .secsize = w->ram.secsize,
				 .physsecsize = 4096,
				 .max_sectors = MAX_SECTORS,
				 .discard_sectors = 100,
				 .queue_depth = 32,
				 .memory = w->memory };

	assert_int_equal(blk_add_disk(w->blk, &info, &ram_ops, &w->ram, &w->disk), 0);
}

static struct world *
start(uint32_t secsize)
{
	struct world *w = calloc(1, sizeof *w);
	static const size_t size[2] = { NSMALL * BLK_BUF_SMALL, NBIG * BLK_BUF_BIG };

	w->ram = (struct ram){ .data = calloc(NSECTORS, secsize),
			       .secsize = secsize,
			       .bad = UINT64_MAX,
			       .random = 1 };
	pthread_mutex_init(&w->ram.lock, NULL);
	pthread_cond_init(&w->ram.more, NULL);
	pthread_create(&w->ram.thread, NULL, ram_thread, &w->ram);
	mbr_entry(&w->ram, 0, 100, 50);
	mbr_entry(&w->ram, 1, 150, NSECTORS - 150);
	w->blk = blk_server_new(NULL, NULL);
	w->memory = blk_memory_new();
	for (int i = 0; i < 2; i++) {
		w->buffers[i] = malloc(size[i]);
		blk_memory_add(w->memory, w->buffers[i], 0, size[i],
			       i ? BLK_BUF_BIG : BLK_BUF_SMALL);
	}
	add_disk(w);
	blk_test_start(&w->t, w->blk);
	return w;
}

static void
stop(struct world *w)
{
	blk_test_stop(&w->t);
	if (w->disk)
		blk_remove_disk(w->disk);
	blk_server_free(w->blk);
	blk_memory_free(w->memory);
	pthread_mutex_lock(&w->ram.lock);
	w->ram.closing = true;
	pthread_cond_signal(&w->ram.more);
	pthread_mutex_unlock(&w->ram.lock);
	pthread_join(w->ram.thread, NULL);
	free(w->ram.data);
	free(w->buffers[0]);
	free(w->buffers[1]);
	free(w);
}

static struct p9c_file *
opened(struct world *w, const char *path, uint32_t flags)
{
	return blk_test_opened(&w->t, path, flags);
}

/* A second connection, in plain 9P2000: its errors have texts. */
static void
expect_error(struct world *w, const char *path, const char *data, uint64_t offset, const char *want)
{
	struct p9_client *client;
	struct p9c_file *root, *f;
	char why[OS_ERRSTR_MAX];
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	assert_int_equal(p9_srv_add_fd(&w->t.srv, fd[0]), 0);
	assert_int_equal(p9c_open(&client, fd[1], P9_2000, 0, 20000), 0);
	assert_int_equal(p9c_attach(client, "none", P9_NOUID, "", &root), 0);
	assert_int_equal(p9c_walk(root, path, &f), 0);
	assert_int_equal(p9c_file_open(f, O_WRONLY), 0);
	assert_true(p9c_write(f, data, strlen(data), offset) < 0);
	os_errstr(why, sizeof why);
	assert_string_equal(why, want);
	p9c_clunk(f);
	p9c_clunk(root);
	p9c_close(client);
}

static int
command(struct world *w, const char *path, const char *text)
{
	return blk_test_command(&w->t, path, text);
}

static const char *
text_of(struct world *w, const char *path)
{
	return blk_test_text(&w->t, path);
}

static int
join(void *arg, const struct p9c_entry *e)
{
	strcat(arg, e->name);
	strcat(arg, " ");
	return 0;
}

static const char *
names(struct world *w, const char *path)
{
	static char text[4096];
	struct p9c_file *f = opened(w, path, O_RDONLY);

	text[0] = '\0';
	assert_int_equal(p9c_list(f, join, text), 0);
	p9c_clunk(f);
	return text;
}

static void
tree(void **state)
{
	struct world *w = start(512);
	struct p9c_file *f;
	struct ipc_attr a;
	struct ipc_qid one;

	(void)state;
	assert_string_equal(names(w, ""), "sdctl sdT0 ");
	blk_server_unlist(w->blk, true);
	assert_string_equal(names(w, ""), "sdT0 ");
	assert_string_equal(text_of(w, "sdctl"), "sdT0 'RAM disk' 2097152\n");
	blk_server_unlist(w->blk, false);
	assert_string_equal(names(w, "sdT0"), "ctl raw data geometry stats part ");
	assert_string_equal(names(w, "sdT0/part"), "by-uuid by-label 0 1 2 ");
	assert_string_equal(names(w, "sdT0/part/by-uuid"), "12345678-01 12345678-02 ");
	assert_string_equal(names(w, "sdT0/part/by-label"), "");
	assert_string_equal(text_of(w, "sdctl"), "sdT0 'RAM disk' 2097152\n");
	assert_string_equal(text_of(w, "sdT0/geometry"),
			    "sectors 4096\nsecsize 512\n"
			    "physsecsize 4096\ncylinders 0\nheads 0\nsectors-per-track 0\n");
	assert_non_null(strstr(text_of(w, "sdT0/ctl"), "\ntable mbr 12345678\n"
						       "part 1 100 50 12345678-01 0x83\n"));
	assert_non_null(strstr(text_of(w, "sdT0/stats"), "read-requests "));
	f = opened(w, "sdT0/part/1", O_RDONLY);
	one = f->qid;
	assert_int_equal(p9c_getattr(f, &a), 0);
	assert_int_equal(a.size, 50 * 512);
	p9c_clunk(f);
	f = opened(w, "sdT0/part/by-uuid/../../part/by-uuid/12345678-01", O_RDONLY);
	assert_true(f->qid.path == one.path && f->qid.version == one.version);
	p9c_clunk(f);
	assert_int_equal(p9c_walk(w->t.root, "sdT0/part/3", &f), -ENOENT);
	assert_int_equal(p9c_walk(w->t.root, "sdT1", &f), -ENOENT);
	assert_int_equal(p9c_walk(w->t.root, "sdT0/part/01", &f), -ENOENT);
	/* A driver that starts anew gives the same qids. */
	blk_remove_disk(w->disk);
	add_disk(w);
	f = opened(w, "sdT0/part/1", O_RDONLY);
	assert_true(f->qid.path == one.path && f->qid.version == one.version);
	p9c_clunk(f);
	stop(w);
}

static void
commands(void **state)
{
	struct world *w = start(512);

	(void)state;
	assert_int_equal(command(w, "sdT0/ctl", "flush\n"), 0);
	assert_int_equal(w->ram.flushes, 1);
	memset(w->ram.data + 1000 * 512, 0xff, 512 * 512);
	assert_int_equal(command(w, "sdT0/ctl", "discard 1001 250"), 0);
	assert_int_equal(w->ram.discards, 3); /* of at most 100 */
	assert_int_equal(w->ram.data[1000 * 512 + 511], 0xff);
	assert_int_equal(w->ram.data[1001 * 512], 0);
	assert_int_equal(w->ram.data[1251 * 512 - 1], 0);
	assert_int_equal(w->ram.data[1251 * 512], 0xff);
	assert_int_equal(command(w, "sdT0/ctl", "discard 4096 1"), -EINVAL);
	assert_int_equal(command(w, "sdT0/ctl", "discard 4000 97"), -EINVAL);
	assert_int_equal(command(w, "sdT0/ctl", "discard -1 1"), -EINVAL);
	assert_int_equal(command(w, "sdT0/ctl", "discard 1"), -EINVAL);
	assert_int_equal(command(w, "sdT0/ctl", "discard 1 0"), -EINVAL);
	assert_int_equal(command(w, "sdT0/ctl", "fly"), 0);
	assert_int_equal(command(w, "sdT0/ctl", "land"), -EINVAL);
	expect_error(w, "sdT0/ctl", "land", 0, "sdT0: unknown command: land");
	assert_int_equal(command(w, "sdT0/ctl", "standby"), -EOPNOTSUPP);
	expect_error(w, "sdT0/ctl", "standby", 0, "sdT0: this kind of disk has no standby");
	assert_int_equal(command(w, "sdctl", "rescan"), 0);
	assert_int_equal(command(w, "sdctl", "rescan me"), -EINVAL);
	stop(w);
}

/* Random reads and writes of any place and length, against a plain array. */
static void
any_offset(void **state)
{
	static const uint32_t sizes[] = { 512, 4096 };

	(void)state;
	for (unsigned s = 0; s < 2; s++) {
		struct world *w = start(sizes[s]);
		size_t total = (size_t)(NSECTORS - 150) * sizes[s], longest = 40000;
		struct p9c_file *f = opened(w, "sdT0/part/2", O_RDWR);
		uint8_t *want = calloc(1, total), *got = malloc(longest);
		uint8_t *edge = malloc(100 * sizes[s]);

		srand(1);
		memset(w->ram.data + 50 * sizes[s], 0x77, 100 * sizes[s]);
		memcpy(edge, w->ram.data + 50 * sizes[s], 100 * sizes[s]);
		for (unsigned i = 0; i < 300; i++) {
			size_t at = (size_t)rand() % (rand() & 1 ? total : 70000),
			       n = (size_t)rand() % longest;

			if (rand() & 1) {
				at &= ~(size_t)(sizes[s] - 1);
				n &= ~(size_t)(sizes[s] - 1);
			}
			if (n > total - at)
				n = total - at;
			if (rand() & 1) {
				memset(got, rand(), n);
				assert_int_equal(p9c_write(f, got, n, at), n);
				memcpy(want + at, got, n);
			} else {
				assert_int_equal(p9c_read(f, got, n, at), n);
				assert_memory_equal(got, want + at, n);
			}
		}
		assert_memory_equal(w->ram.data + 150 * sizes[s], want, total);
		assert_memory_equal(w->ram.data + 50 * sizes[s], edge, 100 * sizes[s]);
		assert_int_equal(w->ram.longest, sizes[s] == 512 ? MAX_SECTORS : 11);
		p9c_clunk(f);
		free(want);
		free(got);
		free(edge);
		stop(w);
	}
}

static void
one_megabyte_at_once(void **state)
{
	struct world *w = start(512);
	struct p9c_file *f = opened(w, "sdT0/data", O_RDWR);
	uint8_t *buf = malloc(BLK_IO_MAX);

	(void)state;
	for (size_t i = 0; i < BLK_IO_MAX; i++)
		buf[i] = (uint8_t)(i * 7 + i / 512);
	assert_int_equal(f->iounit, BLK_IO_MAX);
	assert_int_equal(p9c_write(f, buf, BLK_IO_MAX, 513), BLK_IO_MAX);
	assert_memory_equal(w->ram.data + 513, buf, BLK_IO_MAX);
	memset(buf, 0, BLK_IO_MAX);
	assert_int_equal(p9c_read(f, buf, BLK_IO_MAX, 513), BLK_IO_MAX);
	assert_memory_equal(w->ram.data + 513, buf, BLK_IO_MAX);
	p9c_clunk(f);
	free(buf);
	stop(w);
}

static void
ends(void **state)
{
	struct world *w = start(512);
	struct p9c_file *f = opened(w, "sdT0/part/1", O_RDWR);
	uint8_t buf[1024], after[512];

	(void)state;
	memset(w->ram.data + 150 * 512, 0x55, 512);
	memcpy(after, w->ram.data + 150 * 512, 512);
	memset(buf, 0xaa, sizeof buf);
	assert_int_equal(p9c_read(f, buf, 1024, 50 * 512), 0);
	assert_int_equal(p9c_read(f, buf, 1024, 1ull << 62), 0);
	assert_int_equal(p9c_read(f, buf, 1024, 50 * 512 - 100), 100);
	assert_int_equal(p9c_write(f, buf, 1, 50 * 512), -ENOSPC);
	assert_int_equal(p9c_write(f, buf, 512, 1ull << 62), -ENOSPC);
	memset(buf, 0xaa, sizeof buf);
	p9c_write(f, buf, 1024, 50 * 512 - 300); /* as much as there is room for */
	assert_int_equal(w->ram.data[150 * 512 - 1], 0xaa);
	assert_memory_equal(w->ram.data + 150 * 512, after, 512);
	assert_int_equal(w->ram.flushes, 0);
	assert_int_equal(p9c_fsync(f, false), 0);
	assert_int_equal(w->ram.flushes, 1);
	p9c_clunk(f);
	stop(w);
}

static void
errors(void **state)
{
	struct world *w = start(512);
	struct p9c_file *f = opened(w, "sdT0/data", O_RDWR);
	uint8_t buf[4096] = { 0 };
	struct p9_srv_stats stats;

	(void)state;
	w->ram.bad = 77;
	assert_int_equal(p9c_read(f, buf, 512, 77 * 512), -EIO);
	expect_error(w, "sdT0/raw", "x", 77 * 512, "sdT0: bad sector 77");
	assert_int_equal(p9c_write(f, buf, 10, 77 * 512 + 5), -EIO);
	assert_int_equal(p9c_write(f, buf, 600, 76 * 512 + 5), -EIO);
	assert_int_equal(p9c_write(f, buf, 512, 77 * 512), -EIO);
	assert_int_equal(p9c_read(f, buf, 512, 78 * 512), 512);
	/* A client's mistake is not counted among the server's failures. */
	assert_int_equal(p9c_write(f, buf, 512, NSECTORS * 512), -ENOSPC);
	p9_srv_stats(&w->t.srv, &stats);
	assert_int_equal(stats.errors, 5);
	assert_string_equal(stats.last_error, "sdT0: bad sector 77");
	w->ram.bad = UINT64_MAX;
	assert_int_equal(p9c_write(f, buf, 10, 77 * 512 + 5), 10); /* no claim was left */
	p9c_clunk(f);
	stop(w);
}

struct writer {
	struct world *w;
	unsigned index;
};

/* Each thread has every fourth group of 100 bytes: several in each sector. */
static void *
write_mine(void *arg)
{
	struct writer *me = arg;
	struct p9c_file *f = opened(me->w, "sdT0/part/2", O_RDWR);
	uint8_t buf[100];

	for (unsigned i = 0; i < 200; i++) {
		unsigned group = (i % 50) * THREADS + me->index;

		memset(buf, (int)(group + i / 50), sizeof buf);
		assert_int_equal(p9c_write(f, buf, sizeof buf, group * 100), 100);
		if (i % 10 == 0) { /* and an aligned one beside */
			uint8_t whole[1024];

			memset(whole, (int)i, sizeof whole);
			p9c_write(f, whole, sizeof whole, (200 + 2 * me->index) * 512);
		}
	}
	p9c_clunk(f);
	return NULL;
}

static void
writes_beside_each_other(void **state)
{
	struct world *w = start(512);
	struct writer writers[THREADS];
	pthread_t t[THREADS];
	const char *stats;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		writers[i] = (struct writer){ w, i };
		pthread_create(&t[i], NULL, write_mine, &writers[i]);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (unsigned g = 0; g < 50 * THREADS; g++)
		for (unsigned b = 0; b < 100; b++)
			assert_int_equal(w->ram.data[150 * 512 + g * 100 + b], (uint8_t)(g + 3));
	stats = text_of(w, "sdT0/stats");
	assert_null(strstr(stats, "unaligned-waits 0\n")); /* or nothing was tried */
	assert_non_null(strstr(stats, "in-flight 0\n"));
	stop(w);
}

static void
rescan(void **state)
{
	struct world *w = start(512);
	struct p9c_file *one = opened(w, "sdT0/part/1", O_RDWR);
	struct p9c_file *two = opened(w, "sdT0/part/2", O_RDWR), *now;
	uint8_t buf[512] = { 0 };

	(void)state;
	mbr_entry(&w->ram, 1, 200, 100);
	mbr_entry(&w->ram, 2, 300, 100);
	assert_int_equal(p9c_read(two, buf, 512, 0), 512);
	assert_int_equal(command(w, "sdT0/ctl", "rescan"), 0);
	assert_int_equal(p9c_read(one, buf, 512, 0), 512);
	assert_int_equal(p9c_read(two, buf, 512, 0), -ENXIO);
	assert_int_equal(p9c_write(two, buf, 512, 0), -ENXIO);
	assert_int_equal(p9c_fsync(two, false), -ENXIO);
	now = opened(w, "sdT0/part/2", O_RDWR);
	assert_true(now->qid.path != two->qid.path);
	memset(buf, 0x31, sizeof buf);
	assert_int_equal(p9c_write(now, buf, 512, 0), 512);
	assert_int_equal(w->ram.data[200 * 512], 0x31);
	assert_string_equal(names(w, "sdT0/part"), "by-uuid by-label 0 1 2 3 ");
	p9c_clunk(one);
	p9c_clunk(two);
	p9c_clunk(now);
	stop(w);
}

static void
removal(void **state)
{
	struct world *w = start(512);
	struct p9c_file *f = opened(w, "sdT0/data", O_RDWR), *ctl;
	uint8_t buf[512] = { 0 };

	(void)state;
	assert_int_equal(p9c_walk(w->t.root, "sdT0/ctl", &ctl), 0);
	blk_remove_disk(w->disk);
	w->disk = NULL;
	assert_int_equal(p9c_read(f, buf, 512, 0), -ENODEV);
	assert_int_equal(p9c_write(f, buf, 100, 3), -ENODEV);
	assert_int_equal(p9c_fsync(f, false), -ENODEV);
	assert_int_equal(p9c_file_open(ctl, O_RDWR), -ENODEV);
	assert_string_equal(names(w, ""), "sdctl ");
	p9c_clunk(f);
	p9c_clunk(ctl);
	stop(w);
}

static void
bad_disks(void **state)
{
	struct world *w = start(512);
	struct blk_info good = { .name = "sdT1",
				 .nsectors = NSECTORS,
				 .secsize = 512,
				 .max_sectors = 8,
				 .memory = w->memory },
			i;
	struct blk_disk *d;

	(void)state;
	i = good, i.secsize = 520;
	assert_int_equal(blk_add_disk(w->blk, &i, &ram_ops, &w->ram, &d), -EINVAL);
	i = good, i.nsectors = 0;
	assert_int_equal(blk_add_disk(w->blk, &i, &ram_ops, &w->ram, &d), -EINVAL);
	i = good, i.nsectors = 1ull << 62;
	assert_int_equal(blk_add_disk(w->blk, &i, &ram_ops, &w->ram, &d), -EINVAL);
	i = good, strcpy(i.name, "sdT16384");
	assert_int_equal(blk_add_disk(w->blk, &i, &ram_ops, &w->ram, &d), -EINVAL);
	i = good, strcpy(i.name, "sdT0");
	assert_int_equal(blk_add_disk(w->blk, &i, &ram_ops, &w->ram, &d), -EEXIST);
	w->ram.bad = 0; /* its table cannot be read: the disk is there all the same */
	assert_int_equal(blk_add_disk(w->blk, &good, &ram_ops, &w->ram, &d), 0);
	assert_string_equal(names(w, "sdT1/part"), "by-uuid by-label 0 ");
	blk_remove_disk(d);
	stop(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree),
		cmocka_unit_test(commands),
		cmocka_unit_test(any_offset),
		cmocka_unit_test(one_megabyte_at_once),
		cmocka_unit_test(ends),
		cmocka_unit_test(errors),
		cmocka_unit_test(writes_beside_each_other),
		cmocka_unit_test(rescan),
		cmocka_unit_test(removal),
		cmocka_unit_test(bad_disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
