/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools of workers: the rules of model.h at their bounds. */
#include "tests/unit/pool_trace.h"

#include "tests/unit/order_model.h"

static const struct pool_plan usual = { .workers = 3, .jobs = 90, .seed = 1, .least_us = 100, .most_us = 900 };

/* One worker gets a third fewer jobs. */
static const struct pool_plan uneven = {
	.workers = 3, .jobs = 90, .seed = 1, .least_us = 100, .most_us = 180, .slow = 150
};

static uint64_t pools_of(struct pool_plan plan)
{
	struct sr_model *m = pool_model(plan);
	uint64_t n = m->counts.pools;

	assert_int_equal(m->counts.check_timed, 0);
	assert_true(n > 0 || m->counts.pool_jobs == 0);
	for (size_t i = 0; i < m->ntasks; i++)
		assert_int_equal(m->tasks[i].dispatcher != 0, n > 0 && i > 0);
	sr_model_free(m);
	return n;
}

static void workers_that_get_jobs_as_they_become_free_are_a_pool(void **state)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct pool_plan plan = uneven;

		plan.seed = seed;
		assert_int_equal(pools_of(plan), 1);
	}
}

static void threads_of_other_processes_are_none(void **state)
{
	struct pool_plan plan = uneven;

	plan.apart = true;
	assert_int_equal(pools_of(plan), 0);
}

static void one_worker_is_none(void **state)
{
	struct pool_plan plan = usual;

	plan.workers = 1;
	assert_int_equal(pools_of(plan), 0);
}

static void jobs_by_turns_stay_where_they_were(void **state)
{
	struct pool_plan plan = usual;

	plan.by_turns = true;
	assert_int_equal(pools_of(plan), 0);
}

static void workers_whose_jobs_differ_in_length_are_none(void **state)
{
	struct pool_plan plan = usual;

	plan.slow = 300;
	plan.most_us = plan.least_us + 10;
	assert_int_equal(pools_of(plan), 0);
}

static void a_few_jobs_make_no_pool(void **state)
{
	struct pool_plan plan = uneven;

	plan.jobs = 22;
	assert_int_equal(pools_of(plan), 0); /* one has fewer than 8 */
	plan.jobs = 30;
	assert_int_equal(pools_of(plan), 1);
}

/* Numbered as they were given out, and each once; what a worker ends with, and what sleeps by the clock, is its own. */
static void jobs_have_the_order_in_which_they_were_given_out(void **state)
{
	struct pool_plan plan = uneven;
	struct sr_model *m;
	uint32_t next = SR_JOB_FIRST;
	size_t own = 0, naps = 0;

	plan.own = 10;
	m = pool_model(plan);
	assert_int_equal(m->counts.pools, 1);
	for (size_t k = 0; k < m->tasks[0].nops; k++) {
		const struct sr_op *op = &m->tasks[0].ops[k];
		uint32_t job = op->kind == SR_OP_WAKE ? m->tasks[op->arg].waits[op->value].job : 0;

		assert_false(job && op->flags & SR_WAKE_ANSWERS);
		if (job >= SR_JOB_FIRST)
			assert_int_equal(job, next++);
		own += job == SR_JOB_OWN;
	}
	assert_int_equal(next - SR_JOB_FIRST, m->counts.pool_jobs);
	for (size_t i = 1; i < m->ntasks; i++)
		for (size_t k = 0; k < m->tasks[i].nops; k++)
			naps += m->tasks[i].ops[k].kind == SR_OP_SLEEP;
	assert_true(naps > 2);
	assert_int_equal(own, naps + plan.workers);
	assert_in_range(m->counts.pool_jobs, 70, plan.jobs - naps);
	sr_model_free(m);
}

/* One wakes the other, and is woken by it, n times. */
static void talk(struct sr_model *m, uint32_t one, uint32_t other, unsigned n)
{
	while (n-- > 0) {
		op(m, one, SR_OP_RUN, 0, 10 * POOL_US);
		wakes(m, one, other);
		op(m, other, SR_OP_RUN, 0, 10 * POOL_US);
		wakes(m, other, one);
	}
}

/* 1 works for 0 and gives jobs to 3 and 4 itself: it stays with its own program. */
static void who_gives_jobs_does_none_of_another_pool(void **state)
{
	struct sr_model *m = with_tasks(5);
	size_t workers = 0;

	for (size_t i = 0; i < 5; i++)
		m->tasks[i].tgid = 7;
	for (unsigned i = 0; i < 30; i++) {
		talk(m, 0, 1, 6);
		talk(m, 1, 3, 4);
		talk(m, 1, 4, 3);
		talk(m, 2, 0, 8);
	}
	judge(m);
	for (size_t i = 0; i < 5; i++) {
		workers += m->tasks[i].dispatcher != 0;
		if (m->tasks[i].dispatcher)
			assert_int_equal(m->tasks[m->tasks[i].dispatcher - 1].dispatcher, 0);
	}
	assert_true(workers >= 2);
	sr_model_free(m);
}

static void copies_have_pools_of_their_own(void **state)
{
	struct pool_plan plan = uneven;
	struct sr_model *m;
	struct sr_error err;

	m = pool_model(plan);
	assert_int_equal(sr_model_copies(m, 2, 0, 1, &err), 0);
	assert_int_equal(m->counts.pools, 2);
	assert_int_equal(m->tasks[1].dispatcher, 1);
	assert_int_equal(m->tasks[4].dispatcher, 0);
	assert_int_equal(m->tasks[5].dispatcher, 5);
	sr_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_that_get_jobs_as_they_become_free_are_a_pool),
		cmocka_unit_test(threads_of_other_processes_are_none),
		cmocka_unit_test(one_worker_is_none),
		cmocka_unit_test(jobs_by_turns_stay_where_they_were),
		cmocka_unit_test(workers_whose_jobs_differ_in_length_are_none),
		cmocka_unit_test(a_few_jobs_make_no_pool),
		cmocka_unit_test(jobs_have_the_order_in_which_they_were_given_out),
		cmocka_unit_test(who_gives_jobs_does_none_of_another_pool),
		cmocka_unit_test(copies_have_pools_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
