/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fair class as Linux 6.12 has it: EEVDF. Each task has a virtual time (which runs slower the more weight it has) and
 * a virtual deadline, a slice ahead of it. Of those that are eligible, that have had no more than their share (their
 * vruntime is not beyond the queue's weighted average), the one with the earliest deadline runs, and once it runs it
 * keeps the CPU until its slice is used (RUN_TO_PARITY). A task that leaves takes its lag with it, how far it was from
 * the average, and is put back as far from it.
 *
 * All virtual times are compared as differences from the queue's min_vruntime; avg is the sum of (vruntime - min) *
 * weight of the queued. The running task is in neither, and is added where its part is asked for.
 */
#include "replay/sim_internal.h"

#define NICE_0 1024u
#define IDLE_WEIGHT 3u

uint32_t sim_nice_weight(const struct sim_task *t)
{
	return t->policy == SR_SCHED_IDLE ? IDLE_WEIGHT : rpl_nice_weight(t->nice);
}

int64_t sim_fair_delta(uint64_t ns, uint32_t weight)
{
	return (int64_t)(weight == NICE_0 ? ns : ns * NICE_0 / weight);
}

uint64_t sim_fair_slice(const struct sim *s, const struct sim_task *t)
{
	return t->slice ? t->slice : s->base_slice;
}

static const struct sim_task *current_fair(const struct sim *s, const struct sim_cpu *c)
{
	const struct sim_task *t = c->curr == NOBODY ? NULL : &s->tasks[c->curr];

	return t && t->class == SIM_FAIR ? t : NULL;
}

static int64_t floor_div(int64_t a, uint64_t b)
{
	int64_t n = (int64_t)b;

	return a >= 0 ? a / n : -((n - 1 - a) / n);
}

/* a * b / c; the product may be larger than 64 bits. */
static int64_t mul_div(int64_t a, uint64_t b, uint64_t c)
{
	int64_t product;

	if (!__builtin_mul_overflow(a, (int64_t)b, &product))
		return product / (int64_t)c;
	return (int64_t)((__int128)a * (int64_t)b / (int64_t)c);
}

/* The sum and the weight of all, the current one too. */
static void sums(const struct sim *s, const struct sim_cpu *c, int64_t *avg, uint64_t *load)
{
	const struct sim_task *curr = current_fair(s, c);

	*avg = c->rq.avg;
	*load = c->rq.avg_load;
	if (curr) {
		*avg += (curr->vruntime - c->rq.min_vruntime) * (int64_t)curr->weight;
		*load += curr->weight;
	}
}

static int64_t average(const struct sim *s, const struct sim_cpu *c)
{
	int64_t avg;
	uint64_t load;

	sums(s, c, &avg, &load);
	return c->rq.min_vruntime + (load ? floor_div(avg, load) : 0);
}

static void update_min(struct sim *s, struct sim_cpu *c)
{
	struct sim_rq *rq = &c->rq;
	const struct sim_task *curr = current_fair(s, c);
	uint32_t root = rq->root[SIM_FAIR];
	int64_t min = rq->min_vruntime, least = INT64_MAX;

	if (root != NOBODY)
		least = s->tasks[root].min_vruntime;
	if (curr && curr->vruntime < least)
		least = curr->vruntime;
	if (least <= min || least == INT64_MAX)
		return;
	rq->avg -= (int64_t)rq->avg_load * (least - min);
	rq->min_vruntime = least;
}

void sim_fair_put(struct sim *s, struct sim_cpu *c, struct sim_task *t)
{
	struct sim_rq *rq = &c->rq;

	t->key = t->deadline;
	t->tie = s->next_tie++;
	rq->avg += (t->vruntime - rq->min_vruntime) * (int64_t)t->weight;
	rq->avg_load += t->weight;
	rq->root[SIM_FAIR] = sim_tree_insert(s, rq->root[SIM_FAIR], t->index);
}

void sim_fair_take(struct sim *s, struct sim_cpu *c, struct sim_task *t)
{
	struct sim_rq *rq = &c->rq;

	rq->root[SIM_FAIR] = sim_tree_remove(s, rq->root[SIM_FAIR], t->index);
	rq->avg -= (t->vruntime - rq->min_vruntime) * (int64_t)t->weight;
	rq->avg_load -= t->weight;
}

void sim_fair_set_current(struct sim *s, struct sim_cpu *c, struct sim_task *t)
{
	t->protect = t->deadline;
}

void sim_fair_run(struct sim *s, struct sim_cpu *c, struct sim_task *t, uint64_t ns)
{
	t->vruntime += sim_fair_delta(ns, t->weight);
	if (t->vruntime >= t->deadline) {
		t->deadline = t->vruntime + sim_fair_delta(sim_fair_slice(s, t), t->weight);
		if (c->rq.nr_class[SIM_FAIR] > 1)
			sim_resched(s, c, 0);
	}
	update_min(s, c);
}

/* How far it is from the average, within two slices. */
static int64_t lag_of(const struct sim *s, const struct sim_cpu *c, const struct sim_task *t)
{
	uint64_t slice = sim_fair_slice(s, t) * 2;
	int64_t limit, lag = average(s, c) - t->vruntime;

	limit = sim_fair_delta(slice > s->par.v[SIM_TICK] ? slice : s->par.v[SIM_TICK], t->weight);
	return lag > limit ? limit : lag < -limit ? -limit : lag;
}

/*
 * Who falls asleep with less than no lag stays on the queue, in 6.12, until it is eligible or is picked: its debt shrinks as
 * the average goes on. Here it leaves at once, and what is left of the debt is found when it wakes (sim_fair_wake):
 * its weight is missing in the average meanwhile.
 */
void sim_fair_leave(struct sim *s, struct sim_cpu *c, struct sim_task *t, bool sleeps)
{
	t->vlag = lag_of(s, c, t);
	t->delayed = sleeps && t->vlag < 0;
	t->delay_seq = c->rq.empty_seq;
	if (!sleeps) {
		t->deadline -= t->vruntime;
		t->relative = true;
	}
}

void sim_fair_wake(struct sim *s, struct sim_task *t)
{
	const struct sim_cpu *c = t->cpu < 0 ? NULL : &s->cpu[t->cpu];
	int64_t lag;

	if (!t->delayed || !c)
		return;
	t->delayed = false;
	/* With nobody else there it was picked, and so let go. */
	lag = c->rq.empty_seq == t->delay_seq && c->rq.nr_class[SIM_FAIR] ? average(s, c) - t->vruntime : 0;
	if (lag > 0)
		lag = 0;
	if (lag > t->vlag)
		t->vlag = lag;
}

void sim_fair_place(struct sim *s, struct sim_cpu *c, struct sim_task *t, bool initial)
{
	int64_t vslice = sim_fair_delta(sim_fair_slice(s, t), t->weight), lag = 0, avg;
	uint64_t load;

	sums(s, c, &avg, &load);
	avg = average(s, c);
	/* Its own coming moves the average: it must come further off, to be as far from it then. */
	if (load)
		lag = mul_div(t->vlag, load + t->weight, load);
	t->vruntime = avg - lag;
	if (t->relative) {
		t->relative = false;
		t->deadline += t->vruntime;
		return;
	}
	t->deadline = t->vruntime + (initial ? vslice / 2 : vslice);
}

void sim_fair_reweight(struct sim *s, struct sim_task *t, uint32_t weight)
{
	struct sim_cpu *c = t->cpu < 0 ? NULL : &s->cpu[t->cpu];
	bool queued = t->state == SIM_QUEUED, here = c && (queued || t->state == SIM_RUNNING);
	int64_t avg, lag;

	if (weight == t->weight)
		return;
	if (t->class != SIM_FAIR || !here) {
		t->vlag = mul_div(t->vlag, t->weight, weight);
		t->weight = weight;
		return;
	}
	avg = average(s, c);
	lag = mul_div(avg - t->vruntime, t->weight, weight);
	if (queued)
		sim_fair_take(s, c, t);
	t->deadline = mul_div(t->deadline - t->vruntime, t->weight, weight);
	t->vruntime = avg - lag;
	t->deadline += t->vruntime;
	sim_kernel_load(s, c, NULL, 0);
	c->rq.load += (uint64_t)weight - t->weight;
	sim_kernel_count(s, c, 0, 0, (uint64_t)weight - t->weight);
	t->weight = weight;
	if (queued)
		sim_fair_put(s, c, t);
	update_min(s, c);
}

void sim_fair_yield(struct sim *s, struct sim_cpu *c, struct sim_task *t)
{
	t->deadline += sim_fair_delta(sim_fair_slice(s, t), t->weight);
}

static bool eligible(const struct sim *s, const struct sim_cpu *c, int64_t avg, uint64_t load, int64_t vruntime)
{
	int64_t off = vruntime - c->rq.min_vruntime, product;

	if (__builtin_mul_overflow(off, (int64_t)load, &product))
		return off < 0;
	return avg >= product;
}

uint32_t sim_fair_pick(struct sim *s, struct sim_cpu *c)
{
	const struct sim_task *curr = current_fair(s, c);
	uint32_t at = c->rq.root[SIM_FAIR], best = NOBODY;
	int64_t avg;
	uint64_t load;

	if (at == NOBODY)
		return curr ? curr->index : NOBODY;
	sums(s, c, &avg, &load);
	if (curr && !eligible(s, c, avg, load, curr->vruntime))
		curr = NULL;
	if (curr && curr->protect == curr->deadline)
		return curr->index;
	while (at != NOBODY) {
		const struct sim_task *t = &s->tasks[at];
		uint32_t left = t->left_child;

		if (left != NOBODY && eligible(s, c, avg, load, s->tasks[left].min_vruntime)) {
			at = left;
			continue;
		}
		if (eligible(s, c, avg, load, t->vruntime)) {
			best = at;
			break;
		}
		at = t->right_child;
	}
	if (curr && (best == NOBODY || curr->deadline < s->tasks[best].deadline))
		return curr->index;
	/* Somebody always is at or below the average; should rounding say otherwise, the first deadline is taken. */
	return best == NOBODY ? sim_tree_first(s, c->rq.root[SIM_FAIR]) : best;
}

bool sim_fair_preempts(struct sim *s, struct sim_cpu *c, const struct sim_task *wakee)
{
	struct sim_task *curr = &s->tasks[c->curr];
	bool idle = curr->policy == SR_SCHED_IDLE;

	if (idle && wakee->policy != SR_SCHED_IDLE)
		return true;
	if (wakee->policy != SR_SCHED_OTHER && wakee->policy != SR_SCHED_EXT)
		return false;
	/* A shorter slice cuts the other's protection short. */
	if (sim_fair_slice(s, wakee) < sim_fair_slice(s, curr) && wakee->deadline < curr->deadline) {
		int64_t avg;
		uint64_t load;

		sums(s, c, &avg, &load);
		if (eligible(s, c, avg, load, wakee->vruntime))
			curr->protect = curr->deadline + 1;
	}
	return sim_fair_pick(s, c) == wakee->index;
}

uint64_t sim_fair_slice_left(const struct sim *s, const struct sim_task *t)
{
	int64_t left = t->deadline - t->vruntime;

	return left > 0 ? (uint64_t)left * t->weight / NICE_0 : 0;
}
