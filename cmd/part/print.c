/*
 * What `part` prints: the table as lib/blk reads it, and the names of types.
 */
#include <stdio.h>
#include <string.h>
#include "part.h"

static void
print_one(const struct blk_part *p)
{
	char type[40];

	if (p->type_uuid[0])
		snprintf(type, sizeof type, "%s", p->type_uuid);
	else
		snprintf(type, sizeof type, "0x%02x", p->mbr_type);
	printf("part %u %llu %llu %s %s 0x%llx %s%s%s\n", p->number, (unsigned long long)p->start,
	       (unsigned long long)p->nsectors, type, p->uuid, (unsigned long long)p->attributes,
	       p->container  ? "container"
	       : p->bootable ? "boot"
			     : "-",
	       p->label[0] ? " " : "", p->label);
}

void
part_print(const struct blk_table *t)
{
	static const char *const kinds[] = { "none", "mbr", "gpt" };

	printf("table %s%s%s\n", kinds[t->kind], t->uuid[0] ? " " : "", t->uuid);
	for (unsigned i = 0; i < t->nparts; i++)
		print_one(&t->part[i]);
	for (const char *line = t->notes; *line;) {
		size_t len = strcspn(line, "\n");

		printf("note %.*s\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

void
part_print_types(void)
{
	const struct blk_type *t;

	for (unsigned i = 0; (t = blk_type_at(i)); i++) {
		printf("%-14s ", t->name);
		if (t->mbr)
			printf("0x%02x", t->mbr);
		else
			printf("-   ");
		printf(" %s\n", t->uuid ? t->uuid : "-");
	}
}
