/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nights: what is done is done, once, whatever happens in between; what their results say; what keeps a machine busy. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyze/db_internal.h"
#include "analyze/nightly.h"

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char dir[] = "/tmp/schedrec-nightly.XXXXXX", path[64], other_path[64];
static struct sr_error err;
static struct ana_db *db;
static struct ana_night night;
static bool others_live;
/* Of the runs and nights that are stored next. */
static struct {
	const char *engine, *machine, *arm, *work, *timing;
	struct ana_host host;
	const char *json;  /* the host as its rounds have it */
	double lost_share; /* 0: the metric is not there */
} as;

static bool alive(const char *owner)
{
	return others_live;
}

static int setup(void **state)
{
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/db", dir);
	snprintf(other_path, sizeof(other_path), "%s/other", dir);
	db = ana_db_open(path, true, &err);
	assert_non_null(db);
	others_live = false;
	memset(&as, 0, sizeof(as));
	as.engine = "live";
	return 0;
}

static int teardown(void **state)
{
	char cmd[80];

	ana_night_release(&night);
	ana_db_close(db);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static double query(const char *sql)
{
	struct sr_error e;
	sqlite3_stmt *st = ana_db_prepare(db, sql, &e);
	double v;

	if (!st)
		fail_msg("%s", e.text);
	v = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_double(st, 0) : NAN;
	sqlite3_finalize(st);
	return v;
}

static const char *const arms[] = { "kernel", "bld" };

static struct ana_night_plan plan(const char *label, const char *spec, const char *now)
{
	return (struct ana_night_plan){ .label = label,
					.auto_label = "auto",
					.spec = spec,
					.engine = as.engine,
					.kernel = "6.12",
					.arms = arms,
					.narms = 2,
					.rounds = 6,
					.shard = 1,
					.shards = 1,
					.now = now,
					.not_before = "2026-01-01T00:00:00Z",
					.owner = "me",
					.alive = alive };
}

/* Begins or goes on with a night; true: it was there. */
static bool begin(const char *label, const char *spec, const char *now)
{
	struct ana_night_plan p = plan(label, spec, now);
	bool resumed;

	ana_night_release(&night);
	if (ana_night_begin(db, &p, &night, &resumed, &err) < 0)
		fail_msg("%s", err.text);
	return resumed;
}

static void refused(struct ana_night_plan p, enum sr_status status, const char *text)
{
	struct ana_night n;
	bool resumed;

	assert_int_equal(ana_night_begin(db, &p, &n, &resumed, &err), -1);
	assert_int_equal(err.status, status);
	if (!strstr(err.text, text))
		fail_msg("'%s' lacks '%s'", err.text, text);
}

static void store(const char *tag, const char *trace, const char *engine, const char *policy, size_t round, size_t slot,
		  double makespan)
{
	char when[64];
	struct ana_run run = { .trace_sha256 = trace,
			       .trace_name = "t.srz",
			       .label = tag,
			       .engine = engine,
			       .policy = policy,
			       .series = tag,
			       .repeat = (int)round,
			       .order_slot = (int)slot,
			       .machine = as.machine,
			       .arm = as.arm,
			       .work = as.work,
			       .timing = as.timing,
			       .conditions = *as.host.machine_key ? &as.host : NULL,
			       .started_at = when };
	struct ana_result r = { 0 };

	snprintf(when, sizeof(when), "%.10sT00:%02zu:%02zuZ", night.label ? night.started_at : "2026-05-01", slot / 60,
		 slot % 60);
	assert_int_equal(ana_set(&r, "makespan_ns", "ns", makespan, &err), 0);
	if (as.lost_share > 0)
		assert_int_equal(ana_set(&r, "recording_lost_share", "ratio", as.lost_share, &err), 0);
	if (ana_db_store(db, &run, &r, &err) < 0)
		fail_msg("%s", err.text);
	ana_result_release(&r);
}

/* weight 0: no sample. */
static int add_pick(const char *sha256, char *name, double weight, uint64_t traces)
{
	struct ana_night_trace t = { .name = name, .weight = weight, .traces = traces };

	memcpy(t.sha256, sha256, sizeof(t.sha256));
	return ana_night_add_traces(db, &night, &t, 1, &err);
}

static int add_trace(const char *sha256, char *name)
{
	return add_pick(sha256, name, 0, 0);
}

#define TURNS "the night's" /* seed of its rounds */

/* One live round as a replay stores it. */
static int do_round(const char *trace, size_t round, double kernel, double bld)
{
	struct ana_night_rounds r = { .sha256 = trace,
				      .first = round,
				      .n = 1,
				      .turns = TURNS,
				      .host = as.json,
				      .started_at = "2026-05-01T00:00:00Z",
				      .ended_at = "2026-05-01T00:01:00Z" };
	size_t turn[2];
	char *tag;
	int ret;

	assert_int_equal(ana_turns(TURNS, round, 2, turn, &err), 0);
	assert_int_equal(ana_night_tag(&night, &tag, &err), 0);
	for (size_t k = 0; k < 2; k++) {
		bool first = turn[k] == 0;

		store(tag, trace, night.engine, first ? "kernel" : "bld", round, 2 * round + k, first ? kernel : bld);
	}
	r.tag = tag;
	ret = ana_night_link(db, &night, &r, &err);
	free(tag);
	/* Whoever ran first, each run is its own policy's. */
	assert_true(query("select count(*) from night_run q join run r on r.id = q.run where (r.policy = 'bld') <> "
			  "q.arm") == 0);
	return ret;
}

static void do_night_of(const char *label, const char *spec, const char *now, double kernel, double bld)
{
	begin(label, spec, now);
	assert_int_equal(add_trace(A, "t.srz"), 0);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(do_round(A, i, kernel + (double)i, bld + (double)i), 0);
	assert_int_equal(ana_night_finish(db, &night, 1, 1, now, &err), 0);
}

static void do_night(const char *label, const char *now, double kernel, double bld)
{
	do_night_of(label, "{}", now, kernel, bld);
}

static void test_a_night_is_gone_on_with_until_it_is_finished(void **state)
{
	bool done[6];

	assert_false(begin(NULL, "{}", "2026-05-01T00:00:00Z"));
	assert_string_equal(night.label, "auto");
	assert_int_equal(add_trace(A, "t.srz"), 0);
	assert_int_equal(do_round(A, 2, 1, 2), 0);
	assert_true(begin(NULL, "{}", "2026-05-02T00:00:00Z"));
	assert_string_equal(night.started_at, "2026-05-01T00:00:00Z");
	assert_int_equal(night.narms, 2);
	assert_string_equal(night.arms[1], "bld");
	assert_int_equal(ana_night_done(db, &night, A, done, &err), 0);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(done[i], i == 2);
	for (size_t i = 0; i < 6; i++)
		if (i != 2)
			assert_int_equal(do_round(A, i, 1, 2), 0);
	assert_null(night.finished_at);
	assert_int_equal(ana_night_finish(db, &night, 1, 1, "2026-05-02T01:00:00Z", &err), 0);
	assert_string_equal(night.finished_at, "2026-05-02T01:00:00Z");
	assert_false(begin(NULL, "{}", "2026-05-03T00:00:00Z"));
	assert_string_equal(night.label, "auto.2");
	/* Another kernel, another policy: another night. */
	assert_false(begin(NULL, "[1]", "2026-05-03T00:00:00Z"));
	assert_string_equal(night.label, "auto.3");
}

static void test_an_old_unfinished_night_stays_unfinished(void **state)
{
	begin(NULL, "{}", "2025-05-01T00:00:00Z");
	assert_false(begin(NULL, "{}", "2026-05-03T00:00:00Z"));
}

static void test_only_resume_begins_none(void **state)
{
	struct ana_night_plan p = plan(NULL, "{}", "2026-05-01T00:00:00Z");
	bool resumed;

	p.only_resume = true;
	assert_int_equal(ana_night_begin(db, &p, &night, &resumed, &err), 0);
	assert_true(night.id == 0 && !resumed);
	assert_true(query("select count(*) from night") == 0);
}

static void test_labels_of_others_are_refused(void **state)
{
	begin("x", "{}", "2026-05-01T00:00:00Z");
	refused(plan("x", "[1]", "2026-05-01T00:00:00Z"), SR_USAGE, "another night's");
	store("mine", A, "live", "kernel", 0, 0, 1);
	refused(plan("mine", "{}", "2026-05-01T00:00:00Z"), SR_USAGE, "no night's");
}

static void test_a_shard_has_one_owner_that_lives(void **state)
{
	struct ana_night_plan p = plan("x", "{}", "2026-05-01T00:00:00Z");

	begin("x", "{}", "2026-05-01T00:00:00Z");
	p.owner = "somebody else";
	others_live = true;
	refused(p, SR_ENVIRONMENT, "another process");
	p.shard = 2;
	p.shards = 3;
	others_live = true;
	ana_night_release(&night);
	assert_int_equal(ana_night_begin(db, &p, &night, &(bool){ false }, &err), 0);
	others_live = false;
	p.shard = p.shards = 1;
	ana_night_release(&night);
	assert_int_equal(ana_night_begin(db, &p, &night, &(bool){ false }, &err), 0);
}

/* Shards in one database, of one machine: what one has stored and not taken over yet is not the other's to sweep. */
static void test_a_shard_leaves_the_others_runs_alone(void **state)
{
	struct ana_night_plan p = plan("x", "{}", "2026-05-01T00:00:00Z");
	bool resumed;
	char *tag[2];

	for (unsigned i = 0; i < 2; i++) {
		p.shard = i + 1;
		p.shards = 2;
		ana_night_release(&night);
		assert_int_equal(ana_night_begin(db, &p, &night, &resumed, &err), 0);
		assert_int_equal(ana_night_sweep(db, &night, NULL, &err), 0);
		assert_int_equal(ana_night_tag(&night, &tag[i], &err), 0);
		store(tag[i], A, "live", "kernel", 0, 0, 1);
	}
	assert_true(query("select count(*) from run") == 2);
	/* Its own are, and those of one that is through. */
	assert_int_equal(ana_night_sweep(db, &night, NULL, &err), 0);
	assert_true(query("select count(*) from run") == 1);
	assert_int_equal(ana_night_finish(db, &night, 1, 2, "2026-05-01T01:00:00Z", &err), 0);
	assert_int_equal(ana_night_sweep(db, &night, NULL, &err), 0);
	assert_true(query("select count(*) from run") == 0);
	free(tag[0]);
	free(tag[1]);
}

static void test_arms_are_known_by_their_slots(void **state)
{
	begin("x", "{}", "2026-05-01T00:00:00Z");
	assert_int_equal(add_trace(A, "t.srz"), 0);
	assert_int_equal(do_round(A, 0, 1, 2), 0);
	assert_int_equal(do_round(A, 1, 1, 2), 0);
	assert_true(query("select count(*) from night_run q join run r on r.id = q.run where"
			  " (q.arm = 0) = (r.policy = 'kernel')") == 4);
	assert_true(query("select count(*) from run where label = 'x' and series = 'x'") == 4);
}

static void test_half_a_round_is_not_taken_over(void **state)
{
	struct ana_night_rounds r = { .sha256 = A,
				      .tag = "x~1",
				      .n = 1,
				      .started_at = "2026-05-01T00:00:00Z",
				      .ended_at = "2026-05-01T00:00:00Z" };

	begin("x", "{}", "2026-05-01T00:00:00Z");
	store("x~1", A, "live", "kernel", 0, 0, 1);
	assert_int_equal(ana_night_link(db, &night, &r, &err), -1);
	assert_int_equal(err.status, SR_ENVIRONMENT);
	store("x~1", A, "live", "bld", 1, 1, 1); /* of another round */
	assert_int_equal(ana_night_link(db, &night, &r, &err), -1);
	assert_true(query("select count(*) from night_run") == 0);
	assert_true(query("select count(*) from run where label = 'x'") == 0);
	/* Another night's leftovers are not swept away. */
	store("xy~1", A, "live", "bld", 1, 1, 1);
	assert_int_equal(ana_night_sweep(db, &night, NULL, &err), 0);
	assert_true(query("select count(*) from run") == 1);
}

static void test_a_trace_that_was_changed_meanwhile_is_refused(void **state)
{
	struct ana_night_rounds r = { .sha256 = A, .tag = "x~1", .n = 1, .started_at = "", .ended_at = "" };

	begin("x", "{}", "2026-05-01T00:00:00Z");
	store("x~1", B, "live", "kernel", 0, 0, 1);
	store("x~1", B, "live", "bld", 0, 1, 1);
	assert_int_equal(ana_night_link(db, &night, &r, &err), -1);
	assert_non_null(strstr(err.text, "changed meanwhile"));
}

static void test_a_failed_trace_finishes_a_night(void **state)
{
	struct ana_night_traces t;

	begin("x", "{}", "2026-05-01T00:00:00Z");
	assert_int_equal(add_trace(A, "t.srz"), 0);
	assert_int_equal(ana_night_finish(db, &night, 1, 1, "2026-05-01T01:00:00Z", &err), 0);
	assert_null(night.finished_at);
	assert_int_equal(ana_night_fail(db, &night, A, "it broke", &err), 0);
	assert_int_equal(ana_night_finish(db, &night, 1, 1, "2026-05-01T01:00:00Z", &err), 0);
	assert_non_null(night.finished_at);
	assert_int_equal(ana_night_traces(db, &night, &t, &err), 0);
	assert_string_equal(t.v[0].failure, "it broke");
	ana_night_traces_release(&t);
}

static void judge(const char *baseline, struct ana_night_verdicts *v)
{
	const struct ana_night_judge_options o = { .baseline = baseline, .margin = 0.05, .min_segment = 3 };

	if (ana_night_judge(db, &night, &o, v, &err) < 0)
		fail_msg("%s", err.text);
}

static void test_interleaved_rounds_of_one_night_have_a_verdict(void **state)
{
	struct ana_night_verdicts v;

	do_night("x", "2026-05-01T00:00:00Z", 1000, 1500);
	judge("policy=kernel", &v);
	assert_int_equal(v.ncells, 1);
	assert_int_equal(v.cells[0].c.s.verdict, ANA_REGRESSED);
	assert_int_equal(v.cells[0].arm, 1);
	assert_string_equal(v.cells[0].base_text, "policy=kernel");
	assert_int_equal(v.cells[0].nbase, 6);
	assert_true(v.cells[0].base[5] == 1005 && v.cells[0].cand[0] == 1500);
	assert_int_equal(v.without_base, 0);
	ana_night_verdicts_release(&v);
	judge("policy=bld", &v);
	assert_int_equal(v.cells[0].c.s.verdict, ANA_IMPROVED);
	ana_night_verdicts_release(&v);
}

/* However clear it looks: two nights are not interleaved. */
static void test_live_rounds_of_two_nights_have_none(void **state)
{
	struct ana_night_verdicts v;

	do_night("x", "2026-05-01T00:00:00Z", 1000, 1500);
	do_night("y", "2026-05-02T00:00:00Z", 2000, 2500);
	judge("last", &v);
	assert_int_equal(v.ncells, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(v.cells[i].c.s.verdict, ANA_UNKNOWN);
		assert_true(v.cells[i].c.evidence > ANA_ORDER_UNKNOWN);
	}
	assert_string_equal(v.cells[1].base_text, "policy=bld,label=x");
	ana_night_verdicts_release(&v);
}

static void test_a_baseline_that_is_not_there_is_counted(void **state)
{
	struct ana_night_verdicts v;

	do_night("x", "2026-05-01T00:00:00Z", 1000, 1500);
	judge("last", &v);
	assert_int_equal(v.ncells, 0);
	assert_int_equal(v.without_base, 2);
	ana_night_verdicts_release(&v);
	judge("label=v6.11", &v);
	assert_int_equal(v.without_base, 2);
	ana_night_verdicts_release(&v);
}

/* The label that bld's baseline `last` is of; "": there is none. */
static const char *last_of(const char *baseline)
{
	static char label[64];
	struct ana_night_verdicts v;

	judge(baseline, &v);
	if (v.ncells)
		assert_int_equal(v.without_base, 0);
	snprintf(label, sizeof(label), "%s", v.ncells ? strrchr(v.cells[v.ncells - 1].base_text, '=') + 1 : "");
	ana_night_verdicts_release(&v);
	return label;
}

static void test_the_last_night_is_one_under_the_same_conditions(void **state)
{
	static const char *const specs[] = {
		"{\"machine\":\"numa\"}",
		"{\"machine\":\"smt\"}",
		"{\"machine\":\"numa\",\"extra\":[\"--loop=2\"]}",
		"{\"machine\":\"numa\",\"extra\":[\"--loop=2\",\"--loop=3\"]}",
		"{\"machine\":\"numa\",\"extra\":[\"--loop=2\",\"--seed=3\"]}",
	};
	struct ana_host one = { .machine_key = "one", .aslr = -1 }, two = { .machine_key = "two", .aslr = -1 };
	const char *const all[] = { "m", "a", "w", "t" };
	const char **const columns[] = { &as.machine, &as.arm, &as.work, &as.timing };
	char label[16], now[32];
	int night_of_may = 1;

	as.engine = "simulated";
	/* What the options make of the load and the machine. */
	for (size_t pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
			snprintf(label, sizeof(label), "%zu.%zu", pass, i);
			snprintf(now, sizeof(now), "2026-05-%02dT00:00:00Z", night_of_may++);
			do_night_of(label, specs[i], now, 1000 + (double)i, 2000);
			snprintf(label, sizeof(label), "0.%zu", i);
			assert_string_equal(last_of("last"), pass ? label : "");
		}
	/* The model's parameters, and the order of options of different names, are none. */
	do_night_of("param", "{\"machine\":\"numa\",\"extra\":[\"--seed=3\",\"--param=x=1\",\"--loop=2\"]}",
		    "2026-05-20T00:00:00Z", 1000, 2000);
	assert_string_equal(last_of("last"), "1.4");
	/* What the runs tell. */
	do_night_of("runs", "{}", "2026-05-21T00:00:00Z", 1000, 2000);
	for (size_t k = 0; k < 4; k++) {
		char asked[32];

		*columns[k] = all[k];
		snprintf(now, sizeof(now), "2026-05-2%zuT00:00:00Z", k + 2);
		do_night_of(all[k], "{}", now, 1000, 2000);
		assert_string_equal(last_of("last"), "");
		snprintf(asked, sizeof(asked), "last,%s=", (const char *[]){ "machine", "arm", "work", "timing" }[k]);
		assert_string_equal(last_of(asked), "runs"); /* who names it means it */
		*columns[k] = NULL;
	}
	/* Machines of one topology. */
	as.host = one;
	do_night_of("one", "{}", "2026-05-26T00:00:00Z", 1000, 2000);
	assert_string_equal(last_of("last"), "runs"); /* on what machine is not known */
	as.host = two;
	do_night_of("two", "{}", "2026-05-27T00:00:00Z", 1000, 2000);
	assert_string_equal(last_of("last"), "runs");
	as.host = one;
	do_night_of("one again", "{}", "2026-05-28T00:00:00Z", 1000, 2000);
	assert_string_equal(last_of("last"), "one");
}

static void test_what_is_no_spec_is_no_reason_to_fail(void **state)
{
	static const char *const specs[] = { "", "[", "[1]", "{\"extra\":1}", "{\"extra\":[1,null,[\"--x\"]]}" };
	char label[16], now[32];

	as.engine = "simulated";
	for (size_t i = 0; i < 2 * sizeof(specs) / sizeof(specs[0]); i++) {
		snprintf(label, sizeof(label), "n%zu", i);
		snprintf(now, sizeof(now), "2026-05-1%zuT00:00:00Z", i);
		do_night_of(label, specs[i / 2], now, 1000, 2000);
		last_of("last");
	}
}

/* A trace of a live night may be a shard's that lands on another node tonight. */
static void test_a_series_is_of_one_machine_and_one_load(void **state)
{
	struct ana_night_verdicts v;
	char label[16], now[32];

	as.machine = "4 cores, 4 CPUs, 1 package, 1 node";
	as.host.aslr = -1;
	/* Machine two is slower from its first night on; one gets slower at n20. */
	for (int i = 0; i < 28; i++) {
		bool is_two = i >= 6 && i < 12;

		snprintf(as.host.machine_key, sizeof(as.host.machine_key), "%s", is_two ? "two" : "one");
		snprintf(label, sizeof(label), "n%02d", i);
		snprintf(now, sizeof(now), "2026-05-%02dT00:00:00Z", i + 1);
		do_night(label, now, (is_two || i >= 20 ? 1200 : 1000) + i % 3, 1500 + i % 2);
		judge("policy=kernel", &v);
		for (size_t k = 0; k < v.nchanges; k++)
			assert_string_equal(v.changes[k].night, "n20");
		ana_night_verdicts_release(&v);
	}
	assert_true(query("select count(*) from change_point where night = 'n20'") == 1);
	/* Other work: a series of its own, which forgets no point of the other. */
	as.work = "instructions";
	do_night("n40", "2026-06-10T00:00:00Z", 3000, 3500);
	judge("policy=kernel", &v);
	assert_int_equal(v.nchanges, 0);
	ana_night_verdicts_release(&v);
	assert_true(query("select count(*) from change_point where night = 'n20'") == 1);
}

/* The text of the first doubt of a kind; "": there is none. */
static const char *doubt_of(const struct ana_night_verdicts *v, const char *kind)
{
	for (size_t i = 0; i < v->ndoubts; i++)
		if (!strcmp(v->doubts[i].kind, kind))
			return v->doubts[i].text;
	return "";
}

static void test_what_compare_warns_of_is_kept(void **state)
{
	struct ana_night_verdicts v;

	do_night("x", "2026-05-01T00:00:00Z", 1000, 1500);
	judge("policy=kernel", &v);
	assert_int_equal(v.ndoubts, 0);
	ana_night_verdicts_release(&v);
	as.lost_share = 0.25;
	begin("y", "{}", "2026-05-02T00:00:00Z");
	assert_int_equal(add_trace(A, "t.srz"), 0);
	for (size_t i = 0; i < 6; i++) {
		as.lost_share = i == 2 ? 0.25 : i == 3 ? 0.125 : 0.001;
		assert_int_equal(do_round(A, i, 1000, 1500), 0);
	}
	query("delete from run where policy = 'kernel' and repeat = 5 and label = 'y'");
	query("insert into metric select id, 'fidelity.wake_edges_recall', 'ratio', 0.125 from run where policy = "
	      "'kernel'");
	query("insert into metric select id, 'foreign_cpu_share', 'ratio', case repeat when 2 then 0.375 when 3 then "
	      "0.0625"
	      " else 0.046875 end from run where label = 'y'");
	judge("policy=kernel", &v);
	assert_string_equal(doubt_of(&v, "foreign"), "in 4 of 11 runs other programs had up to 38% of the CPUs");
	assert_string_equal(doubt_of(&v, "lost events"), "4 of 11 runs lost events, up to 25.0% of them");
	assert_string_equal(doubt_of(&v, "left out"), "1 runs have no counterpart and were left out");
	assert_non_null(strstr(doubt_of(&v, "fidelity"), "base: fidelity.wake_edges_recall is 12.5% (median of 5)"));
	assert_string_equal(v.doubts[0].trace, "t.srz");
	assert_int_equal(v.doubts[0].arm, 1);
	ana_night_verdicts_release(&v);
}

/* Who names a base means it; but it is told what of it is other. */
static void test_a_base_of_other_conditions_is_told(void **state)
{
	struct ana_night_verdicts v;

	as.engine = "simulated";
	as.machine = "1 core";
	do_night("x", "2026-05-01T00:00:00Z", 1000, 1500);
	as.machine = "2 cores";
	do_night("y", "2026-05-02T00:00:00Z", 500, 750);
	judge("label=x", &v);
	assert_int_equal(v.ndoubts, 2);
	assert_string_equal(doubt_of(&v, "conditions"), "its base has another machine: '1 core', not '2 cores'");
	ana_night_verdicts_release(&v);
}

static void test_conditions_that_changed_between_nights_are_told(void **state)
{
	static const char *const governors[] = { "powersave", "performance", "performance" };
	struct ana_night_verdicts v;
	char label[16], now[32];

	as.host.aslr = -1;
	strcpy(as.host.machine_key, "one");
	for (int i = 0; i < 3; i++) {
		strcpy(as.host.governor, governors[i]);
		snprintf(label, sizeof(label), "n%d", i);
		snprintf(now, sizeof(now), "2026-05-0%dT00:00:00Z", i + 1);
		do_night(label, now, 1000, 1500);
		judge("policy=kernel", &v);
		assert_string_equal(doubt_of(&v, "conditions"),
				    i == 1 ? "since the night n0 the conditions have changed: governor (powersave, "
					     "then performance)" :
					     "");
		ana_night_verdicts_release(&v);
		judge("last", &v);
		assert_int_equal(*doubt_of(&v, "conditions") != '\0', i == 1);
		if (i == 1)
			assert_non_null(strstr(doubt_of(&v, "conditions"), "governor (powersave, performance)"));
		ana_night_verdicts_release(&v);
	}
}

/* What it ended with is what came before tonight. */
static void test_the_night_before_counts_as_it_ended(void **state)
{
	struct ana_night_verdicts v;

	as.host.aslr = -1;
	strcpy(as.host.machine_key, "one");
	strcpy(as.host.governor, "powersave");
	do_night("n0", "2026-05-01T00:00:00Z", 1000, 1500);
	assert_int_equal(ana_db_run(db, "test",
				    "UPDATE host SET governor = 'performance' WHERE run_id IN (SELECT id FROM run WHERE"
				    " repeat >= 3)",
				    &err),
			 0);
	strcpy(as.host.governor, "performance");
	do_night("n1", "2026-05-02T00:00:00Z", 1000, 1500);
	judge("policy=kernel", &v);
	assert_string_equal(doubt_of(&v, "conditions"), "");
	ana_night_verdicts_release(&v);
}

static void test_the_first_rounds_host_is_known_after_a_reboot(void **state)
{
	struct ana_host h = { .smt = "?" };
	bool known;

	begin("x", "{}", "2026-05-01T00:00:00Z");
	assert_int_equal(ana_night_first_host(db, &night, "one", &h, &known, &err), 0);
	assert_false(known);
	assert_string_equal(h.smt, "?");
	assert_int_equal(add_trace(A, "t.srz"), 0);
	as.json = "{";
	assert_int_equal(do_round(A, 3, 1, 2), 0);
	as.json = "{\"machine\":\"two\",\"governor\":\"schedutil\"}";
	assert_int_equal(do_round(A, 0, 1, 2), 0);
	as.json = "{\"machine\":\"one\",\"governor\":\"powersave\",\"turbo\":\"on\"}";
	assert_int_equal(do_round(A, 1, 1, 2), 0);
	as.json = "{\"machine\":\"one\",\"governor\":\"performance\",\"turbo\":\"off\"}";
	assert_int_equal(do_round(A, 2, 1, 2), 0);
	assert_int_equal(ana_night_first_host(db, &night, "one", &h, &known, &err), 0);
	assert_true(known);
	assert_string_equal(h.governor, "powersave");
	assert_string_equal(h.turbo, "on");
	assert_string_equal(h.smt, "");
}

static void test_a_change_over_the_nights_is_told_once(void **state)
{
	struct ana_night_verdicts v;
	size_t told = 0;
	char label[16], now[32];

	for (int i = 0; i < 16; i++) {
		snprintf(label, sizeof(label), "n%02d", i);
		snprintf(now, sizeof(now), "2026-05-%02dT00:00:00Z", i + 1);
		/* The kernel's gets worse at night 8, bld's better. */
		do_night(label, now, i < 8 ? 1000 + i % 3 : 1200 + i % 3, i < 8 ? 1500 + i % 2 : 1200 + i % 2);
		judge("policy=kernel", &v);
		for (size_t k = 0; k < v.nchanges; k++) {
			assert_string_equal(v.changes[k].night, "n08");
			assert_int_equal(v.changes[k].worse, v.changes[k].arm == 0);
			if (v.changes[k].is_new)
				told++;
			assert_int_equal(v.changes[k].counts, v.changes[k].is_new && v.changes[k].worse);
		}
		if (i == 15) {
			assert_int_equal(v.nchanges, 2);
			assert_true(fabs(v.changes[0].magnitude - 0.2) < 0.01);
			assert_int_equal(v.changes[0].nights, 16);
		}
		ana_night_verdicts_release(&v);
	}
	assert_int_equal(told, 2);
	assert_true(query("select count(*) from change_point where night = 'n08' and found > 'n09'") == 2);
	/* The last night judged again says the same. */
	judge("policy=kernel", &v);
	assert_int_equal(v.nchanges, 2);
	ana_night_verdicts_release(&v);
}

/* Kernels are what a series is about; a BPF scheduler is a thing of its own, as a policy is. */
static void test_nights_under_a_bpf_scheduler_are_a_series_of_their_own(void **state)
{
	struct ana_night_verdicts v;
	char label[16], now[32];

	for (int i = 0; i < 16; i++) {
		snprintf(label, sizeof(label), "n%02d", i);
		snprintf(now, sizeof(now), "2026-05-%02dT00:00:00Z", i + 1);
		do_night(label, now, i < 8 ? 1000 + i % 3 : 1200 + i % 3, 1500 + i % 2);
		if (i >= 8)
			assert_int_equal(ana_db_run(db, "test",
						    "UPDATE run SET sched_ext = 'lavd' WHERE label >= 'n08'", &err),
					 0);
		judge("policy=kernel", &v);
		assert_int_equal(v.ncells, 1);
		assert_int_equal(v.nchanges, 0);
		ana_night_verdicts_release(&v);
	}
	assert_true(query("select count(*) from change_point") == 0);
	/* Of the stock scheduler they would be a change. */
	assert_int_equal(ana_db_run(db, "test", "UPDATE run SET sched_ext = NULL", &err), 0);
	judge("policy=kernel", &v);
	assert_int_equal(v.nchanges, 1);
	ana_night_verdicts_release(&v);
}

/* The kernel ejects one that hangs: what ran under it is judged apart from what ran without. */
static void test_a_bpf_scheduler_that_ends_during_a_night_ends_no_judgement(void **state)
{
	struct ana_night_verdicts v;

	do_night("x", "2026-05-01T00:00:00Z", 1000, 1500);
	assert_int_equal(ana_db_run(db, "test", "UPDATE run SET sched_ext = 'lavd' WHERE repeat < 2", &err), 0);
	judge("policy=kernel", &v);
	assert_int_equal(v.ncells, 1);
	assert_int_equal(v.cells[0].nbase, 4);
	assert_int_equal(v.cells[0].ncand, 4);
	assert_true(v.cells[0].base[0] == 1002 && v.cells[0].cand[0] == 1502);
	ana_night_verdicts_release(&v);
}

/* From no late frame to one in a thousand, and from 1 ms to 1.5, is nothing that a person feels. */
static void test_a_change_below_a_metrics_step_does_not_count(void **state)
{
	static const struct {
		const char *metric;
		double before, after;
		bool counts;
	} cases[] = { { "frames_late_share", 0, 0.001, false },  { "frames_late_share", 0, 0.02, true },
		      { "longest_stall_ns", 1e6, 1.5e6, false }, { "longest_stall_ns", 1e6, 9e6, true },
		      { "missed_periods", 1, 5, false },         { "missed_periods", 1, 30, true } };
	struct ana_night_verdicts v;
	char label[16], now[32], sql[256];
	size_t counted;

	for (int i = 0; i < 16; i++) {
		snprintf(label, sizeof(label), "n%02d", i);
		snprintf(now, sizeof(now), "2026-05-%02dT00:00:00Z", i + 1);
		do_night(label, now, 1000, 1500);
	}
	assert_int_equal(ana_db_run(db, "test", "INSERT INTO metric SELECT id, 'frames', 'count', 1000 FROM run", &err),
			 0);
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		snprintf(
			sql, sizeof(sql),
			"INSERT INTO metric SELECT id, '%s', 'x', CASE WHEN label < 'n08' THEN %g ELSE %g END FROM run",
			cases[k].metric, cases[k].before, cases[k].after);
		assert_int_equal(ana_db_run(db, "test", sql, &err), 0);
		judge("policy=kernel", &v);
		counted = 0;
		for (size_t i = 0; i < v.nchanges; i++)
			counted += v.changes[i].counts;
		assert_int_equal(v.nchanges, 2); /* of both arms */
		assert_int_equal(counted, cases[k].counts ? 2 : 0);
		ana_night_verdicts_release(&v);
		snprintf(sql, sizeof(sql), "DELETE FROM metric WHERE name = '%s'", cases[k].metric);
		assert_int_equal(ana_db_run(db, "test", sql, &err), 0);
		assert_int_equal(ana_db_run(db, "test", "DELETE FROM change_point", &err), 0);
	}
}

static void test_a_nights_floor_is_that_of_its_arm(void **state)
{
	struct ana_night_verdicts v;

	do_night("x", "2026-05-01T00:00:00Z", 1000, 1500);
	assert_int_equal(
		ana_db_run(db, "test",
			   "INSERT INTO noise(uid, trace_sha256, metric, engine, policy, arm, rounds, shift, lo, hi,"
			   " floor, measured_at) VALUES ('1', '" A "', 'makespan_ns', 'live', 'bld', NULL, 6, 0, 0,"
			   " 0, 0.03, '1'), ('2', '" A "', 'makespan_ns', 'live', 'kernel', NULL, 6, 0, 0, 0, 0.2,"
			   " '2'), ('3', '" A "', 'makespan_ns', 'live', 'bld', 'cpus=0', 6, 0, 0, 0, 0.5, '3')",
			   &err),
		0);
	judge("policy=kernel", &v);
	assert_true(v.cells[0].floor_measured);
	assert_true(v.cells[0].floor == 0.03); /* of bld on all CPUs, though others were measured later */
	ana_night_verdicts_release(&v);
}

static void test_an_earlier_night_judged_again_forgets_no_point(void **state)
{
	struct ana_night_verdicts v;
	char label[16], now[32];

	for (int i = 0; i < 16; i++) {
		snprintf(label, sizeof(label), "n%02d", i);
		snprintf(now, sizeof(now), "2026-05-%02dT00:00:00Z", i + 1);
		do_night(label, now, i < 8 ? 1000 + i % 3 : 1200 + i % 3, 1500 + i % 2);
		judge("policy=kernel", &v);
		ana_night_verdicts_release(&v);
	}
	assert_true(query("select count(*) from change_point where night = 'n08'") == 1);
	begin("n05", "{}", "2026-06-01T00:00:00Z");
	judge("policy=kernel", &v);
	assert_int_equal(v.nchanges, 0);
	ana_night_verdicts_release(&v);
	assert_true(query("select count(*) from change_point where night = 'n08'") == 1);
	/* Else the next night would tell it as news. */
	do_night("n16", "2026-05-17T00:00:00Z", 1200, 1500);
	judge("policy=kernel", &v);
	assert_int_equal(v.nchanges, 1);
	assert_false(v.changes[0].is_new);
	ana_night_verdicts_release(&v);
}

static void test_a_trace_without_the_metric_is_no_reason_to_judge_no_other(void **state)
{
	struct ana_night_verdicts v;

	begin("x", "{}", "2026-05-01T00:00:00Z");
	assert_int_equal(add_trace(A, "a.srz"), 0);
	assert_int_equal(add_trace(B, "b.srz"), 0);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(do_round(A, i, 1000 + (double)i, 1500 + (double)i), 0);
		assert_int_equal(do_round(B, i, 1000, 1500), 0);
	}
	query("delete from metric where run_id in (select id from run where trace_sha256 = '" A "')");
	judge("policy=kernel", &v);
	assert_int_equal(v.ncells, 1);
	assert_string_equal(v.cells[0].sha256, B);
	assert_int_equal(v.cells[0].c.s.verdict, ANA_REGRESSED);
	ana_night_verdicts_release(&v);
}

static void test_what_was_nothing_counts_over_the_traces(void **state)
{
	struct ana_night_verdicts v;

	begin("x", "{}", "2026-05-01T00:00:00Z");
	assert_int_equal(add_trace(A, "a.srz"), 0);
	assert_int_equal(add_trace(B, "b.srz"), 0);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(do_round(A, i, 1000 + (double)i, 1000 + (double)i), 0);
		assert_int_equal(do_round(B, i, 0, 10 + (double)i), 0);
	}
	judge("policy=kernel", &v);
	assert_int_equal(v.ncells, 2);
	assert_true(isinf(v.cells[1].c.s.shift));
	assert_int_equal(v.noverall, 1);
	assert_int_equal(v.overall[0].o.traces, 2);
	assert_true(fabs(v.overall[0].o.shift - 2) < 1e-9); /* the mean of none and of all there can be */
	ana_night_verdicts_release(&v);
}

static void test_a_baseline_of_several_policies_is_refused(void **state)
{
	const struct ana_night_judge_options o = { .baseline = "policy=bld", .margin = 0.05, .min_segment = 3 };
	struct ana_night_verdicts v;

	do_night("x", "2026-05-01T00:00:00Z", 1000, 1500);
	query("update run set policy_options = case policy when 'kernel' then '' else 'x=1' end, policy = 'bld'");
	assert_int_equal(ana_night_judge(db, &night, &o, &v, &err), -1);
	assert_int_equal(err.status, SR_USAGE);
	assert_non_null(strstr(err.text, "options="));
	judge("policy=bld,options=", &v);
	assert_int_equal(v.ncells, 1);
	assert_int_equal(v.cells[0].c.s.verdict, ANA_REGRESSED);
	ana_night_verdicts_release(&v);
}

static void test_baselines(void **state)
{
	static const char *const good[] = { "policy=kernel", "last", "last,kernel=6.1", "label=a\\,b,policy=bld" };
	static const char *const bad[] = { "", "kernel", "run=1", "trace=x", "last,label=x", "label=x,last" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(ana_night_check_baseline(good[i], &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(ana_night_check_baseline(bad[i], &err), -1);
		assert_int_equal(err.status, SR_USAGE);
	}
}

/* The other database's nights into this one. */
static struct ana_db_merged merge(const char *from)
{
	struct ana_db_merged m;

	if (ana_db_merge(db, from, &m, &err) < 0)
		fail_msg("%s", err.text);
	return m;
}

static void merge_refused(const char *from, enum sr_status status, const char *text)
{
	double runs = query("select count(*) from run"), nights = query("select count(*) from night");
	struct ana_db_merged m;

	assert_int_equal(ana_db_merge(db, from, &m, &err), -1);
	assert_int_equal(err.status, status);
	if (!strstr(err.text, text) || strchr(err.text, '\n'))
		fail_msg("'%s' lacks '%s'", err.text, text);
	assert_true(query("select count(*) from run") == runs && query("select count(*) from night") == nights);
	assert_true(query("select count(*) from temp.sqlite_master") == 0);
}

/* What there is becomes the other database, and this one is empty. */
static void put_aside(void)
{
	ana_db_close(db);
	rename(path, other_path);
	db = ana_db_open(path, true, &err);
	assert_non_null(db);
}

/* The two change places. */
static void swap(void)
{
	char cmd[300];

	ana_db_close(db);
	snprintf(cmd, sizeof(cmd), "cd %s && mv db third && mv other db && mv third other", dir);
	assert_int_equal(system(cmd), 0);
	db = ana_db_open(path, true, &err);
	assert_non_null(db);
}

static void test_merged_nights_are_one(void **state)
{
	struct ana_db_merged m;

	begin("x", "{}", "2026-05-01T00:00:00Z");
	assert_int_equal(add_trace(A, "a.srz"), 0);
	assert_int_equal(add_trace(B, "b.srz"), 0);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(do_round(A, i, 1, 2), 0);
	store("x~left", A, "live", "kernel", 0, 0, 1);
	put_aside();
	begin("x", "{}", "2026-05-01T00:00:09Z");
	assert_int_equal(add_trace(A, "a.srz"), 0);
	assert_int_equal(add_trace(B, "b.srz"), 0);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(do_round(B, i, 1, 2), 0);
	assert_int_equal(do_round(A, 3, 1, 2), 0); /* both have this one */
	m = merge(other_path);
	assert_int_equal(m.runs, 10);
	assert_int_equal(m.rounds, 5);
	assert_int_equal(m.rounds_left_out, 1);
	assert_int_equal(m.nights, 0);
	assert_true(query("select count(*) from night") == 1);
	assert_true(query("select count(*) from night where finished_at is not null") == 1);
	assert_true(query("select count(*) from night_run q join run r on r.id = q.run join metric m on m.run_id = r.id"
			  " where r.trace_sha256 = q.sha256 and r.repeat = q.round") == 24);
	assert_true(query("select count(*) from run") == 24);
	m = merge(other_path);
	assert_int_equal(m.runs + m.rounds + m.nights, 0);
	assert_true(query("select count(*) from run") == 24);
	/* The other way: it gets what it lacks, and keeps its own round and what it has under way. */
	swap();
	m = merge(other_path);
	assert_int_equal(m.rounds, 6);
	assert_int_equal(m.rounds_left_out, 1);
	assert_true(query("select count(*) from night where finished_at is not null") == 1);
	assert_true(query("select count(*) from run where label = 'x'") == 24);
	assert_true(query("select count(*) from run where label = 'x~left'") == 1);
	m = merge(other_path);
	assert_int_equal(m.runs + m.rounds + m.nights, 0);
}

static void test_merging_that_fails_on_its_way_changes_nothing(void **state)
{
	do_night("x", "2026-05-01T00:00:00Z", 1000, 1500);
	put_aside();
	query("create trigger t before insert on night_round when new.round = 3 begin select raise(abort, 'no'); end");
	merge_refused(other_path, SR_DAMAGED, "no");
	query("drop trigger t");
	assert_int_equal(merge(other_path).rounds, 6);
	begin("x", "{}", "2026-05-01T00:00:00Z");
	assert_non_null(night.finished_at);
}

/* As a database is that another's runs were merged into before nights came with them. */
static void test_runs_without_their_night_get_it(void **state)
{
	struct ana_db_merged m;

	do_night("x", "2026-05-01T00:00:00Z", 1000, 1500);
	put_aside();
	merge(other_path);
	query("delete from night");
	query("update run set label = 'x~1.1~a' where repeat = 2");
	refused(plan("x", "{}", "2026-05-01T00:00:00Z"), SR_USAGE, "no night's");
	m = merge(other_path);
	assert_int_equal(m.runs, 0);
	assert_int_equal(m.rounds, 6);
	assert_true(query("select count(*) from night_run q join run r on r.id = q.run where r.label = 'x'") == 12);
	assert_true(query("select count(*) from run") == 12);
}

static void test_a_label_of_a_night_is_of_no_other_runs(void **state)
{
	do_night("x", "2026-05-01T00:00:00Z", 1000, 1500);
	put_aside();
	store("x", A, "live", "kernel", 0, 0, 1);
	merge_refused(other_path, SR_USAGE, "'x' has a label that runs here have");
	swap();
	merge_refused(other_path, SR_USAGE, "runs labelled 'x' that are no night's");
}

static void test_nights_of_nonsense_are_refused(void **state)
{
	do_night("x", "2026-05-01T00:00:00Z", 1000, 1500);
	query("update night set rounds = -1");
	assert_int_equal(ana_night_load(db, "x", &(struct ana_night){ 0 }, &err), -1);
	assert_int_equal(err.status, SR_DAMAGED);
	put_aside();
	merge_refused(other_path, SR_DAMAGED, "number of rounds");
}

static void test_change_points_come_with_their_nights(void **state)
{
	struct ana_night_verdicts v;
	char label[16], now[32];

	for (int i = 0; i < 16; i++) {
		snprintf(label, sizeof(label), "n%02d", i);
		snprintf(now, sizeof(now), "2026-05-%02dT00:00:00Z", i + 1);
		do_night(label, now, i < 8 ? 1000 + i % 3 : 1200 + i % 3, 1500 + i % 2);
		judge("policy=kernel", &v);
		ana_night_verdicts_release(&v);
	}
	assert_true(query("select count(*) from change_point where found < 'n15'") == 1);
	put_aside();
	assert_int_equal(merge(other_path).changes, 1);
	begin("n15", "{}", "2026-06-01T00:00:00Z");
	judge("policy=kernel", &v);
	assert_int_equal(v.nchanges, 1);
	assert_false(v.changes[0].is_new);
	ana_night_verdicts_release(&v);
	/* Who told it first stays so, whichever comes into which. */
	query("update change_point set found = 'n15'");
	assert_int_equal(merge(other_path).changes, 0);
	assert_true(query("select count(*) from change_point where found < 'n15'") == 1);
	swap();
	query("update change_point set found = 'n10'");
	merge(other_path);
	assert_true(query("select count(*) from change_point where found = 'n10'") == 1);
}

static void test_what_a_night_has_under_way_stays_where_it_is(void **state)
{
	struct ana_night_rounds r = { .sha256 = A,
				      .tag = "x~1",
				      .n = 1,
				      .turns = TURNS,
				      .started_at = "2026-05-01T00:00:00Z",
				      .ended_at = "2026-05-01T00:01:00Z" };
	struct ana_db_merged merged;
	struct ana_db *whole;
	size_t turn[2];

	assert_int_equal(ana_turns(TURNS, 0, 2, turn, &err), 0);
	begin("x", "{}", "2026-05-01T00:00:00Z");
	assert_int_equal(add_trace(A, "a.srz"), 0);
	store("x~1", A, "live", "kernel", 0, turn[0], 1);
	store("x~1", A, "live", "bld", 0, turn[1], 2);
	store("xy~1", A, "live", "bld", 0, 1, 2); /* of no night: an ordinary one */
	whole = ana_db_open(other_path, true, &err);
	assert_non_null(whole);
	assert_int_equal(ana_db_merge(whole, path, &merged, &err), 0);
	assert_int_equal(merged.runs, 1);
	assert_int_equal(merged.nights, 1);
	assert_int_equal(ana_night_link(db, &night, &r, &err), 0);
	assert_int_equal(ana_db_merge(whole, path, &merged, &err), 0);
	assert_int_equal(merged.rounds, 1);
	ana_db_close(db);
	db = whole;
	assert_true(query("select count(*) from night_run q join run r on r.id = q.run where r.label = 'x' and"
			  " r.series = 'x'") == 2);
	assert_true(query("select count(*) from run") == 3);
}

static void test_a_samples_weights_stay_and_two_samples_are_not_merged(void **state)
{
	struct ana_night_traces t;

	begin("x", "{}", "2026-05-01T00:00:00Z");
	assert_int_equal(add_pick(A, "a.srz", 2.5, 3), 0);
	assert_int_equal(add_pick(B, "b.srz", 7.25, 9), 0);
	assert_int_equal(do_round(A, 0, 1, 2), 0);
	put_aside();
	merge(other_path); /* into a database without the night */
	begin("x", "{}", "2026-05-01T00:00:09Z");
	assert_int_equal(ana_night_traces(db, &night, &t, &err), 0);
	assert_int_equal(t.n, 2);
	assert_true(t.v[0].weight == 2.5 && t.v[0].traces == 3 && t.v[1].weight == 7.25 && t.v[1].traces == 9);
	ana_night_traces_release(&t);
	merge(other_path);
	assert_int_equal(add_pick(B, "b.srz", 8, 10), 0);
	merge_refused(other_path, SR_USAGE, "another sample");
}

static void test_another_night_of_the_same_label_is_not_merged(void **state)
{
	begin("x", "{}", "2026-05-01T00:00:00Z");
	assert_int_equal(do_round(A, 0, 1, 2), 0);
	put_aside();
	begin("x", "[1]", "2026-05-01T00:00:00Z");
	merge_refused(other_path, SR_USAGE, "'x' is another one");
	query("delete from night");
	begin("x", "{}", "2026-05-01T00:00:00Z");
	query("update night_arm set name = 'eas' where arm = 1");
	merge_refused(other_path, SR_USAGE, "'x' is another one");
}

/* ---- a busy machine ---- */

static void write_proc(const char *name, const char *text)
{
	char file[128];
	FILE *f;

	snprintf(file, sizeof(file), "%s/proc/%s", dir, name);
	f = fopen(file, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_what_keeps_a_machine_busy(void **state)
{
	struct ana_busy_look a, b;
	char sub[160], text[128];

	snprintf(sub, sizeof(sub), "mkdir -p %s/proc/12 %s/proc/13 %s/proc/self", dir, dir, dir);
	assert_int_equal(system(sub), 0);
	write_proc("stat", "cpu 1000 0 1000 8000 500 0 0 0 70 0\ncpu0 1 2\n");
	write_proc("12/stat", "12 (a) b (c) R 1 1 1 0 -1 4 1 0 0 0 100 50 0 0 20 0 1 0 5 0\n");
	write_proc("13/stat", "13 (idle) S 1 1 1 0 -1 4 1 0 0 0 7 7 0 0 20 0 1 0 5 0\n");
	ana_busy_look(dir, &a);
	assert_int_equal(a.ntasks, 2);
	write_proc("stat", "cpu 1100 0 1100 8700 600 0 0 0 70 0\ncpu0 1 2\n");
	write_proc("12/stat", "12 (a) b (c) R 1 1 1 0 -1 4 1 0 0 0 250 90 0 0 20 0 1 0 5 0\n");
	ana_busy_look(dir, &b);
	assert_true(fabs(ana_busy_between(&a, &b, 0, 0, text, sizeof(text)) - 0.2) < 1e-9);
	assert_true(strncmp(text, "a) b (c ", 8) == 0 && strstr(text, "of a CPU") && !strstr(text, "idle"));
	/* One's own time is not others'. */
	assert_true(ana_busy_between(&a, &b, 200.0 / (double)sysconf(_SC_CLK_TCK), 12, text, sizeof(text)) < 1e-9);
	assert_string_equal(text, "");
	assert_true(ana_busy_between(&b, &a, 0, 0, text, sizeof(text)) < 0);
	ana_busy_release(&a);
	ana_busy_release(&b);
	write_proc("stat", "nonsense\n");
	write_proc("12/stat", "12 (unfinished");
	ana_busy_look(dir, &a);
	assert_true(a.total == 0 && a.ntasks == 1);
	assert_true(ana_busy_between(&a, &a, 0, 0, text, sizeof(text)) < 0);
	ana_busy_release(&a);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_night_is_gone_on_with_until_it_is_finished),
		T(an_old_unfinished_night_stays_unfinished),
		T(only_resume_begins_none),
		T(labels_of_others_are_refused),
		T(a_shard_has_one_owner_that_lives),
		T(a_shard_leaves_the_others_runs_alone),
		T(arms_are_known_by_their_slots),
		T(half_a_round_is_not_taken_over),
		T(a_trace_that_was_changed_meanwhile_is_refused),
		T(a_failed_trace_finishes_a_night),
		T(interleaved_rounds_of_one_night_have_a_verdict),
		T(live_rounds_of_two_nights_have_none),
		T(a_baseline_that_is_not_there_is_counted),
		T(the_last_night_is_one_under_the_same_conditions),
		T(what_is_no_spec_is_no_reason_to_fail),
		T(a_series_is_of_one_machine_and_one_load),
		T(what_compare_warns_of_is_kept),
		T(a_base_of_other_conditions_is_told),
		T(conditions_that_changed_between_nights_are_told),
		T(the_night_before_counts_as_it_ended),
		T(the_first_rounds_host_is_known_after_a_reboot),
		T(a_change_over_the_nights_is_told_once),
		T(nights_under_a_bpf_scheduler_are_a_series_of_their_own),
		T(a_bpf_scheduler_that_ends_during_a_night_ends_no_judgement),
		T(a_change_below_a_metrics_step_does_not_count),
		T(a_nights_floor_is_that_of_its_arm),
		T(an_earlier_night_judged_again_forgets_no_point),
		T(a_trace_without_the_metric_is_no_reason_to_judge_no_other),
		T(what_was_nothing_counts_over_the_traces),
		T(a_baseline_of_several_policies_is_refused),
		T(baselines),
		T(merged_nights_are_one),
		T(merging_that_fails_on_its_way_changes_nothing),
		T(runs_without_their_night_get_it),
		T(a_label_of_a_night_is_of_no_other_runs),
		T(nights_of_nonsense_are_refused),
		T(change_points_come_with_their_nights),
		T(what_a_night_has_under_way_stays_where_it_is),
		T(a_samples_weights_stay_and_two_samples_are_not_merged),
		T(another_night_of_the_same_label_is_not_merged),
		T(what_keeps_a_machine_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
