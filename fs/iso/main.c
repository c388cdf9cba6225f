/* isofs: serves an ISO 9660 file system with Rock Ridge or Joliet, read-only.  See man/4/isofs. */
#include "serve.h"
#include "sip.h"

enum { NTHREADS = 4 };
static const uint64_t NONE = UINT64_MAX;

static struct iso_fs fs;
static struct blk_source source;
static struct blk_source_file device = { .fd = -1, .why = iso_set_error };
static struct iso_options opt;
static uint64_t session = NONE, cache_bytes = ISO_CACHE_DEFAULT;
static const struct sip_word words[] = {
	{ "ro", NULL },        { "norock", &opt.norock },   { "nojoliet", &opt.nojoliet },
	{ "hide", &opt.hide }, { "nocheck", &opt.nocheck }, { 0 },
};

static int
initialize(struct sip_server *s)
{
	s->priv = &fs;
	opt.cache_bytes = cache_bytes;
	opt.has_session = session != NONE;
	opt.session = (uint32_t)session;
	return 0;
}

static int
mount(struct sip_server *s, const char *path)
{
	int r = blk_source_open(&source, &device, path);

	if (r < 0) {
		sip_log(s, "%s", iso_error_text());
		return r;
	}
	opt.drive_session = iso_drive_session(path);
	r = iso_mount(&fs, &source, &opt);
	if (r == 0) {
		sip_log(s, "%s: \"%s\", %s, session at sector %u", path, fs.volume.label,
			iso_kind_name(fs.kind), fs.session);
		return 0;
	}
	blk_source_close(&device);
	sip_log(s, "%s: %s", path, iso_error_text());
	return r;
}

static int
unmount(struct sip_server *s)
{
	(void)s;
	iso_unmount(&fs);
	blk_source_close(&device);
	return 0;
}

static const struct sip_option options[] = {
	{ "session", "SECTOR", "where a session begins, other than the last", SIP_OPT_NUMBER32,
	  &session },
	{ "o", "OPTIONS", "norock, nojoliet: not these names; hide; nocheck", SIP_OPT_WORDS,
	  (void *)words },
	{ "cache", "SIZE", "memory for sectors (4M)", SIP_OPT_SIZE, &cache_bytes },
	{ 0 },
};
static const struct sip_server_ops server_ops = { .initialize = initialize };
static const struct sip_fs_ops fs_ops = { .mount = mount,
					  .unmount = unmount,
					  .needs_device = true };

int
main(int argc, char **argv)
{
	static const struct sip_type type = {
		.name = "isofs",
		.about = "Serves an ISO 9660 file system with Rock Ridge or Joliet, read-only.",
		.server = &server_ops,
		.fs = &fs_ops,
		.p9 = &iso_ops,
		.options = options,
		.nthreads = NTHREADS,
	};

	return sip_main(argc, argv, &type);
}
