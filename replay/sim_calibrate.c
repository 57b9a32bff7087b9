/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Medians of short tries, each on the first CPUs that may be used. */
#include "replay/sim_calibrate.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "formats/wakecost.h"
#include "replay/foreign.h"

#define TRIES 400
#define YIELDS 20000
#define SET_BYTES (256u << 10) /* the working set of the migration test: about a core's own cache */
#define LINE 64u
#define TICK_LOOK_NS 200000000u
#define SCANS 200 /* long enough for /proc/stat's ticks */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int u64_cmp(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t median(uint64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), u64_cmp);
	return v[n / 2];
}

static void run_on(const unsigned *cpu, unsigned n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	while (n)
		CPU_SET(cpu[--n], &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void pin(unsigned cpu)
{
	run_on(&cpu, 1);
}

static void set(struct sim_params *p, struct sim_known *known, enum sim_param which, uint64_t ns)
{
	const struct sim_param_row *row = &sim_param_rows()[which];

	p->v[which] = ns < row->min ? row->min : ns > row->max ? row->max : ns;
	known->v[which] = true;
}

/* ---- a switch: two threads that give one CPU to each other ---- */

struct yields {
	unsigned cpu;
	atomic_uint ready;
	uint64_t ns;
};

static void *yield_main(void *arg)
{
	struct yields *y = arg;
	uint64_t from;
	int i;

	pin(y->cpu);
	atomic_fetch_add(&y->ready, 1);
	while (atomic_load(&y->ready) < 2)
		sched_yield();
	from = now_ns();
	for (i = 0; i < YIELDS; i++)
		sched_yield();
	y->ns = now_ns() - from;
	return NULL;
}

static uint64_t switch_cost(unsigned cpu)
{
	struct yields y = { .cpu = cpu };
	pthread_t id[2];
	unsigned n = 0;

	while (n < 2 && !pthread_create(&id[n], NULL, yield_main, &y))
		n++;
	if (n < 2)
		atomic_store(&y.ready, 2); /* the other one must not wait for ever */
	while (n)
		pthread_join(id[--n], NULL);
	return y.ns / (2 * (uint64_t)YIELDS); /* both took turns for about so long */
}

/* ---- the way out of idle: a sleeper on one CPU, its waker on another, or a timer ---- */

struct sleeper {
	unsigned cpu;
	atomic_bool done;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	_Atomic uint64_t sent_ns, ready;
	unsigned tries; /* at most TRIES */
	uint64_t late[TRIES];
};

static void *sleeper_main(void *arg)
{
	struct sleeper *s = arg;
	unsigned i;

	pin(s->cpu);
	for (i = 0; i < s->tries; i++) {
		pthread_mutex_lock(&s->lock);
		atomic_store(&s->ready, (uint64_t)i + 1);
		while (atomic_load(&s->sent_ns) == 0)
			pthread_cond_wait(&s->cond, &s->lock);
		s->late[i] = now_ns() - atomic_exchange(&s->sent_ns, 0);
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

static void nap(uint64_t ns)
{
	clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = (long)ns }, NULL);
}

/* Keeps the sleeper's CPU busy, and gives way to it at once. */
static void *filler_main(void *arg)
{
	struct sleeper *s = arg;

	pin(s->cpu);
	sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 });
	while (!atomic_load(&s->done))
		;
	return NULL;
}

static void spin(uint64_t ns)
{
	uint64_t from = now_ns();

	while (now_ns() - from < ns)
		;
}

/* busy: of a CPU that has something to do, but nothing that the sleeper has to wait for. The sleeper sleeps for slept_ns,
 * the waker's CPU does not. *spread (unless NULL): the half of them in the middle lies within so many per cent, which of
 * an even spread is how far they reach to either side. */
static uint64_t remote_latency(unsigned waker, unsigned sleeper, bool busy, uint64_t slept_ns, unsigned tries,
			       uint64_t *spread)
{
	struct sleeper s = {
		.cpu = sleeper, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER, .tries = tries
	};
	pthread_t id, filler;
	uint64_t i, middle;

	pin(waker);
	if (busy && pthread_create(&filler, NULL, filler_main, &s))
		return 0;
	if (pthread_create(&id, NULL, sleeper_main, &s)) {
		atomic_store(&s.done, true);
		if (busy)
			pthread_join(filler, NULL);
		return 0;
	}
	if (waker == sleeper) /* it gives way at once; who it starts may not be so, and not all may leave that class */
		sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 });
	for (i = 0; i < tries; i++) {
		while (atomic_load(&s.ready) != i + 1)
			;
		spin(slept_ns);
		pthread_mutex_lock(&s.lock);
		atomic_store(&s.sent_ns, now_ns());
		pthread_mutex_unlock(&s.lock);
		pthread_cond_signal(&s.cond);
	}
	pthread_join(id, NULL);
	atomic_store(&s.done, true);
	if (busy)
		pthread_join(filler, NULL);
	middle = median(s.late, tries);
	if (spread)
		*spread = middle ? 100 * (s.late[tries * 3 / 4] - s.late[tries / 4]) / middle : 0;
	return middle;
}

/* The same on the waker's own CPU, in a thread that stays in SCHED_IDLE. */
struct meek {
	unsigned cpu;
	uint64_t ns;
};

static void *meek_main(void *arg)
{
	struct meek *m = arg;

	m->ns = remote_latency(m->cpu, m->cpu, false, 0, TRIES, NULL);
	return NULL;
}

static uint64_t own_latency(unsigned cpu)
{
	struct meek m = { .cpu = cpu };
	pthread_t id;

	if (!pthread_create(&id, NULL, meek_main, &m))
		pthread_join(id, NULL);
	return m.ns;
}

static uint64_t timer_latency(unsigned cpu)
{
	uint64_t late[TRIES], at;
	int i, slack = prctl(PR_GET_TIMERSLACK);

	pin(cpu);
	prctl(PR_SET_TIMERSLACK, 1);
	for (i = 0; i < TRIES; i++) {
		struct timespec t;

		at = now_ns() + 300000;
		t = (struct timespec){ .tv_sec = (time_t)(at / 1000000000), .tv_nsec = (long)(at % 1000000000) };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
		late[i] = now_ns() - at;
	}
	prctl(PR_SET_TIMERSLACK, slack > 0 ? slack : 0);
	return median(late, TRIES);
}

static uint64_t busy_timer_latency(unsigned cpu)
{
	struct sleeper s = { .cpu = cpu };
	pthread_t filler;
	uint64_t ns;

	if (pthread_create(&filler, NULL, filler_main, &s))
		return 0;
	ns = timer_latency(cpu);
	atomic_store(&s.done, true);
	pthread_join(filler, NULL);
	return ns;
}

/* ---- a search for an idle CPU: who last ran on its waker's CPU is woken while another one idles ---- */

struct scan {
	const unsigned *cpu;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool asleep, woken;
	unsigned found;
};

static void *scan_main(void *arg)
{
	struct scan *s = arg;
	int i;

	for (i = 0; i < SCANS; i++) {
		pin(s->cpu[0]);
		run_on(s->cpu, 2);
		pthread_mutex_lock(&s->lock);
		s->asleep = true;
		pthread_cond_broadcast(&s->cond);
		while (!s->woken)
			pthread_cond_wait(&s->cond, &s->lock);
		s->found += sched_getcpu() == (int)s->cpu[1];
		s->woken = false;
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}

static bool idled(const struct rpl_stat *before, const struct rpl_stat *after, unsigned cpu)
{
	if (cpu >= before->n || cpu >= after->n || !before->v[cpu].known || !after->v[cpu].known)
		return false;
	return after->v[cpu].idle - before->v[cpu].idle > after->v[cpu].busy - before->v[cpu].busy;
}

/* Does a wake-up try other CPUs? 1, 0; -1: not known, as the other one was not idle. */
static int scans_for_idle(const unsigned cpu[2])
{
	struct scan s = { .cpu = cpu, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
	struct rpl_stat before, after;
	bool ok = rpl_stat_read(&before);
	pthread_t id;
	int i;

	if (pthread_create(&id, NULL, scan_main, &s)) {
		rpl_stat_release(&before);
		return -1;
	}
	for (i = 0; i < SCANS; i++) {
		pthread_mutex_lock(&s.lock);
		while (!s.asleep)
			pthread_cond_wait(&s.cond, &s.lock);
		s.asleep = false;
		pthread_mutex_unlock(&s.lock);
		/* The sleeper slept there, and so does who wakes it; the other CPU comes to rest. */
		pin(cpu[0]);
		nap(500000);
		pthread_mutex_lock(&s.lock);
		s.woken = true;
		pthread_mutex_unlock(&s.lock);
		pthread_cond_broadcast(&s.cond);
	}
	pthread_join(id, NULL);
	ok = ok && rpl_stat_read(&after);
	/* Without a search balancing brings it there now and then: 2 to 16 % of such wakes. */
	i = s.found > SCANS / 3 ? 1 : ok && idled(&before, &after, cpu[1]) ? 0 : -1;
	rpl_stat_release(&before);
	if (ok)
		rpl_stat_release(&after);
	return i;
}

/* ---- ticks and caches ---- */

/* Gaps in a thread's time that come as often as ticks do. */
static uint64_t tick_cost(unsigned cpu, uint64_t period)
{
	static const uint64_t least = 500;
	uint64_t gap[4096], from = now_ns(), last = from, now, n = 0, due = TICK_LOOK_NS / period;

	pin(cpu);
	while ((now = now_ns()) - from < TICK_LOOK_NS) {
		if (now - last > least && n < 4096)
			gap[n++] = now - last;
		last = now;
	}
	return n >= due / 2 && n ? median(gap, n) : 0;
}

static uint64_t walk(volatile uint8_t *set)
{
	uint64_t from = now_ns();
	uint32_t i, at = 0;

	for (i = 0; i < SET_BYTES / LINE; i++) {
		at = (at + 2083u * LINE) % SET_BYTES; /* no neighbour: nothing is fetched ahead */
		set[at]++;
	}
	return now_ns() - from;
}

static uint64_t migration_cost(unsigned a, unsigned b)
{
	uint8_t *bytes = calloc(1, SET_BYTES);
	uint64_t cold[TRIES / 8], warm[TRIES / 8], here, there;
	size_t i;

	if (!bytes)
		return 0;
	for (i = 0; i < TRIES / 8; i++) {
		pin(a);
		walk(bytes);
		walk(bytes);
		pin(b);
		cold[i] = walk(bytes);
		walk(bytes);
		warm[i] = walk(bytes);
	}
	free(bytes);
	there = median(cold, TRIES / 8);
	here = median(warm, TRIES / 8);
	return there > here ? there - here : 0;
}

int sim_calibrate_live(struct sim_params *p, const struct sr_machine *m, struct sim_known *known, struct sr_error *err)
{
	unsigned cpu[2] = { 0 }, n = 0, i;
	struct sr_wake_cost wake;
	cpu_set_t old;
	uint64_t sw, spread = 0;
	int scans;

	if (sched_getaffinity(0, sizeof(old), &old) < 0)
		return sr_fail_errno(err, SR_ENVIRONMENT, "cannot read this process's CPUs");
	for (i = 0; i < m->ncpus && i < CPU_SETSIZE && n < 2; i++)
		if (m->v[i].online && CPU_ISSET(i, &old))
			cpu[n++] = i;
	if (!n)
		return sr_fail(err, SR_ENVIRONMENT, "none of this machine's CPUs may be used");
	sr_wake_cost_measure(&wake, &old, "schedrec-cost");
	sw = switch_cost(cpu[0]);
	if (sw) {
		set(p, known, SIM_SWITCH_VOLUNTARY, sw);
		set(p, known, SIM_SWITCH_INVOLUNTARY, sw);
	}
	if (sw && wake.local_ns > 0) {
		set(p, known, SIM_WAKE_LOCAL, wake.local_ns > (double)sw ? (uint64_t)wake.local_ns - sw : 0);
		if (n > 1)
			set(p, known, SIM_WAKE_REMOTE, wake.remote_ns > (double)sw ? (uint64_t)wake.remote_ns - sw : 0);
	}
	set(p, known, SIM_IDLE_SWITCH, timer_latency(cpu[0]) / 2); /* the other half comes before the wake-up */
	set(p, known, SIM_PREEMPT_TIMER, busy_timer_latency(cpu[0]) / 2);
	set(p, known, SIM_PREEMPT_WAKE, own_latency(cpu[0]));
	set(p, known, SIM_TICK_COST, tick_cost(cpu[0], p->v[SIM_TICK]));
	if (n > 1) {
		set(p, known, SIM_IDLE_EXIT,
		    remote_latency(cpu[0], cpu[1], false, SIM_IDLE_LIGHT_NS / 2, TRIES, &spread));
		set(p, known, SIM_IDLE_EXIT_DEEP,
		    remote_latency(cpu[0], cpu[1], false, SIM_IDLE_DEEP_NS * 3 / 2, TRIES / 4, NULL));
		set(p, known, SIM_IDLE_EXIT_SPREAD, spread);
		set(p, known, SIM_IPI, remote_latency(cpu[0], cpu[1], true, SIM_IDLE_LIGHT_NS / 2, TRIES, &spread));
		set(p, known, SIM_WAY_SPREAD, spread);
		set(p, known, SIM_MIGRATE_SMT + sr_machine_level(m, cpu[0], cpu[1]) - SR_LEVEL_SMT,
		    migration_cost(cpu[0], cpu[1]));
		scans = sr_machine_level(m, cpu[0], cpu[1]) <= SR_LEVEL_LLC ? scans_for_idle(cpu) : -1;
		if (scans >= 0)
			set(p, known, SIM_IDLE_SCAN, scans ? sim_param_rows()[SIM_IDLE_SCAN].deflt : 0);
	}
	sched_setaffinity(0, sizeof(old), &old);
	return 0;
}
