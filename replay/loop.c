/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that wait for any of several tasks (sr_program.any), under RPL_ORDER_CAUSAL.
 *
 * Such a task sleeps until anything comes, and what came decides what it does. So its program is no list but a set of
 * pieces, each with the one thing that it needs: what follows a wait needs the wait's wake; of that, what leads to a wake
 * that answers (SR_WAKE_ANSWERS) needs that its target sleeps. The thread does the pieces in the recorded order
 * as far as they can be done; when the next one cannot, it does what can, out of turn; when nothing can, it sleeps. So
 * sleeps are lost where something has come early, as with every task, but also gained, where something is late.
 *
 * Pieces that fork, exec, sleep for a time or end are done in turn, and nothing beyond them is done before. That order
 * leaves nobody waiting for ever: of all that is undone in the whole replay, what was recorded first can always be done.
 */
#include <stdlib.h>

#include "replay/engine_internal.h"
#include "replay/program.h"

struct rloop {
	const struct sr_op *main; /* the wait, sleep or end that the program has come to */
	uint64_t until;           /* of a SLEEP: when it ends */
	uint64_t stuck_since; /* main is an answer that cannot be put aside, and waits for its target; 0: it does not */
	_Atomic uint32_t listens; /* to the wake of this wait alone; RPL_TO_ALL, RPL_TO_NONE */
	const struct sr_op *held[RPL_HELD];
	uint64_t held_since[RPL_HELD];
	unsigned nheld;
	uint32_t *waits; /* where each wait stands in the ops; RPL_OUT_OF_TURN */
	bool slept;      /* since the last piece */
};

static bool is_loop(const struct sr_program *p)
{
	return p->any && p->nops < RPL_OUT_OF_TURN && !p->dispatcher;
}

int rpl_loops_start(struct rpl_run *run)
{
	const struct sr_model *m = run->m;
	size_t i, k, n = 0, nwaits = 0;
	struct rloop *l;
	uint32_t *waits;

	if (run->cfg.order != RPL_ORDER_CAUSAL)
		return 0;
	for (i = 0; i < m->ntasks; i++)
		if (is_loop(&m->tasks[i])) {
			n++;
			nwaits += m->tasks[i].nwaits;
		}
	l = rpl_alloc(&run->arena, n + 1, sizeof(*l));
	waits = rpl_alloc(&run->arena, nwaits + 1, sizeof(*waits));
	if (!l || !waits)
		return -1;
	for (i = 0; i < m->ntasks; i++) {
		const struct sr_program *p = &m->tasks[i];

		if (!is_loop(p))
			continue;
		for (k = 0; k < p->nops; k++)
			if (sr_op_rests(&p->ops[k]))
				waits[p->ops[k].arg] = (uint32_t)k |
						       (rpl_free_of_turn(&p->ops[k + 1]) ? RPL_OUT_OF_TURN : 0);
		l->waits = waits;
		waits += p->nwaits;
		run->threads[i].loop = l++;
	}
	return 0;
}

void rpl_loop_released(struct rthread *by, struct rthread *t, uint32_t wait)
{
	uint32_t to = atomic_load(&t->loop->listens);

	if (to == RPL_TO_ALL || to == wait)
		rpl_ring(by, t);
}

static bool released(const struct rthread *t, uint32_t wait)
{
	return !(atomic_load(&t->words[wait]) & W_COUNT);
}

/* Has the target of a wake come to its wait? If not, it will ring when it does. */
static bool target_sleeps(const struct rthread *t, const struct sr_op *wake)
{
	_Atomic uint32_t *word = &t->run->threads[wake->arg].words[wake->value];
	uint32_t v = atomic_load(word);

	while (!(v & W_ARRIVED) && v & W_COUNT)
		if (v & W_WATCHED || atomic_compare_exchange_weak(word, &v, v | W_WATCHED))
			return false;
	return true;
}

static void piece_begins(struct rthread *t, const struct sr_op *wait)
{
	struct rloop *l = t->loop;

	if (wait->kind == SR_OP_WAIT)
		rpl_count_wait(t, wait, l->slept);
	l->slept = false;
}

/* The wake that what begins at op leads to, if it answers; NULL: none, or one that does not. Only work leads to a wake:
 * before its target is forked nothing can be said of it. */
static const struct sr_op *answer_after(const struct sr_op *op)
{
	while (op->kind == SR_OP_RUN || op->kind == SR_OP_NOP)
		op++;
	return op->kind == SR_OP_WAKE && op->flags & SR_WAKE_ANSWERS ? op : NULL;
}

/* What begins at op up to the next that is not work, with it. Returns what comes then. */
static const struct sr_op *do_step(struct rthread *t, const struct sr_op *op)
{
	bool work = true;

	for (; work && !sr_op_ends_unit(op); op++) {
		rpl_at(t, op);
		work = op->kind == SR_OP_RUN || op->kind == SR_OP_NOP;
		if (op->kind == SR_OP_WAKE) {
			rpl_do_wake(t, op);
		} else if (op->kind == SR_OP_WAIT) {
			rpl_wait(t, op); /* for a lock */
		} else {
			rpl_simple_op(t, op);
		}
	}
	return op;
}

/* May the program go on in its turn while what begins at op is put aside? */
static bool can_hold(const struct rloop *l, const struct sr_op *op)
{
	return l->nheld < RPL_HELD && rpl_movable(op);
}

/* Goes on from op; in_turn: it is the program's own course that has come there. What leads to an answer is put aside
 * where there is nothing to be answered yet. */
static void do_piece(struct rthread *t, const struct sr_op *op, bool in_turn)
{
	struct rloop *l = t->loop;

	while (!sr_op_ends_unit(op)) {
		const struct sr_op *wake = answer_after(op);

		if (wake && !target_sleeps(t, wake)) {
			if (in_turn && !can_hold(l, op))
				break; /* it goes on there when it can */
			if (l->nheld < RPL_HELD) {
				t->counts.order_waits++;
				l->held_since[l->nheld] = mono_ns();
				l->held[l->nheld++] = op;
				op = wake + 1;
				continue;
			}
		}
		op = do_step(t, op);
	}
	if (in_turn) {
		l->main = op;
		l->until = 0;
		if (op->kind == SR_OP_WAIT)
			rpl_arrive(t, op);
	}
}

static bool is_late(uint64_t since)
{
	return since && mono_ns() - since > RPL_HELD_LIMIT_NS;
}

/* A piece whose target sleeps by now, or has been waited for too long. */
static bool do_held(struct rthread *t, bool force)
{
	struct rloop *l = t->loop;
	unsigned i;

	for (i = 0; i < l->nheld; i++) {
		const struct sr_op *op = l->held[i];
		bool late = force || is_late(l->held_since[i]);

		if (!late && !target_sleeps(t, answer_after(op)))
			continue;
		t->counts.order_expired += late;
		t->counts.order_wait_ns += mono_ns() - l->held_since[i];
		for (l->nheld--; i < l->nheld; i++) {
			l->held[i] = l->held[i + 1];
			l->held_since[i] = l->held_since[i + 1];
		}
		if (l->slept) {
			t->counts.order_blocks++;
			l->slept = false;
			rpl_settle_own_sleep(t);
		}
		do_step(t, op);
		return true;
	}
	return false;
}

/* What follows a later wait whose wake has come. */
static bool do_out_of_turn(struct rthread *t)
{
	struct rloop *l = t->loop;
	const struct sr_program *p = t->p;
	uint32_t k, ahead = t->dispatcher ? RPL_AHEAD_POOL : RPL_AHEAD, end = l->main->arg + RPL_AHEAD_LOCKS * ahead;

	if (!(l->waits[l->main->arg] & RPL_OUT_OF_TURN))
		return false;
	for (k = l->main->arg + 1; k < p->nwaits && k < end && ahead > 1; k++) {
		const struct sr_op *op = &p->ops[l->waits[k] & ~RPL_OUT_OF_TURN];

		if (op->kind == SR_OP_WAIT && op->flags & SR_WAIT_LOCK)
			continue;
		ahead--;
		if (op->kind != SR_OP_WAIT || !(l->waits[k] & RPL_OUT_OF_TURN))
			return false;
		if (!released(t, k) || atomic_load(&t->words[k]) & W_DONE)
			continue;
		atomic_fetch_or(&t->words[k], W_DONE);
		t->counts.out_of_turn++;
		piece_begins(t, op);
		do_piece(t, op + 1, false);
		return true;
	}
	return false;
}

static bool do_main(struct rthread *t, bool force)
{
	struct rloop *l = t->loop;
	const struct sr_op *op = l->main;

	if (op->kind == SR_OP_END)
		return false;
	if (!sr_op_ends_unit(op)) { /* within a piece */
		const struct sr_op *wake = answer_after(op);

		force |= is_late(l->stuck_since);
		if (wake && !force && !target_sleeps(t, wake) && !can_hold(l, op)) {
			t->counts.order_waits += !l->stuck_since;
			l->stuck_since = l->stuck_since ? l->stuck_since : mono_ns();
			return false;
		}
		t->counts.order_expired += force;
		t->counts.order_wait_ns += l->stuck_since ? mono_ns() - l->stuck_since : 0;
		l->stuck_since = 0;
		l->slept = false;
		do_piece(t, force ? do_step(t, op) : op, true);
		return true;
	}
	if (op->kind == SR_OP_WAIT && atomic_load(&t->words[op->arg]) & W_DONE) {
		l->main = rpl_end_of_piece(op + 1);
		if (l->main->kind == SR_OP_WAIT)
			rpl_arrive(t, l->main);
		return true;
	}
	if (op->kind == SR_OP_WAIT ? !released(t, op->arg) && !force : l->until && mono_ns() < l->until)
		return false;
	piece_begins(t, op);
	do_piece(t, op + 1, true);
	return true;
}

/* What of all that comes could it use? The rest must not wake it: nor would it have in the recording. */
static uint32_t useful(const struct rloop *l)
{
	if (l->main->kind != SR_OP_WAIT)
		return RPL_TO_NONE;
	return l->waits[l->main->arg] & RPL_OUT_OF_TURN ? RPL_TO_ALL : l->main->arg;
}

/* Until when it rests at most; 0: until something comes. */
static uint64_t rest_until(const struct rloop *l)
{
	uint64_t since = l->stuck_since, until = l->main->kind == SR_OP_SLEEP ? l->until : 0;

	if (l->nheld && (!since || l->held_since[0] < since))
		since = l->held_since[0];
	since = since ? since + RPL_HELD_LIMIT_NS + 1000000 : 0;
	return since && (!until || since < until) ? since : until;
}

void rpl_loop_main(struct rthread *t)
{
	struct rloop *l = t->loop;
	const _Atomic uint32_t *stopping = &t->run->stopping;

	do_piece(t, t->p->ops, true);
	while (!atomic_load_explicit(stopping, memory_order_relaxed)) {
		uint32_t seen = atomic_load(&t->bell);
		bool force = seen & BELL_FORCED;

		if (force)
			atomic_fetch_and(&t->bell, ~BELL_FORCED);
		rpl_at(t, l->main);
		atomic_store(&l->listens, useful(l)); /* before it looks at what has come */
		if (l->main->kind == SR_OP_SLEEP && !l->until) {
			t->counts.sleeps++;
			l->until = rpl_sleep_until(t, l->main);
			t->counts.sleeps_late += l->until && mono_ns() >= l->until;
			if (!l->until)
				l->until = 1;
		}
		if (do_held(t, force) || do_main(t, force) ||
		    (l->main->kind == SR_OP_WAIT && l->nheld < RPL_HELD_AHEAD && do_out_of_turn(t)))
			continue;
		if (force)
			continue;
		if (l->main->kind == SR_OP_END && !l->nheld)
			return;
		l->slept |= rpl_rest(t, seen, rest_until(l));
	}
}
