/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "formats/wakecost.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WARM_UP = 5, ROUNDS = 8, PLAYS = 9 };
enum { MINE, THEIRS, OVER };

struct court {
	_Atomic uint32_t ball;
	const char *comm;
	int here, there;
	double ns; /* the result: a wake */
	bool played;
};

static void pin(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void pass(struct court *c, uint32_t to)
{
	atomic_store(&c->ball, to);
	syscall(SYS_futex, &c->ball, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void wait_while(struct court *c, uint32_t whose)
{
	while (atomic_load(&c->ball) == whose)
		syscall(SYS_futex, &c->ball, FUTEX_WAIT_PRIVATE, whose, NULL, NULL, 0);
}

static void *partner_main(void *arg)
{
	struct court *c = arg;

	prctl(PR_SET_NAME, c->comm);
	pin(c->there);
	for (;;) {
		wait_while(c, MINE);
		if (atomic_load(&c->ball) == OVER)
			return NULL;
		pass(c, MINE);
	}
}

static void play(struct court *c, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		pass(c, THEIRS);
		wait_while(c, THEIRS);
	}
}

static double cpu_ns(clockid_t id)
{
	struct timespec t = { 0 };

	clock_gettime(id, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void *player_main(void *arg)
{
	struct court *c = arg;
	double ns[PLAYS];
	pthread_t partner;
	clockid_t theirs;

	prctl(PR_SET_NAME, c->comm);
	pin(c->here);
	if (pthread_create(&partner, NULL, partner_main, c))
		return NULL;
	if (pthread_getcpuclockid(partner, &theirs) == 0) {
		play(c, WARM_UP);
		for (int i = 0; i < PLAYS; i++) {
			double from = cpu_ns(CLOCK_THREAD_CPUTIME_ID) + cpu_ns(theirs);

			play(c, ROUNDS);
			ns[i] = (cpu_ns(CLOCK_THREAD_CPUTIME_ID) + cpu_ns(theirs) - from) / (2 * ROUNDS);
		}
		qsort(ns, PLAYS, sizeof(*ns), by_value);
		c->ns = ns[PLAYS / 2];
		c->played = true;
	}
	pass(c, OVER);
	pthread_join(partner, NULL);
	return NULL;
}

static double measure(int here, int there, const char *comm)
{
	struct court c = { .here = here, .there = there, .comm = comm };
	pthread_t player;

	if (pthread_create(&player, NULL, player_main, &c))
		return 0;
	pthread_join(player, NULL);
	return c.played ? c.ns : 0;
}

void sr_wake_cost_measure(struct sr_wake_cost *cost, const cpu_set_t *cpus, const char *comm)
{
	int cpu[2], n = 0;

	for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, cpus))
			cpu[n++] = i;
	cost->local_ns = n ? measure(cpu[0], cpu[0], comm) : 0;
	cost->remote_ns = n == 2 ? measure(cpu[0], cpu[1], comm) : cost->local_ns;
	if (cost->remote_ns < cost->local_ns)
		cost->remote_ns = cost->local_ns;
}
