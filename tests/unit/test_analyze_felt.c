/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person feels: frames of periodic tasks, stalls of interactive ones. */
#include "tests/unit/trace_builder.h"

#include "analyze/analyze.h"

#define MS 1000000ull
#define P (10 * MS) /* of most tests' task */
#define FIRST (100 * MS)

static struct sr_error err;
static struct ana_result res;
static struct trace t;

static int setup(void **state)
{
	trace_begin(&t, "system");
	return 0;
}

static int teardown(void **state)
{
	ana_result_release(&res);
	return 0;
}

static void finish_with(const struct ana_request *q)
{
	char path[80];

	snprintf(path, sizeof(path), "%s.felt", t.path);
	trace_keep(&t, path);
	if (ana_file_request(path, q, &res, &err) < 0)
		fail_msg("%s", err.text);
	unlink(path);
}

static void finish(void)
{
	finish_with(&(struct ana_request){ .scope = ANA_ALL });
}

static const struct ana_task_row *row(int32_t tid)
{
	for (size_t i = 0; i < res.ntasks; i++)
		if (res.tasks[i].tid == tid)
			return &res.tasks[i];
	fail_msg("task %d has no row", tid);
	return NULL;
}

static const struct ana_frames *frames(void)
{
	return &row(5)->frames;
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

/* Task 5 is woken, waits, works and sleeps, alone on cpu 0. */
static void work(uint64_t at, unsigned flags, uint64_t wait, uint64_t ns)
{
	trace_waking(&t, at, 0, 0, 5, flags);
	trace_switch(&t, at + wait, 0, 0, SR_STATE_RUNNING, 5);
	trace_switch(&t, at + wait + ns, 0, 5, SR_STATE_SLEEPING, 0);
}

static void timer(uint64_t at)
{
	work(at, SR_EV_HARDIRQ, MS / 10, 2 * MS);
}

static void timers(unsigned from, unsigned to) /* the to-th is not among them */
{
	for (unsigned k = from; k < to; k++)
		timer(FIRST + k * P);
}

/* The first wake-up's frame began before anything was known of the task, the last one's has no end. */
#define OPEN_ENDS 2

static void test_a_task_that_a_timer_wakes_is_periodic(void **state)
{
	timers(0, 40);
	finish();
	assert_int_equal(frames()->period_ns, P);
	assert_int_equal(frames()->n, 40 - OPEN_ENDS);
	assert_int_equal(frames()->late, 0);
	assert_int_equal(frames()->missed, 0);
	assert_int_equal(frames()->cut, 1);
	assert_int_equal(frames()->worst_ns, 2 * MS + MS / 10);
	assert_true(get("periodic_tasks") == 1 && get("frames") == 38 && get("frames_late_share") == 0);
}

static void test_fewer_wakeups_than_the_window_are_no_period(void **state)
{
	timers(0, ANA_PERIOD_WINDOW + 1);
	finish();
	assert_int_equal(frames()->period_ns, 0);
	assert_true(get("periodic_tasks") == 0);
	assert_false(has("frames"));
}

static void test_work_beyond_the_period_is_late_and_misses_one(void **state)
{
	timers(0, 20);
	work(FIRST + 20 * P, SR_EV_HARDIRQ, 0, 13 * MS);
	timers(22, 40);
	finish();
	assert_int_equal(frames()->n, 39 - OPEN_ENDS);
	assert_int_equal(frames()->late, 1);
	assert_int_equal(frames()->missed, 1);
	assert_int_equal(frames()->late_by_wait, 0);
	assert_int_equal(frames()->run_max, 1);
	assert_int_equal(frames()->worst_ns, 13 * MS);
	assert_int_equal(frames()->worst_at_ns, FIRST + 20 * P);
}

static void test_a_frame_may_miss_several_periods(void **state)
{
	timers(0, 20);
	work(FIRST + 20 * P, SR_EV_HARDIRQ, 0, 35 * MS);
	timers(24, 40);
	finish();
	assert_int_equal(frames()->late, 1);
	assert_int_equal(frames()->missed, 3);
}

static void test_a_wait_that_makes_a_frame_late_is_told(void **state)
{
	timers(0, 20);
	work(FIRST + 20 * P, SR_EV_HARDIRQ, 9 * MS, 2 * MS);
	timers(22, 40);
	finish();
	assert_int_equal(frames()->late, 1);
	assert_int_equal(frames()->late_by_wait, 1);
	assert_true(get("frames_late_by_wait") == 1);
}

static void test_a_preemption_that_makes_a_frame_late_is_told(void **state)
{
	uint64_t at = FIRST + 20 * P;

	timers(0, 20);
	trace_waking(&t, at, 0, 0, 5, SR_EV_HARDIRQ);
	trace_switch(&t, at + MS, 0, 0, SR_STATE_RUNNING, 5);
	trace_switch(&t, at + 2 * MS, 0, 5, SR_STATE_PREEMPTED, 9);
	trace_switch(&t, at + 11 * MS, 0, 9, SR_STATE_SLEEPING, 5);
	trace_switch(&t, at + 12 * MS, 0, 5, SR_STATE_SLEEPING, 0);
	timers(22, 40);
	finish();
	assert_int_equal(frames()->late, 1);
	assert_int_equal(frames()->late_by_wait, 1);
}

static void test_late_frames_in_a_row(void **state)
{
	timers(0, 20);
	for (unsigned k = 20; k < 26; k += 2)
		work(FIRST + k * P, SR_EV_HARDIRQ, 0, 12 * MS);
	timers(26, 30);
	work(FIRST + 30 * P, SR_EV_HARDIRQ, 0, 12 * MS);
	timers(32, 40);
	finish();
	assert_int_equal(frames()->late, 4);
	assert_int_equal(frames()->run_max, 3);
	assert_true(get("frames_late_run_max") == 3);
}

static void test_a_wakeup_that_comes_late_makes_its_frame_late(void **state)
{
	timers(0, 20);
	timer(FIRST + 20 * P + 6 * MS);
	timers(21, 40);
	finish();
	assert_int_equal(frames()->late, 1);
	assert_int_equal(frames()->missed, 1);
	assert_int_equal(frames()->late_by_wait, 0);
}

static void test_a_pause_is_no_late_frame(void **state)
{
	timers(0, 20);
	timers(60, 80);
	finish();
	assert_int_equal(frames()->n, 40 - OPEN_ENDS);
	assert_int_equal(frames()->late, 0);
	assert_int_equal(frames()->missed, 0);
}

static void test_another_rate_is_learnt_and_nothing_of_it_is_late(void **state)
{
	timers(0, 30);
	for (unsigned k = 30; k < 90; k += 2)
		timer(FIRST + k * P);
	finish();
	assert_int_equal(frames()->period_ns, 2 * P);
	assert_int_equal(frames()->late, 0);
	assert_int_equal(frames()->missed, 0);
	assert_int_equal(frames()->n, 60 - OPEN_ENDS);
}

static void test_irregular_wakeups_have_no_period(void **state)
{
	uint64_t at = FIRST, seed = 1;

	for (unsigned k = 0; k < 2000; k++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		at += 3 * MS + (seed >> 33) % (20 * MS);
		work(at, SR_EV_HARDIRQ, MS / 10, MS);
	}
	finish();
	assert_int_equal(frames()->period_ns, 0);
}

static void test_wakeups_by_others_hide_no_timer(void **state)
{
	for (unsigned k = 0; k < 40; k++) {
		timer(FIRST + k * P);
		if (k % 3 == 0)
			work(FIRST + k * P + 4 * MS, 0, MS / 10, MS);
		if (k % 2 == 0)
			work(FIRST + k * P + 7 * MS, 0, MS / 10, MS);
	}
	finish();
	assert_int_equal(frames()->period_ns, P);
	assert_int_equal(frames()->n, 40 - OPEN_ENDS);
	assert_int_equal(frames()->late, 0);
}

static void test_work_for_others_in_a_pause_is_no_late_frame(void **state)
{
	timers(0, 20);
	for (unsigned k = 20; k < 60; k++)
		work(FIRST + k * P + (k % 7) * MS, 0, MS / 10, MS);
	timers(60, 80);
	finish();
	assert_int_equal(frames()->period_ns, P);
	assert_int_equal(frames()->late, 0);
}

static void test_a_task_that_others_wake_may_be_periodic(void **state)
{
	for (unsigned k = 0; k < 40; k++)
		work(FIRST + k * P, 0, MS / 10, 2 * MS);
	finish();
	assert_int_equal(frames()->period_ns, P);
	assert_int_equal(frames()->n, 40 - OPEN_ENDS);
}

static void test_lost_events_cut_frames_and_make_none_late(void **state)
{
	timers(0, 25);
	trace_put(&t, (struct sr_event){ .time_ns = FIRST + 27 * P, .cpu = 0, .kind = SR_EV_LOST, .u.lost.count = 9 });
	timers(28, 40);
	finish();
	assert_int_equal(frames()->late, 0);
	assert_int_equal(frames()->missed, 0);
	assert_int_equal(frames()->cut, 2);
	assert_int_equal(frames()->n, 37 - 1 - OPEN_ENDS);
}

static void test_a_part_counts_its_own_frames_only(void **state)
{
	timers(0, 20);
	work(FIRST + 20 * P, SR_EV_HARDIRQ, 0, 13 * MS);
	timers(22, 60);
	/* Time counts from the first event, which is the first wake-up. */
	finish_with(&(struct ana_request){ .scope = ANA_ALL, .window = { 30 * P + MS, 50 * P + MS } });
	assert_int_equal(frames()->period_ns, P);
	assert_int_equal(frames()->late, 0);
	assert_int_equal(frames()->n, 19);
}

static void test_kernel_threads_have_no_frames(void **state)
{
	trace_task(&t, 5, "kthread", 'S', SR_TASK_KTHREAD);
	timers(0, 40);
	finish();
	assert_int_equal(frames()->period_ns, 0);
	assert_false(row(5)->interactive);
}

/* A stall is all that one activation waited for a cpu. */
static void test_a_stall_is_the_sum_of_one_activations_waits(void **state)
{
	uint64_t at = FIRST + 300 * MS;

	timers(0, 12);
	trace_waking(&t, at, 0, 0, 5, 0);
	trace_switch(&t, at + MS, 0, 0, SR_STATE_RUNNING, 5);
	trace_switch(&t, at + 2 * MS, 0, 5, SR_STATE_PREEMPTED, 9);
	trace_switch(&t, at + 7 * MS, 0, 9, SR_STATE_SLEEPING, 5);
	trace_switch(&t, at + 8 * MS, 0, 5, SR_STATE_SLEEPING, 0);
	timer(FIRST + 400 * MS);
	finish();
	assert_true(row(5)->interactive);
	assert_int_equal(row(5)->stall_ns, 6 * MS);
	assert_int_equal(row(5)->stall_at, at);
	assert_int_equal(row(5)->stall_open_ns, 0);
	assert_true(get("longest_stall_ns") == 6 * MS);
	assert_true(get("interactive_tasks") == 1);
}

static void test_a_stall_that_the_end_cuts_is_not_counted_but_told(void **state)
{
	timers(0, 12);
	trace_waking(&t, FIRST + 200 * MS, 0, 0, 5, 0);
	trace_switch(&t, FIRST + 230 * MS, 0, 0, SR_STATE_RUNNING, 9);
	finish();
	assert_int_equal(row(5)->stall_ns, MS / 10);
	assert_int_equal(row(5)->stall_open_ns, 30 * MS);
	assert_true(get("longest_stall_ns") == MS / 10);
}

static void test_a_stall_with_lost_events_in_it_is_not_counted(void **state)
{
	timers(0, 12);
	trace_waking(&t, FIRST + 200 * MS, 0, 0, 5, 0);
	trace_put(&t,
		  (struct sr_event){ .time_ns = FIRST + 210 * MS, .cpu = 0, .kind = SR_EV_LOST, .u.lost.count = 1 });
	trace_switch(&t, FIRST + 230 * MS, 0, 0, SR_STATE_RUNNING, 5);
	trace_switch(&t, FIRST + 231 * MS, 0, 5, SR_STATE_SLEEPING, 0);
	finish();
	assert_int_equal(row(5)->stall_ns, MS / 10);
}

static void test_a_task_that_runs_more_than_it_sleeps_is_not_interactive(void **state)
{
	for (unsigned k = 0; k < 20; k++)
		work(FIRST + k * P, 0, MS / 10, 8 * MS);
	finish();
	assert_false(row(5)->interactive);
	assert_false(has("longest_stall_ns"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_task_that_a_timer_wakes_is_periodic),
		T(test_fewer_wakeups_than_the_window_are_no_period),
		T(test_work_beyond_the_period_is_late_and_misses_one),
		T(test_a_frame_may_miss_several_periods),
		T(test_a_wait_that_makes_a_frame_late_is_told),
		T(test_a_preemption_that_makes_a_frame_late_is_told),
		T(test_late_frames_in_a_row),
		T(test_a_wakeup_that_comes_late_makes_its_frame_late),
		T(test_a_pause_is_no_late_frame),
		T(test_another_rate_is_learnt_and_nothing_of_it_is_late),
		T(test_irregular_wakeups_have_no_period),
		T(test_wakeups_by_others_hide_no_timer),
		T(test_work_for_others_in_a_pause_is_no_late_frame),
		T(test_a_task_that_others_wake_may_be_periodic),
		T(test_lost_events_cut_frames_and_make_none_late),
		T(test_a_part_counts_its_own_frames_only),
		T(test_kernel_threads_have_no_frames),
		T(test_a_stall_is_the_sum_of_one_activations_waits),
		T(test_a_stall_that_the_end_cuts_is_not_counted_but_told),
		T(test_a_stall_with_lost_events_in_it_is_not_counted),
		T(test_a_task_that_runs_more_than_it_sleeps_is_not_interactive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
