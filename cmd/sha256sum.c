/*
 * sha256sum: digests of files, or a check of them [FIPS 180-4].  With -r, of every file in a tree:
 * made for comparing whole trees.  Its lists are those of coreutils, without that one's escapes.
 */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "cmd.h"

static const char help[] =
	"sha256sum [-r] [FILE...]: prints the digest of each\n"
	"sha256sum -c [-q] [LIST...]: checks the files in a list that was made in this way\n"
	"  -r  every file in a tree    -q  tells only of failures\n";

#define READ_BYTES	(256 * 1024)

struct sha256 {
	uint32_t h[8];
	uint64_t length;
	unsigned char block[64];
};

static bool check, quiet, recursive;
static int status;

static const uint32_t k256[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static inline uint32_t
rotr(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

/* One round; the eight letters move by one place each time, so the caller turns the names. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                   \
	do {                                                                               \
		uint32_t t = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) +                \
			     (g ^ (e & (f ^ g))) + k256[i] + w[(i) & 15];                  \
		d += t;                                                                    \
		h = t + (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) | (c & (a | b))); \
	} while (0)

static void
expand(uint32_t w[16])
{
	for (unsigned i = 0; i < 16; i++) {
		uint32_t x = w[(i + 1) & 15], y = w[(i + 14) & 15];

		w[i] += (rotr(x, 7) ^ rotr(x, 18) ^ x >> 3) + w[(i + 9) & 15] +
			(rotr(y, 17) ^ rotr(y, 19) ^ y >> 10);
	}
}

static void
sha256_block(uint32_t s[8], const unsigned char *p)
{
	uint32_t a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
	uint32_t w[16];

	for (unsigned i = 0; i < 16; i++) {
		memcpy(&w[i], p + 4 * i, 4);
		w[i] = __builtin_bswap32(w[i]);
	}
	for (unsigned i = 0; i < 64; i += 8) {
		if (i && i % 16 == 0)
			expand(w);
		ROUND(a, b, c, d, e, f, g, h, i);
		ROUND(h, a, b, c, d, e, f, g, i + 1);
		ROUND(g, h, a, b, c, d, e, f, i + 2);
		ROUND(f, g, h, a, b, c, d, e, i + 3);
		ROUND(e, f, g, h, a, b, c, d, i + 4);
		ROUND(d, e, f, g, h, a, b, c, i + 5);
		ROUND(c, d, e, f, g, h, a, b, i + 6);
		ROUND(b, c, d, e, f, g, h, a, i + 7);
	}
	s[0] += a;
	s[1] += b;
	s[2] += c;
	s[3] += d;
	s[4] += e;
	s[5] += f;
	s[6] += g;
	s[7] += h;
}

static void
sha256_start(struct sha256 *s)
{
	static const uint32_t first[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memcpy(s->h, first, sizeof(first));
	s->length = 0;
}

static void
sha256_add(struct sha256 *s, const unsigned char *p, size_t n)
{
	size_t have = s->length % 64, part;

	s->length += n;
	if (have) {
		part = n < 64 - have ? n : 64 - have;
		memcpy(s->block + have, p, part);
		if (have + part < 64)
			return;
		sha256_block(s->h, s->block);
		p += part;
		n -= part;
	}
	for (; n >= 64; p += 64, n -= 64)
		sha256_block(s->h, p);
	memcpy(s->block, p, n);
}

static void
sha256_end(struct sha256 *s, char hex[65])
{
	static const unsigned char pad[64] = { 0x80 };
	uint64_t bits = __builtin_bswap64(s->length * 8);
	size_t have = s->length % 64;

	sha256_add(s, pad, have < 56 ? 56 - have : 120 - have);
	sha256_add(s, (unsigned char *)&bits, 8);
	for (int i = 0; i < 8; i++)
		snprintf(hex + 8 * i, 9, "%08x", s->h[i]);
}

/* 0, or 1 after a message. */
static int
digest_fd(int fd, const char *name, char hex[65])
{
	static unsigned char buf[READ_BYTES];
	struct sha256 s;
	ssize_t n;

	sha256_start(&s);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		sha256_add(&s, buf, (size_t)n);
	sha256_end(&s, hex);
	return n < 0 ? cmd_warn(name) : 0;
}

static int
digest(const char *name, char hex[65])
{
	int fd, rc;

	if (strcmp(name, "-") == 0)
		return digest_fd(0, "standard input", hex);
	fd = open(name, O_RDONLY);
	if (fd < 0)
		return cmd_warn(name);
	rc = digest_fd(fd, name, hex);
	close(fd);
	return rc;
}

static int
visit(const char *path, const struct stat *st, int type, struct FTW *where)
{
	char hex[65];

	(void)where;
	if (type == FTW_NS || type == FTW_DNR)
		status = cmd_warn(path);
	else if (type == FTW_F && S_ISREG(st->st_mode)) {
		if (digest(path, hex) == 0)
			printf("%s  %s\n", hex, path);
		else
			status = 1;
	}
	return 0;
}

static void
print_one(const char *path)
{
	char hex[65];

	if (recursive) {
		if (nftw(path, visit, CMD_TREE_FDS, FTW_PHYS) < 0)
			status = cmd_warn(path);
	} else if (digest(path, hex) == 0) {
		printf("%s  %s\n", hex, path);
	} else {
		status = 1;
	}
}

static void
check_list(FILE *f, const char *list)
{
	char *line = NULL, hex[65];
	size_t cap = 0;
	ssize_t n;
	uint64_t good = 0, bad = 0;

	while ((n = getline(&line, &cap, f)) > 0) {
		if (line[n - 1] == '\n')
			line[--n] = 0;
		if (n < 67 || line[64] != ' ' || strspn(line, "0123456789abcdef") != 64) {
			printf("%s: not a digest and a name: %s\n", list, line);
			bad++;
		} else if (digest(line + 66, hex) || memcmp(line, hex, 64) != 0) {
			printf("%s: FAILED\n", line + 66);
			bad++;
		} else {
			good++;
			if (!quiet)
				printf("%s: OK\n", line + 66);
		}
	}
	free(line);
	if (ferror(f))
		status = cmd_warn(list);
	if (bad || good == 0)
		status = 1;
	printf("%llu files the same, %llu not\n", (unsigned long long)good,
		(unsigned long long)bad);
}

int
main(int argc, char **argv)
{
	FILE *f;
	int c;

	while ((c = cmd_option(argc, argv, "cqr", help)) != -1) {
		check |= c == 'c';
		quiet |= c == 'q';
		recursive |= c == 'r';
	}
	if (optind == argc) {
		if (check)
			check_list(stdin, "standard input");
		else
			print_one("-");
	}
	for (; optind < argc; optind++) {
		if (!check) {
			print_one(argv[optind]);
			continue;
		}
		f = fopen(argv[optind], "r");
		if (!f) {
			status = cmd_warn(argv[optind]);
			continue;
		}
		check_list(f, argv[optind]);
		fclose(f);
	}
	cmd_end(status);
}
