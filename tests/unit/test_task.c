/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/task.h"

static struct sr_error err;
static struct sr_task_table table;
static uint64_t now_ns;

static const char *const names[] = { "sh", "/usr/bin/make", "cc1plus-is-a-very-long-name" };

static const char *name_at(void *arg, uint32_t name)
{
	return names[name];
}

static int fresh(void **state)
{
	now_ns = 100;
	return sr_task_table_init(&table, NULL, &err);
}

static int done(void **state)
{
	sr_task_table_release(&table);
	return 0;
}

static void feed(struct sr_event ev)
{
	ev.time_ns = ++now_ns;
	assert_int_equal(sr_task_table_feed(&table, &ev, name_at, NULL, &err), 0);
}

static void feed_fork(int32_t parent, int32_t child)
{
	feed((struct sr_event){ .kind = SR_EV_FORK, .ctx = parent, .u.fork = { .parent = parent, .child = child } });
}

static void feed_newtask(int32_t parent, int32_t child, uint64_t flags)
{
	feed((struct sr_event){
		.kind = SR_EV_NEWTASK, .ctx = parent, .u.newtask = { .tid = child, .clone_flags = flags } });
}

static void feed_switch(int32_t prev, int32_t next, unsigned prev_state)
{
	feed((struct sr_event){ .kind = SR_EV_SWITCH,
				.ctx = prev,
				.u.sw = { .prev = prev,
					  .next = next,
					  .prev_prio = 115,
					  .next_prio = 116,
					  .prev_state = (uint8_t)prev_state } });
}

static void feed_exit(int32_t tid)
{
	feed((struct sr_event){ .kind = SR_EV_EXIT, .ctx = tid, .u.exit = { .tid = tid } });
}

static void feed_name(unsigned kind, int32_t tid, uint32_t name)
{
	feed((struct sr_event){ .kind = (uint8_t)kind, .ctx = tid, .u.rename = { .tid = tid, .name = name } });
}

static const struct sr_task *of(int32_t tid)
{
	return &table.v[sr_task_of(&table, tid)];
}

static void the_idle_task_is_index_0(void **state)
{
	feed_switch(0, 5, SR_STATE_RUNNING);
	assert_int_equal(sr_task_of(&table, 0), 0);
	assert_int_equal(sr_task_of(&table, 5), 1);
	assert_string_equal(of(0)->comm, "swapper");
}

static void indices_follow_the_order_of_appearance(void **state)
{
	feed_switch(7, -3, SR_STATE_SLEEPING);
	feed_switch(-3, INT32_MIN, SR_STATE_SLEEPING);
	feed_switch(INT32_MIN, INT32_MAX, SR_STATE_SLEEPING);
	assert_int_equal(sr_task_of(&table, 7), 1);
	assert_int_equal(sr_task_of(&table, -3), 2);
	assert_int_equal(sr_task_of(&table, INT32_MIN), 3);
	assert_int_equal(sr_task_of(&table, INT32_MAX), 4);
	assert_int_equal(sr_task_of(&table, 99), 5);
	assert_int_equal(table.n, 6);
}

static void a_child_inherits_from_its_parent(void **state)
{
	feed_name(SR_EV_COMM, 5, 0);
	feed_switch(0, 5, SR_STATE_RUNNING);
	table.v[sr_task_of(&table, 5)].in_tree = 1;
	feed_fork(5, 6);
	assert_string_equal(of(6)->comm, "sh");
	assert_int_equal(of(6)->prio, 116);
	assert_int_equal(of(6)->parent, 1);
	assert_int_equal(of(6)->in_tree, 1);
	assert_int_equal(of(6)->born_ns, now_ns);
	assert_int_equal(of(6)->tgid, 0);
}

static void newtask_and_fork_are_one_birth_in_either_order(void **state)
{
	feed_newtask(5, 6, 0);
	feed_fork(5, 6);
	feed_fork(5, 7);
	feed_newtask(5, 7, 0x10000);
	assert_int_equal(table.n, 4);
	assert_int_equal(of(6)->tgid, 6);
	assert_int_equal(of(7)->clone_flags, 0x10000);
}

static void a_name_before_the_fork_is_the_childs(void **state)
{
	feed_name(SR_EV_COMM, 6, 0);
	feed_fork(5, 6);
	assert_string_equal(of(6)->comm, "sh");
	assert_int_equal(table.n, 3);
}

static void a_thread_has_its_parents_process(void **state)
{
	feed_newtask(1, 5, 0);
	feed_fork(1, 5);
	feed_newtask(5, 6, 0x10000);
	feed_fork(5, 6);
	assert_int_equal(of(6)->tgid, 5);
}

static void a_reused_tid_is_another_task(void **state)
{
	size_t first;

	feed_fork(5, 6);
	feed_switch(5, 6, SR_STATE_SLEEPING);
	first = sr_task_of(&table, 6);
	feed_exit(6);
	feed_switch(6, 5, SR_STATE_ZOMBIE);
	assert_int_equal(sr_task_of(&table, 6), first);
	assert_true(table.v[first].died_ns != 0);
	feed_fork(5, 6);
	assert_int_not_equal(sr_task_of(&table, 6), first);
	assert_int_equal(of(6)->died_ns, 0);
}

static void a_tid_reused_after_its_exit_was_lost_is_another_task(void **state)
{
	size_t first;

	feed_fork(5, 6);
	feed_switch(5, 6, SR_STATE_SLEEPING);
	first = sr_task_of(&table, 6);
	feed_fork(5, 6);
	assert_int_not_equal(sr_task_of(&table, 6), first);
}

static void a_fork_of_a_tid_that_was_seen_running_is_another_task(void **state)
{
	size_t first;

	feed_switch(0, 6, SR_STATE_RUNNING);
	first = sr_task_of(&table, 6);
	feed_fork(5, 6);
	assert_int_not_equal(sr_task_of(&table, 6), first);
}

static void a_kernel_threads_child_is_one_until_it_execs(void **state)
{
	feed_switch(0, 2, SR_STATE_RUNNING);
	table.v[sr_task_of(&table, 2)].flags = SR_TASK_KTHREAD | SR_TASK_ROOT;
	feed_fork(2, 6);
	assert_int_equal(of(6)->flags, SR_TASK_KTHREAD);
	feed((struct sr_event){ .kind = SR_EV_EXEC, .ctx = 6, .u.exec = { .tid = 6, .old_tid = 6, .name = 1 } });
	assert_int_equal(of(6)->flags, 0);
}

static void the_dead_who_appear_again_are_others(void **state)
{
	size_t first;

	feed_switch(0, 6, SR_STATE_RUNNING);
	first = sr_task_of(&table, 6);
	feed_switch(6, 0, SR_STATE_DEAD);
	assert_true(table.v[first].died_ns != 0);
	feed_switch(0, 6, SR_STATE_RUNNING);
	assert_int_not_equal(sr_task_of(&table, 6), first);
}

static void a_task_that_exits_may_still_be_switched(void **state)
{
	size_t first;

	feed_switch(0, 6, SR_STATE_RUNNING);
	first = sr_task_of(&table, 6);
	feed_exit(6);
	feed_switch(6, 0, SR_STATE_PREEMPTED);
	feed_switch(0, 6, SR_STATE_RUNNING);
	assert_int_equal(sr_task_of(&table, 6), first);
}

static void an_exec_names_the_task_where_renames_are_not_seen(void **state)
{
	feed((struct sr_event){ .kind = SR_EV_EXEC, .ctx = 5, .u.exec = { .tid = 5, .old_tid = 5, .name = 1 } });
	assert_string_equal(of(5)->comm, "make");
	assert_int_equal(of(5)->tgid, 5);
	feed_name(SR_EV_RENAME, 5, 2);
	assert_string_equal(of(5)->comm, "cc1plus-is-a-ve");
	feed((struct sr_event){ .kind = SR_EV_EXEC, .ctx = 5, .u.exec = { .tid = 5, .old_tid = 5, .name = 1 } });
	assert_string_equal(of(5)->comm, "cc1plus-is-a-ve");
}

static void a_thread_that_execs_takes_its_leaders_tid(void **state)
{
	size_t leader, thread;

	feed_fork(1, 100);
	feed_newtask(100, 101, 0x10000);
	feed_fork(100, 101);
	leader = sr_task_of(&table, 100);
	thread = sr_task_of(&table, 101);
	feed((struct sr_event){ .kind = SR_EV_EXEC, .ctx = 100, .u.exec = { .tid = 100, .old_tid = 101, .name = 1 } });
	assert_int_equal(sr_task_of(&table, 100), thread);
	assert_true(table.v[leader].died_ns != 0);
	assert_int_equal(table.v[thread].tid, 100);
	assert_int_not_equal(sr_task_of(&table, 101), thread);
}

static void a_repaired_switch_does_not_tell_priorities(void **state)
{
	feed_switch(0, 6, SR_STATE_RUNNING);
	feed((struct sr_event){ .kind = SR_EV_SWITCH,
				.flags = SR_EV_REPAIRED,
				.ctx = 6,
				.u.sw = { .prev = 6, .next = 0, .prev_prio = 120, .next_prio = 120 } });
	assert_int_equal(of(6)->prio, 116);
}

static void the_start_state_comes_first_and_knows_the_tree(void **state)
{
	static const struct sr_task_start tasks[] = {
		/* The child stands before its parent, and the recorder between the shell and the command. */
		{ .tid = 40, .tgid = 40, .ppid = 30, .comm = "grandchild" },
		{ .tid = 31, .tgid = 30, .ppid = 20, .comm = "thread" },
		{ .tid = 10, .tgid = 10, .ppid = 1, .comm = "shell" },
		{ .tid = 20, .tgid = 20, .ppid = 10, .comm = "schedrec", .flags = SR_TASK_RECORDER },
		{ .tid = 30, .tgid = 30, .ppid = 20, .comm = "command", .flags = SR_TASK_ROOT, .nice = -5 },
		{ .tid = 50, .tgid = 50, .ppid = 51, .comm = "a cycle" },
		{ .tid = 51, .tgid = 51, .ppid = 50, .comm = "a cycle", .policy = 1, .rt_prio = 10 },
	};
	struct sr_task_starts starts = { 0 };

	sr_task_table_release(&table);
	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++)
		assert_int_equal(sr_task_starts_add(&starts, &tasks[i], NULL, &err), 0);
	assert_int_equal(sr_task_table_init(&table, &starts, &err), 0);
	assert_int_equal(sr_task_of(&table, 40), 1);
	assert_int_equal(of(10)->start, 3);
	assert_int_equal(of(40)->in_tree, 1);
	assert_int_equal(of(31)->in_tree, 1);
	assert_int_equal(of(30)->in_tree, 1);
	assert_int_equal(of(10)->in_tree, 0);
	assert_int_equal(of(20)->in_tree, 0);
	assert_int_equal(of(50)->in_tree, 0);
	assert_int_equal(of(30)->prio, 115);
	assert_int_equal(of(51)->prio, 89);
	assert_int_equal(of(31)->parent, sr_task_of(&table, 30));
	sr_task_starts_release(&starts);
}

static void the_recorder_below_a_recorded_task_is_not_in_the_tree(void **state)
{
	static const struct sr_task_start tasks[] = {
		{ .tid = 10, .tgid = 10, .ppid = 1, .flags = SR_TASK_ROOT },
		{ .tid = 20, .tgid = 20, .ppid = 10, .flags = SR_TASK_RECORDER },
		{ .tid = 21, .tgid = 21, .ppid = 20 },
	};
	struct sr_task_starts starts = { 0 };

	sr_task_table_release(&table);
	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++)
		assert_int_equal(sr_task_starts_add(&starts, &tasks[i], NULL, &err), 0);
	assert_int_equal(sr_task_table_init(&table, &starts, &err), 0);
	assert_int_equal(of(10)->in_tree, 1);
	assert_int_equal(of(20)->in_tree, 0);
	assert_int_equal(of(21)->in_tree, 0);
	sr_task_starts_release(&starts);
}

static void equal_masks_are_kept_once(void **state)
{
	struct sr_task_starts starts = { 0 };
	struct sr_task_start t = { .tid = 1 };
	struct sr_cpumask mask[3] = { { { 0 } } };

	sr_cpumask_set(&mask[0], 1);
	sr_cpumask_set(&mask[1], 2);
	mask[2] = mask[0];
	for (int i = 0; i < 3; i++)
		assert_int_equal(sr_task_starts_add(&starts, &t, &mask[i], &err), 0);
	assert_int_equal(starts.nmasks, 2);
	assert_int_equal(starts.v[0].allowed, 0);
	assert_int_equal(starts.v[1].allowed, 1);
	assert_int_equal(starts.v[2].allowed, 0);
	sr_task_starts_release(&starts);
}

static void cpu_lists_survive_the_round_trip(void **state)
{
	static const char *const lists[] = { "0", "0-3,8", "1,3,5-7,4095", "0-4095" };
	struct sr_cpumask m;
	char buf[64];

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		assert_int_equal(sr_cpumask_parse(&m, lists[i], &err), 0);
		sr_cpumask_format(&m, buf, sizeof(buf));
		assert_string_equal(buf, lists[i]);
	}
	assert_int_equal(sr_cpumask_count(&m), SR_MAX_CPUS);
	assert_int_equal(sr_cpumask_parse(&m, "0-1\n", &err), 0);
}

static void a_cpu_list_that_does_not_fit_says_so(void **state)
{
	struct sr_cpumask m = { { 0 } };
	char buf[64];

	for (unsigned cpu = 0; cpu < SR_MAX_CPUS; cpu += 2)
		sr_cpumask_set(&m, cpu);
	sr_cpumask_format(&m, buf, sizeof(buf));
	assert_in_range(strlen(buf), 50, 63);
	assert_string_equal(buf + strlen(buf) - 4, ",...");
}

static void wrong_cpu_lists_are_refused(void **state)
{
	static const char *const lists[] = {
		"", ",", "0,", "3-1", "4096", "-1", "0-", "1 ", "0--1", "99999999999", "a"
	};
	struct sr_cpumask m;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (sr_cpumask_parse(&m, lists[i], &err) == 0)
			fail_msg("'%s' was taken", lists[i]);
		assert_int_equal(err.status, SR_USAGE);
	}
}

/* The map against an array, with tids that crowd and are taken out again: such as Linux gives, others, and both. */
static void the_map_agrees_with_an_array(void **state)
{
	enum { TIDS = 3000 };
	static const int steps[] = { 1, 4001, 65536 };
	static uint32_t want[TIDS];

	srand(7);
	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		struct sr_tidmap m = { 0 };
		size_t n = 0;

		memset(want, 0, sizeof(want));
		for (int i = 0; i < 200000; i++) {
			int k = rand() % TIDS;
			int32_t tid = (k - TIDS / 2) * steps[s];

			if (rand() % 2) {
				n += want[k] == 0;
				want[k] = (uint32_t)rand() + 1;
				assert_int_equal(sr_tidmap_put(&m, tid, want[k]), 0);
			} else {
				n -= want[k] != 0;
				want[k] = 0;
				sr_tidmap_del(&m, tid);
			}
			k = rand() % TIDS;
			assert_int_equal(sr_tidmap_get(&m, (k - TIDS / 2) * steps[s]), want[k]);
			assert_int_equal(m.n, n);
		}
		sr_tidmap_release(&m);
		assert_int_equal(sr_tidmap_get(&m, 5), 0);
		assert_int_equal(sr_tidmap_get(&m, -5), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_idle_task_is_index_0, fresh, done),
		cmocka_unit_test_setup_teardown(indices_follow_the_order_of_appearance, fresh, done),
		cmocka_unit_test_setup_teardown(a_child_inherits_from_its_parent, fresh, done),
		cmocka_unit_test_setup_teardown(newtask_and_fork_are_one_birth_in_either_order, fresh, done),
		cmocka_unit_test_setup_teardown(a_name_before_the_fork_is_the_childs, fresh, done),
		cmocka_unit_test_setup_teardown(a_thread_has_its_parents_process, fresh, done),
		cmocka_unit_test_setup_teardown(a_reused_tid_is_another_task, fresh, done),
		cmocka_unit_test_setup_teardown(a_tid_reused_after_its_exit_was_lost_is_another_task, fresh, done),
		cmocka_unit_test_setup_teardown(a_fork_of_a_tid_that_was_seen_running_is_another_task, fresh, done),
		cmocka_unit_test_setup_teardown(a_kernel_threads_child_is_one_until_it_execs, fresh, done),
		cmocka_unit_test_setup_teardown(the_dead_who_appear_again_are_others, fresh, done),
		cmocka_unit_test_setup_teardown(a_task_that_exits_may_still_be_switched, fresh, done),
		cmocka_unit_test_setup_teardown(an_exec_names_the_task_where_renames_are_not_seen, fresh, done),
		cmocka_unit_test_setup_teardown(a_thread_that_execs_takes_its_leaders_tid, fresh, done),
		cmocka_unit_test_setup_teardown(a_repaired_switch_does_not_tell_priorities, fresh, done),
		cmocka_unit_test_setup_teardown(the_start_state_comes_first_and_knows_the_tree, fresh, done),
		cmocka_unit_test_setup_teardown(the_recorder_below_a_recorded_task_is_not_in_the_tree, fresh, done),
		cmocka_unit_test(equal_masks_are_kept_once),
		cmocka_unit_test(cpu_lists_survive_the_round_trip),
		cmocka_unit_test(a_cpu_list_that_does_not_fit_says_so),
		cmocka_unit_test(wrong_cpu_lists_are_refused),
		cmocka_unit_test(the_map_agrees_with_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
