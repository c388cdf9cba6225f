/*
 * The usual types of partitions: a name for each, its number in an MBR and its UUID in a GPT.  The
 * first of several with one number or UUID is its name.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "blk_edit.h"

static const struct blk_type types[] = {
	{ "linux", 0x83, "0fc63daf-8483-4772-8e79-3d69d8477de4" },
	{ "swap", 0x82, "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f" },
	{ "efi", 0xef, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" },
	{ "data", 0x07, "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7" },
	{ "fat", 0x0c, "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7" },
	{ "fat16", 0x06, NULL },
	{ "fat16-lba", 0x0e, NULL },
	{ "fat32", 0x0b, NULL },
	{ "extended", 0x0f, NULL },
	{ "extended-chs", 0x05, NULL },
	{ "extended-linux", 0x85, NULL },
	{ "lvm", 0x8e, "e6d6d379-f507-44c2-a23c-238f2a3df928" },
	{ "raid", 0xfd, "a19d880f-05fc-4d3b-a006-743f0f84911e" },
	{ "bios", 0, "21686148-6449-6e6f-744e-656564454649" },
	{ "root", 0, "4f68bce3-e8cd-4db1-96e7-fbcaf984b709" },
	{ "usr", 0, "8484680c-9521-48c6-9c11-b0720656f69e" },
	{ "home", 0, "933ac7e1-2eb4-4f13-b844-0e14e2aef915" },
	{ "var", 0, "4d21b016-b534-45c2-a9fb-5c16e091fd2d" },
	{ "srv", 0, "3b8f8425-20e0-4f3b-907f-1a25a76f98e8" },
	{ "boot", 0, "bc13c2ff-59e6-4262-a352-b275fd6f7172" },
	{ "reserved", 0, "e3c9e316-0b5c-4db8-817d-f92df00215ae" },
	{ "recovery", 0x27, "de94bba4-06d1-4d40-a16a-bfd50179d6ac" },
	{ "plan9", 0x39, "c91818f9-8025-47af-89d2-f030d7000c2c" },
};

const struct blk_type *
blk_type_at(unsigned i)
{
	return i < sizeof types / sizeof types[0] ? &types[i] : NULL;
}

const struct blk_type *
blk_type_find(const char *name)
{
	for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

const char *
blk_type_name(const char *text)
{
	char number[8];

	for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
		snprintf(number, sizeof number, "0x%02x", types[i].mbr);
		if ((types[i].mbr && strcmp(number, text) == 0) ||
		    (types[i].uuid && strcasecmp(types[i].uuid, text) == 0))
			return types[i].name;
	}
	return NULL;
}
