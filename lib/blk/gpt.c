/*
 * The GUID partition table [UEFI 2.10, 5.3].
 *
 * The primary header is in sector 1 and its backup in the last sector; each has a CRC of itself
 * and one of its array of entries.  The primary is used when both of its CRCs are right, else the
 * backup, with a note.  Entries are 128 bytes times a power of two; the array is at most
 * GPT_MAX_ARRAY bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gpt.h"

/* Reflected CRC, four bits at a time. */
uint32_t
blk_crc32(uint32_t crc, const void *data, size_t n)
{
	static const uint32_t nibble[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const uint8_t *p = data;

	crc = ~crc;
	for (; n; n--, p++) {
		crc = crc >> 4 ^ nibble[(crc ^ *p) & 15];
		crc = crc >> 4 ^ nibble[(crc ^ (uint32_t)*p >> 4) & 15];
	}
	return ~crc;
}

void
blk_uuid_text(char text[BLK_UUID_TEXT], const uint8_t *g)
{
	snprintf(text, 37, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x", blk_get32(g),
		 blk_get16(g + 4), blk_get16(g + 6), g[8], g[9], g[10], g[11], g[12], g[13], g[14],
		 g[15]);
}

static char *
put_utf8(char *out, uint32_t c)
{
	if (c < 0x80)
		*out++ = (char)(c < 0x20 || c == 0x7f || c == '/' ? '_' : c);
	else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

/* UTF-16LE to UTF-8: at most three bytes a unit, since a pair makes four. */
static void
label_text(char *out, const uint8_t *name)
{
	for (unsigned i = 0; i < GPT_NAME_UNITS; i++) {
		uint32_t c = blk_get16(name + 2 * i);

		if (!c)
			break;
		if (c >= 0xd800 && c < 0xdc00 && i + 1 < GPT_NAME_UNITS) {
			uint32_t low = blk_get16(name + 2 * (i + 1));

			if (low >= 0xdc00 && low < 0xe000) {
				c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
				i++;
			}
		}
		if (c >= 0xd800 && c < 0xe000)
			c = 0xfffd; /* half a pair */
		out = put_utf8(out, c);
	}
	*out = '\0';
}

/* NULL, or what is wrong with it. */
static const char *
check_header(const struct blk_scan *s, uint8_t *sector, uint64_t lba, struct blk_gpt *h)
{
	uint32_t size = blk_get32(sector + GPT_H_SIZE), crc = blk_get32(sector + GPT_H_CRC);

	if (memcmp(sector + GPT_H_SIGNATURE, "EFI PART", 8) != 0)
		return "no signature";
	if (size < GPT_HEADER_MIN || size > s->secsize)
		return "bad header size";
	memset(sector + GPT_H_CRC, 0, 4);
	if (blk_crc32(0, sector, size) != crc)
		return "header checksum is wrong";
	if (blk_get64(sector + GPT_H_MY_LBA) != lba)
		return "it belongs to another sector";
	h->lba = lba;
	h->alternate = blk_get64(sector + GPT_H_ALTERNATE_LBA);
	h->first_usable = blk_get64(sector + GPT_H_FIRST_USABLE);
	h->last_usable = blk_get64(sector + GPT_H_LAST_USABLE);
	h->entries_lba = blk_get64(sector + GPT_H_ENTRIES_LBA);
	h->nentries = blk_get32(sector + GPT_H_NENTRIES);
	h->entry_size = blk_get32(sector + GPT_H_ENTRY_SIZE);
	h->entries_crc = blk_get32(sector + GPT_H_ENTRIES_CRC);
	memcpy(h->guid, sector + GPT_H_GUID, sizeof h->guid);
	if (h->last_usable >= s->nsectors || h->first_usable < 2 ||
	    h->first_usable > h->last_usable)
		return "usable sectors are not in the disk";
	if (h->entry_size < GPT_ENTRY_MIN || h->entry_size > GPT_ENTRY_MAX ||
	    (h->entry_size & (h->entry_size - 1)))
		return "bad entry size";
	if (!h->nentries || h->nentries > GPT_MAX_ARRAY / h->entry_size)
		return "bad number of entries";
	return NULL;
}

static const char *
read_array(const struct blk_scan *s, const struct blk_gpt *h, uint8_t *array)
{
	uint32_t n = gpt_array_sectors(h, s->secsize);

	if (h->entries_lba < 2 || h->entries_lba >= s->nsectors || n > s->nsectors - h->entries_lba)
		return "entries are not in the disk";
	if (s->read(s->ctx, h->entries_lba, n, array) < 0)
		return "entries cannot be read";
	if (blk_crc32(0, array, (size_t)h->nentries * h->entry_size) != h->entries_crc)
		return "checksum of the entries is wrong";
	return NULL;
}

const char *
blk_gpt_read(const struct blk_scan *s, uint64_t lba, struct blk_gpt *out, uint8_t *array)
{
	uint8_t sector[BLK_MAX_SECTOR];
	const char *why;

	if (!lba || lba >= s->nsectors)
		return "it is not in the disk";
	if (s->read(s->ctx, lba, 1, sector) < 0)
		return "it cannot be read";
	why = check_header(s, sector, lba, out);
	return why ? why : read_array(s, out, array);
}

/* Whether it holds sectors of one of the copies: who may write it could write the table. */
static bool
holds_table(const struct blk_scan *s, const struct blk_gpt *copy, const struct blk_part *p)
{
	for (unsigned i = 0; i < GPT_NCOPIES; i++)
		if (copy[i].lba &&
		    (blk_overlap(p, copy[i].lba, 1) ||
		     blk_overlap(p, copy[i].entries_lba, gpt_array_sectors(&copy[i], s->secsize))))
			return true;
	return false;
}

static void
take_entry(struct blk_scan *s, const struct blk_gpt *copy, const struct blk_gpt *h,
	   const uint8_t *e, uint32_t number)
{
	uint64_t first = blk_get64(e + GPT_E_FIRST), last = blk_get64(e + GPT_E_LAST);
	struct blk_part p = { .number = number, .start = first, .nsectors = last - first + 1 };

	if (first > last) {
		blk_refuse(s, &p, "ends at %llu, before its first sector %llu",
			   (unsigned long long)last, (unsigned long long)first);
		return;
	}
	if (first < h->first_usable || last > h->last_usable) {
		blk_refuse(s, &p, "sectors %llu to %llu are outside of the usable ones",
			   (unsigned long long)first, (unsigned long long)last);
		return;
	}
	if (holds_table(s, copy, &p)) {
		blk_refuse(s, &p, "holds sectors of the table");
		return;
	}
	p.attributes = blk_get64(e + GPT_E_ATTRIBUTES);
	p.bootable = p.attributes & 4;
	blk_uuid_text(p.type_uuid, e + GPT_E_TYPE);
	blk_uuid_text(p.uuid, e + GPT_E_GUID);
	label_text(p.label, e + GPT_E_NAME);
	blk_take(s, &p);
}

static bool
same_table(const struct blk_gpt *a, const struct blk_gpt *b)
{
	return a->first_usable == b->first_usable && a->last_usable == b->last_usable &&
	       a->nentries == b->nentries && a->entry_size == b->entry_size &&
	       a->entries_crc == b->entries_crc && memcmp(a->guid, b->guid, sizeof a->guid) == 0;
}

/*
 * Both copies; what is wrong with one is noted, and its lba is 0.  The one to use, its entries in
 * array; or NULL.
 */
static const struct blk_gpt *
read_copies(struct blk_scan *s, struct blk_gpt copy[GPT_NCOPIES], uint8_t *array)
{
	uint64_t last = s->nsectors - 1;
	struct blk_gpt *primary = &copy[0], *backup = &copy[1];
	const char *why = blk_gpt_read(s, 1, primary, array), *why_backup;

	why_backup = blk_gpt_read(s, last, backup, array);
	if (why) {
		blk_note(s, "gpt: primary: %s", why);
		primary->lba = 0;
	} else if (why_backup && primary->alternate != last &&
		   blk_gpt_read(s, primary->alternate, backup, array) == NULL) {
		blk_note(s, "gpt: backup: it is not in the last sector");
		why_backup = NULL;
	}
	if (why_backup) {
		blk_note(s, "gpt: backup: %s", why_backup);
		backup->lba = 0;
	}
	if (why)
		return why_backup ? NULL : backup;
	if (!why_backup && !same_table(primary, backup))
		blk_note(s, "gpt: backup: it differs from the primary");
	why = read_array(s, primary, array); /* the backup's are there now */
	if (!why)
		return primary;
	blk_note(s, "gpt: primary: %s", why);
	return NULL;
}

bool
blk_gpt_scan(struct blk_scan *s)
{
	struct blk_gpt copy[GPT_NCOPIES] = { 0 };
	const struct blk_gpt *h;
	uint8_t *array = malloc(GPT_MAX_ARRAY + BLK_MAX_SECTOR);

	if (!array) {
		blk_note(s, "gpt: no memory for its entries");
		return false;
	}
	h = read_copies(s, copy, array);
	if (h)
		blk_uuid_text(s->table->uuid, h->guid);
	for (uint32_t i = 0; h && i < h->nentries; i++) {
		const uint8_t *e = array + (size_t)i * h->entry_size;

		if (!gpt_is_zero(e + GPT_E_TYPE, GPT_GUID_SIZE))
			take_entry(s, copy, h, e, i + 1);
	}
	free(array);
	return h;
}

void
blk_gpt_hint(struct blk_scan *s)
{
	uint8_t sector[BLK_MAX_SECTOR];

	for (uint32_t size = BLK_MIN_SECTOR; size <= BLK_MAX_SECTOR; size *= 2) {
		uint64_t lba = size / s->secsize;

		if (lba >= s->nsectors || s->read(s->ctx, lba, 1, sector) < 0 ||
		    memcmp(sector + size % s->secsize, "EFI PART", 8) != 0)
			continue;
		if (size != s->secsize)
			blk_note(s, "gpt: there is one for sectors of %u bytes; these have %u",
				 size, s->secsize);
		else if (!s->table->notes[0])
			blk_note(s, "gpt: there is one without a protective mbr: it is not used");
	}
}
