/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a wake to another CPU takes its waker more, from what it did between its wakes (model_far.c). */
#include "tests/unit/order_model.h"

#define US 1000ull

/* 0 wakes each of the others in turn, rounds times: far of them from another CPU, and it does so much work in each round. */
static void woken(struct sr_model *m, uint32_t others, unsigned rounds, uint64_t us, bool far)
{
	for (unsigned i = 0; i < rounds; i++)
		for (uint32_t k = 1; k <= others; k++) {
			wakes(m, 0, k);
			m->tasks[k].waits[m->tasks[k].nwaits - 1].remote = far;
			op(m, 0, SR_OP_RUN, 0, (us + (i * 7 + k) % 5) * US / others);
		}
}

static uint32_t far_ns(uint32_t others, unsigned near, uint64_t near_us, unsigned far, uint64_t far_us)
{
	struct sr_model *m = with_tasks(3);
	uint32_t ns;

	woken(m, others, near, near_us, false);
	woken(m, others, far, far_us, true);
	woken(m, others, 1, near_us, false);
	assert_int_equal(sr_model_find_far(m), 0);
	ns = m->tasks[0].far_ns;
	assert_int_equal(m->tasks[1].far_ns, 0);
	sr_model_free(m);
	return ns;
}

static void a_stretch_with_wakes_to_another_cpu_is_longer_by_their_cost(void **state)
{
	assert_in_range(far_ns(1, 40, 100, 400, 120), 19000, 21000);
	assert_in_range(far_ns(1, 400, 100, 40, 120), 19000, 21000);
	assert_in_range(far_ns(2, 40, 100, 400, 120), 9000, 11000); /* two wakes in each */
}

static void too_few_of_either_kind_tell_nothing(void **state)
{
	assert_int_equal(far_ns(1, 30, 100, 400, 120), 0);
	assert_int_equal(far_ns(1, 400, 100, 30, 120), 0);
	assert_int_equal(far_ns(1, 0, 100, 400, 120), 0);
}

static void it_is_no_gain_and_no_more_than_the_work(void **state)
{
	assert_int_equal(far_ns(1, 40, 120, 40, 100), 0);
	assert_in_range(far_ns(1, 40, 20, 40, 90), 20000, 24000);
	assert_int_equal(far_ns(1, 40, 1000, 40, 1900), 0); /* that is something else */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stretch_with_wakes_to_another_cpu_is_longer_by_their_cost),
		cmocka_unit_test(too_few_of_either_kind_tell_nothing),
		cmocka_unit_test(it_is_no_gain_and_no_more_than_the_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
