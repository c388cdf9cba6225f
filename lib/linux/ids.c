/*
 * Who a process is: pids, groups, sessions, users.  Effective, real and saved ids are one here.
 */
#include "calls.h"

#define PROC_STATUS	1024

static struct sys_procinfo
info(void)
{
	struct sys_procinfo pi = { 0 };

	lux_call1(SYS_PROCINFO, LUX_ARG(&pi));
	return pi;
}

/* The value of a line `name value` of /proc/PID/status, or -1. */
static int64_t
status_value(int pid, const char *name)
{
	char path[40], text[PROC_STATUS];
	size_t n = text_copy(path, "/proc/", sizeof(path));

	n = text_add_number(path, n, sizeof(path), pid);
	text_add(path, n, sizeof(path), "/status");
	if (text_read_file(path, text, sizeof(text)) < 0)
		return -1;
	return text_line_value(text, name);
}

int
process_group(int pid)
{
	int64_t group;

	if (pid == 0 || pid == proc.pid)
		return info().pgrp;
	group = status_value(pid, "pgrp");
	return group > 0 ? (int)group : 0;
}

long
lx_getpid(void)
{
	return proc.pid;
}

long
lx_getppid(void)
{
	return info().ppid;
}

long
lx_getuid(void)
{
	return info().uid;
}

long
lx_getgid(void)
{
	return info().gid;
}

long
lx_getpgid(int pid)
{
	int group = process_group(pid);

	return group ? group : pid ? -ESRCH : 0;
}

long
lx_getpgrp(void)
{
	return process_group(0);
}

/* A child's group is its own to set; what its parent asks for it does too, or it is done. */
long
lx_setpgid(int pid, int group)
{
	long r;

	if (pid < 0 || group < 0)
		return -EINVAL;
	if (pid != 0 && pid != proc.pid)
		return process_group(pid) ? 0 : -ESRCH;
	r = lux_call2(SYS_SETID, SYS_ID_PGRP, group ? group : proc.pid);
	return r < 0 ? r : 0;
}

long
lx_getsid(int pid)
{
	int64_t session;

	if (pid == 0 || pid == proc.pid)
		return info().session;
	session = status_value(pid, "session");
	return session > 0 ? session : -ESRCH;
}

long
lx_setsid(void)
{
	long r;

	if (process_group(0) == proc.pid && info().session == proc.pid)
		return -EPERM;
	r = lux_call2(SYS_SETID, SYS_ID_SESSION, proc.pid);
	if (r >= 0)
		r = lux_call2(SYS_SETID, SYS_ID_PGRP, proc.pid);
	return r < 0 ? r : proc.pid;
}

static long
set_id(enum sys_id which, uint32_t id)
{
	return id == UINT32_MAX ? 0 : lux_call2(SYS_SETID, which, id);
}

long
lx_setuid(uint32_t uid)
{
	return uid == UINT32_MAX ? -EINVAL : set_id(SYS_ID_UID, uid);
}

long
lx_setgid(uint32_t gid)
{
	return gid == UINT32_MAX ? -EINVAL : set_id(SYS_ID_GID, gid);
}

/* The effective one is what counts. */
long
lx_setresuid(uint32_t real, uint32_t effective)
{
	return set_id(SYS_ID_UID, effective == UINT32_MAX ? real : effective);
}

long
lx_setresgid(uint32_t real, uint32_t effective)
{
	return set_id(SYS_ID_GID, effective == UINT32_MAX ? real : effective);
}

long
lx_getresuid(uint32_t *real, uint32_t *effective, uint32_t *saved)
{
	*real = *effective = *saved = info().uid;
	return 0;
}

long
lx_getresgid(uint32_t *real, uint32_t *effective, uint32_t *saved)
{
	*real = *effective = *saved = info().gid;
	return 0;
}

/* These return the id that was. */
long
lx_setfsuid(uint32_t uid)
{
	(void)uid;
	return info().uid;
}

long
lx_setfsgid(uint32_t gid)
{
	(void)gid;
	return info().gid;
}

/* There are no supplementary groups. */
long
lx_getgroups(int n)
{
	return n < 0 ? -EINVAL : 0;
}

long
lx_setgroups(void)
{
	return info().uid == 0 ? 0 : -EPERM;
}
