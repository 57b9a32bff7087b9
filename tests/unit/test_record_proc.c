/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The start state: /proc/PID/stat texts, and this process's own tasks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "record/internal.h"

#define REST(flags, prio, nice, cpu, rt, policy)                                                         \
	" S 3 2 1 0 -1 " flags " 0 0 0 0 0 0 0 0 " prio " " nice                                         \
	" 1 0 98765 0 0 18446744073709551615 0 0 0 0 0 0 0 2147483647 0 1 0 0 17 " cpu " " rt " " policy \
	" 0 0 0 0 0 0 0 0 0 0 0\n"

static struct sr_task_start parse(const char *text)
{
	struct sr_task_start t = { 0 };
	uint64_t start;

	assert_int_equal(rec_proc_parse_stat(text, strlen(text), &t, &start), 0);
	assert_int_equal(start, 98765);
	return t;
}

static void a_plain_task_is_read_in_full(void **state)
{
	struct sr_task_start t = parse("12 (bash)" REST("4194304", "25", "5", "3", "0", "3"));

	assert_string_equal(t.comm, "bash");
	assert_int_equal(t.state, 'S');
	assert_int_equal(t.ppid, 3);
	assert_int_equal(t.nice, 5);
	assert_int_equal(t.last_cpu, 3);
	assert_int_equal(t.rt_prio, 0);
	assert_int_equal(t.policy, 3);
	assert_int_equal(t.flags, 0);
}

static void a_real_time_task_has_its_priority(void **state)
{
	struct sr_task_start t = parse("12 (rt)" REST("4194304", "-51", "-20", "0", "50", "1"));

	assert_int_equal(t.rt_prio, 50);
	assert_int_equal(t.policy, 1);
	assert_int_equal(t.nice, -20);
}

static void a_comm_may_hold_parentheses_and_newlines(void **state)
{
	assert_string_equal(parse("12 (a) R (b) S 1)" REST("0", "20", "0", "0", "0", "0")).comm, "a) R (b) S 1");
	assert_string_equal(parse("12 ())" REST("0", "20", "0", "0", "0", "0")).comm, ")");
	assert_string_equal(parse("12 (a\\nb\\\\c)" REST("0", "20", "0", "0", "0", "0")).comm, "a\nb\\c");
	assert_string_equal(parse("12 ()" REST("0", "20", "0", "0", "0", "0")).comm, "");
}

static void a_kernel_thread_is_named_as_in_events(void **state)
{
	struct sr_task_start t = parse("12 (kworker/0:1H-events_highpri)" REST("2097152", "20", "0", "0", "0", "0"));

	assert_int_equal(t.flags, SR_TASK_KTHREAD);
	assert_string_equal(t.comm, "kworker/0:1H");
	assert_string_equal(parse("12 (kworker/u4:2+x)" REST("0", "20", "0", "0", "0", "0")).comm, "kworker/u4:2");
	assert_string_equal(parse("12 (kworker/R-rcu_gp)" REST("0", "20", "0", "0", "0", "0")).comm, "kworker/R-rcu_g");
	assert_string_equal(parse("12 (migration/0-x)" REST("0", "20", "0", "0", "0", "0")).comm, "migration/0-x");
}

static void what_is_cut_short_or_foreign_is_refused(void **state)
{
	static const char good[] = "12 (bash)" REST("4194304", "25", "5", "3", "0", "3");
	size_t needed = (size_t)(strstr(good, " 17 3 0 3 ") - good) + strlen(" 17 3 0 3");
	struct sr_task_start t;

	for (size_t len = 0; len < needed; len++) {
		char *text = malloc(len + 1); /* exactly sized, so that reading on is seen */

		assert_non_null(text);
		memcpy(text, good, len);
		assert_int_equal(rec_proc_parse_stat(text, len, &t, NULL), -1);
		free(text);
	}
	assert_int_equal(rec_proc_parse_stat("12 bash)", 8, &t, NULL), -1);
	assert_int_equal(rec_proc_parse_stat(")(", 2, &t, NULL), -1);
}

static void this_process_is_found_as_it_is(void **state)
{
	struct sr_task_starts s = { 0 };
	struct sr_error err;
	pid_t self = getpid();

	assert_int_equal(rec_proc_task(&s, self, self, SR_TASK_ROOT, &err), 1);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.v[0].tid, self);
	assert_int_equal(s.v[0].ppid, getppid());
	assert_int_equal(s.v[0].nice, getpriority(PRIO_PROCESS, 0));
	assert_int_equal(s.v[0].flags, SR_TASK_ROOT);
	assert_true(sr_cpumask_count(&s.masks[s.v[0].allowed]) > 0);
	sr_task_starts_release(&s);
}

static void a_task_that_is_gone_is_no_error(void **state)
{
	struct sr_task_starts s = { 0 };
	struct sr_error err;
	pid_t gone = fork();
	size_t n;

	if (!gone)
		_exit(0);
	waitpid(gone, NULL, 0);
	assert_int_equal(rec_proc_task(&s, gone, gone, 0, &err), 0);
	assert_int_equal(s.n, 0);
	assert_int_equal(rec_proc_start_ticks(gone), 0);
	assert_null(rec_proc_threads(gone, &n, &err));
	assert_int_equal(err.status, SR_ENVIRONMENT);
	sr_task_starts_release(&s);
}

static void all_tasks_hold_this_one_and_mark_the_recorders(void **state)
{
	struct sr_task_starts s = { 0 };
	struct sr_error err;
	pid_t self = getpid(), init = 1;
	int found = 0, marked = 0, root = 0;

	assert_int_equal(rec_proc_all(&s, &self, 1, &init, 1, &err), 0);
	for (size_t i = 0; i < s.n; i++) {
		found += s.v[i].tid == self;
		marked += s.v[i].flags & SR_TASK_RECORDER ? 1 : 0;
		root += (s.v[i].flags & SR_TASK_ROOT) && s.v[i].tid == 1;
	}
	assert_int_equal(found, 1);
	assert_int_equal(marked, 1);
	assert_int_equal(root, 1);
	sr_task_starts_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_task_is_read_in_full),
		cmocka_unit_test(a_real_time_task_has_its_priority),
		cmocka_unit_test(a_comm_may_hold_parentheses_and_newlines),
		cmocka_unit_test(a_kernel_thread_is_named_as_in_events),
		cmocka_unit_test(what_is_cut_short_or_foreign_is_refused),
		cmocka_unit_test(this_process_is_found_as_it_is),
		cmocka_unit_test(a_task_that_is_gone_is_no_error),
		cmocka_unit_test(all_tasks_hold_this_one_and_mark_the_recorders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
