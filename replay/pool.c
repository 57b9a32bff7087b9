/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In the live engine the dispatcher and each worker are threads. A worker's credit and the pool's surplus are what passes
 * between them; the rest is the dispatcher's or that one worker's.
 */
#include "replay/pool.h"

#include <stdatomic.h>

#define NOBODY UINT32_MAX

struct rpl_pool {
	struct rpl_job *jobs;
	uint32_t njobs, nworkers;
	uint32_t *workers;
	_Atomic uint32_t taken;   /* jobs, in their order */
	_Atomic uint32_t surplus; /* given out while nobody was known to have asked */
	_Atomic uint32_t live;    /* workers that have not begun their last own job */
	_Atomic uint64_t *asks; /* by wait of the dispatcher: who ended it + 1, above it which of its jobs that was in */
	uint32_t sequence;      /* the dispatcher's: of those who have asked */
};

struct rpl_worker {
	struct rpl_pool *pool;
	uint32_t *own; /* places of the waits of the jobs that only it can do */
	uint32_t nown, next_own;
	_Atomic uint32_t *waiter; /* by wait of its program: who came there last + 1 */
	uint32_t serial;          /* jobs that it has taken */
	atomic_bool told;         /* it has woken the dispatcher since it took the last one */
	_Atomic uint32_t credit;  /* jobs given to it that it has not taken */
	_Atomic uint32_t away;    /* enum away */
	atomic_bool rests;        /* it has nothing to do, or is looking for something */
	_Atomic uint32_t
		listed; /* the dispatcher has heard that it asked: its place among those that have; 0: it has not */
	_Atomic uint32_t answered; /* up to that one: its jobs that another has been given for */
	/* The dispatcher's: */
	uint32_t ask;   /* in which of its jobs it has asked */
	uint32_t asked; /* who has asked in this one's program + 1 */
};

/* Whether a worker is at what is its own, a job or what comes before its first: it may wait for others there, so what it asks
 * for is given to it when it is back. GONE: at its last. */
enum away { HERE, AT_OWN, GONE };

static bool is_any_workers(const struct sr_program *p, const struct sr_op *op)
{
	return rpl_begins_job(p, op) && p->waits[op->arg].job >= SR_JOB_FIRST;
}

static struct rpl_pool *make_pool(struct rpl_arena *arena, const struct sr_program *dispatcher, uint32_t workers,
				  uint32_t jobs)
{
	struct rpl_pool *pool = rpl_alloc(arena, 1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->jobs = rpl_alloc(arena, jobs + 1, sizeof(*pool->jobs));
	pool->workers = rpl_alloc(arena, workers + 1, sizeof(*pool->workers));
	pool->asks = rpl_alloc(arena, dispatcher->nwaits + 1, sizeof(*pool->asks));
	pool->njobs = jobs;
	return pool->jobs && pool->workers && pool->asks ? pool : NULL;
}

static struct rpl_worker *make_worker(struct rpl_arena *arena, const struct sr_program *p, uint32_t task,
				      struct rpl_pool *pool)
{
	struct rpl_worker *w = rpl_alloc(arena, 1, sizeof(*w));
	uint32_t k, own = 0;

	for (k = 0; k < p->nops; k++)
		own += rpl_begins_job(p, &p->ops[k]) && !is_any_workers(p, &p->ops[k]);
	if (!w)
		return NULL;
	w->pool = pool;
	w->own = rpl_alloc(arena, own + 1, sizeof(*w->own));
	w->waiter = rpl_alloc(arena, p->nwaits + 1, sizeof(*w->waiter));
	if (!w->own || !w->waiter)
		return NULL;
	for (k = 0; k < p->nops; k++)
		if (is_any_workers(p, &p->ops[k]))
			pool->jobs[p->waits[p->ops[k].arg].job - SR_JOB_FIRST] = (struct rpl_job){ task, k };
		else if (rpl_begins_job(p, &p->ops[k]))
			w->own[w->nown++] = k;
	pool->workers[pool->nworkers++] = task;
	atomic_store(&pool->live, pool->nworkers);
	w->listed = ++pool->sequence;
	w->asked = task + 1;
	w->away = AT_OWN;
	return w;
}

int rpl_pools_make(struct rpl_pools *pools, const struct sr_model *m, bool heed, const struct rpl_pool_engine *engine,
		   struct rpl_arena *arena)
{
	uint32_t *workers, *jobs; /* of each dispatcher */
	size_t i, k;

	pools->engine = *engine;
	pools->gives = rpl_alloc(arena, m->ntasks + 1, sizeof(struct rpl_pool *));
	pools->workers = rpl_alloc(arena, m->ntasks + 1, sizeof(struct rpl_worker *));
	if (!pools->gives || !pools->workers)
		return -1;
	if (!heed || !m->counts.pools)
		return 0;
	workers = rpl_alloc(arena, m->ntasks, sizeof(*workers));
	jobs = rpl_alloc(arena, m->ntasks, sizeof(*jobs));
	if (!workers || !jobs)
		return -1;
	for (i = 0; i < m->ntasks; i++) {
		const struct sr_program *p = &m->tasks[i];

		if (!p->dispatcher)
			continue;
		workers[p->dispatcher - 1]++;
		for (k = 0; k < p->nops; k++)
			jobs[p->dispatcher - 1] += is_any_workers(p, &p->ops[k]);
	}
	for (i = 0; i < m->ntasks; i++)
		if (workers[i] && !(pools->gives[i] = make_pool(arena, &m->tasks[i], workers[i], jobs[i])))
			return -1;
	for (i = 0; i < m->ntasks; i++)
		if (m->tasks[i].dispatcher &&
		    !(pools->workers[i] = make_worker(arena, &m->tasks[i], (uint32_t)i,
						      pools->gives[m->tasks[i].dispatcher - 1])))
			return -1;
	return 0;
}

/* One of so many is somebody's now. */
static bool take_one(_Atomic uint32_t *count)
{
	uint32_t n = atomic_load(count);

	while (n)
		if (atomic_compare_exchange_weak(count, &n, n - 1))
			return true;
	return false;
}

/* ---- what the dispatcher does ---- */

/* What a worker has asked for it gets: true, once. */
static bool unlist(struct rpl_worker *w, uint32_t ask)
{
	if (!atomic_exchange(&w->listed, 0))
		return false;
	atomic_store(&w->answered, ask + 1);
	return true;
}

/* False: it is at a job of its own, or has got one already. */
static bool answer(struct rpl_pools *pools, uint32_t by, uint32_t task)
{
	struct rpl_worker *w = pools->workers[task];
	uint32_t n;

	if (atomic_load(&w->away) || !unlist(w, w->ask))
		return false;
	n = atomic_fetch_add(&w->credit, 1) + 1;
	while (n && atomic_load(&w->away))
		if (atomic_compare_exchange_weak(&w->credit, &n, n - 1))
			return false; /* it will ask again, if it comes back */
	pools->engine.ring(pools->engine.arg, by, task);
	return true;
}

/* Of those that have asked the one that did first; NOBODY. */
static uint32_t first_listed(const struct rpl_pools *pools, const struct rpl_pool *pool)
{
	uint32_t i, found = NOBODY;

	for (i = 0; i < pool->nworkers; i++) {
		uint32_t task = pool->workers[i], listed = atomic_load(&pools->workers[task]->listed);

		if (listed && !atomic_load(&pools->workers[task]->away) &&
		    (found == NOBODY || listed < atomic_load(&pools->workers[found]->listed)))
			found = task;
	}
	return found;
}

/* Does nobody do a job for which he could ask for another? */
static bool all_idle(const struct rpl_pools *pools, const struct rpl_pool *pool)
{
	uint32_t i;

	for (i = 0; i < pool->nworkers; i++) {
		const struct rpl_worker *w = pools->workers[pool->workers[i]];

		if (atomic_load(&w->away) == HERE && !atomic_load(&w->rests))
			return false;
	}
	return true;
}

static void all_look_again(const struct rpl_pools *pools, const struct rpl_pool *pool)
{
	uint32_t i;

	for (i = 0; i < pool->nworkers; i++)
		pools->engine.look_again(pools->engine.arg, pool->workers[i]);
}

/* One that sleeps and may have a job of the surplus. */
static void ring_idle(struct rpl_pools *pools, uint32_t by, const struct rpl_pool *pool)
{
	bool all = all_idle(pools, pool);
	uint32_t i;

	all_look_again(pools, pool);
	for (i = 0; i < pool->nworkers; i++) {
		uint32_t task = pool->workers[i];

		if (task != by && pools->engine.is_idle(pools->engine.arg, task) &&
		    (all || !atomic_load(&pools->workers[task]->told) || atomic_load(&pools->workers[task]->listed))) {
			pools->engine.ring(pools->engine.arg, by, task);
			return;
		}
	}
}

static void give_to_any(struct rpl_pools *pools, uint32_t dispatcher, struct rpl_pool *pool)
{
	uint32_t to;

	while ((to = first_listed(pools, pool)) != NOBODY)
		if (answer(pools, dispatcher, to))
			return;
	atomic_fetch_add(&pool->surplus, 1);
	ring_idle(pools, dispatcher, pool);
}

void rpl_pool_hears(struct rpl_pools *pools, uint32_t dispatcher, uint32_t waker, uint32_t wait)
{
	struct rpl_pool *pool = pools->gives[dispatcher];
	uint64_t ask = atomic_load(&pool->asks[wait]);
	struct rpl_worker *role = waker == NOBODY ? NULL : pools->workers[waker], *w;
	uint32_t by = (uint32_t)ask - 1;

	if (!ask || !role || role->pool != pool)
		return;
	w = pools->workers[by];
	if (atomic_load(&w->answered) > (uint32_t)(ask >> 32))
		return; /* of a job that it has another for by now */
	role->asked = by + 1;
	w->ask = (uint32_t)(ask >> 32);
	if (!atomic_load(&w->listed))
		atomic_store(&w->listed, ++pool->sequence);
	if (take_one(&pool->surplus) && !answer(pools, dispatcher, by))
		give_to_any(pools, dispatcher, pool);
}

/* own: a job that only this worker can do, and gets so. */
static void give(struct rpl_pools *pools, uint32_t dispatcher, uint32_t task, bool own)
{
	struct rpl_worker *role = pools->workers[task];
	uint32_t to = role->asked - 1;

	if (own) {
		if (to == task)
			unlist(role, role->ask);
		return;
	}
	if (!role->asked || !answer(pools, dispatcher, to))
		give_to_any(pools, dispatcher, role->pool);
	role->asked = 0;
}

static void ask(struct rpl_pools *pools, uint32_t by, uint32_t dispatcher, uint32_t wait)
{
	struct rpl_worker *w = pools->workers[by];

	if (!w || w->pool != pools->gives[dispatcher])
		return;
	w->told = true;
	atomic_store(&w->pool->asks[wait], (uint64_t)w->serial << 32 | (by + 1));
}

bool rpl_pool_wakes(struct rpl_pools *pools, uint32_t by, uint32_t task, const struct sr_program *p, uint32_t wait)
{
	uint32_t job = p->waits[wait].job;

	if (pools->gives[task])
		ask(pools, by, task, wait);
	if (!pools->workers[task] || !job)
		return false;
	give(pools, by, task, job == SR_JOB_OWN);
	return job != SR_JOB_OWN;
}

/* ---- what the workers do ---- */

/* One that has told the dispatcher something waits until that has heard it. */
static bool takes_surplus(const struct rpl_pools *pools, struct rpl_worker *w)
{
	if (!atomic_load(&w->pool->surplus))
		return false;
	if (atomic_load(&w->told) && !atomic_load(&w->listed) && !all_idle(pools, w->pool))
		return false;
	if (!take_one(&w->pool->surplus))
		return false;
	/* What it has asked for is answered, also where the dispatcher hears it only later. */
	atomic_store(&w->listed, 0);
	atomic_store(&w->answered, w->serial + 1);
	return true;
}

/* It begins a job of its own; not when it has just been given another. */
static bool goes_away(struct rpl_worker *w)
{
	bool last = w->next_own + 1 == w->nown;

	atomic_store(&w->away, last ? GONE : AT_OWN);
	if (!atomic_load(&w->credit)) {
		atomic_fetch_sub(&w->pool->live, last);
		return true;
	}
	atomic_store(&w->away, HERE);
	return false;
}

static bool take_own(struct rpl_pools *pools, uint32_t task, struct rpl_job *job)
{
	struct rpl_worker *w = pools->workers[task];

	if (!goes_away(w))
		return false;
	*job = (struct rpl_job){ task, w->own[w->next_own++] };
	if (atomic_load(&w->pool->surplus))
		ring_idle(pools, task, w->pool);
	return true;
}

/* The next of the pool's. With the last one those that stayed for more are rung. */
static void take_next(struct rpl_pools *pools, uint32_t task, struct rpl_job *job)
{
	struct rpl_pool *pool = pools->workers[task]->pool;
	uint32_t i, n = atomic_fetch_add(&pool->taken, 1);

	*job = pool->jobs[n];
	for (i = 0; n + 1 == pool->njobs && i < pool->nworkers; i++)
		if (pool->workers[i] != task)
			pools->engine.ring(pools->engine.arg, task, pool->workers[i]);
}

bool rpl_pool_stays(const struct rpl_pools *pools, uint32_t task)
{
	const struct rpl_pool *pool = pools->workers[task]->pool;

	return !atomic_load(&pool->live) && atomic_load(&pool->taken) < pool->njobs;
}

bool rpl_pool_takes(struct rpl_pools *pools, uint32_t task, bool own_ready, struct rpl_job *job)
{
	struct rpl_worker *w = pools->workers[task];
	bool own = false;

	atomic_store(&w->rests, true);
	atomic_store(&w->away, HERE);
	while (!own && !take_one(&w->credit) && !takes_surplus(pools, w)) {
		own = own_ready && take_own(pools, task, job);
		if (!own && !atomic_load(&w->credit))
			return false;
	}
	if (!own)
		take_next(pools, task, job);
	w->serial++;
	atomic_store(&w->told, false);
	atomic_store(&w->rests, false);
	return true;
}

uint32_t rpl_pool_own(const struct rpl_pools *pools, uint32_t task)
{
	const struct rpl_worker *w = pools->workers[task];

	return w->next_own < w->nown ? w->own[w->next_own] : NOBODY;
}

void rpl_pool_waits(struct rpl_pools *pools, uint32_t by, uint32_t task, uint32_t wait)
{
	struct rpl_worker *w = pools->workers[task];

	if (w)
		atomic_store(&w->waiter[wait], by + 1);
}

uint32_t rpl_pool_who(const struct rpl_pools *pools, uint32_t task, uint32_t wait)
{
	const struct rpl_worker *w = pools->workers[task];
	uint32_t who = w ? atomic_load(&w->waiter[wait]) : 0;

	return who ? who - 1 : task;
}
