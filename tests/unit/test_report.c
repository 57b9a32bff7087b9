/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reports: text stays text, the data says what the database says, the size is bounded. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "analyze/report_internal.h"
#include "tests/unit/trace_builder.h"

static struct sr_error err;
static char path[] = "/tmp/schedrec-report.XXXXXX";
static struct ana_db *db;
static char *out;
static size_t out_len;
static FILE *mem;

static int setup(void **state)
{
	int fd;

	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	return 0;
}

static int teardown(void **state)
{
	char other[64];

	ana_db_close(db);
	db = NULL;
	free(out);
	out = NULL;
	unlink(path);
	snprintf(other, sizeof(other), "%s-wal", path);
	unlink(other);
	snprintf(other, sizeof(other), "%s-shm", path);
	unlink(other);
	return 0;
}

static FILE *begin(void)
{
	free(out);
	out = NULL;
	mem = open_memstream(&out, &out_len);
	assert_non_null(mem);
	return mem;
}

static const char *end(void)
{
	assert_int_equal(fclose(mem), 0);
	return out;
}

static const char *json(const char *text)
{
	struct ana_json j = { .f = begin() };

	ana_json_text(&j, NULL, text);
	return end();
}

static const char *html(const char *text)
{
	ana_html_text(begin(), text);
	return end();
}

static void test_json_ends_no_script(void **state)
{
	assert_string_equal(json("</script><!--&'"), "\"\\u003c/script\\u003e\\u003c!--\\u0026\\u0027\"");
	assert_string_equal(json("a\xe2\x80\xa8"
				 "b\xe2\x80\xa9"),
			    "\"a\\u2028b\\u2029\"");
	assert_string_equal(json("\"\\\n\t\x01\x7f"), "\"\\\"\\\\\\u000a\\u0009\\u0001\\u007f\"");
	assert_string_equal(json("grün \xf0\x9f\x90\xa7"), "\"grün \xf0\x9f\x90\xa7\"");
	assert_string_equal(json(NULL), "null");
}

static void test_json_is_valid_utf8_whatever_comes(void **state)
{
	assert_string_equal(json("\xff"
				 "a"),
			    "\"\\ufffda\"");
	assert_string_equal(json("\xc3"), "\"\\ufffd\"");                                  /* cut */
	assert_string_equal(json("\xc0\xbc"), "\"\\ufffd\\ufffd\"");                       /* an overlong '<' */
	assert_string_equal(json("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");            /* a surrogate */
	assert_string_equal(json("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\""); /* behind the last one */
	assert_string_equal(json("\xe2\x80\xae"), "\"\\u202e\"");                          /* writes backwards */
}

static void test_long_texts_are_cut_between_characters(void **state)
{
	char text[1000];

	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(strlen(json(text)), ANA_JSON_TEXT + 3 + 2);
	memcpy(text + ANA_JSON_TEXT - 1, "\xc3\xbc", 2);
	assert_int_equal(strlen(json(text)), ANA_JSON_TEXT - 1 + 3 + 2);
	assert_int_equal(strlen(html(text)), ANA_JSON_TEXT - 1 + 3);
}

static void test_html_is_text(void **state)
{
	assert_string_equal(html("<img src=x onerror=\"a()\">"), "&#60;img src&#61;x onerror&#61;&#34;a()&#34;&#62;");
	assert_string_equal(html("&'`"), "&#38;&#39;&#96;");
	assert_string_equal(html("\xe2\x80\xae\xff"), "&#xfffd;&#xfffd;");
	assert_string_equal(html("a\nb"), "a b");
}

static void test_numbers_that_are_none_are_null(void **state)
{
	struct ana_json j = { .f = begin() };

	ana_json_open(&j, NULL, '[');
	ana_json_real(&j, NULL, NAN);
	ana_json_real(&j, NULL, INFINITY);
	ana_json_real(&j, NULL, 0.25);
	ana_json_int(&j, NULL, INT64_MIN);
	ana_json_bool(&j, NULL, true);
	ana_json_close(&j, ']');
	assert_string_equal(end(), "[null,null,0.25,-9223372036854775808,true]");
}

static void store(const char *policy, const char *label, int repeat, const char *trace, double makespan, double p99)
{
	struct ana_run run = { .trace_sha256 = trace,
			       .trace_name = trace,
			       .label = label,
			       .engine = "live",
			       .policy = policy,
			       .repeat = repeat,
			       .order_slot = strcmp(policy, "kernel") != (repeat % 2),
			       .lost_events = 7,
			       .host = "{\"governor\":\"performance\"}" };
	struct ana_result r = { .wakeup_latency = calloc(1, sizeof(*r.wakeup_latency)) };

	assert_non_null(r.wakeup_latency);
	for (int i = 0; i < 100; i++)
		ana_hist_add(r.wakeup_latency, (uint64_t)(i < 90 ? 1000 : 50000));
	assert_int_equal(ana_set(&r, "makespan_ns", "ns", makespan, &err), 0);
	assert_int_equal(ana_set(&r, "wakeup_latency_ns.p99", "ns", p99, &err), 0);
	assert_int_equal(ana_set(&r, "fidelity.makespan_error", "ratio", repeat * 0.01, &err), 0);
	if (ana_db_store(db, &run, &r, &err) < 0)
		fail_msg("%s", err.text);
	ana_result_release(&r);
}

static void open_db(void)
{
	db = ana_db_open(path, true, &err);
	if (!db)
		fail_msg("%s", err.text);
}

static const char *write_report(const char *base, const char *candidate)
{
	struct ana_report_options o = { .name = "<db>", .base = base, .candidate = candidate };
	FILE *f;

	if (!ana_report_can())
		skip();
	f = begin();
	if (ana_report_write(db, &o, f, &err) < 0)
		fail_msg("%s", err.text);
	return end();
}

static const char *write_metrics(const char *glob)
{
	struct ana_report_options o = { .metrics = &glob, .nmetrics = 1 };
	FILE *f;

	if (!ana_report_can())
		skip();
	f = begin();
	if (ana_report_write(db, &o, f, &err) < 0)
		fail_msg("%s", err.text);
	return end();
}

static size_t occurrences(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
		n++;
	return n;
}

static void expect(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("no '%s' in the report", what);
}

static void test_the_verdict_comes_first(void **state)
{
	const char *page, *verdict;

	open_db();
	for (int i = 1; i <= 8; i++) {
		store("kernel", NULL, i, "t1", 100 + i % 2, 1000 + i);
		store("bld", NULL, i, "t1", 100 + i % 3, 2000 + i);
	}
	page = write_report(NULL, NULL);
	verdict = strstr(page, "Worse</span>: 1 of 2 measurements regressed");
	assert_non_null(verdict);
	assert_true(verdict < strstr(page, "id=\"data\""));
	expect(page, "<strong>wakeup_latency_ns.p99</strong> on t1 regressed: +9");
	/* As data: the median of fidelity, the lost events of all rounds, and the distribution. */
	expect(page, "[0,0,8,56,0,0,null,null,null,0.045,null,null,null,null]");
	expect(page, "{\"arm\":1,\"trace\":0,\"name\":\"wakeup_latency_ns\",\"n\":800,\"q\":[");
	/* The other way round it is better. */
	page = write_report("policy=bld", "policy=kernel");
	expect(page, "Better</span>: 1 of 2 measurements improved, none regressed");
	/* The database is as it was. */
	assert_int_equal(ana_db_each(db, "SELECT * FROM report_run", NULL, NULL, &err), -1);
	assert_int_equal(ana_db_each(db, "BEGIN", NULL, NULL, &err), 0);
	assert_int_equal(ana_db_each(db, "COMMIT", NULL, NULL, &err), 0);
}

static void test_what_would_settle_the_unknown_is_said(void **state)
{
	open_db();
	for (int i = 1; i <= 4; i++) {
		store("kernel", NULL, i, "t1", 100 + i % 2, 1000);
		store("bld", NULL, i, "t1", 130 + i % 3, 1100);
	}
	expect(write_report(NULL, NULL), "About 2 more rounds would settle all that is unknown");
	/* Of two machines nothing but another experiment would. */
	assert_int_equal(ana_db_each(db, "UPDATE run SET engine = 'live', machine = policy", NULL, NULL, &err), 0);
	write_report("policy=kernel", "policy=bld");
	expect(out, "run both arms on one machine");
	assert_int_equal(occurrences(out, "more rounds would settle"), 0);
}

static void test_what_regressed_over_all_traces_is_said_first(void **state)
{
	static const double per_cent[] = { -4, 8, -3, 9, 3, -2, 3, 10 };
	char trace[8];
	const char *page;

	open_db();
	for (int t = 0; t < 7; t++) {
		snprintf(trace, sizeof(trace), "t%d", t);
		for (int i = 0; i < 8; i++) {
			store("kernel", NULL, i, trace, 1000, 1000);
			store("bld", NULL, i, trace, 1000 + 10 * per_cent[i] + t, 1000);
		}
	}
	page = write_report(NULL, NULL);
	expect(page, "Worse</span>: 1 metric regressed over all traces, though none of 14 measurements alone shows it");
	expect(page, "<article class=\"verdict regressed\">");
	page = write_report("policy=bld", "policy=kernel");
	expect(page, "Better</span>: 1 metric improved over all traces");
}

static void test_without_a_second_arm_there_is_no_verdict(void **state)
{
	open_db();
	expect(write_report(NULL, NULL), "No verdict</span>: the database has no runs yet");
	store("kernel", NULL, 1, "t1", 100, 1000);
	expect(write_report(NULL, NULL), "No verdict</span>: all runs are of one kind");
	store("bld", NULL, 2, "t2", 100, 1000);
	expect(write_report(NULL, NULL), "No verdict</span>: no two kinds of runs have a trace and a round in common");
}

static void test_hostile_names_stay_text(void **state)
{
	const char *name = "</script><script>alert(1)</script>\xe2\x80\xa8<img src=x onerror=alert(2)>\"'&\\,{{data}}";
	const char *page;

	open_db();
	for (int i = 1; i <= 8; i++) {
		store("kernel", name, i, name, 100 + i, 1000);
		store(name, name, i, name, 200 + i, 1000);
	}
	page = write_report(NULL, NULL);
	expect(page, "Worse</span>: 1 of 2");
	assert_int_equal(occurrences(page, "<script>"), 2);
	assert_int_equal(occurrences(page, "<script"), 3);
	assert_int_equal(occurrences(page, "</script"), 3);
	assert_int_equal(occurrences(page, "alert(1)<"), 0);
	assert_int_equal(occurrences(page, "<img"), 0);
	assert_int_equal(occurrences(page, "\xe2\x80\xa8"), 0);
	assert_int_equal(occurrences(page, "id=\"data\""), 1);
}

static void test_many_labels_are_bounded(void **state)
{
	const char *page;
	char label[32];

	open_db();
	for (int l = 0; l < 40; l++) {
		snprintf(label, sizeof(label), "night-%02d", l);
		store("kernel", label, 1, "t1", 100, 1000);
		store("bld", label, 1, "t1", 100, 1000);
	}
	page = write_report(NULL, NULL);
	assert_int_equal(occurrences(page, "<article"), ANA_REPORT_COMPARISONS);
	expect(page, "bld (night-39) <span class=\"against\">against</span> kernel (night-39)");
	expect(page, "kernel (night-39) <span class=\"against\">against</span> kernel (night-38)");
	expect(page, "\"all\":{\"arms\":80,");
	assert_int_equal(occurrences(page, "{\"name\":\"kernel (night-") + occurrences(page, "{\"name\":\"bld (night-"),
			 ANA_REPORT_ARMS);
}

static void test_a_timeline_has_what_ran_and_what_waited(void **state)
{
	struct ana_json j = { .f = begin() };
	struct trace t;
	const char *text;

	/* One CPU. a runs the first half of 400 us, b waits from 100 us on and runs the second half. */
	trace_begin(&t, "system");
	trace_task(&t, 10, "</script>", 'R', 0);
	trace_task(&t, 11, "b", 'S', 0);
	trace_switch(&t, 1000000, 0, 0, SR_STATE_RUNNING, 10);
	trace_waking(&t, 1100000, 0, 10, 11, 0);
	trace_put(&t,
		  (struct sr_event){
			  .time_ns = 1100000, .kind = SR_EV_WAKEUP, .ctx = 10, .u.wake = { .tid = 11, .prio = 120 } });
	trace_switch(&t, 1200000, 0, 10, SR_STATE_SLEEPING, 11);
	trace_switch(&t, 1400000, 0, 11, SR_STATE_SLEEPING, 0);
	trace_keep(&t, path);
	if (ana_report_timeline(db, path, &j, &err) < 0)
		fail_msg("%s", err.text);
	text = end();
	expect(text, "\"cpus\":1,\"per_lane\":1,\"lost\":0");
	expect(text, "\"tasks_all\":2");
	expect(text, "[\"\\u003c/script\\u003e\",10,200000,");
	/* 400 steps: all of them run; those from the 100th to the 199th wait. */
	text = strstr(text, "\"waiting\":[");
	assert_non_null(text);
	assert_int_equal(atoi(text + strlen("\"waiting\":[")), 0);
	for (size_t i = 0, at = strlen("\"waiting\":["); i < 398; i++) {
		double v = strtod(text + at, NULL);

		if (i > 1 && (i < 98 || i > 201))
			assert_true(v == 0);
		if (i > 102 && i < 197)
			assert_true(v == 1);
		at += strcspn(text + at, ",]") + 1;
	}
}

static void sql(const char *text)
{
	if (ana_db_each(db, text, NULL, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

/* Eight nights of two rounds, with four metrics of which one changed in the fifth, where nobody looks for it. */
static void store_nights(void)
{
	char text[400];

	for (int i = 0; i < 16; i++) {
		struct ana_run run = { .trace_sha256 = "t1",
				       .trace_name = "t1",
				       .engine = "live",
				       .policy = "bld",
				       .repeat = i % 2,
				       .lost_events = i == 6 ? 5 : 0 };
		struct ana_result r = { 0 };
		char label[16];

		snprintf(label, sizeof(label), "night-%d", i / 2);
		run.label = label;
		assert_int_equal(ana_set(&r, "makespan_ns", "ns", 1000 + i, &err), 0);
		assert_int_equal(ana_set(&r, "frames_missed_twice", "count", i < 8 ? 1 : 9, &err), 0);
		assert_int_equal(ana_set(&r, "balancer_cpu_ns", "ns", 7, &err), 0);
		assert_int_equal(ana_set(&r, "fidelity.makespan_error", "ratio", 0.25, &err), 0);
		if (ana_db_store(db, &run, &r, &err) < 0)
			fail_msg("%s", err.text);
		ana_result_release(&r);
		snprintf(text, sizeof(text),
			 "INSERT OR IGNORE INTO night VALUES (%d, '%s', '{}', 'live', 'k', 2, '2026-10-0%d', NULL)",
			 i / 2 + 1, label, i / 2 + 1);
		sql(text);
		snprintf(text, sizeof(text), "INSERT INTO night_run VALUES (%lld, %d, 't1', %d, 0)", (long long)run.id,
			 i / 2 + 1, i % 2);
		sql(text);
		snprintf(text, sizeof(text), "INSERT INTO night_round VALUES (%d, 't1', %d, 'x', 'x', NULL, %s)",
			 i / 2 + 1, i % 2, i == 8 ? "'make 31%'" : "NULL");
		sql(text);
	}
	sql("INSERT INTO change_point VALUES ('t1', 'frames_missed_twice', 'live', 'bld', '', '', '', 'night-4', "
	    "'night-7',"
	    " 0.001, 1, 9, 8)");
}

static void test_what_changed_over_nights_is_drawn_whatever_its_metric(void **state)
{
	const char *page;

	open_db();
	store_nights();
	page = write_report(NULL, NULL);
	/* First what changed; then what is compared. */
	expect(page, "\"nightly\":[{\"trace\":\"t1\",\"metric\":\"frames_missed_twice\",\"unit\":\"count\"");
	expect(page, "{\"trace\":\"t1\",\"metric\":\"makespan_ns\"");
	expect(page, "\"nightly_left\":{\"series\":0,\"metrics_all\":1,\"metrics\":[\"balancer_cpu_ns\"]}");
	assert_null(strstr(page, "\"metric\":\"balancer_cpu_ns\""));
	/* when, value, range, band, change with its levels, rounds, noisy ones, lost events, fidelity */
	expect(page, "[\"2026-10-05\",9,9,9,9,9,1,1,9,2,1,0,0.25]");
	expect(page, "[\"2026-10-04\",1,1,1,1,1,0,null,null,2,0,5,0.25]");
	/* Of metrics that are named those and no others, but for what changed. */
	page = write_metrics("balancer_*");
	expect(page, "\"asked\":[\"balancer_*\"]");
	expect(page, "{\"trace\":\"t1\",\"metric\":\"balancer_cpu_ns\"");
	expect(page, "{\"trace\":\"t1\",\"metric\":\"frames_missed_twice\"");
	expect(page, "\"metrics_all\":1,\"metrics\":[\"makespan_ns\"]");
}

/* Of two nodes, or loads, the medians are no series together. */
static void test_what_differs_is_another_series(void **state)
{
	static const char *const differ[] = { "UPDATE run SET arm = 'cpus=0' WHERE label >= 'night-4'",
					      "UPDATE run SET arm = NULL, timing = 'open' WHERE label >= 'night-4'",
					      "INSERT INTO host (run_id, machine_key) SELECT id, CASE WHEN label >="
					      " 'night-4' THEN 'two' ELSE 'one' END FROM run" };
	const char *page;

	open_db();
	store_nights();
	for (size_t i = 0; i < sizeof(differ) / sizeof(differ[0]); i++) {
		if (i == 2)
			sql("UPDATE run SET timing = NULL");
		sql(differ[i]);
		page = write_metrics("makespan_ns");
		/* Four nights each. */
		page = strstr(page, "\"metric\":\"makespan_ns\",\"unit\":\"ns\",\"policy\":\"bld\"");
		assert_non_null(page);
		assert_non_null(strstr(page + 1, "\"metric\":\"makespan_ns\",\"unit\":\"ns\",\"policy\":\"bld\""));
	}
}

/* Side by side are those that ran under the same BPF scheduler. */
static void test_arms_under_a_bpf_scheduler_are_compared_with_their_like(void **state)
{
	const char *page;

	open_db();
	for (int i = 1; i <= 8; i++) {
		store("kernel", NULL, i, "t1", 1000 + i % 2, 1000);
		store("bld", NULL, i, "t1", 2000 + i % 3, 1000);
	}
	sql("UPDATE run SET sched_ext = 'lavd'");
	for (int i = 1; i <= 8; i++) {
		store("kernel", NULL, i, "t1", 100 + i % 2, 1000);
		store("bld", NULL, i, "t1", 104 + i % 3, 1000);
	}
	page = write_report(NULL, NULL);
	/* The kernel without and with it; bld beside the one and the other. */
	expect(page, "\"comparisons\":[{\"base\":0,\"candidate\":1");
	expect(page, "{\"base\":0,\"candidate\":2");
	expect(page, "{\"base\":1,\"candidate\":3");
}

static void test_metrics_that_are_named_are_compared(void **state)
{
	struct ana_report_options o = { .metrics = (const char *const[]){ "none*" }, .nmetrics = 1 };
	FILE *f;

	open_db();
	for (int i = 1; i <= 8; i++) {
		store("kernel", NULL, i, "t1", 100 + i % 2, 1000 + i);
		store("bld", NULL, i, "t1", 100 + i % 3, 2000 + i);
	}
	expect(write_metrics("wakeup_*"), "Worse</span>: 1 of 1 measurement regressed");
	expect(write_metrics("makespan_ns"), "\"cells_all\":1,");
	if (!ana_report_can())
		skip();
	f = begin();
	assert_int_equal(ana_report_write(db, &o, f, &err), -1);
	assert_int_equal(err.status, SR_USAGE);
	end();
}

static void test_what_a_night_has_not_taken_over_is_no_arm(void **state)
{
	const char *page;

	open_db();
	store_nights();
	store("kernel", "night-3~1.1~0123456789abcdef0123456789abcdef", 1, "t1", 100, 1000);
	store("kernel", "night-3~mine", 1, "t1", 100, 1000); /* somebody's own label */
	page = write_report(NULL, NULL);
	expect(page, "1 run of a night that is running, or was ended in the middle, was left out.");
	assert_null(strstr(page, "night-3~1.1"));
	expect(page, "night-3~mine");
	expect(page, "\"all\":{\"arms\":9,\"runs\":17,");
}

/* The nth number of the innermost array behind key; NAN: null. */
static double number_in(const char *text, const char *key, unsigned skip, size_t nth)
{
	const char *at = strstr(text, key);

	if (!at)
		fail_msg("no '%s' in the report", key);
	at += strlen(key);
	for (unsigned i = 0; i < skip; i++)
		at = strchr(at, ']') + 1;
	at += strspn(at, "[,");
	for (size_t i = 0; i < nth; i++)
		at += strcspn(at, ",]") + 1;
	return strncmp(at, "null", 4) ? strtod(at, NULL) : NAN;
}

/* The steps from..to of a lane have this value; NAN: none. */
static void expect_steps(const char *text, const char *key, unsigned lane, size_t from, size_t to, double want)
{
	for (size_t i = from; i <= to; i++) {
		double v = number_in(text, key, lane, i);

		if (isnan(want) ? !isnan(v) : v != want)
			fail_msg("%s lane %u step %zu: %g, not %g", key, lane, i, v, want);
	}
}

static const char *timeline_of(struct trace *t)
{
	struct ana_json j = { .f = begin() };

	trace_keep(t, path);
	if (ana_report_timeline(db, path, &j, &err) < 0)
		fail_msg("%s", err.text);
	return end();
}

static void test_a_timeline_tells_whose_time_it_was(void **state)
{
	struct trace t;
	const char *text;

	/* Of 400 us the command has cpu 0 for the first 100, another task for the next 100; cpu 1 has the recorder. */
	trace_begin(&t, "system");
	trace_task(&t, 10, "command", 'R', SR_TASK_ROOT);
	trace_task(&t, 11, "other", 'S', 0);
	trace_task(&t, 12, "recorder", 'S', SR_TASK_RECORDER);
	trace_meta(&t, "command", "./command");
	trace_switch(&t, 1000000, 0, 0, SR_STATE_RUNNING, 10);
	trace_switch(&t, 1000000, 1, 0, SR_STATE_RUNNING, 12);
	trace_switch(&t, 1100000, 0, 10, SR_STATE_SLEEPING, 11);
	trace_switch(&t, 1200000, 0, 11, SR_STATE_SLEEPING, 0);
	trace_switch(&t, 1300000, 1, 12, SR_STATE_SLEEPING, 0);
	trace_switch(&t, 1400000, 0, 0, SR_STATE_RUNNING, 10);
	text = timeline_of(&t);
	expect(text, "\"whole_system\":true");
	expect(text, "\"own\":\"tasks of the recorded command\",\"gaps\":0");
	expect_steps(text, "\"lanes\":", 0, 1, 98, 1);
	expect_steps(text, "\"lanes\":", 0, 101, 398, 0);
	expect_steps(text, "\"lanes\":", 1, 0, 398, 0);
	expect_steps(text, "\"others\":", 0, 1, 98, 0);
	expect_steps(text, "\"others\":", 0, 101, 198, 1);
	expect_steps(text, "\"others\":", 0, 201, 398, 0);
	expect_steps(text, "\"others\":", 1, 1, 298, 1);
	expect_steps(text, "\"others_running\":", 0, 101, 198, 2);
	expect_steps(text, "\"running\":", 0, 1, 98, 1);
}

static void test_a_recording_of_a_command_tells_nothing_of_others(void **state)
{
	struct trace t;
	const char *text;

	trace_begin(&t, "tree");
	trace_task(&t, 10, "command", 'R', SR_TASK_ROOT);
	trace_task(&t, 11, "other", 'S', 0);
	trace_switch(&t, 1000000, 0, 0, SR_STATE_RUNNING, 10);
	trace_switch(&t, 1100000, 0, 10, SR_STATE_SLEEPING, 11);
	trace_switch(&t, 1200000, 0, 11, SR_STATE_SLEEPING, 10);
	trace_switch(&t, 1400000, 0, 10, SR_STATE_SLEEPING, 11);
	text = timeline_of(&t);
	assert_null(strstr(text, "\"others\""));
	expect(text, "\"own\":\"the recorded tasks\"");
	expect_steps(text, "\"lanes\":", 0, 1, 98, 1);
	expect_steps(text, "\"lanes\":", 0, 101, 198, 0);
	expect_steps(text, "\"lanes\":", 0, 201, 398, 1);
}

static void test_a_replay_s_time_is_that_of_what_it_bound(void **state)
{
	struct trace t;
	const char *text;

	/* The thread has the cpu all the time, and replays a task for the second half. */
	trace_begin(&t, "system");
	trace_meta(&t, "engine", "live");
	trace_task(&t, 10, "thread", 'R', 0);
	trace_switch(&t, 1000000, 0, 0, SR_STATE_RUNNING, 10);
	trace_bind(&t, 1200000, 10, 1);
	trace_switch(&t, 1400000, 0, 10, SR_STATE_SLEEPING, 0);
	text = timeline_of(&t);
	expect(text, "\"own\":\"the replayed tasks\"");
	expect_steps(text, "\"others\":", 0, 1, 198, 1);
	expect_steps(text, "\"lanes\":", 0, 1, 198, 0);
	expect_steps(text, "\"lanes\":", 0, 201, 398, 1);
	expect_steps(text, "\"others\":", 0, 201, 398, 0);
}

static void test_a_timeline_has_gaps_where_events_were_lost(void **state)
{
	struct trace t;
	const char *text;

	/* Cpu 0 runs the command until its events are lost from 100 us to 200 us, and another task behind that, which its
	 * next event tells; cpu 1 has the command's other thread all the time. */
	trace_begin(&t, "system");
	trace_thread(&t, 10, 10, "command", 'R', SR_TASK_ROOT);
	trace_thread(&t, 13, 10, "thread", 'R', SR_TASK_ROOT);
	trace_task(&t, 11, "other", 'S', 0);
	trace_switch(&t, 1000000, 0, 0, SR_STATE_RUNNING, 10);
	trace_switch(&t, 1000000, 1, 0, SR_STATE_RUNNING, 13);
	trace_waking(&t, 1100000, 0, 10, 14, 0);
	trace_put(&t,
		  (struct sr_event){
			  .time_ns = 1200000, .cpu = 0, .kind = SR_EV_LOST, .u.lost = { .count = 9, .span_us = 99 } });
	trace_switch(&t, 1300000, 0, 11, SR_STATE_SLEEPING, 0);
	trace_switch(&t, 1400000, 1, 13, SR_STATE_SLEEPING, 0);
	text = timeline_of(&t);
	expect_steps(text, "\"lanes\":", 0, 1, 98, 1);
	expect_steps(text, "\"lanes\":", 0, 102, 197, NAN);
	expect_steps(text, "\"others\":", 0, 102, 197, NAN);
	expect_steps(text, "\"others\":", 0, 201, 298, 1);
	expect_steps(text, "\"lanes\":", 0, 201, 398, 0);
	expect_steps(text, "\"lanes\":", 1, 1, 398, 1);
	/* What a sum lacks a part of is none. */
	expect_steps(text, "\"running\":", 0, 1, 98, 2);
	expect_steps(text, "\"running\":", 0, 102, 197, NAN);
	expect_steps(text, "\"waiting\":", 0, 102, 197, NAN);
	assert_true(number_in(text, "\"gaps\":", 0, 0) > 95);
}

static void test_a_file_that_is_no_trace_is_refused(void **state)
{
	const char *files[] = { "/etc/passwd" };
	struct ana_report_options o = { .traces = files, .ntraces = 1 };
	FILE *f = begin();

	if (!ana_report_can()) {
		end();
		skip();
	}
	open_db();
	assert_int_equal(ana_report_write(db, &o, f, &err), -1);
	assert_int_equal(err.status, SR_DAMAGED);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_json_ends_no_script, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json_is_valid_utf8_whatever_comes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_texts_are_cut_between_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_html_is_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers_that_are_none_are_null, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_verdict_comes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_would_settle_the_unknown_is_said, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_regressed_over_all_traces_is_said_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_a_second_arm_there_is_no_verdict, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_names_stay_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_labels_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_changed_over_nights_is_drawn_whatever_its_metric, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_what_differs_is_another_series, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arms_under_a_bpf_scheduler_are_compared_with_their_like, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_metrics_that_are_named_are_compared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_a_night_has_not_taken_over_is_no_arm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_timeline_has_what_ran_and_what_waited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_timeline_tells_whose_time_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_recording_of_a_command_tells_nothing_of_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_replay_s_time_is_that_of_what_it_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_timeline_has_gaps_where_events_were_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_file_that_is_no_trace_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
