/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/model_internal.h"
#include "formats/select.h"
#include "formats/timeline.h"

#define NO_PRIO (-1000)

enum run_state { NEW, RUNNABLE, RUNNING, BLOCKED, DEAD };

/* What building knows of a replayed task beside its program. */
struct build_task {
	enum run_state state;
	uint64_t in_ns, block_ns;
	uint64_t pending_ns; /* CPU time not yet in a RUN */
	uint64_t events;     /* recorded in its context since the last RUN: each cost the task tracepoint_ns */
	uint64_t last_wake_ns, last_in_ns, last_out_ns;
	uint64_t seen_ns;        /* when an event last showed it running */
	uint64_t ran_ns, bursts; /* from switch to switch, both recorded */
	int waker_cpu;           /* of the last wake by a replayed task, -1: by another */
	size_t wait_op;          /* op of the open or last wait, SIZE_MAX: none */
	bool in_after_wake;      /* the last switch-in followed a wake, not a preemption */
	bool out_repaired;       /* its last switch-out was put in: nobody knows whether it slept */
	bool disk;
	int16_t prio;                  /* the kernel's, as seen last; NO_PRIO: not yet */
	const struct sr_cpumask *mask; /* as of now; NULL: not known */
	uint8_t normal, rt; /* its policy whenever its priority is a normal one, and when it is a real-time one */
	uint16_t last_cpu;
	char comm[SR_COMM_LEN];
	size_t fork_op; /* the FORK in its parent's program */
	/* A wake that came before the sleep that it ends. */
	bool early;
	uint32_t early_waker; /* UINT32_MAX: timed */
	size_t early_op;
	bool early_softirq, early_outside;
};

struct build {
	struct sr_model *m;
	const struct sr_model_options *o;
	struct srz_reader *r;
	struct sr_task_table table;
	struct sr_repair *repair;
	struct sr_task_table named; /* all tasks with their last names, when they are chosen by name */
	struct build_task *bt;
	size_t bt_cap;
	uint32_t *of_task; /* table index -> model task + 1; 0: not looked at, UINT32_MAX: outside */
	size_t of_task_cap;
	struct sr_soft_wake *soft;
	size_t nsoft, soft_cap;
	bool whole_system;
	uint64_t from, to;
	bool cut; /* the window begins behind the recording's start state */
	size_t alive;
	struct sr_error *err;
};

static int oom(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory for the workload model");
}

static int grow(void *array, size_t *cap, size_t need, size_t size, struct sr_error *err)
{
	void **v = array, *bigger;
	size_t want = *cap ? *cap * 2 : 16;

	if (need <= *cap)
		return 0;
	if (want < need)
		want = need;
	bigger = reallocarray(*v, want, size);
	if (!bigger)
		return oom(err);
	memset((char *)bigger + *cap * size, 0, (want - *cap) * size);
	*v = bigger;
	*cap = want;
	return 0;
}

static int add_op(struct build *b, struct sr_program *p, struct sr_op op)
{
	if (grow(&p->ops, &p->ops_cap, p->nops + 1, sizeof(*p->ops), b->err) < 0)
		return -1;
	p->ops[p->nops++] = op;
	return 0;
}

static int add_name(struct build *b, const char *name, uint32_t *index)
{
	struct sr_model *m = b->m;
	size_t i;

	for (i = m->nnames; i-- > 0 && m->nnames - i < 64;)
		if (!strcmp(m->names[i], name)) {
			*index = i;
			return 0;
		}
	if (grow(&m->names, &m->names_cap, m->nnames + 1, sizeof(*m->names), b->err) < 0)
		return -1;
	m->names[m->nnames] = strndup(name, SR_COMM_LEN - 1);
	if (!m->names[m->nnames])
		return oom(b->err);
	*index = m->nnames++;
	return 0;
}

/* The CPU time used up to now becomes a RUN. */
static int flush_run(struct build *b, uint32_t i, uint64_t now)
{
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];
	uint64_t ns, cost;

	if (t->state == RUNNING && now > t->in_ns) {
		t->pending_ns += now - t->in_ns;
		t->in_ns = now;
	}
	cost = t->events * b->o->tracepoint_ns;
	t->events = 0;
	ns = t->pending_ns > cost ? t->pending_ns - cost : 0;
	t->pending_ns = 0;
	if (!ns)
		return 0;
	p->cpu_ns += ns;
	b->m->run_ns += ns;
	return add_op(b, p, (struct sr_op){ .kind = SR_OP_RUN, .cpu = t->last_cpu, .value = ns });
}

static bool is_replayed(struct build *b, const struct sr_task *task)
{
	size_t k = task - b->table.v;

	if (!task->tid || task->flags & (SR_TASK_KTHREAD | SR_TASK_RECORDER))
		return false;
	if (!b->whole_system && !task->in_tree)
		return false;
	return sr_task_selected(b->o->tasks, k < b->named.n ? b->named.v[k].comm : task->comm);
}

/* The model task of a tid as of now; UINT32_MAX: not replayed. */
static int model_task(struct build *b, int32_t tid, uint32_t *index)
{
	struct sr_model *m = b->m;
	const struct sr_task *task;
	struct sr_program *p;
	size_t k;

	*index = UINT32_MAX;
	if (!tid)
		return 0;
	k = sr_task_of(&b->table, tid);
	if (k == SIZE_MAX || grow(&b->of_task, &b->of_task_cap, k + 1, sizeof(*b->of_task), b->err) < 0)
		return oom(b->err);
	if (b->of_task[k]) {
		*index = b->of_task[k] == UINT32_MAX ? UINT32_MAX : b->of_task[k] - 1;
		return 0;
	}
	task = &b->table.v[k];
	if (!is_replayed(b, task)) {
		b->of_task[k] = UINT32_MAX;
		m->counts.tasks_outside++;
		return 0;
	}
	if (m->ntasks >= UINT32_MAX - 2)
		return sr_fail(b->err, SR_DAMAGED, "more tasks than a model can hold");
	if (grow(&m->tasks, &m->tasks_cap, m->ntasks + 1, sizeof(*m->tasks), b->err) < 0 ||
	    grow(&b->bt, &b->bt_cap, m->ntasks + 1, sizeof(*b->bt), b->err) < 0)
		return -1;
	p = &m->tasks[m->ntasks];
	memset(p, 0, sizeof(*p));
	p->source = k;
	p->tid = task->tid;
	p->tgid = task->tgid;
	p->parent = UINT32_MAX;
	p->first_cpu = -1;
	p->group = SR_ATTR_NONE;
	memcpy(p->comm, task->comm, SR_COMM_LEN);
	memset(&b->bt[m->ntasks], 0, sizeof(*b->bt));
	b->bt[m->ntasks].wait_op = b->bt[m->ntasks].fork_op = SIZE_MAX;
	b->bt[m->ntasks].prio = NO_PRIO;
	b->bt[m->ntasks].rt = SR_SCHED_FIFO;
	memcpy(b->bt[m->ntasks].comm, p->comm, SR_COMM_LEN);
	*index = m->ntasks++;
	b->of_task[k] = *index + 1;
	if (++b->alive > m->max_alive)
		m->max_alive = b->alive;
	return 0;
}

static uint64_t relative(const struct build *b, uint64_t now)
{
	return now > b->m->start_ns ? now - b->m->start_ns : 0;
}

static int open_wait(struct build *b, uint32_t i, uint64_t now)
{
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];

	if (flush_run(b, i, now) < 0 || grow(&p->waits, &p->waits_cap, p->nwaits + 1, sizeof(*p->waits), b->err) < 0)
		return -1;
	p->waits[p->nwaits] =
		(struct sr_wait){ .watch_task = UINT32_MAX, .waker = UINT32_MAX, .block_ns = relative(b, now) };
	t->wait_op = p->nops;
	t->block_ns = now;
	t->state = BLOCKED;
	return add_op(b, p, (struct sr_op){ .kind = SR_OP_WAIT, .arg = p->nwaits++ });
}

/* The open wait of task i ends at `now`, by a replayed waker or (UINT32_MAX) by the clock: what did it then? */
static void close_wait(struct build *b, uint32_t i, uint32_t waker, enum sr_sleep what, uint64_t now)
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

	if (flush_run(b, waker, now) < 0)
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
	*op_index = p->nops;
	return add_op(b, p, (struct sr_op){ .kind = SR_OP_WAKE, .flags = order, .arg = target, .value = wait });
}

static int add_soft(struct build *b, uint32_t waker, uint32_t target, size_t waker_op)
{
	if (grow(&b->soft, &b->soft_cap, b->nsoft + 1, sizeof(*b->soft), b->err) < 0)
		return -1;
	b->soft[b->nsoft++] = (struct sr_soft_wake){ .waker = waker,
						     .target = target,
						     .waker_op = waker_op,
						     .wait_op = b->bt[target].wait_op,
						     .disk = b->bt[target].disk,
						     .wait = b->m->tasks[target].nwaits - 1 };
	return 0;
}

static void drop_early(struct build *b, struct build_task *t)
{
	if (!t->early)
		return;
	if (t->early_waker != UINT32_MAX)
		b->m->tasks[t->early_waker].ops[t->early_op].kind = SR_OP_NOP;
	b->m->counts.wakes_unmatched++;
	t->early = false;
}

/* A sleep whose beginning is not in the recording. */
static int reopen_wait(struct build *b, uint32_t i, uint64_t now)
{
	b->m->counts.sleeps_proved++;
	b->bt[i].disk = false;
	return open_wait(b, i, now);
}

/* A wake of task i at ev. */
static int on_wake(struct build *b, const struct sr_event *ev, uint32_t i)
{
	struct build_task *t = &b->bt[i];
	bool outside = !(ev->flags & SR_EV_INTERRUPT) && ev->ctx;
	bool softirq = (ev->flags & SR_EV_INTERRUPT) == SR_EV_SOFTIRQ;
	uint32_t waker = UINT32_MAX;
	size_t op = SIZE_MAX;

	/* The kernel wakes nobody who runs or waits for a cpu, but for who was preempted just before it would sleep. */
	if (t->state == RUNNABLE && ev->kind == SR_EV_WAKING && (t->in_after_wake || t->out_repaired) &&
	    reopen_wait(b, i, t->in_after_wake ? t->last_wake_ns : t->last_out_ns) < 0)
		return -1;
	if (t->state != BLOCKED && t->state != RUNNING)
		return 0;
	if (!(ev->flags & SR_EV_INTERRUPT) || softirq)
		if (model_task(b, ev->ctx, &waker) < 0)
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
		drop_early(b, t);
	if (waker == UINT32_MAX) {
		if (outside)
			b->m->counts.sleeps_outside++;
		else
			b->m->counts.sleeps_timer++;
	} else {
		if (emit_wake(b, waker, i, ev->time_ns, &op) < 0)
			return -1;
		if (softirq && add_soft(b, waker, i, op) < 0)
			return -1;
		if (!softirq)
			b->m->counts.waits_task++;
	}
	close_wait(b, i, waker, outside ? SR_SLEEP_OUTSIDE : SR_SLEEP_INTERRUPT, ev->time_ns);
	if (waker != UINT32_MAX)
		b->bt[i].waker_cpu = ev->cpu;
	return 0;
}

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

static int on_switch_out(struct build *b, const struct sr_event *ev, uint32_t i)
{
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];
	unsigned state = ev->u.sw.prev_state;
	uint64_t now;

	if (t->state == DEAD)
		return 0;
	if (t->state == NEW) /* it was running when the recording began */
		t->in_ns = b->m->start_ns;
	if (t->state != RUNNING && t->state != NEW)
		t->in_ns = ev->time_ns;
	now = t->state == RUNNING ? left_at(t, ev) : ev->time_ns;
	t->last_out_ns = now;
	t->out_repaired = ev->flags & SR_EV_REPAIRED;
	t->state = RUNNING;
	t->last_cpu = ev->cpu;
	if (state == SR_STATE_DEAD || state == SR_STATE_ZOMBIE) {
		drop_early(b, t);
		if (flush_run(b, i, now) < 0)
			return -1;
		t->state = DEAD;
		b->alive--;
		return add_op(b, p, (struct sr_op){ .kind = SR_OP_END, .flags = 1 });
	}
	if (sr_state_sleeps(state)) {
		b->m->counts.voluntary++;
		t->disk = state == SR_STATE_DISK;
		return open_wait(b, i, now);
	}
	/* A switch that was put in tells no state; a wake that was there already says that it was a sleep. */
	if (ev->flags & SR_EV_REPAIRED && t->early)
		return reopen_wait(b, i, now);
	b->m->counts.preempted++;
	t->pending_ns += now > t->in_ns ? now - t->in_ns : 0;
	t->state = RUNNABLE;
	t->in_after_wake = false;
	return 0;
}

/* What a priority of the kernel's says of the class; false for one that is none. */
static bool class_of(const struct build_task *t, int prio, uint8_t *policy, uint8_t *rt_prio)
{
	*rt_prio = 0;
	if (prio < -1 || prio == 99 || prio >= 140)
		return false;
	if (prio == -1) {
		*policy = SR_SCHED_DEADLINE;
	} else if (prio < 99) {
		*policy = t->rt;
		*rt_prio = (uint8_t)(99 - prio);
	} else {
		*policy = t->normal;
	}
	return true;
}

/* Task i begins to run with this priority: another one than before is another nice value or class. */
static int on_prio(struct build *b, uint32_t i, int16_t prio, uint64_t now)
{
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];
	int before = t->prio == NO_PRIO ? 120 : t->prio;
	struct sr_op op = { .kind = SR_OP_CLASS };
	uint8_t rt_prio;

	if (prio == t->prio || !class_of(t, prio, &op.flags, &rt_prio))
		return 0;
	if (p->first_cpu < 0 && !p->nops) { /* it has done nothing yet */
		p->policy = op.flags;
		p->rt_prio = rt_prio;
		p->nice = prio >= 100 ? (int8_t)(prio - 120) : 0;
		before = prio;
	}
	t->prio = prio;
	if (prio == before)
		return 0;
	op.arg = prio >= 100 ? (uint32_t)prio - 100 : rt_prio;
	if (before >= 100 && prio >= 100) {
		op.kind = SR_OP_NICE;
		op.flags = 0;
	}
	return flush_run(b, i, now) < 0 ? -1 : add_op(b, p, op);
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
			if (waker != UINT32_MAX && t->early_softirq && add_soft(b, waker, i, t->early_op) < 0)
				return -1;
			t->early = false;
			close_wait(b, i, waker, t->early_outside ? SR_SLEEP_OUTSIDE : SR_SLEEP_INTERRUPT, t->block_ns);
		} else {
			b->m->counts.wakes_missing++;
			close_wait(b, i, UINT32_MAX, SR_SLEEP_UNKNOWN, ev->time_ns);
		}
	} else if (t->early) {
		drop_early(b, t);
	}
	if (t->state == NEW)
		t->in_after_wake = true;
	if (t->wait_op != SIZE_MAX && t->in_after_wake) {
		p->ops[t->wait_op].cpu = ev->cpu;
		if (t->waker_cpu >= 0 && t->waker_cpu != ev->cpu && !ev->u.sw.prev)
			p->ops[t->wait_op].flags |= SR_WAIT_REMOTE;
	}
	if (ev->flags & SR_EV_REPAIRED) /* its priority is a guess */
		prio = t->prio;
	if (on_prio(b, i, prio, ev->time_ns) < 0)
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

	if (model_task(b, ev->u.sw.prev, &prev) < 0)
		return -1;
	if (prev != UINT32_MAX && on_switch_out(b, ev, prev) < 0)
		return -1;
	if (model_task(b, ev->u.sw.next, &next) < 0)
		return -1;
	return next == UINT32_MAX ? 0 : on_switch_in(b, ev, next);
}

static void start_values(struct build *b, uint32_t i, const struct sr_task *task)
{
	struct sr_program *p = &b->m->tasks[i];
	struct build_task *t = &b->bt[i];
	const struct sr_task_start *s;

	if (!task->start || task->start > b->m->starts.n)
		return;
	s = &b->m->starts.v[task->start - 1];
	p->policy = s->policy;
	p->rt_prio = s->rt_prio;
	p->nice = s->nice;
	p->tgid = s->tgid;
	p->ppid = s->ppid;
	if (s->allowed < b->m->starts.nmasks)
		t->mask = &b->m->starts.masks[s->allowed];
	if (s->policy == SR_SCHED_FIFO || s->policy == SR_SCHED_RR) {
		t->rt = s->policy;
		t->prio = (int16_t)(99 - s->rt_prio);
	} else if (s->policy == SR_SCHED_DEADLINE) {
		t->prio = -1;
	} else {
		t->normal = s->policy;
		t->prio = (int16_t)(120 + s->nice);
	}
}

/* What was read of task i, of which the priorities in events do not tell. */
static void take_attr(struct build *b, uint32_t i, const struct sr_attr *attr)
{
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];

	if (!attr)
		return;
	if (attr->mask < b->m->attrs.nmasks)
		t->mask = &b->m->attrs.masks[attr->mask];
	if (attr->group < b->m->attrs.ngroups)
		p->group = attr->group;
	if (attr->session)
		p->session = attr->session;
	if (attr->policy == SR_SCHED_FIFO || attr->policy == SR_SCHED_RR) {
		t->rt = attr->policy;
	} else if (attr->policy == SR_SCHED_DEADLINE) {
		p->dl_runtime_ns = attr->runtime_ns;
		p->dl_deadline_ns = attr->deadline_ns;
		p->dl_period_ns = attr->period_ns;
	} else {
		t->normal = attr->policy;
		p->slice_ns = attr->runtime_ns;
		if ((t->prio >= 100 || t->prio == NO_PRIO) && p->first_cpu < 0)
			p->policy = attr->policy;
	}
}

static bool same_mask(const struct sr_cpumask *x, const struct sr_cpumask *y)
{
	return x == y || (x && y && !memcmp(x, y, sizeof(*x)));
}

static int16_t prio_of(const struct sr_attr *attr)
{
	if (attr->policy == SR_SCHED_DEADLINE)
		return -1;
	if (attr->policy == SR_SCHED_FIFO || attr->policy == SR_SCHED_RR)
		return (int16_t)(99 - attr->rt_prio);
	return (int16_t)(120 + attr->nice);
}

/* At an exec shows what its task changed before: chrt, taskset and the like. */
static int on_exec(struct build *b, const struct sr_event *ev, uint32_t i)
{
	const struct sr_attr *attr = sr_attrs_at(&b->m->attrs, ev->time_ns, ev->u.exec.tid);
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];
	const struct sr_cpumask *mask = t->mask;
	uint8_t normal = t->normal;

	if (flush_run(b, i, ev->time_ns) < 0)
		return -1;
	if (attr) {
		take_attr(b, i, attr);
		if (on_prio(b, i, prio_of(attr), ev->time_ns) < 0)
			return -1;
	}
	if (normal != t->normal && t->prio >= 100 &&
	    add_op(b, p, (struct sr_op){ .kind = SR_OP_CLASS, .flags = t->normal, .arg = (uint32_t)t->prio - 100 }) < 0)
		return -1;
	if (attr && !same_mask(mask, t->mask) &&
	    add_op(b, p, (struct sr_op){ .kind = SR_OP_MASK, .arg = attr->mask }) < 0)
		return -1;
	return add_op(b, p, (struct sr_op){ .kind = SR_OP_EXEC });
}

/* A child has its parent's class of that moment, but that of a DEADLINE task is normal. What the reset-on-fork flag makes
 * of it shows when the child first runs. */
static void inherit(struct build *b, uint32_t parent, uint32_t child)
{
	const struct build_task *from = &b->bt[parent];
	struct build_task *to = &b->bt[child];
	const struct sr_program *p = &b->m->tasks[parent];
	struct sr_program *c = &b->m->tasks[child];

	to->normal = from->normal;
	to->rt = from->rt;
	to->mask = from->mask;
	c->dl_runtime_ns = p->dl_runtime_ns;
	c->dl_deadline_ns = p->dl_deadline_ns;
	c->dl_period_ns = p->dl_period_ns;
	c->slice_ns = p->slice_ns;
	c->group = p->group;
	c->session = p->session;
	to->prio = from->prio == -1 ? 120 : from->prio;
	c->nice = to->prio >= 100 ? (int8_t)(to->prio - 120) : p->nice;
	if (!class_of(to, to->prio, &c->policy, &c->rt_prio)) {
		c->policy = p->policy;
		c->rt_prio = p->rt_prio;
	}
}

static int on_fork(struct build *b, const struct sr_event *ev)
{
	struct sr_program *p, *c;
	uint32_t parent, child;

	if (model_task(b, ev->u.fork.parent, &parent) < 0 || model_task(b, ev->u.fork.child, &child) < 0)
		return -1;
	if (child == UINT32_MAX)
		return 0;
	c = &b->m->tasks[child];
	if (parent == UINT32_MAX || b->bt[parent].state != RUNNING) {
		/* Born of a task that is not replayed: it starts by the clock. */
		b->bt[child].block_ns = b->m->start_ns;
		if (open_wait(b, child, b->m->start_ns) < 0)
			return -1;
		close_wait(b, child, UINT32_MAX, SR_SLEEP_OUTSIDE, ev->time_ns);
		b->m->counts.sleeps_outside++;
		return 0;
	}
	c->parent = parent;
	inherit(b, parent, child);
	take_attr(b, child, sr_attrs_at(&b->m->attrs, ev->time_ns, ev->u.fork.child));
	c->allowed = b->bt[child].mask;
	memcpy(c->comm, b->bt[parent].comm, SR_COMM_LEN);
	memcpy(b->bt[child].comm, c->comm, SR_COMM_LEN);
	if (flush_run(b, parent, ev->time_ns) < 0)
		return -1;
	p = &b->m->tasks[parent];
	b->bt[child].fork_op = p->nops;
	return add_op(b, p, (struct sr_op){ .kind = SR_OP_FORK, .arg = child });
}

static int on_name(struct build *b, const struct sr_event *ev)
{
	const char *name = srz_name_at(b->r, ev->u.rename.name);
	struct build_task *t;
	struct sr_program *p;
	uint32_t i, index = 0;

	if (model_task(b, ev->u.rename.tid, &i) < 0)
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
	if (add_name(b, name, &index) < 0 || flush_run(b, i, ev->time_ns) < 0)
		return -1;
	return add_op(b, p, (struct sr_op){ .kind = SR_OP_NAME, .arg = index });
}

/* An event in its context shows that it runs, though no switch-in was seen: since the start, if it is its first. */
static void runs_unseen(struct build *b, uint32_t i, const struct sr_event *ev)
{
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];

	if (t->state == RUNNING || t->state == DEAD)
		return;
	t->in_ns = t->state == NEW && p->parent == UINT32_MAX ? b->m->start_ns : ev->time_ns;
	if (t->state == BLOCKED) {
		b->m->counts.wakes_missing++;
		drop_early(b, t);
		close_wait(b, i, UINT32_MAX, SR_SLEEP_UNKNOWN, ev->time_ns);
	}
	t->state = RUNNING;
	t->last_in_ns = t->in_ns;
	t->last_cpu = ev->cpu;
	if (p->first_cpu < 0)
		p->first_cpu = ev->cpu;
}

static int on_event(struct build *b, const struct sr_event *ev)
{
	uint32_t i, ctx;

	if (ev->ctx && ev->kind <= SR_EV_NEWTASK && !(ev->flags & SR_EV_REPAIRED)) {
		if (model_task(b, ev->ctx, &ctx) < 0)
			return -1;
		if (ctx != UINT32_MAX) {
			runs_unseen(b, ctx, ev);
			b->bt[ctx].seen_ns = ev->time_ns;
			b->bt[ctx].events++;
		}
	}
	switch (ev->kind) {
	case SR_EV_SWITCH:
		return on_switch(b, ev);
	case SR_EV_WAKING:
	case SR_EV_WAKEUP:
		if (model_task(b, ev->u.wake.tid, &i) < 0)
			return -1;
		if (i == UINT32_MAX)
			return 0;
		/* Its first event: it has slept since the start of the window. */
		if (b->bt[i].state == NEW && b->m->tasks[i].parent == UINT32_MAX && open_wait(b, i, b->m->start_ns) < 0)
			return -1;
		if (ev->kind == SR_EV_WAKEUP) {
			/* One without its waking (a filter lost it) stands for it; but it never comes early: while its
			 * task runs it tells that the wake before it was in time, and that the task never slept. */
			if (b->bt[i].state == RUNNING)
				drop_early(b, &b->bt[i]);
			if (b->bt[i].state != BLOCKED || b->bt[i].early)
				return 0;
		}
		return on_wake(b, ev, i);
	case SR_EV_FORK:
		return on_fork(b, ev);
	case SR_EV_EXEC:
		if (model_task(b, ev->u.exec.tid, &i) < 0)
			return -1;
		if (i == UINT32_MAX || b->bt[i].state != RUNNING)
			return 0;
		return on_exec(b, ev, i);
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

/* Tasks alive at the start: asleep ones begin in a wait of which nobody saw the beginning. */
/* The last entry of each tid up to the start, as its index + 1. */
static int find_start_attrs(const struct build *b, struct sr_tidmap *last)
{
	const struct sr_attrs *a = &b->m->attrs;
	size_t i;

	for (i = 0; i < a->nentries && a->entries[i].time_ns <= b->from; i++)
		if (sr_tidmap_put(last, a->entries[i].tid, (uint32_t)i + 1) < 0)
			return oom(b->err);
	return 0;
}

/* What a task of the start has. */
static void set_start(struct build *b, uint32_t i, const struct sr_task *task, const struct sr_tidmap *last)
{
	const struct sr_attrs *a = &b->m->attrs;
	uint32_t entry = sr_tidmap_get(last, task->tid);

	start_values(b, i, task);
	if (entry)
		take_attr(b, i, &a->v[a->entries[entry - 1].attr]);
	b->m->tasks[i].allowed = b->bt[i].mask;
}

static int add_starts_from(struct build *b, const struct sr_tidmap *last)
{
	size_t k;
	uint32_t i;

	for (k = 1; k < b->table.n; k++) {
		const struct sr_task *task = &b->table.v[k];
		char state;

		/* In a window that begins later it may be over, and its tid another's. */
		if (!task->start || task->died_ns || sr_task_of(&b->table, task->tid) != k)
			continue;
		if (model_task(b, task->tid, &i) < 0)
			return -1;
		if (i == UINT32_MAX)
			continue;
		set_start(b, i, task, last);
		state = b->m->starts.v[task->start - 1].state;
		if (state == 'R' || b->cut) /* then its first event tells */
			continue;
		if (open_wait(b, i, b->m->start_ns) < 0)
			return -1;
		b->bt[i].disk = state == 'D';
	}
	return 0;
}

static int add_starts(struct build *b)
{
	struct sr_tidmap last = { 0 };
	int ret = find_start_attrs(b, &last) < 0 ? -1 : add_starts_from(b, &last);

	sr_tidmap_release(&last);
	return ret;
}

static uint8_t fork_flags(uint64_t clone_flags)
{
	return (clone_flags & 0x100 ? SR_FORK_VM : 0) | (clone_flags & 0x10000 ? SR_FORK_THREAD : 0);
}

static int finish(struct build *b)
{
	struct sr_model *m = b->m;
	size_t i;

	for (i = 0; i < m->ntasks; i++) {
		struct build_task *t = &b->bt[i];
		struct sr_program *p = &m->tasks[i];

		drop_early(b, t);
		if (t->fork_op != SIZE_MAX)
			m->tasks[p->parent].ops[t->fork_op].flags = fork_flags(b->table.v[p->source].clone_flags);
		if (t->state == DEAD)
			continue;
		if (t->state == BLOCKED) {
			p->nops = t->wait_op;
			p->nwaits--;
			m->counts.sleeps_open++;
		} else if (t->state == RUNNING && flush_run(b, i, m->end_ns) < 0) {
			return -1;
		} else if (flush_run(b, i, 0) < 0) {
			return -1;
		}
		if (add_op(b, p, (struct sr_op){ .kind = SR_OP_END }) < 0)
			return -1;
	}
	return 0;
}

static int copy_starts(struct sr_task_starts *to, const struct sr_task_starts *from, struct sr_error *err)
{
	size_t i;

	for (i = 0; i < from->n; i++) {
		uint32_t mask = from->v[i].allowed;

		if (sr_task_starts_add(to, &from->v[i], mask < from->nmasks ? &from->masks[mask] : NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* A task is chosen by the name that it has in the end: one that was just forked has its parent's. Feeds the same events
 * as build_all, so that the tables' indices agree. */
static int name_all(struct build *b)
{
	struct sr_repair *repair = sr_repair_new(!b->whole_system, b->err);
	struct sr_event ev, out[5];
	int got = -1, n, i;

	if (!repair || sr_task_table_init(&b->named, &b->m->starts, b->err) < 0 || srz_rewind(b->r, b->err) < 0)
		goto out;
	while ((got = srz_next(b->r, &ev, b->err)) > 0) {
		if (ev.kind >= SR_EV_DECISION)
			continue;
		n = sr_repair_push(repair, &ev, out, b->err);
		for (i = 0; i < n; i++)
			if (sr_task_table_feed(&b->named, &out[i], srz_name_at, b->r, b->err) < 0)
				n = -1;
		if (n < 0) {
			got = -1;
			break;
		}
	}
out:
	sr_repair_free(repair);
	return got;
}

static int build_all(struct build *b)
{
	struct sr_event ev, out[5];
	bool begun = false;
	int got, n, i;

	if (srz_rewind(b->r, b->err) < 0)
		return -1;
	while ((got = srz_next(b->r, &ev, b->err)) > 0) {
		if (ev.kind >= SR_EV_DECISION)
			continue;
		n = sr_repair_push(b->repair, &ev, out, b->err);
		if (n < 0)
			return -1;
		for (i = 0; i < n; i++) {
			if (sr_task_table_feed(&b->table, &out[i], srz_name_at, b->r, b->err) < 0)
				return -1;
			if (out[i].time_ns < b->from)
				continue;
			if (out[i].time_ns > b->to)
				return 0;
			if (!begun) {
				begun = true;
				if (add_starts(b) < 0)
					return -1;
			}
			b->m->end_ns = out[i].time_ns;
			if (on_event(b, &out[i]) < 0)
				return -1;
		}
	}
	return got;
}

struct sr_model *sr_model_build(struct srz_reader *r, const struct sr_model_options *o, struct sr_error *err)
{
	const struct srz_info *info = srz_get_info(r);
	const char *scope = srz_get_meta(r, "scope");
	struct build b = { .o = o, .r = r, .err = err };
	size_t i;
	int ok = -1;

	b.m = calloc(1, sizeof(*b.m));
	if (!b.m) {
		oom(err);
		return NULL;
	}
	b.whole_system = !scope || !strcmp(scope, "system");
	b.from = info->first_ns + o->from_ns;
	b.cut = o->from_ns != 0;
	b.to = o->to_ns ? info->first_ns + o->to_ns : UINT64_MAX;
	b.m->start_ns = b.m->end_ns = b.from;
	b.m->cpus = info->cpus;
	b.repair = sr_repair_new(!b.whole_system, err);
	if (!b.repair || copy_starts(&b.m->starts, srz_get_tasks(r), err) < 0 ||
	    sr_attrs_get(r, &b.m->attrs, err) < 0 || sr_task_table_init(&b.table, &b.m->starts, err) < 0)
		goto out;
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): b.m is freed below, or returned. */
	if ((o->tasks && name_all(&b) < 0) || build_all(&b) < 0 || finish(&b) < 0)
		goto out;
	sr_model_judge_softirq(b.m, b.soft, b.nsoft);
	b.m->counts.repaired = sr_repair_count(b.repair);
	b.m->counts.tasks = b.m->ntasks;
	b.m->nsources = (uint32_t)b.table.n;
	for (i = 0; i < b.m->ntasks; i++)
		if (b.m->tasks[i].nops > 1)
			break;
	if (i == b.m->ntasks) {
		sr_fail(err, SR_ANSWER_NO, "the recording holds nothing that can be replayed");
		goto out;
	}
	if (sr_model_check(b.m, err) == 0)
		ok = sr_model_find_causes(b.m, err);
	if (ok == 0)
		ok = sr_model_find_timers(b.m, err);
out:
	sr_repair_free(b.repair);
	sr_task_table_release(&b.table);
	sr_task_table_release(&b.named);
	free(b.bt);
	free(b.of_task);
	free(b.soft);
	if (ok < 0) {
		sr_model_free(b.m);
		return NULL;
	}
	return b.m;
}

void sr_model_free(struct sr_model *m)
{
	size_t i;

	if (!m)
		return;
	for (i = 0; i < m->ntasks; i++) {
		free(m->tasks[i].ops);
		free(m->tasks[i].waits);
	}
	for (i = 0; i < m->nnames; i++)
		free(m->names[i]);
	free(m->names);
	free(m->tasks);
	sr_task_starts_release(&m->starts);
	for (i = 0; i < m->njoined; i++)
		sr_task_starts_release(&m->joined[i]);
	free(m->joined);
	sr_attrs_release(&m->attrs);
	free(m);
}
