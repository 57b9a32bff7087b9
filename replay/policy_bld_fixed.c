/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bld-fixed: BLD's published idea carried out. The least loaded cpu is known at any time, from a tree of winners over
 * the CPUs in order of their numbers; one by load for fair tasks, one by urgency for RT tasks:
 *
 *           2             the least loaded of all
 *         /   \
 *       0       2         each node: the better of the two below it
 *      / \     / \
 *     0   1   2   3       the CPUs
 *
 * A cpu's change goes up one path. A task that may run anywhere takes the root; so does one whose mask has that cpu. For
 * the masks that are in use beside that, up to VIEWS of them, there is such a tree each, of the mask's CPUs alone, which
 * is made when the mask is first asked for. Where there are more masks in turn, the others' runs of neighbours are looked
 * up one by one, each on two paths.
 *
 * Among equals the order is BLD's own: a cpu that lost a task comes before those that were there (the idle ones are a
 * stack), a cpu that got one behind them (forks go around).
 */
#include <string.h>

#include "replay/policy.h"
#include "replay/policy_util.h"

#define NO_CPU UINT16_MAX

struct key {
	uint64_t load;
	int64_t order;
};

#define VIEWS 16

struct view {
	struct sr_cpumask mask;
	uint16_t *best; /* as the tree's, of the mask's CPUs */
	bool used;      /* since the hand last passed */
};

struct tree {
	struct key *key; /* by cpu */
	uint16_t *best;  /* node i's are 2i and 2i + 1; cpu c is node leaves + c; NO_CPU: none below */
	unsigned leaves; /* a power of two */
	struct view *view;
	unsigned nviews, hand, words;
};

struct fixed {
	struct tree fair, rt;
	int64_t stamp;
};

static uint16_t better(const struct tree *t, uint16_t a, uint16_t b)
{
	const struct key *x, *y;

	if (a == NO_CPU || b == NO_CPU)
		return a == NO_CPU ? b : a;
	x = &t->key[a];
	y = &t->key[b];
	return (x->load != y->load ? x->load < y->load : x->order < y->order) ? a : b;
}

static void path_update(const struct tree *t, uint16_t *best, unsigned cpu)
{
	for (unsigned i = (t->leaves + cpu) / 2; i; i /= 2) {
		uint16_t was = best[i];

		best[i] = better(t, best[2 * i], best[2 * i + 1]);
		if (was != cpu && best[i] != cpu)
			return; /* it neither was nor is what counts above */
	}
}

static void tree_update(struct tree *t, unsigned cpu, uint64_t load, int64_t order)
{
	t->key[cpu] = (struct key){ load, order };
	path_update(t, t->best, cpu);
	for (unsigned i = 0; i < t->nviews; i++)
		if (t->view[i].mask.w[cpu / 64] >> (cpu % 64) & 1)
			path_update(t, t->view[i].best, cpu);
}

/* Of the CPUs from..to-1. */
static uint16_t best_between(const struct tree *t, unsigned from, unsigned to)
{
	uint16_t best = NO_CPU;

	for (from += t->leaves, to += t->leaves; from < to; from /= 2, to /= 2) {
		if (from % 2)
			best = better(t, best, t->best[from++]);
		if (to % 2)
			best = better(t, best, t->best[--to]);
	}
	return best;
}

static unsigned next_bit(const struct sr_cpumask *m, bool set, unsigned from, unsigned n)
{
	while (from < n) {
		uint64_t w = (set ? m->w[from / 64] : ~m->w[from / 64]) >> (from % 64);

		if (w) {
			from += (unsigned)__builtin_ctzll(w);
			return from < n ? from : n;
		}
		from += 64 - from % 64;
	}
	return n;
}

static uint16_t best_of_runs(const struct rpl_engine *e, const struct tree *t, const struct sr_cpumask *allowed)
{
	uint16_t best = NO_CPU;
	unsigned from, to = 0;

	while ((from = next_bit(allowed, true, to, e->ncpus)) < e->ncpus) {
		to = next_bit(allowed, false, from, e->ncpus);
		best = better(t, best, best_between(t, from, to));
	}
	return best;
}

static void fill(const struct tree *t, uint16_t *best)
{
	for (unsigned i = t->leaves; i-- > 1;)
		best[i] = better(t, best[2 * i], best[2 * i + 1]);
}

/*
 * A place for a mask that has none: a free one, or that of a mask that was not asked for since the hand last stood there.
 * NULL: the mask under the hand is in use, and the hand goes on.
 */
static struct view *make_view(struct tree *t, const struct sr_cpumask *allowed)
{
	struct view *v = &t->view[t->hand];

	t->hand = (t->hand + 1) % VIEWS;
	if (v->used) {
		v->used = false;
		return NULL;
	}
	if (v == &t->view[t->nviews])
		t->nviews++;
	memcpy(v->mask.w, allowed->w, t->words * sizeof(*v->mask.w));
	for (unsigned i = 0; i < t->leaves; i++)
		v->best[t->leaves + i] = sr_cpumask_isset(allowed, i) ? t->best[t->leaves + i] : NO_CPU;
	fill(t, v->best);
	return v;
}

static struct view *find_view(struct tree *t, const struct sr_cpumask *allowed)
{
	for (unsigned i = 0; i < t->nviews; i++)
		if (!memcmp(t->view[i].mask.w, allowed->w, t->words * sizeof(*allowed->w)))
			return &t->view[i];
	return make_view(t, allowed);
}

static int best_allowed(const struct rpl_engine *e, struct tree *t, const struct sr_cpumask *allowed)
{
	uint16_t best = t->best[1];

	if (allowed && best != NO_CPU && !rpl_may_use(e, best, allowed)) {
		struct view *v = find_view(t, allowed);

		if (v)
			v->used = true;
		best = v ? v->best[1] : best_of_runs(e, t, allowed);
	}
	return best == NO_CPU ? -1 : best;
}

static int tree_init(struct tree *t, struct rpl_engine *e)
{
	t->leaves = 1;
	while (t->leaves < e->ncpus)
		t->leaves *= 2;
	t->key = e->alloc(e, e->ncpus, sizeof(*t->key));
	t->best = e->alloc(e, 2u * t->leaves, sizeof(*t->best));
	t->view = e->alloc(e, VIEWS, sizeof(*t->view));
	t->words = (e->ncpus + 63) / 64;
	if (!t->key || !t->best || !t->view)
		return -1;
	for (unsigned i = 0; i < VIEWS; i++) {
		t->view[i].best = e->alloc(e, 2u * t->leaves, sizeof(*t->best));
		if (!t->view[i].best)
			return -1;
	}
	for (unsigned i = 0; i < t->leaves; i++) {
		bool there = i < e->ncpus && e->machine->v[i].online;

		t->best[t->leaves + i] = there ? (uint16_t)i : NO_CPU;
		if (there)
			t->key[i].order = i;
	}
	fill(t, t->best);
	return 0;
}

static int fixed_init(struct rpl_engine *e, const char *options, void **state, struct sr_error *err)
{
	struct fixed *f;

	if (rpl_option_none("bld-fixed", options, err))
		return -1;
	f = e->alloc(e, 1, sizeof(*f));
	if (!f || tree_init(&f->fair, e) || tree_init(&f->rt, e))
		return sr_fail(err, SR_ENVIRONMENT, "policy bld-fixed: out of memory");
	f->stamp = e->ncpus;
	*state = f;
	return 0;
}

static int fixed_place(struct rpl_engine *e, void *state, const struct rpl_place *p)
{
	struct fixed *f = state;

	switch (rpl_class_of(e, p->task)) {
	case RPL_CLASS_DEADLINE:
		return -1;
	case RPL_CLASS_RT:
		return best_allowed(e, &f->rt, p->allowed);
	default:
		return best_allowed(e, &f->fair, p->allowed);
	}
}

static void fixed_update(const struct rpl_engine *e, struct fixed *f, unsigned c, int task, bool came)
{
	int64_t order = came ? ++f->stamp : -++f->stamp;

	switch (rpl_class_of(e, task)) {
	case RPL_CLASS_DEADLINE:
		break;
	case RPL_CLASS_RT:
		tree_update(&f->rt, c, (uint64_t)(100 - e->rt_lowest_prio(e, c)), order);
		break;
	default:
		tree_update(&f->fair, c, e->load_weight(e, c), order);
	}
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
	.summary = "BLD's idea carried out: always the least loaded cpu, from an ordered tree, affinity respected",
	.text = "Every fork, exec and wake takes the allowed CPU with the least load. All CPUs are kept in order at "
		"any "
		"time, so that it need not be searched for. Among equals a CPU that lost a task comes first (idle CPUs "
		"are a stack), one that got a task last (forks go around). Nothing is balanced afterwards.",
	.sources = "the idea of Barbershop Load Distribution (Rakib Mullick, 2012); the order is schedrec's own",
	.cost = "fork, exec, wake O(1), also with an affinity (of more than 16 different ones in turn, that forbid the "
		"best CPU, O(log CPUs) for each run of neighbours); enqueue, dequeue O(log CPUs) for each of these "
		"affinities",
	.pins = true,
	.init = fixed_init,
	.place = fixed_place,
	.enqueue = fixed_enqueue,
	.dequeue = fixed_dequeue,
};
