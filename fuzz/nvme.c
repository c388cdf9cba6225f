/*
 * What an NVMe controller may answer: any bytes as IDENTIFY pages, logs, completions; and any list
 * of segments as a command's memory.
 */
#include <stdlib.h>
#include <string.h>
#include "nvme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGS = 8, ENTRIES = 32, GUARD = 0x5a };

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
pages(const uint8_t *page)
{
	struct nvme_identity id;
	struct nvme_namespace ns;
	struct nvme_smart smart;
	uint32_t list[NVME_LIST_MAX], word[4];
	unsigned n = nvme_namespace_list(page, list, NVME_LIST_MAX);
	char text[24];

	for (unsigned i = 1; i < n; i++)
		check(list[i] > list[i - 1]);
	nvme_identity(page, NVME_PAGE, &id);
	check(strlen(id.model) <= 40 && strlen(id.serial) <= 20 && strlen(id.firmware) <= 8);
	check(id.nevents && id.naborts);
	if (nvme_namespace(page, &ns) == 0) {
		check(ns.nsectors && ns.secsize >= 512 && ns.secsize <= 4096 && !ns.metadata);
		check(ns.physsecsize >= ns.secsize && !(ns.physsecsize & (ns.physsecsize - 1)));
		check(ns.nsectors <= INT64_MAX / ns.secsize);
	}
	nvme_smart(page, &smart);
	check(nvme_smart_text(&smart, text, sizeof text) < (int)sizeof text);
	memcpy(word, page, sizeof word);
	check(nvme_errno(nvme_completion(word).status) <= 0);
	check(nvme_status_text(nvme_completion(word).status, text, sizeof text) < (int)sizeof text);
}

/* Every entry is right, or the list is refused; nothing is written behind it. */
static void
prps(const uint8_t *data, size_t size)
{
	uint64_t entry[ENTRIES + 1];
	struct nvme_prp_list list = { entry, 0x800, ENTRIES };
	struct nvme_command c = { 0 };
	struct dma_seg seg[SEGS];
	unsigned n = (unsigned)(size / sizeof seg[0]) < SEGS ? (unsigned)(size / sizeof seg[0])
							     : SEGS;

	memcpy(seg, data, n * sizeof seg[0]);
	for (unsigned i = 0; i < n; i++)
		seg[i].bytes &= 0xffff;
	memset(entry, GUARD, sizeof entry);
	if (nvme_prps(&c, seg, n, NVME_PAGE, &list) == 0) {
		check(c.prp1 == seg[0].paddr && !(c.prp1 % 4));
		if (c.prp2 && c.prp2 != 0x800)
			check(!(c.prp2 % NVME_PAGE));
	}
	check(((uint8_t *)&entry[ENTRIES])[0] == GUARD);
}

/* Every byte of the segments is said once, in order, or the list is refused. */
static void
sgl(const uint8_t *data, size_t size)
{
	uint8_t room[ENTRIES * NVME_SGL_SIZE + 1];
	struct nvme_sgl_list list = { room, 0x800, ENTRIES / 8 };
	struct nvme_command c = { 0 };
	struct dma_seg seg[SEGS];
	unsigned n = (unsigned)(size / sizeof seg[0]) < SEGS ? (unsigned)(size / sizeof seg[0])
							     : SEGS;
	uint64_t said = 0, bytes = 0;
	uint32_t length;

	memcpy(seg, data, n * sizeof seg[0]);
	for (unsigned i = 0; i < n; i++) {
		seg[i].bytes &= 0xffff;
		bytes += seg[i].bytes;
	}
	nvme_sgl_is_shorter(seg, n, NVME_PAGE);
	memset(room, GUARD, sizeof room);
	if (nvme_sgl(&c, seg, n, 1, &list) == 0) {
		unsigned many = c.prp2 >> 56 ? (uint32_t)c.prp2 / NVME_SGL_SIZE : 1;

		check(many <= ENTRIES / 8 && c.flags == 0x40);
		for (unsigned i = 0; i < many; i++) {
			memcpy(&length, room + i * NVME_SGL_SIZE + 8, 4);
			check(length && !room[i * NVME_SGL_SIZE + 15]);
			said += length;
		}
		check(said == bytes);
	}
	check(room[ENTRIES / 8 * NVME_SGL_SIZE] == GUARD);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *page = calloc(1, NVME_IDENTIFY_SIZE);

	if (!page)
		return 0;
	memcpy(page, data, size < NVME_IDENTIFY_SIZE ? size : NVME_IDENTIFY_SIZE);
	pages(page);
	prps(data, size);
	sgl(data, size);
	free(page);
	return 0;
}
