/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the engine adds to a wake: the same ping-pong of two threads as bare futexes and as a workload model that the
 * engine runs; with nothing and with 5 us between the wakes; with the recorded order kept (as where the waker had waited
 * for a CPU, and as where it had been preempted) and not; both threads on one CPU (also as SCHED_BATCH, where the woken
 * one does not preempt its waker, so that each sleeps in time) and on two. Each round runs all arms, in turned order from
 * one to the next; medians, and the median of what an engine's arm had above the bare one of its round. A wake whose
 * target did not sleep costs less: the sleeps are counted. A table, and a line of JSON.
 *
 *	engine_bench [ROUNDS [WAKES]]    default 9 and 10,000
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/engine_model.h"

#define MAX_ROUNDS 101
#define BURST_NS 5000u

enum kind { BARE, KEEP, KEEP_PREEMPTED, FREE, KINDS };

struct arm {
	unsigned cpus; /* 1 or 2 */
	bool batch;
	uint64_t burst_ns;
	enum kind kind;
	struct sr_model model;
	struct sr_cpumask mask[2];                                          /* of its two tasks */
	double wall_ns[MAX_ROUNDS], cpu_ns[MAX_ROUNDS], sleeps[MAX_ROUNDS]; /* of one wake */
};

static const char *const kind_name[KINDS] = { "bare futex", "engine, keep", "engine, preempted", "engine, free" };
static int cpu_of[2];
static struct sr_machine *machine;

struct used {
	uint64_t wall_ns, cpu_ns, sleeps;
};

static uint64_t now_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "engine_bench: %s\n", what);
	exit(3);
}

/* Of the whole process, threads that have ended included. */
static struct used used(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (struct used){ .wall_ns = now_ns(CLOCK_MONOTONIC),
			      .cpu_ns = now_ns(CLOCK_PROCESS_CPUTIME_ID),
			      .sleeps = (uint64_t)u.ru_nvcsw };
}

static struct used since(struct used before)
{
	struct used now = used();

	return (struct used){ now.wall_ns - before.wall_ns, now.cpu_ns - before.cpu_ns, now.sleeps - before.sleeps };
}

static void burn(uint64_t ns)
{
	uint64_t end = ns ? now_ns(CLOCK_MONOTONIC) + ns : 0;

	while (ns && now_ns(CLOCK_MONOTONIC) < end)
		;
}

/* ---- the bare one ---- */

struct bare {
	_Atomic uint32_t word[2]; /* each one's, 1: woken */
	uint32_t wakes;
	uint64_t burst_ns;
	int cpu[2], policy;
	pthread_barrier_t start;
};

static void take_turns(struct bare *b, int me)
{
	struct sched_param param = { 0 };
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(b->cpu[me], &one);
	if (sched_setaffinity(0, sizeof(one), &one) || sched_setscheduler(0, b->policy, &param))
		die("cannot pin a thread");
	pthread_barrier_wait(&b->start);
	for (uint32_t i = 0; i < b->wakes; i++) {
		while (!atomic_load(&b->word[me]))
			syscall(SYS_futex, &b->word[me], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
		atomic_store(&b->word[me], 0);
		burn(b->burst_ns);
		atomic_store(&b->word[!me], 1);
		syscall(SYS_futex, &b->word[!me], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
}

static void *second(void *arg)
{
	take_turns(arg, 1);
	return NULL;
}

static void *first(void *arg)
{
	take_turns(arg, 0);
	return NULL;
}

static struct used run_bare(const struct arm *a, uint32_t wakes)
{
	struct used result;
	struct bare b = { .word = { 1, 0 },
			  .wakes = wakes,
			  .burst_ns = a->burst_ns,
			  .policy = a->batch ? SCHED_BATCH : SCHED_OTHER,
			  .cpu = { cpu_of[0], cpu_of[a->cpus - 1] } };
	pthread_t id[2];

	pthread_barrier_init(&b.start, NULL, 3);
	if (pthread_create(&id[0], NULL, first, &b) || pthread_create(&id[1], NULL, second, &b))
		die("cannot create a thread");
	pthread_barrier_wait(&b.start);
	result = used();
	pthread_join(id[0], NULL);
	pthread_join(id[1], NULL);
	result = since(result);
	pthread_barrier_destroy(&b.start);
	return result;
}

/* ---- the model ---- */

/* Each waits for the other `wakes` times; the first one's first wait is a short sleep. */
static void make_model(struct arm *a, uint32_t wakes)
{
	struct sr_model *m = &a->model;

	m->cpus = machine->ncpus;
	for (uint32_t me = 0; me < 2; me++) {
		struct sr_program *p = add_task(m, NONE);

		sr_cpumask_set(&a->mask[me], (unsigned)cpu_of[me && a->cpus == 2]);
		p->allowed = &a->mask[me];
		p->policy = a->batch ? SCHED_BATCH : SCHED_OTHER;
	}
	for (uint32_t me = 0; me < 2; me++) {
		for (uint32_t i = 0; i < wakes; i++) {
			/* The second one's wait i is ended by the first one's wake i, the first one's i + 1 by the second's i. */
			uint32_t wait = me ? i + 1 : i;
			bool begins = !me && !i;

			add_wait(m, me, begins ? SR_OP_SLEEP : SR_OP_WAIT, begins ? NONE : !me, begins ? 1000 : 0);
			if (a->burst_ns)
				add_op(m, me, SR_OP_RUN, 0, a->burst_ns);
			if (wait < wakes)
				add_op(m, me, SR_OP_WAKE, !me, wait)->flags = a->kind == KEEP_PREEMPTED ?
										      SR_ORDER_PREEMPTED :
										      SR_ORDER_QUEUED;
		}
		add_op(m, me, SR_OP_END, 0, 0)->flags = 1;
	}
}

static struct used run_engine(const struct arm *a)
{
	struct rpl_config cfg = { .time_scale = 1,
				  .policy = &rpl_policy_kernel,
				  .machine = machine,
				  .keep_affinity = true,
				  .order = a->kind == FREE ? RPL_ORDER_OFF : RPL_ORDER_WAIT };
	struct sr_error err;
	struct rpl_run *run = rpl_prepare(&a->model, &cfg, &err);
	struct used result = used();
	uint64_t start, end;

	if (!run || rpl_execute(run, &err) < 0)
		die(err.text);
	result = since(result);
	rpl_span(run, &start, &end);
	result.wall_ns = end - start;
	rpl_free(run);
	return result;
}

/* ---- the rounds ---- */

static void measure(struct arm *a, uint32_t wakes, unsigned round)
{
	struct used u = a->kind == BARE ? run_bare(a, wakes) : run_engine(a);

	a->wall_ns[round] = (double)u.wall_ns / (2.0 * wakes);
	a->cpu_ns[round] = (double)u.cpu_ns / (2.0 * wakes);
	a->sleeps[round] = (double)u.sleeps / (2.0 * wakes);
}

static int by_value(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

/* The median of a[i] - b[i]; b NULL: of a alone. */
static double median(const double *a, const double *b, unsigned n)
{
	double v[MAX_ROUNDS] = { 0 };

	for (unsigned i = 0; i < n; i++)
		v[i] = a[i] - (b ? b[i] : 0);
	qsort(v, n, sizeof(*v), by_value);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void report(const struct arm *arm, unsigned narms, unsigned rounds, uint32_t wakes)
{
	printf("%-7s %7s  %-18s %12s %11s %8s %15s %14s\n", "CPUs", "burst", "", "ns a wake", "CPU ns", "sleeps",
	       "above bare, ns", "above, CPU ns");
	for (unsigned i = 0; i < narms; i++) {
		const struct arm *a = &arm[i], *bare = a - a->kind;

		printf("%u %-5s %4llu us  %-18s %12.0f %11.0f %8.2f", a->cpus, a->batch ? "batch" : "",
		       (unsigned long long)a->burst_ns / 1000, kind_name[a->kind], median(a->wall_ns, NULL, rounds),
		       median(a->cpu_ns, NULL, rounds), median(a->sleeps, NULL, rounds));
		if (a->kind != BARE)
			printf(" %15.0f %14.0f", median(a->wall_ns, bare->wall_ns, rounds),
			       median(a->cpu_ns, bare->cpu_ns, rounds));
		putchar('\n');
	}
	printf("{\"rounds\":%u,\"wakes\":%u,\"arms\":[", rounds, wakes);
	for (unsigned i = 0; i < narms; i++) {
		const struct arm *a = &arm[i];

		printf("%s{\"cpus\":%u,\"batch\":%s,\"burst_ns\":%llu,\"arm\":\"%s\"", i ? "," : "", a->cpus,
		       a->batch ? "true" : "false", (unsigned long long)a->burst_ns, kind_name[a->kind]);
		printf(",\"wake_ns\":%.0f,\"wake_cpu_ns\":%.0f,\"sleeps\":%.3f}", median(a->wall_ns, NULL, rounds),
		       median(a->cpu_ns, NULL, rounds), median(a->sleeps, NULL, rounds));
	}
	printf("]}\n");
}

static void find_cpus(void)
{
	cpu_set_t set;
	int n = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		die("cannot read this process's CPUs");
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &set))
			cpu_of[n++] = i;
	if (n < 2)
		cpu_of[1] = -1;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 9;
	uint32_t wakes = (uint32_t)(argc > 2 ? strtoul(argv[2], NULL, 10) : 10000);
	static struct arm arm[3 * 2 * KINDS];
	struct sr_error err;
	unsigned narms = 0;

	if (argc > 3 || rounds < 1 || rounds > MAX_ROUNDS || wakes < 2 || wakes > 1000000) {
		fprintf(stderr, "usage: engine_bench [ROUNDS [WAKES]]    at most %d and 1000000\n", MAX_ROUNDS);
		return 2;
	}
	machine = sr_machine_load("this", &err);
	if (!machine)
		die(err.text);
	find_cpus();
	for (unsigned where = 0; where < (cpu_of[1] < 0 ? 2 : 3); where++)
		for (uint64_t burst = 0; burst <= BURST_NS; burst += BURST_NS)
			for (int k = 0; k < KINDS; k++) {
				arm[narms] = (struct arm){ .cpus = where < 2 ? 1 : 2,
							   .batch = where == 1,
							   .burst_ns = burst,
							   .kind = (enum kind)k };
				if (k != BARE)
					make_model(&arm[narms], wakes);
				narms++;
			}
	for (unsigned r = 0; r < rounds; r++)
		for (unsigned i = 0; i < narms; i++)
			measure(&arm[r % 2 ? narms - 1 - i : i], wakes, r);
	report(arm, narms, rounds, wakes);
	for (unsigned i = 0; i < narms; i++)
		if (arm[i].kind != BARE)
			free_model(&arm[i].model);
	sr_machine_free(machine);
	return 0;
}
