/* ext4fs: serves an ext2, ext3 or ext4 file system, read-only.  See man/4/ext4fs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "serve.h"

enum { NTHREADS = 4, OPTION_MAX = 32, EXIT_USAGE = 2 };

static struct ext4_served served = {.locks.lock = PTHREAD_MUTEX_INITIALIZER};
static struct ext4_dev dev;
static struct ext4_dev_fd device = {.fd = -1};
static struct ext4_options opt;
static const char *option_text = "";
static bool wrong_option;
static uint64_t part, cache_bytes = EXT4_CACHE_DEFAULT;

/* One of the words of -o, which are separated by commas. */
static int
set_option(const char *word, size_t n)
{
	if (n == 0 || (n == 2 && memcmp(word, "ro", 2) == 0))
		return 0;
	if (n == 6 && memcmp(word, "noload", 6) == 0)
		opt.noload = true;
	else if (n == 7 && memcmp(word, "nocheck", 7) == 0)
		opt.nocheck = true;
	else
		return -EINVAL;
	return 0;
}

static int
check_options(struct sip_server *s)
{
	const char *p = option_text;

	if (s->config.device == NULL)
		return sip_fail(s, -EINVAL, "no -device");
	for (;;) {
		size_t n = strcspn(p, ",");

		if (set_option(p, n) < 0)
			return sip_fail(s, -EINVAL, "-o %.*s: no such option",
			    n < OPTION_MAX ? (int)n : OPTION_MAX, p);
		if (p[n] == 0)
			break;
		p += n + 1;
	}
	if (cache_bytes > SIZE_MAX / 2 || part > UINT32_MAX)
		return sip_fail(s, -EINVAL, "-cache or -part: too large");
	opt.cache_bytes = (size_t)cache_bytes;
	return 0;
}

static int
initialize(struct sip_server *s)
{
	int r = check_options(s);

	s->priv = &served;
	wrong_option = r < 0;
	return r;
}

static int
mount(struct sip_server *s, const char *path)
{
	int r = ext4_dev_open(&dev, &device, path);

	if (r < 0) {
		sip_log(s, "%s", ext4_error_text());
		return r;
	}
	if (part > 0)
		r = ext4_dev_part(&dev, &device, (uint32_t)part);
	if (r == 0)
		r = ext4_mount(&served.fs, &dev, &opt);
	if (r == 0) {
		if (served.fs.replayed)
			sip_log(s, "%s: needs recovery: %zu blocks are read from its journal", path,
			    served.fs.overlay.n);
		return 0;
	}
	ext4_dev_close(&device);
	sip_log(s, "%s: %s", path, ext4_error_text());
	return r;
}

static int
unmount(struct sip_server *s)
{
	(void)s;
	ext4_unlock_all(&served.locks, NULL);
	ext4_unmount(&served.fs);
	ext4_dev_close(&device);
	return 0;
}

static const struct sip_option options[] = {
	{"part", "N", "partition N of the device", SIP_OPT_NUMBER, &part},
	{"o", "OPTIONS", "noload: ignore the journal; nocheck: ignore bad checksums",
	    SIP_OPT_STRING, &option_text},
	{"cache", "SIZE", "memory for blocks (8M)", SIP_OPT_SIZE, &cache_bytes},
	{0},
};
static const struct sip_server_ops server_ops = {.initialize = initialize};
static const struct sip_fs_ops fs_ops = {.mount = mount, .unmount = unmount};

int
main(int argc, char **argv)
{
	static const struct sip_type type = {
		.name = "ext4fs", .about = "Serves an ext2, ext3 or ext4 file system, read-only.",
		.server = &server_ops, .fs = &fs_ops, .p9 = &ext4_ops,
		.options = options, .nthreads = NTHREADS,
	};
	int status = sip_main(argc, argv, &type);

	return wrong_option ? EXIT_USAGE : status;
}
