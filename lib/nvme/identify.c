/*
 * IDENTIFY pages and logs [NVMe 1.4, 5.14, 5.15].  They are foreign: every number is checked before
 * it is used as a length or an index.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "nvme.h"

enum controller { /* offsets in IDENTIFY's page, CNS 1 */
		  ID_SN = 4,
		  ID_MN = 24,
		  ID_FR = 64,
		  ID_MDTS = 77,
		  ID_VER = 80,
		  ID_RTD3E = 88,
		  ID_OAES = 92,
		  ID_ACL = 258,
		  ID_AERL = 259,
		  ID_WCTEMP = 266,
		  ID_CCTEMP = 268,
		  ID_SQES = 512,
		  ID_CQES = 513,
		  ID_NN = 516,
		  ID_ONCS = 520,
		  ID_VWC = 525,
		  ID_SGLS = 536,
		  SN_SIZE = 20,
		  MN_SIZE = 40,
		  FR_SIZE = 8,
		  MDTS_MAX = 40, /* above: as good as no limit */
		  OAES_NAMESPACES = 1 << 8,
		  ONCS_DSM = 1 << 2,
		  ONCS_ZEROES = 1 << 3,
		  SGLS_MASK = 3, /* it takes them: at any address, or of whole dwords */
		  SGLS_ANY = 1,
		  SGLS_DWORDS = 2,
};

enum namespace { /* CNS 0 */
		 NS_NSZE = 0,
		 NS_NSFEAT = 24,
		 NS_NLBAF = 25,
		 NS_FLBAS = 26,
		 NS_DPS = 29,
		 NS_DLFEAT = 33,
		 NS_NPWG = 64,
		 NS_NGUID = 104,
		 NS_EUI64 = 120,
		 NS_LBAF = 128,
		 NSFEAT_THIN = 1 << 0,
		 NSFEAT_PREFERRED = 1 << 4,
		 DLFEAT_MASK = 7,
		 DLFEAT_ZERO = 1,
		 FORMATS = 16, /* FLBAS has four bits */
		 SHIFT_MIN = 9,
		 SHIFT_MAX = 12,
};

static uint64_t
number(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

/* A number of 16 bytes. */
static uint64_t
large(const uint8_t *p)
{
	return number(p + 8, 8) ? UINT64_MAX : number(p, 8);
}

static void
text(char *out, const uint8_t *p, size_t n)
{
	size_t first = 0, len = 0;

	while (first < n && p[first] == ' ')
		first++;
	for (; first < n && p[first]; first++)
		out[len++] = p[first] < ' ' || p[first] > '~' ? '_' : (char)p[first];
	while (len && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
}

int
nvme_identity(const void *data, uint32_t page, struct nvme_identity *out)
{
	const uint8_t *p = data;
	uint64_t commands = number(p + ID_ONCS, 2), sgls = number(p + ID_SGLS, 4) & SGLS_MASK;

	*out = (struct nvme_identity){
		.version = (uint32_t)number(p + ID_VER, 4),
		.max_bytes = p[ID_MDTS] && p[ID_MDTS] <= MDTS_MAX ? (uint64_t)page << p[ID_MDTS]
								  : 0,
		.nnamespaces = (uint32_t)number(p + ID_NN, 4),
		.nevents = p[ID_AERL] + 1u,
		.naborts = p[ID_ACL] + 1u,
		.deallocate = commands & ONCS_DSM,
		.write_zeroes = commands & ONCS_ZEROES,
		.volatile_cache = p[ID_VWC] & 1,
		.sgl_align = sgls == SGLS_ANY      ? 1
			     : sgls == SGLS_DWORDS ? 4
						   : 0,
		.namespace_events = number(p + ID_OAES, 4) & OAES_NAMESPACES,
		.sqe_shift = p[ID_SQES] & 15,
		.cqe_shift = p[ID_CQES] & 15,
		.warning_kelvin = (unsigned)number(p + ID_WCTEMP, 2),
		.critical_kelvin = (unsigned)number(p + ID_CCTEMP, 2),
		.shutdown_ms = (uint32_t)(number(p + ID_RTD3E, 4) / 1000),
	};
	text(out->serial, p + ID_SN, SN_SIZE);
	text(out->model, p + ID_MN, MN_SIZE);
	text(out->firmware, p + ID_FR, FR_SIZE);
	if (out->sqe_shift > NVME_SQE_SHIFT || out->cqe_shift > NVME_CQE_SHIFT ||
	    p[ID_SQES] >> 4 < NVME_SQE_SHIFT || p[ID_CQES] >> 4 < NVME_CQE_SHIFT)
		return -ENOTSUP;
	return 0;
}

/* NPWG counts from 0; what is no power of two is no size of a sector. */
static uint32_t
physical(const uint8_t *p, uint32_t secsize)
{
	uint64_t n = p[NS_NSFEAT] & NSFEAT_PREFERRED ? number(p + NS_NPWG, 2) + 1 : 1;

	return n & (n - 1) ? secsize : secsize * (uint32_t)n;
}

int
nvme_namespace(const void *data, struct nvme_namespace *out)
{
	const uint8_t *p = data, *format;
	unsigned which = p[NS_FLBAS] & (FORMATS - 1);

	*out = (struct nvme_namespace){ .nsectors = number(p + NS_NSZE, 8) };
	if (!out->nsectors)
		return -ENODEV;
	if (which > p[NS_NLBAF])
		return -ENOTSUP;
	format = p + NS_LBAF + 4 * which;
	out->metadata = (unsigned)number(format, 2);
	out->thin = p[NS_NSFEAT] & NSFEAT_THIN;
	out->deallocated_zero = (p[NS_DLFEAT] & DLFEAT_MASK) == DLFEAT_ZERO;
	memcpy(out->id, p + NS_NGUID, sizeof out->id);
	if (!number(out->id, 8) && !number(out->id + 8, 8))
		memcpy(out->id, p + NS_EUI64, 8);
	if (format[2] < 32)
		out->secsize = 1u << format[2];
	if (out->metadata || p[NS_DPS] & 7 || format[2] < SHIFT_MIN || format[2] > SHIFT_MAX ||
	    out->nsectors > INT64_MAX / out->secsize)
		return -ENOTSUP;
	out->physsecsize = physical(p, out->secsize);
	return 0;
}

unsigned
nvme_namespace_list(const void *data, uint32_t *out, unsigned max)
{
	const uint8_t *p = data;
	uint32_t last = 0;
	unsigned n = 0;

	for (; n < max && n < NVME_LIST_MAX; n++) {
		uint32_t nsid = (uint32_t)number(p + 4 * n, 4);

		if (nsid <= last || nsid == UINT32_MAX) /* the end, or out of order */
			break;
		out[n] = last = nsid;
	}
	return n;
}

void
nvme_smart(const void *data, struct nvme_smart *out)
{
	const uint8_t *p = data;

	*out = (struct nvme_smart){
		.critical = p[0],
		.kelvin = (unsigned)number(p + 1, 2),
		.spare = p[3],
		.spare_threshold = p[4],
		.used = p[5],
		.units_read = large(p + 32),
		.units_written = large(p + 48),
		.reads = large(p + 64),
		.writes = large(p + 80),
		.busy_minutes = large(p + 96),
		.power_cycles = large(p + 112),
		.power_hours = large(p + 128),
		.unsafe_shutdowns = large(p + 144),
		.media_errors = large(p + 160),
		.error_entries = large(p + 176),
	};
}

int
nvme_critical_text(uint8_t critical, char *buf, size_t size)
{
	static const char *const texts[] = {
		"the spare is used up",
		"the temperature is out of range",
		"the medium is not reliable",
		"it is read-only",
		"the cache is not kept when the power goes",
		"the persistent memory is not reliable",
	};
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < sizeof texts / sizeof texts[0] && used < size; i++)
		if (critical >> i & 1)
			used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "",
						 texts[i]);
	return (int)(used < size ? used : size - 1);
}

int
nvme_smart_text(const struct nvme_smart *s, char *buf, size_t size)
{
	char why[NVME_CRITICAL_MAX], degrees[32] = "";
	int n;

	nvme_critical_text(s->critical, why, sizeof why);
	if (s->kelvin)
		snprintf(degrees, sizeof degrees, "temperature %d\n", (int)s->kelvin - NVME_KELVIN);
	n = snprintf(buf, size,
		     "smart %s%s\n%s"
		     "smart-value available-spare %u\nsmart-value spare-threshold %u\n"
		     "smart-value percentage-used %u\nsmart-value data-units-read %llu\n"
		     "smart-value data-units-written %llu\nsmart-value power-cycles %llu\n"
		     "smart-value power-on-hours %llu\nsmart-value unsafe-shutdowns %llu\n"
		     "smart-value media-errors %llu\nsmart-value error-log-entries %llu\n",
		     why[0] ? "failed " : "passed", why, degrees, s->spare, s->spare_threshold,
		     s->used, (unsigned long long)s->units_read,
		     (unsigned long long)s->units_written, (unsigned long long)s->power_cycles,
		     (unsigned long long)s->power_hours, (unsigned long long)s->unsafe_shutdowns,
		     (unsigned long long)s->media_errors, (unsigned long long)s->error_entries);
	return n < (int)size ? n : (int)size - 1;
}

struct nvme_event
nvme_event(uint32_t result)
{
	return (struct nvme_event){ .type = result & 7,
				    .info = result >> 8 & 0xff,
				    .log = result >> 16 & 0xff };
}
