/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sleeps and what ends them. */
#include "formats/model_build_internal.h"
#include "formats/softirq.h"

static uint64_t relative(const struct build *b, uint64_t now)
{
	return now > b->m->start_ns ? now - b->m->start_ns : 0;
}

int sr_build_open_wait(struct build *b, uint32_t i, uint64_t now)
{
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];

	if (sr_build_run(b, i, now) < 0 ||
	    sr_build_grow(&p->waits, &p->waits_cap, p->nwaits + 1, sizeof(*p->waits), b->err) < 0)
		return -1;
	p->waits[p->nwaits] =
		(struct sr_wait){ .watch_task = UINT32_MAX, .waker = UINT32_MAX, .block_ns = relative(b, now) };
	t->wait_op = p->nops;
	t->block_ns = now;
	t->state = BLOCKED;
	return sr_build_op(b, p, (struct sr_op){ .kind = SR_OP_WAIT, .arg = p->nwaits++ });
}

/* The open wait of task i ends at `now`, by a replayed waker or (UINT32_MAX) by the clock: what did it then? */
void sr_build_close_wait(struct build *b, uint32_t i, uint32_t waker, enum sr_sleep what, uint64_t now)
{
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];
	struct sr_op *op = &p->ops[t->wait_op];
	struct sr_wait *w = &p->waits[op->arg];

	op->value = now > t->block_ns ? now - t->block_ns : 0;
	w->wake_ns = relative(b, now);
	if (waker == UINT32_MAX) {
		op->kind = SR_OP_SLEEP;
		op->flags = t->disk && what != SR_SLEEP_UNKNOWN ? SR_SLEEP_DISK : what;
	} else {
		op->kind = SR_OP_WAIT;
		w->needs++;
		w->waker = waker;
		b->m->counts.waits_disk += t->disk;
	}
	t->last_wake_ns = now;
	t->waker_cpu = -1;
	t->state = RUNNABLE;
	t->in_after_wake = true;
}

/* Emits the WAKE in the waker's program at its present position. */
static int emit_wake(struct build *b, uint32_t waker, uint32_t target, uint64_t now, size_t *op_index)
{
	struct sr_program *p = &b->m->tasks[waker];
	const struct sr_program *tp = &b->m->tasks[target];
	struct build_task *w = &b->bt[waker];
	const struct build_task *t = &b->bt[target];
	enum sr_order order = SR_ORDER_NONE;
	uint32_t wait = tp->nwaits;

	if (sr_build_run(b, waker, now) < 0)
		return -1;
	if (t->state == BLOCKED) {
		wait = tp->nwaits - 1;
		if (t->block_ns <= b->m->start_ns)
			order = SR_ORDER_NONE;
		else if (t->block_ns < w->last_wake_ns) /* at the same time either may have been first */
			order = SR_ORDER_FOLDED;
		else if (t->block_ns <= w->last_in_ns)
			order = w->in_after_wake ? SR_ORDER_QUEUED : SR_ORDER_PREEMPTED;
		else
			order = SR_ORDER_CONCURRENT;
		if (order == SR_ORDER_FOLDED) {
			struct sr_wait *own = &p->waits[p->ops[w->wait_op].arg];
			struct sr_wait *their = &b->m->tasks[target].waits[wait];

			own->needs++;
			own->folded++;
			their->watch_task = waker;
			their->watch_wait = p->ops[w->wait_op].arg;
		}
	}
	b->m->counts.order[order]++;
	*op_index = w->wake_op = p->nops;
	w->wake_target = target;
	w->waking_ns = now;
	return sr_build_op(b, p, (struct sr_op){ .kind = SR_OP_WAKE, .flags = order, .arg = target, .value = wait });
}

int sr_build_soft(struct build *b, uint32_t waker, uint32_t target, size_t waker_op)
{
	if (sr_build_grow(&b->soft, &b->soft_cap, b->nsoft + 1, sizeof(*b->soft), b->err) < 0)
		return -1;
	b->soft[b->nsoft++] = (struct sr_soft_wake){ .waker = waker,
						     .target = target,
						     .waker_op = waker_op,
						     .wait_op = b->bt[target].wait_op,
						     .disk = b->bt[target].disk,
						     .wait = b->m->tasks[target].nwaits - 1 };
	return 0;
}

void sr_build_drop_early(struct build *b, struct build_task *t)
{
	if (!t->early)
		return;
	if (t->early_waker != UINT32_MAX) {
		b->m->tasks[t->early_waker].ops[t->early_op] = (struct sr_op){ .kind = SR_OP_NOP };
		if (b->bt[t->early_waker].wake_op == t->early_op)
			b->bt[t->early_waker].wake_op = SIZE_MAX;
	}
	b->m->counts.wakes_unmatched++;
	t->early = false;
}

/* A sleep whose beginning is not in the recording. */
int sr_build_reopen_wait(struct build *b, uint32_t i, uint64_t now)
{
	b->m->counts.sleeps_proved++;
	b->bt[i].disk = false;
	return sr_build_open_wait(b, i, now);
}

void sr_build_woken(struct build *b, const struct sr_event *ev, uint32_t i, uint32_t waker)
{
	struct build_task *w = &b->bt[waker];
	uint64_t ns = ev->time_ns - w->waking_ns;

	if (w->wake_op == SIZE_MAX || w->wake_target != i)
		return;
	ns = ns > b->o->tracepoint_ns ? ns - b->o->tracepoint_ns : 0;
	/* One that took longer than that was interrupted. */
	if (ns / SR_WAKE_UNIT_NS < UINT16_MAX)
		b->m->tasks[waker].ops[w->wake_op].cpu = (uint16_t)(ns / SR_WAKE_UNIT_NS + 1);
	w->wake_op = SIZE_MAX;
}

/* A wake of task i at ev. */
int sr_build_wake(struct build *b, const struct sr_event *ev, uint32_t i)
{
	struct build_task *t = &b->bt[i];
	bool outside = !(ev->flags & SR_EV_INTERRUPT) && ev->ctx;
	bool softirq = sr_is_softirq(ev);
	uint32_t waker = UINT32_MAX;
	size_t op = SIZE_MAX;

	/* The kernel wakes nobody who runs or waits for a cpu, but for who was preempted just before it would sleep. */
	if (t->state == RUNNABLE && ev->kind == SR_EV_WAKING && (t->in_after_wake || t->out_repaired) &&
	    sr_build_reopen_wait(b, i, t->in_after_wake ? t->last_wake_ns : t->last_out_ns) < 0)
		return -1;
	if (t->state != BLOCKED && t->state != RUNNING)
		return 0;
	if (!(ev->flags & SR_EV_INTERRUPT) || softirq)
		if (sr_build_task(b, ev->ctx, &waker) < 0)
			return -1;
	t = &b->bt[i];
	if (waker == i || (waker != UINT32_MAX && b->bt[waker].state != RUNNING))
		waker = UINT32_MAX;

	if (t->state == RUNNING) {
		if (t->early)
			return 0;
		if (waker != UINT32_MAX && emit_wake(b, waker, i, ev->time_ns, &op) < 0)
			return -1;
		t = &b->bt[i];
		t->early = true;
		t->early_waker = waker;
		t->early_op = op;
		t->early_softirq = softirq;
		t->early_outside = outside;
		return 0;
	}
	if (t->early)
		sr_build_drop_early(b, t);
	if (waker == UINT32_MAX) {
		if (outside)
			b->m->counts.sleeps_outside++;
		else
			b->m->counts.sleeps_timer++;
	} else {
		if (emit_wake(b, waker, i, ev->time_ns, &op) < 0)
			return -1;
		if (softirq && sr_build_soft(b, waker, i, op) < 0)
			return -1;
		if (!softirq)
			b->m->counts.waits_task++;
	}
	sr_build_close_wait(b, i, waker, outside ? SR_SLEEP_OUTSIDE : SR_SLEEP_INTERRUPT, ev->time_ns);
	if (waker != UINT32_MAX)
		b->bt[i].waker_cpu = ev->cpu;
	return 0;
}
