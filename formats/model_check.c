/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/model_internal.h"

#include <stdlib.h>
#include <string.h>

/* In player.left: */
#define ARRIVED 0x80000000u /* the task has been there: its watch has been counted */
#define COUNT 0x7fffffffu

struct player {
	size_t pc;
	uint32_t *left; /* for each wait: what must still come */
	bool started, queued, done;
};

struct check {
	struct sr_model *m;
	struct player *pl;
	uint32_t *ready;
	size_t nready;
};

static void make_ready(struct check *c, uint32_t i)
{
	if (c->pl[i].queued || c->pl[i].done || !c->pl[i].started)
		return;
	c->pl[i].queued = true;
	c->ready[c->nready++] = i;
}

static void count_down(struct check *c, uint32_t task, uint64_t wait)
{
	struct sr_program *p = &c->m->tasks[task];
	struct player *pl = &c->pl[task];
	const struct sr_op *op = &p->ops[pl->pc];

	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): every player has its counters. */
	if (wait >= p->nwaits || !(pl->left[wait] & COUNT) || (--pl->left[wait] & COUNT))
		return;
	if (sr_op_rests(op) && op->arg == wait)
		make_ready(c, task);
}

/* Runs task i until it waits for something that has not come, or ends. */
static void play(struct check *c, uint32_t i)
{
	struct sr_program *p = &c->m->tasks[i];
	struct player *pl = &c->pl[i];

	for (;; pl->pc++) {
		const struct sr_op *op = &p->ops[pl->pc];

		switch (op->kind) {
		case SR_OP_WAKE:
			count_down(c, op->arg, op->value);
			break;
		case SR_OP_WAIT:
		case SR_OP_SLEEP: {
			struct sr_wait *w = &p->waits[op->arg];

			if (w->watch_task != UINT32_MAX && !(pl->left[op->arg] & ARRIVED)) {
				uint32_t task = w->watch_task, wait = w->watch_wait;

				pl->left[op->arg] |= ARRIVED; /* arrived: counted once */
				count_down(c, task, wait);
			}
			if (pl->left[op->arg] & COUNT)
				return;
			break;
		}
		case SR_OP_FORK:
			c->pl[op->arg].started = true;
			make_ready(c, op->arg);
			break;
		case SR_OP_END:
			pl->done = true;
			return;
		default:
			break;
		}
	}
}

static void play_ready(struct check *c)
{
	while (c->nready) {
		uint32_t i = c->ready[--c->nready];

		c->pl[i].queued = false;
		play(c, i);
	}
}

/* The stuck wait that began first in the recording, of those that are not in it if there is one; UINT32_MAX: none is stuck. */
static uint32_t first_stuck(const struct check *c)
{
	uint64_t best = UINT64_MAX;
	bool best_hidden = false, hidden;
	uint32_t found = UINT32_MAX;
	size_t i;

	for (i = 0; i < c->m->ntasks; i++) {
		const struct sr_program *p = &c->m->tasks[i];
		const struct sr_op *op = &p->ops[c->pl[i].pc];

		if (c->pl[i].done || !c->pl[i].started)
			continue;
		hidden = op->kind == SR_OP_WAIT && op->flags & SR_WAIT_HIDDEN;
		if (found == UINT32_MAX || hidden > best_hidden ||
		    (hidden == best_hidden && p->waits[op->arg].wake_ns < best)) {
			best = p->waits[op->arg].wake_ns;
			best_hidden = hidden;
			found = i;
		}
	}
	return found;
}

int sr_model_check(struct sr_model *m, struct sr_error *err)
{
	struct check c = { .m = m };
	uint32_t stuck;
	size_t i, w;
	int ret = -1;

	c.pl = calloc(m->ntasks, sizeof(*c.pl));
	c.ready = calloc(m->ntasks, sizeof(*c.ready));
	if (!c.pl || !c.ready)
		goto out;
	for (i = 0; i < m->ntasks; i++) {
		c.pl[i].left = calloc(m->tasks[i].nwaits + 1, sizeof(uint32_t));
		if (!c.pl[i].left)
			goto out;
		for (w = 0; w < m->tasks[i].nwaits; w++)
			c.pl[i].left[w] = m->tasks[i].waits[w].needs;
	}
	for (i = m->ntasks; i-- > 0;)
		if (m->tasks[i].parent == UINT32_MAX) {
			c.pl[i].started = true;
			make_ready(&c, i);
		}
	play_ready(&c);
	while ((stuck = first_stuck(&c)) != UINT32_MAX) {
		struct sr_program *p = &m->tasks[stuck];
		struct sr_op *op = &p->ops[c.pl[stuck].pc];

		if (op->kind == SR_OP_WAIT && op->flags & SR_WAIT_HIDDEN) {
			m->counts.hidden_dropped++; /* it passes there */
		} else {
			op->kind = SR_OP_SLEEP;
			op->flags = SR_SLEEP_UNKNOWN;
			m->counts.check_timed++;
		}
		p->waits[op->arg].needs = p->waits[op->arg].folded = 0;
		p->waits[op->arg].waker = UINT32_MAX;
		c.pl[stuck].left[op->arg] &= ARRIVED;
		make_ready(&c, stuck);
		play_ready(&c);
	}
	ret = 0;
out:
	for (i = 0; c.pl && i < m->ntasks; i++)
		free(c.pl[i].left);
	free(c.pl);
	free(c.ready);
	return ret < 0 ? sr_fail(err, SR_ENVIRONMENT, "out of memory for checking the workload model") : 0;
}
