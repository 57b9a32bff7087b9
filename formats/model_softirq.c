/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "formats/model_internal.h"
#include "formats/softirq.h"

static int pair_cmp(const void *x, const void *y)
{
	const struct sr_soft_wake *a = x, *c = y;

	if (a->waker != c->waker)
		return a->waker < c->waker ? -1 : 1;
	return a->target < c->target ? -1 : a->target > c->target;
}

static size_t pair_count(const struct sr_soft_wake *v, size_t n, uint32_t waker, uint32_t target)
{
	size_t lo = 0, hi = n, first;
	struct sr_soft_wake key = { .waker = waker, .target = target };

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (pair_cmp(&v[mid], &key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	first = lo;
	while (lo < n && !pair_cmp(&v[lo], &key))
		lo++;
	return lo - first;
}

void sr_model_judge_softirq(struct sr_model *m, struct sr_soft_wake *v, size_t n)
{
	size_t i, j;

	if (n)
		qsort(v, n, sizeof(*v), pair_cmp);
	for (i = 0; i < n; i = j) {
		size_t there, back;

		for (j = i; j < n && !pair_cmp(&v[i], &v[j]); j++)
			;
		there = j - i;
		back = pair_count(v, n, v[i].target, v[i].waker);
		if (sr_softirq_depends(there, back)) {
			m->counts.waits_softirq += there;
			continue;
		}
		for (size_t k = i; k < j; k++) {
			struct sr_soft_wake *s = &v[k];
			struct sr_program *tp = &m->tasks[s->target];
			struct sr_wait *w = &tp->waits[s->wait];

			m->tasks[s->waker].ops[s->waker_op] = (struct sr_op){ .kind = SR_OP_NOP };
			tp->ops[s->wait_op].kind = SR_OP_SLEEP;
			tp->ops[s->wait_op].flags = s->disk ? SR_SLEEP_DISK : SR_SLEEP_INTERRUPT;
			if (w->needs)
				w->needs--;
			w->waker = UINT32_MAX;
			if (w->watch_task == s->waker) { /* its order falls with it */
				m->tasks[w->watch_task].waits[w->watch_wait].needs--;
				m->tasks[w->watch_task].waits[w->watch_wait].folded--;
				w->watch_task = UINT32_MAX;
			}
			m->counts.sleeps_timer++;
		}
	}
}
