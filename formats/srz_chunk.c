/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chunk: the payload of an events section, to and from events. FORMAT.md section "Events" is the description.
 *
 *   head | column directory | columns
 *
 * Ops and times are kept cpu by cpu, because what a cpu does next depends on what it did last; merging the
 * times gives the order of the stream back, and the other columns are in that order.
 */
#include "formats/srz_internal.h"
#include "formats/srz_model.h"

#include <endian.h>
#include <stdlib.h>

const char SRZ_NO_MEMORY[] = "out of memory";

/* One run of a cpu's events in the columns that are kept by cpu. */
struct run {
	uint16_t cpu;
	uint32_t pos, end;
	unsigned last_op; /* + 1; 0: none */
};

struct op {
	uint32_t kind; /* 0: not known, skipped */
	uint32_t flags;
	uint32_t count;
};

struct head {
	struct srz_chunk chunk;
	unsigned nruns, nops;
	uint64_t lost;
	struct run run[SR_MAX_CPUS];
	struct op op[SRZ_MAX_OPS];
};

struct srz_codec {
	int level;
	z_stream def, inf;
	bool def_open, inf_open;
	struct srz_model model;
	uint32_t room;     /* events that the arrays below have room for */
	uint64_t *time;    /* by cpu */
	uint8_t *op;       /* by cpu */
	uint32_t *context; /* (op before on the cpu or none, op) -> position in the times column */
	struct head head;
	struct srz_buf columns; /* decoding: inflated; encoding: the directory's data */
};

/* ---- time steps: a magnitude with its two highest bits below the leading one, and the rest ---- */

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

struct bits {
	uint8_t *p;
	uint64_t pos, len; /* in bits */
	uint64_t acc;
	unsigned nacc;
};

static inline void bits_put(struct bits *b, uint64_t v, unsigned n)
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

/* The caller has checked that there are n <= 61 bits. */
static inline uint64_t bits_get(struct bits *b, unsigned n)
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
	return n ? v & (UINT64_MAX >> (64 - n)) : 0;
}

/* ---- life ---- */

struct srz_codec *srz_codec_new(enum srz_direction direction, struct sr_error *err)
{
	struct srz_codec *c = calloc(1, sizeof(*c));

	if (c && direction == SRZ_ENCODE)
		c->def_open = deflateInit2(&c->def, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK;
	else if (c)
		c->inf_open = inflateInit2(&c->inf, -15) == Z_OK;
	if (!c || (!c->def_open && !c->inf_open)) {
		srz_codec_free(c);
		sr_fail(err, SR_ENVIRONMENT, "out of memory");
		return NULL;
	}
	c->level = SRZ_LEVEL;
	return c;
}

void srz_codec_set_level(struct srz_codec *c, int level)
{
	c->level = level;
}

void srz_codec_free(struct srz_codec *c)
{
	int i;

	if (!c)
		return;
	if (c->def_open)
		deflateEnd(&c->def);
	if (c->inf_open)
		inflateEnd(&c->inf);
	for (i = 0; i < SRZ_COLS; i++)
		if (c->model.col[i].cap)
			free(c->model.col[i].p);
	free(c->model.slot);
	free(c->model.hash);
	free(c->time);
	free(c->op);
	free(c->context);
	srz_buf_release(&c->columns);
	free(c);
}

/* Exactly one allocation each, so that a reader's memory is what its chunks need. */
static bool make_room(struct srz_codec *c, uint32_t events)
{
	if (events <= c->room)
		return true;
	free(c->time);
	free(c->op);
	free(c->model.slot);
	c->room = 0;
	c->time = malloc(events * sizeof(*c->time));
	c->op = malloc(events);
	/* an event names at most three tasks, and the idle task is there from the start */
	c->model.slot = malloc((events * (size_t)3 + 1) * sizeof(*c->model.slot));
	if (!c->context)
		c->context = malloc((SRZ_MAX_OPS + 1) * SRZ_MAX_OPS * sizeof(*c->context));
	if (!c->time || !c->op || !c->model.slot || !c->context)
		return false;
	c->room = events;
	return true;
}

static void model_start(struct srz_model *m)
{
	size_t i;

	m->bad = NULL;
	m->nslots = m->nrecent = m->name = m->source = 0;
	m->last_tid = 0;
	memset(m->cpu, 0, sizeof(m->cpu));
	for (i = 0; i < SR_MAX_CPUS; i++)
		m->cpu[i].cur = SRZ_NO_SLOT;
	for (i = 0; i < SRZ_COLS; i++)
		m->col[i].n = 0;
	srz_model_appear(m, srz_model_new_slot(m, 0, 0));
}

/* Turns the numbers of steps in each context into the context's place in the times column. */
static void contexts_to_places(struct srz_codec *c, unsigned nops)
{
	uint32_t sum = 0;
	unsigned op, before;

	for (op = 0; op < nops; op++) {
		for (before = 0; before <= nops; before++) {
			uint32_t n = c->context[before * nops + op];

			c->context[before * nops + op] = sum;
			sum += n;
		}
	}
}

static void count_contexts(struct srz_codec *c, const struct run *run, unsigned nruns, unsigned nops)
{
	unsigned r, before;
	uint32_t i;

	memset(c->context, 0, (nops + 1) * nops * sizeof(*c->context));
	for (r = 0; r < nruns; r++) {
		for (before = 0, i = run[r].pos; i < run[r].end; before = c->op[i++] + 1u)
			c->context[before * nops + c->op[i]]++;
	}
	contexts_to_places(c, nops);
}

/* ---- encoding ---- */

/* Bytes that one event can add to a column. */
static const uint8_t event_bytes[SRZ_COLS] = {
	[SRZ_COL_TIMES] = 1, [SRZ_COL_BITS] = 8,  [SRZ_COL_NEXT] = 1,  [SRZ_COL_WAKEE] = 1,
	[SRZ_COL_TASK] = 3,  [SRZ_COL_FAR] = 15,  [SRZ_COL_TIDS] = 15, [SRZ_COL_PRIO] = 6,
	[SRZ_COL_CPU] = 6,   [SRZ_COL_STATE] = 1, [SRZ_COL_MISC] = 15,
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
	return make_room(c, n);
}

/* Lays out the runs of each cpu; index[cpu] is its run. */
static unsigned lay_out_runs(const struct sr_event *ev, size_t n, struct run *run, uint16_t *index)
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
		run[nruns++] = (struct run){ .cpu = (uint16_t)cpu, .pos = pos, .end = pos };
		pos += count[cpu];
	}
	return nruns;
}

static void encode_events(struct srz_codec *c, const struct sr_event *ev, size_t n, struct head *h)
{
	struct srz_model *m = &c->model;
	uint16_t index[SR_MAX_CPUS];
	uint16_t op_of[SR_EV_KINDS][SRZ_OP_FLAGS + 1]; /* + 1; 0: none yet */
	size_t i;

	memset(op_of, 0, sizeof(op_of));
	h->nruns = lay_out_runs(ev, n, h->run, index);
	for (i = 0; i < n; i++) {
		struct run *r = &h->run[index[ev[i].cpu]];
		unsigned flags = srz_model_op_flags(m, &ev[i]);
		uint16_t *op = &op_of[ev[i].kind][flags];
		struct sr_event copy = ev[i];

		if (!*op) {
			h->op[h->nops] = (struct op){ ev[i].kind, flags, 0 };
			*op = (uint16_t)++h->nops;
		}
		h->op[*op - 1].count++;
		c->op[r->end] = (uint8_t)(*op - 1);
		c->time[r->end++] = ev[i].time_ns;
		if (ev[i].kind == SR_EV_LOST)
			h->lost += h->lost + ev[i].u.lost.count < h->lost ? UINT64_MAX - h->lost : ev[i].u.lost.count;
		srz_model_event(m, &copy, flags, 1);
	}
}

static void encode_times(struct srz_codec *c, const struct head *h)
{
	struct srz_col *times = &c->model.col[SRZ_COL_TIMES], *rest = &c->model.col[SRZ_COL_BITS];
	struct bits bits = { .p = rest->p };
	unsigned r, before, nbits;
	uint32_t i;

	count_contexts(c, h->run, h->nruns, h->nops);
	for (r = 0; r < h->nruns; r++) {
		uint64_t last = h->chunk.first.time_ns;

		for (before = 0, i = h->run[r].pos; i < h->run[r].end; before = c->op[i++] + 1u) {
			uint64_t step = c->time[i] - last;

			last = c->time[i];
			times->p[c->context[before * h->nops + c->op[i]]++] = (uint8_t)time_symbol(step, &nbits);
			bits_put(&bits, step, nbits);
		}
	}
	if (bits.nacc)
		bits.p[bits.pos++] = (uint8_t)bits.acc;
	times->n = h->chunk.events;
	rest->n = bits.pos;
}

static void encode_head(const struct head *h, struct srz_buf *out)
{
	unsigned i, cpu = 0;

	srz_put_varint(out, h->chunk.stream);
	srz_put_varint(out, h->chunk.events);
	srz_put_varint(out, h->chunk.first.time_ns);
	srz_put_varint(out, h->chunk.last.time_ns - h->chunk.first.time_ns);
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

/* Random low bits do not deflate; the magnitudes have no repetitions worth a search. */
static const int column_strategy[SRZ_COLS] = { [SRZ_COL_TIMES] = Z_HUFFMAN_ONLY };

static void encode_columns(struct srz_codec *c, struct srz_buf *out)
{
	unsigned i, ncols = 0;

	c->columns.n = 0;
	for (i = 1; i < SRZ_COLS; i++)
		ncols += c->model.col[i].n != 0;
	srz_put_varint(out, ncols);
	for (i = 1; i < SRZ_COLS; i++) {
		const struct srz_col *col = &c->model.col[i];
		size_t before = c->columns.n;
		unsigned coding = SRZ_RAW;

		if (!col->n)
			continue;
		if (col->n > 1 && !memcmp(col->p, col->p + 1, col->n - 1)) {
			coding = SRZ_FILL;
			srz_put_bytes(&c->columns, col->p, 1);
		} else if (c->level && i != SRZ_COL_BITS &&
			   srz_deflate(&c->def, c->level, column_strategy[i], col->p, col->n, &c->columns)) {
			coding = SRZ_DEFLATE;
		} else {
			srz_put_bytes(&c->columns, col->p, col->n);
		}
		srz_put_varint(out, i << 1 | 1);
		srz_put_varint(out, coding);
		srz_put_varint(out, col->n);
		srz_put_varint(out, c->columns.n - before);
	}
	srz_put_bytes(out, c->columns.p, c->columns.n);
}

static void add_totals(const struct head *h, struct srz_totals *t)
{
	unsigned i;

	for (i = 0; i < h->nops; i++)
		if (h->op[i].kind)
			t->by_kind[h->op[i].kind] += h->op[i].count;
	t->lost = t->lost + h->lost < t->lost ? UINT64_MAX : t->lost + h->lost;
	if (h->run[h->nruns - 1].cpu + 1u > t->cpus)
		t->cpus = h->run[h->nruns - 1].cpu + 1u;
}

int srz_chunk_encode(struct srz_codec *c, unsigned stream, const struct sr_event *ev, size_t n, struct srz_buf *out,
		     struct srz_chunk *chunk, struct srz_totals *totals, struct sr_error *err)
{
	struct head *h = &c->head;
	struct srz_model *m = &c->model;

	if (!encoder_room(c, (uint32_t)n))
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	h->nops = 0;
	h->lost = 0;
	h->chunk = (struct srz_chunk){ .first = srz_key_of(&ev[0]),
				       .last = srz_key_of(&ev[n - 1]),
				       .events = (uint32_t)n,
				       .stream = (uint8_t)stream };
	model_start(m);
	*srz_model_find(m, 0) = (struct srz_hash){ 0, 0, m->generation };
	encode_events(c, ev, n, h);
	encode_times(c, h);
	m->col[SRZ_COL_OPS] = (struct srz_col){ .p = c->op, .n = n };
	encode_head(h, out);
	encode_columns(c, out);
	m->col[SRZ_COL_OPS] = (struct srz_col){ 0 };
	chunk->first = h->chunk.first;
	chunk->last = h->chunk.last;
	chunk->events = h->chunk.events;
	chunk->stream = h->chunk.stream;
	add_totals(h, totals);
	if (out->failed || c->columns.failed)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory");
	return 0;
}

/* ---- decoding ---- */

static void decode_runs(struct srz_view *v, struct head *h)
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
		h->run[i] = (struct run){ .cpu = (uint16_t)cpu, .pos = pos, .end = pos + (uint32_t)count };
		cpu++;
		pos += (uint32_t)count;
		left -= count;
	}
	if (!v->bad && left)
		v->bad = "counts its events by cpu wrongly";
}

static void decode_ops(struct srz_view *v, struct head *h)
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
		h->op[i] = (struct op){ known ? (uint32_t)(kind >> 1) : 0, (uint32_t)flags, (uint32_t)count };
		left -= count;
	}
	if (!v->bad && left)
		v->bad = "counts its events by op wrongly";
}

static void decode_head(struct srz_view *v, struct head *h)
{
	struct srz_chunk *c = &h->chunk;
	uint64_t span;

	c->stream = (uint8_t)srz_take_max(v, SRZ_STREAMS - 1, "has a stream that is not known");
	c->events = (uint32_t)srz_take_max(v, SRZ_MAX_CHUNK_EVENTS, "has too many events");
	c->first.time_ns = srz_take_varint(v);
	span = srz_take_varint(v);
	c->first.cpu = (uint32_t)srz_take_max(v, SR_MAX_CPUS - 1, "names a cpu out of range");
	c->last.cpu = (uint32_t)srz_take_max(v, SR_MAX_CPUS - 1, "names a cpu out of range");
	if (!v->bad && !c->events)
		v->bad = "has no events";
	if (!v->bad && span > UINT64_MAX - c->first.time_ns)
		v->bad = "has a time beyond 64 bits";
	c->last.time_ns = c->first.time_ns + span;
	if (!v->bad)
		decode_runs(v, h);
	if (!v->bad)
		decode_ops(v, h);
	h->lost = srz_take_varint(v);
}

const char *srz_chunk_head(const uint8_t *p, size_t len, struct srz_chunk *chunk, struct srz_totals *totals)
{
	struct srz_view v = { p, p + len, NULL };
	struct head *h = calloc(1, sizeof(*h));
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
		add_totals(h, totals);
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
		if (known && coding > SRZ_FILL)
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

/* Points the model's columns at their bytes: in the payload where they are raw, else in c->columns. */
static const char *decode_columns(struct srz_codec *c, struct srz_view *v)
{
	struct srz_model *m = &c->model;
	struct entry e[255];
	const char *bad;
	size_t total = 0;
	unsigned i, n;

	bad = decode_directory(v, e, &n);
	if (bad)
		return bad;
	memset(m->col, 0, sizeof(m->col));
	for (i = 0; i < n; i++)
		total += e[i].id && e[i].coding != SRZ_RAW ? e[i].raw : 0;
	c->columns.n = 0;
	if (!srz_buf_reserve(&c->columns, total))
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
		} else if (e[i].coding == SRZ_FILL) {
			memset(to, *p, e[i].raw);
			c->columns.n += e[i].raw;
		} else {
			if (!srz_inflate(&c->inf, p, e[i].stored, to, e[i].raw))
				return "has a column that does not inflate to its length";
			c->columns.n += e[i].raw;
		}
		m->col[e[i].id] = (struct srz_col){ .p = to, .len = e[i].raw };
	}
	return v->p == v->end ? NULL : "has bytes behind its last column";
}

static const char *decode_op_column(struct srz_codec *c, const struct head *h)
{
	const struct srz_col *col = &c->model.col[SRZ_COL_OPS];
	uint32_t count[SRZ_MAX_OPS] = { 0 };
	uint32_t i;

	if (col->len != h->chunk.events)
		return "has another number of ops than of events";
	for (i = 0; i < h->chunk.events; i++)
		count[col->p[i]]++;
	for (i = 0; i < SRZ_MAX_OPS; i++)
		if (count[i] != (i < h->nops ? h->op[i].count : 0))
			return "counts its events by op wrongly";
	memcpy(c->op, col->p, h->chunk.events);
	return NULL;
}

static const char *decode_times(struct srz_codec *c, const struct head *h)
{
	const struct srz_col *times = &c->model.col[SRZ_COL_TIMES], *rest = &c->model.col[SRZ_COL_BITS];
	struct bits bits = { .p = rest->p, .len = (uint64_t)rest->len * 8 };
	uint64_t end = h->chunk.last.time_ns;
	unsigned r, before;
	uint32_t i;

	if (times->len != h->chunk.events)
		return "has another number of times than of events";
	count_contexts(c, h->run, h->nruns, h->nops);
	for (r = 0; r < h->nruns; r++) {
		uint64_t t = h->chunk.first.time_ns;

		for (before = 0, i = h->run[r].pos; i < h->run[r].end; before = c->op[i++] + 1u) {
			unsigned sym = times->p[c->context[before * h->nops + c->op[i]]++];
			uint64_t step = sym;

			if (sym >= 4) {
				unsigned n = sym / 4 - 2;

				if (sym < 8)
					return "has a time symbol out of range";
				if (bits.len - bits.pos < n)
					return "ends in the middle of the times";
				step = ((uint64_t)(4 | (sym & 3)) << n) | bits_get(&bits, n);
			}
			if (step > end - t)
				return "has a time behind its last one";
			t += step;
			c->time[i] = t;
		}
	}
	return (bits.pos + 7) / 8 == rest->len ? NULL : "has more bits than its times need";
}

/* Restores the heap's order below its root. Runs are in order of cpu, so equal times go by index. */
static inline void sift(const struct srz_codec *c, const struct run *run, uint16_t *heap, unsigned n)
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
	v = (struct srz_view){ m->col[SRZ_COL_EXT].p + m->col[SRZ_COL_EXT].n,
			       m->col[SRZ_COL_EXT].p + m->col[SRZ_COL_EXT].len, NULL };
	len = srz_take_max(&v, SRZ_MAX_SECTION, "a payload is longer than the limit");
	srz_take_bytes(&v, len);
	if (v.bad)
		m->bad = v.bad;
	else
		m->col[SRZ_COL_EXT].n = (size_t)(v.p - m->col[SRZ_COL_EXT].p);
}

static int by_first_time(const struct srz_codec *c, const struct run *run, uint16_t a, uint16_t b)
{
	uint64_t ta = c->time[run[a].pos], tb = c->time[run[b].pos];

	return ta != tb ? (ta < tb ? -1 : 1) : (int)a - (int)b;
}

static unsigned make_heap(const struct srz_codec *c, const struct head *h, uint16_t *heap)
{
	unsigned i, at;

	for (i = 0; i < h->nruns; i++) {
		for (at = i; at && by_first_time(c, h->run, (uint16_t)i, heap[(at - 1) / 2]) < 0; at = (at - 1) / 2)
			heap[at] = heap[(at - 1) / 2];
		heap[at] = (uint16_t)i;
	}
	return h->nruns;
}

static bool at_key(const struct sr_event *ev, struct srz_key key)
{
	return ev->time_ns == key.time_ns && ev->cpu == key.cpu;
}

static const char *decode_events(struct srz_codec *c, struct head *h, struct sr_event *ev, size_t *n)
{
	struct srz_model *m = &c->model;
	uint16_t heap[SR_MAX_CPUS];
	unsigned nheap = make_heap(c, h, heap), i;
	uint64_t lost = 0;
	uint32_t done = 0;

	*n = 0;
	while (nheap) {
		struct run *r = &h->run[heap[0]];
		const struct op *op = &h->op[c->op[r->pos]];
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
		if (m->bad)
			return m->bad;
		if (!done++ && !at_key(e, h->chunk.first))
			return "does not begin where its head says";
		if (done == h->chunk.events && !at_key(e, h->chunk.last))
			return "does not end where its head says";
		if (++r->pos == r->end)
			heap[0] = heap[--nheap];
		if (nheap)
			sift(c, h->run, heap, nheap);
	}
	for (i = SRZ_COL_NEXT; i < SRZ_COLS; i++)
		if (m->col[i].n != m->col[i].len)
			return "has a column that is longer than its events need";
	return lost == h->lost ? NULL : "counts its lost events wrongly";
}

static bool agrees(const struct srz_chunk *a, const struct srz_chunk *b)
{
	return a->stream == b->stream && a->events == b->events && a->first.time_ns == b->first.time_ns &&
	       a->first.cpu == b->first.cpu && a->last.time_ns == b->last.time_ns && a->last.cpu == b->last.cpu;
}

const char *srz_chunk_decode(struct srz_codec *c, const uint8_t *p, size_t len, const struct srz_chunk *chunk,
			     struct sr_event *ev, size_t *n)
{
	struct srz_view v = { p, p + len, NULL };
	struct head *h = &c->head;
	const char *bad;

	decode_head(&v, h);
	bad = v.bad;
	if (!bad && !agrees(&h->chunk, chunk))
		bad = "is not what the index says";
	if (!bad && !make_room(c, h->chunk.events))
		bad = SRZ_NO_MEMORY;
	if (!bad)
		bad = decode_columns(c, &v);
	if (!bad)
		bad = decode_op_column(c, h);
	if (!bad)
		bad = decode_times(c, h);
	if (!bad) {
		model_start(&c->model);
		bad = decode_events(c, h, ev, n);
	}
	return bad;
}
