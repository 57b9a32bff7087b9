/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/srz.h"
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
	struct sr_repair *r = sr_repair_new(filtered, NULL, &err);

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

static void who_is_in_the_filter_from_the_start_needs_no_proof(void **state)
{
	struct sr_task_start v[] = { { .tid = 10, .flags = SR_TASK_ROOT }, { .tid = 20 } };
	struct sr_task_starts starts = { .v = v, .n = 2 };
	struct sr_error err;
	struct sr_repair *r = sr_repair_new(1, &starts, &err);

	assert_non_null(r);
	push(r, wake(0, 10, 90));
	assert_int_equal(push(r, wake(0, 91, 90)), 2);
	assert_put_in(&out[0], 0, 10, 91, SR_STATE_PREEMPTED);
	push(r, wake(1, 20, 90));
	assert_int_equal(push(r, wake(1, 92, 90)), 1); /* 20 is outside */
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

/* Task 9 comes to idle cpu 0 by a wake, or a move; a switch proves that it ran elsewhere after that, or before it at least. */
static void a_wake_does_not_tell_when_a_task_came_back_that_ran_elsewhere(void **state)
{
	for (int moved = 0; moved < 2; moved++) {
		struct sr_repair *r = make(0);
		struct sr_event ev;

		push(r, sw(0, 1, 0, SR_STATE_SLEEPING));
		push(r, sw(1, 2, moved ? 9 : 3, SR_STATE_SLEEPING));
		ev = event(moved ? SR_EV_MIGRATE : SR_EV_WAKEUP, 1, moved ? 9 : 3);
		if (moved) /* while it runs: the kernel would not */
			ev.u.migrate.tid = 9;
		else
			ev.u.wake.tid = 9;
		push(r, ev);
		if (!moved)
			push(r, sw(1, 3, 9, SR_STATE_SLEEPING));
		push(r, sw(1, 9, 3, SR_STATE_SLEEPING));
		ev = sw(0, 9, 0, SR_STATE_SLEEPING);
		assert_int_equal(push(r, ev), 2);
		assert_int_equal(out[0].u.sw.next, 9);
		assert_int_equal(out[0].time_ns, ev.time_ns);
		sr_repair_free(r);
	}
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

/* A wake of task 9 on idle cpu by who, 1 ns before now_ns grows by more. */
static void wake_on_idle(struct sr_repair *r, unsigned cpu, unsigned by_cpu, int32_t by)
{
	struct sr_event ev = event(SR_EV_WAKEUP, by_cpu, by);

	ev.u.wake.tid = 9;
	ev.u.wake.target_cpu = (uint16_t)cpu;
	push(r, ev);
}

static void a_missing_switch_from_idle_takes_as_long_as_those_that_are_there(void **state)
{
	static const uint64_t delays[] = { 7000, 6000, 900000, 6500, 6600, 6700 };

	for (int here = 0; here < 2; here++) {
		struct sr_repair *r = make(0);
		uint64_t woken, learnt;

		push(r, sw(1, 2, 3, SR_STATE_SLEEPING));
		push(r, sw(0, 1, 0, SR_STATE_SLEEPING));
		for (unsigned i = 0; i < 6; i++) {
			wake_on_idle(r, 0, here ? 0 : 1, here ? 0 : 3);
			now_ns += delays[i];
			push(r, sw(0, 0, 9, SR_STATE_RUNNING));
			now_ns += 50000;
			push(r, sw(0, 9, 0, SR_STATE_SLEEPING));
		}
		/* on another cpu, where it is missing */
		push(r, sw(2, 1, 0, SR_STATE_SLEEPING));
		wake_on_idle(r, 2, here ? 2 : 1, here ? 0 : 3);
		woken = now_ns;
		now_ns += 100000;
		assert_int_equal(push(r, sw(2, 9, 0, SR_STATE_SLEEPING)), 2);
		assert_int_equal(out[0].flags, SR_EV_REPAIRED | SR_EV_TIMED);
		learnt = out[0].time_ns - woken;
		assert_in_range(learnt, 6500, 6850); /* the median, in steps of 128 ns */
		/* not behind what proves it */
		wake_on_idle(r, 2, here ? 2 : 1, here ? 0 : 3);
		woken = now_ns;
		now_ns += 3000;
		assert_int_equal(push(r, sw(2, 9, 0, SR_STATE_SLEEPING)), 2);
		assert_in_range(out[0].time_ns, woken, now_ns);
		/* the other kind of wake has told nothing yet */
		wake_on_idle(r, 2, here ? 1 : 2, here ? 3 : 0);
		woken = now_ns;
		now_ns += 100000;
		assert_int_equal(push(r, sw(2, 9, 0, SR_STATE_SLEEPING)), 2);
		assert_int_equal(out[0].time_ns, woken);
		sr_repair_free(r);
	}
}

static void delays_that_were_told_hold_until_enough_are_learnt(void **state)
{
	struct sr_idle_delays told = { .ns = { 20000, 5000 } };
	struct sr_repair *r = make(0);
	uint64_t woken;

	sr_repair_expect(r, &told);
	push(r, sw(2, 1, 0, SR_STATE_SLEEPING));
	wake_on_idle(r, 2, 2, 0);
	woken = now_ns;
	now_ns += 100000;
	push(r, sw(2, 9, 0, SR_STATE_SLEEPING));
	assert_int_equal(out[0].time_ns, woken + 5000);
	for (unsigned i = 0; i < 5; i++) {
		wake_on_idle(r, 2, 2, 0);
		now_ns += 1000;
		push(r, sw(2, 0, 9, SR_STATE_RUNNING));
		push(r, sw(2, 9, 0, SR_STATE_SLEEPING));
	}
	wake_on_idle(r, 2, 2, 0);
	woken = now_ns;
	now_ns += 100000;
	push(r, sw(2, 9, 0, SR_STATE_SLEEPING));
	assert_in_range(out[0].time_ns, woken + 900, woken + 1100);
	sr_repair_free(r);
}

/* The log of a stream and a repair that is told the delays give the same. */
static void assert_log_repairs(struct srz_reader *r, const struct sr_idle_delays *d, const struct sr_repair_log *log)
{
	struct sr_error err;
	struct sr_repair *repair = sr_repair_new(0, NULL, &err);
	struct sr_event ev, given[5];
	uint64_t nth = 0;
	size_t at = 0;

	assert_non_null(repair);
	sr_repair_expect(repair, d);
	for (; srz_next(r, &ev, &err) == 1; nth++) {
		int n = sr_repair_push(repair, &ev, given, &err);

		if (at == log->n || log->v[at].nth != nth) {
			assert_int_equal(n, 1);
			assert_memory_equal(&given[0], &ev, sizeof(ev));
			continue;
		}
		for (int i = 0; i < n; i++) {
			assert_true(at < log->n);
			assert_int_equal(log->v[at].nth, nth);
			assert_memory_equal(&given[i], &log->v[at++].ev, sizeof(ev));
		}
	}
	assert_int_equal(at, log->n);
	sr_repair_free(repair);
}

/* A file in which cpu 1 writes no switch from idle, and cpu 0 does only at the end. */
static void a_file_is_read_for_its_delays_to_the_end_where_switches_are_missing(void **state)
{
	char path[] = "/tmp/schedrec-delays-XXXXXX";
	struct sr_repair_log log = { 0 };
	struct sr_idle_delays got;
	struct sr_error err;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	for (int missing = 0; missing < 3; missing++) { /* 2: in a stream that is too long to be read to its end */
		const unsigned pairs = missing == 1 ? 30000 : 70000;
		struct srz_writer *w = srz_create(path, 0, &err);
		struct srz_reader *r;

		assert_non_null(w);
		for (unsigned i = 0; i < pairs; i++) {
			unsigned cpu = i < 29900;
			struct sr_event ev[3];

			ev[0] = event(SR_EV_WAKEUP, cpu, 0);
			ev[0].u.wake.tid = 9;
			ev[0].u.wake.target_cpu = (uint16_t)cpu;
			now_ns += 4000;
			ev[1] = sw(cpu, 0, 9, SR_STATE_RUNNING);
			now_ns += 1000;
			ev[2] = sw(cpu, 9, 0, SR_STATE_SLEEPING);
			if (missing && cpu)
				ev[1] = ev[2];
			assert_int_equal(srz_put_events(w, SRZ_STREAM_KERNEL, ev, missing && cpu ? 2 : 3, &err), 0);
		}
		assert_int_equal(srz_close(w, &err), 0);
		r = srz_open(path, &err);
		assert_non_null(r);
		assert_int_equal(sr_idle_delays_read(r, 0, &got, &log, &err), 0);
		assert_int_equal(log.whole, missing == 1);
		if (log.whole) {
			assert_true(log.n > 50000);
			assert_log_repairs(r, &got, &log);
		}
		sr_repair_log_release(&log);
		assert_int_equal(sr_idle_delays_read(r, 0, &got, NULL, &err), 0);
		assert_int_equal(got.ns[0], 0);
		assert_in_range(got.ns[1], 3900, 4100);
		srz_reader_free(r);
	}
	unlink(path);
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

/* A thread that asks for a move waits in D for the stopper: it is moved, it does not sleep. */
static void a_thread_of_a_replay_that_is_moved_does_not_sleep(void **state)
{
	struct sr_repair *r = make(0);
	struct sr_event ev = event(SR_EV_BIND, 0, 0), moved;
	struct sr_error err;

	ev.u.bind.tid = 10;
	push(r, ev);
	for (int32_t tid = 10; tid <= 11; tid++) { /* 11 is another program's */
		push(r, sw(0, 0, tid, SR_STATE_RUNNING));
		push(r, wake(0, tid, 18));
		ev = sw(0, tid, 18, SR_STATE_DISK);
		assert_int_equal(sr_repair_push(r, &ev, out, &err), 1);
		moved = ev;
		if (tid == 10) {
			moved.u.sw.prev_state = SR_STATE_PREEMPTED;
			moved.flags = SR_EV_MOVED;
		}
		assert_memory_equal(&out[0], &moved, sizeof(moved));
		push(r, sw(0, 18, 0, SR_STATE_SLEEPING));
	}
	/* Waits of its own: for a page, and for another task whom it woke. */
	push(r, sw(0, 0, 10, SR_STATE_RUNNING));
	push(r, sw(0, 10, 0, SR_STATE_DISK));
	push(r, sw(0, 0, 10, SR_STATE_RUNNING));
	ev = wake(0, 10, 12);
	ev.u.wake.prio = 120;
	push(r, ev);
	push(r, sw(0, 10, 0, SR_STATE_DISK));
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
		cmocka_unit_test(a_wake_does_not_tell_when_a_task_came_back_that_ran_elsewhere),
		cmocka_unit_test(a_cpu_that_still_idles_after_the_wake_has_not_switched),
		cmocka_unit_test(a_missing_switch_from_idle_takes_as_long_as_those_that_are_there),
		cmocka_unit_test(delays_that_were_told_hold_until_enough_are_learnt),
		cmocka_unit_test(a_file_is_read_for_its_delays_to_the_end_where_switches_are_missing),
		cmocka_unit_test(a_wake_before_another_ran_there_tells_nothing),
		cmocka_unit_test(who_is_in_the_filter_from_the_start_needs_no_proof),
		cmocka_unit_test(only_the_task_that_exited_leaves_dead),
		cmocka_unit_test(a_thread_of_a_replay_that_is_moved_does_not_sleep),
		cmocka_unit_test(a_cpu_beyond_the_limit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
