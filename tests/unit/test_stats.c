/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Histograms, the signed-rank test, the Hodges-Lehmann shift, verdicts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyze/internal.h"

static struct sr_error err;

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-9)

/* A generator of our own, so that each run is the same everywhere. */
static uint64_t seed;

static double uniform(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return ((double)(seed >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static void test_every_value_lies_in_its_bucket(void **state)
{
	static struct ana_hist h;
	uint64_t lo, hi, next = 0;

	for (unsigned b = 0; b < ANA_HIST_BUCKETS; b++) {
		ana_hist_bounds(b, &lo, &hi);
		assert_int_equal(lo, next); /* no gap, no overlap */
		assert_true(hi >= lo);
		next = hi + 1;
		memset(&h, 0, sizeof(h));
		ana_hist_add(&h, lo);
		ana_hist_add(&h, hi);
		assert_int_equal(h.bucket[b], 2);
	}
	assert_int_equal(next, 0); /* the last one ends with the last value */
}

static int by_value(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

static void test_quantiles_are_within_one_64th(void **state)
{
	enum { N = 5000 };
	static struct ana_hist h;
	static uint64_t v[N];

	seed = 42;
	memset(&h, 0, sizeof(h));
	for (size_t i = 0; i < N; i++) {
		v[i] = (uint64_t)exp(uniform() * 40); /* over 17 orders of magnitude */
		ana_hist_add(&h, v[i]);
	}
	qsort(v, N, sizeof(v[0]), by_value);
	for (int q = 1; q < 1000; q++) {
		double truth = (double)v[q * N / 1000 - 1], got = ana_hist_quantile(&h, q / 1000.0);

		assert_true(fabs(got - truth) <= truth / 64);
	}
	NEAR(ana_hist_quantile(&h, 0), (double)v[0]);
	NEAR(ana_hist_quantile(&h, 1), (double)v[N - 1]);
}

static void test_small_values_are_exact(void **state)
{
	static struct ana_hist h;

	for (uint64_t i = 1; i <= 63; i++)
		ana_hist_add(&h, i);
	NEAR(ana_hist_quantile(&h, 0.5), 32);
	NEAR(ana_hist_quantile(&h, 20.0 / 63), 20);
}

static void test_an_empty_histogram_has_no_quantile(void **state)
{
	static struct ana_hist h;

	assert_true(isnan(ana_hist_quantile(&h, 0.5)));
}

static void test_a_sum_that_overflows_stays_at_the_top(void **state)
{
	static struct ana_hist h;

	ana_hist_add(&h, UINT64_MAX);
	ana_hist_add(&h, UINT64_MAX);
	assert_true(h.sum == UINT64_MAX);
}

static void test_median_and_quartiles(void **state)
{
	const double v[] = { 7, 1, 3, 5 };
	double q1, q3;

	NEAR(ana_median(v, 4), 4);
	NEAR(ana_median(v, 3), 3);
	NEAR(ana_median(v, 1), 7);
	ana_quartiles(v, 4, &q1, &q3);
	NEAR(q1, 2.5);
	NEAR(q3, 5.5);
}

static double signed_rank_p(const double *d, size_t n)
{
	double shift, lo, hi, p;

	assert_int_equal(ana_signed_rank(d, n, 0.05, &shift, &lo, &hi, &p, &err), 0);
	return p;
}

/* All 2^n assignments of signs, counted. */
static double brute_force_p(const double *d, size_t n)
{
	double total = (double)(n * (n + 1)) / 2, seen = 0;
	size_t extreme = 0;

	for (size_t i = 0; i < n; i++) {
		size_t rank = 1;

		for (size_t k = 0; k < n; k++)
			rank += fabs(d[k]) < fabs(d[i]);
		seen += d[i] > 0 ? (double)rank : 0;
	}
	for (size_t m = 0; m < (size_t)1 << n; m++) {
		double v = 0;

		for (size_t i = 0; i < n; i++)
			v += m >> i & 1 ? (double)(i + 1) : 0;
		extreme += fmin(v, total - v) <= fmin(seen, total - seen);
	}
	return (double)extreme / (double)((size_t)1 << n);
}

static void test_p_is_the_share_of_all_sign_assignments(void **state)
{
	double d[10];

	seed = 7;
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < 10; i++)
			d[i] = normal() + 0.4;
		NEAR(signed_rank_p(d, 10), fmin(1, brute_force_p(d, 10)));
	}
}

/* From the usual tables, two-sided 5 %: n = 6: 0, 10: 8, 20: 52. The rank sum at it is significant, one above not. */
static void test_critical_values(void **state)
{
	static const struct {
		size_t n;
		int critical;
	} table[] = { { 6, 0 }, { 8, 3 }, { 10, 8 }, { 15, 25 }, { 20, 52 } };
	double d[20];

	for (size_t t = 0; t < sizeof(table) / sizeof(table[0]); t++) {
		for (int over = 0; over < 2; over++) {
			int left = table[t].critical + over;

			/* Ranks are 1..n; those that make up the smaller sum are negative. */
			for (size_t i = table[t].n; i-- > 0;) {
				int rank = (int)i + 1;
				bool negative = rank <= left;

				d[i] = negative ? -rank : rank;
				left -= negative ? rank : 0;
			}
			assert_int_equal(left, 0);
			assert_true((signed_rank_p(d, table[t].n) <= 0.05) == !over);
		}
	}
}

static void test_the_smallest_p_halves_with_each_round(void **state)
{
	const double d[] = { 1, 2, 3, 4, 5, 6 };

	NEAR(signed_rank_p(d, 5), 0.0625);
	NEAR(signed_rank_p(d, 6), 0.03125);
}

static void test_the_shift_is_the_median_of_all_pair_means(void **state)
{
	const double d[] = { 1, 2, 10 }; /* means: 1 1.5 2 5.5 6 10 */
	double shift, lo, hi, p;

	assert_int_equal(ana_signed_rank(d, 3, 0.05, &shift, &lo, &hi, &p, &err), 0);
	NEAR(shift, 3.75);
	assert_true(isnan(lo) && isnan(hi)); /* three rounds have no 95 % interval */
}

/* The interval holds exactly those shifts that the test does not reject. */
static void test_interval_and_test_agree(void **state)
{
	double d[12], moved[12], shift, lo, hi, p;

	seed = 11;
	for (int round = 0; round < 30; round++) {
		for (size_t i = 0; i < 12; i++)
			d[i] = normal();
		assert_int_equal(ana_signed_rank(d, 12, 0.05, &shift, &lo, &hi, &p, &err), 0);
		assert_true(lo < shift && shift < hi);
		for (int side = 0; side < 2; side++) {
			double edge = side ? hi : lo, in = edge + (side ? -1e-7 : 1e-7),
			       out = edge + (side ? 1e-7 : -1e-7);

			for (size_t i = 0; i < 12; i++)
				moved[i] = d[i] - in;
			assert_true(signed_rank_p(moved, 12) > 0.05);
			for (size_t i = 0; i < 12; i++)
				moved[i] = d[i] - out;
			assert_true(signed_rank_p(moved, 12) <= 0.05);
		}
	}
}

static void test_ties_and_zeros_do_not_make_p_smaller(void **state)
{
	const double tied[] = { 1, 1, 1, 1, 1, -1 }, zeros[] = { 0, 0, 0, 1, 2, 3, 4, 5 };

	/* Mean ranks 3.5 each: 3.5 against 17.5, which 7 of 64 assignments show, and as many the other way round. */
	NEAR(signed_rank_p(tied, 6), 2 * 7.0 / 64);
	NEAR(signed_rank_p(zeros, 8), 0.0625);
}

/* Whatever is tied: the share of the sign assignments whose smaller rank sum is no larger. */
static void test_p_is_exact_with_ties_too(void **state)
{
	static const double sizes[][9] = { { 1, 1, 1, 2, 3, 4, 5, 6, 6 },
					   { 1, 1, 2, 2, 3, 3, 4, 4, 4 },
					   { 1, 2, 2, 2, 2, 2, 7, 8, 9 } };
	double d[9], rank[9], small;

	for (size_t t = 0; t < 3; t++)
		for (size_t n = 6; n <= 9; n++) {
			for (size_t i = 0; i < n; i++) {
				rank[i] = 0.5;
				for (size_t k = 0; k < n; k++)
					rank[i] += sizes[t][k] < sizes[t][i] ? 1 : sizes[t][k] == sizes[t][i] ? 0.5 : 0;
			}
			for (unsigned m = 0; m < 1u << n; m++) {
				unsigned extreme = 0;

				small = 0;
				for (size_t i = 0; i < n; i++) {
					d[i] = m >> i & 1 ? sizes[t][i] : -sizes[t][i];
					small += m >> i & 1 ? rank[i] : 0;
				}
				small = fmin(small, (double)(n * (n + 1)) / 2 - small);
				for (unsigned other = 0; other < 1u << n; other++) {
					double v = 0;

					for (size_t i = 0; i < n; i++)
						v += other >> i & 1 ? rank[i] : 0;
					extreme += fmin(v, (double)(n * (n + 1)) / 2 - v) <= small;
				}
				NEAR(signed_rank_p(d, n), fmin(1, (double)extreme / (1u << n)));
			}
		}
}

static void test_many_rounds_go_over_to_the_normal_distribution(void **state)
{
	static double d[501];

	seed = 3;
	for (size_t i = 0; i < 501; i++)
		d[i] = normal() + 0.1;
	/* The exact distribution up to 500, the approximation above: one more value changes little. */
	assert_true(fabs(signed_rank_p(d, 501) - signed_rank_p(d, 500)) < 0.2 * signed_rank_p(d, 500) + 0.01);
}

static struct ana_shift compare(const double *base, const double *cand, size_t n, double margin, bool lower)
{
	struct ana_shift s;

	assert_int_equal(ana_compare_paired(base, cand, n, margin, lower, &s, &err), 0);
	return s;
}

static void fill(double *base, double *cand, size_t n, double noise, double shift)
{
	for (size_t i = 0; i < n; i++) {
		base[i] = 1000 * (1 + noise * normal());
		cand[i] = 1000 * (1 + shift) * (1 + noise * normal());
	}
}

static void test_shifts_are_relative_to_the_base(void **state)
{
	double base[10], cand[10];

	for (size_t i = 0; i < 10; i++) {
		base[i] = 100 * (double)(i + 1);
		cand[i] = 150 * (double)(i + 1);
	}
	NEAR(compare(base, cand, 10, 0.05, true).shift, 0.5);
	NEAR(compare(cand, base, 10, 0.05, true).shift, -1.0 / 3);
}

static void test_verdicts(void **state)
{
	double base[10], cand[10];

	seed = 5;
	fill(base, cand, 10, 0.01, 0.2);
	assert_int_equal(compare(base, cand, 10, 0.05, true).verdict, ANA_REGRESSED);
	assert_int_equal(compare(base, cand, 10, 0.05, false).verdict, ANA_IMPROVED);
	assert_int_equal(compare(cand, base, 10, 0.05, true).verdict, ANA_IMPROVED);
	assert_int_equal(compare(base, cand, 10, 0.5, true).verdict, ANA_SAME); /* so much does not matter */
	assert_int_equal(compare(base, base, 10, 0.05, true).verdict, ANA_IDENTICAL);
	fill(base, cand, 10, 0.3, 0.1);
	assert_int_equal(compare(base, cand, 10, 0.05, true).verdict, ANA_UNKNOWN);
}

static void test_below_six_rounds_nothing_is_known(void **state)
{
	const double base[] = { 100, 101, 102, 103, 104 }, cand[] = { 200, 201, 202, 203, 204 };
	struct ana_shift s = compare(base, cand, 5, 0.05, true);

	assert_int_equal(s.verdict, ANA_UNKNOWN);
	assert_int_equal(s.needs_more, 1);
	assert_true(s.shift > 0.9);
	assert_true(isnan(s.lo));
	assert_int_equal(compare(base, cand, 2, 0.05, true).needs_more, 4);
	assert_int_equal(compare(base, base, 2, 0.05, true).verdict, ANA_IDENTICAL);
}

/* What could have ended at four looks needs eight rounds to have an interval at all. */
static void test_more_looks_need_more_rounds(void **state)
{
	const double base[] = { 100, 100, 100, 100, 100, 100 }, cand[] = { 101, 98, 103, 97, 101, 99 };
	struct ana_shift s;

	assert_int_equal(ana_compare_looks(base, cand, 6, 0.05, ANA_LESS_IS_BETTER, 4, &s, &err), 0);
	assert_int_equal(s.verdict, ANA_UNKNOWN);
	assert_true(isnan(s.lo));
	assert_int_equal(s.needs_more, 2);
}

/* Share of unknown comparisons in which as many more rounds as were asked for bring a verdict. */
static double told_by_more_rounds(double noise, double shift)
{
	enum { MOST = 300, FEW = 8 };
	double base[MOST], cand[MOST];
	int asked = 0, told = 0;

	seed = 9;
	for (int t = 0; t < 200; t++) {
		struct ana_shift few;

		fill(base, cand, MOST, noise, shift);
		few = compare(base, cand, FEW, 0.04, true);
		if (few.verdict != ANA_UNKNOWN || FEW + few.needs_more > MOST)
			continue;
		asked++;
		told += compare(base, cand, FEW + few.needs_more, 0.04, true).verdict != ANA_UNKNOWN;
	}
	assert_true(asked > 40);
	return (double)told / asked;
}

static void test_unknown_asks_for_about_enough_rounds(void **state)
{
	double none = told_by_more_rounds(0.04, 0), some = told_by_more_rounds(0.08, 0.1);

	printf("verdict after the rounds asked for: no shift %.2f, 10 %% %.2f\n", none, some);
	assert_true(none > 0.4 && some > 0.4);
}

static void test_a_base_of_zero(void **state)
{
	const double zero[8] = { 0 }, some[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct ana_shift s = compare(zero, some, 8, 0.05, true);

	assert_true(isinf(s.shift) && s.shift > 0);
	assert_int_equal(s.verdict, ANA_REGRESSED);
	NEAR(compare(some, zero, 8, 0.05, true).shift, -1);
	assert_int_equal(compare(zero, zero, 8, 0.05, true).verdict, ANA_IDENTICAL);
}

static void test_many_cells_are_judged_together(void **state)
{
	/* p of ten cells; Benjamini-Hochberg by hand: 0.01 * 10 / 1, 0.011 * 10 / 2 = 0.055 -> 0.055; the rest 0.5. */
	struct ana_shift cells[10], *at[10];

	for (size_t i = 0; i < 10; i++) {
		cells[i] = (struct ana_shift){ .p = 0.5,
					       .shift = 0.2,
					       .lo = 0.1,
					       .hi = 0.5,
					       .rounds = 10,
					       .margin = 0.05,
					       .better = ANA_LESS_IS_BETTER,
					       .looks = 1,
					       .verdict = ANA_UNKNOWN };
		at[i] = &cells[i];
	}
	cells[3].p = 0.01;
	cells[7].p = 0.011;
	assert_int_equal(ana_judge_all(at, 10, &err), 0);
	NEAR(cells[3].p_adjusted, 0.055);
	NEAR(cells[7].p_adjusted, 0.055);
	NEAR(cells[0].p_adjusted, 0.5);
	assert_int_equal(cells[3].verdict, ANA_UNKNOWN);
	cells[7].p = 0.009;
	assert_int_equal(ana_judge_all(at, 10, &err), 0);
	NEAR(cells[3].p_adjusted, 0.05);
	assert_int_equal(cells[3].verdict, ANA_REGRESSED);
	/* Six rounds of one sign in five of eight cells: 1/32 * 8 / 5 is 0.05, and not more by the last bit. */
	for (size_t i = 0; i < 8; i++)
		cells[i].p = i < 5 ? 0.031250000000000014 : 0.5;
	assert_int_equal(ana_judge_all(at, 8, &err), 0);
	NEAR(cells[0].p_adjusted, 0.05);
	assert_int_equal(cells[0].verdict, ANA_REGRESSED);
	assert_int_equal(cells[5].verdict, ANA_UNKNOWN);
}

/* 1 % noise, and a machine that slows down by 3 % over the 20 runs. Share of runs of A against A that the test flags. */
static double false_positives(bool abba)
{
	enum { ROUNDS = 10, TRIES = 2000 };
	int flagged = 0;

	seed = 2026;
	for (int t = 0; t < TRIES; t++) {
		double base[ROUNDS], cand[ROUNDS], v[2 * ROUNDS];

		for (int i = 0; i < 2 * ROUNDS; i++)
			v[i] = 1000 * (1 + 0.03 * i / (2 * ROUNDS - 1) + 0.01 * normal());
		for (int i = 0; i < ROUNDS; i++) {
			int first = abba ? 2 * i + (i & 1) : i, second = abba ? 2 * i + 1 - (i & 1) : ROUNDS + i;

			base[i] = v[first];
			cand[i] = v[second];
		}
		flagged += compare(base, cand, ROUNDS, 0, true).verdict == ANA_REGRESSED ||
			   compare(base, cand, ROUNDS, 0, true).verdict == ANA_IMPROVED;
	}
	return (double)flagged / TRIES;
}

static void test_drift_gives_no_more_false_positives_than_it_may(void **state)
{
	double interleaved = false_positives(true), blocked = false_positives(false);

	assert_true(interleaved <= 0.05);
	assert_true(interleaved > 0.02); /* the test is no dummy that never flags */
	assert_true(blocked > 0.5);      /* why the order matters */
}

static void test_noise_is_what_an_a_a_comparison_shows(void **state)
{
	enum { ROUNDS = 20, TRIES = 300 };
	double shifts[TRIES], noises[TRIES], a[ROUNDS], b[ROUNDS], ratio;

	seed = 77;
	for (int t = 0; t < TRIES; t++) {
		fill(a, b, ROUNDS, 0.02, 0);
		shifts[t] = fabs(compare(a, b, ROUNDS, 0.05, true).shift);
		noises[t] = ana_noise(a, ROUNDS);
	}
	ratio = ana_median(noises, TRIES) / ana_median(shifts, TRIES);
	assert_true(ratio > 0.8 && ratio < 1.25);
	assert_true(ana_noise(a, 3) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_value_lies_in_its_bucket),
		cmocka_unit_test(test_quantiles_are_within_one_64th),
		cmocka_unit_test(test_small_values_are_exact),
		cmocka_unit_test(test_an_empty_histogram_has_no_quantile),
		cmocka_unit_test(test_a_sum_that_overflows_stays_at_the_top),
		cmocka_unit_test(test_median_and_quartiles),
		cmocka_unit_test(test_p_is_the_share_of_all_sign_assignments),
		cmocka_unit_test(test_critical_values),
		cmocka_unit_test(test_the_smallest_p_halves_with_each_round),
		cmocka_unit_test(test_the_shift_is_the_median_of_all_pair_means),
		cmocka_unit_test(test_interval_and_test_agree),
		cmocka_unit_test(test_ties_and_zeros_do_not_make_p_smaller),
		cmocka_unit_test(test_p_is_exact_with_ties_too),
		cmocka_unit_test(test_many_rounds_go_over_to_the_normal_distribution),
		cmocka_unit_test(test_shifts_are_relative_to_the_base),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_below_six_rounds_nothing_is_known),
		cmocka_unit_test(test_more_looks_need_more_rounds),
		cmocka_unit_test(test_unknown_asks_for_about_enough_rounds),
		cmocka_unit_test(test_a_base_of_zero),
		cmocka_unit_test(test_many_cells_are_judged_together),
		cmocka_unit_test(test_drift_gives_no_more_false_positives_than_it_may),
		cmocka_unit_test(test_noise_is_what_an_a_a_comparison_shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
