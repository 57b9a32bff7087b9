/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics of runs. The one owner of libRmath. */
#include "analyze/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MATHLIB_STANDALONE
#include <Rmath.h>

#define EXACT_ROUNDS 500 /* above, the normal approximation of the signed-rank distribution */
#define MOST_MORE 999    /* more rounds than this are not asked for */

static int by_value(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return a < b ? -1 : a > b;
}

static double *sorted(const double *v, size_t n)
{
	double *s = malloc((n ? n : 1) * sizeof(*s));

	if (!s)
		return NULL;
	memcpy(s, v, n * sizeof(*s));
	qsort(s, n, sizeof(*s), by_value);
	return s;
}

/* Linear interpolation between the sorted values. */
static double quantile(const double *s, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;

	return i + 1 < n ? s[i] + (at - (double)i) * (s[i + 1] - s[i]) : s[n - 1];
}

double ana_median(const double *v, size_t n)
{
	double *s = sorted(v, n), m = s && n ? quantile(s, n, 0.5) : NAN;

	free(s);
	return m;
}

void ana_quartiles(const double *v, size_t n, double *q1, double *q3)
{
	double *s = sorted(v, n);

	*q1 = s && n ? quantile(s, n, 0.25) : NAN;
	*q3 = s && n ? quantile(s, n, 0.75) : NAN;
	free(s);
}

/* P(V <= v) of the signed-rank statistic of n values. */
static double rank_cdf(double v, size_t n)
{
	double m = (double)n, mean = m * (m + 1) / 4, p;

	if (n > EXACT_ROUNDS)
		return pnorm(v + 0.5, mean, sqrt(m * (m + 1) * (2 * m + 1) / 24), 1, 0);
	p = psignrank(v, m, 1, 0);
	signrank_free(); /* the library caches its table in a static */
	return p;
}

/* The least v with P(V <= v) >= q. */
static double rank_quantile(double q, size_t n)
{
	double m = (double)n, v;

	if (n > EXACT_ROUNDS)
		return floor(qnorm(q, m * (m + 1) / 4, sqrt(m * (m + 1) * (2 * m + 1) / 24), 1, 0));
	v = qsignrank(q, m, 1, 0);
	signrank_free();
	return v;
}

struct ranked {
	double size;
	bool positive;
};

static int by_size(const void *x, const void *y)
{
	const struct ranked *a = x, *b = y;

	return a->size < b->size ? -1 : a->size > b->size;
}

/* P(V <= v) of values whose sizes are ranks, of which ties have their mean: twice a rank is whole. */
static double tied_cdf(double v, const struct ranked *r, size_t n, double *part)
{
	size_t most = (size_t)(2 * v);
	double p = 0;

	part[0] = 1;
	for (size_t s = 1; s <= most; s++)
		part[s] = 0;
	for (size_t i = 0; i < n; i++) {
		size_t rank = (size_t)(2 * r[i].size);

		for (size_t s = most + 1; s-- > 0;)
			part[s] = (part[s] + (s >= rank ? part[s - rank] : 0)) / 2;
	}
	for (size_t s = 0; s <= most; s++)
		p += part[s];
	return p;
}

/* Two-sided p. Zeros are left out; ties get their mean rank. The distribution without ties is none of theirs: with few
 * rounds it may have the narrower tails. work: room for n * (n + 1) / 2 + 1. */
static double rank_test(struct ranked *r, const double *d, size_t n, double *work)
{
	double plus = 0, minus = 0, p;
	bool tied = false;
	size_t m = 0;

	for (size_t i = 0; i < n; i++)
		if (d[i] != 0)
			r[m++] = (struct ranked){ fabs(d[i]), d[i] > 0 };
	if (m == 0)
		return 1;
	qsort(r, m, sizeof(*r), by_size);
	for (size_t i = 0, end; i < m; i = end) {
		for (end = i + 1; end < m && r[end].size == r[i].size; end++)
			;
		for (size_t k = i; k < end; k++) {
			r[k].size = (double)(i + 1 + end) / 2;
			*(r[k].positive ? &plus : &minus) += r[k].size;
		}
		tied |= end > i + 1;
	}
	if (tied && m <= EXACT_ROUNDS)
		p = 2 * tied_cdf(fmin(plus, minus), r, m, work);
	else
		p = 2 * rank_cdf(ceil(fmin(plus, minus)), m);
	return p < 1 ? p : 1;
}

int ana_signed_rank(const double *d, size_t n, double alpha, double *shift, double *lo, double *hi, double *p,
		    struct sr_error *err)
{
	size_t walsh = n * (n + 1) / 2, w = 0;
	struct ranked *r = malloc((n + 1) * sizeof(*r));
	double *v = malloc((walsh + 1) * sizeof(*v)), k;

	*shift = *lo = *hi = NAN;
	*p = 1;
	if (!r || !v) {
		free(r);
		free(v);
		return ana_no_memory(err);
	}
	if (n > 0) {
		*p = rank_test(r, d, n, v);
		/* The median of the means of all pairs, each value with itself too. */
		for (size_t i = 0; i < n; i++)
			for (size_t j = i; j < n; j++)
				v[w++] = (d[i] + d[j]) / 2;
		qsort(v, walsh, sizeof(*v), by_value);
		*shift = quantile(v, walsh, 0.5);
		/* The k-th from either end bounds the interval, the largest k with P(V <= k - 1) <= alpha / 2. */
		k = rank_quantile(alpha / 2, n);
		while (k > 0 && rank_cdf(k - 1, n) > alpha / 2)
			k--;
		if (k >= 1 && k <= (double)walsh) {
			*lo = v[(size_t)k - 1];
			*hi = v[walsh - (size_t)k];
		}
	}
	free(r);
	free(v);
	return 0;
}

/* Difference relative to the pair's mean: it changes its sign when base and candidate change places, as the test
 * wants it, and zeros do no harm. What differs by no more than step is equal: whether a difference is that small does
 * not depend on its sign, so that the test stays exact. */
static double difference(double base, double cand, double step)
{
	double mean = (fabs(base) + fabs(cand)) / 2;

	return fabs(cand - base) <= step ? 0 : (cand - base) / mean;
}

/* The same, relative to the base; INFINITY where that is 0. */
static double to_relative(double d)
{
	return d >= 2 ? INFINITY : d / (1 - d / 2);
}

/* More rounds until a verdict is likely: the interval's width and the statistic go with the square root. */
static size_t more_rounds(const struct ana_shift *s, double p_needed)
{
	double n = (double)s->rounds, want, half;
	size_t least = (size_t)ceil(log2(2 * s->looks / ANA_ALPHA)); /* fewer have no interval, whatever they show */

	if (s->rounds < least)
		return least - s->rounds;
	if (fabs(s->shift) > s->margin) {
		want = n * pow(qnorm(p_needed / 2, 0, 1, 1, 0) / qnorm(fmin(s->p, 0.99) / 2, 0, 1, 1, 0), 2);
	} else {
		half = fmax(s->hi - s->shift, s->shift - s->lo);
		want = n * pow(half / (s->margin - fabs(s->shift)), 2);
	}
	if (!(want - n < MOST_MORE))
		return MOST_MORE;
	return want - n > 1 ? (size_t)ceil(want - n) : 1;
}

static enum ana_verdict direction(const struct ana_shift *s)
{
	if (s->better == ANA_NEITHER)
		return ANA_CHANGED;
	return (s->shift > 0) == (s->better == ANA_LESS_IS_BETTER) ? ANA_REGRESSED : ANA_IMPROVED;
}

/* p_needed: without regard to looks. */
#define ROUNDING 1e-9 /* six rounds of one sign are 1/32, and of 8 cells 5 such ones 0.05: not 0.05 and the last bit */

static void judge(struct ana_shift *s, double p_needed)
{
	bool known = s->rounds >= ANA_MIN_ROUNDS;

	s->needs_more = 0;
	if (s->verdict == ANA_IDENTICAL)
		return;
	/* With zeros among the differences the test, which leaves them out, may reject what the interval holds. */
	if (known && s->p_adjusted <= ANA_ALPHA * (1 + ROUNDING) && fabs(s->shift) > s->margin &&
	    (s->lo > 0 || s->hi < 0)) {
		s->verdict = direction(s);
	} else if (known && s->lo >= -s->margin && s->hi <= s->margin) {
		s->verdict = ANA_SAME;
	} else {
		s->verdict = ANA_UNKNOWN;
		s->needs_more = more_rounds(s, p_needed / s->looks);
	}
}

int ana_compare_steps(const double *base, const double *cand, size_t n, double margin, double step,
		      enum ana_better better, unsigned looks, struct ana_shift *out, struct sr_error *err)
{
	double *d = malloc((n + 1) * sizeof(*d));
	bool identical = n > 0, equal = n > 0;
	int ret;

	memset(out, 0, sizeof(*out));
	if (!d)
		return ana_no_memory(err);
	for (size_t i = 0; i < n; i++) {
		d[i] = difference(base[i], cand[i], step);
		identical = identical && base[i] == cand[i];
		equal = equal && d[i] == 0;
	}
	out->equal = equal;
	out->looks = looks ? looks : 1;
	ret = ana_signed_rank(d, n, ANA_ALPHA / out->looks, &out->shift, &out->lo, &out->hi, &out->p, err);
	free(d);
	out->shift = to_relative(out->shift);
	out->lo = to_relative(out->lo);
	out->hi = to_relative(out->hi);
	out->rounds = n;
	out->margin = margin;
	out->better = better;
	out->p_adjusted = fmin(1, out->p * out->looks);
	out->verdict = identical ? ANA_IDENTICAL : ANA_UNKNOWN;
	judge(out, ANA_ALPHA);
	return ret;
}

int ana_compare_looks(const double *base, const double *cand, size_t n, double margin, enum ana_better better,
		      unsigned looks, struct ana_shift *out, struct sr_error *err)
{
	return ana_compare_steps(base, cand, n, margin, 0, better, looks, out, err);
}

int ana_compare_paired(const double *base, const double *cand, size_t n, double margin, enum ana_better better,
		       struct ana_shift *out, struct sr_error *err)
{
	return ana_compare_looks(base, cand, n, margin, better, 1, out, err);
}

struct by_p {
	double p;
	struct ana_shift *s;
};

static int by_p(const void *x, const void *y)
{
	const struct by_p *a = x, *b = y;

	return a->p < b->p ? -1 : a->p > b->p;
}

/* Cells of which no round differs can become no finding whatever the signs, and are none of those that are adjusted for:
 * what they are depends on the sizes of the differences alone, so that the rest is still exact (Tarone, 1990). */
int ana_judge_all(struct ana_shift *const *cells, size_t all, struct sr_error *err)
{
	struct by_p *v = malloc((all + 1) * sizeof(*v));
	double least = 1;
	size_t n = 0;

	if (!v)
		return ana_no_memory(err);
	for (size_t i = 0; i < all; i++) {
		if (cells[i]->equal) {
			cells[i]->p_adjusted = 1;
			judge(cells[i], ANA_ALPHA);
			continue;
		}
		v[n++] = (struct by_p){ fmin(1, cells[i]->p * (cells[i]->looks ? cells[i]->looks : 1)), cells[i] };
	}
	qsort(v, n, sizeof(*v), by_p);
	for (size_t i = n; i-- > 0;) {
		least = fmin(least, v[i].p * (double)n / (double)(i + 1));
		v[i].s->p_adjusted = least;
	}
	for (size_t i = 0; i < n; i++)
		judge(v[i].s, ANA_ALPHA * (double)(i + 1) / (double)n);
	free(v);
	return 0;
}

double ana_noise(const double *v, size_t n)
{
	double *d, noise;

	if (n < 4)
		return 0;
	d = malloc((n - 1) * sizeof(*d));
	if (!d)
		return 0;
	for (size_t i = 0; i + 1 < n; i++)
		d[i] = fabs(difference(v[i], v[i + 1], 0));
	noise = ana_median(d, n - 1) / sqrt((double)n);
	free(d);
	return noise;
}

/* ---- over traces ---- */

#define NEARLY 1e-9 /* equal weights count as the number of them, whatever their rounding */

uint64_t ana_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static double mean_of(const double *v, const double *w, size_t n)
{
	double sum = 0, weight = 0;

	for (size_t i = 0; i < n; i++) {
		sum += w ? w[i] * v[i] : v[i];
		weight += w ? w[i] : 1;
	}
	return sum / weight;
}

/* The part to leave out at either end, so that the percentiles of few values hold what a t interval would: they are too
 * near to each other by the root of (n - 1) / n, and the normal's tails are too thin. */
static double expanded(double alpha, double m)
{
	return pnorm(sqrt(m / (m - 1)) * qt(alpha / 2, m - 1, 1, 0), 0, 1, 1, 0);
}

double ana_effective(const double *w, size_t n)
{
	double sum = 0, squares = 0;

	if (!w)
		return (double)n;
	for (size_t i = 0; i < n; i++) {
		sum += w[i];
		squares += w[i] * w[i];
	}
	return squares > 0 ? fmin(sum * sum / squares, (double)n) : 0;
}

#define LEAST_TAIL 5 /* resamples behind an end of the interval: fewer do not tell where it is */

static double deviation(const double *v, size_t n)
{
	double mean = mean_of(v, NULL, n), squares = 0;

	for (size_t i = 0; i < n; i++)
		squares += (v[i] - mean) * (v[i] - mean);
	return sqrt(squares / (double)n);
}

int ana_bootstrap(const double *v, const double *w, size_t n, double alpha, uint64_t seed, double *lo, double *hi,
		  struct sr_error *err)
{
	double *means, m = ana_effective(w, n), cut, half;

	*lo = *hi = NAN;
	if (m < ANA_MIN_TRACES - NEARLY)
		return 0;
	means = malloc(ANA_RESAMPLES * sizeof(*means));
	if (!means)
		return ana_no_memory(err);
	for (size_t r = 0; r < ANA_RESAMPLES; r++) {
		double sum = 0, weight = 0;

		for (size_t i = 0; i < n; i++) {
			size_t k = ana_random(&seed) % n;

			sum += w ? w[k] * v[k] : v[k];
			weight += w ? w[k] : 1;
		}
		means[r] = sum / weight;
	}
	qsort(means, ANA_RESAMPLES, sizeof(*means), by_value);
	cut = expanded(alpha, m);
	if (cut * ANA_RESAMPLES >= LEAST_TAIL) {
		*lo = quantile(means, ANA_RESAMPLES, cut);
		*hi = quantile(means, ANA_RESAMPLES, 1 - cut);
	} else {
		/* Beyond what resamples of so few values can show: they never lie outside of the values themselves. */
		half = -qt(alpha / 2, m - 1, 1, 0) * sqrt(m / (m - 1)) * deviation(means, ANA_RESAMPLES);
		*lo = mean_of(v, w, n) - half;
		*hi = mean_of(v, w, n) + half;
	}
	free(means);
	return 0;
}

/* More traces until a verdict is likely: the intervals' widths go with the root of their number. lo, hi: of the interval
 * for all metrics together, which a finding needs; the one in *s is for equivalence. */
static size_t more_traces(const struct ana_overall *s, double lo, double hi)
{
	double shift = fabs(s->shift), want;

	if (shift > s->margin)
		want = pow((s->shift > 0 ? s->shift - lo : hi - s->shift) / shift, 2);
	else
		want = pow(fmax(s->hi - s->shift, s->shift - s->lo) / (s->margin - shift), 2);
	want = (want - 1) * (double)s->traces;
	if (!(want < MOST_MORE))
		return MOST_MORE;
	return want > 1 ? (size_t)ceil(want) : 1;
}

int ana_over_traces(const double *shifts, const double *w, size_t n, double margin, enum ana_better better,
		    unsigned family, struct ana_overall *out, struct sr_error *err)
{
	double *d = malloc((n + 1) * sizeof(*d)), lo, hi;
	int ret;

	memset(out, 0, sizeof(*out));
	if (!d)
		return ana_no_memory(err);
	/* In the scale of difference(), in which a shift and its reverse are of one size. */
	for (size_t i = 0; i < n; i++)
		d[i] = isinf(shifts[i]) ? 2 : shifts[i] / (1 + shifts[i] / 2);
	out->traces = n;
	out->effective = ana_effective(w, n);
	out->margin = margin;
	out->shift = n ? to_relative(mean_of(d, w, n)) : NAN;
	ret = ana_bootstrap(d, w, n, ANA_ALPHA, ANA_SEED, &lo, &hi, err);
	out->lo = to_relative(lo);
	out->hi = to_relative(hi);
	if (ret == 0)
		ret = ana_bootstrap(d, w, n, ANA_ALPHA / (family ? family : 1), ANA_SEED, &lo, &hi, err);
	free(d);
	if (out->effective < ANA_MIN_TRACES - NEARLY) {
		out->verdict = ANA_UNKNOWN;
		out->needs_more = (size_t)ceil(ANA_MIN_TRACES - out->effective);
	} else if (fabs(out->shift) > margin && (lo > 0 || hi < 0)) {
		out->verdict = direction(&(struct ana_shift){ .shift = out->shift, .better = better });
	} else if (out->lo >= -margin && out->hi <= margin) {
		out->verdict = ANA_SAME;
	} else {
		out->verdict = ANA_UNKNOWN;
		out->needs_more = more_traces(out, to_relative(lo), to_relative(hi));
	}
	return ret;
}
