/*
 * Completions, and what their status means [NVMe 1.4, 4.6].
 */
#include <errno.h>
#include <stdio.h>
#include "nvme.h"

enum { SCT_MEDIA = 2, SCT_PATH = 3 };

static const struct {
	uint16_t status;
	int err;
	const char *text;
} table[] = {
	{ NVME_OK, 0, "done" },
	{ NVME_INVALID_OPCODE, -EOPNOTSUPP, "invalid opcode" },
	{ NVME_INVALID_FIELD, -EINVAL, "invalid field" },
	{ NVME_ID_CONFLICT, -EIO, "command id conflict" },
	{ NVME_TRANSFER_ERROR, -EIO, "data transfer error" },
	{ 0x005, -EIO, "aborted by a loss of power" },
	{ NVME_INTERNAL_ERROR, -EIO, "internal error" },
	{ NVME_ABORTED, -ETIMEDOUT, "aborted" },
	{ NVME_ABORTED_DELETED, -EIO, "aborted with its queue" },
	{ NVME_INVALID_NAMESPACE, -ENODEV, "invalid name space or format" },
	{ NVME_INVALID_PRP, -EIO, "invalid PRP offset" },
	{ 0x015, -EPERM, "operation denied" },
	{ 0x01d, -EBUSY, "sanitize in progress" },
	{ 0x020, -EROFS, "name space is write protected" },
	{ NVME_LBA_RANGE, -EIO, "LBA out of range" },
	{ NVME_CAPACITY, -ENOSPC, "capacity exceeded" },
	{ NVME_NOT_READY, -EIO, "name space not ready" },
	{ NVME_RESERVED, -EACCES, "reservation conflict" },
	{ 0x084, -EBUSY, "format in progress" },
	{ 0x100, -EINVAL, "invalid completion queue" },
	{ 0x101, -EINVAL, "invalid queue identifier" },
	{ 0x102, -EINVAL, "invalid queue size" },
	{ 0x103, -ENOSPC, "too many aborts at once" },
	{ 0x105, -ENOSPC, "too many event requests at once" },
	{ 0x108, -EINVAL, "invalid interrupt vector" },
	{ 0x109, -EINVAL, "invalid log page" },
	{ 0x180, -EINVAL, "conflicting attributes" },
	{ NVME_READ_ONLY, -EROFS, "write to a read-only range" },
	{ NVME_WRITE_FAULT, -EIO, "write fault" },
	{ NVME_READ_ERROR, -EIO, "unrecovered read error" },
	{ 0x282, -EIO, "guard check error" },
	{ 0x285, -EIO, "compare failure" },
	{ NVME_ACCESS_DENIED, -EACCES, "access denied" },
	{ 0x287, -EIO, "deallocated or unwritten block" },
};

enum { TABLE_SIZE = sizeof table / sizeof table[0] };

struct nvme_completion
nvme_completion(const uint32_t word[4])
{
	return (struct nvme_completion){
		.result = word[0],
		.head = (uint16_t)word[2],
		.qid = (uint16_t)(word[2] >> 16),
		.cid = (uint16_t)word[3],
		.status = (uint16_t)(word[3] >> 17),
		.phase = word[3] >> 16 & 1,
	};
}

static unsigned
find(uint16_t status)
{
	unsigned i = 0;

	while (i < TABLE_SIZE && table[i].status != (status & NVME_STATUS_CODE))
		i++;
	return i;
}

int
nvme_errno(uint16_t status)
{
	unsigned i = find(status);

	return i < TABLE_SIZE ? table[i].err : -EIO;
}

int
nvme_status_text(uint16_t status, char *buf, size_t size)
{
	unsigned i = find(status), type = status >> 8 & 7;
	const char *text = i < TABLE_SIZE      ? table[i].text
			   : type == SCT_MEDIA ? "media error"
			   : type == SCT_PATH  ? "path error"
					       : "unknown error";
	int n = snprintf(buf, size, "status 0x%03x %s", status & NVME_STATUS_CODE, text);

	return n < (int)size ? n : (int)size - 1;
}
