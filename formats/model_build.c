/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs of a model while it is built: tasks, operations, names, bursts. */
#include <stdlib.h>
#include <string.h>

#include "formats/model_build_internal.h"
#include "formats/select.h"

int sr_build_oom(struct sr_error *err)
{
	return sr_fail(err, SR_ENVIRONMENT, "out of memory for the workload model");
}

int sr_build_grow(void *array, size_t *cap, size_t need, size_t size, struct sr_error *err)
{
	void **v = array, *bigger;
	size_t want = *cap ? *cap * 2 : 16;

	if (need <= *cap)
		return 0;
	if (want < need)
		want = need;
	bigger = reallocarray(*v, want, size);
	if (!bigger)
		return sr_build_oom(err);
	memset((char *)bigger + *cap * size, 0, (want - *cap) * size);
	*v = bigger;
	*cap = want;
	return 0;
}

int sr_build_op(struct build *b, struct sr_program *p, struct sr_op op)
{
	if (sr_build_grow(&p->ops, &p->ops_cap, p->nops + 1, sizeof(*p->ops), b->err) < 0)
		return -1;
	p->ops[p->nops++] = op;
	return 0;
}

int sr_build_name(struct build *b, const char *name, uint32_t *index)
{
	struct sr_model *m = b->m;
	size_t i;

	for (i = m->nnames; i-- > 0 && m->nnames - i < 64;)
		if (!strcmp(m->names[i], name)) {
			*index = i;
			return 0;
		}
	if (sr_build_grow(&m->names, &m->names_cap, m->nnames + 1, sizeof(*m->names), b->err) < 0)
		return -1;
	m->names[m->nnames] = strndup(name, SR_COMM_LEN - 1);
	if (!m->names[m->nnames])
		return sr_build_oom(b->err);
	*index = m->nnames++;
	return 0;
}

/* The CPU time used up to now becomes a RUN. */
int sr_build_run(struct build *b, uint32_t i, uint64_t now)
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
	return sr_build_op(b, p, (struct sr_op){ .kind = SR_OP_RUN, .cpu = t->last_cpu, .value = ns });
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
int sr_build_task(struct build *b, int32_t tid, uint32_t *index)
{
	struct sr_model *m = b->m;
	const struct sr_task *task;
	struct sr_program *p;
	struct place place;
	size_t k;

	*index = UINT32_MAX;
	if (!tid)
		return 0;
	k = sr_task_of(&b->table, tid);
	if (k == SIZE_MAX || sr_build_grow(&b->of_task, &b->of_task_cap, k + 1, sizeof(*b->of_task), b->err) < 0)
		return sr_build_oom(b->err);
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
	if (sr_build_grow(&m->tasks, &m->tasks_cap, m->ntasks + 1, sizeof(*m->tasks), b->err) < 0 ||
	    sr_build_grow(&b->bt, &b->bt_cap, m->ntasks + 1, sizeof(*b->bt), b->err) < 0)
		return -1;
	place = sr_build_place_of(b, k);
	p = &m->tasks[m->ntasks];
	memset(p, 0, sizeof(*p));
	p->source = k;
	p->tid = task->tid;
	p->tgid = task->tgid;
	p->parent = UINT32_MAX;
	p->first_cpu = -1;
	p->session = place.session;
	p->group = place.group - 1;
	memcpy(p->comm, task->comm, SR_COMM_LEN);
	memset(&b->bt[m->ntasks], 0, sizeof(*b->bt));
	b->bt[m->ntasks].wait_op = b->bt[m->ntasks].fork_op = b->bt[m->ntasks].wake_op = SIZE_MAX;
	b->bt[m->ntasks].prio = NO_PRIO;
	b->bt[m->ntasks].rt = SR_SCHED_FIFO;
	b->bt[m->ntasks].place = place;
	memcpy(b->bt[m->ntasks].comm, p->comm, SR_COMM_LEN);
	*index = m->ntasks++;
	b->of_task[k] = *index + 1;
	if (++b->alive > m->max_alive)
		m->max_alive = b->alive;
	return 0;
}

/* The program of task i is over: at `now`, if it runs. exited: else the recording ended first. */
int sr_build_end(struct build *b, uint32_t i, uint64_t now, unsigned exited)
{
	struct build_task *t = &b->bt[i];
	struct sr_program *p = &b->m->tasks[i];

	sr_build_drop_early(b, t);
	if (t->state == DEAD)
		return 0;
	if (t->state == BLOCKED) {
		p->nops = t->wait_op;
		p->nwaits--;
		b->m->counts.sleeps_open++;
	} else if (sr_build_run(b, i, t->state == RUNNING ? now : 0) < 0) {
		return -1;
	}
	t->state = DEAD;
	b->alive--;
	return sr_build_op(b, p, (struct sr_op){ .kind = SR_OP_END, .flags = (uint8_t)exited });
}

int32_t sr_build_new_owner(const struct sr_event *ev)
{
	switch (ev->kind) {
	case SR_EV_SWITCH: /* no kernel writes such a one */
		return ev->u.sw.next == ev->u.sw.prev ? ev->u.sw.next : 0;
	case SR_EV_FORK:
		return ev->u.fork.child;
	case SR_EV_NEWTASK:
		return ev->u.newtask.tid;
	case SR_EV_EXEC:
		return ev->u.exec.old_tid != ev->u.exec.tid ? ev->u.exec.tid : 0;
	default:
		return 0;
	}
}

int sr_build_gone(struct build *b, uint32_t k, uint64_t now)
{
	uint32_t i = k < b->of_task_cap ? b->of_task[k] : 0;

	return i && i != UINT32_MAX ? sr_build_end(b, i - 1, now, 1) : 0;
}
