/*
 * Records inside messages: 9P2000's stat (stat(5)) and 9P2000.L's directory entry.
 */
#include <errno.h>
#include "table.h"

int
p9_stat_pack(void *buf, size_t n, const struct p9_stat *s)
{
	struct p9_cur c = { buf, (uint8_t *)buf + n, false };
	size_t length;

	p9_put(&c, 2, 0);
	p9_put(&c, 2, s->type);
	p9_put(&c, 4, s->dev);
	p9_put_qid(&c, &s->qid);
	p9_put(&c, 4, s->mode);
	p9_put(&c, 4, s->atime);
	p9_put(&c, 4, s->mtime);
	p9_put(&c, 8, s->length);
	p9_put_str(&c, s->name);
	p9_put_str(&c, s->uid);
	p9_put_str(&c, s->gid);
	p9_put_str(&c, s->muid);
	length = (size_t)(c.p - (uint8_t *)buf);
	if (c.overrun || length - 2 > 0xffff)
		return -EMSGSIZE;
	c.p = buf;
	p9_put(&c, 2, length - 2);
	return (int)length;
}

int
p9_stat_unpack(const void *buf, size_t n, struct p9_stat *s)
{
	struct p9_cur c = { (uint8_t *)buf, (uint8_t *)buf + n, false };
	size_t size = p9_get(&c, 2);

	if (c.overrun || size > n - 2)
		return -EPROTO;
	c.end = c.p + size;
	s->type = (uint16_t)p9_get(&c, 2);
	s->dev = (uint32_t)p9_get(&c, 4);
	s->qid = p9_get_qid(&c);
	s->mode = (uint32_t)p9_get(&c, 4);
	s->atime = (uint32_t)p9_get(&c, 4);
	s->mtime = (uint32_t)p9_get(&c, 4);
	s->length = p9_get(&c, 8);
	s->name = p9_get_str(&c);
	s->uid = p9_get_str(&c);
	s->gid = p9_get_str(&c);
	s->muid = p9_get_str(&c);
	return c.overrun || c.p != c.end ? -EPROTO : (int)size + 2;
}

int
p9_dirent_pack(void *buf, size_t n, const struct p9_dirent *e)
{
	struct p9_cur c = { buf, (uint8_t *)buf + n, false };

	p9_put_qid(&c, &e->qid);
	p9_put(&c, 8, e->offset);
	p9_put(&c, 1, e->type);
	p9_put_str(&c, e->name);
	return c.overrun ? -EMSGSIZE : (int)(c.p - (uint8_t *)buf);
}

int
p9_dirent_unpack(const void *buf, size_t n, struct p9_dirent *e)
{
	struct p9_cur c = { (uint8_t *)buf, (uint8_t *)buf + n, false };

	e->qid = p9_get_qid(&c);
	e->offset = p9_get(&c, 8);
	e->type = (uint8_t)p9_get(&c, 1);
	e->name = p9_get_str(&c);
	return c.overrun ? -EPROTO : (int)(c.p - (const uint8_t *)buf);
}
