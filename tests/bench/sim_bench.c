/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast the simulator is, on one CPU, without a file: internal events a second (what its clock is set forward for) and
 * scheduling events a second (those that a file would get), medians of 5 rounds, under the kernel's model and a policy.
 *
 *	sim_bench [POLICY...]    default kernel bld
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "replay/sim.h"
#include "tests/unit/engine_model.h"

#define ROUNDS 5

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void add_rest(struct sr_model *m, uint32_t task, uint32_t waker, uint32_t needs)
{
	struct sr_program *p = &m->tasks[task];

	if (p->nwaits == p->waits_cap) {
		p->waits_cap = p->waits_cap ? p->waits_cap * 2 : 16;
		p->waits = realloc(p->waits, p->waits_cap * sizeof(*p->waits));
	}
	p->waits[p->nwaits++] = (struct sr_wait){ .needs = needs, .watch_task = NONE, .waker = waker };
}

/* Pairs that wake each other, work in between, and now and then sleep by the clock. */
static void build(struct sr_model *m, unsigned pairs, unsigned rounds)
{
	unsigned i, k, side;

	for (i = 0; i < 2 * pairs; i++)
		add_task(m, NONE);
	for (i = 0; i < 2 * pairs; i += 2)
		for (k = 0; k < rounds; k++)
			for (side = 0; side < 2; side++) {
				uint32_t a = i + side, b = i + !side;

				add_op(m, a, SR_OP_RUN, 0, 2000 + (i * 7919 + k * 104729) % 40000);
				add_op(m, a, SR_OP_WAKE, b, m->tasks[b].nwaits);
				add_op(m, b, SR_OP_WAIT, (uint32_t)m->tasks[b].nwaits, 0);
				add_rest(m, b, a, 1);
				if (k % 16 == side) {
					add_op(m, a, SR_OP_SLEEP, (uint32_t)m->tasks[a].nwaits, 100000)->flags =
						SR_SLEEP_RELATIVE;
					add_rest(m, a, NONE, 0);
				}
			}
	for (i = 0; i < 2 * pairs; i++)
		add_op(m, i, SR_OP_END, 0, 0)->flags = 1;
}

static int cmp(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int measure(const struct sr_model *m, const char *machine, const char *policy)
{
	struct sim_params params;
	struct sim_config cfg = { .time_scale_ppm = 1000000, .seed = 1, .params = &params };
	struct sr_error err = { 0 };
	struct sr_machine *mach = sr_machine_load(machine, &err);
	double steps[ROUNDS], events[ROUNDS];
	struct rusage used;
	unsigned i;

	sim_params_default(&params);
	cfg.machine = mach;
	cfg.policy = rpl_policy_find(policy, &cfg.policy_options, &err);
	for (i = 0; i < ROUNDS && mach && cfg.policy; i++) {
		struct sim *s = sim_prepare(m, &cfg, &err);
		uint64_t from = clock_ns(), ns;

		if (!s || sim_execute(s, &err) < 0)
			break;
		ns = clock_ns() - from;
		steps[i] = (double)sim_get_stats(s)->steps * 1e3 / (double)ns;
		events[i] = (double)sim_get_stats(s)->events * 1e3 / (double)ns;
		sim_free(s);
	}
	sr_machine_free(mach);
	if (i < ROUNDS) {
		fprintf(stderr, "sim_bench: %s\n", err.text);
		return -1;
	}
	qsort(steps, ROUNDS, sizeof(*steps), cmp);
	qsort(events, ROUNDS, sizeof(*events), cmp);
	getrusage(RUSAGE_SELF, &used);
	printf("%-20s %6zu tasks  %-10s %6.2f M internal/s  %6.2f M written/s  peak %ld MB\n", machine, m->ntasks,
	       policy, steps[ROUNDS / 2], events[ROUNDS / 2], used.ru_maxrss / 1024);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *machine;
		unsigned pairs, rounds;
	} load[] = { { "core:2 pu:1", 8, 8000 },
		     { "node:2 l3:1 core:8 pu:2", 64, 1500 },
		     { "node:8 l3:8 core:8 pu:2", 2048, 60 } };
	static char *dflt[] = { "kernel", "bld" };
	char **policy = argc > 1 ? argv + 1 : dflt;
	int n = argc > 1 ? argc - 1 : 2, k;
	unsigned i;

	for (i = 0; i < sizeof(load) / sizeof(*load); i++) {
		struct sr_model m = { 0 };

		build(&m, load[i].pairs, load[i].rounds);
		for (k = 0; k < n; k++)
			if (measure(&m, load[i].machine, policy[k]) < 0)
				return 1;
		free_model(&m);
	}
	return 0;
}
