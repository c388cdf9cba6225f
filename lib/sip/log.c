/*
 * Messages for people: one line each, "NAME: text", in one write on standard error and one on the
 * server's log.  No lock: a write of a short line is not divided.
 */
#include "os.h"
#include "sip.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX	512

static void SIP_PRINTF(2, 0)
put(struct sip_server *s, const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX];
	int n = snprintf(line, sizeof line, "%.31s: ", s->config.name ? s->config.name : "sip");
	int m = vsnprintf(line + n, sizeof line - (size_t)n - 1, fmt, ap);
	if (m < 0)
		return;
	size_t len = (size_t)n + (size_t)m;
	if (len > sizeof line - 2)
		len = sizeof line - 2;
	for (size_t i = 0; i < len; i++)	/* a device's or client's text stays one line */
		if ((unsigned char)line[i] < ' ')
			line[i] = '?';
	line[len++] = '\n';
	s->nmessages++;
	ssize_t ignored = write(STDERR_FILENO, line, len);
	if (s->log_fd >= 0)
		ignored = write(s->log_fd, line, len);
	(void)ignored;
}

void
sip_log(struct sip_server *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	put(s, fmt, ap);
	va_end(ap);
}

void
sip_debug(struct sip_server *s, const char *fmt, ...)
{
	va_list ap;
	if (!s->config.debug)
		return;
	va_start(ap, fmt);
	put(s, fmt, ap);
	va_end(ap);
}

static void SIP_PRINTF(3, 0)
fail(struct sip_server *s, const char *why, const char *fmt, va_list ap)
{
	char text[2 * SIP_TEXT_MAX];
	int n = vsnprintf(text, SIP_TEXT_MAX, fmt, ap);
	if (n >= SIP_TEXT_MAX)
		n = SIP_TEXT_MAX - 1;
	if (n >= 0 && why[0])
		snprintf(text + n, sizeof text - (size_t)n, ": %.*s", SIP_TEXT_MAX - 1, why);
	snprintf(s->failure, sizeof s->failure, "%.*s", SIP_TEXT_MAX - 1, text);
	sip_log(s, "%s", text);
}

int
sip_fail(struct sip_server *s, int err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fail(s, err < 0 ? strerror(-err) : "", fmt, ap);
	va_end(ap);
	return err;
}

int
sip_refused(struct sip_server *s, int err, const char *fmt, ...)
{
	char why[OS_ERRSTR_MAX];
	va_list ap;
	bool words = os_errstr(why, sizeof why) > 0;
	va_start(ap, fmt);
	fail(s, words ? why : strerror(-err), fmt, ap);
	va_end(ap);
	return err;
}
