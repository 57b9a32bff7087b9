/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BLD, the Barbershop Load Distribution (Rakib Mullick, 2012 to 2018): tasks are placed at fork, exec and wake, and
 * nothing is balanced afterwards. See POLICIES.md for the three variants and their quirks; policy_bld_fixed.c is the
 * third.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "replay/loads.h"
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
	struct rpl_loads load;
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
	if (!b->pos || !b->lowbit || !b->base_level || rpl_loads_init(&b->load, e) || list_init(&b->fair, e) ||
	    list_init(&b->rt, e))
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

/* The scan: over the allowed CPUs at a wake whose waker stands on one of them, else over the base domain of the
 * task's cpu (whether or not the task may run there). Ties: the lowest number (fair), the highest (RT). (4.18 does not
 * scan for a task that is pinned to one cpu; what comes of it is the same.) */
static int scan(const struct rpl_engine *e, struct bld *b, const struct rpl_place *p, bool rt)
{
	bool affine = p->why == SR_CAUSE_WAKE && p->this_cpu >= 0 && rpl_may_use(e, (unsigned)p->this_cpu, p->allowed);
	uint64_t best = UINT64_MAX;
	int cpu = p->this_cpu, most = 1;
	int prev = p->prev_cpu >= 0 && rpl_may_use(e, (unsigned)p->prev_cpu, NULL) ? p->prev_cpu : p->this_cpu;
	int found = affine && !rt ? rpl_loads_least(&b->load, e, p->allowed, NULL) : -1;

	if (found >= 0)
		return found;
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

/* What the kernel does with a choice that the task's affinity forbids: an allowed cpu of its node, else any. At exec the
 * task is migrated, not placed, and a migration that is not allowed does not take place. */
static int fallback(const struct rpl_engine *e, int cpu, const struct rpl_place *p)
{
	if (cpu >= 0 && rpl_may_use(e, (unsigned)cpu, p->allowed))
		return cpu;
	if (p->why == SR_CAUSE_EXEC)
		return p->prev_cpu;
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
	if (rpl_class(&v) == RPL_CLASS_DEADLINE)
		return -1; /* its class places it, not BLD */
	rt = rpl_class(&v) == RPL_CLASS_RT;
	if (p->why == SR_CAUSE_WAKE || (p->why == SR_CAUSE_EXEC && v.threads > 1))
		cpu = scan(e, b, p, rt);
	else
		cpu = list_pick(e, b, rt ? &b->rt : &b->fair, p);
	return fallback(e, cpu, p);
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
	enum rpl_class class = rpl_class_of(e, task);
	unsigned last;

	rpl_loads_note(&b->load, e, c);
	if (class == RPL_CLASS_RT)
		track_rt(e, b, c);
	if (class != RPL_CLASS_FAIR || b->pos[c] == POS_LAST)
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
	enum rpl_class class = rpl_class_of(e, task);
	unsigned first;

	rpl_loads_note(&b->load, e, c);
	if (class == RPL_CLASS_RT)
		track_rt(e, b, c);
	if (class != RPL_CLASS_FAIR || b->pos[c] == POS_FIRST)
		return;
	first = b->fair.link[b->fair.anchor].next;
	if (e->load_weight(e, c) > e->load_weight(e, first))
		return;
	list_to_head(&b->fair, c);
	b->pos[c] = POS_FIRST;
	b->pos[first] = POS_MIDDLE;
}

static const struct rpl_policy_option bld_options[] = {
	{ "affinity", "fallback|respect", "fallback",
	  "fallback: the list's head is taken whatever the task's affinity, and then corrected as Linux does; respect: "
	  "the "
	  "first CPU of the list that the task may use" },
	{ NULL, NULL, NULL, NULL },
};

const struct rpl_policy rpl_policy_bld = {
	.version = RPL_POLICY_VERSION,
	.name = "bld",
	.summary = "BLD as of Linux 4.18: the list's head at fork and exec, a scan for the least load at wake",
	.text = "All CPUs are in a list of which only the ends mean anything. A CPU that gets a task goes to the tail "
		"if it "
		"is now at least as loaded as the tail, one that loses a task to the head if it is at most as loaded "
		"as "
		"the head. Fork, and exec of a single-threaded program, take the head; a wake, and exec of a threaded "
		"program, scan for the least load. Nothing is balanced afterwards.\n\n"
		"Its known hole: beside a heavily loaded tail a head that gets tasks stays the head until it is as "
		"loaded as the tail, while other CPUs idle.",
	.sources = "Barbershop Load Distribution by Rakib Mullick: bld-patches for Linux 3.16 to 4.18",
	.cost = "fork, exec O(1); wake, exec of a threaded program O(CPUs); enqueue, dequeue O(1)",
	.options = bld_options,
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
	.text = "Every fork, exec and wake takes the allowed CPU with the least load, ties the lowest number. The "
		"condition "
		"that was to choose between the list and the scan tests an address, so that the scan is all that ever "
		"ran. Nothing is balanced afterwards.",
	.sources =
		"Barbershop Load Distribution by Rakib Mullick: the patch of February 2012, and those up to Linux 3.9",
	.cost = "fork, exec, wake O(CPUs)",
	.pins = true,
	.init = bld_2012_init,
	.place = bld_2012_place,
};
