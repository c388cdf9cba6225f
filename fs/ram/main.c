/* ramfs: a file system in memory, bounded by -size.  See man/4/ramfs. */
#include "ram.h"
#include "sip.h"

#include <errno.h>

#define SIZE_MIN	(64 * 1024)

static struct ram_fs fs;
static uint64_t size = 64 << 20;

static struct ram_fs *
the_fs(struct p9_srv *srv)
{
	(void)srv;
	return &fs;
}

static int
initialize(struct sip_server *s)
{
	if (size < SIZE_MIN || size > INT64_MAX)
		return sip_fail(s, -EINVAL, "-size");
	ram_of = the_fs;
	return ram_fs_init(&fs, size);
}

static const struct sip_option options[] = {
	{ "size", "SIZE", "the most memory it may use (64M)", SIP_OPT_SIZE, &size },
	{ 0 },
};

static const struct sip_server_ops server_ops = { .initialize = initialize };
static const struct sip_fs_ops fs_ops = { 0 };

int
main(int argc, char **argv)
{
	static const struct sip_type type = {
		.name = "ramfs", .about = "A file system in memory.",
		.server = &server_ops, .fs = &fs_ops, .p9 = &ram_ops,
		.options = options, .nthreads = 4,
	};
	return sip_main(argc, argv, &type);
}
