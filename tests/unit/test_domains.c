/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "replay/arena.h"
#include "replay/domains.h"

struct tree {
	struct sr_machine *m;
	struct rpl_arena memory;
	struct rpl_domains d;
};

static void *allocate(void *arg, size_t n, size_t size)
{
	return rpl_alloc(arg, n, size);
}

static void build(struct tree *t, const struct rpl_sd_config *cfg)
{
	struct sr_error err = { 0 };

	if (rpl_domains_build(&t->d, t->m, cfg, allocate, &t->memory, &err))
		fail_msg("%s", err.text);
}

static void load(struct tree *t, const char *machine, const struct rpl_sd_config *cfg)
{
	struct sr_error err = { 0 };

	memset(t, 0, sizeof(*t));
	t->m = sr_machine_load(machine, &err);
	if (!t->m)
		fail_msg("%s", err.text);
	build(t, cfg);
}

static void release(struct tree *t)
{
	rpl_arena_release(&t->memory);
	sr_machine_free(t->m);
}

static const struct rpl_sd_config of_267 = { .tables = RPL_SD_2_6_7 };
static const struct rpl_sd_config full = { .full = true, .drop = true };
static const struct rpl_sd_config all_full = { .full = true };

static const struct rpl_span *span_at(const struct tree *t, unsigned cpu, unsigned k)
{
	return rpl_stack(&t->d, cpu)[k].span;
}

static const struct rpl_span *top(const struct tree *t, unsigned cpu)
{
	return span_at(t, cpu, t->d.depth[cpu] - 1u);
}

/* ---- what holds of any domains ---- */

static void check_span(const struct tree *t, const struct rpl_span *s)
{
	bool in[SR_MAX_CPUS] = { false };
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++) {
		assert_true(t->m->v[s->cpu[i]].online);
		assert_true(!i || s->cpu[i] > s->cpu[i - 1]);
		assert_true(rpl_span_has(&t->d, s, s->cpu[i]));
		in[s->cpu[i]] = true;
	}
	for (unsigned k = 0; k < s->ngroups; k++) {
		const struct rpl_group *g = &s->group[k];

		assert_true(g->n && g->power);
		assert_true(!k || g->cpu[0] > s->group[k - 1].cpu[0]);
		for (unsigned i = 0; i < g->n; i++, n++) {
			assert_true(in[g->cpu[i]]);
			in[g->cpu[i]] = false; /* in one group only */
		}
	}
	assert_int_equal(n, s->n);
}

static void check(const struct tree *t)
{
	for (unsigned l = 0; l < t->d.nlevels; l++)
		for (unsigned k = 0; k < t->d.level[l].nspans; k++) {
			assert_int_equal(t->d.level[l].span[k].level, l);
			check_span(t, &t->d.level[l].span[k]);
		}
	for (unsigned cpu = 0; cpu < t->m->ncpus; cpu++) {
		assert_true(t->m->v[cpu].online || !t->d.depth[cpu]);
		for (unsigned k = 0; k < t->d.depth[cpu]; k++) {
			const struct rpl_sd *sd = &rpl_stack(&t->d, cpu)[k];
			const struct rpl_group *own = &sd->span->group[sd->own];
			bool found = false;

			for (unsigned i = 0; i < own->n; i++)
				found |= own->cpu[i] == cpu;
			assert_true(found);
			if (k)
				for (unsigned i = 0; i < sd[-1].span->n; i++)
					assert_true(rpl_span_has(&t->d, sd->span, sd[-1].span->cpu[i]));
		}
	}
}

static void groups_part_spans_and_spans_hold_those_below_on_every_machine(void **state)
{
	static const struct rpl_sd_config *const cfg[] = { &of_267, &full, &all_full };

	for (const struct sr_machine_preset *p = sr_machine_presets(); p->name; p++)
		for (size_t i = 0; i < 3; i++) {
			struct tree t;

			load(&t, p->name, cfg[i]);
			check(&t);
			if (t.m->ncpus > 1)
				assert_int_equal(top(&t, 0)->n, t.m->ncpus);
			release(&t);
		}
}

static void cpus_that_are_not_online_have_no_domains(void **state)
{
	struct tree t;

	load(&t, "numa-2x8x2", &of_267);
	for (unsigned i = 0; i < 32; i++)
		t.m->v[i].online = i % 2 == 0 && i != 4;
	build(&t, &of_267);
	check(&t);
	assert_int_equal(t.d.nlevels, 2); /* no core has two of them */
	assert_int_equal(top(&t, 0)->n, 15);
	assert_int_equal(t.d.depth[1], 0);
	assert_int_equal(top(&t, 0)->group[0].power, 7 * 128);
	for (unsigned i = 0; i < 32; i++)
		t.m->v[i].online = 0;
	build(&t, &full);
	assert_int_equal(t.d.nlevels, 0);
	release(&t);
}

/* ---- 2.6.7 ---- */

static unsigned power_of_first_package(const char *machine)
{
	struct tree t;
	unsigned power;

	load(&t, machine, &of_267);
	power = top(&t, 0)->group[0].power;
	release(&t);
	return power;
}

static void power_of_a_core_with_two_threads_is_140(void **state)
{
	assert_int_equal(power_of_first_package("smt-2x2"), 140);
}

static void power_of_a_core_with_four_threads_is_166(void **state)
{
	assert_int_equal(power_of_first_package("pack:2 core:1 pu:4"), 166);
}

static void power_of_a_single_cpu_is_128(void **state)
{
	assert_int_equal(power_of_first_package("core-4"), 128);
}

static void power_of_a_node_is_the_sum_of_its_cores(void **state)
{
	assert_int_equal(power_of_first_package("numa-2x8x2"), 8 * 140);
}

static void power_goes_with_capacity(void **state)
{
	struct tree t;

	load(&t, "hybrid-4x2+4", &of_267);
	assert_int_equal(top(&t, 0)->ngroups, 8);
	assert_int_equal(top(&t, 0)->group[0].power, 140);
	assert_int_equal(top(&t, 0)->group[4].power, 128 * 640 / 1024);
	release(&t);
}

static void levels_are_sibling_node_machine(void **state)
{
	struct tree t;

	load(&t, "numa-2x8x2", &of_267);
	assert_int_equal(t.d.nlevels, 3);
	assert_string_equal(t.d.level[0].name, "SIBLING");
	assert_string_equal(t.d.level[1].name, "CPU");
	assert_string_equal(t.d.level[2].name, "NODE");
	assert_int_equal(span_at(&t, 17, 0)->n, 2);
	assert_int_equal(span_at(&t, 17, 0)->cpu[0], 16);
	assert_int_equal(rpl_stack(&t.d, 17)[0].own, 1);
	assert_int_equal(span_at(&t, 17, 1)->n, 16);
	assert_int_equal(span_at(&t, 17, 1)->ngroups, 8);
	assert_int_equal(rpl_stack(&t.d, 18)[1].own, 1);
	assert_int_equal(span_at(&t, 17, 2)->n, 32);
	assert_int_equal(span_at(&t, 17, 2)->ngroups, 2);
	assert_int_equal(rpl_stack(&t.d, 17)[2].own, 1);
	release(&t);
}

static void levels_of_a_single_group_stay_unless_they_are_dropped(void **state)
{
	static const struct rpl_sd_config drop = { .drop = true };
	struct tree t;

	load(&t, "pack:2 [numa] core:1 pu:1", &of_267);
	assert_int_equal(t.d.depth[0], 2);
	assert_int_equal(span_at(&t, 0, 0)->ngroups, 1);
	release(&t);
	load(&t, "pack:2 [numa] core:1 pu:1", &drop);
	assert_int_equal(t.d.depth[0], 1);
	assert_int_equal(span_at(&t, 0, 0)->n, 2);
	release(&t);
	load(&t, "core-1", &drop);
	assert_int_equal(t.d.depth[0], 0);
	release(&t);
	/* The slow cores of a hybrid machine have no siblings. */
	load(&t, "hybrid-4x2+4", &drop);
	assert_int_equal(t.d.depth[0], 2);
	assert_int_equal(t.d.depth[8], 1);
	release(&t);
}

static void params_are(const struct rpl_sd_params *p, unsigned min_ms, unsigned max_ms, unsigned busy, unsigned pct,
		       unsigned tries, unsigned flags, uint64_t hot_ns)
{
	assert_int_equal(p->min_ms, min_ms);
	assert_int_equal(p->max_ms, max_ms);
	assert_int_equal(p->busy_factor, busy);
	assert_int_equal(p->imbalance_pct, pct);
	assert_int_equal(p->nice_tries, tries);
	assert_int_equal(p->flags, flags);
	assert_int_equal(p->hot_ns, hot_ns);
}

static void constants_are_those_of_the_kernels(void **state)
{
	static const struct rpl_sd_config k2610 = { .tables = RPL_SD_2_6_10 }, k2612 = { .tables = RPL_SD_2_6_12 },
					  modern = { .tables = RPL_SD_MODERN, .full = true };
	struct tree t;

	load(&t, "numa-2x8x2", &of_267);
	params_are(&span_at(&t, 0, 0)->par, 1, 2, 8, 110, 0, 1 | 2 | 4 | 8 | 16 | 64, 0);
	params_are(&span_at(&t, 0, 1)->par, 1, 4, 64, 125, 1, 1 | 2 | 4 | 16 | 32, 2500000);
	params_are(&span_at(&t, 0, 2)->par, 8, 32, 32, 125, 1, 2 | 4 | 32, 10000000);
	assert_int_equal(span_at(&t, 0, 0)->par.per_cpu_gain, 15);
	build(&t, &k2610);
	params_are(&span_at(&t, 0, 0)->par, 1, 2, 8, 110, 0, 1 | 2 | 8 | 16 | 64, 0);
	params_are(&span_at(&t, 0, 1)->par, 1, 4, 64, 125, 1, 1 | 2 | 16 | 32, 2500000);
	params_are(&span_at(&t, 0, 2)->par, 8, 32, 32, 125, 1, 2 | 32, 10000000);
	assert_int_equal(span_at(&t, 0, 0)->par.per_cpu_gain, 25);
	build(&t, &k2612);
	params_are(&span_at(&t, 0, 1)->par, 1, 4, 64, 125, 1, 1 | 2 | 8 | 16 | 32, 2500000);
	params_are(&span_at(&t, 0, 2)->par, 8, 32, 32, 125, 1, 1 | 2 | 8 | 32, 10000000);
	release(&t);
	load(&t, "numa-8x64x2", &modern);
	params_are(&span_at(&t, 0, 0)->par, 2, 4, 16, 110, 0, 1 | 2 | 4 | 16 | 64, 0);
	params_are(&span_at(&t, 0, 3)->par, 128, 256, 16, 117, 1, 1 | 2 | 4 | 16, 500000);
	params_are(&span_at(&t, 0, 4)->par, 512, 1024, 16, 117, 2, 1 | 2 | 4 | 16, 500000);
	params_are(&span_at(&t, 0, 5)->par, 1024, 2048, 16, 117, 2, 1, 500000); /* distance 31 */
	release(&t);
}

static void hot_time_can_go_by_the_caches_that_a_move_leaves(void **state)
{
	static const struct rpl_sd_config cache = { .hot_cache = true }, set = { .cpu_hot_ns = 7000000 };
	struct tree t;

	load(&t, "smt-2x2", &cache); /* 512 KiB: the 2 ms of such a machine */
	assert_int_equal(span_at(&t, 0, 0)->par.hot_ns, 0);
	assert_int_equal(span_at(&t, 0, 1)->par.hot_ns, 2000000);
	release(&t);
	load(&t, "smp-4", &cache); /* 2 MiB: 6 ms */
	assert_int_equal(top(&t, 0)->par.hot_ns, 6000000);
	release(&t);
	load(&t, "numa-2x8x2", &cache); /* within the node the second level's 1 MiB; across it is not derived */
	assert_int_equal(span_at(&t, 0, 1)->par.hot_ns, 3000000);
	assert_int_equal(span_at(&t, 0, 2)->par.hot_ns, 10000000);
	release(&t);
	load(&t, "pack:1 core:4 pu:1", &cache); /* no cache of its own: the table's */
	assert_int_equal(top(&t, 0)->par.hot_ns, 2500000);
	build(&t, &set);
	assert_int_equal(top(&t, 0)->par.hot_ns, 7000000);
	release(&t);
}

/* ---- full ---- */

static void stack_is(const struct tree *t, unsigned cpu, const char *want)
{
	char got[200] = "";

	for (unsigned k = 0; k < t->d.depth[cpu]; k++) {
		const struct rpl_span *s = span_at(t, cpu, k);
		size_t n = strlen(got);

		snprintf(got + n, sizeof(got) - n, "%s%s%.0u:%u/%u", k ? " " : "", t->d.level[s->level].name,
			 t->d.level[s->level].distance, s->n, s->ngroups);
	}
	assert_string_equal(got, want);
}

static void full_levels_follow_the_machine(void **state)
{
	static const struct {
		const char *machine;
		unsigned cpu;
		const char *stack;
	} want[] = {
		{ "smt-2x2", 0, "SMT:2/2 NODE:4/2" },
		{ "core-8", 0, "LLC:8/8" },
		{ "ccx-2x4x2", 0, "SMT:2/2 LLC:8/4 PACKAGE:16/2" },
		{ "ccx-8x8x2", 127, "SMT:2/2 LLC:16/8 PACKAGE:128/8" },
		{ "biglittle-4+4", 7, "LLC:4/4 PACKAGE:8/2" },
		{ "hybrid-6x2+8", 0, "SMT:2/2 LLC:20/8" },
		{ "hybrid-6x2+8", 19, "CLUSTER:4/4 LLC:20/8" },
		{ "numa-2x8x2", 0, "SMT:2/2 LLC:16/8 NUMA21:32/2" },
		{ "numa-4x16x2", 5, "SMT:2/2 LLC:32/16 NUMA21:128/4" },
		{ "numa-8x64x2", 1023, "SMT:2/2 LLC:128/64 NUMA21:512/4 NUMA31:1024/2" },
		{ "pack:2 [numa] l3:2 l2:2 core:2 pu:2", 0, "SMT:2/2 CLUSTER:4/2 LLC:8/2 PACKAGE:16/2 NUMA20:32/2" },
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct tree t;

		load(&t, want[i].machine, &full);
		stack_is(&t, want[i].cpu, want[i].stack);
		release(&t);
	}
}

/* A package of two nodes is parted by them, not the other way round. */
static void packages_and_caches_end_at_their_node(void **state)
{
	struct tree t;

	load(&t, "pack:1 l3:1 numa:2 core:2 pu:2", &full);
	stack_is(&t, 0, "SMT:2/2 LLC:4/2 NUMA20:8/2");
	release(&t);
}

static void a_ring_is_seen_from_each_node(void **state)
{
	static const uint16_t of_0[] = { 0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15 };
	struct tree t;
	const struct rpl_span *s;

	load(&t, "numa-4x4", &full);
	stack_is(&t, 0, "LLC:4/4 NUMA16:12/3 NUMA22:16/2");
	s = span_at(&t, 0, 1);
	assert_int_equal(t.d.level[s->level].nspans, 4);
	assert_memory_equal(s->cpu, of_0, sizeof(of_0));
	assert_false(rpl_span_has(&t.d, s, 8));
	assert_int_equal(s->group[0].power, 4 * 128);
	/* Beyond: what node 0 sees at the distance before, and the rest. */
	s = span_at(&t, 0, 2);
	assert_int_equal(s->group[0].n, 12);
	assert_int_equal(s->group[1].n, 4);
	assert_int_equal(s->group[1].cpu[0], 8);
	assert_int_equal(rpl_stack(&t.d, 8)[2].span->group[rpl_stack(&t.d, 8)[2].own].n, 12);
	release(&t);
}

static void nodes_that_see_the_same_share_a_span(void **state)
{
	struct tree t;

	load(&t, "numa-8x64x2", &full);
	assert_int_equal(t.d.level[t.d.nlevels - 2].nspans, 2);
	assert_int_equal(t.d.level[t.d.nlevels - 1].nspans, 1);
	assert_int_equal(rpl_stack(&t.d, 1000)[3].own, 1);
	release(&t);
}

/* More distances than there is room for: the last ones are one level. */
static void many_distances_are_cut(void **state)
{
	struct tree t;

	load(&t, "numa:12 core:1 pu:1", &of_267);
	for (unsigned i = 0; i < 12; i++)
		for (unsigned k = 0; k < 12; k++)
			t.m->distance[i * 12 + k] = i == k ? 10 : 10 + (i > k ? i - k : k - i);
	build(&t, &full);
	check(&t);
	assert_int_equal(t.d.depth[0], 8);
	assert_int_equal(top(&t, 0)->n, 12);
	assert_int_equal(span_at(&t, 5, 0)->n, 3);
	release(&t);
}

/* Distances that say one thing there and another back. */
static void distances_need_not_be_symmetric(void **state)
{
	struct tree t;

	load(&t, "numa:5 core:2 pu:1", &of_267);
	for (unsigned i = 0; i < 25; i++)
		t.m->distance[i] = 10 + (i * 7919) % 23;
	build(&t, &full);
	check(&t);
	release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_part_spans_and_spans_hold_those_below_on_every_machine),
		cmocka_unit_test(cpus_that_are_not_online_have_no_domains),
		cmocka_unit_test(power_of_a_core_with_two_threads_is_140),
		cmocka_unit_test(power_of_a_core_with_four_threads_is_166),
		cmocka_unit_test(power_of_a_single_cpu_is_128),
		cmocka_unit_test(power_of_a_node_is_the_sum_of_its_cores),
		cmocka_unit_test(power_goes_with_capacity),
		cmocka_unit_test(levels_are_sibling_node_machine),
		cmocka_unit_test(levels_of_a_single_group_stay_unless_they_are_dropped),
		cmocka_unit_test(constants_are_those_of_the_kernels),
		cmocka_unit_test(hot_time_can_go_by_the_caches_that_a_move_leaves),
		cmocka_unit_test(full_levels_follow_the_machine),
		cmocka_unit_test(packages_and_caches_end_at_their_node),
		cmocka_unit_test(a_ring_is_seen_from_each_node),
		cmocka_unit_test(nodes_that_see_the_same_share_a_span),
		cmocka_unit_test(many_distances_are_cut),
		cmocka_unit_test(distances_need_not_be_symmetric),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
