/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entropy coding of byte columns (srz_ans.h). */
#include "formats/srz_ans.h"

#include <endian.h>
#include <stdlib.h>

#define STATE_MIN (1u << 16) /* states are within [STATE_MIN, 2^32) */
#define REST 15              /* in a table: this symbol has what the others leave */
#define WORTH 600            /* a context with so many symbols gets a table of its own */

/* A symbol of a table, as the encoder needs it. */
struct symbol {
	uint64_t inverse; /* 2^43 / freq, rounded up: exact for quotients below 2^21 */
	uint32_t freq, start;
};

/* Groups of contexts that occur, and their numbers of symbols. */
struct groups {
	uint32_t *seen; /* by group; 0 but for those listed */
	uint32_t list[SRZ_ANS_CONTEXTS];
	unsigned n;
};

struct srz_ans {
	uint8_t map[SRZ_ANS_CONTEXTS];                  /* context -> table */
	uint32_t decode[SRZ_ANS_TABLES][SRZ_ANS_TOTAL]; /* slot -> symbol, frequency - 1, place within the symbol's */
	unsigned used;                                  /* tables of decode so far */
	/* encoding */
	struct groups groups[SRZ_ANS_LEVELS];
	uint32_t count[SRZ_ANS_TABLES][256];
	struct symbol symbol[SRZ_ANS_TABLES][256];
	uint16_t *word, *context;
	size_t word_cap;
	uint32_t words[4];
};

/* The groups that have tables; these are numbered from coarse to fine, in order, from 1. */
struct chosen {
	unsigned tables, n[SRZ_ANS_LEVELS];
	uint16_t group[SRZ_ANS_LEVELS][SRZ_ANS_TABLES];
};

/* How contexts are grouped: at a level a group has so many of them. From coarse to fine; the last is 1. */
struct levels {
	unsigned n, size[SRZ_ANS_LEVELS], contexts;
	unsigned octaves; /* the times: 64, or 1 when there were too many contexts */
};

struct srz_ans *srz_ans_new(void)
{
	return calloc(1, sizeof(struct srz_ans));
}

void srz_ans_free(struct srz_ans *a)
{
	unsigned i;

	if (!a)
		return;
	for (i = 0; i < SRZ_ANS_LEVELS; i++)
		free(a->groups[i].seen);
	free(a->word);
	free(a->context);
	free(a);
}

static struct levels levels_of(const struct srz_ans_contexts *by)
{
	unsigned pairs = by->nops * (by->nops + 1);

	if (!by->ops)
		return (struct levels){ 2, { 256, 1 }, 65536, 0 };
	if (pairs * 64 > 65536)
		return (struct levels){ 2, { by->nops + 1, 1 }, pairs, 1 };
	return (struct levels){ 3, { (by->nops + 1) * 64, 64, 1 }, pairs * 64, 64 };
}

/* What a part knows before its next symbol. */
struct past {
	unsigned one, two; /* symbols, or: the op before + 1, the octave before */
};

static inline __attribute__((always_inline)) unsigned context_of(const struct past *s, unsigned op, bool times,
								 unsigned nops, unsigned octaves)
{
	if (!times)
		return s->one << 8 | s->two;
	return (op * (nops + 1) + s->one) * octaves + (octaves == 1 ? 0 : s->two);
}

static inline __attribute__((always_inline)) void pass(struct past *s, unsigned op, bool times, unsigned sym)
{
	s->two = times ? sym >> 2 : s->one;
	s->one = times ? op + 1 : sym;
}

static size_t part_start(size_t n, unsigned part)
{
	return n < SRZ_ANS_PARTS_FROM ? (part ? n : 0) : (part == 4 ? n : n / 4 * part);
}

/* ---- tables ---- */

struct bit_writer {
	struct srz_buf *out;
	unsigned acc, n;
};

static void write_bits(struct bit_writer *w, unsigned v, unsigned n)
{
	uint8_t byte;

	w->acc |= v << w->n;
	for (w->n += n; w->n >= 8; w->n -= 8, w->acc >>= 8) {
		byte = (uint8_t)w->acc;
		srz_put_bytes(w->out, &byte, 1);
	}
}

/* The number nearest to v that a table can hold: four significant bits. */
static unsigned nearest(unsigned v)
{
	unsigned drop = v < 16 ? 0 : 28 - (unsigned)__builtin_clz(v);

	return drop ? (v + (1u << (drop - 1))) >> drop << drop : v;
}

static void put_frequency(struct bit_writer *w, unsigned freq)
{
	unsigned len = 32 - (unsigned)__builtin_clz(freq), below = len - 1 < 3 ? len - 1 : 3;

	write_bits(w, len, 4);
	write_bits(w, (freq >> (len - 1 - below)) & ((1u << below) - 1), below);
}

/* Frequencies that add up, near to the counts, as the table can hold them; and the table itself. */
static bool put_table(const uint32_t count[256], struct symbol *symbol, struct srz_buf *out)
{
	struct bit_writer w = { out, 0, 0 };
	unsigned first = 256, last = 0, most = 0, used = 0, i;
	uint64_t total = 0;
	int left = SRZ_ANS_TOTAL, due = 0;
	uint32_t start = 0;
	uint8_t bounds[2];

	for (i = 0; i < 256; i++) {
		if (!count[i])
			continue;
		first = first == 256 ? i : first;
		last = i;
		most = count[i] > count[most] ? i : most;
		total += count[i];
		used++;
	}
	if (!used) { /* a table that nobody uses */
		srz_put_bytes(out, "\0\0\17", 3);
		return true;
	}
	for (i = first; i <= last; i++) {
		int want, f;

		if (!count[i] || i == most)
			continue;
		/* what rounding took or gave is carried on to the next */
		want = 1 + (int)((uint64_t)count[i] * (SRZ_ANS_TOTAL - used) / total);
		due += want;
		f = due < 1 ? 1 : (int)nearest((unsigned)due);
		if (f > want + want / 8 + 1)
			f = (int)nearest((unsigned)want);
		due -= f;
		left -= f;
		symbol[i].freq = (uint32_t)f;
	}
	if (left < 1)
		return false;
	symbol[most].freq = (uint32_t)left;
	bounds[0] = (uint8_t)first;
	bounds[1] = (uint8_t)(last - first);
	srz_put_bytes(out, bounds, 2);
	for (i = first; i <= last; i++) {
		if (!count[i]) {
			write_bits(&w, 0, 4);
			continue;
		}
		if (i == most)
			write_bits(&w, REST, 4);
		else
			put_frequency(&w, symbol[i].freq);
		symbol[i].start = start;
		symbol[i].inverse = ((1ull << 43) + symbol[i].freq - 1) / symbol[i].freq;
		start += symbol[i].freq;
	}
	if (w.n)
		write_bits(&w, 0, 8 - w.n);
	return true;
}

static unsigned read_bits(struct srz_view *v, unsigned *acc, unsigned *have, unsigned n)
{
	unsigned bits;

	if (*have < n) {
		const uint8_t *p = srz_take_bytes(v, 1);

		*acc |= (p ? *p : 0u) << *have;
		*have += 8;
	}
	bits = *acc & ((1u << n) - 1);
	*acc >>= n;
	*have -= n;
	return bits;
}

static void take_table(struct srz_view *v, uint32_t *slot)
{
	const uint8_t *bounds = srz_take_bytes(v, 2);
	unsigned n = bounds ? bounds[1] + 1u : 0, first = bounds ? bounds[0] : 0, acc = 0, have = 0, sum = 0, at = 0, i,
		 k;
	uint16_t freq[256] = { 0 };
	unsigned rest = 256;
	uint32_t e;

	if (first + n > 256)
		v->bad = "has a table of more than 256 symbols";
	for (i = 0; i < n && !v->bad; i++) {
		unsigned len = read_bits(v, &acc, &have, 4), below = len < 4 ? len - 1 : 3;

		if (len == REST && rest == 256) {
			rest = i;
		} else if (len > SRZ_ANS_BITS) {
			v->bad = "has a table with a frequency out of range";
		} else if (len) {
			freq[i] = (uint16_t)(((1u << below) | read_bits(v, &acc, &have, below)) << (len - 1 - below));
			sum += freq[i];
		}
	}
	if (!v->bad && (rest == 256 || sum >= SRZ_ANS_TOTAL))
		v->bad = "has a table whose frequencies do not add up";
	if (v->bad)
		return;
	freq[rest] = (uint16_t)(SRZ_ANS_TOTAL - sum);
	for (i = 0; i < n; i++)
		for (k = 0, e = (first + i) | (freq[i] - 1u) << 8; k < freq[i]; k++, e += 1 << 20)
			slot[at++] = e;
}

/* ---- encoding ---- */

static void groups_add(struct groups *g, unsigned group, uint32_t n)
{
	if (!g->seen[group])
		g->list[g->n++] = group;
	g->seen[group] += n;
}

static void groups_clear(struct groups *g)
{
	while (g->n)
		g->seen[g->list[--g->n]] = 0;
}

/* The groups that get a table: those with many symbols which no finer table takes. False: too many. */
static bool choose(struct srz_ans *a, const struct levels *lv, uint32_t worth, struct chosen *c)
{
	unsigned level, i;

	c->tables = 1;
	for (level = 0; level + 1 < lv->n; level++)
		groups_clear(&a->groups[level]);
	for (level = lv->n; level--;) {
		struct groups *g = &a->groups[level];

		c->n[level] = 0;
		for (i = 0; i < g->n; i++) {
			unsigned group = g->list[i];

			if (g->seen[group] >= worth) {
				if (c->tables == SRZ_ANS_TABLES)
					return false;
				c->group[level][c->n[level]++] = (uint16_t)group;
				c->tables++;
			} else if (level) {
				groups_add(&a->groups[level - 1], group * lv->size[level] / lv->size[level - 1],
					   g->seen[group]);
			}
		}
	}
	return true;
}

/* Coarse groups first, so that finer ones replace them. Table 0 is for all that is left. */
static void fill_map(struct srz_ans *a, const struct levels *lv, const struct chosen *c)
{
	unsigned level, i, table = 1;

	memset(a->map, 0, lv->contexts);
	for (level = 0; level < lv->n; level++)
		for (i = 0; i < c->n[level]; i++)
			memset(a->map + (size_t)c->group[level][i] * lv->size[level], (int)table++, lv->size[level]);
}

static inline __attribute__((always_inline)) void contexts(const struct srz_ans_contexts *by, const uint8_t *p,
							   size_t n, bool times, unsigned octaves, uint16_t *context)
{
	unsigned part;

	for (part = 0; part < 4; part++) {
		struct past s = { 0, 0 };
		size_t i;

		for (i = part_start(n, part); i < part_start(n, part + 1); i++) {
			unsigned op = times ? by->ops[i] : 0;

			context[i] = (uint16_t)context_of(&s, op, times, by->nops, octaves);
			pass(&s, op, times, p[i]);
		}
	}
}

static void put_part(struct srz_ans *a, const uint8_t *p, const uint16_t *context, size_t n, uint16_t **end)
{
	uint32_t x = STATE_MIN;
	uint16_t *w = *end;

	while (n--) {
		const struct symbol *s = &a->symbol[a->map[context[n]]][p[n]];
		uint32_t q;

		if (x >> (32 - SRZ_ANS_BITS) >= s->freq) {
			*--w = htole16((uint16_t)x);
			x >>= 16;
		}
		q = (uint32_t)(x * s->inverse >> 43);
		x = (q << SRZ_ANS_BITS) + (x - q * s->freq) + s->start;
	}
	*--w = htole16((uint16_t)x);
	*--w = htole16((uint16_t)(x >> 16));
	*end = w;
}

static bool put_column(struct srz_ans *a, const struct levels *lv, const struct chosen *c, const uint8_t *p,
		       const uint16_t *context, size_t n, struct srz_buf *out)
{
	unsigned level, i, part;
	uint16_t *end, *from;
	size_t k;

	for (level = 0; level < lv->n; level++) {
		uint8_t number = (uint8_t)c->n[level], group[2];

		srz_put_bytes(out, &number, 1);
		for (i = 0; i < c->n[level]; i++) {
			srz_set16(group, c->group[level][i]);
			srz_put_bytes(out, group, 2);
		}
	}
	memset(a->count, 0, c->tables * sizeof(*a->count));
	for (k = 0; k < n; k++)
		a->count[a->map[context[k]]][p[k]]++;
	for (i = 0; i < c->tables; i++)
		if (!put_table(a->count[i], a->symbol[i], out))
			return false;
	end = a->word + a->word_cap;
	for (part = 4; part--;) {
		from = end;
		k = part_start(n, part);
		if (part_start(n, part + 1) == k)
			continue;
		put_part(a, p + k, context + k, part_start(n, part + 1) - k, &end);
		a->words[part] = (uint32_t)(from - end);
	}
	for (part = 0; n >= SRZ_ANS_PARTS_FROM && part < 3; part++)
		srz_put_varint(out, a->words[part]);
	srz_put_bytes(out, end, (size_t)(a->word + a->word_cap - end) * 2);
	return true;
}

static bool encoder_room(struct srz_ans *a, size_t n)
{
	unsigned level;

	for (level = 0; level < SRZ_ANS_LEVELS; level++)
		if (!a->groups[level].seen)
			a->groups[level].seen = calloc(SRZ_ANS_CONTEXTS, sizeof(*a->groups[level].seen));
	if (n + 16 > a->word_cap) {
		free(a->word);
		free(a->context);
		a->word_cap = 0;
		a->word = malloc((n + 16) * sizeof(*a->word));
		a->context = malloc((n + 16) * sizeof(*a->context));
		if (a->word && a->context)
			a->word_cap = n + 16;
	}
	return a->word_cap && a->groups[0].seen && a->groups[1].seen && a->groups[2].seen;
}

bool srz_ans_encode(struct srz_ans *a, const struct srz_ans_contexts *by, const uint8_t *p, size_t n,
		    struct srz_buf *out)
{
	struct levels lv = levels_of(by);
	struct groups *fine;
	size_t before = out->n, i;
	struct chosen c;
	uint32_t worth = WORTH;

	if (n < 32 || lv.contexts > SRZ_ANS_CONTEXTS || !encoder_room(a, n))
		return false;
	if (by->ops)
		contexts(by, p, n, true, lv.octaves, a->context);
	else
		contexts(by, p, n, false, 0, a->context);
	fine = &a->groups[lv.n - 1];
	groups_clear(fine);
	for (i = 0; i < n; i++)
		groups_add(fine, a->context[i], 1);
	while (!choose(a, &lv, worth, &c))
		worth *= 2;
	fill_map(a, &lv, &c);
	if (put_column(a, &lv, &c, p, a->context, n, out) && !out->failed && out->n - before < n)
		return true;
	out->n = before;
	return false;
}

/* ---- decoding ---- */

struct part {
	const uint8_t *p, *end; /* words */
	uint32_t x;             /* state */
	uint32_t past;          /* of the next symbol's context, what does not depend on its op */
};

/* What the contexts need, worked out for speed: a context is base[op] + past. */
struct steps {
	const struct srz_ans *a;
	const uint8_t *op;
	unsigned octaves; /* 0: not the times */
	uint32_t base[SRZ_MAX_OPS];
};

/* The next symbol; the caller knows that there is a word to be read, whether it is needed or not. */
static inline __attribute__((always_inline)) void step(const struct steps *s, struct part *k, size_t at, uint8_t *out,
						       unsigned octaves)
{
	uint32_t context = octaves ? s->base[s->op[at]] + k->past : k->past;
	uint32_t e = s->a->decode[s->a->map[context]][k->x & (SRZ_ANS_TOTAL - 1)];
	uint32_t x = ((e >> 8 & 0xfff) + 1) * (k->x >> SRZ_ANS_BITS) + (e >> 20), low;

	out[at] = (uint8_t)e;
	if (!octaves)
		k->past = (e & 0xff) << 8 | k->past >> 8;
	else if (octaves == 1)
		k->past = s->op[at] + 1u;
	else
		k->past = (s->op[at] + 1u) * octaves + ((e & 0xff) >> 2);
	/* without a branch: nobody foretells it */
	low = x < STATE_MIN ? UINT32_MAX : 0;
	k->x = x << (low & 16) | (srz_get16(k->p) & low);
	k->p += low & 2;
}

/* As long as each part has a word for every symbol, nothing needs to be checked. */
static inline __attribute__((always_inline)) size_t four_parts(const struct steps *s, struct part part[4], size_t n,
							       uint8_t *out, unsigned octaves)
{
	struct part k[4] = { part[0], part[1], part[2], part[3] };
	size_t done = 0, safe, i;
	int j;

	do {
		safe = n - done;
#pragma GCC unroll 4
		for (j = 0; j < 4; j++)
			safe = (size_t)(k[j].end - k[j].p) / 2 < safe ? (size_t)(k[j].end - k[j].p) / 2 : safe;
		for (i = done; i < done + safe; i++) {
			step(s, &k[0], i, out, octaves);
			step(s, &k[1], i + n, out, octaves);
			step(s, &k[2], i + 2 * n, out, octaves);
			step(s, &k[3], i + 3 * n, out, octaves);
		}
		done += safe;
	} while (safe);
	for (j = 0; j < 4; j++)
		part[j] = k[j];
	return done;
}

static const char *one_part(const struct steps *s, struct part *k, size_t from, size_t to, uint8_t *out)
{
	static const char bad[] = "has a coded column that does not end where it should";
	static const uint8_t none[2];

	for (; from < to; from++) {
		struct part k2 = *k;

		if (k->p == k->end)
			k2.p = none;
		if (s->octaves == 64)
			step(s, &k2, from, out, 64);
		else if (s->octaves)
			step(s, &k2, from, out, 1);
		else
			step(s, &k2, from, out, 0);
		if (k->p == k->end && k2.p != none)
			return bad;
		if (k->p == k->end)
			k2.p = k->p;
		*k = k2;
	}
	return k->x == STATE_MIN && k->p == k->end ? NULL : bad;
}

static const char *take_parts(const struct steps *s, struct srz_view *v, uint8_t *out, size_t n)
{
	static const char bad[] = "has a coded column that does not end where it should";
	unsigned nparts = n < SRZ_ANS_PARTS_FROM ? 1 : 4, i;
	uint64_t words[4] = { 0 }, all, used = 0;
	struct part part[4] = { { 0 } };
	size_t done = 0;

	for (i = 0; i + 1 < nparts; i++)
		used += words[i] = srz_take_max(v, SRZ_MAX_SECTION / 2, bad);
	if (v->bad)
		return v->bad;
	all = (uint64_t)(v->end - v->p) / 2;
	if ((v->end - v->p) % 2 || all < used)
		return bad;
	words[i] = all - used;
	for (i = 0; i < nparts; i++) {
		if (words[i] < 2)
			return bad;
		part[i] = (struct part){ v->p + 4, v->p + words[i] * 2,
					 (uint32_t)srz_get16(v->p) << 16 | srz_get16(v->p + 2), 0 };
		if (part[i].x < STATE_MIN)
			return bad;
		v->p += words[i] * 2;
	}
	if (nparts == 4 && s->octaves == 64)
		done = four_parts(s, part, n / 4, out, 64);
	else if (nparts == 4 && s->octaves)
		done = four_parts(s, part, n / 4, out, 1);
	else if (nparts == 4)
		done = four_parts(s, part, n / 4, out, 0);
	for (i = 0; i < nparts; i++) {
		const char *wrong = one_part(s, &part[i], part_start(n, i) + done, part_start(n, i + 1), out);

		if (wrong)
			return wrong;
	}
	return NULL;
}

const char *srz_ans_decode(struct srz_ans *a, const struct srz_ans_contexts *by, const uint8_t *p, size_t stored,
			   uint8_t *out, size_t n)
{
	struct srz_view v = { p, p + stored, NULL };
	struct levels lv = levels_of(by);
	struct steps s = { .a = a, .op = by->ops, .octaves = lv.octaves };
	struct chosen c = { .tables = 1 };
	unsigned level, i;

	if (lv.contexts > SRZ_ANS_CONTEXTS)
		return "has a coded column of too many contexts";
	for (level = 0; level < lv.n; level++) {
		const uint8_t *number = srz_take_bytes(&v, 1);

		c.n[level] = number ? *number : 0;
		c.tables += c.n[level];
		if (c.tables > SRZ_ANS_TABLES)
			return "has a coded column of too many tables";
		for (i = 0; i < c.n[level]; i++) {
			const uint8_t *group = srz_take_bytes(&v, 2);

			c.group[level][i] = group ? srz_get16(group) : 0;
			if (c.group[level][i] >= lv.contexts / lv.size[level])
				return "has a table for a context that cannot be";
		}
	}
	if (c.tables > a->used) {
		srz_populate(a->map, a->used ? 0 : sizeof(a->map));
		srz_populate(a->decode[a->used], (c.tables - a->used) * sizeof(a->decode[0]));
		a->used = c.tables;
	}
	for (i = 0; i < c.tables && !v.bad; i++)
		take_table(&v, a->decode[i]);
	if (v.bad)
		return v.bad;
	fill_map(a, &lv, &c);
	for (i = 0; by->ops && i < by->nops; i++)
		s.base[i] = i * (by->nops + 1) * lv.octaves;
	return take_parts(&s, &v, out, n);
}
