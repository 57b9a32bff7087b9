/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs, step by step: what thread.c does with a thread of its own, here as a state that the next event goes on with. */
#include "replay/sim_internal.h"

static uint32_t timer_id(const struct sim *s, const struct sim_task *t)
{
	return s->ncpus * 3 + t->index;
}

static const struct sr_op *op_of(const struct sim_task *t)
{
	return &t->ops[t->pc];
}

void sim_block(struct sim *s, struct sim_task *t, enum sim_block on, uint64_t until)
{
	struct sim_cpu *c = &s->cpu[t->cpu];

	t->block = on;
	sim_dequeue(s, t, true);
	if (until)
		sim_heap_set(&s->heap, timer_id(s, t), until);
	if (!c->rq.nr)
		sim_newidle(s, c);
	sim_schedule(s, c, SR_STATE_SLEEPING);
}

/* Is it a message that the recording does not have, and that this order does not heed? */
static bool is_left_out(const struct sim *s, const struct sr_op *op)
{
	return s->cfg.order != RPL_ORDER_CAUSAL && sr_op_hidden(op);
}

bool sim_begins_asleep(const struct sim *s, const struct sim_task *t)
{
	const struct sr_op *op = t->ops;

	return !t->loop && sr_op_rests(op) && !is_left_out(s, op) && !(t->worker && rpl_begins_job(t->p, op));
}

/* ---- the order of the recording ---- */

/* Does who has come to a wait of t's program sleep there? */
static bool asleep_on(struct sim *s, struct sim_task *t, uint32_t wait)
{
	const struct sim_task *who = sim_who_waits(s, t, wait);
	const struct sr_op *op = op_of(who);

	if (who->state != SIM_BLOCKED)
		return false;
	if (who->block == SIM_ON_BELL)
		return who->loop && t->words[wait] & W_ARRIVED;
	return who->block <= SIM_ON_TIME && sr_op_rests(op) && op->arg == wait && who->role == t;
}

static bool runs_elsewhere(const struct sim_task *t, const struct sim_task *target)
{
	return (target->state == SIM_RUNNING || target->state == SIM_QUEUED) && target->cpu != t->cpu;
}

static void order_is_kept(struct sim *s, struct sim_task *t)
{
	t->order_kept = true;
	t->spins = false;
	s->counts.order_wait_ns += s->now - t->order_since;
	t->order_since = 0;
}

/*
 * True: the wake at pc may go out. Else the waker waits as the live engine's does: gives the CPU away once where the
 * recording shows that it was preempted meanwhile, spins while its target is on another CPU, and then sleeps.
 */
static bool keep_order(struct sim *s, struct sim_task *t, const struct sr_op *op)
{
	struct sim_task *target = &s->tasks[op->arg];
	struct sim_cpu *c = &s->cpu[t->cpu];
	uint32_t *word, wait = (uint32_t)op->value;

	if (t->order_kept || op->value >= target->p->nwaits)
		return true;
	word = &target->words[wait];
	target = sim_who_waits(s, target, wait);
	if (asleep_on(s, &s->tasks[op->arg], wait) || *word & W_ARRIVED || !(*word & W_COUNT)) {
		if (t->order_since)
			order_is_kept(s, t);
		return true;
	}
	if (!t->order_since) {
		s->counts.order_waits++;
		t->order_since = s->now;
		if ((op->flags & SR_ORDER_MASK) == SR_ORDER_PREEMPTED && !runs_elsewhere(t, target) && c->rq.nr > 1) {
			s->counts.order_yields++;
			t->yields = true;
			if (t->class == SIM_FAIR)
				sim_fair_yield(s, c, t);
			sim_resched(s, c, 0);
			return false;
		}
	}
	*word |= W_WATCHED;
	if (!t->spins && runs_elsewhere(t, target)) {
		s->counts.order_spins++;
		t->spins = true;
		t->spin_until = s->now + ORDER_SPIN_NS;
		return false;
	}
	t->spins = false;
	s->counts.order_blocks++;
	sim_block(s, t, SIM_ON_ORDER, s->now + ORDER_LIMIT_NS);
	return false;
}

/* Whoever waits for its arrival at a wait: only the task whose wake ends it does. */
static void tell_watcher(struct sim *s, struct sim_task *t, uint32_t waker)
{
	struct sim_task *watcher = &s->tasks[waker];

	if (watcher->loop) {
		sim_ring(s, t, watcher);
	} else if (watcher->state == SIM_BLOCKED && watcher->block == SIM_ON_ORDER) {
		sim_heap_set(&s->heap, timer_id(s, watcher), NEVER);
		sim_wake(s, watcher, t, true);
	} else if (watcher->spins) {
		watcher->spin_until = s->now;
		if (watcher->state == SIM_RUNNING)
			sim_arm(s, &s->cpu[watcher->cpu]);
	}
}

void sim_arrive(struct sim *s, struct sim_task *t, const struct sr_op *op)
{
	uint32_t before = t->role->words[op->arg], waker;

	if (t->worker)
		rpl_pool_waits(&s->pools, t->index, t->role->index, op->arg);
	t->role->words[op->arg] = before | W_ARRIVED;
	if (!(before & W_WATCHED))
		return;
	waker = t->role->p->waits[op->arg].waker;
	if (waker != NOBODY)
		tell_watcher(s, t, waker);
}

/* ---- waits ---- */

void sim_release_wait(struct sim *s, struct sim_task *by, uint32_t task, uint64_t wait)
{
	struct sim_task *t = &s->tasks[task], *who;
	uint32_t *word;

	if (wait >= t->p->nwaits)
		return;
	if ((t->worker || t->dispatcher) && rpl_pool_wakes(&s->pools, by->index, task, t->p, (uint32_t)wait))
		return;
	word = &t->words[wait];
	if (!(*word & W_COUNT))
		return;
	--*word;
	if (*word & W_COUNT)
		return;
	who = sim_who_waits(s, t, (uint32_t)wait);
	if (who->state == SIM_BLOCKED && who->block == SIM_ON_WAIT && who->role == t && op_of(who)->arg == wait)
		sim_wake(s, who, by, false);
	else if (t->loop)
		sim_loop_released(s, by, t, (uint32_t)wait);
	else if (t->worker && t->p->waits[wait].job)
		sim_ring(s, by, t);
}

/* Less work to come: the recording has it in its bursts, and the simulation charges its own. */
static void take_out(const struct sim *s, struct sim_task *t, uint64_t ns)
{
	t->ahead += (int64_t)(ns << WORK_SHIFT);
	if (t->ahead > s->ahead_most)
		t->ahead = s->ahead_most;
}

/* A recorded wake cost its task what it did where its target was; what it costs here comes on top where it is made. */
void sim_wake_op(struct sim *s, struct sim_task *t, const struct sr_op *op)
{
	const struct sim_task *target = &s->tasks[op->arg];
	bool remote;

	if (op->flags & SR_WAKE_HIDDEN) {
		sim_release_wait(s, t, op->arg, op->value);
		return;
	}
	remote = op->value < target->p->nwaits && target->words[op->value] & W_REMOTE;
	take_out(s, t, s->wake_then[remote]);
	s->counts.wakes++;
	t->holds |= rpl_wakes_within_call(op);
	sim_release_wait(s, t, op->arg, op->value);
}

/* A rest is over (NULL: one that the recording has not). Its burst held a switch, which the simulation charges itself. */
void sim_settle_wake(struct sim *s, struct sim_task *t, const struct sr_op *op, bool slept)
{
	uint64_t then = 0, now = 0;

	if (t->dispatcher && op && op->kind == SR_OP_WAIT)
		rpl_pool_hears(&s->pools, t->index, t->p->waits[op->arg].waker, op->arg);
	if (op && op->kind == SR_OP_WAIT && op->flags & SR_WAIT_HIDDEN) {
		s->counts.hidden_slept += slept;
		s->counts.hidden_passed += !slept;
		return;
	}
	if (op)
		take_out(s, t, s->par.v[SIM_SWITCH_VOLUNTARY]);
	if (!op || op->kind != SR_OP_WAIT)
		return;
	s->counts.waits_slept += slept;
	s->counts.waits_passed += !slept;
	then = s->wake_then[op->flags & SR_WAIT_REMOTE];
	if (slept)
		now = s->par.v[t->woken_remote ? SIM_WAKE_REMOTE : SIM_WAKE_LOCAL];
	s->counts.wakes_nearer += now < then;
	s->counts.wakes_farther += now > then;
	s->counts.wake_cost_ns += (int64_t)(now - then);
}

/* The rest at pc: true: it is over. */
bool sim_rest(struct sim *s, struct sim_task *t, const struct sr_op *op)
{
	if (!t->left) {
		const struct sr_wait *w = &t->role->p->waits[op->arg];
		uint64_t until = op->kind == SR_OP_SLEEP ? sim_sleep_until(s, t, op) : 0;

		t->left = true;
		t->slept = false;
		sim_arrive(s, t, op);
		if (s->cfg.order != RPL_ORDER_CAUSAL && w->watch_task != NOBODY)
			sim_release_wait(s, t, w->watch_task, w->watch_wait);
		if (until) {
			s->counts.sleeps++;
			s->counts.sleeps_late += until <= s->now;
		}
		if (until > s->now) {
			t->slept = true;
			sim_block(s, t, SIM_ON_TIME, until);
			return false;
		}
		/* Whom its arrival woke may have taken the CPU, and waking takes time before it sleeps. */
		if (!sim_runs_on(s, t) || t->owed > 0)
			return false;
	}
	if (t->role->words[op->arg] & W_COUNT) {
		t->slept = true;
		sim_block(s, t, SIM_ON_WAIT, 0);
		return false;
	}
	t->left = t->holds = false;
	sim_settle_wake(s, t, op, t->slept);
	return true;
}

/* A worker is at a wait for a job, or at its end: true: it has one, and is at the wait that that begins with. */
static bool job_begins(struct sim *s, struct sim_task *t)
{
	bool slept = t->left && t->slept;

	t->left = false;
	if (!sim_next_job(s, t)) {
		if (rpl_pool_own(&s->pools, t->index) == NOBODY && !rpl_pool_stays(&s->pools, t->index)) {
			sim_end(s, t);
			return false;
		}
		t->left = t->slept = true;
		sim_block(s, t, SIM_ON_BELL, 0);
		return false;
	}
	t->holds = false;
	sim_settle_wake(s, t, op_of(t), slept);
	return true;
}

/* ---- other operations ---- */

static void fork_task(struct sim *s, struct sim_task *t, const struct sr_op *op)
{
	struct sim_task *child = &s->tasks[op->arg];

	if (child->state != SIM_NEW)
		return;
	t->owed += (int64_t)(s->par.v[SIM_FORK] << WORK_SHIFT);
	child->nice = t->nice;
	child->group = op->flags & SR_FORK_THREAD ? t->group : child->index;
	s->alive++;
	s->groups[child->group]++;
	sim_first_identity(s, child, true);
	sim_emit_bind(s, (unsigned)t->cpu, t->tid, child);
	sim_emit_fork(s, t, child, op->flags);
	/* Within the call it sleeps before anything can take its CPU. */
	t->holds = !t->loop && rpl_sleeps_in_fork(t->p, op);
	sim_place_fork(s, t, child, op->flags & SR_FORK_VM);
}

static void run(struct sim *s, struct sim_task *t, const struct sr_op *op)
{
	uint64_t ns = op->value < MAX_WORK_NS ? op->value : MAX_WORK_NS, cut = ns / 1000000 * s->preempted_ppm;
	int64_t work, ahead;

	cut += ns % 1000000 * s->preempted_ppm / 1000000;
	work = (int64_t)((ns - cut) << WORK_SHIFT);
	ahead = work < t->ahead ? work : t->ahead;
	t->ahead -= ahead;
	t->owed += work - ahead;
	if (t->owed > INT64_MAX / 4)
		t->owed = INT64_MAX / 4;
}

void sim_simple_op(struct sim *s, struct sim_task *t, const struct sr_op *op)
{
	switch (op->kind) {
	case SR_OP_RUN:
		run(s, t, op);
		break;
	case SR_OP_FORK:
		fork_task(s, t, op);
		break;
	case SR_OP_EXEC:
		t->holds = false;
		t->owed += (int64_t)(s->par.v[SIM_EXEC] << WORK_SHIFT);
		t->home = -1;
		sim_emit_exec(s, t);
		sim_place_exec(s, t);
		break;
	case SR_OP_NAME:
		t->holds = false;
		if (op->arg != SR_NAME_KEPT)
			sim_emit_name(s, t, op->arg);
		break;
	case SR_OP_NICE:
		sim_set_nice(s, t, (int)op->arg - 20);
		break;
	case SR_OP_CLASS:
		sim_set_class(s, t, op->flags, sim_is_rt(op->flags) ? (int)op->arg : 0);
		if (!sim_is_rt(op->flags))
			sim_set_nice(s, t, (int)op->arg - 20);
		break;
	case SR_OP_MASK:
		sim_change_mask(s, t, &s->m->attrs.masks[op->arg]);
		break;
	default:
		break;
	}
}

void sim_end(struct sim *s, struct sim_task *t)
{
	struct sim_cpu *c = &s->cpu[t->cpu];
	bool last = --s->groups[t->group] == 0;

	sim_emit_exit(s, t, last);
	sim_dequeue(s, t, true);
	t->state = SIM_ENDED;
	s->alive--;
	s->stats.end_ns = s->now;
	s->counts.paid_ns += t->cpu_ns;
	if (!c->rq.nr)
		sim_newidle(s, c);
	sim_schedule(s, c, last ? SR_STATE_ZOMBIE : SR_STATE_DEAD);
}

void sim_go_on(struct sim *s, struct sim_task *t)
{
	if (t->loop) {
		sim_loop_go_on(s, t);
		return;
	}
	while (sim_runs_on(s, t) && (t->owed <= 0 || t->spins)) {
		const struct sr_op *op = op_of(t);

		if (is_left_out(s, op)) {
			t->pc++;
			continue;
		}
		switch (op->kind) {
		case SR_OP_WAKE:
			if (rpl_keeps_order(s->cfg.order, op) && !keep_order(s, t, op)) {
				if (t->spins)
					return;
				break;
			}
			t->order_kept = false;
			t->pc++;
			sim_wake_op(s, t, op);
			break;
		case SR_OP_WAIT:
		case SR_OP_SLEEP:
			if (t->worker && rpl_begins_job(t->role->p, op) ? job_begins(s, t) : sim_rest(s, t, op))
				t->pc++;
			break;
		case SR_OP_END:
			if (t->worker && rpl_pool_stays(&s->pools, t->index)) {
				t->pc += job_begins(s, t);
				break;
			}
			sim_end(s, t);
			return;
		default:
			t->pc++;
			sim_simple_op(s, t, op);
			break;
		}
	}
}

void sim_begin(struct sim *s, struct sim_task *t)
{
	s->alive++;
	s->groups[t->group]++;
	sim_first_identity(s, t, false);
	sim_place_first(s, t);
}

/* Who is asleep at the start goes on with that at once. */
void sim_begin_asleep(struct sim *s, struct sim_task *t)
{
	const struct sr_op *op = op_of(t);
	const struct sr_wait *w;
	uint64_t until;

	if (!sim_begins_asleep(s, t) || t->state != SIM_QUEUED)
		return;
	w = &t->p->waits[op->arg];
	sim_dequeue(s, t, true);
	until = op->kind == SR_OP_SLEEP ? sim_sleep_until(s, t, op) : 0;
	t->left = t->slept = true;
	t->block = until > s->now ? SIM_ON_TIME : SIM_ON_WAIT;
	s->counts.sleeps += until != 0;
	sim_arrive(s, t, op);
	if (w->watch_task != NOBODY && s->cfg.order != RPL_ORDER_CAUSAL)
		sim_release_wait(s, t, w->watch_task, w->watch_wait);
	if (until > s->now)
		sim_heap_set(&s->heap, timer_id(s, t), until);
	else if (!(t->words[op->arg] & W_COUNT))
		sim_wake(s, t, NULL, false);
}

void sim_timer(struct sim *s, struct sim_task *t)
{
	const struct sr_op *op = op_of(t);

	if (t->state != SIM_BLOCKED)
		return;
	switch (t->block) {
	case SIM_ON_ORDER:
		s->counts.order_expired++;
		order_is_kept(s, t);
		sim_wake(s, t, NULL, true);
		break;
	case SIM_ON_TIME:
		if (t->role->words[op->arg] & W_COUNT) {
			t->block = SIM_ON_WAIT;
			break;
		}
		sim_wake(s, t, NULL, false);
		break;
	case SIM_ON_BELL:
		sim_wake(s, t, NULL, false);
		break;
	default:
		break;
	}
}

/* Everybody blocked for good, nobody timed: ends the wait that began first in the recording. A defect if it ever happens,
 * but not a hang. */
void sim_force(struct sim *s)
{
	struct sim_task *found = NULL;
	uint64_t best = UINT64_MAX;
	size_t i;

	sim_release_holds(s);
	if (!sim_heap_empty(&s->heap))
		return;
	for (i = 0; i < s->m->ntasks; i++) {
		struct sim_task *t = &s->tasks[i];
		const struct sr_op *op = op_of(t);
		uint64_t at = sr_op_rests(op) ? t->role->p->waits[op->arg].wake_ns : 0;

		if (t->state == SIM_BLOCKED && (!t->worker || t->block != SIM_ON_BELL) && (!found || at < best)) {
			found = t;
			best = at;
		}
	}
	if (!found) { /* forks that nobody came to: their tasks never are */
		s->alive = 0;
		return;
	}
	s->counts.forced++;
	if (found->block == SIM_ON_BELL && found->loop)
		sim_loop_force(found);
	else if (found->block != SIM_ON_BELL && sr_op_rests(op_of(found)))
		found->role->words[op_of(found)->arg] &= ~W_COUNT;
	sim_wake(s, found, NULL, false);
}
