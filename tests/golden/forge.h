/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hand-made .srz files, for what the writer never writes. Nothing here knows how the reader works: it follows
 * FORMAT.md.
 */
#ifndef SCHEDREC_TESTS_FORGE_H
#define SCHEDREC_TESTS_FORGE_H

#include <string.h>

#include "formats/srz_internal.h"

/* A chunk of n LOST events on one cpu, 10 ns apart, its first at time 1000; each field may be falsified. */
struct forged_chunk {
	uint64_t stream, events, unit, first_ns, span_ns, first_cpu, last_cpu; /* times in units */
	uint64_t nruns, cpu, count;
	uint64_t nops, kind, flags, op_count; /* kind: shifted, with its must bit */
	uint64_t kind2, flags2, op_count2;    /* with nops 2 */
	uint64_t lost;
	struct {
		uint64_t id, coding, raw, stored; /* id: shifted, with its must bit */
		uint8_t p[64];
		size_t n;
	} col[8];
	size_t ncols;
	uint8_t tail[8];
	size_t ntail;
};

static inline void forge_column(struct forged_chunk *c, unsigned id, const void *p, size_t n)
{
	c->col[c->ncols].id = id << 1 | 1;
	c->col[c->ncols].coding = SRZ_RAW;
	c->col[c->ncols].raw = c->col[c->ncols].stored = c->col[c->ncols].n = n;
	memcpy(c->col[c->ncols++].p, p, n);
}

/* Columns 1 ops, 2 times, 3 bits, 6 task, 12 misc; in this order. */
enum { FORGE_OPS, FORGE_TIMES, FORGE_BITS, FORGE_TASK, FORGE_MISC };

static inline struct forged_chunk forge_chunk(unsigned n)
{
	struct forged_chunk c = { .events = n,
				  .unit = 1,
				  .first_ns = 1000,
				  .span_ns = 10 * (n - 1u),
				  .nruns = 1,
				  .count = n,
				  .nops = 1,
				  .kind = SR_EV_LOST << 1 | 1,
				  .flags = 8,
				  .op_count = n,
				  .lost = 5 * n };
	uint8_t ops[64] = { 0 }, times[64], bits[64] = { 0 }, task[64] = { 0 }, misc[64];
	unsigned i;

	/* In the times column the first step (0) of the run comes first, for it has no op before it. 10 is 1010 in
	 * binary: 3 bits behind the leading one, of them two in the symbol: (4 - 1) * 4 + 01 and one bit, 0. */
	for (i = 0; i < n; i++) {
		times[i] = i ? 13 : 0;
		misc[2 * i] = 5;
		misc[2 * i + 1] = 7;
	}
	forge_column(&c, 1, ops, n);
	forge_column(&c, 2, times, n);
	forge_column(&c, 3, bits, n > 1 ? (n - 1 + 7) / 8 : 1);
	forge_column(&c, 6, task, n);
	forge_column(&c, 12, misc, 2 * n);
	return c;
}

/* The misc column (5 and 7, three times) coded by hand: no table but the one for all, in which both symbols have one half
 * of the 2,048; a state that has room for six bits and so needs no word. */
static inline void forge_coded(struct forged_chunk *c)
{
	uint32_t x = 1 << 16;
	unsigned i;

	for (i = 6; i--;)
		x = (x / 1024 << 11) + x % 1024 + (i % 2 ? 1024 : 0);
	/* at each of two levels no table; the first symbol, how many more; in four bits each: the rest, absent, 11 bits
	 * of which three below the leading one follow */
	memcpy(c->col[FORGE_MISC].p, "\0\0\5\2\17\13", 6);
	srz_set16(c->col[FORGE_MISC].p + 6, (uint16_t)(x >> 16));
	srz_set16(c->col[FORGE_MISC].p + 8, (uint16_t)x);
	c->col[FORGE_MISC].n = c->col[FORGE_MISC].stored = 10;
	c->col[FORGE_MISC].coding = SRZ_ANS;
}

/* The task column: three zeros. */
static inline void forge_sparse(struct forged_chunk *c, const void *p, size_t n)
{
	memcpy(c->col[FORGE_TASK].p, p, n);
	c->col[FORGE_TASK].n = c->col[FORGE_TASK].stored = n;
	c->col[FORGE_TASK].coding = SRZ_SPARSE;
}

static inline void forge_chunk_bytes(const struct forged_chunk *c, struct srz_buf *out)
{
	const uint64_t head[] = { c->stream, c->events, c->unit,  c->first_ns, c->span_ns, c->first_cpu, c->last_cpu,
				  c->nruns,  c->cpu,    c->count, c->nops,     c->kind,    c->flags,     c->op_count };
	size_t i;

	for (i = 0; i < sizeof(head) / sizeof(*head); i++)
		srz_put_varint(out, head[i]);
	if (c->nops == 2) {
		srz_put_varint(out, c->kind2);
		srz_put_varint(out, c->flags2);
		srz_put_varint(out, c->op_count2);
	}
	srz_put_varint(out, c->lost);
	srz_put_varint(out, c->ncols);
	for (i = 0; i < c->ncols; i++) {
		srz_put_varint(out, c->col[i].id);
		srz_put_varint(out, c->col[i].coding);
		srz_put_varint(out, c->col[i].raw);
		srz_put_varint(out, c->col[i].stored);
	}
	for (i = 0; i < c->ncols; i++)
		srz_put_bytes(out, c->col[i].p, c->col[i].n);
	srz_put_bytes(out, c->tail, c->ntail);
}

/* A file as it is put together; the index is kept beside it. */
struct forged_file {
	struct srz_buf b;       /* the file */
	struct srz_buf entries; /* of the index */
	uint64_t sections, last_ns, events;
	uint64_t kind, kind_count; /* the index's one total; kind 0: none */
	uint64_t lost, cpus;
};

static inline void forge_header(struct forged_file *f, unsigned version, uint32_t flags)
{
	uint8_t h[SRZ_HEADER_SIZE] = { 0 };

	memcpy(h, SRZ_MAGIC, 8);
	srz_set16(h + 8, (uint16_t)version);
	srz_set32(h + 12, flags);
	srz_set32(h + 16, (uint32_t)crc32(0, h, 16));
	srz_put_bytes(&f->b, h, sizeof(h));
}

static inline void forge_raw_section(struct forged_file *f, uint32_t id, unsigned coding, const void *p, size_t len,
				     size_t raw)
{
	struct srz_section s = { .id = id,
				 .coding = (uint8_t)coding,
				 .stored = (uint32_t)len,
				 .raw = (uint32_t)raw,
				 .crc = (uint32_t)crc32(0, p, (uInt)len) };
	uint8_t head[SRZ_SECTION_HEADER];

	srz_section_encode(&s, head);
	srz_put_bytes(&f->b, head, sizeof(head));
	srz_put_bytes(&f->b, p, len);
}

/* A section that the index lists. */
static inline void forge_section(struct forged_file *f, uint32_t id, unsigned coding, const void *p, size_t len,
				 size_t raw)
{
	srz_put_varint(&f->entries, (uint64_t)(id & ~SRZ_MUST) << 1 | id >> 31);
	srz_put_varint(&f->entries, len);
	f->sections++;
	forge_raw_section(f, id, coding, p, len, raw);
}

static inline void forge_text_section(struct forged_file *f, uint32_t id, const void *p, size_t len)
{
	forge_section(f, id, SRZ_RAW, p, len, len);
}

static inline void forge_events(struct forged_file *f, const struct forged_chunk *c)
{
	struct srz_buf p = { 0 };

	forge_chunk_bytes(c, &p);
	forge_section(f, SRZ_SEC_EVENTS | SRZ_MUST, SRZ_RAW, p.p, p.n, p.n);
	srz_put_varint(&f->entries, c->stream);
	srz_put_varint(&f->entries, c->events);
	srz_put_varint(&f->entries, c->unit);
	srz_put_varint(&f->entries, srz_zigzag((int64_t)(c->first_ns * c->unit - f->last_ns)));
	srz_put_varint(&f->entries, c->span_ns);
	srz_put_varint(&f->entries, c->first_cpu);
	srz_put_varint(&f->entries, c->last_cpu);
	srz_put_varint(&f->entries, 1ull << c->cpu % 64);
	f->last_ns = c->first_ns * c->unit;
	f->kind = c->kind >> 1;
	f->kind_count += c->op_count;
	f->lost += c->lost;
	f->cpus = c->cpu < SR_MAX_CPUS ? c->cpu + 1 : SR_MAX_CPUS;
	srz_buf_release(&p);
}

static inline void forge_index_bytes(const struct forged_file *f, struct srz_buf *out)
{
	srz_put_varint(out, f->sections);
	srz_put_bytes(out, f->entries.p, f->entries.n);
	srz_put_varint(out, f->kind != 0);
	if (f->kind) {
		srz_put_varint(out, f->kind);
		srz_put_varint(out, f->kind_count);
	}
	srz_put_varint(out, f->lost);
	srz_put_varint(out, f->cpus);
}

static inline void forge_end_at(struct forged_file *f, uint64_t index, uint64_t size)
{
	uint8_t end[SRZ_END_PAYLOAD];

	srz_set64(end, index);
	srz_set64(end + 8, size);
	forge_raw_section(f, SRZ_SEC_END | SRZ_MUST, SRZ_RAW, end, sizeof(end), sizeof(end));
}

/* Index and end mark. */
static inline void forge_finish(struct forged_file *f)
{
	struct srz_buf p = { 0 };
	uint64_t index = f->b.n;

	forge_index_bytes(f, &p);
	forge_raw_section(f, SRZ_SEC_INDEX | SRZ_MUST, SRZ_RAW, p.p, p.n, p.n);
	forge_end_at(f, index, f->b.n + SRZ_SECTION_HEADER + SRZ_END_PAYLOAD);
	srz_buf_release(&p);
}

#endif
