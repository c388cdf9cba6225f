/*
 * Name spaces as disks.  What the controller says of them is compared with what is shown: new
 * ones come, others go, and one that is not what it was is another.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ctlr.h"

/*
 * A page that is larger than the processor's holds pieces of different requests' memory, which only
 * SGLs can tell of.
 */
static void
fill_info(const struct nvme_ctlr *c, uint32_t nsid, const struct nvme_namespace *ns,
	  struct blk_info *info)
{
	const struct nvme_identity *id = &c->id;
	uint64_t bytes = id->max_bytes && id->max_bytes < BLK_IO_MAX ? id->max_bytes : BLK_IO_MAX;

	snprintf(info->name, sizeof info->name, "sdN%u",
		 c->d.number * NVME_NAMESPACES_MAX + nsid - 1);
	snprintf(info->model, sizeof info->model, "%s", id->model);
	snprintf(info->serial, sizeof info->serial, "%s", id->serial);
	snprintf(info->firmware, sizeof info->firmware, "%s", id->firmware);
	snprintf(info->features, sizeof info->features, "%sfua%s%s%s%s%s smart solid-state",
		 id->volatile_cache ? "write-cache flush " : "", id->deallocate ? " trim" : "",
		 id->deallocate && ns->deallocated_zero ? " trim-zeroes" : "",
		 id->write_zeroes ? " write-zeroes" : "", id->sgl_align ? " sgl" : "",
		 ns->thin ? " thin" : "");
	info->nsectors = ns->nsectors;
	info->secsize = ns->secsize;
	info->physsecsize = ns->physsecsize;
	info->max_sectors = (uint32_t)(bytes / ns->secsize);
	info->discard_sectors = NVME_DISCARD_SECTORS;
	info->zero_sectors = NVME_BLOCKS_MAX;
	info->queue_depth = atomic_load(&c->active) * c->queue[0].q.depth;
	info->align = 4;
	if (c->page == NVME_PAGE)
		info->max_segs = NVME_LIST_ENTRIES + 1;
	else {
		info->max_segs = id->sgl_align ? NVME_SGL_ENTRIES : 1;
		info->align = id->sgl_align ? id->sgl_align : 4;
	}
	info->direct = true;
}

static int
add(struct nvme_ctlr *c, uint32_t nsid, const struct nvme_namespace *ns, bool show)
{
	struct drive_disk *d = drive_disk_new(&c->port, sizeof(struct nvme_disk));
	struct nvme_disk *n;

	if (!d)
		return -ENOMEM;
	n = d->priv;
	n->nsid = nsid;
	n->ns = *ns;
	d->flushes = c->id.volatile_cache;
	d->fua = true;
	d->trims = c->id.deallocate;
	d->zeroes = c->id.write_zeroes;
	d->ranges = NVME_RANGES_MAX;
	d->range_sectors = NVME_DISCARD_SECTORS;
	fill_info(c, nsid, ns, &d->info);
	c->disk[nsid - 1] = d;
	if (show)
		drive_disk_show(d);
	return 0;
}

static bool
same(const struct nvme_namespace *a, const struct nvme_namespace *b)
{
	return a->nsectors == b->nsectors && a->secsize == b->secsize &&
	       memcmp(a->id, b->id, sizeof a->id) == 0;
}

static int
look(struct nvme_ctlr *c, uint32_t nsid, bool show)
{
	uint8_t page[NVME_IDENTIFY_SIZE];
	struct drive_disk **d = &c->disk[nsid - 1];
	struct nvme_namespace ns = { 0 };
	int err;

	err = nvme_admin(c, nvme_cmd_identify(NVME_CNS_NAMESPACE, nsid, 0), page, sizeof page,
			 NULL);
	if (err == -ETIMEDOUT || (err < 0 && err != -ENODEV && err != -EINVAL))
		return err;
	if (err == 0)
		err = nvme_namespace(page, &ns);
	if (err == -ENOTSUP)
		sip_log(c->d.server,
			"%s: name space %u is left alone: its format has sectors of %u bytes and "
			"%u of metadata",
			c->d.dev->info.addr, nsid, ns.secsize, ns.metadata);
	if (*d && (err < 0 || !same(&((struct nvme_disk *)(*d)->priv)->ns, &ns))) {
		drive_disk_drop(*d, "the name space is gone");
		*d = NULL;
	}
	return err == 0 && !*d ? add(c, nsid, &ns, show) : 0;
}

/* The active ones, as bits; an old controller has no list of them. */
static int
list(struct nvme_ctlr *c, uint32_t *bits)
{
	uint32_t nsid[NVME_NAMESPACES_MAX], all = c->id.nnamespaces;
	uint8_t page[NVME_IDENTIFY_SIZE];
	unsigned n;
	int err;

	err = nvme_admin(c, nvme_cmd_identify(NVME_CNS_LIST, 0, 0), page, sizeof page, NULL);
	*bits = all < NVME_NAMESPACES_MAX ? (1u << all) - 1 : UINT32_MAX;
	if (err < 0)
		return err == -EINVAL ? 0 : err;
	*bits = 0;
	n = nvme_namespace_list(page, nsid, NVME_NAMESPACES_MAX);
	for (unsigned i = 0; i < n; i++)
		if (nsid[i] <= NVME_NAMESPACES_MAX)
			*bits |= 1u << (nsid[i] - 1);
		else
			sip_log(c->d.server, "%s: name space %u is left alone: only %u are driven",
				c->d.dev->info.addr, nsid[i], NVME_NAMESPACES_MAX);
	return 0;
}

int
nvme_scan(struct nvme_ctlr *c, bool show)
{
	uint32_t bits;
	int err = list(c, &bits);

	for (uint32_t nsid = 1; err == 0 && nsid <= NVME_NAMESPACES_MAX; nsid++) {
		struct drive_disk *d = c->disk[nsid - 1];

		if (bits >> (nsid - 1) & 1)
			err = look(c, nsid, show);
		else if (d) {
			c->disk[nsid - 1] = NULL;
			drive_disk_drop(d, "the name space is gone");
		}
	}
	return err;
}
