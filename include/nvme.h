/*
 * NVM Express, without hardware: registers, commands, PRP lists and SGLs, completions, IDENTIFY
 * pages, logs.
 * Pure functions; the caller owns all memory.  Sections are those of NVMe 1.4.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dma_seg.h"
#include "reg.h"

/* --- registers [3.1] ------------------------------------------------------------------------- */

enum nvme_reg {
	NVME_CAP = 0x00, /* 64 bits */
	NVME_VS = 0x08,
	NVME_INTMS = 0x0c,
	NVME_INTMC = 0x10,
	NVME_CC = 0x14,
	NVME_CSTS = 0x1c,
	NVME_AQA = 0x24,
	NVME_ASQ = 0x28, /* 64 bits, as the next */
	NVME_ACQ = 0x30,
	NVME_DOORBELLS = 0x1000,
};

REG_FIELD(NVME_CAP_MQES, 0, 16); /* entries of a queue, less one */
REG_FIELD(NVME_CAP_CQR, 16, 1);
REG_FIELD(NVME_CAP_TO, 24, 8); /* of 500 ms: until CSTS.RDY follows CC.EN */
/* The upper half of CAP. */
REG_FIELD(NVME_CAPH_DSTRD, 0, 4); /* doorbells are 4 << DSTRD apart */
REG_FIELD(NVME_CAPH_CSS, 5, 8);   /* bit 0: the NVM command set */
REG_FIELD(NVME_CAPH_MPSMIN, 16, 4);
REG_FIELD(NVME_CAPH_MPSMAX, 20, 4);
REG_FIELD(NVME_CC_EN, 0, 1);
REG_FIELD(NVME_CC_MPS, 7, 4); /* pages are 4096 << MPS */
REG_FIELD(NVME_CC_SHN, 14, 2);
REG_FIELD(NVME_CC_IOSQES, 16, 4);
REG_FIELD(NVME_CC_IOCQES, 20, 4);
REG_FIELD(NVME_CSTS_RDY, 0, 1);
REG_FIELD(NVME_CSTS_CFS, 1, 1); /* a fatal error */
REG_FIELD(NVME_CSTS_SHST, 2, 2);
REG_FIELD(NVME_AQA_ASQS, 0, 12); /* entries, less one, as the next */
REG_FIELD(NVME_AQA_ACQS, 16, 12);
enum { NVME_SHN_NORMAL = 1, NVME_SHST_COMPLETE = 2, NVME_PAGE = 4096 };

/* Of queue pair `qid`: its submission queue's tail, its completion queue's head [3.1.24]. */
static inline uint64_t
nvme_doorbell(unsigned qid, bool completion, unsigned stride)
{
	return NVME_DOORBELLS + (2ull * qid + completion) * (4ull << stride);
}

/* --- lib/nvme/command.c ---------------------------------------------------------------------- */

enum { NVME_SQE_SHIFT = 6, NVME_CQE_SHIFT = 4, NVME_SQE_SIZE = 64, NVME_CQE_SIZE = 16 };

enum nvme_admin_opcode {
	NVME_DELETE_SQ = 0x00,
	NVME_CREATE_SQ = 0x01,
	NVME_GET_LOG = 0x02,
	NVME_DELETE_CQ = 0x04,
	NVME_CREATE_CQ = 0x05,
	NVME_IDENTIFY = 0x06,
	NVME_ABORT = 0x08,
	NVME_SET_FEATURES = 0x09,
	NVME_ASYNC_EVENT = 0x0c,
};

enum nvme_opcode {
	NVME_FLUSH = 0x00,
	NVME_WRITE = 0x01,
	NVME_READ = 0x02,
	NVME_WRITE_ZEROES = 0x08,
	NVME_DSM = 0x09,
};

/* A submission queue's entry [4.2], little-endian as in memory. */
struct nvme_command {
	uint8_t opcode, flags;
	uint16_t cid;
	uint32_t nsid, cdw2, cdw3;
	uint64_t mptr, prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct nvme_command) == NVME_SQE_SIZE, "a submission queue's entry");

enum { NVME_BLOCKS_MAX = 65536 }; /* of a read, a write or a write zeroes */

/* n: 1..NVME_BLOCKS_MAX; the PRPs are the caller's.  The same for opcodes read and write. */
struct nvme_command nvme_cmd_rw(uint8_t opcode, uint32_t nsid, uint64_t lba, uint32_t n, bool fua);
/* Of the name space; it is zero afterwards, and deallocated where the controller wants. */
struct nvme_command nvme_cmd_zeroes(uint32_t nsid, uint64_t lba, uint32_t n);
struct nvme_command nvme_cmd_flush(uint32_t nsid);
/* Deallocates 1..256 ranges at prp1. */
struct nvme_command nvme_cmd_deallocate(uint32_t nsid, unsigned nranges, uint64_t prp1);

enum { NVME_RANGE_SIZE = 16, NVME_RANGES_MAX = 256 };
/*
 * Adds a range to a list of n in buf [6.7]; one that begins where the last ends is made part of it.
 * The number of ranges after it, or -ENOSPC for one too many.
 */
int nvme_range_add(void *buf, unsigned n, uint64_t lba, uint32_t nblocks);

enum { NVME_CNS_NAMESPACE = 0, NVME_CNS_CONTROLLER = 1, NVME_CNS_LIST = 2 };
struct nvme_command nvme_cmd_identify(unsigned cns, uint32_t nsid, uint64_t prp1);
/* entries: 2 and up; the queue is contiguous at prp1; completions interrupt by `vector`. */
struct nvme_command
nvme_cmd_create_cq(unsigned qid, unsigned entries, unsigned vector, uint64_t prp1);
struct nvme_command nvme_cmd_create_sq(unsigned qid, unsigned entries, uint64_t prp1);
struct nvme_command nvme_cmd_abort(unsigned qid, uint16_t cid);
enum {
	NVME_FEATURE_CACHE = 0x06,
	NVME_FEATURE_QUEUES = 0x07,
	NVME_FEATURE_EVENTS = 0x0b,
	NVME_EVENT_SPARE = 1 << 0,
	NVME_EVENT_TEMPERATURE = 1 << 1,
	NVME_EVENT_RELIABILITY = 1 << 2,
	NVME_EVENT_READ_ONLY = 1 << 3,
	NVME_EVENT_NAMESPACES = 1 << 8,
};
struct nvme_command nvme_cmd_set_feature(unsigned feature, uint32_t value);
enum { NVME_LOG_ERROR = 1, NVME_LOG_SMART = 2, NVME_LOG_NAMESPACES = 4 };
/* bytes: a multiple of 4, at most one page. */
struct nvme_command nvme_cmd_log(unsigned log, size_t bytes, uint64_t prp1);

/*
 * The PRPs of a command's data [4.3], for pages of `page` bytes: prp1, and prp2 or a list of them
 * in memory at `list` (list_paddr for the device; it may not cross a page).  The segments are
 * virtually contiguous: only the first begins inside a page, only the last ends in one.  0;
 * -EINVAL for others, for an address that is no multiple of 4, or for nothing; -E2BIG above
 * list_max entries.
 */
struct nvme_prp_list {
	uint64_t *entry;
	uint64_t paddr;
	unsigned max;
};
int nvme_prps(struct nvme_command *c, const struct dma_seg *seg, unsigned nsegs, uint32_t page,
	      const struct nvme_prp_list *list);

/* --- lib/nvme/sgl.c -------------------------------------------------------------------------- */

enum { NVME_SGL_SIZE = 16 }; /* bytes of a descriptor */

/*
 * Has the controller less to read for an SGL than for PRPs, for pages of `page` bytes?  Two PRPs
 * are in the command itself, as is one descriptor; else 8 bytes of each against 16.
 */
bool nvme_sgl_is_shorter(const struct dma_seg *seg, unsigned nsegs, uint32_t page);
/*
 * The SGL of a command's data [4.4], any segments, in memory at `at` (paddr for the device) if one
 * descriptor does not do; that memory is written in any case.  0; -EINVAL for nothing, for an
 * address or a length that is no multiple of `align` bytes or does not fit; -E2BIG above max
 * descriptors.
 */
struct nvme_sgl_list {
	uint8_t *at;
	uint64_t paddr;
	unsigned max; /* at least 1 */
};
int nvme_sgl(struct nvme_command *c, const struct dma_seg *seg, unsigned nsegs, uint32_t align,
	     const struct nvme_sgl_list *list);

/* --- lib/nvme/ring.c ------------------------------------------------------------------------- */

struct nvme_completion { /* [4.6] */
	uint32_t result;
	uint16_t head, qid, cid;
	uint16_t status; /* without the phase */
	bool phase;
};

struct nvme_ring {        /* a pair of queues, as the driver sees it */
	uint8_t *sq, *cq; /* the caller's: `entries` commands, and as many completions */
	unsigned entries;
	unsigned tail, head; /* of sq, of cq: what the doorbells are to be told */
	bool phase;          /* of what is new in cq */
};

/* sq, cq and entries are set: both are empty. */
void nvme_ring_init(struct nvme_ring *r);
/* There is room: fewer than `entries` commands are in flight. */
void nvme_ring_put(struct nvme_ring *r, const struct nvme_command *cmd);
/* The next completion, each once; false if there is none.  It is the controller's word. */
bool nvme_ring_take(struct nvme_ring *r, struct nvme_completion *out);

/* --- lib/nvme/status.c ----------------------------------------------------------------------- */

/* From a completion queue's entry: four little-endian words, which were read once. */
struct nvme_completion nvme_completion(const uint32_t word[4]);

/* A status as in the completion: SC in 0-7, SCT in 8-10, more 13, do not retry 14 [4.6.1]. */
enum nvme_status {
	NVME_OK = 0,
	NVME_INVALID_OPCODE = 0x001,
	NVME_INVALID_FIELD = 0x002,
	NVME_ID_CONFLICT = 0x003,
	NVME_TRANSFER_ERROR = 0x004,
	NVME_INTERNAL_ERROR = 0x006,
	NVME_ABORTED = 0x007,
	NVME_ABORTED_DELETED = 0x008,
	NVME_INVALID_NAMESPACE = 0x00b,
	NVME_INVALID_PRP = 0x013,
	NVME_LBA_RANGE = 0x080,
	NVME_CAPACITY = 0x081,
	NVME_NOT_READY = 0x082,
	NVME_RESERVED = 0x083,
	NVME_READ_ONLY = 0x182,
	NVME_WRITE_FAULT = 0x280,
	NVME_READ_ERROR = 0x281,
	NVME_ACCESS_DENIED = 0x286,
	NVME_STATUS_CODE = 0x7ff,
	NVME_MORE = 1 << 13,
	NVME_DO_NOT_RETRY = 1 << 14,
};

/* 0 or a negative errno. */
int nvme_errno(uint16_t status);
/* "status 0x281 unrecovered read error"; the length, as snprintf's but at most size - 1. */
int nvme_status_text(uint16_t status, char *buf, size_t size);

/* --- lib/nvme/identify.c --------------------------------------------------------------------- */

enum { NVME_IDENTIFY_SIZE = 4096, NVME_SMART_SIZE = 512, NVME_LIST_MAX = 1024 };

struct nvme_identity {                           /* of a controller */
	char model[41], serial[21], firmware[9]; /* printable, no blanks at the ends */
	uint32_t version;                        /* major << 16 | minor << 8; 0 in 1.0 */
	uint64_t max_bytes;                      /* of a transfer; 0: no limit */
	uint32_t nnamespaces;                    /* their numbers are 1 to that */
	unsigned nevents, naborts;               /* at once; at least 1 */
	bool deallocate, write_zeroes;           /* commands that it has */
	bool volatile_cache;
	unsigned sgl_align;    /* bytes: of the data of SGLs in I/O commands; 0: it takes none */
	bool namespace_events; /* tells when name spaces come and go */
	unsigned sqe_shift, cqe_shift;            /* the least that it takes */
	unsigned warning_kelvin, critical_kelvin; /* 0: not told */
	uint32_t shutdown_ms;                     /* that it may take; 0: not told */
};

/*
 * The 4096 bytes of IDENTIFY with CNS 1 [5.15.2.2]; `page` is the least page size (CAP.MPSMIN) in
 * bytes.  -ENOTSUP for queue entries that are larger than this library's.
 */
int nvme_identity(const void *data, uint32_t page, struct nvme_identity *out);

struct nvme_namespace {
	uint64_t nsectors;
	uint32_t secsize, physsecsize; /* bytes */
	unsigned metadata;             /* bytes with each sector */
	bool deallocated_zero;         /* what was deallocated reads as 0 */
	bool thin;
	uint8_t id[16]; /* NGUID, or EUI64 and zeros, or zeros */
};

/*
 * IDENTIFY with CNS 0 [5.15.2.1].  -ENODEV for one that is not active; -ENOTSUP for a format with
 * metadata or protection, or with sectors that are not of 512..4096 bytes (out has which).
 */
int nvme_namespace(const void *data, struct nvme_namespace *out);
/* CNS 2 [5.15.2.3]: the numbers that are there, in order, at most max; how many. */
unsigned nvme_namespace_list(const void *data, uint32_t *out, unsigned max);

struct nvme_smart {       /* [5.14.1.2]; what is larger than its type is its type's largest */
	uint8_t critical; /* NVME_EVENT_* of the first four, and bit 4: the cache's backup */
	unsigned kelvin;
	unsigned spare, spare_threshold, used; /* percent; used may be above 100 */
	uint64_t units_read, units_written;    /* of 512,000 bytes */
	uint64_t reads, writes, busy_minutes, power_cycles, power_hours, unsafe_shutdowns;
	uint64_t media_errors, error_entries;
};
void nvme_smart(const void *data, struct nvme_smart *out);
enum { NVME_KELVIN = 273, NVME_CRITICAL_MAX = 200 };
/* "the spare is used up, it is read-only"; "" for 0.  The length, as snprintf's but below size. */
int nvme_critical_text(uint8_t critical, char *buf, size_t size);
/* As lines of ctl (man/3/sd); the length likewise. */
int nvme_smart_text(const struct nvme_smart *s, char *buf, size_t size);

/* An asynchronous event's completion result [5.2]. */
struct nvme_event {
	unsigned type, info, log;
};
enum { NVME_EVENT_TYPE_ERROR = 0, NVME_EVENT_TYPE_SMART = 1, NVME_EVENT_TYPE_NOTICE = 2 };
struct nvme_event nvme_event(uint32_t result);
