/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The watchdog over real-time threads (replay/rt_guard.c), over threads and over processes. Needs the right to them. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "replay/engine_internal.h"
#include "tests/unit/engine_model.h"
#include "tests/unit/this_machine.h"

/* Else the test is skipped. */
static void need_real_time(void)
{
	struct sched_param fifo = { .sched_priority = sched_get_priority_max(SCHED_FIFO) }, none = { 0 };

	if (sched_setscheduler(0, SCHED_FIFO, &fifo) < 0)
		skip();
	assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &none), 0);
}

/* A FIFO task of the start, in the process of this tgid. */
static uint32_t add_fifo(struct sr_model *m, int32_t tgid)
{
	struct sr_program *p = add_task(m, NONE);

	p->policy = SR_SCHED_FIFO;
	p->rt_prio = 5;
	p->tgid = tgid;
	return (uint32_t)m->ntasks - 1;
}

static struct rpl_run *watched; /* the run under way */
static bool seen_normal;

/* Five times a second: is everybody whom the watchdog has made normal so to the kernel too? */
static void look(void *arg, double share)
{
	for (uint32_t i = 0; i < watched->m->ntasks; i++) {
		int tid = atomic_load(&watched->threads[i].tid), policy = tid ? sched_getscheduler(tid) : -1;

		if (!atomic_load(&watched->rt_ended) || policy < 0)
			continue;
		assert_int_equal(policy, SCHED_OTHER);
		seen_normal = true;
	}
}

static struct rpl_run *prepare(const struct sr_model *m, bool processes, uint64_t limit_ns)
{
	struct rpl_config cfg = { .policy = &rpl_policy_kernel,
				  .machine = machine,
				  .time_scale = 1,
				  .allow_rt = true,
				  .rt_limit_ns = limit_ns,
				  .processes = processes,
				  .progress = look };
	struct sr_error err;
	struct rpl_run *run = rpl_prepare(m, &cfg, &err);

	if (!run)
		fail_msg("%s", err.text);
	return run;
}

/* Runs and frees the model; its counts. */
static struct rpl_counts go(struct sr_model *m, bool processes, uint64_t limit_ns)
{
	struct rpl_run *run = prepare(m, processes, limit_ns);
	struct rpl_counts counts;
	struct sr_error err;

	watched = run;
	seen_normal = false;
	if (rpl_execute(run, &err) < 0)
		fail_msg("%s", err.text);
	counts = *rpl_get_counts(run);
	rpl_free(run);
	free_model(m);
	assert_int_equal(counts.rt_refused, 0);
	return counts;
}

/* Until limit_ns have passed several times. */
static void add_sleeper(struct sr_model *m, uint32_t task)
{
	for (int i = 0; i < 45; i++) {
		add_op(m, task, SR_OP_RUN, 0, MS / 10);
		add_wait(m, task, SR_OP_SLEEP, NONE, 10 * MS);
	}
	add_op(m, task, SR_OP_END, 0, 0);
}

static void who_does_not_stop_is_made_normal(void **state)
{
	need_real_time();
	for (int processes = 0; processes < 2; processes++) {
		struct sr_model m = { 0 };
		struct rpl_counts c;
		uint32_t hog = add_fifo(&m, 101);

		add_op(&m, hog, SR_OP_RUN, 0, 700 * MS);
		add_op(&m, hog, SR_OP_END, 0, 0);
		add_sleeper(&m, add_fifo(&m, 102));
		c = go(&m, processes, 100 * MS);
		assert_int_equal(c.rt_set, 2);
		assert_int_equal(c.rt_demoted, 2);
		assert_true(seen_normal);
	}
}

/* In a process one thread may be at work all the time, and another be real-time. */
static void who_sleeps_stays_real_time_beside_a_thread_that_does_not(void **state)
{
	need_real_time();
	for (int processes = 0; processes < 2; processes++) {
		struct sr_model m = { 0 };
		struct sr_program *p;
		struct rpl_counts c;

		add_sleeper(&m, add_fifo(&m, 101));
		p = add_task(&m, NONE);
		p->tgid = 101;
		p->nice = -20;
		add_op(&m, 1, SR_OP_RUN, 0, 450 * MS);
		add_op(&m, 1, SR_OP_END, 0, 0);
		c = go(&m, processes, 100 * MS);
		assert_int_equal(c.rt_set, 1);
		assert_int_equal(c.rt_demoted, 0);
		assert_int_equal(c.processes, processes);
	}
}

/* A fork hands the class on. */
static void a_forked_process_that_does_not_stop_is_made_normal(void **state)
{
	need_real_time();
	for (int processes = 0; processes < 2; processes++) {
		struct sr_model m = { 0 };
		struct sr_program *p;
		struct rpl_counts c;

		add_fifo(&m, 101);
		p = add_task(&m, 0);
		p->policy = SR_SCHED_FIFO;
		p->rt_prio = 5;
		add_op(&m, 0, SR_OP_FORK, 1, 0);
		add_sleeper(&m, 0);
		add_op(&m, 1, SR_OP_RUN, 0, 400 * MS);
		add_op(&m, 1, SR_OP_END, 0, 0);
		c = go(&m, processes, 100 * MS);
		assert_int_equal(c.rt_demoted, 2);
	}
}

/* What has ended is not made normal: its tid may be another's by then. */
static void who_has_ended_is_left_alone(void **state)
{
	need_real_time();
	for (int processes = 0; processes < 2; processes++) {
		struct sr_model m = { 0 };
		struct rpl_counts c;
		uint32_t hog;

		for (int i = 0; i < 3; i++) {
			uint32_t task = add_fifo(&m, 101 + i);

			add_op(&m, task, SR_OP_RUN, 0, MS);
			add_op(&m, task, SR_OP_END, 0, 0);
		}
		hog = add_fifo(&m, 110);
		add_op(&m, hog, SR_OP_RUN, 0, 400 * MS);
		add_op(&m, hog, SR_OP_END, 0, 0);
		c = go(&m, processes, 100 * MS);
		assert_int_equal(c.rt_set, 4);
		assert_int_equal(c.rt_demoted, 1);
	}
}

static uint64_t rt_limit_us(int pid)
{
	char path[64], line[256];
	unsigned long long us = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/limits", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Max realtime timeout %llu", &us) == 1)
			break;
	fclose(f);
	return us;
}

static void the_last_resort_holds_for_every_process(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_run *run;

	need_real_time();
	for (int i = 0; i < 3; i++)
		add_sleeper(&m, add_fifo(&m, 101 + i));
	run = prepare(&m, true, 100 * MS);
	for (uint32_t i = 0; i < 3; i++) {
		int pid = atomic_load(&run->procs[i].pid);

		assert_true(pid > 0);
		assert_int_equal(rt_limit_us(pid), 1200000);
	}
	rpl_free(run);
	assert_int_not_equal(rt_limit_us(getpid()), 1200000);
	free_model(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_does_not_stop_is_made_normal),
		cmocka_unit_test(who_sleeps_stays_real_time_beside_a_thread_that_does_not),
		cmocka_unit_test(a_forked_process_that_does_not_stop_is_made_normal),
		cmocka_unit_test(who_has_ended_is_left_alone),
		cmocka_unit_test(the_last_resort_holds_for_every_process),
	};

	return cmocka_run_group_tests(tests, load_machine, free_machine);
}
