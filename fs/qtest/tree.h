/* The files: tree.c walks and lists them, files.c reads and writes them. */
#pragma once
#include "machine.h"

enum node_kind {
	N_ROOT, N_MEM, N_IO,
	N_IRQ, N_IRQ_CTL, N_IRQ_LINE,		/* number: /dev/irq's */
	N_DMA, N_DMA_ALLOC, N_DMA_BUFFER, N_DMA_CTL, N_DMA_DATA,	/* number: the buffer's */
	N_PCI, N_PCI_CTL, N_FUNC_CTL, N_FUNC_RAW,	/* number: bus, device, function */
	N_QTEST, N_QTEST_CTL, N_QTEST_REFUSED,
};

struct node {			/* a fid's */
	enum node_kind kind;
	unsigned number;
	struct process *process;
	char *text;		/* of a text file, as it was when offset 0 was read */
	size_t len;
	bool once;		/* text is an answer, for one reader */
};

bool node_is_dir(enum node_kind kind);
bool node_is_text(enum node_kind kind);

/* files.c */
void file_read(struct p9_req *r);
void file_write(struct p9_req *r);
void file_pages(struct p9_req *r);	/* the attribute user.map */
uint64_t file_size(struct machine *m, const struct node *n);
