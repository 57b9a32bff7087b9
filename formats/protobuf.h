/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Protocol buffers' wire format, as much of it as Perfetto's traces need: a message put together in memory, and
 * a bounded walk over the fields of one.
 *
 * Whoever reads owns the bytes; every length is checked against them. A writer that ran out of memory stays failed.
 */
#ifndef SCHEDREC_FORMATS_PROTOBUF_H
#define SCHEDREC_FORMATS_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sr_pb {
	uint8_t *p;
	size_t n, cap;
	bool failed; /* out of memory */
};

void sr_pb_release(struct sr_pb *b);
void sr_pb_raw(struct sr_pb *b, const void *data, size_t len);
void sr_pb_number(struct sr_pb *b, uint64_t v); /* a varint alone */
void sr_pb_u64(struct sr_pb *b, unsigned field, uint64_t v);
void sr_pb_i64(struct sr_pb *b, unsigned field, int64_t v); /* int32 and int64 alike */
void sr_pb_bytes(struct sr_pb *b, unsigned field, const void *data, size_t len);
void sr_pb_text(struct sr_pb *b, unsigned field, const char *text); /* bytes that are no UTF-8 become "?" */
void sr_pb_message(struct sr_pb *b, unsigned field, const struct sr_pb *inner);

struct sr_pb_reader {
	const uint8_t *p, *end;
};

struct sr_pb_field {
	unsigned number;
	uint8_t wire;     /* 0 number, 1 fixed64, 2 bytes, 5 fixed32 */
	uint64_t v;       /* of a number or fixed one */
	const uint8_t *p; /* of bytes */
	size_t len;
};

/* The message that a field of bytes is; of any other an empty one. */
static inline struct sr_pb_reader sr_pb_within(const struct sr_pb_field *f)
{
	return f->p ? (struct sr_pb_reader){ f->p, f->p + f->len } : (struct sr_pb_reader){ 0 };
}

/* 1 a field, 0 the end, -1 the bytes are no message. */
int sr_pb_next(struct sr_pb_reader *r, struct sr_pb_field *f);
/* The next varint of a packed field: 1, 0, -1 likewise. */
int sr_pb_packed(struct sr_pb_reader *r, uint64_t *v);

#endif
