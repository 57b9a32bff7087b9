/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What forks and exits take out of bursts (replay/lifetime.c): the same for threads and for processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "replay/engine_internal.h"
#include "tests/unit/engine_model.h"
#include "tests/unit/this_machine.h"

/* A run that is not run: threads of processes that have only them, or threads of one process. */
static struct rpl_run *a_run(const struct sr_model *m, bool processes, uint64_t fork_ns, uint64_t end_ns)
{
	struct rpl_run *run = calloc(1, sizeof(*run));

	assert_non_null(run);
	run->m = m;
	run->cfg.processes = processes;
	run->threads = rpl_alloc(&run->arena, m->ntasks, sizeof(*run->threads));
	for (uint32_t i = 0; i < m->ntasks; i++) {
		run->threads[i].run = run;
		run->threads[i].p = &m->tasks[i];
		run->threads[i].index = run->threads[i].group = i;
	}
	if (processes)
		run->costs = (struct rpl_costs){ .fork_ns = fork_ns, .exit_ns = end_ns };
	else
		run->costs = (struct rpl_costs){ .create_ns = fork_ns, .end_ns = end_ns };
	assert_int_equal(rpl_cuts_start(run), 0);
	rpl_find_cuts(run);
	return run;
}

static void drop(struct rpl_run *run)
{
	rpl_arena_release(&run->arena);
	free(run);
}

/* Of thread 0: what each of its bursts owes, and what each fork has owed again, in one line. */
static const char *owed(struct rpl_run *run)
{
	static char text[256];
	struct rthread *t = &run->threads[0];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < t->p->nops; i++) {
		const struct sr_op *op = &t->p->ops[i];

		if (op->kind == SR_OP_RUN) {
			n += snprintf(text + n, sizeof(text) - n, "%llu ", (unsigned long long)rpl_burst_ns(t, op));
		} else if (op->kind == SR_OP_FORK) {
			t->owed_ns = 0;
			rpl_forked(t, op);
			n += snprintf(text + n, sizeof(text) - n, "+%lld ", (long long)t->owed_ns);
		}
	}
	return text;
}

/* Both ways of running it, with these costs, owe this. */
static void check_both(const struct sr_model *m, uint64_t fork_ns, uint64_t end_ns, const char *want)
{
	for (int processes = 0; processes < 2; processes++) {
		struct rpl_run *run = a_run(m, processes, fork_ns, end_ns);

		assert_string_equal(owed(run), want);
		drop(run);
	}
}

static void add_exit(struct sr_model *m, uint32_t task)
{
	add_op(m, task, SR_OP_END, 0, 0)->flags = 1;
}

static void a_fork_and_an_exit_shorten_the_bursts_before_them(void **state)
{
	struct sr_model m = { 0 };

	for (int i = 0; i < 2; i++)
		add_task(&m, i ? 0 : NONE);
	add_op(&m, 0, SR_OP_RUN, 0, 30);
	add_op(&m, 0, SR_OP_WAKE, 1, 0);
	add_op(&m, 0, SR_OP_RUN, 0, 10);
	add_op(&m, 0, SR_OP_FORK, 1, 0);
	add_op(&m, 0, SR_OP_RUN, 0, 50);
	add_exit(&m, 0);
	add_exit(&m, 1);
	check_both(&m, 25, 20, "15 0 +25 30 ");
	check_both(&m, 5, 0, "30 5 +5 50 ");
	check_both(&m, 100, 100, "0 0 +40 0 ");
	check_both(&m, 0, 0, "30 10 +0 50 ");
	free_model(&m);
}

static void nothing_is_taken_from_before_a_rest_or_another_fork(void **state)
{
	struct sr_model m = { 0 };

	for (int i = 0; i < 3; i++)
		add_task(&m, i ? 0 : NONE);
	add_op(&m, 0, SR_OP_RUN, 0, 40);
	add_op(&m, 0, SR_OP_SLEEP, 0, 1000);
	add_op(&m, 0, SR_OP_RUN, 0, 10);
	add_op(&m, 0, SR_OP_FORK, 1, 0);
	add_op(&m, 0, SR_OP_FORK, 2, 0);
	add_op(&m, 0, SR_OP_RUN, 0, 5);
	add_op(&m, 0, SR_OP_SLEEP, 1, 1000);
	add_exit(&m, 0);
	for (uint32_t i = 1; i < 3; i++)
		add_exit(&m, i);
	check_both(&m, 25, 20, "40 0 +10 +0 5 ");
	free_model(&m);
}

static void who_is_cut_off_by_the_end_of_the_recording_has_no_exit(void **state)
{
	struct sr_model m = { 0 };

	add_task(&m, NONE);
	add_op(&m, 0, SR_OP_RUN, 0, 30);
	add_op(&m, 0, SR_OP_END, 0, 0);
	check_both(&m, 25, 20, "30 ");
	free_model(&m);
}

/* In processes too: a thread is made as one, and ends as one where it is not its process's first. */
static void threads_of_processes_cost_what_threads_cost(void **state)
{
	struct sr_model m = { 0 };
	struct rpl_run *run;

	for (int i = 0; i < 2; i++)
		add_task(&m, i ? 0 : NONE);
	add_op(&m, 0, SR_OP_RUN, 0, 100);
	add_op(&m, 0, SR_OP_FORK, 1, 0)->flags = SR_FORK_VM | SR_FORK_THREAD;
	add_op(&m, 0, SR_OP_RUN, 0, 100);
	add_exit(&m, 0);
	add_op(&m, 1, SR_OP_RUN, 0, 100);
	add_exit(&m, 1);
	run = a_run(&m, true, 40, 30);
	run->threads[1].group = 0;
	run->costs.create_ns = 4;
	run->costs.end_ns = 3;
	rpl_find_cuts(run);
	assert_string_equal(owed(run), "96 +4 70 ");
	assert_int_equal(rpl_burst_ns(&run->threads[1], m.tasks[1].ops), 97);
	drop(run);
	free_model(&m);
}

/* Processes and threads, which fork further ones; nobody waits. */
static void a_family(struct sr_model *m)
{
	for (uint32_t i = 0; i < 31; i++)
		add_task(m, i ? (i - 1) / 2 : NONE);
	for (uint32_t i = 0; i < 31; i++) {
		for (uint32_t k = 2 * i + 1; k < 31 && k < 2 * i + 3; k++) {
			add_op(m, i, SR_OP_RUN, 0, 400000);
			add_op(m, i, SR_OP_FORK, k, 0)->flags = k % 3 ? 0 : SR_FORK_VM | SR_FORK_THREAD;
		}
		add_op(m, i, SR_OP_RUN, 0, 600000);
		add_exit(m, i);
	}
}

static uint64_t taken_by_exits(const struct rpl_run *run)
{
	uint64_t ns = 0;

	for (size_t i = 0; i < run->m->ntasks; i++)
		for (size_t k = 0; k < run->threads[i].ncuts; k++)
			if (run->m->tasks[i].ops[run->threads[i].cuts[k].to].kind == SR_OP_END)
				ns += run->threads[i].cuts[k].all_ns;
	return ns;
}

static void a_replay_owes_all_bursts_less_the_exits_whatever_it_is_made_of(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct rpl_config cfg = { .policy = &rpl_policy_kernel,
					  .machine = machine,
					  .time_scale = 1,
					  .processes = i & 1,
					  .work = i & 2 ? RPL_WORK_INSTRUCTIONS : RPL_WORK_TIME };
		const struct rpl_counts *c;
		struct sr_model m = { 0 };
		struct sr_error err;
		struct rpl_run *run;
		uint64_t exits;

		a_family(&m);
		run = rpl_prepare(&m, &cfg, &err);
		if (!run)
			fail_msg("%s", err.text);
		assert_true(run->costs.create_ns && run->costs.end_ns);
		assert_true(!cfg.processes || (run->costs.fork_ns && run->costs.exit_ns));
		exits = taken_by_exits(run);
		assert_in_range(exits, 1, m.run_ns - 1);
		assert_int_equal(rpl_execute(run, &err), 0);
		c = rpl_get_counts(run);
		assert_int_equal(c->owed_ns, m.run_ns - exits);
		if (cfg.work == RPL_WORK_TIME)
			assert_true(c->paid_ns >= c->owed_ns - c->owed_ns / 100);
		rpl_free(run);
		free_model(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fork_and_an_exit_shorten_the_bursts_before_them),
		cmocka_unit_test(nothing_is_taken_from_before_a_rest_or_another_fork),
		cmocka_unit_test(who_is_cut_off_by_the_end_of_the_recording_has_no_exit),
		cmocka_unit_test(threads_of_processes_cost_what_threads_cost),
		cmocka_unit_test(a_replay_owes_all_bursts_less_the_exits_whatever_it_is_made_of),
	};

	return cmocka_run_group_tests(tests, load_machine, free_machine);
}
