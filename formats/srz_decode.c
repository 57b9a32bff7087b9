/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A chunk into events. Everything in it is hostile until checked. */
#include "formats/srz_codec.h"

#include <endian.h>
#include <stdlib.h>

/* The caller has checked that there are n <= 61 bits. */
static inline uint64_t bits_get(struct srz_bits *b, unsigned n)
{
	uint64_t byte = b->pos >> 3, v = 0;
	unsigned shift = b->pos & 7;

	b->pos += n;
	if (byte + 9 <= b->len >> 3) {
		memcpy(&v, b->p + byte, 8);
		v = le64toh(v) >> shift;
		if (shift + n > 64)
			v |= (uint64_t)b->p[byte + 8] << (64 - shift);
	} else {
		unsigned i;

		for (i = 0; i < n; i++) {
			uint64_t at = b->pos - n + i;

			v |= (uint64_t)(b->p[at >> 3] >> (at & 7) & 1) << i;
		}
	}
	return v & ((1ull << n) - 1);
}

static void decode_runs(struct srz_view *v, struct srz_head *h)
{
	uint64_t cpu = 0, left = h->chunk.events;
	uint32_t pos = 0;
	unsigned i;

	h->nruns = (unsigned)srz_take_max(v, SR_MAX_CPUS, "has too many cpus");
	for (i = 0; i < h->nruns && !v->bad; i++) {
		uint64_t count;

		cpu += srz_take_max(v, SR_MAX_CPUS, "names a cpu out of range");
		count = srz_take_max(v, left, "counts its events by cpu wrongly");
		if (v->bad)
			return;
		if (cpu >= SR_MAX_CPUS) {
			v->bad = "names a cpu out of range";
			return;
		}
		if (!count) {
			v->bad = "counts its events by cpu wrongly";
			return;
		}
		h->run[i] = (struct srz_run){ .cpu = (uint16_t)cpu, .pos = pos, .end = pos + (uint32_t)count };
		cpu++;
		pos += (uint32_t)count;
		left -= count;
	}
	if (!v->bad && left)
		v->bad = "counts its events by cpu wrongly";
}

static void decode_ops(struct srz_view *v, struct srz_head *h)
{
	uint64_t left = h->chunk.events;
	unsigned i;

	h->nops = (unsigned)srz_take_max(v, SRZ_MAX_OPS, "has too many ops");
	for (i = 0; i < h->nops && !v->bad; i++) {
		uint64_t kind = srz_take_max(v, UINT32_MAX, "has a kind out of range");
		uint64_t flags = srz_take_max(v, SRZ_OP_FLAGS, "has op flags that this reader does not know");
		uint64_t count = srz_take_max(v, left, "counts its events by op wrongly");
		bool known = kind >> 1 && kind >> 1 < SR_EV_KINDS;

		if (!v->bad && !known && kind & 1)
			v->bad = "has a kind of event that must be understood and is not known to this reader";
		else if (!v->bad && (!count || !(kind >> 1)))
			v->bad = "counts its events by op wrongly";
		else if (!v->bad && flags & SRZ_OP_PREV && kind >> 1 != SR_EV_SWITCH)
			v->bad = "has op flags that do not fit the kind";
		h->op[i] = (struct srz_op){ known ? (uint32_t)(kind >> 1) : 0, (uint32_t)flags, (uint32_t)count };
		left -= count;
	}
	if (!v->bad && left)
		v->bad = "counts its events by op wrongly";
}

bool srz_times_of(struct srz_chunk *c, uint64_t first, uint64_t span)
{
	return !__builtin_mul_overflow(first, c->unit, &c->first.time_ns) &&
	       !__builtin_mul_overflow(span, c->unit, &span) &&
	       !__builtin_add_overflow(c->first.time_ns, span, &c->last.time_ns);
}

static void decode_head(struct srz_view *v, struct srz_head *h)
{
	struct srz_chunk *c = &h->chunk;
	uint64_t span;

	c->stream = (uint8_t)srz_take_max(v, SRZ_STREAMS - 1, "has a stream that is not known");
	c->events = (uint32_t)srz_take_max(v, SRZ_MAX_CHUNK_EVENTS, "has too many events");
	c->unit = (uint32_t)srz_take_max(v, SRZ_MAX_TIME_UNIT, "has a time unit out of range");
	if (!v->bad && !c->unit)
		v->bad = "has a time unit out of range";
	c->first.time_ns = srz_take_varint(v);
	span = srz_take_varint(v);
	c->first.cpu = (uint32_t)srz_take_max(v, SR_MAX_CPUS - 1, "names a cpu out of range");
	c->last.cpu = (uint32_t)srz_take_max(v, SR_MAX_CPUS - 1, "names a cpu out of range");
	if (!v->bad && !c->events)
		v->bad = "has no events";
	if (!v->bad && !srz_times_of(c, c->first.time_ns, span))
		v->bad = "has a time beyond 64 bits";
	if (!v->bad)
		decode_runs(v, h);
	c->cpus = srz_head_cpus(h);
	if (!v->bad)
		decode_ops(v, h);
	h->lost = srz_take_varint(v);
}

const char *srz_chunk_head(const uint8_t *p, size_t len, struct srz_chunk *chunk, struct srz_totals *totals)
{
	struct srz_view v = { p, p + len, NULL };
	struct srz_head *h = calloc(1, sizeof(*h));
	struct srz_chunk place = *chunk;
	const char *bad;

	if (!h)
		return SRZ_NO_MEMORY;
	decode_head(&v, h);
	bad = v.bad;
	if (!bad) {
		*chunk = h->chunk;
		chunk->offset = place.offset;
		chunk->stored = place.stored;
		srz_head_totals(h, totals);
	}
	free(h);
	return bad;
}

struct entry {
	unsigned id, coding;
	uint32_t raw, stored;
};

static const char *decode_directory(struct srz_view *v, struct entry *e, unsigned *n)
{
	unsigned ncols = (unsigned)srz_take_max(v, 255, "has too many columns"), seen = 0, i;
	uint64_t total = 0;

	*n = 0;
	for (i = 0; i < ncols && !v->bad; i++) {
		uint64_t id = srz_take_max(v, UINT32_MAX, "has a column id out of range");
		uint64_t coding = srz_take_max(v, UINT32_MAX, "has a column coding out of range");
		uint32_t raw = (uint32_t)srz_take_max(v, SRZ_MAX_SECTION, "has a column longer than the limit");
		uint32_t stored = (uint32_t)srz_take_max(v, SRZ_MAX_SECTION, "has a column longer than the limit");
		bool known = id >> 1 && id >> 1 < SRZ_COLS;

		if (v->bad)
			break;
		if (!known && id & 1)
			return "has a column that must be understood and is not known to this reader";
		if (known && coding > SRZ_SPARSE)
			return "has a column coding that is not known to this reader";
		if (known && seen & 1u << (id >> 1))
			return "has a column twice";
		if (known && ((coding == SRZ_RAW && raw != stored) || (coding == SRZ_FILL && stored != 1) || !raw))
			return "has a column whose lengths do not fit";
		if (known) {
			seen |= 1u << (id >> 1);
			total += raw;
		}
		if (total > SRZ_MAX_SECTION)
			return "has columns that are together longer than the limit";
		e[i] = (struct entry){ known ? (unsigned)(id >> 1) : 0, (unsigned)coding, raw, stored };
		*n = i + 1;
	}
	return v->bad;
}

static const char *decode_op_column(struct srz_codec *c, const struct srz_head *h)
{
	const struct srz_col *col = &c->model.col[SRZ_COL_OPS];
	uint32_t count[SRZ_MAX_OPS] = { 0 };
	uint32_t i;

	if (srz_col_len(col) != h->chunk.events)
		return "has another number of ops than of events";
	for (i = 0; i < h->chunk.events; i++)
		count[col->p[i]]++;
	for (i = 0; i < SRZ_MAX_OPS; i++)
		if (count[i] != (i < h->nops ? h->op[i].count : 0))
			return "counts its events by op wrongly";
	memcpy(c->op, col->p, h->chunk.events);
	return NULL;
}

uint64_t srz_model_take(struct srz_model *m, enum srz_column id, uint64_t max)
{
	struct srz_col *c = &m->col[id];
	struct srz_view view = { c->at, c->end, NULL };
	uint64_t v = srz_take_max(&view, max, "a value is out of range");

	if (view.bad)
		srz_model_fail(m, view.bad);
	c->at += view.p - c->at;
	return v;
}

uint32_t srz_model_other(struct srz_model *m, unsigned sym, uint16_t cpu)
{
	uint32_t slot;

	if (sym <= SRZ_RECENT) {
		if (sym > m->nrecent) {
			srz_model_fail(m, "a task rank is out of range");
			return 0;
		}
		slot = m->recent[sym - 1];
		srz_model_to_front(m, slot, sym - 1);
		return slot;
	}
	if (sym == SRZ_SYM_NEW) {
		int64_t d = srz_unzigzag(srz_model_varint(m, SRZ_COL_TIDS, 0, UINT32_MAX, 0));

		if (m->last_tid + d < 0 || m->last_tid + d > INT32_MAX) {
			srz_model_fail(m, "a tid is out of range");
			return 0;
		}
		m->last_tid += (int32_t)d;
		slot = srz_model_new_slot(m, m->last_tid, cpu);
	} else {
		slot = (uint32_t)srz_model_varint(m, SRZ_COL_FAR, 0, UINT32_MAX, 0);
		if (slot >= m->nslots) {
			srz_model_fail(m, "a task slot is out of range");
			return 0;
		}
	}
	srz_model_appear(m, slot);
	return slot;
}

static const char *take_sparse(const uint8_t *p, size_t stored, uint8_t *out, size_t n)
{
	struct srz_view v = { p, p + stored, NULL };
	size_t at = 0;

	memset(out, 0, n);
	while (!v.bad && v.p != v.end) {
		uint64_t zeros = srz_take_varint(&v);
		const uint8_t *byte = srz_take_bytes(&v, 1);

		if (!byte)
			break;
		if (zeros >= n - at)
			return "has a sparse column longer than it says";
		at += zeros;
		out[at++] = *byte;
	}
	return v.bad;
}

/* A column's bytes as they were, into to[0..e->raw). */
static const char *unpack_column(struct srz_codec *c, const struct srz_head *h, const struct entry *e, const uint8_t *p,
				 uint8_t *to)
{
	const struct srz_col *ops = &c->model.col[SRZ_COL_OPS];
	struct srz_ans_contexts by = { NULL, 0 };

	switch (e->coding) {
	case SRZ_FILL:
		memset(to, *p, e->raw);
		return NULL;
	case SRZ_SPARSE:
		return take_sparse(p, e->stored, to, e->raw);
	case SRZ_ANS:
		if (e->id == SRZ_COL_TIMES) {
			if (srz_col_len(ops) != h->chunk.events || e->raw != h->chunk.events)
				return "has other numbers of ops or times than of events";
			by = (struct srz_ans_contexts){ ops->p, h->nops };
		}
		return srz_ans_decode(c->ans, &by, p, e->stored, to, e->raw);
	default:
		return srz_inflate(&c->inf, p, e->stored, to, e->raw) ?
			       NULL :
			       "has a column that does not inflate to its length";
	}
}

/* Points the model's columns at their bytes: in the payload where they are raw, else in c->columns. The ops come first,
 * for the times are coded by them. */
static const char *decode_columns(struct srz_codec *c, struct srz_view *v, struct srz_head *h)
{
	struct srz_model *m = &c->model;
	struct entry e[255];
	const char *bad;
	size_t total = 0;
	unsigned i, n;

	bad = decode_directory(v, e, &n);
	if (bad)
		return bad;
	for (i = 0; i < SRZ_COLS; i++)
		m->col[i] = (struct srz_col){ .p = &c->nothing, .at = &c->nothing, .end = &c->nothing };
	for (i = 0; i < n; i++)
		total += e[i].id && e[i].coding != SRZ_RAW ? e[i].raw : 0;
	if (!srz_buf_empty(&c->columns, total + 1))
		return SRZ_NO_MEMORY;
	for (i = 0; i < n; i++) {
		const uint8_t *p = srz_take_bytes(v, e[i].stored);
		uint8_t *to = c->columns.p + c->columns.n;

		if (!p)
			return "ends in the middle of a column";
		if (!e[i].id)
			continue;
		if (e[i].coding == SRZ_RAW) {
			to = (uint8_t *)(uintptr_t)p;
		} else {
			bad = unpack_column(c, h, &e[i], p, to);
			if (bad)
				return bad;
			c->columns.n += e[i].raw;
		}
		m->col[e[i].id] = (struct srz_col){ .p = to, .at = to, .end = to + e[i].raw };
		if (e[i].id == SRZ_COL_OPS) {
			bad = decode_op_column(c, h);
			if (bad)
				return bad;
		}
	}
	return v->p == v->end ? NULL : "has bytes behind its last column";
}

static const char *decode_times(struct srz_codec *c, const struct srz_head *h)
{
	const struct srz_col *times = &c->model.col[SRZ_COL_TIMES], *rest = &c->model.col[SRZ_COL_BITS];
	struct srz_bits bits = { .p = rest->p, .len = (uint64_t)srz_col_len(rest) * 8 };
	const uint64_t first = h->chunk.first.time_ns, unit = h->chunk.unit;
	const uint64_t span = (h->chunk.last.time_ns - first) / unit;
	const uint8_t *symbol = times->p;
	uint64_t *time = c->time;
	unsigned r;
	uint32_t i;

	if (srz_col_len(times) != h->chunk.events)
		return "has another number of times than of events";
	for (r = 0; r < h->nruns; r++) {
		const uint32_t end = h->run[r].end;
		uint64_t t = 0;

		for (i = h->run[r].pos; i < end; i++) {
			unsigned sym = symbol[i];
			uint64_t step = sym;

			if (sym >= 4) {
				unsigned n = sym / 4 - 2;

				if (sym < 8)
					return "has a time symbol out of range";
				if (bits.len - bits.pos < n)
					return "ends in the middle of the times";
				step = ((uint64_t)(4 | (sym & 3)) << n) | bits_get(&bits, n);
			}
			if (step > span - t)
				return "has a time behind its last one";
			t += step;
			time[i] = first + t * unit;
		}
	}
	return (bits.pos + 7) / 8 == srz_col_len(rest) ? NULL : "has more bits than its times need";
}

/* Restores the heap's order below its root. Runs are in order of cpu, so equal times go by index. */
static inline void sift(const struct srz_codec *c, const struct srz_run *run, uint16_t *heap, unsigned n)
{
	uint16_t moving = heap[0];
	uint64_t t = c->time[run[moving].pos];
	unsigned at = 0, child;

	while ((child = 2 * at + 1) < n) {
		uint64_t tc = c->time[run[heap[child]].pos];

		if (child + 1 < n) {
			uint64_t tr = c->time[run[heap[child + 1]].pos];

			if (tr < tc || (tr == tc && heap[child + 1] < heap[child])) {
				child++;
				tc = tr;
			}
		}
		if (t < tc || (t == tc && moving < heap[child]))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moving;
}

static void skip_unknown(struct srz_model *m, struct sr_event *ev, unsigned flags)
{
	struct srz_view v;
	uint64_t len;

	if (flags & SRZ_OP_CTX)
		srz_model_task(m, SRZ_COL_TASK, 0, m->cpu[ev->cpu].woken, ev->cpu, 0);
	v = (struct srz_view){ m->col[SRZ_COL_EXT].at, m->col[SRZ_COL_EXT].end, NULL };
	len = srz_take_max(&v, SRZ_MAX_SECTION, "a payload is longer than the limit");
	srz_take_bytes(&v, len);
	if (v.bad)
		srz_model_fail(m, v.bad);
	else
		m->col[SRZ_COL_EXT].at += v.p - m->col[SRZ_COL_EXT].at;
}

static int by_first_time(const struct srz_codec *c, const struct srz_run *run, uint16_t a, uint16_t b)
{
	uint64_t ta = c->time[run[a].pos], tb = c->time[run[b].pos];

	return ta != tb ? (ta < tb ? -1 : 1) : (int)a - (int)b;
}

static unsigned make_heap(const struct srz_codec *c, const struct srz_head *h, uint16_t *heap)
{
	unsigned i, at;

	for (i = 0; i < h->nruns; i++) {
		for (at = i; at && by_first_time(c, h->run, (uint16_t)i, heap[(at - 1) / 2]) < 0; at = (at - 1) / 2)
			heap[at] = heap[(at - 1) / 2];
		heap[at] = (uint16_t)i;
	}
	return h->nruns;
}

static bool same_key(struct srz_key a, struct srz_key b)
{
	return a.time_ns == b.time_ns && a.cpu == b.cpu;
}

/* The first time of any run but the one at the root. */
static inline uint64_t others_from(const struct srz_codec *c, const struct srz_head *h, const uint16_t *heap,
				   unsigned nheap)
{
	uint64_t a = nheap > 1 ? c->time[h->run[heap[1]].pos] : UINT64_MAX;
	uint64_t b = nheap > 2 ? c->time[h->run[heap[2]].pos] : UINT64_MAX;

	return a < b ? a : b;
}

static const char *decode_events(struct srz_codec *c, struct srz_head *h, struct sr_event *ev, size_t *n)
{
	struct srz_model *m = &c->model;
	uint16_t heap[SR_MAX_CPUS];
	unsigned nheap, i;
	struct srz_key first, last;
	uint64_t lost = 0;

	*n = 0;
	heap[0] = 0;
	nheap = make_heap(c, h, heap);
	first = last = (struct srz_key){ c->time[h->run[heap[0]].pos], h->run[heap[0]].cpu };
	while (nheap) {
		struct srz_run *r = &h->run[heap[0]];
		uint64_t until = others_from(c, h, heap, nheap);

		/* Often one cpu has several events before any other. */
		do {
			const struct srz_op *op = &h->op[c->op[r->pos]];
			struct sr_event *e = &ev[*n];

			memset(e, 0, sizeof(*e));
			e->time_ns = c->time[r->pos];
			e->cpu = r->cpu;
			e->kind = (uint8_t)op->kind;
			e->flags = op->flags & SR_EV_FILE_FLAGS;
			if (op->kind) {
				srz_model_event(m, e, op->flags, 0);
				++*n;
				if (op->kind == SR_EV_LOST)
					lost = lost + e->u.lost.count < lost ? UINT64_MAX : lost + e->u.lost.count;
			} else {
				skip_unknown(m, e, op->flags);
			}
			last = (struct srz_key){ e->time_ns, e->cpu };
		} while (++r->pos != r->end && c->time[r->pos] < until);
		if (m->bad)
			return m->bad;
		if (r->pos == r->end)
			heap[0] = heap[--nheap];
		if (nheap)
			sift(c, h->run, heap, nheap);
	}
	if (!same_key(first, h->chunk.first))
		return "does not begin where its head says";
	if (!same_key(last, h->chunk.last))
		return "does not end where its head says";
	for (i = SRZ_COL_NEXT; i < SRZ_COLS; i++)
		if (m->col[i].at != m->col[i].end)
			return "has a column that is longer than its events need";
	return lost == h->lost ? NULL : "counts its lost events wrongly";
}

static bool agrees(const struct srz_chunk *a, const struct srz_chunk *b)
{
	return a->stream == b->stream && a->events == b->events && a->first.time_ns == b->first.time_ns &&
	       a->first.cpu == b->first.cpu && a->last.time_ns == b->last.time_ns && a->last.cpu == b->last.cpu &&
	       a->unit == b->unit && a->cpus == b->cpus;
}

const char *srz_chunk_decode(struct srz_codec *c, const uint8_t *p, size_t len, const struct srz_chunk *chunk,
			     struct sr_event *ev, size_t *n, struct srz_totals *totals)
{
	struct srz_view v = { p, p + len, NULL };
	struct srz_head *h = &c->head;
	const char *bad;

	decode_head(&v, h);
	bad = v.bad;
	if (!bad && !agrees(&h->chunk, chunk))
		bad = "is not what the index says";
	if (!bad && !srz_codec_room(c, h->chunk.events))
		bad = SRZ_NO_MEMORY;
	if (!bad)
		bad = decode_columns(c, &v, h);
	if (!bad && srz_col_len(&c->model.col[SRZ_COL_OPS]) != h->chunk.events)
		bad = "has another number of ops than of events";
	if (!bad)
		bad = decode_times(c, h);
	if (!bad) {
		srz_model_start(&c->model);
		bad = decode_events(c, h, ev, n);
	}
	if (!bad)
		srz_head_totals(h, totals);
	return bad;
}

const char *srz_chunk_columns(const uint8_t *p, size_t len, uint32_t *stored)
{
	struct srz_view v = { p, p + len, NULL };
	struct srz_head *h = malloc(sizeof(*h));
	struct entry e[255];
	const char *bad;
	unsigned i, n;

	if (!h)
		return SRZ_NO_MEMORY;
	memset(stored, 0, SRZ_COLS * sizeof(*stored));
	decode_head(&v, h);
	free(h);
	bad = v.bad ? v.bad : decode_directory(&v, e, &n);
	for (i = 0; !bad && i < n; i++)
		stored[e[i].id] += e[i].stored;
	return bad;
}
