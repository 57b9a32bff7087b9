/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pass, fed with events written by hand. Times are small on purpose: histograms are exact below 64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyze/internal.h"

enum { S = SR_STATE_SLEEPING, R = SR_STATE_RUNNING, P = SR_STATE_PREEMPTED, X = SR_STATE_DEAD };

static struct sr_error err;
static struct ana_pass *pass;
static struct ana_result res;
static bool in_runs; /* events go in as a file's do */

static void begin_with(struct ana_pass_config cfg)
{
	pass = ana_pass_new(&cfg, &err);
	assert_non_null(pass);
}

static void begin(void)
{
	begin_with((struct ana_pass_config){ .scope = ANA_ALL, .whole_system = true, .cpus = 2, .pairs = true });
}

static void feed(struct sr_event ev)
{
	struct sr_cost_count count = { 0 };

	if (in_runs)
		assert_int_equal(ana_pass_feed_run(pass, &ev, 1, &count, &err), 0);
	else
		assert_int_equal(ana_pass_feed(pass, &ev, &err), 0);
}

static void sw(uint64_t at, unsigned cpu, int32_t prev, unsigned state, int32_t next)
{
	feed((struct sr_event){ .time_ns = at,
				.cpu = (uint16_t)cpu,
				.kind = SR_EV_SWITCH,
				.ctx = prev,
				.u.sw = { .prev = prev,
					  .next = next,
					  .prev_prio = 120,
					  .next_prio = 120,
					  .prev_state = (uint8_t)state } });
}

static void wake_kind(unsigned kind, uint64_t at, unsigned cpu, int32_t ctx, int32_t tid, unsigned flags,
		      unsigned target)
{
	feed((struct sr_event){ .time_ns = at,
				.cpu = (uint16_t)cpu,
				.kind = (uint8_t)kind,
				.ctx = ctx,
				.flags = (uint8_t)flags,
				.u.wake = { .tid = tid, .prio = 120, .target_cpu = (uint16_t)target } });
}

static void waking(uint64_t at, unsigned cpu, int32_t ctx, int32_t tid)
{
	wake_kind(SR_EV_WAKING, at, cpu, ctx, tid, 0, cpu);
}

static void wakeup(uint64_t at, unsigned cpu, int32_t ctx, int32_t tid, unsigned target)
{
	wake_kind(SR_EV_WAKEUP, at, cpu, ctx, tid, 0, target);
}

static void forked(uint64_t at, unsigned cpu, int32_t parent, int32_t child, unsigned target)
{
	feed((struct sr_event){ .time_ns = at,
				.cpu = (uint16_t)cpu,
				.kind = SR_EV_FORK,
				.ctx = parent,
				.u.fork = { .parent = parent, .child = child } });
	wake_kind(SR_EV_WAKEUP_NEW, at, cpu, parent, child, 0, target);
}

static void bind_to(uint64_t at, int32_t tid, uint32_t source)
{
	feed((struct sr_event){ .time_ns = at, .kind = SR_EV_BIND, .u.bind = { .tid = tid, .source = source } });
}

static void decision(uint64_t at, int32_t tid, int from, int to, unsigned cause, uint32_t cost)
{
	feed((struct sr_event){ .time_ns = at,
				.kind = SR_EV_DECISION,
				.u.decision = { .tid = tid,
						.from = (int16_t)from,
						.to = (int16_t)to,
						.cause = (uint8_t)cause,
						.cost_ns = cost } });
}

static void lost(uint64_t at, unsigned cpu, uint64_t count)
{
	feed((struct sr_event){ .time_ns = at, .cpu = (uint16_t)cpu, .kind = SR_EV_LOST, .u.lost.count = count });
}

static void finish(void)
{
	assert_int_equal(ana_pass_finish(pass, &res, &err), 0);
}

static int teardown(void **state)
{
	ana_result_release(&res);
	ana_pass_free(pass);
	pass = NULL;
	return 0;
}

static double get(const char *name)
{
	double v;

	if (!ana_get(&res, name, &v))
		fail_msg("%s is absent", name);
	return v;
}

static void absent(const char *name)
{
	double v;

	if (ana_get(&res, name, &v))
		fail_msg("%s is there: %g", name, v);
}

static const struct ana_task_row *row(int32_t tid)
{
	for (size_t i = 0; i < res.ntasks; i++)
		if (res.tasks[i].tid == tid)
			return &res.tasks[i];
	fail_msg("no row of task %d", tid);
	return NULL;
}

/* 10 runs 100..120, sleeps, is woken by 20 at 130, runs again 150..160. */
static void simple_sleep(void)
{
	sw(100, 0, 0, R, 10);
	sw(105, 1, 0, R, 20);
	sw(120, 0, 10, S, 0);
	waking(130, 1, 20, 10);
	wakeup(134, 1, 20, 10, 0);
	sw(150, 0, 0, R, 10);
	sw(160, 0, 10, S, 0);
	sw(170, 1, 20, S, 0);
}

static void test_wakeup_latency_is_from_waking_to_switch_in(void **state)
{
	begin();
	simple_sleep();
	finish();
	assert_int_equal(res.wakeup_latency->n, 1);
	assert_true(get("wakeup_latency_ns.max") == 20);
	assert_int_equal(row(10)->max_latency_ns, 20);
	assert_int_equal(row(10)->max_latency_at, 150);
}

static void test_run_delay_is_from_wakeup_to_switch_in(void **state)
{
	begin();
	simple_sleep();
	finish();
	assert_int_equal(res.run_delay->n, 1);
	assert_true(get("run_delay_ns.max") == 16);
}

static void test_counts_and_times_of_a_sleep(void **state)
{
	begin();
	simple_sleep();
	finish();
	assert_true(get("wakeups") == 1);
	assert_true(get("switches_voluntary") == 3);
	assert_true(get("switches_involuntary") == 0);
	assert_true(get("cpu_time_ns") == 20 + 10 + 65);
	assert_true(get("makespan_ns") == 70);
	assert_int_equal(row(10)->sleep_ns, 10);
	assert_int_equal(res.slice->n, 3);
	absent("preempt_wait_ns.mean");
}

static void test_preemption_is_no_sleep(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(120, 0, 10, P, 20);
	sw(150, 0, 20, R, 10); /* yields */
	sw(160, 0, 10, S, 20);
	sw(170, 0, 20, S, 0);
	finish();
	assert_true(get("switches_involuntary") == 2);
	assert_true(get("switches_voluntary") == 2);
	assert_int_equal(res.preempt_wait->n, 2);
	assert_true(get("preempt_wait_ns.max") == 30);
	assert_int_equal(res.preempt_wait->min, 10);
	assert_int_equal(res.run_delay->n, 2);
	assert_null(res.wakeup_latency);
	assert_true(get("wakeups") == 0);
}

static void test_the_last_switch_of_an_exit_is_not_voluntary(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(120, 0, 10, X, 0);
	finish();
	assert_true(get("switches_voluntary") == 0);
	assert_true(get("switches_involuntary") == 0);
	assert_true(get("cpu_time_ns") == 20);
}

static void test_early_wake_counts_from_the_switch_out(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	waking(119, 1, 20, 10); /* 10 is about to sleep on the other cpu */
	sw(120, 0, 10, S, 0);
	wakeup(123, 0, 0, 10, 0);
	sw(130, 0, 0, R, 10);
	sw(140, 0, 10, S, 0);
	finish();
	assert_int_equal(res.wakeup_latency->n, 1);
	assert_true(get("wakeup_latency_ns.max") == 10);
	assert_true(get("wakeups") == 1);
	assert_int_equal(ana_pass_pairs(pass)->n, 1);
	assert_int_equal(res.censored, 3); /* two first waits, and task 20 that still runs */
}

/* On cpu 0, 10 is woken in soft interrupts during 20 so many times, and 20 so many times during 10. */
static void soft_wakes(unsigned of_10, unsigned of_20)
{
	unsigned at = 100;

	begin();
	for (unsigned i = 0; i < of_10 || i < of_20; i++, at += 100) {
		sw(at, 0, 0, R, 10);
		sw(at + 10, 0, 10, S, 20);
		if (i < of_10)
			wake_kind(SR_EV_WAKING, at + 20, 0, 20, 10, SR_EV_SOFTIRQ, 0);
		sw(at + 30, 0, 20, S, 10);
		if (i < of_20)
			wake_kind(SR_EV_WAKING, at + 40, 0, 10, 20, SR_EV_SOFTIRQ, 0);
		sw(at + 50, 0, 10, S, 0);
	}
	finish();
}

static void test_soft_interrupt_wakes_both_ways_are_edges(void **state)
{
	soft_wakes(9, 8);
	assert_int_equal(ana_pass_pairs(pass)->n, 2);
	teardown(state);
	soft_wakes(2, 9);
	assert_int_equal(ana_pass_pairs(pass)->n, 0);
	teardown(state);
	soft_wakes(0, 4);
	assert_int_equal(ana_pass_pairs(pass)->n, 0);
}

static void test_early_wake_without_a_wakeup_event_ends_the_sleep(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	waking(119, 1, 20, 10);
	sw(120, 0, 10, S, 0);
	sw(131, 0, 0, R, 10);
	finish();
	assert_true(get("wakeup_latency_ns.max") == 11);
	assert_true(get("wakeups") == 1);
}

static void test_early_wake_gives_way_to_a_later_one(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	waking(110, 1, 20, 10); /* 10 never went to sleep for it */
	sw(120, 0, 10, S, 0);
	waking(150, 1, 20, 10);
	sw(155, 0, 0, R, 10);
	finish();
	assert_true(get("wakeup_latency_ns.max") == 5);
	assert_true(get("wakeups") == 1);
	assert_int_equal(row(10)->sleep_ns, 30);
}

static void test_a_wakeup_of_a_running_task_ends_its_early_wake(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	waking(110, 1, 20, 10);
	wakeup(111, 1, 20, 10, 0); /* it was still on its queue: it never slept */
	sw(120, 0, 10, S, 0);
	sw(150, 0, 0, R, 10); /* who woke it is not in the stream */
	finish();
	absent("wakeup_latency_ns.max");
	assert_true(get("wakeups") == 0);
}

static void test_a_wake_of_a_preempted_task_is_none(void **state)
{
	begin();
	sw(100, 1, 0, R, 20);
	sw(100, 0, 0, R, 10);
	sw(120, 0, 10, P, 30);
	waking(125, 1, 20, 10);
	wakeup(126, 1, 20, 10, 0);
	sw(130, 0, 30, S, 10);
	finish();
	assert_true(get("wakeups") == 0);
	assert_null(res.wakeup_latency);
	assert_int_equal(res.preempt_wait->max, 10);
}

static void test_a_task_that_runs_at_the_start_counts_from_there(void **state)
{
	begin();
	sw(100, 1, 0, R, 20);
	sw(140, 0, 10, S, 0);
	finish();
	assert_int_equal(row(10)->cpu_ns, 40);
	assert_null(res.slice);
	assert_int_equal(res.censored, 3); /* its slice; 20's first wait, and its slice at the end */
	assert_true(get("makespan_ns") == 40);
}

static void test_a_wait_at_the_end_is_cut_not_counted(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(120, 0, 10, P, 20);
	sw(150, 0, 20, S, 0);
	finish();
	assert_null(res.preempt_wait);
	assert_int_equal(res.censored, 3); /* that one, and the two first waits, that began before the start */
}

/* A recording of one command follows its tasks alone: when who had the CPU before left it is not in it. */
static void test_who_left_a_cpu_unseen_had_it_up_to_its_last_event(void **state)
{
	begin_with((struct ana_pass_config){ .scope = ANA_ALL, .cpus = 2 });
	sw(100, 0, 10, S, 99);
	waking(130, 0, 99, 10);
	sw(400, 0, 98, P, 10); /* 99 is gone */
	sw(450, 0, 10, P, 97);
	sw(600, 1, 99, P, 10);
	sw(610, 1, 10, S, 0);
	finish();
	assert_true(get("cpu_time_ns") == 30 + 50 + 10);
}

static void test_what_left_a_cpu_counts_there_whoever_else_is_shown(void **state)
{
	struct sr_cpumask shown = { { 1 } };

	begin_with((struct ana_pass_config){ .scope = ANA_ALL, .whole_system = true, .cpus = 2, .shown_cpus = &shown });
	sw(100, 0, 0, R, 10);
	sw(110, 0, 10, P, 20);
	sw(120, 1, 0, R, 10);
	sw(130, 1, 10, P, 30);
	sw(140, 0, 20, S, 10);
	finish();
	assert_int_equal(res.cpus[0].migrations_out, 1);
	assert_int_equal(res.cpus[0].migrations_in, 1);
	assert_true(get("migrations.total") == 1);
}

static void test_a_loss_censors_the_waits_that_cross_it(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	sw(110, 1, 20, P, 30);
	sw(120, 0, 10, S, 0);
	waking(130, 1, 30, 10);
	lost(140, 0, 7);
	sw(140, 0, 0, R, 10);
	sw(150, 1, 30, S, 20);
	finish();
	assert_int_equal(res.lost, 7);
	assert_null(res.wakeup_latency);
	assert_null(res.preempt_wait);
}

static void test_a_loss_cuts_the_slice_on_its_cpu_only(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	waking(110, 0, 10, 99); /* the last that is known of cpu 0 */
	lost(150, 0, 0);
	sw(150, 0, 10, S, 0);
	sw(160, 1, 20, S, 0);
	finish();
	assert_int_equal(res.lost, 1);
	assert_int_equal(row(10)->cpu_ns, 10);
	assert_int_equal(row(20)->cpu_ns, 60);
	assert_int_equal(res.slice->n, 1);
}

static void test_a_repaired_switch_that_a_wake_follows_was_a_sleep(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	waking(120, 0, 0, 77); /* proves that 10 has left */
	waking(130, 1, 20, 10);
	sw(140, 0, 0, R, 10);
	sw(150, 0, 10, S, 0);
	finish();
	assert_int_equal(res.repaired, 1);
	assert_int_equal(row(10)->voluntary, 2);
	assert_int_equal(row(10)->involuntary, 0);
	assert_int_equal(res.wakeup_latency->max, 10);
	assert_int_equal(row(10)->sleep_ns, 0); /* when it began is not known */
}

static void test_a_wait_that_ends_in_a_repaired_switch_is_cut(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	sw(110, 0, 10, S, 0);
	waking(120, 1, 20, 10);
	waking(140, 0, 10, 77); /* 10 runs: since when? */
	sw(150, 0, 10, S, 0);
	finish();
	assert_null(res.wakeup_latency);
	assert_int_equal(res.slice->n, 1);
}

static void test_a_wait_that_ends_in_a_repaired_switch_whose_time_is_known_counts(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	sw(110, 0, 10, S, 0);
	waking(120, 1, 20, 10);
	wakeup(130, 0, 0, 10, 0); /* the cpu idles, and writes no switch from there */
	sw(150, 0, 10, S, 0);
	finish();
	assert_int_equal(res.repaired, 1);
	assert_int_equal(res.wakeup_latency->n, 1);
	assert_int_equal(res.wakeup_latency->max, 10);
	assert_int_equal(row(10)->cpu_ns, 30);
	assert_int_equal(res.slice->n, 2);
}

static void test_new_tasks_wait_but_have_no_wakeup_latency(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	forked(110, 0, 10, 11, 1);
	sw(125, 1, 0, R, 11);
	sw(130, 1, 11, X, 0);
	finish();
	assert_int_equal(res.run_delay->max, 15);
	assert_null(res.wakeup_latency);
	assert_true(get("migrations_by_cause.fork") == 1);
	assert_true(get("migrations.total") == 0);
	assert_true(get("wakeups") == 0);
}

static void test_a_reused_tid_is_another_task(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	forked(110, 0, 10, 11, 0);
	sw(115, 0, 10, S, 11);
	sw(120, 0, 11, X, 10);
	forked(130, 0, 10, 11, 0);
	sw(140, 0, 10, S, 11);
	sw(150, 0, 11, X, 0);
	finish();
	assert_int_equal(res.ntasks, 3);
	assert_int_equal(res.tasks[1].cpu_ns, 5);
	assert_int_equal(res.tasks[2].cpu_ns, 10);
}

static void test_migrations_and_their_causes(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	sw(110, 0, 10, S, 0);
	waking(115, 1, 20, 10);
	wakeup(116, 1, 20, 10, 1); /* placed on the other cpu */
	sw(120, 1, 20, P, 10);
	sw(130, 1, 10, P, 0);
	sw(140, 0, 0, R, 10); /* pulled */
	sw(150, 0, 10, P, 0);
	decision(151, 10, 0, 1, SR_CAUSE_TICK, 50);
	sw(160, 1, 0, R, 10);
	decision(165, 10, 1, 0, SR_CAUSE_TICK, 30); /* did not come to it */
	sw(170, 1, 10, P, 0);
	sw(180, 1, 0, R, 10);
	sw(190, 1, 10, P, 0);
	decision(195, 10, 1, 0, SR_CAUSE_TICK, 40);
	sw(200, 2, 0, R, 10); /* somewhere else than decided */
	finish();
	assert_true(get("migrations.total") == 4);
	assert_true(get("migrations_by_cause.wake") == 1);
	assert_true(get("migrations_by_cause.kernel") == 2);
	assert_true(get("migrations_by_cause.tick") == 1);
	assert_true(get("migrations_by_cause.active") == 0);
	assert_true(get("policy_decision_ns.mean") == 40);
	assert_true(get("balancer_cpu_ns") == 120);
	absent("migrations.smt");
}

static void test_decisions_are_counted_in_any_order(void **state)
{
	double p99, mean;

	begin();
	sw(100, 0, 0, R, 10);
	decision(101, 10, 0, 0, SR_CAUSE_WAKE, 10);
	decision(102, 10, 0, 0, SR_CAUSE_TICK, 50);
	finish();
	p99 = get("policy_decision_ns.p99");
	mean = get("policy_decision_ns.mean");
	assert_true(get("balancer_cpu_ns") == 50);
	teardown(state);
	begin();
	sw(100, 0, 0, R, 10);
	decision(101, 10, 0, 0, SR_CAUSE_TICK, 50);
	decision(102, 10, 0, 0, SR_CAUSE_WAKE, 10);
	finish();
	assert_true(get("policy_decision_ns.p99") == p99 && get("policy_decision_ns.mean") == mean);
	assert_true(get("balancer_cpu_ns") == 50);
}

static void test_without_decisions_their_metrics_are_absent(void **state)
{
	begin();
	simple_sleep();
	finish();
	absent("policy_decision_ns.mean");
	absent("balancer_cpu_ns");
	absent("migrations_by_cause.tick");
	assert_true(get("migrations_by_cause.kernel") == 0);
}

static void test_levels_come_from_the_machine(void **state)
{
	struct sr_machine *m = sr_machine_load("package:2 core:2 pu:2", &err);

	if (!m)
		fail_msg("%s", err.text);
	begin_with((struct ana_pass_config){ .scope = ANA_ALL, .whole_system = true, .machine = m });
	sw(100, 0, 0, R, 10);
	sw(110, 0, 10, P, 0);
	sw(120, 1, 0, R, 10); /* the sibling */
	sw(130, 1, 10, P, 0);
	sw(140, 7, 0, R, 10); /* the other package */
	sw(150, 7, 10, P, 0);
	finish();
	assert_true(get("migrations.total") == 2);
	assert_true(get("migrations.smt") == 1);
	assert_true(get("migrations.smt") + get("migrations.llc") + get("migrations.package") +
			    get("migrations.node") ==
		    2);
	sr_machine_free(m);
}

static void test_idle_while_overloaded(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	sw(110, 1, 20, S, 0);  /* cpu 1 idles, nothing waits */
	sw(120, 0, 10, P, 30); /* 10 waits on cpu 0 */
	sw(150, 0, 30, S, 10); /* no longer */
	sw(160, 0, 10, S, 0);
	finish();
	assert_true(get("idle_while_overloaded_ns") == 30);
}

/* 20's switch-out on cpu 0 is missing: nobody knows whether it waits, and it must not count as waiting for ever. */
static void test_who_left_a_cpu_unseen_is_not_queued_there(void **state)
{
	begin();
	sw(100, 0, 0, R, 20);
	sw(100, 1, 0, R, 40);
	sw(110, 1, 40, S, 0);
	sw(120, 0, 10, P, 30); /* the repair: 20 -> 10; 10 waits */
	sw(150, 0, 30, S, 10);
	sw(160, 0, 10, S, 0);
	sw(190, 0, 0, R, 50);
	sw(200, 0, 50, S, 0);
	finish();
	assert_true(get("idle_while_overloaded_ns") == 30);
}

static void test_a_task_placed_on_the_idle_cpu_itself_is_no_overload(void **state)
{
	struct sr_task_starts starts = { 0 };
	struct sr_task_start t = { .tid = 20, .tgid = 20, .state = 'S' };
	struct sr_cpumask two = { { 6 } };

	/* With a third cpu that idles too; once for a task that may run anywhere, once for one bound to cpus 1 and 2. */
	assert_int_equal(sr_task_starts_add(&starts, &t, &two, &err), 0);
	for (int bound = 0; bound < 2; bound++) {
		begin_with((struct ana_pass_config){
			.scope = ANA_ALL, .whole_system = true, .cpus = 3, .starts = bound ? &starts : NULL });
		sw(100, 0, 0, R, 10);
		sw(100, 1, 0, R, 20);
		sw(110, 1, 20, S, 0);
		waking(120, 0, 10, 20);
		wakeup(121, 0, 10, 20, 1); /* cpu 1 needs its time to leave idle */
		sw(150, 1, 0, R, 20);
		finish();
		assert_true(get("idle_while_overloaded_ns") == 0);
		if (!bound)
			teardown(state);
	}
	sr_task_starts_release(&starts);
}

static void test_a_task_bound_to_two_cpus_overloads_for_these(void **state)
{
	struct sr_task_starts starts = { 0 };
	struct sr_task_start t = { .tid = 20, .tgid = 20, .state = 'S' };
	struct sr_cpumask two = { { 6 } };

	assert_int_equal(sr_task_starts_add(&starts, &t, &two, &err), 0);
	begin_with((struct ana_pass_config){ .scope = ANA_ALL, .whole_system = true, .cpus = 3, .starts = &starts });
	sw(100, 2, 0, R, 30);
	sw(100, 1, 0, R, 20);
	sw(110, 1, 20, P, 40); /* it waits on 1; only 0 idles, which it may not use */
	sw(130, 2, 30, S, 0);  /* now 2 does too */
	sw(145, 1, 40, S, 20);
	finish();
	sr_task_starts_release(&starts);
	assert_true(get("idle_while_overloaded_ns") == 15);
}

static void test_affinity_decides_what_is_overload(void **state)
{
	struct sr_task_starts starts = { 0 };
	struct sr_task_start t = { .tid = 10, .tgid = 10, .state = 'S' };
	struct sr_cpumask only0 = { { 1 } };

	assert_int_equal(sr_task_starts_add(&starts, &t, &only0, &err), 0);
	begin_with((struct ana_pass_config){ .scope = ANA_ALL, .whole_system = true, .cpus = 2, .starts = &starts });
	sw(100, 0, 0, R, 10);
	sw(120, 0, 10, P, 30); /* 10 waits on cpu 0, and may not leave it */
	sw(150, 0, 30, P, 10); /* now 30 does, and might */
	sw(157, 0, 10, S, 30);
	finish();
	sr_task_starts_release(&starts);
	assert_true(get("idle_while_overloaded_ns") == 7);
}

static void test_busy_shares_and_imbalance(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	sw(130, 1, 20, S, 0);
	sw(200, 0, 10, S, 0);
	finish();
	assert_true(get("busiest_cpu_share") > 0.769 && get("busiest_cpu_share") < 0.770); /* 100 of 130 */
	/* 1 and 1 for 30 ns; 1 and 0 for 70 ns, half a task above the mean */
	assert_true(get("imbalance_score") > 0.349 && get("imbalance_score") < 0.351);
	assert_int_equal(res.ncpus, 2);
	assert_int_equal(res.cpus[0].all_ns, 100);
	assert_int_equal(res.cpus[1].all_ns, 30);
}

/* Every task of the start slept: until something else is told, the two cpus idle. */
static void begin_told(unsigned cpus)
{
	static struct sr_task_start asleep = { .tid = 9, .tgid = 9, .state = 'S' };
	static struct sr_task_starts starts = { .v = &asleep, .n = 1 };

	begin_with((struct ana_pass_config){ .scope = ANA_ALL, .whole_system = true, .cpus = cpus, .starts = &starts });
}

static void test_what_a_cpu_did_while_it_lost_events_is_in_no_metric(void **state)
{
	begin_told(2);
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	sw(110, 1, 20, S, 0);
	sw(120, 0, 10, P, 30); /* 10 waits, cpu 1 idles */
	waking(140, 1, 0, 20); /* the last that is known of cpu 1 */
	sw(150, 1, 0, R, 20);
	sw(160, 1, 20, S, 0);
	sw(210, 0, 30, P, 31);
	lost(400, 1, 5);
	sw(420, 1, 21, S, 0); /* who ran, not cpu 1's idle task; it idles from here on */
	sw(430, 0, 31, S, 10);
	finish();
	assert_true(get("idle_while_overloaded_ns") == (150 - 120) + (430 - 420));
	assert_int_equal(res.cpus[0].all_ns, 330);
	assert_int_equal(res.cpus[1].all_ns, 10 + 10);
	assert_true(get("busiest_cpu_share") == 330.0 / 350);
	/* 1 and 1, 1 and 0, 2 and 0, 2 and 1, until 160; cpu 0 alone from 400; 3 and 0 from 420 */
	assert_true(get("imbalance_score") == (10 * 0 + 10 * .5 + 30 * 1 + 10 * .5 + 20 * 0 + 10 * 1.5) / 90);
}

static void test_losses_of_two_cpus_that_overlap(void **state)
{
	begin_told(3);
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	sw(110, 0, 10, P, 11); /* cpu 2 idles, 10 waits */
	sw(130, 1, 20, P, 21);
	waking(140, 0, 11, 12);
	lost(150, 1, 1); /* of 130 to 150 */
	sw(150, 1, 21, P, 20);
	waking(160, 1, 20, 12);
	lost(170, 0, 1); /* of 140 to 170 */
	sw(170, 0, 11, P, 10);
	sw(190, 0, 10, P, 11);
	finish();
	assert_true(get("idle_while_overloaded_ns") == (130 - 110) + (190 - 170));
}

static void test_who_waited_where_events_were_lost_is_not_known_to_wait_on(void **state)
{
	begin_told(2);
	sw(100, 0, 0, R, 10);
	sw(110, 0, 10, P, 30); /* 10 waits */
	lost(120, 0, 0);
	waking(120, 0, 30, 40); /* 30 runs on; 10 may be asleep by now */
	sw(150, 0, 30, S, 50);
	finish();
	assert_true(get("idle_while_overloaded_ns") == 0);
	assert_int_equal(res.cpus[0].all_ns, 10 + 30);
}

static void test_a_cpu_that_loses_its_first_events_is_known_from_then_on(void **state)
{
	begin_told(2);
	sw(100, 0, 0, R, 10);
	lost(150, 1, 3);
	waking(160, 1, 20, 10);
	sw(200, 1, 20, S, 0);
	finish();
	assert_int_equal(res.cpus[1].all_ns, 40);
	assert_int_equal(res.cpus[0].all_ns, 100);
	assert_true(get("imbalance_score") == 0); /* cpu 0 alone, then both busy */
}

static void test_losses_before_a_part_are_not_in_it(void **state)
{
	begin_with((struct ana_pass_config){ .scope = ANA_ALL, .whole_system = true, .cpus = 2, .from_ns = 180 });
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	sw(110, 1, 20, S, 0);
	lost(150, 1, 3);
	sw(190, 0, 10, P, 11);
	sw(200, 1, 0, R, 20);
	sw(230, 1, 20, S, 0);
	sw(240, 0, 11, S, 10);
	finish();
	assert_int_equal(res.cpus[0].all_ns, 60);
	assert_int_equal(res.cpus[1].all_ns, 30);
	assert_true(get("idle_while_overloaded_ns") == 10);
}

/* As of another tool's recording: of nothing is it known what it did before its first event. */
static void test_a_cpu_before_its_first_event_does_not_idle(void **state)
{
	struct sr_task_start unknown = { .tid = 9, .tgid = 9, .state = '?' };
	struct sr_task_starts starts = { .v = &unknown, .n = 1 };

	for (int some = 0; some < 2; some++) {
		begin_with((struct ana_pass_config){
			.scope = ANA_ALL, .whole_system = true, .cpus = 3, .starts = some ? &starts : NULL });
		sw(100, 0, 0, R, 10);
		sw(110, 0, 10, P, 30); /* 10 waits; cpu 1 may have its own to do, and cpu 2 never tells */
		sw(150, 1, 20, S, 0);  /* it had, from the start; now it idles */
		sw(160, 0, 30, S, 10);
		finish();
		assert_true(get("idle_while_overloaded_ns") == 10);
		assert_int_equal(res.cpus[1].all_ns, 50);
		assert_int_equal(row(20)->cpu_ns, 50);
		assert_true(get("busiest_cpu_share") == 60.0 / 110);
		assert_true(get("imbalance_score") ==
			    10.0 / 60); /* 2 and 0 for 10 of 60 ns, before that one cpu alone */
		if (!some)
			teardown(state);
	}
}

static void test_the_start_state_tells_what_a_cpu_does_before_its_first_event(void **state)
{
	begin_told(2);
	sw(100, 0, 0, R, 10);
	sw(110, 0, 10, P, 30);
	sw(160, 0, 30, S, 10);
	finish();
	assert_true(get("idle_while_overloaded_ns") == 50);
}

static void test_a_filtered_recording_knows_no_whole_cpus(void **state)
{
	begin_with((struct ana_pass_config){ .scope = ANA_ALL, .cpus = 2 });
	simple_sleep();
	finish();
	absent("idle_while_overloaded_ns");
	absent("busiest_cpu_share");
	absent("imbalance_score");
	assert_true(get("cpu_time_ns") > 0);
}

static void test_the_tree_is_what_counts(void **state)
{
	struct sr_task_starts starts = { 0 };
	struct sr_task_start root = { .tid = 10, .tgid = 10, .state = 'S', .flags = SR_TASK_ROOT };

	assert_int_equal(sr_task_starts_add(&starts, &root, NULL, &err), 0);
	begin_with((struct ana_pass_config){ .scope = ANA_TREE, .whole_system = true, .cpus = 2, .starts = &starts });
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	forked(105, 0, 10, 11, 0);
	sw(110, 0, 10, S, 11);
	sw(130, 0, 11, X, 0);
	sw(190, 1, 20, S, 0);
	finish();
	sr_task_starts_release(&starts);
	assert_int_equal(res.ntasks, 2);
	assert_true(get("cpu_time_ns") == 30);
	assert_true(get("makespan_ns") == 30);
	assert_int_equal(res.cpus[1].all_ns, 90); /* the machine's, whoever ran */
	assert_int_equal(res.cpus[1].busy_ns, 0);
}

static void test_without_a_command_kernel_threads_do_not_count(void **state)
{
	struct sr_task_starts starts = { 0 };
	struct sr_task_start kthread = { .tid = 10, .tgid = 10, .state = 'S', .flags = SR_TASK_KTHREAD };

	assert_int_equal(sr_task_starts_add(&starts, &kthread, NULL, &err), 0);
	begin_with((struct ana_pass_config){ .scope = ANA_TREE, .whole_system = true, .cpus = 2, .starts = &starts });
	sw(100, 0, 0, R, 10);
	sw(110, 0, 10, S, 20);
	sw(130, 0, 20, S, 0);
	finish();
	sr_task_starts_release(&starts);
	assert_int_equal(res.ntasks, 1);
	assert_true(get("cpu_time_ns") == 20);
}

static void test_bound_tasks_count_from_their_bind(void **state)
{
	begin_with((struct ana_pass_config){ .scope = ANA_BOUND, .whole_system = true, .cpus = 2, .pairs = true });
	sw(100, 0, 0, R, 10);
	bind_to(130, 10, 5);
	sw(140, 0, 10, S, 0);
	sw(150, 0, 0, R, 20);
	sw(160, 0, 20, S, 0);
	finish();
	assert_int_equal(res.ntasks, 1);
	assert_int_equal(res.tasks[0].source, 5);
	assert_int_equal(res.tasks[0].cpu_ns, 10);
	assert_true(get("makespan_ns") == 10);
	assert_int_equal(res.tasks[0].voluntary, 1);
}

static void test_a_thread_that_is_bound_again_is_two_tasks(void **state)
{
	begin_with((struct ana_pass_config){ .scope = ANA_BOUND, .whole_system = true, .cpus = 2, .pairs = true });
	bind_to(90, 10, 5);
	sw(100, 0, 0, R, 10);
	bind_to(130, 10, 6);
	sw(140, 0, 10, P, 20);
	bind_to(145, 10, 7); /* while it waits */
	sw(150, 0, 20, S, 10);
	sw(155, 0, 10, S, 0);
	finish();
	assert_int_equal(res.ntasks, 3);
	assert_int_equal(res.tasks[0].source, 5);
	assert_int_equal(res.tasks[0].cpu_ns, 30);
	assert_int_equal(res.tasks[1].source, 6);
	assert_int_equal(res.tasks[1].cpu_ns, 10);
	assert_int_equal(res.tasks[1].involuntary, 1);
	assert_int_equal(res.tasks[2].source, 7);
	assert_int_equal(res.tasks[2].cpu_ns, 5);
	assert_int_equal(res.preempt_wait->max, 10);
}

static void test_a_bind_that_nothing_follows_is_no_task(void **state)
{
	begin_with((struct ana_pass_config){ .scope = ANA_BOUND, .whole_system = true, .cpus = 2 });
	bind_to(90, 10, 5);
	sw(100, 0, 0, R, 10);
	sw(140, 0, 10, S, 0);
	bind_to(145, 10, 6);
	sw(150, 0, 0, R, 20);
	finish();
	assert_int_equal(res.ntasks, 1);
	assert_int_equal(res.tasks[0].source, 5);
}

static void test_a_running_task_is_not_new(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	wake_kind(SR_EV_WAKEUP_NEW, 110, 1, 0, 10, 0, 1); /* only a hostile file says so */
	sw(120, 0, 10, S, 0);
	finish();
	assert_int_equal(row(10)->cpu_ns, 20);
	assert_int_equal(res.slice->n, 1);
}

static void test_runnable_tasks_over_time(void **state)
{
	const uint64_t *ns;

	begin();
	simple_sleep();
	finish();
	ns = res.runnable_ns;
	assert_int_equal(res.nrunnable, 3);
	/* 10 runs from 100, 20 from 105; 10 sleeps 120..130 and from 160; 20 stops at 170. */
	assert_int_equal(ns[0], 0);
	assert_int_equal(ns[1], 5 + 10 + 10);
	assert_int_equal(ns[2], 15 + 30);
}

#define BRIEF_SLICES 4096

struct told {
	struct ana_slice slice[BRIEF_SLICES];
	size_t n;
};

static int tell(void *arg, const struct ana_slice *s, struct sr_error *e)
{
	struct told *t = arg;

	if (t->n < BRIEF_SLICES) {
		t->slice[t->n] = *s;
		t->slice[t->n].comm = t->slice[t->n].other_comm = NULL;
		t->n++;
	}
	return 0;
}

static uint32_t draw_state;

static uint32_t draw(uint32_t below)
{
	draw_state = draw_state * 1664525 + 1013904223;
	return (draw_state >> 8) % below;
}

/* Events of three cpus and eight tasks that are mostly as they can be, with losses, gaps and wakes of tasks that run. */
static void feed_any(unsigned n)
{
	int32_t current[3] = { 0 };
	uint64_t at = 1000;

	for (unsigned i = 0; i < n; i++) {
		unsigned cpu = draw(3);
		int32_t tid = 11 + (int32_t)draw(8), next = draw(4) ? tid : 0;
		static const unsigned states[] = { S, S, S, P, P, R, X };

		at += draw(100);
		if (draw(20) == 0)
			current[cpu] = 0; /* what came before is missing */
		switch (draw(12)) {
		case 0:
			waking(at, cpu, current[cpu], tid);
			break;
		case 1:
			wake_kind(SR_EV_WAKING, at, cpu, current[cpu], tid, SR_EV_HARDIRQ, draw(3));
			break;
		case 2:
		case 3:
			waking(at, cpu, current[cpu], tid);
			wakeup(at + 1, cpu, current[cpu], tid, draw(3));
			break;
		case 4:
			if (draw(8) == 0)
				lost(at, cpu, draw(5));
			break;
		case 5:
			if (draw(4) == 0)
				forked(at, cpu, current[cpu], tid, draw(3));
			break;
		default:
			if (next != current[cpu])
				sw(at, cpu, current[cpu], states[draw(7)], next);
			current[cpu] = next;
		}
	}
}

/* The pass of which only slices and waits are wanted is compiled apart. */
static void test_a_brief_pass_says_the_same(void **state)
{
	static struct told told[2];
	struct ana_result full = { 0 };

	for (unsigned seed = 1; seed <= 200; seed++) {
		for (unsigned brief = 0; brief < 2; brief++) {
			told[brief].n = 0;
			begin_with((struct ana_pass_config){ .scope = ANA_ALL,
							     .whole_system = true,
							     .cpus = 3,
							     .omit = brief ? ANA_OMIT_ALL : 0,
							     .slice = tell,
							     .slice_arg = &told[brief],
							     .slice_kinds = 15 });
			draw_state = seed;
			in_runs = brief;
			feed_any(300);
			in_runs = false;
			finish();
			ana_pass_free(pass);
			pass = NULL;
			if (!brief) {
				full = res;
				res = (struct ana_result){ 0 };
			}
		}
		assert_int_equal(told[0].n, told[1].n);
		assert_memory_equal(told[0].slice, told[1].slice, told[0].n * sizeof(*told[0].slice));
		assert_int_equal(full.ntasks, res.ntasks);
		assert_int_equal(full.lost, res.lost);
		assert_int_equal(full.repaired, res.repaired);
		assert_int_equal(full.censored, res.censored);
		for (size_t i = 0; i < res.ntasks; i++) {
			const struct ana_task_row *a = &full.tasks[i], *b = &res.tasks[i];

			assert_int_equal(a->tid, b->tid);
			assert_int_equal(a->cpu_ns, b->cpu_ns);
			assert_int_equal(a->wait_ns, b->wait_ns);
			assert_int_equal(a->wakeups, b->wakeups);
			assert_int_equal(a->voluntary, b->voluntary);
			assert_int_equal(a->involuntary, b->involuntary);
			assert_int_equal(a->latency_ns, b->latency_ns);
			assert_int_equal(a->latencies, b->latencies);
			assert_int_equal(a->max_latency_ns, b->max_latency_ns);
			assert_int_equal(a->max_latency_at, b->max_latency_at);
			assert_int_equal(a->waits, b->waits);
			assert_int_equal(a->max_wait_ns, b->max_wait_ns);
			assert_int_equal(a->max_wait_at, b->max_wait_at);
		}
		ana_result_release(&full);
		ana_result_release(&res);
	}
}

static void begin_part(uint64_t from, uint64_t to)
{
	begin_with((struct ana_pass_config){
		.scope = ANA_ALL, .whole_system = true, .cpus = 2, .pairs = true, .from_ns = from, .to_ns = to });
}

/* 10 runs 100..120, sleeps, is woken at 130, runs 135..160; 20 runs throughout and wakes it. */
static void one_sleep(void)
{
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	sw(120, 0, 10, S, 0);
	waking(130, 1, 20, 10);
	sw(135, 0, 0, R, 10);
	sw(160, 0, 10, S, 0);
	sw(200, 1, 20, S, 0);
}

static void test_sleeps_are_known_from_block_to_wake(void **state)
{
	begin();
	one_sleep();
	finish();
	assert_int_equal(res.sleep->n, 1);
	assert_int_equal(res.sleep->max, 10);
	assert_int_equal(row(10)->sleep_ns, 10);
}

static void test_a_part_counts_what_is_in_it(void **state)
{
	begin_part(110, 150);
	one_sleep();
	finish();
	assert_int_equal(row(10)->cpu_ns, 10 + 15);
	assert_int_equal(row(20)->cpu_ns, 40);
	assert_int_equal(res.sleep->n, 1);
	assert_true(get("wakeups") == 1);
	assert_true(get("switches_voluntary") == 1);
	assert_true(get("makespan_ns") == 40);
	assert_true(get("wakeup_latency_ns.p50") == 5);
	assert_int_equal(ana_pass_pairs(pass)->n, 1);
	assert_int_equal(res.runnable_ns[1], 10);
	assert_int_equal(res.runnable_ns[2], 10 + 20);
	assert_null(res.slice); /* each is cut at one end */
}

static void test_what_a_part_cuts_is_no_interval(void **state)
{
	begin_part(125, 133);
	one_sleep();
	finish();
	/* The sleep began before, the wait ends after. */
	assert_null(res.sleep);
	assert_null(res.wakeup_latency);
	assert_int_equal(res.ntasks, 1); /* 10 did not run in it */
	assert_int_equal(row(20)->cpu_ns, 8);
}

static void test_a_part_behind_the_end_is_empty(void **state)
{
	begin_part(1000, 2000);
	one_sleep();
	finish();
	assert_int_equal(res.ntasks, 0);
}

static void test_interrupts_are_nobodys_wakes(void **state)
{
	begin();
	sw(100, 0, 0, R, 10);
	sw(100, 1, 0, R, 20);
	sw(110, 0, 10, S, 0);
	wake_kind(SR_EV_WAKING, 120, 1, 20, 10, SR_EV_HARDIRQ, 0);
	sw(125, 0, 0, R, 10);
	sw(130, 0, 10, S, 0);
	finish();
	assert_int_equal(ana_pass_pairs(pass)->n, 0);
	assert_true(get("wakeups") == 1);
}

static void test_pairs_are_counted_by_waker_and_wakee(void **state)
{
	begin();
	simple_sleep();
	finish();
	/* Rows are in the order in which the tasks appeared: 10, 20. */
	assert_int_equal(ana_pairs_count(ana_pass_pairs(pass), 1, 0), 1);
	assert_int_equal(ana_pairs_count(ana_pass_pairs(pass), 0, 1), 0);
}

static void test_a_self_recorded_replay_tells_only_what_its_threads_saw(void **state)
{
	begin_with((struct ana_pass_config){ .scope = ANA_BOUND, .source = ANA_SOURCE_SELF, .pairs = true });
	bind_to(100, 10, 1);
	bind_to(100, 20, 2);
	sw(110, 0, 10, S, 0);   /* blocks */
	waking(120, 0, 20, 10); /* 20 says so from the same cpu, as nobody keeps a cpu's order */
	sw(150, 1, 0, R, 10);   /* its first instruction */
	sw(170, 1, 10, S, 0);
	feed((struct sr_event){ .time_ns = 180, .kind = SR_EV_EXIT, .ctx = 20, .u.exit.tid = 20 });
	finish();
	assert_true(res.self);
	assert_int_equal(res.repaired, 0);
	assert_true(get("wakeup_latency_ns.max") == 30);
	assert_true(get("switches_voluntary") == 2);
	assert_true(get("makespan_ns") == 70); /* from the first block, when 10 is seen first, to the exit of 20 */
	assert_int_equal(ana_pass_pairs(pass)->n, 1);
	absent("cpu_time_ns");
	absent("switches_involuntary");
	absent("run_delay_ns.mean");
	absent("slice_ns.mean");
	absent("migrations.total");
	absent("idle_while_overloaded_ns");
}

static void test_no_event_gives_no_metric(void **state)
{
	begin();
	finish();
	assert_int_equal(res.nmetrics, 0);
	assert_int_equal(res.ntasks, 0);
}

static int slices;
static struct ana_slice last_slice;

static int on_slice(void *arg, const struct ana_slice *s, struct sr_error *e)
{
	slices++;
	last_slice = *s;
	return 0;
}

static void test_slices_tell_what_came_before_them(void **state)
{
	slices = 0;
	begin_with((struct ana_pass_config){ .scope = ANA_ALL, .whole_system = true, .cpus = 2, .slice = on_slice });
	sw(100, 0, 0, R, 10);
	sw(105, 1, 0, R, 20);
	sw(120, 0, 10, S, 0);
	waking(130, 1, 20, 10);
	wakeup(134, 1, 20, 10, 0);
	sw(150, 0, 0, R, 10);
	sw(160, 0, 10, P, 0);
	assert_int_equal(slices, 2);
	assert_int_equal(last_slice.start_ns, 150);
	assert_int_equal(last_slice.end_ns, 160);
	assert_int_equal(last_slice.slept_ns, 10);
	assert_int_equal(last_slice.delay_ns, 16);
	assert_int_equal(last_slice.left, P);
	assert_false(last_slice.cut);
	finish();
}

static void test_a_cpu_beyond_the_limit_is_refused(void **state)
{
	struct sr_event ev = { .kind = SR_EV_SWITCH, .cpu = SR_MAX_CPUS };

	begin();
	assert_int_equal(ana_pass_feed(pass, &ev, &err), -1);
	assert_int_equal(err.status, SR_DAMAGED);
}

#define T(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_wakeup_latency_is_from_waking_to_switch_in),
		T(test_run_delay_is_from_wakeup_to_switch_in),
		T(test_counts_and_times_of_a_sleep),
		T(test_preemption_is_no_sleep),
		T(test_the_last_switch_of_an_exit_is_not_voluntary),
		T(test_early_wake_counts_from_the_switch_out),
		T(test_soft_interrupt_wakes_both_ways_are_edges),
		T(test_early_wake_without_a_wakeup_event_ends_the_sleep),
		T(test_early_wake_gives_way_to_a_later_one),
		T(test_a_wakeup_of_a_running_task_ends_its_early_wake),
		T(test_a_wake_of_a_preempted_task_is_none),
		T(test_a_task_that_runs_at_the_start_counts_from_there),
		T(test_a_wait_at_the_end_is_cut_not_counted),
		T(test_who_left_a_cpu_unseen_had_it_up_to_its_last_event),
		T(test_what_left_a_cpu_counts_there_whoever_else_is_shown),
		T(test_a_loss_censors_the_waits_that_cross_it),
		T(test_a_loss_cuts_the_slice_on_its_cpu_only),
		T(test_a_repaired_switch_that_a_wake_follows_was_a_sleep),
		T(test_a_wait_that_ends_in_a_repaired_switch_is_cut),
		T(test_a_wait_that_ends_in_a_repaired_switch_whose_time_is_known_counts),
		T(test_new_tasks_wait_but_have_no_wakeup_latency),
		T(test_a_reused_tid_is_another_task),
		T(test_migrations_and_their_causes),
		T(test_decisions_are_counted_in_any_order),
		T(test_without_decisions_their_metrics_are_absent),
		T(test_levels_come_from_the_machine),
		T(test_idle_while_overloaded),
		T(test_who_left_a_cpu_unseen_is_not_queued_there),
		T(test_a_task_placed_on_the_idle_cpu_itself_is_no_overload),
		T(test_affinity_decides_what_is_overload),
		T(test_busy_shares_and_imbalance),
		T(test_what_a_cpu_did_while_it_lost_events_is_in_no_metric),
		T(test_losses_of_two_cpus_that_overlap),
		T(test_who_waited_where_events_were_lost_is_not_known_to_wait_on),
		T(test_a_cpu_that_loses_its_first_events_is_known_from_then_on),
		T(test_losses_before_a_part_are_not_in_it),
		T(test_a_cpu_before_its_first_event_does_not_idle),
		T(test_the_start_state_tells_what_a_cpu_does_before_its_first_event),
		T(test_a_filtered_recording_knows_no_whole_cpus),
		T(test_the_tree_is_what_counts),
		T(test_without_a_command_kernel_threads_do_not_count),
		T(test_bound_tasks_count_from_their_bind),
		T(test_a_thread_that_is_bound_again_is_two_tasks),
		T(test_a_bind_that_nothing_follows_is_no_task),
		T(test_a_running_task_is_not_new),
		T(test_a_task_bound_to_two_cpus_overloads_for_these),
		T(test_runnable_tasks_over_time),
		T(test_a_brief_pass_says_the_same),
		T(test_sleeps_are_known_from_block_to_wake),
		T(test_a_part_counts_what_is_in_it),
		T(test_what_a_part_cuts_is_no_interval),
		T(test_a_part_behind_the_end_is_empty),
		T(test_interrupts_are_nobodys_wakes),
		T(test_pairs_are_counted_by_waker_and_wakee),
		T(test_a_self_recorded_replay_tells_only_what_its_threads_saw),
		T(test_no_event_gives_no_metric),
		T(test_slices_tell_what_came_before_them),
		T(test_a_cpu_beyond_the_limit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
