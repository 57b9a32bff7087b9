/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where Linux 6.12 puts a task that wakes, is forked or executes a program; its domains. What is simplified stands in
 * SIMULATOR.md. The policy `kernel` in the simulator.
 */
#include <stdlib.h>

#include "replay/pelt.h"
#include "replay/sim_internal.h"

#define FLIP_DECAY_NS 1000000000u
#define RECLAIM_DISTANCE 30u
#define NUMA_IMBALANCE_DIV 4 /* a node takes so small a part of its CPUs before a task is sent to another */

/* ---- domains ---- */

static uint64_t order_key(const struct sim *s, unsigned cpu)
{
	const struct sr_cpu *v = &s->machine.v[cpu];

	return (uint64_t)v->node << 48 | (uint64_t)v->llc << 32 | (uint64_t)v->cluster << 16 | v->core;
}

/* Of a key, what is the same in one domain of this level: core, cluster, cache, node, all. */
static uint64_t level_key(uint64_t key, unsigned level)
{
	return level == 4 ? 0 : key >> 16 * level;
}

/* A level of which each domain is one of the level below adds nothing. */
static int add_level(struct sim *s, unsigned kind)
{
	struct sim_kernel *k = s->k;
	struct sim_level *l = &k->level[k->nlevels];
	uint32_t below = k->nlevels ? k->level[k->nlevels - 1].n : s->nonline, i, n = 0;

	l->start = rpl_alloc(&s->arena, s->nonline + 1u, sizeof(*l->start));
	l->domain = rpl_alloc(&s->arena, s->nonline, sizeof(*l->domain));
	l->sum = rpl_alloc(&s->arena, s->nonline, sizeof(*l->sum));
	if (!l->start || !l->domain || !l->sum)
		return -1;
	for (i = 0; i < s->nonline; i++) {
		if (!i || level_key(order_key(s, k->order[i]), kind) != level_key(order_key(s, k->order[i - 1]), kind))
			l->start[n++] = i;
		l->domain[i] = n - 1;
		l->sum[n - 1].cpus++;
		l->sum[n - 1].idle++;
		l->sum[n - 1].capacity += s->machine.v[k->order[i]].capacity;
	}
	l->start[n] = s->nonline;
	l->n = n;
	if (n == below)
		return 0;
	l->smt = kind == 0;
	l->shares_cache = kind <= 2;
	l->numa = kind == 4;
	l->pct = kind == 0 ? 110 : 117;
	if (l->shares_cache)
		k->llc = (int)k->nlevels;
	k->smt |= l->smt;
	k->nlevels++;
	return 0;
}

struct keyed {
	uint64_t key;
	uint32_t cpu;
};

static int keyed_cmp(const void *a, const void *b)
{
	const struct keyed *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->cpu < y->cpu ? -1 : x->cpu > y->cpu;
}

int sim_kernel_start(struct sim *s)
{
	struct sim_kernel *k = rpl_alloc(&s->arena, 1, sizeof(*k));
	struct keyed *v = calloc(s->nonline, sizeof(*v));
	unsigned i, n = 0;

	s->k = k;
	if (!k || !v)
		goto fail;
	k->order = rpl_alloc(&s->arena, s->nonline, sizeof(*k->order));
	k->place = rpl_alloc(&s->arena, s->ncpus, sizeof(*k->place));
	k->state = rpl_alloc(&s->arena, (size_t)s->ncpus * SIM_LEVELS, sizeof(*k->state));
	if (!k->order || !k->place || !k->state)
		goto fail;
	for (i = 0; i < s->ncpus; i++)
		if (s->cpu[i].online)
			v[n++] = (struct keyed){ order_key(s, i), i };
	qsort(v, n, sizeof(*v), keyed_cmp);
	for (i = 0; i < n; i++) {
		k->order[i] = (uint16_t)v[i].cpu;
		k->place[v[i].cpu] = i;
		k->asym |= s->machine.v[v[i].cpu].capacity != s->machine.v[v[0].cpu].capacity;
	}
	k->llc = -1;
	for (i = 0; i < SIM_LEVELS; i++)
		if (add_level(s, i) < 0)
			goto fail;
	free(v);
	return 0;
fail:
	free(v);
	return -1;
}

/* ---- load ---- */

static void load_until(struct sim_load *l, uint64_t weight, uint64_t now)
{
	if (now <= l->at_ns)
		return;
	l->avg = rpl_pelt_after(l->avg, weight < UINT32_MAX ? (uint32_t)weight : UINT32_MAX, now - l->at_ns);
	l->at_ns = now;
}

static uint64_t load_of(const struct sim *s, unsigned cpu)
{
	struct sim_load now = s->cpu[cpu].load;

	load_until(&now, s->cpu[cpu].rq.load, s->now);
	return now.avg;
}

void sim_kernel_load(struct sim *s, struct sim_cpu *c, struct sim_task *t, int by)
{
	if (!s->kernel)
		return;
	load_until(&c->load, c->rq.load, s->now);
	if (!t || t->class != SIM_FAIR)
		return;
	if (t->load_cpu < 0) /* as a new task is taken for one that always ran */
		t->load = (struct sim_load){ t->weight, s->now };
	load_until(&t->load, by < 0 ? t->weight : 0, s->now);
	if (by < 0 || t->load_cpu == (int)c->index)
		return;
	if (t->load_cpu >= 0) {
		struct sim_cpu *from = &s->cpu[t->load_cpu];

		load_until(&from->load, from->rq.load, s->now);
		from->load.avg = (uint32_t)sim_after(from->load.avg, t->load.avg);
	}
	t->load_cpu = (int)c->index;
	c->load.avg += t->load.avg < UINT32_MAX - c->load.avg ? t->load.avg : UINT32_MAX - c->load.avg;
}

/* ---- wake-up ---- */

static bool shares_cache(const struct sim *s, unsigned a, unsigned b)
{
	return s->machine.v[a].llc == s->machine.v[b].llc;
}

static bool is_idle(const struct sim *s, unsigned cpu)
{
	return sim_cpu_idle(s, cpu);
}

static bool usable_idle(const struct sim *s, const struct sim_task *t, unsigned cpu)
{
	return is_idle(s, cpu) && sim_may_use(s, cpu, t->allowed);
}

static unsigned capacity_of(const struct sim *s, unsigned cpu)
{
	return s->machine.v[cpu].capacity;
}

/* Is the CPU enough for it, with a fifth to spare? */
static bool fits(const struct sim *s, unsigned util, unsigned cpu)
{
	return !s->k->asym || util * 1280 < capacity_of(s, cpu) * 1024u;
}

/* The CPUs from place `from` of the order on, within a range, each once. */
#define for_each_place(i, n, first, end, from) \
	for ((n) = 0, (i) = (from); (n) < (end) - (first); (n)++, (i) = (i) + 1 == (end) ? (first) : (i) + 1)

static bool core_is_idle(const struct sim *s, unsigned cpu)
{
	const struct sim_cpu *c = &s->cpu[cpu];
	unsigned i;

	for (i = 0; i < c->core_n; i++)
		if (!is_idle(s, s->core_cpus[c->core_at + i]))
			return false;
	return true;
}

static int idle_sibling(const struct sim *s, const struct sim_task *t, unsigned cpu)
{
	const struct sim_cpu *c = &s->cpu[cpu];
	unsigned i;

	for (i = 0; i < c->core_n; i++) {
		unsigned other = s->core_cpus[c->core_at + i];

		if (other != cpu && usable_idle(s, t, other))
			return (int)other;
	}
	return -1;
}

/* CPUs that differ: the first idle one that is enough for it, else the largest idle one. */
static int idle_by_capacity(const struct sim *s, const struct sim_task *t, unsigned target, unsigned util)
{
	uint32_t i, n, from = s->k->place[target];
	int best = -1;

	if (s->k->nlevels && !s->k->level[s->k->nlevels - 1].sum[0].idle)
		return -1;
	for_each_place(i, n, 0, s->nonline, from)
	{
		unsigned cpu = s->k->order[i];

		if (!usable_idle(s, t, cpu))
			continue;
		if (fits(s, util, cpu))
			return (int)cpu;
		if (best < 0 || capacity_of(s, cpu) > capacity_of(s, (unsigned)best))
			best = (int)cpu;
	}
	return best;
}

/* An idle core of the cache, else an idle CPU of it. */
static int idle_in_cache(const struct sim *s, const struct sim_task *t, unsigned prev, unsigned target)
{
	const struct sim_kernel *k = s->k;
	const struct sim_level *l;
	uint32_t i, n, first, end, from = k->place[target];
	int found = -1, sibling;

	if (k->llc < 0 || !s->llc_idle[s->machine.v[target].llc])
		return -1;
	l = &k->level[k->llc];
	first = l->start[l->domain[from]];
	end = l->start[l->domain[from] + 1];
	from = from + 1 == end ? first : from + 1;
	for_each_place(i, n, first, end, from)
	{
		unsigned cpu = k->order[i];

		if (n >= s->par.v[SIM_IDLE_SCAN])
			break;
		if (!usable_idle(s, t, cpu))
			continue;
		if (!k->smt || core_is_idle(s, cpu))
			return (int)cpu;
		if (found < 0)
			found = (int)cpu;
	}
	if (!k->smt || found < 0 || !shares_cache(s, prev, target))
		return found;
	/* No core is idle: rather the last one's sibling than any. */
	sibling = idle_sibling(s, t, prev);
	return sibling < 0 ? found : sibling;
}

static int select_idle_sibling(struct sim *s, struct sim_task *t, unsigned prev, unsigned target)
{
	unsigned util = s->k->asym ? sim_util_of(&t->util, s->now) : 0;
	int recent = t->recent_cpu, cpu;

	if (usable_idle(s, t, target) && fits(s, util, target))
		return (int)target;
	if (prev != target && shares_cache(s, prev, target) && usable_idle(s, t, prev) && fits(s, util, prev))
		return (int)prev;
	t->recent_cpu = (int)prev;
	if (recent >= 0 && recent != (int)prev && recent != (int)target && shares_cache(s, (unsigned)recent, target) &&
	    usable_idle(s, t, (unsigned)recent) && fits(s, util, (unsigned)recent))
		return recent;
	if (s->k->asym) {
		cpu = idle_by_capacity(s, t, target, util);
		return cpu < 0 ? (int)target : cpu;
	}
	cpu = idle_in_cache(s, t, prev, target);
	return cpu < 0 ? (int)target : cpu;
}

/* Many wakers of many: the wakee had better stay where it was. */
static bool wake_wide(const struct sim *s, const struct sim_task *by, const struct sim_task *t, unsigned cpu)
{
	uint64_t master = by->flips, slave = t->flips, factor = 1;
	const struct sim_level *l = s->k->llc < 0 ? NULL : &s->k->level[s->k->llc];

	if (l) {
		uint32_t domain = l->domain[s->k->place[cpu]];

		factor = l->start[domain + 1] - l->start[domain];
	}
	if (master < slave) {
		master = t->flips;
		slave = by->flips;
	}
	return slave >= factor && master >= slave * factor;
}

static void record_wakee(struct sim *s, struct sim_task *by, const struct sim_task *t)
{
	if (s->now > by->flip_ns + FLIP_DECAY_NS) {
		by->flips >>= 1;
		by->flip_ns = s->now;
	}
	if (by->last_wakee != t->index) {
		by->last_wakee = t->index;
		by->flips++;
	}
}

static int wake_affine(const struct sim *s, const struct sim_task *t, const struct sim_task *by, unsigned this_cpu,
		       unsigned prev, bool sync)
{
	uint64_t this_load, prev_load;

	if (is_idle(s, this_cpu) && shares_cache(s, this_cpu, prev))
		return (int)(is_idle(s, prev) ? prev : this_cpu);
	if (sync && s->cpu[this_cpu].rq.nr == 1)
		return (int)this_cpu;
	if (is_idle(s, prev))
		return (int)prev;
	this_load = load_of(s, this_cpu);
	prev_load = sim_after(load_of(s, prev), t->load.avg);
	if (sync) {
		if (by->load.avg > this_load)
			return (int)this_cpu;
		this_load -= by->load.avg;
	}
	this_load = (this_load + t->load.avg) * 100 * capacity_of(s, prev);
	prev_load = prev_load * (100 + (117 - 100) / 2) * capacity_of(s, this_cpu) + sync;
	return (int)(this_load < prev_load ? this_cpu : prev);
}

static bool far_apart(const struct sim *s, unsigned a, unsigned b)
{
	const struct sr_machine *m = &s->machine;

	return m->distance[(size_t)m->v[a].node * m->nnodes + m->v[b].node] > RECLAIM_DISTANCE;
}

/* Real time: where it was unless a task that is not to be disturbed runs there; then where the least urgent one runs. */
static int wake_rt(struct sim *s, struct sim_task *t, unsigned prev)
{
	uint32_t i, n, from = s->k->place[prev];
	int best = (int)prev, lowest;

	if (s->cpu[prev].curr == NOBODY || s->tasks[s->cpu[prev].curr].class == SIM_FAIR)
		return (int)prev;
	lowest = s->tasks[s->cpu[prev].curr].prio;
	for_each_place(i, n, 0, s->nonline, from)
	{
		const struct sim_cpu *c = &s->cpu[s->k->order[i]];
		int prio = c->curr == NOBODY ? 140 : s->tasks[c->curr].prio;

		if (prio > lowest && sim_may_use(s, c->index, t->allowed)) {
			lowest = prio;
			best = (int)c->index;
		}
	}
	return best;
}

int sim_kernel_wake(struct sim *s, struct sim_task *t, int this_cpu, struct sim_task *by, bool sync)
{
	unsigned prev = (unsigned)t->cpu, target = prev, at = (unsigned)this_cpu;

	if (by)
		record_wakee(s, by, t);
	if (t->class != SIM_FAIR)
		return wake_rt(s, t, prev);
	if (!sim_may_use(s, prev, t->allowed))
		return sim_kernel_fork(s, t, this_cpu);
	if (by && at != prev && sim_may_use(s, at, t->allowed) && !far_apart(s, at, prev) && !wake_wide(s, by, t, at))
		target = (unsigned)wake_affine(s, t, by, at, prev, sync);
	return select_idle_sibling(s, t, prev, target);
}

/* ---- fork and exec ---- */

struct group {
	unsigned cpus, idle, running;
	uint64_t load, capacity;
	uint32_t first, end;
};

/* Domain d of a level. Who executes a program (self) is not to count where it stands. */
static void look_at(const struct sim *s, const struct sim_task *t, const struct sim_level *l, uint32_t d,
		    struct group *g, const struct sim_task *self)
{
	uint32_t i;

	*g = (struct group){ .first = l->start[d], .end = l->start[d + 1] };
	if (!t->allowed) {
		bool in = self && s->k->place[self->cpu] >= g->first && s->k->place[self->cpu] < g->end;

		g->cpus = l->sum[d].cpus;
		g->idle = l->sum[d].idle + (in && s->cpu[self->cpu].rq.nr == 1);
		g->running = l->sum[d].running - in;
		g->load = l->sum[d].load - (in && self->class == SIM_FAIR ? self->weight : 0);
		g->capacity = l->sum[d].capacity;
		return;
	}
	for (i = g->first; i < g->end; i++) {
		unsigned cpu = s->k->order[i];
		const struct sim_rq *rq = &s->cpu[cpu].rq;
		bool here = self && self->cpu == (int)cpu && self->state == SIM_RUNNING;

		if (!sim_may_use(s, cpu, t->allowed))
			continue;
		g->cpus++;
		g->idle += rq->nr == (unsigned)here;
		g->running += rq->nr - here;
		g->load += rq->load - (here && self->class == SIM_FAIR ? self->weight : 0);
		g->capacity += capacity_of(s, cpu);
	}
}

/* Is b the better place? A tie is a's, which is the local one's or the first one's. */
static bool better(const struct group *a, const struct group *b)
{
	if (!b->cpus)
		return false;
	if (!a->cpus)
		return true;
	if (a->idle || b->idle)
		return b->idle > a->idle;
	return b->load * a->capacity < a->load * b->capacity;
}

/* A node is left only when it has some load: what is forked together shall stay together while that costs nothing. */
static bool node_has_room(const struct group *local)
{
	return local->cpus && local->idle &&
	       local->running + 1 <= (local->cpus + NUMA_IMBALANCE_DIV - 1) / NUMA_IMBALANCE_DIV;
}

static int idlest_cpu(const struct sim *s, const struct sim_task *t, const struct group *g, int this_cpu,
		      const struct sim_task *self)
{
	uint64_t least = UINT64_MAX, latest = 0;
	int best = -1, idle = -1;
	uint32_t i;

	for (i = g->first; i < g->end; i++) {
		unsigned cpu = s->k->order[i];
		const struct sim_cpu *c = &s->cpu[cpu];
		bool here = self && self->cpu == (int)cpu && self->state == SIM_RUNNING;
		uint64_t load = c->rq.load - (here && self->class == SIM_FAIR ? self->weight : 0);

		if (!sim_may_use(s, cpu, t->allowed))
			continue;
		if (c->rq.nr == (unsigned)here) {
			/* The one that has idled for the shortest time is the warmest. */
			if (here || idle < 0 || c->idle_since > latest) {
				latest = here ? UINT64_MAX : c->idle_since;
				idle = (int)cpu;
			}
		} else if (load < least || (load == least && (int)cpu == this_cpu)) {
			least = load;
			best = (int)cpu;
		}
	}
	return idle >= 0 ? idle : best;
}

int sim_kernel_fork(struct sim *s, struct sim_task *t, int this_cpu)
{
	const struct sim_task *self = t->state == SIM_RUNNING ? t : NULL;
	const struct sim_kernel *k = s->k;
	struct group g = { .first = 0, .end = s->nonline };
	uint32_t here = k->place[this_cpu];
	unsigned level;
	int cpu;

	if (t->class != SIM_FAIR)
		return wake_rt(s, t, (unsigned)this_cpu);
	for (level = k->nlevels; level-- > 1;) {
		const struct sim_level *l = &k->level[level], *below = &k->level[level - 1];
		struct group best = { 0 };
		uint32_t d = below->domain[g.first], last = below->domain[g.end - 1];
		bool inside = here >= g.first && here < g.end;

		if (inside)
			look_at(s, t, below, below->domain[here], &best, self);
		for (; d <= last && !(l->numa && inside && node_has_room(&best)); d++) {
			struct group other;

			if (d == below->domain[here])
				continue;
			look_at(s, t, below, d, &other, self);
			if (better(&best, &other))
				best = other;
		}
		if (best.cpus)
			g = best;
	}
	cpu = idlest_cpu(s, t, &g, this_cpu, self);
	return cpu < 0 ? this_cpu : cpu;
}
