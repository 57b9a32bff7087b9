/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole files: scopes, and the fidelity of a replay to its recording. */
#include <math.h>

#include "tests/unit/trace_builder.h"

#include "analyze/analyze.h"

#define MS 1000000u

static struct sr_error err;
static struct ana_result res;
static char recording[80], replay[80];

static int teardown(void **state)
{
	ana_result_release(&res);
	unlink(recording);
	unlink(replay);
	return 0;
}

static double get(const char *name)
{
	double v;

	if (!ana_get(&res, name, &v))
		fail_msg("%s is absent", name);
	return v;
}

static bool has(const char *name)
{
	double v;

	return ana_get(&res, name, &v);
}

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static void finish(struct trace *t, char path[80], const char *suffix)
{
	snprintf(path, 80, "%.70s.%s", t->path, suffix);
	trace_keep(t, path);
}

/* Two tasks on two cpus: a (10 ms of CPU) wakes b (5 ms) `wakes` times; scale stretches all. Task 99 is no part of it. */
static void ping(struct trace *t, int32_t a, int32_t b, unsigned wakes, unsigned scale, uint64_t latency)
{
	uint64_t at = 100 * MS;

	trace_switch(t, at, 0, 0, SR_STATE_RUNNING, a);
	for (unsigned i = 0; i < wakes; i++) {
		at += 10 * MS / wakes * scale;
		trace_waking(t, at, 0, a, b, 0);
		trace_switch(t, at + latency, 1, 0, SR_STATE_RUNNING, b);
		trace_switch(t, at + latency + 5 * MS / wakes * scale, 1, b, SR_STATE_SLEEPING, 99);
		trace_switch(t, at + latency + 5 * MS / wakes * scale + 1, 1, 99, SR_STATE_SLEEPING, 0);
	}
	trace_exit(t, at + 20 * MS, 0, a);
	trace_switch(t, at + 20 * MS, 0, a, SR_STATE_DEAD, 0);
}

static void write_recording(void)
{
	struct trace t;

	trace_begin(&t, "system");
	trace_task(&t, 10, "a", 'S', SR_TASK_ROOT);
	trace_task(&t, 11, "b", 'S', SR_TASK_ROOT);
	trace_task(&t, 99, "other", 'S', 0);
	ping(&t, 10, 11, 5, 1, 1000);
	finish(&t, recording, "rec");
}

/* a is task 1 of the recording's table, b is 2. */
static void write_replay(unsigned wakes, unsigned scale, uint64_t latency, bool bound)
{
	struct trace t;

	trace_begin(&t, "system");
	trace_meta(&t, "engine", "live");
	trace_meta(&t, "replay.count.order_waits", "17");
	trace_meta(&t, "replay.count.order_expired", "nonsense");
	trace_task(&t, 70, "a", 'S', 0);
	trace_task(&t, 71, "b", 'S', 0);
	if (bound) {
		trace_bind(&t, 90 * MS, 70, 1);
		trace_bind(&t, 90 * MS, 71, 2);
	}
	ping(&t, 70, 71, wakes, scale, latency);
	finish(&t, replay, "rep");
}

static void fidelity(void)
{
	if (ana_fidelity(recording, replay, &res, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_scopes_of_a_recording(void **state)
{
	double tree;

	write_recording();
	assert_int_equal(ana_file(recording, ANA_AUTO, &res, &err), 0);
	assert_int_equal(res.ntasks, 2);
	tree = get("cpu_time_ns");
	NEAR(tree, 35.0 * MS);
	ana_result_release(&res);
	assert_int_equal(ana_file(recording, ANA_ALL, &res, &err), 0);
	assert_int_equal(res.ntasks, 3);
	NEAR(get("cpu_time_ns"), tree + 5);
	NEAR(get("wakeups"), 5);
}

static void test_the_scope_of_a_replay_is_what_it_bound(void **state)
{
	write_replay(5, 1, 1000, true);
	assert_int_equal(ana_file(replay, ANA_AUTO, &res, &err), 0);
	assert_int_equal(res.ntasks, 2);
	assert_int_equal(res.tasks[0].source, 1);
	assert_string_equal(res.tasks[0].comm, "a");
}

static void test_a_perfect_replay(void **state)
{
	write_recording();
	write_replay(5, 1, 1000, true);
	fidelity();
	NEAR(get("fidelity.cpu_time_error"), 0);
	NEAR(get("fidelity.cpu_time_error_tasks"), 0);
	NEAR(get("fidelity.makespan_error"), 0);
	NEAR(get("fidelity.voluntary_switch_error"), 0);
	NEAR(get("fidelity.involuntary_switch_error"), 0);
	NEAR(get("fidelity.wakeup_error"), 0);
	NEAR(get("fidelity.concurrency_distance"), 0);
	NEAR(get("fidelity.wakeup_latency_distance"), 0);
	NEAR(get("fidelity.wake_edges_recall"), 1);
	NEAR(get("fidelity.wake_edges_precision"), 1);
	NEAR(get("fidelity.order_waits"), 17);
	assert_false(has("fidelity.order_waits_expired"));
}

static void test_errors_are_signed_and_relative_to_the_recording(void **state)
{
	write_recording();
	write_replay(4, 2, 4000, true);
	fidelity();
	/* a 40 ms, b 10 ms, against 30 and 5. */
	NEAR(get("fidelity.cpu_time_error"), 15.0 / 35);
	NEAR(get("fidelity.cpu_time_error_tasks"), 15.0 / 35);
	NEAR(get("fidelity.makespan_error"), 40.0 / 30 - 1);
	NEAR(get("fidelity.voluntary_switch_error"), -1.0 / 5);
	NEAR(get("fidelity.wakeup_error"), -1.0 / 5);
	NEAR(get("fidelity.wake_edges_recall"), 4.0 / 5);
	NEAR(get("fidelity.wake_edges_precision"), 1);
	NEAR(get("fidelity.wakeup_latency_distance"), 1);
	assert_true(fabs(get("fidelity.wakeup_latency_p50_error") - 3) < 0.1);
}

static void test_wakes_too_many_cost_precision(void **state)
{
	write_recording();
	write_replay(10, 1, 1000, true);
	fidelity();
	NEAR(get("fidelity.wake_edges_recall"), 1);
	NEAR(get("fidelity.wake_edges_precision"), 0.5);
}

static void test_errors_of_tasks_do_not_cancel(void **state)
{
	struct trace t;

	/* Swapped: what a should do does b, and the reverse; the totals are right. */
	write_recording();
	trace_begin(&t, "system");
	trace_bind(&t, 90 * MS, 70, 2);
	trace_bind(&t, 90 * MS, 71, 1);
	ping(&t, 70, 71, 5, 1, 1000);
	finish(&t, replay, "rep");
	fidelity();
	NEAR(get("fidelity.cpu_time_error"), 0);
	NEAR(get("fidelity.cpu_time_error_tasks"), 50.0 / 35);
	NEAR(get("fidelity.wake_edges_recall"), 0);
}

static void test_concurrency_is_in_parts_of_the_recorded_mean(void **state)
{
	struct trace t;

	trace_begin(&t, "system");
	trace_task(&t, 10, "a", 'S', SR_TASK_ROOT);
	trace_task(&t, 11, "b", 'S', SR_TASK_ROOT);
	trace_switch(&t, 100, 0, 0, 0, 10);
	trace_switch(&t, 100, 1, 0, 0, 11);
	trace_switch(&t, 200, 0, 10, SR_STATE_SLEEPING, 0);
	trace_switch(&t, 200, 1, 11, SR_STATE_SLEEPING, 0);
	finish(&t, recording, "rec");
	trace_begin(&t, "system");
	trace_bind(&t, 90, 70, 1);
	trace_bind(&t, 90, 71, 2);
	trace_switch(&t, 100, 0, 0, 0, 70);
	trace_switch(&t, 200, 0, 70, SR_STATE_SLEEPING, 71);
	trace_switch(&t, 300, 0, 71, SR_STATE_SLEEPING, 0);
	finish(&t, replay, "rep");
	fidelity();
	/* Always one, where always two were recorded. */
	NEAR(get("fidelity.concurrency_distance"), 0.5);
	NEAR(get("fidelity.makespan_error"), 1);
}

static void test_tasks_of_one_name_are_joined_in_their_order(void **state)
{
	for (int second = 0; second < 2; second++) {
		struct trace t;

		trace_begin(&t, "system");
		trace_task(&t, 10 + second * 60, "same", 'S', SR_TASK_ROOT);
		trace_task(&t, 11 + second * 60, "same", 'S', SR_TASK_ROOT);
		trace_task(&t, 99, "other", 'S', 0);
		ping(&t, 10 + second * 60, 11 + second * 60, 5, 1, 1000);
		finish(&t, second ? replay : recording, second ? "rep" : "rec");
	}
	fidelity();
	NEAR(get("fidelity.wake_edges_recall"), 1);
	NEAR(get("fidelity.cpu_time_error_tasks"), 0);
}

static void test_a_second_run_is_joined_by_name(void **state)
{
	write_recording();
	write_replay(4, 1, 1000, false);
	fidelity();
	NEAR(get("fidelity.wake_edges_recall"), 4.0 / 5);
	NEAR(get("fidelity.wakeup_error"), -1.0 / 5);
}

static void test_a_self_recorded_replay_takes_its_cpu_time_from_the_engine(void **state)
{
	struct trace t;

	write_recording();
	trace_begin(&t, "self");
	trace_meta(&t, "source", "self");
	trace_meta(&t, "engine", "live");
	trace_meta(&t, "replay.count.paid_ns", "38500000");
	trace_bind(&t, 90 * MS, 70, 1);
	trace_bind(&t, 90 * MS, 71, 2);
	for (unsigned i = 0; i < 5; i++) {
		trace_waking(&t, 110 * MS + i * MS, 0, 70, 71, 0);
		trace_switch(&t, 110 * MS + i * MS + 1000, 0, 0, 0, 71);
		trace_switch(&t, 110 * MS + i * MS + 2000, 0, 71, SR_STATE_SLEEPING, 0);
	}
	finish(&t, replay, "rep");
	fidelity();
	NEAR(get("fidelity.cpu_time_error"), 0.1);
	NEAR(get("fidelity.wake_edges_recall"), 1);
	NEAR(get("fidelity.voluntary_switch_error"), 0);
	assert_false(has("fidelity.involuntary_switch_error"));
	assert_false(has("fidelity.cpu_time_error_tasks"));
}

static void test_a_missing_file_is_the_environments_fault(void **state)
{
	write_recording();
	assert_int_equal(ana_fidelity(recording, "/nowhere/x.srz", &res, &err), -1);
	assert_int_equal(err.status, SR_ENVIRONMENT);
	assert_int_equal(ana_file("/nowhere/x.srz", ANA_AUTO, &res, &err), -1);
	assert_int_equal(err.status, SR_ENVIRONMENT);
}

static int stop_at_first(void *arg, const struct ana_slice *s, struct sr_error *e)
{
	++*(int *)arg;
	return sr_fail(e, SR_ENVIRONMENT, "enough");
}

static void test_a_slice_taker_can_end_it(void **state)
{
	int n = 0;

	write_recording();
	assert_int_equal(ana_file_slices(recording, ANA_AUTO, stop_at_first, &n, &res, &err), -1);
	assert_string_equal(err.text, "enough");
	assert_int_equal(n, 1);
}

#define T(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_scopes_of_a_recording),
		T(test_the_scope_of_a_replay_is_what_it_bound),
		T(test_a_perfect_replay),
		T(test_errors_are_signed_and_relative_to_the_recording),
		T(test_wakes_too_many_cost_precision),
		T(test_errors_of_tasks_do_not_cancel),
		T(test_concurrency_is_in_parts_of_the_recorded_mean),
		T(test_tasks_of_one_name_are_joined_in_their_order),
		T(test_a_second_run_is_joined_by_name),
		T(test_a_self_recorded_replay_takes_its_cpu_time_from_the_engine),
		T(test_a_missing_file_is_the_environments_fault),
		T(test_a_slice_taker_can_end_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
