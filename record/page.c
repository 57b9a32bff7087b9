/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One sub-buffer of the kernel's ring, as read from trace_pipe_raw:
 *
 *   u64 time of the first event | commit: bytes of data, and the flags below | records ... | [u64 events lost]
 *
 * A record is a 32 bit header (type_len:5, time_delta:27; the other way round on big-endian machines) and its data.
 * The kernel writes them, but nothing here relies on that: no length is believed before it is checked.
 */
#include <string.h>

#include "record/internal.h"

#define COMMIT_SIZE ((1u << 27) - 1)
#define MISSED (1u << 31)
#define MISSED_STORED (1u << 30)

enum { PADDING = 29, TIME_EXTEND = 30, TIME_STAMP = 31 };

#define DELTA_BITS 27
#define STAMP_BITS (DELTA_BITS + 32)

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

int rec_page_init(struct rec_page *p, const uint8_t *bytes, size_t len, unsigned commit_size)
{
	size_t header = 8 + commit_size, data;
	uint32_t commit;

	if ((commit_size != 4 && commit_size != 8) || len < header)
		return -1;
	memcpy(&p->time_ns, bytes, 8);
	if (commit_size == 8) {
		uint64_t wide;

		memcpy(&wide, bytes + 8, 8);
		commit = (uint32_t)wide;
	} else {
		commit = get32(bytes + 8);
	}
	data = commit & COMMIT_SIZE;
	if (data > len - header)
		return -1;
	p->at = bytes + header;
	p->end = p->at + data;
	p->missed = commit & MISSED;
	p->missed_n = 0;
	if (p->missed && (commit & MISSED_STORED)) {
		/* An unsigned long of the kernel's, as wide as its commit field, behind the data. */
		if (len - header - data < commit_size)
			return -1;
		if (commit_size == 8)
			memcpy(&p->missed_n, p->end, 8);
		else
			p->missed_n = get32(p->end);
	}
	return 0;
}

int rec_page_next(struct rec_page *p, const uint8_t **data, size_t *len, uint64_t *time_ns)
{
	while (p->end - p->at >= 4) {
		uint32_t head = get32(p->at);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		unsigned type = head & 31;
		uint64_t delta = head >> 5;
#else
		unsigned type = head >> DELTA_BITS;
		uint64_t delta = head & ((1u << DELTA_BITS) - 1);
#endif
		const uint8_t *body = p->at + 4;
		size_t left = p->end - body, size = type * 4;

		if (type && type < PADDING) {
			if (size > left)
				return -1;
			p->at = body + size;
			p->time_ns += delta;
			*data = body;
			*len = size;
			*time_ns = p->time_ns;
			return 1;
		}
		if (type == PADDING && !delta)
			break; /* the rest of the sub-buffer is unused */
		if (left < 4)
			return -1;
		size = get32(body);
		switch (type) {
		case TIME_EXTEND:
			p->time_ns += delta + ((uint64_t)size << DELTA_BITS);
			p->at = body + 4;
			break;
		case TIME_STAMP: {
			/* Absolute, without the topmost bits: they are those of the time so far. */
			uint64_t low = delta + ((uint64_t)size << DELTA_BITS);
			uint64_t full = (p->time_ns >> STAMP_BITS << STAMP_BITS) | low;

			if (full < p->time_ns && full >> STAMP_BITS)
				full += 1ull << STAMP_BITS;
			p->time_ns = full;
			p->at = body + 4;
			break;
		}
		case PADDING: /* an event that was taken back */
			if (size > left)
				return -1;
			p->time_ns += delta;
			p->at = body + size;
			break;
		default: /* 0: the size, with itself, stands in front */
			if (size < 4 || size > left)
				return -1;
			p->time_ns += delta;
			*data = body + 4;
			*len = size - 4;
			*time_ns = p->time_ns;
			/* Records are padded to four bytes. */
			size = (size + 3) & ~(size_t)3;
			p->at = size > left ? p->end : body + size;
			return 1;
		}
	}
	p->at = p->end;
	return 0;
}
