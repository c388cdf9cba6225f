/* ps: the processes, from /proc. */
#include <ctype.h>
#include <dirent.h>

#include "cmd.h"

static const char help[] =
	"ps [-a]: the processes: number, parent, state, threads, KiB of memory, CPU seconds, name\n"
	"  -a  with their arguments instead of the name\n";

#define PIDS_MAX	4096

struct process {
	char name[64], state[32];
	unsigned long long ppid, threads, memory, cpu_ns;
};

static int
by_number(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return (x > y) - (x < y);
}

static size_t
list(unsigned long *pids)
{
	struct dirent *d;
	size_t n = 0;
	DIR *dir = opendir("/proc");

	if (!dir)
		cmd_die("/proc");
	while (n < PIDS_MAX && (d = readdir(dir)))
		if (isdigit((unsigned char)d->d_name[0]))
			pids[n++] = strtoul(d->d_name, NULL, 10);
	closedir(dir);
	qsort(pids, n, sizeof(*pids), by_number);
	return n;
}

/* False if the process has ended meanwhile. */
static bool
read_status(unsigned long pid, struct process *p)
{
	char path[64], line[256], value[192];
	FILE *f;

	memset(p, 0, sizeof(*p));
	snprintf(path, sizeof(path), "/proc/%lu/status", pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		char key[32] = "";

		if (sscanf(line, "%31s %191[^\n]", key, value) != 2)
			continue;
		if (strcmp(key, "name") == 0)
			snprintf(p->name, sizeof(p->name), "%.63s", value);
		else if (strcmp(key, "state") == 0)
			snprintf(p->state, sizeof(p->state), "%.31s", value);
		else if (strcmp(key, "ppid") == 0)
			p->ppid = strtoull(value, NULL, 10);
		else if (strcmp(key, "threads") == 0)
			p->threads = strtoull(value, NULL, 10);
		else if (strcmp(key, "memory") == 0)
			p->memory = strtoull(value, NULL, 10);
		else if (strcmp(key, "cpu_ns") == 0)
			p->cpu_ns = strtoull(value, NULL, 10);
	}
	fclose(f);
	return p->name[0] != 0;
}

static void
print_arguments(unsigned long pid, const char *name)
{
	char path[64], args[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%lu/args", pid);
	f = fopen(path, "r");
	if (f && fgets(args, sizeof(args), f) && args[0] != '\n')
		printf("%s%s", args, strchr(args, '\n') ? "" : "\n");
	else
		printf("%s\n", name);
	if (f)
		fclose(f);
}

int
main(int argc, char **argv)
{
	static unsigned long pids[PIDS_MAX];
	struct process p;
	bool arguments = false;
	size_t n;

	while (cmd_option(argc, argv, "a", help) != -1)
		arguments = true;
	n = list(pids);
	printf("%6s %6s %-10s %3s %8s %9s name\n", "pid", "parent", "state", "thr", "KiB", "cpu");
	for (size_t i = 0; i < n; i++) {
		if (!read_status(pids[i], &p))
			continue;
		printf("%6lu %6llu %-10s %3llu %8llu %9.3f ", pids[i], p.ppid, p.state, p.threads,
			p.memory / 1024, (double)p.cpu_ns / 1e9);
		if (arguments)
			print_arguments(pids[i], p.name);
		else
			puts(p.name);
	}
	cmd_end(0);
}
