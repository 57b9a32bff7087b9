/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the tests of the policy `domain`, which include its source first: the fake engine, set up for it. */
#ifndef SCHEDREC_TESTS_DOMAIN_FAKE_H
#define SCHEDREC_TESTS_DOMAIN_FAKE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/fake_engine.h"

#define MS 1000000u

static inline struct domain *open_as(struct fake *f, const char *machine, const char *policy)
{
	struct sr_error err = { 0 };

	if (fake_open(f, machine, policy, &err))
		fail_msg("%s", err.text);
	return f->state;
}

/* The average load of a cpu. */
static inline void set_load(struct fake *f, unsigned cpu, unsigned load)
{
	struct domain *d = f->state;

	d->cpu_load[cpu] = load;
	refresh_load(&f->e, d, cpu);
}

static inline void hogs(struct fake *f, unsigned cpu, unsigned n)
{
	while (n--)
		fake_hog(f, cpu);
}

/* A task that last ran on prev, age ns before the last tick there. */
static inline int sleeper(struct fake *f, unsigned prev, int64_t age)
{
	int t = fake_task(f, 120);

	f->last_tick_ns[prev] = f->now_ns;
	f->task[t].cpu = (int)prev;
	f->task[t].last_ran_ns = f->now_ns - (uint64_t)age;
	f->task[t].last_queued_ns = f->task[t].last_ran_ns - 100000;
	return t;
}

static inline int wake(struct fake *f, int task, int this, bool sync)
{
	struct rpl_place p = { .why = SR_CAUSE_WAKE,
			       .task = task,
			       .this_cpu = this,
			       .prev_cpu = f->task[task].cpu,
			       .sync = sync,
			       .allowed = f->task[task].allowed };

	return f->p->place(&f->e, f->state, &p);
}

/* Busy enough that an idle cpu does not decide: two tasks on both, for long. */
static inline struct domain *open_busy(struct fake *f, const char *machine, const char *policy, unsigned a, unsigned b)
{
	struct domain *d = open_as(f, machine, policy);

	hogs(f, a, 2);
	hogs(f, b, 2);
	set_load(f, a, 256);
	set_load(f, b, 256);
	return d;
}

static inline int busiest(struct fake *f, unsigned cpu, unsigned level, enum idle idle, unsigned *n)
{
	struct domain *d = f->state;
	const struct domain_sd *sd = sd_of(d, cpu, level);
	const struct rpl_group *g;

	/* Loads that have settled. */
	for (unsigned i = 0; i < f->m->ncpus; i++)
		set_load(f, i, f->cpu[i].n * SCALE);
	g = find_busiest_group(d, sd, idle, n);
	return g ? g->cpu[0] : -1;
}

/* All tasks of cpu 1 may run there only. */
static inline void make_pinned(struct fake *f, unsigned n, const struct sr_cpumask *mask)
{
	hogs(f, 1, n);
	for (unsigned i = 0; i < n; i++)
		f->task[f->cpu[1].v[i]].allowed = mask;
	set_load(f, 1, n * SCALE);
}

#endif
