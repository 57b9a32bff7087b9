/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several replays beside their recording, and beside the application's own spread: measure by measure. */
#include "analyze/fidelity_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a good replay keeps within; NAN: no target is set. */
#define NO_TARGET NAN
static const struct {
	const char *name, *measure, *metric, *unit;
	enum ana_measure_kind kind;
	double target;
} measures[] = {
	{ "CPU time", "cpu_time_error", "cpu_time_ns", "ns", ANA_MEASURE_ERROR, 0.02 },
	{ "makespan", "makespan_error", "makespan_ns", "ns", ANA_MEASURE_ERROR, 0.02 },
	{ "voluntary switches", "voluntary_switch_error", "switches_voluntary", "count", ANA_MEASURE_ERROR, 0.05 },
	{ "involuntary switches", "involuntary_switch_error", "switches_involuntary", "count", ANA_MEASURE_ERROR,
	  0.10 },
	{ "wakeups", "wakeup_error", "wakeups", "count", ANA_MEASURE_ERROR, NO_TARGET },
	{ "wakeup latency, p50", "wakeup_latency_p50_error", "wakeup_latency_ns.p50", "ns", ANA_MEASURE_ERROR, 0.15 },
	{ "wakeup latency, p95", "wakeup_latency_p95_error", "wakeup_latency_ns.p95", "ns", ANA_MEASURE_ERROR, 0.15 },
	{ "wakeup latency, p99", "wakeup_latency_p99_error", "wakeup_latency_ns.p99", "ns", ANA_MEASURE_ERROR, 0.25 },
	{ "run delay, mean", "run_delay_error", "run_delay_ns.mean", "ns", ANA_MEASURE_ERROR, NO_TARGET },
	{ "slice, mean", "slice_error", "slice_ns.mean", "ns", ANA_MEASURE_ERROR, NO_TARGET },
	{ "sleep, mean", "sleep_error", "sleep_ns.mean", "ns", ANA_MEASURE_ERROR, NO_TARGET },
	{ "runnable tasks, mean", "concurrency_error", "runnable_tasks.mean", "tasks", ANA_MEASURE_ERROR, NO_TARGET },
	{ "CPU time, by task", "cpu_time_error_tasks", NULL, NULL, ANA_MEASURE_DISTANCE, NO_TARGET },
	{ "voluntary sw., by task", "voluntary_switch_error_tasks", NULL, NULL, ANA_MEASURE_DISTANCE, NO_TARGET },
	{ "involuntary sw., by task", "involuntary_switch_error_tasks", NULL, NULL, ANA_MEASURE_DISTANCE, NO_TARGET },
	{ "wakeup latency, distance", "wakeup_latency_distance", NULL, NULL, ANA_MEASURE_DISTANCE, NO_TARGET },
	{ "run delay, distance", "run_delay_distance", NULL, NULL, ANA_MEASURE_DISTANCE, NO_TARGET },
	{ "slice, distance", "slice_distance", NULL, NULL, ANA_MEASURE_DISTANCE, NO_TARGET },
	{ "sleep, distance", "sleep_distance", NULL, NULL, ANA_MEASURE_DISTANCE, NO_TARGET },
	{ "concurrency, distance", "concurrency_distance", NULL, NULL, ANA_MEASURE_DISTANCE, NO_TARGET },
	{ "wake edges, recall", "wake_edges_recall", NULL, NULL, ANA_MEASURE_AGREEMENT, 0.95 },
	{ "wake edges, precision", "wake_edges_precision", NULL, NULL, ANA_MEASURE_AGREEMENT, 0.95 },
};
#define NMEASURES (sizeof(measures) / sizeof(measures[0]))

const char *ana_close_name(enum ana_close c)
{
	static const char *const names[] = { "-", "own spread", "target", "outside" };

	return names[c];
}

/* fidelity.NAME (or NAME itself) of those that have it, into v. */
static size_t values_of(const struct ana_fidelity *f, size_t n, const char *prefix, const char *name, double *v)
{
	char full[sizeof(f->replayed.metrics->name)];
	size_t have = 0;

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	for (size_t i = 0; i < n; i++)
		have += ana_get(&f[i].replayed, full, &v[have]);
	return have;
}

static void range_of(const double *v, size_t n, double *lo, double *hi)
{
	*lo = *hi = NAN;
	for (size_t i = 0; i < n; i++) {
		*lo = fmin(*lo, v[i]);
		*hi = fmax(*hi, v[i]);
	}
}

/* How far off: 0 is best for each kind. */
static double off(enum ana_measure_kind kind, double v)
{
	return kind == ANA_MEASURE_AGREEMENT ? 1 - v : fabs(v);
}

static enum ana_close judge(const struct ana_fidelity_row *r)
{
	double target = r->kind == ANA_MEASURE_AGREEMENT ? 1 - r->target : r->target, v;

	if (isnan(r->value)) /* nothing of it was recorded, and some replayed */
		return r->recorded == 0 && r->replayed > 0 && !isnan(r->target) ? ANA_CLOSE_OUTSIDE : ANA_CLOSE_NONE;
	v = off(r->kind, r->value);
	if (r->recordings && v <= fmax(off(r->kind, r->spread_lo), off(r->kind, r->spread_hi)))
		return ANA_CLOSE_SPREAD;
	if (!isnan(target) && v <= target + 1e-12)
		return ANA_CLOSE_TARGET;
	return r->recordings || !isnan(target) ? ANA_CLOSE_OUTSIDE : ANA_CLOSE_NONE;
}

/* v: room for all. false: nobody has the measure. */
static bool make_row(struct ana_fidelity_row *r, size_t m, const struct ana_fidelity *replays, size_t nreplays,
		     const struct ana_fidelity *further, size_t nfurther, double *v)
{
	size_t n;

	*r = (struct ana_fidelity_row){ .name = measures[m].name,
					.measure = measures[m].measure,
					.metric = measures[m].metric,
					.unit = measures[m].unit,
					.kind = measures[m].kind,
					.recorded = NAN,
					.replayed = NAN,
					.value = NAN,
					.target = measures[m].target };
	if (r->metric) {
		ana_get(replays[0].recorded, r->metric, &r->recorded);
		n = values_of(replays, nreplays, "", r->metric, v);
		r->replayed = n ? ana_median(v, n) : NAN;
	}
	r->replays = values_of(replays, nreplays, "fidelity.", r->measure, v);
	range_of(v, r->replays, &r->lo, &r->hi);
	if (r->replays)
		r->value = ana_median(v, r->replays);
	r->recordings = values_of(further, nfurther, "fidelity.", r->measure, v);
	range_of(v, r->recordings, &r->spread_lo, &r->spread_hi);
	r->verdict = judge(r);
	return r->replays || !isnan(r->recorded) || !isnan(r->replayed);
}

static int make_rows(const struct ana_fidelity *replays, size_t nreplays, const struct ana_fidelity *further,
		     size_t nfurther, struct ana_fidelity_report *out, struct sr_error *err)
{
	double *v = calloc(nreplays + nfurther, sizeof(*v));

	out->rows = calloc(NMEASURES, sizeof(*out->rows));
	if (!v || !out->rows) {
		free(v);
		return ana_no_memory(err);
	}
	for (size_t m = 0; m < NMEASURES; m++)
		out->nrows += make_row(&out->rows[out->nrows], m, replays, nreplays, further, nfurther, v);
	free(v);
	return 0;
}

static double mean_of(const struct ana_fidelity *f, size_t n, const char *metric)
{
	double sum = 0, v;
	size_t have = 0;

	for (size_t i = 0; i < n; i++)
		if (ana_get(&f[i].replayed, metric, &v)) {
			sum += v;
			have++;
		}
	return have ? sum / (double)have : NAN;
}

int ana_fidelity_report(const struct ana_fidelity *replays, size_t nreplays, const struct ana_fidelity *further,
			size_t nfurther, struct ana_fidelity_report *out, struct sr_error *err)
{
	memset(out, 0, sizeof(*out));
	if (make_rows(replays, nreplays, further, nfurther, out, err) < 0 ||
	    ana_fidelity_dists(replays, nreplays, out, err) < 0 ||
	    ana_fidelity_worst(replays, nreplays, out, err) < 0 ||
	    ana_fidelity_wrong_edges(replays, nreplays, out, err) < 0) {
		ana_fidelity_report_release(out);
		return -1;
	}
	for (size_t i = 0; i < replays[0].ntasks; i++)
		out->unmatched += !replays[0].tasks[i].is_recorded;
	out->order_waits = mean_of(replays, nreplays, "fidelity.order_waits");
	out->order_wait_ns = mean_of(replays, nreplays, "fidelity.order_waits_ns");
	out->order_blocked = mean_of(replays, nreplays, "fidelity.order_waits_blocked");
	out->order_expired = mean_of(replays, nreplays, "fidelity.order_waits_expired");
	out->order_share = mean_of(replays, nreplays, "fidelity.order_blocks_share");
	return 0;
}

void ana_fidelity_report_release(struct ana_fidelity_report *r)
{
	free(r->rows);
	for (size_t d = 0; d < ANA_DISTS; d++)
		free(r->dist[d].bins);
	memset(r, 0, sizeof(*r));
}

/* A replay that is farther off is poor. */
static const struct {
	const char *measure;
	double limit;
	bool only_time, agreement;
} limits[] = {
	{ "fidelity.cpu_time_error", 0.10, true, false },
	{ "fidelity.makespan_error", 0.15, true, false },
	{ "fidelity.voluntary_switch_error", 0.20, false, false },
	{ "fidelity.wake_edges_recall", 0.70, false, true },
};

bool ana_fidelity_is_poor(const char *measure, double v, bool work_is_time)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (!strcmp(measure, limits[i].measure))
			return (work_is_time || !limits[i].only_time) &&
			       (limits[i].agreement ? v < limits[i].limit : fabs(v) > limits[i].limit);
	return false;
}
