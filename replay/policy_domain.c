/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scheduling domains as of Linux 2.6.7 (June 2004): a hierarchy of spans around each cpu, each span parted into
 * groups, tasks moving between the groups of a span only when its thresholds say so.
 *
 *   NODE     span: the machine    groups: its nodes         (only with more than one node)
 *   CPU      span: a node         groups: its cores, which were packages in 2004
 *   SIBLING  span: a core         groups: its CPUs          (only where some core has several)
 *
 * POLICIES.md says what is faithful, what is not and which options there are.
 */
#include <stdlib.h>
#include <string.h>

#include "formats/option.h"
#include "replay/policy.h"
#include "replay/policy_util.h"

#define SCALE 128u /* one full cpu: loads, powers */
#define NS_PER_MS 1000000u
#define MAX_QUEUE 4096 /* tasks of one queue that are looked at */

enum { NEWIDLE = 1, EXEC = 2, CLONE = 4, WAKE_IDLE = 8, WAKE_AFFINE = 16, WAKE_BALANCE = 32 };
enum { SIBLING, CPU, NODE, LEVELS };
enum idle { IDLE, NOT_IDLE, NEWLY_IDLE };

struct params {
	unsigned min_ms, max_ms, busy_factor, imbalance_pct, nice_tries, flags;
	uint64_t hot_ns;
};

static const struct params tables_267[LEVELS] = {
	[SIBLING] = { 1, 2, 8, 110, 0, NEWIDLE | EXEC | CLONE | WAKE_AFFINE | WAKE_IDLE, 0 },
	[CPU] = { 1, 4, 64, 125, 1, NEWIDLE | EXEC | CLONE | WAKE_AFFINE | WAKE_BALANCE, 2500000 },
	[NODE] = { 8, 32, 32, 125, 1, EXEC | CLONE | WAKE_BALANCE, 10000000 },
};

static const struct params tables_2610[LEVELS] = {
	[SIBLING] = { 1, 2, 8, 110, 0, NEWIDLE | EXEC | WAKE_AFFINE | WAKE_IDLE, 0 },
	[CPU] = { 1, 4, 64, 125, 1, NEWIDLE | EXEC | WAKE_AFFINE | WAKE_IDLE | WAKE_BALANCE, 2500000 },
	[NODE] = { 8, 32, 32, 125, 1, NEWIDLE | EXEC | WAKE_IDLE | WAKE_BALANCE, 10000000 },
};

struct group {
	const uint16_t *cpu; /* ascending */
	unsigned n, power;
};

struct span {
	const uint16_t *cpu; /* ascending */
	unsigned n;
	struct group *group; /* by their first cpu */
	unsigned ngroups;
};

/* One a cpu and level: what its owner remembers. */
struct sd {
	const struct params *par;
	const struct span *span;
	unsigned own;          /* the owner's group */
	uint64_t last_balance; /* jiffies */
	unsigned interval_ms, failed;
};

struct level {
	uint16_t *span_cpus, *group_cpus; /* what the spans and groups point into */
	struct span *span;
	struct group *group;
};

struct domain {
	struct params par[LEVELS];
	bool hot_267, push, failed_grows;
	uint64_t tick_ns;
	unsigned nlevels;
	struct level level[LEVELS];
	struct sd *sd; /* [cpu * nlevels + level] */
	uint32_t *cpu_load;
	bool *ticked;
	int *queue;
	int16_t *prio; /* of the queue's tasks */
};

/* ---- load ---- */

static uint32_t now_load(const struct rpl_engine *e, unsigned cpu)
{
	return e->nr_running(e, cpu) * SCALE;
}

/* The low guess, for a cpu that tasks would leave. */
static uint32_t source_load(const struct rpl_engine *e, const struct domain *d, unsigned cpu)
{
	uint32_t now = now_load(e, cpu);

	return d->cpu_load[cpu] < now ? d->cpu_load[cpu] : now;
}

/* The high guess, for a cpu that tasks would come to. */
static uint32_t target_load(const struct rpl_engine *e, const struct domain *d, unsigned cpu)
{
	uint32_t now = now_load(e, cpu);

	return d->cpu_load[cpu] > now ? d->cpu_load[cpu] : now;
}

/* Half-life one tick; rounded up, so that it reaches a load that stays. */
static void update_load(const struct rpl_engine *e, struct domain *d, unsigned cpu)
{
	uint32_t now = now_load(e, cpu), old = d->cpu_load[cpu];

	if (now > old)
		old++;
	d->cpu_load[cpu] = (old + now) / 2;
}

static struct sd *sd_of(const struct domain *d, unsigned cpu, unsigned level)
{
	return &d->sd[(size_t)cpu * d->nlevels + level];
}

/* Spans of a level are disjoint, so that a cpu is in a span when that is its own. */
static bool in_span(const struct domain *d, const struct sd *sd, unsigned level, unsigned cpu)
{
	return sd_of(d, cpu, level)->span == sd->span;
}

/*
 * Has the task run so recently that its cache is worth more than the move? Measured to the last tick of its cpu.
 * 2.6.7 takes the later of the last run and the last enqueue, and an unsigned difference: what happened after the last
 * tick counts as ages ago (fixed in October 2004: signed, last run only).
 */
static bool is_hot(const struct rpl_engine *e, const struct domain *d, const struct sd *sd, unsigned cpu,
		   const struct rpl_task_view *v)
{
	uint64_t tick = e->last_tick_ns(e, cpu), at = v->last_ran_ns;

	if (d->hot_267 ? v->last_queued_ns > at : !at)
		at = v->last_queued_ns;
	if (d->hot_267)
		return tick - at < sd->par->hot_ns;
	return (int64_t)(tick - at) < (int64_t)sd->par->hot_ns;
}

/* ---- placement ---- */

static unsigned wake_idle(const struct rpl_engine *e, const struct domain *d, unsigned dst, const struct rpl_place *p)
{
	const struct sd *base = sd_of(d, dst, 0);

	if (e->is_idle(e, dst) || !(base->par->flags & WAKE_IDLE))
		return dst;
	for (unsigned i = 0; i < base->span->n; i++) {
		unsigned cpu = base->span->cpu[i];

		if (rpl_may_use(e, cpu, p->allowed) && e->is_idle(e, cpu))
			return cpu;
	}
	return dst;
}

static bool pull_to_waker(const struct rpl_engine *e, const struct domain *d, const struct rpl_place *p, unsigned prev,
			  unsigned this, const struct rpl_task_view *v)
{
	uint32_t load = source_load(e, d, prev), mine = target_load(e, d, this);

	if (p->sync)
		mine -= mine < SCALE ? mine : SCALE;
	if (load < SCALE / 2 && mine > SCALE / 2)
		return false;
	for (unsigned l = 0; l < d->nlevels; l++) {
		const struct sd *sd = sd_of(d, this, l);
		unsigned pct = sd->par->imbalance_pct, limit = pct + (pct - 100) / 2;

		if (((sd->par->flags & WAKE_AFFINE && !is_hot(e, d, sd, prev, v)) ||
		     (sd->par->flags & WAKE_BALANCE && limit * mine <= 100 * load)) &&
		    in_span(d, sd, l, prev))
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

/* The largest domain of this cpu that has the flag is searched. */
static int find_idlest(const struct rpl_engine *e, const struct domain *d, const struct rpl_place *p, unsigned this,
		       unsigned flag)
{
	const struct sd *sd = NULL;
	uint64_t min = UINT64_MAX, mine;
	unsigned best = this;

	for (unsigned l = 0; l < d->nlevels; l++)
		if (sd_of(d, this, l)->par->flags & flag)
			sd = sd_of(d, this, l);
	if (!sd)
		return (int)this;
	for (unsigned i = 0; i < sd->span->n && min; i++) {
		unsigned cpu = sd->span->cpu[i];
		uint32_t load;

		if (!rpl_may_use(e, cpu, p->allowed))
			continue;
		load = target_load(e, d, cpu);
		if (load < min) {
			min = load;
			best = cpu;
		}
	}
	/* The exec'ing task is in nr_running already and counts twice here: so does 2.6.7. */
	mine = source_load(e, d, this) + SCALE;
	return min < UINT64_MAX && min * (100 + (sd->par->imbalance_pct - 100) / 2) < mine * 100 ? (int)best :
												   (int)this;
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
		/* A process's child stays: copying its page tables has warmed this cpu's cache. */
		cpu = p->thread ? find_idlest(e, d, p, (unsigned)this, CLONE) : this;
		break;
	default:
		cpu = e->nr_running(e, (unsigned)this) <= 1 ? this : find_idlest(e, d, p, (unsigned)this, EXEC);
	}
	return rpl_allowed_or(e, cpu, prev, p->allowed);
}

/* ---- balancing ---- */

static const struct group *find_busiest_group(const struct rpl_engine *e, const struct domain *d, const struct sd *sd,
					      enum idle idle, unsigned *tasks)
{
	const struct group *busiest = NULL, *local = &sd->span->group[sd->own];
	uint64_t total = 0, power = 0, busiest_load = 0, local_load = 0, avg, moved, now, t;

	for (unsigned k = 0; k < sd->span->ngroups; k++) {
		const struct group *g = &sd->span->group[(sd->own + k) % sd->span->ngroups];
		uint64_t load = 0;

		for (unsigned i = 0; i < g->n; i++)
			load += g == local ? target_load(e, d, g->cpu[i]) : source_load(e, d, g->cpu[i]);
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
	if (!busiest || local_load >= busiest_load)
		goto balanced;
	avg = SCALE * total / power;
	if (local_load >= avg || 100 * busiest_load <= sd->par->imbalance_pct * local_load)
		goto balanced;
	moved = busiest_load - avg < avg - local_load ? busiest_load - avg : avg - local_load;
	moved = moved * (busiest->power < local->power ? busiest->power : local->power) / SCALE;
	if (moved >= SCALE - 1) {
		*tasks = (unsigned)((moved + 1) / SCALE);
		return busiest;
	}
	/* Less than a task: is one worth it? Compare the throughput before and after. */
	*tasks = 1;
	if (busiest_load - local_load >= 2 * SCALE)
		return busiest;
	now = (busiest->power * (busiest_load < SCALE ? busiest_load : SCALE) +
	       local->power * (local_load < SCALE ? local_load : SCALE)) /
	      SCALE;
	t = SCALE * SCALE / busiest->power;
	moved = 0;
	if (busiest_load > t)
		moved = busiest->power * (busiest_load - t < SCALE ? busiest_load - t : SCALE);
	t = SCALE * SCALE / local->power;
	if (busiest_load < t)
		t = busiest_load;
	moved = (moved + local->power * (local_load + t < SCALE ? local_load + t : SCALE)) / SCALE;
	if (moved >= now + SCALE / 8)
		return busiest;
balanced:
	*tasks = 1;
	if (busiest && (idle == NEWLY_IDLE || (idle == IDLE && busiest_load > SCALE)))
		return busiest;
	return NULL;
}

static int find_busiest_queue(const struct rpl_engine *e, const struct domain *d, const struct group *g)
{
	uint32_t max = 0;
	int busiest = -1;

	for (unsigned i = 0; i < g->n; i++) {
		uint32_t load = source_load(e, d, g->cpu[i]);

		if (load > max) {
			max = load;
			busiest = g->cpu[i];
		}
	}
	return busiest;
}

static bool can_move(const struct rpl_engine *e, const struct domain *d, const struct sd *sd, unsigned from,
		     unsigned to, int task, enum idle idle)
{
	struct rpl_task_view v;

	e->task(e, task, &v);
	if (v.running || !rpl_may_use(e, to, v.allowed))
		return false;
	if (idle == NEWLY_IDLE || sd->failed < sd->par->nice_tries)
		return !is_hot(e, d, sd, from, &v);
	return true;
}

/*
 * Up to n queued tasks: the best priority first, and of one priority the one that came last. (2.6.7 takes the expired
 * array before the active one; which tasks have used up their slice an engine cannot know.)
 */
static unsigned move_tasks(struct rpl_engine *e, struct domain *d, const struct sd *sd, unsigned from, unsigned to,
			   unsigned n, enum idle idle, enum sr_cause cause)
{
	unsigned queued = e->queue(e, from, d->queue, MAX_QUEUE), moved = 0;
	int below = INT16_MIN;

	for (unsigned i = 0; i < queued; i++) {
		struct rpl_task_view v;

		e->task(e, d->queue[i], &v);
		d->prio[i] = v.prio;
	}
	while (moved < n) {
		int next = INT16_MAX;

		for (unsigned i = 0; i < queued; i++)
			if (d->prio[i] > below && d->prio[i] < next)
				next = d->prio[i];
		if (next == INT16_MAX)
			break;
		for (unsigned i = queued; i-- > 0 && moved < n;)
			if (d->prio[i] == next && can_move(e, d, sd, from, to, d->queue[i], idle) &&
			    !e->migrate(e, d->queue[i], to, cause))
				moved++;
		below = next;
	}
	return moved;
}

/*
 * What 2.6.7's migration thread of a busy cpu does when asked: every group of the lowest domain that holds both CPUs
 * gets one task on its last cpu if all of it idles. The running task is a candidate, since that thread has
 * just preempted it; it never counts as hot, as it did not in 2.6.7 (it left after the last tick).
 */
static void active_balance(struct rpl_engine *e, struct domain *d, unsigned busiest, unsigned this)
{
	const struct sd *sd = NULL;
	int running;

	if (!e->nr_running(e, busiest))
		return;
	for (unsigned l = 0; l < d->nlevels && !sd; l++)
		if (in_span(d, sd_of(d, busiest, l), l, this))
			sd = sd_of(d, busiest, l);
	if (!sd)
		return;
	running = e->current(e, busiest);
	for (unsigned k = 0; k < sd->span->ngroups; k++) {
		const struct group *g = &sd->span->group[k];
		bool idle = k != sd->own;
		unsigned to = g->cpu[g->n - 1];
		struct rpl_task_view v;

		for (unsigned i = 0; i < g->n && idle; i++)
			idle = e->is_idle(e, g->cpu[i]);
		if (!idle || move_tasks(e, d, sd, busiest, to, 1, IDLE, SR_CAUSE_ACTIVE))
			continue;
		if (running < 0)
			continue;
		e->task(e, running, &v);
		if (rpl_may_use(e, to, v.allowed) && !e->push(e, running, to, SR_CAUSE_ACTIVE))
			running = -1;
	}
}

static unsigned load_balance(struct rpl_engine *e, struct domain *d, unsigned this, struct sd *sd, enum idle idle)
{
	unsigned n, moved = 0;
	const struct group *g = find_busiest_group(e, d, sd, idle, &n);
	int busiest = g ? find_busiest_queue(e, d, g) : -1;

	if (busiest < 0 || (unsigned)busiest == this) {
		if (sd->interval_ms < sd->par->max_ms)
			sd->interval_ms *= 2;
		return 0;
	}
	if (e->nr_running(e, (unsigned)busiest) > 1)
		moved = move_tasks(e, d, sd, (unsigned)busiest, this, n, idle, SR_CAUSE_TICK);
	if (moved) {
		sd->failed = 0;
		sd->interval_ms = sd->par->min_ms;
		return moved;
	}
	sd->failed++;
	if (sd->failed > sd->par->nice_tries + 2) {
		if (d->push && e->caps & RPL_CAN_PUSH)
			active_balance(e, d, (unsigned)busiest, this);
		sd->failed = sd->par->nice_tries;
	}
	if (!d->failed_grows)
		sd->interval_ms = sd->par->min_ms;
	else if (sd->interval_ms < sd->par->max_ms)
		sd->interval_ms++;
	return 0;
}

/* Each cpu's clock is shifted by its share of a second, so that not all balance in the same tick. */
static uint64_t jiffies(const struct rpl_engine *e, const struct domain *d, unsigned cpu)
{
	return e->now_ns(e) / d->tick_ns + 1000 * NS_PER_MS / d->tick_ns * cpu / e->ncpus;
}

static uint64_t interval(const struct domain *d, const struct sd *sd, enum idle idle)
{
	uint64_t ms = sd->interval_ms, n;

	if (idle != IDLE)
		ms *= sd->par->busy_factor;
	n = ms * NS_PER_MS / d->tick_ns;
	return n ? n : 1;
}

static void domain_tick(struct rpl_engine *e, void *state, unsigned cpu)
{
	struct domain *d = state;
	uint64_t now = jiffies(e, d, cpu);
	enum idle idle = e->is_idle(e, cpu) ? IDLE : NOT_IDLE;

	update_load(e, d, cpu);
	for (unsigned l = 0; l < d->nlevels; l++) {
		struct sd *sd = sd_of(d, cpu, l);
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

	for (unsigned l = 0; l < d->nlevels; l++) {
		struct sd *sd = sd_of(d, cpu, l);
		const struct group *g;
		unsigned n;
		int busiest;

		if (!(sd->par->flags & NEWIDLE))
			continue;
		g = find_busiest_group(e, d, sd, NEWLY_IDLE, &n);
		busiest = g ? find_busiest_queue(e, d, g) : -1;
		if (busiest >= 0 && (unsigned)busiest != cpu &&
		    move_tasks(e, d, sd, (unsigned)busiest, cpu, n, NEWLY_IDLE, SR_CAUSE_NEWIDLE))
			return;
	}
}

/* ---- building ---- */

/* What the CPUs of a span have in common; the groups of a span are the spans of the level below, CPUs for SIBLING. */
static unsigned key_of(const struct rpl_engine *e, unsigned cpu, int level)
{
	switch (level) {
	case SIBLING:
		return e->machine->v[cpu].core;
	case CPU:
		return e->machine->v[cpu].node;
	case NODE:
		return 0;
	default:
		return cpu;
	}
}

struct builder {
	uint16_t *online;
	unsigned n;
	int *run_of_key;
	unsigned *spans, *groups, *threads;
};

/*
 * Parts CPUs by key into out[], those of one key together and ascending, the runs in order of their first cpu. Run i
 * is out[start[i]] up to out[start[i + 1]]; their number is returned.
 */
static unsigned part(const struct rpl_engine *e, struct builder *b, const uint16_t *cpu, unsigned n, int level,
		     uint16_t *out, unsigned *start)
{
	unsigned runs = 0;

	for (unsigned i = 0; i < e->ncpus; i++)
		b->run_of_key[i] = -1;
	for (unsigned i = 0; i < n; i++) {
		int *run = &b->run_of_key[key_of(e, cpu[i], level)];

		if (*run < 0) {
			*run = (int)runs++;
			start[*run + 1] = 0;
		}
		start[*run + 1]++;
	}
	start[0] = 0;
	for (unsigned i = 1; i <= runs; i++)
		start[i] += start[i - 1];
	for (unsigned i = 0; i < n; i++)
		out[start[b->run_of_key[key_of(e, cpu[i], level)]]++] = cpu[i];
	for (unsigned i = runs; i > 0; i--)
		start[i] = start[i - 1];
	start[0] = 0;
	return runs;
}

/* A core of n threads is worth 128 + 128 * (n - 1) / 10, times its capacity (which was always full in 2004). */
static unsigned group_power(const struct rpl_engine *e, struct builder *b, const struct group *g)
{
	const struct sr_cpu *v = e->machine->v;
	unsigned power = 0;

	for (unsigned i = 0; i < g->n; i++)
		b->threads[v[g->cpu[i]].core]++;
	for (unsigned i = 0; i < g->n; i++) {
		unsigned *threads = &b->threads[v[g->cpu[i]].core];

		if (*threads)
			power += (SCALE + SCALE * (*threads - 1) / 10) * v[g->cpu[i]].capacity / 1024;
		*threads = 0;
	}
	return power ? power : 1;
}

static int build_level(struct rpl_engine *e, struct domain *d, struct builder *b, unsigned at, int level)
{
	struct level *l = &d->level[at];
	unsigned nspans, used = 0;

	l->span_cpus = e->alloc(e, b->n, sizeof(*l->span_cpus));
	l->group_cpus = e->alloc(e, b->n, sizeof(*l->group_cpus));
	l->span = e->alloc(e, b->n, sizeof(*l->span));
	l->group = e->alloc(e, b->n, sizeof(*l->group));
	if (!l->span_cpus || !l->group_cpus || !l->span || !l->group)
		return -1;
	nspans = part(e, b, b->online, b->n, level, l->span_cpus, b->spans);
	for (unsigned s = 0; s < nspans; s++) {
		struct span *span = &l->span[s];
		uint16_t *cpus = l->group_cpus + b->spans[s];

		span->cpu = l->span_cpus + b->spans[s];
		span->n = b->spans[s + 1] - b->spans[s];
		span->group = l->group + used;
		span->ngroups = part(e, b, span->cpu, span->n, level - 1, cpus, b->groups);
		used += span->ngroups;
		for (unsigned k = 0; k < span->ngroups; k++) {
			struct group *g = &span->group[k];

			g->cpu = cpus + b->groups[k];
			g->n = b->groups[k + 1] - b->groups[k];
			g->power = group_power(e, b, g);
			for (unsigned i = 0; i < g->n; i++)
				*sd_of(d, g->cpu[i], at) =
					(struct sd){ .par = &d->par[level], .span = span, .own = k, .interval_ms = 1 };
		}
	}
	return 0;
}

static int build(struct rpl_engine *e, struct domain *d)
{
	struct builder b = { .online = calloc(e->ncpus, sizeof(*b.online)),
			     .run_of_key = calloc(e->ncpus, sizeof(*b.run_of_key)),
			     .spans = calloc(e->ncpus + 1u, sizeof(*b.spans)),
			     .groups = calloc(e->ncpus + 1u, sizeof(*b.groups)),
			     .threads = calloc(e->ncpus, sizeof(*b.threads)) };
	bool smt = false, numa = false;
	int rc = -1;

	if (!b.online || !b.run_of_key || !b.spans || !b.groups || !b.threads)
		goto out;
	for (unsigned i = 0; i < e->ncpus; i++) {
		const struct sr_cpu *c = &e->machine->v[i];

		if (!c->online)
			continue;
		b.online[b.n++] = (uint16_t)i;
		smt |= b.threads[c->core]++ > 0;
		numa |= c->node != e->machine->v[b.online[0]].node;
	}
	memset(b.threads, 0, e->ncpus * sizeof(*b.threads));
	d->nlevels = 1u + smt + numa;
	d->sd = e->alloc(e, (size_t)e->ncpus * d->nlevels, sizeof(*d->sd));
	if (!d->sd || !b.n || (smt && build_level(e, d, &b, 0, SIBLING)) || build_level(e, d, &b, smt, CPU) ||
	    (numa && build_level(e, d, &b, smt + 1u, NODE)))
		goto out;
	rc = 0;
out:
	free(b.online);
	free(b.run_of_key);
	free(b.spans);
	free(b.groups);
	free(b.threads);
	return rc;
}

static int set_option(struct rpl_engine *e, struct domain *d, const struct rpl_option *o, struct sr_error *err)
{
	uint64_t ns;

	if (!strcmp(o->key, "hot")) {
		d->hot_267 = !strcmp(o->value, "267");
		return d->hot_267 || !strcmp(o->value, "fixed") ? 0 : rpl_option_value("domain", o, "fixed, 267", err);
	}
	if (!strcmp(o->key, "push")) {
		d->push = !strcmp(o->value, "yes");
		return d->push || !strcmp(o->value, "no") ? 0 : rpl_option_value("domain", o, "yes, no", err);
	}
	if (!strcmp(o->key, "failed")) {
		d->failed_grows = !strcmp(o->value, "grow");
		return d->failed_grows || !strcmp(o->value, "reset") ?
			       0 :
			       rpl_option_value("domain", o, "reset, grow", err);
	}
	if (!strcmp(o->key, "tables")) {
		bool later = !strcmp(o->value, "2.6.10");
		uint64_t hot_ns = d->par[CPU].hot_ns;

		memcpy(d->par, later ? tables_2610 : tables_267, sizeof(d->par));
		d->par[CPU].hot_ns = hot_ns; /* the same in both, unless hot-time came before */
		return later || !strcmp(o->value, "2.6.7") ? 0 : rpl_option_value("domain", o, "2.6.7, 2.6.10", err);
	}
	if (strcmp(o->key, "tick") && strcmp(o->key, "hot-time"))
		return rpl_option_unknown("domain", o, rpl_policy_domain.options, err);
	if (sr_parse_time(o->value, &ns, err))
		return sr_fail_prefix(err, "policy domain: %s", o->key);
	if (!strcmp(o->key, "tick")) {
		if (ns < 100000 || ns > 100 * NS_PER_MS)
			return sr_fail(err, SR_USAGE, "policy domain: tick=%s: from 100us to 100ms", o->value);
		e->tick_ns = d->tick_ns = ns;
	} else {
		if (ns > 1000 * NS_PER_MS)
			return sr_fail(err, SR_USAGE, "policy domain: hot-time=%s: at most 1s", o->value);
		d->par[CPU].hot_ns = ns;
	}
	return 0;
}

static int domain_init(struct rpl_engine *e, const char *options, void **state, struct sr_error *err)
{
	struct domain *d = e->alloc(e, 1, sizeof(*d));
	struct rpl_option o;
	int rc;

	if (!d)
		return sr_fail(err, SR_ENVIRONMENT, "policy domain: out of memory");
	memcpy(d->par, tables_267, sizeof(d->par));
	d->push = true;
	d->tick_ns = rpl_policy_domain.tick_ns;
	while ((rc = rpl_option_next("domain", &options, &o, err)) > 0) {
		rc = set_option(e, d, &o, err);
		if (rc)
			break;
	}
	if (rc)
		return -1;
	d->cpu_load = e->alloc(e, e->ncpus, sizeof(*d->cpu_load));
	d->ticked = e->alloc(e, e->ncpus, sizeof(*d->ticked));
	d->queue = e->alloc(e, MAX_QUEUE, sizeof(*d->queue));
	d->prio = e->alloc(e, MAX_QUEUE, sizeof(*d->prio));
	if (!d->cpu_load || !d->ticked || !d->queue || !d->prio || build(e, d))
		return sr_fail(err, SR_ENVIRONMENT, "policy domain: out of memory");
	*state = d;
	return 0;
}

const struct rpl_policy rpl_policy_domain = {
	.version = RPL_POLICY_VERSION,
	.name = "domain",
	.summary = "Linux 2.6.7's scheduling domains: thresholds, intervals and cache-hotness by level (SMT, node, "
		   "machine)",
	.options = "hot=fixed|267, hot-time=2.5ms (of the node's level), tables=2.6.7|2.6.10, failed=reset|grow, "
		   "push=yes|no, tick=1ms",
	.pins = true,
	.ticks = true,
	.tick_ns = NS_PER_MS,
	.init = domain_init,
	.place = domain_place,
	.tick = domain_tick,
	.newidle = domain_newidle,
};
