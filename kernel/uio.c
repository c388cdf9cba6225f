/*
 * Data to and from the memory of the kernel or of the caller of a read or write.
 */
#include "chan.h"
#include "proc.h"

int
uio_put(struct uio *u, const void *src, size_t n)
{
	if (n > u->left)
		n = u->left;
	if (!u->user)
		memcpy(u->base, src, n);
	else if (copy_to_user(u->base, src, n) < 0)
		return -EFAULT;
	u->base += n;
	u->left -= n;
	return 0;
}

int
uio_get(struct uio *u, void *dst, size_t n)
{
	if (n > u->left)
		n = u->left;
	if (!u->user)
		memcpy(dst, u->base, n);
	else if (copy_from_user(dst, u->base, n) < 0)
		return -EFAULT;
	u->base += n;
	u->left -= n;
	return 0;
}

int64_t
uio_put_text(struct uio *u, uint64_t off, const char *text, size_t n)
{
	if (off >= n)
		return 0;
	n = MIN(n - off, u->left);
	return uio_put(u, text + off, n) < 0 ? -EFAULT : (int64_t)n;
}

int64_t
uio_put_made(struct uio *u, uint64_t off, void (*fill)(struct text *t, void *arg), void *arg)
{
	struct text t = { .buf = kmalloc(MADE_MAX), .n = MADE_MAX };
	int64_t n;

	if (t.buf == NULL)
		return -ENOMEM;
	fill(&t, arg);
	n = uio_put_text(u, off, t.buf, t.at);
	kfree(t.buf);
	return n;
}

#define PIECE 256

int64_t
uio_get_all(struct uio *u, void (*f)(const char *s, size_t n))
{
	size_t total = u->left;
	char buf[PIECE];

	while (u->left > 0) {
		size_t n = MIN(u->left, sizeof(buf));

		if (uio_get(u, buf, n) < 0)
			return -EFAULT;
		f(buf, n);
		if (u->left > 0)
			irq_window();
	}
	return (int64_t)total;
}

int64_t
uio_get_lines(struct uio *u, char *buf, size_t n)
{
	size_t length = u->left;

	if (length > n - 1)
		return -E2BIG;
	if (uio_get(u, buf, length) < 0)
		return -EFAULT;
	buf[length] = '\0';
	if (length > 0 && buf[length - 1] == '\n')
		buf[length - 1] = '\0';
	for (size_t i = 0; i + 1 < length; i++)
		if ((uint8_t)buf[i] < ' ' && buf[i] != '\t' && buf[i] != '\n')
			return error(EINVAL, "byte %zu is a control character", i);
	return (int64_t)length;
}

int64_t
uio_get_command(struct uio *u, char *buf, size_t n)
{
	int64_t length = uio_get_lines(u, buf, n);

	if (length > 0 && strchr(buf, '\n') != NULL)
		return error(EINVAL, "one command at a time");
	return length;
}
