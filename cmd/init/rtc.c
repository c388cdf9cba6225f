/*
 * The machine's clock: the date and time in the CMOS memory of a PC [MC146818A], read through
 * /dev/io and written to /dev/time.  Its century is not read: it is in 20xx, and in UTC.
 */
#include "init.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	INDEX = 0x70, DATA = 0x71,
	STATUS_A = 10, STATUS_B = 11, A_UPDATING = 0x80, B_BINARY = 4, B_24_HOURS = 2, PM = 0x80,
	TRIES_MAX = 1000
};
enum { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, NFIELDS };

static const uint8_t registers[NFIELDS] = { 0, 2, 4, 7, 8, 9 };

/* The byte of a register; -1 when the ports cannot be used. */
static int
cmos(int fd, uint8_t reg)
{
	uint8_t v;

	if (pwrite(fd, &reg, 1, INDEX) != 1 || pread(fd, &v, 1, DATA) != 1)
		return -1;
	return v;
}

static int
from_bcd(int v)
{
	return (v >> 4) * 10 + (v & 15);
}

/* Twice the same, and not in the middle of an update: false if that does not come. */
static bool
read_fields(int fd, int v[NFIELDS])
{
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		bool same = true;
		int a;

		for (int i = 0; i < NFIELDS; i++)
			v[i] = cmos(fd, registers[i]);
		for (int i = 0; i < NFIELDS; i++)
			same = same && v[i] >= 0 && cmos(fd, registers[i]) == v[i];
		a = cmos(fd, STATUS_A);
		if (same && a >= 0 && !(a & A_UPDATING))
			return true;
	}
	return false;
}

/* Seconds since 1970; -1 if the clock cannot be read. */
static time_t
rtc_read(int fd)
{
	int v[NFIELDS], status = cmos(fd, STATUS_B);
	struct tm tm = { 0 };
	bool pm;

	if (status < 0 || !read_fields(fd, v))
		return -1;
	pm = !(status & B_24_HOURS) && v[HOUR] & PM;
	if (!(status & B_24_HOURS))
		v[HOUR] &= ~PM;
	for (int i = 0; i < NFIELDS && !(status & B_BINARY); i++)
		v[i] = from_bcd(v[i]);
	tm.tm_sec = v[SECOND];
	tm.tm_min = v[MINUTE];
	tm.tm_hour = status & B_24_HOURS ? v[HOUR] : v[HOUR] % 12 + (pm ? 12 : 0);
	tm.tm_mday = v[DAY];
	tm.tm_mon = v[MONTH] - 1;
	tm.tm_year = 100 + v[YEAR];
	return timegm(&tm);
}

bool
rtc_set_clock(void)
{
	int ports = open("/dev/io", O_RDWR), fd = open("/dev/time", O_WRONLY), n;
	time_t now = ports < 0 ? -1 : rtc_read(ports);
	char text[24];
	bool done = false;

	if (fd >= 0 && now >= 0) {
		n = snprintf(text, sizeof(text), "%lld", (long long)now);
		done = write(fd, text, (size_t)n) == n;
	}
	if (ports >= 0)
		close(ports);
	if (fd >= 0)
		close(fd);
	if (!done)
		fprintf(stderr, "init: the machine's clock cannot be read, it is 1970\n");
	return done;
}
