/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a balancing policy is to make of a load, for any engine: a machine, tasks that never end, and how they are to
 * lie after a time. An engine runs a scenario and fills in a result; scenario_fault says what is wrong with it.
 */
#ifndef SCHEDREC_TESTS_SCENARIO_H
#define SCHEDREC_TESTS_SCENARIO_H

#include <stdint.h>
#include <stdio.h>

#include "formats/event.h"

struct scenario {
	const char *name, *machine;
	struct {
		unsigned cpu, tasks; /* on whose queue they are at the beginning; tasks 0: the end */
	} start[4];
	unsigned run_ms, sleep_ms; /* each runs so long, then sleeps so long, with a different phase; 0: never sleeps */
	unsigned ms;               /* how long it lasts */
	struct {
		unsigned first, last; /* CPUs */
		unsigned least, most; /* tasks that are to lie on them together at the end; most 0: the end */
	} want[4];
	unsigned settled_ms;                /* and within so long; 0: whenever */
	unsigned max_moves, max_node_moves; /* migrations, those to another node; UINT_MAX: any */
};

struct scenario_result {
	unsigned tasks[SR_MAX_CPUS]; /* by cpu, at the end */
	unsigned settled_ms;         /* when they first lay as wanted; UINT_MAX: never */
	unsigned moves, node_moves;
};

static const struct scenario scenarios[] = {
	{ .name = "two hogs of one hyper-threading package end on two",
	  .machine = "smt-2x2",
	  .start = { { 0, 1 }, { 1, 1 } },
	  .ms = 1000,
	  .want = { { 0, 1, 1, 1 }, { 2, 3, 1, 1 } },
	  .settled_ms = 100,
	  .max_moves = 2,
	  .max_node_moves = UINT32_MAX },
	{ .name = "two hogs on one CPU of two packages end on two packages",
	  .machine = "smt-2x2",
	  .start = { { 0, 2 } },
	  .ms = 1000,
	  .want = { { 0, 1, 1, 1 }, { 2, 3, 1, 1 } },
	  .settled_ms = 300,
	  .max_moves = 4,
	  .max_node_moves = UINT32_MAX },
	/* 268 of 280 used, which is all that three tasks can use. */
	{ .name = "three tasks on two packages use both, and no CPU has two",
	  .machine = "smt-2x2",
	  .start = { { 0, 3 } },
	  .ms = 2000,
	  .want = { { 0, 1, 1, 2 }, { 2, 3, 1, 2 }, { 0, 3, 3, 3 } },
	  .settled_ms = 300,
	  .max_moves = 20,
	  .max_node_moves = UINT32_MAX },
	{ .name = "a core's tasks spread over the cores before siblings are used",
	  .machine = "smt-8x2",
	  .start = { { 0, 4 }, { 1, 4 } },
	  .ms = 3000,
	  .want = { { 0, 3, 2, 2 }, { 4, 7, 2, 2 }, { 8, 11, 2, 2 }, { 12, 15, 2, 2 } },
	  .settled_ms = 2000,
	  .max_moves = 60,
	  .max_node_moves = UINT32_MAX },
	{ .name = "a full node gives the other one half",
	  .machine = "numa-2x8x2",
	  .start = { { 0, 16 }, { 5, 16 } },
	  .ms = 3000,
	  .want = { { 0, 15, 15, 17 }, { 16, 31, 15, 17 } },
	  .settled_ms = 1500,
	  .max_moves = 80,
	  .max_node_moves = 24 },
	/* Some 18,000 wake-ups, after which no CPU is ever idle for long. */
	{ .name = "nodes that are balanced exchange few tasks",
	  .machine = "numa-4x4",
	  .start = { { 0, 15 }, { 4, 15 }, { 8, 15 }, { 12, 15 } },
	  .run_ms = 7,
	  .sleep_ms = 3,
	  .ms = 3000,
	  .want = { { 0, 15, 20, 60 } },
	  .max_moves = UINT32_MAX,
	  .max_node_moves = 20 },
	{ .name = "the big cores get more",
	  .machine = "biglittle-4+4",
	  .start = { { 0, 16 } },
	  .ms = 3000,
	  .want = { { 0, 3, 3, 7 }, { 4, 7, 9, 13 } },
	  .settled_ms = 2000,
	  .max_moves = 120,
	  .max_node_moves = UINT32_MAX },
};

/* Where a new or executing task goes, of these running ones. */
struct placement {
	const char *name, *machine;
	struct {
		unsigned cpu, tasks;
	} running[8];
	unsigned from; /* the CPU of who forks or executes; for an exec it is one of those that run there */
	enum { A_PROCESS, A_THREAD, AN_EXEC } what;
	unsigned want;
};

static const struct placement placements[] = {
	{ "a process's child stays", "smt-2x2", { { 0, 3 } }, 0, A_PROCESS, 0 },
	{ "a thread goes to the idlest", "smt-2x2", { { 0, 1 }, { 2, 1 } }, 0, A_THREAD, 1 },
	{ "a thread goes to another node", "numa-4x4", { { 0, 1 }, { 1, 1 }, { 2, 1 }, { 3, 1 } }, 0, A_THREAD, 4 },
	{ "a thread stays where nothing is idler", "core-4", { { 0, 1 }, { 1, 3 }, { 2, 3 }, { 3, 3 } }, 0, A_THREAD, 0 },
	{ "an exec goes to the idlest", "numa-2x8x2", { { 0, 2 }, { 1, 1 }, { 3, 1 } }, 0, AN_EXEC, 2 },
	{ "an exec that is alone stays", "numa-2x8x2", { { 5, 1 } }, 5, AN_EXEC, 5 },
};

#define NPLACEMENTS (sizeof(placements) / sizeof(placements[0]))
#define NSCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

static inline int scenario_settled(const struct scenario *s, const struct scenario_result *r)
{
	for (unsigned i = 0; i < 4 && s->want[i].most; i++) {
		unsigned n = 0;

		for (unsigned cpu = s->want[i].first; cpu <= s->want[i].last; cpu++)
			n += r->tasks[cpu];
		if (n < s->want[i].least || n > s->want[i].most)
			return 0;
	}
	return 1;
}

/* NULL: all is as it should be. */
static inline const char *scenario_fault(const struct scenario *s, const struct scenario_result *r, char *buf,
					 size_t len)
{
	if (!scenario_settled(s, r)) {
		size_t n = (size_t)snprintf(buf, len, "they lie on");

		for (unsigned cpu = 0; cpu < SR_MAX_CPUS && n < len; cpu++)
			if (r->tasks[cpu])
				n += (size_t)snprintf(buf + n, len - n, " %u:%u", cpu, r->tasks[cpu]);
		return buf;
	}
	if (s->settled_ms && r->settled_ms > s->settled_ms)
		snprintf(buf, len, "settled after %u ms only", r->settled_ms);
	else if (r->moves > s->max_moves)
		snprintf(buf, len, "%u migrations", r->moves);
	else if (r->node_moves > s->max_node_moves)
		snprintf(buf, len, "%u migrations between nodes", r->node_moves);
	else
		return NULL;
	return buf;
}

#endif
