/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_engine.h"

static void open_as(struct fake *f, const char *machine, const char *policy)
{
	struct sr_error err = { 0 };

	if (fake_open(f, machine, policy, &err))
		fail_msg("%s", err.text);
}

static void every_policy_is_found_by_its_name(void **state)
{
	struct sr_error err;
	const char *options;
	size_t n = 0;

	for (; rpl_policies[n]; n++) {
		assert_ptr_equal(rpl_policy_find(rpl_policies[n]->name, &options, &err), rpl_policies[n]);
		assert_null(options);
		assert_int_equal(rpl_policies[n]->version, RPL_POLICY_VERSION);
		assert_true(!rpl_policies[n]->pins || rpl_policies[n]->place);
		assert_true(!rpl_policies[n]->ticks || (rpl_policies[n]->tick && rpl_policies[n]->tick_ns));
	}
	assert_int_equal(n, 7);
}

static void options_begin_after_the_colon(void **state)
{
	struct sr_error err;
	const char *options;

	assert_ptr_equal(rpl_policy_find("domain:hot=267,tick=4ms", &options, &err), &rpl_policy_domain);
	assert_string_equal(options, "hot=267,tick=4ms");
	assert_ptr_equal(rpl_policy_find("bld:", &options, &err), &rpl_policy_bld);
	assert_null(options);
}

static void unknown_name_is_refused_with_the_list(void **state)
{
	static const char *const wrong[] = { "bl", "bldx", "", "bld-", "domain,bld" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct sr_error err = { 0 };
		const char *options;

		assert_null(rpl_policy_find(wrong[i], &options, &err));
		assert_int_equal(err.status, SR_USAGE);
		assert_non_null(strstr(err.text, "kernel, recorded, domain, bld, bld-2012, bld-fixed, random"));
	}
}

static void list_is_cut_at_policies_not_at_options(void **state)
{
	char text[] = "kernel,domain:hot=267,tick=4ms,bld,bld:affinity=respect,random";
	static const char *const want[] = { "kernel", "domain:hot=267,tick=4ms", "bld", "bld:affinity=respect",
					    "random" };
	char *list = text;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_string_equal(rpl_policy_next(&list), want[i]);
	assert_null(rpl_policy_next(&list));
	assert_null(rpl_policy_next(&list));
}

static void policies_without_options_refuse_any(void **state)
{
	static const char *const wrong[] = { "kernel:a=b",         "recorded:a=b",
					     "random:seed=1",      "bld-2012:affinity=respect",
					     "bld-fixed:x=y",      "bld:colour=red",
					     "bld:affinity=maybe", "bld:affinity" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct sr_error err = { 0 };
		struct fake f;

		assert_int_equal(fake_open(&f, "core-4", wrong[i], &err), -1);
		assert_int_equal(err.status, SR_USAGE);
		fake_close(&f);
	}
}

static void domain_alone_ticks(void **state)
{
	for (size_t i = 0; rpl_policies[i]; i++)
		assert_int_equal(rpl_policies[i]->ticks, rpl_policies[i] == &rpl_policy_domain);
	assert_int_equal(rpl_policy_domain.tick_ns, 1000000);
}

static void kernel_alone_pins_nothing(void **state)
{
	for (size_t i = 0; rpl_policies[i]; i++)
		assert_int_equal(rpl_policies[i]->pins, rpl_policies[i] != &rpl_policy_kernel);
}

static void recorded_is_the_recorded_cpu(void **state)
{
	struct fake f;
	int t;

	open_as(&f, "core-4", "recorded");
	t = fake_task(&f, 120);
	f.task[t].recorded_cpu = 2;
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 0, 1), 2);
	f.task[t].recorded_cpu = -1;
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 0, 1), -1);
	fake_close(&f);
}

static void recorded_cpus_fold_onto_a_smaller_machine(void **state)
{
	struct fake f;
	int t;

	open_as(&f, "core-4", "recorded");
	t = fake_task(&f, 120);
	f.task[t].recorded_cpu = 7;
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 0, 0), 3);
	f.m->v[1].online = 0; /* 0, 2 and 3 are left */
	f.task[t].recorded_cpu = 1;
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 0, 0), 2);
	f.task[t].recorded_cpu = 3;
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 0, 0), 3);
	fake_close(&f);
}

static void recorded_gives_way_to_affinity(void **state)
{
	struct fake f;
	struct sr_cpumask mask = { { 0x3 } };
	int t;

	open_as(&f, "core-4", "recorded");
	t = fake_task(&f, 120);
	f.task[t].recorded_cpu = 2;
	f.task[t].allowed = &mask;
	assert_int_equal(fake_place(&f, SR_CAUSE_WAKE, t, 0, 1), 1);
	fake_close(&f);
}

static void random_is_even_over_the_allowed(void **state)
{
	struct sr_cpumask mask = { { 0xe5 } };
	unsigned n[8] = { 0 };
	struct fake f;
	int t;

	open_as(&f, "core-8", "random");
	t = fake_task(&f, 120);
	f.task[t].allowed = &mask;
	for (int i = 0; i < 50000; i++)
		n[fake_place(&f, SR_CAUSE_WAKE, t, 0, 0)]++;
	for (unsigned i = 0; i < 8; i++) {
		if (mask.w[0] >> i & 1)
			assert_in_range(n[i], 9600, 10400); /* 10,000 each, sigma 89 */
		else
			assert_int_equal(n[i], 0);
	}
	fake_close(&f);
}

static void random_repeats_with_its_seed(void **state)
{
	int first[100];

	for (int round = 0; round < 3; round++) {
		struct fake f;
		int t, same = 0;

		open_as(&f, "core-8", "random");
		f.e.seed = round == 2 ? 43 : 42;
		assert_int_equal(f.p->init(&f.e, NULL, &f.state, &(struct sr_error){ 0 }), 0);
		t = fake_task(&f, 120);
		for (int i = 0; i < 100; i++) {
			int cpu = fake_place(&f, SR_CAUSE_WAKE, t, 0, 0);

			if (!round)
				first[i] = cpu;
			same += first[i] == cpu;
		}
		if (round == 2)
			assert_true(same < 50);
		else
			assert_int_equal(same, 100);
		fake_close(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_policy_is_found_by_its_name),
		cmocka_unit_test(options_begin_after_the_colon),
		cmocka_unit_test(unknown_name_is_refused_with_the_list),
		cmocka_unit_test(list_is_cut_at_policies_not_at_options),
		cmocka_unit_test(policies_without_options_refuse_any),
		cmocka_unit_test(domain_alone_ticks),
		cmocka_unit_test(kernel_alone_pins_nothing),
		cmocka_unit_test(recorded_is_the_recorded_cpu),
		cmocka_unit_test(recorded_cpus_fold_onto_a_smaller_machine),
		cmocka_unit_test(recorded_gives_way_to_affinity),
		cmocka_unit_test(random_is_even_over_the_allowed),
		cmocka_unit_test(random_repeats_with_its_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
