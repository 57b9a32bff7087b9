/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which sessions and control groups a model's programs begin in, and where they change. */
#include "formats/attr.h"
#include "formats/model.h"
#include "tests/unit/trace_builder.h"

#define S SR_STATE_SLEEPING
#define R SR_STATE_PREEMPTED
#define MS 1000000u

static struct sr_attrs attrs;

/* From then on the task is in this session, and group. */
static void reads(uint64_t at, int32_t tid, uint32_t session, int nice, uint32_t group)
{
	struct sr_attr set = { .session = session, .session_nice = (int8_t)nice, .mask = SR_ATTR_NONE, .group = group };

	assert_int_equal(sr_attrs_add(&attrs, at, tid, sr_attrs_set(&attrs, &set)), 0);
}

static struct sr_model *built(struct trace *t, uint64_t from_ns)
{
	struct sr_model_options o = { .from_ns = from_ns };
	struct sr_model *m;

	assert_int_equal(sr_attrs_put(t->w, &attrs, &t->err), 0);
	m = trace_model(t, &o);
	sr_attrs_release(&attrs);
	return m;
}

static const struct sr_program *program(const struct sr_model *m, int32_t tid)
{
	for (size_t i = 0; i < m->ntasks; i++)
		if (m->tasks[i].tid == tid)
			return &m->tasks[i];
	fail_msg("no task %d", tid);
	return NULL;
}

/* 10 forks 20 and execs, and 20 forks 30. */
static void three_tasks(struct trace *t, const char *scope)
{
	struct sr_event exec = {
		.time_ns = 5 * MS, .kind = SR_EV_EXEC, .ctx = 10, .u.exec = { .tid = 10, .old_tid = 10 }
	};

	trace_begin(t, scope);
	trace_task(t, 10, "a", 'R', SR_TASK_ROOT);
	trace_switch(t, 1 * MS, 0, 0, R, 10);
	trace_fork(t, 2 * MS, 0, 10, 20);
	trace_switch(t, 3 * MS, 1, 0, R, 20);
	exec.cpu = 0;
	trace_put(t, exec);
	trace_fork(t, 6 * MS, 1, 20, 30);
	trace_switch(t, 7 * MS, 1, 20, S, 30);
	trace_switch(t, 8 * MS, 1, 30, SR_STATE_DEAD, 0);
	trace_switch(t, 9 * MS, 0, 10, SR_STATE_DEAD, 0);
}

static const struct sr_op *made_by(const struct sr_program *p)
{
	for (size_t i = 0; i < p->nops; i++)
		if (p->ops[i].kind == SR_OP_SESSION)
			return &p->ops[i];
	return NULL;
}

static void the_command_is_in_the_replays_own_session_and_its_forks_may_make_others(void **state)
{
	struct trace t;
	struct sr_model *m;

	three_tasks(&t, "tree");
	reads(0, 10, 97, 0, SR_ATTR_NONE);
	reads(2 * MS, 20, 100, 5, SR_ATTR_NONE);
	m = built(&t, 0);
	assert_int_equal(program(m, 10)->session, 0);
	assert_int_equal(program(m, 20)->session, 1);
	assert_int_equal(program(m, 30)->session, 1);
	assert_int_equal(m->session_nice[0], 5);
	assert_int_equal(m->counts.sessions, 2);
	assert_null(made_by(program(m, 10)));
	assert_null(made_by(program(m, 20)));
	sr_model_free(m);
}

static void of_a_whole_system_each_session_is_another(void **state)
{
	struct trace t;
	struct sr_model *m;

	three_tasks(&t, "system");
	reads(0, 10, 97, 0, SR_ATTR_NONE);
	m = built(&t, 0);
	assert_int_equal(program(m, 10)->session, 1);
	assert_int_equal(program(m, 30)->session, 1);
	assert_int_equal(m->counts.sessions, 1);
	sr_model_free(m);
}

static void a_session_made_before_an_exec_is_made_there(void **state)
{
	struct trace t;
	struct sr_model *m;
	const struct sr_op *op;

	three_tasks(&t, "tree");
	reads(0, 10, 97, 0, SR_ATTR_NONE);
	reads(5 * MS, 10, 100, 0, SR_ATTR_NONE);
	m = built(&t, 0);
	op = made_by(program(m, 10));
	assert_non_null(op);
	assert_int_equal(op->arg, 1);
	assert_int_equal(op[1].kind, SR_OP_EXEC);
	assert_int_equal(program(m, 20)->session, 0);
	sr_model_free(m);
}

static void a_parent_that_has_made_one_makes_it_before_the_fork_that_shows_it(void **state)
{
	struct trace t;
	struct sr_model *m;
	const struct sr_op *op;

	three_tasks(&t, "tree");
	reads(0, 10, 97, 0, SR_ATTR_NONE);
	reads(6 * MS, 20, 100, 0, SR_ATTR_NONE);
	m = built(&t, 0);
	assert_int_equal(program(m, 20)->session, 0);
	op = made_by(program(m, 20));
	assert_non_null(op);
	assert_int_equal(op[1].kind, SR_OP_FORK);
	assert_int_equal(program(m, 30)->session, op->arg);
	sr_model_free(m);
}

static void in_a_group_with_a_weight_a_session_is_nothing(void **state)
{
	struct sr_group g = { .path = (char *)"/g", .version = 2, .weight = 100 };
	struct trace t;
	struct sr_model *m;

	three_tasks(&t, "tree");
	reads(0, 10, 97, 0, SR_ATTR_NONE);
	reads(2 * MS, 20, 100, 0, sr_attrs_group(&attrs, &g));
	m = built(&t, 0);
	assert_int_equal(program(m, 20)->session, 0);
	assert_int_equal(m->counts.sessions, 1);
	sr_model_free(m);
}

static const struct sr_op *moved(const struct sr_program *p)
{
	for (size_t i = 0; i < p->nops; i++)
		if (p->ops[i].kind == SR_OP_GROUP)
			return &p->ops[i];
	return NULL;
}

static void tasks_are_forked_into_groups_move_at_execs_and_leave_their_children_there(void **state)
{
	struct sr_group g = { .path = (char *)"/g", .version = 2, .weight = 100 },
			h = { .path = (char *)"/h", .version = 2, .weight = 200 };
	bool used[3] = { false };
	struct trace t;
	struct sr_model *m;

	three_tasks(&t, "tree");
	reads(0, 10, 97, 0, SR_ATTR_NONE);
	reads(2 * MS, 20, 97, 0, sr_attrs_group(&attrs, &g));
	reads(5 * MS, 10, 97, 0, sr_attrs_group(&attrs, &h));
	m = built(&t, 0);
	assert_int_equal(program(m, 10)->group, SR_ATTR_NONE);
	assert_int_equal(program(m, 20)->group, 0);
	assert_int_equal(program(m, 30)->group, 0);
	assert_non_null(moved(program(m, 10)));
	assert_int_equal(moved(program(m, 10))->arg, 1);
	assert_int_equal(moved(program(m, 10))[1].kind, SR_OP_EXEC);
	assert_null(moved(program(m, 20)));
	sr_model_used_groups(m, used);
	assert_true(used[0] && used[1] && used[2]);
	sr_model_free(m);
}

static void a_window_that_begins_later_knows_what_was_before(void **state)
{
	struct trace t;
	struct sr_model *m;

	three_tasks(&t, "tree");
	reads(0, 10, 97, 0, SR_ATTR_NONE);
	reads(2 * MS, 20, 100, 0, SR_ATTR_NONE);
	m = built(&t, 4 * MS);
	assert_int_equal(program(m, 10)->session, 0);
	assert_int_equal(program(m, 20)->session, 1);
	assert_int_equal(program(m, 30)->session, 1);
	sr_model_free(m);
}

static struct sr_model *two_sessions(int nice)
{
	struct trace t;

	three_tasks(&t, "tree");
	reads(0, 10, 97, 0, SR_ATTR_NONE);
	reads(2 * MS, 20, 100, nice, SR_ATTR_NONE);
	reads(6 * MS, 20, 101, nice + 1, SR_ATTR_NONE);
	return built(&t, 0);
}

static void sessions_of_joined_recordings_and_of_turns_are_different_ones(void **state)
{
	struct sr_model *a = two_sessions(1), *b = two_sessions(3);
	struct sr_error err;

	assert_int_equal(sr_model_join(a, b, 0, a->nsources, &err), 0);
	assert_int_equal(a->nsessions, 4);
	assert_int_equal(a->counts.sessions, 5); /* and one that is the replay's own, of both */
	assert_int_equal(a->tasks[3].session, 0);
	assert_int_equal(a->tasks[4].session, a->tasks[1].session + 2);
	assert_int_equal(made_by(&a->tasks[4])->arg, made_by(&a->tasks[1])->arg + 2);
	for (int i = 0; i < 4; i++)
		assert_int_equal(a->session_nice[i], i + 1);
	assert_int_equal(sr_model_loop(a, 3, &err), 0);
	assert_int_equal(a->nsessions, 12);
	assert_int_equal(a->counts.sessions, 13);
	assert_int_equal(a->tasks[16].session, a->tasks[4].session + 8);
	sr_model_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_command_is_in_the_replays_own_session_and_its_forks_may_make_others),
		cmocka_unit_test(of_a_whole_system_each_session_is_another),
		cmocka_unit_test(a_session_made_before_an_exec_is_made_there),
		cmocka_unit_test(a_parent_that_has_made_one_makes_it_before_the_fork_that_shows_it),
		cmocka_unit_test(in_a_group_with_a_weight_a_session_is_nothing),
		cmocka_unit_test(tasks_are_forked_into_groups_move_at_execs_and_leave_their_children_there),
		cmocka_unit_test(a_window_that_begins_later_knows_what_was_before),
		cmocka_unit_test(sessions_of_joined_recordings_and_of_turns_are_different_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
