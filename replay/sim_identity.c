/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a task is to the scheduler beside its work: class, nice value, CPUs. Here nothing needs a privilege. */
#include "replay/sim_internal.h"

static enum sim_class class_of(int policy)
{
	if (policy == SR_SCHED_DEADLINE)
		return SIM_DEADLINE;
	return sim_is_rt(policy) ? SIM_RT : SIM_FAIR;
}

static int16_t prio_of(const struct sim_task *t)
{
	if (t->policy == SR_SCHED_DEADLINE)
		return -1;
	return (int16_t)(sim_is_rt(t->policy) ? 99 - t->rt_prio : 120 + t->nice);
}

/* From one class into another, of a task that runs there now, or is on no queue (c NULL). */
static void change_class(struct sim *s, struct sim_cpu *c, struct sim_task *t, enum sim_class to)
{
	enum sim_class was = t->class;

	if (c) {
		sim_kernel_load(s, c, NULL, 0);
		c->rq.nr_class[was]--;
		c->rq.nr_class[to]++;
		if (was == SIM_FAIR) {
			c->rq.load -= t->weight;
			sim_kernel_count(s, c, 0, 0, -(uint64_t)t->weight);
			c->rq.empty_seq += !c->rq.nr_class[SIM_FAIR];
		}
	}
	t->vlag = 0;
	t->delayed = t->relative = false;
	t->class = SIM_RT; /* not yet among the fair, whose average it would move */
	t->weight = sim_nice_weight(t);
	if (c && to == SIM_FAIR) {
		sim_fair_place(s, c, t, false);
		c->rq.load += t->weight;
		sim_kernel_count(s, c, 0, 0, t->weight);
	} else if (to == SIM_DEADLINE) {
		t->key = (int64_t)(s->now & INT64_MAX);
	}
	t->class = to;
}

/* The policy sees a running task leave as what it was and come as what it is, as in the kernel. */
static void tell_policy(struct sim *s, const struct sim_task *t, bool back)
{
	struct sim_cpu *c = &s->cpu[t->cpu];
	uint32_t curr = c->curr, load = t->class == SIM_FAIR ? t->weight : 0;

	if (back) {
		sim_policy_queued(s, t, c->index, true);
		return;
	}
	c->rq.nr--;
	c->rq.load -= load;
	c->curr = NOBODY;
	sim_policy_queued(s, t, c->index, false);
	c->rq.nr++;
	c->rq.load += load;
	c->curr = curr;
}

/* Only of a task that is on no queue, or that runs and sets it itself. */
void sim_set_class(struct sim *s, struct sim_task *t, int policy, int rt_prio)
{
	struct sim_cpu *c = t->state == SIM_RUNNING ? &s->cpu[t->cpu] : NULL;
	enum sim_class to;

	if (policy == SR_SCHED_OTHER)
		policy = s->cfg.normal_class;
	to = class_of(policy);
	s->counts.rt_set += to != SIM_FAIR && t->policy != policy;
	if (c) {
		sim_account(s, c);
		tell_policy(s, t, false);
	}
	t->policy = (uint8_t)policy;
	t->rt_prio = rt_prio < 0 || rt_prio > 99 ? 0 : (uint8_t)rt_prio;
	if (to != t->class)
		change_class(s, c, t, to);
	else
		sim_fair_reweight(s, t, sim_nice_weight(t));
	t->prio = prio_of(t);
	t->rr_left = s->par.v[SIM_RR_SLICE];
	if (c) {
		tell_policy(s, t, true);
		sim_resched(s, c, 0);
	}
}

void sim_set_nice(struct sim *s, struct sim_task *t, int nice)
{
	nice += s->cfg.nice_offset;
	nice = nice > 19 ? 19 : nice < -20 ? -20 : nice;
	if (t->state == SIM_RUNNING) {
		sim_account(s, &s->cpu[t->cpu]);
		tell_policy(s, t, false);
	}
	t->nice = (int8_t)nice;
	sim_fair_reweight(s, t, sim_nice_weight(t));
	t->prio = prio_of(t);
	if (t->state == SIM_RUNNING)
		tell_policy(s, t, true);
}

void sim_change_mask(struct sim *s, struct sim_task *t, const struct sr_cpumask *mask)
{
	unsigned i, n = 0;

	for (i = 0; i < s->ncpus && s->cfg.keep_affinity; i++)
		n += sim_may_use(s, i, mask);
	if (!n) {
		s->counts.affinity_dropped++;
		return;
	}
	t->allowed = mask;
	/* The kernel moves it at once; of a policy that pins the next decision does. */
	if (s->kernel && t->state == SIM_RUNNING && !sim_may_use(s, (unsigned)t->cpu, mask)) {
		for (i = 0; !sim_may_use(s, i, mask); i++)
			;
		sim_push(s, t, i);
	}
}

void sim_first_identity(struct sim *s, struct sim_task *t, bool forked)
{
	const struct sr_program *p = t->p;
	unsigned i, n = 0;

	for (i = 0; p->allowed && s->cfg.keep_affinity && i < s->ncpus; i++)
		n += sim_may_use(s, i, p->allowed);
	if (n)
		t->allowed = p->allowed;
	else if (!forked && p->allowed && sr_cpumask_count(p->allowed) < s->m->cpus)
		s->counts.affinity_dropped++;
	t->slice = s->cfg.keep_affinity ? p->slice_ns : 0;
	if (t->slice && t->slice < 100000)
		t->slice = 100000;
	if (t->slice > 100000000)
		t->slice = 100000000;
	t->class = SIM_FAIR;
	t->weight = 1024;
	sim_set_class(s, t, p->policy, p->rt_prio);
	sim_set_nice(s, t, p->nice);
}
