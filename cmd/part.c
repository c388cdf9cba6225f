/*
 * part: prints and changes the partition table of a disk or an image; see man/1/part.
 *
 * The library plans the change and checks it (blk_edit.h); here are the words for it, and the
 * question whether a partition that somebody has open would be lost.
 */
#include <fcntl.h>
#include "cmd.h"
#include "part/part.h"

static const char help[] =
	"usage: part [print] [-s BYTES] DISK\n"
	"       part create [-f] [-s BYTES] gpt|mbr DISK\n"
	"       part add [-fx] [-s BYTES] [-n NUMBER] [-b START] [-l LENGTH] [-a ALIGN]\n"
	"                [-t TYPE] [-c LABEL] DISK\n"
	"       part delete [-f] [-s BYTES] DISK NUMBER\n"
	"       part type [-s BYTES] DISK NUMBER TYPE\n"
	"       part label [-s BYTES] DISK NUMBER LABEL\n"
	"       part types\n"
	"  prints or changes a partition table.  DISK is an image, a device, or a disk as sdC0.\n"
	"  -s: of a sector of an image, 512.  -f: though partitions are open, or would be lost.\n"
	"  -x: a logical partition.  START, LENGTH, ALIGN (1M): bytes, with K, M, G or T, or\n"
	"  sectors as 2048s.  `part types` lists the names of types.\n";

struct options {
	uint32_t secsize;
	bool force;
	const char *start, *length, *align;
	struct blk_new_part new;
};

static uint32_t
small_number(const char *text)
{
	uint64_t n = cmd_number(text);

	if (n > UINT32_MAX)
		cmd_usage(text, "too large");
	return (uint32_t)n;
}

static void
parse_secsize(struct options *o, const char *text)
{
	o->secsize = small_number(text);
	if (o->secsize < BLK_MIN_SECTOR || o->secsize > BLK_MAX_SECTOR ||
	    (o->secsize & (o->secsize - 1)))
		cmd_usage(text, "a sector has 512, 1024, 2048 or 4096 bytes");
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	int c;

	*o = (struct options){ .align = "1M", .new = { .type = "linux" } };
	while ((c = cmd_option(argc, argv, "p:s:fxn:b:l:a:t:c:", help)) != -1)
		switch (c) {
		case 's': parse_secsize(o, optarg); break;
		case 'f': o->force = true; break;
		case 'x': o->new.logical = true; break;
		case 'n': o->new.number = small_number(optarg); break;
		case 'b': o->start = optarg; break;
		case 'l': o->length = optarg; break;
		case 'a': o->align = optarg; break;
		case 't': o->new.type = optarg; break;
		case 'c': o->new.label = optarg; break;
		case 'p': /* as it was called first */ optind--; return;
		}
}

/* A place or length in sectors: bytes, with a suffix, or a number of sectors. */
static uint64_t
sectors_of(const char *text, uint32_t secsize)
{
	size_t len = strlen(text);
	char number[32];
	uint64_t n;

	if (!len || len >= sizeof number)
		cmd_usage(text, "not a number");
	memcpy(number, text, len + 1);
	if (number[len - 1] == 's') {
		number[len - 1] = '\0';
		return cmd_number(number);
	}
	if (number[len - 1] == 'T') {
		number[len - 1] = 'G';
		n = cmd_number(number);
		if (n >> 54)
			cmd_usage(text, "too large");
		n <<= 10;
	} else
		n = cmd_number(number);
	if (n % secsize)
		cmd_usage(text, "not a whole number of sectors");
	return n / secsize;
}

static void __attribute__((noreturn)) die(const char *what, int err)
{
	errno = -err;
	cmd_die(what);
}

static void
fill_random(uint8_t random[16])
{
	int fd = os_open("/dev/urandom", O_RDONLY, 0);
	int64_t n = fd < 0 ? fd : os_pread(fd, random, 16, 0);

	if (n != 16)
		die("/dev/urandom", n < 0 ? (int)n : -EIO);
	os_close(fd);
}

/* The disk, and its table; ends the program when it has none. */
static struct blk_plan *
make_plan(struct part_disk *d, const struct options *o, const char *name, bool write)
{
	struct blk_medium m;
	struct blk_plan *p;
	int err = part_open(d, name, o->secsize, write);

	if (err < 0)
		die(d->what, err);
	m = part_medium(d);
	err = blk_plan_new(&m, &p);
	if (err < 0)
		die(d->data, err);
	return p;
}

static int
explain(const struct part_disk *d, const char *why)
{
	fflush(stdout);
	fprintf(stderr, "%s: %s: %s\n", cmd_name, d->data, why);
	return 1;
}

/* True, and said, if the change takes from somebody what is open. */
static bool
in_use(const struct part_disk *d, const struct blk_plan *p, bool create)
{
	char why[64];

	for (unsigned i = 0; i < d->nopened; i++) {
		uint32_t n = d->opened[i];

		if (n ? !blk_plan_moves(p, n) : !create)
			continue;
		if (n)
			snprintf(why, sizeof why, "partition %u is open; -f does it anyway", n);
		else
			snprintf(why, sizeof why, "the disk is open; -f does it anyway");
		explain(d, why);
		return true;
	}
	return false;
}

static int
finish(struct part_disk *d, struct blk_plan *p, int err)
{
	int status = 0;

	if (err >= 0)
		err = blk_plan_write(p);
	if (err < 0)
		status = explain(d, blk_plan_why(p));
	else if ((err = part_rescan(d)) < 0) {
		errno = -err;
		status = cmd_warn(d->what);
	}
	blk_plan_free(p);
	os_close(d->fd);
	return status;
}

/* --- the commands ----------------------------------------------------------------------------- */

static int
do_print(struct options *o, char **arg)
{
	struct part_disk d;
	struct blk_plan *p;
	int status;

	p = make_plan(&d, o, arg[0], false);
	part_print(blk_plan_old(p));
	status = blk_plan_old(p)->nrefused || blk_plan_old(p)->nlost ? 1 : 0;
	blk_plan_free(p);
	os_close(d.fd);
	return status;
}

static int
do_create(struct options *o, char **arg)
{
	enum blk_table_kind kind = strcmp(arg[0], "gpt") == 0   ? BLK_TABLE_GPT
				   : strcmp(arg[0], "mbr") == 0 ? BLK_TABLE_MBR
								: BLK_TABLE_NONE;
	const struct blk_table *old;
	struct part_disk d;
	struct blk_plan *p;
	int err;

	if (kind == BLK_TABLE_NONE)
		cmd_usage(arg[0], "neither gpt nor mbr");
	p = make_plan(&d, o, arg[1], true);
	fill_random(o->new.random);
	err = blk_plan_create(p, kind, o->new.random);
	if (err >= 0 && !o->force) {
		if (in_use(&d, p, true))
			return 1;
		old = blk_plan_old(p);
		if (old->nparts || old->nrefused)
			return explain(&d, "it has partitions; -f does it anyway");
		if (old->kind == BLK_TABLE_NONE && old->notes[0])
			return explain(&d, "it has a table that cannot be used (see part print); "
					   "-f replaces it");
	}
	return finish(&d, p, err);
}

static int
do_add(struct options *o, char **arg)
{
	struct part_disk d;
	struct blk_plan *p;
	uint32_t number;
	int err;

	p = make_plan(&d, o, arg[0], true);
	o->new.start = o->start ? sectors_of(o->start, d.secsize) : 0;
	o->new.nsectors = o->length ? sectors_of(o->length, d.secsize) : 0;
	o->new.align = sectors_of(o->align, d.secsize);
	if ((o->start && !o->new.start) || (o->length && !o->new.nsectors) || !o->new.align)
		cmd_usage("0", "the table itself is there, and nothing is no partition");
	fill_random(o->new.random);
	err = blk_plan_add(p, &o->new, &number);
	if (err >= 0 && !o->force && in_use(&d, p, false))
		return 1;
	err = finish(&d, p, err);
	if (err == 0)
		printf("%u\n", number);
	return err;
}

static int
do_delete(struct options *o, char **arg)
{
	uint32_t number = small_number(arg[1]);
	struct part_disk d;
	struct blk_plan *p;
	int err;

	p = make_plan(&d, o, arg[0], true);
	err = blk_plan_delete(p, number);
	if (err >= 0 && !o->force && in_use(&d, p, false))
		return 1;
	return finish(&d, p, err);
}

static int
change(struct options *o, char **arg, const char *type, const char *label)
{
	uint32_t number = small_number(arg[1]);
	struct part_disk d;
	struct blk_plan *p;

	p = make_plan(&d, o, arg[0], true);
	return finish(&d, p, blk_plan_change(p, number, type, label));
}

static int
do_type(struct options *o, char **arg)
{
	return change(o, arg, arg[2], NULL);
}

static int
do_label(struct options *o, char **arg)
{
	return change(o, arg, NULL, arg[2]);
}

static int
do_types(struct options *o, char **arg)
{
	(void)o, (void)arg;
	part_print_types();
	return 0;
}

static const struct verb {
	const char *name;
	int nargs;
	int (*run)(struct options *o, char **arg);
} verbs[] = {
	{ "print", 1, do_print },   { "create", 2, do_create }, { "add", 1, do_add },
	{ "delete", 2, do_delete }, { "type", 3, do_type },     { "label", 3, do_label },
	{ "types", 0, do_types },
};

int
main(int argc, char **argv)
{
	const struct verb *v = &verbs[0];
	struct options o;
	bool said = false;

	cmd_start(argv);
	for (unsigned i = 0; argc > 1 && i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(argv[1], verbs[i].name) == 0) {
			v = &verbs[i];
			said = true;
			argv[1] = argv[0];
			argv++, argc--;
			break;
		}
	parse_options(&o, argc, argv);
	if (argc - optind != v->nargs)
		cmd_usage(said || argc == optind ? v->name : argv[optind],
			  said || argc == optind ? "wrong number of arguments"
						 : "no command, nor one disk to print");
	cmd_end(v->run(&o, argv + optind));
}
