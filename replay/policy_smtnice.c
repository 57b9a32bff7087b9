/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "replay/policy_domain_internal.h"

#define REMEMBERED 4096 /* tasks whose rest of a time slice is kept; two of the same place share it */
#define FIRST_FAIR 100  /* of kernel priorities */

struct smtnice {
	bool *held; /* by cpu */
	struct rest {
		int task; /* + 1 */
		int64_t left_ns;
	} rest[REMEMBERED];
};

uint64_t smtnice_slice_ns(int prio)
{
	int rank = 139 - prio;

	return (uint64_t)(10 + 190 * (rank < 0 ? 0 : rank > 39 ? 39 : rank) / 39) * NS_PER_MS;
}

int smtnice_init(struct domain *d, struct rpl_engine *e, struct sr_error *err)
{
	if (!(e->caps & RPL_CAN_IDLE))
		return sr_fail(err, SR_USAGE,
			       "policy domain: smtnice=on: this engine cannot hold a CPU idle (simulate can)");
	d->smtnice = e->alloc(e, 1, sizeof(*d->smtnice));
	if (d->smtnice)
		d->smtnice->held = e->alloc(e, e->ncpus, sizeof(*d->smtnice->held));
	return d->smtnice && d->smtnice->held ? 0 : sr_fail(err, SR_ENVIRONMENT, "policy domain: out of memory");
}

static struct rest *rest_of(struct smtnice *s, int task, int prio)
{
	struct rest *r = &s->rest[task % REMEMBERED];

	if (r->task != task + 1)
		*r = (struct rest){ task + 1, (int64_t)smtnice_slice_ns(prio) };
	return r;
}

static int next_of(const struct rpl_engine *e, unsigned cpu)
{
	int next = e->current(e, cpu);

	return next >= 0 || e->queue(e, cpu, &next, 1) ? next : -1;
}

/* Would the task that runs on the sibling rather have the core for itself? */
static bool delays(struct domain *d, const struct rpl_engine *e, unsigned gain, unsigned sibling,
		   const struct rpl_task_view *next)
{
	int task = d->smtnice->held[sibling] ? -1 : e->current(e, sibling);
	struct rpl_task_view v;

	if (task < 0 || next->prio < FIRST_FAIR)
		return false;
	e->task(e, task, &v);
	return v.prio < FIRST_FAIR || rest_of(d->smtnice, task, v.prio)->left_ns * (100 - (int)gain) / 100 >
					      (int64_t)smtnice_slice_ns(next->prio);
}

void smtnice_look(struct domain *d, struct rpl_engine *e, unsigned cpu)
{
	const struct rpl_sd_level *l = &d->tree.level[0];
	const struct rpl_span *core = &l->span[l->span_of[cpu]];

	if (!d->smt)
		return;
	for (unsigned i = 0; i < core->n; i++) {
		unsigned c = core->cpu[i];
		struct rpl_task_view v;
		int next = next_of(e, c);
		bool hold = false;

		if (next >= 0) {
			e->task(e, next, &v);
			for (unsigned k = 0; k < core->n && !hold; k++)
				hold = k != i && delays(d, e, core->par.per_cpu_gain, core->cpu[k], &v);
		}
		if (hold != d->smtnice->held[c] && !e->idle(e, c, hold))
			d->smtnice->held[c] = hold;
	}
}

void smtnice_tick(struct domain *d, struct rpl_engine *e, unsigned cpu)
{
	int task = d->smtnice->held[cpu] ? -1 : e->current(e, cpu);

	if (task >= 0) {
		struct rpl_task_view v;
		struct rest *r;

		e->task(e, task, &v);
		r = rest_of(d->smtnice, task, v.prio);
		r->left_ns -= (int64_t)d->o.tick_ns;
		if (r->left_ns <= 0)
			r->left_ns = (int64_t)smtnice_slice_ns(v.prio);
	}
	smtnice_look(d, e, cpu);
}
