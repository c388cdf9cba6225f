/* Inside the 9P client: what client.c (the connection) and client_file.c (the files) share. */
#pragma once
#include <pthread.h>
#include <semaphore.h>
#include <p9_client.h>

#define P9C_TAGS 256
#define P9C_LIST_MAX (1 << 20)	/* answers that one directory may take */

struct p9c_call {
	sem_t woken;		/* each post: look again.  A signal ends a wait for it */
	uint16_t tag;
	bool flushing, flushed;
	struct p9c_call *flush_of;	/* for a flush: of which */
	uint8_t *buf;		/* the answer */
	size_t size;
};

struct p9_client {
	int fd, timeout_ms;
	enum p9_dialect dialect;
	uint32_t msize;
	pthread_mutex_t write_lock;
	pthread_mutex_t lock;		/* all below */
	pthread_cond_t tag_free;
	bool reading;
	int error;			/* why the connection is over */
	struct p9c_call *calls[P9C_TAGS];
	uint32_t next_fid, *free_fids, nfree, free_size;
};

/* A call whose answer has nothing to keep. */
int p9c_simple(struct p9_client *, struct p9_msg *t, struct p9_msg *r);

/* client_file.c: a file with a number that is free; and neither any more. */
struct p9c_file *p9c_file_new(struct p9_client *);
void p9c_file_free(struct p9c_file *);

/* client_plain.c */
uint8_t p9c_plain_omode(uint32_t flags);
int p9c_plain_getattr(struct p9c_file *, struct ipc_attr *);
int p9c_plain_setattr(struct p9c_file *, const struct ipc_setattr *);
int p9c_plain_fsync(struct p9c_file *);
int p9c_plain_mkdir(struct p9c_file *dir, const char *name, uint32_t mode);
int p9c_plain_unlink(struct p9c_file *dir, const char *name);
int p9c_plain_rename(struct p9c_file *dir, const char *name, struct p9c_file *newdir,
	const char *newname);
int p9c_plain_list(struct p9c_file *, int (*fn)(void *, const struct p9c_entry *), void *arg);
