/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recordings of a pool of workers: what a program leaves in which a dispatcher (task 0) hands jobs to workers (1 ..) as they
 * become free. Each has a CPU of its own. Whoever is awake when something comes for him leaves no event, as in reality.
 */
#ifndef SCHEDREC_TESTS_POOL_TRACE_H
#define SCHEDREC_TESTS_POOL_TRACE_H

#include "formats/model.h"
#include "tests/unit/trace_builder.h"

#define POOL_US 1000ull
#define POOL_WORKERS 8

struct pool_plan {
	unsigned workers, jobs;
	uint64_t seed;
	uint64_t least_us, most_us; /* CPU time of a job */
	unsigned slow; /* per cent: the length of the last worker's jobs, of what the others' have; 0: the same */
	unsigned own;  /* one in so many jobs sleeps by the clock within it; 0: none */
	bool by_turns; /* each worker gets as many */
	bool apart;    /* each is a process of its own */
};

enum pool_phase { POOL_ASLEEP, POOL_COMES, POOL_WORKS, POOL_NAPS, POOL_WAKES, POOL_TELLS, POOL_DONE };

struct pool_actor {
	enum pool_phase phase;
	uint64_t at;      /* when that is over */
	uint64_t left;    /* ns of the job behind a nap */
	bool given, last; /* a job lies there for it; that is its end */
	unsigned jobs;    /* that it has had */
};

struct pool {
	struct pool_plan plan;
	struct trace t;
	struct pool_actor a[POOL_WORKERS + 1];
	unsigned queue[POOL_WORKERS], nqueue; /* workers that the dispatcher has not answered */
	unsigned given, lasts;                /* jobs; workers that were told to end */
	uint64_t seed;
};

static inline uint64_t pool_random(struct pool *p, uint64_t n)
{
	p->seed = p->seed * 6364136223846793005u + 1442695040888963407u;
	return (p->seed >> 33) % n;
}

static inline int32_t pool_tid(unsigned i)
{
	return 101 + (int32_t)i;
}

static inline void pool_sleep(struct pool *p, unsigned i, uint64_t at)
{
	trace_switch(&p->t, at, i, pool_tid(i), SR_STATE_SLEEPING, 0);
	p->a[i].phase = POOL_ASLEEP;
	p->a[i].at = UINT64_MAX;
}

/* by i; who sleeps comes 3 us later. */
static inline bool pool_wake(struct pool *p, unsigned by, unsigned i, uint64_t at)
{
	if (p->a[i].phase != POOL_ASLEEP)
		return false;
	trace_waking(&p->t, at, by, pool_tid(by), pool_tid(i), 0);
	p->a[i].phase = POOL_COMES;
	p->a[i].at = at + 3 * POOL_US;
	return true;
}

static inline void pool_begin_job(struct pool *p, unsigned i, uint64_t at)
{
	struct pool_actor *a = &p->a[i];
	uint64_t ns = (p->plan.least_us + pool_random(p, p->plan.most_us - p->plan.least_us + 1)) * POOL_US;

	a->given = false;
	a->phase = POOL_WORKS;
	a->left = 0;
	if (a->last) {
		a->at = at + 20 * POOL_US;
		return;
	}
	a->jobs++;
	if (p->plan.slow && i == p->plan.workers)
		ns = ns * p->plan.slow / 100;
	if (p->plan.own && !pool_random(p, p->plan.own))
		a->left = ns / 2;
	a->at = at + ns - a->left;
}

static inline void pool_worker_goes_on(struct pool *p, unsigned i)
{
	struct pool_actor *a = &p->a[i];
	uint64_t at = a->at;

	switch (a->phase) {
	case POOL_COMES:
	case POOL_WAKES:
		trace_switch(&p->t, at, i, 0, SR_STATE_PREEMPTED, pool_tid(i));
		if (a->phase == POOL_COMES) {
			pool_begin_job(p, i, at);
		} else {
			a->phase = POOL_WORKS;
			a->at = at + a->left;
			a->left = 0;
		}
		break;
	case POOL_NAPS:
		trace_waking(&p->t, at, i, 0, pool_tid(i), SR_EV_HARDIRQ);
		a->phase = POOL_WAKES;
		a->at = at + POOL_US;
		break;
	case POOL_WORKS:
		if (a->left) {
			pool_sleep(p, i, at);
			a->phase = POOL_NAPS;
			a->at = at + 200 * POOL_US;
		} else if (a->last) {
			trace_exit(&p->t, at, i, pool_tid(i));
			trace_switch(&p->t, at + 1, i, pool_tid(i), SR_STATE_DEAD, 0);
			a->phase = POOL_DONE;
			a->at = UINT64_MAX;
		} else {
			p->queue[p->nqueue++] = i;
			pool_wake(p, i, 0, at);
			a->phase = POOL_TELLS;
			a->at = at + 6 * POOL_US;
		}
		break;
	default: /* POOL_TELLS: it comes to its wait */
		if (a->given)
			pool_begin_job(p, i, at);
		else
			pool_sleep(p, i, at);
		break;
	}
}

/* The dispatcher has come awake (POOL_COMES), is through with an answer (POOL_WORKS), or looks about before it sleeps
 * (POOL_TELLS). */
static inline void pool_dispatcher_goes_on(struct pool *p)
{
	struct pool_actor *a = &p->a[0];
	uint64_t at = a->at;

	if (a->phase == POOL_COMES)
		trace_switch(&p->t, at, 0, 0, SR_STATE_PREEMPTED, pool_tid(0));
	if (a->phase == POOL_WORKS) {
		unsigned i = p->queue[0];

		memmove(p->queue, p->queue + 1, --p->nqueue * sizeof(*p->queue));
		p->a[i].last = p->plan.by_turns ? p->a[i].jobs * p->plan.workers >= p->plan.jobs :
						  p->given == p->plan.jobs;
		p->given += !p->a[i].last;
		p->lasts += p->a[i].last;
		p->a[i].given = true;
		pool_wake(p, 0, i, at);
	}
	if (p->nqueue) {
		a->phase = POOL_WORKS;
		a->at = at + 10 * POOL_US;
	} else if (a->phase != POOL_TELLS) {
		a->phase = POOL_TELLS;
		a->at = at + 3 * POOL_US;
	} else if (p->lasts == p->plan.workers) {
		trace_exit(&p->t, at, 0, pool_tid(0));
		trace_switch(&p->t, at + 1, 0, pool_tid(0), SR_STATE_DEAD, 0);
		a->phase = POOL_DONE;
		a->at = UINT64_MAX;
	} else {
		pool_sleep(p, 0, at);
	}
}

static inline struct sr_model *pool_model(struct pool_plan plan)
{
	struct sr_model_options none = { 0 };
	struct pool p = { .plan = plan, .seed = plan.seed };
	unsigned i;

	trace_begin(&p.t, "system");
	for (i = 0; i <= plan.workers; i++)
		trace_thread(&p.t, pool_tid(i), plan.apart ? pool_tid(i) : pool_tid(0), "pool", i ? 'S' : 'R', 0);
	trace_switch(&p.t, 1000, 0, 0, SR_STATE_PREEMPTED, pool_tid(0));
	p.a[0] = (struct pool_actor){ .phase = POOL_WORKS, .at = 100 * POOL_US };
	for (i = 1; i <= plan.workers; i++) {
		p.a[i].at = UINT64_MAX;
		p.queue[p.nqueue++] = i;
	}
	for (;;) {
		unsigned next = 0;

		for (i = 1; i <= plan.workers; i++)
			if (p.a[i].at < p.a[next].at)
				next = i;
		if (p.a[next].at == UINT64_MAX)
			break;
		if (next)
			pool_worker_goes_on(&p, next);
		else
			pool_dispatcher_goes_on(&p);
	}
	return trace_model(&p.t, &none);
}

#endif
