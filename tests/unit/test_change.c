/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Change points: planted ones are found where they are, and none in noise. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyze/change.h"

static struct sr_error err;
static uint64_t seed;

/* About normal, of mean 0 and deviation 1. */
static double noise(void)
{
	double sum = 0;

	for (int i = 0; i < 12; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		sum += (double)(seed >> 11) / 9007199254740992.0;
	}
	return sum - 6;
}

static size_t find(const double *v, size_t n, size_t min_segment, struct ana_change *c, size_t most)
{
	const struct ana_change_options o = {
		.min_segment = min_segment, .permutations = 499, .alpha = 0.01, .seed = 1
	};
	struct ana_change *found;
	size_t nfound;

	if (ana_changes(v, n, &o, &found, &nfound, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(nfound <= most);
	if (nfound)
		memcpy(c, found, nfound * sizeof(*c));
	free(found);
	return nfound;
}

static void test_a_step_is_found_where_it_is(void **state)
{
	size_t further = 0;

	for (unsigned k = 0; k < 10; k++) {
		struct ana_change c[4];
		double v[40];
		size_t n, i = 0;

		seed = 77 * k + 5;
		for (; i < 40; i++)
			v[i] = (i < 27 ? 100 : 110) + noise();
		n = find(v, 40, 3, c, 4);
		for (i = 0; i < n && c[i].at != 27; i++)
			;
		assert_true(i < n);
		assert_true(c[i].p <= 0.01);
		assert_true(fabs(c[i].magnitude - 0.1) < 0.02);
		assert_true(fabs(c[i].before - 100) < 1.5 && fabs(c[i].after - 110) < 1.5);
		further += n - 1;
	}
	assert_true(further <= 2); /* by chance, in what is left of 20 segments */
}

/* The second segment's end is free: else both halves of this one have the same mean. */
static void test_a_bump_has_two_points(void **state)
{
	struct ana_change c[4];
	double v[30];

	seed = 3;
	for (size_t i = 0; i < 30; i++)
		v[i] = (i >= 12 && i < 18 ? 130 : 100) + noise();
	assert_int_equal(find(v, 30, 3, c, 4), 2);
	assert_int_equal(c[0].at, 12);
	assert_int_equal(c[1].at, 18);
	assert_true(c[0].magnitude > 0.25 && c[1].magnitude < -0.2);
}

/* The mean stays: what changes is how much it varies. */
static void test_a_change_of_spread_is_a_change(void **state)
{
	struct ana_change c[4];
	double v[80];

	seed = 9;
	for (size_t i = 0; i < 80; i++)
		v[i] = 100 + noise() * (i < 40 ? 0.5 : 10);
	assert_true(find(v, 80, 5, c, 4) >= 1);
	assert_true(c[0].at >= 35 && c[0].at <= 45);
}

static void test_noise_has_few_points(void **state)
{
	unsigned alarms = 0;

	for (unsigned k = 0; k < 100; k++) {
		struct ana_change c[10];
		double v[24];

		seed = 1000 + k;
		for (size_t i = 0; i < 24; i++)
			v[i] = 100 + noise();
		alarms += find(v, 24, 3, c, 10) > 0;
	}
	/* 1 in 100 is expected; more than 5 of 100 would happen by chance once in 2,000 times. */
	assert_true(alarms <= 5);
}

static void test_a_night_that_was_off_is_no_change(void **state)
{
	struct ana_change c[4];
	double v[24];

	seed = 5;
	for (size_t i = 0; i < 24; i++)
		v[i] = 100 + noise() + (i == 11 ? 80 : 0);
	assert_int_equal(find(v, 24, 3, c, 4), 0);
}

static void test_segments_are_as_long_as_asked_for(void **state)
{
	for (size_t min = 3; min <= 6; min++) {
		struct ana_change c[8];
		double v[36];
		size_t n, begin = 0;

		seed = min;
		for (size_t i = 0; i < 36; i++)
			v[i] = 100 + 50 * (double)(i / 12) + noise();
		n = find(v, 36, min, c, 8);
		assert_true(n >= 2);
		for (size_t i = 0; i <= n; i++) {
			size_t end = i < n ? c[i].at : 36;

			assert_true(end - begin >= min);
			begin = end;
		}
	}
}

/* A simulation's nights are equal to the last bit until something changes. */
static void test_constant_series(void **state)
{
	struct ana_change c[4];
	double v[20];

	for (size_t i = 0; i < 20; i++)
		v[i] = 7;
	assert_int_equal(find(v, 20, 3, c, 4), 0);
	for (size_t i = 14; i < 20; i++)
		v[i] = 8;
	assert_int_equal(find(v, 20, 3, c, 4), 1);
	assert_int_equal(c[0].at, 14);
	assert_true(c[0].before == 7 && c[0].after == 8);
	for (size_t i = 0; i < 14; i++)
		v[i] = 0;
	assert_int_equal(find(v, 20, 3, c, 4), 1);
	assert_true(isinf(c[0].magnitude) && c[0].magnitude > 0);
}

static void test_the_same_series_gives_the_same_points(void **state)
{
	struct ana_change a[4], b[4];
	double v[30];

	seed = 12;
	for (size_t i = 0; i < 30; i++)
		v[i] = 100 + noise() + (i < 20 ? 0 : 3);
	assert_int_equal(find(v, 30, 3, a, 4), 1);
	assert_int_equal(find(v, 30, 3, b, 4), 1);
	assert_memory_equal(a, b, sizeof(a[0]));
}

static void test_short_and_long_series(void **state)
{
	struct ana_change c[4];
	double v[ANA_CHANGE_LONGEST + 50];

	for (size_t i = 0; i < 5; i++)
		v[i] = i < 3 ? 1 : 9;
	for (size_t n = 0; n <= 5; n++)
		assert_int_equal(find(v, n, 3, c, 4), 0);
	seed = 4;
	for (size_t i = 0; i < ANA_CHANGE_LONGEST + 50; i++)
		v[i] = (i < 300 ? 100 : 120) + noise();
	assert_int_equal(find(v, ANA_CHANGE_LONGEST + 50, 6, c, 4), 1);
	assert_int_equal(c[0].at, 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_step_is_found_where_it_is),
		cmocka_unit_test(test_a_bump_has_two_points),
		cmocka_unit_test(test_a_change_of_spread_is_a_change),
		cmocka_unit_test(test_noise_has_few_points),
		cmocka_unit_test(test_a_night_that_was_off_is_no_change),
		cmocka_unit_test(test_segments_are_as_long_as_asked_for),
		cmocka_unit_test(test_constant_series),
		cmocka_unit_test(test_the_same_series_gives_the_same_points),
		cmocka_unit_test(test_short_and_long_series),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
