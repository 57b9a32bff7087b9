/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several models as one load (model_join.c), tasks chosen by name (select.c), and what is built from damaged recordings. */
#include "tests/unit/trace_builder.h"

#include "formats/model_internal.h"
#include "formats/select.h"

#define S SR_STATE_SLEEPING
#define R SR_STATE_PREEMPTED
#define US 1000u
#define MS 1000000u

static struct sr_model *built(struct trace *t)
{
	struct sr_model_options none = { 0 };

	return trace_model(t, &none);
}

/* 10 runs 4 ms, wakes 20 meanwhile, and forks 30. */
static struct sr_model *some_model(void)
{
	struct trace t;

	trace_begin(&t, "system");
	trace_task(&t, 10, "a", 'R', 0);
	trace_task(&t, 20, "b", 'S', 0);
	trace_switch(&t, MS, 0, 0, R, 10);
	trace_waking(&t, 2 * MS, 0, 10, 20, 0);
	trace_switch(&t, 3 * MS, 1, 0, R, 20);
	trace_fork(&t, 4 * MS, 0, 10, 30);
	trace_switch(&t, 5 * MS, 0, 10, S, 30);
	trace_switch(&t, 6 * MS, 1, 20, S, 0);
	trace_exit(&t, 7 * MS, 0, 30);
	trace_switch(&t, 7 * MS, 0, 30, SR_STATE_DEAD, 0);
	return built(&t);
}

static const struct sr_op *find(const struct sr_program *p, enum sr_op_kind kind)
{
	for (size_t i = 0; i < p->nops; i++)
		if (p->ops[i].kind == kind)
			return &p->ops[i];
	fail_msg("no operation %d", kind);
	return NULL;
}

static void tasks_of_a_joined_model_come_behind_with_their_numbers(void **state)
{
	struct sr_model *a = some_model(), *b = some_model();
	uint32_t first = a->nsources;
	int32_t highest = 0;
	struct sr_error err;

	for (size_t i = 0; i < 3; i++)
		highest = a->tasks[i].tgid > highest ? a->tasks[i].tgid : highest;
	assert_int_equal(sr_model_join(a, b, 50 * MS, first, &err), 0);
	assert_int_equal(a->ntasks, 6);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(a->tasks[3 + i].source, a->tasks[i].source + first);
		assert_int_equal(a->tasks[3 + i].parent,
				 a->tasks[i].parent == UINT32_MAX ? UINT32_MAX : a->tasks[i].parent + 3);
		if (a->tasks[i].tgid > 0)
			assert_true(a->tasks[3 + i].tgid > highest);
	}
	assert_int_equal(find(&a->tasks[3], SR_OP_WAKE)->arg, find(&a->tasks[0], SR_OP_WAKE)->arg + 3);
	assert_int_equal(find(&a->tasks[3], SR_OP_FORK)->arg, find(&a->tasks[0], SR_OP_FORK)->arg + 3);
	sr_model_free(a);
}

static void who_runs_at_the_start_of_a_later_recording_sleeps_until_then(void **state)
{
	struct sr_model *a = some_model(), *b = some_model();
	const struct sr_op *op;
	struct sr_error err;

	assert_int_equal(sr_model_join(a, b, 50 * MS, a->nsources, &err), 0);
	op = &a->tasks[3].ops[0];
	assert_int_equal(op->kind, SR_OP_SLEEP);
	assert_int_equal(a->tasks[3].waits[op->arg].wake_ns, 50 * MS);
	sr_model_free(a);
}

static void a_joined_and_looped_model_runs_dry(void **state)
{
	struct sr_model *a = some_model(), *b = some_model();
	struct sr_error err;

	assert_int_equal(sr_model_join(a, b, MS, a->nsources, &err), 0);
	assert_int_equal(sr_model_loop(a, 3, &err), 0);
	assert_int_equal(a->ntasks, 18);
	a->counts.check_timed = 0;
	assert_int_equal(sr_model_check(a, &err), 0);
	assert_int_equal(a->counts.check_timed, 0);
	sr_model_free(a);
}

static void a_turn_of_a_loop_begins_when_all_of_the_one_before_have_ended(void **state)
{
	struct sr_model *m = some_model();
	struct sr_error err;
	size_t first = 3; /* of the second turn */

	assert_int_equal(sr_model_loop(m, 2, &err), 0);
	assert_int_equal(m->tasks[first].ops[0].kind, SR_OP_WAIT);
	assert_int_equal(m->tasks[first].waits[m->tasks[first].ops[0].arg].needs, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct sr_program *p = &m->tasks[i];

		assert_int_equal(p->ops[p->nops - 1].kind, SR_OP_END);
		assert_int_equal(p->ops[p->nops - 2].kind, SR_OP_WAKE);
		assert_int_equal(p->ops[p->nops - 2].arg, first);
	}
	assert_int_equal(m->tasks[first].source, m->tasks[0].source);
	sr_model_free(m);
}

/* When the first task of each copy begins, in the model of n copies within 100 ms. */
static void begins(uint64_t seed, uint64_t *at, size_t n)
{
	struct sr_model *m = some_model();
	uint64_t run_ns = m->run_ns, start = m->start_ns, length = m->end_ns - start;
	struct sr_error err;

	assert_int_equal(sr_model_copies(m, n, 100 * MS, seed, &err), 0);
	assert_int_equal(m->ntasks, 3 * n);
	assert_int_equal(m->run_ns, run_ns * n);
	assert_in_range(m->end_ns - start, length, length + 100 * MS);
	for (size_t k = 0; k < n; k++) {
		const struct sr_program *p = &m->tasks[3 * k];

		assert_int_equal(p->source, m->tasks[0].source);
		assert_int_equal(find(p, SR_OP_WAKE)->arg / 3, k);
		at[k] = k ? p->waits[p->ops[0].arg].wake_ns : 0;
		assert_in_range(at[k], 0, 100 * MS);
		for (size_t i = 0; i < k; i++)
			assert_int_not_equal(p->tgid, m->tasks[3 * i].tgid);
	}
	m->counts.check_timed = 0;
	assert_int_equal(sr_model_check(m, &err), 0);
	assert_int_equal(m->counts.check_timed, 0);
	sr_model_free(m);
}

static void copies_are_processes_of_their_own_and_begin_by_the_seed(void **state)
{
	uint64_t one[8], again[8], other[8];

	begins(1, one, 8);
	begins(1, again, 8);
	begins(2, other, 8);
	assert_memory_equal(one, again, sizeof(one));
	assert_memory_not_equal(one, other, sizeof(one));
	for (size_t i = 1; i < 8; i++)
		assert_int_not_equal(one[i], one[i - 1]);
}

static void copies_may_be_joined_and_looped(void **state)
{
	struct sr_model *a = some_model(), *b = some_model();
	struct sr_error err;

	assert_int_equal(sr_model_copies(a, 3, 0, 1, &err), 0);
	assert_int_equal(sr_model_copies(b, 4, MS, 1, &err), 0);
	assert_int_equal(sr_model_join(a, b, MS, a->nsources, &err), 0);
	assert_int_equal(sr_model_loop(a, 2, &err), 0);
	assert_int_equal(a->ntasks, 2 * 3 * 7);
	a->counts.check_timed = 0;
	assert_int_equal(sr_model_check(a, &err), 0);
	assert_int_equal(a->counts.check_timed, 0);
	sr_model_free(a);
}

static struct sr_model *model_with_a_mask(void)
{
	struct sr_task_start s = { .tid = 10, .tgid = 10, .comm = "a", .state = 'R' };
	struct sr_cpumask mask = { { 2 } };
	struct trace t;

	trace_begin(&t, "system");
	assert_int_equal(sr_task_starts_add(&t.starts, &s, &mask, &t.err), 0);
	trace_switch(&t, MS, 0, 0, R, 10);
	trace_switch(&t, 4 * MS, 0, 10, S, 0);
	return built(&t);
}

/* Masks of the start state only: neither model has a table of attributes. */
static void masks_of_the_start_stay_when_models_are_joined(void **state)
{
	struct sr_model *a = model_with_a_mask(), *b = model_with_a_mask();
	struct sr_error err;

	assert_int_equal(sr_model_join(a, b, 0, a->nsources, &err), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(sr_cpumask_count(a->tasks[i].allowed), 1);
		assert_true(sr_cpumask_isset(a->tasks[i].allowed, 1));
	}
	sr_model_free(a);
}

static struct sr_model *model_with_a_group(uint32_t weight)
{
	struct sr_group g = { .path = (char *)"/a", .version = 2, .weight = weight };
	struct sr_model *m = some_model();

	m->tasks[0].group = sr_attrs_group(&m->attrs, &g);
	assert_int_equal(m->tasks[0].group, 0);
	return m;
}

static void groups_of_one_path_and_other_weights_stay_two(void **state)
{
	struct sr_model *a = model_with_a_group(50);
	struct sr_error err;

	assert_int_equal(sr_model_join(a, model_with_a_group(200), 0, a->nsources, &err), 0);
	assert_int_equal(sr_model_join(a, model_with_a_group(50), 0, 2 * a->nsources, &err), 0);
	assert_int_equal(a->attrs.groups[a->tasks[0].group].weight, 50);
	assert_int_equal(a->attrs.groups[a->tasks[3].group].weight, 200);
	assert_int_equal(a->tasks[6].group, a->tasks[0].group);
	assert_int_equal(a->attrs.ngroups, 2);
	sr_model_free(a);
}

/* As far from the recording's start as a file can name. */
static void a_wait_at_the_end_of_time_is_made_timed_too(void **state)
{
	struct sr_op ops[] = { { .kind = SR_OP_WAIT }, { .kind = SR_OP_END } };
	struct sr_wait wait = { .needs = 1, .watch_task = UINT32_MAX, .waker = 0, .wake_ns = UINT64_MAX };
	struct sr_program task = { .parent = UINT32_MAX, .ops = ops, .nops = 2, .waits = &wait, .nwaits = 1 };
	struct sr_model m = { .tasks = &task, .ntasks = 1 };
	struct sr_error err;

	assert_int_equal(sr_model_check(&m, &err), 0);
	assert_int_equal(m.counts.check_timed, 1);
	assert_int_equal(ops[0].kind, SR_OP_SLEEP);
}

static void too_many_turns_are_refused(void **state)
{
	struct sr_model *m = some_model();
	struct sr_error err;

	assert_int_equal(sr_model_loop(m, SR_MODEL_PARTS + 1, &err), -1);
	assert_int_equal(err.status, SR_USAGE);
	sr_model_free(m);
}

static void the_last_glob_that_matches_decides(void **state)
{
	assert_true(sr_task_selected(NULL, "x"));
	assert_true(sr_task_selected("a*,b*", "bc"));
	assert_false(sr_task_selected("a*,b*", "c"));
	assert_false(sr_task_selected("mpv/*,!mpv/lua*", "mpv/lua stats"));
	assert_true(sr_task_selected("mpv/*,!mpv/lua*", "mpv/vo"));
	assert_true(sr_task_selected("!sh", "make"));
	assert_false(sr_task_selected("!sh", "sh"));
	assert_true(sr_task_selected("!s*,sh", "sh"));
	assert_false(sr_task_selected("", "sh"));
}

/* Task 10 works 1 ms in each 10 ms; its third switch to idle is not in the recording. */
static struct sr_model *lost_switch(void)
{
	struct trace t;

	trace_begin(&t, "system");
	trace_task(&t, 10, "a", 'R', 0);
	for (unsigned i = 0; i < 6; i++) {
		trace_switch(&t, (10 * i + 1) * (uint64_t)MS, 0, 0, R, 10);
		if (i != 2)
			trace_switch(&t, (10 * i + 2) * (uint64_t)MS, 0, 10, S, 0);
		trace_waking(&t, (10 * i + 11) * (uint64_t)MS - 10 * US, 0, 0, 10, SR_EV_HARDIRQ);
	}
	return built(&t);
}

static void a_lost_switch_to_idle_does_not_make_a_burst_long(void **state)
{
	struct sr_model *m = lost_switch();

	assert_in_range(m->run_ns, 6 * MS - 100 * US, 6 * MS + 100 * US);
	sr_model_free(m);
}

static void the_wake_of_a_task_whose_switch_is_lost_proves_its_sleep(void **state)
{
	struct sr_model *m = lost_switch();

	assert_int_equal(m->counts.sleeps_proved, 1);
	assert_int_equal(m->tasks[0].nwaits, 6);
	sr_model_free(m);
}

/* Tid 10 ends, and another task gets it. */
static void a_tid_used_again_is_another_task(void **state)
{
	struct sr_model *m;
	struct trace t;

	trace_begin(&t, "system");
	trace_task(&t, 5, "parent", 'R', 0);
	trace_switch(&t, MS, 1, 0, R, 5);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t at = (10 * i + 2) * (uint64_t)MS;

		trace_fork(&t, at, 1, 5, 10);
		trace_switch(&t, at + MS, 0, 0, R, 10);
		trace_exit(&t, at + (2 + i) * MS, 0, 10);
		trace_switch(&t, at + (2 + i) * MS, 0, 10, SR_STATE_DEAD, 0);
	}
	trace_switch(&t, 20 * MS, 1, 5, S, 0);
	m = built(&t);
	assert_int_equal(m->ntasks, 3);
	assert_int_equal(m->tasks[1].tid, 10);
	assert_int_equal(m->tasks[2].tid, 10);
	assert_int_not_equal(m->tasks[1].source, m->tasks[2].source);
	assert_int_equal(m->tasks[1].cpu_ns, 1 * MS);
	assert_int_equal(m->tasks[2].cpu_ns, 2 * MS);
	sr_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tasks_of_a_joined_model_come_behind_with_their_numbers),
		cmocka_unit_test(who_runs_at_the_start_of_a_later_recording_sleeps_until_then),
		cmocka_unit_test(a_joined_and_looped_model_runs_dry),
		cmocka_unit_test(copies_are_processes_of_their_own_and_begin_by_the_seed),
		cmocka_unit_test(copies_may_be_joined_and_looped),
		cmocka_unit_test(a_turn_of_a_loop_begins_when_all_of_the_one_before_have_ended),
		cmocka_unit_test(masks_of_the_start_stay_when_models_are_joined),
		cmocka_unit_test(groups_of_one_path_and_other_weights_stay_two),
		cmocka_unit_test(a_wait_at_the_end_of_time_is_made_timed_too),
		cmocka_unit_test(too_many_turns_are_refused),
		cmocka_unit_test(the_last_glob_that_matches_decides),
		cmocka_unit_test(a_lost_switch_to_idle_does_not_make_a_burst_long),
		cmocka_unit_test(the_wake_of_a_task_whose_switch_is_lost_proves_its_sleep),
		cmocka_unit_test(a_tid_used_again_is_another_task),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
