/*
 * The name-space calls: bind, mount, unmount.
 */
#include "cap.h"
#include "fd.h"
#include "name.h"
#include "proc.h"
#include "syscall.h"
#include "userpath.h"

#define WAIT_MAX_NS	86400000000000ull
#define FLAGS (SYS_MBEFORE | SYS_MAFTER | SYS_MCREATE)

static int
allowed(uint64_t flags)
{
	if (proc_current()->no_mount)
		return error(EPERM, "this process may not change its name space");
	if (flags & ~(uint64_t)FLAGS)
		return error(EINVAL, "bad mount flags 0x%lx", flags);
	return cap_check(CAP_FILE_SYSTEM) < 0 ? -EACCES : 0;
}

static int
lookup(uint64_t user, enum name_what what, struct chan **out)
{
	struct user_path path;
	int r = user_path_get(&path, user);

	if (r < 0)
		return r;
	r = name_lookup(NULL, path.text, what, 0, 0, out);
	user_path_put(&path);
	return r;
}

int64_t
sys_bind(const uint64_t a[6])
{
	struct chan *new_, *old;
	int r = allowed(a[2]);

	if (r == 0)
		r = lookup(a[0], NAME_WALK, &new_);
	if (r < 0)
		return r;
	r = lookup(a[1], NAME_MOUNT_POINT, &old);
	if (r == 0) {
		r = ns_mount(ns_current(), new_, old, (unsigned)a[2]);
		chan_put(old);
	}
	chan_put(new_);
	return r;
}

/* That tree of the service is mounted there already, and is recoverable. */
static bool
is_mounted(struct chan *service, const char *aname, const struct chan *old)
{
	struct mount_head *now = ns_find(ns_current(), old->dev, old->id, old->qid.path);
	bool is = false;

	for (int i = 0; now && i < now->n && !is; i++)
		is = mnt_is(now->member[i].to, service, aname);
	mount_head_put(now);
	return is;
}

/* A recoverable mount is made once: the successor of a server need not know that it is one. */
static int
mount_on(struct chan *service, struct chan *old, const char *aname, const uint64_t a[6])
{
	struct chan *root;
	int r;

	if (a[4] != 0 && is_mounted(service, aname, old))
		return 0;
	r = mnt_attach(service, aname, a[4], &root);
	if (r < 0)
		return r;
	path_put(root->path);
	root->path = path_get(service->path);
	r = ns_mount(ns_current(), root, old, (unsigned)a[2] | MOUNT_SERVER);
	chan_put(root);
	return r;
}

int64_t
sys_mount(const uint64_t a[6])
{
	struct chan *service = NULL, *old;
	struct user_path aname;
	int r = allowed(a[2]);

	aname.text = aname.small;
	aname.small[0] = '\0';
	if (r == 0 && a[4] > WAIT_MAX_NS)
		r = error(EINVAL, "mount: nobody waits for longer than a day");
	if (r == 0 && a[3] != 0)
		r = user_path_get(&aname, a[3]);
	if (r < 0)
		return r;
	r = lookup(a[1], NAME_MOUNT_POINT, &old);
	if (r == 0) {
		service = fd_get((int)a[0]);
		r = service ? mount_on(service, old, aname.text, a) : -EBADF;
		chan_put(old);
	}
	user_path_put(&aname);
	chan_put(service);
	return r;
}

/* A server that has gone may have no name any more: it goes by the one that it was mounted by. */
int64_t
sys_unmount(const uint64_t a[6])
{
	struct chan *new_ = NULL, *old;
	struct user_path path;
	int r = allowed(0);

	if (r == 0)
		r = lookup(a[1], NAME_MOUNT_POINT, &old);
	if (r < 0)
		return r;
	if (a[0] == 0) {
		r = ns_unmount(ns_current(), NULL, NULL, old);
	} else if ((r = user_path_get(&path, a[0])) == 0) {
		r = name_lookup(NULL, path.text, NAME_WALK, 0, 0, &new_);
		if (r == 0 || r == -ENOENT)
			r = ns_unmount(ns_current(), new_, new_ ? chan_path(new_) : path.text, old);
		user_path_put(&path);
	}
	chan_put(new_);
	chan_put(old);
	return r;
}
