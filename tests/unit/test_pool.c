/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools of workers in both engines: all jobs are done, by who is free, and nobody waits for ever. */
#include "tests/unit/pool_trace.h"

#include "replay/engine.h"
#include "tests/unit/sim_run.h"
#include "tests/unit/this_machine.h"

static const struct pool_plan usual = {
	.workers = 3, .jobs = 90, .seed = 1, .least_us = 100, .most_us = 180, .slow = 150
};

static void assert_all_done(const struct sr_model *m, const struct rpl_counts *c)
{
	assert_int_equal(c->wakes, count_recorded(m, SR_OP_WAKE));
	assert_int_equal(c->waits_slept + c->waits_passed, count_recorded(m, SR_OP_WAIT));
	assert_int_equal(c->sleeps, count_recorded(m, SR_OP_SLEEP));
	assert_int_equal(c->hidden_slept + c->hidden_passed, m->counts.hidden);
	assert_int_equal(c->forced, 0);
}

static struct rpl_counts run_live(const struct sr_model *m, const struct rpl_policy *policy, unsigned order,
				  uint64_t *elapsed)
{
	struct rpl_config cfg = { .machine = machine, .policy = policy, .time_scale = 1, .order = order };
	struct rpl_counts counts;
	struct rpl_run *run;
	struct sr_error err;
	uint64_t start, end;

	run = rpl_prepare(m, &cfg, &err);
	if (!run || rpl_execute(run, &err) < 0)
		fail_msg("%s", err.text);
	counts = *rpl_get_counts(run);
	rpl_span(run, &start, &end);
	*elapsed = end - start;
	rpl_free(run);
	return counts;
}

static struct rpl_counts run_sim(const struct sr_model *m, const char *on, const char *policy, unsigned order)
{
	struct sim_params par;
	struct sim_config cfg = { .params = &par, .order = order, .time_scale_ppm = 1000000 };

	sim_params_default(&par);
	sim_run(m, on, policy, &cfg);
	return sim_seen.counts;
}

/* The last worker comes ns late: a SLEEP before all else. */
static void delay_last(struct sr_model *m, uint64_t ns)
{
	struct sr_program *p = &m->tasks[m->ntasks - 1];

	p->ops = realloc(p->ops, (p->nops + 1) * sizeof(*p->ops));
	memmove(p->ops + 1, p->ops, p->nops++ * sizeof(*p->ops));
	p->waits = realloc(p->waits, (p->nwaits + 1) * sizeof(*p->waits));
	p->waits[p->nwaits] = (struct sr_wait){ .watch_task = UINT32_MAX, .waker = UINT32_MAX, .wake_ns = ns };
	p->ops[0] = (struct sr_op){ .kind = SR_OP_SLEEP, .flags = SR_SLEEP_OUTSIDE, .arg = p->nwaits++, .value = ns };
}

static uint64_t any_workers(const struct sr_program *p)
{
	uint64_t n = 0;

	for (size_t k = 0; k < p->nwaits; k++)
		n += p->waits[k].job >= SR_JOB_FIRST;
	return n;
}

static void who_is_free_does_the_jobs_of_who_is_not(void **state)
{
	struct sr_model *m = pool_model(usual);
	struct rpl_counts c;
	uint64_t ns, jobs;

	assert_int_equal(m->counts.pools, 1);
	delay_last(m, 300000000);
	jobs = any_workers(&m->tasks[m->ntasks - 1]);
	assert_true(jobs > 10);
	c = run_live(m, &rpl_policy_kernel, RPL_ORDER_CAUSAL, &ns);
	assert_all_done(m, &c);
	assert_true(c.jobs_moved >= jobs);
	c = run_sim(m, "core:4 pu:1", "kernel", RPL_ORDER_CAUSAL);
	assert_all_done(m, &c);
	assert_true(c.jobs_moved >= jobs);
	sr_model_free(m);
}

/* The last worker is born when the dispatcher has had the answers to 30 jobs: none may lie there for it before that. */
static void nothing_is_given_to_who_is_not_there_yet(void **state)
{
	struct sr_model *m = pool_model(usual);
	struct sr_program *d = &m->tasks[0], *p = &m->tasks[m->ntasks - 1];
	struct rpl_counts c;
	size_t at = 0, waits = 0;
	uint64_t ns;

	while (waits < 30)
		waits += sr_op_rests(&d->ops[at++]);
	d->ops = realloc(d->ops, (d->nops + 1) * sizeof(*d->ops));
	memmove(d->ops + at + 1, d->ops + at, (d->nops++ - at) * sizeof(*d->ops));
	d->ops[at] = (struct sr_op){ .kind = SR_OP_FORK,
				     .arg = (uint32_t)m->ntasks - 1,
				     .flags = SR_FORK_VM | SR_FORK_THREAD };
	p->parent = 0;
	c = run_live(m, &rpl_policy_kernel, RPL_ORDER_CAUSAL, &ns);
	assert_all_done(m, &c);
	c = run_sim(m, "core:4 pu:1", "kernel", RPL_ORDER_CAUSAL);
	assert_all_done(m, &c);
	sr_model_free(m);
}

static void other_orders_leave_jobs_where_they_were(void **state)
{
	struct sr_model *m = pool_model(usual);
	struct rpl_counts c;
	uint64_t ns;

	c = run_live(m, &rpl_policy_kernel, RPL_ORDER_OFF, &ns);
	assert_int_equal(c.jobs_moved, 0);
	assert_int_equal(c.forced, 0);
	c = run_sim(m, "core:4 pu:1", "kernel", RPL_ORDER_OFF);
	assert_int_equal(c.jobs_moved, 0);
	assert_int_equal(c.forced, 0);
	sr_model_free(m);
}

static struct pool_plan random_plan(uint64_t seed)
{
	struct pool_plan plan = usual;

	plan.seed = seed;
	plan.workers = 2 + seed % (POOL_WORKERS - 1);
	plan.jobs = 20 * plan.workers;
	plan.own = seed % 3 ? 8 : 0;
	plan.slow = seed % 4 ? 150 : 0;
	return plan;
}

static void random_pools_do_all_their_jobs(void **state)
{
	uint64_t ns, pools = 0, moved = 0;

	for (uint64_t seed = 0; seed < 40; seed++) {
		struct sr_model *m = pool_model(random_plan(seed));
		struct sr_error err;
		struct rpl_counts c;
		size_t n = 0;

		while (rpl_policies[n])
			n++;
		if (seed % 8 == 7)
			assert_int_equal(sr_model_loop(m, 3, &err), 0);
		if (seed % 8 == 3)
			assert_int_equal(sr_model_copies(m, 2, 1000000, seed, &err), 0);
		c = run_live(m, rpl_policies[seed % n], RPL_ORDER_CAUSAL, &ns);
		assert_all_done(m, &c);
		pools += m->counts.pools;
		moved += c.jobs_moved;
		c = run_sim(m, seed % 2 ? "core:4 pu:1" : "core:2 pu:2", rpl_policies[seed % n]->name,
			    RPL_ORDER_CAUSAL);
		assert_all_done(m, &c);
		moved += c.jobs_moved;
		sr_model_free(m);
	}
	assert_true(pools > 25);
	assert_true(moved > 100);
}

static void a_simulation_of_a_pool_is_the_same_each_time(void **state)
{
	struct sr_model *m = pool_model(usual);
	char first[65];

	run_sim(m, "core:4 pu:1", "kernel", RPL_ORDER_CAUSAL);
	memcpy(first, sim_seen.stats.events_sha256, sizeof(first));
	run_sim(m, "core:4 pu:1", "kernel", RPL_ORDER_CAUSAL);
	assert_memory_equal(first, sim_seen.stats.events_sha256, sizeof(first));
	sr_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_free_does_the_jobs_of_who_is_not),
		cmocka_unit_test(nothing_is_given_to_who_is_not_there_yet),
		cmocka_unit_test(other_orders_leave_jobs_where_they_were),
		cmocka_unit_test(random_pools_do_all_their_jobs),
		cmocka_unit_test(a_simulation_of_a_pool_is_the_same_each_time),
	};

	return cmocka_run_group_tests(tests, load_machine, free_machine);
}
