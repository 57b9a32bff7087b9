/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The merge: order, comms, losses, and what holds when the clocks or the sink do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record/internal.h"

#define MAX 64

struct fixture {
	struct rec_merge m;
	struct sr_event ev[MAX];
	size_t n;
	char names[MAX][32];
	uint32_t nnames;
	bool refuse;
	struct sr_error err;
};

static uint32_t take_name(void *arg, const char *name, struct sr_error *err)
{
	struct fixture *x = arg;

	strncpy(x->names[x->nnames], name, 31);
	return x->nnames++;
}

static int take_events(void *arg, const struct sr_event *ev, size_t n, struct sr_error *err)
{
	struct fixture *x = arg;

	if (x->refuse)
		return sr_fail(err, SR_ENVIRONMENT, "full");
	assert_true(x->n + n <= MAX);
	memcpy(&x->ev[x->n], ev, n * sizeof(*ev));
	x->n += n;
	return 0;
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	struct rec_sink sink = { .arg = x, .name = take_name, .events = take_events };

	if (!x || rec_merge_init(&x->m, 4, &x->err))
		return -1;
	rec_merge_reset(&x->m, &sink);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	rec_merge_release(&x->m);
	free(x);
	return 0;
}

static uint32_t name(struct fixture *x, const char *text)
{
	return rec_names_put(&x->m.names, text, strlen(text));
}

static void queue(struct fixture *x, struct rec_item item, uint64_t time, unsigned cpu)
{
	item.ev.time_ns = time;
	item.ev.cpu = (uint16_t)cpu;
	assert_int_equal(rec_merge_queue(&x->m, cpu, &item, &x->err), 0);
}

static void wake(struct fixture *x, uint64_t time, unsigned cpu, int32_t tid, const char *comm)
{
	struct rec_item item = { .ev = { .kind = SR_EV_WAKING } };

	item.ev.u.wake.tid = tid;
	item.comm_a = name(x, comm);
	queue(x, item, time, cpu);
}

static void fork_event(struct fixture *x, uint64_t time, unsigned cpu, int32_t parent, const char *a, int32_t child,
		       const char *b)
{
	struct rec_item item = { .ev = { .kind = SR_EV_FORK } };

	item.ev.u.fork.parent = parent;
	item.ev.u.fork.child = child;
	item.comm_a = name(x, a);
	item.comm_b = name(x, b);
	queue(x, item, time, cpu);
}

static void newtask(struct fixture *x, uint64_t time, unsigned cpu, int32_t tid, const char *comm)
{
	struct rec_item item = { .ev = { .kind = SR_EV_NEWTASK } };

	item.ev.u.newtask.tid = tid;
	item.comm_a = name(x, comm);
	queue(x, item, time, cpu);
}

static void rename_event(struct fixture *x, uint64_t time, unsigned cpu, int32_t tid, const char *a, const char *b)
{
	struct rec_item item = { .ev = { .kind = SR_EV_RENAME } };

	item.ev.u.rename.tid = tid;
	item.comm_a = name(x, a);
	item.comm_b = name(x, b);
	queue(x, item, time, cpu);
}

static void exec_event(struct fixture *x, uint64_t time, unsigned cpu, int32_t tid, int32_t old, const char *file)
{
	struct rec_item item = { .ev = { .kind = SR_EV_EXEC } };

	item.ev.u.exec.tid = tid;
	item.ev.u.exec.old_tid = old;
	item.comm_b = name(x, file);
	queue(x, item, time, cpu);
}

static void emit(struct fixture *x, uint64_t before)
{
	assert_int_equal(rec_merge_emit(&x->m, before, &x->err), 0);
}

/* The kinds handed on, one letter each. */
static const char *kinds(struct fixture *x)
{
	static const char letters[] = "?SWwnMFXEtNCL";
	static char text[MAX + 1];

	for (size_t i = 0; i < x->n; i++)
		text[i] = letters[x->ev[i].kind];
	text[x->n] = '\0';
	return text;
}

static void known(struct fixture *x, int32_t tid, const char *comm)
{
	assert_int_equal(rec_merge_set_comm(&x->m, tid, comm, &x->err), 0);
}

static void events_come_out_by_time_and_then_by_cpu(void **state)
{
	struct fixture *x = *state;
	static const unsigned cpus[] = { 0, 3, 1, 2, 0 };
	static const uint64_t times[] = { 10, 10, 15, 20, 30 };

	known(x, 9, "t");
	wake(x, 20, 2, 9, "t");
	wake(x, 10, 3, 9, "t");
	wake(x, 10, 0, 9, "t");
	wake(x, 30, 0, 9, "t");
	wake(x, 15, 1, 9, "t");
	emit(x, UINT64_MAX);
	assert_int_equal(x->n, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(x->ev[i].time_ns, times[i]);
		assert_int_equal(x->ev[i].cpu, cpus[i]);
	}
	assert_int_equal(x->m.late, 0);
}

static void nothing_newer_than_the_horizon_is_handed_on(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "t");
	wake(x, 10, 0, 9, "t");
	wake(x, 20, 1, 9, "t");
	emit(x, 20);
	assert_int_equal(x->n, 1);
	emit(x, 21);
	assert_int_equal(x->n, 2);
}

static void many_events_survive_the_queues_growth(void **state)
{
	struct fixture *x = *state;
	struct rec_queue *q = &x->m.q[2];

	known(x, 9, "t");
	for (unsigned i = 0; i < 1000; i++)
		wake(x, i, 2, 9, "t");
	emit(x, 50); /* so that the ring does not begin at its start when it grows */
	for (unsigned i = 1000; i < 5000; i++)
		wake(x, i, 2, 9, "t");
	assert_int_equal(x->n, 50);
	assert_int_equal(q->n, 4950);
	for (size_t i = 0; i < q->n; i++)
		assert_int_equal(q->v[(q->head + i) & (q->cap - 1)].ev.time_ns, 50 + i);
}

static void a_time_that_steps_back_on_its_cpu_is_held(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "t");
	wake(x, 100, 0, 9, "t");
	wake(x, 98, 0, 9, "t");
	emit(x, UINT64_MAX);
	assert_int_equal(x->ev[1].time_ns, 100);
	assert_int_equal(x->m.late, 0);
}

static void an_event_that_comes_too_late_is_counted_and_keeps_the_order(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "t");
	wake(x, 100, 0, 9, "t");
	emit(x, 200);
	wake(x, 50, 1, 9, "t");
	emit(x, UINT64_MAX);
	assert_int_equal(x->ev[1].time_ns, 100);
	assert_int_equal(x->m.late, 1);
}

static void a_comm_that_is_known_is_not_told_again(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "t");
	wake(x, 1, 0, 9, "t");
	wake(x, 2, 0, 8, "new");
	wake(x, 3, 0, 8, "new");
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "WCWW");
	assert_int_equal(x->ev[1].u.rename.tid, 8);
	assert_string_equal(x->names[x->ev[1].u.rename.name], "new");
	assert_int_equal(x->ev[1].time_ns, 2);
}

static void a_comm_that_changes_unseen_is_told(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "before");
	wake(x, 1, 0, 9, "before");
	wake(x, 2, 0, 9, "after");
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "WCW");
	assert_string_equal(x->names[x->ev[1].u.rename.name], "after");
}

static void the_idle_task_has_no_comm(void **state)
{
	struct fixture *x = *state;
	struct rec_item item = { .ev = { .kind = SR_EV_SWITCH } };

	known(x, 9, "t");
	item.ev.u.sw.next = 9;
	item.comm_a = name(x, "swapper/0");
	item.comm_b = name(x, "t");
	queue(x, item, 1, 0);
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "S");
}

static void a_child_has_its_parents_comm(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "mother");
	fork_event(x, 1, 0, 9, "mother", 10, "mother");
	wake(x, 2, 0, 10, "mother");
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "FW");
}

static void a_reused_tid_loses_its_old_comm(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "mother");
	known(x, 10, "long gone");
	fork_event(x, 1, 0, 9, "mother", 10, "mother");
	wake(x, 2, 0, 10, "long gone");
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "FCW");
}

static void a_childs_own_comm_is_told_after_the_fork(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "mother");
	fork_event(x, 1, 0, 9, "mother", 10, "thread-1");
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "FC");
	assert_int_equal(x->ev[1].u.rename.tid, 10);
}

static void a_rename_says_it_all(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "old");
	rename_event(x, 1, 0, 9, "old", "new");
	wake(x, 2, 0, 9, "new");
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "tW");
	assert_string_equal(x->names[x->ev[0].u.rename.name], "new");
}

static void an_exec_renames_where_renames_are_no_events(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "sh");
	exec_event(x, 1, 0, 9, 9, "/bin/a-very-long-program");
	wake(x, 2, 0, 9, "a-very-long-pro");
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "XW");
	assert_string_equal(x->names[x->ev[0].u.exec.name], "/bin/a-very-long-program");
}

static void an_exec_leaves_the_comm_to_the_rename_before_it(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "sh");
	rename_event(x, 1, 0, 9, "sh", "script");
	exec_event(x, 2, 0, 9, 9, "/proc/self/fd/3");
	wake(x, 3, 0, 9, "script");
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "tXW");
}

static void a_thread_that_execs_brings_its_comm_to_the_main_threads_tid(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "main");
	known(x, 12, "helper");
	rename_event(x, 1, 0, 12, "helper", "doomed");
	exec_event(x, 2, 0, 9, 12, "/bin/new");
	wake(x, 3, 0, 9, "doomed");
	wake(x, 4, 0, 9, "main");
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "tXWCW");
}

static void a_new_task_is_told_after_its_fork(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "mother");
	newtask(x, 1, 0, 10, "mother");
	wake(x, 2, 1, 9, "mother");
	fork_event(x, 3, 0, 9, "mother", 10, "mother");
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "WFN");
	assert_int_equal(x->ev[2].time_ns, 3);
}

static void a_new_task_without_a_fork_is_told_before_it_first_runs(void **state)
{
	struct fixture *x = *state;
	struct rec_item item = { .ev = { .kind = SR_EV_WAKEUP_NEW } };

	known(x, 10, "io");
	newtask(x, 1, 0, 10, "io");
	item.ev.u.wake.tid = 10;
	item.comm_a = name(x, "io");
	queue(x, item, 2, 1);
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "Nn");
}

static void a_new_task_whose_fork_never_comes_is_not_lost(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "t");
	newtask(x, 1, 0, 10, "t");
	wake(x, 5, 1, 9, "t");
	emit(x, 10);
	assert_string_equal(kinds(x), "W");
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "WNC");
	assert_int_equal(x->ev[1].time_ns, 5);
}

static void more_new_tasks_than_can_be_held_are_not_lost(void **state)
{
	struct fixture *x = *state;

	for (int i = 0; i < REC_PENDING + 5; i++) {
		known(x, 100 + i, "t");
		newtask(x, 1 + (uint64_t)i, 0, 100 + i, "t");
	}
	emit(x, UINT64_MAX);
	assert_int_equal(x->n, REC_PENDING + 5);
}

static void a_loss_has_its_place_its_number_and_its_span(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "t");
	wake(x, 1000, 1, 9, "t");
	assert_int_equal(rec_merge_lost(&x->m, 1, 8001000, 77, &x->err), 0);
	wake(x, 8001000, 1, 9, "t");
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "WLW");
	assert_int_equal(x->ev[1].u.lost.count, 77);
	assert_int_equal(x->ev[1].u.lost.span_us, 8000);
	assert_int_equal(x->m.lost, 77);
	assert_int_equal(x->m.lost_places, 1);
}

static void a_sink_that_refuses_ends_it(void **state)
{
	struct fixture *x = *state;

	known(x, 9, "t");
	wake(x, 1, 0, 9, "t");
	x->refuse = true;
	assert_int_equal(rec_merge_emit(&x->m, UINT64_MAX, &x->err), -1);
	assert_string_equal(x->err.text, "full");
}

static void a_second_recording_asks_for_its_names_again(void **state)
{
	struct fixture *x = *state;
	struct rec_sink sink = { .arg = x, .name = take_name, .events = take_events };

	wake(x, 1, 0, 9, "t");
	emit(x, UINT64_MAX);
	assert_int_equal(x->nnames, 1);
	rec_merge_reset(&x->m, &sink);
	x->n = 0;
	wake(x, 1, 0, 9, "t");
	emit(x, UINT64_MAX);
	assert_string_equal(kinds(x), "CW");
	assert_int_equal(x->nnames, 2);
}

static void equal_names_share_a_number_and_others_do_not(void **state)
{
	struct rec_names t = { 0 };
	uint32_t ids[500];
	char text[16];

	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "name%d", i);
		ids[i] = rec_names_put(&t, text, sizeof(text));
		assert_int_not_equal(ids[i], 0);
	}
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "name%d", i);
		assert_int_equal(rec_names_put(&t, text, strlen(text)), ids[i]);
		assert_string_equal(rec_names_get(&t, ids[i]), text);
	}
	assert_int_not_equal(rec_names_put(&t, "name10", 5), ids[10]);
	assert_int_equal(rec_names_put(&t, "name10", 5), ids[1]);
	rec_names_release(&t);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(events_come_out_by_time_and_then_by_cpu),
		T(nothing_newer_than_the_horizon_is_handed_on),
		T(many_events_survive_the_queues_growth),
		T(a_time_that_steps_back_on_its_cpu_is_held),
		T(an_event_that_comes_too_late_is_counted_and_keeps_the_order),
		T(a_comm_that_is_known_is_not_told_again),
		T(a_comm_that_changes_unseen_is_told),
		T(the_idle_task_has_no_comm),
		T(a_child_has_its_parents_comm),
		T(a_reused_tid_loses_its_old_comm),
		T(a_childs_own_comm_is_told_after_the_fork),
		T(a_rename_says_it_all),
		T(an_exec_renames_where_renames_are_no_events),
		T(an_exec_leaves_the_comm_to_the_rename_before_it),
		T(a_thread_that_execs_brings_its_comm_to_the_main_threads_tid),
		T(a_new_task_is_told_after_its_fork),
		T(a_new_task_without_a_fork_is_told_before_it_first_runs),
		T(a_new_task_whose_fork_never_comes_is_not_lost),
		T(more_new_tasks_than_can_be_held_are_not_lost),
		T(a_loss_has_its_place_its_number_and_its_span),
		T(a_sink_that_refuses_ends_it),
		T(a_second_recording_asks_for_its_names_again),
		cmocka_unit_test(equal_names_share_a_number_and_others_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
