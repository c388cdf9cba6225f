/*
 * A mark: an instruction that does nothing on any system, and that the counting plugin knows by
 * its displacement.  The plugin logs the mark's number and how much was executed before it.
 */
#pragma once

#define MARK_MAGIC	0x4c555800	/* the low byte is the mark's number */

/* Number: a constant, 0..255; nopl MARK_MAGIC+number(%rax). */
#define MARK(number)                                                                   \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long %c0" : : "i"(MARK_MAGIC + (number)) \
			 : "memory")

#define MARK_BEGIN	1	/* a row's work begins */
#define MARK_END	2	/* and ends */
#define MARK_USER	3	/* the first line of the first process */
