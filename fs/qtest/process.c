/*
 * A process: one attach, which may be narrowed to one function ("0.31.2").  When its last fid has
 * gone it has ended, in whatever way, and what it had is taken back in the order of
 * kernel/fence.c: lines, messages, bus mastering, reset, buffers, vectors.
 */
#include "machine.h"

#include <stdio.h>
#include <stdlib.h>

struct process *
process_new(struct machine *m, const char *grant)
{
	struct process *p = calloc(1, sizeof *p);
	unsigned b, d, fn;

	if (!p)
		return NULL;
	pthread_mutex_lock(&m->lock);
	p->refs = 1;
	p->pid = ++m->next_pid;
	p->bdf = BDF_ALL;
	if (*grant && sip_pci_addr_ok(grant) && sscanf(grant, "%u.%u.%u", &b, &d, &fn) == 3)
		p->bdf = (int)(b << 8 | d << 3 | fn);
	if (*grant && (p->bdf == BDF_ALL || !func_find(m, (unsigned)p->bdf))) {
		free(p);
		p = NULL;
	}
	pthread_mutex_unlock(&m->lock);
	return p;
}

void
process_ref(struct machine *m, struct process *p)
{
	pthread_mutex_lock(&m->lock);
	p->refs++;
	pthread_mutex_unlock(&m->lock);
}

static void
fence(struct machine *m, struct func *f)
{
	func_messages_off(m, f);
	config_change(m, f->bdf, 0x04, 1 << 2, 0);	/* bus mastering */
	f->unquiet = func_reset(m, f) < 0;
	f->owner = NULL;
	m->changes += f->leaving;
}

void
process_put(struct machine *m, struct process *p)
{
	pthread_mutex_lock(&m->lock);
	if (--p->refs) {
		pthread_mutex_unlock(&m->lock);
		return;
	}
	irq_process_exit(m, p);
	for (unsigned i = 0; i < m->nfuncs; i++)
		if (m->func[i].owner == p)
			fence(m, &m->func[i]);
	dma_process_exit(m, p);
	pthread_mutex_unlock(&m->lock);
	free(p);
}
