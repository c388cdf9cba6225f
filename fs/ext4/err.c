/*
 * The text of an error, kept for the thread that met it until its next one.  It is the only state
 * of this file server outside its structs: a reply's text is made far below the place that sends.
 */
#include <stdarg.h>
#include <stdio.h>
#include "ext4.h"

static _Thread_local char text[EXT4_ERROR_TEXT];

void
ext4_set_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
}

const char *
ext4_error_text(void)
{
	return text;
}

void
ext4_warn(const struct ext4_fs *fs, const char *fmt, ...)
{
	char line[EXT4_ERROR_TEXT];
	va_list ap;

	if (fs->opt.quiet)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "ext4fs: %s\n", line);
}
