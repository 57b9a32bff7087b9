/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The simulator's side of a policy: what it may ask and do, when it is asked, and what that costs the deciding CPU. */
#include "replay/sim_internal.h"

#define STALE_TICKS 100u          /* with nobody runnable for so many of them a policy's ticks pause */
#define HOLD_LIMIT_NS 1000000000u /* so long a CPU may be held idle while tasks wait there */

static struct sim *sim_of(const struct rpl_engine *e)
{
	return e->impl;
}

static const struct sim_cpu *cpu_of(const struct rpl_engine *e, unsigned cpu)
{
	return &sim_of(e)->cpu[cpu];
}

static uint64_t q_now(const struct rpl_engine *e)
{
	return sim_of(e)->now;
}

static uint64_t q_last_tick(const struct rpl_engine *e, unsigned cpu)
{
	return cpu_of(e, cpu)->last_tick_ns;
}

static unsigned q_nr_running(const struct rpl_engine *e, unsigned cpu)
{
	return cpu_of(e, cpu)->rq.nr;
}

static uint64_t q_load_weight(const struct rpl_engine *e, unsigned cpu)
{
	return cpu_of(e, cpu)->rq.load;
}

static int q_rt_lowest(const struct rpl_engine *e, unsigned cpu)
{
	const struct sim *s = sim_of(e);
	const struct sim_cpu *c = cpu_of(e, cpu);
	uint32_t first = sim_tree_first(s, c->rq.root[SIM_RT]);
	int prio = first == NOBODY ? 100 : s->tasks[first].prio;

	if (c->curr != NOBODY && s->tasks[c->curr].class == SIM_RT && s->tasks[c->curr].prio < prio)
		prio = s->tasks[c->curr].prio;
	return prio;
}

static bool q_is_idle(const struct rpl_engine *e, unsigned cpu)
{
	return cpu_of(e, cpu)->curr == NOBODY;
}

static int q_current(const struct rpl_engine *e, unsigned cpu)
{
	uint32_t i = cpu_of(e, cpu)->curr;

	return i == NOBODY ? -1 : (int)i;
}

static unsigned q_queue(const struct rpl_engine *e, unsigned cpu, int *tasks, unsigned max)
{
	const struct sim *s = sim_of(e);
	unsigned class, n = 0;

	for (class = 0; class < SIM_CLASSES; class ++)
		n = sim_tree_list(s, cpu_of(e, cpu)->rq.root[class], tasks, n, max);
	return n;
}

static uint32_t slice_left(const struct sim *s, const struct sim_task *t)
{
	uint64_t left = 0;

	if (t->class == SIM_FAIR)
		left = sim_fair_slice_left(s, t);
	else if (t->policy == SR_SCHED_RR)
		left = t->rr_left;
	return left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
}

static void q_task(const struct rpl_engine *e, int task, struct rpl_task_view *view)
{
	struct sim *s = sim_of(e);
	const struct sim_task *t = &s->tasks[task];
	bool running = t->state == SIM_RUNNING;

	if (running)
		sim_account(s, &s->cpu[t->cpu]);
	*view = (struct rpl_task_view){ .prio = t->prio,
					.sched_policy = t->policy,
					.threads = (uint16_t)(s->groups[t->group] < UINT16_MAX ? s->groups[t->group] :
												 UINT16_MAX),
					.util = s->cfg.policy->util ? (uint16_t)sim_util_of(&t->util, s->now) : 0,
					.cpu = t->cpu,
					.recorded_cpu = t->recorded_cpu,
					.last_ran_ns = t->last_ran_ns,
					.last_queued_ns = t->last_queued_ns,
					.slice_left_ns = running ? slice_left(s, t) : 0,
					.running = running,
					.allowed = t->allowed };
}

static void *q_alloc(struct rpl_engine *e, size_t n, size_t size)
{
	return rpl_alloc(&sim_of(e)->arena, n, size);
}

static int moved(struct sim *s, struct sim_task *t, int from, unsigned to, enum sr_cause cause, int ret)
{
	uint64_t cost = s->par.v[SIM_POLICY_MOVE];

	if (ret < 0)
		return -1;
	s->move_cost += cost;
	sim_emit_decision(s, s->deciding < 0 ? to : (unsigned)s->deciding, t, from, (int)to, cause, cost);
	return 0;
}

static int q_migrate(struct rpl_engine *e, int task, unsigned to, enum sr_cause cause)
{
	struct sim *s = sim_of(e);
	struct sim_task *t = &s->tasks[task];
	int from = t->cpu;

	return moved(s, t, from, to, cause, sim_move(s, t, to, s->deciding));
}

static int q_push(struct rpl_engine *e, int task, unsigned to, enum sr_cause cause)
{
	struct sim *s = sim_of(e);
	struct sim_task *t = &s->tasks[task];
	int from = t->cpu;

	if (t->state == SIM_QUEUED)
		return q_migrate(e, task, to, cause);
	return moved(s, t, from, to, cause, sim_push(s, t, to));
}

static int q_idle(struct rpl_engine *e, unsigned cpu, bool on)
{
	struct sim *s = sim_of(e);
	struct sim_cpu *c = &s->cpu[cpu];

	if (cpu >= s->ncpus || !c->online)
		return -1;
	if (c->held == on)
		return 0;
	c->held = on;
	c->held_since = s->now;
	if (on ? c->curr != NOBODY : c->rq.nr)
		sim_resched(s, c, s->par.v[on ? SIM_IPI : SIM_IDLE_SWITCH]);
	return 0;
}

/* ---- asking ---- */

static void call_begins(struct sim *s, unsigned cpu)
{
	s->deciding = (int)cpu;
	s->move_cost = 0;
}

/* What the call and its moves cost, charged to whoever runs on the CPU that decided. */
static uint64_t call_ends(struct sim *s, unsigned cpu, uint64_t cost)
{
	cost += s->move_cost;

	s->deciding = -1;
	s->move_cost = 0;
	sim_charge(s, cpu, cost);
	return cost;
}

void sim_policy_queued(struct sim *s, const struct sim_task *t, unsigned cpu, bool on)
{
	const struct rpl_policy *p = s->cfg.policy;

	if (s->kernel || !(on ? p->enqueue : p->dequeue))
		return;
	(on ? p->enqueue : p->dequeue)(&s->engine, s->policy_state, cpu, (int)t->index);
	sim_charge(s, cpu, s->par.v[SIM_POLICY_QUEUE]);
}

void sim_newidle(struct sim *s, struct sim_cpu *c)
{
	const struct rpl_policy *p = s->cfg.policy;

	if (s->kernel) {
		sim_kernel_newidle(s, c);
		return;
	}
	if (!p->newidle)
		return;
	call_begins(s, c->index);
	p->newidle(&s->engine, s->policy_state, c->index);
	s->move_cost += s->par.v[SIM_POLICY_NEWIDLE];
	s->deciding = -1;
	/* Who came pays for having been fetched. */
	if (c->rq.nr) {
		int first[1];

		if (q_queue(&s->engine, c->index, first, 1))
			s->tasks[first[0]].owed += (int64_t)(s->move_cost << WORK_SHIFT);
	}
	s->move_cost = 0;
}

/* A cpu for it by the policy; where that is none, prev, or the first that it may use. */
static int ask(struct sim *s, struct sim_task *t, struct rpl_place *place)
{
	const struct rpl_policy *p = s->cfg.policy;
	int cpu = -1;
	unsigned i;

	place->task = (int)t->index;
	place->allowed = t->allowed;
	if (p->place)
		cpu = p->place(&s->engine, s->policy_state, place);
	if (cpu < 0 || (unsigned)cpu >= s->ncpus || !s->cpu[cpu].online)
		cpu = place->prev_cpu;
	if (sim_may_use(s, (unsigned)cpu, NULL))
		return cpu;
	for (i = 0; !s->cpu[i].online; i++)
		;
	return (int)i;
}

static const struct sr_op *next_rest(const struct sim_task *t)
{
	const struct sr_op *op = &t->ops[t->pc];

	return sr_op_rests(op) ? op : NULL;
}

/* The kernel sends nobody where it may not run. */
static int allowed_cpu(const struct sim *s, const struct sim_task *t, int cpu)
{
	unsigned i;

	if (cpu >= 0 && sim_may_use(s, (unsigned)cpu, t->allowed))
		return cpu;
	for (i = 0; i < s->ncpus; i++)
		if (sim_may_use(s, i, t->allowed))
			return (int)i;
	return cpu;
}

static int decide(struct sim *s, struct sim_task *t, struct rpl_place *place, struct sim_task *by)
{
	unsigned at = (unsigned)place->this_cpu;
	int to;

	if (s->kernel) {
		if (place->why == SR_CAUSE_WAKE)
			to = sim_kernel_wake(s, t, place->this_cpu, by, place->sync);
		else
			to = sim_kernel_fork(s, t, place->this_cpu);
		return allowed_cpu(s, t, to);
	}
	call_begins(s, at);
	to = ask(s, t, place);
	sim_emit_decision(s, at, t, place->prev_cpu, to, place->why, call_ends(s, at, s->par.v[SIM_POLICY_PLACE]));
	return to;
}

void sim_place_fork(struct sim *s, struct sim_task *parent, struct sim_task *child, bool thread)
{
	struct rpl_place place = { .why = SR_CAUSE_FORK, .waker = (int)parent->index, .thread = thread };
	unsigned at = (unsigned)parent->cpu;
	int to;

	place.this_cpu = place.prev_cpu = (int)at;
	child->recorded_cpu = child->p->first_cpu;
	child->cpu = (int)at;
	to = decide(s, child, &place, parent);
	sim_emit_wake(s, SR_EV_WAKEUP_NEW, at, sim_ctx(s, at), 0, child, (unsigned)to);
	sim_enqueue(s, child, (unsigned)to, SIM_FORKED, (int)at);
}

/* The tasks of the start: as if they were threads that one CPU starts one after the other, as in the live engine. */
void sim_place_first(struct sim *s, struct sim_task *t)
{
	struct rpl_place place = { .why = SR_CAUSE_FORK, .waker = -1, .thread = true };
	unsigned home;
	int to;

	for (home = 0; !s->cpu[home].online; home++)
		;
	t->recorded_cpu = t->p->first_cpu;
	t->cpu = place.this_cpu = place.prev_cpu = (int)home;
	to = s->kernel ? allowed_cpu(s, t, sim_kernel_fork(s, t, (int)home)) : ask(s, t, &place);
	sim_emit_bind(s, (unsigned)to, 0, t);
	if (!sim_begins_asleep(s, t))
		sim_emit_wake(s, SR_EV_WAKEUP_NEW, (unsigned)to, 0, 0, t, (unsigned)to);
	sim_enqueue(s, t, (unsigned)to, SIM_FORKED, -1);
}

void sim_place_exec(struct sim *s, struct sim_task *t)
{
	struct rpl_place place = { .why = SR_CAUSE_EXEC, .waker = (int)t->index };
	int to;

	place.this_cpu = place.prev_cpu = t->cpu;
	to = decide(s, t, &place, t);
	if (to != t->cpu && t->state == SIM_RUNNING)
		sim_push(s, t, (unsigned)to);
}

void sim_wake(struct sim *s, struct sim_task *t, struct sim_task *by, bool stay)
{
	struct rpl_place place = { .why = SR_CAUSE_WAKE, .waker = by ? (int)by->index : -1 };
	const struct sr_op *rest = next_rest(t);
	unsigned at = (unsigned)(by ? by->cpu : t->cpu), flags = by ? 0 : SR_EV_HARDIRQ, from = (unsigned)t->cpu;
	int to = t->cpu;

	t->recorded_cpu = rest ? rest->cpu : t->recorded_cpu;
	place.prev_cpu = t->cpu;
	place.this_cpu = (int)at;
	place.sync = by && rest && t->role->p->waits[rest->arg].sync;
	sim_emit_wake(s, SR_EV_WAKING, at, sim_ctx(s, at), flags, t, from);
	if (!stay || s->kernel)
		to = decide(s, t, &place, by);
	if (to != (int)from)
		sim_emit_migrate(s, at, t, from, (unsigned)to);
	sim_emit_wake(s, SR_EV_WAKEUP, at, sim_ctx(s, at), flags, t, (unsigned)to);
	t->woken_remote = by && to != (int)at && sim_cpu_idle(s, (unsigned)to);
	if (by)
		sim_charge(s, at, s->par.v[t->woken_remote ? SIM_WAKE_REMOTE : SIM_WAKE_LOCAL]);
	/* Its timer's interrupt came where it slept, its waker's comes from where that runs. */
	sim_enqueue(s, t, (unsigned)to, SIM_WOKEN, by ? (int)at : to == (int)from ? -1 : (int)from);
}

/* ---- ticks ---- */

static void set_policy_tick(struct sim *s, struct sim_cpu *c)
{
	uint64_t period = s->engine.tick_ns, phase = 0;

	if (s->par.v[SIM_TICK_SPREAD])
		phase = period * c->index / s->ncpus;
	s->npaused -= !c->policy_ticking;
	c->policy_ticking = true;
	sim_heap_set(&s->heap, s->ncpus * 2 + c->index, s->now + period - (s->now + period - phase) % period);
}

void sim_policy_wake_up(struct sim *s)
{
	const struct rpl_policy *p = s->cfg.policy;
	unsigned i;

	if (!p->ticks || !p->tick)
		return;
	s->wake_ups++;
	for (i = 0; s->npaused && i < s->ncpus; i++)
		if (s->cpu[i].online && !s->cpu[i].policy_ticking)
			set_policy_tick(s, &s->cpu[i]);
}

void sim_policy_tick(struct sim *s, struct sim_cpu *c)
{
	c->policy_ticking = false;
	s->npaused++;
	if (s->nrunnable || c->stale_since != s->wake_ups)
		c->stale_ticks = 0;
	c->stale_ticks += !s->nrunnable;
	c->stale_since = s->wake_ups;
	if (c->stale_ticks > STALE_TICKS)
		return;
	sim_account(s, c);
	c->last_tick_ns = s->now;
	if (c->held && s->now - c->held_since > HOLD_LIMIT_NS)
		q_idle(&s->engine, c->index, false);
	call_begins(s, c->index);
	s->cfg.policy->tick(&s->engine, s->policy_state, c->index);
	call_ends(s, c->index, sim_tick_cost(c, s->par.v[SIM_POLICY_TICK], s->engine.tick_ns));
	if (!c->policy_ticking)
		set_policy_tick(s, c);
}

/* ---- its life ---- */

int sim_policy_start(struct sim *s, struct sr_error *err)
{
	const struct rpl_policy *p = s->cfg.policy;

	s->deciding = -1;
	s->engine = (struct rpl_engine){ .version = RPL_POLICY_VERSION,
					 .caps = RPL_CAN_QUEUE | RPL_CAN_PUSH | RPL_CAN_IDLE,
					 .machine = &s->machine,
					 .ncpus = s->ncpus,
					 .ntasks = (unsigned)s->m->ntasks,
					 .policy = p,
					 .seed = s->cfg.seed,
					 .tick_ns = p->tick_ns,
					 .impl = s,
					 .now_ns = q_now,
					 .last_tick_ns = q_last_tick,
					 .nr_running = q_nr_running,
					 .load_weight = q_load_weight,
					 .rt_lowest_prio = q_rt_lowest,
					 .is_idle = q_is_idle,
					 .current = q_current,
					 .queue = q_queue,
					 .task = q_task,
					 .alloc = q_alloc,
					 .migrate = q_migrate,
					 .push = q_push,
					 .idle = q_idle };
	s->kernel = !p->pins;
	if (s->kernel && sim_kernel_start(s) < 0)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory for the simulation");
	if (p->init && p->init(&s->engine, s->cfg.policy_options, &s->policy_state, err) < 0)
		return -1;
	s->policy_ready = true;
	if (!s->engine.tick_ns)
		s->engine.tick_ns = 1000000;
	return 0;
}

unsigned sim_policy_report(const struct sim *s, struct rpl_policy_count *v)
{
	const struct rpl_policy *p = s->cfg.policy;

	return s->policy_ready && p->report ? p->report(&s->engine, s->policy_state, v) : 0;
}

void sim_policy_stop(struct sim *s)
{
	const struct rpl_policy *p = s->cfg.policy;

	if (s->policy_ready && p->fini)
		p->fini(&s->engine, s->policy_state);
	s->policy_ready = false;
}
