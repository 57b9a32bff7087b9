/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a burst owes.
 *
 * Time: each thread owes CPU time cumulatively and pays until CLOCK_THREAD_CPUTIME_ID says so. Reading that clock is
 * a system call, and one that makes the kernel look at the thread's time slice out of turn, so between two readings the
 * monotonic clock stands for it; a gap between two looks at that (an interrupt, a preemption) means one more reading
 * when it says that the debt is paid. Whatever the engine itself uses (futexes, placement) is CPU time of the
 * thread too and so pays for the burst that contained the application's own system calls.
 *
 * Instructions: each thread owes iterations of a fixed loop, calibrated when the run is prepared. A slower or shared core
 * then really takes longer.
 *
 * A burst holds the cost of the wake-ups around it, and where they are placed decides about that (wakecost.h). With time
 * a wake-up that is placed as recorded pays for itself; one that is placed otherwise changes what is owed by the
 * difference. With instructions the recorded cost is taken out, and the replay's own comes on top. What was measured with
 * nobody else about (wakecost.h) is then too little: tasks of other processes come between, caches are cold, interrupts go to
 * CPUs that are at work. So each thread measures in some of its bursts what the replay's own wake-ups cost, and a
 * recorded one is taken to have cost as much as the run's have so far where they were placed like it.
 */
#include <sched.h>
#include <stdlib.h>

#include <math.h>

#include "replay/engine_internal.h"

/* Longer than two looks at the clock ever take on an undisturbed CPU. */
#define GAP_NS 2000u
/* Looks at the clock are trusted across an engine call of at most this length without a new reading. */
#define TRUST_NS 50000u
/* Of so many bursts one is measured, and when there are enough of so many; a gap that is longer held something else, such as
 * a fork. */
#define GAP_EVERY 8
#define GAP_SELDOM 64
#define GAP_MOST_NS 100000u
#define LEAST_MEASURED 32u
#define ENOUGH_MEASURED 1000u

static uint64_t __attribute__((noinline)) work_loop(uint64_t n, uint64_t x)
{
	while (n--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

void rpl_slept(struct rthread *t)
{
	t->synced = false;
}

static void sync_clock(struct rthread *t)
{
	t->sync_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	t->sync_mono_ns = mono_ns();
	t->synced = true;
}

static void burn_time(struct rthread *t)
{
	const _Atomic uint32_t *stopping = &t->run->stopping;
	int64_t sum = (int64_t)t->base_cpu_ns + t->owed_ns;
	uint64_t due = sum > 0 ? (uint64_t)sum : 0;
	bool gap;

	if (t->synced) {
		uint64_t since = mono_ns() - t->sync_mono_ns;

		if (since < TRUST_NS && t->sync_cpu_ns + since >= due)
			return;
	}
	do {
		uint64_t last, now, end;

		sync_clock(t);
		if (t->sync_cpu_ns >= due)
			return;
		last = t->sync_mono_ns;
		gap = false;
		end = last + (due - t->sync_cpu_ns);
		do {
			now = mono_ns();
			gap |= now - last > GAP_NS;
			last = now;
		} while (now < end && !atomic_load_explicit(stopping, memory_order_relaxed));
		t->sync_cpu_ns += now - t->sync_mono_ns;
		t->sync_mono_ns = now;
		/* After a gap that is only an upper bound: the clock must be read again. */
	} while (gap && !atomic_load_explicit(stopping, memory_order_relaxed));
}

static uint64_t mean(const _Atomic uint64_t *ns, const _Atomic uint64_t *count, uint64_t least)
{
	uint64_t n = atomic_load_explicit(count, memory_order_relaxed);

	return n < least ? 0 : atomic_load_explicit(ns, memory_order_relaxed) / n;
}

static void measured(_Atomic uint64_t *sum, _Atomic uint64_t *count, uint64_t ns)
{
	atomic_fetch_add_explicit(sum, ns, memory_order_relaxed);
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static bool is_measured_next(struct rthread *t)
{
	bool enough = atomic_load_explicit(&t->run->sleeps_measured[t->gap_remote], memory_order_relaxed) >=
		      ENOUGH_MEASURED;

	return ++t->gaps % (enough ? GAP_SELDOM : GAP_EVERY) == 0;
}

/* Whom it woke last has told by now where that was. */
static void count_wake(struct rthread *t)
{
	uint64_t ns = t->woke_ns;
	bool remote;

	if (!ns)
		return;
	t->woke_ns = 0;
	remote = atomic_load_explicit(&t->woke->over_remote, memory_order_relaxed);
	if (atomic_load_explicit(&t->woke->sleeps_over, memory_order_relaxed) == t->woke_sleep + 1 && ns < GAP_MOST_NS)
		measured(&t->run->wake_ns[remote], &t->run->wakes_measured[remote], ns);
}

/* Loops begin: the time since the last ones was not work. */
static void end_gap(struct rthread *t)
{
	if (t->gap_from_ns)
		t->gap_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - t->gap_from_ns;
	t->gap_from_ns = 0;
	if (!t->gap_slept)
		return;
	count_wake(t);
	if (t->gap_measured && t->gap_settles == 1 && t->gap_ns < GAP_MOST_NS && t->gap_ns > t->gap_wakes_ns)
		measured(&t->run->sleep_ns[t->gap_remote], &t->run->sleeps_measured[t->gap_remote],
			 t->gap_ns - t->gap_wakes_ns);
	t->gap_measured = is_measured_next(t);
	t->gap_slept = false;
	t->gap_settles = 0;
	t->gap_ns = t->gap_wakes_ns = 0;
}

/* What such a wake took the recorded task beyond what it takes the replay's own. */
static double far_rest(const struct rthread *t)
{
	const struct rpl_run *run = t->run;
	uint64_t far = mean(&run->wake_ns[1], &run->wakes_measured[1], LEAST_MEASURED);
	uint64_t near = mean(&run->wake_ns[0], &run->wakes_measured[0], LEAST_MEASURED);
	double own = far && near ? (double)far - (double)near :
				   (run->costs.wake.remote_ns - run->costs.wake.local_ns) / 2;

	return fmax(t->p->far_ns - fmax(own, 0), 0);
}

static void burn_loops(struct rthread *t, uint64_t ns)
{
	static const unsigned look = 1u << 20; /* loops between looks at the stop flag, below a few ms */
	uint64_t n;

	if (atomic_load_explicit(&t->far_wakes, memory_order_relaxed))
		ns += (uint64_t)(atomic_exchange_explicit(&t->far_wakes, 0, memory_order_relaxed) * far_rest(t));
	t->owed_loops += ns * t->run->costs.loops_per_ns;
	if (t->owed_loops < 1)
		return;
	end_gap(t);
	while (t->owed_loops >= 1 && !atomic_load_explicit(&t->run->stopping, memory_order_relaxed)) {
		n = t->owed_loops < look ? (uint64_t)t->owed_loops : look;
		work_loop(n, n | 1);
		t->owed_loops -= n;
	}
	if (t->gap_measured)
		t->gap_from_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void rpl_burn(struct rthread *t, uint64_t ns)
{
	struct rpl_run *run = t->run;
	int cpu = atomic_load_explicit(&t->pinned, memory_order_relaxed);

	if (run->cfg.work_scale > 0)
		ns = (uint64_t)((double)ns * run->cfg.work_scale + 0.5);
	atomic_store_explicit(&t->on_cpu, sched_getcpu(), memory_order_relaxed);
	t->owed_ns += (int64_t)ns;
	if (cpu >= 0)
		atomic_store_explicit(&run->cpu[cpu].current, t->index, memory_order_relaxed);
	if (run->cfg.work == RPL_WORK_TIME)
		burn_time(t);
	else
		burn_loops(t, ns);
	atomic_fetch_add_explicit(&run->progress_ns, ns, memory_order_relaxed);
}

static bool was_remote(struct rthread *t)
{
	return atomic_load_explicit(&t->woken_from, memory_order_relaxed) != sched_getcpu() &&
	       mono_ns() - atomic_load_explicit(&t->woken_ns, memory_order_relaxed) < SR_WAKE_AT_ONCE_NS;
}

uint64_t rpl_wake_mean(const struct rpl_run *run, bool remote, uint64_t least)
{
	uint64_t wake = mean(&run->wake_ns[remote], &run->wakes_measured[remote], least);
	uint64_t sleep = mean(&run->sleep_ns[remote], &run->sleeps_measured[remote], least);

	return wake && sleep ? wake + sleep : 0;
}

/* The recording's machine beside this one, by what a wake and its sleep cost with nobody else about. */
static double ratio(const struct rpl_run *run, bool remote)
{
	const struct sr_wake_cost *then = &run->costs.then, *here = &run->costs.wake;
	double t = remote ? then->remote_ns : then->local_ns, h = remote ? here->remote_ns : here->local_ns;

	return h > 0 ? t / h : 1;
}

/* The mean of what recorded wakes took their wakers; half of a wake and its sleep where that is not known. */
static double call_then(const struct rpl_run *run, bool remote)
{
	const struct sr_wake_bound *b = &run->cfg.wake_bound;
	const struct sr_wake_cost *then = &run->costs.then;
	uint64_t call = remote ? b->remote_call_ns : b->local_call_ns;

	return call ? (double)call : (remote ? then->remote_ns : then->local_ns) / 2;
}

/* What a recorded sleep cost, as its like cost in this run: never less than measured with nobody else about, nor more than
 * recorded bursts can hold beside a wake. */
static double sleep_then(const struct rpl_run *run, bool remote)
{
	double least = (remote ? run->costs.then.remote_ns : run->costs.then.local_ns) - call_then(run, remote);
	uint64_t most = remote ? run->cfg.wake_bound.remote_ns : run->cfg.wake_bound.local_ns;
	uint64_t sleep = mean(&run->sleep_ns[remote], &run->sleeps_measured[remote], LEAST_MEASURED);

	least = fmax(least, 0);
	if (!sleep || !most)
		return least;
	return fmax(least, fmin((double)sleep * ratio(run, remote), (double)most - call_then(run, remote)));
}

/* What the replay's own way to a wake takes, its futex call: the application's is in its bursts. On one CPU, where the wake
 * itself takes the same whatever goes on elsewhere. */
static double own_way(const struct rpl_run *run)
{
	uint64_t wake = mean(&run->wake_ns[0], &run->wakes_measured[0], LEAST_MEASURED);

	return run->cfg.wake_bound.local_call_ns ? fmax((double)wake - call_then(run, false) / ratio(run, false), 0) :
						   0;
}

/* Where bursts were shorter than that, what is left is not kept for ever. */
static void take_out(struct rthread *t, double ns)
{
	const struct rpl_costs *costs = &t->run->costs;
	double least = -8 * costs->then.remote_ns * costs->loops_per_ns;

	if (t->owed_loops > least)
		t->owed_loops = fmax(t->owed_loops - ns * costs->loops_per_ns, least);
}

uint64_t rpl_before_wake(struct rthread *by, struct rthread *t)
{
	if (!by->gap_measured)
		return 0;
	by->woke = t;
	by->woke_sleep = atomic_load_explicit(&t->sleeps_over, memory_order_relaxed);
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void rpl_after_wake(struct rthread *by, uint64_t from)
{
	if (by->run->cfg.work == RPL_WORK_INSTRUCTIONS)
		take_out(by, own_way(by->run));
	if (!from)
		return;
	by->woke_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - from;
	by->gap_wakes_ns += by->woke_ns;
}

/* A sleep has ended, or one was not needed. */
static void note_sleep(struct rthread *t, bool slept)
{
	t->gap_settles += t->gap_settles < 2;
	t->gap_slept |= slept;
	t->gap_remote = slept && was_remote(t);
	if (!slept)
		return;
	if (t->gap_remote) {
		uint32_t by = atomic_load_explicit(&t->woken_by, memory_order_relaxed);

		if (t->run->m->tasks[by].far_ns)
			atomic_fetch_add_explicit(&t->run->threads[by].far_wakes, 1, memory_order_relaxed);
	}
	atomic_store_explicit(&t->over_remote, t->gap_remote, memory_order_relaxed);
	atomic_fetch_add_explicit(&t->sleeps_over, 1, memory_order_relaxed);
}

void rpl_settle_own_sleep(struct rthread *t)
{
	if (t->run->cfg.work != RPL_WORK_INSTRUCTIONS)
		return;
	note_sleep(t, true);
	take_out(t, call_then(t->run, t->gap_remote) + sleep_then(t->run, t->gap_remote));
}

void rpl_settle_wake_of(struct rthread *t, const struct sr_op *wake)
{
	const struct sr_program *target = &t->run->m->tasks[wake->arg];
	bool remote;
	double ns;

	if (t->run->cfg.work != RPL_WORK_INSTRUCTIONS || wake->flags & SR_WAKE_HIDDEN || wake->value >= target->nwaits)
		return;
	remote = target->waits[wake->value].remote;
	ns = wake->cpu ? (double)sr_wake_call_ns(wake) : call_then(t->run, remote);
	take_out(t, remote && t->p->far_ns ? fmax(ns, call_then(t->run, false) + t->p->far_ns) : ns);
}

void rpl_settle_wake(struct rthread *t, const struct sr_op *wait, bool slept)
{
	const struct rpl_run *run = t->run;
	const struct sr_wake_cost *cost = &run->costs.then;
	double then = 0, now = 0;

	if (run->cfg.work == RPL_WORK_INSTRUCTIONS) {
		note_sleep(t, slept);
		if (wait)
			take_out(t, sleep_then(run, wait->flags & SR_WAIT_REMOTE));
		return;
	}
	if (wait)
		then = wait->flags & SR_WAIT_REMOTE ? cost->remote_ns : cost->local_ns;
	if (slept)
		now = was_remote(t) ? cost->remote_ns : cost->local_ns;
	t->counts.wakes_nearer += now < then;
	t->counts.wakes_farther += now > then;
	t->counts.wake_cost_ns += (int64_t)(now - then);
	t->owed_ns += (int64_t)(now - then);
}

static int double_cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

double rpl_median(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), double_cmp);
	return v[n / 2];
}

/* CPU time, not elapsed: the loop's speed must not depend on who else runs. The median of short tries: a shared host's
 * speed moves, and its best moment is not what the replay will find. */
static double loop_rate(void)
{
	double rate[25];
	size_t i;

	for (i = 0; i < 25; i++) {
		uint64_t from = clock_ns(CLOCK_THREAD_CPUTIME_ID), ns;

		work_loop(400000, i + 1);
		ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - from;
		rate[i] = 400000.0 / (ns ? ns : 1);
	}
	return rpl_median(rate, 25);
}

/* A call that goes as far as to the queue and finds another value. As long again until the sleeper has left its CPU. */
static uint64_t queue_time(const struct rpl_run *run)
{
	_Atomic uint32_t word = 0;
	double ns[200];
	size_t i;

	for (i = 0; i < 200; i++) {
		uint64_t from = mono_ns();

		rpl_futex_wait(run, &word, 1, BIT_OWNER, 0);
		ns[i] = (double)(mono_ns() - from);
	}
	return 2 * (uint64_t)rpl_median(ns, 200);
}

void rpl_calibrate(struct rpl_run *run)
{
	struct rpl_costs *costs = &run->costs;

	costs->loops_per_ns = loop_rate();
	costs->queue_ns = queue_time(run);
	sr_wake_cost_measure(&costs->wake, &run->old_mask, "schedrec-cost");
}
