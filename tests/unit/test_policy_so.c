/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A user's own policy, from its table on; tests/cli/own-policy.sh has the files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replay/policy_so.h"
#include "tests/unit/fake_engine.h"

struct own_state {
	int answer;
	unsigned enqueued, dequeued, ticked, emptied;
	struct schedrec_place last;
	struct schedrec_task task;
	const uint64_t *allowed;
};

static struct own_state *kept; /* where init put it */

static int own_init(struct schedrec_engine *e, const char *options, void **state)
{
	struct own_state *s = e->alloc(e, 1, sizeof(*s));

	if (options && strcmp(options, "good"))
		return e->refuse(e, "no such option\nand more");
	s->answer = 1;
	*state = kept = s;
	return 0;
}

/* The first allowed cpu with the least load, as bld-2012 has it; or what it was told to answer. */
static int32_t own_place(struct schedrec_engine *e, void *state, const struct schedrec_place *p)
{
	struct own_state *s = state;
	uint64_t least = UINT64_MAX;
	int32_t best = -1;

	s->last = *p;
	s->allowed = p->allowed;
	e->task(e, p->task, &s->task);
	if (s->answer != 1)
		return s->answer;
	for (uint32_t i = 0; i < e->ncpus; i++)
		if (schedrec_may_use(e, i, p->allowed) && e->load_weight(e, i) < least) {
			least = e->load_weight(e, i);
			best = (int32_t)i;
		}
	return best;
}

static void own_enqueue(struct schedrec_engine *e, void *state, uint32_t cpu, int32_t task)
{
	((struct own_state *)state)->enqueued++;
}

static void own_dequeue(struct schedrec_engine *e, void *state, uint32_t cpu, int32_t task)
{
	((struct own_state *)state)->dequeued++;
}

/* Moves the first that waits to the last cpu, and the running one of cpu 0. */
static void own_tick(struct schedrec_engine *e, void *state, uint32_t cpu)
{
	int32_t task;

	((struct own_state *)state)->ticked++;
	if (e->queue(e, cpu, &task, 1))
		e->migrate(e, task, e->ncpus - 1, SCHEDREC_TICK);
	else if (!cpu && e->current(e, cpu) >= 0)
		e->push(e, e->current(e, cpu), e->ncpus - 1, SCHEDREC_ACTIVE);
}

static void own_newidle(struct schedrec_engine *e, void *state, uint32_t cpu)
{
	((struct own_state *)state)->emptied++;
}

static const struct schedrec_policy table = {
	.abi = SCHEDREC_POLICY_ABI,
	.size = sizeof(table),
	.name = "mine-1",
	.summary = "for the test",
	.tick_ns = 2000000,
	.init = own_init,
	.place = own_place,
	.enqueue = own_enqueue,
	.dequeue = own_dequeue,
	.tick = own_tick,
	.newidle = own_newidle,
};

static const struct rpl_policy *adopt(const struct schedrec_policy *t, struct sr_error *err)
{
	return rpl_policy_adopt(t, "mine.so", NULL, err);
}

static void open_own(struct fake *f, const char *machine, const struct schedrec_policy *t)
{
	struct sr_error err;
	const struct rpl_policy *p = adopt(t, &err);

	memset(f, 0, sizeof(*f));
	f->m = sr_machine_load(machine, &err);
	if (!p || !f->m || fake_start_policy(f, p, NULL, 0, &err))
		fail_msg("%s", err.text);
}

static void close_own(struct fake *f)
{
	const struct rpl_policy *p = f->p;

	fake_close(f);
	rpl_policy_close(p);
}

static uint64_t told(const struct fake *f, unsigned i, const char *name)
{
	struct rpl_policy_count v[RPL_POLICY_COUNTS];

	assert_int_equal(f->p->report(&f->e, f->state, v), 4);
	assert_string_equal(v[i].name, name);
	return v[i].n;
}

static void it_decides_as_the_same_code_of_ours_does(void **state)
{
	struct fake ours, own;
	struct sr_error err;
	uint32_t seed = 5;

	if (fake_open(&ours, "numa-2x8x2", "bld-2012", &err))
		fail_msg("%s", err.text);
	open_own(&own, "numa-2x8x2", &table);
	for (int i = 0; i < 200; i++) {
		struct sr_cpumask mask = { { 0 } };
		int a = fake_task(&ours, 120), b = fake_task(&own, 120), cpu;

		seed = seed * 1664525 + 1013904223;
		mask.w[0] = seed % 3 ? 0xffffffffu : seed | 1u;
		ours.task[a].allowed = own.task[b].allowed = &mask;
		ours.weight[a] = own.weight[b] = 1 + (seed >> 10) % 3000;
		cpu = fake_place(&ours, SR_CAUSE_FORK, a, 0, 0);
		assert_int_equal(fake_place(&own, SR_CAUSE_FORK, b, 0, 0), cpu);
		fake_start(&ours, a, (unsigned)cpu);
		fake_start(&own, b, (unsigned)cpu);
		ours.task[a].allowed = own.task[b].allowed = NULL;
	}
	assert_int_equal(kept->enqueued, 200);
	assert_int_equal(told(&own, 0, "policy_cpu_lacking"), 0);
	assert_int_equal(told(&own, 1, "policy_cpu_forbidden"), 0);
	assert_int_equal(told(&own, 2, "policy_wrong_numbers"), 0);
	fake_close(&ours);
	close_own(&own);
}

static void it_sees_what_our_own_see(void **state)
{
	struct sr_cpumask mask = { { 0x6 } };
	struct rpl_place p = { .why = SR_CAUSE_WAKE,
			       .waker = 7,
			       .this_cpu = 2,
			       .prev_cpu = 1,
			       .sync = true,
			       .thread = true,
			       .allowed = &mask };
	struct fake f;

	open_own(&f, "biglittle-4+4", &table);
	p.task = fake_task(&f, 110);
	f.task[p.task].util = 77;
	f.task[p.task].threads = 3;
	f.task[p.task].last_ran_ns = 12345;
	f.task[p.task].recorded_cpu = 5;
	assert_int_equal(f.p->place(&f.e, f.state, &p), 1);
	assert_int_equal(kept->last.why, SCHEDREC_WAKE);
	assert_int_equal(kept->last.task, p.task);
	assert_int_equal(kept->last.waker, 7);
	assert_int_equal(kept->last.this_cpu, 2);
	assert_int_equal(kept->last.prev_cpu, 1);
	assert_int_equal(kept->last.sync, 1);
	assert_int_equal(kept->last.thread, 1);
	assert_int_equal(kept->allowed[0], 0x6);
	assert_int_equal(kept->task.prio, 110);
	assert_int_equal(kept->task.util, 77);
	assert_int_equal(kept->task.threads, 3);
	assert_int_equal(kept->task.last_ran_ns, 12345);
	assert_int_equal(kept->task.recorded_cpu, 5);
	assert_null(kept->task.allowed);
	close_own(&f);
}

static void a_cpu_that_is_not_there_is_corrected_and_counted(void **state)
{
	static const int wrong[] = { 4, 4095, 1 << 20, -2, INT32_MIN };
	struct fake f;
	int t;

	open_own(&f, "core-4", &table);
	t = fake_task(&f, 120);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		kept->answer = wrong[i];
		assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 0, 2), 2);
		assert_int_equal(told(&f, 0, "policy_cpu_lacking"), i + 1);
	}
	/* -1 is an answer. */
	kept->answer = -1;
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 0, 2), 2);
	assert_int_equal(told(&f, 0, "policy_cpu_lacking"), 5);
	close_own(&f);
}

static void an_offline_cpu_is_corrected_and_counted(void **state)
{
	struct sr_error err;
	struct fake f = { 0 };

	f.m = sr_machine_load("core-4", &err);
	f.m->v[3].online = 0;
	assert_int_equal(fake_start_policy(&f, adopt(&table, &err), NULL, 0, &err), 0);
	kept->answer = 3;
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, fake_task(&f, 120), 0, 2), 2);
	assert_int_equal(told(&f, 0, "policy_cpu_lacking"), 1);
	close_own(&f);
}

static void a_forbidden_cpu_is_corrected_and_counted(void **state)
{
	struct sr_cpumask mask = { { 0xc } };
	struct fake f;
	int t;

	open_own(&f, "core-4", &table);
	t = fake_task(&f, 120);
	f.task[t].allowed = &mask;
	kept->answer = 0;
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 0, 3), 3);
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 0, 0), 2);
	assert_int_equal(told(&f, 1, "policy_cpu_forbidden"), 2);
	close_own(&f);
}

static void it_acts_at_ticks(void **state)
{
	struct fake f;
	int hog, waits;

	open_own(&f, "core-4", &table);
	assert_int_equal(f.e.tick_ns, 2000000);
	hog = fake_hog(&f, 1);
	waits = fake_hog(&f, 1);
	fake_tick(&f);
	assert_int_equal(f.task[hog].cpu, 1);
	assert_int_equal(f.task[waits].cpu, 3);
	assert_int_equal(f.moved[SR_CAUSE_TICK], 1);
	assert_int_equal(kept->ticked, 4);
	hog = fake_hog(&f, 0);
	fake_tick(&f);
	assert_int_equal(f.task[hog].cpu, 3);
	assert_int_equal(f.moved[SR_CAUSE_ACTIVE], 1);
	close_own(&f);
}

static struct schedrec_engine *given;

static int32_t place_wildly(struct schedrec_engine *e, void *state, const struct schedrec_place *p)
{
	struct schedrec_task v;
	int32_t tasks[4];

	given = e;
	e->task(e, -1, &v);
	e->task(e, 1 << 20, &v);
	assert_int_equal(v.cpu, -1);
	assert_int_equal(e->nr_running(e, 4), 0);
	assert_int_equal(e->load_weight(e, UINT32_MAX), 0);
	assert_int_equal(e->is_idle(e, 4), 0);
	assert_int_equal(e->current(e, 4), -1);
	assert_int_equal(e->rt_lowest_prio(e, 4), 0);
	assert_int_equal(e->last_tick_ns(e, 4), 0);
	assert_int_equal(e->queue(e, 4, tasks, 4), 0);
	assert_int_equal(e->distance(e, 0, 4), 0);
	assert_int_equal(e->distance(e, 0, 3), 10);
	assert_int_equal(e->migrate(e, p->task, 4, SCHEDREC_TICK), -1);
	assert_int_equal(e->push(e, -5, 0, SCHEDREC_ACTIVE), -1);
	assert_int_equal(e->idle(e, 0, 1), -1); /* no such engine */
	assert_null(e->alloc(e, 1, 8));         /* not in init */
	return 0;
}

static void wrong_numbers_are_answered_and_counted(void **state)
{
	struct schedrec_policy wild = table;
	struct fake f;

	wild.place = place_wildly;
	wild.init = NULL;
	open_own(&f, "core-4", &wild);
	fake_place(&f, SR_CAUSE_WAKE, fake_task(&f, 120), 0, 0);
	assert_int_equal(told(&f, 2, "policy_wrong_numbers"), 12);
	assert_int_equal(told(&f, 3, "policy_moves_refused"), 1);
	assert_int_equal(given->size, sizeof(*given));
	assert_int_equal(given->abi, SCHEDREC_POLICY_ABI);
	close_own(&f);
}

static void only_place_is_needed(void **state)
{
	struct schedrec_policy least = { .abi = SCHEDREC_POLICY_ABI, .size = sizeof(least), .name = "least" };
	struct sr_error err;
	struct fake f;

	least.place = place_wildly;
	open_own(&f, "core-4", &least);
	assert_false(f.p->ticks);
	fake_stop(&f, fake_hog(&f, 0));
	close_own(&f);
	memset(&f, 0, sizeof(f));
	f.m = sr_machine_load("core-4", &err);
	assert_int_equal(fake_start_policy(&f, adopt(&least, &err), "a=b", 0, &err), -1);
	assert_int_equal(err.status, SR_USAGE);
	assert_string_equal(err.text, "policy least takes no options: 'a=b'");
	close_own(&f);
}

static int init_with_tick_of_1ns(struct schedrec_engine *e, const char *options, void **state)
{
	e->tick_ns = 1;
	return 0;
}

static void what_init_refuses_is_told_in_its_words(void **state)
{
	struct schedrec_policy ticks = table;
	struct sr_error err;
	struct fake f = { 0 };

	f.m = sr_machine_load("core-4", &err);
	assert_int_equal(fake_start_policy(&f, adopt(&table, &err), "bad", 0, &err), -1);
	assert_int_equal(err.status, SR_USAGE);
	assert_string_equal(err.text, "policy mine-1: no such option");
	close_own(&f);
	memset(&f, 0, sizeof(f));
	f.m = sr_machine_load("core-4", &err);
	ticks.init = init_with_tick_of_1ns;
	assert_int_equal(fake_start_policy(&f, adopt(&ticks, &err), NULL, 0, &err), -1);
	assert_non_null(strstr(err.text, "a tick of 1 ns"));
	close_own(&f);
}

static void wrong_tables_are_refused(void **state)
{
	static const struct {
		const char *says;
		struct schedrec_policy p;
	} wrong[] = {
		{ "version 2 of the policy interface", { .abi = 2, .size = sizeof(table) } },
		{ "version 0 of the policy interface", { .abi = 0 } },
		{ "of a newer schedrec", { .abi = 1, .size = sizeof(table) + 8, .name = "x", .place = own_place } },
		{ "its table says that it has 8 bytes", { .abi = 1, .size = 8 } },
		{ "the policy's name", { .abi = 1, .size = sizeof(table), .place = own_place } },
		{ "the policy's name", { .abi = 1, .size = sizeof(table), .name = "", .place = own_place } },
		{ "the policy's name", { .abi = 1, .size = sizeof(table), .name = "a b", .place = own_place } },
		{ "the policy's name",
		  { .abi = 1, .size = sizeof(table), .name = "a2345678901234567890123456789012", .place = own_place } },
		{ "schedrec's own 'bld'", { .abi = 1, .size = sizeof(table), .name = "bld", .place = own_place } },
		{ "has no place function", { .abi = 1, .size = sizeof(table), .name = "x" } },
		{ "has flags",
		  { .abi = 1, .size = sizeof(table), .name = "x", .place = own_place, .flags = 1ull << 40 } },
		{ "asks for a tick",
		  { .abi = 1, .size = sizeof(table), .name = "x", .place = own_place, .tick_ns = 99999 } },
		{ "asks for a tick",
		  { .abi = 1, .size = sizeof(table), .name = "x", .place = own_place, .tick_ns = 10000000001 } },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct sr_error err = { 0 };

		assert_null(adopt(&wrong[i].p, &err));
		assert_int_equal(err.status, SR_DAMAGED);
		if (!strstr(err.text, wrong[i].says) || strncmp(err.text, "mine.so: ", 9) != 0)
			fail_msg("'%s', not '%s'", err.text, wrong[i].says);
	}
}

static void a_path_is_told_from_a_name(void **state)
{
	static const struct {
		const char *spec;
		size_t len;
	} cases[] = {
		{ "./mine.so", 9 },     { "./mine.so:a=b", 9 },   { "mine.so", 7 },           { "/a.so.d/b.so:x", 12 },
		{ "/a:b.so/c.so", 12 }, { "eas:energy=x.so", 0 }, { "eas:energy=./x.so", 0 }, { "bld", 0 },
		{ "libm.so.6", 0 },     { "domain:hot=267", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(rpl_policy_file_len(cases[i].spec), cases[i].len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_decides_as_the_same_code_of_ours_does),
		cmocka_unit_test(it_sees_what_our_own_see),
		cmocka_unit_test(a_cpu_that_is_not_there_is_corrected_and_counted),
		cmocka_unit_test(an_offline_cpu_is_corrected_and_counted),
		cmocka_unit_test(a_forbidden_cpu_is_corrected_and_counted),
		cmocka_unit_test(it_acts_at_ticks),
		cmocka_unit_test(wrong_numbers_are_answered_and_counted),
		cmocka_unit_test(only_place_is_needed),
		cmocka_unit_test(what_init_refuses_is_told_in_its_words),
		cmocka_unit_test(wrong_tables_are_refused),
		cmocka_unit_test(a_path_is_told_from_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
