/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Features of small recordings of which one knows them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analyze/features.h"
#include "tests/unit/trace_builder.h"

#define MS 1000000ull

static struct sr_error err;

static struct ana_features features_of(struct trace *t)
{
	struct ana_features f;
	struct srz_reader *r = trace_end(t);

	if (ana_features(r, &f, &err))
		fail_msg("%s", err.text);
	srz_reader_free(r);
	return f;
}

static void near(double got, double want)
{
	if (!(fabs(got - want) <= 0.02 * fabs(want) + 1e-9))
		fail_msg("%g, not %g", got, want);
}

/* One task that a timer wakes every 10 ms, and that runs 2 ms each time: of one second, on CPU 0. */
static void test_a_periodic_task(void **state)
{
	struct ana_features f;
	struct trace t;

	trace_begin(&t, "system");
	trace_task(&t, 100, "p", 'S', 0);
	for (uint64_t i = 0; i < 100; i++) {
		trace_waking(&t, MS * (10 * i + 1), 0, 0, 100, SR_EV_HARDIRQ);
		trace_switch(&t, MS * (10 * i + 1) + 5000, 0, 0, SR_STATE_RUNNING, 100);
		trace_switch(&t, MS * (10 * i + 3) + 5000, 0, 100, SR_STATE_SLEEPING, 0);
	}
	f = features_of(&t);
	near(f.v[ANA_F_PERIODIC_SHARE], 1);
	near(f.v[ANA_F_PERIOD], 10 * MS);
	near(f.v[ANA_F_BURST_P50], 2 * MS);
	near(f.v[ANA_F_SLEEP_P50], 8 * MS);
	near(f.v[ANA_F_WAIT_P50], 5000);
	near(f.v[ANA_F_BUSY_SHARE], 0.2);
	near(f.v[ANA_F_WAKE_IRQ_SHARE], 1);
	near(f.v[ANA_F_WAKE_RATE], 100);
	near(f.v[ANA_F_TOP_TASK_SHARE], 1);
	near(f.v[ANA_F_TASKS_EFFECTIVE], 1);
	near(f.v[ANA_F_TASKS_ACTIVE], 1);
	near(f.v[ANA_F_CONCURRENCY_MAX], 1);
	near(f.v[ANA_F_CONCURRENCY_MEAN], 0.2);
	near(f.v[ANA_F_INVOLUNTARY_SHARE], 0);
	near(f.v[ANA_F_RT_SHARE], 0);
	/* Nobody woke anybody: not known, rather than 0. */
	assert_true(isnan(f.v[ANA_F_WAKE_MUTUAL_SHARE]));
}

/* Two that wake each other in turn, on two CPUs, and a third that spins beside one of them. */
static void test_a_dialogue(void **state)
{
	struct ana_features f;
	struct trace t;
	uint64_t at = MS;

	trace_begin(&t, "system");
	trace_task(&t, 1, "a", 'R', 0);
	trace_task(&t, 2, "b", 'S', SR_TASK_KTHREAD);
	trace_switch(&t, at, 0, 0, SR_STATE_RUNNING, 1);
	for (int i = 0; i < 500; i++, at += 2 * MS) {
		trace_waking(&t, at + 900000, 0, 1, 2, 0);
		trace_switch(&t, at + 910000, 0, 1, SR_STATE_SLEEPING, 0);
		trace_switch(&t, at + 920000, 1, 0, SR_STATE_RUNNING, 2);
		trace_waking(&t, at + 1900000, 1, 2, 1, 0);
		trace_switch(&t, at + 1910000, 1, 2, SR_STATE_SLEEPING, 0);
		trace_switch(&t, at + 1920000, 0, 0, SR_STATE_RUNNING, 1);
	}
	f = features_of(&t);
	near(f.v[ANA_F_WAKE_MUTUAL_SHARE], 1);
	near(f.v[ANA_F_WAKE_DEGREE], 1);
	near(f.v[ANA_F_WAKE_HUB_SHARE], 0.5);
	near(f.v[ANA_F_WAKE_IRQ_SHARE], 0);
	near(f.v[ANA_F_BUSY_SHARE], 0.5);
	near(f.v[ANA_F_TASKS_EFFECTIVE], 2);
	near(f.v[ANA_F_KERNEL_SHARE], 0.5);
	near(f.v[ANA_F_SWITCH_RATE], 500);
}

/* Four at once on one CPU: three wait, whoever runs is preempted. */
static void test_contention(void **state)
{
	struct ana_features f;
	struct trace t;
	uint64_t at = MS;
	int32_t runs = 1;

	trace_begin(&t, "system");
	for (int32_t i = 1; i <= 4; i++)
		trace_task(&t, i, "w", 'R', 0);
	trace_switch(&t, at, 0, 0, SR_STATE_RUNNING, 1);
	for (int i = 0; i < 400; i++) {
		int32_t next = runs % 4 + 1;

		at += 3 * MS;
		trace_switch(&t, at, 0, runs, SR_STATE_PREEMPTED, next);
		runs = next;
	}
	f = features_of(&t);
	near(f.v[ANA_F_INVOLUNTARY_SHARE], 400.0 / 401);
	near(f.v[ANA_F_WAIT_P50], 9 * MS);
	near(f.v[ANA_F_CONCURRENCY_MAX], 4);
	near(f.v[ANA_F_CONCURRENCY_P95], 4);
	near(f.v[ANA_F_BUSY_SHARE], 1);
	near(f.v[ANA_F_TASKS_EFFECTIVE], 4);
}

/* More pairs than are kept: the degree is an estimate then, and near. */
static void test_a_wake_graph_that_is_too_large(void **state)
{
	struct ana_features f;
	struct trace t;
	uint64_t at = MS;

	trace_begin(&t, "system");
	for (int32_t w = 1; w <= 400; w++) {
		trace_switch(&t, at += 100, 0, w == 1 ? 0 : w - 1, SR_STATE_SLEEPING, w);
		for (int32_t i = 0; i < 500; i++)
			trace_waking(&t, at += 100, 0, w, 1000 + i, 0);
	}
	f = features_of(&t);
	if (!(fabs(f.v[ANA_F_WAKE_DEGREE] - 500) < 25))
		fail_msg("%g", f.v[ANA_F_WAKE_DEGREE]);
	near(f.v[ANA_F_WAKE_HUB_SHARE], 1.0 / 400);
}

static void test_a_recording_without_events(void **state)
{
	struct ana_features f;
	struct trace t;

	trace_begin(&t, "tree");
	f = features_of(&t);
	for (unsigned i = 0; i < ANA_FEATURES; i++)
		if (i != ANA_F_TASKS_ACTIVE)
			assert_true(isnan(f.v[i]) || f.v[i] == 0);
}

static void test_names_are_all_there(void **state)
{
	for (unsigned i = 0; i < ANA_FEATURES; i++)
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(ana_feature_name(i), ana_feature_name(k));
	assert_string_equal(ana_feature_name(ANA_FEATURES), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_periodic_task),
		cmocka_unit_test(test_a_dialogue),
		cmocka_unit_test(test_contention),
		cmocka_unit_test(test_a_wake_graph_that_is_too_large),
		cmocka_unit_test(test_a_recording_without_events),
		cmocka_unit_test(test_names_are_all_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
