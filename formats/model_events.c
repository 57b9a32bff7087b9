/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each event does to the model. */
#include <stdio.h>
#include <string.h>

#include "formats/model_build_internal.h"

/* When did the task leave the cpu? Of a switch that is missing only the next event there tells, which on an idle cpu may come long
 * after: it is taken to have run as long as it mostly does, and at least until it was last seen. */
static uint64_t left_at(struct build_task *t, const struct sr_event *ev)
{
	uint64_t end = t->last_in_ns + (t->bursts ? t->ran_ns / t->bursts : 0);

	if (!(ev->flags & SR_EV_REPAIRED)) {
		if (ev->time_ns > t->last_in_ns && t->last_in_ns) {
			t->ran_ns += ev->time_ns - t->last_in_ns;
			t->bursts++;
		}
		return ev->time_ns;
	}
	if (!t->bursts && ev->u.sw.next) /* nothing is known of it, and the cpu was busy at the end */
		return ev->time_ns;
	if (end < t->seen_ns)
		end = t->seen_ns;
	return end < ev->time_ns ? end : ev->time_ns;
}

/* Who had the cpu before its first event has had it since the start. */
static uint64_t ran_since(const struct build *b, const struct sr_event *ev)
{
	return b->cpu_seen[ev->cpu / 64] >> ev->cpu % 64 & 1 ? ev->time_ns : b->m->start_ns;
}

static int on_switch_out(struct build *b, const struct sr_event *ev, uint32_t i)
{
	struct build_task *t = &b->bt[i];
	unsigned state = ev->u.sw.prev_state;
	uint64_t now;

	if (t->state == DEAD)
		return 0;
	if (t->state == NEW)
		t->in_ns = ran_since(b, ev);
	if (t->state != RUNNING && t->state != NEW)
		t->in_ns = ev->time_ns;
	now = t->state == RUNNING ? left_at(t, ev) : ev->time_ns;
	t->last_out_ns = now;
	t->out_repaired = ev->flags & SR_EV_REPAIRED;
	t->state = RUNNING;
	t->last_cpu = ev->cpu;
	if (state == SR_STATE_DEAD || state == SR_STATE_ZOMBIE)
		return sr_build_end(b, i, now, 1);
	if (sr_state_sleeps(state)) {
		b->m->counts.voluntary++;
		t->disk = state == SR_STATE_DISK;
		return sr_build_open_wait(b, i, now);
	}
	/* A switch that was put in tells no state; a wake that was there already says that it was a sleep. */
	if (ev->flags & SR_EV_REPAIRED && t->early)
		return sr_build_reopen_wait(b, i, now);
	b->m->counts.preempted++;
	t->pending_ns += now > t->in_ns ? now - t->in_ns : 0;
	t->state = RUNNABLE;
	t->in_after_wake = false;
	return 0;
}

static int on_switch_in(struct build *b, const struct sr_event *ev, uint32_t i)
{
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];
	int16_t prio = ev->u.sw.next_prio;

	if (t->state == DEAD)
		return 0;
	if (t->state == BLOCKED) {
		uint32_t waker = t->early ? t->early_waker : UINT32_MAX;

		if (t->early) {
			b->m->counts.wakes_early++;
			if (waker != UINT32_MAX && !t->early_softirq)
				b->m->counts.waits_task++;
			else if (waker == UINT32_MAX && t->early_outside)
				b->m->counts.sleeps_outside++;
			else if (waker == UINT32_MAX)
				b->m->counts.sleeps_timer++;
			if (waker != UINT32_MAX && t->early_softirq && sr_build_soft(b, waker, i, t->early_op) < 0)
				return -1;
			t->early = false;
			sr_build_close_wait(b, i, waker, t->early_outside ? SR_SLEEP_OUTSIDE : SR_SLEEP_INTERRUPT,
					    t->block_ns);
		} else {
			b->m->counts.wakes_missing++;
			sr_build_close_wait(b, i, UINT32_MAX, SR_SLEEP_UNKNOWN, ev->time_ns);
		}
	} else if (t->early) {
		sr_build_drop_early(b, t);
	}
	if (t->state == NEW)
		t->in_after_wake = true;
	if (t->wait_op != SIZE_MAX && t->in_after_wake) {
		p->ops[t->wait_op].cpu = ev->cpu;
		if (t->waker_cpu >= 0 && t->waker_cpu != ev->cpu &&
		    (!ev->u.sw.prev || ev->time_ns - t->last_wake_ns < SR_WAKE_AT_ONCE_NS))
			p->ops[t->wait_op].flags |= SR_WAIT_REMOTE;
		if (t->waker_cpu == ev->cpu && ev->time_ns - t->last_wake_ns < SR_WAKE_GIVEN_NS)
			p->ops[t->wait_op].flags |= SR_WAIT_GIVEN;
	}
	if (ev->flags & SR_EV_REPAIRED) /* its priority is a guess */
		prio = t->prio;
	if (sr_build_prio(b, i, prio, ev->time_ns) < 0)
		return -1;
	t->state = RUNNING;
	t->in_ns = t->last_in_ns = ev->time_ns;
	t->last_cpu = ev->cpu;
	if (p->first_cpu < 0)
		p->first_cpu = ev->cpu;
	return 0;
}

static int on_switch(struct build *b, const struct sr_event *ev)
{
	uint32_t prev, next;

	if (sr_build_task(b, ev->u.sw.prev, &prev) < 0)
		return -1;
	if (prev != UINT32_MAX && on_switch_out(b, ev, prev) < 0)
		return -1;
	if (sr_build_task(b, ev->u.sw.next, &next) < 0)
		return -1;
	return next == UINT32_MAX ? 0 : on_switch_in(b, ev, next);
}

static int on_fork(struct build *b, const struct sr_event *ev)
{
	struct sr_program *p, *c;
	uint32_t parent, child;

	if (sr_build_task(b, ev->u.fork.parent, &parent) < 0 || sr_build_task(b, ev->u.fork.child, &child) < 0)
		return -1;
	if (child == UINT32_MAX || b->bt[child].state != NEW) /* a file may have a task fork itself */
		return 0;
	c = &b->m->tasks[child];
	if (parent == UINT32_MAX || b->bt[parent].state != RUNNING) {
		/* Born of a task that is not replayed: it starts by the clock. */
		b->bt[child].block_ns = b->m->start_ns;
		if (sr_build_open_wait(b, child, b->m->start_ns) < 0)
			return -1;
		sr_build_close_wait(b, child, UINT32_MAX, SR_SLEEP_OUTSIDE, ev->time_ns);
		b->m->counts.sleeps_outside++;
		return 0;
	}
	c->parent = parent;
	sr_build_inherit(b, parent, child);
	sr_build_attr(b, child, sr_attrs_at(&b->m->attrs, ev->time_ns, ev->u.fork.child));
	c->allowed = b->bt[child].mask;
	memcpy(c->comm, b->bt[parent].comm, SR_COMM_LEN);
	memcpy(b->bt[child].comm, c->comm, SR_COMM_LEN);
	if (sr_build_run(b, parent, ev->time_ns) < 0 || sr_build_place(b, parent, ev->time_ns) < 0)
		return -1;
	p = &b->m->tasks[parent];
	b->bt[child].fork_op = p->nops;
	return sr_build_op(b, p, (struct sr_op){ .kind = SR_OP_FORK, .arg = child });
}

static int on_name(struct build *b, const struct sr_event *ev)
{
	const char *name = srz_name_at(b->r, ev->u.rename.name);
	struct build_task *t;
	struct sr_program *p;
	uint32_t i, index = 0;

	if (sr_build_task(b, ev->u.rename.tid, &i) < 0)
		return -1;
	if (i == UINT32_MAX)
		return 0;
	p = &b->m->tasks[i];
	t = &b->bt[i];
	if (!strncmp(t->comm, name, SR_COMM_LEN - 1))
		return 0;
	snprintf(t->comm, SR_COMM_LEN, "%s", name);
	if (t->state != RUNNING) {
		if (!p->nops)
			memcpy(p->comm, t->comm, SR_COMM_LEN);
		return 0;
	}
	if (sr_build_name(b, name, &index) < 0 || sr_build_run(b, i, ev->time_ns) < 0)
		return -1;
	if (p->nops && p->ops[p->nops - 1].kind == SR_OP_NAME && p->ops[p->nops - 1].arg == SR_NAME_KEPT) {
		p->ops[p->nops - 1].arg = index;
		return 0;
	}
	return sr_build_op(b, p, (struct sr_op){ .kind = SR_OP_NAME, .arg = index });
}

/* An event in its context shows that it runs, though no switch-in was seen. */
static void runs_unseen(struct build *b, uint32_t i, const struct sr_event *ev)
{
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];

	if (t->state == RUNNING || t->state == DEAD)
		return;
	t->in_ns = t->state == NEW && p->parent == UINT32_MAX ? ran_since(b, ev) : ev->time_ns;
	if (t->state == BLOCKED) {
		b->m->counts.wakes_missing++;
		sr_build_drop_early(b, t);
		sr_build_close_wait(b, i, UINT32_MAX, SR_SLEEP_UNKNOWN, ev->time_ns);
	}
	t->state = RUNNING;
	t->last_in_ns = t->in_ns;
	t->last_cpu = ev->cpu;
	if (p->first_cpu < 0)
		p->first_cpu = ev->cpu;
}

static int on_event(struct build *b, const struct sr_event *ev)
{
	uint32_t i, ctx = UINT32_MAX;

	if (ev->ctx && ev->kind <= SR_EV_NEWTASK && !(ev->flags & SR_EV_REPAIRED)) {
		if (sr_build_task(b, ev->ctx, &ctx) < 0)
			return -1;
		if (ctx != UINT32_MAX) {
			runs_unseen(b, ctx, ev);
			b->bt[ctx].seen_ns = ev->time_ns;
			if (ev->kind != SR_EV_WAKEUP) /* whatever else it does, the call of its last wake is over */
				b->bt[ctx].wake_op = SIZE_MAX;
			b->bt[ctx].events++;
		}
	}
	switch (ev->kind) {
	case SR_EV_SWITCH:
		return on_switch(b, ev);
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
		if (sr_build_task(b, ev->u.wake.tid, &i) < 0)
			return -1;
		if (i == UINT32_MAX)
			return 0;
		/* Its first event: it has slept since the start of the window. */
		if (b->bt[i].state == NEW && b->m->tasks[i].parent == UINT32_MAX &&
		    sr_build_open_wait(b, i, b->m->start_ns) < 0)
			return -1;
		if (ev->kind == SR_EV_WAKEUP) {
			/* One without its waking (a filter lost it) stands for it; but it never comes early: while its
			 * task runs it tells that the wake before it was in time, and that the task never slept. */
			if (ctx != UINT32_MAX && !(ev->flags & SR_EV_INTERRUPT))
				sr_build_woken(b, ev, i, ctx);
			if (b->bt[i].state == RUNNING)
				sr_build_drop_early(b, &b->bt[i]);
			if (b->bt[i].state != BLOCKED || b->bt[i].early)
				return 0;
		}
		return sr_build_wake(b, ev, i);
	case SR_EV_FORK:
		return on_fork(b, ev);
	case SR_EV_EXEC:
		if (sr_build_task(b, ev->u.exec.tid, &i) < 0)
			return -1;
		if (i == UINT32_MAX || b->bt[i].state != RUNNING)
			return 0;
		return sr_build_exec(b, ev, i);
	case SR_EV_RENAME:
	case SR_EV_COMM:
		return on_name(b, ev);
	case SR_EV_LOST:
		b->m->counts.lost += ev->u.lost.count;
		return 0;
	default:
		return 0;
	}
}

int sr_build_event(struct build *b, const struct sr_event *ev)
{
	int ret = on_event(b, ev);

	if (ev->kind <= SR_EV_NEWTASK)
		b->cpu_seen[ev->cpu / 64] |= 1ull << ev->cpu % 64;
	return ret;
}
