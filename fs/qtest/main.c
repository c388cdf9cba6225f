/*
 * qtestfs: the hardware of a machine in QEMU as the files of /dev, so that a driver runs as a
 * process of Linux.  See man/4/qtestfs and doc/hosted.md.
 *
 *	qtest.c		QEMU's qtest protocol
 *	config.c	configuration space
 *	firmware.c	what a machine's firmware does before a system starts
 *	machine.c	memory, status, what was refused
 *	process.c	a driver's process, and its end
 *	func.c		/dev/pci
 *	access.c	/dev/mem and /dev/io, and who may
 *	dma.c		/dev/dma: the machine's memory is a file, which drivers map
 *	irq.c		/dev/irq
 *	liar.c		answers that are not true
 *	tree.c, files.c	the tree, and its files
 */
#include "machine.h"

#include <errno.h>

static struct machine machine;
static const char *qtest, *memory, *kinds = "registers,memory,interrupts";
static uint64_t rate, seed = 1;

static int
initialize(struct sip_server *s)
{
	char err[SIP_TEXT_MAX] = "";
	int set = liar_kinds(kinds), rc;

	if (!qtest || !memory)
		return sip_fail(s, -EINVAL, "needs -qtest and -memory");
	if (set < 0)
		return sip_fail(s, set, "-kinds %s", kinds);
	machine.liar = (struct liar){ .one_in = rate, .kinds = (unsigned)set };
	liar_seed(&machine.liar, seed);
	machine.irqs.liar = machine.liar;
	liar_seed(&machine.irqs.liar, seed ^ 1);
	s->priv = &machine;
	rc = machine_open(&machine, qtest, memory, err);
	if (rc == 0)
		return 0;
	machine_close(&machine);
	return sip_fail(s, rc, "%s", err);
}

static void
stop(struct sip_server *s)
{
	(void)s;
	machine_close(&machine);
}

static const struct sip_option options[] = {
	{ "qtest", "ADDRESS", "QEMU's qtest socket: unix!PATH", SIP_OPT_STRING, &qtest },
	{ "memory", "FILE", "the file that is the machine's memory", SIP_OPT_STRING, &memory },
	{ "lie", "RATE", "one answer in RATE is not true (0: none)", SIP_OPT_NUMBER, &rate },
	{ "seed", "N", "which lies (1)", SIP_OPT_NUMBER, &seed },
	{ "kinds", "KIND,KIND", "of registers, memory, interrupts (all)", SIP_OPT_STRING, &kinds },
	{ 0 },
};

static const struct sip_server_ops server_ops = { .initialize = initialize, .stop = stop };
static const struct sip_fs_ops fs_ops = { 0 };

int
main(int argc, char **argv)
{
	static const struct sip_type type = {
		.name = "qtestfs", .about = "The hardware of a machine in QEMU, as files of /dev.",
		.server = &server_ops, .fs = &fs_ops, .p9 = &machine_ops, .options = options,
		.nthreads = 4,
	};

	return sip_main(argc, argv, &type);
}
