/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analyze/change.h"
#include "analyze/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Between two sums of the same distances in another order. */
#define ROUNDING 1e-9

/* A segment, and the best place to divide it. */
struct part {
	size_t begin, end, at; /* at 0: it is too short */
	double q;
};

struct search {
	const struct ana_change_options *o;
	double *row;  /* row[k * (longest + 1) + i]: sum of |v[k] - v[j]| over j < i, of the part that is looked at */
	double *work; /* a part's values, permuted */
	size_t stride;
	struct part *part;
	size_t nparts;
	uint64_t random;
};

static void permute(double *v, size_t n, uint64_t *state)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = ana_random(state) % i;
		double swap = v[i - 1];

		v[i - 1] = v[k];
		v[k] = swap;
	}
}

static void sum_distances(struct search *s, const double *v, size_t n)
{
	for (size_t k = 0; k < n; k++) {
		double *row = s->row + k * s->stride;

		row[0] = 0;
		for (size_t i = 0; i < n; i++)
			row[i + 1] = row[i] + fabs(v[k] - v[i]);
	}
}

/*
 * The greatest scaled energy distance between [0, at) and [at, end) over all at and end; how far the second part goes
 * is free, so that a series that goes up and down again is divided too.
 *
 *     a * b / (a + b) * (2 between / (a * b) - within_a / (a choose 2) - within_b / (b choose 2))
 */
static double best_division(struct search *s, const double *v, size_t n, size_t *at)
{
	size_t least = s->o->min_segment;
	double best = -1, within_a = 0;

	*at = 0;
	if (n < 2 * least)
		return best;
	sum_distances(s, v, n);
	for (size_t a = 1; a + least <= n; a++) {
		double between = 0, within_b = 0, da = (double)a;

		within_a += s->row[(a - 1) * s->stride + a - 1];
		if (a < least)
			continue;
		for (size_t end = a + 1; end <= n; end++) {
			const double *row = s->row + (end - 1) * s->stride;
			double b = (double)(end - a), q;

			between += row[a];
			within_b += row[end - 1] - row[a];
			if (end - a < least)
				continue;
			q = da * b / (da + b) *
			    (2 * between / (da * b) - 2 * within_a / (da * (da - 1)) - 2 * within_b / (b * (b - 1)));
			if (q > best * (1 + ROUNDING)) {
				best = q;
				*at = a;
			}
		}
	}
	return best;
}

/* How often do permutations within the parts show q? p, or 2 as soon as it is clear that it is above alpha. */
static double permutation_p(struct search *s, const double *v, double q)
{
	unsigned reached = 1, n = s->o->permutations + 1;

	for (unsigned i = 0; i < s->o->permutations; i++) {
		double most = -1;

		for (size_t k = 0; k < s->nparts && most < q; k++) {
			const struct part *p = &s->part[k];
			size_t len = p->end - p->begin, at;

			if (!p->at)
				continue;
			memcpy(s->work, v + p->begin, len * sizeof(*v));
			permute(s->work, len, &s->random);
			most = fmax(most, best_division(s, s->work, len, &at));
		}
		reached += most >= q * (1 - ROUNDING);
		if (reached > s->o->alpha * n)
			return 2;
	}
	return (double)reached / n;
}

static void look(struct search *s, const double *v, struct part *p)
{
	p->q = best_division(s, v + p->begin, p->end - p->begin, &p->at);
	if (p->q <= 0)
		p->at = 0;
}

/* Divides one part after the other, the most different first; p of each division goes to its place. */
static void divide(struct search *s, const double *v, size_t n, double *p_at)
{
	s->part[0] = (struct part){ .end = n };
	s->nparts = 1;
	look(s, v, &s->part[0]);
	for (;;) {
		struct part *most = NULL;
		size_t at;
		double p;

		for (size_t k = 0; k < s->nparts; k++)
			if (s->part[k].at && (!most || s->part[k].q > most->q))
				most = &s->part[k];
		if (!most)
			return;
		p = permutation_p(s, v, most->q);
		if (p > s->o->alpha)
			return;
		at = most->begin + most->at;
		p_at[at] = p;
		s->part[s->nparts] = (struct part){ .begin = at, .end = most->end };
		most->end = at;
		look(s, v, most);
		look(s, v, &s->part[s->nparts++]);
	}
}

static int collect(const double *v, size_t n, const double *p_at, struct ana_change **out, size_t *nout,
		   struct sr_error *err)
{
	size_t cap = 0, begin = 0;

	for (size_t i = 1; i < n; i++) {
		size_t end = i + 1;
		struct ana_change *c;

		if (isnan(p_at[i]))
			continue;
		while (end < n && isnan(p_at[end]))
			end++;
		if (ana_reserve(out, &cap, *nout + 1, sizeof(**out), err) < 0)
			return -1;
		c = &(*out)[(*nout)++];
		*c = (struct ana_change){ .at = i, .p = p_at[i] };
		c->before = ana_median(v + begin, i - begin);
		c->after = ana_median(v + i, end - i);
		c->magnitude = c->before != 0 ? (c->after - c->before) / fabs(c->before) :
			       c->after == 0  ? 0 :
						copysign(INFINITY, c->after);
		begin = i;
	}
	return 0;
}

int ana_changes(const double *v, size_t n, const struct ana_change_options *o, struct ana_change **out, size_t *nout,
		struct sr_error *err)
{
	size_t skip = n > ANA_CHANGE_LONGEST ? n - ANA_CHANGE_LONGEST : 0, len = n - skip;
	struct search s = { .o = o, .stride = len + 1, .random = o->seed };
	double *p_at = NULL;
	int ret = -1;

	*out = NULL;
	*nout = 0;
	if (o->min_segment < 2)
		return sr_fail(err, SR_BUG, "change points: segments of at least %zu values", o->min_segment);
	if (len < 2 * o->min_segment)
		return 0;
	s.row = malloc(len * s.stride * sizeof(*s.row));
	s.work = malloc(len * sizeof(*s.work));
	s.part = malloc(len * sizeof(*s.part));
	p_at = malloc(len * sizeof(*p_at));
	if (!s.row || !s.work || !s.part || !p_at) {
		ana_no_memory(err);
		goto out;
	}
	for (size_t i = 0; i < len; i++)
		p_at[i] = NAN;
	divide(&s, v + skip, len, p_at);
	ret = collect(v + skip, len, p_at, out, nout, err);
	for (size_t i = 0; i < *nout; i++)
		(*out)[i].at += skip;
	if (ret < 0) {
		free(*out);
		*out = NULL;
		*nout = 0;
	}
out:
	free(s.row);
	free(s.work);
	free(s.part);
	free(p_at);
	return ret;
}
