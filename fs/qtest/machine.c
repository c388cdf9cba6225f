/*
 * The machine as a whole: connecting to QEMU and to its memory, and what is told of it.
 */
#include "machine.h"
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MEMORY_MIN = 4 << 20 };

static int
open_memory(struct machine *m, const char *path, char err[SIP_TEXT_MAX])
{
	char *whole = realpath(path, NULL);
	struct stat st = { 0 };

	snprintf(err, SIP_TEXT_MAX, "%.90s: %s", path, strerror(errno));
	m->memory_fd = whole ? open(whole, O_RDWR | O_CLOEXEC) : -1;
	if (whole && m->memory_fd < 0)
		snprintf(err, SIP_TEXT_MAX, "%.90s: %s", path, strerror(errno));
	if (whole)
		snprintf(m->memory, sizeof m->memory, "%s", whole);
	free(whole);
	if (m->memory_fd < 0 || fstat(m->memory_fd, &st) < 0)
		return -ENOENT;
	if (st.st_size < MEMORY_MIN || st.st_size % PAGE) {
		snprintf(err, SIP_TEXT_MAX, "%.90s: not whole pages, or less than 4 MiB", path);
		return -EINVAL;
	}
	m->ram_size = (uint64_t)st.st_size;
	m->ram = mmap(NULL, m->ram_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->memory_fd, 0);
	if (m->ram == MAP_FAILED) {
		m->ram = NULL;
		snprintf(err, SIP_TEXT_MAX, "%.90s: %s", path, strerror(errno));
		return -ENOMEM;
	}
	m->vectors_paddr = m->ram_size - PAGE;
	m->vectors = (_Atomic uint32_t *)(void *)(m->ram + m->vectors_paddr);
	return 0;
}

int
machine_open(struct machine *m, const char *qtest, const char *memory, char err[SIP_TEXT_MAX])
{
	int fd, rc;

	pthread_mutex_init(&m->lock, NULL);
	m->memory_fd = -1;
	rc = irqs_start(m);
	if (rc == 0)
		rc = open_memory(m, memory, err);
	if (rc < 0)
		return rc;
	fd = os_service_open(qtest);
	if (fd < 0) {
		snprintf(err, SIP_TEXT_MAX, "%.90s: %s", qtest, strerror(-fd));
		return fd;
	}
	rc = qtest_open(&m->q, fd, irqs_line, m);
	if (rc < 0)
		return rc;
	rc = firmware_run(m, err);
	if (rc == -ENODEV)
		snprintf(err, SIP_TEXT_MAX, "%.90s: no machine answers there", qtest);
	return rc;
}

void
machine_close(struct machine *m)
{
	irqs_end(m);
	if (m->q)
		qtest_close(m->q);
	if (m->ram)
		munmap(m->ram, m->ram_size);
	if (m->memory_fd >= 0)
		close(m->memory_fd);
	m->q = NULL;
	m->ram = NULL;
	m->memory_fd = -1;
}

int
machine_refuse(struct machine *m, const char *fmt, ...)
{
	char text[NOTE_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	os_set_errstr("%s", text);
	m->refused++;
	if (m->nnotes < NOTES_MAX)
		memcpy(m->note[m->nnotes++], text, sizeof text);
	return -EACCES;
}

#define LINE(...) (n += (size_t)snprintf(buf + n, n < max ? max - n : 0, __VA_ARGS__))

static unsigned
buffers_of(const struct machine *m, bool held)
{
	unsigned n = 0;

	for (unsigned i = 0; i < BUFFERS_MAX; i++)
		n += m->buffer[i].size && !m->buffer[i].owner == held;
	return n;
}

static unsigned
owned(const struct machine *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->nfuncs; i++)
		n += m->func[i].owner != NULL;
	return n;
}

size_t
machine_status(struct machine *m, char *buf, size_t max)
{
	uint64_t at = 0, interrupts, lies;
	unsigned wild = dma_wild(m, &at);
	size_t n = 0;

	pthread_mutex_lock(&m->irqs.lock);
	interrupts = m->irqs.delivered;
	lies = m->irqs.liar.told[2];
	pthread_mutex_unlock(&m->irqs.lock);
	LINE("functions %u\nowned %u\nreads %llu\nwrites %llu\ninterrupts %llu\n", m->nfuncs,
		owned(m), (unsigned long long)m->reads, (unsigned long long)m->writes,
		(unsigned long long)interrupts);
	LINE("buffers %u\nheld %u\n", buffers_of(m, false), buffers_of(m, true));
	LINE("lie %llu\nlies-registers %llu\nlies-memory %llu\nlies-interrupts %llu\n",
		(unsigned long long)m->liar.one_in, (unsigned long long)m->liar.told[0],
		(unsigned long long)m->liar.told[1], (unsigned long long)lies);
	LINE("refused %llu\nwild %u", (unsigned long long)m->refused, wild);
	if (wild)
		LINE(" 0x%llx", (unsigned long long)at);
	LINE("\n");
	return n < max ? n : max;
}

size_t
machine_refusals(struct machine *m, char *buf, size_t max)
{
	size_t n = 0;

	for (unsigned i = 0; i < m->nnotes; i++)
		LINE("%s\n", m->note[i]);
	return n < max ? n : max;
}
