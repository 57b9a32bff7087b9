/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The database: what goes in comes out, what is not ours is refused; comparison of what is in it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyze/db_internal.h"

static char dir[] = "/tmp/schedrec-db.XXXXXX", path[64];
static struct sr_error err;
static struct ana_db *db;

static int setup(void **state)
{
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/runs.db", dir);
	return 0;
}

static int teardown(void **state)
{
	char cmd[80];

	ana_db_close(db);
	db = NULL;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static void open_db(void)
{
	db = ana_db_open(path, true, &err);
	if (!db)
		fail_msg("%s", err.text);
}

static void refused(enum sr_status status, const char *text)
{
	assert_null(ana_db_open(path, true, &err));
	assert_int_equal(err.status, status);
	if (!strstr(err.text, text))
		fail_msg("'%s' lacks '%s'", err.text, text);
	assert_null(strchr(err.text, '\n'));
}

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	for (int i = 0; i < 100; i++)
		fputs(text, f);
	fclose(f);
}

/* Through another's sqlite, to see the file as others do. */
static double query(const char *sql)
{
	char cmd[512], line[64] = "";
	FILE *f;

	snprintf(cmd, sizeof(cmd), "sqlite3 %s \"%s\"", path, sql);
	f = popen(cmd, "re");
	assert_non_null(f);
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	if (pclose(f))
		fail_msg("%s", cmd);
	return *line ? strtod(line, NULL) : NAN;
}

static int64_t store(const char *policy, const char *label, int repeat, const char *trace, double makespan, double p99)
{
	struct ana_run run = { .trace_sha256 = trace,
			       .trace_name = trace,
			       .label = label,
			       .engine = "live",
			       .policy = policy,
			       .repeat = repeat };
	struct ana_result r = { 0 };

	assert_int_equal(ana_set(&r, "makespan_ns", "ns", makespan, &err), 0);
	assert_int_equal(ana_set(&r, "wakeup_latency_ns.p99", "ns", p99, &err), 0);
	assert_int_equal(ana_set(&r, "fidelity.makespan_error", "ratio", makespan / 1e9, &err), 0);
	if (ana_db_store(db, &run, &r, &err) < 0)
		fail_msg("%s", err.text);
	ana_result_release(&r);
	return run.id;
}

static void test_a_run_is_stored_whole(void **state)
{
	struct ana_run run = { .trace_sha256 = "ab",
			       .trace_name = "x.srz",
			       .engine = "live",
			       .policy = "bld",
			       .repeat = 3,
			       .order_slot = 7,
			       .lost_events = 9 };
	struct ana_task_row tasks[2] = { { .tid = 5, .source = 2, .comm = "it's", .cpu_ns = 100 },
					 { .tid = 6, .source = UINT32_MAX, .comm = "b", .voluntary = 4 } };
	struct ana_result r = { .tasks = tasks, .ntasks = 2, .censored = 4 };

	open_db();
	r.wakeup_latency = calloc(1, sizeof(*r.wakeup_latency));
	ana_hist_add(r.wakeup_latency, 5);
	ana_hist_add(r.wakeup_latency, 5);
	ana_hist_add(r.wakeup_latency, 1000);
	assert_int_equal(ana_set(&r, "makespan_ns", "ns", 1.5, &err), 0);
	assert_int_equal(ana_set(&r, "cpu_time_ns", "ns", NAN, &err), 0);
	assert_int_equal(ana_db_store(db, &run, &r, &err), 0);
	assert_true(query("select repeat * 10 + order_slot from run where policy = 'bld' and label is null") == 37);
	assert_true(query("select lost_events * 10 + censored from run") == 94);
	assert_true(query("select value from run join metric on run.id = run_id where name = 'makespan_ns'") == 1.5);
	assert_true(query("select count(*) from metric") == 1); /* what is not a number is absent */
	assert_true(query("select sum(count) from histogram where name = 'wakeup_latency_ns'") == 3);
	assert_true(query("select count from histogram where bucket_lo <= 5 and bucket_hi >= 5") == 2);
	assert_true(query("select cpu_ns from task where comm = 'it''s' and source = 2") == 100);
	assert_true(query("select count(*) from task where source is null and switches_voluntary = 4") == 1);
	r.tasks = NULL;
	ana_result_release(&r);
}

static void test_a_second_process_sees_and_adds(void **state)
{
	struct ana_db *other;

	open_db();
	store("kernel", NULL, 0, "t", 1, 1);
	other = ana_db_open(path, false, &err);
	assert_non_null(other);
	ana_db_close(db);
	db = other;
	assert_int_equal(store("kernel", NULL, 1, "t", 1, 1), 2);
	assert_true(query("select count(*) from run") == 2);
	assert_true(query("pragma user_version") == 1);
}

static void test_writers_wait_for_each_other(void **state)
{
	enum { CHILDREN = 4, RUNS = 10 };
	int status;

	for (int c = 0; c < CHILDREN; c++) {
		if (fork())
			continue;
		open_db(); /* all of them make it, or find it made */
		for (int i = 0; i < RUNS; i++)
			store("kernel", NULL, i, "t", i, c);
		ana_db_close(db);
		_exit(0);
	}
	for (int c = 0; c < CHILDREN; c++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_true(query("select count(*) from run") == CHILDREN * RUNS);
}

static void test_a_recordings_own_row_is_replaced(void **state)
{
	struct ana_run run = { .trace_sha256 = "ab", .engine = "recorded", .policy = "kernel" };
	struct ana_result r = { 0 };
	int64_t first;

	open_db();
	assert_int_equal(ana_set(&r, "makespan_ns", "ns", 1, &err), 0);
	assert_int_equal(ana_db_store(db, &run, &r, &err), 0);
	first = run.id;
	assert_int_equal(ana_set(&r, "makespan_ns", "ns", 2, &err), 0);
	assert_int_equal(ana_db_store(db, &run, &r, &err), 0);
	assert_int_equal(run.id, first);
	assert_true(query("select sum(value) from metric") == 2); /* the old metrics are gone with their run */
	run.label = "another";
	assert_int_equal(ana_db_store(db, &run, &r, &err), 0);
	assert_true(query("select count(*) from run") == 2);
	ana_result_release(&r);
}

static void test_a_file_that_is_no_database_is_damaged(void **state)
{
	write_file("this is a text, and not a short one\n");
	refused(SR_DAMAGED, "not a database");
}

static void test_a_foreign_database_is_left_alone(void **state)
{
	query("create table t(x)");
	refused(SR_DAMAGED, "not schedrec's");
	assert_true(query("select count(*) from sqlite_master") == 1);
}

static void test_a_newer_database_is_refused(void **state)
{
	open_db();
	ana_db_close(db);
	db = NULL;
	query("pragma user_version = 1000");
	refused(SR_DAMAGED, "newer");
}

static void test_a_database_that_cannot_be_made(void **state)
{
	strcat(path, "/deeper/x.db");
	refused(SR_ENVIRONMENT, "cannot open");
}

static void test_what_is_not_there_is_not_made_for_reading(void **state)
{
	assert_null(ana_db_open(path, false, &err));
	assert_int_equal(err.status, SR_ENVIRONMENT);
	assert_int_equal(access(path, F_OK), -1);
	write_file("");
	assert_null(ana_db_open(path, false, &err));
	assert_int_equal(err.status, SR_DAMAGED);
}

static void test_a_run_that_fails_leaves_nothing(void **state)
{
	struct ana_run run = { .engine = "live", .policy = "bld" };
	struct ana_metric twice[2] = { { "a", "ns", 1 }, { "a", "ns", 2 } };
	struct ana_result r = { .metrics = twice, .nmetrics = 2 };

	open_db();
	assert_int_equal(ana_db_store(db, &run, &r, &err), -1);
	assert_true(query("select count(*) from run") == 0);
	store("kernel", NULL, 0, "t", 1, 1);
}

/* Comparison. */

static struct ana_comparison cmp;

static int compare_teardown(void **state)
{
	ana_comparison_release(&cmp);
	return teardown(state);
}

static int compare(const char *base, const char *cand)
{
	struct ana_compare_options o = { .margin = 0.05 };

	return ana_compare(db, base, cand, &o, &cmp, &err);
}

static const struct ana_cell *cell(const char *trace, const char *metric)
{
	for (size_t i = 0; i < cmp.ncells; i++)
		if (!strcmp(cmp.cells[i].trace, trace) && !strcmp(cmp.cells[i].metric, metric))
			return &cmp.cells[i];
	fail_msg("no cell %s %s", trace, metric);
	return NULL;
}

static void usage(const char *base, const char *cand, const char *text)
{
	assert_int_equal(compare(base, cand), -1);
	assert_int_equal(err.status, SR_USAGE);
	if (!strstr(err.text, text))
		fail_msg("'%s' lacks '%s'", err.text, text);
}

/* 8 rounds of two policies on two traces, in an order that is not that of the rounds. */
static void eight_rounds(void)
{
	open_db();
	for (int i = 0; i < 8; i++) {
		int r = (i * 3) % 8;

		store("kernel", "x", r, "t1", 1000 + 10 * r, 100 + r);
		store("bld", "x", 7 - r, "t1", 1300 + 13 * (7 - r), 100 + (7 - r));
		store("kernel", "x", r, "t2", 500, 100 + r);
		store("bld", "x", r, "t2", 500, 100 - r);
	}
}

static void test_rounds_are_paired_by_trace_and_number(void **state)
{
	eight_rounds();
	assert_int_equal(compare("policy=kernel", "policy=bld"), 0);
	assert_int_equal(cmp.ncells, 4);
	assert_int_equal(cmp.unpaired, 0);
	assert_int_equal(cell("t1", "makespan_ns")->s.rounds, 8);
	/* Exactly 30 % in each pair, and in no other pairing. */
	assert_true(fabs(cell("t1", "makespan_ns")->s.shift - 0.3) < 1e-9);
	assert_true(fabs(cell("t1", "makespan_ns")->s.hi - 0.3) < 1e-9);
	assert_int_equal(cell("t1", "makespan_ns")->s.verdict, ANA_REGRESSED);
	assert_int_equal(cell("t1", "wakeup_latency_ns.p99")->s.verdict, ANA_IDENTICAL);
	assert_int_equal(cell("t2", "makespan_ns")->s.verdict, ANA_IDENTICAL);
	assert_true(cell("t1", "makespan_ns")->base == 1035);
}

static void test_rounds_without_counterpart_are_left_out(void **state)
{
	eight_rounds();
	store("kernel", "x", 8, "t1", 1, 1);
	store("bld", "x", 9, "t1", 1, 1);
	assert_int_equal(compare("policy=kernel,trace=t1", "policy=bld,trace=t1"), 0);
	assert_int_equal(cmp.unpaired, 2);
	assert_int_equal(cell("t1", "makespan_ns")->s.rounds, 8);
	ana_comparison_release(&cmp);
	for (int r = 0; r < 5; r++) {
		if (r != 3)
			store("kernel", "x", r, "t3", 100 + r, 1);
		if (r != 1)
			store("bld", "x", r, "t3", 100 + r, 1);
	}
	assert_int_equal(compare("policy=kernel,trace=t3", "policy=bld,trace=t3"), 0);
	assert_int_equal(cmp.unpaired, 2);
	assert_int_equal(cell("t3", "makespan_ns")->s.rounds, 3);
	assert_int_equal(cell("t3", "makespan_ns")->s.verdict, ANA_IDENTICAL);
}

static void test_a_repeated_series_adds_rounds(void **state)
{
	eight_rounds();
	ana_db_close(db);
	eight_rounds();
	assert_int_equal(compare("policy=kernel,trace=t1", "policy=bld,trace=t1"), 0);
	assert_int_equal(cell("t1", "makespan_ns")->s.rounds, 16);
	assert_true(fabs(cell("t1", "makespan_ns")->s.lo - 0.3) < 1e-9);
}

static void test_fidelity_is_never_compared(void **state)
{
	const char *const globs[] = { "*" };
	struct ana_compare_options o = { .margin = 0.05, .metrics = globs, .nmetrics = 1 };

	eight_rounds();
	assert_int_equal(ana_compare(db, "policy=kernel", "policy=bld", &o, &cmp, &err), 0);
	for (size_t i = 0; i < cmp.ncells; i++)
		assert_null(strstr(cmp.cells[i].metric, "fidelity"));
}

static void test_a_selector_that_matches_nothing_says_what_there_is(void **state)
{
	eight_rounds();
	usage("policy=kernel", "policy=eas", "bld, kernel");
	usage("label=y", "policy=bld", "labels: x");
	usage("trace=t3", "policy=bld", "traces: t1, t2");
}

static void test_a_wrong_selector_is_named(void **state)
{
	eight_rounds();
	usage("colour=red", "policy=bld", "colour");
	usage("policy", "policy=bld", "'policy'");
	usage("run=1x", "policy=bld", "run=1x");
	usage("policy=kernel", "run=99", "run=99");
}

static void test_an_arm_is_one_thing(void **state)
{
	eight_rounds();
	usage("label=x", "policy=bld", "policy=kernel and policy=bld");
	store("bld", "y", 0, "t1", 1, 1);
	usage("policy=kernel", "policy=bld", "label=x and label=y");
	assert_int_equal(compare("policy=kernel", "policy=bld,label=x"), 0);
}

static void test_an_arm_is_not_compared_with_itself(void **state)
{
	eight_rounds();
	usage("policy=bld", "policy=bld,label=x", "both match run");
}

static void test_recordings_stay_out_unless_asked_for(void **state)
{
	struct ana_run run = {
		.trace_sha256 = "t1", .trace_name = "t1", .engine = "recorded", .policy = "kernel", .label = "x"
	};
	struct ana_result r = { 0 };

	eight_rounds();
	assert_int_equal(ana_set(&r, "makespan_ns", "ns", 900, &err), 0);
	assert_int_equal(ana_db_store(db, &run, &r, &err), 0);
	ana_result_release(&r);
	assert_int_equal(compare("policy=kernel,trace=t1", "policy=bld,trace=t1"), 0);
	assert_int_equal(cmp.base_runs, 8);
	ana_comparison_release(&cmp);
	assert_int_equal(compare("engine=recorded", "policy=bld"), 0);
	assert_int_equal(cmp.base_runs, 1);
	assert_true(cell("t1", "makespan_ns")->base == 900);
}

static void test_commas_in_values_can_be_written(void **state)
{
	open_db();
	for (int i = 0; i < 2; i++) {
		struct ana_run run = {
			.trace_sha256 = "t", .engine = "live", .policy = "bld", .policy_options = i ? "a=1,b=2" : NULL
		};
		struct ana_result r = { 0 };

		assert_int_equal(ana_set(&r, "makespan_ns", "ns", 900, &err), 0);
		assert_int_equal(ana_db_store(db, &run, &r, &err), 0);
		ana_result_release(&r);
	}
	assert_int_equal(compare("policy=bld,options=", "policy=bld,options=a=1\\,b=2"), 0);
	assert_int_equal(cmp.cand_runs, 1);
}

static void test_noise_of_the_base_widens_the_margin(void **state)
{
	open_db();
	for (int i = 0; i < 16; i++) {
		store("kernel", NULL, i, "t", i & 1 ? 1000 : 2000, 1000);
		store("bld", NULL, i, "t", i & 1 ? 1080 : 2160, 1080);
	}
	assert_int_equal(compare("policy=kernel", "policy=bld"), 0);
	/* Successive rounds differ by 2/3: over the root of 16 that is more than the shift of 8 %. */
	assert_true(fabs(cell("t", "makespan_ns")->s.margin - 2.0 / 3 / 4) < 1e-9);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_SAME);
	assert_int_equal(cell("t", "wakeup_latency_ns.p99")->s.verdict, ANA_REGRESSED);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define C(f) cmocka_unit_test_setup_teardown(f, setup, compare_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_run_is_stored_whole),
		T(test_a_second_process_sees_and_adds),
		T(test_writers_wait_for_each_other),
		T(test_a_recordings_own_row_is_replaced),
		T(test_a_file_that_is_no_database_is_damaged),
		T(test_a_foreign_database_is_left_alone),
		T(test_a_newer_database_is_refused),
		T(test_a_database_that_cannot_be_made),
		T(test_what_is_not_there_is_not_made_for_reading),
		T(test_a_run_that_fails_leaves_nothing),
		C(test_rounds_are_paired_by_trace_and_number),
		C(test_rounds_without_counterpart_are_left_out),
		C(test_a_repeated_series_adds_rounds),
		C(test_fidelity_is_never_compared),
		C(test_a_selector_that_matches_nothing_says_what_there_is),
		C(test_a_wrong_selector_is_named),
		C(test_an_arm_is_one_thing),
		C(test_an_arm_is_not_compared_with_itself),
		C(test_recordings_stay_out_unless_asked_for),
		C(test_commas_in_values_can_be_written),
		C(test_noise_of_the_base_widens_the_margin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
