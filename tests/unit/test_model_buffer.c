/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bounded buffers: the rules of model.h at their bounds, and what they hold in a run that is not the recorded one. */
#include <math.h>

#include "tests/unit/order_model.h"

#define US 1000ull
#define UNITS 4000
#define STAGES 3 /* at most */

/* A pipe of processes, each on a CPU of its own: the first writes, the others read and write on. */
struct plan {
	unsigned stages, room; /* units that a pipe holds */
	uint64_t us[STAGES];   /* work on one unit */
	unsigned stalls;       /* one in so many units comes later by twice a bufferful: others had the CPU; 0: never */
	bool threads;          /* of one process */
};

static const struct plan usual = { .stages = 2, .room = 16, .us = { 40, 20 }, .stalls = 60 };

static uint64_t rng;

static uint64_t below(uint64_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (rng >> 33) % n;
}

static uint64_t work_of(const struct plan *p, unsigned stage)
{
	return p->us[stage] * US * (80 + below(41)) / 100;
}

static uint64_t stall_of(const struct plan *p, unsigned stage)
{
	return p->stalls && !below(p->stalls) ? 2 * p->room * p->us[stage] * US : 0;
}

/* When each stage had each unit, where it slept for it, and by which work it came to it. */
struct course {
	uint64_t had[STAGES][UNITS], sent[STAGES][UNITS], work[STAGES][UNITS];
	bool empty[STAGES][UNITS], full[STAGES][UNITS]; /* slept before it took it, before it could send it on */
};

static void run_course(const struct plan *p, struct course *c)
{
	uint64_t free_ns[STAGES] = { 0 };

	memset(c, 0, sizeof(*c));
	for (size_t u = 0; u < UNITS; u++)
		for (unsigned s = 0; s < p->stages; s++) {
			uint64_t at = free_ns[s], room_at;

			if (s > 0) {
				c->empty[s][u] = c->sent[s - 1][u] > at;
				at = c->empty[s][u] ? c->sent[s - 1][u] : at;
			}
			c->had[s][u] = at;
			c->work[s][u] = work_of(p, s);
			at += c->work[s][u] + stall_of(p, s);
			room_at = s + 1 < p->stages && u >= p->room ? c->had[s + 1][u - p->room] : 0;
			c->full[s][u] = room_at > at;
			at = c->full[s][u] ? room_at : at;
			c->sent[s][u] = free_ns[s] = at;
		}
}

static uint32_t sleeps(struct sr_model *m, uint32_t task, uint32_t waker, uint64_t ns)
{
	uint32_t wait = wait_for(m, task, waker);

	m->tasks[task].waits[wait].wake_ns = ns;
	return wait;
}

/* What the kernel would have recorded of it; wait[]: the numbers of the sleeps. */
static struct sr_model *model_of(const struct plan *p, const struct course *c)
{
	struct sr_model *m = with_tasks(p->stages);
	uint32_t(*empty)[UNITS] = calloc(STAGES, sizeof(*empty)), (*full)[UNITS] = calloc(STAGES, sizeof(*full));

	for (unsigned s = 0; s < p->stages; s++) {
		uint32_t n = 0;

		m->tasks[s].tgid = p->threads ? 100 : 100 + (int32_t)s;
		for (size_t u = 0; u < UNITS; u++) {
			n += c->empty[s][u];
			empty[s][u] = n - 1;
			n += c->full[s][u];
			full[s][u] = n - 1;
		}
	}
	for (uint32_t s = 0; s < p->stages; s++)
		for (size_t u = 0; u < UNITS; u++) {
			if (c->empty[s][u])
				assert_int_equal(sleeps(m, s, s - 1, c->sent[s - 1][u]), empty[s][u]);
			if (s > 0 && u + p->room < UNITS && c->full[s - 1][u + p->room])
				op(m, s, SR_OP_WAKE, s - 1, full[s - 1][u + p->room])->flags = SR_ORDER_CONCURRENT;
			op(m, s, SR_OP_RUN, 0, c->work[s][u]);
			if (c->full[s][u])
				assert_int_equal(sleeps(m, s, s + 1, c->had[s + 1][u - p->room]), full[s][u]);
			if (s + 1 < p->stages && c->empty[s + 1][u])
				op(m, s, SR_OP_WAKE, s + 1, empty[s + 1][u])->flags = SR_ORDER_CONCURRENT;
		}
	free(empty);
	free(full);
	return m;
}

static struct sr_model *judged(const struct plan *p)
{
	struct course *c = malloc(sizeof(*c));
	struct sr_model *m;

	rng = 7;
	run_course(p, c);
	m = model_of(p, c);
	free(c);
	judge(m);
	assert_int_equal(m->counts.check_timed, 0);
	assert_int_equal(m->counts.hidden_dropped, 0);
	return m;
}

static uint64_t buffers_of(struct plan p)
{
	struct sr_model *m = judged(&p);
	uint64_t n = m->counts.buffers;

	for (size_t i = 0; i < m->ntasks; i++)
		for (size_t k = 0; k < m->tasks[i].nwaits; k++)
			assert_true(n > 0 || !m->tasks[i].waits[k].buffer);
	sr_model_free(m);
	return n;
}

static void processes_that_sleep_when_it_is_full_or_empty_share_one(void **state)
{
	struct plan p = usual;

	assert_int_equal(buffers_of(p), 1);
	p.room = 1; /* they ask and answer, as far as anybody can see */
	assert_int_equal(buffers_of(p), 0);
	p.room = 3;
	assert_int_equal(buffers_of(p), 1);
	p.room = 16;
	p.stalls = 1500;
	assert_int_equal(buffers_of(p), 0); /* it turns too seldom: nobody knows its size */
}

static void threads_have_none(void **state)
{
	struct plan p = usual;

	p.threads = true;
	assert_int_equal(buffers_of(p), 0);
}

static void one_that_was_never_full_has_no_size(void **state)
{
	struct plan p = usual;

	p.stalls = 0;
	assert_int_equal(buffers_of(p), 0); /* the reader is the faster one */
	p.us[1] = 60;
	assert_int_equal(buffers_of(p), 0); /* never empty */
}

/* ---- another course than the recorded one ---- */

/* Runs the programs on one CPU, each as long as it can before the others, and notes how far they are from each other. */
struct lead {
	double most, least; /* units of the first beyond the second */
};

struct player {
	size_t pc;
	uint32_t *came; /* by wait */
	uint64_t done_ns;
};

static size_t units_of(const struct course *c, unsigned stage, uint64_t ns)
{
	size_t u = 0;

	while (u < UNITS && ns >= c->work[stage][u])
		ns -= c->work[stage][u++];
	return u;
}

/* One op; false: it sleeps there, or has ended. */
static bool step(const struct sr_model *m, struct player *pl, uint32_t i)
{
	const struct sr_op *op = &m->tasks[i].ops[pl[i].pc];

	if (op->kind == SR_OP_END || (op->kind == SR_OP_WAIT && !pl[i].came[op->arg]))
		return false;
	if (op->kind == SR_OP_RUN)
		pl[i].done_ns += op->value;
	else if (op->kind == SR_OP_WAKE)
		pl[op->arg].came[op->value]++;
	pl[i].pc++;
	return true;
}

static struct lead play(const struct sr_model *m, const struct course *c, uint32_t first)
{
	struct lead lead = { 0, 0 };
	struct player pl[2] = { { 0 } };
	bool went = true;

	for (int i = 0; i < 2; i++)
		pl[i].came = calloc(m->tasks[i].nwaits + 1, sizeof(uint32_t));
	while (went) {
		went = false;
		for (uint32_t k = 0; k < 2; k++)
			while (step(m, pl, k ? !first : first)) {
				double ahead = (double)units_of(c, 0, pl[0].done_ns) -
					       (double)units_of(c, 1, pl[1].done_ns);

				went = true;
				lead.most = fmax(lead.most, ahead);
				lead.least = fmin(lead.least, ahead);
			}
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(m->tasks[i].ops[pl[i].pc].kind, SR_OP_END);
		free(pl[i].came);
	}
	return lead;
}

static void nobody_gets_further_ahead_than_the_buffer_has_room(void **state)
{
	struct plan p = usual;
	struct course *c = malloc(sizeof(*c));
	struct sr_model *m, *without;
	struct lead writer, reader;

	rng = 7;
	run_course(&p, c);
	without = model_of(&p, c);
	for (uint32_t i = 0; i < 2; i++)
		op(without, i, SR_OP_END, 0, 0);
	m = judged(&p);
	assert_true(play(without, c, 0).most > 4 * p.room); /* there is something to hold */
	assert_true(play(without, c, 1).least < -1);
	writer = play(m, c, 0);
	reader = play(m, c, 1);
	assert_in_range((int)writer.most, p.room, 3 * p.room);
	assert_in_range((int)-reader.least, 0, 2); /* by the steps: it has read nothing that is not there */
	sr_model_free(without);
	sr_model_free(m);
	free(c);
}

/* How often the second one sleeps when it runs as soon as it may, and the first one meanwhile does no more than it must. */
static unsigned sleeps_when_prompt(const struct sr_model *m)
{
	struct player pl[2] = { { 0 } };
	unsigned slept = 0;

	for (int i = 0; i < 2; i++)
		pl[i].came = calloc(m->tasks[i].nwaits + 1, sizeof(uint32_t));
	for (;;) {
		while (step(m, pl, 1))
			;
		if (m->tasks[1].ops[pl[1].pc].kind == SR_OP_END)
			break;
		slept++;
		while (!pl[1].came[m->tasks[1].ops[pl[1].pc].arg])
			assert_true(step(m, pl, 0));
	}
	for (int i = 0; i < 2; i++)
		free(pl[i].came);
	return slept;
}

/*
 * A reader that is late found many units at once when it was recorded. One that never is sleeps for each, as the program would:
 * not only where the recorded one slept, which was late for more than a quarter of all.
 */
static void a_reader_that_is_not_late_sleeps_for_each_unit(void **state)
{
	struct course *c = malloc(sizeof(*c));
	struct plan p = usual;
	struct sr_model *m = judged(&p);
	unsigned recorded = 0, prompt = sleeps_when_prompt(m);

	rng = 7;
	run_course(&p, c);
	for (size_t u = 0; u < UNITS; u++)
		recorded += c->empty[1][u];
	assert_in_range(recorded, UNITS / 2, UNITS * 3 / 4);
	assert_in_range(prompt, UNITS * 9 / 10, UNITS * 11 / 10);
	free(c);
	sr_model_free(m);
}

/* The messages leave the recorded course as it was: nobody sleeps for one. */
static void the_recorded_course_needs_none_of_its_messages(void **state)
{
	struct course *c = malloc(sizeof(*c));
	struct plan p = usual;
	struct sr_model *m = judged(&p);
	size_t hidden = 0, hidden_ns = 0;

	for (size_t i = 0; i < m->ntasks; i++) {
		uint64_t ns = 0;

		for (size_t k = 0; k < m->tasks[i].nops; k++) {
			hidden += sr_op_hidden(&m->tasks[i].ops[k]);
			ns += m->tasks[i].ops[k].kind == SR_OP_RUN ? m->tasks[i].ops[k].value : 0;
		}
		hidden_ns += ns;
	}
	assert_int_equal(hidden, 2 * m->counts.hidden);
	assert_true(m->counts.hidden > 100);
	rng = 7;
	run_course(&p, c);
	for (size_t u = 0; u < UNITS; u++)
		hidden_ns -= c->work[0][u] + c->work[1][u];
	free(c);
	assert_int_equal(hidden_ns, 0); /* all work is still there */
	sr_model_free(m);
}

/*
 * Five times the reader sleeps and is there again at once. Then both are on one CPU: the writer goes on until the pipe is
 * full, and the reader is not there before. A quarter of these bufferfuls is more than what is taken for the size.
 */
static void on_one_cpu_the_writer_comes_as_far_as_it_did(void **state)
{
	struct sr_model *m = with_tasks(2);
	size_t hidden = 0, sleeps_seen = 0;
	bool held = false;

	rng = 7;
	for (int32_t i = 0; i < 2; i++)
		m->tasks[i].tgid = 100 + i;
	for (int turn = 0; turn < 60; turn++) {
		for (int i = 0; i < 6; i++) {
			op(m, 0, SR_OP_RUN, 0, 1400 * US);
			wakes(m, 0, 1); /* it was empty */
			op(m, 1, SR_OP_RUN, 0, 1400 * US);
		}
		op(m, 0, SR_OP_RUN, 0, (450 + below(100)) * US);
		wakes(m, 1, 0); /* it was full */
		op(m, 1, SR_OP_RUN, 0, (100 + below(200)) * US);
	}
	judge(m);
	assert_int_equal(m->counts.buffers, 1);
	for (size_t k = 0; k < m->tasks[0].nops; k++) {
		const struct sr_op *o = &m->tasks[0].ops[k];

		hidden += sr_op_hidden(o);
		if (sr_op_hidden(o))
			held |= o->kind == SR_OP_WAIT;
		else if (o->kind == SR_OP_WAKE)
			held = false;
		else if (o->kind == SR_OP_WAIT) {
			assert_false(held); /* since it woke the reader */
			sleeps_seen++;
		}
	}
	assert_int_equal(sleeps_seen, 60);
	assert_true(hidden >= 50); /* how far it must have come before the reader goes on */
	sr_model_free(m);
}

/* 0 has a pipe to each of two who wait for any, and waits for these once the pipes are none: then it has none to 3 either. */
static void who_comes_to_wait_for_any_has_none(void **state)
{
	struct sr_model *m = with_tasks(6);

	rng = 7;
	for (int32_t i = 0; i < 6; i++)
		m->tasks[i].tgid = 100 + i;
	for (int turn = 0; turn < 60; turn++)
		for (uint32_t k = 1; k < 4; k++) {
			for (int i = 0; i < 6; i++) {
				op(m, 0, SR_OP_RUN, 0, 10 * US);
				wakes(m, 0, k);
				op(m, k, SR_OP_RUN, 0, 20 * US);
			}
			op(m, 0, SR_OP_RUN, 0, (450 + below(100)) * US);
			wakes(m, k, 0);
			op(m, k, SR_OP_RUN, 0, 200 * US);
			for (uint32_t client = 4; client < 6 && k < 3; client++)
				for (int i = 0; i < 3; i++) {
					op(m, client, SR_OP_RUN, 0, 50 * US);
					wakes(m, client, k);
				}
		}
	judge(m);
	for (int i = 0; i < 3; i++)
		assert_true(m->tasks[i].any);
	assert_int_equal(m->counts.buffers, 0);
	for (size_t k = 0; k < m->tasks[0].nwaits; k++)
		assert_false(m->tasks[0].waits[k].buffer);
	sr_model_free(m);
}

static void a_stage_between_two_buffers_waits_for_the_one_of_its_turn(void **state)
{
	struct plan p = { .stages = 3, .room = 16, .us = { 40, 20, 40 }, .stalls = 60 };
	struct sr_model *m = judged(&p);

	assert_int_equal(m->counts.buffers, 2);
	assert_int_equal(m->counts.any, 0);
	assert_int_equal(m->counts.loops, 0);
	assert_int_equal(m->counts.order_answers, 0); /* who wakes it has not waited for it to sleep */
	sr_model_free(m);
}

/* Somebody with many clients, one of them at the other end of a pipe: it takes what comes. */
static void who_waits_for_any_has_none(void **state)
{
	struct course *c = malloc(sizeof(*c));
	struct plan p = usual;
	struct sr_model *m, *two;

	rng = 7;
	run_course(&p, c);
	two = model_of(&p, c);
	m = with_tasks(4);
	memcpy(m->tasks, two->tasks, 2 * sizeof(*m->tasks));
	m->tasks[0].parent = m->tasks[1].parent = NONE;
	free(two->tasks);
	two->tasks = NULL;
	two->ntasks = 0;
	sr_model_free(two);
	for (uint32_t i = 2; i < 4; i++)
		m->tasks[i].tgid = 100 + (int32_t)i;
	for (int i = 0; i < 1000; i++)
		for (uint32_t k = 2; k < 4; k++) {
			op(m, k, SR_OP_RUN, 0, 50 * US);
			wakes(m, k, 1);
		}
	judge(m);
	assert_int_equal(m->counts.buffers, 0);
	for (size_t k = 0; k < m->tasks[1].nwaits; k++)
		assert_false(m->tasks[1].waits[k].buffer);
	sr_model_free(m);
	free(c);
}

/* Processes that now and then wait for each other's locks. */
static void a_few_sleeps_of_many_are_no_buffer(void **state)
{
	struct course *c = malloc(sizeof(*c));
	struct plan p = usual;
	struct sr_model *m;

	rng = 7;
	run_course(&p, c);
	m = model_of(&p, c);
	m->tasks = realloc(m->tasks, 3 * sizeof(*m->tasks));
	m->tasks[2] = (struct sr_program){ .parent = NONE, .tgid = 102 };
	m->ntasks = m->tasks_cap = 3;
	for (uint32_t i = 0; i < 2; i++)
		for (size_t k = 0, n = m->tasks[i].nwaits * 12; k < n; k++) {
			op(m, 2, SR_OP_RUN, 0, 50 * US);
			wakes(m, 2, i);
		}
	judge(m);
	assert_int_equal(m->counts.buffers, 0);
	sr_model_free(m);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_that_sleep_when_it_is_full_or_empty_share_one),
		cmocka_unit_test(threads_have_none),
		cmocka_unit_test(one_that_was_never_full_has_no_size),
		cmocka_unit_test(nobody_gets_further_ahead_than_the_buffer_has_room),
		cmocka_unit_test(a_reader_that_is_not_late_sleeps_for_each_unit),
		cmocka_unit_test(the_recorded_course_needs_none_of_its_messages),
		cmocka_unit_test(on_one_cpu_the_writer_comes_as_far_as_it_did),
		cmocka_unit_test(who_comes_to_wait_for_any_has_none),
		cmocka_unit_test(a_stage_between_two_buffers_waits_for_the_one_of_its_turn),
		cmocka_unit_test(who_waits_for_any_has_none),
		cmocka_unit_test(a_few_sleeps_of_many_are_no_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
