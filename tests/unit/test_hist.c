/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quantiles of the log-linear histogram beside exact ones of the same values. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyze/analyze.h"

#define N 20000

static uint64_t values[N], seed;
static struct ana_hist h;

static uint64_t next_random(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static double unit(void)
{
	return ((double)(next_random() >> 11) + 1) / 9007199254740993.0;
}

static int by_value(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return (a > b) - (a < b);
}

/* The least value that a part q of the n does not exceed, in thousandths so that the rank is exact. */
static uint64_t exact(size_t n, unsigned permille)
{
	size_t rank = (n * permille + 999) / 1000;

	return values[rank ? rank - 1 : 0];
}

static void judge(size_t n)
{
	double sum = 0, q, x;

	memset(&h, 0, sizeof(h));
	for (size_t i = 0; i < n; i++) {
		ana_hist_add(&h, values[i]);
		sum += (double)values[i];
	}
	qsort(values, n, sizeof(*values), by_value);
	assert_int_equal(h.n, n);
	assert_true(h.min == values[0] && h.max == values[n - 1]);
	if (sum < 1e18)
		assert_true(fabs((double)h.sum - sum) <= sum * 1e-12);
	for (unsigned permille = 0; permille <= 1000; permille++) {
		x = (double)exact(n, permille);
		q = ana_hist_quantile(&h, permille / 1000.0);
		if (fabs(q - x) > x / 64)
			fail_msg("quantile %u/1000 of %zu: %.17g, exact %.17g", permille, n, q, x);
		if (x < 64 && q != x)
			fail_msg("quantile %u/1000 of %zu: %.17g, exact %.17g below 64", permille, n, q, x);
	}
}

static void test_uniform_values(void **state)
{
	for (uint64_t most = 10; most < 1000000000000u; most *= 37) {
		for (size_t i = 0; i < N; i++)
			values[i] = next_random() % most;
		judge(N);
	}
}

static void test_values_of_every_magnitude(void **state)
{
	for (size_t i = 0; i < N; i++)
		values[i] = next_random() >> (next_random() % 64);
	judge(N);
}

static void test_exponential_values(void **state)
{
	for (size_t i = 0; i < N; i++)
		values[i] = (uint64_t)(-50000 * log(unit()));
	judge(N);
}

static void test_two_clusters_far_apart(void **state)
{
	for (size_t i = 0; i < N; i++)
		values[i] = i % 100 ? 1000 + next_random() % 50 : 40000000 + next_random() % 100000;
	judge(N);
}

static void test_few_values(void **state)
{
	for (size_t n = 1; n < 40; n++) {
		for (size_t i = 0; i < n; i++)
			values[i] = next_random() >> (next_random() % 60);
		judge(n);
	}
}

static void test_the_greatest_value_there_is(void **state)
{
	for (size_t i = 0; i < 100; i++)
		values[i] = i < 50 ? 0 : UINT64_MAX - i;
	judge(100);
	assert_true(h.sum == UINT64_MAX);
}

/* The bound is met: at the ends of the buckets the error is as great as promised, so a coarser one would fail. */
static void test_the_bound_is_tight(void **state)
{
	double worst = 0, q;

	for (uint64_t v = 64; v < (1u << 20); v += 1 + v / 4096) {
		memset(&h, 0, sizeof(h));
		ana_hist_add(&h, 1);
		ana_hist_add(&h, v);
		ana_hist_add(&h, UINT64_MAX);
		q = ana_hist_quantile(&h, 0.5);
		worst = fmax(worst, fabs(q - (double)v) / (double)v);
	}
	assert_true(worst <= 1.0 / 64 && worst > 1.0 / 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uniform_values),     cmocka_unit_test(test_values_of_every_magnitude),
		cmocka_unit_test(test_exponential_values), cmocka_unit_test(test_two_clusters_far_apart),
		cmocka_unit_test(test_few_values),         cmocka_unit_test(test_the_greatest_value_there_is),
		cmocka_unit_test(test_the_bound_is_tight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
