/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analyze/analyze.h"

#include <math.h>

/*
 * Values below 32 have a bucket each. From there on every power of two [2^e, 2^(e+1)) has 32 buckets of equal width
 * 2^(e-5), so a bucket's middle is within half a width, 1/64 of the value, of everything in it.
 */
#define SUB_BITS 5
_Static_assert(1 << SUB_BITS == ANA_HIST_SUB, "the number of linear buckets is a power of two");

static unsigned bucket_of(uint64_t value)
{
	unsigned e;

	if (value < ANA_HIST_SUB)
		return (unsigned)value;
	e = 63 - (unsigned)__builtin_clzll(value);
	return ANA_HIST_SUB * (e - SUB_BITS) + (unsigned)(value >> (e - SUB_BITS));
}

void ana_hist_bounds(unsigned bucket, uint64_t *lo, uint64_t *hi)
{
	unsigned shift;

	if (bucket < ANA_HIST_SUB) {
		*lo = *hi = bucket;
		return;
	}
	shift = bucket / ANA_HIST_SUB - 1;
	*lo = (uint64_t)(ANA_HIST_SUB + bucket % ANA_HIST_SUB) << shift;
	*hi = *lo + ((1ull << shift) - 1);
}

void ana_hist_add(struct ana_hist *h, uint64_t value)
{
	if (h->n == 0 || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->n++;
	if (__builtin_add_overflow(h->sum, value, &h->sum))
		h->sum = UINT64_MAX;
	h->bucket[bucket_of(value)]++;
}

double ana_hist_quantile(const struct ana_hist *h, double q)
{
	uint64_t rank, seen = 0, lo, hi;
	double middle;

	if (h->n == 0)
		return NAN;
	/* The slack keeps q * n that is whole but for rounding from going one rank up. */
	rank = q <= 0 ? 1 : (uint64_t)ceil(q * (double)h->n - 1e-9 * (double)h->n);
	if (rank < 1)
		rank = 1;
	if (rank >= h->n)
		return (double)h->max;
	if (rank == 1)
		return (double)h->min;
	for (unsigned b = 0; b < ANA_HIST_BUCKETS; b++) {
		seen += h->bucket[b];
		if (seen < rank)
			continue;
		ana_hist_bounds(b, &lo, &hi);
		middle = ((double)lo + (double)hi) / 2;
		return fmin(fmax(middle, (double)h->min), (double)h->max);
	}
	return (double)h->max;
}
