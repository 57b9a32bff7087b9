/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scheduling domains as of Linux 2.6.7 (June 2004), and what later kernels changed: a hierarchy of spans around each
 * cpu (domains.h), each span parted into groups, tasks moving between the groups of a span only when its thresholds
 * say so.
 *
 * POLICIES.md says what is faithful, what is not and which options there are.
 */
#include <stdlib.h>
#include <string.h>

#include "replay/policy_domain_internal.h"
#include "replay/policy_util.h"

#define SCALE RPL_SD_SCALE
#define MAX_QUEUE 4096 /* tasks of one queue that are looked at */

enum idle { IDLE, NOT_IDLE, NEWLY_IDLE };

/* ---- load ---- */

/* The cpu's average or its number of tasks has changed. */
static void refresh_load(const struct rpl_engine *e, struct domain *d, unsigned cpu)
{
	uint32_t now = e->nr_running(e, cpu) * SCALE, avg = d->cpu_load[cpu];
	uint32_t source = avg < now ? avg : now, target = avg > now ? avg : now;
	uint64_t more_source = (uint64_t)source - d->source[cpu], more_target = (uint64_t)target - d->target[cpu];

	if (!more_source && !more_target)
		return;
	d->source[cpu] = source;
	d->target[cpu] = target;
	for (unsigned l = 0; l < d->tree.nlevels && !d->tree.level[l].distance; l++) {
		struct domain_sum *sum = &d->sum[l][d->tree.level[l].span_of[cpu]];

		sum->source += more_source; /* may be less: it wraps back */
		sum->target += more_target;
	}
}

/* Half-life one tick; rounded up, so that it reaches a load that stays. */
static void update_load(const struct rpl_engine *e, struct domain *d, unsigned cpu)
{
	uint32_t now = e->nr_running(e, cpu) * SCALE, old = d->cpu_load[cpu];

	if (now > old)
		old++;
	d->cpu_load[cpu] = (old + now) / 2;
	refresh_load(e, d, cpu);
}

/* What the CPUs of a group have together. */
static struct domain_sum group_load(const struct domain *d, const struct rpl_group *g)
{
	struct domain_sum load = { 0, 0 };

	if (!g->nparts)
		return (struct domain_sum){ d->source[g->cpu[0]], d->target[g->cpu[0]] };
	for (unsigned i = 0; i < g->nparts; i++) {
		load.source += d->sum[g->part_level][g->part[i]].source;
		load.target += d->sum[g->part_level][g->part[i]].target;
	}
	return load;
}

/* The k-th level of the cpu's stack, from below. */
static struct domain_sd *sd_of(const struct domain *d, unsigned cpu, unsigned k)
{
	return &d->sd[(size_t)cpu * d->tree.nlevels + k];
}

static unsigned depth(const struct domain *d, unsigned cpu)
{
	return d->tree.depth[cpu];
}

static const struct rpl_group *own_group(const struct domain_sd *sd)
{
	return &sd->span->group[sd->own];
}

/*
 * Has the task run so recently that its cache is worth more than the move? Measured to the last tick of its cpu.
 * 2.6.7 takes the later of the last run and the last enqueue, and an unsigned difference: what happened after the last
 * tick counts as ages ago (fixed in October 2004: signed, last run only).
 */
static bool is_hot(const struct rpl_engine *e, const struct domain *d, const struct domain_sd *sd, unsigned cpu,
		   const struct rpl_task_view *v)
{
	uint64_t tick = e->last_tick_ns(e, cpu), at = v->last_ran_ns, hot_ns = sd->span->par.hot_ns;

	if (d->o.hot == HOT_267 ? v->last_queued_ns > at : !at)
		at = v->last_queued_ns;
	if (d->o.hot == HOT_267)
		return tick - at < hot_ns;
	return (int64_t)(tick - at) < (int64_t)hot_ns;
}

/* The cpu idles, and with it all that share its core. */
static bool core_is_idle(const struct rpl_engine *e, const struct domain *d, unsigned cpu)
{
	const struct rpl_sd_level *l = &d->tree.level[0];
	const struct rpl_span *core;

	if (!d->smt)
		return e->is_idle(e, cpu);
	core = &l->span[l->span_of[cpu]];
	for (unsigned i = 0; i < core->n; i++)
		if (!e->is_idle(e, core->cpu[i]))
			return false;
	return true;
}

/* ---- placement ---- */

/* 2.6.7 seeks in the lowest level, 2.6.11 in ever larger ones, up to the first that does not have the flag. */
static unsigned wake_idle(const struct rpl_engine *e, const struct domain *d, unsigned dst, const struct rpl_place *p)
{
	unsigned levels = d->o.wake_idle == WAKE_IDLE_267 && depth(d, dst) > 1 ? 1 : depth(d, dst);

	if (e->is_idle(e, dst))
		return dst;
	for (unsigned k = 0; k < levels; k++) {
		const struct rpl_span *s = sd_of(d, dst, k)->span;

		if (!(s->par.flags & RPL_SD_WAKE_IDLE))
			break;
		for (unsigned i = 0; i < s->n; i++)
			if (rpl_may_use(e, s->cpu[i], p->allowed) && e->is_idle(e, s->cpu[i]))
				return s->cpu[i];
	}
	return dst;
}

static bool pull_to_waker(const struct rpl_engine *e, const struct domain *d, const struct rpl_place *p, unsigned prev,
			  unsigned this, const struct rpl_task_view *v)
{
	uint32_t load = d->source[prev], mine = d->target[this];

	if (p->sync)
		mine -= mine < SCALE ? mine : SCALE;
	if (d->o.wake == WAKE_267 ? load < SCALE / 2 && mine > SCALE / 2 :
				    load < SCALE && load + mine > SCALE && mine > load)
		return false;
	for (unsigned k = 0; k < depth(d, this); k++) {
		const struct domain_sd *sd = sd_of(d, this, k);
		const struct rpl_sd_params *par = &sd->span->par;
		unsigned limit = par->imbalance_pct + (par->imbalance_pct - 100) / 2;

		if (((par->flags & RPL_SD_WAKE_AFFINE && !is_hot(e, d, sd, prev, v)) ||
		     (par->flags & RPL_SD_WAKE_BALANCE && limit * mine <= 100 * load)) &&
		    rpl_span_has(&d->tree, sd->span, prev))
			return true;
	}
	return false;
}

static int place_wake(const struct rpl_engine *e, const struct domain *d, const struct rpl_place *p, unsigned prev,
		      unsigned this)
{
	struct rpl_task_view v;
	unsigned dst = prev;

	e->task(e, p->task, &v);
	if (v.running)
		return (int)prev;
	if (prev != this && rpl_may_use(e, this, p->allowed) && pull_to_waker(e, d, p, prev, this, &v))
		dst = this;
	return (int)wake_idle(e, d, dst, p);
}

/* The largest domain of this cpu that has one of the flags is searched. */
static int find_idlest(const struct rpl_engine *e, const struct domain *d, const struct rpl_place *p, unsigned this,
		       unsigned flags)
{
	const struct rpl_span *s = NULL;
	uint64_t min = UINT64_MAX, mine;
	unsigned best = this;

	for (unsigned k = 0; k < depth(d, this); k++)
		if (sd_of(d, this, k)->span->par.flags & flags)
			s = sd_of(d, this, k)->span;
	if (!s)
		return (int)this;
	for (unsigned i = 0; i < s->n && min; i++) {
		unsigned cpu = s->cpu[i];

		if (d->target[cpu] < min && rpl_may_use(e, cpu, p->allowed)) {
			min = d->target[cpu];
			best = cpu;
		}
	}
	/* The exec'ing task is in nr_running already and counts twice here: so does 2.6.7. */
	mine = (uint64_t)d->source[this] + SCALE;
	return min < UINT64_MAX && min * (100 + (s->par.imbalance_pct - 100) / 2) < mine * 100 ? (int)best : (int)this;
}

static int place_fork(const struct rpl_engine *e, const struct domain *d, const struct rpl_place *p, unsigned this)
{
	switch (d->o.clone) {
	case CLONE_THREADS:
		/* A process's child stays: copying its page tables has warmed this cpu's cache. */
		return p->thread ? find_idlest(e, d, p, this, RPL_SD_CLONE) : (int)this;
	case CLONE_ALL:
		return find_idlest(e, d, p, this, RPL_SD_CLONE | RPL_SD_EXEC);
	default:
		return (int)this;
	}
}

static int domain_place(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	struct domain *d = state;
	int this = p->this_cpu, prev = p->prev_cpu, cpu;

	if (prev < 0 || !rpl_may_use(e, (unsigned)prev, NULL))
		prev = this;
	if (this < 0 || !rpl_may_use(e, (unsigned)this, NULL))
		this = prev;
	if (this < 0 || !rpl_may_use(e, (unsigned)this, NULL))
		return rpl_allowed_or(e, -1, -1, p->allowed);
	switch (p->why) {
	case SR_CAUSE_WAKE:
		cpu = place_wake(e, d, p, (unsigned)prev, (unsigned)this);
		break;
	case SR_CAUSE_FORK:
		cpu = place_fork(e, d, p, (unsigned)this);
		break;
	default:
		cpu = e->nr_running(e, (unsigned)this) <= 1 ? this : find_idlest(e, d, p, (unsigned)this, RPL_SD_EXEC);
	}
	return rpl_allowed_or(e, cpu, prev, p->allowed);
}

/* ---- balancing ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Would the two groups, between them, do more if one task were moved? From loads to used power and back. */
static bool gains(const struct domain *d, const struct rpl_group *busiest, const struct rpl_group *local,
		  uint64_t busiest_load, uint64_t local_load)
{
	uint64_t now, then = 0, t;

	now = (busiest->power * least(busiest_load, SCALE) + local->power * least(local_load, SCALE)) / SCALE;
	t = SCALE * SCALE / busiest->power;
	if (busiest_load > t)
		then = busiest->power * least(busiest_load - t, SCALE);
	t = SCALE * SCALE / local->power;
	if (d->o.busiest == BUSIEST_267)
		t = least(t, busiest_load);
	else if (busiest_load * busiest->power < SCALE * SCALE)
		t = busiest_load * busiest->power / local->power;
	then = (then + local->power * least(local_load + t, SCALE)) / SCALE;
	return d->o.busiest == BUSIEST_267 ? then >= now + SCALE / 8 : then > now;
}

/*
 * The load that one task is of a group. 2.6.7 knew no group that is less than a whole cpu, and says 128: of a smaller one a
 * task alone is more than that, and would wander for ever between CPUs that are alike.
 */
static uint64_t one_task(const struct rpl_group *g)
{
	return g->power < SCALE ? SCALE * SCALE / g->power : SCALE;
}

static const struct rpl_group *find_busiest_group(const struct domain *d, const struct domain_sd *sd, enum idle idle,
						  unsigned *tasks)
{
	const struct rpl_span *s = sd->span;
	const struct rpl_group *busiest = NULL, *local = own_group(sd);
	uint64_t total = 0, power = 0, busiest_load = 0, local_load = 0, avg, moved;

	for (unsigned k = 0; k < s->ngroups; k++) {
		const struct rpl_group *g = &s->group[(sd->own + k) % s->ngroups];
		struct domain_sum sum = group_load(d, g);
		uint64_t load = g == local ? sum.target : sum.source;

		total += load;
		power += g->power;
		load = load * SCALE / g->power;
		if (g == local) {
			local_load = load;
		} else if (load > busiest_load) {
			busiest_load = load;
			busiest = g;
		}
	}
	*tasks = 1;
	if (!busiest || local_load >= busiest_load)
		goto balanced;
	avg = SCALE * total / power;
	if (local_load >= avg || 100 * busiest_load <= s->par.imbalance_pct * local_load)
		goto balanced;
	if (d->o.busiest == BUSIEST_267) {
		moved = least(busiest_load - avg, avg - local_load) * least(busiest->power, local->power) / SCALE + 1;
	} else {
		moved = least((busiest_load - avg) * busiest->power, (avg - local_load) * local->power) / SCALE;
	}
	if (moved >= SCALE) {
		*tasks = (unsigned)(moved / SCALE);
		return busiest;
	}
	/* Two tasks apart, so that one can come without making this group the busiest. */
	if (busiest_load - local_load >= 2 * SCALE && busiest_load - local_load > one_task(local))
		return busiest;
	if (gains(d, busiest, local, busiest_load, local_load))
		return busiest;
balanced:
	if (!busiest || idle == NOT_IDLE)
		return NULL;
	if (idle == NEWLY_IDLE && d->o.wake == WAKE_267)
		return busiest;
	return busiest_load > one_task(local) ? busiest : NULL;
}

static int find_busiest_queue(const struct domain *d, const struct rpl_group *g)
{
	uint32_t max = 0;
	int busiest = -1;

	for (unsigned i = 0; i < g->n; i++)
		if (d->source[g->cpu[i]] > max) {
			max = d->source[g->cpu[i]];
			busiest = g->cpu[i];
		}
	return busiest;
}

/* A move of tasks under way. */
struct move {
	const struct domain_sd *sd;
	unsigned from, to;
	enum idle idle;
	bool core_idle; /* when it began: the core of the cpu that they come to */
	int running;    /* a pusher has preempted it; -1: nobody */
};

/* May the task, which does not run, go: its affinity, its cache. */
static bool may_leave(const struct rpl_engine *e, const struct domain *d, const struct move *m,
		      const struct rpl_task_view *v)
{
	unsigned tries = m->sd->span->par.nice_tries;

	if (!rpl_may_use(e, m->to, v->allowed))
		return false;
	/* A newly idle cpu is not idle yet. */
	if (d->o.migrate == MIGRATE_2611 ? m->sd->failed > tries || (m->idle != NEWLY_IDLE && m->core_idle) :
					   m->idle != NEWLY_IDLE && m->sd->failed >= tries)
		return true;
	return !is_hot(e, d, m->sd, m->from, v);
}

static bool can_move(const struct rpl_engine *e, const struct domain *d, const struct move *m, int task)
{
	struct rpl_task_view v;

	e->task(e, task, &v);
	return !v.running && may_leave(e, d, m, &v);
}

/*
 * What a pusher finds when it has taken the cpu from the running task: that one left after the last tick and is never
 * hot. Who would have come after it is one that waits.
 */
static bool push_running(struct rpl_engine *e, struct domain *d, const struct move *m)
{
	struct rpl_task_view v;

	e->task(e, m->running, &v);
	return (m->running == d->preempted ? rpl_may_use(e, m->to, v.allowed) : may_leave(e, d, m, &v)) &&
	       !e->push(e, m->running, m->to, SR_CAUSE_ACTIVE);
}

/*
 * Up to n tasks: the best priority first, and of one priority the one that came last. (2.6.7 takes the expired array
 * before the active one; which tasks have used up their slice an engine cannot know.) The one that a pusher has
 * preempted heads the list of its priority, so that it is the last one of it.
 */
static unsigned move_tasks(struct rpl_engine *e, struct domain *d, struct move *m, unsigned n, enum sr_cause cause)
{
	unsigned queued = e->queue(e, m->from, d->queue, MAX_QUEUE), moved = 0;
	int below = INT16_MIN, running_prio = INT16_MAX;
	struct rpl_task_view v;

	m->core_idle = core_is_idle(e, d, m->to);
	for (unsigned i = 0; i < queued; i++) {
		e->task(e, d->queue[i], &v);
		d->prio[i] = v.prio;
	}
	if (m->running >= 0) {
		e->task(e, m->running, &v);
		running_prio = v.prio;
	}
	while (moved < n) {
		int next = running_prio > below ? running_prio : INT16_MAX;

		for (unsigned i = 0; i < queued; i++)
			if (d->prio[i] > below && d->prio[i] < next)
				next = d->prio[i];
		if (next == INT16_MAX)
			break;
		for (unsigned i = queued; i-- > 0 && moved < n;)
			if (d->prio[i] == next && can_move(e, d, m, d->queue[i]) &&
			    !e->migrate(e, d->queue[i], m->to, cause))
				moved++;
		if (moved < n && running_prio == next)
			moved += push_running(e, d, m);
		below = next;
	}
	return moved;
}

static unsigned pull(struct rpl_engine *e, struct domain *d, const struct domain_sd *sd, unsigned from, unsigned to,
		     unsigned n, enum idle idle)
{
	struct move m = { .sd = sd, .from = from, .to = to, .idle = idle, .running = -1 };

	return move_tasks(e, d, &m, n, idle == NEWLY_IDLE ? SR_CAUSE_NEWIDLE : SR_CAUSE_TICK);
}

static void push_one(struct rpl_engine *e, struct domain *d, const struct domain_sd *sd, unsigned busiest, unsigned to)
{
	struct move m = { .sd = sd, .from = busiest, .to = to, .idle = IDLE, .running = e->current(e, busiest) };

	move_tasks(e, d, &m, 1, SR_CAUSE_ACTIVE);
}

/*
 * What 2.6.7's migration thread of a busy cpu does when asked: every group of the lowest domain that holds both CPUs
 * gets one task on its last cpu if all of it idles.
 */
static void push_to_groups(struct rpl_engine *e, struct domain *d, unsigned busiest, unsigned this)
{
	const struct domain_sd *sd = NULL;

	for (unsigned k = 0; k < depth(d, busiest) && !sd; k++)
		if (rpl_span_has(&d->tree, sd_of(d, busiest, k)->span, this))
			sd = sd_of(d, busiest, k);
	for (unsigned k = 0; sd && k < sd->span->ngroups && e->nr_running(e, busiest); k++) {
		const struct rpl_group *g = &sd->span->group[(sd->own + k) % sd->span->ngroups];
		bool idle = k > 0;

		for (unsigned i = 0; i < g->n && idle; i++)
			idle = e->is_idle(e, g->cpu[i]);
		if (idle)
			push_one(e, d, sd, busiest, g->cpu[g->n - 1]);
	}
}

/* What it does since 2.6.10: upwards through all domains, to a cpu of each group whose core idles; since 2.6.11 to all
 * such CPUs. */
static void push_upwards(struct rpl_engine *e, struct domain *d, unsigned busiest)
{
	memset(d->visited, 0, (e->ncpus + 63) / 64 * sizeof(*d->visited));
	for (unsigned level = 0; level < depth(d, busiest); level++) {
		const struct domain_sd *sd = sd_of(d, busiest, level);

		for (unsigned k = 0; k < sd->span->ngroups; k++) {
			const struct rpl_group *g = &sd->span->group[(sd->own + k) % sd->span->ngroups];

			for (unsigned i = 0; i < g->n; i++) {
				unsigned to = g->cpu[i];

				if (!e->nr_running(e, busiest))
					return;
				if (d->visited[to / 64] >> (to % 64) & 1)
					continue;
				d->visited[to / 64] |= 1ull << (to % 64);
				if (to == busiest || !core_is_idle(e, d, to))
					continue;
				push_one(e, d, sd, busiest, to);
				if (d->o.push == PUSH_2610)
					break;
			}
		}
	}
}

static void active_balance(struct rpl_engine *e, struct domain *d, unsigned busiest, unsigned this)
{
	if (d->o.push == PUSH_NO || !(e->caps & RPL_CAN_PUSH))
		return;
	d->preempted = e->current(e, busiest);
	if (d->o.push == PUSH_267)
		push_to_groups(e, d, busiest, this);
	else
		push_upwards(e, d, busiest);
}

static unsigned load_balance(struct rpl_engine *e, struct domain *d, unsigned this, struct domain_sd *sd,
			     enum idle idle)
{
	const struct rpl_sd_params *par = &sd->span->par;
	unsigned n, moved = 0;
	const struct rpl_group *g = find_busiest_group(d, sd, idle, &n);
	int busiest = g ? find_busiest_queue(d, g) : -1;

	if (busiest < 0 || (unsigned)busiest == this) {
		if (sd->interval_ms < par->max_ms)
			sd->interval_ms *= 2;
		return 0;
	}
	if (e->nr_running(e, (unsigned)busiest) > 1)
		moved = pull(e, d, sd, (unsigned)busiest, this, n, idle);
	if (moved) {
		sd->failed = 0;
		sd->interval_ms = par->min_ms;
		return moved;
	}
	sd->failed++;
	if (sd->failed > par->nice_tries + 2) {
		active_balance(e, d, (unsigned)busiest, this);
		sd->failed = par->nice_tries;
	}
	if (d->o.failed == FAILED_RESET)
		sd->interval_ms = par->min_ms;
	else if (sd->interval_ms < par->max_ms)
		sd->interval_ms++;
	return 0;
}

/* Each cpu's clock is shifted by its share of a second, so that not all balance in the same tick. */
static uint64_t jiffies(const struct rpl_engine *e, const struct domain *d, unsigned cpu)
{
	return e->now_ns(e) / d->o.tick_ns + 1000 * NS_PER_MS / d->o.tick_ns * cpu / e->ncpus;
}

static uint64_t interval(const struct domain *d, const struct domain_sd *sd, enum idle idle)
{
	uint64_t ms = sd->interval_ms, n;

	if (idle != IDLE)
		ms *= sd->span->par.busy_factor;
	n = ms * NS_PER_MS / d->o.tick_ns;
	return n ? n : 1;
}

static void domain_tick(struct rpl_engine *e, void *state, unsigned cpu)
{
	struct domain *d = state;
	uint64_t now = jiffies(e, d, cpu);
	enum idle idle = e->is_idle(e, cpu) ? IDLE : NOT_IDLE;

	/* Tasks that wait in vain make it no idle one. */
	if (d->smtnice) {
		smtnice_tick(d, e, cpu);
		if (e->nr_running(e, cpu))
			idle = NOT_IDLE;
	}
	update_load(e, d, cpu);
	for (unsigned k = 0; k < depth(d, cpu); k++) {
		struct domain_sd *sd = sd_of(d, cpu, k);
		uint64_t n = interval(d, sd, idle);

		/* As if this kernel had been up for long: the shift is there, its catching up at boot is past. */
		if (!d->ticked[cpu])
			sd->last_balance = now - now % interval(d, sd, NOT_IDLE);
		if (now - sd->last_balance < n)
			continue;
		if (load_balance(e, d, cpu, sd, idle))
			idle = NOT_IDLE;
		sd->last_balance += n;
	}
	d->ticked[cpu] = true;
}

static void domain_newidle(struct rpl_engine *e, void *state, unsigned cpu)
{
	struct domain *d = state;

	for (unsigned k = 0; k < depth(d, cpu); k++) {
		struct domain_sd *sd = sd_of(d, cpu, k);
		const struct rpl_group *g;
		unsigned n;
		int busiest;

		if (!(sd->span->par.flags & RPL_SD_NEWIDLE))
			continue;
		g = find_busiest_group(d, sd, NEWLY_IDLE, &n);
		busiest = g ? find_busiest_queue(d, g) : -1;
		if (busiest >= 0 && (unsigned)busiest != cpu && pull(e, d, sd, (unsigned)busiest, cpu, n, NEWLY_IDLE))
			return;
	}
}

static void domain_changed(struct rpl_engine *e, void *state, unsigned cpu, int task)
{
	struct domain *d = state;

	refresh_load(e, d, cpu);
	if (d->smtnice)
		smtnice_look(d, e, cpu);
}

/* ---- init ---- */

static void *allocate(void *arg, size_t n, size_t size)
{
	struct rpl_engine *e = arg;

	return e->alloc(e, n, size);
}

static int build(struct rpl_engine *e, struct domain *d, struct sr_error *err)
{
	struct rpl_sd_config cfg;

	domain_config(&d->o, &cfg);
	if (rpl_domains_build(&d->tree, e->machine, &cfg, allocate, e, err))
		return -1;
	d->smt = d->tree.nlevels && d->tree.level[0].span[0].par.flags & RPL_SD_SHARE_CPUPOWER;
	d->sd = e->alloc(e, (size_t)e->ncpus * d->tree.nlevels + 1, sizeof(*d->sd));
	d->cpu_load = e->alloc(e, e->ncpus, sizeof(*d->cpu_load));
	d->source = e->alloc(e, e->ncpus, sizeof(*d->source));
	d->target = e->alloc(e, e->ncpus, sizeof(*d->target));
	for (unsigned l = 0; l < d->tree.nlevels && !d->tree.level[l].distance; l++) {
		d->sum[l] = e->alloc(e, d->tree.level[l].nspans, sizeof(*d->sum[l]));
		if (!d->sum[l])
			return sr_fail(err, SR_ENVIRONMENT, "policy domain: out of memory");
	}
	d->ticked = e->alloc(e, e->ncpus, sizeof(*d->ticked));
	d->queue = e->alloc(e, MAX_QUEUE, sizeof(*d->queue));
	d->prio = e->alloc(e, MAX_QUEUE, sizeof(*d->prio));
	d->visited = e->alloc(e, e->ncpus / 64 + 1, sizeof(*d->visited));
	if (!d->sd || !d->cpu_load || !d->source || !d->target || !d->ticked || !d->queue || !d->prio || !d->visited)
		return sr_fail(err, SR_ENVIRONMENT, "policy domain: out of memory");
	for (unsigned cpu = 0; cpu < e->ncpus; cpu++)
		for (unsigned k = 0; k < depth(d, cpu); k++) {
			const struct rpl_sd *in = &rpl_stack(&d->tree, cpu)[k];

			*sd_of(d, cpu, k) = (struct domain_sd){ .span = in->span,
								.own = in->own,
								.interval_ms = in->span->par.start_ms };
		}
	return 0;
}

static int domain_init(struct rpl_engine *e, const char *options, void **state, struct sr_error *err)
{
	struct domain *d = e->alloc(e, 1, sizeof(*d));

	if (!d)
		return sr_fail(err, SR_ENVIRONMENT, "policy domain: out of memory");
	if (domain_options(&d->o, options, err) || build(e, d, err) || (d->o.smtnice == ON && smtnice_init(d, e, err)))
		return -1;
	e->tick_ns = d->o.tick_ns;
	*state = d;
	return 0;
}

const struct rpl_policy rpl_policy_domain = {
	.version = RPL_POLICY_VERSION,
	.name = "domain",
	.summary = "Linux 2.6.7's scheduling domains: thresholds, intervals and cache-hotness by level (SMT, node, "
		   "machine)",
	.text = "Each CPU has a stack of spans: its core (where cores have several CPUs), its node, the machine; each "
		"parted "
		"into groups between which tasks move when loads differ by more than the level's threshold. A thread "
		"that "
		"is created and a program that is executed go to the idlest CPU, a process's child stays, a woken task "
		"stays or comes to its waker. CPUs balance in their ticks, pull when they run empty, and after "
		"repeated "
		"failures push the running task away. `schedrec topology` draws the spans.",
	.sources = "Linux 2.6.7 (June 2004): kernel/sched.c, include/linux/sched.h, arch/i386/kernel/smpboot.c, "
		   "Documentation/sched-domains.txt; the options are those of later kernels",
	.cost = "wake O(levels); fork of a thread, exec O(CPUs); tick O(groups) when a level is due",
	.options = domain_rows,
	.pins = true,
	.ticks = true,
	.tick_ns = NS_PER_MS,
	.init = domain_init,
	.place = domain_place,
	.enqueue = domain_changed,
	.dequeue = domain_changed,
	.tick = domain_tick,
	.newidle = domain_newidle,
};
