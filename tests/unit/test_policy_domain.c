/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The arithmetic is private, so the policy is part of this program rather than taken from the library. */
#include "replay/policy_domain.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/domain_fake.h"

/* ---- load ---- */

static void load_has_a_half_life_of_one_tick(void **state)
{
	static const unsigned up[] = { 64, 96, 112, 120, 124, 126, 127, 128, 128 };
	struct fake f;
	struct domain *d = open_as(&f, "core-4", "domain");
	int t = fake_hog(&f, 0);

	for (size_t i = 0; i < sizeof(up) / sizeof(up[0]); i++) {
		update_load(&f.e, d, 0);
		assert_int_equal(d->cpu_load[0], up[i]);
	}
	fake_stop(&f, t);
	for (unsigned want = 64; want; want /= 2) {
		update_load(&f.e, d, 0);
		assert_int_equal(d->cpu_load[0], want);
	}
	fake_close(&f);
}

static void source_load_is_the_low_guess_and_target_load_the_high_one(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "core-4", "domain");

	hogs(&f, 0, 2);
	set_load(&f, 0, 100);
	assert_int_equal(d->source[0], 100);
	assert_int_equal(d->target[0], 256);
	set_load(&f, 0, 300);
	assert_int_equal(d->source[0], 256);
	assert_int_equal(d->target[0], 300);
	fake_close(&f);
}

/* Sums that are kept are what counting would find, whatever happens. */
static void sums_are_those_of_their_cpus(void **state)
{
	static const char *const machines[] = { "numa-4x4", "smt-2x2", "ccx-2x4x2", "hybrid-6x2+8" };

	for (size_t m = 0; m < 8; m++) {
		struct fake f;
		struct domain *d = open_as(&f, machines[m / 2], m % 2 ? "domain:levels=full" : "domain");
		uint32_t seed = 1;

		for (int step = 0; step < 400; step++) {
			unsigned cpu = ((seed = seed * 1664525 + 1013904223) >> 8) % f.m->ncpus;

			if (seed >> 30 == 0 && f.cpu[cpu].n)
				fake_stop(&f, f.cpu[cpu].v[(seed >> 4) % f.cpu[cpu].n]);
			else if (seed >> 30 == 1)
				fake_tick(&f);
			else if (f.ntasks < FAKE_TASKS)
				fake_hog(&f, cpu);
			for (unsigned l = 0; l < d->tree.nlevels; l++)
				for (unsigned k = 0; k < d->tree.level[l].nspans; k++)
					for (unsigned g = 0; g < d->tree.level[l].span[k].ngroups; g++) {
						const struct rpl_group *group = &d->tree.level[l].span[k].group[g];
						struct domain_sum sum = group_load(d, group);

						for (unsigned i = 0; i < group->n; i++) {
							unsigned now = f.cpu[group->cpu[i]].n * SCALE,
								 avg = d->cpu_load[group->cpu[i]];

							sum.source -= now < avg ? now : avg;
							sum.target -= now > avg ? now : avg;
						}
						assert_int_equal(sum.source, 0);
						assert_int_equal(sum.target, 0);
					}
		}
		fake_close(&f);
	}
}

/* ---- fork and exec ---- */

static void plain_fork_stays(void **state)
{
	struct fake f;

	open_as(&f, "core-4", "domain");
	hogs(&f, 1, 3);
	assert_int_equal(fake_fork(&f, 1, false), 1);
	fake_close(&f);
}

static void fork_of_a_thread_goes_to_the_idlest(void **state)
{
	struct fake f;

	open_as(&f, "core-4", "domain");
	hogs(&f, 0, 1);
	hogs(&f, 1, 1);
	set_load(&f, 2, 20);
	assert_int_equal(fake_fork(&f, 0, true), 3);
	fake_close(&f);
}

static void fork_of_a_thread_looks_beyond_the_node(void **state)
{
	struct fake f;

	open_as(&f, "numa-4x4", "domain");
	for (unsigned i = 0; i < 4; i++)
		hogs(&f, i, 1);
	assert_int_equal(fake_fork(&f, 0, true), 4);
	fake_close(&f);
}

/* The threshold of the CPU level is 100 + 25 / 2 = 112: 240 * 112 = 26880. */
static void fork_threshold_is_112(void **state)
{
	struct fake f;

	open_as(&f, "pack:2 core:1 pu:1", "domain");
	hogs(&f, 0, 2);
	hogs(&f, 1, 1);
	set_load(&f, 1, 240);
	set_load(&f, 0, 140); /* and the new task: 268 */
	assert_int_equal(fake_place(&f, SR_CAUSE_EXEC, 0, 0, 0), 0);
	set_load(&f, 0, 141);
	assert_int_equal(fake_place(&f, SR_CAUSE_EXEC, 0, 0, 0), 1);
	fake_close(&f);
}

static void exec_stays_when_alone(void **state)
{
	struct fake f;
	int t;

	open_as(&f, "core-4", "domain");
	t = fake_hog(&f, 1);
	set_load(&f, 1, 1000);
	assert_int_equal(fake_place(&f, SR_CAUSE_EXEC, t, 1, 1), 1);
	fake_close(&f);
}

static void exec_moves_when_not_alone(void **state)
{
	struct fake f;
	int t;

	open_as(&f, "core-4", "domain");
	t = fake_hog(&f, 1);
	fake_hog(&f, 1);
	assert_int_equal(fake_place(&f, SR_CAUSE_EXEC, t, 1, 1), 0);
	fake_close(&f);
}

/* ---- wake ---- */

static void cold_task_is_pulled_to_its_waker(void **state)
{
	struct fake f;

	open_busy(&f, "core-4", "domain", 0, 1);
	assert_int_equal(wake(&f, sleeper(&f, 1, 2500000), 0, false), 0);
	fake_close(&f);
}

static void hot_task_stays(void **state)
{
	struct fake f;

	open_busy(&f, "core-4", "domain", 0, 1);
	assert_int_equal(wake(&f, sleeper(&f, 1, 2499999), 0, false), 1);
	fake_close(&f);
}

static void cold_task_of_another_node_is_not_pulled(void **state)
{
	struct fake f;

	open_busy(&f, "numa-4x4", "domain", 0, 4);
	assert_int_equal(wake(&f, sleeper(&f, 4, 1000 * (int64_t)MS), 0, false), 4);
	fake_close(&f);
}

/* 125 + 25 / 2 = 137: 137 * 200 = 27400. */
static void wake_balance_threshold_is_137(void **state)
{
	struct fake f;
	int t;

	open_as(&f, "numa-4x4", "domain");
	t = sleeper(&f, 4, 0);
	hogs(&f, 4, 3);
	hogs(&f, 0, 1);
	set_load(&f, 0, 200);
	set_load(&f, 4, 274);
	assert_int_equal(wake(&f, t, 0, false), 0);
	set_load(&f, 4, 273);
	assert_int_equal(wake(&f, t, 0, false), 4);
	fake_close(&f);
}

static void sync_takes_the_waker_off_its_load(void **state)
{
	struct fake f;
	int t;

	open_as(&f, "numa-4x4", "domain");
	t = sleeper(&f, 4, 0);
	hogs(&f, 4, 1);
	hogs(&f, 0, 1);
	set_load(&f, 0, 128);
	set_load(&f, 4, 128);
	assert_int_equal(wake(&f, t, 0, false), 4);
	assert_int_equal(wake(&f, t, 0, true), 0);
	fake_close(&f);
}

static void cold_task_is_not_pulled_from_an_idle_cpu_to_a_busy_one(void **state)
{
	struct fake f;
	int t;

	open_as(&f, "core-4", "domain");
	hogs(&f, 0, 1);
	t = sleeper(&f, 1, 1000 * (int64_t)MS);
	assert_int_equal(wake(&f, t, 0, false), 1);
	fake_close(&f);
}

/* Half a task is the bound: 64. */
static void what_is_an_idle_cpu_is_told_by_half_a_task(void **state)
{
	struct fake f;
	int t;

	open_as(&f, "core-4", "domain");
	t = sleeper(&f, 1, 1000 * (int64_t)MS);
	hogs(&f, 0, 1);
	hogs(&f, 1, 1);
	set_load(&f, 1, 63);
	assert_int_equal(wake(&f, t, 0, false), 1);
	set_load(&f, 1, 64);
	assert_int_equal(wake(&f, t, 0, false), 0);
	fake_close(&f);
}

static void unknown_cpus_mean_the_lowest_allowed(void **state)
{
	static const enum sr_cause why[] = { SR_CAUSE_FORK, SR_CAUSE_EXEC, SR_CAUSE_WAKE };
	struct sr_cpumask mask = { { 0xc } };
	struct fake f;
	int t;

	open_as(&f, "core-4", "domain");
	t = fake_task(&f, 120);
	f.task[t].allowed = &mask;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(fake_place(&f, why[i], t, -1, -1), 2);
		assert_int_equal(fake_place(&f, why[i], t, 4000, -1), 2);
		assert_int_equal(fake_place(&f, why[i], t, -1, 3), 3);
	}
	fake_close(&f);
}

static void busy_cpu_gives_way_to_an_idle_sibling(void **state)
{
	struct fake f;

	open_as(&f, "smt-2x2", "domain");
	hogs(&f, 0, 1);
	assert_int_equal(wake(&f, sleeper(&f, 0, 0), 0, false), 1);
	fake_close(&f);
}

static void without_siblings_a_wake_seeks_no_idle_cpu(void **state)
{
	struct fake f;

	open_as(&f, "core-4", "domain");
	hogs(&f, 0, 1);
	assert_int_equal(wake(&f, sleeper(&f, 0, 0), 0, false), 0);
	fake_close(&f);
}

static void wake_respects_affinity(void **state)
{
	struct fake f;
	struct sr_cpumask mask = { { 0x2 } };
	int t;

	open_busy(&f, "core-4", "domain", 0, 1);
	t = sleeper(&f, 1, 1000 * (int64_t)MS);
	f.task[t].allowed = &mask;
	assert_int_equal(wake(&f, t, 0, false), 1);
	fake_close(&f);
}

/* ---- find_busiest_group, by hand ---- */

static void equal_loads_are_balanced(void **state)
{
	struct fake f;
	unsigned n;

	open_as(&f, "pack:2 core:1 pu:1", "domain");
	hogs(&f, 0, 2);
	hogs(&f, 1, 2);
	assert_int_equal(busiest(&f, 0, 0, NOT_IDLE, &n), -1);
	fake_close(&f);
}

/* 0 and 512: average 256, 256 to move, (256 + 1) / 128 = 2 tasks. */
static void half_the_difference_is_moved(void **state)
{
	struct fake f;
	unsigned n;

	open_as(&f, "pack:2 core:1 pu:1", "domain");
	hogs(&f, 1, 4);
	assert_int_equal(busiest(&f, 0, 0, IDLE, &n), 1);
	assert_int_equal(n, 2);
	fake_close(&f);
}

/* 512 and 640: 100 * 640 is not more than 125 * 512. 384 and 640: it is, but 128 to move is one task. */
static void difference_within_imbalance_pct_is_let_be(void **state)
{
	struct fake f;
	unsigned n;

	open_as(&f, "pack:2 core:1 pu:1", "domain");
	hogs(&f, 0, 4);
	hogs(&f, 1, 5);
	assert_int_equal(busiest(&f, 0, 0, NOT_IDLE, &n), -1);
	fake_stop(&f, f.cpu[0].v[0]);
	assert_int_equal(busiest(&f, 0, 0, NOT_IDLE, &n), 1);
	assert_int_equal(n, 1);
	fake_close(&f);
}

/* Two tasks on a core of two threads weigh 256 * 128 / 140 = 234; average 117; 117 * 140 / 128 = 127: one task. */
static void two_hogs_on_one_core_are_one_too_many(void **state)
{
	struct fake f;
	unsigned n;

	open_as(&f, "smt-2x2", "domain");
	hogs(&f, 0, 1);
	hogs(&f, 1, 1);
	assert_int_equal(busiest(&f, 2, 1, NOT_IDLE, &n), 0);
	assert_int_equal(n, 1);
	fake_close(&f);
}

/* Three cores of two threads: 85 to move is less than a task, but 140 -> 255 is worth more than 16. */
static void less_than_a_task_is_moved_when_throughput_gains(void **state)
{
	struct fake f;
	unsigned n;

	open_as(&f, "pack:3 core:1 pu:2", "domain");
	hogs(&f, 0, 1);
	hogs(&f, 1, 1);
	assert_int_equal(busiest(&f, 2, 1, NOT_IDLE, &n), 0);
	assert_int_equal(n, 1);
	fake_close(&f);
}

/* Four CPUs, one with three tasks: 96 to move, but the difference is 384, at least two tasks. */
static void less_than_a_task_is_moved_when_two_tasks_apart(void **state)
{
	struct fake f;
	unsigned n;

	open_as(&f, "core-4", "domain");
	hogs(&f, 2, 3);
	assert_int_equal(busiest(&f, 0, 0, NOT_IDLE, &n), 2);
	assert_int_equal(n, 1);
	fake_close(&f);
}

/* One task on four CPUs: moving it gains nothing. A cpu about to idle takes it all the same, if it can. */
static void single_task_is_let_be_except_by_a_newly_idle_cpu(void **state)
{
	struct fake f;
	unsigned n;

	open_as(&f, "core-4", "domain");
	hogs(&f, 2, 1);
	assert_int_equal(busiest(&f, 0, 0, NOT_IDLE, &n), -1);
	assert_int_equal(busiest(&f, 0, 0, IDLE, &n), -1);
	assert_int_equal(busiest(&f, 0, 0, NEWLY_IDLE, &n), 2);
	fake_close(&f);
}

/* 120 against 129 is balanced for a busy cpu; an idle one helps a group that has more than one task. */
static void idle_cpu_takes_from_a_group_of_more_than_one_task(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "core-4", "domain");
	const struct domain_sd *sd = sd_of(d, 0, 0);
	unsigned n;

	hogs(&f, 1, 2);
	hogs(&f, 2, 2);
	hogs(&f, 3, 2);
	set_load(&f, 1, 129);
	set_load(&f, 2, 128);
	set_load(&f, 3, 128);
	set_load(&f, 0, 120); /* was busy a tick ago */
	assert_null(find_busiest_group(d, sd, NOT_IDLE, &n));
	assert_non_null(find_busiest_group(d, sd, IDLE, &n));
	set_load(&f, 1, 128);
	assert_null(find_busiest_group(d, sd, IDLE, &n));
	fake_close(&f);
}

/* A small core's only task is 297 of the 128 that a whole CPU has, which is imbalance to a large one. */
static void a_small_core_s_only_task_is_one_task(void **state)
{
	struct fake f;
	unsigned n;

	open_as(&f, "biglittle-4+4", "domain");
	hogs(&f, 0, 1);
	assert_int_equal(busiest(&f, 1, 0, IDLE, &n), -1);
	assert_int_equal(busiest(&f, 4, 0, IDLE, &n), 0);
	hogs(&f, 0, 1);
	assert_int_equal(busiest(&f, 1, 0, IDLE, &n), 0);
	fake_close(&f);
}

static void ties_go_to_the_group_after_ones_own(void **state)
{
	struct fake f;
	unsigned n;

	open_as(&f, "core-4", "domain");
	hogs(&f, 0, 3);
	hogs(&f, 3, 3);
	assert_int_equal(busiest(&f, 2, 0, IDLE, &n), 3);
	assert_int_equal(busiest(&f, 1, 0, IDLE, &n), 3);
	fake_close(&f);
}

/* ---- load_balance ---- */

static void interval_doubles_while_balanced_and_shrinks_when_not(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "pack:2 core:1 pu:1", "domain");
	struct domain_sd *sd = sd_of(d, 0, 0);
	static const unsigned want[] = { 2, 4, 4 };

	for (size_t i = 0; i < 3; i++) {
		load_balance(&f.e, d, 0, sd, IDLE);
		assert_int_equal(sd->interval_ms, want[i]);
	}
	hogs(&f, 1, 4);
	set_load(&f, 1, 512);
	f.last_tick_ns[1] = f.now_ns + 3 * MS; /* so that none is hot */
	assert_int_equal(load_balance(&f.e, d, 0, sd, IDLE), 2);
	assert_int_equal(sd->interval_ms, 1);
	assert_int_equal(f.cpu[0].n, 2);
	fake_close(&f);
}

static void busy_cpu_balances_64_times_more_seldom(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "numa-2x8x2", "domain");

	assert_int_equal(interval(d, sd_of(d, 0, 0), NOT_IDLE), 8);
	assert_int_equal(interval(d, sd_of(d, 0, 1), IDLE), 1);
	assert_int_equal(interval(d, sd_of(d, 0, 1), NOT_IDLE), 64);
	assert_int_equal(interval(d, sd_of(d, 0, 2), NOT_IDLE), 32);
	fake_close(&f);
	d = open_as(&f, "numa-2x8x2", "domain:tick=4ms");
	assert_int_equal(f.e.tick_ns, 4 * MS);
	assert_int_equal(interval(d, sd_of(d, 0, 1), IDLE), 1);
	assert_int_equal(interval(d, sd_of(d, 0, 1), NOT_IDLE), 16);
	fake_close(&f);
}

static void failures_are_counted_to_the_fourth_at_cpu_level(void **state)
{
	static const unsigned want[] = { 1, 2, 3, 1, 2, 3, 1 };
	struct sr_cpumask mask = { { 0x2 } };
	struct fake f;
	struct domain *d = open_as(&f, "pack:2 core:1 pu:1", "domain");

	make_pinned(&f, 4, &mask);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		load_balance(&f.e, d, 0, sd_of(d, 0, 0), IDLE);
		assert_int_equal(sd_of(d, 0, 0)->failed, want[i]);
	}
	assert_int_equal(f.cpu[1].n, 4);
	fake_close(&f);
}

static void failures_are_counted_to_the_third_at_sibling_level(void **state)
{
	static const unsigned want[] = { 1, 2, 0, 1, 2, 0 };
	struct sr_cpumask mask = { { 0x2 } };
	struct fake f;
	struct domain *d = open_as(&f, "smt-2x2", "domain");

	make_pinned(&f, 4, &mask);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		load_balance(&f.e, d, 0, sd_of(d, 0, 0), IDLE);
		assert_int_equal(sd_of(d, 0, 0)->failed, want[i]);
	}
	fake_close(&f);
}

static void intervals_grow_from_1_ms_to_the_level_s_maximum(void **state)
{
	static const unsigned want[3][6] = { { 2, 2 }, { 2, 4, 4 }, { 2, 4, 8, 16, 32, 32 } };
	struct fake f;
	struct domain *d = open_as(&f, "numa-2x8x2", "domain");

	for (unsigned k = 0; k < 3; k++)
		for (unsigned i = 0; i < 6 && want[k][i]; i++) {
			load_balance(&f.e, d, 0, sd_of(d, 0, k), IDLE);
			assert_int_equal(sd_of(d, 0, k)->interval_ms, want[k][i]);
		}
	/* Something to move: back to the minimum, 8 ms between nodes. */
	hogs(&f, 16, 8);
	set_load(&f, 16, 1024);
	f.last_tick_ns[16] = f.now_ns + 20 * (uint64_t)MS;
	assert_true(load_balance(&f.e, d, 0, sd_of(d, 0, 2), IDLE) > 0);
	assert_int_equal(sd_of(d, 0, 2)->interval_ms, 8);
	fake_close(&f);
}

/* Two tasks on a thread of a core, of which the waiting one may not leave: the running one goes to the other thread. */
static void running_task_is_pushed_to_a_sibling_at_the_third_failure(void **state)
{
	struct sr_cpumask mask = { { 0x1 } };
	struct fake f;
	struct domain *d = open_as(&f, "pack:1 core:1 pu:2", "domain");
	int running = fake_hog(&f, 0), waiting = fake_hog(&f, 0);

	f.task[waiting].allowed = &mask;
	set_load(&f, 0, 256);
	for (int i = 0; i < 2; i++)
		load_balance(&f.e, d, 1, sd_of(d, 1, 0), IDLE);
	assert_int_equal(f.moved[SR_CAUSE_ACTIVE], 0);
	load_balance(&f.e, d, 1, sd_of(d, 1, 0), IDLE);
	assert_int_equal(f.moved[SR_CAUSE_ACTIVE], 1);
	assert_int_equal(f.cpu[1].v[0], running);
	fake_close(&f);
}

static void running_task_is_pushed_at_the_fourth_failure(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "smt-2x2", "domain");

	hogs(&f, 0, 1);
	hogs(&f, 1, 1);
	set_load(&f, 0, 128);
	set_load(&f, 1, 128);
	for (int i = 0; i < 3; i++)
		load_balance(&f.e, d, 2, sd_of(d, 2, 1), IDLE);
	assert_int_equal(f.moved[SR_CAUSE_ACTIVE], 0);
	load_balance(&f.e, d, 2, sd_of(d, 2, 1), IDLE);
	assert_int_equal(f.moved[SR_CAUSE_ACTIVE], 1);
	assert_int_equal(f.cpu[3].n, 1); /* the idle package's last cpu */
	fake_close(&f);
}

static void nothing_is_pushed_into_a_package_that_is_not_all_idle(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "smt-2x2", "domain");

	hogs(&f, 0, 1);
	hogs(&f, 1, 1);
	hogs(&f, 2, 1);
	active_balance(&f.e, d, 0, 3);
	assert_int_equal(f.moved[SR_CAUSE_ACTIVE], 0);
	fake_close(&f);
}

static void nothing_is_pushed_where_it_is_switched_off_or_impossible(void **state)
{
	for (int off = 0; off < 2; off++) {
		struct fake f;

		open_as(&f, "smt-2x2", off ? "domain:push=no" : "domain");
		if (!off)
			f.e.caps &= ~(unsigned)RPL_CAN_PUSH;
		hogs(&f, 0, 1);
		hogs(&f, 1, 1);
		for (int i = 0; i < 200; i++)
			fake_tick(&f);
		assert_int_equal(f.moved[SR_CAUSE_ACTIVE], 0);
		assert_int_equal(f.cpu[0].n + f.cpu[1].n, 2);
		fake_close(&f);
	}
}

static void two_hogs_of_one_package_end_up_on_two(void **state)
{
	static const char *const names[] = { "domain", "domain:hot=267" };

	for (size_t n = 0; n < 2; n++) {
		struct fake f;
		int ticks = 0;

		open_as(&f, "smt-2x2", names[n]);
		hogs(&f, 0, 1);
		hogs(&f, 1, 1);
		while (f.cpu[0].n + f.cpu[1].n == 2 && ticks < 1000) {
			fake_tick(&f);
			ticks++;
		}
		assert_true(ticks < 50);
		for (int i = 0; i < 1000; i++)
			fake_tick(&f);
		assert_int_equal(f.cpu[0].n + f.cpu[1].n, 1);
		assert_int_equal(f.cpu[2].n + f.cpu[3].n, 1);
		assert_int_equal(f.moved[SR_CAUSE_ACTIVE], 1);
		fake_close(&f);
	}
}

static void tick_spreads_what_waits(void **state)
{
	struct fake f;

	open_as(&f, "numa-2x8x2", "domain");
	hogs(&f, 0, 32);
	for (int i = 0; i < 2000; i++)
		fake_tick(&f);
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(f.cpu[i].n, 1);
	fake_close(&f);
}

static void busy_cpu_pulls_too_within_64_ticks(void **state)
{
	struct fake f;
	int ticks = 0;

	open_as(&f, "pack:2 core:1 pu:1", "domain");
	hogs(&f, 0, 1);
	hogs(&f, 1, 5);
	for (; f.cpu[0].n == 1 && ticks < 200; ticks++)
		fake_tick(&f);
	assert_in_range(ticks, 1, 65);
	fake_close(&f);
}

/* ---- newidle and what is moved ---- */

static void newidle_takes_a_cold_waiting_task(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "core-4", "domain");

	hogs(&f, 1, 3);
	set_load(&f, 1, 384);
	f.last_tick_ns[1] = f.now_ns + 3 * MS;
	domain_newidle(&f.e, d, 0);
	assert_int_equal(f.moved[SR_CAUSE_NEWIDLE], 1);
	assert_int_equal(f.cpu[0].n, 1);
	fake_close(&f);
}

static void newidle_leaves_hot_tasks(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "core-4", "domain");

	hogs(&f, 1, 3);
	set_load(&f, 1, 384);
	f.last_tick_ns[1] = f.now_ns;
	domain_newidle(&f.e, d, 0);
	assert_int_equal(f.cpu[0].n, 0);
	fake_close(&f);
}

static void newidle_stays_within_the_node(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "numa-4x4", "domain");

	hogs(&f, 4, 3);
	set_load(&f, 4, 384);
	f.last_tick_ns[4] = f.now_ns + 20 * MS;
	domain_newidle(&f.e, d, 0);
	assert_int_equal(f.moved[SR_CAUSE_NEWIDLE], 0);
	domain_newidle(&f.e, d, 5);
	assert_int_equal(f.moved[SR_CAUSE_NEWIDLE], 1);
	fake_close(&f);
}

static void last_in_the_queue_goes_first(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "pack:2 core:1 pu:1", "domain");
	int last;

	hogs(&f, 1, 3);
	last = fake_hog(&f, 1);
	pull(&f.e, d, sd_of(d, 0, 0), 1, 0, 1, NEWLY_IDLE);
	assert_int_equal(f.cpu[0].n, 0); /* all hot */
	sd_of(d, 0, 0)->failed = 1;
	pull(&f.e, d, sd_of(d, 0, 0), 1, 0, 1, IDLE);
	assert_int_equal(f.cpu[0].v[0], last);
	fake_close(&f);
}

static void best_priority_goes_before_the_last(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "pack:2 core:1 pu:1", "domain");
	int urgent;

	fake_hog(&f, 1);
	urgent = fake_task(&f, 110);
	fake_start(&f, urgent, 1);
	hogs(&f, 1, 3);
	sd_of(d, 0, 0)->failed = 1;
	pull(&f.e, d, sd_of(d, 0, 0), 1, 0, 1, IDLE);
	assert_int_equal(f.cpu[0].v[0], urgent);
	fake_close(&f);
}

/* ---- the clock ---- */

static void ticks_of_different_cpus_are_out_of_phase(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "core-4", "domain");

	assert_int_equal(jiffies(&f.e, d, 1) - jiffies(&f.e, d, 0), 250);
	fake_close(&f);
}

static void no_catching_up_after_a_late_start(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "core-4", "domain");

	f.now_ns += 3600000ull * MS;
	fake_tick(&f);
	for (unsigned i = 0; i < 4; i++)
		assert_true(jiffies(&f.e, d, i) - sd_of(d, i, 0)->last_balance <= 64);
	fake_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load_has_a_half_life_of_one_tick),
		cmocka_unit_test(source_load_is_the_low_guess_and_target_load_the_high_one),
		cmocka_unit_test(sums_are_those_of_their_cpus),
		cmocka_unit_test(plain_fork_stays),
		cmocka_unit_test(fork_of_a_thread_goes_to_the_idlest),
		cmocka_unit_test(fork_of_a_thread_looks_beyond_the_node),
		cmocka_unit_test(fork_threshold_is_112),
		cmocka_unit_test(exec_stays_when_alone),
		cmocka_unit_test(exec_moves_when_not_alone),
		cmocka_unit_test(cold_task_is_pulled_to_its_waker),
		cmocka_unit_test(hot_task_stays),
		cmocka_unit_test(cold_task_of_another_node_is_not_pulled),
		cmocka_unit_test(wake_balance_threshold_is_137),
		cmocka_unit_test(sync_takes_the_waker_off_its_load),
		cmocka_unit_test(cold_task_is_not_pulled_from_an_idle_cpu_to_a_busy_one),
		cmocka_unit_test(what_is_an_idle_cpu_is_told_by_half_a_task),
		cmocka_unit_test(unknown_cpus_mean_the_lowest_allowed),
		cmocka_unit_test(busy_cpu_gives_way_to_an_idle_sibling),
		cmocka_unit_test(without_siblings_a_wake_seeks_no_idle_cpu),
		cmocka_unit_test(wake_respects_affinity),
		cmocka_unit_test(equal_loads_are_balanced),
		cmocka_unit_test(half_the_difference_is_moved),
		cmocka_unit_test(difference_within_imbalance_pct_is_let_be),
		cmocka_unit_test(two_hogs_on_one_core_are_one_too_many),
		cmocka_unit_test(less_than_a_task_is_moved_when_throughput_gains),
		cmocka_unit_test(less_than_a_task_is_moved_when_two_tasks_apart),
		cmocka_unit_test(single_task_is_let_be_except_by_a_newly_idle_cpu),
		cmocka_unit_test(idle_cpu_takes_from_a_group_of_more_than_one_task),
		cmocka_unit_test(a_small_core_s_only_task_is_one_task),
		cmocka_unit_test(ties_go_to_the_group_after_ones_own),
		cmocka_unit_test(interval_doubles_while_balanced_and_shrinks_when_not),
		cmocka_unit_test(busy_cpu_balances_64_times_more_seldom),
		cmocka_unit_test(failures_are_counted_to_the_fourth_at_cpu_level),
		cmocka_unit_test(failures_are_counted_to_the_third_at_sibling_level),
		cmocka_unit_test(intervals_grow_from_1_ms_to_the_level_s_maximum),
		cmocka_unit_test(running_task_is_pushed_to_a_sibling_at_the_third_failure),
		cmocka_unit_test(running_task_is_pushed_at_the_fourth_failure),
		cmocka_unit_test(nothing_is_pushed_into_a_package_that_is_not_all_idle),
		cmocka_unit_test(nothing_is_pushed_where_it_is_switched_off_or_impossible),
		cmocka_unit_test(two_hogs_of_one_package_end_up_on_two),
		cmocka_unit_test(tick_spreads_what_waits),
		cmocka_unit_test(busy_cpu_pulls_too_within_64_ticks),
		cmocka_unit_test(newidle_takes_a_cold_waiting_task),
		cmocka_unit_test(newidle_leaves_hot_tasks),
		cmocka_unit_test(newidle_stays_within_the_node),
		cmocka_unit_test(last_in_the_queue_goes_first),
		cmocka_unit_test(best_priority_goes_before_the_last),
		cmocka_unit_test(ticks_of_different_cpus_are_out_of_phase),
		cmocka_unit_test(no_catching_up_after_a_late_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
