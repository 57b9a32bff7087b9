/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy `domain`: what each option changes, beside how it is without. */
#include "replay/policy_domain.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/domain_fake.h"

/* ---- tables and presets ---- */

static void tables_of_2_6_10_do_not_balance_clones(void **state)
{
	struct fake f;

	open_as(&f, "core-4", "domain:tables=2.6.10");
	hogs(&f, 0, 3);
	assert_int_equal(fake_fork(&f, 0, true), 0);
	fake_close(&f);
}

static void tables_of_2_6_12_seek_an_idle_cpu_in_the_node(void **state)
{
	static const char *const names[] = { "domain:tables=2.6.10", "domain:tables=2.6.12" };

	for (int i = 0; i < 2; i++) {
		struct fake f;

		open_as(&f, "core-4", names[i]);
		hogs(&f, 0, 1);
		hogs(&f, 1, 1);
		assert_int_equal(wake(&f, sleeper(&f, 0, 0), 0, false), i ? 2 : 0);
		fake_close(&f);
	}
}

static void tables_of_today_have_intervals_by_weight(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "smt-8x2", "domain:tables=modern");

	assert_int_equal(interval(d, sd_of(d, 0, 0), IDLE), 2);
	assert_int_equal(interval(d, sd_of(d, 0, 1), IDLE), 16);
	assert_int_equal(interval(d, sd_of(d, 0, 1), NOT_IDLE), 256);
	load_balance(&f.e, d, 0, sd_of(d, 0, 1), IDLE);
	assert_int_equal(sd_of(d, 0, 1)->interval_ms, 32);
	fake_close(&f);
}

static void options_of(const char *text, struct domain_options *o)
{
	struct sr_error err = { 0 };

	if (domain_options(o, text, &err))
		fail_msg("%s", err.text);
}

static void presets_are_a_kernel_with_all_its_changes(void **state)
{
	static const struct domain_options of_267 = { .hot = HOT_267, .tick_ns = MS }, of_2610 = {
		.tables = RPL_SD_2_6_10, .clone = CLONE_NO, .push = PUSH_2610, .failed = FAILED_GROW, .tick_ns = MS
	};
	struct domain_options o;

	options_of("preset=2.6.7", &o);
	assert_memory_equal(&o, &of_267, sizeof(o));
	options_of("preset=2.6.10", &o);
	assert_memory_equal(&o, &of_2610, sizeof(o));
	options_of("preset=2.6.12", &o);
	assert_int_equal(o.tables, RPL_SD_2_6_12);
	assert_int_equal(o.wake_idle, WAKE_IDLE_2611);
	assert_int_equal(o.migrate, MIGRATE_2611);
	assert_int_equal(o.busiest, BUSIEST_2612);
	assert_int_equal(o.push, PUSH_2611);
	assert_int_equal(o.levels, LEVELS_267);
	options_of("preset=modern", &o);
	assert_int_equal(o.tables, RPL_SD_MODERN);
	assert_int_equal(o.levels, LEVELS_FULL);
	assert_int_equal(o.degenerate, DEGENERATE_DROP);
	assert_int_equal(o.clone, CLONE_ALL);
}

/* What comes behind a preset changes it, what comes before is forgotten, but for the tick. */
static void options_behind_a_preset_change_it(void **state)
{
	struct domain_options o;

	options_of("hot=fixed,tick=4ms,preset=2.6.7,push=no", &o);
	assert_int_equal(o.hot, HOT_267);
	assert_int_equal(o.push, PUSH_NO);
	assert_int_equal(o.tick_ns, 4 * MS);
}

/* ---- cache-hotness ---- */

static void hot_time_can_be_set(void **state)
{
	struct fake f;

	open_busy(&f, "core-4", "domain:hot-time=1ms", 0, 1);
	assert_int_equal(wake(&f, sleeper(&f, 1, 2499999), 0, false), 0);
	fake_close(&f);
}

/* A package with 512 KiB of its own: 2 ms. */
static void hot_time_can_come_from_the_cache(void **state)
{
	static const char *const names[] = { "domain", "domain:hot-time=cache" };

	for (int i = 0; i < 2; i++) {
		struct fake f;

		open_busy(&f, "smt-2x2", names[i], 0, 2);
		hogs(&f, 3, 1); /* no idle sibling */
		assert_int_equal(wake(&f, sleeper(&f, 2, 2200000), 0, false), i ? 1 : 2);
		fake_close(&f);
	}
}

/* It slept after its cpu's last tick: the unsigned difference is huge. */
static void in_2_6_7_a_task_that_has_just_slept_counts_as_cold(void **state)
{
	struct fake f;

	open_busy(&f, "core-4", "domain:hot=267", 0, 1);
	assert_int_equal(wake(&f, sleeper(&f, 1, -1000), 0, false), 0);
	assert_int_equal(wake(&f, sleeper(&f, 1, 2500000), 0, false), 0);
	assert_int_equal(wake(&f, sleeper(&f, 1, 2499999), 0, false), 1);
	fake_close(&f);
	open_busy(&f, "core-4", "domain", 0, 1);
	assert_int_equal(wake(&f, sleeper(&f, 1, -1000), 0, false), 1);
	fake_close(&f);
}

/* Four tasks of cpu 1 that have just run. */
static struct domain *open_hot(struct fake *f, const char *policy)
{
	struct domain *d = open_as(f, "pack:2 core:1 pu:1", policy);

	hogs(f, 1, 4);
	set_load(f, 1, 512);
	for (unsigned i = 0; i < 4; i++)
		f->task[f->cpu[1].v[i]].last_ran_ns = f->now_ns;
	f->last_tick_ns[1] = f->now_ns;
	return d;
}

static void since_2_6_11_an_idle_core_takes_hot_tasks(void **state)
{
	struct fake f;
	struct domain *d = open_hot(&f, "domain");

	assert_int_equal(load_balance(&f.e, d, 0, sd_of(d, 0, 0), IDLE), 0);
	fake_close(&f);
	d = open_hot(&f, "domain:migrate=2.6.11");
	assert_int_equal(load_balance(&f.e, d, 0, sd_of(d, 0, 0), IDLE), 2);
	fake_close(&f);
	/* About to idle is not idle. */
	d = open_hot(&f, "domain:migrate=2.6.11");
	domain_newidle(&f.e, d, 0);
	assert_int_equal(f.moved[SR_CAUSE_NEWIDLE], 0);
	fake_close(&f);
}

static void since_2_6_11_a_busy_cpu_must_fail_twice(void **state)
{
	static const char *const names[] = { "domain", "domain:migrate=2.6.11" };

	for (int i = 0; i < 2; i++) {
		struct fake f;
		struct domain *d = open_hot(&f, names[i]);

		hogs(&f, 0, 1);
		set_load(&f, 0, 128);
		sd_of(d, 0, 0)->failed = 1;
		assert_int_equal(load_balance(&f.e, d, 0, sd_of(d, 0, 0), NOT_IDLE), i ? 0 : 1);
		sd_of(d, 0, 0)->failed = 2;
		if (i)
			assert_int_equal(load_balance(&f.e, d, 0, sd_of(d, 0, 0), NOT_IDLE), 1);
		fake_close(&f);
	}
}

static void since_2_6_11_a_busy_sibling_keeps_hot_tasks_away(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "smt-2x2", "domain:migrate=2.6.11");

	hogs(&f, 0, 4);
	hogs(&f, 3, 1);
	set_load(&f, 0, 512);
	set_load(&f, 3, 128);
	for (unsigned i = 0; i < 4; i++)
		f.task[f.cpu[0].v[i]].last_ran_ns = f.now_ns;
	f.last_tick_ns[0] = f.now_ns;
	assert_int_equal(load_balance(&f.e, d, 2, sd_of(d, 2, 1), IDLE), 0);
	fake_stop(&f, f.cpu[3].v[0]);
	set_load(&f, 3, 0);
	assert_true(load_balance(&f.e, d, 2, sd_of(d, 2, 1), IDLE) > 0);
	fake_close(&f);
}

/* ---- what is placed, and where ---- */

static void clone_says_what_is_placed_at_its_creation(void **state)
{
	static const struct {
		const char *policy;
		int process, thread;
	} want[] = { { "domain", 0, 1 }, { "domain:clone=no", 0, 0 }, { "domain:clone=all", 1, 1 } };

	for (size_t i = 0; i < 3; i++) {
		struct fake f;

		open_as(&f, "core-4", want[i].policy);
		hogs(&f, 0, 2);
		assert_int_equal(fake_fork(&f, 0, false), want[i].process);
		fake_close(&f);
		open_as(&f, "core-4", want[i].policy);
		hogs(&f, 0, 2);
		assert_int_equal(fake_fork(&f, 0, true), want[i].thread);
		fake_close(&f);
	}
}

/* From 100 to 200: 2.6.7 sees two busy CPUs. From 10 to 100: it sees an idle one and a busy one, the other rule no
 * more than a task in all. */
static void reverted_wake_rule_looks_at_both_loads(void **state)
{
	static const struct {
		const char *policy;
		unsigned load, mine, cpu;
	} want[] = { { "domain", 100, 200, 0 },
		     { "domain:wake=2.6.7-rc3", 100, 200, 1 },
		     { "domain", 10, 100, 1 },
		     { "domain:wake=2.6.7-rc3", 10, 100, 0 },
		     { "domain:wake=2.6.7-rc3", 128, 200, 0 } };

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct fake f;

		open_as(&f, "core-4", want[i].policy);
		hogs(&f, 1, 1);
		set_load(&f, 1, want[i].load);
		set_load(&f, 0, want[i].mine);
		assert_int_equal(wake(&f, sleeper(&f, 1, 1000 * (int64_t)MS), 0, false), want[i].cpu);
		fake_close(&f);
	}
}

static void reverted_wake_rule_leaves_single_tasks_to_their_cpus(void **state)
{
	static const char *const names[] = { "domain", "domain:wake=2.6.7-rc3" };

	for (int i = 0; i < 2; i++) {
		struct fake f;
		unsigned n;

		open_as(&f, "core-4", names[i]);
		hogs(&f, 2, 1);
		assert_int_equal(busiest(&f, 0, 0, NEWLY_IDLE, &n), i ? -1 : 2);
		hogs(&f, 2, 1);
		assert_int_equal(busiest(&f, 0, 0, NEWLY_IDLE, &n), 2);
		fake_close(&f);
	}
}

static void since_2_6_11_an_idle_cpu_is_sought_upwards(void **state)
{
	static const char *const names[] = { "domain:tables=2.6.12", "domain:tables=2.6.12,wake-idle=2.6.11",
					     "domain:wake-idle=2.6.11" };

	for (int i = 0; i < 3; i++) {
		struct fake f;

		open_as(&f, "pack:2 [numa] core:2 pu:1", names[i]);
		hogs(&f, 0, 1);
		hogs(&f, 1, 1);
		hogs(&f, 2, 1);
		/* 2.6.7's levels do not have the flag there. */
		assert_int_equal(wake(&f, sleeper(&f, 0, 0), 0, false), i == 1 ? 3 : 0);
		fake_close(&f);
	}
}

/* ---- levels ---- */

/* Two L3s in a package: 2.6.7 sees cores only, and takes from the busiest. */
static void full_levels_look_within_the_last_cache_first(void **state)
{
	static const char *const names[] = { "domain", "domain:levels=full" };

	for (int i = 0; i < 2; i++) {
		struct fake f;
		struct domain *d = open_as(&f, "ccx-2x4x2", names[i]);

		hogs(&f, 2, 3);
		hogs(&f, 8, 4);
		set_load(&f, 2, 384);
		set_load(&f, 8, 512);
		f.last_tick_ns[2] = f.last_tick_ns[8] = f.now_ns + 100 * (uint64_t)MS;
		domain_newidle(&f.e, d, 0);
		assert_int_equal(f.cpu[0].n, 1);
		assert_int_equal(f.cpu[2].n, i ? 2 : 3);
		assert_int_equal(f.cpu[8].n, i ? 4 : 3);
		fake_close(&f);
	}
}

/* A core without a second thread begins with a level of its own: the search for an idle CPU ends there. */
static void dropped_levels_do_not_end_a_search(void **state)
{
	static const char *const names[] = { "domain:tables=2.6.12", "domain:tables=2.6.12,degenerate=drop" };

	for (int i = 0; i < 2; i++) {
		struct fake f;

		open_as(&f, "hybrid-4x2+4", names[i]);
		hogs(&f, 8, 1);
		assert_int_equal(wake(&f, sleeper(&f, 8, 0), 8, false), i ? 0 : 8);
		fake_close(&f);
	}
}

static void a_machine_of_one_cpu_has_no_level_left(void **state)
{
	struct fake f;
	int t;

	open_as(&f, "core-1", "domain:levels=full");
	hogs(&f, 0, 2);
	t = sleeper(&f, 0, 0);
	assert_int_equal(wake(&f, t, 0, false), 0);
	assert_int_equal(fake_fork(&f, 0, true), 0);
	assert_int_equal(fake_place(&f, SR_CAUSE_EXEC, t, 0, 0), 0);
	for (int i = 0; i < 10; i++)
		fake_tick(&f);
	f.p->newidle(&f.e, f.state, 0);
	fake_close(&f);
}

/* ---- how much is moved ---- */

/* A CPU of 117 with a task (load 140) beside an idle one of 128: the move gains 11, less than an eighth of a CPU. */
static void since_2_6_12_any_gain_will_do(void **state)
{
	static const char *const names[] = { "domain", "domain:busiest=2.6.12" };

	for (int i = 0; i < 2; i++) {
		struct fake f;
		struct domain *d = open_as(&f, "pack:2 core:1 pu:1", names[i]);
		unsigned n;

		((struct rpl_group *)sd_of(d, 0, 0)->span->group)[1].power = 117;
		hogs(&f, 1, 1);
		assert_int_equal(busiest(&f, 0, 0, NOT_IDLE, &n), i ? 1 : -1);
		fake_close(&f);
	}
}

/*
 * A node of 256 with six tasks, one of 512 with one: loads 384 and 32, average 128 * 896 / 768 = 149. Down to the
 * average: 235 of 256 or 117 of 512, by the smaller power 117 * 256 / 128 = 234, by each group's own 468.
 */
static void since_2_6_12_each_group_counts_with_its_own_power(void **state)
{
	static const char *const names[] = { "domain", "domain:busiest=2.6.12" };

	for (int i = 0; i < 2; i++) {
		struct fake f;
		struct domain *d = open_as(&f, "pack:2 [numa] core:4 pu:1", names[i]);
		unsigned n;

		((struct rpl_group *)sd_of(d, 0, 1)->span->group)[1].power = 256;
		hogs(&f, 0, 1);
		hogs(&f, 4, 3);
		hogs(&f, 5, 3);
		assert_int_equal(busiest(&f, 1, 1, NOT_IDLE, &n), 4);
		assert_int_equal(n, i ? 3 : 1);
		fake_close(&f);
	}
}

/* ---- pushing ---- */

static void push_goes_where_the_version_says(void **state)
{
	static const struct {
		const char *policy;
		int cpu;
	} want[] = {
		{ "domain", 3 }, { "domain:push=2.6.10", 2 }, { "domain:push=2.6.11", 2 }, { "domain:push=no", -1 }
	};

	for (size_t i = 0; i < 4; i++) {
		struct fake f;
		struct domain *d = open_as(&f, "smt-2x2", want[i].policy);

		hogs(&f, 0, 1);
		hogs(&f, 1, 1);
		active_balance(&f.e, d, 0, 2);
		for (int cpu = 2; cpu < 4; cpu++)
			assert_int_equal(f.cpu[cpu].n, cpu == want[i].cpu);
		fake_close(&f);
	}
}

/* 2.6.10 takes one CPU a group, 2.6.11 all whose core idles. 2.6.7 the last one of a group that idles altogether. */
static void push_of_several_tasks(void **state)
{
	static const struct {
		const char *policy;
		unsigned n[4];
	} want[] = { { "domain", { 2, 1, 0, 1 } },
		     { "domain:push=2.6.10", { 2, 1, 1, 0 } },
		     { "domain:push=2.6.11", { 1, 1, 1, 1 } } };

	for (size_t i = 0; i < 3; i++) {
		struct fake f;
		struct domain *d = open_as(&f, "pack:2 [numa] core:2 pu:1", want[i].policy);

		hogs(&f, 0, 3);
		hogs(&f, 1, 1);
		f.last_tick_ns[0] = f.now_ns + 100 * (uint64_t)MS; /* so that none is hot */
		active_balance(&f.e, d, 0, 3);
		for (unsigned cpu = 0; cpu < 4; cpu++)
			assert_int_equal(f.cpu[cpu].n, want[i].n[cpu]);
		fake_close(&f);
	}
}

/* Of the queue and the task that ran the best priority goes. */
static void push_takes_the_best_priority(void **state)
{
	struct fake f;
	struct domain *d = open_as(&f, "pack:2 core:1 pu:1", "domain");
	int urgent = fake_task(&f, 110), other = fake_task(&f, 120);

	fake_start(&f, urgent, 0);
	fake_start(&f, other, 0);
	f.last_tick_ns[0] = f.now_ns + 100 * (uint64_t)MS;
	active_balance(&f.e, d, 0, 1);
	assert_int_equal(f.cpu[1].v[0], urgent);
	fake_close(&f);
	d = open_as(&f, "pack:2 core:1 pu:1", "domain");
	urgent = fake_hog(&f, 0);
	other = fake_hog(&f, 0);
	f.last_tick_ns[0] = f.now_ns + 100 * (uint64_t)MS;
	active_balance(&f.e, d, 0, 1);
	assert_int_equal(f.cpu[1].v[0], other); /* of one priority the last */
	fake_close(&f);
}

/* ---- failures ---- */

static void failing_resets_the_interval_unless_it_is_to_grow(void **state)
{
	struct sr_cpumask mask = { { 0x2 } };
	struct fake f;
	struct domain *d = open_as(&f, "pack:2 core:1 pu:1", "domain");

	make_pinned(&f, 4, &mask);
	sd_of(d, 0, 0)->interval_ms = 2;
	load_balance(&f.e, d, 0, sd_of(d, 0, 0), IDLE);
	assert_int_equal(sd_of(d, 0, 0)->interval_ms, 1);
	fake_close(&f);
	d = open_as(&f, "pack:2 core:1 pu:1", "domain:failed=grow");
	make_pinned(&f, 4, &mask);
	sd_of(d, 0, 0)->interval_ms = 2;
	load_balance(&f.e, d, 0, sd_of(d, 0, 0), IDLE);
	assert_int_equal(sd_of(d, 0, 0)->interval_ms, 3);
	load_balance(&f.e, d, 0, sd_of(d, 0, 0), IDLE);
	load_balance(&f.e, d, 0, sd_of(d, 0, 0), IDLE);
	assert_int_equal(sd_of(d, 0, 0)->interval_ms, 4);
	fake_close(&f);
}

/* ---- SMT-nice ---- */

static void time_slices_are_10_to_200_ms(void **state)
{
	assert_int_equal(smtnice_slice_ns(139), 10 * MS);
	assert_int_equal(smtnice_slice_ns(120), 102 * MS);
	assert_int_equal(smtnice_slice_ns(100), 200 * (uint64_t)MS);
}

static void open_smtnice(struct fake *f, const char *machine)
{
	struct sr_error err = { 0 };

	if (fake_open_with(f, machine, "domain:smtnice=on", RPL_CAN_IDLE, &err))
		fail_msg("%s", err.text);
}

/* Nice 19 waits while of the sibling's 102 ms, less 15 %, more than its own 10 ms are left: till 11 ms. */
static void nice_task_waits_for_most_of_its_siblings_slice(void **state)
{
	unsigned held = 0;
	struct fake f;
	int nice;

	open_smtnice(&f, "pack:1 core:1 pu:2");
	fake_hog(&f, 0);
	nice = fake_task(&f, 139);
	fake_start(&f, nice, 1);
	assert_true(f.cpu[1].held);
	assert_false(f.cpu[0].held);
	for (int i = 0; i < 102; i++) {
		held += f.cpu[1].held;
		fake_tick(&f);
	}
	assert_int_equal(held, 91);
	assert_true(f.cpu[1].held); /* a new slice */
	fake_close(&f);
}

static void nice_task_runs_when_its_sibling_sleeps(void **state)
{
	struct fake f;
	int hog, nice;

	open_smtnice(&f, "smt-2x2");
	nice = fake_task(&f, 139);
	fake_start(&f, nice, 1);
	assert_false(f.cpu[1].held);
	hog = fake_hog(&f, 0);
	assert_true(f.cpu[1].held);
	fake_stop(&f, hog);
	assert_false(f.cpu[1].held);
	fake_close(&f);
}

static void equal_tasks_and_other_cores_do_not_wait(void **state)
{
	struct fake f;
	int nice;

	open_smtnice(&f, "smt-2x2");
	fake_hog(&f, 0);
	fake_hog(&f, 1);
	nice = fake_task(&f, 139);
	fake_start(&f, nice, 2);
	for (unsigned i = 0; i < 4; i++)
		assert_false(f.cpu[i].held);
	fake_close(&f);
}

static void real_time_makes_its_sibling_wait_and_waits_for_nobody(void **state)
{
	struct fake f;
	int rt[2];

	open_smtnice(&f, "smt-2x2");
	rt[0] = fake_task(&f, 50);
	rt[1] = fake_task(&f, 60);
	fake_start(&f, rt[0], 0);
	fake_hog(&f, 1);
	assert_true(f.cpu[1].held);
	assert_false(f.cpu[0].held);
	fake_start(&f, rt[1], 3);
	fake_start(&f, fake_task(&f, 50), 2);
	assert_false(f.cpu[2].held);
	assert_false(f.cpu[3].held);
	fake_close(&f);
}

static void without_smtnice_nobody_waits(void **state)
{
	struct sr_error err = { 0 };
	struct fake f;
	int nice;

	assert_int_equal(fake_open_with(&f, "smt-2x2", "domain", RPL_CAN_IDLE, &err), 0);
	fake_hog(&f, 0);
	nice = fake_task(&f, 139);
	fake_start(&f, nice, 1);
	fake_tick(&f);
	assert_false(f.cpu[1].held);
	fake_close(&f);
	/* The live engine's case. */
	assert_int_equal(fake_open(&f, "smt-2x2", "domain:smtnice=on", &err), -1);
	assert_int_equal(err.status, SR_USAGE);
	assert_non_null(strstr(err.text, "smtnice"));
	fake_close(&f);
}

/* ---- the texts ---- */

static void every_option_is_described_and_parsed(void **state)
{
	assert_ptr_equal(rpl_policy_domain.options, domain_rows);
	for (const struct rpl_policy_option *row = domain_rows; row->key; row++) {
		char text[100];
		struct domain_options o;

		assert_true(strlen(row->help) > 8);
		/* Its first value. */
		if (row->values[0] == 'T')
			snprintf(text, sizeof(text), "%s=2ms", row->key);
		else
			snprintf(text, sizeof(text), "%s=%.*s", row->key, (int)strcspn(row->values, "|"), row->values);
		options_of(text, &o);
	}
}

static void wrong_options_are_refused(void **state)
{
	static const char *const wrong[] = { "domain:hot=maybe",    "domain:tick=1",      "domain:tick=1s",
					     "domain:tick=1us",     "domain:colour=red",  "domain:hot",
					     "domain:=1",           "domain:tables=2.4",  "domain:push=",
					     "domain:failed=x",     "domain:hot-time=2s", "domain:preset=2.6",
					     "domain:hot-time=0ns", "domain:levels=all",  "domain:push=2.6" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct sr_error err = { 0 };
		struct fake f;

		assert_int_equal(fake_open(&f, "core-4", wrong[i], &err), -1);
		assert_int_equal(err.status, SR_USAGE);
		assert_non_null(strstr(err.text, "domain"));
		fake_close(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_of_2_6_10_do_not_balance_clones),
		cmocka_unit_test(tables_of_2_6_12_seek_an_idle_cpu_in_the_node),
		cmocka_unit_test(tables_of_today_have_intervals_by_weight),
		cmocka_unit_test(presets_are_a_kernel_with_all_its_changes),
		cmocka_unit_test(options_behind_a_preset_change_it),
		cmocka_unit_test(hot_time_can_be_set),
		cmocka_unit_test(hot_time_can_come_from_the_cache),
		cmocka_unit_test(in_2_6_7_a_task_that_has_just_slept_counts_as_cold),
		cmocka_unit_test(since_2_6_11_an_idle_core_takes_hot_tasks),
		cmocka_unit_test(since_2_6_11_a_busy_cpu_must_fail_twice),
		cmocka_unit_test(since_2_6_11_a_busy_sibling_keeps_hot_tasks_away),
		cmocka_unit_test(clone_says_what_is_placed_at_its_creation),
		cmocka_unit_test(reverted_wake_rule_looks_at_both_loads),
		cmocka_unit_test(reverted_wake_rule_leaves_single_tasks_to_their_cpus),
		cmocka_unit_test(since_2_6_11_an_idle_cpu_is_sought_upwards),
		cmocka_unit_test(full_levels_look_within_the_last_cache_first),
		cmocka_unit_test(dropped_levels_do_not_end_a_search),
		cmocka_unit_test(a_machine_of_one_cpu_has_no_level_left),
		cmocka_unit_test(since_2_6_12_any_gain_will_do),
		cmocka_unit_test(since_2_6_12_each_group_counts_with_its_own_power),
		cmocka_unit_test(push_goes_where_the_version_says),
		cmocka_unit_test(push_of_several_tasks),
		cmocka_unit_test(push_takes_the_best_priority),
		cmocka_unit_test(failing_resets_the_interval_unless_it_is_to_grow),
		cmocka_unit_test(time_slices_are_10_to_200_ms),
		cmocka_unit_test(nice_task_waits_for_most_of_its_siblings_slice),
		cmocka_unit_test(nice_task_runs_when_its_sibling_sleeps),
		cmocka_unit_test(equal_tasks_and_other_cores_do_not_wait),
		cmocka_unit_test(real_time_makes_its_sibling_wait_and_waits_for_nobody),
		cmocka_unit_test(without_smtnice_nobody_waits),
		cmocka_unit_test(every_option_is_described_and_parsed),
		cmocka_unit_test(wrong_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
