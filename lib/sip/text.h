/* Lines of `name value` and the numbers in them: text.c, private to lib/sip. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_LINE_MAX	512	/* with the NUL */
#define TEXT_FILE_MAX	16384	/* a manifest, a ctl, a status */

/*
 * Takes the next line from *p (which ends at `end`), without its newline and the blanks around it.
 * False at the end.  *toolong tells that the line did not fit; what fits is given.
 */
bool text_line(const char **p, const char *end, char line[TEXT_LINE_MAX], bool *toolong);
/* Cuts the first word off *p, in place; NULL when there is none. */
char *text_word(char **p);
/* Decimal, or hexadecimal with 0x; nothing else around it; at most max. */
bool text_number(const char *s, uint64_t max, uint64_t *out);
/* The same with K, M, G or T after it. */
bool text_size(const char *s, uint64_t *out);
/* Reads a whole file of at most n - 1 bytes, NUL-terminated: its length, -E2BIG, -errno. */
long text_read_file(const char *path, char *buf, size_t n);
long text_read_fd(int fd, char *buf, size_t n);
/* One write of the whole text: 0 or -errno. */
int text_write_fd(int fd, const char *text, size_t n);
