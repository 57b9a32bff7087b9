/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Change points of a series, such as a metric's medians over the nights: E-divisive (Matteson and James, 2014). A
 * part of the series is divided where the energy distance between what is before and behind is greatest, as long as
 * that distance is greater than permutations of the part would show. No distribution is assumed. The same series and
 * seed give the same points.
 */
#ifndef SCHEDREC_ANALYZE_CHANGE_H
#define SCHEDREC_ANALYZE_CHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "formats/error.h"

#define ANA_CHANGE_LONGEST 400 /* values of a series; earlier ones are left out */

struct ana_change_options {
	size_t min_segment;    /* values between two points, at least 2 */
	unsigned permutations; /* at least 1 / alpha - 1, else nothing can be significant */
	double alpha;
	uint64_t seed;
};

struct ana_change {
	size_t at;            /* the first value of the new segment */
	double p;             /* share of permutations that show as much, with the series itself counted as one */
	double before, after; /* medians of the segments on both sides */
	double magnitude;     /* relative: 0.05 = 5% more; INFINITY after 0 */
};

/* Values are finite. *out is the caller's to free, in order of at. */
int ana_changes(const double *v, size_t n, const struct ana_change_options *o, struct ana_change **out, size_t *nout,
		struct sr_error *err);

#endif
