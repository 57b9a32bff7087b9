/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fidelity of replays with known distributions, in a window, and beside the application's own spread.
 *
 *   test_fidelity --write DIR    leaves the files in DIR, for tests/cli/fidelity.sh
 */
#include <math.h>

#include "tests/unit/trace_builder.h"

#include "analyze/fidelity.h"
#include "formats/digest.h"

#define MS 1000000u
#define US 1000u
#define T0 (100ull * MS)

/* a runs on cpu 0 for span_ms, and once a millisecond wakes a task on cpu 1: 'b', 'c', 'B' and 'C' after 2 us (small
 * letters) or 20 us. What it wakes runs for run_us. c runs once before. */
struct shape {
	const char *wakes;
	unsigned run_us;
	unsigned first_us; /* of a, until its first wake */
	unsigned last_us;  /* after its last one */
	bool c_runs;
};

static const struct shape recorded = { "bBbBbBbB", 100, 1000, 1000, true };
static const struct shape replay_1 = { "bBBBbBcC", 100, 1000, 1000, true };
static const struct shape replay_2 = { "bBBBbBCC", 200, 1000, 2000, true };
static const struct shape again_1 = { "bBbBbBbB", 100, 1000, 1100, true };
static const struct shape again_2 = { "bBbBbBb", 110, 1000, 1000, true };
static const struct shape window = { "bBbB", 100, 500, 500, false };

static struct sr_error err;
static struct ana_recording *source;
static struct ana_fidelity sides[4];
static struct ana_fidelity_report report;

static void put(struct trace *t, const struct shape *s, int32_t a)
{
	uint64_t at = T0 + 10 * MS;
	int32_t b = a + 1, c = a + 2;

	if (s->c_runs) {
		trace_switch(t, T0, 1, 0, SR_STATE_RUNNING, c);
		trace_switch(t, T0 + 50 * US, 1, c, SR_STATE_SLEEPING, 0);
	}
	trace_switch(t, at, 0, 0, SR_STATE_RUNNING, a);
	at += s->first_us * US;
	for (const char *w = s->wakes; *w; w++, at += MS) {
		int32_t who = *w == 'b' || *w == 'B' ? b : c;
		uint64_t run = at + (*w >= 'a' ? 2 : 20) * US;

		trace_waking(t, at, 0, a, who, 0);
		trace_switch(t, run, 1, 0, SR_STATE_RUNNING, who);
		trace_switch(t, run + s->run_us * US, 1, who, SR_STATE_SLEEPING, 0);
	}
	at = at - MS + s->last_us * US;
	trace_exit(t, at, 0, a);
	trace_switch(t, at, 0, a, SR_STATE_DEAD, 0);
}

static void write_recording(const char *dir, const char *name, const struct shape *s, char path[80])
{
	struct trace t;

	snprintf(path, 80, "%.40s/%.30s", dir, name);
	trace_begin(&t, "system");
	trace_task(&t, 10, "a", 'S', SR_TASK_ROOT);
	trace_task(&t, 11, "b", 'S', SR_TASK_ROOT);
	trace_task(&t, 12, "c", 'S', SR_TASK_ROOT);
	put(&t, s, 10);
	trace_keep(&t, path);
}

/* sha256 of the source; from and to: NULL for all. */
static void write_replay(const char *dir, const char *name, const struct shape *s, const char *sha256, const char *from,
			 const char *to, char path[80])
{
	struct trace t;

	snprintf(path, 80, "%.40s/%.30s", dir, name);
	trace_begin(&t, "system");
	trace_meta(&t, "engine", "live");
	trace_meta(&t, "replay.policy", "kernel");
	trace_meta(&t, "replay.source_sha256", sha256);
	trace_meta(&t, "replay.source_name", "recorded.srz");
	trace_meta(&t, "replay.count.order_waits", "6");
	trace_meta(&t, "replay.count.order_wait_ns", "90000");
	trace_meta(&t, "replay.count.order_blocks", "3");
	trace_meta(&t, "replay.count.order_expired", "0");
	trace_meta(&t, "replay.count.nice_refused", "2");
	trace_meta(&t, "replay.count.wakes", "8");
	if (from) {
		trace_meta(&t, "replay.from_ns", from);
		trace_meta(&t, "replay.to_ns", to);
	}
	for (int32_t i = 0; i < 3; i++) {
		trace_task(&t, 70 + i, "x", 'S', 0);
		trace_bind(&t, T0 - 10, 70 + i, (uint32_t)i + 1);
	}
	put(&t, s, 70);
	trace_keep(&t, path);
}

static struct {
	char recorded[80], again[2][80], replay[2][80], window[80];
} file;

static void write_all(const char *dir)
{
	char sha[SR_SHA256_TEXT];

	write_recording(dir, "recorded.srz", &recorded, file.recorded);
	write_recording(dir, "again-1.srz", &again_1, file.again[0]);
	write_recording(dir, "again-2.srz", &again_2, file.again[1]);
	assert_int_equal(sr_sha256_file(file.recorded, sha, &err), 0);
	write_replay(dir, "replay-1.srz", &replay_1, sha, NULL, NULL, file.replay[0]);
	write_replay(dir, "replay-2.srz", &replay_2, sha, NULL, NULL, file.replay[1]);
	write_replay(dir, "window.srz", &window, sha, "12500000", "16500000", file.window);
}

static char dir[32];

static int setup(void **state)
{
	strcpy(dir, "/tmp/schedrec-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	write_all(dir);
	source = ana_recording_open(file.recorded, &err);
	return source ? 0 : -1;
}

static int teardown(void **state)
{
	const char *const paths[] = { file.recorded,  file.again[0],  file.again[1],
				      file.replay[0], file.replay[1], file.window };

	ana_fidelity_report_release(&report);
	for (size_t i = 0; i < 4; i++)
		ana_fidelity_release(&sides[i]);
	ana_recording_free(source);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		unlink(paths[i]);
	return rmdir(dir);
}

static void read_side(size_t i, const char *path, const struct ana_fidelity *like)
{
	if (ana_fidelity_of(source, path, like, &sides[i], &err) < 0)
		fail_msg("%s", err.text);
}

static double get(size_t side, const char *name)
{
	char full[64];
	double v;

	snprintf(full, sizeof(full), "fidelity.%s", name);
	if (!ana_get(&sides[side].replayed, full, &v))
		fail_msg("%s is absent", name);
	return v;
}

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-9)
#define ABOUT(a, b) assert_true(fabs((a) - (b)) < 0.02) /* the histograms' resolution */

static void test_known_distributions_give_known_distances(void **state)
{
	read_side(0, file.replay[0], NULL);
	/* 4 of 8 latencies were short, 3 of 8 are. */
	NEAR(get(0, "wakeup_latency_distance"), 1.0 / 8);
	NEAR(get(0, "run_delay_distance"), 1.0 / 8);
	ABOUT(get(0, "run_delay_error"), (5 * 20 + 3 * 2) / (4 * 20 + 4 * 2.0) - 1);
	ABOUT(get(0, "wakeup_latency_p50_error"), 20.0 / 2 - 1);
	NEAR(get(0, "slice_distance"), 0);
	NEAR(get(0, "slice_error"), 0);
	read_side(1, file.replay[1], NULL);
	/* The 8 slices of 100 us, of 10, last 200 us. */
	NEAR(get(1, "slice_distance"), 8.0 / 10);
	NEAR(get(1, "makespan_error"), 1.0 / 19);
	NEAR(get(1, "cpu_time_error"), 1.8 / 9.85);
}

static void test_sleeps_are_compared(void **state)
{
	read_side(0, file.replay[0], NULL);
	/* b slept 4 times 898 us and 3 times 880 us. Now b 2 times 898 and 3 times 880, and c once 15.95 ms and once 898. */
	ABOUT(get(0, "sleep_error"), ((3 * 898 + 3 * 880 + 16950.0) / 7) / ((4 * 898 + 3 * 880.0) / 7) - 1);
	NEAR(get(0, "sleep_distance"), 1.0 / 7);
}

static void test_errors_of_tasks_are_weighted_by_what_was_recorded(void **state)
{
	read_side(0, file.replay[0], NULL);
	/* Two wakes of b go to c. */
	NEAR(get(0, "voluntary_switch_error"), 0);
	NEAR(get(0, "voluntary_switch_error_tasks"), 4.0 / 9);
	NEAR(get(0, "cpu_time_error"), 0);
	NEAR(get(0, "cpu_time_error_tasks"), 0.4 / 9.85);
	NEAR(get(0, "wake_edges_recall"), 6.0 / 8);
	NEAR(get(0, "wake_edges_precision"), 6.0 / 8);
}

static void test_order_blocks_are_a_share_of_the_switches(void **state)
{
	read_side(0, file.replay[0], NULL);
	NEAR(get(0, "order_waits_blocked"), 3);
	NEAR(get(0, "order_blocks_share"), 3.0 / 9);
}

static void test_a_window_is_compared_with_the_same_window(void **state)
{
	read_side(0, file.window, NULL);
	assert_int_equal(sides[0].window.from_ns, 12500000);
	assert_int_equal(sides[0].window.to_ns, 16500000);
	NEAR(get(0, "cpu_time_error"), 0);
	NEAR(get(0, "cpu_time_error_tasks"), 0);
	NEAR(get(0, "makespan_error"), 0);
	NEAR(get(0, "voluntary_switch_error"), 0);
	NEAR(get(0, "wakeup_error"), 0);
	NEAR(get(0, "wakeup_latency_distance"), 0);
	NEAR(get(0, "sleep_distance"), 0);
	NEAR(get(0, "concurrency_distance"), 0);
	NEAR(get(0, "wake_edges_recall"), 1);
	/* The same replay as one of all would be far off. */
	assert_int_equal(sides[0].recorded->ntasks, 2);
}

static const struct ana_fidelity_row *row(const char *measure)
{
	for (size_t i = 0; i < report.nrows; i++)
		if (!strcmp(report.rows[i].measure, measure))
			return &report.rows[i];
	fail_msg("no row %s", measure);
	return NULL;
}

static void make_report(size_t replays, size_t further)
{
	for (size_t i = 0; i < replays; i++)
		read_side(i, file.replay[i], NULL);
	for (size_t i = 0; i < further; i++)
		read_side(replays + i, file.again[i], &sides[0]);
	assert_int_equal(ana_fidelity_report(sides, replays, sides + replays, further, &report, &err), 0);
}

static void test_a_report_has_the_median_and_the_range(void **state)
{
	make_report(2, 0);
	NEAR(row("makespan_error")->recorded, 19.0 * MS);
	NEAR(row("makespan_error")->replayed, 19.5 * MS);
	NEAR(row("makespan_error")->value, 0.5 / 19);
	NEAR(row("makespan_error")->lo, 0);
	NEAR(row("makespan_error")->hi, 1.0 / 19);
	assert_int_equal(row("makespan_error")->replays, 2);
	assert_int_equal(row("makespan_error")->recordings, 0);
	assert_true(isnan(row("makespan_error")->spread_lo));
}

static void test_verdicts(void **state)
{
	make_report(1, 0);
	assert_int_equal(row("cpu_time_error")->verdict, ANA_CLOSE_TARGET);
	assert_int_equal(row("wakeup_latency_p50_error")->verdict, ANA_CLOSE_OUTSIDE);
	assert_int_equal(row("wake_edges_recall")->verdict, ANA_CLOSE_OUTSIDE);
	assert_int_equal(row("wakeup_latency_distance")->verdict, ANA_CLOSE_NONE);
}

static void test_the_own_spread_is_how_far_further_recordings_are(void **state)
{
	make_report(2, 2);
	/* 0.1 ms longer, and 1 ms shorter. */
	NEAR(row("makespan_error")->spread_lo, -1.0 / 19);
	NEAR(row("makespan_error")->spread_hi, 0.1 / 19);
	assert_int_equal(row("makespan_error")->recordings, 2);
	assert_int_equal(row("makespan_error")->verdict, ANA_CLOSE_SPREAD);
	/* b's wakes: 8 and 7 of 8. */
	NEAR(row("wake_edges_recall")->spread_lo, 7.0 / 8);
	NEAR(row("wake_edges_recall")->spread_hi, 1);
	assert_int_equal(row("wake_edges_recall")->verdict, ANA_CLOSE_OUTSIDE);
	/* 9.85 ms of CPU time, and 9.95 and 8.82 instead; the replays have 9.85 and 11.65. */
	NEAR(row("cpu_time_error")->spread_lo, -1.03 / 9.85);
	NEAR(row("cpu_time_error")->value, 0.9 / 9.85);
	assert_int_equal(row("cpu_time_error")->verdict, ANA_CLOSE_SPREAD);
}

static void test_only_recordings_tell_the_own_spread(void **state)
{
	read_side(0, file.replay[0], NULL);
	assert_int_equal(ana_fidelity_of(source, file.replay[1], &sides[0], &sides[1], &err), -1);
	assert_int_equal(err.status, SR_USAGE);
}

static void test_distributions_side_by_side(void **state)
{
	const struct ana_dist_pair *d = &report.dist[ANA_DIST_LATENCY];

	make_report(2, 0);
	assert_int_equal(d->recorded, 8);
	assert_int_equal(d->replayed, 16);
	/* 1 us - 3 us, 3 us - 10 us, 10 us - 30 us */
	assert_int_equal(d->nbins, 3);
	NEAR(d->bins[0].lo, 1000);
	NEAR(d->bins[2].hi, 30000);
	NEAR(d->bins[0].recorded, 0.5);
	NEAR(d->bins[0].replayed, 5.0 / 16);
	NEAR(d->bins[1].recorded, 0);
	NEAR(d->bins[2].replayed, 11.0 / 16);
	/* Always one or two are runnable. */
	d = &report.dist[ANA_DIST_RUNNABLE];
	assert_true(d->nbins >= 2 && d->bins[d->nbins - 1].hi == 3);
}

static void test_the_worst_tasks_come_first(void **state)
{
	make_report(2, 0);
	/* b woke 6 times, not 8, and c 3 times, not once. a has 1 ms more in one of two replays. */
	assert_int_equal(report.nworst[ANA_WORST_VOLUNTARY], 2);
	assert_string_equal(report.worst[ANA_WORST_VOLUNTARY][0].comm, "c");
	NEAR(report.worst[ANA_WORST_VOLUNTARY][0].replayed, 3);
	assert_string_equal(report.worst[ANA_WORST_VOLUNTARY][1].comm, "b");
	NEAR(report.worst[ANA_WORST_VOLUNTARY][1].recorded, 8);
	NEAR(report.worst[ANA_WORST_VOLUNTARY][1].replayed, 6);
	assert_string_equal(report.worst[ANA_WORST_CPU][0].comm, "a");
	NEAR(report.worst[ANA_WORST_CPU][0].replayed - report.worst[ANA_WORST_CPU][0].recorded, 0.5 * MS);
	assert_int_equal(report.worst[ANA_WORST_CPU][0].tid, 10);
	assert_int_equal(report.nworst[ANA_WORST_INVOLUNTARY], 0);
}

static void test_wrong_wakes_by_name(void **state)
{
	make_report(2, 0);
	assert_int_equal(report.nmissing, 1);
	assert_string_equal(report.missing[0].from, "a");
	assert_string_equal(report.missing[0].to, "b");
	NEAR(report.missing[0].recorded, 8);
	NEAR(report.missing[0].missing, 2);
	assert_int_equal(report.nextra, 1);
	assert_string_equal(report.extra[0].to, "c");
	NEAR(report.extra[0].extra, 2);
}

static void test_poor_replays(void **state)
{
	assert_true(ana_fidelity_is_poor("fidelity.cpu_time_error", -0.2, true));
	assert_false(ana_fidelity_is_poor("fidelity.cpu_time_error", -0.2, false));
	assert_false(ana_fidelity_is_poor("fidelity.cpu_time_error", 0.05, true));
	assert_true(ana_fidelity_is_poor("fidelity.wake_edges_recall", 0.5, false));
	assert_false(ana_fidelity_is_poor("fidelity.wake_edges_recall", 0.9, false));
	assert_false(ana_fidelity_is_poor("makespan_ns", 5, true));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_known_distributions_give_known_distances),
		T(test_sleeps_are_compared),
		T(test_errors_of_tasks_are_weighted_by_what_was_recorded),
		T(test_order_blocks_are_a_share_of_the_switches),
		T(test_a_window_is_compared_with_the_same_window),
		T(test_a_report_has_the_median_and_the_range),
		T(test_verdicts),
		T(test_the_own_spread_is_how_far_further_recordings_are),
		T(test_only_recordings_tell_the_own_spread),
		T(test_distributions_side_by_side),
		T(test_the_worst_tasks_come_first),
		T(test_wrong_wakes_by_name),
		T(test_poor_replays),
	};

	if (argc == 3 && !strcmp(argv[1], "--write")) {
		write_all(argv[2]);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
