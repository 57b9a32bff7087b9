/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A CPU: who runs there and how fast, who waits, when it chooses anew, its tick. */
#include "replay/sim_internal.h"

static uint32_t timer_id(const struct sim *s, const struct sim_cpu *c, unsigned kind)
{
	return s->ncpus * kind + c->index;
}

static struct sim_task *current_of(struct sim *s, struct sim_cpu *c)
{
	return c->curr == NOBODY ? NULL : &s->tasks[c->curr];
}

/* ---- time and speed ---- */

void sim_account(struct sim *s, struct sim_cpu *c)
{
	struct sim_task *t = current_of(s, c);
	uint64_t ns = s->now - c->since;
	unsigned capacity = s->machine.v[c->index].capacity;

	if (!ns)
		return;
	c->since = s->now;
	if (!t)
		return;
	t->cpu_ns += ns;
	t->owed -= (int64_t)(ns * c->speed >> (20 - WORK_SHIFT));
	sim_util_run(&t->util, s->now, ns, capacity);
	sim_util_run(&c->util, s->now, ns, capacity);
	if (t->class == SIM_FAIR)
		sim_fair_run(s, c, t, ns);
}

static unsigned busy_siblings(const struct sim *s, const struct sim_cpu *c)
{
	unsigned i, n = 0;

	for (i = 0; i < c->core_n; i++) {
		unsigned cpu = s->core_cpus[c->core_at + i];

		n += cpu != c->index && s->cpu[cpu].curr != NOBODY;
	}
	return n;
}

/* Memory is at most so many times as slow as the own node's, however far a machine's description puts it. */
#define FARTHEST 1024u

static uint32_t speed_of(const struct sim *s, const struct sim_cpu *c, const struct sim_task *t)
{
	const struct sr_cpu *v = &s->machine.v[c->index];
	unsigned busy = c->core_n > 1 ? busy_siblings(s, c) : 0;
	uint64_t speed = (uint64_t)v->capacity << 10;

	if (busy)
		speed = speed * s->par.v[SIM_SMT_SPEED_2 + (busy > 3 ? 2 : busy - 1)] / 1000;
	if (t->home >= 0 && t->home != v->node) {
		uint64_t distance = s->machine.distance[(size_t)t->home * s->machine.nnodes + v->node];
		uint64_t slower = 1000 + s->par.v[SIM_REMOTE_MEMORY] * sim_after(distance, 10);

		speed = speed * 1000 / (slower < FARTHEST * 1000 ? slower : FARTHEST * 1000);
	}
	return speed ? (uint32_t)speed : 1;
}

/* So many ns times 2^(20 - WORK_SHIFT), a time that can be added to the clock. */
static uint64_t far_off(uint64_t ns)
{
	return ns < INT64_MAX >> (20 - WORK_SHIFT) ? ns << (20 - WORK_SHIFT) : INT64_MAX;
}

void sim_arm(struct sim *s, struct sim_cpu *c)
{
	const struct sim_task *t = current_of(s, c);
	uint64_t when = t && t->holds ? NEVER : c->resched_ns, done;

	if (t) {
		if (t->spins)
			done = t->spin_until > s->now ? t->spin_until : s->now;
		else if (t->owed <= 0)
			done = s->now;
		else if ((uint64_t)t->owed < 1ull << 53)
			done = s->now + (((uint64_t)t->owed << (20 - WORK_SHIFT)) + c->speed - 1) / c->speed;
		else
			done = s->now + far_off((uint64_t)t->owed / c->speed);
		if (done < when)
			when = done;
	}
	sim_heap_set(&s->heap, c->index, when);
}

/* Who runs on the core has changed: so have the others' speeds. */
static void set_speeds(struct sim *s, struct sim_cpu *c, bool siblings)
{
	unsigned i;

	if (c->curr != NOBODY)
		c->speed = speed_of(s, c, &s->tasks[c->curr]);
	for (i = 0; siblings && i < c->core_n; i++) {
		struct sim_cpu *other = &s->cpu[s->core_cpus[c->core_at + i]];

		if (other == c || other->curr == NOBODY)
			continue;
		sim_account(s, other);
		other->speed = speed_of(s, other, &s->tasks[other->curr]);
		sim_arm(s, other);
	}
}

void sim_charge(struct sim *s, unsigned cpu, uint64_t ns)
{
	struct sim_task *t = current_of(s, &s->cpu[cpu]);

	if (!t || !ns)
		return;
	sim_account(s, &s->cpu[cpu]);
	t->owed += (int64_t)(ns << WORK_SHIFT);
	sim_arm(s, &s->cpu[cpu]);
}

/* What a cold cache costs a task that comes to this CPU: the more the farther it comes, the less the longer it is ago. */
static uint64_t cold_cache(const struct sim *s, const struct sim_cpu *c, const struct sim_task *t)
{
	uint64_t ago = s->now - t->last_ran_ns, half = s->par.v[SIM_CACHE_HALFLIFE], cost;
	enum sr_level level;

	if (t->ran_on < 0 || t->ran_on == (int)c->index)
		return 0;
	level = sr_machine_level(&s->machine, (unsigned)t->ran_on, c->index);
	if (level == SR_LEVEL_SELF || ago / half >= 32)
		return 0;
	cost = s->par.v[SIM_MIGRATE_SMT + level - SR_LEVEL_SMT] >> ago / half;
	/* Straight between two halvings. */
	return cost - (cost / 2) * (ago % half) / half;
}

/* ---- ticks ---- */

static uint64_t next_tick(const struct sim *s, const struct sim_cpu *c)
{
	uint64_t period = s->par.v[SIM_TICK], phase = 0;

	if (s->par.v[SIM_TICK_SPREAD])
		phase = period * c->index / s->ncpus;
	return s->now + period - (s->now + period - phase) % period;
}

/* What comes with every tick may take a quarter of what the CPU does between two: else nobody on a slow one, or with
 * ticks that cost more than they are apart, would ever be done. */
uint64_t sim_tick_cost(const struct sim_cpu *c, uint64_t cost_ns, uint64_t period_ns)
{
	uint64_t most = period_ns * c->speed >> 22;

	return cost_ns < most ? cost_ns : most;
}

static void start_tick(struct sim *s, struct sim_cpu *c)
{
	if (c->ticking)
		return;
	c->ticking = true;
	sim_heap_set(&s->heap, timer_id(s, c, 1), next_tick(s, c));
}

static void round_robin(struct sim *s, struct sim_cpu *c, struct sim_task *t)
{
	uint32_t first = sim_tree_first(s, c->rq.root[SIM_RT]);

	if (t->policy != SR_SCHED_RR)
		return;
	t->rr_left = sim_after(t->rr_left, s->par.v[SIM_TICK]);
	if (t->rr_left)
		return;
	t->rr_left = s->par.v[SIM_RR_SLICE];
	if (first == NOBODY || s->tasks[first].prio > t->prio)
		return;
	t->yields = true;
	sim_resched(s, c, 0);
}

void sim_tick(struct sim *s, struct sim_cpu *c)
{
	struct sim_task *t = current_of(s, c);

	c->ticking = false;
	if (!c->rq.nr && !t)
		return;
	sim_account(s, c);
	if (!s->cfg.policy->ticks)
		c->last_tick_ns = s->now;
	if (t) {
		t->owed += (int64_t)(sim_tick_cost(c, s->par.v[SIM_TICK_COST], s->par.v[SIM_TICK]) << WORK_SHIFT);
		if (t->class == SIM_RT)
			round_robin(s, c, t);
	}
	sim_arm(s, c);
	start_tick(s, c);
	if (s->kernel)
		sim_kernel_tick(s, c);
}

/* ---- choosing ---- */

/* Of two in one class: does it come before the one that runs? */
static bool comes_before(const struct sim_task *t, const struct sim_task *curr)
{
	int64_t mine = t->class == SIM_RT ? t->prio : t->key, its = curr->class == SIM_RT ? curr->prio : curr->key;

	return mine < its || (curr->yields && mine == its);
}

/* Who is to run: the current one, or one of the queued; NOBODY. */
static uint32_t choose(struct sim *s, struct sim_cpu *c)
{
	const struct sim_task *curr = current_of(s, c);
	unsigned class;

	if (c->held)
		return NOBODY;
	for (class = SIM_DEADLINE; class < SIM_FAIR; class ++) {
		uint32_t first = sim_tree_first(s, c->rq.root[class]);

		if (curr && curr->class == class && (first == NOBODY || !comes_before(&s->tasks[first], curr)))
			return c->curr;
		if (first != NOBODY)
			return first;
	}
	return sim_fair_pick(s, c);
}

static void put_on_tree(struct sim *s, struct sim_cpu *c, struct sim_task *t, bool head)
{
	uint32_t *root = &c->rq.root[t->class];

	if (t->class == SIM_FAIR) {
		sim_fair_put(s, c, t);
		return;
	}
	if (t->class == SIM_RT)
		t->key = t->prio;
	t->tie = s->next_tie++;
	if (head)
		t->tie = -t->tie;
	*root = sim_tree_insert(s, *root, t->index);
}

static void take_off_tree(struct sim *s, struct sim_cpu *c, struct sim_task *t)
{
	if (t->class == SIM_FAIR)
		sim_fair_take(s, c, t);
	else
		c->rq.root[t->class] = sim_tree_remove(s, c->rq.root[t->class], t->index);
}

void sim_resched(struct sim *s, struct sim_cpu *c, uint64_t delay_ns)
{
	if (s->now + delay_ns >= c->resched_ns)
		return;
	c->resched_ns = s->now + delay_ns;
	sim_arm(s, c);
}

static void begins_to_run(struct sim *s, struct sim_cpu *c, struct sim_task *t, bool preempted)
{
	uint64_t cost = s->par.v[preempted ? SIM_SWITCH_INVOLUNTARY : SIM_SWITCH_VOLUNTARY];

	cost = cold_cache(s, c, t) + (cost > t->paid ? cost - t->paid : 0);
	t->paid = 0;
	take_off_tree(s, c, t);
	sim_util_rest(&t->util, s->now);
	t->state = SIM_RUNNING;
	t->owed += (int64_t)(cost << WORK_SHIFT);
	t->ran_on = (int)c->index;
	if (t->home < 0)
		t->home = s->machine.v[c->index].node;
	c->curr = t->index;
	if (t->class == SIM_FAIR)
		sim_fair_set_current(s, c, t);
}

static void was_idle(struct sim *s, struct sim_cpu *c)
{
	uint64_t idle = s->now - c->idle_since, limit = 2 * s->par.v[SIM_CACHE_HOT];

	/* An eighth of the way to the last one. */
	c->avg_idle = c->avg_idle - c->avg_idle / 8 + idle / 8;
	if (c->avg_idle > limit)
		c->avg_idle = limit;
	sim_util_rest(&c->util, s->now);
}

/* The CPU chooses anew. prev_state: how its current one stands, or the one that has just left it. */
void sim_schedule(struct sim *s, struct sim_cpu *c, unsigned prev_state)
{
	struct sim_task *prev = current_of(s, c), *next;
	bool left = !prev && c->leaving != NOBODY, idle = !prev && !left;
	uint32_t who;

	sim_account(s, c);
	c->resched_ns = NEVER;
	who = choose(s, c);
	if (who == NOBODY ? idle : prev && who == prev->index) {
		if (prev)
			prev->yields = false;
		sim_arm(s, c);
		return;
	}
	if (prev) {
		if (prev->yields)
			prev_state = SR_STATE_RUNNING;
		prev->state = SIM_QUEUED;
		c->curr = NOBODY;
		put_on_tree(s, c, prev, !prev->yields);
		prev->yields = false;
	} else if (left) {
		prev = &s->tasks[c->leaving];
		c->leaving = NOBODY;
	}
	if (prev)
		prev->last_ran_ns = s->now;
	next = who == NOBODY ? NULL : &s->tasks[who];
	sim_emit_switch(s, c->index, prev, next, prev_state);
	if (next) {
		if (idle)
			was_idle(s, c);
		begins_to_run(s, c, next, prev && !sr_state_sleeps(prev_state));
	} else {
		c->idle_since = s->now;
	}
	c->since = s->now;
	set_speeds(s, c, idle || !next);
	if (next)
		start_tick(s, c);
	sim_arm(s, c);
	if (s->kernel && c->rq.nr_class[SIM_RT] + c->rq.nr_class[SIM_DEADLINE] == 0 && prev && prev->class != SIM_FAIR)
		sim_kernel_rt_pull(s, c);
}

void sim_cpu_step(struct sim *s, struct sim_cpu *c)
{
	struct sim_task *t;

	sim_account(s, c);
	t = current_of(s, c);
	if (c->resched_ns <= s->now && !(t && t->holds)) {
		sim_schedule(s, c, SR_STATE_PREEMPTED);
		return;
	}
	if (t && (t->spins ? s->now >= t->spin_until : t->owed <= 0))
		sim_go_on(s, t);
	t = current_of(s, c);
	if (c->resched_ns <= s->now && !(t && t->holds))
		sim_schedule(s, c, SR_STATE_PREEMPTED);
	else
		sim_arm(s, c);
}

/* ---- queues ---- */

static void count(struct sim *s, struct sim_cpu *c, struct sim_task *t, int by)
{
	struct sim_rq *rq = &c->rq;
	unsigned before = rq->nr;
	uint64_t load = t->class != SIM_FAIR ? 0 : by > 0 ? t->weight : -(uint64_t)t->weight;

	sim_kernel_load(s, c, t, by);
	rq->nr += (unsigned)by;
	rq->nr_class[t->class] += (unsigned)by;
	s->nrunnable += (uint64_t)(int64_t)by;
	rq->load += load;
	if (!rq->nr || !before)
		s->llc_idle[s->machine.v[c->index].llc] += before ? 1 : UINT32_MAX;
	sim_kernel_count(s, c, (uint32_t)!rq->nr - (uint32_t)!before, (uint32_t)by, load);
	s->noverloaded += (unsigned)((rq->nr > 1) - (before > 1));
	if (t->class == SIM_FAIR)
		rq->empty_seq += !rq->nr_class[SIM_FAIR];
}

static bool preempts(struct sim *s, struct sim_cpu *c, const struct sim_task *t)
{
	const struct sim_task *curr = current_of(s, c);

	if (t->class != curr->class)
		return t->class < curr->class;
	return t->class == SIM_FAIR ? sim_fair_preempts(s, c, t) : comes_before(t, curr);
}

/* Evenly, by up to so many per cent less or more. */
static uint64_t vary(struct sim *s, uint64_t ns, uint64_t percent)
{
	int64_t spread = (int64_t)percent * 1000, by;

	if (!spread)
		return ns;
	by = (int64_t)(sim_random(&s->idle_prng) % (uint64_t)(2 * spread + 1)) - spread;
	return (uint64_t)((int64_t)ns + (int64_t)ns * by / 100000);
}

/* The longer a CPU idles the deeper it sleeps: C-states, a host that runs something else. */
static uint64_t idle_exit(struct sim *s, const struct sim_cpu *c)
{
	int64_t light = (int64_t)s->par.v[SIM_IDLE_EXIT], deep = (int64_t)s->par.v[SIM_IDLE_EXIT_DEEP], ns = light;
	uint64_t idled = s->now - c->idle_since;

	if (idled >= SIM_IDLE_DEEP_NS)
		ns = deep;
	else if (idled > SIM_IDLE_LIGHT_NS)
		ns += (deep - light) * (int64_t)(idled - SIM_IDLE_LIGHT_NS) /
		      (int64_t)(SIM_IDLE_DEEP_NS - SIM_IDLE_LIGHT_NS);
	return vary(s, (uint64_t)ns, s->par.v[SIM_IDLE_EXIT_SPREAD]);
}

/* How long it takes until a CPU that runs somebody learns that it is to choose anew: by its own task, its own timer, another. */
static uint64_t way_to(struct sim *s, const struct sim_cpu *c, enum sim_enqueue why, int from)
{
	uint64_t ns = 0;

	if (from >= 0 && from != (int)c->index)
		ns = s->par.v[SIM_IPI];
	else if (why == SIM_WOKEN)
		ns = s->par.v[from < 0 ? SIM_PREEMPT_TIMER : SIM_PREEMPT_WAKE];
	return vary(s, ns, s->par.v[SIM_WAY_SPREAD]);
}

/* The CPU learns of it. */
static void tell(struct sim *s, struct sim_cpu *c, struct sim_task *t, enum sim_enqueue why, int from)
{
	bool own = from < 0 || from == (int)c->index;
	uint64_t way;

	if (c->held)
		return;
	if (c->curr == NOBODY) {
		sim_resched(s, c, own ? vary(s, s->par.v[SIM_IDLE_SWITCH], s->par.v[SIM_WAY_SPREAD]) : idle_exit(s, c));
	} else if (preempts(s, c, t)) {
		way = way_to(s, c, why, from);
		/* Behind its waking the waker comes to nothing of its own any more. */
		if (why == SIM_WOKEN && from >= 0 && own && way > s->par.v[SIM_WAKE_LOCAL]) {
			t->paid = way - s->par.v[SIM_WAKE_LOCAL];
			sim_charge(s, c->index, t->paid);
		}
		sim_resched(s, c, way);
	}
}

/* Up to now. That its task's slice is over by then is no news to the CPU before it is told. */
static void account_for(struct sim *s, struct sim_cpu *c, enum sim_enqueue why, int from)
{
	uint64_t due = c->resched_ns, then;

	sim_account(s, c);
	if (c->resched_ns >= due)
		return;
	then = s->now + way_to(s, c, why, from);
	c->resched_ns = then < due ? then : due;
	sim_arm(s, c);
}

void sim_enqueue(struct sim *s, struct sim_task *t, unsigned cpu, enum sim_enqueue why, int from)
{
	struct sim_cpu *c = &s->cpu[cpu];

	account_for(s, c, why, from);
	if (t->class == SIM_FAIR) {
		if (why == SIM_WOKEN)
			sim_fair_wake(s, t);
		sim_fair_place(s, c, t, why == SIM_FORKED);
	} else if (t->class == SIM_DEADLINE && why != SIM_MOVED) {
		uint64_t deadline = t->p->dl_deadline_ns ? t->p->dl_deadline_ns : 100000000u;

		t->key = (int64_t)((s->now + deadline) & INT64_MAX);
	}
	sim_util_rest(&t->util, s->now);
	__builtin_prefetch(&t->ops[t->pc]); /* it is to run soon */
	t->cpu = (int)cpu;
	t->state = SIM_QUEUED;
	if (why != SIM_MOVED) /* that made it no more runnable than it was */
		t->last_queued_ns = s->now;
	count(s, c, t, 1);
	put_on_tree(s, c, t, false);
	start_tick(s, c);
	tell(s, c, t, why, from);
	if (s->nrunnable == 1)
		sim_policy_wake_up(s);
	sim_policy_queued(s, t, cpu, true);
}

void sim_dequeue(struct sim *s, struct sim_task *t, bool sleeps)
{
	struct sim_cpu *c = &s->cpu[t->cpu];
	bool running = t->state == SIM_RUNNING;

	sim_account(s, c);
	if (t->class == SIM_FAIR)
		sim_fair_leave(s, c, t, sleeps);
	if (running) {
		c->curr = NOBODY;
		c->leaving = t->index;
		t->yields = t->spins = t->holds = false;
	} else {
		take_off_tree(s, c, t);
	}
	t->state = SIM_BLOCKED;
	count(s, c, t, -1);
	sim_policy_queued(s, t, c->index, false);
}

int sim_move(struct sim *s, struct sim_task *t, unsigned to, int by)
{
	unsigned from = (unsigned)t->cpu;

	if (t->state != SIM_QUEUED || from == to || !sim_may_use(s, to, t->allowed))
		return -1;
	sim_emit_migrate(s, by < 0 ? to : (unsigned)by, t, from, to);
	sim_dequeue(s, t, false);
	sim_enqueue(s, t, to, SIM_MOVED, by);
	return 0;
}

int sim_push(struct sim *s, struct sim_task *t, unsigned to)
{
	struct sim_cpu *c = &s->cpu[t->cpu];

	if (t->state != SIM_RUNNING || t->cpu == (int)to || !sim_may_use(s, to, t->allowed))
		return -1;
	sim_dequeue(s, t, false);
	/* Through the idle task: as with the kernel's stopper, what comes next there is chosen behind it. */
	c->leaving = NOBODY;
	t->last_ran_ns = c->idle_since = s->now;
	sim_emit_switch(s, c->index, t, NULL, SR_STATE_PREEMPTED);
	set_speeds(s, c, true);
	c->resched_ns = NEVER;
	sim_resched(s, c, s->par.v[SIM_IDLE_SWITCH]);
	sim_arm(s, c);
	sim_emit_migrate(s, c->index, t, c->index, to);
	sim_enqueue(s, t, to, SIM_MOVED, (int)c->index);
	return 0;
}

void sim_release_holds(struct sim *s)
{
	unsigned i;

	for (i = 0; i < s->ncpus; i++)
		if (s->cpu[i].held) {
			s->cpu[i].held = false;
			s->counts.forced++;
			if (s->cpu[i].rq.nr)
				sim_resched(s, &s->cpu[i], s->par.v[SIM_IDLE_SWITCH]);
		}
}
