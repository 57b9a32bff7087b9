/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_engine.h"

static void open_as(struct fake *f, const char *machine, const char *policy)
{
	struct sr_error err = { 0 };

	if (fake_open(f, machine, policy, &err))
		fail_msg("%s", err.text);
}

/* CPUs 0, 1 and 2 have been busy and are idle, in that order; CPU 3 has 8 tasks. */
static void make_hole(struct fake *f, const char *policy)
{
	int t[3];

	open_as(f, "smp-4", policy);
	for (unsigned cpu = 0; cpu < 3; cpu++)
		t[cpu] = fake_hog(f, cpu);
	for (int i = 0; i < 8; i++)
		fake_hog(f, 3);
	for (unsigned cpu = 0; cpu < 3; cpu++)
		fake_stop(f, t[cpu]);
}

static void forks_on_idle_machine_go_round_robin(void **state)
{
	static const char *const names[] = { "bld", "bld:affinity=respect", "bld-fixed", "bld-2012" };

	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		struct fake f;

		open_as(&f, "core-8", names[n]);
		for (int i = 0; i < 24; i++)
			assert_int_equal(fake_fork(&f, 0, false), i % 8);
		fake_close(&f);
	}
}

static void idle_cpus_are_a_stack(void **state)
{
	static const char *const names[] = { "bld", "bld-fixed" };

	for (size_t n = 0; n < 2; n++) {
		struct fake f;
		int t[4];

		open_as(&f, "smp-4", names[n]);
		for (unsigned i = 0; i < 4; i++)
			t[i] = fake_hog(&f, i);
		fake_stop(&f, t[2]);
		fake_stop(&f, t[0]);
		fake_stop(&f, t[3]);
		assert_int_equal(fake_fork(&f, 1, false), 3);
		assert_int_equal(fake_fork(&f, 1, false), 0);
		assert_int_equal(fake_fork(&f, 1, false), 2);
		fake_close(&f);
	}
}

static void bld_fills_one_cpu_while_others_idle(void **state)
{
	struct fake f;

	make_hole(&f, "bld");
	for (int i = 0; i < 8; i++)
		assert_int_equal(fake_fork(&f, 3, false), 2);
	assert_int_equal(f.cpu[0].n, 0);
	assert_int_equal(f.cpu[1].n, 0);
	for (int i = 0; i < 4; i++)
		fake_fork(&f, 3, false);
	assert_int_equal(f.cpu[0].n, 0);
	fake_close(&f);
}

static void bld_fixed_has_no_such_hole(void **state)
{
	struct fake f;

	make_hole(&f, "bld-fixed");
	for (int i = 0; i < 9; i++)
		fake_fork(&f, 3, false);
	for (unsigned cpu = 0; cpu < 3; cpu++)
		assert_int_equal(f.cpu[cpu].n, 3);
	fake_close(&f);
}

static void bld_2012_has_no_such_hole(void **state)
{
	struct fake f;

	make_hole(&f, "bld-2012");
	for (int i = 0; i < 9; i++)
		fake_fork(&f, 3, false);
	for (unsigned cpu = 0; cpu < 3; cpu++)
		assert_int_equal(f.cpu[cpu].n, 3);
	fake_close(&f);
}

static void wake_scan_tie_goes_to_lowest_cpu(void **state)
{
	struct fake f;
	int t;

	open_as(&f, "core-4", "bld");
	fake_hog(&f, 0);
	t = fake_task(&f, 120);
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 3, 3), 1);
	fake_close(&f);
}

static void wake_scan_finds_the_least_load_not_the_head(void **state)
{
	struct fake f;
	int t;

	make_hole(&f, "bld");
	fake_hog(&f, 2);
	fake_hog(&f, 0);
	t = fake_task(&f, 120);
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 3, 3), 1);
	fake_close(&f);
}

static void wake_scan_goes_by_weight_not_by_count(void **state)
{
	struct fake f;
	int light, t;

	open_as(&f, "pack:2 core:1 pu:1", "bld");
	fake_hog(&f, 1);
	for (int i = 0; i < 3; i++) {
		light = fake_task(&f, 139);
		f.weight[light] = 15;
		fake_start(&f, light, 0);
	}
	t = fake_task(&f, 120);
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 1, 1), 0);
	fake_close(&f);
}

static void wake_from_forbidden_cpu_scans_the_base_domain_of_the_task(void **state)
{
	struct fake f;
	struct sr_cpumask mask = { { 0xe } };
	int t;

	/* The waker's cpu 0 is not allowed: the L3 of the task's cpu is scanned, allowed or not. */
	open_as(&f, "pack:1 l3:2 core:2 pu:1", "bld");
	fake_hog(&f, 2);
	t = fake_task(&f, 120);
	f.task[t].allowed = &mask;
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 0, 2), 3);
	/* With the waker on an allowed cpu, all allowed ones. */
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 2, 2), 1);
	fake_close(&f);
}

static void single_threaded_exec_takes_the_head_others_scan(void **state)
{
	struct fake f;
	int t;

	open_as(&f, "smp-4", "bld");
	for (unsigned i = 0; i < 4; i++)
		t = fake_hog(&f, i);
	fake_stop(&f, f.cpu[1].v[0]);
	fake_stop(&f, f.cpu[2].v[0]);
	assert_int_equal(fake_place(&f, SR_CAUSE_EXEC, t, 3, 3), 2);
	f.task[t].threads = 2;
	assert_int_equal(fake_place(&f, SR_CAUSE_EXEC, t, 3, 3), 1);
	fake_close(&f);
}

static void head_ignores_affinity_and_falls_back_to_the_lowest_allowed(void **state)
{
	struct fake f;
	struct sr_cpumask mask = { { 0xc } };
	int t;

	open_as(&f, "smp-4", "bld");
	fake_hog(&f, 2);
	t = fake_task(&f, 120);
	f.task[t].allowed = &mask;
	assert_int_equal(fake_place(&f, SR_CAUSE_FORK, t, 2, 2), 2);
	fake_close(&f);
}

/* An exec migrates the task, and what affinity forbids does not take place. */
static void exec_to_a_forbidden_cpu_stays(void **state)
{
	struct fake f;
	struct sr_cpumask mask = { { 0xc } };
	int t;

	open_as(&f, "smp-4", "bld");
	t = fake_hog(&f, 3);
	f.task[t].allowed = &mask;
	assert_int_equal(fake_place(&f, SR_CAUSE_EXEC, t, 3, 3), 3);
	fake_close(&f);
}

static void a_pinned_task_wakes_where_it_is(void **state)
{
	struct fake f;
	struct sr_cpumask mask = { { 0x4 } };
	int t;

	open_as(&f, "smp-4", "bld");
	t = fake_task(&f, 120);
	f.task[t].allowed = &mask;
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 2, 2), 2);
	fake_close(&f);
}

static void fallback_prefers_the_node_of_the_task(void **state)
{
	struct fake f;
	struct sr_cpumask mask = { { 0x22 } }; /* 1 in node 0, 5 in node 1; the head is 0 */
	int t;

	open_as(&f, "numa-4x4", "bld");
	t = fake_task(&f, 120);
	f.task[t].allowed = &mask;
	assert_int_equal(fake_place(&f, SR_CAUSE_FORK, t, 6, 6), 5);
	fake_close(&f);
}

static void respecting_affinity_walks_on_from_the_head(void **state)
{
	struct fake f;
	struct sr_cpumask mask = { { 0xc } };
	int t;

	open_as(&f, "smp-4", "bld:affinity=respect");
	fake_hog(&f, 2);
	t = fake_task(&f, 120);
	f.task[t].allowed = &mask;
	assert_int_equal(fake_place(&f, SR_CAUSE_FORK, t, 2, 2), 3);
	fake_close(&f);
}

static void fixed_respects_affinity(void **state)
{
	struct fake f;
	struct sr_cpumask mask = { { 0xb0 } };
	int t;

	open_as(&f, "core-8", "bld-fixed");
	fake_hog(&f, 4);
	fake_hog(&f, 5);
	fake_hog(&f, 5);
	fake_hog(&f, 7);
	fake_hog(&f, 7);
	t = fake_task(&f, 120);
	f.task[t].allowed = &mask;
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 0, 0), 4);
	fake_close(&f);
}

/* Their class places them, and they count in neither list. */
static void deadline_tasks_are_in_no_list(void **state)
{
	static const char *const names[] = { "bld", "bld-fixed" };

	for (size_t n = 0; n < 2; n++) {
		struct fake f;

		open_as(&f, "smp-4", names[n]);
		fake_start(&f, fake_task(&f, -1), 0);
		assert_int_equal(fake_place(&f, SR_CAUSE_FORK, fake_task(&f, 50), 0, 0), 0);
		assert_int_equal(fake_place(&f, SR_CAUSE_FORK, fake_task(&f, 120), 0, 0), 0);
		fake_stop(&f, fake_hog(&f, 2));
		fake_start(&f, fake_task(&f, -1), 2);
		assert_int_equal(fake_place(&f, SR_CAUSE_FORK, fake_task(&f, 120), 0, 0), 2);
		fake_close(&f);
	}
}

static void nobody_is_placed_on_an_offline_cpu(void **state)
{
	static const char *const names[] = { "bld", "bld-2012", "bld-fixed", "random", "domain", "eas", "roundrobin" };

	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		struct fake f;
		struct sr_error err;
		const char *options;

		open_as(&f, "core-4", names[n]);
		if (f.p->fini)
			f.p->fini(&f.e, f.state);
		f.m->v[0].online = f.m->v[2].online = 0;
		f.p = rpl_policy_find(names[n], &options, &err);
		f.state = NULL;
		if (f.p->init)
			assert_int_equal(f.p->init(&f.e, NULL, &f.state, &err), 0);
		for (int i = 0; i < 16; i++)
			assert_true(fake_fork(&f, 1, true) % 2);
		assert_true(fake_place(&f, SR_CAUSE_WAKE, 0, 3, 0) % 2);
		fake_close(&f);
	}
}

/* A cpu that has not been the tail yet still counts as the head, and a head that empties is not moved. */
static void bld_does_not_move_an_emptied_cpu_that_counts_as_head(void **state)
{
	struct fake f;

	open_as(&f, "smp-4", "bld");
	for (int i = 0; i < 8; i++)
		fake_hog(&f, 3);
	fake_stop(&f, fake_hog(&f, 0));
	fake_stop(&f, fake_hog(&f, 1));
	for (int i = 0; i < 8; i++)
		assert_int_equal(fake_fork(&f, 3, false), 0);
	fake_close(&f);
}

/* lowbit falls to the most urgent priority seen and never rises. */
static void rt_wake_avoids_a_cpu_that_once_ran_an_urgent_task(void **state)
{
	struct fake f;
	int urgent;

	open_as(&f, "pack:2 core:1 pu:1", "bld");
	urgent = fake_task(&f, 10);
	fake_start(&f, urgent, 1);
	fake_stop(&f, urgent);
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, fake_task(&f, 50), 1, 1), 0);
	fake_close(&f);
}

/* Only a cpu more urgent than the head goes to the tail, so the head never does. */
static void rt_head_stays_head_however_urgent(void **state)
{
	struct fake f;

	open_as(&f, "core-4", "bld");
	fake_start(&f, fake_task(&f, 10), 0);
	assert_int_equal(fake_place(&f, SR_CAUSE_FORK, fake_task(&f, 50), 0, 0), 0);
	fake_close(&f);
}

static void rt_wake_tie_goes_to_highest_cpu(void **state)
{
	struct fake f;

	open_as(&f, "core-4", "bld");
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, fake_task(&f, 50), 0, 0), 3);
	fake_close(&f);
}

static void fixed_rt_forgets_an_urgent_task_that_has_gone(void **state)
{
	struct fake f;
	int urgent;

	open_as(&f, "pack:2 core:1 pu:1", "bld-fixed");
	urgent = fake_task(&f, 10);
	fake_start(&f, urgent, 0);
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, fake_task(&f, 50), 0, 0), 1);
	fake_stop(&f, urgent);
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, fake_task(&f, 50), 0, 0), 0);
	fake_close(&f);
}

static void deadline_tasks_are_left_alone(void **state)
{
	static const char *const names[] = { "bld", "bld-fixed" };

	for (size_t n = 0; n < 2; n++) {
		struct fake f;
		int t;

		open_as(&f, "core-4", names[n]);
		t = fake_task(&f, -1);
		f.task[t].sched_policy = 6;
		assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 0, 2), -1);
		fake_close(&f);
	}
}

/* The heap against a plain search, over a long random walk. */
static void fixed_always_names_the_least_loaded_cpu(void **state)
{
	struct fake f;
	int task[60], ntasks = 0;
	uint32_t seed = 7;

	open_as(&f, "numa-2x8x2", "bld-fixed");
	for (int i = 0; i < 60; i++)
		task[i] = fake_task(&f, 120);
	for (int step = 0; step < 20000; step++) {
		struct sr_cpumask mask = { { 0 } };
		uint64_t best = UINT64_MAX;
		int cpu;

		seed = seed * 1664525 + 1013904223;
		if (ntasks < 60 && (seed >> 16) % 2) {
			f.weight[task[ntasks]] = 15 + (seed >> 20) % 4000;
			fake_start(&f, task[ntasks++], (seed >> 8) % 32);
		} else if (ntasks) {
			int i = (int)((seed >> 8) % (unsigned)ntasks), t = task[i];

			fake_stop(&f, t);
			task[i] = task[--ntasks];
			task[ntasks] = t;
		}
		if (ntasks == 60)
			continue;
		mask.w[0] = seed % 3 ? 0xffffffffu : (seed | 1u << 31);
		f.task[task[ntasks]].allowed = &mask;
		cpu = fake_place(&f, SR_CAUSE_WAKE, task[ntasks], 0, 0);
		for (unsigned c = 0; c < 32; c++)
			if (mask.w[0] >> c & 1 && fake_load_weight(&f.e, c) < best)
				best = fake_load_weight(&f.e, c);
		assert_true(mask.w[0] >> cpu & 1);
		assert_int_equal(fake_load_weight(&f.e, (unsigned)cpu), best);
		f.task[task[ntasks]].allowed = NULL;
	}
	fake_close(&f);
}

/* Runs of neighbours at words' edges, single bits, bits beyond the machine: against a plain search. */
static void fixed_finds_the_least_loaded_in_any_mask(void **state)
{
	struct fake f;
	uint32_t seed = 3;
	int t;

	open_as(&f, "pack:4 [numa] core:25 pu:2", "bld-fixed");
	assert_int_equal(f.m->ncpus, 200);
	for (unsigned cpu = 0; cpu < 200; cpu++) {
		seed = seed * 1664525 + 1013904223;
		t = fake_task(&f, 120);
		f.weight[t] = 1 + (seed >> 16) % 1000;
		fake_start(&f, t, cpu);
	}
	t = fake_task(&f, 120);
	for (int round = 0; round < 5000; round++) {
		struct sr_cpumask mask = { { 0 } };
		uint64_t best = UINT64_MAX;
		int cpu;

		for (int run = 0; run < 1 + round % 4; run++) {
			unsigned from = ((seed = seed * 1664525 + 1013904223) >> 16) % 260;
			unsigned n = 1 + ((seed = seed * 1664525 + 1013904223) >> 16) % (round % 2 ? 3 : 130);

			for (unsigned i = 0; i < n; i++)
				sr_cpumask_set(&mask, from + i);
		}
		f.task[t].allowed = &mask;
		cpu = fake_place(&f, SR_CAUSE_WAKE, t, 0, 0);
		for (unsigned c = 0; c < 200; c++)
			if (sr_cpumask_isset(&mask, c) && fake_load_weight(&f.e, c) < best)
				best = fake_load_weight(&f.e, c);
		if (best == UINT64_MAX) {
			assert_int_equal(cpu, -1);
			continue;
		}
		assert_true(cpu >= 0 && cpu < 200 && sr_cpumask_isset(&mask, (unsigned)cpu));
		assert_int_equal(fake_load_weight(&f.e, (unsigned)cpu), best);
	}
	fake_close(&f);
}

static void nothing_is_moved_after_placement(void **state)
{
	for (size_t i = 0; rpl_policies[i]; i++) {
		if (strncmp(rpl_policies[i]->name, "bld", 3))
			continue;
		assert_null(rpl_policies[i]->tick);
		assert_null(rpl_policies[i]->newidle);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forks_on_idle_machine_go_round_robin),
		cmocka_unit_test(idle_cpus_are_a_stack),
		cmocka_unit_test(bld_fills_one_cpu_while_others_idle),
		cmocka_unit_test(bld_fixed_has_no_such_hole),
		cmocka_unit_test(bld_2012_has_no_such_hole),
		cmocka_unit_test(wake_scan_tie_goes_to_lowest_cpu),
		cmocka_unit_test(wake_scan_finds_the_least_load_not_the_head),
		cmocka_unit_test(wake_scan_goes_by_weight_not_by_count),
		cmocka_unit_test(wake_from_forbidden_cpu_scans_the_base_domain_of_the_task),
		cmocka_unit_test(single_threaded_exec_takes_the_head_others_scan),
		cmocka_unit_test(head_ignores_affinity_and_falls_back_to_the_lowest_allowed),
		cmocka_unit_test(exec_to_a_forbidden_cpu_stays),
		cmocka_unit_test(a_pinned_task_wakes_where_it_is),
		cmocka_unit_test(fallback_prefers_the_node_of_the_task),
		cmocka_unit_test(fixed_finds_the_least_loaded_in_any_mask),
		cmocka_unit_test(respecting_affinity_walks_on_from_the_head),
		cmocka_unit_test(fixed_respects_affinity),
		cmocka_unit_test(nobody_is_placed_on_an_offline_cpu),
		cmocka_unit_test(bld_does_not_move_an_emptied_cpu_that_counts_as_head),
		cmocka_unit_test(rt_wake_avoids_a_cpu_that_once_ran_an_urgent_task),
		cmocka_unit_test(rt_head_stays_head_however_urgent),
		cmocka_unit_test(rt_wake_tie_goes_to_highest_cpu),
		cmocka_unit_test(fixed_rt_forgets_an_urgent_task_that_has_gone),
		cmocka_unit_test(deadline_tasks_are_left_alone),
		cmocka_unit_test(deadline_tasks_are_in_no_list),
		cmocka_unit_test(fixed_always_names_the_least_loaded_cpu),
		cmocka_unit_test(nothing_is_moved_after_placement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
