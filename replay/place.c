/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The live engine's side of a policy: run queues as the engine knows them, one lock around the policy, and the system
 * calls that carry out what it decides. The calls are made after the lock is released: the waker moves a target that
 * is still blocked, which the kernel does by changing its mask only.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "replay/engine_internal.h"
#include "replay/program.h"

#define NOBODY UINT32_MAX

/* The kernel's weights of nice -20..19 are 1024 / 1.25^nice, rounded; these are those of the kernel's table. */
uint32_t rpl_nice_weight(int nice)
{
	static const uint32_t weight[40] = { 88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,
					     9548,  7620,  6100,  4904,  3906,  3121,  2501,  1991,  1586,  1277,
					     1024,  820,   655,   526,   423,   335,   272,   215,   172,   137,
					     110,   87,    70,    56,    45,    36,    29,    23,    18,    15 };

	return weight[nice < -20 ? 0 : nice > 19 ? 39 : nice + 20];
}

/* 0 free, 1 taken, 2 taken and somebody waits. The lock is held for well under a microsecond. */
static void lock(struct rpl_run *run)
{
	uint32_t v = 0;
	int i;

	for (i = 0; i < 100; i++) {
		v = 0;
		if (atomic_compare_exchange_weak(&run->lock, &v, 1))
			return;
	}
	while (atomic_exchange(&run->lock, 2))
		rpl_futex_wait(run, &run->lock, 2, BIT_OWNER, 0);
}

static void unlock(struct rpl_run *run)
{
	if (atomic_exchange(&run->lock, 0) == 2)
		rpl_futex_wake(run, &run->lock, 1, BIT_OWNER);
}

static bool pins(const struct rpl_run *run)
{
	return run->cfg.policy->pins;
}

/* RT tasks are not in the load of the fair ones. */
static uint32_t fair_weight(const struct rthread *t)
{
	return t->prio < 100 ? 0 : t->weight;
}

static void link_task(struct rpl_run *run, struct rthread *t, int cpu, uint64_t now_ns)
{
	struct rcpu *c = &run->cpu[cpu];

	__atomic_store_n(&t->cpu, cpu, __ATOMIC_RELAXED); /* pin() reads it without the lock */
	t->queued = true;
	t->next = NOBODY;
	t->prev = c->tail;
	if (c->tail == NOBODY)
		c->head = t->index;
	else
		run->threads[c->tail].next = t->index;
	c->tail = t->index;
	c->nr_running++;
	c->load_weight += fair_weight(t);
	if (run->cfg.policy->util)
		rpl_usage_queued(run, t, now_ns);
}

static void unlink_task(struct rpl_run *run, struct rthread *t, uint64_t now_ns)
{
	struct rcpu *c = &run->cpu[t->cpu];

	if (run->cfg.policy->util)
		rpl_usage_unqueued(run, t, now_ns);

	if (t->prev == NOBODY)
		c->head = t->next;
	else
		run->threads[t->prev].next = t->next;
	if (t->next == NOBODY)
		c->tail = t->prev;
	else
		run->threads[t->next].prev = t->prev;
	t->queued = false;
	c->nr_running--;
	c->load_weight -= fair_weight(t);
	if (atomic_load_explicit(&c->current, memory_order_relaxed) == t->index)
		atomic_store_explicit(&c->current, NOBODY, memory_order_relaxed);
}

static void enqueue(struct rpl_run *run, struct rthread *t, int cpu)
{
	const struct rpl_policy *p = run->cfg.policy;

	if (t->queued)
		return;
	t->last_queued_ns = mono_ns();
	link_task(run, t, cpu, t->last_queued_ns);
	if (p->enqueue)
		p->enqueue(&run->engine, run->policy_state, cpu, t->index);
}

static void dequeue(struct rpl_run *run, struct rthread *t)
{
	const struct rpl_policy *p = run->cfg.policy;
	int cpu = t->cpu;

	/* Whom a stop or the watchdog woke was put on no queue. */
	if (!t->queued)
		return;
	t->last_ran_ns = mono_ns();
	unlink_task(run, t, t->last_ran_ns);
	if (p->dequeue)
		p->dequeue(&run->engine, run->policy_state, cpu, t->index);
	if (p->newidle && !run->cpu[cpu].nr_running)
		p->newidle(&run->engine, run->policy_state, cpu);
}

/* The running task as far as the engine knows: who last said so, else the first in the queue. */
static uint32_t current_of(const struct rpl_run *run, unsigned cpu)
{
	const struct rcpu *c = &run->cpu[cpu];
	uint32_t i = atomic_load_explicit(&c->current, memory_order_relaxed);

	if (i != NOBODY && run->threads[i].queued && run->threads[i].cpu == (int)cpu)
		return i;
	return c->head;
}

/* ---- what the policy may ask ---- */

static const struct rpl_run *run_of(const struct rpl_engine *e)
{
	return e->impl;
}

static uint64_t q_now(const struct rpl_engine *e)
{
	return mono_ns();
}

static uint64_t q_last_tick(const struct rpl_engine *e, unsigned cpu)
{
	return run_of(e)->cpu[cpu].last_tick_ns;
}

static unsigned q_nr_running(const struct rpl_engine *e, unsigned cpu)
{
	return run_of(e)->cpu[cpu].nr_running;
}

static uint64_t q_load_weight(const struct rpl_engine *e, unsigned cpu)
{
	return run_of(e)->cpu[cpu].load_weight;
}

static int q_rt_lowest(const struct rpl_engine *e, unsigned cpu)
{
	const struct rpl_run *run = run_of(e);
	int best = 100;
	uint32_t i;

	for (i = run->cpu[cpu].head; i != NOBODY; i = run->threads[i].next)
		if (run->threads[i].prio >= 0 && run->threads[i].prio < best)
			best = run->threads[i].prio;
	return best;
}

static bool q_is_idle(const struct rpl_engine *e, unsigned cpu)
{
	return !run_of(e)->cpu[cpu].nr_running;
}

static int q_current(const struct rpl_engine *e, unsigned cpu)
{
	uint32_t i = current_of(run_of(e), cpu);

	return i == NOBODY ? -1 : (int)i;
}

static unsigned q_queue(const struct rpl_engine *e, unsigned cpu, int *tasks, unsigned max)
{
	const struct rpl_run *run = run_of(e);
	uint32_t running = current_of(run, cpu), i;
	unsigned n = 0;

	for (i = run->cpu[cpu].head; i != NOBODY && n < max; i = run->threads[i].next)
		if (i != running)
			tasks[n++] = i;
	return n;
}

static void q_task(const struct rpl_engine *e, int task, struct rpl_task_view *view)
{
	const struct rpl_run *run = run_of(e);
	const struct rthread *t = &run->threads[task];

	*view = (struct rpl_task_view){ .prio = t->prio,
					.sched_policy = t->policy,
					.threads = run->groups[t->group],
					.cpu = t->cpu,
					.recorded_cpu = t->recorded_cpu,
					.last_ran_ns = t->last_ran_ns,
					.last_queued_ns = t->last_queued_ns,
					.util = run->cfg.policy->util ? rpl_usage_util(run, t, mono_ns()) : 0,
					.running = t->queued && t->cpu >= 0 && current_of(run, t->cpu) == t->index,
					.allowed = run->cfg.keep_affinity ? t->allowed : NULL };
}

static int move(struct rpl_engine *e, int task, unsigned to, enum sr_cause cause)
{
	struct rpl_run *run = e->impl;
	struct rthread *t = &run->threads[task];
	const struct rpl_policy *p = run->cfg.policy;
	int from = t->cpu;
	uint64_t now;

	if (!t->queued || to >= run->machine.ncpus || !run->machine.v[to].online || run->nmoves == MAX_MOVES ||
	    (run->cfg.keep_affinity && t->allowed && !sr_cpumask_isset(t->allowed, to)))
		return -1;
	now = mono_ns();
	unlink_task(run, t, now);
	if (p->dequeue)
		p->dequeue(e, run->policy_state, from, task);
	link_task(run, t, to, now);
	if (p->enqueue)
		p->enqueue(e, run->policy_state, to, task);
	run->moves[run->nmoves++] = (struct pending_move){ .task = task, .from = from, .to = to, .cause = cause };
	return 0;
}

static void *q_alloc(struct rpl_engine *e, size_t n, size_t size)
{
	return rpl_alloc(&((struct rpl_run *)e->impl)->arena, n, size);
}

static int q_idle(struct rpl_engine *e, unsigned cpu, bool on)
{
	return -1;
}

/* ---- carrying out ---- */

static void log_decision(struct rpl_run *run, struct rthread *by, uint32_t task, int from, int to, enum sr_cause cause,
			 uint64_t from_ns)
{
	uint64_t cost = mono_ns() - from_ns;
	struct log *l = &run->balancer_log;
	struct rpl_counts *counts = by ? &by->counts : &run->counts;
	struct log_entry *slot = NULL;

	counts->decisions++;
	if (by)
		slot = rpl_log_slot(by);
	else if (l->n < l->cap)
		slot = &l->v[l->n++];
	else
		counts->events_dropped++;
	if (!slot)
		return;
	*slot = (struct log_entry){ .time_ns = from_ns,
				    .arg = task,
				    .task = by ? by->index : task,
				    .cost_ns = cost > UINT32_MAX ? UINT32_MAX : cost,
				    .from = from,
				    .to = to,
				    .cpu = sched_getcpu(),
				    .kind = LOG_DECISION,
				    .cause = cause };
}

/* Gives a thread the mask that its place asks for. The place may change meanwhile: the last one must win. */
static void pin(struct rthread *t)
{
	cpu_set_t one;
	int tid = atomic_load(&t->tid), cpu;

	while (tid > 0 && (cpu = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED)) >= 0 && cpu != atomic_load(&t->pinned)) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(tid, sizeof(one), &one) < 0)
			return;
		atomic_store(&t->pinned, cpu);
	}
}

/* Ends a call into the policy: the lock is released, then its moves are made. by NULL: the balancer. */
static void unlock_and_move(struct rpl_run *run, struct rthread *by, uint64_t from_ns)
{
	struct pending_move moves[MAX_MOVES];
	unsigned i, n = run->nmoves;

	memcpy(moves, run->moves, n * sizeof(*moves));
	run->nmoves = 0;
	unlock(run);
	for (i = 0; i < n; i++) {
		uint64_t began = i ? mono_ns() : from_ns;

		pin(&run->threads[moves[i].task]);
		log_decision(run, by, moves[i].task, moves[i].from, moves[i].to, moves[i].cause, began);
	}
}

static int ask(struct rpl_run *run, struct rthread *t, struct rpl_place *place)
{
	const struct rpl_policy *p = run->cfg.policy;
	int cpu = -1;

	place->task = t->index;
	place->allowed = run->cfg.keep_affinity ? t->allowed : NULL;
	if (p->place)
		cpu = p->place(&run->engine, run->policy_state, place);
	if (cpu < 0 || (unsigned)cpu >= run->machine.ncpus || !run->machine.v[cpu].online)
		cpu = place->prev_cpu;
	return cpu;
}

static int next_recorded_cpu(const struct rthread *t)
{
	const struct sr_op *op = atomic_load_explicit(&t->op, memory_order_relaxed);

	return sr_op_rests(op) ? op->cpu : t->p->first_cpu;
}

void rpl_place_fork(struct rthread *parent, struct rthread *child, bool thread)
{
	struct rpl_run *run = parent->run;
	struct rpl_place place = { .why = SR_CAUSE_FORK, .waker = parent->index, .thread = thread };
	uint64_t from;

	if (!pins(run))
		return;
	from = mono_ns();
	lock(run);
	place.this_cpu = place.prev_cpu = parent->cpu;
	run->groups[child->group]++;
	child->recorded_cpu = child->p->first_cpu;
	child->weight = rpl_nice_weight(parent->nice);
	child->prio = parent->prio;
	enqueue(run, child, ask(run, child, &place));
	if (run->cfg.policy->util)
		rpl_usage_new(run, child, child->last_queued_ns);
	/* The child begins on its parent's mask and pins itself. */
	atomic_store(&child->pinned, atomic_load(&parent->pinned));
	log_decision(run, parent, child->index, place.prev_cpu, child->cpu, SR_CAUSE_FORK, from);
	unlock_and_move(run, parent, from);
}

void rpl_place_exec(struct rthread *t)
{
	struct rpl_run *run = t->run;
	struct rpl_place place = { .why = SR_CAUSE_EXEC, .waker = t->index };
	uint64_t from;
	int old, cpu;

	if (!pins(run))
		return;
	from = mono_ns();
	lock(run);
	old = place.this_cpu = place.prev_cpu = t->cpu;
	cpu = ask(run, t, &place);
	if (cpu != old && t->queued) {
		unlink_task(run, t, from);
		if (run->cfg.policy->dequeue)
			run->cfg.policy->dequeue(&run->engine, run->policy_state, old, t->index);
		enqueue(run, t, cpu);
	}
	unlock_and_move(run, t, from);
	if (cpu != old)
		pin(t);
	log_decision(run, t, t->index, old, cpu, SR_CAUSE_EXEC, from);
}

uint64_t rpl_lock_wake(struct rpl_run *run, struct rthread *t)
{
	uint64_t from;

	if (!pins(run))
		return 0;
	from = mono_ns();
	lock(run);
	t->recorded_cpu = next_recorded_cpu(t);
	return from;
}

void rpl_unlock_wake(struct rpl_run *run)
{
	if (pins(run))
		unlock(run);
}

/* The end of a wake's placement, with the lock held: asks, enqueues, unlocks, pins. */
static void place_woken(struct rpl_run *run, struct rthread *by, struct rthread *t, struct rpl_place *place,
			uint64_t from_ns)
{
	int to = ask(run, t, place);

	enqueue(run, t, to);
	unlock_and_move(run, by, from_ns);
	pin(t);
	log_decision(run, by, t->index, place->prev_cpu, to, SR_CAUSE_WAKE, from_ns);
}

void rpl_place_wake(struct rthread *waker, struct rthread *t, bool sync, uint64_t from_ns)
{
	struct rpl_run *run = waker->run;
	struct rpl_place place = { .why = SR_CAUSE_WAKE, .waker = waker->index, .sync = sync };

	if (!pins(run))
		return;
	place.prev_cpu = t->cpu;
	place.this_cpu = waker->cpu;
	place_woken(run, waker, t, &place, from_ns);
}

void rpl_place_self(struct rthread *t)
{
	struct rpl_run *run = t->run;
	struct rpl_place place = { .why = SR_CAUSE_WAKE, .waker = -1 };
	uint64_t from;

	if (!pins(run))
		return;
	from = rpl_lock_wake(run, t);
	place.this_cpu = place.prev_cpu = t->cpu;
	place_woken(run, t, t, &place, from);
}

void rpl_went_to_sleep(struct rthread *t)
{
	struct rpl_run *run = t->run;
	uint64_t from;

	if (!pins(run))
		return;
	from = mono_ns();
	lock(run);
	dequeue(run, t);
	unlock_and_move(run, t, from);
}

void rpl_stayed_awake(struct rthread *t)
{
	struct rpl_run *run = t->run;

	if (!pins(run))
		return;
	lock(run);
	enqueue(run, t, t->cpu);
	unlock_and_move(run, t, mono_ns());
}

void rpl_ended(struct rthread *t)
{
	struct rpl_run *run = t->run;

	if (!pins(run))
		return;
	lock(run);
	run->groups[t->group]--;
	dequeue(run, t);
	unlock_and_move(run, t, mono_ns());
}

/* A queued task is taken out of the queue for a change of its weight or class, and put in again, as in the kernel. */
static void set_rank(struct rthread *t, uint32_t weight, int prio)
{
	struct rpl_run *run = t->run;
	const struct rpl_policy *p = run->cfg.policy;
	uint32_t current = NOBODY;
	bool queued;
	uint64_t now;

	if (!pins(run)) {
		t->prio = (int16_t)prio;
		return;
	}
	now = mono_ns();
	lock(run);
	queued = t->queued && (t->weight != weight || t->prio != prio);
	if (queued) {
		current = atomic_load(&run->cpu[t->cpu].current);
		unlink_task(run, t, now);
		if (p->dequeue)
			p->dequeue(&run->engine, run->policy_state, t->cpu, t->index);
	}
	t->weight = weight;
	t->prio = (int16_t)prio;
	if (queued) {
		link_task(run, t, t->cpu, now);
		atomic_store(&run->cpu[t->cpu].current, current);
		if (p->enqueue)
			p->enqueue(&run->engine, run->policy_state, t->cpu, t->index);
	}
	unlock_and_move(run, t, now);
}

void rpl_set_nice(struct rthread *t, int nice)
{
	t->nice = nice;
	set_rank(t, rpl_nice_weight(nice), t->prio >= 100 ? 120 + nice : t->prio);
}

void rpl_set_prio(struct rthread *t, int prio)
{
	set_rank(t, t->weight, prio);
}

void *rpl_balancer_main(void *arg)
{
	struct rpl_run *run = arg;
	const struct rpl_policy *p = run->cfg.policy;
	uint64_t next = run->start_ns, base = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	unsigned i;

	sched_setaffinity(0, sizeof(run->cpus), &run->cpus); /* its time is the policy's cost */
	while (!atomic_load(&run->over)) {
		uint64_t now = mono_ns();

		if (now < next) {
			rpl_futex_wait(run, &run->over, 0, BIT_OWNER, next);
			continue;
		}
		for (i = 0; i < run->machine.ncpus; i++) {
			uint64_t from = mono_ns();

			if (!run->machine.v[i].online)
				continue;
			lock(run);
			/* It may have been freed for a process of the replay that was killed: see rpl_tree_stop. */
			if (atomic_load(&run->over)) {
				unlock(run);
				break;
			}
			run->cpu[i].last_tick_ns = from;
			p->tick(&run->engine, run->policy_state, i);
			unlock_and_move(run, NULL, from);
		}
		/* A tick that was missed is missed, as in a kernel without its timer interrupt. */
		do
			next += run->engine.tick_ns;
		while (next <= mono_ns());
	}
	run->counts.balancer_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - base;
	return NULL;
}

int rpl_policy_start(struct rpl_run *run, struct sr_error *err)
{
	const struct rpl_policy *p = run->cfg.policy;
	size_t i;

	for (i = 0; i < run->machine.ncpus; i++) {
		run->cpu[i].head = run->cpu[i].tail = NOBODY;
		atomic_store(&run->cpu[i].current, NOBODY);
	}
	run->engine = (struct rpl_engine){ .version = RPL_POLICY_VERSION,
					   .caps = RPL_CAN_PUSH,
					   .machine = &run->machine,
					   .ncpus = run->machine.ncpus,
					   .ntasks = (unsigned)run->m->ntasks,
					   .policy = p,
					   .seed = run->cfg.seed,
					   .tick_ns = p->tick_ns,
					   .impl = run,
					   .now_ns = q_now,
					   .last_tick_ns = q_last_tick,
					   .nr_running = q_nr_running,
					   .load_weight = q_load_weight,
					   .rt_lowest_prio = q_rt_lowest,
					   .is_idle = q_is_idle,
					   .current = q_current,
					   .queue = q_queue,
					   .task = q_task,
					   .alloc = q_alloc,
					   .migrate = move,
					   .push = move,
					   .idle = q_idle };
	if (p->init && p->init(&run->engine, run->cfg.policy_options, &run->policy_state, err) < 0)
		return -1;
	run->policy_ready = true;
	if (!p->pins)
		return 0;
	/* The tasks alive at the start: where the policy puts them as if they were threads that
	 * one CPU starts one after the other (2.6.7 leaves a plain fork where it is). */
	for (i = 0; i < run->m->ntasks; i++) {
		struct rthread *t = &run->threads[i];
		struct rpl_place place = { .why = SR_CAUSE_FORK, .waker = -1, .thread = true };
		unsigned home;

		if (t->p->parent != NOBODY)
			continue;
		for (home = 0; home + 1 < run->machine.ncpus && !run->machine.v[home].online; home++)
			;
		t->weight = rpl_nice_weight(t->p->nice);
		t->recorded_cpu = t->p->first_cpu;
		place.this_cpu = place.prev_cpu = home;
		run->groups[t->group]++;
		enqueue(run, t, ask(run, t, &place));
	}
	run->nmoves = 0;
	return 0;
}

void rpl_policy_stop(struct rpl_run *run)
{
	const struct rpl_policy *p = run->cfg.policy;

	if (run->policy_ready && p->fini)
		p->fini(&run->engine, run->policy_state);
	run->policy_ready = false;
}

unsigned rpl_policy_report(const struct rpl_run *run, struct rpl_policy_count *v)
{
	const struct rpl_policy *p = run->cfg.policy;

	return run->policy_ready && p->report ? p->report(&run->engine, run->policy_state, v) : 0;
}
