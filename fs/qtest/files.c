/*
 * Reading and writing the files.  A text file is as it was when its beginning was read; an answer
 * (of dma/alloc, of a port read as text) is given to one reader, once.
 */
#include "os.h"
#include "tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 8192, COMMAND_MAX = 256, MEM_MAX = 65536 };

static struct machine *
machine_of(const struct p9_req *r)
{
	return ((struct sip_server *)r->srv->aux)->priv;
}

static void
fail(struct p9_req *r, int64_t err)
{
	char text[OS_ERRSTR_MAX] = "";

	if (os_errstr(text, sizeof text) > 0)
		p9_fail(r, (int)err, "%s", text);
	else
		p9_fail(r, (int)err, NULL);
}

static int
fault(int err, const char *text)
{
	os_set_errstr("%s", text);
	return -err;
}

/* --- texts ---------------------------------------------------------------------------------- */

static size_t
buffer_text(const struct buffer *b, const struct process *p, char *buf, size_t max)
{
	int n = snprintf(buf, max, "size %llu\nvaddr 0x0\npaddr 0x%llx\nowner %d\n",
		(unsigned long long)b->asked, (unsigned long long)b->paddr, p->pid);

	if (b->bdf != BDF_ALL)
		n += snprintf(buf + n, max - (size_t)n, "device %d.%d.%d\n", b->bdf >> 8,
			b->bdf >> 3 & 31, b->bdf & 7);
	return (size_t)n;
}

static int64_t
make_text(struct machine *m, const struct node *n, char *buf)
{
	const struct func *f;
	const struct buffer *b;

	switch (n->kind) {
	case N_IRQ_CTL:
		return (int64_t)irq_text(m, buf, TEXT_MAX);
	case N_DMA_CTL:
		b = dma_find(m, n->process, n->number);
		return b ? (int64_t)buffer_text(b, n->process, buf, TEXT_MAX) : -ENOENT;
	case N_PCI_CTL:
		return snprintf(buf, TEXT_MAX, "changes %u\n", m->changes);
	case N_FUNC_CTL:
		f = func_find(m, n->number);
		return f ? (int64_t)func_text(m, f, buf, TEXT_MAX) : -ENODEV;
	case N_QTEST_CTL:
		return (int64_t)machine_status(m, buf, TEXT_MAX);
	case N_QTEST_REFUSED:
		return (int64_t)machine_refusals(m, buf, TEXT_MAX);
	default:
		return 0;
	}
}

static int
set_text(struct node *n, const char *text, size_t len, bool once)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	free(n->text);
	n->text = copy;
	n->len = len;
	n->once = once;
	return 0;
}

/* What is there of an answer, which is gone then, whatever the offset. */
static int64_t
take_answer(struct node *n, void *buf, size_t count)
{
	size_t len = n->len < count ? n->len : count;

	memcpy(buf, n->text, len);
	free(n->text);
	n->text = NULL;
	n->len = 0;
	n->once = false;
	return (int64_t)len;
}

static int64_t
read_text(struct machine *m, struct node *n, void *buf, size_t count, uint64_t off)
{
	if (n->once)
		return take_answer(n, buf, count);
	if (off == 0) {
		char text[TEXT_MAX];
		int64_t len = make_text(m, n, text);
		int rc = len < 0 ? (int)len : set_text(n, text, (size_t)len, false);

		if (rc < 0)
			return rc;
	}
	if (off >= n->len)
		return 0;
	count = count < n->len - off ? count : n->len - (size_t)off;
	memcpy(buf, n->text + off, count);
	return (int64_t)count;
}

/* --- bytes ---------------------------------------------------------------------------------- */

static int64_t
read_io(struct machine *m, struct node *n, void *buf, size_t count, uint64_t off)
{
	uint32_t v = 0;
	int rc;

	if (n->once)
		return take_answer(n, buf, count);
	if (count != 1 && count != 2 && count != 4)
		return 0;
	rc = io_read(m, n->process, off, (unsigned)count, &v);
	memcpy(buf, &v, count);
	return rc < 0 ? rc : (int64_t)count;
}

/* "inb PORT", "outw PORT VALUE" */
static int
io_command(struct machine *m, struct node *n, const char *text)
{
	unsigned port, width = 0;
	uint32_t value = 0;
	char word[8] = "", answer[24], after;
	int got = sscanf(text, "%7s %i %i%c", word, (int *)&port, (int *)&value, &after), rc;
	bool in = got == 2 && strncmp(word, "in", 2) == 0 && strlen(word) == 3;
	bool out = got == 3 && strncmp(word, "out", 3) == 0 && strlen(word) == 4;

	if (in || out)
		width = word[strlen(word) - 1] == 'b' ? 1 : word[strlen(word) - 1] == 'w' ? 2 :
			word[strlen(word) - 1] == 'l' ? 4 : 0;
	if (!width)
		return fault(EINVAL, "io: write `inb PORT`, `outb PORT VALUE`, or w or l for b");
	if (out)
		return io_write(m, n->process, port, width, value);
	rc = io_read(m, n->process, port, width, &value);
	if (rc == 0)
		rc = set_text(n, answer, (size_t)snprintf(answer, sizeof answer, "0x%x\n", value),
			true);
	return rc;
}

static int64_t
move_data(struct machine *m, const struct node *n, uint64_t off, size_t count, uint8_t **at)
{
	const struct buffer *b = dma_find(m, n->process, n->number);

	if (!b)
		return -ENOENT;
	if (off >= b->asked)
		return 0;
	*at = m->ram + b->paddr + off;
	return (int64_t)(count < b->asked - off ? count : b->asked - off);
}

static int64_t
read_bytes(struct machine *m, struct node *n, uint8_t *buf, size_t count, uint64_t off)
{
	struct func *f;
	uint8_t *at;
	int64_t rc;

	switch (n->kind) {
	case N_MEM:
		return mem_read(m, n->process, buf, count < MEM_MAX ? count : MEM_MAX, off);
	case N_IO:
		return read_io(m, n, buf, count, off);
	case N_DMA_DATA:
		rc = move_data(m, n, off, count, &at);
		if (rc > 0)
			memcpy(buf, at, (size_t)rc);
		return rc;
	case N_FUNC_RAW:
		f = func_find(m, n->number);
		return f ? func_raw_read(m, n->process, f, buf, count, off) : -ENODEV;
	default:
		return read_text(m, n, buf, count, off);
	}
}

void
file_read(struct p9_req *r)
{
	struct machine *m = machine_of(r);
	struct node *n = r->fid->aux;
	uint8_t *buf;
	int64_t rc;

	if (n->kind == N_IRQ_LINE) {
		if (r->in.count < 32)
			p9_fail(r, EINVAL, "irq: a read is of 32 bytes");
		else
			irq_read(m, n->process, n->number, r);
		return;
	}
	buf = p9_buf(r);
	os_set_errstr("%s", "");
	if (!buf || node_is_dir(n->kind)) {
		fail(r, buf ? -EISDIR : -ENOMEM);
		return;
	}
	pthread_mutex_lock(&m->lock);
	rc = read_bytes(m, n, buf, r->in.count, r->in.offset);
	pthread_mutex_unlock(&m->lock);
	if (rc < 0)
		fail(r, rc);
	else
		p9_reply_data(r, buf, (size_t)rc);
}

/* --- commands ------------------------------------------------------------------------------- */

static int
irq_command(struct machine *m, struct node *n, const char *text)
{
	char word[12] = "", name[17] = "driver";
	unsigned line;
	int got = sscanf(text, "%11s %u %16s", word, &line, name);

	if (got >= 2 && strcmp(word, "register") == 0)
		return irq_register(m, n->process, line, name);
	if (got != 2 || strcmp(word, "unregister") != 0)
		return fault(EINVAL, "irq: commands: register LINE [NAME], unregister LINE");
	irq_unregister(m, n->process, line);
	return 0;
}

static int
alloc_command(struct machine *m, struct node *n, char *text)
{
	int handle = dma_alloc(m, n->process, text);
	char answer[96];

	if (handle < 0)
		return handle;
	return set_text(n, answer, (size_t)snprintf(answer, sizeof answer,
		"vaddr:0x0 paddr:0x%llx handle:%d\n",
		(unsigned long long)m->buffer[handle].paddr, handle), true);
}

static int
buffer_command(struct machine *m, const struct node *n, const char *text)
{
	struct buffer *b = dma_find(m, n->process, n->number);

	if (!b)
		return -ENOENT;
	if (strcmp(text, "free") != 0)
		return fault(EINVAL, "dma: commands: free");
	dma_free(m, b);
	return 0;
}

static void
lie_as(struct machine *m, struct liar how, uint64_t seed)
{
	liar_seed(&how, seed);
	memcpy(how.told, m->liar.told, sizeof how.told);
	m->liar = how;
	pthread_mutex_lock(&m->irqs.lock);
	memcpy(how.told, m->irqs.liar.told, sizeof how.told);
	how.state ^= 1;
	m->irqs.liar = how;
	pthread_mutex_unlock(&m->irqs.lock);
}

/* "lie RATE [SEED [KINDS]]": one answer in RATE. */
static int
qtest_command(struct machine *m, const char *text)
{
	unsigned long long rate, seed = 1;
	char kinds[64] = "registers,memory,interrupts";
	int got = sscanf(text, "lie %llu %llu %63s", &rate, &seed, kinds);
	int set = liar_kinds(kinds);

	if (got < 1 || set < 0)
		return fault(EINVAL, "qtest: commands: lie RATE [SEED [KIND,KIND...]]");
	lie_as(m, (struct liar){ .one_in = rate, .kinds = (unsigned)set }, seed);
	return 0;
}

static int
command(struct machine *m, struct node *n, char *text)
{
	struct func *f;

	switch (n->kind) {
	case N_IO:
		return io_command(m, n, text);
	case N_IRQ_CTL:
		return irq_command(m, n, text);
	case N_DMA_ALLOC:
		return alloc_command(m, n, text);
	case N_DMA_CTL:
		return buffer_command(m, n, text);
	case N_PCI_CTL:
		return func_list_command(m, n->process, text);
	case N_FUNC_CTL:
		f = func_find(m, n->number);
		return f ? func_command(m, n->process, f, text) : -ENODEV;
	case N_QTEST_CTL:
		return qtest_command(m, text);
	default:
		return -EACCES;
	}
}

static int64_t
write_text(struct machine *m, struct node *n, const void *data, size_t count)
{
	char text[COMMAND_MAX];
	size_t len = count;
	int rc;

	if (len >= sizeof text)
		return -E2BIG;
	memcpy(text, data, len);
	while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	text[len] = 0;
	rc = command(m, n, text);
	return rc < 0 ? rc : (int64_t)count;
}

static int64_t
write_bytes(struct machine *m, struct node *n, const void *data, size_t count, uint64_t off)
{
	struct func *f;
	uint32_t v = 0;
	uint8_t *at;
	int64_t rc;

	switch (n->kind) {
	case N_MEM:
		return mem_write(m, n->process, data, count < MEM_MAX ? count : MEM_MAX, off);
	case N_IO:
		if (count != 1 && count != 2 && count != 4)
			return write_text(m, n, data, count);
		memcpy(&v, data, count);
		rc = io_write(m, n->process, off, (unsigned)count, v);
		return rc < 0 ? rc : (int64_t)count;
	case N_DMA_DATA:
		rc = move_data(m, n, off, count, &at);
		if (rc > 0)
			memcpy(at, data, (size_t)rc);
		return rc;
	case N_FUNC_RAW:
		f = func_find(m, n->number);
		return f ? func_raw_write(m, n->process, f, data, count, off) : -ENODEV;
	default:
		return write_text(m, n, data, count);
	}
}

void
file_write(struct p9_req *r)
{
	struct machine *m = machine_of(r);
	struct node *n = r->fid->aux;
	int64_t rc;

	os_set_errstr("%s", "");
	pthread_mutex_lock(&m->lock);
	rc = write_bytes(m, n, r->data, r->in.count, r->in.offset);
	pthread_mutex_unlock(&m->lock);
	if (rc < 0)
		fail(r, rc);
	else
		p9_reply_count(r, (uint32_t)rc);
}

/* --- what is known of a file ---------------------------------------------------------------- */

uint64_t
file_size(struct machine *m, const struct node *n)
{
	const struct buffer *b;

	if (n->kind == N_FUNC_RAW)
		return PCI_CONFIG_SIZE;
	if (n->kind != N_DMA_DATA)
		return 0;
	b = dma_find(m, n->process, n->number);
	return b ? b->asked : 0;
}

/* Where a buffer's pages are, so that its driver maps them: see lib/os/linux/mount.c. */
void
file_pages(struct p9_req *r)
{
	struct machine *m = machine_of(r);
	struct node *n = r->fid->aux;
	char text[SIP_PATH_MAX + 64];
	const struct buffer *b = NULL;
	int len = 0;

	pthread_mutex_lock(&m->lock);
	if (n->kind == N_DMA_DATA && strcmp(r->name, "user.map") == 0)
		b = dma_find(m, n->process, n->number);
	if (b)
		len = snprintf(text, sizeof text, "%s %llu %llu", m->memory,
			(unsigned long long)b->paddr, (unsigned long long)b->size);
	pthread_mutex_unlock(&m->lock);
	if (b)
		p9_reply_data(r, text, (size_t)len);
	else
		p9_fail(r, ENODATA, NULL);
}
