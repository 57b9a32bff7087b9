/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which runs of two arms are one round, and whether the rounds are paired evidence. */
#include "analyze/compare_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The arms take turns at least so often in a round: A B B A does once. What lasts for a while then meets both. */
#define TURNS_A_ROUND 0.5
/* So much of what the machine drifts by during a series may look like a difference between the arms: the mean distance
 * of the candidate's run behind the base's, as a part of the series. A B A B has 1/12 at 6 rounds, all of A before all
 * of B 1/2. */
#define DRIFT_SHARE 0.2
/* Below so many rounds the order cannot matter: there is no verdict. */
#define FEW_ROUNDS 3

const char *ana_evidence_name(enum ana_evidence e)
{
	static const char *const names[] = { "paired", "order not known", "blocked order", "other machine",
					     "few boots" };

	return e <= ANA_FEW_BOOTS ? names[e] : "?";
}

const char *ana_trace_of(const struct ana_db_run *r)
{
	return r->trace_sha256 ? r->trace_sha256 : r->trace_name ? r->trace_name : "";
}

static const char *text_or_none(const char *text)
{
	return text ? text : "";
}

/* ---- rounds ---- */

struct run_key {
	const struct ana_db_run *run;
	size_t index;
	bool used;
};

static int by_repeat(const struct ana_db_run *a, const struct ana_db_run *b)
{
	return a->repeat < b->repeat ? -1 : a->repeat > b->repeat;
}

static int by_series(const void *x, const void *y)
{
	const struct run_key *a = x, *b = y;
	int c = strcmp(ana_trace_of(a->run), ana_trace_of(b->run));

	if (!c)
		c = strcmp(text_or_none(a->run->series), text_or_none(b->run->series));
	return c ? c : by_repeat(a->run, b->run);
}

static int by_round(const void *x, const void *y)
{
	const struct run_key *a = x, *b = y;
	int c = strcmp(ana_trace_of(a->run), ana_trace_of(b->run));

	return c ? c : by_repeat(a->run, b->run);
}

static int by_series_then_id(const void *x, const void *y)
{
	const struct run_key *a = x, *b = y;
	int c = by_series(x, y);

	return c ? c : a->run->id < b->run->id ? -1 : a->run->id > b->run->id;
}

static int by_round_then_id(const void *x, const void *y)
{
	const struct run_key *a = x, *b = y;
	int c = by_round(x, y);

	return c ? c : a->run->id < b->run->id ? -1 : a->run->id > b->run->id;
}

struct pairing {
	struct run_key *a, *b;
	size_t na, nb;
	struct ana_round_pair *v;
	size_t n;
};

/* Both sides are sorted by cmp; each pair of equals is a round. */
static void match(struct pairing *p, int (*cmp)(const void *, const void *), bool of_series)
{
	size_t i = 0, k = 0;

	while (i < p->na && k < p->nb) {
		int c = cmp(&p->a[i], &p->b[k]);

		if (c == 0 && (!of_series || p->a[i].run->series)) {
			p->v[p->n++] = (struct ana_round_pair){ .base = p->a[i].index, .cand = p->b[k].index };
			p->a[i].used = p->b[k].used = true;
		}
		i += c <= 0;
		k += c >= 0;
	}
}

static size_t drop_used(struct run_key *v, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!v[i].used)
			v[kept++] = v[i];
	return kept;
}

static struct run_key *keys_of(const struct ana_db_runs *runs)
{
	struct run_key *v = calloc(runs->n + 1, sizeof(*v));

	for (size_t i = 0; v && i < runs->n; i++)
		v[i] = (struct run_key){ .run = &runs->v[i], .index = i };
	return v;
}

struct by_trace {
	const char *trace;
	struct ana_round_pair pair;
	size_t turn;
};

static int by_trace(const void *x, const void *y)
{
	const struct by_trace *a = x, *b = y;
	int c = strcmp(a->trace, b->trace);

	return c ? c : a->turn < b->turn ? -1 : a->turn > b->turn;
}

/* The two passes leave a trace's pairs in two places. */
static int gather_traces(const struct ana_db_runs *base, struct ana_round_pair *v, size_t n, struct sr_error *err)
{
	struct by_trace *t = calloc(n + 1, sizeof(*t));

	if (!t)
		return ana_no_memory(err);
	for (size_t i = 0; i < n; i++)
		t[i] = (struct by_trace){ ana_trace_of(&base->v[v[i].base]), v[i], i };
	qsort(t, n, sizeof(*t), by_trace);
	for (size_t i = 0; i < n; i++)
		v[i] = t[i].pair;
	free(t);
	return 0;
}

int ana_pair_rounds(const struct ana_db_runs *base, const struct ana_db_runs *cand, struct ana_round_pair **out,
		    size_t *n, struct sr_error *err)
{
	struct pairing p = { .a = keys_of(base), .b = keys_of(cand), .na = base->n, .nb = cand->n };
	int ret = -1;

	p.v = calloc(base->n + 1, sizeof(*p.v));
	*out = p.v;
	if (!p.a || !p.b || !p.v) {
		ana_no_memory(err);
	} else {
		qsort(p.a, p.na, sizeof(*p.a), by_series_then_id);
		qsort(p.b, p.nb, sizeof(*p.b), by_series_then_id);
		match(&p, by_series, true);
		p.na = drop_used(p.a, p.na);
		p.nb = drop_used(p.b, p.nb);
		qsort(p.a, p.na, sizeof(*p.a), by_round_then_id);
		qsort(p.b, p.nb, sizeof(*p.b), by_round_then_id);
		match(&p, by_round, false);
		ret = gather_traces(base, p.v, p.n, err);
	}
	*n = p.n;
	free(p.a);
	free(p.b);
	return ret;
}

/* ---- evidence ---- */

/* A run, or all runs of an arm in one boot, on the line of time. */
struct moment {
	double started; /* of its series, or of itself; s */
	int64_t slot;
	bool is_cand;
};

static int by_moment(const void *x, const void *y)
{
	const struct moment *a = x, *b = y;

	if (a->started != b->started)
		return a->started < b->started ? -1 : 1;
	return a->slot < b->slot ? -1 : a->slot > b->slot;
}

/* v: two moments for each of n rounds. */
static void judge_order(struct moment *v, size_t n, enum ana_evidence *out)
{
	double turns = 0, lag = 0, m = (double)n;

	*out = ANA_PAIRED;
	if (n < FEW_ROUNDS)
		return;
	for (size_t i = 0; i < 2 * n; i++)
		if (isnan(v[i].started)) { /* of some it is not known: the slots are left */
			for (size_t k = 0; k < 2 * n; k++)
				v[k].started = 0;
			break;
		}
	qsort(v, 2 * n, sizeof(*v), by_moment);
	for (size_t i = 0; i < 2 * n; i++) {
		lag += v[i].is_cand ? (double)i : -(double)i;
		if (i == 0)
			continue;
		if (!by_moment(&v[i - 1], &v[i])) {
			*out = ANA_ORDER_UNKNOWN;
			return;
		}
		turns += v[i].is_cand != v[i - 1].is_cand;
	}
	if (turns < TURNS_A_ROUND * m || fabs(lag) / m / (2 * m) > DRIFT_SHARE)
		*out = ANA_BLOCKED;
}

struct sides {
	const struct ana_db_runs *base, *cand;
};

static const struct ana_db_run *base_of(const struct sides *s, const struct ana_round_pair *p)
{
	return &s->base->v[p->base];
}

static const struct ana_db_run *cand_of(const struct sides *s, const struct ana_round_pair *p)
{
	return &s->cand->v[p->cand];
}

static bool is_live(const struct ana_db_run *r)
{
	const char *engine = r->identity[ANA_ID_ENGINE];

	return engine && !strcmp(engine, "live");
}

/* Both known, and different; what is not known differs from nothing. */
static bool differ(const char *a, const char *b)
{
	return a && b && strcmp(a, b) != 0;
}

static bool other_machine(const struct ana_db_run *a, const struct ana_db_run *b)
{
	if (a->host[ANA_HOST_MACHINE] && b->host[ANA_HOST_MACHINE])
		return differ(a->host[ANA_HOST_MACHINE], b->host[ANA_HOST_MACHINE]);
	return differ(a->identity[ANA_ID_MACHINE], b->identity[ANA_ID_MACHINE]);
}

/* Another kernel is another boot, whoever says so. */
static bool other_boot(const struct ana_db_run *a, const struct ana_db_run *b)
{
	return differ(a->host[ANA_HOST_BOOT], b->host[ANA_HOST_BOOT]) ||
	       differ(a->identity[ANA_ID_KERNEL], b->identity[ANA_ID_KERNEL]);
}

static bool same_series(const struct ana_db_run *a, const struct ana_db_run *b)
{
	return a->series && b->series && !strcmp(a->series, b->series);
}

/* Keeps those pairs for which fn is true, if there are any. */
static bool keep(const struct sides *s, struct ana_trace_pairs *p,
		 bool (*fn)(const struct ana_db_run *, const struct ana_db_run *), bool is)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n; i++)
		kept += fn(base_of(s, &p->v[i]), cand_of(s, &p->v[i])) == is;
	if (!kept)
		return false;
	p->left_out += p->n - kept;
	kept = 0;
	for (size_t i = 0; i < p->n; i++)
		if (fn(base_of(s, &p->v[i]), cand_of(s, &p->v[i])) == is)
			p->v[kept++] = p->v[i];
	p->n = kept;
	return true;
}

static const char *boot_of(const struct ana_db_run *r)
{
	return r->host[ANA_HOST_BOOT] ? r->host[ANA_HOST_BOOT] : text_or_none(r->identity[ANA_ID_KERNEL]);
}

/* A boot of an arm: when its first run was, and which of its runs take part, in their order in the pairs. */
struct boot {
	const char *id;
	double started;
	int64_t slot;
	size_t first; /* the pair in which it is met first */
	size_t *run, n;
};

static int by_start(const void *x, const void *y)
{
	const struct boot *a = x, *b = y;

	if (isnan(a->started) || isnan(b->started)) {
		if (isnan(a->started) != isnan(b->started))
			return isnan(a->started) ? 1 : -1;
	} else if (a->started != b->started) {
		return a->started < b->started ? -1 : 1;
	}
	return a->first < b->first ? -1 : a->first > b->first;
}

static const struct ana_db_run *side_of(const struct sides *s, const struct ana_round_pair *pair, bool cand)
{
	return cand ? cand_of(s, pair) : base_of(s, pair);
}

/* The boots of one side, the first one first; room: for p->n boots with p->n runs. */
static size_t list_boots(const struct sides *s, const struct ana_trace_pairs *p, bool cand, struct boot *v,
			 size_t *room)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct ana_db_run *r = side_of(s, &p->v[i], cand);
		size_t k = 0;

		while (k < n && strcmp(v[k].id, boot_of(r)))
			k++;
		if (k == n)
			v[n++] = (struct boot){ .id = boot_of(r), .started = NAN, .slot = r->order_slot, .first = i };
		v[k].started = fmin(v[k].started, r->started); /* of NAN and a number the number */
		v[k].n++;
	}
	for (size_t k = 0; k < n; room += v[k++].n) {
		v[k].run = room;
		v[k].n = 0;
		for (size_t i = 0; i < p->n; i++) {
			const struct ana_db_run *r = side_of(s, &p->v[i], cand);

			if (!strcmp(v[k].id, boot_of(r)))
				room[v[k].n++] = cand ? p->v[i].cand : p->v[i].base;
		}
	}
	qsort(v, n, sizeof(*v), by_start);
	return n;
}

/* The boots become the rounds: the first of one arm with the first of the other, and so on, so that each is in one round
 * however many runs it has. */
static void pair_boots(const struct boot *base, size_t nbase, const struct boot *cand, size_t ncand,
		       struct ana_trace_pairs *p)
{
	size_t n = 0;

	p->by_boot = true;
	p->groups = nbase < ncand ? nbase : ncand;
	for (size_t g = 0; g < p->groups; g++)
		for (size_t k = 0; k < base[g].n && k < cand[g].n; k++)
			p->v[n++] = (struct ana_round_pair){ base[g].run[k], cand[g].run[k], g };
	p->left_out += p->n - n;
	p->n = n;
}

static int group_boots(const struct sides *s, struct ana_trace_pairs *p, struct sr_error *err)
{
	struct boot *boot = calloc(2 * p->n + 1, sizeof(*boot)), *cand = boot ? boot + p->n : NULL;
	struct moment *v = calloc(2 * p->n + 1, sizeof(*v));
	size_t *run = calloc(2 * p->n + 1, sizeof(*run)), nbase, ncand;

	if (!boot || !v || !run) {
		free(boot);
		free(v);
		free(run);
		return ana_no_memory(err);
	}
	nbase = list_boots(s, p, false, boot, run);
	ncand = list_boots(s, p, true, cand, run + p->n);
	pair_boots(boot, nbase, cand, ncand, p);
	for (size_t g = 0; g < p->groups; g++) {
		v[2 * g] = (struct moment){ boot[g].started, boot[g].slot, false };
		v[2 * g + 1] = (struct moment){ cand[g].started, cand[g].slot, true };
	}
	/* An order of boots that is not known is none: no slot tells it. */
	if (p->groups < ANA_MIN_ROUNDS)
		p->evidence = ANA_FEW_BOOTS;
	else
		judge_order(v, p->groups, &p->evidence);
	free(boot);
	free(v);
	free(run);
	return 0;
}

/* When a series began; where it is not known, of all runs the same. */
static double series_start(const struct sides *s, const struct ana_trace_pairs *p, const struct ana_db_run *r)
{
	double first = r->started;

	for (size_t i = 0; r->series && i < p->n; i++) {
		const struct ana_db_run *side[2] = { base_of(s, &p->v[i]), cand_of(s, &p->v[i]) };

		for (size_t c = 0; c < 2; c++)
			if (same_series(side[c], r))
				first = fmin(first, side[c]->started);
	}
	return first;
}

static int order_runs(const struct sides *s, struct ana_trace_pairs *p, struct sr_error *err)
{
	struct moment *v = calloc(2 * p->n + 1, sizeof(*v));

	if (!v)
		return ana_no_memory(err);
	for (size_t i = 0; i < p->n; i++) {
		const struct ana_db_run *side[2] = { base_of(s, &p->v[i]), cand_of(s, &p->v[i]) };

		for (size_t c = 0; c < 2; c++)
			v[2 * i + c] = (struct moment){ series_start(s, p, side[c]), side[c]->order_slot, c == 1 };
	}
	judge_order(v, p->n, &p->evidence);
	free(v);
	return 0;
}

int ana_weigh_pairs(const struct ana_db_runs *base, const struct ana_db_runs *cand, const struct ana_round_pair *pairs,
		    size_t n, struct ana_trace_pairs *out, struct sr_error *err)
{
	const struct sides s = { base, cand };

	*out = (struct ana_trace_pairs){ .v = calloc(n + 1, sizeof(*out->v)), .n = n, .looks = 1 };
	if (!out->v)
		return ana_no_memory(err);
	memcpy(out->v, pairs, n * sizeof(*pairs));
	if (is_live(base_of(&s, &pairs[0])) && is_live(cand_of(&s, &pairs[0]))) {
		if (!keep(&s, out, other_machine, false)) {
			out->evidence = ANA_OTHER_MACHINE;
		} else if (!keep(&s, out, other_boot, false)) {
			if (group_boots(&s, out, err) < 0)
				return -1;
		} else {
			keep(&s, out, same_series, true);
			if (order_runs(&s, out, err) < 0)
				return -1;
		}
	}
	if (!out->by_boot) {
		for (size_t i = 0; i < out->n; i++)
			out->v[i].group = i;
		out->groups = out->n;
	}
	for (size_t i = 0; i < out->n; i++) {
		int64_t looks = base_of(&s, &out->v[i])->looks, other = cand_of(&s, &out->v[i])->looks;

		looks = looks > other ? looks : other;
		if (looks > out->looks && looks < 1000)
			out->looks = (unsigned)looks;
	}
	return 0;
}
