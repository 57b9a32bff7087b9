/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy `domain` on the scenarios that it was made for, and a few that an engine does not matter for. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_engine.h"
#include "tests/unit/scenario.h"

#define MS 1000000u
#define SLICE_MS 5 /* then the next in the queue runs */

static void lie(const struct fake *f, struct scenario_result *r)
{
	for (unsigned cpu = 0; cpu < f->m->ncpus; cpu++)
		r->tasks[cpu] = f->cpu[cpu].n;
}

static void rotate(struct fake *f, unsigned cpu)
{
	struct fake_cpu *c = &f->cpu[cpu];
	int first = c->v[0];

	if (c->n < 2)
		return;
	memmove(&c->v[0], &c->v[1], (c->n - 1) * sizeof(c->v[0]));
	c->v[c->n - 1] = first;
	f->task[first].last_ran_ns = f->now_ns;
}

/* Each task has its phase; it is asleep in the last part of its period, and woken by a timer. */
static bool asleep(const struct scenario *s, int t, unsigned ms)
{
	return s->sleep_ms && (ms + (unsigned)t * 3) % (s->run_ms + s->sleep_ms) >= s->run_ms;
}

static void sleep_and_wake(struct fake *f, const struct scenario *s, unsigned ms)
{
	for (int t = 0; t < f->ntasks; t++) {
		bool was = ms && asleep(s, t, ms - 1), is = asleep(s, t, ms);
		unsigned cpu = (unsigned)f->task[t].cpu;

		if (is && !was) {
			fake_stop(f, t);
			if (!f->cpu[cpu].n && f->p->newidle)
				f->p->newidle(&f->e, f->state, cpu);
		} else if (was && !is) {
			fake_start(f, t, (unsigned)fake_place(f, SR_CAUSE_WAKE, t, (int)cpu, (int)cpu));
		}
	}
}

static void run(const struct scenario *s, const char *policy, struct scenario_result *r)
{
	struct sr_error err = { 0 };
	struct fake f;
	unsigned was[FAKE_TASKS] = { 0 };

	*r = (struct scenario_result){ .settled_ms = UINT_MAX };
	if (fake_open(&f, s->machine, policy, &err))
		fail_msg("%s", err.text);
	for (unsigned i = 0; i < 4 && s->start[i].tasks; i++)
		for (unsigned k = 0; k < s->start[i].tasks; k++)
			was[fake_hog(&f, s->start[i].cpu)] = s->start[i].cpu;
	for (unsigned ms = 0; ms < s->ms; ms++) {
		sleep_and_wake(&f, s, ms);
		for (unsigned cpu = 0; ms % SLICE_MS == 0 && cpu < f.m->ncpus; cpu++)
			rotate(&f, cpu);
		fake_tick(&f);
		for (int t = 0; t < f.ntasks; t++) {
			unsigned cpu = (unsigned)f.task[t].cpu;

			r->moves += cpu != was[t];
			r->node_moves += f.m->v[cpu].node != f.m->v[was[t]].node;
			was[t] = cpu;
		}
		lie(&f, r);
		if (r->settled_ms == UINT_MAX && scenario_settled(s, r))
			r->settled_ms = ms + 1;
	}
	fake_close(&f);
}

static void scenarios_hold_for_every_version(void **state)
{
	static const char *const policies[] = { "domain", "domain:preset=2.6.7", "domain:preset=2.6.10",
						"domain:preset=2.6.12", "domain:levels=full" };

	for (size_t i = 0; i < NSCENARIOS; i++)
		for (size_t k = 0; k < sizeof(policies) / sizeof(policies[0]); k++) {
			static struct scenario_result r;
			char text[400];

			run(&scenarios[i], policies[k], &r);
			if (scenario_fault(&scenarios[i], &r, text, sizeof(text)))
				fail_msg("%s, %s: %s", scenarios[i].name, policies[k], text);
		}
}

/* The tables are worth something only if they fail. */
static void scenarios_fail_under_another_policy(void **state)
{
	unsigned failed = 0;

	for (size_t i = 0; i < NSCENARIOS; i++) {
		static struct scenario_result r;
		char text[400];

		run(&scenarios[i], "bld", &r); /* no ticks; a wake goes anywhere */
		failed += scenario_fault(&scenarios[i], &r, text, sizeof(text)) != NULL;
	}
	assert_int_equal(failed, NSCENARIOS);
}

static void new_tasks_and_programs_go_where_they_should(void **state)
{
	static const char *const policies[] = { "domain", "domain:preset=2.6.7", "domain:levels=full" };

	for (size_t i = 0; i < NPLACEMENTS; i++)
		for (size_t k = 0; k < sizeof(policies) / sizeof(policies[0]); k++) {
			const struct placement *p = &placements[i];
			struct sr_error err = { 0 };
			unsigned cpu;
			struct fake f;

			assert_int_equal(fake_open(&f, p->machine, policies[k], &err), 0);
			for (unsigned r = 0; r < 8 && p->running[r].tasks; r++)
				for (unsigned n = 0; n < p->running[r].tasks; n++)
					fake_hog(&f, p->running[r].cpu);
			if (p->what == AN_EXEC)
				cpu = (unsigned)fake_place(&f, SR_CAUSE_EXEC, f.cpu[p->from].v[0], (int)p->from,
							   (int)p->from);
			else
				cpu = (unsigned)fake_fork(&f, (int)p->from, p->what == A_THREAD);
			if (cpu != p->want)
				fail_msg("%s, %s: CPU %u", p->name, policies[k], cpu);
			fake_close(&f);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scenarios_hold_for_every_version),
		cmocka_unit_test(scenarios_fail_under_another_policy),
		cmocka_unit_test(new_tasks_and_programs_go_where_they_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
