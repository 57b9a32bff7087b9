/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Models at random, also ones that no recording gives: a simulation ends, under each policy and on each kind of machine,
 * and does all the work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/sim_run.h"

static uint64_t rng;

static uint64_t pick(uint64_t n)
{
	uint64_t z = rng += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (z ^ z >> 31) % n;
}

static const uint8_t classes[] = { SR_SCHED_OTHER, SR_SCHED_OTHER, SR_SCHED_OTHER, SR_SCHED_FIFO,
				   SR_SCHED_RR,    SR_SCHED_BATCH, SR_SCHED_IDLE,  SR_SCHED_DEADLINE };

static void random_class(struct sr_op *op)
{
	op->flags = classes[pick(sizeof(classes))];
	op->arg = op->flags == SR_SCHED_FIFO || op->flags == SR_SCHED_RR ? (uint32_t)pick(99) + 1 : (uint32_t)pick(40);
}

static void random_op(struct sr_model *m, uint32_t i, uint32_t other)
{
	struct sr_op *op;

	switch (pick(11)) {
	case 0:
	case 1:
	case 2:
		add_op(m, i, SR_OP_RUN, 0, pick(3) ? pick(100000) : pick(20 * MS))->cpu = (uint16_t)pick(9);
		break;
	case 3:
		op = add_sleep(m, i, pick(2 * MS), (enum sr_sleep)pick(SR_SLEEPS));
		op->cpu = (uint16_t)pick(9);
		m->tasks[i].waits[op->arg].wake_ns = pick(100 * MS);
		m->tasks[i].waits[op->arg].deadline_ns = pick(100 * MS);
		m->tasks[i].waits[op->arg].timer = (uint8_t)pick(256);
		m->tasks[i].waits[op->arg].anchor = pick(2);
		break;
	case 4:
	case 5:
	case 6:
		if (other == i)
			break;
		add_wake(m, i, other);
		m->tasks[i].ops[m->tasks[i].nops - 1].flags = (uint8_t)(pick(5) | (pick(2) ? SR_WAKE_ANSWERS : 0));
		m->tasks[other].ops[m->tasks[other].nops - 1].flags = (uint8_t)pick(2);
		if (!pick(4)) { /* a message that left no event */
			m->tasks[i].ops[m->tasks[i].nops - 1].flags |= SR_WAKE_HIDDEN;
			m->tasks[other].ops[m->tasks[other].nops - 1].flags |= SR_WAIT_HIDDEN;
		}
		break;
	case 7:
		add_op(m, i, SR_OP_EXEC, 0, 0);
		break;
	case 8:
		add_op(m, i, SR_OP_NICE, (uint32_t)pick(40), 0);
		break;
	case 9:
		random_class(add_op(m, i, SR_OP_CLASS, 0, 0));
		break;
	default:
		add_op(m, i, SR_OP_NOP, 0, 0);
		break;
	}
}

/* broken: waits that nobody ends, wakes of waits that are not there, forks that never come. */
static void random_model(struct sr_model *m, bool broken)
{
	uint32_t n = 2 + (uint32_t)pick(12), i, k;

	for (i = 0; i < n; i++) {
		struct sr_program *p = add_task(m, NONE);

		p->nice = (int8_t)((int)pick(40) - 20);
		p->policy = classes[pick(sizeof(classes))];
		p->rt_prio = (uint8_t)(1 + pick(99));
		p->tgid = 101 + (int)pick(3);
		p->slice_ns = pick(4) ? 0 : pick(1000 * MS);
		p->dl_deadline_ns = pick(3) ? 0 : pick(100 * MS);
		p->any = !pick(4);
		p->first_cpu = (int)pick(10) - 1;
	}
	for (i = 1; i < n; i++)
		if (!pick(3)) { /* forked by the one before it */
			m->tasks[i].parent = i - 1;
			add_op(m, i - 1, SR_OP_FORK, i, 0)->flags = (uint8_t)pick(4);
		}
	for (k = 0; k < 40 * n; k++)
		random_op(m, (uint32_t)pick(n), (uint32_t)pick(n));
	for (i = 0; i < n; i++) {
		if (broken && !pick(3)) {
			add_op(m, i, SR_OP_WAIT, (uint32_t)m->tasks[i].nwaits, 0)->flags = pick(2) ? SR_WAIT_LOCK : 0;
			add_bare_wait(m, i, 1 + (uint32_t)pick(3))->waker = (uint32_t)pick(n);
		}
		if (broken && !pick(3))
			add_op(m, i, SR_OP_WAKE, (uint32_t)pick(n), pick(100));
		if (broken && !pick(4))
			add_op(m, i, SR_OP_FORK, (uint32_t)pick(n), 0);
		if (broken && !pick(4))
			add_op(m, i, SR_OP_RUN, 0, 1ull << 32);
	}
	for (i = 0; i < n; i++)
		add_op(m, i, SR_OP_END, 0, 0)->flags = (uint8_t)pick(2);
}

static const char *const machines[] = { "pu:1",       "core:2 pu:1",   "smt-2x2",
					"numa-2x8x2", "biglittle-4+4", "l3:4 core:2 pu:4" };
static const char *const policies[] = { "kernel",   "domain",    "domain:hot=267", "bld",
					"bld-2012", "bld-fixed", "random",         "recorded" };

static struct sim_params params;

static void simulate_all(struct sr_model *m, bool whole)
{
	size_t i, k;

	for (i = 0; i < sizeof(machines) / sizeof(*machines); i++)
		for (k = 0; k < sizeof(policies) / sizeof(*policies); k++) {
			struct sim_config cfg = { .time_scale_ppm = 1000000 * pick(3),
						  .seed = pick(100),
						  .params = &params,
						  .timing = (enum rpl_timing)pick(3),
						  .order = (unsigned)pick(3),
						  .nice_offset = (int)pick(3) };

			sim_run(m, machines[i], policies[k], &cfg);
			if (!whole)
				continue;
			assert_int_equal(sim_seen.counts.forced, 0);
			/* Waits for the order spin, which counts as the burst's own. */
			if (cfg.order == RPL_ORDER_OFF)
				assert_true(sim_seen.counts.paid_ns * 1000 >= m->run_ns * 999);
		}
}

static void whole_models_run_dry(void **state)
{
	unsigned i;

	sim_free_params(&params);
	for (i = 0; i < 12; i++) {
		struct sr_model m = { 0 };

		rng = i;
		random_model(&m, false);
		simulate_all(&m, true);
		free_model(&m);
	}
}

static void broken_models_end_all_the_same(void **state)
{
	unsigned i;

	sim_params_default(&params);
	params.v[SIM_TICK] = 1000 * MS;
	for (i = 100; i < 106; i++) {
		struct sr_model m = { 0 };

		rng = i;
		random_model(&m, true);
		simulate_all(&m, false);
		free_model(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_models_run_dry),
		cmocka_unit_test(broken_models_end_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
