/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that wait for any of several tasks, as loop.c has them: a set of pieces, each with the one thing that it needs,
 * done in the recorded order as far as they can be. What is a call there is a state here, as a burst ends by an event.
 */
#include "replay/sim_internal.h"

struct sim_loop {
	const struct sr_op *main, *at; /* what the program has come to; what is being done */
	bool in_step, in_piece,
		in_turn; /* a step up to the next op that is no work; the rest of its piece comes behind */
	bool slept, forced, begun;
	uint64_t until, stuck_since;
	uint32_t listens;
	const struct sr_op *held[RPL_HELD];
	uint64_t held_since[RPL_HELD];
	unsigned nheld;
};

int sim_loops_start(struct sim *s)
{
	size_t i, k, n = 0;
	struct sim_loop *l;

	for (i = 0; i < s->m->ntasks; i++)
		n += s->m->tasks[i].any;
	l = rpl_alloc(&s->arena, n + 1, sizeof(*l));
	if (!l)
		return -1;
	for (i = 0; i < s->m->ntasks; i++) {
		const struct sr_program *p = &s->m->tasks[i];

		if (!p->any || p->dispatcher || p->nops >= RPL_OUT_OF_TURN || s->cfg.order != RPL_ORDER_CAUSAL)
			continue;
		for (k = 0; k < p->nops; k++)
			if (sr_op_rests(&p->ops[k]) && rpl_free_of_turn(&p->ops[k + 1]))
				s->tasks[i].wait_op[p->ops[k].arg] |= RPL_OUT_OF_TURN;
		s->tasks[i].loop = l++;
	}
	return 0;
}

void sim_ring(struct sim *s, struct sim_task *by, struct sim_task *t)
{
	if (t->state != SIM_BLOCKED || t->block != SIM_ON_BELL)
		return;
	sim_heap_set(&s->heap, s->ncpus * 3 + t->index, NEVER);
	sim_wake(s, t, by, false);
}

void sim_loop_released(struct sim *s, struct sim_task *by, struct sim_task *t, uint32_t wait)
{
	if (t->loop->listens == RPL_TO_ALL || t->loop->listens == wait)
		sim_ring(s, by, t);
}

void sim_loop_force(struct sim_task *t)
{
	t->loop->forced = true;
}

static bool released(const struct sim_task *t, uint32_t wait)
{
	return !(t->words[wait] & W_COUNT);
}

/* Has the target of a wake come to its wait? If not, it will ring when it does. */
static bool target_sleeps(struct sim *s, const struct sr_op *wake)
{
	const struct sim_task *target = &s->tasks[wake->arg];
	uint32_t *word;

	if (wake->value >= target->p->nwaits)
		return true;
	word = &target->words[wake->value];
	if (*word & W_ARRIVED || !(*word & W_COUNT))
		return true;
	*word |= W_WATCHED;
	return false;
}

static void piece_begins(struct sim *s, struct sim_task *t, const struct sr_op *wait)
{
	sim_settle_wake(s, t, wait, t->loop->slept);
	t->loop->slept = false;
}

static const struct sr_op *answer_after(const struct sr_op *op)
{
	while (op->kind == SR_OP_RUN || op->kind == SR_OP_NOP)
		op++;
	return op->kind == SR_OP_WAKE && op->flags & SR_WAKE_ANSWERS ? op : NULL;
}

static void begin(struct sim_loop *l, const struct sr_op *op, bool step, bool piece, bool in_turn)
{
	l->at = op;
	l->in_step = step;
	l->in_piece = piece;
	l->in_turn = in_turn;
}

/* One operation of a step. */
static void do_op(struct sim *s, struct sim_task *t)
{
	struct sim_loop *l = t->loop;
	const struct sr_op *op = l->at;

	t->pc = (uint32_t)(op - t->p->ops);
	if (op->kind == SR_OP_WAIT && !sim_rest(s, t, op)) /* for a lock */
		return;
	l->at++;
	if (op->kind != SR_OP_RUN && op->kind != SR_OP_NOP)
		l->in_step = false;
	if (sr_op_ends_unit(l->at))
		l->in_step = false;
	if (op->kind == SR_OP_WAKE)
		sim_wake_op(s, t, op);
	else if (op->kind != SR_OP_WAIT)
		sim_simple_op(s, t, op);
}

static bool can_hold(const struct sim_loop *l, const struct sr_op *op)
{
	return l->nheld < RPL_HELD && rpl_movable(op);
}

/* The program's own course has come to op. */
static void come_to(struct sim *s, struct sim_task *t, const struct sr_op *op)
{
	struct sim_loop *l = t->loop;

	l->main = op;
	l->until = 0;
	if (op->kind == SR_OP_WAIT)
		sim_arrive(s, t, op);
}

/* Between two steps of a piece: puts answers aside, begins the next step, or ends the piece. */
static void go_on_in_piece(struct sim *s, struct sim_task *t)
{
	struct sim_loop *l = t->loop;

	while (!sr_op_ends_unit(l->at)) {
		const struct sr_op *wake = answer_after(l->at);

		if (!wake || target_sleeps(s, wake)) {
			l->in_step = true;
			return;
		}
		if (l->in_turn && !can_hold(l, l->at))
			break; /* it goes on there when it can */
		if (l->nheld == RPL_HELD) {
			l->in_step = true;
			return;
		}
		s->counts.order_waits++;
		l->held_since[l->nheld] = s->now;
		l->held[l->nheld++] = l->at;
		l->at = wake + 1;
	}
	l->in_piece = false;
	if (l->in_turn)
		come_to(s, t, l->at);
}

static bool is_late(const struct sim *s, uint64_t since)
{
	return since && s->now - since > RPL_HELD_LIMIT_NS;
}

static bool do_held(struct sim *s, struct sim_task *t, bool force)
{
	struct sim_loop *l = t->loop;
	unsigned i;

	for (i = 0; i < l->nheld; i++) {
		const struct sr_op *op = l->held[i];
		bool late = force || is_late(s, l->held_since[i]);

		if (!late && !target_sleeps(s, answer_after(op)))
			continue;
		s->counts.order_expired += late;
		s->counts.order_wait_ns += s->now - l->held_since[i];
		for (l->nheld--; i < l->nheld; i++) {
			l->held[i] = l->held[i + 1];
			l->held_since[i] = l->held_since[i + 1];
		}
		if (l->slept) {
			s->counts.order_blocks++;
			piece_begins(s, t, NULL);
		}
		begin(l, op, true, false, false);
		return true;
	}
	return false;
}

static bool do_out_of_turn(struct sim *s, struct sim_task *t)
{
	struct sim_loop *l = t->loop;
	const struct sr_program *p = t->p;
	uint32_t k, ahead = t->dispatcher ? RPL_AHEAD_POOL : RPL_AHEAD, end = l->main->arg + RPL_AHEAD_LOCKS * ahead;

	if (!(t->wait_op[l->main->arg] & RPL_OUT_OF_TURN))
		return false;
	for (k = l->main->arg + 1; k < p->nwaits && k < end && ahead > 1; k++) {
		const struct sr_op *op = &p->ops[t->wait_op[k] & ~RPL_OUT_OF_TURN];

		if (op->kind == SR_OP_WAIT && op->flags & SR_WAIT_LOCK)
			continue;
		ahead--;
		if (op->kind != SR_OP_WAIT || !(t->wait_op[k] & RPL_OUT_OF_TURN))
			return false;
		if (!released(t, k) || t->words[k] & W_DONE)
			continue;
		t->words[k] |= W_DONE;
		s->counts.out_of_turn++;
		piece_begins(s, t, op);
		begin(l, op + 1, false, true, false);
		return true;
	}
	return false;
}

static bool do_main(struct sim *s, struct sim_task *t, bool force)
{
	struct sim_loop *l = t->loop;
	const struct sr_op *op = l->main;

	if (op->kind == SR_OP_END)
		return false;
	if (!sr_op_ends_unit(op)) { /* within a piece */
		const struct sr_op *wake = answer_after(op);

		force |= is_late(s, l->stuck_since);
		if (wake && !force && !target_sleeps(s, wake) && !can_hold(l, op)) {
			s->counts.order_waits += !l->stuck_since;
			l->stuck_since = l->stuck_since ? l->stuck_since : s->now;
			return false;
		}
		s->counts.order_expired += force;
		s->counts.order_wait_ns += l->stuck_since ? s->now - l->stuck_since : 0;
		l->stuck_since = 0;
		l->slept = false;
		begin(l, op, force, true, true);
		return true;
	}
	if (op->kind == SR_OP_WAIT && t->words[op->arg] & W_DONE) {
		come_to(s, t, rpl_end_of_piece(op + 1));
		return true;
	}
	if (op->kind == SR_OP_WAIT ? !released(t, op->arg) && !force : l->until && s->now < l->until)
		return false;
	piece_begins(s, t, op);
	begin(l, op + 1, false, true, true);
	return true;
}

/* What of all that comes could it use? The rest must not wake it: nor would it have in the recording. */
static uint32_t useful(const struct sim_task *t)
{
	const struct sr_op *main = t->loop->main;

	if (main->kind != SR_OP_WAIT)
		return RPL_TO_NONE;
	return t->wait_op[main->arg] & RPL_OUT_OF_TURN ? RPL_TO_ALL : main->arg;
}

/* Until when it rests at most; 0: until something comes. */
static uint64_t rest_until(const struct sim_loop *l)
{
	uint64_t since = l->stuck_since, until = l->main->kind == SR_OP_SLEEP ? l->until : 0;

	if (l->nheld && (!since || l->held_since[0] < since))
		since = l->held_since[0];
	since = since ? since + RPL_HELD_LIMIT_NS + 1000000 : 0;
	return since && (!until || since < until) ? since : until;
}

static void choose(struct sim *s, struct sim_task *t)
{
	struct sim_loop *l = t->loop;
	bool force = l->forced;

	l->forced = false;
	t->pc = (uint32_t)(l->main - t->p->ops);
	l->listens = useful(t);
	if (l->main->kind == SR_OP_SLEEP && !l->until) {
		s->counts.sleeps++;
		l->until = sim_sleep_until(s, t, l->main);
		s->counts.sleeps_late += l->until && s->now >= l->until;
		if (!l->until)
			l->until = 1;
	}
	if (do_held(s, t, force) || do_main(s, t, force) ||
	    (l->main->kind == SR_OP_WAIT && l->nheld < RPL_HELD_AHEAD && do_out_of_turn(s, t)))
		return;
	if (force)
		return;
	if (l->main->kind == SR_OP_END && !l->nheld) {
		sim_end(s, t);
		return;
	}
	l->slept = true;
	sim_block(s, t, SIM_ON_BELL, rest_until(l));
}

void sim_loop_go_on(struct sim *s, struct sim_task *t)
{
	struct sim_loop *l = t->loop;

	if (!l->begun) {
		l->begun = true;
		l->listens = RPL_TO_NONE;
		begin(l, t->p->ops, false, true, true);
	}
	while (sim_runs_on(s, t) && t->owed <= 0) {
		if (l->in_step)
			do_op(s, t);
		else if (l->in_piece)
			go_on_in_piece(s, t);
		else
			choose(s, t);
	}
}
