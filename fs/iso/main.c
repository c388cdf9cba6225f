/* isofs: serves an ISO 9660 file system with Rock Ridge or Joliet, read-only.  See man/4/isofs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "serve.h"
#include "sip.h"

enum { NTHREADS = 4, OPTION_MAX = 32, EXIT_USAGE = 2 };

static struct iso_fs fs;
static struct iso_dev dev;
static struct iso_dev_fd device = { .fd = -1 };
static struct iso_options opt;
static const char *option_text = "", *session_text = "";
static bool wrong_option;
static uint64_t cache_bytes = ISO_CACHE_DEFAULT;

/* One of the words of -o, which are separated by commas. */
static int
set_option(const char *word, size_t n)
{
	static const struct {
		const char *name;
		bool *to;
	} words[] = {
		{ "norock", &opt.norock },
		{ "nojoliet", &opt.nojoliet },
		{ "hide", &opt.hide },
		{ "nocheck", &opt.nocheck },
	};

	if (n == 0 || (n == 2 && memcmp(word, "ro", 2) == 0))
		return 0;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (n == strlen(words[i].name) && memcmp(word, words[i].name, n) == 0) {
			*words[i].to = true;
			return 0;
		}
	return -EINVAL;
}

static int
set_session(struct sip_server *s)
{
	char *end;
	unsigned long v;

	if (!session_text[0])
		return 0;
	v = strtoul(session_text, &end, 10);
	if (*end || session_text[0] == '-' || v > UINT32_MAX)
		return sip_fail(s, -EINVAL, "-session %.20s: not a sector", session_text);
	opt.has_session = true;
	opt.session = (uint32_t)v;
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
	if (cache_bytes > SIZE_MAX / 2)
		return sip_fail(s, -EINVAL, "-cache: too large");
	opt.cache_bytes = (size_t)cache_bytes;
	return set_session(s);
}

static int
initialize(struct sip_server *s)
{
	int r = check_options(s);

	s->priv = &fs;
	wrong_option = r < 0;
	return r;
}

static int
mount(struct sip_server *s, const char *path)
{
	int r = iso_dev_open(&dev, &device, path);

	if (r < 0) {
		sip_log(s, "%s", iso_error_text());
		return r;
	}
	r = iso_mount(&fs, &dev, &opt);
	if (r == 0) {
		sip_log(s, "%s: \"%s\", %s, session at sector %u", path, fs.volume.label,
			iso_kind_name(fs.kind), fs.session);
		return 0;
	}
	iso_dev_close(&device);
	sip_log(s, "%s: %s", path, iso_error_text());
	return r;
}

static int
unmount(struct sip_server *s)
{
	(void)s;
	iso_unmount(&fs);
	iso_dev_close(&device);
	return 0;
}

static const struct sip_option options[] = {
	{ "session", "SECTOR", "where a session begins, other than the last", SIP_OPT_STRING,
	  &session_text },
	{ "o", "OPTIONS", "norock, nojoliet: not these names; hide; nocheck", SIP_OPT_STRING,
	  &option_text },
	{ "cache", "SIZE", "memory for sectors (4M)", SIP_OPT_SIZE, &cache_bytes },
	{ 0 },
};
static const struct sip_server_ops server_ops = { .initialize = initialize };
static const struct sip_fs_ops fs_ops = { .mount = mount, .unmount = unmount };

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
	int status = sip_main(argc, argv, &type);

	return wrong_option ? EXIT_USAGE : status;
}
