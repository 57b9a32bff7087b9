/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/snapshot.h"
#include "tests/unit/srz_events.h"

static struct sr_error err;
static struct sr_snapshot *snap;
static struct sr_task_starts at_start, taken;
static struct sr_task_table whole; /* fed beside it by feed(), once it is begun */
static uint64_t now_ns;

static const char *const names[] = { "sh", "/usr/bin/make", "cc1plus-is-a-very-long-name", "d", "e", "f", "g", "h" };

static const char *name_at(void *arg, uint32_t name)
{
	return names[name % 8];
}

static int fresh(void **state)
{
	now_ns = 100;
	return 0;
}

static int done(void **state)
{
	sr_snapshot_free(snap);
	sr_task_starts_release(&at_start);
	sr_task_starts_release(&taken);
	sr_task_table_release(&whole);
	snap = NULL;
	return 0;
}

static void start(struct sr_task_start t, int only_cpu)
{
	struct sr_cpumask mask = { { 0 } };

	if (only_cpu >= 0)
		sr_cpumask_set(&mask, (unsigned)only_cpu);
	assert_int_equal(sr_task_starts_add(&at_start, &t, only_cpu >= 0 ? &mask : NULL, &err), 0);
}

static void feed(struct sr_event ev)
{
	if (!snap)
		snap = sr_snapshot_new(&at_start, &err);
	assert_non_null(snap);
	ev.time_ns = ++now_ns;
	assert_int_equal(sr_snapshot_feed(snap, &ev, name_at, NULL, &err), 0);
	if (whole.n)
		assert_int_equal(sr_task_table_feed(&whole, &ev, name_at, NULL, &err), 0);
}

static void feed_switch(unsigned cpu, int32_t prev, unsigned prev_state, int32_t next)
{
	feed((struct sr_event){ .kind = SR_EV_SWITCH,
				.cpu = (uint16_t)cpu,
				.ctx = prev,
				.u.sw = { .prev = prev,
					  .next = next,
					  .prev_prio = 120,
					  .next_prio = 120,
					  .prev_state = (uint8_t)prev_state } });
}

static void feed_wake(unsigned kind, int32_t ctx, int32_t tid, int prio, unsigned target_cpu)
{
	feed((struct sr_event){ .kind = (uint8_t)kind,
				.ctx = ctx,
				.u.wake = { .tid = tid, .prio = (int16_t)prio, .target_cpu = (uint16_t)target_cpu } });
}

static void feed_fork(int32_t parent, int32_t child, uint64_t clone_flags)
{
	feed((struct sr_event){ .kind = SR_EV_FORK, .ctx = parent, .u.fork = { .parent = parent, .child = child } });
	feed((struct sr_event){
		.kind = SR_EV_NEWTASK, .ctx = parent, .u.newtask = { .tid = child, .clone_flags = clone_flags } });
}

static void feed_exec(int32_t old_tid, int32_t tid)
{
	feed((struct sr_event){
		.kind = SR_EV_EXEC, .ctx = tid, .u.exec = { .tid = tid, .old_tid = old_tid, .name = 1 } });
}

/* The state of tid now; NULL: it is not in it. */
static const struct sr_task_start *of(int32_t tid)
{
	if (!snap)
		snap = sr_snapshot_new(&at_start, &err);
	sr_task_starts_release(&taken);
	assert_int_equal(sr_snapshot_take(snap, &taken, &err), 0);
	for (size_t i = 0; i < taken.n; i++)
		if (taken.v[i].tid == tid)
			return &taken.v[i];
	return NULL;
}

static void a_state_that_nothing_happened_to_is_the_start_state(void **state)
{
	start((struct sr_task_start){ .tid = 5,
				      .tgid = 4,
				      .ppid = 1,
				      .comm = "five",
				      .policy = 3,
				      .nice = -7,
				      .flags = SR_TASK_ROOT | SR_TASK_KTHREAD,
				      .state = 'D',
				      .last_cpu = 9 },
	      3);
	start((struct sr_task_start){ .tid = 7, .tgid = 7, .policy = 2, .rt_prio = 50, .state = 'I' }, -1);
	assert_non_null(of(5));
	assert_int_equal(taken.n, 2);
	for (size_t i = 0; i < 2; i++) {
		struct sr_task_start want = at_start.v[i];
		const struct sr_task_start *got = &taken.v[i];

		assert_memory_equal(&taken.masks[got->allowed], &at_start.masks[want.allowed],
				    sizeof(struct sr_cpumask));
		want.allowed = got->allowed;
		assert_memory_equal(got, &want, sizeof(want));
	}
}

static void switches_tell_state_and_cpu(void **state)
{
	feed_switch(3, 0, SR_STATE_RUNNING, 5);
	assert_int_equal(of(5)->state, 'R');
	assert_int_equal(of(5)->last_cpu, 3);
	feed_switch(3, 5, SR_STATE_DISK, 6);
	assert_int_equal(of(5)->state, 'D');
	assert_int_equal(of(6)->state, 'R');
	feed_switch(3, 6, SR_STATE_PREEMPTED, 0);
	assert_int_equal(of(6)->state, 'R');
	assert_null(of(0));
}

static void a_woken_task_is_runnable_where_it_is_put(void **state)
{
	feed_switch(3, 5, SR_STATE_SLEEPING, 0);
	assert_int_equal(of(5)->state, 'S');
	feed_wake(SR_EV_WAKEUP, 0, 5, 120, 2);
	assert_int_equal(of(5)->state, 'R');
	assert_int_equal(of(5)->last_cpu, 2);
}

static void the_dead_are_not_in_it_and_those_who_exit_still_are(void **state)
{
	feed_switch(0, 0, SR_STATE_RUNNING, 5);
	feed((struct sr_event){ .kind = SR_EV_EXIT, .ctx = 5, .u.exit = { .tid = 5 } });
	assert_non_null(of(5));
	feed_switch(0, 5, SR_STATE_ZOMBIE, 0);
	assert_null(of(5));
	assert_int_equal(taken.n, 0);
}

static void priorities_become_policies(void **state)
{
	start((struct sr_task_start){ .tid = 5, .tgid = 5, .policy = 3, .nice = 5 }, -1);
	start((struct sr_task_start){ .tid = 6, .tgid = 6, .policy = 2, .rt_prio = 10 }, -1);
	feed_wake(SR_EV_WAKEUP, 0, 5, 125, 0);
	assert_int_equal(of(5)->policy, 3);
	assert_int_equal(of(5)->nice, 5);
	feed_wake(SR_EV_WAKEUP, 0, 5, 110, 0);
	assert_int_equal(of(5)->policy, 3);
	assert_int_equal(of(5)->nice, -10);
	feed_wake(SR_EV_WAKEUP, 0, 5, 89, 0);
	assert_int_equal(of(5)->policy, 1);
	assert_int_equal(of(5)->rt_prio, 10);
	feed_wake(SR_EV_WAKEUP, 0, 5, -1, 0);
	assert_int_equal(of(5)->policy, 6);
	feed_wake(SR_EV_WAKEUP, 0, 6, 79, 0);
	assert_int_equal(of(6)->policy, 2);
	assert_int_equal(of(6)->rt_prio, 20);
	feed_wake(SR_EV_WAKEUP, 0, 6, 120, 0);
	assert_int_equal(of(6)->policy, 0);
	assert_int_equal(of(6)->rt_prio, 0);
	feed_wake(SR_EV_WAKEUP, 0, 6, INT16_MIN, 0);
	assert_in_range(of(6)->nice + 20, 0, 39);
}

static void a_child_has_its_parents_process_mask_and_tree(void **state)
{
	uint32_t mask;

	start((struct sr_task_start){ .tid = 5, .tgid = 5, .ppid = 1, .comm = "five", .flags = SR_TASK_ROOT }, 3);
	feed_fork(5, 6, 0x10000); /* a thread */
	feed_fork(6, 7, 0);       /* the thread's child process */
	assert_int_equal(of(6)->tgid, 5);
	assert_int_equal(of(6)->ppid, 1);
	assert_int_equal(of(7)->tgid, 7);
	assert_int_equal(of(7)->ppid, 5);
	assert_string_equal(of(7)->comm, "five");
	assert_int_equal(of(7)->flags, 0);
	mask = of(7)->allowed;
	assert_int_equal(sr_cpumask_count(&taken.masks[mask]), 1);
	assert_true(sr_cpumask_isset(&taken.masks[mask], 3));
}

static void an_orphan_stays_in_the_tree_as_a_root(void **state)
{
	start((struct sr_task_start){ .tid = 5, .tgid = 5, .ppid = 1, .flags = SR_TASK_ROOT }, -1);
	start((struct sr_task_start){ .tid = 8, .tgid = 8, .ppid = 1 }, -1);
	feed_fork(5, 6, 0);
	feed_fork(6, 7, 0);
	feed_switch(0, 5, SR_STATE_DEAD, 8);
	feed_fork(8, 5, 0); /* its tid is another's now */
	assert_int_equal(of(6)->ppid, 0);
	assert_int_equal(of(6)->flags, SR_TASK_ROOT);
	assert_int_equal(of(7)->ppid, 6);
	assert_int_equal(of(7)->flags, 0);
	assert_int_equal(of(5)->flags, 0);
}

static void a_thread_that_execs_becomes_the_process(void **state)
{
	start((struct sr_task_start){ .tid = 5, .tgid = 5, .ppid = 1, .flags = SR_TASK_ROOT }, -1);
	feed_fork(5, 6, 0x10000);
	feed_fork(5, 7, 0);
	feed_wake(SR_EV_WAKEUP, 0, 6, 130, 4);
	feed_exec(6, 5);
	assert_null(of(6));
	assert_string_equal(of(5)->comm, "make");
	assert_int_equal(of(5)->nice, 10);
	assert_int_equal(of(5)->ppid, 1);
	assert_int_equal(of(5)->flags, SR_TASK_ROOT);
	assert_int_equal(of(7)->ppid, 5);
}

static void binds_are_kept_for_the_living(void **state)
{
	struct sr_event *ev;
	size_t n;

	feed((struct sr_event){ .kind = SR_EV_BIND, .u.bind = { .tid = 9, .source = 4 } });
	feed((struct sr_event){ .kind = SR_EV_BIND, .u.bind = { .tid = 5, .source = 2 } });
	feed((struct sr_event){ .kind = SR_EV_BIND, .u.bind = { .tid = 5, .source = 3 } });
	feed_switch(0, 9, SR_STATE_DEAD, 5);
	assert_int_equal(sr_snapshot_retell(snap, &ev, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ev[0].kind, SR_EV_BIND);
	assert_int_equal(ev[0].u.bind.tid, 5);
	assert_int_equal(ev[0].u.bind.source, 3);
	free(ev);
}

static void clocks_are_told_again(void **state)
{
	struct sr_event *ev;
	size_t n;

	feed((struct sr_event){ .kind = SR_EV_FREQUENCY, .cpu = 1, .u.frequency = { .khz = 5, .target_cpu = 7 } });
	feed((struct sr_event){ .kind = SR_EV_FREQUENCY, .cpu = 1, .u.frequency = { .khz = 6, .target_cpu = 2 } });
	feed((struct sr_event){ .kind = SR_EV_FREQUENCY, .cpu = 1, .u.frequency = { .khz = 8, .target_cpu = 7 } });
	assert_int_equal(sr_snapshot_retell(snap, &ev, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_int_equal(ev[0].cpu, 2);
	assert_int_equal(ev[0].u.frequency.khz, 6);
	assert_int_equal(ev[1].kind, SR_EV_FREQUENCY);
	assert_int_equal(ev[1].u.frequency.target_cpu, 7);
	assert_int_equal(ev[1].u.frequency.khz, 8);
	free(ev);
}

/* ---- against the table of all tasks ---- */

struct walk {
	struct sr_event *ev;
	size_t n;
};

static void walk_begin(struct walk *w, uint64_t seed)
{
	const struct shape s = { .events = 3000, .cpus = 8, .tasks = 40, .stay = 10, .strange = 5 };

	rnd_state = seed;
	for (int32_t tid = 1; tid < 20; tid++)
		start((struct sr_task_start){ .tid = tid,
					      .tgid = 1 + (int32_t)rnd_below((uint64_t)tid),
					      .ppid = (int32_t)rnd_below(20),
					      .comm = "start",
					      .flags = (uint8_t)(rnd_below(4) ? 0 : rnd_below(8)) },
		      (int)rnd_below(3));
	w->n = s.events;
	w->ev = rnd_stream(&s);
	assert_int_equal(sr_task_table_init(&whole, &at_start, &err), 0);
	snap = sr_snapshot_new(&at_start, &err);
	assert_non_null(snap);
}

static void walk_on(struct walk *w, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		assert_int_equal(sr_snapshot_feed(snap, &w->ev[i], name_at, NULL, &err), 0);
		assert_int_equal(sr_task_table_feed(&whole, &w->ev[i], name_at, NULL, &err), 0);
	}
}

static void walk_end(struct walk *w)
{
	free(w->ev);
	done(NULL);
}

/* It holds the living of the table, all of them, with the same names, processes and priorities. */
static void it_agrees_with_the_table_of_all_tasks(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		size_t alive = 0;
		struct walk w;

		walk_begin(&w, seed);
		walk_on(&w, 0, w.n);
		of(0);
		for (size_t i = 0; i < taken.n; i++) {
			size_t in_whole = sr_task_of(&whole, taken.v[i].tid);
			const struct sr_task *t = &whole.v[in_whole];

			assert_string_equal(taken.v[i].comm, t->comm);
			if (taken.v[i].nice && !taken.v[i].rt_prio && taken.v[i].policy != 6)
				assert_int_equal(taken.v[i].nice, t->prio - 120);
			assert_int_equal(taken.v[i].flags & ~SR_TASK_ROOT, t->flags & ~SR_TASK_ROOT);
		}
		for (size_t i = 1; i < whole.n; i++) {
			const struct sr_task *t = &whole.v[i];
			bool gone = t->known_by & 16; /* task.c: it has left its cpu for the last time */

			alive += t->tid > 0 && !gone && sr_tidmap_get(&whole.map, t->tid) == i;
		}
		assert_int_equal(taken.n, alive);
		walk_end(&w);
	}
}

/* A table begun with a snapshot names the tasks of the events that follow as the table of all does. */
static void a_table_begun_with_it_goes_on_as_the_whole_one(void **state)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct sr_task_table part;
		size_t in_part, in_whole;
		struct walk w;

		walk_begin(&w, seed);
		walk_on(&w, 0, w.n / 3);
		of(0);
		assert_int_equal(sr_task_table_init(&part, &taken, &err), 0);
		part.renames = whole.renames;
		for (size_t i = w.n / 3; i < w.n; i++) {
			walk_on(&w, i, i + 1);
			assert_int_equal(sr_task_table_feed(&part, &w.ev[i], name_at, NULL, &err), 0);
			in_part = sr_task_of(&part, w.ev[i].ctx);
			in_whole = sr_task_of(&whole, w.ev[i].ctx);
			assert_string_equal(part.v[in_part].comm, whole.v[in_whole].comm);
		}
		sr_task_table_release(&part);
		walk_end(&w);
	}
}

/* Processes and threads that fork and die: who of them is in the tree is told by what was taken. */
static void the_tree_goes_on(void **state)
{
	struct sr_task_table part;
	size_t inside = 0;

	start((struct sr_task_start){ .tid = 1, .tgid = 1, .flags = SR_TASK_ROOT }, -1);
	start((struct sr_task_start){ .tid = 2, .tgid = 2 }, -1);
	assert_int_equal(sr_task_table_init(&whole, &at_start, &err), 0);
	rnd_state = 4;
	for (int32_t tid = 3; tid < 300; tid++) {
		int32_t parent = 1 + (int32_t)rnd_below((uint64_t)tid - 1);

		feed_fork(parent, tid, rnd_below(2) ? 0x10000 : 0);
		if (tid % 4 == 0 && parent > 2)
			feed_switch(0, parent, SR_STATE_DEAD, tid);
	}
	of(0);
	assert_int_equal(sr_task_table_init(&part, &taken, &err), 0);
	for (size_t i = 1; i < part.n; i++) {
		size_t in_whole = sr_task_of(&whole, part.v[i].tid);

		assert_int_equal(part.v[i].in_tree, whole.v[in_whole].in_tree);
		inside += part.v[i].in_tree;
	}
	assert_in_range(inside, 10, part.n - 10);
	sr_task_table_release(&part);
}

/* Forks without end: the memory is that of the living. */
static void the_dead_take_no_room(void **state)
{
	size_t before;

	feed_fork(1, 2, 0);
	before = mallinfo2().uordblks;
	for (int i = 0; i < 200000; i++) {
		feed_fork(1, 2 + i % 1000, 0);
		feed_switch(0, 2 + i % 1000, SR_STATE_DEAD, 1);
	}
	assert_in_range(mallinfo2().uordblks, 0, before + 65536);
	assert_non_null(of(1));
	assert_int_equal(taken.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_state_that_nothing_happened_to_is_the_start_state, fresh, done),
		cmocka_unit_test_setup_teardown(switches_tell_state_and_cpu, fresh, done),
		cmocka_unit_test_setup_teardown(a_woken_task_is_runnable_where_it_is_put, fresh, done),
		cmocka_unit_test_setup_teardown(the_dead_are_not_in_it_and_those_who_exit_still_are, fresh, done),
		cmocka_unit_test_setup_teardown(priorities_become_policies, fresh, done),
		cmocka_unit_test_setup_teardown(a_child_has_its_parents_process_mask_and_tree, fresh, done),
		cmocka_unit_test_setup_teardown(an_orphan_stays_in_the_tree_as_a_root, fresh, done),
		cmocka_unit_test_setup_teardown(a_thread_that_execs_becomes_the_process, fresh, done),
		cmocka_unit_test_setup_teardown(binds_are_kept_for_the_living, fresh, done),
		cmocka_unit_test_setup_teardown(clocks_are_told_again, fresh, done),
		cmocka_unit_test_setup_teardown(it_agrees_with_the_table_of_all_tasks, fresh, done),
		cmocka_unit_test_setup_teardown(a_table_begun_with_it_goes_on_as_the_whole_one, fresh, done),
		cmocka_unit_test_setup_teardown(the_tree_goes_on, fresh, done),
		cmocka_unit_test_setup_teardown(the_dead_take_no_room, fresh, done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
