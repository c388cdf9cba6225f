/* stat: what a file system tells of files, one record a line. */
#include <sys/stat.h>
#include <time.h>

#include "cmd.h"

static const char help[] =
	"stat [-L] PATH...: what is known of files\n"
	"  -L  of what a symbolic link points to\n";

static const char *
type_name(mode_t m)
{
	return S_ISREG(m) ? "file" : S_ISDIR(m) ? "directory" : S_ISLNK(m) ? "link" :
	       S_ISCHR(m) ? "character" : S_ISBLK(m) ? "block" : S_ISFIFO(m) ? "pipe" :
	       S_ISSOCK(m) ? "socket" : "unknown";
}

static void
print_time(const char *name, struct timespec t)
{
	char when[32] = "?";
	struct tm tm;

	if (gmtime_r(&t.tv_sec, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s %s.%09ld\n", name, when, t.tv_nsec);
}

int
main(int argc, char **argv)
{
	bool follow = false;
	struct stat st;
	int rc = 0;

	while (cmd_option(argc, argv, "L", help) != -1)
		follow = true;
	if (optind == argc)
		cmd_usage("arguments", "no file");
	for (; optind < argc; optind++) {
		if ((follow ? stat : lstat)(argv[optind], &st) < 0) {
			rc = cmd_warn(argv[optind]);
			continue;
		}
		printf("name %s\ntype %s\nmode 0%o\n", argv[optind], type_name(st.st_mode),
			st.st_mode & 07777);
		printf("device 0x%llx\nnumber %llu\nlinks %llu\nuid %u\ngid %u\n",
			(unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
			(unsigned long long)st.st_nlink, st.st_uid, st.st_gid);
		printf("size %lld\nblocks %lld\nblocksize %ld\n", (long long)st.st_size,
			(long long)st.st_blocks, (long)st.st_blksize);
		print_time("atime", st.st_atim);
		print_time("mtime", st.st_mtim);
		print_time("ctime", st.st_ctim);
	}
	cmd_end(rc);
}
