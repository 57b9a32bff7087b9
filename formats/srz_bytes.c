/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/srz_internal.h"

#include <stdlib.h>
#include <sys/mman.h>

void srz_populate(void *p, size_t len)
{
#ifdef MADV_POPULATE_WRITE
	const uintptr_t page = 4096, from = ((uintptr_t)p + page - 1) & ~(page - 1),
			to = ((uintptr_t)p + len) & ~(page - 1);

	if (p && to > from)
		madvise((void *)from, to - from, MADV_POPULATE_WRITE); /* pages that are not that small: it fails */
#endif
}

void *srz_new_populated(size_t len)
{
	const size_t huge = 2u << 20;
	void *p = len >= huge ? aligned_alloc(huge, (len + huge - 1) / huge * huge) : malloc(len);

#ifdef MADV_HUGEPAGE
	if (p && len >= huge)
		madvise(p, len / huge * huge, MADV_HUGEPAGE); /* without them: it fails */
#endif
	srz_populate(p, len);
	return p;
}

bool srz_buf_reserve(struct srz_buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 4096;
	uint8_t *p;

	if (b->failed)
		return false;
	if (more <= b->cap - b->n)
		return true;
	while (cap - b->n < more)
		cap *= 2;
	p = realloc(b->p, cap);
	if (!p) {
		b->failed = true;
		return false;
	}
	b->p = p;
	b->cap = cap;
	return true;
}

bool srz_buf_empty(struct srz_buf *b, size_t len)
{
	bool grows = len > b->cap;

	b->n = 0;
	if (!srz_buf_reserve(b, len))
		return false;
	if (grows)
		srz_populate(b->p, len);
	return true;
}

void srz_buf_release(struct srz_buf *b)
{
	free(b->p);
	*b = (struct srz_buf){ 0 };
}

void srz_put_bytes(struct srz_buf *b, const void *p, size_t n)
{
	if (!n || !srz_buf_reserve(b, n))
		return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

void srz_put_varint(struct srz_buf *b, uint64_t v)
{
	if (!srz_buf_reserve(b, 10))
		return;
	while (v >= 0x80) {
		b->p[b->n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	b->p[b->n++] = (uint8_t)v;
}

uint64_t srz_take_varint(struct srz_view *v)
{
	uint64_t value = 0;
	unsigned shift;

	for (shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (v->bad)
			return 0;
		if (v->p == v->end) {
			v->bad = "ends in the middle of a number";
			return 0;
		}
		byte = *v->p++;
		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	v->bad = "has a number of more than 64 bits";
	return 0;
}

uint64_t srz_take_max(struct srz_view *v, uint64_t max, const char *bad)
{
	uint64_t value = srz_take_varint(v);

	if (value > max) {
		v->bad = bad;
		return 0;
	}
	return value;
}

const uint8_t *srz_take_bytes(struct srz_view *v, size_t n)
{
	const uint8_t *p = v->p;

	if (v->bad)
		return NULL;
	if ((size_t)(v->end - v->p) < n) {
		v->bad = "ends in the middle of its bytes";
		return NULL;
	}
	v->p += n;
	return p;
}

bool srz_deflate(z_stream *z, int level, int strategy, const void *in, size_t len, struct srz_buf *out)
{
	int rc;

	/* Without room for as much as the input the result is of no use; zlib stops there by itself. */
	if (len < 16 || !srz_buf_reserve(out, len))
		return false;
	/* Parameters first: on a reset stream without input this changes nothing but the parameters. */
	if (deflateReset(z) != Z_OK || deflateParams(z, level, strategy) != Z_OK)
		return false;
	z->next_in = (Bytef *)(uintptr_t)in;
	z->avail_in = (uInt)len;
	z->next_out = out->p + out->n;
	z->avail_out = (uInt)(len - 1);
	rc = deflate(z, Z_FINISH);
	if (rc != Z_STREAM_END)
		return false;
	out->n += len - 1 - z->avail_out;
	return true;
}

bool srz_inflate(z_stream *z, const void *in, size_t stored, void *out, size_t len)
{
	uint8_t none = 0;
	int rc;

	if (inflateReset(z) != Z_OK)
		return false;
	z->next_in = (Bytef *)(uintptr_t)in;
	z->avail_in = (uInt)stored;
	z->next_out = len ? out : &none;
	z->avail_out = (uInt)len;
	rc = inflate(z, Z_FINISH);
	return rc == Z_STREAM_END && !z->avail_out && !z->avail_in;
}

const char *srz_section_name(uint32_t id)
{
	switch (id & ~SRZ_MUST) {
	case SRZ_SEC_META:
		return "meta";
	case SRZ_SEC_NAMES:
		return "names";
	case SRZ_SEC_EVENTS:
		return "events";
	case SRZ_SEC_INDEX:
		return "index";
	case SRZ_SEC_END:
		return "end";
	case SRZ_SEC_TASKS:
		return "tasks";
	case SRZ_SEC_MACHINE:
		return "machine";
	case SRZ_SEC_WORK:
		return "work";
	case SRZ_SEC_ATTRIBUTES:
		return "attributes";
	}
	return "unknown";
}

void srz_section_encode(const struct srz_section *s, uint8_t head[SRZ_SECTION_HEADER])
{
	memset(head, 0, SRZ_SECTION_HEADER);
	srz_set32(head, s->id);
	head[4] = s->coding;
	srz_set32(head + 8, s->stored);
	srz_set32(head + 12, s->raw);
	srz_set32(head + 16, s->crc);
	srz_set32(head + 20, (uint32_t)crc32(0, head, 20));
}

const char SRZ_NOT_WHOLE[] = "has a wrong header checksum";

const char *srz_section_decode(struct srz_section *s, const uint8_t head[SRZ_SECTION_HEADER])
{
	s->id = srz_get32(head);
	s->coding = head[4];
	s->stored = srz_get32(head + 8);
	s->raw = srz_get32(head + 12);
	s->crc = srz_get32(head + 16);
	if (srz_get32(head + 20) != (uint32_t)crc32(0, head, 20))
		return SRZ_NOT_WHOLE;
	if (head[5] || head[6] || head[7])
		return "has reserved bytes that are not zero";
	if (s->stored > SRZ_MAX_SECTION || s->raw > SRZ_MAX_SECTION)
		return "is longer than the limit";
	if (s->id <= SRZ_SEC_TASKS)
		return "lacks its must-understand bit";
	return NULL;
}
