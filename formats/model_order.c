/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which recorded orders are dependencies, and which tasks are event loops: the rules are in model.h. */
#include <stdlib.h>
#include <string.h>

#include "formats/model_messages.h"

/* A pair of tasks is a dialogue when each of them wakes the other at least this often, as a part of the other way. */
#define DIALOGUE 10
/* Who ends fewer of a task's waits, as a part of all, is none whose answers it waits for. */
#define MASTER 3
/* An event loop: so many waits, ended by different partners, after half of which it woke the one that had woken it. */
#define LOOP_WAITS 16
#define LOOP_PARTNERS 2
/* Waits for any: all but one in so many of its waits may be ended by the same task. */
#define ANY 10

struct wakes {
	uint64_t *pair; /* waker << 32 | target, sorted */
	size_t n;
};

static uint64_t pair_of(uint32_t waker, uint32_t target)
{
	return (uint64_t)waker << 32 | target;
}

int sr_by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int sr_by_double(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int sr_by_number(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static size_t lower_bound(const struct wakes *w, uint64_t pair)
{
	size_t lo = 0, hi = w->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (w->pair[mid] < pair)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static size_t times(const struct wakes *w, uint32_t waker, uint32_t target)
{
	uint64_t pair = pair_of(waker, target);

	return lower_bound(w, pair + 1) - lower_bound(w, pair);
}

static int count_wakes(const struct sr_model *m, struct wakes *w)
{
	size_t i, k;

	for (i = 0; i < m->ntasks; i++)
		for (k = 0; k < m->tasks[i].nops; k++)
			w->n += m->tasks[i].ops[k].kind == SR_OP_WAKE;
	w->pair = calloc(w->n + 1, sizeof(*w->pair));
	if (!w->pair)
		return -1;
	w->n = 0;
	for (i = 0; i < m->ntasks; i++)
		for (k = 0; k < m->tasks[i].nops; k++)
			if (m->tasks[i].ops[k].kind == SR_OP_WAKE)
				w->pair[w->n++] = pair_of((uint32_t)i, m->tasks[i].ops[k].arg);
	qsort(w->pair, w->n, sizeof(*w->pair), sr_by_size);
	return 0;
}

static bool is_loop(const struct sr_program *p)
{
	size_t k, waits = 0, answered = 0, partners = 0;
	uint32_t trigger = UINT32_MAX, seen[LOOP_PARTNERS];

	for (k = 0; k < p->nops; k++) {
		const struct sr_op *op = &p->ops[k];

		if (sr_op_ends_unit(op)) {
			trigger = op->kind == SR_OP_WAIT ? p->waits[op->arg].waker : UINT32_MAX;
			waits += trigger != UINT32_MAX;
		} else if (op->kind == SR_OP_WAKE && op->arg == trigger) {
			size_t s = 0;

			trigger = UINT32_MAX; /* one answer is enough */
			answered++;
			while (s < partners && seen[s] != op->arg)
				s++;
			if (s == partners && partners < LOOP_PARTNERS)
				seen[partners++] = op->arg;
		}
	}
	return waits >= LOOP_WAITS && answered * 2 >= waits && partners == LOOP_PARTNERS;
}

uint32_t sr_most_frequent(uint32_t *v, size_t n, size_t *times)
{
	uint32_t found = UINT32_MAX;
	size_t k, run = 0;

	*times = 0;
	qsort(v, n, sizeof(*v), sr_by_number);
	for (k = 0; k < n; k++) {
		run = k && v[k] == v[k - 1] ? run + 1 : 1;
		if (run > *times) {
			*times = run;
			found = v[k];
		}
	}
	return found;
}

/* Who waits for the other end of a buffer wants that one's. */
static bool counts(const struct sr_wait *w)
{
	return w->waker != UINT32_MAX && !w->buffer;
}

/* The most waits that one task ends. */
static size_t most(const struct sr_program *p, uint32_t *wakers)
{
	size_t k, n = 0, times;

	for (k = 0; k < p->nwaits; k++)
		if (counts(&p->waits[k]))
			wakers[n++] = p->waits[k].waker;
	sr_most_frequent(wakers, n, &times);
	return times;
}

int sr_model_find_any(struct sr_model *m, bool final)
{
	size_t i, k, longest = 0;
	uint32_t *wakers;

	m->counts.any = 0;
	for (i = 0; i < m->ntasks; i++)
		longest = m->tasks[i].nwaits > longest ? m->tasks[i].nwaits : longest;
	wakers = calloc(longest + 1, sizeof(*wakers));
	if (!wakers)
		return -1;
	for (i = 0; i < m->ntasks; i++) {
		struct sr_program *p = &m->tasks[i];
		size_t waits = 0, all = 0;
		bool buffer = false;

		for (k = 0; k < p->nwaits; k++) {
			all += p->waits[k].waker != UINT32_MAX;
			waits += counts(&p->waits[k]);
			buffer |= p->waits[k].buffer;
		}
		p->any = !(final && buffer) && waits >= LOOP_WAITS && waits * ANY >= all &&
			 most(p, wakers) * ANY < waits * (ANY - 1);
		m->counts.any += p->any;
	}
	free(wakers);
	return 0;
}

/* Where each wait of p stands in its ops, to be freed. */
static size_t *wait_ops(const struct sr_program *p)
{
	size_t *at = calloc(p->nwaits + 1, sizeof(*at)), k;

	for (k = 0; at && k < p->nops; k++)
		if (sr_op_rests(&p->ops[k]))
			at[p->ops[k].arg] = k;
	return at;
}

/* Did p wake `whom` in the piece that ends with the wait at op `at`? Then its message is a wake of its own. */
static bool told(const struct sr_program *p, size_t at, uint32_t whom)
{
	while (at-- > 0 && !sr_op_ends_piece(&p->ops[at]))
		if (p->ops[at].kind == SR_OP_WAKE && p->ops[at].arg == whom)
			return true;
	return false;
}

static int judge_targets(struct sr_model *m, const struct wakes *wakes)
{
	size_t i, w;

	for (i = 0; i < m->ntasks; i++) {
		const struct sr_program *p = &m->tasks[i];
		size_t *at, all = 0;

		if (!p->nwaits || p->loop)
			continue;
		at = wait_ops(p);
		if (!at)
			return -1;
		for (w = 0; w < p->nwaits; w++)
			all += p->waits[w].waker != UINT32_MAX && !sr_op_bounds(p, &p->ops[at[w]]);
		for (w = 0; w < p->nwaits; w++) {
			uint32_t waker = p->waits[w].waker;
			size_t there, back;

			if (waker == UINT32_MAX || told(p, at[w], waker) || p->ops[at[w]].flags & SR_WAIT_HIDDEN ||
			    p->waits[w].buffer)
				continue;
			there = times(wakes, waker, (uint32_t)i);
			back = times(wakes, (uint32_t)i, waker);
			p->waits[w].answers = back * DIALOGUE >= there && there * DIALOGUE >= back &&
					      there * MASTER >= all;
		}
		free(at);
	}
	return 0;
}

/* The kernel looks for the exec's CPU before it lets the parent go on, though the event of the exec comes at its end. */
static void exec_first(struct sr_op *ops, size_t wake)
{
	size_t k = wake + 1;
	struct sr_op exec;

	while (!sr_op_ends_piece(&ops[k]) && ops[k].kind != SR_OP_EXEC)
		k++;
	if (ops[k].kind != SR_OP_EXEC)
		return;
	exec = ops[k];
	memmove(&ops[wake + 1], &ops[wake], (k - wake) * sizeof(*ops));
	ops[wake] = exec;
}

/* The wake of the wait of a vfork. */
static void mark_vfork(struct sr_model *m, uint32_t waker, uint32_t target, uint32_t wait, bool given)
{
	const struct sr_program *p = &m->tasks[waker];
	size_t k;

	for (k = 0; k < p->nops; k++)
		if (p->ops[k].kind == SR_OP_WAKE && p->ops[k].arg == target && p->ops[k].value == wait) {
			m->counts.order_answers += !(p->ops[k].flags & SR_WAKE_ANSWERS);
			p->ops[k].flags |= SR_WAKE_ANSWERS | SR_WAKE_VFORK | (given ? SR_WAKE_GIVES : 0);
			m->tasks[target].waits[wait].answers = true;
			exec_first(p->ops, k);
			return;
		}
}

static void mark_wakes(struct sr_model *m)
{
	size_t i, k;

	for (i = 0; i < m->ntasks; i++)
		for (k = 0; k < m->tasks[i].nops; k++) {
			struct sr_op *op = &m->tasks[i].ops[k];
			const struct sr_program *target;

			if (op->kind != SR_OP_WAKE || (op->flags & SR_ORDER_MASK) == SR_ORDER_NONE)
				continue;
			target = &m->tasks[op->arg];
			if (op->value < target->nwaits && target->waits[op->value].waker == i &&
			    target->waits[op->value].answers) {
				op->flags |= SR_WAKE_ANSWERS;
				m->counts.order_answers++;
			}
		}
}

const struct sr_op *sr_vfork_wait(const struct sr_program *p, const struct sr_op *fork)
{
	const struct sr_op *next = fork + 1;

	if (fork->kind != SR_OP_FORK || !(fork->flags & SR_FORK_VFORK))
		return NULL;
	while (next->kind == SR_OP_RUN || next->kind == SR_OP_NOP || sr_op_hidden(next))
		next++;
	return next->kind == SR_OP_WAIT && p->waits[next->arg].waker == fork->arg ? next : NULL;
}

/* A parent that has forked by vfork sleeps at once, before anything can come between. */
static void mark_vforks(struct sr_model *m)
{
	size_t i, k;

	for (i = 0; i < m->ntasks; i++)
		for (k = 0; k + 1 < m->tasks[i].nops; k++) {
			const struct sr_program *p = &m->tasks[i];
			const struct sr_op *wait = sr_vfork_wait(p, &p->ops[k]);

			if (wait)
				mark_vfork(m, p->ops[k].arg, (uint32_t)i, wait->arg, wait->flags & SR_WAIT_GIVEN);
		}
}

/* For the wakers, which have only the number of the wait. */
static void mark_remote(struct sr_model *m)
{
	size_t i, k;

	for (i = 0; i < m->ntasks; i++)
		for (k = 0; k < m->tasks[i].nops; k++) {
			const struct sr_op *op = &m->tasks[i].ops[k];

			if (op->kind == SR_OP_WAIT)
				m->tasks[i].waits[op->arg].remote = op->flags & SR_WAIT_REMOTE;
		}
}

static int find_loops(struct sr_model *m)
{
	size_t i;

	m->counts.loops = 0;
	if (sr_model_find_any(m, true) < 0)
		return -1;
	for (i = 0; i < m->ntasks; i++) {
		m->tasks[i].loop = m->tasks[i].any && is_loop(&m->tasks[i]);
		m->counts.loops += m->tasks[i].loop;
	}
	return 0;
}

/* A lock in memory that processes share is taken for a pipe. */
static void mark_sync(struct sr_model *m)
{
	for (size_t i = 0; i < m->ntasks; i++)
		for (size_t k = 0; k < m->tasks[i].nops; k++) {
			const struct sr_op *op = &m->tasks[i].ops[k];
			struct sr_program *target = op->kind == SR_OP_WAKE ? &m->tasks[op->arg] : NULL;

			if (target && op->value < target->nwaits && target->waits[op->value].waker == i)
				target->waits[op->value].sync = target->tgid != m->tasks[i].tgid &&
								!(op->flags & SR_WAKE_VFORK);
		}
}

/* The messages that left no event. */
static int complete(struct sr_model *m)
{
	struct sr_messages d;
	int ret = -1;

	if (sr_messages_begin(&d, m) == 0 && sr_messages_of_buffers(&d) == 0 && find_loops(m) == 0 &&
	    sr_messages_of_dialogues(&d) == 0)
		ret = d.messages ? sr_messages_put_in(&d) : 0;
	sr_messages_end(&d);
	return ret;
}

int sr_model_find_causes(struct sr_model *m, struct sr_error *err)
{
	struct wakes wakes = { 0 };
	int ret = -1;

	if (complete(m) < 0)
		return sr_fail(err, SR_ENVIRONMENT, "out of memory for the workload model");
	/* With all their messages more tasks are loops. */
	if (m->counts.hidden && (sr_model_check(m, err) < 0 || find_loops(m) < 0))
		return sr_fail(err, SR_ENVIRONMENT, "out of memory for the workload model");
	if (count_wakes(m, &wakes) == 0 && judge_targets(m, &wakes) == 0) {
		mark_wakes(m);
		mark_vforks(m);
		mark_sync(m);
		mark_remote(m);
		ret = sr_model_find_far(m) < 0 ? -1 : sr_model_find_pools(m);
	}
	free(wakes.pair);
	return ret < 0 ? sr_fail(err, SR_ENVIRONMENT, "out of memory for the workload model") : 0;
}
