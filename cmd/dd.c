/* dd: copies blocks from one place of one file to another place of another. */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "cmd.h"

static const char help[] =
	"dd [if=FILE] [of=FILE] [bs=N] [count=N] [skip=N] [seek=N] [conv=notrunc,fsync]\n"
	"   [oflag=dsync]\n"
	"  bs      bytes a block (512); K, M and G are understood\n"
	"  count   blocks to copy (to the end)\n"
	"  skip    blocks of the input to pass over;  seek: of the output\n"
	"  notrunc leaves what the output had;  fsync: ends when it is on the medium\n"
	"  dsync   each block is on the medium before the next\n"
	"What was copied, and how fast, goes to standard error.\n";

#define BLOCK_MAX	(1u << 30)

struct copy {
	const char *from, *to;
	uint64_t bs, count, skip, seek;
	bool notrunc, sync, dsync;
	int in, out;
};

static void
parse_conv(struct copy *c, char *list)
{
	char *save;

	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		if (strcmp(w, "notrunc") == 0)
			c->notrunc = true;
		else if (strcmp(w, "fsync") == 0)
			c->sync = true;
		else
			cmd_usage(w, "no such conversion");
	}
}

static void
parse(struct copy *c, int argc, char **argv)
{
	for (int i = optind; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value)
			cmd_usage(argv[i], "not NAME=VALUE");
		*value++ = 0;
		if (strcmp(argv[i], "if") == 0)
			c->from = value;
		else if (strcmp(argv[i], "of") == 0)
			c->to = value;
		else if (strcmp(argv[i], "bs") == 0)
			c->bs = cmd_number(value);
		else if (strcmp(argv[i], "count") == 0)
			c->count = cmd_number(value);
		else if (strcmp(argv[i], "skip") == 0)
			c->skip = cmd_number(value);
		else if (strcmp(argv[i], "seek") == 0)
			c->seek = cmd_number(value);
		else if (strcmp(argv[i], "conv") == 0)
			parse_conv(c, value);
		else if (strcmp(argv[i], "oflag") == 0 && strcmp(value, "dsync") == 0)
			c->dsync = true;
		else
			cmd_usage(argv[i], "no such operand");
	}
	if (c->bs == 0 || c->bs > BLOCK_MAX)
		cmd_usage("bs", "from 1 to 1G");
	if (c->skip > INT64_MAX / c->bs || c->seek > INT64_MAX / c->bs)
		cmd_usage("skip, seek", "too large");
}

static void
open_both(struct copy *c)
{
	int flags = O_WRONLY | O_CREAT | (c->notrunc || c->seek ? 0 : O_TRUNC) |
		    (c->dsync ? O_DSYNC : 0);

	c->in = c->from ? open(c->from, O_RDONLY) : 0;
	if (c->in < 0)
		cmd_die(c->from);
	c->out = c->to ? open(c->to, flags, 0666) : 1;
	if (c->out < 0)
		cmd_die(c->to);
	if (c->skip && lseek(c->in, (off_t)(c->skip * c->bs), SEEK_SET) < 0)
		cmd_die(c->from ? c->from : "standard input");
	if (c->seek && lseek(c->out, (off_t)(c->seek * c->bs), SEEK_SET) < 0)
		cmd_die(c->to ? c->to : "standard output");
	if (c->seek && !c->notrunc && c->to) {
		struct stat st;

		if (fstat(c->out, &st) == 0 && S_ISREG(st.st_mode) &&
		    ftruncate(c->out, (off_t)(c->seek * c->bs)) < 0)
			cmd_die(c->to);
	}
}

static uint64_t
copy_blocks(const struct copy *c)
{
	char *buf = malloc(c->bs);
	uint64_t total = 0;
	ssize_t n, done, w;

	if (!buf)
		cmd_die("memory");
	for (uint64_t i = 0; i < c->count; i++) {
		n = read(c->in, buf, c->bs);
		if (n < 0)
			cmd_die(c->from ? c->from : "standard input");
		if (n == 0)
			break;
		for (done = 0; done < n; done += w)
			if ((w = write(c->out, buf + done, (size_t)(n - done))) < 0)
				cmd_die(c->to ? c->to : "standard output");
		total += (uint64_t)n;
	}
	free(buf);
	return total;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	struct copy c = { .bs = 512, .count = UINT64_MAX };
	uint64_t total;
	double t;

	while (cmd_option(argc, argv, "", help) != -1)
		;
	parse(&c, argc, argv);
	open_both(&c);
	t = now();
	total = copy_blocks(&c);
	if (c.sync && fsync(c.out) < 0)
		cmd_die(c.to ? c.to : "standard output");
	t = now() - t;
	if (c.to && close(c.out) < 0)
		cmd_die(c.to);
	fprintf(stderr, "%llu bytes, %.3f s, %.1f MiB/s\n", (unsigned long long)total, t,
		t > 0 ? (double)total / t / 1048576 : 0.0);
	return 0;
}
