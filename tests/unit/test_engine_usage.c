/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the live engine knows of its tasks' utilisation, class and weight. Bounds are wide: the host is shared. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/engine_model.h"
#include "tests/unit/this_machine.h"

/* By task: what each tick found once the run was well under way. */
static struct {
	unsigned n, min, max;
	uint64_t sum;
} util[4];
static unsigned ticks;

static int all_on_one(struct rpl_engine *e, void *policy, const struct rpl_place *p)
{
	for (unsigned i = 0; i < e->ncpus; i++)
		if (e->machine->v[i].online)
			return (int)i;
	return -1;
}

static void look(struct rpl_engine *e, void *policy, unsigned cpu)
{
	if (++ticks / e->ncpus < 40) /* 200 ms */
		return;
	for (unsigned i = 0; i < e->ntasks && i < 4; i++) {
		struct rpl_task_view v;

		e->task(e, (int)i, &v);
		if (!util[i].n++ || v.util < util[i].min)
			util[i].min = v.util;
		if (v.util > util[i].max)
			util[i].max = v.util;
		util[i].sum += v.util;
	}
}

static const struct rpl_policy looker = {
	.version = RPL_POLICY_VERSION,
	.name = "looker",
	.pins = true,
	.ticks = true,
	.util = true,
	.tick_ns = 5 * MS,
	.place = all_on_one,
	.tick = look,
};

static void go(const struct sr_model *m, const struct rpl_policy *p)
{
	struct rpl_config cfg = { .policy = p, .machine = machine, .time_scale = 1 };
	struct sr_error err;
	struct rpl_run *run = rpl_prepare(m, &cfg, &err);

	ticks = 0;
	memset(util, 0, sizeof(util));
	if (!run || rpl_execute(run, &err) < 0)
		fail_msg("%s", err.text);
	rpl_free(run);
}

static uint64_t mean(unsigned task)
{
	assert_true(util[task].n > 10);
	return util[task].sum / util[task].n;
}

static void add_sleep(struct sr_model *m, uint32_t task, uint64_t ns)
{
	struct sr_program *p = &m->tasks[task];

	add_op(m, task, SR_OP_SLEEP, p->nwaits, ns);
	p->waits = realloc(p->waits, (p->nwaits + 1) * sizeof(*p->waits));
	p->waits[p->nwaits++] = (struct sr_wait){ .needs = 0, .watch_task = NONE };
}

static void a_hog_alone_uses_all(void **state)
{
	struct sr_model m = { 0 };

	add_task(&m, NONE);
	add_op(&m, 0, SR_OP_RUN, 0, 400 * MS);
	add_op(&m, 0, SR_OP_END, 0, 0);
	/* Others on the machine take CPU time away. */
	for (int i = 0; i < 5 && (!i || util[0].min < 950); i++)
		go(&m, &looker);
	assert_true(util[0].n > 10);
	assert_in_range(util[0].min, 950, 1024);
	free_model(&m);
}

static void who_sleeps_three_quarters_uses_a_quarter(void **state)
{
	struct sr_model m = { 0 };

	add_task(&m, NONE);
	for (int i = 0; i < 40; i++) {
		add_op(&m, 0, SR_OP_RUN, 0, 3 * MS);
		add_sleep(&m, 0, 9 * MS);
	}
	add_op(&m, 0, SR_OP_END, 0, 0);
	for (int i = 0; i < 5 && (!i || mean(0) < 200 || mean(0) > 800); i++)
		go(&m, &looker);
	assert_in_range(mean(0), 200, 800);
	assert_true(util[0].max > util[0].min + 10);
	free_model(&m);
}

/* Nice 5 has a third of the weight of nice 0. */
static void hogs_on_one_cpu_share_it_by_weight(void **state)
{
	struct sr_model m = { 0 };

	for (uint32_t i = 0; i < 3; i++) {
		add_task(&m, NONE);
		add_op(&m, i, SR_OP_RUN, 0, 200 * MS);
		add_op(&m, i, SR_OP_END, 0, 0);
	}
	m.tasks[2].nice = 5;
	go(&m, &looker);
	/* 440, 440 and 144; who ends first leaves more to the others. */
	assert_in_range(util[0].max, 400, 700);
	assert_in_range(util[1].max, 400, 700);
	assert_in_range(util[2].min, 120, 165);
	free_model(&m);
}

static void nobody_is_measured_for_a_policy_that_does_not_ask(void **state)
{
	struct rpl_policy blind = looker;
	struct sr_model m = { 0 };

	blind.util = false;
	add_task(&m, NONE);
	add_op(&m, 0, SR_OP_RUN, 0, 300 * MS);
	add_op(&m, 0, SR_OP_END, 0, 0);
	go(&m, &blind);
	assert_true(util[0].n > 2);
	assert_int_equal(util[0].max, 0);
	free_model(&m);
}

static unsigned requeued, wrong_weight;
static bool out;

static void count_enqueue(struct rpl_engine *e, void *policy, unsigned cpu, int task)
{
	requeued += out;
	out = false;
	/* nice 0 until it is requeued, then nice 5 */
	wrong_weight += e->load_weight(e, cpu) != (requeued ? 335 : 1024);
}

static void count_dequeue(struct rpl_engine *e, void *policy, unsigned cpu, int task)
{
	out = true;
	wrong_weight += e->load_weight(e, cpu) != 0;
}

/* As the kernel does; who keeps an order by load must hear of it. */
static void a_nice_value_that_changes_takes_the_task_out_of_the_queue_and_back(void **state)
{
	static const struct rpl_policy counter = { .version = RPL_POLICY_VERSION,
						   .name = "counter",
						   .pins = true,
						   .place = all_on_one,
						   .enqueue = count_enqueue,
						   .dequeue = count_dequeue };
	struct sr_model m = { 0 };

	requeued = wrong_weight = 0;
	out = false;
	add_task(&m, NONE);
	add_op(&m, 0, SR_OP_RUN, 0, MS);
	add_op(&m, 0, SR_OP_NICE, 25, 0);
	add_op(&m, 0, SR_OP_RUN, 0, MS);
	add_op(&m, 0, SR_OP_END, 0, 0);
	go(&m, &counter);
	assert_int_equal(requeued, 1);
	assert_int_equal(wrong_weight, 0);
	assert_true(out);
	free_model(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hog_alone_uses_all),
		cmocka_unit_test(who_sleeps_three_quarters_uses_a_quarter),
		cmocka_unit_test(hogs_on_one_cpu_share_it_by_weight),
		cmocka_unit_test(nobody_is_measured_for_a_policy_that_does_not_ask),
		cmocka_unit_test(a_nice_value_that_changes_takes_the_task_out_of_the_queue_and_back),
	};

	return cmocka_run_group_tests(tests, load_machine, free_machine);
}
