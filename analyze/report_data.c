/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a report reads beside the comparisons: evidence, runs, distributions, series over nights. */
#include "analyze/report_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beside every number: what the recordings lost, and how far the replays are from what they replay. Of shares the
 * greatest of the runs counts, else the median. */
static const char *const measures[] = {
	"recording_lost_share",
	"recording_disturbance_share",
	"fidelity.cpu_time_error",
	"fidelity.makespan_error",
	"fidelity.run_delay_error",
	"fidelity.wakeup_latency_p99_error",
	"fidelity.wakeup_latency_distance",
	"fidelity.wake_edges_recall",
};
#define MEASURES (sizeof(measures) / sizeof(measures[0]))
#define SHARES 2

/* The runs of one arm and trace. */
struct evidence {
	int64_t arm, trace, runs, lost, repaired, censored;
	double value[MEASURES];
};

struct reader {
	struct ana_json *j;
	struct evidence *v;
	size_t n, cap;
	/* The values of one measure, as they come. */
	int64_t arm, trace;
	size_t measure;
	double *values;
	size_t nvalues, values_cap;
};

static int add_evidence(void *arg, const struct ana_db_row *row, struct sr_error *err)
{
	struct reader *r = arg;
	struct evidence *e;

	if (ana_reserve(&r->v, &r->cap, r->n + 1, sizeof(*r->v), err) < 0)
		return -1;
	e = &r->v[r->n++];
	*e = (struct evidence){ .arm = ana_db_row_int(row, 0),
				.trace = ana_db_row_int(row, 1),
				.runs = ana_db_row_int(row, 2),
				.lost = ana_db_row_int(row, 3),
				.repaired = ana_db_row_int(row, 4),
				.censored = ana_db_row_int(row, 5) };
	for (size_t m = 0; m < MEASURES; m++)
		e->value[m] = NAN;
	return 0;
}

static int by_arm_and_trace(const void *x, const void *y)
{
	const struct evidence *a = x, *b = y;

	if (a->arm != b->arm)
		return a->arm < b->arm ? -1 : 1;
	return a->trace < b->trace ? -1 : a->trace > b->trace;
}

static void end_measure(struct reader *r)
{
	struct evidence key = { .arm = r->arm, .trace = r->trace }, *e;

	if (r->nvalues == 0)
		return;
	e = bsearch(&key, r->v, r->n, sizeof(key), by_arm_and_trace);
	if (e) {
		e->value[r->measure] = r->values[0];
		for (size_t i = 1; r->measure < SHARES && i < r->nvalues; i++)
			e->value[r->measure] = fmax(e->value[r->measure], r->values[i]);
		if (r->measure >= SHARES)
			e->value[r->measure] = ana_median(r->values, r->nvalues);
	}
	r->nvalues = 0;
}

static int add_value(void *arg, const struct ana_db_row *row, struct sr_error *err)
{
	struct reader *r = arg;
	int64_t arm = ana_db_row_int(row, 0), trace = ana_db_row_int(row, 1);
	const char *name = ana_db_row_text(row, 2);
	double value = ana_db_row_real(row, 3);
	size_t m = 0;

	while (m < MEASURES && (!name || strcmp(measures[m], name)))
		m++;
	if (m == MEASURES || !isfinite(value))
		return 0;
	if (arm != r->arm || trace != r->trace || m != r->measure)
		end_measure(r);
	r->arm = arm;
	r->trace = trace;
	r->measure = m;
	if (ana_reserve(&r->values, &r->values_cap, r->nvalues + 1, sizeof(*r->values), err) < 0)
		return -1;
	r->values[r->nvalues++] = value;
	return 0;
}

static int put_trace(void *arg, const struct ana_db_row *row, struct sr_error *err)
{
	struct ana_json *j = arg;

	ana_json_open(j, NULL, '[');
	ana_json_text(j, NULL, ana_db_row_text(row, 0));
	ana_json_text(j, NULL, ana_db_row_text(row, 1));
	ana_json_int(j, NULL, ana_db_row_int(row, 2));
	ana_json_close(j, ']');
	return 0;
}

static int put_run(void *arg, const struct ana_db_row *row, struct sr_error *err)
{
	struct ana_json *j = arg;

	ana_json_open(j, NULL, '[');
	for (int c = 0; c < 8; c++)
		ana_json_int(j, NULL, ana_db_row_int(row, c) - (c == 1 || c == 2)); /* arm, trace: from 0 */
	ana_json_text(j, NULL, ana_db_row_text(row, 8));
	ana_json_text(j, NULL, ana_db_row_text(row, 9));
	ana_json_text(j, NULL, ana_db_row_text(row, 10));
	ana_json_long_text(j, NULL, ana_db_row_text(row, 11), 1000);
	for (int c = 12; c < 21; c++)
		ana_json_text(j, NULL, ana_db_row_text(row, c));
	ana_json_close(j, ']');
	return 0;
}

static void put_evidence(const struct reader *r)
{
	ana_json_open(r->j, "measures", '[');
	for (size_t m = 0; m < MEASURES; m++)
		ana_json_text(r->j, NULL, measures[m]);
	ana_json_close(r->j, ']');
	ana_json_open(r->j, "evidence", '[');
	for (size_t i = 0; i < r->n; i++) {
		const struct evidence *e = &r->v[i];

		ana_json_open(r->j, NULL, '[');
		ana_json_int(r->j, NULL, e->arm - 1);
		ana_json_int(r->j, NULL, e->trace - 1);
		ana_json_int(r->j, NULL, e->runs);
		ana_json_int(r->j, NULL, e->lost);
		ana_json_int(r->j, NULL, e->repaired);
		ana_json_int(r->j, NULL, e->censored);
		for (size_t m = 0; m < MEASURES; m++)
			ana_json_real(r->j, NULL, e->value[m]);
		ana_json_close(r->j, ']');
	}
	ana_json_close(r->j, ']');
}

int ana_report_evidence(struct ana_report *rep, struct ana_json *j, struct sr_error *err)
{
	struct reader r = { .j = j };
	int ret = -1;

	if (ana_db_each(rep->db,
			"SELECT rr.arm, rr.trace, count(*), CAST(total(lost_events) AS INTEGER),"
			" CAST(total(repaired) AS INTEGER), CAST(total(censored) AS INTEGER)"
			" FROM report_run rr JOIN run ON id = rr.run WHERE rr.arm <= " TO_TEXT(
				ANA_REPORT_ARMS) " AND rr.trace <= " TO_TEXT(ANA_REPORT_TRACES) " GROUP BY 1, 2 ORDER "
												"BY 1, 2",
			add_evidence, &r, err) < 0 ||
	    ana_db_each(rep->db,
			"SELECT rr.arm, rr.trace, name, value FROM report_run rr CROSS JOIN metric ON run_id = rr.run"
			" WHERE (name LIKE 'fidelity.%' OR name LIKE 'recording_%') AND rr.arm <= " TO_TEXT(
				ANA_REPORT_ARMS) " AND rr.trace <= " TO_TEXT(ANA_REPORT_TRACES) " ORDER BY 1, 2, 3",
			add_value, &r, err) < 0)
		goto out;
	end_measure(&r);
	put_evidence(&r);
	ana_json_open(j, "traces", '[');
	ret = ana_db_each(rep->db,
			  "SELECT name, substr(key, 1, 12), runs FROM report_trace WHERE trace <= " TO_TEXT(
				  ANA_REPORT_TRACES) " ORDER BY trace",
			  put_trace, j, err);
	ana_json_close(j, ']');
	ana_json_open(j, "runs", '[');
	if (ret == 0)
		ret = ana_db_each(
			rep->db,
			"SELECT id, rr.arm, rr.trace, repeat, order_slot, lost_events, repaired, censored,"
			" started_at, schedrec_version, sched_ext, run.host, cpu_model, microcode, h.governor,"
			" h.turbo, h.smt, aslr, load1, temperature_c, substr(boot_id, 1, 8)"
			" FROM run JOIN report_run rr ON rr.run = id LEFT JOIN host h ON h.run_id = id WHERE rr.arm "
			"<= " TO_TEXT(ANA_REPORT_ARMS) " ORDER BY id DESC LIMIT " TO_TEXT(ANA_REPORT_RUNS),
			put_run, j, err);
	ana_json_close(j, ']');
out:
	free(r.v);
	free(r.values);
	return ret;
}

/* Distributions: of each arm and trace (0: all traces together) and name, as the share of values that are greater. */

struct bucket {
	double lo, hi, count;
};

struct distribution {
	struct ana_json *j;
	int64_t arm, trace;
	char name[32];
	struct bucket *v;
	size_t n, cap;
	double total;
};

static double quantile(const struct distribution *d, double q)
{
	double seen = 0;

	for (size_t i = 0; i < d->n; i++) {
		seen += d->v[i].count;
		if (seen >= q * d->total)
			return i + 1 < d->n || d->v[i].hi < INT64_MAX ? (d->v[i].lo + d->v[i].hi) / 2 : d->v[i].lo;
	}
	return NAN;
}

/* Points at the buckets' upper ends, at least 8% apart where little lies between them: it is not lost, only drawn later. */
static void put_points(const struct distribution *d, bool values)
{
	double seen = 0, told = 0, last = 0;

	ana_json_open(d->j, values ? "x" : "y", '[');
	if (d->n) {
		last = fmax(d->v[0].lo, 1);
		ana_json_real(d->j, NULL, values ? last : 1);
	}
	for (size_t i = 0; i < d->n; i++) {
		seen += d->v[i].count;
		if (d->v[i].hi + 1 < last * 1.08 && seen - told < 0.02 * d->total && i + 1 < d->n)
			continue;
		told = seen;
		last = d->v[i].hi + 1;
		ana_json_real(d->j, NULL, values ? last : (d->total - seen) / d->total);
	}
	ana_json_close(d->j, ']');
}

static void end_distribution(struct distribution *d)
{
	static const double parts[] = { 0.5, 0.9, 0.95, 0.99, 0.999, 1 };

	if (d->n && d->total > 0) {
		ana_json_open(d->j, NULL, '{');
		ana_json_int(d->j, "arm", d->arm - 1);
		ana_json_int(d->j, "trace", d->trace - 1);
		ana_json_text(d->j, "name", d->name);
		ana_json_real(d->j, "n", d->total);
		ana_json_open(d->j, "q", '[');
		for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
			ana_json_real(d->j, NULL, quantile(d, parts[i]));
		ana_json_close(d->j, ']');
		put_points(d, true);
		put_points(d, false);
		ana_json_close(d->j, '}');
	}
	d->n = 0;
	d->total = 0;
}

static int add_bucket(void *arg, const struct ana_db_row *row, struct sr_error *err)
{
	struct distribution *d = arg;
	int64_t arm = ana_db_row_int(row, 0), trace = ana_db_row_int(row, 1);
	const char *name = ana_db_row_text(row, 2);
	struct bucket b = { ana_db_row_real(row, 3), ana_db_row_real(row, 4), ana_db_row_real(row, 5) };

	if (!name)
		return 0;
	if (arm != d->arm || trace != d->trace || strcmp(name, d->name)) {
		end_distribution(d);
		d->arm = arm;
		d->trace = trace;
		snprintf(d->name, sizeof(d->name), "%s", name);
	}
	/* A damaged row; and histograms have no more buckets than this. */
	if (!(b.count > 0) || !(b.lo >= 0) || !(b.hi >= b.lo) || d->n >= ANA_HIST_BUCKETS)
		return 0;
	if (ana_reserve(&d->v, &d->cap, d->n + 1, sizeof(*d->v), err) < 0)
		return -1;
	d->v[d->n++] = b;
	d->total += b.count;
	return 0;
}

#define BUCKETS                                                                                               \
	" name, bucket_lo, max(bucket_hi), total(count) FROM report_run rr JOIN histogram ON run_id = rr.run" \
	" WHERE name IN ('wakeup_latency_ns', 'run_delay_ns', 'preempt_wait_ns', 'slice_ns', 'sleep_ns')"     \
	" AND rr.arm IN (SELECT n FROM report_arm ORDER BY engine = 'recorded', n"                            \
	" LIMIT " TO_TEXT(ANA_REPORT_DIST_ARMS) ")"                                                           \
						" AND rr.arm <= " TO_TEXT(ANA_REPORT_ARMS)

int ana_report_distributions(struct ana_report *rep, struct ana_json *j, struct sr_error *err)
{
	struct distribution d = { .j = j };
	int ret = 0;

	ana_json_open(j, "distributions", '[');
	if (rep->traces > 1)
		ret = ana_db_each(rep->db,
				  "SELECT rr.arm, 0," BUCKETS " AND rr.trace <= " TO_TEXT(
					  ANA_REPORT_TRACES) " AND rr.nth <= 3 GROUP BY 1, 3, 4 ORDER BY 1, 3, 4",
				  add_bucket, &d, err);
	if (ret == 0) {
		end_distribution(&d);
		ret = ana_db_each(rep->db,
				  "SELECT rr.arm, rr.trace," BUCKETS
				  " AND rr.trace <= " TO_TEXT(ANA_REPORT_DIST_TRACES) " AND rr.nth <= " TO_TEXT(
					  ANA_REPORT_DIST_RUNS) " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
				  add_bucket, &d, err);
		end_distribution(&d);
	}
	ana_json_close(j, ']');
	free(d.v);
	return ret;
}
