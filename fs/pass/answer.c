/* Answers: from what an operation has left to what the 9P library sends. */
#include "pass.h"

#include <dirent.h>
#include <os.h>
#include <os_tree.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <lux9/sys.h>

void
pass_forget(struct pass *p, struct pass_answer *a)
{
	if (a->fd >= 0)
		os_close(a->fd);
	pass_file_free(p, a->file);
	free(a->heap);
	*a = (struct pass_answer){ .fd = -1 };
}

/* What the answer made becomes the fid's. */
static void
install(struct p9_req *r, struct pass_answer *a)
{
	if (a->file) {
		a->file->fd = a->fd;
		if (r->in.type == IPC_TATTACH)
			r->fid->aux = a->file;
		else
			r->newfid->aux = a->file;
	} else if (a->fd >= 0) {
		pass_file_of(r->fid)->fd = a->fd;
	}
	a->file = NULL;
	a->fd = -1;
}

/* The file system below may not say what an entry is. */
static uint8_t
type_of(struct p9_req *r, const struct sys_dirent *d)
{
	struct ipc_attr a = { .mode = S_IFREG };
	uint64_t dev;
	int place;

	if (d->type != DT_UNKNOWN)
		return d->type;
	place = os_place_in(pass_file_of(r->fid)->node->place, d->name);
	if (place >= 0) {
		os_getattr(place, &a, &dev);
		os_close(place);
	}
	return (uint8_t)IFTODT(a.mode);
}

static void
give_entries(struct pass *p, struct p9_req *r, const struct pass_answer *a)
{
	uint64_t dev = pass_file_of(r->fid)->node->dev;
	const uint8_t *at = a->data, *end = at + a->length;

	while (end - at >= (ptrdiff_t)sizeof(struct sys_dirent)) {
		const struct sys_dirent *d = (const void *)at;
		uint8_t type = type_of(r, d);
		struct ipc_attr as = { .qid = { .path = d->qid_path, .type =
			type == DT_DIR ? P9_QTDIR : type == DT_LNK ? P9_QTSYMLINK : P9_QTFILE } };
		struct ipc_qid qid = pass_qid(p, &as, dev);

		if (!p9_dirent(r, &qid, (uint64_t)d->offset, type, d->name))
			break;
		at += d->reclen;
	}
	p9_ok(r);
}

void
pass_give(struct pass *p, struct p9_req *r, struct pass_answer *a)
{
	if (a->error) {
		if (a->text[0])
			p9_fail(r, a->error, "%s", a->text);
		else
			p9_fail(r, a->error, NULL);
		pass_forget(p, a);
		return;
	}
	install(r, a);
	switch (a->reply) {
	case PASS_R_OK: p9_ok(r); break;
	case PASS_R_QID: p9_reply_qid(r, &a->qid); break;
	case PASS_R_OPEN: p9_reply_open(r, &a->qid, 0); break;
	case PASS_R_COUNT: p9_reply_count(r, a->count); break;
	case PASS_R_DATA: p9_reply_data(r, a->data, a->length); break;
	case PASS_R_ENTRIES: give_entries(p, r, a); break;
	case PASS_R_ATTR: p9_reply_attr(r, &a->attr); break;
	case PASS_R_STATFS: p9_reply_statfs(r, &a->statfs); break;
	case PASS_R_LOCK: p9_reply_lock(r, &a->lock); break;
	}
	free(a->heap);
	a->heap = NULL;
}
