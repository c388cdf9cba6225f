/*
 * /dev/io: port instructions.
 *
 * As text, `inb PORT`, `inw`, `inl` (the next read gives the answer, `0x..`), `outb PORT VALUE`,
 * `outw`, `outl`; or binary: a read or write of 1, 2 or 4 bytes at offset PORT.  Every use is
 * checked against the caller's grant (cap.c).  An answer belongs to the open file; the channel's
 * lock protects it.
 */
#include "../amd64/cpu.h"
#include "../cap.h"
#include "../hw.h"
#include "../proc.h"

static int
io_open(struct chan **cp, uint32_t)
{
	int r = cap_check(CAP_DEVICE);

	if (r < 0)
		return r;
	(*cp)->aux = kzalloc(sizeof(struct answer));
	return (*cp)->aux != NULL ? 0 : -ENOMEM;
}

static uint32_t
port_read(uint16_t port, size_t width)
{
	return width == 1 ? inb(port) : width == 2 ? inw(port) : inl(port);
}

static void
port_write(uint16_t port, size_t width, uint32_t v)
{
	if (width == 1)
		outb(port, (uint8_t)v);
	else if (width == 2)
		outw(port, (uint16_t)v);
	else
		outl(port, v);
}

static int
io_check(uint64_t port, size_t width)
{
	int r = cap_check(CAP_DEVICE);

	if (r < 0)
		return r;
	return cap_check_port(port > 0xffff ? 0x10000 : (unsigned)port, (unsigned)width);
}

static int64_t
io_read(struct chan *c, struct uio *u, uint64_t off)
{
	size_t n = u->left;
	int64_t r;
	uint32_t v;

	spin_lock(&c->lock);
	r = answer_read(c->aux, u);
	spin_unlock(&c->lock);
	if (r != 0 || (n != 1 && n != 2 && n != 4))
		return r;
	if ((r = io_check(off, n)) < 0)
		return r;
	v = port_read((uint16_t)off, n);
	r = uio_put(u, &v, n);
	return r < 0 ? r : (int64_t)n;
}

static size_t
width_of(char suffix)
{
	return suffix == 'b' ? 1 : suffix == 'w' ? 2 : suffix == 'l' ? 4 : 0;
}

static int
command(struct chan *c, char *text)
{
	struct answer *a = c->aux;
	uint64_t port, v = 0;
	size_t width = 0;
	char *w[3];
	int n = text_words(text, w, 3), r;
	bool in = n == 2 && strncmp(w[0], "in", 2) == 0 && strlen(w[0]) == 3;
	bool out = n == 3 && strncmp(w[0], "out", 3) == 0 && strlen(w[0]) == 4;

	if (in || out)
		width = width_of(w[0][in ? 2 : 3]);
	if (width == 0 || text_number(w[1], 0xffff, &port) < 0 ||
	    (out && text_number(w[2], 0xffffffffull >> (32 - 8 * width), &v) < 0))
		return error(EINVAL, "io: write `inb PORT`, `outb PORT VALUE`, or w or l for b");
	if ((r = io_check(port, width)) < 0)
		return r;
	if (out) {
		port_write((uint16_t)port, width, (uint32_t)v);
		return 0;
	}
	v = port_read((uint16_t)port, width);
	spin_lock(&c->lock);
	a->length = (size_t)ksnprintf(a->text, sizeof a->text, "0x%lx\n", v);
	a->done = 0;
	spin_unlock(&c->lock);
	return 0;
}

static int64_t
io_write(struct chan *c, struct uio *u, uint64_t off)
{
	size_t n = u->left;
	char text[48];
	uint32_t v = 0;
	int64_t length;
	int r;

	if (n == 1 || n == 2 || n == 4) {
		if ((r = io_check(off, n)) < 0 || (r = uio_get(u, &v, n)) < 0)
			return r;
		port_write((uint16_t)off, n, v);
		return (int64_t)n;
	}
	if ((length = uio_get_command(u, text, sizeof text)) < 0)
		return length;
	r = command(c, text);
	return r < 0 ? r : length;
}

const struct dev dev_io = {
	.name = "io", .attach = devtab_attach, .walk = devtab_walk, .open = io_open,
	.close = answer_close, .read = io_read, .write = io_write, .stat = devtab_plain_stat,
};
