/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tasks that wait for any of several (replay/loop.c), on models written by hand. */
#include "tests/unit/trace_builder.h"

#include "tests/unit/engine_model.h"
#include "tests/unit/this_machine.h"

#define US 1000ull

/* The task's next wait, to be ended by waker (NONE: by the clock, after ns); its number. */
static uint32_t wait_for(struct sr_model *m, uint32_t task, uint32_t waker, uint64_t ns)
{
	return add_wait(m, task, waker == NONE ? SR_OP_SLEEP : SR_OP_WAIT, waker, ns);
}

/* waker wakes task's wait; answers: only once it has come there. */
static void wake(struct sr_model *m, uint32_t waker, uint32_t task, uint32_t wait, bool answers)
{
	add_op(m, waker, SR_OP_WAKE, task, wait)->flags = answers ? SR_ORDER_CONCURRENT | SR_WAKE_ANSWERS :
								    SR_ORDER_NONE;
}

/* Task 0 waits for any; so many partners of it are 1, 2, ... */
static void add_loop(struct sr_model *m, unsigned partners)
{
	for (unsigned i = 0; i <= partners; i++)
		add_task(m, NONE);
	m->tasks[0].any = true;
}

static void end_all(struct sr_model *m)
{
	for (uint32_t i = 0; i < m->ntasks; i++)
		add_op(m, i, SR_OP_END, 0, 0);
}

/* Runs the model, causal and self-recorded; the counts, the elapsed ns, and how often task `of` blocked. */
static struct rpl_counts go(const struct sr_model *m, struct rpl_config cfg, uint64_t *elapsed, uint32_t of,
			    size_t *out)
{
	const struct sr_event *ev;
	struct rpl_counts counts;
	struct rpl_run *run;
	struct sr_error err;
	uint64_t start, end;
	int32_t tid = 0;
	size_t n;

	if (!cfg.policy)
		cfg.policy = &rpl_policy_kernel;
	cfg.machine = machine;
	cfg.time_scale = 1;
	cfg.order = RPL_ORDER_CAUSAL;
	cfg.self_record = true;
	run = rpl_prepare(m, &cfg, &err);
	if (!run)
		fail_msg("%s", err.text);
	if (rpl_execute(run, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(rpl_collect(run, &ev, &n, &err), 0);
	counts = *rpl_get_counts(run);
	rpl_span(run, &start, &end);
	*elapsed = end - start;
	for (size_t i = 0; i < n; i++)
		if (ev[i].kind == SR_EV_BIND && ev[i].u.bind.source == of)
			tid = ev[i].u.bind.tid;
	for (size_t i = 0; out && i < n; i++)
		*out += ev[i].kind == SR_EV_SWITCH && ev[i].u.sw.prev == tid;
	rpl_free(run);
	assert_int_equal(counts.events_dropped, 0);
	return counts;
}

static unsigned late; /* answers that waited for their second: of a random recording on a loaded machine one may */

static struct rpl_counts run_whole(const struct sr_model *m, struct rpl_config cfg, uint64_t *elapsed)
{
	struct rpl_counts c = go(m, cfg, elapsed, 0, NULL);

	assert_int_equal(c.wakes, count_recorded(m, SR_OP_WAKE));
	assert_int_equal(c.waits_slept + c.waits_passed, count_recorded(m, SR_OP_WAIT));
	assert_int_equal(c.hidden_slept + c.hidden_passed, m->counts.hidden);
	assert_int_equal(c.sleeps, count_recorded(m, SR_OP_SLEEP));
	assert_int_equal(c.forced, 0);
	late += (unsigned)c.order_expired;
	assert_in_range(late, 0, 1);
	return c;
}

/*
 * Task 0 waits for 1 and 2 in turn, and wakes 3 and 4 after them. As recorded 1 comes first; here 1 is 150 ms
 * late, and what 2 brings reaches 4 nevertheless, which sleeps 150 ms then.
 */
static void one_late_of_two(struct sr_model *m)
{
	for (int i = 0; i < 5; i++)
		add_task(m, NONE);
	m->tasks[0].any = true;
	wait_for(m, 1, NONE, 150 * MS);
	for (uint32_t k = 0; k < 4; k++)
		for (uint32_t from = 1; from <= 2; from++) {
			wake(m, from, 0, wait_for(m, 0, from, 0), false);
			wake(m, 0, from + 2, wait_for(m, from + 2, 0, 0), false);
		}
	wake(m, 1, 0, wait_for(m, 0, 1, 0), false);
	wait_for(m, 4, NONE, 150 * MS);
	end_all(m);
}

static void a_late_waker_holds_up_only_what_is_its_own(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_counts c;
	uint64_t ns;

	one_late_of_two(&m);
	c = run_whole(&m, (struct rpl_config){ 0 }, &ns);
	assert_int_equal(c.out_of_turn, 4);
	assert_in_range(ns, 150 * MS, 290 * MS); /* one after the other: 300 */
	m.tasks[0].any = false;
	c = run_whole(&m, (struct rpl_config){ 0 }, &ns);
	assert_int_equal(c.out_of_turn, 0);
	assert_in_range(ns, 300 * MS, 2000 * MS);
	free_model(&m);
}

/* Task 0 answers 1 at once but 1 comes to its wait only after 50 ms; what 2 waits for comes meanwhile. */
/* Task 1 is 100 ms late for the first wait; of the 40 for task 2 behind it those are done of which the last is 15 further on. */
static void a_loop_looks_fifteen_waits_ahead(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_counts c;
	uint64_t ns;

	add_loop(&m, 2);
	wait_for(&m, 1, NONE, 100 * MS);
	wake(&m, 1, 0, wait_for(&m, 0, 1, 0), false);
	for (int i = 0; i < 40; i++)
		wake(&m, 2, 0, wait_for(&m, 0, 2, 0), false);
	wait_for(&m, 2, NONE, 150 * MS);
	end_all(&m);
	c = run_whole(&m, (struct rpl_config){ 0 }, &ns);
	assert_int_equal(c.out_of_turn, 15);
	free_model(&m);
}

static void an_answer_is_held_until_its_target_waits(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_counts c;
	uint64_t ns;

	add_loop(&m, 2);
	wake(&m, 1, 0, wait_for(&m, 0, 1, 0), false);
	wait_for(&m, 1, NONE, 50 * MS);
	wake(&m, 0, 1, wait_for(&m, 1, 0, 0), true);
	wake(&m, 0, 2, wait_for(&m, 2, 0, 0), false);
	wait_for(&m, 2, NONE, 40 * MS);
	wait_for(&m, 1, NONE, 40 * MS);
	end_all(&m);
	c = run_whole(&m, (struct rpl_config){ 0 }, &ns);
	assert_int_equal(c.order_waits, 1);
	assert_in_range(c.order_wait_ns, 40 * MS, 400 * MS);
	assert_in_range(ns, 90 * MS, 500 * MS);
	free_model(&m);
}

/* The second of each pair sleeps for 1.6 s before the wait that the first answers. What follows the answer: nothing, something
 * that is done in turn only (so that the answer cannot be put aside), a sleep (which the answer must not wait for). */
static void an_answer_is_held_for_a_second_at_most(void **state)
{
	static char *names[] = { "renamed" };
	struct sr_model m = { .names = names, .nnames = 1 };
	struct rpl_counts c;
	uint64_t ns;

	for (uint32_t i = 0; i < 6; i += 2) {
		add_task(&m, NONE)->any = true;
		add_task(&m, NONE);
		wake(&m, i + 1, i, wait_for(&m, i, i + 1, 0), false);
		wait_for(&m, i + 1, NONE, 1600 * MS);
		wake(&m, i, i + 1, wait_for(&m, i + 1, i, 0), true);
		if (i == 2)
			add_op(&m, i, SR_OP_NAME, 0, 0);
		else if (i == 4)
			wait_for(&m, i, NONE, 1580 * MS);
	}
	end_all(&m);
	c = go(&m, (struct rpl_config){ 0 }, &ns, 0, NULL);
	assert_int_equal(c.order_expired, 3);
	assert_int_equal(c.forced, 0);
	assert_int_equal(c.wakes, 6);
	assert_in_range(c.order_wait_ns, 3000 * MS, 3500 * MS);
	free_model(&m);
}

/* Task 0 sleeps at an earlier wait, which 1 ends after 60 ms: 2 need not spin for it. */
static void nobody_spins_for_a_loop_that_sleeps(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_counts c;
	uint64_t ns;

	add_loop(&m, 2);
	wait_for(&m, 1, NONE, 60 * MS);
	wake(&m, 1, 0, wait_for(&m, 0, 1, 0), false);
	wait_for(&m, 2, NONE, 10 * MS);
	wake(&m, 2, 0, wait_for(&m, 0, 2, 0), true);
	end_all(&m);
	c = go(&m, (struct rpl_config){ 0 }, &ns, 0, NULL);
	assert_int_equal(c.order_waits, 1);
	assert_int_equal(c.order_spins, 0);
	assert_int_equal(c.order_blocks, 1);
	free_model(&m);
}

static void a_stop_ends_a_loop_at_once(void **state)
{
	static volatile int stop = 1;
	struct sr_model m = { 0 };
	uint64_t ns;

	add_loop(&m, 1);
	wait_for(&m, 1, NONE, 3600000 * MS);
	wake(&m, 1, 0, wait_for(&m, 0, 1, 0), false);
	end_all(&m);
	go(&m, (struct rpl_config){ .stop = &stop }, &ns, 0, NULL);
	assert_in_range(ns, 0, 2000 * MS);
	free_model(&m);
}

/* What it cannot use before its sleep is over does not wake it. */
static void a_sleeping_loop_sleeps_through_what_it_cannot_use(void **state)
{
	struct sr_model m = { 0 };
	size_t blocked = 0;
	uint64_t ns;

	add_loop(&m, 1);
	m.tasks[1].source = 1;
	wait_for(&m, 0, NONE, 40 * MS);
	for (int i = 0; i < 5; i++) {
		wait_for(&m, 1, NONE, MS);
		wake(&m, 1, 0, wait_for(&m, 0, 1, 0), false);
	}
	end_all(&m);
	go(&m, (struct rpl_config){ 0 }, &ns, 0, &blocked);
	assert_int_equal(blocked, 1);
	free_model(&m);
}

/* ---- random recordings ---- */

static uint64_t seed_now;

static unsigned rnd(unsigned n)
{
	seed_now = seed_now * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed_now >> 33) % n;
}

enum { TASKS = 6, ACTIONS = 400 };

/*
 * A recording of n tasks, each on a CPU of its own, that block and wake each other at random; star: all but 0 wake and are
 * woken by 0 only, mostly, and so 0 waits for any. Somebody always runs.
 */
static struct sr_model *random_model(uint64_t seed, unsigned n, bool star)
{
	struct sr_model_options none = { 0 };
	unsigned running = n, k, i, j;
	bool blocked[TASKS] = { false };
	uint64_t at = MS;
	struct trace t;

	seed_now = seed;
	trace_begin(&t, "system");
	for (i = 0; i < n; i++)
		trace_task(&t, 10 + (int)i, "t", 'R', 0);
	for (i = 0; i < n; i++)
		trace_switch(&t, at++, i, 0, SR_STATE_PREEMPTED, 10 + (int)i);
	for (k = 0; k < ACTIONS; k++) {
		at += 200 + rnd(5000);
		do
			i = rnd(n);
		while (blocked[i]);
		j = star && rnd(8) ? (i ? 0 : 1 + rnd(n - 1)) : rnd(n);
		if (j != i && blocked[j]) {
			trace_waking(&t, at, i, 10 + (int)i, 10 + (int)j, 0);
			at += 200 + rnd(2000);
			trace_switch(&t, at, j, 0, SR_STATE_PREEMPTED, 10 + (int)j);
			blocked[j] = false;
			running++;
		} else if (running > 1) {
			trace_switch(&t, at, i, 10 + (int)i, SR_STATE_SLEEPING, 0);
			blocked[i] = true;
			running--;
			if (!rnd(10)) { /* a timer's */
				at += US * rnd(20);
				trace_waking(&t, at, i, 0, 10 + (int)i, SR_EV_HARDIRQ);
				at += 200;
				trace_switch(&t, at, i, 0, SR_STATE_PREEMPTED, 10 + (int)i);
				blocked[i] = false;
				running++;
			}
		}
	}
	for (i = 0; i < n; i++)
		if (!blocked[i])
			trace_switch(&t, ++at, i, 10 + (int)i, SR_STATE_SLEEPING, 0);
	return trace_model(&t, &none);
}

static void run_random(const struct rpl_policy *policy, unsigned seeds)
{
	uint64_t ns, answers = 0, any = 0, moved = 0;

	for (unsigned seed = 0; seed < seeds; seed++) {
		struct sr_model *m = random_model(seed, 2 + seed % (TASKS - 1), seed & 1);
		struct sr_error err;

		if (seed % 8 == 7)
			assert_int_equal(sr_model_loop(m, 3, &err), 0);
		answers += m->counts.order_answers;
		any += m->counts.any;
		moved += run_whole(m, (struct rpl_config){ .policy = policy }, &ns).out_of_turn;
		sr_model_free(m);
	}
	assert_true(answers > seeds);
	assert_true(any > seeds);
	assert_true(moved > 0);
}

static void random_recordings_run_whole_in_the_order_of_their_causes(void **state)
{
	run_random(&rpl_policy_kernel, 24);
}

static void random_recordings_run_whole_under_policies(void **state)
{
	memset(&seen, 0, sizeof(seen));
	run_random(&observer, 16);
	assert_int_equal(seen.wrong, 0);
	assert_int_equal(seen.left, 0);
	for (size_t i = 0; rpl_policies[i]; i++)
		run_random(rpl_policies[i], 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_late_waker_holds_up_only_what_is_its_own),
		cmocka_unit_test(a_loop_looks_fifteen_waits_ahead),
		cmocka_unit_test(an_answer_is_held_until_its_target_waits),
		cmocka_unit_test(an_answer_is_held_for_a_second_at_most),
		cmocka_unit_test(nobody_spins_for_a_loop_that_sleeps),
		cmocka_unit_test(a_stop_ends_a_loop_at_once),
		cmocka_unit_test(a_sleeping_loop_sleeps_through_what_it_cannot_use),
		cmocka_unit_test(random_recordings_run_whole_in_the_order_of_their_causes),
		cmocka_unit_test(random_recordings_run_whole_under_policies),
	};

	return cmocka_run_group_tests(tests, load_machine, free_machine);
}
