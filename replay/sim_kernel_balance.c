/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How Linux 6.12 evens out load: a CPU that runs empty pulls (newidle), CPUs pull now and then, domain by domain (periodic),
 * for the idle ones when a busy one asks for it (nohz), and a running task that is too large for its CPU is pushed to a
 * larger one (misfit). SIMULATOR.md says what is simplified.
 */
#include "replay/sim_internal.h"

#define MS 1000000u
#define BUSY_FACTOR 16u
#define MAX_MOVED 32u

enum idle { NOT_IDLE, IDLE, NEWLY_IDLE };
enum kind { HAS_SPARE, FULLY_BUSY, MISFIT, OVERLOADED };

struct stats {
	uint32_t first, end;
	unsigned cpus, idle, running;
	uint64_t load, capacity;
	enum kind kind;
};

static bool too_large(const struct sim *s, const struct sim_cpu *c)
{
	const struct sim_task *t = c->curr == NOBODY ? NULL : &s->tasks[c->curr];

	return s->k->asym && t && t->class == SIM_FAIR &&
	       sim_util_of(&t->util, s->now) * 1280 >= s->machine.v[c->index].capacity * 1024u;
}

/* Is it used beyond its capacity? With fewer tasks than CPUs it does not matter. */
static bool is_busy(const struct sim *s, const struct stats *g, unsigned pct)
{
	uint64_t util = 0;
	uint32_t i;

	for (i = g->first; g->running >= g->cpus && i < g->end; i++)
		util += sim_util_of(&s->cpu[s->k->order[i]].util, s->now);
	return g->capacity * 100 < util * pct;
}

/*
 * The group that begins at a place of the order: a domain of the level below, or (NULL) a CPU. capacity: of the CPU that
 * would take from it; pct: the domain's.
 */
static void look_at(const struct sim *s, const struct sim_level *below, uint32_t first, struct stats *g,
		    unsigned capacity, unsigned pct)
{
	bool misfit = false, busy;
	uint32_t i;

	if (below) {
		const struct sim_sum *sum = &below->sum[below->domain[first]];

		*g = (struct stats){ .first = first,
				     .end = first + sum->cpus,
				     .cpus = sum->cpus,
				     .idle = sum->idle,
				     .running = sum->running,
				     .load = sum->load,
				     .capacity = sum->capacity };
	} else {
		const struct sim_cpu *c = &s->cpu[s->k->order[first]];

		*g = (struct stats){ .first = first,
				     .end = first + 1,
				     .cpus = 1,
				     .idle = !c->rq.nr,
				     .running = c->rq.nr,
				     .load = c->rq.load,
				     .capacity = s->machine.v[c->index].capacity };
	}
	for (i = g->first; s->k->asym && i < g->end; i++) {
		const struct sim_cpu *c = &s->cpu[s->k->order[i]];

		misfit |= s->machine.v[c->index].capacity < capacity && too_large(s, c);
	}
	/* More tasks than CPUs for a moment are no overload. */
	busy = is_busy(s, g, pct);
	if (g->running > g->cpus && busy)
		g->kind = OVERLOADED;
	else if (misfit)
		g->kind = MISFIT;
	else
		g->kind = g->running < g->cpus || !busy ? HAS_SPARE : FULLY_BUSY;
}

static uint64_t mean_load(const struct stats *g)
{
	return g->capacity ? g->load * 1024 / g->capacity : 0;
}

static bool busier(const struct stats *a, const struct stats *than)
{
	if (!than->cpus || a->kind != than->kind)
		return !than->cpus || a->kind > than->kind;
	switch (a->kind) {
	case OVERLOADED:
	case FULLY_BUSY:
		return mean_load(a) > mean_load(than);
	default:
		return a->idle < than->idle || (a->idle == than->idle && a->running > than->running);
	}
}

/* How many tasks, or (by_load) how much weight, should move; 0: none. */
static uint64_t imbalance(const struct sim_level *l, const struct stats *local, const struct stats *busiest,
			  const struct stats *all, enum idle idle, bool *by_load)
{
	uint64_t avg = mean_load(all), there = mean_load(busiest), here = mean_load(local), a, b;

	*by_load = false;
	if (busiest->kind == MISFIT)
		return 1;
	if (local->kind == HAS_SPARE) {
		if (busiest->kind == OVERLOADED && !l->shares_cache) {
			uint64_t n = (busiest->running - busiest->cpus + 1) / 2;

			return n ? n : idle != NOT_IDLE;
		}
		/* As many runnable on both sides, of groups that are alike; else as many idle CPUs. */
		if (busiest->cpus == 1 || local->cpus == busiest->cpus)
			a = busiest->running > local->running ? (busiest->running - local->running) / 2 : 0;
		else
			a = local->idle > busiest->idle ? (local->idle - busiest->idle) / 2 : 0;
		/* Nodes: a small difference is no reason to go far. */
		if (l->numa && busiest->kind != OVERLOADED && busiest->running <= busiest->cpus / 4 + 1)
			return 0;
		return a;
	}
	if (busiest->kind != OVERLOADED || here >= there || here >= avg || 100 * there <= l->pct * here)
		return 0;
	*by_load = true;
	a = (there - avg) * busiest->capacity;
	b = (avg - here) * local->capacity;
	return (a < b ? a : b) / 1024;
}

static bool is_hot(const struct sim *s, const struct sim_task *t, unsigned to)
{
	const struct sr_cpu *v = s->machine.v;

	if (t->ran_on < 0 || v[t->ran_on].core == v[to].core)
		return false;
	return s->now - t->last_ran_ns < s->par.v[SIM_CACHE_HOT];
}

static unsigned move_tasks(struct sim *s, unsigned from, unsigned to, uint64_t want, bool by_load, bool hot_too)
{
	int list[4 * MAX_MOVED];
	unsigned n = sim_tree_list(s, s->cpu[from].rq.root[SIM_FAIR], list, 0, 4 * MAX_MOVED), moved = 0;

	/* The last in the queue first: it has the longest to wait. */
	while (n-- > 0 && want && moved < MAX_MOVED && s->cpu[from].rq.nr > 1) {
		struct sim_task *t = &s->tasks[list[n]];
		uint64_t part = by_load ? t->weight : 1;

		if ((!hot_too && is_hot(s, t, to)) || (by_load && part / 2 > want))
			continue;
		if (sim_move(s, t, to, (int)to) < 0)
			continue;
		moved++;
		want = want > part ? want - part : 0;
	}
	return moved;
}

static int busiest_cpu(const struct sim *s, const struct stats *g, unsigned to, bool misfit)
{
	uint64_t most = 0;
	int best = -1;
	uint32_t i;

	for (i = g->first; i < g->end; i++) {
		const struct sim_cpu *c = &s->cpu[s->k->order[i]];
		uint64_t load = c->rq.nr_class[SIM_FAIR] > 1 ? c->rq.load * 1024 / s->machine.v[c->index].capacity : 0;

		if (misfit)
			load = too_large(s, c) ? sim_util_of(&s->tasks[c->curr].util, s->now) + 1 : 0;
		if (c->index != to && load > most) {
			most = load;
			best = (int)c->index;
		}
	}
	return best;
}

/* Does the CPU at this place act for its group? An idle one of it does, else its first. */
static bool acts(const struct sim *s, const struct sim_level *below, uint32_t here, enum idle idle)
{
	uint32_t d, i;

	if (idle == NEWLY_IDLE || !below)
		return true;
	d = below->domain[here];
	for (i = below->start[d]; below->sum[d].idle && i < below->start[d + 1]; i++)
		if (sim_cpu_idle(s, s->k->order[i]))
			return i == here;
	return below->start[d] == here;
}

static bool active_push(struct sim *s, unsigned from, unsigned to)
{
	struct sim_cpu *c = &s->cpu[from];

	return c->curr != NOBODY && s->tasks[c->curr].class == SIM_FAIR && sim_cpu_idle(s, to) &&
	       sim_push(s, &s->tasks[c->curr], to) == 0;
}

/* One domain of one CPU; how many tasks came. */
static unsigned balance(struct sim *s, unsigned cpu, unsigned level, enum idle idle)
{
	const struct sim_kernel *k = s->k;
	const struct sim_level *l = &k->level[level], *below = level ? &k->level[level - 1] : NULL;
	struct sim_domain_state *st = &k->state[(size_t)cpu * SIM_LEVELS + level];
	uint32_t here = k->place[cpu], domain = l->domain[here], at = l->start[domain], end = l->start[domain + 1];
	struct stats local = { 0 }, busiest = { 0 }, all = { 0 };
	unsigned moved;
	uint64_t want;
	bool by_load;
	int from;

	if (!acts(s, below, here, idle))
		return 0;
	look_at(s, below, below ? below->start[below->domain[here]] : here, &local, 0, l->pct);
	all.load = local.load;
	all.capacity = local.capacity;
	for (; at < end; at = below ? below->start[below->domain[at] + 1] : at + 1) {
		struct stats g;

		if (at == local.first)
			continue;
		look_at(s, below, at, &g, s->machine.v[cpu].capacity, l->pct);
		all.load += g.load;
		all.capacity += g.capacity;
		if (busier(&g, &busiest))
			busiest = g;
	}
	if (!busiest.cpus || busiest.kind < local.kind || (busiest.kind == MISFIT && local.kind != HAS_SPARE) ||
	    (busiest.kind != OVERLOADED && idle == NOT_IDLE))
		return 0;
	want = imbalance(l, &local, &busiest, &all, idle, &by_load);
	from = want ? busiest_cpu(s, &busiest, cpu, busiest.kind == MISFIT) : -1;
	if (from < 0)
		return 0;
	if (busiest.kind == MISFIT)
		return idle != NEWLY_IDLE && active_push(s, (unsigned)from, cpu);
	moved = move_tasks(s, (unsigned)from, cpu, want, by_load,
			   idle != NEWLY_IDLE && st->failed > (unsigned)(l->shares_cache ? 1 : 2));
	if (moved || idle == NEWLY_IDLE) {
		st->failed = moved ? 0 : st->failed;
		return moved;
	}
	if (++st->failed > 5 && active_push(s, (unsigned)from, cpu)) {
		st->failed = 0;
		return 1;
	}
	return 0;
}

static uint32_t span_of(const struct sim *s, unsigned cpu, unsigned level)
{
	const struct sim_level *l = &s->k->level[level];
	uint32_t d = l->domain[s->k->place[cpu]];

	return l->start[d + 1] - l->start[d];
}

uint64_t sim_kernel_newidle(struct sim *s, struct sim_cpu *c)
{
	uint64_t cost = 0, one;
	unsigned level;
	uint32_t first;

	sim_kernel_rt_pull(s, c);
	if (c->rq.nr || !s->noverloaded || c->avg_idle < s->par.v[SIM_NEWIDLE])
		return 0;
	for (level = 0; level < s->k->nlevels; level++) {
		one = s->par.v[SIM_NEWIDLE] + s->par.v[SIM_NEWIDLE_CPU] * span_of(s, c->index, level);
		/* It would not idle as long as the search takes. */
		if (c->avg_idle < cost + one)
			break;
		cost += one;
		if (balance(s, c->index, level, NEWLY_IDLE))
			break;
	}
	first = sim_tree_first(s, c->rq.root[SIM_FAIR]);
	if (first != NOBODY)
		s->tasks[first].owed += (int64_t)(cost << WORK_SHIFT);
	return cost;
}

/* All domains of a CPU that are due. */
static void rebalance(struct sim *s, struct sim_cpu *c, enum idle idle)
{
	unsigned level;

	for (level = 0; level < s->k->nlevels; level++) {
		struct sim_domain_state *st = &s->k->state[(size_t)c->index * SIM_LEVELS + level];
		uint64_t interval = (uint64_t)span_of(s, c->index, level) * MS;

		if (idle == NOT_IDLE)
			interval *= BUSY_FACTOR;
		if (s->now - st->last_ns < interval)
			continue;
		st->last_ns = s->now;
		if (balance(s, c->index, level, idle))
			idle = NOT_IDLE;
	}
}

/* The nearest idle CPU, for which a busy one has the idle ones balanced. */
static struct sim_cpu *nearest_idle(struct sim *s, const struct sim_cpu *c)
{
	const struct sim_kernel *k = s->k;
	uint32_t here = k->place[c->index], i, first, end;
	unsigned level;

	for (level = 0; level < k->nlevels; level++) {
		uint32_t d = k->level[level].domain[here];

		if (!k->level[level].sum[d].idle)
			continue;
		first = k->level[level].start[d];
		end = k->level[level].start[d + 1];
		for (i = first; i < end; i++)
			if (sim_cpu_idle(s, k->order[i]))
				return &s->cpu[k->order[i]];
	}
	return NULL;
}

void sim_kernel_tick(struct sim *s, struct sim_cpu *c)
{
	struct sim_cpu *idle;

	if (s->noverloaded || s->k->asym)
		rebalance(s, c, sim_cpu_idle(s, c->index) ? IDLE : NOT_IDLE);
	if (c->rq.nr < 2 && !too_large(s, c))
		return;
	idle = nearest_idle(s, c);
	if (idle)
		rebalance(s, idle, IDLE);
}

/* A CPU on which no real-time task is left takes one that waits elsewhere. */
void sim_kernel_rt_pull(struct sim *s, struct sim_cpu *c)
{
	unsigned class;
	uint32_t i;

	if (c->rq.nr_class[SIM_DEADLINE] || c->rq.nr_class[SIM_RT] || !s->noverloaded || !s->counts.rt_set)
		return;
	for (class = SIM_DEADLINE; class < SIM_FAIR; class ++) {
		struct sim_task *best = NULL;

		for (i = 0; i < s->nonline; i++) {
			const struct sim_cpu *other = &s->cpu[s->k->order[i]];
			uint32_t first = other == c ? NOBODY : sim_tree_first(s, other->rq.root[class]);
			struct sim_task *t = first == NOBODY ? NULL : &s->tasks[first];

			if (t && sim_may_use(s, c->index, t->allowed) && (!best || t->key < best->key))
				best = t;
		}
		if (best && sim_move(s, best, c->index, (int)c->index) == 0)
			return;
	}
}
