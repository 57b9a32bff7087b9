/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tasks are to the scheduler: classes, priorities, CPUs, from priorities in switches and what was read of them. */
#include <string.h>

#include "formats/model_build_internal.h"

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
int sr_build_prio(struct build *b, uint32_t i, int16_t prio, uint64_t now)
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
	return sr_build_run(b, i, now) < 0 ? -1 : sr_build_op(b, p, op);
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
void sr_build_attr(struct build *b, uint32_t i, const struct sr_attr *attr)
{
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];

	if (!attr)
		return;
	if (attr->mask < b->m->attrs.nmasks)
		t->mask = &b->m->attrs.masks[attr->mask];
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

/* What a task of the start has. */
void sr_build_start(struct build *b, uint32_t i, const struct sr_task *task, const struct sr_tidmap *last)
{
	const struct sr_attrs *a = &b->m->attrs;
	uint32_t entry = sr_tidmap_get(last, task->tid);

	start_values(b, i, task);
	if (entry)
		sr_build_attr(b, i, &a->v[a->entries[entry - 1].attr]);
	b->m->tasks[i].allowed = b->bt[i].mask;
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
int sr_build_exec(struct build *b, const struct sr_event *ev, uint32_t i)
{
	const struct sr_attr *attr = sr_attrs_at(&b->m->attrs, ev->time_ns, ev->u.exec.tid);
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];
	const struct sr_cpumask *mask = t->mask;
	uint8_t normal = t->normal;

	if (sr_build_run(b, i, ev->time_ns) < 0)
		return -1;
	if (attr) {
		sr_build_attr(b, i, attr);
		if (sr_build_prio(b, i, prio_of(attr), ev->time_ns) < 0)
			return -1;
	}
	if (normal != t->normal && t->prio >= 100 &&
	    sr_build_op(b, p,
			(struct sr_op){ .kind = SR_OP_CLASS, .flags = t->normal, .arg = (uint32_t)t->prio - 100 }) < 0)
		return -1;
	if (sr_build_place(b, i, ev->time_ns) < 0)
		return -1;
	if (attr && !same_mask(mask, t->mask) &&
	    sr_build_op(b, p, (struct sr_op){ .kind = SR_OP_MASK, .arg = attr->mask }) < 0)
		return -1;
	if (sr_build_op(b, p, (struct sr_op){ .kind = SR_OP_EXEC }) < 0)
		return -1;
	return sr_build_op(b, p, (struct sr_op){ .kind = SR_OP_NAME, .arg = SR_NAME_KEPT });
}

/* A child has its parent's class of that moment, but that of a DEADLINE task is normal. What the reset-on-fork flag makes
 * of it shows when the child first runs. */
void sr_build_inherit(struct build *b, uint32_t parent, uint32_t child)
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
	to->prio = from->prio == -1 ? 120 : from->prio;
	c->nice = to->prio >= 100 ? (int8_t)(to->prio - 120) : p->nice;
	if (!class_of(to, to->prio, &c->policy, &c->rt_prio)) {
		c->policy = p->policy;
		c->rt_prio = p->rt_prio;
	}
}
