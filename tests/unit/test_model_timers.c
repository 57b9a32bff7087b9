/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which sleeps are periodic timers, which relative ones (model_timers.c), and when the live engine ends them. */
#include "tests/unit/trace_builder.h"

#include "formats/model.h"
#include "replay/engine_internal.h"

#define S SR_STATE_SLEEPING
#define R SR_STATE_PREEMPTED
#define US 1000u
#define MS 1000000u

static uint64_t seed;

static uint64_t below(uint64_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % n;
}

/* One task, running from 1 ms on. */
static void begin(struct trace *t)
{
	seed = 1;
	trace_begin(t, "system");
	trace_task(t, 10, "a", 'R', 0);
	trace_switch(t, MS, 0, 0, R, 10);
}

/* It sleeps from `block` on, and an interrupt wakes it. */
static void slept(struct trace *t, uint64_t block, uint64_t wake)
{
	trace_switch(t, block, 0, 10, S, 0);
	trace_waking(t, wake, 0, 0, 10, SR_EV_HARDIRQ);
	trace_switch(t, wake + 5 * US, 0, 0, R, 10);
}

static struct sr_model *built(struct trace *t, uint64_t end)
{
	struct sr_model_options none = { 0 };

	trace_switch(t, end, 0, 10, S, 0);
	return trace_model(t, &none);
}

/* n periods from `at` on, with bursts of 1 to 4 ms; wakes come up to `late` after their deadlines. */
static uint64_t periods(struct trace *t, uint64_t at, uint64_t period, unsigned n, uint64_t late)
{
	uint64_t wake = at;

	for (unsigned i = 0; i < n; i++) {
		uint64_t deadline = at + (i + 1) * period;

		slept(t, wake + MS + below(3 * MS), deadline + below(late));
		wake = deadline + late;
	}
	return wake;
}

static void wakes_on_a_grid_are_a_periodic_timer(void **state)
{
	struct trace t;
	struct sr_model *m;
	uint64_t end;

	begin(&t);
	end = periods(&t, 2 * MS, 10 * MS, 50, 100 * US);
	m = built(&t, end + MS);
	assert_int_equal(m->counts.sleeps[SR_SLEEP_PERIODIC], 50);
	assert_int_equal(m->counts.timers_periodic, 1);
	/* Deadlines are drift-free, whatever their wakes' lateness. */
	for (unsigned i = 1; i < 50; i++) {
		uint64_t step = m->tasks[0].waits[i].deadline_ns - m->tasks[0].waits[i - 1].deadline_ns;

		assert_true(step > 10 * MS - 5 * US && step < 10 * MS + 5 * US);
		assert_false(m->tasks[0].waits[i].anchor);
	}
	assert_true(m->tasks[0].waits[0].anchor);
	sr_model_free(m);
}

static void sleeps_of_one_length_are_a_relative_timer(void **state)
{
	struct trace t;
	struct sr_model *m;
	uint64_t now = 2 * MS;

	begin(&t);
	for (unsigned i = 0; i < 50; i++) {
		uint64_t block = now + 3 * MS + below(MS);

		now = block + 7 * MS + below(60 * US);
		slept(&t, block, now);
	}
	m = built(&t, now + MS);
	assert_int_equal(m->counts.sleeps[SR_SLEEP_PERIODIC], 0);
	assert_int_equal(m->counts.sleeps[SR_SLEEP_RELATIVE], 50);
	sr_model_free(m);
}

static void missed_periods_do_not_end_a_timer(void **state)
{
	struct trace t;
	struct sr_model *m;
	uint64_t wake = 2 * MS;
	unsigned n = 0;

	begin(&t);
	for (unsigned i = 0; i < 80; i++) {
		uint64_t deadline = 2 * MS + (i + 1) * 10ull * MS;

		if (i % 7 == 3 || i % 11 == 5) /* the burst went on */
			continue;
		slept(&t, wake + MS + below(3 * MS), deadline + below(50 * US));
		wake = deadline + 60 * US;
		n++;
	}
	m = built(&t, wake + MS);
	assert_int_equal(m->counts.sleeps[SR_SLEEP_PERIODIC], n);
	assert_int_equal(m->counts.timers_periodic, 1);
	sr_model_free(m);
}

static void two_timers_of_one_task_are_told_apart(void **state)
{
	struct trace t;
	struct sr_model *m;
	uint64_t wake = 2 * MS, a = 2 * MS, b = 2 * MS, n = 0;

	begin(&t);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t next;

		if (a <= wake + 2 * MS)
			a += 10 * MS;
		if (b <= wake + 2 * MS)
			b += 23 * MS + 300 * US;
		next = a < b ? a : b;
		slept(&t, wake + 200 * US + below(MS), next + below(30 * US));
		wake = next + 40 * US;
		n++;
	}
	m = built(&t, wake + MS);
	assert_true(m->counts.sleeps[SR_SLEEP_PERIODIC] > n * 9 / 10);
	assert_true(m->counts.timers_periodic >= 2);
	sr_model_free(m);
}

static void a_new_phase_begins_a_new_timer(void **state)
{
	struct trace t;
	struct sr_model *m;
	uint64_t end;

	begin(&t);
	end = periods(&t, 2 * MS, 10 * MS, 30, 50 * US);
	slept(&t, end + MS, end + 1000 * MS + 4 * MS);
	end = periods(&t, end + 1010 * MS, 10 * MS, 30, 50 * US);
	m = built(&t, end + MS);
	assert_in_range(m->counts.sleeps[SR_SLEEP_PERIODIC], 60, 61);
	assert_int_equal(m->counts.timers_periodic, 2);
	sr_model_free(m);
}

static void frames_at_whole_milliseconds_keep_their_times(void **state)
{
	struct trace t;
	struct sr_model *m;
	uint64_t wake = 2 * MS;

	begin(&t);
	for (unsigned i = 0; i < 60; i++) {
		uint64_t deadline = 2 * MS + (i + 1) * 100ull * MS / 3 / MS * MS;

		slept(&t, wake + MS + below(16 * MS), deadline + 20 * US);
		wake = deadline + 30 * US;
	}
	m = built(&t, wake + MS);
	assert_int_equal(m->counts.sleeps[SR_SLEEP_PERIODIC], 60);
	for (unsigned i = 0; i < 60; i++)
		assert_in_range(m->tasks[0].waits[i].deadline_ns, m->tasks[0].waits[i].wake_ns - 200 * US,
				m->tasks[0].waits[i].wake_ns + 200 * US);
	sr_model_free(m);
}

static void random_wakes_are_no_timer(void **state)
{
	struct trace t;
	struct sr_model *m;
	uint64_t now = 2 * MS;

	begin(&t);
	for (unsigned i = 0; i < 2000; i++) {
		uint64_t block = now + 10 * US + below(MS);

		now = block + 20 * US + below(below(20) ? 3 * MS : 40 * MS);
		slept(&t, block, now);
	}
	m = built(&t, now + MS);
	assert_in_range(m->counts.sleeps[SR_SLEEP_PERIODIC], 0, 60);
	sr_model_free(m);
}

static void sleeps_in_state_d_are_the_disks(void **state)
{
	struct trace t;
	struct sr_model *m;

	begin(&t);
	for (unsigned i = 0; i < 20; i++) {
		trace_switch(&t, (10 * i + 3) * MS, 0, 10, SR_STATE_DISK, 0);
		trace_waking(&t, (10 * i + 10) * MS, 0, 0, 10, SR_EV_HARDIRQ);
		trace_switch(&t, (10 * i + 10) * MS + 5 * US, 0, 0, R, 10);
	}
	m = built(&t, 300 * MS);
	assert_int_equal(m->counts.sleeps[SR_SLEEP_DISK], 20);
	assert_int_equal(m->counts.sleeps[SR_SLEEP_PERIODIC], 0);
	sr_model_free(m);
}

/* A thread of an engine that never runs: only its clock is asked. */
static struct sr_op ops[4];
static struct sr_wait waits[4];
static struct sr_program program = { .ops = ops, .nops = 4, .waits = waits, .nwaits = 4 };
static struct rpl_run run;

static struct rthread *engine(enum rpl_timing timing, double scale)
{
	static struct rthread t;

	memset(&t, 0, sizeof(t));
	run.cfg.timing = timing;
	run.cfg.time_scale = scale;
	run.start_ns = mono_ns() - 1000 * (uint64_t)MS;
	t.run = &run;
	t.p = &program;
	for (uint32_t i = 0; i < 4; i++) {
		ops[i] = (struct sr_op){ .kind = SR_OP_SLEEP, .flags = SR_SLEEP_PERIODIC, .arg = i, .value = 6 * MS };
		waits[i] = (struct sr_wait){ .wake_ns = (10 * i + 12) * MS,
					     .deadline_ns = (10 * i + 11) * MS,
					     .anchor = i == 0 };
	}
	atomic_store(&t.op, &ops[1]);
	return &t;
}

static void deadlines_follow_the_first_one_of_their_timer(void **state)
{
	struct rthread *t = engine(RPL_TIMING_AUTO, 1);
	uint64_t first = rpl_sleep_until(t, &ops[0]);

	assert_true(first > run.start_ns + 1000 * (uint64_t)MS);
	assert_in_range(rpl_sleep_until(t, &ops[1]) - first, 10 * MS - 10, 10 * MS + 10);
	assert_in_range(rpl_sleep_until(t, &ops[3]) - first, 30 * MS - 10, 30 * MS + 10);
}

static void a_time_scale_stretches_periods_too(void **state)
{
	struct rthread *t = engine(RPL_TIMING_AUTO, 2);
	uint64_t first = rpl_sleep_until(t, &ops[0]);

	assert_in_range(rpl_sleep_until(t, &ops[2]) - first, 40 * MS - 10, 40 * MS + 10);
}

static void without_stalls_no_sleep_takes_time(void **state)
{
	assert_int_equal(rpl_sleep_until(engine(RPL_TIMING_AUTO, 0), &ops[1]), 0);
}

static void open_timing_ends_what_is_external_when_recorded(void **state)
{
	struct rthread *t = engine(RPL_TIMING_OPEN, 1);

	ops[1].flags = SR_SLEEP_INTERRUPT;
	assert_true(rpl_sleep_until(t, &ops[1]) == run.start_ns + 22 * MS);
	ops[1].flags = SR_SLEEP_DISK;
	assert_true(rpl_sleep_until(t, &ops[1]) > run.start_ns + 1000 * (uint64_t)MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wakes_on_a_grid_are_a_periodic_timer),
		cmocka_unit_test(sleeps_of_one_length_are_a_relative_timer),
		cmocka_unit_test(missed_periods_do_not_end_a_timer),
		cmocka_unit_test(two_timers_of_one_task_are_told_apart),
		cmocka_unit_test(a_new_phase_begins_a_new_timer),
		cmocka_unit_test(frames_at_whole_milliseconds_keep_their_times),
		cmocka_unit_test(random_wakes_are_no_timer),
		cmocka_unit_test(sleeps_in_state_d_are_the_disks),
		cmocka_unit_test(deadlines_follow_the_first_one_of_their_timer),
		cmocka_unit_test(a_time_scale_stretches_periods_too),
		cmocka_unit_test(without_stalls_no_sleep_takes_time),
		cmocka_unit_test(open_timing_ends_what_is_external_when_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
