/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU maps, and the attributes section: what goes in comes out, and hostile bytes do not. */
#include "formats/attr.h"
#include "formats/cgroup.h"
#include "formats/model.h"
#include "tests/unit/trace_builder.h"

static void parsed(const char *text, unsigned from, int to)
{
	struct sr_cpu_map map;
	struct sr_error err;

	assert_int_equal(sr_cpu_map_parse(&map, text, &err), 0);
	assert_int_equal(map.to[from], to);
}

static void a_cpu_map_has_single_cpus_ranges_and_one_for_all(void **state)
{
	parsed("1=0", 1, 0);
	parsed("1=0", 0, -1);
	parsed("0-3=4-7,8=1", 3, 7);
	parsed("0-3=4-7,8=1", 8, 1);
	parsed("0-3=2", 3, 2);
	parsed("0-4095=0", 4095, 0);
}

static void a_wrong_cpu_map_is_refused(void **state)
{
	static const char *const wrong[] = { "",        "1",     "1=",     "=1",   "a=1",     "1=0,",  "1=0,1=2",
					     "0-3=1-2", "3-1=0", "1=4096", "1 =0", "1=0;2=1", "1=2-1", "99999999999=0" };
	struct sr_cpu_map map;
	struct sr_error err;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (sr_cpu_map_parse(&map, wrong[i], &err) == 0 || err.status != SR_USAGE)
			fail_msg("'%s' was taken", wrong[i]);
}

/* Recorded on 4 CPUs, replayed on CPUs 4 to 7 of more. */
static void who_was_allowed_everywhere_still_is_under_a_map(void **state)
{
	struct sr_cpumask of_start[] = { { { 0xf } }, { { 0x3 } } }, read[] = { { { 0xf } }, { { 0x8 } } };
	struct sr_program tasks[] = { { .allowed = &of_start[0], .first_cpu = 1 }, { .allowed = &of_start[1] } };
	struct sr_model m = { .tasks = tasks,
			      .ntasks = 2,
			      .cpus = 4,
			      .starts = { .masks = of_start, .nmasks = 2 },
			      .attrs = { .masks = read, .nmasks = 2 } };
	struct sr_cpu_map map;
	struct sr_error err;

	assert_int_equal(sr_cpu_map_parse(&map, "0-3=4-7", &err), 0);
	sr_model_map_cpus(&m, &map);
	for (unsigned cpu = 0; cpu < 12; cpu++) {
		assert_true(sr_cpumask_isset(tasks[0].allowed, cpu));
		assert_true(sr_cpumask_isset(&read[0], cpu));
		assert_int_equal(sr_cpumask_isset(tasks[1].allowed, cpu), cpu == 4 || cpu == 5);
		assert_int_equal(sr_cpumask_isset(&read[1], cpu), cpu == 7);
	}
	assert_int_equal(tasks[0].first_cpu, 5);
	assert_int_equal(m.counts.masks_unmapped, 0);
}

static void fill(struct sr_attrs *a)
{
	struct sr_cpumask mask = { { 0 } };
	struct sr_group g = { .path = (char *)"/a", .version = 2, .weight = 50, .quota_us = 1000, .period_us = 10000 };
	struct sr_attr set = {
		.policy = 6, .nice = -3, .session = 7, .session_nice = 5, .mask = SR_ATTR_NONE, .group = SR_ATTR_NONE
	};

	sr_cpumask_set(&mask, 3);
	assert_int_equal(sr_attrs_add(a, 0, 10, sr_attrs_set(a, &set)), 0);
	set.runtime_ns = 5;
	set.mask = sr_attrs_mask(a, &mask);
	set.group = sr_attrs_group(a, &g);
	assert_int_equal(sr_attrs_group(a, &g), set.group);
	assert_int_equal(sr_attrs_add(a, 100, 11, sr_attrs_set(a, &set)), 0);
	assert_int_equal(sr_attrs_set(a, &set), 1);
}

static struct srz_reader *written(const void *bytes, size_t len, const struct sr_attrs *a)
{
	struct sr_error err;
	struct trace t;
	struct srz_reader *r;

	trace_begin(&t, "system");
	if (a)
		assert_int_equal(sr_attrs_put(t.w, a, &err), 0);
	else
		assert_int_equal(srz_put_section(t.w, SRZ_SEC_ATTRIBUTES, bytes, len, &err), 0);
	assert_int_equal(srz_close(t.w, &err), 0);
	r = srz_open(t.path, &err);
	assert_non_null(r);
	unlink(t.path);
	return r;
}

static void attributes_come_out_as_they_went_in(void **state)
{
	struct sr_attrs a = { 0 }, b;
	struct srz_reader *r;
	struct sr_error err;
	const struct sr_attr *set;

	fill(&a);
	r = written(NULL, 0, &a);
	assert_int_equal(sr_attrs_get(r, &b, &err), 0);
	assert_int_equal(b.nentries, 2);
	set = sr_attrs_at(&b, 100, 11);
	assert_non_null(set);
	assert_int_equal(set->policy, 6);
	assert_int_equal(set->nice, -3);
	assert_int_equal(set->session_nice, 5);
	assert_int_equal(set->runtime_ns, 5);
	assert_true(sr_cpumask_isset(&b.masks[set->mask], 3));
	assert_string_equal(b.groups[set->group].path, "/a");
	assert_int_equal(b.groups[set->group].quota_us, 1000);
	assert_int_equal(sr_attrs_at(&b, 0, 10)->mask, SR_ATTR_NONE);
	assert_null(sr_attrs_at(&b, 100, 10));
	sr_attrs_release(&a);
	sr_attrs_release(&b);
	srz_reader_free(r);
}

/* Cut anywhere, or with any byte changed: refused, or taken as something else, but never beyond the bytes. */
static void hostile_attributes_are_refused(void **state)
{
	struct sr_attrs a = { 0 }, b;
	struct srz_reader *r, *bad;
	struct sr_error err;
	const uint8_t *p;
	uint8_t copy[256];
	size_t len, i;

	fill(&a);
	r = written(NULL, 0, &a);
	p = srz_get_section(r, SRZ_SEC_ATTRIBUTES, &len);
	assert_in_range(len, 20, sizeof(copy));
	for (i = 0; i < len; i++) {
		bad = written(p, i, NULL);
		assert_int_equal(sr_attrs_get(bad, &b, &err), -1);
		assert_int_equal(err.status, SR_DAMAGED);
		srz_reader_free(bad);
		memcpy(copy, p, len);
		copy[i] = 0xff;
		bad = written(copy, len, NULL);
		if (sr_attrs_get(bad, &b, &err) == 0)
			sr_attrs_release(&b);
		srz_reader_free(bad);
	}
	sr_attrs_release(&a);
	srz_reader_free(r);
}

static void the_group_is_that_of_the_cpu_controller(void **state)
{
	char v1[] = "9:name=systemd:/x\n2:cpuacct,cpu:/one\n0::/two\n", v2[] = "0::/two/three\n";
	char both[] = "9:name=systemd:/x\n3:cpuset:/y\n0::/two\n", none[] = "9:cpuset:/\nnonsense";
	const char *path;

	assert_int_equal(sr_cgroup_parse(v1, &path), 1);
	assert_string_equal(path, "/one");
	assert_int_equal(sr_cgroup_parse(v2, &path), 2);
	assert_string_equal(path, "/two/three");
	assert_int_equal(sr_cgroup_parse(both, &path), 2);
	assert_string_equal(path, "/two");
	assert_int_equal(sr_cgroup_parse(none, &path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cpu_map_has_single_cpus_ranges_and_one_for_all),
		cmocka_unit_test(a_wrong_cpu_map_is_refused),
		cmocka_unit_test(who_was_allowed_everywhere_still_is_under_a_map),
		cmocka_unit_test(attributes_come_out_as_they_went_in),
		cmocka_unit_test(hostile_attributes_are_refused),
		cmocka_unit_test(the_group_is_that_of_the_cpu_controller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
