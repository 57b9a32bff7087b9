/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/timeline.h"

static uint64_t now_ns;

static struct sr_event event(unsigned kind, unsigned cpu, int32_t ctx)
{
	struct sr_event ev = { .time_ns = ++now_ns, .ctx = ctx, .cpu = (uint16_t)cpu, .kind = (uint8_t)kind };

	return ev;
}

static struct sr_event sw(unsigned cpu, int32_t prev, int32_t next, unsigned state)
{
	struct sr_event ev = event(SR_EV_SWITCH, cpu, prev);

	ev.u.sw.prev = prev;
	ev.u.sw.next = next;
	ev.u.sw.prev_prio = ev.u.sw.next_prio = 110;
	ev.u.sw.prev_state = (uint8_t)state;
	return ev;
}

static struct sr_event wake(unsigned cpu, int32_t ctx, int32_t wakee)
{
	struct sr_event ev = event(SR_EV_WAKING, cpu, ctx);

	ev.u.wake.tid = wakee;
	return ev;
}

static struct sr_event fork_of(unsigned cpu, int32_t parent, int32_t child)
{
	struct sr_event ev = event(SR_EV_FORK, cpu, parent);

	ev.u.fork.parent = parent;
	ev.u.fork.child = child;
	return ev;
}

static struct sr_event exit_of(unsigned cpu, int32_t tid)
{
	struct sr_event ev = event(SR_EV_EXIT, cpu, tid);

	ev.u.exit.tid = tid;
	return ev;
}

static struct sr_event out[5];

static int push(struct sr_repair *r, struct sr_event ev)
{
	struct sr_error err;
	int n = sr_repair_push(r, &ev, out, &err);

	assert_in_range(n, 1, 5);
	assert_memory_equal(&out[n - 1], &ev, sizeof(ev));
	return n;
}

static void assert_put_in(const struct sr_event *ev, unsigned cpu, int32_t prev, int32_t next, unsigned state)
{
	assert_int_equal(ev->kind, SR_EV_SWITCH);
	assert_int_equal(ev->flags, SR_EV_REPAIRED);
	assert_int_equal(ev->time_ns, now_ns);
	assert_int_equal(ev->cpu, cpu);
	assert_int_equal(ev->ctx, prev);
	assert_int_equal(ev->u.sw.prev, prev);
	assert_int_equal(ev->u.sw.next, next);
	assert_int_equal(ev->u.sw.prev_state, state);
}

static struct sr_repair *make(unsigned filtered)
{
	struct sr_error err;
	struct sr_repair *r = sr_repair_new(filtered, &err);

	assert_non_null(r);
	return r;
}

static void a_consistent_stream_passes_untouched(void **state)
{
	struct sr_repair *r = make(0);

	assert_int_equal(push(r, sw(0, 0, 10, SR_STATE_RUNNING)), 1);
	assert_int_equal(push(r, wake(0, 10, 11)), 1);
	assert_int_equal(push(r, sw(1, 0, 11, SR_STATE_RUNNING)), 1);
	assert_int_equal(push(r, sw(0, 10, 0, SR_STATE_SLEEPING)), 1);
	assert_int_equal(push(r, sw(1, 11, 10, SR_STATE_SLEEPING)), 1);
	assert_int_equal(sr_repair_count(r), 0);
	sr_repair_free(r);
}

static void the_first_event_of_a_cpu_is_no_repair(void **state)
{
	struct sr_repair *r = make(0);

	assert_int_equal(push(r, wake(3, 77, 5)), 1);
	assert_int_equal(push(r, sw(3, 77, 5, SR_STATE_SLEEPING)), 1);
	assert_int_equal(sr_repair_count(r), 0);
	sr_repair_free(r);
}

static void a_foreign_context_proves_a_switch(void **state)
{
	struct sr_repair *r = make(0);

	push(r, sw(0, 0, 10, SR_STATE_RUNNING));
	assert_int_equal(push(r, wake(0, 12, 13)), 2);
	assert_put_in(&out[0], 0, 10, 12, SR_STATE_PREEMPTED);
	assert_int_equal(out[0].u.sw.prev_prio, 110);
	assert_int_equal(sr_repair_count(r), 1);
	assert_int_equal(push(r, sw(0, 12, 0, SR_STATE_SLEEPING)), 1);
	sr_repair_free(r);
}

static void an_interrupt_shows_the_running_task_too(void **state)
{
	struct sr_repair *r = make(0);
	struct sr_event ev;

	push(r, sw(0, 0, 10, SR_STATE_RUNNING));
	ev = wake(0, 0, 13);
	ev.flags = SR_EV_HARDIRQ;
	assert_int_equal(push(r, ev), 2);
	assert_put_in(&out[0], 0, 10, 0, SR_STATE_PREEMPTED);
	sr_repair_free(r);
}

static void a_switch_from_another_task_proves_a_switch(void **state)
{
	struct sr_repair *r = make(0);

	push(r, sw(0, 0, 10, SR_STATE_RUNNING));
	assert_int_equal(push(r, sw(0, 12, 0, SR_STATE_SLEEPING)), 2);
	assert_put_in(&out[0], 0, 10, 12, SR_STATE_PREEMPTED);
	assert_int_equal(out[0].u.sw.next_prio, 110);
	sr_repair_free(r);
}

static void a_task_seen_elsewhere_has_left_its_cpu(void **state)
{
	struct sr_repair *r = make(0);

	push(r, sw(0, 0, 10, SR_STATE_RUNNING));
	push(r, sw(1, 0, 11, SR_STATE_RUNNING));
	assert_int_equal(push(r, sw(1, 11, 10, SR_STATE_SLEEPING)), 2);
	assert_put_in(&out[0], 0, 10, 0, SR_STATE_PREEMPTED);
	assert_int_equal(push(r, sw(0, 0, 12, SR_STATE_RUNNING)), 1);
	sr_repair_free(r);
}

static void the_idle_task_runs_on_many_cpus(void **state)
{
	struct sr_repair *r = make(0);

	for (unsigned cpu = 0; cpu < 8; cpu++)
		assert_int_equal(push(r, sw(cpu, (int32_t)cpu + 1, 0, SR_STATE_SLEEPING)), 1);
	for (unsigned cpu = 0; cpu < 8; cpu++)
		assert_int_equal(push(r, wake(cpu, 0, 50)), 1);
	sr_repair_free(r);
}

static void one_event_can_prove_three_switches(void **state)
{
	struct sr_repair *r = make(0);

	push(r, sw(0, 0, 10, SR_STATE_RUNNING));
	push(r, sw(1, 0, 11, SR_STATE_RUNNING));
	push(r, sw(2, 0, 12, SR_STATE_RUNNING));
	assert_int_equal(push(r, sw(2, 10, 11, SR_STATE_SLEEPING)), 4);
	assert_put_in(&out[0], 0, 10, 0, SR_STATE_PREEMPTED);
	assert_put_in(&out[1], 2, 12, 10, SR_STATE_PREEMPTED);
	assert_put_in(&out[2], 1, 11, 0, SR_STATE_PREEMPTED);
	assert_int_equal(sr_repair_count(r), 3);
	sr_repair_free(r);
}

static void events_without_a_context_prove_nothing(void **state)
{
	static const unsigned kinds[] = { SR_EV_COMM, SR_EV_LOST,      SR_EV_DECISION,
					  SR_EV_BIND, SR_EV_FREQUENCY, SR_EV_IDLE };
	struct sr_repair *r = make(0);

	push(r, sw(0, 0, 10, SR_STATE_RUNNING));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		assert_int_equal(push(r, event(kinds[i], 0, 0)), 1);
	assert_int_equal(push(r, sw(0, 10, 0, SR_STATE_SLEEPING)), 1);
	sr_repair_free(r);
}

static void what_a_loss_hid_is_put_in_by_the_next_event(void **state)
{
	struct sr_repair *r = make(0);

	push(r, sw(0, 0, 10, SR_STATE_RUNNING));
	push(r, event(SR_EV_LOST, 0, 0));
	assert_int_equal(push(r, sw(0, 14, 0, SR_STATE_SLEEPING)), 2);
	assert_put_in(&out[0], 0, 10, 14, SR_STATE_PREEMPTED);
	sr_repair_free(r);
}

static void a_task_that_exited_leaves_dead(void **state)
{
	struct sr_repair *r = make(0);

	push(r, sw(0, 0, 10, SR_STATE_RUNNING));
	push(r, exit_of(0, 10));
	assert_int_equal(push(r, sw(0, 0, 11, SR_STATE_RUNNING)), 2);
	assert_put_in(&out[0], 0, 10, 0, SR_STATE_DEAD);
	sr_repair_free(r);
}

static void a_thread_that_execs_changes_its_tid_without_a_switch(void **state)
{
	struct sr_repair *r = make(0);
	struct sr_event ev;

	push(r, sw(0, 0, 101, SR_STATE_RUNNING));
	ev = event(SR_EV_EXEC, 0, 100);
	ev.u.exec.tid = 100;
	ev.u.exec.old_tid = 101;
	assert_int_equal(push(r, ev), 1);
	assert_int_equal(push(r, sw(0, 100, 0, SR_STATE_SLEEPING)), 1);
	sr_repair_free(r);
}

static void filtered_outside_to_outside_is_no_repair(void **state)
{
	struct sr_repair *r = make(1);

	push(r, fork_of(0, 10, 11));
	assert_int_equal(push(r, sw(0, 10, 50, SR_STATE_SLEEPING)), 1);
	assert_int_equal(push(r, wake(0, 51, 10)), 1);
	assert_int_equal(push(r, sw(0, 52, 10, SR_STATE_SLEEPING)), 1);
	assert_int_equal(sr_repair_count(r), 0);
	sr_repair_free(r);
}

static void filtered_an_inside_task_must_be_seen_to_leave(void **state)
{
	struct sr_repair *r = make(1);

	push(r, fork_of(0, 10, 11));
	assert_int_equal(push(r, wake(0, 50, 11)), 2);
	assert_put_in(&out[0], 0, 10, 50, SR_STATE_PREEMPTED);
	sr_repair_free(r);
}

static void filtered_an_inside_task_must_be_seen_to_come(void **state)
{
	struct sr_repair *r = make(1);

	push(r, fork_of(0, 10, 11));
	push(r, sw(0, 10, 50, SR_STATE_SLEEPING));
	assert_int_equal(push(r, wake(0, 11, 10)), 2);
	assert_put_in(&out[0], 0, 50, 11, SR_STATE_PREEMPTED);
	sr_repair_free(r);
}

static void filtered_a_switch_with_idle_proves_inside(void **state)
{
	struct sr_repair *r = make(1);

	push(r, sw(0, 0, 10, SR_STATE_RUNNING));
	assert_int_equal(push(r, wake(0, 50, 10)), 2);
	push(r, sw(1, 12, 0, SR_STATE_SLEEPING));
	assert_int_equal(push(r, wake(1, 12, 10)), 2);
	sr_repair_free(r);
}

static void filtered_a_wake_from_idle_proves_inside(void **state)
{
	struct sr_repair *r = make(1);

	push(r, wake(0, 0, 10));
	assert_int_equal(push(r, wake(0, 10, 99)), 2);
	assert_put_in(&out[0], 0, 0, 10, SR_STATE_PREEMPTED);
	sr_repair_free(r);
}

static void filtered_the_dead_are_outside(void **state)
{
	struct sr_repair *r = make(1);

	push(r, fork_of(0, 10, 11));
	push(r, exit_of(0, 10));
	push(r, sw(0, 10, 50, SR_STATE_ZOMBIE));
	/* 10 is another task by now, and not one of ours. */
	assert_int_equal(push(r, wake(0, 10, 11)), 1);
	sr_repair_free(r);
}

static void filtered_an_outside_task_seen_elsewhere_is_no_repair(void **state)
{
	struct sr_repair *r = make(1);

	push(r, fork_of(0, 10, 11));
	push(r, sw(0, 10, 50, SR_STATE_SLEEPING));
	assert_int_equal(push(r, wake(1, 50, 10)), 1);
	assert_int_equal(push(r, sw(0, 51, 10, SR_STATE_SLEEPING)), 1);
	assert_int_equal(sr_repair_count(r), 0);
	sr_repair_free(r);
}

/* Whatever the events say, on each cpu of a whole-system stream prev is the next of the switch before. */
static void any_stream_comes_out_consistent(void **state)
{
	enum { CPUS = 5 };
	struct sr_repair *r = make(0);
	int32_t cur[CPUS] = { 0 };
	int known[CPUS] = { 0 };
	uint64_t put_in = 0;

	srand(1);
	for (int i = 0; i < 200000; i++) {
		unsigned cpu = (unsigned)rand() % CPUS, kind = 1 + (unsigned)rand() % (SR_EV_KINDS - 1);
		int32_t a = rand() % 12 - 3, b = rand() % 12 - 3;
		struct sr_event ev = kind == SR_EV_SWITCH || rand() % 2 ? sw(cpu, a, b, (unsigned)rand() % SR_STATES) :
									  event(kind, cpu, a);
		int n = push(r, ev);

		for (int k = 0; k < n; k++) {
			struct sr_event *o = &out[k];

			put_in += o->flags == SR_EV_REPAIRED;
			if (o->kind == SR_EV_SWITCH) {
				if (known[o->cpu])
					assert_int_equal(o->u.sw.prev, cur[o->cpu]);
				cur[o->cpu] = o->u.sw.next;
				known[o->cpu] = 1;
			} else if (o->kind < SR_EV_COMM && o->kind != SR_EV_EXEC) {
				if (known[o->cpu])
					assert_int_equal(o->ctx, cur[o->cpu]);
				cur[o->cpu] = o->ctx;
				known[o->cpu] = 1;
			} else if (o->kind == SR_EV_EXEC) {
				cur[o->cpu] = o->ctx;
			}
			for (int c = 0; c < CPUS; c++)
				if (c != o->cpu && known[c] && cur[o->cpu] != 0 && k == n - 1)
					assert_int_not_equal(cur[c], cur[o->cpu]);
		}
	}
	assert_int_equal(sr_repair_count(r), put_in);
	assert_true(put_in > 1000);
	sr_repair_free(r);
}

static void a_cpu_beyond_the_limit_is_refused(void **state)
{
	struct sr_repair *r = make(0);
	struct sr_event ev = event(SR_EV_EXIT, SR_MAX_CPUS, 1);
	struct sr_error err;

	assert_int_equal(sr_repair_push(r, &ev, out, &err), -1);
	assert_int_equal(err.status, SR_DAMAGED);
	sr_repair_free(r);
}

static void a_task_woken_on_an_idle_cpu_ran_from_that_wake_on(void **state)
{
	struct sr_repair *r = make(0);
	struct sr_event ev;
	uint64_t woken;

	push(r, sw(0, 1, 0, SR_STATE_SLEEPING));
	push(r, sw(1, 2, 3, SR_STATE_SLEEPING));
	ev = event(SR_EV_WAKEUP, 1, 3);
	ev.u.wake.tid = 9; /* on cpu 0 */
	woken = ev.time_ns;
	push(r, ev);
	push(r, sw(1, 3, 0, SR_STATE_SLEEPING));
	assert_int_equal(push(r, sw(0, 9, 0, SR_STATE_SLEEPING)), 2);
	assert_int_equal(out[0].u.sw.next, 9);
	assert_int_equal(out[0].time_ns, woken);
	sr_repair_free(r);
}

static void a_cpu_that_still_idles_after_the_wake_has_not_switched(void **state)
{
	struct sr_repair *r = make(0);
	struct sr_event ev;
	uint64_t idle;

	push(r, sw(0, 1, 0, SR_STATE_SLEEPING));
	ev = event(SR_EV_WAKEUP, 0, 0);
	ev.u.wake.tid = 9;
	push(r, ev);
	push(r, wake(0, 0, 30));
	idle = now_ns;
	assert_int_equal(push(r, sw(0, 9, 0, SR_STATE_SLEEPING)), 2);
	assert_int_equal(out[0].time_ns, idle);
	sr_repair_free(r);
}

static void a_wake_before_another_ran_there_tells_nothing(void **state)
{
	struct sr_repair *r = make(0);
	struct sr_event ev;

	push(r, sw(0, 1, 0, SR_STATE_SLEEPING));
	ev = event(SR_EV_WAKEUP, 0, 0);
	ev.u.wake.tid = 9;
	push(r, ev);
	push(r, sw(0, 0, 8, SR_STATE_RUNNING));
	push(r, sw(0, 8, 0, SR_STATE_SLEEPING));
	assert_int_equal(push(r, sw(0, 9, 0, SR_STATE_SLEEPING)), 2);
	assert_put_in(&out[0], 0, 0, 9, SR_STATE_PREEMPTED);
	sr_repair_free(r);
}

static void only_the_task_that_exited_leaves_dead(void **state)
{
	struct sr_repair *r = make(0);

	push(r, sw(0, 0, 10, SR_STATE_RUNNING));
	push(r, exit_of(0, 10));
	push(r, sw(0, 10, 11, SR_STATE_ZOMBIE));
	assert_int_equal(push(r, wake(0, 12, 13)), 2);
	assert_put_in(&out[0], 0, 11, 12, SR_STATE_PREEMPTED);
	sr_repair_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_consistent_stream_passes_untouched),
		cmocka_unit_test(the_first_event_of_a_cpu_is_no_repair),
		cmocka_unit_test(a_foreign_context_proves_a_switch),
		cmocka_unit_test(an_interrupt_shows_the_running_task_too),
		cmocka_unit_test(a_switch_from_another_task_proves_a_switch),
		cmocka_unit_test(a_task_seen_elsewhere_has_left_its_cpu),
		cmocka_unit_test(the_idle_task_runs_on_many_cpus),
		cmocka_unit_test(one_event_can_prove_three_switches),
		cmocka_unit_test(events_without_a_context_prove_nothing),
		cmocka_unit_test(what_a_loss_hid_is_put_in_by_the_next_event),
		cmocka_unit_test(a_task_that_exited_leaves_dead),
		cmocka_unit_test(a_thread_that_execs_changes_its_tid_without_a_switch),
		cmocka_unit_test(filtered_outside_to_outside_is_no_repair),
		cmocka_unit_test(filtered_an_inside_task_must_be_seen_to_leave),
		cmocka_unit_test(filtered_an_inside_task_must_be_seen_to_come),
		cmocka_unit_test(filtered_a_switch_with_idle_proves_inside),
		cmocka_unit_test(filtered_a_wake_from_idle_proves_inside),
		cmocka_unit_test(filtered_the_dead_are_outside),
		cmocka_unit_test(filtered_an_outside_task_seen_elsewhere_is_no_repair),
		cmocka_unit_test(any_stream_comes_out_consistent),
		cmocka_unit_test(a_task_woken_on_an_idle_cpu_ran_from_that_wake_on),
		cmocka_unit_test(a_cpu_that_still_idles_after_the_wake_has_not_switched),
		cmocka_unit_test(a_wake_before_another_ran_there_tells_nothing),
		cmocka_unit_test(only_the_task_that_exited_leaves_dead),
		cmocka_unit_test(a_cpu_beyond_the_limit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
