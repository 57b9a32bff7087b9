/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BLD, the Barbershop Load Distribution (Rakib Mullick, 2012 to 2018): tasks are placed at fork, exec and wake, and
 * nothing is balanced afterwards. See POLICIES.md for the three variants and their quirks.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "replay/policy.h"
#include "replay/policy_util.h"

/*
 * bld keeps its CPUs in a list of which only the head (least loaded) and the tail (most loaded) mean anything:
 *
 *   head -> cpu -> cpu -> ... -> tail       pos: 0 was put at the head, 2 at the tail, 1 neither (any more)
 *
 * One list for fair tasks, by load weight, and one for RT tasks, by lowbit: the most urgent RT priority seen so far.
 */
enum { POS_FIRST, POS_MIDDLE, POS_LAST };
#define NO_LOWBIT INT_MAX

struct link {
	unsigned next, prev;
};

struct list {
	struct link *link; /* link[ncpus] is the anchor */
	unsigned anchor;
};

struct bld {
	bool respect; /* the look-up at the head skips CPUs that the task may not use */
	struct list fair, rt;
	uint8_t *pos;
	int *lowbit;
	uint8_t *base_level;
};

static void list_remove(struct list *l, unsigned c)
{
	l->link[l->link[c].prev].next = l->link[c].next;
	l->link[l->link[c].next].prev = l->link[c].prev;
}

static void list_insert(struct list *l, unsigned after, unsigned c)
{
	unsigned next = l->link[after].next;

	l->link[c] = (struct link){ .next = next, .prev = after };
	l->link[after].next = c;
	l->link[next].prev = c;
}

static void list_to_head(struct list *l, unsigned c)
{
	list_remove(l, c);
	list_insert(l, l->anchor, c);
}

static void list_to_tail(struct list *l, unsigned c)
{
	list_remove(l, c);
	list_insert(l, l->link[l->anchor].prev, c);
}

static int list_init(struct list *l, struct rpl_engine *e)
{
	l->anchor = e->ncpus;
	l->link = e->alloc(e, e->ncpus + 1u, sizeof(*l->link));
	if (!l->link)
		return -1;
	l->link[l->anchor] = (struct link){ l->anchor, l->anchor };
	for (unsigned i = 0; i < e->ncpus; i++)
		if (e->machine->v[i].online)
			list_insert(l, l->link[l->anchor].prev, i);
	return 0;
}

/* The lowest scheduling domain of a kernel without SMT domains that holds more than the cpu itself: its last cache,
 * else its node, else the machine. */
enum { BASE_LLC, BASE_NODE, BASE_ALL };

static bool in_base(const struct rpl_engine *e, const struct bld *b, unsigned of, unsigned cpu)
{
	const struct sr_cpu *a = &e->machine->v[of], *c = &e->machine->v[cpu];

	switch (b->base_level[of]) {
	case BASE_LLC:
		return a->llc == c->llc;
	case BASE_NODE:
		return a->node == c->node;
	default:
		return true;
	}
}

static void find_base_levels(const struct rpl_engine *e, struct bld *b, unsigned *in_llc, unsigned *in_node)
{
	for (unsigned i = 0; i < e->ncpus; i++) {
		if (!e->machine->v[i].online)
			continue;
		in_llc[e->machine->v[i].llc]++;
		in_node[e->machine->v[i].node]++;
	}
	for (unsigned i = 0; i < e->ncpus; i++) {
		if (!e->machine->v[i].online)
			continue;
		b->base_level[i] = in_llc[e->machine->v[i].llc] > 1   ? BASE_LLC :
				   in_node[e->machine->v[i].node] > 1 ? BASE_NODE :
									BASE_ALL;
	}
}

static int bld_init(struct rpl_engine *e, const char *options, void **state, struct sr_error *err)
{
	struct bld *b = e->alloc(e, 1, sizeof(*b));
	unsigned *count = calloc(e->ncpus * 2u, sizeof(*count));
	struct rpl_option o;
	int rc = -1;

	if (!b || !count)
		goto no_memory;
	while ((rc = rpl_option_next("bld", &options, &o, err)) > 0) {
		if (strcmp(o.key, "affinity"))
			rc = rpl_option_unknown("bld", &o, rpl_policy_bld.options, err);
		else if (strcmp(o.value, "fallback") && strcmp(o.value, "respect"))
			rc = rpl_option_value("bld", &o, "fallback, respect", err);
		if (rc < 0)
			break;
		b->respect = !strcmp(o.value, "respect");
	}
	if (rc)
		goto out;
	b->pos = e->alloc(e, e->ncpus, sizeof(*b->pos));
	b->lowbit = e->alloc(e, e->ncpus, sizeof(*b->lowbit));
	b->base_level = e->alloc(e, e->ncpus, sizeof(*b->base_level));
	if (!b->pos || !b->lowbit || !b->base_level || list_init(&b->fair, e) || list_init(&b->rt, e))
		goto no_memory;
	for (unsigned i = 0; i < e->ncpus; i++)
		b->lowbit[i] = NO_LOWBIT;
	find_base_levels(e, b, count, count + e->ncpus);
	*state = b;
	free(count);
	return 0;
no_memory:
	rc = sr_fail(err, SR_ENVIRONMENT, "policy bld: out of memory");
out:
	free(count);
	return rc;
}

static int list_pick(const struct rpl_engine *e, const struct bld *b, const struct list *l, const struct rpl_place *p)
{
	unsigned c = l->link[l->anchor].next;

	while (b->respect && c != l->anchor && !rpl_may_use(e, c, p->allowed))
		c = l->link[c].next;
	return c == l->anchor ? -1 : (int)c;
}

/* The one allowed cpu, -1 when there are several or none. */
static int only_cpu(const struct rpl_engine *e, const struct sr_cpumask *allowed)
{
	int only = -1;

	for (unsigned i = 0; allowed && i < e->ncpus; i++) {
		if (!rpl_may_use(e, i, allowed))
			continue;
		if (only >= 0)
			return -1;
		only = (int)i;
	}
	return only;
}

/* The scan: over the allowed CPUs at a wake whose waker stands on one of them, else over the base domain of the
 * task's cpu (whether or not the task may run there). Ties: the lowest number (fair), the highest (RT). */
static int scan(const struct rpl_engine *e, const struct bld *b, const struct rpl_place *p, bool rt)
{
	bool affine = p->why == SR_CAUSE_WAKE && p->this_cpu >= 0 && rpl_may_use(e, (unsigned)p->this_cpu, p->allowed);
	uint64_t best = UINT64_MAX;
	int cpu = p->this_cpu, most = 1;
	int prev = p->prev_cpu >= 0 && rpl_may_use(e, (unsigned)p->prev_cpu, NULL) ? p->prev_cpu : p->this_cpu;

	if (only_cpu(e, p->allowed) >= 0)
		return p->prev_cpu;
	for (unsigned i = 0; i < e->ncpus; i++) {
		if (affine ? !rpl_may_use(e, i, p->allowed) :
			     !rpl_may_use(e, i, NULL) || (prev >= 0 && !in_base(e, b, (unsigned)prev, i)))
			continue;
		if (rt) {
			if (b->lowbit[i] >= most) {
				most = b->lowbit[i];
				cpu = (int)i;
			}
		} else {
			uint64_t load = e->load_weight(e, i);

			if (load < best) {
				best = load;
				cpu = (int)i;
			}
		}
	}
	return cpu;
}

/* What the kernel does with a choice that the task's affinity forbids: an allowed cpu of its node, else any. */
static int fallback(const struct rpl_engine *e, int cpu, const struct rpl_place *p)
{
	if (cpu >= 0 && rpl_may_use(e, (unsigned)cpu, p->allowed))
		return cpu;
	if (p->prev_cpu >= 0 && rpl_may_use(e, (unsigned)p->prev_cpu, NULL)) {
		uint16_t node = e->machine->v[p->prev_cpu].node;

		for (unsigned i = 0; i < e->ncpus; i++)
			if (e->machine->v[i].node == node && rpl_may_use(e, i, p->allowed))
				return (int)i;
	}
	return rpl_allowed_or(e, -1, -1, p->allowed);
}

static int bld_place(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	struct bld *b = state;
	struct rpl_task_view v;
	bool rt;
	int cpu;

	e->task(e, p->task, &v);
	if (v.sched_policy == SCHED_POLICY_DEADLINE)
		return -1; /* its class places it, not BLD */
	rt = v.prio < 100;
	if (p->why == SR_CAUSE_WAKE || (p->why == SR_CAUSE_EXEC && v.threads > 1))
		cpu = scan(e, b, p, rt);
	else
		cpu = list_pick(e, b, rt ? &b->rt : &b->fair, p);
	return fallback(e, cpu, p);
}

static bool is_rt(const struct rpl_engine *e, int task)
{
	struct rpl_task_view v;

	e->task(e, task, &v);
	return v.prio < 100;
}

/* The RT list, at enqueue and dequeue alike. lowbit only ever falls: as in all released versions, a cpu that once
 * ran an urgent task keeps counting as one that does. */
static void track_rt(const struct rpl_engine *e, struct bld *b, unsigned c)
{
	unsigned first = b->rt.link[b->rt.anchor].next;
	int lowest = e->rt_lowest_prio(e, c);

	if (lowest > 0 && lowest <= b->lowbit[c])
		b->lowbit[c] = lowest;
	if (b->lowbit[c] < b->lowbit[first])
		list_to_tail(&b->rt, c);
}

static void bld_enqueue(struct rpl_engine *e, void *state, unsigned c, int task)
{
	struct bld *b = state;
	unsigned last;

	if (is_rt(e, task)) {
		track_rt(e, b, c);
		return;
	}
	if (b->pos[c] == POS_LAST)
		return;
	last = b->fair.link[b->fair.anchor].prev;
	if (e->load_weight(e, c) < e->load_weight(e, last))
		return;
	list_to_tail(&b->fair, c);
	b->pos[c] = POS_LAST;
	b->pos[last] = POS_MIDDLE; /* also where it is c itself: BLD's own order of writes */
}

static void bld_dequeue(struct rpl_engine *e, void *state, unsigned c, int task)
{
	struct bld *b = state;
	unsigned first;

	if (is_rt(e, task)) {
		track_rt(e, b, c);
		return;
	}
	if (b->pos[c] == POS_FIRST)
		return;
	first = b->fair.link[b->fair.anchor].next;
	if (e->load_weight(e, c) > e->load_weight(e, first))
		return;
	list_to_head(&b->fair, c);
	b->pos[c] = POS_FIRST;
	b->pos[first] = POS_MIDDLE;
}

const struct rpl_policy rpl_policy_bld = {
	.version = RPL_POLICY_VERSION,
	.name = "bld",
	.summary = "BLD as of Linux 4.18: the list's head at fork and exec, a scan for the least load at wake",
	.options =
		"affinity=fallback|respect (fallback: the head is taken whatever the task's affinity, then corrected)",
	.pins = true,
	.init = bld_init,
	.place = bld_place,
	.enqueue = bld_enqueue,
	.dequeue = bld_dequeue,
};

/* bld-2012: the released code of February 2012 to 3.9, in which the scan is all that ever runs. */

static int bld_2012_init(struct rpl_engine *e, const char *options, void **state, struct sr_error *err)
{
	return rpl_option_none("bld-2012", options, err);
}

static int bld_2012_place(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	uint64_t best = UINT64_MAX;
	int cpu = -1;

	for (unsigned i = 0; i < e->ncpus; i++) {
		uint64_t load;

		if (!rpl_may_use(e, i, p->allowed))
			continue;
		load = e->load_weight(e, i);
		if (load < best) {
			best = load;
			cpu = (int)i;
		}
	}
	return cpu;
}

const struct rpl_policy rpl_policy_bld_2012 = {
	.version = RPL_POLICY_VERSION,
	.name = "bld-2012",
	.summary = "BLD as released from 2012 to Linux 3.9: a scan for the least load at fork, exec and wake",
	.pins = true,
	.init = bld_2012_init,
	.place = bld_2012_place,
};

/*
 * bld-fixed: the published idea carried out. Two heaps of all CPUs, by load and by the urgency of their RT tasks,
 * so that the least loaded is known at any time. Among equals the order is BLD's own: a cpu that lost a task comes
 * before those that were there (the idle ones are a stack), a cpu that got one behind them (forks go around).
 */
struct key {
	uint64_t load;
	int64_t order;
};

struct heap {
	uint16_t *cpu;   /* heap order */
	uint16_t *slot;  /* cpu -> where it is in the heap */
	struct key *key; /* by cpu */
	unsigned n;
};

struct fixed {
	struct heap fair, rt;
	int64_t stamp;
};

static bool before(const struct heap *h, unsigned a, unsigned b)
{
	const struct key *x = &h->key[a], *y = &h->key[b];

	return x->load != y->load ? x->load < y->load : x->order < y->order;
}

static void heap_put(struct heap *h, unsigned slot, uint16_t cpu)
{
	h->cpu[slot] = cpu;
	h->slot[cpu] = (uint16_t)slot;
}

static void heap_update(struct heap *h, unsigned cpu, uint64_t load, int64_t order)
{
	unsigned i = h->slot[cpu];

	h->key[cpu] = (struct key){ load, order };
	while (i && before(h, cpu, h->cpu[(i - 1) / 2])) {
		heap_put(h, i, h->cpu[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (;;) {
		unsigned child = 2 * i + 1;

		if (child + 1 < h->n && before(h, h->cpu[child + 1], h->cpu[child]))
			child++;
		if (child >= h->n || !before(h, h->cpu[child], cpu))
			break;
		heap_put(h, i, h->cpu[child]);
		i = child;
	}
	heap_put(h, i, (uint16_t)cpu);
}

/* The first allowed cpu below slot, in heap order: only under forbidden CPUs the search goes down. */
static int heap_first(const struct heap *h, unsigned slot, const struct rpl_engine *e, const struct sr_cpumask *allowed)
{
	int a, b;

	if (slot >= h->n)
		return -1;
	if (rpl_may_use(e, h->cpu[slot], allowed))
		return h->cpu[slot];
	a = heap_first(h, 2 * slot + 1, e, allowed);
	b = heap_first(h, 2 * slot + 2, e, allowed);
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return before(h, (unsigned)a, (unsigned)b) ? a : b;
}

static int heap_init(struct heap *h, struct rpl_engine *e)
{
	h->cpu = e->alloc(e, e->ncpus, sizeof(*h->cpu));
	h->slot = e->alloc(e, e->ncpus, sizeof(*h->slot));
	h->key = e->alloc(e, e->ncpus, sizeof(*h->key));
	if (!h->cpu || !h->slot || !h->key)
		return -1;
	for (unsigned i = 0; i < e->ncpus; i++) {
		if (!e->machine->v[i].online)
			continue;
		h->key[i].order = i;
		heap_put(h, h->n++, (uint16_t)i);
	}
	return 0;
}

static int fixed_init(struct rpl_engine *e, const char *options, void **state, struct sr_error *err)
{
	struct fixed *f;

	if (rpl_option_none("bld-fixed", options, err))
		return -1;
	f = e->alloc(e, 1, sizeof(*f));
	if (!f || heap_init(&f->fair, e) || heap_init(&f->rt, e))
		return sr_fail(err, SR_ENVIRONMENT, "policy bld-fixed: out of memory");
	f->stamp = e->ncpus;
	*state = f;
	return 0;
}

static int fixed_place(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	struct fixed *f = state;
	struct rpl_task_view v;

	e->task(e, p->task, &v);
	if (v.sched_policy == SCHED_POLICY_DEADLINE)
		return -1;
	return heap_first(v.prio < 100 ? &f->rt : &f->fair, 0, e, p->allowed);
}

static void fixed_update(const struct rpl_engine *e, struct fixed *f, unsigned c, int task, bool came)
{
	int64_t order = came ? ++f->stamp : -++f->stamp;

	if (is_rt(e, task))
		heap_update(&f->rt, c, (uint64_t)(100 - e->rt_lowest_prio(e, c)), order);
	else
		heap_update(&f->fair, c, e->load_weight(e, c), order);
}

static void fixed_enqueue(struct rpl_engine *e, void *state, unsigned c, int task)
{
	fixed_update(e, state, c, task, true);
}

static void fixed_dequeue(struct rpl_engine *e, void *state, unsigned c, int task)
{
	fixed_update(e, state, c, task, false);
}

const struct rpl_policy rpl_policy_bld_fixed = {
	.version = RPL_POLICY_VERSION,
	.name = "bld-fixed",
	.summary = "BLD's idea carried out: always the least loaded cpu, from an ordered heap, affinity respected",
	.pins = true,
	.init = fixed_init,
	.place = fixed_place,
	.enqueue = fixed_enqueue,
	.dequeue = fixed_dequeue,
};
