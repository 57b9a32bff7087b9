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
 * Instructions: each thread owes iterations of a fixed loop, calibrated when the run is prepared; the engine's own calls are
 * taken out at their measured cost. A slower or shared core then really takes longer.
 */
#include <sched.h>
#include <stdlib.h>

#include "replay/engine_internal.h"

/* Longer than two looks at the clock ever take on an undisturbed CPU. */
#define GAP_NS 2000u
/* Looks at the clock are trusted across an engine call of at most this length without a new reading. */
#define TRUST_NS 50000u

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
	uint64_t due = t->base_cpu_ns + t->owed_ns;
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

static void burn_loops(struct rthread *t, uint64_t ns)
{
	static const unsigned look = 1u << 20; /* loops between looks at the stop flag, below a few ms */
	uint64_t n;

	t->owed_loops += ns * t->run->costs.loops_per_ns;
	while (t->owed_loops >= 1 && !atomic_load_explicit(&t->run->stopping, memory_order_relaxed)) {
		n = t->owed_loops < look ? (uint64_t)t->owed_loops : look;
		work_loop(n, n | 1);
		t->owed_loops -= n;
	}
}

void rpl_burn(struct rthread *t, uint64_t ns)
{
	struct rpl_run *run = t->run;
	int cpu = atomic_load_explicit(&t->pinned, memory_order_relaxed);

	atomic_store_explicit(&t->on_cpu, sched_getcpu(), memory_order_relaxed);
	t->owed_ns += ns;
	if (cpu >= 0)
		atomic_store_explicit(&run->cpu[cpu].current, t->index, memory_order_relaxed);
	if (run->cfg.work == RPL_WORK_TIME)
		burn_time(t);
	else
		burn_loops(t, ns);
	atomic_fetch_add_explicit(&run->progress_ns, ns, memory_order_relaxed);
}

static int double_cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double median(double *v, size_t n)
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
	return median(rate, 25);
}

struct partner {
	_Atomic uint32_t word, back;
	_Atomic uint32_t stop;
	uint64_t cpu_ns;
};

static void *partner_main(void *arg)
{
	struct partner *p = arg;
	uint64_t from = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	while (!atomic_load(&p->stop)) {
		while (!atomic_load(&p->word))
			rpl_futex_wait(&p->word, 0, BIT_OWNER, 0);
		atomic_store(&p->word, 0);
		atomic_store(&p->back, 1);
		rpl_futex_wake(&p->back, 1, BIT_OWNER);
	}
	p->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - from;
	return NULL;
}

#define WAKE_ROUNDS 400

/* A futex ping-pong between this thread and another: the CPU time of the wake calls alone, and of the rest. */
static void futex_costs(struct rpl_costs *costs)
{
	struct partner p = { 0 };
	double wake[WAKE_ROUNDS], sleep[WAKE_ROUNDS];
	pthread_t other;
	int i;

	if (pthread_create(&other, NULL, partner_main, &p))
		return;
	for (i = 0; i < WAKE_ROUNDS; i++) {
		uint64_t a, b, c;

		a = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		atomic_store(&p.word, 1);
		rpl_futex_wake(&p.word, 1, BIT_OWNER);
		b = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		while (!atomic_load(&p.back))
			rpl_futex_wait(&p.back, 0, BIT_OWNER, 0);
		atomic_store(&p.back, 0);
		c = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		wake[i] = b - a;
		sleep[i] = c - b;
	}
	atomic_store(&p.stop, 1);
	atomic_store(&p.word, 1);
	rpl_futex_wake(&p.word, 1, BIT_OWNER);
	pthread_join(other, NULL);
	costs->wake_ns = median(wake, WAKE_ROUNDS) - costs->cputime_read_ns;
	costs->sleep_ns = median(sleep, WAKE_ROUNDS) - costs->cputime_read_ns;
	if (costs->wake_ns < 0)
		costs->wake_ns = 0;
	if (costs->sleep_ns < 0)
		costs->sleep_ns = 0;
}

void rpl_calibrate(struct rpl_costs *costs)
{
	double read[200];
	size_t i;

	for (i = 0; i < 200; i++) {
		uint64_t a = clock_ns(CLOCK_THREAD_CPUTIME_ID);

		read[i] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - a;
	}
	costs->cputime_read_ns = median(read, 200);
	costs->loops_per_ns = loop_rate();
	futex_costs(costs);
}
