/* wc: counts lines, words and bytes. */
#include <ctype.h>
#include <fcntl.h>

#include "cmd.h"

static const char help[] =
	"wc [-lwc] [FILE...]: counts lines, words and bytes\n"
	"  -l  lines    -w  words    -c  bytes    (all three)\n";

static bool lines, words, bytes;

struct count {
	uint64_t lines, words, bytes;
};

static void
print(const struct count *n, const char *name)
{
	const struct {
		bool wanted;
		uint64_t value;
	} parts[] = { { lines, n->lines }, { words, n->words }, { bytes, n->bytes } };
	const char *gap = "";

	for (int i = 0; i < 3; i++) {
		if (!parts[i].wanted)
			continue;
		printf("%s%llu", gap, (unsigned long long)parts[i].value);
		gap = " ";
	}
	printf("%s%s\n", name ? " " : "", name ? name : "");
}

static int
count(int fd, const char *name, struct count *sum)
{
	static char buf[65536];
	struct count n = { 0 };
	bool inside = false;
	ssize_t got;

	while ((got = read(fd, buf, sizeof(buf))) > 0) {
		n.bytes += (uint64_t)got;
		for (ssize_t i = 0; i < got; i++) {
			n.lines += buf[i] == '\n';
			bool space = isspace((unsigned char)buf[i]);
			n.words += !space && !inside;
			inside = !space;
		}
	}
	if (got < 0)
		return cmd_warn(name ? name : "standard input");
	print(&n, name);
	sum->lines += n.lines;
	sum->words += n.words;
	sum->bytes += n.bytes;
	return 0;
}

int
main(int argc, char **argv)
{
	struct count sum = { 0 };
	int c, fd, rc = 0, n;

	while ((c = cmd_option(argc, argv, "lwc", help)) != -1) {
		lines |= c == 'l';
		words |= c == 'w';
		bytes |= c == 'c';
	}
	if (!lines && !words && !bytes)
		lines = words = bytes = true;
	n = argc - optind;
	if (n == 0)
		cmd_end(count(0, NULL, &sum));
	for (; optind < argc; optind++) {
		fd = open(argv[optind], O_RDONLY);
		if (fd < 0) {
			rc = cmd_warn(argv[optind]);
			continue;
		}
		rc |= count(fd, argv[optind], &sum);
		close(fd);
	}
	if (n > 1)
		print(&sum, "total");
	cmd_end(rc);
}
