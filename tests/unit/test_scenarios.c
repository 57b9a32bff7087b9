/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the policies make of a load on simulated machines: the tables. What holds on each preset is in
 * test_preset_scenarios.c. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/scenario.h"
#include "tests/unit/sim_scenario.h"

static struct sim_params params;

static struct sim_config config(void)
{
	sim_params_default(&params);
	return (struct sim_config){ .time_scale_ppm = 1000000, .seed = 1, .params = &params };
}

/* ---- tables: how the tasks lie after a time ---- */

/* Works for so long, sleeps for so long, and so on; each task has its phase. */
static void add_sleeper(struct sr_model *m, const struct scenario *s)
{
	uint32_t i = (uint32_t)m->ntasks;
	unsigned period = s->run_ms + s->sleep_ms, phase = i * 3 % period;

	add_task(m, NONE);
	if (phase < s->run_ms)
		add_op(m, i, SR_OP_RUN, 0, (s->run_ms - phase) * MS);
	add_sleep(m, i, (phase < s->run_ms ? s->sleep_ms : period - phase) * MS, SR_SLEEP_RELATIVE);
	for (unsigned k = 0; k < s->ms / period + 1; k++) {
		add_op(m, i, SR_OP_RUN, 0, s->run_ms * MS);
		add_sleep(m, i, s->sleep_ms * MS, SR_SLEEP_RELATIVE);
	}
	add_op(m, i, SR_OP_END, 0, 0)->flags = 1;
}

static void simulate(const struct scenario *s, const struct sr_machine *mach, const char *policy,
		     struct scenario_result *r)
{
	static struct course c;
	struct sim_config cfg = config();
	struct sr_model m = { 0 };
	const struct sr_event *ev;
	int cpu[256];

	for (unsigned i = 0; i < 4 && s->start[i].tasks; i++)
		for (unsigned k = 0; k < s->start[i].tasks; k++) {
			cpu[m.ntasks] = (int)s->start[i].cpu;
			if (s->sleep_ms)
				add_sleeper(&m, s);
			else
				add_hog(&m, s->ms * MS, 0);
		}
	log_run(&m, mach, policy, cpu, m.ntasks, s->ms, &cfg);
	memset(&c, 0, sizeof(c));
	*r = (struct scenario_result){ .settled_ms = UINT_MAX };
	/* What is so at the end of a ms counts. */
	for (unsigned ms = 0, last = 0; r->settled_ms == UINT_MAX; ms = last) {
		ev = log_next();
		last = ev ? (unsigned)((ev->time_ns - SIM_START_NS) / MS) : UINT_MAX;
		memcpy(r->tasks, c.tasks, sizeof(r->tasks));
		if (last != ms && scenario_settled(s, r))
			r->settled_ms = ms + 1;
		if (!ev)
			break;
		course_see(&c, mach, ev);
	}
	while ((ev = log_next()))
		course_see(&c, mach, ev);
	memcpy(r->tasks, c.tasks, sizeof(r->tasks));
	r->moves = c.moves_total;
	r->node_moves = c.moves[SR_LEVEL_NODE];
	free_model(&m);
}

/* NULL: it is as it should be. */
static const char *fault_of(const struct scenario *s, const char *policy)
{
	static char text[400];
	static struct scenario_result r;
	struct sr_machine *mach = machine_of(s->machine);
	const char *fault;

	simulate(s, mach, policy, &r);
	fault = scenario_fault(s, &r, text, sizeof(text));
	sr_machine_free(mach);
	return fault;
}

static void expect(const struct scenario *s, const char *policy)
{
	const char *fault = fault_of(s, policy);

	if (fault)
		fail_msg("%s, %s: %s", s->name, policy, fault);
}

static const char *const domains[] = { "domain", "domain:preset=2.6.7", "domain:preset=2.6.10", "domain:preset=2.6.12",
				       "domain:levels=full" };
#define NDOMAINS (sizeof(domains) / sizeof(domains[0]))

static void scenarios_hold_for_every_version_of_domain(void **state)
{
	for (size_t i = 0; i < NSCENARIOS; i++)
		for (size_t k = 0; k < NDOMAINS; k++)
			expect(&scenarios[i], domains[k]);
}

/* The tables are worth something only if they fail. */
static void scenarios_fail_where_nothing_is_balanced(void **state)
{
	for (size_t i = 0; i < NSCENARIOS; i++)
		if (!fault_of(&scenarios[i], "bld"))
			fail_msg("%s: under bld too", scenarios[i].name);
}

/* Who has landed stays there: nobody is woken, and nothing else moves a task. */
static const struct scenario unmoved[] = {
	{ .name = "two hogs of one core, two packages",
	  .machine = "smt-2x2",
	  .start = { { 0, 1 }, { 1, 1 } },
	  .ms = 1000,
	  .want = { { 0, 0, 1, 1 }, { 1, 1, 1, 1 } } },
	{ .name = "two hogs of one CPU, two packages",
	  .machine = "smt-2x2",
	  .start = { { 0, 2 } },
	  .ms = 1000,
	  .want = { { 0, 0, 2, 2 } } },
	{ .name = "eight hogs of one CPU, two nodes",
	  .machine = "numa-2x8x2",
	  .start = { { 3, 8 } },
	  .ms = 1000,
	  .want = { { 3, 3, 8, 8 } } },
};

static void what_has_landed_together_stays_so_under_bld(void **state)
{
	static const char *const policies[] = { "bld", "bld-2012", "bld-fixed" };

	for (size_t i = 0; i < sizeof(unmoved) / sizeof(unmoved[0]); i++) {
		for (size_t k = 0; k < 3; k++)
			expect(&unmoved[i], policies[k]);
		assert_non_null(fault_of(&unmoved[i], "domain"));
	}
}

/* ---- what it is worth ---- */

/* So many hogs of equal work, the i-th on cpu[i]. */
static uint64_t makespan(const char *machine, const char *policy, const int *cpu, size_t n, uint64_t work_ns)
{
	struct sr_machine *mach = machine_of(machine);
	struct sim_config cfg = config();
	struct sr_model m = { 0 };

	for (size_t i = 0; i < n; i++)
		add_hog(&m, work_ns, 0);
	log_run(&m, mach, policy, cpu, n, 0, &cfg);
	free_model(&m);
	sr_machine_free(mach);
	return sim_seen.stats.end_ns - SIM_START_NS;
}

/* Each thread of a core runs at 625 of 1000 beside another: three tasks at once do 625 + 625 + 1000. */
static void three_tasks_use_all_power_of_two_packages(void **state)
{
	static const int spread[] = { 0, 1, 2 }, crowded[] = { 0, 0, 1 };
	const uint64_t work = 400 * MS;
	const struct sr_event *ev;
	unsigned moved = 0;

	for (size_t k = 0; k < NDOMAINS; k++) {
		/* The one that is alone on its package stays alone: it ends as if nobody else were there. */
		uint64_t best = makespan("smt-2x2", domains[k], spread, 3, work), late;

		for (moved = 0; (ev = log_next()) && ev->kind != SR_EV_EXIT;)
			moved += ev->kind == SR_EV_MIGRATE;
		assert_int_equal(moved, 0);
		assert_int_equal(ev->u.exit.tid, 103);
		assert_in_range(sim_seen.end_ns[2] - SIM_START_NS, work, work * 101 / 100);
		/* Then one of the others comes over: 625 of 1000 are done, and the rest goes at full speed. */
		assert_in_range(best, work * 1375 / 1000, work * 1400 / 1000);
		/* From all on one package it comes to the same, a little later. */
		late = makespan("smt-2x2", domains[k], crowded, 3, work);
		assert_in_range(late, best, best * 112 / 100);
	}
	/* Without balancing the other package idles all the time: 1.6 of it both threads do 625 each, then one does 1000. */
	assert_in_range(makespan("smt-2x2", "bld", crowded, 3, work), work * 260 / 100, work * 261 / 100);
}

/* ---- forks and execs ---- */

/* A decision of this cause, from here on; to which cpu. */
static int next_decision(enum sr_cause cause)
{
	const struct sr_event *ev;

	while ((ev = log_next()))
		if (ev->kind == SR_EV_DECISION && ev->u.decision.cause == cause)
			return ev->u.decision.to;
	return -1;
}

/* The first task of the CPU does it, at once: in real time, so that it runs before the others that are there. */
static void new_tasks_and_programs_go_where_they_should(void **state)
{
	for (size_t i = 0; i < NPLACEMENTS; i++)
		for (size_t k = 0; k < NDOMAINS; k++) {
			const struct placement *p = &placements[i];
			struct sr_machine *mach = machine_of(p->machine);
			struct sim_config cfg = config();
			struct sr_model m = { 0 };
			uint32_t actor = NONE;
			int cpu[64], want = (int)p->want, got;

			for (unsigned r = 0; r < 8 && p->running[r].tasks; r++)
				for (unsigned n = 0; n < p->running[r].tasks; n++) {
					actor = actor == NONE && p->running[r].cpu == p->from ? (uint32_t)m.ntasks :
												actor;
					cpu[m.ntasks] = (int)p->running[r].cpu;
					add_hog(&m, 20 * MS, 0);
				}
			m.tasks[actor].nops = 0;
			m.tasks[actor].policy = SR_SCHED_FIFO;
			m.tasks[actor].rt_prio = 1;
			if (p->what == AN_EXEC) {
				add_op(&m, actor, SR_OP_EXEC, 0, 0);
			} else {
				add_op(&m, actor, SR_OP_FORK, (uint32_t)m.ntasks, 0)->flags =
					p->what == A_THREAD ? SR_FORK_VM | SR_FORK_THREAD : 0;
				add_hog(&m, 20 * MS, 0);
				m.tasks[m.ntasks - 1].parent = actor;
			}
			add_op(&m, actor, SR_OP_RUN, 0, 20 * MS);
			add_op(&m, actor, SR_OP_END, 0, 0)->flags = 1;
			log_run(&m, mach, domains[k], cpu, m.ntasks, 0, &cfg);
			/* 2.6.10 and 2.6.12 place no new thread. */
			if (p->what == A_THREAD && (k == 2 || k == 3))
				want = (int)p->from;
			got = next_decision(p->what == AN_EXEC ? SR_CAUSE_EXEC : SR_CAUSE_FORK);
			if (got != want)
				fail_msg("%s, %s: CPU %d", p->name, domains[k], got);
			free_model(&m);
			sr_machine_free(mach);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scenarios_hold_for_every_version_of_domain),
		cmocka_unit_test(scenarios_fail_where_nothing_is_balanced),
		cmocka_unit_test(what_has_landed_together_stays_so_under_bld),
		cmocka_unit_test(three_tasks_use_all_power_of_two_packages),
		cmocka_unit_test(new_tasks_and_programs_go_where_they_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
