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
		assert_true(rpl_policies[n]->summary && rpl_policies[n]->text && rpl_policies[n]->sources &&
			    rpl_policies[n]->cost);
	}
	assert_int_equal(n, 9);
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
		assert_non_null(strstr(err.text,
				       "kernel, recorded, domain, bld, bld-2012, bld-fixed, eas, roundrobin, random"));
	}
}

static void list_is_cut_at_policies_not_at_options(void **state)
{
	char text[] = "kernel,domain:hot=267,tick=4ms,bld,bld:affinity=respect,./a=b.so:x=1,y=/c,random";
	static const char *const want[] = {
		"kernel", "domain:hot=267,tick=4ms", "bld", "bld:affinity=respect", "./a=b.so:x=1,y=/c", "random"
	};
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
					     "bld:affinity=maybe", "bld:affinity",
					     "roundrobin:a=b",     "eas:colour=red",
					     "eas:headroom=101",   "eas:headroom=",
					     "eas:headroom=2x",    "eas:headroom=4294967321",
					     "eas:margin=maybe",   "eas:tick=1us",
					     "eas:tick=4" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct sr_error err = { 0 };
		struct fake f;

		assert_int_equal(fake_open(&f, "core-4", wrong[i], &err), -1);
		assert_int_equal(err.status, SR_USAGE);
		fake_close(&f);
	}
}

static void domain_and_eas_alone_tick(void **state)
{
	for (size_t i = 0; rpl_policies[i]; i++)
		assert_int_equal(rpl_policies[i]->ticks,
				 rpl_policies[i] == &rpl_policy_domain || rpl_policies[i] == &rpl_policy_eas);
	assert_int_equal(rpl_policy_domain.tick_ns, 1000000);
	assert_int_equal(rpl_policy_eas.tick_ns, 4000000);
}

static void options_of_the_help_are_taken(void **state)
{
	for (size_t i = 0; rpl_policies[i]; i++) {
		const struct rpl_policy_option *o = rpl_policies[i]->options;

		for (; o && o->key; o++) {
			struct sr_error err = { 0 };
			struct fake f;
			char spec[128];

			assert_non_null(o->help);
			if (!strcmp(o->values, "FILE"))
				continue;
			/* Its default, or its first value. */
			snprintf(spec, sizeof(spec), "%s:%s=%.*s", rpl_policies[i]->name, o->key,
				 (int)strcspn(o->deflt ? o->deflt : o->values, "|"), o->deflt ? o->deflt : o->values);
			if (fake_open(&f, "core-4", spec, &err))
				fail_msg("%s: %s", spec, err.text);
			fake_close(&f);
			snprintf(spec, sizeof(spec), "%s:%s=", rpl_policies[i]->name, o->key);
			assert_int_equal(fake_open(&f, "core-4", spec, &err), -1);
			fake_close(&f);
		}
	}
}

static void unknown_option_is_refused_with_those_there_are(void **state)
{
	struct sr_error err = { 0 };
	struct fake f;

	assert_int_equal(fake_open(&f, "core-4", "eas:colour=red", &err), -1);
	assert_string_equal(err.text, "policy eas has no option 'colour': it takes energy=FILE, headroom=PERCENT, "
				      "margin=yes|no, tick=T");
	fake_close(&f);
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

static void recorded_counts_what_it_could_not_follow(void **state)
{
	struct rpl_policy_count v[RPL_POLICY_COUNTS];
	struct sr_cpumask mask = { { 0x3 } };
	struct fake f;
	int t;

	open_as(&f, "core-4", "recorded");
	t = fake_task(&f, 120);
	f.task[t].recorded_cpu = 2;
	fake_place(&f, SR_CAUSE_WAKE, t, 0, 1); /* as recorded */
	f.task[t].recorded_cpu = 7;
	fake_place(&f, SR_CAUSE_WAKE, t, 0, 1);
	f.task[t].recorded_cpu = 4;
	fake_place(&f, SR_CAUSE_WAKE, t, 0, 1);
	f.task[t].recorded_cpu = -1;
	fake_place(&f, SR_CAUSE_WAKE, t, 0, 1);
	f.task[t].recorded_cpu = 2;
	f.task[t].allowed = &mask;
	fake_place(&f, SR_CAUSE_WAKE, t, 0, 1);
	assert_int_equal(f.p->report(&f.e, f.state, v), 3);
	assert_string_equal(v[0].name, "recorded_cpu_lacking");
	assert_int_equal(v[0].n, 2);
	assert_true(v[0].warn);
	assert_string_equal(v[1].name, "recorded_cpu_forbidden");
	assert_int_equal(v[1].n, 1);
	assert_string_equal(v[2].name, "recorded_cpu_unknown");
	assert_int_equal(v[2].n, 1);
	fake_close(&f);
}

static void roundrobin_goes_around_the_allowed(void **state)
{
	static const int want[] = { 0, 1, 2, 4, 6, 7, 1 }, causes[] = { SR_CAUSE_FORK, SR_CAUSE_WAKE, SR_CAUSE_EXEC };
	struct sr_cpumask mask = { { 0xd2 } }; /* 1, 4, 6, 7 */
	struct fake f;
	int t;

	open_as(&f, "core-8", "roundrobin");
	t = fake_task(&f, 120);
	for (size_t i = 0; i < 7; i++) {
		f.task[t].allowed = i < 3 ? NULL : &mask;
		assert_int_equal(fake_place(&f, causes[i % 3], t, 0, 0), want[i]);
	}
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
		cmocka_unit_test(domain_and_eas_alone_tick),
		cmocka_unit_test(options_of_the_help_are_taken),
		cmocka_unit_test(unknown_option_is_refused_with_those_there_are),
		cmocka_unit_test(roundrobin_goes_around_the_allowed),
		cmocka_unit_test(recorded_counts_what_it_could_not_follow),
		cmocka_unit_test(kernel_alone_pins_nothing),
		cmocka_unit_test(recorded_is_the_recorded_cpu),
		cmocka_unit_test(recorded_cpus_fold_onto_a_smaller_machine),
		cmocka_unit_test(recorded_gives_way_to_affinity),
		cmocka_unit_test(random_is_even_over_the_allowed),
		cmocka_unit_test(random_repeats_with_its_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
