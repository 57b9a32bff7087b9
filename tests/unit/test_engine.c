/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The live engine on models written by hand. Bounds on elapsed time are wide: the host is shared. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/engine_model.h"
#include "tests/unit/this_machine.h"

static void op(struct sr_model *m, uint32_t task, enum sr_op_kind kind, uint32_t arg, uint64_t value)
{
	if (kind == SR_OP_WAIT || kind == SR_OP_SLEEP)
		add_wait(m, task, kind, NONE, value);
	else
		add_op(m, task, kind, arg, value);
}

/* A run of the model that is over. */
static struct rpl_run *executed(const struct sr_model *m, struct rpl_config cfg)
{
	struct sr_error err;
	struct rpl_run *run;

	if (!cfg.policy)
		cfg.policy = &rpl_policy_kernel;
	cfg.machine = machine;
	cfg.time_scale = cfg.time_scale ? cfg.time_scale : 1;
	run = rpl_prepare(m, &cfg, &err);
	if (!run)
		fail_msg("%s", err.text);
	if (rpl_execute(run, &err) < 0)
		fail_msg("%s", err.text);
	return run;
}

/* Runs the model; the counts, and the elapsed ns. */
static struct rpl_counts go(const struct sr_model *m, struct rpl_config cfg, uint64_t *elapsed)
{
	struct rpl_run *run = executed(m, cfg);
	struct rpl_counts counts = *rpl_get_counts(run);
	uint64_t start, end;

	rpl_span(run, &start, &end);
	*elapsed = end - start;
	rpl_free(run);
	return counts;
}

static unsigned first_cpu(void)
{
	cpu_set_t set;
	unsigned i = 0;

	sched_getaffinity(0, sizeof(set), &set);
	while (!CPU_ISSET(i, &set))
		i++;
	return i;
}

static void two_hogs_on_one_cpu_take_twice_as_long_and_no_more_work(void **state)
{
	struct sr_model m = { 0 };
	struct sr_cpumask one = { { 0 } };
	struct rpl_counts c;
	uint64_t ns;

	for (uint32_t i = 0; i < 2; i++) {
		add_task(&m, NONE);
		op(&m, i, SR_OP_RUN, 0, 60 * MS);
		op(&m, i, SR_OP_END, 0, 0);
	}
	sr_cpumask_set(&one, first_cpu());
	c = go(&m, (struct rpl_config){ .cpus = &one }, &ns);
	assert_in_range(ns, 119 * MS, 1000 * MS);
	assert_in_range(c.paid_ns, 119 * MS, 126 * MS);
	free_model(&m);
}

static bool may_be_real_time(void)
{
	bool may = !sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ 1 });

	sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 });
	return may;
}

/* before_ns: the shortest time from a child's start to its wake of the parent. */
static struct rpl_counts run_vforks(unsigned wake_flags, uint64_t *before_ns)
{
	struct sr_model m = { 0 };
	struct sr_cpumask one = { { 0 } };
	const struct sr_event *ev;
	struct rpl_counts c;
	struct rpl_run *run;
	struct sr_error err;
	uint64_t in_ns = 0;
	int32_t in = -1;
	size_t n;

	add_vforks(&m, 20, 6 * MS);
	for (size_t i = 2; i < m.ntasks; i++)
		for (size_t k = 0; k < m.tasks[i].nops; k++)
			if (m.tasks[i].ops[k].kind == SR_OP_WAKE)
				m.tasks[i].ops[k].flags |= wake_flags;
	sr_cpumask_set(&one, first_cpu());
	run = executed(&m, (struct rpl_config){ .cpus = &one, .order = RPL_ORDER_OFF, .self_record = true });
	c = *rpl_get_counts(run);
	assert_int_equal(rpl_collect(run, &ev, &n, &err), 0);
	*before_ns = UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		if (ev[i].kind == SR_EV_FORK) {
			in = ev[i].u.fork.child;
			in_ns = ev[i].time_ns;
		} else if (ev[i].kind == SR_EV_WAKING && ev[i].ctx == in && ev[i].time_ns - in_ns < *before_ns) {
			*before_ns = ev[i].time_ns - in_ns;
		}
	}
	rpl_free(run);
	free_model(&m);
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
	return c;
}

/* Its slice is over when it forks: the child often finds it awake. */
static void the_parent_of_a_vfork_sleeps_before_it_loses_its_cpu(void **state)
{
	uint64_t before_ns;
	struct rpl_counts c = run_vforks(0, &before_ns);

	assert_int_equal(c.wakes_held, 0);
	if (!may_be_real_time()) {
		assert_in_range(c.vforks_open, 1, 20);
		skip();
	}
	assert_in_range(c.vforks_held, 1, 20);
	assert_int_equal(c.vforks_open, 0);
	assert_int_equal(c.wakes_late, 20);
	assert_int_equal(c.waits_slept, 20);
	assert_true(before_ns > MS + EXEC_NS / 2); /* when the exec is over */
}

static void who_was_given_the_cpu_after_an_exec_is_woken_within_it(void **state)
{
	uint64_t before_ns;
	struct rpl_counts c = run_vforks(SR_WAKE_GIVES, &before_ns);

	if (!may_be_real_time()) {
		assert_int_equal(c.wakes_held, 0);
		skip();
	}
	assert_int_equal(c.wakes_held, 20);
	assert_int_equal(c.wakes_late, 0);
	assert_true(before_ns < MS + EXEC_NS / 2);
	assert_int_equal(c.waits_slept, 20);
}

/* Two tasks in turns on one CPU: bursts shorter than ten times what their wake-ups cost. */
static void wakes_cost_what_they_cost_in_the_run(void **state)
{
	enum { TURNS = 4000 };
	struct sr_model m = { 0 };
	struct sr_cpumask one = { { 0 } };
	struct rpl_counts c;
	uint64_t ns;

	add_task(&m, NONE);
	add_task(&m, NONE);
	for (uint32_t i = 0; i < TURNS; i++) {
		op(&m, 0, SR_OP_RUN, 0, 20000);
		op(&m, 0, SR_OP_WAKE, 1, i);
		add_wait(&m, 0, SR_OP_WAIT, 1, 0);
		add_wait(&m, 1, SR_OP_WAIT, 0, 0);
		op(&m, 1, SR_OP_RUN, 0, 20000);
		op(&m, 1, SR_OP_WAKE, 0, i);
	}
	op(&m, 0, SR_OP_END, 0, 0);
	op(&m, 1, SR_OP_END, 0, 0);
	sr_cpumask_set(&one, first_cpu());
	c = go(&m,
	       (struct rpl_config){ .cpus = &one,
				    .work = RPL_WORK_INSTRUCTIONS,
				    .wake_bound = { .local_ns = 18000, .remote_ns = 18000 } },
	       &ns);
	free_model(&m);
	assert_in_range(c.wake_local_ns, 300, 100000);
	assert_int_equal(c.wake_remote_ns, 0);
	assert_in_range(c.paid_ns, TURNS * 40000ull * 8 / 10, TURNS * 40000ull * 12 / 10);
}

static void a_timer_sleeper_uses_its_own_time_and_burns_none_asleep(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_counts c;
	uint64_t ns;

	add_task(&m, NONE);
	for (int i = 0; i < 20; i++) {
		op(&m, 0, SR_OP_RUN, 0, MS / 2);
		op(&m, 0, SR_OP_SLEEP, 0, 10 * MS);
	}
	op(&m, 0, SR_OP_END, 0, 0);
	c = go(&m, (struct rpl_config){ 0 }, &ns);
	assert_in_range(ns, 210 * MS, 400 * MS);
	assert_in_range(c.paid_ns, 10 * MS, 13 * MS);
	assert_int_equal(c.sleeps, 20);
	free_model(&m);
}

static void time_scale_stretches_sleeps_and_not_work(void **state)
{
	struct sr_model m = { 0 };
	uint64_t ns;

	add_task(&m, NONE);
	op(&m, 0, SR_OP_RUN, 0, MS);
	op(&m, 0, SR_OP_SLEEP, 0, 20 * MS);
	op(&m, 0, SR_OP_RUN, 0, MS);
	op(&m, 0, SR_OP_END, 0, 0);
	go(&m, (struct rpl_config){ .time_scale = 5 }, &ns);
	assert_in_range(ns, 102 * MS, 200 * MS);
	free_model(&m);
}

/* As recorded the child was forked at 20 ms and slept until 50 ms; here it is forked at 60 ms. */
static void a_forked_childs_first_sleep_has_its_length(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_counts c;
	uint64_t ns;

	add_task(&m, NONE);
	op(&m, 0, SR_OP_SLEEP, 0, 60 * MS);
	op(&m, 0, SR_OP_FORK, 1, 0);
	op(&m, 0, SR_OP_END, 0, 0);
	add_task(&m, 0);
	op(&m, 1, SR_OP_SLEEP, 0, 30 * MS);
	op(&m, 1, SR_OP_END, 0, 0);
	m.tasks[1].waits[0].block_ns = 20 * MS;
	m.tasks[1].waits[0].wake_ns = 50 * MS;
	c = go(&m, (struct rpl_config){ 0 }, &ns);
	assert_int_equal(c.sleeps_late, 0);
	assert_in_range(ns, 90 * MS, 400 * MS);
	free_model(&m);
}

/* A recording of a whole system has many that sleep all the time: they must not all end when the load begins. */
static void who_does_nothing_has_ended_when_the_others_begin(void **state)
{
	struct rpl_config cfg = {
		.policy = &rpl_policy_kernel, .machine = machine, .time_scale = 1, .self_record = true
	};
	const struct sr_event *ev;
	struct sr_model m = { 0 };
	struct rpl_run *run;
	struct sr_error err;
	uint64_t start, end;
	size_t n, ends = 0, binds = 0;

	for (uint32_t i = 0; i < 50; i++) {
		add_task(&m, NONE);
		if (i == 7)
			op(&m, i, SR_OP_RUN, 0, MS);
		op(&m, i, SR_OP_END, 0, 0);
	}
	run = rpl_prepare(&m, &cfg, &err);
	assert_non_null(run);
	assert_int_equal(rpl_execute(run, &err), 0);
	assert_int_equal(rpl_collect(run, &ev, &n, &err), 0);
	rpl_span(run, &start, &end);
	for (size_t i = 0; i < n; i++) {
		assert_true(ev[i].time_ns >= start);
		ends += ev[i].kind == SR_EV_EXIT;
		binds += ev[i].kind == SR_EV_BIND;
	}
	assert_int_equal(ends, 1);
	assert_int_equal(binds, 1);
	rpl_free(run);
	free_model(&m);
}

static void see_share(void *most, double share)
{
	if (share > *(double *)most)
		*(double *)most = share;
}

static void progress_is_a_share_of_the_scaled_work(void **state)
{
	struct sr_model m = { 0 };
	double most = 0;
	uint64_t ns;

	add_task(&m, NONE);
	for (int i = 0; i < 50; i++)
		op(&m, 0, SR_OP_RUN, 0, 10 * MS);
	op(&m, 0, SR_OP_END, 0, 0);
	go(&m, (struct rpl_config){ .work_scale = 2, .progress = see_share, .progress_arg = &most }, &ns);
	assert_true(most > 0.3 && most < 1.01);
	free_model(&m);
}

/* CPUs that threads named so may use; a name that no thread has is not looked at. */
struct look {
	const char *name;
	int cpus;
};

static void look_at_threads(void *arg, double share)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;
	char path[300], comm[32];

	while (dir && (d = readdir(dir))) {
		cpu_set_t set;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", d->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		comm[0] = '\0';
		if (fgets(comm, sizeof(comm), f))
			comm[strcspn(comm, "\n")] = '\0';
		fclose(f);
		for (struct look *l = arg; l->name; l++)
			if (!strcmp(l->name, comm) && !sched_getaffinity(atoi(d->d_name), sizeof(set), &set))
				l->cpus = CPU_COUNT(&set);
	}
	if (dir)
		closedir(dir);
}

/* A thread that was given its CPUs soon after it was forked: fewer than its parent, or more. */
static void a_forked_task_has_the_cpus_that_were_read_of_it(void **state)
{
	static char *names[] = { "narrow", "wide", "same" };
	struct look looks[] = { { "narrow", 0 }, { "wide", 0 }, { "same", 0 }, { NULL, 0 } };
	struct sr_cpumask one = { { 0 } }, all = { { 0 } };
	struct sr_model m = { .names = names, .nnames = 3, .cpus = 2 };
	struct rpl_counts c;
	cpu_set_t set;
	uint64_t ns;

	sched_getaffinity(0, sizeof(set), &set);
	if (CPU_COUNT(&set) < 2)
		skip();
	memset(&all, 0xff, sizeof(all));
	sr_cpumask_set(&one, first_cpu());
	for (uint32_t i = 0; i < 3; i++) {
		add_task(&m, NONE)->allowed = i == 0 ? &all : &one;
		op(&m, i, SR_OP_FORK, 3 + i, 0);
		op(&m, i, SR_OP_END, 0, 0);
	}
	for (uint32_t i = 0; i < 3; i++) {
		add_task(&m, i)->allowed = i == 1 ? &all : &one;
		op(&m, 3 + i, SR_OP_NAME, i, 0);
		op(&m, 3 + i, SR_OP_SLEEP, 0, 700 * MS);
		op(&m, 3 + i, SR_OP_END, 0, 0);
	}
	c = go(&m, (struct rpl_config){ .keep_affinity = true, .progress = look_at_threads, .progress_arg = looks },
	       &ns);
	assert_int_equal(looks[0].cpus, 1);
	assert_int_equal(looks[1].cpus, CPU_COUNT(&set));
	assert_int_equal(looks[2].cpus, 1);
	assert_int_equal(c.affinity_dropped, 0);
	c = go(&m, (struct rpl_config){ 0 }, &ns);
	assert_int_equal(c.affinity_dropped, 3); /* of two of the start, and of the narrow one */
	free_model(&m);
}

static void ping_pong(struct sr_model *m, int rounds)
{
	uint32_t a = (uint32_t)m->ntasks, b = a + 1;

	add_task(m, NONE);
	add_task(m, NONE);
	for (int i = 0; i < rounds; i++) {
		op(m, a, SR_OP_WAKE, b, i);
		op(m, a, SR_OP_WAIT, 0, 0);
		op(m, b, SR_OP_WAIT, 0, 0);
		op(m, b, SR_OP_WAKE, a, i);
	}
	op(m, a, SR_OP_END, 0, 0);
	op(m, b, SR_OP_END, 0, 0);
}

static void every_wait_of_a_ping_pong_ends_by_its_wake(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_counts c;
	uint64_t ns;

	ping_pong(&m, 2000);
	c = go(&m, (struct rpl_config){ 0 }, &ns);
	assert_int_equal(c.waits_slept + c.waits_passed, 4000);
	assert_int_equal(c.forced, 0);
	free_model(&m);
}

/* Task 1 waits twice; the second wait's wake comes first and must not end the first wait. */
static void a_wake_releases_only_its_own_wait(void **state)
{
	struct sr_model m = { 0 };
	uint64_t ns;

	add_task(&m, NONE);
	add_task(&m, NONE);
	op(&m, 0, SR_OP_WAKE, 1, 1);
	op(&m, 0, SR_OP_SLEEP, 0, 50 * MS);
	op(&m, 0, SR_OP_WAKE, 1, 0);
	op(&m, 0, SR_OP_END, 0, 0);
	op(&m, 1, SR_OP_WAIT, 0, 0);
	op(&m, 1, SR_OP_SLEEP, 0, 50 * MS);
	m.tasks[1].ops[1].kind = SR_OP_WAIT;
	m.tasks[1].waits[1].needs = 1;
	op(&m, 1, SR_OP_SLEEP, 0, 50 * MS);
	op(&m, 1, SR_OP_END, 0, 0);
	go(&m, (struct rpl_config){ 0 }, &ns);
	assert_in_range(ns, 100 * MS, 200 * MS);
	free_model(&m);
}

static void a_wait_that_nothing_ends_is_ended_by_the_watchdog(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_counts c;
	uint64_t ns;

	add_task(&m, NONE);
	op(&m, 0, SR_OP_RUN, 0, MS);
	op(&m, 0, SR_OP_WAIT, 0, 0);
	op(&m, 0, SR_OP_END, 0, 0);
	c = go(&m, (struct rpl_config){ 0 }, &ns);
	assert_int_equal(c.forced, 1);
	assert_in_range(ns, 2000 * MS, 10000 * MS);
	free_model(&m);
}

static void a_stop_ends_a_long_sleep_at_once(void **state)
{
	struct sr_model m = { 0 };
	static volatile int stop = 1;
	uint64_t ns;

	add_task(&m, NONE);
	op(&m, 0, SR_OP_SLEEP, 0, 3600000 * MS);
	m.tasks[0].waits[0].wake_ns = 3600000 * MS;
	op(&m, 0, SR_OP_END, 0, 0);
	go(&m, (struct rpl_config){ .stop = &stop }, &ns);
	assert_in_range(ns, 0, 2000 * MS);
	free_model(&m);
}

static void a_stop_ends_a_long_burst_at_once(void **state)
{
	struct sr_model m = { 0 };
	static volatile int stop = 1;
	uint64_t ns;

	add_task(&m, NONE);
	op(&m, 0, SR_OP_RUN, 0, 3600000 * MS);
	op(&m, 0, SR_OP_END, 0, 0);
	go(&m, (struct rpl_config){ .stop = &stop }, &ns);
	assert_in_range(ns, 0, 2000 * MS);
	go(&m, (struct rpl_config){ .stop = &stop, .work = RPL_WORK_INSTRUCTIONS }, &ns);
	assert_in_range(ns, 0, 2000 * MS);
	free_model(&m);
}

static void forks_start_children_when_the_parent_reaches_them(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_counts c;
	uint64_t ns;

	add_task(&m, NONE);
	for (uint32_t i = 1; i <= 500; i++)
		add_task(&m, 0);
	m.max_alive = 501;
	for (uint32_t i = 1; i <= 500; i++) {
		op(&m, 0, SR_OP_FORK, i, 0);
		op(&m, i, SR_OP_RUN, 0, 20000);
		op(&m, i, SR_OP_WAKE, 0, i - 1);
		op(&m, i, SR_OP_END, 0, 0);
		op(&m, 0, SR_OP_WAIT, 0, 0);
	}
	op(&m, 0, SR_OP_END, 0, 0);
	c = go(&m, (struct rpl_config){ 0 }, &ns);
	assert_int_equal(c.wakes, 500);
	assert_int_equal(c.waits_slept + c.waits_passed, 500);
	free_model(&m);
}

static void work_in_instructions_costs_the_time_it_was_calibrated_to(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_counts c;
	uint64_t ns;

	add_task(&m, NONE);
	op(&m, 0, SR_OP_RUN, 0, 200 * MS);
	op(&m, 0, SR_OP_END, 0, 0);
	c = go(&m, (struct rpl_config){ .work = RPL_WORK_INSTRUCTIONS }, &ns);
	/* The host's speed may have changed since the calibration, by up to a factor of two and a half. */
	assert_in_range(c.paid_ns, 80 * MS, 600 * MS);
	free_model(&m);
}

static int place_on_last(struct rpl_engine *e, void *policy, const struct rpl_place *p)
{
	int cpu = (int)e->ncpus - 1;

	while (cpu > 0 && !e->machine->v[cpu].online)
		cpu--;
	assert_true(p->task >= 0);
	return cpu;
}

static void a_policy_decides_every_wake_and_its_decisions_are_logged(void **state)
{
	static const struct rpl_policy last = {
		.version = RPL_POLICY_VERSION, .name = "last", .pins = true, .place = place_on_last
	};
	struct rpl_config cfg = { .policy = &last, .machine = machine, .time_scale = 1 };
	struct sr_model m = { 0 };
	const struct sr_event *ev;
	struct sr_error err;
	struct rpl_run *run;
	size_t n, decisions = 0, binds = 0;

	ping_pong(&m, 200);
	run = rpl_prepare(&m, &cfg, &err);
	assert_non_null(run);
	assert_int_equal(rpl_execute(run, &err), 0);
	assert_int_equal(rpl_collect(run, &ev, &n, &err), 0);
	for (size_t i = 0; i < n; i++) {
		assert_true(i == 0 || ev[i - 1].time_ns <= ev[i].time_ns);
		binds += ev[i].kind == SR_EV_BIND;
		if (ev[i].kind != SR_EV_DECISION)
			continue;
		decisions++;
		assert_int_equal(ev[i].u.decision.cause, SR_CAUSE_WAKE);
		assert_true(machine->v[ev[i].u.decision.to].online);
	}
	assert_int_equal(binds, 2);
	assert_in_range(decisions, 1, 400);
	assert_int_equal(decisions, rpl_get_counts(run)->waits_slept);
	rpl_free(run);
	free_model(&m);
}

static void every_task_is_queued_once_and_ends_on_no_queue(void **state)
{
	struct sr_model m = { 0 };
	uint64_t ns;

	memset(&seen, 0, sizeof(seen));
	for (int i = 0; i < 8; i++)
		ping_pong(&m, 3000);
	go(&m, (struct rpl_config){ .policy = &observer }, &ns);
	assert_int_equal(seen.wrong, 0);
	assert_int_equal(seen.left, 0);
	free_model(&m);
}

static unsigned threads_seen[3];

static int see_threads(struct rpl_engine *e, void *policy, const struct rpl_place *p)
{
	/* The first wake, a timer's: all three are alive. */
	for (int i = 0; i < 3 && p->why == SR_CAUSE_WAKE && p->waker < 0; i++) {
		struct rpl_task_view view;

		e->task(e, i, &view);
		threads_seen[i] = view.threads;
	}
	return -1;
}

static void tasks_of_the_start_with_one_tgid_are_one_process(void **state)
{
	static const struct rpl_policy viewer = {
		.version = RPL_POLICY_VERSION, .name = "viewer", .pins = true, .place = see_threads
	};
	struct sr_model m = { 0 };
	uint64_t ns;

	for (uint32_t i = 0; i < 3; i++)
		add_task(&m, NONE)->tgid = i < 2 ? 101 : 103;
	op(&m, 0, SR_OP_RUN, 0, 1);
	op(&m, 0, SR_OP_SLEEP, 0, 20 * MS);
	for (uint32_t i = 1; i < 3; i++) {
		op(&m, 0, SR_OP_WAKE, i, 0);
		op(&m, i, SR_OP_WAIT, 0, 0);
		op(&m, i, SR_OP_END, 0, 0);
	}
	op(&m, 0, SR_OP_END, 0, 0);
	go(&m, (struct rpl_config){ .policy = &viewer }, &ns);
	assert_int_equal(threads_seen[0], 2);
	assert_int_equal(threads_seen[1], 2);
	assert_int_equal(threads_seen[2], 1);
	free_model(&m);
}

static void who_was_stopped_asleep_leaves_no_queue_twice(void **state)
{
	struct sr_model m = { 0 };
	static volatile int stop = 1;
	uint64_t ns;

	memset(&seen, 0, sizeof(seen));
	add_task(&m, NONE);
	op(&m, 0, SR_OP_WAIT, 0, 0);
	op(&m, 0, SR_OP_END, 0, 0);
	go(&m, (struct rpl_config){ .policy = &observer, .stop = &stop }, &ns);
	assert_int_equal(seen.wrong, 0);
	assert_int_equal(seen.left, 0);
	free_model(&m);
}

/* Not one that is over at once because the sum of two times overflows. */
static void a_sleep_beyond_the_end_of_the_clock_lasts_until_the_stop(void **state)
{
	struct sr_model m = { 0 };
	static volatile int stop = 1;
	struct rpl_counts c;
	uint64_t ns;

	add_task(&m, NONE);
	op(&m, 0, SR_OP_RUN, 0, 1);
	op(&m, 0, SR_OP_SLEEP, 0, UINT64_MAX);
	op(&m, 0, SR_OP_END, 0, 0);
	c = go(&m, (struct rpl_config){ .stop = &stop }, &ns);
	assert_int_equal(c.sleeps, 1);
	assert_int_equal(c.sleeps_late, 0);
	free_model(&m);
}

/* ---- processes ---- */

static void no_child_is_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* Two processes of the start, one below the other and with a thread, which fork 100 processes and 100 threads. */
static void a_tree(struct sr_model *m)
{
	for (uint32_t i = 0; i < 3; i++) {
		struct sr_program *p = add_task(m, NONE);

		p->tgid = i ? 102 : 101;
		p->ppid = i ? 101 : 1;
	}
	for (uint32_t i = 3; i < 203; i++) {
		uint32_t parent = i % 2 ? 0 : 2;

		add_task(m, parent);
		op(m, parent, SR_OP_FORK, i, 0);
		m->tasks[parent].ops[m->tasks[parent].nops - 1].flags = i % 4 < 2 ? SR_FORK_VM | SR_FORK_THREAD : 0;
		op(m, i, SR_OP_RUN, 0, 20000);
		op(m, i, SR_OP_WAKE, parent, m->tasks[parent].nwaits);
		op(m, i, SR_OP_END, 0, 0);
		op(m, parent, SR_OP_WAIT, 0, 0);
	}
	op(m, 1, SR_OP_RUN, 0, 20000);
	for (uint32_t i = 0; i < 3; i++)
		op(m, i, SR_OP_END, 0, 0);
}

static void processes_fork_and_make_threads_under_every_policy(void **state)
{
	for (size_t i = 0; rpl_policies[i]; i++) {
		struct sr_model m = { 0 };
		struct rpl_counts c;
		uint64_t ns;

		a_tree(&m);
		c = go(&m, (struct rpl_config){ .processes = true, .policy = rpl_policies[i] }, &ns);
		assert_int_equal(c.processes, 102);
		assert_int_equal(c.orphans, 1);
		assert_int_equal(c.waits_slept + c.waits_passed, 200);
		assert_int_equal(c.forced, 0);
		no_child_is_left();
		free_model(&m);
	}
}

static void a_ping_pong_between_processes_loses_no_wake(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_counts c;
	uint64_t ns;

	ping_pong(&m, 2000);
	c = go(&m, (struct rpl_config){ .processes = true, .work = RPL_WORK_INSTRUCTIONS }, &ns);
	assert_int_equal(c.processes, 2);
	assert_int_equal(c.waits_slept + c.waits_passed, 4000);
	assert_int_equal(c.forced, 0);
	free_model(&m);
}

/* All wakes are by pipes, whatever runs and however it ends; where there are no pipes to be had it is futexes. */
static void wakes_of_other_processes_say_that_the_waker_sleeps(void **state)
{
	struct rlimit few;
	pid_t child;
	int status;
	struct sr_model m = { 0 };
	struct rpl_counts c;
	uint64_t ns;

	ping_pong(&m, 2000);
	for (size_t i = 0; i < m.ntasks; i++)
		for (size_t k = 0; k < m.tasks[i].nwaits; k++)
			m.tasks[i].waits[k].sync = true;
	/* Who hardly works from sleep to sleep is not worth one. */
	c = go(&m, (struct rpl_config){ .work = RPL_WORK_INSTRUCTIONS }, &ns);
	assert_int_equal(c.wakes_sync + c.sync_refused, 0);
	for (size_t i = 0; i < m.ntasks; i++)
		m.tasks[i].cpu_ns = 2000 * 20000ull;
	for (int processes = 0; processes < 2; processes++)
		for (int order = 0; order < 3; order++) {
			c = go(&m,
			       (struct rpl_config){
				       .processes = processes, .work = RPL_WORK_INSTRUCTIONS, .order = order },
			       &ns);
			assert_int_equal(c.waits_slept + c.waits_passed, 4000);
			assert_int_equal(c.forced, 0);
			assert_int_equal(c.sync_refused, 0);
			assert_in_range(c.wakes_sync, c.waits_slept / 2, 4000);
		}
	/* The limit is not one that everybody can raise again. */
	child = fork();
	if (!child) {
		for (few.rlim_cur = 3; fcntl((int)few.rlim_cur, F_GETFD) >= 0; few.rlim_cur++)
			;
		few.rlim_max = few.rlim_cur;
		if (setrlimit(RLIMIT_NOFILE, &few) < 0)
			_exit(2);
		c = go(&m, (struct rpl_config){ .work = RPL_WORK_INSTRUCTIONS }, &ns);
		_exit(c.sync_refused != 2 || c.wakes_sync || c.waits_slept + c.waits_passed != 4000);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	free_model(&m);
}

static void a_stop_ends_a_sleep_in_a_pipe(void **state)
{
	static volatile int stop = 1;
	struct sr_model m = { 0 };
	uint64_t ns;

	for (uint32_t i = 0; i < 2; i++)
		add_task(&m, NONE);
	add_wait(&m, 0, SR_OP_WAIT, 1, 0);
	m.tasks[0].waits[0].sync = true;
	op(&m, 1, SR_OP_RUN, 0, 3600000 * MS);
	op(&m, 1, SR_OP_WAKE, 0, 0);
	for (uint32_t i = 0; i < 2; i++)
		op(&m, i, SR_OP_END, 0, 0);
	for (int processes = 0; processes < 2; processes++) {
		go(&m, (struct rpl_config){ .stop = &stop, .processes = processes }, &ns);
		assert_in_range(ns, 0, 2000 * MS);
	}
	no_child_is_left();
	free_model(&m);
}

/* A file may say so. */
static void processes_that_are_each_others_parents_run_all_the_same(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_counts c;
	uint64_t ns;

	for (uint32_t i = 0; i < 5; i++) {
		struct sr_program *p = add_task(&m, NONE);

		p->tid = p->tgid = 101 + (int)i;
		p->ppid = i < 3 ? 101 + ((int)i + 1) % 3 : p->tid;
		op(&m, i, SR_OP_RUN, 0, MS);
		op(&m, i, SR_OP_END, 0, 0);
	}
	c = go(&m, (struct rpl_config){ .processes = true }, &ns);
	assert_int_equal(c.processes, 5);
	assert_int_equal(c.orphans, 3);
	free_model(&m);
}

static void a_stop_and_a_run_never_executed_leave_no_process(void **state)
{
	struct rpl_config cfg = { .policy = &rpl_policy_kernel, .machine = machine, .time_scale = 1, .processes = true };
	struct sr_model m = { 0 };
	static volatile int stop = 1;
	struct sr_error err;
	struct rpl_run *run;
	uint64_t ns;

	add_task(&m, NONE);
	op(&m, 0, SR_OP_SLEEP, 0, 3600000 * MS);
	op(&m, 0, SR_OP_END, 0, 0);
	go(&m, (struct rpl_config){ .processes = true, .stop = &stop }, &ns);
	no_child_is_left();
	run = rpl_prepare(&m, &cfg, &err);
	assert_non_null(run);
	rpl_free(run);
	no_child_is_left();
	free_model(&m);
}

static int die_in_the_lock(struct rpl_engine *e, void *policy, const struct rpl_place *p)
{
	if (p->why == SR_CAUSE_WAKE)
		raise(SIGKILL);
	return -1;
}

static void never_mind(struct rpl_engine *e, void *policy, unsigned cpu)
{
}

static void a_process_that_dies_ends_the_run_with_an_error(void **state)
{
	static const struct rpl_policy deadly = { .version = RPL_POLICY_VERSION,
						  .name = "deadly",
						  .pins = true,
						  .ticks = true,
						  .tick_ns = MS,
						  .tick = never_mind,
						  .place = die_in_the_lock };
	struct rpl_config cfg = { .policy = &deadly, .machine = machine, .time_scale = 1, .processes = true };
	struct sr_model m = { 0 };
	struct sr_error err;
	struct rpl_run *run;

	ping_pong(&m, 20);
	run = rpl_prepare(&m, &cfg, &err);
	assert_non_null(run);
	assert_int_equal(rpl_execute(run, &err), -1);
	assert_int_equal(err.status, SR_ENVIRONMENT);
	assert_non_null(strstr(err.text, "engine-test"));
	rpl_free(run);
	no_child_is_left();
	free_model(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_hogs_on_one_cpu_take_twice_as_long_and_no_more_work),
		cmocka_unit_test(the_parent_of_a_vfork_sleeps_before_it_loses_its_cpu),
		cmocka_unit_test(who_was_given_the_cpu_after_an_exec_is_woken_within_it),
		cmocka_unit_test(wakes_cost_what_they_cost_in_the_run),
		cmocka_unit_test(a_timer_sleeper_uses_its_own_time_and_burns_none_asleep),
		cmocka_unit_test(time_scale_stretches_sleeps_and_not_work),
		cmocka_unit_test(a_forked_childs_first_sleep_has_its_length),
		cmocka_unit_test(who_does_nothing_has_ended_when_the_others_begin),
		cmocka_unit_test(progress_is_a_share_of_the_scaled_work),
		cmocka_unit_test(a_forked_task_has_the_cpus_that_were_read_of_it),
		cmocka_unit_test(every_wait_of_a_ping_pong_ends_by_its_wake),
		cmocka_unit_test(a_wake_releases_only_its_own_wait),
		cmocka_unit_test(a_wait_that_nothing_ends_is_ended_by_the_watchdog),
		cmocka_unit_test(a_stop_ends_a_long_sleep_at_once),
		cmocka_unit_test(a_stop_ends_a_long_burst_at_once),
		cmocka_unit_test(forks_start_children_when_the_parent_reaches_them),
		cmocka_unit_test(work_in_instructions_costs_the_time_it_was_calibrated_to),
		cmocka_unit_test(every_task_is_queued_once_and_ends_on_no_queue),
		cmocka_unit_test(tasks_of_the_start_with_one_tgid_are_one_process),
		cmocka_unit_test(who_was_stopped_asleep_leaves_no_queue_twice),
		cmocka_unit_test(a_sleep_beyond_the_end_of_the_clock_lasts_until_the_stop),
		cmocka_unit_test(a_policy_decides_every_wake_and_its_decisions_are_logged),
		cmocka_unit_test(processes_fork_and_make_threads_under_every_policy),
		cmocka_unit_test(a_ping_pong_between_processes_loses_no_wake),
		cmocka_unit_test(wakes_of_other_processes_say_that_the_waker_sleeps),
		cmocka_unit_test(a_stop_ends_a_sleep_in_a_pipe),
		cmocka_unit_test(processes_that_are_each_others_parents_run_all_the_same),
		cmocka_unit_test(a_stop_and_a_run_never_executed_leave_no_process),
		cmocka_unit_test(a_process_that_dies_ends_the_run_with_an_error),
	};

	return cmocka_run_group_tests(tests, load_machine, free_machine);
}
