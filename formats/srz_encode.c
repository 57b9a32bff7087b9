/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events into a chunk. */
#include "formats/srz_codec.h"

#include <stdlib.h>

/* A time step is a magnitude with the two bits below the leading one, and the rest. */
static inline unsigned time_symbol(uint64_t v, unsigned *bits)
{
	unsigned len;

	if (v < 4) {
		*bits = 0;
		return (unsigned)v;
	}
	len = 64 - (unsigned)__builtin_clzll(v);
	*bits = len - 3;
	return (len - 1) * 4 + ((unsigned)(v >> (len - 3)) & 3);
}

static inline void bits_put(struct srz_bits *b, uint64_t v, unsigned n)
{
	while (n) {
		unsigned take = n < 32 ? n : 32;

		b->acc |= (v & ((1ull << take) - 1)) << b->nacc;
		b->nacc += take;
		v >>= take;
		n -= take;
		while (b->nacc >= 8) {
			b->p[b->pos++] = (uint8_t)b->acc;
			b->acc >>= 8;
			b->nacc -= 8;
		}
	}
}

/* Bytes that one event can add to a column. */
static const uint8_t event_bytes[SRZ_COLS] = {
	[SRZ_COL_TIMES] = 1, [SRZ_COL_BITS] = 8,  [SRZ_COL_NEXT] = 1,  [SRZ_COL_WAKEE] = 1, [SRZ_COL_TASK] = 3,
	[SRZ_COL_FAR] = 15,  [SRZ_COL_TIDS] = 15, [SRZ_COL_PRIO] = 6,  [SRZ_COL_CPU] = 6,   [SRZ_COL_STATE] = 1,
	[SRZ_COL_MISC] = 15, [SRZ_COL_POWER] = 5, [SRZ_COL_AFTER] = 1, [SRZ_COL_IRQ] = 1,   [SRZ_COL_WOKEN] = 1,
};

static bool encoder_room(struct srz_codec *c, uint32_t n)
{
	struct srz_model *m = &c->model;
	uint32_t cap = 1024;
	int i;

	for (i = 0; i < SRZ_COLS; i++) {
		struct srz_col *col = &m->col[i];
		size_t need = (size_t)n * event_bytes[i] + 1;

		if (!event_bytes[i] || need <= col->cap)
			continue;
		free(col->p);
		col->cap = 0;
		col->p = malloc(need);
		if (!col->p)
			return false;
		col->cap = need;
	}
	/* At most half full at three tasks an event. */
	while (cap < n * 8)
		cap *= 2;
	if (cap > m->hash_cap) {
		free(m->hash);
		m->hash_cap = 0;
		m->hash = calloc(cap, sizeof(*m->hash));
		if (!m->hash)
			return false;
		m->hash_cap = cap;
		m->generation = 0;
	}
	if (!++m->generation) {
		memset(m->hash, 0, m->hash_cap * sizeof(*m->hash));
		m->generation = 1;
	}
	return srz_codec_room(c, n);
}

/* Lays out the runs of each cpu; index[cpu] is its run. */
static unsigned lay_out_runs(const struct sr_event *ev, size_t n, struct srz_run *run, uint16_t *index)
{
	uint32_t count[SR_MAX_CPUS] = { 0 }, pos = 0;
	unsigned cpu, nruns = 0;
	size_t i;

	for (i = 0; i < n; i++)
		count[ev[i].cpu]++;
	for (cpu = 0; cpu < SR_MAX_CPUS; cpu++) {
		if (!count[cpu])
			continue;
		index[cpu] = (uint16_t)nruns;
		run[nruns++] = (struct srz_run){ .cpu = (uint16_t)cpu, .pos = pos, .end = pos };
		pos += count[cpu];
	}
	return nruns;
}

/* With so many kinds, flags and ctx or prev coded in some events and not in others there may be more ops than a chunk may
 * have; with both coded in all events there are at most 8 a kind. */
_Static_assert((SR_EV_KINDS - 1) * 8 <= SRZ_MAX_OPS, "a chunk may need more ops than it may have");

/* false: too many ops; again with forced. */
static bool encode_events(struct srz_codec *c, const struct sr_event *ev, size_t n, struct srz_head *h, bool forced)
{
	struct srz_model *m = &c->model;
	uint16_t index[SR_MAX_CPUS];
	uint16_t op_of[SR_EV_KINDS][SRZ_OP_FLAGS + 1]; /* + 1; 0: none yet */
	size_t i;

	h->nops = 0;
	h->lost = 0;
	srz_model_start(m);
	*srz_model_find(m, 0) = (struct srz_hash){ 0, 0, m->generation };
	memset(op_of, 0, sizeof(op_of));
	h->nruns = lay_out_runs(ev, n, h->run, index);
	for (i = 0; i < n; i++) {
		struct srz_run *r = &h->run[index[ev[i].cpu]];
		unsigned flags = srz_model_op_flags(m, &ev[i]);
		struct sr_event copy = ev[i];
		uint16_t *op;

		if (forced)
			flags |= ev[i].kind == SR_EV_SWITCH ? SRZ_OP_CTX | SRZ_OP_PREV : SRZ_OP_CTX;
		op = &op_of[ev[i].kind][flags];
		if (!*op) {
			if (h->nops == SRZ_MAX_OPS)
				return false;
			h->op[h->nops] = (struct srz_op){ ev[i].kind, flags, 0 };
			*op = (uint16_t)++h->nops;
		}
		h->op[*op - 1].count++;
		c->op[r->end] = (uint8_t)(*op - 1);
		c->time[r->end++] = ev[i].time_ns;
		if (ev[i].kind == SR_EV_LOST)
			h->lost += h->lost + ev[i].u.lost.count < h->lost ? UINT64_MAX - h->lost : ev[i].u.lost.count;
		srz_model_event(m, &copy, flags, 1);
	}
	return true;
}

static void encode_times(struct srz_codec *c, const struct srz_head *h)
{
	uint32_t unit = h->chunk.unit;
	struct srz_col *times = &c->model.col[SRZ_COL_TIMES], *rest = &c->model.col[SRZ_COL_BITS];
	struct srz_bits bits = { .p = rest->p };
	unsigned r, nbits;
	uint32_t i;

	for (r = 0; r < h->nruns; r++) {
		uint64_t last = h->chunk.first.time_ns;

		for (i = h->run[r].pos; i < h->run[r].end; i++) {
			uint64_t step = c->time[i] - last;

			last = c->time[i];
			if (unit != 1)
				step /= unit;
			times->p[i] = (uint8_t)time_symbol(step, &nbits);
			bits_put(&bits, step, nbits);
		}
	}
	if (bits.nacc)
		bits.p[bits.pos++] = (uint8_t)bits.acc;
	times->at = times->p + h->chunk.events;
	rest->at = rest->p + bits.pos;
}

static void encode_head(const struct srz_head *h, struct srz_buf *out)
{
	unsigned i, cpu = 0;

	srz_put_varint(out, h->chunk.stream);
	srz_put_varint(out, h->chunk.events);
	srz_put_varint(out, h->chunk.unit);
	srz_put_varint(out, h->chunk.first.time_ns / h->chunk.unit);
	srz_put_varint(out, (h->chunk.last.time_ns - h->chunk.first.time_ns) / h->chunk.unit);
	srz_put_varint(out, h->chunk.first.cpu);
	srz_put_varint(out, h->chunk.last.cpu);
	srz_put_varint(out, h->nruns);
	for (i = 0; i < h->nruns; i++) {
		srz_put_varint(out, h->run[i].cpu - cpu);
		srz_put_varint(out, h->run[i].end - h->run[i].pos);
		cpu = h->run[i].cpu + 1u;
	}
	srz_put_varint(out, h->nops);
	for (i = 0; i < h->nops; i++) {
		srz_put_varint(out, h->op[i].kind << 1 | 1);
		srz_put_varint(out, h->op[i].flags);
		srz_put_varint(out, h->op[i].count);
	}
	srz_put_varint(out, h->lost);
}

/* Nearly all zeros: of the others the zeros before, and the byte. False, and out as it was, when there are too many. */
static bool put_sparse(const uint8_t *p, size_t n, struct srz_buf *out)
{
	size_t before = out->n, i, last = 0, limit = before + n / 64;
	uint64_t eight;

	for (i = 0; i < n; i++) {
		while (i + 8 <= n && (memcpy(&eight, p + i, 8), !eight))
			i += 8;
		if (i == n || !p[i])
			continue;
		srz_put_varint(out, i - last);
		srz_put_bytes(out, p + i, 1);
		last = i + 1;
		if (out->n > limit)
			break;
	}
	if (out->n <= limit)
		return true;
	out->n = before;
	return false;
}

/* Columns without repetitions that are worth a search. */
static const bool column_ans[SRZ_COLS] = {
	[SRZ_COL_OPS] = true,  [SRZ_COL_TIMES] = true, [SRZ_COL_NEXT] = true,  [SRZ_COL_WAKEE] = true,
	[SRZ_COL_TASK] = true, [SRZ_COL_FAR] = true,   [SRZ_COL_STATE] = true, [SRZ_COL_AFTER] = true,
	[SRZ_COL_IRQ] = true,  [SRZ_COL_WOKEN] = true,
};

/* Shorter columns are not worth tables. */
#define ANS_FROM 512

static void encode_columns(struct srz_codec *c, struct srz_buf *out)
{
	const struct srz_ans_contexts times = { c->op, c->head.nops }, bytes = { NULL, 0 };
	unsigned i, ncols = 0;

	c->columns.n = 0;
	for (i = 1; i < SRZ_COLS; i++)
		ncols += c->model.col[i].at != c->model.col[i].p;
	srz_put_varint(out, ncols);
	for (i = 1; i < SRZ_COLS; i++) {
		const struct srz_col *col = &c->model.col[i];
		size_t before = c->columns.n, n = srz_col_done(col);
		unsigned coding = SRZ_RAW;

		if (!n)
			continue;
		if (n > 1 && !memcmp(col->p, col->p + 1, n - 1)) {
			coding = SRZ_FILL;
			srz_put_bytes(&c->columns, col->p, 1);
		} else if (c->level && put_sparse(col->p, n, &c->columns)) {
			coding = SRZ_SPARSE;
		} else if (c->level && n >= ANS_FROM && column_ans[i] &&
			   srz_ans_encode(c->ans, i == SRZ_COL_TIMES ? &times : &bytes, col->p, n, &c->columns)) {
			coding = SRZ_ANS;
		} else if (c->level && (n < ANS_FROM || !column_ans[i]) && i != SRZ_COL_BITS &&
			   srz_deflate(&c->def, c->level, Z_DEFAULT_STRATEGY, col->p, n, &c->columns)) {
			coding = SRZ_DEFLATE;
		} else {
			srz_put_bytes(&c->columns, col->p, n);
		}
		srz_put_varint(out, i << 1 | 1);
		srz_put_varint(out, coding);
		srz_put_varint(out, n);
		srz_put_varint(out, c->columns.n - before);
	}
	srz_put_bytes(out, c->columns.p, c->columns.n);
}

int srz_chunk_encode(struct srz_codec *c, unsigned stream, const struct sr_event *ev, size_t n, struct srz_buf *out,
		     struct srz_chunk *chunk, struct srz_totals *totals, struct sr_error *err)
{
	struct srz_head *h = &c->head;
	struct srz_model *m = &c->model;

	if (!encoder_room(c, (uint32_t)n))
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	h->chunk = (struct srz_chunk){ .first = srz_key_of(&ev[0]),
				       .last = srz_key_of(&ev[n - 1]),
				       .events = (uint32_t)n,
				       .unit = chunk->unit ? chunk->unit : 1,
				       .stream = (uint8_t)stream };
	if (!encode_events(c, ev, n, h, false)) {
		if (!encoder_room(c, (uint32_t)n)) /* another generation of the hash */
			return sr_fail(err, SR_ENVIRONMENT, "out of memory");
		encode_events(c, ev, n, h, true);
	}
	encode_times(c, h);
	m->col[SRZ_COL_OPS] = (struct srz_col){ .p = c->op, .at = c->op + n };
	encode_head(h, out);
	encode_columns(c, out);
	m->col[SRZ_COL_OPS] = (struct srz_col){ 0 };
	h->chunk.cpus = srz_head_cpus(h);
	chunk->unit = h->chunk.unit;
	chunk->cpus = h->chunk.cpus;
	chunk->first = h->chunk.first;
	chunk->last = h->chunk.last;
	chunk->events = h->chunk.events;
	chunk->stream = h->chunk.stream;
	srz_head_totals(h, totals);
	if (out->failed || c->columns.failed)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	return 0;
}
