/*
 * stamp FILE: writes a disk and knows what must be on it.
 *
 * Each of the writers (-threads) has a region of the file (-region, bytes) and writes runs of
 * sectors there: 512 bytes, 4 KiB in and out of line, up to 128 KiB and rarely 1 MiB, and runs in
 * two halves that meet inside a sector.  Every sector carries its number, a version, random content
 * and a sum over it all.  A ledger has for each sector the last version whose write was
 * acknowledged and the last one that was begun.  Writers read their own sectors back; readers
 * (-readers) read anywhere, by offset and through the position of a descriptor.  A version that is
 * older than what was acknowledged is *lost*, a sector that is not as it was written is *wrong*.  A
 * reader may see a sector while it is written; then its sum may be wrong, but if it is right, so is
 * the version.
 *
 * All use the descriptors that were opened at the start.  At the end everything is read again
 * through a new one.  The ledger goes to -ledger; -check only compares the file with a ledger.
 */
#include "campaign.h"

enum {
	SECTOR = 512,
	RUN_LONG = 256,            /* sectors of a request: 128 KiB */
	RUN_MAX = 2048,            /* and 1 MiB */
	MAGIC = 0x504d5453,        /* "STMP" */
	LEDGER_MAGIC = 0x5247444c, /* "LDGR" */
};

struct sector {
	uint64_t magic, number, version, seed, content[59], sum;
};
_Static_assert(sizeof(struct sector) == SECTOR, "a sector");

struct entry {
	_Atomic uint64_t acknowledged, begun;
};

struct ledger_head {
	uint64_t magic, seed, nsectors, unused[61];
};
_Static_assert(sizeof(struct ledger_head) == SECTOR, "a sector");

struct stamp {
	struct run run;
	const char *path, *ledger;
	bool check;
	int fd;
	unsigned writers, readers;
	uint64_t region, nsectors; /* of a region; of all, in sectors */
	struct entry *entry;
	struct sector *buf; /* RUN_MAX of each worker */
	_Atomic uint64_t writes, reads, syncs, verified, raced, wrong, lost;
};

static uint64_t
sum_of(const struct sector *s)
{
	uint64_t sum = 0xcbf29ce484222325u;

	for (const uint64_t *p = &s->magic; p < &s->sum; p++)
		sum = (sum ^ *p) * 0x100000001b3u;
	return sum;
}

/* All of it is touched here, so that memory stays as it is while servers die. */
static void
make_buffers(struct stamp *t, unsigned n)
{
	size_t size = (size_t)n * RUN_MAX * SECTOR;

	t->buf = aligned_alloc(4096, size);
	CHECK(t->buf != NULL);
	memset(t->buf, 0, size);
}

static void
make_sector(struct sector *s, uint64_t seed, uint64_t number, uint64_t version)
{
	uint64_t state = seed ^ number << 32 ^ version;

	*s = (struct sector){ .magic = MAGIC, .number = number, .version = version, .seed = seed };
	for (unsigned i = 0; i < 59; i++)
		s->content[i] = random_next(&state);
	s->sum = sum_of(s);
}

/* What was read of a sector whose ledger was `low` before and is `high` now. */
static void
verify(struct stamp *t, struct worker *w, const struct sector *s, uint64_t number, uint64_t low)
{
	uint64_t high = t->entry[number].begun;
	bool whole = s->magic == MAGIC && s->seed == t->run.seed && s->number == number &&
		     s->sum == sum_of(s);

	t->verified++;
	if (!whole && low != high) {
		t->raced++;
	} else if (!whole || s->version > high) {
		t->wrong++;
		WRONG(w, "sector %lu is wrong: magic 0x%lx, number %lu, version %lu of %lu to %lu",
		      number, s->magic, s->number, s->version, low, high);
	} else if (s->version < low) {
		t->lost++;
		WRONG(w, "sector %lu is lost: version %lu, and %lu was acknowledged", number,
		      s->version, low);
	}
}

/* --- workers ---------------------------------------------------------------------------------- */

static struct stamp *
stamp_of(const struct worker *w)
{
	return (struct stamp *)w->run; /* its first member */
}

static bool
put(struct worker *w, const void *data, size_t n, uint64_t offset)
{
	struct stamp *t = stamp_of(w);

	call_begin(w, "pwrite");
	return call_done(w, pwrite(t->fd, data, n, (off_t)offset), n);
}

static void
write_sectors(struct worker *w, struct sector *buf, uint64_t first, unsigned n, size_t split)
{
	struct stamp *t = stamp_of(w);
	const char *bytes = (const char *)buf;
	bool good = true;

	for (unsigned i = 0; i < n; i++) {
		struct entry *e = &t->entry[first + i];

		make_sector(&buf[i], t->run.seed, first + i, ++e->begun);
	}
	if (split != 0)
		good = put(w, bytes, split, first * SECTOR);
	good &= put(w, bytes + split, n * SECTOR - split, first * SECTOR + split);
	t->writes++;
	for (unsigned i = 0; good && i < n; i++)
		t->entry[first + i].acknowledged = t->entry[first + i].begun;
}

/* Where in `room` sectors the next request goes, and how many sectors it has. */
static unsigned
choose(uint64_t *chance, uint64_t room, uint64_t *at)
{
	unsigned kind = (unsigned)random_below(chance, 64), n;

	if (kind < 8)
		n = 1;
	else if (kind < 40)
		n = 8;
	else
		n = 1 + (unsigned)random_below(chance, kind < 56   ? 64
						       : kind < 63 ? RUN_LONG
								   : RUN_MAX);
	*at = random_below(chance, room - n + 1);
	if (kind < 32)
		*at &= ~7ul;
	return n;
}

static void
read_sectors(struct worker *w, int fd, struct sector *buf, uint64_t first, unsigned n)
{
	struct stamp *t = stamp_of(w);
	uint64_t low[RUN_MAX];
	bool good;

	for (unsigned i = 0; i < n; i++)
		low[i] = t->entry[first + i].acknowledged;
	if (fd < 0) {
		call_begin(w, "pread");
		good = call_done(w, pread(t->fd, buf, n * SECTOR, (off_t)(first * SECTOR)),
				 n * SECTOR);
	} else {
		call_begin(w, "read");
		good = call_done(w, read(fd, buf, n * SECTOR), n * SECTOR);
	}
	t->reads++;
	for (unsigned i = 0; good && i < n; i++)
		verify(t, w, &buf[i], first + i, low[i]);
}

static void *
writer(void *arg)
{
	struct worker *w = arg;
	struct stamp *t = stamp_of(w);
	struct sector *buf = t->buf + w->id * RUN_MAX;
	uint64_t base = w->id * t->region, at;

	for (uint64_t step = 0; run_goes_on(w, step); step++) {
		unsigned n = choose(&w->chance, t->region, &at);
		uint64_t what = random_below(&w->chance, 100);

		if (what < 55) {
			size_t split = random_below(&w->chance, 8) == 0
					       ? 1 + random_below(&w->chance, n * SECTOR - 1)
					       : 0;

			write_sectors(w, buf, base + at, n, split);
		} else if (what < 97) {
			read_sectors(w, -1, buf, base + at, n);
		} else {
			call_begin(w, "fsync");
			call_done(w, fsync(t->fd), 0);
			t->syncs++;
		}
	}
	return run_ends(w);
}

/* Half of the time on from where the last read ended: the position must be where it should be. */
static void *
reader(void *arg)
{
	struct worker *w = arg;
	struct stamp *t = stamp_of(w);
	struct sector *buf = t->buf + w->id * RUN_MAX;
	int fd = open(t->path, O_RDONLY);
	uint64_t at, position = 0;

	CHECK(fd >= 0);
	for (uint64_t step = 0; run_goes_on(w, step); step++) {
		unsigned n = choose(&w->chance, t->nsectors, &at);
		bool seek = random_below(&w->chance, 2) == 0 || position + n > t->nsectors;

		if (random_below(&w->chance, 2) == 0) {
			read_sectors(w, -1, buf, at, n);
			continue;
		}
		if (seek) {
			position = at;
			call_begin(w, "lseek");
			if (!call_done(w, lseek(fd, (off_t)(at * SECTOR), SEEK_SET), at * SECTOR))
				continue;
		}
		read_sectors(w, fd, buf, position, n);
		position = run_errors(&t->run) == 0 ? position + n : t->nsectors;
	}
	close(fd);
	return run_ends(w);
}

/* --- all of it -------------------------------------------------------------------------------- */

/* A worker that goes through the file: writes the first versions, or reads everything. */
static void *
pass(void *arg)
{
	struct worker *w = arg;
	struct stamp *t = stamp_of(w);
	struct sector *buf = t->buf + w->id * RUN_MAX;
	bool fill = t->fd >= 0 && t->entry[0].begun == 0;
	int fd = -1;
	bool good = true;

	if (!fill) {
		call_begin(w, "open");
		fd = open(t->path, O_RDONLY);
		good = call_done(w, fd < 0 ? -1 : 0, 0);
	}
	for (uint64_t at = 0, n; good && at < t->nsectors; at += n) {
		n = t->nsectors - at < RUN_MAX ? t->nsectors - at : RUN_MAX;
		if (fill)
			write_sectors(w, buf, at, (unsigned)n, 0);
		else
			read_sectors(w, fd, buf, at, (unsigned)n);
	}
	if (fd >= 0)
		close(fd);
	return run_ends(w);
}

/* One more worker does a pass, and it alone; no end but its own. */
static void
do_pass(struct stamp *t)
{
	struct run *run = &t->run;

	run->stop = false;
	run->nworkers = 0;
	run_start(run, 1, pass);
	supervise(run);
	run->nworkers = 0;
}

static void
write_ledger(const struct stamp *t)
{
	struct ledger_head h = { .magic = LEDGER_MAGIC,
				 .seed = t->run.seed,
				 .nsectors = t->nsectors };
	size_t n = t->nsectors * sizeof *t->entry;
	int fd = open(t->ledger, O_WRONLY);

	if (fd < 0)
		printf("stamp: %s: %s\n", t->ledger, strerror(errno));
	CHECK(fd >= 0 && write(fd, &h, sizeof h) == sizeof h);
	for (size_t at = 0; at < n; at += 65536) {
		size_t part = n - at < 65536 ? n - at : 65536;

		CHECK(write(fd, (const char *)t->entry + at, part) == (ssize_t)part);
	}
	CHECK(fsync(fd) == 0 && close(fd) == 0);
}

static void
read_ledger(struct stamp *t)
{
	struct ledger_head h;
	size_t n;
	int fd = open(t->ledger, O_RDONLY);

	CHECK(fd >= 0 && read(fd, &h, sizeof h) == sizeof h);
	CHECK(h.magic == LEDGER_MAGIC && h.nsectors < 1 << 22);
	t->run.seed = h.seed;
	t->nsectors = h.nsectors;
	t->entry = calloc(h.nsectors, sizeof *t->entry);
	n = h.nsectors * sizeof *t->entry;
	CHECK(t->entry != NULL);
	for (size_t at = 0; at < n; at += 65536) {
		size_t part = n - at < 65536 ? n - at : 65536;

		CHECK(read(fd, (char *)t->entry + at, part) == (ssize_t)part);
	}
	close(fd);
}

/* Everything is touched here, so that memory stays as it is while servers die. */
static void
open_file(struct stamp *t)
{
	t->fd = open(t->path, O_RDWR);
	if (t->fd < 0) {
		printf("stamp: %s: %s\n", t->path, strerror(errno));
		exit(1);
	}
	t->nsectors = t->region * t->writers;
	t->entry = malloc(t->nsectors * sizeof *t->entry);
	CHECK(t->entry != NULL);
	memset(t->entry, 0, t->nsectors * sizeof *t->entry);
}

static void
options(struct stamp *t, int argc, char **argv)
{
	static const struct option names[] = { RUN_OPTIONS,
					       OPTION("threads", 'T'),
					       OPTION("readers", 'R'),
					       OPTION("region", 'r'),
					       OPTION("ledger", 'l'),
					       { "check", no_argument, NULL, 'c' },
					       { 0 } };
	int c;

	while ((c = getopt_long_only(argc, argv, "", names, NULL)) != -1) {
		if (run_option(&t->run, c, optarg))
			continue;
		switch (c) {
		case 'T': t->writers = (unsigned)number_of("stamp", "threads", optarg); break;
		case 'R': t->readers = (unsigned)number_of("stamp", "readers", optarg); break;
		case 'r': t->region = number_of("stamp", "region", optarg) / SECTOR; break;
		case 'l': t->ledger = optarg; break;
		case 'c': t->check = true; break;
		default: exit(2);
		}
	}
	if (optind != argc - 1 || t->writers == 0 || t->region < RUN_MAX ||
	    t->writers + t->readers > WORKERS_MAX || (t->check && t->ledger == NULL)) {
		fprintf(stderr,
			"stamp: one file; 1 to %d threads; a region of 1 MiB or more; "
			"-check needs -ledger\n",
			WORKERS_MAX);
		exit(2);
	}
	t->path = argv[optind];
}

static void
work(struct stamp *t)
{
	struct run *run = &t->run;
	unsigned n;

	open_file(t);
	make_buffers(t, t->writers + t->readers);
	do_pass(t);
	printf("stamp: %lu sectors in %s\n", t->nsectors, t->path);
	fflush(stdout);
	run_start(run, t->writers, writer);
	run_start(run, t->readers, reader);
	run_is_ready(run);
	supervise(run);
	n = run->nworkers;
	do_pass(t);
	run->nworkers = n;
	if (t->ledger != NULL)
		write_ledger(t);
}

int
main(int argc, char **argv)
{
	static struct stamp t = { .run = { .program = "stamp", .seed = 1 },
				  .writers = 4,
				  .readers = 2,
				  .region = 2 << 20 >> 9,
				  .fd = -1 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	options(&t, argc, argv);
	if (t.check) {
		read_ledger(&t);
		make_buffers(&t, 1);
		do_pass(&t);
	} else {
		work(&t);
	}
	printf("stamp: writes %lu, reads %lu, syncs %lu, verified %lu, raced %lu, wrong %lu, lost "
	       "%lu",
	       t.writes, t.reads, t.syncs, t.verified, t.raced, t.wrong, t.lost);
	print_run(&t.run);
	return run_result(&t.run, t.wrong != 0 || t.lost != 0);
}
