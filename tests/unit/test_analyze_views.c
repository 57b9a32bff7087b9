/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a request shows: filters that change nothing else, events one by one, and counters like /proc/schedstat's. */
#include "tests/unit/trace_builder.h"

#include "analyze/internal.h"

enum { S = SR_STATE_SLEEPING, R = SR_STATE_RUNNING, P = SR_STATE_PREEMPTED, X = SR_STATE_DEAD };

static struct sr_error err;
static struct ana_result res;
static struct trace t;
static char path[80];

static void name_it(uint64_t at, unsigned kind, int32_t tid, const char *comm)
{
	struct sr_event ev = { .time_ns = at, .cpu = 1, .kind = (uint8_t)kind, .ctx = tid, .u.rename = { .tid = tid } };

	ev.u.rename.name = srz_put_name(t.w, comm, &t.err);
	trace_put(&t, ev);
}

static void wakeup(uint64_t at, unsigned cpu, int32_t ctx, int32_t tid, unsigned target)
{
	trace_put(&t, (struct sr_event){ .time_ns = at,
					 .cpu = (uint16_t)cpu,
					 .kind = SR_EV_WAKEUP,
					 .ctx = ctx,
					 .u.wake = { .tid = tid, .prio = 120, .target_cpu = (uint16_t)target } });
}

/*
 * cpu 0: 10 runs 100..200, wakes 20 at 150; 20 waits until 200, runs 200..300, is preempted by 10 until 400, runs to 500
 * cpu 1: idle from 100; 30 (thread of process 10, once named "young") runs 250..350
 */
static void story(void)
{
	trace_begin(&t, "system");
	snprintf(path, sizeof(path), "%s.views", t.path);
	trace_task(&t, 10, "ten", 'S', 0);
	trace_task(&t, 20, "twenty", 'S', 0);
	trace_task(&t, 30, "young", 'S', 0);
	t.starts.v[2].tgid = 10;
	trace_switch(&t, 100, 0, 0, R, 10);
	trace_switch(&t, 100, 1, 40, S, 0);
	trace_waking(&t, 150, 0, 10, 20, 0);
	wakeup(155, 0, 10, 20, 0);
	trace_switch(&t, 200, 0, 10, P, 20);
	trace_waking(&t, 240, 1, 0, 30, SR_EV_HARDIRQ);
	wakeup(240, 1, 0, 30, 1);
	trace_switch(&t, 250, 1, 0, R, 30);
	name_it(260, SR_EV_RENAME, 30, "old");
	trace_switch(&t, 300, 0, 20, P, 10);
	trace_switch(&t, 350, 1, 30, S, 0);
	trace_switch(&t, 400, 0, 10, S, 20);
	trace_switch(&t, 500, 0, 20, S, 0);
	trace_switch(&t, 600, 1, 0, R, 40);
	trace_keep(&t, path);
}

static void ask(const struct ana_request *q)
{
	story();
	if (ana_file_request(path, q, &res, &err) < 0)
		fail_msg("%s", err.text);
	unlink(path);
}

static int teardown(void **state)
{
	ana_result_release(&res);
	return 0;
}

static double get(const char *name)
{
	double v;

	if (!ana_get(&res, name, &v))
		fail_msg("%s is absent", name);
	return v;
}

static const struct ana_task_row *row(int32_t tid)
{
	for (size_t i = 0; i < res.ntasks; i++)
		if (res.tasks[i].tid == tid)
			return &res.tasks[i];
	return NULL;
}

static void test_unfiltered_everything_is_there(void **state)
{
	ask(&(struct ana_request){ .scope = ANA_ALL });
	assert_non_null(row(10));
	assert_non_null(row(30));
	assert_int_equal(row(20)->latency_ns, 50);
	assert_int_equal(row(20)->wait_ns, 45 + 100);
	assert_int_equal(row(20)->waits, 2);
	assert_int_equal(row(20)->max_wait_ns, 100);
	assert_int_equal(row(20)->max_wait_at, 400);
	assert_int_equal(row(20)->slices, 2);
	assert_int_equal(row(20)->min_slice_ns, 100);
	assert_true(row(20)->slice_squares == 20000);
}

static void test_a_task_is_chosen_by_a_name_that_it_once_had(void **state)
{
	ask(&(struct ana_request){ .scope = ANA_ALL, .task_glob = "you*" });
	assert_int_equal(res.ntasks, 1);
	assert_string_equal(res.tasks[0].comm, "old");
	assert_int_equal(res.tasks[0].cpu_ns, 100);
}

static void test_a_task_is_chosen_by_its_tid(void **state)
{
	ask(&(struct ana_request){ .scope = ANA_ALL, .task_glob = "20" });
	assert_int_equal(res.ntasks, 1);
	assert_int_equal(row(20)->wait_ns, 145);
}

static void test_a_process_is_all_its_threads(void **state)
{
	ask(&(struct ana_request){ .scope = ANA_ALL, .pid = 10 });
	assert_int_equal(res.ntasks, 2);
	assert_non_null(row(10));
	assert_non_null(row(30));
}

static void test_a_task_filter_leaves_whole_cpus_as_they_are(void **state)
{
	double idle, imbalance, busiest;

	ask(&(struct ana_request){ .scope = ANA_ALL });
	idle = get("idle_while_overloaded_ns");
	imbalance = get("imbalance_score");
	busiest = get("busiest_cpu_share");
	ana_result_release(&res);
	ask(&(struct ana_request){ .scope = ANA_ALL, .task_glob = "twenty" });
	assert_true(get("idle_while_overloaded_ns") == idle && get("imbalance_score") == imbalance);
	assert_true(get("busiest_cpu_share") == busiest);
	assert_true(get("cpu_time_ns") == 200);
}

static void test_cpus_show_what_happened_on_them(void **state)
{
	struct sr_cpumask one = { 0 };

	sr_cpumask_set(&one, 1);
	ask(&(struct ana_request){ .scope = ANA_ALL, .cpus = &one });
	assert_null(row(20));
	assert_int_equal(row(30)->cpu_ns, 100);
	assert_int_equal(row(30)->wait_ns, 10);
	assert_int_equal(res.ncpus, 1);
	assert_int_equal(res.cpus[0].cpu, 1);
	assert_int_equal(res.ncpu_stats, 1);
}

static void test_a_window_has_the_metrics_of_whole_cpus_too(void **state)
{
	/* Times count from the first event, at 100: this is 210 to 360. */
	ask(&(struct ana_request){ .scope = ANA_ALL, .window = { 110, 260 } });
	assert_int_equal(row(20)->cpu_ns, 90);
	assert_int_equal(row(10)->cpu_ns, 60);
	assert_int_equal(res.cpus[0].all_ns, 150);
	assert_int_equal(res.cpus[1].all_ns, 100);
	assert_true(get("busiest_cpu_share") == 150.0 / 250);
	/* 10 and 20 were both there all the time, cpu 1 was idle outside of 250 to 350, and 30 waited from 240. */
	assert_true(get("idle_while_overloaded_ns") == 30 + 10);
}

struct seen {
	unsigned n[16];
	struct ana_slice last[16];
	uint64_t idle_ns;
};

static int see(void *arg, const struct ana_slice *s, struct sr_error *e)
{
	struct seen *seen = arg;

	seen->n[s->kind]++;
	seen->last[s->kind] = *s;
	if (s->kind == ANA_SLICE_IDLE)
		seen->idle_ns += s->end_ns - s->start_ns;
	if (s->tid == 20 && s->kind == ANA_SLICE_RUN && s->start_ns == 200) {
		assert_int_equal(s->latency_ns, 50);
		assert_int_equal(s->delay_ns, 45);
		assert_int_equal(s->other_tid, 10);
		assert_string_equal(s->other_comm, "ten");
		assert_int_equal(s->prio, 120);
	}
	return 0;
}

static void test_runs_alone_come_unless_more_is_asked_for(void **state)
{
	struct seen seen = { 0 };

	ask(&(struct ana_request){ .scope = ANA_ALL, .slice = see, .slice_arg = &seen });
	/* 10 twice, 20 twice, 30 once; 40 before the first event and behind the last. */
	assert_int_equal(seen.n[ANA_SLICE_RUN], 6);
	assert_int_equal(seen.n[ANA_SLICE_IDLE] + seen.n[ANA_SLICE_WAKEUP] + seen.n[ANA_SLICE_MIGRATE], 0);
}

static void test_idle_times_and_wakeups_come_where_asked_for(void **state)
{
	struct seen seen = { 0 };

	ask(&(struct ana_request){
		.scope = ANA_ALL, .slice = see, .slice_arg = &seen, .slice_kinds = ANA_SLICE_IDLE | ANA_SLICE_WAKEUP });
	assert_int_equal(seen.n[ANA_SLICE_RUN], 0);
	assert_int_equal(seen.n[ANA_SLICE_WAKEUP], 2);
	assert_int_equal(seen.last[ANA_SLICE_WAKEUP].tid, 30);
	assert_int_equal(seen.last[ANA_SLICE_WAKEUP].cpu, 1);
	assert_int_equal(seen.last[ANA_SLICE_WAKEUP].other_tid, 0);
	/* cpu 0 from 500 to the end, cpu 1 from 100 to 250 and from 350 to 600; cpu 0 before its first event: nothing. */
	assert_int_equal(seen.idle_ns, 100 + 150 + 250);
}

static void test_a_part_begins_with_what_goes_on(void **state)
{
	struct seen seen = { 0 };

	ask(&(struct ana_request){ .scope = ANA_ALL,
				   .slice = see,
				   .slice_arg = &seen,
				   .slice_kinds = ANA_SLICE_IDLE | ANA_SLICE_RUN,
				   .window = { 320, 420 } });
	assert_int_equal(seen.n[ANA_SLICE_RUN], 1); /* 20, from 420 to 500 */
	assert_int_equal(seen.last[ANA_SLICE_RUN].start_ns, 420);
	assert_true(seen.last[ANA_SLICE_RUN].cut);
	assert_int_equal(seen.idle_ns, 20 + 100);
}

/* Counters: a machine of two cores with two threads each. */
static struct ana_pass *pass;

static void feed_switch(uint64_t at, unsigned cpu, int32_t prev, unsigned state, int32_t next)
{
	struct sr_event ev = { .time_ns = at,
			       .cpu = (uint16_t)cpu,
			       .kind = SR_EV_SWITCH,
			       .ctx = prev,
			       .u.sw = { prev, next, 120, 120, (uint8_t)state } };

	assert_int_equal(ana_pass_feed(pass, &ev, &err), 0);
}

static void feed_wake(unsigned kind, uint64_t at, unsigned cpu, int32_t ctx, int32_t tid, unsigned target)
{
	struct sr_event ev = { .time_ns = at,
			       .cpu = (uint16_t)cpu,
			       .kind = (uint8_t)kind,
			       .ctx = ctx,
			       .u.wake = { tid, 120, (uint16_t)target } };

	assert_int_equal(ana_pass_feed(pass, &ev, &err), 0);
}

static void feed_migrate(uint64_t at, unsigned cpu, int32_t ctx, unsigned flags, int32_t tid, unsigned from,
			 unsigned to)
{
	struct sr_event ev = { .time_ns = at,
			       .cpu = (uint16_t)cpu,
			       .kind = SR_EV_MIGRATE,
			       .ctx = ctx,
			       .flags = (uint8_t)flags,
			       .u.migrate = { tid, 120, (uint16_t)from, (uint16_t)to } };

	assert_int_equal(ana_pass_feed(pass, &ev, &err), 0);
}

static const struct ana_cpu_stats *stats(unsigned cpu)
{
	for (size_t i = 0; i < res.ncpu_stats; i++)
		if (res.cpu_stats[i].cpu == cpu)
			return &res.cpu_stats[i];
	fail_msg("cpu %u has no counters", cpu);
	return NULL;
}

static void test_counters_of_each_cpu_and_distance(void **state)
{
	struct sr_machine *m = sr_machine_load("package:1 l3:1 core:2 pu:2", &err);
	struct ana_pass_config cfg = { .scope = ANA_TREE, .whole_system = true, .machine = m };
	struct sr_task_starts none = { 0 };
	const unsigned smt = SR_LEVEL_SMT - 1, llc = SR_LEVEL_LLC - 1;

	if (!m)
		fail_msg("%s", err.text);
	cfg.starts = &none;
	pass = ana_pass_new(&cfg, &err);
	assert_non_null(pass);
	feed_switch(100, 0, 0, R, 10);
	feed_switch(100, 1, 20, S, 0);
	feed_wake(SR_EV_WAKING, 110, 0, 10, 20, 1);
	feed_wake(SR_EV_WAKEUP, 111, 0, 10, 20, 1); /* to the sibling, where it was */
	feed_switch(120, 1, 0, R, 20);
	feed_switch(130, 1, 20, S, 0);
	feed_wake(SR_EV_WAKING, 140, 0, 10, 20, 1);
	feed_migrate(140, 0, 10, 0, 20, 1, 2); /* part of the wake-up */
	feed_wake(SR_EV_WAKEUP, 141, 0, 10, 20, 2);
	feed_switch(150, 2, 0, R, 20);
	feed_switch(160, 2, 20, S, 0);
	feed_wake(SR_EV_WAKING, 170, 0, 10, 20, 2);
	feed_migrate(170, 0, 10, 0, 20, 2, 0);
	feed_wake(SR_EV_WAKEUP, 171, 0, 10, 20, 0);       /* here */
	feed_migrate(180, 1, 0, SR_EV_SOFTIRQ, 20, 0, 1); /* balancing, to the idle sibling */
	feed_switch(190, 1, 0, R, 20);
	feed_switch(200, 1, 20, P, 30);
	feed_migrate(210, 3, 50, 0, 20, 1, 3); /* its cpu is about to idle */
	feed_switch(220, 3, 50, S, 20);
	feed_switch(230, 3, 20, S, 0);
	assert_int_equal(ana_pass_finish(pass, &res, &err), 0);
	ana_pass_free(pass);
	assert_true(res.levels_known && res.placements_known);
	assert_int_equal(stats(0)->wakeups, 3);
	assert_int_equal(stats(0)->local, 1);
	assert_int_equal(stats(0)->level[smt].wakeups, 1);
	assert_int_equal(stats(0)->level[llc].wakeups, 1);
	assert_int_equal(stats(2)->level[llc].moves[ANA_MOVE_WAKE], 1);
	assert_int_equal(stats(0)->level[llc].moves[ANA_MOVE_WAKE], 1);
	assert_int_equal(stats(1)->level[smt].moves[ANA_MOVE_IDLE], 1);
	assert_int_equal(stats(3)->level[llc].moves[ANA_MOVE_NEWIDLE], 1);
	assert_int_equal(stats(1)->switches, 5);
	assert_int_equal(stats(1)->to_idle, 2);
	assert_int_equal(stats(1)->preempted, 1);
	assert_int_equal(stats(1)->slices, 3);
	assert_int_equal(stats(1)->run_ns, 10 + 10 + 30);
	assert_int_equal(stats(1)->delay_ns, 9 + 19);
	sr_machine_free(m);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_unfiltered_everything_is_there),
		T(test_a_task_is_chosen_by_a_name_that_it_once_had),
		T(test_a_task_is_chosen_by_its_tid),
		T(test_a_process_is_all_its_threads),
		T(test_a_task_filter_leaves_whole_cpus_as_they_are),
		T(test_cpus_show_what_happened_on_them),
		T(test_a_window_has_the_metrics_of_whole_cpus_too),
		T(test_runs_alone_come_unless_more_is_asked_for),
		T(test_idle_times_and_wakeups_come_where_asked_for),
		T(test_a_part_begins_with_what_goes_on),
		T(test_counters_of_each_cpu_and_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
