/*
 * The boot archive.  boot.c.
 */
#pragma once
#include <stddef.h>

/* A ustar archive of n bytes that stays where it is.  Once, before anybody looks at /boot. */
void boot_archive_set(const void *p, size_t n);
