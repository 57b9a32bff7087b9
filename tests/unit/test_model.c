/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/trace_builder.h"

#include "formats/model.h"

#define S SR_STATE_SLEEPING
#define R SR_STATE_PREEMPTED
#define MS 1000000u

static struct sr_model *built(struct trace *t, const struct sr_model_options *o)
{
	struct sr_model_options none = { 0 };

	return trace_model(t, o ? o : &none);
}

static const struct sr_program *by_tid(const struct sr_model *m, int32_t tid)
{
	for (size_t i = 0; i < m->ntasks; i++)
		if (m->tasks[i].tid == tid)
			return &m->tasks[i];
	fail_msg("no task %d in the model", tid);
	return NULL;
}

/* The program in one line: R<ms> run, K<tid>.<wait> wake, W<wait>, S<ms> sleep, F<tid> fork, X the end by exit,
 * E the end of the recording. */
static const char *text(const struct sr_model *m, int32_t tid)
{
	static char buf[512];
	const struct sr_program *p = by_tid(m, tid);
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < p->nops; i++) {
		const struct sr_op *op = &p->ops[i];
		char *to = buf + n;
		size_t left = sizeof(buf) - n;

		switch (op->kind) {
		case SR_OP_RUN:
			n += snprintf(to, left, "R%g ", op->value / 1e6);
			break;
		case SR_OP_WAKE:
			n += snprintf(to, left, "K%d.%d ", m->tasks[op->arg].tid, (int)op->value);
			break;
		case SR_OP_WAIT:
			n += snprintf(to, left, "W%d ", (int)op->arg);
			break;
		case SR_OP_SLEEP:
			n += snprintf(to, left, "S%g ", op->value / 1e6);
			break;
		case SR_OP_FORK:
			n += snprintf(to, left, "F%d ", m->tasks[op->arg].tid);
			break;
		case SR_OP_END:
			n += snprintf(to, left, op->flags & 1 ? "X" : "E");
			break;
		case SR_OP_NOP:
			break;
		default:
			n += snprintf(to, left, "?%d ", op->kind);
		}
	}
	return buf;
}

/* Two tasks, 10 on cpu 0 and 20 on cpu 1, both just switched in at time 0. */
static void two_tasks(struct trace *t)
{
	trace_begin(t, "system");
	trace_task(t, 10, "a", 'R', 0);
	trace_task(t, 20, "b", 'R', 0);
	trace_switch(t, MS, 0, 0, R, 10);
	trace_switch(t, MS, 1, 0, R, 20);
}

static void a_wake_by_a_task_releases_the_wait_it_ended(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 3 * MS, 1, 20, S, 0);
	trace_waking(&t, 4 * MS, 0, 10, 20, 0);
	trace_switch(&t, 5 * MS, 1, 0, R, 20);
	trace_switch(&t, 6 * MS, 0, 10, S, 0);
	trace_switch(&t, 7 * MS, 1, 20, S, 0);
	m = built(&t, NULL);
	assert_string_equal(text(m, 10), "R3 K20.0 R2 E");
	assert_string_equal(text(m, 20), "R2 W0 R2 E");
	assert_int_equal(m->counts.waits_task, 1);
	sr_model_free(m);
}

static void a_wake_stamped_before_its_sleepers_switch_is_kept(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_waking(&t, 3 * MS, 0, 10, 20, 0);
	trace_switch(&t, 4 * MS, 1, 20, S, 0);
	trace_switch(&t, 5 * MS, 1, 0, R, 20);
	trace_switch(&t, 6 * MS, 1, 20, S, 0);
	m = built(&t, NULL);
	assert_string_equal(text(m, 20), "R3 W0 R1 E");
	assert_string_equal(text(m, 10), "R2 K20.0 R3 E");
	assert_int_equal(m->counts.wakes_early, 1);
	sr_model_free(m);
}

static void a_wake_whose_target_never_slept_is_dropped(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_waking(&t, 3 * MS, 0, 10, 20, 0);
	trace_switch(&t, 4 * MS, 1, 20, R, 0);
	trace_switch(&t, 5 * MS, 1, 0, R, 20);
	trace_switch(&t, 6 * MS, 1, 20, S, 0);
	m = built(&t, NULL);
	assert_string_equal(text(m, 20), "R4 E");
	assert_string_equal(text(m, 10), "R2 R3 E");
	assert_int_equal(m->counts.wakes_unmatched, 1);
	sr_model_free(m);
}

static void a_wake_from_an_interrupt_is_a_timed_sleep(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 3 * MS, 1, 20, S, 0);
	trace_waking(&t, 13 * MS, 0, 10, 20, SR_EV_HARDIRQ);
	trace_switch(&t, 14 * MS, 1, 0, R, 20);
	trace_switch(&t, 15 * MS, 1, 20, S, 0);
	m = built(&t, NULL);
	assert_string_equal(text(m, 20), "R2 S10 R1 E");
	assert_string_equal(text(m, 10), "R14 E");
	assert_int_equal(m->counts.sleeps_timer, 1);
	sr_model_free(m);
}

static void a_preemption_is_not_a_sleep(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 3 * MS, 1, 20, R, 0);
	trace_switch(&t, 9 * MS, 1, 0, R, 20);
	trace_switch(&t, 10 * MS, 1, 20, S, 0);
	m = built(&t, NULL);
	assert_string_equal(text(m, 20), "R3 E");
	assert_int_equal(m->counts.preempted, 1);
	sr_model_free(m);
}

static void softirq_wakes_both_ways_are_a_dependency(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 3 * MS, 1, 20, S, 0);
	trace_waking(&t, 4 * MS, 0, 10, 20, SR_EV_SOFTIRQ);
	trace_switch(&t, 5 * MS, 0, 10, S, 0);
	trace_switch(&t, 6 * MS, 1, 0, R, 20);
	trace_waking(&t, 7 * MS, 1, 20, 10, SR_EV_SOFTIRQ);
	trace_switch(&t, 8 * MS, 0, 0, R, 10);
	trace_switch(&t, 9 * MS, 0, 10, S, 0);
	m = built(&t, NULL);
	assert_string_equal(text(m, 10), "R3 K20.0 R1 W0 R1 E");
	assert_string_equal(text(m, 20), "R2 W0 R1 K10.0 R2 E");
	assert_int_equal(m->counts.waits_softirq, 2);
	sr_model_free(m);
}

static void softirq_wakes_one_way_are_timed(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 3 * MS, 1, 20, S, 0);
	trace_waking(&t, 4 * MS, 0, 10, 20, SR_EV_SOFTIRQ);
	trace_switch(&t, 6 * MS, 1, 0, R, 20);
	trace_switch(&t, 9 * MS, 1, 20, S, 0);
	m = built(&t, NULL);
	assert_string_equal(text(m, 20), "R2 S1 R3 E");
	assert_string_equal(text(m, 10), "R3 R5 E");
	assert_int_equal(m->counts.waits_softirq, 0);
	sr_model_free(m);
}

static void a_waker_outside_the_replay_makes_a_timed_sleep(void **state)
{
	struct trace t;
	struct sr_model *m;

	trace_begin(&t, "tree");
	trace_task(&t, 10, "root", 'R', SR_TASK_ROOT);
	trace_switch(&t, 1 * MS, 0, 0, R, 10);
	trace_switch(&t, 2 * MS, 0, 10, S, 0);
	trace_waking(&t, 5 * MS, 1, 99, 10, 0);
	trace_switch(&t, 6 * MS, 0, 0, R, 10);
	trace_switch(&t, 8 * MS, 0, 10, S, 0);
	m = built(&t, NULL);
	assert_int_equal(m->ntasks, 1);
	assert_string_equal(text(m, 10), "R1 S3 R2 E");
	assert_int_equal(m->counts.sleeps_outside, 1);
	sr_model_free(m);
}

static void a_reused_tid_is_another_task(void **state)
{
	struct trace t;
	struct sr_model *m;
	int n = 0;

	two_tasks(&t);
	for (int i = 0; i < 2; i++) {
		uint64_t at = (2 + 4 * i) * MS;

		trace_fork(&t, at, 0, 10, 30);
		trace_switch(&t, at + MS, 1, i ? 0 : 20, i ? R : S, 30);
		trace_exit(&t, at + 2 * MS, 1, 30);
		trace_switch(&t, at + 3 * MS, 1, 30, SR_STATE_DEAD, 0);
	}
	m = built(&t, NULL);
	for (size_t i = 0; i < m->ntasks; i++)
		if (m->tasks[i].tid == 30) {
			assert_int_equal(m->tasks[i].cpu_ns, 2 * MS);
			assert_true(m->tasks[i].parent != UINT32_MAX);
			n++;
		}
	assert_int_equal(n, 2);
	assert_int_equal(m->max_alive, 3);
	sr_model_free(m);
}

static void an_order_before_the_wakers_own_wake_is_folded_into_its_wait(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 2 * MS, 0, 10, S, 0); /* the later waker sleeps */
	trace_switch(&t, 3 * MS, 1, 20, S, 0); /* the target sleeps */
	trace_waking(&t, 5 * MS, 1, 0, 10, SR_EV_HARDIRQ);
	trace_switch(&t, 6 * MS, 0, 0, R, 10);
	trace_waking(&t, 7 * MS, 0, 10, 20, 0);
	trace_switch(&t, 8 * MS, 1, 0, R, 20);
	trace_switch(&t, 9 * MS, 1, 20, S, 0);
	m = built(&t, NULL);
	assert_int_equal(m->counts.order[SR_ORDER_FOLDED], 1);
	assert_int_equal(by_tid(m, 10)->waits[0].needs, 1); /* the folded order; its own end is timed */
	assert_int_equal(by_tid(m, 20)->waits[0].needs, 1);
	assert_int_equal(by_tid(m, 20)->waits[0].watch_wait, 0);
	sr_model_free(m);
}

static void a_target_that_blocked_while_the_waker_ran_is_concurrent(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 3 * MS, 1, 20, S, 0);
	trace_waking(&t, 4 * MS, 0, 10, 20, 0);
	trace_switch(&t, 5 * MS, 1, 0, R, 20);
	m = built(&t, NULL);
	assert_int_equal(m->counts.order[SR_ORDER_CONCURRENT], 1);
	sr_model_free(m);
}

static void a_sleep_that_ends_without_a_wake_is_timed(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 3 * MS, 1, 20, S, 0);
	trace_switch(&t, 8 * MS, 1, 0, R, 20);
	trace_switch(&t, 9 * MS, 1, 20, S, 0);
	m = built(&t, NULL);
	assert_string_equal(text(m, 20), "R2 S5 R1 E");
	assert_int_equal(m->counts.wakes_missing, 1);
	sr_model_free(m);
}

static void trace_wakeup(struct trace *t, uint64_t at, unsigned cpu, int32_t ctx, int32_t tid, unsigned flags)
{
	trace_put(t, (struct sr_event){ .time_ns = at,
					.cpu = cpu,
					.kind = SR_EV_WAKEUP,
					.ctx = ctx,
					.flags = flags,
					.u.wake = { .tid = tid, .prio = 120, .target_cpu = 1 } });
}

/* Its own event of the wake's end comes when another one has shown that there was nobody to wake. */
static void a_dropped_wake_costs_nothing(void **state)
{
	const struct sr_program *p;
	struct sr_model *m;
	struct trace t;

	two_tasks(&t);
	trace_waking(&t, 3 * MS, 0, 10, 20, 0);
	trace_wakeup(&t, 3 * MS + 1000, 1, 20, 20, SR_EV_INTERRUPT);
	trace_wakeup(&t, 3 * MS + 40000, 0, 10, 20, 0);
	trace_switch(&t, 6 * MS, 1, 20, S, 0);
	m = built(&t, NULL);
	p = &m->tasks[m->tasks[0].tid == 10 ? 0 : 1];
	assert_int_equal(m->counts.wakes_unmatched, 1);
	for (size_t k = 0; k < p->nops; k++)
		assert_true(p->ops[k].kind != SR_OP_WAKE && (p->ops[k].kind != SR_OP_NOP || !p->ops[k].cpu));
	sr_model_free(m);
}

/* What the call of 10's wake of 20 took, ns, where its sched_wakeup is so; UINT32_MAX: it is not known. Tracing takes 500 ns. */
static unsigned cost_of_wake(uint64_t after, int32_t ctx, int32_t woken, unsigned flags)
{
	struct sr_model_options o = { .tracepoint_ns = 500 };
	const struct sr_program *p;
	struct sr_model *m;
	unsigned ns = UINT32_MAX;
	struct trace t;

	two_tasks(&t);
	trace_switch(&t, 2 * MS, 1, 20, S, 0);
	trace_waking(&t, 3 * MS, 0, 10, 20, 0);
	trace_wakeup(&t, 3 * MS + after, 0, ctx, woken, flags);
	trace_switch(&t, 5 * MS, 1, 0, R, 20);
	m = built(&t, &o);
	p = by_tid(m, 10);
	for (size_t k = 0; k < p->nops; k++)
		if (p->ops[k].kind == SR_OP_WAKE && p->ops[k].cpu)
			ns = (unsigned)sr_wake_call_ns(&p->ops[k]);
	sr_model_free(m);
	return ns;
}

static void a_wake_tells_what_its_call_took(void **state)
{
	assert_int_equal(cost_of_wake(33300, 10, 20, 0), 32800);
	assert_int_equal(cost_of_wake(400, 10, 20, 0), 0);
	assert_int_equal(cost_of_wake(1048000, 10, 20, 0), 1047488); /* in units of 16 */
	/* Longer than any call: an interrupt came between. In an interrupt, perhaps on the target's CPU. */
	assert_int_equal(cost_of_wake(1950000, 10, 20, 0), UINT32_MAX);
	assert_int_equal(cost_of_wake(33300, 10, 20, SR_EV_HARDIRQ), UINT32_MAX);
	assert_int_equal(cost_of_wake(33300, 0, 20, 0), UINT32_MAX);
	assert_int_equal(cost_of_wake(33300, 10, 30, 0), UINT32_MAX);
}

static void the_cost_of_tracing_is_taken_out_of_the_bursts(void **state)
{
	struct sr_model_options o = { .tracepoint_ns = 1000 };
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 3 * MS, 1, 20, S, 0);
	trace_waking(&t, 4 * MS, 0, 10, 20, 0);
	trace_switch(&t, 5 * MS, 0, 10, S, 0);
	m = built(&t, &o);
	/* 10 had a waking and its own switch-out in its context. */
	assert_int_equal(by_tid(m, 10)->cpu_ns, 4 * MS - 2000);
	sr_model_free(m);
}

static void a_window_leaves_out_what_is_before_and_behind_it(void **state)
{
	struct sr_model_options o = { .from_ns = 2 * MS, .to_ns = 6 * MS };
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 2 * MS, 1, 20, S, 0);
	trace_waking(&t, 4 * MS, 0, 10, 20, 0);
	trace_switch(&t, 5 * MS, 1, 0, R, 20);
	trace_switch(&t, 6 * MS, 1, 20, S, 0);
	trace_switch(&t, 20 * MS, 0, 10, S, 0);
	m = built(&t, &o);
	assert_int_equal(by_tid(m, 20)->cpu_ns, MS);
	assert_true(m->run_ns < 6 * MS);
	sr_model_free(m);
}

/* From 3 to 21 ms of the clock; the next event on CPU 0 comes 10 ms later. */
static void who_runs_when_a_window_ends_has_run_until_then(void **state)
{
	struct sr_model_options o = { .from_ns = 2 * MS, .to_ns = 20 * MS };
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_waking(&t, 3 * MS, 0, 10, 30, 0);
	trace_switch(&t, 5 * MS, 1, 20, S, 0);
	trace_switch(&t, 31 * MS, 0, 10, S, 0);
	m = built(&t, &o);
	assert_string_equal(text(m, 10), "K30.0 R18 E");
	assert_int_equal(by_tid(m, 20)->cpu_ns, 2 * MS);
	assert_int_equal(m->end_ns - m->start_ns, 18 * MS);
	sr_model_free(m);
}

/* A lost switch-out: 20 is seen to run on while 30 is what the cpu's next event names. */
static void a_missing_switch_is_repaired_and_shifts_nothing(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_task(&t, 30, "c", 'S', 0);
	trace_switch(&t, 5 * MS, 1, 30, S, 20); /* 20 -> 30 is not in the trace */
	trace_switch(&t, 7 * MS, 1, 20, S, 0);
	trace_switch(&t, 9 * MS, 0, 10, S, 0);
	m = built(&t, NULL);
	assert_int_equal(m->counts.repaired, 1);
	assert_int_equal(by_tid(m, 10)->cpu_ns, 8 * MS);
	assert_int_equal(by_tid(m, 20)->cpu_ns + by_tid(m, 30)->cpu_ns, 6 * MS);
	sr_model_free(m);
}

static void wakeup(struct trace *t, uint64_t at, unsigned cpu, int32_t ctx, int32_t tid)
{
	trace_put(t, (struct sr_event){ .time_ns = at,
					.cpu = cpu,
					.kind = SR_EV_WAKEUP,
					.ctx = ctx,
					.u.wake = { .tid = tid, .prio = 120, .target_cpu = cpu } });
}

static void a_wake_completed_while_its_target_ran_ends_no_later_sleep(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_waking(&t, 2 * MS, 0, 10, 20, 0);
	wakeup(&t, 2 * MS, 0, 10, 20);
	trace_switch(&t, 4 * MS, 1, 20, S, 0);
	trace_switch(&t, 6 * MS, 1, 0, R, 20);
	trace_switch(&t, 7 * MS, 1, 20, S, 0);
	m = built(&t, NULL);
	assert_string_equal(text(m, 20), "R3 S2 R1 E");
	assert_int_equal(m->counts.wakes_unmatched, 1);
	sr_model_free(m);
}

static void who_sleeps_when_a_window_begins_starts_with_its_wake(void **state)
{
	struct sr_model_options o = { .from_ns = 2 * MS };
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 2 * MS, 1, 20, S, 0);
	trace_waking(&t, 5 * MS, 0, 10, 20, 0); /* 10 has run since before the window: its wake counts */
	trace_switch(&t, 6 * MS, 1, 0, R, 20);
	trace_switch(&t, 7 * MS, 1, 20, S, 0);
	trace_switch(&t, 9 * MS, 0, 10, S, 0);
	m = built(&t, &o);
	assert_string_equal(text(m, 20), "W0 R1 E");
	assert_string_equal(text(m, 10), "R2 K20.0 R4 E");
	sr_model_free(m);
}

static void tasks_that_die_without_a_start_do_not_count_below_none_alive(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	for (int i = 0; i < 3; i++)
		trace_switch(&t, (3 + i) * MS, 1, i ? 29 + i : 20, i ? SR_STATE_DEAD : R, 30 + i);
	trace_switch(&t, 6 * MS, 1, 32, SR_STATE_DEAD, 0);
	trace_switch(&t, 7 * MS, 0, 10, SR_STATE_DEAD, 20);
	trace_switch(&t, 8 * MS, 0, 20, SR_STATE_DEAD, 0);
	trace_fork(&t, 9 * MS, 2, 40, 41);
	m = built(&t, NULL);
	assert_int_equal(m->max_alive, 3);
	sr_model_free(m);
}

static void the_clone_flags_before_a_fork_are_that_forks(void **state)
{
	struct trace t;
	struct sr_model *m;
	size_t i, threads = 0;

	two_tasks(&t);
	trace_fork(&t, 3 * MS, 0, 10, 30);
	trace_put(&t, (struct sr_event){ .time_ns = 4 * MS,
					 .kind = SR_EV_NEWTASK,
					 .ctx = 10,
					 .u.newtask = { .tid = 31, .clone_flags = 0x10100 } });
	trace_fork(&t, 4 * MS, 0, 10, 31);
	m = built(&t, NULL);
	for (i = 0; i < by_tid(m, 10)->nops; i++) {
		const struct sr_op *op = &by_tid(m, 10)->ops[i];

		if (op->kind != SR_OP_FORK)
			continue;
		assert_int_equal(op->flags, m->tasks[op->arg].tid == 31 ? SR_FORK_VM | SR_FORK_THREAD : 0);
		threads += op->flags != 0;
	}
	assert_int_equal(threads, 1);
	sr_model_free(m);
}

static void a_sleep_on_the_way_out_is_not_the_end(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 2 * MS, 0, 10, S, 0);
	trace_exit(&t, 3 * MS, 1, 20);
	trace_switch(&t, 4 * MS, 1, 20, SR_STATE_DISK, 0);
	trace_waking(&t, 5 * MS, 1, 0, 20, SR_EV_HARDIRQ);
	trace_switch(&t, 5 * MS, 1, 0, R, 20);
	trace_waking(&t, 6 * MS, 1, 20, 10, 0); /* to its parent */
	trace_switch(&t, 7 * MS, 1, 20, SR_STATE_DEAD, 0);
	trace_switch(&t, 7 * MS, 0, 0, R, 10);
	m = built(&t, NULL);
	assert_string_equal(text(m, 20), "R3 S1 R1 K10.0 R1 X");
	sr_model_free(m);
}

static void a_repaired_switch_tells_no_priority(void **state)
{
	struct trace t;
	struct sr_model *m;

	trace_begin(&t, "system");
	trace_task(&t, 20, "b", 'R', 0);
	trace_put(&t, (struct sr_event){ .time_ns = MS,
					 .kind = SR_EV_SWITCH,
					 .u.sw = { .next = 20, .prev_prio = 120, .next_prio = 125 } });
	trace_put(&t, (struct sr_event){ .time_ns = 3 * MS,
					 .kind = SR_EV_SWITCH,
					 .ctx = 20,
					 .u.sw = { .prev = 20, .prev_state = R, .prev_prio = 125, .next_prio = 120 } });
	wakeup(&t, 5 * MS, 0, 20, 99); /* its switch-in is missing */
	trace_put(&t, (struct sr_event){ .time_ns = 6 * MS,
					 .kind = SR_EV_SWITCH,
					 .ctx = 20,
					 .u.sw = { .prev = 20, .prev_state = S, .prev_prio = 125, .next_prio = 120 } });
	m = built(&t, NULL);
	assert_string_equal(text(m, 20), "R2 K99.0 R1 E");
	sr_model_free(m);
}

/* ---- what no kernel writes, but a damaged or hostile file holds ---- */

static uint64_t cpu_time(const struct sr_model *m)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < m->ntasks; i++)
		ns += m->tasks[i].cpu_ns;
	return ns;
}

static void a_tid_that_is_given_anew_ends_whose_exit_was_lost(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_fork(&t, 4 * MS, 0, 10, 20);
	trace_switch(&t, 6 * MS, 0, 10, S, 0);
	m = built(&t, NULL);
	assert_string_equal(text(m, 20), "R3 X"); /* the first one, which ran on */
	assert_int_equal(cpu_time(m), 8 * MS);
	sr_model_free(m);
}

/* Thread 11 execs and becomes 10; that the main thread had ended by then is not in the recording. */
static void an_exec_by_a_thread_ends_the_main_thread(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 3 * MS, 0, 10, S, 0);
	trace_switch(&t, 3 * MS, 1, 20, S, 11);
	trace_put(&t, (struct sr_event){ .time_ns = 5 * MS,
					 .cpu = 1,
					 .kind = SR_EV_EXEC,
					 .ctx = 10,
					 .u.exec = { .tid = 10, .old_tid = 11, .name = UINT32_MAX } });
	trace_switch(&t, 9 * MS, 1, 10, S, 0);
	m = built(&t, NULL);
	assert_string_equal(text(m, 10), "R2 X");
	assert_int_equal(by_tid(m, 11)->cpu_ns, 6 * MS);
	sr_model_free(m);
}

static void who_forks_itself_is_not_its_own_child(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_fork(&t, 4 * MS, 0, 10, 10);
	trace_switch(&t, 6 * MS, 0, 10, S, 0);
	m = built(&t, NULL);
	for (size_t i = 0; i < m->ntasks; i++)
		assert_true(m->tasks[i].parent == UINT32_MAX);
	sr_model_free(m);
}

static void a_switch_from_a_task_to_itself_adds_no_cpu_time(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_switch(&t, 3 * MS, 0, 10, SR_STATE_DEAD, 10);
	trace_switch(&t, 7 * MS, 0, 10, S, 0);
	trace_switch(&t, 7 * MS, 1, 20, S, 0);
	m = built(&t, NULL);
	assert_in_range(cpu_time(m), 6 * MS, 12 * MS);
	sr_model_free(m);
}

/* Thread 30, which nobody has seen, becomes 10, which runs there: one of the two ran from 1 to 5 ms, and not since the start. */
static void only_who_has_a_cpu_first_has_it_since_the_start(void **state)
{
	struct trace t;
	struct sr_model *m;

	two_tasks(&t);
	trace_put(&t, (struct sr_event){ .time_ns = 5 * MS,
					 .kind = SR_EV_EXEC,
					 .ctx = 10,
					 .u.exec = { .tid = 10, .old_tid = 30, .name = UINT32_MAX } });
	trace_switch(&t, 9 * MS, 0, 10, S, 0);
	trace_switch(&t, 9 * MS, 1, 20, S, 0);
	m = built(&t, NULL);
	assert_int_equal(cpu_time(m), 16 * MS);
	sr_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wake_by_a_task_releases_the_wait_it_ended),
		cmocka_unit_test(a_wake_stamped_before_its_sleepers_switch_is_kept),
		cmocka_unit_test(a_dropped_wake_costs_nothing),
		cmocka_unit_test(a_wake_whose_target_never_slept_is_dropped),
		cmocka_unit_test(a_wake_from_an_interrupt_is_a_timed_sleep),
		cmocka_unit_test(a_preemption_is_not_a_sleep),
		cmocka_unit_test(softirq_wakes_both_ways_are_a_dependency),
		cmocka_unit_test(softirq_wakes_one_way_are_timed),
		cmocka_unit_test(a_waker_outside_the_replay_makes_a_timed_sleep),
		cmocka_unit_test(a_reused_tid_is_another_task),
		cmocka_unit_test(an_order_before_the_wakers_own_wake_is_folded_into_its_wait),
		cmocka_unit_test(a_target_that_blocked_while_the_waker_ran_is_concurrent),
		cmocka_unit_test(a_sleep_that_ends_without_a_wake_is_timed),
		cmocka_unit_test(a_wake_tells_what_its_call_took),
		cmocka_unit_test(the_cost_of_tracing_is_taken_out_of_the_bursts),
		cmocka_unit_test(a_window_leaves_out_what_is_before_and_behind_it),
		cmocka_unit_test(who_runs_when_a_window_ends_has_run_until_then),
		cmocka_unit_test(a_wake_completed_while_its_target_ran_ends_no_later_sleep),
		cmocka_unit_test(who_sleeps_when_a_window_begins_starts_with_its_wake),
		cmocka_unit_test(tasks_that_die_without_a_start_do_not_count_below_none_alive),
		cmocka_unit_test(the_clone_flags_before_a_fork_are_that_forks),
		cmocka_unit_test(a_sleep_on_the_way_out_is_not_the_end),
		cmocka_unit_test(a_repaired_switch_tells_no_priority),
		cmocka_unit_test(a_missing_switch_is_repaired_and_shifts_nothing),
		cmocka_unit_test(a_tid_that_is_given_anew_ends_whose_exit_was_lost),
		cmocka_unit_test(an_exec_by_a_thread_ends_the_main_thread),
		cmocka_unit_test(who_forks_itself_is_not_its_own_child),
		cmocka_unit_test(a_switch_from_a_task_to_itself_adds_no_cpu_time),
		cmocka_unit_test(only_who_has_a_cpu_first_has_it_since_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
