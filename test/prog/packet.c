/*
 * The packet file of a disk, as its users see it: packet DISK [write].  SCSI's commands through it,
 * against what the other files of the disk say; what is no command; an answer that belongs to an
 * open file.  With `write`, sector WRITTEN is changed by a packet.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEAD = 32, ANSWER = 40, MAX = 65536, FIRST = 3, COUNT = 4, WRITTEN = 9 };
enum { NONE, FROM, TO, GOOD = 0, CHECK_CONDITION = 2 };

struct packet {
	const char *cdb;
	unsigned cdb_bytes, direction, bytes;
	const uint8_t *data; /* to the device */

	unsigned status, sense_bytes, moved;
	uint8_t answer[ANSWER + MAX];
};

static const char *disk;

static void
fail(const char *what)
{
	printf("packet: %s: %s: %s\n", disk, what, strerror(errno));
	exit(1);
}

static int
open_of(const char *name, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "/dev/sd/%s/%s", disk, name);
	fd = open(path, flags);
	if (fd < 0)
		fail(path);
	return fd;
}

static uint32_t
be32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

/* The command as written; how many bytes. */
static size_t
put(const struct packet *p, uint8_t *b)
{
	uint32_t timeout_ms = 5000;

	memset(b, 0, HEAD);
	b[0] = (uint8_t)p->direction;
	b[1] = (uint8_t)p->cdb_bytes;
	memcpy(b + 4, &p->bytes, 4);
	memcpy(b + 8, &timeout_ms, 4);
	memcpy(b + 16, p->cdb, p->cdb_bytes);
	if (p->direction != TO)
		return HEAD;
	memcpy(b + HEAD, p->data, p->bytes);
	return HEAD + p->bytes;
}

static void
send_packet(int fd, struct packet *p)
{
	static uint8_t b[HEAD + MAX];
	size_t n = put(p, b);
	ssize_t got;

	if (write(fd, b, n) != (ssize_t)n)
		fail("a command");
	got = pread(fd, p->answer, sizeof p->answer, 0);
	if (got < ANSWER)
		fail("an answer");
	p->status = p->answer[0];
	p->sense_bytes = p->answer[1];
	memcpy(&p->moved, p->answer + 4, 4);
	if (p->direction != TO && (size_t)got != ANSWER + p->moved)
		fail("the answer's length");
}

static void
good(int fd, struct packet *p, unsigned moved)
{
	send_packet(fd, p);
	if (p->status != GOOD || p->moved != moved) {
		printf("packet: status %u, %u bytes, not %u\n", p->status, p->moved, moved);
		fail("a good answer");
	}
}

/* What is no command is refused before the device sees it. */
static void
refuse(int fd, const void *b, size_t n)
{
	if (write(fd, b, n) >= 0 || errno != EINVAL)
		fail("what is no command");
}

static void
what_is_no_command(int fd)
{
	struct packet p = { .cdb = "\0\0\0\0\0\0", .cdb_bytes = 6 };
	uint8_t b[HEAD + MAX];

	put(&p, b);
	refuse(fd, b, HEAD - 1);
	b[1] = 7;
	refuse(fd, b, HEAD);
	b[1] = 6;
	b[22] = 1;
	refuse(fd, b, HEAD);
	b[22] = 0;
	b[0] = TO + 1;
	refuse(fd, b, HEAD);
	b[0] = FROM;
	refuse(fd, b, HEAD);
}

/* Its size is what `geometry` says; and the sectors are those of `data`. */
static void
same_disk(int fd, unsigned secsize)
{
	char read10[] = { 0x28, 0, 0, 0, 0, FIRST, 0, 0, COUNT, 0 };
	static uint8_t sectors[COUNT * 4096];
	struct packet p = { .cdb = read10,
			    .cdb_bytes = sizeof read10,
			    .direction = FROM,
			    .bytes = COUNT * secsize };
	int data = open_of("data", O_RDONLY);

	good(fd, &p, COUNT * secsize);
	if (pread(data, sectors, p.bytes, (off_t)FIRST * secsize) != (ssize_t)p.bytes)
		fail("data");
	if (memcmp(sectors, p.answer + ANSWER, p.bytes) != 0)
		fail("other sectors than those of data");
	close(data);
	printf("packet: %s: the same sectors\n", disk);
}

static void
write_one(int fd, unsigned secsize)
{
	char write10[] = { 0x2a, 0, 0, 0, 0, WRITTEN, 0, 0, 1, 0 };
	static uint8_t sector[4096], got[4096];
	struct packet p = { .cdb = write10,
			    .cdb_bytes = sizeof write10,
			    .direction = TO,
			    .bytes = secsize,
			    .data = sector };
	int data = open_of("data", O_RDONLY);

	memset(sector, 'P', secsize);
	good(fd, &p, secsize);
	if (pread(data, got, secsize, (off_t)WRITTEN * secsize) != (ssize_t)secsize ||
	    memcmp(got, sector, secsize) != 0)
		fail("what a packet has written");
	close(data);
	printf("packet: %s: written\n", disk);
}

int
main(int argc, char **argv)
{
	struct packet inquiry = { .cdb = "\x12\0\0\0\x24\0", .cdb_bytes = 6, .direction = FROM,
				  .bytes = 36 };
	struct packet capacity = { .cdb = "\x25\0\0\0\0\0\0\0\0\0", .cdb_bytes = 10,
				   .direction = FROM, .bytes = 8 };
	struct packet ready = { .cdb = "\0\0\0\0\0\0", .cdb_bytes = 6 };
	struct packet unknown = { .cdb = "\xc2\0\0\0\0\0\0\0\0\0\0", .cdb_bytes = 12 };
	unsigned secsize;
	int fd, other;
	uint8_t b;

	if (argc < 2)
		return 2;
	disk = argv[1];
	fd = open_of("packet", O_RDWR);
	other = open_of("packet", O_RDWR);
	if (pread(fd, &b, 1, 0) >= 0 || errno != ENODATA)
		fail("an answer without a command");
	good(fd, &inquiry, 36);
	printf("packet: %s: type %u '%.8s' '%.16s'\n", disk, inquiry.answer[ANSWER] & 31u,
	       inquiry.answer + ANSWER + 8, inquiry.answer + ANSWER + 16);
	good(fd, &ready, 0);
	good(fd, &capacity, 8);
	secsize = be32(capacity.answer + ANSWER + 4);
	printf("packet: %s: %u sectors of %u\n", disk, be32(capacity.answer + ANSWER) + 1, secsize);
	if (secsize > 4096)
		fail("sectors");
	send_packet(fd, &unknown);
	if (unknown.status != CHECK_CONDITION || unknown.sense_bytes < 14)
		fail("an unknown command");
	printf("packet: %s: sense %x/%02x/%02x\n", disk, unknown.answer[10] & 15,
	       unknown.answer[20], unknown.answer[21]);
	if (pread(other, &b, 1, 0) >= 0 || errno != ENODATA)
		fail("another's answer");
	what_is_no_command(fd);
	same_disk(fd, secsize);
	if (argc > 2)
		write_one(fd, secsize);
	printf("packet: %s: all right\n", disk);
	return 0;
}
