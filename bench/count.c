/*
 * count: a QEMU plugin that counts what a guest with one processor executes, and logs the count
 * wherever the guest executes a mark (mark.h).  While the guest is halted nothing is counted, so
 * the figures are right for work that waits for a device.
 *
 *	-plugin count.so,log=PATH[,profile=PATH]
 *
 * The log: one line per mark, `NUMBER COUNT`; before them `entry COUNT`, when the guest first runs
 * code where QEMU has put the kernel (the firmware has gone before).
 *
 * The profile: for each stretch from MARK_BEGIN to MARK_END a line `stretch N`, then a line
 * `ADDRESS INSTRUCTIONS TIMES CODE` for each block that was executed, CODE being its first bytes in
 * hexadecimal: blocks of different processes can have one address, and are told apart by their
 * code.  profile.py gives the names.
 *
 * Counts are by block: an exception in a block's middle counts the whole block.  No locks: the
 * machine has one processor.
 */
#include "mark.h"
#include "qemu_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOP_SIZE	7
#define HEAD_MAX	32		/* bytes of a block's code in the profile */
#define TABLE_SIZE	(1 << 20)	/* blocks that can be told apart; a power of two */
#define KERNEL_LOW	0x100000	/* where -kernel puts a kernel; the firmware is not there */
#define KERNEL_HIGH	0x8000000

struct block {
	uint64_t address, executed, before;	/* times executed; when the stretch began */
	const void *host;			/* where QEMU has the code: tells processes apart */
	uint32_t ninsns, nhead;
	uint8_t head[HEAD_MAX];
};

struct mark {
	uint32_t number;
	uint32_t after;		/* instructions from the mark to its block's end */
};

int qemu_plugin_version = PLUGIN_VERSION;

static uint64_t total;
static FILE *log_file, *profile_file;
static struct block *blocks[TABLE_SIZE];
static unsigned stretch;
static bool entered;

/* The block's own entry; it stays when QEMU forgets the translation. */
static struct block *
find_block(uint64_t address, const void *host, uint32_t ninsns)
{
	uint64_t h = (address ^ (uintptr_t)host >> 12 ^ ninsns) * 0x9e3779b97f4a7c15u >> 44;
	struct block *b;

	for (size_t i = 0; i < TABLE_SIZE; i++, h++) {
		b = blocks[h % TABLE_SIZE];
		if (!b) {
			b = calloc(1, sizeof(*b));
			if (!b)
				abort();
			b->address = address;
			b->host = host;
			b->ninsns = ninsns;
			blocks[h % TABLE_SIZE] = b;
			return b;
		}
		if (b->address == address && b->host == host && b->ninsns == ninsns)
			return b;
	}
	abort();
}

static void
fill_head(struct block *b, const struct qemu_plugin_tb *tb)
{
	b->nhead = 0;
	for (size_t i = 0; i < b->ninsns; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		size_t n = qemu_plugin_insn_size(insn);

		if (b->nhead + n > HEAD_MAX)
			break;
		memcpy(b->head + b->nhead, qemu_plugin_insn_data(insn), n);
		b->nhead += (uint32_t)n;
	}
}

static void
begin_stretch(void)
{
	for (size_t i = 0; i < TABLE_SIZE; i++)
		if (blocks[i])
			blocks[i]->before = blocks[i]->executed;
}

static void
end_stretch(void)
{
	fprintf(profile_file, "stretch %u\n", stretch++);
	for (size_t i = 0; i < TABLE_SIZE; i++) {
		struct block *b = blocks[i];

		if (!b || b->executed == b->before)
			continue;
		fprintf(profile_file, "%llx %u %llu ", (unsigned long long)b->address, b->ninsns,
			(unsigned long long)(b->executed - b->before));
		for (uint32_t k = 0; k < b->nhead; k++)
			fprintf(profile_file, "%02x", b->head[k]);
		fputc('\n', profile_file);
	}
	fflush(profile_file);
}

static void
on_mark(unsigned int cpu, void *data)
{
	const struct mark *m = data;

	(void)cpu;
	if (profile_file && m->number == MARK_END)
		end_stretch();
	fprintf(log_file, "%u %llu\n", m->number, (unsigned long long)(total - m->after));
	fflush(log_file);
	if (profile_file && m->number == MARK_BEGIN)
		begin_stretch();
}

static void
on_entry(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	if (entered)
		return;
	entered = true;
	fprintf(log_file, "entry %llu\n", (unsigned long long)total);
	fflush(log_file);
}

/* The mark's number, or -1. */
static int
mark_number(const struct qemu_plugin_insn *insn)
{
	static const uint8_t nopl[] = { 0x0f, 0x1f, 0x80 };
	const uint8_t *code = qemu_plugin_insn_data(insn);
	uint32_t displacement;

	if (qemu_plugin_insn_size(insn) != NOP_SIZE || memcmp(code, nopl, sizeof(nopl)) != 0)
		return -1;
	memcpy(&displacement, code + sizeof(nopl), sizeof(displacement));
	return (displacement & ~0xffu) == MARK_MAGIC ? (int)(displacement & 0xff) : -1;
}

static void
watch_marks(const struct qemu_plugin_tb *tb, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		int number = mark_number(insn);
		struct mark *m;

		if (number < 0)
			continue;
		m = malloc(sizeof(*m));
		if (!m)
			abort();
		*m = (struct mark) { (uint32_t)number, (uint32_t)(n - i) };
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS, m);
	}
}

static void
on_translate(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	uint64_t address = qemu_plugin_tb_vaddr(tb);

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64, &total, n);
	if (profile_file) {
		struct block *b = find_block(address,
			qemu_plugin_insn_haddr(qemu_plugin_tb_get_insn(tb, 0)), (uint32_t)n);

		fill_head(b, tb);
		qemu_plugin_register_vcpu_tb_exec_inline(tb, QEMU_PLUGIN_INLINE_ADD_U64,
			&b->executed, 1);
	}
	if (!entered && address >= KERNEL_LOW && address < KERNEL_HIGH)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, on_entry, QEMU_PLUGIN_CB_NO_REGS, NULL);
	watch_marks(tb, n);
}

static void
at_end(uint64_t id, void *data)
{
	(void)id;
	(void)data;
	fprintf(log_file, "exit %llu\n", (unsigned long long)total);
	fclose(log_file);
	if (profile_file)
		fclose(profile_file);
}

int
qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "log=", 4) == 0)
			log_file = fopen(argv[i] + 4, "w");
		else if (strncmp(argv[i], "profile=", 8) == 0)
			profile_file = fopen(argv[i] + 8, "w");
	}
	if (!log_file) {
		fprintf(stderr, "count: no log\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, at_end, NULL);
	return 0;
}
