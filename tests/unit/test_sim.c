/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The simulator's model of a machine: figures that follow from the parameters, exactly where they can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/sim_run.h"

static struct sim_params params;

static struct sim_config config(void)
{
	sim_free_params(&params);
	return (struct sim_config){ .time_scale_ppm = 1000000, .seed = 1, .params = &params };
}

/* Within so many thousandths. */
static void assert_near(uint64_t a, uint64_t b, unsigned per_mille)
{
	uint64_t off = a > b ? a - b : b - a;

	if (off * 1000 > b * per_mille)
		fail_msg("%llu is not %llu within %u/1000", (unsigned long long)a, (unsigned long long)b, per_mille);
}

/* But for the ns by which events are written later than others of the same time. */
static void assert_exact(uint64_t a, uint64_t b)
{
	if ((a > b ? a - b : b - a) > 10)
		fail_msg("%llu is not %llu", (unsigned long long)a, (unsigned long long)b);
}

static void one_task_alone_takes_as_long_as_its_work(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();

	add_hog(&m, 100 * MS, 0);
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_exact(sim_seen.ran_ns[0], 100 * MS);
	free_model(&m);
}

static void two_hogs_on_one_cpu_take_twice_as_long(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();
	struct sr_cpumask one = { 0 };

	add_hog(&m, 100 * MS, 0);
	add_hog(&m, 100 * MS, 0);
	sim_run(&m, "core:2 pu:1", "kernel", &cfg);
	assert_near(sim_seen.stats.end_ns - SIM_START_NS, 100 * MS, 1);
	sr_cpumask_set(&one, 1);
	cfg.cpus = &one;
	sim_run(&m, "core:2 pu:1", "kernel", &cfg);
	assert_near(sim_seen.stats.end_ns - SIM_START_NS, 200 * MS, 1);
	/* They took turns: both end near the end. */
	assert_true(sim_seen.end_ns[0] - SIM_START_NS > 180 * MS && sim_seen.end_ns[1] - SIM_START_NS > 180 * MS);
	free_model(&m);
}

static void share_goes_by_the_kernels_weights(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();

	/* Nice 0 to nice 5 is 1024 to 335: while the first does 1,024 ms the other does 335 ms. */
	add_hog(&m, 1024 * MS, 0);
	add_hog(&m, 1024 * MS, 5);
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_near(sim_seen.end_ns[0] - SIM_START_NS, (1024 + 335) * MS, 5);
	free_model(&m);
	memset(&m, 0, sizeof(m));
	/* Nice 19 has 15 of 1,039. */
	add_hog(&m, 1024 * MS, 0);
	add_hog(&m, 1024 * MS, 19);
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_near(sim_seen.end_ns[0] - SIM_START_NS, (1024 + 15) * MS, 5);
	free_model(&m);
}

static void three_equal_hogs_share_two_cpus(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();
	unsigned i;

	for (i = 0; i < 3; i++)
		add_hog(&m, 1000 * MS, 0);
	sim_run(&m, "l3:1 core:2 pu:1", "kernel", &cfg);
	/* No CPU idles while somebody waits: 3,000 ms of work on two take at least 1,500. */
	assert_true(sim_seen.stats.end_ns - SIM_START_NS >= 1500 * MS);
	assert_true(sim_seen.stats.end_ns - SIM_START_NS < 2050 * MS);
	free_model(&m);
}

static void busy_sibling_slows_down_by_the_parameter(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();

	add_hog(&m, 100 * MS, 0);
	add_hog(&m, 100 * MS, 0);
	sim_run(&m, "core:1 pu:2", "kernel", &cfg);
	assert_exact(sim_seen.ran_ns[0], 160 * MS);
	assert_exact(sim_seen.ran_ns[1], 160 * MS);
	params.v[SIM_SMT_SPEED_2] = 500;
	sim_run(&m, "core:1 pu:2", "kernel", &cfg);
	assert_exact(sim_seen.ran_ns[0], 200 * MS);
	free_model(&m);
	memset(&m, 0, sizeof(m));
	/* Half of the time alone: 100 ms at 0.5 for 50, then 50 at full speed. */
	add_hog(&m, 100 * MS, 0);
	add_hog(&m, 25 * MS, 0);
	sim_run(&m, "core:1 pu:2", "kernel", &cfg);
	assert_exact(sim_seen.ran_ns[1], 50 * MS);
	assert_exact(sim_seen.ran_ns[0], 125 * MS);
	free_model(&m);
}

static void slower_cpu_takes_longer_by_its_capacity(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();
	struct sr_cpumask little = { 0 };
	struct sr_error err;
	struct sr_machine *mach = sr_machine_load("biglittle-4+4", &err);
	unsigned i, capacity = 0;

	assert_non_null(mach);
	for (i = 0; i < mach->ncpus && !capacity; i++)
		if (mach->v[i].capacity < 1024) {
			capacity = mach->v[i].capacity;
			sr_cpumask_set(&little, i);
		}
	assert_true(capacity);
	sr_machine_free(mach);
	add_hog(&m, 1024 * MS, 0);
	cfg.cpus = &little;
	sim_run(&m, "biglittle-4+4", "kernel", &cfg);
	assert_exact(sim_seen.ran_ns[0], (1024ull * MS * 1024 + capacity - 1) / capacity);
	free_model(&m);
}

static void recorded_capacity_makes_less_work(void **state)
{
	struct sr_model m = { 0 };
	struct sr_error err;
	struct sr_machine *mach = sr_machine_load("biglittle-4+4", &err);
	struct sr_op *op;
	unsigned i;

	add_hog(&m, 1024 * MS, 0);
	add_hog(&m, 1024 * MS, 0);
	for (i = 0; i < mach->ncpus; i++) {
		op = &m.tasks[mach->v[i].capacity == 1024].ops[0];
		op->cpu = (uint16_t)i;
	}
	sim_scale_work(&m, mach, NULL);
	assert_int_equal(m.tasks[0].ops[0].value, MS * mach->v[m.tasks[0].ops[0].cpu].capacity);
	assert_int_equal(m.tasks[1].ops[0].value, 1024 * MS);
	sr_machine_free(mach);
	free_model(&m);
}

static void real_time_goes_before_fair(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();

	add_hog(&m, 100 * MS, 0);
	add_task(&m, NONE)->policy = SR_SCHED_FIFO;
	m.tasks[1].rt_prio = 10;
	add_sleep(&m, 1, 10 * MS, SR_SLEEP_RELATIVE);
	m.tasks[1].waits[0].wake_ns = 10 * MS;
	add_op(&m, 1, SR_OP_RUN, 0, 30 * MS);
	add_op(&m, 1, SR_OP_END, 0, 0)->flags = 1;
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_exact(sim_seen.first_ns[1], SIM_START_NS + 10 * MS);
	assert_exact(sim_seen.ran_ns[1], 30 * MS);
	assert_int_equal(sim_seen.switches[1], 1);
	assert_exact(sim_seen.end_ns[1], SIM_START_NS + 40 * MS);
	assert_int_equal(sim_seen.preempted[0], 1);
	free_model(&m);
}

static void higher_priority_goes_before_lower_and_round_robin_takes_turns(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();
	unsigned i;

	for (i = 0; i < 4; i++) {
		add_hog(&m, 300 * MS, 0);
		m.tasks[i].policy = i < 2 ? SR_SCHED_RR : SR_SCHED_FIFO;
		m.tasks[i].rt_prio = i == 3 ? 90 : 50;
	}
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_exact(sim_seen.end_ns[3], SIM_START_NS + 300 * MS);
	/* The two of RR hand on after 100 ms, to the one of FIFO too, which keeps the CPU. */
	assert_int_equal(sim_seen.switches[2], 1);
	assert_true(sim_seen.switches[0] >= 2 && sim_seen.switches[1] >= 2);
	free_model(&m);
}

static void deadline_goes_before_real_time_earliest_first(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();
	unsigned i;

	for (i = 0; i < 3; i++) {
		add_hog(&m, 10 * MS, 0);
		m.tasks[i].policy = i ? SR_SCHED_DEADLINE : SR_SCHED_FIFO;
		m.tasks[i].rt_prio = i ? 0 : 99;
		m.tasks[i].dl_deadline_ns = i == 1 ? 50 * MS : 20 * MS;
	}
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_exact(sim_seen.end_ns[2], SIM_START_NS + 10 * MS);
	assert_exact(sim_seen.end_ns[1], SIM_START_NS + 20 * MS);
	assert_exact(sim_seen.end_ns[0], SIM_START_NS + 30 * MS);
	free_model(&m);
}

static void periodic_sleeper_stays_periodic(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();
	unsigned i;

	add_task(&m, NONE);
	for (i = 0; i < 50; i++) {
		add_sleep(&m, 0, 10 * MS, SR_SLEEP_PERIODIC);
		m.tasks[0].waits[i].deadline_ns = m.tasks[0].waits[i].wake_ns = (i + 1) * 10 * MS;
		m.tasks[0].waits[i].anchor = !i;
		/* Bursts of different lengths: the deadlines do not move. */
		add_op(&m, 0, SR_OP_RUN, 0, (i % 3 + 1) * MS);
	}
	add_op(&m, 0, SR_OP_END, 0, 0)->flags = 1;
	add_hog(&m, 2000 * MS, 0);
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_int_equal(sim_seen.counts.sleeps, 50);
	assert_int_equal(sim_seen.counts.sleeps_late, 0);
	assert_true(sim_seen.end_ns[0] - SIM_START_NS >= 500 * MS);
	assert_true(sim_seen.end_ns[0] - SIM_START_NS < 510 * MS);
	free_model(&m);
}

/* As recorded it was forked at 20 ms and slept at once, until 50 ms; here it is forked at 60 ms. */
static void forked_sleeper_sleeps_as_long_as_recorded(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();

	add_task(&m, NONE);
	add_op(&m, 0, SR_OP_RUN, 0, 60 * MS);
	add_op(&m, 0, SR_OP_FORK, 1, 0);
	add_op(&m, 0, SR_OP_END, 0, 0)->flags = 1;
	add_task(&m, 0);
	add_sleep(&m, 1, 30 * MS, SR_SLEEP_INTERRUPT);
	m.tasks[1].waits[0].block_ns = 20 * MS;
	m.tasks[1].waits[0].wake_ns = 50 * MS;
	add_op(&m, 1, SR_OP_END, 0, 0)->flags = 1;
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_int_equal(sim_seen.counts.sleeps_late, 0);
	assert_near(sim_seen.end_ns[1] - SIM_START_NS, 90 * MS, 10);
	free_model(&m);
}

static void woken_sleeper_preempts_a_hog(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();

	add_hog(&m, 100 * MS, 0);
	add_task(&m, NONE);
	add_sleep(&m, 1, 50 * MS, SR_SLEEP_RELATIVE);
	m.tasks[1].waits[0].wake_ns = 50 * MS;
	add_op(&m, 1, SR_OP_RUN, 0, MS / 10);
	add_op(&m, 1, SR_OP_END, 0, 0)->flags = 1;
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_true(sim_seen.first_ns[1] - SIM_START_NS - 50 * MS <= 4 * MS);
	free_model(&m);
}

/* Its waker comes to nothing of its own meanwhile, and pays what the switch would have cost the woken one. */
static void woken_task_preempts_its_waker_a_while_later(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();

	params.v[SIM_WAKE_LOCAL] = 1000;
	params.v[SIM_PREEMPT_WAKE] = 5000;
	params.v[SIM_SWITCH_INVOLUNTARY] = 3000;
	cfg.recorded_wake_local_ns = cfg.recorded_wake_remote_ns = 1;
	add_task(&m, NONE);
	add_task(&m, NONE)->policy = SR_SCHED_FIFO;
	m.tasks[1].rt_prio = 10;
	add_op(&m, 0, SR_OP_RUN, 0, 10 * MS);
	add_wake(&m, 0, 1);
	add_op(&m, 0, SR_OP_RUN, 0, 2000);
	add_sleep(&m, 0, 10 * MS, SR_SLEEP_RELATIVE);
	add_op(&m, 0, SR_OP_END, 0, 0)->flags = 1;
	add_op(&m, 1, SR_OP_RUN, 0, MS);
	add_op(&m, 1, SR_OP_END, 0, 0)->flags = 1;
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_in_range(sim_seen.first_ns[1] - SIM_START_NS, 10 * MS + 5000, 10 * MS + 5020);
	assert_int_equal(sim_seen.preempted[0], 1);
	assert_near(sim_seen.ran_ns[0], 10 * MS + 5000 + 2000, 5);
	assert_near(sim_seen.ran_ns[1], MS, 5);
	free_model(&m);
}

/* A wake by another CPU finds the slice of who runs there over, between two ticks: that CPU hears of it by an interrupt. */
static void busy_cpu_learns_of_a_slices_end_as_late_as_of_a_wake(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();
	unsigned i;

	params.v[SIM_BASE_SLICE] = 3 * MS;
	params.v[SIM_IPI] = 10000;
	for (i = 0; i < 2; i++) {
		add_hog(&m, 20 * MS, 0);
		m.tasks[i].first_cpu = 1;
	}
	add_task(&m, NONE)->first_cpu = 0;
	add_task(&m, NONE)->first_cpu = 1;
	add_op(&m, 2, SR_OP_RUN, 0, 7 * MS / 2);
	add_wake(&m, 2, 3);
	m.tasks[3].ops[m.tasks[3].nops - 1].cpu = 1;
	add_op(&m, 2, SR_OP_END, 0, 0)->flags = 1;
	add_op(&m, 3, SR_OP_END, 0, 0)->flags = 1;
	sim_run(&m, "l3:1 core:2 pu:1", "recorded", &cfg);
	assert_in_range(sim_seen.first_ns[1] - SIM_START_NS, 7 * MS / 2 + 10000, 7 * MS / 2 + 10020);
	free_model(&m);
}

static void parent_of_a_vfork_sleeps_before_it_loses_its_cpu(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();

	add_vforks(&m, 20, 6 * MS);
	cfg.order = RPL_ORDER_OFF;
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_int_equal(sim_seen.counts.waits_slept, 20);
	assert_int_equal(sim_seen.forks, 20);
	assert_int_equal(sim_seen.lost_at_fork, 0);
	free_model(&m);
}

/* A parent that has hardly worked would take the CPU at once. */
static void child_of_a_vfork_keeps_its_cpu_within_its_exec(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();

	add_vforks(&m, 20, MS / 10);
	cfg.order = RPL_ORDER_OFF;
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_int_equal(sim_seen.counts.waits_slept, 20);
	assert_int_equal(sim_seen.lost_in_exec, 0);
	for (size_t i = 2; i < m.ntasks; i++)
		for (size_t k = 0; k < m.tasks[i].nops; k++)
			m.tasks[i].ops[k].flags &= (uint8_t)~SR_WAKE_VFORK;
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_true(sim_seen.lost_in_exec > 0);
	free_model(&m);
}

static void a_task_that_ends_keeps_its_cpu_when_it_wakes_another(void **state)
{
	static const struct {
		uint64_t rest_ns;
		bool preempted;
	} end[] = { { 10000, false }, { MS, true } };

	for (unsigned i = 0; i < 2; i++) {
		struct sr_model m = { 0 };
		struct sim_config cfg = config();
		uint32_t wait;

		add_task(&m, NONE);
		add_task(&m, NONE);
		wait = add_wait(&m, 0, SR_OP_WAIT, 1, 0);
		add_op(&m, 0, SR_OP_RUN, 0, MS);
		add_op(&m, 0, SR_OP_END, 0, 0)->flags = 1;
		add_op(&m, 1, SR_OP_RUN, 0, 5 * MS);
		add_op(&m, 1, SR_OP_WAKE, 0, wait);
		add_op(&m, 1, SR_OP_RUN, 0, end[i].rest_ns);
		add_op(&m, 1, SR_OP_END, 0, 0)->flags = 1;
		sim_run(&m, "pu:1", "kernel", &cfg);
		assert_int_equal(sim_seen.preempted[1] > 0, end[i].preempted);
		free_model(&m);
	}
}

static void cold_cache_costs_by_level_and_less_with_time(void **state)
{
	static const struct {
		const char *machine;
		enum sim_param param;
	} level[] = { { "core:1 pu:2", SIM_MIGRATE_SMT },
		      { "l3:1 core:2 pu:1", SIM_MIGRATE_LLC },
		      { "l3:2 core:1 pu:1", SIM_MIGRATE_PACKAGE },
		      { "node:2 core:1 pu:1", SIM_MIGRATE_NODE } };
	unsigned i;

	for (i = 0; i < 4; i++) {
		struct sr_model m = { 0 };
		struct sim_config cfg = config();

		params.v[level[i].param] = MS;
		params.v[SIM_REMOTE_MEMORY] = 0;
		params.v[SIM_CACHE_HALFLIFE] = 10 * MS;
		add_task(&m, NONE)->first_cpu = 0;
		add_op(&m, 0, SR_OP_RUN, 0, 10 * MS);
		add_sleep(&m, 0, 10 * MS, SR_SLEEP_RELATIVE)->cpu = 1;
		add_op(&m, 0, SR_OP_RUN, 0, 10 * MS);
		add_op(&m, 0, SR_OP_END, 0, 0)->flags = 1;
		sim_run(&m, level[i].machine, "recorded", &cfg);
		/* It has slept for one half-life. */
		assert_near(sim_seen.ran_ns[0], 20 * MS + MS / 2, 1);
		free_model(&m);
	}
}

static void far_memory_slows_down_by_the_distance(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();

	params.v[SIM_REMOTE_MEMORY] = 25;
	add_task(&m, NONE)->first_cpu = 0;
	add_op(&m, 0, SR_OP_RUN, 0, 10 * MS);
	add_sleep(&m, 0, 10 * MS, SR_SLEEP_RELATIVE)->cpu = 1;
	add_op(&m, 0, SR_OP_RUN, 0, 100 * MS);
	add_op(&m, 0, SR_OP_END, 0, 0)->flags = 1;
	sim_run(&m, "node:2 core:1 pu:1", "recorded", &cfg);
	assert_near(sim_seen.ran_ns[0], 135 * MS, 1);
	free_model(&m);
}

/* Whatever a file says, a simulation ends: here the far node is as far as a number can say. */
static void no_memory_is_so_far_that_nothing_is_done(void **state)
{
	struct sr_error err = { 0 };
	struct sr_machine *mach = sr_machine_load("node:2 core:1 pu:1", &err);
	struct sr_model m = { 0 };
	struct sim_config cfg = config();

	assert_non_null(mach);
	mach->distance[1] = mach->distance[2] = UINT32_MAX;
	sim_params_default(&params);
	params.v[SIM_REMOTE_MEMORY] = 1000;
	add_task(&m, NONE)->first_cpu = 0;
	add_op(&m, 0, SR_OP_RUN, 0, MS);
	add_sleep(&m, 0, MS, SR_SLEEP_RELATIVE)->cpu = 1;
	add_op(&m, 0, SR_OP_RUN, 0, MS);
	add_op(&m, 0, SR_OP_END, 0, 0)->flags = 1;
	cfg.machine = mach;
	cfg.policy = rpl_policy_find("recorded", &cfg.policy_options, &err);
	sim_run_as(&m, &cfg);
	assert_in_range(sim_seen.ran_ns[0], 1024 * MS, 3 * 1024 * MS);
	free_model(&m);
	sr_machine_free(mach);
}

/* Nor do ticks that cost more than the time between them keep everybody from his work: three quarters remain. */
static void ticks_leave_time_for_work(void **state)
{
	static const char *const policies[] = { "kernel", "domain" };

	for (size_t k = 0; k < 2; k++) {
		struct sr_model m = { 0 };
		struct sim_config cfg = config();

		params.v[SIM_TICK] = 100000;
		params.v[SIM_TICK_COST] = params.v[SIM_POLICY_TICK] = MS;
		add_hog(&m, 30 * MS, 0);
		sim_run(&m, "pu:1", policies[k], &cfg);
		/* Under domain a quarter of a ms every ms goes to the policy's tick too. */
		assert_near(sim_seen.ran_ns[0], k ? 60 * MS : 40 * MS, 20);
		free_model(&m);
	}
}

/* last_queued_ns is when a task became runnable: that a balancer has moved it since is nothing to it. */
static struct {
	uint64_t queued_ns;
	unsigned moved, wrong;
} mover;

static void mover_tick(struct rpl_engine *e, void *policy, unsigned cpu)
{
	struct rpl_task_view v;
	int task;

	if (!e->queue(e, cpu, &task, 1))
		return;
	e->task(e, task, &v);
	mover.queued_ns = v.last_queued_ns;
	if (e->migrate(e, task, 1 - cpu, SR_CAUSE_TICK))
		return;
	e->task(e, task, &v);
	mover.moved++;
	mover.wrong += v.last_queued_ns != mover.queued_ns;
}

static int mover_place(struct rpl_engine *e, void *policy, const struct rpl_place *p)
{
	return 0;
}

static void who_is_moved_became_runnable_no_later(void **state)
{
	static const struct rpl_policy policy = { .version = RPL_POLICY_VERSION,
						  .name = "mover",
						  .pins = true,
						  .ticks = true,
						  .tick_ns = MS,
						  .place = mover_place,
						  .tick = mover_tick };
	struct sr_error err = { 0 };
	struct sr_machine *mach = sr_machine_load("core:2 pu:1", &err);
	struct sr_model m = { 0 };
	struct sim_config cfg = config();

	assert_non_null(mach);
	for (unsigned i = 0; i < 3; i++)
		add_hog(&m, 20 * MS, 0);
	cfg.machine = mach;
	cfg.policy = &policy;
	memset(&mover, 0, sizeof(mover));
	sim_run_as(&m, &cfg);
	assert_true(mover.moved > 5);
	assert_int_equal(mover.wrong, 0);
	free_model(&m);
	sr_machine_free(mach);
}

static void switches_and_wakes_cost_what_is_not_in_the_recording(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();
	unsigned i;

	/* 100 wakes of a task on the same CPU; the recording was remote, at 10 us a wake. */
	params.v[SIM_SWITCH_VOLUNTARY] = 2000;
	params.v[SIM_WAKE_LOCAL] = 3000;
	add_task(&m, NONE);
	add_task(&m, NONE);
	for (i = 0; i < 100; i++) {
		add_op(&m, 0, SR_OP_RUN, 0, MS);
		add_wake(&m, 0, 1);
		m.tasks[1].ops[m.tasks[1].nops - 1].flags = SR_WAIT_REMOTE;
		add_op(&m, 1, SR_OP_RUN, 0, MS);
		add_wake(&m, 1, 0);
	}
	add_op(&m, 0, SR_OP_END, 0, 0)->flags = 1;
	add_op(&m, 1, SR_OP_END, 0, 0)->flags = 1;
	cfg.recorded_wake_local_ns = 5000;
	cfg.recorded_wake_remote_ns = 12000;
	sim_run(&m, "pu:1", "kernel", &cfg);
	/* Task 0's wakes were remote: 3 us instead of 10; task 1's were local: 3 us instead of 3. */
	assert_near(sim_seen.ran_ns[0], 100 * MS - 100 * 7000, 1);
	assert_near(sim_seen.ran_ns[1], 100 * MS, 1);
	assert_int_equal(sim_seen.counts.waits_slept + sim_seen.counts.waits_passed, 200);
	free_model(&m);
}

/* Bursts of 5 us, each with a wake that cost 20 us by the recorder's word: it cannot have, and later work stays. */
static void no_recorded_wake_cost_more_than_its_burst(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();
	struct sr_wake_cost cost = { 1000, 20000 };
	struct sr_wake_bound bound;
	struct sr_error err;
	unsigned i;

	add_task(&m, NONE);
	add_task(&m, NONE);
	for (i = 0; i < 2000; i++) {
		add_op(&m, 0, SR_OP_RUN, 0, 5000 + i % 2);
		add_wake(&m, 0, 1);
		m.tasks[1].ops[m.tasks[1].nops - 1].flags = SR_WAIT_REMOTE;
		add_op(&m, 1, SR_OP_RUN, 0, 7000);
		add_wake(&m, 1, 0);
	}
	add_op(&m, 0, SR_OP_RUN, 0, 100 * MS);
	add_op(&m, 0, SR_OP_END, 0, 0)->flags = 1;
	add_op(&m, 1, SR_OP_END, 0, 0)->flags = 1;
	assert_int_equal(sr_model_wake_bound(&m, &bound, &err), 0);
	assert_int_equal(bound.remote_ns, 5000);
	assert_int_equal(bound.local_ns, 7000);
	sr_wake_bound_apply(&bound, &cost);
	assert_true(cost.local_ns == 1000 && cost.remote_ns == 5000);
	cfg.recorded_wake_local_ns = 1000;
	cfg.recorded_wake_remote_ns = 20000;
	sim_run(&m, "pu:1", "kernel", &cfg);
	assert_near(sim_seen.ran_ns[0], 100 * MS, 5);
	assert_near(sim_seen.ran_ns[1], 2000 * (7000 - 1000), 5);
	free_model(&m);
	/* Too few to tell. */
	memset(&m, 0, sizeof(m));
	add_hog(&m, MS, 0);
	assert_int_equal(sr_model_wake_bound(&m, &bound, &err), 0);
	assert_int_equal(bound.remote_ns + bound.local_ns, 0);
	free_model(&m);
}

/* Task 1 last ran on CPU 1, where a hog is now; its waker's CPU is busy too, CPU 2 is not. */
static void woken_task_tries_as_many_cpus_as_the_parameter_says(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();
	uint64_t alone;

	add_task(&m, NONE);
	add_op(&m, 0, SR_OP_RUN, 0, 2 * MS);
	add_op(&m, 0, SR_OP_FORK, 2, 0);
	add_op(&m, 0, SR_OP_RUN, 0, MS);
	add_task(&m, NONE);
	add_op(&m, 1, SR_OP_RUN, 0, MS);
	add_wake(&m, 0, 1);
	add_op(&m, 0, SR_OP_RUN, 0, 2 * MS);
	add_op(&m, 0, SR_OP_END, 0, 0)->flags = 1;
	add_op(&m, 1, SR_OP_RUN, 0, MS);
	add_op(&m, 1, SR_OP_END, 0, 0)->flags = 1;
	add_task(&m, 0);
	add_op(&m, 2, SR_OP_RUN, 0, 20 * MS);
	add_op(&m, 2, SR_OP_END, 0, 0)->flags = 1;
	sim_run(&m, "l3:1 core:3 pu:1", "kernel", &cfg);
	assert_int_equal(sim_seen.migrations, 1);
	assert_exact(sim_seen.end_ns[1], SIM_START_NS + 4 * MS);
	alone = sim_seen.end_ns[0] + sim_seen.end_ns[2];
	assert_exact(alone, 2 * SIM_START_NS + (5 + 22) * MS);
	params.v[SIM_IDLE_SCAN] = 0;
	sim_run(&m, "l3:1 core:3 pu:1", "kernel", &cfg);
	assert_true(sim_seen.end_ns[0] + sim_seen.end_ns[1] + sim_seen.end_ns[2] >= alone + SIM_START_NS + 5 * MS - 10);
	free_model(&m);
}

/* CPU 1 has two tasks in the moment of the wake, but idles for most of the time; the waker's CPU never does. */
static void affine_wake_goes_by_load_over_time(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();
	struct sr_cpumask one = { 0 };
	unsigned i, k;

	sr_cpumask_set(&one, 1);
	add_task(&m, NONE);
	add_task(&m, NONE);
	for (k = 2; k < 4; k++)
		add_task(&m, NONE)->allowed = &one;
	for (i = 0; i < 20; i++) {
		add_op(&m, 0, SR_OP_RUN, 0, 20 * MS);
		for (k = 3; k; k--) {
			add_wake(&m, 0, k);
			m.tasks[k].waits[i].sync = false; /* a futex */
			add_op(&m, k, SR_OP_RUN, 0, MS);
		}
	}
	for (k = 0; k < 4; k++)
		add_op(&m, k, SR_OP_END, 0, 0)->flags = 1;
	sim_run(&m, "l3:1 core:2 pu:1", "kernel", &cfg);
	assert_int_equal(sim_seen.counts.waits_slept + sim_seen.counts.waits_passed, 60);
	/* By the tasks of the moment it would go there and come back each time; balancing may fetch it now and then. */
	assert_true(sim_seen.migrations < 10);
	free_model(&m);
}

static void five_thousand_tasks_on_one_cpu_are_no_square(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < 5000; i++)
		add_hog(&m, 4 * MS, 0);
	sim_run(&m, "pu:1", "kernel", &cfg);
	for (i = 0; i < 5000; i++)
		sum += sim_seen.ran_ns[i];
	assert_near(sum, 20000 * MS, 1);
	assert_near(sim_seen.stats.end_ns - SIM_START_NS, 20000 * MS, 1);
	free_model(&m);
}

static void same_seed_same_events_other_seed_others(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();
	char first[SR_SHA256_TEXT];
	unsigned i;

	for (i = 0; i < 20; i++)
		add_hog(&m, (i % 5 + 1) * MS, 0);
	sim_run(&m, "core:4 pu:1", "random", &cfg);
	memcpy(first, sim_seen.stats.events_sha256, sizeof(first));
	sim_run(&m, "core:4 pu:1", "random", &cfg);
	assert_string_equal(sim_seen.stats.events_sha256, first);
	cfg.seed = 2;
	sim_run(&m, "core:4 pu:1", "random", &cfg);
	assert_string_not_equal(sim_seen.stats.events_sha256, first);
	free_model(&m);
}

static void long_idle_time_costs_no_steps(void **state)
{
	struct sr_model m = { 0 };
	struct sim_config cfg = config();

	add_task(&m, NONE);
	add_op(&m, 0, SR_OP_RUN, 0, MS);
	add_sleep(&m, 0, 86400000 * MS, SR_SLEEP_RELATIVE);
	add_op(&m, 0, SR_OP_RUN, 0, MS);
	add_op(&m, 0, SR_OP_END, 0, 0)->flags = 1;
	sim_run(&m, "core:8 pu:1", "domain", &cfg);
	assert_near(sim_seen.stats.end_ns - SIM_START_NS, 86400002 * MS, 1);
	assert_true(sim_seen.stats.steps < 3000);
	free_model(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_task_alone_takes_as_long_as_its_work),
		cmocka_unit_test(two_hogs_on_one_cpu_take_twice_as_long),
		cmocka_unit_test(share_goes_by_the_kernels_weights),
		cmocka_unit_test(three_equal_hogs_share_two_cpus),
		cmocka_unit_test(busy_sibling_slows_down_by_the_parameter),
		cmocka_unit_test(slower_cpu_takes_longer_by_its_capacity),
		cmocka_unit_test(recorded_capacity_makes_less_work),
		cmocka_unit_test(real_time_goes_before_fair),
		cmocka_unit_test(higher_priority_goes_before_lower_and_round_robin_takes_turns),
		cmocka_unit_test(deadline_goes_before_real_time_earliest_first),
		cmocka_unit_test(periodic_sleeper_stays_periodic),
		cmocka_unit_test(forked_sleeper_sleeps_as_long_as_recorded),
		cmocka_unit_test(woken_sleeper_preempts_a_hog),
		cmocka_unit_test(woken_task_preempts_its_waker_a_while_later),
		cmocka_unit_test(busy_cpu_learns_of_a_slices_end_as_late_as_of_a_wake),
		cmocka_unit_test(parent_of_a_vfork_sleeps_before_it_loses_its_cpu),
		cmocka_unit_test(child_of_a_vfork_keeps_its_cpu_within_its_exec),
		cmocka_unit_test(a_task_that_ends_keeps_its_cpu_when_it_wakes_another),
		cmocka_unit_test(cold_cache_costs_by_level_and_less_with_time),
		cmocka_unit_test(far_memory_slows_down_by_the_distance),
		cmocka_unit_test(no_memory_is_so_far_that_nothing_is_done),
		cmocka_unit_test(ticks_leave_time_for_work),
		cmocka_unit_test(who_is_moved_became_runnable_no_later),
		cmocka_unit_test(switches_and_wakes_cost_what_is_not_in_the_recording),
		cmocka_unit_test(no_recorded_wake_cost_more_than_its_burst),
		cmocka_unit_test(woken_task_tries_as_many_cpus_as_the_parameter_says),
		cmocka_unit_test(affine_wake_goes_by_load_over_time),
		cmocka_unit_test(five_thousand_tasks_on_one_cpu_are_no_square),
		cmocka_unit_test(same_seed_same_events_other_seed_others),
		cmocka_unit_test(long_idle_time_costs_no_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
