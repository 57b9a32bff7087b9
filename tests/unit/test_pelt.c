/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "replay/pelt.h"

#define ONE (1u << RPL_PELT_BITS)
#define FULL (1024 * ONE)

static void half_is_left_after_the_half_life(void **state)
{
	assert_int_equal(rpl_pelt_after(FULL, 0, RPL_PELT_HALF_NS), FULL / 2);
	assert_int_equal(rpl_pelt_after(FULL, 0, 5ull * RPL_PELT_HALF_NS), FULL / 32);
	assert_int_equal(rpl_pelt_after(0, FULL, RPL_PELT_HALF_NS), FULL / 2);
	assert_int_equal(rpl_pelt_after(FULL, 0, 0), FULL);
	assert_int_equal(rpl_pelt_after(FULL, 0, UINT64_MAX), 0);
	assert_int_equal(rpl_pelt_after(0, 446 * ONE, UINT64_MAX), 446 * ONE);
}

static void any_time_decays_as_a_power_of_two(void **state)
{
	uint64_t seed = 1;

	for (int i = 0; i < 200000; i++) {
		uint64_t dt;
		double want, got;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		dt = (seed >> 20) % (1ull << (8 + seed % 22));
		want = 1024 * exp2(-(double)dt / RPL_PELT_HALF_NS);
		got = (double)rpl_pelt_after(FULL, 0, dt) / ONE;
		assert_true(fabs(got - want) < 0.0005);
	}
}

/* The kernel's steady state: a share of the time, whatever its pieces. */
static void a_share_of_the_time_is_that_share(void **state)
{
	static const uint64_t period[] = { 20000, 1000000, 4000000 };

	for (size_t i = 0; i < 3; i++) {
		struct rpl_pelt p = { 0 };
		double mean = 0;
		int n = 0;

		for (uint64_t t = 0; t < 1000000000; t += period[i]) {
			rpl_pelt_update(&p, t + period[i] / 4, 800);
			mean += t > 500000000 ? (double)p.value / ONE : 0;
			rpl_pelt_update(&p, t + period[i], 0);
			mean += t > 500000000 ? (double)p.value / ONE : 0;
			n += t > 500000000 ? 2 : 0;
		}
		assert_true(fabs(mean / n - 200) < 1);
	}
}

static void time_does_not_go_back(void **state)
{
	struct rpl_pelt p = { FULL, 1000 };

	rpl_pelt_update(&p, 500, 0);
	assert_int_equal(p.value, FULL);
	assert_int_equal(p.at_ns, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_is_left_after_the_half_life),
		cmocka_unit_test(any_time_decays_as_a_power_of_two),
		cmocka_unit_test(a_share_of_the_time_is_that_share),
		cmocka_unit_test(time_does_not_go_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
