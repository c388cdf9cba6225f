/*
 * The text of an error, kept for the thread that met it until its next one.  It is the only state
 * of this file server outside its structs: a reply's text is made far below the place that sends.
 */
#include <stdarg.h>
#include <stdio.h>
#include "iso.h"

static _Thread_local char text[256];

void
iso_set_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
}

const char *
iso_error_text(void)
{
	return text;
}
