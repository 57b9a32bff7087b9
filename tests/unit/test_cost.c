/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/trace_builder.h"

#include "formats/cost.h"

#define MS 1000000ull

static struct trace t;
static struct sr_cost cost;

static void meta(const char *key, uint64_t value)
{
	assert_int_equal(srz_put_meta_u64(t.w, key, value, &t.err), 0);
}

static void lost(uint64_t at, unsigned cpu, uint64_t count, uint32_t span_us)
{
	trace_put(&t, (struct sr_event){ .time_ns = at, .cpu = cpu, .kind = SR_EV_LOST, .u.lost = { count, span_us } });
}

/* A recording of 100 ms on 2 cpus: n switches of the command, tid 10, each 100 us on and 100 us off its cpu. */
static void begin(unsigned n)
{
	trace_begin(&t, "tree");
	trace_task(&t, 10, "root", 'R', SR_TASK_ROOT);
	meta("duration_ns", 100 * MS);
	assert_int_equal(srz_put_meta(t.w, "cpus.online", "0-1", &t.err), 0);
	for (unsigned i = 0; i < n; i += 2) {
		trace_switch(&t, (i + 1) * MS / 10, 0, 0, SR_STATE_RUNNING, 10);
		trace_switch(&t, (i + 2) * MS / 10, 0, 10, SR_STATE_SLEEPING, 0);
	}
}

/* Ends the recording and works its cost out; with_tasks: as info does. */
static void end(bool with_tasks)
{
	struct srz_reader *r = trace_end(&t);
	struct sr_cost_count count = { 0 };
	struct sr_task_table table;
	struct sr_event ev;

	if (with_tasks) {
		assert_int_equal(sr_task_table_init(&table, srz_get_tasks(r), &t.err), 0);
		assert_int_equal(sr_cost_begin_tasks(&count, srz_get_tasks(r), &t.err), 0);
		while (srz_next(r, &ev, &t.err) == 1) {
			assert_int_equal(sr_task_table_feed(&table, &ev, NULL, NULL, &t.err), 0);
			sr_cost_count_event(&count, &ev);
			sr_cost_count_task(&count, &ev, &table);
		}
		sr_task_table_release(&table);
	} else {
		assert_int_equal(sr_cost_count_file(&count, r, &t.err), 0);
	}
	sr_cost_of(r, &count, &cost);
	sr_cost_count_release(&count);
	srz_reader_free(r);
}

static void near(double want, double got)
{
	if (got < want * 0.999 - 1e-12 || got > want * 1.001 + 1e-12)
		fail_msg("%g, not %g", got, want);
}

static void what_is_not_told_is_not_known(void **state)
{
	char doubt[256];

	begin(10);
	end(false);
	assert_true(cost.tracing_ns < 0 && cost.recorder_ns < 0 && cost.drain_ns < 0);
	assert_true(cost.disturbance < 0 && cost.task_share < 0);
	assert_int_equal(cost.resolution_ns, 1);
	assert_false(sr_cost_doubt(&cost, doubt, sizeof(doubt)));
	assert_false(sr_cost_hopeless(&cost));
}

static void the_disturbance_is_tracing_and_recorder_over_the_machine(void **state)
{
	begin(100);
	meta("record.tracepoint_ns", 500);
	meta("record.cpu_ns", 2 * MS);
	end(false);
	near(100 * 500, cost.tracing_ns);
	near((100 * 500 + 2.0 * MS) / (2 * 100.0 * MS), cost.disturbance);
}

static void where_it_is_known_only_the_draining_counts(void **state)
{
	begin(100);
	meta("record.tracepoint_ns", 500);
	meta("record.cpu_ns", 2 * MS);
	meta("record.drain_cpu_ns", 1 * MS);
	end(false);
	near((100 * 500 + 1.0 * MS) / (2 * 100.0 * MS), cost.disturbance);
}

static void names_and_losses_are_no_traced_events(void **state)
{
	begin(4);
	lost(5 * MS, 0, 7, 10);
	trace_put(&t, (struct sr_event){ .time_ns = 6 * MS, .kind = SR_EV_COMM, .u.rename = { 10, 0 } });
	end(false);
	assert_int_equal(cost.events, 4);
}

static void tracing_is_set_against_the_tasks_own_time(void **state)
{
	begin(100); /* 50 stretches of 100 us: one event each, the switch-out, is in its context */
	trace_switch(&t, 20 * MS, 1, 0, SR_STATE_RUNNING, 99);
	trace_waking(&t, 21 * MS, 1, 99, 10, 0); /* of a task that is not recorded */
	meta("record.tracepoint_ns", 1000);
	end(true);
	near(50 * 1000.0 / (50 * 0.1 * MS), cost.task_share);
}

static void a_stretch_with_a_loss_in_it_is_no_known_time(void **state)
{
	begin(2);
	trace_switch(&t, 1 * MS, 0, 0, SR_STATE_RUNNING, 10);
	lost(2 * MS, 0, 3, 100);
	trace_switch(&t, 50 * MS, 0, 10, SR_STATE_SLEEPING, 0);
	meta("record.tracepoint_ns", 1000);
	end(true);
	near(2 * 1000.0 / (0.1 * MS), cost.task_share);
}

static void losses_are_a_share_of_all_events_there_were(void **state)
{
	char doubt[256];

	begin(98);
	lost(15 * MS, 0, 2, 3000);
	end(false);
	assert_int_equal(cost.lost, 2);
	near(0.02, cost.lost_share);
	assert_int_equal(cost.longest_gap_ns, 3 * MS);
	near(0.03, cost.gap_share);
	assert_false(cost.lost_more);
	assert_true(sr_cost_doubt(&cost, doubt, sizeof(doubt)));
	assert_string_equal(doubt, "2.0% of the events were lost");
}

static void one_event_in_a_hundred_may_be_lost(void **state)
{
	char doubt[256];

	begin(198);
	lost(30 * MS, 0, 2, 3000);
	end(false);
	near(0.01, cost.lost_share);
	assert_false(sr_cost_doubt(&cost, doubt, sizeof(doubt)));
}

static void a_long_gap_is_a_doubt_whatever_the_number(void **state)
{
	char doubt[256];

	begin(10);
	lost(50 * MS, 1, 0, 20000);
	end(false);
	assert_true(cost.lost_more);
	assert_true(sr_cost_doubt(&cost, doubt, sizeof(doubt)));
	assert_string_equal(doubt, "for 20.0 ms, 20% of the recording, nothing is known of a CPU");
	assert_false(sr_cost_hopeless(&cost));
}

static void a_gap_is_no_longer_than_the_recording(void **state)
{
	begin(10);
	lost(50 * MS, 1, 1, UINT32_MAX);
	end(false);
	near(1, cost.gap_share);
}

static void more_lost_than_kept_is_hopeless(void **state)
{
	begin(10);
	lost(50 * MS, 1, 11, 10);
	end(false);
	assert_true(sr_cost_hopeless(&cost));
}

static void a_recorder_that_took_much_of_the_machine_is_a_doubt(void **state)
{
	char doubt[256];

	begin(10);
	meta("record.tracepoint_ns", 1);
	meta("record.cpu_ns", 50 * MS);
	meta("time.resolution_ns", 1000);
	end(false);
	assert_int_equal(cost.resolution_ns, 1000);
	assert_true(sr_cost_doubt(&cost, doubt, sizeof(doubt)));
	assert_string_equal(doubt, "recording took about 25% of the machine's CPU time");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_told_is_not_known),
		cmocka_unit_test(the_disturbance_is_tracing_and_recorder_over_the_machine),
		cmocka_unit_test(where_it_is_known_only_the_draining_counts),
		cmocka_unit_test(names_and_losses_are_no_traced_events),
		cmocka_unit_test(tracing_is_set_against_the_tasks_own_time),
		cmocka_unit_test(a_stretch_with_a_loss_in_it_is_no_known_time),
		cmocka_unit_test(losses_are_a_share_of_all_events_there_were),
		cmocka_unit_test(one_event_in_a_hundred_may_be_lost),
		cmocka_unit_test(a_long_gap_is_a_doubt_whatever_the_number),
		cmocka_unit_test(a_gap_is_no_longer_than_the_recording),
		cmocka_unit_test(more_lost_than_kept_is_hopeless),
		cmocka_unit_test(a_recorder_that_took_much_of_the_machine_is_a_doubt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
