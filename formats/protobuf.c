/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/protobuf.h"

#include <stdlib.h>
#include <string.h>

void sr_pb_release(struct sr_pb *b)
{
	free(b->p);
	*b = (struct sr_pb){ 0 };
}

static bool room(struct sr_pb *b, size_t len)
{
	size_t cap = b->cap ? b->cap : 256;
	uint8_t *p;

	if (b->failed)
		return false;
	if (len <= b->cap - b->n)
		return true;
	while (cap - b->n < len)
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

void sr_pb_raw(struct sr_pb *b, const void *data, size_t len)
{
	if (!len || !room(b, len))
		return;
	memcpy(b->p + b->n, data, len);
	b->n += len;
}

void sr_pb_number(struct sr_pb *b, uint64_t v)
{
	if (!room(b, 10))
		return;
	for (; v >= 0x80; v >>= 7)
		b->p[b->n++] = (uint8_t)(v | 0x80);
	b->p[b->n++] = (uint8_t)v;
}

void sr_pb_u64(struct sr_pb *b, unsigned field, uint64_t v)
{
	sr_pb_number(b, (uint64_t)field << 3);
	sr_pb_number(b, v);
}

void sr_pb_i64(struct sr_pb *b, unsigned field, int64_t v)
{
	sr_pb_u64(b, field, (uint64_t)v);
}

void sr_pb_bytes(struct sr_pb *b, unsigned field, const void *data, size_t len)
{
	sr_pb_number(b, (uint64_t)field << 3 | 2);
	sr_pb_number(b, len);
	sr_pb_raw(b, data, len);
}

/* The length of the UTF-8 character at s, 0: none begins there. */
static size_t utf8_length(const unsigned char *s)
{
	size_t len = *s < 0x80               ? 1 :
		     *s >= 0xc2 && *s < 0xe0 ? 2 :
		     *s >= 0xe0 && *s < 0xf0 ? 3 :
		     *s >= 0xf0 && *s < 0xf5 ? 4 :
					       0;

	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] >= 0xa0) || (*s == 0xf0 && s[1] < 0x90) ||
	    (*s == 0xf4 && s[1] >= 0x90))
		return 0;
	return len;
}

void sr_pb_text(struct sr_pb *b, unsigned field, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len = strlen(text), at;

	sr_pb_bytes(b, field, text, len);
	if (b->failed)
		return;
	at = b->n - len;
	while (*s) {
		size_t n = utf8_length(s);

		if (!n)
			b->p[at] = '?';
		s += n ? n : 1;
		at += n ? n : 1;
	}
}

void sr_pb_message(struct sr_pb *b, unsigned field, const struct sr_pb *inner)
{
	sr_pb_bytes(b, field, inner->p, inner->n);
	b->failed |= inner->failed;
}

int sr_pb_packed(struct sr_pb_reader *r, uint64_t *v)
{
	unsigned shift = 0;

	if (r->p == r->end)
		return 0;
	for (*v = 0; r->p < r->end && shift < 70; shift += 7) {
		uint8_t byte = *r->p++;

		if (shift == 63 && byte > 1)
			return -1;
		*v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return 1;
	}
	return -1;
}

static int take_fixed(struct sr_pb_reader *r, struct sr_pb_field *f, size_t len)
{
	if ((size_t)(r->end - r->p) < len)
		return -1;
	for (size_t i = 0; i < len; i++)
		f->v |= (uint64_t)r->p[i] << 8 * i;
	r->p += len;
	return 1;
}

int sr_pb_next(struct sr_pb_reader *r, struct sr_pb_field *f)
{
	uint64_t tag;
	int got = sr_pb_packed(r, &tag);

	if (got <= 0)
		return got;
	*f = (struct sr_pb_field){ .number = (unsigned)(tag >> 3), .wire = tag & 7 };
	if (!f->number || tag >> 32)
		return -1;
	switch (f->wire) {
	case 0:
		return sr_pb_packed(r, &f->v) == 1 ? 1 : -1;
	case 1:
		return take_fixed(r, f, 8);
	case 5:
		return take_fixed(r, f, 4);
	case 2:
		if (sr_pb_packed(r, &f->v) != 1 || f->v > (uint64_t)(r->end - r->p))
			return -1;
		f->p = r->p;
		f->len = (size_t)f->v;
		r->p += f->len;
		return 1;
	default:
		return -1;
	}
}
