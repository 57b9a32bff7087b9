/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages that left no event, waits for locks, and vforks: the rules of model.h at their bounds. */
#include "tests/unit/trace_builder.h"

#include <sched.h>
#include <time.h>

#include "replay/program.h"
#include "tests/unit/order_model.h"

#define US 1000ull
#define THINK (50 * US)
#define TAIL (10 * US)
#define WORK (30 * US)
#define REST (5 * US)

enum { CLIENT, SERVER, OTHER, SECOND };

static void run(struct sr_model *m, uint32_t task, uint64_t ns)
{
	if (ns)
		op(m, task, SR_OP_RUN, 0, ns)->cpu = (uint16_t)(task + 1);
}

static void ask(struct sr_model *m, uint32_t client, uint32_t server, uint64_t tail)
{
	run(m, client, THINK);
	wakes(m, client, server);
	run(m, client, tail);
}

static void reply(struct sr_model *m, uint32_t server, uint32_t client, uint64_t work)
{
	run(m, server, work);
	wakes(m, server, client);
	run(m, server, REST);
}

static void talk(struct sr_model *m, uint32_t client, uint32_t server, unsigned n)
{
	while (n-- > 0) {
		ask(m, client, server, TAIL);
		reply(m, server, client, WORK);
	}
}

/* A question whose reply came before the client would have slept; the next one comes gap later. */
static void ask_only(struct sr_model *m, uint32_t client, uint32_t server, uint64_t gap)
{
	ask(m, client, server, gap - THINK);
	run(m, server, 200 * US);
}

/* The reply to a question that came before the server would have slept. */
static void reply_only(struct sr_model *m, uint32_t server, uint32_t client)
{
	run(m, client, THINK);
	wait_for(m, server, NONE);
	reply(m, server, client, 2 * WORK);
}

/* Others wake it so often that none of its partners is its server, and it waits for any. */
static void make_busy(struct sr_model *m, uint32_t task)
{
	for (int i = 0; i < 60; i++) {
		wakes(m, OTHER, task);
		wakes(m, SECOND, task);
	}
}

/* The task's only op that the recording does not have. */
static size_t hidden_op(const struct sr_model *m, uint32_t task)
{
	const struct sr_program *p = &m->tasks[task];
	size_t k, found = SIZE_MAX;

	for (k = 0; k < p->nops; k++)
		if (sr_op_hidden(&p->ops[k])) {
			assert_int_equal(found, SIZE_MAX);
			found = k;
		}
	assert_int_not_equal(found, SIZE_MAX);
	return found;
}

/* The CPU time around an op, to the next that is no work. */
static uint64_t ns_before(const struct sr_program *p, size_t at)
{
	uint64_t ns = 0;

	while (at-- > 0 && p->ops[at].kind == SR_OP_RUN)
		ns += p->ops[at].value;
	return ns;
}

static uint64_t ns_behind(const struct sr_program *p, size_t at)
{
	uint64_t ns = 0;

	while (p->ops[++at].kind == SR_OP_RUN)
		ns += p->ops[at].value;
	return ns;
}

static uint64_t ns_of(const struct sr_program *p)
{
	uint64_t ns = 0;

	for (size_t k = 0; k < p->nops; k++)
		ns += p->ops[k].kind == SR_OP_RUN ? p->ops[k].value : 0;
	return ns;
}

/* Judges and frees it: messages put in. */
static uint64_t hidden_of(struct sr_model *m)
{
	uint64_t n;

	judge(m);
	n = m->counts.hidden;
	assert_int_equal(m->counts.check_timed, 0);
	assert_int_equal(m->counts.hidden_dropped, 0);
	sr_model_free(m);
	return n;
}

static uint64_t locks_of(struct sr_model *m)
{
	uint64_t n;

	judge(m);
	n = m->counts.waits_lock;
	sr_model_free(m);
	return n;
}

/* ---- what is put in, and where ---- */

static void a_reply_is_put_in_between_two_questions_without_a_wait(void **state)
{
	struct sr_model *m = with_tasks(2);
	const struct sr_op *wait, *wake;

	talk(m, CLIENT, SERVER, 10);
	ask_only(m, CLIENT, SERVER, 150 * US);
	talk(m, CLIENT, SERVER, 3);
	judge(m);
	assert_int_equal(m->counts.hidden, 1);
	wait = &m->tasks[CLIENT].ops[hidden_op(m, CLIENT)];
	wake = &m->tasks[SERVER].ops[hidden_op(m, SERVER)];
	assert_int_equal(wait->kind, SR_OP_WAIT);
	assert_int_equal(wait->arg, 10);
	assert_int_equal(m->tasks[CLIENT].waits[10].waker, SERVER);
	assert_int_equal(m->tasks[CLIENT].waits[10].needs, 1);
	assert_int_equal(wake->kind, SR_OP_WAKE);
	assert_int_equal(wake->arg, CLIENT);
	assert_int_equal(wake->value, 10);
	sr_model_free(m);
}

static void a_question_is_put_in_before_a_wait_without_one(void **state)
{
	struct sr_model *m = with_tasks(2);
	const struct sr_op *wait, *wake;

	talk(m, CLIENT, SERVER, 10);
	reply_only(m, SERVER, CLIENT);
	judge(m);
	assert_int_equal(m->counts.hidden, 1);
	wake = &m->tasks[CLIENT].ops[hidden_op(m, CLIENT)];
	wait = &m->tasks[SERVER].ops[hidden_op(m, SERVER)];
	assert_int_equal(wake->kind, SR_OP_WAKE);
	assert_int_equal(wake->arg, SERVER);
	assert_int_equal(wait->kind, SR_OP_WAIT);
	assert_int_equal(wake->value, wait->arg);
	assert_int_equal(m->tasks[SERVER].waits[wait->arg].waker, CLIENT);
	sr_model_free(m);
}

/* Tails of 1 to 11 us and works of 20 to 120. The client's run behind the question, and the server's, are split there. */
static void a_reply_stands_at_the_medians_of_tail_and_work(void **state)
{
	struct sr_model *m = with_tasks(2);
	const struct sr_program *c = &m->tasks[CLIENT], *s = &m->tasks[SERVER];
	uint64_t client_ns, server_ns;
	size_t wait, wake;

	for (unsigned i = 0; i < 11; i++) {
		ask(m, CLIENT, SERVER, (1 + (i * 7) % 11) * US);
		reply(m, SERVER, CLIENT, (2 + (i * 4) % 11) * 10 * US);
	}
	ask_only(m, CLIENT, SERVER, 150 * US);
	talk(m, CLIENT, SERVER, 1);
	client_ns = ns_of(c);
	server_ns = ns_of(s);
	judge(m);
	wait = hidden_op(m, CLIENT);
	wake = hidden_op(m, SERVER);
	assert_int_equal(ns_before(c, wait), 7 * US);
	assert_int_equal(ns_behind(c, wait), 143 * US);
	assert_int_equal(c->ops[wait - 2].kind, SR_OP_WAKE);
	assert_int_equal(ns_before(s, wake), 70 * US);
	assert_int_equal(ns_behind(s, wake), 130 * US);
	assert_int_equal(s->ops[wake - 2].kind, SR_OP_WAIT);
	assert_int_equal(ns_of(c), client_ns);
	assert_int_equal(ns_of(s), server_ns);
	sr_model_free(m);
}

static void a_question_stands_at_the_medians_of_tail_and_work(void **state)
{
	struct sr_model *m = with_tasks(2);
	const struct sr_program *c = &m->tasks[CLIENT], *s = &m->tasks[SERVER];
	size_t wait, wake;

	talk(m, CLIENT, SERVER, 10);
	reply_only(m, SERVER, CLIENT);
	judge(m);
	wake = hidden_op(m, CLIENT);
	wait = hidden_op(m, SERVER);
	assert_int_equal(ns_before(c, wake), THINK - TAIL);
	assert_int_equal(ns_behind(c, wake), TAIL);
	assert_int_equal(ns_before(s, wait), WORK);
	assert_int_equal(ns_behind(s, wait), WORK);
	sr_model_free(m);
}

/* The place of a policy that follows the recording is told by it. */
static void a_wait_that_is_put_in_is_where_its_task_ran(void **state)
{
	struct sr_model *m = with_tasks(2);

	talk(m, CLIENT, SERVER, 10);
	ask_only(m, CLIENT, SERVER, 150 * US);
	talk(m, CLIENT, SERVER, 1);
	judge(m);
	assert_int_equal(m->tasks[CLIENT].ops[hidden_op(m, CLIENT)].cpu, CLIENT + 1);
	sr_model_free(m);
}

/* ---- what is not ---- */

static void a_second_question_within_twice_the_tail_is_none(void **state)
{
	for (uint64_t more = 0; more < 2; more++) {
		struct sr_model *m = with_tasks(2);

		for (int i = 0; i < 10; i++) {
			ask(m, CLIENT, SERVER, 40 * US);
			reply(m, SERVER, CLIENT, WORK);
		}
		ask_only(m, CLIENT, SERVER, 80 * US + more);
		talk(m, CLIENT, SERVER, 1);
		assert_int_equal(hidden_of(m), more);
	}
}

static void a_producer_gets_no_replies_from_its_consumer(void **state)
{
	struct sr_model *m = with_tasks(2);

	for (int i = 0; i < 50; i++) {
		run(m, CLIENT, THINK);
		wakes(m, CLIENT, SERVER);
		run(m, SERVER, WORK);
	}
	assert_int_equal(hidden_of(m), 0);
}

/* One question, many replies. */
static void replies_within_one_piece_need_no_questions(void **state)
{
	struct sr_model *m = with_tasks(2);

	talk(m, CLIENT, SERVER, 10);
	for (int i = 0; i < 5; i++)
		reply(m, SERVER, CLIENT, WORK);
	assert_int_equal(hidden_of(m), 0);
}

/* The server sleeps by the clock before it answers. Only who waits for any may come there before it was asked. */
static void a_recorded_question_is_put_in_again_only_where_its_server_waits_for_any(void **state)
{
	for (int any = 0; any < 2; any++) {
		struct sr_model *m = with_tasks(4);

		if (any)
			make_busy(m, SERVER);
		talk(m, CLIENT, SERVER, 10);
		ask(m, CLIENT, SERVER, TAIL);
		run(m, SERVER, WORK);
		wait_for(m, SERVER, NONE);
		reply(m, SERVER, CLIENT, WORK);
		assert_int_equal(hidden_of(m), any);
	}
}

/* Each is the other's server: what one side misses the other does too. */
static void one_message_is_put_in_once_whosoever_looks(void **state)
{
	struct sr_model *m = with_tasks(2);

	talk(m, CLIENT, SERVER, 20);
	for (int i = 0; i < 5; i++)
		ask_only(m, CLIENT, SERVER, 150 * US);
	talk(m, CLIENT, SERVER, 1);
	for (int i = 0; i < 5; i++)
		reply_only(m, SERVER, CLIENT);
	assert_int_equal(hidden_of(m), 10);
}

/* ---- bounds ---- */

static void eight_replies_make_a_dialogue_and_seven_do_not(void **state)
{
	for (unsigned n = 7; n <= 8; n++) {
		struct sr_model *m = with_tasks(2);

		ask_only(m, CLIENT, SERVER, 150 * US);
		talk(m, CLIENT, SERVER, n);
		assert_int_equal(hidden_of(m), n == 8);
	}
}

static void eight_questions_make_a_dialogue_and_seven_do_not(void **state)
{
	for (unsigned n = 7; n <= 8; n++) {
		struct sr_model *m = with_tasks(2);

		talk(m, CLIENT, SERVER, n);
		reply_only(m, SERVER, CLIENT);
		assert_int_equal(hidden_of(m), n == 8);
	}
}

static void a_server_ends_a_third_of_its_clients_waits(void **state)
{
	for (unsigned more = 0; more < 2; more++) {
		struct sr_model *m = with_tasks(4);

		make_busy(m, SERVER);
		for (unsigned i = 0; i < 16 + more; i++)
			wakes(m, OTHER, CLIENT);
		ask_only(m, CLIENT, SERVER, 150 * US);
		talk(m, CLIENT, SERVER, 8);
		assert_int_equal(hidden_of(m), !more);
	}
}

static void a_third_of_a_clients_waits_follow_a_question(void **state)
{
	for (unsigned more = 0; more < 2; more++) {
		struct sr_model *m = with_tasks(4);

		make_busy(m, SERVER);
		talk(m, CLIENT, SERVER, 8);
		for (unsigned i = 0; i < 16 + more; i++)
			reply_only(m, SERVER, CLIENT);
		assert_int_equal(hidden_of(m), more ? 0 : 16);
	}
}

/* The client is asked by 2 and asks the server. */
static void a_loops_server_ends_two_thirds_of_its_waits(void **state)
{
	for (unsigned more = 0; more < 2; more++) {
		struct sr_model *m = with_tasks(5);

		make_busy(m, SERVER);
		talk(m, 4, CLIENT, 8 + more);
		ask_only(m, CLIENT, SERVER, 150 * US);
		talk(m, CLIENT, SERVER, 16);
		judge(m);
		assert_true(m->tasks[CLIENT].loop);
		assert_int_equal(m->counts.hidden, !more);
		sr_model_free(m);
	}
}

/* ---- waits for locks ---- */

/* The client wakes the server, which runs for `run_ns` and waits for what the client releases after hold_ns. */
static void ask_locked(struct sr_model *m, uint64_t run_ns, uint64_t hold_ns)
{
	ask(m, CLIENT, SERVER, hold_ns);
	run(m, SERVER, run_ns);
	wakes(m, CLIENT, SERVER);
	run(m, CLIENT, TAIL);
}

static uint64_t one_lock(bool any, uint64_t run_ns, uint64_t hold_ns)
{
	struct sr_model *m = with_tasks(4);

	if (any)
		make_busy(m, SERVER);
	talk(m, CLIENT, SERVER, 10);
	ask_locked(m, run_ns, hold_ns);
	reply(m, SERVER, CLIENT, WORK);
	return locks_of(m);
}

static void a_wait_for_a_lock_is_one_of_the_same_process(void **state)
{
	for (int other = 0; other < 2; other++) {
		struct sr_model *m = with_tasks(4);

		m->tasks[CLIENT].tgid = 10;
		m->tasks[SERVER].tgid = 10 + other;
		talk(m, CLIENT, SERVER, 10);
		ask_locked(m, US, 5 * US);
		reply(m, SERVER, CLIENT, WORK);
		assert_int_equal(locks_of(m), !other);
	}
	assert_int_equal(one_lock(true, US, 5 * US), 1);
	assert_int_equal(one_lock(false, US, 5 * US), 1);
}

static void a_lock_is_held_for_100_us_at_most(void **state)
{
	assert_int_equal(one_lock(true, US, 100 * US), 1);
	assert_int_equal(one_lock(true, US, 100 * US + 1), 0);
}

static void a_task_comes_to_a_lock_within_20_us(void **state)
{
	assert_int_equal(one_lock(true, 20 * US, 5 * US), 1);
	assert_int_equal(one_lock(true, 20 * US + 1, 5 * US), 0);
}

/* The task's waits, from the one at op `from` on, ran on that CPU then. */
static void ran_on(struct sr_model *m, uint32_t task, size_t from, unsigned cpu)
{
	for (size_t k = from; k < m->tasks[task].nops; k++)
		if (m->tasks[task].ops[k].kind == SR_OP_WAIT)
			m->tasks[task].ops[k].cpu = (uint16_t)cpu;
}

/* Of 8 wakes that go on with a lock and so many that do not, those get a hidden one from a quarter on of those on one CPU.
 * From another CPU it comes too late for the lock. */
static void who_came_when_the_lock_was_free_may_come_earlier(void **state)
{
	for (unsigned more = 0; more < 3; more++) {
		unsigned elsewhere = more == 2 ? 50 : 0;
		struct sr_model *m = with_tasks(4);
		size_t hidden = 0, local;

		for (unsigned i = 0; i < 8; i++) {
			ask_locked(m, US, 5 * US);
			reply(m, SERVER, CLIENT, WORK);
		}
		talk(m, CLIENT, SERVER, 24 + more % 2);
		ran_on(m, SERVER, 0, CLIENT + 1);
		local = m->tasks[SERVER].nops;
		talk(m, CLIENT, SERVER, elsewhere);
		ran_on(m, SERVER, local, SERVER + 1);
		judge(m);
		assert_int_equal(m->counts.waits_lock, 8);
		for (size_t k = 0; k < m->tasks[SERVER].nops; k++)
			hidden += m->tasks[SERVER].ops[k].kind == SR_OP_WAIT &&
				  m->tasks[SERVER].ops[k].flags == (SR_WAIT_HIDDEN | SR_WAIT_LOCK);
		/* Behind the last comes no wait any more. */
		assert_int_equal(hidden, more == 1 ? 0 : 23 + elsewhere);
		assert_int_equal(m->counts.check_timed, 0);
		sr_model_free(m);
	}
}

/* A question that is put in goes on as the pair's others do. */
static void a_question_put_in_holds_its_lock_as_long(void **state)
{
	struct sr_model *m = with_tasks(4);
	const struct sr_program *s = &m->tasks[SERVER], *c = &m->tasks[CLIENT];
	size_t wait = SIZE_MAX, wake = 0, release = 0;

	for (unsigned i = 0; i < 9; i++) {
		ask_locked(m, US, 4 * US);
		reply(m, SERVER, CLIENT, WORK);
	}
	talk(m, CLIENT, SERVER, 4);
	reply_only(m, SERVER, CLIENT);
	ran_on(m, SERVER, 0, CLIENT + 1);
	judge(m);
	for (size_t k = 0; k < s->nops; k++)
		if (s->ops[k].kind == SR_OP_WAIT && s->ops[k].flags == SR_WAIT_HIDDEN) {
			assert_int_equal(wait, SIZE_MAX);
			wait = k;
		}
	assert_int_not_equal(wait, SIZE_MAX);
	assert_int_equal(s->ops[wait + 1].kind, SR_OP_WAIT);
	assert_int_equal(s->ops[wait + 1].flags, SR_WAIT_HIDDEN | SR_WAIT_LOCK);
	for (size_t k = 0; k < c->nops; k++)
		if (c->ops[k].kind == SR_OP_WAKE && c->ops[k].arg == SERVER) {
			wake = c->ops[k].value == s->ops[wait].arg ? k : wake;
			release = c->ops[k].value == s->ops[wait + 1].arg ? k : release;
		}
	assert_true(wake && release > wake);
	assert_int_equal(ns_behind(c, wake), 4 * US);
	assert_int_equal(m->counts.hidden_dropped + m->counts.check_timed, 0);
	sr_model_free(m);
}

/* Both sides do something else between. */
static void only_work_lies_between_a_wake_and_the_release(void **state)
{
	for (int who = 0; who < 2; who++) {
		struct sr_model *m = with_tasks(5);

		make_busy(m, SERVER);
		talk(m, CLIENT, SERVER, 10);
		ask(m, CLIENT, SERVER, US);
		wakes(m, who ? SERVER : CLIENT, 4);
		wakes(m, CLIENT, SERVER);
		run(m, CLIENT, TAIL);
		reply(m, SERVER, CLIENT, WORK);
		assert_int_equal(locks_of(m), 0);
	}
}

static void the_release_of_a_lock_is_no_second_question(void **state)
{
	struct sr_model *m = with_tasks(4);

	make_busy(m, SERVER);
	talk(m, CLIENT, SERVER, 10);
	ask_locked(m, US, 90 * US);
	reply(m, SERVER, CLIENT, WORK);
	assert_int_equal(hidden_of(m), 0);
}

/* The reply of 4 would be waited for between the wakes, or before them. */
static void who_holds_a_lock_waits_for_nobody(void **state)
{
	for (int held = 0; held < 2; held++) {
		struct sr_model *m = with_tasks(5);

		make_busy(m, SERVER);
		make_busy(m, 4);
		for (int i = 0; i < 10; i++) { /* in turn: it is no loop */
			talk(m, CLIENT, SERVER, 1);
			talk(m, CLIENT, 4, 1);
		}
		run(m, CLIENT, THINK);
		wakes(m, CLIENT, 4);
		run(m, CLIENT, held ? TAIL - US : TAIL + US);
		run(m, 4, 200 * US);
		wakes(m, CLIENT, SERVER);
		run(m, CLIENT, 20 * US);
		run(m, SERVER, US);
		wakes(m, CLIENT, SERVER);
		run(m, CLIENT, TAIL);
		reply(m, SERVER, CLIENT, WORK);
		talk(m, CLIENT, 4, 1);
		judge(m);
		assert_int_equal(m->counts.waits_lock, 1);
		assert_int_equal(m->counts.hidden, !held);
		sr_model_free(m);
	}
}

/* ---- the check ---- */

static void a_stuck_hidden_wait_is_dropped_and_not_timed(void **state)
{
	struct sr_model *m = with_tasks(2);
	struct sr_error err;

	wait_for(m, 0, 1);
	m->tasks[0].ops[0].flags = SR_WAIT_HIDDEN;
	wakes(m, 0, 1);
	op(m, 1, SR_OP_WAKE, 0, 0)->flags = SR_WAKE_HIDDEN;
	for (uint32_t i = 0; i < 2; i++)
		op(m, i, SR_OP_END, 0, 0);
	assert_int_equal(sr_model_check(m, &err), 0);
	assert_int_equal(m->counts.hidden_dropped, 1);
	assert_int_equal(m->counts.check_timed, 0);
	assert_int_equal(m->tasks[0].ops[0].kind, SR_OP_WAIT);
	assert_int_equal(m->tasks[0].waits[0].needs, 0);
	assert_int_equal(m->tasks[0].waits[0].waker, NONE);
	assert_int_equal(m->tasks[1].waits[0].waker, 0);
	assert_int_equal(sr_model_check(m, &err), 0);
	assert_int_equal(m->counts.hidden_dropped, 1);
	sr_model_free(m);
}

static void a_hidden_wait_for_a_task_that_never_begins_is_dropped(void **state)
{
	struct sr_model *m = with_tasks(2);
	struct sr_error err;

	m->tasks[1].parent = 0;
	wait_for(m, 0, 1);
	m->tasks[0].ops[0].flags = SR_WAIT_HIDDEN;
	op(m, 1, SR_OP_WAKE, 0, 0)->flags = SR_WAKE_HIDDEN;
	for (uint32_t i = 0; i < 2; i++)
		op(m, i, SR_OP_END, 0, 0);
	assert_int_equal(sr_model_check(m, &err), 0);
	assert_int_equal(m->counts.hidden_dropped, 1);
	assert_int_equal(m->counts.check_timed, 0);
	sr_model_free(m);
}

/* ---- properties ---- */

static uint64_t seed_now;

static unsigned rnd(unsigned n)
{
	seed_now = seed_now * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed_now >> 33) % n;
}

/* As the builder has it where a sleeper had blocked before its waker was last woken. */
static void fold(struct sr_model *m, uint32_t waker, uint32_t task)
{
	struct sr_program *w = &m->tasks[waker], *t = &m->tasks[task];
	struct sr_wait *own = &w->waits[w->nwaits - 1], *their = &t->waits[t->nwaits - 1];

	their->watch_task = waker;
	their->watch_wait = (uint32_t)w->nwaits - 1;
	own->needs++;
	own->folded++;
}

static struct sr_model *random_model(unsigned seed)
{
	uint32_t n = 2 + seed % 4;
	struct sr_model *m = with_tasks(n);
	uint64_t did[8] = { 0 }, woken[8] = { 0 };

	seed_now = seed;
	for (uint64_t now = 1; now < 600; now++) {
		uint32_t from = rnd(n), to = rnd(3) ? 0 : rnd(n);

		if (rnd(2)) {
			uint32_t swap = from;

			from = to;
			to = swap;
		}
		run(m, from, rnd(60) * US);
		if (from == to || !rnd(12)) {
			wait_for(m, from, NONE);
		} else {
			bool folded = m->tasks[from].nwaits && woken[from] > did[to];

			wakes(m, from, to);
			if (folded)
				fold(m, from, to);
			woken[to] = did[to] = now;
		}
		did[from] = now;
		run(m, from, rnd(20) * US);
	}
	return m;
}

static struct sr_program copy_of(const struct sr_program *p)
{
	struct sr_program c = *p;

	c.ops = calloc(p->nops, sizeof(*c.ops));
	c.waits = calloc(p->nwaits + 1, sizeof(*c.waits));
	memcpy(c.ops, p->ops, p->nops * sizeof(*c.ops));
	if (p->nwaits)
		memcpy(c.waits, p->waits, p->nwaits * sizeof(*c.waits));
	return c;
}

/* The number that a wait had before others were put in. */
static uint32_t *old_numbers(const struct sr_program *p)
{
	uint32_t *number = calloc(p->nwaits + 1, sizeof(*number)), n = 0, at = 0;

	for (size_t k = 0; k < p->nops; k++)
		if (sr_op_rests(&p->ops[k])) {
			assert_int_equal(p->ops[k].arg, n);
			number[n++] = sr_op_hidden(&p->ops[k]) ? NONE : at++;
		}
	assert_int_equal(n, p->nwaits);
	return number;
}

static const struct sr_op *next_visible(const struct sr_op *o)
{
	while (o->kind == SR_OP_RUN || o->kind == SR_OP_NOP || sr_op_hidden(o))
		o++;
	return o;
}

static void check_hidden(const struct sr_model *m, uint32_t task, uint64_t *messages, uint64_t *dropped)
{
	const struct sr_program *p = &m->tasks[task];

	for (size_t k = 0; k < p->nops; k++) {
		const struct sr_op *o = &p->ops[k];
		uint32_t waker;

		if (o->kind != SR_OP_WAKE)
			continue;
		assert_in_range(o->value, 0, m->tasks[o->arg].nwaits - 1);
		waker = m->tasks[o->arg].waits[o->value].waker;
		if (o->flags & SR_WAKE_HIDDEN) {
			*messages += 1;
			*dropped += waker == NONE;
		}
		if (!(o->flags & SR_WAKE_HIDDEN && waker == NONE))
			assert_int_equal(waker, task);
	}
}

static void check_visible(const struct sr_program *now, const struct sr_program *old, uint32_t *const *numbers,
			  const uint32_t *own)
{
	const struct sr_op *a = now->ops, *b = old->ops;

	assert_int_equal(ns_of(now), ns_of(old));
	for (;; a++, b++) {
		a = next_visible(a);
		b = next_visible(b);
		assert_int_equal(a->kind, b->kind);
		if (a->kind == SR_OP_END)
			break;
		if (a->kind == SR_OP_WAKE) {
			assert_int_equal(a->arg, b->arg);
			assert_int_equal(numbers[a->arg][a->value], b->value);
		} else {
			const struct sr_wait *x = &now->waits[a->arg], *y = &old->waits[b->arg];

			assert_int_equal(own[a->arg], b->arg);
			assert_int_equal(x->waker, y->waker);
			assert_int_equal(x->needs, y->needs);
			assert_int_equal(x->wake_ns, y->wake_ns);
			assert_int_equal(x->watch_task, y->watch_task);
			if (x->watch_task != NONE)
				assert_int_equal(numbers[x->watch_task][x->watch_wait], y->watch_wait);
		}
	}
	assert_ptr_equal(a + 1, now->ops + now->nops);
}

static void what_was_recorded_stays_as_it_was_whatever_is_put_in(void **state)
{
	uint64_t hidden = 0, folded = 0, locks = 0;
	struct sr_error err;

	for (unsigned seed = 0; seed < 300; seed++) {
		struct sr_model *m = random_model(seed);
		struct sr_program old[8];
		uint32_t *numbers[8];
		uint64_t messages = 0, dropped = 0;

		for (uint32_t i = 0; i < m->ntasks; i++) {
			op(m, i, SR_OP_END, 0, 0);
			old[i] = copy_of(&m->tasks[i]);
			for (size_t w = 0; w < old[i].nwaits; w++)
				folded += old[i].waits[w].watch_task != NONE;
		}
		assert_int_equal(sr_model_check(m, &err), 0);
		assert_int_equal(m->counts.check_timed, 0);
		assert_int_equal(sr_model_find_causes(m, &err), 0);
		assert_int_equal(m->counts.check_timed, 0);
		for (uint32_t i = 0; i < m->ntasks; i++)
			numbers[i] = old_numbers(&m->tasks[i]);
		for (uint32_t i = 0; i < m->ntasks; i++) {
			check_hidden(m, i, &messages, &dropped);
			check_visible(&m->tasks[i], &old[i], numbers, numbers[i]);
		}
		assert_int_equal(messages, m->counts.hidden);
		assert_int_equal(dropped, m->counts.hidden_dropped);
		assert_int_equal(sr_model_check(m, &err), 0);
		assert_int_equal(m->counts.check_timed, 0);
		assert_int_equal(m->counts.hidden_dropped, dropped);
		hidden += messages;
		locks += m->counts.waits_lock;
		for (uint32_t i = 0; i < m->ntasks; i++) {
			free(numbers[i]);
			free(old[i].ops);
			free(old[i].waits);
		}
		sr_model_free(m);
	}
	assert_in_range(hidden, 1000, 1000000);
	assert_in_range(folded, 1000, 1000000);
	assert_in_range(locks, 100, 1000000);
}

/* ---- cost ---- */

static void judge_in_no_time(struct sr_model *m)
{
	clock_t from = clock();

	judge(m);
	assert_in_range((clock() - from) / CLOCKS_PER_SEC, 0, 4);
	sr_model_free(m);
}

/* Each of these took minutes where a message was looked for by walking through a program. */
static void many_replies_in_one_piece_are_judged_in_no_time(void **state)
{
	struct sr_model *m = with_tasks(2);

	talk(m, CLIENT, SERVER, 100000);
	for (int i = 0; i < 190000; i++)
		wakes(m, SERVER, CLIENT);
	judge_in_no_time(m);
}

static void many_clients_of_one_server_are_judged_in_no_time(void **state)
{
	enum { CLIENTS = 15000 };
	struct sr_model *m = with_tasks(CLIENTS + 1);

	for (uint32_t i = 1; i <= CLIENTS; i++)
		talk(m, i, 0, 8);
	judge_in_no_time(m);
}

static void many_waits_for_locks_in_one_piece_are_judged_in_no_time(void **state)
{
	struct sr_model *m = with_tasks(4);

	make_busy(m, SERVER);
	talk(m, CLIENT, SERVER, 100);
	for (int i = 0; i < 200000; i++) {
		wakes(m, CLIENT, SERVER);
		run(m, CLIENT, 3 * TAIL);
	}
	/* Nine tenths of its waits may not be one task's. */
	for (int i = 0; i < 30000; i++)
		wakes(m, OTHER, SERVER);
	judge_in_no_time(m);
}

/* ---- vfork ---- */

static unsigned wakes_in_exec(const struct sr_model *m)
{
	unsigned n = 0;

	for (size_t i = 0; i < m->ntasks; i++)
		for (size_t k = 0; k < m->tasks[i].nops; k++) {
			const struct sr_op *op = &m->tasks[i].ops[k];

			n += op->kind == SR_OP_WAKE && op->flags & SR_WAKE_VFORK;
		}
	return n;
}

/* 10 makes 20, and sleeps. */
static void make_child(struct trace *t, uint64_t clone_flags)
{
	trace_put(t, (struct sr_event){ .time_ns = 1090 * US,
					.kind = SR_EV_NEWTASK,
					.ctx = 10,
					.u.newtask = { .tid = 20, .clone_flags = clone_flags } });
	trace_fork(t, 1100 * US, 0, 10, 20);
	trace_switch(t, 1150 * US, 0, 10, SR_STATE_SLEEPING, 20);
}

/* 10 makes 20, and sleeps until 20 wakes it. Answers among 20's wakes. */
static unsigned answers_of_a_child(uint64_t clone_flags, int32_t waker)
{
	struct sr_model_options none = { 0 };
	struct sr_model *m;
	struct trace t;
	unsigned n;

	trace_begin(&t, "system");
	trace_task(&t, 10, "parent", 'R', 0);
	trace_task(&t, 30, "other", 'R', 0);
	trace_switch(&t, 1000 * US, 0, 0, SR_STATE_PREEMPTED, 10);
	trace_switch(&t, 1001 * US, 1, 0, SR_STATE_PREEMPTED, 30);
	make_child(&t, clone_flags);
	trace_waking(&t, 1300 * US, waker == 20 ? 0 : 1, waker, 10, 0);
	trace_exit(&t, 1400 * US, 0, 20);
	trace_switch(&t, 1410 * US, 0, 20, SR_STATE_DEAD, 10);
	trace_exit(&t, 1600 * US, 0, 10);
	trace_switch(&t, 1610 * US, 0, 10, SR_STATE_DEAD, 0);
	m = trace_model(&t, &none);
	assert_int_equal(m->ntasks, 3);
	n = answers(m, 0) + answers(m, 1) + answers(m, 2);
	assert_int_equal(wakes_in_exec(m), n);
	assert_int_equal(m->counts.order_answers, n);
	sr_model_free(m);
	return n;
}

static void the_child_of_a_vfork_answers_its_parent(void **state)
{
	assert_int_equal(answers_of_a_child(CLONE_VFORK | CLONE_VM, 20), 1);
}

static void no_other_child_and_nobody_else_does(void **state)
{
	assert_int_equal(answers_of_a_child(CLONE_VM, 20), 0);
	assert_int_equal(answers_of_a_child(0, 20), 0);
	assert_int_equal(answers_of_a_child(CLONE_VFORK | CLONE_VM, 30), 0);
}

/* 10 makes 20 by vfork, which wakes it 100 us before its exec is over, on the same CPU, and goes on for so long. */
static struct sr_model *with_exec(uint64_t goes_on_ns)
{
	struct sr_model_options none = { 0 };
	struct trace t;

	trace_begin(&t, "system");
	trace_task(&t, 10, "parent", 'R', 0);
	trace_switch(&t, 1000 * US, 0, 0, SR_STATE_PREEMPTED, 10);
	make_child(&t, CLONE_VFORK | CLONE_VM);
	trace_waking(&t, 1300 * US, 0, 20, 10, 0);
	trace_put(&t, (struct sr_event){ .time_ns = 1400 * US,
					 .kind = SR_EV_EXEC,
					 .ctx = 20,
					 .u.exec = { .tid = 20, .old_tid = 20 } });
	trace_switch(&t, 1300 * US + goes_on_ns, 0, 20, SR_STATE_PREEMPTED, 10);
	trace_exit(&t, 9000 * US, 0, 10);
	trace_switch(&t, 9010 * US, 0, 10, SR_STATE_DEAD, 20);
	trace_exit(&t, 9100 * US, 0, 20);
	trace_switch(&t, 9110 * US, 0, 20, SR_STATE_DEAD, 0);
	return trace_model(&t, &none);
}

static void an_exec_looks_for_its_cpu_before_it_wakes_its_parent(void **state)
{
	static const uint64_t goes_on[] = { 150 * US, 299 * US, 300 * US, 4000 * US };

	for (size_t i = 0; i < 4; i++) {
		struct sr_model *m = with_exec(goes_on[i]);
		const struct sr_program *child = &m->tasks[m->tasks[0].tid == 20 ? 0 : 1];
		uint64_t before = 0, between = 0;
		bool execs = false, gives = false;

		assert_int_equal(child->tid, 20);
		for (size_t k = 0; k < child->nops; k++) {
			const struct sr_op *o = &child->ops[k];

			if (o->kind == SR_OP_EXEC)
				execs = true;
			else if (o->kind == SR_OP_RUN)
				*(execs ? &between : &before) += o->value;
			if (o->kind != SR_OP_WAKE)
				continue;
			assert_true(execs);
			assert_int_equal(between, 0);
			assert_true(rpl_wakes_within_call(o)); /* though it keeps its name */
			gives = o->flags & SR_WAKE_GIVES;
		}
		assert_true(execs);
		assert_int_equal(gives, i < 2); /* the parent ran at once, or the child went on */
		assert_int_equal(before, 150 * US);
		assert_int_equal(before + between, ns_of(child)); /* all its work is still there */
		sr_model_free(m);
	}
}

/* A message may be put in before the parent of a vfork slept. */
static void a_hidden_op_behind_a_vfork_changes_nothing(void **state)
{
	struct sr_model *m = with_tasks(3);

	m->tasks[2].parent = CLIENT;
	talk(m, CLIENT, SERVER, 10);
	run(m, CLIENT, THINK);
	wakes(m, CLIENT, SERVER);
	run(m, CLIENT, TAIL / 2);
	run(m, SERVER, 200 * US);
	op(m, CLIENT, SR_OP_FORK, 2, 0)->flags = SR_FORK_VM | SR_FORK_VFORK;
	run(m, CLIENT, 20 * US);
	wakes(m, 2, CLIENT);
	talk(m, CLIENT, SERVER, 1);
	judge(m);
	assert_int_equal(m->counts.hidden, 1);
	assert_int_equal(answers(m, 2), 1);
	sr_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_is_put_in_between_two_questions_without_a_wait),
		cmocka_unit_test(a_question_is_put_in_before_a_wait_without_one),
		cmocka_unit_test(a_reply_stands_at_the_medians_of_tail_and_work),
		cmocka_unit_test(a_question_stands_at_the_medians_of_tail_and_work),
		cmocka_unit_test(a_wait_that_is_put_in_is_where_its_task_ran),
		cmocka_unit_test(a_second_question_within_twice_the_tail_is_none),
		cmocka_unit_test(a_producer_gets_no_replies_from_its_consumer),
		cmocka_unit_test(replies_within_one_piece_need_no_questions),
		cmocka_unit_test(a_recorded_question_is_put_in_again_only_where_its_server_waits_for_any),
		cmocka_unit_test(one_message_is_put_in_once_whosoever_looks),
		cmocka_unit_test(eight_replies_make_a_dialogue_and_seven_do_not),
		cmocka_unit_test(eight_questions_make_a_dialogue_and_seven_do_not),
		cmocka_unit_test(a_server_ends_a_third_of_its_clients_waits),
		cmocka_unit_test(a_third_of_a_clients_waits_follow_a_question),
		cmocka_unit_test(a_loops_server_ends_two_thirds_of_its_waits),
		cmocka_unit_test(a_wait_for_a_lock_is_one_of_the_same_process),
		cmocka_unit_test(a_lock_is_held_for_100_us_at_most),
		cmocka_unit_test(a_task_comes_to_a_lock_within_20_us),
		cmocka_unit_test(who_came_when_the_lock_was_free_may_come_earlier),
		cmocka_unit_test(a_question_put_in_holds_its_lock_as_long),
		cmocka_unit_test(only_work_lies_between_a_wake_and_the_release),
		cmocka_unit_test(the_release_of_a_lock_is_no_second_question),
		cmocka_unit_test(who_holds_a_lock_waits_for_nobody),
		cmocka_unit_test(a_stuck_hidden_wait_is_dropped_and_not_timed),
		cmocka_unit_test(a_hidden_wait_for_a_task_that_never_begins_is_dropped),
		cmocka_unit_test(what_was_recorded_stays_as_it_was_whatever_is_put_in),
		cmocka_unit_test(many_replies_in_one_piece_are_judged_in_no_time),
		cmocka_unit_test(many_clients_of_one_server_are_judged_in_no_time),
		cmocka_unit_test(many_waits_for_locks_in_one_piece_are_judged_in_no_time),
		cmocka_unit_test(the_child_of_a_vfork_answers_its_parent),
		cmocka_unit_test(no_other_child_and_nobody_else_does),
		cmocka_unit_test(an_exec_looks_for_its_cpu_before_it_wakes_its_parent),
		cmocka_unit_test(a_hidden_op_behind_a_vfork_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
