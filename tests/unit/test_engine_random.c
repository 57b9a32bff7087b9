/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A replay never hangs, whatever the recording says: random ones (tests/fuzz/model_code.h) of short bursts, with reused tids,
 * bursts of no length, sleeps that nobody ended, forks of forks and lost events, run to their end in every order, timing, unit
 * of work and under every policy, as threads and as processes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "replay/engine.h"
#include "tests/fuzz/model_code.h"
#include "tests/unit/this_machine.h"

#define EVENTS 500
#define MOST_NS 20000u
#define RUN_NS 10000000000u /* of a run of a few ms, on however busy a machine */

/* ---- random recordings ---- */

enum place { ABSENT, ASLEEP, READY, RUNS };

struct gen {
	uint64_t seed;
	uint8_t code[8192];
	size_t n;
	unsigned cpus, cur[CODE_CPUS];
	enum place place[CODE_TASKS];
	bool star; /* all but one task are woken by that one, and wake it */
};

static unsigned rnd(struct gen *g, unsigned n)
{
	g->seed = g->seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(g->seed >> 33) % n;
}

static void put(struct gen *g, unsigned byte)
{
	if (g->n < sizeof(g->code))
		g->code[g->n++] = (uint8_t)byte;
}

/* One of twenty is lost. */
static void event(struct gen *g, enum code_kind kind, unsigned cpu, unsigned task, unsigned operand)
{
	static const uint8_t time[] = { 0, 0, 0, 1, 1, 1, 1, 2 };
	unsigned t = time[rnd(g, 8)];

	if (!rnd(g, 20))
		return;
	put(g, kind | cpu << 4 | t << 6);
	put(g, task | operand << 4);
	if (t)
		put(g, rnd(g, 256));
}

/* Any task in this place, or 0. */
static unsigned any_in(struct gen *g, enum place place)
{
	unsigned start = rnd(g, CODE_TASKS), i;

	for (i = 0; i < CODE_TASKS; i++) {
		unsigned task = (start + i) % CODE_TASKS;

		if (task && g->place[task] == place)
			return task;
	}
	return 0;
}

static void switch_to(struct gen *g, unsigned cpu, unsigned task, enum place left)
{
	bool sleeps = left == ASLEEP;

	event(g, sleeps ? CODE_SWITCH : CODE_PREEMPT, cpu, task, sleeps ? SR_STATE_SLEEPING + !rnd(g, 8) : 0);
	g->place[g->cur[cpu]] = left;
	g->cur[cpu] = task;
	g->place[task] = RUNS;
}

static void idle_cpu(struct gen *g, unsigned cpu)
{
	unsigned task = any_in(g, rnd(g, 20) ? READY : ASLEEP); /* whom nobody woke */

	if (task) {
		switch_to(g, cpu, task, RUNS);
	} else if ((!rnd(g, 8) || !any_in(g, RUNS)) && (task = any_in(g, ASLEEP))) {
		event(g, CODE_WAKING, cpu, task, rnd(g, 4) ? SR_EV_HARDIRQ : SR_EV_SOFTIRQ);
		g->place[task] = READY;
	}
}

static void wake_one(struct gen *g, unsigned cpu)
{
	unsigned task = any_in(g, ASLEEP);

	if (g->star && g->cur[cpu] != 1)
		task = g->place[1] == ASLEEP;
	if (!task)
		return;
	event(g, CODE_WAKING, cpu, task, g->star && !rnd(g, 4) ? SR_EV_SOFTIRQ : 0);
	g->place[task] = READY;
}

static void busy_cpu(struct gen *g, unsigned cpu)
{
	unsigned what = rnd(g, 100), task;

	if (what < 45) {
		wake_one(g, cpu);
	} else if (what < 80) {
		switch_to(g, cpu, any_in(g, READY), ASLEEP);
	} else if (what < 85) {
		task = any_in(g, READY);
		if (task)
			switch_to(g, cpu, task, READY);
	} else if (what < 92) { /* perhaps of a tid that is another's still */
		task = rnd(g, 8) ? any_in(g, ABSENT) : 1 + rnd(g, CODE_TASKS - 1);
		if (task && task != g->cur[cpu] && !(g->star && rnd(g, 8))) {
			event(g, CODE_FORK, cpu, task, rnd(g, 8));
			g->place[task] = g->place[task] == RUNS ? RUNS : READY;
		}
	} else if (what < 96 && !(g->star && g->cur[cpu] == 1)) {
		event(g, CODE_EXIT, cpu, 0, rnd(g, 2));
		g->place[g->cur[cpu]] = ABSENT;
		g->cur[cpu] = 0;
	} else { /* anything */
		for (unsigned i = 0; i < 3; i++)
			put(g, rnd(g, 256));
	}
}

static struct sr_model *random_model(unsigned seed)
{
	struct gen g = { .seed = seed, .star = seed % 2 == 0 };
	struct sr_model_options none = { 0 };
	struct srz_reader *r;
	struct sr_error err;
	struct sr_model *m;
	unsigned tasks = 2 + rnd(&g, 6);
	char path[64];

	g.cpus = 1 + rnd(&g, CODE_CPUS);
	put(&g, 0);
	put(&g, (g.cpus - 1) | tasks << 2);
	for (unsigned i = 1; i <= tasks; i++) {
		put(&g, rnd(&g, 2) | (rnd(&g, 4) ? 0 : 64));
		g.place[i] = ASLEEP;
	}
	for (unsigned i = 0; i < EVENTS; i++) {
		unsigned cpu = rnd(&g, g.cpus);

		(g.cur[cpu] ? busy_cpu : idle_cpu)(&g, cpu);
	}
	snprintf(path, sizeof(path), "/tmp/schedrec-test-%d.srz", getpid());
	r = code_read(g.code, g.n, path, MOST_NS);
	m = sr_model_build(r, &none, &err);
	srz_reader_free(r);
	if (m && seed % 5 == 0)
		assert_int_equal(sr_model_loop(m, 2, &err), 0);
	return m;
}

/* ---- their runs ---- */

/* Those that the recording has. */
static uint64_t count_ops(const struct sr_model *m, enum sr_op_kind kind)
{
	uint64_t n = 0;

	for (size_t i = 0; i < m->ntasks; i++)
		for (size_t k = 0; k < m->tasks[i].nops; k++)
			n += m->tasks[i].ops[k].kind == kind && !sr_op_hidden(&m->tasks[i].ops[k]);
	return n;
}

static void run_whole(const struct sr_model *m, const struct rpl_config *cfg)
{
	const struct rpl_counts *c;
	uint64_t start, end;
	struct sr_error err;
	struct rpl_run *run = rpl_prepare(m, cfg, &err);

	if (!run || rpl_execute(run, &err) < 0)
		fail_msg("%s", err.text);
	c = rpl_get_counts(run);
	rpl_span(run, &start, &end);
	assert_in_range(end - start, 1, RUN_NS);
	assert_int_equal(c->forced, 0);
	assert_int_equal(c->wakes, count_ops(m, SR_OP_WAKE));
	assert_int_equal(c->waits_slept + c->waits_passed, count_ops(m, SR_OP_WAIT));
	if (cfg->time_scale > 0)
		assert_int_equal(c->sleeps, count_ops(m, SR_OP_SLEEP));
	rpl_free(run);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* Each order, timing and unit of work with each other, one recording each. */
static void run_all(bool processes)
{
	unsigned built = 0, policies = 0, seed;
	uint64_t forks = 0, any = 0, answers = 0;

	while (rpl_policies[policies])
		policies++;
	for (seed = 0; seed < 18; seed++) {
		struct sr_model *m = random_model(seed + 1000 * processes);
		struct rpl_config cfg = { .order = seed % 3,
					  .timing = (enum rpl_timing)(seed / 3 % 3),
					  .work = seed / 9 % 2 ? RPL_WORK_INSTRUCTIONS : RPL_WORK_TIME,
					  .policy = rpl_policies[seed % policies],
					  .time_scale = seed % 7 == 6 ? 0 : 1,
					  .self_record = true,
					  .processes = processes,
					  .machine = machine };

		if (!m)
			continue;
		built++;
		forks += count_ops(m, SR_OP_FORK);
		any += m->counts.any;
		answers += m->counts.order_answers + m->counts.hidden;
		run_whole(m, &cfg);
		sr_model_free(m);
	}
	/* They are what they should be. */
	assert_true(built > 15 && forks > 100 && any > 1 && answers > 100);
}

static void random_recordings_run_to_their_end_as_threads(void **state)
{
	run_all(false);
}

static void random_recordings_run_to_their_end_as_processes(void **state)
{
#ifdef __SANITIZE_ADDRESS__
	/* Its allocator does not wait for other threads when one forks: the new process may find it locked for ever. */
	skip();
#endif
	run_all(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_recordings_run_to_their_end_as_threads),
		cmocka_unit_test(random_recordings_run_to_their_end_as_processes),
	};

	return cmocka_run_group_tests(tests, load_machine, free_machine);
}
