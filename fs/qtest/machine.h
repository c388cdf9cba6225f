/*
 * A machine in QEMU as /dev shows it: functions, memory for DMA, interrupts, who owns what.
 *
 * What the kernel's files promise (man/3: pci, mem, io, irq, dma) is kept here in their words.  A
 * "process" is one attach: when its last fid has gone it has ended, and its functions are
 * fenced as kernel/fence.c does it.
 *
 * Locks: machine.lock guards all but what says otherwise, and is held across commands to QEMU;
 * irqs.lock is taken inside it, and never held across one.  No request is answered under either.
 */
#pragma once
#include "liar.h"
#include "pci.h"
#include "qtest.h"
#include "sip.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	PAGE = 4096,
	FUNCS_MAX = 64,
	BUFFERS_MAX = 1024,
	VECTORS_MAX = 512,	/* each a word of the vectors' page */
	FUNC_VECTORS_MAX = 32,
	LINES_MAX = 24,		/* inputs of an I/O APIC */
	USERS_MAX = 64,		/* registrations of lines */
	PCI_LINE = 10,		/* the line of every PCI function */
	MESSAGE_BASE = 256,	/* the number of the first message in /dev/irq */
	DMA_BASE = 1 << 20,	/* memory below is left alone, as firmware's */
	DMA_MAX = 4 << 20,	/* of one buffer */
	NOTES_MAX = 16,		/* refusals that are remembered */
	NOTE_TEXT = 120,
	BDF_ALL = -1,		/* a process that is narrowed to nothing */
};

struct process {
	int refs;		/* its fids */
	int pid;
	int bdf;		/* the only function that it was granted, or BDF_ALL */
};

struct bar {
	bool io, is64, prefetch;
	uint64_t base, size;	/* size 0: none */
};

struct func {
	unsigned bdf, serial;
	struct pci_config config;	/* as it was at the start */
	struct bar bar[PCI_NBARS];
	unsigned msi_at, msix_at, flr_at;	/* capabilities; 0: none.  flr_at: PCI Express */
	unsigned nmsix, table_bar, table_offset, express_at;
	unsigned behind;		/* a bridge's bus; 0: none */
	uint64_t mem, mem_last, io, io_last;	/* a bridge's windows */
	bool compat;			/* IDE at the ISA ports */
	struct process *owner;
	bool unquiet, leaving;
	unsigned nvectors;
	unsigned vector[FUNC_VECTORS_MAX];
};

struct buffer {			/* of whole pages; used while size is not 0 */
	uint64_t paddr, size, asked;
	struct process *owner;	/* NULL: held until the function is quiet */
	int bdf;		/* BDF_ALL: no function's */
};

struct user {			/* of a line or a message: who may read /dev/irq/N */
	unsigned number;
	struct process *process;	/* NULL: nobody */
	char name[17];
	bool reads;		/* it has read, so a level line waits for it to come back */
	bool over;		/* given up; its read that waits is to be told */
	uint64_t count, last_ns, fresh;	/* fresh: since its last read */
	struct p9_req *waiting;
};

struct irqs {
	pthread_mutex_t lock;	/* all below */
	pthread_cond_t changed;
	pthread_t thread;
	bool running, ending;
	struct liar liar;
	struct user user[USERS_MAX + VECTORS_MAX];	/* of lines; then of each vector */
	bool level[LINES_MAX];
	unsigned nmessages;	/* vectors in use */
	uint64_t busy_until_ns;	/* until then the vectors are looked at often */
	uint64_t delivered;
};

struct machine {
	struct qtest *q;
	struct liar liar;
	struct irqs irqs;
	pthread_mutex_t lock;	/* all below */
	struct func func[FUNCS_MAX];
	unsigned nfuncs, serials, changes;
	char memory[SIP_PATH_MAX];	/* the file of the machine's memory */
	int memory_fd;
	uint8_t *ram;
	uint64_t ram_size;
	_Atomic uint32_t *vectors;	/* the last page of it */
	uint64_t vectors_paddr;
	struct buffer buffer[BUFFERS_MAX];
	int next_pid;
	uint64_t reads, writes, refused;
	char note[NOTES_MAX][NOTE_TEXT];
	unsigned nnotes;
};

/* machine.c */
/* The memory file is mapped, the buses are scanned and set up as firmware does. */
int machine_open(struct machine *m, const char *qtest, const char *memory,
	char err[SIP_TEXT_MAX]);
void machine_close(struct machine *m);
/* -EACCES with a text, which is remembered and counted. */
int machine_refuse(struct machine *m, const char *fmt, ...) SIP_PRINTF(2, 3);
size_t machine_status(struct machine *m, char *buf, size_t n);
size_t machine_refusals(struct machine *m, char *buf, size_t n);

/* process.c; with m->lock not held */
struct process *process_new(struct machine *m, const char *grant);	/* NULL: no such function */
void process_ref(struct machine *m, struct process *p);
void process_put(struct machine *m, struct process *p);	/* the last one ends it */

/* config.c: configuration space by ports 0xcf8 and 0xcfc [PCI 3.0, 3.2.2.3.2] */
uint32_t config_read(struct machine *m, unsigned bdf, unsigned at, unsigned width);
void config_write(struct machine *m, unsigned bdf, unsigned at, unsigned width, uint32_t value);
void config_change(struct machine *m, unsigned bdf, unsigned at, uint16_t clear, uint16_t set);

/* firmware.c: finds the functions, gives them addresses, routes their lines */
int firmware_run(struct machine *m, char err[SIP_TEXT_MAX]);
/* What has come behind that bridge gets addresses in its windows.  0, or a negative errno. */
int firmware_rescan(struct machine *m, const struct func *bridge, char err[SIP_TEXT_MAX]);

/* func.c; with m->lock held */
struct func *func_find(struct machine *m, unsigned bdf);
bool func_granted(const struct process *p, const struct func *f);
size_t func_text(struct machine *m, const struct func *f, char *buf, size_t n);
/* A line of B.D.Fctl; 0, or a negative errno and a text by os_set_errstr. */
int func_command(struct machine *m, struct process *p, struct func *f, char *text);
int64_t func_raw_read(struct machine *m, struct process *p, struct func *f, uint8_t *buf, size_t n,
	uint64_t off);
int64_t func_raw_write(struct machine *m, struct process *p, struct func *f, const void *buf,
	size_t n, uint64_t off);
/* A line of /dev/pci/ctl, as func_command. */
int func_list_command(struct machine *m, struct process *p, char *text);
void func_messages_off(struct machine *m, struct func *f);
int func_reset(struct machine *m, struct func *f);	/* -EOPNOTSUPP: it has none */

/* access.c: /dev/mem and /dev/io; with m->lock held.  Bytes moved, or a negative errno. */
int64_t mem_read(struct machine *m, struct process *p, void *buf, size_t n, uint64_t addr);
int64_t mem_write(struct machine *m, struct process *p, const void *buf, size_t n, uint64_t addr);
int io_read(struct machine *m, struct process *p, uint64_t port, unsigned width, uint32_t *value);
int io_write(struct machine *m, struct process *p, uint64_t port, unsigned width, uint32_t value);

/* dma.c; with m->lock held */
/* A request as /dev/dma/alloc takes it: the buffer's number. */
int dma_alloc(struct machine *m, struct process *p, char *text);
struct buffer *dma_find(struct machine *m, struct process *p, unsigned handle);
void dma_free(struct machine *m, struct buffer *b);
/* The process has ended: its buffers are freed, or held for functions that may still use them. */
void dma_process_exit(struct machine *m, struct process *p);
void dma_quiet(struct machine *m, unsigned bdf);
/* Pages of the machine's memory that are in use though they belong to no buffer. */
unsigned dma_wild(struct machine *m, uint64_t *first);
/* If it is time for a lie in the process's memory: changes a word of it. */
void dma_lie(struct machine *m, const struct process *p);

/* irq.c */
int irqs_start(struct machine *m);
void irqs_end(struct machine *m);
void irqs_line(void *machine, unsigned line, bool level);	/* from the qtest connection */
void irqs_touched(struct machine *m);	/* a driver has written to its device */
int irq_register(struct machine *m, struct process *p, unsigned number, const char *name);
void irq_unregister(struct machine *m, const struct process *p, unsigned number);
void irq_process_exit(struct machine *m, const struct process *p);
/* A vector of the process's: its index; its message is a write of 1 to *paddr. */
int irq_message_new(struct machine *m, struct process *p, const char *name, uint64_t *paddr);
void irq_message_free(struct machine *m, unsigned vector);
bool irq_mine(struct machine *m, const struct process *p, unsigned number);
/* Answers the request now or later. */
void irq_read(struct machine *m, const struct process *p, unsigned number, struct p9_req *r);
void irq_flush(struct machine *m, struct p9_req *r);
size_t irq_text(struct machine *m, char *buf, size_t n);
/* Each number of a file that there is, from `from`; -1 at the end. */
int irq_next(struct machine *m, int from);

/* tree.c */
extern const struct p9_srv_ops machine_ops;
