/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which recorded orders are dependencies, and which tasks wait for any: the rules of model.h at their bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/model_internal.h"

#define NONE UINT32_MAX

static struct sr_model *with_tasks(size_t n)
{
	struct sr_model *m = calloc(1, sizeof(*m));

	m->tasks = calloc(n, sizeof(*m->tasks));
	m->ntasks = m->tasks_cap = n;
	m->end_ns = 1000000;
	for (size_t i = 0; i < n; i++)
		m->tasks[i].parent = NONE;
	return m;
}

static struct sr_op *op(struct sr_model *m, uint32_t task, enum sr_op_kind kind, uint32_t arg, uint64_t value)
{
	struct sr_program *p = &m->tasks[task];

	p->ops = realloc(p->ops, (p->nops + 1) * sizeof(*p->ops));
	p->ops_cap = p->nops + 1;
	p->ops[p->nops] = (struct sr_op){ .kind = kind, .arg = arg, .value = value };
	return &p->ops[p->nops++];
}

static uint32_t wait_for(struct sr_model *m, uint32_t task, uint32_t waker)
{
	struct sr_program *p = &m->tasks[task];

	op(m, task, waker == NONE ? SR_OP_SLEEP : SR_OP_WAIT, (uint32_t)p->nwaits, 0);
	p->waits = realloc(p->waits, (p->nwaits + 1) * sizeof(*p->waits));
	p->waits_cap = p->nwaits + 1;
	p->waits[p->nwaits] =
		(struct sr_wait){ .needs = waker != NONE, .watch_task = NONE, .waker = waker, .wake_ns = m->end_ns++ };
	return (uint32_t)p->nwaits++;
}

/* waker wakes task, which had gone to sleep in the meantime. */
static void wakes(struct sr_model *m, uint32_t waker, uint32_t task)
{
	op(m, waker, SR_OP_WAKE, task, wait_for(m, task, waker))->flags = SR_ORDER_CONCURRENT;
}

/* Judges the model, whose programs end here. */
static void judge(struct sr_model *m)
{
	struct sr_error err;

	for (uint32_t i = 0; i < m->ntasks; i++)
		op(m, i, SR_OP_END, 0, 0);
	assert_int_equal(sr_model_find_causes(m, &err), 0);
}

/* Of task's wakes, those that answer. */
static unsigned answers(const struct sr_model *m, uint32_t task)
{
	unsigned n = 0;

	for (size_t k = 0; k < m->tasks[task].nops; k++)
		n += m->tasks[task].ops[k].kind == SR_OP_WAKE && m->tasks[task].ops[k].flags & SR_WAKE_ANSWERS;
	return n;
}

/* 1 goes to sleep n times, having put something where 0 finds it, who answers; every 5th time it must wake 0 for that. */
static void dialogue(struct sr_model *m, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (i % 5 == 4)
			wakes(m, 1, 0);
		wakes(m, 0, 1);
	}
}

static void an_answer_without_a_recorded_question_is_a_dependency(void **state)
{
	struct sr_model *m = with_tasks(2);

	dialogue(m, 20);
	judge(m);
	/* Before four of its waits 1 did tell 0. */
	assert_int_equal(answers(m, 0), 16);
	assert_int_equal(m->counts.order_answers, 16 + answers(m, 1));
	sr_model_free(m);
}

static void a_question_that_is_a_wake_needs_no_other_order(void **state)
{
	struct sr_model *m = with_tasks(2);

	for (int i = 0; i < 20; i++) {
		wakes(m, 1, 0);
		wakes(m, 0, 1);
	}
	judge(m);
	assert_int_equal(answers(m, 0), 0);
	sr_model_free(m);
}

static void wakes_between_processes_say_that_the_waker_sleeps(void **state)
{
	struct sr_model *m = with_tasks(3);

	for (int32_t i = 0; i < 3; i++)
		m->tasks[i].tgid = 100 + i / 2;
	wakes(m, 0, 1);
	wakes(m, 0, 2);
	wakes(m, 2, 1);
	judge(m);
	assert_false(m->tasks[1].waits[0].sync); /* a thread of its process */
	assert_true(m->tasks[2].waits[0].sync);
	assert_true(m->tasks[1].waits[1].sync);
	sr_model_free(m);
}

static void who_only_produces_answers_nothing(void **state)
{
	struct sr_model *m = with_tasks(2);

	for (int i = 0; i < 20; i++)
		wakes(m, 0, 1);
	judge(m);
	assert_int_equal(m->counts.order_answers, 0);
	sr_model_free(m);
}

static void wakes_back_are_a_dialogue_from_a_tenth_on(void **state)
{
	for (unsigned n = 10; n <= 11; n++) {
		struct sr_model *m = with_tasks(2);

		wakes(m, 1, 0);
		wait_for(m, 1, NONE); /* what 1 said before it is said */
		for (unsigned i = 0; i < n; i++)
			wakes(m, 0, 1);
		judge(m);
		assert_int_equal(answers(m, 0), n == 10 ? 10 : 0);
		sr_model_free(m);
	}
}

/* 0 ends 5 of 1's waits; so do 2, and 3 of one more where asked. */
static void who_ends_less_than_a_third_of_the_waits_answers_nothing(void **state)
{
	for (int more = 0; more < 2; more++) {
		struct sr_model *m = with_tasks(4);

		wakes(m, 1, 0);
		wait_for(m, 1, NONE);
		for (int i = 0; i < 5; i++) {
			wakes(m, 0, 1);
			wakes(m, 2, 1);
			wakes(m, 3, 1);
		}
		if (more)
			wakes(m, 3, 1);
		judge(m);
		assert_int_equal(answers(m, 0), more ? 0 : 5);
		sr_model_free(m);
	}
}

static void a_wake_that_came_first_has_no_order_to_keep(void **state)
{
	struct sr_model *m = with_tasks(2);

	dialogue(m, 20);
	for (size_t k = 0; k < m->tasks[0].nops; k++)
		m->tasks[0].ops[k].flags = SR_ORDER_NONE;
	judge(m);
	assert_int_equal(answers(m, 0), 0);
	sr_model_free(m);
}

static void a_task_waits_for_any_from_16_waits_on(void **state)
{
	for (int n = 15; n <= 16; n++) {
		struct sr_model *m = with_tasks(3);

		for (int i = 0; i < n; i++)
			wakes(m, 1 + i % 2, 0);
		wait_for(m, 0, NONE); /* the clock's do not count */
		judge(m);
		assert_int_equal(m->tasks[0].any, n == 16);
		assert_int_equal(m->counts.any, n == 16);
		assert_int_equal(m->counts.loops, 0);
		sr_model_free(m);
	}
}

static void nobody_waits_for_any_when_one_ends_nine_tenths(void **state)
{
	for (int others = 2; others <= 3; others++) {
		struct sr_model *m = with_tasks(5);

		for (int i = 0; i < 20; i++)
			wakes(m, i < others ? 2 + i : 1, 0);
		judge(m);
		assert_int_equal(m->tasks[0].any, others == 3);
		sr_model_free(m);
	}
}

/* 0 is woken n times by 1 and 2 in turn; it answers the first so many. */
static struct sr_model *server(unsigned n, unsigned answered, bool both)
{
	struct sr_model *m = with_tasks(3);

	for (unsigned i = 0; i < n; i++) {
		uint32_t client = 1 + i % 2;

		wakes(m, client, 0);
		if (i < answered * (both ? 1 : 2) && (both || client == 1))
			wakes(m, 0, client);
	}
	judge(m);
	return m;
}

static void a_loop_answers_half_of_its_waits_and_two_partners(void **state)
{
	static const struct {
		unsigned n, answered;
		bool both, loop;
	} row[] = {
		{ 16, 8, true, true },   { 16, 7, true, false },  { 17, 8, true, false },
		{ 15, 15, true, false }, { 16, 8, false, false },
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct sr_model *m = server(row[i].n, row[i].answered, row[i].both);

		assert_int_equal(m->tasks[0].loop, row[i].loop);
		assert_int_equal(m->counts.loops, row[i].loop);
		sr_model_free(m);
	}
}

/* The rules hold in each part of a joined and looped model, by its own numbers. */
static void joined_and_looped_models_keep_whom_they_answer(void **state)
{
	struct sr_model *m = with_tasks(2), *second = with_tasks(2);
	struct sr_error err;
	unsigned marked = 0;

	dialogue(m, 20);
	dialogue(second, 20);
	judge(m);
	judge(second);
	assert_int_equal(sr_model_join(m, second, 1000, 2, &err), 0);
	assert_int_equal(sr_model_loop(m, 2, &err), 0);
	assert_int_equal(m->ntasks, 8);
	for (uint32_t i = 0; i < m->ntasks; i++)
		for (size_t k = 0; k < m->tasks[i].nops; k++) {
			const struct sr_op *o = &m->tasks[i].ops[k];

			if (o->kind != SR_OP_WAKE || !(o->flags & SR_WAKE_ANSWERS))
				continue;
			assert_in_range(o->arg, 0, m->ntasks - 1);
			assert_in_range(o->value, 0, m->tasks[o->arg].nwaits - 1);
			assert_int_equal(m->tasks[o->arg].waits[o->value].waker, i);
			marked++;
		}
	assert_true(marked >= 4 * 16);
	assert_int_equal(marked, m->counts.order_answers);
	sr_model_free(m);
}

static void a_wait_that_the_check_made_timed_is_nobodys(void **state)
{
	struct sr_model *m = with_tasks(2);
	struct sr_error err;

	dialogue(m, 20);
	/* The first wake never comes. */
	m->tasks[0].ops[0].kind = SR_OP_NOP;
	for (uint32_t i = 0; i < 2; i++)
		op(m, i, SR_OP_END, 0, 0);
	assert_int_equal(sr_model_check(m, &err), 0);
	assert_int_equal(m->counts.check_timed, 1);
	assert_int_equal(m->tasks[1].waits[0].waker, NONE);
	assert_int_equal(sr_model_find_causes(m, &err), 0);
	assert_false(m->tasks[1].waits[0].answers);
	assert_int_equal(answers(m, 0), 15);
	sr_model_free(m);
}

/* One way only: its wakes become nobody's. */
static void a_wait_that_a_softirq_ended_one_way_is_nobodys(void **state)
{
	struct sr_model *m = with_tasks(2);
	struct sr_soft_wake soft[20];

	for (size_t i = 0; i < 20; i++) {
		wakes(m, 0, 1);
		soft[i] = (struct sr_soft_wake){
			.waker = 0, .target = 1, .wait = (uint32_t)i, .waker_op = i, .wait_op = i
		};
	}
	sr_model_judge_softirq(m, soft, 20);
	judge(m);
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(m->tasks[1].waits[i].waker, NONE);
		assert_int_equal(m->tasks[1].ops[i].kind, SR_OP_SLEEP);
	}
	assert_false(m->tasks[1].any);
	assert_int_equal(m->counts.order_answers, 0);
	sr_model_free(m);
}

static void a_wake_of_a_wait_that_does_not_exist_is_left_alone(void **state)
{
	struct sr_model *m = with_tasks(2);

	dialogue(m, 20);
	op(m, 0, SR_OP_WAKE, 1, 20)->flags = SR_ORDER_CONCURRENT;
	op(m, 0, SR_OP_WAKE, 1, UINT64_MAX)->flags = SR_ORDER_CONCURRENT;
	judge(m);
	assert_int_equal(answers(m, 0), 16);
	sr_model_free(m);
}

/* Its cost must not grow with the square of the wakes. */
static void many_wakes_are_judged_in_no_time(void **state)
{
	enum { N = 200000 };
	struct sr_model *m = with_tasks(3);

	for (uint32_t i = 1; i < 3; i++) {
		m->tasks[i].ops = calloc(N + 1, sizeof(struct sr_op));
		m->tasks[i].waits = calloc(N, sizeof(struct sr_wait));
		m->tasks[i].nwaits = N;
		m->tasks[i].nops = N + 1;
	}
	m->tasks[0].ops = calloc(2 * N + 1, sizeof(struct sr_op));
	m->tasks[0].nops = 2 * N + 1;
	for (uint32_t k = 0; k < 2 * N; k++) {
		uint32_t i = 1 + k % 2;

		m->tasks[0].ops[k] =
			(struct sr_op){ .kind = SR_OP_WAKE, .flags = SR_ORDER_QUEUED, .arg = i, .value = k / 2 };
		m->tasks[i].ops[k / 2] = (struct sr_op){ .kind = SR_OP_WAIT, .arg = k / 2 };
		m->tasks[i].waits[k / 2] = (struct sr_wait){ .needs = 1, .watch_task = NONE, .waker = 0 };
	}
	m->tasks[0].ops[2 * N].kind = m->tasks[1].ops[N].kind = m->tasks[2].ops[N].kind = SR_OP_END;
	assert_int_equal(sr_model_find_causes(m, &(struct sr_error){ 0 }), 0);
	assert_int_equal(m->counts.any, 0);
	sr_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_without_a_recorded_question_is_a_dependency),
		cmocka_unit_test(a_question_that_is_a_wake_needs_no_other_order),
		cmocka_unit_test(who_only_produces_answers_nothing),
		cmocka_unit_test(wakes_between_processes_say_that_the_waker_sleeps),
		cmocka_unit_test(wakes_back_are_a_dialogue_from_a_tenth_on),
		cmocka_unit_test(who_ends_less_than_a_third_of_the_waits_answers_nothing),
		cmocka_unit_test(a_wake_that_came_first_has_no_order_to_keep),
		cmocka_unit_test(a_task_waits_for_any_from_16_waits_on),
		cmocka_unit_test(nobody_waits_for_any_when_one_ends_nine_tenths),
		cmocka_unit_test(a_loop_answers_half_of_its_waits_and_two_partners),
		cmocka_unit_test(joined_and_looped_models_keep_whom_they_answer),
		cmocka_unit_test(a_wait_that_the_check_made_timed_is_nobodys),
		cmocka_unit_test(a_wait_that_a_softirq_ended_one_way_is_nobodys),
		cmocka_unit_test(a_wake_of_a_wait_that_does_not_exist_is_left_alone),
		cmocka_unit_test(many_wakes_are_judged_in_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
