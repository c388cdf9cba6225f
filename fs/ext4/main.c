/* ext4fs: serves an ext2, ext3 or ext4 file system, read-only.  See man/4/ext4fs. */
#include "serve.h"

enum { NTHREADS = 4 };

static struct ext4_served served;
static struct blk_source source;
static struct blk_source_file device = {.fd = -1, .why = ext4_set_error};
static struct ext4_options opt;
static uint64_t part, cache_bytes = EXT4_CACHE_DEFAULT;
static const struct sip_word words[] = {
	{"ro", NULL}, {"noload", &opt.noload}, {"nocheck", &opt.nocheck}, {0},
};

static int
initialize(struct sip_server *s)
{
	s->priv = &served;
	opt.cache_bytes = cache_bytes;
	return 0;
}

static int
mount(struct sip_server *s, const char *path)
{
	int r = blk_source_open(&source, &device, path);

	if (r < 0) {
		sip_log(s, "%s", ext4_error_text());
		return r;
	}
	if (part > 0)
		r = blk_source_part(&source, &device, (uint32_t)part);
	if (r == 0)
		r = ext4_mount(&served.fs, &source, &opt);
	if (r == 0) {
		if (served.fs.replayed)
			sip_log(s, "%s: needs recovery: %zu blocks are read from its journal", path,
			    served.fs.overlay.n);
		return 0;
	}
	blk_source_close(&device);
	sip_log(s, "%s: %s", path, ext4_error_text());
	return r;
}

static int
unmount(struct sip_server *s)
{
	(void)s;
	ext4_unlock_all(&served.locks, NULL);
	ext4_unmount(&served.fs);
	blk_source_close(&device);
	return 0;
}

static const struct sip_option options[] = {
	{"part", "N", "partition N of the device", SIP_OPT_NUMBER32, &part},
	{"o", "OPTIONS", "noload: ignore the journal; nocheck: ignore bad checksums",
	    SIP_OPT_WORDS, (void *)words},
	{"cache", "SIZE", "memory for blocks (8M)", SIP_OPT_SIZE, &cache_bytes},
	{0},
};
static const struct sip_server_ops server_ops = {.initialize = initialize};
static const struct sip_fs_ops fs_ops = {.mount = mount, .unmount = unmount, .needs_device = true};

int
main(int argc, char **argv)
{
	static const struct sip_type type = {
		.name = "ext4fs", .about = "Serves an ext2, ext3 or ext4 file system, read-only.",
		.server = &server_ops, .fs = &fs_ops, .p9 = &ext4_ops,
		.options = options, .nthreads = NTHREADS,
	};

	return sip_main(argc, argv, &type);
}
