/* One pass-through file system, from its directory to its end. */
#include "pass.h"

#include <errno.h>
#include <os.h>
#include <os_tree.h>

static int
open_root(struct pass *p, const char *dir)
{
	struct pass_node *root;
	struct ipc_qid qid;
	int place = os_place(dir);
	int rc = place < 0 ? place : pass_node_of(p, place, NULL, &root, &qid);

	if (rc < 0)
		return rc;
	if (!(qid.type & P9_QTDIR)) {
		pass_node_put(p, root);
		os_set_errstr("%s: not a directory", dir);
		return -ENOTDIR;
	}
	p->root = root;
	return 0;
}

int
pass_init(struct pass *p, const char *dir)
{
	*p = (struct pass){ .reorder_ms = PASS_REORDER_MS };
	pthread_mutex_init(&p->nodes_lock, NULL);
	pass_rules_init(&p->rules);
	int rc = open_root(p, dir);
	if (rc < 0)
		return rc;
	rc = pass_late_start(p);
	if (rc < 0)
		pass_node_put(p, p->root);
	return rc;
}

void
pass_end(struct pass *p)
{
	pass_late_end(p);
	pass_node_put(p, p->root);
}
