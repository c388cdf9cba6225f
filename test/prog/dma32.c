/*
 * dma32 DISK MIB: reads and writes a disk with memory of MIB 1 MiB pieces, so much that some of it
 * is above 4 GiB and some below; each piece is read and compared, and written elsewhere.  Word i of
 * the disk's first half is i; the second half is as large.  Then it says how many bytes went
 * directly between the disk and this program's memory.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include "check.h"

enum { PIECE = 1 << 20, WORDS = PIECE / 8, HALF = 16 };

static uint64_t
direct_bytes(const char *disk)
{
	char path[96], text[4096];
	const char *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/dev/sd/%s/stats", disk);
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	n = read(fd, text, sizeof text - 1);
	CHECK(n > 0);
	text[n] = '\0';
	close(fd);
	at = strstr(text, "direct-bytes ");
	CHECK(at != NULL);
	return strtoull(at + strlen("direct-bytes "), NULL, 10);
}

static void
compare(const uint64_t *mem, unsigned piece)
{
	for (unsigned i = 0; i < WORDS; i++)
		if (mem[i] != (uint64_t)piece * WORDS + i) {
			printf("piece %u, word %u: %lx\n", piece, i, mem[i]);
			CHECK(mem[i] == (uint64_t)piece * WORDS + i);
		}
}

int
main(int argc, char **argv)
{
	unsigned n = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
	uint64_t *mem, direct, *check;
	char path[64];
	int fd;

	CHECK(n > 0);
	snprintf(path, sizeof path, "/dev/sd/%s/data", argv[1]);
	fd = open(path, O_RDWR);
	mem = mmap(NULL, (size_t)n * PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	check = malloc(PIECE);
	CHECK(fd >= 0 && mem != MAP_FAILED && check != NULL);
	for (unsigned i = 0; i < n; i++) /* so that all are there when the first is read */
		memset((char *)mem + (size_t)i * PIECE, 0xee, PIECE);
	direct = direct_bytes(argv[1]);
	for (unsigned i = 0; i < n; i++) {
		uint64_t *piece = mem + (size_t)i * WORDS;
		off_t at = (off_t)(i % HALF) * PIECE;

		CHECK(pread(fd, piece, PIECE, at) == PIECE);
		compare(piece, i % HALF);
		CHECK(pwrite(fd, piece, PIECE, HALF * PIECE + at) == PIECE);
	}
	direct = direct_bytes(argv[1]) - direct;
	printf("dma32: %s: %lu of %lu bytes directly\n", argv[1], direct, 2ul * n * PIECE);
	for (unsigned i = 0; i < HALF; i++) {
		CHECK(pread(fd, check, PIECE, (off_t)(HALF + i) * PIECE) == PIECE);
		compare(check, i);
	}
	return all_right("dma32");
}
