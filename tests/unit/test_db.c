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
					 { .tid = 6,
					   .source = UINT32_MAX,
					   .comm = "b",
					   .voluntary = 4,
					   .interactive = true,
					   .stall_ns = 7000,
					   .frames = { .period_ns = 16000000,
						       .n = 50,
						       .late = 3,
						       .late_by_wait = 2,
						       .missed = 4,
						       .worst_ns = 40000000 } } };
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
	assert_true(query("select count(*) from task where tid = 6 and interactive and longest_stall_ns = 7000 and"
			  " period_ns = 16000000 and frames = 50 and frames_late = 3 and frames_late_by_wait = 2 and"
			  " missed_periods = 4 and worst_frame_ns = 40000000") == 1);
	/* One that is not periodic has no frames, not 0 of them. */
	assert_true(query("select count(*) from task where tid = 5 and interactive = 0 and longest_stall_ns = 0 and"
			  " coalesce(period_ns, frames, frames_late, missed_periods) is null") == 1);
	/* A replay that recorded only itself knows no waits. */
	r.self = true;
	assert_int_equal(ana_db_store(db, &run, &r, &err), 0);
	assert_true(query("select count(*) from task where run_id = 2 and tid = 6 and frames = 50 and"
			  " coalesce(interactive, longest_stall_ns, frames_late_by_wait) is null") == 1);
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
	assert_true(query("pragma user_version") == 5);
}

static void test_writers_wait_for_each_other(void **state)
{
	enum { CHILDREN = 8, RUNS = 50 };
	int status;

	for (int c = 0; c < CHILDREN; c++) {
		char label[8];

		if (fork())
			continue;
		snprintf(label, sizeof(label), "w%d", c);
		open_db(); /* all of them make it, or find it made */
		for (int i = 0; i < RUNS; i++)
			store("kernel", label, i, "t", i, c);
		ana_db_close(db);
		_exit(0);
	}
	for (int c = 0; c < CHILDREN; c++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_true(query("select count(*) from (select distinct label, repeat, uid from run)") == CHILDREN * RUNS);
	assert_true(query("select count(*) from run") == CHILDREN * RUNS);
	assert_true(query("select count(*) from metric") == 3 * CHILDREN * RUNS);
	assert_true(query("select count(*) from pragma_journal_mode where journal_mode = 'wal'") == 1);
	assert_true(query("select count(*) from pragma_integrity_check where integrity_check <> 'ok'") == 0);
}

static void test_every_older_database_is_brought_up_to_date(void **state)
{
	char cmd[256], before[2][160], sql[256];
	int files = 0;

	for (int v = 1;; v++, files++) {
		snprintf(cmd, sizeof(cmd),
			 "test -f tests/golden/db-v%d.sql && rm -f %s && sqlite3 %s <tests/golden/db-v%d.sql", v, path,
			 path, v);
		if (system(cmd))
			break;
		assert_true(query("pragma user_version") == v);
		/* All that a run has, as one number: what its rows add up to. */
		for (int i = 0; i < 2; i++) {
			snprintf(before[i], sizeof(before[i]), "%.17g %.17g %.17g %.17g %.17g",
				 query("select sum(value) from metric"), query("select sum(count) from histogram"),
				 query("select total(cpu_ns) + sum(wakeups) from task"),
				 query("select sum(id * 1000 + repeat * 100 + order_slot * 10 + lost_events) from run"),
				 query("select sum(length(coalesce(trace_sha256, '') || coalesce(label, '-') || engine"
				       " || policy || coalesce(host, '-') || coalesce(started_at, '-'))) from run"));
			if (i)
				break;
			open_db();
			ana_db_close(db);
			db = NULL;
		}
		assert_string_equal(before[0], before[1]);
		assert_true(query("select sum(value) from metric") > 0);
		assert_true(query("select count(*) from run where uid is null") == 0);
		snprintf(sql, sizeof(sql), "select count(*) from run where label is null and engine = 'live'");
		assert_true(query(sql) == 2);
		/* What it has is used like any other's. */
		open_db();
		store("kernel", "new", 0, "t", 1, 1);
		assert_true(query("select count(*) from run where label = 'new'") == 1);
		ana_db_close(db);
		db = NULL;
	}
	assert_true(files >= 1);
}

/* Two copies of an old database identify their runs alike, and twins in one of them stay two. */
static void test_uids_come_from_the_content(void **state)
{
	char cmd[200];
	double first;

	for (int i = 0; i < 2; i++) {
		snprintf(cmd, sizeof(cmd), "rm -f %s; sqlite3 %s <tests/golden/db-v1.sql", path, path);
		assert_int_equal(system(cmd), 0);
		if (i) /* they were written in another order */
			query("update run set id = 1000 - id; update metric set run_id = 1000 - run_id");
		open_db();
		ana_db_close(db);
		db = NULL;
		assert_true(query("select count(distinct uid) = count(*) from run") == 1);
		if (i == 0)
			snprintf(cmd, sizeof(cmd), "sqlite3 %s 'select uid from run order by uid' >%s.uids", path,
				 path);
		else
			snprintf(cmd, sizeof(cmd), "sqlite3 %s 'select uid from run order by uid' | cmp - %s.uids",
				 path, path);
		assert_int_equal(system(cmd), 0);
	}
	first = query("select count(*) from run");
	assert_true(first == 9);
}

static void test_the_hosts_conditions_are_stored(void **state)
{
	struct ana_host h;
	struct ana_run run = { .engine = "live", .policy = "kernel", .conditions = &h, .series = "s", .looks = 4 };
	struct ana_result r = { 0 };
	char cmd[1200], root[96];

	snprintf(root, sizeof(root), "%s/root", dir);
	snprintf(cmd, sizeof(cmd),
		 "mkdir -p %s && cd %s && mkdir -p etc proc/sys/kernel/random sys/devices/system/cpu/cpufreq/policy0"
		 " sys/devices/system/cpu/cpufreq/policy1 sys/devices/system/cpu/smt sys/class/thermal/thermal_zone0"
		 " sys/class/thermal/thermal_zone1 && echo 0123456789abcdef >etc/machine-id &&"
		 " echo b00t >proc/sys/kernel/random/boot_id && echo 2 >proc/sys/kernel/randomize_va_space &&"
		 " echo '1.25 0.5 0.1 1/2 3' >proc/loadavg && echo 'quiet root=UUID=1' >proc/cmdline &&"
		 " printf 'model name\\t: A CPU\\nmicrocode\\t: 0x2f\\n' >proc/cpuinfo &&"
		 " cd sys/devices/system/cpu && echo performance >cpufreq/policy0/scaling_governor &&"
		 " echo powersave >cpufreq/policy1/scaling_governor && echo 1 >cpufreq/boost && echo 0 >smt/active &&"
		 " mkdir -p ../../../kernel/sched_ext/root && echo enabled >../../../kernel/sched_ext/state &&"
		 " echo lavd_1.0 >../../../kernel/sched_ext/root/ops &&"
		 " echo 45500 >../../../class/thermal/thermal_zone0/temp && echo 61000 "
		 ">../../../class/thermal/thermal_zone1/temp",
		 root, root);
	assert_int_equal(system(cmd), 0);
	ana_host_read(root, &h);
	assert_string_equal(h.governor, "performance,powersave");
	assert_string_equal(h.cpu_model, "A CPU");
	assert_string_equal(h.microcode, "0x2f");
	assert_string_equal(h.turbo, "on");
	assert_string_equal(h.smt, "off");
	assert_string_equal(h.boot_id, "b00t");
	assert_string_equal(h.sched_ext, "lavd_1.0");
	assert_int_equal(strlen(h.machine_key), 32);
	assert_null(strstr(h.machine_key, "0123456789abcdef")); /* the id itself is not told */
	assert_int_equal(strlen(h.cmdline_sha256), 64);
	open_db();
	assert_int_equal(ana_db_store(db, &run, &r, &err), 0);
	assert_true(
		query("select temperature_c from host join run on run.id = run_id where series = 's' and looks = 4") ==
		61);
	assert_true(query("select load1 * 100 + aslr from host") == 127);
	/* A scheduler that is on its way out is none. */
	snprintf(cmd, sizeof(cmd), "echo disabled >%s/sys/kernel/sched_ext/state", root);
	assert_int_equal(system(cmd), 0);
	ana_host_read(root, &h);
	assert_string_equal(h.sched_ext, "");
	/* Of a machine that tells nothing, nothing is known: NULL, not 0. */
	snprintf(root, sizeof(root), "%s/none", dir);
	ana_host_read(root, &h);
	assert_int_equal(ana_db_store(db, &run, &r, &err), 0);
	assert_true(
		query("select count(*) from host where run_id = 2 and coalesce(machine_key, boot_id, cmdline_sha256,"
		      " governor, turbo, smt, aslr, load1, temperature_c) is null") == 1);
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

/* A live run of a series, which began so many s after another. */
static void store_live(const char *label, const char *series, int repeat, int slot, int at_s, const struct ana_host *h,
		       double makespan)
{
	char when[32];
	struct ana_run run = { .trace_sha256 = "t",
			       .trace_name = "t",
			       .label = label,
			       .engine = "live",
			       .policy = "kernel",
			       .series = series,
			       .repeat = repeat,
			       .order_slot = slot,
			       .started_at = when,
			       .conditions = h };
	struct ana_result r = { 0 };

	snprintf(when, sizeof(when), "2026-11-01T10:%02d:%02d.500Z", at_s / 60 % 60, at_s % 60);
	assert_int_equal(ana_set(&r, "makespan_ns", "ns", makespan, &err), 0);
	if (ana_db_store(db, &run, &r, &err) < 0)
		fail_msg("%s", err.text);
	ana_result_release(&r);
}

static void test_a_drift_in_blocked_order_is_no_regression(void **state)
{
	open_db();
	for (int i = 0; i < 10; i++) /* two invocations, one behind the other, on a machine that slows down */
		store_live("a", "s1", i, i, 2 * i, NULL, 1000 + 10 * i);
	for (int i = 0; i < 10; i++)
		store_live("b", "s2", i, i, 30 + 2 * i, NULL, 1100 + 10 * i);
	assert_int_equal(compare("label=a", "label=b"), 0);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_UNKNOWN);
	assert_int_equal(cell("t", "makespan_ns")->evidence, ANA_BLOCKED);
	assert_int_equal(cell("t", "makespan_ns")->s.needs_more, ANA_MIN_ROUNDS);
	ana_comparison_release(&cmp);
	/* The same figures, interleaved, are one. */
	query("update run set series = 's1', order_slot = 2 * repeat + ((label = 'b') <> (repeat % 2)), started_at ="
	      " '2026-11-01T10:00:00Z'");
	assert_int_equal(compare("label=a", "label=b"), 0);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_REGRESSED);
}

static void test_other_machines_and_conditions_are_told(void **state)
{
	struct ana_host h[2] = { { .machine_key = "one", .governor = "performance", .aslr = 2, .boot_id = "x" },
				 { .machine_key = "one", .governor = "powersave", .aslr = 2, .boot_id = "x" } };

	open_db();
	for (int i = 0; i < 8; i++) {
		store_live("a", "s", i, 2 * i + (i & 1), 2 * i + (i & 1), &h[0], 1000 + i);
		store_live("b", "s", i, 2 * i + !(i & 1), 2 * i + !(i & 1), &h[1], 1200 + i);
	}
	assert_int_equal(compare("label=a", "label=b"), 0);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_REGRESSED);
	assert_true(cmp.conditions_differ);
	assert_non_null(strstr(cmp.conditions, "governor (performance, powersave)"));
	assert_null(strstr(cmp.conditions, "ASLR"));
	ana_comparison_release(&cmp);
	query("update host set machine_key = 'two' where governor = 'powersave'");
	assert_int_equal(compare("label=a", "label=b"), 0);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_UNKNOWN);
	assert_int_equal(cell("t", "makespan_ns")->evidence, ANA_OTHER_MACHINE);
	assert_int_equal(cell("t", "makespan_ns")->s.needs_more, 0); /* no number of rounds would tell */
}

static void test_boots_become_the_rounds_of_two_kernels(void **state)
{
	struct ana_host h = { .machine_key = "one", .aslr = -1 };

	open_db();
	for (int boot = 0; boot < 12; boot++) {
		bool is_b = (boot + 1) / 2 % 2;
		char series[8];

		snprintf(h.boot_id, sizeof(h.boot_id), "boot%d", boot);
		snprintf(series, sizeof(series), "s%d", boot);
		for (int i = 0; i < 3; i++)
			store_live(is_b ? "b" : "a", series, i, i, boot * 60 + i, &h,
				   (is_b ? 1300 : 1000) + boot + 100 * (i == 2));
	}
	assert_int_equal(compare("label=a", "label=b"), 0);
	assert_true(cell("t", "makespan_ns")->by_boot);
	assert_int_equal(cell("t", "makespan_ns")->s.rounds, 6);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_REGRESSED);
	ana_comparison_release(&cmp);
	query("delete from run where id in (select run_id from host where boot_id in ('boot10', 'boot11'))");
	assert_int_equal(compare("label=a", "label=b"), 0);
	assert_int_equal(cell("t", "makespan_ns")->s.rounds, 5);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_UNKNOWN);
	assert_int_equal(cell("t", "makespan_ns")->s.needs_more, 1);
}

static void test_looks_cost_what_they_allow(void **state)
{
	open_db();
	for (int i = 0; i < 8; i++) {
		store_live("a", "s", i, 2 * i + (i & 1), 2 * i + (i & 1), NULL, 1000 + i);
		store_live("b", "s", i, 2 * i + !(i & 1), 2 * i + !(i & 1), NULL, 1200 + i);
	}
	assert_int_equal(compare("label=a", "label=b"), 0);
	assert_true(fabs(cell("t", "makespan_ns")->s.p_adjusted - 2.0 / 256) < 1e-9);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_REGRESSED);
	ana_comparison_release(&cmp);
	query("update run set looks = 7");
	assert_int_equal(compare("label=a", "label=b"), 0);
	assert_true(fabs(cell("t", "makespan_ns")->s.p_adjusted - 7 * 2.0 / 256) < 1e-9);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_UNKNOWN);
}

/* An A/A comparison of ten rounds in which the makespan differs by up to about so much. */
static void measure_noise_of(const struct ana_run *arm, double noise)
{
	struct ana_result r[20] = { 0 };
	const struct ana_result *a[10] = { 0 }, *b[10] = { 0 };
	struct ana_compare_options o = { .margin = 0.02 };
	struct ana_comparison aa;

	for (int i = 0; i < 20; i++) {
		assert_int_equal(ana_set(&r[i], "makespan_ns", "ns",
					 1000 * (1 + (i < 10 ? 0 : noise * (i % 10 - 4.5) / 4.5)), &err),
				 0);
		(i < 10 ? a : b)[i % 10] = &r[i];
	}
	assert_int_equal(ana_compare_results("t", a, b, 10, &o, &aa, &err), 0);
	assert_int_equal(ana_db_store_noise(db, arm, &aa, &err), 0);
	ana_comparison_release(&aa);
	for (int i = 0; i < 20; i++)
		ana_result_release(&r[i]);
}

static void measure_noise(const char *policy, const char *when, double noise, const struct ana_host *h)
{
	const struct ana_run run = { .trace_sha256 = "t",
				     .engine = "live",
				     .policy = policy,
				     .kernel = "6.12",
				     .started_at = when,
				     .conditions = h };

	measure_noise_of(&run, noise);
}

static void test_a_measured_noise_floor_is_the_least_margin(void **state)
{
	struct ana_host h = { .machine_key = "one", .aslr = -1 }, other = { .machine_key = "two", .aslr = -1 };
	double most;

	open_db();
	for (int i = 0; i < 10; i++) {
		store_live("a", "s", i, 2 * i + (i & 1), 2 * i + (i & 1), &h, 1000 + i);
		store_live("b", "s", i, 2 * i + !(i & 1), 2 * i + !(i & 1), &h, 1080 + i);
	}
	measure_noise("kernel", "2026-11-01T09:00:00Z", 0.9, &other); /* of another machine: it does not count */
	assert_int_equal(compare("label=a", "label=b"), 0);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_REGRESSED);
	assert_int_equal(cell("t", "makespan_ns")->margin_from, ANA_MARGIN_ASKED);
	ana_comparison_release(&cmp);
	measure_noise("kernel", "2026-11-01T09:00:00Z", 0.4, &h);
	assert_int_equal(compare("label=a", "label=b"), 0);
	assert_int_equal(cell("t", "makespan_ns")->margin_from, ANA_MARGIN_FLOOR);
	most = query("select max(floor) from noise where machine_key = 'one'");
	assert_true(most > 0.08 && most < 0.4);
	assert_true(fabs(cell("t", "makespan_ns")->s.margin - most) < 1e-9);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_SAME);
	ana_comparison_release(&cmp);
	measure_noise("kernel", "2026-11-01T11:00:00Z", 0.1, &h); /* the last measurement counts */
	assert_int_equal(compare("label=a", "label=b"), 0);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_REGRESSED);
	ana_comparison_release(&cmp);
	/* Another policy's stands in only where the arm's own is missing. */
	measure_noise("bld", "2026-11-01T11:00:00Z", 0.5, &h);
	assert_int_equal(compare("label=a", "label=b"), 0);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_REGRESSED);
	ana_comparison_release(&cmp);
	query("delete from noise where policy = 'kernel'");
	assert_int_equal(compare("label=a", "label=b"), 0);
	assert_int_equal(cell("t", "makespan_ns")->s.verdict, ANA_SAME);
}

/* Stalls within a tick of each other are equal, but not alike: what their noise is nobody has measured. */
static void test_rounds_that_differ_by_less_than_a_step_measure_no_floor(void **state)
{
	const struct ana_run run = { .trace_sha256 = "t",
				     .engine = "live",
				     .policy = "kernel",
				     .kernel = "6.12",
				     .started_at = "2026-11-01T09:00:00Z" };
	const struct ana_result *a[10] = { 0 }, *b[10] = { 0 };
	struct ana_compare_options o = { .margin = 0.02 };
	struct ana_result r[20] = { 0 };
	struct ana_comparison aa;

	open_db();
	for (int i = 0; i < 20; i++) {
		assert_int_equal(ana_set(&r[i], "longest_stall_ns", "ns", 1e6 + 1e5 * (i * 7 % 20), &err), 0);
		assert_int_equal(ana_set(&r[i], "makespan_ns", "ns", 1000 + i * 7 % 20, &err), 0);
		(i < 10 ? a : b)[i % 10] = &r[i];
	}
	assert_int_equal(ana_compare_results("t", a, b, 10, &o, &aa, &err), 0);
	assert_int_equal(aa.ncells, 2);
	assert_int_equal(ana_db_store_noise(db, &run, &aa, &err), 0);
	assert_true(query("select count(*) from noise where metric = 'makespan_ns'") == 1);
	assert_true(query("select count(*) from noise") == 1);
	ana_comparison_release(&aa);
	for (int i = 0; i < 20; i++)
		ana_result_release(&r[i]);
}

static double floor_for(struct ana_db_run *run)
{
	double least;
	int ret = ana_db_floor(db, run, "makespan_ns", &least, &err);

	if (ret < 0)
		fail_msg("%s", err.text);
	assert_int_equal(ret, least > 0);
	return least;
}

static void test_a_noise_floor_is_of_its_arm(void **state)
{
	struct ana_host h = { .machine_key = "one", .aslr = -1 };
	struct ana_run arm = { .trace_sha256 = "t",
			       .engine = "live",
			       .policy = "kernel",
			       .kernel = "6.12",
			       .work = "instructions",
			       .timing = "auto",
			       .arm = "aa 1",
			       .started_at = "2026-11-01T09:00:00Z",
			       .conditions = &h };
	struct ana_db_run run = { .trace_sha256 = "t" };
	double plain, pinned, kernel, scx;

	run.host[ANA_HOST_MACHINE] = "one";
	run.identity[ANA_ID_ENGINE] = "live";
	run.identity[ANA_ID_POLICY] = "kernel";
	run.identity[ANA_ID_KERNEL] = "6.12";
	run.identity[ANA_ID_WORK] = "instructions";
	run.identity[ANA_ID_TIMING] = "auto";
	open_db();
	measure_noise_of(&arm, 0.1);
	plain = floor_for(&run);
	assert_true(plain > 0.01);
	/* One of other CPUs, measured later, is not the plain arm's. */
	arm.arm = "aa 1 cpus=0";
	arm.started_at = "2026-11-01T10:00:00Z";
	measure_noise_of(&arm, 0.4);
	assert_true(floor_for(&run) == plain);
	assert_true(query("select count(*) from noise where arm = 'cpus=0'") == 1);
	run.identity[ANA_ID_ARM] = "cpus=0";
	pinned = floor_for(&run);
	assert_true(pinned > 2 * plain);
	run.identity[ANA_ID_ARM] = "aa 2 cpus=0"; /* the arm against itself */
	assert_true(floor_for(&run) == pinned);
	run.identity[ANA_ID_ARM] = "cpus=1"; /* of that none was measured */
	assert_true(floor_for(&run) == 0);
	/* Of another kernel, scheduler or work it is the nearest, until their own is there. */
	run.identity[ANA_ID_ARM] = NULL;
	arm.arm = "aa 1";
	run.identity[ANA_ID_KERNEL] = "6.13";
	assert_true(floor_for(&run) == plain);
	arm.kernel = "6.13";
	measure_noise_of(&arm, 0.2);
	kernel = floor_for(&run);
	assert_true(kernel > plain);
	run.identity[ANA_ID_SCHED_EXT] = "lavd";
	assert_true(floor_for(&run) == kernel); /* both are near: the greater one */
	arm.sched_ext = "lavd";
	measure_noise_of(&arm, 0.05);
	scx = floor_for(&run);
	assert_true(scx < plain);
	arm.work = "time";
	measure_noise_of(&arm, 0.3);
	assert_true(floor_for(&run) == scx);
	run.identity[ANA_ID_WORK] = "time";
	assert_true(floor_for(&run) > kernel);
	/* Another policy's stands in where there is none of its own. */
	run.identity[ANA_ID_POLICY] = "bld";
	assert_true(floor_for(&run) > kernel);
	run.host[ANA_HOST_MACHINE] = "two";
	assert_true(floor_for(&run) == 0);
}

/* Of floors that were stored without their arm the A/A runs tell it. */
static void test_older_floors_get_their_arm(void **state)
{
	char cmd[200];

	snprintf(cmd, sizeof(cmd), "sqlite3 %s <tests/golden/db-v4.sql", path);
	assert_int_equal(system(cmd), 0);
	query("insert into run(engine, policy, trace_sha256, repeat, order_slot, arm, started_at, lost_events, "
	      "repaired,"
	      " censored) values ('live', 'kernel', 't', 0, 0, 'aa 1 cpus=0', 'x', 0, 0, 0),"
	      " ('live', 'kernel', 't', 0, 0, 'aa 1', 'y', 0, 0, 0)");
	query("insert into noise(uid, trace_sha256, metric, engine, policy, rounds, shift, lo, hi, floor, measured_at)"
	      " values ('1', 't', 'm', 'live', 'kernel', 6, 0, 0, 0, 1, 'x'),"
	      " ('2', 't', 'm', 'live', 'kernel', 6, 0, 0, 0, 2, 'y'),"
	      " ('3', 't', 'm', 'live', 'kernel', 6, 0, 0, 0, 3, 'z')");
	open_db();
	assert_true(query("select floor from noise where arm = 'cpus=0'") == 1);
	assert_true(query("select count(*) from noise where arm is null and floor in (2, 3)") == 2);
}

static void test_a_bpf_scheduler_is_part_of_what_an_arm_is(void **state)
{
	eight_rounds();
	query("update run set sched_ext = 'lavd' where policy = 'bld' and repeat < 4");
	usage("policy=kernel", "policy=bld", "sched_ext=lavd");
	assert_int_equal(compare("policy=kernel", "policy=bld,sched_ext=lavd"), 0);
	assert_int_equal(cmp.cand_runs, 8);
	assert_string_equal(cmp.base_sched_ext, "");
	assert_string_equal(cmp.cand_sched_ext, "lavd");
	ana_comparison_release(&cmp);
	assert_int_equal(compare("policy=kernel", "policy=bld,sched_ext="), 0);
	assert_int_equal(cmp.cand_runs, 8);
	ana_comparison_release(&cmp);
	usage("colour=red", "policy=bld", "sched_ext");
}

static void test_arms_against_themselves_stay_out_unless_asked_for(void **state)
{
	eight_rounds();
	query("insert into run(engine, policy, label, trace_sha256, trace_name, repeat, order_slot, arm, lost_events, "
	      "repaired,"
	      " censored) values ('live', 'kernel', 'x', 't1', 't1', 0, 0, 'aa 1', 0, 0, 0),"
	      " ('live', 'kernel', 'x', 't1', 't1', 0, 1, 'aa 2', 0, 0, 0)");
	query("insert into metric select id, 'makespan_ns', 'ns', 7 from run where arm is not null");
	assert_int_equal(compare("policy=kernel,trace=t1", "policy=bld,trace=t1"), 0);
	assert_int_equal(cmp.base_runs, 8);
	ana_comparison_release(&cmp);
	assert_int_equal(compare("arm=aa 1", "arm=aa 2"), 0);
	assert_true(cell("t1", "makespan_ns")->base == 7);
}

static void test_arms_are_told_apart_by_what_they_differ_in(void **state)
{
	eight_rounds();
	query("update run set arm = 'nice-offset=5' where policy = 'bld' and repeat < 4");
	usage("policy=kernel", "policy=bld", "arm=nice-offset=5");
	assert_int_equal(compare("policy=kernel", "policy=bld,arm=nice-offset=5"), 0);
	assert_int_equal(cmp.cand_runs, 8);
	ana_comparison_release(&cmp);
	assert_int_equal(compare("policy=kernel", "policy=bld,arm="), 0);
	assert_int_equal(cmp.cand_runs, 8);
}

/* ---- one database into another ---- */

static char other_path[80];

/* Makes the database at path the other one, and begins a new one there. */
static void put_aside(void)
{
	char cmd[200];

	ana_db_close(db);
	db = NULL;
	snprintf(other_path, sizeof(other_path), "%s.other", path);
	snprintf(cmd, sizeof(cmd), "mv %s %s", path, other_path);
	assert_int_equal(system(cmd), 0);
	open_db();
}

static struct ana_db_merged merge(const char *from)
{
	struct ana_db_merged m;

	if (ana_db_merge(db, from, &m, &err) < 0)
		fail_msg("%s", err.text);
	return m;
}

static void full_database(void)
{
	struct ana_host h = { .machine_key = "one", .aslr = 2, .load1 = 0.5 };
	struct ana_run recorded = { .trace_sha256 = "t1", .trace_name = "t1", .engine = "recorded", .policy = "kernel" };
	struct ana_result r = { 0 };

	eight_rounds();
	r.wakeup_latency = calloc(1, sizeof(*r.wakeup_latency));
	ana_hist_add(r.wakeup_latency, 1000);
	assert_int_equal(ana_set(&r, "makespan_ns", "ns", 900, &err), 0);
	assert_int_equal(ana_db_store(db, &recorded, &r, &err), 0);
	ana_result_release(&r);
	store_live("live", "s", 0, 0, 0, &h, 5);
	measure_noise("kernel", "2026-11-01T09:00:00Z", 0.1, &h);
}

static void test_merging_adds_all_that_a_run_has_and_nothing_twice(void **state)
{
	struct ana_db_merged m;

	full_database();
	put_aside();
	store("kernel", "mine", 0, "t1", 1, 1); /* ids differ from the other's */
	m = merge(other_path);
	assert_int_equal(m.runs, 34);
	assert_int_equal(m.runs_there, 0);
	assert_true(m.noise > 0);
	assert_true(query("select count(*) from run") == 35);
	assert_true(query("select count(*) from metric") == 3 * 33 + 2);
	assert_true(query("select count(*) from histogram join run on run.id = run_id where engine = 'recorded'") == 1);
	assert_true(query("select value from metric join run on run.id = run_id where label = 'live'") == 5);
	assert_true(query("select load1 from host join run on run.id = run_id where label = 'live'") == 0.5);
	m = merge(other_path);
	assert_int_equal(m.runs, 0);
	assert_int_equal(m.runs_there, 34);
	assert_int_equal(m.noise, 0);
	assert_true(query("select count(*) from run") == 35);
	assert_int_equal(compare("policy=kernel,label=x", "policy=bld,label=x"), 0);
	assert_int_equal(cell("t1", "makespan_ns")->s.verdict, ANA_REGRESSED);
}

static void test_databases_that_share_runs_share_them_after_merging(void **state)
{
	char cmd[300], third[96];
	struct ana_db_merged m;

	full_database();
	put_aside();
	/* Two copies, each with a run of its own; in one the shared runs have other ids. */
	assert_int_equal(merge(other_path).runs, 34);
	store("kernel", "mine", 0, "t1", 1, 1);
	snprintf(third, sizeof(third), "%s.third", path);
	snprintf(cmd, sizeof(cmd), "cp %s %s", other_path, third);
	assert_int_equal(system(cmd), 0);
	m = merge(third);
	assert_int_equal(m.runs, 0);
	assert_true(query("select count(*) from run") == 35);
	assert_true(query("select count(distinct uid) from run") == 35);
}

static void test_old_databases_are_merged_and_left_as_they_are(void **state)
{
	char cmd[600], copy[96];
	struct ana_db_merged m;

	snprintf(copy, sizeof(copy), "%s.copy", path);
	snprintf(other_path, sizeof(other_path), "%s.other", path);
	snprintf(cmd, sizeof(cmd), "sqlite3 %s <tests/golden/db-v1.sql && cp %s %s && chmod a-w %s", other_path,
		 other_path, copy, other_path);
	assert_int_equal(system(cmd), 0);
	open_db();
	m = merge(other_path);
	assert_int_equal(m.runs, 9);
	assert_int_equal(merge(copy).runs_there, 9);
	assert_true(query("select count(*) from run") == 9);
	snprintf(cmd, sizeof(cmd), "cmp %s %s", other_path, copy);
	assert_int_equal(system(cmd), 0);
}

static void test_a_source_that_is_none_adds_nothing(void **state)
{
	struct ana_db_merged m;
	char cmd[600];

	full_database();
	put_aside();
	store("kernel", "mine", 0, "t1", 1, 1);
	snprintf(cmd, sizeof(cmd), "sqlite3 %s 'pragma user_version = 1000'", other_path);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(ana_db_merge(db, other_path, &m, &err), -1);
	assert_int_equal(err.status, SR_DAMAGED);
	assert_non_null(strstr(err.text, "newer"));
	/* Rows that schedrec never writes, of a file that somebody else made: all of it or nothing. */
	snprintf(cmd, sizeof(cmd),
		 "sqlite3 %s 'pragma user_version = 2; pragma ignore_check_constraints = 1; alter table metric rename "
		 "to m;"
		 " create table metric(run_id, name, unit, value); insert into metric select * from m; drop table m;"
		 " insert into metric select run_id, name, unit, value from metric'",
		 other_path);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(ana_db_merge(db, other_path, &m, &err), -1);
	assert_int_equal(err.status, SR_DAMAGED);
	assert_null(strchr(err.text, '\n'));
	assert_true(query("select count(*) from run") == 1);
	assert_int_equal(ana_db_merge(db, "/nowhere/x.db", &m, &err), -1);
	assert_int_equal(err.status, SR_ENVIRONMENT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define C(f) cmocka_unit_test_setup_teardown(f, setup, compare_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_run_is_stored_whole),
		T(test_a_second_process_sees_and_adds),
		T(test_writers_wait_for_each_other),
		T(test_every_older_database_is_brought_up_to_date),
		T(test_uids_come_from_the_content),
		T(test_the_hosts_conditions_are_stored),
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
		C(test_a_drift_in_blocked_order_is_no_regression),
		C(test_other_machines_and_conditions_are_told),
		C(test_boots_become_the_rounds_of_two_kernels),
		C(test_looks_cost_what_they_allow),
		C(test_a_measured_noise_floor_is_the_least_margin),
		C(test_rounds_that_differ_by_less_than_a_step_measure_no_floor),
		T(test_a_noise_floor_is_of_its_arm),
		T(test_older_floors_get_their_arm),
		C(test_a_bpf_scheduler_is_part_of_what_an_arm_is),
		C(test_arms_against_themselves_stay_out_unless_asked_for),
		C(test_arms_are_told_apart_by_what_they_differ_in),
		C(test_merging_adds_all_that_a_run_has_and_nothing_twice),
		C(test_databases_that_share_runs_share_them_after_merging),
		T(test_old_databases_are_merged_and_left_as_they_are),
		T(test_a_source_that_is_none_adds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
