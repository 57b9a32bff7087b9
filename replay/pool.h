/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who gets which job of a pool of workers (sr_wait.job), for both engines, with RPL_ORDER_CAUSAL. Tasks are named by their
 * index in the model.
 *
 * The dispatcher's n-th wake for a job gives out the n-th job of the recording. It goes to a worker that has asked: that has
 * woken the dispatcher in what it does, which has come to the wait that this wake ended; first of all to the one that asked in
 * the program that the recorded wake went to. Each has asked once at the start. Where nobody has, the job is given when
 * somebody does, or to one that is idle and has told the dispatcher nothing.
 *
 * So a worker's thread is apart from its program: for the length of a job it may do a part of another's. Its own are what
 * comes before the first job, and jobs that are more than work and wakes.
 *
 * Nobody waits for ever: jobs are taken in the order in which they were begun when recorded, so when all that was recorded
 * before a job is done, no more are unfinished than were then, and a worker is free; where all have come to their ends
 * before that, they stay.
 */
#ifndef SCHEDREC_REPLAY_POOL_H
#define SCHEDREC_REPLAY_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "formats/model.h"
#include "replay/arena.h"

struct rpl_job {
	uint32_t task, op; /* whose program it is of; its wait's place there */
};

/* What an engine is asked. by: the task on whose behalf. */
struct rpl_pool_engine {
	void *arg;
	bool (*is_idle)(void *arg, uint32_t task); /* it sleeps for want of a job */
	/* A job has been given to it: wakes it, or has it look again before it sleeps. */
	void (*ring)(void *arg, uint32_t by, uint32_t task);
	void (*look_again)(void *arg, uint32_t task); /* before it sleeps; an idle one is left alone */
};

struct rpl_pool;
struct rpl_worker;

struct rpl_pools {
	struct rpl_pool_engine engine;
	struct rpl_pool **gives;     /* by task: whose dispatcher it is, NULL: nobody's */
	struct rpl_worker **workers; /* by task; NULL: it is none */
};

/* Fills *pools, from memory of the arena; -1: there is none. Its arrays are there in any case. */
int rpl_pools_make(struct rpl_pools *pools, const struct sr_model *m, bool heed, const struct rpl_pool_engine *engine,
		   struct rpl_arena *arena);

/* Does the wait of p begin a job? */
static inline bool rpl_begins_job(const struct sr_program *p, const struct sr_op *op)
{
	return op->kind == SR_OP_WAIT && p->waits[op->arg].job;
}

/* `by` is about to wake a wait of the program p of a dispatcher, which is a question, or of a worker. True: it has given
 * somebody a job by that, and nothing else is to be done. */
bool rpl_pool_wakes(struct rpl_pools *pools, uint32_t by, uint32_t task, const struct sr_program *p, uint32_t wait);
/* The dispatcher has gone through that wait. */
void rpl_pool_hears(struct rpl_pools *pools, uint32_t dispatcher, uint32_t waker, uint32_t wait);
/* A worker has come to a wait for a job. own_ready: the next of its own (rpl_pool_own) has been given. False: there is nothing
 * for it yet. */
bool rpl_pool_takes(struct rpl_pools *pools, uint32_t task, bool own_ready, struct rpl_job *job);
/* A worker has come to its end: must it stay, as there are jobs left that nobody else would do? Then, while it must, it takes
 * what comes. */
bool rpl_pool_stays(const struct rpl_pools *pools, uint32_t task);
uint32_t rpl_pool_own(const struct rpl_pools *pools,
		      uint32_t task); /* the place of its wait; UINT32_MAX: there is none */

/* by has come to a wait of that worker's program. */
void rpl_pool_waits(struct rpl_pools *pools, uint32_t by, uint32_t task, uint32_t wait);
/* Who came last to a wait of a task's program: of one that is no worker, itself. */
uint32_t rpl_pool_who(const struct rpl_pools *pools, uint32_t task, uint32_t wait);

#endif
