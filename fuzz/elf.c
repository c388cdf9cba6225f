/*
 * elf_parse on any bytes: no fault, and what it accepts keeps its promises.
 */
#include <stdlib.h>

#include "kernel/elf.h"

#define CHECK(x) do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct elf_image image;
	const char *why;
	uint64_t file_size = n, last = ELF_LOW;
	bool entry = false;

	if (elf_parse(data, n < ELF_HEAD_MAX ? n : ELF_HEAD_MAX, file_size, &image, &why) < 0) {
		CHECK(why != NULL);
		return 0;
	}
	CHECK(why == NULL && image.nsegments > 0 && image.nsegments <= ELF_SEGMENTS_MAX);
	for (uint32_t i = 0; i < image.nsegments; i++) {
		const struct elf_segment *s = &image.segment[i];

		CHECK(s->vaddr / 4096 * 4096 >= last && s->memsz > 0 && s->filesz <= s->memsz);
		CHECK(s->offset <= file_size && s->filesz <= file_size - s->offset);
		CHECK((s->vaddr ^ s->offset) % 4096 == 0 && (s->prot & 6) != 6);
		last = (s->vaddr + s->memsz + 4095) / 4096 * 4096;
		CHECK(last > s->vaddr && last <= 0x0000800000000000ul);
		entry |= s->prot & 4 && image.entry >= s->vaddr &&
			 image.entry - s->vaddr < s->filesz;
	}
	CHECK(entry && image.high == last && image.low == image.segment[0].vaddr / 4096 * 4096);
	return 0;
}
